/* SPDX-License-Identifier: Apache-2.0 */
/* A list of field errors being gathered, as the reference's field.ErrorList; it lives in an arena. */
#ifndef BASE_CAUSES_H
#define BASE_CAUSES_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"

/* A field's path, built on the stack while walking: each part points at its parent. */
struct path {
    const struct path *parent; /* NULL: the root */
    struct str name;           /* a field's name, or a map key when keyed, or unused for an index */
    long index;                /* >= 0: "[index]"; -1: not an index */
    bool keyed;                /* "[name]" instead of ".name" */
};

#define PATH_FIELD(up, str_) (&(struct path){.parent = (up), .name = (str_), .index = -1})
#define PATH_INDEX(up, i) (&(struct path){.parent = (up), .index = (long)(i)})
#define PATH_KEY(up, str_) (&(struct path){.parent = (up), .name = (str_), .index = -1, .keyed = true})

struct cause_item {
    enum cause_type type;
    struct str field;   /* "spec.a[0].b"; "<nil>" is what a root error has in the reference */
    struct str message; /* "Invalid value: 1: must be ..." */
};

struct causes {
    struct arena *arena;
    struct cause_item *items;
    size_t n, cap;
    size_t max; /* 0: LIMIT_CAUSES; further ones are counted, not kept */
    size_t dropped;
    size_t bytes; /* of text kept; over LIMIT_CAUSES_BYTES further ones are dropped too */
};

void causes_init(struct causes *c, struct arena *a);
/* The path as text, in the arena: "spec.versions[0].schema". A NULL path gives "". */
struct str path_text(const struct path *p, struct arena *a);

/* Adds a field error. value: what is wrong, printed as the reference prints it (strings quoted, numbers
 * and booleans bare, null as "null", maps and lists as JSON); NULL where the type has no value in its text.
 * detail: printf form; NULL for none. */
void causes_add(struct causes *c, enum cause_type type, const struct path *at, yyjson_mut_val *value,
                const char *detail, ...) __attribute__((format(printf, 5, 6)));
/* The same with the value already as text (it is printed as is; use quotes where wanted). */
void causes_add_text(struct causes *c, enum cause_type type, const struct path *at, struct str value,
                     const char *detail, ...) __attribute__((format(printf, 5, 6)));
/* "Unsupported value: VALUE: supported values: "a", "b"": the list in the reference's form. */
void causes_add_unsupported(struct causes *c, const struct path *at, yyjson_mut_val *value,
                            const struct str *supported, size_t n);

/* All causes in the form of a Status message: one alone "FIELD: MESSAGE", several "[a, b]". In the arena. */
struct str causes_text(const struct causes *c);
/* Makes err an ERR_INVALID about KIND.GROUP "name" with these causes and returns ERR_INVALID:
 * `Widget.example.com "a" is invalid: ...`. Returns 0 and leaves err alone when there are none. */
int causes_to_err(const struct causes *c, struct str group, struct str kind, struct str name,
                  struct err *err);

#endif
