/* SPDX-License-Identifier: Apache-2.0 */
/* Says why a text is not JSON in the words of Go's encoding/json, which clients compare. Runs only
 * after the parser refused. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json_priv.h"

enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, MEMBER_NEXT, ITEM_NEXT, NOTHING };

/* What was expected where the scan stopped; the index is an enum expect. */
static const char *const expectations[] = {
    [VALUE] = "looking for beginning of value",
    [VALUE_OR_END] = "looking for beginning of value",
    [KEY] = "looking for beginning of object key string",
    [KEY_OR_END] = "looking for beginning of object key string",
    [COLON] = "after object key",
    [MEMBER_NEXT] = "after object key:value pair",
    [ITEM_NEXT] = "after array element",
    [NOTHING] = "after top-level value",
};

struct scan {
    struct str text;
    size_t at;
    struct buf open; /* '{' and '[' of the containers around */
    const char *problem;
    bool in_word; /* inside a literal, a number or an escape: there Go takes the end for a space */
    char literal[64];
};

/* The character here is wrong (or missing). */
static bool wrong(struct scan *s, const char *problem)
{
    s->problem = problem;
    return false;
}

static bool wrong_word(struct scan *s, const char *problem)
{
    s->in_word = true;
    return wrong(s, problem);
}

static char here(const struct scan *s)
{
    return s->at < s->text.len ? s->text.ptr[s->at] : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct scan *s)
{
    s->at++;
    char c = here(s);
    if (!c || !strchr("bfnrt\\/\"u", c)) {
        return wrong_word(s, "in string escape code");
    }
    s->at++;
    for (int i = 0; c == 'u' && i < 4; i++, s->at++) {
        if (!is_hex(here(s))) {
            return wrong_word(s, "in \\u hexadecimal character escape");
        }
    }
    return true;
}

static bool scan_string(struct scan *s)
{
    s->at++;
    while (here(s) != '"' || s->at >= s->text.len) {
        if (s->at >= s->text.len || (unsigned char)here(s) < 0x20) {
            return wrong(s, "in string literal");
        }
        if (here(s) == '\\') {
            if (!scan_escape(s)) {
                return false;
            }
        } else {
            s->at++;
        }
    }
    s->at++;
    return true;
}

static bool scan_digits(struct scan *s, const char *problem)
{
    if (!is_digit(here(s))) {
        return wrong_word(s, problem);
    }
    while (is_digit(here(s))) {
        s->at++;
    }
    return true;
}

static bool scan_number(struct scan *s)
{
    s->at += here(s) == '-';
    if (here(s) == '0') {
        s->at++;
    } else if (!scan_digits(s, "in numeric literal")) {
        return false;
    }
    if (here(s) == '.') {
        s->at++;
        if (!scan_digits(s, "after decimal point in numeric literal")) {
            return false;
        }
    }
    if (here(s) == 'e' || here(s) == 'E') {
        s->at++;
        s->at += here(s) == '+' || here(s) == '-';
        return scan_digits(s, "in exponent of numeric literal");
    }
    return true;
}

static bool scan_literal(struct scan *s, const char *word)
{
    for (const char *p = word; *p; p++, s->at++) {
        if (here(s) != *p) {
            snprintf(s->literal, sizeof(s->literal), "in literal %s (expecting '%c')", word, *p);
            return wrong_word(s, s->literal);
        }
    }
    return true;
}

static enum expect after_value(const struct scan *s)
{
    if (!s->open.len) {
        return NOTHING;
    }
    return s->open.ptr[s->open.len - 1] == '{' ? MEMBER_NEXT : ITEM_NEXT;
}

