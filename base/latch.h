/* SPDX-License-Identifier: Apache-2.0 */
/* One thread waits until another has done something once: what turns a function with a callback into one that waits. */
#ifndef BASE_LATCH_H
#define BASE_LATCH_H

#include <pthread.h>
#include <stdbool.h>

struct latch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};

void latch_init(struct latch *l);
/* Once; what was written before is seen by the thread that waits. The latch may be gone when this returns. */
void latch_open(struct latch *l);
/* Waits until it is open, and ends it. */
void latch_wait(struct latch *l);

/* A condition whose timed waits count the monotonic clock (clock_mono_ns). */
void cond_init_monotonic(pthread_cond_t *cond);

#endif
