/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms in the Prometheus text form. Series are made once and kept; updating one is lock-free
 * and takes some nanoseconds. docs/metrics.md lists them all. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct metrics;
struct metric;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
    const char *name;
    struct str value;
};

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m);

/* The series of family `name` with these labels, made on first use (hash look-up under a lock: keep the pointer where the
 * path is hot). Lives as long as m. Families are capped at 2,000 series; further label sets share one whose label values
 * are "other". buckets: upper bounds for a histogram, ascending, NULL: seconds from 0.0001 to 60. */
struct metric *metrics_series(struct metrics *m, enum metric_type type, const char *name, const char *help,
                              const struct metric_label *labels, size_t n_labels, const double *buckets,
                              size_t n_buckets);
/* A series whose value is asked for at each scrape, under a lock of the metrics: read must be quick and must not call
 * metrics_*. A second call for the same labels replaces the first. */
typedef double metric_read_fn(void *arg);
struct metric *metrics_read(struct metrics *m, enum metric_type type, const char *name, const char *help,
                            const struct metric_label *labels, size_t n_labels, metric_read_fn *read, void *arg);
/* Takes a series out, before what it reads goes; nobody may use it any more. NULL allowed. */
void metrics_forget(struct metrics *m, struct metric *s);

void metric_add(struct metric *s, double v);
void metric_set(struct metric *s, double v); /* gauges */
void metric_observe(struct metric *s, double v);
/* Has the calling thread count in cells of its own, as far as there are any: for event loops, each with its index + 1. */
void metrics_use_shard(size_t i);

/* Called on each scrape to append values that are cheaper read than kept; it calls metrics_emit, or metrics_head and then
 * metrics_sample for each series. */
typedef void metrics_collect_fn(void *arg, struct metrics *m, struct buf *out);
void metrics_collector(struct metrics *m, metrics_collect_fn *fn, void *arg);
/* For collectors: a whole family of one value. */
void metrics_emit(struct buf *out, enum metric_type type, const char *name, const char *help,
                  const struct metric_label *labels, size_t n_labels, double v);
void metrics_head(struct buf *out, enum metric_type type, const char *name, const char *help);
void metrics_sample(struct buf *out, const char *name, const struct metric_label *labels, size_t n_labels, double v);

/* Everything, in text format 0.0.4, families sorted by name; collectors' families follow. */
void metrics_write(struct metrics *m, struct buf *out);

#endif
