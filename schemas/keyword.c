/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keywords. */
#include "schemas/keyword.h"

#include "base/json.h"

#define K(lit, kind_, pointer_)                                                                    \
    {                                                                                              \
        .name = {lit, sizeof(lit) - 1}, .kind = (kind_), .pointer = (pointer_)                     \
    }

const struct keyword keywords[] = {
    K("id", KEYWORD_STRING, false),
    K("$schema", KEYWORD_STRING, false),
    K("$ref", KEYWORD_STRING, true),
    K("description", KEYWORD_STRING, false),
    K("type", KEYWORD_STRING, false),
    K("format", KEYWORD_STRING, false),
    K("title", KEYWORD_STRING, false),
    K("default", KEYWORD_ANY, true),
    K("maximum", KEYWORD_NUMBER, true),
    K("exclusiveMaximum", KEYWORD_BOOL, false),
    K("minimum", KEYWORD_NUMBER, true),
    K("exclusiveMinimum", KEYWORD_BOOL, false),
    K("maxLength", KEYWORD_INTEGER, true),
    K("minLength", KEYWORD_INTEGER, true),
    K("pattern", KEYWORD_STRING, false),
    K("maxItems", KEYWORD_INTEGER, true),
    K("minItems", KEYWORD_INTEGER, true),
    K("uniqueItems", KEYWORD_BOOL, false),
    K("multipleOf", KEYWORD_NUMBER, true),
    K("enum", KEYWORD_ANYS, false),
    K("maxProperties", KEYWORD_INTEGER, true),
    K("minProperties", KEYWORD_INTEGER, true),
    K("required", KEYWORD_STRINGS, false),
    K("items", KEYWORD_SCHEMA_OR_LIST, true),
    K("allOf", KEYWORD_SCHEMAS, false),
    K("oneOf", KEYWORD_SCHEMAS, false),
    K("anyOf", KEYWORD_SCHEMAS, false),
    K("not", KEYWORD_SCHEMA, true),
    K("properties", KEYWORD_SCHEMA_MAP, false),
    K("additionalProperties", KEYWORD_SCHEMA_OR_BOOL, true),
    K("patternProperties", KEYWORD_SCHEMA_MAP, false),
    K("dependencies", KEYWORD_DEPENDENCIES, false),
    K("additionalItems", KEYWORD_SCHEMA_OR_BOOL, true),
    K("definitions", KEYWORD_SCHEMA_MAP, false),
    K("externalDocs", KEYWORD_DOCS, true),
    K("example", KEYWORD_ANY, true),
    K("nullable", KEYWORD_BOOL, false),
    K("x-kubernetes-preserve-unknown-fields", KEYWORD_BOOL, true),
    K("x-kubernetes-embedded-resource", KEYWORD_BOOL, false),
    K("x-kubernetes-int-or-string", KEYWORD_BOOL, false),
    K("x-kubernetes-list-map-keys", KEYWORD_STRINGS, false),
    K("x-kubernetes-list-type", KEYWORD_STRING, true),
    K("x-kubernetes-map-type", KEYWORD_STRING, true),
    K("x-kubernetes-validations", KEYWORD_RULES, false),
};
const size_t keyword_count = sizeof(keywords) / sizeof(*keywords);

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
    return find(keywords, keyword_count, name);
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
