/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an object fits its schema's structure, in the words of the reference (which prints Go
 * values). */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/quote.h"
#include "resources/typed_priv.h"

struct check {
    struct arena *arena;
    bool duplicates;
    struct buf text;
    size_t n;
};

/* The steps from the root, on the stack. */
struct step {
    const struct step *parent;
    const struct element *e;   /* or */
    const struct items *items; /* the item `index` of these */
    size_t index;
};

static void put_path(struct buf *b, const struct step *s)
{
    if (!s) {
        return;
    }
    put_path(b, s->parent);
    struct element e = s->e ? *s->e : items_element(s->items, s->index);
    element_text(b, &e);
}

/* One more error; they are joined at the end. */
static void put_error(struct check *c, const struct step *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void put_error(struct check *c, const struct step *at, const char *fmt, ...)
{
    if (c->n++ >= LIMIT_CAUSES || c->text.len > LIMIT_CAUSES_BYTES) {
        return;
    }
    buf_addz(&c->text, "\n  ");
    put_path(&c->text, at);
    buf_addz(&c->text, at ? ": " : "");
    va_list ap;
    va_start(ap, fmt);
    buf_addz(&c->text, arena_vprintf(c->arena, fmt, ap));
    va_end(ap);
}

/* ---- values as Go prints them ---- */

struct sorted {
    yyjson_mut_val **keys;
    size_t n;
};

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(json_str(*(yyjson_mut_val *const *)a), json_str(*(yyjson_mut_val *const *)b));
}

static struct sorted sort_keys(struct arena *a, const yyjson_mut_val *obj)
{
    struct sorted s = {arena_alloc(a, json_size(obj) * sizeof(yyjson_mut_val *)), 0};
    for (struct json_iter it = json_iter(obj); json_next(&it);) {
        s.keys[s.n++] = it.key;
    }
    qsort(s.keys, s.n, sizeof(*s.keys), compare_keys);
    return s;
}

/* %v, or %#v where `go` is set. */
static void put_value(struct check *c, struct buf *b, const yyjson_mut_val *v, bool go)
{
    if (json_is_obj(v)) {
        struct sorted s = sort_keys(c->arena, v);
        buf_addz(b, go ? "map[string]interface {}{" : "map[");
        for (size_t i = 0; i < s.n; i++) {
            buf_addz(b, !i ? "" : go ? ", " : " ");
            if (go) {
                quote_go(b, json_str(s.keys[i]));
            } else {
                buf_add(b, json_str(s.keys[i]));
            }
            buf_addc(b, ':');
            put_value(c, b, s.keys[i]->next, go);
        }
        buf_addc(b, go ? '}' : ']');
    } else if (json_is_arr(v)) {
        buf_addz(b, go ? "[]interface {}{" : "[");
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            buf_addz(b, !it.index ? "" : go ? ", " : " ");
            put_value(c, b, it.val, go);
        }
        buf_addc(b, go ? '}' : ']');
    } else if (json_is_str(v) && go) {
        quote_go(b, json_str(v));
    } else if (json_is_str(v)) {
        buf_add(b, json_str(v));
    } else if (json_is_null(v)) {
        buf_addz(b, go ? "interface {}(nil)" : "<nil>");
    } else if (yyjson_mut_is_real(json_mut(v))) {
        json_write_g(b, v->uni.f64);
    } else {
        json_write(b, v);
    }
}

static const char *go_type(const yyjson_mut_val *v)
{
    return json_is_str(v)                    ? "string"
           : json_is_obj(v)                  ? "map[string]interface {}"
           : json_is_arr(v)                  ? "[]interface {}"
           : yyjson_mut_is_bool(json_mut(v)) ? "bool"
           : yyjson_mut_is_real(json_mut(v)) ? "float64"
                                             : "int64";
}

static void put_expected(struct check *c, const struct step *at, const char *what,
                         const yyjson_mut_val *v, bool go)
{
    AUTO(buf_finish) struct buf b = {0};
    put_value(c, &b, v, go);
    put_error(c, at,
              go ? "expected %s, got &value.valueUnstructured{Value:%.*s}"
                 : "expected %s, got &{%.*s}",
              what, STR_FMT(buf_str(&b)));
}

/* ---- the walk ---- */

static void check_value(struct check *c, struct type t, const yyjson_mut_val *v,
                        const struct step *at, int depth);

