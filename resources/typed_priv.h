/* SPDX-License-Identifier: Apache-2.0 */
/* What the walks over typed objects share: types, members of objects by name, items of lists by
 * identity. */
#ifndef RESOURCES_TYPED_PRIV_H
#define RESOURCES_TYPED_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "resources/fieldset_priv.h"
#include "resources/typed.h"
#include "schemas/schema.h"

/* ---- types (typed_type.c) ---- */

enum type_form {
    TYPE_NODE,
    TYPE_DEDUCED, /* any scalar, granular maps, atomic lists */
    TYPE_UNTYPED, /* any scalar, atomic maps and lists */
    TYPE_NONE,    /* there is no such member */
};

/* The type of a value as the reference's TypeRef. */
struct type {
    const struct schema_node *node; /* TYPE_NODE only */
    enum type_form form;
    bool preserves; /* unknown fields are kept, here or above */
};
struct type type_root(const struct schema_node *n);

/* Which of the shapes a type allows a value is taken as. A null, or a value of another shape, is
 * taken as the type's first. */
enum shape { SHAPE_MAP, SHAPE_SCALAR, SHAPE_LIST, SHAPE_NONE };

/* A type looked at: the reference's Atom. */
struct atom {
    struct schema_view view;
    struct type type;
    uint32_t hint; /* for atom_field */
};
void atom_of(struct type t, struct atom *ret);
enum shape atom_shape(const struct atom *at, const yyjson_mut_val *v); /* v NULL: there is none */
/* The shape of a pair of values, of which one may be NULL, as the reference goes by the right one
 * where both are there. *ret_left: the left one has another shape, which is SHAPE_NONE otherwise.
 */
enum shape atom_shapes(const struct atom *at, const yyjson_mut_val *l, const yyjson_mut_val *r,
                       enum shape *ret_left);
/* The type of a map's member; *ret_field: it is a struct field. */
struct type atom_field(struct atom *at, struct str name, bool *ret_field);
struct type atom_rest(const struct atom *at); /* of members that are no struct fields */
struct type atom_items(const struct atom *at);

/* v as a list or map that has something in it; NULL otherwise. */
static inline const yyjson_mut_val *full_list(const yyjson_mut_val *v)
{
    return v && unsafe_yyjson_is_arr(json_mut(v)) && unsafe_yyjson_get_len(json_mut(v)) ? v : NULL;
}
static inline const yyjson_mut_val *full_map(const yyjson_mut_val *v)
{
    return v && unsafe_yyjson_is_obj(json_mut(v)) && unsafe_yyjson_get_len(json_mut(v)) ? v : NULL;
}

/* The members of an object or the items of a list in order; of anything else, and of NULL, there
 * are none. */
struct ring {
    yyjson_mut_val *at;
    size_t left;
};
static inline struct ring ring_of(const yyjson_mut_val *v)
{
    bool in = v && unsafe_yyjson_is_ctn(json_mut(v));
    return (struct ring){in ? v->uni.ptr : NULL, in ? unsafe_yyjson_get_len(json_mut(v)) : 0};
}
/* The next member's key, whose ->next is its value; NULL at the end. */
static inline yyjson_mut_val *ring_key(struct ring *r)
{
    return r->left ? (r->left--, r->at = r->at->next->next) : NULL;
}
static inline yyjson_mut_val *ring_item(struct ring *r)
{
    return r->left ? (r->left--, r->at = r->at->next) : NULL;
}
static inline struct str name_of(const yyjson_mut_val *key)
{
    return str_make(key->uni.str, unsafe_yyjson_get_len(json_mut(key)));
}

/* ---- members of an object by name (typed_members.c) ---- */

/* Finds members in about the order they stand in at once; a table is made when that does not help.
 */
struct members {
    struct arena *arena;
    const yyjson_mut_val *obj; /* NULL: none */
    yyjson_mut_val *last;      /* the key before the one that is expected */
    yyjson_mut_val **slots;
    size_t mask, misses;
};
struct members members_of(struct arena *a, const yyjson_mut_val *obj);
/* The value of a member; NULL: there is none. */
yyjson_mut_val *members_find(struct members *m, struct str name);

/* ---- items of a set or map list by identity (typed_items.c) ---- */

/* How the items of one list are told apart. */
struct identity {
    struct arena *arena;
    bool keyed;                            /* or a set */
    size_t n;                              /* keys; 1 for a set */
    const struct str *names;               /* sorted */
    const yyjson_mut_val *const *defaults; /* of the keys; NULL: none */
    const struct str *given;               /* in the schema's order, for messages */
    const struct str *kept;                /* names in the arena; NULL until a path needs them */
};
void identity_init(struct identity *id, const struct atom *list, struct arena *a);

/* A list, its items' identities, and which have the same. */
struct items {
    struct identity *id;
    size_t n;
    yyjson_mut_val **item;
    const yyjson_mut_val **values; /* n * id->n; NULL: the item lacks the key */
    uint32_t *first; /* the first item of the same identity: i itself where there is none before */
    uint32_t *count; /* at a first item: how many there are */
    bool duplicates;
    uint32_t *slots; /* index + 1, of first items; NULL while they are few */
    size_t mask;
};
/* list NULL or without items: none. Fails as the reference does where an item has no identity;
 * lenient: items without one are left out. */
int items_init(struct items *x, struct identity *id, const yyjson_mut_val *list, struct err *err);
/* The same without looking which have one identity: first, count and items_find are not there. */
int items_read(struct items *x, struct identity *id, const yyjson_mut_val *list, struct err *err);
void items_init_lenient(struct items *x, struct identity *id, const yyjson_mut_val *list);
/* The first item in x with the identity of from's item i; -1: none. */
long items_find(const struct items *x, const struct items *from, size_t i);
bool items_same(const struct items *x, size_t i, const struct items *y, size_t j);
/* The path element of an item, in the arena. */
struct element items_element(const struct items *x, size_t i);

#endif
