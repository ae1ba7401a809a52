/* SPDX-License-Identifier: Apache-2.0 */
/* From elements and a layout to v1's list of panels with positions: everything one below the other.
 */
#include "services/dashboards/layout_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/panels_priv.h"

enum { COLUMNS = 24, CELL_PX = 38 }; /* v1's grid: cells of 30 px and 8 px between them */

struct element {
    struct str name;
    const yyjson_mut_val *value;
    bool placed;
};

struct flat {
    yyjson_mut_doc *d;
    struct element *elements; /* by name */
    size_t n_elements;
    yyjson_mut_val *out; /* where panels go */
    int64_t y;           /* below everything so far */
    bool folded;         /* in a collapsed row, which holds panels and no rows */
    struct err *err;
};

/* Rows lie within tabs within rows: no deeper than JSON may. */
static int flatten(struct flat *f, const yyjson_mut_val *layout);

static const struct member row_rows[] = {
    {"title", "title", MEMBER_TEXT, OR_NOTHING, false},
    {"collapsed", "collapse", MEMBER_BOOL, OR_NOTHING, false},
    {NULL, "hideHeader", MEMBER_TAKEN, OR_NOTHING, false},
    {NULL, "repeat", MEMBER_TAKEN, OR_NOTHING, false},
    {NULL, "layout", MEMBER_TAKEN, OR_NOTHING, false},
};
static const struct members row_members = MEMBERS(row_rows, true);

static void put_pos(struct flat *f, yyjson_mut_val *panel, int64_t x, int64_t y, int64_t w,
                    int64_t h)
{
    yyjson_mut_val *pos = yyjson_mut_obj(f->d);
    members_put_int(f->d, pos, "h", h);
    members_put_int(f->d, pos, "w", w);
    members_put_int(f->d, pos, "x", x);
    members_put_int(f->d, pos, "y", y);
    json_setz(f->d, panel, "gridPos", pos);
}

static int compare_elements(const void *a, const void *b)
{
    return str_cmp(((const struct element *)a)->name, ((const struct element *)b)->name);
}

static struct element *elements_sort(const yyjson_mut_val *elements)
{
    struct element *sorted = alloc_zero((json_size(elements) + 1) * sizeof(*sorted));
    struct json_iter it = json_iter(elements);
    size_t n = 0;
    while (json_is_obj(elements) && json_next(&it)) {
        sorted[n++] = (struct element){.name = json_str(it.key), .value = it.val};
    }
    qsort(sorted, n, sizeof(*sorted), compare_elements);
    return sorted;
}

/* An element that was not placed yet: v1 has a panel once, and many references to a large one would
 * make many of it. */
static int find_element(struct flat *f, struct str name, const yyjson_mut_val **ret)
{
    const struct element wanted = {.name = name};
    struct element *e =
        bsearch(&wanted, f->elements, f->n_elements, sizeof(wanted), compare_elements);
    if (!e || e->placed) {
        return err_set(f->err, ERR_INVALID,
                       e ? "panel with uid %.*s is placed more than once"
                         : "panel with uid %.*s not found in the dashboard elements",
                       STR_FMT(name));
    }
    e->placed = true;
    *ret = e->value;
    return 0;
}

/* The panel of an item at a position; f->y comes to lie below it. */
static int place(struct flat *f, const yyjson_mut_val *spec, int64_t x, int64_t y, int64_t w,
                 int64_t h, yyjson_mut_val **ret)
{
    struct str name = json_get_str(json_get(spec, "element"), "name");
    const yyjson_mut_val *element = NULL;
    yyjson_mut_val *panel = NULL;
    int r = find_element(f, name, &element);
    r = r ? r : panel_to_v1(f->d, element, name, &panel, f->err);
    if (r) {
        return r;
    }
    put_pos(f, panel, x, y, w, h);
    repeat_to_v1(f->d, json_get(spec, "repeat"), panel);
    yyjson_mut_arr_append(f->out, panel);
    f->y = y + h > f->y ? y + h : f->y;
    *ret = panel;
    return 0;
}

static int flatten_grid(struct flat *f, const yyjson_mut_val *spec)
{
    int64_t base = f->y;
    yyjson_mut_val *panel;
    struct json_iter it = json_iter(json_get(spec, "items"));
    while (json_next(&it)) {
        const yyjson_mut_val *item = json_get(it.val, "spec");
        int r = place(f, item, layout_number(item, "x", 0), base + layout_number(item, "y", 0),
                      layout_number(item, "width", 6), layout_number(item, "height", 3), &panel);
        if (r) {
            return r;
        }
    }
    return 0;
}

static int64_t auto_height(const yyjson_mut_val *spec)
{
    struct str mode = json_get_str(spec, "rowHeightMode");
    double px = yyjson_mut_get_num(json_mut(json_get(spec, "rowHeight")));
    if (str_is(mode, "short")) {
        return 5;
    }
    if (str_is(mode, "tall")) {
        return 14;
    }
    return str_is(mode, "custom") && px >= 1 && px < 1e6 ? ((int64_t)px + CELL_PX - 1) / CELL_PX
                                                         : 9;
}

