/* SPDX-License-Identifier: Apache-2.0 */
/* The type ConfigMap of the core group, and what Secrets have in common with it: the rules for
 * keys, sizes and immutable data. */
#ifndef SERVICES_CONFIGMAPS_CONFIGMAPS_H
#define SERVICES_CONFIGMAPS_CONFIGMAPS_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/causes.h"

struct configmaps;

/* Adds a cause for each fault of a key of the data map that stands at `field`. */
void configmaps_check_key(struct str key, const char *field, struct causes *c);
/* Whether old is immutable; adds causes where obj takes that back. */
bool configmaps_check_immutable(const yyjson_mut_val *obj, const yyjson_mut_val *old,
                                struct causes *c);
/* The member `field` of an immutable object must be what it was; an absent map and an empty one are
 * the same. */
void configmaps_check_same(const yyjson_mut_val *obj, const yyjson_mut_val *old, const char *field,
                           struct causes *c);
/* Bytes that a base64 text stands for. */
size_t configmaps_decoded_size(struct str base64);
/* Removes the member where it is an empty map or list, as the reference leaves it out. */
void configmaps_drop_empty(yyjson_mut_val *obj, const char *field);

#endif
