/* SPDX-License-Identifier: Apache-2.0 */
/* Types from definition documents: names, versions, columns, keys, stamps; and documents that are
 * none. */
#include "resources/type.h"

#include "fixture.h"
#include "resources/jsonpath.h"

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

static void test_custom(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    assert_true(str_is(t->group_resource, "widgets.example.com"));
    assert_true(str_is(t->list_kind, "WidgetList"));
    assert_true(t->custom && t->namespaced && t->generation);
    assert_false(t->unconditional_update || t->virtual_ || t->terminating);
    assert_int_equal(t->verbs, VERBS_ALL);
    assert_true(str_is(t->prefix, "/registry/example.com/widgets/"));
    assert_true(str_is(t->header, "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\","
                                  "\"metadata\":{"));
    const struct type_version *v = type_storage(t);
    assert_ptr_equal(v, type_served(t, STR("v1")));
    assert_null(type_served(t, STR("v2")));
    assert_true(str_is(v->api_version, "example.com/v1"));
    assert_true(str_is(v->openapi_name, "com.example.v1.Widget"));
    assert_int_equal(v->n_columns, 1);
    assert_true(str_is(v->columns[0].name, "Age"));
    assert_true(str_is(v->columns[0].type, "date"));
    assert_false(v->status || v->has_scale);
    assert_null(type_subresource(t, STR("token")));
    type_unref(type_ref(t));
    type_unref(t);
    type_unref(NULL);
}

