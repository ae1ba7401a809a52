/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of field sets: sorted arrays of items, and what makes them. */
#ifndef RESOURCES_FIELDSET_PRIV_H
#define RESOURCES_FIELDSET_PRIV_H

#include <stdint.h>

#include "resources/fieldset.h"

/* A step that is a member, or has members beneath it, or both; never neither. */
struct fieldset_item {
    struct element e;
    struct fieldset *children;
    bool member;
    uint32_t order; /* in a builder: as added */
};

/* Never without items: that is NULL. */
struct fieldset {
    size_t n;
    struct fieldset_item *items; /* sorted by element, each element once */
};

/* Gathers the items of one level. All zero is empty; the memory is the arena's. */
struct fieldset_builder {
    struct fieldset_item *items;
    size_t n, cap;
    bool unsorted;
};
/* Adds an item unless it is neither a member nor has children. */
void fieldset_add(struct fieldset_builder *b, struct arena *a, const struct element *e, bool member,
                  struct fieldset *children);
/* Sorts; of items with one element the last that has children gives them, and a member is one. */
struct fieldset *fieldset_finish(struct fieldset_builder *b, struct arena *a);

/* The item of e; NULL: none. *hint is where the caller expects it, and is moved on. */
const struct fieldset_item *fieldset_find(const struct fieldset *s, const struct element *e,
                                          size_t *hint);

/* The reference's order of values: numbers, strings, booleans, lists, maps, null; 0 for those that
 * are equal. */
int fieldset_compare_values(const yyjson_mut_val *a, const yyjson_mut_val *b);
bool fieldset_same_value(const yyjson_mut_val *a, const yyjson_mut_val *b);

/* An element from its text in FieldsV1 (`f:name`): 1 when it is one, 0 for a kind not known, which
 * is passed over, or ERR_BAD_REQUEST. */
int element_read(struct arena *a, struct str text, struct element *ret, struct err *err);
/* Its text in FieldsV1. */
void element_write(struct buf *b, const struct element *e);

#endif
