/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI fragments. */
#include "schemas/openapi.h"

#include "tests/unit/schemas/support.h"

static yyjson_mut_val *published(enum openapi_form form, const char *schema)
{
    AUTO(buf_finish) struct buf b = {0};
    openapi_schema(&b, form, schema ? parse(schema) : NULL, STR("stable.example.com"), STR("v1"),
                   STR("CronTab"));
    yyjson_mut_doc *d = NULL;
    AUTO(err_finish) struct err err = {0};
    if (json_read(&arena, arena_str(&arena, buf_str(&b)), &d, NULL, &err) != 0) {
        fail_msg("%.*s: %s", STR_FMT(buf_str(&b)), err_message(&err));
    }
    return d->root;
}

/* The property a in both forms. */
static const struct {
    const char *schema, *v3, *v2;
} cases[] = {
    {"{'type':'string','description':'d','maxLength':3,'default':'x','enum':['x'],'title':''}",
     "{'type':'string','description':'d','maxLength':3,'default':'x','enum':['x']}",
     "{'type':'string','description':'d','maxLength':3,'enum':['x']}"},
    {"{'type':'string','nullable':true}", "{'type':'string','nullable':true}", "{}"},
    {"{'x-kubernetes-int-or-string':true}",
     "{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}]}",
     "{'x-kubernetes-int-or-string':true}"},
    {"{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}]}",
     "{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}]}",
     "{'x-kubernetes-int-or-string':true}"},
    {"{'x-kubernetes-int-or-string':true,'anyOf':[{'pattern':'x'}],'allOf':[{'maxLength':3}]}",
     "{'x-kubernetes-int-or-string':true,'anyOf':[{'pattern':'x'}],"
     "'allOf':[{'anyOf':[{'type':'integer'},{'type':'string'}]},{'maxLength':3}]}",
     "{'x-kubernetes-int-or-string':true}"},
    {"{'type':'object','x-kubernetes-preserve-unknown-fields':true,'properties':{'b':{'type':'"
     "string'}}}",
     "{'type':'object','x-kubernetes-preserve-unknown-fields':true,'properties':{'b':{'type':'"
     "string'}}}",
     "{'x-kubernetes-preserve-unknown-fields':true}"},
    {"{'type':'array','x-kubernetes-preserve-unknown-fields':true,'items':{'type':'string'}}",
     "{'type':'array','x-kubernetes-preserve-unknown-fields':true,'items':{'type':'string'}}",
     "{'x-kubernetes-preserve-unknown-fields':true}"},
    {"{'type':'object','properties':{'b':{'type':'string','nullable':true},'c':{'type':'string'}},'"
     "required':['b','c'],"
     "'oneOf':[{'required':['b']}],'not':{'required':['d']}}",
     "{'type':'object','properties':{'b':{'type':'string','nullable':true},'c':{'type':'string'}},'"
     "required':['b','c'],"
     "'oneOf':[{'required':['b']}],'not':{'required':['d']}}",
     "{'type':'object','properties':{'b':{},'c':{'type':'string'}},'required':['c']}"},
    {"{'type':'object','additionalProperties':{'type':'integer'}}",
     "{'type':'object','additionalProperties':{'type':'integer'}}",
     "{'type':'object','additionalProperties':{'type':'integer'}}"},
    {"{'type':'object','additionalProperties':false}",
     "{'type':'object','additionalProperties':false}",
     "{'type':'object','additionalProperties':false}"},
    {"{'type':'array','items':{'type':'object'},'x-kubernetes-list-type':'map','x-kubernetes-list-"
     "map-keys':['k'],"
     "'maxItems':0}",
     "{'type':'array','items':{'type':'object'},'x-kubernetes-list-type':'map','x-kubernetes-list-"
     "map-keys':['k'],"
     "'maxItems':0}",
     "{'type':'array','items':{'type':'object'},'x-kubernetes-list-type':'map','x-kubernetes-list-"
     "map-keys':['k'],"
     "'maxItems':0}"},
    {"{'type':'string','x-kubernetes-validations':[{'rule':'true'}],'unknown':1}",
     "{'type':'string','x-kubernetes-validations':[{'rule':'true'}]}",
     "{'type':'string','x-kubernetes-validations':[{'rule':'true'}]}"},
};

static void test_properties(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *schema =
            arena_printf(&arena, "{'type':'object','properties':{'a':%s}}", cases[i].schema);
        assert_json(json_path(published(OPENAPI_V3, schema), "properties", "a", NULL), cases[i].v3);
        assert_json(json_path(published(OPENAPI_V2, schema), "properties", "a", NULL), cases[i].v2);
    }
}

