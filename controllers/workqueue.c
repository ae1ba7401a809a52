/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of keys for workers. One entry a key holds its state (waiting, in work, failures, due
 * time); the waiting ones form a list, the delayed ones a binary heap by due time. An entry that
 * has no state left is dropped. */
#include "controllers/workqueue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/latch.h"

#define uthash_fatal(msg) abort()
#include <uthash.h>

#define BACKOFF_FIRST_MS 5
#define BACKOFF_MOST_MS (5 * 60 * 1000)

struct entry {
    UT_hash_handle hh;
    struct entry *next; /* in the list of waiting ones */
    int64_t due;        /* monotonic ms, while in the heap */
    size_t heap_at;     /* index in the heap, from 1; 0: not in it */
    unsigned failures;
    uint64_t since_ns; /* measured queues: when it came to wait */
    uint64_t begun_ns; /* and when the work on it began */
    struct entry *work_prev, *work_next;
    bool dirty; /* to be worked on */
    bool working;
    size_t len;
    char key[];
};

struct workqueue {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct entry *entries;
    struct entry *first, **last;
    struct entry **heap; /* from 1 */
    size_t n_heap, cap_heap, depth;
    bool stopped;
    struct entry *working, *working_last; /* the longest first */
    struct {
        struct metrics *metrics; /* NULL: not measured */
        struct metric *adds, *retries, *queue_time, *work_time;
        struct metric *depth, *unfinished, *longest;
    } measured;
};

/* ---- metrics ---- */

static double read_depth(void *arg)
{
    return (double)workqueue_depth(arg);
}

static double read_unfinished(void *arg)
{
    struct workqueue *q = arg;
    double sum = 0;
    pthread_mutex_lock(&q->lock);
    uint64_t now = clock_mono_ns();
    for (const struct entry *e = q->working; e; e = e->work_next) {
        sum += (double)(now - e->begun_ns) / 1e9;
    }
    pthread_mutex_unlock(&q->lock);
    return sum;
}

static double read_longest(void *arg)
{
    struct workqueue *q = arg;
    pthread_mutex_lock(&q->lock);
    double v = q->working ? (double)(clock_mono_ns() - q->working->begun_ns) / 1e9 : 0;
    pthread_mutex_unlock(&q->lock);
    return v;
}

void workqueue_measure(struct workqueue *q, struct metrics *m, const char *name)
{
    static const double buckets[] = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10};
    const size_t n = sizeof(buckets) / sizeof(*buckets);
    const struct metric_label l = {"name", str_from(name)};
    if (!m) {
        return;
    }
    q->measured.metrics = m;
    q->measured.adds = metrics_series(m, METRIC_COUNTER, "workqueue_adds_total",
                                      "Total number of adds handled by workqueue", &l, 1, NULL, 0);
    q->measured.retries =
        metrics_series(m, METRIC_COUNTER, "workqueue_retries_total",
                       "Total number of retries handled by workqueue", &l, 1, NULL, 0);
    q->measured.queue_time =
        metrics_series(m, METRIC_HISTOGRAM, "workqueue_queue_duration_seconds",
                       "How long in seconds an item stays in workqueue before being requested.", &l,
                       1, buckets, n);
    q->measured.work_time = metrics_series(
        m, METRIC_HISTOGRAM, "workqueue_work_duration_seconds",
        "How long in seconds processing an item from workqueue takes.", &l, 1, buckets, n);
    q->measured.depth = metrics_read(m, METRIC_GAUGE, "workqueue_depth",
                                     "Current depth of workqueue", &l, 1, read_depth, q);
    q->measured.unfinished = metrics_read(
        m, METRIC_GAUGE, "workqueue_unfinished_work_seconds",
        "How many seconds of work is in progress and hasn't been observed by work_duration. Large "
        "values indicate stuck threads.",
        &l, 1, read_unfinished, q);
    q->measured.longest = metrics_read(
        m, METRIC_GAUGE, "workqueue_longest_running_processor_seconds",
        "How many seconds has the longest running processor for workqueue been running.", &l, 1,
        read_longest, q);
}

static void count(struct metric *m)
{
    if (m) {
        metric_add(m, 1);
    }
}

static uint64_t measured_now(const struct workqueue *q)
{
    return q->measured.metrics ? clock_mono_ns() : 0;
}

