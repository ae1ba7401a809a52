/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a compiled schema and the accessors by which others walk it. */
#include "schemas/schema.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "schemas/schema_priv.h"

struct schema *schema_ref(struct schema *s)
{
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void schema_unref(struct schema *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < s->n_regexes; i++) {
        regex_unref(s->regexes[i]);
    }
    free(s->regexes);
    intern_blocks_finish(&s->blocks);
    free(s);
}

uint64_t schema_shape(const struct schema *s)
{
    return s->shape;
}

bool schema_has_defaults(const struct schema *s)
{
    return s->root->flags & NODE_DEFAULTS;
}

bool schema_prunes(const struct schema *s)
{
    return s->root->flags & NODE_PRUNES;
}

bool schema_has_rules(const struct schema *s)
{
    return s->root->flags & NODE_RULES;
}

size_t schema_bytes(const struct schema *s)
{
    return s->bytes;
}

const struct schema_node *schema_root(const struct schema *s)
{
    return s->root;
}

const struct schema_node *schema_property(const struct schema_node *n, struct str name)
{
    if (!n) {
        return NULL;
    }
    if (n->flags & NODE_META && str_is(name, "metadata")) {
        return &schema_node_meta;
    }
    uint32_t hint = 0;
    const struct schema_prop *p = prop_find(n, name, &hint);
    if (p && p->node) {
        return p->node;
    }
    if (n->flags & NODE_META && (str_is(name, "apiVersion") || str_is(name, "kind"))) {
        return &schema_node_string;
    }
    return n->additional;
}

const struct schema_node *schema_items(const struct schema_node *n)
{
    return n ? n->items : NULL;
}

enum schema_list schema_list_type(const struct schema_node *n)
{
    return n ? (enum schema_list)n->list_type : SCHEMA_LIST_ATOMIC;
}

size_t schema_list_keys(const struct schema_node *n, const struct str **ret_keys)
{
    *ret_keys = n ? n->list_keys : NULL;
    return n ? n->n_list_keys : 0;
}

bool schema_map_atomic(const struct schema_node *n)
{
    return n && n->flags & NODE_MAP_ATOMIC;
}

bool schema_preserves(const struct schema_node *n)
{
    return n && n->flags & NODE_PRESERVE;
}

struct str schema_patch_strategy(const struct schema_node *n)
{
    return n && n->builtin ? n->builtin->patch_strategy : STR_NULL;
}

struct str schema_patch_merge_key(const struct schema_node *n)
{
    return n && n->builtin ? n->builtin->patch_merge_key : STR_NULL;
}

struct str schema_type(const struct schema_node *n)
{
    static const struct str names[] = {
        [KIND_ANY] = {NULL, 0},          [KIND_OBJECT] = {"object", 6},
        [KIND_ARRAY] = {"array", 5},     [KIND_STRING] = {"string", 6},
        [KIND_INTEGER] = {"integer", 7}, [KIND_NUMBER] = {"number", 6},
        [KIND_BOOLEAN] = {"boolean", 7},
    };
    return n && !(n->flags & NODE_INT_OR_STRING) ? names[n->kind] : STR_NULL;
}

void bitset_init(struct bitset *b, size_t n)
{
    if (n <= sizeof(b->few) * 8) {
        memset(b->few, 0, sizeof(b->few));
        b->bits = b->few;
    } else {
        b->bits = alloc_zero((n + 63) / 64 * sizeof(*b->bits));
    }
}

void bitset_finish(struct bitset *b)
{
    if (b->bits != b->few) {
        free(b->bits);
    }
}
