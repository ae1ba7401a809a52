/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the schema in a definition: what keywords may stand where and together (the reference's
 * ValidateCustomResourceDefinitionOpenAPISchema), around the checks of structure and of defaults.
 */
#include "base/cleanup.h"
#include "base/limits.h"
#include "schemas/check_priv.h"
#include "schemas/keyword.h"

#define AT(up, lit) PATH_FIELD(up, STR(lit))

/* What the surroundings forbid. */
struct context {
    const char *no_defaults; /* why defaults are not allowed; NULL: they are */
    bool in_meta;            /* inside apiVersion, kind or metadata of a resource */
};

static void check_schema(const yyjson_mut_val *v, struct context x, bool root,
                         const struct path *at, struct causes *c);

/* ---- keywords that are not supported ---- */

static void check_unsupported(const yyjson_mut_val *v, struct context x, uint64_t has,
                              const struct path *at, struct causes *c)
{
    static const struct str types[] = {{"array", 5},  {"boolean", 7}, {"integer", 7},
                                       {"number", 6}, {"object", 6},  {"string", 6}};
    static const uint8_t keys[] = {KW_ID,          KW_ADDITIONAL_ITEMS, KW_PATTERN_PROPERTIES,
                                   KW_DEFINITIONS, KW_DEPENDENCIES,     KW_REF};
    struct str type = json_get_str(v, "type");
    bool known = !type.len;
    for (size_t i = 0; i < 6; i++) {
        known = known || str_eq(type, types[i]);
    }
    if (!known) {
        causes_add_unsupported(c, AT(at, "type"), json_get(v, "type"), types, 6);
    }
    if (str_is(type, "null")) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "type"), NULL,
                   "type cannot be set to null, use nullable as an alternative");
    }
    if (!(has & ~KW_PLAIN)) {
        return;
    }
    if (has & KW_BIT(DEFAULT) && x.no_defaults) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "default"), NULL, "must not be set %s",
                   x.no_defaults);
    }
    for (size_t i = 0; i < sizeof(keys); i++) {
        if (has >> keys[i] & 1) {
            struct str key = keywords[keys[i]].name;
            causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(at, key), NULL, "%.*s is not supported",
                       STR_FMT(key));
        }
    }
    if (yyjson_mut_is_arr(check_get(v, "items")) && check_count(v, "items")) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "items"), NULL,
                   "items must be a schema object and not an array");
    }
    if (x.in_meta && has & KW_BIT(X_EMBEDDED_RESOURCE)) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "x-kubernetes-embedded-resource"), NULL,
                   "must not be used inside of resource meta");
    }
    if (has & KW_BIT(UNIQUE_ITEMS)) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "uniqueItems"), NULL,
                   "uniqueItems cannot be set to true since the runtime complexity becomes "
                   "quadratic");
    }
}

/* ---- sub-schemas ---- */

static void check_additional(const yyjson_mut_val *v, struct context x, const struct path *at,
                             struct causes *c)
{
    yyjson_mut_val *a = check_get(v, "additionalProperties");
    if (!a) {
        return;
    }
    if (check_count(v, "properties") && !yyjson_mut_is_true(a)) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "additionalProperties"), NULL,
                   "additionalProperties and properties are mutual exclusive");
    }
    if (x.in_meta) {
        x.no_defaults = "inside additionalProperties applying to object metadata";
    }
    if (yyjson_mut_is_obj(a)) {
        check_schema(a, x, false, AT(at, "additionalProperties"), c);
    }
}

static void check_properties(const yyjson_mut_val *v, struct context x, bool root,
                             const struct path *at, struct causes *c)
{
    const struct path *properties = AT(at, "properties");
    bool resource = root || json_get_bool(v, "x-kubernetes-embedded-resource");
    struct json_iter it = json_iter(check_get(v, "properties"));
    while (json_next(&it)) {
        struct str name = json_str(it.key);
        struct context sub = x;
        if (resource &&
            (str_is(name, "metadata") || str_is(name, "kind") || str_is(name, "apiVersion"))) {
            sub.in_meta = true;
            if (root) {
                sub.no_defaults = arena_printf(c->arena, "in top-level %.*s", STR_FMT(name));
            }
        }
        check_schema(it.val, sub, false, PATH_KEY(properties, name), c);
    }
}

