/* SPDX-License-Identifier: Apache-2.0 */
/* Serves discovery: which document a request means, in which form, from the cache of this
 * generation of the registry. */
#include "apiserver/discovery_priv.h"

#include <stdlib.h>

#include "apiserver/call.h"
#include "apiserver/clauses.h"
#include "apiserver/document_cache.h"
#include "apiserver/media.h"
#include "apiserver/negotiate.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/yaml.h"

enum {
    CACHE_BYTES = 8 * 1024 * 1024,
    INLINE_TYPES = 50, /* above it, what shows every type is made on the pool */
};

struct discovery_cache {
    struct document_cache *documents;
};

struct discovery_cache *discovery_cache_create(void)
{
    struct discovery_cache *d = ALLOC(struct discovery_cache);
    d->documents = document_cache_create(CACHE_BYTES);
    return d;
}

void discovery_cache_destroy(struct discovery_cache *d)
{
    if (d) {
        document_cache_destroy(d->documents);
        free(d);
    }
}

/* ---- the documents ---- */

static int made(struct buf *b, const struct document_source *s, struct document **ret)
{
    *ret = document_of(buf_str(b), discovery_edition(s->types, s->apis));
    return 0;
}

static int build_root(const struct document_source *s, struct document **ret, struct err *err)
{
    (void)err;
    AUTO(buf_finish) struct buf b = {0};
    AUTO(discovery_view_finish) struct discovery_view v;
    discovery_view_init(&v, s->types, s->apis, false);
    discovery_write_root(&b, &v);
    return made(&b, s, ret);
}

static int build_groups(const struct document_source *s, struct document **ret, struct err *err)
{
    (void)err;
    AUTO(buf_finish) struct buf b = {0};
    AUTO(discovery_view_finish) struct discovery_view v;
    discovery_view_init(&v, s->types, s->apis, false);
    discovery_write_groups(&b, &v);
    return made(&b, s, ret);
}

static int no_group(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
}

static int build_group(const struct document_source *s, struct document **ret, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(discovery_view_finish) struct discovery_view v;
    discovery_view_init(&v, s->types, s->apis, false);
    const struct discovery_group *g = discovery_view_find(&v, s->group);
    if (!g) {
        return no_group(err); /* it went while the call waited */
    }
    discovery_write_group(&b, g);
    return made(&b, s, ret);
}

static int build_resources(const struct document_source *s, struct document **ret, struct err *err)
{
    const struct registry_group *g = registry_find_group(s->types, s->group);
    if (!g || !discovery_serves(g, s->version)) {
        return no_group(err);
    }
    AUTO(buf_finish) struct buf b = {0};
    discovery_write_resources(&b, g, s->version);
    return made(&b, s, ret);
}

enum shown { SHOWN_CORE, SHOWN_GROUPS, SHOWN_APPS };

static int build_aggregated(const struct document_source *s, enum shown shown,
                            struct document **ret)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(discovery_view_finish) struct discovery_view v;
    discovery_view_init(&v, s->types, s->apis, true);
    if (shown == SHOWN_APPS) {
        discovery_view_keep_apps(&v);
    }
    discovery_write_aggregated(&b, &v, shown == SHOWN_CORE);
    return made(&b, s, ret);
}

static int build_aggregated_core(const struct document_source *s, struct document **ret,
                                 struct err *err)
{
    (void)err;
    return build_aggregated(s, SHOWN_CORE, ret);
}

static int build_aggregated_groups(const struct document_source *s, struct document **ret,
                                   struct err *err)
{
    (void)err;
    return build_aggregated(s, SHOWN_GROUPS, ret);
}

static int build_aggregated_apps(const struct document_source *s, struct document **ret,
                                 struct err *err)
{
    (void)err;
    return build_aggregated(s, SHOWN_APPS, ret);
}

/* ---- forms ---- */

/* A document's form: its type, STR_NULL where none is accepted, and whether it is the aggregated
 * list. */
struct form {
    struct str type;
    bool aggregated;
};

/* `as`, `g` and `v` name a kind to convert to; the aggregated list is the only one, and only /api
 * and /apis have it. */
