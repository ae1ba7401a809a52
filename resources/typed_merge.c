/* SPDX-License-Identifier: Apache-2.0 */
/* One object laid over another. The result is all new: its values are its own. */
#include "resources/typed_priv.h"

struct merger {
    struct arena *arena;
    yyjson_mut_doc *doc;
    struct err *err;
};

static int merge(struct merger *m, struct type t, const yyjson_mut_val *l, const yyjson_mut_val *r,
                 yyjson_mut_val **ret);

static void put_member(struct merger *m, yyjson_mut_val *obj, yyjson_mut_val *key,
                       yyjson_mut_val *v)
{
    struct str name = json_str(key);
    if (v) {
        yyjson_mut_obj_add(obj, yyjson_mut_strncpy(m->doc, name.ptr, name.len), v);
    }
}

static int merge_member(struct merger *m, struct atom *at, yyjson_mut_val *key,
                        const yyjson_mut_val *l, const yyjson_mut_val *r, yyjson_mut_val *out)
{
    bool field;
    yyjson_mut_val *v = NULL;
    int code = merge(m, atom_field(at, json_str(key), &field), l, r, &v);
    put_member(m, out, key, v);
    return code;
}

/* *ret: NULL where nothing is left. */
static int merge_maps(struct merger *m, struct atom *at, const yyjson_mut_val *l,
                      const yyjson_mut_val *r, yyjson_mut_val **ret)
{
    struct members left = members_of(m->arena, l), right = members_of(m->arena, r);
    yyjson_mut_val *out = yyjson_mut_obj(m->doc);
    size_t both = 0;
    int code = 0;
    struct ring ring = ring_of(left.obj);
    for (yyjson_mut_val *key; code == 0 && (key = ring_key(&ring));) {
        yyjson_mut_val *other = members_find(&right, name_of(key));
        both += other != NULL;
        code = merge_member(m, at, key, key->next, other, out);
    }
    bool more = right.obj && both < json_size(right.obj);
    ring = ring_of(more ? right.obj : NULL);
    for (yyjson_mut_val *key; code == 0 && (key = ring_key(&ring));) {
        if (!members_find(&left, name_of(key))) {
            code = merge_member(m, at, key, NULL, key->next, out);
        }
    }
    *ret = json_size(out) ? out : NULL;
    return code;
}

/* The order of a merged list: that of the right one, into which the left one's own items go where
 * they stand between those of both. */
struct weave {
    struct merger *m;
    struct type type;
    const struct items *l, *r;
    long *in_r, *in_l; /* of each item the first one of its identity on the other side; -1: none */
    bool *merged;      /* of the right items: is in the result */
    size_t shared;     /* the next right item that both have; r->n: none */
    yyjson_mut_val *out;
    yyjson_mut_val *null; /* what stands for items that are several on the left */
};

static int weave_put(struct weave *w, const yyjson_mut_val *l, const yyjson_mut_val *r)
{
    yyjson_mut_val *v = NULL;
    int code = merge(w->m, w->type, l, r, &v);
    if (v) {
        yyjson_mut_arr_append(w->out, v);
    }
    return code;
}

static void next_shared(struct weave *w, size_t from)
{
    w->shared = from;
    while (w->shared < w->r->n && w->in_l[w->shared] < 0) {
        w->shared++;
    }
}

/* Right item i, over the left one of its identity. */
static int weave_right(struct weave *w, size_t i)
{
    long j = w->in_l[i];
    const yyjson_mut_val *l = j < 0 ? NULL : w->l->count[j] > 1 ? w->null : w->l->item[j];
    w->merged[i] = true;
    return weave_put(w, l, w->r->item[i]);
}

