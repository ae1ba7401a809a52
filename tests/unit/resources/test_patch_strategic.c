/* SPDX-License-Identifier: Apache-2.0 */
/* Strategic merge patch: the schema's strategies, the rules of ObjectMeta, the directives, and
 * misuse. */
#include "resources/patch.h"

#include "fixture.h"
#include "resources/status.h"
#include "schemas/schema.h"
#include "tests/unit/cpu.h"

static struct arena arena;
static struct schema *schema;

#define SCHEMA                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"object\",\"additionalProperties\":" \
    "{\"type\":\"string\"}},\"atomic\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"      \
    "\"whole\":{\"type\":\"object\",\"x-kubernetes-patch-strategy\":\"replace\",\"properties\":{"  \
    "\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\"}}},\"scalars\":{\"type\":\"array\","   \
    "\"x-kubernetes-patch-strategy\":\"merge\",\"items\":{\"type\":\"string\"}},\"ports\":{"       \
    "\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\","                                \
    "\"x-kubernetes-patch-merge-key\":\"port\",\"items\":{\"type\":\"object\",\"properties\":{"    \
    "\"port\":{\"type\":\"integer\"},\"x\":{\"type\":\"string\"},\"y\":{\"type\":\"string\"}}}},"  \
    "\"secrets\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\","                   \
    "\"x-kubernetes-patch-merge-key\":\"name\",\"items\":{\"type\":\"object\",\"properties\":{"    \
    "\"name\":{\"type\":\"string\"},\"tags\":{\"type\":\"array\","                                 \
    "\"x-kubernetes-patch-strategy\":\"merge\",\"items\":{\"type\":\"string\"}}}}},"               \
    "\"lost\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\",\"items\":{\"type\":"  \
    "\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}},\"kept\":{\"type\":\"object\","     \
    "\"x-kubernetes-patch-strategy\":\"retainKeys\",\"properties\":{\"a\":{\"type\":\"string\"},"  \
    "\"b\":{\"type\":\"string\"}}}}}"

static int begin(void **state)
{
    (void)state;
    const struct schema_options options = {.builtin = true};
    arena_init(&arena, 0);
    return schema_create(tree(&arena, SCHEMA)->root, &options, &schema, NULL);
}

static int end(void **state)
{
    (void)state;
    schema_unref(schema);
    arena_finish(&arena);
    return 0;
}

static const char *patched(const char *object, const char *patch)
{
    yyjson_mut_doc *d = tree(&arena, object), *p = tree(&arena, patch);
    const char *before = text_of(&arena, p->root);
    yyjson_mut_val *result = NULL;
    struct err err = {0};
    int rc = patch_strategic(d, d->root, p->root, schema, &result, &err);
    assert_string_equal(text_of(&arena, p->root), before);
    if (rc) {
        const char *text = arena_printf(&arena, "%d %s", status_code(&err), err_message(&err));
        err_finish(&err);
        return text;
    }
    return text_of(&arena, result);
}

static void check(const char *const cases[][3], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = patched(cases[i][0], cases[i][1]);
        if (strcmp(got, cases[i][2])) {
            fail_msg("%s\nwith %s\ngave %s\nnot  %s", cases[i][0], cases[i][1], got, cases[i][2]);
        }
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof(*cases))

