/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of the network: addresses as Go's net and net/mail packages read them, URIs as net/url
 * does. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <strings.h>

#include "schemas/format.h"

static bool in_set(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_dotted(struct str s, bool lenient)
{
    for (int i = 0; i < 4; i++) {
        int v = 0;
        size_t n = 0;
        for (; n < s.len && isdigit((unsigned char)s.ptr[n]); n++) {
            v = v * 10 + (s.ptr[n] - '0');
            if (v > 255) {
                return false;
            }
        }
        if (!n || (!lenient && n > 1 && s.ptr[0] == '0') || (!lenient && n > 3)) {
            return false;
        }
        s = str_skip(s, n);
        if (i < 3) {
            if (!s.len || s.ptr[0] != '.') {
                return false;
            }
            s = str_skip(s, 1);
        }
    }
    return s.len == 0;
}

bool format_is_ip(struct str s, bool lenient)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (!s.len || s.len >= sizeof(text) || memchr(s.ptr, 0, s.len)) {
        return false;
    }
    if (!memchr(s.ptr, ':', s.len)) {
        return is_dotted(s, lenient);
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    return inet_pton(AF_INET6, text, &a) == 1;
}

bool format_is_cidr(struct str s)
{
    struct str bits, ip = str_cut(s, '/', &bits);
    if (!bits.len || !format_is_ip(ip, true)) {
        return false;
    }
    int n = 0;
    for (size_t i = 0; i < bits.len; i++) {
        if (!isdigit((unsigned char)bits.ptr[i]) || n > 128) {
            return false;
        }
        n = n * 10 + (bits.ptr[i] - '0');
    }
    return n <= (memchr(ip.ptr, ':', ip.len) ? 128 : 32);
}

/* Groups of `digits` hexadecimal digits parted by c. */
static bool hex_groups(struct str s, size_t digits, char c, size_t *ret_groups)
{
    size_t groups = 0;
    while (true) {
        for (size_t i = 0; i < digits; i++) {
            if (i >= s.len || !isxdigit((unsigned char)s.ptr[i])) {
                return false;
            }
        }
        s = str_skip(s, digits);
        groups++;
        if (!s.len) {
            *ret_groups = groups;
            return true;
        }
        if (s.ptr[0] != c) {
            return false;
        }
        s = str_skip(s, 1);
    }
}

bool format_is_mac(struct str s)
{
    size_t n = 0;
    if (s.len < 12) {
        return false;
    }
    if (in_set(s.ptr[2], ":-")) {
        return hex_groups(s, 2, s.ptr[2], &n) && (n == 6 || n == 8 || n == 20);
    }
    if (s.ptr[4] == '.') {
        return hex_groups(s, 4, '.', &n) && (n == 3 || n == 4 || n == 10);
    }
    return hex_groups(s, s.len, 0, &n) && (s.len == 12 || s.len == 16 || s.len == 40);
}

/* ---- URIs: url.ParseRequestURI ---- */

/* Percent signs are followed by two hexadecimal digits. */
static bool escapes_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%' && (i + 2 >= s.len || !isxdigit((unsigned char)s.ptr[i + 1]) ||
                                !isxdigit((unsigned char)s.ptr[i + 2]))) {
            return false;
        }
    }
    return true;
}

static bool port_valid(struct str s)
{
    if (!s.len) {
        return true;
    }
    if (s.ptr[0] != ':') {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        if (!isdigit((unsigned char)s.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool host_chars_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '%') {
            /* only bytes beyond ASCII may be escaped in a host */
            if (i + 2 >= s.len || !in_set(s.ptr[i + 1], "89abcdefABCDEF") ||
                !isxdigit((unsigned char)s.ptr[i + 2])) {
                return false;
            }
        } else if (c < 0x80 && !isalnum(c) && !in_set((char)c, "-_.~!$&'()*+,;=:[]<>\"")) {
            return false;
        }
    }
    return true;
}

/* An address in brackets, perhaps with a zone ("%25en0"), and what follows it. */
static bool literal_valid(struct str host)
{
    const char *close = memrchr(host.ptr, ']', host.len);
    if (!close) {
        return false;
    }
    struct str inner = str_make(host.ptr + 1, (size_t)(close - host.ptr) - 1);
    const char *zone = memmem(inner.ptr, inner.len, "%25", 3);
    struct str address = zone ? str_make(inner.ptr, (size_t)(zone - inner.ptr)) : inner;
    return port_valid(str_skip(host, inner.len + 2)) && address.len &&
           memchr(address.ptr, ':', address.len) && format_is_ip(address, false) &&
           (!zone || escapes_valid(str_skip(inner, address.len)));
}

/* web: a scheme of the web, where a host has one colon at most. */
static bool host_valid(struct str host, bool web)
{
    if (host.len && memchr(host.ptr, '[', host.len)) {
        return host.ptr[0] == '[' && literal_valid(host);
    }
    const char *colon = !host.len ? NULL
                        : web     ? memchr(host.ptr, ':', host.len)
                                  : memrchr(host.ptr, ':', host.len);
    return (!colon || port_valid(str_skip(host, (size_t)(colon - host.ptr)))) &&
           host_chars_valid(host);
}

static bool userinfo_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (!isalnum(c) && !in_set((char)c, "-._:~!$&'()*+,;=%@")) {
            return false;
        }
    }
    return escapes_valid(s);
}