/* As the reference's (typed/merge.go, visitListItems), whose order is part of the contract. */
static int weave_lists(struct weave *w)
{
    size_t i = 0, j = 0, n = w->l->n, k = w->r->n;
    int code = 0;
    next_shared(w, 0);
    while (code == 0 && (i < n || j < k)) {
        if (i < n && j < k) {
            if (w->in_r[i] == (long)j) {
                code = weave_right(w, j++);
                i++;
                next_shared(w, w->shared + 1);
                continue;
            }
            if (w->in_r[i] >= 0 && w->shared < k && w->in_r[i] != (long)w->shared) {
                i++; /* shared, but not the one that is next */
                continue;
            }
        }
        if (i < n) {
            if (w->in_r[i] < 0) {
                code = weave_put(w, w->l->item[i++], NULL);
                continue;
            }
            if (w->merged[w->in_r[i]]) {
                i++;
            }
        }
        if (code == 0 && j < k) {
            bool shared = j == w->shared;
            code = weave_right(w, j++);
            if (shared) {
                next_shared(w, j);
            }
        }
    }
    return code;
}

/* Where each item's identity is on the other side. */
static long *cross(struct arena *a, const struct items *x, const struct items *y)
{
    long *at = arena_alloc(a, (x->n + 1) * sizeof(*at));
    for (size_t i = 0; i < x->n; i++) {
        bool there = i < y->n && y->first[i] == i && items_same(x, i, y, i);
        at[i] = x->first[i] < i ? at[x->first[i]] : there ? (long)i : items_find(y, x, i);
    }
    return at;
}

static int refuse_duplicate(struct merger *m, const struct items *r)
{
    size_t i = 0;
    while (r->first[i] == i) {
        i++;
    }
    struct buf b = {0};
    struct element e = items_element(r, i);
    element_text(&b, &e);
    int code = err_set(m->err, ERR_INVALID, "duplicate entries for key %.*s", STR_FMT(buf_str(&b)));
    buf_finish(&b);
    return code;
}

static int merge_lists(struct merger *m, const struct atom *at, const yyjson_mut_val *l,
                       const yyjson_mut_val *r, yyjson_mut_val **ret)
{
    struct identity id;
    struct items x, y;
    identity_init(&id, at, m->arena);
    int code = items_init(&y, &id, r, m->err);
    code = code < 0 ? code : items_init(&x, &id, l, m->err);
    if (code < 0) {
        return code;
    }
    if (y.duplicates) {
        return refuse_duplicate(m, &y);
    }
    struct weave w = {.m = m, .type = atom_items(at), .l = &x, .r = &y};
    w.in_r = cross(m->arena, &x, &y);
    w.in_l = cross(m->arena, &y, &x);
    w.merged = arena_zero(m->arena, y.n + 1);
    w.out = yyjson_mut_arr(m->doc);
    w.null = yyjson_mut_null(m->doc);
    code = weave_lists(&w);
    *ret = json_size(w.out) ? w.out : NULL;
    return code;
}

static int merge(struct merger *m, struct type t, const yyjson_mut_val *l, const yyjson_mut_val *r,
                 yyjson_mut_val **ret)
{
    struct atom at;
    enum shape left;
    atom_of(t, &at);
    enum shape s = atom_shapes(&at, l, r, &left);
    const yyjson_mut_val *(*full)(const yyjson_mut_val *) = s == SHAPE_MAP ? full_map : full_list;
    bool atomic = s == SHAPE_MAP ? at.view.atomic : at.view.list_type == SCHEMA_LIST_ATOMIC;
    if (s == SHAPE_NONE) {
        return err_set(m->err, ERR_INVALID, "schema error: invalid atom: inlined");
    }
    if (s == SHAPE_SCALAR || atomic || (!full(l) && !full(r))) {
        *ret = json_copy(m->doc, r ? r : l);
        return 0;
    }
    return s == SHAPE_MAP ? merge_maps(m, &at, l, r, ret) : merge_lists(m, &at, l, r, ret);
}

int typed_merge(const struct schema_node *n, const yyjson_mut_val *live,
                const yyjson_mut_val *applied, yyjson_mut_doc *d, yyjson_mut_val **ret,
                struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    struct merger m = {.arena = &scratch, .doc = d, .err = err};
    yyjson_mut_val *v = NULL;
    int code = merge(&m, type_root(n), live, applied, &v);
    arena_finish(&scratch);
    if (code < 0) {
        return code;
    }
    *ret = v ? v : yyjson_mut_null(d);
    return 0;
}
