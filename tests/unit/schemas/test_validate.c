/* SPDX-License-Identifier: Apache-2.0 */
/* Validation: what passes, and the words for what does not, as the reference has them. */
#include "base/limits.h"
#include "tests/unit/schemas/support.h"

/* Each line: the schema of the property a, its value, and the causes wanted ("" for none). */
struct value_case {
    const char *schema, *value, *causes;
};

static void check_case(const struct value_case *t)
{
    struct schema *s = create_props(arena_printf(&arena, "'a':%s", t->schema));
    struct causes c;
    causes_init(&c, &arena);
    schema_validate(s, parse(arena_printf(&arena, "{'a':%s}", t->value)), NULL, &c);
    schema_unref(s);
    if (strcmp(causes_lines(&c), t->causes) != 0) {
        fail_msg("%s of %s:\n got  %s\n want %s", t->value, t->schema, causes_lines(&c), t->causes);
    }
}

#define CHECK_CASES(cases)                                                                         \
    for (size_t i_ = 0; i_ < sizeof(cases) / sizeof(*(cases)); i_++) {                             \
        check_case(&(cases)[i_]);                                                                  \
    }

#define TYPE(want, is) "a: Invalid value: '" is "': a in body must be of type " want ": '" is "'"

/* the reference says so beside the type's own error */
#define NO_INTEGER                                                                                 \
    "<nil>: Invalid value: '': Checked value must be of type integer (default format) in a"

static void test_types(void **state)
{
    (void)state;
    static const struct value_case cases[] = {
        {"{'type':'string'}", "''", ""},
        {"{'type':'string'}", "1", TYPE("string", "integer")},
        {"{'type':'string'}", "1.5", TYPE("string", "number")},
        {"{'type':'string'}", "true", TYPE("string", "boolean")},
        {"{'type':'string'}", "['x']", TYPE("string", "array")},
        {"{'type':'string'}", "{}", TYPE("string", "object")},
        {"{'type':'string'}", "null", TYPE("string", "null")},
        {"{'type':'string','nullable':true}", "null", ""},
        {"{'type':'integer'}", "1.0", ""},
        {"{'type':'integer'}", "1e3", ""},
        {"{'type':'integer'}", "-9223372036854775808", ""},
        {"{'type':'integer'}", "1.5", TYPE("integer", "number") "\n" NO_INTEGER},
        {"{'type':'integer'}", "9223372036854775808", TYPE("integer", "number") "\n" NO_INTEGER},
        {"{'type':'integer'}", "'1'", TYPE("integer", "string")},
        {"{'type':'number'}", "1", ""},
        {"{'type':'number'}", "1e300", ""},
        {"{'type':'number'}", "'1.5'", TYPE("number", "string")},
        {"{'type':'boolean'}", "false", ""},
        {"{'type':'boolean'}", "0", TYPE("boolean", "integer")},
        {"{'type':'object'}", "[]", TYPE("object", "array")},
        {"{'type':'array','items':{'type':'integer'}}", "{}", TYPE("array", "object")},
        {"{'type':'array','items':{'type':'integer'}}", "[1,'x',null]",
         "a[1]: Invalid value: 'string': a[1] in body must be of type integer: 'string'\n"
         "a[2]: Invalid value: 'null': a[2] in body must be of type integer: 'null'"},
        {"{'x-kubernetes-int-or-string':true}", "5", ""},
        {"{'x-kubernetes-int-or-string':true}", "'5%'", ""},
        {"{'x-kubernetes-int-or-string':true}", "1.5", TYPE("integer,string", "number")},
        {"{'x-kubernetes-int-or-string':true}", "null", TYPE("integer,string", "null")},
        {"{'x-kubernetes-preserve-unknown-fields':true}", "[1,{'x':null}]", ""},
        {"{'x-kubernetes-preserve-unknown-fields':true}", "null", ""},
        /* the reference speaks of formats where a value of a formatted field is no text */
        {"{'type':'string','format':'date'}", "5", TYPE("date", "int64")},
        {"{'type':'string','format':'date'}", "true", TYPE("date", "")},
        {"{'type':'integer','format':'int32'}", "1.5",
         TYPE("int32", "float64") "\n<nil>: Invalid value: '': Checked value must be of type "
                                  "integer with format int32 in a"},
        {"{'type':'integer','format':'int32'}", "'x'", TYPE("integer", "string")},
    };
    CHECK_CASES(cases)
}

#define INVALID(value, detail) "a: Invalid value: " value ": a in body should be " detail

