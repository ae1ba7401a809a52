/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read and write JSON share inside base/. */
#ifndef BASE_JSON_PRIV_H
#define BASE_JSON_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* yyjson's readers take pointers to values that they do not change. */
static inline yyjson_mut_val *json_unconst(const yyjson_mut_val *v)
{
    return (yyjson_mut_val *)(uintptr_t)v;
}

/* A finite double as its shortest decimal digits: 0.DIGITS * 10^point, the sign apart. Zero has the
 * digit "0" and point 1. */
enum { JSON_DIGITS = 20 };
struct json_decimal {
    bool negative;
    char digits[JSON_DIGITS];
    int n;
    int point;
};
void json_decimal_of(double d, struct json_decimal *ret);
/* Appends it in plain form (123.5) or with an exponent of at least two digits (1.5e+21). */
void json_decimal_plain(struct buf *b, const struct json_decimal *dec);
void json_decimal_exponent(struct buf *b, const struct json_decimal *dec);

/* An integral double is an integer where both mean the same; other numbers are as Go's decoder has
 * them. */
void json_normalise_number(yyjson_mut_val *v);

/* Stops collecting duplicates well before they are a burden: the reference does so at 100. */
enum { JSON_DUPLICATES_MAX = 100, JSON_DUPLICATES_BYTES = 64 * 1024 };
/* Appends unless the path is known or there are too many; line: see struct json_duplicates,
 * STR_NULL for none. */
void json_duplicates_add(struct json_duplicates *d, struct arena *a, struct str path,
                         struct str line);

/* Says why text is not JSON, as Go's encoding/json words it where it refuses the text too. Returns
 * ERR_BAD_REQUEST. */
int json_explain(struct str text, const yyjson_read_err *why, struct err *err);

/* The keys of an object (yyjson_mut_obj_size of them; each one's ->next is its value), sorted
 * bytewise. Released with free(). */
yyjson_mut_val **json_sorted_keys(const yyjson_mut_val *obj);

/* One key of an object that is being checked for duplicates. */
struct json_key {
    const char *ptr;
    size_t len;
};
/* first[i] = the index of the first key equal to keys[i] (i itself when there is none before). True
 * if any differ. */
bool json_keys_first(const struct json_key *keys, size_t n, uint32_t *first);

#endif
