/* SPDX-License-Identifier: Apache-2.0 */
/* Between the classic model and v2: the dashboard's own members, time, links, annotations; the
 * parts with files of their own are put together. */
#include "services/dashboards/model_priv.h"

#include "services/dashboards/layout_priv.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"
#include "services/dashboards/queries_priv.h"
#include "services/dashboards/variables_priv.h"

#define ROW(v1_, v2_, kind_, or_)                                                                  \
    {                                                                                              \
        (v1_), (v2_), MEMBER_##kind_, (or_), false                                                 \
    }
#define SAME(name_, kind_, or_) ROW(name_, name_, kind_, or_)
#define TAKEN_V1(name_) ROW(name_, NULL, TAKEN, OR_NOTHING)
#define TAKEN_V2(name_) ROW(NULL, name_, TAKEN, OR_NOTHING)

static const struct member dashboard_rows[] = {
    SAME("title", TEXT, OR_TEXT),
    SAME("description", TEXT, OR_NOTHING),
    SAME("tags", LIST, OR_LIST),
    ROW("graphTooltip", "cursorSync", CURSOR, OR_WORD),
    SAME("preload", BOOL, OR_FALSE),
    SAME("editable", BOOL, OR_TRUE),
    SAME("liveNow", BOOL, OR_NOTHING),
    SAME("revision", NUMBER, OR_NOTHING),
    TAKEN_V1("links"),
    TAKEN_V1("panels"),
    TAKEN_V1("templating"),
    TAKEN_V1("annotations"),
    TAKEN_V1("time"),
    TAKEN_V1("timepicker"),
    TAKEN_V1("timezone"),
    TAKEN_V1("refresh"),
    TAKEN_V1("weekStart"),
    TAKEN_V1("fiscalYearStartMonth"),
    TAKEN_V2("links"),
    TAKEN_V2("elements"),
    TAKEN_V2("layout"),
    TAKEN_V2("variables"),
    TAKEN_V2("annotations"),
    TAKEN_V2("timeSettings"),
};
static const struct members dashboard_members = MEMBERS(dashboard_rows, true);

static const struct member time_rows[] = {
    SAME("from", TEXT, OR_FROM),
    SAME("to", TEXT, OR_TO),
};
static const struct member of_dashboard_rows[] = {
    SAME("timezone", TEXT, OR_NOTHING),
    ROW("refresh", "autoRefresh", TEXT, OR_TEXT),
    SAME("weekStart", TEXT, OR_NOTHING),
    SAME("fiscalYearStartMonth", NUMBER, OR_ZERO),
};
static const struct member picker_rows[] = {
    ROW("refresh_intervals", "autoRefreshIntervals", LIST, OR_INTERVALS),
    ROW("hidden", "hideTimepicker", BOOL, OR_FALSE),
    SAME("nowDelay", TEXT, OR_NOTHING),
    ROW("quick_ranges", "quickRanges", LIST, OR_NOTHING),
};
static const struct members time_members = MEMBERS(time_rows, false),
                            of_dashboard_members = MEMBERS(of_dashboard_rows, false),
                            picker_members = MEMBERS(picker_rows, true);

static const struct member link_rows[] = {
    SAME("title", TEXT, OR_TEXT),        SAME("type", TEXT, OR_TEXT),
    SAME("icon", TEXT, OR_TEXT),         SAME("tooltip", TEXT, OR_TEXT),
    SAME("url", TEXT, OR_NOTHING),       SAME("tags", LIST, OR_LIST),
    SAME("asDropdown", BOOL, OR_FALSE),  SAME("targetBlank", BOOL, OR_FALSE),
    SAME("includeVars", BOOL, OR_FALSE), SAME("keepTime", BOOL, OR_FALSE),
    SAME("placement", TEXT, OR_NOTHING),
};
static const struct members link_members = MEMBERS(link_rows, true);

static const struct member annotation_rows[] = {
    SAME("name", TEXT, OR_TEXT),
    SAME("enable", BOOL, OR_FALSE),
    SAME("hide", BOOL, OR_FALSE),
    SAME("iconColor", TEXT, OR_TEXT),
    SAME("builtIn", FLAG, OR_NOTHING),
    SAME("filter", OBJECT, OR_NOTHING),
    SAME("mappings", OBJECT, OR_NOTHING),
    SAME("placement", TEXT, OR_NOTHING),
    TAKEN_V1("datasource"),
    TAKEN_V1("target"),
    TAKEN_V2("query"),
    TAKEN_V2("legacyOptions"),
};
static const struct members annotation_members = MEMBERS(annotation_rows, true);

