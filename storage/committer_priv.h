/* SPDX-License-Identifier: Apache-2.0 */
/* The committer: one thread that takes what was submitted, in order, as batches for an engine to
 * commit, and that runs the engine's housekeeping in between. */
#ifndef STORAGE_COMMITTER_PRIV_H
#define STORAGE_COMMITTER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "storage/store_priv.h"

typedef int committer_call_fn(void *engine, void *arg, struct err *err);

struct committer_item {
    struct committer_item *next;
    const struct store_txn *txn;  /* NULL: a call */
    /* Of a mirror: the transaction was made elsewhere and has this revision; 0: the engine gives it one. */
    int64_t rev;
    int64_t from; /* with rev: what the store's revision must be before; -1: restamps, of what is not newer than rev */
    struct store_outcome outcome; /* for the engine to fill */
    store_done_fn *done;
    void *arg;
    struct committer_call *call;
    uint64_t queued_ns; /* where it is measured */
};

struct committer_ops {
    /* Commits the transactions, publishes their events and fills every outcome. */
    void (*batch)(void *engine, struct committer_item **items, size_t n);
    /* A slice of housekeeping, run when something was committed or is due. Returns the milliseconds
     * until it is due again; 0: at once; -1: not before the next commit. */
    int64_t (*keep)(void *engine);
};

struct committer {
    const struct committer_ops *ops;
    void *engine;
    size_t batch_max;
    struct committer_item **batch; /* the thread's own, batch_max long */
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t work;
    struct committer_item *head, **tail;
    bool waiting, closing, woken;
    _Atomic uint64_t queued;
    /* Set before the first submit; NULL: not measured. */
    struct metric *batches, *waits, *runs, *syncs;
};

/* ERR_UNAVAILABLE when there is no thread to be had. batch_max 0: LIMIT_STORE_BATCH. */
int committer_start(struct committer *c, const struct committer_ops *ops, void *engine,
                    size_t batch_max, struct err *err);
/* Has it count batches, their sizes and times in m (NULL: nothing). Before the first submit. */
void committer_measure(struct committer *c, struct metrics *m);
/* The engine took this long to make a batch durable. On the committer's thread. */
void committer_synced(struct committer *c, uint64_t ns);
/* As store_submit. */
void committer_submit(struct committer *c, const struct store_txn *t, store_done_fn *done,
                      void *arg);
/* The same for what was made elsewhere: see committer_item. The outcome is ERR_CONFLICT where `from` does not hold. */
void committer_apply(struct committer *c, const struct store_txn *t, int64_t from, int64_t rev,
                     store_done_fn *done, void *arg);
/* Runs fn on the committer's thread, after what was submitted before, and waits for it. ERR_CLOSED,
 * or what fn returns. */
int committer_call(struct committer *c, committer_call_fn *fn, void *arg, struct err *err);
/* Has the housekeeping run soon. */
void committer_wake(struct committer *c);
/* Finishes what is queued and ends the thread. committer_wake may still be called. */
void committer_stop(struct committer *c);
/* After committer_stop. */
void committer_finish(struct committer *c);

#endif
