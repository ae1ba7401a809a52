/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/resources/typed_fixture.h"

#define OBJECT "'type':'object','properties':"
#define WIDGET                                                                                     \
    "{" OBJECT "{'n':{'type':'integer'},'s':{'type':'string'},'b':{'type':'boolean'},"             \
    "'any':{'x-kubernetes-preserve-unknown-fields':true},"                                         \
    "'is':{'x-kubernetes-int-or-string':true},"                                                    \
    "'atoms':{'type':'array','items':{'type':'string'}},"                                          \
    "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"             \
    "'ports':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':"         \
    "['port','protocol'],'items':{" OBJECT "{'port':{'type':'integer'},"                           \
    "'protocol':{'type':'string','default':'TCP'},'name':{'type':'string'}}}},"                    \
    "'map':{'type':'object','additionalProperties':{'type':'string'}},"                            \
    "'am':{'type':'object','x-kubernetes-map-type':'atomic','additionalProperties':"               \
    "{'type':'string'}},"                                                                          \
    "'sub':{" OBJECT "{'a':{'type':'string'},'b':{'type':'string'}}}}}"

static void fields_are(const struct schema_node *n, const char *obj, const char *want)
{
    struct fieldset *s = NULL;
    assert_int_equal(typed_fields(n, parse(obj), &arena, &s, NULL), 0);
    assert_set(s, want);
}

static void fields(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    fields_are(w, "{'s':'x','n':1}", "{'f:n':{},'f:s':{}}");
    fields_are(w, "{'atoms':['a','b']}", "{'f:atoms':{}}");
    fields_are(w, "{'set':['b','a']}", "{'f:set':{'v:\\'a\\'':{},'v:\\'b\\'':{}}}");
    fields_are(w, "{'set':['b','a','b']}", "{'f:set':{'v:\\'a\\'':{},'v:\\'b\\'':{}}}");
    fields_are(w, "{'ports':[{'port':80,'name':'x'}]}",
               "{'f:ports':{'k:{\\'port\\':80,\\'protocol\\':\\'TCP\\'}':{'.':{},'f:name':{},'f:"
               "port':{}}}}");
    fields_are(w, "{'ports':[{'port':80},{'port':80,'protocol':'TCP'}]}",
               "{'f:ports':{'k:{\\'port\\':80,\\'protocol\\':\\'TCP\\'}':{}}}");
    fields_are(w, "{'map':{'k':'v'}}", "{'f:map':{'f:k':{}}}");
    fields_are(w, "{'am':{'k':'v'}}", "{'f:am':{}}");
    fields_are(w, "{'map':{},'sub':{}}", "{'f:map':{},'f:sub':{}}");
    fields_are(w, "{'map':null,'set':null,'n':null}", "{'f:map':{},'f:n':{},'f:set':{}}");
    fields_are(w, "{'set':[],'ports':[]}", "{}");
    fields_are(w, "{'sub':{'a':'1'}}", "{'f:sub':{'f:a':{}}}");
    fields_are(w, "{'any':{'x':{'y':[{'a':1}]}}}", "{'f:any':{'f:x':{'.':{},'f:y':{}}}}");
    fields_are(w, "{'is':'1'}", "{'f:is':{}}");
    fields_are(w, "{'metadata':{'labels':{'a':'b'},'finalizers':['f']}}",
               "{'f:metadata':{'f:finalizers':{'v:\\'f\\'':{}},'f:labels':{'f:a':{}}}}");
    fields_are(NULL, "{'a':{'b':1},'l':[1]}", "{'f:a':{'.':{},'f:b':{}},'f:l':{}}");
}

static void refused(const struct schema_node *n, const char *obj, const char *why)
{
    AUTO(err_finish) struct err err = {0};
    if (typed_check(n, parse(obj), false, &arena, &err) != ERR_INVALID) {
        fail_msg("%s is taken", obj);
    }
    assert_string_equal(err.message, quoted(why));
}

