/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of one object, as JSON: {"seed", "schemas": {"v1", "v2"}, "steps": [...]} (a
 * schema may be null: none). A step is an update or an apply of a whole object, a schema that
 * changes, or a version that goes. Made with the model at hand (slow_owners.h), since an update
 * changes what is live. */
#ifndef TESTS_RESOURCES_HISTORIES_H
#define TESTS_RESOURCES_HISTORIES_H

#include "slow_owners.h"

#define HISTORY_TEXTS "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"
/* What every object has: the part of ObjectMeta that the histories use. */
#define HISTORY_META                                                                               \
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"                         \
    "\"labels\":" HISTORY_TEXTS ",\"annotations\":" HISTORY_TEXTS                                  \
    ",\"finalizers\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":"            \
    "{\"type\":\"string\"}},\"ownerReferences\":{\"type\":\"array\",\"x-kubernetes-list-type\":"   \
    "\"map\","                                                                                     \
    "\"x-kubernetes-list-map-keys\":[\"uid\"],\"items\":{\"type\":\"object\",\"x-kubernetes-map-"  \
    "type\":\"atomic\","                                                                           \
    "\"properties\":{\"name\":{\"type\":\"string\"},\"uid\":{\"type\":\"string\"}}}}}}"

struct dice {
    uint64_t state;
};

static uint64_t dice_next(struct dice *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t dice_below(struct dice *r, size_t n)
{
    return (size_t)(dice_next(r) % n);
}

static bool dice_percent(struct dice *r, size_t percent)
{
    return dice_below(r, 100) < percent;
}

#define DICE_PICK(r, array) ((array)[dice_below((r), sizeof(array) / sizeof *(array))])

static const char *const history_names[] = {"a", "b", "c", "d"};
static const char *const history_unknown[] = {"u", "v"};
static const char *const history_keys[] = {"k1", "k2", "k3"};
static const char *const history_texts[] = {"p", "q", "r", "s"};

/* ---- schemas ---- */

static yyjson_mut_val *history_schema(struct dice *r, yyjson_mut_doc *d, int depth);

static yyjson_mut_val *history_scalar_schema(struct dice *r, yyjson_mut_doc *d)
{
    static const char *const types[] = {"string", "string", "integer", "number", "boolean"};
    yyjson_mut_val *s = yyjson_mut_obj(d);
    json_set_str(d, s, "type", str_from(DICE_PICK(r, types)));
    return s;
}

static yyjson_mut_val *history_struct_schema(struct dice *r, yyjson_mut_doc *d, int depth)
{
    yyjson_mut_val *s = yyjson_mut_obj(d), *properties = json_ensure_obj(d, s, "properties");
    json_set_str(d, s, "type", STR("object"));
    for (size_t n = 1 + dice_below(r, 3); n; n--) {
        json_set(d, properties, str_from(DICE_PICK(r, history_names)),
                 history_schema(r, d, depth - 1));
    }
    if (dice_percent(r, 10)) {
        json_set_bool(d, s, "x-kubernetes-preserve-unknown-fields", true);
    }
    if (dice_percent(r, 10)) {
        json_set_str(d, s, "x-kubernetes-map-type", STR("atomic"));
    }
    return s;
}

static yyjson_mut_val *history_keyed_schema(struct dice *r, yyjson_mut_doc *d, int depth)
{
    static const char *const types[] = {"map", "map", "map", "atomic"};
    yyjson_mut_val *s = yyjson_mut_obj(d), *item = history_struct_schema(r, d, depth - 1);
    yyjson_mut_val *keys = yyjson_mut_arr(d), *properties = json_get(item, "properties");
    json_set_str(d, s, "type", STR("array"));
    json_setz(d, s, "items", item);
    json_setz(d, s, "x-kubernetes-list-map-keys", keys);
    json_set_str(d, s, "x-kubernetes-list-type", str_from(DICE_PICK(r, types)));
    json_setz(d, properties, "n", yyjson_mut_obj(d));
    json_set_str(d, json_get(properties, "n"), "type", STR("string"));
    yyjson_mut_arr_add_str(d, keys, "n");
    if (dice_percent(r, 50)) {
        yyjson_mut_val *port = yyjson_mut_obj(d);
        json_setz(d, properties, "m", port);
        json_set_str(d, port, "type", STR("integer"));
        if (dice_percent(r, 60)) {
            json_set_int(d, port, "default", 1);
        }
        yyjson_mut_arr_add_str(d, keys, "m");
    }
    return s;
}

static yyjson_mut_val *history_set_schema(struct dice *r, yyjson_mut_doc *d)
{
    static const char *const types[] = {"set", "set", "atomic", NULL};
    yyjson_mut_val *s = yyjson_mut_obj(d);
    const char *type = DICE_PICK(r, types);
    json_set_str(d, s, "type", STR("array"));
    json_setz(d, s, "items", history_scalar_schema(r, d));
    if (type) {
        json_set_str(d, s, "x-kubernetes-list-type", str_from(type));
    }
    return s;
}

static yyjson_mut_val *history_schema(struct dice *r, yyjson_mut_doc *d, int depth)
{
    yyjson_mut_val *s = yyjson_mut_obj(d);
    switch (depth > 0 ? dice_below(r, 12) : 0) {
    case 0:
    case 1:
        return history_scalar_schema(r, d);
    case 2:
    case 3:
    case 4:
        return history_struct_schema(r, d, depth);
    case 5:
    case 6:
        return history_keyed_schema(r, d, depth);
    case 7:
        return history_set_schema(r, d);
    case 8:
        json_set_str(d, s, "type", STR("object"));
        json_set_bool(d, s, "x-kubernetes-preserve-unknown-fields", true);
        return s;
    case 9:
        json_set_bool(d, s,
                      dice_percent(r, 50) ? "x-kubernetes-int-or-string"
                                          : "x-kubernetes-preserve-unknown-fields",
                      true);
        return s;
    default:
        json_set_str(d, s, "type", STR("object"));
        json_setz(d, s, "additionalProperties", history_schema(r, d, depth - 1));
        if (dice_percent(r, 10)) {
            json_set_str(d, s, "x-kubernetes-map-type", STR("atomic"));
        }
        return s;
    }
}

static yyjson_mut_val *history_root_schema(struct dice *r, yyjson_mut_doc *d)
{
    yyjson_mut_val *s = yyjson_mut_obj(d), *properties = json_ensure_obj(d, s, "properties");
    json_set_str(d, s, "type", STR("object"));
    json_setz(d, properties, "spec", history_struct_schema(r, d, 3));
    json_setz(d, properties, "status", history_struct_schema(r, d, 2));
    json_setz(d, properties, "f0", history_schema(r, d, 2));
    if (dice_percent(r, 10)) {
        json_set_bool(d, s, "x-kubernetes-preserve-unknown-fields", true);
    }
    return s;
}

/* Makes some containers atomic, or granular. */
static void history_toggle(struct dice *r, yyjson_mut_doc *d, yyjson_mut_val *s, size_t percent)
{
    if (!json_is_obj(s)) {
        return;
    }
    struct json_iter it = json_iter(json_get(s, "properties"));
    while (json_next(&it)) {
        history_toggle(r, d, it.val, percent);
    }
    history_toggle(r, d, json_get(s, "items"), percent);
    history_toggle(r, d, json_get(s, "additionalProperties"), percent);
    struct str type = json_get_str(s, "type");
    if (!dice_percent(r, percent)) {
        return;
    }
    if (str_is(type, "array")) {
        bool atomic = !json_get(s, "x-kubernetes-list-type") ||
                      str_is(json_get_str(s, "x-kubernetes-list-type"), "atomic");
        bool keyed = json_get(s, "x-kubernetes-list-map-keys") != NULL;
        json_set_str(d, s, "x-kubernetes-list-type",
                     !atomic ? STR("atomic")
                     : keyed ? STR("map")
                             : STR("set"));
    } else if (str_is(type, "object") && !json_remove(s, "x-kubernetes-map-type")) {
        json_set_str(d, s, "x-kubernetes-map-type", STR("atomic"));
    }
}

static yyjson_mut_val *history_v2_schema(struct dice *r, yyjson_mut_doc *d,
                                         const yyjson_mut_val *v1)
{
    yyjson_mut_val *s = json_copy(d, v1), *properties = json_get(s, "properties");
    struct json_iter it = json_iter(properties);
    while (json_next(&it)) {
        history_toggle(r, d, it.val, 10);
    }
    json_setz(d, properties, "g0", json_copy(d, json_get(properties, "f0")));
    json_remove(properties, "f0");
    return s;
}

/* The whole shape: what every object has is added. Of null, a type without schema: anything. */
static const struct shape *history_shape(struct arena *a, const yyjson_mut_val *schema)
{
    static const char meta[] = HISTORY_META;
    if (json_is_null(schema)) {
        return &shape_any;
    }
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(a, str_from(meta), &d, NULL, NULL), 0);
    struct shape *s = shape_read(a, schema, false), *text = ARENA_NEW(a, struct shape);
    struct shape_field *fields =
        (struct shape_field *)arena_zero(a, (s->n_fields + 3) * sizeof *fields);
    text->kind = SHAPE_STRING;
    fields[0] = (struct shape_field){STR("apiVersion"), text, NULL};
    fields[1] = (struct shape_field){STR("kind"), text, NULL};
    fields[2] = (struct shape_field){STR("metadata"), shape_read(a, d->root, false), NULL};
    for (size_t i = 0; i < s->n_fields; i++) {
        fields[i + 3] = s->fields[i];
    }
    s->fields = fields;
    s->n_fields += 3;
    return s;
}

/* ---- objects ---- */

struct history_taste {
    size_t nulls, repeats, wrong; /* per cent */
};

static yyjson_mut_val *history_value(struct dice *r, yyjson_mut_doc *d, const struct shape *s,
                                     const struct history_taste *t, int depth);

static yyjson_mut_val *history_any(struct dice *r, yyjson_mut_doc *d, const struct shape *s,
                                   const struct history_taste *t, int depth)
{
    size_t what = dice_below(r, s->scalar || depth <= 0 ? 2 : 6);
    if (what < 2) {
        return what ? yyjson_mut_str(d, DICE_PICK(r, history_texts))
                    : yyjson_mut_int(d, (int64_t)dice_below(r, 3));
    }
    yyjson_mut_val *out = what == 2 ? yyjson_mut_arr(d) : yyjson_mut_obj(d);
    for (size_t n = dice_below(r, 3); n; n--) {
        yyjson_mut_val *v = history_value(r, d, &shape_any, t, depth - 1);
        if (what == 2) {
            yyjson_mut_arr_append(out, v);
        } else {
            json_set(d, out, str_from(DICE_PICK(r, history_unknown)), v);
        }
    }
    return out;
}

static yyjson_mut_val *history_item(struct dice *r, yyjson_mut_doc *d, const struct shape *list,
                                    const struct history_taste *t, int depth)
{
    struct history_taste plain = {.repeats = t->repeats,
                                  .wrong = t->wrong,
                                  .nulls = list->item->kind == SHAPE_STRUCT ? t->nulls : 0};
    yyjson_mut_val *item = history_value(r, d, list->item, &plain, depth - 1);
    if (list->n_keys && !json_is_obj(item)) {
        item = yyjson_mut_obj(d); /* null or wrong on purpose */
    }
    for (size_t i = 0; i < list->n_keys; i++) {
        const struct shape_field *f = shape_field(list->item, list->keys[i]);
        json_removen(item, list->keys[i]);
        if (f->shape->kind == SHAPE_STRING) {
            json_set(d, item, f->name, yyjson_mut_str(d, DICE_PICK(r, history_texts)));
        } else if (dice_percent(r, 60)) {
            json_set(d, item, f->name, yyjson_mut_int(d, (int64_t)dice_below(r, 3)));
        }
    }
    return item;
}

static yyjson_mut_val *history_list(struct dice *r, yyjson_mut_doc *d, const struct shape *s,
                                    const struct history_taste *t, int depth)
{
    struct arena *a = (struct arena *)d->alc.ctx;
    yyjson_mut_val *out = yyjson_mut_arr(d);
    struct paths seen = {0};
    for (size_t n = dice_below(r, 5); n; n--) {
        yyjson_mut_val *item = history_item(r, d, s, t, depth);
        struct str id = slow_identity(a, s, item);
        bool repeats = id.ptr && paths_has(&seen, id);
        if (s->atomic || !repeats || dice_percent(r, t->repeats)) {
            yyjson_mut_arr_append(out, item);
        }
        if (id.ptr) {
            paths_add(a, &seen, id);
        }
    }
    return out;
}

static yyjson_mut_val *history_map(struct dice *r, yyjson_mut_doc *d, const struct shape *s,
                                   const struct history_taste *t, int depth)
{
    yyjson_mut_val *out = yyjson_mut_obj(d);
    for (size_t i = 0; i < s->n_fields; i++) {
        if (dice_percent(r, 60)) {
            json_set(d, out, s->fields[i].name,
                     history_value(r, d, s->fields[i].shape, t, depth - 1));
        }
    }
    for (size_t n = s->kind == SHAPE_MAP || s->open ? dice_below(r, 4) : 0; n; n--) {
        struct str name = str_from(s->kind == SHAPE_MAP ? DICE_PICK(r, history_keys)
                                                        : DICE_PICK(r, history_unknown));
        json_set(d, out, name, history_value(r, d, shape_member(s, name), t, depth - 1));
    }
    if (s->kind == SHAPE_STRUCT && !s->open && dice_percent(r, t->wrong)) {
        json_setz(d, out, "undeclared", yyjson_mut_int(d, 1));
    }
    return out;
}

static yyjson_mut_val *history_value(struct dice *r, yyjson_mut_doc *d, const struct shape *s,
                                     const struct history_taste *t, int depth)
{
    if (dice_percent(r, t->nulls)) {
        return yyjson_mut_null(d);
    }
    if (dice_percent(r, t->wrong)) {
        return history_any(r, d, &shape_any, t, 1);
    }
    switch (s->kind) {
    case SHAPE_ANY:
        return history_any(r, d, s, t, depth);
    case SHAPE_STRING:
        return yyjson_mut_str(d, DICE_PICK(r, history_texts));
    case SHAPE_NUMBER:
        return dice_percent(r, 15) ? yyjson_mut_real(d, 1.5)
                                   : yyjson_mut_int(d, (int64_t)dice_below(r, 4));
    case SHAPE_BOOLEAN:
        return yyjson_mut_bool(d, dice_percent(r, 50));
    case SHAPE_LIST:
        return history_list(r, d, s, t, depth);
    default:
        return history_map(r, d, s, t, depth);
    }
}

/* The order of a list's items changed, an item gone. */
static yyjson_mut_val *history_shuffle(struct dice *r, yyjson_mut_doc *d,
                                       const yyjson_mut_val *list)
{
    yyjson_mut_val *out = yyjson_mut_arr(d);
    bool drop = dice_percent(r, 50);
    size_t turn = json_size(list) ? dice_below(r, json_size(list)) : 0;
    for (size_t i = drop; i < json_size(list); i++) {
        yyjson_mut_arr_append(
            out, json_copy(d, yyjson_mut_arr_get(json_mut(list), (i + turn) % json_size(list))));
    }
    return out;
}

/* v with something in it changed. */
static yyjson_mut_val *history_change(struct dice *r, yyjson_mut_doc *d, const struct shape *s,
                                      const yyjson_mut_val *v, const struct history_taste *t,
                                      int depth)
{
    if (!json_size(v) || dice_percent(r, 15)) {
        return history_value(r, d, s, t, depth);
    }
    bool list = json_is_arr(v);
    if (list && dice_percent(r, 40)) {
        return history_shuffle(r, d, v);
    }
    yyjson_mut_val *out = list ? yyjson_mut_arr(d) : yyjson_mut_obj(d);
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const struct shape *part =
            list ? s->kind == SHAPE_LIST ? s->item : &shape_any : shape_member(s, json_str(it.key));
        bool change = dice_percent(r, 40), drop = change && dice_percent(r, 25);
        if (drop) {
            continue;
        }
        yyjson_mut_val *next = change && part ? history_change(r, d, part, it.val, t, depth - 1)
                                              : json_copy(d, it.val);
        if (list && s->kind == SHAPE_LIST &&
            !slow_identity((struct arena *)d->alc.ctx, s, next).ptr) {
            next = json_copy(d, it.val);
        }
        if (list) {
            yyjson_mut_arr_append(out, next);
        } else {
            json_set(d, out, json_str(it.key), next);
        }
    }
    if (!list && s->n_fields && dice_percent(r, 40)) {
        const struct shape_field *f = &s->fields[dice_below(r, s->n_fields)];
        json_set(d, out, f->name, history_value(r, d, f->shape, t, depth - 1));
    }
    return out;
}

