/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request on its way through the API server: its parsed path and query, its user, and the ways to answer it. Belongs to the
 * loop of its request. */
#ifndef APISERVER_CALL_H
#define APISERVER_CALL_H

#include "apiserver/http.h"
#include "apiserver/server.h"
#include "base/arena.h"
#include "resources/access.h"
#include "resources/aggregation.h"
#include "resources/documents.h"
#include "resources/op.h"
#include "resources/registry.h"

enum route_kind {
    ROUTE_UNKNOWN,    /* plain-text 404 */
    ROUTE_RESOURCE,   /* /api/v1/..., /apis/G/V/...: a collection, an object or a subresource */
    ROUTE_ROOT,       /* / */
    ROUTE_API,        /* /api */
    ROUTE_APIS,       /* /apis */
    ROUTE_GROUP,      /* /apis/G */
    ROUTE_VERSION_RESOURCES, /* /api/V, /apis/G/V */
    ROUTE_OPENAPI_V2, /* /openapi/v2 */
    ROUTE_OPENAPI_V3, /* /openapi/v3 and below */
    ROUTE_VERSION,    /* /version */
    ROUTE_HEALTH,     /* /healthz, /livez, /readyz and below */
    ROUTE_METRICS,    /* /metrics */
    ROUTE_DOCUMENT,   /* the path of one that a service publishes */
};

struct route {
    enum route_kind kind;
    struct str path;        /* decoded, no trailing slash */
    struct str group, version, ns, resource, name, subresource;
    bool namespaced;        /* the path has /namespaces/NS/ before the resource */
    bool legacy_watch;      /* /watch/ stood in it */
    const struct fixed_document *document; /* of ROUTE_DOCUMENT */
    const struct fixed_page *page; /* that led to this ROUTE_RESOURCE; NULL: the path itself */
};

/* The media type of an answer, from Accept. */
struct accept {
    struct str type;       /* "application/json", "application/yaml", ... */
    struct str as, group, version; /* ;as=Table;g=meta.k8s.io;v=v1 */
    struct str profile;
    bool pretty;
};

struct loop_state; /* per loop: caches of published state, its watchers (apiserver/loop.h) */

struct call {
    struct server *server;
    struct http_request *http; /* a reference; http_request_gone() says whether anyone still listens */
    struct loop_state *loop;
    struct arena arena;
    struct route route;
    struct op_param *params;
    size_t n_params;
    struct user *user;        /* NULL until authenticated; a reference */
    const struct registry_snapshot *types; /* as of now; borrowed for the duration of the handler */
    const struct aggregation_snapshot *apis; /* what other servers serve; as types; NULL: nothing */
    struct op *op;            /* of resource requests; a reference */
    struct accept accept;
    struct str verb;          /* as logged and authorised: "list", "get", ... */
    uint64_t begun_ns;
    int status;               /* of the answer, for log and metrics; 0: not answered yet */
    size_t bytes;             /* of the answer */
    struct str *warnings;     /* texts of Warning headers */
    size_t n_warnings, cap_warnings;
    struct str audit_id;      /* once there are headers of an answer */
    struct str error;         /* what went wrong, for the log; STR_NULL: nothing */
    void (*resume)(struct call *c); /* what call_resume posted */
    void *priv;
};

struct str call_param(const struct call *c, const char *key); /* the first value; STR_NULL: not given */
bool call_has_param(const struct call *c, const char *key);
static inline bool call_is_read(const struct call *c)
{
    return str_is(c->http->method, "GET") || str_is(c->http->method, "HEAD");
}

/* Each answers the request and finishes the call (log line, metrics); c is not to be used afterwards. body's memory is taken over. */
void call_answer(struct call *c, int status, struct str content_type, struct buf *body);
/* With further headers. */
void call_answer_headers(struct call *c, int status, struct str content_type, const struct http_header *headers, size_t n, struct buf *body);
/* From shared bytes, of which it takes a reference of its own. */
void call_answer_blob(struct call *c, int status, struct str content_type, const struct http_header *headers, size_t n, struct blob *body);
/* A Status from the error (resources/status.h), in the form Accept asks for; releases what is in err. */
void call_answer_err(struct call *c, struct err *err);
void call_answer_text(struct call *c, int status, const char *text); /* text/plain; charset=utf-8, X-Content-Type-Options: nosniff */
/* The reference's answer where it has no page. */
static inline void call_answer_no_page(struct call *c)
{
    call_answer_text(c, 404, "404 page not found\n");
}

/* ---- handlers, by file ---- */
void rest_serve(struct call *c);      /* rest.c: ROUTE_RESOURCE */
/* discovery.c: ROUTE_ROOT, ROUTE_API, ROUTE_APIS, ROUTE_GROUP, ROUTE_VERSION_RESOURCES */
void discovery_serve(struct call *c);
void openapi_serve(struct call *c);   /* openapi_v2.c, openapi_v3.c */
void health_serve(struct call *c);    /* health.c */
void version_serve(struct call *c);   /* version.c */
void metrics_serve(struct call *c);   /* metrics.c */
void fixed_serve(struct call *c);     /* fixed.c: ROUTE_DOCUMENT */

/* State that the document handlers keep a server (cached bodies), made and destroyed by server.c. */
struct discovery_cache;
struct discovery_cache *discovery_cache_create(void);
void discovery_cache_destroy(struct discovery_cache *d);
struct openapi_cache;
struct openapi_cache *openapi_cache_create(void);
void openapi_cache_destroy(struct openapi_cache *o);

/* What handlers see of the server. */
struct engine *server_engine(struct server *s);
struct health *server_health(struct server *s);
struct metrics *server_metrics(struct server *s);
struct discovery_cache *server_discovery(struct server *s);
struct aggregation *server_aggregation(struct server *s); /* NULL: other servers serve nothing here */
struct openapi_cache *server_openapi(struct server *s);
bool server_stopping(const struct server *s);

#endif