static void test_numbers(void **state)
{
    (void)state;
    static const struct value_case cases[] = {
        {"{'type':'integer','minimum':3}", "3", ""},
        {"{'type':'integer','minimum':3}", "2", INVALID("2", "greater than or equal to 3")},
        {"{'type':'integer','minimum':0}", "-1", INVALID("-1", "greater than or equal to 0")},
        {"{'type':'integer','maximum':10}", "11", INVALID("11", "less than or equal to 10")},
        {"{'type':'number','minimum':0,'exclusiveMinimum':true}", "0",
         INVALID("0", "greater than 0")},
        {"{'type':'number','maximum':1,'exclusiveMaximum':true}", "1", INVALID("1", "less than 1")},
        {"{'type':'number','maximum':0.5}", "1", INVALID("1", "less than or equal to 0.5")},
        {"{'type':'number','minimum':0.5}", "0", INVALID("0", "greater than or equal to 0.5")},
        {"{'type':'number','maximum':1000000.5}", "2000000.5",
         "a: Invalid value: 2.0000005e+06: a in body should be less than or equal to "
         "1.0000005e+06"},
        {"{'type':'integer','maximum':9007199254740992}", "9007199254740993",
         INVALID("9007199254740993", "less than or equal to 9007199254740992")},
        {"{'type':'integer','multipleOf':5}", "15", ""},
        {"{'type':'integer','multipleOf':5}", "16", INVALID("16", "a multiple of 5")},
        {"{'type':'number','multipleOf':0.1}", "0.3", ""},
        {"{'type':'number','multipleOf':0.1}", "0.35", INVALID("0.35", "a multiple of 0.1")},
        {"{'type':'number','multipleOf':0.5}", "3", ""},
        {"{'type':'integer','multipleOf':-1}", "3",
         "<nil>: Invalid value: '': factor MultipleOf declared for a must be positive: -1"},
        {"{'type':'integer','format':'int32'}", "2147483647", ""},
        {"{'type':'integer','format':'int32'}", "-2147483649",
         "<nil>: Invalid value: '': Checked value must be of type integer with format int32 in a"},
        {"{'type':'integer','format':'int64'}", "9223372036854775807", ""},
        {"{'type':'integer','format':'made-up'}", "9223372036854775807", ""},
        {"{'type':'number','format':'float'}", "1e39",
         "<nil>: Invalid value: '': Checked value must be of type number with format float in a"},
        {"{'type':'number','format':'double'}", "1e39", ""},
        {"{'type':'integer','minimum':0.5}", "1",
         "<nil>: Invalid value: '': Minimum boundary value must be of type integer (default "
         "format) in a"},
        {"{'x-kubernetes-int-or-string':true,'maximum':5}", "'9'", ""},
        {"{'x-kubernetes-int-or-string':true,'maximum':5}", "9",
         INVALID("9", "less than or equal to 5")},
    };
    CHECK_CASES(cases)
}

static void test_strings(void **state)
{
    (void)state;
    static const struct value_case cases[] = {
        {"{'type':'string','maxLength':2}", "'abc'", "a: Too long: may not be more than 2 bytes"},
        {"{'type':'string','maxLength':2}", "'\xc3\xa4\xc3\xb6'", ""}, /* characters, not bytes */
        {"{'type':'string','minLength':1}", "''", INVALID("''", "at least 1 chars long")},
        {"{'type':'string','minLength':2}", "'\xc3\xa4'",
         INVALID("'\xc3\xa4'", "at least 2 chars long")},
        {"{'type':'string','pattern':'^[a-z]+$'}", "'aB'",
         "a: Invalid value: 'aB': a in body should match '^[a-z]+$'"},
        {"{'type':'string','pattern':'b'}", "'abc'", ""}, /* searched, not anchored */
        {"{'type':'string','minLength':9,'pattern':'x'}", "'a'",
         INVALID("'a'", "at least 9 chars long")},
        {"{'type':'string','enum':['x','y']}", "'y'", ""},
        {"{'type':'string','enum':['x','y']}", "'z'",
         "a: Unsupported value: 'z': supported values: 'x', 'y'"},
        {"{'type':'integer','enum':[1,3]}", "2",
         "a: Unsupported value: 2: supported values: '1', '3'"},
        {"{'type':'integer','enum':[1,3]}", "3", ""},
        {"{'type':'string','enum':['x']}", "''", "a: Unsupported value: '': supported values: 'x'"},
        {"{'x-kubernetes-int-or-string':true,'enum':[1]}", "''",
         "a: Unsupported value: '': supported values: '1'"},
        {"{'type':'string','nullable':true,'enum':['x',null]}", "null",
         "a: Unsupported value: null: supported values: 'x', 'null'"},
        {"{'type':'object','properties':{'x':{'type':'integer'}},'enum':[{'x':1}]}", "{'x':1}", ""},
    };
    CHECK_CASES(cases)
}

