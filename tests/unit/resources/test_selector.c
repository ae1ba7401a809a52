/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors: what they match, what the reference says of bad ones. */
#include "resources/selector.h"

#include "base/limits.h"
#include "fixture.h"
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

static struct selector *parse(const char *text)
{
    struct selector *s = NULL;
    struct err err = {0};
    if (selector_parse_labels(&arena, str_from(text), &s, &err)) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return s;
}

static void test_match(void **state)
{
    (void)state;
    static const char *const labels[] = {
        "{\"app\":\"x\",\"tier\":\"1\"}",
        "{\"app\":\"y\"}",
        "{\"tier\":\"2\",\"app\":\"z\"}",
        "{}",
        "{\"app\":\"\"}",
    };
    static const struct {
        const char *selector;
        const char *matches; /* which of them: "1" or "." */
    } cases[] = {
        {"app", "111.1"},
        {"!app", "...1."},
        {" app , ! tier ", ".1..1"},
        {"", "11111"},
        {"app=x", "1...."},
        {"app==x", "1...."},
        {"app = x,tier=1", "1...."},
        {"app!=x", ".1111"},
        {"app=", "....1"},
        {"app!=", "1111."},
        {"app in (x,y)", "11..."},
        {"app in (,x)", "1...1"},
        {"app in (x,)", "1...1"},
        {"app in (y,,x)", "11..1"},
        {"app in ()", "....1"},
        {"app notin (x,y)", "..111"},
        {"app notin ()", "1111."},
        {"tier in (1),app notin (z)", "1...."},
        {"tier>1", "..1.."},
        {"tier<2", "1...."},
        {"tier > 0 , tier < 3", "1.1.."},
        {"app>1", "....."},
        {"app,app=x", "1...."},
        {"app=x,app=y", "....."},
        {"app,!app", "....."},
        {"in in (in)", "....."},
        {"app in (in,notin,x)", "1...."},
        {"x.io/app", "....."},
        {"!x.io/app", "11111"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct selector *s = parse(cases[i].selector);
        struct selector *copy = selector_copy(&arena, s);
        for (size_t j = 0; j < 5; j++) {
            yyjson_mut_doc *d = tree(&arena, labels[j]);
            bool wanted = cases[i].matches[j] == '1';
            if (selector_match_labels(s, d->root) != wanted ||
                selector_match_labels(copy, d->root) != wanted) {
                fail_msg("%s on %s", cases[i].selector, labels[j]);
            }
        }
        assert_int_equal(selector_match_labels(s, NULL), cases[i].matches[3] == '1');
    }
    assert_null(parse(""));
    assert_null(parse(" \t"));
    assert_null(selector_copy(&arena, NULL));
}

#define REQUIREMENT "unable to parse requirement: "
#define KEY                                                                                        \
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "  \
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for " \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define VALUE                                                                                      \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', " \
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

static void test_refusals(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"app===x", REQUIREMENT "found '=', expected: identifier"},
        {"app in x", REQUIREMENT "found 'x' expected: '('"},
        {"k in", REQUIREMENT "found '' expected: '('"},
        {"a in", REQUIREMENT "found '' expected: '('"},
        {"bad key=x", REQUIREMENT "found 'key', expected: in, notin, =, ==, !=, gt, lt"},
        {"app=bad value!", "found 'value', expected: ',' or 'end of string'"},
        {",", "found ',', expected: !, identifier, or 'end of string'"},
        {"a,", "found '', expected: identifier after ','"},
        {"a,,b", "found ',', expected: identifier after ','"},
        {"(", "found '(', expected: !, identifier, or 'end of string'"},
        {"=a", "found '=', expected: !, identifier, or 'end of string'"},
        {"!", REQUIREMENT "found '', expected: identifier"},
        {"!!a", REQUIREMENT "found '!', expected: identifier"},
        {"!a=b", "found '=', expected: ',' or 'end of string'"},
        {"a in (", REQUIREMENT "found '', expected: ',', ')' or identifier"},
        {"a in (=", REQUIREMENT "found '=', expected: ',', ')' or identifier"},
        {"a in (x", REQUIREMENT "found '', expected: ',' or ')'"},
        {"a in (x y)", REQUIREMENT "found 'y', expected: ',' or ')'"},
        {"a in (x,", REQUIREMENT "found '', expected: ',', or identifier"},
        {"a in (x,=)", REQUIREMENT "found '=', expected: ',', or identifier"},
        {"a in (x)y", "found 'y', expected: ',' or 'end of string'"},
        {"-a", REQUIREMENT "<nil>: Invalid value: \"-a\": " KEY},
        {"a=-b", REQUIREMENT "values[0][a]: Invalid value: \"-b\": " VALUE},
        {"a in (ok,-b,-a)", REQUIREMENT "[values[0][a]: Invalid value: \"-a\": " VALUE
                                        ", values[1][a]: Invalid value: \"-b\": " VALUE "]"},
        {"a>x", REQUIREMENT "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value "
                            "must be an integer"},
        {"a>99999999999999999999",
         REQUIREMENT "values[0]: Invalid value: \"99999999999999999999\": for 'Gt', 'Lt' "
                     "operators, the value must be an integer"},
        {"a>=1", REQUIREMENT "found '=', expected: identifier"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct selector *s = NULL;
        struct err err = {0};
        assert_int_equal(selector_parse_labels(&arena, str_from(cases[i][0]), &s, &err),
                         ERR_BAD_REQUEST);
        assert_string_equal(err.message, cases[i][1]);
        assert_null(s);
        err_finish(&err);
    }
    static char large[LIMIT_SELECTOR_BYTES + 2];
    memset(large, 'a', sizeof(large) - 1);
    struct selector *s;
    assert_int_equal(selector_parse_labels(&arena, str_from(large), &s, NULL), ERR_BAD_REQUEST);
}

