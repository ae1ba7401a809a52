/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs over HTTP, from the socket to the memory store: dialects, bad bodies, long lists,
 * watches, and the stop of a busy server. */
#include "tests/unit/resources/engine_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "apiserver/server.h"
#include "base/limits.h"
#include "tests/unit/apiserver/wire.h"

#define WIDGETS "/apis/example.com/v1/namespaces/d/widgets"
#define NOTES "/api/v1/namespaces/d/notes"
#define AUTH "Host: h\r\nAuthorization: Bearer good\r\n"

static struct fixture f;
static struct health *health;
static struct metrics *metrics;
static struct server *server;
static struct arena arena;

static int authenticate(void *self, const struct credentials *c, struct user **ret, struct err *err)
{
    (void)self;
    if (!c->bearer.len) {
        return ERR_NOT_FOUND;
    }
    if (!str_is(c->bearer, "good")) {
        return err_set(err, ERR_UNAUTHORIZED, "unknown token");
    }
    *ret = user_create(STR("alice"), STR("u1"), NULL, 0);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    fixture_open(&f);
    access_add_authenticator(f.access,
                             &(struct authenticator){.name = "test", .authenticate = authenticate});
    fixture_add_type(&f, WIDGET_CRD, NULL);
    fixture_add_type(&f, GADGET_CRD, NULL);
    fixture_add_type(&f, NOTE_CRD, NULL);
    arena_init(&arena, 0);
    health = health_create();
    metrics = metrics_create();
    const char *listen[] = {"127.0.0.1:0"};
    struct server_options o = {.engine = f.engine,
                               .health = health,
                               .metrics = metrics,
                               .listen = listen,
                               .n_listen = 1,
                               .loops = 2};
    struct err err = {0};
    assert_int_equal(server_create(&o, &server, &err), 0);
    assert_int_equal(server_start(server, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop(server, 2000);
    server_destroy(server);
    arena_finish(&arena);
    health_destroy(health);
    fixture_close(&f);
    metrics_destroy(metrics);
    return 0;
}

static int dial(void)
{
    return wire_dial(server_address(server, 0));
}

/* One request on a connection of its own; the whole answer, head and body, in the arena. body may
 * hold NULs. */
static char *ask_with(const char *method, const char *path, const char *headers, struct str body)
{
    struct buf b = {0};
    buf_printf(&b, "%s %s HTTP/1.1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n", method,
               path, headers, body.len);
    buf_add(&b, body);
    int fd = dial();
    wire_put(fd, buf_str(&b));
    b.len = 0;
    wire_get(fd, NULL, &b);
    close(fd);
    char *answer = arena_strdup(&arena, b.ptr);
    buf_finish(&b);
    return answer;
}

static char *ask(const char *method, const char *path, const char *body)
{
    return ask_with(method, path, AUTH, str_from(body));
}

static void expect_in(const char *answer, const char *what)
{
    if (!strstr(answer, what)) {
        fail_msg("want %s in %s", what, answer);
    }
}

static void expect(const char *answer, int status, const char *what)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    expect_in(answer, line);
    expect_in(answer, what);
}

static void make(const char *path, const char *kind, const char *api, const char *name,
                 const char *more)
{
    struct buf b = {0};
    buf_printf(&b, "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\"}%s}%c",
               api, kind, name, more, 0);
    expect(ask("POST", path, b.ptr), 201, name);
    buf_finish(&b);
}

static void make_widget(const char *name)
{
    make(WIDGETS, "Widget", "example.com/v1", name, "");
}

/* ---- who ---- */

static void authentication(void **state)
{
    (void)state;
    expect(ask_with("GET", WIDGETS, "Host: h\r\n", STR("")), 401, "\"reason\":\"Unauthorized\"");
    expect(ask_with("GET", WIDGETS, "Host: h\r\nAuthorization: Bearer bad\r\n", STR("")), 401,
           "Unauthorized");
    expect(ask_with("GET", "/version", "Host: h\r\nAuthorization: Bearer bad\r\n", STR("")), 401,
           "Unauthorized");
    expect(ask_with("GET", WIDGETS, "Host: h\r\nAuthorization: Basic Z29vZA==\r\n", STR("")), 401,
           "Unauthorized");
    expect(ask_with("GET", "/healthz", "Host: h\r\n", STR("")), 200, "ok");
    expect(ask_with("GET", "/livez", "Host: h\r\n", STR("")), 200, "ok");
    expect(ask_with("GET", "/version", "Host: h\r\n", STR("")), 200, "gitVersion");
    expect(ask_with("GET", WIDGETS, "Host: h\r\nauthorization: bearer  good \r\n", STR("")), 200,
           "WidgetList");
    expect(ask_with("GET", WIDGETS, AUTH "Impersonate-User: root\r\n", STR("")), 403,
           "impersonation");
}

/* ---- what ---- */

static void dialects(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *what;
    } rows[] = {
        {"GET", "/nope", 404, "\r\n\r\n404 page not found\n"},
        {"GET", "/apis/example.com/v1/namespaces/d/nopes", 404, "\r\n\r\n404 page not found\n"},
        {"GET", "/apis/example.com/v9/namespaces/d/widgets", 404, "\r\n\r\n404 page not found\n"},
        {"GET", "/apis/example.com/v1/widgets/a", 404, "\r\n\r\n404 page not found\n"},
        {"GET", "/apis/example.com/v1/namespaces/d/gadgets", 404, "\r\n\r\n404 page not found\n"},
        {"POST", "/apis/example.com/v1/widgets", 404, "\r\n\r\n404 page not found\n"},
        {"GET", "/api/v1/namespaces/d/nopes", 404, "\"details\":{},\"code\":404}"},
        {"GET", "/api/v1/notes/a", 404, "\"details\":{},\"code\":404}"},
        {"GET", NOTES "/a/b/c", 404, "\"details\":{},\"code\":404}"},
        {"GET", NOTES "//status", 404, "\"details\":{},\"code\":404}"},
        {"GET", NOTES "//status?watch=1", 404, "\"details\":{},\"code\":404}"},
        {"DELETE", NOTES "//status", 404, "\"details\":{},\"code\":404}"},
        {"GET", WIDGETS "//status?watch=1", 405, "watch is not supported on resources of kind"},
        {"GET", NOTES "/a", 404, "notes \\\"a\\\" not found"},
        {"GET", WIDGETS "/a", 404, "widgets.example.com \\\"a\\\" not found"},
        {"GET", WIDGETS "/a/nope", 404, "widgets.example.com \\\"a\\\" not found"},
        {"POST", "/api/v1/notes", 405,
         "the server does not allow this method on the requested resource"},
        {"PUT", NOTES, 405, "\"details\":{},\"code\":405}"},
        {"PATCH", NOTES, 405, "\"details\":{},\"code\":405}"},
        {"POST", NOTES "/a", 405, "\"details\":{},\"code\":405}"},
        {"OPTIONS", NOTES, 405, "\"details\":{},\"code\":405}"},
        {"PUT", WIDGETS, 400, "name must be provided"},
        {"PATCH", WIDGETS, 415, "application/merge-patch+json"},
        {"DELETE", WIDGETS "/a/status", 405, "delete is not supported on resources of kind"},
        {"GET", "/api/v1/namespaces/%zz/notes", 400, "percent-encoded"},
        {"GET", WIDGETS "?limit=x", 400, "strconv.ParseInt"},
        {"GET", WIDGETS "?labelSelector=a%20in", 400, "unable to parse requirement"},
        {"GET", "/api/v1/watch/namespaces/d/notes?timeoutSeconds=0x", 400, "strconv.ParseInt"},
        {"GET", WIDGETS "?watch=1&resourceVersion=abc", 500, "resourceVersion: Invalid value"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        expect(ask(rows[i].method, rows[i].path, ""), rows[i].status, rows[i].what);
    }
}

static void verbs(void **state)
{
    (void)state;
    make_widget("a");
    expect(ask("GET", WIDGETS "/a", ""), 200, "cache-control: no-cache, private");
    expect(ask("GET", WIDGETS "/a", ""), 200, "\"kind\":\"Widget\"");
    expect(ask_with("GET", WIDGETS "/a", AUTH "Accept: application/yaml\r\n", STR("")), 200,
           "\nkind: Widget\n");
    expect(ask("GET", WIDGETS "/a?pretty=1", ""), 200, "\n  \"kind\": \"Widget\"");
    expect(ask_with("PATCH", WIDGETS "/a", AUTH "Content-Type: application/merge-patch+json\r\n",
                    STR("{\"spec\":{\"size\":3}}")),
           200, "\"size\":3");
    expect(ask_with("PATCH", WIDGETS "/a", AUTH "Content-Type: application/json-patch+json\r\n",
                    STR("nonsense")),
           400, "invalid JSON patch");
    expect(ask_with("GET", WIDGETS "/a",
                    AUTH "Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io\r\n",
                    STR("")),
           200, "\"kind\":\"PartialObjectMetadata\"");
    expect(ask_with("GET", WIDGETS "/a",
                    AUTH "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", STR("")),
           200, "\"kind\":\"Table\"");
    char *head = ask("HEAD", WIDGETS, "");
    expect(head, 200, "content-type: application/json");
    assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
    expect(ask("HEAD", NOTES, ""), 405, "content-type: application/json");
    expect(ask("DELETE", WIDGETS "/a", "{nope"), 400,
           "couldn't get version/kind; json parse error");
    expect(ask("DELETE", WIDGETS "/a?propagationPolicy=Background", ""), 200,
           "\"status\":\"Success\"");
    expect(ask("GET", WIDGETS "/a", ""), 404, "not found");
    char *scrape = ask("GET", "/metrics", "");
    expect(scrape, 200,
           "apiserver_request_total{verb=\"GET\",group=\"example.com\",version=\"v1\",resource="
           "\"widgets\"");
    expect_in(scrape, "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1");
}

static void warnings(void **state)
{
    (void)state;
    char *t = ask("POST", WIDGETS,
                  "{\"apiVersion\":\"example.com/"
                  "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"},\"spec\":{\"no\":1}}");
    expect(t, 201, "warning: 299 - \"unknown field \\\"spec.no\\\"\"\r\n");
    t = ask("POST", WIDGETS "?fieldValidation=Ignore",
            "{\"apiVersion\":\"example.com/"
            "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"no\":1}}");
    expect(t, 201, "content-type");
    assert_null(strstr(t, "warning:"));
}

