/* SPDX-License-Identifier: Apache-2.0 */
/* Documents on their way to a client: the cache, the pool and the forms of an answer. The call, the
 * transport and the server are faked by what stands here; the engine, whose pool makes the large
 * ones, is real. */
#include "apiserver/document_cache.h"

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

static void put(const char *group, const char *resource, const char *kind)
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

static int begin(void **state)
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

static int end(void **state)
{
    (void)state;
    engine_destroy(engine);
    store_close(store);
    access_destroy(access_);
    registry_destroy(registry);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    discovery = discovery_cache_create();
    openapi = openapi_cache_create();
    n_posts = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    discovery_cache_destroy(discovery);
    openapi_cache_destroy(openapi);
    return 0;
}

static struct probe *probe_create(const char *method, enum route_kind kind, const char *path)
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

static void ask_with(struct probe *p, const char *name, const char *value)
{
    p->asked[p->http.n_headers++] = (struct http_header){str_from(name), str_from(value)};
}

static void probe_destroy(struct probe *p)
{
    assert_true(p->finished);
    registry_snapshot_unref((struct registry_snapshot *)(uintptr_t)p->call.types);
    arena_finish(&p->call.arena);
    buf_finish(&p->body);
    err_finish(&p->err);
    free(p);
}

/* Runs what the pool has handed back, waiting for n of them. */
static void run_posts(size_t n)
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

static struct str header_of(const struct probe *p, const char *name)
{
    for (size_t i = 0; i < p->n_headers; i++) {
        if (str_is(p->headers[i].name, name)) {
            return p->headers[i].value;
        }
    }
    return STR_NULL;
}

static void assert_text(struct str s, const char *want)
{
    if (!str_is(s, want)) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_FMT(s), want);
    }
}

static bool contains(const struct buf *b, const char *text)
{
    return b->len && memmem(b->ptr, b->len, text, strlen(text)) != NULL;
}

static struct probe *get(enum route_kind kind, const char *path, const char *group,
                         const char *version, const char *accept)
{
    struct probe *p = probe_create("GET", kind, path);
    p->call.route.group = str_from(group);
    p->call.route.version = str_from(version);
    if (accept) {
        ask_with(p, "accept", accept);
    }
    discovery_serve(&p->call);
    return p;
}

#define V2 "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define V2BETA "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

/* ---- discovery ---- */

static void test_discovery_follows_the_registry(void **state)
{
    (void)state;
    struct probe *before = get(ROUTE_APIS, "/apis", "", "", NULL),
                 *again = get(ROUTE_APIS, "/apis", "", "", NULL);
    assert_int_equal(before->status, 200);
    assert_string_equal(before->content_type, "application/json");
    assert_true(contains(&before->body, "\"example.com/v1\""));
    assert_true(str_eq(buf_str(&before->body), buf_str(&again->body)));
    put("other.example.com", "things", "Thing");
    struct probe *after = get(ROUTE_APIS, "/apis", "", "", NULL);
    assert_true(contains(&after->body, "\"other.example.com/v1\""));
    assert_false(contains(&before->body, "other.example.com"));
    registry_remove(registry, STR("other.example.com"), STR("things"));
    struct probe *gone = get(ROUTE_APIS, "/apis", "", "", NULL);
    assert_false(contains(&gone->body, "other.example.com"));
    probe_destroy(before);
    probe_destroy(again);
    probe_destroy(after);
    probe_destroy(gone);
}

