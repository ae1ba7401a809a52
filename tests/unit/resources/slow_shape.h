/* SPDX-License-Identifier: Apache-2.0 */
/* What the slow model of server-side apply (slow_merge.h) builds on: its own reading of an
 * openAPIV3Schema, and sets of paths as unsorted lists of texts. */
#ifndef TESTS_RESOURCES_SLOW_SHAPE_H
#define TESTS_RESOURCES_SLOW_SHAPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

/* ---- schemas ---- */

enum shape_kind {
    SHAPE_ANY,
    SHAPE_STRING,
    SHAPE_NUMBER,
    SHAPE_BOOLEAN,
    SHAPE_STRUCT,
    SHAPE_MAP,
    SHAPE_LIST
};

struct shape_field;
struct shape {
    enum shape_kind kind;
    bool atomic;                /* STRUCT, MAP, LIST */
    bool open;                  /* STRUCT: names it does not declare are ANY */
    bool scalar;                /* ANY: int or string (to make values; the model need not know) */
    struct shape_field *fields; /* STRUCT */
    size_t n_fields;
    const struct shape *item; /* MAP, LIST */
    struct str keys[4];       /* LIST: sorted; of a set: none (what is atomic may have them too) */
    size_t n_keys;
};
struct shape_field {
    struct str name;
    const struct shape *shape;
    const yyjson_mut_val *fallback; /* default */
};

static const struct shape shape_any = {.kind = SHAPE_ANY};

static const struct shape_field *shape_field(const struct shape *s, struct str name)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        if (str_eq(s->fields[i].name, name)) {
            return &s->fields[i];
        }
    }
    return NULL;
}

/* The shape of a member of a map or struct; NULL: there may be none of that name. */
static const struct shape *shape_member(const struct shape *s, struct str name)
{
    if (s->kind == SHAPE_ANY || s->kind == SHAPE_MAP) {
        return s->kind == SHAPE_ANY ? &shape_any : s->item;
    }
    const struct shape_field *f = s->kind == SHAPE_STRUCT ? shape_field(s, name) : NULL;
    return f ? f->shape : s->open ? &shape_any : NULL;
}

static void shape_read_list(struct shape *s, const yyjson_mut_val *schema)
{
    struct str type = json_get_str(schema, "x-kubernetes-list-type");
    s->kind = SHAPE_LIST;
    s->atomic = !type.ptr || str_is(type, "atomic");
    struct json_iter it = json_iter(json_get(schema, "x-kubernetes-list-map-keys"));
    while (json_next(&it)) {
        s->keys[s->n_keys++] = json_str(it.val);
    }
    for (size_t i = 1; i < s->n_keys; i++) {
        for (size_t j = i; j && str_cmp(s->keys[j], s->keys[j - 1]) < 0; j--) {
            struct str swap = s->keys[j];
            s->keys[j] = s->keys[j - 1];
            s->keys[j - 1] = swap;
        }
    }
}

/* Reads an openAPIV3Schema. open: something above keeps unknown fields, which what is beneath it
 * does then too. */
static struct shape *shape_read(struct arena *a, const yyjson_mut_val *schema, bool open)
{
    struct shape *s = ARENA_NEW(a, struct shape);
    struct str type = json_get_str(schema, "type");
    const yyjson_mut_val *properties = json_get(schema, "properties");
    const yyjson_mut_val *additional = json_get(schema, "additionalProperties");
    open |= json_get_bool(schema, "x-kubernetes-preserve-unknown-fields");
    s->atomic = str_is(json_get_str(schema, "x-kubernetes-map-type"), "atomic");
    s->scalar = json_get_bool(schema, "x-kubernetes-int-or-string");
    if (str_is(type, "object") && additional) {
        s->kind = SHAPE_MAP;
        s->item = shape_read(a, additional, open);
    } else if (str_is(type, "object")) {
        s->kind = SHAPE_STRUCT;
        s->open = open || !json_size(properties);
        s->fields =
            (struct shape_field *)arena_zero(a, (json_size(properties) + 1) * sizeof *s->fields);
        struct json_iter it = json_iter(properties);
        while (json_next(&it)) {
            s->fields[s->n_fields++] = (struct shape_field){
                json_str(it.key), shape_read(a, it.val, open), json_get(it.val, "default")};
        }
    } else if (str_is(type, "array")) {
        shape_read_list(s, schema);
        s->item = shape_read(a, json_get(schema, "items"), open);
    } else {
        s->kind = str_is(type, "string")                              ? SHAPE_STRING
                  : str_is(type, "integer") || str_is(type, "number") ? SHAPE_NUMBER
                  : str_is(type, "boolean")                           ? SHAPE_BOOLEAN
                                                                      : SHAPE_ANY;
    }
    return s;
}

