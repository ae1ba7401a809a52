/* SPDX-License-Identifier: Apache-2.0 */
/* Slugs of titles, as Grafana makes them: letters that its table has (what was machiel/slugify)
 * become others, what is no letter, digit, _ or - goes or becomes its bytes in hexadecimal. */
#include <stdlib.h>

#include "base/crypto.h"
#include "base/utf8.h"
#include "services/dashboards/dashboards.h"

enum { SLUG_BYTES = 50 };

struct letter {
    uint32_t code;
    const char *text;
};

/* By code. What has capitals is here in lower case alone, which is made first. */
static const struct letter letters[] = {
    {0x0020, "-"},   {0x0026, "and"}, {0x0040, "at"}, {0x00a9, "c"},  {0x00ae, "r"},
    {0x00df, "ss"},  {0x00e0, "a"},   {0x00e1, "a"},  {0x00e2, "a"},  {0x00e3, "a"},
    {0x00e4, "a"},   {0x00e5, "a"},   {0x00e6, "ae"}, {0x00e7, "c"},  {0x00e8, "e"},
    {0x00e9, "e"},   {0x00ea, "e"},   {0x00eb, "e"},  {0x00ec, "i"},  {0x00ed, "i"},
    {0x00ee, "i"},   {0x00ef, "i"},   {0x00f2, "o"},  {0x00f3, "o"},  {0x00f4, "o"},
    {0x00f5, "o"},   {0x00f6, "o"},   {0x00f8, "o"},  {0x00f9, "u"},  {0x00fa, "u"},
    {0x00fb, "u"},   {0x00fc, "ue"},  {0x00fd, "y"},  {0x00fe, "p"},  {0x00ff, "y"},
    {0x0101, "a"},   {0x0103, "a"},   {0x0105, "a"},  {0x0107, "c"},  {0x0109, "c"},
    {0x010b, "c"},   {0x010d, "c"},   {0x010f, "d"},  {0x0111, "d"},  {0x0113, "e"},
    {0x0115, "e"},   {0x0117, "e"},   {0x0119, "e"},  {0x011b, "e"},  {0x011d, "g"},
    {0x011f, "g"},   {0x0121, "g"},   {0x0123, "g"},  {0x0125, "h"},  {0x0127, "h"},
    {0x0129, "i"},   {0x012b, "i"},   {0x012d, "i"},  {0x012f, "i"},  {0x0131, "i"},
    {0x0133, "ij"},  {0x0135, "j"},   {0x0137, "k"},  {0x0138, "k"},  {0x013a, "l"},
    {0x013c, "l"},   {0x013e, "l"},   {0x0140, "l"},  {0x0142, "l"},  {0x0144, "n"},
    {0x0146, "n"},   {0x0148, "n"},   {0x0149, "n"},  {0x014b, "n"},  {0x014d, "o"},
    {0x014f, "o"},   {0x0151, "o"},   {0x0153, "oe"}, {0x0155, "r"},  {0x0157, "r"},
    {0x0159, "r"},   {0x015b, "s"},   {0x015d, "s"},  {0x015f, "s"},  {0x0161, "s"},
    {0x0163, "t"},   {0x0165, "t"},   {0x0167, "t"},  {0x0169, "u"},  {0x016b, "u"},
    {0x016d, "u"},   {0x016f, "u"},   {0x0171, "u"},  {0x0173, "u"},  {0x0175, "w"},
    {0x0177, "y"},   {0x017a, "z"},   {0x017c, "z"},  {0x017e, "z"},  {0x017f, "z"},
    {0x0192, "f"},   {0x01a1, "o"},   {0x01b0, "u"},  {0x01ce, "a"},  {0x01d0, "i"},
    {0x01d2, "o"},   {0x01d4, "u"},   {0x01d6, "u"},  {0x01d8, "u"},  {0x01da, "u"},
    {0x01dc, "u"},   {0x01fb, "a"},   {0x01fd, "ae"}, {0x01ff, "o"},  {0x0259, "e"},
    {0x0430, "a"},   {0x0431, "b"},   {0x0432, "v"},  {0x0433, "g"},  {0x0434, "d"},
    {0x0435, "e"},   {0x0436, "zh"},  {0x0437, "z"},  {0x0438, "i"},  {0x0439, "j"},
    {0x043a, "k"},   {0x043b, "l"},   {0x043c, "m"},  {0x043d, "n"},  {0x043e, "o"},
    {0x043f, "p"},   {0x0440, "r"},   {0x0441, "s"},  {0x0442, "t"},  {0x0443, "u"},
    {0x0444, "f"},   {0x0445, "h"},   {0x0446, "c"},  {0x0447, "ch"}, {0x0448, "sh"},
    {0x0449, "sch"}, {0x044a, "-"},   {0x044b, "y"},  {0x044c, "-"},  {0x044d, "je"},
    {0x044e, "ju"},  {0x044f, "ja"},  {0x0451, "jo"}, {0x0454, "e"},  {0x0456, "i"},
    {0x0457, "i"},   {0x0491, "g"},   {0x05d0, "a"},  {0x05d1, "b"},  {0x05d2, "g"},
    {0x05d3, "d"},   {0x05d4, "h"},   {0x05d5, "v"},  {0x05d6, "z"},  {0x05d7, "h"},
    {0x05d8, "t"},   {0x05d9, "i"},   {0x05da, "k"},  {0x05db, "k"},  {0x05dc, "l"},
    {0x05dd, "m"},   {0x05de, "m"},   {0x05df, "n"},  {0x05e0, "n"},  {0x05e1, "s"},
    {0x05e2, "e"},   {0x05e3, "p"},   {0x05e4, "p"},  {0x05e5, "C"},  {0x05e6, "c"},
    {0x05e7, "q"},   {0x05e8, "r"},   {0x05e9, "w"},  {0x05ea, "t"},  {0x1ea1, "a"},
    {0x1ea3, "a"},   {0x1ea5, "a"},   {0x1ea7, "a"},  {0x1ea9, "a"},  {0x1eab, "a"},
    {0x1ead, "a"},   {0x1eaf, "a"},   {0x1eb1, "a"},  {0x1eb3, "a"},  {0x1eb5, "a"},
    {0x1eb7, "a"},   {0x1eb9, "e"},   {0x1ebb, "e"},  {0x1ebd, "e"},  {0x1ebf, "e"},
    {0x1ec1, "e"},   {0x1ec3, "e"},   {0x1ec5, "e"},  {0x1ec7, "e"},  {0x1ec9, "i"},
    {0x1ecb, "i"},   {0x1ecd, "o"},   {0x1ecf, "o"},  {0x1ed1, "o"},  {0x1ed3, "o"},
    {0x1ed5, "o"},   {0x1ed7, "o"},   {0x1ed9, "o"},  {0x1edb, "o"},  {0x1edd, "o"},
    {0x1edf, "o"},   {0x1ee5, "u"},   {0x1ee7, "u"},  {0x1ee9, "u"},  {0x1eeb, "u"},
    {0x1eed, "u"},   {0x1eef, "u"},   {0x1ef1, "u"},  {0x1ef3, "y"},  {0x1ef5, "y"},
    {0x1ef7, "y"},   {0x1ef9, "y"},   {0x2122, "tm"},
};

