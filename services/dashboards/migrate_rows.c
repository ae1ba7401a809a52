/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of panels, each with a share of twelve columns, to positions on a grid of 24. */
#include "services/dashboards/migrate_priv.h"

#include <math.h>

#include "services/dashboards/members_priv.h"

enum {
    COLUMNS = 24,
    SPAN_ELSE = 4, /* of 12 */
    ROW_PX_ELSE = 250,
    PANEL_PX_MIN = 90,
    CELL_PX = 38, /* with its margin */
    CELLS_MAX = 100000,
};

/* A row as it is filled: how high each column is already. */
struct area {
    int64_t y, height;
    int64_t columns[COLUMNS];
};

struct rows {
    struct migrating *m;
    yyjson_mut_val *panels; /* what is made */
    bool shown;             /* rows come to be panels too */
    int64_t y, next_id;
};

/* ---- sizes ---- */

/* Pixels, as a number or as "250px"; a script's parseInt of it. */
static bool pixels(const yyjson_mut_val *v, double *ret)
{
    struct str s = json_str(v);
    size_t n = 0;
    if (!json_is_str(v)) {
        return migrate_number(v, ret);
    }
    double sum = 0;
    for (; n < s.len && n < 9 && s.ptr[n] >= '0' && s.ptr[n] <= '9'; n++) {
        sum = sum * 10 + (s.ptr[n] - '0');
    }
    *ret = sum;
    return n > 0;
}

static int64_t cells(double px)
{
    double n = ceil((px < PANEL_PX_MIN ? PANEL_PX_MIN : px) / CELL_PX);
    return n < CELLS_MAX ? (int64_t)n : CELLS_MAX;
}

static int64_t height_of(const yyjson_mut_val *obj, int64_t fallback)
{
    double px = 0;
    const yyjson_mut_val *height = json_get(obj, "height");
    return migrate_truthy(height) && pixels(height, &px) ? cells(px) : fallback;
}

static int64_t width_of(const yyjson_mut_val *panel)
{
    double span = 0;
    if (!migrate_number(json_get(panel, "span"), &span) || span == 0) {
        span = SPAN_ELSE;
    }
    double width = floor(span * COLUMNS / 12);
    return width < 1 ? 1 : width > COLUMNS ? COLUMNS : (int64_t)width;
}

/* ---- places ---- */

/* The free columns on the right that do not grow higher towards the left. */
static bool place_in(const struct area *a, int64_t width, int64_t *ret_x, int64_t *ret_y)
{
    int64_t end = -1, begin = 0;
    for (int64_t i = COLUMNS - 1; i >= 0 && a->columns[i] < a->height; i--) {
        if (end < 0) {
            end = i;
            begin = i;
        } else if (a->columns[i] <= a->columns[i + 1]) {
            begin = i;
        } else {
            break;
        }
    }
    if (end < 0 || end - begin < width - 1) {
        return false;
    }
    *ret_x = begin;
    *ret_y = 0;
    for (int64_t i = begin; i <= end; i++) {
        *ret_y = a->columns[i] > *ret_y ? a->columns[i] : *ret_y;
    }
    return true;
}

/* Where a panel goes; a row that is full goes on below itself. */
static void place(struct area *a, int64_t width, int64_t height, int64_t *ret_x, int64_t *ret_y)
{
    if (!place_in(a, width, ret_x, ret_y)) {
        a->y += a->height;
        *a = (struct area){.y = a->y, .height = a->height};
        *ret_x = 0;
        *ret_y = 0;
    }
    *ret_y += a->y;
    for (int64_t i = *ret_x; i < *ret_x + width && i < COLUMNS; i++) {
        int64_t top = *ret_y + height - a->y;
        a->columns[i] = top > a->columns[i] ? top : a->columns[i];
    }
}

static yyjson_mut_val *position(yyjson_mut_doc *d, int64_t x, int64_t y, int64_t w, int64_t h)
{
    yyjson_mut_val *pos = yyjson_mut_obj(d);
    members_put_int(d, pos, "x", x);
    members_put_int(d, pos, "y", y);
    members_put_int(d, pos, "w", w);
    members_put_int(d, pos, "h", h);
    return pos;
}

/* ---- rows ---- */

static bool says_something(const yyjson_mut_val *row)
{
    return migrate_truthy(json_get(row, "collapse")) ||
           migrate_truthy(json_get(row, "showTitle")) || json_get_str(row, "repeat").len;
}

/* Numbers the panels that have none. */
static void number_panels(struct rows *r, const yyjson_mut_val *panels)
{
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        if (json_is_obj(it.val) && !json_get(it.val, "id")) {
            json_set_int(r->m->d, it.val, "id", r->next_id++);
        }
    }
}