/* Any text is either refused or parsed, without reading past it. */
static void test_any_text(void **state)
{
    (void)state;
    static const char pieces[] = "a!=,()<> in notin \t\0x.io/b-_\xc3\xa9";
    unsigned seed = 7;
    yyjson_mut_doc *labels = tree(&arena, "{\"a\":\"x\",\"in\":\"notin\"}");
    for (int round = 0; round < 20000; round++) {
        size_t n = seed % 24;
        char *text = malloc(n ? n : 1);
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = pieces[(seed >> 16) % (sizeof(pieces) - 1)];
        }
        seed = seed * 1664525 + 1013904223;
        struct selector *s = NULL;
        if (selector_parse_labels(&arena, str_make(text, n), &s, NULL) == 0) {
            selector_match_labels(s, labels->root);
        }
        free(text);
        arena_finish(&arena);
        labels = tree(&arena, "{\"a\":\"x\",\"in\":\"notin\"}");
    }
}

static void test_from_object(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *matches, *not_matches;
    } cases[] = {
        {"{}", "{}", NULL},
        {"{\"matchLabels\":{\"b\":\"2\",\"a\":\"1\"}}", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}",
         "{\"a\":\"1\"}"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"2\",\"1\"]},{"
         "\"key\":\"b\",\"operator\":\"DoesNotExist\"}]}",
         "{\"a\":\"2\"}", "{\"a\":\"2\",\"b\":\"\"}"},
        {"{\"matchLabels\":{\"z\":\"\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":"
         "\"NotIn\",\"values\":[\"1\"]},{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[]}]}",
         "{\"z\":\"\",\"a\":\"2\"}", "{\"z\":\"\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct selector *s = NULL;
        assert_int_equal(
            selector_from_object(&arena, tree(&arena, cases[i].object)->root, &s, NULL), 0);
        assert_true(selector_match_labels(s, tree(&arena, cases[i].matches)->root));
        if (cases[i].not_matches) {
            assert_false(selector_match_labels(s, tree(&arena, cases[i].not_matches)->root));
        }
    }
    struct selector *nothing = NULL;
    assert_int_equal(selector_from_object(&arena, NULL, &nothing, NULL), 0);
    assert_false(selector_match_labels(nothing, tree(&arena, "{}")->root));
    assert_false(selector_match_labels(nothing, NULL));
    static const char *const bad[] = {
        "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Like\"}]}",
        "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}",
        "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"x\"]}]}",
        "{\"matchExpressions\":[{\"key\":\"-\",\"operator\":\"Exists\"}]}",
        "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[1]}]}",
        "{\"matchExpressions\":[7]}",
        "{\"matchLabels\":{\"-\":\"x\"}}",
        "{\"matchLabels\":{\"a\":7}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct selector *s = NULL;
        struct err err = {0};
        assert_int_equal(selector_from_object(&arena, tree(&arena, bad[i])->root, &s, &err),
                         ERR_BAD_REQUEST);
        assert_true(strlen(err.message) > 0);
        err_finish(&err);
    }
}

/* A long selector against many labels stays far from their product. */
static void test_large(void **state)
{
    (void)state;
    struct buf text = {0}, labels = {0};
    for (int i = 0; text.len < LIMIT_SELECTOR_BYTES - 12; i++) {
        buf_printf(&text, "%s!k%d", i ? "," : "", i);
    }
    buf_addc(&labels, '{');
    for (int i = 0; i < 100000; i++) {
        buf_printf(&labels, "%s\"l%d\":\"v\"", i ? "," : "", i);
    }
    buf_addc(&labels, '}');
    struct selector *s = NULL;
    assert_int_equal(selector_parse_labels(&arena, buf_str(&text), &s, NULL), 0);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&arena, buf_str(&labels), &d, NULL, NULL), 0);
    int64_t start = cpu_ms();
    assert_true(selector_match_labels(s, d->root));
    assert_true(cpu_ms() - start < 2000);
    buf_finish(&text);
    buf_finish(&labels);
}

/* ---- field selectors ---- */

#define SELECTABLE                                                                                 \
    "{\"metadata\":{\"name\":\"w\"},\"spec\":{" WIDGET_NAMES                                       \
    ",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"selectableFields\":[{"     \
    "\"jsonPath\":\".spec.color\"},{\"jsonPath\":\".spec.size\"},{\"jsonPath\":\".spec.on\"}]}]}}"

