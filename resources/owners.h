/* SPDX-License-Identifier: Apache-2.0 */
/* The index of ownership, kept in the store beside each object: whom its ownerReferences name, and
 * whether it is being deleted. The garbage collector finds dependents by it, without a graph in
 * memory. */
#ifndef RESOURCES_OWNERS_H
#define RESOURCES_OWNERS_H

#include "resources/engine.h"

/* Its definition in the store. */
#define OWNERS_INDEX STR("owners")
#define OWNERS_GENERATION 1
#define OWNERS_PREFIX STR("/registry/")

/* An owner reference, its strings in the object's tree. */
struct owner_ref {
    struct str group, version, kind, name, uid;
    bool block; /* blockOwnerDeletion */
    bool controller;
};
/* The references of an object; *ret is in the arena. Returns how many. */
size_t owners_of(const yyjson_mut_val *obj, struct arena *a, struct owner_ref **ret);

/* The terms that an object carries in the store: for the engine's puts. In the arena, like what
 * they point to. */
size_t owners_terms(const yyjson_mut_val *obj, struct arena *a, struct store_term **ret);
/* Declares the index; once, when the engine is made. */
int owners_define(struct store *s, struct err *err);

/* Visits the objects that name the owner. type: borrowed from the snapshot; an object whose type is
 * not served is left out. A non-zero result ends the visit. */
typedef int owners_visit_fn(void *arg, struct type *t, struct str ns, struct str name);
int owners_dependents(struct engine *e, const struct registry_snapshot *types, struct str uid,
                      owners_visit_fn *visit, void *arg, struct err *err);
int owners_deleting(struct engine *e, const struct registry_snapshot *types, owners_visit_fn *visit,
                    void *arg, struct err *err);
/* Visits every object that names an owner: once, at start. */
int owners_all(struct engine *e, const struct registry_snapshot *types, owners_visit_fn *visit,
               void *arg, struct err *err);

#endif
