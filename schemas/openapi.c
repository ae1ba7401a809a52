/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI fragments, written straight from a definition's schema in the order in which the
 * reference's types marshal. */
#include "schemas/openapi.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "schemas/keyword.h"

#define DOCS "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
#define META_TYPE "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
#define META_WORDS "Standard object's metadata. More info: " DOCS "#metadata"

/* How apiVersion and kind are described, at the root and in embedded resources. */
struct type_words {
    const char *api_version, *kind;
};
static const struct type_words root_words = {
    "APIVersion defines the versioned schema of this representation of an object. Servers should "
    "convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values. More info: " DOCS
    "#resources",
    "Kind is a string value representing the REST resource this object represents. Servers may "
    "infer this from the "
    "endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: " DOCS
    "#types-kinds",
};
static const struct type_words embedded_words = {
    "apiVersion defines the versioned schema of this representation of an object. More info: " DOCS
    "#resources",
    "kind is a string value representing the type of this object. In CamelCase. More info: " DOCS
    "#types-kinds",
};

/* The object being written. */
struct writer {
    struct buf *b;
    enum openapi_form form;
};

/* What becomes of one schema in the chosen form. */
struct view {
    const yyjson_mut_val *v;
    const struct type_words *resource; /* apiVersion, kind and metadata are added; NULL: not */
    bool nested;                       /* under allOf, anyOf, oneOf or not */
    bool no_type, no_children, no_logic, unfold;
    uint64_t has; /* keyword_mask of v */
};

static void put_schema(struct writer *w, const yyjson_mut_val *v, const struct type_words *resource,
                       bool nested, unsigned depth);

static void put_key(struct writer *w, bool *first, const char *key)
{
    if (!*first) {
        buf_addc(w->b, ',');
    }
    *first = false;
    buf_addc(w->b, '"');
    buf_addz(w->b, key);
    buf_addz(w->b, "\":");
}

static bool is_type(const yyjson_mut_val *v, const char *type)
{
    return yyjson_mut_obj_size((yyjson_mut_val *)(uintptr_t)v) == 1 &&
           str_is(json_get_str(v, "type"), type);
}

/* anyOf already says integer or string. */
static bool says_int_or_string(const yyjson_mut_val *v)
{
    yyjson_mut_val *any = json_get(v, "anyOf");
    return yyjson_mut_arr_size(any) == 2 && is_type(yyjson_mut_arr_get(any, 0), "integer") &&
           is_type(yyjson_mut_arr_get(any, 1), "string");
}

static struct view view_of(const struct writer *w, const yyjson_mut_val *v,
                           const struct type_words *resource, bool nested)
{
    struct view s = {.v = v, .resource = resource, .nested = nested, .has = keyword_mask(v)};
    bool preserve = json_get_bool(v, "x-kubernetes-preserve-unknown-fields");
    struct str type = json_get_str(v, "type");
    if (w->form == OPENAPI_V2) {
        /* kubectl reads this form; it takes untyped values for anything, but not with properties or
         * items */
        bool nullable = json_get_bool(v, "nullable");
        s.no_logic = true;
        s.no_children = nullable || preserve;
        bool no_items = s.no_children || !yyjson_mut_is_obj(json_get(v, "items"));
        s.no_type =
            nullable || (str_is(type, "array") && no_items) || (preserve && str_is(type, "object"));
    }
    if (!nested && !resource && json_get_bool(v, "x-kubernetes-embedded-resource") &&
        !(w->form == OPENAPI_V2 && preserve)) {
        s.resource = &embedded_words;
    }
    s.unfold = !nested && json_get_bool(v, "x-kubernetes-int-or-string") && !s.no_logic &&
               !says_int_or_string(v) &&
               !says_int_or_string(yyjson_mut_arr_get_first(json_get(v, "allOf")));
    return s;
}

/* ---- scalars ---- */

enum part { PART_STRING, PART_BOOL, PART_NUMBER, PART_LIST, PART_ANY };

struct part_name {
    const char *key;
    enum part part;
    uint8_t index; /* enum keyword_index; KW_COUNT: only documents of built-ins have it */
};