static int flatten_auto(struct flat *f, const yyjson_mut_val *spec)
{
    int64_t columns = json_get_int(spec, "maxColumnCount", 3), x = 0, y = f->y;
    columns = columns < 1 ? 3 : columns > COLUMNS ? COLUMNS : columns;
    int64_t w = COLUMNS / columns, h = auto_height(spec);
    yyjson_mut_val *panel;
    struct json_iter it = json_iter(json_get(spec, "items"));
    while (json_next(&it)) {
        const yyjson_mut_val *item = json_get(it.val, "spec");
        if (x + w > COLUMNS) {
            x = 0;
            y += h;
        }
        int r = place(f, item, x, y, w, h, &panel);
        if (r) {
            return r;
        }
        if (json_get(panel, "repeat")) {
            json_set_str(f->d, panel, "repeatDirection", STR("h"));
            json_set_int(f->d, panel, "maxPerRow", columns);
        }
        x += w;
    }
    return 0;
}

/* A row's panel at *y, or where it was kept that it stood; *y is what is in it from then on. */
static yyjson_mut_val *row_panel(struct flat *f, const yyjson_mut_val *spec, int64_t *y)
{
    const yyjson_mut_val *kept = json_get(spec, MEMBERS_OF_V1);
    yyjson_mut_val *row = yyjson_mut_obj(f->d), *rest = NULL;
    *y = layout_number(json_get(kept, "gridPos"), "y", *y);
    members_put_text(f->d, row, "type", STR("row"));
    members_to_v1(f->d, &row_members, spec, row, kept, &rest);
    repeat_to_v1(f->d, json_get(spec, "repeat"), row);
    put_pos(f, row, 0, *y, COLUMNS, 1);
    members_restore(f->d, row, kept);
    members_put(f->d, row, MEMBERS_OF_V2, rest);
    ++*y;
    return row;
}

/* A row of rows, or a tab: its panel, then what is in it, which the panel holds where it is
 * collapsed. */
static int flatten_row(struct flat *f, const yyjson_mut_val *spec)
{
    yyjson_mut_val *outer = f->out, *row = NULL, *inner = NULL;
    int64_t above = f->y, y = f->y;
    bool collapsed = false;
    if (!f->folded && !json_get_bool(spec, "hideHeader")) {
        row = row_panel(f, spec, &y);
        collapsed = json_get_bool(row, "collapsed");
        inner = yyjson_mut_arr(f->d);
        if (!json_get(row, "collapsed")) {
            members_put(f->d, row, "collapsed", yyjson_mut_bool(f->d, false));
        }
        members_put(f->d, row, "panels", inner);
        yyjson_mut_arr_append(outer, row);
    }
    f->out = collapsed ? inner : outer;
    f->folded = f->folded || collapsed;
    f->y = y;
    int r = flatten(f, json_get(spec, "layout"));
    f->y = above > f->y ? above : f->y;
    f->out = outer;
    f->folded = f->folded && !collapsed;
    return r;
}

static int flatten_rows(struct flat *f, const yyjson_mut_val *rows)
{
    struct json_iter it = json_iter(rows);
    while (json_next(&it)) {
        int r = flatten_row(f, json_get(it.val, "spec"));
        if (r) {
            return r;
        }
    }
    return 0;
}

static int flatten(struct flat *f, const yyjson_mut_val *layout)
{
    struct str kind = json_get_str(layout, "kind");
    const yyjson_mut_val *spec = json_get(layout, "spec");
    if (str_is(kind, "GridLayout")) {
        return flatten_grid(f, spec);
    }
    if (str_is(kind, "AutoGridLayout")) {
        return flatten_auto(f, spec);
    }
    if (str_is(kind, "RowsLayout")) {
        return flatten_rows(f, json_get(spec, "rows"));
    }
    if (str_is(kind, "TabsLayout")) {
        return flatten_rows(f, json_get(spec, "tabs"));
    }
    return err_set(f->err, ERR_INVALID, "the layout is of unknown kind \"%.*s\"", STR_FMT(kind));
}

/* Rows that kept no id get what no panel has. */
static void number_rows(yyjson_mut_doc *d, const yyjson_mut_val *panels, int64_t max)
{
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        int64_t id = json_get_int(it.val, "id", 0);
        max = id > max && id < INT32_MAX ? id : max;
    }
    it = json_iter(panels);
    while (json_next(&it)) {
        if (!json_get(it.val, "id")) {
            members_put_int(d, it.val, "id", ++max);
        }
    }
}

static int64_t max_id(const yyjson_mut_val *elements)
{
    int64_t max = 0;
    struct json_iter it = json_iter(elements);
    while (json_next(&it)) {
        int64_t id = json_get_int(json_get(it.val, "spec"), "id", 0);
        max = id > max && id < INT32_MAX ? id : max;
    }
    return max;
}

int layout_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *elements, const yyjson_mut_val *layout,
                 yyjson_mut_val **ret, struct err *err)
{
    AUTO_FREE struct element *sorted = elements_sort(elements);
    struct flat f = {.d = d,
                     .elements = sorted,
                     .n_elements = json_is_obj(elements) ? json_size(elements) : 0,
                     .out = yyjson_mut_arr(d),
                     .err = err};
    int r = layout ? flatten(&f, layout) : 0;
    if (r == 0) {
        number_rows(d, f.out, max_id(elements));
        *ret = f.out;
    }
    return r;
}
