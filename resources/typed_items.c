/* SPDX-License-Identifier: Apache-2.0 */
/* Items of lists of type set and map by what tells them apart: their value, or the values of their
 * key fields (a default for one that is not there). */
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/quote.h"
#include "resources/typed_priv.h"

enum { FEW = 8 }; /* items that are compared with one another rather than put into a table */

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static const yyjson_mut_val *default_of(struct type items, struct str name)
{
    struct atom at;
    bool field;
    atom_of(items, &at);
    if (!at.view.map) {
        return NULL;
    }
    struct type t = atom_field(&at, name, &field);
    const yyjson_mut_val *v = field ? schema_default_of(t.node) : NULL;
    return json_is_null(v) ? NULL : v;
}

void identity_init(struct identity *id, const struct atom *list, struct arena *a)
{
    *id = (struct identity){.arena = a, .n = 1};
    if (list->view.list_type != SCHEMA_LIST_MAP) {
        return;
    }
    size_t n = schema_list_keys(list->type.node, &id->given);
    if (!n) {
        return; /* the reference takes it for a set */
    }
    struct str *names = (struct str *)(uintptr_t)id->given;
    if (n > 1) {
        names = arena_alloc(a, n * sizeof(*names));
        memcpy(names, id->given, n * sizeof(*names));
        qsort(names, n, sizeof(*names), compare_names);
    }
    const yyjson_mut_val **defaults = arena_alloc(a, n * sizeof(*defaults));
    for (size_t i = 0; i < n; i++) {
        defaults[i] = default_of(atom_items(list), names[i]);
    }
    id->keyed = true;
    id->n = n;
    id->names = names;
    id->defaults = defaults;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    return h * 0xff51afd7ed558ccdu;
}

/* Values that compare as equal have one hash. */
static uint64_t hash_value(const yyjson_mut_val *v)
{
    yyjson_mut_val *m = json_mut(v);
    uint64_t h = 0, bits;
    double number;
    switch (v ? unsafe_yyjson_get_type(m) : YYJSON_TYPE_NONE) {
    case YYJSON_TYPE_STR:
        return json_key_hash(v->uni.str, unsafe_yyjson_get_len(m));
    case YYJSON_TYPE_NUM:
        number = unsafe_yyjson_get_num(m) + 0.0; /* 0, not -0 */
        memcpy(&bits, &number, sizeof(bits));
        return json_key_hash((const char *)&bits, sizeof(bits));
    case YYJSON_TYPE_ARR:
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            h = mix(h, hash_value(it.val));
        }
        return mix(h, 1);
    case YYJSON_TYPE_OBJ: /* in any order */
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            h += mix(hash_value(it.key), hash_value(it.val));
        }
        return mix(h, 2);
    default:
        return v ? mix(3, unsafe_yyjson_get_tag(m)) : 4;
    }
}

static const yyjson_mut_val **values_at(const struct items *x, size_t i)
{
    return x->values + i * x->id->n;
}

bool items_same(const struct items *x, size_t i, const struct items *y, size_t j)
{
    const yyjson_mut_val **a = values_at(x, i), **b = values_at(y, j);
    for (size_t k = 0; k < x->id->n; k++) {
        if (!a[k] || !b[k]) {
            if (a[k] != b[k]) {
                return false;
            }
        } else if (!fieldset_same_value(a[k], b[k])) {
            return false;
        }
    }
    return true;
}

static uint64_t hash_of(const struct items *x, size_t i)
{
    uint64_t h = 0;
    for (size_t k = 0; k < x->id->n; k++) {
        h = mix(h, hash_value(values_at(x, i)[k]));
    }
    return h ^ h >> 32;
}

long items_find(const struct items *x, const struct items *from, size_t i)
{
    if (!x->slots) {
        for (size_t j = 0; j < x->n; j++) {
            if (x->first[j] == j && items_same(x, j, from, i)) {
                return (long)j;
            }
        }
        return -1;
    }
    for (size_t at = hash_of(from, i) & x->mask; x->slots[at]; at = (at + 1) & x->mask) {
        if (items_same(x, x->slots[at] - 1, from, i)) {
            return (long)x->slots[at] - 1;
        }
    }
    return -1;
}

/* Finds which items have one identity. */
static void items_index(struct items *x)
{
    size_t n = x->n, cap = 2 * FEW;
    x->first = arena_alloc(x->id->arena, 2 * n * sizeof(*x->first));
    x->count = x->first + n;
    if (n > FEW) {
        while (cap < n * 2) {
            cap *= 2;
        }
        x->slots = arena_zero(x->id->arena, cap * sizeof(*x->slots));
        x->mask = cap - 1;
    }
    x->n = 0;
    for (size_t i = 0; i < n; i++) {
        long found = items_find(x, x, i);
        x->n = i + 1;
        x->first[i] = (uint32_t)(found < 0 ? (long)i : found);
        x->count[i] = 0;
        x->count[x->first[i]]++;
        x->duplicates = x->duplicates || found >= 0;
        if (found < 0 && x->slots) {
            size_t at = hash_of(x, i) & x->mask;
            while (x->slots[at]) {
                at = (at + 1) & x->mask;
            }
            x->slots[at] = (uint32_t)i + 1;
        }
    }
}

