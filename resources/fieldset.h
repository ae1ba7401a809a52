/* SPDX-License-Identifier: Apache-2.0 */
/* A set of field paths: what one manager of an object owns. A trie whose levels are sorted as the reference sorts path elements
 * (names, then keys, values, indexes), so that union, difference and the like are one walk over both. Its JSON form is FieldsV1.
 * Sets and what is made from them live in an arena and are never changed once made; results may share parts of their operands. */
#ifndef RESOURCES_FIELDSET_H
#define RESOURCES_FIELDSET_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "schemas/schema.h"

struct fieldset; /* NULL is the empty set everywhere */

enum element_kind {
    ELEMENT_FIELD, /* f:name */
    ELEMENT_KEY,   /* k:{"name":"a"}: an item of a list of type map */
    ELEMENT_VALUE, /* v:"a": an item of a list of type set */
    ELEMENT_INDEX, /* i:3 */
};

/* One step of a path. */
struct element {
    enum element_kind kind;
    struct str name;             /* FIELD */
    const yyjson_mut_val *value; /* KEY: an object of the key fields, sorted by name; VALUE: the item */
    int64_t index;
};
/* The reference's order: negative, 0, positive. */
int element_compare(const struct element *a, const struct element *b);
/* As conflicts name it: `.name`, `[name="a"]`, `[="a"]`, `[3]`. */
void element_text(struct buf *b, const struct element *e);

/* FieldsV1: {"f:data":{".":{},"f:a":{}}}. Strings stay in the tree that was read. ERR_BAD_REQUEST in the reference's words; deeper than
 * LIMIT_DEPTH too. NULL and {} are the empty set. */
int fieldset_read(struct arena *a, const yyjson_mut_val *fields, struct fieldset **ret, struct err *err);
/* The set as FieldsV1 in d. */
yyjson_mut_val *fieldset_write(const struct fieldset *s, yyjson_mut_doc *d);

bool fieldset_empty(const struct fieldset *s);
bool fieldset_equal(const struct fieldset *a, const struct fieldset *b);
size_t fieldset_size(const struct fieldset *s); /* members */
struct fieldset *fieldset_union(struct arena *a, const struct fieldset *x, const struct fieldset *y);
struct fieldset *fieldset_intersection(struct arena *a, const struct fieldset *x, const struct fieldset *y);
/* What x has and y has not; the second form also leaves out everything beneath a member of y. */
struct fieldset *fieldset_difference(struct arena *a, const struct fieldset *x, const struct fieldset *y);
struct fieldset *fieldset_difference_deep(struct arena *a, const struct fieldset *x, const struct fieldset *y);
/* The set of one path of names, as ("metadata", "name", NULL): for tables of fields that are set apart. */
struct fieldset *fieldset_of_names(struct arena *a, const char *first, ...) __attribute__((sentinel));
/* x and the path of every name that is a prefix of a member, where the schema says that it is a struct's field and not a map's key
 * (the reference's EnsureNamedFieldsAreMembers). n NULL: of a type without schema. */
struct fieldset *fieldset_with_named(struct arena *a, const struct fieldset *x, const struct schema_node *n);

/* Visits the members in order, each as its text `.spec.list[name="a"].value`. */
typedef void fieldset_visit_fn(void *arg, struct str path);
void fieldset_visit(const struct fieldset *s, fieldset_visit_fn *visit, void *arg);

#endif