/* Copies a keyword that goes out as it stands; empty ones are left out. */
static void put_part(struct writer *w, bool *first, const yyjson_mut_val *v,
                     const struct part_name *p)
{
    yyjson_mut_val *m = json_get(v, p->key);
    bool there = m && !yyjson_mut_is_null(m);
    switch (p->part) {
    case PART_STRING:
        there = json_str(m).len > 0;
        break;
    case PART_BOOL:
        there = yyjson_mut_is_true(m);
        break;
    case PART_NUMBER:
        there = yyjson_mut_is_num(m);
        break;
    case PART_LIST:
        there = yyjson_mut_arr_size(m) > 0;
        break;
    case PART_ANY:
        break;
    }
    if (there) {
        put_key(w, first, p->key);
        json_write(w->b, m);
    }
}

static void put_parts(struct writer *w, bool *first, const struct view *s,
                      const struct part_name *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].index == KW_COUNT || s->has >> parts[i].index & 1) {
            put_part(w, first, s->v, &parts[i]);
        }
    }
}

#define PUT_PARTS(w, first, s, parts)                                                              \
    put_parts(w, first, s, parts, sizeof(parts) / sizeof(*(parts)))

static void put_values(struct writer *w, bool *first, const struct view *s)
{
    static const struct part_name description[] = {{"description", PART_STRING, KW_DESCRIPTION}};
    static const struct part_name type[] = {{"type", PART_STRING, KW_TYPE}};
    static const struct part_name nullable[] = {{"nullable", PART_BOOL, KW_NULLABLE}};
    static const struct part_name fallback[] = {{"default", PART_ANY, KW_DEFAULT}};
    static const struct part_name names[] = {{"format", PART_STRING, KW_FORMAT},
                                             {"title", PART_STRING, KW_TITLE}};
    static const struct part_name limits[] = {
        {"maximum", PART_NUMBER, KW_MAXIMUM},
        {"exclusiveMaximum", PART_BOOL, KW_EXCLUSIVE_MAXIMUM},
        {"minimum", PART_NUMBER, KW_MINIMUM},
        {"exclusiveMinimum", PART_BOOL, KW_EXCLUSIVE_MINIMUM},
        {"maxLength", PART_NUMBER, KW_MAX_LENGTH},
        {"minLength", PART_NUMBER, KW_MIN_LENGTH},
        {"pattern", PART_STRING, KW_PATTERN},
        {"maxItems", PART_NUMBER, KW_MAX_ITEMS},
        {"minItems", PART_NUMBER, KW_MIN_ITEMS},
        {"uniqueItems", PART_BOOL, KW_UNIQUE_ITEMS},
        {"multipleOf", PART_NUMBER, KW_MULTIPLE_OF},
        {"enum", PART_LIST, KW_ENUM},
        {"maxProperties", PART_NUMBER, KW_MAX_PROPERTIES},
        {"minProperties", PART_NUMBER, KW_MIN_PROPERTIES},
    };
    PUT_PARTS(w, first, s, description);
    if (!s->no_type) {
        PUT_PARTS(w, first, s, type);
    }
    if (w->form == OPENAPI_V3) {
        PUT_PARTS(w, first, s, nullable);
    }
    PUT_PARTS(w, first, s, names);
    if (w->form == OPENAPI_V3) {
        PUT_PARTS(w, first, s, fallback); /* the v2 document carries no defaults */
    }
    PUT_PARTS(w, first, s, limits);
}

/* ---- required ---- */

/* V2 cannot say null, so what may be null is not required there. */
static bool stays_required(const struct writer *w, const struct view *s, struct str name)
{
    if (w->form != OPENAPI_V2) {
        return true;
    }
    bool nullable =
        !s->no_children && json_get_bool(json_getn(json_get(s->v, "properties"), name), "nullable");
    return !nullable && !json_get_bool(json_get(s->v, "additionalProperties"), "nullable");
}

static void put_name(struct writer *w, bool *first, bool *first_name, struct str name)
{
    if (*first_name) {
        put_key(w, first, "required");
    }
    buf_addc(w->b, *first_name ? '[' : ',');
    *first_name = false;
    buf_add_json(w->b, name);
}

static void put_required(struct writer *w, bool *first, const struct view *s)
{
    bool first_name = true, kind = false, version = false;
    struct json_iter it = json_iter(json_get(s->v, "required"));
    while (json_next(&it)) {
        struct str name = json_str(it.val);
        if (stays_required(w, s, name)) {
            put_name(w, first, &first_name, name);
            kind = kind || str_is(name, "kind");
            version = version || str_is(name, "apiVersion");
        }
    }
    if (s->resource == &embedded_words && !kind) {
        put_name(w, first, &first_name, STR("kind"));
    }
    if (s->resource == &embedded_words && !version) {
        put_name(w, first, &first_name, STR("apiVersion"));
    }
    if (!first_name) {
        buf_addc(w->b, ']');
    }
}

