/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions of dashboards' models: real ones there and back, and what each part becomes. */
#include "services/dashboards/model_priv.h"

#include "services/dashboards/test_values.h"

#include <dirent.h>

#include "base/file.h"

typedef int convert_fn(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val **ret,
                       struct err *err);

static yyjson_mut_val *converted(struct arena *a, convert_fn *convert, const yyjson_mut_val *v)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *ret = NULL;
    if (convert(d, json_copy(d, v), &ret, &err)) {
        fail_msg("%s: %s", err_message(&err), show(a, v));
    }
    return json_copy(json_doc(a), ret);
}

static yyjson_mut_val *to_v2(struct arena *a, const yyjson_mut_val *v)
{
    return converted(a, model_to_v2, v);
}

static yyjson_mut_val *to_v1(struct arena *a, const yyjson_mut_val *v)
{
    return converted(a, model_to_v1, v);
}

/* ---- real ones ---- */

static bool says_nothing(const yyjson_mut_val *v)
{
    return (json_is_obj(v) || json_is_arr(v) ? json_size(v) == 0
                                             : yyjson_mut_is_false(json_mut(v))) ||
           (json_is_str(v) && !json_str(v).len);
}

/* Whether everything that `v` has is in `back` too, but for what says nothing and a data source
 * given by its name alone. */
static bool keeps(const yyjson_mut_val *v, const yyjson_mut_val *back, struct str key,
                  struct buf *lost)
{
    struct json_iter it = json_iter(v);
    if (str_is(key, "datasource") && json_is_str(v) && json_is_obj(back)) {
        return str_eq(json_str(v), json_get_str(back, "uid"));
    }
    if (!back && says_nothing(v)) {
        return true;
    }
    bool kept = json_is_obj(v)   ? json_is_obj(back)
                : json_is_arr(v) ? json_is_arr(back) && json_size(v) == json_size(back)
                                 : json_equal(v, back);
    while (kept && (json_is_obj(v) || json_is_arr(v)) && json_next(&it)) {
        kept = keeps(it.val,
                     it.key ? json_getn(back, json_str(it.key))
                            : yyjson_mut_arr_get(json_mut(back), it.index),
                     json_str(it.key), lost);
    }
    if (!kept) {
        buf_printf(lost, " < %.*s", STR_FMT(key));
    }
    return kept;
}

static void round_trip(struct arena *a, const char *name, const yyjson_mut_val *model)
{
    AUTO(buf_finish) struct buf lost = {0};
    yyjson_mut_val *v2 = to_v2(a, model), *back = to_v1(a, v2);
    if (!keeps(model, back, STR_NULL, &lost)) {
        fail_msg("%s: lost%.*s", name, STR_FMT(buf_str(&lost)));
    }
    /* From there on nothing moves any more. */
    assert_same(a, to_v2(a, back), v2);
    assert_same(a, to_v1(a, to_v2(a, back)), back);
    /* The shapes of v2 hold the same. */
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *shape = json_copy(d, v2);
    shape_v2_to_v2beta1(d, shape);
    yyjson_mut_val *beta = json_copy(d, shape);
    shape_v2beta1_to_v2alpha1(d, shape);
    assert_false(json_equal(shape, beta));
    shape_v2alpha1_to_v2beta1(d, shape);
    assert_same(a, shape, beta);
    shape_v2beta1_to_v2(d, shape);
    assert_same(a, shape, v2);
}

static void test_real(void **state)
{
    const char *dir = getenv("CORACLE_DASHBOARDS");
    if (!dir) {
        const char *here = __FILE__, *slash = strrchr(here, '/');
        dir = arena_printf(*state, "%.*s/../../tests/data/dashboards", (int)(slash - here), here);
    }
    DIR *files = opendir(dir);
    const struct dirent *e;
    size_t n = 0;
    assert_non_null(files);
    while ((e = readdir(files))) {
        AUTO(buf_finish) struct buf text = {0};
        if (str_ends(str_from(e->d_name), STR(".json"))) {
            char *path = arena_printf(*state, "%s/%s", dir, e->d_name);
            assert_int_equal(file_read(path, 1 << 22, &text, NULL), 0);
            round_trip(*state, e->d_name, read_json(*state, buf_str(&text)));
            n++;
        }
    }
    closedir(files);
    assert_true(n >= 3);
}

/* ---- parts ---- */

