/* SPDX-License-Identifier: Apache-2.0 */
/* A bump allocator whose memory is released all at once. Chunks double up to 1 MiB; what is larger has a chunk of its own. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)1 << 20)
#define ALIGN ((size_t)16)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) & ~(ALIGN - 1);
}

static void chunk_take(struct arena *a, size_t size)
{
    struct arena_chunk *c = alloc_bytes(round_up(sizeof(*c)) + size);
    c->size = size;
    c->next = a->chunks;
    a->chunks = c;
    a->at = (char *)c + round_up(sizeof(*c));
    a->end = a->at + size;
    a->total += size;
}

static void chunk_add(struct arena *a, size_t need)
{
    size_t size = a->chunks ? a->chunks->size * 2 : 0;
    size = size > CHUNK_MIN ? size : CHUNK_MIN;
    size = size < CHUNK_MAX ? size : CHUNK_MAX;
    chunk_take(a, size > need ? size : need);
}

static void *alc_malloc(void *ctx, size_t n)
{
    return arena_alloc(ctx, n);
}

/* Grows or shrinks in place when p is the last thing allocated. */
static void *alc_realloc(void *ctx, void *p, size_t old, size_t n)
{
    struct arena *a = ctx;
    size_t was = round_up(old ? old : 1), now = round_up(n ? n : 1);
    if ((char *)p + was == a->at && now <= (size_t)(a->end - (char *)p)) {
        a->at = (char *)p + now;
        return p;
    }
    if (n <= old) {
        return p;
    }
    void *q = arena_alloc(a, n);
    memcpy(q, p, old);
    return q;
}

static void alc_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

void arena_init(struct arena *a, size_t first)
{
    *a = (struct arena){0};
    a->alc = (yyjson_alc){alc_malloc, alc_realloc, alc_free, a};
    if (first) {
        chunk_take(a, round_up(first));
    }
}

void arena_finish(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    a->chunks = NULL;
    a->at = a->end = NULL;
    a->total = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) {
        abort();
    }
    n = round_up(n ? n : 1);
    if (n > (size_t)(a->end - a->at)) {
        chunk_add(a, n);
    }
    void *p = a->at;
    a->at += n;
    return p;
}

void *arena_zero(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.ptr) {
        return s;
    }
    char *p = arena_alloc(a, s.len + 1);
    memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return (struct str){p, s.len};
}

char *arena_strdup(struct arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(arena_alloc(a, n), s, n);
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) {
        abort();
    }
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}