/* ---- time ---- */

static yyjson_mut_val *time_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *spec)
{
    yyjson_mut_val *time = yyjson_mut_obj(d), *rest = NULL;
    members_to_v2(d, &time_members, json_get(spec, "time"), time, NULL);
    members_to_v2(d, &of_dashboard_members, spec, time, NULL);
    members_to_v2(d, &picker_members, json_get(spec, "timepicker"), time, &rest);
    members_put(d, time, MEMBERS_OF_V1, rest);
    return time;
}

static void time_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *time, yyjson_mut_val *spec)
{
    yyjson_mut_val *range = yyjson_mut_obj(d), *picker = yyjson_mut_obj(d);
    const yyjson_mut_val *kept = json_get(time, MEMBERS_OF_V1);
    members_to_v1(d, &time_members, time, range, NULL, NULL);
    members_put(d, spec, "time", range);
    members_to_v1(d, &of_dashboard_members, time, spec, NULL, NULL);
    members_to_v1(d, &picker_members, time, picker, kept, NULL);
    members_restore(d, picker, kept);
    members_put(d, spec, "timepicker", picker);
}

/* ---- links and annotations ---- */

static yyjson_mut_val *links_between(yyjson_mut_doc *d, const yyjson_mut_val *links, bool to_v2)
{
    yyjson_mut_val *made = yyjson_mut_arr(d);
    struct json_iter it = json_iter(json_is_arr(links) ? links : NULL);
    while (json_next(&it)) {
        yyjson_mut_val *link = yyjson_mut_obj(d), *rest = NULL;
        if (to_v2) {
            members_to_v2(d, &link_members, it.val, link, &rest);
            members_restore(d, link, json_get(it.val, MEMBERS_OF_V2));
            members_put(d, link, MEMBERS_OF_V1, rest);
        } else {
            const yyjson_mut_val *kept = json_get(it.val, MEMBERS_OF_V1);
            members_to_v1(d, &link_members, it.val, link, kept, &rest);
            members_restore(d, link, kept);
            members_put(d, link, MEMBERS_OF_V2, rest);
        }
        yyjson_mut_arr_append(made, link);
    }
    return made;
}

static yyjson_mut_val *annotation_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *model)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d), *legacy = NULL;
    const yyjson_mut_val *target = json_get(model, "target");
    members_to_v2(d, &annotation_members, model, spec, &legacy);
    members_put(d, spec, "query",
                query_make(d, source_of_v1(json_get(model, "datasource")),
                           json_is_obj(target) ? members_lift(d, target) : NULL));
    members_put(d, spec, "legacyOptions", legacy);
    return members_kind(d, "AnnotationQuery", spec);
}

static yyjson_mut_val *annotation_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *v)
{
    yyjson_mut_val *model = yyjson_mut_obj(d);
    const yyjson_mut_val *spec = json_get(v, "spec"), *query = json_get(spec, "query"),
                         *legacy = json_get(spec, "legacyOptions");
    members_put(d, model, "datasource", source_to_v1(d, source_of_v2(query)));
    members_to_v1(d, &annotation_members, spec, model, legacy, NULL);
    if (json_size(json_get(query, "spec"))) {
        members_put(d, model, "target", members_lift(d, json_get(query, "spec")));
    }
    members_restore(d, model, legacy);
    return model;
}

static yyjson_mut_val *annotations_between(yyjson_mut_doc *d, const yyjson_mut_val *list,
                                           bool to_v2)
{
    yyjson_mut_val *made = yyjson_mut_arr(d);
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        yyjson_mut_arr_append(made,
                              to_v2 ? annotation_to_v2(d, it.val) : annotation_to_v1(d, it.val));
    }
    return made;
}

/* ---- what the schemas give a type ---- */

/* Members that come back from beside the rest, and what they are there. */
static const struct member typed_v1_rows[] = {
    SAME("description", TEXT, OR_NOTHING),    SAME("tags", LIST, OR_NOTHING),
    SAME("graphTooltip", CURSOR, OR_NOTHING), SAME("editable", BOOL, OR_NOTHING),
    SAME("timezone", TEXT, OR_NOTHING),       SAME("time", OBJECT, OR_NOTHING),
    SAME("timepicker", OBJECT, OR_NOTHING),
};
static const struct member typed_v2_rows[] = {
    SAME("description", TEXT, OR_NOTHING),
    SAME("liveNow", BOOL, OR_NOTHING),
};
static const struct members typed_v1 = MEMBERS(typed_v1_rows, false),
                            typed_v2 = MEMBERS(typed_v2_rows, false);

