/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on managedFields share. */
#ifndef RESOURCES_MANAGED_PRIV_H
#define RESOURCES_MANAGED_PRIV_H

#include "resources/managed.h"

/* The rules' view of the type for one write: the callbacks of merge.h answered from the registry.
 */
struct managed_rules {
    struct merge merge;
    const struct managed *m;
    const struct fieldset *reset;
};
void managed_rules_init(struct managed_rules *r, const struct managed *m);
/* The api version of the objects of this write. */
struct str managed_api_version(const struct managed *m);
/* Who acts: its name, version and subresource. */
struct owner managed_actor(const struct managed *m, bool applied);
/* This instant as a stored time. */
struct str managed_now(const struct managed *m);
/* Seconds since 1970 of an owner's time; 0: it has none. */
int64_t managed_seconds(const struct owner *o);
/* Appends an owner. */
struct owner *managed_add(struct arena *a, struct ownership *o, const struct owner *owner);
/* Takes the owner out; the others keep their order. */
void managed_drop(struct ownership *o, const struct owner *owner);
/* The update of one write for the owner `actor`, whose name may be another than m's. live NULL:
 * everything is new. */
int managed_merge_update(const struct managed *m, struct managed_rules *r,
                         const yyjson_mut_val *live, const yyjson_mut_val *fresh,
                         const struct owner *actor, struct ownership *o, struct err *err);

/* ---- managed_last.c: objects that client-side apply made ---- */

#define MANAGED_LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
/* Of the conflicts in err those that the object's last-applied configuration explains are taken
 * out, and the message is made anew. True: none is left. */
bool managed_last_excuses(const struct managed *m, const yyjson_mut_val *live, struct err *err);
/* Brings the annotation, where the object has one, up to what was applied. */
void managed_last_follow(const struct managed *m, yyjson_mut_val *obj,
                         const yyjson_mut_val *applied);

#endif