static void test_lists_and_maps(void **state)
{
    (void)state;
    static const struct value_case cases[] = {
        {"{'type':'array','items':{'type':'integer'},'minItems':1}", "[]",
         "a: Invalid value: 0: a in body should have at least 1 items"},
        {"{'type':'array','items':{'type':'integer'},'maxItems':2}", "[1,2,3]",
         "a: Too many: 3: must have at most 2 items"},
        {"{'type':'object','additionalProperties':{'type':'integer'}}", "{'x':1}", ""},
        {"{'type':'object','additionalProperties':{'type':'integer'}}", "{'y':true,'x':'s'}",
         "a.x: Invalid value: 'string': a.x in body must be of type integer: 'string'\n"
         "a.y: Invalid value: 'boolean': a.y in body must be of type integer: 'boolean'"},
        {"{'type':'object','additionalProperties':false}", "{'x':1}",
         "a: Invalid value: 'x': a.x in body is a forbidden property"},
        {"{'type':'object','additionalProperties':true}", "{'x':1}", ""},
        {"{'type':'object','minProperties':1}", "{}",
         "a: Invalid value: 0: a in body should have at least 1 properties"},
        {"{'type':'object','additionalProperties':{'type':'string'},'maxProperties':1}",
         "{'x':'','y':''}", "a: Too many: 2: must have at most 1 items"},
        {"{'type':'object','required':['y','x'],'properties':{'x':{'type':'string'}}}", "{}",
         "a.y: Required value\na.x: Required value"},
        {"{'type':'object','required':['x','x'],'properties':{'x':{'type':'string'}}}", "{'x':''}",
         ""},
        {"{'type':'object','required':['c'],'properties':{'b':{'type':'string'},'a':{'type':'"
         "integer'},"
         "'c':{'type':'string'}}}",
         "{'b':1,'a':'x'}",
         "a.a: Invalid value: 'string': a.a in body must be of type integer: 'string'\n"
         "a.b: Invalid value: 'integer': a.b in body must be of type string: 'integer'\n"
         "a.c: Required value"},
    };
    CHECK_CASES(cases)
}

static void test_logic(void **state)
{
    (void)state;
#define AB                                                                                         \
    "'type':'object','properties':{'x':{'type':'string'},'y':{'type':'string'},'z':{'type':'"      \
    "string'}}"
    static const struct value_case cases[] = {
        {"{" AB ",'oneOf':[{'required':['x']},{'required':['y']}]}", "{'x':''}", ""},
        {"{" AB ",'oneOf':[{'required':['x']},{'required':['y']}]}", "{}",
         "<nil>: Invalid value: '': 'a' must validate one and only one schema (oneOf). Found none "
         "valid\n"
         "a.x: Required value"},
        {"{" AB ",'oneOf':[{'required':['x']},{'required':['y']}]}", "{'x':'','y':''}",
         "<nil>: Invalid value: '': 'a' must validate one and only one schema (oneOf). Found 2 "
         "valid alternatives"},
        {"{" AB ",'anyOf':[{'required':['x']},{'required':['y']}]}", "{'x':'','y':''}", ""},
        {"{" AB ",'anyOf':[{'required':['x']},{'required':['y']}]}", "{}",
         "<nil>: Invalid value: '': 'a' must validate at least one schema (anyOf)\na.x: Required "
         "value"},
        /* the branch in which more checks pass is told */
        {"{" AB
         ",'anyOf':[{'required':['y']},{'properties':{'z':{'enum':['q']},'x':{'minLength':0}}}]}",
         "{'x':'','z':'1'}",
         "<nil>: Invalid value: '': 'a' must validate at least one schema (anyOf)\n"
         "a.z: Unsupported value: '1': supported values: 'q'"},
        {"{" AB ",'allOf':[{'required':['x']},{'required':['y']}]}", "{'x':''}",
         "a.y: Required value\n<nil>: Invalid value: '': 'a' must validate all the schemas "
         "(allOf)"},
        {"{" AB ",'allOf':[{'required':['y']}]}", "{}",
         "a.y: Required value\n<nil>: Invalid value: '': 'a' must validate all the schemas "
         "(allOf). None validated"},
        {"{" AB ",'not':{'required':['x']}}", "{'x':''}",
         "<nil>: Invalid value: '': 'a' must not validate the schema (not)"},
        {"{" AB ",'not':{'required':['x']}}", "{}", ""},
        /* an error that a branch repeats is told once */
        {"{" AB ",'required':['x'],'allOf':[{'required':['x']}]}", "{}",
         "a.x: Required value\n<nil>: Invalid value: '': 'a' must validate all the schemas "
         "(allOf). None validated"},
        {"{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}],'"
         "pattern':'^x'}",
         "'y'", "a: Invalid value: 'y': a in body should match '^x'"},
    };
    CHECK_CASES(cases)
#undef AB
}

