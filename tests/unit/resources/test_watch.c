/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: where they begin, types that change beneath them, and in-process readers. */
#include "tests/unit/resources/watch_view.h"

/* ---- where a watch begins ---- */

static void test_live(void **state)
{
    (void)state;
    make(widgets, "ns", "before", "}");
    struct view v;
    view_open(&v, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    yyjson_mut_val *made = make(widgets, "ns", "a", "},'spec':{'size':1}");
    assert_true(atomic_load(&v.wakes) == 1);
    assert_true(json_equal(expect(&v, "ADDED", "a"), made));
    yyjson_mut_val *patched = patch(widgets, "ns", "a", "{'spec':{'size':2}}");
    assert_true(json_equal(expect(&v, "MODIFIED", "a"), patched));
    drop(widgets, "ns", "a");
    yyjson_mut_val *o = expect(&v, "DELETED", "a");
    assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 2);
    assert_int_equal(rv_of(o), store_revision(f.store));
    make(widgets, "elsewhere", "a", "}");
    make(notes, "ns", "a", "}");
    expect_none(&v);
    assert_int_equal(v.state, WATCH_IDLE);
    view_close(&v);
}

/* What happens outside a watcher's scope does not even hand it over. */
static void test_scope(void **state)
{
    (void)state;
    struct view v;
    struct op *op = watch_op(widgets, "ns", store_revision(f.store));
    assert_int_equal(selector_parse_fields(&op->arena, STR("metadata.name=a"), widgets, op->version,
                                           &op->list.fields, NULL),
                     0);
    view_open(&v, op, &as_object);
    expect_none(&v);
    v.handed = 0;
    make(widgets, "ns", "ab", "}");
    make(widgets, "ns2", "a", "}");
    make(notes, "ns", "a", "}");
    watch_group_ready(v.group, on_each, &v);
    assert_int_equal(v.handed, 0);
    make(widgets, "ns", "a", "}");
    watch_group_ready(v.group, on_each, &v);
    assert_int_equal(v.handed, 1);
    expect(&v, "ADDED", "a");
    expect_none(&v);
    view_close(&v);
}

static void test_initial(void **state)
{
    (void)state;
    for (int zero = 0; zero < 2; zero++) {
        struct view v;
        char name[16];
        snprintf(name, sizeof(name), "a%d", zero);
        make(widgets, "ns", name, "}");
        struct op *op = watch_op(widgets, "ns", 0);
        op->list.resource_version = zero ? STR("0") : STR_NULL;
        view_open(&v, op, &as_object);
        assert_int_equal(watch_read(v.watcher, 1000, on_line, &v), WATCH_BEHIND);
        expect(&v, "ADDED", "a0");
        if (zero) {
            expect(&v, "ADDED", "a1");
        }
        expect_none(&v);
        patch(widgets, "ns", "a0", zero ? "{'spec':{'size':7}}" : "{'spec':{'size':6}}");
        expect(&v, "MODIFIED", "a0");
        expect_none(&v);
        view_close(&v);
    }
}

/* What is written while the initial objects are being read is seen once, as their successor. */
static void test_initial_with_writes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        make(widgets, "ns", i ? "a" : "b", "}");
    }
    struct view v;
    view_open(&v, watch_op(widgets, "ns", 0), &as_object);
    assert_int_equal(watch_read(v.watcher, 1000, on_line, &v), WATCH_BEHIND);
    watch_catch_up(v.watcher);
    make(widgets, "ns", "c", "}");
    patch(widgets, "ns", "a", "{'spec':{'size':1}}");
    expect(&v, "ADDED", "a");
    expect(&v, "ADDED", "b");
    expect(&v, "ADDED", "c");
    expect(&v, "MODIFIED", "a");
    expect_none(&v);
    view_close(&v);
}

static void test_history(void **state)
{
    (void)state;
    int64_t rv = rv_of(make(notes, "ns", "a", "}"));
    patch(notes, "ns", "a", "{'data':{'k':'1'}}");
    make(notes, "ns", "b", "}");
    drop(notes, "ns", "a");
    struct view v;
    view_open(&v, watch_op(notes, "ns", rv), &as_object);
    expect(&v, "MODIFIED", "a");
    expect(&v, "ADDED", "b");
    assert_str(text_at(expect(&v, "DELETED", "a"), "data", "k"), "1");
    expect_none(&v);
    make(notes, "ns", "c", "}");
    expect(&v, "ADDED", "c");
    expect_none(&v);
    view_close(&v);
}

static void test_future(void **state)
{
    (void)state;
    struct view v;
    int64_t now = store_revision(f.store);
    view_open(&v, watch_op(notes, "ns", now + 2), &as_object);
    expect_none(&v);
    make(notes, "ns", "a", "}");
    make(notes, "ns", "b", "}");
    expect_none(&v);
    make(notes, "ns", "c", "}");
    expect(&v, "ADDED", "c");
    view_close(&v);
}

