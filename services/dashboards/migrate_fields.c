/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that concern how fields are shown: mappings of values, axes, cells, what is hidden. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"

static bool text_is(const yyjson_mut_val *obj, const char *key, const char *text)
{
    return str_is(json_get_str(obj, key), text);
}

/* Calls it for each property with that id in the overrides of a panel. */
static void each_property(struct migrating *m, const yyjson_mut_val *panel, const char *id,
                          migrate_each_fn *each)
{
    struct json_iter it = json_iter(migrate_list(json_get(panel, "fieldConfig"), "overrides"));
    while (json_next(&it)) {
        struct json_iter in = json_iter(migrate_list(it.val, "properties"));
        while (json_next(&in)) {
            if (text_is(in.val, "id", id)) {
                each(m, in.val);
            }
        }
    }
}

/* ---- 30: the color that a value has by the thresholds ---- */

struct threshold {
    double from; /* the largest of the steps up to this one */
    const yyjson_mut_val *color;
};

struct thresholds {
    struct threshold *items;
    size_t n;
    const yyjson_mut_val *base; /* the color of what is below all of them; NULL: none */
    bool none;                  /* there are no thresholds at all */
};

/* Of a step; null counts as 0. */
static bool threshold_from(const yyjson_mut_val *step, double *ret)
{
    const yyjson_mut_val *v = json_get(step, "value");
    *ret = 0;
    return v && (json_is_null(v) || migrate_number(v, ret));
}

static void thresholds_read(struct migrating *m, struct thresholds *t, const yyjson_mut_val *v)
{
    const yyjson_mut_val *steps = migrate_list(v, "steps");
    t->none = !json_is_obj(v);
    t->base = json_get(yyjson_mut_arr_get_first(json_mut(steps)), "color");
    if (!json_size(steps)) {
        t->base = yyjson_mut_str(m->d, "#808080");
        return;
    }
    t->items = alloc_bytes(json_size(steps) * sizeof(*t->items));
    struct json_iter it = json_iter(steps);
    while (json_next(&it)) {
        double from = 0;
        if (!json_is_obj(it.val)) {
            continue;
        }
        if (!threshold_from(it.val, &from)) {
            break;
        }
        if (t->n && t->items[t->n - 1].from > from) {
            from = t->items[t->n - 1].from;
        }
        t->items[t->n++] = (struct threshold){from, json_get(it.val, "color")};
    }
}

/* The last step before the first one that the value does not reach. */
static const yyjson_mut_val *color_at(const struct thresholds *t, double value)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (value >= t->items[mid].from) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low ? t->items[low - 1].color : t->base;
}

/* ---- 30: mappings ---- */

struct mapped {
    struct str value;
    yyjson_mut_val *result;
    size_t place;
};

struct mappings {
    struct migrating *m;
    struct thresholds thresholds;
    struct mapped *values; /* several of one value: the last counts */
    size_t n, cap;
    yyjson_mut_val *others;
    bool any;
};

static yyjson_mut_val *result_of(struct mappings *s, const yyjson_mut_val *old)
{
    yyjson_mut_doc *d = s->m->d;
    yyjson_mut_val *result = yyjson_mut_obj(d);
    const yyjson_mut_val *text = json_get(old, "text"), *color = NULL;
    double n = 0;
    members_put(d, result, "text", members_lift(d, text));
    if (!s->thresholds.none && json_is_str(text) && migrate_number(text, &n)) {
        color = color_at(&s->thresholds, n);
    }
    if (!migrate_is_null(color)) {
        members_put(d, result, "color", members_lift(d, color));
    }
    return result;
}

static void add_value(struct mappings *s, struct str value, yyjson_mut_val *result)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->values = alloc_resize(s->values, s->cap * sizeof(*s->values));
    }
    s->values[s->n] = (struct mapped){value, result, s->n};
    s->n++;
    s->any = true;
}

static void add_other(struct mappings *s, const char *type, yyjson_mut_val *options)
{
    yyjson_mut_val *made = migrate_object_of(s->m->d, "type", type);
    members_put(s->m->d, made, "options", options);
    yyjson_mut_arr_append(s->others, made);
}

