/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of definitions: what is refused, in the reference's words. The root is at "s". */
#include "base/limits.h"
#include "tests/unit/schemas/support.h"

static const char *check(const char *text)
{
    struct causes c;
    causes_init(&c, &arena);
    schema_check(parse(text), PATH_FIELD(NULL, STR("s")), &c);
    return causes_lines(&c);
}

struct check_case {
    const char *schema, *causes;
};

#define CHECK_CASES(format, cases)                                                                 \
    for (size_t i_ = 0; i_ < sizeof(cases) / sizeof(*(cases)); i_++) {                             \
        const char *got_ = check(arena_printf(&arena, format, (cases)[i_].schema));                \
        if (strcmp(got_, (cases)[i_].causes) != 0) {                                               \
            fail_msg("%s:\n got  %s\n want %s", (cases)[i_].schema, got_, (cases)[i_].causes);     \
        }                                                                                          \
    }
/* The property a of the root. */
#define PROPERTY "{'type':'object','properties':{'a':%s}}"
#define A "s.properties[a]"

static void test_good(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {"{'type':'string'}", ""},
        {"{'type':'string','default':'x','enum':['x','y'],'maxLength':3,'pattern':'^x'}", ""},
        {"{'x-kubernetes-int-or-string':true}", ""},
        {"{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}]}", ""},
        {"{'x-kubernetes-int-or-string':true,'allOf':[{'anyOf':[{'type':'integer'},{'type':'string'"
         "}]},{'pattern':'x'}]}",
         ""},
        {"{'type':'string','x-kubernetes-int-or-string':true}", ""},
        {"{'x-kubernetes-preserve-unknown-fields':true}", ""},
        {"{'type':'object','additionalProperties':false}", ""},
        {"{'type':'object','additionalProperties':true,'properties':{'b':{'type':'string'}}}", ""},
        {"{'type':'object','properties':{'b':{'type':'string'}},'oneOf':[{'required':['b']},{'"
         "required':['c']}]}",
         ""},
        {"{'type':'object','properties':{'b':{'type':'string'}},'oneOf':[{'properties':{'c':{'"
         "pattern':'x'}}}]}",
         ""},
        {"{'type':'array','items':{'type':'object','properties':{'k':{'type':'string','default':'x'"
         "}}},"
         "'x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k']}",
         ""},
        {"{'type':'object','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"
         "fields':true}",
         ""},
        {"{'type':'object','x-kubernetes-validations':[{'rule':'self.b > "
         "1','message':'m','fieldPath':'.b',"
         "'reason':'FieldValueForbidden'}],'properties':{'b':{'type':'integer'}}}",
         ""},
        {"{'type':'string','format':'made-up'}", ""},
        {"{'type':'string','default':null}", ""},
    };
    CHECK_CASES(PROPERTY, cases)
}

