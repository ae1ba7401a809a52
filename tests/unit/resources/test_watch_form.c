/* SPDX-License-Identifier: Apache-2.0 */
/* What watches show: selectors that objects enter and leave, forms and versions, bookmarks. */
#include "tests/unit/resources/watch_view.h"

#include <unistd.h>

#include "tests/unit/best_of.h"

static void test_label_transitions(void **state)
{
    (void)state;
    for (int log = 0; log < 2; log++) { /* live, then all at once from the log */
        int64_t rv = store_revision(f.store);
        struct view v;
        struct op *op = watch_op(widgets, "ns", rv);
        assert_int_equal(selector_parse_labels(&op->arena, STR("on=1"), &op->list.labels, NULL), 0);
        if (!log) {
            view_open(&v, op, &as_object);
        }
        make(widgets, "ns", "a", "}");
        patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'1'}}}");
        patch(widgets, "ns", "a", "{'spec':{'size':3}}");
        yyjson_mut_val *left =
            patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'0'}},'spec':{'size':4}}");
        patch(widgets, "ns", "a", "{'spec':{'size':5}}");
        patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'1'}}}");
        drop(widgets, "ns", "a");
        if (log) {
            view_open(&v, op, &as_object);
        }
        expect(&v, "ADDED", "a");
        expect(&v, "MODIFIED", "a");
        yyjson_mut_val *o = expect(&v, "DELETED", "a");
        assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 3);
        assert_str(json_str(json_path(o, "metadata", "labels", "on", NULL)), "1");
        assert_int_equal(rv_of(o), rv_of(left));
        assert_int_equal(json_get_int(json_get(expect(&v, "ADDED", "a"), "spec"), "size", 0), 5);
        expect(&v, "DELETED", "a");
        expect_none(&v);
        view_close(&v);
    }
}

static void test_field_transitions(void **state)
{
    (void)state;
    struct view v;
    struct op *op = watch_op(widgets, "", store_revision(f.store));
    assert_int_equal(selector_parse_fields(&op->arena, STR("spec.color=red"), widgets, op->version,
                                           &op->list.fields, NULL),
                     0);
    view_open(&v, op, &as_object);
    make(widgets, "ns", "a", "},'spec':{'color':'red'}");
    make(widgets, "ns", "b", "},'spec':{'color':'blue'}");
    patch(widgets, "ns", "a", "{'spec':{'color':'blue'}}");
    expect(&v, "ADDED", "a");
    expect(&v, "DELETED", "a");
    expect_none(&v);
    view_close(&v);
}

static void test_forms(void **state)
{
    (void)state;
    int64_t rv = store_revision(f.store);
    struct view v1, v2, beta, table, partial;
    view_open(&v1, watch_op(widgets, "ns", rv), &as_object);
    view_open(&v2, watch_op(widgets, "ns", rv), &as_object);
    struct op *op = watch_op(widgets, "ns", rv);
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    view_open(&beta, op, &as_object);
    view_open(&table, watch_op(widgets, "ns", rv), &(struct representation){.as = REPRESENT_TABLE});
    view_open(&partial, watch_op(widgets, "ns", rv),
              &(struct representation){.as = REPRESENT_PARTIAL});
    make(widgets, "ns", "a", "},'spec':{'size':1}");
    expect(&v1, "ADDED", "a");
    expect(&v2, "ADDED", "a");
    assert_ptr_equal(v1.lines[0], v2.lines[0]); /* encoded once */
    assert_str(json_get_str(expect(&beta, "ADDED", "a"), "apiVersion"), "example.com/v1beta1");
    yyjson_mut_val *o = expect(&partial, "ADDED", "a");
    assert_str(json_get_str(o, "kind"), "PartialObjectMetadata");
    assert_null(json_get(o, "spec"));
    o = expect(&table, "ADDED", NULL);
    assert_str(json_get_str(o, "kind"), "Table");
    assert_true(yyjson_mut_arr_size(json_get(o, "columnDefinitions")) > 0);
    drop(widgets, "ns", "a");
    o = expect(&table, "DELETED", NULL);
    assert_int_equal(yyjson_mut_arr_size(json_get(o, "columnDefinitions")), 0);
    assert_int_equal(yyjson_mut_arr_size(json_get(o, "rows")), 1);
    view_close(&v1);
    view_close(&v2);
    view_close(&beta);
    view_close(&table);
    view_close(&partial);
}

static void test_initial_events(void **state)
{
    (void)state;
    make(notes, "ns", "a", "}");
    for (int bookmarks = 0; bookmarks < 2; bookmarks++) {
        struct view v;
        struct op *op = watch_op(notes, "ns", 0);
        op->list.send_initial_events = op->list.send_initial_events_given = true;
        op->list.match = RV_MATCH_NOT_OLDER;
        op->list.bookmarks = bookmarks;
        view_open(&v, op, &as_object);
        expect(&v, "ADDED", "a");
        if (bookmarks) {
            yyjson_mut_val *o = expect(&v, "BOOKMARK", NULL);
            assert_str(json_get_str(o, "kind"), "Note");
            assert_str(json_get_str(o, "apiVersion"), "v1");
            assert_str(json_str(json_path(o, "metadata", "annotations", "k8s.io/initial-events-end",
                                          NULL)),
                       "true");
            assert_int_equal(rv_of(o), store_revision(f.store));
        }
        expect_none(&v);
        view_close(&v);
    }
    struct view v;
    struct op *op = watch_op(notes, "ns", 0);
    op->list.send_initial_events_given = true;
    op->list.match = RV_MATCH_NOT_OLDER;
    view_open(&v, op, &as_object);
    expect_none(&v);
    make(notes, "ns", "b", "}");
    expect(&v, "ADDED", "b");
    view_close(&v);
}

/* Whether a watch of 3 s has its bookmark before its time is over; it carries the revision of the
 * whole store. */
static bool bookmarked_in_time(void)
{
    static int made;
    char name[16];
    snprintf(name, sizeof(name), "a%d", made++);
    struct view v;
    struct op *op = watch_op(notes, "ns", store_revision(f.store));
    op->list.bookmarks = true;
    op->list.timeout_s = 3;
    view_open(&v, op, &as_object);
    expect_none(&v);
    make(widgets, "ns", name, "}");
    int64_t begun = clock_mono_ms();
    while (!v.n && clock_mono_ms() - begun < 60000) {
        usleep(10000);
        if (atomic_exchange(&v.wakes, 0)) {
            view_read(&v);
        }
    }
    yyjson_mut_val *o = expect(&v, "BOOKMARK", NULL);
    assert_int_equal(rv_of(o), store_revision(f.store));
    assert_int_equal(watcher_revision(v.watcher), store_revision(f.store));
    int64_t took = clock_mono_ms() - begun;
    view_close(&v);
    return took < 2900;
}

static void test_bookmark(void **state)
{
    (void)state;
    assert_true(best_of(4, bookmarked_in_time));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_label_transitions), TEST(test_field_transitions), TEST(test_forms),
        TEST(test_initial_events),    TEST(test_bookmark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
