/* SPDX-License-Identifier: Apache-2.0 */
/* The type Lease. Rules: ValidateLeaseSpec of the reference. */
#include "services/leases/leases.h"

#include "base/alloc.h"
#include "base/json.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/service.h"
#include "services/wire.gen.h"

struct leases {
    struct registry *registry;
};

#define SPEC(name) PATH_FIELD(PATH_FIELD(NULL, STR("spec")), STR(name))

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)w;
    (void)old;
    (void)err;
    json_ensure_obj(d, obj, "spec");
    return 0;
}

static void check_strategy(const yyjson_mut_val *spec, struct causes *c)
{
    static const struct str supported[] = {{"OldestEmulationVersion", 22}};
    yyjson_mut_val *strategy = json_get(spec, "strategy");
    struct str s = json_str(strategy);
    const struct path *at =
        PATH_FIELD(SPEC("strategy"), STR("strategy")); /* twice, as the reference has it */
    if (!strategy) {
        return;
    }
    if (s.len && memchr(s.ptr, '/', s.len)) {
        struct name_faults faults = {0};
        name_faults_qualified(s, &faults);
        name_faults_add(&faults, s, at, c);
    } else if (!str_eq(s, supported[0])) {
        causes_add_unsupported(c, at, strategy, supported, 1);
    }
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    yyjson_mut_val *seconds = json_get(spec, "leaseDurationSeconds"),
                   *moves = json_get(spec, "leaseTransitions");
    (void)self;
    (void)w;
    (void)old;
    if (seconds && json_get_int(spec, "leaseDurationSeconds", 0) <= 0) {
        causes_add(c, CAUSE_INVALID, SPEC("leaseDurationSeconds"), seconds,
                   "must be greater than 0");
    }
    if (moves && json_get_int(spec, "leaseTransitions", -1) < 0) {
        causes_add(c, CAUSE_INVALID, SPEC("leaseTransitions"), moves,
                   "must be greater than or equal to 0");
    }
    check_strategy(spec, c);
    if (json_get_str(spec, "preferredHolder").len && !json_get_str(spec, "strategy").len) {
        causes_add(c, CAUSE_FORBIDDEN, SPEC("preferredHolder"), NULL,
                   "may only be specified if `strategy` is defined");
    }
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_str(d, json_get_str(json_get(obj, "spec"), "holderIdentity"), cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .validate = validate,
    .row = row,
    .blank = "{\"spec\":{}}",
    .create_on_update = true,
};

int leases_provide(const struct leases_deps *d, struct leases **ret, struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy};
    int r = service_publish(
        d->registry, service_document(d->documents, "leases.coordination.k8s.io"), &extras, err);
    if (r < 0) {
        return r;
    }
    *ret = ALLOC(struct leases);
    (*ret)->registry = d->registry;
    return 0;
}

void leases_release(struct leases *self)
{
    free(self);
}
