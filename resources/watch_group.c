/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: the watchers of one thread, their windows on the rings, and the walk after a wake. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "resources/watch_priv.h"

enum { DUE_STEP_MS = 1000 };

/* ---- windows ---- */

static void window_reserve(struct watch_view *v, size_t more)
{
    if (v->n + more > v->cap) {
        v->cap = v->n + more > v->cap * 2 ? v->n + more : v->cap * 2;
        v->window = alloc_resize(v->window, v->cap * sizeof(struct watch_entry *));
    }
}

static void window_drop(struct watch_view *v, size_t k)
{
    if (!k) {
        return;
    }
    for (size_t i = 0; i < k; i++) {
        watch_entry_unref(v->window[i]);
    }
    v->n -= k;
    v->first += k;
    if (v->n) {
        memmove(v->window, v->window + k, v->n * sizeof(struct watch_entry *));
    } else {
        free(v->window);
        v->window = NULL;
        v->cap = 0;
    }
}

/* Under the ring's lock. */
static struct watch_entry *ring_entry(const struct watch_ring *r, uint64_t seq)
{
    return r->entries[seq & (r->cap - 1)];
}

/* Too much is held by all windows together: keeps no more than the ring does. */
static void shed_front(struct watch_view *v)
{
    struct watch_ring *r = v->ring;
    if (atomic_load(&r->hub->bytes) > r->hub->bytes_max && r->head > v->first) {
        uint64_t k = r->head - v->first;
        window_drop(v, k < v->n ? (size_t)k : v->n);
    }
    atomic_store(&r->shedding, false);
}

static void take_tail(struct watch_view *v)
{
    struct watch_ring *r = v->ring;
    uint64_t end = v->first + v->n;
    if (end < r->head) { /* it was thrown out before this group came to it */
        window_drop(v, v->n);
        v->first = end = r->head;
    }
    shed_front(v);
    window_reserve(v, (size_t)(r->tail - end));
    for (uint64_t s = end; s < r->tail; s++) {
        v->window[v->n++] = watch_entry_ref(ring_entry(r, s));
    }
    atomic_store_explicit(&v->end, v->first + v->n, memory_order_relaxed);
}

void watch_view_refresh(struct watch_view *v)
{
    pthread_mutex_lock(&v->ring->lock);
    take_tail(v);
    pthread_mutex_unlock(&v->ring->lock);
}

bool watch_view_complete(struct watch_view *v, int64_t *ret_rev)
{
    int64_t rev = atomic_load_explicit(&v->ring->hub->rev, memory_order_acquire);
    pthread_mutex_lock(&v->ring->lock);
    bool all = v->ring->tail == v->first + v->n;
    pthread_mutex_unlock(&v->ring->lock);
    if (all) {
        *ret_rev = rev;
    }
    return all;
}

/* Puts entries [from, first) of the ring before the window. */
static void take_front(struct watch_view *v, uint64_t from)
{
    size_t k = (size_t)(v->first - from);
    window_reserve(v, k);
    if (v->n) {
        memmove(v->window + k, v->window, v->n * sizeof(struct watch_entry *));
    }
    for (size_t i = 0; i < k; i++) {
        v->window[i] = watch_entry_ref(ring_entry(v->ring, from + i));
    }
    v->n += k;
    v->first = from;
}

