/* SPDX-License-Identifier: Apache-2.0 */
/* The API server: from a request to its handler (who asks, whether they may, what serves it), start
 * and stop. */
#include "apiserver/server.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

#include "apiserver/call_priv.h"
#include "apiserver/loop.h"
#include "apiserver/proxy.h"
#include "apiserver/rest.h"
#include "apiserver/route.h"
#include "apiserver/series.h"
#include "apiserver/websocket.h"
#include "base/alloc.h"
#include "base/log.h"
#include "resources/status.h"

enum { METHOD_BYTES = 32 };

struct server {
    struct engine *engine;
    struct health *health;
    struct metrics *metrics;
    struct aggregation *aggregation;
    const struct documents *documents;
    struct http_server *http;
    struct discovery_cache *discovery;
    struct openapi_cache *openapi;
    struct series_server *series;
    struct loop_state **loops; /* one an event loop, made by its thread */
    size_t n_loops;
    _Atomic bool stopping;
};

struct engine *server_engine(struct server *s)
{
    return s->engine;
}

struct health *server_health(struct server *s)
{
    return s->health;
}

struct metrics *server_metrics(struct server *s)
{
    return s->metrics;
}

struct discovery_cache *server_discovery(struct server *s)
{
    return s->discovery;
}

struct aggregation *server_aggregation(struct server *s)
{
    return s->aggregation;
}

struct openapi_cache *server_openapi(struct server *s)
{
    return s->openapi;
}

struct series_server *server_series(struct server *s)
{
    return s->series;
}

bool server_stopping(const struct server *s)
{
    return atomic_load_explicit(&s->stopping, memory_order_relaxed);
}

/* ---- who, and may they ---- */

static void read_bearer(const struct http_request *r, struct credentials *cred)
{
    struct str token, h = http_header(r, "authorization");
    if (!h.len) {
        return;
    }
    cred->bearer_given = true;
    struct str scheme = str_cut(h, ' ', &token);
    while (token.len && token.ptr[0] == ' ') {
        token = str_skip(token, 1);
    }
    while (token.len && token.ptr[token.len - 1] == ' ') {
        token.len--;
    }
    if (scheme.len == 6 && strncasecmp(scheme.ptr, "bearer", 6) == 0 && token.len) {
        cred->bearer = token;
    }
}

/* Browsers cannot send the header with a WebSocket. */
static int read_protocols(struct call *c, struct credentials *cred, struct err *err)
{
    if (!c->http->websocket || cred->bearer.len) {
        return 0;
    }
    int code = websocket_bearer(c->http, &c->arena, &cred->bearer, err);
    cred->bearer_given |= cred->bearer.len > 0;
    return code;
}

/* Health and the version are anyone's to read, as in the reference; a document as its service says.
 */
static bool is_public(const struct route *r)
{
    return r->kind == ROUTE_HEALTH || r->kind == ROUTE_VERSION ||
           (r->kind == ROUTE_DOCUMENT && r->document->anonymous);
}

static int authenticate(struct call *c, struct err *err)
{
    const struct http_request *r = c->http;
    struct credentials cred = {.cert_user = r->cert_user,
                               .cert_groups = r->cert_groups,
                               .n_cert_groups = r->n_cert_groups};
    read_bearer(r, &cred);
    int code = read_protocols(c, &cred, err);
    code = code < 0 ? code
                    : access_authenticate(engine_access(c->server->engine), &cred, &c->user, err);
    if (code < 0 || (!is_public(&c->route) && user_in_group(c->user, "system:unauthenticated"))) {
        code = err_set(err, ERR_UNAUTHORIZED, "Unauthorized");
    }
    series_authenticated(c->server->series, c, code);
    if (code < 0) {
        return code;
    }
    if (http_header(r, "impersonate-user").ptr || http_header(r, "impersonate-group").ptr ||
        http_header(r, "impersonate-uid").ptr) {
        return err_set(err, ERR_FORBIDDEN, "impersonation is not served");
    }
    return 0;
}

static struct str lower_method(struct call *c)
{
    struct str m = c->http->method;
    m.len = m.len < METHOD_BYTES ? m.len : METHOD_BYTES;
    char *p = arena_alloc(&c->arena, METHOD_BYTES);
    for (size_t i = 0; i < m.len; i++) {
        p[i] = (char)(m.ptr[i] >= 'A' && m.ptr[i] <= 'Z' ? m.ptr[i] + 32 : m.ptr[i]);
    }
    return str_make(p, m.len);
}

