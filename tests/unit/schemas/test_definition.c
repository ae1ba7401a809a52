/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of the schema in a definition. */
#include "schemas/keyword.h"
#include "tests/unit/schemas/support.h"

static const struct {
    const char *schema, *want, *unknown;
} cases[] = {
    {"{'type':'object','foo':1}", "{'type':'object'}", "s.foo"},
    {"{'type':'object','properties':{'a':{'type':'string','bar':{}},'b':{'type':'array','items':{'"
     "x-mine':1}}}}",
     "{'type':'object','properties':{'a':{'type':'string'},'b':{'type':'array','items':{}}}}",
     "s.properties.a.bar, s.properties.b.items.x-mine"},
    {"{'anyOf':[{},{'zz':1}],'not':{'yy':1}}", "{'anyOf':[{},{}],'not':{}}",
     "s.anyOf[1].zz, s.not.yy"},
    {"{'additionalProperties':{'zz':1}}", "{'additionalProperties':{}}",
     "s.additionalProperties.zz"},
    {"{'x-kubernetes-validations':[{'rule':'x','nope':1,'message':''}],'externalDocs':{'url':'u','"
     "zz':1}}",
     "{'x-kubernetes-validations':[{'rule':'x'}],'externalDocs':{'url':'u'}}",
     "s.x-kubernetes-validations[0].nope, s.externalDocs.zz"},
    /* empty members go as the reference's types leave them out; pointers stay */
    {"{'type':null,'title':'','nullable':false,'required':[],'enum':[],'properties':{},'allOf':[],'"
     "default':null,"
     "'uniqueItems':false,'x-kubernetes-int-or-string':false}",
     "{}", ""},
    {"{'maximum':0,'minLength':0,'additionalProperties':false,'x-kubernetes-preserve-unknown-"
     "fields':false,'default':'',"
     "'enum':[null,''],'x-kubernetes-list-type':''}",
     "{'maximum':0,'minLength':0,'additionalProperties':false,'x-kubernetes-preserve-unknown-"
     "fields':false,'default':'',"
     "'enum':[null,''],'x-kubernetes-list-type':''}",
     ""},
    /* what stands in values is nobody's business */
    {"{'default':{'foo':{'bar':null}},'example':{'x':[]}}",
     "{'default':{'foo':{'bar':null}},'example':{'x':[]}}", ""},
    {"{'properties':{'foo':{'type':'string'}},'definitions':{'bar':{'x':1}},'dependencies':{'a':['"
     "b'],'c':{'y':1}}}",
     "{'properties':{'foo':{'type':'string'}},'definitions':{'bar':{}},'dependencies':{'a':['b'],'"
     "c':{}}}",
     "s.definitions.bar.x, s.dependencies.c.y"},
    /* of another type: left alone */
    {"{'properties':5,'items':'x'}", "{'properties':5,'items':'x'}", ""},
};

static void test_prune(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        yyjson_mut_doc *d = parse_doc(cases[i].schema);
        struct schema_unknown u = {.arena = &arena};
        schema_prune_definition(d, d->root, PATH_FIELD(NULL, STR("s")), &u);
        assert_json(d->root, cases[i].want);
        assert_string_equal(unknown_text(&u), cases[i].unknown);
        d = parse_doc(cases[i].schema);
        schema_prune_definition(d, d->root, NULL, NULL);
        assert_json(d->root, cases[i].want);
    }
}

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *why; /* NULL: it decodes */
    } decodes[] = {
        {"{'type':'object','properties':{'a':{'type':'string','default':{'any':[]}}},'required':"
         "null}",
         NULL},
        {"{'type':5}", "json: cannot unmarshal number into Go struct field JSONSchemaProps.s.type "
                       "of type string"},
        {"{'properties':{'a':{'maxLength':'x'}}}",
         "json: cannot unmarshal string into Go struct field "
         "JSONSchemaProps.s.properties.maxLength of type int64"},
        {"{'additionalProperties':5}", "boolean or JSON schema expected"},
        {"{'required':['a',1]}", "json: cannot unmarshal number into Go struct field "
                                 "JSONSchemaProps.s.required of type string"},
    };
    for (size_t i = 0; i < sizeof(decodes) / sizeof(*decodes); i++) {
        AUTO(err_finish) struct err err = {0};
        int r =
            schema_decode_definition(parse(decodes[i].schema), PATH_FIELD(NULL, STR("s")), &err);
        assert_int_equal(r, decodes[i].why ? ERR_BAD_REQUEST : 0);
        if (decodes[i].why) {
            assert_string_equal(err_message(&err), decodes[i].why);
        }
    }
    assert_int_equal(schema_decode_definition(NULL, NULL, NULL), 0);
}

static void test_keywords(void **state)
{
    (void)state;
    for (size_t i = 0; i < KW_COUNT; i++) {
        assert_ptr_equal(keyword_find(keywords[i].name), &keywords[i]);
    }
    assert_null(keyword_find(STR("")));
    assert_null(keyword_find(STR("Type")));
    assert_null(keyword_find(STR("rule")));
    assert_non_null(keyword_find_rule(STR("rule")));
    assert_null(keyword_find_rule(STR("type")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_prune), TEST(test_decode), TEST(test_keywords)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
