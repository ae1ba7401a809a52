/* SPDX-License-Identifier: Apache-2.0 */
/* What definitions are refused for, and what their authors are warned of. */
#include "tests/unit/services/fixture.h"

#define BASE                                                                                       \
    "{'metadata':{'name':'widgets.example.com'},'spec':{'group':'example.com','scope':"            \
    "'Namespaced','names':{'plural':'widgets','kind':'Widget'},'versions':[{'name':'v1','served':" \
    "true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{"      \
    "'type':'object','properties':{'a':{'type':'string'},'n':{'type':'integer'}}},'status':{"      \
    "'type':'object','properties':{'n':{'type':'integer'}}}}}}}]}}"

/* Creates (a dry run) the base definition after a merge patch or a JSON patch. */
static struct outcome attempt_with(struct world *w, const char *change,
                                   enum field_validation validation)
{
    yyjson_mut_doc *d = json_doc(&w->arena);
    yyjson_mut_val *obj = json_copy(d, parsed(&w->arena, BASE)), *changed = NULL;
    yyjson_mut_val *patch = parsed(&w->arena, change);
    struct err err = {0};
    int r = json_is_arr(patch) ? patch_json(d, obj, patch, &changed, &err)
                               : patch_merge(d, obj, patch, &changed, &err);
    if (r < 0) {
        fail_msg("%s: %s", change, err_message(&err));
    }
    return ASK(w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
               .resource = "customresourcedefinitions", .tree = changed, .dry_run = true,
               .validation = validation);
}

static struct outcome attempt(struct world *w, const char *change)
{
    return attempt_with(w, change, FIELD_VALIDATION_WARN);
}

struct refusal {
    const char *change, *field, *text;
};

static void refuse_all(struct world *w, const struct refusal *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct outcome o = attempt(w, all[i].change);
        if (o.http != 422 || !has_cause(w, o, all[i].field, all[i].text)) {
            fail_msg("%s: no cause %s: %s in %.*s", all[i].change, all[i].field, all[i].text,
                     STR_FMT(shown(&w->arena, o.body)));
        }
    }
}

#define REFUSE(w, list) refuse_all((w), (list), sizeof(list) / sizeof(*(list)))

#define ADD(path, value) "[{'op':'add','path':'" path "','value':" value "}]"
#define V0 "/spec/versions/0"
#define VERSION(name, storage)                                                                     \
    "{'name':'" name "','served':true,'storage':" storage                                          \
    ",'schema':{'openAPIV3Schema':{'type':'object','description':'another'}}}"

static void test_base(void **state)
{
    struct outcome o = attempt(*state, "{}");
    must(*state, o);
    assert_int_equal(o.n_warnings, 0);
}

static void test_names(void **state)
{
    static const struct refusal all[] = {
        {"{'spec':{'group':''}}", "spec.group", "Required value"},
        {"{'spec':{'group':'foo'}}", "spec.group", "should be a domain with at least one dot"},
        {"{'spec':{'group':'Foo.com'}}", "spec.group", "a lowercase RFC 1123 subdomain"},
        {"{'spec':{'group':'other.com'}}", "metadata.name",
         "must be spec.names.plural+\".\"+spec.group"},
        {"{'spec':{'scope':'Galaxy'}}", "spec.scope",
         "supported values: \"Cluster\", \"Namespaced\""},
        {"{'spec':{'scope':''}}", "spec.scope", "Required value"},
        {"{'spec':{'names':null}}", "spec.names.plural", "Required value"},
        {"{'spec':{'names':{'kind':''}}}", "spec.names.kind", "Required value"},
        {"{'spec':{'names':{'kind':''}}}", "spec.names.listKind", "Required value"},
        {"{'spec':{'names':{'plural':'Widgets'}}}", "spec.names.plural", "a DNS-1035 label"},
        {"{'spec':{'names':{'kind':'1Widget'}}}", "spec.names.kind",
         "may have mixed case, but should otherwise match: a DNS-1035 label"},
        {"{'spec':{'names':{'kind':'Wid.get'}}}", "spec.names.kind", "may have mixed case"},
        {"{'spec':{'names':{'listKind':'Widget'}}}", "spec.names.listKind",
         "kind and listKind may not be the same"},
        {"{'spec':{'names':{'shortNames':['ok','Bad']}}}", "spec.names.shortNames[1]",
         "a DNS-1035"},
        {"{'spec':{'names':{'categories':['']}}}", "spec.names.categories[0]", "a DNS-1035 label"},
        {"{'spec':null}", "spec.group", "Required value"},
    };
    REFUSE(*state, all);
}

