/* SPDX-License-Identifier: Apache-2.0 */
/* Models of older schemaVersions: fields, data sources, variables; and that no shape does harm. */
#include "services/dashboards/test_migrate.h"

#include "services/dashboards/model_priv.h"

/* ---- fields ---- */

static void test_mappings(void **state)
{
    struct arena *a = *state;
    yyjson_mut_val *panel = panel_of(
        a, 29,
        "{'type': 'timeseries', 'options': {'tooltipOptions': {'mode': 'multi'}}, 'fieldConfig': "
        "{'defaults': {'thresholds': {'steps': [{'color': 'green', 'value': null}, {'color': "
        "'orange', 'value': 10}, {'color': 'red', 'value': 5}]}, 'mappings': [{'type': 1, 'value': "
        "'1', 'text': '7'}, {'type': 1, 'value': '2', 'text': '12'}, {'type': 1, 'value': 3, "
        "'text': "
        "'-1'}, {'type': 1, 'value': '1', 'text': 'Up'}, {'type': 2, 'from': '10', 'to': 20.5, "
        "'text': 'Mid'}, {'type': 1, 'value': 'null', 'text': 'N/A'}, {'type': 1, 'value': null}, "
        "{'type': 'regex', 'options': {}}, {'type': 'value', 'options': {'9': {'text': 'old'}}}, "
        "{'type': 7}, 4]}, 'overrides': [{'properties': [{'id': 'mappings', 'value': [{'type': 1, "
        "'value': '1', 'text': '12'}]}, {'id': 'unit', 'value': 'x'}]}]}}");
    assert_at(a, panel, "fieldConfig/defaults/mappings",
              "[{'type': 'value', 'options': {'2': {'text': '12', 'color': 'red'}, '3': {'text': "
              "'-1', 'color': 'green'}, '1': {'text': 'Up'}, '9': {'text': 'old'}}}, {'type': "
              "'range', 'options': {'from': 10, 'to': 20.5, 'result': {'text': 'Mid'}}}, {'type': "
              "'special', 'options': {'match': 'null', 'result': {'text': 'N/A'}}}, {'type': "
              "'regex', 'options': {}}]");
    assert_at(a, panel, "fieldConfig/overrides/0/properties",
              "[{'id': 'mappings', 'value': [{'type': 'value', 'options': {'1': {'text': "
              "'12'}}}]}, {'id': 'unit', 'value': 'x'}]");
    assert_at(a, panel, "options", "{'tooltip': {'mode': 'multi'}}");
    assert_at(a,
              panel_of(a, 29,
                       "{'fieldConfig': {'defaults': {'thresholds': {}, 'mappings': "
                       "[{'type': 1, 'value': true, 'text': '1'}]}}}"),
              "fieldConfig/defaults/mappings",
              "[{'type': 'value', 'options': {'true': {'text': '1', 'color': '#808080'}}}]");
    assert_at(a, panel_of(a, 29, "{'type': 'stat', 'options': {'tooltipOptions': 1}}"), "options",
              "{'tooltipOptions': 1}");
}