static void test_root(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {"{'type':'object'}", ""},
        {"{}", "s.type: Required value: must not be empty at the root"},
        {"{'type':'string'}", "s.type: Invalid value: 'string': must be object at the root"},
        {"{'x-kubernetes-preserve-unknown-fields':true}", ""},
        {"{'type':'object','nullable':true}",
         "s.nullable: Forbidden: nullable cannot be true at the root"},
        {"{'type':'object','additionalProperties':{'type':'string'}}",
         "s.additionalProperties: Forbidden: must not be used at the root"},
        {"{'type':'object','properties':{'metadata':{'type':'object'}}}", ""},
        {"{'type':'object','properties':{'metadata':{'type':'object','properties':{'name':{'type':'"
         "string','maxLength':5},"
         "'generateName':{'type':'string'}}}}}",
         ""},
        {"{'type':'object','properties':{'metadata':{'type':'object','properties':{'labels':{'type'"
         ":'object',"
         "'additionalProperties':{'type':'string'}}}}}}",
         "s.properties[metadata]: Forbidden: must not specify anything other than name and "
         "generateName, but metadata is "
         "implicitly specified"},
        {"{'type':'object','properties':{'metadata':{'type':'object','required':['name']}}}",
         "s.properties[metadata]: Forbidden: must not specify anything other than name and "
         "generateName, but metadata is "
         "implicitly specified"},
        {"{'type':'object','properties':{'metadata':{'type':'string'}}}",
         "s.properties[metadata].type: Invalid value: 'string': must be object"},
        {"{'type':'object','properties':{'kind':{'type':'integer'}}}",
         "s.properties[kind].type: Invalid value: 'integer': must be string"},
        {"{'type':'object','properties':{'apiVersion':{'type':'string','default':'v1'}}}",
         "s.properties[apiVersion].default: Forbidden: must not be set in top-level apiVersion"},
        /* what a junctor at the root speaks of exists outside of it */
        {"{'type':'object','properties':{'a':{'type':'object'}},'anyOf':[{'properties':{'b':{'enum'"
         ":['x']},'a':{'items':{}}}}]}",
         "s.properties[a].items: Required value: because it is defined in "
         "s.anyOf[0].properties[a].items\n"
         "s.properties[b]: Required value: because it is defined in s.anyOf[0].properties[b]"},
    };
    CHECK_CASES("%s", cases)
}

static void test_structure(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {"{}", A ".type: Required value: must not be empty for specified object fields"},
        {"{'type':'array'}", A ".items: Required value: must be specified"},
        {"{'type':'array','items':{}}",
         A ".items.type: Required value: must not be empty for specified array items"},
        {"{'type':'object','additionalProperties':{}}",
         A ".additionalProperties.type: Required value: must not be empty for specified object "
           "fields"},
        {"{'type':'string','anyOf':[{'type':'string'}]}",
         A ".anyOf[0].type: Forbidden: must be empty to be structural"},
        {"{'type':'string','allOf':[{'default':'x','nullable':true,'title':'t','description':'d'}]"
         "}",
         A ".allOf[0].default: Forbidden: must be undefined to be structural\n" A
           ".allOf[0].description: Forbidden: must be empty to be structural\n" A
           ".allOf[0].nullable: Forbidden: must be false to be structural\n" A
           ".allOf[0].title: Forbidden: must be empty to be structural"},
        {"{'type':'object','not':{'additionalProperties':true}}",
         A ".not.additionalProperties: Forbidden: must be undefined to be structural"},
        {"{'type':'object','oneOf':[{'properties':{'x':{'x-kubernetes-int-or-string':true}}}]}",
         A ".oneOf[0].properties[x].x-kubernetes-int-or-string: Forbidden: must be false to be "
           "structural"},
        {"{'type':'object','oneOf':[{'properties':{'metadata':{}}}]}",
         A ".oneOf[0].properties[metadata]: Forbidden: must not be specified in a nested context"},
        {"{'type':'object','not':{'x-kubernetes-validations':[{'rule':'true'}]}}",
         A ".not.x-kubernetes-validations: Forbidden: must be empty to be structural"},
        {"{'x-kubernetes-int-or-string':true,'x-kubernetes-preserve-unknown-fields':true}",
         A ".x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if "
           "x-kubernetes-int-or-string is true"},
        {"{'type':'object','x-kubernetes-embedded-resource':true}",
         A ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is "
           "true without "
           "x-kubernetes-preserve-unknown-fields"},
        {"{'type':'string','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"
         "fields':true}",
         A ".type: Invalid value: 'string': must be object if x-kubernetes-embedded-resource is "
           "true"},
    };
    CHECK_CASES(PROPERTY, cases)
    const char *bad = check("{'type':'object','properties':{'a':{'type':'string','pattern':'['}}}");
    assert_true(
        strstr(bad,
               A ".pattern: Invalid value: '[': must be a valid regular expression, but isn't: ") ==
        bad);
}

