/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion by what a definition says, and the threads that may wait for it. */
#include "resources/convert.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "resources/engine_priv.h"

static _Thread_local bool may_wait; /* whether this thread may wait now, ... */
static _Thread_local bool refused;  /* whether it was refused one since convert_begin, ... */
static _Thread_local bool late;     /* ... and whether what it runs waited too long for its turn */

/* ---- converters ---- */

void converter_init(struct converter *c, const struct converter_ops *ops)
{
    c->ops = ops;
    atomic_init(&c->refs, 1);
    pthread_mutex_init(&c->lock, NULL);
    c->last = &c->first;
}

struct converter *converter_ref(struct converter *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void converter_unref(struct converter *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&c->lock);
        c->ops->destroy(c);
    }
}

bool convert_may_wait(bool may)
{
    bool was = may_wait;
    may_wait = may;
    return was;
}

/* ---- what waits ---- */

static bool by_waiting(const struct type *t)
{
    return t->converter && t->converter->ops->waits;
}

/* Whether the bytes begin as an object of that version does. */
static bool begins_as(struct str value, struct str api_version)
{
    const struct str key = STR("{\"apiVersion\":\"");
    if (!str_starts(value, key)) {
        return false;
    }
    value = str_skip(value, key.len);
    return str_starts(value, api_version) && value.len > api_version.len &&
           value.ptr[api_version.len] == '"';
}

bool convert_needed(const struct type *t, const struct type_version *v, const struct stored *s)
{
    return (t->converter || t->strategy->convert) && s->stamp != REPRESENT_SHOWN &&
           !begins_as(s->value, v->api_version);
}

bool convert_waits(const struct type *t, const struct type_version *v, const struct stored *s)
{
    return by_waiting(t) && s->stamp != REPRESENT_SHOWN && !begins_as(s->value, v->api_version);
}

bool convert_type_waits(const struct type *t, const struct type_version *v)
{
    return by_waiting(t) && (v != type_storage(t) || atomic_load(&t->converter->mixed));
}

bool convert_op_waits(const struct op *op)
{
    bool plain_get = op->verb == VERB_GET && !op->subresource.len;
    return !plain_get && convert_type_waits(op->type, op->version);
}

/* ---- converting ---- */

static int check_thread(const struct type *t, struct err *err)
{
    if (!t->converter->ops->waits || (may_wait && !late)) {
        return 0;
    }
    if (may_wait) {
        return err_set(err, ERR_TIMEOUT,
                       "Timeout: request did not complete within the allotted timeout: too many "
                       "requests wait for the conversion of %.*s",
                       STR_FMT(t->group_resource));
    }
    refused = true;
    err_set(err, ERR_UNAVAILABLE, "an object of %.*s must be converted first, please try again",
            STR_FMT(t->group_resource));
    if (err) {
        err->retry_after = 1;
    }
    return ERR_UNAVAILABLE;
}

int convert_objects(const struct type *t, const struct type_version *v, yyjson_mut_doc *d,
                    yyjson_mut_val **objs, size_t n, struct err *err)
{
    int rc = n ? check_thread(t, err) : 0;
    return rc || !n ? rc : t->converter->ops->convert(t->converter, t, v, d, objs, n, err);
}

/* Objects that are converted by one call. */
struct batch {
    const struct type *t;
    const struct type_version *v;
    struct stored *items;
    struct arena *arena;
    yyjson_mut_val *objs[LIMIT_CONVERSION_OBJECTS];
    size_t at[LIMIT_CONVERSION_OBJECTS], n, bytes;
};

static int run_batch(struct batch *b, size_t *ret_bad, struct err *err)
{
    yyjson_mut_doc *d = json_doc(b->arena);
    int rc = convert_objects(b->t, b->v, d, b->objs, b->n, err);
    for (size_t i = 0; i < b->n && !rc; i++) {
        rc = represent_converted(b->t, b->v, d, b->objs[i], err);
    }
    if (rc) {
        *ret_bad = b->at[0];
        return rc;
    }
    for (size_t i = 0; i < b->n; i++) {
        AUTO(buf_finish) struct buf text = {0};
        json_write(&text, b->objs[i]);
        b->items[b->at[i]].value = arena_str(b->arena, buf_str(&text));
        b->items[b->at[i]].stamp = REPRESENT_SHOWN;
    }
    b->n = b->bytes = 0;
    return 0;
}

