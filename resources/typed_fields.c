/* SPDX-License-Identifier: Apache-2.0 */
/* The fields an object has, and field sets seen through the schema. */
#include "resources/typed_priv.h"

/* *ret_member: the place of v itself is a field. */
static struct fieldset *fields_of(struct type t, const yyjson_mut_val *v, struct arena *a,
                                  bool *ret_member);

static struct fieldset *fields_of_items(const struct atom *at, const yyjson_mut_val *v,
                                        struct arena *a)
{
    struct identity id;
    struct items x;
    struct fieldset_builder b = {0};
    identity_init(&id, at, a);
    items_init_lenient(&x, &id, v);
    struct type t = atom_items(at);
    for (size_t i = 0; i < x.n; i++) {
        if (x.first[i] != i) {
            continue;
        }
        struct element e = items_element(&x, i);
        bool member;
        struct fieldset *children = x.count[i] > 1 ? NULL : fields_of(t, x.item[i], a, &member);
        fieldset_add(&b, a, &e, true, children);
    }
    if (x.n < json_size(v)) {
        /* An item whose keys were taken out still stands in its list. */
        struct element e = {.kind = ELEMENT_INDEX};
        fieldset_add(&b, a, &e, true, NULL);
    }
    return fieldset_finish(&b, a);
}

static struct fieldset *fields_of_members(struct atom *at, const yyjson_mut_val *v, struct arena *a)
{
    struct fieldset_builder b = {0};
    struct ring ring = ring_of(v);
    for (yyjson_mut_val *key; (key = ring_key(&ring));) {
        struct element e = {.name = name_of(key)};
        const yyjson_mut_val *val = key->next;
        bool field, member;
        struct type t = atom_field(at, e.name, &field);
        struct fieldset *children = fields_of(t, val, a, &member);
        bool hollow = json_is_null(val) || (json_is_obj(val) && !full_map(val));
        fieldset_add(&b, a, &e, member || hollow || !field, children);
    }
    return fieldset_finish(&b, a);
}

static struct fieldset *fields_of(struct type t, const yyjson_mut_val *v, struct arena *a,
                                  bool *ret_member)
{
    struct atom at;
    atom_of(t, &at);
    enum shape s = atom_shape(&at, v);
    *ret_member = s == SHAPE_SCALAR || (s == SHAPE_MAP && at.view.atomic) ||
                  (s == SHAPE_LIST && at.view.list_type == SCHEMA_LIST_ATOMIC);
    if (*ret_member) {
        return NULL;
    }
    if (s == SHAPE_LIST) {
        return fields_of_items(&at, v, a);
    }
    return s == SHAPE_MAP && json_is_obj(v) ? fields_of_members(&at, v, a) : NULL;
}

int typed_fields(const struct schema_node *n, const yyjson_mut_val *obj, struct arena *a,
                 struct fieldset **ret, struct err *err)
{
    (void)err;
    bool member;
    *ret = fields_of(type_root(n), obj, a, &member);
    return 0;
}

/* ---- sets through the schema ---- */

/* A set that is s but for some items, made when the first of them comes. */
struct rewrite {
    const struct fieldset *s;
    struct fieldset *made;
};

static void rewrite_item(struct rewrite *w, struct arena *a, size_t i, bool member,
                         struct fieldset *children)
{
    const struct fieldset_item *was = &w->s->items[i];
    if (was->member == member && was->children == children) {
        return;
    }
    if (!w->made) {
        w->made = ARENA_NEW(a, struct fieldset);
        *w->made = (struct fieldset){w->s->n, arena_alloc(a, w->s->n * sizeof(*w->made->items))};
        memcpy(w->made->items, w->s->items, w->s->n * sizeof(*w->made->items));
    }
    w->made->items[i].member = member;
    w->made->items[i].children = children;
}

static struct fieldset *rewritten(const struct rewrite *w)
{
    return w->made ? w->made : (struct fieldset *)(uintptr_t)w->s;
}

static struct fieldset *with_named(struct arena *a, const struct fieldset *s, struct type t)
{
    static const struct type nothing = {NULL, TYPE_NONE, false};
    struct rewrite w = {.s = s};
    struct atom at;
    atom_of(t, &at);
    for (size_t i = 0; s && i < s->n; i++) {
        const struct fieldset_item *item = &s->items[i];
        bool field = false;
        struct type child = nothing;
        if (!item->children) {
            continue;
        }
        if (item->e.kind == ELEMENT_FIELD && at.view.map) {
            child = atom_field(&at, item->e.name, &field);
        } else if (item->e.kind == ELEMENT_KEY && at.view.list) {
            child = atom_items(&at);
        }
        rewrite_item(&w, a, i, item->member || field, with_named(a, item->children, child));
    }
    return rewritten(&w);
}

struct fieldset *fieldset_with_named(struct arena *a, const struct fieldset *x,
                                     const struct schema_node *n)
{
    return with_named(a, x, type_root(n));
}

/* ---- after the schema changed ---- */

/* What the reference leaves as it is: a map of which nothing is described. */
static bool deduced_map(const struct atom *at)
{
    if (at->view.fields) {
        return false;
    }
    struct type rest = atom_rest(at);
    if (rest.form != TYPE_NODE) {
        return rest.form == TYPE_DEDUCED;
    }
    struct atom a;
    atom_of(rest, &a);
    return a.view.scalar == SCHEMA_SCALAR_ANY;
}

/* *atomic: what s stands at is atomic now, and in place of what is in s it is a field itself. leaf:
 * it is a field and nothing beneath. */
static struct fieldset *reconcile(struct arena *a, const struct fieldset *s, struct type t,
                                  bool leaf, bool *ret_atomic)
{
    struct atom at;
    atom_of(t, &at);
    *ret_atomic = false;
    bool map = at.view.map;
    if ((map && deduced_map(&at)) || (!map && (at.view.scalar || !at.view.list))) {
        return (struct fieldset *)(uintptr_t)s;
    }
    if (map ? at.view.atomic : at.view.list_type == SCHEMA_LIST_ATOMIC) {
        *ret_atomic = !leaf && s;
        return (struct fieldset *)(uintptr_t)s;
    }
    struct rewrite w = {.s = s};
    for (size_t i = 0; s && i < s->n; i++) {
        const struct fieldset_item *item = &s->items[i];
        bool atomic, field;
        if (!item->children) {
            continue;
        }
        struct type child = !map                            ? atom_items(&at)
                            : item->e.kind == ELEMENT_FIELD ? atom_field(&at, item->e.name, &field)
                                                            : atom_rest(&at);
        if (child.form == TYPE_NONE) {
            continue;
        }
        struct fieldset *children = reconcile(a, item->children, child, false, &atomic);
        rewrite_item(&w, a, i, item->member || atomic, atomic ? NULL : children);
    }
    return rewritten(&w);
}

int typed_reconcile(const struct schema_node *n, const yyjson_mut_val *obj,
                    const struct fieldset *s, struct arena *a, struct fieldset **ret,
                    struct err *err)
{
    (void)obj;
    (void)err;
    bool atomic;
    *ret = reconcile(a, s, type_root(n), false, &atomic);
    return 0;
}
