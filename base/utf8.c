/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 checks. */
#include "base/utf8.h"

#include <stdint.h>

size_t utf8_length(struct str s)
{
    if (!s.len) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (p[0] < 0x80) {
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < n) {
        return 0;
    }
    uint32_t c = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3fU);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

bool utf8_valid(struct str s)
{
    while (s.len) {
        size_t n = utf8_length(s);
        if (!n) {
            return false;
        }
        s = str_skip(s, n);
    }
    return true;
}

size_t utf8_count(struct str s)
{
    size_t count = 0;
    while (s.len) {
        size_t n = utf8_length(s);
        s = str_skip(s, n ? n : 1);
        count++;
    }
    return count;
}

void utf8_repair(struct buf *b, struct str s)
{
    while (s.len) {
        size_t n = utf8_length(s);
        buf_add(b, n ? str_make(s.ptr, n) : STR("\xef\xbf\xbd"));
        s = str_skip(s, n ? n : 1);
    }
}
