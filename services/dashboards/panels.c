/* SPDX-License-Identifier: Apache-2.0 */
/* Panels and elements. */
#include "services/dashboards/panels_priv.h"

#include "services/dashboards/members_priv.h"
#include "services/dashboards/queries_priv.h"

#define TAKEN_V1(name_)                                                                            \
    {                                                                                              \
        (name_), NULL, MEMBER_TAKEN, OR_NOTHING, false                                             \
    }
#define TAKEN_V2(name_)                                                                            \
    {                                                                                              \
        NULL, (name_), MEMBER_TAKEN, OR_NOTHING, false                                             \
    }

static const struct member panel_rows[] = {
    {"title", "title", MEMBER_TEXT, OR_TEXT, false},
    {"description", "description", MEMBER_TEXT, OR_NOTHING, false},
    {"subtitle", "subtitle", MEMBER_TEXT, OR_NOTHING, false},
    {"transparent", "transparent", MEMBER_BOOL, OR_NOTHING, false},
    {"links", "links", MEMBER_LIST, OR_LIST, true},
    TAKEN_V1("id"),
    TAKEN_V1("type"),
    TAKEN_V1("gridPos"),
    TAKEN_V1("repeat"),
    TAKEN_V1("repeatDirection"),
    TAKEN_V1("maxPerRow"),
    TAKEN_V1("datasource"),
    TAKEN_V1("targets"),
    TAKEN_V1("transformations"),
    TAKEN_V1("pluginVersion"),
    TAKEN_V1("options"),
    TAKEN_V1("fieldConfig"),
    TAKEN_V1("maxDataPoints"),
    TAKEN_V1("interval"),
    TAKEN_V1("timeFrom"),
    TAKEN_V1("timeTo"),
    TAKEN_V1("timeShift"),
    TAKEN_V1("timeCompare"),
    TAKEN_V1("cacheTimeout"),
    TAKEN_V1("queryCachingTTL"),
    TAKEN_V1("hideTimeOverride"),
    TAKEN_V2("id"),
    TAKEN_V2("data"),
    TAKEN_V2("vizConfig"),
};
static const struct members panel_members = MEMBERS(panel_rows, true);

static const struct member viz_rows[] = {
    {"options", "options", MEMBER_OBJECT, OR_OBJECT, false},
    {"fieldConfig", "fieldConfig", MEMBER_OBJECT, OR_FIELDS, false},
};
static const struct members viz_members = MEMBERS(viz_rows, false);

static const struct member library_rows[] = {
    {"title", "title", MEMBER_TEXT, OR_TEXT, false},
    {"libraryPanel", "libraryPanel", MEMBER_OBJECT, OR_NOTHING, false},
    TAKEN_V1("id"),
    TAKEN_V1("gridPos"),
    TAKEN_V1("repeat"),
    TAKEN_V1("repeatDirection"),
    TAKEN_V1("maxPerRow"),
    TAKEN_V2("id"),
};
static const struct members library_members = MEMBERS(library_rows, true);

static const struct member repeat_rows[] = {
    {"repeat", "value", MEMBER_TEXT, OR_NOTHING, false},
    {"repeatDirection", "direction", MEMBER_TEXT, OR_NOTHING, false},
    {"maxPerRow", "maxPerRow", MEMBER_NUMBER, OR_NOTHING, false},
};
static const struct members repeat_members = MEMBERS(repeat_rows, false);
static const struct members row_repeat_members = {repeat_rows, 1, false};

/* ---- repetition ---- */

static bool repeats(const yyjson_mut_val *panel)
{
    return json_get_str(panel, "repeat").len > 0;
}

yyjson_mut_val *repeat_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel, bool of_row)
{
    if (!repeats(panel)) {
        return NULL;
    }
    yyjson_mut_val *repeat = yyjson_mut_obj(d);
    members_put_text(d, repeat, "mode", STR("variable"));
    members_to_v2(d, of_row ? &row_repeat_members : &repeat_members, panel, repeat, NULL);
    return repeat;
}

void repeat_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *repeat, yyjson_mut_val *panel)
{
    if (json_get_str(repeat, "value").len) {
        members_to_v1(d, &repeat_members, repeat, panel, NULL, NULL);
    }
}

