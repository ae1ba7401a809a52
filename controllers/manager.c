/* SPDX-License-Identifier: Apache-2.0 */
/* Runs controllers: shared informers, one work queue and some workers a controller. */
#include "controllers/manager.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controllers/workqueue.h"

#define MAX_WORKERS 16
#define CONFLICT_MS 10

struct controller_queue {
    struct workqueue *queue;
};

/* A controller that is run. */
struct running {
    struct manager *manager;
    const struct controller *c;
    struct controller_queue queue;
    pthread_t threads[MAX_WORKERS];
    size_t n_threads;
    struct metric *done, *again, *conflicted, *failed, *errors, *seconds, *active;
};

/* One watch of a controller: what an informer's handler needs. */
struct binding {
    struct running *r;
    const struct controller_watch *w;
};

struct manager {
    struct client *client;
    struct metrics *metrics;
    struct running **running;
    size_t n_running;
    struct binding **bindings;
    size_t n_bindings;
    struct shared {
        struct controller_watch w;
        struct informer *informer;
    } *informers;
    size_t n_informers;
    pthread_t starter;
    bool started;
};

struct manager *manager_create(struct client *c, struct metrics *metrics)
{
    struct manager *m = ALLOC(struct manager);
    m->client = c;
    m->metrics = metrics;
    return m;
}

struct informer *manager_informer(struct manager *m, const struct controller_watch *w)
{
    for (size_t i = 0; i < m->n_informers; i++) {
        const struct controller_watch *have = &m->informers[i].w;
        if (str_eq(have->group, w->group) && str_eq(have->version, w->version) &&
            str_eq(have->resource, w->resource)) {
            return m->informers[i].informer;
        }
    }
    m->informers = alloc_resize(m->informers, (m->n_informers + 1) * sizeof(*m->informers));
    m->informers[m->n_informers] = (struct shared){*w, informer_create(m->client, w, STR_NULL)};
    informer_measure(m->informers[m->n_informers].informer, m->metrics);
    return m->informers[m->n_informers++].informer;
}

void controller_enqueue(struct controller_queue *q, struct str ns, struct str name)
{
    AUTO_FREE char *key = alloc_printf("%.*s/%.*s", STR_FMT(ns), STR_FMT(name));
    workqueue_add(q->queue, str_from(key));
}

void controller_map_deleting(void *self, const struct informer_event *e, struct controller_queue *q)
{
    (void)self;
    if (e->type == INFORMER_PUT && json_path(e->obj, "metadata", "deletionTimestamp", NULL)) {
        controller_enqueue(q, e->ns, e->name);
    }
}

static void on_event(void *arg, const struct informer_event *e)
{
    const struct binding *b = arg;
    if (b->w->map) {
        b->w->map(b->r->c->self, e, &b->r->queue);
    } else {
        controller_enqueue(&b->r->queue, e->ns, e->name);
    }
}

static size_t workers_of(const struct controller *c)
{
    size_t n = c->workers ? c->workers : 1;
    return n < MAX_WORKERS ? n : MAX_WORKERS;
}

static struct metric *series(struct manager *m, const struct controller *c, enum metric_type type,
                             const char *name, const char *help, const char *result)
{
    static const double buckets[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                     0.5,   1,      2.5,   5,    10,    30,   60};
    const struct metric_label labels[] = {{"controller", str_from(c->name)},
                                          {"result", str_from(result)}};
    return metrics_series(m->metrics, type, name, help, labels, result ? 2 : 1, buckets,
                          sizeof(buckets) / sizeof(*buckets));
}

/* The names of controller-runtime. */
static void measure(struct running *r)
{
    static const char total[] = "controller_runtime_reconcile_total";
    static const char total_help[] = "Total number of reconciliations per controller";
    struct manager *m = r->manager;
    const struct controller *c = r->c;
    if (!m->metrics) {
        return;
    }
    workqueue_measure(r->queue.queue, m->metrics, c->name);
    r->done = series(m, c, METRIC_COUNTER, total, total_help, "success");
    r->again = series(m, c, METRIC_COUNTER, total, total_help, "requeue_after");
    r->conflicted = series(m, c, METRIC_COUNTER, total, total_help, "requeue");
    r->failed = series(m, c, METRIC_COUNTER, total, total_help, "error");
    r->errors = series(m, c, METRIC_COUNTER, "controller_runtime_reconcile_errors_total",
                       "Total number of reconciliation errors per controller", NULL);
    r->seconds = series(m, c, METRIC_HISTOGRAM, "controller_runtime_reconcile_time_seconds",
                        "Length of time per reconciliation per controller", NULL);
    r->active = series(m, c, METRIC_GAUGE, "controller_runtime_active_workers",
                       "Number of currently used workers per controller", NULL);
    metric_set(series(m, c, METRIC_GAUGE, "controller_runtime_max_concurrent_reconciles",
                      "Maximum number of concurrent reconciles per controller", NULL),
               (double)workers_of(c));
}