static void test_panel(void **state)
{
    yyjson_mut_val *v2 = to_v2(
        *state,
        parse(*state,
              "{'title':'T','panels':[{'id':3,'type':'stat','title':'S','description':'D',"
              "'transparent':true,'pluginVersion':'11.4.0','interval':'1m','maxDataPoints':100,"
              "'timeFrom':null,'repeat':'ns','repeatDirection':'v','maxPerRow':4,"
              "'gridPos':{'x':6,'y':2,'w':12,'h':8},'options':{'a':1},'fieldConfig':{'defaults':"
              "{'unit':'s'},'overrides':[]},'datasource':{'type':'prometheus','uid':'P'},"
              "'targets':[{'expr':'up','hide':true},{'expr':'down','refId':'A',"
              "'datasource':{'type':'loki','uid':'L'}}],'transformations':[{'id':'merge',"
              "'options':{},'disabled':true}],'legend':{'show':true}}]}"));
    yyjson_mut_val *spec = at(v2, "elements/panel-3/spec");
    assert_at(*state, v2, "elements/panel-3/kind", "'Panel'");
    assert_at(*state, spec, "id", "3");
    assert_at(*state, spec, "transparent", "true");
    assert_at(*state, spec, "vizConfig",
              "{'kind':'VizConfig','group':'stat','version':'11.4.0','spec':{'options':{'a':1},"
              "'fieldConfig':{'defaults':{'unit':'s'},'overrides':[]}}}");
    assert_at(*state, spec, "data/spec/queryOptions", "{'interval':'1m','maxDataPoints':100}");
    assert_at(*state, spec, "data/spec/queries/0",
              "{'kind':'PanelQuery','spec':{'refId':'B','hidden':true,'query':{'kind':'DataQuery',"
              "'group':'prometheus','version':'v0','datasource':{'name':'P'},"
              "'spec':{'expr':'up'}}}}");
    assert_at(*state, spec, "data/spec/queries/1/spec/query/datasource", "{'name':'L'}");
    assert_at(*state, spec, "data/spec/transformations",
              "[{'kind':'Transformation','group':'merge','spec':{'options':{},'disabled':true}}]");
    assert_at(*state, spec, "__v1",
              "{'legend':{'show':true},'timeFrom':null,"
              "'datasource':{'type':'prometheus','uid':'P'}}");
    assert_at(*state, v2, "layout",
              "{'kind':'GridLayout','spec':{'items':[{'kind':'GridLayoutItem','spec':{'x':6,'y':2,"
              "'width':12,'height':8,'element':{'kind':'ElementReference','name':'panel-3'},"
              "'repeat':{'mode':'variable','value':'ns','direction':'v','maxPerRow':4}}}]}}");
    /* The queries differ, so the panel's own source would hide one of them. */
    assert_at(*state, to_v1(*state, v2), "panels/0/datasource",
              "{'type':'datasource','uid':'-- Mixed --'}");
}

static void test_library_panel(void **state)
{
    yyjson_mut_val *model =
        parse(*state, "{'title':'T','panels':[{'id':1,'title':'L','gridPos':{'x':0,'y':0,'w':1,"
                      "'h':2},'libraryPanel':{'uid':'u','name':'n'},'repeatDirection':'h'}]}");
    yyjson_mut_val *v2 = to_v2(*state, model);
    assert_at(*state, v2, "elements/panel-1",
              "{'kind':'LibraryPanel','spec':{'id':1,'title':'L','libraryPanel':{'uid':'u',"
              "'name':'n'},'__v1':{'repeatDirection':'h'}}}");
    assert_same(*state, at(to_v1(*state, v2), "panels"), at(model, "panels"));
}

/* Ids that stand twice, are no numbers or are not there. */
static void test_ids(void **state)
{
    yyjson_mut_val *v2 = to_v2(
        *state, parse(*state, "{'title':'T','panels':[{'id':7},{'id':7},{},{'id':'x'},{'id':7}]}"));
    assert_at(*state, v2, "elements/panel-7/spec/id", "7");
    assert_at(*state, v2, "elements/panel-7-2/spec/id", "7");
    assert_at(*state, v2, "elements/panel-8/spec/id", "8");
    assert_at(*state, v2, "elements/panel-9/spec/id", "9");
    assert_int_equal(json_size(at(v2, "elements")), 5);
    assert_int_equal(json_size(at(v2, "layout/spec/items")), 5);
    assert_at(*state, to_v1(*state, v2), "panels/2/id", "8");
}