/* The number of the first entry after rev, under the ring's lock. */
static uint64_t first_after(const struct watch_ring *r, int64_t rev)
{
    uint64_t lo = r->head, hi = r->tail;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (ring_entry(r, mid)->rev <= rev) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool watch_view_attach(struct watch_view *v, int64_t rev, uint64_t *ret_seq)
{
    struct watch_ring *r = v->ring;
    pthread_mutex_lock(&r->lock);
    bool ok = rev >= r->floor;
    if (ok) {
        take_tail(v);
        *ret_seq = first_after(r, rev);
        if (*ret_seq < v->first) {
            take_front(v, *ret_seq);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return ok;
}

/* Lets go of what every watcher of the view has passed. */
static void window_trim(struct watch_view *v)
{
    uint64_t least = v->first + v->n;
    for (const struct watcher *w = v->watchers; w; w = w->next) {
        if (!w->handed_over && w->mode == WATCH_MODE_LIVE && w->seq < least) {
            least = w->seq;
        }
    }
    if (least > v->first) {
        window_drop(v, (size_t)(least - v->first));
    }
}

/* ---- views ---- */

struct watch_view *watch_view_get(struct watch_group *g, struct watch_ring *ring)
{
    for (struct watch_view *v = g->views; v; v = v->next_in_group) {
        if (v->ring == ring) {
            return v;
        }
    }
    struct watch_view *v = ALLOC(struct watch_view);
    v->ring = ring;
    v->group = g;
    v->next_in_group = g->views;
    g->views = v;
    pthread_mutex_lock(&ring->lock);
    v->first = ring->tail;
    atomic_store(&v->end, v->first);
    v->next_in_ring = ring->views;
    ring->views = v;
    pthread_mutex_unlock(&ring->lock);
    return v;
}

static void view_destroy(struct watch_view *v)
{
    pthread_mutex_lock(&v->ring->lock);
    for (struct watch_view **p = &v->ring->views; *p; p = &(*p)->next_in_ring) {
        if (*p == v) {
            *p = v->next_in_ring;
            break;
        }
    }
    pthread_mutex_unlock(&v->ring->lock);
    window_drop(v, v->n);
    free(v->window);
    free(v);
}

/* Takes away the views that nobody looks through. */
static void sweep_views(struct watch_group *g)
{
    struct watch_view **p = &g->views;
    while (*p) {
        struct watch_view *v = *p;
        if (v->n_watchers) {
            p = &v->next_in_group;
        } else {
            *p = v->next_in_group;
            view_destroy(v);
        }
    }
}

/* ---- groups ---- */

struct watch_group *watch_group_create(struct watch_hub *h, watch_wake_fn *wake, void *arg)
{
    struct watch_group *g = ALLOC(struct watch_group);
    g->hub = h;
    g->wake = wake;
    g->arg = arg;
    atomic_store(&g->armed, true);
    atomic_store(&g->next_due, INT64_MAX);
    pthread_mutex_lock(&h->timer_lock);
    g->next = h->groups;
    h->groups = g;
    pthread_mutex_unlock(&h->timer_lock);
    return g;
}

void watch_group_destroy(struct watch_group *g)
{
    if (!g) {
        return;
    }
    pthread_mutex_lock(&g->hub->timer_lock);
    for (struct watch_group **p = &g->hub->groups; *p; p = &(*p)->next) {
        if (*p == g) {
            *p = g->next;
            break;
        }
    }
    pthread_mutex_unlock(&g->hub->timer_lock);
    sweep_views(g);
    assert(!g->views);
    free(g);
}

/* ---- the walk ---- */

/* Passes over events that do not concern the watcher by their key; true where one may. */
static bool wants(struct watcher *w)
{
    const struct watch_view *v = w->view;
    if (w->handed_over || w->mode == WATCH_MODE_ENDED) {
        return false;
    }
    if (w->mode != WATCH_MODE_LIVE || w->queue || w->seq < v->first) {
        return true;
    }
    uint64_t end = v->first + v->n;
    while (w->seq < end) {
        struct watch_entry *e = v->window[w->seq - v->first];
        if (watch_in_scope(w, str_make(e->key, e->key_len)) && e->rev > w->base) {
            return true;
        }
        w->seq++;
    }
    return w->types_generation != atomic_load(&w->view->group->hub->types_generation);
}

static void walk_view(struct watch_view *v, watch_each_fn *each, void *arg)
{
    struct watch_group *g = v->group;
    watch_view_refresh(v);
    for (struct watcher *w = v->watchers; w; w = g->cursor) {
        g->cursor = w->next;
        if (wants(w)) {
            each(arg, w, w->arg);
        }
    }
    window_trim(v);
}

/* Hands over those whose bookmark is due. */
static void walk_due(struct watch_view *v, int64_t now, watch_each_fn *each, void *arg)
{
    struct watch_group *g = v->group;
    for (struct watcher *w = v->watchers; w; w = g->cursor) {
        g->cursor = w->next;
        if (w->due <= now && !w->handed_over && w->mode == WATCH_MODE_LIVE) {
            w->bookmark_now = true;
            each(arg, w, w->arg);
        }
    }
}

static int64_t earliest_due(const struct watch_group *g, int64_t now)
{
    int64_t due = INT64_MAX;
    for (const struct watch_view *v = g->views; v; v = v->next_in_group) {
        for (const struct watcher *w = v->watchers; w; w = w->next) {
            due = w->due < due ? w->due : due;
        }
    }
    return due < now + DUE_STEP_MS ? now + DUE_STEP_MS : due;
}

void watch_group_ready(struct watch_group *g, watch_each_fn *each, void *arg)
{
    atomic_store(&g->armed, true);
    g->walking = true;
    for (struct watch_view *v = g->views; v; v = v->next_in_group) {
        if (atomic_exchange(&v->dirty, false)) {
            walk_view(v, each, arg);
        }
    }
    if (atomic_exchange(&g->due, false)) {
        int64_t now = clock_mono_ms();
        for (struct watch_view *v = g->views; v; v = v->next_in_group) {
            walk_due(v, now, each, arg);
        }
        watch_timer_add(g, earliest_due(g, now));
    }
    g->walking = false;
    g->cursor = NULL;
    sweep_views(g);
}

static void unlink_watcher(struct watcher *w)
{
    struct watch_view *v = w->view;
    if (v->group->cursor == w) {
        v->group->cursor = w->next;
    }
    if (w->next) {
        w->next->prev = w->prev;
    }
    *(w->prev ? &w->prev->next : &v->watchers) = w->next;
    v->n_watchers--;
    if (!v->group->walking && !v->n_watchers) {
        sweep_views(v->group);
    }
}

void watch_close(struct watcher *w)
{
    if (!w) {
        return;
    }
    struct watch_hub *h = w->view->group->hub;
    unlink_watcher(w);
    for (struct watch_item *i = w->queue, *next; i; i = next) {
        next = i->next;
        watch_item_free(i);
    }
    list_close(w->list);
    watch_target_put(h, w->target);
    type_unref(w->type);
    op_unref(w->op);
    atomic_fetch_sub(&h->watchers, 1);
    free(w);
}
