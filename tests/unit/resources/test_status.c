/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: every text here was recorded from the reference or is this program's own. */
#include "resources/status.h"

#include "fixture.h"

static struct arena arena;
static struct err err;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    err_finish(&err);
    arena_finish(&arena);
    return 0;
}

static const char *written(void)
{
    struct buf b = {0};
    status_write(&b, &err);
    return buf_text(&arena, &b);
}

#define HEAD "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","

static void test_not_found(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL), *cm = make_type(CONFIGMAP, NULL);
    assert_int_equal(status_not_found(&err, t, STR("a")), ERR_NOT_FOUND);
    assert_string_equal(written(),
                        HEAD "\"message\":\"widgets.example.com \\\"a\\\" not found\",\"reason\":"
                             "\"NotFound\",\"details\":{\"name\":\"a\",\"group\":\"example.com\","
                             "\"kind\":\"widgets\"},\"code\":404}");
    status_exists(&err, cm, STR("a"));
    assert_string_equal(written(), HEAD "\"message\":\"configmaps \\\"a\\\" already exists\","
                                        "\"reason\":\"AlreadyExists\",\"details\":{\"name\":\"a\","
                                        "\"kind\":\"configmaps\"},\"code\":409}");
    type_unref(t);
    type_unref(cm);
}

static void test_conflict_and_forbidden(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    status_conflict(&err, t, STR("a"), NULL);
    assert_string_equal(
        err.message, "Operation cannot be fulfilled on widgets.example.com \"a\": the object has "
                     "been modified; please apply your changes to the latest version and try "
                     "again");
    assert_int_equal(status_code(&err), 409);
    status_conflict(&err, t, STR("a\"b"), "why");
    assert_string_equal(err.message,
                        "Operation cannot be fulfilled on widgets.example.com \"a\\\"b\": why");
    status_forbidden(&err, t, STR("b"), "create not allowed while %s", "terminating");
    assert_string_equal(written(),
                        HEAD "\"message\":\"widgets.example.com \\\"b\\\" is forbidden: create not "
                             "allowed while terminating\",\"reason\":\"Forbidden\",\"details\":{"
                             "\"name\":\"b\",\"group\":\"example.com\",\"kind\":\"widgets\"},"
                             "\"code\":403}");
    status_forbidden(&err, t, STR(""), "no");
    assert_string_equal(err.message, "widgets.example.com is forbidden: no");
    type_unref(t);
}

static void test_access_denied(void **state)
{
    (void)state;
    struct user *u = user_create(STR("u<1>"), STR_NULL, NULL, 0);
    struct attributes at = {.user = u,
                            .verb = STR("patch"),
                            .resource_request = true,
                            .group = STR("g.io"),
                            .resource = STR("widgets"),
                            .subresource = STR("status"),
                            .ns = STR("n"),
                            .name = STR("a")};
    status_access_denied(&err, &at, NULL);
    assert_string_equal(err.message,
                        "widgets.g.io \"a\" is forbidden: User \"u&lt;1&gt;\" cannot patch "
                        "resource \"widgets/status\" in API group \"g.io\" in the namespace \"n\"");
    assert_string_equal(err.kind, "widgets");
    at = (struct attributes){
        .user = u, .verb = STR("list"), .resource_request = true, .resource = STR("namespaces")};
    status_access_denied(&err, &at, "because");
    assert_string_equal(err.message,
                        "namespaces is forbidden: User \"u&lt;1&gt;\" cannot list resource "
                        "\"namespaces\" in API group \"\" at the cluster scope: because");
    at = (struct attributes){.user = u, .verb = STR("get"), .path = STR("/metrics")};
    status_access_denied(&err, &at, "");
    assert_string_equal(written(),
                        HEAD "\"message\":\"forbidden: User \\\"u&lt;1&gt;\\\" cannot get path "
                             "\\\"/metrics\\\"\",\"reason\":\"Forbidden\",\"details\":{},"
                             "\"code\":403}");
    user_unref(u);
}

