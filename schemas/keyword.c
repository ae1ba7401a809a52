/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keywords. */
#include "schemas/keyword.h"

#include "base/json.h"

#define K(lit, kind_, pointer_)                                                                    \
    {                                                                                              \
        .name = {lit, sizeof(lit) - 1}, .kind = (kind_), .pointer = (pointer_)                     \
    }

const struct keyword keywords[KW_COUNT] = {
    [KW_ID] = K("id", KEYWORD_STRING, false),
    [KW_DIALECT] = K("$schema", KEYWORD_STRING, false),
    [KW_REF] = K("$ref", KEYWORD_STRING, true),
    [KW_DESCRIPTION] = K("description", KEYWORD_STRING, false),
    [KW_TYPE] = K("type", KEYWORD_STRING, false),
    [KW_FORMAT] = K("format", KEYWORD_STRING, false),
    [KW_TITLE] = K("title", KEYWORD_STRING, false),
    [KW_DEFAULT] = K("default", KEYWORD_ANY, true),
    [KW_MAXIMUM] = K("maximum", KEYWORD_NUMBER, true),
    [KW_EXCLUSIVE_MAXIMUM] = K("exclusiveMaximum", KEYWORD_BOOL, false),
    [KW_MINIMUM] = K("minimum", KEYWORD_NUMBER, true),
    [KW_EXCLUSIVE_MINIMUM] = K("exclusiveMinimum", KEYWORD_BOOL, false),
    [KW_MAX_LENGTH] = K("maxLength", KEYWORD_INTEGER, true),
    [KW_MIN_LENGTH] = K("minLength", KEYWORD_INTEGER, true),
    [KW_PATTERN] = K("pattern", KEYWORD_STRING, false),
    [KW_MAX_ITEMS] = K("maxItems", KEYWORD_INTEGER, true),
    [KW_MIN_ITEMS] = K("minItems", KEYWORD_INTEGER, true),
    [KW_UNIQUE_ITEMS] = K("uniqueItems", KEYWORD_BOOL, false),
    [KW_MULTIPLE_OF] = K("multipleOf", KEYWORD_NUMBER, true),
    [KW_ENUM] = K("enum", KEYWORD_ANYS, false),
    [KW_MAX_PROPERTIES] = K("maxProperties", KEYWORD_INTEGER, true),
    [KW_MIN_PROPERTIES] = K("minProperties", KEYWORD_INTEGER, true),
    [KW_REQUIRED] = K("required", KEYWORD_STRINGS, false),
    [KW_ITEMS] = K("items", KEYWORD_SCHEMA_OR_LIST, true),
    [KW_ALL_OF] = K("allOf", KEYWORD_SCHEMAS, false),
    [KW_ONE_OF] = K("oneOf", KEYWORD_SCHEMAS, false),
    [KW_ANY_OF] = K("anyOf", KEYWORD_SCHEMAS, false),
    [KW_NOT] = K("not", KEYWORD_SCHEMA, true),
    [KW_PROPERTIES] = K("properties", KEYWORD_SCHEMA_MAP, false),
    [KW_ADDITIONAL_PROPERTIES] = K("additionalProperties", KEYWORD_SCHEMA_OR_BOOL, true),
    [KW_PATTERN_PROPERTIES] = K("patternProperties", KEYWORD_SCHEMA_MAP, false),
    [KW_DEPENDENCIES] = K("dependencies", KEYWORD_DEPENDENCIES, false),
    [KW_ADDITIONAL_ITEMS] = K("additionalItems", KEYWORD_SCHEMA_OR_BOOL, true),
    [KW_DEFINITIONS] = K("definitions", KEYWORD_SCHEMA_MAP, false),
    [KW_EXTERNAL_DOCS] = K("externalDocs", KEYWORD_DOCS, true),
    [KW_EXAMPLE] = K("example", KEYWORD_ANY, true),
    [KW_NULLABLE] = K("nullable", KEYWORD_BOOL, false),
    [KW_X_PRESERVE_UNKNOWN_FIELDS] = K("x-kubernetes-preserve-unknown-fields", KEYWORD_BOOL, true),
    [KW_X_EMBEDDED_RESOURCE] = K("x-kubernetes-embedded-resource", KEYWORD_BOOL, false),
    [KW_X_INT_OR_STRING] = K("x-kubernetes-int-or-string", KEYWORD_BOOL, false),
    [KW_X_LIST_MAP_KEYS] = K("x-kubernetes-list-map-keys", KEYWORD_STRINGS, false),
    [KW_X_LIST_TYPE] = K("x-kubernetes-list-type", KEYWORD_STRING, true),
    [KW_X_MAP_TYPE] = K("x-kubernetes-map-type", KEYWORD_STRING, true),
    [KW_X_VALIDATIONS] = K("x-kubernetes-validations", KEYWORD_RULES, false),
};

