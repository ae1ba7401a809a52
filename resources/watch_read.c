/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a watch and reading from it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "resources/convert.h"
#include "resources/watch_priv.h"

enum {
    BOOKMARK_MS = 60 * 1000,
    BOOKMARK_JITTER_MS = 5 * 1000,
    LAST_BOOKMARK_MS = 2 * 1000, /* before a watch's time is over */
};

/* ---- opening ---- */

/* A resourceVersion that is no number: watches answer it as gets do. */
static int parse_version(const struct op *op, int64_t *ret, struct err *err)
{
    struct str text = op->list.resource_version;
    const char *why = text.len ? op_parse_rv(text, ret) : NULL;
    if (!why) {
        return 0;
    }
    return err_set(
        err, ERR_UNKNOWN_500,
        "resourceVersion: Invalid value: \"%.*s\": strconv.ParseUint: parsing \"%.*s\": %s",
        STR_FMT(text), STR_FMT(text), why);
}

static int64_t next_bookmark(const struct watcher *w, int64_t now)
{
    uint16_t random;
    crypto_random(&random, sizeof(random));
    int64_t due = now + BOOKMARK_MS - random % BOOKMARK_JITTER_MS;
    int64_t last = w->deadline == INT64_MAX ? INT64_MAX : w->deadline - LAST_BOOKMARK_MS;
    return last > now && last < due ? last : due;
}

static void set_times(struct watcher *w)
{
    const struct list_options *o = &w->op->list;
    int64_t now = clock_mono_ms();
    w->due = w->deadline = INT64_MAX;
    if (o->bookmarks) {
        w->deadline = o->timeout_s > 0 ? now + o->timeout_s * 1000 : INT64_MAX;
        w->due = next_bookmark(w, now);
        watch_timer_add(w->view->group, w->due);
    }
}

static void set_scope(struct watcher *w)
{
    struct op *op = w->op;
    struct scope scope;
    struct str name;
    list_narrow(op, &scope, &name);
    w->exact = name.ptr != NULL;
    w->prefix = w->exact ? type_key(op->type, scope, name, &op->arena)
                         : type_scope_prefix(op->type, scope, &op->arena);
    w->selective = op->list.labels || op->list.fields || op->list.shard;
}

static void too_old(struct watcher *w, int64_t rv, int64_t oldest)
{
    AUTO(err_finish) struct err err = {0};
    status_expired(&err, "too old resource version: %lld (%lld)", (long long)rv, (long long)oldest);
    watch_fail(w, &err);
}

/* Where the watch begins. */
static void set_start(struct watcher *w, int64_t rv)
{
    const struct list_options *o = &w->op->list;
    struct engine *e = w->op->engine;
    bool initial = o->send_initial_events_given ? o->send_initial_events : rv == 0;
    int64_t now = initial ? read_revision(e, rv) : rv;
    if (rv > now) {
        AUTO(err_finish) struct err err = {0};
        status_future_version(&err, rv, now);
        watch_fail(w, &err);
        return;
    }
    if (initial) {
        w->initial_end = o->send_initial_events && o->bookmarks;
        w->list = list_begin(e, w->op);
        w->mode = WATCH_MODE_INITIAL;
        return;
    }
    w->rev = rv ? rv : store_revision(e->store);
    w->mode = WATCH_MODE_ATTACH;
    if (w->rev < w->type->born) {
        too_old(w, w->rev, w->type->born);
    }
}

static void set_conversion(struct watcher *w)
{
    w->waits = w->encoded && convert_type_waits(w->type, w->version);
    w->converts = w->encoded && (w->type->converter || w->type->strategy->convert);
}

static void link_watcher(struct watcher *w, struct watch_view *v)
{
    w->view = v;
    w->next = v->watchers;
    if (w->next) {
        w->next->prev = w;
    }
    v->watchers = w;
    v->n_watchers++;
}

