/* SPDX-License-Identifier: Apache-2.0 */
/* Variables of each type by its table; what differs in more than names (queries, data sources,
 * switches) beside it. */
#include "services/dashboards/variables_priv.h"

#include "services/dashboards/members_priv.h"
#include "services/dashboards/queries_priv.h"

/* Where v2 keeps a query that v1 has as a text. */
#define LEGACY_TEXT "__legacyStringValue"

#define ROW(v1_, v2_, kind_, or_)                                                                  \
    {                                                                                              \
        (v1_), (v2_), MEMBER_##kind_, (or_), false                                                 \
    }
#define SAME(name_, kind_, or_) ROW(name_, name_, kind_, or_)
#define TAKEN_V1(name_) ROW(name_, NULL, TAKEN, OR_NOTHING)
#define TAKEN_V2(name_) ROW(NULL, name_, TAKEN, OR_NOTHING)
/* What every variable has. */
#define COMMON                                                                                     \
    TAKEN_V1("type"), SAME("name", TEXT, OR_TEXT), SAME("label", TEXT, OR_NOTHING),                \
        SAME("description", TEXT, OR_NOTHING), SAME("hide", HIDE, OR_WORD),                        \
        SAME("skipUrlSync", BOOL, OR_FALSE)

static const struct member query_rows[] = {
    COMMON,
    SAME("current", OBJECT, OR_OPTION),
    SAME("options", LIST, OR_LIST),
    SAME("multi", BOOL, OR_FALSE),
    SAME("includeAll", BOOL, OR_FALSE),
    SAME("allValue", TEXT, OR_NOTHING),
    SAME("refresh", REFRESH, OR_WORD),
    SAME("sort", SORT, OR_WORD),
    SAME("regex", TEXT, OR_TEXT),
    SAME("regexApplyTo", TEXT, OR_NOTHING),
    SAME("definition", TEXT, OR_NOTHING),
    SAME("placeholder", TEXT, OR_NOTHING),
    SAME("allowCustomValue", BOOL, OR_TRUE),
    SAME("staticOptions", LIST, OR_NOTHING),
    SAME("staticOptionsOrder", TEXT, OR_NOTHING),
    TAKEN_V1("datasource"),
    ROW("query", "query", TAKEN, OR_NOTHING),
};
static const struct member source_rows[] = {
    COMMON,
    ROW("query", "pluginId", TEXT, OR_TEXT),
    SAME("current", OBJECT, OR_OPTION),
    SAME("options", LIST, OR_LIST),
    SAME("multi", BOOL, OR_FALSE),
    SAME("includeAll", BOOL, OR_FALSE),
    SAME("allValue", TEXT, OR_NOTHING),
    SAME("refresh", REFRESH, OR_WORD),
    SAME("regex", TEXT, OR_TEXT),
    SAME("allowCustomValue", BOOL, OR_TRUE),
};
static const struct member custom_rows[] = {
    COMMON,
    SAME("query", TEXT, OR_TEXT),
    SAME("current", OBJECT, OR_OPTION),
    SAME("options", LIST, OR_LIST),
    SAME("multi", BOOL, OR_FALSE),
    SAME("includeAll", BOOL, OR_FALSE),
    SAME("allValue", TEXT, OR_NOTHING),
    SAME("allowCustomValue", BOOL, OR_TRUE),
    SAME("valuesFormat", TEXT, OR_NOTHING),
};
static const struct member text_rows[] = {
    COMMON,
    SAME("query", TEXT, OR_TEXT),
    SAME("current", OBJECT, OR_OPTION),
};
static const struct member interval_rows[] = {
    COMMON,
    SAME("query", TEXT, OR_TEXT),
    SAME("current", OBJECT, OR_OPTION),
    SAME("options", LIST, OR_LIST),
    SAME("auto", BOOL, OR_FALSE),
    SAME("auto_min", TEXT, OR_TEXT),
    SAME("auto_count", NUMBER, OR_ZERO),
    SAME("refresh", REFRESH, OR_WORD),
};
static const struct member group_by_rows[] = {
    COMMON,
    SAME("current", OBJECT, OR_OPTION),
    SAME("defaultValue", OBJECT, OR_NOTHING),
    SAME("options", LIST, OR_LIST),
    SAME("multi", BOOL, OR_FALSE),
    TAKEN_V1("datasource"),
};
static const struct member adhoc_rows[] = {
    COMMON,
    SAME("baseFilters", LIST, OR_LIST),
    SAME("filters", LIST, OR_LIST),
    SAME("defaultKeys", LIST, OR_LIST),
    SAME("allowCustomValue", BOOL, OR_TRUE),
    SAME("enableGroupBy", BOOL, OR_NOTHING),
    TAKEN_V1("datasource"),
};
static const struct member switch_rows[] = {
    COMMON,
    TAKEN_V1("current"),
    TAKEN_V1("options"),
    TAKEN_V2("current"),
    TAKEN_V2("enabledValue"),
    TAKEN_V2("disabledValue"),
};

