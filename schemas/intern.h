/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes stored once: equal runs share one address, so that structures made of interned parts can be
 * compared by pointer and interned themselves. */
#ifndef SCHEMAS_INTERN_H
#define SCHEMAS_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct intern_block;

/* The memory behind; it outlives the table. */
struct intern_blocks {
    struct intern_block *first;
    char *at, *end;
    size_t bytes; /* taken from the system */
};
void intern_blocks_finish(struct intern_blocks *b);
/* n bytes, aligned to 8, not zeroed, not shared. */
void *intern_alloc(struct intern_blocks *b, size_t n);

struct intern_slot {
    uint64_t hash;
    const void *ptr;
    size_t len;
    void *payload; /* the caller's; NULL at first */
};

struct intern {
    struct intern_blocks *blocks;
    struct intern_slot *slots;
    size_t n, cap;
};

void intern_init(struct intern *in, struct intern_blocks *blocks);
/* Releases the table, not the blocks. */
void intern_finish(struct intern *in);
/* The slot of these bytes, made on first sight; valid until the next call. What ptr points at is
 * aligned for any type and followed by a NUL. */
struct intern_slot *intern_slot(struct intern *in, const void *p, size_t n);
/* The shared copy; NULL for n 0. */
const void *intern_bytes(struct intern *in, const void *p, size_t n);
struct str intern_str(struct intern *in, struct str s);

/* FNV-1a: stable over runs and machines. */
#define HASH_START 0xcbf29ce484222325ull
uint64_t hash_bytes(uint64_t h, const void *p, size_t n);
uint64_t hash_u64(uint64_t h, uint64_t v);

#endif
