/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes that come late: built while others write, after a stop in the middle, for a new
 * generation; in the end each has the terms of what is stored, no more and no less. */
#include "tests/unit/resources/index_world.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "resources/index_build.h"

static struct index_world w;

static int open_memory(void **state)
{
    (void)state;
    index_world_open(&w, false);
    return 0;
}

static int open_sqlite(void **state)
{
    (void)state;
    index_world_open(&w, true);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    index_world_close(&w);
    return 0;
}

static void fill(unsigned n)
{
    char name[16], more[512];
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "r%03u", i);
        put_ride(&w, &w.a, "ns", name, random_ride(&w, more, sizeof(more)));
    }
}

/* ---- what an index holds ---- */

struct lines {
    struct str index, *items;
    size_t n, cap;
};

static void add_line(struct lines *l, struct str term, struct str key)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->items = alloc_resize(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->n++] = str_from(arena_printf(&w.a, "%.*s %.*s", STR_FMT(key), STR_FMT(term)));
}

static int walked(void *arg, struct str term, struct str key)
{
    add_line(arg, term, key);
    return 0;
}

static int stored(void *arg, const struct store_entry *e)
{
    struct lines *l = arg;
    struct store_term *terms = NULL;
    size_t n = index_stored_terms(w.f.registry, e->key, e->value, &w.a, &terms);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(terms[i].index, l->index)) {
            add_line(l, terms[i].term, e->key);
        }
    }
    return 0;
}

static int line_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void sort(struct lines *l)
{
    if (l->n) {
        qsort(l->items, l->n, sizeof(*l->items), line_order);
    }
}

/* How many terms it has. */
static size_t check_index(struct str index)
{
    struct lines got = {.index = index}, want = {.index = index};
    const struct store_walk all = {.index = index, .least = STR(""), .greatest = STR("\xff\xff")};
    const struct store_range range = {.prefix = STR("/registry/")};
    assert_true(store_index_ready(w.f.store, index));
    assert_int_equal(store_index_walk(w.f.store, &all, walked, &got, NULL), 0);
    assert_int_equal(store_range(w.f.store, &range, stored, &want, NULL, NULL, NULL), 0);
    sort(&got);
    sort(&want);
    for (size_t i = 0; i < got.n || i < want.n; i++) {
        struct str a = i < got.n ? got.items[i] : STR("nothing"),
                   b = i < want.n ? want.items[i] : STR("nothing");
        if (!str_eq(a, b)) {
            fail_msg("%.*s: got %.*s, want %.*s", STR_FMT(index), STR_FMT(a), STR_FMT(b));
        }
    }
    free(got.items);
    free(want.items);
    return want.n;
}

static void check_rides(void)
{
    for (size_t i = 0; i < w.rides->n_indexes; i++) {
        assert_true(check_index(w.rides->indexes[i].store_name) > 0);
    }
}

/* At most so many steps; whether it is done. */
static bool build(struct index_build *b, unsigned steps)
{
    bool done = false;
    size_t n = 0;
    struct err err = {0};
    for (unsigned i = 0; i < steps && !done; i++) {
        if (index_build_step(b, &n, &done, &err)) {
            fail_msg("%s", err_message(&err));
        }
        assert_true(n <= 256);
    }
    return done;
}

static void build_all(size_t want)
{
    struct index_build *b = index_build_begin(w.f.engine);
    assert_non_null(b);
    assert_int_equal(index_build_count(b), want);
    assert_true(build(b, 1000));
    index_build_end(b);
}

/* ---- the tests ---- */

static int define_owners(void)
{
    return owners_define(w.f.store, NULL);
}

static void test_nothing_to_build(void **state)
{
    (void)state;
    assert_int_equal(define_owners(), 0);
    index_world_define(&w);
    fill(5);
    assert_null(index_build_begin(w.f.engine));
    check_rides();
}