static void test_fields(void **state)
{
    struct arena *a = *state;
    const char *hidden = "'fieldConfig': {'defaults': {'custom': {'axisPlacement': 'hidden'}}}";
    assert_at(a, panel_of(a, 34, arena_printf(a, "{'type': 'timeseries', %s}", hidden)),
              "fieldConfig/overrides",
              "[{'matcher': {'id': 'byType', 'options': 'time'}, 'properties': [{'id': "
              "'custom.axisPlacement', 'value': 'auto'}]}]");
    assert_at(a, panel_of(a, 34, arena_printf(a, "{'type': 'stat', %s}", hidden)),
              "fieldConfig/overrides", "[]");
    static const char *const cells[][2] = {
        {"basic", "{'type': 'gauge', 'mode': 'basic'}"},
        {"gradient-gauge", "{'type': 'gauge', 'mode': 'gradient'}"},
        {"lcd-gauge", "{'type': 'gauge', 'mode': 'lcd'}"},
        {"color-background", "{'type': 'color-background', 'mode': 'gradient'}"},
        {"color-background-solid", "{'type': 'color-background', 'mode': 'basic'}"},
        {"auto", "{'type': 'auto'}"},
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
        yyjson_mut_val *panel = panel_of(
            a, 37,
            arena_printf(a,
                         "{'type': 'table', 'fieldConfig': {'defaults': {'custom': {'displayMode': "
                         "'%s'}}, 'overrides': [{'properties': [{'id': 'custom.displayMode', "
                         "'value': '%s'}]}]}}",
                         cells[i][0], cells[i][0]));
        assert_at(a, panel, "fieldConfig/defaults/custom/cellOptions", cells[i][1]);
        assert_none(a, panel, "fieldConfig/defaults/custom/displayMode");
        assert_at(a, panel, "fieldConfig/overrides/0/properties/0/id", "'custom.cellOptions'");
        assert_at(a, panel, "fieldConfig/overrides/0/properties/0/value", cells[i][1]);
    }
    assert_at(a,
              panel_of(a, 41,
                       "{'fieldConfig': {'overrides': [{'properties': [{'id': "
                       "'custom.hideFrom', 'value': {'viz': true, 'tooltip': false}}, {'id': "
                       "'custom.hideFrom', 'value': {'viz': false}}]}]}}"),
              "fieldConfig/overrides/0/properties",
              "[{'id': 'custom.hideFrom', 'value': {'viz': true, 'tooltip': true}}, {'id': "
              "'custom.hideFrom', 'value': {'viz': false}}]");
}

/* ---- data sources ---- */

static void test_sources(void **state)
{
    struct arena *a = *state;
    static const char *const panels[][2] = {
        {"'datasource': 'P', 'targets': [{'refId': 'A', 'datasource': 'Q'}, {'refId': 'B'}]",
         "'datasource': {'uid': 'P'}, 'targets': [{'refId': 'A', 'datasource': {'uid': 'Q'}}, "
         "{'refId': 'B', 'datasource': {'uid': 'P'}}]"},
        {"'datasource': 'default', 'targets': [{'refId': 'A', 'expr': 'e'}]",
         "'targets': [{'refId': 'A', 'expr': 'e'}]"},
        {"'datasource': null, 'targets': [{'refId': 'A', 'datasource': '__expr__'}, {'refId': 'B', "
         "'datasource': {'type': 't', 'uid': 'u'}}]",
         "'datasource': {'type': 't', 'uid': 'u'}, 'targets': [{'refId': 'A', 'datasource': "
         "{'type': '__expr__', 'uid': '__expr__'}}, {'refId': 'B', 'datasource': {'type': 't', "
         "'uid': 'u'}}]"},
        {"'datasource': '-- Mixed --', 'targets': [{'refId': 'A', 'datasource': '$ds'}, {'refId': "
         "'B'}]",
         "'datasource': {'type': 'datasource', 'uid': '-- Mixed --'}, 'targets': [{'refId': 'A', "
         "'datasource': {'uid': '$ds'}}, {'refId': 'B'}]"},
        {"'datasource': ''", "'datasource': {}"},
        {"'datasource': {'uid': 'u', 'type': 't'}, 'targets': [{'refId': 'A', 'datasource': "
         "{'type': 'x'}}]",
         "'datasource': {'uid': 'u', 'type': 't'}, 'targets': [{'refId': 'A', 'datasource': "
         "{'uid': "
         "'u', 'type': 't'}}]"},
    };
    for (size_t i = 0; i < sizeof(panels) / sizeof(*panels); i++) {
        for (int version = 32; version <= 35; version++) {
            assert_same(a, panel_of(a, version, arena_printf(a, "{'id': 1, %s}", panels[i][0])),
                        parse(a, arena_printf(a, "{'id': 1, %s}", panels[i][1])));
        }
    }
    assert_at(a, of(a, 35, "'annotations': {'list': [{'builtIn': 1, 'datasource': 'x'}]}"),
              "annotations/list/0/datasource", "{'uid': 'x'}");
}

