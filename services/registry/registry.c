/* SPDX-License-Identifier: Apache-2.0 */
/* The server's one type registry, and how many types it holds as a metric. */
#include "resources/registry.h"

#include "base/metrics.h"
#include "services/wire.gen.h"

static void count_types(void *arg, const struct registry_snapshot *s, struct type *changed,
                        bool removed)
{
    (void)changed;
    (void)removed;
    metric_set(arg, (double)s->n_types);
}

int registry_provide(const struct registry_deps *d, struct registry **ret, struct err *err)
{
    (void)err;
    struct registry *r = registry_create();
    struct metric *types = metrics_series(d->metrics, METRIC_GAUGE, "coracle_types",
                                          "Resource types served now.", NULL, 0, NULL, 0);
    registry_listen(r, count_types, types);
    *ret = r;
    return 0;
}

void registry_release(struct registry *self)
{
    registry_destroy(self);
}