/* The object as it must be whatever was rolled. */
static yyjson_mut_val *history_head(yyjson_mut_doc *d, yyjson_mut_val *obj, struct str version)
{
    json_set_str(d, obj, "apiVersion", version);
    json_set_str(d, obj, "kind", STR("Thing"));
    json_set_str(d, json_ensure_obj(d, obj, "metadata"), "name", STR("x"));
    return obj;
}

/* ---- histories ---- */

static void history_step_read(struct arena *a, const yyjson_mut_val *step, struct slow_step *ret)
{
    *ret = (struct slow_step){.who = {.manager = json_get_str(step, "manager"),
                                      .api_version = json_get_str(step, "version"),
                                      .subresource = json_get_str(step, "subresource"),
                                      .applied = str_is(json_get_str(step, "do"), "apply")},
                              .force = json_get_bool(step, "force"),
                              .object = json_get(step, "object")};
    if (json_get(step, "reset")) {
        paths_add(a, &ret->reset, json_get_str(step, "reset"));
    }
}

static void history_begin(struct slow *s, struct arena *a, const yyjson_mut_val *history)
{
    *s = (struct slow){
        .arena = a, .doc = json_doc(a), .versions = {{STR("v1"), NULL}, {STR("v2"), NULL}}};
    s->versions[0].root = history_shape(a, json_path(history, "schemas", "v1", NULL));
    s->versions[1].root = history_shape(a, json_path(history, "schemas", "v2", NULL));
}

