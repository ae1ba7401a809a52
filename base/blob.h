/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable, reference-counted bytes: stored values and encoded events, shared between threads without copies. */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/str.h"

struct blob {
    _Atomic unsigned refs;
    size_t len;
    char data[]; /* len bytes and a NUL that is not counted */
};

/* A copy of s, with one reference. */
struct blob *blob_create(struct str s);
/* len bytes for the caller to fill before anyone else sees it. */
struct blob *blob_alloc(size_t len);
/* NULL is allowed and gives NULL. */
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);
void blob_unrefp(struct blob **b); /* for AUTO */

static inline struct str blob_str(const struct blob *b)
{
    return b ? (struct str){b->data, b->len} : STR_NULL;
}

#endif
