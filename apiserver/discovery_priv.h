/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the discovery documents, made from a snapshot of the registry. */
#ifndef APISERVER_DISCOVERY_PRIV_H
#define APISERVER_DISCOVERY_PRIV_H

#include "base/buf.h"
#include "resources/aggregation.h"
#include "resources/registry.h"

/* ---- discovery_view.c ---- */

struct discovery_version {
    struct str name;
    const struct apiservice *remote; /* another server's; NULL: the server's own */
    int group_priority, priority;
    size_t order; /* among those of one priority, where the group has an order of its own; 0: by name */
};

struct discovery_group {
    struct str name;
    const struct registry_group *local; /* NULL: none of it is the server's own */
    struct discovery_version *versions; /* the preferred one first */
    size_t n, cap;
    int priority;
    struct str first_version;
};

/* Every group that is served, by whoever. Borrows from the snapshots it was made of. */
struct discovery_view {
    struct discovery_group *groups;
    size_t n, cap;
};

/* apis may be NULL. aggregated: groups of one priority by name; otherwise by the name of their
 * first APIService. */
void discovery_view_init(struct discovery_view *ret, const struct registry_snapshot *types,
                         const struct aggregation_snapshot *apis, bool aggregated);
void discovery_view_finish(struct discovery_view *v);
/* Leaves the applications' groups: those of the API machinery itself (*.k8s.io) go. */
void discovery_view_keep_apps(struct discovery_view *v);
/* NULL: nobody serves it. */
const struct discovery_group *discovery_view_find(const struct discovery_view *v, struct str group);
/* What documents made of both are an edition of. */
uint64_t discovery_edition(const struct registry_snapshot *types,
                           const struct aggregation_snapshot *apis);

/* ---- the documents ---- */

/* Each appends one JSON document. */

/* GET /api: APIVersions. address: "127.0.0.1:6443", or empty. */
void discovery_write_api(struct buf *b, struct str address);
/* GET /apis: APIGroupList. */
void discovery_write_groups(struct buf *b, const struct discovery_view *v);
/* GET /apis/G: APIGroup. */
void discovery_write_group(struct buf *b, const struct discovery_group *g);
/* GET /api/v1, /apis/G/V: APIResourceList. */
void discovery_write_resources(struct buf *b, const struct registry_group *g, struct str version);
/* GET /api (core) or /apis as APIGroupDiscoveryList of apidiscovery.k8s.io/v2. */
void discovery_write_aggregated(struct buf *b, const struct discovery_view *v, bool core);
/* GET /: RootPaths, sorted. */
void discovery_write_root(struct buf *b, const struct discovery_view *v);

/* Whether the group serves the version. */
bool discovery_serves(const struct registry_group *g, struct str version);

/* ---- shared by the forms ---- */

/* `["create","delete",...]` of a mask, in the order in which the reference lists them for that
 * dialect. */
void discovery_write_verbs(struct buf *b, uint32_t verbs, bool custom);
/* The verbs of a type as discovery shows them now: a definition that is going away takes nothing
 * new. */
uint32_t discovery_verbs(const struct type *t);
/* `["a","b"]`. */
void discovery_write_strings(struct buf *b, const struct str *items, size_t n);

/* A subresource of a version of a type. */
struct discovery_sub {
    struct str name, group, version,
        kind; /* group and version are empty where they are the parent's */
    uint32_t verbs;
};
/* Visits them in the order in which they are listed. */
typedef void discovery_sub_fn(void *arg, const struct discovery_sub *sub);
void discovery_each_sub(const struct type *t, const struct type_version *v, discovery_sub_fn *fn,
                        void *arg);

#endif