/* ---- bad bodies ---- */

static void bad_json(void **state)
{
    (void)state;
    const char *unrecognized =
        "the object provided is unrecognized (must be of type Widget): couldn't get version/kind; "
        "json parse error: ";
    static const struct {
        const char *body;
        size_t len;
        const char *what;
    } rows[] = {
        {"", 0, "unexpected end of JSON input (<empty>)"},
        {"{\"apiVersion\": \"v1\", ", 21,
         "unexpected end of JSON input ({\\\"apiVersion\\\": \\\"v1\\\", )"},
        {"hello", 5, "invalid character 'h' looking for beginning of value (68656c6c6f)"},
        {"{\"a\":\"\xff\xfe\"}", 10, "(must be of type Widget)"},
        {"{\"a\":1}\0", 8, "(must be of type Widget)"},
        {"{\"a\":1} x", 9, "(must be of type Widget)"},
        {"{\"a\":\"\x01\"}", 9, "(must be of type Widget)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *t = ask_with("POST", WIDGETS, AUTH, str_make(rows[i].body, rows[i].len));
        expect(t, 400, unrecognized);
        expect_in(t, rows[i].what);
    }
    struct buf b = {0};
    for (int i = 0; i < 100000; i++) {
        buf_addz(&b, "{\"a\":");
    }
    expect(ask_with("POST", WIDGETS, AUTH, buf_str(&b)), 400, "BadRequest");
    b.len = 0;
    for (int i = 0; i < LIMIT_DEPTH + 10; i++) {
        buf_addz(&b, "[");
    }
    for (int i = 0; i < LIMIT_DEPTH + 10; i++) {
        buf_addz(&b, "]");
    }
    expect(ask_with("POST", WIDGETS, AUTH, buf_str(&b)), 400, "max depth");
    buf_finish(&b);
}

static void bad_yaml(void **state)
{
    static const char *const rows[] = {
        "a: b: c",
        "\t- x",
        "{",
        "a: *nope",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
        "[*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: "
        "[*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
        "\xff\xfe\xfd",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        expect(
            ask_with("POST", WIDGETS, AUTH "Content-Type: application/yaml\r\n", str_from(rows[i])),
            400, "the object provided is unrecognized (must be of type Widget): ");
    }
    struct buf b = {0};
    for (int i = 0; i < 50000; i++) {
        buf_addc(&b, '[');
    }
    expect(ask_with("POST", WIDGETS, AUTH "Content-Type: application/yaml\r\n", buf_str(&b)), 400,
           "BadRequest");
    buf_finish(&b);
}

static void large_and_strange(void **state)
{
    struct buf b = {0};
    (void)state;
    memset(buf_reserve(&b, LIMIT_BODY_BYTES + 1), ' ', LIMIT_BODY_BYTES + 1);
    b.len = LIMIT_BODY_BYTES + 1;
    expect(ask_with("POST", WIDGETS, AUTH, buf_str(&b)), 413,
           "Request entity too large: limit is 3145728");
    expect(ask_with("PUT", WIDGETS "/a", AUTH, buf_str(&b)), 413, "RequestEntityTooLarge");
    expect(ask_with("PATCH", WIDGETS "/a", AUTH "Content-Type: application/merge-patch+json\r\n",
                    buf_str(&b)),
           413, "RequestEntityTooLarge");
    expect(ask_with("DELETE", WIDGETS "/a", AUTH, buf_str(&b)), 413, "RequestEntityTooLarge");
    expect(ask_with("POST", WIDGETS, AUTH "Content-Type: application/bson\r\n", STR("xx")), 415,
           "the body of the request was in an unknown format");
    expect(ask_with("GET", WIDGETS, AUTH "Accept: text/html\r\n", STR("")), 406,
           "only the following media types");
    expect(ask_with("GET", NOTES, AUTH "Accept: text/html\r\n", STR("")), 406,
           "406: Not Acceptable");
    /* decoded on the pool */
    b.len = 0;
    buf_addz(&b, "{\"apiVersion\":\"example.com/"
                 "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"big\"},\"spec\":{\"note\":\"");
    memset(buf_reserve(&b, 200000), 'n', 200000);
    b.len += 200000;
    struct str truncated = buf_str(&b);
    expect(ask_with("POST", WIDGETS, AUTH, truncated), 400, "unexpected end of JSON input");
    buf_addz(&b, "\"}}");
    expect(ask_with("POST", WIDGETS, AUTH, buf_str(&b)), 201, "\"name\":\"big\"");
    expect(ask("GET", WIDGETS "/big", ""), 200, "nnnnnnnn");
    buf_finish(&b);
}

/* ---- lists ---- */

enum { MANY = 700 };

static void make_many(void)
{
    struct buf note = {0};
    buf_addz(&note, ",\"spec\":{\"note\":\"");
    memset(buf_reserve(&note, 1500), 'n', 1500);
    note.len += 1500;
    buf_addz(&note, "\"}");
    buf_addc(&note, 0);
    int fd = dial();
    for (int i = 0; i < MANY; i++) {
        struct buf body = {0}, req = {0};
        buf_printf(&body,
                   "{\"apiVersion\":\"example.com/"
                   "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w%04d\"}%s}",
                   i, note.ptr);
        buf_printf(&req, "POST " WIDGETS " HTTP/1.1\r\n" AUTH "Content-Length: %zu\r\n\r\n",
                   body.len);
        buf_add(&req, buf_str(&body));
        wire_put(fd, buf_str(&req));
        req.len = 0;
        expect_in(wire_get(fd, "}}\n", &req), "HTTP/1.1 201 ");
        buf_finish(&body);
        buf_finish(&req);
    }
    close(fd);
    buf_finish(&note);
}

/* The body of a chunked answer, put together. */
static struct buf unchunk(const char *answer)
{
    struct buf b = {0};
    const char *p = strstr(answer, "\r\n\r\n");
    assert_non_null(p);
    for (p += 4;;) {
        char *end;
        size_t n = strtoul(p, &end, 16);
        assert_true(end > p && strncmp(end, "\r\n", 2) == 0);
        if (!n) {
            return b;
        }
        buf_add(&b, str_make(end + 2, n));
        p = end + 2 + n + 2;
    }
}

static void long_lists(void **state)
{
    (void)state;
    make_many();
    static const struct {
        const char *path, *headers, *each;
    } rows[] = {
        {WIDGETS, AUTH, "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\""},
        {"/apis/example.com/v1beta1/widgets", AUTH,
         "{\"apiVersion\":\"example.com/v1beta1\",\"kind\":\"Widget\""},
        {WIDGETS, AUTH "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", "\"cells\":["},
    };
    for (size_t i = 0; i < 3; i++) {
        char *t = ask_with("GET", rows[i].path, rows[i].headers, STR(""));
        struct buf b = i < 2 ? unchunk(t) : (struct buf){0};
        if (i < 2) {
            expect(t, 200, "transfer-encoding: chunked");
        } else {
            buf_addz(&b, strstr(t, "transfer-encoding") ? "" : strstr(t, "\r\n\r\n") + 4);
            if (!b.len) {
                b = unchunk(t);
            }
        }
        yyjson_mut_doc *doc = NULL;
        assert_int_equal(json_read(&arena, buf_str(&b), &doc, NULL, NULL), 0);
        assert_int_equal(
            yyjson_mut_arr_size(json_get(yyjson_mut_doc_get_root(doc), i < 2 ? "items" : "rows")),
            MANY);
        buf_addc(&b, 0);
        assert_int_equal(wire_count(b.ptr, rows[i].each), MANY);
        buf_finish(&b);
    }
    char *yaml =
        ask_with("GET", WIDGETS "?limit=300", AUTH "Accept: application/yaml\r\n", STR(""));
    expect(yaml, 200, "kind: WidgetList\n");
    assert_int_equal(wire_count(yaml, "\n  kind: Widget\n"), 300);
    char *none = ask("GET", WIDGETS "?labelSelector=a%3Db", "");
    expect(none, 200, "\"items\":[]"); /* it paused in between, but began when all was known */
    expect_in(none, "\r\nContent-Length: ");
}

/* Readers that leave, or never read, in the middle of an answer. */
static void long_list_left(void **state)
{
    (void)state;
    make_many();
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = dial();
        wire_putz(fds[i], "GET " WIDGETS " HTTP/1.1\r\n" AUTH "\r\n");
    }
    for (int i = 0; i < 8; i++) {
        char c;
        assert_int_equal(recv(fds[i], &c, 1, 0), 1);
        if (i % 2) {
            close(fds[i]);
        }
    }
    expect(ask("GET", WIDGETS "/w0001", ""), 200, "w0001");
    server_stop(server, 100); /* cuts those that stand still */
    for (int i = 0; i < 8; i += 2) {
        close(fds[i]);
    }
}