static void test_builtin(void **state)
{
    (void)state;
    struct type *t = make_type(CONFIGMAP, NULL);
    assert_false(t->custom || t->generation);
    assert_true(t->unconditional_update);
    assert_true(str_is(t->group_resource, "configmaps"));
    assert_true(str_is(t->list_kind, "ConfigMapList"));
    assert_true(str_is(t->prefix, "/registry/configmaps/"));
    assert_true(str_is(t->versions[0].api_version, "v1"));
    assert_true(str_is(t->versions[0].openapi_name, "io.k8s.api.core.v1.ConfigMap"));
    assert_true(str_is(t->header, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"));
    type_unref(t);
}

static int answer(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *body,
                  yyjson_mut_val **ret, struct err *err)
{
    (void)self, (void)op, (void)d, (void)body, (void)ret, (void)err;
    return 0;
}

static void test_shipped(void **state)
{
    (void)state;
    const struct type_subresource subs[] = {
        {.name = STR("token"), .kind = STR("TokenRequest"), .create = answer}};
    const struct type_extras extras = {.subresources = subs, .n_subresources = 1};
    struct type *t = make_type(
        "{\"metadata\":{\"name\":\"x\",\"uid\":\"U\",\"deletionTimestamp\":\"2001-01-01T00:00:"
        "00Z\"},\"spec\":{\"group\":\"g\",\"scope\":\"Cluster\",\"names\":{\"plural\":\"xs\","
        "\"kind\":\"X\",\"shortNames\":[\"x1\",\"x2\"],\"categories\":[\"all\"]},\"coracle\":{"
        "\"builtin\":true,\"virtual\":true,\"storedAs\":{\"apiVersion\":\"v1\",\"kind\":\"Event\"},"
        "\"verbs\":[\"create\",\"get\"]},\"versions\":[{\"name\":\"v1\",\"served\":true,"
        "\"storage\":true,\"additionalPrinterColumns\":[{\"name\":\"Name\",\"type\":\"string\"},{"
        "\"name\":\"Kind\",\"type\":\"string\",\"jsonPath\":\".kind\",\"priority\":1}],\"fields\":["
        "{"
        "\"label\":\"involvedObject.kind\",\"jsonPath\":\".regarding.kind\"}]}]}}",
        &extras);
    assert_true(t->virtual_ && t->terminating && !t->namespaced);
    assert_int_equal(t->verbs, VERB_BIT(VERB_CREATE) | VERB_BIT(VERB_GET));
    assert_true(str_is(t->uid, "U"));
    assert_int_equal(t->n_short_names, 2);
    assert_true(str_is(t->short_names[1], "x2"));
    assert_true(str_is(t->categories[0], "all"));
    assert_true(str_is(t->header, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{"));
    assert_int_equal(t->versions[0].n_columns, 1); /* Name is first anyway */
    assert_true(str_is(t->versions[0].columns[0].name, "Kind"));
    assert_int_equal(t->versions[0].columns[0].priority, 1);
    assert_int_equal(t->versions[0].n_fields, 1);
    assert_true(str_is(t->versions[0].fields[0].label, "involvedObject.kind"));
    assert_non_null(type_subresource(t, STR("token")));
    assert_true(type_subresource(t, STR("token"))->create == answer);
    type_unref(t);
}

#define V(name, more) "{\"name\":\"" name "\",\"served\":true,\"storage\":false" more "}"

static void test_versions(void **state)
{
    (void)state;
    struct type
        *t = make_type("{\"metadata\":{\"name\":\"x\"},\"spec\":{" WIDGET_NAMES
                       ",\"versions\":[" V("v1beta1", ",\"deprecated\":true") "," V(
                           "foo", "") "," V("v2",
                                            ",\"deprecated\":true,\"deprecationWarning\":\"own "
                                            "words\"") "," V("v1alpha1",
                                                             ",\"deprecated\":"
                                                             "true") ",{\"name\":"
                                                                     "\"v10\","
                                                                     "\"served\":"
                                                                     "false,"
                                                                     "\"storage\""
                                                                     ":true}," V(
                                                                         "v1",
                                                                         ",\"subresources\":{"
                                                                         "\"status\":{},\"scale\":{"
                                                                         "\"specReplicasPath\":\"."
                                                                         "spec.n\","
                                                                         "\"statusReplicasPath\":"
                                                                         "\".status.n\"}},"
                                                                         "\"selectableFields\":[{"
                                                                         "\"jsonPath\":"
                                                                         "\".spec.color\"}]") "]}}",
                       NULL);
    static const char *const order[] = {"v2", "v1", "v1beta1", "v1alpha1", "foo"};
    assert_int_equal(t->n_served, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(str_is(t->versions[t->ordered[i]].name, order[i]));
    }
    assert_null(type_served(t, STR("v10")));
    assert_true(str_is(type_storage(t)->name, "v10"));
    assert_true(str_is(type_served(t, STR("v1beta1"))->warning,
                       "example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget"));
    assert_true(str_is(type_served(t, STR("v2"))->warning, "own words"));
    assert_null(type_served(t, STR("v1"))->warning.ptr);
    const struct type_version *v1 = type_served(t, STR("v1"));
    assert_true(v1->status && v1->has_scale);
    assert_true(str_is(v1->scale.spec_path, ".spec.n"));
    assert_null(v1->scale.selector_path.ptr);
    assert_true(str_is(v1->fields[0].label, "spec.color"));
    type_unref(t);
    t = make_type("{\"metadata\":{\"name\":\"x\"},\"spec\":{" WIDGET_NAMES ",\"versions\":[{"
                  "\"name\":\"v1\",\"served\":true,\"storage\":true,\"deprecated\":true}]}}",
                  NULL);
    assert_true(str_is(t->versions[0].warning, "example.com/v1 Widget is deprecated"));
    type_unref(t);
}

static void test_columns(void **state)
{
    (void)state;
    struct type *t = make_type("{\"metadata\":{\"name\":\"x\"},\"spec\":{" WIDGET_NAMES
                               ",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
                               "\"additionalPrinterColumns\":[{\"name\":\"Size\",\"type\":"
                               "\"integer\",\"jsonPath\":\".spec.size\"},{\"name\":\"Up\",\"type\":"
                               "\"string\",\"jsonPath\":\".status.x\",\"description\":\"d\","
                               "\"priority\":1}]}]}}",
                               NULL);
    const struct type_column *c = t->versions[0].columns;
    assert_int_equal(t->versions[0].n_columns, 2);
    assert_true(str_is(c[0].description,
                       "Custom resource definition column (in JSONPath format): .spec.size"));
    assert_true(str_is(c[0].format, ""));
    assert_true(str_is(c[1].description, "d"));
    assert_non_null(c[1].path);
    type_unref(t);
}

static uint64_t stamp_of(const char *document)
{
    struct type *t = make_type(document, NULL);
    uint64_t stamp = t->stamp;
    type_unref(t);
    return stamp;
}

#define WITH(schema)                                                                               \
    "{\"metadata\":{\"name\":\"x\"},\"spec\":{" WIDGET_NAMES                                       \
    ",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"                \
    "\"openAPIV3Schema\":" schema "}}]}}"

static void test_stamp(void **state)
{
    (void)state;
    uint64_t a =
        stamp_of(WITH("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"));
    assert_int_equal(a, stamp_of(WITH("{\"type\":\"object\",\"description\":\"d\",\"properties\":{"
                                      "\"a\":{\"type\":\"string\"}}}")));
    assert_int_not_equal(
        a, stamp_of(WITH("{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"string\"}}}")));
    assert_int_not_equal(a, stamp_of(WITH("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                                          "\"string\",\"default\":\"x\"}}}")));
}

static void test_keys(void **state)
{
    (void)state;
    struct type *t = make_type(WIDGET, NULL);
    struct type *c = make_type("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"group\":\"g.io\","
                               "\"scope\":\"Cluster\",\"names\":{\"plural\":\"xs\",\"kind\":\"X\"},"
                               "\"versions\":[" WIDGET_VERSION "]}}",
                               NULL);
    struct scope ns = {.ns = STR("n")}, all = {.ns = STR("")};
    assert_true(str_is(type_key(t, ns, STR("a"), &arena), "/registry/example.com/widgets/n/a"));
    assert_true(str_is(type_scope_prefix(t, ns, &arena), "/registry/example.com/widgets/n/"));
    assert_true(str_is(type_scope_prefix(t, all, &arena), "/registry/example.com/widgets/"));
    assert_true(str_is(type_key(c, all, STR("a"), &arena), "/registry/g.io/xs/a"));
    static const struct {
        bool cluster;
        const char *key, *ns, *name; /* name NULL: not one */
    } cases[] = {
        {false, "/registry/example.com/widgets/n/a", "n", "a"},
        {false, "/registry/example.com/widgets/n/", NULL, NULL},
        {false, "/registry/example.com/widgets/n", NULL, NULL},
        {false, "/registry/example.com/widgets//a", NULL, NULL},
        {false, "/registry/example.com/widgets/n/a/b", NULL, NULL},
        {false, "/registry/example.com/widgetsx/n/a", NULL, NULL},
        {false, "", NULL, NULL},
        {true, "/registry/g.io/xs/a", "", "a"},
        {true, "/registry/g.io/xs/", NULL, NULL},
        {true, "/registry/g.io/xs/n/a", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str key_ns = STR("?"), name = STR("?");
        bool ok = type_key_parse(cases[i].cluster ? c : t, str_from(cases[i].key), &key_ns, &name);
        assert_int_equal(ok, cases[i].name != NULL);
        if (ok) {
            assert_true(str_is(key_ns, cases[i].ns) && str_is(name, cases[i].name));
        }
    }
    type_unref(t);
    type_unref(c);
}

static void test_version_order(void **state)
{
    (void)state;
    static const char *const sorted[] = {
        "v10",       "v2",        "v1",   "v0",    "v11beta2", "v10beta3", "v3beta1", "v3beta0",
        "v12alpha1", "v11alpha2", "foo1", "foo10", "v",        "v1gamma1", "v1x",     "va"};
    size_t n = sizeof(sorted) / sizeof(*sorted);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            int r = type_version_compare(str_from(sorted[i]), str_from(sorted[j]));
            assert_int_equal((r > 0) - (r < 0), (i > j) - (i < j));
        }
    }
    assert_true(type_version_compare(STR("v99999999999999999999999"), STR("v1")) > 0);
}

static void test_verbs(void **state)
{
    (void)state;
    for (int i = 0; i < VERB_COUNT; i++) {
        enum verb v;
        assert_true(verb_parse(verb_name((enum verb)i), &v));
        assert_int_equal(v, i);
    }
    enum verb v;
    assert_false(verb_parse(STR("patchy"), &v));
    assert_false(verb_parse(STR_NULL, &v));
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "null",
        "{}",
        "{\"spec\":{}}",
        "{\"spec\":{" WIDGET_NAMES "}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[{\"served\":true,\"storage\":true}]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[{\"name\":\"v1\",\"served\":true}]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[{\"name\":\"v1\",\"storage\":true},{\"name\":"
        "\"v2\",\"storage\":true}]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":{\"name\":\"v1\"}}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[7]}}",
        "{\"spec\":{\"names\":{\"kind\":\"X\"},\"versions\":[" WIDGET_VERSION "]}}",
        "{\"spec\":{" WIDGET_NAMES
        ",\"coracle\":{\"verbs\":[\"fly\"]},\"versions\":[" WIDGET_VERSION "]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[{\"name\":\"v1\",\"storage\":true,"
        "\"additionalPrinterColumns\":[{\"name\":\"A\",\"jsonPath\":\".a[\"}]}]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[{\"name\":\"v1\",\"storage\":true,"
        "\"selectableFields\":[{\"jsonPath\":\".a[\"}]}]}}",
        "{\"spec\":{" WIDGET_NAMES ",\"versions\":[{\"name\":\"v1\",\"storage\":true,\"schema\":{"
        "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\","
        "\"pattern\":\"(\"}}}}}]}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct type *t = NULL;
        struct err err = {0};
        int rc = type_create(tree(&arena, bad[i])->root, NULL, &t, &err);
        if (rc != ERR_INVALID || t) {
            fail_msg("%s: %d", bad[i], rc);
        }
        assert_true(strlen(err.message) > 0);
        err_finish(&err);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_custom), T(test_builtin), T(test_shipped),       T(test_versions), T(test_columns),
        T(test_stamp),  T(test_keys),    T(test_version_order), T(test_verbs),    T(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
