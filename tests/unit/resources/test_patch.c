/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Patch and merge patch. */
#include "resources/patch.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "fixture.h"
#include "resources/status.h"
#include "tests/unit/cpu.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

typedef int patch_fn(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch,
                     yyjson_mut_val **ret, struct err *err);

/* The result as JSON, or "CODE MESSAGE". The patch must come out as it went in. */
static const char *patched(patch_fn *fn, const char *object, const char *patch)
{
    yyjson_mut_doc *d = tree(&arena, object), *p = tree(&arena, patch);
    const char *before = text_of(&arena, p->root);
    yyjson_mut_val *result = NULL;
    struct err err = {0};
    int rc = fn(d, d->root, p->root, &result, &err);
    assert_string_equal(text_of(&arena, p->root), before);
    if (rc) {
        const char *text = arena_printf(&arena, "%d %s", status_code(&err), err_message(&err));
        err_finish(&err);
        return text;
    }
    return text_of(&arena, result);
}

#define OBJECT                                                                                     \
    "{\"spec\":{\"size\":1,\"color\":\"red\",\"l\":[\"x\",\"y\",\"z\"],\"m\":{\"k\":\"v\"},"       \
    "\"a/b\":{\"c~d\":1},\"none\":null}}"
#define SPEC(rest)                                                                                 \
    "{\"spec\":{\"size\":1,\"color\":\"red\",\"l\":[\"x\",\"y\",\"z\"],\"m\":{\"k\":\"v\"}," rest  \
    "}}"
#define GENERIC "422 the server rejected our request due to an error in our request"

static void test_json(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", OBJECT},
        {"null", OBJECT},
        {"[{\"op\":\"add\",\"path\":\"/spec/m/n\",\"value\":\"w\"},{\"op\":\"add\",\"path\":"
         "\"/spec/l/1\",\"value\":\"new\"},{\"op\":\"add\",\"path\":\"/spec/l/-\",\"value\":"
         "\"end\"}]",
         "{\"spec\":{\"size\":1,\"color\":\"red\",\"l\":[\"x\",\"new\",\"y\",\"z\",\"end\"],\"m\":{"
         "\"k\":\"v\",\"n\":\"w\"},\"a/b\":{\"c~d\":1},\"none\":null}}"},
        {"[{\"op\":\"move\",\"from\":\"/spec/m/k\",\"path\":\"/spec/m/q\"},{\"op\":\"copy\","
         "\"from\":\"/spec/color\",\"path\":\"/spec/m/c\"},{\"op\":\"remove\",\"path\":"
         "\"/spec/l\"}]",
         "{\"spec\":{\"size\":1,\"color\":\"red\",\"m\":{\"q\":\"v\",\"c\":\"red\"},\"a/b\":{"
         "\"c~d\":1},\"none\":null}}"},
        {"[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"a\":1}},{\"op\":\"test\",\"path\":\"\","
         "\"value\":{\"a\":1}}]",
         "{\"a\":1}"},
        {"[{\"op\":\"replace\",\"path\":\"/spec/a~1b/c~0d\",\"value\":2},{\"op\":\"test\","
         "\"path\":\"/spec/a~1b\",\"value\":{\"c~d\":2}},{\"op\":\"remove\",\"path\":"
         "\"/spec/a~1b\"},{\"op\":\"remove\",\"path\":\"/spec/none\"},{\"op\":\"remove\",\"path\":"
         "\"/spec/l/0\"},{\"op\":\"replace\",\"path\":\"/spec/l/1\",\"value\":[]}]",
         "{\"spec\":{\"size\":1,\"color\":\"red\",\"l\":[\"y\",[]],\"m\":{\"k\":\"v\"}}}"},
        {"[{\"op\":\"replace\",\"path\":\"/spec/nope\",\"value\":1},{\"op\":\"remove\",\"path\":"
         "\"/spec/none\"},{\"op\":\"remove\",\"path\":\"/spec/a~1b\"}]",
         SPEC("\"nope\":1")},
        {"[{\"op\":\"add\",\"path\":\"/spec/none\"},{\"op\":\"remove\",\"path\":\"/spec/a~1b\"},{"
         "\"op\":\"test\",\"path\":\"/spec/none\",\"value\":null},{\"op\":\"test\",\"path\":"
         "\"/spec/absent\",\"value\":null},{\"op\":\"test\",\"path\":\"/spec/absent\"}]",
         SPEC("\"none\":null")},
        {"[{\"op\":\"copy\",\"from\":\"/spec/absent\",\"path\":\"/spec/none\"},{\"op\":\"remove\","
         "\"path\":\"/spec/a~1b\"},{\"op\":\"add\",\"path\":\"/spec/l/-1\",\"value\":1},{\"op\":"
         "\"test\",\"path\":\"/spec/l/-1\",\"value\":1},{\"op\":\"remove\",\"path\":"
         "\"/spec/l/-1\"}]",
         SPEC("\"none\":null")},
        {"[{\"op\":\"test\",\"path\":\"/spec/size\",\"value\":1.0},{\"op\":\"copy\",\"from\":"
         "\"/spec\",\"path\":\"/spec/m/self\"},{\"op\":\"replace\",\"path\":\"/"
         "spec\",\"value\":{}}]",
         "{\"spec\":{}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(patched(patch_json, OBJECT, cases[i][0]), cases[i][1]);
    }
}

