/* SPDX-License-Identifier: Apache-2.0 */
/* How the collector hears of things: one thread reads the watches of all types, in process, and
 * queues what may need work; a few workers do it. Nothing is kept in memory but the queue: who
 * depends on whom is asked of the store's index (resources/owners.h). */
#include "services/garbage_collector/garbage_collector.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/owners.h"
#include "resources/watch.h"
#include "services/garbage_collector/collect_priv.h"
#include "services/wire.gen.h"

/* LOOK_MS: at least so far apart are two looks at the watches, so that a busy server does not wake
 * the collector for each of its writes. */
enum { WORKERS = 2, EVENTS_AT_ONCE = 1000, LOOK_MS = 20 };
#define SOON_MS 10

/* The watch of one type; lives on the feeding thread. */
struct feed {
    char *name; /* "resource.group" */
    struct feeder *feeder;
    struct type *type; /* a reference */
    struct watcher *watcher;
    bool ended;
    UT_hash_handle hh;
};

struct feeder {
    struct garbage_collector *g;
    struct watch_group *group;
    int wake_fd;
    _Atomic bool types_changed;
    struct feed *feeds;
    int64_t since; /* the store's revision at the last look at the types: what has come since begins
                      there */
};

static void wake(void *arg)
{
    struct feeder *f = arg;
    uint64_t one = 1;
    if (write(f->wake_fd, &one, sizeof(one)) != sizeof(one)) {
        log_error("the garbage collector cannot be woken");
    }
}

static bool mentions(const struct blob *b, const char *word)
{
    return memmem(b->data, b->len, word, strlen(word)) != NULL;
}

static void on_deleted(struct garbage_collector *g, const struct watch_event *e)
{
    struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    if (json_read_own(&a, blob_str(e->blob), &d, NULL) == 0) {
        collect_note_absent(g, metadata_uid(d->root));
        collect_enqueue_dependents(g, metadata_uid(d->root));
        collect_enqueue_owners(g, d->root, &a);
    }
    arena_finish(&a);
}

static void on_event(void *arg, const struct watch_event *e)
{
    const struct feed *feed = arg;
    struct garbage_collector *g = feed->feeder->g;
    if (!e->blob) {
        return;
    }
    if (e->type == WATCH_DELETED) {
        on_deleted(g, e);
    } else if (mentions(e->blob, "\"ownerReferences\":[") ||
               mentions(e->blob, "\"deletionTimestamp\":\"")) {
        collect_enqueue(g, feed->type, e->ns, e->name);
    }
}

static void read_feed(void *arg, struct watcher *w, void *watcher_arg)
{
    struct feed *feed = watcher_arg;
    (void)arg;
    enum watch_state state;
    while ((state = watch_visit(w, EVENTS_AT_ONCE, on_event, feed)) != WATCH_IDLE) {
        if (state == WATCH_ENDED) {
            feed->ended = true;
            return;
        }
        if (state == WATCH_BEHIND) {
            watch_catch_up(w);
        }
    }
}

/* ---- one feed a type ---- */

static bool wanted(const struct type *t)
{
    return !t->virtual_ && (t->verbs & VERB_BIT(VERB_WATCH)) && str_eq(t->kind, t->stored_kind) &&
           str_eq(type_storage(t)->api_version, t->stored_api_version);
}

static char *name_of(const struct type *t)
{
    return alloc_printf("%.*s.%.*s", STR_FMT(t->resource), STR_FMT(t->group));
}

static bool has_feed(struct feeder *f, const struct type *t)
{
    struct feed *found;
    char *name = name_of(t);
    HASH_FIND_STR(f->feeds, name, found);
    free(name);
    return found != NULL;
}

/* rev: where to begin. */
static int add_feed(struct feeder *f, struct type *t, int64_t rev, struct err *err)
{
    struct feed *x = ALLOC(struct feed);
    struct op *op = op_create(f->g->engine);
    x->feeder = f;
    x->type = type_ref(t);
    op_set_type(op, t, type_storage(t));
    op->verb = VERB_WATCH;
    op->list.resource_version =
        str_from(rev ? arena_printf(&op->arena, "%lld", (long long)rev) : "0");
    int r = watch_open(f->group, op, NULL, x, &x->watcher, err);
    op_unref(op);
    if (r < 0) {
        type_unref(x->type);
        free(x);
        return r;
    }
    x->name = name_of(t);
    HASH_ADD_KEYPTR(hh, f->feeds, x->name, strlen(x->name), x);
    read_feed(f, x->watcher, x); /* the first time nobody announces it */
    return 0;
}

static void drop_feed(struct feed *x)
{
    HASH_DEL(x->feeder->feeds, x);
    watch_close(x->watcher);
    free(x->name);
    type_unref(x->type);
    free(x);
}

static void drop_ended(struct feeder *f)
{
    struct feed *x, *next;
    HASH_ITER(hh, f->feeds, x, next)
    {
        if (x->ended) {
            drop_feed(x);
            atomic_store(&f->types_changed,
                         true); /* if the type is still there, it gets a new feed */
        }
    }
}

