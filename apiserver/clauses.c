/* SPDX-License-Identifier: Apache-2.0 */
/* The clauses of an Accept header (RFC 9110 section 12.5.1), as the reference's negotiation reads
 * them. */
#include "apiserver/clauses.h"

#include <stdlib.h>

enum { CLAUSES_MAX = 100 };

static struct str trim(struct str s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t')) {
        s = str_skip(s, 1);
    }
    while (s.len &&
           (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' || s.ptr[s.len - 1] == '"')) {
        s.len--;
    }
    return s;
}

static double parse_q(struct str s)
{
    char text[8] = {0};
    memcpy(text, s.ptr, s.len < sizeof(text) - 1 ? s.len : sizeof(text) - 1);
    char *end;
    double q = strtod(text, &end);
    return end == text || q > 1 || !(q >= 0) ? 1 : q;
}

static void read_parameter(struct clause *c, struct str text)
{
    struct str value, key = trim(str_cut(text, '=', &value));
    value = trim(value);
    if (value.len && *value.ptr == '"') {
        value = str_skip(value, 1);
    }
    if (str_is(key, "q")) {
        c->q = value.len ? parse_q(value) : 1;
    } else if (str_is(key, "as")) {
        c->as = value;
    } else if (str_is(key, "g")) {
        c->group = value;
    } else if (str_is(key, "v")) {
        c->version = value;
    } else if (str_is(key, "profile")) {
        c->profile = value;
    }
}

/* False when the text has no media type. */
static bool read_clause(struct str text, struct clause *c)
{
    struct str rest, range = trim(str_cut(text, ';', &rest));
    *c = (struct clause){.q = 1};
    c->type = trim(str_cut(range, '/', &c->subtype));
    c->subtype = trim(c->subtype);
    if (str_is(range, "*")) {
        c->subtype = STR("*");
    }
    while (rest.len) {
        struct str parameter = str_cut(rest, ';', &rest);
        read_parameter(c, parameter);
    }
    return c->type.len && c->subtype.len;
}

static int specificity(const struct clause *c)
{
    return str_is(c->type, "*") ? 0 : str_is(c->subtype, "*") ? 1 : 2;
}

static bool comes_before(const struct clause *a, const struct clause *b)
{
    return a->q != b->q ? a->q > b->q : specificity(a) > specificity(b);
}

/* Stable, as the order within equals is the client's; there are few. */
static void insert(struct clause *list, size_t n, const struct clause *c)
{
    while (n && comes_before(c, &list[n - 1])) {
        list[n] = list[n - 1];
        n--;
    }
    list[n] = *c;
}

size_t clauses_parse(struct arena *a, struct str accept, struct clause **ret)
{
    if (!trim(accept).len) {
        accept = STR("*/*");
    }
    size_t n = 0, max = 1;
    for (size_t i = 0; i < accept.len && max < CLAUSES_MAX; i++) {
        max += accept.ptr[i] == ',';
    }
    struct clause *list = arena_alloc(a, max * sizeof(*list));
    *ret = list;
    while (accept.len && n < max) {
        struct clause c;
        struct str text = str_cut(accept, ',', &accept);
        if (read_clause(text, &c) && c.q > 0) {
            insert(list, n++, &c);
        }
    }
    return n;
}

bool clause_takes(const struct clause *c, const char *subtype)
{
    return (str_is(c->type, "application") || str_is(c->type, "*")) &&
           (str_is(c->subtype, subtype) || str_is(c->subtype, "*"));
}
