/* SPDX-License-Identifier: Apache-2.0 */
/* watch: streams fed from the engine's rings.
 *
 * A commit wakes a loop at most once; the loop then makes a pass over those of its watches that
 * have something to read, in slices so that requests in between stay quick, and writes to each what
 * has gathered for it in one send. At most one send is in flight a watch; what comes meanwhile is
 * read when that is through. Passes keep a distance that grows with what the last one cost, so that
 * a burst of commits costs each watch one system call rather than one an event, and a loop with
 * very many watches has time for requests; the first event after a pause goes out at once. */
#include <assert.h>
#include <stdlib.h>

#include "apiserver/call_priv.h"
#include "apiserver/loop.h"
#include "apiserver/negotiate.h"
#include "apiserver/options.h"
#include "apiserver/rest.h"
#include "apiserver/series.h"
#include "apiserver/websocket.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "resources/convert.h"

enum {
    TIMER_NS = 1000000,     /* timers are no finer */
    SLICE_NS = 2 * 1000000, /* of CPU time in one turn of the loop */
    SLICE_LOOK = 8,         /* watches between two looks at the clock */
    PUMP_ROUNDS = 4,        /* sends to a watch that is behind before others get their turn */
    /* The distance of passes: so many times a pass's CPU time, ... */
    PASS_TIMES = 5,
    PASS_DISTANCE_NS = 20 * 1000000, /* ... up to this, or half as much again as that time, ... */
    PASS_DISTANCE_MAX_NS = 250 * 1000000, /* ... but no more than this */
    END_TICK_MS = 500,
    END_MIN_MS =
        1800 *
        1000, /* the reference's --min-request-timeout; a watch lives once to twice as long */
};

/*
 * A watch. busy: watch_catch_up runs on the pool, and the loop leaves the watcher alone. more:
 * there is something to read as soon as a send is possible. ending: the stream ends as soon as a
 * send is possible.
 */
struct rest_watch {
    struct pool_task task;
    struct call *call;
    struct watcher *watcher;
    struct rest_watch *prev, *next;
    int64_t end_ms;
    uint64_t more_ns; /* since when there is something to read; 0: there is nothing */
    struct series_watch series;
    bool busy, more, ending, gone, dirty;
};

static void pump(struct rest_watch *w);
static void enqueue(struct loop_state *l, struct rest_watch *w);
static void slice_soon(struct loop_state *l);
static void caught_up(struct call *c);

/* ---- life ---- */

static struct rest_watch *watch_of(const struct call *c)
{
    return ((const struct rest *)c->priv)->of_verb;
}

static void unlink_watch(struct loop_watches *s, struct rest_watch *w)
{
    *(w->prev ? &w->prev->next : &s->first) = w->next;
    if (w->next) {
        w->next->prev = w->prev;
    }
    s->n--;
    for (size_t i = s->at; w->dirty && i < s->n_dirty; i++) {
        if (s->dirty[i] == w) {
            s->dirty[i] = NULL;
            break;
        }
    }
}

/* The watcher must not be busy. */
static void finish(struct rest_watch *w)
{
    struct call *c = w->call;
    http_on_gone(c->http, NULL, NULL);
    unlink_watch(&c->loop->watches, w);
    if (w->series.open) {
        metric_add(w->series.open, -1);
    }
    watch_close(w->watcher);
    call_finish(c);
}

static void on_gone(void *arg, struct http_request *r)
{
    struct rest_watch *w = arg;
    (void)r;
    w->gone = true;
    if (!w->busy) {
        finish(w);
    }
}

/* ---- sending ---- */

static void gather(void *arg, struct blob *line)
{
    struct rest_watch *w = arg;
    struct loop_watches *s = &w->call->loop->watches;
    if (s->n_gathered == s->cap_gathered) {
        s->cap_gathered = s->cap_gathered ? s->cap_gathered * 2 : 64;
        s->gathered = alloc_resize(s->gathered, s->cap_gathered * sizeof(struct blob *));
    }
    s->gathered[s->n_gathered++] = line;
    w->call->bytes += line->len;
    if (w->series.sizes) {
        metric_observe(w->series.sizes, (double)line->len);
    }
}

static void catch_up(struct pool_task *t)
{
    struct rest_watch *w = (struct rest_watch *)(void *)t;
    watch_catch_up(w->watcher);
    call_resume(w->call, caught_up);
}

