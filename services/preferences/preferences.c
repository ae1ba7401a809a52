/* SPDX-License-Identifier: Apache-2.0 */
/* The type Preferences. */
#include "services/preferences/preferences.h"

#include "base/alloc.h"
#include "base/json.h"
#include "resources/write.h"
#include "services/personal/personal.h"
#include "services/preferences/preferences_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

struct preferences {
    struct registry *registry;
};

static const struct personal_rule rule = {
    .group = {"preferences.grafana.app", 23},
    .resource = {"preferences", 11},
    .owners = PERSONAL_USER | PERSONAL_TEAM | PERSONAL_NAMESPACE,
    .computed = {"merged", 6},
};

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)d;
    return old ? 0 : personal_check_create(&rule, write_op(w), metadata_name(obj), err);
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    (void)self;
    (void)w;
    (void)old;
    preferences_check(json_get(obj, "spec"), c);
}

static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    personal_check_name(&rule, name, is_prefix, at, c);
}

static void narrow(void *self, struct op *op)
{
    (void)self;
    personal_narrow(&rule, op);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .validate = validate,
    .name = check_name,
    .narrow = narrow,
    .create_on_update = true,
};

static const struct type_query queries[] = {
    {.name = {"merged", 6}, .get = preferences_merged},
};

int preferences_provide(const struct preferences_deps *d, struct preferences **ret, struct err *err)
{
    const struct type_extras extras = {
        .strategy = &strategy,
        .queries = queries,
        .n_queries = sizeof(queries) / sizeof(*queries),
    };
    int r = service_publish(d->registry,
                            service_document(d->documents, "preferences.preferences.grafana.app"),
                            &extras, err);
    if (r < 0) {
        return r;
    }
    personal_add(d->personal, &rule);
    *ret = ALLOC(struct preferences);
    (*ret)->registry = d->registry;
    return 0;
}

void preferences_release(struct preferences *self)
{
    free(self);
}