static void check_each(const yyjson_mut_val *v, const char *key, struct context x,
                       const struct path *at, struct causes *c)
{
    const struct path *here = PATH_FIELD(at, str_from(key));
    struct json_iter it = json_iter(check_get(v, key));
    while (json_next(&it)) {
        if (yyjson_mut_is_obj(it.val)) {
            check_schema(it.val, x, false,
                         it.key ? PATH_KEY(here, json_str(it.key)) : PATH_INDEX(here, it.index), c);
        }
    }
}

static void check_children(const yyjson_mut_val *v, struct context x, bool root,
                           const struct path *at, struct causes *c)
{
    check_additional(v, x, at, c);
    check_properties(v, x, root, at, c);
    if (check_get(v, "not")) {
        check_schema(check_get(v, "not"), x, false, AT(at, "not"), c);
    }
    check_each(v, "allOf", x, at, c);
    check_each(v, "oneOf", x, at, c);
    check_each(v, "anyOf", x, at, c);
    check_each(v, "definitions", x, at, c);
    if (yyjson_mut_is_obj(check_get(v, "items"))) {
        check_schema(check_get(v, "items"), x, false, AT(at, "items"), c);
    } else {
        check_each(v, "items", x, at, c);
    }
    check_each(v, "dependencies", x, at, c);
}

/* ---- x-kubernetes-map-type, -list-type, -list-map-keys ---- */

/* KEY is given, so the type must be WANT. */
static bool check_type_for(const yyjson_mut_val *v, const char *want, const char *key,
                           const struct path *at, struct causes *c)
{
    struct str type = json_get_str(v, "type");
    if (str_is(type, want)) {
        return true;
    }
    causes_add(c, type.len ? CAUSE_INVALID : CAUSE_REQUIRED, AT(at, "type"),
               type.len ? json_get(v, "type") : NULL, "must be %s if %s is specified", want, key);
    return false;
}

static void check_map_type(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    static const struct str types[] = {{"atomic", 6}, {"granular", 8}};
    yyjson_mut_val *map = check_get(v, "x-kubernetes-map-type");
    if (!map) {
        return;
    }
    check_type_for(v, "object", "x-kubernetes-map-type", at, c);
    if (!str_is(json_str(map), "atomic") && !str_is(json_str(map), "granular")) {
        causes_add_unsupported(c, AT(at, "x-kubernetes-map-type"), map, types, 2);
    }
}

/* The items of a set are scalars or atomic. */
static void check_set_items(const yyjson_mut_val *items, const struct path *at, struct causes *c)
{
    static const char detail[] = "must be atomic as item of a list with x-kubernetes-list-type=set";
    struct str type = json_get_str(items, "type");
    yyjson_mut_val *list = check_get(items, "x-kubernetes-list-type");
    if (str_is(type, "array") && list && !str_is(json_str(list), "atomic")) {
        causes_add(c, CAUSE_INVALID, AT(at, "x-kubernetes-list-type"), list, "%s", detail);
    } else if (str_is(type, "object") &&
               !str_is(json_get_str(items, "x-kubernetes-map-type"), "atomic")) {
        /* the reference shows the list type here, which is as good as always null */
        causes_add_text(c, CAUSE_INVALID, AT(at, "x-kubernetes-map-type"), STR("null"), "%s",
                        detail);
    }
}

static bool has_string(const yyjson_mut_val *list, struct str s)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (str_eq(json_str(it.val), s)) {
            return true;
        }
    }
    return false;
}