/* ---- watches ---- */

static void watches(void **state)
{
    (void)state;
    make_widget("a");
    struct buf b = {0};
    int fd = dial();
    wire_putz(fd, "GET " WIDGETS "?watch=1&timeoutSeconds=2 HTTP/1.1\r\n" AUTH "\r\n");
    expect(wire_get(fd, "\"name\":\"a\"", &b), 200, "transfer-encoding: chunked");
    make_widget("b");
    wire_get(fd, "\"name\":\"b\"", &b);
    expect(ask("DELETE", WIDGETS "/a", ""), 200, "Success");
    wire_get(fd, "\"DELETED\"", &b);
    assert_int_equal(wire_count(b.ptr, "{\"type\":\"ADDED\""), 2);
    wire_get(fd, "\r\n0\r\n\r\n", &b); /* a clean end when its time is up */
    expect_in(b.ptr, "\r\n0\r\n\r\n");
    /* the connection goes on */
    b.len = 0;
    wire_putz(fd, "GET " WIDGETS "/b HTTP/1.1\r\n" AUTH "\r\n");
    expect(wire_get(fd, "\"name\":\"b\"", &b), 200, "\"name\":\"b\"");
    b.len = 0;
    close(fd);
    fd = dial();
    wire_putz(
        fd,
        "GET /apis/example.com/v1/watch/namespaces/d/widgets/b?timeoutSeconds=1 HTTP/1.1\r\n" AUTH
        "\r\n");
    wire_get(fd, "\"name\":\"b\"", &b);
    make_widget("c");
    wire_get(fd, "\r\n0\r\n\r\n", &b);
    assert_null(strstr(b.ptr, "\"name\":\"c\""));
    buf_finish(&b);
    close(fd);
}

