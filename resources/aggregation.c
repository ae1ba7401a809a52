/* SPDX-License-Identifier: Apache-2.0 */
/* The table of aggregated group-versions: snapshots of it, and the client their servers are asked
 * with. */
#include "resources/aggregation.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/limits.h"

enum {
    CHECK_CONNECTIONS = 16
}; /* for the looks at remotes, beside the requests that are handed on */

struct aggregation {
    struct published published;
    pthread_mutex_t lock; /* of client */
    struct httpc *client;
    _Atomic int requests;
};

/* ---- documents ---- */

struct aggregation_documents *aggregation_documents_create(void)
{
    struct aggregation_documents *d = ALLOC(struct aggregation_documents);
    atomic_init(&d->refs, 1);
    return d;
}

struct aggregation_documents *aggregation_documents_ref(struct aggregation_documents *d)
{
    if (d) {
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    }
    return d;
}

void aggregation_documents_unref(struct aggregation_documents *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    blob_unref(d->resources);
    blob_unref(d->v2_paths);
    blob_unref(d->v2_definitions);
    blob_unref(d->v3_url);
    free(d);
}

/* ---- one group-version ---- */

struct apiservice *apiservice_create(void)
{
    struct apiservice *s = ALLOC(struct apiservice);
    atomic_init(&s->refs, 1);
    arena_init(&s->arena, 0);
    return s;
}

