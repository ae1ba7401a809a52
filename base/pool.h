/* SPDX-License-Identifier: Apache-2.0 */
/* A small pool of threads for what an event loop may not do itself. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

/* Embedded in what is to be run; not touched by the pool once run was called. */
struct pool_task {
    void (*run)(struct pool_task *t);
    struct pool_task *next;
    uint64_t queued_ns;
};

struct pool *pool_create(size_t threads, const char *name);
/* Finishes what is queued, then stops. NULL allowed. */
void pool_destroy(struct pool *p);
/* Queues the task, first in first out. False when LIMIT_POOL_QUEUE are waiting or the pool is stopping (t was not queued);
 * `must` queues in any case except after pool_destroy began to stop its threads. Any thread. */
bool pool_submit(struct pool *p, struct pool_task *t, bool must);
size_t pool_queued(struct pool *p);
/* Has the pool observe how long tasks wait and run, in seconds. Before the first submit. */
struct metric;
void pool_measure(struct pool *p, struct metric *wait, struct metric *run);

#endif
