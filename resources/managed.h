/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.managedFields: read and written, and kept through every write, as the reference's field
 * managers do around its merge (apimachinery util/managedfields): names, times, caps, migration.
 * What the owners' rules are is merge.h's. */
#ifndef RESOURCES_MANAGED_H
#define RESOURCES_MANAGED_H

#include "resources/merge.h"
#include "resources/type.h"

/* One write as its owners see it. */
struct managed {
    struct arena *arena;
    yyjson_mut_doc *doc; /* the new object's */
    const struct type *type;
    const struct type_version *version; /* the one all objects given here are in */
    const yyjson_mut_val *blank; /* what an object of the type is before anything is set in it,
                                    where that is more than nothing; NULL */
    bool scale;                  /* the objects are Scales (autoscaling/v1) */
    struct str manager;          /* "" is the reference's "unknown" */
    struct str subresource;      /* "" for the object itself */
    int64_t now_us;
};

/* Reads managedFields (NULL: none). Of entries with one identity the last stays; those that own
 * nothing are left out. *ret_any, if not NULL: whether there was any entry at all. An owner's tag
 * is its entry. ERR_BAD_REQUEST in the reference's words. */
int managed_read(struct arena *a, const yyjson_mut_val *list, struct ownership *ret, bool *ret_any,
                 struct err *err);
/* The owners in the reference's order (applied first, then by time, manager, version, subresource)
 * as a list in d; NULL where there are none. Of an owner that has not changed since managed_read
 * the entry is copied, or moved where `move` says that the list read may go to pieces. */
yyjson_mut_val *managed_write(const struct ownership *o, bool move, struct arena *a,
                              yyjson_mut_doc *d);

/* Takes metadata.managedFields out of an object and gives it; NULL: it has none. */
yyjson_mut_val *managed_detach(yyjson_mut_val *obj);
/* Sets it (NULL: takes it away). */
void managed_attach(yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val *list);
/* Whether a list sent by a client asks that all ownership be forgotten: [{}]; and [] where the
 * type's dialect hears it (empty_counts). */
bool managed_is_reset(const yyjson_mut_val *list, bool empty_counts);

/* managedFields of an object before a write. */
struct managed_before {
    yyjson_mut_val *was;   /* the stored list; NULL: none */
    bool move;             /* it is in the new object's document and may go to pieces */
    yyjson_mut_val *given; /* the request's own list, detached from the object; NULL: none */
    bool reset;            /* the request asked that all ownership be forgotten */
};
/* Sets fresh's managedFields after any write but an apply. live: the object before, NULL on a
 * create. Neither object holds managedFields meanwhile. Where the owners cannot be told (an object
 * does not fit its schema, which validation refuses later) fresh keeps those before.
 * ERR_UNAVAILABLE: a conversion that this thread may not wait for. */
int managed_update(const struct managed *m, const yyjson_mut_val *live,
                   const struct managed_before *b, yyjson_mut_val *fresh, struct err *err);

/* Server-side apply: *ret is the object to store, in m->doc, with its managedFields and without
 * defaults. live NULL: it does not exist yet; `was` its managedFields. applied is the client's tree
 * and not changed. ERR_BAD_REQUEST, ERR_CONFLICT, ERR_UNKNOWN_500 in the reference's words. */
int managed_apply(const struct managed *m, const yyjson_mut_val *live, const yyjson_mut_val *was,
                  const yyjson_mut_val *applied, bool force, yyjson_mut_val **ret, struct err *err);

/* "group/v1, Kind=Widget" of an object as Go prints a GroupVersionKind; what cannot be taken apart
 * is empty. */
struct str managed_gvk(struct arena *a, const yyjson_mut_val *obj);

/* Whether both lists say the same but for the times. */
bool managed_same_but_times(const yyjson_mut_val *a, const yyjson_mut_val *b);

/* The owners of an object as those of its Scale: who owns a version's replicas path owns
 * spec.replicas. A list in d, NULL: none. `list` is the object's. */
yyjson_mut_val *managed_to_scale(const struct managed *m, const yyjson_mut_val *list);
/* And back: the object's owners after a write of its Scale that left it with the list `scale`. */
yyjson_mut_val *managed_from_scale(const struct managed *m, const yyjson_mut_val *list,
                                   const yyjson_mut_val *scale);

#endif
