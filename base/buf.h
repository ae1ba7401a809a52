/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer with one owner. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* All zero is a valid empty buffer. */
struct buf {
    char *ptr;
    size_t len, cap;
};

void buf_finish(struct buf *b); /* as AUTO(buf_finish); leaves it empty and usable */
/* Makes room for n more bytes and returns where they go; the caller raises len. */
char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
void buf_addz(struct buf *b, const char *z);
/* Decimal. */
void buf_addi(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string, quotes included; what is not UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct str s);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->ptr, b->len};
}

#endif