int watch_open(struct watch_group *g, struct op *op, const struct representation *r, void *arg,
               struct watcher **ret, struct err *err)
{
    int64_t rv = 0;
    int rc = list_check_options(&op->list, true, err);
    rc = rc ? rc : parse_version(op, &rv, err);
    if (rc) {
        return rc;
    }
    list_narrow_user(op);
    struct watcher *w = ALLOC(struct watcher);
    w->op = op_ref(op);
    w->arg = arg;
    w->encoded = r != NULL;
    w->r = r ? *r : (struct representation){0};
    w->last = &w->queue;
    w->type = type_ref(op->type);
    w->version = op->version;
    set_conversion(w);
    link_watcher(w, watch_view_get(g, watch_ring_get(g->hub, op->type->prefix)));
    w->target = watch_target_get(g->hub, op);
    atomic_fetch_add(&g->hub->watchers, 1);
    set_scope(w);
    set_times(w);
    set_start(w, rv);
    *ret = w;
    return 0;
}

struct op *watcher_op(struct watcher *w)
{
    return w->op;
}

struct type *watcher_waits(const struct watcher *w)
{
    return w->waits ? w->type : NULL;
}

int64_t watcher_revision(const struct watcher *w)
{
    return w->rev;
}

/* ---- reading ---- */

/* Where events go: encoded lines, or as they are. */
struct sink {
    watch_give_fn *give;
    watch_visit_fn *visit;
    void *arg;
    size_t left; /* bytes, or events */
    uint64_t given;
};

static void count(struct sink *s, size_t bytes)
{
    size_t cost = s->give ? bytes : 1;
    s->left = s->left > cost ? s->left - cost : 0;
    s->given++;
}

static void give_line(struct sink *s, struct blob *line)
{
    count(s, line->len);
    s->give(s->arg, line);
}

static void visit_event(const struct watcher *w, struct sink *s, struct watch_event *e,
                        struct str key)
{
    if (key.len) {
        type_key_parse(w->type, key, &e->ns, &e->name);
    }
    count(s, 1);
    s->visit(s->arg, e);
}

static void give_item(struct watcher *w, struct sink *s, struct watch_item *i)
{
    if (i->line) {
        give_line(s, take(&i->line));
        return;
    }
    struct watch_event e = {.type = i->type,
                            .blob = i->blob,
                            .rev = i->rev,
                            .stamp = i->stamp,
                            .err = i->type == WATCH_ERROR ? &i->err : NULL};
    visit_event(w, s, &e, str_make(i->key, i->key_len));
}

static void give_queue(struct watcher *w, struct sink *s)
{
    while (w->queue && s->left) {
        struct watch_item *i = w->queue;
        w->queue = i->next;
        w->last = w->queue ? w->last : &w->queue;
        give_item(w, s, i);
        watch_item_free(i);
    }
}

static int give_entry(struct watcher *w, struct sink *s, struct watch_entry *e,
                      enum watch_event_type type, struct err *err)
{
    if (w->encoded) {
        struct blob *line = watch_entry_line(w, e, type, err);
        if (line) {
            give_line(s, line);
        } else if (w->converts) {
            return err->code;
        }
        return 0; /* bytes that do not decode concern nobody: lists fail on them */
    }
    bool old = type == WATCH_DELETED;
    struct watch_event event = {.type = type,
                                .blob = old ? e->prev : e->value,
                                .rev = e->rev,
                                .stamp = old ? e->prev_stamp : e->stamp};
    visit_event(w, s, &event, str_make(e->key, e->key_len));
    return 0;
}

/* One event, if it concerns the watcher. */
static int give_one(struct watcher *w, struct sink *s, struct watch_entry *e, struct err *err)
{
    enum watch_event_type type;
    if (e->rev <= w->base || !watch_in_scope(w, str_make(e->key, e->key_len)) ||
        !watch_judge(w, e, &type)) {
        return 0;
    }
    return give_entry(w, s, e, type, err);
}

/* The live events; an event's revision is never split, so that a place between reads is one to
 * resume at. */
