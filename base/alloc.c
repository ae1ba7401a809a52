/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts instead of failing. */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *checked(void *p, size_t n)
{
    if (!p) {
        fprintf(stderr, "out of memory: %zu bytes\n", n);
        abort();
    }
    return p;
}

void *alloc_bytes(size_t n)
{
    return checked(malloc(n ? n : 1), n);
}

void *alloc_zero(size_t n)
{
    return checked(calloc(1, n ? n : 1), n);
}

void *alloc_resize(void *p, size_t n)
{
    return checked(realloc(p, n ? n : 1), n);
}

char *alloc_strdup(const char *s)
{
    return alloc_str(str_from(s));
}

char *alloc_str(struct str s)
{
    char *p = alloc_bytes(s.len + 1);
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    p[s.len] = 0;
    return p;
}

char *alloc_printf(const char *fmt, ...)
{
    va_list ap;
    char *p = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : p, 0);
}
