/* SPDX-License-Identifier: Apache-2.0 */
/* The type ConfigMap: its keys, its size, and what immutable means. Rules: ValidateConfigMap of the
 * reference. */
#include "services/configmaps/configmaps.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/service.h"
#include "services/wire.gen.h"

struct configmaps {
    struct registry *registry;
};

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)w;
    (void)d;
    (void)old;
    (void)err;
    configmaps_drop_empty(obj, "data");
    configmaps_drop_empty(obj, "binaryData");
    return 0;
}

/* Adds causes for the keys of data and returns how many bytes it holds. */
static size_t check_data(const yyjson_mut_val *data, const yyjson_mut_val *binary, struct causes *c)
{
    size_t total = 0;
    struct json_iter it = json_iter(data);
    while (json_next(&it)) {
        struct str key = json_str(it.key);
        configmaps_check_key(key, "data", c);
        if (json_getn(binary, key)) {
            causes_add(c, CAUSE_INVALID, PATH_KEY(PATH_FIELD(NULL, STR("data")), key), it.key,
                       "duplicate of key present in binaryData");
        }
        total += json_str(it.val).len;
    }
    return total;
}

static size_t check_binary(const yyjson_mut_val *binary, struct causes *c)
{
    size_t total = 0;
    struct json_iter it = json_iter(binary);
    while (json_next(&it)) {
        configmaps_check_key(json_str(it.key), "binaryData", c);
        total += configmaps_decoded_size(json_str(it.val));
    }
    return total;
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    const yyjson_mut_val *data = json_get(obj, "data"), *binary = json_get(obj, "binaryData");
    (void)self;
    (void)w;
    if (old && configmaps_check_immutable(obj, old, c)) {
        configmaps_check_same(obj, old, "data", c);
        configmaps_check_same(obj, old, "binaryData", c);
    }
    size_t total = check_data(data, binary, c) + check_binary(binary, c);
    if (total > LIMIT_CONFIGMAP_BYTES) {
        causes_add(c, CAUSE_TOO_LONG, PATH_FIELD(NULL, STR("")), NULL,
                   "may not be more than %u bytes", LIMIT_CONFIGMAP_BYTES);
    }
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_int(d, (int64_t)(json_size(json_get(obj, "data")) + json_size(json_get(obj, "binaryData"))),
            cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {.prepare = prepare, .validate = validate, .row = row};

int configmaps_provide(const struct configmaps_deps *d, struct configmaps **ret, struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy};
    int r =
        service_publish(d->registry, service_document(d->documents, "configmaps"), &extras, err);
    if (r < 0) {
        return r;
    }
    *ret = ALLOC(struct configmaps);
    (*ret)->registry = d->registry;
    return 0;
}

void configmaps_release(struct configmaps *self)
{
    free(self);
}
