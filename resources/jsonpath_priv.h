/* SPDX-License-Identifier: Apache-2.0 */
/* The parsed form of a path. */
#ifndef RESOURCES_JSONPATH_PRIV_H
#define RESOURCES_JSONPATH_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "resources/jsonpath.h"

enum step_kind {
    STEP_FIELD,
    STEP_WILDCARD,
    STEP_RECURSIVE,
    STEP_SLICE,
    STEP_UNION,
    STEP_FILTER,
    STEP_VALUE, /* a constant: text, number, boolean */
    STEP_WORD,  /* "range", "end" and others, which have no meaning in one path: fails */
};

enum compare { COMPARE_EXISTS, COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE, COMPARE_BAD };

/* One bound of [from:to:step]. */
struct bound {
    bool known, derived; /* derived: to is from + 1, of a single index */
    int64_t value;
};

struct step {
    enum step_kind kind;
    struct step *next;
    struct str name;          /* FIELD */
    struct bound bounds[3];   /* SLICE */
    struct jsonpath *parts;   /* UNION: a list, linked by also */
    struct jsonpath *left, *right; /* FILTER */
    enum compare compare;
    yyjson_mut_val value; /* VALUE */
};

struct jsonpath {
    struct step *first, **end;
    struct jsonpath *also; /* the next part of a union */
    bool simple;
};

#endif