/* Runs one step in the model. A change of schemas has an outcome too: SLOW_DONE. */
static struct slow_result history_play(struct slow *s, const yyjson_mut_val *step)
{
    struct str what = json_get_str(step, "do");
    struct slow_version *v = &s->versions[str_is(json_get_str(step, "version"), "v2")];
    if (str_is(what, "drop") || str_is(what, "schema")) {
        v->root = str_is(what, "drop") ? NULL : history_shape(s->arena, json_get(step, "schema"));
        return (struct slow_result){.outcome = SLOW_DONE};
    }
    struct slow_step read;
    history_step_read(s->arena, step, &read);
    return read.who.applied ? slow_apply(s, &read) : slow_update(s, &read);
}

/* Another schema for a version, or its end. */
static yyjson_mut_val *history_turn(struct dice *r, yyjson_mut_doc *d,
                                    const yyjson_mut_val *schemas, struct slow *s)
{
    yyjson_mut_val *step = yyjson_mut_obj(d);
    bool second = s->versions[1].root && dice_percent(r, 50), drop = second && dice_percent(r, 40);
    json_set_str(d, step, "do", drop ? STR("drop") : STR("schema"));
    json_set_str(d, step, "version", second ? STR("v2") : STR("v1"));
    if (!drop) {
        yyjson_mut_val *schema = json_copy(d, json_get(schemas, second ? "v2" : "v1"));
        struct json_iter it = json_iter(json_get(schema, "properties"));
        while (json_next(&it)) {
            history_toggle(r, d, it.val, 15);
        }
        json_setz(d, step, "schema", schema);
    }
    return step;
}

