/* SPDX-License-Identifier: Apache-2.0 */
/* Models of older schemaVersions: which are migrated, rows, panels. */
#include "services/dashboards/test_migrate.h"

#include "services/dashboards/model_priv.h"

/* ---- the whole ---- */

static void test_frame(void **state)
{
    struct arena *a = *state;
    yyjson_mut_val *made = migrated(
        a, parse(a, "{'schemaVersion': 16, 'gnetId': null, 'id': null, 'style': 'dark', "
                    "'hideControls': false, 'iteration': 5, '__inputs': [], '__requires': [], "
                    "'meta': {}, 'refresh': false, 'timepicker': {'time_options': ['5m'], "
                    "'refresh_intervals': ['5s']}, 'mine': null}"));
    assert_same(a, made,
                parse(a, "{'schemaVersion': 42, 'title': 'No Title', 'tags': [], 'links': [], "
                         "'panels': [], 'timezone': '', 'weekStart': '', 'editable': true, "
                         "'graphTooltip': 0, 'fiscalYearStartMonth': 0, 'refresh': '', "
                         "'time': {'from': 'now-6h', 'to': 'now'}, 'timepicker': "
                         "{'refresh_intervals': ['5s']}, 'templating': {'list': []}, 'mine': null, "
                         "'annotations': {'list': [{'builtIn': 1, 'datasource': {'type': "
                         "'grafana', 'uid': '-- Grafana --'}, 'enable': true, 'hide': true, "
                         "'iconColor': 'rgba(0, 211, 255, 1)', 'name': 'Annotations & Alerts', "
                         "'type': 'dashboard'}]}}"));
    made = of(a, 16,
              "'style': 'light', 'hideControls': true, 'refresh': '1m', 'timezone': 'utc', "
              "'annotations': {'list': [{'name': 'n'}, {'builtIn': 1, 'datasource': "
              "'-- Grafana --'}]}");
    assert_at(a, made, "style", "'light'");
    assert_at(a, made, "hideControls", "true");
    assert_at(a, made, "refresh", "'1m'");
    assert_at(a, made, "timezone", "'utc'");
    assert_at(a, made, "annotations/list",
              "[{'name': 'n'}, {'builtIn': 1, 'datasource': {'type': 'grafana', 'uid': "
              "'-- Grafana --'}}]");
}

static void assert_too_old(struct arena *a, const char *json, const char *version)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_val *v = parse(a, json), *copy = json_copy(json_doc(a), v);
    assert_true(migrate_needed(v));
    assert_int_equal(migrate_model(json_doc(a), v, &err), ERR_INVALID);
    assert_same(a, v, copy);
    assert_string_equal(err_message(&err),
                        arena_printf(a,
                                     "dashboard schema version %s cannot be migrated to latest "
                                     "version 42 - migration path only exists for versions greater "
                                     "than 13",
                                     version));
}

static void test_versions(void **state)
{
    struct arena *a = *state;
    static const char *const stay[] = {
        "{'schemaVersion': 42, 'style': 'dark', 'panels': [{'type': 'graph', 'options': null}]}",
        "{'schemaVersion': '42', 'refresh': false}",
        "{'schemaVersion': 43, 'refresh': false}",
        "{'schemaVersion': 1e300}",
        "{'title': 'T', 'panels': [{'type': 'graph'}], 'rows': [{}]}",
        "{'schemaVersion': null, 'rows': []}",
    };
    for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
        assert_false(migrate_needed(parse(a, stay[i])));
        assert_same(a, migrated(a, parse(a, stay[i])), parse(a, stay[i]));
    }
    assert_too_old(a, "{'schemaVersion': 12, 'rows': [{'panels': [{}]}]}", "12");
    assert_too_old(a, "{'schemaVersion': 'x', 'panels': []}", "0");
    assert_too_old(a, "{'schemaVersion': -7}", "0");
    assert_too_old(a, "{'schemaVersion': [39]}", "0");
    assert_too_old(a, "{'rows': [{'panels': [{'id': 1}]}]}", "0");
    assert_at(a, migrated(a, parse(a, "{'schemaVersion': '39'}")), "schemaVersion", "42");
    assert_at(a, migrated(a, parse(a, "{'schemaVersion': 39.5}")), "schemaVersion", "42");
    assert_at(a, of(a, 13, "'sharedCrosshair': true, 'graphTooltip': 0"), "graphTooltip", "1");
    assert_at(a, of(a, 13, "'graphTooltip': 2"), "graphTooltip", "0");
    assert_at(a, of(a, 14, "'graphTooltip': 2"), "graphTooltip", "2");
}

