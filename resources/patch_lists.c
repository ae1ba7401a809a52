/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in a strategic merge patch. Items are told apart by their value (scalars) or by a merge key
 * (objects). The merged list is put in order: what the patch names stands as the patch has it, the
 * rest as it stood, and between the two the former order decides where it knows both; otherwise the
 * patch's come first. */
#include "resources/status.h"
#include "resources/strategic_priv.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/tree_priv.h"

#include <stdlib.h>
#include <string.h>

/* Go's type of an item, as far as it matters: numbers are of two types. */
static int type_of(const yyjson_mut_val *v)
{
    yyjson_mut_val *w = tree_unconst(v);
    return yyjson_mut_get_type(w) * 2 + yyjson_mut_is_real(w);
}

/* What an item is known by, as text whose first character is its type. STR_NULL: an object without
 * the merge key. */
static struct str identity(struct strategic *s, const yyjson_mut_val *item, struct str merge_key)
{
    const yyjson_mut_val *v = merge_key.len ? json_getn(item, merge_key) : item;
    if (!v) {
        return STR_NULL;
    }
    AUTO(buf_finish) struct buf b = {0};
    buf_addc(&b, (char)('a' + type_of(v)));
    if (yyjson_mut_is_str(tree_unconst(v))) {
        buf_add(&b, json_str(v));
    } else {
        json_write(&b, v);
    }
    return arena_str(&s->scratch, buf_str(&b));
}

static struct str *identities(struct strategic *s, struct value_list l, struct str merge_key)
{
    struct str *texts = alloc_bytes((l.n ? l.n : 1) * sizeof(*texts));
    for (size_t i = 0; i < l.n; i++) {
        texts[i] = identity(s, l.items[i], merge_key);
    }
    return texts;
}

static int no_merge_key(struct strategic *s, const yyjson_mut_val *item, struct str merge_key)
{
    return strategic_fault(s, "map: %s does not contain declared merge key: %.*s",
                           strategic_go_text(s, item), STR_FMT(merge_key));
}

/* All items must be of one type, which is not a list. *ret: an item of it. */
static int check_types(struct strategic *s, struct value_list a, struct value_list b,
                       const yyjson_mut_val **ret)
{
    const yyjson_mut_val *first = a.n ? a.items[0] : b.n ? b.items[0] : NULL;
    if (!first) {
        return strategic_fault(s, "no elements in any of the given slices");
    }
    if (yyjson_mut_is_arr(tree_unconst(first))) {
        return status_generic(s->err, ERR_INVALID, NULL);
    }
    for (size_t i = 0; i < a.n + b.n; i++) {
        if (type_of(i < a.n ? a.items[i] : b.items[i - a.n]) != type_of(first)) {
            return strategic_fault(s, "list element types are not identical: [%s %s]",
                                   strategic_go_text(s, strategic_list(s, a)),
                                   strategic_go_text(s, strategic_list(s, b)));
        }
    }
    *ret = first;
    return 0;
}

/* ---- order ---- */

struct ranked {
    yyjson_mut_val *item;
    size_t rank, at; /* in the order asked for; in the list */
    size_t former;   /* index in the list as it was; SIZE_MAX: it was not there */
};

static int compare_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

static size_t index_in(const struct keys *k, struct str text)
{
    size_t i = text.ptr ? keys_find(k, text) : k->n;
    return i < k->n ? i : SIZE_MAX;
}