/* shapes: what objects of v1 and v2 look like, whether or not the schemas say so. */
static yyjson_mut_val *history_request(struct dice *r, yyjson_mut_doc *d, struct slow *s,
                                       const struct shape *const shapes[2])
{
    static const char *const managers[] = {"alice", "bob", "carol"};
    static const char *const resets[] = {".status", ".spec"};
    static const struct history_taste wild = {.nulls = 4, .repeats = 10, .wrong = 2};
    bool apply = dice_percent(r, 55), second = s->versions[1].root && dice_percent(r, 25),
         status = dice_percent(r, 12);
    struct history_taste t = {.nulls = dice_percent(r, 25) ? 5 : 0,
                              .repeats = !apply && dice_percent(r, 35) ? 60 : 0};
    const struct shape *root =
        s->versions[second].root != &shape_any ? s->versions[second].root : shapes[second];
    struct str version = s->versions[second].name;
    const yyjson_mut_val *live = slow_convert(d, s->live, version);
    yyjson_mut_val *step = yyjson_mut_obj(d), *obj = NULL;
    if (apply && dice_percent(r, 6)) {
        t = wild;
    }
    if (live && (!apply || dice_percent(r, 25)) && !dice_percent(r, 10)) {
        obj = history_change(r, d, root, live, &t, 4);
    }
    obj = json_is_obj(obj) ? obj : history_map(r, d, root, &t, 4);
    json_set_str(d, step, "do", apply ? STR("apply") : STR("update"));
    json_set_str(d, step, "manager", str_from(DICE_PICK(r, managers)));
    json_set_str(d, step, "version", version);
    if (status) {
        json_set_str(d, step, "subresource", STR("status"));
    }
    if (status || dice_percent(r, 30)) {
        json_set_str(d, step, "reset", str_from(resets[status]));
    }
    if (apply && dice_percent(r, 55)) {
        json_set_bool(d, step, "force", true);
    }
    json_setz(d, step, "object", history_head(d, obj, version));
    return step;
}