static void test_open_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc", "-5"};
    for (size_t i = 0; i < 2; i++) {
        struct view v = {0};
        struct err err = {0};
        v.group = watch_group_create(engine_watches(f.engine), on_wake, &v);
        struct op *op = watch_op(notes, "ns", 0);
        op->list.resource_version = str_from(bad[i]);
        assert_int_equal(watch_open(v.group, op, &as_object, &v, &v.watcher, &err),
                         ERR_UNKNOWN_500);
        op->list.resource_version = STR_NULL;
        op->list.send_initial_events = op->list.send_initial_events_given = true;
        assert_int_equal(watch_open(v.group, op, &as_object, &v, &v.watcher, &err), ERR_INVALID);
        assert_string_equal(err.message, "ListOptions.meta.k8s.io \"\" is invalid: "
                                         "resourceVersionMatch: Forbidden: sendInitialEvents "
                                         "requires setting resourceVersionMatch to NotOlderThan");
        op->list.send_initial_events = op->list.send_initial_events_given = false;
        op->list.match = RV_MATCH_EXACT;
        assert_int_equal(watch_open(v.group, op, &as_object, &v, &v.watcher, &err), ERR_INVALID);
        err_finish(&err);
        op_unref(op);
        watch_group_destroy(v.group);
    }
}

static void expect_expired(struct view *v, const char *message)
{
    yyjson_mut_val *o = expect(v, "ERROR", NULL);
    assert_int_equal(json_get_int(o, "code", 0), 410);
    assert_str(json_get_str(o, "reason"), "Expired");
    assert_true(str_starts(json_get_str(o, "message"), str_from(message)));
    expect_none(v);
    assert_int_equal(v->state, WATCH_ENDED);
}

static void test_too_old(void **state)
{
    (void)state;
    int64_t rv = rv_of(make(notes, "ns", "a", "}"));
    make(notes, "ns", "b", "}");
    make(notes, "ns", "c", "}");
    assert_int_equal(store_compact(f.store, store_revision(f.store), NULL), 0);
    struct view v;
    view_open(&v, watch_op(notes, "ns", rv), &as_object);
    expect_expired(&v, "too old resource version: ");
    view_close(&v);
    struct type *born = fixture_make_type(WIDGET_CRD, NULL);
    born->born = store_revision(f.store);
    registry_put(f.registry, born);
    view_open(&v, watch_op(born, "ns", 1), &as_object);
    expect_expired(&v, "too old resource version: 1 (");
    view_close(&v);
    type_unref(born);
}

/* ---- types that change ---- */

static void test_type_replaced(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    AUTO_FREE char *crd = alloc_strdup(WIDGET_CRD);
    char *level = strstr(crd, "'default':'low'");
    memcpy(level, "'default':'top'", strlen("'default':'top'"));
    struct type *newer = fixture_add_type(&f, crd, NULL);
    make(newer, "ns", "a", "},'spec':{'deep':{}}");
    assert_str(json_str(json_path(expect(&v, "ADDED", "a"), "spec", "deep", "level", NULL)), "top");
    view_close(&v);
}

static void test_type_removed(void **state)
{
    (void)state;
    struct view v;
    struct type *t = type_ref(widgets);
    view_open(&v, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    make(widgets, "ns", "a", "}");
    drop(widgets, "ns", "a");
    int before = atomic_load(&v.wakes);
    registry_remove(f.registry, STR("example.com"), STR("widgets"));
    assert_true(atomic_load(&v.wakes) >= before);
    expect(&v, "ADDED", "a");
    expect(&v, "DELETED", "a");
    expect_none(&v);
    assert_int_equal(v.state, WATCH_ENDED);
    view_close(&v);
    view_open(&v, watch_op(t, "ns", store_revision(f.store)),
              &as_object); /* by an op that was given the type before */
    expect_none(&v);
    assert_int_equal(v.state, WATCH_ENDED);
    view_close(&v);
    type_unref(t);
}

/* ---- not encoded ---- */

struct visited {
    size_t n;
    enum watch_event_type types[64];
    char names[64][16];
    int64_t revs[64];
    bool error;
};

static void on_visit(void *arg, const struct watch_event *e)
{
    struct visited *v = arg;
    assert_true(v->n < 64);
    v->types[v->n] = e->type;
    v->revs[v->n] = e->rev;
    snprintf(v->names[v->n], sizeof(v->names[0]), "%.*s", STR_FMT(e->name));
    v->error |= e->err != NULL;
    v->n++;
}

static void test_visit(void **state)
{
    (void)state;
    make(notes, "ns", "a", "}");
    struct view v;
    struct visited seen = {0};
    view_open(&v, watch_op(notes, "", 0), NULL);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_BEHIND);
    watch_catch_up(v.watcher);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_IDLE);
    assert_int_equal(seen.n, 1);
    drop(notes, "ns", "a");
    make(notes, "ns", "b", "}");
    watch_group_ready(v.group, on_each, &v);
    assert_int_equal(watch_visit(v.watcher, 1, on_visit, &seen), WATCH_MORE);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_IDLE);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.types[1], WATCH_DELETED);
    assert_string_equal(seen.names[1], "a");
    assert_true(seen.revs[1] > seen.revs[0]);
    assert_string_equal(seen.names[2], "b");
    view_close(&v);
    store_compact(f.store, store_revision(f.store), NULL);
    view_open(&v, watch_op(notes, "", 1), NULL);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_BEHIND);
    watch_catch_up(v.watcher);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_ENDED);
    assert_int_equal(seen.types[3], WATCH_ERROR);
    assert_true(seen.error);
    view_close(&v);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_live),          TEST(test_scope),
        TEST(test_initial),       TEST(test_initial_with_writes),
        TEST(test_history),       TEST(test_future),
        TEST(test_open_errors),   TEST(test_too_old),
        TEST(test_type_replaced), TEST(test_type_removed),
        TEST(test_visit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