struct apiservice *apiservice_ref(struct apiservice *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void apiservice_unref(struct apiservice *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    aggregation_documents_unref(s->documents);
    arena_finish(&s->arena);
    free(s);
}

/* ---- snapshots ---- */

static int compare(struct str group, struct str version, const struct apiservice *s)
{
    int r = str_cmp(group, s->group);
    return r ? r : str_cmp(version, s->version);
}

static int by_version(const void *a, const void *b)
{
    const struct apiservice *x = *(struct apiservice *const *)a;
    return compare(x->group, x->version, *(struct apiservice *const *)b);
}

static uint64_t mix_blob(uint64_t h, const struct blob *b)
{
    const uint64_t len = b ? b->len + 1 : 0;
    h = crypto_hash64_more(h, str_make((const char *)&len, sizeof(len)));
    return b ? crypto_hash64_more(h, blob_str(b)) : h;
}

static uint64_t mix(uint64_t h, const struct apiservice *s)
{
    const struct aggregation_documents *d = s->documents;
    const int facts[] = {s->group_priority, s->version_priority, s->remote, d ? d->stale : 2};
    h = crypto_hash64_more(h, s->name);
    h = crypto_hash64_more(h, str_make((const char *)facts, sizeof(facts)));
    if (d) {
        h = mix_blob(mix_blob(h, d->resources), d->v3_url);
        h = mix_blob(mix_blob(h, d->v2_paths), d->v2_definitions);
    }
    return h;
}

struct aggregation_snapshot *aggregation_snapshot_create(struct apiservice *const *items, size_t n)
{
    struct aggregation_snapshot *s = ALLOC(struct aggregation_snapshot);
    atomic_init(&s->refs, 1);
    s->items = alloc_zero((n + 1) * sizeof(*s->items));
    s->n = n;
    uint64_t h = 1;
    if (n) {
        memcpy(s->items, items, n * sizeof(*items));
        qsort(s->items, n, sizeof(*s->items), by_version);
    }
    for (size_t i = 0; i < n; i++) {
        s->n_remote += s->items[i]->remote;
        h = mix(h, s->items[i]);
    }
    s->edition = n ? h | 1 : 0;
    return s;
}

struct aggregation_snapshot *aggregation_snapshot_ref(struct aggregation_snapshot *s)
{
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void aggregation_snapshot_unref(struct aggregation_snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        apiservice_unref(s->items[i]);
    }
    free(s->items);
    free(s);
}

static struct apiservice *find(const struct aggregation_snapshot *s, struct str group,
                               struct str version)
{
    size_t low = 0, high = s ? s->n : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = compare(group, version, s->items[middle]);
        if (r == 0) {
            return s->items[middle];
        }
        if (r < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct apiservice *aggregation_find(const struct aggregation_snapshot *s, struct str group,
                                          struct str version)
{
    return find(s, group, version);
}

struct apiservice *aggregation_find_remote(const struct aggregation_snapshot *s, struct str group,
                                           struct str version)
{
    struct apiservice *found = s && s->n_remote ? find(s, group, version) : NULL;
    return found && found->remote ? found : NULL;
}

/* ---- the table ---- */

static void *ref_snapshot(void *s)
{
    return aggregation_snapshot_ref(s);
}

static void unref_snapshot(void *s)
{
    aggregation_snapshot_unref(s);
}

struct aggregation *aggregation_create(void)
{
    struct aggregation *a = ALLOC(struct aggregation);
    published_init(&a->published, ref_snapshot, unref_snapshot);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void aggregation_close(struct aggregation *a)
{
    pthread_mutex_lock(&a->lock);
    struct httpc *client = a->client;
    a->client = NULL;
    pthread_mutex_unlock(&a->lock);
    httpc_destroy(client);
}

void aggregation_destroy(struct aggregation *a)
{
    if (!a) {
        return;
    }
    aggregation_close(a);
    published_finish(&a->published);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void aggregation_set(struct aggregation *a, struct aggregation_snapshot *s)
{
    published_set(&a->published, s);
}

const struct aggregation_snapshot *aggregation_get(struct aggregation *a, struct published_cache *c)
{
    return a ? published_get(&a->published, c) : NULL;
}

struct aggregation_snapshot *aggregation_ref(struct aggregation *a)
{
    return a ? published_ref(&a->published) : NULL;
}

void aggregation_cache_finish(struct aggregation *a, struct published_cache *c)
{
    if (a) {
        published_cache_finish(&a->published, c);
    }
}

int aggregation_client(struct aggregation *a, struct httpc **ret, struct err *err)
{
    const struct httpc_options o = {.connections = LIMIT_PROXY_REQUESTS + CHECK_CONNECTIONS};
    int code = 0;
    pthread_mutex_lock(&a->lock);
    if (!a->client) {
        code = httpc_create(&o, &a->client, err);
    }
    *ret = a->client;
    pthread_mutex_unlock(&a->lock);
    return code;
}

bool aggregation_enter(struct aggregation *a)
{
    if (atomic_fetch_add(&a->requests, 1) < LIMIT_PROXY_REQUESTS) {
        return true;
    }
    atomic_fetch_sub(&a->requests, 1);
    return false;
}

void aggregation_leave(struct aggregation *a)
{
    atomic_fetch_sub(&a->requests, 1);
}

/* ---- priorities ---- */

void aggregation_local_priority(struct str group, struct str version, bool custom, int *ret_group,
                                int *ret_version)
{
    /* As in pkg/controlplane/apiserver/aggregator.go of kubernetes 1.37. */
    static const struct {
        const char *group, *version;
        int group_priority, version_priority;
    } table[] = {
        {AGGREGATION_GROUP, "v1", 20000, 15},
        {"", "v1", 18000, 1},
        {"events.k8s.io", "v1", 17750, 15},
        {"authentication.k8s.io", "v1", 17700, 15},
        {"authorization.k8s.io", "v1", 17600, 15},
        {"certificates.k8s.io", "v1", 17300, 15},
        {"rbac.authorization.k8s.io", "v1", 17000, 15},
        {"apiextensions.k8s.io", "v1", 16700, 15},
        {"admissionregistration.k8s.io", "v1", 16700, 15},
        {"coordination.k8s.io", "v1", 16500, 15},
        {"discovery.k8s.io", "v1", 16200, 15},
        {"flowcontrol.apiserver.k8s.io", "v1", 16100, 21},
        {"storagemigration.k8s.io", "v1", 15800, 15},
        {"storagemigration.k8s.io", "v1beta1", 15800, 9},
    };
    *ret_group = 1000;
    *ret_version = custom ? 100 : 15;
    for (size_t i = 0; !custom && i < sizeof(table) / sizeof(*table); i++) {
        if (str_is(group, table[i].group) && str_is(version, table[i].version)) {
            *ret_group = table[i].group_priority;
            *ret_version = table[i].version_priority;
            return;
        }
    }
}
