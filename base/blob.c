/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable, reference-counted bytes. */
#include "base/blob.h"

#include <stdlib.h>

#include "base/alloc.h"

struct blob *blob_alloc(size_t len)
{
    struct blob *b = alloc_bytes(sizeof(*b) + len + 1);
    atomic_init(&b->refs, 1);
    b->len = len;
    b->data[len] = 0;
    return b;
}

struct blob *blob_create(struct str s)
{
    struct blob *b = blob_alloc(s.len);
    if (s.len) {
        memcpy(b->data, s.ptr, s.len);
    }
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    if (b) {
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    }
    return b;
}

void blob_unref(struct blob *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        free(b);
    }
}

void blob_unrefp(struct blob **b)
{
    blob_unref(*b);
}
