/* SPDX-License-Identifier: Apache-2.0 */
/* Objects made up after a schema, to try rules on. Every value is another one, so that none can
 * take another's place unnoticed. */
#include "base/json.h"
#include "services/conversion/rules_priv.h"

enum { NODES_MOST = 2000, DEPTH_MOST = 24, ITEMS_MOST = 3 };

struct maker {
    yyjson_mut_doc *d;
    uint64_t state; /* of the generator; 0: everything, no chance */
    size_t nodes;
    int64_t number;
    size_t depth;
};

/* xorshift64. */
static uint64_t next(struct maker *m)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return m->state;
}

static bool chance(struct maker *m, unsigned in_ten)
{
    return !m->state || next(m) % 10 < in_ten;
}

static size_t pick(struct maker *m, size_t n)
{
    return m->state && n ? next(m) % n : 0;
}

static yyjson_mut_val *make(struct maker *m, const yyjson_mut_val *schema);

static yyjson_mut_val *make_object(struct maker *m, const yyjson_mut_val *schema)
{
    yyjson_mut_val *o = yyjson_mut_obj(m->d);
    yyjson_mut_val *properties = json_get(schema, "properties");
    for (struct json_iter it = json_iter(properties); it.container && json_next(&it);) {
        yyjson_mut_val *v = chance(m, 7) ? make(m, it.val) : NULL;
        if (v) {
            yyjson_mut_obj_add(o, json_copy(m->d, it.key), v);
        }
    }
    const yyjson_mut_val *more = json_get(schema, "additionalProperties");
    for (size_t i = 0; json_is_obj(more) && i < 2; i++) {
        yyjson_mut_val *v = chance(m, 7) ? make(m, more) : NULL;
        if (v) {
            yyjson_mut_obj_add(o, yyjson_mut_strcpy(m->d, i ? "key-b" : "key-a"), v);
        }
    }
    return o;
}

static yyjson_mut_val *make_list(struct maker *m, const yyjson_mut_val *schema)
{
    yyjson_mut_val *list = yyjson_mut_arr(m->d);
    const yyjson_mut_val *items = json_get(schema, "items");
    int64_t least = json_get_int(schema, "minItems", 0),
            most = json_get_int(schema, "maxItems", ITEMS_MOST);
    size_t n = m->state ? pick(m, ITEMS_MOST + 1) : 2;
    n = (int64_t)n < least ? (size_t)(least < ITEMS_MOST ? least : ITEMS_MOST) : n;
    n = (int64_t)n > most ? (size_t)(most < 0 ? 0 : most) : n;
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *v = make(m, items);
        if (v) {
            yyjson_mut_arr_append(list, v);
        }
    }
    return list;
}

static yyjson_mut_val *make_text(struct maker *m)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "text-%lld", (long long)++m->number);
    return yyjson_mut_strncpy(m->d, text, (size_t)n);
}

static yyjson_mut_val *make_scalar(struct maker *m, const yyjson_mut_val *schema, struct str type)
{
    if (str_is(type, "integer")) {
        return yyjson_mut_sint(m->d, ++m->number);
    }
    if (str_is(type, "number")) {
        return yyjson_mut_real(m->d, (double)++m->number + 0.5);
    }
    if (str_is(type, "boolean")) {
        return yyjson_mut_bool(m->d, !m->state || next(m) % 2);
    }
    if (json_get_bool(schema, "x-kubernetes-int-or-string")) {
        return m->number % 2 ? yyjson_mut_sint(m->d, ++m->number) : make_text(m);
    }
    return str_is(type, "string") ? make_text(m) : NULL;
}

static yyjson_mut_val *make(struct maker *m, const yyjson_mut_val *schema)
{
    struct str type = json_get_str(schema, "type");
    yyjson_mut_val *values = json_get(schema, "enum"), *v = NULL;
    if (++m->nodes > NODES_MOST || m->depth > DEPTH_MOST) {
        return NULL;
    }
    m->depth++;
    if (json_size(values)) {
        v = json_copy(m->d, yyjson_mut_arr_get(values, pick(m, json_size(values))));
    } else if (str_is(type, "object")) {
        v = make_object(m, schema);
    } else if (str_is(type, "array")) {
        v = make_list(m, schema);
    } else {
        v = make_scalar(m, schema, type);
    }
    m->depth--;
    return v;
}

yyjson_mut_val *rules_sample(yyjson_mut_doc *d, const yyjson_mut_val *schema, uint64_t seed)
{
    struct maker m = {.d = d, .state = seed * UINT64_C(0x9e3779b97f4a7c15)};
    yyjson_mut_val *o = make_object(&m, schema);
    json_remove(o, "metadata");
    json_remove(o, "apiVersion");
    json_remove(o, "kind");
    yyjson_mut_val *meta = json_ensure_obj(d, o, "metadata");
    json_set_str(d, meta, "name", STR("sample"));
    for (size_t i = 0; i < 2; i++) { /* rules may keep what a version has no field for in these */
        yyjson_mut_val *map = json_ensure_obj(d, meta, i ? "annotations" : "labels");
        json_set_str(d, map, "example.com/sample", STR("sample"));
    }
    return o;
}