/* The value as the key it comes to be. */
static struct str key_of(struct mappings *s, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    if (json_is_str(v)) {
        return json_str(v);
    }
    if (yyjson_mut_is_num(json_mut(v)) || yyjson_mut_is_bool(json_mut(v))) {
        json_write(&b, v);
    }
    struct str text = buf_str(&b);
    return json_str(yyjson_mut_strncpy(s->m->d, text.ptr ? text.ptr : "", text.len));
}

static void take_value(struct mappings *s, const yyjson_mut_val *old)
{
    const yyjson_mut_val *value = json_get(old, "value");
    if (json_is_str(value) && str_is(json_str(value), "null")) {
        yyjson_mut_val *options = migrate_object_of(s->m->d, "match", "null");
        members_put(s->m->d, options, "result", result_of(s, old));
        add_other(s, "special", options);
    } else if (!migrate_is_null(value)) {
        add_value(s, key_of(s, value), result_of(s, old));
    }
}

static void take_range(struct mappings *s, const yyjson_mut_val *old)
{
    yyjson_mut_doc *d = s->m->d;
    yyjson_mut_val *options = yyjson_mut_obj(d);
    double from = 0, to = 0;
    migrate_number(json_get(old, "from"), &from);
    migrate_number(json_get(old, "to"), &to);
    members_put(d, options, "from", migrate_number_make(d, from));
    members_put(d, options, "to", migrate_number_make(d, to));
    members_put(d, options, "result", result_of(s, old));
    add_other(s, "range", options);
}

static void take_mapping(struct mappings *s, const yyjson_mut_val *old)
{
    struct str type = json_get_str(old, "type");
    double number = 0;
    if (str_is(type, "value")) {
        struct json_iter it = json_iter(migrate_object(old, "options"));
        s->any = s->any || json_is_obj(json_get(old, "options"));
        while (json_next(&it)) {
            add_value(s, json_str(it.key), it.val);
        }
    } else if (type.len && !migrate_number(json_get(old, "type"), &number)) {
        yyjson_mut_arr_append(s->others, members_lift(s->m->d, old));
    } else if (migrate_number(json_get(old, "type"), &number)) {
        if (number == 1) {
            take_value(s, old);
        } else if (number == 2) {
            take_range(s, old);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    const struct mapped *x = a, *y = b;
    int r = str_cmp(x->value, y->value);
    return r ? r : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b)
{
    const struct mapped *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

/* One mapping of all values. */
static yyjson_mut_val *values_make(struct mappings *s)
{
    yyjson_mut_doc *d = s->m->d;
    yyjson_mut_val *made = migrate_object_of(d, "type", "value"), *options = yyjson_mut_obj(d);
    if (s->n) {
        qsort(s->values, s->n, sizeof(*s->values), by_value);
        for (size_t i = 0; i + 1 < s->n; i++) {
            if (str_eq(s->values[i].value, s->values[i + 1].value)) {
                s->values[i].result = NULL;
            }
        }
        qsort(s->values, s->n, sizeof(*s->values), by_place);
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->values[i].result) {
            struct str key = s->values[i].value;
            yyjson_mut_obj_add(options, yyjson_mut_strn(d, key.len ? key.ptr : "", key.len),
                               members_lift(d, s->values[i].result));
        }
    }
    members_put(d, made, "options", options);
    return made;
}

/* The list in the present form; NULL: it stays. */
static yyjson_mut_val *mappings_make(struct migrating *m, const yyjson_mut_val *list,
                                     const yyjson_mut_val *thresholds)
{
    struct mappings s = {.m = m, .others = yyjson_mut_arr(m->d)};
    if (!json_is_arr(list) || !json_size(list)) {
        return NULL;
    }
    thresholds_read(m, &s.thresholds, thresholds);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            take_mapping(&s, it.val);
        }
    }
    if (s.any) {
        yyjson_mut_arr_prepend(s.others, values_make(&s));
    }
    free(s.values);
    free(s.thresholds.items);
    return s.others;
}

static void mappings_of_override(struct migrating *m, yyjson_mut_val *property)
{
    yyjson_mut_val *made = mappings_make(m, json_get(property, "value"), NULL);
    if (made) {
        json_setz(m->d, property, "value", made);
    }
}

static void rename_tooltip(yyjson_mut_doc *d, const yyjson_mut_val *panel)
{
    struct str type = json_get_str(panel, "type");
    yyjson_mut_val *options = migrate_object(panel, "options"),
                   *tooltip = json_get(options, "tooltipOptions");
    if (tooltip &&
        (str_is(type, "timeseries") || str_is(type, "xychart") || str_is(type, "xychart2"))) {
        json_setz(d, options, "tooltip", members_lift(d, tooltip));
        json_remove(options, "tooltipOptions");
    }
}

