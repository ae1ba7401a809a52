/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of submitted transactions and the thread that commits them. */
#include "storage/committer_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/latch.h"
#include "base/clock.h"
#include "base/limits.h"

struct committer_call {
    committer_call_fn *fn;
    void *arg;
    struct err *err;
    int code;
    struct latch latch;
};

/* Waits for work, at most ms (negative: for ever). With the lock held. */
static void wait_for_work(struct committer *c, int64_t ms)
{
    const struct timespec until = cond_deadline(ms < 0 ? 0 : ms);
    int timed_out = 0;
    c->waiting = true;
    while (!c->head && !c->closing && !c->woken && !timed_out) {
        timed_out = ms < 0 ? pthread_cond_wait(&c->work, &c->lock)
                           : pthread_cond_timedwait(&c->work, &c->lock, &until);
    }
    c->waiting = false;
    c->woken = false;
}

static struct committer_item *pop(struct committer *c)
{
    struct committer_item *it = c->head;
    c->head = it->next;
    if (!c->head) {
        c->tail = &c->head;
    }
    return it;
}

/* Takes transactions up to the next call. With the lock held. */
static size_t pop_batch(struct committer *c)
{
    size_t n = 0;
    while (n < c->batch_max && c->head && c->head->txn) {
        c->batch[n++] = pop(c);
    }
    return n;
}

static void run_call(struct committer *c, struct committer_item *it)
{
    struct committer_call *call = it->call;
    int code = call->fn(c->engine, call->arg, call->err);
    call->code = code;
    latch_open(&call->latch);
}

void committer_measure(struct committer *c, struct metrics *m)
{
    static const double sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    if (!m) {
        return;
    }
    c->batches =
        metrics_series(m, METRIC_HISTOGRAM, "coracle_store_batch_size", "Transactions in a batch.",
                       NULL, 0, sizes, sizeof(sizes) / sizeof(*sizes));
    c->waits = metrics_series(m, METRIC_HISTOGRAM, "coracle_store_wait_seconds",
                              "Time that a transaction waited for its batch to begin.", NULL, 0,
                              NULL, 0);
    c->runs = metrics_series(m, METRIC_HISTOGRAM, "coracle_store_batch_seconds",
                             "Time to apply a batch, make it durable and publish its events.", NULL,
                             0, NULL, 0);
    c->syncs = metrics_series(m, METRIC_HISTOGRAM, "coracle_store_sync_seconds",
                              "Time of it to make the batch durable.", NULL, 0, NULL, 0);
}

void committer_synced(struct committer *c, uint64_t ns)
{
    if (c->syncs) {
        metric_observe(c->syncs, (double)ns / 1e9);
    }
}

static void run_measured(struct committer *c, size_t n)
{
    uint64_t begun = clock_mono_ns();
    for (size_t i = 0; i < n; i++) {
        metric_observe(c->waits, (double)(begun - c->batch[i]->queued_ns) / 1e9);
    }
    metric_observe(c->batches, (double)n);
    c->ops->batch(c->engine, c->batch, n);
    metric_observe(c->runs, (double)(clock_mono_ns() - begun) / 1e9);
}

static void run_batch(struct committer *c, size_t n)
{
    if (c->batches) {
        run_measured(c, n);
    } else {
        c->ops->batch(c->engine, c->batch, n);
    }
    atomic_fetch_sub(&c->queued, n);
    for (size_t i = 0; i < n; i++) {
        c->batch[i]->done(c->batch[i]->arg, &c->batch[i]->outcome);
        free(c->batch[i]);
    }
}

static void *committer_main(void *arg)
{
    struct committer *c = arg;
    int64_t wait = 0;
    for (;;) {
        pthread_mutex_lock(&c->lock);
        if (!c->head && wait != 0) {
            wait_for_work(c, wait);
        }
        bool last = c->closing && !c->head;
        size_t n = pop_batch(c);
        struct committer_item *call = !n && c->head ? pop(c) : NULL;
        pthread_mutex_unlock(&c->lock);
        if (last) {
            return NULL;
        }
        if (n) {
            run_batch(c, n);
        } else if (call) {
            run_call(c, call);
        }
        wait = c->ops->keep(c->engine);
    }
}

void committer_finish(struct committer *c)
{
    free(c->batch);
    pthread_cond_destroy(&c->work);
    pthread_mutex_destroy(&c->lock);
}

int committer_start(struct committer *c, const struct committer_ops *ops, void *engine,
                    size_t batch_max, struct err *err)
{
    *c = (struct committer){
        .ops = ops,
        .engine = engine,
        .batch_max = batch_max ? batch_max : LIMIT_STORE_BATCH,
    };
    c->tail = &c->head;
    c->batch = alloc_zero(c->batch_max * sizeof(struct committer_item *));
    pthread_mutex_init(&c->lock, NULL);
    cond_init_monotonic(&c->work);
    if (pthread_create(&c->thread, NULL, committer_main, c)) {
        committer_finish(c);
        return err_set(err, ERR_UNAVAILABLE, "cannot start the committer's thread");
    }
    pthread_setname_np(c->thread, "committer");
    return 0;
}

/* False: the store is closing and the item was not queued. */
static bool push(struct committer *c, struct committer_item *it)
{
    pthread_mutex_lock(&c->lock);
    bool open = !c->closing, wake = c->waiting;
    if (open) {
        *c->tail = it;
        c->tail = &it->next;
        if (it->txn) {
            atomic_fetch_add(&c->queued, 1);
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (open && wake) {
        pthread_cond_signal(&c->work);
    }
    return open;
}

void committer_submit(struct committer *c, const struct store_txn *t, store_done_fn *done,
                      void *arg)
{
    committer_apply(c, t, 0, 0, done, arg);
}

void committer_apply(struct committer *c, const struct store_txn *t, int64_t from, int64_t rev,
                     store_done_fn *done, void *arg)
{
    struct committer_item *it = ALLOC(struct committer_item);
    it->txn = t;
    it->from = from;
    it->rev = rev;
    it->done = done;
    it->arg = arg;
    it->queued_ns = c->batches ? clock_mono_ns() : 0;
    if (!push(c, it)) {
        free(it);
        done(arg, &(struct store_outcome){.code = ERR_CLOSED, .text = "the store is closing"});
    }
}

int committer_call(struct committer *c, committer_call_fn *fn, void *arg, struct err *err)
{
    struct committer_call call = {.fn = fn, .arg = arg, .err = err};
    struct committer_item it = {.call = &call};
    latch_init(&call.latch);
    if (!push(c, &it)) {
        call.code = err_set(err, ERR_CLOSED, "the store is closing");
        latch_open(&call.latch);
    }
    latch_wait(&call.latch);
    return call.code;
}

void committer_wake(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    c->woken = true;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
}

void committer_stop(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
}
