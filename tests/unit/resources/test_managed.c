/* SPDX-License-Identifier: Apache-2.0 */
/* managedFields as entries and owners: what is read and refused, how it is written, who owns what
 * after a write, caps and migration. */
#include "resources/managed.h"

#include <stdio.h>

#include "base/limits.h"
#include "resources/metadata.h"
#include "tests/unit/resources/engine_fixture.h"

static struct arena a;
static struct type *widgets, *gadgets;
static yyjson_mut_doc *doc;

static int setup(void **state)
{
    (void)state;
    arena_init(&a, 0);
    doc = json_doc(&a);
    widgets = fixture_make_type(WIDGET_CRD, NULL);
    gadgets = fixture_make_type(GADGET_CRD, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    type_unref(widgets);
    type_unref(gadgets);
    arena_finish(&a);
    return 0;
}

static yyjson_mut_val *tree(const char *text)
{
    AUTO_FREE char *json = quoted(text);
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    if (json_read(&a, arena_str(&a, str_from(json)), &d, NULL, &err)) {
        fail_msg("%s: %s", err_message(&err), text);
    }
    return yyjson_mut_doc_get_root(d);
}

/* One line an entry: `m1 Apply v1 status 2026-01-01T00:00:00Z {"f:a":{}}`; what is absent is left
 * out. */
static const char *text_of(const yyjson_mut_val *list)
{
    AUTO(buf_finish) struct buf b = {0};
    static const char *const keys[] = {"manager", "operation", "apiVersion", "subresource", "time"};
    struct json_iter it = json_iter(list);
    while (list && json_next(&it)) {
        for (size_t i = 0; i < 5; i++) {
            struct str s = json_get_str(it.val, keys[i]);
            buf_add(&b, s);
            buf_addz(&b, s.len ? " " : "");
        }
        json_write(&b, json_get(it.val, "fieldsV1"));
        buf_addc(&b, '\n');
    }
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] = b.ptr[i] == '"' ? '\'' : b.ptr[i];
    }
    return arena_str(&a, buf_str(&b)).ptr ? arena_str(&a, buf_str(&b)).ptr : "";
}

static const char *owners_of_object(const yyjson_mut_val *obj)
{
    return text_of(json_get(metadata_of(obj), "managedFields"));
}

#define T0 "2026-01-01T00:00:00Z"
#define T1 "2026-01-01T00:00:10Z"
#define T1_US INT64_C(1767225610000000)

static struct managed write_by(const char *manager)
{
    return (struct managed){.arena = &a,
                            .doc = doc,
                            .type = widgets,
                            .version = type_storage(widgets),
                            .manager = str_from(manager),
                            .now_us = T1_US};
}

/* ---- reading and writing ---- */

static void test_read_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *list, *message;
    } cases[] = {
        {"[{'manager':'m','apiVersion':'v1','fieldsType':'FieldsV1'}]",
         "operation must be `Apply` or `Update`"},
        {"[{'operation':'Applied','apiVersion':'v1','fieldsType':'FieldsV1'}]",
         "operation must be `Apply` or `Update`"},
        {"[{'operation':'Apply','fieldsType':'FieldsV1'}]", "apiVersion must not be empty"},
        {"[{'operation':'Apply','apiVersion':'v1'}]",
         "missing fieldsType in managed fields entry 0"},
        {"[{'operation':'Update','apiVersion':'v1','fieldsType':'FieldsV1'},"
         "{'operation':'Apply','apiVersion':'v1','fieldsType':'FieldsV2'}]",
         "invalid fieldsType \"FieldsV2\" in managed fields entry 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ownership o;
        AUTO(err_finish) struct err err = {0};
        assert_int_equal(managed_read(&a, tree(cases[i].list), &o, NULL, &err), ERR_BAD_REQUEST);
        assert_string_equal(err_message(&err), cases[i].message);
    }
    AUTO(err_finish) struct err err = {0};
    struct ownership o;
    assert_true(managed_read(&a,
                             tree("[{'operation':'Update','apiVersion':'v1','fieldsType':"
                                  "'FieldsV1','fieldsV1':{'i:x':{}}}]"),
                             &o, NULL, &err) < 0);
    assert_true(str_starts(str_from(err_message(&err)), STR("error decoding set: ")));
}