static void test_rows(void **state)
{
    yyjson_mut_val *v2 = to_v2(
        *state,
        parse(*state,
              "{'title':'T','panels':[{'id':1,'gridPos':{'x':0,'y':0,'w':6,'h':4}},"
              "{'id':2,'type':'row','title':'R','collapsed':false,'repeat':'host',"
              "'gridPos':{'x':0,'y':4,'w':24,'h':1},'panels':[]},"
              "{'id':3,'gridPos':{'x':6,'y':7,'w':6,'h':4}},"
              "{'id':4,'type':'row','title':'C','collapsed':true,'gridPos':{'x':0,'y':11,'w':24,"
              "'h':1},'panels':[{'id':5,'gridPos':{'x':0,'y':12,'w':6,'h':4}}]}]}"));
    assert_at(*state, v2, "layout/kind", "'RowsLayout'");
    assert_at(*state, v2, "layout/spec/rows/0/spec/hideHeader", "true");
    assert_at(*state, v2, "layout/spec/rows/1/spec/title", "'R'");
    assert_at(*state, v2, "layout/spec/rows/1/spec/repeat", "{'mode':'variable','value':'host'}");
    assert_at(*state, v2, "layout/spec/rows/1/spec/layout/spec/items/0/spec/y", "2");
    assert_at(*state, v2, "layout/spec/rows/2/spec/collapse", "true");
    assert_at(*state, v2, "layout/spec/rows/2/spec/layout/spec/items/0/spec/y", "0");
    yyjson_mut_val *back = to_v1(*state, v2);
    assert_int_equal(json_size(at(back, "panels")), 4);
    assert_at(*state, back, "panels/1/id", "2");
    assert_at(*state, back, "panels/1/repeat", "'host'");
    assert_at(*state, back, "panels/2/gridPos", "{'x':6,'y':7,'w':6,'h':4}");
    assert_at(*state, back, "panels/3/panels/0/gridPos", "{'x':0,'y':12,'w':6,'h':4}");
}

#define ELEMENT(id_)                                                                               \
    "{'kind':'Panel','spec':{'id':" id_ ",'title':'','links':[],'data':{'kind':'QueryGroup',"      \
    "'spec':{'queries':[],'transformations':[],'queryOptions':{}}},'vizConfig':{'kind':"           \
    "'VizConfig','group':'text','version':'','spec':{'options':{},'fieldConfig':{'defaults':{},"   \
    "'overrides':[]}}}}}"
#define REF(name_) "'element':{'kind':'ElementReference','name':'" name_ "'}"

/* What v1 has no layout for is laid out in its grid: tabs below each other, an automatic grid by
 * its columns. */
static void test_flattened(void **state)
{
    yyjson_mut_val *v1 = to_v1(
        *state,
        parse(
            *state,
            "{'title':'T','elements':{'a':" ELEMENT("1") ",'b':" ELEMENT("2") ",'c':" ELEMENT(
                "3") ",'d':" ELEMENT("9") "},'layout':{'kind':'TabsLayout','spec':{'tabs':["
                                          "{'kind':'TabsLayoutTab','spec':{'title':'One','layout':{"
                                          "'kind':"
                                          "'AutoGridLayout','spec':{'maxColumnCount':2,'"
                                          "rowHeightMode':'short',"
                                          "'items':[{'spec':{" REF("a") "}},{'spec':{" REF(
                                              "b") ",'repeat':{'mode':'variable','value':'v'}}},{'"
                                                   "spec':{" REF("c") "}}]}}}},{'kind':'"
                                                                      "TabsLayoutTab','spec':{'"
                                                                      "title':'Two','layout':{'"
                                                                      "kind':"
                                                                      "'GridLayout','spec':{'items'"
                                                                      ":[{'spec':{'x':1,'y':0,'"
                                                                      "width':2,'height':3," REF(
                                                                          "d") "}}]}}}}]}}}"));
    assert_int_equal(json_size(at(v1, "panels")), 6);
    assert_at(*state, v1, "panels/0/title", "'One'");
    assert_at(*state, v1, "panels/0/id", "10");
    assert_at(*state, v1, "panels/1/gridPos", "{'x':0,'y':1,'w':12,'h':5}");
    assert_at(*state, v1, "panels/2/gridPos", "{'x':12,'y':1,'w':12,'h':5}");
    assert_at(*state, v1, "panels/2/repeat", "'v'");
    assert_at(*state, v1, "panels/2/maxPerRow", "2");
    assert_at(*state, v1, "panels/3/gridPos", "{'x':0,'y':6,'w':12,'h':5}");
    assert_at(*state, v1, "panels/4/gridPos", "{'x':0,'y':11,'w':24,'h':1}");
    assert_at(*state, v1, "panels/5/gridPos", "{'x':1,'y':12,'w':2,'h':3}");
    assert_at(*state, v1, "schemaVersion", "42");
}

