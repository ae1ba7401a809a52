/* SPDX-License-Identifier: Apache-2.0 */
/* How the collector hears of things: of every commit, on the committer's thread, it notes the
 * changes that may be work for it; one thread takes the notes and queues objects, a few workers
 * look at them. Nothing else is kept in memory: who depends on whom is asked of the store's index
 * (resources/owners.h). */
#include "services/garbage_collector/garbage_collector.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/owners.h"
#include "services/garbage_collector/collect_priv.h"
#include "services/wire.gen.h"

/* LOOK_MS: what is noted within it is taken together. LARGE: an object of more bytes is not
 * searched on the committer's thread. NOTES_MAX: bytes of notes; beyond it everything is looked at
 * anew. */
enum { WORKERS = 2, LOOK_MS = 10, LARGE = 16 * 1024, NOTES_MAX = 64 * 1024 * 1024 };
#define SOON_MS 10

/* ---- on the committer's thread ---- */

static bool mentions(struct str s, struct str word)
{
    return memmem(s.ptr, s.len, word.ptr, word.len) != NULL;
}

/* Whether the object names owners or is being deleted. */
static bool concerns(struct str object)
{
    return mentions(object, STR("\"ownerReferences\":[")) ||
           mentions(object, STR("\"deletionTimestamp\":\""));
}

static void take_note(struct garbage_collector *g, const struct store_event *e)
{
    struct blob *object = e->deleted ? e->prev : e->value;
    if (!object) {
        return;
    }
    struct note *n = alloc_bytes(sizeof(*n) + e->key.len);
    *n = (struct note){.deleted = e->deleted, .object = blob_ref(object), .key_len = e->key.len};
    memcpy(n->key, e->key.ptr, e->key.len);
    *g->last_note = n;
    g->last_note = &n->next;
    g->note_bytes += sizeof(*n) + e->key.len + object->len;
}

static void on_changes(void *arg, const struct store_event *events, size_t n)
{
    struct garbage_collector *g = arg;
    pthread_mutex_lock(&g->lock);
    bool idle = !g->notes && !g->lost;
    for (size_t i = 0; g->queue && i < n; i++) {
        const struct store_event *e = &events[i];
        if (!e->deleted && e->value->len <= LARGE && !concerns(blob_str(e->value))) {
            continue;
        }
        if (g->note_bytes < NOTES_MAX) {
            take_note(g, e);
        } else {
            g->lost = true;
        }
    }
    if (idle && (g->notes || g->lost)) {
        pthread_cond_signal(&g->noted);
    }
    pthread_mutex_unlock(&g->lock);
}

/* ---- on the service's thread ---- */

static void on_deleted(struct garbage_collector *g, const struct note *n)
{
    struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    if (json_read_own(&a, blob_str(n->object), &d, NULL) == 0) {
        collect_note_absent(g, metadata_uid(d->root));
        collect_enqueue_dependents(g, metadata_uid(d->root));
        collect_enqueue_owners(g, d->root, &a);
    }
    arena_finish(&a);
}

static void on_changed(struct garbage_collector *g, const struct registry_snapshot *types,
                       const struct note *n)
{
    struct str ns, name;
    const struct type *t = NULL;
    if (concerns(blob_str(n->object))) {
        t = registry_find_key(types, str_make(n->key, n->key_len), &ns, &name);
    }
    if (t) {
        collect_enqueue(g, t, ns, name);
    }
}

static void free_note(struct note *n)
{
    blob_unref(n->object);
    free(n);
}

static void free_notes(struct note *notes)
{
    while (notes) {
        struct note *n = notes;
        notes = n->next;
        free_note(n);
    }
}

static int enqueue_found(void *arg, struct type *t, struct str ns, struct str name)
{
    collect_enqueue(arg, t, ns, name);
    return 0;
}

/* Everything that may be work: what the server left undone when it last stopped. */
static int enqueue_all(struct garbage_collector *g, const struct registry_snapshot *types,
                       struct err *err)
{
    int r = owners_all(g->engine, types, enqueue_found, g, err);
    return r < 0 ? r : owners_deleting(g->engine, types, enqueue_found, g, err);
}

static int work_off(struct garbage_collector *g, struct note *notes, bool all, struct err *err)
{
    struct registry_snapshot *types = registry_ref(g->registry);
    while (notes) {
        struct note *n = notes;
        notes = n->next;
        if (n->deleted) {
            on_deleted(g, n);
        } else {
            on_changed(g, types, n);
        }
        free_note(n);
    }
    int r = all ? enqueue_all(g, types, err) : 0;
    registry_snapshot_unref(types);
    return r;
}

