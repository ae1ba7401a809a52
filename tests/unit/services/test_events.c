/* SPDX-License-Identifier: Apache-2.0 */
/* Events in both their forms. */
#include "resources/represent.h"
#include "tests/unit/services/fixture.h"

#define CORE(w, v, ...) ASK(w, .verb = (v), .resource = "events", .ns = "default", __VA_ARGS__)
#define NEW(w, v, ...)                                                                             \
    ASK(w, .verb = (v), .group = "events.k8s.io", .resource = "events", .ns = "default",           \
        __VA_ARGS__)

#define NEW_EVENT                                                                                  \
    "'metadata':{'name':'e'},'eventTime':'2001-01-01T00:00:00.123456Z','reportingController':"     \
    "'x.io/c','reportingInstance':'i','action':'Do','reason':'R','type':'Normal','regarding':{"    \
    "'kind':'ConfigMap','name':'c','namespace':'default'},'note':' n '"

static void test_core_form(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v = must(w, CORE(w, VERB_CREATE,
                                     .body = "{'metadata':{'name':'e'},'involvedObject':{'kind':"
                                             "'ConfigMap','name':'c','namespace':'default'},"
                                             "'reason':'R','message':'m','type':'Normal','count':1,"
                                             "'firstTimestamp':'2001-01-01T00:00:00Z'}"));
    assert_at(w, v, "source", "{}");
    assert_at(w, v, "eventTime", "null");
    assert_at(w, v, "lastTimestamp", "null");
    assert_at(w, v, "reportingComponent", "");
    v = must(w, CORE(w, VERB_PATCH, .name = "e", .patch = PATCH_STRATEGIC,
                     .body = "{'count':2,'lastTimestamp':'2001-01-01T00:00:05Z'}"));
    assert_at(w, v, "count", "2");
    assert_at(w, v, "eventTime", "null");
    v = must(w, NEW(w, VERB_GET, .name = "e"));
    assert_at(w, v, "apiVersion", "events.k8s.io/v1");
    assert_at(w, v, "note", "m");
    assert_at(w, v, "deprecatedCount", "2");
    assert_at(w, v, "deprecatedLastTimestamp", "2001-01-01T00:00:05Z");
    assert_at(w, v, "regarding/kind", "ConfigMap");
    assert_null(json_get(v, "reportingController"));
    assert_null(json_get(v, "involvedObject"));
}

static void test_new_form(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v = must(w, NEW(w, VERB_CREATE, .body = "{" NEW_EVENT "}"));
    assert_at(w, v, "apiVersion", "events.k8s.io/v1");
    assert_at(w, v, "deprecatedSource", "{}");
    assert_at(w, v, "deprecatedFirstTimestamp", "null");
    v = must(w, CORE(w, VERB_GET, .name = "e"));
    assert_at(w, v, "apiVersion", "v1");
    assert_at(w, v, "kind", "Event");
    assert_at(w, v, "message", " n ");
    assert_at(w, v, "involvedObject/name", "c");
    assert_at(w, v, "reportingComponent", "x.io/c");
    assert_at(w, v, "eventTime", "2001-01-01T00:00:00.123456Z");
    assert_null(json_get(v, "note"));
}

static void test_core_checks(void **state)
{
    struct world *w = *state;
    struct outcome o = CORE(w, VERB_CREATE,
                            .body = "{'metadata':{'name':'e'},'involvedObject':{'namespace':"
                                    "'other'},'type':'Odd'}");
    assert_cause(w, o, "involvedObject.namespace", "does not match event.namespace");
    assert_at(w, o.body, "details/kind", "Event");
    must(w, CORE(w, VERB_CREATE, .body = "{'metadata':{'name':'e'},'type':'Odd'}"));
}

