/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the background services, each on a thread of its own. */
#include "services/supervisor.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "controllers/manager.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MOST_MS 60000
#define BACKOFF_RESET_MS 60000 /* a run that lasted this long was a good one */

struct service_stop {
    pthread_mutex_t lock;
    int fd; /* an eventfd: readable once stopping */
    bool stopping;
    void (*fn)(void *arg);
    void *arg;
};

struct runner {
    struct background b;
    struct service_stop stop;
    pthread_t thread;
};

struct supervisor {
    struct runner **runners;
    size_t n;
};

bool service_stopping(const struct service_stop *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

bool service_wait(struct service_stop *s, int ms)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

int service_stop_fd(const struct service_stop *s)
{
    return s->fd;
}

void service_on_stop(struct service_stop *s, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&s->lock);
    s->fn = fn;
    s->arg = arg;
    if (fn && s->stopping) {
        fn(arg);
    }
    pthread_mutex_unlock(&s->lock);
}

void service_run_controller(struct client *c, struct metrics *m, const struct controller *def,
                            struct service_stop *stop)
{
    struct manager *manager = manager_create(c, m);
    manager_add(manager, def);
    manager_start(manager);
    service_wait(stop, -1);
    manager_destroy(manager);
}

static void stop_now(struct service_stop *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    uint64_t one = 1;
    if (write(s->fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
    if (s->fn) {
        s->fn(s->arg);
    }
    pthread_mutex_unlock(&s->lock);
}

static void *runner_main(void *arg)
{
    struct runner *r = arg;
    int64_t wait = BACKOFF_FIRST_MS;
    while (!service_stopping(&r->stop)) {
        struct err err = {0};
        int64_t begun = clock_mono_ms();
        int code = r->b.run(r->b.self, &r->stop, &err);
        service_on_stop(&r->stop, NULL, NULL); /* what it left there may be gone */
        if (service_stopping(&r->stop)) {
            err_finish(&err);
            break;
        }
        wait = clock_mono_ms() - begun >= BACKOFF_RESET_MS ? BACKOFF_FIRST_MS : wait;
        if (code < 0) {
            log_error("a background service failed and is run again", LOG_Z("service", r->b.name),
                      LOG_ERR(&err), LOG_I("after_ms", wait));
        } else {
            log_error("a background service ended and is run again", LOG_Z("service", r->b.name),
                      LOG_I("after_ms", wait));
        }
        err_finish(&err);
        service_wait(&r->stop, (int)wait);
        wait = wait * 2 < BACKOFF_MOST_MS ? wait * 2 : BACKOFF_MOST_MS;
    }
    return NULL;
}

static struct runner *runner_start(const struct background *b)
{
    struct runner *r = ALLOC(struct runner);
    r->b = *b;
    pthread_mutex_init(&r->stop.lock, NULL);
    r->stop.fd = eventfd(0, EFD_CLOEXEC);
    if (r->stop.fd < 0 || pthread_create(&r->thread, NULL, runner_main, r) != 0) {
        log_error("cannot start a thread", LOG_Z("service", b->name));
        abort();
    }
    char name[16] = {0};
    memcpy(name, b->name, strlen(b->name) < 15 ? strlen(b->name) : 15);
    pthread_setname_np(r->thread, name);
    return r;
}

/* A misspelt name in the configuration would otherwise go unseen. */
static void warn_of_unknown(const struct config *c, const struct background *table, size_t n)
{
    for (size_t i = 0; i < c->disabled.n; i++) {
        size_t j = 0;
        while (j < n && strcmp(table[j].name, c->disabled.items[i]) != 0) {
            j++;
        }
        if (j == n) {
            log_warn("the configuration disables what is no background service",
                     LOG_Z("service", c->disabled.items[i]));
        }
    }
}

struct supervisor *supervisor_start(const struct config *c, const struct background *table,
                                    size_t n)
{
    struct supervisor *s = ALLOC(struct supervisor);
    s->runners = alloc_zero((n + 1) * sizeof(*s->runners));
    warn_of_unknown(c, table, n);
    for (size_t i = 0; i < n; i++) {
        if (config_enabled(c, table[i].name)) {
            s->runners[s->n++] = runner_start(&table[i]);
        } else {
            log_info("a background service is disabled", LOG_Z("service", table[i].name));
        }
    }
    return s;
}

void supervisor_stop(struct supervisor *s)
{
    if (!s) {
        return;
    }
    while (s->n) {
        struct runner *r = s->runners[--s->n];
        stop_now(&r->stop);
        pthread_join(r->thread, NULL);
        close(r->stop.fd);
        pthread_mutex_destroy(&r->stop.lock);
        free(r);
    }
    free(s->runners);
    free(s);
}