/* ---- rows ---- */

static void test_rows(void **state)
{
    struct arena *a = *state;
    yyjson_mut_val *made =
        of(a, 14,
           "'rows': ["
           "{'title': 'First', 'height': '250px', 'collapse': false, 'panels': ["
           "  {'id': 3, 'type': 'graph', 'span': 8}, {'type': 'text', 'span': 4, 'title': ''},"
           "  {'id': 4, 'type': 'text', 'span': 6, 'height': '100px'}]},"
           "{'title': 'Second', 'height': 300, 'collapse': true, 'repeat': 'host', 'panels': ["
           "  {'id': 7, 'type': 'graph', 'span': 12, 'minSpan': 3}]},"
           "{'repeatIteration': 1, 'panels': [{'id': 90, 'type': 'text'}]},"
           "{'panels': [{'id': 8, 'type': 'text'}]}]");
    assert_none(a, made, "rows");
    assert_int_equal(json_size(at(made, "panels")), 7);
    assert_at(a, made, "panels/0",
              "{'id': 92, 'type': 'row', 'title': 'First', 'collapsed': false, 'panels': [], "
              "'gridPos': {'x': 0, 'y': 0, 'w': 24, 'h': 7}}");
    assert_at(a, made, "panels/1",
              "{'id': 3, 'type': 'timeseries', 'autoMigrateFrom': 'graph', 'gridPos': {'x': 0, "
              "'y': 1, 'w': 16, 'h': 7}}");
    assert_at(a, made, "panels/2",
              "{'id': 91, 'type': 'text', 'gridPos': {'x': 16, 'y': 1, 'w': 8, 'h': 7}}");
    assert_at(a, made, "panels/3",
              "{'id': 4, 'type': 'text', 'height': '100px', 'gridPos': {'x': 0, 'y': 8, 'w': 12, "
              "'h': 3}}");
    assert_at(a, made, "panels/4",
              "{'id': 93, 'type': 'row', 'title': 'Second', 'collapsed': true, 'repeat': 'host', "
              "'gridPos': {'x': 0, 'y': 15, 'w': 24, 'h': 8}, 'panels': [{'id': 7, 'type': "
              "'graph', 'maxPerRow': 4, 'gridPos': {'x': 0, 'y': 16, 'w': 24, 'h': 8}}]}");
    assert_at(a, made, "panels/5",
              "{'id': 94, 'type': 'row', 'panels': [], 'gridPos': {'x': 0, 'y': 16, 'w': 24, 'h': "
              "7}}");
    assert_at(a, made, "panels/6",
              "{'id': 8, 'type': 'text', 'gridPos': {'x': 0, 'y': 17, 'w': 8, 'h': 7}}");
}

/* Without titles, rows are not panels; what does not fit goes on below. */
static void test_rows_unseen(void **state)
{
    struct arena *a = *state;
    yyjson_mut_val *made = of(
        a, 13,
        "'rows': [{'panels': [{'id': 1, 'span': 4}, {'id': 2, 'span': 4}, {'id': 3, 'span': 4}, "
        "{'id': 4, 'span': 99}, {'id': 5, 'span': 0}, {'id': 5, 'span': 'x', 'height': 20}]}, 7, "
        "{'panels': null}, {'height': '1000000000000px', 'panels': [{'id': 6}]}]");
    static const char *const want[] = {
        "{'x': 0, 'y': 0, 'w': 8, 'h': 7}",      "{'x': 8, 'y': 0, 'w': 8, 'h': 7}",
        "{'x': 16, 'y': 0, 'w': 8, 'h': 7}",     "{'x': 0, 'y': 7, 'w': 24, 'h': 7}",
        "{'x': 0, 'y': 14, 'w': 8, 'h': 7}",     "{'x': 8, 'y': 14, 'w': 8, 'h': 3}",
        "{'x': 0, 'y': 28, 'w': 8, 'h': 100000}"};
    assert_int_equal(json_size(at(made, "panels")), 7);
    for (size_t i = 0; i < 7; i++) {
        assert_at(a, made, arena_printf(a, "panels/%zu/gridPos", i), want[i]);
    }
    assert_at(a, made, "panels/5/id", "7");
    made = of(a, 15, "'panels': {}, 'templating': 5, 'tags': 'x'");
    assert_at(a, made, "panels", "{}");
    assert_at(a, made, "templating", "5");
    assert_at(a, made, "tags", "'x'");
    made = of(a, 15, "'rows': [], 'panels': [{'id': 1, 'minSpan': 'x'}]");
    assert_none(a, made, "rows");
    assert_at(a, made, "panels", "[{'id': 1}]");
}

