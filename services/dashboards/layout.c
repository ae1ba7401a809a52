/* SPDX-License-Identifier: Apache-2.0 */
/* From v1's list of panels to elements and a layout. */
#include "services/dashboards/layout_priv.h"

#include <stdio.h>

#include "services/dashboards/members_priv.h"
#include "services/dashboards/panels_priv.h"

static const struct member row_rows[] = {
    {"title", "title", MEMBER_TEXT, OR_TEXT, false},
    {"collapsed", "collapse", MEMBER_BOOL, OR_FALSE, false},
    {"type", NULL, MEMBER_TAKEN, OR_NOTHING, false},
    {"panels", NULL, MEMBER_TAKEN, OR_NOTHING, false},
    {"repeat", NULL, MEMBER_TAKEN, OR_NOTHING, false},
};
static const struct members row_members = MEMBERS(row_rows, true);

struct making {
    yyjson_mut_doc *d;
    yyjson_mut_val *elements;
    int64_t next_id;
    size_t spare; /* of names for panels whose own is taken */
};

static bool is_row(const yyjson_mut_val *panel)
{
    return str_is(json_get_str(panel, "type"), "row");
}

static int64_t max_id(const yyjson_mut_val *panels, int64_t max)
{
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        int64_t id = json_get_int(it.val, "id", 0);
        const yyjson_mut_val *inner = json_get(it.val, "panels");
        max = id > max && id < INT32_MAX ? id : max;
        max = json_is_arr(inner) ? max_id(inner, max) : max;
    }
    return max;
}

/* "panel-ID", or another name where that is taken. Copied. */
static yyjson_mut_val *element_name(struct making *m, int64_t id)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "panel-%lld", (long long)id);
    while (json_getn(m->elements, str_make(text, (size_t)n))) {
        n = snprintf(text, sizeof(text), "panel-%lld-%zu", (long long)id, ++m->spare + 1);
    }
    return yyjson_mut_strncpy(m->d, text, (size_t)n);
}

static void put_number(struct making *m, yyjson_mut_val *spec, const char *key,
                       const yyjson_mut_val *pos, const char *from, int64_t fallback)
{
    const yyjson_mut_val *v = json_get(pos, from);
    bool number = yyjson_mut_is_num(json_mut(v));
    members_put(m->d, spec, key, number ? members_lift(m->d, v) : yyjson_mut_sint(m->d, fallback));
}

/* A panel becomes an element, and this is its place. base: what y counts from. */
static yyjson_mut_val *item_of(struct making *m, const yyjson_mut_val *panel, int64_t base)
{
    const yyjson_mut_val *pos = json_get(panel, "gridPos"), *id = json_get(panel, "id");
    int64_t n = yyjson_mut_is_int(json_mut(id)) ? yyjson_mut_get_sint(json_mut(id)) : m->next_id++;
    yyjson_mut_val *name = element_name(m, n), *spec = yyjson_mut_obj(m->d),
                   *ref = yyjson_mut_obj(m->d);
    yyjson_mut_obj_add(m->elements, name, panel_to_v2(m->d, panel, n));
    put_number(m, spec, "x", pos, "x", 0);
    members_put_int(m->d, spec, "y", layout_number(pos, "y", base) - base);
    put_number(m, spec, "width", pos, "w", 6);
    put_number(m, spec, "height", pos, "h", 3);
    members_put_text(m->d, ref, "kind", STR("ElementReference"));
    members_put(m->d, ref, "name", members_lift(m->d, name));
    members_put(m->d, spec, "element", ref);
    members_put(m->d, spec, "repeat", repeat_to_v2(m->d, panel, false));
    return members_kind(m->d, "GridLayoutItem", spec);
}

static yyjson_mut_val *grid_make(yyjson_mut_doc *d, yyjson_mut_val *items)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d);
    members_put(d, spec, "items", items);
    return members_kind(d, "GridLayout", spec);
}

