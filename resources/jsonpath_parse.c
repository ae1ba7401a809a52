/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of a path, with what kubectl's parser accepts between braces. Two things are its own
 * ways: a name in single quotes inside brackets is parsed as a field (a dot in it is escaped with a
 * backslash), and brackets end at the first "]". A name in double quotes is taken as it is. */
#include "resources/jsonpath_priv.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "resources/tree_priv.h"

#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 8 };

struct reader {
    struct arena *a;
    struct str left;
    struct jsonpath *path;
    int depth;
    struct err *err;
};

static int parse_into(struct arena *a, struct str text, int depth, struct jsonpath **ret,
                      struct err *err);

static int fault(struct reader *r, const char *what, struct str more)
{
    return err_set(r->err, ERR_BAD_REQUEST, "%s%.*s", what, STR_FMT(more));
}

static struct step *add_step(struct reader *r, enum step_kind kind)
{
    struct step *s = ARENA_NEW(r->a, struct step);
    s->kind = kind;
    r->path->simple = r->path->simple && kind == STEP_FIELD;
    *r->path->end = s;
    r->path->end = &s->next;
    return s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool ends_word(char c)
{
    return memchr(" \t\r\n.,[]$@{}", c, 12) != NULL;
}

/* Takes n characters. */
static struct str take_text(struct reader *r, size_t n)
{
    struct str s = str_make(r->left.ptr, n);
    r->left = str_skip(r->left, n);
    return s;
}

/* What stands up to the next terminator, with backslashes taken away. */
static struct str take_word(struct reader *r)
{
    size_t n = 0, len = 0;
    while (n < r->left.len && !ends_word(r->left.ptr[n])) {
        n += r->left.ptr[n] == '\\' && n + 1 < r->left.len ? 2 : 1;
    }
    struct str raw = take_text(r, n);
    char *out = arena_alloc(r->a, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (raw.ptr[i] != '\\') {
            out[len++] = raw.ptr[i];
        }
    }
    out[len] = '\0';
    return str_make(out, len);
}

static void add_field(struct reader *r)
{
    bool wild = str_starts(r->left, STR("*")) && (r->left.len == 1 || ends_word(r->left.ptr[1]));
    struct str name = take_word(r);
    if (wild) {
        add_step(r, STEP_WILDCARD);
    } else {
        add_step(r, STEP_FIELD)->name = name;
    }
}

static int parse_number(struct reader *r)
{
    size_t n = r->left.ptr[0] == '+' || r->left.ptr[0] == '-' ? 1 : 0;
    bool real = false;
    while (n < r->left.len && (is_digit(r->left.ptr[n]) || r->left.ptr[n] == '.')) {
        real = real || r->left.ptr[n] == '.';
        n++;
    }
    struct str raw = take_text(r, n);
    const char *z = arena_str(r->a, raw).ptr;
    char *end;
    struct step *s = add_step(r, STEP_VALUE);
    if (real) {
        unsafe_yyjson_set_real(&s->value, strtod(z, &end));
    } else {
        unsafe_yyjson_set_sint(&s->value, strtoll(z, &end, 10));
    }
    return end == z + n && n > (size_t)(z[0] == '+' || z[0] == '-')
               ? 0
               : fault(r, "cannot parse number ", raw);
}

static void add_code_point(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_addc(b, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    buf_addc(b, (char)(first[more] | c >> 6 * more));
    while (more--) {
        buf_addc(b, (char)(0x80 | (c >> 6 * more & 0x3f)));
    }
}

/* One escape of a Go string behind its backslash; how many characters it took, 0: it is none. */
static size_t add_escape(struct buf *b, struct str s)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *known = s.len && s.ptr[0] ? strchr(from, s.ptr[0]) : NULL;
    if (known) {
        buf_addc(b, to[known - from]);
        return 1;
    }
    size_t digits = s.len == 0        ? 0
                    : s.ptr[0] == 'x' ? 2
                    : s.ptr[0] == 'u' ? 4
                    : s.ptr[0] == 'U' ? 8
                                      : 0;
    uint32_t c = 0;
    if (!digits || s.len < digits + 1) {
        return 0;
    }
    for (size_t i = 1; i <= digits; i++) {
        static const char hex[] = "0123456789abcdef";
        const char *p = s.ptr[i] ? strchr(hex, s.ptr[i] | 0x20) : NULL;
        if (!p) {
            return 0;
        }
        c = c << 4 | (uint32_t)(p - hex);
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        return 0;
    }
    if (digits == 2) {
        buf_addc(b, (char)c);
    } else {
        add_code_point(b, c);
    }
    return digits + 1;
}

/* A text in quotes, which its first character opens. */
static int parse_quote(struct reader *r)
{
    AUTO(buf_finish) struct buf b = {0};
    char quote = r->left.ptr[0];
    size_t i = 1;
    while (i < r->left.len && r->left.ptr[i] != quote && r->left.ptr[i] != '\n') {
        if (r->left.ptr[i] != '\\') {
            buf_addc(&b, r->left.ptr[i++]);
            continue;
        }
        size_t n = add_escape(&b, str_skip(r->left, i + 1));
        if (!n) {
            return fault(r, "invalid escape in quoted string ", r->left);
        }
        i += n + 1;
    }
    if (i >= r->left.len || r->left.ptr[i] != quote) {
        return fault(r, "unterminated quoted string", STR_NULL);
    }
    r->left = str_skip(r->left, i + 1);
    struct str text = arena_str(r->a, b.ptr ? buf_str(&b) : STR(""));
    struct step *s = add_step(r, STEP_VALUE);
    unsafe_yyjson_set_strn(&s->value, text.ptr, text.len);
    return 0;
}

/* ---- brackets ---- */

static bool parse_bound(struct str s, int64_t *ret)
{
    int64_t v = 0;
    bool negative = s.len && s.ptr[0] == '-';
    s = str_skip(s, negative);
    if (!s.len || s.len > 9) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i])) {
            return false;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = negative ? -v : v;
    return true;
}