static void test_fields(void **state)
{
    (void)state;
    struct type *t = make_type(SELECTABLE, NULL);
    yyjson_mut_doc *d = tree(&arena, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"},\"spec\":{"
                                     "\"color\":\"r,e=d\\\\\",\"size\":2,\"on\":true}}");
    static const struct {
        const char *text;
        bool matches, keys_only;
    } cases[] = {
        {"metadata.name=a", true, true},
        {"metadata.name==a", true, true},
        {"metadata.name!=a", false, true},
        {"metadata.namespace=n,metadata.name=a", true, true},
        {"metadata.namespace=m", false, true},
        {"spec.size=2", true, false},
        {"spec.size=2,spec.on=true", true, false},
        {"spec.on!=true", false, false},
        {"spec.color=r\\,e\\=d\\\\", true, false},
        {"spec.color=", false, false},
        {",,metadata.name=a,", true, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct field_selector *s = NULL;
        struct err err = {0};
        if (selector_parse_fields(&arena, str_from(cases[i].text), t, t->versions, &s, &err)) {
            fail_msg("%s: %s", cases[i].text, err_message(&err));
        }
        assert_int_equal(selector_match_fields(s, d->root), cases[i].matches);
        assert_int_equal(selector_match(NULL, s, d->root), cases[i].matches);
        assert_int_equal(selector_keys_only(NULL, s), cases[i].keys_only);
        if (cases[i].keys_only) {
            assert_int_equal(selector_match_key(s, STR("n"), STR("a")), cases[i].matches);
        }
    }
    struct field_selector *none = NULL;
    assert_int_equal(selector_parse_fields(&arena, STR(""), t, t->versions, &none, NULL), 0);
    assert_null(none);
    assert_int_equal(selector_parse_fields(&arena, STR_NULL, t, t->versions, &none, NULL), 0);
    assert_true(selector_match_fields(NULL, d->root));
    assert_true(selector_keys_only(NULL, NULL));
    type_unref(t);
}

static void test_absent_fields(void **state)
{
    (void)state;
    struct type *t = make_type(SELECTABLE, NULL);
    struct field_selector *empty = NULL, *other = NULL;
    selector_parse_fields(&arena, STR("spec.color="), t, t->versions, &empty, NULL);
    selector_parse_fields(&arena, STR("spec.color!=red"), t, t->versions, &other, NULL);
    static const char *const objects[] = {"{}", "{\"spec\":{\"color\":null}}", "{\"spec\":7}"};
    for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
        yyjson_mut_doc *d = tree(&arena, objects[i]);
        assert_true(selector_match_fields(empty, d->root));
        assert_true(selector_match_fields(other, d->root));
    }
    type_unref(t);
}

static void test_required(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    struct field_selector *s = NULL;
    selector_parse_fields(&arena, STR("metadata.name!=b,metadata.name=a"), t, t->versions, &s,
                          NULL);
    assert_true(str_is(selector_required(s, "metadata.name"), "a"));
    assert_null(selector_required(s, "metadata.namespace").ptr);
    assert_null(selector_required(NULL, "metadata.name").ptr);
    type_unref(t);
}

static void test_field_refusals(void **state)
{
    (void)state;
    struct type *custom = make_type(SELECTABLE, NULL), *core = make_type(CONFIGMAP, NULL);
    struct type *cluster = make_type("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"group\":\"g.io\","
                                     "\"scope\":\"Cluster\",\"names\":{\"plural\":\"xs\",\"kind\":"
                                     "\"X\"},\"versions\":[" WIDGET_VERSION "]}}",
                                     NULL);
    const struct {
        struct type *t;
        const char *text, *message;
    } cases[] = {
        {core, "metadata.name",
         "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
        {core, "metadata.name>1",
         "invalid selector: 'metadata.name>1'; can't understand 'metadata.name>1'"},
        {core, "=a",
         "\"\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""},
        {core, "data.x=1",
         "\"data.x\" is not a known field selector: only \"metadata.name\", "
         "\"metadata.namespace\""},
        {custom, "spec.other=x", "field label not supported: spec.other"},
        {custom, "z=1,b=2", "field label not supported: b"},
        {cluster, "metadata.namespace=x", "field label not supported: metadata.namespace"},
        {custom, "metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"},
        {custom, "metadata.name=a\\b", "invalid field selector: invalid escape sequence: \\b"},
        {custom, "metadata.name=a=b", "invalid field selector: unescaped character in value: 61"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct field_selector *s = NULL;
        struct err err = {0};
        assert_int_equal(selector_parse_fields(&arena, str_from(cases[i].text), cases[i].t,
                                               cases[i].t->versions, &s, &err),
                         ERR_BAD_REQUEST);
        assert_string_equal(err.message, cases[i].message);
        err_finish(&err);
    }
    type_unref(custom);
    type_unref(core);
    type_unref(cluster);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_match),         T(test_refusals), T(test_any_text),
        T(test_from_object),   T(test_large),    T(test_fields),
        T(test_absent_fields), T(test_required), T(test_field_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
