/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to another server of a request, and what a client sees of its answer's head. */
#include "apiserver/proxy_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/route.h"
#include "base/cleanup.h"

struct asked {
    struct call call;
    struct http_request http;
    struct http_header headers[16];
    struct user *user;
};

static void ask(struct asked *a, const char *path, const char *query)
{
    static const struct str groups[] = {{"devs", 4}, {"qa team", 7}};
    *a = (struct asked){.http = {.peer = STR("[::1]:99")}};
    a->http.headers = a->headers;
    a->call.http = &a->http;
    arena_init(&a->call.arena, 0);
    a->user = a->call.user = user_create(STR("alice"), STR("u1"), groups, 2);
    assert_int_equal(route_parse(&a->call.arena, str_from(path), &a->call.route, NULL), 0);
    assert_int_equal(
        query_parse(&a->call.arena, str_from(query), &a->call.params, &a->call.n_params, NULL), 0);
}

static void done(struct asked *a)
{
    user_unref(a->user);
    arena_finish(&a->call.arena);
}

static void header(struct asked *a, const char *name, const char *value)
{
    a->headers[a->http.n_headers++] = (struct http_header){str_from(name), str_from(value)};
}

static void test_url(void **state)
{
    static const struct {
        const char *path, *query, *want; /* NULL: refused */
    } cases[] = {
        {"/apis/g/v1", "", "https://h/apis/g/v1"},
        {"/apis/g/v1/", "", "https://h/apis/g/v1"},
        {"/apis/g/v1/things/a%20b%3F%23%25", "", "https://h/apis/g/v1/things/a%20b%3F%23%25"},
        {"/apis/g/v1/things/%c3%a9~:@", "", "https://h/apis/g/v1/things/%C3%A9~:@"},
        {"/apis/g/v1/things",
         "watch=1&watch=0&a+b=c%26d&e", /* as Go's Query().Encode(), unsorted */
         "https://h/apis/g/v1/things?watch=1&watch=0&a%20b=c%26d&e="},
        {"/apis/g/v1/things", "bad=%zz&ok=1", "https://h/apis/g/v1/things?ok=1"},
        {"/apis/g/v1/../../../api", "", NULL},
        {"/apis/g/v1/%2e%2e/x", "", NULL},
        {"/apis/g/v1/./x", "", NULL},
        {"/apis/g/v1//x", "", NULL},
        {"/apis/g/v1/a%2F%2Fb", "", NULL},
        {"//apis/g/v1", "", NULL},
    };
    const struct apiservice to = {.url = "https://h"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct asked a;
        AUTO(err_finish) struct err err = {0};
        const char *url = NULL;
        ask(&a, cases[i].path, cases[i].query);
        int code = proxy_url(&a.call, &to, &url, &err);
        assert_int_equal(code, cases[i].want ? 0 : ERR_BAD_REQUEST);
        if (cases[i].want) {
            assert_string_equal(url, cases[i].want);
        }
        done(&a);
    }
}

static size_t count(const char *const *lines, size_t n, const char *line)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += strcmp(lines[i], line) == 0;
    }
    return found;
}

static void test_headers(void **state)
{
    static const char *const dropped[][2] = {
        {"authorization", "Bearer x"},    {"x-remote-user", "root"},
        {"x_remote_group", "masters"},    {"X-Remote-Extra-a", "b"},
        {"impersonate-user", "root"},     {"x-forwarded-for", "1.2.3.4"},
        {"connection", "close, x-own"},   {"x-own", "1"},
        {"transfer-encoding", "chunked"}, {"host", "elsewhere"},
        {"content-length", "5"},          {"proxy-authorization", "x"},
    };
    struct asked a;
    const char *const *lines = NULL;
    size_t n = 0;
    (void)state;
    ask(&a, "/apis/g/v1", "");
    for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped); i++) {
        header(&a, dropped[i][0], dropped[i][1]);
    }
    header(&a, "content-type", "application/json");
    header(&a, "x-empty", "");
    header(&a, "audit-id", "of-the-client");
    assert_int_equal(proxy_headers(&a.call, &lines, &n, NULL), 0);
    static const char *const wanted[] = {"content-type: application/json",
                                         "x-empty;",
                                         "Accept: */*",
                                         "X-Remote-User: alice",
                                         "X-Remote-Uid: u1",
                                         "X-Remote-Group: devs",
                                         "X-Remote-Group: qa team",
                                         "X-Forwarded-For: [::1]",
                                         "Audit-Id: of-the-client"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        assert_int_equal(count(lines, n, wanted[i]), 1);
    }
    assert_int_equal(n, sizeof(wanted) / sizeof(*wanted));
    done(&a);
}

