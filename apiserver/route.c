/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, by the rules of the reference's RequestInfo. */
#include "apiserver/route.h"

#include <strings.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { PARTS_MAX = 12 };

struct parts {
    struct str at[PARTS_MAX];
    size_t n; /* the last holds the rest of the path where there are more */
};

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decodes into the arena. plus: '+' is a space. False: a malformed escape. */
static bool decode(struct arena *a, struct str s, bool plus, struct str *ret)
{
    if (!s.len || (!memchr(s.ptr, '%', s.len) && !(plus && memchr(s.ptr, '+', s.len)))) {
        *ret = s;
        return true;
    }
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%') {
            bool whole = s.len - i > 2;
            int high = whole ? hex(s.ptr[i + 1]) : -1, low = whole ? hex(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = plus && s.ptr[i] == '+' ? ' ' : s.ptr[i];
        }
    }
    out[n] = 0;
    *ret = str_make(out, n);
    return true;
}

static bool is_text(struct str s)
{
    return !s.len || (!memchr(s.ptr, 0, s.len) && utf8_valid(s));
}

static struct str trim_slashes(struct str s)
{
    while (s.len && s.ptr[0] == '/') {
        s = str_skip(s, 1);
    }
    while (s.len && s.ptr[s.len - 1] == '/') {
        s.len--;
    }
    return s;
}

static struct parts split(struct str path)
{
    struct parts p = {.n = 0};
    struct str rest = trim_slashes(path);
    while (rest.len) {
        if (p.n == PARTS_MAX - 1) {
            p.at[p.n++] = rest;
            break;
        }
        p.at[p.n++] = str_cut(rest, '/', &rest);
    }
    return p;
}

static bool is_namespace_subresource(struct str s)
{
    return str_is(s, "status") || str_is(s, "finalize");
}

/* From part i on: [watch/][namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]. */
static void parse_resource(const struct parts *p, size_t i, struct route *r)
{
    r->kind = ROUTE_RESOURCE;
    if (str_is(p->at[i], "watch") && i + 1 < p->n) {
        r->legacy_watch = true;
        i++;
    }
    if (str_is(p->at[i], "namespaces") && i + 2 < p->n && !is_namespace_subresource(p->at[i + 2])) {
        r->namespaced = true;
        r->ns = p->at[i + 1];
        i += 2;
    }
    r->resource = p->at[i];
    if (i + 1 < p->n) {
        r->name = p->at[i + 1];
    }
    if (i + 2 < p->n) {
        /* what follows a subresource makes it one that does not exist */
        const struct str *last = &p->at[p->n - 1];
        r->subresource =
            str_make(p->at[i + 2].ptr, (size_t)(last->ptr + last->len - p->at[i + 2].ptr));
    }
}

static void parse_api(const struct parts *p, struct route *r)
{
    bool core = str_is(p->at[0], "api");
    size_t version = core ? 1 : 2;
    if (!core && p->n > 1) {
        r->group = p->at[1];
    }
    if (p->n > version) {
        r->version = p->at[version];
    }
    if (p->n > version + 1) {
        parse_resource(p, version + 1, r);
    } else if (p->n == version + 1) {
        r->kind = ROUTE_VERSION_RESOURCES;
    } else if (core) {
        r->kind = ROUTE_API;
    } else {
        r->kind = p->n == 2 ? ROUTE_GROUP : ROUTE_APIS;
    }
}

static enum route_kind other_kind(const struct parts *p)
{
    struct str first = p->at[0];
    if (str_is(first, "healthz") || str_is(first, "livez") || str_is(first, "readyz")) {
        return ROUTE_HEALTH;
    }
    if (str_is(first, "openapi") && p->n > 1) {
        return str_is(p->at[1], "v3")                ? ROUTE_OPENAPI_V3
               : str_is(p->at[1], "v2") && p->n == 2 ? ROUTE_OPENAPI_V2
                                                     : ROUTE_UNKNOWN;
    }
    if (p->n == 1) {
        return str_is(first, "version")   ? ROUTE_VERSION
               : str_is(first, "metrics") ? ROUTE_METRICS
                                          : ROUTE_UNKNOWN;
    }
    return ROUTE_UNKNOWN;
}

int route_parse(struct arena *a, struct str path, struct route *ret, struct err *err)
{
    struct route r = {.kind = ROUTE_ROOT,
                      .group = STR(""),
                      .ns = STR(""),
                      .name = STR(""),
                      .subresource = STR("")};
    if (!decode(a, path, false, &path) || !is_text(path)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the request's path is not valid percent-encoded UTF-8");
    }
    r.path = path;
    while (r.path.len > 1 && r.path.ptr[r.path.len - 1] == '/') {
        r.path.len--;
    }
    struct parts p = split(path);
    if (p.n && (str_is(p.at[0], "api") || str_is(p.at[0], "apis"))) {
        parse_api(&p, &r);
    } else if (p.n) {
        r.kind = other_kind(&p);
    }
    *ret = r;
    return 0;
}

/* ---- queries ---- */

static size_t count_pairs(struct str query)
{
    size_t n = 1;
    for (size_t i = 0; i < query.len; i++) {
        n += query.ptr[i] == '&';
    }
    return n;
}

int query_parse(struct arena *a, struct str query, struct op_param **ret, size_t *ret_n,
                struct err *err)
{
    *ret_n = 0;
    if (!query.len) {
        return 0;
    }
    size_t max = count_pairs(query), n = 0;
    if (max > LIMIT_QUERY_PARAMS) {
        return err_set(err, ERR_BAD_REQUEST, "more than %d parameters in the query",
                       LIMIT_QUERY_PARAMS);
    }
    struct op_param *params = arena_alloc(a, max * sizeof(*params));
    while (query.len) {
        struct str pair = str_cut(query, '&', &query), value, key;
        if (!pair.len || memchr(pair.ptr, ';', pair.len)) {
            continue;
        }
        key = str_cut(pair, '=', &value);
        if (decode(a, key, true, &key) && decode(a, value, true, &value) && is_text(key) &&
            is_text(value)) {
            params[n++] = (struct op_param){key, value.ptr ? value : STR("")};
        }
    }
    *ret = params;
    *ret_n = n;
    return 0;
}

struct str call_param(const struct call *c, const char *key)
{
    for (size_t i = 0; i < c->n_params; i++) {
        if (str_is(c->params[i].key, key)) {
            return c->params[i].value;
        }
    }
    return STR_NULL;
}

bool call_has_param(const struct call *c, const char *key)
{
    return call_param(c, key).ptr != NULL;
}

bool query_bool(const struct call *c, const char *key)
{
    struct str v = call_param(c, key);
    return v.ptr && !str_is(v, "0") && !(v.len == 5 && strncasecmp(v.ptr, "false", 5) == 0);
}
