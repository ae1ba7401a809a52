/* SPDX-License-Identifier: Apache-2.0 */
/* A slow, plain model of server-side apply, to test resources/merge.c against. It shares nothing
 * with that code: its own reading of a schema, paths as text, sets of paths as unsorted lists,
 * every step worked out anew from whole objects.
 *
 * An object is flattened into entries, one for each place in it: a LEAF (a scalar, or a container
 * that is atomic), an EMPTY container (also null where a container may stand), a NODE (a container
 * with something in it) or a REPEAT (several items of one identity). What an apply owns, what two
 * objects differ in, what is removed: all are statements about these lists. Names and values must
 * not hold '.', '[', ']' or '"'. */
#ifndef TESTS_RESOURCES_SLOW_MERGE_H
#define TESTS_RESOURCES_SLOW_MERGE_H

#include "slow_shape.h"

/* ---- an object as a list of places ---- */

enum entry_kind { ENTRY_LEAF, ENTRY_EMPTY, ENTRY_NODE, ENTRY_REPEAT };

struct entry {
    struct str path;
    enum entry_kind kind;
    const yyjson_mut_val *value; /* REPEAT: a list of the items */
    bool field;                  /* a declared field of a struct */
    bool item;                   /* an item of a list */
};
struct entries {
    struct entry *items;
    size_t n, cap;
};

static const struct entry *entries_find(const struct entries *e, struct str path)
{
    for (size_t i = 0; i < e->n; i++) {
        if (path_same(e->items[i].path, path)) {
            return &e->items[i];
        }
    }
    return NULL;
}

static void entries_add(struct arena *a, struct entries *e, struct entry entry)
{
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 32;
        struct entry *items = (struct entry *)arena_alloc(a, e->cap * sizeof *items);
        if (e->n) {
            memcpy(items, e->items, e->n * sizeof *items);
        }
        e->items = items;
    }
    e->items[e->n++] = entry;
}

/* Whether values of that shape are containers whose parts have owners of their own. */
static bool slow_granular(const struct shape *s, const yyjson_mut_val *v)
{
    switch (s->kind) {
    case SHAPE_ANY:
        return json_is_obj(v) || json_is_null(v);
    case SHAPE_STRUCT:
    case SHAPE_MAP:
    case SHAPE_LIST:
        return !s->atomic;
    default:
        return false;
    }
}

/* `[name="a"]` or `[="a"]`, STR_NULL for what can be no item. */
static struct str slow_identity(struct arena *a, const struct shape *list,
                                const yyjson_mut_val *item)
{
    struct buf b = {0};
    size_t found = 0;
    buf_addc(&b, '[');
    for (size_t i = 0; i < list->n_keys; i++) {
        const yyjson_mut_val *v = json_getn(item, list->keys[i]);
        const struct shape_field *f = shape_field(list->item, list->keys[i]);
        if (!v && f) {
            v = f->fallback;
        }
        if (v) {
            buf_add(&b, found++ ? STR(",") : STR(""));
            buf_add(&b, list->keys[i]);
            buf_addc(&b, '=');
            json_write(&b, v);
        }
    }
    if (!list->n_keys) {
        buf_addc(&b, '=');
        json_write(&b, item);
        found = !json_is_obj(item) && !json_is_arr(item) && !json_is_null(item);
    }
    buf_addc(&b, ']');
    struct str s =
        found && (!list->n_keys || json_is_obj(item)) ? arena_str(a, buf_str(&b)) : STR_NULL;
    buf_finish(&b);
    return s;
}

static void slow_flatten(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                         struct entry at, struct entries *ret);

/* The identities of all items, in order. */
static struct str *slow_identities(struct arena *a, const struct shape *s,
                                   const yyjson_mut_val *list)
{
    struct str *ids = (struct str *)arena_zero(a, (json_size(list) + 1) * sizeof *ids);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        ids[it.index] = slow_identity(a, s, it.val);
    }
    return ids;
}

static void slow_flatten_list(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                              struct str path, struct entries *ret)
{
    struct str *ids = slow_identities(a, s, v);
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct entry at = {
            .path = path_add(a, path, ids[it.index]), .kind = ENTRY_REPEAT, .item = true};
        yyjson_mut_val *same = NULL;
        size_t n = 0, first = it.index;
        for (size_t i = 0; i < json_size(v); i++) {
            n += path_same(ids[i], ids[it.index]);
            first = i < first && path_same(ids[i], ids[it.index]) ? i : first;
        }
        if (n == 1) {
            slow_flatten(a, s->item, it.val, at, ret);
        } else if (first == it.index) {
            yyjson_mut_doc *d = json_doc(a);
            same = yyjson_mut_arr(d);
            for (size_t i = 0; i < json_size(v); i++) {
                if (path_same(ids[i], ids[it.index])) {
                    yyjson_mut_arr_append(same, json_copy(d, yyjson_mut_arr_get(json_mut(v), i)));
                }
            }
            at.value = same;
            entries_add(a, ret, at);
        }
    }
}

