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

static enum schema_scalar scalar_of(const struct schema_node *n)
{
    switch ((enum schema_kind)n->kind) {
    case KIND_INTEGER:
    case KIND_NUMBER:
        return SCHEMA_SCALAR_NUMBER;
    case KIND_BOOLEAN:
        return SCHEMA_SCALAR_BOOLEAN;
    case KIND_STRING:
        return n->flags & NODE_FORMATTED || (n->format && n->format != FORMAT_BYTE)
                   ? SCHEMA_SCALAR_ANY
                   : SCHEMA_SCALAR_STRING;
    case KIND_ANY:
        return SCHEMA_SCALAR_ANY;
    default:
        return SCHEMA_SCALAR_NONE;
    }
}

/* Names that stand in `required` only are no fields. */
static bool has_fields(const struct schema_node *n)
{
    for (uint32_t i = 0; i < n->n_props; i++) {
        if (n->props[i].node) {
            return true;
        }
    }
    return n->flags & NODE_META;
}

static enum schema_rest rest_of(const struct schema_node *n, bool fields)
{
    if (n->additional) {
        return SCHEMA_REST_NODE;
    }
    if (n->flags & NODE_CLOSED) {
        return SCHEMA_REST_NONE;
    }
    if (n->flags & (NODE_OPEN | NODE_PRESERVE) || !fields) {
        return SCHEMA_REST_ANY;
    }
    return SCHEMA_REST_KEPT;
}

void schema_view(const struct schema_node *n, struct schema_view *ret)
{
    bool any = n->kind == KIND_ANY;
    *ret = (struct schema_view){
        .scalar = scalar_of(n),
        .map = any || n->kind == KIND_OBJECT,
        .list = any || n->kind == KIND_ARRAY,
        .preserves = n->flags & NODE_PRESERVE,
        .atomic = n->flags & NODE_MAP_ATOMIC,
        .list_type = (enum schema_list)n->list_type,
        .rest_node = n->additional,
        .items = n->items,
    };
    if (ret->map) {
        ret->fields = has_fields(n);
        ret->rest = rest_of(n, ret->fields);
    }
}

bool schema_field(const struct schema_node *n, struct str name, uint32_t *hint,
                  const struct schema_node **ret, bool *ret_own)
{
    *ret_own = n->flags & NODE_META && name_is_meta(name);
    if (*ret_own) {
        *ret = str_is(name, "metadata") ? &schema_node_meta : &schema_node_string;
        return true;
    }
    const struct schema_prop *p = prop_find(n, name, hint);
    if (!p || !p->node) {
        return false;
    }
    *ret = p->node;
    return true;
}

const yyjson_mut_val *schema_default_of(const struct schema_node *n)
{
    return n && n->fallback ? n->fallback->val : NULL;
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