static void test_order(void **state)
{
    (void)state;
    struct ownership o;
    const yyjson_mut_val *list = tree(
        "[{'manager':'b','operation':'Update','apiVersion':'v1','time':'" T1
        "','fieldsType':'FieldsV1','fieldsV1':{'f:b':{}}},"
        "{'manager':'a','operation':'Update','apiVersion':'v1','time':'" T1
        "','fieldsType':'FieldsV1','fieldsV1':{'f:a':{}}},"
        "{'manager':'z','operation':'Update','apiVersion':'v1','fieldsType':'FieldsV1','fieldsV1':"
        "{'f:z':{}}},"
        "{'manager':'z','operation':'Update','apiVersion':'v1','time':'" T0
        "','subresource':'status','fieldsType':'FieldsV1','fieldsV1':{'f:s':{}}},"
        "{'manager':'y','operation':'Apply','apiVersion':'v1','time':'" T1
        "','fieldsType':'FieldsV1','fieldsV1':{'f:y':{}}},"
        "{'manager':'e','operation':'Apply','apiVersion':'v1','fieldsType':'FieldsV1',"
        "'fieldsV1':{}},"
        "{'manager':'b','operation':'Update','apiVersion':'v1','time':'" T0
        "','fieldsType':'FieldsV1','fieldsV1':{'f:later':{}}}]");
    bool any;
    assert_int_equal(managed_read(&a, list, &o, &any, NULL), 0);
    assert_true(any);
    assert_string_equal(text_of(managed_write(&o, false, &a, doc)),
                        "y Apply v1 " T1 " {'f:y':{}}\n"
                        "z Update v1 {'f:z':{}}\n"
                        "b Update v1 " T0 " {'f:later':{}}\n"
                        "z Update v1 status " T0 " {'f:s':{}}\n"
                        "a Update v1 " T1 " {'f:a':{}}\n");
    assert_int_equal(managed_read(&a, NULL, &o, &any, NULL), 0);
    assert_false(any);
    assert_null(managed_write(&o, false, &a, doc));
}

static void test_reset_forms(void **state)
{
    (void)state;
    assert_true(managed_is_reset(tree("[{}]"), false));
    assert_false(managed_is_reset(tree("[]"), false));
    assert_true(managed_is_reset(tree("[]"), true));
    assert_false(managed_is_reset(tree("[{},{}]"), true));
    assert_false(managed_is_reset(tree("[{'manager':'m'}]"), true));
    assert_false(managed_is_reset(NULL, true));
}

/* ---- updates ---- */

#define OBJ(spec_)                                                                                 \
    "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'},'spec':" spec_ "}"
#define ENTRY(m_, t_, f_)                                                                          \
    "{'manager':'" m_ "','operation':'Update','apiVersion':'example.com/v1','time':'" t_           \
    "','fieldsType':'FieldsV1','fieldsV1':" f_ "}"