static void test_generic(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL), *cm = make_type(CONFIGMAP, NULL);
    status_method(&err, cm, STR("create"));
    assert_string_equal(written(),
                        HEAD "\"message\":\"the server does not allow this method on the "
                             "requested resource\",\"reason\":\"MethodNotAllowed\",\"details\":{},"
                             "\"code\":405}");
    status_method(&err, t, STR("delete"));
    assert_string_equal(written(), HEAD "\"message\":\"delete is not supported on resources of "
                                        "kind \\\"widgets.example.com\\\"\",\"reason\":"
                                        "\"MethodNotAllowed\",\"details\":{\"group\":"
                                        "\"example.com\",\"kind\":\"widgets\"},\"code\":405}");
    status_generic(&err, ERR_INVALID, NULL);
    assert_string_equal(written(), HEAD "\"message\":\"the server rejected our request due to an "
                                        "error in our request\",\"reason\":\"Invalid\","
                                        "\"details\":{},\"code\":422}");
    status_generic(&err, ERR_NOT_ACCEPTABLE, "406: Not Acceptable");
    assert_string_equal(written(), HEAD "\"message\":\"406: Not Acceptable\",\"reason\":"
                                        "\"NotAcceptable\",\"details\":{},\"code\":406}");
    struct err copy = {0};
    err_copy(&copy, &err); /* empty details survive a copy */
    struct buf b = {0};
    status_write(&b, &copy);
    assert_string_equal(buf_text(&arena, &b), written());
    err_finish(&copy);
    type_unref(t);
    type_unref(cm);
}

static void test_codes(void **state)
{
    (void)state;
    static const struct {
        int code, http;
        const char *json;
    } cases[] = {
        {ERR_BAD_REQUEST, 400, HEAD "\"message\":\"m\",\"reason\":\"BadRequest\",\"code\":400}"},
        {ERR_UNAUTHORIZED, 401, HEAD "\"message\":\"m\",\"reason\":\"Unauthorized\",\"code\":401}"},
        {ERR_NOT_ACCEPTABLE, 406,
         HEAD "\"message\":\"m\",\"reason\":\"NotAcceptable\",\"code\":406}"},
        {ERR_EXPIRED, 410, HEAD "\"message\":\"m\",\"reason\":\"Expired\",\"code\":410}"},
        {ERR_GONE, 410, HEAD "\"message\":\"m\",\"reason\":\"Gone\",\"code\":410}"},
        {ERR_TOO_LARGE, 413,
         HEAD "\"message\":\"m\",\"reason\":\"RequestEntityTooLarge\",\"code\":413}"},
        {ERR_MEDIA_TYPE, 415,
         HEAD "\"message\":\"m\",\"reason\":\"UnsupportedMediaType\",\"code\":415}"},
        {ERR_TOO_MANY, 429, HEAD "\"message\":\"m\",\"reason\":\"TooManyRequests\",\"code\":429}"},
        {ERR_UNKNOWN_500, 500, HEAD "\"message\":\"m\",\"code\":500}"},
        {ERR_UNAVAILABLE, 503,
         HEAD "\"message\":\"m\",\"reason\":\"ServiceUnavailable\",\"code\":503}"},
        {ERR_CLOSED, 503, HEAD "\"message\":\"m\",\"reason\":\"ServiceUnavailable\",\"code\":503}"},
        {ERR_NO_SPACE, 507, HEAD "\"message\":\"m\",\"code\":507}"},
        {ERR_INTERNAL, 500,
         HEAD "\"message\":\"Internal error occurred: m\",\"reason\":\"InternalError\","
              "\"details\":{\"causes\":[{\"message\":\"m\"}]},\"code\":500}"},
        {ERR_IO, 500,
         HEAD "\"message\":\"Internal error occurred: m\",\"reason\":\"InternalError\","
              "\"details\":{\"causes\":[{\"message\":\"m\"}]},\"code\":500}"},
        {-9999, 500,
         HEAD "\"message\":\"Internal error occurred: m\",\"reason\":\"InternalError\","
              "\"details\":{\"causes\":[{\"message\":\"m\"}]},\"code\":500}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        err_set(&err, cases[i].code, "m");
        assert_int_equal(status_code(&err), cases[i].http);
        assert_string_equal(written(), cases[i].json);
    }
    err_set(&err, ERR_HTTP, "teapot");
    err.http_code = 418;
    assert_string_equal(written(), HEAD "\"message\":\"teapot\",\"code\":418}");
    err.http_code = 0;
    assert_int_equal(status_code(&err), 500);
}

static void test_future_version(void **state)
{
    (void)state;
    status_future_version(&err, 99, 7);
    assert_string_equal(written(),
                        HEAD "\"message\":\"Timeout: Too large resource version: 99, current: "
                             "7\",\"reason\":\"Timeout\",\"details\":{\"causes\":[{\"reason\":"
                             "\"ResourceVersionTooLarge\",\"message\":\"Too large resource "
                             "version\"}],\"retryAfterSeconds\":1},\"code\":504}");
}

static void test_causes_of_invalid(void **state)
{
    (void)state;
    struct causes c;
    causes_init(&c, &arena);
    causes_add(&c, CAUSE_REQUIRED, PATH_FIELD(NULL, STR("spec")), NULL, NULL);
    causes_to_err(&c, STR("g"), STR("K"), STR("n"), &err);
    assert_string_equal(written(),
                        HEAD "\"message\":\"K.g \\\"n\\\" is invalid: spec: Required value\","
                             "\"reason\":\"Invalid\",\"details\":{\"name\":\"n\",\"group\":\"g\","
                             "\"kind\":\"K\",\"causes\":[{\"reason\":\"FieldValueRequired\","
                             "\"message\":\"Required value\",\"field\":\"spec\"}]},\"code\":422}");
}

static void test_deleted(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL), *cm = make_type(CONFIGMAP, NULL);
    struct buf b = {0};
    status_write_deleted(&b, t, STR("a"), STR("u-1"));
    assert_string_equal(buf_text(&arena, &b),
                        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                        "\"Success\",\"details\":{\"name\":\"a\",\"group\":\"example.com\","
                        "\"kind\":\"widgets\",\"uid\":\"u-1\"}}");
    status_write_deleted(&b, cm, STR("a"), STR("u"));
    assert_string_equal(buf_text(&arena, &b),
                        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                        "\"Success\",\"details\":{\"name\":\"a\",\"kind\":\"configmaps\","
                        "\"uid\":\"u\"}}");
    type_unref(t);
    type_unref(cm);
}

