/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of type set and map: items told apart by their value or by their keys. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "schemas/schema_priv.h"

static uint64_t hash_value(uint64_t h, const yyjson_mut_val *v)
{
    yyjson_mut_val *m = (yyjson_mut_val *)(uintptr_t)v;
    if (!v) {
        return hash_u64(h, 1);
    }
    switch (unsafe_yyjson_get_type(m)) {
    case YYJSON_TYPE_STR:
        return hash_bytes(h, v->uni.str, unsafe_yyjson_get_len(m));
    case YYJSON_TYPE_NUM: {
        double d = yyjson_mut_get_num(m);
        return hash_bytes(h, &d, sizeof(d));
    }
    case YYJSON_TYPE_OBJ: {
        /* members in any order */
        uint64_t sum = 0;
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            sum += hash_value(hash_value(HASH_START, it.key), it.val);
        }
        return hash_u64(h, sum);
    }
    case YYJSON_TYPE_ARR: {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            h = hash_value(h, it.val);
        }
        return hash_u64(h, 2);
    }
    default:
        return hash_u64(h, unsafe_yyjson_get_tag(m));
    }
}

static uint64_t hash_item(const struct schema_node *list, const yyjson_mut_val *v)
{
    if (list->list_type != SCHEMA_LIST_MAP) {
        return hash_value(HASH_START, v);
    }
    uint64_t h = HASH_START;
    for (uint32_t i = 0; i < list->n_list_keys; i++) {
        h = hash_u64(hash_value(h, json_getn(v, list->list_keys[i])), i);
    }
    return h;
}

static bool same_value(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    return a && b ? json_equal(a, b) : a == b;
}

bool list_item_same(const struct schema_node *list, yyjson_mut_val *a, yyjson_mut_val *b)
{
    if (list->list_type != SCHEMA_LIST_MAP) {
        return json_equal(a, b);
    }
    for (uint32_t i = 0; i < list->n_list_keys; i++) {
        if (!same_value(json_getn(a, list->list_keys[i]), json_getn(b, list->list_keys[i]))) {
            return false;
        }
    }
    return true;
}

/* Adds items[i] unless one of its identity is there; returns that one's index, or i. */
static size_t index_add(struct list_index *x, size_t i)
{
    size_t at = hash_item(x->list, x->items[i]) & x->mask;
    for (; x->slots[at]; at = (at + 1) & x->mask) {
        size_t other = x->slots[at] - 1;
        if (list_item_same(x->list, x->items[other], x->items[i])) {
            return other;
        }
    }
    x->slots[at] = (uint32_t)i + 1;
    return i;
}

/* Everything but the items being in the table. */
static void index_prepare(struct list_index *x, const struct schema_node *list, yyjson_mut_val *arr)
{
    size_t n = yyjson_mut_arr_size(arr), cap = sizeof(x->few) / sizeof(*x->few);
    *x = (struct list_index){.list = list, .n = n};
    while (cap < n * 2) {
        cap *= 2;
    }
    x->mask = cap - 1;
    x->slots =
        cap == sizeof(x->few) / sizeof(*x->few) ? x->few : alloc_zero(cap * sizeof(*x->slots));
    x->items = alloc_bytes(n * sizeof(yyjson_mut_val *));
    struct json_iter it = json_iter(arr);
    while (json_next(&it)) {
        x->items[it.index] = it.val;
    }
}

void list_index_init(struct list_index *x, const struct schema_node *list, yyjson_mut_val *arr)
{
    index_prepare(x, list, arr);
    for (size_t i = 0; i < x->n; i++) {
        index_add(x, i);
    }
}

void list_index_finish(struct list_index *x)
{
    if (x->slots != x->few) {
        free(x->slots);
    }
    free(x->items);
}

long list_index_find(const struct list_index *x, yyjson_mut_val *v)
{
    size_t at = hash_item(x->list, v) & x->mask;
    for (; x->slots[at]; at = (at + 1) & x->mask) {
        if (list_item_same(x->list, x->items[x->slots[at] - 1], v)) {
            return (long)x->slots[at] - 1;
        }
    }
    return -1;
}

