/* SPDX-License-Identifier: Apache-2.0 */
/* A schema's nodes as the types of server-side apply. What the schema does not describe is deduced
 * from the value. */
#include "resources/typed_priv.h"

static const struct schema_view view_deduced = {
    .scalar = SCHEMA_SCALAR_ANY, .map = true, .list = true, .rest = SCHEMA_REST_ANY};
static const struct schema_view view_untyped = {.scalar = SCHEMA_SCALAR_ANY,
                                                .map = true,
                                                .list = true,
                                                .atomic = true,
                                                .rest = SCHEMA_REST_ANY};
static const struct schema_view view_none = {.rest = SCHEMA_REST_NONE};

struct type type_root(const struct schema_node *n)
{
    return (struct type){.node = n, .form = n ? TYPE_NODE : TYPE_DEDUCED};
}

void atom_of(struct type t, struct atom *ret)
{
    ret->type = t;
    ret->hint = 0;
    if (t.form == TYPE_NODE) {
        schema_view(t.node, &ret->view);
        ret->type.preserves = t.preserves || ret->view.preserves;
        return;
    }
    ret->view = t.form == TYPE_DEDUCED   ? view_deduced
                : t.form == TYPE_UNTYPED ? view_untyped
                                         : view_none;
}

static enum shape first_shape(const struct schema_view *v)
{
    return v->map ? SHAPE_MAP : v->scalar ? SHAPE_SCALAR : v->list ? SHAPE_LIST : SHAPE_NONE;
}

/* The shape of a value that the type allows; SHAPE_NONE: null, none at all, or not allowed. */
static enum shape deduce(const struct schema_view *view, const yyjson_mut_val *v)
{
    if (!v || json_is_null(v)) {
        return SHAPE_NONE;
    }
    if (json_is_arr(v)) {
        return view->list ? SHAPE_LIST : SHAPE_NONE;
    }
    if (json_is_obj(v)) {
        return view->map ? SHAPE_MAP : SHAPE_NONE;
    }
    return view->scalar ? SHAPE_SCALAR : SHAPE_NONE;
}

enum shape atom_shape(const struct atom *at, const yyjson_mut_val *v)
{
    enum shape s = deduce(&at->view, v);
    return s != SHAPE_NONE ? s : first_shape(&at->view);
}

enum shape atom_shapes(const struct atom *at, const yyjson_mut_val *l, const yyjson_mut_val *r,
                       enum shape *ret_left)
{
    enum shape left = atom_shape(at, l), right = atom_shape(at, r);
    *ret_left = SHAPE_NONE;
    if (!r) {
        return left;
    }
    if (l && left != right) {
        *ret_left = left;
    }
    return right;
}

struct type atom_rest(const struct atom *at)
{
    bool kept = at->type.preserves;
    switch (at->view.rest) {
    case SCHEMA_REST_NODE:
        return (struct type){at->view.rest_node, TYPE_NODE, kept};
    case SCHEMA_REST_ANY:
        return (struct type){NULL, at->type.form == TYPE_UNTYPED ? TYPE_UNTYPED : TYPE_DEDUCED,
                             false};
    case SCHEMA_REST_KEPT:
        return (struct type){NULL, kept ? TYPE_DEDUCED : TYPE_NONE, false};
    default:
        return (struct type){NULL, TYPE_NONE, false};
    }
}

struct type atom_field(struct atom *at, struct str name, bool *ret_field)
{
    const struct schema_node *n;
    bool own;
    if (at->type.form == TYPE_NODE && at->view.fields &&
        schema_field(at->type.node, name, &at->hint, &n, &own)) {
        *ret_field = true;
        return (struct type){n, TYPE_NODE, at->type.preserves && !own};
    }
    *ret_field = false;
    return atom_rest(at);
}

struct type atom_items(const struct atom *at)
{
    if (at->view.items) {
        return (struct type){at->view.items, TYPE_NODE, at->type.preserves};
    }
    return (struct type){NULL, TYPE_UNTYPED, false};
}