static uint64_t watchers(void)
{
    struct watch_stats stats;
    watch_stats(engine_watches(f.engine), &stats);
    return stats.watchers;
}

static void watchers_leave(void **state)
{
    enum { N = 300 };
    int fds[N];
    struct buf b = {0};
    (void)state;
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        wire_putz(fds[i], "GET " WIDGETS "?watch=1&resourceVersion=0 HTTP/1.1\r\n" AUTH "\r\n");
    }
    for (int i = 0; i < N; i++) {
        b.len = 0;
        expect(wire_get(fds[i], "\r\n\r\n", &b), 200, "chunked");
    }
    assert_int_equal(watchers(), N);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "w%02d", i);
        make_widget(name);
    }
    for (int i = 0; i < N; i++) { /* every one of them has every event once, in order */
        b.len = 0;
        wire_get(fds[i], "\"name\":\"w19\"", &b);
        const char *at = b.ptr;
        for (int k = 0; k < 20; k++) {
            char name[32];
            snprintf(name, sizeof(name), "\"name\":\"w%02d\"", k);
            at = strstr(at, name);
            assert_non_null(at);
            assert_int_equal(wire_count(b.ptr, name), 1);
        }
        close(fds[i]);
    }
    for (int i = 0; i < 30000 && watchers(); i++) {
        wire_sleep_ms(2);
    }
    assert_int_equal(watchers(), 0);
    buf_finish(&b);
}

