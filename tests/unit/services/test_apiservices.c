/* SPDX-License-Identifier: Apache-2.0 */
/* APIServices in process: the type's rules, the automanaged objects, and the documents of others.
 */
#include "services/apiservices/apiservices_priv.h"
#include "tests/unit/services/live.h"

#define SERVICES .group = AGGREGATION_GROUP, .resource = "apiservices"

static yyjson_mut_val *create(struct world *w, const char *body)
{
    return must(w, ASK(w, VERB_CREATE, SERVICES, .body = body));
}

#define REMOTE(name, spec)                                                                         \
    "{'metadata':{'name':'" name "'},'spec':{'group':'x.io','version':'v1',"                       \
    "'groupPriorityMinimum':10,'versionPriority':5" spec "}}"

static void test_local_and_remote(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    yyjson_mut_val *o = create(&w, REMOTE("v1.x.io", ""));
    assert_at(&w, o, "status/conditions/0/reason", "Local");
    assert_at(&w, o, "status/conditions/0/status", "True");
    must(&w, ASK(&w, VERB_DELETE, SERVICES, .name = "v1.x.io"));
    o = create(&w, "{'metadata':{'name':'v1.x.io'},'spec':{'group':'x.io','version':'v1',"
                   "'groupPriorityMinimum':10,'versionPriority':5,'service':{'namespace':'a',"
                   "'name':'b'}},'status':{'conditions':[{'type':'Available','status':'True'}]}}");
    assert_at(&w, o, "spec/service/port", "443");
    assert_at(&w, o, "status/conditions", ""); /* a client does not say that it is well */
    world_close(&w);
}

/* The status subresource changes the status alone, the object itself everything but it. */
static void test_status(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    create(&w, REMOTE("v1.x.io", ",'service':{'namespace':'a','name':'b'}"));
    yyjson_mut_val *o = must(
        &w, ASK(&w, VERB_PATCH, SERVICES, .name = "v1.x.io", .sub = "status", .patch = PATCH_MERGE,
                .body = "{'metadata':{'labels':{'a':'b'}},'spec':{'versionPriority':9},'status':{"
                        "'conditions':[{'type':'Available','status':'False','reason':'Why'}]}}"));
    assert_at(&w, o, "spec/versionPriority", "5");
    assert_at(&w, o, "metadata/labels", "");
    assert_at(&w, o, "status/conditions/0/reason", "Why");
    o = must(&w, ASK(&w, VERB_PATCH, SERVICES, .name = "v1.x.io", .patch = PATCH_MERGE,
                     .body = "{'spec':{'versionPriority':9},'status':{'conditions':null}}"));
    assert_at(&w, o, "spec/versionPriority", "9");
    assert_at(&w, o, "status/conditions/0/reason", "Why");
    struct outcome bad =
        ASK(&w, VERB_PATCH, SERVICES, .name = "v1.x.io", .sub = "status", .patch = PATCH_MERGE,
            .body = "{'status':{'conditions':[{'type':'Available','status':'Perhaps'}]}}");
    assert_cause(&w, bad, "status.conditions[0].status", "Unsupported value: \"Perhaps\"");
    world_close(&w);
}

static void test_rules(void **state)
{
    static const struct {
        const char *body, *field, *text;
    } cases[] = {
        {REMOTE("v2.x.io", ""), "metadata.name",
         "must be `spec.version+\".\"+spec.group`: \"v1.x.io\""},
        {"{'metadata':{'name':'v1.A_B'},'spec':{'group':'A_B','version':'v1'}}", "spec.group",
         "RFC 1123"},
        {"{'metadata':{'name':'v2.'},'spec':{'version':'v2'}}", "spec.group",
         "only v1 may have an empty group"},
        {"{'metadata':{'name':'1.x.io'},'spec':{'group':'x.io','version':'1'}}", "spec.version",
         "DNS-1035"},
        {"{'metadata':{'name':'v1.x.io'},'spec':{'group':'x.io','version':'v1'}}",
         "spec.versionPriority", "Invalid value: 0: must be positive and less than 1000"},
        {REMOTE("v1.x.io", ",'insecureSkipTLSVerify':true"), "spec.insecureSkipTLSVerify",
         "local APIServices may not"},
        {REMOTE("v1.x.io", ",'service':{'namespace':'a','name':'b','port':-1}"),
         "spec.service.port", "between 1 and 65535"},
    };
    struct world w;
    (void)state;
    world_open(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct outcome o = ASK(&w, VERB_CREATE, SERVICES, .body = cases[i].body);
        assert_cause(&w, o, cases[i].field, cases[i].text);
    }
    assert_true(apiservice_url_ok(STR("https://[::1]:443")));
    assert_true(apiservice_url_ok(STR("http://a.b-c")));
    assert_false(apiservice_url_ok(STR("https://a:65536")));
    assert_false(apiservice_url_ok(STR("https://a:")));
    assert_false(apiservice_url_ok(STR("https://a\n")));
    assert_false(apiservice_url_ok(STR("")));
    world_close(&w);
}

