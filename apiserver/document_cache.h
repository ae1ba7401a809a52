/* SPDX-License-Identifier: Apache-2.0 */
/* The documents served most recently, shared by the loops, and the making of what is missing:
 * inline when that is quick, on the pool when it is not, once for all who wait for it. */
#ifndef APISERVER_DOCUMENT_CACHE_H
#define APISERVER_DOCUMENT_CACHE_H

#include "apiserver/call.h"
#include "apiserver/document.h"

struct document_cache;

/* Keeps up to about max_bytes; the least recently used go first. */
struct document_cache *document_cache_create(size_t max_bytes);
void document_cache_destroy(struct document_cache *k); /* NULL allowed */

/* What a document is made from. */
struct document_source {
    struct engine *engine;
    const struct registry_snapshot *types;
    const struct aggregation_snapshot *apis; /* NULL: other servers serve nothing */
    struct str group, version;               /* of a group-version's document */
    const struct document *previous; /* an older edition, to take fragments from; NULL: none */
};
/* Makes the document; any thread. Its version says which edition it is, as source->types has it. */
typedef int document_build_fn(const struct document_source *s, struct document **ret,
                              struct err *err);

struct document_query {
    struct str key;   /* what it is: one entry of the cache */
    uint64_t edition; /* the document's version that is wanted */
    document_build_fn *build;
    struct str group, version;
    bool on_pool; /* making it takes long */
    struct str content_type;
    bool etag; /* send ETag and honour If-None-Match */
    const char *vary, *cache_control,
        *expires; /* further headers; NULL: none. In memory that stays or in the call's arena */
};
/* Answers the call with the document (made if need be), compressed where the client takes that.
 * Finishes the call. */
void document_serve(struct call *c, struct document_cache *k, const struct document_query *q);
/* The document now, for the caller to answer with in another form; made here where it is missing.
 */
int document_get(struct call *c, struct document_cache *k, const struct document_query *q,
                 struct document **ret, struct err *err);

/* ---- for tests ---- */
struct document *document_cache_find(struct document_cache *k, struct str key, uint64_t edition);
void document_cache_put(struct document_cache *k, struct str key, struct document *d);
size_t document_cache_bytes(struct document_cache *k);

#endif
