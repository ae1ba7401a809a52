/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable state that is swapped whole: one writer at a time, any number of readers. A reader keeps a reference of its own
 * in a cache and refreshes it only when the generation moved, so the common read takes no lock and touches no counter. */
#ifndef BASE_PUBLISHED_H
#define BASE_PUBLISHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct published {
    pthread_mutex_t lock;
    _Atomic uint64_t generation; /* 0: nothing was published yet */
    void *current;
    void *(*ref)(void *);
    void (*unref)(void *);
};

/* A reader's reference; one a thread (or one a loop). All zero is empty. */
struct published_cache {
    uint64_t generation;
    void *held;
};

/* ref and unref take and give back a reference to a published object. */
void published_init(struct published *p, void *(*ref)(void *), void (*unref)(void *));
void published_finish(struct published *p);
/* Publishes obj, whose reference it takes over; gives back the reference to the former. */
void published_set(struct published *p, void *obj);
/* A new reference to what is published now (NULL before the first set). */
void *published_ref(struct published *p);
/* What is published now, borrowed until the next call with the same cache. */
void *published_get(struct published *p, struct published_cache *c);
void published_cache_finish(struct published *p, struct published_cache *c);

#endif