/* Capitals: from, to, step (2: every other code is one), and what makes them small. */
static const struct {
    uint32_t from, to, step;
    int32_t add;
} capitals[] = {
    {0x41, 0x5a, 1, 32},     {0xc0, 0xd6, 1, 32},        {0xd8, 0xde, 1, 32},
    {0x100, 0x12e, 2, 1},    {0x130, 0x130, 1, -199},    {0x132, 0x136, 2, 1},
    {0x139, 0x147, 2, 1},    {0x14a, 0x176, 2, 1},       {0x178, 0x178, 1, -121},
    {0x179, 0x17d, 2, 1},    {0x18f, 0x18f, 1, 202},     {0x1a0, 0x1a4, 2, 1},
    {0x1af, 0x1af, 1, 1},    {0x1cd, 0x1db, 2, 1},       {0x1de, 0x1ee, 2, 1},
    {0x1f8, 0x21e, 2, 1},    {0x222, 0x232, 2, 1},       {0x386, 0x386, 1, 38},
    {0x388, 0x38a, 1, 37},   {0x38c, 0x38c, 1, 64},      {0x38e, 0x38f, 1, 63},
    {0x391, 0x3a1, 1, 32},   {0x3a3, 0x3ab, 1, 32},      {0x400, 0x40f, 1, 80},
    {0x410, 0x42f, 1, 32},   {0x460, 0x480, 2, 1},       {0x48a, 0x4be, 2, 1},
    {0x4c1, 0x4cd, 2, 1},    {0x4d0, 0x52e, 2, 1},       {0x531, 0x556, 1, 48},
    {0x1e00, 0x1e94, 2, 1},  {0x1e9e, 0x1e9e, 1, -7615}, {0x1ea0, 0x1efe, 2, 1},
    {0xff21, 0xff3a, 1, 32},
};

static uint32_t small(uint32_t c)
{
    for (size_t i = 0; i < sizeof(capitals) / sizeof(*capitals); i++) {
        if (c >= capitals[i].from && c <= capitals[i].to &&
            (c - capitals[i].from) % capitals[i].step == 0) {
            return (uint32_t)((int32_t)c + capitals[i].add);
        }
    }
    return c;
}

static uint32_t decode(struct str s, size_t *ret_len)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = utf8_length(s);
    *ret_len = n ? n : 1;
    uint32_t c = n ? (unsigned char)s.ptr[0] & masks[n] : 0xfffd;
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
    }
    return c;
}

static size_t encode(uint32_t c, unsigned char out[4])
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        out[i] = (unsigned char)(0x80 | (c & 0x3f));
    }
    out[0] = (unsigned char)(marks[n] | c);
    return n;
}

static int compare_letters(const void *a, const void *b)
{
    uint32_t x = ((const struct letter *)a)->code, y = ((const struct letter *)b)->code;
    return (x > y) - (x < y);
}

static void add(struct buf *b, uint32_t c)
{
    static const char dropped[] = ",\"'\n\r?.()";
    const struct letter wanted = {.code = c};
    const struct letter *l = bsearch(&wanted, letters, sizeof(letters) / sizeof(*letters),
                                     sizeof(*letters), compare_letters);
    if (l) {
        buf_addz(b, l->text);
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-') {
        buf_addc(b, (char)c);
    } else if (c && !(c < 0x80 && memchr(dropped, (int)c, sizeof(dropped) - 1))) {
        unsigned char bytes[4];
        crypto_hex(b, bytes, encode(c, bytes));
    }
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str trimmed(struct str s)
{
    while (s.len && is_space(s.ptr[0])) {
        s = str_skip(s, 1);
    }
    while (s.len && is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

void dashboards_slug(struct buf *b, struct str title)
{
    size_t begun = b->len;
    for (struct str s = trimmed(title); s.len && b->len - begun <= SLUG_BYTES;) {
        size_t n;
        add(b, small(decode(s, &n)));
        s = str_skip(s, n);
    }
    if (b->len == begun || b->len - begun > SLUG_BYTES) {
        char uuid[37];
        crypto_uuid_of(title, uuid);
        b->len = begun;
        buf_addz(b, uuid);
    }
}
