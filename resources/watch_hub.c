/* SPDX-License-Identifier: Apache-2.0 */
/* The hub of all watches: the rings that the committer fills, the cap on them, and the thread that
 * wakes groups for bookmarks. */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/latch.h"
#include "base/limits.h"
#include "resources/watch_priv.h"

enum {
    BUCKETS = 256,
    RING_FIRST = 16,
    RING_SLACK = 64, /* entries kept for watchers to come, though everybody has them */
    RING_SLACK_BYTES = 256 * 1024,
    RING_KEPT = 32, /* of a ring that is thrown out to make room */
    TIMER_STEP_MS = 1000,
};

/* ---- rings ---- */

static struct watch_ring *find(const struct watch_hub *h, uint64_t hash, struct str prefix)
{
    struct watch_ring *r = h->buckets[hash % h->n_buckets];
    while (r && (r->hash != hash || !str_eq(r->prefix, prefix))) {
        r = r->next;
    }
    return r;
}

static struct watch_ring *ring_create(struct watch_hub *h, struct str prefix, uint64_t hash)
{
    struct watch_ring *r = ALLOC(struct watch_ring);
    r->hub = h;
    r->prefix = str_make(alloc_str(prefix), prefix.len);
    r->hash = hash;
    r->floor = atomic_load(&h->rev);
    pthread_mutex_init(&r->lock, NULL);
    r->next = h->buckets[hash % h->n_buckets];
    h->buckets[hash % h->n_buckets] = r;
    h->n_rings++;
    return r;
}

/* Nothing happened under the prefix between its newest change and the ring's making. */
static void lower_floor(struct watch_ring *r)
{
    struct store *s = r->hub->engine->store;
    int64_t newest = store_prefix_revision(s, r->prefix);
    newest = newest ? newest : store_floor(s);
    pthread_mutex_lock(&r->lock);
    if (!r->dropped && newest < r->floor) {
        r->floor = newest;
    }
    pthread_mutex_unlock(&r->lock);
}

struct watch_ring *watch_ring_get(struct watch_hub *h, struct str prefix)
{
    uint64_t hash = crypto_hash64(prefix);
    pthread_mutex_lock(&h->lock);
    struct watch_ring *r = find(h, hash, prefix);
    bool fresh = !r;
    if (fresh) {
        r = ring_create(h, prefix, hash);
    }
    pthread_mutex_unlock(&h->lock);
    if (fresh) {
        lower_floor(r);
    }
    return r;
}

static void ring_grow(struct watch_ring *r)
{
    size_t cap = r->cap ? r->cap * 2 : RING_FIRST;
    struct watch_entry **more = alloc_bytes(cap * sizeof(struct watch_entry *));
    for (uint64_t i = r->head; i < r->tail; i++) {
        more[i & (cap - 1)] = r->entries[i & (r->cap - 1)];
    }
    free(r->entries);
    r->entries = more;
    r->cap = cap;
}

static void ring_drop(struct watch_ring *r)
{
    struct watch_entry *e = r->entries[r->head & (r->cap - 1)];
    r->head++;
    r->floor = e->rev;
    r->dropped = true;
    watch_entry_unref(e);
}

/* Lets go of what every view has taken in, but for a little. */
static void ring_trim(struct watch_ring *r)
{
    uint64_t taken = r->tail;
    for (const struct watch_view *v = r->views; v; v = v->next_in_ring) {
        uint64_t end = atomic_load_explicit(&v->end, memory_order_relaxed);
        taken = end < taken ? end : taken;
    }
    while (r->head < taken &&
           (r->tail - r->head > RING_SLACK ||
            atomic_load_explicit(&r->bytes, memory_order_relaxed) > RING_SLACK_BYTES)) {
        ring_drop(r);
    }
}

static void wake(struct watch_group *g)
{
    if (atomic_exchange(&g->armed, false)) {
        g->wake(g->arg);
    }
}

