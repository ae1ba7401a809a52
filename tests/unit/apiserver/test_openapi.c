/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/openapi_priv.h"

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

#define WIDGETS(description, columns)                                                              \
    "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":\"example.com\","        \
    "\"scope\":\"Namespaced\",\"names\":{"                                                         \
    "\"plural\":\"widgets\",\"singular\":\"widget\",\"kind\":\"Widget\",\"listKind\":"             \
    "\"WidgetList\"},\"versions\":[{\"name\":"                                                     \
    "\"v1\",\"served\":true,\"storage\":true,\"subresources\":{\"status\":{},\"scale\":{"          \
    "\"specReplicasPath\":\".spec.size\","                                                         \
    "\"statusReplicasPath\":\".status.ready\"}},\"selectableFields\":[{\"jsonPath\":\".spec."      \
    "color\"}]," columns                                                                           \
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"description\":\"" description          \
    "\",\"properties\":{\"spec\":{\"type\":\"object\",\"required\":[\"size\"],\"properties\":{"    \
    "\"size\":{\"type\":\"integer\","                                                              \
    "\"minimum\":1},\"color\":{\"type\":\"string\",\"enum\":[\"red\",\"blue\"],\"default\":"       \
    "\"red\"},\"tags\":{\"type\":"                                                                 \
    "\"array\",\"items\":{\"type\":\"string\"}},\"labels\":{\"type\":\"object\","                  \
    "\"additionalProperties\":{\"type\":"                                                          \
    "\"string\"}}}},\"status\":{\"type\":\"object\",\"properties\":{\"ready\":{\"type\":"          \
    "\"integer\"}}}}}}}]}}"

static const char widgets[] = WIDGETS("A widget.", "");
static const char widgets_other_text[] = WIDGETS("A fine widget.", "");
static const char widgets_columns[] =
    WIDGETS("A widget.", "\"additionalPrinterColumns\":[{\"name\":\"Size\",\"type\":\"integer\","
                         "\"jsonPath\":\".spec.size\"}],");
static const char configmaps[] =
    "{\"metadata\":{\"name\":\"configmaps\"},\"spec\":{\"group\":\"\",\"scope\":\"Namespaced\","
    "\"names\":{\"plural\":"
    "\"configmaps\",\"singular\":\"configmap\",\"kind\":\"ConfigMap\"},\"coracle\":{\"builtin\":"
    "true},\"versions\":[{\"name\":"
    "\"v1\",\"served\":true,\"storage\":true,\"openapiName\":\"io.k8s.api.core.v1.ConfigMap\","
    "\"schema\":{\"openAPIV3Schema\":{"
    "\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"object\",\"nullable\":true,"
    "\"additionalProperties\":{\"type\":\"string\",\"nullable\":true}}}}}}]}}";
static const char reviews[] =
    "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"group\":\"authorization.k8s.io\",\"scope\":"
    "\"Cluster\",\"names\":{\"plural\":"
    "\"selfsubjectaccessreviews\",\"singular\":\"selfsubjectaccessreview\",\"kind\":"
    "\"SelfSubjectAccessReview\"},\"coracle\":{"
    "\"builtin\":true,\"virtual\":true},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":"
    "true,\"openapiName\":"
    "\"io.k8s.api.authorization.v1.SelfSubjectAccessReview\",\"schema\":{\"openAPIV3Schema\":{"
    "\"type\":\"object\"}}}]}}";

static void put(const char *document)
{
    static const struct type_subresource token = {.name = {"token", 5},
                                                  .group = {"authentication.k8s.io", 21},
                                                  .version = {"v1", 2},
                                                  .kind = {"TokenRequest", 12},
                                                  .verbs = VERB_BIT(VERB_CREATE)};
    struct type_extras extras = {.subresources = &token, .n_subresources = document == configmaps};
    yyjson_mut_doc *doc = NULL;
    struct type *t = NULL;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(json_read(&arena, str_from(document), &doc, NULL, &err), 0);
    if (type_create(doc->root, &extras, &t, &err)) {
        fail_msg("%s", err_message(&err));
    }
    t->document = str_from(document);
    registry_put(registry, t);
    type_unref(t);
}

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    registry = registry_create();
    put(configmaps);
    put(reviews);
    put(widgets);
    return 0;
}

