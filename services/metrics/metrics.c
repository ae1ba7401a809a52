/* SPDX-License-Identifier: Apache-2.0 */
/* The server's one set of metrics. */
#include "base/metrics.h"

#include "services/wire.gen.h"

int metrics_provide(const struct metrics_deps *d, struct metrics **ret, struct err *err)
{
    (void)d;
    (void)err;
    *ret = metrics_create();
    return 0;
}

void metrics_release(struct metrics *self)
{
    metrics_destroy(self);
}