static void test_list_types(void **state)
{
    (void)state;
#define KEYED                                                                                      \
    "{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k','p'],'"      \
    "items':{'type':'object',"                                                                     \
    "'properties':{'k':{'type':'string'},'p':{'type':'string'},'v':{'type':'integer'}}}}"
    static const struct value_case cases[] = {
        {"{'type':'array','items':{'type':'string'},'x-kubernetes-list-type':'set'}", "['x','y']",
         ""},
        {"{'type':'array','items':{'type':'string'},'x-kubernetes-list-type':'set'}",
         "['x','y','x','x','y']", "a[2]: Duplicate value: 'x'\na[4]: Duplicate value: 'y'"},
        {"{'type':'array','items':{'type':'integer'},'x-kubernetes-list-type':'set'}",
         "[1,2,3,4,5,6,7,8,9,10,11,12,13,3]", "a[13]: Duplicate value: 3"},
        {"{'type':'array','items':{'type':'string'},'x-kubernetes-list-type':'atomic'}",
         "['x','x']", ""},
        {KEYED, "[{'k':'1'},{'k':'1','p':'x'},{'k':'2'}]", ""},
        {KEYED, "[{'k':'1','p':'x'},{'p':'x','k':'1','v':3}]",
         "a[1]: Duplicate value: {'k':'1','p':'x'}"},
        {KEYED, "[{'v':1},{'v':2}]", "a[1]: Duplicate value: {}"},
        {"{'type':'object','additionalProperties':{'type':'array','items':{'type':'string'},"
         "'x-kubernetes-list-type':'set'}}",
         "{'m':['x','x']}", "a[m][1]: Duplicate value: 'x'"},
    };
    CHECK_CASES(cases)
#undef KEYED
}

static void test_embedded(void **state)
{
    (void)state;
#define RESOURCE                                                                                   \
    "{'type':'object','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"       \
    "fields':true}"
    static const struct value_case cases[] = {
        {RESOURCE, "{'apiVersion':'v1','kind':'Pod'}", ""},
        {RESOURCE,
         "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'x','labels':{'a/"
         "b':'c'}}}",
         ""},
        {RESOURCE, "{}", "a.apiVersion: Required value\na.kind: Required value"},
        {RESOURCE, "{'apiVersion':'','kind':''}",
         "a.apiVersion: Invalid value: '': must not be empty\na.kind: Invalid value: '': must not "
         "be empty"},
        {RESOURCE, "{'apiVersion':1,'kind':true}",
         "a.apiVersion: Invalid value: 1: must be a string\na.kind: Invalid value: true: must be a "
         "string"},
        {RESOURCE, "{'apiVersion':'a/b/c','kind':'Pod'}",
         "a.apiVersion: Invalid value: 'a/b/c': unexpected GroupVersion string: a/b/c"},
        {RESOURCE, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a/b'}}",
         "a.metadata.name: Invalid value: 'a/b': may not contain '/'"},
        {RESOURCE, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'..'}}",
         "a.metadata.name: Invalid value: '..': may not be '..'"},
        {RESOURCE, "{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'a.b'}}",
         "a.metadata.namespace: Invalid value: 'a.b': must not contain dots"},
        {RESOURCE, "{'apiVersion':'v1','kind':'Pod','metadata':{'labels':{'a':1}}}",
         "a.metadata: Invalid value: {'labels':{'a':1}}: json: cannot unmarshal number into Go "
         "struct field "
         "ObjectMeta.labels of type string"},
        {RESOURCE, "{'apiVersion':'v1','kind':'Pod','metadata':{'labels':{'a b':''}}}",
         "a.metadata.labels: Invalid value: 'a b': name part must consist of alphanumeric "
         "characters, '-', '_' or "
         "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
         "'my.name',  or '123-abc', "
         "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
        {RESOURCE,
         "{'apiVersion':'v1','kind':'Pod','metadata':{'ownerReferences':[{'apiVersion':'v1','kind':"
         "'X'}]}}",
         "a.metadata.ownerReferences[0].name: Required value: must not be empty\n"
         "a.metadata.ownerReferences[0].uid: Required value: must not be empty"},
    };
    CHECK_CASES(cases)
