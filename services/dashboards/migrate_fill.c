/* SPDX-License-Identifier: Apache-2.0 */
/* What every model has before the steps: what Grafana's user interface fills in when it opens an
 * older one, and an id for each panel. */
#include <stdlib.h>

#include "base/alloc.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"

/* ---- before the steps ---- */

static void fill(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v)
{
    if (migrate_is_null(json_get(obj, key))) {
        json_setz(d, obj, key, v);
    }
}

/* {list: []}. What is of another type is the schema's to refuse. */
static void fill_list(yyjson_mut_doc *d, yyjson_mut_val *spec, const char *key)
{
    fill(d, spec, key, yyjson_mut_obj(d));
    if (json_is_obj(json_get(spec, key))) {
        fill(d, json_get(spec, key), "list", yyjson_mut_arr(d));
    }
}

static yyjson_mut_val *range_make(yyjson_mut_doc *d)
{
    yyjson_mut_val *range = migrate_object_of(d, "from", "now-6h");
    members_put(d, range, "to", yyjson_mut_str(d, "now"));
    return range;
}

static size_t letter_of(const yyjson_mut_val *target)
{
    struct str id = json_get_str(target, "refId");
    return id.len == 1 && id.ptr[0] >= 'A' && id.ptr[0] <= 'Z' ? (size_t)(id.ptr[0] - 'A') : 26;
}

/* Every query has a letter, as long as there are some. */
static void fill_letters(yyjson_mut_doc *d, const yyjson_mut_val *targets)
{
    static const char *const letters[] = {"A", "B", "C", "D", "E", "F", "G", "H", "I",
                                          "J", "K", "L", "M", "N", "O", "P", "Q", "R",
                                          "S", "T", "U", "V", "W", "X", "Y", "Z"};
    bool used[27] = {false};
    size_t next = 0;
    struct json_iter it = json_iter(targets);
    while (json_next(&it)) {
        used[letter_of(it.val)] = true;
    }
    it = json_iter(targets);
    while (json_next(&it)) {
        if (json_is_obj(it.val) && migrate_is_null(json_get(it.val, "refId"))) {
            while (next < 26 && used[next]) {
                next++;
            }
            if (next < 26) {
                json_setz(d, it.val, "refId", yyjson_mut_str(d, letters[next++]));
            }
        }
    }
}

static yyjson_mut_val *targets_make(yyjson_mut_doc *d)
{
    yyjson_mut_val *targets = yyjson_mut_arr(d);
    yyjson_mut_arr_append(targets, migrate_object_of(d, "refId", "A"));
    return targets;
}

void migrate_fill_panel(struct migrating *m, yyjson_mut_val *panel)
{
    yyjson_mut_val *field = migrate_object(panel, "fieldConfig"), *old = json_get(panel, "targets");
    if (migrate_is_null(old) || (json_is_arr(old) && !json_size(old))) {
        json_setz(m->d, panel, "targets", targets_make(m->d));
    }
    if (field) {
        fill(m->d, field, "defaults", yyjson_mut_obj(m->d));
        fill(m->d, field, "overrides", yyjson_mut_arr(m->d));
    }
    fill_letters(m->d, migrate_list(panel, "targets"));
}

void migrate_fill(struct migrating *m)
{
    static const char *const texts[] = {"timezone", "weekStart"};
    static const char *const lists[] = {"tags", "links"};
    static const char *const zeros[] = {"graphTooltip", "fiscalYearStartMonth"};
    yyjson_mut_doc *d = m->d;
    fill(d, m->spec, "title", yyjson_mut_str(d, "No Title"));
    for (size_t i = 0; i < 2; i++) {
        fill(d, m->spec, texts[i], yyjson_mut_str(d, ""));
        fill(d, m->spec, lists[i], yyjson_mut_arr(d));
        fill(d, m->spec, zeros[i], yyjson_mut_sint(d, 0));
    }
    fill(d, m->spec, "editable", yyjson_mut_bool(d, true));
    fill(d, m->spec, "time", range_make(d));
    fill(d, m->spec, "timepicker", yyjson_mut_obj(d));
    fill(d, m->spec, "panels", yyjson_mut_arr(d));
    fill_list(d, m->spec, "templating");
    fill_list(d, m->spec, "annotations");
    struct json_iter it = json_iter(migrate_list(m->spec, "panels"));
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            migrate_fill_panel(m, it.val);
        }
    }
    migrate_ids(m);
}

/* ---- ids ---- */

struct numbered {
    yyjson_mut_val *panel;
    int64_t id; /* 0: none */
    size_t place;
};

struct ids {
    struct numbered *items;
    size_t n, cap;
};

static void gather(struct ids *ids, const yyjson_mut_val *panels, bool inner)
{
    struct json_iter it = json_iter(json_is_arr(panels) ? panels : NULL);
    while (json_next(&it)) {
        if (!json_is_obj(it.val)) {
            continue;
        }
        if (ids->n == ids->cap) {
            ids->cap = ids->cap ? 2 * ids->cap : 64;
            ids->items = alloc_resize(ids->items, ids->cap * sizeof(*ids->items));
        }
        double id = 0;
        const yyjson_mut_val *v = json_get(it.val, "id");
        bool whole = yyjson_mut_is_num(json_mut(v)) && migrate_number(v, &id) && id >= 1;
        ids->items[ids->n] =
            (struct numbered){it.val, whole && id < INT32_MAX ? (int64_t)id : 0, ids->n};
        ids->n++;
        if (inner) {
            gather(ids, json_get(it.val, "panels"), false);
        }
    }
}

static int by_id(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    int r = (x->id > y->id) - (x->id < y->id);
    return r ? r : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

/* Those that have no id, or one that a panel before them has, get the next. */
void migrate_ids(struct migrating *m)
{
    struct ids ids = {0};
    gather(&ids, json_get(m->spec, "panels"), true);
    if (ids.n) {
        qsort(ids.items, ids.n, sizeof(*ids.items), by_id);
        int64_t next = ids.items[ids.n - 1].id + 1;
        for (size_t i = ids.n - 1; i > 0; i--) {
            ids.items[i].id = ids.items[i].id == ids.items[i - 1].id ? 0 : ids.items[i].id;
        }
        qsort(ids.items, ids.n, sizeof(*ids.items), by_place);
        for (size_t i = 0; i < ids.n; i++) {
            if (!ids.items[i].id) {
                json_set_int(m->d, ids.items[i].panel, "id", next++);
            }
        }
    }
    free(ids.items);
}