static void begin_work(struct workqueue *q, struct entry *e)
{
    e->working = true;
    if (q->measured.metrics) {
        e->begun_ns = clock_mono_ns();
        metric_observe(q->measured.queue_time, (double)(e->begun_ns - e->since_ns) / 1e9);
    }
    e->work_next = NULL;
    e->work_prev = q->working_last;
    *(q->working_last ? &q->working_last->work_next : &q->working) = e;
    q->working_last = e;
}

static void end_work(struct workqueue *q, struct entry *e)
{
    e->working = false;
    *(e->work_prev ? &e->work_prev->work_next : &q->working) = e->work_next;
    *(e->work_next ? &e->work_next->work_prev : &q->working_last) = e->work_prev;
    if (q->measured.metrics) {
        metric_observe(q->measured.work_time, (double)(clock_mono_ns() - e->begun_ns) / 1e9);
    }
}

/* ---- life ---- */

struct workqueue *workqueue_create(void)
{
    struct workqueue *q = ALLOC(struct workqueue);
    cond_init_monotonic(&q->ready);
    pthread_mutex_init(&q->lock, NULL);
    q->last = &q->first;
    return q;
}

void workqueue_destroy(struct workqueue *q)
{
    struct entry *e, *next;
    if (!q) {
        return;
    }
    if (q->measured.metrics) {
        metrics_forget(q->measured.metrics, q->measured.depth);
        metrics_forget(q->measured.metrics, q->measured.unfinished);
        metrics_forget(q->measured.metrics, q->measured.longest);
    }
    HASH_ITER(hh, q->entries, e, next)
    {
        HASH_DEL(q->entries, e);
        free(e);
    }
    free(q->heap);
    pthread_cond_destroy(&q->ready);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static struct entry *find(struct workqueue *q, struct str key)
{
    struct entry *e = NULL;
    HASH_FIND(hh, q->entries, key.ptr, key.len, e);
    return e;
}

static struct entry *find_or_add(struct workqueue *q, struct str key)
{
    struct entry *e = find(q, key);
    if (!e) {
        e = alloc_zero(sizeof(*e) + key.len + 1);
        memcpy(e->key, key.ptr, key.len);
        e->len = key.len;
        HASH_ADD_KEYPTR(hh, q->entries, e->key, e->len, e);
    }
    return e;
}

static void drop_if_idle(struct workqueue *q, struct entry *e)
{
    if (!e->dirty && !e->working && !e->heap_at && !e->failures) {
        HASH_DEL(q->entries, e);
        free(e);
    }
}

static void heap_set(struct workqueue *q, size_t at, struct entry *e)
{
    q->heap[at] = e;
    e->heap_at = at;
}

static void heap_up(struct workqueue *q, struct entry *e)
{
    size_t at = e->heap_at;
    for (; at > 1 && q->heap[at / 2]->due > e->due; at /= 2) {
        heap_set(q, at, q->heap[at / 2]);
    }
    heap_set(q, at, e);
}

static void heap_down(struct workqueue *q, struct entry *e)
{
    size_t at = e->heap_at;
    for (;;) {
        size_t child = at * 2;
        if (child < q->n_heap && q->heap[child + 1]->due < q->heap[child]->due) {
            child++;
        }
        if (child > q->n_heap || q->heap[child]->due >= e->due) {
            break;
        }
        heap_set(q, at, q->heap[child]);
        at = child;
    }
    heap_set(q, at, e);
}

static void heap_add(struct workqueue *q, struct entry *e)
{
    if (q->n_heap + 2 > q->cap_heap) {
        q->cap_heap = q->cap_heap ? q->cap_heap * 2 : 16;
        q->heap = alloc_resize(q->heap, q->cap_heap * sizeof(struct entry *));
    }
    e->heap_at = ++q->n_heap;
    heap_up(q, e);
}

static void heap_remove(struct workqueue *q, struct entry *e)
{
    struct entry *moved = q->heap[q->n_heap--];
    if (moved != e) {
        heap_set(q, e->heap_at, moved);
        heap_up(q, moved);
        heap_down(q, moved);
    }
    e->heap_at = 0;
}

static void push(struct workqueue *q, struct entry *e)
{
    e->next = NULL;
    *q->last = e;
    q->last = &e->next;
    q->depth++;
    pthread_cond_signal(&q->ready);
}

static void make_dirty(struct workqueue *q, struct entry *e)
{
    if (e->heap_at) {
        heap_remove(q, e);
    }
    if (!e->dirty) {
        e->dirty = true;
        e->since_ns = measured_now(q);
        count(q->measured.adds);
        if (!e->working) {
            push(q, e);
        }
    }
}

void workqueue_add(struct workqueue *q, struct str key)
{
    pthread_mutex_lock(&q->lock);
    if (!q->stopped) {
        make_dirty(q, find_or_add(q, key));
    }
    pthread_mutex_unlock(&q->lock);
}

static void delay(struct workqueue *q, struct entry *e, int64_t ms)
{
    int64_t due = clock_mono_ms() + ms;
    if (e->dirty || (e->heap_at && e->due <= due)) {
        return; /* it comes sooner anyway */
    }
    if (e->heap_at) {
        heap_remove(q, e);
    }
    e->due = due;
    heap_add(q, e);
    pthread_cond_broadcast(&q->ready);
}

void workqueue_add_after(struct workqueue *q, struct str key, int64_t ms)
{
    if (ms <= 0) {
        workqueue_add(q, key);
        return;
    }
    pthread_mutex_lock(&q->lock);
    if (!q->stopped) {
        count(q->measured.retries);
        delay(q, find_or_add(q, key), ms);
    }
    pthread_mutex_unlock(&q->lock);
}

void workqueue_add_failed(struct workqueue *q, struct str key)
{
    pthread_mutex_lock(&q->lock);
    if (!q->stopped) {
        struct entry *e = find_or_add(q, key);
        int64_t ms = BACKOFF_FIRST_MS;
        for (unsigned i = 0; i < e->failures && ms < BACKOFF_MOST_MS; i++) {
            ms *= 2;
        }
        e->failures++;
        count(q->measured.retries);
        delay(q, e, ms < BACKOFF_MOST_MS ? ms : BACKOFF_MOST_MS);
    }
    pthread_mutex_unlock(&q->lock);
}

void workqueue_forget(struct workqueue *q, struct str key)
{
    pthread_mutex_lock(&q->lock);
    struct entry *e = find(q, key);
    if (e) {
        e->failures = 0;
        drop_if_idle(q, e);
    }
    pthread_mutex_unlock(&q->lock);
}

/* Moves what is due into the list; gives the time until the next is, or -1. */
static int64_t promote(struct workqueue *q)
{
    int64_t now = clock_mono_ms();
    while (q->n_heap && q->heap[1]->due <= now) {
        make_dirty(q, q->heap[1]);
    }
    return q->n_heap ? q->heap[1]->due - now : -1;
}

static void wait(struct workqueue *q, int64_t ms)
{
    if (ms < 0) {
        pthread_cond_wait(&q->ready, &q->lock);
        return;
    }
    const struct timespec t = cond_deadline(ms);
    pthread_cond_timedwait(&q->ready, &q->lock, &t);
}

char *workqueue_get(struct workqueue *q)
{
    char *key = NULL;
    pthread_mutex_lock(&q->lock);
    while (!q->stopped) {
        int64_t ms = promote(q);
        struct entry *e = q->first;
        if (e) {
            q->first = e->next;
            q->last = q->first ? q->last : &q->first;
            q->depth--;
            e->dirty = false;
            begin_work(q, e);
            key = alloc_str(str_make(e->key, e->len));
            break;
        }
        wait(q, ms);
    }
    pthread_mutex_unlock(&q->lock);
    return key;
}

void workqueue_done(struct workqueue *q, struct str key)
{
    pthread_mutex_lock(&q->lock);
    struct entry *e = find(q, key);
    if (e && e->working) {
        end_work(q, e);
        if (e->dirty) {
            push(q, e);
        } else {
            drop_if_idle(q, e);
        }
    }
    pthread_mutex_unlock(&q->lock);
}

void workqueue_stop(struct workqueue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopped = true;
    pthread_cond_broadcast(&q->ready);
    pthread_mutex_unlock(&q->lock);
}

size_t workqueue_depth(struct workqueue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->depth;
    pthread_mutex_unlock(&q->lock);
    return n;
}