static int authorize(struct call *c, struct err *err)
{
    const struct route *r = &c->route;
    if (r->kind == ROUTE_DOCUMENT && r->document->anonymous) {
        return 0;
    }
    struct attributes at = {.user = c->user, .verb = c->verb, .path = r->path};
    if (r->kind == ROUTE_RESOURCE) {
        at.resource_request = true;
        at.group = r->group;
        at.version = r->version;
        at.resource = r->resource;
        at.subresource = str_cut(r->subresource, '/', &(struct str){0});
        at.name = r->name;
        /* a namespace lies in itself */
        at.ns = r->ns.len || !str_is(r->resource, "namespaces") || r->group.len ? r->ns : r->name;
    }
    const char *reason = NULL;
    enum decision d = access_authorize(engine_access(c->server->engine), &at, &reason);
    series_authorized(c->server->series, d);
    if (d == DECISION_ALLOW) {
        return 0;
    }
    return status_access_denied(err, &at, reason);
}

/* ---- what serves it ---- */

static void dispatch(struct call *c)
{
    switch (c->route.kind) {
    case ROUTE_RESOURCE:
        rest_serve(c);
        return;
    case ROUTE_ROOT:
    case ROUTE_API:
    case ROUTE_APIS:
    case ROUTE_GROUP:
    case ROUTE_VERSION_RESOURCES:
        discovery_serve(c);
        return;
    case ROUTE_OPENAPI_V2:
    case ROUTE_OPENAPI_V3:
        openapi_serve(c);
        return;
    case ROUTE_HEALTH:
        health_serve(c);
        return;
    case ROUTE_VERSION:
        version_serve(c);
        return;
    case ROUTE_METRICS:
        metrics_serve(c);
        return;
    case ROUTE_DOCUMENT:
        fixed_serve(c);
        return;
    case ROUTE_UNKNOWN:
        break;
    }
    call_answer_no_page(c);
}

/* A document's path comes before what it would mean otherwise: /api/health is no version of the
 * core group. */
static int find_route(struct call *c, struct err *err)
{
    int code = route_parse(&c->arena, c->http->path, &c->route, err);
    if (code == 0) {
        c->route.document = documents_find(c->server->documents, c->route.path);
        c->route.kind = c->route.document ? ROUTE_DOCUMENT : c->route.kind;
    }
    return code;
}

/* A page's path is from here on that of what it stands for; of its query one parameter counts. */
static void find_page(struct call *c)
{
    struct route *r = &c->route;
    struct str part = STR_NULL;
    const struct fixed_page *p = r->kind == ROUTE_UNKNOWN && call_is_read(c)
                                     ? documents_find_page(c->server->documents, r->path, &part)
                                     : NULL;
    if (!p) {
        return;
    }
    struct fixed_target t = {0};
    p->find(p->self, &c->arena, part, call_param(c, p->param), &t);
    *r = (struct route){.kind = ROUTE_RESOURCE,
                        .path = r->path,
                        .group = t.group,
                        .version = t.version,
                        .ns = t.ns,
                        .resource = t.resource,
                        .name = t.name,
                        .subresource = t.subresource,
                        .namespaced = t.ns.len > 0,
                        .page = p};
    c->n_params = 0;
}

static void on_request(void *arg, struct http_request *r)
{
    struct server *s = arg;
    struct loop_state *l = http_loop_user(r->loop);
    struct call *c = call_create(l, r);
    struct err err = {0};
    int code = find_route(c, &err);
    code = code < 0 ? code : query_parse(&c->arena, r->query, &c->params, &c->n_params, &err);
    if (code == 0) {
        find_page(c);
    }
    c->verb = c->route.kind == ROUTE_RESOURCE ? rest_verb(c) : lower_method(c);
    call_begin(c);
    code = code < 0 ? code : authenticate(c, &err);
    code = code < 0 ? code : authorize(c, &err);
    if (code < 0) {
        call_answer_err(c, &err);
        return;
    }
    c->types = registry_get(engine_registry(s->engine), &l->types);
    c->apis = aggregation_get(s->aggregation, &l->apis);
    struct apiservice *other = proxy_target(c);
    if (other) {
        proxy_serve(c, other);
    } else {
        dispatch(c);
    }
}

/* ---- life ---- */

static void on_loop_begin(void *arg)
{
    struct http_loop *http = arg;
    struct server *s = http_loop_server_arg(http);
    s->loops[http_loop_index(http)] = loop_create(s, http);
}