static bool is_texts(const yyjson_mut_val *list)
{
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (!json_is_str(it.val)) {
            return false;
        }
    }
    return json_is_arr(list);
}

static bool is_of(enum member_kind kind, const yyjson_mut_val *v)
{
    switch (kind) {
    case MEMBER_TEXT:
        return json_is_str(v);
    case MEMBER_BOOL:
        return yyjson_mut_is_bool(json_mut(v));
    case MEMBER_LIST:
        return is_texts(v);
    case MEMBER_OBJECT:
        return json_is_obj(v);
    default:
        return yyjson_mut_is_int(json_mut(v));
    }
}

/* Whoever writes what is kept beside the rest may write anything; what no schema would let stand
 * does not come back. nulls: those may stand. */
static void drop_misfits(yyjson_mut_val *model, const struct members *t, bool nulls)
{
    for (size_t i = 0; i < t->n; i++) {
        const yyjson_mut_val *v = json_get(model, t->items[i].v1);
        if (v && !(nulls && json_is_null(v)) && !is_of(t->items[i].kind, v)) {
            json_remove(model, t->items[i].v1);
        }
    }
}

/* ---- the whole ---- */

/* What v2 becomes is of the newest schemaVersion by itself. */
static void forget_last(const yyjson_mut_val *spec, yyjson_mut_val **rest)
{
    if (json_get_int(spec, "schemaVersion", 0) == SCHEMA_NEWEST) {
        json_remove(*rest, "schemaVersion");
        *rest = json_size(*rest) ? *rest : NULL;
    }
}

int model_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val **ret,
                struct err *err)
{
    yyjson_mut_val *v2 = yyjson_mut_obj(d), *rest = NULL;
    members_to_v2(d, &dashboard_members, spec, v2, &rest);
    forget_last(spec, &rest);
    members_put(d, v2, "links", links_between(d, json_get(spec, "links"), true));
    members_put(d, v2, "timeSettings", time_to_v2(d, spec));
    members_put(d, v2, "annotations",
                annotations_between(d, json_path(spec, "annotations", "list", NULL), true));
    members_put(d, v2, "variables", variables_to_v2(d, json_get(spec, "templating"), &rest));
    int r = layout_to_v2(d, json_get(spec, "panels"), v2, err);
    if (r < 0) {
        return r;
    }
    members_restore(d, v2, json_get(spec, MEMBERS_OF_V2));
    drop_misfits(v2, &typed_v2, false);
    members_put(d, v2, MEMBERS_OF_V1, rest);
    *ret = v2;
    return 0;
}

int model_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val **ret,
                struct err *err)
{
    const yyjson_mut_val *kept = json_get(spec, MEMBERS_OF_V1);
    yyjson_mut_val *v1 = yyjson_mut_obj(d), *rest = NULL, *made = NULL,
                   *annotations = yyjson_mut_obj(d);
    members_to_v1(d, &dashboard_members, spec, v1, kept, &rest);
    members_put(d, v1, "links", links_between(d, json_get(spec, "links"), false));
    time_to_v1(d, json_get(spec, "timeSettings"), v1);
    members_put(d, annotations, "list",
                annotations_between(d, json_get(spec, "annotations"), false));
    members_put(d, v1, "annotations", annotations);
    int r = variables_to_v1(d, json_get(spec, "variables"), kept, &made, err);
    if (r < 0) {
        return r;
    }
    members_put(d, v1, "templating", made);
    if ((r = layout_to_v1(d, json_get(spec, "elements"), json_get(spec, "layout"), &made, err)) <
        0) {
        return r;
    }
    members_put(d, v1, "panels", made);
    members_restore(d, v1, kept);
    drop_misfits(v1, &typed_v1, true);
    if (!yyjson_mut_is_int(json_mut(json_get(v1, "schemaVersion")))) {
        json_set_int(d, v1, "schemaVersion", SCHEMA_NEWEST);
    }
    members_put(d, v1, MEMBERS_OF_V2, rest);
    *ret = v1;
    return 0;
}
