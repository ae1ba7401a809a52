/* SPDX-License-Identifier: Apache-2.0 */
/* One thread waits until another has done something once: what turns a function with a callback into one that waits. */
#ifndef BASE_LATCH_H
#define BASE_LATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

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
/* When so many milliseconds (0 or more) from now will be over, for a timed wait on such a condition. */
struct timespec cond_deadline(int64_t ms);

#endif
