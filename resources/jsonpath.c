/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation of a path: each step turns the values found so far into the next ones. As with
 * kubectl, a step that does not fit (an index into a map, an index out of bounds, a comparison of
 * unlike things) fails the whole path. */
#include "resources/jsonpath_priv.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/tree_priv.h"

#include <stdlib.h>

/* The values found so far, in order. */
struct found {
    yyjson_mut_val **items;
    size_t n, cap;
    size_t *left; /* how many more may be found on the whole way */
};

static void found_finish(struct found *f)
{
    free(f->items);
}

/* False when there are too many: paths with unions, filters and ".." can multiply. */
static bool add(struct found *f, yyjson_mut_val *v)
{
    if (!*f->left) {
        return false;
    }
    --*f->left;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 8;
        f->items = alloc_resize(f->items, f->cap * sizeof(*f->items));
    }
    f->items[f->n++] = v;
    return true;
}

static bool walk(const struct jsonpath *p, const struct found *in, struct found *out);

static bool step_field(const struct step *s, const struct found *in, struct found *out)
{
    for (size_t i = 0; i < in->n; i++) {
        yyjson_mut_val *v = json_getn(in->items[i], s->name);
        if (v && !add(out, v)) {
            return false;
        }
    }
    return true;
}

static bool step_wildcard(const struct found *in, struct found *out)
{
    for (size_t i = 0; i < in->n; i++) {
        struct json_iter it = json_iter(in->items[i]);
        while (yyjson_mut_is_ctn(in->items[i]) && json_next(&it)) {
            if (!add(out, it.val)) {
                return false;
            }
        }
    }
    return true;
}

/* The value and everything under it that holds something. */
static bool descend(yyjson_mut_val *v, struct found *out)
{
    if (!(yyjson_mut_is_ctn(v) || yyjson_mut_is_str(v)) || !unsafe_yyjson_get_len(v)) {
        return true;
    }
    if (!add(out, v)) {
        return false;
    }
    struct json_iter it = json_iter(v);
    while (yyjson_mut_is_ctn(v) && json_next(&it)) {
        if (!descend(it.val, out)) { /* no deeper than the value, which json_read limits */
            return false;
        }
    }
    return true;
}

static bool step_recursive(const struct found *in, struct found *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (!descend(in->items[i], out)) {
            return false;
        }
    }
    return true;
}

/* The bounds of a slice of n items. False: out of bounds. */
static bool slice_bounds(const struct step *s, int64_t n, int64_t *from, int64_t *to)
{
    *from = s->bounds[0].known ? s->bounds[0].value : 0;
    *to = s->bounds[1].known ? s->bounds[1].value : n;
    *from += *from < 0 ? n : 0;
    *to += *to < 0 || (*to == 0 && s->bounds[1].derived) ? n : 0;
    return *from == *to || (*from >= 0 && *from < n && *to >= 0 && *to <= n && *from <= *to);
}

static bool slice(const struct step *s, yyjson_mut_val *list, struct found *out)
{
    int64_t from, to, by = s->bounds[2].known ? s->bounds[2].value : 1;
    if (!slice_bounds(s, (int64_t)yyjson_mut_arr_size(list), &from, &to)) {
        return false;
    }
    if (from == to) {
        return true;
    }
    if (by <= 0) {
        return false;
    }
    int64_t at = 0;
    for (struct json_iter it = json_iter(list); at < to && json_next(&it); at++) {
        if (at >= from && (at - from) % by == 0 && !add(out, it.val)) {
            return false;
        }
    }
    return true;
}

static bool step_slice(const struct step *s, const struct found *in, struct found *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (yyjson_mut_is_null(in->items[i])) {
            continue;
        }
        if (!yyjson_mut_is_arr(in->items[i]) || !slice(s, in->items[i], out)) {
            return false;
        }
    }
    return true;
}

static bool step_union(const struct step *s, const struct found *in, struct found *out)
{
    for (const struct jsonpath *p = s->parts; p; p = p->also) {
        AUTO(found_finish) struct found part = {.left = in->left};
        if (!walk(p, in, &part)) {
            return false;
        }
        for (size_t i = 0; i < part.n; i++) {
            if (!add(out, part.items[i])) {
                return false;
            }
        }
    }
    return true;
}

/* -1, 0, 1; 2: they cannot be ordered; 3: they cannot be compared. */
static int order(yyjson_mut_val *a, yyjson_mut_val *b)
{
    if (yyjson_mut_is_str(a) && yyjson_mut_is_str(b)) {
        int r = str_cmp(json_str(a), json_str(b));
        return (r > 0) - (r < 0);
    }
    if (yyjson_mut_is_bool(a) && yyjson_mut_is_bool(b)) {
        return unsafe_yyjson_get_bool(a) == unsafe_yyjson_get_bool(b) ? 0 : 2;
    }
    if (yyjson_mut_is_real(a) && yyjson_mut_is_real(b)) {
        double x = unsafe_yyjson_get_real(a), y = unsafe_yyjson_get_real(b);
        return (x > y) - (x < y);
    }
    if (yyjson_mut_is_int(a) && yyjson_mut_is_int(b)) {
        int64_t x = unsafe_yyjson_get_sint(a), y = unsafe_yyjson_get_sint(b);
        return (x > y) - (x < y);
    }
    return 3;
}