int convert_stored(const struct type *t, const struct type_version *v, struct stored *items,
                   size_t n, struct arena *a, size_t *ret_bad, struct err *err)
{
    struct batch b = {.t = t, .v = v, .items = items, .arena = a};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (!items[i].value.len || !convert_waits(t, v, &items[i])) {
            continue;
        }
        yyjson_mut_doc *d = NULL;
        if ((rc = represent_own(t, &items[i], a, &d, err))) {
            *ret_bad = i;
            return rc;
        }
        if (str_eq(json_get_str(d->root, "apiVersion"), v->api_version)) {
            continue;
        }
        b.objs[b.n] = d->root;
        b.at[b.n++] = i;
        b.bytes += items[i].value.len;
        if (b.n == LIMIT_CONVERSION_OBJECTS || b.bytes >= LIMIT_CONVERSION_BYTES) {
            rc = run_batch(&b, ret_bad, err);
        }
    }
    return rc || !b.n ? rc : run_batch(&b, ret_bad, err);
}

/* ---- the threads ---- */

struct converter_task {
    struct pool_task task;
    struct pool_task *inner;
    struct converter *lane; /* a reference */
    struct engine *engine;
    struct converter_task *next;
    int64_t queued_ms;
};

/* Gives the place on to the next of the type. */
static void leave_lane(struct converter *c, struct engine *e)
{
    pthread_mutex_lock(&c->lock);
    struct converter_task *next = c->first;
    if (next) {
        c->first = next->next;
        c->last = c->first ? c->last : &c->first;
        c->queued--;
    } else {
        c->running--;
    }
    pthread_mutex_unlock(&c->lock);
    if (next) {
        bool ok = pool_submit(e->waiting, &next->task, true);
        (void)ok; /* this thread still runs a task, so the pool takes it */
    }
}

static void run_lane(struct pool_task *p)
{
    struct converter_task *t = (struct converter_task *)(void *)p;
    struct converter *c = t->lane;
    struct engine *e = t->engine;
    struct pool_task *inner = t->inner;
    bool was = convert_may_wait(true);
    late = clock_mono_ms() - t->queued_ms > LIMIT_CONVERSION_WAIT_MS;
    free(t);
    inner->run(inner);
    late = false;
    convert_may_wait(was);
    leave_lane(c, e);
    converter_unref(c);
}

/* Made when the first type needs it. */
static struct pool *waiting_pool(struct engine *e)
{
    pthread_mutex_lock(&e->waiting_lock);
    if (!e->waiting) {
        e->waiting = pool_create(LIMIT_CONVERSION_THREADS, "convert");
    }
    pthread_mutex_unlock(&e->waiting_lock);
    return e->waiting;
}

bool convert_submit(struct engine *e, const struct type *t, struct pool_task *task, bool must)
{
    struct converter *c = t->converter;
    struct pool *pool = waiting_pool(e);
    struct converter_task *n = ALLOC(struct converter_task);
    n->task.run = run_lane;
    n->inner = task;
    n->lane = converter_ref(c);
    n->engine = e;
    n->queued_ms = clock_mono_ms();
    pthread_mutex_lock(&c->lock);
    bool run = c->running < LIMIT_CONVERSION_THREADS_TYPE;
    bool queue = !run && (must || c->queued < LIMIT_CONVERSION_QUEUE);
    if (run) {
        c->running++;
    } else if (queue) {
        *c->last = n;
        c->last = &n->next;
        c->queued++;
    }
    pthread_mutex_unlock(&c->lock);
    if (run && !pool_submit(pool, &n->task, must)) {
        leave_lane(c, e);
        run = false;
    }
    if (!run && !queue) {
        converter_unref(c);
        free(n);
    }
    return run || queue;
}

/* ---- answers ---- */

static void show_answer(struct op *op)
{
    struct answer *w = &op->answer;
    const struct stored s = {blob_str(w->blob), w->rev, w->stamp};
    yyjson_mut_doc *d = NULL;
    op->code = represent_decode(op->type, op->version, &s, &op->arena, &d, &op->err);
    if (!op->code) {
        w->stored = false;
        w->doc = d;
        w->value = yyjson_mut_doc_get_root(d);
    }
}

static void show_task(struct pool_task *t)
{
    struct op *op = (struct op *)((char *)t - offsetof(struct op, task));
    show_answer(op);
    op_end(op);
}

