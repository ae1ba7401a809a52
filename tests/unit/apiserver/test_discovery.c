/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/discovery_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"

static struct registry *registry;
static struct arena arena;

#define SCHEMA "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}"
#define V(name, served, storage, more)                                                             \
    "{\"name\":\"" name "\",\"served\":" served ",\"storage\":" storage "," SCHEMA more "}"

static const char configmaps[] = "{\"metadata\":{\"name\":\"configmaps\"},\"spec\":{\"group\":\"\","
                                 "\"scope\":\"Namespaced\",\"names\":{\"plural\":"
                                 "\"configmaps\",\"singular\":\"configmap\",\"kind\":\"ConfigMap\","
                                 "\"shortNames\":[\"cm\"]},\"coracle\":{\"builtin\":true},"
                                 "\"versions\":[" V("v1", "true", "true", "") "]}}";
static const char namespaces[] =
    "{\"metadata\":{\"name\":\"namespaces\"},\"spec\":{\"group\":\"\",\"scope\":\"Cluster\","
    "\"names\":{\"plural\":"
    "\"namespaces\",\"singular\":\"namespace\",\"kind\":\"Namespace\",\"shortNames\":[\"ns\"]},"
    "\"coracle\":{\"builtin\":true,"
    "\"verbs\":[\"create\",\"delete\",\"get\",\"list\",\"patch\",\"update\",\"watch\"]},"
    "\"versions\":[" V("v1", "true", "true", "") "]}}";
static const char reviews[] = "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"group\":\"authentication."
                              "k8s.io\",\"scope\":\"Cluster\",\"names\":{\"plural\":"
                              "\"selfsubjectreviews\",\"singular\":\"selfsubjectreview\",\"kind\":"
                              "\"SelfSubjectReview\"},\"coracle\":{\"builtin\":true,"
                              "\"virtual\":true},\"versions\":[" V("v1", "true", "true", "") "]}}";
static const char widgets[] =
    "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":\"example.com\","
    "\"scope\":\"Namespaced\",\"names\":{"
    "\"plural\":\"widgets\",\"singular\":\"widget\",\"kind\":\"Widget\",\"categories\":[\"all\"]},"
    "\"versions\":[" V("v1beta1", "true", "false",
                       "") "," V("v1", "true", "true",
                                 ",\"subresources\":{\"status\":{},\"scale\":{"
                                 "\"specReplicasPath\":\".spec.size\",\"statusReplicasPath\":\"."
                                 "status.ready\"}}") "," V("v1alpha1", "false", "false", "") "]}}";
static const char hidden[] =
    "{\"metadata\":{\"name\":\"things.example.org\"},\"spec\":{\"group\":\"example.org\",\"scope\":"
    "\"Cluster\",\"names\":{"
    "\"plural\":\"things\",\"singular\":\"thing\",\"kind\":\"Thing\"},\"versions\":[" V(
        "v1", "false", "true", "") "," V("v1beta1", "true", "false", "") "]}}";

static void put(const char *document, const struct type_extras *extras, bool terminating)
{
    yyjson_mut_doc *doc = NULL;
    struct type *t = NULL;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(json_read(&arena, str_from(document), &doc, NULL, &err), 0);
    if (type_create(doc->root, extras, &t, &err)) {
        fail_msg("%s", err_message(&err));
    }
    t->terminating = terminating;
    registry_put(registry, t);
    type_unref(t);
}

static int begin(void **state)
{
    (void)state;
    static const struct type_subresource subs[] = {
        {.name = {"status", 6},
         .verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_PATCH) | VERB_BIT(VERB_UPDATE)},
        {.name = {"finalize", 8}, .verbs = VERB_BIT(VERB_UPDATE)},
        {.name = {"token", 5},
         .group = {"authentication.k8s.io", 21},
         .version = {"v1", 2},
         .kind = {"TokenRequest", 12},
         .verbs = VERB_BIT(VERB_CREATE)},
    };
    arena_init(&arena, 0);
    registry = registry_create();
    put(configmaps, NULL, false);
    put(namespaces, &(struct type_extras){.subresources = subs, .n_subresources = 3}, false);
    put(reviews, NULL, false);
    put(widgets, NULL, false);
    put(hidden, NULL, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    registry_destroy(registry);
    arena_finish(&arena);
    return 0;
}