static struct form form_of(const struct clause *c, bool aggregates)
{
    struct form f = {media_accepted(c), false};
    if (c->as.ptr || c->group.ptr || c->version.ptr) {
        f.aggregated = aggregates && str_is(c->as, "APIGroupDiscoveryList") &&
                       str_is(c->group, "apidiscovery.k8s.io") && str_is(c->version, "v2");
        f.type = f.aggregated ? f.type : STR_NULL;
    }
    return f;
}

static struct form choose_form(struct call *c, bool aggregates)
{
    struct clause *list;
    size_t n = clauses_parse(&c->arena, http_header(c->http, "accept"), &list);
    for (size_t i = 0; i < n; i++) {
        struct form f = form_of(&list[i], aggregates);
        if (f.type.len) {
            return f;
        }
    }
    return (struct form){STR_NULL, false};
}

static bool is_plain_json(struct call *c, const struct form *f)
{
    return str_is(f->type, "application/json") && (f->aggregated || !negotiate_pretty(c));
}

static void refuse_form(struct call *c)
{
    struct err err = {0};
    err_set(&err, ERR_NOT_ACCEPTABLE, "only the following media types are accepted: " MEDIA_TYPES);
    call_answer_err(c, &err);
}

#define AGGREGATED ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

/* Answers a document's JSON in another form, or indented. Rare, and not cached. */
static void answer_rewritten(struct call *c, struct str json, const struct form *f)
{
    struct err err = {0};
    struct buf b = {0};
    yyjson_mut_doc *doc = NULL;
    enum encoding encoding = media_encoding(f->type);
    int code = json_read_own(&c->arena, json, &doc, &err);
    if (code == 0 && str_is(f->type, "application/yaml")) {
        yaml_write(&b, yyjson_mut_doc_get_root(doc));
    } else if (code == 0 && encoding == ENCODING_JSON) {
        json_write_pretty(&b, yyjson_mut_doc_get_root(doc));
    } else if (code == 0) {
        code = encoding_write(&b, encoding, NULL, yyjson_mut_doc_get_root(doc), &err);
    }
    if (code < 0) {
        buf_finish(&b);
        call_answer_err(c, &err);
        return;
    }
    const char *more = f->aggregated ? AGGREGATED : "";
    struct str type = str_from(arena_printf(&c->arena, "%.*s%s", STR_FMT(f->type), more));
    call_answer(c, 200, type, &b);
}

static void serve_rewritten(struct call *c, const struct document_query *q, const struct form *f)
{
    AUTO(document_unrefp) struct document *d = NULL;
    struct err err = {0};
    if (document_get(c, server_discovery(c->server)->documents, q, &d, &err)) {
        call_answer_err(c, &err);
        return;
    }
    AUTO(buf_finish) struct buf json = {0};
    struct document_reader r;
    document_reader_init(&r, d);
    document_read(&r, &json, d->plain_len);
    document_reader_finish(&r);
    answer_rewritten(c, buf_str(&json), f);
}

static void serve_form(struct call *c, const struct document_query *q, const struct form *f)
{
    if (!f->type.len) {
        refuse_form(c);
    } else if (is_plain_json(c, f)) {
        document_serve(c, server_discovery(c->server)->documents, q);
    } else {
        serve_rewritten(c, q, f);
    }
}

/* gcx, the command line of Grafana's app platform, names itself in all its requests to resources.
 * It gives up where discovery lists a group-version without a group, and takes every namespaced
 * type for one of an application, with a spec: what Grafana's own server shows. */
static bool is_gcx(const struct call *c)
{
    return str_is(http_header(c->http, "x-grafana-caller-id"), "gcx");
}

static void serve_aggregated(struct call *c, enum shown shown, const struct form *f)
{
    static const struct {
        struct str key;
        document_build_fn *build;
    } by_shown[] = {
        [SHOWN_CORE] = {{"/api v2", 7}, build_aggregated_core},
        [SHOWN_GROUPS] = {{"/apis v2", 8}, build_aggregated_groups},
        [SHOWN_APPS] = {{"/apis v2 apps", 13}, build_aggregated_apps},
    };
    struct document_query q = {
        .key = by_shown[shown].key,
        .edition = discovery_edition(c->types, c->apis),
        .build = by_shown[shown].build,
        .on_pool = shown != SHOWN_CORE && c->types->n_types > INLINE_TYPES,
        .content_type = STR("application/json" AGGREGATED),
        .etag = true,
        .vary = "Accept, X-Grafana-Caller-Id",
        .cache_control = "public",
    };
    serve_form(c, &q, f);
}

