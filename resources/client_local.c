/* SPDX-License-Identifier: Apache-2.0 */
/* The client within the server: operations on the engine, authorised as those of any other user. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/latch.h"
#include "resources/client.h"
#include "resources/convert.h"
#include "resources/engine_priv.h"
#include "resources/watch_priv.h"

enum { WATCH_BATCH = 256 };

struct client_local {
    struct client base;
    struct engine *engine;
    struct user *user;
};

struct client_local_watch {
    struct client_watch base;
    struct engine *engine;
    struct watch_group *group;
    struct watcher *watcher;
    struct op *op;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken, stopped;
    struct err err; /* of the ERROR event that ended the watch */
};

/* ---- operations ---- */

static int authorize(struct client_local *c, const struct op *op, struct err *err)
{
    struct attributes at = {
        .user = c->user,
        .verb = verb_name(op->verb),
        .resource_request = true,
        .group = op->type->group,
        .version = op->version->name,
        .resource = op->type->resource,
        .subresource = op->subresource,
        .ns = op->scope.ns,
        .name = op->name,
    };
    const char *reason = NULL;
    return access_authorize(c->engine->access, &at, &reason) == DECISION_ALLOW
               ? 0
               : status_access_denied(err, &at, reason);
}

static int find_type(struct client_local *c, struct op *op, const struct client_ref *r,
                     struct err *err)
{
    struct registry_snapshot *s = registry_ref(c->engine->registry);
    struct type *t = registry_find(s, r->group, r->resource);
    const struct type_version *v = !t               ? NULL
                                   : r->version.len ? type_served(t, r->version)
                                                    : type_storage(t);
    if (v) {
        op_set_type(op, t, v);
    }
    registry_snapshot_unref(s);
    return v ? 0 : err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
}

static int set_selectors(struct op *op, const struct client_options *o, struct err *err)
{
    struct arena *a = &op->arena;
    int rc = o->labels.len
                 ? selector_parse_labels(a, arena_str(a, o->labels), &op->list.labels, err)
                 : 0;
    if (!rc && o->fields.len) {
        rc = selector_parse_fields(a, arena_str(a, o->fields), op->type, op->version,
                                   &op->list.fields, err);
    }
    return rc;
}

static int set_options(struct op *op, const struct client_options *o, struct err *err)
{
    struct arena *a = &op->arena;
    if (!o) {
        return 0;
    }
    if (o->manager.len) {
        op->manager = arena_str(a, o->manager);
    }
    op->dry_run = o->dry_run;
    op->force = o->force;
    op->validation = o->strict ? FIELD_VALIDATION_STRICT : FIELD_VALIDATION_IGNORE;
    op->del.propagation = o->propagation;
    op->del.uid = o->uid.len ? arena_str(a, o->uid) : STR_NULL;
    op->del.resource_version =
        o->resource_version.len ? arena_str(a, o->resource_version) : STR_NULL;
    return set_selectors(op, o, err);
}

/* An authorised operation, ready to run. */
static int prepare(struct client_local *c, enum verb verb, const struct client_ref *r,
                   const struct client_options *o, struct op **ret, struct err *err)
{
    struct op *op = op_create(c->engine);
    struct arena *a = &op->arena;
    op->verb = verb;
    op->scope.ns = arena_str(a, r->ns);
    op->name = arena_str(a, r->name);
    op->subresource = arena_str(a, r->subresource);
    op->user = c->user ? user_ref(c->user) : NULL;
    op->validation = FIELD_VALIDATION_IGNORE;
    op->manager = STR("coracle");
    int rc = find_type(c, op, r, err);
    rc = rc ? rc : set_options(op, o, err);
    rc = rc ? rc : authorize(c, op, err);
    if (rc) {
        op_unref(op);
        return rc;
    }
    *ret = op;
    return 0;
}

/* The object an op answered, as a tree in a. */
static int take_answer(struct op *op, struct arena *a, yyjson_mut_doc **ret, struct err *err)
{
    const struct answer *w = &op->answer;
    if (!w->stored) {
        yyjson_mut_doc *d = json_doc(a);
        yyjson_mut_doc_set_root(d, json_copy(d, w->value));
        *ret = d;
        return 0;
    }
    const struct stored s = {arena_str(a, blob_str(w->blob)), w->rev, w->stamp};
    return represent_decode(op->type, op->version, &s, a, ret, err);
}

static int run(struct client_local *c, struct op *op, struct arena *a, yyjson_mut_doc **ret,
               struct err *err)
{
    int rc = engine_run(c->engine, op);
    if (rc) {
        err_move(err, &op->err);
    } else if (ret && !op->answer.deleted_status) {
        bool may = convert_may_wait(true);
        rc = take_answer(op, a, ret, err);
        convert_may_wait(may);
    }
    op_unref(op);
    return rc;
}

