/* SPDX-License-Identifier: Apache-2.0 */
/* Objects seen through their schema as server-side apply sees them: what is one field, what is an item with an identity of its
 * own, what is atomic. Each function is one walk; lists and maps are matched by hash where they are long, never item by item.
 * n: schema_root of the object's version; NULL: nothing is known (maps granular, lists atomic: the reference's deduced type). */
#ifndef RESOURCES_TYPED_H
#define RESOURCES_TYPED_H

#include "resources/fieldset.h"

/* Whether obj fits the schema's structure: ERR_INVALID with the reference's text, as `.spec.items: duplicate entries for key [name="a"]`
 * or `.spec.n: expected numeric (int or float), got string`, several joined as it joins them. duplicates: they are allowed. */
int typed_check(const struct schema_node *n, const yyjson_mut_val *obj, bool duplicates, struct arena *a, struct err *err);

/* Every field of obj: leaves, atomic values, items of sets and maps (the item itself and what is in it), empty maps. Names and
 * strings stay in obj's tree, here and in what typed_compare gives; of the schema nothing is kept. */
int typed_fields(const struct schema_node *n, const yyjson_mut_val *obj, struct arena *a, struct fieldset **ret, struct err *err);

/* What differs, old NULL: everything is added. Equal sub-trees cost one comparison and no memory. */
struct typed_diff {
    struct fieldset *removed, *modified, *added;
};
int typed_compare(const struct schema_node *n, const yyjson_mut_val *old, const yyjson_mut_val *fresh, struct arena *a,
                  struct typed_diff *ret, struct err *err);

/* live with applied laid over it, in d: maps by key, lists of type set and map by identity in the reference's order, what is atomic whole.
 * live NULL: a copy of applied. Neither tree is changed; the result may share values with both only if they are in d. */
int typed_merge(const struct schema_node *n, const yyjson_mut_val *live, const yyjson_mut_val *applied, yyjson_mut_doc *d,
                yyjson_mut_val **ret, struct err *err);

/* A copy of obj in d without the members of s (and what becomes of containers that s names, as the reference's RemoveItems). */
yyjson_mut_val *typed_remove(const struct schema_node *n, const yyjson_mut_val *obj, const struct fieldset *s, struct arena *a,
                             yyjson_mut_doc *d);

/* s as the schema sees it now: members beneath what became atomic give way to the atomic value, an atomic value that became granular
 * stays itself (the reference's ReconcileFieldSetWithSchema). *ret is s where nothing changed. */
int typed_reconcile(const struct schema_node *n, const yyjson_mut_val *obj, const struct fieldset *s, struct arena *a,
                    struct fieldset **ret, struct err *err);

#endif