/* [n], [from:to], [from:to:step], each part of which may be left out. */
static int add_slice(struct reader *r, struct str text)
{
    struct step *s = add_step(r, STEP_SLICE);
    struct str rest = text;
    for (size_t i = 0; i < 3; i++) {
        bool given = rest.ptr != NULL;
        struct str part = given ? str_cut(rest, ':', &rest) : STR("");
        struct bound *b = &s->bounds[i];
        if (part.len) {
            b->known = true;
            if (!parse_bound(part, &b->value)) {
                return fault(r, "invalid array index ", text);
            }
        } else if (i == 1 && !given) {
            *b = (struct bound){true, true, s->bounds[0].value + 1};
        }
    }
    return rest.ptr ? fault(r, "invalid array index ", text) : 0;
}

static struct str trim(struct str s)
{
    while (s.len && s.ptr[0] == ' ') {
        s = str_skip(s, 1);
    }
    while (s.len && s.ptr[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

static int add_union(struct reader *r, struct str text)
{
    struct step *s = add_step(r, STEP_UNION);
    struct jsonpath **end = &s->parts;
    for (struct str rest = text; rest.ptr;) {
        struct str part = trim(str_cut(rest, ',', &rest));
        char *wrapped = arena_printf(r->a, "[%.*s]", STR_FMT(part));
        int rc = parse_into(r->a, str_from(wrapped), r->depth + 1, end, r->err);
        if (rc) {
            return rc;
        }
        end = &(*end)->also;
    }
    return 0;
}

static bool is_quoted(struct str s, char quote)
{
    return s.len >= 2 && s.ptr[0] == quote && s.ptr[s.len - 1] == quote &&
           !memchr(s.ptr + 1, quote, s.len - 2);
}

/* Splices the steps of another path in. */
static int add_path(struct reader *r, struct str text)
{
    struct jsonpath *p;
    int rc = parse_into(r->a, text, r->depth + 1, &p, r->err);
    if (rc == 0 && p->first) {
        *r->path->end = p->first;
        r->path->end = p->end;
        r->path->simple = r->path->simple && p->simple;
    }
    return rc;
}

static int parse_brackets(struct reader *r)
{
    const char *close = memchr(r->left.ptr, ']', r->left.len);
    const char *line = memchr(r->left.ptr, '\n', r->left.len);
    if (!close || (line && line < close)) {
        return fault(r, "unterminated array", STR_NULL);
    }
    struct str text = str_make(r->left.ptr + 1, (size_t)(close - r->left.ptr) - 1);
    r->left = str_skip(r->left, text.len + 2);
    if (is_quoted(text, '"')) {
        add_step(r, STEP_FIELD)->name = arena_str(r->a, str_make(text.ptr + 1, text.len - 2));
        return 0;
    }
    if (memchr(text.ptr, ',', text.len)) {
        return add_union(r, text);
    }
    if (is_quoted(text, '\'')) {
        char *field = arena_printf(r->a, ".%.*s", (int)(text.len - 2), text.ptr + 1);
        return add_path(r, str_from(field));
    }
    return add_slice(r, str_is(text, "*") ? STR(":") : text);
}

/* ---- filters ---- */

/* Where the ")" is that ends the filter: outside of the one quoted text it may hold. */
static size_t filter_end(struct str s)
{
    char quote = 0;
    bool closed = false;
    for (size_t i = 0; i < s.len && s.ptr[i] != '\n'; i++) {
        char c = s.ptr[i];
        if ((c == '"' || c == '\'') && !quote) {
            quote = c;
        } else if (c == quote && i && s.ptr[i - 1] != '\\') {
            closed = true;
        } else if (c == ')' && (quote != 0) == closed) {
            return i;
        }
    }
    return s.len;
}

static bool is_comparison(char c)
{
    return c == '!' || c == '<' || c == '>' || c == '=';
}

static enum compare compare_of(struct str s)
{
    static const char *const names[] = {"", "==", "!=", "<", "<=", ">", ">="};
    for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++) {
        if (str_is(s, names[i])) {
            return (enum compare)i;
        }
    }
    return COMPARE_BAD;
}

/* "[?(LEFT OP RIGHT)]" or "[?(LEFT)]", which asks whether there is one. */
static int parse_filter(struct reader *r)
{
    r->left = str_skip(r->left, 3);
    size_t n = filter_end(r->left);
    if (n + 1 >= r->left.len || r->left.ptr[n + 1] != ']') {
        return fault(r, "unterminated filter", STR_NULL);
    }
    struct str text = str_make(r->left.ptr, n);
    r->left = str_skip(r->left, n + 2);
    size_t at = 0, len = 0;
    while (at < n && !is_comparison(text.ptr[at])) {
        at++;
    }
    while (at + len < n && is_comparison(text.ptr[at + len])) {
        len++;
    }
    if (at + len == n && len > 1) {
        len--; /* something must be left to compare with */
    }
    struct step *s = add_step(r, STEP_FILTER);
    if (!at || !len || at + len == n) {
        return parse_into(r->a, text, r->depth + 1, &s->left, r->err);
    }
    s->compare = compare_of(str_make(text.ptr + at, len));
    int rc = parse_into(r->a, str_make(text.ptr, at), r->depth + 1, &s->left, r->err);
    return rc ? rc : parse_into(r->a, str_skip(text, at + len), r->depth + 1, &s->right, r->err);
}

/* ---- the whole ---- */

static int parse_recursive(struct reader *r, bool after_another)
{
    if (after_another) {
        return fault(r, "invalid multiple recursive descent", STR_NULL);
    }
    r->left = str_skip(r->left, 2);
    add_step(r, STEP_RECURSIVE);
    if (r->left.len &&
        (!ends_word(r->left.ptr[0]) && r->left.ptr[0] != '\'' && r->left.ptr[0] != '"')) {
        add_field(r);
    }
    return 0;
}

static int parse_word(struct reader *r)
{
    struct str word = take_word(r);
    if (str_is(word, "true") || str_is(word, "false")) {
        unsafe_yyjson_set_bool(&add_step(r, STEP_VALUE)->value, str_is(word, "true"));
    } else {
        add_step(r, STEP_WORD)->name = word;
    }
    return 0;
}

static bool is_word_start(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static int parse_next(struct reader *r)
{
    char c = r->left.ptr[0];
    if (str_starts(r->left, STR("[?("))) {
        return parse_filter(r);
    }
    if (c == '[') {
        return parse_brackets(r);
    }
    if (c == '.') {
        r->left = str_skip(r->left, 1);
        add_field(r);
        return 0;
    }
    if (c == ' ' || c == '@' || c == '$') {
        r->left = str_skip(r->left, 1);
        return 0;
    }
    if (c == '"' || c == '\'') {
        return parse_quote(r);
    }
    if (c == '+' || c == '-' || is_digit(c)) {
        return parse_number(r);
    }
    if (is_word_start(c)) {
        return parse_word(r);
    }
    return fault(r, "unrecognized character in action: ", str_make(&c, 1));
}

static int parse_into(struct arena *a, struct str text, int depth, struct jsonpath **ret,
                      struct err *err)
{
    struct jsonpath *p = ARENA_NEW(a, struct jsonpath);
    p->end = &p->first;
    p->simple = true;
    struct reader r = {.a = a, .left = text, .path = p, .depth = depth, .err = err};
    if (depth > NESTING_MAX) {
        return fault(&r, "path is nested too deeply", STR_NULL);
    }
    bool recursive = false; /* the last step is ".." */
    while (r.left.len) {
        bool again = str_starts(r.left, STR(".."));
        struct step **end = p->end;
        int rc = again ? parse_recursive(&r, recursive) : parse_next(&r);
        if (rc) {
            return rc;
        }
        if (p->end != end) {
            recursive = again && (*end)->next == NULL;
        }
    }
    *ret = p;
    return 0;
}

int jsonpath_parse(struct arena *a, struct str text, struct jsonpath **ret, struct err *err)
{
    if (text.len > LIMIT_JSONPATH_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "a path may not be longer than %u bytes",
                       LIMIT_JSONPATH_BYTES);
    }
    return parse_into(a, arena_str(a, text.ptr ? text : STR("")), 0, ret, err);
}

bool jsonpath_is_simple(const struct jsonpath *p)
{
    return p->simple && p->first;
}

bool jsonpath_is_same(const struct jsonpath *p, const struct jsonpath *q)
{
    if (!p || !q || !jsonpath_is_simple(p) || !jsonpath_is_simple(q)) {
        return false;
    }
    const struct step *a = p->first, *b = q->first;
    while (a && b && str_eq(a->name, b->name)) {
        a = a->next;
        b = b->next;
    }
    return !a && !b;
}

bool jsonpath_is_below(const struct jsonpath *p, const char *first, const char *second)
{
    return jsonpath_is_simple(p) && str_is(p->first->name, first) && p->first->next &&
           str_is(p->first->next->name, second);
}
