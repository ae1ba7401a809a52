/* SPDX-License-Identifier: Apache-2.0 */
/* What plain YAML scalars mean: YAML 1.1 with the readings of Go's yaml package, which
 * sigs.k8s.io/yaml uses. */
#include "base/yaml_priv.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json_priv.h"

/* Words with a meaning: each group's spellings, and what to make of them. */
static const struct {
    const char *words[8];
    enum { WORD_NULL, WORD_TRUE, WORD_FALSE, WORD_NAN, WORD_INF, WORD_MINUS_INF } means;
} words[] = {
    {{"", "~", "null", "Null", "NULL"}, WORD_NULL},
    {{"y", "Y", "yes", "Yes", "YES"}, WORD_TRUE},
    {{"true", "True", "TRUE", "on", "On", "ON"}, WORD_TRUE},
    {{"n", "N", "no", "No", "NO"}, WORD_FALSE},
    {{"false", "False", "FALSE", "off", "Off", "OFF"}, WORD_FALSE},
    {{".nan", ".NaN", ".NAN"}, WORD_NAN},
    {{".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}, WORD_INF},
    {{"-.inf", "-.Inf", "-.INF"}, WORD_MINUS_INF},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void set_word(yyjson_mut_val *v, int means)
{
    switch (means) {
    case WORD_NULL:
        unsafe_yyjson_set_null(v);
        break;
    case WORD_TRUE:
    case WORD_FALSE:
        unsafe_yyjson_set_bool(v, means == WORD_TRUE);
        break;
    case WORD_NAN:
        unsafe_yyjson_set_real(v, (double)NAN);
        break;
    default:
        unsafe_yyjson_set_real(v, means == WORD_INF ? HUGE_VAL : -HUGE_VAL);
    }
}

static bool resolve_word(struct str s, yyjson_mut_val *ret)
{
    if (s.len > 5) {
        return false;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        for (const char *const *w = words[i].words; w < words[i].words + 8 && *w; w++) {
            if (str_is(s, *w)) {
                set_word(ret, words[i].means);
                return true;
            }
        }
    }
    return false;
}

/* The base that a number's prefix names (0x, 0o, 0b, 0); *s loses the prefix. */
static unsigned take_base(struct str *s)
{
    if (s->len < 2 || s->ptr[0] != '0') {
        return 10;
    }
    char c = s->ptr[1];
    unsigned base = c == 'x' || c == 'X'   ? 16
                    : c == 'o' || c == 'O' ? 8
                    : c == 'b' || c == 'B' ? 2
                                           : 0;
    *s = str_skip(*s, base ? 2 : 1);
    return base ? base : 8;
}

/* An integer without underscores that fits int64 or uint64. */
static bool resolve_int(struct str s, yyjson_mut_val *ret)
{
    bool negative = s.len && s.ptr[0] == '-';
    bool sign = negative || (s.len && s.ptr[0] == '+');
    s = str_skip(s, sign);
    unsigned base = take_base(&s);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        unsigned d = is_digit(c)            ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 16;
        if (d >= base || v > (UINT64_MAX - d) / base) {
            return false;
        }
        v = v * base + d;
    }
    bool fits = negative ? v <= (uint64_t)INT64_MAX + 1 : !sign || v <= INT64_MAX;
    if (!s.len || !fits) {
        return false;
    }
    if (negative && v) {
        unsafe_yyjson_set_sint(ret, (int64_t)(0 - v));
    } else {
        unsafe_yyjson_set_uint(ret, v);
    }
    return true;
}

static size_t skip_digits(struct str s, size_t i)
{
    while (i < s.len && is_digit(s.ptr[i])) {
        i++;
    }
    return i;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(struct str s)
{
    size_t i = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    size_t whole = skip_digits(s, i);
    bool any = whole > i;
    i = whole;
    if (i < s.len && s.ptr[i] == '.') {
        size_t end = skip_digits(s, i + 1);
        any = any || end > i + 1;
        i = end;
    }
    if (any && i < s.len && (s.ptr[i] == 'e' || s.ptr[i] == 'E')) {
        i++;
        i += i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+');
        size_t end = skip_digits(s, i);
        any = end > i;
        i = end;
    }
    return any && i == s.len;
}

/* text is NUL-terminated. What a double cannot hold stays a string. */
static bool resolve_float(struct str text, yyjson_mut_val *ret)
{
    if (!is_float(text)) {
        return false;
    }
    double d = strtod(text.ptr, NULL);
    if (!isfinite(d)) {
        return false;
    }
    unsafe_yyjson_set_real(ret, d);
    return true;
}

/* Underscores may stand anywhere in a number, except in one that begins with its point. */
static bool resolve_number(struct str s, yyjson_mut_val *ret)
{
    char small[64];
    AUTO_FREE char *large = s.len < sizeof(small) ? NULL : alloc_bytes(s.len + 1);
    char *text = large ? large : small;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '_' || s.ptr[0] == '.') {
            text[n++] = s.ptr[i];
        }
    }
    text[n] = 0;
    return (s.ptr[0] != '.' && resolve_int(str_make(text, n), ret)) ||
           resolve_float(str_make(text, n), ret);
}

void yaml_resolve(struct str s, yyjson_mut_val *ret)
{
    char c = s.len ? s.ptr[0] : '~';
    bool number = is_digit(c) || c == '+' || c == '-' || c == '.';
    bool found = (number || strchr("yYnNtTfFoO~", c)) && resolve_word(s, ret);
    if (!found && number) {
        found = resolve_number(s, ret);
        if (found) {
            json_normalise_number(ret);
        }
    }
    if (!found) {
        unsafe_yyjson_set_strn(ret, s.ptr ? s.ptr : "", s.len);
    }
}

/* 2001-12-14, alone or with a time behind it. */
static bool is_timestamp(struct str s)
{
    size_t year = skip_digits(s, 0);
    if (year != 4 || s.len < 8 || s.ptr[4] != '-') {
        return false;
    }
    size_t month = skip_digits(s, 5);
    if (month == 5 || month > 7 || month >= s.len || s.ptr[month] != '-') {
        return false;
    }
    size_t day = skip_digits(s, month + 1);
    if (day == month + 1 || day > month + 3) {
        return false;
    }
    return day == s.len || s.ptr[day] == 'T' || s.ptr[day] == 't' || s.ptr[day] == ' ';
}

/* 190:20:30, which YAML 1.1 reads in base 60: [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
static bool is_base60(struct str s)
{
    size_t i = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    if (i >= s.len || !is_digit(s.ptr[i])) {
        return false;
    }
    while (i < s.len && (is_digit(s.ptr[i]) || s.ptr[i] == '_')) {
        i++;
    }
    bool parts = false;
    while (i < s.len && s.ptr[i] == ':') {
        size_t end = skip_digits(s, i + 1);
        size_t n = end - i - 1;
        if (n == 0 || n > 2 || (n == 2 && s.ptr[i + 1] > '5')) {
            return false;
        }
        parts = true;
        i = end;
    }
    if (parts && i < s.len && s.ptr[i] == '.') {
        i++;
        while (i < s.len && (is_digit(s.ptr[i]) || s.ptr[i] == '_')) {
            i++;
        }
    }
    return parts && i == s.len;
}

bool yaml_must_quote(struct str s)
{
    yyjson_mut_val v;
    yaml_resolve(s, &v);
    return !unsafe_yyjson_is_str(&v) || is_timestamp(s) || is_base60(s) || str_is(s, "<<");
}

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* The digits of s from at on as a number, cut off where it would overflow. */
static uint64_t number_at(struct str s, size_t at, size_t *ret_end)
{
    uint64_t v = 0;
    *ret_end = skip_digits(s, at);
    for (size_t i = at; i < *ret_end && v < UINT64_MAX / 16; i++) {
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    return v;
}

int yaml_key_order(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len, i = 0;
    while (i < n && a.ptr[i] == b.ptr[i]) {
        i++;
    }
    if (i == n) {
        return (a.len > b.len) - (a.len < b.len);
    }
    unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
    if (is_letter(x) || is_letter(y)) {
        return is_letter(x) && is_letter(y) ? x - y : is_letter(x) - is_letter(y);
    }
    size_t start = i; /* numbers are compared as a whole, from the digits they share */
    while (start && is_digit(a.ptr[start - 1])) {
        start--;
    }
    if (is_digit((char)x) && is_digit((char)y)) {
        size_t a_end, b_end;
        uint64_t p = number_at(a, start, &a_end), q = number_at(b, start, &b_end);
        if (p != q) {
            return p < q ? -1 : 1;
        }
        if (a_end != b_end) {
            return a_end < b_end ? -1 : 1;
        }
    }
    return is_digit((char)x) != is_digit((char)y) ? is_digit((char)x) - is_digit((char)y) : x - y;
}