static int end(void **state)
{
    (void)state;
    registry_destroy(registry);
    arena_finish(&arena);
    return 0;
}

static struct document *build(document_build_fn *fn, const char *group, const char *version,
                              const struct document *previous)
{
    struct registry_snapshot *s = registry_ref(registry);
    struct document_source source = {
        .types = s, .group = str_from(group), .version = str_from(version), .previous = previous};
    struct document *d = NULL;
    AUTO(err_finish) struct err err = {0};
    if (fn(&source, &d, &err)) {
        fail_msg("%s", err_message(&err));
    }
    registry_snapshot_unref(s);
    return d;
}

static struct str text_of(struct document *d)
{
    AUTO(buf_finish) struct buf b = {0};
    struct document_reader r;
    document_reader_init(&r, d);
    document_read(&r, &b, d->plain_len);
    document_reader_finish(&r);
    return arena_str(&arena, buf_str(&b));
}

static yyjson_mut_val *parsed(struct document *d)
{
    yyjson_mut_doc *doc = NULL;
    AUTO(err_finish) struct err err = {0};
    struct str text = text_of(d);
    if (json_read(&arena, text, &doc, NULL, &err)) {
        fail_msg("%s: %.*s", err_message(&err), STR_FMT(text));
    }
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

static void assert_keys(const yyjson_mut_val *obj, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    struct json_iter it = json_iter(obj);
    while (it.container && json_next(&it)) {
        buf_printf(&b, "%.*s ", STR_FMT(json_str(it.key)));
    }
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

/* Every $ref leads to something. */
static void check_refs(const yyjson_mut_val *root, const yyjson_mut_val *v, size_t *n)
{
    struct json_iter it = json_iter(v);
    while (it.container && json_next(&it)) {
        if (it.key && str_is(json_str(it.key), "$ref")) {
            struct str rest = str_skip(json_str(it.val), 2), part;
            const yyjson_mut_val *at = root;
            while (rest.len) {
                part = str_cut(rest, '/', &rest);
                at = json_getn(at, part);
            }
            if (!at) {
                fail_msg("dangling %.*s", STR_FMT(json_str(it.val)));
            }
            ++*n;
        }
        check_refs(root, it.val, n);
    }
}

static bool has_parameter(const yyjson_mut_val *operation, const char *name)
{
    struct json_iter it = json_iter(json_get(operation, "parameters"));
    while (it.container && json_next(&it)) {
        if (str_is(json_get_str(it.val, "name"), name)) {
            return true;
        }
    }
    return false;
}

/* ---- v3 ---- */

static void test_v3_custom(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v3, "example.com", "v1", NULL);
    yyjson_mut_val *root = parsed(d), *paths = json_get(root, "paths");
    size_t refs = 0;
    check_refs(root, root, &refs);
    assert_true(refs > 30);
    assert_json(json_get(root, "openapi"), "\"3.0.0\"");
    assert_keys(paths, "/apis/example.com/v1/namespaces/{namespace}/widgets "
                       "/apis/example.com/v1/namespaces/{namespace}/widgets/{name} "
                       "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status "
                       "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale "
                       "/apis/example.com/v1/widgets ");
    yyjson_mut_val *collection =
        json_get(paths, "/apis/example.com/v1/namespaces/{namespace}/widgets");
    assert_keys(collection, "get post delete parameters ");
    assert_json(json_path(collection, "post", "x-kubernetes-action", NULL), "\"post\"");
    assert_json(json_path(collection, "post", "x-kubernetes-group-version-kind", NULL),
                "{\"group\":\"example.com\",\"version\":\"v1\",\"kind\":\"Widget\"}");
    assert_json(json_path(collection, "delete", "operationId", NULL),
                "\"deleteExampleComV1CollectionNamespacedWidget\"");
    yyjson_mut_val *item =
        json_get(paths, "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}");
    assert_keys(item, "get put delete patch parameters ");
    yyjson_mut_val *patch = json_get(item, "patch");
    assert_true(has_parameter(patch, "fieldValidation") && has_parameter(patch, "dryRun") &&
                has_parameter(patch, "force"));
    assert_false(has_parameter(json_get(item, "put"), "force"));
    assert_keys(json_path(patch, "requestBody", "content", NULL),
                "application/json-patch+json application/merge-patch+json ");
    assert_true(has_parameter(item, "name") && has_parameter(item, "namespace"));
    assert_false(has_parameter(collection, "name"));
    yyjson_mut_val *all = json_get(paths, "/apis/example.com/v1/widgets");
    assert_keys(all, "get parameters ");
    assert_json(json_path(all, "get", "operationId", NULL),
                "\"listExampleComV1WidgetForAllNamespaces\"");
    assert_false(has_parameter(all, "namespace"));
    yyjson_mut_val *scale =
        json_get(paths, "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale");
    assert_keys(scale, "get put patch parameters ");
    assert_json(json_path(scale, "get", "x-kubernetes-group-version-kind", NULL),
                "{\"group\":\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\"}");
    document_unref(d);
}

static void test_v3_schemas(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v3, "example.com", "v1", NULL);
    yyjson_mut_val *schemas = json_path(parsed(d), "components", "schemas", NULL);
    yyjson_mut_val *widget = json_get(schemas, "com.example.v1.Widget");
    assert_json(json_get(widget, "x-kubernetes-group-version-kind"),
                "[{\"group\":\"example.com\",\"kind\":\"Widget\",\"version\":\"v1\"}]");
    assert_json(json_get(widget, "x-kubernetes-selectable-fields"),
                "[{\"fieldPath\":\"spec.color\"}]");
    assert_json(json_path(widget, "properties", "spec", "properties", "color", "default", NULL),
                "\"red\"");
    assert_json(json_path(widget, "properties", "metadata", "$ref", NULL),
                "\"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta\"");
    yyjson_mut_val *list = json_get(schemas, "com.example.v1.WidgetList");
    assert_json(json_get(list, "required"), "[\"items\"]");
    assert_json(json_path(list, "properties", "items", "items", NULL),
                "{\"$ref\":\"#/components/schemas/com.example.v1.Widget\"}");
    assert_json(json_get(list, "x-kubernetes-group-version-kind"),
                "[{\"group\":\"example.com\",\"kind\":\"WidgetList\",\"version\":\"v1\"}]");
    yyjson_mut_val *meta = json_path(schemas, OPENAPI_META "ObjectMeta", "properties", NULL);
    assert_int_equal(yyjson_mut_obj_size(meta), 15);
    assert_json(json_path(meta, "ownerReferences", "x-kubernetes-patch-merge-key", NULL),
                "\"uid\"");
    assert_json(json_path(meta, "labels", "additionalProperties", NULL), "{\"type\":\"string\"}");
    assert_json(json_path(meta, "deletionGracePeriodSeconds", "format", NULL), "\"int64\"");
    assert_json(json_path(schemas, OPENAPI_META "Time", "format", NULL), "\"date-time\"");
    document_unref(d);
}

