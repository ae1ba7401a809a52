/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of schema_check. */
#ifndef SCHEMAS_CHECK_PRIV_H
#define SCHEMAS_CHECK_PRIV_H

#include "base/causes.h"
#include "base/json.h"
#include "schemas/schema.h"

/* structural.c: the invariants of structural schemas, sorted as the reference sorts them. */
void check_structural(const yyjson_mut_val *root, const struct path *at, struct causes *c);
/* check_defaults.c: defaults fit the schema they stand in. False: root does not compile. */
bool check_defaults(const yyjson_mut_val *root, const struct path *at, struct causes *c,
                    struct err *err);
/* check_rules.c: the shape of x-kubernetes-validations. */
void check_rules(const yyjson_mut_val *v, const struct path *at, struct causes *c);

static inline yyjson_mut_val *check_get(const yyjson_mut_val *v, const char *key)
{
    yyjson_mut_val *m = json_get(v, key);
    return yyjson_mut_is_null(m) ? NULL : m;
}

static inline bool check_has_text(const yyjson_mut_val *v, const char *key)
{
    return json_get_str(v, key).len > 0;
}

static inline size_t check_count(const yyjson_mut_val *v, const char *key)
{
    yyjson_mut_val *m = json_get(v, key);
    return yyjson_mut_is_ctn(m) ? unsafe_yyjson_get_len(m) : 0;
}

#endif