static bool scan_value(struct scan *s, enum expect *e)
{
    char c = here(s);
    bool ok = true;
    if (c == '{' || c == '[') {
        buf_addc(&s->open, c);
        s->at++;
        *e = c == '{' ? KEY_OR_END : VALUE_OR_END;
        return true;
    }
    if (c == '"') {
        ok = scan_string(s);
    } else if (c == '-' || is_digit(c)) {
        ok = scan_number(s);
    } else if (c == 't' || c == 'f' || c == 'n') {
        ok = scan_literal(s, c == 't' ? "true" : c == 'f' ? "false" : "null");
    } else {
        return wrong(s, expectations[*e]);
    }
    *e = after_value(s);
    return ok;
}

/* Handles a character that closes, separates or begins a key. */
static bool scan_mark(struct scan *s, enum expect *e)
{
    char c = here(s);
    bool close = (c == '}' && (*e == KEY_OR_END || *e == MEMBER_NEXT)) ||
                 (c == ']' && (*e == VALUE_OR_END || *e == ITEM_NEXT));
    if (close) {
        s->open.len--;
        *e = after_value(s);
    } else if (c == '"' && (*e == KEY || *e == KEY_OR_END)) {
        *e = COLON;
        return scan_string(s);
    } else if (c == ':' && *e == COLON) {
        *e = VALUE;
    } else if (c == ',' && (*e == MEMBER_NEXT || *e == ITEM_NEXT)) {
        *e = *e == MEMBER_NEXT ? KEY : VALUE;
    } else {
        return wrong(s, expectations[*e]);
    }
    s->at++;
    return true;
}

static bool scan_all(struct scan *s)
{
    enum expect e = VALUE;
    for (;;) {
        while (s->at < s->text.len && strchr(" \t\r\n", here(s)) && here(s)) {
            s->at++;
        }
        if (s->at >= s->text.len) {
            return e == NOTHING || wrong(s, expectations[e]);
        }
        bool value = e == VALUE || (e == VALUE_OR_END && here(s) != ']');
        if (!(value ? scan_value(s, &e) : scan_mark(s, &e))) {
            return false;
        }
    }
}

/* As Go's strconv quotes the character with that number. */
static void quote_char(unsigned char c, char out[8])
{
    static const char names[] = "abtnvfr"; /* 7..13 */
    if (c == '\'' || c == '\\') {
        snprintf(out, 8, "\\%c", c);
    } else if (c >= 7 && c <= 13) {
        snprintf(out, 8, "\\%c", names[c - 7]);
    } else if (c < 0x20 || c == 0x7f) {
        snprintf(out, 8, "\\x%02x", c);
    } else if (c < 0x80) {
        snprintf(out, 8, "%c", c);
    } else if (c <= 0xa0 || c == 0xad) {
        snprintf(out, 8, "\\u%04x", c);
    } else {
        snprintf(out, 8, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    }
}

/* The text is well formed, yet was refused: a number out of range, as Go says it, or characters Go
 * would replace. */
static int explain_value(struct str text, const yyjson_read_err *why, struct err *err)
{
    struct str s = str_skip(text, why->pos);
    size_t n = 0;
    while (n < s.len && s.ptr[n] && strchr("0123456789+-.eE", s.ptr[n])) {
        n++;
    }
    if (why->code == YYJSON_READ_ERROR_INVALID_NUMBER && n && n < 1000) {
        return err_set(err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal number %.*s into Go value of type float64", (int)n,
                       s.ptr);
    }
    return err_set(err, ERR_BAD_REQUEST, "%s at byte %zu", why->msg ? why->msg : "not JSON",
                   why->pos);
}

int json_explain(struct str text, const yyjson_read_err *why, struct err *err)
{
    struct scan s = {.text = text};
    bool fine = scan_all(&s);
    buf_finish(&s.open);
    if (fine) {
        return explain_value(text, why, err);
    }
    bool ended = s.at >= text.len;
    if (ended && !s.in_word) {
        return err_set(err, ERR_BAD_REQUEST, "unexpected end of JSON input");
    }
    char c[8];
    quote_char(ended ? ' ' : (unsigned char)text.ptr[s.at], c);
    return err_set(err, ERR_BAD_REQUEST, "invalid character '%s' %s", c, s.problem);
}
