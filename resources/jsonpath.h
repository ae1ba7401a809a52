/* SPDX-License-Identifier: Apache-2.0 */
/* The simple JSONPath of printer columns, scale and selectable fields, in kubectl's dialect. */
#ifndef RESOURCES_JSONPATH_H
#define RESOURCES_JSONPATH_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"

struct jsonpath;

/* Parses .spec.a, .spec["a.b"], .spec.list[0], [*], [?(@.type=="Ready")].status, ranges and unions as kubectl's, without the braces.
 * The result lives in the arena. ERR_BAD_REQUEST. */
int jsonpath_parse(struct arena *a, struct str text, struct jsonpath **ret, struct err *err);
/* Calls visit for each value found, in order; visit answers whether to go on. Missing things are skipped. */
typedef bool jsonpath_visit_fn(void *arg, const yyjson_mut_val *v);
void jsonpath_find(const struct jsonpath *p, const yyjson_mut_val *root, jsonpath_visit_fn *visit, void *arg);
/* The first value found, or NULL. */
yyjson_mut_val *jsonpath_first(const struct jsonpath *p, const yyjson_mut_val *root);
/* Whether the path is fields only (.a.b["c"]): what scale and selectable fields require. */
bool jsonpath_is_simple(const struct jsonpath *p);
/* Whether both are fields only, and the same ones; either may be NULL. */
bool jsonpath_is_same(const struct jsonpath *p, const struct jsonpath *q);
/* Whether the path is fields only and begins with these two. */
bool jsonpath_is_below(const struct jsonpath *p, const char *first, const char *second);

#endif