static void test_v3_builtin(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v3, "", "v1", NULL);
    yyjson_mut_val *root = parsed(d);
    size_t refs = 0;
    check_refs(root, root, &refs);
    yyjson_mut_val *item =
        json_path(root, "paths", "/api/v1/namespaces/{namespace}/configmaps/{name}", NULL);
    assert_keys(json_path(item, "patch", "requestBody", "content", NULL),
                "application/json-patch+json application/merge-patch+json "
                "application/strategic-merge-patch+json ");
    assert_json(json_path(item, "get", "operationId", NULL), "\"readCoreV1NamespacedConfigMap\"");
    yyjson_mut_val *token =
        json_path(root, "paths", "/api/v1/namespaces/{namespace}/configmaps/{name}/token", NULL);
    assert_keys(token, "post parameters ");
    assert_json(json_path(token, "post", "x-kubernetes-group-version-kind", "kind", NULL),
                "\"TokenRequest\"");
    assert_non_null(
        json_path(root, "components", "schemas", "io.k8s.api.core.v1.ConfigMapList", NULL));
    document_unref(d);
}

static void test_v3_virtual(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v3, "authorization.k8s.io", "v1", NULL);
    yyjson_mut_val *paths = json_get(parsed(d), "paths");
    assert_keys(paths, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews ");
    yyjson_mut_val *only =
        json_get(paths, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    assert_keys(only, "post parameters ");
    assert_json(json_path(only, "post", "operationId", NULL),
                "\"createAuthorizationV1SelfSubjectAccessReview\"");
    document_unref(d);
}

static void test_v3_gone(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct document_source source = {.types = s, .group = STR("nope"), .version = STR("v1")};
    struct document *d = NULL;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(openapi_build_v3(&source, &d, &err), ERR_NOT_FOUND);
    assert_null(d);
    registry_snapshot_unref(s);
}

/* ---- hashes ---- */

static struct openapi_hash hash_of(const char *group)
{
    struct registry_snapshot *s = registry_ref(registry);
    struct openapi_hash h;
    openapi_hash_version(registry_find_group(s, str_from(group)), STR("v1"), &h);
    registry_snapshot_unref(s);
    return h;
}

static struct openapi_hash hash_of_all(void)
{
    struct registry_snapshot *s = registry_ref(registry);
    struct openapi_hash h;
    openapi_hash_all(s, NULL, &h);
    registry_snapshot_unref(s);
    return h;
}

static void test_hash_follows_the_definition(void **state)
{
    (void)state;
    struct openapi_hash before = hash_of("example.com"), core = hash_of(""), all = hash_of_all();
    assert_int_equal(strlen(before.text), OPENAPI_HASH);
    assert_string_not_equal(before.text, core.text);
    put(widgets); /* another type, the same definition */
    assert_string_equal(hash_of("example.com").text, before.text);
    put(widgets_columns); /* what OpenAPI does not show */
    assert_string_equal(hash_of("example.com").text, before.text);
    assert_string_equal(hash_of_all().text, all.text);
    put(widgets_other_text);
    struct openapi_hash after = hash_of("example.com");
    assert_string_not_equal(after.text, before.text);
    assert_int_not_equal(after.edition, before.edition);
    assert_string_not_equal(hash_of_all().text, all.text);
    assert_string_equal(hash_of("").text, core.text);
    put(widgets);
    assert_string_equal(hash_of("example.com").text, before.text);
}

static void test_index(void **state)
{
    (void)state;
    struct document *index = build(openapi_build_v3_index, "", "", NULL);
    struct document *d = build(openapi_build_v3, "example.com", "v1", NULL);
    yyjson_mut_val *paths = json_get(parsed(index), "paths");
    assert_keys(paths, "api/v1 apis/authorization.k8s.io/v1 apis/example.com/v1 ");
    struct openapi_hash h = hash_of("example.com");
    assert_json(json_get(paths, "apis/example.com/v1"),
                arena_printf(&arena,
                             "{\"serverRelativeURL\":\"/openapi/v3/apis/example.com/v1?hash=%s\"}",
                             h.text));
    assert_string_equal(d->etag, arena_printf(&arena, "\"%s\"", h.text));
    assert_int_equal(d->version, h.edition);
    assert_int_equal(index->version, hash_of_all().edition);
    document_unref(d);
    document_unref(index);
}

/* ---- v2 ---- */

static void test_v2_json(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v2_json, "", "", NULL);
    yyjson_mut_val *root = parsed(d), *definitions = json_get(root, "definitions");
    size_t refs = 0;
    check_refs(root, root, &refs);
    assert_true(refs > 100);
    assert_json(json_get(root, "swagger"), "\"2.0\"");
    assert_json(json_path(root, "info", "title", NULL), "\"Kubernetes\"");
    assert_json(
        json_path(definitions, "com.example.v1.Widget", "properties", "metadata", "$ref", NULL),
        "\"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta\"");
    assert_json(json_path(definitions, "io.k8s.api.core.v1.ConfigMap", "properties", "data",
                          "additionalProperties", NULL),
                "{\"type\":\"string\"}");
    yyjson_mut_val *patch = json_path(
        root, "paths", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", "patch", NULL);
    assert_true(has_parameter(patch, "dryRun") && has_parameter(patch, "fieldValidation") &&
                has_parameter(patch, "body"));
    yyjson_mut_val *list =
        json_path(root, "paths", "/api/v1/namespaces/{namespace}/configmaps", "get", NULL);
    assert_json(yyjson_mut_arr_get_first(json_get(list, "parameters")),
                "{\"$ref\":\"#/parameters/allowWatchBookmarks\"}");
    assert_string_equal(d->etag, arena_printf(&arena, "\"%s\"", hash_of_all().text));
    document_unref(d);
}

/* kubectl explains what lies below: a built-in type loses nothing by a nullable that only its
 * decoder knows. */
static void test_nullable_of_builtins_is_not_published(void **state)
{
    (void)state;
    struct document *v2 = build(openapi_build_v2_json, "", "", NULL);
    struct document *v3 = build(openapi_build_v3, "", "v1", NULL);
    const char *want = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}";
    assert_json(json_path(parsed(v2), "definitions", "io.k8s.api.core.v1.ConfigMap", "properties",
                          "data", NULL),
                want);
    assert_json(json_path(parsed(v3), "components", "schemas", "io.k8s.api.core.v1.ConfigMap",
                          "properties", "data", NULL),
                want);
    document_unref(v2);
    document_unref(v3);
}

