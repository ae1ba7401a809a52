/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a model after the steps: what Grafana's user interface does not keep of an older
 * one when it saves goes, and panels of types that Angular drew name what draws them now. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"

/* ---- panels ---- */

static void drop_nulls(yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (json_is_obj(v) && json_is_null(it.val)) {
            json_iter_remove(&it);
        } else {
            drop_nulls(it.val);
        }
    }
}

static bool is(const yyjson_mut_val *v, const char *text)
{
    return json_is_str(v) && str_is(json_str(v), text);
}

static bool is_one_of(struct str key, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

/* What draws a panel of that type since Angular went; NULL: the type itself does. */
static const char *drawn_by(const yyjson_mut_val *panel)
{
    static const char *const renamed[][2] = {
        {"table-old", "table"},
        {"singlestat", "stat"},
        {"grafana-singlestat-panel", "stat"},
        {"grafana-piechart-panel", "piechart"},
        {"grafana-worldmap-panel", "geomap"},
        {"natel-discrete-panel", "state-timeline"},
    };
    struct str type = json_get_str(panel, "type");
    for (size_t i = 0; i < sizeof(renamed) / sizeof(*renamed); i++) {
        if (str_is(type, renamed[i][0])) {
            return renamed[i][1];
        }
    }
    if (!str_is(type, "graph")) {
        return NULL;
    }
    struct str mode = json_get_str(json_get(panel, "xaxis"), "mode");
    bool values = json_get_bool(json_get(panel, "legend"), "values");
    return str_is(mode, "series")      ? values ? "bargauge" : "barchart"
           : str_is(mode, "histogram") ? "histogram"
                                       : "timeseries";
}

static void rename_type(yyjson_mut_doc *d, yyjson_mut_val *panel)
{
    const char *type = drawn_by(panel);
    if (type) {
        json_setz(d, panel, "autoMigrateFrom", members_lift(d, json_get(panel, "type")));
        json_setz(d, panel, "type", yyjson_mut_str(d, type));
    }
}

/* Of a library panel only its place stays; the rest is the library's. */
static bool settle_library(yyjson_mut_val *panel)
{
    static const char *const kept[] = {"id",     "title",           "gridPos",  "libraryPanel",
                                       "repeat", "repeatDirection", "maxPerRow"};
    if (migrate_is_null(json_get(panel, "libraryPanel"))) {
        return false;
    }
    struct json_iter it = json_iter(panel);
    while (json_next(&it)) {
        bool stays = is_one_of(json_str(it.key), kept, sizeof(kept) / sizeof(*kept));
        if (!stays || json_is_null(it.val)) {
            json_iter_remove(&it);
        }
    }
    return true;
}

/* Whether a panel would have the same without it. Its place is kept, even where it is the first. */
static bool stands_for_nothing(struct str key, const yyjson_mut_val *v)
{
    if (str_is(key, "targets")) {
        const yyjson_mut_val *only =
            json_size(v) == 1 ? yyjson_mut_arr_get_first(json_mut(v)) : NULL;
        return json_is_arr(v) &&
               (!json_size(v) || (json_size(only) == 1 && is(json_get(only, "refId"), "A")));
    }
    if (str_is(key, "fieldConfig")) {
        const yyjson_mut_val *defaults = json_get(v, "defaults"), *over = json_get(v, "overrides");
        return json_size(v) == 2 && json_is_obj(defaults) && json_is_arr(over) &&
               !json_size(defaults) && !json_size(over);
    }
    return (str_is(key, "title") && is(v, "")) ||
           (str_is(key, "transparent") && yyjson_mut_is_false(json_mut(v))) ||
           (str_is(key, "options") && json_is_obj(v) && !json_size(v)) ||
           (str_is(key, "links") && json_is_arr(v) && !json_size(v));
}

/* What a panel only had while it was shown. */
static bool of_the_moment(struct str key)
{
    static const char *const keys[] = {
        "events",       "isViewing",           "isEditing", "isInView",
        "hasRefreshed", "cachedPluginOptions", "plugin",    "queryRunner",
        "configRev",    "replaceVariables",    "key",       "hasSavedPanelEditChange",
        "dataSupport",  "getDisplayTitle",     "isNew",     "refreshWhenInView",
        "scopedVars"};
    return is_one_of(key, keys, sizeof(keys) / sizeof(*keys));
}

/* Options of the first table, which the present one has elsewhere. */
static bool of_old_table(struct str key)
{
    static const char *const keys[] = {"pageSize", "scroll", "fontSize", "showHeader", "sort"};
    return is_one_of(key, keys, sizeof(keys) / sizeof(*keys));
}

static bool goes(const yyjson_mut_val *panel, struct str key, const yyjson_mut_val *v, bool inner)
{
    if (json_is_null(v) || of_the_moment(key) || stands_for_nothing(key, v)) {
        return true;
    }
    if (str_is(key, "transformations")) {
        return !inner && json_is_arr(v) && !json_size(v);
    }
    if (str_is(key, "repeat")) {
        return is(json_get(panel, "type"), "row") && is(v, "");
    }
    return of_old_table(key) && is(json_get(panel, "type"), "table") &&
           !is(json_get(panel, "autoMigrateFrom"), "table-old");
}

static void settle_panel(struct migrating *m, yyjson_mut_val *panel, bool is_inner)
{
    if (!is_inner) {
        rename_type(m->d, panel);
    }
    if (settle_library(panel)) {
        return;
    }
    drop_nulls(panel);
    struct json_iter it = json_iter(panel);
    while (json_next(&it)) {
        if (goes(panel, json_str(it.key), it.val, is_inner)) {
            json_iter_remove(&it);
        }
    }
}

struct placed {
    yyjson_mut_val *panel;
    double x, y;
    size_t place;
};

static int by_position(const void *a, const void *b)
{
    const struct placed *p = a, *q = b;
    int r = (p->y > q->y) - (p->y < q->y);
    r = r ? r : (p->x > q->x) - (p->x < q->x);
    return r ? r : (p->place > q->place) - (p->place < q->place);
}

static bool repeated(const yyjson_mut_val *panel)
{
    return migrate_truthy(json_get(panel, "repeatPanelId")) ||
           migrate_truthy(json_get(panel, "repeatedByRow"));
}

/* Where the panel stands; one that says nothing of it stays behind the one before. */
static struct placed settle_placed(struct migrating *m, yyjson_mut_val *panel,
                                   const struct placed *before)
{
    struct placed p = {.panel = panel};
    const yyjson_mut_val *pos = migrate_object(panel, "gridPos");
    if (before) {
        p.x = pos ? 0 : before->x;
        p.y = pos ? 0 : before->y;
        p.place = before->place + 1;
    }
    migrate_number(json_get(pos, "x"), &p.x);
    migrate_number(json_get(pos, "y"), &p.y);
    struct json_iter it = json_iter(migrate_list(panel, "panels"));
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            settle_panel(m, it.val, true);
        }
    }
    if (json_is_obj(panel)) {
        settle_panel(m, panel, false);
    }
    return p;
}

