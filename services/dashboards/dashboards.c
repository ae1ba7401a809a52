/* SPDX-License-Identifier: Apache-2.0 */
/* The type Dashboard put together. */
#include "services/dashboards/dashboards.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "resources/index.h"
#include "resources/metadata.h"
#include "services/dashboards/dashboards_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)old;
    int rc = form_settle(d, obj, err);
    rc = rc ? rc : check_dashboard(obj, err);
    if (rc == 0) {
        check_ids(w, obj);
    }
    return rc;
}

/* What it may be made of is check_dashboard's: Grafana's uids have capitals and underscores. */
static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    name_path_segment(name, is_prefix, at, c);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .convert = dashboard_convert,
    .name = check_name,
    .decoded = form_decoded,
    .create_on_update = true,
};

static const struct type_subresource subresources[] = {
    {.name = {"dto", 3},
     .kind = {"DashboardWithAccessInfo", 23},
     .verbs = VERB_BIT(VERB_GET),
     .get = dto_get},
    {.name = {"access", 6},
     .kind = {"DashboardAccess", 15},
     .verbs = VERB_BIT(VERB_GET),
     .get = access_get},
};

static int publish(struct dashboards *self, const struct dashboards_deps *d, struct err *err)
{
    const struct type_extras extras = {
        .strategy = &strategy,
        .self = self,
        .subresources = subresources,
        .n_subresources = sizeof(subresources) / sizeof(*subresources),
    };
    const struct service_document *doc =
        service_document(d->documents, DASHBOARDS_RESOURCE "." DASHBOARDS_GROUP);
    int rc = service_publish(d->registry, doc, &extras, err);
    if (rc) {
        return rc;
    }
    struct registry_snapshot *types = registry_ref(d->registry);
    rc = index_define(d->engine,
                      registry_find(types, STR(DASHBOARDS_GROUP), STR(DASHBOARDS_RESOURCE)), err);
    registry_snapshot_unref(types);
    return rc;
}

int dashboards_provide(const struct dashboards_deps *d, struct dashboards **ret, struct err *err)
{
    struct dashboards *self = ALLOC(struct dashboards);
    self->access = d->access;
    int rc = publish(self, d, err);
    if (rc) {
        free(self);
        return rc;
    }
    *ret = self;
    return 0;
}

void dashboards_release(struct dashboards *self)
{
    free(self);
}
