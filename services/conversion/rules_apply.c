/* SPDX-License-Identifier: Apache-2.0 */
/* Steps applied to an object, forward or backward, and the converter that does it. Moves that stand
 * together are one: all values are taken before any is put, so that two fields may change places.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "services/conversion/rules_priv.h"

/* What a step does with the value at a place. */
struct motion {
    const struct rule_step *step;
    bool back;
    yyjson_mut_doc *d;
    struct taken *first, **last; /* of moves: values on their way */
};

/* A value taken from one place, to be put below `base`. */
struct taken {
    struct taken *next;
    yyjson_mut_val *base, *value;
    const struct rule_path *to;
};

static yyjson_mut_val *copy_key(yyjson_mut_doc *d, struct str key)
{
    return yyjson_mut_strncpy(d, key.ptr, key.len);
}

static void set_member(yyjson_mut_doc *d, yyjson_mut_val *obj, struct str key, yyjson_mut_val *v)
{
    if (json_getn(obj, key)) {
        json_set(d, obj, key, v);
    } else {
        yyjson_mut_obj_add(obj, copy_key(d, key), v);
    }
}

/* ---- below the last list: plain keys ---- */

static yyjson_mut_val *look(yyjson_mut_val *base, const struct rule_path *p)
{
    for (size_t i = p->shared; i < p->n && base; i++) {
        base = json_is_obj(base) ? json_getn(base, p->keys[i]) : NULL;
    }
    return base;
}

/* Takes the value out, and with it the objects that are left empty, but not the object at `base`
 * and not a field at the object's top. */
static yyjson_mut_val *take_out(yyjson_mut_val *base, const struct rule_path *p)
{
    yyjson_mut_val *way[LIMIT_CONVERSION_PATH + 1], *v = look(base, p);
    size_t n = 0, least = p->shared ? 0 : 1;
    if (!v) {
        return NULL;
    }
    for (size_t i = p->shared; i < p->n; i++) {
        way[n++] = base;
        base = json_getn(base, p->keys[i]);
    }
    for (size_t i = n; i-- > 0;) {
        json_removen(way[i], p->keys[p->shared + i]);
        if (i <= least || json_size(way[i])) {
            break;
        }
    }
    return v;
}

static void put_in(yyjson_mut_doc *d, yyjson_mut_val *base, const struct rule_path *p,
                   yyjson_mut_val *v)
{
    for (size_t i = p->shared; i + 1 < p->n; i++) {
        yyjson_mut_val *next = json_getn(base, p->keys[i]);
        if (!json_is_obj(next)) {
            next = yyjson_mut_obj(d);
            set_member(d, base, p->keys[i], next);
        }
        base = next;
    }
    set_member(d, base, p->keys[p->n - 1], v);
}

/* ---- one step at one place ---- */

static void map_value(const struct motion *m, yyjson_mut_val *v)
{
    for (struct json_iter it = json_iter(m->step->values); json_next(&it);) {
        yyjson_mut_val *a = yyjson_mut_arr_get_first(it.val), *b = yyjson_mut_arr_get_last(it.val);
        if (json_is_str(v) && json_equal(m->back ? b : a, v)) {
            json_assign(v, json_copy(m->d, m->back ? a : b));
            return;
        }
    }
}

static void set_value(const struct motion *m, yyjson_mut_val *base)
{
    struct arena *a = m->d->alc.ctx;
    const yyjson_mut_val *now = look(base, &m->step->from);
    yyjson_mut_doc *constant = NULL;
    if (json_read_own(a, m->step->value, &constant, NULL)) {
        return;
    }
    if (!m->back && !now) {
        put_in(m->d, base, &m->step->from, json_copy(m->d, constant->root));
    } else if (m->back && now && json_equal(now, constant->root)) {
        take_out(base, &m->step->from);
    }
}

static yyjson_mut_val *wrapped(const struct motion *m, yyjson_mut_val *v)
{
    yyjson_mut_val *list = yyjson_mut_arr(m->d);
    if (m->step->key.len) {
        yyjson_mut_val *item = yyjson_mut_obj(m->d);
        set_member(m->d, item, m->step->key, v);
        v = item;
    }
    yyjson_mut_arr_append(list, v);
    return list;
}

/* The first item, or its member. */
static yyjson_mut_val *unwrapped(const struct motion *m, yyjson_mut_val *list)
{
    yyjson_mut_val *item = json_is_arr(list) ? yyjson_mut_arr_get_first(list) : NULL;
    item = item && m->step->key.len ? json_getn(item, m->step->key) : item;
    return item ? json_copy(m->d, item) : NULL;
}

