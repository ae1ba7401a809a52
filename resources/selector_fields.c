/* SPDX-License-Identifier: Apache-2.0 */
/* Field selectors: terms label=value, label==value and label!=value, each on a field that the
 * version of the type declares. */
#include "resources/selector.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "resources/jsonpath.h"
#include "resources/metadata.h"
#include "resources/selector_priv.h"
#include "resources/tree_priv.h"

#include <string.h>

enum source { SOURCE_NAME, SOURCE_NAMESPACE, SOURCE_PATH };

struct term {
    enum source source;
    const struct jsonpath *path;    /* belongs to the type, which outlives the selector */
    const struct type_field *bound; /* of one that is compared by size, to `limit`; else NULL */
    int64_t limit;
    bool equal;
    struct str value;
    const struct str *among; /* SOURCE_NAME: in place of value, any of these; NULL: value alone */
    size_t n_among;
};

struct field_selector {
    struct term *terms;
    size_t n;
    bool keys_only;
};

struct fields_parser {
    struct arena *a;
    const struct type *t;
    const struct type_version *v;
    struct str text;
    struct err *err;
};

static int not_understood(const struct fields_parser *p, struct str part)
{
    return err_set(p->err, ERR_BAD_REQUEST, "invalid selector: '%.*s'; can't understand '%.*s'",
                   STR_FMT(p->text), STR_FMT(part));
}

/* Where the term's operator stands: the first of !=, ==, =. Returns its length; 0: there is none.
 */
static size_t find_operator(struct str part, size_t *ret_at)
{
    for (size_t i = 0; i < part.len; i++) {
        bool two = i + 1 < part.len && part.ptr[i + 1] == '=';
        if (part.ptr[i] == '=' || (part.ptr[i] == '!' && two)) {
            *ret_at = i;
            return two ? 2 : 1;
        }
    }
    return 0;
}

/* Takes backslashes away from \ , and =; nothing else may be escaped, and those may not stand bare.
 */