/* merged: all items; named: those the patch gives an order to; former: the list as it was. */
static int put_in_order(struct strategic *s, struct value_list merged, struct value_list named,
                        struct value_list former, struct str merge_key, struct value_list *ret)
{
    AUTO(keys_finish) struct keys by_name = {0}, by_former = {0};
    keys_init(&by_name, identities(s, named, merge_key), named.n);
    keys_init(&by_former, identities(s, former, merge_key), former.n);
    struct ranked *left = arena_alloc(&s->scratch, (merged.n + 1) * sizeof(*left));
    struct ranked *right = arena_alloc(&s->scratch, (merged.n + 1) * sizeof(*right));
    size_t n_left = 0, n_right = 0;
    for (size_t i = 0; i < merged.n; i++) {
        struct str text = identity(s, merged.items[i], merge_key);
        if (!text.ptr) {
            return no_merge_key(s, merged.items[i], merge_key);
        }
        size_t name = index_in(&by_name, text), was = index_in(&by_former, text);
        struct ranked r = {merged.items[i], name == SIZE_MAX ? was : name, i, was};
        if (name == SIZE_MAX) {
            left[n_left++] = r;
        } else {
            right[n_right++] = r;
        }
    }
    qsort(left, n_left, sizeof(*left), compare_rank);
    qsort(right, n_right, sizeof(*right), compare_rank);
    struct value_list out = {arena_alloc(&s->scratch, (merged.n + 1) * sizeof(yyjson_mut_val *)),
                             merged.n};
    for (size_t k = 0, i = 0, j = 0; k < merged.n; k++) {
        bool known =
            i < n_left && j < n_right && left[i].former != SIZE_MAX && right[j].former != SIZE_MAX;
        bool take_left = j == n_right || (known && left[i].former < right[j].former);
        out.items[k] = take_left ? left[i++].item : right[j++].item;
    }
    *ret = out;
    return 0;
}

/* ---- merging ---- */

static struct value_list join(struct strategic *s, struct value_list a, struct value_list b)
{
    struct value_list l = {arena_alloc(&s->scratch, (a.n + b.n + 1) * sizeof(yyjson_mut_val *)),
                           a.n + b.n};
    memcpy(l.items, a.items, a.n * sizeof(yyjson_mut_val *));
    memcpy(l.items + a.n, b.items, b.n * sizeof(yyjson_mut_val *));
    return l;
}

/* The first of each value. */
static struct value_list each_once(struct strategic *s, struct value_list l)
{
    AUTO(keys_finish) struct keys k = {0};
    keys_init(&k, identities(s, l, STR("")), l.n);
    size_t n = 0;
    for (size_t i = 0; i < l.n; i++) {
        if (keys_find(&k, k.texts[i]) == i) {
            l.items[n++] = l.items[i];
        }
    }
    l.n = n;
    return l;
}

/* The items that are not among those of `without`. */
static struct value_list subtract(struct strategic *s, struct value_list l,
                                  struct value_list without, struct str merge_key)
{
    AUTO(keys_finish) struct keys k = {0};
    keys_init(&k, identities(s, without, merge_key), without.n);
    struct value_list out = {arena_alloc(&s->scratch, (l.n + 1) * sizeof(yyjson_mut_val *)), 0};
    for (size_t i = 0; i < l.n; i++) {
        struct str text = identity(s, l.items[i], merge_key);
        if (!text.ptr || keys_find(&k, text) == k.n) {
            out.items[out.n++] = l.items[i];
        }
    }
    return out;
}

/* Sorts the patch's items into those to merge and those that say "$patch": delete; *ret_replace:
 * one says replace. */
static int take_directives(struct strategic *s, struct value_list patch, struct str merge_key,
                           struct value_list *plain, struct value_list *deleted, bool *ret_replace)
{
    size_t room = (patch.n + 1) * sizeof(yyjson_mut_val *);
    *plain = (struct value_list){arena_alloc(&s->scratch, room), 0};
    *deleted = (struct value_list){arena_alloc(&s->scratch, room), 0};
    *ret_replace = false;
    for (size_t i = 0; i < patch.n; i++) {
        yyjson_mut_val *item = patch.items[i], *directive = json_get(item, "$patch");
        struct str what = json_str(directive);
        if (!directive) {
            plain->items[plain->n++] = item;
        } else if (str_is(what, "delete")) {
            if (!json_getn(item, merge_key)) {
                return no_merge_key(s, item, merge_key);
            }
            deleted->items[deleted->n++] = item;
        } else if (str_is(what, "replace")) {
            *ret_replace = true;
        } else if (str_is(what, "merge")) {
            return strategic_fault(s, "merging lists cannot yet be specified in the patch");
        } else {
            return strategic_fault(s, "unknown patch type: %s in map: %s",
                                   strategic_go_text(s, directive), strategic_go_text(s, item));
        }
    }
    return 0;
}

