/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI documents as they are served. */
#include "tests/unit/apiserver/probe.h"

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
    struct op_param right[] = {{STR("hash"), str_from(hash)}},
                    wrong[] = {{STR("hash"), STR("ABC")}};
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
        PROBED(test_openapi_v3_urls),
        PROBED(test_openapi_refusals),
        PROBED(test_openapi_v2_forms),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