/* ---- the paths ---- */

static void refuse_method(struct call *c)
{
    struct err err = {0};
    err_set(&err, ERR_METHOD, "the server does not allow this method on the requested resource");
    call_answer_err(c, &err);
}

static void serve_api(struct call *c)
{
    struct form form = choose_form(c, true);
    if (!str_is(c->http->method, "GET")) {
        refuse_method(c);
    } else if (is_gcx(c)) {
        call_answer_no_page(c);
    } else if (form.aggregated) {
        serve_aggregated(c, SHOWN_CORE, &form);
    } else if (!form.type.len) {
        refuse_form(c);
    } else {
        struct buf b = {0};
        discovery_write_api(&b, str_from(server_address(c->server, 0)));
        if (is_plain_json(c, &form)) {
            call_answer(c, 200, STR("application/json"), &b);
        } else {
            answer_rewritten(c, buf_str(&b), &form);
            buf_finish(&b);
        }
    }
}

static struct document_query query(struct call *c, const char *key, document_build_fn *build)
{
    return (struct document_query){.key = str_from(key),
                                   .edition = discovery_edition(c->types, c->apis),
                                   .build = build,
                                   .group = c->route.group,
                                   .version = c->route.version,
                                   .content_type = STR("application/json")};
}

static void serve_apis(struct call *c)
{
    struct form form = choose_form(c, true);
    if (form.aggregated) {
        serve_aggregated(c, is_gcx(c) ? SHOWN_APPS : SHOWN_GROUPS, &form);
        return;
    }
    struct document_query q = query(c, "/apis", build_groups);
    serve_form(c, &q, &form);
}

/* Whether anyone serves a version of the group. */
static bool is_group(const struct call *c, struct str name)
{
    const struct registry_group *g = registry_find_group(c->types, name);
    bool served = g && g->n_versions;
    for (size_t i = 0; !served && c->apis && i < c->apis->n; i++) {
        served = c->apis->items[i]->remote && str_eq(c->apis->items[i]->group, name);
    }
    return served;
}

static void serve_group(struct call *c)
{
    struct str name = c->route.group;
    if (!name.len || !is_group(c, name)) {
        call_answer_no_page(c);
        return;
    }
    struct document_query q =
        query(c, arena_printf(&c->arena, "/apis/%.*s", STR_FMT(name)), build_group);
    struct form form = choose_form(c, false);
    serve_form(c, &q, &form);
}

/* Of a built-in group the reference's router answers, of a custom one (or none) its multiplexer:
 * 404 has two forms, and only the former minds the method. */
static void serve_resources(struct call *c)
{
    const struct registry_group *g = registry_find_group(c->types, c->route.group);
    bool builtin = g ? !g->custom : !c->route.group.len;
    if (!g || !discovery_serves(g, c->route.version)) {
        struct err err = {0};
        if (builtin) {
            no_group(&err);
            call_answer_err(c, &err);
        } else {
            call_answer_no_page(c);
        }
        return;
    }
    if (builtin && !str_is(c->http->method, "GET")) {
        refuse_method(c);
        return;
    }
    struct document_query q = query(
        c, arena_printf(&c->arena, "/apis/%.*s/%.*s", STR_FMT(g->name), STR_FMT(c->route.version)),
        build_resources);
    struct form form = choose_form(c, false);
    serve_form(c, &q, &form);
}

void discovery_serve(struct call *c)
{
    if (c->route.kind == ROUTE_API) {
        serve_api(c);
    } else if (c->route.kind == ROUTE_APIS) {
        serve_apis(c);
    } else if (c->route.kind == ROUTE_GROUP) {
        serve_group(c);
    } else if (c->route.kind == ROUTE_VERSION_RESOURCES) {
        serve_resources(c);
    } else {
        struct document_query q = query(c, "/", build_root);
        serve_form(c, &q, &(struct form){STR("application/json"), false});
    }
}