/* From the top to the bottom, without copies that a repetition made. */
static void settle_panels(struct migrating *m)
{
    const yyjson_mut_val *panels = migrate_list(m->spec, "panels");
    yyjson_mut_val *made = yyjson_mut_arr(m->d);
    if (!panels) {
        return;
    }
    AUTO_FREE struct placed *sorted = alloc_bytes((json_size(panels) + 1) * sizeof(*sorted));
    size_t n = 0;
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        if (!repeated(it.val)) {
            sorted[n] = settle_placed(m, it.val, n ? &sorted[n - 1] : NULL);
            n++;
        }
    }
    qsort(sorted, n, sizeof(*sorted), by_position);
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_arr_append(made, members_lift(m->d, sorted[i].panel));
    }
    json_setz(m->d, m->spec, "panels", made);
}

/* ---- the rest ---- */

static void settle_current(yyjson_mut_val *variable)
{
    yyjson_mut_val *current = migrate_object(variable, "current"),
                   *value = migrate_list(current, "value");
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        if (json_is_null(it.val)) {
            json_remove(current, "value");
            return;
        }
    }
}

static void settle_variables(struct migrating *m)
{
    drop_nulls(json_get(m->spec, "templating"));
    struct json_iter it = json_iter(migrate_list(json_get(m->spec, "templating"), "list"));
    while (json_next(&it)) {
        struct str type = json_get_str(it.val, "type");
        json_remove(it.val, "index");
        settle_current(it.val);
        if (str_is(type, "constant")) {
            json_remove(it.val, "options");
        } else if (str_is(type, "datasource") ||
                   (str_is(type, "query") && !json_get(it.val, "options"))) {
            json_setz(m->d, it.val, "options", yyjson_mut_arr(m->d));
        }
    }
}

/* The query for annotations that Grafana itself keeps comes first. */
static void add_built_in(struct migrating *m)
{
    yyjson_mut_doc *d = m->d;
    yyjson_mut_val *list = migrate_list(json_get(m->spec, "annotations"), "list");
    yyjson_mut_val *made = yyjson_mut_obj(d), *source = yyjson_mut_obj(d);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (migrate_truthy(json_get(it.val, "builtIn"))) {
            return;
        }
    }
    members_put(d, source, "type", yyjson_mut_str(d, "grafana"));
    members_put(d, source, "uid", yyjson_mut_str(d, "-- Grafana --"));
    members_put_int(d, made, "builtIn", 1);
    members_put(d, made, "datasource", source);
    members_put(d, made, "enable", yyjson_mut_bool(d, true));
    members_put(d, made, "hide", yyjson_mut_bool(d, true));
    members_put(d, made, "iconColor", yyjson_mut_str(d, "rgba(0, 211, 255, 1)"));
    members_put(d, made, "name", yyjson_mut_str(d, "Annotations & Alerts"));
    members_put(d, made, "type", yyjson_mut_str(d, "dashboard"));
    yyjson_mut_arr_prepend(list, made);
}

void migrate_settle(struct migrating *m)
{
    static const char *const keys[] = {
        "__elements",
        "__inputs",
        "__requires",
        "events",
        "meta",
        "originalTime",
        "originalTemplating",
        "originalLibraryPanels",
        "originalDashboard",
        "panelInEdit",
        "panelInView",
        "getVariablesFromState",
        "formatDate",
        "appEventsSubscription",
        "lastRefresh",
        "panelsAffectedByVariableChange",
        "variables",
        "timeRangeUpdatedDuringEditOrView",
        "iteration",
    };
    static const char *const nulls[] = {"gnetId", "id"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        json_remove(m->spec, keys[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        if (json_is_null(json_get(m->spec, nulls[i]))) {
            json_remove(m->spec, nulls[i]);
        }
    }
    if (is(json_get(m->spec, "style"), "dark")) {
        json_remove(m->spec, "style");
    }
    if (yyjson_mut_is_false(json_get(m->spec, "hideControls"))) {
        json_remove(m->spec, "hideControls");
    }
    migrate_ids(m);
    add_built_in(m);
    settle_variables(m);
    settle_panels(m);
}
