/* SPDX-License-Identifier: Apache-2.0 */
/* Stored form, splice, decoding under another shape or version, and what clients are shown: Tables
 * and partial objects. */
#include "resources/represent.h"

#include "base/clock.h"
#include "fixture.h"

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

#define HEADER "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{"

static const char *encoded(const struct type *t, const char *object)
{
    struct buf b = {0};
    represent_encode(&b, t, tree(&arena, object)->root);
    return buf_text(&arena, &b);
}

static void test_encode(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    assert_string_equal(encoded(t, "{\"spec\":{\"size\":1},\"metadata\":{\"resourceVersion\":\"7\","
                                   "\"name\":\"a\",\"selfLink\":\"/x\",\"uid\":\"u\"},\"kind\":"
                                   "\"Widget\",\"apiVersion\":\"example.com/v1\",\"s\":null}"),
                        HEADER "\"name\":\"a\",\"uid\":\"u\"},\"spec\":{\"size\":1},\"s\":null}");
    assert_string_equal(encoded(t, "{\"metadata\":{\"resourceVersion\":\"7\"}}"), HEADER "}}");
    assert_string_equal(encoded(t, "{}"), HEADER "}}");
    type_unref(t);
}

static const char *spliced(const struct type *t, const char *value, int64_t rev)
{
    const struct stored s = {.value = str_from(value), .rev = rev, .stamp = t->stamp};
    struct buf b = {0};
    assert_true(represent_is_splice(t, type_storage(t), &s));
    represent_splice(&b, t, &s);
    return buf_text(&arena, &b);
}

static void test_splice(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    assert_string_equal(spliced(t, HEADER "\"name\":\"a\"},\"spec\":{}}", 42),
                        HEADER "\"resourceVersion\":\"42\",\"name\":\"a\"},\"spec\":{}}");
    assert_string_equal(spliced(t, HEADER "}}", INT64_MAX),
                        HEADER "\"resourceVersion\":\"9223372036854775807\"}}");
    assert_string_equal(spliced(t, HEADER "}}", 0), HEADER "\"resourceVersion\":\"0\"}}");
    struct stored s = {.value = STR(HEADER "}}"), .rev = 1, .stamp = t->stamp + 1};
    assert_false(represent_is_splice(t, type_storage(t), &s));
    s = (struct stored){.value = STR("{\"kind\":\"Widget\"}"), .rev = 1, .stamp = t->stamp};
    assert_false(represent_is_splice(t, type_storage(t), &s));
    s.value = STR_NULL;
    assert_false(represent_is_splice(t, type_storage(t), &s));
    type_unref(t);
}

/* v1 is stored; v1beta1 knows other fields, and has a default of its own. */
#define TWO                                                                                        \
    "{\"metadata\":{\"name\":\"w\"},\"spec\":{" WIDGET_NAMES                                       \
    ",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"                \
    "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","      \
    "\"properties\":{\"size\":{\"type\":\"integer\"},\"color\":{\"type\":\"string\",\"default\":"  \
    "\"red\"}}}}}}},{\"name\":\"v1beta1\",\"served\":true,\"storage\":false,\"schema\":{"          \
    "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","      \
    "\"properties\":{\"size\":{\"type\":\"integer\"},\"note\":{\"type\":\"string\",\"default\":"   \
    "\"beta\"}}}}}}}]}}"

static const char *shown(const struct type *t, size_t version, const char *value, uint64_t stamp)
{
    const struct stored s = {.value = str_from(value), .rev = 5, .stamp = stamp};
    struct buf b = {0};
    struct err err = {0};
    int rc = represent_object(&b, t, &t->versions[version], &s, &arena, &err);
    if (rc) {
        const char *text = arena_printf(&arena, "%d %s", rc, err_message(&err));
        err_finish(&err);
        buf_finish(&b);
        return text;
    }
    return buf_text(&arena, &b);
}