/* A watcher that does not read holds up nobody, and loses nothing when it reads again. */
static void slow_watcher(void **state)
{
    struct buf b = {0};
    (void)state;
    int slow = dial();
    wire_putz(slow, "GET " WIDGETS "?watch=1&resourceVersion=0 HTTP/1.1\r\n" AUTH "\r\n");
    wire_get(slow, "\r\n\r\n", &b);
    make_many();
    char last[32];
    snprintf(last, sizeof(last), "\"name\":\"w%04d\"", MANY - 1);
    wire_get(slow, last, &b);
    assert_int_equal(wire_count(b.ptr, "{\"type\":\"ADDED\""), MANY);
    close(slow);
    buf_finish(&b);
}

/* ---- the stop of a busy server ---- */

struct writer {
    pthread_t thread;
    int index;
    _Atomic int acknowledged;
    bool torn; /* an answer that began and did not end */
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    struct buf b = {0};
    int fd = dial();
    for (int i = 0; i < 100000; i++) {
        struct buf body = {0};
        buf_printf(&body,
                   "{\"apiVersion\":\"example.com/"
                   "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"s%d-%d\"}}",
                   w->index, i);
        b.len = 0;
        buf_printf(&b, "POST " WIDGETS " HTTP/1.1\r\n" AUTH "Content-Length: %zu\r\n\r\n",
                   body.len);
        buf_add(&b, buf_str(&body));
        wire_put(fd, buf_str(&b));
        b.len = 0;
        char *t = wire_get(fd, "}}\n", &b);
        buf_finish(&body);
        if (!strstr(t, "}}\n")) {
            w->torn = b.len > 0 && !strstr(t, "HTTP/1.1 503");
            break;
        }
        assert_non_null(strstr(t, "HTTP/1.1 201 "));
        w->acknowledged++;
    }
    close(fd);
    buf_finish(&b);
    return NULL;
}

