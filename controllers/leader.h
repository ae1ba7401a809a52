/* SPDX-License-Identifier: Apache-2.0 */
/* Of several servers that could do one job, the one that does it: whoever holds a Lease of
 * coordination.k8s.io, by the rules of client-go's leaderelection and with its figures. A holder
 * renews it every 2 s and stops of itself when it could not for 10 s; the others take it when it
 * was not renewed for 15 s, counted on their own clock from when they saw it change. So two hold
 * it at once only if one's clock runs half as fast again as the other's; what the time of day is,
 * and that it jumps, matters to nobody. */
#ifndef CONTROLLERS_LEADER_H
#define CONTROLLERS_LEADER_H

#include <stdint.h>

#include "resources/client.h"

struct leader;

/* In milliseconds; the lease is written down in whole seconds, of at least one. */
struct leader_times {
    int64_t lease, renew, retry;
};

/* Where it takes the time from; tests have clocks of their own. */
struct leader_clock {
    int64_t (*since_start_ms)(void *arg); /* steady; goes on while the machine sleeps */
    int64_t (*wall_us)(void *arg);
    void *arg;
};

struct leader_options {
    struct client *client; /* may get, create and update the lease; borrowed */
    struct str ns, name;   /* of the lease */
    struct str identity;   /* of this process, unlike any other's and any before it; leader_identity */
    const struct leader_times *times; /* NULL: 15 s, 10 s, 2 s */
    const struct leader_clock *clock; /* NULL: the system's */
    void (*changed)(void *arg);       /* NULL; after the lease was taken or lost, on the leader's thread */
    void *arg;
};

/* The host's name and something random, as client-go's users have it. In the arena. */
struct str leader_identity(struct arena *a);

/* Whether the lease names a holder, who may have gone without giving it back. */
bool leader_exists(struct client *client, struct str ns, struct str name);

/* Nothing runs yet. */
struct leader *leader_create(const struct leader_options *o);
/* Starts its thread, which takes the lease and keeps it. */
void leader_start(struct leader *l);
/* Which time in office this is, counted from 1; 0: it does not hold the lease, or could not renew it in time. Whoever works
 * under it asks before each step that changes something, and stops when the answer is another. Any thread; quick. */
uint64_t leader_term(struct leader *l);
/* Ends the thread, gives the lease back so that another need not wait for its end, and releases
 * everything. By then the work must have stopped. NULL allowed. */
void leader_destroy(struct leader *l);

/* What the thread does over and over: one try to take or renew the lease. Milliseconds until the next one is due. For tests. */
int64_t leader_step(struct leader *l);
/* As leader_destroy, of one that stopped as by kill -9: the lease stays as it is. For tests. */
void leader_abandon(struct leader *l);

#endif