static void test_objects(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"data\":{\"k\":\"v\"},\"metadata\":{\"labels\":{\"a\":\"1\"}}}",
         "{\"data\":{\"l\":\"w\"},\"metadata\":{\"labels\":{\"a\":null,\"b\":\"2\"}}}",
         "{\"data\":{\"k\":\"v\",\"l\":\"w\"},\"metadata\":{\"labels\":{\"b\":\"2\"}}}"},
        {"{\"data\":{\"k\":\"v\",\"l\":\"w\"}}",
         "{\"data\":{\"$patch\":\"replace\",\"only\":\"1\"}}", "{\"data\":{\"only\":\"1\"}}"},
        {"{\"data\":{\"k\":\"v\"}}", "{\"data\":{\"$patch\":\"delete\"}}", "{\"data\":{}}"},
        {"{\"data\":{\"k\":\"v\"}}", "{\"data\":null}", "{}"},
        {"{}", "{\"data\":{\"a\":null,\"b\":\"c\"},\"nope\":1,\"gone\":null}",
         "{\"data\":{\"b\":\"c\"},\"nope\":1}"},
        {"{}", "{\"data\":{\"$patch\":\"replace\"}}", "{}"},
        {"{}", "{\"ports\":[{\"port\":1,\"$patch\":\"delete\"},{\"port\":2}]}",
         "{\"ports\":[{\"port\":2}]}"},
        {"{\"data\":\"text\"}", "{\"data\":{\"k\":\"v\"}}", "{\"data\":{\"k\":\"v\"}}"},
        {"{\"a\":1}", "{\"a\":2.5}", "{\"a\":2.5}"},
        {"{\"whole\":{\"a\":\"1\"}}", "{\"whole\":{\"b\":\"2\"}}", "{\"whole\":{\"b\":\"2\"}}"},
        {"{\"kept\":{\"a\":\"1\",\"b\":\"2\"}}",
         "{\"kept\":{\"$retainKeys\":[\"b\",\"c\"],\"c\":\"3\"}}",
         "{\"kept\":{\"b\":\"2\",\"c\":\"3\"}}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
        {"{\"a\":1}", "null", "{\"a\":1}"},
    };
    CHECK(cases);
}

static void test_lists(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"atomic\":[\"a\",\"b\"]}", "{\"atomic\":[\"c\"]}", "{\"atomic\":[\"c\"]}"},
        {"{\"scalars\":[\"a\",\"b\"]}", "{\"scalars\":[\"c\",\"b\"]}",
         "{\"scalars\":[\"c\",\"a\",\"b\"]}"},
        {"{\"scalars\":[\"a\",\"b\",\"a\"]}", "{\"scalars\":[\"d\"]}",
         "{\"scalars\":[\"d\",\"a\",\"b\"]}"},
        {"{\"scalars\":[\"a\",\"b\",\"c\"]}",
         "{\"$deleteFromPrimitiveList/scalars\":[\"b\",\"x\"]}", "{\"scalars\":[\"a\",\"c\"]}"},
        {"{}", "{\"$deleteFromPrimitiveList/scalars\":[\"b\"]}", "{}"},
        {"{\"atomic\":[\"a\",\"b\"]}", "{\"$deleteFromPrimitiveList/atomic\":[\"b\"]}",
         "{\"atomic\":[\"a\"]}"},
        {"{\"ports\":[{\"port\":1,\"x\":\"a\"},{\"port\":2}]}",
         "{\"ports\":[{\"port\":2,\"y\":\"b\"},{\"port\":3}]}",
         "{\"ports\":[{\"port\":1,\"x\":\"a\"},{\"port\":2,\"y\":\"b\"},{\"port\":3}]}"},
        {"{\"ports\":[{\"port\":1},{\"port\":2}]}",
         "{\"ports\":[{\"$patch\":\"replace\"},{\"port\":9}]}", "{\"ports\":[{\"port\":9}]}"},
        {"{\"ports\":[{\"port\":1},{\"port\":2},{\"port\":1}]}",
         "{\"ports\":[{\"$patch\":\"delete\",\"port\":1}]}", "{\"ports\":[{\"port\":2}]}"},
        {"{\"ports\":[{\"port\":1}]}",
         "{\"ports\":[{\"port\":2,\"x\":\"a\"},{\"port\":2,\"y\":"
         "\"b\"}]}",
         "{\"ports\":[{\"port\":2,\"x\":\"a\",\"y\":\"b\"},{\"port\":1}]}"},
        {"{\"secrets\":[{\"name\":\"a\",\"tags\":[\"1\"]}]}",
         "{\"secrets\":[{\"name\":\"a\",\"tags\":[\"2\"]}]}",
         "{\"secrets\":[{\"name\":\"a\",\"tags\":[\"2\",\"1\"]}]}"},
        {"{\"secrets\":[{\"name\":\"a\",\"tags\":[\"1\",\"2\"]}]}",
         "{\"secrets\":[{\"name\":\"a\",\"$deleteFromPrimitiveList/tags\":[\"1\"]}]}",
         "{\"secrets\":[{\"name\":\"a\",\"tags\":[\"2\"]}]}"},
        {"{\"secrets\":[]}", "{\"secrets\":[]}", "{\"secrets\":[]}"},
        {"{\"secrets\":[{\"name\":\"a\"}]}", "{\"secrets\":null}", "{}"},
    };
    CHECK(cases);
}

