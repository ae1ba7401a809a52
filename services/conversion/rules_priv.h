/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of a definition compiled: for each pair of its versions the steps that lead from the one to
 * the other. */
#ifndef SERVICES_CONVERSION_RULES_PRIV_H
#define SERVICES_CONVERSION_RULES_PRIV_H

#include "resources/convert.h"
#include "services/conversion/conversion.h"

/* Where a field is: keys from the object's root; STR_NULL stands for each item of a list. */
struct rule_path {
    struct str *keys;
    size_t n;
    size_t shared; /* so many keys, up to the last list, the step's other path has too */
};

enum rule_kind { RULE_MOVE, RULE_SET, RULE_VALUES, RULE_WRAP };

struct rule_step {
    enum rule_kind kind;
    struct rule_path from, to; /* of SET and VALUES: from alone */
    struct str key;            /* of WRAP: the member of the list's item; empty: the item itself */
    struct str value;          /* of SET: JSON */
    yyjson_mut_val *values;    /* of VALUES: pairs, one list of two each */
};

/* The rules between two versions, told in the direction of from to to. */
struct rule_set {
    struct str from, to;
    struct rule_step *steps;
    size_t n;
};

struct rules {
    struct arena arena;
    struct rule_set *sets;
    size_t n;
    yyjson_mut_val *lossy; /* version -> list of paths whose loss is accepted; NULL: none */
};

/* Reads the annotation's text. ERR_INVALID tells what is wrong and where. */
int rules_read(struct str text, struct rules *ret, struct err *err);
void rules_finish(struct rules *r);
/* Index of the rule set to take next on the shortest way from one version to the other, and whether
 * backward; SIZE_MAX: there is no way. */
size_t rules_next(const struct rules *r, struct str from, struct str to, bool *ret_back);
/* Takes an object through one rule set. */
void rules_apply(const struct rule_set *s, bool back, yyjson_mut_doc *d, yyjson_mut_val *obj);
/* All the way. False: there is none. */
bool rules_convert(const struct rules *r, struct str from, struct str to, yyjson_mut_doc *d,
                   yyjson_mut_val *obj);

int rules_converter(struct str text, struct converter **ret, struct err *err);

/* rules_sample.c: a made-up object after a schema; `seed` varies it, 0 has everything once. */
yyjson_mut_val *rules_sample(yyjson_mut_doc *d, const yyjson_mut_val *schema, uint64_t seed);

#endif