static void test_versions(void **state)
{
    static const struct refusal all[] = {
        {"{'spec':{'versions':null}}", "spec.versions", "must have exactly one version marked"},
        {"{'spec':{'versions':[]}}", "status.storedVersions",
         "must have at least one stored version"},
        {ADD(V0 "/name", "'V1'"), "spec.versions[0].name", "a DNS-1035 label"},
        {ADD(V0 "/storage", "false"), "spec.versions",
         "must have exactly one version marked as storage"},
        {ADD("/spec/versions/-", VERSION("v1", "false")), "spec.versions",
         "must contain unique version names"},
        {ADD("/spec/versions/-", VERSION("v2", "true")), "status.storedVersions",
         "Invalid value: [\"v1\"]: must have the storage version v2"},
        {ADD(V0 "/deprecationWarning", "'x'"), "spec.versions[0].deprecationWarning",
         "can only be set for deprecated versions"},
        {"[{'op':'add','path':'" V0 "/deprecated','value':true},{'op':'add','path':'" V0
         "/deprecationWarning','value':''}]",
         "spec.versions[0].deprecationWarning", "must not be an empty string"},
        {"[{'op':'add','path':'" V0 "/deprecated','value':true},{'op':'add','path':'" V0
         "/deprecationWarning','value':'a\\nb'}]",
         "spec.versions[0].deprecationWarning", "non-printable character found at index 1"},
        {"{'spec':{'preserveUnknownFields':true}}", "spec.preserveUnknownFields",
         "cannot set to true, set x-kubernetes-preserve-unknown-fields"},
    };
    REFUSE(*state, all);
}

/* Where there is one version, or all agree, the reference speaks of spec.validation. */
static void test_schemas(void **state)
{
    static const struct refusal all[] = {
        {"[{'op':'remove','path':'" V0 "/schema'}]", "spec.versions[0].schema.openAPIV3Schema",
         "Required value"},
        {ADD(V0 "/schema", "{}"), "spec.versions[0].schema.openAPIV3Schema", "Required value"},
        {ADD(V0 "/schema/openAPIV3Schema/type", "'string'"), "spec.validation.openAPIV3Schema.type",
         "must be object at the root"},
        {"[{'op':'add','path':'" V0 "/schema/openAPIV3Schema/type','value':'string'},"
         "{'op':'add','path':'/spec/versions/-','value':" VERSION("v2", "false") "}]",
         "spec.versions[0].schema.openAPIV3Schema.type", "must be object at the root"},
        {"[{'op':'add','path':'" V0 "/subresources','value':{'status':{}}},{'op':'add','path':'" V0
         "/schema/openAPIV3Schema/x-kubernetes-embedded-resource','value':true}]",
         "spec.validation.openAPIV3Schema", "only [Description Type Format Title Maximum"},
        {"[{'op':'add','path':'" V0 "/subresources','value':{'status':{}}},{'op':'add','path':'" V0
         "/schema/openAPIV3Schema/type','value':'array'}]",
         "spec.validation.openAPIV3Schema.type",
         "only \"object\" is allowed as the type at the root"},
    };
    REFUSE(*state, all);
}