static void test_statistics(void **state)
{
    struct arena *a = *state;
    assert_at(a,
              panel_of(a, 33,
                       "{'targets': [{'refId': 'A', 'dimensions': {'d': 'i'}, 'namespace': "
                       "'n', 'region': 'r', 'metricName': 'm', 'statistics': ['Average', "
                       "'Maximum', null, 4]}, {'refId': 'B', 'dimensions': {}, 'namespace': "
                       "'', 'region': '', 'metricName': '', 'statistics': ['Sum'], "
                       "'metricEditorMode': 1}, {'refId': 'D', 'statistics': ['a', 'b']}]}"),
              "targets",
              "[{'refId': 'A', 'dimensions': {'d': 'i'}, 'namespace': 'n', 'region': 'r', "
              "'metricName': 'm', 'statistic': 'Average', 'metricEditorMode': 0, "
              "'metricQueryType': 0}, {'refId': 'B', 'dimensions': {}, 'namespace': '', 'region': "
              "'', 'metricName': '', 'statistic': 'Sum', 'metricEditorMode': 1, 'metricQueryType': "
              "0}, {'refId': 'D', 'statistics': ['a', 'b']}, {'refId': 'C', 'dimensions': {'d': "
              "'i'}, 'namespace': 'n', 'region': 'r', 'metricName': 'm', 'statistic': 'Maximum', "
              "'metricEditorMode': 0, 'metricQueryType': 0}, {'refId': 'E', 'dimensions': {'d': "
              "'i'}, 'namespace': 'n', 'region': 'r', 'metricName': 'm', 'metricEditorMode': 0, "
              "'metricQueryType': 0}]");
    assert_at(a,
              of(a, 33,
                 "'annotations': {'list': [{'builtIn': 1, 'name': 'N', 'dimensions': {}, "
                 "'namespace': '', 'region': '', 'prefixMatching': false, 'statistics': "
                 "['Min', 'Max']}]}"),
              "annotations/list",
              "[{'builtIn': 1, 'name': 'N - Min', 'dimensions': {}, 'namespace': '', 'region': '', "
              "'prefixMatching': false, 'statistic': 'Min'}, {'builtIn': 1, 'name': 'N - Max', "
              "'dimensions': {}, 'namespace': '', 'region': '', 'prefixMatching': false, "
              "'statistic': 'Max'}]");
}

/* ---- variables ---- */

static yyjson_mut_val *variable_of(struct arena *a, int version, const char *variable)
{
    return at(of(a, version, arena_printf(a, "'templating': {'list': [%s]}", variable)),
              "templating/list/0");
}

static void test_variables(void **state)
{
    struct arena *a = *state;
    static const struct {
        int version;
        const char *old, *want;
    } variables[] = {
        {22, "'type': 'custom', 'multi': true, 'current': {'text': 'a', 'value': 'a'}",
         "'type': 'custom', 'multi': true, 'current': {'text': ['a'], 'value': ['a']}"},
        {22, "'type': 'custom', 'multi': false, 'current': {'text': ['a', 'b'], 'value': []}",
         "'type': 'custom', 'multi': false, 'current': {'text': 'a', 'value': ''}"},
        {22, "'type': 'custom', 'multi': true, 'current': {}",
         "'type': 'custom', 'multi': true, 'current': {}"},
        {26, "'type': 'constant', 'query': 'q', 'hide': 0",
         "'type': 'textbox', 'query': 'q', 'hide': 0, 'current': {'selected': true, 'text': 'q', "
         "'value': 'q'}, 'options': [{'selected': true, 'text': 'q', 'value': 'q'}]"},
        {26, "'type': 'constant', 'hide': 2",
         "'type': 'constant', 'query': '', 'hide': 2, 'current': {'selected': true, 'text': '', "
         "'value': ''}"},
        {27,
         "'type': 'custom', 'tags': ['t'], 'tagsQuery': 'q', 'tagValuesQuery': '', 'useTags': "
         "true",
         "'type': 'custom', 'tagValuesQuery': ''"},
        {28, "'type': 'query', 'refresh': 0, 'options': [{'text': 'x'}], 'index': 4",
         "'type': 'query', 'refresh': 1, 'options': []"},
        {28, "'type': 'query', 'refresh': 2, 'datasource': null, 'current': {'value': ['a', null]}",
         "'type': 'query', 'refresh': 2, 'options': [], 'current': {}"},
        {41, "'type': 'datasource', 'options': [{'text': 'x'}]",
         "'type': 'datasource', 'options': []"},
    };
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        assert_same(a,
                    variable_of(a, variables[i].version, arena_printf(a, "{%s}", variables[i].old)),
                    parse(a, arena_printf(a, "{%s}", variables[i].want)));
    }
    yyjson_mut_val *made = of(a, 26,
                              "'panels': [{'id': 1}, {'id': 2, 'repeatPanelId': 1}, {'id': 3, "
                              "'repeatByRow': true}, {'id': 4, 'type': 'row', 'panels': "
                              "[{'id': 5, 'repeatPanelId': 1}, {'id': 6}]}]");
    assert_at(a, made, "panels", "[{'id': 1}, {'id': 4, 'type': 'row', 'panels': [{'id': 6}]}]");
}