static bool authority_valid(struct str s, bool web)
{
    const char *at = s.len ? memrchr(s.ptr, '@', s.len) : NULL;
    size_t n = at ? (size_t)(at - s.ptr) : 0;
    return (!at || userinfo_valid(str_make(s.ptr, n))) &&
           host_valid(at ? str_skip(s, n + 1) : s, web);
}

/* The length of a scheme that s begins with, without the colon: 0 none, -1 a colon with nothing
 * before it. */
static long scheme_length(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == ':') {
            return i ? (long)i : -1;
        }
        if (!isalpha(c) && !(i && (isdigit(c) || in_set((char)c, "+-.")))) {
            return 0;
        }
    }
    return 0;
}

bool format_is_uri(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    if (!s.len || str_is(s, "*")) {
        return s.len > 0;
    }
    long scheme = scheme_length(s);
    if (scheme < 0) {
        return false;
    }
    struct str rest = scheme ? str_skip(s, (size_t)scheme + 1) : s, query;
    rest = str_cut(rest, '?', &query);
    if (!str_starts(rest, STR("/"))) {
        return scheme > 0;
    }
    if (scheme && str_starts(rest, STR("//"))) {
        struct str path, authority = str_cut(str_skip(rest, 2), '/', &path);
        bool web = (scheme == 4 || scheme == 5) && strncasecmp(s.ptr, "https", (size_t)scheme) == 0;
        return authority_valid(authority, web) && escapes_valid(path);
    }
    return escapes_valid(rest);
}

/* ---- e-mail addresses: mail.ParseAddress ---- */

static void skip_space(struct str *s)
{
    while (s->len && in_set(s->ptr[0], " \t")) {
        *s = str_skip(*s, 1);
    }
}

/* White space and comments in parentheses. */
static bool skip_cfws(struct str *s)
{
    skip_space(s);
    while (s->len && s->ptr[0] == '(') {
        size_t depth = 0, i = 0;
        for (; i < s->len; i++) {
            char c = s->ptr[i];
            if (c == '\\' && i + 1 < s->len) {
                i++;
            } else if (c == '(') {
                depth++;
            } else if (c == ')' && --depth == 0) {
                break;
            }
        }
        if (i >= s->len) {
            return false;
        }
        *s = str_skip(*s, i + 1);
        skip_space(s);
    }
    return true;
}

static bool is_atom_char(char c, bool dot)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || isalnum(u) || in_set(c, "!#$%&'*+-/=?^_`{|}~") || (dot && c == '.');
}

/* An atom; dots: with single dots inside (loose: dots anywhere). */
static bool take_atom(struct str *s, bool dots, bool loose)
{
    size_t n = 0;
    while (n < s->len && is_atom_char(s->ptr[n], dots)) {
        n++;
    }
    struct str atom = str_make(s->ptr, n);
    bool bad = n && !loose &&
               (atom.ptr[0] == '.' || atom.ptr[n - 1] == '.' || memmem(atom.ptr, n, "..", 2));
    if (!n || bad) {
        return false;
    }
    *s = str_skip(*s, n);
    return true;
}

static bool take_quoted(struct str *s)
{
    for (size_t i = 1; i < s->len; i++) {
        unsigned char c = (unsigned char)s->ptr[i];
        if (c == '"') {
            *s = str_skip(*s, i + 1);
            return true;
        }
        if (c == '\\') {
            i++;
        } else if (c < ' ' && c != '\t') {
            return false;
        }
    }
    return false;
}

static bool take_domain(struct str *s)
{
    if (!s->len || s->ptr[0] != '[') {
        return take_atom(s, true, false);
    }
    const char *close = memchr(s->ptr, ']', s->len);
    if (!close) {
        return false;
    }
    struct str literal = str_make(s->ptr + 1, (size_t)(close - s->ptr) - 1);
    *s = str_skip(*s, literal.len + 2);
    return format_is_ip(literal, false);
}

static bool take_addr_spec(struct str *s)
{
    struct str v = *s;
    skip_space(&v);
    if (!v.len || !(v.ptr[0] == '"' ? v.len > 2 && take_quoted(&v) : take_atom(&v, true, false))) {
        return false;
    }
    if (!v.len || v.ptr[0] != '@') {
        return false;
    }
    v = str_skip(v, 1);
    skip_space(&v);
    if (!take_domain(&v)) {
        return false;
    }
    *s = v;
    return true;
}

bool format_is_email(struct str s)
{
    struct str v = s;
    skip_space(&s);
    if (take_addr_spec(&v)) {
        return skip_cfws(&v) && !v.len;
    }
    /* a display name before an address in angle brackets */
    while (s.len && s.ptr[0] != '<') {
        if (!(s.ptr[0] == '"' ? take_quoted(&s) : take_atom(&s, true, true)) || !skip_cfws(&s)) {
            return false;
        }
    }
    if (!s.len) {
        return false;
    }
    s = str_skip(s, 1);
    if (!take_addr_spec(&s) || !s.len || s.ptr[0] != '>') {
        return false;
    }
    s = str_skip(s, 1);
    return skip_cfws(&s) && !s.len;
}