static void test_subresources(void **state)
{
    static const struct refusal all[] = {
        {ADD(V0 "/subresources", "{'scale':{}}"), "spec.subresources.scale.specReplicasPath",
         "Required value"},
        {ADD(V0 "/subresources",
             "{'scale':{'specReplicasPath':'spec.n','statusReplicasPath':'.status.n'}}"),
         "spec.subresources.scale.specReplicasPath", "must be a simple json path starting with ."},
        {ADD(V0 "/subresources",
             "{'scale':{'specReplicasPath':'.foo.n','statusReplicasPath':'.status.n'}}"),
         "spec.subresources.scale.specReplicasPath", "should be a json path under .spec"},
        {ADD(V0 "/subresources",
             "{'scale':{'specReplicasPath':'.spec.n','statusReplicasPath':'.spec.n'}}"),
         "spec.subresources.scale.statusReplicasPath", "should be a json path under .status"},
        {ADD(V0 "/subresources", "{'scale':{'specReplicasPath':'.spec.n','statusReplicasPath':"
                                 "'.status.n','labelSelectorPath':'.metadata.x'}}"),
         "spec.subresources.scale.labelSelectorPath",
         "should be a json path under either .spec or .status"},
    };
    REFUSE(*state, all);
}

static void test_columns(void **state)
{
    static const struct refusal all[] = {
        {ADD(V0 "/additionalPrinterColumns", "[{}]"), "spec.additionalPrinterColumns[0].name",
         "Required value"},
        {ADD(V0 "/additionalPrinterColumns", "[{'name':'A','jsonPath':'.spec.a'}]"),
         "spec.additionalPrinterColumns[0].type",
         "must be one of boolean,date,integer,number,string"},
        {ADD(V0 "/additionalPrinterColumns", "[{'name':'A','type':'map','jsonPath':'.spec.a'}]"),
         "spec.additionalPrinterColumns[0].type", "must be one of boolean,date"},
        {ADD(V0 "/additionalPrinterColumns",
             "[{'name':'A','type':'string','format':'odd','jsonPath':'.spec.a'}]"),
         "spec.additionalPrinterColumns[0].format", "must be one of byte,date,date-time"},
        {ADD(V0 "/additionalPrinterColumns", "[{'name':'A','type':'string'}]"),
         "spec.additionalPrinterColumns[0].JSONPath", "Required value"},
        {ADD(V0 "/additionalPrinterColumns", "[{'name':'A','type':'string','jsonPath':'spec'}]"),
         "spec.additionalPrinterColumns[0].JSONPath", "must be a simple json path starting with ."},
        {ADD(V0 "/additionalPrinterColumns", "[{'name':'A','type':'string','jsonPath':'.spec['}]"),
         "spec.additionalPrinterColumns[0].JSONPath", ""},
    };
    REFUSE(*state, all);
}

static void test_selectable_fields(void **state)
{
    static const struct refusal all[] = {
        {ADD(V0 "/selectableFields", "[{}]"), "spec.selectableFields[0].jsonPath",
         "Required value"},
        {ADD(V0 "/selectableFields", "[{'jsonPath':'.spec.zz'}]"),
         "spec.selectableFields[0].jsonPath",
         "is an invalid path: does not refer to a valid field"},
        {ADD(V0 "/selectableFields", "[{'jsonPath':'.spec'}]"), "spec.selectableFields[0].jsonPath",
         "must point to a field of type string, boolean or integer."},
        {ADD(V0 "/selectableFields", "[{'jsonPath':'.spec[\\'a\\']'}]"),
         "spec.selectableFields[0].jsonPath", "array notation is not allowed"},
        {ADD(V0 "/selectableFields", "[{'jsonPath':'spec.a'}]"),
         "spec.selectableFields[0].jsonPath", "expected [ or . but got: "},
        {ADD(V0 "/selectableFields", "[{'jsonPath':'.spec.'}]"),
         "spec.selectableFields[0].jsonPath", "unexpected end of JSON path"},
        {ADD(V0 "/selectableFields", "[{'jsonPath':'.spec.a'},{'jsonPath':'.spec.a'}]"),
         "spec.selectableFields[1].jsonPath", "Duplicate value"},
    };
    REFUSE(*state, all);
    must(*state, attempt(*state, ADD(V0 "/selectableFields",
                                     "[{'jsonPath':'.spec.a'},{'jsonPath':'.spec.n'}]")));
}