/* Whether the comparison holds; false in *ret_fits: it cannot be made. */
static bool compares(enum compare c, yyjson_mut_val *a, yyjson_mut_val *b, bool *ret_fits)
{
    int r = order(a, b);
    bool equality = c == COMPARE_EQ || c == COMPARE_NE;
    *ret_fits = c != COMPARE_BAD && r != 3 && (equality || !yyjson_mut_is_bool(a));
    switch (c) {
    case COMPARE_EQ:
        return r == 0;
    case COMPARE_NE:
        return r != 0;
    case COMPARE_LT:
        return r < 0;
    case COMPARE_LE:
        return r <= 0;
    case COMPARE_GT:
        return r > 0;
    case COMPARE_GE:
        return r >= 0;
    default:
        return false;
    }
}

/* 1: the item passes; 0: it does not; -1: the path fails. */
static int passes(const struct step *s, yyjson_mut_val *item, size_t *budget)
{
    AUTO(found_finish) struct found left = {.left = budget}, right = {.left = budget};
    const struct found self = {&item, 1, 1, budget};
    bool ok = walk(s->left, &self, &left), fits;
    if (s->compare == COMPARE_EXISTS) {
        return ok && left.n > 0;
    }
    if (!ok || left.n > 1) {
        return -1;
    }
    if (!left.n) {
        return 0;
    }
    if (!walk(s->right, &self, &right) || right.n > 1) {
        return -1;
    }
    if (!right.n) {
        return 0;
    }
    bool holds = compares(s->compare, left.items[0], right.items[0], &fits);
    return fits ? holds : -1;
}

static bool step_filter(const struct step *s, const struct found *in, struct found *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (!yyjson_mut_is_arr(in->items[i])) {
            return false;
        }
        for (struct json_iter it = json_iter(in->items[i]); json_next(&it);) {
            int r = passes(s, it.val, in->left);
            if (r < 0 || (r && !add(out, it.val))) {
                return false;
            }
        }
    }
    return true;
}

static bool take_step(const struct step *s, const struct found *in, struct found *out)
{
    switch (s->kind) {
    case STEP_FIELD:
        return step_field(s, in, out);
    case STEP_WILDCARD:
        return step_wildcard(in, out);
    case STEP_RECURSIVE:
        return step_recursive(in, out);
    case STEP_SLICE:
        return step_slice(s, in, out);
    case STEP_UNION:
        return step_union(s, in, out);
    case STEP_FILTER:
        return step_filter(s, in, out);
    case STEP_VALUE:
        return add(out, tree_unconst(&s->value));
    case STEP_WORD:
        break;
    }
    return false;
}

static bool walk(const struct jsonpath *p, const struct found *in, struct found *out)
{
    AUTO(found_finish) struct found now = {.left = in->left};
    for (size_t i = 0; i < in->n; i++) {
        if (!add(&now, in->items[i])) {
            return false;
        }
    }
    for (const struct step *s = p->first; s; s = s->next) {
        AUTO(found_finish) struct found next = {.left = in->left};
        if (!take_step(s, &now, &next)) {
            return false;
        }
        struct found former = now;
        now = next;
        next = former;
    }
    struct found empty = *out;
    *out = now;
    now = empty;
    return true;
}

static yyjson_mut_val *follow_fields(const struct jsonpath *p, const yyjson_mut_val *root)
{
    const yyjson_mut_val *v = root;
    for (const struct step *s = p->first; v && s; s = s->next) {
        v = json_getn(v, s->name);
    }
    return tree_unconst(v);
}

void jsonpath_find(const struct jsonpath *p, const yyjson_mut_val *root, jsonpath_visit_fn *visit,
                   void *arg)
{
    if (p->simple) {
        const yyjson_mut_val *v = follow_fields(p, root);
        if (v) {
            visit(arg, v);
        }
        return;
    }
    size_t left = LIMIT_JSONPATH_VALUES;
    AUTO(found_finish) struct found out = {.left = &left};
    yyjson_mut_val *self = tree_unconst(root);
    const struct found in = {&self, 1, 1, &left};
    if (!walk(p, &in, &out)) {
        return;
    }
    for (size_t i = 0; i < out.n; i++) {
        if (!visit(arg, out.items[i])) {
            return;
        }
    }
}

static bool keep_first(void *arg, const yyjson_mut_val *v)
{
    *(const yyjson_mut_val **)arg = v;
    return false;
}

yyjson_mut_val *jsonpath_first(const struct jsonpath *p, const yyjson_mut_val *root)
{
    const yyjson_mut_val *v = NULL;
    jsonpath_find(p, root, keep_first, &v);
    return tree_unconst(v);
}