/* One entry of x-kubernetes-list-map-keys. */
static void check_map_key(const yyjson_mut_val *v, struct json_iter *key, const struct path *at,
                          struct causes *c)
{
    yyjson_mut_val *items = json_get(v, "items"), *keys = json_get(v, "x-kubernetes-list-map-keys");
    yyjson_mut_val *p = json_getn(json_get(items, "properties"), json_str(key->val));
    const struct path *properties = AT(AT(at, "items"), "properties");
    struct str type = json_get_str(p, "type");
    if (!p) {
        causes_add(c, CAUSE_INVALID, AT(at, "x-kubernetes-list-map-keys"), keys,
                   "entries must all be names of item properties");
    } else if (str_is(type, "array") || str_is(type, "object")) {
        causes_add(c, CAUSE_INVALID, AT(PATH_KEY(properties, json_str(key->val)), "type"),
                   json_get(items, "type"),
                   "must be a scalar type if parent array's x-kubernetes-list-type is map");
    }
    struct json_iter before = json_iter(keys);
    while (json_next(&before) && before.index < key->index) {
        if (str_eq(json_str(before.val), json_str(key->val))) {
            causes_add(c, CAUSE_INVALID, AT(at, "x-kubernetes-list-map-keys"), keys,
                       "must not contain duplicate entries");
            break;
        }
    }
}

static void check_map_list(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    yyjson_mut_val *items = check_get(v, "items");
    if (!check_count(v, "x-kubernetes-list-map-keys")) {
        causes_add(c, CAUSE_REQUIRED, AT(at, "x-kubernetes-list-map-keys"), NULL,
                   "must not be empty if x-kubernetes-list-type is map");
    }
    if (!items) {
        causes_add(c, CAUSE_REQUIRED, AT(at, "items"), NULL,
                   "must have a schema if x-kubernetes-list-type is map");
    } else if (!yyjson_mut_is_obj(items)) {
        causes_add(c, CAUSE_INVALID, AT(at, "items"), items,
                   "must only have a single schema if x-kubernetes-list-type is map");
    } else if (!str_is(json_get_str(items, "type"), "object")) {
        causes_add_text(
            c, CAUSE_INVALID, AT(AT(at, "items"), "type"),
            str_from(arena_printf(c->arena, "\"%.*s\"", STR_FMT(json_get_str(items, "type")))),
            "must be object if parent array's x-kubernetes-list-type is map");
    } else {
        struct json_iter it = json_iter(check_get(v, "x-kubernetes-list-map-keys"));
        while (json_next(&it)) {
            check_map_key(v, &it, at, c);
        }
    }
}

