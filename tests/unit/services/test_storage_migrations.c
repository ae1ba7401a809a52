/* SPDX-License-Identifier: Apache-2.0 */
/* Restamping: silent, only where the bytes are right, and not in the way of writes. */
#include "tests/unit/services/fixture.h"

#include "services/storage_migrations/storage_migrations.h"

#define WIDGETS .group = "example.com", .resource = "widgets", .ns = "default"

/* The definition with these properties of spec. */
static const char *definition(struct world *w, const char *properties, const char *rv)
{
    return arena_printf(&w->arena,
                        "{'metadata':{'name':'widgets.example.com'%s},'spec':{'group':'example.com'"
                        ",'scope':'Namespaced',"
                        "'names':{'plural':'widgets','kind':'Widget'},'versions':[{'name':'v1','"
                        "served':true,'storage':true,"
                        "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':"
                        "'object','properties':{%s}}}}}}]}}",
                        rv, properties);
}

static void redefine(struct world *w, const char *properties)
{
    const yyjson_mut_val *now =
        must(w, ASK(w, .verb = VERB_GET, .group = "apiextensions.k8s.io",
                    .resource = "customresourcedefinitions", .name = "widgets.example.com"));
    const char *rv =
        arena_printf(&w->arena, ",'resourceVersion':'%s'", at(w, now, "metadata/resourceVersion"));
    must(w, ASK(w, .verb = VERB_UPDATE, .group = "apiextensions.k8s.io",
                .resource = "customresourcedefinitions", .name = "widgets.example.com",
                .body = definition(w, properties, rv)));
}

static void add(struct world *w, const char *name, const char *spec)
{
    must(w, ASK(w, .verb = VERB_CREATE, WIDGETS,
                .body = arena_printf(&w->arena,
                                     "{'apiVersion':'example.com/"
                                     "v1','kind':'Widget','metadata':{'name':'%s'},'spec':%s}",
                                     name, spec)));
}

static struct stored stored(struct world *w, const struct type *t, const char *name)
{
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct stored s = {0};
    assert_int_equal(engine_get(w->wire->engine, t, (struct scope){.ns = STR("default")},
                                str_from(name), &blob, &s, NULL),
                     0);
    s.value = arena_str(&w->arena, s.value);
    return s;
}

static size_t restamp(struct world *w, const struct type *t)
{
    size_t n = 99;
    struct err err = {0};
    if (storage_migrations_restamp(w->wire->storage_migrations, t, &n, &err)) {
        fail_msg("%s", err_message(&err));
    }
    return n;
}

static void test_restamp(void **state)
{
    struct world *w = *state;
    must(w, ASK(w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
                .resource = "customresourcedefinitions",
                .body = definition(w, "'a':{'type':'string'},'b':{'type':'string'}", "")));
    add(w, "same", "{'a':'x'}");
    add(w, "pruned", "{'a':'x','b':'y'}");
    redefine(w, "'a':{'type':'string'}");
    struct type *t = find_type(w, "example.com", "widgets");
    struct store *store = engine_store(w->wire->engine);
    int64_t before = store_revision(store);
    struct stored same = stored(w, t, "same"), pruned = stored(w, t, "pruned");
    assert_true(same.stamp != t->stamp && pruned.stamp != t->stamp);
    assert_int_equal(restamp(w, t), 1);
    struct stored now = stored(w, t, "same");
    assert_true(now.stamp == t->stamp && now.rev == same.rev && str_eq(now.value, same.value));
    now = stored(w, t, "pruned"); /* what would be lost is not, before somebody writes the object */
    assert_true(now.stamp == pruned.stamp && str_eq(now.value, pruned.value));
    assert_int_equal(store_revision(store), before);
    assert_int_equal(restamp(w, t), 0);
    type_unref(t);
    redefine(w, "'a':{'type':'string'},'c':{'type':'string','default':'z'}");
    t = find_type(w, "example.com", "widgets");
    assert_int_equal(restamp(w, t), 0); /* its default would be filled in */
    const yyjson_mut_val *o = must(w, ASK(w, .verb = VERB_GET, WIDGETS, .name = "same"));
    assert_at(w, o, "spec/c", "z");
    type_unref(t);
}

static void test_many(void **state)
{
    struct world *w = *state;
    enum { MANY = 2500 };
    must(w, ASK(w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
                .resource = "customresourcedefinitions",
                .body = definition(w, "'a':{'type':'string'}", "")));
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "o%05d", i);
        add(w, name, i % 10 ? "{'a':'x'}" : "{}");
    }
    redefine(w, "'a':{'type':'string'},'d':{'type':'integer'}");
    struct type *t = find_type(w, "example.com", "widgets");
    assert_int_equal(restamp(w, t), MANY);
    assert_int_equal(restamp(w, t), 0);
    type_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_restamp, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_many, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