/* In v2 the panels of rows are in its rows. */
static void test_rows_in_v2(void **state)
{
    struct arena *a = *state;
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_val
        *v2 = NULL,
        *made = of(
            a, 14,
            "'rows': [{'title': 'A', 'showTitle': true, 'panels': [{'id': 1, 'type': 'singlestat', "
            "'span': 6}, {'id': 2, 'type': 'graph', 'span': 6}]}, {'title': 'B', 'collapse': true, "
            "'repeat': 'host', 'panels': [{'id': 3, 'type': 'text'}]}]");
    assert_int_equal(model_to_v2(json_doc(a), made, &v2, &err), 0);
    assert_at(a, v2, "layout/kind", "'RowsLayout'");
    assert_int_equal(json_size(at(v2, "layout/spec/rows")), 2);
    assert_at(a, v2, "layout/spec/rows/0/spec/title", "'A'");
    assert_at(a, v2, "layout/spec/rows/0/spec/layout/spec/items/1/spec/element/name", "'panel-2'");
    assert_at(a, v2, "layout/spec/rows/0/spec/layout/spec/items/1/spec/x", "12");
    assert_at(a, v2, "layout/spec/rows/1/spec/collapse", "true");
    assert_at(a, v2, "layout/spec/rows/1/spec/repeat", "{'mode': 'variable', 'value': 'host'}");
    assert_at(a, v2, "elements/panel-1/spec/vizConfig/group", "'stat'");
    assert_at(a, v2, "elements/panel-2/spec/vizConfig/group", "'timeseries'");
}

static void test_min_span(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *span, *want;
    } spans[] = {{"24", "1"}, {"13", "1"}, {"12", "2"}, {"8", "3"},    {"5", "4"},
                 {"4", "6"},  {"2", "12"}, {"1", "24"}, {"0.5", "24"}, {"100", "1"}};
    for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
        yyjson_mut_val *panel = panel_of(a, 16, arena_printf(a, "{'minSpan': %s}", spans[i].span));
        assert_at(a, panel, "maxPerRow", spans[i].want);
        assert_none(a, panel, "minSpan");
    }
    assert_same(a, panel_of(a, 16, "{'minSpan': -1, 'id': 3}"), parse(a, "{'id': 3}"));
}

/* ---- panels ---- */

static void test_types(void **state)
{
    struct arena *a = *state;
    static const char *const types[][3] = {
        {"'type': 'graph'", "timeseries", "graph"},
        {"'type': 'graph', 'xaxis': {'mode': 'time'}", "timeseries", "graph"},
        {"'type': 'graph', 'xaxis': {'mode': 'series'}", "barchart", "graph"},
        {"'type': 'graph', 'xaxis': {'mode': 'series'}, 'legend': {'values': true}", "bargauge",
         "graph"},
        {"'type': 'graph', 'xaxis': {'mode': 'histogram'}", "histogram", "graph"},
        {"'type': 'singlestat'", "stat", "singlestat"},
        {"'type': 'grafana-singlestat-panel'", "stat", "grafana-singlestat-panel"},
        {"'type': 'grafana-piechart-panel'", "piechart", "grafana-piechart-panel"},
        {"'type': 'grafana-worldmap-panel'", "geomap", "grafana-worldmap-panel"},
        {"'type': 'natel-discrete-panel'", "state-timeline", "natel-discrete-panel"},
        {"'type': 'table-old'", "table", "table-old"},
        {"'type': 'table', 'styles': []", "table", "table-old"},
        {"'type': 'table'", "table", NULL},
        {"'type': 'table', 'styles': null", "table", NULL},
        {"'type': 'heatmap'", "heatmap", NULL},
        {"'type': 'text2', 'options': {'angular': 1, 'mode': 'html'}", "text", NULL},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        yyjson_mut_val *panel = panel_of(a, 20, arena_printf(a, "{%s}", types[i][0]));
        assert_at(a, panel, "type", arena_printf(a, "'%s'", types[i][1]));
        if (types[i][2]) {
            assert_at(a, panel, "autoMigrateFrom", arena_printf(a, "'%s'", types[i][2]));
        } else {
            assert_none(a, panel, "autoMigrateFrom");
        }
    }
    yyjson_mut_val *graph = panel_of(
        a, 27,
        "{'id': 1, 'type': 'graph', 'alert': {'conditions': [{'evaluator': {'params': [5], "
        "'type': 'gt'}}]}, 'thresholds': [{'value': 5, 'op': 'gt', 'fill': null}], 'lines': "
        "true, 'yaxes': [{'format': 'short', 'min': null}]}");
    assert_same(a, graph,
                parse(a, "{'id': 1, 'type': 'timeseries', 'autoMigrateFrom': 'graph', 'alert': "
                         "{'conditions': [{'evaluator': {'params': [5], 'type': 'gt'}}]}, "
                         "'thresholds': [{'value': 5, 'op': 'gt'}], 'lines': true, 'yaxes': "
                         "[{'format': 'short'}]}"));
    assert_at(a, panel_of(a, 20, "{'type': 'text2', 'options': {'angular': 1, 'mode': 'html'}}"),
              "options", "{'mode': 'html'}");
}

