/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and queries, as the reference takes them apart. */
#include "apiserver/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"

struct row {
    const char *path;
    enum route_kind kind;
    const char *group, *version, *ns, *resource, *name, *sub;
    bool legacy;
};

static void check(struct str got, const char *want, const char *path)
{
    if (!str_is(got, want ? want : "")) {
        fail_msg("%s: got %.*s, want %s", path, STR_FMT(got), want ? want : "");
    }
}

static void parse_rows(const struct row *rows, size_t n)
{
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct route got;
        struct err err = {0};
        assert_int_equal(route_parse(&a, str_from(r->path), &got, &err), 0);
        if (got.kind != r->kind) {
            fail_msg("%s: kind %d, want %d", r->path, got.kind, r->kind);
        }
        check(got.group, r->group, r->path);
        check(got.version, r->version, r->path);
        check(got.ns, r->ns, r->path);
        check(got.resource, r->resource, r->path);
        check(got.name, r->name, r->path);
        check(got.subresource, r->sub, r->path);
        assert_int_equal(got.legacy_watch, r->legacy);
        assert_int_equal(got.namespaced, r->ns != NULL);
    }
    arena_finish(&a);
}

static void documents(void **state)
{
    static const struct row rows[] = {
        {.path = "/", .kind = ROUTE_ROOT},
        {.path = "//", .kind = ROUTE_ROOT},
        {.path = "/api", .kind = ROUTE_API},
        {.path = "/api/", .kind = ROUTE_API},
        {.path = "/api/v1", .kind = ROUTE_VERSION_RESOURCES, .version = "v1"},
        {.path = "/apis", .kind = ROUTE_APIS},
        {.path = "/apis/", .kind = ROUTE_APIS},
        {.path = "/apis/a.io", .kind = ROUTE_GROUP, .group = "a.io"},
        {.path = "/apis/a.io/v2/",
         .kind = ROUTE_VERSION_RESOURCES,
         .group = "a.io",
         .version = "v2"},
        {.path = "/openapi/v2", .kind = ROUTE_OPENAPI_V2},
        {.path = "/openapi/v2/x", .kind = ROUTE_UNKNOWN},
        {.path = "/openapi/v3", .kind = ROUTE_OPENAPI_V3},
        {.path = "/openapi/v3/apis/a/v1", .kind = ROUTE_OPENAPI_V3},
        {.path = "/openapi", .kind = ROUTE_UNKNOWN},
        {.path = "/version", .kind = ROUTE_VERSION},
        {.path = "/version/x", .kind = ROUTE_UNKNOWN},
        {.path = "/healthz", .kind = ROUTE_HEALTH},
        {.path = "/readyz/ping", .kind = ROUTE_HEALTH},
        {.path = "/livez", .kind = ROUTE_HEALTH},
        {.path = "/metrics", .kind = ROUTE_METRICS},
        {.path = "/nope", .kind = ROUTE_UNKNOWN},
        {.path = "/apix/v1/pods", .kind = ROUTE_UNKNOWN},
    };
    (void)state;
    parse_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void resources(void **state)
{
    static const struct row rows[] = {
        {.path = "/api/v1/namespaces",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .resource = "namespaces"},
        {.path = "/api/v1/namespaces/x",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .resource = "namespaces",
         .name = "x"},
        {.path = "/api/v1/namespaces/x/status",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .resource = "namespaces",
         .name = "x",
         .sub = "status"},
        {.path = "/api/v1/namespaces/x/finalize",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .resource = "namespaces",
         .name = "x",
         .sub = "finalize"},
        {.path = "/api/v1/namespaces/x/configmaps",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .ns = "x",
         .resource = "configmaps"},
        {.path = "/api/v1/namespaces/x/configmaps/y/",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .ns = "x",
         .resource = "configmaps",
         .name = "y"},
        {.path = "/api/v1/configmaps",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .resource = "configmaps"},
        {.path = "/apis/g/v1/things/a/scale",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .resource = "things",
         .name = "a",
         .sub = "scale"},
        {.path = "/apis/g/v1/things/a/b/c/d",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .resource = "things",
         .name = "a",
         .sub = "b/c/d"},
        {.path = "/apis/g/v1/namespaces/n/things/a/1/2/3/4/5/6/7/8/9",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .ns = "n",
         .resource = "things",
         .name = "a",
         .sub = "1/2/3/4/5/6/7/8/9"},
        {.path = "/api/v1/watch/namespaces/x/configmaps",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .ns = "x",
         .resource = "configmaps",
         .legacy = true},
        {.path = "/api/v1/watch/namespaces/x",
         .kind = ROUTE_RESOURCE,
         .version = "v1",
         .resource = "namespaces",
         .name = "x",
         .legacy = true},
        {.path = "/apis/g/v1/watch/things/a",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .resource = "things",
         .name = "a",
         .legacy = true},
        {.path = "/api/v1/watch", .kind = ROUTE_RESOURCE, .version = "v1", .resource = "watch"},
        {.path = "/apis/g/v1/things/a%3Ab%2f",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .resource = "things",
         .name = "a:b"},
        {.path = "/apis/g/v1/th+ings",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .resource = "th+ings"},
        {.path = "/apis/g/v1//a",
         .kind = ROUTE_RESOURCE,
         .group = "g",
         .version = "v1",
         .resource = "",
         .name = "a"},
    };
    (void)state;
    parse_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void bad_paths(void **state)
{
    static const char *const bad[] = {"/api/v1/%", "/api/v1/%4", "/api/v1/%zz",
                                      "/a%00b",    "/a%ff",      "/\xc3\x28"};
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct route r;
        struct err err = {0};
        assert_int_equal(route_parse(&a, str_from(bad[i]), &r, &err), ERR_BAD_REQUEST);
        err_finish(&err);
    }
    arena_finish(&a);
}

static void queries(void **state)
{
    struct call c = {0};
    struct err err = {0};
    (void)state;
    arena_init(&c.arena, 0);
    struct str q =
        STR("a=1&b=x+y%26z&a=2&&flag&no%=3&semi;colon=1&e=&bad=%ff&watch=True&w0=0&wf=FALSE&we=");
    assert_int_equal(query_parse(&c.arena, q, &c.params, &c.n_params, &err), 0);
    assert_int_equal(c.n_params, 9);
    assert_true(str_is(call_param(&c, "a"), "1"));
    assert_true(str_is(call_param(&c, "b"), "x y&z"));
    assert_true(call_has_param(&c, "flag"));
    assert_true(str_is(call_param(&c, "flag"), ""));
    assert_true(str_is(call_param(&c, "e"), ""));
    assert_false(call_has_param(&c, "bad"));
    assert_false(call_has_param(&c, "no%"));
    assert_null(call_param(&c, "nope").ptr);
    assert_true(query_bool(&c, "watch"));
    assert_true(query_bool(&c, "we"));
    assert_true(query_bool(&c, "flag"));
    assert_false(query_bool(&c, "w0"));
    assert_false(query_bool(&c, "wf"));
    assert_false(query_bool(&c, "nope"));
    arena_finish(&c.arena);
}

static void many_parameters(void **state)
{
    struct arena a;
    struct buf b = {0};
    struct op_param *params;
    size_t n;
    struct err err = {0};
    (void)state;
    arena_init(&a, 0);
    for (int i = 0; i < LIMIT_QUERY_PARAMS; i++) {
        buf_addz(&b, i ? "&a=1" : "a=1");
    }
    assert_int_equal(query_parse(&a, buf_str(&b), &params, &n, &err), 0);
    assert_int_equal(n, LIMIT_QUERY_PARAMS);
    buf_addz(&b, "&a=1");
    assert_int_equal(query_parse(&a, buf_str(&b), &params, &n, &err), ERR_BAD_REQUEST);
    err_finish(&err);
    buf_finish(&b);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents), cmocka_unit_test(resources),       cmocka_unit_test(bad_paths),
        cmocka_unit_test(queries),   cmocka_unit_test(many_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
