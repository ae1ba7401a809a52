/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's life, and where each operation enters it. */
#include "resources/engine.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "resources/engine_priv.h"
#include "resources/objects.h"
#include "resources/watch_priv.h"

#include <stdlib.h>
#include <time.h>

enum { POOL_THREADS = 4, LOOP_BODY_BYTES = 64 * 1024 };

static double read_pool_depth(void *arg)
{
    return (double)pool_queued(arg);
}

static void measure_pool(struct engine *e)
{
    pool_measure(e->pool,
                 metrics_series(e->metrics, METRIC_HISTOGRAM, "coracle_pool_wait_seconds",
                                "Time that a task waited for a thread of the pool.", NULL, 0, NULL,
                                0),
                 metrics_series(e->metrics, METRIC_HISTOGRAM, "coracle_pool_run_seconds",
                                "Time that a task ran on the pool.", NULL, 0, NULL, 0));
    e->pool_depth = metrics_read(e->metrics, METRIC_GAUGE, "coracle_pool_queue_length",
                                 "Tasks that wait for a thread of the pool.", NULL, 0,
                                 read_pool_depth, e->pool);
}

static void make_metrics(struct engine *e)
{
    e->writes = metrics_series(e->metrics, METRIC_COUNTER, "coracle_engine_writes_total",
                               "Writes that were committed.", NULL, 0, NULL, 0);
    e->refused = metrics_series(e->metrics, METRIC_COUNTER, "coracle_engine_writes_refused_total",
                                "Writes that ended with an error.", NULL, 0, NULL, 0);
    e->retries = metrics_series(
        e->metrics, METRIC_COUNTER, "coracle_engine_write_retries_total",
        "Attempts at a write made again because what it rested on had changed.", NULL, 0, NULL, 0);
    e->index_lists =
        metrics_series(e->metrics, METRIC_COUNTER, "coracle_index_lists_total",
                       "Lists that looked at what an index gave alone.", NULL, 0, NULL, 0);
    measure_pool(e);
    e->objects = object_counts_create(e, e->metrics);
}

struct engine *engine_create(const struct engine_options *o)
{
    struct engine *e = ALLOC(struct engine);
    e->store = o->store;
    e->registry = o->registry;
    e->access = o->access;
    e->metrics = o->metrics;
    for (size_t i = 0; i < ENGINE_GATES; i++) {
        pthread_mutex_init(&e->gates[i].lock, NULL);
    }
    pthread_mutex_init(&e->waiting_lock, NULL);
    pthread_mutex_init(&e->syncs.lock, NULL);
    pthread_mutex_init(&e->listeners_lock, NULL);
    e->pool = pool_create(o->pool_threads ? o->pool_threads : POOL_THREADS, "engine");
    if (e->metrics) {
        make_metrics(e);
    }
    e->watches = watch_hub_create(e);
    return e;
}

int engine_settle(struct engine *e, struct err *err)
{
    return store_settle(e->store, err);
}

/* What is under way comes to its end: the store and the pool still work. */
static void drain(struct engine *e)
{
    const struct timespec step = {.tv_nsec = 200000};
    while (atomic_load_explicit(&e->flying, memory_order_acquire)) {
        nanosleep(&step, NULL);
    }
}

void engine_destroy(struct engine *e)
{
    if (!e) {
        return;
    }
    drain(e);
    store_on_commit(e->store, NULL, NULL); /* others may write to the store still */
    if (e->metrics) {
        metrics_forget(e->metrics, e->pool_depth);
    }
    pool_destroy(e->pool);
    pool_destroy(e->waiting);
    pthread_mutex_destroy(&e->waiting_lock);
    pthread_mutex_destroy(&e->syncs.lock);
    pthread_mutex_destroy(&e->listeners_lock);
    object_counts_destroy(e->objects);
    watch_hub_destroy(e->watches);
    for (size_t i = 0; i < ENGINE_GATES; i++) {
        pthread_mutex_destroy(&e->gates[i].lock);
    }
    free(e->plugins);
    free(e->listeners);
    free(e);
}

void engine_on_changes(struct engine *e, engine_changes_fn *fn, void *arg)
{
    pthread_mutex_lock(&e->listeners_lock);
    e->listeners = alloc_resize(e->listeners, (e->n_listeners + 1) * sizeof(*e->listeners));
    e->listeners[e->n_listeners++] = (struct engine_listener){fn, arg};
    pthread_mutex_unlock(&e->listeners_lock);
}

void engine_off_changes(struct engine *e, const void *arg)
{
    size_t kept = 0;
    pthread_mutex_lock(&e->listeners_lock);
    for (size_t i = 0; i < e->n_listeners; i++) {
        if (e->listeners[i].arg != arg) {
            e->listeners[kept++] = e->listeners[i];
        }
    }
    e->n_listeners = kept;
    pthread_mutex_unlock(&e->listeners_lock);
}

void engine_tell(struct engine *e, const struct store_event *events, size_t n)
{
    pthread_mutex_lock(&e->listeners_lock);
    for (size_t i = 0; i < e->n_listeners; i++) {
        e->listeners[i].fn(e->listeners[i].arg, events, n);
    }
    pthread_mutex_unlock(&e->listeners_lock);
}

struct store *engine_store(struct engine *e)
{
    return e->store;
}

struct registry *engine_registry(struct engine *e)
{
    return e->registry;
}

struct access *engine_access(struct engine *e)
{
    return e->access;
}