void manager_add(struct manager *m, const struct controller *c)
{
    struct running *r = ALLOC(struct running);
    r->manager = m;
    r->c = c;
    r->queue.queue = workqueue_create();
    measure(r);
    m->running = alloc_resize(m->running, (m->n_running + 1) * sizeof(*m->running));
    m->running[m->n_running++] = r;
    for (size_t i = 0; i < c->n_watches; i++) {
        struct binding *b = ALLOC(struct binding);
        *b = (struct binding){r, &c->watches[i]};
        m->bindings = alloc_resize(m->bindings, (m->n_bindings + 1) * sizeof(*m->bindings));
        m->bindings[m->n_bindings++] = b;
        informer_handle(manager_informer(m, &c->watches[i]), on_event, b);
    }
}

static void count_outcome(const struct running *r, int code, bool again)
{
    if (!r->done) {
        return;
    }
    if (code == ERR_CONFLICT) {
        metric_add(r->conflicted, 1);
    } else if (code < 0) {
        metric_add(r->failed, 1);
        metric_add(r->errors, 1);
    } else {
        metric_add(again ? r->again : r->done, 1);
    }
}

static void settle(struct running *r, struct str key, const struct reconcile *call, int code,
                   struct err *err)
{
    struct workqueue *q = r->queue.queue;
    if (code == ERR_CONFLICT) {
        workqueue_add_after(q, key, CONFLICT_MS);
    } else if (code < 0) {
        log_warn("a reconciliation failed and is run again", LOG_Z("controller", r->c->name),
                 LOG_S("key", key), LOG_ERR(err));
        workqueue_add_failed(q, key);
    } else {
        workqueue_forget(q, key);
        if (call->again_ms > 0) {
            workqueue_add_after(q, key, call->again_ms);
        }
    }
    count_outcome(r, code, call->again_ms > 0);
}

static void reconcile_key(struct running *r, char *text)
{
    struct arena a;
    struct err err = {0};
    struct str name, key = str_from(text), ns = str_cut(key, '/', &name);
    arena_init(&a, 0);
    struct reconcile call = {
        .client = r->manager->client, .arena = &a, .ns = ns, .name = name, .self = r->c->self};
    uint64_t begun = clock_mono_ns();
    if (r->active) {
        metric_add(r->active, 1);
    }
    int code = r->c->reconcile(&call, &err);
    if (r->active) {
        metric_add(r->active, -1);
        metric_observe(r->seconds, (double)(clock_mono_ns() - begun) / 1e9);
    }
    settle(r, key, &call, code, &err);
    workqueue_done(r->queue.queue, key);
    err_finish(&err);
    arena_finish(&a);
}

static void *worker_main(void *arg)
{
    struct running *r = arg;
    char *key;
    while ((key = workqueue_get(r->queue.queue)) != NULL) {
        reconcile_key(r, key);
        free(key);
    }
    return NULL;
}

static void start_workers(struct running *r)
{
    size_t n = workers_of(r->c);
    for (size_t i = 0; i < n; i++) {
        if (pthread_create(&r->threads[i], NULL, worker_main, r) != 0) {
            abort();
        }
        pthread_setname_np(r->threads[i], "controller");
        r->n_threads++;
    }
}

/* Waits for the informers, so that no controller decides on half of the world. */
static void *starter_main(void *arg)
{
    struct manager *m = arg;
    for (size_t i = 0; i < m->n_informers; i++) {
        if (!informer_wait_synced(m->informers[i].informer)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < m->n_running; i++) {
        start_workers(m->running[i]);
    }
    return NULL;
}

void manager_start(struct manager *m)
{
    for (size_t i = 0; i < m->n_informers; i++) {
        informer_start(m->informers[i].informer);
    }
    if (pthread_create(&m->starter, NULL, starter_main, m) != 0) {
        abort();
    }
    m->started = true;
}

void manager_enqueue(struct manager *m, const char *controller, struct str ns, struct str name)
{
    for (size_t i = 0; i < m->n_running; i++) {
        if (strcmp(m->running[i]->c->name, controller) == 0) {
            controller_enqueue(&m->running[i]->queue, ns, name);
        }
    }
}

void manager_destroy(struct manager *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_informers; i++) {
        informer_stop(m->informers[i].informer);
    }
    if (m->started) {
        pthread_join(m->starter, NULL);
    }
    for (size_t i = 0; i < m->n_running; i++) {
        workqueue_stop(m->running[i]->queue.queue);
    }
    for (size_t i = 0; i < m->n_running; i++) {
        for (size_t j = 0; j < m->running[i]->n_threads; j++) {
            pthread_join(m->running[i]->threads[j], NULL);
        }
    }
    for (size_t i = 0; i < m->n_informers; i++) {
        informer_destroy(m->informers[i].informer);
    }
    for (size_t i = 0; i < m->n_running; i++) {
        workqueue_destroy(m->running[i]->queue.queue);
        free(m->running[i]);
    }
    for (size_t i = 0; i < m->n_bindings; i++) {
        free(m->bindings[i]);
    }
    free(m->bindings);
    free(m->running);
    free(m->informers);
    free(m);
}