static void test_json_refusals(void **state)
{
    (void)state;
    static const char *const generic[] = {
        "[{\"op\":\"test\",\"path\":\"/spec/size\",\"value\":7}]",
        "[{\"op\":\"test\",\"path\":\"/spec/size\"}]",
        "[{\"op\":\"test\",\"path\":\"/spec/absent\",\"value\":1}]",
        "[{\"op\":\"test\",\"path\":\"\",\"value\":{}}]",
        "[{\"op\":\"remove\",\"path\":\"/spec/nope\"}]",
        "[{\"op\":\"replace\",\"path\":\"/spec/nope/deep\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/spec/l/9\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/spec/l/x\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/spec/l/-5\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/spec/size/x\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/spec/none/x\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"\",\"value\":{}}]",
        "[{\"op\":\"add\",\"path\":\"spec\",\"value\":{}}]",
        "[{\"op\":\"remove\",\"path\":\"\"}]",
        "[{\"op\":\"remove\",\"path\":\"/spec/l/3\"}]",
        "[{\"op\":\"remove\",\"path\":\"/spec/l/-\"}]",
        "[{\"op\":\"remove\",\"path\":\"/spec/l/99999999999999999999\"}]",
        "[{\"op\":\"replace\",\"path\":\"/spec/l/3\",\"value\":1}]",
        "[{\"op\":\"replace\",\"path\":\"\",\"value\":1}]",
        "[{\"op\":\"replace\",\"path\":\"\"}]",
        "[{\"op\":\"move\",\"from\":\"/spec/nope\",\"path\":\"/spec/x\"}]",
        "[{\"op\":\"move\",\"from\":\"/spec\",\"path\":\"/spec/m/x\"}]",
        "[{\"op\":\"move\",\"path\":\"/spec/x\"}]",
        "[{\"op\":\"copy\",\"from\":\"/nope/x\",\"path\":\"/spec/x\"}]",
        "[{\"op\":\"copy\",\"from\":\"/spec/l/7\",\"path\":\"/spec/x\"}]",
        "[{\"op\":\"frob\",\"path\":\"/spec/size\",\"value\":7}]",
        "[{\"path\":\"/spec/size\"}]",
        "[{\"op\":\"add\"}]",
        "[{\"op\":\"add\",\"path\":null}]",
        "[{}]",
        "[null]",
    };
    for (size_t i = 0; i < sizeof(generic) / sizeof(*generic); i++) {
        const char *got = patched(patch_json, OBJECT, generic[i]);
        if (strcmp(got, GENERIC)) {
            fail_msg("%s gave %s", generic[i], got);
        }
    }
#define DECODING "400 error decoding patch: json: cannot unmarshal "
    static const char *const malformed[][2] = {
        {"{\"op\":\"add\",\"path\":\"/spec/size\",\"value\":1}",
         DECODING "object into Go value of type []handlers.jsonPatchOp"},
        {"7", DECODING "number into Go value of type []handlers.jsonPatchOp"},
        {"[\"x\"]", DECODING "string into Go value of type handlers.jsonPatchOp"},
        {"[{\"op\":1}]", DECODING "number into Go struct field jsonPatchOp.op of type string"},
        {"[{\"op\":\"add\",\"path\":[]}]",
         DECODING "array into Go struct field jsonPatchOp.path of type string"},
        {"[{\"op\":\"move\",\"path\":\"/x\",\"from\":true}]",
         DECODING "bool into Go struct field jsonPatchOp.from of type string"},
    };
    for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
        assert_string_equal(patched(patch_json, OBJECT, malformed[i][0]), malformed[i][1]);
    }
}

