/* SPDX-License-Identifier: Apache-2.0 */
/* Event loops: one thread each, which makes and ends everything of h2o's that it uses; messages to
 * it; timers. */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

enum { CLOSE_MS = 2000, BUSY_MS = 30000, WAIT_MS = 10000 };

/* h2o keeps up to 16 chunks of each size in thread-local lists, which nothing frees when a loop's
 * thread ends. Everything else that a loop allocates it gives back, so no other leak of a
 * connection hides behind this. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HTTP_LEAK_CHECKED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HTTP_LEAK_CHECKED)
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle\n";
}
#endif

struct message {
    h2o_multithread_message_t super;
    struct http_task task;
};

/* ---- messages ---- */

static void on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct message *m = H2O_STRUCT_FROM_MEMBER(struct message, super.link, messages->next);
        h2o_linklist_unlink(&m->super.link);
        struct http_task t = m->task;
        free(m);
        t.fn(t.arg);
    }
}

bool http_post(struct http_loop *l, http_task_fn *fn, void *arg)
{
    struct message *m = ALLOC(struct message);
    m->task = (struct http_task){fn, arg};
    pthread_mutex_lock(&l->post_lock);
    bool open = l->open;
    if (open) {
        h2o_multithread_send_message(&l->receiver, &m->super);
    }
    pthread_mutex_unlock(&l->post_lock);
    if (!open) {
        free(m);
    }
    return open;
}

/* ---- tasks and timers ---- */

void http_loop_soon(struct http_loop *l, http_task_fn *fn, void *arg)
{
    struct http_tasks *t = &l->soon;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->items = alloc_resize(t->items, t->cap * sizeof(*t->items));
    }
    t->items[t->n++] = (struct http_task){fn, arg};
}

/* What the tasks themselves add waits for the next turn. */
static void run_soon(struct http_loop *l)
{
    struct http_tasks now = l->soon;
    l->soon = (struct http_tasks){0};
    for (size_t i = 0; i < now.n; i++) {
        now.items[i].fn(now.items[i].arg);
    }
    if (!l->soon.cap) {
        now.n = 0;
        l->soon = now;
    } else {
        free(now.items);
    }
}

static void add_timer(struct http_loop *l, unsigned ms, unsigned interval_ms, http_task_fn *fn,
                      void *arg)
{
    l->timers = alloc_resize(l->timers, (l->n_timers + 1) * sizeof(*l->timers));
    uint64_t now = l->ev ? h2o_now(l->ev) : 0; /* before start: due at once */
    l->timers[l->n_timers++] = (struct http_timer){interval_ms, now + ms, fn, arg};
}

void http_loop_every(struct http_loop *l, unsigned interval_ms, http_task_fn *fn, void *arg)
{
    add_timer(l, interval_ms, interval_ms, fn, arg);
}

void http_loop_after(struct http_loop *l, unsigned ms, http_task_fn *fn, void *arg)
{
    add_timer(l, ms, 0, fn, arg);
}

/* Timers are few: a loop's tick, its watches' passes and ends. */
static void run_timers(struct http_loop *l)
{
    uint64_t now = h2o_now(l->ev);
    for (size_t i = 0; i < l->n_timers; i++) {
        struct http_timer t = l->timers[i];
        if (t.due_ms > now) {
            continue;
        }
        if (t.interval_ms) {
            l->timers[i].due_ms = now + t.interval_ms;
        } else {
            l->timers[i--] = l->timers[--l->n_timers];
        }
        t.fn(t.arg);
    }
}

static int32_t wait_ms(const struct http_loop *l)
{
    if (l->soon.n || l->hasty) {
        return 0;
    }
    uint64_t now = h2o_now(l->ev), least = WAIT_MS;
    for (size_t i = 0; i < l->n_timers; i++) {
        uint64_t due = l->timers[i].due_ms, left = due > now ? due - now : 0;
        least = left < least ? left : least;
    }
    return (int32_t)least;
}

static void tick(void *arg)
{
    struct http_loop *l = arg;
    exchange_tick(l);
    http_guard_tick(l);
    http_direct_tick(l);
    for (size_t i = 0; i < l->server->n_addresses; i++) {
        http_listener_tick(&l->listeners[i]);
    }
}

/* ---- life ---- */