#undef RESOURCE
}

/* ---- updates ---- */

static const char *update(const char *props, const char *old, const char *obj)
{
    struct schema *s = create_props(props);
    struct causes c;
    causes_init(&c, &arena);
    schema_validate(s, parse(obj), parse(old), &c);
    schema_unref(s);
    return causes_lines(&c);
}

static void test_ratcheting(void **state)
{
    (void)state;
    const char *spec =
        "'spec':{'type':'object','properties':{'s':{'type':'string','maxLength':3},'n':{'type':'"
        "integer'},"
        "'l':{'type':'array','items':{'type':'string','maxLength':3}},"
        "'m':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
        "'items':{'type':'object','properties':{'k':{'type':'string'},'v':{'type':'string','"
        "maxLength':3}}}},"
        "'w':{'type':'object','additionalProperties':{'type':'string','maxLength':3}}}}";
    assert_string_equal(update(spec, "{'spec':{'s':'long','n':1}}", "{'spec':{'s':'long','n':2}}"),
                        "");
    assert_string_equal(update(spec, "{'spec':{'s':'long'}}", "{'spec':{'s':'other'}}"),
                        "spec.s: Too long: may not be more than 3 bytes");
    assert_string_equal(update(spec, "{'spec':{}}", "{'spec':{'s':'long'}}"),
                        "spec.s: Too long: may not be more than 3 bytes");
    /* an atomic list counts as a whole */
    assert_string_equal(
        update(spec, "{'spec':{'l':['long'],'n':1}}", "{'spec':{'l':['long'],'n':2}}"), "");
    assert_string_equal(update(spec, "{'spec':{'l':['long']}}", "{'spec':{'l':['long','x']}}"),
                        "spec.l[0]: Too long: may not be more than 3 bytes");
    /* a keyed one item by item, wherever the item now stands */
    assert_string_equal(update(spec, "{'spec':{'m':[{'k':'1','v':'long'},{'k':'2','v':'x'}]}}",
                               "{'spec':{'m':[{'k':'2','v':'y'},{'k':'3'},{'k':'1','v':'long'}]}}"),
                        "");
    assert_string_equal(update(spec, "{'spec':{'m':[{'k':'1','v':'long'}]}}",
                               "{'spec':{'m':[{'k':'2','v':'long'}]}}"),
                        "spec.m[0].v: Too long: may not be more than 3 bytes");
    assert_string_equal(
        update(spec, "{'spec':{'w':{'x':'long'}}}", "{'spec':{'w':{'x':'long','y':'long'}}}"),
        "spec.w.y: Too long: may not be more than 3 bytes");
    /* logic holds for its value as a whole */
    const char *logic = "'spec':{'type':'object','properties':{'a':{'type':'string'},'b':{'type':'"
                        "string'},'n':{'type':"
                        "'integer'}},'required':['a']}";
    assert_string_equal(update(logic, "{'spec':{'b':'x'}}", "{'spec':{'b':'x'}}"), "");
    assert_string_equal(update(logic, "{'spec':{'b':'x'}}", "{'spec':{'b':'x','n':1}}"),
                        "spec.a: Required value");
}

static void test_ratcheting_of_identity(void **state)
{
    (void)state;
    const char *set =
        "'l':{'type':'array','items':{'type':'string'},'x-kubernetes-list-type':'set'}";
    assert_string_equal(update(set, "{'l':['a','a']}", "{'l':['b','b']}"),
                        ""); /* it was no better before */
    assert_string_equal(update(set, "{'l':['a']}", "{'l':['b','b']}"),
                        "l[1]: Duplicate value: 'b'");
}

