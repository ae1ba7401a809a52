/* SPDX-License-Identifier: Apache-2.0 */
/* The state of an event loop. */
#include "apiserver/loop.h"

#include <stdio.h>
#include <stdlib.h>

#include "apiserver/series.h"
#include "base/alloc.h"
#include "base/clock.h"

enum { TICK_MS = 200, LAG_TICKS = 10 };

static const double stall_buckets[] = {0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05,
                                       0.1,   0.2,   0.5,   1,     2.5,  5,    10};

/* Set once by each loop's thread, so that what finishes on it is answered without a message. */
static _Thread_local struct loop_state *current;

/* ---- what it says of itself ---- */

static struct metric *series(struct loop_state *l, enum metric_type type, const char *name,
                             const char *help, const double *buckets, size_t n)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%zu", http_loop_index(l->http));
    const struct metric_label label = {"loop", str_make(text, (size_t)len)};
    return metrics_series(server_metrics(l->server), type, name, help, &label, 1, buckets, n);
}

static void report_lag(struct loop_state *l)
{
    struct loop_lag lag;
    loop_watches_lag(l, &lag);
    metric_set(l->gauges.lagging, (double)lag.lagging);
    metric_set(l->gauges.lag_seconds, lag.seconds);
    metric_set(l->gauges.lag_revisions, (double)lag.revisions);
}

/* Timers run when the loop gets to them: how late this one is, so late is any request that came in
 * at that time. */
static void tick(void *arg)
{
    struct loop_state *l = arg;
    struct loop_gauges *g = &l->gauges;
    uint64_t now = clock_mono_ns();
    if (g->tick_ns) {
        metric_observe(g->stall, now > g->tick_ns ? (double)(now - g->tick_ns) / 1e9 : 0);
    }
    g->tick_ns = now + TICK_MS * UINT64_C(1000000);
    if (g->ticks++ % LAG_TICKS == 0) {
        report_lag(l);
    }
}

static void measure(struct loop_state *l)
{
    struct loop_gauges *g = &l->gauges;
    metrics_use_shard(http_loop_index(l->http) + 1);
    if (!server_metrics(l->server)) {
        return;
    }
    g->stall = series(l, METRIC_HISTOGRAM, "coracle_loop_stall_seconds",
                      "How late an event loop came to run what was due; up to 1 ms is the timer's.",
                      stall_buckets, sizeof(stall_buckets) / sizeof(*stall_buckets));
    g->dispatch =
        series(l, METRIC_HISTOGRAM, "coracle_watch_dispatch_seconds",
               "From a commit until the loop had gone over all watches it concerns.", NULL, 0);
    g->lagging = series(l, METRIC_GAUGE, "coracle_watch_lagging",
                        "Watches that have something still to be sent.", NULL, 0);
    g->lag_seconds =
        series(l, METRIC_GAUGE, "coracle_watch_lag_seconds",
               "The longest that a watch has had something still to be sent.", NULL, 0);
    g->lag_revisions =
        series(l, METRIC_GAUGE, "coracle_watch_lag_revisions",
               "The most revisions that a lagging watch is behind the present.", NULL, 0);
    http_loop_every(l->http, TICK_MS, tick, l);
}

/* ---- life ---- */

struct loop_state *loop_create(struct server *s, struct http_loop *http)
{
    struct loop_state *l = ALLOC(struct loop_state);
    l->server = s;
    l->http = http;
    http_loop_set_user(http, l);
    current = l;
    l->series = series_table_create();
    loop_watches_init(l);
    measure(l);
    return l;
}

void loop_close(struct loop_state *l)
{
    loop_watches_finish(l);
    registry_cache_finish(engine_registry(server_engine(l->server)), &l->types);
    aggregation_cache_finish(server_aggregation(l->server), &l->apis);
    current = NULL;
}

void loop_destroy(struct loop_state *l)
{
    if (l) {
        series_table_destroy(l->series);
        free(l);
    }
}

struct loop_state *loop_current(void)
{
    return current;
}