static void mark_views(struct watch_ring *r)
{
    for (struct watch_view *v = r->views; v; v = v->next_in_ring) {
        atomic_store(&v->dirty, true);
        wake(v->group);
    }
}

void watch_ring_poke(struct watch_ring *r)
{
    pthread_mutex_lock(&r->lock);
    mark_views(r);
    pthread_mutex_unlock(&r->lock);
}

static void ring_append(struct watch_ring *r, const struct store_event *e)
{
    pthread_mutex_lock(&r->lock);
    if (!r->views) { /* nobody watches: only note that the log has it */
        while (r->head < r->tail) {
            ring_drop(r);
        }
        r->floor = e->rev;
        r->dropped = true;
    } else {
        if (r->tail - r->head == r->cap) {
            ring_grow(r);
        }
        r->entries[r->tail & (r->cap - 1)] = watch_entry_create(r, e);
        r->tail++;
        ring_trim(r);
        mark_views(r);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Frees memory at the cost of whoever holds most of it: that ring's slow watchers go on from the
 * log. */
static void shed(struct watch_hub *h)
{
    struct watch_ring *most = NULL;
    for (size_t i = 0; i < h->n_buckets; i++) {
        for (struct watch_ring *r = h->buckets[i]; r; r = r->next) {
            if (!most || atomic_load(&r->bytes) > atomic_load(&most->bytes)) {
                most = r;
            }
        }
    }
    if (!most || atomic_exchange(&most->shedding, true)) {
        return;
    }
    pthread_mutex_lock(&most->lock);
    while (most->tail - most->head > RING_KEPT) {
        ring_drop(most);
    }
    mark_views(most);
    pthread_mutex_unlock(&most->lock);
}

/* Appends to the ring of each prefix of the key that has one: prefixes end with a slash. */
static void append(struct watch_hub *h, const struct store_event *e)
{
    uint64_t hash = crypto_hash64(STR(""));
    size_t from = 0;
    for (size_t i = 0; i < e->key.len; i++) {
        if (e->key.ptr[i] != '/') {
            continue;
        }
        hash = crypto_hash64_more(hash, str_make(e->key.ptr + from, i + 1 - from));
        from = i + 1;
        struct watch_ring *r = find(h, hash, str_make(e->key.ptr, from));
        if (r) {
            ring_append(r, e);
        }
    }
}

static void on_commit(void *arg, const struct store_event *events, size_t n, int64_t rev)
{
    struct watch_hub *h = arg;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; h->n_rings && i < n; i++) {
        append(h, &events[i]);
    }
    atomic_store_explicit(&h->rev, rev, memory_order_release);
    if (atomic_load_explicit(&h->bytes, memory_order_relaxed) > h->bytes_max) {
        shed(h);
    }
    pthread_mutex_unlock(&h->lock);
    engine_tell(h->engine, events, n);
}

/* ---- bookmarks' timer ---- */

static int64_t wake_due(struct watch_hub *h, int64_t now)
{
    int64_t next = INT64_MAX;
    for (struct watch_group *g = h->groups; g; g = g->next) {
        int64_t due = atomic_load(&g->next_due);
        if (due <= now) {
            atomic_store(&g->next_due, INT64_MAX);
            atomic_store(&g->due, true);
            wake(g);
        } else if (due < next) {
            next = due;
        }
    }
    return next;
}

static void *timer_main(void *arg)
{
    struct watch_hub *h = arg;
    pthread_mutex_lock(&h->timer_lock);
    while (!h->stopping) {
        int64_t now = clock_mono_ms(), next = wake_due(h, now);
        if (next == INT64_MAX) {
            pthread_cond_wait(&h->timer_cond, &h->timer_lock);
            continue;
        }
        next =
            next < now + TIMER_STEP_MS ? now + TIMER_STEP_MS : next; /* many bookmarks at a time */
        struct timespec at = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000};
        pthread_cond_timedwait(&h->timer_cond, &h->timer_lock, &at);
    }
    pthread_mutex_unlock(&h->timer_lock);
    return NULL;
}