static void test_conversion(void **state)
{
    static const struct refusal all[] = {
        {"{'spec':{'conversion':{'strategy':'Odd'}}}", "spec.conversion.strategy",
         "supported values: \"None\", \"Webhook\""},
        {"{'spec':{'conversion':{'strategy':''}}}", "spec.conversion.strategy", "Required value"},
        {"{'spec':{'conversion':{'strategy':'None','webhook':{'clientConfig':{'url':'x'},"
         "'conversionReviewVersions':['v1']}}}}",
         "spec.conversion.webhookClientConfig",
         "should not be set when strategy is not set to Webhook"},
        {"{'spec':{'conversion':{'strategy':'Webhook'}}}", "spec.conversion.webhookClientConfig",
         "required when strategy is set to Webhook"},
        {"{'spec':{'conversion':{'strategy':'Webhook','webhook':{'clientConfig':{},"
         "'conversionReviewVersions':[]}}}}",
         "spec.conversion.conversionReviewVersions", "Required value"},
        {"{'spec':{'conversion':{'strategy':'Webhook','webhook':{'clientConfig':{'url':"
         "'http://u:p@h/?q#f'},'conversionReviewVersions':['v7','v7']}}}}",
         "spec.conversion.webhookClientConfig.url", "'https' is the only allowed URL scheme"},
        {"{'spec':{'conversion':{'strategy':'Webhook','webhook':{'clientConfig':{'url':"
         "'https://u:p@h/?q#f'},'conversionReviewVersions':['v7','v7']}}}}",
         "spec.conversion.webhookClientConfig.url", "user information is not permitted"},
        {"{'spec':{'conversion':{'strategy':'Webhook','webhook':{'clientConfig':{'url':"
         "'https://u:p@h/?q#f'},'conversionReviewVersions':['v7','v7']}}}}",
         "spec.conversion.conversionReviewVersions", "must include at least one of v1, v1beta1"},
        {"{'spec':{'conversion':{'strategy':'Webhook','webhook':{'clientConfig':{'service':{'name':"
         "'s','namespace':'n','port':0,'path':'/a//B'}},'conversionReviewVersions':['v1']}}}}",
         "spec.conversion.webhookClientConfig.service.path", "segment[1] may not be empty"},
    };
    struct world *w = *state;
    REFUSE(w, all);
    const char *webhook = "{'op':'add','path':'/spec/conversion','value':{'strategy':'Webhook',"
                          "'webhook':{'clientConfig':{'service':{'name':'s','namespace':'n'}},"
                          "'conversionReviewVersions':['v1']}}}";
    struct outcome o = attempt(w, arena_printf(&w->arena, "[%s]", webhook));
    assert_at(w, must(w, o), "spec/conversion/webhook/clientConfig/service/port", "443");
    o = attempt(w, arena_printf(&w->arena, "[%s,{'op':'add','path':'/spec/versions/-','value':%s}]",
                                webhook, VERSION("v2", "false")));
    assert_at(w, must(w, o), "spec/versions/1/name", "v2");
}

static void test_approval(void **state)
{
    struct world *w = *state;
    const char *field = "metadata.annotations[api-approved.kubernetes.io]";
    assert_cause(w,
                 attempt(w, "{'metadata':{'name':'widgets.x.k8s.io'},'spec':{'group':'x.k8s.io'}}"),
                 field, "Required value: protected groups must have approval");
    assert_cause(w,
                 attempt(w, "{'metadata':{'name':'widgets.x.k8s.io','annotations':{'api-approved."
                            "kubernetes.io':'maybe'}},'spec':{'group':'x.k8s.io'}}"),
                 field, "with either a URL or a reason starting with \"unapproved\"");
    must(w,
         attempt(w,
                 "{'metadata':{'name':'widgets.x.k8s.io','annotations':{'api-approved."
                 "kubernetes.io':'https://github.com/x/y/pull/1'}},'spec':{'group':'x.k8s.io'}}"));
    must(w, attempt(w, "{'metadata':{'name':'widgets.x.k8s.io','annotations':{'api-approved."
                       "kubernetes.io':'unapproved, testing'}},'spec':{'group':'x.k8s.io'}}"));
}