/* What was written, as a tree: it must be JSON. */
static yyjson_mut_val *parsed(struct buf *b)
{
    yyjson_mut_doc *doc = NULL;
    AUTO(err_finish) struct err err = {0};
    if (json_read(&arena, arena_str(&arena, buf_str(b)), &doc, NULL, &err)) {
        fail_msg("%s: %.*s", err_message(&err), STR_FMT(buf_str(b)));
    }
    buf_finish(b);
    return doc->root;
}

static void assert_json(const yyjson_mut_val *v, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    assert_non_null(v);
    json_write(&b, v);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

static yyjson_mut_val *find(yyjson_mut_val *list, const char *key, const char *value)
{
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        if (str_is(json_get_str(it.val, key), value)) {
            return it.val;
        }
    }
    return NULL;
}

static yyjson_mut_val *resources(const char *group, const char *version)
{
    struct registry_snapshot *s = registry_ref(registry);
    const struct registry_group *g = registry_find_group(s, str_from(group));
    struct buf b = {0};
    assert_non_null(g);
    assert_true(discovery_serves(g, str_from(version)));
    discovery_write_resources(&b, g, str_from(version));
    registry_snapshot_unref(s);
    return parsed(&b);
}

static void test_api(void **state)
{
    (void)state;
    struct buf b = {0};
    discovery_write_api(&b, STR("127.0.0.1:6443"));
    assert_json(parsed(&b), "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],"
                            "\"serverAddressByClientCIDRs\":[{\"clientCIDR\":"
                            "\"0.0.0.0/0\",\"serverAddress\":\"127.0.0.1:6443\"}]}");
    discovery_write_api(&b, STR_NULL);
    parsed(&b);
}

static void test_groups(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct buf b = {0};
    struct discovery_view v;
    discovery_view_init(&v, s, NULL, false);
    discovery_write_groups(&b, &v);
    discovery_view_finish(&v);
    registry_snapshot_unref(s);
    yyjson_mut_val *groups = json_get(parsed(&b), "groups");
    assert_int_equal(yyjson_mut_arr_size(groups), 3); /* the core group is not among them */
    assert_json(find(groups, "name", "example.com"),
                "{\"name\":\"example.com\",\"versions\":[{\"groupVersion\":\"example.com/"
                "v1\",\"version\":\"v1\"},{\"groupVersion\":"
                "\"example.com/"
                "v1beta1\",\"version\":\"v1beta1\"}],\"preferredVersion\":{\"groupVersion\":"
                "\"example.com/v1\","
                "\"version\":\"v1\"}}");
    assert_json(json_path(find(groups, "name", "example.org"), "preferredVersion", NULL),
                "{\"groupVersion\":\"example.org/v1beta1\",\"version\":\"v1beta1\"}");
    assert_string_equal(json_get_str(yyjson_mut_arr_get_first(groups), "name").ptr,
                        "authentication.k8s.io");
}

static void test_group(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct buf b = {0};
    struct discovery_view v;
    discovery_view_init(&v, s, NULL, false);
    discovery_write_group(&b, discovery_view_find(&v, STR("example.org")));
    assert_null(discovery_view_find(&v, STR("example.net")));
    discovery_view_finish(&v);
    registry_snapshot_unref(s);
    assert_json(
        parsed(&b),
        "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"example.org\",\"versions\":[{"
        "\"groupVersion\":"
        "\"example.org/v1beta1\",\"version\":\"v1beta1\"}],\"preferredVersion\":{\"groupVersion\":"
        "\"example.org/v1beta1\",\"version\":\"v1beta1\"}}");
}

static void test_builtin_resources(void **state)
{
    (void)state;
    yyjson_mut_val *list = resources("", "v1"), *items = json_get(list, "resources");
    assert_null(json_get(list, "apiVersion"));
    assert_json(json_get(list, "groupVersion"), "\"v1\"");
    assert_json(find(items, "name", "configmaps"),
                "{\"name\":\"configmaps\",\"singularName\":\"configmap\",\"namespaced\":true,"
                "\"kind\":\"ConfigMap\",\"verbs\":["
                "\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\","
                "\"watch\"],\"shortNames\":[\"cm\"],"
                "\"storageVersionHash\":\"qFsyl6wFWjQ=\"}");
    assert_json(
        find(items, "name", "namespaces/finalize"),
        "{\"name\":\"namespaces/"
        "finalize\",\"singularName\":\"\",\"namespaced\":false,\"kind\":\"Namespace\",\"verbs\":["
        "\"update\"]}");
    assert_json(
        find(items, "name", "namespaces/token"),
        "{\"name\":\"namespaces/"
        "token\",\"singularName\":\"\",\"namespaced\":false,\"group\":\"authentication.k8s.io\","
        "\"version\":\"v1\",\"kind\":\"TokenRequest\",\"verbs\":[\"create\"]}");
    assert_json(json_get(find(items, "name", "namespaces"), "verbs"),
                "[\"create\",\"delete\",\"get\",\"list\",\"patch\",\"update\",\"watch\"]");
    /* sorted: configmaps, namespaces, namespaces/finalize, namespaces/status, namespaces/token */
    assert_json(json_get(yyjson_mut_arr_get(items, 3), "name"), "\"namespaces/status\"");
    assert_int_equal(yyjson_mut_arr_size(items), 5);
}