void migrate_30_mappings(struct migrating *m, yyjson_mut_val *panel)
{
    yyjson_mut_val *defaults = migrate_object(json_get(panel, "fieldConfig"), "defaults");
    yyjson_mut_val *made =
        mappings_make(m, json_get(defaults, "mappings"), migrate_object(defaults, "thresholds"));
    if (made) {
        json_setz(m->d, defaults, "mappings", made);
    }
    each_property(m, panel, "mappings", mappings_of_override);
    rename_tooltip(m->d, panel);
}

/* ---- 35: the axis of time is seen where all others are hidden ---- */

void migrate_35_axis(struct migrating *m, yyjson_mut_val *panel)
{
    yyjson_mut_doc *d = m->d;
    yyjson_mut_val *field = migrate_object(panel, "fieldConfig"),
                   *custom = json_path(field, "defaults", "custom", NULL);
    if (!text_is(panel, "type", "timeseries") || !text_is(custom, "axisPlacement", "hidden")) {
        return;
    }
    yyjson_mut_val *matcher = migrate_object_of(d, "id", "byType"), *made = yyjson_mut_obj(d),
                   *property = migrate_object_of(d, "id", "custom.axisPlacement"),
                   *properties = yyjson_mut_arr(d);
    members_put(d, matcher, "options", yyjson_mut_str(d, "time"));
    members_put(d, property, "value", yyjson_mut_str(d, "auto"));
    yyjson_mut_arr_append(properties, property);
    members_put(d, made, "matcher", matcher);
    members_put(d, made, "properties", properties);
    if (!migrate_list(field, "overrides")) {
        json_setz(d, field, "overrides", yyjson_mut_arr(d));
    }
    yyjson_mut_arr_append(json_get(field, "overrides"), made);
}

/* ---- 38: how a table's cells are drawn ---- */

static yyjson_mut_val *cell_make(yyjson_mut_doc *d, const yyjson_mut_val *mode)
{
    static const char *const modes[][3] = {
        {"basic", "gauge", "basic"},
        {"gradient-gauge", "gauge", "gradient"},
        {"lcd-gauge", "gauge", "lcd"},
        {"color-background", "color-background", "gradient"},
        {"color-background-solid", "color-background", "basic"},
    };
    yyjson_mut_val *made = yyjson_mut_obj(d);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (str_is(json_str(mode), modes[i][0])) {
            members_put(d, made, "type", yyjson_mut_str(d, modes[i][1]));
            members_put(d, made, "mode", yyjson_mut_str(d, modes[i][2]));
            return made;
        }
    }
    members_put(d, made, "type", members_lift(d, mode));
    return made;
}

static void cell_of_override(struct migrating *m, yyjson_mut_val *property)
{
    const yyjson_mut_val *mode = json_get(property, "value");
    json_setz(m->d, property, "id", yyjson_mut_str(m->d, "custom.cellOptions"));
    if (json_is_str(mode)) {
        json_setz(m->d, property, "value", cell_make(m->d, mode));
    }
}

void migrate_38_cells(struct migrating *m, yyjson_mut_val *panel)
{
    yyjson_mut_val *custom =
        migrate_object(json_path(panel, "fieldConfig", "defaults", NULL), "custom");
    const yyjson_mut_val *mode = json_get(custom, "displayMode");
    if (!text_is(panel, "type", "table")) {
        return;
    }
    if (json_is_str(mode)) {
        json_setz(m->d, custom, "cellOptions", cell_make(m->d, mode));
    }
    json_remove(custom, "displayMode");
    each_property(m, panel, "custom.displayMode", cell_of_override);
}

/* ---- 42: what is hidden is hidden from tooltips ---- */

static void hide_from_tooltip(struct migrating *m, yyjson_mut_val *property)
{
    yyjson_mut_val *value = migrate_object(property, "value");
    if (json_get_bool(value, "viz")) {
        json_set_bool(m->d, value, "tooltip", true);
    }
}

void migrate_42_hidden(struct migrating *m, yyjson_mut_val *panel)
{
    each_property(m, panel, "custom.hideFrom", hide_from_tooltip);
}