static void test_v2_takes_fragments_over(void **state)
{
    (void)state;
    document_build_fn *const forms[] = {openapi_build_v2_json, openapi_build_v2_proto};
    for (size_t i = 0; i < 2; i++) {
        struct document *first = build(forms[i], "", "", NULL);
        put(widgets_other_text);
        struct document *fresh = build(forms[i], "", "", NULL),
                        *second = build(forms[i], "", "", first);
        assert_true(str_eq(text_of(fresh), text_of(second)));
        assert_false(str_eq(text_of(first), text_of(second)));
        size_t shared = 0, own = 0;
        for (size_t j = 0; j < second->n_parts; j++) {
            const struct document_part *p = document_part(first, second->parts[j].id);
            bool same = second->parts[j].id && p && p->deflated == second->parts[j].deflated;
            shared += same;
            own += !same && second->parts[j].id;
        }
        assert_int_equal(own, i == 0 ? 2 : 1); /* the widgets' paths and definitions */
        assert_int_equal(shared, i == 0 ? 4 : 2);
        document_unref(first);
        document_unref(fresh);
        document_unref(second);
        put(widgets);
    }
}

/* ---- protocol buffers ---- */

struct reader {
    const unsigned char *at, *end;
};

static uint64_t varint(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(r->at < r->end && shift < 64);
        unsigned char c = *r->at++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            return v;
        }
    }
}

