/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer with one owner. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

void buf_finish(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){0};
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (!b->ptr || b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        while (cap - b->len < n) {
            cap *= 2;
        }
        b->ptr = alloc_resize(b->ptr, cap);
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_add(struct buf *b, struct str s)
{
    if (s.len) {
        memcpy(buf_reserve(b, s.len), s.ptr, s.len);
        b->len += s.len;
    }
}

void buf_addc(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->len++;
}

void buf_addz(struct buf *b, const char *z)
{
    buf_add(b, str_from(z));
}

void buf_addi(struct buf *b, int64_t v)
{
    char tmp[24];
    size_t at = sizeof(tmp);
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        tmp[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0) {
        tmp[--at] = '-';
    }
    buf_add(b, str_make(tmp + at, sizeof(tmp) - at));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        abort();
    }
    vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
}

/* Writes c, which may not stand as it is in JSON text, to p; returns the bytes written, at most 6.
 */
static size_t put_escaped(char *p, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[] = "btn\0fr"; /* 8..13; there is no \v */
    if (c >= 0x80) {
        memcpy(p, "\xef\xbf\xbd", 3);
        return 3;
    }
    bool quoted = c == '"' || c == '\\';
    p[0] = '\\';
    if (quoted || (c >= 8 && c <= 13 && names[c - 8])) {
        p[1] = quoted ? (char)c : names[c - 8];
        return 2;
    }
    memcpy(p + 1, "u00", 3);
    p[4] = hex[c >> 4];
    p[5] = hex[c & 15];
    return 6;
}

/* Whether any of the 8 bytes needs a look: a control, a quote, a backslash, or not ASCII. */
static bool any_special(const char *p)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
    return (w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & tops;
}

/* Bytes at the front of s that JSON text takes as they are. */
static size_t plain_length(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        if (s.len - i >= 8 && !any_special(s.ptr + i)) {
            i += 8;
            continue;
        }
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = c < 0x80 ? c >= 0x20 && c != '"' && c != '\\' : utf8_length(str_skip(s, i));
        if (!n) {
            break;
        }
        i += n;
    }
    return i;
}

void buf_add_json(struct buf *b, struct str s)
{
    buf_addc(b, '"');
    while (s.len) {
        size_t n = plain_length(s);
        char *p = buf_reserve(b, n + 8);
        memcpy(p, s.ptr, n);
        b->len += n;
        s = str_skip(s, n);
        if (s.len) {
            b->len += put_escaped(p + n, (unsigned char)*s.ptr);
            s = str_skip(s, 1);
        }
    }
    buf_addc(b, '"');
}
