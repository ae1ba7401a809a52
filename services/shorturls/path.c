/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths a short URL may lead to: none that takes a browser away from where it is. */
#include "services/shorturls/shorturls.h"

#define INVALID "invalid short URL path"

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

static bool holds(struct str s, const char *part, size_t n)
{
    return s.len >= n && memmem(s.ptr, s.len, part, n);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* As `javascript:` (RFC 3986, 3.1). */
static bool has_scheme(struct str s)
{
    size_t i = 0;
    while (i < s.len &&
           (is_letter(s.ptr[i]) || (i && ((s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '+' ||
                                          s.ptr[i] == '-' || s.ptr[i] == '.')))) {
        i++;
    }
    return i && i < s.len && s.ptr[i] == ':';
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

const char *shorturls_path_fault(struct str path)
{
    struct str p = trimmed(path);
    if (has_control(path)) {
        return INVALID ": control characters are not allowed";
    }
    if (holds(p, "../", 3) || holds(p, "..\\", 3)) {
        return INVALID ": it may not lead upwards";
    }
    if (str_starts(p, STR("//")) || str_starts(p, STR("\\")) || str_starts(p, STR("/\\")) ||
        holds(p, "://", 3) || has_scheme(p)) {
        return INVALID ": it may not lead to another server";
    }
    return str_starts(p, STR("/")) ? "path should be relative" : NULL;
}

void shorturls_escape(struct buf *b, struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c)) {
            buf_printf(b, "%%%02X", c);
        } else {
            buf_addc(b, (char)c);
        }
    }
}