static int local_get(struct client *base, const struct client_ref *r, struct arena *a,
                     yyjson_mut_doc **ret, struct err *err)
{
    struct client_local *c = (struct client_local *)base;
    struct op *op = NULL;
    int rc = prepare(c, VERB_GET, r, NULL, &op, err);
    return rc ? rc : run(c, op, a, ret, err);
}

static int local_write(struct client *base, enum verb verb, const struct client_ref *r,
                       enum patch_type patch, yyjson_mut_val *body, const struct client_options *o,
                       struct arena *a, yyjson_mut_doc **ret, struct err *err)
{
    struct client_local *c = (struct client_local *)base;
    struct op *op = NULL;
    int rc = prepare(c, verb, r, o, &op, err);
    if (rc) {
        return rc;
    }
    op->patch = patch;
    if (body) {
        op->body = json_doc(&op->arena);
        yyjson_mut_doc_set_root(op->body, json_copy(op->body, body));
    }
    return run(c, op, a, ret, err);
}

/* ---- lists ---- */

struct lister {
    struct op *op;
    client_visit_fn *visit;
    void *arg;
    struct err *err;
};

static int visit_one(void *arg, struct str ns, struct str name, const struct stored *s)
{
    (void)ns;
    (void)name;
    struct lister *l = arg;
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    int rc = represent_decode(l->op->type, l->op->version, s, &a, &d, l->err);
    rc = rc ? rc : l->visit(l->arg, d, l->err);
    arena_finish(&a);
    return rc;
}

static int local_list(struct client *base, const struct client_ref *r,
                      const struct client_options *o, client_visit_fn *visit, void *arg,
                      int64_t *ret_rev, struct err *err)
{
    struct client_local *c = (struct client_local *)base;
    struct op *op = NULL;
    int rc = prepare(c, VERB_LIST, r, o, &op, err);
    if (rc) {
        return rc;
    }
    struct lister l = {op, visit, arg, err};
    bool may = convert_may_wait(true);
    rc = list_visit(c->engine, op, visit_one, &l, ret_rev, err);
    convert_may_wait(may);
    op_unref(op);
    return rc;
}

/* ---- watches ---- */

/* From the committer's thread. */
static void woken(void *arg)
{
    struct client_local_watch *w = arg;
    pthread_mutex_lock(&w->lock);
    w->woken = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void watch_destroy(struct client_local_watch *w)
{
    watch_close(w->watcher);
    watch_group_destroy(w->group);
    op_unref(w->op);
    err_finish(&w->err);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->cond);
    free(w);
}

static int local_watch(struct client *base, const struct client_ref *r,
                       const struct client_options *o, int64_t from, struct client_watch **ret,
                       struct err *err)
{
    struct client_local *c = (struct client_local *)base;
    struct op *op = NULL;
    int rc = prepare(c, VERB_WATCH, r, o, &op, err);
    if (rc) {
        return rc;
    }
    op->list.bookmarks = true;
    op->list.resource_version =
        from > 0 ? str_from(arena_printf(&op->arena, "%lld", (long long)from)) : STR_NULL;
    struct client_local_watch *w = ALLOC(struct client_local_watch);
    w->base.ops = base->ops;
    w->engine = c->engine;
    w->op = op;
    w->woken = true;
    pthread_mutex_init(&w->lock, NULL);
    cond_init_monotonic(&w->cond);
    w->group = watch_group_create(c->engine->watches, woken, w);
    rc = watch_open(w->group, op, NULL, w, &w->watcher, err);
    if (rc) {
        watch_destroy(w);
        return rc;
    }
    *ret = &w->base;
    return 0;
}

/* Where events are delivered to. */
struct delivery {
    struct client_local_watch *w;
    client_event_fn *fn;
    void *arg;
    size_t n;
};

static struct blob *in_version(const struct watcher *w, const struct watch_event *e)
{
    struct arena a;
    arena_init(&a, 0);
    AUTO(buf_finish) struct buf b = {0};
    const struct stored s = {blob_str(e->blob), e->rev, e->stamp};
    int rc = represent_object(&b, w->type, w->version, &s, &a, NULL);
    arena_finish(&a);
    return rc ? NULL : blob_create(buf_str(&b));
}