static void test_folded(void **state)
{
    yyjson_mut_val *v1 = to_v1(
        *state, parse(*state, "{'title':'T','elements':{'a':" ELEMENT(
                                  "1") "},'layout':{'kind':'RowsLayout','spec':{'rows':[{'spec':"
                                       "{'title':'Out','collapse':true,'layout':{'kind':"
                                       "'RowsLayout','spec':{'rows':[{'spec':{'title':'In',"
                                       "'layout':{'kind':'GridLayout','spec':{'items':[{'spec':"
                                       "{'x':0,'y':9000000000000000000,'width':1,'height':1," REF(
                                           "a") "}}]}}}}]}}}}]}}}"));
    assert_int_equal(json_size(at(v1, "panels")), 1);
    assert_at(*state, v1, "panels/0/panels/0/id", "1"); /* no row within the collapsed one */
    assert_at(*state, v1, "panels/0/panels/0/gridPos/y", "1000000001");
}

static void test_variables(void **state)
{
    yyjson_mut_val *model = parse(
        *state,
        "{'title':'T','templating':{'list':["
        "{'type':'query','name':'q','hide':2,'refresh':1,'sort':3,'query':'label_values(up)',"
        "'datasource':{'type':'prometheus','uid':'${ds}'},'label':null,'tagsQuery':'x',"
        "'current':{'selected':true,'text':['All'],'value':['$__all']},'includeAll':true},"
        "{'type':'datasource','name':'ds','query':'prometheus'},"
        "{'type':'system','name':'odd'},"
        "{'type':'interval','name':'i','query':'1m,5m','auto':true,'auto_count':30,"
        "'auto_min':'10s','refresh':2},"
        "{'type':'textbox','name':'t','query':'x'},"
        "{'type':'custom','name':'c','query':'a,b','multi':true},"
        "{'type':'adhoc','name':'h','datasource':{'type':'loki','uid':'L'},'filters':[]},"
        "{'type':'switch','name':'s','current':{'text':'no','value':'no'},'options':["
        "{'text':'yes','value':'yes'},{'text':'no','value':'no'}]},"
        "{'type':'query','name':'o','query':{'query':'x','refId':'R'},'datasource':'Old'}]}}");
    yyjson_mut_val *v2 = to_v2(*state, model), *list = at(v2, "variables");
    assert_int_equal(json_size(list), 8);
    assert_at(*state, list, "0/kind", "'QueryVariable'");
    assert_at(*state, list, "0/spec/hide", "'hideVariable'");
    assert_at(*state, list, "0/spec/refresh", "'onDashboardLoad'");
    assert_at(*state, list, "0/spec/sort", "'numericalAsc'");
    assert_at(*state, list, "0/spec/query",
              "{'kind':'DataQuery','group':'prometheus','version':'v0','datasource':{'name':"
              "'${ds}'},'spec':{'__legacyStringValue':'label_values(up)'}}");
    assert_at(*state, list, "0/spec/__v1", "{'label':null,'tagsQuery':'x'}");
    assert_at(*state, list, "1/spec/pluginId", "'prometheus'");
    assert_at(*state, list, "2/spec/auto_count", "30");
    assert_at(*state, list, "5/group", "'loki'");
    assert_at(*state, list, "5/datasource", "{'name':'L'}");
    assert_at(*state, list, "6/spec/enabledValue", "'yes'");
    assert_at(*state, list, "6/spec/current", "'no'");
    yyjson_mut_val *back = at(to_v1(*state, v2), "templating/list");
    assert_at(*state, back, "0/query", "'label_values(up)'");
    assert_at(*state, back, "0/hide", "2");
    assert_at(*state, back, "0/label", "null");
    assert_at(*state, back, "0/tagsQuery", "'x'");
    assert_at(*state, back, "7/query", "{'query':'x','refId':'R'}");
    assert_at(*state, back, "7/datasource", "{'uid':'Old'}");
    assert_at(*state, back, "8", "{'type':'system','name':'odd'}"); /* unknown ones come last */
    assert_same(*state, to_v2(*state, to_v1(*state, v2)), v2);
}