/* ---- sub-schemas ---- */

static const char int_or_string[] = "[{\"type\":\"integer\"},{\"type\":\"string\"}]";

static void put_branches(struct writer *w, bool *first, const struct view *s, const char *key,
                         unsigned depth)
{
    yyjson_mut_val *list = json_get(s->v, key);
    bool wrap =
        s->unfold && strcmp(key, "allOf") == 0 && yyjson_mut_arr_size(json_get(s->v, "anyOf"));
    if (!wrap && !yyjson_mut_arr_size(list)) {
        return;
    }
    put_key(w, first, key);
    buf_addc(w->b, '[');
    if (wrap) {
        buf_addz(w->b, "{\"anyOf\":");
        buf_addz(w->b, int_or_string);
        buf_addc(w->b, '}');
    }
    bool comma = wrap;
    struct json_iter it = json_iter(yyjson_mut_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (comma) {
            buf_addc(w->b, ',');
        }
        comma = true;
        put_schema(w, it.val, NULL, true, depth);
    }
    buf_addc(w->b, ']');
}

static void put_logic(struct writer *w, bool *first, const struct view *s, unsigned depth)
{
    put_branches(w, first, s, "allOf", depth);
    put_branches(w, first, s, "oneOf", depth);
    put_branches(w, first, s, "anyOf", depth);
    if (s->unfold && !yyjson_mut_arr_size(json_get(s->v, "anyOf"))) {
        put_key(w, first, "anyOf");
        buf_addz(w->b, int_or_string);
    }
    if (yyjson_mut_is_obj(json_get(s->v, "not"))) {
        put_key(w, first, "not");
        put_schema(w, json_get(s->v, "not"), NULL, true, depth);
    }
}

struct property {
    struct str name;
    const yyjson_mut_val *schema; /* NULL: one of those every resource has */
};