static void stops_while_busy(void **state)
{
    enum { WRITERS = 6, WATCHERS = 20 };
    struct writer writers[WRITERS] = {0};
    int fds[WATCHERS];
    struct buf b = {0};
    (void)state;
    for (int i = 0; i < WATCHERS; i++) {
        fds[i] = dial();
        wire_putz(fds[i], "GET " WIDGETS "?watch=1&resourceVersion=0 HTTP/1.1\r\n" AUTH "\r\n");
        b.len = 0;
        expect(wire_get(fds[i], "\r\n\r\n", &b), 200, "chunked");
    }
    for (int i = 0; i < WRITERS; i++) {
        writers[i].index = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        while (!writers[i].acknowledged) {
            wire_sleep_ms(5);
        }
    }
    server_stop(server, 60000);
    int acknowledged = 0;
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_false(writers[i].torn);
        acknowledged += writers[i].acknowledged;
    }
    assert_true(acknowledged > 0);
    for (int i = 0; i < WATCHERS; i++) {
        b.len = 0;
        wire_get(fds[i], NULL, &b);
        assert_true(b.len >= 5 && memcmp(b.ptr + b.len - 5, "0\r\n\r\n", 5) == 0);
        close(fds[i]);
    }
    buf_finish(&b);
    /* whatever was acknowledged is there */
    struct registry_snapshot *types = registry_ref(f.registry);
    struct type *t = registry_find(types, STR("example.com"), STR("widgets"));
    for (int i = 0; i < WRITERS; i++) {
        for (int k = 0; k < writers[i].acknowledged; k++) {
            char name[32];
            snprintf(name, sizeof(name), "s%d-%d", i, k);
            struct blob *blob = NULL;
            struct stored stored;
            assert_int_equal(engine_get(f.engine, t, (struct scope){STR(""), STR("d")},
                                        str_from(name), &blob, &stored, NULL),
                             0);
            blob_unref(blob);
        }
    }
    registry_snapshot_unref(types);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(authentication),    T(dialects),       T(verbs),
        T(warnings),          T(bad_json),       T(bad_yaml),
        T(large_and_strange), T(long_lists),     T(long_list_left),
        T(watches),           T(watchers_leave), T(slow_watcher),
        T(stops_while_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