static void test_annotations(void **state)
{
    yyjson_mut_val *model = parse(
        *state, "{'title':'T','annotations':{'list':[{'builtIn':1,'name':'A','enable':true,"
                "'hide':false,'iconColor':'red','type':'dashboard','datasource':{'type':'grafana',"
                "'uid':'-- Grafana --'},'target':{'limit':100},'expr':'up'}]}}");
    yyjson_mut_val *v2 = to_v2(*state, model);
    assert_at(*state, v2, "annotations/0/spec",
              "{'builtIn':true,'name':'A','enable':true,'hide':false,'iconColor':'red','query':"
              "{'kind':'DataQuery','group':'grafana','version':'v0','datasource':{'name':"
              "'-- Grafana --'},'spec':{'limit':100}},"
              "'legacyOptions':{'type':'dashboard','expr':'up'}}");
    assert_same(*state, at(to_v1(*state, v2), "annotations"), at(model, "annotations"));
}

static void test_settings(void **state)
{
    yyjson_mut_val *v2 = to_v2(
        *state, parse(*state, "{'title':'T','graphTooltip':1,'refresh':'30s','timezone':'utc',"
                              "'time':{'from':'now-1h'},'weekStart':'monday','schemaVersion':36,"
                              "'timepicker':{'hidden':true,'nowDelay':'1m','time_options':['5m'],"
                              "'refresh_intervals':['1m']},'links':[{'title':'L','type':'link',"
                              "'url':'/x','icon':null}],'style':'dark','tags':['a']}"));
    assert_at(*state, v2, "cursorSync", "'Crosshair'");
    assert_at(*state, v2, "timeSettings",
              "{'from':'now-1h','to':'now','timezone':'utc','autoRefresh':'30s','weekStart':"
              "'monday','fiscalYearStartMonth':0,'autoRefreshIntervals':['1m'],'hideTimepicker':"
              "true,'nowDelay':'1m','__v1':{'time_options':['5m']}}");
    assert_at(*state, v2, "links/0",
              "{'title':'L','type':'link','url':'/x','icon':'','tooltip':'','tags':[],'asDropdown':"
              "false,'targetBlank':false,'includeVars':false,'keepTime':false,'__v1':{'icon':"
              "null}}");
    assert_at(*state, v2, "__v1", "{'schemaVersion':36,'style':'dark'}");
    yyjson_mut_val *back = to_v1(*state, v2);
    assert_at(*state, back, "graphTooltip", "1");
    assert_at(*state, back, "links/0/icon", "null");
    assert_at(*state, back, "timepicker/time_options", "['5m']");
    assert_at(*state, back, "schemaVersion", "36");
}

/* Members of v2 alone survive a stay in v1. */
static void test_v2_only(void **state)
{
    yyjson_mut_val *v2 = to_v2(
        *state, parse(*state, "{'title':'T','templating':{'list':[{'type':'query','name':'q',"
                              "'query':'x'}]},'panels':[{'id':1,'targets':[{'refId':'A'}]}]}"));
    yyjson_mut_doc *d = json_doc(*state);
    json_set_str(d, at(v2, "variables/0/spec"), "origin", STR("o"));
    json_setz(d, v2, "preferences", parse(*state, "{'layout':1}"));
    json_set_str(d, at(v2, "elements/panel-1/spec/data/spec/queries/0/spec/query"), "version",
                 STR("v2"));
    json_setz(d, at(v2, "elements/panel-1/spec"), "novel", parse(*state, "[1]"));
    yyjson_mut_val *v1 = to_v1(*state, v2);
    assert_at(*state, v1, "__v2", "{'preferences':{'layout':1}}");
    assert_same(*state, to_v2(*state, v1), v2);
}

