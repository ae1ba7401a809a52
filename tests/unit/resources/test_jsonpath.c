/* SPDX-License-Identifier: Apache-2.0 */
/* Paths in kubectl's dialect. */
#include "resources/jsonpath.h"

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

#define OBJECT                                                                                     \
    "{\"metadata\":{\"name\":\"n\",\"annotations\":{\"a.b/c\":\"dotted\"}},\"spec\":{\"size\":3,"  \
    "\"ratio\":0.5,\"on\":true,\"none\":null,\"list\":[10,20,30,40],\"items\":[{\"type\":"         \
    "\"Ready\",\"status\":\"True\",\"n\":1},{\"type\":\"Up\",\"status\":\"False\",\"n\":2},{"      \
    "\"type\":\"Ready\",\"status\":\"Unknown\",\"n\":3}],\"m\":{\"x\":{\"v\":1},\"y\":{\"v\":2}}}" \
    "}"

static bool collect(void *arg, const yyjson_mut_val *v)
{
    struct buf *b = arg;
    buf_addz(b, b->len ? " " : "");
    json_write(b, v);
    return true;
}

static const char *found(const char *path, const char *object)
{
    struct jsonpath *p = NULL;
    struct err err = {0};
    struct buf b = {0};
    if (jsonpath_parse(&arena, str_from(path), &p, &err)) {
        fail_msg("%s: %s", path, err_message(&err));
    }
    yyjson_mut_doc *d = tree(&arena, object);
    jsonpath_find(p, d->root, collect, &b);
    yyjson_mut_val *first = jsonpath_first(p, d->root);
    assert_int_equal(first != NULL, b.len > 0);
    return buf_text(&arena, &b);
}

static void test_find(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {".metadata.name", "\"n\""},
        {"$.metadata.name", "\"n\""},
        {"@.metadata.name", "\"n\""},
        {".metadata['name']", "\"n\""},
        {".metadata[\"name\"]", "\"n\""},
        {"['metadata']['name']", "\"n\""},
        {".metadata.annotations.a\\.b/c", "\"dotted\""},
        {".metadata.annotations['a\\.b/c']", "\"dotted\""},
        {".metadata.annotations[\"a.b/c\"]", "\"dotted\""},
        {".spec.missing", ""},
        {".spec.missing.deeper", ""},
        {".spec.size.deeper", ""},
        {".spec.none", "null"},
        {".spec.none.x", ""},
        {".spec.list[0]", "10"},
        {".spec.list[3]", "40"},
        {".spec.list[4]", ""},
        {".spec.list[-1]", "40"},
        {".spec.list[-5]", ""},
        {".spec.list[1:3]", "20 30"},
        {".spec.list[:2]", "10 20"},
        {".spec.list[2:]", "30 40"},
        {".spec.list[-2:]", "30 40"},
        {".spec.list[0:4:2]", "10 30"},
        {".spec.list[0:4:0]", ""},
        {".spec.list[2:2]", ""},
        {".spec.list[3:1]", ""},
        {".spec.list[*]", "10 20 30 40"},
        {".spec.list[0,2]", "10 30"},
        {".spec.list[2, 0]", "30 10"},
        {".spec['size','ratio']", "3 0.5"},
        {".spec.m.*.v", "1 2"},
        {".spec.m[*]", ""},
        {"..v", "1 2"},
        {".spec..v", "1 2"},
        {".spec.items[*].status", "\"True\" \"False\" \"Unknown\""},
        {".spec.items[?(@.type==\"Ready\")].status", "\"True\" \"Unknown\""},
        {".spec.items[?(@.type=='Ready')].status", "\"True\" \"Unknown\""},
        {".spec.items[?(@.type == \"Up\")].status", "\"False\""},
        {".spec.items[?(@.type!=\"Ready\")].status", "\"False\""},
        {".spec.items[?(@.n>1)].n", "2 3"},
        {".spec.items[?(@.n>=2)].n", "2 3"},
        {".spec.items[?(@.n<2)].n", "1"},
        {".spec.items[?(@.n<=2)].n", "1 2"},
        {".spec.items[?(@.n)].n", "1 2 3"},
        {".spec.items[?(@.nope)].n", ""},
        {".spec.items[?(@.nope==1)].n", ""},
        {".spec.items[?(@.n==\"1\")].n", ""},
        {".spec.items[?(@.n==1.0)].n", ""},
        {".spec.items[?(@.type==\"a)b\")].n", ""},
        {".spec.items[?(@.n=1)].n", ""},
        {".spec.size[0]", ""},
        {".spec.m[?(@.v==1)]", ""},
        {"spec.size", ""},
        {"", OBJECT},
        {".", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *got = found(cases[i][0], OBJECT);
        if (strcmp(got, cases[i][1])) {
            fail_msg("%s gave %s", cases[i][0], got);
        }
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ".spec[",   ".a[x]",       ".a[1:2:3:4]",     ".a[?(@.x==1)",
        ".a[?(@.x", "....",        ".a[1.5]",         "\"open",
        "'open",    ".a]b",        ".a}{.b",          "#",
        "+",        "-",           "1.2.3",           ".a[?()]x\n[",
        "\"\\q\"",  "\"\\ud800\"", ".a[99999999999]", "(",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct jsonpath *p = NULL;
        struct err err = {0};
        int rc = jsonpath_parse(&arena, str_from(bad[i]), &p, &err);
        if (rc != ERR_BAD_REQUEST) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_true(strlen(err.message) > 0);
        err_finish(&err);
    }
    static char large[LIMIT_JSONPATH_BYTES + 2];
    memset(large, '.', sizeof(large) - 1);
    struct jsonpath *p;
    assert_int_equal(jsonpath_parse(&arena, str_from(large), &p, NULL), ERR_BAD_REQUEST);
}

