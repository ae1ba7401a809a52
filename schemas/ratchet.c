/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an updated value is what it was, as the reference's CorrelatedObject decides it: maps by
 * key, lists of type map by their keys, other lists whole; what the schema does not speak about is
 * never the same. */
#include "base/json.h"
#include "schemas/schema_priv.h"

/* Objects with more members are compared whole: looking each member up would be quadratic. */
#define MANY 64

static bool same_items(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old)
{
    if (n->list_type != SCHEMA_LIST_MAP || !n->items) {
        return json_equal(v, old);
    }
    if (yyjson_mut_arr_size(v) != yyjson_mut_arr_size(old)) {
        return false;
    }
    struct list_index were;
    bool same = true;
    list_index_init(&were, n, old);
    struct json_iter it = json_iter(v);
    while (same && json_next(&it)) {
        long i = list_index_find(&were, it.val);
        same = i >= 0 && ratchet_same(n->items, it.val, were.items[i]);
    }
    list_index_finish(&were);
    return same;
}

static bool same_members(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old)
{
    bool many = yyjson_mut_obj_size(v) > MANY;
    if (yyjson_mut_obj_size(v) != yyjson_mut_obj_size(old) || (many && !json_equal(v, old))) {
        return false;
    }
    uint32_t hint = 0;
    yyjson_mut_obj_iter were = yyjson_mut_obj_iter_with(old);
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct str name = val_str(it.key);
        const struct schema_prop *p = prop_find(n, name, &hint);
        const struct schema_node *node = p && p->node ? p->node : n->additional;
        if (!node) {
            return false;
        }
        yyjson_mut_val *was = many ? it.val : yyjson_mut_obj_iter_getn(&were, name.ptr, name.len);
        if (!was || !ratchet_same(node, it.val, was)) {
            return false;
        }
    }
    return true;
}

bool ratchet_same(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old)
{
    if (yyjson_mut_is_arr(v) && yyjson_mut_is_arr(old)) {
        return same_items(n, v, old);
    }
    if (yyjson_mut_is_obj(v) && yyjson_mut_is_obj(old)) {
        return same_members(n, v, old);
    }
    return json_equal(v, old);
}