static void test_create_and_update(void **state)
{
    (void)state;
    struct managed m = write_by("c");
    yyjson_mut_val *obj = tree("{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':"
                               "'a','uid':'u','labels':{'l':'x'}},'spec':{'size':1},"
                               "'status':{'ready':1}}");
    assert_int_equal(managed_update(&m, NULL, &(struct managed_before){0}, obj, NULL), 0);
    assert_string_equal(owners_of_object(obj),
                        "c Update example.com/v1 " T1 " {'f:metadata':{'f:labels':{'.':{},"
                        "'f:l':{}}},'f:spec':{'.':{},'f:size':{}}}\n"); /* the status is reset */
    /* Another takes one field over, a field goes; the first one's time stays. */
    m = write_by("");
    yyjson_mut_val *live = tree(OBJ("{'size':1,'color':'r'}")), *fresh = tree(OBJ("{'size':2}"));
    struct managed_before b = {
        .was = tree("[" ENTRY("c", T0, "{'f:spec':{'.':{},'f:size':{},'f:color':{}}}") "]")};
    assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
    assert_string_equal(owners_of_object(fresh),
                        "c Update example.com/v1 " T0 " {'f:spec':{}}\n"
                        "unknown Update example.com/v1 " T1 " {'f:spec':{'f:size':{}}}\n");
    /* Changing one's own field moves one's time, and the stored list is as it was. */
    m = write_by("c");
    fresh = tree(OBJ("{'size':3,'color':'r'}"));
    assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
    assert_string_equal(owners_of_object(fresh), "c Update example.com/v1 " T1
                                                 " {'f:spec':{'.':{},'f:color':{},'f:size':{}}}\n");
    assert_string_equal(text_of(b.was), "c Update example.com/v1 " T0
                                        " {'f:spec':{'.':{},'f:size':{},'f:color':{}}}\n");
    /* Nothing changes, nor does the time. */
    fresh = tree(OBJ("{'size':1,'color':'r'}"));
    assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
    assert_string_equal(owners_of_object(fresh), text_of(b.was));
}