/* ---- hostile ones ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static const char *const keys[] = {"panels",
                                   "rows",
                                   "type",
                                   "id",
                                   "gridPos",
                                   "targets",
                                   "datasource",
                                   "options",
                                   "fieldConfig",
                                   "defaults",
                                   "overrides",
                                   "properties",
                                   "mappings",
                                   "thresholds",
                                   "steps",
                                   "value",
                                   "text",
                                   "templating",
                                   "list",
                                   "annotations",
                                   "current",
                                   "multi",
                                   "links",
                                   "dataLinks",
                                   "fieldOptions",
                                   "legend",
                                   "span",
                                   "minSpan",
                                   "height",
                                   "collapse",
                                   "repeat",
                                   "options-gauge",
                                   "styles",
                                   "statistics",
                                   "dimensions",
                                   "namespace",
                                   "region",
                                   "metricName",
                                   "prefixMatching",
                                   "transformations",
                                   "refId",
                                   "custom",
                                   "displayMode",
                                   "libraryPanel",
                                   "refIdToStat",
                                   "query",
                                   "hide",
                                   "timepicker",
                                   "x",
                                   "y",
                                   "w",
                                   "h",
                                   "uid",
                                   "builtIn",
                                   "title",
                                   "url",
                                   "refresh",
                                   "name",
                                   "repeatPanelId",
                                   "xaxis"};
static const char *const texts[] = {"",
                                    "row",
                                    "graph",
                                    "table",
                                    "text2",
                                    "query",
                                    "constant",
                                    "custom",
                                    "hidden",
                                    "null",
                                    "1",
                                    "-3.5e3",
                                    "default",
                                    "mappings",
                                    "A",
                                    "ZZ",
                                    "timeseries",
                                    "gauge",
                                    "custom.displayMode",
                                    "custom.hideFrom",
                                    "labelsToFields",
                                    "timeSeriesTable",
                                    "999999999px",
                                    "__series_name",
                                    "$__field_name",
                                    "-- Mixed --"};

static yyjson_mut_val *random_value(yyjson_mut_doc *d, uint64_t *seed, unsigned depth)
{
    static const double numbers[] = {0,  1,  -1,  2.5, 1e308, -1e308, 9007199254740993.0,
                                     24, 31, 1e-9};
    uint64_t kind = next_random(seed) % (depth ? 12 : 7);
    if (kind < 2) {
        return yyjson_mut_str(d, texts[next_random(seed) % (sizeof(texts) / sizeof(*texts))]);
    }
    if (kind < 4) {
        return yyjson_mut_real(d, numbers[next_random(seed) % 10]);
    }
    if (kind == 4) {
        return yyjson_mut_sint(d, (int64_t)(next_random(seed) << 31));
    }
    if (kind < 7) {
        return kind == 5 ? yyjson_mut_null(d) : yyjson_mut_bool(d, next_random(seed) & 1);
    }
    yyjson_mut_val *v = kind < 9 ? yyjson_mut_arr(d) : yyjson_mut_obj(d);
    for (uint64_t n = next_random(seed) % 8; n; n--) {
        yyjson_mut_val *inner = random_value(d, seed, depth - 1);
        if (kind < 9) {
            yyjson_mut_arr_append(v, inner);
        } else {
            json_setz(d, v, keys[next_random(seed) % (sizeof(keys) / sizeof(*keys))], inner);
        }
    }
    return v;
}

/* Something of that key, more often of the right shape than by chance. */
static void put_random(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, uint64_t *seed)
{
    yyjson_mut_val *v = random_value(d, seed, 5);
    if (next_random(seed) % 4) {
        v = yyjson_mut_arr(d);
        for (uint64_t n = next_random(seed) % 6; n; n--) {
            yyjson_mut_val *inner = yyjson_mut_obj(d);
            for (size_t i = 0; i < 8; i++) {
                json_setz(d, inner, keys[next_random(seed) % (sizeof(keys) / sizeof(*keys))],
                          random_value(d, seed, 4));
            }
            yyjson_mut_arr_append(v, inner);
        }
    }
    json_setz(d, obj, key, v);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t seed = i * 7919 + 1;
        struct arena a;
        arena_init(&a, 0);
        yyjson_mut_doc *d = json_doc(&a);
        yyjson_mut_val *model = yyjson_mut_obj(d), *v2 = NULL;
        AUTO(err_finish) struct err err = {0};
        for (size_t k = 0; k < 6; k++) {
            json_setz(d, model, keys[next_random(&seed) % (sizeof(keys) / sizeof(*keys))],
                      random_value(d, &seed, 6));
        }
        put_random(d, model, i % 2 ? "panels" : "rows", &seed);
        put_random(d, json_ensure_obj(d, model, "templating"), "list", &seed);
        put_random(d, json_ensure_obj(d, model, "annotations"), "list", &seed);
        json_set_int(d, model, "schemaVersion", 13 + (int64_t)(i % 29));
        yyjson_mut_val *made = migrated(&a, model);
        assert_at(&a, made, "schemaVersion", "42");
        (void)model_to_v2(d, made, &v2, &err);
        arena_finish(&a);
    }
}