static void caught_up(struct call *c)
{
    struct rest_watch *w = watch_of(c);
    w->busy = false;
    w->more = true;
    if (w->gone) {
        finish(w);
    } else {
        pump(w);
    }
}

static void start_catching_up(struct rest_watch *w)
{
    w->task.run = catch_up;
    struct engine *e = server_engine(w->call->server);
    const struct type *waits = watcher_waits(w->watcher);
    w->busy = waits ? convert_submit(e, waits, &w->task, true)
                    : pool_submit(engine_pool(e), &w->task, true);
    if (!w->busy) {
        w->ending = true; /* the pool stops: so does the server */
    }
}

/* Reads and sends what there is, if a send is possible. w may be gone afterwards. True: it is not,
 * there is more, and a send is possible. */
static bool pump_once(struct rest_watch *w)
{
    struct call *c = w->call;
    struct loop_watches *s = &c->loop->watches;
    if (w->busy || !http_stream_writable(c->http)) {
        return false;
    }
    enum watch_state state = WATCH_IDLE;
    s->n_gathered = 0;
    if (w->more) {
        state = watch_read(w->watcher, LIMIT_WATCH_GATHER_BYTES, gather, w);
        w->more = state == WATCH_MORE;
        w->more_ns = state == WATCH_IDLE ? 0 : w->more_ns;
        if (w->series.events && s->n_gathered) {
            metric_add(w->series.events, (double)s->n_gathered);
        }
    }
    if (state == WATCH_BEHIND && !w->ending) {
        start_catching_up(w);
    }
    bool last = state == WATCH_ENDED || (w->ending && state != WATCH_MORE);
    if (last) {
        http_stream_send(c->http, s->gathered, s->n_gathered, true);
        finish(w);
        return false;
    }
    if (s->n_gathered) {
        http_stream_push(c->http, s->gathered, s->n_gathered);
    }
    return w->more && http_stream_writable(c->http);
}

static void pump(struct rest_watch *w)
{
    for (int i = 0; i < PUMP_ROUNDS; i++) {
        if (!pump_once(w)) {
            return;
        }
    }
    enqueue(w->call->loop, w);
    slice_soon(w->call->loop);
}

static void on_ready(void *arg, struct http_request *r)
{
    struct rest_watch *w = arg;
    (void)r;
    if (w->more || w->ending) {
        pump(w);
    }
}

/* ---- passes ---- */

static void run_slice(void *arg);
static void run_pass(void *arg);

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void slice_soon(struct loop_state *l)
{
    if (!l->watches.slice_due) {
        l->watches.slice_due = true;
        http_loop_soon(l->http, run_slice, l);
    }
}

static uint64_t distance_ns(uint64_t cost)
{
    uint64_t d = cost * PASS_TIMES;
    if (d > PASS_DISTANCE_NS) {
        d = cost + cost / 2 > PASS_DISTANCE_NS ? cost + cost / 2 : PASS_DISTANCE_NS;
    }
    return d < PASS_DISTANCE_MAX_NS ? d : PASS_DISTANCE_MAX_NS;
}

/* A pass is made at once, when it is time, or when the one that runs is through. */
static void want_pass(struct loop_state *l)
{
    struct loop_watches *s = &l->watches;
    uint64_t now = clock_mono_ns();
    if (s->at < s->n_dirty) {
        s->pass_again = true;
    } else if (now + TIMER_NS > s->next_pass_ns) {
        run_pass(l);
    } else if (!s->pass_due) {
        s->pass_due = true;
        http_loop_after(l->http, (unsigned)((s->next_pass_ns - now) / TIMER_NS), run_pass, l);
    }
}

static void run_slice(void *arg)
{
    struct loop_state *l = arg;
    struct loop_watches *s = &l->watches;
    uint64_t begun = cpu_ns(), spent = 0;
    s->slice_due = false;
    if (s->at == s->n_dirty) {
        return;
    }
    while (s->at < s->n_dirty && spent < SLICE_NS) {
        for (int i = 0; i < SLICE_LOOK && s->at < s->n_dirty; i++) {
            struct rest_watch *w = s->dirty[s->at++];
            if (w) {
                w->dirty = false;
                pump(w);
            }
        }
        spent = cpu_ns() - begun;
    }
    s->pass_cost_ns += spent;
    if (s->at < s->n_dirty) {
        slice_soon(l);
    } else {
        s->at = s->n_dirty = 0;
        s->next_pass_ns = clock_mono_ns() + distance_ns(s->pass_cost_ns);
        s->pass_cost_ns = 0;
        if (s->pass_ns && l->gauges.dispatch) {
            metric_observe(l->gauges.dispatch, (double)(clock_mono_ns() - s->pass_ns) / 1e9);
        }
        s->pass_ns = 0;
        if (s->pass_again) {
            s->pass_again = false;
            want_pass(l);
        }
    }
}

