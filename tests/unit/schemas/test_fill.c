/* SPDX-License-Identifier: Apache-2.0 */
/* Defaulting, and the fate of nulls. */
#include "tests/unit/schemas/support.h"

static const struct {
    const char *props, *object, *want;
} cases[] = {
    {"'a':{'type':'string','default':'x'}", "{}", "{'a':'x'}"},
    {"'a':{'type':'string','default':'x'}", "{'a':'y'}", "{'a':'y'}"},
    {"'a':{'type':'string','default':'x'}", "{'a':''}", "{'a':''}"},
    {"'a':{'type':'integer','default':0}", "{}", "{'a':0}"},
    {"'a':{'type':'boolean','default':false}", "{}", "{'a':false}"},
    {"'a':{'type':'string','default':'x'}", "{'a':null}", "{'a':'x'}"},
    {"'a':{'type':'string','default':'x','nullable':true}", "{'a':null}", "{'a':null}"},
    {"'a':{'type':'string'}", "{'a':null,'b':null}", "{'b':null}"},
    {"'a':{'type':'string','nullable':true}", "{'a':null}", "{'a':null}"},
    {"'a':{'x-kubernetes-preserve-unknown-fields':true}", "{'a':{'b':null}}", "{'a':{'b':null}}"},
    {"'a':{'x-kubernetes-preserve-unknown-fields':true}", "{'a':null}", "{}"},
    /* a default goes only where its object is */
    {"'o':{'type':'object','properties':{'a':{'type':'string','default':'x'}}}", "{}", "{}"},
    {"'o':{'type':'object','properties':{'a':{'type':'string','default':'x'}}}", "{'o':{}}",
     "{'o':{'a':'x'}}"},
    {"'o':{'type':'object','default':{},'properties':{'a':{'type':'string','default':'x'}}}", "{}",
     "{'o':{'a':'x'}}"},
    {"'o':{'type':'object','default':{'b':'1'},'properties':{'a':{'type':'string','default':'x'},'"
     "b':{'type':'string'}}}",
     "{'o':null}", "{'o':{'b':'1','a':'x'}}"},
    {"'l':{'type':'array','items':{'type':'object','properties':{'p':{'type':'string','default':'"
     "TCP'}}}},"
     "'m':{'type':'object','additionalProperties':{'type':'object','properties':{'on':{'type':'"
     "boolean','default':true}}}}",
     "{'l':[{},{'p':'UDP'}],'m':{'k':{},'n':null}}",
     "{'l':[{'p':'TCP'},{'p':'UDP'}],'m':{'k':{'on':true}}}"},
    {"'l':{'type':'array','items':{'type':'integer','default':7}}", "{'l':[null,1]}",
     "{'l':[7,1]}"},
    {"'l':{'type':'array','items':{'type':'integer'}}", "{'l':[null,1]}", "{'l':[null,1]}"},
    {"'l':{'type':'array','items':{'type':'integer','nullable':true,'default':1}}", "{'l':[null]}",
     "{'l':[null]}"},
    {"'o':{'type':'object','properties':{'a':{'type':'string','default':'x'}}}", "{'o':'wrong'}",
     "{'o':'wrong'}"},
};

static void test_fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct schema *s = create_props(cases[i].props);
        yyjson_mut_doc *d = parse_doc(cases[i].object);
        schema_default(s, d, d->root);
        schema_unref(s); /* what was set does not point into the schema */
        assert_json(d->root, cases[i].want);
    }
}

/* Two objects do not share a default. */
static void test_copies(void **state)
{
    (void)state;
    struct schema *s = create_props(
        "'l':{'type':'array','items':{'type':'object','properties':{'o':{'type':'object',"
        "'default':{'x':'1'},'properties':{'x':{'type':'string'}}}}}}");
    yyjson_mut_doc *d = parse_doc("{'l':[{},{}]}");
    schema_default(s, d, d->root);
    json_setz(d, json_get(yyjson_mut_arr_get(json_get(d->root, "l"), 0), "o"), "x",
              yyjson_mut_str(d, "2"));
    assert_json(d->root, "{'l':[{'o':{'x':'2'}},{'o':{'x':'1'}}]}");
    yyjson_mut_doc *e = parse_doc("{'l':[{}]}");
    schema_default(s, e, e->root);
    assert_json(e->root, "{'l':[{'o':{'x':'1'}}]}");
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_fill), TEST(test_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
