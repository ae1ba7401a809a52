/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that concern panels: their options, links, styles, transformations. */
#include "base/cleanup.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"

static bool of_type(const yyjson_mut_val *panel, const char *type)
{
    return str_is(json_get_str(panel, "type"), type);
}

/* ---- 18: options of gauges ---- */

static bool is_value_option(struct str key)
{
    static const char *const keys[] = {"unit", "stat", "decimals", "prefix", "suffix"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (str_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

static yyjson_mut_val *reversed(yyjson_mut_doc *d, const yyjson_mut_val *list)
{
    yyjson_mut_val *made = yyjson_mut_arr(d);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        yyjson_mut_arr_prepend(made, members_lift(d, it.val));
    }
    return made;
}

void migrate_18_gauge(struct migrating *m, yyjson_mut_val *panel)
{
    const yyjson_mut_val *old = migrate_object(panel, "options-gauge");
    yyjson_mut_val *made = yyjson_mut_obj(m->d), *of_value = yyjson_mut_obj(m->d);
    if (!old) {
        return;
    }
    members_put(m->d, made, "valueOptions", of_value);
    struct json_iter it = json_iter(old);
    while (json_next(&it)) {
        struct str key = json_str(it.key);
        if (str_is(key, "thresholds")) {
            if (json_is_arr(it.val) && json_size(it.val)) {
                members_put(m->d, made, "thresholds", reversed(m->d, it.val));
            }
        } else if (!str_is(key, "options") && !str_is(key, "valueOptions")) {
            yyjson_mut_obj_add(is_value_option(key) ? of_value : made, members_lift(m->d, it.key),
                               members_lift(m->d, it.val));
        }
    }
    json_setz(m->d, panel, "options", made);
    json_remove(panel, "options-gauge");
}

/* ---- 19: links ---- */

/* As scripts made it of a dashboard's title: letters of ASCII, digits, underscores. */
static void add_slug(struct buf *b, struct str title)
{
    bool space = false;
    for (size_t i = 0; i < title.len; i++) {
        char c = title.ptr[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
            buf_addc(b, c);
            space = false;
        } else if (c == ' ' && !space) {
            buf_addc(b, '-');
            space = true;
        }
    }
}

static void add_target(struct buf *b, const yyjson_mut_val *link)
{
    struct str url = json_get_str(link, "url"), title = json_get_str(link, "dashboard"),
               uri = json_get_str(link, "dashUri");
    if (url.len) {
        buf_add(b, url);
    } else if (title.len) {
        buf_addz(b, "dashboard/db/");
        add_slug(b, title);
    } else if (uri.len) {
        buf_addz(b, "dashboard/");
        buf_add(b, uri);
    } else {
        buf_addc(b, '/');
    }
}

static yyjson_mut_val *link_make(yyjson_mut_doc *d, const yyjson_mut_val *link)
{
    AUTO(buf_finish) struct buf b = {0};
    const struct str params[] = {
        json_get_bool(link, "keepTime") ? STR("$__url_time_range") : STR_NULL,
        json_get_bool(link, "includeVars") ? STR("$__all_variables") : STR_NULL,
        json_get_str(link, "params"),
    };
    char sign = '?';
    add_target(&b, link);
    for (size_t i = 0; i < 3; i++) {
        if (params[i].len) {
            buf_addc(&b, sign);
            buf_add(&b, params[i]);
            sign = '&';
        }
    }
    yyjson_mut_val *made = yyjson_mut_obj(d);
    json_set_str(d, made, "url", buf_str(&b));
    members_put_text(d, made, "title", json_get_str(link, "title"));
    if (json_get_bool(link, "targetBlank")) {
        members_put(d, made, "targetBlank", yyjson_mut_bool(d, true));
    }
    return made;
}

void migrate_19_links(struct migrating *m, yyjson_mut_val *panel)
{
    const yyjson_mut_val *links = migrate_list(panel, "links");
    yyjson_mut_val *made = yyjson_mut_arr(m->d);
    if (!links) {
        return;
    }
    struct json_iter it = json_iter(links);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            yyjson_mut_arr_append(made, link_make(m->d, it.val));
        }
    }
    json_setz(m->d, panel, "links", made);
}

/* ---- 20, 21: names of variables in links to data ---- */

struct renamed {
    struct str from, to;
};

static const struct renamed dotted[] = {
    {{"$__series_name", 14}, {"${__series.name}", 16}},
    {{"__series_name", 13}, {"__series.name", 13}},
    {{"$__field_name", 13}, {"${__field.name}", 15}},
    {{"__field_name", 12}, {"__field.name", 12}},
    {{"__value_time", 12}, {"__value.time", 12}},
    {{NULL, 0}, {NULL, 0}},
};
static const struct renamed of_field[] = {
    {{"__series.labels", 15}, {"__field.labels", 14}},
    {{NULL, 0}, {NULL, 0}},
};

static const struct renamed *renamed_at(const struct renamed *names, struct str s)
{
    for (; names->from.len; names++) {
        if (str_starts(s, names->from)) {
            return names;
        }
    }
    return NULL;
}