static void loop_open(struct http_loop *l)
{
    struct http_server *s = l->server;
    l->ev = h2o_evloop_create();
    h2o_context_init(&l->ctx, l->ev, &s->conf);
    h2o_multithread_register_receiver(l->ctx.queue, &l->receiver, on_messages);
    l->exact._initial_buf.capacity = 1;
    l->listeners = alloc_zero(s->n_addresses * sizeof(*l->listeners));
    http_loop_every(l, s->times.tick, tick, l);
    l->open = true;
    if (s->o.loop_begin) {
        s->o.loop_begin(l);
    }
    for (size_t i = 0; i < s->n_addresses; i++) {
        http_listener_open(l, &l->listeners[i], &s->addresses[i]);
    }
}

static void turn(struct http_loop *l, int32_t wait)
{
    l->hasty = false;
    while (h2o_evloop_run(l->ev, wait) != 0) {
        assert(errno == EINTR);
    }
    run_timers(l);
    run_soon(l);
    http_guard_turn(l);
}

static void close_connections(struct http_loop *l)
{
    http_guard_finish(l);
    for (struct http_conn *c = l->conns; c; c = c->next) {
        http_conn_cut(c);
    }
    uint64_t until = h2o_now(l->ev) + CLOSE_MS;
    while (l->conns && h2o_now(l->ev) < until) {
        turn(l, 10);
        for (struct http_conn *c = l->conns; c; c = c->next) {
            http_conn_cut(c);
        }
    }
    if (l->conns) {
        log_warn("connections did not close", LOG_I("count", atomic_load(&l->n_conns)));
    }
}

static void loop_close(struct http_loop *l)
{
    struct http_server *s = l->server;
    for (size_t i = 0; i < s->n_addresses; i++) {
        http_listener_close(&l->listeners[i]);
        if (l->listeners[i].accept.ssl_ctx) {
            SSL_CTX_free(l->listeners[i].accept.ssl_ctx);
        }
    }
    close_connections(l);
    uint64_t until = h2o_now(l->ev) + BUSY_MS;
    while (s->o.loop_busy && s->o.loop_busy(l) && h2o_now(l->ev) < until) {
        turn(l, 10);
    }
    if (s->o.loop_end) {
        s->o.loop_end(l);
    }
    pthread_mutex_lock(&l->post_lock);
    l->open = false;
    pthread_mutex_unlock(&l->post_lock);
    turn(l, 0); /* what was posted before */
    turn(l, 0);
    h2o_multithread_unregister_receiver(l->ctx.queue, &l->receiver);
    h2o_timeout_unlink(&l->ctx.http2._graceful_shutdown_timeout);
    h2o_multithread_queue_t *queue = l->ctx.queue;
    h2o_context_dispose(&l->ctx);
    free(queue); /* 2.2.5 leaves it to nobody */
    h2o_evloop_destroy(l->ev);
    free(l->listeners);
    free(l->timers);
    free(l->soon.items);
    free(l->iov);
    http_direct_finish(l);
}

static void *loop_main(void *arg)
{
    struct http_loop *l = arg;
    struct http_server *s = l->server;
    loop_open(l);
    pthread_mutex_lock(&s->lock);
    s->n_started++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    while (!l->stopping) {
        turn(l, wait_ms(l));
    }
    loop_close(l);
    return NULL;
}

int http_loop_begin(struct http_server *s, size_t index, struct err *err)
{
    struct http_loop *l = &s->loops[index];
    sigset_t all, old;
    /* Signals are the main thread's; SIGPIPE must not end the process. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&l->thread, NULL, loop_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0) {
        return err_set(err, ERR_IO, "cannot start an event loop: %s", strerror(r));
    }
    char name[16];
    snprintf(name, sizeof(name), "http-%zu", index % 1000);
    pthread_setname_np(l->thread, name);
    return 0;
}

void http_loop_finish(struct http_loop *l)
{
    pthread_mutex_destroy(&l->post_lock);
}

size_t http_loops(struct http_server *s)
{
    return s->n_loops;
}

struct http_loop *http_loop_at(struct http_server *s, size_t i)
{
    return &s->loops[i];
}

size_t http_loop_index(const struct http_loop *l)
{
    return l->index;
}

void *http_loop_server_arg(const struct http_loop *l)
{
    return l->server->o.handler_arg;
}

void http_loop_set_user(struct http_loop *l, void *user)
{
    l->user = user;
}

void *http_loop_user(const struct http_loop *l)
{
    return l->user;
}
