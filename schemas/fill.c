/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, and nulls where they may not stand: one walk for what the reference does in two
 * (defaulting.Default and PruneNonNullableNullsWithoutDefaults). */
#include "base/json.h"
#include "schemas/schema_priv.h"

/* Where defaults go. */
struct filling {
    yyjson_mut_doc *doc;
    bool keep_nulls;
};

static void fill(const struct schema_node *n, const struct filling *f, yyjson_mut_val *v);

/* Whether v is a null that may not stay; one that has a default has become it. */
static bool null_goes(const struct schema_node *n, const struct filling *f, yyjson_mut_val *v)
{
    if (!yyjson_mut_is_null(v) || n->flags & NODE_NULLABLE) {
        return false;
    }
    if (!n->fallback) {
        return !f->keep_nulls;
    }
    json_assign(v, json_copy(f->doc, n->fallback->val));
    return false;
}

/* Gives v the properties it lacks that have a default; seen: those that stand. */
static void add_missing(const struct schema_node *n, const struct filling *f, yyjson_mut_val *v,
                        const struct bitset *seen)
{
    for (uint32_t i = 0; i < n->n_props; i++) {
        const struct schema_prop *p = &n->props[i];
        if (p->fill >= 0 && !bitset_has(seen, (size_t)p->fill)) {
            yyjson_mut_val *copy = json_copy(f->doc, p->node->fallback->val);
            yyjson_mut_obj_add(v, yyjson_mut_strncpy(f->doc, p->name.ptr, p->name.len), copy);
            fill(p->node, f, copy);
        }
    }
}

static void fill_members(const struct schema_node *n, const struct filling *f, yyjson_mut_val *v)
{
    struct bitset seen;
    bitset_init(&seen, n->n_fills);
    size_t present = 0;
    uint32_t hint = 0;
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        const struct schema_prop *p = prop_find(n, val_str(key), &hint);
        const struct schema_node *node = p && p->node ? p->node : n->additional;
        if (!node) {
            continue;
        }
        if (p && p->fill >= 0) {
            bitset_set(&seen, (size_t)p->fill);
            present++;
        }
        if (null_goes(node, f, key->next)) {
            yyjson_mut_obj_iter_remove(&it);
        } else {
            fill(node, f, key->next);
        }
    }
    if (present < n->n_fills) {
        add_missing(n, f, v, &seen);
    }
    bitset_finish(&seen);
}

static void fill(const struct schema_node *n, const struct filling *f, yyjson_mut_val *v)
{
    if (!(n->flags & NODE_FILLS)) {
        return;
    }
    if (yyjson_mut_is_obj(v)) {
        fill_members(n, f, v);
    } else if (yyjson_mut_is_arr(v) && n->items) {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            null_goes(n->items, f, it.val); /* one without a default stays, and is refused later */
            fill(n->items, f, it.val);
        }
    }
}

void schema_default(const struct schema *s, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    const struct filling f = {.doc = d};
    fill(s->root, &f, obj);
}

void schema_default_only(const struct schema *s, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    const struct filling f = {.doc = d, .keep_nulls = true};
    fill(s->root, &f, obj);
}