static void test_decode(void **state)
{
    (void)state;
    struct type *t = make_type(TWO, NULL);
    const char *value = HEADER "\"name\":\"a\"},\"spec\":{\"size\":1,\"old\":2}}";
    /* The present stamp: bytes as they are. */
    assert_string_equal(shown(t, 0, value, t->stamp),
                        HEADER "\"resourceVersion\":\"5\",\"name\":\"a\"},\"spec\":{\"size\":1,"
                               "\"old\":2}}");
    /* Another: pruned and defaulted. */
    assert_string_equal(shown(t, 0, value, 1),
                        HEADER "\"resourceVersion\":\"5\",\"name\":\"a\"},\"spec\":{\"size\":1,"
                               "\"color\":\"red\"}}");
    /* Another version: pruned by it, its own defaults left alone. */
    assert_string_equal(shown(t, 1, value, t->stamp),
                        "{\"apiVersion\":\"example.com/v1beta1\",\"kind\":\"Widget\",\"metadata\":{"
                        "\"resourceVersion\":\"5\",\"name\":\"a\"},\"spec\":{\"size\":1}}");
    /* Stored when v1beta1 was: its defaults, then what v1 does not know goes. */
    assert_string_equal(
        shown(t, 0,
              "{\"apiVersion\":\"example.com/v1beta1\",\"kind\":\"Widget\",\"metadata\":{"
              "\"name\":\"a\"},\"spec\":{\"size\":1,\"note\":\"x\"}}",
              1),
        HEADER "\"resourceVersion\":\"5\",\"name\":\"a\"},\"spec\":{\"size\":1}}");
    type_unref(t);
}

static void test_corrupt(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    static const char *const bad[] = {"", "{", "[]", "7", "null", HEADER, HEADER "\"name\":\"a\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const char *got = shown(t, 0, bad[i], 1);
        assert_true(str_starts(str_from(got), STR("-19 a stored object of widgets.example.com "
                                                  "cannot be read: ")));
    }
    type_unref(t);
}

static int convert(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str to,
                   struct err *err)
{
    if (json_get(obj, "refuse")) {
        return err_set(err, ERR_INTERNAL, "no");
    }
    assert_ptr_equal(self, &arena);
    assert_true(str_is(to, "example.com/v1"));
    json_set_int(d, json_ensure_obj(d, obj, "spec"), "size", 9);
    return 0;
}

static void test_stored_as(void **state)
{
    (void)state;
    static const struct type_strategy strategy = {.convert = convert};
    const struct type_extras extras = {.strategy = &strategy, .self = &arena};
    struct type *t = make_type("{\"metadata\":{\"name\":\"w\"},\"spec\":{" WIDGET_NAMES
                               ",\"coracle\":{\"builtin\":true,\"storedAs\":{\"apiVersion\":\"v1\","
                               "\"kind\":\"Gadget\"}},\"versions\":[" WIDGET_VERSION "]}}",
                               &extras);
    const char *value = encoded(t, "{\"metadata\":{\"name\":\"a\"},\"spec\":{}}");
    assert_string_equal(
        value,
        "{\"apiVersion\":\"v1\",\"kind\":\"Gadget\",\"metadata\":{\"name\":\"a\"},\"spec\":{}}");
    const struct stored s = {.value = str_from(value), .rev = 5, .stamp = t->stamp};
    assert_false(represent_is_splice(t, type_storage(t), &s));
    assert_string_equal(shown(t, 0, value, t->stamp),
                        HEADER "\"resourceVersion\":\"5\",\"name\":\"a\"},\"spec\":{\"size\":9}}");
    assert_string_equal(shown(t, 0, "{\"apiVersion\":\"v1\",\"kind\":\"Gadget\",\"refuse\":1}", 0),
                        "-1 no");
    type_unref(t);
}

/* ---- what clients are shown ---- */

#define COLUMNS                                                                                    \
    "{\"metadata\":{\"name\":\"w\"},\"spec\":{" WIDGET_NAMES                                       \
    ",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"                            \
    "\"additionalPrinterColumns\":[{\"name\":\"I\",\"type\":\"integer\",\"jsonPath\":\".i\"},{"    \
    "\"name\":\"N\",\"type\":\"number\",\"jsonPath\":\".n\"},{\"name\":\"B\",\"type\":"            \
    "\"boolean\",\"jsonPath\":\".b\"},{\"name\":\"S\",\"type\":\"string\",\"jsonPath\":\".s\"},{"  \
    "\"name\":\"D\",\"type\":\"date\",\"jsonPath\":\".d\"},{\"name\":\"L\",\"type\":\"string\","   \
    "\"jsonPath\":\".l[0]\"}]}]}}"

