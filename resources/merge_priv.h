/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the merge share. */
#ifndef RESOURCES_MERGE_PRIV_H
#define RESOURCES_MERGE_PRIV_H

#include "resources/merge.h"

/* An object in a version. obj may be NULL: it does not exist. */
struct versioned {
    const yyjson_mut_val *obj;
    struct str version;
    const struct schema_node *schema;
};
/* 1: *ret is it in that version; 0: there is no such version; or an error. */
int versioned_convert(const struct merge *m, const struct versioned *v, struct str version,
                      struct versioned *ret, struct err *err);
/* The schema of m's own version. */
const struct schema_node *merge_schema(const struct merge *m);

/* What owner who applied before and, by its new set that stands in o, applies no longer is taken
 * out of merged, unless others own it. *ret is merged where nothing goes. */
int merge_prune(const struct merge *m, const yyjson_mut_val *merged, const struct ownership *o,
                const struct owner *fresh, const struct owner *last, const yyjson_mut_val **ret,
                struct err *err);

/* One owner's fields that another would take. */
struct conflict {
    const struct owner *owner;
    struct fieldset *fields;
};
/* ERR_CONFLICT in the reference's words. Sorts the conflicts. */
int merge_refuse(struct conflict *all, size_t n, struct err *err);

#endif
