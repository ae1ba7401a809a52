/* SPDX-License-Identifier: Apache-2.0 */
/* Which index answers a field selector, and the keys of the objects that it may select: the list
 * reads and matches only these. */
#ifndef RESOURCES_INDEX_QUERY_H
#define RESOURCES_INDEX_QUERY_H

#include "resources/index_span.h"
#include "resources/selector.h"

struct index_query {
    const struct type_index *index;
    struct str value;         /* of an index of values */
    struct index_range range; /* of one of spans */
    size_t room;              /* keys in one stretch, LIMIT_LIST_INDEX_KEYS */
};

/* The question that the selector puts to an index of the type, of objects in version v in the
 * scope. False: to none. Borrows from the type and the selector. */
bool index_query_plan(const struct type *t, const struct type_version *v, struct scope s,
                      const struct field_selector *fields, struct index_query *ret);

/* A stretch of keys in order, each once. All zero is an empty one. */
struct index_keys {
    struct arena arenas[2]; /* the keys are in one of them */
    int arena;
    struct str *items;
    size_t n, cap;
    bool whole; /* no other key comes after the last; else what lies after it has to be asked for */
};
void index_keys_finish(struct index_keys *k);

enum { INDEX_QUERY_SCAN = 1 };
/* The first keys from `from` on (STR_NULL: all) of at least those objects of the scope that the
 * selector selects at revision rev, which the caller holds. INDEX_QUERY_SCAN: the index cannot
 * tell, or a look at every object costs less. most: how many are wanted, 0: all; for the estimate
 * alone. An error, or ERR_EXPIRED. */
int index_query_keys(struct engine *e, const struct type *t, struct scope s,
                     const struct index_query *q, struct str from, int64_t rev, size_t most,
                     struct index_keys *ret, struct err *err);

#endif