/* The next field; false at the end. Of length-delimited ones *ret_bytes is the content. */
static bool field(struct reader *r, unsigned *ret_field, struct reader *ret_bytes)
{
    if (r->at == r->end) {
        return false;
    }
    uint64_t tag = varint(r);
    *ret_field = (unsigned)(tag >> 3);
    *ret_bytes = (struct reader){r->at, r->at};
    if ((tag & 7) == 0) {
        varint(r);
    } else if ((tag & 7) == 1) {
        assert_true(r->end - r->at >= 8);
        r->at += 8;
    } else {
        assert_int_equal(tag & 7, 2);
        uint64_t n = varint(r);
        assert_true(n <= (uint64_t)(r->end - r->at));
        *ret_bytes = (struct reader){r->at, r->at + n};
        r->at += n;
    }
    return true;
}

/* The first field of that number. */
static bool find_field(struct reader r, unsigned number, struct reader *ret)
{
    unsigned f;
    while (field(&r, &f, ret)) {
        if (f == number) {
            return true;
        }
    }
    return false;
}

static bool is_text(struct reader r, const char *text)
{
    return str_is(str_make((const char *)r.at, (size_t)(r.end - r.at)), text);
}

/* In repeated NamedX (field `named`) of any number of messages in field `outer`: the value of that
 * name. */
