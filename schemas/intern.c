/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes stored once: an open-addressing table over blocks that double. */
#include "schemas/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define BLOCK_FIRST ((size_t)1024)
#define BLOCK_MOST ((size_t)8 * 1024) /* what is larger has a block of its own */
#define ALIGN ((size_t)8)

struct intern_block {
    struct intern_block *next;
    size_t size;
};

uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ c[i]) * 0x100000001b3ull;
    }
    return h;
}

uint64_t hash_u64(uint64_t h, uint64_t v)
{
    unsigned char b[8];
    for (int i = 0; i < 8; i++) {
        b[i] = (unsigned char)(v >> (8 * i));
    }
    return hash_bytes(h, b, sizeof(b));
}

void intern_blocks_finish(struct intern_blocks *b)
{
    for (struct intern_block *i = b->first, *next; i; i = next) {
        next = i->next;
        free(i);
    }
    *b = (struct intern_blocks){0};
}

void *intern_alloc(struct intern_blocks *b, size_t n)
{
    n = (n + ALIGN - 1) & ~(ALIGN - 1);
    if (n > (size_t)(b->end - b->at)) {
        size_t size = b->first ? b->first->size * 2 : BLOCK_FIRST;
        size = size < BLOCK_MOST ? size : BLOCK_MOST;
        size = size > n ? size : n;
        struct intern_block *block = alloc_bytes(sizeof(*block) + size);
        *block = (struct intern_block){.next = b->first, .size = size};
        b->first = block;
        b->at = (char *)(block + 1);
        b->end = b->at + size;
        b->bytes += sizeof(*block) + size;
    }
    void *p = b->at;
    b->at += n;
    return p;
}

void intern_init(struct intern *in, struct intern_blocks *blocks)
{
    *in = (struct intern){.blocks = blocks};
}

void intern_finish(struct intern *in)
{
    free(in->slots);
    *in = (struct intern){0};
}

static void grow(struct intern *in)
{
    size_t cap = in->cap ? in->cap * 2 : 256;
    struct intern_slot *slots = alloc_zero(cap * sizeof(*slots));
    for (size_t i = 0; i < in->cap; i++) {
        if (in->slots[i].ptr) {
            size_t at = in->slots[i].hash & (cap - 1);
            while (slots[at].ptr) {
                at = (at + 1) & (cap - 1);
            }
            slots[at] = in->slots[i];
        }
    }
    free(in->slots);
    in->slots = slots;
    in->cap = cap;
}

struct intern_slot *intern_slot(struct intern *in, const void *p, size_t n)
{
    if (in->n * 2 >= in->cap) {
        grow(in);
    }
    uint64_t hash = hash_bytes(HASH_START, p, n);
    hash ^= hash >> 29; /* the low bits choose the slot */
    size_t at = hash & (in->cap - 1);
    for (; in->slots[at].ptr; at = (at + 1) & (in->cap - 1)) {
        struct intern_slot *s = &in->slots[at];
        if (s->hash == hash && s->len == n && memcmp(s->ptr, p, n) == 0) {
            return s;
        }
    }
    char *copy = intern_alloc(in->blocks, n + 1);
    memcpy(copy, p, n);
    copy[n] = 0;
    in->slots[at] = (struct intern_slot){.hash = hash, .ptr = copy, .len = n};
    in->n++;
    return &in->slots[at];
}

const void *intern_bytes(struct intern *in, const void *p, size_t n)
{
    return n ? intern_slot(in, p, n)->ptr : NULL;
}

struct str intern_str(struct intern *in, struct str s)
{
    return s.len ? (struct str){intern_slot(in, s.ptr, s.len)->ptr, s.len} : STR("");
}