void watch_timer_add(struct watch_group *g, int64_t due)
{
    struct watch_hub *h = g->hub;
    if (due >= atomic_load(&g->next_due)) {
        return;
    }
    pthread_mutex_lock(&h->timer_lock);
    if (due < atomic_load(&g->next_due)) {
        atomic_store(&g->next_due, due);
    }
    if (!h->timer_runs && !h->stopping) {
        h->timer_runs = !pthread_create(&h->timer, NULL, timer_main, h);
        if (h->timer_runs) {
            pthread_setname_np(h->timer, "watch-timer");
        }
    }
    pthread_cond_signal(&h->timer_cond);
    pthread_mutex_unlock(&h->timer_lock);
}

/* ---- life ---- */

static void collect(void *arg, struct metrics *m, struct buf *out)
{
    (void)m;
    struct watch_stats s;
    watch_stats(arg, &s);
    metrics_emit(out, METRIC_GAUGE, "coracle_watchers", "Watches open now.", NULL, 0,
                 (double)s.watchers);
    metrics_emit(out, METRIC_COUNTER, "coracle_watch_events_total", "Events given to watchers.",
                 NULL, 0, (double)s.events_sent);
    metrics_emit(out, METRIC_GAUGE, "coracle_watch_ring_bytes", "Recent events in memory.", NULL, 0,
                 (double)s.ring_bytes);
    metrics_emit(out, METRIC_COUNTER, "coracle_watch_behind_total",
                 "Times a watcher had to go on from the store's log.", NULL, 0, (double)s.behind);
}

struct watch_hub *watch_hub_create(struct engine *e)
{
    struct watch_hub *h = ALLOC(struct watch_hub);
    h->engine = e;
    h->bytes_max = LIMIT_WATCH_RING_BYTES;
    h->n_buckets = BUCKETS;
    h->buckets = alloc_zero(BUCKETS * sizeof(struct watch_ring *));
    atomic_store(&h->rev, store_revision(e->store));
    atomic_store(&h->types_generation, 1);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->types_lock, NULL);
    pthread_mutex_init(&h->timer_lock, NULL);
    cond_init_monotonic(&h->timer_cond);
    store_on_commit(e->store, on_commit, h);
    watch_targets_listen(h);
    if (e->metrics) {
        metrics_collector(e->metrics, collect, h);
    }
    return h;
}

static void ring_destroy(struct watch_ring *r)
{
    while (r->head < r->tail) {
        ring_drop(r);
    }
    free(r->entries);
    free((char *)(uintptr_t)r->prefix.ptr);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void watch_hub_destroy(struct watch_hub *h)
{
    if (!h) {
        return;
    }
    pthread_mutex_lock(&h->timer_lock);
    h->stopping = true;
    pthread_cond_signal(&h->timer_cond);
    pthread_mutex_unlock(&h->timer_lock);
    if (h->timer_runs) {
        pthread_join(h->timer, NULL);
    }
    for (size_t i = 0; i < h->n_buckets; i++) {
        for (struct watch_ring *r = h->buckets[i], *next; r; r = next) {
            next = r->next;
            ring_destroy(r);
        }
    }
    free(h->buckets);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->types_lock);
    pthread_mutex_destroy(&h->timer_lock);
    pthread_cond_destroy(&h->timer_cond);
    free(h);
}

int64_t watch_present(struct watch_hub *h)
{
    return atomic_load_explicit(&h->rev, memory_order_relaxed);
}

void watch_stats(struct watch_hub *h, struct watch_stats *ret)
{
    *ret = (struct watch_stats){.watchers = atomic_load(&h->watchers),
                                .events_sent = atomic_load(&h->sent),
                                .ring_bytes = atomic_load(&h->bytes),
                                .behind = atomic_load(&h->behind)};
}
