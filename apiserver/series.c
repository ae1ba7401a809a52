/* SPDX-License-Identifier: Apache-2.0 */
/* The series of requests. A row of a loop's table holds the series of one kind of request: method,
 * resource, scope, dry run. Rows are found by the type's address and checked by its names, since an
 * address may come to mean another type. Labels come from what exists only: no client makes series
 * of its own. */
#include "apiserver/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "apiserver/loop.h"
#include "base/alloc.h"
#include "base/clock.h"

enum {
    BUCKETS = 1024,
    ROWS_MAX = 8192, /* then the table begins anew: types that went leave rows behind */
    ROW_CODES = 6,
    COMMON_LABELS = 8,
    SERVER_USERS = 7,
};

/* The reference's methods (its cleanVerb); everything else is "other". */
enum method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_LIST,
    METHOD_WATCH,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_APPLY,
    METHOD_DELETE,
};

static const char *const method_names[] = {"other", "GET",   "LIST",  "WATCH", "POST",
                                           "PUT",   "PATCH", "APPLY", "DELETE"};

enum scope_label { SCOPE_NONE, SCOPE_RESOURCE, SCOPE_NAMESPACE, SCOPE_CLUSTER };

static const char *const scope_names[] = {"", "resource", "namespace", "cluster"};

/* The reference's, and finer ones below 5 ms, where most of ours are. */
static const double seconds_buckets[] = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1,
    1.25,   1.5,     2,      3,     4,      5,     6,     8,    10,  15,  20,  30,  45,  60};