static yyjson_mut_val *history_make(struct arena *a, yyjson_mut_doc *d, uint64_t seed)
{
    struct dice r = {seed};
    struct slow s;
    yyjson_mut_val *history = yyjson_mut_obj(d), *schemas = json_ensure_obj(d, history, "schemas"),
                   *steps = yyjson_mut_arr(d);
    json_setz(d, history, "seed", yyjson_mut_uint(d, seed));
    json_setz(d, history, "steps", steps);
    json_setz(d, schemas, "v1", history_root_schema(&r, d));
    json_setz(d, schemas, "v2", history_v2_schema(&r, d, json_get(schemas, "v1")));
    const struct shape *shapes[2] = {history_shape(a, json_get(schemas, "v1")),
                                     history_shape(a, json_get(schemas, "v2"))};
    bool none = dice_percent(&r, 6);
    if (none) {
        json_setz(d, schemas, "v1", yyjson_mut_null(d));
        json_setz(d, schemas, "v2", yyjson_mut_null(d));
    }
    history_begin(&s, a, history);
    for (size_t n = 4 + dice_below(&r, 8); n; n--) {
        bool turn = s.live && !none && dice_percent(&r, 6);
        yyjson_mut_val *step =
            turn ? history_turn(&r, d, schemas, &s) : history_request(&r, d, &s, shapes);
        yyjson_mut_arr_append(steps, step);
        history_play(&s, step);
    }
    return history;
}

#endif
