/* SPDX-License-Identifier: Apache-2.0 */
/* The type ServiceAccount. */
#include "services/serviceaccounts/serviceaccounts.h"

#include "base/alloc.h"
#include "base/json.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/service.h"
#include "services/wire.gen.h"

struct serviceaccounts {
    struct registry *registry;
};

static void drop_empty(yyjson_mut_val *obj, const char *list)
{
    if (json_get(obj, list) && !json_size(json_get(obj, list))) {
        json_remove(obj, list);
    }
}

/* Of a reference to a secret only the name is kept: the rest would be stale or of another
 * namespace. */
static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)w;
    (void)old;
    (void)err;
    struct json_iter it = json_iter(json_get(obj, "secrets"));
    while (json_next(&it)) {
        yyjson_mut_val *name = json_get(it.val, "name");
        yyjson_mut_val *only = yyjson_mut_obj(d);
        if (name) {
            json_set_str(d, only, "name", json_str(name));
        }
        json_assign(it.val, only);
    }
    drop_empty(obj, "secrets");
    drop_empty(obj, "imagePullSecrets");
    return 0;
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_int(d, (int64_t)json_size(json_get(obj, "secrets")), cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {.prepare = prepare, .row = row};

int serviceaccounts_provide(const struct serviceaccounts_deps *d, struct serviceaccounts **ret,
                            struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy};
    int r = service_publish(d->registry, service_document(d->documents, "serviceaccounts"), &extras,
                            err);
    if (r < 0) {
        return r;
    }
    *ret = ALLOC(struct serviceaccounts);
    (*ret)->registry = d->registry;
    return 0;
}

void serviceaccounts_release(struct serviceaccounts *self)
{
    free(self);
}
