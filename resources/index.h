/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes over the objects of a type, which a shipped definition declares (spec.coracle.indexes):
 * the store keeps a term beside each object, its namespace and the value at the index's path, so
 * that what has one value is found without looking at the rest. */
#ifndef RESOURCES_INDEX_H
#define RESOURCES_INDEX_H

#include "resources/engine.h"

/* The object's value in the index: a string, or "" where there is none. Points into obj. */
struct str index_value(const struct type_index *i, const yyjson_mut_val *obj);
/* The term of a value in a namespace; in the arena. */
struct str index_term(struct str ns, struct str value, struct arena *a);
/* All the terms that an object of the type carries in the store, those of ownership
 * (resources/owners.h) too. In the arena. */
size_t index_terms(const struct type *t, const yyjson_mut_val *obj, struct arena *a,
                   struct store_term **ret);

/* The same of what is stored at the key, by the types in r. Terms may point into the arena and
 * value. */
size_t index_stored_terms(struct registry *r, struct str key, struct str value, struct arena *a,
                          struct store_term **ret);

/* Has the store derive terms of what other servers wrote, by the types in r (which stays). Once,
 * before any index is defined. */
void index_begin(struct store *s, struct registry *r);
/* Declares the type's indexes; once the type is in the registry, before it is used. */
int index_define(struct engine *e, const struct type *t, struct err *err);

/* Visits the objects of the scope (ns not "") whose value in the index, which the type must have,
 * is `value`: in key order, as stored. A non-zero result ends the visit and is returned. What the
 * visitor is given lives until it returns; it may use the store. */
typedef int index_visit_fn(void *arg, struct str name, const struct stored *s);
int index_visit(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str value, index_visit_fn *visit, void *arg, struct err *err);
/* The same for their names alone, at most `limit` of them (0: all). */
typedef int index_name_fn(void *arg, struct str name);
int index_names(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str value, size_t limit, index_name_fn *visit, void *arg, struct err *err);
/* How many there are. */
int index_count(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str value, int64_t *ret, struct err *err);

#endif