static void rename_in(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key,
                      const struct renamed *names)
{
    struct str s = json_get_str(obj, key);
    AUTO(buf_finish) struct buf b = {0};
    bool any = false;
    for (size_t i = 0; i < s.len;) {
        const struct renamed *n = renamed_at(names, str_make(s.ptr + i, s.len - i));
        if (n) {
            buf_add(&b, n->to);
            i += n->from.len;
            any = true;
        } else {
            buf_addc(&b, s.ptr[i++]);
        }
    }
    if (any) {
        json_set_str(d, obj, key, buf_str(&b));
    }
}

static void rename_urls(yyjson_mut_doc *d, const yyjson_mut_val *links, const struct renamed *names)
{
    struct json_iter it = json_iter(links);
    while (json_next(&it)) {
        rename_in(d, it.val, "url", names);
    }
}

void migrate_20_names(struct migrating *m, yyjson_mut_val *panel)
{
    const yyjson_mut_val *options = json_get(panel, "options");
    yyjson_mut_val *defaults = json_path(options, "fieldOptions", "defaults", NULL);
    rename_urls(m->d, migrate_list(options, "dataLinks"), dotted);
    rename_in(m->d, defaults, "title", dotted);
    rename_urls(m->d, migrate_list(defaults, "links"), dotted);
}

void migrate_21_labels(struct migrating *m, yyjson_mut_val *panel)
{
    const yyjson_mut_val *options = json_get(panel, "options");
    const yyjson_mut_val *defaults = json_path(options, "fieldOptions", "defaults", NULL);
    rename_urls(m->d, migrate_list(options, "dataLinks"), of_field);
    rename_urls(m->d, migrate_list(defaults, "links"), of_field);
}

/* ---- 22, 24, 26: tables and texts ---- */

void migrate_22_align(struct migrating *m, yyjson_mut_val *panel)
{
    struct json_iter it = json_iter(of_type(panel, "table") ? migrate_list(panel, "styles") : NULL);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            json_setz(m->d, it.val, "align", yyjson_mut_str(m->d, "auto"));
        }
    }
}

/* A table with styles was the old one, which says so. */
void migrate_24_table(struct migrating *m, yyjson_mut_val *panel)
{
    bool second = str_is(json_get_str(panel, "table"), "table2");
    if (of_type(panel, "table") && !second && !migrate_is_null(json_get(panel, "styles"))) {
        json_setz(m->d, panel, "autoMigrateFrom", yyjson_mut_str(m->d, "table-old"));
    }
}

void migrate_26_text(struct migrating *m, yyjson_mut_val *panel)
{
    if (of_type(panel, "text2")) {
        json_setz(m->d, panel, "type", yyjson_mut_str(m->d, "text"));
        json_remove(migrate_object(panel, "options"), "angular");
    }
}

/* ---- 31, 39: transformations ---- */

static bool has_id(const yyjson_mut_val *transformation, const char *id)
{
    return str_is(json_get_str(transformation, "id"), id);
}

/* What makes fields of labels used to put the frames together too. */
void migrate_31_merge(struct migrating *m, yyjson_mut_val *panel)
{
    const yyjson_mut_val *list = migrate_list(panel, "transformations");
    yyjson_mut_val *made = yyjson_mut_arr(m->d);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        yyjson_mut_arr_append(made, members_lift(m->d, it.val));
        if (has_id(it.val, "labelsToFields")) {
            yyjson_mut_val *merge = migrate_object_of(m->d, "id", "merge");
            members_put(m->d, merge, "options", yyjson_mut_obj(m->d));
            yyjson_mut_arr_append(made, merge);
        }
    }
    if (json_size(made) > json_size(list)) {
        json_setz(m->d, panel, "transformations", made);
    }
}

/* {A: "mean"} becomes {A: {stat: "mean"}}. */
void migrate_39_statistics(struct migrating *m, yyjson_mut_val *panel)
{
    struct json_iter it = json_iter(migrate_list(panel, "transformations"));
    while (json_next(&it)) {
        const yyjson_mut_val *of = json_path(it.val, "options", "refIdToStat", NULL);
        if (!has_id(it.val, "timeSeriesTable") || !json_is_obj(of)) {
            continue;
        }
        yyjson_mut_val *made = yyjson_mut_obj(m->d);
        struct json_iter in = json_iter(of);
        while (json_next(&in)) {
            yyjson_mut_val *setting = yyjson_mut_obj(m->d);
            members_put(m->d, setting, "stat", members_lift(m->d, in.val));
            yyjson_mut_obj_add(made, members_lift(m->d, in.key), setting);
        }
        json_setz(m->d, it.val, "options", made);
    }
}

/* ---- 37: legends ---- */

void migrate_37_legend(struct migrating *m, yyjson_mut_val *panel)
{
    yyjson_mut_val *options = migrate_object(panel, "options"),
                   *legend = json_get(options, "legend"), *shown = json_get(legend, "showLegend");
    bool hidden =
        str_is(json_get_str(legend, "displayMode"), "hidden") || yyjson_mut_is_false(shown);
    if (yyjson_mut_is_bool(legend)) {
        hidden = yyjson_mut_is_false(legend);
        legend = migrate_object_of(m->d, "displayMode", "list");
        json_setz(m->d, options, "legend", legend);
    }
    if (!json_is_obj(legend)) {
        return;
    }
    if (hidden) {
        json_setz(m->d, legend, "displayMode", yyjson_mut_str(m->d, "list"));
    }
    json_set_bool(m->d, legend, "showLegend", !hidden);
}
