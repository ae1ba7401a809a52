/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two objects. Both are walked at once; nothing is made where they are equal.
 */
#include "resources/typed_priv.h"

enum { REMOVED, MODIFIED, ADDED, SETS };

/* Of one place: whether it is in each of the sets, and what is beneath it. */
struct change {
    bool self[SETS];
    struct fieldset *children[SETS];
};

/* The places beneath one. */
struct changes {
    struct fieldset_builder sets[SETS];
};

struct compare {
    struct arena *arena;
    struct err *err;
};

static int compare(struct compare *c, struct type t, const yyjson_mut_val *l,
                   const yyjson_mut_val *r, struct change *ret);

static void changes_add(struct compare *c, struct changes *all, const struct element *e,
                        const struct change *ch)
{
    for (int i = 0; i < SETS; i++) {
        fieldset_add(&all->sets[i], c->arena, e, ch->self[i], ch->children[i]);
    }
}

static void changes_finish(struct compare *c, struct changes *all, struct change *ret)
{
    for (int i = 0; i < SETS; i++) {
        ret->children[i] =
            fieldset_union(c->arena, ret->children[i], fieldset_finish(&all->sets[i], c->arena));
    }
}

static bool change_any(const struct change *ch)
{
    for (int i = 0; i < SETS; i++) {
        if (ch->self[i] || ch->children[i]) {
            return true;
        }
    }
    return false;
}

static void compare_leaf(const yyjson_mut_val *l, const yyjson_mut_val *r, struct change *ret)
{
    if (!l) {
        ret->self[ADDED] = true;
    } else if (!r) {
        ret->self[REMOVED] = true;
    } else if (!json_equal(l, r)) {
        ret->self[MODIFIED] = true;
    }
}

static int compare_member(struct compare *c, struct atom *at, struct str name,
                          const yyjson_mut_val *l, const yyjson_mut_val *r, struct changes *all)
{
    bool field;
    struct change ch = {0};
    int code = compare(c, atom_field(at, name, &field), l, r, &ch);
    if (code == 0 && change_any(&ch)) {
        changes_add(c, all, &(struct element){.name = name}, &ch);
    }
    return code;
}

static int compare_maps(struct compare *c, struct atom *at, const yyjson_mut_val *l,
                        const yyjson_mut_val *r, struct change *ret)
{
    struct changes all = {0};
    struct members left = members_of(c->arena, l), right = members_of(c->arena, r);
    size_t both = 0;
    int code = 0;
    struct ring ring = ring_of(left.obj);
    for (yyjson_mut_val *key; code == 0 && (key = ring_key(&ring));) {
        struct str name = name_of(key);
        yyjson_mut_val *other = members_find(&right, name);
        both += other != NULL;
        code = compare_member(c, at, name, key->next, other, &all);
    }
    bool more = right.obj && both < json_size(right.obj);
    ring = ring_of(more ? right.obj : NULL);
    for (yyjson_mut_val *key; code == 0 && (key = ring_key(&ring));) {
        struct str name = name_of(key);
        if (!members_find(&left, name)) {
            code = compare_member(c, at, name, NULL, key->next, &all);
        }
    }
    changes_finish(c, &all, ret);
    return code;
}

/* Items of one identity that are several on both sides are one value. */
static bool same_run(const struct items *x, size_t i, const struct items *y, size_t j)
{
    size_t n = x->count[i];
    if (n != y->count[j]) {
        return false;
    }
    for (size_t p = i, q = j; n; p++, q++) {
        while (x->first[p] != i) {
            p++;
        }
        while (y->first[q] != j) {
            q++;
        }
        if (!json_equal(x->item[p], y->item[q])) {
            return false;
        }
        n--;
    }
    return true;
}