/* Merges each item of the patch into the first of the same key, or appends it. */
static int merge_items(struct strategic *s, struct value_list original, struct value_list patch,
                       const struct field_rule *rule, struct value_list *ret)
{
    struct value_list all = join(s, original, patch);
    AUTO(keys_finish) struct keys k = {0};
    keys_init(&k, identities(s, all, rule->merge_key), all.n);
    AUTO_FREE size_t *place = alloc_bytes((all.n ? all.n : 1) * sizeof(*place));
    struct value_list out = {all.items, original.n}; /* never longer than what was read */
    for (size_t i = 0; i < original.n; i++) {
        place[i] = i;
    }
    for (size_t i = original.n; i < all.n; i++) {
        yyjson_mut_val *item = all.items[i];
        if (!k.texts[i].ptr) {
            return no_merge_key(s, item, rule->merge_key);
        }
        size_t first = keys_find(&k, k.texts[i]);
        if (first == i) {
            place[i] = out.n;
            out.items[out.n++] = item;
            continue;
        }
        yyjson_mut_val **at = &out.items[place[first]];
        int rc = strategic_merge_map(s, *at, item, rule->inside, at);
        if (rc) {
            return rc;
        }
    }
    *ret = out;
    return 0;
}

int strategic_merge_list(struct strategic *s, struct value_list original, struct value_list patch,
                         const struct field_rule *rule, bool is_delete, struct value_list *ret)
{
    const yyjson_mut_val *item = NULL;
    struct value_list merged, plain, deleted;
    bool replace;
    if (!original.n && !patch.n) {
        *ret = original;
        return 0;
    }
    int rc = check_types(s, original, patch, &item);
    if (rc) {
        return rc;
    }
    if (!yyjson_mut_is_obj(tree_unconst(item))) {
        if (is_delete) {
            *ret = subtract(s, original, patch, STR(""));
            return 0;
        }
        merged = each_once(s, join(s, original, patch));
        return put_in_order(s, merged, patch, original, STR(""), ret);
    }
    if (!rule->merge_key.len) {
        return strategic_fault(s, "cannot merge lists without merge key for %.*s",
                               STR_FMT(rule->name));
    }
    rc = take_directives(s, patch, rule->merge_key, &plain, &deleted, &replace);
    if (rc) {
        return rc;
    }
    original = replace ? plain : subtract(s, original, deleted, rule->merge_key);
    if (replace) {
        plain.n = 0;
    }
    rc = merge_items(s, original, plain, rule, &merged);
    return rc ? rc : put_in_order(s, merged, plain, original, rule->merge_key, ret);
}

/* The patch's items must stand in the order wanted, and be among those. */
static int check_order(struct strategic *s, struct value_list patch, struct value_list wanted,
                       struct str merge_key)
{
    size_t j = 0;
    if (!wanted.n || !patch.n) {
        return 0;
    }
    for (size_t i = 0; i < patch.n; i++) {
        if (json_get(patch.items[i], "$patch")) {
            continue;
        }
        struct str text = identity(s, patch.items[i], merge_key);
        if (!text.ptr) {
            return no_merge_key(s, patch.items[i], merge_key);
        }
        while (j < wanted.n && !str_eq(identity(s, wanted.items[j], merge_key), text)) {
            j++;
        }
        if (j++ >= wanted.n) {
            return strategic_fault(s,
                                   "The order in patch list:\n%s\n doesn't match "
                                   "$setElementOrder list:\n%s\n",
                                   strategic_go_text(s, strategic_list(s, patch)),
                                   strategic_go_text(s, strategic_list(s, wanted)));
        }
    }
    return 0;
}

int strategic_order_list(struct strategic *s, struct value_list original, struct value_list patch,
                         struct value_list wanted, const struct field_rule *rule, bool in_original,
                         bool in_patch, struct value_list *ret)
{
    struct value_list merged = original;
    int rc = check_order(s, patch, wanted, rule->merge_key);
    if (rc || (!in_original && !in_patch)) {
        return rc;
    }
    if (!in_original) {
        yyjson_mut_val *list = strategic_list(s, patch);
        strategic_drop_directives(list);
        merged = strategic_items(s, list);
    } else if (in_patch && str_is(rule->strategy, "merge")) {
        rc = strategic_merge_list(s, original, patch, rule, false, &merged);
    } else if (in_patch) {
        merged = patch;
    }
    return rc ? rc : put_in_order(s, merged, wanted, original, rule->merge_key, ret);
}