static void test_metadata(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"metadata\":{\"ownerReferences\":[{\"name\":\"o1\",\"uid\":\"1\"},{\"name\":\"o2\","
         "\"uid\":\"2\"}],\"finalizers\":[\"x.io/a\"]}}",
         "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"2\",\"$patch\":\"delete\"},{\"name\":"
         "\"o3\",\"uid\":\"3\"}],\"finalizers\":[\"x.io/b\"]}}",
         "{\"metadata\":{\"ownerReferences\":[{\"name\":\"o3\",\"uid\":\"3\"},{\"name\":\"o1\","
         "\"uid\":\"1\"}],\"finalizers\":[\"x.io/b\",\"x.io/a\"]}}"},
        {"{\"metadata\":{\"finalizers\":[\"x.io/b\",\"x.io/a\"]}}",
         "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"x.io/a\"]}}",
         "{\"metadata\":{\"finalizers\":[\"x.io/b\"]}}"},
        {"{\"metadata\":{\"managedFields\":[{\"manager\":\"a\"}]}}",
         "{\"metadata\":{\"managedFields\":[{}]}}", "{\"metadata\":{\"managedFields\":[{}]}}"},
    };
    CHECK(cases);
}

static void test_order(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}",
         "{\"$setElementOrder/secrets\":[{\"name\":\"c\"},{\"name\":\"a\"}]}",
         "{\"secrets\":[{\"name\":\"b\"},{\"name\":\"c\"},{\"name\":\"a\"}]}"},
        {"{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"$setElementOrder/secrets\":[{\"name\":\"n\"},{\"name\":\"b\"},{\"name\":\"a\"}],"
         "\"secrets\":[{\"name\":\"n\"}]}",
         "{\"secrets\":[{\"name\":\"n\"},{\"name\":\"b\"},{\"name\":\"a\"}]}"},
        {"{\"scalars\":[\"a\",\"b\",\"c\"]}",
         "{\"$setElementOrder/scalars\":[\"d\",\"a\"],\"scalars\":[\"d\"],"
         "\"$deleteFromPrimitiveList/scalars\":[\"b\"]}",
         "{\"scalars\":[\"d\",\"a\",\"c\"]}"},
        {"{}", "{\"$setElementOrder/scalars\":[\"a\"],\"scalars\":[\"a\"]}",
         "{\"scalars\":[\"a\"]}"},
        {"{}", "{\"$setElementOrder/scalars\":[\"a\"]}", "{}"},
    };
    CHECK(cases);
}