static int compare_properties(const void *a, const void *b)
{
    const struct property *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static void put_text(struct writer *w, const char *key, const char *text)
{
    bool first = true;
    put_key(w, &first, key);
    buf_add_json(w->b, str_from(text));
}

static void put_implied(struct writer *w, struct str name, const struct type_words *words)
{
    buf_addc(w->b, '{');
    if (str_is(name, "metadata")) {
        put_text(w, "description", META_WORDS);
        buf_addc(w->b, ',');
        put_text(w, "$ref",
                 w->form == OPENAPI_V2 ? "#/definitions/" META_TYPE
                                       : "#/components/schemas/" META_TYPE);
    } else {
        put_text(w, "description", str_is(name, "kind") ? words->kind : words->api_version);
        buf_addc(w->b, ',');
        put_text(w, "type", "string");
    }
    buf_addc(w->b, '}');
}

/* Sorted by name, as Go writes maps. */
static void put_properties(struct writer *w, bool *first, const struct view *s, unsigned depth)
{
    static const struct str implied[] = {{"apiVersion", 10}, {"kind", 4}, {"metadata", 8}};
    yyjson_mut_val *properties = s->no_children ? NULL : json_get(s->v, "properties");
    properties = yyjson_mut_is_obj(properties) ? properties : NULL;
    size_t n = 0;
    AUTO_FREE struct property *list =
        alloc_zero((yyjson_mut_obj_size(properties) + 3) * sizeof(*list));
    for (size_t i = 0; i < 3 && s->resource; i++) {
        list[n++].name = implied[i];
    }
    struct json_iter it = json_iter(properties);
    while (json_next(&it)) {
        struct str name = json_str(it.key);
        bool twice = s->resource && (str_eq(name, implied[0]) || str_eq(name, implied[1]) ||
                                     str_eq(name, implied[2]));
        if (!twice) {
            list[n++] = (struct property){name, it.val};
        }
    }
    if (!n) {
        return;
    }
    qsort(list, n, sizeof(*list), compare_properties);
    put_key(w, first, "properties");
    for (size_t i = 0; i < n; i++) {
        buf_addc(w->b, i ? ',' : '{');
        buf_add_json(w->b, list[i].name);
        buf_addc(w->b, ':');
        if (list[i].schema) {
            put_schema(w, list[i].schema, NULL, s->nested, depth);
        } else {
            put_implied(w, list[i].name, s->resource);
        }
    }
    buf_addc(w->b, '}');
}

static void put_children(struct writer *w, bool *first, const struct view *s, unsigned depth)
{
    yyjson_mut_val *items = json_get(s->v, "items"),
                   *additional = json_get(s->v, "additionalProperties");
    if (!s->no_children && yyjson_mut_is_obj(items)) {
        put_key(w, first, "items");
        put_schema(w, items, NULL, s->nested, depth);
    }
    if (!s->no_logic) {
        put_logic(w, first, s, depth);
    }
    put_properties(w, first, s, depth);
    if (yyjson_mut_is_bool(additional)) {
        put_key(w, first, "additionalProperties");
        buf_addz(w->b, yyjson_mut_get_bool(additional) ? "true" : "false");
    } else if (yyjson_mut_is_obj(additional)) {
        put_key(w, first, "additionalProperties");
        put_schema(w, additional, NULL, s->nested, depth);
    }
}

static void put_inner(struct writer *w, bool *first, const struct view *s, unsigned depth)
{
    static const struct part_name rest[] = {
        {"externalDocs", PART_ANY, KW_EXTERNAL_DOCS},
        {"example", PART_ANY, KW_EXAMPLE},
        {"x-kubernetes-embedded-resource", PART_BOOL, KW_X_EMBEDDED_RESOURCE},
        {"x-kubernetes-int-or-string", PART_BOOL, KW_X_INT_OR_STRING},
        {"x-kubernetes-list-map-keys", PART_LIST, KW_X_LIST_MAP_KEYS},
        {"x-kubernetes-list-type", PART_STRING, KW_X_LIST_TYPE},
        {"x-kubernetes-map-type", PART_STRING, KW_X_MAP_TYPE},
        {"x-kubernetes-patch-merge-key", PART_STRING, KW_COUNT},
        {"x-kubernetes-patch-strategy", PART_STRING, KW_COUNT},
        {"x-kubernetes-preserve-unknown-fields", PART_BOOL, KW_X_PRESERVE_UNKNOWN_FIELDS},
        {"x-kubernetes-validations", PART_LIST, KW_X_VALIDATIONS},
    };
    if (depth > LIMIT_SCHEMA_DEPTH) {
        return;
    }
    put_values(w, first, s);
    if (s->has & ~(KW_PLAIN & ~KW_BIT(REQUIRED)) || s->resource) {
        put_required(w, first, s);
        put_children(w, first, s, depth + 1);
    }
    PUT_PARTS(w, first, s, rest);
}

static void put_schema(struct writer *w, const yyjson_mut_val *v, const struct type_words *resource,
                       bool nested, unsigned depth)
{
    struct view s = view_of(w, v, resource, nested);
    bool first = true;
    buf_addc(w->b, '{');
    put_inner(w, &first, &s, depth);
    buf_addc(w->b, '}');
}

void openapi_schema(struct buf *b, enum openapi_form form, const yyjson_mut_val *schema,
                    struct str group, struct str version, struct str kind)
{
    struct writer w = {b, form};
    bool first = true;
    bool open = form == OPENAPI_V2 && json_get_bool(schema, "x-kubernetes-preserve-unknown-fields");
    buf_addc(b, '{');
    if (!schema || open) {
        /* with any property kubectl would take all others for unknown */
        put_key(&w, &first, "type");
        buf_addz(b, "\"object\"");
    } else {
        struct view s = view_of(&w, schema, &root_words, false);
        put_inner(&w, &first, &s, 0);
    }
    put_key(&w, &first, "x-kubernetes-group-version-kind");
    buf_addz(b, "[{\"group\":");
    buf_add_json(b, group);
    buf_addz(b, ",\"kind\":");
    buf_add_json(b, kind);
    buf_addz(b, ",\"version\":");
    buf_add_json(b, version);
    buf_addz(b, "}]}");
}

void openapi_name(struct buf *b, struct str group, struct str version, struct str kind)
{
    while (group.len) {
        const char *dot = memrchr(group.ptr, '.', group.len);
        size_t head = dot ? (size_t)(dot - group.ptr) : 0;
        buf_add(b, str_skip(group, dot ? head + 1 : 0));
        buf_addc(b, '.');
        group.len = head;
    }
    buf_add(b, version);
    buf_addc(b, '.');
    buf_add(b, kind);
}