static void test_forms(void **state)
{
    (void)state;
    struct probe *p = get(ROUTE_APIS, "/apis", "", "", V2 "," V2BETA ",application/json");
    assert_string_equal(p->content_type, V2);
    assert_true(contains(&p->body, "\"APIGroupDiscoveryList\""));
    probe_destroy(p);
    p = get(ROUTE_APIS, "/apis", "", "",
            V2BETA ",application/json"); /* an older client falls back */
    assert_string_equal(p->content_type, "application/json");
    assert_true(contains(&p->body, "\"APIGroupList\""));
    probe_destroy(p);
    p = get(ROUTE_APIS, "/apis", "", "", V2BETA);
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
    p = get(ROUTE_GROUP, "/apis/example.com", "example.com", "",
            V2); /* only /api and /apis are aggregated */
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
    p = get(ROUTE_API, "/api", "", "", "application/yaml");
    assert_string_equal(p->content_type, "application/yaml");
    assert_true(contains(&p->body, "kind: APIVersions\n"));
    probe_destroy(p);
    p = get(ROUTE_GROUP, "/apis/example.com", "example.com", "",
            "application/yaml,application/json;q=0.5");
    assert_true(contains(&p->body, "kind: APIGroup\n"));
    probe_destroy(p);
    p = get(ROUTE_API, "/api", "", "", "text/html");
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
}

static struct probe *get_as(enum route_kind kind, const char *path, const char *caller)
{
    struct probe *p = probe_create("GET", kind, path);
    ask_with(p, "accept", V2);
    ask_with(p, "x-grafana-caller-id", caller);
    discovery_serve(&p->call);
    return p;
}

/* Applications only, in a document of its own. */
static void test_what_gcx_is_shown(void **state)
{
    (void)state;
    put("machinery.k8s.io", "things", "Thing");
    struct probe *core = get_as(ROUTE_API, "/api", "gcx"),
                 *apps = get_as(ROUTE_APIS, "/apis", "gcx"),
                 *other_core = get_as(ROUTE_API, "/api", "someone"),
                 *others = get_as(ROUTE_APIS, "/apis", "someone");
    assert_int_equal(core->status, 404);
    assert_int_equal(apps->status, 200);
    assert_string_equal(apps->content_type, V2);
    assert_text(header_of(apps, "vary"), "Accept, X-Grafana-Caller-Id");
    assert_true(contains(&apps->body, "{\"name\":\"example.com\"}"));
    assert_false(contains(&apps->body, "machinery.k8s.io"));
    assert_int_equal(other_core->status, 200);
    assert_true(contains(&others->body, "{\"name\":\"example.com\"}"));
    assert_true(contains(&others->body, "machinery.k8s.io"));
    probe_destroy(core);
    probe_destroy(apps);
    probe_destroy(other_core);
    probe_destroy(others);
}

static void test_etag(void **state)
{
    (void)state;
    struct probe *first = get(ROUTE_API, "/api", "", "", V2);
    assert_int_equal(first->status, 200);
    assert_text(header_of(first, "cache-control"), "public");
    assert_text(header_of(first, "vary"), "Accept, X-Grafana-Caller-Id");
    struct str etag = header_of(first, "etag");
    assert_int_equal(etag.len, 66);
    struct probe *second = probe_create("GET", ROUTE_API, "/api");
    ask_with(second, "accept", V2);
    ask_with(second, "if-none-match", etag.ptr);
    discovery_serve(&second->call);
    assert_int_equal(second->status, 304);
    assert_int_equal(second->body.len, 0);
    assert_true(str_eq(header_of(second, "etag"), etag));
    struct probe *third = probe_create("GET", ROUTE_API, "/api");
    ask_with(third, "accept", V2);
    ask_with(third, "if-none-match", "\"x\"");
    discovery_serve(&third->call);
    assert_int_equal(third->status, 200);
    probe_destroy(first);
    probe_destroy(second);
    probe_destroy(third);
}