static void test_keywords(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {"{'type':'string','uniqueItems':true}",
         A ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
           "complexity becomes quadratic"},
        {"{'type':'object','properties':{'b':{'type':'string'}},'additionalProperties':{'type':'"
         "string'}}",
         A ".additionalProperties: Forbidden: additionalProperties and properties are mutual "
           "exclusive"},
        {"{'type':'object','properties':{'b':{'type':'string'}},'additionalProperties':false}",
         A ".additionalProperties: Forbidden: additionalProperties and properties are mutual "
           "exclusive"},
        {"{'type':'text'}", A ".type: Unsupported value: 'text': supported values: 'array', "
                              "'boolean', 'integer', 'number', 'object', 'string'"},
        {"{'type':'string','id':'x'}", A ".id: Forbidden: id is not supported"},
        {"{'type':'string','$ref':'x'}", A ".$ref: Forbidden: $ref is not supported"},
        {"{'type':'string','$schema':'x'}",
         "s: Invalid value: '': OpenAPIV3Schema 'schema' is not supported"},
        {"{'type':'object','patternProperties':{'x':{'type':'string'}}}",
         A ".patternProperties: Forbidden: patternProperties is not supported"},
        {"{'type':'object','definitions':{'x':{'type':'string'}}}",
         A ".definitions: Forbidden: definitions is not supported"},
        {"{'type':'object','dependencies':{'x':['y']}}",
         A ".dependencies: Forbidden: dependencies is not supported"},
        {"{'type':'array','additionalItems':true,'items':{'type':'string'}}",
         A ".additionalItems: Forbidden: additionalItems is not supported"},
        {"{'type':'array','items':[{'type':'string'}]}",
         A ".items: Forbidden: items must be a schema object and not an array"},
        {"{'type':'object','x-kubernetes-preserve-unknown-fields':false}", A
         ".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"},
        {"{'type':'string','x-kubernetes-map-type':'atomic'}",
         A ".type: Invalid value: 'string': must be object if x-kubernetes-map-type is specified"},
        {"{'type':'object','x-kubernetes-map-type':'solid'}",
         A ".x-kubernetes-map-type: Unsupported value: 'solid': supported values: 'atomic', "
           "'granular'"},
    };
    CHECK_CASES(PROPERTY, cases)
}