static enum watch_state give_live(struct watcher *w, struct sink *s)
{
    struct watch_view *v = w->view;
    AUTO(err_finish) struct err err = {0};
    int64_t ready_rev = w->converts ? 0 : INT64_MAX;
    for (uint64_t end = v->first + v->n; w->seq < end; w->seq++) {
        struct watch_entry *e = v->window[w->seq - v->first];
        if (!s->left && e->rev > w->rev) {
            return WATCH_MORE;
        }
        enum watch_ready ready = e->rev > ready_rev ? watch_shown_ready(w, &err) : WATCH_READY;
        if (ready == WATCH_READY_HELD) {
            w->rev = e->rev - 1 < w->rev ? e->rev - 1 : w->rev; /* it may have to resume there */
            return WATCH_HELD;
        }
        ready_rev = ready_rev < e->rev ? e->rev : ready_rev;
        if (ready == WATCH_READY_FAILED || give_one(w, s, e, &err)) {
            watch_fail(w, &err);
            return WATCH_MORE;
        }
        w->rev = e->rev > w->rev ? e->rev : w->rev;
    }
    return WATCH_IDLE;
}

static bool attach(struct watcher *w)
{
    if (watch_view_attach(w->view, w->rev, &w->seq)) {
        w->mode = WATCH_MODE_LIVE;
        w->base = w->rev;
        w->failures = atomic_load(&w->view->group->hub->failures);
        return true;
    }
    w->mode = WATCH_MODE_LOG;
    atomic_fetch_add(&w->view->group->hub->behind, 1);
    return false;
}

/* With every event given: a bookmark, if it is time for one. */
static void give_bookmark(struct watcher *w, struct sink *s)
{
    int64_t rev;
    if (!w->bookmark_now || !watch_view_complete(w->view, &rev)) {
        return;
    }
    w->bookmark_now = false;
    w->due = next_bookmark(w, clock_mono_ms());
    w->rev = rev > w->rev ? rev : w->rev;
    if (w->encoded) {
        give_line(s, watch_line_bookmark(w, w->rev, false));
    } else {
        visit_event(w, s, &(struct watch_event){.type = WATCH_BOOKMARK, .rev = w->rev}, STR_NULL);
    }
}

static enum watch_state read_live(struct watcher *w, struct sink *s)
{
    struct watch_view *v = w->view;
    if (w->seq < v->first) { /* it was too slow for the window */
        w->mode = WATCH_MODE_ATTACH;
        if (!attach(w)) {
            return WATCH_BEHIND;
        }
    }
    enum watch_state state = give_live(w, s);
    if (state == WATCH_IDLE) {
        give_bookmark(w, s);
    }
    return state;
}

static enum watch_state read_some(struct watcher *w, struct sink *s)
{
    w->handed_over = false;
    give_queue(w, s);
    if (w->queue) {
        return WATCH_MORE;
    }
    if (w->mode == WATCH_MODE_ENDED) {
        return WATCH_ENDED;
    }
    bool served = watch_refresh_type(w);
    set_conversion(w);
    if (w->mode == WATCH_MODE_ATTACH) {
        attach(w);
    }
    enum watch_state state = w->mode == WATCH_MODE_LIVE ? read_live(w, s) : WATCH_BEHIND;
    if (state == WATCH_BEHIND) {
        w->handed_over = true;
    } else if (state == WATCH_IDLE && !served) {
        w->mode = WATCH_MODE_ENDED;
        return WATCH_ENDED;
    }
    return state;
}

static enum watch_state read_into(struct watcher *w, struct sink *s)
{
    enum watch_state state = read_some(w, s);
    if (s->given) {
        atomic_fetch_add_explicit(&w->view->group->hub->sent, s->given, memory_order_relaxed);
    }
    return state;
}

enum watch_state watch_read(struct watcher *w, size_t max, watch_give_fn *give, void *arg)
{
    return read_into(w, &(struct sink){.give = give, .arg = arg, .left = max});
}

enum watch_state watch_visit(struct watcher *w, size_t max_events, watch_visit_fn *visit, void *arg)
{
    return read_into(w, &(struct sink){.visit = visit, .arg = arg, .left = max_events});
}