/* The table's places by length of the name, and where each length begins; a test holds them against
 * the table. */
static const uint8_t by_length[KW_COUNT] = {KW_ID,
                                            KW_NOT,
                                            KW_REF,
                                            KW_TYPE,
                                            KW_ENUM,
                                            KW_TITLE,
                                            KW_ITEMS,
                                            KW_ALL_OF,
                                            KW_ONE_OF,
                                            KW_ANY_OF,
                                            KW_FORMAT,
                                            KW_DIALECT,
                                            KW_DEFAULT,
                                            KW_MAXIMUM,
                                            KW_MINIMUM,
                                            KW_PATTERN,
                                            KW_EXAMPLE,
                                            KW_MAX_ITEMS,
                                            KW_MIN_ITEMS,
                                            KW_REQUIRED,
                                            KW_NULLABLE,
                                            KW_MAX_LENGTH,
                                            KW_MIN_LENGTH,
                                            KW_MULTIPLE_OF,
                                            KW_PROPERTIES,
                                            KW_DESCRIPTION,
                                            KW_UNIQUE_ITEMS,
                                            KW_DEFINITIONS,
                                            KW_DEPENDENCIES,
                                            KW_EXTERNAL_DOCS,
                                            KW_MAX_PROPERTIES,
                                            KW_MIN_PROPERTIES,
                                            KW_ADDITIONAL_ITEMS,
                                            KW_EXCLUSIVE_MAXIMUM,
                                            KW_EXCLUSIVE_MINIMUM,
                                            KW_PATTERN_PROPERTIES,
                                            KW_ADDITIONAL_PROPERTIES,
                                            KW_X_MAP_TYPE,
                                            KW_X_LIST_TYPE,
                                            KW_X_VALIDATIONS,
                                            KW_X_INT_OR_STRING,
                                            KW_X_LIST_MAP_KEYS,
                                            KW_X_EMBEDDED_RESOURCE,
                                            KW_X_PRESERVE_UNKNOWN_FIELDS};
static const uint8_t first_of_length[] = {0,  0,  0,  1,  2,  5,  10, 11, 17, 21, 23, 25, 28,
                                          30, 32, 32, 33, 35, 36, 36, 36, 37, 38, 39, 39, 40,
                                          40, 42, 42, 42, 42, 43, 43, 43, 43, 43, 43, 44};

static const struct keyword rule_keywords[] = {
    K("rule", KEYWORD_STRING, true),
    K("message", KEYWORD_STRING, false),
    K("messageExpression", KEYWORD_STRING, false),
    K("reason", KEYWORD_STRING, true),
    K("fieldPath", KEYWORD_STRING, false),
    K("optionalOldSelf", KEYWORD_BOOL, true),
};

static const struct keyword *find(const struct keyword *table, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(table[i].name, name)) {
            return &table[i];
        }
    }
    return NULL;
}

const struct keyword *keyword_find(struct str name)
{
    if (name.len + 1 >= sizeof(first_of_length)) {
        return NULL;
    }
    for (size_t i = first_of_length[name.len]; i < first_of_length[name.len + 1]; i++) {
        const struct keyword *k = &keywords[by_length[i]];
        if (memcmp(k->name.ptr, name.ptr, name.len) == 0) {
            return k;
        }
    }
    return NULL;
}

uint64_t keyword_mask(const yyjson_mut_val *v)
{
    uint64_t mask = 0;
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const struct keyword *k = it.key ? keyword_find(json_str(it.key)) : NULL;
        if (k && !keyword_is_zero(k, it.val)) {
            mask |= 1ull << (k - keywords);
        }
    }
    return mask;
}

const struct keyword *keyword_find_rule(struct str name)
{
    return find(rule_keywords, sizeof(rule_keywords) / sizeof(*rule_keywords), name);
}

bool keyword_is_zero(const struct keyword *k, const yyjson_mut_val *cv)
{
    yyjson_mut_val *v = (yyjson_mut_val *)(uintptr_t)cv;
    if (!v || yyjson_mut_is_null(v)) {
        return true;
    }
    return !k->pointer && (yyjson_mut_is_false(v) || (yyjson_mut_is_str(v) && !json_str(v).len) ||
                           (yyjson_mut_is_ctn(v) && unsafe_yyjson_get_len(v) == 0));
}