static void test_lists(void **state)
{
    (void)state;
#define LIST(type, more) "{'type':'array','x-kubernetes-list-type':'" type "'," more "}"
    static const struct check_case cases[] = {
        {LIST("bag", "'items':{'type':'string'}"),
         A ".x-kubernetes-list-type: Unsupported value: 'bag': supported values: 'atomic', 'set', "
           "'map'"},
        {"{'type':'string','x-kubernetes-list-type':'set'}",
         A ".type: Invalid value: 'string': must be array if x-kubernetes-list-type is specified"},
        {LIST("set", "'items':{'type':'object'}"), A
         ".items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with "
         "x-kubernetes-list-type=set"},
        {LIST("set", "'items':{'type':'object','x-kubernetes-map-type':'atomic'}"), ""},
        {LIST("set", "'items':{'type':'string','nullable':true}"),
         A ".items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set"},
        {LIST("map", "'items':{'type':'object','properties':{'k':{'type':'string'}}}"),
         A ".x-kubernetes-list-map-keys: Required value: must not be empty if "
           "x-kubernetes-list-type is map"},
        {LIST("map", "'x-kubernetes-list-map-keys':['zz'],'items':{'type':'object'}"),
         A ".x-kubernetes-list-map-keys: Invalid value: ['zz']: entries must all be names of item "
           "properties"},
        {LIST("map", "'x-kubernetes-list-map-keys':['k','k'],'items':{'type':'object','required':['"
                     "k'],'properties':{'k':{"
                     "'type':'string'}}}"),
         A ".x-kubernetes-list-map-keys: Invalid value: ['k','k']: must not contain duplicate "
           "entries"},
        {LIST("map", "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object','properties':{'k'"
                     ":{'type':'string'}}}"),
         A ".items.properties[k].default: Required value: this property is in "
           "x-kubernetes-list-map-keys, so it must have "
           "a default or be a required property"},
        {LIST("map", "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object','required':['k'],"
                     "'properties':{'k':{"
                     "'type':'string','nullable':true}}}"),
         A ".items.properties[k].nullable: Forbidden: this property is in "
           "x-kubernetes-list-map-keys, so it cannot be "
           "nullable"},
        {LIST("map", "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object','required':['k'],"
                     "'properties':{'k':{"
                     "'type':'object'}}}"),
         A ".items.properties[k].type: Invalid value: 'object': must be a scalar type if parent "
           "array's "
           "x-kubernetes-list-type is map"},
        {LIST("map", "'x-kubernetes-list-map-keys':['k'],'items':{'type':'string'}"),
         A ".items.type: Invalid value: 'string': must be object if parent array's "
           "x-kubernetes-list-type is map"},
        {"{'type':'array','items':{'type':'string'},'x-kubernetes-list-map-keys':['k']}",
         A ".x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is "
           "non-empty"},
    };
    CHECK_CASES(PROPERTY, cases)
#undef LIST
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {"{'type':'integer','default':'x'}",
         A ".default: Invalid value: 'string':  in body must be of type integer: 'string'"},
        {"{'type':'string','enum':['x'],'default':'y'}",
         A ".default: Unsupported value: 'y': supported values: 'x'"},
        {"{'type':'object','properties':{'b':{'type':'string'}},'default':{'c':'pruned'}}",
         A ".default: Invalid value: {'c':'pruned'}: must not have unknown fields"},
        {"{'type':'object','properties':{'b':{'type':'integer'}},'default':{'b':'x'}}",
         A ".default.b: Invalid value: 'string': b in body must be of type integer: 'string'"},
        {"{'type':'array','items':{'type':'integer','default':'x'}}",
         A ".items.default: Invalid value: 'string':  in body must be of type integer: 'string'"},
        {"{'type':'object','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"
         "fields':true,'default':{}}",
         A ".default.apiVersion: Required value\n" A ".default.kind: Required value"},
        {"{'type':'object','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"
         "fields':true,'properties':{"
         "'metadata':{'type':'object','properties':{'name':{'type':'string','default':'a/b'}}}}}",
         A ".properties[metadata].properties[name].default: Invalid value: 'a/b': must result in "
           "valid metadata: "
           "metadata.name: Invalid value: 'a/b': may not contain '/'"},
        {"{'type':'object','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"
         "fields':true,'properties':{"
         "'kind':{'type':'string','default':'Pod'}}}",
         ""},
    };
    CHECK_CASES(PROPERTY, cases)
}

static void test_rules(void **state)
{
    (void)state;
#define RULE(r)                                                                                    \
    "{'type':'object','properties':{'b':{'type':'integer'}},'x-kubernetes-validations':[" r "]}"
#define V A ".x-kubernetes-validations[0]"
    static const struct check_case cases[] = {
        {RULE("{'rule':' '}"), V ".rule: Required value: rule is not specified"},
        {RULE("{}"), V ".rule: Required value: rule is not specified"},
        {RULE("{'rule':'a','message':' '}"),
         V ".message: Invalid value: ' ': must be non-empty if specified"},
        {RULE("{'rule':'a','message':'a\\nb'}"),
         V ".message: Invalid value: 'a\\nb': must not contain line breaks"},
        {RULE("{'rule':'a\\nb'}"),
         V ".message: Required value: message must be specified if rule contains line breaks"},
        {RULE("{'rule':'a','messageExpression':' '}"),
         V ".messageExpression: Required value: messageExpression must be non-empty if specified"},
        {RULE("{'rule':'a','reason':'Nope'}"),
         V ".reason: Unsupported value: 'Nope': supported values: 'FieldValueDuplicate', "
           "'FieldValueForbidden', "
           "'FieldValueInvalid', 'FieldValueRequired'"},
        {RULE("{'rule':'a','fieldPath':'.zz'}"),
         V ".fieldPath: Invalid value: '.zz': must be a valid path"},
        {RULE("{'rule':'a','fieldPath':'b'}"),
         V ".fieldPath: Invalid value: 'b': must be a valid path"},
        {RULE("{'rule':'a','fieldPath':'.b.c'}"),
         V ".fieldPath: Invalid value: '.b.c': must be a valid path"},
        {RULE("{'rule':'a','fieldPath':'.b'},{'rule':'b'}"), ""},
    };
    CHECK_CASES(PROPERTY, cases)
    assert_string_equal(check("{'type':'object','properties':{'m':{'type':'object','"
                              "additionalProperties':{'type':'string'},"
                              "'x-kubernetes-validations':[{'rule':'a','fieldPath':'.x'}]}}}"),
                        "");
#undef RULE
#undef V
}