static void test_simple(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool simple;
    } cases[] = {
        {".spec.a", true},     {".spec['a']", true},  {".a[\"b\"]", true},
        {".spec.a[0]", false}, {"..a", false},        {".a.*", false},
        {"", false},           {".a[?(@.b)]", false}, {"\"text\"", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct jsonpath *p = NULL;
        assert_int_equal(jsonpath_parse(&arena, str_from(cases[i].path), &p, NULL), 0);
        assert_int_equal(jsonpath_is_simple(p), cases[i].simple);
    }
}

static void test_constants(void **state)
{
    (void)state;
    assert_string_equal(found("\"a\\tb\\u00e9\\x41\"", "{}"), "\"a\\tb\xc3\xa9"
                                                              "A\"");
    assert_string_equal(found("'it'", "{}"), "\"it\"");
    assert_string_equal(found("12", "{}"), "12");
    assert_string_equal(found("-1.5", "{}"), "-1.5");
    assert_string_equal(found("true", "{}"), "true");
}

/* Paths that multiply give nothing rather than everything. */
static void test_multiplying(void **state)
{
    (void)state;
    struct buf path = {0}, object = {0};
    for (int i = 0; i < 100; i++) {
        buf_addz(&path, "[0,0]");
        buf_addc(&object, '[');
    }
    buf_addz(&object, "1");
    for (int i = 0; i < 100; i++) {
        buf_addc(&object, ']');
    }
    const char *path_text = buf_text(&arena, &path), *object_text = buf_text(&arena, &object);
    int64_t start = cpu_ms();
    assert_string_equal(found(path_text, object_text), "");
    assert_string_equal(found("..[*]..[*]..[*]..[*]..[*]", object_text), "");
    assert_true(cpu_ms() - start < 2000);
}

static void test_any_text(void **state)
{
    (void)state;
    static const char pieces[] = ".a[]*?(@)=!<>'\"\\,:-01 $..[?(@.a==\"x\")]";
    unsigned seed = 11;
    for (int round = 0; round < 20000; round++) {
        size_t n = seed % 20;
        char *text = malloc(n ? n : 1);
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = pieces[(seed >> 16) % (sizeof(pieces) - 1)];
        }
        seed = seed * 1664525 + 1013904223;
        struct jsonpath *p = NULL;
        yyjson_mut_doc *d = tree(&arena, "{\"a\":[{\"a\":\"x\"},{\"a\":[1,[2]]}]}");
        if (jsonpath_parse(&arena, str_make(text, n), &p, NULL) == 0) {
            jsonpath_first(p, d->root);
        }
        free(text);
        arena_finish(&arena);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_find),      T(test_refusals),    T(test_simple),
        T(test_constants), T(test_multiplying), T(test_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
