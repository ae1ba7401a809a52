/* SPDX-License-Identifier: Apache-2.0 */
/* The parsed form of a label selector. */
#ifndef RESOURCES_SELECTOR_PRIV_H
#define RESOURCES_SELECTOR_PRIV_H

#include <stdint.h>

#include "resources/metadata.h"
#include "resources/selector.h"

enum operator {
    OPERATOR_IN, /* = and == too */
    OPERATOR_NOT_IN,
    OPERATOR_EXISTS,
    OPERATOR_NOT_EXISTS,
    OPERATOR_GREATER,
    OPERATOR_LESS,
};

struct requirement {
    struct str key;
    enum operator op;
    struct str *values; /* sorted, each once */
    size_t n_values;
    int64_t number; /* of > and < */
};

struct selector {
    bool nothing; /* matches no labels at all */
    struct requirement *items; /* sorted by key */
    size_t n;
    size_t n_needed; /* how many hold only where their label is */
};

/* Sorts the texts and drops repeated ones; how many are left. */
size_t selector_sort_texts(struct str *items, size_t n);
/* Sorts the requirements and counts the needed ones. */
void selector_finish_parse(struct selector *s);
/* As Go's strconv.ParseInt(s, 10, 64). */
bool selector_parse_int(struct str s, int64_t *ret);

#endif
