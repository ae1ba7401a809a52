/* SPDX-License-Identifier: Apache-2.0 */
/* Events in another version than their objects lie in, converted once for all watches.
 *
 * Conversion is more than a loop may do: it waits for a webhook, or rewrites a large object. So the
 * first watch that comes to such an event hands it and those behind it that it wants to a job,
 * which runs on the pool, or on the threads that may wait. Until the job is through, every watch of
 * that version is held at the event; the groups are woken then. A watch has asked for one job at
 * most, so what comes meanwhile gathers for the next: a slow webhook is called rarely and for many.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "resources/watch_priv.h"

enum {
    INLINE_BYTES = 4096, /* smaller objects are converted where they are read */
};

enum need { NEED_NOW = 1, NEED_WAS = 2 };

struct job_item {
    struct watch_entry *entry; /* a reference */
    struct watch_shown *shown; /* the entry's */
};

struct watch_job {
    struct pool_task task;
    struct watch_hub *hub;
    struct watch_ring *ring;
    struct type *type; /* a reference */
    const struct type_version *version;
    bool waits;
    int64_t deadline; /* milliseconds: what fails after it is not tried in smaller parts */
    size_t n, cap, bytes;
    struct job_item *items;
};

/* ---- what an event shows ---- */

static struct stored stored_of(const struct watch_entry *e, bool was)
{
    return was ? (struct stored){blob_str(e->prev), e->rev, e->prev_stamp}
               : (struct stored){blob_str(e->value), e->rev, e->stamp};
}

static struct watch_shown *find(struct watch_shown *s, const struct watcher *w, bool was)
{
    while (s && (s->was != was || s->version != w->version || s->type != w->type)) {
        s = s->next;
    }
    return s;
}

/* The newest of its kind: what failed before the watcher came to the ring is tried again. */
static struct watch_shown *known(struct watch_shown *head, const struct watcher *w, bool was)
{
    struct watch_shown *s = find(head, w, was);
    bool stale = s && atomic_load_explicit(&s->state, memory_order_acquire) == WATCH_SHOWN_FAILED &&
                 s->failure <= w->failures;
    return stale ? NULL : s;
}

const struct watch_shown *watch_shown_done(struct watch_entry *e, const struct watcher *w, bool was)
{
    const struct watch_shown *s =
        w->converts ? find(atomic_load_explicit(&e->shown, memory_order_acquire), w, was) : NULL;
    return s && atomic_load_explicit(&s->state, memory_order_acquire) == WATCH_SHOWN_DONE ? s
                                                                                          : NULL;
}

void watch_shown_free(struct watch_shown *s)
{
    type_unref(s->type);
    blob_unref(s->line);
    err_finish(&s->err);
    free(s);
}

/* Makes the conversion the caller's to have done; NULL: it is somebody's already. */
static struct watch_shown *claim(struct watch_entry *e, const struct watcher *w, bool was)
{
    struct watch_shown *head = atomic_load_explicit(&e->shown, memory_order_acquire);
    if (known(head, w, was)) {
        return NULL;
    }
    struct watch_shown *s = ALLOC(struct watch_shown);
    s->type = type_ref(w->type);
    s->version = w->version;
    s->was = was;
    do {
        if (known(head, w, was)) {
            watch_shown_free(s);
            return NULL;
        }
        s->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&e->shown, &head, s, memory_order_acq_rel,
                                                    memory_order_acquire));
    watch_entry_account(e, sizeof(*s));
    return s;
}

/* ---- what a watcher needs ---- */

static bool is_job(const struct watcher *w, const struct watch_entry *e, bool was)
{
    const struct stored s = stored_of(e, was);
    return convert_needed(w->type, w->version, &s) &&
           (s.value.len >= INLINE_BYTES || convert_waits(w->type, w->version, &s));
}