static int no_key(const struct identity *id, size_t i, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t k = 0; k < id->n; k++) {
        buf_addz(&b, k ? " " : "");
        quote_go(&b, id->given[k]);
    }
    return err_set(err, ERR_INVALID,
                   "element %zu: associative list with keys has an element that omits all key "
                   "fields [%.*s] (and doesn't have default values for any key fields)",
                   i, STR_FMT(buf_str(&b)));
}

static int keys_of(const struct identity *id, size_t i, const yyjson_mut_val *item,
                   const yyjson_mut_val **ret, struct err *err)
{
    if (!json_is_obj(item)) {
        return err_set(err, ERR_INVALID, "element %zu: associative list with keys may not have %s",
                       i, json_is_null(item) ? "a null element" : "non-map elements");
    }
    bool any = false;
    for (size_t k = 0; k < id->n; k++) {
        ret[k] = json_getn(item, id->names[k]);
        ret[k] = ret[k] ? ret[k] : id->defaults[k];
        any = any || ret[k];
    }
    return any ? 0 : no_key(id, i, err);
}

static int value_of(size_t i, const yyjson_mut_val *item, const yyjson_mut_val **ret,
                    struct err *err)
{
    if (json_is_obj(item)) {
        return err_set(
            err, ERR_INVALID,
            "element %zu: associative list without keys has an element that's a map type", i);
    }
    if (json_is_arr(item)) {
        return err_set(err, ERR_INVALID,
                       "element %zu: not supported: associative list with lists as elements", i);
    }
    if (json_is_null(item)) {
        return err_set(
            err, ERR_INVALID,
            "element %zu: associative list without keys has an element that's an explicit null", i);
    }
    *ret = item;
    return 0;
}

static int fill(struct items *x, struct identity *id, const yyjson_mut_val *list, bool lenient,
                struct err *err)
{
    list = full_list(list);
    size_t n = json_size(list), kept = 0;
    *x = (struct items){.id = id};
    if (!list) {
        return 0;
    }
    x->item = arena_alloc(id->arena, n * sizeof(*x->item));
    x->values = arena_alloc(id->arena, n * id->n * sizeof(*x->values));
    struct ring ring = ring_of(list);
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *item = ring_item(&ring);
        const yyjson_mut_val **to = x->values + kept * id->n;
        struct err *say = lenient ? NULL : err;
        int r = id->keyed ? keys_of(id, i, item, to, say) : value_of(i, item, to, say);
        if (r < 0 && !lenient) {
            return r;
        }
        if (r == 0) {
            x->item[kept++] = item;
        }
    }
    x->n = kept;
    return 0;
}

int items_read(struct items *x, struct identity *id, const yyjson_mut_val *list, struct err *err)
{
    return fill(x, id, list, false, err);
}

int items_init(struct items *x, struct identity *id, const yyjson_mut_val *list, struct err *err)
{
    int code = fill(x, id, list, false, err);
    if (code == 0 && x->n) {
        items_index(x);
    }
    return code;
}

void items_init_lenient(struct items *x, struct identity *id, const yyjson_mut_val *list)
{
    fill(x, id, list, true, NULL);
    if (x->n) {
        items_index(x);
    }
}

/* A value of its own: trees may be changed in place later, a path never is. */
static void copy_head(yyjson_mut_val *to, const yyjson_mut_val *from)
{
    to->tag = from->tag;
    to->uni = from->uni;
}

/* The schema's own names and values, kept beyond it. */
static void keep_names(struct identity *id)
{
    if (id->kept) {
        return;
    }
    struct str *kept = arena_alloc(id->arena, id->n * sizeof(*kept));
    for (size_t k = 0; k < id->n; k++) {
        kept[k] = arena_str(id->arena, id->names[k]);
    }
    id->kept = kept;
}

static void keep_value(struct arena *a, yyjson_mut_val *to, const yyjson_mut_val *from)
{
    copy_head(to, from);
    if (json_is_str(from)) {
        struct str s = arena_str(a, json_str(from));
        yyjson_mut_set_strn(to, s.ptr, s.len);
    } else if (yyjson_mut_is_ctn(json_mut(from))) {
        copy_head(to, json_copy(json_doc(a), from));
    }
}

/* An object of the keys that there are. */
static void make_key(struct identity *id, const yyjson_mut_val **values, yyjson_mut_val *v)
{
    size_t n = 0;
    yyjson_mut_val *at = v + 1;
    keep_names(id);
    for (size_t k = 0; k < id->n; k++) {
        if (!values[k]) {
            continue;
        }
        yyjson_mut_set_strn(&at[0], id->kept[k].ptr, id->kept[k].len);
        if (values[k] == id->defaults[k]) {
            keep_value(id->arena, &at[1], values[k]);
        } else {
            copy_head(&at[1], values[k]);
        }
        at[0].next = &at[1];
        at[1].next = &at[2];
        at += 2;
        n++;
    }
    at[-1].next = v + 1;
    v->tag = (uint64_t)n << YYJSON_TAG_BIT | YYJSON_TYPE_OBJ;
    v->uni.ptr = at - 2;
}

struct element items_element(const struct items *x, size_t i)
{
    struct identity *id = x->id;
    const yyjson_mut_val **values = values_at(x, i);
    yyjson_mut_val *v = arena_zero(id->arena, (1 + 2 * id->n * id->keyed) * sizeof(*v));
    if (!id->keyed) {
        copy_head(v, values[0]);
        return (struct element){.kind = ELEMENT_VALUE, .value = v};
    }
    make_key(id, values, v);
    return (struct element){.kind = ELEMENT_KEY, .value = v};
}
