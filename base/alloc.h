/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts instead of failing (DESIGN: what a client sends never sizes one without a cap). */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

#include "base/str.h"

/* Never NULL; n may be 0. Released with free(). */
void *alloc_bytes(size_t n);
void *alloc_zero(size_t n);
/* As realloc; p may be NULL. */
void *alloc_resize(void *p, size_t n);
/* A NUL-terminated copy of s. Released with free(). */
char *alloc_strdup(const char *s);
char *alloc_str(struct str s);
/* A formatted string. Released with free(). */
char *alloc_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory for one T. */
#define ALLOC(T) ((T *)alloc_zero(sizeof(T)))

#endif