/* What is written is read back as the same error. */
static void test_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        HEAD "\"message\":\"Internal error occurred: x\",\"reason\":\"InternalError\",\"details\":{"
             "\"causes\":[{\"message\":\"x\"}]},\"code\":500}",
        HEAD "\"message\":\"m\",\"reason\":\"Conflict\",\"details\":{\"name\":\"a\",\"group\":"
             "\"g\",\"kind\":\"k\",\"uid\":\"u\",\"retryAfterSeconds\":3},\"code\":409}",
        HEAD "\"message\":\"m\",\"code\":500}",
        HEAD "\"message\":\"m\",\"reason\":\"Teapot\",\"code\":418}",
        HEAD "\"message\":\"m\",\"reason\":\"Timeout\",\"details\":{},\"code\":504}",
    };
    static const int codes[] = {ERR_INTERNAL, ERR_CONFLICT, ERR_UNKNOWN_500, ERR_HTTP, ERR_TIMEOUT};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(status_read(tree(&arena, texts[i])->root, &err), codes[i]);
        assert_string_equal(written(), texts[i]);
    }
    static const char *const bad[] = {
        "{}",
        "[]",
        "null",
        "{\"code\":\"x\",\"details\":7,\"message\":[]}",
        "{\"code\":99999999999,\"details\":{\"causes\":{\"a\":1},\"retryAfterSeconds\":-4}}",
        "{\"code\":422,\"reason\":\"Invalid\",\"details\":{\"causes\":[1,null,\"x\",{}]}}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_true(status_read(tree(&arena, bad[i])->root, &err) < 0);
        assert_true(status_code(&err) >= 400);
        assert_true(strlen(written()) > 0);
    }
    assert_true(status_read(NULL, &err) < 0);
    assert_true(status_read(NULL, NULL) < 0);
}

static void test_from_store(void **state)
{
    (void)state;
    static const int codes[] = {ERR_NO_SPACE, ERR_IO, ERR_CORRUPT, ERR_CLOSED, ERR_CONFLICT};
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        assert_int_equal(status_from_store(&err, codes[i], i % 2 ? NULL : "why"), codes[i]);
        assert_int_equal(err.code, codes[i]);
    }
    assert_int_equal(status_from_store(&err, 0, NULL), 0);
    assert_int_equal(status_from_store(NULL, ERR_CLOSED, NULL), ERR_CLOSED);
    assert_int_equal(status_too_large(&err, "limit is %d", 3145728), ERR_TOO_LARGE);
    assert_string_equal(err.message, "Request entity too large: limit is 3145728");
    assert_int_equal(status_expired(&err, "too old resource version: %d (%d)", 1, 9), ERR_EXPIRED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_not_found),
        T(test_conflict_and_forbidden),
        T(test_access_denied),
        T(test_generic),
        T(test_codes),
        T(test_future_version),
        T(test_causes_of_invalid),
        T(test_deleted),
        T(test_read),
        T(test_from_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