/* Of an event in the watcher's scope. */
static unsigned needs(struct watcher *w, struct watch_entry *e)
{
    enum watch_event_type type;
    bool now = e->value, was = e->prev;
    if (!w->selective || watch_judges_labels(w)) {
        bool concerns = watch_judge(w, e, &type);
        was = concerns && type == WATCH_DELETED;
        now = concerns && !was;
    }
    return (now && is_job(w, e, false) ? NEED_NOW : 0u) |
           (was && is_job(w, e, true) ? NEED_WAS : 0u);
}

static enum watch_ready ready_one(const struct watcher *w, struct watch_entry *e, bool was,
                                  struct err *err)
{
    const struct watch_shown *s =
        known(atomic_load_explicit(&e->shown, memory_order_acquire), w, was);
    if (!s) {
        return WATCH_READY_UNASKED;
    }
    switch (atomic_load_explicit(&s->state, memory_order_acquire)) {
    case WATCH_SHOWN_DONE:
        return WATCH_READY;
    case WATCH_SHOWN_FAILED:
        err_copy(err, &s->err);
        return WATCH_READY_FAILED;
    default:
        return WATCH_READY_HELD;
    }
}

static enum watch_ready ready(struct watcher *w, struct watch_entry *e, struct err *err)
{
    enum watch_ready now = WATCH_READY, was = WATCH_READY;
    unsigned need = needs(w, e);
    if (need & NEED_NOW) {
        now = ready_one(w, e, false, err);
    }
    if (need & NEED_WAS && now != WATCH_READY_FAILED) {
        was = ready_one(w, e, true, err);
    }
    return now > was ? now : was;
}

/* ---- the job ---- */

static void show(struct watch_job *j, const struct job_item *i, const struct stored *s)
{
    static const struct representation plain = {0};
    struct watch_shown *shown = i->shown;
    shown->type_shown = shown->was ? WATCH_DELETED : i->entry->prev ? WATCH_MODIFIED : WATCH_ADDED;
    shown->line = watch_line_plain(j->type, j->version, &plain, shown->type_shown, s, &shown->err);
    if (shown->line) {
        watch_entry_account(i->entry, sizeof(*shown->line) + shown->line->len);
    } else {
        shown->failure = atomic_fetch_add(&j->hub->failures, 1) + 1;
    }
    atomic_store_explicit(&shown->state, shown->line ? WATCH_SHOWN_DONE : WATCH_SHOWN_FAILED,
                          memory_order_release);
}

static void fail(struct watch_job *j, const struct job_item *i, const struct err *why)
{
    struct watch_shown *shown = i->shown;
    const struct stored s = stored_of(i->entry, shown->was);
    struct arena a;
    struct err mine = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    err_copy(&mine, why);
    if (represent_own(j->type, &s, &a, &d, NULL)) {
        err_move(&shown->err, &mine);
    } else {
        convert_corrupt(j->type, d->root, s.rev, &mine, &shown->err);
    }
    arena_finish(&a);
    shown->failure = atomic_fetch_add(&j->hub->failures, 1) + 1;
    atomic_store_explicit(&shown->state, WATCH_SHOWN_FAILED, memory_order_release);
}

/* Whether another attempt with fewer objects could go better. */
static bool worth_parting(const struct watch_job *j, size_t n, const struct err *why)
{
    bool own =
        why->code == ERR_UNAVAILABLE || why->code == ERR_TIMEOUT || why->code == ERR_TOO_MANY;
    return n > 1 && !own && clock_mono_ms() < j->deadline;
}

/* Converts items [from, to) by one call. Where it fails each half is tried by itself: one object
 * that does not convert ends the watches that would show it, and no others. */
static void convert_part(struct watch_job *j, struct stored *s, size_t from, size_t to,
                         struct arena *a)
{
    struct err why = {0};
    size_t bad = 0, mid = from + (to - from) / 2;
    if (convert_stored(j->type, j->version, s + from, to - from, a, &bad, &why) == 0) {
        for (size_t i = from; i < to; i++) {
            show(j, &j->items[i], &s[i]);
        }
    } else if (worth_parting(j, to - from, &why)) {
        convert_part(j, s, from, mid, a);
        convert_part(j, s, mid, to, a);
    } else {
        for (size_t i = from; i < to; i++) {
            fail(j, &j->items[i], &why);
        }
    }
    err_finish(&why);
}

