/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns which fields of an object, and what an update or an apply makes of that: the rules of server-side apply, without anything of
 * requests, times or limits (resources/managed.h has those). */
#ifndef RESOURCES_MERGE_H
#define RESOURCES_MERGE_H

#include "resources/fieldset.h"
#include "resources/typed.h"

/* One owner. Its identity is (manager, applied, subresource), and for updates also api_version; `who` is for the caller. */
struct owner {
    struct str manager, api_version, subresource;
    bool applied;            /* by apply; false: by update */
    struct str time; /* RFC 3339, as stored; STR_NULL: none. The caller sets it, for the one who acts alone: after an update where it
                        `changed`, after an apply that gave an object */
    struct fieldset *fields; /* never empty between calls */
    bool changed; /* fields (of who applies: or its version) differ from before the call; of who updates: it took fields, if only its own */
    void *tag;               /* the caller's own; stays with the owner */
};

/* All owners of one object; in an arena. */
struct ownership {
    struct owner *items;
    size_t n, cap;
};
struct owner *ownership_find(const struct ownership *o, const struct owner *identity);

/* What the rules need to know of the type. Functions may be asked several times; the caller remembers what is dear. */
struct merge {
    struct arena *arena;
    yyjson_mut_doc *doc;    /* results are made in it */
    struct str api_version; /* of live, fresh and applied */
    /* The schema of a version of the type in *ret (NULL: it has none). False: there is no such version (any more); its owners are dropped. */
    bool (*schema)(void *arg, struct str api_version, const struct schema_node **ret);
    /* obj in another version, as a tree of its own in doc. */
    int (*convert)(void *arg, const yyjson_mut_val *obj, struct str api_version, yyjson_mut_val **ret, struct err *err);
    /* Fields that this endpoint resets and so nobody comes to own through it, in an api_version; everything beneath them too. May be NULL. */
    const struct fieldset *(*reset)(void *arg, struct str api_version);
    const struct fieldset *strip; /* exact members that nobody owns: metadata.name, ...; taken from the one who acts */
    void *arg;
};

/* After fresh was put together from whatever request: the owner `who` (manager, api_version, subresource) owns what it changed or added, nobody
 * owns what went, others lose what was changed. live NULL: a create. o is changed; empty owners go. ERR_INVALID: an object does
 * not fit its schema (duplicates are allowed). */
int merge_update(const struct merge *m, const yyjson_mut_val *live, const yyjson_mut_val *fresh, const struct owner *who,
                 struct ownership *o, struct err *err);

/* Lays `applied` over live for the owner `who`: what it applied before and no longer names goes, unless others own it; *ret is the
 * object then (NULL: nothing changes), without defaults. live NULL: it does not exist yet. Without force ERR_CONFLICT with the reference's message and a
 * cause FieldManagerConflict per field. ERR_INVALID: applied does not fit the schema; ERR_INTERNAL: live does not. */
int merge_apply(const struct merge *m, const yyjson_mut_val *live, const yyjson_mut_val *applied, const struct owner *who, bool force,
                struct ownership *o, yyjson_mut_val **ret, struct err *err);

#endif
