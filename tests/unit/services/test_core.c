/* SPDX-License-Identifier: Apache-2.0 */
/* ConfigMaps, Secrets, ServiceAccounts and Leases. */
#include "tests/unit/services/fixture.h"

static struct outcome create(struct world *w, const char *resource, const char *body)
{
    return ASK(w, .verb = VERB_CREATE, .resource = resource, .ns = "default", .body = body);
}

static struct outcome patch(struct world *w, const char *resource, const char *name,
                            const char *body)
{
    return ASK(w, .verb = VERB_PATCH, .resource = resource, .ns = "default", .name = name,
               .patch = PATCH_MERGE, .body = body);
}

/* ---- configmaps ---- */

static void test_configmap_keys(void **state)
{
    struct world *w = *state;
    assert_cause(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{'bad key':'v'}}"),
                 "data[bad key]", "a valid config key must consist of");
    assert_cause(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{'..':'v'}}"),
                 "data[..]", "must not be '..'");
    assert_cause(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{'.':'v'}}"),
                 "data[.]", "must not be '.'");
    assert_cause(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{'..x':'v'}}"),
                 "data[..x]", "must not start with '..'");
    assert_cause(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{'':'v'}}"), "data[]",
                 "a valid config key");
    assert_cause(w,
                 create(w, "configmaps",
                        "{'metadata':{'name':'a'},'data':{'k':'v'},'binaryData':{'k':'dg=='}}"),
                 "data[k]", "duplicate of key present in binaryData");
}

static void test_configmap_key_length(void **state)
{
    struct world *w = *state;
    char key[255];
    memset(key, 'k', 254);
    key[254] = 0;
    const char *body = arena_printf(&w->arena, "{'metadata':{'name':'a'},'data':{'%s':'v'}}", key);
    struct outcome o = create(w, "configmaps", body);
    assert_cause(w, o, arena_printf(&w->arena, "data[%s]", key),
                 "must be no more than 253 characters");
    key[253] = 0;
    body = arena_printf(&w->arena, "{'metadata':{'name':'a'},'data':{'%s':'v'}}", key);
    must(w, create(w, "configmaps", body));
}

static void test_configmap_immutable(void **state)
{
    struct world *w = *state;
    const char *words = "field is immutable when `immutable` is set";
    must(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{'k':'v'},'immutable':true}"));
    assert_cause(w, patch(w, "configmaps", "a", "{'data':{'k':'w'}}"), "data", words);
    assert_cause(w, patch(w, "configmaps", "a", "{'binaryData':{'l':'dg=='}}"), "binaryData",
                 words);
    assert_cause(w, patch(w, "configmaps", "a", "{'immutable':null}"), "immutable", words);
    must(w, patch(w, "configmaps", "a", "{'metadata':{'labels':{'x':'y'}}}"));
    must(w, patch(w, "configmaps", "a", "{'binaryData':{}}")); /* as empty as it was */
}

static void test_configmap_forms(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v =
        must(w, create(w, "configmaps", "{'metadata':{'name':'a'},'data':{},'binaryData':{}}"));
    assert_null(json_get(v, "data"));
    assert_null(json_get(v, "binaryData"));
    struct outcome o = create(w, "configmaps", "{'metadata':{'name':'b'},'data':{'k':1}}");
    assert_int_equal(o.http, 400);
    o = create(w, "configmaps", "{'metadata':{'name':'b'},'binaryData':{'k':'***'}}");
    assert_int_equal(o.http, 400);
}

/* A body with one value of n characters. */
static const char *with_value(struct world *w, const char *before, size_t n, const char *after)
{
    char *text = arena_alloc(&w->arena, n + 1);
    memset(text, 'x', n);
    text[n] = 0;
    return arena_printf(&w->arena, "%s%s%s", before, text, after);
}

static void test_sizes(void **state)
{
    struct world *w = *state;
    const char *cm = "{'metadata':{'name':'a'},'data':{'k':'";
    const char *secret = "{'metadata':{'name':'a'},'stringData':{'k':'";
    struct outcome o = create(w, "configmaps", with_value(w, cm, 1048577, "'}}"));
    assert_cause(w, o, "", "may not be more than 1048576 bytes");
    must(w, create(w, "configmaps", with_value(w, cm, 1048576, "'}}")));
    o = create(w, "secrets", with_value(w, secret, 1048577, "'}}"));
    assert_cause(w, o, "data", "may not be more than 1048576 bytes");
    must(w, create(w, "secrets", with_value(w, secret, 1048576, "'}}")));
}

/* ---- secrets ---- */

static void test_secret_strings(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v = must(w, create(w, "secrets",
                                       "{'metadata':{'name':'a'},'data':{'k':'b2xk','l':'bA=='},"
                                       "'stringData':{'k':'new','m':''}}"));
    assert_at(w, v, "data/k", "bmV3");
    assert_at(w, v, "data/l", "bA==");
    assert_at(w, v, "data/m", "");
    assert_at(w, v, "type", "Opaque");
    assert_null(json_get(v, "stringData"));
    v = must(w, patch(w, "secrets", "a", "{'stringData':{'l':'ell'}}"));
    assert_at(w, v, "data/l", "ZWxs");
    assert_null(json_get(v, "stringData"));
}

static void test_secret_base64_lines(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v =
        must(w, create(w, "secrets", "{'metadata':{'name':'a'},'data':{'k':'aGVs\\nbG8=\\n'}}"));
    assert_at(w, v, "data/k", "aGVsbG8=");
}

