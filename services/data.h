/* SPDX-License-Identifier: Apache-2.0 */
/* What ConfigMaps and Secrets have in common: the rules for keys, sizes and immutable data. */
#ifndef SERVICES_DATA_H
#define SERVICES_DATA_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/causes.h"

/* Adds a cause for each fault of a key of the data map that stands at `field`. */
void data_check_key(struct str key, const char *field, struct causes *c);
/* Whether old is immutable; adds causes where obj takes that back. */
bool data_check_immutable(const yyjson_mut_val *obj, const yyjson_mut_val *old, struct causes *c);
/* The member `field` of an immutable object must be what it was; an absent map and an empty one are
 * the same. */
void data_check_same(const yyjson_mut_val *obj, const yyjson_mut_val *old, const char *field,
                     struct causes *c);
/* Bytes that a base64 text stands for. */
size_t data_decoded_size(struct str base64);
/* Removes the member where it is an empty map or list, as the reference leaves it out. */
void data_drop_empty(yyjson_mut_val *obj, const char *field);

#endif
