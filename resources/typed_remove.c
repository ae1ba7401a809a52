/* SPDX-License-Identifier: Apache-2.0 */
/* An object without some of its fields. A container that is left with nothing becomes null, as in
 * the reference. */
#include "resources/typed_priv.h"

struct remover {
    struct arena *arena;
    yyjson_mut_doc *doc;
};

/* v without the members of s, which is not empty. */
static yyjson_mut_val *without(struct remover *r, struct type t, const yyjson_mut_val *v,
                               const struct fieldset *s);

/* One member or item: NULL: it goes. */
static yyjson_mut_val *keep(struct remover *r, struct type t, const yyjson_mut_val *v,
                            const struct fieldset_item *item)
{
    if (!item) {
        return json_copy(r->doc, v);
    }
    if (item->member) {
        return NULL;
    }
    return without(r, t, v, item->children);
}

static yyjson_mut_val *without_members(struct remover *r, struct atom *at, const yyjson_mut_val *v,
                                       const struct fieldset *s)
{
    yyjson_mut_val *out = yyjson_mut_obj(r->doc);
    size_t hint = 0;
    struct ring ring = ring_of(v);
    for (yyjson_mut_val *key; (key = ring_key(&ring));) {
        struct element e = {.name = name_of(key)};
        bool field;
        const struct fieldset_item *item = fieldset_find(s, &e, &hint);
        yyjson_mut_val *kept = keep(r, atom_field(at, e.name, &field), key->next, item);
        if (kept) {
            yyjson_mut_obj_add(out, yyjson_mut_strncpy(r->doc, e.name.ptr, e.name.len), kept);
        }
    }
    return out;
}

static yyjson_mut_val *without_items(struct remover *r, const struct atom *at,
                                     const yyjson_mut_val *v, const struct fieldset *s)
{
    yyjson_mut_val *out = yyjson_mut_arr(r->doc);
    struct identity id;
    struct items x;
    size_t hint = 0;
    identity_init(&id, at, r->arena);
    items_init_lenient(&x, &id, v);
    for (size_t i = 0; i < x.n; i++) {
        struct element e = items_element(&x, i);
        yyjson_mut_val *kept = keep(r, atom_items(at), x.item[i], fieldset_find(s, &e, &hint));
        if (kept) {
            yyjson_mut_arr_append(out, kept);
        }
    }
    return out;
}

static yyjson_mut_val *without(struct remover *r, struct type t, const yyjson_mut_val *v,
                               const struct fieldset *s)
{
    struct atom at;
    yyjson_mut_val *out = NULL;
    atom_of(t, &at);
    enum shape shape = atom_shape(&at, v);
    if (shape == SHAPE_SCALAR) {
        return json_copy(r->doc, v);
    }
    if (shape == SHAPE_MAP && full_map(v) && !at.view.atomic) {
        out = without_members(r, &at, v, s);
    } else if (shape == SHAPE_LIST && full_list(v) && at.view.list_type != SCHEMA_LIST_ATOMIC) {
        out = without_items(r, &at, v, s);
    }
    return json_size(out) ? out : yyjson_mut_null(r->doc);
}

yyjson_mut_val *typed_remove(const struct schema_node *n, const yyjson_mut_val *obj,
                             const struct fieldset *s, struct arena *a, yyjson_mut_doc *d)
{
    struct remover r = {a, d};
    if (!s) {
        return json_copy(d, obj);
    }
    return without(&r, type_root(n), obj, s);
}