/* What stands for nothing goes; so does what the first table had, unless it is one. */
static void test_settled(void **state)
{
    struct arena *a = *state;
    assert_same(a,
                panel_of(a, 36,
                         "{'id': 1, 'type': 'stat', 'title': '', 'transparent': false, "
                         "'links': [], 'options': {'a': null}, 'targets': [{'refId': 'A'}], "
                         "'transformations': [], 'fieldConfig': {'defaults': {}}, 'gridPos': "
                         "{'x': 0, 'y': 0, 'w': 6, 'h': 3}, 'scopedVars': {}, 'repeat': ''}"),
                parse(a, "{'id': 1, 'type': 'stat', 'gridPos': {'x': 0, 'y': 0, 'w': 6, 'h': 3}, "
                         "'repeat': ''}"));
    assert_same(a,
                panel_of(a, 36,
                         "{'id': 1, 'type': 'table', 'sort': {}, 'fontSize': '100%', "
                         "'fieldConfig': {'defaults': {'custom': {}}}}"),
                parse(a, "{'id': 1, 'type': 'table', 'fieldConfig': {'defaults': {'custom': {}}, "
                         "'overrides': []}}"));
    assert_at(a, panel_of(a, 20, "{'type': 'table', 'styles': [{}], 'fontSize': '100%'}"),
              "fontSize", "'100%'");
    assert_at(a, panel_of(a, 20, "{'type': 'table', 'styles': [{}]}"), "styles",
              "[{'align': 'auto'}]");
    assert_same(a,
                panel_of(a, 30,
                         "{'id': 4, 'title': 'L', 'type': 'graph', 'libraryPanel': {'uid': "
                         "'u'}, 'options': {}, 'repeat': 'host'}"),
                parse(a, "{'id': 4, 'title': 'L', 'libraryPanel': {'uid': 'u'}, 'repeat': "
                         "'host'}"));
}

static void test_ids_and_order(void **state)
{
    struct arena *a = *state;
    yyjson_mut_val *made =
        of(a, 30,
           "'panels': [{'id': 2, 'gridPos': {'x': 12, 'y': 4, 'w': 1, 'h': 1}}, {'id': 2, "
           "'gridPos': {'x': 0, 'y': 4, 'w': 1, 'h': 1}}, 5, {'type': 'row', 'gridPos': {'x': 0, "
           "'y': 2, 'w': 24, 'h': 1}, 'panels': [{'id': 2}, {'id': 'x', 'type': 'graph'}]}, "
           "{'repeatPanelId': 2}, {'repeatPanelId': null}]");
    assert_int_equal(json_size(at(made, "panels")), 5);
    assert_at(a, made, "panels/0/type", "'row'");
    assert_at(a, made, "panels/0/panels", "[{'id': 5}, {'id': 6, 'type': 'graph'}]");
    assert_at(a, made, "panels/1", "{'id': 8}"); /* behind what it stood behind */
    assert_at(a, made, "panels/2/gridPos/x", "0");
    assert_at(a, made, "panels/2/id", "3");
    assert_at(a, made, "panels/3", "5"); /* the schema refuses it */
    assert_at(a, made, "panels/4/id", "2");
    assert_at(a, panel_of(a, 30, "{'targets': [{}, {'refId': 'A'}, {'x': 1}]}"), "targets",
              "[{'refId': 'B'}, {'refId': 'A'}, {'x': 1, 'refId': 'C'}]");
}