/* Its turn comes in this pass. */
static void enqueue(struct loop_state *l, struct rest_watch *w)
{
    struct loop_watches *s = &l->watches;
    if (w->dirty || w->gone) {
        return;
    }
    if (s->n_dirty == s->cap_dirty && s->at > s->n_dirty / 2) {
        s->n_dirty -= s->at;
        memmove(s->dirty, s->dirty + s->at, s->n_dirty * sizeof(struct rest_watch *));
        s->at = 0;
    }
    if (s->n_dirty == s->cap_dirty) {
        s->cap_dirty = s->cap_dirty ? s->cap_dirty * 2 : 64;
        s->dirty = alloc_resize(s->dirty, s->cap_dirty * sizeof(struct rest_watch *));
    }
    w->dirty = true;
    s->dirty[s->n_dirty++] = w;
}

static void mark(void *arg, struct watcher *watcher, void *watcher_arg)
{
    struct loop_state *l = arg;
    struct rest_watch *w = watcher_arg;
    (void)watcher;
    w->more = true;
    w->more_ns = w->more_ns ? w->more_ns : l->watches.last_pass_ns;
    enqueue(l, w);
}

static void run_pass(void *arg)
{
    struct loop_state *l = arg;
    struct loop_watches *s = &l->watches;
    s->pass_due = false;
    if (!s->group) {
        return;
    }
    s->last_pass_ns = clock_mono_ns();
    uint64_t woken = atomic_exchange_explicit(&s->woken_ns, 0, memory_order_relaxed);
    s->pass_ns = s->pass_ns ? s->pass_ns : woken;
    uint64_t begun = cpu_ns();
    watch_group_ready(s->group, mark, l);
    s->pass_cost_ns += cpu_ns() - begun;
    if (s->n_dirty) {
        run_slice(l); /* not in the next turn: the first event is waiting */
    }
}

static void on_woken(void *arg)
{
    struct loop_state *l = arg;
    struct loop_watches *s = &l->watches;
    if (s->group) {
        want_pass(l);
    }
}

/* On the committer's thread. */
static void wake(void *arg)
{
    struct loop_state *l = arg;
    atomic_store_explicit(&l->watches.woken_ns, clock_mono_ns(), memory_order_relaxed);
    http_post(l->http, on_woken, l);
}

void loop_watches_lag(const struct loop_state *l, struct loop_lag *ret)
{
    const struct loop_watches *s = &l->watches;
    int64_t present = watch_present(engine_watches(server_engine(l->server)));
    uint64_t now = clock_mono_ns();
    *ret = (struct loop_lag){0};
    for (const struct rest_watch *w = s->first; w; w = w->next) {
        if (!w->more_ns) {
            continue;
        }
        double seconds = now > w->more_ns ? (double)(now - w->more_ns) / 1e9 : 0;
        /* one that is busy is the pool's */
        int64_t revisions = w->busy ? 0 : present - watcher_revision(w->watcher);
        ret->lagging++;
        ret->seconds = seconds > ret->seconds ? seconds : ret->seconds;
        ret->revisions = revisions > ret->revisions ? revisions : ret->revisions;
    }
}

/* ---- ends ---- */

static void end_watch(struct rest_watch *w)
{
    w->ending = true;
    w->more = true; /* what has come since goes out before the end */
    pump(w);
}

/* Ends those whose time is up. */
static void end_due(void *arg)
{
    struct loop_state *l = arg;
    struct loop_watches *s = &l->watches;
    int64_t now = clock_mono_ms(), least = INT64_MAX;
    if (!s->first || s->next_end_ms > now) {
        return;
    }
    for (struct rest_watch *w = s->first, *next; w; w = next) {
        next = w->next;
        if (w->ending) {
            continue;
        }
        if (w->end_ms <= now) {
            end_watch(w);
        } else if (w->end_ms < least) {
            least = w->end_ms;
        }
    }
    s->next_end_ms = least;
}