bool list_has_duplicates(const struct schema_node *list, yyjson_mut_val *arr)
{
    size_t n = yyjson_mut_arr_size(arr);
    if (n < 2) {
        return false;
    }
    if (n <= 8) {
        yyjson_mut_val *items[8];
        struct json_iter it = json_iter(arr);
        while (json_next(&it)) {
            for (size_t i = 0; i < it.index; i++) {
                if (list_item_same(list, items[i], it.val)) {
                    return true;
                }
            }
            items[it.index] = it.val;
        }
        return false;
    }
    struct list_index x;
    bool found = false;
    index_prepare(&x, list, arr);
    for (size_t i = 0; i < n && !found; i++) {
        found = index_add(&x, i) != i;
    }
    list_index_finish(&x);
    return found;
}

/* The first item of a map list that is neither an object nor null; -1: none. */
static long not_an_object(const struct schema_node *list, yyjson_mut_val *arr)
{
    struct json_iter it = json_iter(list->list_type == SCHEMA_LIST_MAP ? arr : NULL);
    while (it.container && json_next(&it)) {
        if (!yyjson_mut_is_obj(it.val) && !yyjson_mut_is_null(it.val)) {
            return (long)it.index;
        }
    }
    return -1;
}

static const struct schema_node *child_of(const struct schema_node *n, struct str name,
                                          uint32_t *hint, bool *ret_key)
{
    const struct schema_prop *p = prop_find(n, name, hint);
    *ret_key = !(p && p->node);
    return *ret_key ? n->additional : p->node;
}

bool lists_valid(const struct schema_node *n, yyjson_mut_val *v)
{
    if (!n || !(n->flags & NODE_KEYED) || !yyjson_mut_is_ctn(v)) {
        return true;
    }
    bool list = yyjson_mut_is_arr(v), key;
    if (list && n->list_type != SCHEMA_LIST_ATOMIC &&
        (not_an_object(n, v) >= 0 || list_has_duplicates(n, v))) {
        return false;
    }
    uint32_t hint = 0;
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (!lists_valid(list ? n->items : child_of(n, val_str(it.key), &hint, &key), it.val)) {
            return false;
        }
    }
    return true;
}

/* The item's keys as an object, or the item of a set. */
static yyjson_mut_val *identity(const struct schema_node *list, yyjson_mut_val *v, struct arena *a)
{
    if (list->list_type != SCHEMA_LIST_MAP) {
        return v;
    }
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *o = yyjson_mut_obj(d);
    for (uint32_t i = 0; i < list->n_list_keys; i++) {
        yyjson_mut_val *k = json_getn(v, list->list_keys[i]);
        if (k) {
            json_set(d, o, list->list_keys[i], json_copy(d, k));
        }
    }
    return o;
}

/* Each identity is told once, at its second item. */
static void report_duplicates(const struct schema_node *n, yyjson_mut_val *v, const struct path *at,
                              struct causes *c)
{
    long odd = not_an_object(n, v);
    struct list_index x;
    if (odd >= 0) {
        causes_add(c, CAUSE_INVALID, PATH_INDEX(at, odd), yyjson_mut_arr_get(v, (size_t)odd),
                   "must be an object for an array of list-type map");
        return;
    }
    if (yyjson_mut_arr_size(v) < 2) {
        return;
    }
    struct bitset told;
    index_prepare(&x, n, v);
    bitset_init(&told, x.n);
    for (size_t i = 0; i < x.n; i++) {
        size_t first = index_add(&x, i);
        if (first != i && !bitset_has(&told, first)) {
            bitset_set(&told, first);
            causes_add(c, CAUSE_DUPLICATE, PATH_INDEX(at, i), identity(n, x.items[i], c->arena),
                       NULL);
        }
    }
    bitset_finish(&told);
    list_index_finish(&x);
}

void lists_report(const struct schema_node *n, yyjson_mut_val *v, const struct path *at,
                  struct causes *c)
{
    if (!n || !(n->flags & NODE_KEYED) || !yyjson_mut_is_ctn(v)) {
        return;
    }
    bool list = yyjson_mut_is_arr(v), key;
    if (list && n->list_type != SCHEMA_LIST_ATOMIC) {
        report_duplicates(n, v, at, c);
    }
    uint32_t hint = 0;
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (list) {
            lists_report(n->items, it.val, PATH_INDEX(at, it.index), c);
        } else {
            struct str name = val_str(it.key);
            const struct schema_node *child = child_of(n, name, &hint, &key);
            lists_report(child, it.val, key ? PATH_KEY(at, name) : PATH_FIELD(at, name), c);
        }
    }
}