static void test_not_found_has_two_forms(void **state)
{
    (void)state;
    struct probe *p = get(ROUTE_GROUP, "/apis/nope", "nope", "", NULL);
    assert_int_equal(p->status, 404);
    assert_text(buf_str(&p->body), "404 page not found\n");
    probe_destroy(p);
    p = get(ROUTE_VERSION_RESOURCES, "/apis/example.com/v2", "example.com", "v2", NULL);
    assert_text(buf_str(&p->body), "404 page not found\n");
    probe_destroy(p);
    p = get(ROUTE_VERSION_RESOURCES, "/apis/nope/v1", "nope", "v1", NULL);
    assert_text(buf_str(&p->body), "404 page not found\n");
    probe_destroy(p);
    p = get(ROUTE_VERSION_RESOURCES, "/api/v2", "", "v2", NULL);
    assert_int_equal(p->err.code, ERR_NOT_FOUND);
    probe_destroy(p);
}

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method, *group, *version;
        enum route_kind kind;
        int code; /* 0: answered as GET is */
    } cases[] = {
        {"POST", "", "", ROUTE_APIS, 0},
        {"PUT", "example.com", "", ROUTE_GROUP, 0},
        {"DELETE", "example.com", "v1", ROUTE_VERSION_RESOURCES, 0},
        {"DELETE", "", "v1", ROUTE_VERSION_RESOURCES, ERR_METHOD},
        {"HEAD", "", "v1", ROUTE_VERSION_RESOURCES, ERR_METHOD},
        {"POST", "", "", ROUTE_API, ERR_METHOD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct probe *p = probe_create(cases[i].method, cases[i].kind, "/");
        p->call.route.group = str_from(cases[i].group);
        p->call.route.version = str_from(cases[i].version);
        discovery_serve(&p->call);
        assert_int_equal(p->err.code, cases[i].code);
        assert_int_equal(p->status, cases[i].code ? 0 : 200);
        probe_destroy(p);
    }
}

static void test_pretty(void **state)
{
    (void)state;
    struct probe *p = probe_create("GET", ROUTE_GROUP, "/apis/example.com");
    p->call.route.group = STR("example.com");
    ask_with(p, "user-agent", "curl");
    discovery_serve(&p->call);
    assert_true(contains(&p->body, "{\n  \"kind\": \"APIGroup\",\n"));
    probe_destroy(p);
}

/* ---- the pool ---- */

static _Atomic int builds;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int slow_build(const struct document_source *s, struct document **ret, struct err *err)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    atomic_fetch_add(&builds, 1);
    if (str_is(s->group, "fails")) {
        return err_set(err, ERR_NOT_FOUND, "gone");
    }
    struct str body = str_is(s->group, "big") ? STR_NULL : s->group;
    AUTO(buf_finish) struct buf b = {0};
    buf_add(&b, body);
    for (int i = 0; !body.ptr && i < 200000; i++) {
        buf_printf(&b, "line %d\n", i * 7919 % 100003);
    }
    *ret = document_of(buf_str(&b), 5);
    return 0;
}

static struct document_query slow_query(const char *group)
{
    return (struct document_query){.key = str_from(group),
                                   .edition = 5,
                                   .build = slow_build,
                                   .group = str_from(group),
                                   .on_pool = true,
                                   .content_type = STR("application/json"),
                                   .etag = true};
}

static void test_many_wait_for_one(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(1 << 20);
    struct probe *p[20];
    atomic_store(&builds, 0);
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < 20; i++) {
        struct document_query q = slow_query("body");
        p[i] = probe_create("GET", ROUTE_APIS, "/");
        document_serve(&p[i]->call, k, &q);
        assert_false(p[i]->finished);
    }
    pthread_mutex_unlock(&gate);
    run_posts(20);
    assert_int_equal(atomic_load(&builds), 1);
    for (size_t i = 0; i < 20; i++) {
        assert_text(buf_str(&p[i]->body), "body");
        probe_destroy(p[i]);
    }
    struct document_query q = slow_query("body"); /* from the cache, at once */
    struct probe *later = probe_create("GET", ROUTE_APIS, "/");
    document_serve(&later->call, k, &q);
    assert_text(buf_str(&later->body), "body");
    probe_destroy(later);
    assert_int_equal(atomic_load(&builds), 1);
    document_cache_destroy(k);
}

static void test_failure_is_told_to_all(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(1 << 20);
    struct document_query q = slow_query("fails");
    struct probe *a = probe_create("GET", ROUTE_APIS, "/"),
                 *b = probe_create("GET", ROUTE_APIS, "/");
    pthread_mutex_lock(&gate);
    document_serve(&a->call, k, &q);
    document_serve(&b->call, k, &q);
    pthread_mutex_unlock(&gate);
    run_posts(2);
    assert_int_equal(a->err.code, ERR_NOT_FOUND);
    assert_int_equal(b->err.code, ERR_NOT_FOUND);
    assert_int_equal(document_cache_bytes(k), 0);
    probe_destroy(a);
    probe_destroy(b);
    document_cache_destroy(k);
}