/* Would not end in time if anything were done for each pair of them. */
static void test_many(void **state)
{
    struct arena *a = *state;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{\"schemaVersion\": 13, \"rows\": [{\"title\": \"R\", \"showTitle\": true, "
                 "\"panels\": [{\"type\": \"graph\", \"fieldConfig\": {\"defaults\": "
                 "{\"thresholds\": {\"steps\": [");
    for (int i = 0; i < 50000; i++) {
        buf_printf(&b, "%s{\"value\": %d, \"color\": \"c%d\"}", i ? "," : "", i, i);
    }
    buf_addz(&b, "]}, \"mappings\": [");
    for (int i = 0; i < 50000; i++) {
        buf_printf(&b, "%s{\"type\": 1, \"value\": \"%d\", \"text\": \"%d\"}", i ? "," : "", i, i);
    }
    buf_addz(&b, "]}}}");
    for (int i = 0; i < 50000; i++) {
        buf_printf(&b, ",{\"id\": %d, \"type\": \"graph\", \"datasource\": \"P\", \"span\": 3}",
                   i / 2);
    }
    buf_addz(&b, "]}]}");
    yyjson_mut_val *made = migrated(a, parse(a, arena_str(a, buf_str(&b)).ptr));
    assert_int_equal(json_size(at(made, "panels")), 50002);
    assert_at(a, made, "panels/1/fieldConfig/defaults/mappings/0/options/49999",
              "{'text': '49999', 'color': 'c49999'}");
    assert_at(a, made, "panels/50001/datasource", "{'uid': 'P'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mappings),  cmocka_unit_test(test_fields),
        cmocka_unit_test(test_sources),   cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_variables), cmocka_unit_test(test_random),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