static void test_virtual_resources(void **state)
{
    (void)state;
    assert_json(resources("authentication.k8s.io", "v1"),
                "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":"
                "\"authentication.k8s.io/v1\",\"resources\":[{"
                "\"name\":\"selfsubjectreviews\",\"singularName\":\"selfsubjectreview\","
                "\"namespaced\":false,\"kind\":"
                "\"SelfSubjectReview\",\"verbs\":[\"create\"]}]}");
}

static void test_custom_resources(void **state)
{
    (void)state;
    yyjson_mut_val *items = json_get(resources("example.com", "v1"), "resources");
    assert_int_equal(yyjson_mut_arr_size(items), 3);
    assert_json(json_get(yyjson_mut_arr_get_first(items), "verbs"),
                "[\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"create\",\"update\","
                "\"watch\"]");
    assert_json(json_get(yyjson_mut_arr_get_first(items), "categories"), "[\"all\"]");
    assert_json(
        find(items, "name", "widgets/status"),
        "{\"name\":\"widgets/"
        "status\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"Widget\",\"verbs\":[\"get\","
        "\"patch\",\"update\"]}");
    assert_json(find(items, "name", "widgets/scale"),
                "{\"name\":\"widgets/"
                "scale\",\"singularName\":\"\",\"namespaced\":true,\"group\":\"autoscaling\","
                "\"version\":\"v1\","
                "\"kind\":\"Scale\",\"verbs\":[\"get\",\"patch\",\"update\"]}");
    /* another version has no subresources; the hash is of the storage version */
    yyjson_mut_val *beta = json_get(resources("example.com", "v1beta1"), "resources");
    assert_int_equal(yyjson_mut_arr_size(beta), 1);
    assert_true(str_eq(json_get_str(yyjson_mut_arr_get_first(beta), "storageVersionHash"),
                       json_get_str(yyjson_mut_arr_get_first(items), "storageVersionHash")));
    /* a storage version that is not served has none */
    yyjson_mut_val *org = json_get(resources("example.org", "v1beta1"), "resources");
    assert_null(json_get(yyjson_mut_arr_get_first(org), "storageVersionHash"));
}

static void test_terminating(void **state)
{
    (void)state;
    put(widgets, NULL, true);
    yyjson_mut_val *items = json_get(resources("example.com", "v1"), "resources");
    assert_json(json_get(yyjson_mut_arr_get_first(items), "verbs"),
                "[\"delete\",\"deletecollection\",\"get\",\"list\",\"watch\"]");
    put(widgets, NULL, false);
}

static void test_not_served(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    assert_false(discovery_serves(registry_find_group(s, STR("example.com")), STR("v1alpha1")));
    assert_false(discovery_serves(registry_find_group(s, STR("example.org")), STR("v1")));
    assert_false(discovery_serves(registry_find_group(s, STR("example.org")), STR("")));
    registry_snapshot_unref(s);
}

static yyjson_mut_val *aggregated(bool core)
{
    struct registry_snapshot *s = registry_ref(registry);
    struct buf b = {0};
    struct discovery_view v;
    discovery_view_init(&v, s, NULL, true);
    discovery_write_aggregated(&b, &v, core);
    discovery_view_finish(&v);
    registry_snapshot_unref(s);
    return parsed(&b);
}