static void assert_warnings(struct world *w, const char *change, const char *const *want, size_t n)
{
    struct outcome o = attempt(w, change);
    must(w, o);
    assert_int_equal(o.n_warnings, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(o.warnings[i].ptr, want[i]);
    }
}

#define PROPERTIES V0 "/schema/openAPIV3Schema/properties/spec/properties"

static void test_warnings(void **state)
{
    static const char *const formats[] = {"unrecognized format \"odd\"",
                                          "unrecognized format \"int16\""};
    static const char *const sets[] = {
        "x-kubernetes-list-type: set for items of type \"array\" is not supported by server-side "
        "apply or CEL validation rules"};
    static const char *const rules[] = {
        "x-kubernetes-validations are kept and published but not enforced yet"};
    struct world *w = *state;
    assert_warnings(w,
                    "[{'op':'add','path':'" PROPERTIES
                    "/a/format','value':'odd'},{'op':'add','path':"
                    "'" PROPERTIES "/n/format','value':'int16'},{'op':'add','path':'" PROPERTIES
                    "/t','value':{'type':'string','format':'date-time'}}]",
                    formats, 2);
    assert_warnings(w,
                    ADD(PROPERTIES "/l",
                        "{'type':'array','x-kubernetes-list-type':'set','items':{"
                        "'type':'array','x-kubernetes-list-type':'atomic','items':{"
                        "'type':'string'}}}"),
                    sets, 1);
    assert_warnings(w,
                    ADD(V0 "/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations",
                        "[{'rule':'self.n > 1'}]"),
                    rules, 1);
    struct outcome o = attempt(w, ADD(PROPERTIES "/a/odd", "1"));
    must(w, o);
    assert_int_equal(o.n_warnings, 1);
    assert_non_null(strstr(o.warnings[0].ptr, "odd"));
    o = attempt_with(w, ADD(PROPERTIES "/a/odd", "1"), FIELD_VALIDATION_STRICT);
    assert_int_equal(o.http, 400);
    assert_non_null(strstr(at(w, o.body, "message"), "strict decoding error: unknown field"));
    o = attempt_with(w, ADD(PROPERTIES "/a/odd", "1"), FIELD_VALIDATION_IGNORE);
    assert_int_equal(o.n_warnings, 0);
    assert_null(strstr(shown(&w->arena, must(w, o)).ptr, "odd"));
}

/* On an update only what is new is told. */
static void test_warnings_once(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *obj = parsed(&w->arena, BASE);
    yyjson_mut_doc *d = json_doc(&w->arena);
    obj = json_copy(d, obj);
    yyjson_mut_val *changed = NULL;
    assert_int_equal(
        patch_json(d, obj, parsed(&w->arena, ADD(PROPERTIES "/a/format", "'odd'")), &changed, NULL),
        0);
    struct outcome o = ASK(w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
                           .resource = "customresourcedefinitions", .tree = changed);
    must(w, o);
    assert_int_equal(o.n_warnings, 1);
    o = ASK(w, .verb = VERB_PATCH, .group = "apiextensions.k8s.io",
            .resource = "customresourcedefinitions", .name = "widgets.example.com",
            .patch = PATCH_JSON, .body = ADD(PROPERTIES "/n/format", "'int16'"));
    must(w, o);
    assert_int_equal(o.n_warnings, 1);
    assert_string_equal(o.warnings[0].ptr, "unrecognized format \"int16\"");
}