static void test_secret_types(void **state)
{
    static const struct {
        const char *body, *field;
    } bad[] = {
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/service-account-token'}",
         "metadata.annotations[kubernetes.io/service-account.name]"},
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/dockercfg'}", "data[.dockercfg]"},
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/dockercfg','stringData':{'.dockercfg':'{'}"
         "}",
         "data[.dockercfg]"},
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/dockerconfigjson','stringData':{'."
         "dockerconfigjson':'[]'}}",
         "data[.dockerconfigjson]"},
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/basic-auth'}", "data[password]"},
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/ssh-auth','data':{'ssh-privatekey':''}}",
         "data[ssh-privatekey]"},
        {"{'metadata':{'name':'a'},'type':'kubernetes.io/tls','data':{'tls.crt':'dg=='}}",
         "data[tls.key]"},
    };
    static const char *const good[] = {
        "{'metadata':{'name':'b'},'type':'kubernetes.io/basic-auth','data':{'username':''}}",
        "{'metadata':{'name':'c'},'type':'kubernetes.io/tls','data':{'tls.crt':'','tls.key':''}}",
        "{'metadata':{'name':'d'},'type':'kubernetes.io/dockerconfigjson','data':{'."
        "dockerconfigjson':'e30='}}",
        "{'metadata':{'name':'e'},'type':'example.com/own'}",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_cause(w, create(w, "secrets", bad[i].body), bad[i].field, "");
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        must(w, create(w, "secrets", good[i]));
    }
}

static void test_secret_contents_stay_secret(void **state)
{
    struct world *w = *state;
    struct outcome o = create(w, "secrets",
                              "{'metadata':{'name':'a'},'type':'kubernetes.io/dockercfg',"
                              "'stringData':{'.dockercfg':'hunter2'}}");
    assert_cause(w, o, "data[.dockercfg]", "<secret contents redacted>");
    assert_null(strstr(shown(&w->arena, o.body).ptr, "hunter2"));
}

static void test_secret_changes(void **state)
{
    struct world *w = *state;
    must(w, create(w, "secrets", "{'metadata':{'name':'a'},'type':'x.io/one'}"));
    assert_cause(w, patch(w, "secrets", "a", "{'type':'x.io/two'}"), "type", "field is immutable");
    assert_cause(w, patch(w, "secrets", "a", "{'type':null}"), "type", "field is immutable");
    must(w, patch(w, "secrets", "a", "{'immutable':true}"));
    assert_cause(w, patch(w, "secrets", "a", "{'stringData':{'k':'v'}}"), "data",
                 "field is immutable when");
}

/* ---- serviceaccounts ---- */

static void test_serviceaccount(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v =
        must(w, create(w, "serviceaccounts",
                       "{'metadata':{'name':'a'},'secrets':[{'name':'s','namespace':'other','kind':"
                       "'Secret'}],'imagePullSecrets':[]}"));
    assert_at(w, v, "secrets", "[{\"name\":\"s\"}]");
    assert_null(json_get(v, "imagePullSecrets"));
    struct outcome o =
        ASK(w, .verb = VERB_DELETE, .resource = "serviceaccounts", .ns = "default", .name = "a");
    assert_at(w, must(w, o), "kind", "ServiceAccount");
    assert_string_not_equal(at(w, o.body, "metadata/resourceVersion"),
                            at(w, v, "metadata/resourceVersion"));
    o = ASK(w, .verb = VERB_GET, .resource = "serviceaccounts", .ns = "default", .name = "a");
    assert_int_equal(o.http, 404);
}

/* ---- leases ---- */

static struct outcome create_lease(struct world *w, const char *spec)
{
    const char *body = arena_printf(&w->arena, "{'metadata':{'name':'l'},'spec':%s}", spec);
    return ASK(w, .verb = VERB_CREATE, .group = "coordination.k8s.io", .resource = "leases",
               .ns = "default", .body = body, .dry_run = true);
}

static void test_lease(void **state)
{
    struct world *w = *state;
    assert_cause(w, create_lease(w, "{'leaseDurationSeconds':0}"), "spec.leaseDurationSeconds",
                 "must be greater than 0");
    assert_cause(w, create_lease(w, "{'leaseTransitions':-1}"), "spec.leaseTransitions",
                 "must be greater than or equal to 0");
    assert_cause(w, create_lease(w, "{'strategy':'Nope'}"), "spec.strategy.strategy",
                 "Unsupported value");
    assert_cause(w, create_lease(w, "{'strategy':'a b/c'}"), "spec.strategy.strategy", "");
    assert_cause(w, create_lease(w, "{'preferredHolder':'x'}"), "spec.preferredHolder",
                 "may only be specified if `strategy` is defined");
    assert_int_equal(create_lease(w, "{'renewTime':'2001-01-01T00:00:05.5Z'}").http, 400);
    assert_int_equal(create_lease(w, "{'renewTime':'yesterday'}").http, 400);
    must(w, create_lease(w, "{'renewTime':'2001-01-01T00:00:05.500000Z','strategy':"
                            "'OldestEmulationVersion','preferredHolder':'x'}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_configmap_keys, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_configmap_key_length, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_configmap_immutable, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_configmap_forms, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_sizes, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_secret_strings, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_secret_base64_lines, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_secret_types, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_secret_contents_stay_secret, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_secret_changes, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_serviceaccount, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lease, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