/* n copies of one operation. */
static const char *repeat(const char *op, size_t n)
{
    struct buf b = {0};
    for (size_t i = 0; i < n; i++) {
        buf_addz(&b, i ? "," : "[");
        buf_addz(&b, op);
    }
    buf_addc(&b, ']');
    return buf_text(&arena, &b);
}

static void test_json_limits(void **state)
{
    (void)state;
    const char *test = "{\"op\":\"test\",\"path\":\"/spec/size\",\"value\":1}";
    assert_string_equal(patched(patch_json, OBJECT, repeat(test, LIMIT_JSON_PATCH_OPS)), OBJECT);
    assert_string_equal(patched(patch_json, OBJECT, repeat(test, LIMIT_JSON_PATCH_OPS + 1)),
                        "413 Request entity too large: The allowed maximum operations in a JSON "
                        "patch is 10000, got 10001");
    /* Each doubles the object: stopped by what copies may add. */
    const char *bomb = "{\"op\":\"copy\",\"from\":\"/spec\",\"path\":\"/spec/m\"}";
    assert_string_equal(patched(patch_json, OBJECT, repeat(bomb, 200)), GENERIC);
    /* Deeper than a body may be. */
    const char *deeper = "{\"op\":\"move\",\"from\":\"/spec\",\"path\":\"/x\"},{\"op\":\"add\","
                         "\"path\":\"/spec\",\"value\":{}},{\"op\":\"move\",\"from\":\"/x\","
                         "\"path\":\"/spec/x\"}";
    assert_string_equal(patched(patch_json, OBJECT, repeat(deeper, LIMIT_DEPTH)), GENERIC);
}

/* Operations at the end of a long list cost what the budget allows, no more. */
static void test_json_budget(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_addz(&b, "{\"l\":[");
    for (int i = 0; i < 200000; i++) {
        buf_addz(&b, i ? ",1" : "1");
    }
    buf_addz(&b, "]}");
    const char *object = buf_text(&arena, &b);
    int64_t start = cpu_ms();
    const char *got = patched(
        patch_json, object, repeat("{\"op\":\"test\",\"path\":\"/l/199999\",\"value\":1}", 10000));
    assert_true(str_starts(str_from(got), STR("413 Request entity too large: ")));
    assert_true(cpu_ms() - start < 5000);
}

/* Moves can pile up what is far deeper than any object may be; copying it fails before the stack does. */
static void test_json_deep(void **state)
{
    enum { MOVES = 1200, LEVELS = 150 };
    AUTO(buf_finish) struct buf b = {0}, nest = {0}, path = {0};
    (void)state;
    for (int i = 0; i < LEVELS; i++) {
        buf_addz(&nest, "{\"x\":");
        buf_addz(&path, "/x");
    }
    buf_addz(&nest, "{}");
    for (int i = 0; i < LEVELS; i++) {
        buf_addc(&nest, '}');
    }
    buf_addz(&b, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{}}");
    for (int i = 0; i < MOVES; i++) {
        buf_printf(&b, ",{\"op\":\"add\",\"path\":\"/b\",\"value\":%.*s}", STR_FMT(buf_str(&nest)));
        buf_printf(&b, ",{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b%.*s/x\"}", STR_FMT(buf_str(&path)));
        buf_addz(&b, ",{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}");
    }
    buf_addz(&b, ",{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},{\"op\":\"remove\",\"path\":\"/a\"}]");
    buf_addc(&b, 0);
    assert_true(b.len < LIMIT_BODY_BYTES);
    yyjson_mut_doc *d = tree(&arena, "{}"), *p = tree(&arena, b.ptr);
    yyjson_mut_val *result = NULL;
    struct err err = {0};
    assert_int_equal(patch_json(d, d->root, p->root, &result, &err), ERR_INVALID);
    assert_null(result);
    err_finish(&err);
}

