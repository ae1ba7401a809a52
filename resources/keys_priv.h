/* SPDX-License-Identifier: Apache-2.0 */
/* Look-up of many texts among many, so that patches of large objects stay linear. */
#ifndef RESOURCES_KEYS_PRIV_H
#define RESOURCES_KEYS_PRIV_H

#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/str.h"

/* The texts are borrowed. All zero is an empty set. */
struct keys {
    struct str *texts;
    size_t n;
    uint32_t *slots; /* index + 1 by hash; NULL for a few texts */
    size_t size;
    uint64_t seed;
};

/* Takes the texts over (they are freed by keys_finish); of equal ones the first is found. */
void keys_init(struct keys *k, struct str *texts, size_t n);
/* The keys of an object, in order. */
void keys_of_object(struct keys *k, const yyjson_mut_val *obj);
void keys_finish(struct keys *k); /* as AUTO(keys_finish) */
/* Its index; n: it is not there. */
size_t keys_find(const struct keys *k, struct str text);

#endif
