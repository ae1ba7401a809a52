/* SPDX-License-Identifier: Apache-2.0 */
/* What a definition's author is warned of: formats that nothing checks, sets whose items are no
 * scalars, and rules that are not enforced yet. On an update only what the object did not have
 * before. */
#include "base/json.h"
#include "services/definitions/definitions_priv.h"

/* What was found, as lines; sets are small. */
struct findings {
    struct arena *arena;
    struct str *items;
    size_t n, cap;
    bool rules;
};

static void add(struct findings *f, const char *text)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 8;
        struct str *more = arena_alloc(f->arena, cap * sizeof(*more));
        if (f->n) {
            memcpy(more, f->items, f->n * sizeof(*more));
        }
        f->items = more;
        f->cap = cap;
    }
    f->items[f->n++] = str_from(text);
}

static bool has(const struct findings *f, struct str text)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_eq(f->items[i], text)) {
            return true;
        }
    }
    return false;
}

/* Formats of strings, without their dashes. */
static bool known_string_format(struct str format)
{
    static const char *const known[] = {
        "bsonobjectid", "uri",        "email",    "hostname",     "ipv4",        "ipv6", "cidr",
        "mac",          "uuid",       "uuid3",    "uuid4",        "uuid5",       "isbn", "isbn10",
        "isbn13",       "creditcard", "ssn",      "hexcolor",     "rgbcolor",    "byte", "password",
        "date",         "duration",   "datetime", "k8sshortname", "k8slongname",
    };
    char plain[32];
    size_t n = 0;
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] != '-') {
            if (n == sizeof(plain)) {
                return false;
            }
            plain[n++] = format.ptr[i];
        }
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (str_is(str_make(plain, n), known[i])) {
            return true;
        }
    }
    return false;
}

static bool known_format(struct str type, struct str format)
{
    if (!type.len || str_is(type, "string")) {
        return known_string_format(format);
    }
    if (str_is(type, "integer")) {
        return str_is(format, "int32") || str_is(format, "int64");
    }
    return str_is(type, "number") && (str_is(format, "float") || str_is(format, "double"));
}

static void look_at(struct findings *f, const yyjson_mut_val *schema)
{
    struct str format = json_get_str(schema, "format"),
               items = json_get_str(json_get(schema, "items"), "type");
    if (format.len && !known_format(json_get_str(schema, "type"), format)) {
        add(f, arena_printf(f->arena, "unrecognized format \"%.*s\"", STR_FMT(format)));
    }
    if (str_is(json_get_str(schema, "x-kubernetes-list-type"), "set") &&
        (str_is(items, "object") || str_is(items, "array"))) {
        add(f, arena_printf(f->arena,
                            "x-kubernetes-list-type: set for items of type \"%.*s\" is not "
                            "supported by server-side apply or CEL "
                            "validation rules",
                            STR_FMT(items)));
    }
    f->rules = f->rules || json_size(json_get(schema, "x-kubernetes-validations"));
}

static void walk(struct findings *f, const yyjson_mut_val *schema);

static void walk_members(struct findings *f, const yyjson_mut_val *container)
{
    struct json_iter it = json_iter(container);
    while (json_next(&it)) {
        walk(f, it.val);
    }
}

/* Depth is bounded by LIMIT_DEPTH of what is read. */
static void walk(struct findings *f, const yyjson_mut_val *schema)
{
    static const char *const one[] = {"items", "not", "additionalProperties"}, *const many[] = {
                                                                                   "allOf", "anyOf",
                                                                                   "oneOf",
                                                                                   "properties"};
    if (!json_is_obj(schema)) {
        return;
    }
    look_at(f, schema);
    for (size_t i = 0; i < sizeof(one) / sizeof(*one); i++) {
        walk(f, json_get(schema, one[i]));
    }
    for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++) {
        walk_members(f, json_get(schema, many[i]));
    }
}

static void gather(struct findings *f, const yyjson_mut_val *obj)
{
    struct json_iter it = json_iter(json_path(obj, "spec", "versions", NULL));
    while (json_next(&it)) {
        walk(f, json_path(it.val, "schema", "openAPIV3Schema", NULL));
    }
}

void definition_warn(struct write *w, const yyjson_mut_val *obj, const yyjson_mut_val *old)
{
    struct findings now = {.arena = write_arena(w)}, was = {.arena = write_arena(w)};
    if (old && json_equal(json_get(obj, "spec"), json_get(old, "spec"))) {
        return;
    }
    gather(&now, obj);
    if (old) {
        gather(&was, old);
    }
    for (size_t i = 0; i < now.n; i++) {
        if (!has(&was, now.items[i])) {
            write_warn(w, "%.*s", STR_FMT(now.items[i]));
        }
    }
    if (now.rules) {
        write_warn(w, "x-kubernetes-validations are kept and published but not enforced yet");
    }
}