static bool eventually(struct live *l, const char *name, int http)
{
    for (int i = 0; i < 6000; i++) {
        if (ASK(&l->w, VERB_GET, SERVICES, .name = name).http == http) {
            return true;
        }
        live_sleep(10);
    }
    return false;
}

static void test_registered(void **state)
{
    struct live l;
    (void)state;
    live_open(&l);
    /* what another program left behind, and what is nobody's business */
    create(&l.w, "{'metadata':{'name':'v1.gone.io','labels':{'" APISERVICES_MANAGED "':'true'}},"
                 "'spec':{'group':'gone.io','version':'v1','groupPriorityMinimum':1,"
                 "'versionPriority':1}}");
    create(&l.w, REMOTE("v1.x.io", ""));
    create(&l.w, "{'metadata':{'name':'v1.coordination.k8s.io','labels':{'" APISERVICES_MANAGED
                 "':'onstart'}},'spec':{'group':'coordination.k8s.io','version':'v1',"
                 "'groupPriorityMinimum':1,'versionPriority':1}}");
    live_run(&l, "apiservices");
    assert_true(eventually(&l, "v1.", 200));
    assert_true(eventually(&l, "v1.gone.io", 404));
    assert_true(eventually(&l, "v1.x.io", 200));
    yyjson_mut_val *o = must(&l.w, ASK(&l.w, VERB_GET, SERVICES, .name = "v1.coordination.k8s.io"));
    assert_at(&l.w, o, "spec/groupPriorityMinimum", "16500");
    assert_at(&l.w, o, "status/conditions/0/reason", "Local");
    live_close(&l);
}

/* ---- documents ---- */

static void test_documents(void **state)
{
    struct buf a = {0}, b = {0};
    struct err err = {0};
    (void)state;
    assert_int_equal(remote_read_groups(STR("[1]"), STR("g"), STR("v1"), &a, &err), ERR_NOT_FOUND);
    err_finish(&err);
    assert_int_equal(remote_read_groups(STR("{"), STR("g"), STR("v1"), &a, &err), ERR_BAD_REQUEST);
    err_finish(&err);
    assert_int_equal(a.len, 0);
    assert_int_equal(
        remote_read_resources(
            STR("{\"resources\":[{\"name\":\"a/b\",\"kind\":\"K\",\"verbs\":[\"get\",3]"
                "},{\"name\":7},{\"name\":\"a\",\"namespaced\":true}]}"),
            &a, &err),
        0);
    buf_addc(&a, 0);
    assert_string_equal(
        a.ptr, "[{\"resource\":\"a\",\"subresources\":[{\"subresource\":\"b\",\"responseKind\":{"
               "\"group\":\"\",\"version\":\"\",\"kind\":\"K\"},\"verbs\":[\"get\"]}],"
               "\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"\"},\"scope\":"
               "\"Namespaced\",\"singularResource\":\"\",\"verbs\":[]}]");
    static const char *const urls[] = {"/openapi/v3/apis/g/v12", "/openapi/v3/apis/g/v1?hash=a/b",
                                       "https://x/openapi/v3/apis/g/v1",
                                       "/openapi/v3/apis/g/v1&hash=A"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        AUTO_FREE char *text =
            alloc_printf("{\"paths\":{\"apis/g/v1\":{\"serverRelativeURL\":\"%s\"}}}", urls[i]);
        assert_int_equal(remote_read_v3(str_from(text), STR("g"), STR("v1"), &b, &err),
                         ERR_NOT_FOUND);
        err_finish(&err);
    }
    assert_int_equal(b.len, 0);
    buf_finish(&a);
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_and_remote),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_registered),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