static const double size_buckets[] = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
static const double event_buckets[] = {1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
static const double expiry_buckets[] = {0,       1800,    3600,     7200,    21600,
                                        43200,   86400,   172800,   345600,  604800,
                                        2592000, 7776000, 15552000, 31104000};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* A kind of request. */
struct kind {
    const struct type *type; /* NULL: no resource */
    struct str group, version, resource, subresource;
    unsigned char method, scope;
    bool dry_run;
};

struct code_series {
    int code;
    struct metric *total, *terminated;
};

struct row {
    struct row *next;
    struct kind kind; /* its strings are the row's own, its type only an address */
    struct metric *seconds, *sizes;
    struct series_watch watch;
    struct code_series codes[ROW_CODES];
    char text[];
};

struct series_table {
    struct row *buckets[BUCKETS];
    size_t n;
};

/* ---- kinds ---- */

static enum method method_of(const struct call *c)
{
    struct str m = c->http->method;
    if (call_is_read(c)) {
        return METHOD_GET;
    }
    return str_is(m, "POST")     ? METHOD_POST
           : str_is(m, "PUT")    ? METHOD_PUT
           : str_is(m, "PATCH")  ? METHOD_PATCH
           : str_is(m, "DELETE") ? METHOD_DELETE
                                 : METHOD_OTHER;
}

static enum method method_of_op(const struct op *op)
{
    static const enum method methods[VERB_COUNT] = {
        [VERB_GET] = METHOD_GET,       [VERB_LIST] = METHOD_LIST,
        [VERB_WATCH] = METHOD_WATCH,   [VERB_CREATE] = METHOD_POST,
        [VERB_UPDATE] = METHOD_PUT,    [VERB_PATCH] = METHOD_PATCH,
        [VERB_DELETE] = METHOD_DELETE, [VERB_DELETECOLLECTION] = METHOD_DELETE};
    return methods[op->verb];
}

/* What stands in `subresource` for what is no resource: the head of the path, as the reference has
 * it for the health checks. */
static struct str path_label(const struct route *r)
{
    switch (r->kind) {
    case ROUTE_API:
        return STR("/api");
    case ROUTE_APIS:
    case ROUTE_GROUP:
        return STR("/apis");
    case ROUTE_VERSION_RESOURCES:
        return r->group.len ? STR("/apis") : STR("/api");
    case ROUTE_OPENAPI_V2:
        return STR("/openapi/v2");
    case ROUTE_OPENAPI_V3:
        return STR("/openapi/v3");
    case ROUTE_VERSION:
        return STR("/version");
    case ROUTE_METRICS:
        return STR("/metrics");
    case ROUTE_DOCUMENT:
        return str_from(r->document->path);
    case ROUTE_HEALTH:
        return r->path.len > 1 && r->path.ptr[1] == 'l'   ? STR("/livez")
               : r->path.len > 1 && r->path.ptr[1] == 'r' ? STR("/readyz")
                                                          : STR("/healthz");
    case ROUTE_ROOT:
    case ROUTE_UNKNOWN:
    case ROUTE_RESOURCE:
        break;
    }
    return STR("");
}

static struct kind kind_of(const struct call *c)
{
    const struct op *op = c->op;
    if (!op) {
        return (struct kind){.method = (unsigned char)method_of(c),
                             .subresource = path_label(&c->route),
                             .group = STR(""),
                             .version = STR(""),
                             .resource = STR("")};
    }
    return (struct kind){.type = op->type,
                         .group = op->type->group,
                         .version = op->version->name,
                         .resource = op->type->resource,
                         .subresource = op->subresource,
                         .method = (unsigned char)method_of_op(op),
                         .scope = (unsigned char)(op->name.len || op->verb == VERB_CREATE
                                                      ? SCOPE_RESOURCE
                                                  : op->scope.ns.len ? SCOPE_NAMESPACE
                                                                     : SCOPE_CLUSTER),
                         .dry_run = op->dry_run};
}

static bool same(const struct kind *a, const struct kind *b)
{
    return a->type == b->type && a->method == b->method && a->scope == b->scope &&
           a->dry_run == b->dry_run && str_eq(a->resource, b->resource) &&
           str_eq(a->subresource, b->subresource) && str_eq(a->version, b->version) &&
           str_eq(a->group, b->group);
}

static size_t bucket_of(const struct kind *k)
{
    uint64_t h = (uint64_t)(uintptr_t)k->type >> 4;
    h = (h ^ (uint64_t)k->method << 8 ^ (uint64_t)k->scope << 12 ^ (uint64_t)k->dry_run << 14 ^
         k->subresource.len << 16 ^ k->version.len << 24) *
        0x9e3779b97f4a7c15u;
    return (size_t)(h >> 54) % BUCKETS;
}

/* ---- rows ---- */

static struct str keep(char **at, struct str s)
{
    char *p = *at;
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    *at += s.len;
    return str_make(p, s.len);
}

static struct row *row_create(const struct kind *k)
{
    struct row *r = alloc_zero(sizeof(*r) + k->group.len + k->version.len + k->resource.len +
                               k->subresource.len + 1);
    char *at = r->text;
    r->kind = *k;
    r->kind.group = keep(&at, k->group);
    r->kind.version = keep(&at, k->version);
    r->kind.resource = keep(&at, k->resource);
    r->kind.subresource = keep(&at, k->subresource);
    return r;
}

/* The labels that most have, in the reference's order; dry_run second, to be left out by some. */
static void fill_labels(const struct row *r, struct metric_label l[COMMON_LABELS])
{
    const struct kind *k = &r->kind;
    bool health = !k->type && str_ends(k->subresource, STR("z"));
    l[0] = (struct metric_label){"verb", str_from(method_names[k->method])};
    l[1] = (struct metric_label){"group", k->group};
    l[2] = (struct metric_label){"version", k->version};
    l[3] = (struct metric_label){"resource", k->resource};
    l[4] = (struct metric_label){"subresource", k->subresource};
    l[5] = (struct metric_label){"scope", str_from(scope_names[k->scope])};
    l[6] = (struct metric_label){"component", health ? STR("") : STR("apiserver")};
}

static struct row *find(struct series_table *t, const struct kind *k)
{
    struct row *r = t->buckets[bucket_of(k)];
    while (r && !same(&r->kind, k)) {
        r = r->next;
    }
    return r;
}

static void clear(struct series_table *t)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct row *r = t->buckets[i], *next; r; r = next) {
            next = r->next;
            free(r);
        }
        t->buckets[i] = NULL;
    }
    t->n = 0;
}

static struct row *row_of(struct call *c)
{
    struct series_table *t = c->loop->series;
    struct kind k = kind_of(c);
    struct row *r = find(t, &k);
    if (!r) {
        if (t->n == ROWS_MAX) {
            clear(t);
        }
        r = row_create(&k);
        size_t at = bucket_of(&k);
        r->next = t->buckets[at];
        t->buckets[at] = r;
        t->n++;
    }
    return r;
}