static void on_loop_end(void *arg)
{
    loop_close(http_loop_user(arg));
}

static int calls_of(const struct loop_state *l)
{
    return atomic_load(&l->reading) + atomic_load(&l->mutating) + atomic_load(&l->watching);
}

/* What is with the engine still comes back to its loop. */
static bool on_loop_busy(struct http_loop *http)
{
    return calls_of(http_loop_user(http)) > 0;
}

static int calls(const struct server *s)
{
    int n = 0;
    for (size_t i = 0; i < s->n_loops; i++) {
        n += s->loops[i] ? calls_of(s->loops[i]) : 0;
    }
    return n;
}

static void collect(void *arg, struct metrics *m, struct buf *out)
{
    struct server *s = arg;
    int reading = 0, mutating = 0;
    (void)m;
    for (size_t i = 0; i < s->n_loops; i++) {
        struct loop_state *l = s->loops[i];
        reading += l ? atomic_load_explicit(&l->reading, memory_order_relaxed) : 0;
        mutating += l ? atomic_load_explicit(&l->mutating, memory_order_relaxed) : 0;
    }
    const struct metric_label kinds[] = {{"request_kind", STR("mutating")},
                                         {"request_kind", STR("readOnly")}};
    metrics_head(out, METRIC_GAUGE, "apiserver_current_inflight_requests",
                 "Requests in progress per request kind, watches not counted.");
    metrics_sample(out, "apiserver_current_inflight_requests", &kinds[0], 1, mutating);
    metrics_sample(out, "apiserver_current_inflight_requests", &kinds[1], 1, reading);
}

int server_create(const struct server_options *o, struct server **ret, struct err *err)
{
    struct server *s = ALLOC(struct server);
    s->engine = o->engine;
    s->health = o->health;
    s->metrics = o->metrics;
    s->aggregation = o->aggregation;
    s->documents = o->documents;
    struct http_options http = {.listen = o->listen,
                                .n_listen = o->n_listen,
                                .tls = o->tls,
                                .cert_file = o->cert_file,
                                .key_file = o->key_file,
                                .client_ca_file = o->client_ca_file,
                                .loops = o->loops,
                                .max_connections = o->max_connections,
                                .max_connections_per_peer = o->max_connections_per_peer,
                                .handler = on_request,
                                .handler_arg = s,
                                .loop_begin = on_loop_begin,
                                .loop_end = on_loop_end,
                                .loop_busy = on_loop_busy,
                                .metrics = o->metrics};
    int r = http_server_create(&http, &s->http, err);
    if (r < 0) {
        free(s);
        return r;
    }
    s->n_loops = http_loops(s->http);
    s->loops = alloc_zero(s->n_loops * sizeof(struct loop_state *));
    s->series = series_server_create(o->metrics);
    s->discovery = discovery_cache_create();
    s->openapi = openapi_cache_create();
    if (o->metrics) {
        metrics_collector(o->metrics, collect, s);
    }
    *ret = s;
    return 0;
}

int server_start(struct server *s, struct err *err)
{
    int r = engine_settle(s->engine, err);
    return r < 0 ? r : http_server_start(s->http, err);
}

const char *server_address(const struct server *s, size_t i)
{
    return http_server_address(s->http, i);
}

int server_reload(struct server *s, struct err *err)
{
    return http_server_reload(s->http, err);
}

static void stop_watches(void *arg)
{
    loop_watches_stop(arg);
    proxy_stop(arg);
}

void server_stop(struct server *s, unsigned deadline_ms)
{
    if (atomic_exchange(&s->stopping, true)) {
        return;
    }
    http_server_drain(s->http);
    for (size_t i = 0; i < s->n_loops; i++) {
        if (s->loops[i]) {
            http_post(s->loops[i]->http, stop_watches, s->loops[i]);
        }
    }
    http_server_stop(s->http, deadline_ms);
}

void server_destroy(struct server *s)
{
    if (!s) {
        return;
    }
    server_stop(s, 0);
    if (calls(s)) {
        log_error("requests are still with the engine: the server's memory is left to them",
                  LOG_I("count", calls(s)));
        return;
    }
    http_server_destroy(s->http);
    for (size_t i = 0; i < s->n_loops; i++) {
        loop_destroy(s->loops[i]);
    }
    discovery_cache_destroy(s->discovery);
    openapi_cache_destroy(s->openapi);
    series_server_destroy(s->series);
    free(s->loops);
    free(s);
}