struct pool *engine_pool(struct engine *e)
{
    return e->pool;
}

struct watch_hub *engine_watches(struct engine *e)
{
    return e->watches;
}

struct metrics *engine_metrics(struct engine *e)
{
    return e->metrics;
}

/* ---- operations ---- */

/* Of an op that has begun. */
static void start(struct op *op, struct waiter *waiter)
{
    convert_begin();
    int rc = op_check_verb(op, &op->err);
    if (rc) {
        op_finish(op, rc);
        return;
    }
    switch (op->verb) {
    case VERB_GET:
        rc = read_object(op, &op->err);
        op_finish(op, rc);
        return;
    case VERB_CREATE:
    case VERB_UPDATE:
    case VERB_PATCH:
    case VERB_DELETE:
        write_start(op, waiter);
        return;
    case VERB_DELETECOLLECTION:
        collection_start(op);
        return;
    case VERB_LIST:
    case VERB_WATCH:
    case VERB_COUNT:
        break;
    }
    op_finish(op, status_method(&op->err, op->type, verb_name(op->verb)));
}

void engine_start(struct engine *e, struct op *op)
{
    op->engine = e;
    if (convert_op_waits(op)) {
        engine_start_on_pool(e, op);
        return;
    }
    op_begin(op);
    uint64_t begun = engine_wait_begin();
    start(op, NULL);
    engine_wait_end(e, begun);
}

static void run_task(struct pool_task *t)
{
    struct op *op = (struct op *)((char *)t - offsetof(struct op, task));
    struct engine *e = op->engine;
    uint64_t begun = engine_wait_begin();
    start(op, NULL);
    engine_wait_end(e, begun);
}

bool engine_start_waiting(struct op *op)
{
    op->task.run = run_task;
    return convert_submit(op->engine, op->type, &op->task, true);
}

void engine_start_on_pool(struct engine *e, struct op *op)
{
    op->engine = e;
    op_begin(op);
    op->task.run = run_task;
    bool ok = convert_op_waits(op) ? convert_submit(e, op->type, &op->task, false)
                                   : pool_submit(e->pool, &op->task, false);
    if (!ok) {
        op_finish(op, err_set(&op->err, ERR_TOO_MANY,
                              "the server has too many requests waiting, please try again later"));
    }
}

bool engine_prefers_pool(const struct op *op, size_t body_bytes)
{
    if (op->verb == VERB_PATCH || op->verb == VERB_DELETECOLLECTION ||
        body_bytes > LOOP_BODY_BYTES || convert_op_waits(op)) {
        return true;
    }
    if (op->verb != VERB_CREATE && engine_reads_wait(op->engine)) {
        return true;
    }
    if (op->verb == VERB_GET) {
        return op->type->as_written || read_is_computed(op);
    }
    if (op->verb == VERB_CREATE) {
        return op->subresource.len || op->type->virtual_;
    }
    return op->verb == VERB_UPDATE && op->subresource.len &&
           type_subresource(op->type, op->subresource);
}

static void wake_waiter(struct op *op, void *arg)
{
    (void)op;
    struct waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

int engine_run(struct engine *e, struct op *op)
{
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    op->engine = e;
    op->done = wake_waiter;
    op->done_arg = &w;
    op_begin(op);
    bool may = convert_may_wait(true);
    start(op, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.done) {
        if (w.resume) {
            struct write *again = take(&w.resume);
            pthread_mutex_unlock(&w.lock);
            write_attempt(again);
            pthread_mutex_lock(&w.lock);
            continue;
        }
        pthread_cond_wait(&w.cond, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    convert_may_wait(may);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.cond);
    return op->code;
}

/* ---- short cuts ---- */

int engine_get(struct engine *e, const struct type *t, struct scope s, struct str name,
               struct blob **ret_blob, struct stored *ret, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct store_entry entry;
    struct blob *blob = NULL;
    int rc = store_get(e->store, type_key(t, s, name, &a), 0, &blob, &entry, NULL, err);
    arena_finish(&a);
    if (rc) {
        return rc == ERR_NOT_FOUND ? status_not_found(err, t, name) : rc;
    }
    *ret_blob = blob;
    *ret = (struct stored){blob_str(blob), entry.rev, entry.stamp};
    return 0;
}

int engine_type_document(struct engine *e, const struct type *t, struct arena *a,
                         yyjson_mut_doc **ret, struct err *err)
{
    if (!t->definition_key.ptr) {
        return json_read_own(a, t->document, ret, err);
    }
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct store_entry entry;
    int rc = store_get(e->store, t->definition_key, 0, &blob, &entry, NULL, err);
    return rc ? rc : json_read_own(a, arena_str(a, blob_str(blob)), ret, err);
}

int engine_ensure(struct engine *e, struct type *t, struct scope s, yyjson_mut_val *obj,
                  struct err *err)
{
    struct op *op = op_create(e);
    op->verb = VERB_CREATE;
    op_set_type(op, t, type_storage(t));
    op->scope = (struct scope){arena_str(&op->arena, s.workspace), arena_str(&op->arena, s.ns)};
    op->validation = FIELD_VALIDATION_IGNORE;
    op->manager = STR("coracle");
    op->body = json_doc(&op->arena);
    yyjson_mut_doc_set_root(op->body, json_copy(op->body, obj));
    int rc = engine_run(e, op);
    if (rc == ERR_EXISTS) {
        rc = 0;
    } else if (rc) {
        err_move(err, &op->err);
    }
    op_unref(op);
    return rc;
}
