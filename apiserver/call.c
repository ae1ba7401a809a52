/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: begun for a request, answered once, then logged, counted and released. */
#include "apiserver/call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "apiserver/call_priv.h"
#include "apiserver/loop.h"
#include "apiserver/negotiate.h"
#include "apiserver/series.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/yaml.h"
#include "resources/status.h"

enum {
    OWN_HEADERS = 3,
    SLOW_NS = 1000000000,
    UUID_CHARS = 36,
    AUDIT_CHARS = 64, /* of an Audit-ID that the client chose, as the reference */
    FIRST_CHUNK = 992,
    FIELDS = 12, /* of a log line */
    PARTS = 4,
};

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

/* ---- the log ---- */

/* Where the time of an operation went, by the marks it has: the rest is waiting for threads. */
static size_t put_parts(const struct call *c, uint64_t now, struct log_field f[PARTS])
{
    const struct op_times *t = &c->op->times;
    size_t n = 0;
    if (t->begun_ns > c->begun_ns) {
        f[n++] = LOG_D("decode_ms", (double)(t->begun_ns - c->begun_ns) / 1e6);
    }
    if (t->decide_ns) {
        f[n++] = LOG_D("admission_ms", (double)t->decide_ns / 1e6);
    }
    if (t->store_ns) {
        f[n++] = LOG_D("store_ms", (double)t->store_ns / 1e6);
    }
    if (t->done_ns && now > t->done_ns) {
        f[n++] = LOG_D("encode_ms", (double)(now - t->done_ns) / 1e6);
    }
    return n;
}

/* Neither bodies nor headers that could hold a secret. */
static void log_line(struct call *c, uint64_t now)
{
    uint64_t ns = now - c->begun_ns;
    bool slow = ns > SLOW_NS && !call_is_long(c);
    enum log_level level = slow ? LOG_WARN : c->status >= 500 ? LOG_INFO : LOG_DEBUG;
    if (!log_enabled(level)) {
        return;
    }
    struct str user = c->user ? c->user->name : STR("");
    struct log_field f[FIELDS + PARTS] = {
        LOG_S("id", c->audit_id),      LOG_S("method", c->http->method),
        LOG_S("path", c->http->path),  LOG_S("query", c->http->query),
        LOG_S("verb", c->verb),        LOG_I("status", c->status),
        LOG_D("ms", (double)ns / 1e6), LOG_I("bytes", c->bytes),
        LOG_S("user", user),           LOG_S("peer", c->http->peer),
        LOG_S("error", c->error),      LOG_S("agent", http_header(c->http, "user-agent")),
    };
    size_t n = FIELDS;
    n += slow && c->op ? put_parts(c, now, f + n) : 0;
    log_fields(level, slow ? "slow request" : "request", f, n);
}

void call_finish(struct call *c)
{
    uint64_t now = clock_mono_ns();
    series_count(c, now - c->begun_ns);
    log_line(c, now);
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

/* It is in the answer and in the log. */
struct str call_audit_id(struct call *c)
{
    if (c->audit_id.len) {
        return c->audit_id;
    }
    struct str given = http_header(c->http, "audit-id");
    if (given.len && given.len <= AUDIT_CHARS) {
        return c->audit_id = given;
    }
    char uuid[UUID_CHARS + 1];
    crypto_uuid(uuid);
    return c->audit_id = arena_str(&c->arena, str_make(uuid, UUID_CHARS));
}

struct http_header *call_headers(struct call *c, struct str content_type,
                                 const struct http_header *more, size_t n, size_t *ret_n)
{
    size_t warnings = c->n_warnings + (c->op ? c->op->warnings.n : 0), k = 0;
    struct http_header *h = arena_alloc(&c->arena, (OWN_HEADERS + warnings + n) * sizeof(*h));
    if (content_type.len) {
        h[k++] = (struct http_header){STR("content-type"), content_type};
    }
    h[k++] = (struct http_header){STR("audit-id"), call_audit_id(c)};
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

static void count_rejected(struct call *c, int code)
{
    struct series_server *s = server_series(c->server);
    if (code == ERR_TOO_MANY && c->http->body_state == HTTP_BODY_OK) {
        series_rejected(s, REJECTED_QUEUE);
    } else if (code == ERR_CLOSED) {
        series_rejected(s, REJECTED_STOPPING);
    }
}

/* Which failures a page shows instead of leading elsewhere. */
static bool is_told_to_browsers(int status)
{
    return status == 401 || status == 403 || status == 429;
}

void call_answer_err(struct call *c, struct err *err)
{
    struct buf b = {0};
    struct str type = negotiate_error_type(c);
    struct http_header more = {STR("retry-after"), STR_NULL};
    int status = status_code(err);
    count_rejected(c, err->code);
    c->error = str_from(arena_strdup(&c->arena, err_message(err)));
    enum encoding encoding = media_encoding(type);
    if (str_is(type, "application/yaml")) {
        yaml_write(&b, status_value(json_doc(&c->arena), err));
    } else if (encoding != ENCODING_JSON) {
        encoding_write(&b, encoding, NULL, status_value(json_doc(&c->arena), err), NULL);
    } else if (negotiate_pretty(c)) {
        json_write_pretty(&b, status_value(json_doc(&c->arena), err));
        buf_addc(&b, '\n');
    } else {
        status_write(&b, err);
        buf_addc(&b, '\n');
    }
    if (err->retry_after > 0) {
        more.value = str_from(arena_printf(&c->arena, "%d", err->retry_after));
    }
    err_finish(err);
    if (c->route.page && !is_told_to_browsers(status)) {
        more = (struct http_header){STR("location"), str_from(c->route.page->otherwise)};
        status = status == 404 ? 308 : 307;
    }
    call_answer_headers(c, status, type, &more, more.value.len ? 1 : 0, &b);
}

void call_answer_text(struct call *c, int status, const char *text)
{
    static const struct http_header nosniff[] = {{{"x-content-type-options", 22}, {"nosniff", 7}}};
    struct buf b = {0};
    buf_addz(&b, text);
    call_answer_headers(c, status, STR("text/plain; charset=utf-8"), nosniff, 1, &b);
}