/* A value that would begin another header goes nowhere. */
static void test_bad_headers(void **state)
{
    static const char *const bad[][2] = {
        {"x-a", "1\r\nX-Remote-User: root"}, {"x-a\n", "1"}, {"x a", "1"}, {"x-a", "\x7f"}};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct asked a;
        AUTO(err_finish) struct err err = {0};
        const char *const *lines = NULL;
        size_t n = 0;
        ask(&a, "/apis/g/v1", "");
        header(&a, bad[i][0], bad[i][1]);
        assert_int_equal(proxy_headers(&a.call, &lines, &n, &err), ERR_BAD_REQUEST);
        done(&a);
    }
    struct asked a;
    AUTO(err_finish) struct err err = {0};
    const char *const *lines = NULL;
    size_t n = 0;
    ask(&a, "/apis/g/v1", "");
    user_unref(a.user);
    a.user = a.call.user = user_create(STR("al\nice"), STR_NULL, NULL, 0);
    assert_int_equal(proxy_headers(&a.call, &lines, &n, &err), ERR_BAD_REQUEST);
    done(&a);
}

static void test_answers(void **state)
{
    struct str connection = STR("close, X-Hop ,keep-alive");
    (void)state;
    assert_true(proxy_passes(STR("Content-Type"), STR("text/plain"), connection));
    assert_true(proxy_passes(STR("X-Other"), STR(""), connection));
    assert_false(proxy_passes(STR("x-hop"), STR("1"), connection));
    assert_false(proxy_passes(STR("Transfer-Encoding"), STR("chunked"), connection));
    assert_false(proxy_passes(STR("Content-Length"), STR("1"), connection));
    assert_false(proxy_passes(STR("Upgrade"), STR("h2c"), connection));
    assert_false(proxy_passes(STR("Audit-ID"), STR("x"), connection));
    assert_false(proxy_passes(STR("X-Bad"), STR("a\rb"), connection));
    assert_false(proxy_passes(STR("X Bad"), STR("a"), connection));
}

static void test_target(void **state)
{
    struct asked a;
    struct apiservice *items[] = {apiservice_create(), apiservice_create(), apiservice_create()};
    static const char *const groups[] = {"g", AGGREGATION_GROUP, "own"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        items[i]->name = items[i]->group = str_from(groups[i]);
        items[i]->version = STR("v1");
        items[i]->remote = i < 2;
    }
    struct apiservice *remote = items[0];
    struct aggregation_snapshot *s = aggregation_snapshot_create(items, 3);
    static const struct {
        const char *path;
        bool remote;
    } cases[] = {{"/apis/g/v1", true},
                 {"/apis/g/v1/namespaces/a/things/b", true},
                 {"/apis/g/v2", false},
                 {"/apis/g", false},
                 {"/openapi/v3/apis/g/v1", false},
                 {"/apis/own/v1/things", false},
                 {"/apis/" AGGREGATION_GROUP "/v1/apiservices", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ask(&a, cases[i].path, "");
        assert_null(proxy_target(&a.call));
        a.call.apis = s;
        assert_ptr_equal(proxy_target(&a.call), cases[i].remote ? remote : NULL);
        done(&a);
    }
    aggregation_snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),         cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bad_headers), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
