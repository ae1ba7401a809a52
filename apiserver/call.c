/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: begun for a request, answered once, then logged, counted and released. */
#include "apiserver/call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "apiserver/call_priv.h"
#include "apiserver/loop.h"
#include "apiserver/negotiate.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/yaml.h"
#include "resources/status.h"

enum { OWN_HEADERS = 3, SLOW_NS = 1000000000, UUID_CHARS = 36, FIRST_CHUNK = 992 };

/* ---- life ---- */

struct call *call_create(struct loop_state *l, struct http_request *r)
{
    struct call *c = ALLOC(struct call);
    c->server = l->server;
    c->loop = l;
    c->http = http_request_ref(r);
    c->begun_ns = r->begun_ns;
    c->verb = STR("");
    arena_init(&c->arena, FIRST_CHUNK);
    return c;
}

bool call_is_long(const struct call *c)
{
    return str_is(c->verb, "watch");
}

static _Atomic int *gauge_of(struct call *c)
{
    return call_is_long(c)                                                     ? &c->loop->watching
           : str_is(c->http->method, "GET") || str_is(c->http->method, "HEAD") ? &c->loop->reading
                                                                               : &c->loop->mutating;
}

void call_begin(struct call *c)
{
    atomic_fetch_add_explicit(gauge_of(c), 1, memory_order_relaxed);
}

static void destroy(struct call *c)
{
    _Atomic int *gauge = gauge_of(c);
    op_unref(c->op);
    user_unref(c->user);
    http_request_unref(c->http);
    arena_finish(&c->arena);
    free(c);
    atomic_fetch_sub_explicit(gauge, 1, memory_order_release); /* last: the server waits for it */
}

static void resume_task(void *arg)
{
    struct call *c = arg;
    c->resume(c);
}

void call_resume(struct call *c, void (*fn)(struct call *c))
{
    if (loop_current() == c->loop) {
        fn(c);
        return;
    }
    c->resume = fn;
    if (!http_post(c->http->loop, resume_task, c)) {
        destroy(c);
    }
}

/* ---- counting ---- */

static uint64_t mix(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    }
    return (h ^ 0xff) * 0x100000001b3u;
}

static void fill_series(struct call *c, struct loop_series *s, struct str code)
{
    struct metrics *m = server_metrics(c->server);
    const struct route *r = &c->route;
    bool resource = r->kind == ROUTE_RESOURCE && c->op;
    char verb[24];
    size_t n = c->verb.len < sizeof(verb) ? c->verb.len : sizeof(verb);
    for (size_t i = 0; i < n; i++) {
        verb[i] = (char)(c->verb.ptr[i] >= 'a' && c->verb.ptr[i] <= 'z' ? c->verb.ptr[i] - 32
                                                                        : c->verb.ptr[i]);
    }
    struct str scope = !resource     ? STR("")
                       : r->name.len ? STR("resource")
                       : r->ns.len   ? STR("namespace")
                                     : STR("cluster");
    const struct metric_label labels[] = {{"verb", str_make(verb, n)},
                                          {"group", resource ? r->group : STR("")},
                                          {"version", resource ? r->version : STR("")},
                                          {"resource", resource ? r->resource : STR("")},
                                          {"subresource", resource ? r->subresource : STR("")},
                                          {"scope", scope},
                                          {"code", code}};
    s->total = metrics_series(m, METRIC_COUNTER, "apiserver_request_total",
                              "Requests by verb, resource and HTTP code.", labels, 7, NULL, 0);
    s->seconds = metrics_series(m, METRIC_HISTOGRAM, "apiserver_request_duration_seconds",
                                "Time from a request's arrival to its answer.", labels, 6, NULL, 0);
}

/* Labels are taken from what exists only: no client makes series of its own. */
static struct loop_series *series_of(struct call *c)
{
    char text[8];
    struct str code = str_make(text, (size_t)snprintf(text, sizeof(text), "%d", c->status % 1000));
    uint64_t h = mix(0xcbf29ce484222325u, c->verb);
    if (c->route.kind == ROUTE_RESOURCE && c->op) {
        h = mix(mix(mix(mix(h, c->route.group), c->route.version), c->route.resource),
                c->route.subresource);
        h = (h ^ (c->route.name.len ? 2u : c->route.ns.len ? 1u : 0u)) * 0x100000001b3u;
    }
    h = mix(h, code);
    struct loop_series *s = &c->loop->series[h % LOOP_SERIES];
    if (s->hash != h) {
        s->hash = h;
        fill_series(c, s, code);
    }
    return s;
}

static void count(struct call *c, uint64_t ns)
{
    if (!server_metrics(c->server)) {
        return;
    }
    struct loop_series *s = series_of(c);
    metric_add(s->total, 1);
    if (!call_is_long(c)) {
        metric_observe(s->seconds, (double)ns / 1e9);
    }
}

static void log_line(struct call *c, uint64_t ns)
{
    bool loud = c->status >= 500 || (ns > SLOW_NS && !call_is_long(c));
    enum log_level level = loud ? LOG_INFO : LOG_DEBUG;
    if (!log_enabled(level)) {
        return;
    }
    struct str user = c->user ? c->user->name : STR("");
    log_at(level, "request", LOG_S("method", c->http->method), LOG_S("path", c->http->path),
           LOG_S("query", c->http->query), LOG_S("verb", c->verb), LOG_I("status", c->status),
           LOG_D("ms", (double)ns / 1e6), LOG_I("bytes", c->bytes), LOG_S("user", user),
           LOG_S("peer", c->http->peer), LOG_S("agent", http_header(c->http, "user-agent")),
           LOG_S("error", c->error), );
}