static void make_times(struct metrics *m, struct row *r)
{
    struct metric_label l[COMMON_LABELS];
    fill_labels(r, l);
    if (r->kind.method == METHOD_GET || r->kind.method == METHOD_LIST) {
        r->sizes = metrics_series(
            m, METRIC_HISTOGRAM, "apiserver_response_sizes",
            "Response size distribution in bytes for each group, version, verb, resource, "
            "subresource, scope and component.",
            l, 7, size_buckets, COUNT(size_buckets));
    }
    l[7] = (struct metric_label){"dry_run", r->kind.dry_run ? STR("All") : STR("")};
    r->seconds = metrics_series(
        m, METRIC_HISTOGRAM, "apiserver_request_duration_seconds",
        "Response latency distribution in seconds for each verb, dry run value, group, version, "
        "resource, subresource, scope and component. Watches are not in it.",
        l, 8, seconds_buckets, COUNT(seconds_buckets));
}

/* Refused so that the server stays well; health checks that fail are none. */
static bool is_termination(const struct row *r, int code)
{
    return r->kind.type && (code == 429 || code == 503 || code == 504);
}

static void make_code(struct metrics *m, const struct row *r, int code, struct code_series *ret)
{
    struct metric_label l[COMMON_LABELS + 1];
    char text[12];
    fill_labels(r, l);
    l[7] = (struct metric_label){"code",
                                 str_make(text, (size_t)snprintf(text, sizeof(text), "%d", code))};
    *ret = (struct code_series){.code = code};
    if (is_termination(r, code)) {
        ret->terminated = metrics_series(
            m, METRIC_COUNTER, "apiserver_request_terminations_total",
            "Number of requests which apiserver terminated in self-defense.", l, 8, NULL, 0);
    }
    l[8] = (struct metric_label){"dry_run", r->kind.dry_run ? STR("All") : STR("")};
    ret->total = metrics_series(
        m, METRIC_COUNTER, "apiserver_request_total",
        "Counter of apiserver requests broken out for each verb, dry run value, group, version, "
        "resource, scope, component, and HTTP response code.",
        l, 9, NULL, 0);
}

/* The last place is for all the codes that have none. */
static struct code_series *code_of(struct metrics *m, struct row *r, int code)
{
    size_t i = 0;
    while (i < ROW_CODES - 1 && r->codes[i].code && r->codes[i].code != code) {
        i++;
    }
    if (r->codes[i].code != code) {
        make_code(m, r, code, &r->codes[i]);
    }
    return &r->codes[i];
}

/* ---- requests ---- */

struct series_table *series_table_create(void)
{
    return ALLOC(struct series_table);
}

void series_table_destroy(struct series_table *t)
{
    if (t) {
        clear(t);
        free(t);
    }
}

void series_count(struct call *c, uint64_t ns)
{
    struct metrics *m = server_metrics(c->server);
    if (!m) {
        return;
    }
    struct row *r = row_of(c);
    struct code_series *s = code_of(m, r, c->status);
    metric_add(s->total, 1);
    if (s->terminated) {
        metric_add(s->terminated, 1);
    }
    if (r->kind.method == METHOD_WATCH) {
        return;
    }
    if (!r->seconds) {
        make_times(m, r);
    }
    metric_observe(r->seconds, (double)ns / 1e9);
    if (r->sizes) {
        metric_observe(r->sizes, (double)c->bytes);
    }
}

struct series_watch series_watch(struct call *c)
{
    struct metrics *m = server_metrics(c->server);
    if (!m) {
        return (struct series_watch){0};
    }
    struct row *r = row_of(c);
    if (r->watch.open) {
        return r->watch;
    }
    struct metric_label l[COMMON_LABELS];
    fill_labels(r, l);
    r->watch.open = metrics_series(
        m, METRIC_GAUGE, "apiserver_longrunning_requests",
        "Gauge of all active long-running apiserver requests broken out by verb, group, version, "
        "resource, scope and component.",
        l, 7, NULL, 0);
    r->watch.events = metrics_series(m, METRIC_COUNTER, "apiserver_watch_events_total",
                                     "Number of events sent in watch clients", l + 1, 3, NULL, 0);
    r->watch.sizes = metrics_series(m, METRIC_HISTOGRAM, "apiserver_watch_events_sizes",
                                    "Watch event size distribution in bytes", l + 1, 3,
                                    event_buckets, COUNT(event_buckets));
    return r->watch;
}