static void checks(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    assert_int_equal(
        typed_check(w, parse("{'n':1.5,'s':null,'any':[1,{}],'is':7,'ports':[{'port':1}]}"), false,
                    &arena, NULL),
        0);
    refused(w, "{'n':'x'}", ".n: expected numeric (int or float), got string");
    refused(w, "{'n':{}}", ".n: expected numeric (int or float), got map[string]interface {}");
    refused(w, "{'s':true}", ".s: expected string, got &value.valueUnstructured{Value:true}");
    refused(w, "{'s':[1,'a']}",
            ".s: expected string, got &value.valueUnstructured{Value:[]interface {}{1, 'a'}}");
    refused(w, "{'b':'yes'}", ".b: expected boolean, got &{yes}");
    refused(w, "{'sub':['x']}", ".sub: expected map, got &{[x]}");
    refused(w, "{'set':{'b':1,'a':null}}", ".set: expected list, got &{map[a:<nil> b:1]}");
    refused(w, "{'zz':1}", ".zz: field not declared in schema");
    refused(w, "{'sub':{'a':'','zz':1}}", ".sub.zz: field not declared in schema");
    refused(w, "{'atoms':['a',1]}",
            ".atoms[1]: expected string, got &value.valueUnstructured{Value:1}");
    refused(w, "{'set':['a','a']}", ".set: duplicate entries for key [='a']");
    refused(w, "{'set':['a',{}]}",
            ".set: element 1: associative list without keys has an element "
            "that`s a map type");
    refused(w, "{'ports':[{'port':1},{'port':1,'protocol':'TCP'}]}",
            ".ports: duplicate entries for key [port=1,protocol='TCP']");
    refused(w, "{'ports':[null]}",
            ".ports: element 0: associative list with keys may not have a null element");
    refused(w, "{'ports':['a']}",
            ".ports: element 0: associative list with keys may not have non-map elements");
    refused(w, "{'ports':[{'port':'x'}]}",
            ".ports[port='x',protocol='TCP'].port: expected numeric (int or float), got string");
    refused(w, "{'n':'x','b':1}",
            "errors:\n  .n: expected numeric (int or float), got string\n  .b: expected boolean, "
            "got &{1}");
    assert_int_equal(typed_check(w, parse("{'set':['a','a']}"), true, &arena, NULL), 0);
    const struct schema_node *keyed =
        schema_of("{" OBJECT "{'l':{'type':'array','x-kubernetes-list-type':'map',"
                  "'x-kubernetes-list-map-keys':['b','a'],'items':{" OBJECT
                  "{'a':{'type':'string'},'b':{'type':'string'}}}}}}");
    refused(keyed, "{'l':[{}]}",
            ".l: element 0: associative list with keys has an element that omits all key fields "
            "['b' 'a'] (and doesn`t have default values for any key fields)");
}

static void merged(const struct schema_node *n, const char *l, const char *r, const char *want)
{
    yyjson_mut_val *v = NULL;
    yyjson_mut_val *x = l ? parse(l) : NULL, *y = parse(r);
    assert_int_equal(typed_merge(n, x, y, doc, &v, NULL), 0);
    assert_json(v, want);
    if (l) {
        assert_json(x, l);
    }
    assert_json(y, r);
}