static bool find_named(struct reader document, unsigned outer, unsigned named, const char *name,
                       struct reader *ret)
{
    unsigned f, g;
    struct reader map, entry, key;
    while (field(&document, &f, &map)) {
        while (f == outer && field(&map, &g, &entry)) {
            if (g == named && find_field(entry, 1, &key) && is_text(key, name)) {
                return find_field(entry, 2, ret);
            }
        }
    }
    return false;
}

static void assert_member(struct reader r, const char *path_name, struct reader *ret)
{
    if (!find_named(r, 25, 1, path_name, ret)) {
        fail_msg("no property %s", path_name);
    }
}

static void test_v2_proto(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v2_proto, "", "", NULL);
    struct str text = text_of(d);
    struct reader r = {(const unsigned char *)text.ptr, (const unsigned char *)text.ptr + text.len},
                  v, x, spec;
    assert_true(find_field(r, 1, &v) && is_text(v, "2.0"));
    assert_true(find_field(r, 2, &v) && find_field(v, 1, &x) && is_text(x, "Kubernetes"));
    assert_true(find_named(r, 9, 1, "com.example.v1.Widget", &v));
    assert_member(v, "metadata", &x);
    assert_true(find_field(x, 1, &x) && is_text(x, "#/definitions/" OPENAPI_META "ObjectMeta"));
    assert_member(v, "spec", &spec);
    assert_true(find_field(spec, 19, &x) && is_text(x, "size")); /* required */
    assert_member(spec, "size", &x);
    assert_true(find_field(x, 22, &x) && find_field(x, 1, &x) && is_text(x, "integer"));
    assert_member(spec, "tags", &x); /* items: ItemsItem: Schema: type */
    assert_true(find_field(x, 23, &x) && find_field(x, 1, &x) && find_field(x, 22, &x) &&
                find_field(x, 1, &x) && is_text(x, "string"));
    assert_member(spec, "labels", &x); /* additionalProperties: AdditionalPropertiesItem: Schema */
    assert_true(find_field(x, 21, &x) && find_field(x, 1, &x) && find_field(x, 22, &x));
    assert_member(spec, "color", &x); /* enum: Any: yaml */
    assert_true(find_field(x, 20, &x) && find_field(x, 2, &x) && is_text(x, "\"red\""));
    assert_true(find_field(v, 31, &x) && find_field(x, 1, &v) &&
                is_text(v, "x-kubernetes-group-version-kind"));
    assert_true(find_field(x, 2, &x) && find_field(x, 2, &x));
    assert_true(is_text(x, "[{\"group\":\"example.com\",\"kind\":\"Widget\",\"version\":\"v1\"}]"));
    document_unref(d);
}

/* As kubectl's dry-run check reads it: a query parameter in full on PATCH. */
static void test_v2_proto_dry_run(void **state)
{
    (void)state;
    struct document *d = build(openapi_build_v2_proto, "", "", NULL);
    struct str text = text_of(d);
    struct reader r = {(const unsigned char *)text.ptr, (const unsigned char *)text.ptr + text.len},
                  item, patch, p, name;
    assert_true(
        find_named(r, 8, 2, "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", &item));
    assert_true(find_field(item, 8, &patch));
    unsigned f, found = 0;
    while (field(&patch, &f, &p)) {
        if (f == 8 && find_field(p, 1, &p) && find_field(p, 2, &p) && find_field(p, 3, &p)) {
            found += find_field(p, 4, &name) && is_text(name, "dryRun");
        }
    }
    assert_int_equal(found, 1);
    document_unref(d);
}

/* ---- a definition that went ---- */

static void test_definition_that_cannot_be_read(void **state)
{
    (void)state;
    struct registry_snapshot *s = registry_ref(registry);
    struct type *t = registry_find(s, STR("example.com"), STR("widgets"));
    t->document = STR("");
    struct document *v3 = build(openapi_build_v3, "example.com", "v1", NULL);
    struct document *v2 = build(openapi_build_v2_json, "", "", NULL);
    struct document *proto = build(openapi_build_v2_proto, "", "", NULL);
    assert_non_null(json_path(parsed(v3), "components", "schemas", "com.example.v1.Widget", NULL));
    assert_non_null(json_path(parsed(v2), "definitions", "com.example.v1.Widget", NULL));
    t->document = str_from(widgets);
    document_unref(v3);
    document_unref(v2);
    document_unref(proto);
    registry_snapshot_unref(s);
}

