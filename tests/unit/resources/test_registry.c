/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: look-ups, order of groups and versions, snapshots that stay as they were,
 * listeners, and its cost. */
#include "resources/registry.h"

#include "fixture.h"
#include "tests/unit/cpu.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static struct type *type_named(const char *group, const char *plural, const char *kind,
                               const char *version, bool builtin)
{
    return make_type(arena_printf(&arena,
                                  "{\"metadata\":{\"name\":\"%s.%s\"},\"spec\":{\"group\":\"%s\","
                                  "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"%s\",\"kind\":"
                                  "\"%s\"},\"coracle\":{\"builtin\":%s},\"versions\":[{\"name\":"
                                  "\"%s\",\"served\":true,\"storage\":true}]}}",
                                  plural, group, group, plural, kind, builtin ? "true" : "false",
                                  version),
                     NULL);
}

static void put(struct registry *r, const char *group, const char *plural, const char *kind,
                const char *version, bool builtin)
{
    struct type *t = type_named(group, plural, kind, version, builtin);
    registry_put(r, t);
    type_unref(t);
}

static void test_look_up(void **state)
{
    (void)state;
    struct registry *r = registry_create();
    struct published_cache cache = {0};
    const struct registry_snapshot *s = registry_get(r, &cache);
    assert_int_equal(s->n_groups, 0);
    assert_null(registry_find(s, STR("g"), STR("x")));
    assert_null(registry_find_group(s, STR("")));
    put(r, "", "configmaps", "ConfigMap", "v1", true);
    put(r, "b.io", "xs", "X", "v1beta1", false);
    put(r, "b.io", "as", "A", "v1", false);
    put(r, "a.io", "xs", "X", "v1", false);
    put(r, "events.k8s.io", "events", "Event", "v1", true);
    s = registry_get(r, &cache);
    static const char *const order[] = {"", "events.k8s.io", "a.io", "b.io"};
    assert_int_equal(s->n_groups, 4);
    assert_int_equal(s->n_types, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_is(s->groups[i].name, order[i]));
        assert_int_equal(s->groups[i].custom, i > 1);
        assert_ptr_equal(registry_find_group(s, str_from(order[i])), &s->groups[i]);
    }
    const struct registry_group *g = registry_find_group(s, STR("b.io"));
    assert_true(str_is(g->types[0]->resource, "as") && str_is(g->types[1]->resource, "xs"));
    assert_int_equal(g->n_versions, 2);
    assert_true(str_is(g->versions[0], "v1") && str_is(g->versions[1], "v1beta1"));
    assert_ptr_equal(registry_find(s, STR("b.io"), STR("xs")), g->types[1]);
    assert_ptr_equal(registry_find_kind(s, STR("b.io"), STR("A")), g->types[0]);
    assert_null(registry_find(s, STR("b.io"), STR("X")));
    assert_null(registry_find_kind(s, STR("c.io"), STR("X")));
    assert_null(registry_find_group(s, STR("c.io")));
    registry_cache_finish(r, &cache);
    registry_destroy(r);
    registry_destroy(NULL);
}

static void test_replace_and_remove(void **state)
{
    (void)state;
    struct registry *r = registry_create();
    put(r, "g.io", "xs", "X", "v1", false);
    struct registry_snapshot *before = registry_ref(r);
    struct type *old = registry_find(before, STR("g.io"), STR("xs"));
    put(r, "g.io", "xs", "X", "v2", false);
    struct registry_snapshot *after = registry_ref(r);
    assert_true(after->generation > before->generation);
    assert_int_equal(after->n_types, 1);
    assert_ptr_not_equal(registry_find(after, STR("g.io"), STR("xs")), old);
    assert_true(str_is(registry_find(after, STR("g.io"), STR("xs"))->versions[0].name, "v2"));
    assert_ptr_equal(registry_find(before, STR("g.io"), STR("xs")), old);
    assert_true(str_is(old->versions[0].name, "v1"));
    put(r, "g.io", "xs", "Renamed", "v2", false);
    registry_snapshot_unref(after);
    after = registry_ref(r);
    assert_null(registry_find_kind(after, STR("g.io"), STR("X")));
    assert_non_null(registry_find_kind(after, STR("g.io"), STR("Renamed")));
    assert_true(registry_remove(r, STR("g.io"), STR("xs")));
    assert_false(registry_remove(r, STR("g.io"), STR("xs")));
    struct registry_snapshot *empty = registry_ref(r);
    assert_int_equal(empty->n_groups, 0);
    assert_null(registry_find(empty, STR("g.io"), STR("xs")));
    assert_non_null(registry_find(after, STR("g.io"), STR("xs")));
    registry_snapshot_unref(before);
    registry_snapshot_unref(after);
    registry_snapshot_unref(empty);
    registry_snapshot_unref(NULL);
    registry_destroy(r);
}