/* Items of sets and maps are never null, and map keys always have a value. */
static void check_identity(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    yyjson_mut_val *items = check_get(v, "items");
    struct str list = json_get_str(v, "x-kubernetes-list-type");
    bool map = str_is(list, "map");
    if (!yyjson_mut_is_obj(items) || (!map && !str_is(list, "set"))) {
        return;
    }
    const struct path *there = AT(at, "items");
    if (json_get_bool(items, "nullable")) {
        causes_add(c, CAUSE_FORBIDDEN, AT(there, "nullable"), NULL,
                   "cannot be nullable when x-kubernetes-list-type is %.*s", STR_FMT(list));
    }
    struct json_iter it = json_iter(map ? check_get(v, "x-kubernetes-list-map-keys") : NULL);
    while (json_next(&it)) {
        struct str key = json_str(it.val);
        yyjson_mut_val *p = json_getn(json_get(items, "properties"), key);
        const struct path *here = PATH_KEY(AT(there, "properties"), key);
        if (p && !check_get(p, "default") && !has_string(check_get(items, "required"), key)) {
            causes_add(c, CAUSE_REQUIRED, AT(here, "default"), NULL,
                       "this property is in x-kubernetes-list-map-keys, so it must have a default "
                       "or be a required property");
        }
        if (json_get_bool(p, "nullable")) {
            causes_add(c, CAUSE_FORBIDDEN, AT(here, "nullable"), NULL,
                       "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
        }
    }
}

static void check_list_type(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    static const struct str types[] = {{"atomic", 6}, {"set", 3}, {"map", 3}};
    yyjson_mut_val *list = check_get(v, "x-kubernetes-list-type"), *items = check_get(v, "items");
    struct str type = json_str(list);
    const struct path *there = AT(at, "x-kubernetes-list-type");
    if (list && check_type_for(v, "array", "x-kubernetes-list-type", at, c) &&
        str_is(type, "set") && yyjson_mut_is_obj(items)) {
        check_set_items(items, AT(at, "items"), c);
    }
    if (list && !str_is(type, "atomic") && !str_is(type, "set") && !str_is(type, "map")) {
        causes_add_unsupported(c, there, list, types, 3);
    }
    if (check_count(v, "x-kubernetes-list-map-keys") && !str_is(type, "map")) {
        causes_add(c, list ? CAUSE_INVALID : CAUSE_REQUIRED, there, list,
                   "must be map if x-kubernetes-list-map-keys is non-empty");
    }
    if (str_is(type, "map")) {
        check_map_list(v, at, c);
    }
    check_identity(v, at, c);
}

static void check_schema(const yyjson_mut_val *v, struct context x, bool root,
                         const struct path *at, struct causes *c)
{
    uint64_t has = keyword_mask(v);
    check_unsupported(v, x, has, at, c);
    if (!(has & ~KW_PLAIN)) {
        return;
    }
    check_children(v, x, root, at, c);
    yyjson_mut_val *preserve = check_get(v, "x-kubernetes-preserve-unknown-fields");
    if (yyjson_mut_is_false(preserve)) {
        causes_add(c, CAUSE_INVALID, AT(at, "x-kubernetes-preserve-unknown-fields"), preserve,
                   "must be true or undefined");
    }
    check_map_type(v, at, c);
    check_list_type(v, at, c);
    check_rules(v, at, c);
}

/* ---- the whole ---- */

/* Why v has no structural form at all; NULL: it has. */
static const char *unsupported(const yyjson_mut_val *v)
{
    static const struct {
        uint64_t bit;
        const char *words;
    } keys[] = {
        {KW_BIT(ID), "OpenAPIV3Schema 'id' is not supported"},
        {KW_BIT(DIALECT), "OpenAPIV3Schema 'schema' is not supported"},
        {KW_BIT(REF), "OpenAPIV3Schema '$ref' is not supported"},
        {KW_BIT(PATTERN_PROPERTIES), "OpenAPIV3Schema 'patternProperties' is not supported"},
        {KW_BIT(DEPENDENCIES), "OpenAPIV3Schema 'dependencies' is not supported"},
        {KW_BIT(ADDITIONAL_ITEMS), "OpenAPIV3Schema 'additionalItems' is not supported"},
        {KW_BIT(DEFINITIONS), "OpenAPIV3Schema 'definitions' is not supported"},
    };
    uint64_t has = keyword_mask(v);
    if (!(has & ~KW_PLAIN)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (has & keys[i].bit) {
            return keys[i].words;
        }
    }
    if (yyjson_mut_is_arr(check_get(v, "items"))) {
        return "OpenAPIV3Schema 'items' must be a schema, but is an array";
    }
    if (yyjson_mut_is_false(check_get(v, "x-kubernetes-preserve-unknown-fields"))) {
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    }
    const char *why = NULL;
    struct json_iter it = json_iter(v);
    while (!why && json_next(&it)) {
        const struct keyword *k = keyword_find(json_str(it.key));
        if (k && yyjson_mut_is_obj(it.val) &&
            (k->kind == KEYWORD_SCHEMA || k->kind == KEYWORD_SCHEMA_OR_LIST ||
             k->kind == KEYWORD_SCHEMA_OR_BOOL)) {
            why = unsupported(it.val);
        } else if (k && (k->kind == KEYWORD_SCHEMAS || k->kind == KEYWORD_SCHEMA_MAP)) {
            struct json_iter each = json_iter(it.val);
            while (!why && json_next(&each)) {
                why = unsupported(each.val);
            }
        }
    }
    return why;
}

/* Whether a default stands where structural schemas may have one. */
static bool has_defaults(const yyjson_mut_val *v)
{
    uint64_t has = keyword_mask(v);
    if (!(has & ~KW_PLAIN) || has & KW_BIT(DEFAULT)) {
        return has & KW_BIT(DEFAULT);
    }
    struct json_iter it = json_iter(has & KW_BIT(PROPERTIES) ? json_get(v, "properties") : NULL);
    bool found = false;
    while (!found && json_next(&it)) {
        found = has_defaults(it.val);
    }
    return found || (has & KW_BIT(ITEMS) && has_defaults(json_get(v, "items"))) ||
           (has & KW_BIT(ADDITIONAL_PROPERTIES) &&
            has_defaults(json_get(v, "additionalProperties")));
}

void schema_check(yyjson_mut_val *root, const struct path *at, struct causes *c)
{
    AUTO(err_finish) struct err err = {0};
    size_t from = c->n;
    if (!root) {
        return;
    }
    if (schema_decode_definition(root, at, &err) < 0) { /* the caller may have done so already */
        causes_add_text(c, CAUSE_INVALID, at, STR("\"\""), "%s", err_message(&err));
        return;
    }
    if (json_get_bool(root, "nullable")) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "nullable"), NULL,
                   "nullable cannot be true at the root");
    }
    const char *why = unsupported(root);
    bool builds = true;
    if (!why) {
        check_structural(root, at, c);
        if (c->n == from && has_defaults(root)) {
            builds = check_defaults(root, at, c, &err);
        }
    }
    check_schema(root, (struct context){0}, true, at, c);
    if (c->n == from && why) {
        causes_add_text(c, CAUSE_INVALID, at, STR("\"\""), "%s", why);
    }
    if (c->n == from && !builds) {
        causes_add_text(c, CAUSE_INVALID, at, STR("\"\""), "error building validator: %s",
                        err_message(&err));
    }
}