/* ---- streams ---- */

static struct probe *stream(struct document_cache *k, const char *encoding)
{
    struct document_query q = slow_query("big");
    struct probe *p = probe_create("GET", ROUTE_APIS, "/");
    q.on_pool = false;
    if (encoding) {
        ask_with(p, "accept-encoding", encoding);
    }
    document_serve(&p->call, k, &q);
    assert_true(p->streaming);
    assert_false(p->finished);
    return p;
}

static void test_large_is_streamed(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(8 << 20);
    struct probe *p = stream(k, NULL);
    while (!p->ended) {
        p->ready(p->ready_arg, &p->http);
    }
    struct document *d = document_cache_find(k, STR("big"), 5);
    assert_int_equal(p->body.len, d->plain_len);
    assert_int_equal(p->call.bytes, d->plain_len);
    assert_true(p->sends > 10);
    assert_null(header_of(p, "content-encoding").ptr);
    assert_text(header_of(p, "vary"), "Accept-Encoding");
    assert_null(p->on_gone);
    probe_destroy(p);
    p = stream(k, "gzip");
    while (!p->ended) {
        p->ready(p->ready_arg, &p->http);
    }
    struct blob *gz = document_gzip(d);
    assert_true(str_eq(blob_str(gz), buf_str(&p->body)));
    assert_text(header_of(p, "content-encoding"), "gzip");
    blob_unref(gz);
    document_unref(d);
    probe_destroy(p);
    document_cache_destroy(k);
}

static void test_peer_leaves_a_stream(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(8 << 20);
    static const char *const encodings[] = {NULL, "gzip"};
    for (size_t i = 0; i < 2; i++) {
        struct probe *p = stream(k, encodings[i]);
        p->ready(p->ready_arg, &p->http);
        p->on_gone(p->gone_arg, &p->http);
        assert_true(p->finished);
        probe_destroy(p);
    }
    document_cache_destroy(k);
}

static void test_nobody_wants_the_body(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(8 << 20);
    for (int i = 0; i < 2; i++) {
        struct document_query q = slow_query("big");
        struct probe *p = probe_create(i ? "GET" : "HEAD", ROUTE_APIS, "/");
        p->gone = i;
        q.on_pool = false;
        document_serve(&p->call, k, &q);
        assert_int_equal(p->status, 200);
        assert_true(p->finished);
        assert_int_equal(p->sends, 0);
        assert_true(header_of(p, "etag").len);
        probe_destroy(p);
    }
    document_cache_destroy(k);
}

/* ---- the table ---- */

static void test_oldest_go_first(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(3 * 6000);
    char body[5000];
    memset(body, 'x', sizeof(body));
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        struct document *d = document_of(str_make(body, sizeof(body)), i);
        document_cache_put(k, str_from(keys[i]), d);
        document_unref(d);
        struct document *a = document_cache_find(k, STR("a"), 0); /* keeps it young */
        assert_non_null(a);
        document_unref(a);
    }
    assert_null(document_cache_find(k, STR("b"), 1));
    assert_null(document_cache_find(k, STR("c"), 1)); /* there, but another edition */
    struct document *c = document_cache_find(k, STR("c"), 2),
                    *d = document_cache_find(k, STR("d"), 3);
    assert_true(c && d);
    assert_true(document_cache_bytes(k) <= 3 * 6000);
    document_unref(c);
    document_unref(d);
    struct document *again = document_of(STR("small"), 9); /* replaces */
    document_cache_put(k, STR("d"), again);
    assert_true(document_cache_bytes(k) < 2 * 6000);
    document_unref(again);
    document_cache_destroy(k);
}

/* ---- OpenAPI ---- */