static void test_links(void **state)
{
    struct arena *a = *state;
    assert_at(a,
              panel_of(a, 18,
                       "{'links': [{'dashboard': 'My \\u00e4 Board  (2)', 'keepTime': true, "
                       "'includeVars': true, 'params': 'a=1'}, {'url': '/x', 'params': 'b', "
                       "'targetBlank': true, 'title': 'X'}, {'dashUri': 'db/y', 'keepTime': "
                       "true}, {}, 3]}"),
              "links",
              "[{'url': 'dashboard/db/my-board-2?$__url_time_range&$__all_variables&a=1', 'title': "
              "''}, {'url': '/x?b', 'title': 'X', 'targetBlank': true}, {'url': "
              "'dashboard/db/y?$__url_time_range', 'title': ''}, {'url': '/', 'title': ''}]");
}

static void test_names(void **state)
{
    struct arena *a = *state;
    assert_at(
        a,
        panel_of(a, 19,
                 "{'type': 'gauge', 'options': {'dataLinks': [{'url': "
                 "'x?$__series_name&__series_name&__value_time&__series.labels'}, 4], "
                 "'fieldOptions': {'defaults': {'title': '$__field_name __field_name "
                 "$__', 'links': [{'url': '$__field_name&${__series.labels.a}'}]}}}}"),
        "options",
        "{'dataLinks': [{'url': "
        "'x?${__series.name}&__series.name&__value.time&__field.labels'}, 4], 'fieldOptions': "
        "{'defaults': {'title': '${__field.name} __field.name $__', 'links': [{'url': "
        "'${__field.name}&${__field.labels.a}'}]}}}");
}

static void test_gauge(void **state)
{
    struct arena *a = *state;
    yyjson_mut_val *panel =
        panel_of(a, 17,
                 "{'type': 'gauge', 'options-gauge': {'unit': 'ms', 'stat': 'last', 'decimals': 2, "
                 "'prefix': 'p', 'suffix': 's', 'minValue': 1, 'options': {'x': 1}, 'thresholds': "
                 "[{'value': 0}, {'value': 100}]}, 'options': {'gone': 1}}");
    assert_at(a, panel, "options",
              "{'valueOptions': {'unit': 'ms', 'stat': 'last', 'decimals': 2, 'prefix': 'p', "
              "'suffix': 's'}, 'minValue': 1, 'thresholds': [{'value': 100}, {'value': 0}]}");
    assert_none(a, panel, "options-gauge");
}

static void test_transformations(void **state)
{
    struct arena *a = *state;
    assert_at(a,
              panel_of(a, 30,
                       "{'transformations': [{'id': 'labelsToFields', 'options': {'mode': "
                       "'rows'}}, {'id': 'organize'}, {'id': 'labelsToFields'}]}"),
              "transformations",
              "[{'id': 'labelsToFields', 'options': {'mode': 'rows'}}, {'id': 'merge', 'options': "
              "{}}, {'id': 'organize'}, {'id': 'labelsToFields'}, {'id': 'merge', 'options': {}}]");
    assert_at(a,
              panel_of(a, 38,
                       "{'transformations': [{'id': 'timeSeriesTable', 'options': "
                       "{'refIdToStat': {'A': 'mean', 'B': 'max'}}}, {'id': "
                       "'timeSeriesTable', 'options': {}}]}"),
              "transformations",
              "[{'id': 'timeSeriesTable', 'options': {'A': {'stat': 'mean'}, 'B': {'stat': "
              "'max'}}}, {'id': 'timeSeriesTable', 'options': {}}]");
}

static void test_legends(void **state)
{
    struct arena *a = *state;
    static const char *const legends[][2] = {
        {"true", "{'displayMode': 'list', 'showLegend': true}"},
        {"false", "{'displayMode': 'list', 'showLegend': false}"},
        {"{'displayMode': 'hidden', 'showLegend': true}",
         "{'displayMode': 'list', 'showLegend': false}"},
        {"{'displayMode': 'table', 'showLegend': false, 'calcs': []}",
         "{'displayMode': 'list', 'showLegend': false, 'calcs': []}"},
        {"{'displayMode': 'table'}", "{'displayMode': 'table', 'showLegend': true}"},
        {"{}", "{'showLegend': true}"},
        {"'x'", "'x'"},
    };
    for (size_t i = 0; i < sizeof(legends) / sizeof(*legends); i++) {
        assert_at(a, panel_of(a, 36, arena_printf(a, "{'options': {'legend': %s}}", legends[i][0])),
                  "options/legend", legends[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_unseen),
        cmocka_unit_test(test_rows_in_v2),
        cmocka_unit_test(test_min_span),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_ids_and_order),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_gauge),
        cmocka_unit_test(test_transformations),
        cmocka_unit_test(test_legends),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