void schema_check_status_root(const yyjson_mut_val *root, const struct path *at, struct causes *c)
{
    static const char *const allowed[] = {"description",
                                          "type",
                                          "format",
                                          "title",
                                          "maximum",
                                          "exclusiveMaximum",
                                          "minimum",
                                          "exclusiveMinimum",
                                          "maxLength",
                                          "minLength",
                                          "pattern",
                                          "maxItems",
                                          "minItems",
                                          "uniqueItems",
                                          "multipleOf",
                                          "required",
                                          "items",
                                          "properties",
                                          "externalDocs",
                                          "example",
                                          "x-kubernetes-preserve-unknown-fields",
                                          "x-kubernetes-validations"};
    yyjson_mut_val *type = check_get(root, "type");
    if (type && !str_is(json_str(type), "object") && json_str(type).len) {
        causes_add(c, CAUSE_INVALID, AT(at, "type"), type,
                   "only \"object\" is allowed as the type at the root of the schema if the status "
                   "subresource is enabled");
        return;
    }
    struct json_iter it = json_iter(root);
    while (json_next(&it)) {
        const struct keyword *k = keyword_find(json_str(it.key));
        bool ok = !k || keyword_is_zero(k, it.val);
        for (size_t i = 0; !ok && i < sizeof(allowed) / sizeof(*allowed); i++) {
            ok = str_is(k->name, allowed[i]);
        }
        if (!ok) {
            causes_add(c, CAUSE_INVALID, at, (yyjson_mut_val *)(uintptr_t)root,
                       "only [Description Type Format Title Maximum ExclusiveMaximum Minimum "
                       "ExclusiveMinimum MaxLength "
                       "MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items "
                       "Properties ExternalDocs "
                       "Example XPreserveUnknownFields XValidations] fields are allowed at the "
                       "root of the schema if the "
                       "status subresource is enabled");
            return;
        }
    }
}
