/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory in memory and in the store. */
#include "services/provisioning/inventory_priv.h"

#include "tests/unit/services/live.h"

static struct client_ref ref(struct arena *a, int i)
{
    return (struct client_ref){.resource = STR("configmaps"),
                               .ns = STR("default"),
                               .name = str_from(arena_printf(a, "c%d", i))};
}

static void test_memory(void **state)
{
    (void)state;
    struct arena a;
    struct inventory v;
    arena_init(&a, 0);
    inventory_init(&v, STR("s"));
    for (int i = 0; i < 1000; i++) {
        struct client_ref r = ref(&a, i);
        struct item *made = inventory_add(&v, &r, STR("x.yaml"));
        assert_ptr_equal(inventory_add(&v, &r, STR("other.yaml")), made);
        assert_string_equal(made->path, "x.yaml");
    }
    assert_int_equal(v.n, 1000);
    for (int i = 0; i < 1000; i += 2) {
        struct client_ref r = ref(&a, i);
        inventory_drop(&v, inventory_find(&v, &r));
        assert_null(inventory_find(&v, &r));
    }
    assert_int_equal(v.n, 500);
    struct client_ref r = ref(&a, 1), other = r;
    other.group = STR("g");
    assert_non_null(inventory_find(&v, &r));
    assert_null(inventory_find(&v, &other));
    inventory_finish(&v);
    arena_finish(&a);
}

static void test_order(void **state)
{
    (void)state;
    struct inventory v;
    inventory_init(&v, STR("s"));
    static const struct client_ref refs[] = {
        {.resource = {"namespaces", 10}, .name = {"n", 1}},
        {.group = {"folder.grafana.app", 18}, .resource = {"folders", 7}, .name = {"up", 2}},
        {.group = {"apiextensions.k8s.io", 20},
         .resource = {"customresourcedefinitions", 25},
         .name = {"d", 1}},
        {.group = {"folder.grafana.app", 18}, .resource = {"folders", 7}, .name = {"below", 5}},
        {.resource = {"configmaps", 10}, .name = {"c", 1}},
    };
    static const char *const paths[] = {"z", "a/", "z", "a/b/", "a/b/x"};
    static const char *const order[] = {"c", "below", "up", "n",
                                        "d"}; /* what rests on others goes first */
    for (size_t i = 0; i < 5; i++) {
        inventory_add(&v, &refs[i], str_from(paths[i]));
    }
    AUTO_FREE struct item **all = inventory_sorted(&v);
    for (size_t i = 0; i < 5; i++) {
        assert_true(str_is(all[i]->ref.name, order[i]));
    }
    inventory_finish(&v);
}

static void assert_loads(struct live *l, const struct inventory *want)
{
    struct inventory v;
    inventory_init(&v, want->source);
    assert_int_equal(inventory_load(&v, l->client, NULL), 0);
    assert_int_equal(v.n, want->n);
    assert_int_equal(v.n_stored, want->n_stored);
    for (size_t b = 0; b < want->n_buckets; b++) {
        for (const struct item *i = want->buckets[b]; i; i = i->next) {
            const struct item *found = inventory_find(&v, &i->ref);
            assert_non_null(found);
            assert_string_equal(found->path, i->path);
            assert_string_equal(found->checksum, i->checksum);
            assert_true(found->stored);
        }
    }
    inventory_finish(&v);
}

static void test_stored(void **state)
{
    struct live *l = *state;
    struct arena a;
    struct inventory v, other;
    arena_init(&a, 0);
    inventory_init(&v, STR("s"));
    inventory_init(&other, STR("t"));
    for (int n = 0, i = 0; n < 3; n++) { /* 1, 1001 and 2001 items: 1, 8 and 16 parts */
        for (; i < n * 1000 + 1; i++) {
            struct client_ref r = ref(&a, i);
            struct item *t = inventory_add(&v, &r, STR("x.yaml"));
            snprintf(t->checksum, sizeof(t->checksum), "%064d", i);
        }
        assert_int_equal(inventory_save(&v, l->client, NULL), 0);
        assert_loads(l, &v);
    }
    assert_int_equal(v.n_stored, 16);
    assert_int_equal(inventory_save(&other, l->client, NULL), 0);
    assert_loads(l, &other);
    assert_loads(l, &v);
    for (int i = 0; i < 2001; i += 2) {
        struct client_ref r = ref(&a, i);
        inventory_drop(&v, inventory_find(&v, &r));
    }
    assert_int_equal(inventory_save(&v, l->client, NULL), 0);
    assert_int_equal(v.n_stored, 8);
    assert_loads(l, &v);
    inventory_finish(&v);
    inventory_finish(&other);
    arena_finish(&a);
}

static void test_one_change_is_one_part(void **state)
{
    struct live *l = *state;
    struct arena a;
    struct inventory v;
    arena_init(&a, 0);
    inventory_init(&v, STR("s"));
    for (int i = 0; i < 1000; i++) {
        struct client_ref r = ref(&a, i);
        inventory_add(&v, &r, STR("x.yaml"));
    }
    assert_int_equal(inventory_save(&v, l->client, NULL), 0);
    int64_t before = store_revision(engine_store(l->w.wire->engine));
    assert_int_equal(inventory_save(&v, l->client, NULL), 0);
    assert_int_equal(store_revision(engine_store(l->w.wire->engine)), before);
    struct client_ref r = ref(&a, 7);
    inventory_drop(&v, inventory_find(&v, &r));
    assert_int_equal(inventory_save(&v, l->client, NULL), 0);
    assert_int_equal(store_revision(engine_store(l->w.wire->engine)), before + 1);
    inventory_finish(&v);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_order),
        cmocka_unit_test_setup_teardown(test_stored, live_setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_one_change_is_one_part, live_setup, live_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