/* ---- what other servers serve ---- */

static struct apiservice *remote(const char *url, const char *definitions)
{
    struct apiservice *s = apiservice_create();
    s->url = url;
    s->documents = aggregation_documents_create();
    s->documents->v2_paths =
        blob_create(STR("\"/apis/g/v1/x\":{\"schema\":{\"$ref\":\"#/definitions/A\"}}"));
    s->documents->v2_definitions = blob_create(str_from(definitions));
    return s;
}

/* Writes one and gives its definitions, then its paths. */
static char *merged(struct openapi_names *n, const char *url, const char *definitions)
{
    struct buf paths = {0}, all = {0};
    struct apiservice *s = remote(url, definitions);
    openapi_remote_write(n, s, &paths, &all);
    apiservice_unref(s);
    buf_addc(&all, '|');
    buf_add(&all, str_skip(buf_str(&paths), sizeof("\"/apis/g/v1/x\":{\"schema\":") - 1));
    char *text = arena_printf(&n->arena, "%.*s", STR_FMT(buf_str(&all)));
    buf_finish(&paths);
    buf_finish(&all);
    return text;
}

static void test_remote_definitions(void **state)
{
    struct openapi_names n;
    struct registry_snapshot *s = registry_ref(registry);
    (void)state;
    openapi_names_init(&n, s);
    assert_string_equal(merged(&n, "one", "\"A\":{\"$ref\":\"#/definitions/B\"},\"B\":{}"),
                        "\"A\":{\"$ref\":\"#/definitions/B\"},\"B\":{}|{\"$ref\":"
                        "\"#/definitions/A\"}}");
    /* another group-version of the same server shares them */
    assert_string_equal(merged(&n, "one", "\"A\":{\"$ref\":\"#/definitions/B\"},\"C\":{\"a\":1}"),
                        "\"C\":{\"a\":1}|{\"$ref\":\"#/definitions/A\"}}");
    /* of another server A looks the same, but its B is not */
    assert_string_equal(
        merged(&n, "two", "\"A\":{\"$ref\":\"#/definitions/B\"},\"B\":{\"b\":1},\"D\":{}"),
        "\"A_v2\":{\"$ref\":\"#/definitions/B_v2\"},\"B_v2\":{\"b\":1},\"D\":{}|{\"$ref\":"
        "\"#/definitions/A_v2\"}}");
    assert_string_equal(merged(&n, "two", "\"A\":{\"$ref\":\"#/definitions/B\"}"),
                        "|{\"$ref\":\"#/definitions/A_v2\"}}");
    /* names that it has already are not given; those of the server's own types are taken */
    assert_string_equal(merged(&n, "three", "\"A\":{\"c\":1},\"A_v3\":{}"),
                        "\"A_v4\":{\"c\":1},\"A_v3\":{}|{\"$ref\":\"#/definitions/A_v4\"}}");
    const struct type *t = s->groups[0].types[0];
    const char *own = arena_printf(&n.arena, "\"%.*s\":{}", STR_FMT(t->versions[0].openapi_name));
    const char *want = arena_printf(&n.arena, "\"%.*s_v5\":{}|{\"$ref\":\"#/definitions/A\"}}",
                                    STR_FMT(t->versions[0].openapi_name));
    assert_string_equal(merged(&n, "four", own), want);
    openapi_names_finish(&n);
    registry_snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v3_custom),
        cmocka_unit_test(test_v3_schemas),
        cmocka_unit_test(test_v3_builtin),
        cmocka_unit_test(test_v3_virtual),
        cmocka_unit_test(test_v3_gone),
        cmocka_unit_test(test_hash_follows_the_definition),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_v2_json),
        cmocka_unit_test(test_nullable_of_builtins_is_not_published),
        cmocka_unit_test(test_v2_takes_fragments_over),
        cmocka_unit_test(test_v2_proto),
        cmocka_unit_test(test_v2_proto_dry_run),
        cmocka_unit_test(test_definition_that_cannot_be_read),
        cmocka_unit_test(test_remote_definitions),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