/* One identity: item i of x, or none, and item j of y, or none. */
static int compare_item(struct compare *c, struct type t, const struct items *x, long i,
                        const struct items *y, long j, struct changes *all)
{
    size_t left = i < 0 ? 0 : x->count[i], right = j < 0 ? 0 : y->count[j];
    struct change ch = {0};
    int code = 0;
    if (left <= 1 && right <= 1) {
        code = compare(c, t, left ? x->item[i] : NULL, right ? y->item[j] : NULL, &ch);
    } else if (left >= 2 && right >= 2) {
        ch.self[MODIFIED] = !same_run(x, (size_t)i, y, (size_t)j);
    } else if (left >= 2) {
        code = right ? compare(c, t, NULL, y->item[j], &ch) : 0;
        ch.self[REMOVED] = true;
    } else {
        code = left ? compare(c, t, x->item[i], NULL, &ch) : 0;
        ch.self[ADDED] = true;
    }
    if (code == 0 && change_any(&ch)) {
        struct element e = i < 0 ? items_element(y, (size_t)j) : items_element(x, (size_t)i);
        changes_add(c, all, &e, &ch);
    }
    return code;
}

static int compare_items(struct compare *c, const struct atom *at, const yyjson_mut_val *l,
                         const yyjson_mut_val *r, struct change *ret)
{
    struct identity id;
    struct items x, y;
    struct changes all = {0};
    identity_init(&id, at, c->arena);
    int code = items_init(&x, &id, l, c->err);
    code = code < 0 ? code : items_init(&y, &id, r, c->err);
    struct type t = atom_items(at);
    for (size_t i = 0; code == 0 && i < x.n; i++) {
        if (x.first[i] == i) {
            bool there = i < y.n && y.first[i] == i && items_same(&x, i, &y, i);
            code =
                compare_item(c, t, &x, (long)i, &y, there ? (long)i : items_find(&y, &x, i), &all);
        }
    }
    for (size_t j = 0; code == 0 && j < y.n; j++) {
        if (y.first[j] == j && !(j < x.n && items_same(&x, j, &y, j)) &&
            items_find(&x, &y, j) < 0) {
            code = compare_item(c, t, &x, -1, &y, (long)j, &all);
        }
    }
    if (code == 0) {
        changes_finish(c, &all, ret);
    }
    return code;
}

/* *ret_leaf: nothing beneath was looked at. */
static int compare_as(struct compare *c, struct atom *at, enum shape s, const yyjson_mut_val *l,
                      const yyjson_mut_val *r, struct change *ret, bool *ret_leaf)
{
    const yyjson_mut_val *(*full)(const yyjson_mut_val *) = s == SHAPE_MAP ? full_map : full_list;
    bool atomic = s == SHAPE_MAP ? at->view.atomic : at->view.list_type == SCHEMA_LIST_ATOMIC;
    *ret_leaf = s == SHAPE_SCALAR || atomic || (!full(l) && !full(r));
    if (s == SHAPE_NONE) {
        *ret_leaf = false;
        return err_set(c->err, ERR_INVALID, "schema error: invalid atom: inlined");
    }
    if (*ret_leaf) {
        compare_leaf(l, r, ret);
        return 0;
    }
    return s == SHAPE_MAP ? compare_maps(c, at, l, r, ret) : compare_items(c, at, l, r, ret);
}

static int compare(struct compare *c, struct type t, const yyjson_mut_val *l,
                   const yyjson_mut_val *r, struct change *ret)
{
    struct atom at;
    enum shape left;
    bool leaf;
    if (l == r) {
        return 0;
    }
    atom_of(t, &at);
    enum shape s = atom_shapes(&at, l, r, &left);
    int code = left == SHAPE_NONE ? 0 : compare_as(c, &at, left, l, r, ret, &leaf);
    code = code < 0 ? code : compare_as(c, &at, s, l, r, ret, &leaf);
    if (!leaf && !l) {
        ret->self[ADDED] = true;
    } else if (!leaf && !r) {
        ret->self[REMOVED] = true;
    }
    return code;
}

int typed_compare(const struct schema_node *n, const yyjson_mut_val *old,
                  const yyjson_mut_val *fresh, struct arena *a, struct typed_diff *ret,
                  struct err *err)
{
    struct compare c = {.arena = a, .err = err};
    struct change ch = {0};
    int code = compare(&c, type_root(n), old, fresh, &ch);
    if (code < 0) {
        return code;
    }
    *ret = (struct typed_diff){ch.children[REMOVED], ch.children[MODIFIED], ch.children[ADDED]};
    return 0;
}