static void test_aggregated_core(void **state)
{
    (void)state;
    yyjson_mut_val *list = aggregated(true), *items = json_get(list, "items");
    assert_json(json_get(list, "apiVersion"), "\"apidiscovery.k8s.io/v2\"");
    assert_int_equal(yyjson_mut_arr_size(items), 1);
    yyjson_mut_val *version =
        yyjson_mut_arr_get_first(json_get(yyjson_mut_arr_get_first(items), "versions"));
    assert_json(json_get(yyjson_mut_arr_get_first(items), "metadata"), "{}");
    assert_json(json_get(version, "freshness"), "\"Current\"");
    assert_json(find(json_get(version, "resources"), "resource", "namespaces"),
                "{\"resource\":\"namespaces\",\"responseKind\":{\"group\":\"\",\"version\":\"\","
                "\"kind\":\"Namespace\"},\"scope\":"
                "\"Cluster\",\"singularResource\":\"namespace\",\"verbs\":[\"create\",\"delete\","
                "\"get\",\"list\",\"patch\","
                "\"update\",\"watch\"],\"shortNames\":[\"ns\"],\"subresources\":[{\"subresource\":"
                "\"finalize\",\"responseKind\":{"
                "\"group\":\"\",\"version\":\"\",\"kind\":\"Namespace\"},\"verbs\":[\"update\"]},{"
                "\"subresource\":\"status\","
                "\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"Namespace\"},"
                "\"verbs\":[\"get\",\"patch\",\"update\"]},{"
                "\"subresource\":\"token\",\"responseKind\":{\"group\":\"authentication.k8s.io\","
                "\"version\":\"v1\",\"kind\":"
                "\"TokenRequest\"},\"verbs\":[\"create\"]}]}");
}

static void test_aggregated_groups(void **state)
{
    (void)state;
    yyjson_mut_val *items = json_get(aggregated(false), "items"), *com = NULL;
    struct json_iter it = json_iter(items);
    while (json_next(&it)) {
        if (str_is(json_str(json_path(it.val, "metadata", "name", NULL)), "example.com")) {
            com = it.val;
        }
    }
    assert_int_equal(yyjson_mut_arr_size(items), 3);
    yyjson_mut_val *versions = json_get(com, "versions");
    assert_json(json_get(yyjson_mut_arr_get(versions, 0), "version"), "\"v1\"");
    assert_json(json_get(yyjson_mut_arr_get(versions, 1), "version"), "\"v1beta1\"");
    assert_json(json_get(yyjson_mut_arr_get(versions, 0), "resources"),
                "[{\"resource\":\"widgets\",\"responseKind\":{\"group\":\"example.com\","
                "\"version\":\"v1\",\"kind\":\"Widget\"},"
                "\"scope\":\"Namespaced\",\"singularResource\":\"widget\",\"verbs\":[\"delete\","
                "\"deletecollection\",\"get\","
                "\"list\",\"patch\",\"create\",\"update\",\"watch\"],\"categories\":[\"all\"],"
                "\"subresources\":[{\"subresource\":"
                "\"status\",\"responseKind\":{\"group\":\"example.com\",\"version\":\"v1\","
                "\"kind\":\"Widget\"},\"verbs\":[\"get\","
                "\"patch\",\"update\"]},{\"subresource\":\"scale\",\"responseKind\":{\"group\":"
                "\"autoscaling\",\"version\":\"v1\","
                "\"kind\":\"Scale\"},\"verbs\":[\"get\",\"patch\",\"update\"]}]}]");
}

static void test_root(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct buf b = {0};
    struct discovery_view v;
    discovery_view_init(&v, s, NULL, false);
    discovery_write_root(&b, &v);
    discovery_view_finish(&v);
    registry_snapshot_unref(s);
    yyjson_mut_val *paths = json_get(parsed(&b), "paths");
    struct str last = STR("");
    bool seen = false;
    struct json_iter it = json_iter(paths);
    while (json_next(&it)) {
        assert_true(str_cmp(last, json_str(it.val)) < 0);
        last = json_str(it.val);
        seen = seen || str_is(last, "/apis/example.com/v1beta1");
    }
    assert_true(seen);
}

/* ---- with what other servers serve ---- */

static struct apiservice *service(const char *group, const char *version, int group_priority,
                                  int version_priority, bool remote)
{
    struct apiservice *s = apiservice_create();
    s->name = str_from(arena_printf(&s->arena, "%s.%s", version, group));
    s->group = str_from(group);
    s->version = str_from(version);
    s->group_priority = group_priority;
    s->version_priority = version_priority;
    s->remote = remote;
    return s;
}

static struct aggregation_documents *documents(const char *resources, bool stale)
{
    struct aggregation_documents *d = aggregation_documents_create();
    d->resources = resources ? blob_create(str_from(resources)) : NULL;
    d->stale = stale;
    return d;
}