static void deliver(void *arg, const struct watch_event *e)
{
    struct delivery *d = arg;
    const struct watcher *w = d->w->watcher;
    if (e->type == WATCH_ERROR) {
        err_copy(&d->w->err, e->err);
        return;
    }
    static const enum client_event_type types[] = {
        [WATCH_ADDED] = CLIENT_ADDED,
        [WATCH_MODIFIED] = CLIENT_MODIFIED,
        [WATCH_DELETED] = CLIENT_DELETED,
        [WATCH_BOOKMARK] = CLIENT_BOOKMARK,
    };
    struct client_event c = {
        .type = types[e->type], .ns = e->ns, .name = e->name, .bytes = e->blob, .rev = e->rev};
    AUTO(blob_unrefp) struct blob *made = NULL;
    if (e->blob && !represent_is_splice(w->type, w->version,
                                        &(struct stored){blob_str(e->blob), e->rev, e->stamp})) {
        c.bytes = made = in_version(w, e);
        c.has_rev_inside = true;
        if (!made) {
            return;
        }
    }
    d->n++;
    d->fn(d->arg, &c);
}

/* Reads until something was delivered or nothing is left. */
static int pump(struct client_local_watch *w, struct delivery *d)
{
    for (;;) {
        switch (watch_visit(w->watcher, WATCH_BATCH, deliver, d)) {
        case WATCH_BEHIND:
            watch_catch_up(w->watcher);
            break;
        case WATCH_ENDED:
            return d->n ? 0 : w->err.code ? w->err.code : ERR_CLOSED;
        case WATCH_MORE:
            if (d->n) {
                return 0;
            }
            break;
        case WATCH_HELD: /* not of events as they are */
        case WATCH_IDLE:
            return d->n ? 0 : ERR_TIMEOUT;
        }
    }
}

static void each(void *arg, struct watcher *w, void *watcher_arg)
{
    (void)arg;
    (void)w;
    (void)watcher_arg;
}

/* False: stopped, or the time is over. */
static bool wait_wake(struct client_local_watch *w, int timeout_ms, const struct timespec *until)
{
    pthread_mutex_lock(&w->lock);
    int rc = 0;
    while (!w->woken && !w->stopped && rc != ETIMEDOUT) {
        rc = timeout_ms < 0 ? pthread_cond_wait(&w->cond, &w->lock)
                            : pthread_cond_timedwait(&w->cond, &w->lock, until);
    }
    bool go_on = w->woken && !w->stopped;
    w->woken = false;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static bool is_stopped(struct client_local_watch *w)
{
    pthread_mutex_lock(&w->lock);
    bool stopped = w->stopped;
    pthread_mutex_unlock(&w->lock);
    return stopped;
}

static int ended(struct client_local_watch *w, struct err *err)
{
    if (!w->err.code) {
        return err_set(err, ERR_CLOSED, "the type is no longer served");
    }
    err_copy(err, &w->err);
    return w->err.code;
}

static int local_watch_next(struct client_watch *base, int timeout_ms, client_event_fn *fn,
                            void *arg, struct err *err)
{
    struct client_local_watch *w = (struct client_local_watch *)base;
    const struct timespec until = cond_deadline(timeout_ms > 0 ? timeout_ms : 0);
    struct delivery d = {.w = w, .fn = fn, .arg = arg};
    for (;;) {
        if (is_stopped(w)) {
            return err_set(err, ERR_CLOSED, "the watch was stopped");
        }
        watch_group_ready(w->group, each, NULL);
        bool may = convert_may_wait(true);
        int rc = pump(w, &d);
        convert_may_wait(may);
        if (rc == 0) {
            return 0;
        }
        if (rc != ERR_TIMEOUT) {
            return ended(w, err);
        }
        if (!wait_wake(w, timeout_ms, &until)) {
            return is_stopped(w) ? err_set(err, ERR_CLOSED, "the watch was stopped")
                                 : err_set(err, ERR_TIMEOUT, "nothing happened");
        }
    }
}

static void local_watch_stop(struct client_watch *base)
{
    struct client_local_watch *w = (struct client_local_watch *)base;
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void local_watch_close(struct client_watch *base)
{
    watch_destroy((struct client_local_watch *)base);
}

/* ---- life ---- */

static void local_close(struct client *base)
{
    struct client_local *c = (struct client_local *)base;
    user_unref(c->user);
    free(c);
}

static const struct client_ops local_ops = {
    .get = local_get,
    .list = local_list,
    .write = local_write,
    .watch = local_watch,
    .watch_next = local_watch_next,
    .watch_stop = local_watch_stop,
    .watch_close = local_watch_close,
    .close = local_close,
};

struct client *client_local_create(struct engine *e, struct user *u)
{
    struct client_local *c = ALLOC(struct client_local);
    c->base.ops = &local_ops;
    c->engine = e;
    c->user = u ? user_ref(u) : NULL;
    return &c->base;
}
