/* SPDX-License-Identifier: Apache-2.0 */
/* resource.Quantity: reading and the canonical form. Amounts are counted in billionths; what is
 * finer is rounded up, as the reference does. */
#include "schemas/quantity.h"

#include <ctype.h>
#include <stdint.h>

#include "schemas/format.h"

__extension__ typedef __int128 wide;

static const char wrong_form[] =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
static const char wrong_suffix[] = "unable to parse quantity's suffix";

enum form { FORM_DECIMAL, FORM_BINARY, FORM_EXPONENT };

static const struct {
    const char *suffix;
    int exponent;
} decimal[] = {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0},   {"k", 3},
               {"M", 6},  {"G", 9},  {"T", 12}, {"P", 15}, {"E", 18}};
static const char *const binary[] = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

struct parts {
    bool negative;
    struct str whole, fraction, suffix;
};

static struct str take_digits(struct str *s)
{
    struct str d = {s->ptr, 0};
    while (d.len < s->len && isdigit((unsigned char)s->ptr[d.len])) {
        d.len++;
    }
    *s = str_skip(*s, d.len);
    return d;
}

static bool split(struct str s, struct parts *ret)
{
    bool sign = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    *ret = (struct parts){.negative = sign && s.ptr[0] == '-'};
    if (!s.len) {
        return false;
    }
    s = sign ? str_skip(s, 1) : s;
    ret->whole = take_digits(&s);
    if (s.len && s.ptr[0] == '.') {
        s = str_skip(s, 1);
        ret->fraction = take_digits(&s);
    }
    ret->suffix = s;
    size_t i = 0;
    while (i < s.len && strchr("eEinumkKMGTP", s.ptr[i]) && s.ptr[i]) {
        i++;
    }
    i += i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+');
    while (i < s.len && isdigit((unsigned char)s.ptr[i])) {
        i++;
    }
    return i == s.len;
}

static bool read_suffix(struct str s, enum form *ret_form, int *ret_exponent)
{
    for (size_t i = 0; i < sizeof(decimal) / sizeof(*decimal); i++) {
        if (str_is(s, decimal[i].suffix)) {
            *ret_form = FORM_DECIMAL;
            *ret_exponent = decimal[i].exponent;
            return true;
        }
    }
    for (int i = 0; i < 6; i++) {
        if (str_is(s, binary[i])) {
            *ret_form = FORM_BINARY;
            *ret_exponent = 10 * (i + 1);
            return true;
        }
    }
    if (s.len < 2 || (s.ptr[0] != 'e' && s.ptr[0] != 'E')) {
        return false;
    }
    bool sign = s.ptr[1] == '-' || s.ptr[1] == '+';
    struct str rest = str_skip(s, sign ? 2 : 1), digits = take_digits(&rest);
    if (!digits.len || rest.len || digits.len > 4) {
        return false;
    }
    int v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        v = v * 10 + (digits.ptr[i] - '0');
    }
    *ret_form = FORM_EXPONENT;
    *ret_exponent = s.ptr[1] == '-' ? -v : v;
    return true;
}

#define WIDE_MOST ((wide)1 << 120)

/* *v * by; false: too much. */
static bool multiply(wide *v, wide by)
{
    if (*v > WIDE_MOST / by) {
        return false;
    }
    *v *= by;
    return true;
}

/* The amount in billionths. False: it does not fit. */
static bool amount(const struct parts *p, enum form form, int exponent, wide *ret)
{
    wide v = 0;
    bool more = false;
    int scale = form == FORM_BINARY ? 0 : exponent;
    for (size_t i = 0; i < p->whole.len + p->fraction.len; i++) {
        bool whole = i < p->whole.len;
        char c = whole ? p->whole.ptr[i] : p->fraction.ptr[i - p->whole.len];
        if (!whole && scale - 1 < -40) {
            more = more || c != '0';
            continue;
        }
        if (!multiply(&v, 10)) {
            return false;
        }
        v += c - '0';
        scale -= !whole;
    }
    if (form == FORM_BINARY && !multiply(&v, (wide)1 << exponent)) {
        return false;
    }
    for (; scale > -9 && v; scale--) {
        if (!multiply(&v, 10)) {
            return false;
        }
    }
    for (; scale < -9; scale++) {
        more = more || v % 10;
        v /= 10;
    }
    *ret = v + more;
    return true;
}

static void put_wide(struct buf *b, wide v)
{
    char digits[40];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v);
    while (n) {
        buf_addc(b, digits[--n]);
    }
}

static void put_binary(struct buf *b, wide v)
{
    int power = 0;
    while (power < 6 && v % 1024 == 0) {
        v /= 1024;
        power++;
    }
    put_wide(b, v);
    buf_addz(b, power ? binary[power - 1] : "");
}

static void put_decimal(struct buf *b, wide nanos, enum form form)
{
    int exponent = -9;
    while (exponent < (form == FORM_EXPONENT ? 99 : 18) && nanos % 1000 == 0) {
        nanos /= 1000;
        exponent += 3;
    }
    put_wide(b, nanos);
    if (form == FORM_EXPONENT && exponent) {
        buf_printf(b, "e%d", exponent);
    } else if (form == FORM_DECIMAL) {
        buf_addz(b, decimal[exponent / 3 + 3].suffix);
    }
}

bool quantity_canonical(struct str s, struct buf *ret, const char **ret_why)
{
    struct parts p;
    enum form form = FORM_DECIMAL;
    int exponent = 0;
    wide nanos = 0;
    if (!split(s, &p)) {
        *ret_why = wrong_form;
        return false;
    }
    if (!read_suffix(p.suffix, &form, &exponent)) {
        *ret_why = wrong_suffix;
        return false;
    }
    if (!amount(&p, form, exponent, &nanos)) {
        buf_add(ret, s); /* too much to be rewritten */
        return true;
    }
    wide one = 1000000000;
    if (form == FORM_BINARY && (nanos < 1024 * one || nanos % one)) {
        form = FORM_DECIMAL;
    }
    if (p.negative && nanos) {
        buf_addc(ret, '-');
    }
    if (!nanos) {
        buf_addc(ret, '0');
    } else if (form == FORM_BINARY) {
        put_binary(ret, nanos / one);
    } else {
        put_decimal(ret, nanos, form);
    }
    return true;
}

bool format_is_quantity(struct str s)
{
    struct parts p;
    enum form form;
    int exponent;
    return split(s, &p) && read_suffix(p.suffix, &form, &exponent);
}