static yyjson_mut_val *row_panel(struct rows *r, const yyjson_mut_val *row, int64_t height)
{
    yyjson_mut_doc *d = r->m->d;
    yyjson_mut_val *panel = yyjson_mut_obj(d), *collapse = json_get(row, "collapse");
    members_put_int(d, panel, "id", r->next_id++);
    members_put(d, panel, "type", yyjson_mut_str(d, "row"));
    members_put_text(d, panel, "title", json_get_str(row, "title"));
    if (collapse) {
        members_put(d, panel, "collapsed", yyjson_mut_bool(d, migrate_truthy(collapse)));
    }
    if (json_get_str(row, "repeat").len) {
        members_put_text(d, panel, "repeat", json_get_str(row, "repeat"));
    }
    members_put(d, panel, "panels", yyjson_mut_arr(d));
    members_put(d, panel, "gridPos", position(d, 0, r->y, COLUMNS, height));
    r->y++;
    return panel;
}

static void place_panel(struct rows *r, struct area *a, yyjson_mut_val *panel)
{
    double min_span = 0;
    int64_t x = 0, y = 0, width = width_of(panel), height = height_of(panel, a->height);
    if (migrate_number(json_get(panel, "minSpan"), &min_span) && min_span > 0) {
        double columns = floor(min_span * COLUMNS / 12);
        json_set_int(r->m->d, panel, "minSpan", columns < COLUMNS ? (int64_t)columns : COLUMNS);
    }
    place(a, width, height, &x, &y);
    r->y = a->y;
    json_setz(r->m->d, panel, "gridPos", position(r->m->d, x, y, width, height));
    json_remove(panel, "span");
}

static void take_row(struct rows *r, const yyjson_mut_val *row)
{
    yyjson_mut_val *panels = migrate_list(row, "panels"), *header = NULL;
    bool collapsed = migrate_truthy(json_get(row, "collapse"));
    int64_t height = height_of(row, cells(ROW_PX_ELSE));
    number_panels(r, panels);
    if (r->shown) {
        header = row_panel(r, row, height);
        yyjson_mut_arr_append(r->panels, header);
    }
    bool inside = header && collapsed;
    struct area area = {.y = r->y, .height = height};
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            if (!inside) {
                migrate_fill_panel(r->m, it.val);
            }
            place_panel(r, &area, it.val);
            yyjson_mut_arr_append(inside ? json_get(header, "panels") : r->panels,
                                  members_lift(r->m->d, it.val));
        }
    }
    r->y += inside ? 0 : height;
}

static int64_t max_id(const yyjson_mut_val *rows)
{
    int64_t max = 0;
    struct json_iter it = json_iter(rows);
    while (json_next(&it)) {
        struct json_iter in = json_iter(migrate_list(it.val, "panels"));
        while (json_next(&in)) {
            int64_t id = json_get_int(in.val, "id", 0);
            max = id > max && id < INT32_MAX ? id : max;
        }
    }
    return max;
}

static bool rows_shown(const yyjson_mut_val *rows)
{
    struct json_iter it = json_iter(rows);
    while (json_next(&it)) {
        if (says_something(it.val)) {
            return true;
        }
    }
    return false;
}

void migrate_16_rows(struct migrating *m)
{
    yyjson_mut_val *rows = migrate_list(m->spec, "rows"), *panels = migrate_list(m->spec, "panels");
    if (json_size(rows) && panels) {
        struct rows r = {.m = m, .panels = panels, .shown = rows_shown(rows)};
        r.next_id = max_id(rows) + 1;
        struct json_iter it = json_iter(rows);
        while (json_next(&it)) {
            if (json_is_obj(it.val) && migrate_is_null(json_get(it.val, "repeatIteration"))) {
                take_row(&r, it.val);
            }
        }
        migrate_ids(m);
    }
    json_remove(m->spec, "rows");
}

/* How many panels of that width stand beside each other: the largest factor of 24 that does. */
void migrate_17_min_span(struct migrating *m, yyjson_mut_val *panel)
{
    static const int factors[] = {24, 12, 8, 6, 4, 3, 2, 1};
    const yyjson_mut_val *v = json_get(panel, "minSpan");
    double span = 0;
    if (!v) {
        return;
    }
    if (yyjson_mut_is_num(json_mut(v)) && migrate_number(v, &span) && span > 0) {
        size_t i = 0;
        while (factors[i] > COLUMNS / span && factors[i] > 1) {
            i++;
        }
        json_set_int(m->d, panel, "maxPerRow", factors[i]);
    }
    json_remove(panel, "minSpan");
}