static int unescape(const struct fields_parser *p, struct str s, struct str *ret)
{
    char *out = arena_alloc(p->a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\\') {
            struct str rest = str_skip(s, i + 1);
            size_t len = utf8_length(rest);
            c = rest.len ? rest.ptr[0] : '\0';
            if (c != '\\' && c != ',' && c != '=') {
                return err_set(p->err, ERR_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence: \\%.*s", (int)len,
                               rest.ptr);
            }
            i++;
        } else if (c == '=' || c == ',') {
            return err_set(p->err, ERR_BAD_REQUEST,
                           "invalid field selector: unescaped character in value: %d", c);
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *ret = str_make(out, n);
    return 0;
}

static int unknown_label(const struct fields_parser *p, struct str label)
{
    if (!p->t->custom && !p->v->n_fields) {
        AUTO(buf_finish) struct buf b = {0};
        quote_go(&b, label);
        return err_set(p->err, ERR_BAD_REQUEST,
                       "%.*s is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"",
                       STR_FMT(buf_str(&b)));
    }
    return err_set(p->err, ERR_BAD_REQUEST, "field label not supported: %.*s", STR_FMT(label));
}

static int resolve_bound(const struct fields_parser *p, const struct type_field *f,
                         struct term *term)
{
    struct str text = term->value;
    if (f->test == TYPE_FIELD_EQUAL) {
        return 0;
    }
    if (!term->equal) {
        return err_set(p->err, ERR_BAD_REQUEST,
                       "unsupported operator != for %.*s (only = supported)", STR_FMT(f->label));
    }
    bool minus = str_starts(text, STR("-"));
    for (size_t i = minus; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (digit < 0 || digit > 9 || term->limit > (INT64_MAX - digit) / 10) {
            text.len = 0;
        } else {
            term->limit = 10 * term->limit + digit;
        }
    }
    if (text.len <= minus) {
        return err_set(p->err, ERR_BAD_REQUEST, "invalid %.*s value \"%.*s\"", STR_FMT(f->label),
                       STR_FMT(term->value));
    }
    term->limit = minus ? -term->limit : term->limit;
    term->bound = f;
    return 0;
}

static int resolve(const struct fields_parser *p, struct str label, struct term *term)
{
    /* The reference's rule for types that declare nothing allows a namespace even where there is
     * none. */
    bool plain = !p->t->custom && !p->v->n_fields;
    if (str_is(label, "metadata.name")) {
        term->source = SOURCE_NAME;
        return 0;
    }
    if (str_is(label, "metadata.namespace") && (p->t->namespaced || plain)) {
        term->source = SOURCE_NAMESPACE;
        return 0;
    }
    for (size_t i = 0; i < p->v->n_fields; i++) {
        if (str_eq(label, p->v->fields[i].label)) {
            term->source = SOURCE_PATH;
            term->path = p->v->fields[i].path;
            return resolve_bound(p, &p->v->fields[i], term);
        }
    }
    return unknown_label(p, label);
}

static int parse_term(const struct fields_parser *p, struct str part, struct term *term)
{
    size_t at = 0, len = find_operator(part, &at);
    if (!len) {
        return not_understood(p, part);
    }
    *term = (struct term){.equal = part.ptr[at] != '!'};
    int rc = unescape(p, str_skip(part, at + len), &term->value);
    return rc ? rc : resolve(p, str_make(part.ptr, at), term);
}

/* Cuts the text at its commas, those after a backslash left out. */
static struct str *split(struct arena *a, struct str text, size_t *ret_n)
{
    size_t room = 1, n = 0, start = 0;
    for (size_t i = 0; i < text.len; i++) {
        room += text.ptr[i] == ',';
    }
    struct str *parts = arena_alloc(a, room * sizeof(*parts));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            i++;
        } else if (text.ptr[i] == ',') {
            parts[n++] = str_make(text.ptr + start, i - start);
            start = i + 1;
        }
    }
    parts[n++] = str_make(text.ptr + start, text.len - start);
    *ret_n = n;
    return parts;
}

int selector_parse_fields(struct arena *a, struct str text, const struct type *t,
                          const struct type_version *v, struct field_selector **ret,
                          struct err *err)
{
    if (text.len > LIMIT_SELECTOR_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "a selector may not be longer than %u bytes",
                       LIMIT_SELECTOR_BYTES);
    }
    struct fields_parser p = {.a = a, .t = t, .v = v, .text = text, .err = err};
    size_t n;
    struct str *parts = split(a, arena_str(a, text.ptr ? text : STR("")), &n);
    n = selector_sort_texts(parts, n); /* as the reference: the first fault by order is told */
    struct field_selector *s = ARENA_NEW(a, struct field_selector);
    s->terms = arena_alloc(a, n * sizeof(*s->terms));
    s->keys_only = true;
    for (size_t i = 0; i < n; i++) {
        if (!parts[i].len) {
            continue;
        }
        int rc = parse_term(&p, parts[i], &s->terms[s->n]);
        if (rc) {
            return rc;
        }
        s->keys_only = s->keys_only && s->terms[s->n].source != SOURCE_PATH;
        s->n++;
    }
    *ret = s->n ? s : NULL;
    return 0;
}

/* The value as Go prints it: the texts that field selectors compare. Into room where it is no
 * string. */
static struct str value_text(const yyjson_mut_val *v, struct buf *room)
{
    yyjson_mut_val *w = tree_unconst(v);
    if (!w || yyjson_mut_is_null(w)) {
        return STR("");
    }
    if (yyjson_mut_is_str(w)) {
        return json_str(v);
    }
    room->len = 0;
    json_write(room, v);
    return buf_str(room);
}

static bool text_holds(const struct term *term, struct str text)
{
    for (size_t i = 0; i < term->n_among; i++) {
        if (str_eq(text, term->among[i])) {
            return true;
        }
    }
    return !term->among && str_eq(text, term->value) == term->equal;
}