static void slow_flatten(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                         struct entry at, struct entries *ret)
{
    bool granular = slow_granular(s, v);
    at.value = v;
    at.kind = !granular ? ENTRY_LEAF : json_size(v) ? ENTRY_NODE : ENTRY_EMPTY;
    if (at.path.len) {
        entries_add(a, ret, at);
    }
    if (granular && json_is_arr(v)) {
        slow_flatten_list(a, s, v, at.path, ret);
    } else if (granular) {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            struct str name = json_str(it.key);
            const struct shape *member = shape_member(s, name);
            struct entry next = {.path = path_name(a, at.path, name),
                                 .field = s->kind == SHAPE_STRUCT && shape_field(s, name)};
            slow_flatten(a, member ? member : &shape_any, it.val, next, ret);
        }
    }
}

static struct entries slow_entries(struct arena *a, const struct shape *s, const yyjson_mut_val *v)
{
    struct entries e = {0};
    if (v) {
        slow_flatten(a, s, v, (struct entry){.path = STR("")}, &e);
    }
    return e;
}

/* What one owns who names all that is in the object: everything but the declared fields that only
 * hold other things. */
static struct paths slow_fields(struct arena *a, const struct shape *s, const yyjson_mut_val *v)
{
    struct entries e = slow_entries(a, s, v);
    struct paths out = {0};
    for (size_t i = 0; i < e.n; i++) {
        const struct entry *x = &e.items[i];
        bool holds_nothing =
            json_is_null(x->value) || (json_is_obj(x->value) && !json_size(x->value));
        if (x->kind == ENTRY_LEAF || x->kind == ENTRY_REPEAT || x->item || !x->field ||
            holds_nothing) {
            paths_add(a, &out, x->path);
        }
    }
    return out;
}

struct slow_diff {
    struct paths removed, modified, added;
};

/* Whether a place that both have was changed itself, and not only something beneath it. */
static bool slow_changed(const struct entry *x, const struct entry *y)
{
    bool containers = (x->kind == ENTRY_NODE || x->kind == ENTRY_EMPTY) &&
                      (y->kind == ENTRY_NODE || y->kind == ENTRY_EMPTY);
    bool nodes = x->kind == ENTRY_NODE || y->kind == ENTRY_NODE;
    return !(containers && nodes) && !json_equal(x->value, y->value);
}

static struct slow_diff slow_compare(struct arena *a, const struct shape *s,
                                     const yyjson_mut_val *old, const yyjson_mut_val *fresh)
{
    struct entries x = slow_entries(a, s, old), y = slow_entries(a, s, fresh);
    struct slow_diff d = {{0}, {0}, {0}};
    for (size_t i = 0; i < x.n; i++) {
        const struct entry *other = entries_find(&y, x.items[i].path);
        bool repeats = other && (x.items[i].kind == ENTRY_REPEAT) != (other->kind == ENTRY_REPEAT);
        if (!other || repeats) {
            paths_add(a, &d.removed, x.items[i].path);
        }
        if (repeats) {
            paths_add(a, &d.added, x.items[i].path);
        } else if (other && slow_changed(&x.items[i], other)) {
            paths_add(a, &d.modified, x.items[i].path);
        }
    }
    for (size_t i = 0; i < y.n; i++) {
        if (!entries_find(&x, y.items[i].path)) {
            paths_add(a, &d.added, y.items[i].path);
        }
    }
    return d;
}

/* ---- whether an object fits ---- */

static bool slow_check_list(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                            bool duplicates);

static bool slow_check(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                       bool duplicates)
{
    if (json_is_null(v) || s->kind == SHAPE_ANY) {
        return true;
    }
    switch (s->kind) {
    case SHAPE_STRING:
        return json_is_str(v);
    case SHAPE_NUMBER:
        return yyjson_mut_is_num(json_mut(v));
    case SHAPE_BOOLEAN:
        return yyjson_mut_is_bool(json_mut(v));
    case SHAPE_LIST:
        return json_is_arr(v) && slow_check_list(a, s, v, duplicates);
    default:
        break;
    }
    struct json_iter it = json_iter(v);
    while (json_is_obj(v) && json_next(&it)) {
        const struct shape *member = shape_member(s, json_str(it.key));
        if (!member || !slow_check(a, member, it.val, duplicates)) {
            return false;
        }
    }
    return json_is_obj(v);
}