static void test_late(void **state)
{
    (void)state;
    assert_int_equal(define_owners(), 0);
    fill(600);
    int64_t before = store_revision(w.f.store);
    index_world_define(&w);
    assert_false(store_index_ready(w.f.store, w.rides->indexes[0].store_name));
    struct index_build *b = index_build_begin(w.f.engine);
    assert_int_equal(index_build_count(b), 5);
    assert_false(build(b, 2));
    assert_false(store_index_ready(w.f.store, w.rides->indexes[0].store_name));
    assert_true(build(b, 1));
    index_build_end(b);
    assert_null(index_build_begin(w.f.engine));
    assert_int_equal(store_revision(w.f.store), before); /* nobody's watch hears of it */
    check_rides();
}

static void test_owners(void **state)
{
    (void)state;
    index_world_define(&w);
    fill(20);
    put_ride(&w, &w.a, "ns", "owned",
             "'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'c','uid':'u-1'}]},"
             "'spec':{}");
    assert_int_equal(define_owners(), 0);
    build_all(1);
    assert_int_equal(check_index(OWNERS_INDEX), 2);
    check_rides();
}

static void test_all_at_once(void **state)
{
    (void)state;
    fill(300);
    index_world_define(&w);
    assert_int_equal(define_owners(), 0);
    build_all(6);
    check_rides();
    assert_int_equal(check_index(OWNERS_INDEX), 0);
}

static void test_new_generation(void **state)
{
    const struct type_index *x = NULL;
    (void)state;
    assert_int_equal(define_owners(), 0);
    index_world_define(&w);
    fill(50);
    x = type_index(w.rides, STR("line"));
    assert_int_equal(store_index_define(w.f.store, x->store_name, w.rides->prefix, 7, NULL), 0);
    assert_int_equal(
        store_index_define(w.f.store, x->store_name, w.rides->prefix, x->generation, NULL), 0);
    build_all(1);
    check_rides();
}

/* The server goes in the middle; the next one begins again, and what was written between is right.
 */
static void test_begins_again(void **state)
{
    (void)state;
    assert_int_equal(define_owners(), 0);
    fill(600);
    for (int round = 0; round < 3; round++) {
        index_world_define(&w);
        struct index_build *b = index_build_begin(w.f.engine);
        assert_non_null(b);
        assert_false(build(b, 2));
        index_build_end(b);
        for (int i = 0; i < 50; i++) {
            change_rides(&w, "ns", 600);
        }
        index_world_end(&w);
        index_world_begin(&w, true);
        assert_int_equal(define_owners(), 0);
    }
    index_world_define(&w);
    assert_false(store_index_ready(w.f.store, w.rides->indexes[0].store_name));
    build_all(5);
    check_rides();
}

static atomic_bool over;
static atomic_uint changed;

static void *writer(void *arg)
{
    struct index_world mine = w; /* its own random numbers */
    mine.random += (uint64_t)(uintptr_t)arg * 7919;
    while (!atomic_load(&over)) {
        change_rides(&mine, "ns", 400);
        atomic_fetch_add(&changed, 1);
    }
    return NULL;
}

/* A step for some changes, so that they fall before, into and behind each. */
static void test_while_others_write(void **state)
{
    pthread_t threads[2];
    bool done = false;
    size_t n;
    (void)state;
    assert_int_equal(define_owners(), 0);
    fill(400);
    atomic_store(&over, false);
    for (int round = 0; round < 6; round++) {
        index_world_define(&w);
        struct index_build *b = index_build_begin(w.f.engine);
        assert_non_null(b);
        atomic_store(&over, false);
        for (uintptr_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, writer, (void *)(i + 1)), 0);
        }
        for (done = false; !done;) {
            unsigned at = atomic_load(&changed);
            assert_int_equal(index_build_step(b, &n, &done, NULL), 0);
            while (atomic_load(&changed) < at + 5) {
                sched_yield();
            }
        }
        atomic_store(&over, true);
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
        index_build_end(b);
        check_rides();
        for (size_t i = 0; i < w.rides->n_indexes; i++) {
            assert_int_equal(store_index_drop(w.f.store, w.rides->indexes[i].store_name, NULL), 0);
        }
    }
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, open_memory, close_world),                               \
        cmocka_unit_test_setup_teardown(test, open_sqlite, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_nothing_to_build),
        BOTH(test_late),
        BOTH(test_owners),
        BOTH(test_all_at_once),
        BOTH(test_new_generation),
        cmocka_unit_test_setup_teardown(test_begins_again, open_sqlite, close_world),
        BOTH(test_while_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