/* The row that v1's row panel is; *ret_items is where its panels go. */
static yyjson_mut_val *row_of(struct making *m, const yyjson_mut_val *panel,
                              yyjson_mut_val **ret_items)
{
    yyjson_mut_val *spec = yyjson_mut_obj(m->d), *items = yyjson_mut_arr(m->d), *rest = NULL;
    members_to_v2(m->d, &row_members, panel, spec, &rest);
    members_put(m->d, spec, "repeat", repeat_to_v2(m->d, panel, true));
    members_put(m->d, spec, "layout", grid_make(m->d, items));
    members_restore(m->d, spec, json_get(panel, MEMBERS_OF_V2));
    members_put(m->d, spec, MEMBERS_OF_V1, rest);
    *ret_items = items;
    return members_kind(m->d, "RowsLayoutRow", spec);
}

/* The row without a header over panels that stand before the first row. */
static yyjson_mut_val *row_above(struct making *m, yyjson_mut_val **ret_items)
{
    yyjson_mut_val *spec = yyjson_mut_obj(m->d), *items = yyjson_mut_arr(m->d);
    members_put_text(m->d, spec, "title", STR(""));
    members_put(m->d, spec, "collapse", yyjson_mut_bool(m->d, false));
    members_put(m->d, spec, "hideHeader", yyjson_mut_bool(m->d, true));
    members_put(m->d, spec, "layout", grid_make(m->d, items));
    *ret_items = items;
    return members_kind(m->d, "RowsLayoutRow", spec);
}

static int check_objects(const yyjson_mut_val *panels, const char *where, struct err *err)
{
    struct json_iter it = json_iter(panels);
    if (!json_is_arr(panels)) {
        return err_set(err, ERR_INVALID, "%s is not a list", where);
    }
    while (json_next(&it)) {
        if (!json_is_obj(it.val)) {
            return err_set(err, ERR_INVALID, "%s[%zu] is not an object", where, it.index);
        }
    }
    return 0;
}

static int rows_to_v2(struct making *m, const yyjson_mut_val *panels, yyjson_mut_val *rows,
                      struct err *err)
{
    yyjson_mut_val *items = NULL;
    int64_t base = 0;
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        if (!is_row(it.val)) {
            if (!items) {
                yyjson_mut_arr_append(rows, row_above(m, &items));
            }
            yyjson_mut_arr_append(items, item_of(m, it.val, base));
            continue;
        }
        const yyjson_mut_val *inner = json_get(it.val, "panels");
        base = layout_number(json_get(it.val, "gridPos"), "y", 0) + 1;
        yyjson_mut_arr_append(rows, row_of(m, it.val, &items));
        if (inner && !json_is_null(inner) && check_objects(inner, "spec.panels[].panels", err)) {
            return ERR_INVALID;
        }
        struct json_iter in = json_iter(inner);
        while (json_is_arr(inner) && json_next(&in)) {
            yyjson_mut_arr_append(items, item_of(m, in.val, base));
        }
    }
    return 0;
}

static bool has_rows(const yyjson_mut_val *panels)
{
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        if (is_row(it.val)) {
            return true;
        }
    }
    return false;
}

int layout_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panels, yyjson_mut_val *spec,
                 struct err *err)
{
    struct making m = {.d = d, .elements = yyjson_mut_obj(d)};
    yyjson_mut_val *made = yyjson_mut_arr(d), *of_rows = yyjson_mut_obj(d);
    if (panels && !json_is_null(panels) && check_objects(panels, "spec.panels", err)) {
        return ERR_INVALID;
    }
    panels = json_is_arr(panels) ? panels : NULL;
    m.next_id = max_id(panels, 0) + 1;
    members_put(d, spec, "elements", m.elements);
    if (has_rows(panels)) {
        int r = rows_to_v2(&m, panels, made, err);
        members_put(d, of_rows, "rows", made);
        members_put(d, spec, "layout", members_kind(d, "RowsLayout", of_rows));
        return r;
    }
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        yyjson_mut_arr_append(made, item_of(&m, it.val, 0));
    }
    members_put(d, spec, "layout", grid_make(d, made));
    return 0;
}
