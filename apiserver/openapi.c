/* SPDX-License-Identifier: Apache-2.0 */
/* Serves /openapi/v2 and /openapi/v3: which document in which form, and the headers by which
 * clients cache them. */
#include "apiserver/openapi_priv.h"

#include <stdlib.h>
#include <time.h>

#include "apiserver/clauses.h"
#include "apiserver/proxy.h"
#include "base/alloc.h"
#include "base/clock.h"

enum {
    CACHE_BYTES = 32 * 1024 * 1024,
    INDEX_INLINE_TYPES = 50, /* above it, the index is made on the pool */
    YEAR_S = 365 * 24 * 3600,
};

#define V2_PROTO "com.github.proto-openapi.spec.v2.v1.0+protobuf"
#define V2_PROTO_OLD "com.github.proto-openapi.spec.v2@v1.0+protobuf"

struct openapi_cache {
    struct document_cache *documents;
};

struct openapi_cache *openapi_cache_create(void)
{
    struct openapi_cache *o = ALLOC(struct openapi_cache);
    o->documents = document_cache_create(CACHE_BYTES);
    return o;
}

void openapi_cache_destroy(struct openapi_cache *o)
{
    if (o) {
        document_cache_destroy(o->documents);
        free(o);
    }
}

static void refuse(struct call *c, const char *accepted)
{
    struct err err = {0};
    err_set(&err, ERR_NOT_ACCEPTABLE, "only the following media types are accepted: %s", accepted);
    call_answer_err(c, &err);
}

/* ---- v2 ---- */

enum form { FORM_NONE, FORM_JSON, FORM_PROTO };

static enum form choose_form(struct call *c)
{
    struct clause *list;
    size_t n = clauses_parse(&c->arena, http_header(c->http, "accept"), &list);
    for (size_t i = 0; i < n; i++) {
        if (clause_takes(&list[i], "json")) {
            return FORM_JSON;
        }
        if (clause_takes(&list[i], V2_PROTO) || clause_takes(&list[i], V2_PROTO_OLD)) {
            return FORM_PROTO;
        }
    }
    return FORM_NONE;
}

static void serve_v2(struct call *c)
{
    enum form form = choose_form(c);
    if (form == FORM_NONE) {
        refuse(c, "application/json, application/" V2_PROTO);
        return;
    }
    struct openapi_hash hash;
    openapi_hash_all(c->types, c->apis, &hash);
    struct document_query q = {
        .key = form == FORM_PROTO ? STR("v2 proto") : STR("v2 json"),
        .edition = hash.edition,
        .build = form == FORM_PROTO ? openapi_build_v2_proto : openapi_build_v2_json,
        .on_pool = true,
        .content_type = form == FORM_PROTO ? STR("application/" V2_PROTO) : STR("application/json"),
        .etag = true,
        .vary = "Accept",
    };
    document_serve(c, server_openapi(c->server)->documents, &q);
}

/* ---- v3 ---- */

static void serve_index(struct call *c)
{
    struct openapi_hash hash;
    openapi_hash_all(c->types, c->apis, &hash);
    struct document_query q = {
        .key = STR("v3"),
        .edition = hash.edition,
        .build = openapi_build_v3_index,
        .on_pool = c->types->n_types > INDEX_INLINE_TYPES,
        .content_type = STR("text/plain; charset=utf-8"), /* as the reference has it */
        .etag = true,
    };
    document_serve(c, server_openapi(c->server)->documents, &q);
}

/* Takes "api/v1" or "apis/G/V" apart. */
static bool parse_name(struct str name, struct str *ret_group, struct str *ret_version)
{
    struct str rest, first = str_cut(name, '/', &rest);
    bool core = str_is(first, "api"), other = str_is(first, "apis");
    *ret_group = other ? str_cut(rest, '/', &rest) : STR("");
    *ret_version = rest;
    return (core || (other && ret_group->len)) && rest.len && !memchr(rest.ptr, '/', rest.len);
}

static bool takes_json(struct call *c)
{
    struct clause *list;
    size_t n = clauses_parse(&c->arena, http_header(c->http, "accept"), &list);
    for (size_t i = 0; i < n; i++) {
        if (clause_takes(&list[i], "json")) {
            return true;
        }
    }
    return false;
}

static const char *in_a_year(struct call *c)
{
    time_t t = (time_t)(clock_wall_us() / 1000000) + YEAR_S;
    struct tm tm;
    char *text = arena_alloc(&c->arena, CLOCK_TEXT);
    gmtime_r(&t, &tm);
    strftime(text, CLOCK_TEXT, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return text;
}

/* The hash in the URL is not (or no longer) this document's: leads to where it is. */
static void redirect(struct call *c, struct str name, const struct openapi_hash *hash)
{
    const char *to = arena_printf(&c->arena, "/openapi/v3/%.*s?hash=%s", STR_FMT(name), hash->text);
    struct http_header header = {STR("location"), str_from(to)};
    struct buf b = {0};
    call_answer_headers(c, 301, STR("text/html; charset=utf-8"), &header, 1, &b);
}

static void serve_document(struct call *c, struct str name, const struct registry_group *g,
                           struct str version)
{
    struct openapi_hash hash;
    openapi_hash_version(g, version, &hash);
    struct str wanted = call_param(c, "hash");
    if (wanted.len && !str_is(wanted, hash.text)) {
        redirect(c, name, &hash);
        return;
    }
    struct document_query q = {
        .key = str_from(arena_printf(&c->arena, "v3 %.*s", STR_FMT(name))),
        .edition = hash.edition,
        .build = openapi_build_v3,
        .group = g->name,
        .version = version,
        .on_pool = true,
        .content_type = STR("application/json"),
        .etag = true,
        .vary = "Accept",
        .cache_control = wanted.len ? "public, immutable" : NULL,
        .expires = wanted.len ? in_a_year(c) : NULL,
    };
    document_serve(c, server_openapi(c->server)->documents, &q);
}

static void serve_v3(struct call *c, struct str name)
{
    struct str group = STR_NULL, version = STR_NULL;
    const struct registry_group *g = NULL;
    if (parse_name(name, &group, &version)) {
        g = registry_find_group(c->types, group);
    }
    struct apiservice *remote = group.ptr ? aggregation_find_remote(c->apis, group, version) : NULL;
    if (remote && !str_is(group, AGGREGATION_GROUP)) {
        proxy_serve(c, remote);
        return;
    }
    bool served = false;
    for (size_t i = 0; g && i < g->n_versions; i++) {
        served = served || str_eq(g->versions[i], version);
    }
    if (!served) {
        call_answer_no_page(c);
    } else if (!takes_json(c)) {
        refuse(c, "application/json");
    } else {
        serve_document(c, name, g, version);
    }
}

void openapi_serve(struct call *c)
{
    struct str name = str_skip(c->route.path, sizeof("/openapi/v3/") - 1);
    if (c->route.kind == ROUTE_OPENAPI_V2) {
        serve_v2(c);
    } else if (name.len) {
        serve_v3(c, name);
    } else {
        serve_index(c);
    }
}