static void test_merge(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"data\":{\"k\":\"v\",\"l\":\"w\"}}", "{\"data\":{\"k\":null,\"m\":\"n\"}}",
         "{\"data\":{\"l\":\"w\",\"m\":\"n\"}}"},
        {"{\"data\":{\"l\":\"w\"}}", "{\"data\":null}", "{}"},
        {"{}", "{\"spec\":{\"m\":{\"a\":\"b\",\"c\":null}}}", "{\"spec\":{\"m\":{\"a\":\"b\"}}}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
        {"{\"a\":[1,2]}", "{\"a\":[3]}", "{\"a\":[3]}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":[{\"x\":null}]}", "{\"a\":[{\"x\":null}]}"},
        {"{\"a\":1}", "{\"a\":[{\"x\":null},null]}", "{\"a\":[{},null]}"},
        {"{\"a\":1}", "{\"a\":{\"b\":{\"c\":null,\"d\":2}}}", "{\"a\":{\"b\":{\"d\":2}}}"},
        {"{\"a\":null}", "{\"a\":{\"b\":null}}", "{\"a\":{}}"},
        {"{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"d\":2}}}",
         "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}"},
        {"{\"x\":1,\"y\":2,\"z\":3}", "{\"z\":null,\"y\":5,\"x\":null,\"w\":null}", "{\"y\":5}"},
        {"{\"a\":\"s\"}", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1}}"},
        {"{\"a\":{\"x\":1}}", "{\"a\":\"s\"}", "{\"a\":\"s\"}"},
        {"{\"a\":1}", "null", "400 Invalid JSON Patch"},
        {"{\"a\":1}", "[]",
         "400 error decoding patch: json: cannot unmarshal array into Go value of type "
         "map[string]interface {}"},
        {"{\"a\":1}", "\"x\"",
         "400 error decoding patch: json: cannot unmarshal string into Go value of type "
         "map[string]interface {}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(patched(patch_merge, cases[i][0], cases[i][1]), cases[i][2]);
    }
}

/* Many members against many members is no product of the two. */
static void test_merge_large(void **state)
{
    (void)state;
    struct buf object = {0}, patch = {0};
    for (int i = 0; i < 100000; i++) {
        buf_printf(&object, "%s\"k%d\":%d", i ? "," : "{", i, i);
        buf_printf(&patch, "%s\"k%d\":%s", i ? "," : "{", 150000 - i, i % 2 ? "null" : "\"new\"");
    }
    buf_addc(&object, '}');
    buf_addc(&patch, '}');
    yyjson_mut_doc *d = tree(&arena, buf_text(&arena, &object));
    yyjson_mut_doc *p = tree(&arena, buf_text(&arena, &patch));
    yyjson_mut_val *result = NULL;
    int64_t start = cpu_ms();
    assert_int_equal(patch_merge(d, d->root, p->root, &result, NULL), 0);
    assert_true(cpu_ms() - start < 3000);
    /* 50,001 of the old ones are untouched; half of what the patch names is set, half is gone. */
    assert_int_equal(yyjson_mut_obj_size(result), 50001 + 50000);
    assert_null(json_get(result, "k149999"));
    assert_true(str_is(json_get_str(result, "k150000"), "new"));
    assert_int_equal(json_get_int(result, "k50000", -1), 50000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_json),        T(test_json_refusals), T(test_json_limits),
        T(test_json_budget), T(test_json_deep), T(test_merge),         T(test_merge_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