static void check_scalar(struct check *c, const struct atom *a, const yyjson_mut_val *v,
                         const struct step *at)
{
    yyjson_mut_val *m = json_mut(v);
    switch (a->view.scalar) {
    case SCHEMA_SCALAR_NUMBER:
        if (!yyjson_mut_is_num(m) && !json_is_null(v)) {
            put_error(c, at, "expected numeric (int or float), got %s", go_type(v));
        }
        break;
    case SCHEMA_SCALAR_STRING:
        if (!json_is_str(v) && !json_is_null(v)) {
            put_expected(c, at, "string", v, true);
        }
        break;
    case SCHEMA_SCALAR_BOOLEAN:
        if (!yyjson_mut_is_bool(m) && !json_is_null(v)) {
            put_expected(c, at, "boolean", v, false);
        }
        break;
    default:
        if (yyjson_mut_is_ctn(m)) {
            put_expected(c, at, "any scalar", v, false);
        }
    }
}

static void check_items(struct check *c, const struct atom *a, const yyjson_mut_val *v,
                        const struct step *at, int depth)
{
    struct identity id;
    struct items x;
    AUTO(err_finish) struct err why = {0};
    identity_init(&id, a, c->arena);
    if ((c->duplicates ? items_read : items_init)(&x, &id, v, &why) < 0) {
        put_error(c, at, "%s", err_message(&why));
        return;
    }
    struct type t = atom_items(a);
    for (size_t i = 0; i < x.n; i++) {
        if (!c->duplicates && x.first[i] != i) {
            AUTO(buf_finish) struct buf b = {0};
            struct element e = items_element(&x, i);
            element_text(&b, &e);
            put_error(c, at, "duplicate entries for key %.*s", STR_FMT(buf_str(&b)));
        }
        check_value(c, t, x.item[i], &(struct step){at, NULL, &x, i}, depth);
    }
}

static void check_list(struct check *c, const struct atom *a, const yyjson_mut_val *v,
                       const struct step *at, int depth)
{
    if (json_is_null(v)) {
        return;
    }
    if (!json_is_arr(v)) {
        put_expected(c, at, "list", v, false);
        return;
    }
    if (a->view.list_type != SCHEMA_LIST_ATOMIC) {
        check_items(c, a, v, at, depth);
        return;
    }
    struct type t = atom_items(a);
    struct element e = {.kind = ELEMENT_INDEX};
    struct ring ring = ring_of(v);
    for (yyjson_mut_val *item; (item = ring_item(&ring)); e.index++) {
        check_value(c, t, item, &(struct step){at, &e, NULL, 0}, depth);
    }
}

static void check_map(struct check *c, struct atom *a, const yyjson_mut_val *v,
                      const struct step *at, int depth)
{
    if (json_is_null(v)) {
        return;
    }
    if (!json_is_obj(v)) {
        put_expected(c, at, "map", v, false);
        return;
    }
    struct ring ring = ring_of(v);
    for (yyjson_mut_val *key; (key = ring_key(&ring));) {
        struct element e = {.name = name_of(key)};
        struct step here = {at, &e, NULL, 0};
        bool field;
        struct type t = atom_field(a, e.name, &field);
        if (t.form == TYPE_NONE) {
            put_error(c, &here, "field not declared in schema");
            return; /* as the reference does */
        }
        check_value(c, t, key->next, &here, depth);
    }
}

static void check_value(struct check *c, struct type t, const yyjson_mut_val *v,
                        const struct step *at, int depth)
{
    struct atom a;
    if (!depth) {
        put_error(c, at, "nested deeper than %d levels", LIMIT_DEPTH);
        return;
    }
    if (t.form != TYPE_NODE) {
        if (json_is_obj(v) || json_is_arr(v)) { /* whatever is in it fits */
            struct ring ring = ring_of(v);
            for (yyjson_mut_val *key; json_is_obj(v) && (key = ring_key(&ring));) {
                check_value(c, t, key->next, at, depth - 1);
            }
            for (yyjson_mut_val *item; (item = ring_item(&ring));) {
                check_value(c, t, item, at, depth - 1);
            }
        }
        return;
    }
    atom_of(t, &a);
    switch (atom_shape(&a, v)) {
    case SHAPE_MAP:
        check_map(c, &a, v, at, depth - 1);
        break;
    case SHAPE_LIST:
        check_list(c, &a, v, at, depth - 1);
        break;
    case SHAPE_SCALAR:
        check_scalar(c, &a, v, at);
        break;
    case SHAPE_NONE:
        break;
    }
}

int typed_check(const struct schema_node *n, const yyjson_mut_val *obj, bool duplicates,
                struct arena *a, struct err *err)
{
    struct check c = {.arena = a, .duplicates = duplicates};
    check_value(&c, type_root(n), obj, NULL, LIMIT_DEPTH + 1);
    int r = 0;
    if (c.n == 1) {
        r = err_set(err, ERR_INVALID, "%.*s", STR_FMT(str_skip(buf_str(&c.text), 3)));
    } else if (c.n) {
        r = err_set(err, ERR_INVALID, "errors:%.*s", STR_FMT(buf_str(&c.text)));
    }
    buf_finish(&c.text);
    return r;
}