static const char *cells(const struct type *t, const char *object)
{
    const struct representation r = {.as = REPRESENT_TABLE, .include = INCLUDE_NONE};
    struct buf b = {0};
    represent_row(&b, t, t->versions, &r, &arena, tree(&arena, object)->root);
    const char *text = buf_text(&arena, &b);
    assert_true(str_starts(str_from(text), STR("{\"cells\":")));
    assert_true(str_ends(str_from(text), STR(",\"object\":null}")));
    return arena_printf(&arena, "%.*s", (int)(strlen(text) - 9 - 15), text + 9);
}

static void test_cells(void **state)
{
    (void)state;
    struct type *t = make_type(COLUMNS, NULL);
    static const char *const cases[][2] = {
        {"{\"metadata\":{\"name\":\"a\"}}", "[\"a\",null,null,null,null,null,null]"},
        {"{\"metadata\":{\"name\":\"a\"},\"i\":1,\"n\":2,\"b\":true,\"s\":\"x\",\"d\":\"\",\"l\":["
         "\"y\"]}",
         "[\"a\",1,2,true,\"x\",\"<unknown>\",\"y\"]"},
        {"{\"i\":1.9,\"n\":2.5,\"b\":\"true\",\"s\":1,\"d\":\"soon\",\"l\":[0.1]}",
         "[\"\",1,2.5,null,\"1\",\"<invalid>\",\"0.1\"]"},
        {"{\"i\":-1.9e300,\"n\":\"2\",\"b\":0,\"s\":true,\"d\":5,\"l\":[]}",
         "[\"\",-9223372036854775808,null,null,\"true\",null,null]"},
        {"{\"i\":\"1\",\"n\":null,\"b\":null,\"s\":null,\"d\":null,\"l\":[null]}",
         "[\"\",null,null,null,\"<no value>\",null,\"<no value>\"]"},
        {"{\"s\":{\"b\":[1,\"<x>\"],\"a\":null},\"l\":[[1,2]]}",
         "[\"\",null,null,null,\"{\\\"a\\\":null,\\\"b\\\":[1,\\\"\\\\u003cx\\\\u003e\\\"]}\",null,"
         "\"[1,2]\"]"},
        {"{\"s\":1e21,\"l\":[0.00001]}", "[\"\",null,null,null,\"1e+21\",null,\"1e-05\"]"},
        {"{\"s\":123456789.5,\"l\":[-0.25]}",
         "[\"\",null,null,null,\"1.234567895e+08\",null,\"-0.25\"]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *got = cells(t, cases[i][0]);
        if (strcmp(got, cases[i][1])) {
            fail_msg("%s gave %s", cases[i][0], got);
        }
    }
    type_unref(t);
}

static void test_age(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    char then[CLOCK_TEXT];
    clock_format(clock_wall_us() - (int64_t)3 * 3600 * 1000000, then);
    assert_string_equal(cells(t, arena_printf(&arena,
                                              "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":"
                                              "\"%s\"}}",
                                              then)),
                        "[\"a\",\"3h\"]");
    type_unref(t);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *out)
{
    assert_ptr_equal(self, &arena);
    assert_int_equal(v->n_columns, 2);
    yyjson_mut_arr_add_str(d, out, "own");
    yyjson_mut_arr_add_int(d, out, (int64_t)yyjson_mut_obj_size(json_get(obj, "data")));
}

static void test_own_row(void **state)
{
    (void)state;
    static const struct type_strategy strategy = {.row = row};
    const struct type_extras extras = {.strategy = &strategy, .self = &arena};
    struct type *t = make_type(
        "{\"metadata\":{\"name\":\"w\"},\"spec\":{\"group\":\"\",\"scope\":\"Namespaced\","
        "\"names\":"
        "{\"plural\":\"cms\",\"kind\":\"Cm\"},\"coracle\":{\"builtin\":true},\"versions\":[{"
        "\"name\":\"v1\",\"served\":true,\"storage\":true,\"additionalPrinterColumns\":[{\"name\":"
        "\"Name\",\"type\":\"string\",\"format\":\"name\",\"description\":\"n\"},{\"name\":"
        "\"Data\",\"type\":\"string\"}]}]}}",
        &extras);
    assert_string_equal(cells(t, "{\"data\":{\"a\":1,\"b\":2}}"), "[\"own\",2]");
    struct buf b = {0};
    represent_columns(&b, t, t->versions);
    assert_string_equal(buf_text(&arena, &b),
                        "\"columnDefinitions\":[{\"name\":\"Name\",\"type\":\"string\",\"format\":"
                        "\"name\",\"description\":\"n\",\"priority\":0},{\"name\":\"Data\","
                        "\"type\":\"string\",\"format\":\"\",\"description\":\"\",\"priority\":"
                        "0}]");
    type_unref(t);
}

static const char *table(const struct type *t, const struct representation *r, const char *object,
                         bool columns, struct str rv)
{
    struct buf b = {0};
    represent_table(&b, t, t->versions, r, object ? tree(&arena, object)->root : NULL, columns, rv);
    return buf_text(&arena, &b);
}

static void test_table(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    const char *object = "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{"
                         "\"name\":\"a\",\"resourceVersion\":\"7\"},\"spec\":{\"size\":1}}";
    struct representation r = {.as = REPRESENT_TABLE, .include = INCLUDE_METADATA};
#define TABLE "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
    assert_string_equal(table(t, &r, object, false, STR_NULL),
                        TABLE "\"resourceVersion\":\"7\"},\"columnDefinitions\":null,\"rows\":[{"
                              "\"cells\":[\"a\",null],\"object\":{\"kind\":"
                              "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                              "\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}}]}");
    r.include = INCLUDE_OBJECT;
    assert_string_equal(
        table(t, &r, object, false, STR("9")),
        arena_printf(&arena,
                     TABLE "\"resourceVersion\":\"9\"},\"columnDefinitions\":null,\"rows\":[{"
                           "\"cells\":[\"a\",null],\"object\":%s}]}",
                     object));
    r.v1beta1 = true;
    r.include = INCLUDE_METADATA;
    const char *beta = table(t, &r, object, false, STR_NULL);
    assert_non_null(
        strstr(beta, "\"apiVersion\":\"meta.k8s.io/v1beta1\",\"metadata\":{\"resource"));
    assert_non_null(strstr(beta, "\"apiVersion\":\"meta.k8s.io/v1beta1\",\"metadata\":{\"name\""));
    r.v1beta1 = false;
    const char *empty = table(t, &r, NULL, true, STR(""));
    yyjson_mut_val *columns = json_get(tree(&arena, empty)->root, "columnDefinitions");
    assert_true(str_ends(str_from(empty), STR("],\"rows\":[]}")));
    assert_int_equal(yyjson_mut_arr_size(columns), 2);
    yyjson_mut_val *name = yyjson_mut_arr_get(columns, 0), *age = yyjson_mut_arr_get(columns, 1);
    assert_true(str_is(json_get_str(name, "format"), "name"));
    assert_true(str_starts(json_get_str(name, "description"), STR("Name must be unique within")));
    assert_true(str_is(json_get_str(age, "type"), "date"));
    assert_true(str_starts(json_get_str(age, "description"), STR("CreationTimestamp is a")));
    type_unref(t);
}

static void test_partial(void **state)
{
    (void)state;
    struct buf b = {0};
    represent_partial(&b, tree(&arena, "{\"kind\":\"X\"}")->root, false);
    assert_string_equal(buf_text(&arena, &b),
                        "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                        "\"metadata\":{}}");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_encode), T(test_splice), T(test_decode),  T(test_corrupt), T(test_stored_as),
        T(test_cells),  T(test_age),    T(test_own_row), T(test_table),   T(test_partial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
