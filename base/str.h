/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes. It owns nothing; it lives as long as what it points into. May hold NULs. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *ptr;
    size_t len;
};

/* A string literal as a struct str. */
#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NULL ((struct str){NULL, 0})
/* The two arguments that "%.*s" takes. */
#define STR_FMT(s) ((int)(s).len), ((s).ptr ? (s).ptr : "")

static inline struct str str_make(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

/* s may be NULL, which gives STR_NULL. */
static inline struct str str_from(const char *s)
{
    return (struct str){s, s ? strlen(s) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
    size_t n = strlen(z);
    return a.len == n && (n == 0 || memcmp(a.ptr, z, n) == 0);
}

/* Bytewise order, as the store orders keys: shorter first when one is a prefix of the other. */
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int r = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return r ? r : (a.len > b.len) - (a.len < b.len);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + (s.len - suffix.len), suffix.ptr, suffix.len) == 0);
}

/* s without its first n bytes (n is cut to s.len). */
static inline struct str str_skip(struct str s, size_t n)
{
    n = n < s.len ? n : s.len;
    return (struct str){n ? s.ptr + n : s.ptr, s.len - n}; /* NULL plus 0 is not defined */
}

/* Cuts s at the first c: the part before it is returned, *ret_rest is what follows (STR_NULL when
 * there is no c, and then the whole of s is returned). */
static inline struct str str_cut(struct str s, char c, struct str *ret_rest)
{
    const char *p = s.len ? (const char *)memchr(s.ptr, c, s.len) : NULL;
    if (!p) {
        *ret_rest = STR_NULL;
        return s;
    }
    size_t n = (size_t)(p - s.ptr);
    *ret_rest = (struct str){p + 1, s.len - n - 1};
    return (struct str){s.ptr, n};
}

/* Without the spaces and tabs at its ends. */
static inline struct str str_trim(struct str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = str_skip(s, 1);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Whether a is z, ASCII letters in either case. */
static inline bool str_is_word(struct str a, const char *z)
{
    return a.len == strlen(z) && (a.len == 0 || strncasecmp(a.ptr, z, a.len) == 0);
}

#endif
