/* SPDX-License-Identifier: Apache-2.0 */
/* The types served now. A snapshot is immutable; the registry publishes one after each change of a type, which copies pointers only. */
#ifndef RESOURCES_REGISTRY_H
#define RESOURCES_REGISTRY_H

#include "base/published.h"
#include "resources/type.h"

struct registry;

struct registry_group {
    struct str name;
    struct type **types; /* sorted by resource */
    size_t n_types;
    struct str *versions; /* served ones of types that are not hidden, highest priority first */
    size_t n_versions;
    bool custom;          /* made of definitions applied or loaded, not of built-ins */
    bool in_order;        /* the versions begin with those of a type that has an order of its own */
};

/* Immutable, reference-counted. */
struct registry_snapshot {
    _Atomic unsigned refs;
    uint64_t generation;
    struct registry_group *groups; /* built-in ones first ("" first), then custom ones, each sorted by name */
    size_t n_groups;
    size_t n_types;
    void *index; /* hash of group/resource */
};

struct registry *registry_create(void);
void registry_destroy(struct registry *r);
/* Puts the type in, in place of one of the same group and resource. Takes a reference of its own. Seen by every later look-up. */
void registry_put(struct registry *r, struct type *t);
/* Several at once, publishing one snapshot. */
void registry_put_all(struct registry *r, struct type *const *types, size_t n);
/* Takes it out; false if it was not there. */
bool registry_remove(struct registry *r, struct str group, struct str resource);

/* The present snapshot; as published_get and published_ref. */
const struct registry_snapshot *registry_get(struct registry *r, struct published_cache *c);
struct registry_snapshot *registry_ref(struct registry *r);
void registry_snapshot_unref(struct registry_snapshot *s);
void registry_cache_finish(struct registry *r, struct published_cache *c);

/* NULL: none. Borrowed from the snapshot. */
struct type *registry_find(const struct registry_snapshot *s, struct str group, struct str resource);
/* By kind; for owner references and bodies. */
struct type *registry_find_kind(const struct registry_snapshot *s, struct str group, struct str kind);
/* The type whose objects lie where the store's key is, with the names in the key (borrowed from it). NULL: none is served. */
struct type *registry_find_key(const struct registry_snapshot *s, struct str key, struct str *ret_ns, struct str *ret_name);
const struct registry_group *registry_find_group(const struct registry_snapshot *s, struct str group);

/* Called after each publication, on the publishing thread, with the type that changed (NULL: several) and whether it was
 * removed. Listeners are added before the server runs. */
typedef void registry_listener_fn(void *arg, const struct registry_snapshot *s, struct type *changed, bool removed);
void registry_listen(struct registry *r, registry_listener_fn *fn, void *arg);

#endif
