/* SPDX-License-Identifier: Apache-2.0 */
/* Text as Go programs quote it in their messages. */
#include "base/quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/json_priv.h"
#include "base/utf8.h"

/* Ranges that strconv does not print as they are: controls, spaces but the plain one, format and
 * private-use characters. */
static const struct {
    uint32_t first, last;
} unprintable[] = {
    {0x00, 0x1f},     {0x7f, 0xa0},     {0xad, 0xad},       {0x61c, 0x61c},     {0x6dd, 0x6dd},
    {0x70f, 0x70f},   {0x1680, 0x1680}, {0x180e, 0x180e},   {0x2000, 0x200f},   {0x2028, 0x202f},
    {0x205f, 0x206f}, {0x3000, 0x3000}, {0xd800, 0xf8ff},   {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},
    {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0x1d173, 0x1d17a}, {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff},
};

static bool printable(uint32_t c)
{
    size_t low = 0, high = sizeof(unprintable) / sizeof(*unprintable);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > unprintable[mid].last) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low == sizeof(unprintable) / sizeof(*unprintable) || c < unprintable[low].first;
}

/* The character that s, which is valid for n bytes, begins with. */
static uint32_t decode(struct str s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | (p[i] & 0x3fU);
    }
    return c;
}

static void put_escaped(struct buf *b, uint32_t c)
{
    static const char names[] = "abtnvfr"; /* 7..13 */
    if (c == '"' || c == '\\') {
        buf_printf(b, "\\%c", (char)c);
    } else if (c >= 7 && c <= 13) {
        buf_printf(b, "\\%c", names[c - 7]);
    } else if (c < 0x80) {
        buf_printf(b, "\\x%02x", c);
    } else if (c < 0x10000) {
        buf_printf(b, "\\u%04x", c);
    } else {
        buf_printf(b, "\\U%08x", c);
    }
}

void quote_go(struct buf *b, struct str s)
{
    buf_addc(b, '"');
    while (s.len) {
        size_t n = utf8_length(s);
        if (!n) {
            buf_printf(b, "\\x%02x", (unsigned char)*s.ptr);
            s = str_skip(s, 1);
            continue;
        }
        uint32_t c = decode(s, n);
        if (c == '"' || c == '\\' || !printable(c)) {
            put_escaped(b, c);
        } else {
            buf_add(b, str_make(s.ptr, n));
        }
        s = str_skip(s, n);
    }
    buf_addc(b, '"');
}

static int key_order(const void *a, const void *b)
{
    return str_cmp(json_str(*(yyjson_mut_val *const *)a), json_str(*(yyjson_mut_val *const *)b));
}

yyjson_mut_val **json_sorted_keys(const yyjson_mut_val *obj)
{
    size_t n = yyjson_mut_obj_size(json_unconst(obj)), i = 0;
    yyjson_mut_val **keys = alloc_bytes(n * sizeof(yyjson_mut_val *));
    bool sorted = true;
    for (struct json_iter it = json_iter(obj); json_next(&it); i++) {
        keys[i] = it.key;
        sorted = sorted && (!i || key_order(&keys[i - 1], &keys[i]) < 0);
    }
    if (!sorted) {
        qsort(keys, n, sizeof(yyjson_mut_val *), key_order);
    }
    return keys;
}

static void put_sorted(struct buf *b, const yyjson_mut_val *v)
{
    if (yyjson_mut_is_obj(json_unconst(v))) {
        size_t n = yyjson_mut_obj_size(json_unconst(v));
        AUTO_FREE yyjson_mut_val **keys = json_sorted_keys(v);
        buf_addc(b, '{');
        for (size_t i = 0; i < n; i++) {
            buf_addz(b, i ? "," : "");
            json_write(b, keys[i]);
            buf_addc(b, ':');
            put_sorted(b, keys[i]->next);
        }
        buf_addc(b, '}');
    } else if (yyjson_mut_is_arr(json_unconst(v))) {
        buf_addc(b, '[');
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            buf_addz(b, it.index ? "," : "");
            put_sorted(b, it.val);
        }
        buf_addc(b, ']');
    } else {
        json_write(b, v);
    }
}

void quote_go_json(struct buf *b, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf plain = {0};
    put_sorted(&plain, v);
    for (size_t i = 0; i < plain.len; i++) {
        char c = plain.ptr[i];
        if (c == '<' || c == '>' || c == '&') {
            buf_printf(b, "\\u%04x", (unsigned)c);
        } else {
            buf_addc(b, c);
        }
    }
}