static bool slow_check_list(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                            bool duplicates)
{
    struct paths seen = {0};
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (!s->atomic) {
            struct str id = slow_identity(a, s, it.val);
            if (!id.ptr || (paths_has(&seen, id) && !duplicates)) {
                return false;
            }
            paths_add(a, &seen, id);
        }
        if (!slow_check(a, s->item, it.val, duplicates)) {
            return false;
        }
    }
    return true;
}

/* ---- one object laid over another ---- */

static yyjson_mut_val *slow_lay(struct arena *a, const struct shape *s, const yyjson_mut_val *l,
                                const yyjson_mut_val *r, yyjson_mut_doc *d);

static bool slow_same_kind(const yyjson_mut_val *l, const yyjson_mut_val *r)
{
    return (json_is_obj(l) && json_is_obj(r)) || (json_is_arr(l) && json_is_arr(r));
}

/* The item of an identity; *ret_n says how many there are. */
static const yyjson_mut_val *slow_item(const yyjson_mut_val *list, const struct str *ids,
                                       struct str id, size_t *ret_n)
{
    const yyjson_mut_val *found = NULL;
    *ret_n = 0;
    for (size_t i = 0; i < json_size(list); i++) {
        if (path_same(ids[i], id) && !(*ret_n)++) {
            found = yyjson_mut_arr_get(json_mut(list), i);
        }
    }
    return found;
}

/* The next of the applied items, from `from` on, that the live list has too. */
static struct str slow_next_shared(const struct str *r, size_t n, size_t from,
                                   const struct paths *live)
{
    for (size_t i = from; i < n; i++) {
        if (paths_has(live, r[i])) {
            return r[i];
        }
    }
    return STR_NULL;
}

/* The applied items keep their order; what only the live list has stays behind what it stood
 * behind, as far as that goes: both lists are walked at once, a live item that comes later in the
 * applied list is passed over. */
static yyjson_mut_val *slow_lay_list(struct arena *a, const struct shape *s,
                                     const yyjson_mut_val *l, const yyjson_mut_val *r,
                                     yyjson_mut_doc *d)
{
    size_t nl = json_size(l), nr = json_size(r), li = 0, ri = 0, n;
    struct str *ls = slow_identities(a, s, l), *rs = slow_identities(a, s, r);
    struct paths live = {0}, applied = {0}, done = {0};
    yyjson_mut_val *out = yyjson_mut_arr(d);
    for (size_t i = 0; i < nl; i++) {
        paths_add(a, &live, ls[i]);
    }
    for (size_t i = 0; i < nr; i++) {
        paths_add(a, &applied, rs[i]);
    }
    while (li < nl || ri < nr) {
        struct str wanted = slow_next_shared(rs, nr, ri, &live);
        if (li < nl && ri < nr && str_eq(ls[li], rs[ri])) {
            li++;
        } else if (li < nl && ri < nr && paths_has(&applied, ls[li]) && wanted.ptr &&
                   !str_eq(wanted, ls[li])) {
            li++;
            continue;
        } else if (li < nl && !paths_has(&applied, ls[li])) {
            yyjson_mut_arr_append(out, json_copy(d, yyjson_mut_arr_get(json_mut(l), li++)));
            continue;
        } else if (li < nl) {
            li += paths_has(&done, ls[li]);
        }
        if (ri < nr) {
            const yyjson_mut_val *over = slow_item(r, rs, rs[ri], &n),
                                 *under = slow_item(l, ls, rs[ri], &n);
            yyjson_mut_arr_append(out, slow_lay(a, s->item, n == 1 ? under : NULL, over,
                                                d)); /* what repeats is replaced */
            paths_add(a, &done, rs[ri]);
            ri++;
        }
    }
    return out;
}