/* Waits for notes. False: the server stops. */
static bool take_notes(struct garbage_collector *g, struct note **ret, bool *ret_lost)
{
    pthread_mutex_lock(&g->lock);
    while (!g->notes && !g->lost && !g->stopping) {
        pthread_cond_wait(&g->noted, &g->lock);
    }
    *ret = g->notes;
    *ret_lost = g->lost;
    g->notes = NULL;
    g->last_note = &g->notes;
    g->note_bytes = 0;
    g->lost = false;
    bool go_on = !g->stopping;
    pthread_mutex_unlock(&g->lock);
    return go_on;
}

static void stop(void *arg)
{
    struct garbage_collector *g = arg;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_signal(&g->noted);
    pthread_mutex_unlock(&g->lock);
}

static int attend(struct garbage_collector *g, struct service_stop *stopper, struct err *err)
{
    struct note *notes = NULL;
    bool all = true, go_on = true;
    int r = 0;
    while (go_on && r == 0) {
        r = work_off(g, notes, all, err);
        service_wait(stopper, LOOK_MS);
        go_on = take_notes(g, &notes, &all);
    }
    free_notes(notes);
    return r;
}

/* ---- workers ---- */

static void work_on(struct garbage_collector *g, struct str key)
{
    struct arena a;
    struct err err = {0};
    int64_t again = 0;
    arena_init(&a, 0);
    int r = collect_object(g, key, &a, &again, &err);
    if (r == ERR_CONFLICT) {
        workqueue_add_after(g->queue, key, SOON_MS);
    } else if (r < 0) {
        log_warn("garbage collection of an object failed and is tried again", LOG_S("object", key),
                 LOG_ERR(&err));
        workqueue_add_failed(g->queue, key);
    } else {
        workqueue_forget(g->queue, key);
        if (again > 0) {
            workqueue_add_after(g->queue, key, again);
        }
    }
    err_finish(&err);
    arena_finish(&a);
}

static void *worker_main(void *arg)
{
    struct garbage_collector *g = arg;
    char *key;
    while ((key = workqueue_get(g->queue)) != NULL) {
        work_on(g, str_from(key));
        workqueue_done(g->queue, str_from(key));
        free(key);
    }
    return NULL;
}

/* ---- the service ---- */

int garbage_collector_provide(const struct garbage_collector_deps *d,
                              struct garbage_collector **ret, struct err *err)
{
    (void)err;
    struct garbage_collector *g = ALLOC(struct garbage_collector);
    g->engine = d->engine;
    g->registry = d->registry;
    g->client = d->client;
    g->last_note = &g->notes;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->absent_lock, NULL);
    pthread_cond_init(&g->noted, NULL);
    g->attempts =
        metrics_series(d->metrics, METRIC_COUNTER, "coracle_garbage_collector_attempts_total",
                       "Objects the garbage collector looked at.", NULL, 0, NULL, 0);
    g->deletions =
        metrics_series(d->metrics, METRIC_COUNTER, "coracle_garbage_collector_deletions_total",
                       "Objects the garbage collector deleted.", NULL, 0, NULL, 0);
    engine_on_changes(d->engine, on_changes, g);
    *ret = g;
    return 0;
}

void garbage_collector_release(struct garbage_collector *g)
{
    if (!g) {
        return;
    }
    engine_off_changes(g->engine, g);
    for (size_t i = 0; i < ABSENT_KEPT; i++) {
        free(g->absent[i]);
    }
    pthread_cond_destroy(&g->noted);
    pthread_mutex_destroy(&g->absent_lock);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* From now on commits are noted, or no longer. */
static void listen(struct garbage_collector *g, struct workqueue *queue)
{
    pthread_mutex_lock(&g->lock);
    g->queue = queue;
    g->stopping = false;
    pthread_mutex_unlock(&g->lock);
}

static void drop_notes(struct garbage_collector *g)
{
    struct note *notes;
    bool lost;
    stop(g);
    take_notes(g, &notes, &lost);
    free_notes(notes);
}

int garbage_collector_run(struct garbage_collector *g, struct service_stop *stopper,
                          struct err *err)
{
    pthread_t workers[WORKERS];
    struct workqueue *queue = workqueue_create();
    workqueue_measure(queue, engine_metrics(g->engine), "garbage_collector");
    listen(g, queue);
    for (size_t i = 0; i < WORKERS; i++) {
        if (pthread_create(&workers[i], NULL, worker_main, g) != 0) {
            abort();
        }
        pthread_setname_np(workers[i], "collector");
    }
    service_on_stop(stopper, stop, g);
    int r = attend(g, stopper, err);
    service_on_stop(stopper, NULL, NULL);
    workqueue_stop(queue);
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    listen(g, NULL);
    drop_notes(g);
    workqueue_destroy(queue);
    return r;
}