static const struct variable_type {
    const char *type, *kind;
    struct members members;
} types[] = {
    {"query", "QueryVariable", MEMBERS(query_rows, true)},
    {"datasource", "DatasourceVariable", MEMBERS(source_rows, true)},
    {"custom", "CustomVariable", MEMBERS(custom_rows, true)},
    {"textbox", "TextVariable", MEMBERS(text_rows, true)},
    {"constant", "ConstantVariable", MEMBERS(text_rows, true)},
    {"interval", "IntervalVariable", MEMBERS(interval_rows, true)},
    {"groupby", "GroupByVariable", MEMBERS(group_by_rows, true)},
    {"adhoc", "AdhocVariable", MEMBERS(adhoc_rows, true)},
    {"switch", "SwitchVariable", MEMBERS(switch_rows, true)},
};

static const struct variable_type *find(struct str name, bool kind)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (str_is(name, kind ? types[i].kind : types[i].type)) {
            return &types[i];
        }
    }
    return NULL;
}

/* ---- what the tables do not say ---- */

static yyjson_mut_val *query_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *model)
{
    const yyjson_mut_val *query = json_get(model, "query");
    yyjson_mut_val *spec = json_is_obj(query) ? members_lift(d, query) : yyjson_mut_obj(d);
    if (json_str(query).len) {
        members_put_text(d, spec, LEGACY_TEXT, json_str(query));
    }
    return query_make(d, source_of_v1(json_get(model, "datasource")), spec);
}

static void query_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *query, yyjson_mut_val *model)
{
    const yyjson_mut_val *spec = json_get(query, "spec"), *text = json_get(spec, LEGACY_TEXT);
    members_put(d, model, "datasource", source_to_v1(d, source_of_v2(query)));
    if (json_is_str(text)) {
        members_put(d, model, "query", members_lift(d, text));
    } else if (json_size(spec)) {
        members_put(d, model, "query", members_lift(d, spec));
    } else {
        members_put_text(d, model, "query", STR(""));
    }
}

static struct str option_text(const yyjson_mut_val *option, struct str fallback)
{
    struct str value = json_get_str(option, "value"), text = json_get_str(option, "text");
    return value.len ? value : text.len ? text : fallback;
}

/* v1: the first option is "on", the second "off". */
static void switch_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *model, yyjson_mut_val *spec)
{
    const yyjson_mut_val *options = json_get(model, "options");
    struct str on = option_text(yyjson_mut_arr_get(json_mut(options), 0), STR("true"));
    struct str off = option_text(yyjson_mut_arr_get(json_mut(options), 1), STR("false"));
    members_put_text(d, spec, "current", option_text(json_get(model, "current"), off));
    members_put_text(d, spec, "enabledValue", on);
    members_put_text(d, spec, "disabledValue", off);
}

static yyjson_mut_val *option_make(yyjson_mut_doc *d, struct str value)
{
    yyjson_mut_val *v = yyjson_mut_obj(d);
    members_put_text(d, v, "text", value);
    members_put_text(d, v, "value", value);
    return v;
}

