/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes that a newer definition declares over what is stored already are built when the service
 * begins: at most half of the time, so that requests come in between. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "resources/index_build.h"
#include "services/storage_migrations/storage_migrations_priv.h"

enum { PAUSE_MS = 5 };

struct building {
    struct metric *indexes, *objects; /* NULL without metrics */
};

static struct building measure(struct metrics *m)
{
    if (!m) {
        return (struct building){0};
    }
    return (struct building){
        metrics_series(m, METRIC_GAUGE, "coracle_indexes_building",
                       "Indexes of the store that are being built, and not used until then.", NULL,
                       0, NULL, 0),
        metrics_series(m, METRIC_COUNTER, "coracle_index_build_objects_total",
                       "Objects that were looked at for an index that is being built.", NULL, 0,
                       NULL, 0)};
}

/* One building to its end, unless the server stops. */
static int build(struct storage_migrations *s, struct index_build *b, const struct building *m,
                 struct err *err)
{
    uint64_t begun = clock_mono_ns();
    size_t total = 0;
    bool done = false;
    while (!done && !service_stopping(s->stop)) {
        uint64_t step = clock_mono_ns();
        size_t n = 0;
        int rc = index_build_step(b, &n, &done, err);
        if (rc) {
            return rc;
        }
        total += n;
        if (m->objects) {
            metric_add(m->objects, (double)n);
        }
        int ms = (int)((clock_mono_ns() - step) / 1000000) + PAUSE_MS;
        if (!done) {
            service_wait(s->stop, ms);
        }
    }
    if (done) {
        log_info("indexes were built", LOG_I("count", (int64_t)index_build_count(b)),
                 LOG_I("objects", (int64_t)total),
                 LOG_I("ms", (int64_t)((clock_mono_ns() - begun) / 1000000)));
    }
    return 0;
}

bool storage_migrations_build_indexes(struct storage_migrations *s)
{
    const struct building m = measure(s->metrics);
    struct index_build *b = NULL;
    bool good = true;
    while (good && !service_stopping(s->stop) && (b = index_build_begin(s->engine))) {
        AUTO(err_finish) struct err err = {0};
        if (m.indexes) {
            metric_set(m.indexes, (double)index_build_count(b));
        }
        if (build(s, b, &m, &err)) {
            log_warn("indexes could not be built, which is tried again", LOG_ERR(&err));
            good = false;
        }
        index_build_end(b);
    }
    if (good && m.indexes) {
        metric_set(m.indexes, 0);
    }
    return good;
}