/* ---- sets of paths ---- */

struct paths {
    struct str *items;
    size_t n, cap;
};

static bool path_same(struct str x, struct str y)
{
    return x.len == y.len && (!x.len || x.ptr[x.len - 1] == y.ptr[y.len - 1]) && str_eq(x, y);
}

static bool paths_has(const struct paths *p, struct str path)
{
    for (size_t i = 0; i < p->n; i++) {
        if (path_same(p->items[i], path)) {
            return true;
        }
    }
    return false;
}

static void paths_add(struct arena *a, struct paths *p, struct str path)
{
    if (paths_has(p, path)) {
        return;
    }
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 16;
        struct str *items = (struct str *)arena_alloc(a, p->cap * sizeof *items);
        if (p->n) {
            memcpy(items, p->items, p->n * sizeof *items);
        }
        p->items = items;
    }
    p->items[p->n++] = path;
}

/* Whether `path` lies beneath `above`. */
static bool path_beneath(struct str path, struct str above)
{
    return path.len > above.len && str_starts(path, above) &&
           (path.ptr[above.len] == '.' || path.ptr[above.len] == '[');
}

static bool paths_any_beneath(const struct paths *p, struct str above)
{
    for (size_t i = 0; i < p->n; i++) {
        if (path_beneath(p->items[i], above)) {
            return true;
        }
    }
    return false;
}

static struct paths paths_union(struct arena *a, const struct paths *x, const struct paths *y)
{
    struct paths out = {0};
    for (size_t i = 0; i < x->n; i++) {
        paths_add(a, &out, x->items[i]);
    }
    for (size_t i = 0; i < y->n; i++) {
        paths_add(a, &out, y->items[i]);
    }
    return out;
}

/* The members of x that are (in: true) or are not in y. */
static struct paths paths_select(struct arena *a, const struct paths *x, const struct paths *y,
                                 bool in)
{
    struct paths out = {0};
    for (size_t i = 0; i < x->n; i++) {
        if (paths_has(y, x->items[i]) == in) {
            paths_add(a, &out, x->items[i]);
        }
    }
    return out;
}

/* x without the members of y and all that lies beneath them. */
static struct paths paths_without_trees(struct arena *a, const struct paths *x,
                                        const struct paths *y)
{
    struct paths out = {0};
    for (size_t i = 0; i < x->n; i++) {
        bool gone = paths_has(y, x->items[i]);
        for (size_t j = 0; j < y->n && !gone; j++) {
            gone = path_beneath(x->items[i], y->items[j]);
        }
        if (!gone) {
            paths_add(a, &out, x->items[i]);
        }
    }
    return out;
}

/* The length of the path up to and with the step that follows its first `at` bytes. */
static size_t path_step(struct str path, size_t at)
{
    size_t end = at + 1;
    if (path.ptr[at] == '[') {
        while (path.ptr[end - 1] != ']') {
            end++;
        }
        return end;
    }
    while (end < path.len && path.ptr[end] != '.' && path.ptr[end] != '[') {
        end++;
    }
    return end;
}

static struct str path_add(struct arena *a, struct str path, struct str step)
{
    char *text = (char *)arena_alloc(a, path.len + step.len + 1);
    memcpy(text, path.ptr, path.len);
    memcpy(text + path.len, step.ptr ? step.ptr : "", step.len);
    return str_make(text, path.len + step.len);
}

static struct str path_name(struct arena *a, struct str path, struct str name)
{
    return path_add(a, path_add(a, path, STR(".")), name);
}

#endif