static int follow_types(struct feeder *f, int64_t rev, struct err *err)
{
    struct registry_snapshot *s = registry_ref(f->g->registry);
    int r = 0;
    for (size_t i = 0; i < s->n_groups && r == 0; i++) {
        for (size_t j = 0; j < s->groups[i].n_types && r == 0; j++) {
            struct type *t = s->groups[i].types[j];
            if (wanted(t) && !has_feed(f, t)) {
                r = add_feed(f, t, t->born > rev ? t->born : rev, err);
            }
        }
    }
    registry_snapshot_unref(s);
    return r;
}

static int enqueue_found(void *arg, struct type *t, struct str ns, struct str name)
{
    collect_enqueue(arg, t, ns, name);
    return 0;
}

/* What the server left undone when it last stopped. */
static int enqueue_old(struct garbage_collector *g, struct err *err)
{
    struct registry_snapshot *s = registry_ref(g->registry);
    int r = owners_all(g->engine, s, enqueue_found, g, err);
    if (r == 0) {
        r = owners_deleting(g->engine, s, enqueue_found, g, err);
    }
    registry_snapshot_unref(s);
    return r;
}

static void types_changed(void *arg, const struct registry_snapshot *s, struct type *changed,
                          bool removed)
{
    struct garbage_collector *g = arg;
    (void)s;
    (void)changed;
    (void)removed;
    pthread_mutex_lock(&g->lock);
    if (g->feeder) {
        atomic_store(&g->feeder->types_changed, true);
        wake(g->feeder);
    }
    pthread_mutex_unlock(&g->lock);
}

static int feed_until_stop(struct feeder *f, struct service_stop *stop, struct err *err)
{
    struct pollfd fds[2] = {{.fd = f->wake_fd, .events = POLLIN},
                            {.fd = service_stop_fd(stop), .events = POLLIN}};
    int64_t looked = clock_mono_ms() - LOOK_MS;
    while (!service_stopping(stop)) {
        uint64_t n;
        poll(fds, 2, -1);
        int64_t early = looked + LOOK_MS - clock_mono_ms();
        if (early > 0) {
            service_wait(stop, (int)early);
        }
        looked = clock_mono_ms();
        if (fds[0].revents && read(f->wake_fd, &n, sizeof(n)) < 0) {
            continue;
        }
        int64_t now = store_revision(engine_store(f->g->engine));
        watch_group_ready(f->group, read_feed, f);
        drop_ended(f);
        if (atomic_exchange(&f->types_changed, false)) {
            int r = follow_types(f, f->since, err);
            if (r < 0) {
                return r;
            }
            wake(f); /* a new feed may have ended already */
        }
        f->since = now;
    }
    return 0;
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
    pthread_mutex_init(&g->lock, NULL);
    g->attempts =
        metrics_series(d->metrics, METRIC_COUNTER, "coracle_garbage_collector_attempts_total",
                       "Objects the garbage collector looked at.", NULL, 0, NULL, 0);
    g->deletions =
        metrics_series(d->metrics, METRIC_COUNTER, "coracle_garbage_collector_deletions_total",
                       "Objects the garbage collector deleted.", NULL, 0, NULL, 0);
    registry_listen(d->registry, types_changed, g);
    *ret = g;
    return 0;
}

void garbage_collector_release(struct garbage_collector *g)
{
    if (!g) {
        return;
    }
    for (size_t i = 0; i < ABSENT_KEPT; i++) {
        free(g->absent[i]);
    }
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static void set_feeder(struct garbage_collector *g, struct feeder *f)
{
    pthread_mutex_lock(&g->lock);
    g->feeder = f;
    pthread_mutex_unlock(&g->lock);
}

static int run(struct garbage_collector *g, struct feeder *f, struct service_stop *stop,
               struct err *err)
{
    pthread_t workers[WORKERS];
    f->since = store_revision(engine_store(g->engine));
    int r = follow_types(f, f->since, err);
    if (r == 0) {
        r = enqueue_old(g, err);
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < WORKERS; i++) {
        if (pthread_create(&workers[i], NULL, worker_main, g) != 0) {
            abort();
        }
        pthread_setname_np(workers[i], "collector");
    }
    r = feed_until_stop(f, stop, err);
    workqueue_stop(g->queue);
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    return r;
}

int garbage_collector_run(struct garbage_collector *g, struct service_stop *stop, struct err *err)
{
    struct feeder f = {.g = g, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (f.wake_fd < 0) {
        return err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
    }
    g->queue = workqueue_create();
    f.group = watch_group_create(engine_watches(g->engine), wake, &f);
    set_feeder(g, &f);
    int r = run(g, &f, stop, err);
    set_feeder(g, NULL);
    struct feed *x, *next;
    HASH_ITER(hh, f.feeds, x, next)
    {
        drop_feed(x);
    }
    watch_group_destroy(f.group);
    close(f.wake_fd);
    workqueue_destroy(g->queue);
    g->queue = NULL;
    return r;
}