bool convert_answer(struct op *op)
{
    const struct answer *w = &op->answer;
    if (op->code || !w->stored ||
        !convert_waits(op->type, op->version,
                       &(struct stored){blob_str(w->blob), w->rev, w->stamp})) {
        return false;
    }
    if (may_wait) {
        show_answer(op);
        return false;
    }
    op->task.run = show_task;
    bool must = op->verb != VERB_GET; /* a write is done: its answer does not get lost */
    if (convert_submit(op->engine, op->type, &op->task, must)) {
        return true;
    }
    op->code = err_set(&op->err, ERR_TOO_MANY,
                       "the server has too many requests waiting, please try again later");
    op->err.retry_after = 1;
    return false;
}

void convert_begin(void)
{
    refused = false;
}

bool convert_again(struct op *op)
{
    bool write = op->verb == VERB_CREATE || op->verb == VERB_UPDATE || op->verb == VERB_PATCH ||
                 op->verb == VERB_DELETE;
    if (!refused || !op->code || !write || !op->type->converter) {
        return false;
    }
    refused = false;
    if (op->write) {
        op->warnings.n = op->write->n_warnings;
        write_free(op->write);
        op->write = NULL;
    }
    blob_unref(op->answer.blob);
    op->answer = (struct answer){0};
    struct err was = {0};
    err_move(&was, &op->err);
    if (engine_start_waiting(op)) {
        err_finish(&was);
        return true;
    }
    err_move(&op->err, &was);
    return false;
}

/* ---- what the reference says ---- */

#define CORRUPT                                                                                    \
    "StorageError: corrupt object, Code: 7, Key: %.*s, ResourceVersion: 0, AdditionalErrorMsg: "   \
    "object not decodable revision=%lld: %s"

static bool own_trouble(int code)
{
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_TOO_MANY;
}

int convert_corrupt(const struct type *t, const yyjson_mut_val *obj, int64_t rev, struct err *why,
                    struct err *err)
{
    if (own_trouble(why->code)) {
        if (why->code == ERR_UNAVAILABLE && t->converter) {
            /* From now on whatever reads this type is sent to threads that may wait. */
            atomic_store(&t->converter->mixed, true);
        }
        return err_move(err, why);
    }
    const struct str root = STR("/registry");
    struct arena a;
    arena_init(&a, 0);
    const yyjson_mut_val *meta = metadata_of(obj);
    struct str key = type_key(t, (struct scope){.ns = json_get_str(meta, "namespace")},
                              json_get_str(meta, "name"), &a);
    key = str_starts(key, root) ? str_skip(key, root.len) : key;
    err_set(err, ERR_CORRUPT, CORRUPT, STR_FMT(key), (long long)rev, err_message(why));
    arena_finish(&a);
    err_finish(why);
    return ERR_CORRUPT;
}

int convert_unreadable(const struct type *t, const struct str *keys, const int64_t *revs, size_t n,
                       const struct err *why, struct err *err)
{
    enum { MOST = 100 };
    if (own_trouble(why->code)) {
        err_copy(err, why);
        return why->code;
    }
    struct err one = {0};
    AUTO(buf_finish) struct buf rest = {0};
    if (n > 1) {
        buf_printf(&rest, " (and %zu more)", (n < MOST ? n : MOST) - 1);
    }
    err_set(&one, ERR_CORRUPT, CORRUPT, STR_FMT(keys[0]), (long long)revs[0], err_message(why));
    err_set(err, ERR_HTTP, "failed to read one or more %.*s from the storage: %s%.*s",
            STR_FMT(t->group_resource), err_message(&one), STR_FMT(buf_str(&rest)));
    err_about(err, t->group, t->resource, STR("list"));
    for (size_t i = 0; err && i < n && i < MOST; i++) {
        err_set(&one, ERR_CORRUPT, CORRUPT, STR_FMT(keys[i]), (long long)revs[i], err_message(why));
        err_cause(err, "UnexpectedServerResponse", keys[i], str_from(one.message));
    }
    if (err && n > MOST) {
        err_cause(err, "TooManyCauses", STR(""), STR("too many errors, the list is aborted"));
    }
    if (err) {
        err->http_code = 500;
        err->reason = alloc_strdup("StorageReadError");
    }
    err_finish(&one);
    return ERR_HTTP;
}