static void test_new_checks(void **state)
{
    static const struct {
        const char *more, *field, *text;
    } cases[] = {
        {"'type':'Odd'", "type", "has invalid value: Odd"},
        {"'eventTime':null", "eventTime", "Required value"},
        {"'reportingController':null", "reportingController", "Required value"},
        {"'reportingController':'a b'", "reportingController", "name part must consist of"},
        {"'action':''", "action", "Required value"},
        {"'reason':null", "reason", "Required value"},
        {"'reportingInstance':null", "reportingInstance", "Required value"},
        {"'deprecatedCount':1", "count", "needs to be unset"},
        {"'deprecatedSource':{'host':'h'}", "source", "needs to be unset"},
        {"'deprecatedFirstTimestamp':'2001-01-01T00:00:00Z'", "firstTimestamp",
         "needs to be unset"},
        {"'series':{'count':1}", "series.count", "should be at least 2"},
        {"'series':{'count':2}", "series.lastObservedTime", "Required value"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *body = arena_printf(&w->arena, "{" NEW_EVENT ",%s}", cases[i].more);
        assert_cause(w, NEW(w, VERB_CREATE, .body = body, .dry_run = true), cases[i].field,
                     cases[i].text);
    }
    must(w, ASK(w, .verb = VERB_CREATE, .resource = "namespaces",
                .body = "{'metadata':{'name':'n'}}"));
    struct outcome o = ASK(w, .verb = VERB_CREATE, .group = "events.k8s.io", .resource = "events",
                           .ns = "n", .body = "{" NEW_EVENT ",'regarding':{}}");
    assert_cause(w, o, "involvedObject.namespace", "does not match event.namespace");
    assert_at(w, o.body, "details/group", ""); /* invalid as what it is stored as */
}

static void test_new_updates(void **state)
{
    struct world *w = *state;
    must(w, NEW(w, VERB_CREATE, .body = "{" NEW_EVENT "}"));
    static const char *const fixed[] = {"note", "reason", "action", "reportingInstance"};
    for (size_t i = 0; i < 4; i++) {
        const char *body = arena_printf(&w->arena, "{'%s':'other'}", fixed[i]);
        struct outcome o = NEW(w, VERB_PATCH, .name = "e", .patch = PATCH_MERGE, .body = body);
        assert_cause(w, o, strcmp(fixed[i], "note") == 0 ? "message" : fixed[i],
                     "field is immutable");
    }
    must(w, NEW(w, VERB_PATCH, .name = "e", .patch = PATCH_MERGE,
                .body = "{'series':{'count':2,'lastObservedTime':'2001-01-01T00:01:00.000000Z'}}"));
    must(w, CORE(w, VERB_PATCH, .name = "e", .patch = PATCH_MERGE, .body = "{'message':'other'}"));
}

static void test_rows(void **state)
{
    struct world *w = *state;
    struct arena *a = &w->arena;
    struct type *t = find_type(w, "events.k8s.io", "events");
    yyjson_mut_val *v = must(w, NEW(w, VERB_CREATE,
                                    .body = "{" NEW_EVENT ",'series':{'count':7,'lastObservedTime':"
                                            "'2001-01-01T00:01:00.000000Z'}}"));
    AUTO(buf_finish) struct buf b = {0};
    const struct representation r = {.as = REPRESENT_TABLE, .include = INCLUDE_NONE};
    represent_row(&b, t, type_storage(t), &r, a, v);
    yyjson_mut_val *row = parsed(a, arena_str(a, buf_str(&b)).ptr);
    assert_int_equal(json_size(json_get(row, "cells")), type_storage(t)->n_columns);
    assert_at(w, row, "cells/1", "Normal");
    assert_at(w, row, "cells/3", "configmap/c");
    assert_at(w, row, "cells/5", "x.io/c, i");
    assert_at(w, row, "cells/6", "n");
    assert_at(w, row, "cells/8", "7");
    assert_at(w, row, "cells/9", "e");
    type_unref(t);
}

/* Every type with rows of its own fills as many cells as it has columns. */
static void test_cells_and_columns(void **state)
{
    struct world *w = *state;
    struct arena *a = &w->arena;
    struct registry_snapshot *s = registry_ref(w->wire->registry);
    size_t checked = 0;
    for (size_t g = 0; g < s->n_groups; g++) {
        for (size_t i = 0; i < s->groups[g].n_types; i++) {
            struct type *t = s->groups[g].types[i];
            if (!t->strategy->row) {
                continue;
            }
            AUTO(buf_finish) struct buf b = {0};
            const struct representation r = {.as = REPRESENT_TABLE, .include = INCLUDE_NONE};
            yyjson_mut_val *empty = parsed(a, "{'apiVersion':'v1','metadata':{'name':'x'}}");
            represent_row(&b, t, type_storage(t), &r, a, empty);
            yyjson_mut_val *row = parsed(a, arena_str(a, buf_str(&b)).ptr);
            assert_int_equal(json_size(json_get(row, "cells")), type_storage(t)->n_columns);
            checked++;
        }
    }
    registry_snapshot_unref(s);
    assert_true(checked >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_core_form, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_new_form, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_core_checks, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_new_checks, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_new_updates, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_rows, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_cells_and_columns, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
