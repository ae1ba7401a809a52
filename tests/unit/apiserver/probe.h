/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of documents over a real engine, with calls and their answers faked: a probe is a
 * call and what became of it. For one source file of each test program: the fakes are functions of
 * the server's own. */
#ifndef TESTS_APISERVER_PROBE_H
#define TESTS_APISERVER_PROBE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/call_priv.h"
#include "apiserver/negotiate.h"
#include "apiserver/proxy.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "storage/store.h"

/* ---- what is faked ---- */

/* A call and what became of it. */
struct probe {
    struct call call; /* first: the code sees only this */
    struct http_request http;
    struct http_header asked[4];
    int status;
    char content_type[128];
    struct http_header *headers;
    size_t n_headers;
    struct buf body;
    bool finished, gone, streaming, ended;
    http_ready_fn *ready;
    http_gone_fn *on_gone;
    void *ready_arg, *gone_arg;
    size_t sends;
    struct err err;
};

static struct engine *engine;
static struct store *store;
static struct registry *registry;
static struct access *access_;
static struct discovery_cache *discovery;
static struct openapi_cache *openapi;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER;
static struct {
    struct call *call;
    void (*fn)(struct call *c);
} posts[64];
static size_t n_posts;

static struct probe *probe_of(struct call *c)
{
    return (struct probe *)(void *)c;
}

static struct probe *probe_of_http(const struct http_request *r)
{
    return (struct probe *)(void *)((char *)(uintptr_t)r - offsetof(struct probe, http));
}

struct aggregation *server_aggregation(struct server *s)
{
    (void)s;
    return NULL;
}

void proxy_serve(struct call *c, struct apiservice *to)
{
    (void)c;
    fail_msg("%s is another server's", to->url);
}

struct engine *server_engine(struct server *s)
{
    (void)s;
    return engine;
}

struct discovery_cache *server_discovery(struct server *s)
{
    (void)s;
    return discovery;
}

struct openapi_cache *server_openapi(struct server *s)
{
    (void)s;
    return openapi;
}

const char *server_address(const struct server *s, size_t i)
{
    (void)s;
    return i == 0 ? "127.0.0.1:6443" : NULL;
}

bool negotiate_pretty(const struct call *c)
{
    return str_is(http_header(c->http, "user-agent"), "curl");
}

struct str http_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (str_is(r->headers[i].name, name)) {
            return r->headers[i].value;
        }
    }
    return STR_NULL;
}

bool http_request_gone(const struct http_request *r)
{
    return probe_of_http(r)->gone;
}

void http_on_gone(struct http_request *r, http_gone_fn *fn, void *arg)
{
    probe_of_http(r)->on_gone = fn;
    probe_of_http(r)->gone_arg = arg;
}

struct http_header *call_headers(struct call *c, struct str content_type,
                                 const struct http_header *more, size_t n, size_t *ret_n)
{
    struct probe *p = probe_of(c);
    memcpy(p->content_type, content_type.len ? content_type.ptr : "", content_type.len);
    p->headers = arena_alloc(&c->arena, (n + 1) * sizeof(*more));
    memcpy(p->headers, more, n * sizeof(*more));
    p->n_headers = *ret_n = n;
    return p->headers;
}

void call_finish(struct call *c)
{
    assert_false(probe_of(c)->finished);
    probe_of(c)->finished = true;
}

void call_answer_headers(struct call *c, int status, struct str content_type,
                         const struct http_header *headers, size_t n, struct buf *body)
{
    struct probe *p = probe_of(c);
    size_t all;
    call_headers(c, content_type, headers, n, &all);
    p->status = status;
    p->body = *body;
    *body = (struct buf){0};
    call_finish(c);
}

void call_answer(struct call *c, int status, struct str content_type, struct buf *body)
{
    call_answer_headers(c, status, content_type, (struct http_header[1]){{{0}, {0}}}, 0, body);
}

void call_answer_blob(struct call *c, int status, struct str content_type,
                      const struct http_header *headers, size_t n, struct blob *body)
{
    struct buf b = {0};
    buf_add(&b, blob_str(body));
    call_answer_headers(c, status, content_type, headers, n, &b);
}

void call_answer_text(struct call *c, int status, const char *text)
{
    struct buf b = {0};
    buf_addz(&b, text);
    call_answer(c, status, STR("text/plain; charset=utf-8"), &b);
}

void call_answer_err(struct call *c, struct err *err)
{
    struct buf b = {0};
    err_move(&probe_of(c)->err, err);
    call_answer(c, 0, STR("application/json"), &b);
}

void call_resume(struct call *c, void (*fn)(struct call *c))
{
    pthread_mutex_lock(&lock);
    posts[n_posts].call = c;
    posts[n_posts++].fn = fn;
    pthread_cond_signal(&posted);
    pthread_mutex_unlock(&lock);
}