static int64_t lifetime_ms(const struct op *op)
{
    if (op->list.timeout_s > 0) {
        int64_t most = INT64_MAX / 2000;
        return (op->list.timeout_s < most ? op->list.timeout_s : most) * 1000;
    }
    unsigned random;
    crypto_random(&random, sizeof(random));
    return END_MIN_MS + (int64_t)(random % END_MIN_MS);
}

void loop_watches_init(struct loop_state *l)
{
    l->watches.group = watch_group_create(engine_watches(server_engine(l->server)), wake, l);
    http_loop_every(l->http, END_TICK_MS, end_due, l);
}

void loop_watches_stop(struct loop_state *l)
{
    struct loop_watches *s = &l->watches;
    s->stopping = true;
    for (struct rest_watch *w = s->first, *next; w; w = next) {
        next = w->next;
        end_watch(w);
    }
}

void loop_watches_finish(struct loop_state *l)
{
    struct loop_watches *s = &l->watches;
    assert(!s->first); /* the loop closes when all its calls are finished */
    watch_group_destroy(s->group);
    s->group = NULL;
    s->at = s->n_dirty = 0;
    free(s->dirty);
    free(s->gathered);
}

/* ---- start ---- */

static bool is_websocket(const struct call *c)
{
    return c->http->websocket && str_is(c->http->method, "GET");
}

/* Whether a WebSocket's handshake can be answered; otherwise the call is, with what the reference
 * says. */
static bool check_handshake(struct call *c)
{
    static const struct http_header version[] = {{{"sec-websocket-version", 21}, {"13", 2}}};
    AUTO(err_finish) struct err err = {0};
    struct str protocol;
    struct buf b = {0};
    const char *why = http_websocket_check(c->http);
    if (!why && websocket_protocol(c->http, &protocol, &err) == 0) {
        return true;
    }
    buf_addz(&b, why ? why : err_message(&err));
    call_answer_headers(c, 400, STR("text/plain; charset=utf-8"), version, 1, &b);
    return false;
}

static void open_watch(struct call *c)
{
    struct str protocol = STR_NULL;
    bool websocket = is_websocket(c);
    struct rest *r = c->priv;
    struct loop_watches *s = &c->loop->watches;
    struct rest_watch *w = ARENA_NEW(&c->arena, struct rest_watch);
    struct err err = {0};
    int code = s->stopping ? err_set(&err, ERR_CLOSED, "the server is shutting down") : 0;
    code = code < 0 ? code : watch_open(s->group, c->op, &r->form, w, &w->watcher, &err);
    if (code < 0) {
        call_answer_err(c, &err);
        return;
    }
    struct str type = media_stream(r->form.encoding);
    if (str_is(c->http->method, "HEAD")) {
        watch_close(w->watcher);
        call_answer(c, 200, type, NULL);
        return;
    }
    r->of_verb = w;
    w->call = c;
    w->more = true;
    w->more_ns = clock_mono_ns();
    w->end_ms = (int64_t)(w->more_ns / 1000000) + lifetime_ms(c->op);
    w->series = series_watch(c);
    if (w->series.open) {
        metric_add(w->series.open, 1);
    }
    w->next = s->first;
    if (w->next) {
        w->next->prev = w;
    }
    s->first = w;
    s->n++;
    s->next_end_ms = s->n == 1 || w->end_ms < s->next_end_ms ? w->end_ms : s->next_end_ms;
    http_on_gone(c->http, on_gone, w);
    if (websocket) {
        c->status = 101;
        websocket_protocol(c->http, &protocol, NULL);
        struct http_messages messages = {.binary = r->form.encoding != ENCODING_JSON,
                                         .skip = encoding_frame_head(r->form.encoding)};
        http_websocket_begin(c->http, protocol, messages, on_ready, w);
        return;
    }
    size_t n;
    struct http_header *h = call_headers(c, type, NULL, 0, &n);
    c->status = 200;
    http_stream_begin(c->http, 200, h, n, on_ready, w);
}

void rest_watch(struct call *c)
{
    if (is_websocket(c) && !check_handshake(c)) {
        return;
    }
    struct rest *r = c->priv;
    struct err err = {0};
    struct str name = c->route.legacy_watch ? c->route.name : STR("");
    c->op->name = STR("");
    int code = negotiate_answer(c, !r->type->custom, NEGOTIATE_WATCH, &r->form, &err);
    code = code < 0 ? code : options_list(c, c->op, true, name, &err);
    if (code < 0) {
        call_answer_err(c, &err);
    } else {
        rest_when_synced(c, open_watch);
    }
}