void call_finish(struct call *c)
{
    uint64_t ns = clock_mono_ns() - c->begun_ns;
    count(c, ns);
    log_line(c, ns);
    destroy(c);
}

/* ---- headers ---- */

void call_warn(struct call *c, struct str text)
{
    if (c->n_warnings == LIMIT_WARNINGS) {
        return;
    }
    if (c->n_warnings == c->cap_warnings) {
        size_t cap = c->cap_warnings ? c->cap_warnings * 2 : 8;
        struct str *items = arena_alloc(&c->arena, cap * sizeof(*items));
        if (c->n_warnings) {
            memcpy(items, c->warnings, c->n_warnings * sizeof(*items));
        }
        c->warnings = items;
        c->cap_warnings = cap;
    }
    c->warnings[c->n_warnings++] = arena_str(&c->arena, text);
}

/* 299 - "TEXT" (RFC 7234 section 5.5); what a header cannot hold becomes a space. */
static struct str warning_value(struct call *c, struct str text)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "299 - \"");
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.ptr[i];
        if (ch == '"' || ch == '\\') {
            buf_addc(&b, '\\');
        }
        buf_addc(&b, (unsigned char)ch < 0x20 || ch == 0x7f ? ' ' : ch);
    }
    buf_addc(&b, '"');
    return arena_str(&c->arena, buf_str(&b));
}

static bool has_header(const struct http_header *headers, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

static struct str audit_id(struct call *c)
{
    char uuid[UUID_CHARS + 1];
    crypto_uuid(uuid);
    return arena_str(&c->arena, str_make(uuid, UUID_CHARS));
}

struct http_header *call_headers(struct call *c, struct str content_type,
                                 const struct http_header *more, size_t n, size_t *ret_n)
{
    size_t warnings = c->n_warnings + (c->op ? c->op->warnings.n : 0), k = 0;
    struct http_header *h = arena_alloc(&c->arena, (OWN_HEADERS + warnings + n) * sizeof(*h));
    if (content_type.len) {
        h[k++] = (struct http_header){STR("content-type"), content_type};
    }
    h[k++] = (struct http_header){STR("audit-id"), audit_id(c)};
    if (!has_header(more, n, "cache-control")) {
        h[k++] = (struct http_header){STR("cache-control"), STR("no-cache, private")};
    }
    for (size_t i = 0; i < c->n_warnings; i++) {
        h[k++] = (struct http_header){STR("warning"), warning_value(c, c->warnings[i])};
    }
    for (size_t i = 0; c->op && i < c->op->warnings.n; i++) {
        h[k++] = (struct http_header){STR("warning"), warning_value(c, c->op->warnings.items[i])};
    }
    if (n) {
        memcpy(h + k, more, n * sizeof(*h));
    }
    *ret_n = k + n;
    return h;
}

/* ---- answers ---- */

void call_answer_headers(struct call *c, int status, struct str content_type,
                         const struct http_header *headers, size_t n, struct buf *body)
{
    size_t n_all;
    struct http_header *all = call_headers(c, content_type, headers, n, &n_all);
    c->status = status;
    c->bytes = body ? body->len : 0;
    http_respond(c->http, status, all, n_all, body);
    call_finish(c);
}

void call_answer(struct call *c, int status, struct str content_type, struct buf *body)
{
    call_answer_headers(c, status, content_type, NULL, 0, body);
}

void call_answer_blob(struct call *c, int status, struct str content_type,
                      const struct http_header *headers, size_t n, struct blob *body)
{
    size_t n_all;
    struct http_header *all = call_headers(c, content_type, headers, n, &n_all);
    c->status = status;
    c->bytes = body ? body->len : 0;
    http_respond_blob(c->http, status, all, n_all, body);
    call_finish(c);
}

void call_answer_err(struct call *c, struct err *err)
{
    struct buf b = {0};
    struct str type = negotiate_error_type(c);
    struct http_header retry = {STR("retry-after"), STR_NULL};
    int status = status_code(err);
    c->error = str_from(arena_strdup(&c->arena, err_message(err)));
    if (str_is(type, "application/yaml")) {
        yaml_write(&b, status_value(json_doc(&c->arena), err));
    } else if (negotiate_pretty(c)) {
        json_write_pretty(&b, status_value(json_doc(&c->arena), err));
        buf_addc(&b, '\n');
    } else {
        status_write(&b, err);
        buf_addc(&b, '\n');
    }
    if (err->retry_after > 0) {
        retry.value = str_from(arena_printf(&c->arena, "%d", err->retry_after));
    }
    err_finish(err);
    call_answer_headers(c, status, type, &retry, retry.value.len ? 1 : 0, &b);
}

void call_answer_text(struct call *c, int status, const char *text)
{
    static const struct http_header nosniff[] = {{{"x-content-type-options", 22}, {"nosniff", 7}}};
    struct buf b = {0};
    buf_addz(&b, text);
    call_answer_headers(c, status, STR("text/plain; charset=utf-8"), nosniff, 1, &b);
}

bool call_accepts_gzip(const struct call *c)
{
    struct str s = http_header(c->http, "accept-encoding");
    while (s.len) {
        struct str q, coding, one = str_cut(s, ',', &s);
        coding = str_cut(one, ';', &q);
        while (coding.len && coding.ptr[0] == ' ') {
            coding = str_skip(coding, 1);
        }
        while (coding.len && coding.ptr[coding.len - 1] == ' ') {
            coding.len--;
        }
        if ((coding.len == 4 && strncasecmp(coding.ptr, "gzip", 4) == 0) || str_is(coding, "*")) {
            struct str v;
            str_cut(q, '=', &v);
            return !v.len || strtod(v.ptr, NULL) > 0;
        }
    }
    return false;
}
