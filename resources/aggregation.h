/* SPDX-License-Identifier: Apache-2.0 */
/* The group-versions that other servers serve (APIService objects), as apiserver needs them to hand requests on and to merge their documents
 * into its own; services/apiservices keeps the table. */
#ifndef RESOURCES_AGGREGATION_H
#define RESOURCES_AGGREGATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/blob.h"
#include "base/httpc.h"
#include "base/published.h"

#define AGGREGATION_GROUP "apiregistration.k8s.io"

/* What was last fetched of a remote's own documents. Immutable, reference-counted. */
struct aggregation_documents {
    _Atomic unsigned refs;
    struct blob *resources;   /* of its APIVersionDiscovery: the list, as JSON; NULL: none was ever had */
    bool stale;               /* the last look failed */
    struct blob *v2_paths, *v2_definitions; /* members of OpenAPI v2's objects, as JSON without the braces; NULL: none */
    struct blob *v3_url;      /* "/openapi/v3/apis/G/V?hash=..." as the remote has it; NULL: it has none */
};
struct aggregation_documents *aggregation_documents_create(void);
struct aggregation_documents *aggregation_documents_ref(struct aggregation_documents *d); /* NULL allowed */
void aggregation_documents_unref(struct aggregation_documents *d);                        /* NULL allowed */

/* One group-version. Immutable once in a snapshot, reference-counted. */
struct apiservice {
    _Atomic unsigned refs;
    struct arena arena;
    struct str name, group, version; /* "v1.example.com" */
    int group_priority, version_priority;
    bool remote;       /* another server serves it; otherwise only the priorities count */
    bool available;    /* of a remote: its condition */
    const char *url;   /* of a remote: "https://host:port" */
    struct httpc_tls tls;
    struct aggregation_documents *documents; /* NULL: nothing was fetched yet */
};
/* With one reference; its texts go into its arena. */
struct apiservice *apiservice_create(void);
struct apiservice *apiservice_ref(struct apiservice *s);
void apiservice_unref(struct apiservice *s); /* NULL allowed */

/* Immutable, reference-counted. */
struct aggregation_snapshot {
    _Atomic unsigned refs;
    struct apiservice **items; /* by group, then version; references */
    size_t n, n_remote;
    uint64_t edition; /* a hash of everything documents are made of; 0: no items */
};
/* Takes the references of the items over and sorts them; the array is copied. */
struct aggregation_snapshot *aggregation_snapshot_create(struct apiservice *const *items, size_t n);
struct aggregation_snapshot *aggregation_snapshot_ref(struct aggregation_snapshot *s); /* NULL allowed */
void aggregation_snapshot_unref(struct aggregation_snapshot *s);                       /* NULL allowed */
/* NULL: none. s may be NULL. */
const struct apiservice *aggregation_find(const struct aggregation_snapshot *s, struct str group, struct str version);
/* The same where another server serves it. */
struct apiservice *aggregation_find_remote(const struct aggregation_snapshot *s, struct str group, struct str version);

/* The table. */
struct aggregation;
struct aggregation *aggregation_create(void);
void aggregation_destroy(struct aggregation *a); /* NULL allowed */
/* Ends the client and what is under way with it. */
void aggregation_close(struct aggregation *a);
/* Takes the reference over. */
void aggregation_set(struct aggregation *a, struct aggregation_snapshot *s);
/* As published_get and published_ref; NULL before the first set. a may be NULL. */
const struct aggregation_snapshot *aggregation_get(struct aggregation *a, struct published_cache *c);
struct aggregation_snapshot *aggregation_ref(struct aggregation *a);
void aggregation_cache_finish(struct aggregation *a, struct published_cache *c);
/* The client that remotes are asked with, made at the first call. ERR_UNAVAILABLE. Any thread. */
int aggregation_client(struct aggregation *a, struct httpc **ret, struct err *err);
/* Counts a request that is handed on; false: LIMIT_PROXY_REQUESTS are under way. */
bool aggregation_enter(struct aggregation *a);
void aggregation_leave(struct aggregation *a);

/* The priorities of a group-version that the server itself serves, as the reference registers it. */
void aggregation_local_priority(struct str group, struct str version, bool custom, int *ret_group, int *ret_version);

#endif
