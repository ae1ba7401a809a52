/* SPDX-License-Identifier: Apache-2.0 */
/* Merge patch (RFC 7386) as the reference's library does it: it differs from the RFC in that nulls
 * are also taken out of what replaces a value that is no object, lists of objects included. */
#include "resources/patch.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/keys_priv.h"
#include "resources/tree_priv.h"

#include <stdlib.h>

static yyjson_mut_val *copy_key(yyjson_mut_doc *d, const yyjson_mut_val *key)
{
    struct str s = json_str(key);
    return yyjson_mut_strncpy(d, s.ptr, s.len);
}

/* A copy without the members that are null, at any depth; null items of lists stay. */
static yyjson_mut_val *copy_pruned(yyjson_mut_doc *d, const yyjson_mut_val *v)
{
    yyjson_mut_val *from = tree_unconst(v);
    if (!yyjson_mut_is_ctn(from)) {
        return json_copy(d, v);
    }
    bool object = yyjson_mut_is_obj(from);
    yyjson_mut_val *to = object ? yyjson_mut_obj(d) : yyjson_mut_arr(d);
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        if (!object) {
            yyjson_mut_arr_append(to, copy_pruned(d, it.val));
        } else if (!yyjson_mut_is_null(it.val)) {
            yyjson_mut_obj_add(to, copy_key(d, it.key), copy_pruned(d, it.val));
        }
    }
    return to;
}

static yyjson_mut_val *merge(yyjson_mut_doc *d, yyjson_mut_val *cur, const yyjson_mut_val *patch);

/* Goes once through the object and once through the patch: where both have many members, neither is
 * searched. */
static void merge_members(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch)
{
    AUTO(keys_finish) struct keys wanted = {0};
    keys_of_object(&wanted, patch);
    size_t n = wanted.n, i = 0;
    AUTO_FREE yyjson_mut_val **vals = alloc_bytes((n ? n : 1) * sizeof(yyjson_mut_val *));
    AUTO_FREE bool *met = alloc_zero(n ? n : 1);
    for (struct json_iter it = json_iter(patch); i < n && json_next(&it);) {
        vals[i++] = it.val;
    }
    size_t members = yyjson_mut_obj_size(obj);
    yyjson_mut_val *key = members ? ((yyjson_mut_val *)obj->uni.ptr)->next->next : NULL, *next;
    yyjson_mut_obj_clear(obj);
    for (size_t m = 0; m < members; m++, key = next) {
        yyjson_mut_val *val = key->next;
        next = val->next;
        size_t at = keys_find(&wanted, json_str(key));
        if (at == n) {
            yyjson_mut_obj_add(obj, key, val);
            continue;
        }
        met[at] = true;
        if (!yyjson_mut_is_null(vals[at])) {
            yyjson_mut_obj_add(obj, key,
                               yyjson_mut_is_null(val) ? copy_pruned(d, vals[at])
                                                       : merge(d, val, vals[at]));
        }
    }
    for (i = 0; i < n; i++) {
        if (!met[i] && !yyjson_mut_is_null(vals[i])) {
            struct str k = wanted.texts[i];
            yyjson_mut_obj_add(obj, yyjson_mut_strncpy(d, k.ptr, k.len), copy_pruned(d, vals[i]));
        }
    }
}

static yyjson_mut_val *merge(yyjson_mut_doc *d, yyjson_mut_val *cur, const yyjson_mut_val *patch)
{
    if (!yyjson_mut_is_obj(cur)) {
        return copy_pruned(d, patch);
    }
    if (!yyjson_mut_is_obj(tree_unconst(patch))) {
        return json_copy(d, patch);
    }
    merge_members(d, cur, patch);
    return cur;
}

int patch_merge(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch,
                yyjson_mut_val **ret, struct err *err)
{
    if (!patch || yyjson_mut_is_null(tree_unconst(patch))) {
        return err_set(err, ERR_BAD_REQUEST, "Invalid JSON Patch");
    }
    if (!yyjson_mut_is_obj(tree_unconst(patch))) {
        return err_set(err, ERR_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "map[string]interface {}",
                       tree_go_kind(patch));
    }
    *ret = merge(d, obj, patch);
    return 0;
}
