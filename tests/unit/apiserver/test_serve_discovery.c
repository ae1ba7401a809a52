/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery as it is served: it follows the registry, in each of its forms, to each kind of caller.
 */
#include "tests/unit/apiserver/probe.h"

static struct probe *get(enum route_kind kind, const char *path, const char *group,
                         const char *version, const char *accept)
{
    struct probe *p = probe_create("GET", kind, path);
    p->call.route.group = str_from(group);
    p->call.route.version = str_from(version);
    if (accept) {
        ask_with(p, "accept", accept);
    }
    discovery_serve(&p->call);
    return p;
}

#define V2 "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define V2BETA "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

static void test_discovery_follows_the_registry(void **state)
{
    (void)state;
    struct probe *before = get(ROUTE_APIS, "/apis", "", "", NULL),
                 *again = get(ROUTE_APIS, "/apis", "", "", NULL);
    assert_int_equal(before->status, 200);
    assert_string_equal(before->content_type, "application/json");
    assert_true(contains(&before->body, "\"example.com/v1\""));
    assert_true(str_eq(buf_str(&before->body), buf_str(&again->body)));
    put("other.example.com", "things", "Thing");
    struct probe *after = get(ROUTE_APIS, "/apis", "", "", NULL);
    assert_true(contains(&after->body, "\"other.example.com/v1\""));
    assert_false(contains(&before->body, "other.example.com"));
    registry_remove(registry, STR("other.example.com"), STR("things"));
    struct probe *gone = get(ROUTE_APIS, "/apis", "", "", NULL);
    assert_false(contains(&gone->body, "other.example.com"));
    probe_destroy(before);
    probe_destroy(again);
    probe_destroy(after);
    probe_destroy(gone);
}

static void test_forms(void **state)
{
    (void)state;
    struct probe *p = get(ROUTE_APIS, "/apis", "", "", V2 "," V2BETA ",application/json");
    assert_string_equal(p->content_type, V2);
    assert_true(contains(&p->body, "\"APIGroupDiscoveryList\""));
    probe_destroy(p);
    p = get(ROUTE_APIS, "/apis", "", "",
            V2BETA ",application/json"); /* an older client falls back */
    assert_string_equal(p->content_type, "application/json");
    assert_true(contains(&p->body, "\"APIGroupList\""));
    probe_destroy(p);
    p = get(ROUTE_APIS, "/apis", "", "", V2BETA);
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
    p = get(ROUTE_GROUP, "/apis/example.com", "example.com", "",
            V2); /* only /api and /apis are aggregated */
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
    p = get(ROUTE_API, "/api", "", "", "application/yaml");
    assert_string_equal(p->content_type, "application/yaml");
    assert_true(contains(&p->body, "kind: APIVersions\n"));
    probe_destroy(p);
    p = get(ROUTE_GROUP, "/apis/example.com", "example.com", "",
            "application/yaml,application/json;q=0.5");
    assert_true(contains(&p->body, "kind: APIGroup\n"));
    probe_destroy(p);
    p = get(ROUTE_API, "/api", "", "", "text/html");
    assert_int_equal(p->err.code, ERR_NOT_ACCEPTABLE);
    probe_destroy(p);
}

static struct probe *get_as(enum route_kind kind, const char *path, const char *caller)
{
    struct probe *p = probe_create("GET", kind, path);
    ask_with(p, "accept", V2);
    ask_with(p, "x-grafana-caller-id", caller);
    discovery_serve(&p->call);
    return p;
}

/* Applications only, in a document of its own. */
static void test_what_gcx_is_shown(void **state)
{
    (void)state;
    put("machinery.k8s.io", "things", "Thing");
    struct probe *core = get_as(ROUTE_API, "/api", "gcx"),
                 *apps = get_as(ROUTE_APIS, "/apis", "gcx"),
                 *other_core = get_as(ROUTE_API, "/api", "someone"),
                 *others = get_as(ROUTE_APIS, "/apis", "someone");
    assert_int_equal(core->status, 404);
    assert_int_equal(apps->status, 200);
    assert_string_equal(apps->content_type, V2);
    assert_text(header_of(apps, "vary"), "Accept, X-Grafana-Caller-Id");
    assert_true(contains(&apps->body, "{\"name\":\"example.com\"}"));
    assert_false(contains(&apps->body, "machinery.k8s.io"));
    assert_int_equal(other_core->status, 200);
    assert_true(contains(&others->body, "{\"name\":\"example.com\"}"));
    assert_true(contains(&others->body, "machinery.k8s.io"));
    probe_destroy(core);
    probe_destroy(apps);
    probe_destroy(other_core);
    probe_destroy(others);
}