/* l: live, r: applied; either may be NULL. */
static yyjson_mut_val *slow_lay(struct arena *a, const struct shape *s, const yyjson_mut_val *l,
                                const yyjson_mut_val *r, yyjson_mut_doc *d)
{
    if (!l || !r) {
        return json_copy(d, r ? r : l);
    }
    if (slow_granular(s, l) && json_size(l) && json_is_null(r)) {
        return json_copy(d, l); /* a null takes nothing away */
    }
    if (!slow_granular(s, l) || !slow_granular(s, r) || !slow_same_kind(l, r)) {
        return json_copy(d, r);
    }
    if (json_is_arr(l)) {
        return slow_lay_list(a, s, l, r, d);
    }
    yyjson_mut_val *out = yyjson_mut_obj(d);
    struct json_iter it = json_iter(l);
    while (json_next(&it)) {
        const struct shape *member = shape_member(s, json_str(it.key));
        json_set(
            d, out, json_str(it.key),
            slow_lay(a, member ? member : &shape_any, it.val, json_getn(r, json_str(it.key)), d));
    }
    it = json_iter(r);
    while (json_next(&it)) {
        if (!json_getn(l, json_str(it.key))) {
            json_set(d, out, json_str(it.key), json_copy(d, it.val));
        }
    }
    return out;
}

/* ---- and parts of it taken away ---- */

/* v without the members of `gone`. A container that loses its last part, or that has no parts of
 * its own, is null then. */
static yyjson_mut_val *slow_remove(struct arena *a, const struct shape *s, const yyjson_mut_val *v,
                                   struct str path, const struct paths *gone, yyjson_mut_doc *d)
{
    bool container = json_is_obj(v) || json_is_arr(v) || json_is_null(v);
    if (!paths_any_beneath(gone, path) || !container) {
        return json_copy(d, v);
    }
    bool list = json_is_arr(v);
    yyjson_mut_val *out = list ? yyjson_mut_arr(d) : yyjson_mut_obj(d);
    struct json_iter it = json_iter(v);
    while (slow_granular(s, v) && json_next(&it)) {
        const struct shape *part = list ? s->item : shape_member(s, json_str(it.key));
        struct str at = list ? path_add(a, path, slow_identity(a, s, it.val))
                             : path_name(a, path, json_str(it.key));
        if (paths_has(gone, at)) {
            continue;
        }
        yyjson_mut_val *left = slow_remove(a, part ? part : &shape_any, it.val, at, gone, d);
        if (list) {
            yyjson_mut_arr_append(out, left);
        } else {
            json_set(d, out, json_str(it.key), left);
        }
    }
    return json_size(out) ? out : yyjson_mut_null(d);
}

/* ---- sets seen through a schema ---- */

/* The shape of what a step of a path leads to; NULL: unknown. */
static const struct shape *slow_descend(const struct shape *s, struct str step)
{
    if (!s || step.ptr[0] == '.') {
        return s ? shape_member(s, str_skip(step, 1)) : NULL;
    }
    return s->kind == SHAPE_LIST ? s->item : NULL;
}

/* p and the declared fields above its members. */
static struct paths slow_with_named(struct arena *a, const struct shape *root,
                                    const struct paths *p)
{
    struct paths out = paths_union(a, p, &(struct paths){0});
    for (size_t i = 0; i < p->n; i++) {
        const struct shape *s = root;
        for (size_t at = 0, end; at < p->items[i].len; at = end) {
            end = path_step(p->items[i], at);
            struct str step = str_make(p->items[i].ptr + at, end - at);
            if (s && s->kind == SHAPE_STRUCT && step.ptr[0] == '.' &&
                shape_field(s, str_skip(step, 1))) {
                if (end < p->items[i].len) {
                    paths_add(a, &out, str_make(p->items[i].ptr, end));
                }
            }
            s = slow_descend(s, step);
        }
    }
    return out;
}

/* Nothing beneath it is looked at when a schema changes: no field is declared, and what stands
 * there may be anything. */
static bool slow_unknowable(const struct shape *s)
{
    return s->kind == SHAPE_ANY || (s->kind == SHAPE_STRUCT && s->open && !s->n_fields) ||
           (s->kind == SHAPE_MAP && s->item->kind == SHAPE_ANY);
}

/* Members beneath what has become atomic give way to the place itself. */
static struct paths slow_reconcile(struct arena *a, const struct shape *root, const struct paths *p)
{
    struct paths out = {0};
    for (size_t i = 0; i < p->n; i++) {
        const struct shape *s = root;
        struct str kept = p->items[i];
        for (size_t at = 0, end; at < p->items[i].len; at = end) {
            if (!s || slow_unknowable(s)) {
                break;
            }
            if (at && s->atomic) {
                kept = str_make(p->items[i].ptr, at);
                break;
            }
            end = path_step(p->items[i], at);
            s = slow_descend(s, str_make(p->items[i].ptr + at, end - at));
        }
        paths_add(a, &out, kept);
    }
    return out;
}

#endif