static void merges(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    merged(w, "{'n':1,'s':'a'}", "{'n':2}", "{'n':2,'s':'a'}");
    merged(w, "{'map':{'a':'1','b':'2'}}", "{'map':{'b':'3','c':'4'}}",
           "{'map':{'a':'1','b':'3','c':'4'}}");
    merged(w, "{'am':{'a':'1'}}", "{'am':{'b':'3'}}", "{'am':{'b':'3'}}");
    merged(w, "{'atoms':['a']}", "{'atoms':['b']}", "{'atoms':['b']}");
    merged(w, "{'set':['a','b']}", "{'set':['c','a']}", "{'set':['c','a','b']}");
    merged(w, "{'set':['1','2','3','4','5']}", "{'set':['4','x','2']}",
           "{'set':['1','3','4','5','x','2']}");
    merged(w, "{'set':['a','b','a']}", "{'set':['b']}", "{'set':['a','b','a']}");
    merged(w, "{'set':['a','b','a']}", "{'set':['a']}", "{'set':['a','b']}");
    merged(w, "{'ports':[{'port':1,'name':'x'},{'port':2}]}",
           "{'ports':[{'port':2,'name':'z'},{'port':1,'protocol':'UDP'}]}",
           "{'ports':[{'port':1,'name':'x'},{'port':2,'name':'z'},{'port':1,'protocol':'UDP'}]}");
    merged(w, "{'sub':{'a':'1'}}", "{'sub':null}", "{'sub':{'a':'1'}}");
    merged(w, "{'n':1}", "{'n':null}", "{'n':null}");
    merged(w, "{'sub':{}}", "{'sub':null}", "{'sub':null}");
    merged(w, "{'any':{'a':1}}", "{'any':[1]}", "{'any':[1]}");
    merged(w, "{'any':{'a':1}}", "{'any':{'b':2}}", "{'any':{'a':1,'b':2}}");
    merged(w, NULL, "{'set':['b','a'],'n':1}", "{'set':['b','a'],'n':1}");
}

static void differ(const struct schema_node *n, const char *l, const char *r, const char *removed,
                   const char *modified, const char *added)
{
    struct typed_diff d;
    assert_int_equal(typed_compare(n, l ? parse(l) : NULL, parse(r), &arena, &d, NULL), 0);
    assert_set(d.removed, removed);
    assert_set(d.modified, modified);
    assert_set(d.added, added);
}

static void compares(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    differ(w, "{'n':1,'set':['a']}", "{'set':['a'],'n':1}", "{}", "{}", "{}");
    differ(w, "{'n':1,'s':'a'}", "{'n':2,'b':true}", "{'f:s':{}}", "{'f:n':{}}", "{'f:b':{}}");
    differ(w, "{}", "{'sub':{'a':'1'}}", "{}", "{}", "{'f:sub':{'.':{},'f:a':{}}}");
    differ(w, "{'sub':{'a':'1'}}", "{}", "{'f:sub':{'.':{},'f:a':{}}}", "{}", "{}");
    differ(w, "{'set':['a','b']}", "{'set':['b','c']}", "{'f:set':{'v:\\'a\\'':{}}}", "{}",
           "{'f:set':{'v:\\'c\\'':{}}}");
    differ(w, "{'set':['a','b']}", "{'set':['b','a']}", "{}", "{}", "{}");
    differ(w, "{'set':['a','a']}", "{'set':['a']}", "{'f:set':{'v:\\'a\\'':{}}}", "{}",
           "{'f:set':{'v:\\'a\\'':{}}}");
    differ(w, "{'set':['a']}", "{'set':['a','a']}", "{'f:set':{'v:\\'a\\'':{}}}", "{}",
           "{'f:set':{'v:\\'a\\'':{}}}");
    differ(w, "{'set':['a','a']}", "{'set':['a','a','a']}", "{}", "{'f:set':{'v:\\'a\\'':{}}}",
           "{}");
    differ(w, "{'ports':[{'port':1,'name':'x'}]}",
           "{'ports':[{'port':1,'protocol':'TCP','name':'y'}]}", "{}",
           "{'f:ports':{'k:{\\'port\\':1,\\'protocol\\':\\'TCP\\'}':{'f:name':{}}}}",
           "{'f:ports':{'k:{\\'port\\':1,\\'protocol\\':\\'TCP\\'}':{'f:protocol':{}}}}");
    differ(w, "{'any':{'a':1}}", "{'any':[1]}", "{'f:any':{'f:a':{}}}", "{'f:any':{}}", "{}");
    differ(w, "{'set':[]}", "{'set':null}", "{}", "{'f:set':{}}", "{}");
    differ(w, NULL, "{'n':1}", "{}", "{}", "{'f:n':{}}");
}