static void carry(struct motion *m, yyjson_mut_val *base)
{
    const struct rule_path *from = m->back ? &m->step->to : &m->step->from,
                           *to = m->back ? &m->step->from : &m->step->to;
    yyjson_mut_val *v = take_out(base, from);
    if (v && m->step->kind == RULE_WRAP) {
        v = m->back ? unwrapped(m, v) : wrapped(m, v);
    }
    if (v) {
        struct taken *t = arena_alloc(m->d->alc.ctx, sizeof(*t));
        *t = (struct taken){.base = base, .value = v, .to = to};
        *m->last = t;
        m->last = &t->next;
    }
}

static void at_place(struct motion *m, yyjson_mut_val *base)
{
    yyjson_mut_val *v;
    switch (m->step->kind) {
    case RULE_SET:
        set_value(m, base);
        return;
    case RULE_VALUES:
        if ((v = look(base, &m->step->from))) {
            map_value(m, v);
        }
        return;
    case RULE_MOVE:
    case RULE_WRAP:
        carry(m, base);
        return;
    }
}

/* Goes through the lists on the way: from key i on, below v. */
static void each_place(struct motion *m, yyjson_mut_val *v, size_t i)
{
    const struct rule_path *p = m->back && m->step->to.n ? &m->step->to : &m->step->from;
    for (; i < p->shared && v; i++) {
        if (p->keys[i].ptr) {
            v = json_is_obj(v) ? json_getn(v, p->keys[i]) : NULL;
            continue;
        }
        for (struct json_iter it = json_iter(json_is_arr(v) ? v : NULL);
             it.container && json_next(&it);) {
            each_place(m, it.val, i + 1);
        }
        return;
    }
    if (v && (json_is_obj(v) || p->shared == p->n)) {
        at_place(m, v);
    }
}

static bool moves(const struct rule_step *s)
{
    return s->kind == RULE_MOVE || s->kind == RULE_WRAP;
}

void rules_apply(const struct rule_set *s, bool back, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    struct motion m = {.back = back, .d = d};
    m.last = &m.first;
    for (size_t k = 0; k < s->n; k++) {
        size_t i = back ? s->n - 1 - k : k;
        m.step = &s->steps[i];
        each_place(&m, obj, 0);
        bool together =
            k + 1 < s->n && moves(m.step) && moves(&s->steps[back ? s->n - 2 - k : k + 1]);
        if (together) {
            continue;
        }
        for (struct taken *t = m.first; t; t = t->next) {
            put_in(d, t->base, t->to, t->value);
        }
        m.first = NULL;
        m.last = &m.first;
    }
}

/* ---- the converter ---- */

struct rules_of_type {
    struct converter base;
    struct rules rules;
};

static const struct type_version *version_of(const struct type *t, struct str api_version)
{
    for (size_t i = 0; i < t->n_versions; i++) {
        if (str_eq(t->versions[i].api_version, api_version)) {
            return &t->versions[i];
        }
    }
    return NULL;
}

static int convert(struct converter *base, const struct type *t, const struct type_version *to,
                   yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n, struct err *err)
{
    const struct rules_of_type *c = (const struct rules_of_type *)base;
    for (size_t i = 0; i < n; i++) {
        struct str api = json_get_str(objs[i], "apiVersion");
        const struct type_version *from = version_of(t, api);
        if (from && !rules_convert(&c->rules, from->name, to->name, d, objs[i])) {
            return err_set(err, ERR_UNKNOWN_500, "no rules lead from %.*s to %.*s", STR_FMT(api),
                           STR_FMT(to->api_version));
        }
        if (!json_depth_ok(objs[i])) {
            return err_set(err, ERR_UNKNOWN_500,
                           "the converted object nests deeper than is allowed");
        }
    }
    return 0;
}

static void destroy(struct converter *base)
{
    struct rules_of_type *c = (struct rules_of_type *)base;
    rules_finish(&c->rules);
    free(c);
}

static const struct converter_ops rules_ops = {.convert = convert, .destroy = destroy};

int rules_converter(struct str text, struct converter **ret, struct err *err)
{
    struct rules_of_type *c = ALLOC(struct rules_of_type);
    int rc = rules_read(text, &c->rules, err);
    if (rc) {
        free(c);
        return rc;
    }
    converter_init(&c->base, &rules_ops);
    *ret = &c->base;
    return 0;
}
