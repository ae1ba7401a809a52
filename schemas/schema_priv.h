/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled program: immutable nodes that point at one another, equal ones made once. Only
 * schemas/ sees inside. */
#ifndef SCHEMAS_SCHEMA_PRIV_H
#define SCHEMAS_SCHEMA_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/causes.h"
#include "base/regex.h"
#include "base/str.h"
#include "schemas/format.h"
#include "schemas/intern.h"
#include "schemas/schema.h"

/* What `type` says. */
enum schema_kind {
    KIND_ANY,
    KIND_OBJECT,
    KIND_ARRAY,
    KIND_STRING,
    KIND_INTEGER,
    KIND_NUMBER,
    KIND_BOOLEAN,
};

enum {
    NODE_NULLABLE = 1 << 0,
    NODE_PRESERVE = 1 << 1, /* x-kubernetes-preserve-unknown-fields */
    NODE_EMBEDDED = 1 << 2, /* x-kubernetes-embedded-resource */
    NODE_META =
        1 << 3, /* apiVersion, kind and metadata are implied: the root and embedded resources */
    NODE_INT_OR_STRING = 1 << 4, /* x-kubernetes-int-or-string */
    NODE_MAP_ATOMIC = 1 << 5,    /* x-kubernetes-map-type: atomic */
    NODE_OPEN = 1 << 6,          /* additionalProperties: true */
    NODE_CLOSED = 1 << 7,        /* additionalProperties: false */
    NODE_EMPTY_OK = 1 << 8,      /* a built-in's list or map that is stored even when it is empty */
    NODE_DECODED = 1 << 9,       /* a built-in's, whose format was checked by decoding it */
    NODE_FORMATTED = 1 << 10,    /* a format is given, known or not, other than byte */
    /* What there is to do at a node or somewhere beneath it; a walk stops where its bit is missing.
     */
    NODE_PRUNES = 1 << 16,
    NODE_FILLS = 1 << 17,  /* defaults to set or nulls to drop */
    NODE_CHECKS = 1 << 18, /* values to validate */
    NODE_KEYED = 1 << 19,  /* lists of type set or map */
    NODE_EMBEDS = 1 << 20, /* embedded resources */
    NODE_RULES = 1 << 21,  /* x-kubernetes-validations */
    NODE_DEFAULTS = 1 << 22,
};

struct schema_prop {
    struct str name;
    const struct schema_node *node; /* NULL: the name stands in `required` only */
    int32_t required;               /* its place in the required list; -1: not in it */
    int32_t fill; /* its place among the properties that have a default; -1: has none */
};

/* A JSON value that a schema holds: a default, an entry of an enum. */
struct schema_value {
    struct str text; /* as JSON */
    yyjson_mut_val *val;
};

struct schema_nodes {
    const struct schema_node *const *items;
    size_t n;
};

/* Value validation; what most nodes do not have. */
struct schema_limits {
    double minimum, maximum, multiple_of;
    int64_t min_length, max_length, min_items, max_items, min_properties,
        max_properties; /* -1: none */
    bool has_minimum, has_maximum, has_multiple_of, exclusive_minimum, exclusive_maximum;
    const struct schema_value *const *enums;
    size_t n_enums;
    struct regex *pattern;
    struct str pattern_text;
    struct regex *format; /* of a format that is a regular expression */
    struct schema_nodes all_of, any_of, one_of;
    const struct schema_node *not_;
};

struct schema_node {
    uint32_t flags;
    uint8_t kind;      /* enum schema_kind */
    uint8_t format;    /* enum schema_format */
    uint8_t list_type; /* enum schema_list */
    uint32_t n_props, n_required, n_fills;
    const struct schema_prop *props; /* sorted by name */
    const struct str *required;
    const struct schema_node *items, *additional;
    const struct schema_value *fallback; /* the default; NULL: none */
    const struct schema_limits *limits;  /* NULL: none */
    const struct str *list_keys;
    uint64_t shape; /* what pruning and defaulting do at and beneath this node */
    uint32_t n_list_keys;
    struct str format_text;
    const struct schema_builtin *builtin; /* NULL but for types of the system */
};

/* What only the documents of built-in types say. */
struct schema_builtin {
    struct str patch_strategy, patch_merge_key;
    struct str go_type; /* "v1.LeaseSpec", for messages */
};