static void test_alpha(void **state)
{
    yyjson_mut_doc *d = json_doc(*state);
    yyjson_mut_val *v = to_v2(
        *state, parse(*state, "{'title':'T','panels':[{'id':1,'type':'stat','targets':[{'refId':"
                              "'A','expr':'up','datasource':{'type':'prometheus','uid':'P'}}],"
                              "'transformations':[{'id':'merge','options':{}}]}],'templating':"
                              "{'list':[{'type':'groupby','name':'g','datasource':{'type':'loki'}"
                              "}]}}"));
    shape_v2_to_v2beta1(d, v);
    assert_at(*state, v, "elements/panel-1/spec/data/spec/transformations/0",
              "{'kind':'merge','spec':{'options':{},'id':'merge'}}");
    shape_v2beta1_to_v2alpha1(d, v);
    assert_at(*state, v, "elements/panel-1/spec/data/spec/queries/0/spec",
              "{'refId':'A','hidden':false,'query':{'kind':'prometheus','spec':{'expr':'up'}},"
              "'datasource':{'type':'prometheus','uid':'P'}}");
    assert_at(*state, v, "elements/panel-1/spec/vizConfig/kind", "'stat'");
    assert_at(*state, v, "variables/0/spec/datasource", "{'type':'loki'}");
    shape_v2alpha1_to_v2beta1(d, v);
    assert_at(*state, v, "variables/0/group", "'loki'");
    assert_at(*state, v, "elements/panel-1/spec/vizConfig/group", "'stat'");
}

/* ---- what cannot be converted ---- */

static void refused(struct arena *a, convert_fn *convert, const char *json, const char *want)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_val *ret = NULL;
    assert_int_equal(convert(json_doc(a), parse(a, json), &ret, &err), ERR_INVALID);
    assert_string_equal(err_message(&err), want);
}

static void test_refused(void **state)
{
    refused(*state, model_to_v2, "{'panels':[{'id':1},3]}", "spec.panels[1] is not an object");
    refused(*state, model_to_v2, "{'panels':{}}", "spec.panels is not a list");
    refused(*state, model_to_v2, "{'panels':[{'type':'row','panels':[null]}]}",
            "spec.panels[].panels[0] is not an object");
    refused(
        *state, model_to_v1,
        "{'elements':{},'layout':{'kind':'GridLayout','spec':{'items':[{'spec':{" REF("a") "}}]}}}",
        "panel with uid a not found in the dashboard elements");
    refused(*state, model_to_v1,
            "{'elements':{'a':" ELEMENT("1") "},'layout':{'kind':'GridLayout','spec':{'items':["
                                             "{'spec':{" REF("a") "}},{'spec':{" REF("a") "}}]}}}",
            "panel with uid a is placed more than once");
    refused(*state, model_to_v1,
            "{'elements':{'a':{'kind':'Odd'}},'layout':{'kind':'GridLayout','spec':{'items':["
            "{'spec':{" REF("a") "}}]}}}",
            "element a is of unknown kind \"Odd\"");
    refused(*state, model_to_v1, "{'layout':{'kind':'Odd'}}",
            "the layout is of unknown kind \"Odd\"");
    refused(*state, model_to_v1, "{'variables':[{'kind':'Odd'}]}",
            "variables[0] is of unknown kind \"Odd\"");
}

/* Anything at all may stand anywhere; nothing breaks by it. */
static void test_odd(void **state)
{
    static const char *const values[] = {"null", "1",    "'x'",        "[]",
                                         "{}",   "[1]",  "{'list':1}", "{'list':[1,null,{}]}",
                                         "true", "[{}]", "[[]]"};
    static const char *const v1[] = {"title",      "tags",        "links",   "time", "timepicker",
                                     "templating", "annotations", "refresh", "id",   "__v2"};
    static const char *const v2[] = {"title",       "links", "timeSettings", "elements",
                                     "annotations", "__v1",  "tags"};
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        for (size_t k = 0; k < sizeof(v1) / sizeof(*v1); k++) {
            yyjson_mut_val *made = to_v2(
                *state,
                parse(*state, arena_printf(*state,
                                           "{'%s':%s,'panels':[{'%s':%s,'targets':[{'%s':"
                                           "%s}]}]}",
                                           v1[k], values[i], v1[k], values[i], v1[k], values[i])));
            to_v1(*state, made);
        }
        for (size_t k = 0; k < sizeof(v2) / sizeof(*v2); k++) {
            yyjson_mut_val *made =
                parse(*state, arena_printf(*state, "{'%s':%s}", v2[k], values[i]));
            to_v1(*state, made);
            shape_v2_to_v2beta1(json_doc(*state), made);
            shape_v2beta1_to_v2alpha1(json_doc(*state), made);
            shape_v2alpha1_to_v2beta1(json_doc(*state), made);
            shape_v2beta1_to_v2(json_doc(*state), made);
        }
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_real),        T(test_panel),     T(test_library_panel), T(test_ids),
        T(test_rows),        T(test_flattened), T(test_folded),        T(test_variables),
        T(test_annotations), T(test_settings),  T(test_v2_only),       T(test_alpha),
        T(test_refused),     T(test_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