static struct str names_of(const yyjson_mut_val *groups, bool aggregated_form)
{
    struct buf b = {0};
    struct json_iter it = json_iter(groups);
    while (json_next(&it)) {
        struct str name = aggregated_form ? json_str(json_path(it.val, "metadata", "name", NULL))
                                          : json_get_str(it.val, "name");
        buf_printf(&b, "%.*s ", STR_FMT(name));
    }
    struct str kept = arena_str(&arena, buf_str(&b));
    buf_finish(&b);
    return kept;
}

static void test_merged(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct apiservice *items[] = {
        service("remote.io", "v1", 1500, 10, true),    service("remote.io", "v2", 900, 5, true),
        service("example.com", "v3", 3000, 200, true), service("example.com", "v1", 500, 7, false),
        service("low.io", "v1", 10, 10, true),         service(AGGREGATION_GROUP, "v7", 9, 9, true),
    };
    items[0]->documents = documents("[{\"resource\":\"things\"}]", false);
    items[2]->documents = documents("[]", true);
    struct aggregation_snapshot *apis = aggregation_snapshot_create(items, 6);
    assert_int_equal(apis->n_remote, 5);
    assert_ptr_equal(aggregation_find_remote(apis, STR("remote.io"), STR("v2")), items[1]);
    assert_null(aggregation_find_remote(apis, STR("example.com"), STR("v1"))); /* not remote */
    assert_null(aggregation_find(apis, STR("remote.io"), STR("v3")));
    struct discovery_view v;
    struct buf b = {0};
    discovery_view_init(&v, s, apis, false);
    discovery_write_groups(&b, &v);
    yyjson_mut_val *groups = json_get(parsed(&b), "groups");
    assert_string_equal(names_of(groups, false).ptr,
                        "authentication.k8s.io example.com remote.io example.org low.io ");
    /* the remote version has the highest priority; v1beta1 keeps its 100, v1 was given 7 */
    assert_json(json_path(find(groups, "name", "example.com"), "versions", NULL),
                "[{\"groupVersion\":\"example.com/v3\",\"version\":\"v3\"},{\"groupVersion\":"
                "\"example.com/v1beta1\",\"version\":\"v1beta1\"},{\"groupVersion\":"
                "\"example.com/v1\",\"version\":\"v1\"}]");
    discovery_write_root(&b, &v);
    assert_non_null(memmem(b.ptr, b.len, "\"/apis/low.io/v1\"", 17));
    discovery_view_finish(&v);
    parsed(&b);
    discovery_view_init(&v, s, apis, true);
    discovery_write_aggregated(&b, &v, false);
    discovery_view_finish(&v);
    groups = json_get(parsed(&b), "items");
    yyjson_mut_val *remote = yyjson_mut_arr_get(groups, 2);
    assert_json(json_get(remote, "versions"),
                "[{\"version\":\"v1\",\"resources\":[{\"resource\":\"things\"}],\"freshness\":"
                "\"Current\"},{\"version\":\"v2\",\"freshness\":\"Stale\"}]");
    assert_json(yyjson_mut_arr_get_first(json_get(yyjson_mut_arr_get(groups, 1), "versions")),
                "{\"version\":\"v3\",\"resources\":[],\"freshness\":\"Stale\"}");
    uint64_t edition = discovery_edition(s, apis);
    assert_true(edition != discovery_edition(s, NULL));
    aggregation_snapshot_unref(apis);
    registry_snapshot_unref(s);
}

static void test_applications(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct discovery_view v;
    struct buf b = {0};
    discovery_view_init(&v, s, NULL, true);
    assert_non_null(discovery_view_find(&v, STR("authentication.k8s.io")));
    discovery_view_keep_apps(&v);
    assert_null(discovery_view_find(&v, STR("authentication.k8s.io")));
    discovery_write_aggregated(&b, &v, false);
    assert_string_equal(names_of(json_get(parsed(&b), "items"), true).ptr,
                        "example.com example.org ");
    discovery_view_finish(&v);
    registry_snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_builtin_resources),
        cmocka_unit_test(test_virtual_resources),
        cmocka_unit_test(test_custom_resources),
        cmocka_unit_test(test_terminating),
        cmocka_unit_test(test_not_served),
        cmocka_unit_test(test_aggregated_core),
        cmocka_unit_test(test_aggregated_groups),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_applications),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