struct schema {
    _Atomic unsigned refs;
    const struct schema_node *root;
    uint64_t shape;
    struct intern_blocks blocks; /* everything but the regular expressions */
    struct regex **regexes;
    size_t n_regexes;
    size_t bytes;
};

/* The ObjectMeta of the root and of embedded resources, and a plain string; static. */
extern const struct schema_node schema_node_meta;
extern const struct schema_node schema_node_string;

/* The entry for a name; *hint is where the caller expects it (members mostly come in order) and is
 * moved on. */
static inline const struct schema_prop *prop_find(const struct schema_node *n, struct str name,
                                                  uint32_t *hint)
{
    if (*hint < n->n_props && str_eq(n->props[*hint].name, name)) {
        return &n->props[(*hint)++];
    }
    uint32_t low = 0, high = n->n_props;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int r = str_cmp(n->props[mid].name, name);
        if (r == 0) {
            *hint = mid + 1;
            return &n->props[mid];
        }
        if (r < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

static inline struct str val_str(const yyjson_mut_val *v)
{
    return (struct str){v->uni.str, unsafe_yyjson_get_len((void *)(uintptr_t)v)};
}

static inline bool name_is_meta(struct str name)
{
    return str_is(name, "metadata") || str_is(name, "kind") || str_is(name, "apiVersion");
}

/* Bits for the members of one object: on the stack unless there are many. */
struct bitset {
    uint64_t few[4];
    uint64_t *bits;
};
void bitset_init(struct bitset *b, size_t n);
void bitset_finish(struct bitset *b);
static inline void bitset_set(struct bitset *b, size_t i)
{
    b->bits[i / 64] |= 1ull << (i % 64);
}
static inline bool bitset_has(const struct bitset *b, size_t i)
{
    return b->bits[i / 64] >> (i % 64) & 1;
}

/* ---- lists.c: lists whose items are told apart by value (set) or by keys (map) ---- */

/* Finds items of one list by identity. */
struct list_index {
    const struct schema_node *list; /* its type and keys say what identity is */
    yyjson_mut_val **items;
    size_t n;
    uint32_t *slots, few[64];
    size_t mask;
};
void list_index_init(struct list_index *x, const struct schema_node *list, yyjson_mut_val *arr);
void list_index_finish(struct list_index *x);
/* The index of the first item of the same identity as v that was added; -1: none. */
long list_index_find(const struct list_index *x, yyjson_mut_val *v);
/* Whether two items of the list have one identity. */
bool list_item_same(const struct schema_node *list, yyjson_mut_val *a, yyjson_mut_val *b);
bool list_has_duplicates(const struct schema_node *list, yyjson_mut_val *arr);
/* Adds a cause for each duplicate at or beneath v (ValidateListSetsAndMaps). */
void lists_report(const struct schema_node *n, yyjson_mut_val *v, const struct path *at,
                  struct causes *c);
bool lists_valid(const struct schema_node *n, yyjson_mut_val *v);

/* ---- embedded.c ---- */
bool embedded_valid(yyjson_mut_val *obj);
void embedded_report(const struct schema_node *n, yyjson_mut_val *v, const struct path *at,
                     struct causes *c);
/* Checks one object that must be a resource. */
void embedded_check(yyjson_mut_val *obj, const struct path *at, struct causes *c);

/* ---- ratchet.c ---- */
/* Whether v is what old was, as the reference correlates the two. */
bool ratchet_same(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old);

/* ---- validate.c ---- */
/* Validates v alone against n; `base` is the field's path of v, the texts call it "". True: nothing
 * was wrong. */
bool node_validate(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old,
                   const struct path *base, struct causes *c);

/* ---- prune.c ---- */
/* Prunes v as the value at n; as_resource: apiVersion, kind and metadata of v are implied. */
void node_prune(const struct schema_node *n, yyjson_mut_val *v, bool as_resource,
                struct schema_unknown *unknown);

/* ---- decode.c ---- */
/* Whether v decodes into the Go type at n; if not, what Go says about it. `type` is the type's name
 * without the package ("ConfigMap"). */
bool node_decodes(const struct schema_node *n, const yyjson_mut_val *v, struct str type,
                  struct buf *why);

#endif