static void removed(const struct schema_node *n, const char *obj, const char *set, const char *want)
{
    yyjson_mut_val *v = parse(obj);
    assert_json(typed_remove(n, v, set_of(set), &arena, doc), want);
    assert_json(v, obj);
}

static void removes(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    removed(w, "{'n':1,'s':'a'}", "{'f:n':{}}", "{'s':'a'}");
    removed(w, "{'sub':{'a':'1'}}", "{'f:sub':{'f:a':{}}}", "{'sub':null}");
    removed(w, "{'sub':{'a':'1','b':'2'}}", "{'f:sub':{'f:a':{}}}", "{'sub':{'b':'2'}}");
    removed(w, "{'sub':{'a':'1'}}", "{'f:sub':{}}", "null");
    removed(w, "{'set':['a','b','a']}", "{'f:set':{'v:\\'a\\'':{}}}", "{'set':['b']}");
    removed(w, "{'am':{'a':'1'}}", "{'f:am':{'f:a':{}}}", "{'am':null}");
    removed(w, "{'ports':[{'port':1,'name':'x'},{'port':2}]}",
            "{'f:ports':{'k:{\\'port\\':1,\\'protocol\\':\\'TCP\\'}':{'f:name':{}},"
            "'k:{\\'port\\':2,\\'protocol\\':\\'TCP\\'}':{}}}",
            "{'ports':[{'port':1}]}");
}

static void reconciled(const struct schema_node *n, const char *set, const char *want)
{
    struct fieldset *s = set_of(set), *r = NULL;
    assert_int_equal(typed_reconcile(n, NULL, s, &arena, &r, NULL), 0);
    assert_set(r, want);
    if (strcmp(set, want) == 0) {
        assert_ptr_equal(r, s);
    }
}

static void reconciles(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    reconciled(w, "{'f:sub':{'f:a':{}}}", "{'f:sub':{'f:a':{}}}");
    reconciled(w, "{'f:am':{'f:a':{},'f:b':{}},'f:n':{}}", "{'f:am':{},'f:n':{}}");
    reconciled(w, "{'f:am':{'.':{},'f:a':{}}}", "{'f:am':{}}");
    reconciled(w, "{'f:atoms':{'v:\\'a\\'':{}}}", "{'f:atoms':{}}");
    reconciled(w, "{'f:atoms':{},'f:am':{}}", "{'f:am':{},'f:atoms':{}}");
    reconciled(w, "{'f:set':{}}", "{'f:set':{}}");
    reconciled(w, "{'f:any':{'f:a':{'f:b':{}}},'f:gone':{'f:x':{}}}",
               "{'f:any':{'f:a':{'f:b':{}}},'f:gone':{'f:x':{}}}");
    reconciled(NULL, "{'f:a':{'f:b':{}}}", "{'f:a':{'f:b':{}}}");
}

static void named(void **state)
{
    (void)state;
    const struct schema_node *w = schema_of(WIDGET);
    assert_set(fieldset_with_named(&arena, set_of("{'f:sub':{'f:a':{}},'f:map':{'f:k':{}}}"), w),
               "{'f:map':{'.':{},'f:k':{}},'f:sub':{'.':{},'f:a':{}}}");
    assert_set(
        fieldset_with_named(&arena, set_of("{'f:any':{'f:a':{'f:b':{}}},'f:zz':{'f:b':{}}}"), w),
        "{'f:any':{'.':{},'f:a':{'f:b':{}}},'f:zz':{'f:b':{}}}");
    struct fieldset *same = set_of("{'f:n':{}}");
    assert_ptr_equal(fieldset_with_named(&arena, same, w), same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields),  TEST(checks),     TEST(merges), TEST(compares),
        TEST(removes), TEST(reconciles), TEST(named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