static void switch_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val *model)
{
    yyjson_mut_val *options = yyjson_mut_arr(d);
    yyjson_mut_arr_append(options, option_make(d, json_get_str(spec, "enabledValue")));
    yyjson_mut_arr_append(options, option_make(d, json_get_str(spec, "disabledValue")));
    members_put(d, model, "current", option_make(d, json_get_str(spec, "current")));
    members_put(d, model, "options", options);
}

static bool has_source(const struct variable_type *t)
{
    return str_is(str_from(t->type), "groupby") || str_is(str_from(t->type), "adhoc");
}

/* ---- one variable ---- */

static yyjson_mut_val *variable_to_v2(yyjson_mut_doc *d, const struct variable_type *t,
                                      const yyjson_mut_val *model)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d), *rest = NULL;
    yyjson_mut_val *v = members_kind(d, t->kind, NULL);
    members_to_v2(d, &t->members, model, spec, &rest);
    if (str_is(str_from(t->type), "query")) {
        members_put(d, spec, "query", query_to_v2(d, model));
    } else if (str_is(str_from(t->type), "switch")) {
        switch_to_v2(d, model, spec);
    } else if (has_source(t)) {
        source_put_v2(d, v, source_of_v1(json_get(model, "datasource")));
    }
    members_restore(d, spec, json_get(model, MEMBERS_OF_V2));
    members_put(d, spec, MEMBERS_OF_V1, rest);
    members_put(d, v, "spec", spec);
    return v;
}

static yyjson_mut_val *variable_to_v1(yyjson_mut_doc *d, const struct variable_type *t,
                                      const yyjson_mut_val *v)
{
    const yyjson_mut_val *spec = json_get(v, "spec"), *kept = json_get(spec, MEMBERS_OF_V1);
    yyjson_mut_val *model = yyjson_mut_obj(d), *rest = NULL;
    members_put_text(d, model, "type", str_from(t->type));
    members_to_v1(d, &t->members, spec, model, kept, &rest);
    if (str_is(str_from(t->type), "query")) {
        query_to_v1(d, json_get(spec, "query"), model);
    } else if (str_is(str_from(t->type), "switch")) {
        switch_to_v1(d, spec, model);
    } else if (has_source(t)) {
        members_put(d, model, "datasource", source_to_v1(d, source_of_v2(v)));
    }
    members_restore(d, model, kept);
    members_put(d, model, MEMBERS_OF_V2, rest);
    return model;
}

/* ---- the list ---- */

static yyjson_mut_val *list_make(yyjson_mut_doc *d, yyjson_mut_val *list)
{
    yyjson_mut_val *v = yyjson_mut_obj(d);
    members_put(d, v, "list", list);
    return v;
}

yyjson_mut_val *variables_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *templating,
                                yyjson_mut_val **rest)
{
    yyjson_mut_val *made = yyjson_mut_arr(d), *unknown = yyjson_mut_arr(d);
    const yyjson_mut_val *list = json_get(templating, "list");
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        const struct variable_type *t = find(json_get_str(it.val, "type"), false);
        yyjson_mut_arr_append(t ? made : unknown,
                              t ? variable_to_v2(d, t, it.val) : members_lift(d, it.val));
    }
    if (json_size(unknown)) {
        members_rest(d, rest, STR("templating"), list_make(d, unknown));
    }
    return made;
}

int variables_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *variables, const yyjson_mut_val *kept,
                    yyjson_mut_val **ret, struct err *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    struct json_iter it = json_iter(variables);
    while (json_next(&it)) {
        struct str kind = json_get_str(it.val, "kind");
        const struct variable_type *t = find(kind, true);
        if (!t) {
            return err_set(err, ERR_INVALID, "variables[%zu] is of unknown kind \"%.*s\"", it.index,
                           STR_FMT(kind));
        }
        yyjson_mut_arr_append(list, variable_to_v1(d, t, it.val));
    }
    it = json_iter(json_path(kept, "templating", "list", NULL));
    while (json_next(&it)) {
        yyjson_mut_arr_append(list, members_lift(d, it.val));
    }
    *ret = list_make(d, list);
    return 0;
}