static void test_etag(void **state)
{
    (void)state;
    struct probe *first = get(ROUTE_API, "/api", "", "", V2);
    assert_int_equal(first->status, 200);
    assert_text(header_of(first, "cache-control"), "public");
    assert_text(header_of(first, "vary"), "Accept, X-Grafana-Caller-Id");
    struct str etag = header_of(first, "etag");
    assert_int_equal(etag.len, 66);
    struct probe *second = probe_create("GET", ROUTE_API, "/api");
    ask_with(second, "accept", V2);
    ask_with(second, "if-none-match", etag.ptr);
    discovery_serve(&second->call);
    assert_int_equal(second->status, 304);
    assert_int_equal(second->body.len, 0);
    assert_true(str_eq(header_of(second, "etag"), etag));
    struct probe *third = probe_create("GET", ROUTE_API, "/api");
    ask_with(third, "accept", V2);
    ask_with(third, "if-none-match", "\"x\"");
    discovery_serve(&third->call);
    assert_int_equal(third->status, 200);
    probe_destroy(first);
    probe_destroy(second);
    probe_destroy(third);
}

static void test_not_found_has_two_forms(void **state)
{
    (void)state;
    struct probe *p = get(ROUTE_GROUP, "/apis/nope", "nope", "", NULL);
    assert_int_equal(p->status, 404);
    assert_text(buf_str(&p->body), "404 page not found\n");
    probe_destroy(p);
    p = get(ROUTE_VERSION_RESOURCES, "/apis/example.com/v2", "example.com", "v2", NULL);
    assert_text(buf_str(&p->body), "404 page not found\n");
    probe_destroy(p);
    p = get(ROUTE_VERSION_RESOURCES, "/apis/nope/v1", "nope", "v1", NULL);
    assert_text(buf_str(&p->body), "404 page not found\n");
    probe_destroy(p);
    p = get(ROUTE_VERSION_RESOURCES, "/api/v2", "", "v2", NULL);
    assert_int_equal(p->err.code, ERR_NOT_FOUND);
    probe_destroy(p);
}

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method, *group, *version;
        enum route_kind kind;
        int code; /* 0: answered as GET is */
    } cases[] = {
        {"POST", "", "", ROUTE_APIS, 0},
        {"PUT", "example.com", "", ROUTE_GROUP, 0},
        {"DELETE", "example.com", "v1", ROUTE_VERSION_RESOURCES, 0},
        {"DELETE", "", "v1", ROUTE_VERSION_RESOURCES, ERR_METHOD},
        {"HEAD", "", "v1", ROUTE_VERSION_RESOURCES, ERR_METHOD},
        {"POST", "", "", ROUTE_API, ERR_METHOD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct probe *p = probe_create(cases[i].method, cases[i].kind, "/");
        p->call.route.group = str_from(cases[i].group);
        p->call.route.version = str_from(cases[i].version);
        discovery_serve(&p->call);
        assert_int_equal(p->err.code, cases[i].code);
        assert_int_equal(p->status, cases[i].code ? 0 : 200);
        probe_destroy(p);
    }
}

static void test_pretty(void **state)
{
    (void)state;
    struct probe *p = probe_create("GET", ROUTE_GROUP, "/apis/example.com");
    p->call.route.group = STR("example.com");
    ask_with(p, "user-agent", "curl");
    discovery_serve(&p->call);
    assert_true(contains(&p->body, "{\n  \"kind\": \"APIGroup\",\n"));
    probe_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBED(test_discovery_follows_the_registry),
        PROBED(test_forms),
        PROBED(test_what_gcx_is_shown),
        PROBED(test_etag),
        PROBED(test_not_found_has_two_forms),
        PROBED(test_methods),
        PROBED(test_pretty),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
