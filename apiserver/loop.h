/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server keeps for each event loop: caches of published state, its watchers, its
 * series. Only its loop's thread touches it. */
#ifndef APISERVER_LOOP_H
#define APISERVER_LOOP_H

#include <stdatomic.h>

#include "apiserver/call.h"
#include "resources/watch.h"

struct series_table; /* apiserver/series.h */

/* The watches of a loop; rest_watch.c's own. */
struct rest_watch;
struct loop_watches {
    struct watch_group *group;
    struct rest_watch *first;      /* all */
    struct rest_watch **dirty;     /* with something to do, in order */
    size_t n_dirty, cap_dirty, at; /* at: the next of them */
    size_t n;
    uint64_t last_pass_ns;
    _Atomic uint64_t woken_ns; /* by a commit no pass has been made for; 0: none */
    uint64_t pass_ns;          /* when what the present pass serves was committed */
    int64_t next_end_ms; /* when the first of them ends */
    uint64_t next_pass_ns;     /* no pass before it */
    uint64_t pass_cost_ns;     /* CPU time of the present pass */
    bool pass_due, pass_again, slice_due, stopping;
    struct blob **gathered; /* scratch */
    size_t n_gathered, cap_gathered;
};

/* What a loop says of itself, by its index; all NULL where nothing is counted. */
struct loop_gauges {
    struct metric *stall;    /* how late its tick ran */
    struct metric *dispatch; /* from a commit's wake until all its watches were served */
    struct metric *lag_seconds, *lag_revisions, *lagging;
    uint64_t tick_ns; /* when the tick is due; 0: not yet begun */
    unsigned ticks;
};

struct proxy; /* apiserver/proxy.c */

struct loop_state {
    struct server *server;
    struct http_loop *http;
    struct published_cache types, apis;
    struct proxy *proxies; /* requests handed on to other servers */
    struct loop_watches watches;
    struct series_table *series;
    struct loop_gauges gauges;
    _Atomic int reading, mutating, watching; /* calls in progress */
};

/* On the loop's thread, as is loop_close; calls that are still with the engine keep pointing at the
 * state until loop_destroy. */
struct loop_state *loop_create(struct server *s, struct http_loop *http);
void loop_close(struct loop_state *l);
void loop_destroy(struct loop_state *l);
/* The state of the loop whose thread this is; NULL on other threads. */
struct loop_state *loop_current(void);

/* rest_watch.c */
void loop_watches_init(struct loop_state *l);
void loop_watches_finish(struct loop_state *l);
/* Ends all watches cleanly. */
void loop_watches_stop(struct loop_state *l);
/* How far the watches are behind. */
struct loop_lag {
    size_t lagging;    /* watches with something to read */
    double seconds;    /* the longest that one has had something */
    int64_t revisions; /* the farthest that one is from the present */
};
void loop_watches_lag(const struct loop_state *l, struct loop_lag *ret);

#endif
