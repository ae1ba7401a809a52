/* SPDX-License-Identifier: Apache-2.0 */
/* A bump allocator whose memory is released all at once: the lifetime of a request. One thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <yyjson.h>

#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    char *at, *end;
    size_t total;   /* bytes taken from the system */
    yyjson_alc alc; /* yyjson's view of this arena; its ctx is the arena, so an arena is never moved */
};

/* first: size of the first chunk, taken at once (0: none is taken until it is needed). */
void arena_init(struct arena *a, size_t first);
/* Releases everything. The arena may be used again without arena_init. */
void arena_finish(struct arena *a);

/* Aligned to 16, not zeroed, never NULL. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zero(struct arena *a, size_t n);
/* Copies; the result is also NUL-terminated (the NUL is not counted). STR_NULL stays STR_NULL. */
struct str arena_str(struct arena *a, struct str s);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* For yyjson's functions that take an allocator: what they make lives until arena_finish. */
static inline const yyjson_alc *arena_alc(struct arena *a)
{
    return &a->alc;
}

#define ARENA_NEW(a, T) ((T *)arena_zero((a), sizeof(T)))

#endif