static void test_root(void **state)
{
    (void)state;
    const char *gvk = "[{'group':'stable.example.com','version':'v1','kind':'CronTab'}]";
    yyjson_mut_val *v = published(
        OPENAPI_V3, "{'type':'object','properties':{'spec':{'type':'object'},'metadata':{'type':"
                    "'object'},'kind':{'type':'string'}}}");
    assert_json(json_get(v, "x-kubernetes-group-version-kind"), gvk);
    assert_int_equal(yyjson_mut_obj_size(json_get(v, "properties")), 4);
    assert_true(str_is(json_str(json_path(v, "properties", "metadata", "$ref", NULL)),
                       "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    assert_true(str_starts(json_str(json_path(v, "properties", "kind", "description", NULL)),
                           STR("Kind is a string value representing the REST resource")));
    v = published(OPENAPI_V2, "{'type':'object'}");
    assert_true(str_is(json_str(json_path(v, "properties", "metadata", "$ref", NULL)),
                       "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    /* no schema, and everything preserved: any property would make kubectl refuse the others */
    const char *bare =
        arena_printf(&arena, "{'type':'object','x-kubernetes-group-version-kind':%s}", gvk);
    assert_json(published(OPENAPI_V3, NULL), bare);
    assert_json(published(OPENAPI_V2, NULL), bare);
    assert_json(
        published(OPENAPI_V2, "{'type':'object','x-kubernetes-preserve-unknown-fields':true}"),
        bare);
    v = published(OPENAPI_V3, "{'type':'object','x-kubernetes-preserve-unknown-fields':true}");
    assert_non_null(json_path(v, "properties", "metadata", NULL));
}

static void test_embedded(void **state)
{
    (void)state;
    const char *schema =
        "{'type':'object','properties':{'a':{'type':'object','x-kubernetes-embedded-resource':true,"
        "'required':['kind'],'properties':{'spec':{'type':'object'}}},'p':{'type':'object',"
        "'x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-fields':true}}}";
    yyjson_mut_val *v = published(OPENAPI_V2, schema);
    yyjson_mut_val *a = json_path(v, "properties", "a", NULL),
                   *p = json_path(v, "properties", "p", NULL);
    assert_json(json_get(a, "required"), "['kind','apiVersion']");
    assert_int_equal(yyjson_mut_obj_size(json_get(a, "properties")), 4);
    assert_true(str_starts(json_str(json_path(a, "properties", "kind", "description", NULL)),
                           STR("kind is a string")));
    assert_json(
        p, "{'x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-fields':true}");
    v = published(OPENAPI_V3, schema);
    assert_int_equal(yyjson_mut_obj_size(json_path(v, "properties", "p", "properties", NULL)), 3);
}

/* Documents that schema_check would refuse do no harm. */
static void test_odd(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "5",
        "[]",
        "{'properties':[null,1]}",
        "{'properties':{'a':5}}",
        "{'items':[{}]}",
        "{'anyOf':{'a':1}}",
        "{'required':{'a':1}}",
        "{'required':[1]}",
        "{'additionalProperties':'x'}",
        "{'allOf':[5]}",
        "{'not':[]}",
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        assert_true(yyjson_mut_is_obj(published(OPENAPI_V3, odd[i])));
        assert_true(yyjson_mut_is_obj(published(OPENAPI_V2, odd[i])));
    }
}

/* The same bytes whatever the order of the document: hashes are made of them. */
static void test_stable(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf a = {0}, b = {0};
    openapi_schema(
        &a, OPENAPI_V3,
        parse("{'type':'object','properties':{'z':{'type':'string','description':'x'},'b':{'type':"
              "'integer'}}}"),
        STR("g"), STR("v"), STR("k"));
    openapi_schema(
        &b, OPENAPI_V3,
        parse(
            "{'properties':{'b':{'type':'integer'},'z':{'description':'x','type':'string'}},'type':"
            "'object'}"),
        STR("g"), STR("v"), STR("k"));
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *group, *want;
    } names[] = {{"stable.example.com", "com.example.stable.v1.CronTab"},
                 {"apps", "apps.v1.CronTab"},
                 {"", "v1.CronTab"}};
    for (size_t i = 0; i < 3; i++) {
        AUTO(buf_finish) struct buf b = {0};
        openapi_name(&b, str_from(names[i].group), STR("v1"), STR("CronTab"));
        assert_true(str_is(buf_str(&b), names[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_properties), TEST(test_root), TEST(test_embedded),
        TEST(test_stable),     TEST(test_odd),  TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