/* ---- the whole server ---- */

enum { AUTH_SUCCESS, AUTH_FAILURE, AUTH_ERROR, AUTH_COUNT };

struct series_server {
    struct metric *attempts[AUTH_COUNT], *users[SERVER_USERS], *authorized[3];
    struct metric *rejected[REJECTED_COUNT], *expiry;
};

/* The categories that the reference maps all names onto; the last two are no names. */
static const char *const users[SERVER_USERS] = {
    "admin",    "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default",
    "email_id", "other"};

static struct metric *counter(struct metrics *m, const char *name, const char *help,
                              const char *label, const char *value)
{
    const struct metric_label l = {label, str_from(value)};
    return metrics_series(m, METRIC_COUNTER, name, help, &l, 1, NULL, 0);
}

struct series_server *series_server_create(struct metrics *m)
{
    static const char *const results[AUTH_COUNT] = {"success", "failure", "error"};
    static const char *const decisions[] = {"no-opinion", "allowed", "denied"};
    static const char *const reasons[REJECTED_COUNT] = {"queue-full", "stopping", "unauthenticated",
                                                        "forbidden"};
    if (!m) {
        return NULL;
    }
    struct series_server *s = ALLOC(struct series_server);
    for (size_t i = 0; i < AUTH_COUNT; i++) {
        s->attempts[i] = counter(m, "authentication_attempts", "Counter of authenticated attempts.",
                                 "result", results[i]);
    }
    for (size_t i = 0; i < SERVER_USERS; i++) {
        s->users[i] = counter(m, "authenticated_user_requests",
                              "Counter of authenticated requests broken out by username.",
                              "username", users[i]);
    }
    for (size_t i = 0; i < COUNT(decisions); i++) {
        s->authorized[i] =
            counter(m, "authorization_attempts_total",
                    "Counter of authorization attempts broken down by result. It can be either "
                    "'allowed', 'denied', 'no-opinion' or 'error'.",
                    "result", decisions[i]);
    }
    for (size_t i = 0; i < REJECTED_COUNT; i++) {
        s->rejected[i] = counter(m, "apiserver_rejected_requests_total",
                                 "Requests and connections that were refused or ended, by reason.",
                                 "reason", reasons[i]);
    }
    s->expiry =
        metrics_series(m, METRIC_HISTOGRAM, "apiserver_client_certificate_expiration_seconds",
                       "Distribution of the remaining lifetime on the certificate used to "
                       "authenticate a request.",
                       NULL, 0, expiry_buckets, COUNT(expiry_buckets));
    return s;
}

void series_server_destroy(struct series_server *s)
{
    free(s);
}

static size_t user_category(struct str name)
{
    for (size_t i = 0; i < SERVER_USERS - 2; i++) {
        if (str_is(name, users[i])) {
            return i;
        }
    }
    bool mail = name.len && memchr(name.ptr, '@', name.len);
    return mail ? SERVER_USERS - 2 : SERVER_USERS - 1;
}

void series_authenticated(struct series_server *s, const struct call *c, int code)
{
    if (!s) {
        return;
    }
    if (code == 0) {
        metric_add(s->attempts[AUTH_SUCCESS], 1);
        metric_add(s->users[user_category(c->user->name)], 1);
    } else {
        metric_add(s->attempts[c->user ? AUTH_FAILURE : AUTH_ERROR], 1);
        series_rejected(s, REJECTED_UNAUTHENTICATED);
    }
    if (c->http->cert_user.len && c->http->cert_expires) {
        metric_observe(s->expiry, (double)(c->http->cert_expires - clock_wall_us() / 1000000));
    }
}

void series_authorized(struct series_server *s, enum decision d)
{
    if (s) {
        metric_add(s->authorized[d], 1);
        if (d != DECISION_ALLOW) {
            series_rejected(s, REJECTED_FORBIDDEN);
        }
    }
}

void series_rejected(struct series_server *s, enum series_rejected why)
{
    if (s) {
        metric_add(s->rejected[why], 1);
    }
}