static struct probe *get_openapi(enum route_kind kind, const char *path, const char *accept,
                                 struct op_param *params, size_t n)
{
    struct probe *p = probe_create("GET", kind, path);
    p->call.params = params;
    p->call.n_params = n;
    if (accept) {
        ask_with(p, "accept", accept);
    }
    openapi_serve(&p->call);
    if (!p->finished) {
        run_posts(1);
    }
    return p;
}

static void test_openapi_v3_urls(void **state)
{
    (void)state;
    struct probe *p =
        get_openapi(ROUTE_OPENAPI_V3, "/openapi/v3/apis/example.com/v1", NULL, NULL, 0);
    assert_int_equal(p->status, 200);
    assert_string_equal(p->content_type, "application/json");
    assert_null(header_of(p, "cache-control").ptr);
    char hash[65] = {0};
    memcpy(hash, header_of(p, "etag").ptr + 1, 64);
    probe_destroy(p);
    struct op_param right[] = {{STR("hash"), str_from(hash)}}, wrong[] = {{STR("hash"), STR("ABC")}};
    p = get_openapi(ROUTE_OPENAPI_V3, "/openapi/v3/apis/example.com/v1", "application/json", right,
                    1);
    assert_int_equal(p->status, 200);
    assert_text(header_of(p, "cache-control"), "public, immutable");
    assert_int_equal(header_of(p, "expires").len, 29);
    probe_destroy(p);
    p = get_openapi(ROUTE_OPENAPI_V3, "/openapi/v3/apis/example.com/v1", NULL, wrong, 1);
    assert_int_equal(p->status, 301);
    struct str to = header_of(p, "location");
    assert_true(str_starts(to, STR("/openapi/v3/apis/example.com/v1?hash=")));
    assert_true(str_ends(to, str_from(hash)));
    probe_destroy(p);
    p = get_openapi(ROUTE_OPENAPI_V3, "/openapi/v3", "application/json, */*", NULL, 0);
    assert_string_equal(p->content_type, "text/plain; charset=utf-8");
    assert_true(contains(&p->body, hash));
    probe_destroy(p);
}

static void test_openapi_refusals(void **state)
{
    (void)state;
    static const char *const unknown[] = {"/openapi/v3/apis/nope/v1",
                                          "/openapi/v3/apis/example.com/v2",
                                          "/openapi/v3/apis/example.com",
                                          "/openapi/v3/apis/example.com/v1/x",
                                          "/openapi/v3/nope",
                                          "/openapi/v3/api",
                                          "/openapi/v3/api/v2",
                                          "/openapi/v3/apis//v1"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        struct probe *p = get_openapi(ROUTE_OPENAPI_V3, unknown[i], NULL, NULL, 0);
        assert_int_equal(p->status, 404);
        probe_destroy(p);
    }
    struct probe *p =
        get_openapi(ROUTE_OPENAPI_V3, "/openapi/v3/api/v1",
                    "application/com.github.proto-openapi.spec.v3@v1.0+protobuf", NULL, 0);
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
    p = get_openapi(ROUTE_OPENAPI_V2, "/openapi/v2", "text/html", NULL, 0);
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
}

static void test_openapi_v2_forms(void **state)
{
    (void)state;
    struct probe *p = get_openapi(ROUTE_OPENAPI_V2, "/openapi/v2", NULL, NULL, 0);
    assert_string_equal(p->content_type, "application/json");
    assert_true(str_starts(buf_str(&p->body), STR("{\"swagger\":\"2.0\"")));
    probe_destroy(p);
    static const char *const accepts[] = {
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf, application/json;q=0.5"};
    for (size_t i = 0; i < 2; i++) {
        p = get_openapi(ROUTE_OPENAPI_V2, "/openapi/v2", accepts[i], NULL, 0);
        assert_string_equal(p->content_type,
                            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
        assert_true(str_starts(buf_str(&p->body), STR("\x0a\x03"
                                                      "2.0")));
        probe_destroy(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_discovery_follows_the_registry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_gcx_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_etag, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_found_has_two_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_methods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pretty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_wait_for_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_is_told_to_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_is_streamed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_leaves_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_wants_the_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oldest_go_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_openapi_v3_urls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_openapi_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_openapi_v2_forms, setup, teardown),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