/* What stands there though nothing is repeated, or is of another type. */
static void keep_repeat(yyjson_mut_doc *d, const yyjson_mut_val *panel, yyjson_mut_val **rest)
{
    struct members t = repeat_members;
    yyjson_mut_val *nowhere = yyjson_mut_obj(d);
    if (repeats(panel)) {
        members_to_v2(d, &t, panel, nowhere, rest);
        return;
    }
    for (size_t i = 0; i < t.n; i++) {
        const yyjson_mut_val *v = json_get(panel, t.items[i].v1);
        if (v) {
            members_rest(d, rest, str_from(t.items[i].v1), v);
        }
    }
}

/* ---- panels ---- */

static yyjson_mut_val *viz_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel,
                                 yyjson_mut_val **rest)
{
    yyjson_mut_val *viz = members_kind(d, "VizConfig", NULL), *spec = yyjson_mut_obj(d);
    members_put_text(d, viz, "group", json_get_str(panel, "type"));
    members_put_text(d, viz, "version", json_get_str(panel, "pluginVersion"));
    members_to_v2(d, &viz_members, panel, spec, rest);
    members_put(d, viz, "spec", spec);
    return viz;
}

static void keep_rest(yyjson_mut_doc *d, yyjson_mut_val *spec, const yyjson_mut_val *panel,
                      yyjson_mut_val *rest)
{
    members_restore(d, spec, json_get(panel, MEMBERS_OF_V2));
    members_put(d, spec, MEMBERS_OF_V1, rest);
}

static yyjson_mut_val *library_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel, int64_t id)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d), *rest = NULL;
    members_put_int(d, spec, "id", id);
    members_to_v2(d, &library_members, panel, spec, &rest);
    keep_repeat(d, panel, &rest);
    keep_rest(d, spec, panel, rest);
    return members_kind(d, "LibraryPanel", spec);
}

yyjson_mut_val *panel_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel, int64_t id)
{
    if (json_is_obj(json_get(panel, "libraryPanel"))) {
        return library_to_v2(d, panel, id);
    }
    yyjson_mut_val *spec = yyjson_mut_obj(d), *rest = NULL;
    members_put_int(d, spec, "id", id);
    members_to_v2(d, &panel_members, panel, spec, &rest);
    members_put(d, spec, "data", queries_to_v2(d, panel, &rest));
    members_put(d, spec, "vizConfig", viz_to_v2(d, panel, &rest));
    keep_repeat(d, panel, &rest);
    keep_rest(d, spec, panel, rest);
    return members_kind(d, "Panel", spec);
}

static void put_id(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val *panel)
{
    members_put(d, panel, "id", members_lift(d, json_get(spec, "id")));
}

static void viz_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *viz, yyjson_mut_val *panel,
                      const yyjson_mut_val *kept)
{
    struct str version = json_get_str(viz, "version");
    members_put_text(d, panel, "type", json_get_str(viz, "group"));
    if (version.len) {
        members_put_text(d, panel, "pluginVersion", version);
    }
    members_to_v1(d, &viz_members, json_get(viz, "spec"), panel, kept, NULL);
}

int panel_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *element, struct str name,
                yyjson_mut_val **ret, struct err *err)
{
    const yyjson_mut_val *spec = json_get(element, "spec"), *kept = json_get(spec, MEMBERS_OF_V1);
    struct str kind = json_get_str(element, "kind");
    yyjson_mut_val *panel = yyjson_mut_obj(d), *rest = NULL;
    put_id(d, spec, panel);
    if (str_is(kind, "LibraryPanel")) {
        members_to_v1(d, &library_members, spec, panel, kept, &rest);
    } else if (str_is(kind, "Panel")) {
        viz_to_v1(d, json_get(spec, "vizConfig"), panel, kept);
        members_to_v1(d, &panel_members, spec, panel, kept, &rest);
        queries_to_v1(d, json_get(spec, "data"), panel, kept);
    } else {
        return err_set(err, ERR_INVALID, "element %.*s is of unknown kind \"%.*s\"", STR_FMT(name),
                       STR_FMT(kind));
    }
    members_restore(d, panel, kept);
    members_put(d, panel, MEMBERS_OF_V2, rest);
    *ret = panel;
    return 0;
}