static void test_status(void **state)
{
    (void)state;
    struct schema *s =
        create_props("'spec':{'type':'object','properties':{'n':{'type':'integer'}}},"
                     "'status':{'type':'object','properties':{'ready':{'type':'integer'}}}");
    struct causes c;
    causes_init(&c, &arena);
    schema_validate_status(s, parse("{'spec':{'n':'x'},'status':{'ready':'many'}}"), NULL, &c);
    assert_string_equal(
        causes_lines(&c),
        "status.ready: Invalid value: 'string': ready in body must be of type integer: 'string'");
    causes_init(&c, &arena);
    schema_validate_status(s, parse("{'status':3}"), NULL, &c);
    assert_string_equal(
        causes_lines(&c),
        "status: Invalid value: 'integer':  in body must be of type object: 'integer'");
    schema_unref(s);
}

static void test_rules_note(void **state)
{
    (void)state;
    struct schema *s = create_props("'a':{'type':'integer','minimum':1},'b':{'type':'object','x-"
                                    "kubernetes-validations':[{'rule':'true'}]}");
    struct causes c;
    causes_init(&c, &arena);
    schema_validate(s, parse("{'a':'x'}"), NULL, &c);
    assert_int_equal(c.n, 2);
    assert_true(str_is(c.items[1].field, "<nil>"));
    assert_true(str_starts(c.items[1].message,
                           STR("Invalid value: null: some validation rules were not checked")));
    causes_init(&c, &arena);
    schema_validate(s, parse("{'a':0}"), NULL, &c); /* no obstacle to rules */
    assert_int_equal(c.n, 1);
    schema_unref(s);
}

/* ---- size ---- */

static char *many(const char *head, const char *format, size_t n, const char *tail)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, head);
    for (size_t i = 0; i < n; i++) {
        buf_addz(&b, i ? "," : "");
        for (const char *f = format; *f; f++) {
            if (*f == '#') {
                buf_printf(&b, "%zu", i);
            } else {
                buf_addc(&b, *f);
            }
        }
    }
    buf_addz(&b, tail);
    buf_addc(&b, 0);
    return arena_strdup(&arena, b.ptr);
}

/* Ten thousand of everything, wrong and right; quadratic work would take minutes under a sanitizer.
 */
static void test_many(void **state)
{
    (void)state;
    size_t n = 10000;
    char *schema = many("{'type':'object','properties':{", "'p#':{'type':'string','default':'d'}",
                        n, "},'required':[");
    schema = arena_printf(&arena, "%s%s", schema, many("", "'p#'", n, "]}"));
    struct schema *s = create_as(schema, false);
    yyjson_mut_doc *d = parse_doc("{}");
    struct causes c;
    causes_init(&c, &arena);
    schema_validate(s, d->root, NULL, &c);
    assert_int_equal(c.n, LIMIT_CAUSES);
    assert_int_equal(c.n + c.dropped, n);
    schema_default(s, d, d->root);
    assert_int_equal(yyjson_mut_obj_size(d->root), n);
    causes_init(&c, &arena);
    schema_validate(s, d->root, NULL, &c);
    assert_int_equal(c.n, 0);
    yyjson_mut_doc *bad = parse_doc(many("{", "'p#':#", n, "}"));
    schema_validate(s, bad->root, d->root, &c);
    assert_int_equal(c.n, LIMIT_CAUSES);
    struct schema_unknown u = {.arena = &arena};
    schema_prune(s, parse(many("{", "'q#':#", n, "}")), &u);
    assert_int_equal(u.n, LIMIT_UNKNOWN_FIELDS);
    schema_unref(s);
}

static void test_many_items(void **state)
{
    (void)state;
    size_t n = 20000;
    struct schema *s = create_props(
        "'a':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
        "'items':{'type':'object','properties':{'k':{'type':'integer'},'v':{'type':'string',"
        "'maxLength':1}}}}");
    yyjson_mut_val *v = parse(many("{'a':[", "{'k':#,'v':'long'}", n, "]}"));
    yyjson_mut_val *w = parse(many("{'a':[", "{'k':#,'v':'long'}", n, ",{'k':-1}]}"));
    struct causes c;
    causes_init(&c, &arena);
    schema_validate(s, w, v, &c); /* every item is what it was */
    assert_string_equal(causes_lines(&c), "");
    schema_validate(s, w, NULL, &c);
    assert_int_equal(c.n, LIMIT_CAUSES);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types),          TEST(test_numbers),    TEST(test_strings),
        TEST(test_lists_and_maps), TEST(test_logic),      TEST(test_list_types),
        TEST(test_embedded),       TEST(test_ratcheting), TEST(test_ratcheting_of_identity),
        TEST(test_status),         TEST(test_rules_note), TEST(test_many),
        TEST(test_many_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
