/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of built-in types. */
#include "tests/unit/schemas/support.h"

/* Something like a Lease, a ConfigMap and a Secret in one. */
static const char schema_text[] =
    "{'type':'object','properties':{"
    "'apiVersion':{'type':'string'},'kind':{'type':'string'},'metadata':{'type':'object'},"
    "'data':{'type':'object','additionalProperties':{'type':'string'}},"
    "'binaryData':{'type':'object','additionalProperties':{'type':'string','format':'byte'}},"
    "'immutable':{'type':'boolean'},"
    "'firstTimestamp':{'type':'string','format':'date-time'},"
    "'hard':{'type':'object','additionalProperties':{'format':'quantity'}},"
    "'port':{'x-kubernetes-int-or-string':true},"
    "'rules':{'type':'array','items':{'type':'object','properties':{'verbs':{'type':'array','items'"
    ":{'type':'string'}}},"
    "'required':['verbs'],'x-coracle-go-type':'v1.PolicyRule'},'x-coracle-keep-empty':true},"
    "'any':{'x-kubernetes-preserve-unknown-fields':true},"
    "'ratio':{'type':'number'},"
    "'spec':{'type':'object','properties':{'seconds':{'type':'integer','format':'int32'},'big':{'"
    "type':'integer','format':'int64'},"
    "'renewTime':{'type':'string','format':'micro-time'},'names':{'type':'array','items':{'type':'"
    "string'}}}}}}";

static const struct {
    const char *object, *want; /* JSON, or the refusal */
} cases[] = {
    {"{'data':{'k':'v'},'immutable':false}", "{'data':{'k':'v'},'immutable':false}"},
    /* nulls and empty collections */
    {"{'data':null,'immutable':null,'spec':{'seconds':null}}", "{'spec':{}}"},
    {"{'data':{},'spec':{'names':[]}}", "{'spec':{}}"},
    {"{'rules':[]}", "{'rules':[]}"},
    {"{'rules':[{'verbs':[]}]}", "{'rules':[{'verbs':[]}]}"},
    {"{'data':{'k':null}}", "{'data':{'k':''}}"},
    {"{'spec':{'names':['a',null]}}", "{'spec':{'names':['a','']}}"},
    {"{'any':{'a':null,'b':[]}}", "{'any':{'a':null,'b':[]}}"},
    {"{'metadata':{'name':null}}", "{'metadata':{'name':null}}"}, /* somebody else's */
    /* types */
    {"{'data':{'k':5}}",
     "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"},
    {"{'data':[]}",
     "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"},
    {"{'data':'x'}",
     "json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string"},
    {"{'immutable':'yes'}",
     "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"},
    {"{'spec':3}",
     "json: cannot unmarshal number into Go struct field ConfigMap.spec of type v1.ConfigMapSpec"},
    {"{'spec':{'seconds':'x'}}",
     "json: cannot unmarshal string into Go struct field ConfigMapSpec.spec.seconds of type int32"},
    {"{'spec':{'seconds':1.5}}", "json: cannot unmarshal number 1.5 into Go struct field "
                                 "ConfigMapSpec.spec.seconds of type int32"},
    {"{'spec':{'seconds':5000000000}}", "json: cannot unmarshal number 5000000000 into Go struct "
                                        "field ConfigMapSpec.spec.seconds of type int32"},
    {"{'spec':{'big':5000000000}}", "{'spec':{'big':5000000000}}"},
    {"{'spec':{'names':[1]}}",
     "json: cannot unmarshal number into Go struct field ConfigMapSpec.spec.names of type string"},
    {"{'spec':{'names':{}}}", "json: cannot unmarshal object into Go struct field "
                              "ConfigMapSpec.spec.names of type []string"},
    {"{'rules':[{'verbs':[true]}]}",
     "json: cannot unmarshal bool into Go struct field PolicyRule.rules.verbs of type string"},
    {"{'rules':['x']}",
     "json: cannot unmarshal string into Go struct field ConfigMap.rules of type v1.PolicyRule"},
    {"{'ratio':'x'}",
     "json: cannot unmarshal string into Go struct field ConfigMap.ratio of type float64"},
    {"{'ratio':2}", "{'ratio':2}"},
    {"{'kind':5}",
     "json: cannot unmarshal number into Go struct field ConfigMap.kind of type string"},
    {"{'port':true}",
     "json: cannot unmarshal bool into Go struct field ConfigMap.port of type v1.Port"},
    {"{'port':80}", "{'port':80}"},
    {"[]", "json: cannot unmarshal array into Go value of type v1.ConfigMap"},
    /* texts with meaning */
    {"{'firstTimestamp':'2001-01-01T01:00:00.5+01:00'}",
     "{'firstTimestamp':'2001-01-01T00:00:00Z'}"},
    {"{'firstTimestamp':'x'}",
     "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""},
    {"{'firstTimestamp':5}",
     "json: cannot unmarshal number into Go struct field ConfigMap.firstTimestamp of type string"},
    {"{'spec':{'renewTime':'2001-01-01T00:00:01.000001Z'}}",
     "{'spec':{'renewTime':'2001-01-01T00:00:01.000001Z'}}"},
    {"{'spec':{'renewTime':'2001-01-01T00:00:05.5Z'}}",
     "parsing time \"2001-01-01T00:00:05.5Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
     "parse \".5Z\" as \".000000\""},
    {"{'binaryData':{'a':'YQ==','b':''}}", "{'binaryData':{'a':'YQ==','b':''}}"},
    {"{'binaryData':{'a':'YW\\nI=\\n'}}", "{'binaryData':{'a':'YWI='}}"},
    {"{'binaryData':{'a':'YR=='}}", "{'binaryData':{'a':'YQ=='}}"},
    {"{'binaryData':{'a':'***'}}", "illegal base64 data at input byte 0"},
    {"{'binaryData':{'a':'YWJjYQ'}}", "illegal base64 data at input byte 4"},
    {"{'binaryData':{'a':'YQ=a'}}", "illegal base64 data at input byte 2"},
    {"{'binaryData':{'a':'YQ='}}", "illegal base64 data at input byte 3"},
    {"{'binaryData':{'a':'YWJj='}}", "illegal base64 data at input byte 4"},
    {"{'binaryData':{'a':'YQ==YQ=='}}", "illegal base64 data at input byte 4"},
    {"{'binaryData':{'a':7}}",
     "json: cannot unmarshal number into Go struct field ConfigMap.binaryData of type []uint8"},
    {"{'hard':{'cpu':'0.5','memory':'1024Mi','pods':4}}",
     "{'hard':{'cpu':'500m','memory':'1Gi','pods':'4'}}"},
    {"{'hard':{'secrets':'many'}}",
     "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
};

static void test_decode(void **state)
{
    (void)state;
    struct schema *s = create_as(schema_text, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        yyjson_mut_doc *d = parse_doc(cases[i].object);
        AUTO(err_finish) struct err err = {0};
        int r = schema_decode(s, d, d->root, STR("ConfigMap"), &err);
        if (cases[i].want[0] == '{') {
            if (r != 0) {
                fail_msg("%s: %s", cases[i].object, err_message(&err));
            }
            assert_json(d->root, cases[i].want);
        } else {
            assert_int_equal(r, ERR_BAD_REQUEST);
            assert_string_equal(err_message(&err), cases[i].want);
            assert_int_equal(schema_decode(s, d, d->root, STR("ConfigMap"), NULL), ERR_BAD_REQUEST);
        }
    }
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_decode)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