/* Things of the wrong type at every place: refused, never a crash. */
static void test_wrong_types(void **state)
{
    static const char *const values[] = {
        "null", "true",         "7", "'x'", "[]", "[1]", "{}", "[[]]", "{'a':{'b':[1]}}",
        "-1.5", "['a',null,{}]"};
    static const char *const places[] = {
        "/metadata",
        "/spec",
        "/spec/group",
        "/spec/scope",
        "/spec/names",
        "/spec/names/plural",
        "/spec/names/shortNames",
        "/spec/versions",
        V0,
        V0 "/name",
        V0 "/served",
        V0 "/schema",
        V0 "/schema/openAPIV3Schema",
        V0 "/schema/openAPIV3Schema/type",
        V0 "/schema/openAPIV3Schema/properties",
        V0 "/schema/openAPIV3Schema/properties/spec",
        PROPERTIES,
        PROPERTIES "/a",
        PROPERTIES "/a/type",
        PROPERTIES "/a/items",
        PROPERTIES "/a/enum",
        PROPERTIES "/a/default",
        PROPERTIES "/a/pattern",
        PROPERTIES "/a/required",
        PROPERTIES "/a/allOf",
        PROPERTIES "/a/not",
        PROPERTIES "/a/additionalProperties",
        PROPERTIES "/a/minimum",
        PROPERTIES "/a/maxLength",
        PROPERTIES "/a/x-kubernetes-list-type",
        PROPERTIES "/a/x-kubernetes-list-map-keys",
        PROPERTIES "/a/x-kubernetes-validations",
        PROPERTIES "/a/nullable",
        PROPERTIES "/a/format",
        V0 "/subresources",
        V0 "/additionalPrinterColumns",
        V0 "/selectableFields",
        "/spec/conversion",
        "/spec/conversion/webhook",
        "/status",
        "/status/conditions",
        "/status/storedVersions",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        for (size_t j = 0; j < sizeof(values) / sizeof(*values); j++) {
            const char *change = arena_printf(
                &w->arena,
                "[{'op':'add','path':'/spec/conversion','value':{'strategy':'None'}},{'op':'add',"
                "'path':'/status','value':{}},{'op':'add','path':'%s','value':%s}]",
                places[i], values[j]);
            struct outcome o = attempt(w, change);
            if (o.http != 201 && o.http != 400 && o.http != 422) {
                fail_msg("%s: %d %.*s", change, o.http, STR_FMT(shown(&w->arena, o.body)));
            }
        }
    }
}

/* What is accepted is served: every accepted one of the odd forms makes a type. */
static void test_accepted_is_served(void **state)
{
    static const char *const schemas[] = {
        "{'type':'object'}",
        "{'type':'object','x-kubernetes-preserve-unknown-fields':true}",
        "{'type':'object','properties':{'p':{'type':'string','pattern':'^(?i)a+$'}}}",
        "{'type':'object','properties':{'p':{'x-kubernetes-int-or-string':true}}}",
        "{'type':'object','properties':{'metadata':{'type':'object','properties':{'name':{'type':"
        "'string','maxLength':5}}}}}",
        "{'type':'object','properties':{'e':{'type':'object','x-kubernetes-embedded-resource':true,"
        "'x-kubernetes-preserve-unknown-fields':true}}}",
        "{'type':'object','oneOf':[{'required':['a']},{'required':['b']}],'properties':{'a':{'type'"
        ":"
        "'string'},'b':{'type':'string'}}}",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(schemas) / sizeof(*schemas); i++) {
        const char *body = arena_printf(
            &w->arena,
            "{'metadata':{'name':'w%zus.example.com'},'spec':{'group':'example.com','scope':"
            "'Cluster','names':{'plural':'w%zus','kind':'W%zu'},'versions':[{'name':'v1','served':"
            "true,'storage':true,'schema':{'openAPIV3Schema':%s}}]}}",
            i, i, i, schemas[i]);
        must(w, ASK(w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
                    .resource = "customresourcedefinitions", .body = body));
        struct type *t = find_type(w, "example.com", arena_printf(&w->arena, "w%zus", i));
        assert_non_null(t);
        type_unref(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_base, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_names, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_versions, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_schemas, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_subresources, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_columns, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_selectable_fields, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_conversion, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_approval, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_warnings, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_warnings_once, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_types, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_accepted_is_served, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
