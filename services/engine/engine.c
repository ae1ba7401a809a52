/* SPDX-License-Identifier: Apache-2.0 */
/* The engine over the store and the registry, and its health check. */
#include "resources/engine.h"

#include "base/limits.h"
#include "base/pool.h"
#include "resources/health.h"
#include "resources/index.h"
#include "resources/owners.h"
#include "services/wire.gen.h"

/* Not ready while more operations wait than the pool works off in a while. */
static int check_pool(void *self, struct err *err)
{
    size_t waiting = pool_queued(engine_pool(self));
    if (waiting >= LIMIT_POOL_QUEUE) {
        return err_set(err, ERR_UNAVAILABLE, "%zu operations are waiting", waiting);
    }
    return 0;
}

int engine_provide(const struct engine_deps *d, struct engine **ret, struct err *err)
{
    const struct engine_options o = {
        .store = d->store,
        .registry = d->registry,
        .access = d->access,
        .metrics = d->metrics,
    };
    index_begin(d->store, d->registry);
    int r = owners_define(d->store, err);
    if (r < 0) {
        return r;
    }
    struct engine *e = engine_create(&o);
    const struct health_check hc = {
        .name = "pool", .parts = HEALTH_READY, .check = check_pool, .self = e};
    health_add(d->health, &hc);
    *ret = e;
    return 0;
}

void engine_release(struct engine *self)
{
    engine_destroy(self);
}
