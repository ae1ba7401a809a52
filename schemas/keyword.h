/* SPDX-License-Identifier: Apache-2.0 */
/* The keywords of an openAPIV3Schema: the fields of the reference's JSONSchemaProps and what may
 * stand in each. */
#ifndef SCHEMAS_KEYWORD_H
#define SCHEMAS_KEYWORD_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/str.h"

enum keyword_kind {
    KEYWORD_STRING,
    KEYWORD_BOOL,
    KEYWORD_NUMBER,
    KEYWORD_INTEGER,
    KEYWORD_STRINGS,
    KEYWORD_ANY,
    KEYWORD_ANYS, /* a list of anything */
    KEYWORD_SCHEMA,
    KEYWORD_SCHEMA_OR_BOOL,
    KEYWORD_SCHEMA_OR_LIST,
    KEYWORD_SCHEMAS,      /* a list of schemas */
    KEYWORD_SCHEMA_MAP,   /* an object of schemas */
    KEYWORD_DEPENDENCIES, /* an object of schemas or lists of strings */
    KEYWORD_DOCS,         /* description and url */
    KEYWORD_RULES,
};

struct keyword {
    struct str name;
    enum keyword_kind kind;
    bool pointer; /* a zero value is not the same as none */
};

/* Their places in the table, and as bits of a keyword_mask. */
enum keyword_index {
    KW_ID,
    KW_DIALECT,
    KW_REF,
    KW_DESCRIPTION,
    KW_TYPE,
    KW_FORMAT,
    KW_TITLE,
    KW_DEFAULT,
    KW_MAXIMUM,
    KW_EXCLUSIVE_MAXIMUM,
    KW_MINIMUM,
    KW_EXCLUSIVE_MINIMUM,
    KW_MAX_LENGTH,
    KW_MIN_LENGTH,
    KW_PATTERN,
    KW_MAX_ITEMS,
    KW_MIN_ITEMS,
    KW_UNIQUE_ITEMS,
    KW_MULTIPLE_OF,
    KW_ENUM,
    KW_MAX_PROPERTIES,
    KW_MIN_PROPERTIES,
    KW_REQUIRED,
    KW_ITEMS,
    KW_ALL_OF,
    KW_ONE_OF,
    KW_ANY_OF,
    KW_NOT,
    KW_PROPERTIES,
    KW_ADDITIONAL_PROPERTIES,
    KW_PATTERN_PROPERTIES,
    KW_DEPENDENCIES,
    KW_ADDITIONAL_ITEMS,
    KW_DEFINITIONS,
    KW_EXTERNAL_DOCS,
    KW_EXAMPLE,
    KW_NULLABLE,
    KW_X_PRESERVE_UNKNOWN_FIELDS,
    KW_X_EMBEDDED_RESOURCE,
    KW_X_INT_OR_STRING,
    KW_X_LIST_MAP_KEYS,
    KW_X_LIST_TYPE,
    KW_X_MAP_TYPE,
    KW_X_VALIDATIONS,
    KW_COUNT
};
#define KW_BIT(k) (1ull << KW_##k)

/* All of them, in the order of the reference's struct. */
extern const struct keyword keywords[KW_COUNT];
/* NULL: not a keyword. */
const struct keyword *keyword_find(struct str name);
/* Members of an entry of x-kubernetes-validations, of kinds string and bool. */
const struct keyword *keyword_find_rule(struct str name);
/* Whether v is what the reference's type leaves out when it is written. */
bool keyword_is_zero(const struct keyword *k, const yyjson_mut_val *v);

/* Those that concern a value alone: neither its parts, nor other keywords. */
#define KW_PLAIN                                                                                   \
    (KW_BIT(DESCRIPTION) | KW_BIT(TYPE) | KW_BIT(FORMAT) | KW_BIT(TITLE) | KW_LIMITS |             \
     KW_BIT(EXTERNAL_DOCS) | KW_BIT(EXAMPLE) | KW_BIT(NULLABLE) | KW_BIT(REQUIRED))
#define KW_LIMITS                                                                                  \
    (KW_BIT(MAXIMUM) | KW_BIT(EXCLUSIVE_MAXIMUM) | KW_BIT(MINIMUM) | KW_BIT(EXCLUSIVE_MINIMUM) |   \
     KW_BIT(MAX_LENGTH) | KW_BIT(MIN_LENGTH) | KW_BIT(PATTERN) | KW_BIT(MAX_ITEMS) |               \
     KW_BIT(MIN_ITEMS) | KW_BIT(MULTIPLE_OF) | KW_BIT(ENUM) | KW_BIT(MAX_PROPERTIES) |             \
     KW_BIT(MIN_PROPERTIES))
#define KW_LOGIC (KW_BIT(ALL_OF) | KW_BIT(ONE_OF) | KW_BIT(ANY_OF) | KW_BIT(NOT))

/* The keywords that v has a value for (one that keyword_is_zero is none). */
uint64_t keyword_mask(const yyjson_mut_val *v);

#endif