static void job_destroy(struct watch_job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        watch_entry_unref(j->items[i].entry);
    }
    type_unref(j->type);
    free(j->items);
    free(j);
}

static void run(struct pool_task *t)
{
    struct watch_job *j = (struct watch_job *)(void *)t;
    struct arena a;
    arena_init(&a, 0);
    struct stored *s = arena_zero(&a, j->n * sizeof(*s));
    for (size_t i = 0; i < j->n; i++) {
        s[i] = stored_of(j->items[i].entry, j->items[i].shown->was);
    }
    if (j->waits) {
        j->deadline = clock_mono_ms() + LIMIT_CONVERSION_MS;
        convert_part(j, s, 0, j->n, &a);
    }
    for (size_t i = 0; i < j->n && !j->waits; i++) {
        show(j, &j->items[i], &s[i]);
    }
    arena_finish(&a);
    watch_ring_poke(j->ring);
    job_destroy(j);
}

static void add_item(struct watch_job *j, struct watcher *w, struct watch_entry *e, bool was)
{
    struct watch_shown *shown = claim(e, w, was);
    if (!shown) {
        return;
    }
    const struct stored s = stored_of(e, was);
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 4;
        j->items = alloc_resize(j->items, j->cap * sizeof(*j->items));
    }
    j->items[j->n++] = (struct job_item){watch_entry_ref(e), shown};
    j->bytes += s.value.len;
    j->waits |= convert_waits(w->type, w->version, &s);
}

/* Takes what the watcher wants, from the entry at which it is held on. */
static void gather(struct watch_job *j, struct watcher *w, uint64_t from)
{
    struct watch_view *v = w->view;
    for (uint64_t seq = from; seq < v->first + v->n; seq++) {
        struct watch_entry *e = v->window[seq - v->first];
        if (e->rev <= w->base || !watch_in_scope(w, str_make(e->key, e->key_len))) {
            continue;
        }
        unsigned need = needs(w, e);
        if (need & NEED_NOW) {
            add_item(j, w, e, false);
        }
        if (need & NEED_WAS) {
            add_item(j, w, e, true);
        }
        if (j->n + 1 >= LIMIT_CONVERSION_OBJECTS || j->bytes >= LIMIT_CONVERSION_BYTES) {
            break;
        }
    }
}

/* Where the pools take no more the server stops: the watches are ended by that. */
static void ask(struct watcher *w, uint64_t from)
{
    struct watch_job *j = ALLOC(struct watch_job);
    struct engine *e = w->op->engine;
    j->task.run = run;
    j->hub = e->watches;
    j->ring = w->view->ring;
    j->type = type_ref(w->type);
    j->version = w->version;
    gather(j, w, from);
    if (!j->n || !(j->waits ? convert_submit(e, j->type, &j->task, true)
                            : pool_submit(e->pool, &j->task, true))) {
        job_destroy(j);
    }
}

enum watch_ready watch_shown_ready(struct watcher *w, struct err *err)
{
    struct watch_view *v = w->view;
    enum watch_ready all = WATCH_READY;
    int64_t rev = v->window[w->seq - v->first]->rev;
    for (uint64_t seq = w->seq; seq < v->first + v->n; seq++) {
        struct watch_entry *e = v->window[seq - v->first];
        if (e->rev != rev) {
            break;
        }
        if (rev <= w->base || !watch_in_scope(w, str_make(e->key, e->key_len))) {
            continue;
        }
        enum watch_ready one = ready(w, e, err);
        all = one > all ? one : all;
        if (all == WATCH_READY_FAILED) {
            return all;
        }
    }
    if (all == WATCH_READY_UNASKED) {
        ask(w, w->seq);
        return WATCH_READY_HELD;
    }
    return all;
}
