/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of keys for workers: a key that waits is there once; one that is being worked on is not
 * handed out again until it is done; failures come back with exponential back-off. All functions
 * may be called by any thread. */
#ifndef CONTROLLERS_WORKQUEUE_H
#define CONTROLLERS_WORKQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "base/str.h"

struct workqueue;

struct workqueue *workqueue_create(void);
/* Counts in m under the names that client-go's queues have (workqueue_*), labelled with this name. Before its use; m must outlive
 * the queue. NULL: nothing is counted. */
void workqueue_measure(struct workqueue *q, struct metrics *m, const char *name);
void workqueue_destroy(struct workqueue *q); /* after its workers; NULL allowed */

void workqueue_add(struct workqueue *q, struct str key);
/* Adds the key after ms; an earlier time for the same key wins. */
void workqueue_add_after(struct workqueue *q, struct str key, int64_t ms);
/* Adds it after a back-off that doubles with each call for this key: 5 ms, 10 ms, ... 5 minutes. */
void workqueue_add_failed(struct workqueue *q, struct str key);
/* Forgets the key's failures. */
void workqueue_forget(struct workqueue *q, struct str key);

/* Waits for a key and takes it into work. The key is the caller's to free(). NULL: the queue was
 * stopped. */
char *workqueue_get(struct workqueue *q);
/* Ends the work on the key; if it was added meanwhile it is handed out again. */
void workqueue_done(struct workqueue *q, struct str key);

/* Wakes all workers with NULL; nothing is handed out any more. */
void workqueue_stop(struct workqueue *q);
size_t workqueue_depth(struct workqueue *q); /* keys that wait now, delayed ones not counted */

#endif