static void test_misuse(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"a\":1}", "{\"$patch\":\"frob\"}",
         "500 unknown patch type: frob in map: map[$patch:frob]"},
        {"{\"data\":{}}", "{\"data\":{\"z\":[1,{\"b\":true,\"a\":null}],\"$patch\":7}}",
         "500 unknown patch type: 7 in map: map[$patch:7 z:[1 map[a:<nil> b:true]]]"},
        {"{\"ports\":[{\"port\":1}]}", "{\"ports\":[{\"x\":\"a\"}]}",
         "500 map: map[x:a] does not contain declared merge key: port"},
        {"{\"ports\":[{\"x\":\"a\"}]}", "{\"ports\":[{\"port\":1}]}",
         "500 map: map[x:a] does not contain declared merge key: port"},
        {"{\"ports\":[{\"port\":1}]}", "{\"ports\":[{\"$patch\":\"delete\"}]}",
         "500 map: map[$patch:delete] does not contain declared merge key: port"},
        {"{\"ports\":[{\"port\":1}]}", "{\"ports\":[{\"$patch\":\"merge\"}]}",
         "500 merging lists cannot yet be specified in the patch"},
        {"{\"ports\":[{\"port\":1}]}", "{\"ports\":[{\"$patch\":\"x\"}]}",
         "500 unknown patch type: x in map: map[$patch:x]"},
        {"{\"ports\":[{\"port\":1}]}", "{\"ports\":[\"x\"]}",
         "500 list element types are not identical: [[map[port:1]] [x]]"},
        {"{\"scalars\":[\"a\"]}", "{\"scalars\":[1]}",
         "500 list element types are not identical: [[a] [1]]"},
        {"{\"scalars\":[[1]]}", "{\"scalars\":[[2]]}",
         "422 the server rejected our request due to an error in our request"},
        {"{\"lost\":[{\"a\":\"1\"}]}", "{\"lost\":[{\"a\":\"2\"}]}",
         "500 cannot merge lists without merge key for lost"},
        {"{\"kept\":{\"a\":\"1\"}}", "{\"kept\":{\"$retainKeys\":{}}}",
         "400 invalid patch format of retainKeys"},
        {"{\"kept\":{\"a\":\"1\"}}", "{\"kept\":{\"$retainKeys\":[\"a\"],\"b\":\"2\"}}",
         "400 invalid patch format of retainKeys"},
        {"{\"a\":1}", "{\"$deleteFromPrimitiveList\":[]}",
         "400 invalid patch format of primitive list"},
        {"{\"a\":1}", "{\"$setElementOrder\":[]}",
         "400 invalid patch format of setElementOrder list"},
        {"{\"a\":1}", "{\"$setElementOrder/scalars\":{}}",
         "500 expected a []interface {}, but received a map[string]interface {}"},
        {"{\"scalars\":\"x\"}", "{\"$setElementOrder/scalars\":[]}",
         "500 expected a []interface {}, but received a string"},
        {"{\"scalars\":[\"a\",\"b\"]}",
         "{\"$setElementOrder/scalars\":[\"b\",\"a\"],\"scalars\":[\"a\",\"b\"]}",
         "500 The order in patch list:\n[a b]\n doesn't match $setElementOrder list:\n[b a]\n"},
        {"{\"a\":1}", "[]",
         "400 json: cannot unmarshal array into Go value of type map[string]interface {}"},
        {"{\"a\":1}", "7",
         "400 json: cannot unmarshal number into Go value of type map[string]interface {}"},
    };
    CHECK(cases);
}

static void test_large(void **state)
{
    (void)state;
    struct buf object = {0}, patch = {0};
    enum { MANY = 30000 };
    for (int i = 0; i < MANY; i++) {
        buf_printf(&object, "%s{\"name\":\"n%d\"}", i ? "," : "{\"secrets\":[", i);
        buf_printf(&patch, "%s{\"name\":\"n%d\",\"tags\":[\"t\"]}", i ? "," : "{\"secrets\":[",
                   MANY + MANY / 2 - i);
    }
    buf_addz(&object, "]}");
    buf_addz(&patch, "]}");
    yyjson_mut_doc *d = tree(&arena, buf_text(&arena, &object));
    yyjson_mut_doc *p = tree(&arena, buf_text(&arena, &patch));
    yyjson_mut_val *result = NULL;
    int64_t start = cpu_ms();
    assert_int_equal(patch_strategic(d, d->root, p->root, schema, &result, NULL), 0);
    assert_true(cpu_ms() - start < 5000);
    assert_int_equal(yyjson_mut_arr_size(json_get(result, "secrets")), MANY + MANY / 2 + 1);
}

/* Without a schema, as for a type that keeps everything: objects merge, lists are replaced. */
static void test_no_schema(void **state)
{
    (void)state;
    struct schema *none = NULL;
    assert_int_equal(schema_create(NULL, NULL, &none, NULL), 0);
    yyjson_mut_doc *d = tree(&arena, "{\"a\":{\"b\":[1],\"c\":2}}");
    yyjson_mut_val *result = NULL;
    assert_int_equal(
        patch_strategic(d, d->root, tree(&arena, "{\"a\":{\"b\":[2]}}")->root, none, &result, NULL),
        0);
    assert_string_equal(text_of(&arena, result), "{\"a\":{\"b\":[2],\"c\":2}}");
    schema_unref(none);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_objects), T(test_lists), T(test_metadata),  T(test_order),
        T(test_misuse),  T(test_large), T(test_no_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