void http_stream_begin(struct http_request *r, int status, const struct http_header *headers,
                       size_t n_headers, http_ready_fn *ready, void *arg)
{
    struct probe *p = probe_of_http(r);
    (void)headers;
    (void)n_headers;
    p->status = status;
    p->streaming = true;
    p->ready = ready;
    p->ready_arg = arg;
}

void http_stream_send(struct http_request *r, struct blob *const *blobs, size_t n, bool last)
{
    struct probe *p = probe_of_http(r);
    assert_false(p->ended);
    for (size_t i = 0; i < n; i++) {
        buf_add(&p->body, blob_str(blobs[i]));
        blob_unref(blobs[i]);
    }
    p->sends++;
    p->ended = last;
}

void http_stream_send_buf(struct http_request *r, struct buf *b, bool last)
{
    struct probe *p = probe_of_http(r);
    assert_false(p->ended);
    buf_add(&p->body, buf_str(b));
    buf_finish(b);
    p->sends++;
    p->ended = last;
}

/* ---- helpers ---- */

static inline void put(const char *group, const char *resource, const char *kind)
{
    struct arena a;
    yyjson_mut_doc *doc = NULL;
    struct type *t = NULL;
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    char *text = arena_printf(
        &a,
        "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"group\":\"%s\",\"scope\":\"Namespaced\",%"
        "s\"names\":{"
        "\"plural\":\"%s\",\"singular\":\"x\",\"kind\":\"%s\"},\"versions\":[{\"name\":\"v1\","
        "\"served\":"
        "true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}",
        group, *group ? "" : "\"coracle\":{\"builtin\":true},", resource, kind);
    assert_int_equal(json_read(&a, str_from(text), &doc, NULL, &err), 0);
    if (type_create(doc->root, NULL, &t, &err)) {
        fail_msg("%s", err_message(&err));
    }
    t->document = arena_str(&t->arena, str_from(text));
    registry_put(registry, t);
    type_unref(t);
    arena_finish(&a);
}

static inline int begin(void **state)
{
    (void)state;
    registry = registry_create();
    access_ = access_create();
    if (store_open_memory(&(struct store_options){0}, &store, NULL)) {
        return -1;
    }
    struct engine_options o = {
        .store = store, .registry = registry, .access = access_, .pool_threads = 2};
    engine = engine_create(&o);
    put("", "configmaps", "ConfigMap");
    put("example.com", "widgets", "Widget");
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    engine_destroy(engine);
    store_close(store);
    access_destroy(access_);
    registry_destroy(registry);
    return 0;
}

static inline int setup(void **state)
{
    (void)state;
    discovery = discovery_cache_create();
    openapi = openapi_cache_create();
    n_posts = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    discovery_cache_destroy(discovery);
    openapi_cache_destroy(openapi);
    return 0;
}

static inline struct probe *probe_create(const char *method, enum route_kind kind, const char *path)
{
    struct probe *p = ALLOC(struct probe);
    p->http.method = str_from(method);
    p->http.headers = p->asked;
    p->call.http = &p->http;
    p->call.route = (struct route){.kind = kind, .path = str_from(path), .group = STR("")};
    p->call.types = registry_ref(registry);
    arena_init(&p->call.arena, 0);
    return p;
}

static inline void ask_with(struct probe *p, const char *name, const char *value)
{
    p->asked[p->http.n_headers++] = (struct http_header){str_from(name), str_from(value)};
}

static inline void probe_destroy(struct probe *p)
{
    assert_true(p->finished);
    registry_snapshot_unref((struct registry_snapshot *)(uintptr_t)p->call.types);
    arena_finish(&p->call.arena);
    buf_finish(&p->body);
    err_finish(&p->err);
    free(p);
}

/* Runs what the pool has handed back, waiting for n of them. */
static inline void run_posts(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&lock);
        while (n_posts <= i) {
            pthread_cond_wait(&posted, &lock);
        }
        struct call *c = posts[i].call;
        void (*fn)(struct call *) = posts[i].fn;
        pthread_mutex_unlock(&lock);
        fn(c);
    }
    n_posts = 0;
}

static inline struct str header_of(const struct probe *p, const char *name)
{
    for (size_t i = 0; i < p->n_headers; i++) {
        if (str_is(p->headers[i].name, name)) {
            return p->headers[i].value;
        }
    }
    return STR_NULL;
}

static inline void assert_text(struct str s, const char *want)
{
    if (!str_is(s, want)) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_FMT(s), want);
    }
}

static inline bool contains(const struct buf *b, const char *text)
{
    return b->len && memmem(b->ptr, b->len, text, strlen(text)) != NULL;
}

#define PROBED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