static bool bound_holds(const struct term *term, const yyjson_mut_val *obj)
{
    yyjson_mut_val *v = jsonpath_first(term->bound->path, obj);
    v = yyjson_mut_is_int(v) || !term->bound->other ? v : jsonpath_first(term->bound->other, obj);
    if (!yyjson_mut_is_int(v)) {
        return false;
    }
    bool big = yyjson_mut_is_uint(v) && yyjson_mut_get_uint(v) > INT64_MAX;
    int64_t n = big ? INT64_MAX : yyjson_mut_get_sint(v);
    return term->bound->test == TYPE_FIELD_AT_LEAST ? n >= term->limit : n <= term->limit;
}

static bool term_holds(const struct term *term, const yyjson_mut_val *obj, struct buf *room)
{
    struct str value = STR("");
    if (term->bound) {
        return bound_holds(term, obj);
    }
    switch (term->source) {
    case SOURCE_NAME:
        value = metadata_name(obj);
        break;
    case SOURCE_NAMESPACE:
        value = metadata_namespace(obj);
        break;
    case SOURCE_PATH:
        value = value_text(jsonpath_first(term->path, obj), room);
        break;
    }
    return text_holds(term, value);
}

bool selector_match_fields(const struct field_selector *s, const yyjson_mut_val *obj)
{
    AUTO(buf_finish) struct buf room = {0};
    for (size_t i = 0; s && i < s->n; i++) {
        if (!term_holds(&s->terms[i], obj, &room)) {
            return false;
        }
    }
    return true;
}

bool selector_match_key(const struct field_selector *s, struct str ns, struct str name)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const struct term *term = &s->terms[i];
        if (term->source != SOURCE_PATH &&
            !text_holds(term, term->source == SOURCE_NAME ? name : ns)) {
            return false;
        }
    }
    return true;
}

struct str selector_required(const struct field_selector *s, const char *label)
{
    enum source source = strcmp(label, "metadata.name") == 0 ? SOURCE_NAME : SOURCE_NAMESPACE;
    for (size_t i = 0; s && i < s->n; i++) {
        if (s->terms[i].source == source && s->terms[i].equal && !s->terms[i].among) {
            return s->terms[i].value;
        }
    }
    return STR_NULL;
}

bool selector_wants(const struct field_selector *s, const struct jsonpath *path, struct str *ret)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const struct term *term = &s->terms[i];
        if (term->source == SOURCE_PATH && !term->bound && term->equal &&
            jsonpath_is_same(term->path, path)) {
            *ret = term->value;
            return true;
        }
    }
    return false;
}

bool selector_wants_bound(const struct field_selector *s, enum type_field_test test,
                          const struct jsonpath *path, const struct jsonpath *other, int64_t *ret)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const struct type_field *bound = s->terms[i].bound;
        if (bound && bound->test == test && jsonpath_is_same(bound->path, path) &&
            (other ? jsonpath_is_same(bound->other, other) : !bound->other)) {
            *ret = s->terms[i].limit;
            return true;
        }
    }
    return false;
}

struct field_selector *selector_among(struct arena *a, const struct field_selector *s,
                                      const struct str *names, size_t n)
{
    size_t before = s ? s->n : 0;
    struct field_selector *ret = ARENA_NEW(a, struct field_selector);
    ret->terms = arena_alloc(a, (before + 1) * sizeof(*ret->terms));
    for (size_t i = 0; i < before; i++) {
        ret->terms[i] = s->terms[i];
    }
    ret->n = before + 1;
    ret->terms[before] = n == 1 ? (struct term){.equal = true, .value = names[0]}
                                : (struct term){.equal = true, .among = names, .n_among = n};
    ret->keys_only = !s || s->keys_only;
    return ret;
}

bool selector_keys_only(const struct selector *labels, const struct field_selector *fields)
{
    return !labels && (!fields || fields->keys_only);
}