static char *deep(int n, const char *open, const char *core, const char *close)
{
    AUTO(buf_finish) struct buf b = {0};
    for (int i = 0; i < n; i++) {
        buf_addz(&b, open);
    }
    buf_addz(&b, core);
    for (int i = 0; i < n; i++) {
        buf_addz(&b, close);
    }
    buf_addc(&b, 0);
    return arena_strdup(&arena, b.ptr);
}

static void test_shapes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "5",
        "[]",
        "{'type':5}",
        "{'properties':[]}",
        "{'type':'object','properties':{'a':5}}",
        "{'required':'x'}",
        "{'required':[1]}",
        "{'items':'x'}",
        "{'additionalProperties':'x'}",
        "{'enum':{}}",
        "{'maxLength':1.5}",
        "{'maximum':'x'}",
        "{'anyOf':{}}",
        "{'anyOf':[1]}",
        "{'not':true}",
        "{'nullable':'yes'}",
        "{'x-kubernetes-validations':[5]}",
        "{'x-kubernetes-validations':[{'rule':1}]}",
        "{'externalDocs':1}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_true(str_starts(str_from(check(bad[i])), STR("s: Invalid value: '': ")));
        AUTO(err_finish) struct err err = {0};
        assert_int_equal(schema_decode_definition(parse(bad[i]), NULL, &err), ERR_BAD_REQUEST);
        assert_non_null(err.message);
    }
    /* deep, and beyond what is allowed */
    char *bomb = deep(190, "{'not':", "{}", "}");
    assert_true(strstr(check(bomb), "nested deeper than 100 levels") != NULL);
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(schema_decode_definition(parse(bomb), NULL, &err), ERR_BAD_REQUEST);
    char *fits = deep(90, "{'type':'array','items':", "{'type':'string'}", "}");
    assert_string_equal(check(arena_printf(&arena, PROPERTY, fits)), "");
}

static void test_status_root(void **state)
{
    (void)state;
    struct causes c;
    causes_init(&c, &arena);
    schema_check_status_root(
        parse("{'type':'object','description':'d','properties':{},'required':['spec']}"),
        PATH_FIELD(NULL, STR("s")), &c);
    assert_int_equal(c.n, 0);
    schema_check_status_root(parse("{'type':'object','oneOf':[{'required':['a']}]}"),
                             PATH_FIELD(NULL, STR("s")), &c);
    assert_int_equal(c.n, 1);
    assert_true(str_is(c.items[0].field, "s"));
    schema_check_status_root(parse("{'type':'array'}"), PATH_FIELD(NULL, STR("s")), &c);
    assert_int_equal(c.n, 2);
    assert_true(str_is(c.items[1].field, "s.type"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good),     TEST(test_root),   TEST(test_structure),
        TEST(test_keywords), TEST(test_lists),  TEST(test_defaults),
        TEST(test_rules),    TEST(test_shapes), TEST(test_status_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
