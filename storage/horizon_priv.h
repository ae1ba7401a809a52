/* SPDX-License-Identifier: Apache-2.0 */
/* How far back an engine's history reaches: the floor, the holds that keep it down, and the samples
 * of time and revision by which it follows the present. */
#ifndef STORAGE_HORIZON_PRIV_H
#define STORAGE_HORIZON_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "storage/store_priv.h"

enum { HORIZON_SAMPLES = 320, HORIZON_NEVER = -1 };

struct horizon_sample {
    int64_t ms, rev;
};

struct horizon {
    pthread_mutex_t lock; /* over holds and every raise of the floor */
    _Atomic int64_t floor;
    struct horizon_hold *holds;
    /* The rest belongs to the committer's thread. */
    int64_t (*now_ms)(void *);
    void *now_arg;
    int64_t window_ms, step_ms; /* step: least distance of two samples */
    struct horizon_sample samples[HORIZON_SAMPLES];
    size_t first, n;
    int64_t noted; /* revision of the newest sample ever taken */
};

void horizon_init(struct horizon *h, const struct store_options *o, int64_t floor);
/* Every hold must have been released. */
void horizon_finish(struct horizon *h);

/* As store_hold; present: the engine's revision. */
int horizon_hold(struct horizon *h, struct store *s, int64_t rev, _Atomic int64_t *present,
                 struct store_hold **ret, int64_t *ret_rev, struct err *err);
void horizon_release(struct horizon *h, struct store_hold *hold);

/* Raises the floor to the least of rev, present and the holds, where that is higher; returns the
 * floor. */
int64_t horizon_raise(struct horizon *h, int64_t rev, int64_t present);
/* Notes that `present` is the revision now, and raises the floor as the window says. *ret_wait:
 * milliseconds until this is due again, HORIZON_NEVER: not before the revision changes. Returns the
 * floor. */
int64_t horizon_tick(struct horizon *h, int64_t present, int64_t *ret_wait);

/* Whether a read at revision `at` (not 0) is possible when `present` is the newest: 0, ERR_EXPIRED,
 * ERR_TIMEOUT. */
int horizon_check(struct horizon *h, int64_t at, int64_t present, struct err *err);

static inline int64_t horizon_floor(struct horizon *h)
{
    return atomic_load(&h->floor);
}

#endif