/* Two types of one kind: look-ups by kind keep working when either goes. */
/* Versions that stand in an order of their own come first, in it. */
static void test_versions_in_order(void **state)
{
    (void)state;
    struct registry *r = registry_create();
    struct published_cache cache = {0};
    put(r, "a.io", "as", "A", "v3", false);
    put(r, "a.io", "bs", "B", "v1", false);
    struct type *t = make_type("{\"metadata\":{\"name\":\"xs.a.io\"},\"spec\":{\"group\":\"a.io\","
                               "\"scope\":\"Cluster\",\"names\":"
                               "{\"plural\":\"xs\",\"kind\":\"X\"},\"coracle\":{"
                               "\"versionsInOrder\":true},\"versions\":[{\"name\":"
                               "\"v1\",\"served\":true,\"storage\":true},{\"name\":\"v1beta1\","
                               "\"served\":true},{\"name\":\"v2\","
                               "\"served\":true},{\"name\":\"v9\",\"served\":false}]}}",
                               NULL);
    registry_put(r, t);
    const struct registry_group *g = registry_find_group(registry_get(r, &cache), STR("a.io"));
    const char *const expected[] = {"v1", "v1beta1", "v2", "v3"};
    assert_int_equal(g->n_versions, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_is(g->versions[i], expected[i]));
    }
    assert_true(str_is(t->versions[t->ordered[0]].name, "v1"));
    type_unref(t);
    registry_cache_finish(r, &cache);
    registry_destroy(r);
}

static void test_shared_kind(void **state)
{
    (void)state;
    struct registry *r = registry_create();
    put(r, "g.io", "bs", "K", "v1", false);
    put(r, "g.io", "as", "K", "v1", false);
    struct registry_snapshot *s = registry_ref(r);
    assert_true(str_is(registry_find_kind(s, STR("g.io"), STR("K"))->resource, "as"));
    registry_snapshot_unref(s);
    registry_remove(r, STR("g.io"), STR("as"));
    s = registry_ref(r);
    assert_true(str_is(registry_find_kind(s, STR("g.io"), STR("K"))->resource, "bs"));
    registry_snapshot_unref(s);
    registry_destroy(r);
}

struct heard {
    char text[200];
};

static void hear(void *arg, const struct registry_snapshot *s, struct type *changed, bool removed)
{
    struct heard *h = arg;
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof(h->text) - n, "%s%s%zu ", removed ? "-" : "+",
             changed ? changed->resource.ptr : "*", s->n_types);
}

static void test_listeners(void **state)
{
    (void)state;
    struct heard one = {""}, two = {""};
    struct registry *r = registry_create();
    registry_listen(r, hear, &one);
    registry_listen(r, hear, &two);
    struct type *types[] = {type_named("g", "as", "A", "v1", false),
                            type_named("g", "bs", "B", "v1", false)};
    registry_put_all(r, types, 0);
    registry_put_all(r, types, 2);
    registry_put(r, types[0]);
    registry_remove(r, STR("g"), STR("bs"));
    registry_remove(r, STR("g"), STR("nothing"));
    assert_string_equal(one.text, "+*2 +as2 -bs1 ");
    assert_string_equal(two.text, one.text);
    type_unref(types[0]);
    type_unref(types[1]);
    registry_destroy(r);
}

/* 500 types put one at a time, in groups of their own and in one group: publishing must not copy
 * what did not change. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 500 };
    static struct type *types[MANY];
    for (int shared = 0; shared < 2; shared++) {
        struct registry *r = registry_create();
        for (int i = 0; i < MANY; i++) {
            char group[32], plural[32], kind[32];
            snprintf(group, sizeof(group), shared ? "one.io" : "g%d.io", i);
            snprintf(plural, sizeof(plural), "p%ds", (i * 7919) % MANY);
            snprintf(kind, sizeof(kind), "K%d", i);
            types[i] = type_named(group, plural, kind, "v1", false);
        }
        int64_t start = cpu_ms();
        for (int i = 0; i < MANY; i++) {
            registry_put(r, types[i]);
        }
        int64_t ms = cpu_ms() - start;
        print_message("500 puts into %s: %d ms\n", shared ? "one group" : "groups of their own",
                      (int)ms);
        assert_true(ms < 1000); /* a few where nothing watches the program */
        struct registry_snapshot *s = registry_ref(r);
        for (int i = 0; i < MANY; i++) {
            assert_ptr_equal(registry_find(s, types[i]->group, types[i]->resource), types[i]);
            assert_ptr_equal(registry_find_kind(s, types[i]->group, types[i]->kind), types[i]);
            type_unref(types[i]);
        }
        registry_snapshot_unref(s);
        registry_destroy(r);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_look_up),     T(test_replace_and_remove), T(test_versions_in_order),
        T(test_shared_kind), T(test_listeners),          T(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