static void test_given(void **state)
{
    (void)state;
    struct managed m = write_by("w");
    yyjson_mut_val *live = tree(OBJ("{'size':1}"));
    yyjson_mut_val *was = tree("[" ENTRY("c", T0, "{'f:spec':{'.':{},'f:size':{}}}") "]");
    static const struct {
        const char *given;
        bool reset;
        const char *owners;
    } cases[] = {
        {NULL, false, "c Update example.com/v1 " T0 " {'f:spec':{'.':{},'f:size':{}}}\n"},
        {"[" ENTRY("other", T0, "{'f:spec':{'f:size':{}}}") "]", false,
         "other Update example.com/v1 " T0 " {'f:spec':{'f:size':{}}}\n"},
        {"[{'operation':'nonsense'}]", false,
         "c Update example.com/v1 " T0 " {'f:spec':{'.':{},'f:size':{}}}\n"},
        {"[]", false, "c Update example.com/v1 " T0 " {'f:spec':{'.':{},'f:size':{}}}\n"},
        {"[{}]", true, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        yyjson_mut_val *fresh = tree(OBJ("{'size':1}"));
        struct managed_before b = {.was = was,
                                   .given = cases[i].given ? tree(cases[i].given) : NULL,
                                   .reset = cases[i].reset};
        assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
        assert_string_equal(owners_of_object(fresh), cases[i].owners);
    }
    /* Through a subresource nobody sets them. */
    m.subresource = STR("status");
    yyjson_mut_val *fresh = tree(OBJ("{'size':1}"));
    struct managed_before b = {.was = was, .given = tree("[{}]"), .reset = true};
    assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
    assert_string_equal(owners_of_object(fresh), text_of(was));
    /* An object that nobody was tracked in stays so until it is applied. */
    m = write_by("w");
    fresh = tree(OBJ("{'size':2}"));
    assert_int_equal(managed_update(&m, live, &(struct managed_before){0}, fresh, NULL), 0);
    assert_null(json_get(metadata_of(fresh), "managedFields"));
}

static void test_status_owners(void **state)
{
    (void)state;
    struct managed m = write_by("kubelet");
    m.subresource = STR("status");
    yyjson_mut_val *live = tree(OBJ("{'size':1}"));
    yyjson_mut_val *fresh = tree("{'apiVersion':'example.com/v1','kind':'Widget','metadata':{"
                                 "'name':'a','labels':{'x':'y'}},'spec':{'size':9},"
                                 "'status':{'ready':3}}");
    struct managed_before b = {.was =
                                   tree("[" ENTRY("c", T0, "{'f:spec':{'.':{},'f:size':{}}}") "]")};
    assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
    assert_string_equal(owners_of_object(fresh),
                        "c Update example.com/v1 " T0 " {'f:spec':{'.':{},'f:size':{}}}\n"
                        "kubelet Update example.com/v1 status " T1
                        " {'f:status':{'.':{},'f:ready':{}}}\n");
}

static void test_misfit_keeps(void **state)
{
    (void)state;
    struct managed m = write_by("w");
    yyjson_mut_val *live = tree(OBJ("{'size':1}")), *fresh = tree(OBJ("'text'"));
    struct managed_before b = {.was =
                                   tree("[" ENTRY("c", T0, "{'f:spec':{'.':{},'f:size':{}}}") "]")};
    assert_int_equal(managed_update(&m, live, &b, fresh, NULL), 0);
    assert_string_equal(owners_of_object(fresh), text_of(b.was));
}

static void test_cap(void **state)
{
    (void)state;
    yyjson_mut_val *obj = tree(OBJ("{}"));
    char manager[16], value[64];
    for (int i = 0; i < 15; i++) {
        snprintf(manager, sizeof(manager), "m%02d", i);
        snprintf(value, sizeof(value), "k%02d", i);
        struct managed m = write_by(arena_strdup(&a, manager));
        m.type = gadgets;
        m.version = type_storage(gadgets);
        m.now_us = T1_US + i * INT64_C(1000000);
        yyjson_mut_val *live = i ? json_copy(doc, obj) : NULL;
        json_setz(doc, obj, "apiVersion", yyjson_mut_str(doc, "example.com/v1"));
        json_set_str(doc, json_get(obj, "spec"), arena_strdup(&a, value), STR("x"));
        struct managed_before b = {.was = live ? managed_detach(live) : NULL};
        managed_detach(obj);
        assert_int_equal(managed_update(&m, live, &b, obj, NULL), 0);
    }
    const yyjson_mut_val *list = json_get(metadata_of(obj), "managedFields");
    assert_int_equal(json_size(list), LIMIT_UPDATE_MANAGERS);
    const yyjson_mut_val *first = yyjson_mut_arr_get_first(json_mut(list));
    assert_str(json_get_str(first, "manager"), "ancient-changes");
    assert_str(json_get_str(first, "time"), "2026-01-01T00:00:15Z");
    const yyjson_mut_val *spec = json_get(json_get(first, "fieldsV1"), "f:spec");
    assert_int_equal(json_size(spec), 7); /* "." and six of the fields */
    assert_non_null(json_get(spec, "f:k00"));
    assert_non_null(json_get(spec, "f:k05"));
    assert_null(json_get(spec, "f:k06"));
}

/* ---- apply ---- */

static yyjson_mut_val *apply(const char *manager, const char *live, const char *was,
                             const char *applied, bool force, const char *message)
{
    struct managed m = write_by(arena_strdup(&a, manager));
    yyjson_mut_val *ret = NULL;
    AUTO(err_finish) struct err err = {0};
    int rc = managed_apply(&m, live ? tree(live) : NULL, was ? tree(was) : NULL, tree(applied),
                           force, &ret, &err);
    if (rc && !message) {
        fail_msg("%s", err_message(&err));
    } else if (message) {
        assert_true(rc < 0);
        assert_string_equal(err_message(&err), message);
    }
    return ret;
}

static void test_apply(void **state)
{
    (void)state;
    yyjson_mut_val *obj = apply("m1", NULL, NULL, OBJ("{'size':1}"), false, NULL);
    assert_string_equal(owners_of_object(obj),
                        "m1 Apply example.com/v1 " T1 " {'f:spec':{'f:size':{}}}\n");
    /* Nothing changes: an owner more, but no time for it. */
    const char *was =
        "[{'manager':'m1','operation':'Apply','apiVersion':'example.com/v1','time':'" T0
        "','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'f:size':{}}}}]";
    obj = apply("m2", OBJ("{'size':1}"), was, OBJ("{'size':1}"), false, NULL);
    assert_string_equal(owners_of_object(obj),
                        "m2 Apply example.com/v1 {'f:spec':{'f:size':{}}}\n"
                        "m1 Apply example.com/v1 " T0 " {'f:spec':{'f:size':{}}}\n");
    apply("m2", OBJ("{'size':1}"), was, OBJ("{'size':2}"), false,
          "Apply failed with 1 conflict: conflict with \"m1\": .spec.size");
    obj = apply("m2", OBJ("{'size':1}"), was, OBJ("{'size':2}"), true, NULL);
    assert_string_equal(owners_of_object(obj),
                        "m2 Apply example.com/v1 " T1 " {'f:spec':{'f:size':{}}}\n");
    /* What is no longer applied goes. */
    obj = apply("m1", OBJ("{'size':1,'color':'r'}"), was, OBJ("{'note':'n'}"), false, NULL);
    assert_null(json_get(json_get(obj, "spec"), "size"));
    assert_str(text_at(obj, "spec", "color"), "r");
    /* An object that nobody owns: all of it was there before. */
    obj = apply("m1", OBJ("{'size':1}"), NULL, OBJ("{'size':1}"), false, NULL);
    assert_string_equal(owners_of_object(obj), "m1 Apply example.com/v1 {'f:spec':{'f:size':{}}}\n"
                                               "before-first-apply Update example.com/v1 " T1
                                               " {'f:spec':{'.':{},'f:size':{}}}\n");
}

static void test_apply_refusals(void **state)
{
    (void)state;
    apply("m", NULL, NULL, "{'metadata':{'name':'a'}}", false, "invalid object type: /, Kind=");
    apply("m", NULL, NULL, "{'apiVersion':'v1','kind':'Widget'}", false,
          "invalid object type: /v1, Kind=Widget");
    apply("m", NULL, NULL, "{'apiVersion':'a/b/c','kind':'Widget'}", false,
          "invalid object type: /, Kind=");
    apply("m", NULL, NULL,
          "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'managedFields':[]}}", false,
          "metadata.managedFields must be nil");
    apply("m", NULL, NULL, OBJ("{'size':'x'}"), false,
          "failed to create typed patch object (/a; example.com/v1, Kind=Widget): .spec.size: "
          "expected numeric (int or float), got string");
    apply("m", OBJ("{}"), "[{'operation':'x'}]", OBJ("{}"), false,
          "failed to decode managed fields: operation must be `Apply` or `Update`");
}

#define LAST(spec_)                                                                                \
    "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a','annotations':{"        \
    "'kubectl.kubernetes.io/last-applied-configuration':'" spec_                                   \
    "'}},'spec':{'size':1,'color':'r'}}"

/* The annotation's JSON stands within JSON: its quotes are written as \u0022. */
#define Q "\\u0022"
static void test_kubectl(void **state)
{
    (void)state;
    const char *was = "[" ENTRY("kubectl-client-side-apply", T0,
                                "{'f:spec':{'.':{},'f:size':{},'f:color':{}}}") "]";
    const char *live = LAST("{" Q "apiVersion" Q ":" Q "example.com/v1" Q "," Q "kind" Q ":" Q
                            "Widget" Q "," Q "spec" Q ":{" Q "size" Q ":1}}");
    /* Its own past is no conflict, and the annotation follows. */
    yyjson_mut_val *obj = apply("kubectl", live, was, OBJ("{'size':2}"), false, NULL);
    assert_str(json_get_str(json_get(metadata_of(obj), "annotations"),
                            "kubectl.kubernetes.io/last-applied-configuration"),
               "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":"
               "\"a\"},\"spec\":{\"size\":2}}\n");
    /* The colour was never applied by it; only that is left of the two conflicts. */
    apply("kubectl", live, was, OBJ("{'size':2,'color':'b'}"), false,
          "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using "
          "example.com/v1: .spec.color");
    /* Nobody else has that right. */
    apply("me", live, was, OBJ("{'size':2}"), false,
          "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using "
          "example.com/v1: .spec.size");
    /* An annotation that is no JSON excuses nothing. */
    apply("kubectl", LAST("{"), was, OBJ("{'size':2}"), false,
          "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using "
          "example.com/v1: .spec.size");
}

/* ---- scale ---- */

static void test_scale(void **state)
{
    (void)state;
    struct managed m = write_by("hpa");
    m.type = gadgets;
    m.version = type_storage(gadgets);
    m.scale = true;
    m.subresource = STR("scale");
    yyjson_mut_val *list = tree("[" ENTRY(
        "c", T0,
        "{'f:spec':{'.':{},'f:replicas':{},'f:x':{}}}") ","
                                                        "{'manager':'old','operation':'Update','"
                                                        "apiVersion':'example.com/v0','time':'" T0
                                                        "','fieldsType':'FieldsV1','fieldsV1':{'f:"
                                                        "spec':{'f:replicas':{}}}},"
                                                        "{'manager':'l','operation':'Apply','"
                                                        "apiVersion':'example.com/v1','time':'" T0
                                                        "','fieldsType':'FieldsV1','fieldsV1':{'f:"
                                                        "metadata':{'f:labels':{'f:a':{}}}}}]");
    yyjson_mut_val *scale = managed_to_scale(&m, list);
    assert_string_equal(text_of(scale),
                        "c Update autoscaling/v1 " T0 " {'f:spec':{'f:replicas':{}}}\n");
    /* Untouched: as before, but the version that is gone. */
    assert_string_equal(text_of(managed_from_scale(&m, list, scale)),
                        "l Apply example.com/v1 " T0 " {'f:metadata':{'f:labels':{'f:a':{}}}}\n"
                        "c Update example.com/v1 " T0
                        " {'f:spec':{'.':{},'f:replicas':{},'f:x':{}}}\n");
    /* Taken over. */
    scale = tree("[{'manager':'hpa','operation':'Update','apiVersion':'autoscaling/v1','time':'" T1
                 "','subresource':'scale','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{"
                 "'f:replicas':{}}}}]");
    assert_string_equal(text_of(managed_from_scale(&m, list, scale)),
                        "l Apply example.com/v1 " T0 " {'f:metadata':{'f:labels':{'f:a':{}}}}\n"
                        "hpa Update example.com/v1 scale {'f:spec':{'f:replicas':{}}}\n"
                        "c Update example.com/v1 " T0 " {'f:spec':{'.':{},'f:x':{}}}\n");
}

static void test_same_but_times(void **state)
{
    (void)state;
    const yyjson_mut_val *x = tree("[" ENTRY("c", T0, "{'f:a':{},'f:b':{}}") "]");
    assert_true(managed_same_but_times(x, tree("[" ENTRY("c", T1, "{'f:a':{},'f:b':{}}") "]")));
    assert_false(managed_same_but_times(x, tree("[" ENTRY("c", T0, "{'f:a':{}}") "]")));
    assert_false(managed_same_but_times(x, tree("[" ENTRY("d", T0, "{'f:a':{},'f:b':{}}") "]")));
    assert_false(managed_same_but_times(x, tree("[]")));
}

int main(void)
{
#define TEST(f_) cmocka_unit_test_setup_teardown(f_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_read_refusals),     TEST(test_order),   TEST(test_reset_forms),
        TEST(test_create_and_update), TEST(test_given),   TEST(test_status_owners),
        TEST(test_misfit_keeps),      TEST(test_cap),     TEST(test_apply),
        TEST(test_apply_refusals),    TEST(test_kubectl), TEST(test_scale),
        TEST(test_same_but_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
