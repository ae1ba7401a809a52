/* SPDX-License-Identifier: Apache-2.0 */
/* The keywords of an openAPIV3Schema: the fields of the reference's JSONSchemaProps and what may
 * stand in each. */
#ifndef SCHEMAS_KEYWORD_H
#define SCHEMAS_KEYWORD_H

#include <stdbool.h>
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

/* All of them, in the order of the reference's struct. */
extern const struct keyword keywords[];
extern const size_t keyword_count;
/* NULL: not a keyword. */
const struct keyword *keyword_find(struct str name);
/* Members of an entry of x-kubernetes-validations, of kinds string and bool. */
const struct keyword *keyword_find_rule(struct str name);
/* Whether v is what the reference's type leaves out when it is written. */
bool keyword_is_zero(const struct keyword *k, const yyjson_mut_val *v);

#endif
