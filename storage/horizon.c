/* SPDX-License-Identifier: Apache-2.0 */
/* The floor beneath which history is gone. */
#include "storage/horizon_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"

/* A clock that is given may leap, so it is looked at this often while something is due. */
enum { TEST_POLL_MS = 5 };

struct horizon_hold {
    struct store_hold base;
    struct horizon_hold *prev, *next;
    int64_t rev;
};

static int64_t mono_ms(void *arg)
{
    (void)arg;
    return clock_mono_ms();
}

void horizon_init(struct horizon *h, const struct store_options *o, int64_t floor)
{
    *h = (struct horizon){
        .now_ms = o->now_ms ? o->now_ms : mono_ms,
        .now_arg = o->now_arg,
        .window_ms = o->window_ms ? o->window_ms : LIMIT_WATCH_WINDOW_MS,
        .noted = -1,
    };
    /* A window's worth of samples, and some, must fit. */
    h->step_ms = h->window_ms / (HORIZON_SAMPLES - 20);
    h->step_ms = h->step_ms > 0 ? h->step_ms : 1;
    atomic_init(&h->floor, floor);
    pthread_mutex_init(&h->lock, NULL);
}

void horizon_finish(struct horizon *h)
{
    assert(!h->holds);
    pthread_mutex_destroy(&h->lock);
}

static int check_floor(struct horizon *h, int64_t at, struct err *err)
{
    int64_t floor = horizon_floor(h);
    if (at < floor) {
        return err_set(err, ERR_EXPIRED,
                       "revision %" PRId64 " has been compacted; the oldest one kept is %" PRId64,
                       at, floor);
    }
    return 0;
}

int horizon_check(struct horizon *h, int64_t at, int64_t present, struct err *err)
{
    if (at > present) {
        return err_set(err, ERR_TIMEOUT,
                       "revision %" PRId64 " is ahead of the store, which is at %" PRId64, at,
                       present);
    }
    return check_floor(h, at, err);
}

int horizon_hold(struct horizon *h, struct store *s, int64_t rev, _Atomic int64_t *present,
                 struct store_hold **ret, int64_t *ret_rev, struct err *err)
{
    struct horizon_hold *n = ALLOC(struct horizon_hold);
    n->base.store = s;
    pthread_mutex_lock(&h->lock);
    int64_t floor = horizon_floor(h), now = atomic_load(present);
    /* The floor may have passed a revision that is about to be published. */
    n->rev = rev ? rev : now > floor ? now : floor;
    int code = check_floor(h, n->rev, err);
    if (!code) {
        n->next = h->holds;
        if (n->next) {
            n->next->prev = n;
        }
        h->holds = n;
    }
    pthread_mutex_unlock(&h->lock);
    if (code) {
        free(n);
        return code;
    }
    *ret = &n->base;
    if (ret_rev) {
        *ret_rev = n->rev;
    }
    return 0;
}

void horizon_release(struct horizon *h, struct store_hold *hold)
{
    struct horizon_hold *n = (struct horizon_hold *)hold;
    pthread_mutex_lock(&h->lock);
    if (n->prev) {
        n->prev->next = n->next;
    } else {
        h->holds = n->next;
    }
    if (n->next) {
        n->next->prev = n->prev;
    }
    pthread_mutex_unlock(&h->lock);
    free(n);
}

int64_t horizon_raise(struct horizon *h, int64_t rev, int64_t present)
{
    rev = rev < present ? rev : present;
    pthread_mutex_lock(&h->lock);
    for (struct horizon_hold *n = h->holds; n; n = n->next) {
        rev = rev < n->rev ? rev : n->rev;
    }
    int64_t floor = atomic_load(&h->floor);
    if (rev > floor) {
        floor = rev;
        atomic_store(&h->floor, floor);
    }
    pthread_mutex_unlock(&h->lock);
    return floor;
}

static struct horizon_sample *sample(struct horizon *h, size_t i)
{
    return &h->samples[(h->first + i) % HORIZON_SAMPLES];
}

/* Takes a sample when the revision moved and the last one is old enough. False: it is too early for
 * one that is due. */
static bool note(struct horizon *h, int64_t now, int64_t present)
{
    if (present == h->noted) {
        return true;
    }
    if (h->n && (now - sample(h, h->n - 1)->ms < h->step_ms || h->n == HORIZON_SAMPLES)) {
        return false;
    }
    *sample(h, h->n++) = (struct horizon_sample){now, present};
    h->noted = present;
    return true;
}

int64_t horizon_tick(struct horizon *h, int64_t present, int64_t *ret_wait)
{
    *ret_wait = HORIZON_NEVER;
    if (h->window_ms < 0) {
        return horizon_floor(h);
    }
    int64_t now = h->now_ms(h->now_arg), due = -1;
    bool noted = note(h, now, present);
    while (h->n && now - sample(h, 0)->ms >= h->window_ms) {
        due = sample(h, 0)->rev;
        h->first = (h->first + 1) % HORIZON_SAMPLES;
        h->n--;
    }
    if (!noted && !h->n) {
        noted = note(h, now, present);
    }
    if (!noted) {
        *ret_wait = h->step_ms;
    } else if (h->n) {
        *ret_wait = sample(h, 0)->ms + h->window_ms - now;
    }
    int64_t floor = due < 0 ? horizon_floor(h) : horizon_raise(h, due, present);
    if (floor < due && !h->n) {
        /* A hold stands in the way: look again, as if the sample had been taken a step later. */
        *sample(h, h->n++) = (struct horizon_sample){now - h->window_ms + h->step_ms, due};
        *ret_wait = h->step_ms;
    }
    if (h->now_ms != mono_ms && *ret_wait > TEST_POLL_MS) {
        *ret_wait = TEST_POLL_MS;
    }
    return floor;
}
