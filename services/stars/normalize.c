/* SPDX-License-Identifier: Apache-2.0 */
/* One form for one set of stars, so that saying the same again changes nothing. */
#include "services/stars/stars.h"

#include "base/json.h"

#include <stdlib.h>

struct star {
    struct str group, kind, name;
};

static int compare(const void *a, const void *b)
{
    const struct star *x = a, *y = b;
    int r = str_cmp(x->group, y->group);
    r = r ? r : str_cmp(x->kind, y->kind);
    return r ? r : str_cmp(x->name, y->name);
}

static bool well_formed_entry(const yyjson_mut_val *entry)
{
    const yyjson_mut_val *names = json_get(entry, "names");
    if (!json_is_obj(entry) || !json_get_str(entry, "group").len ||
        !json_get_str(entry, "kind").len || !json_is_arr(names)) {
        return false;
    }
    for (struct json_iter it = json_iter(names); json_next(&it);) {
        if (!json_str(it.val).len) {
            return false;
        }
    }
    return true;
}

/* *ret_n: how many names there are in all. */
static bool well_formed(const yyjson_mut_val *list, size_t *ret_n)
{
    size_t n = 0;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        if (!well_formed_entry(it.val)) {
            return false;
        }
        n += json_size(json_get(it.val, "names"));
    }
    *ret_n = n;
    return json_is_arr(list);
}

static size_t gather(const yyjson_mut_val *list, struct star *all)
{
    size_t n = 0;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        struct str group = json_get_str(it.val, "group"), kind = json_get_str(it.val, "kind");
        for (struct json_iter name = json_iter(json_get(it.val, "names")); json_next(&name);) {
            all[n++] = (struct star){group, kind, json_str(name.val)};
        }
    }
    return n;
}

/* The names of a new last entry. */
static yyjson_mut_val *add_entry(yyjson_mut_doc *d, yyjson_mut_val *list, const struct star *s)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(d, list);
    json_set_str(d, entry, "group", s->group);
    json_set_str(d, entry, "kind", s->kind);
    return yyjson_mut_obj_add_arr(d, entry, "names");
}

void stars_normalize(yyjson_mut_doc *d, yyjson_mut_val *obj, struct arena *a)
{
    yyjson_mut_val *spec = json_get(obj, "spec"), *list = json_get(spec, "resource");
    size_t n = 0;
    if (!well_formed(list, &n)) {
        return;
    }
    struct star *all = arena_alloc(a, (n + 1) * sizeof(*all));
    n = gather(list, all);
    qsort(all, n, sizeof(*all), compare);
    yyjson_mut_val *sorted = yyjson_mut_arr(d), *names = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct star *s = &all[i], *before = i ? s - 1 : NULL;
        if (before && compare(before, s) == 0) {
            continue;
        }
        if (!before || !str_eq(before->group, s->group) || !str_eq(before->kind, s->kind)) {
            names = add_entry(d, sorted, s);
        }
        yyjson_mut_arr_add_strncpy(d, names, s->name.ptr, s->name.len);
    }
    json_setz(d, spec, "resource", sorted);
}
