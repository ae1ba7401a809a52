/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a new service and of its type: made one from the other, and checked. */
#ifndef CLI_NAMING_H
#define CLI_NAMING_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { NAMING_SERVICE_MAX = 32, NAMING_KIND_MAX = 63 };

struct naming {
    struct str name;     /* of the service, its folder and its C functions: "cook_book" */
    struct str kind;     /* "CookBook" */
    struct str singular; /* "cookbook" */
    struct str plural;   /* "cookbooks" */
    struct str group;    /* "cook-book.coracle.dev" */
};

/* Checks what is given in n and makes what is not: the kind from the name, singular and plural from
 * the kind, the group from the name; in the arena. ERR_BAD_REQUEST says which name is wrong, and
 * why. */
int naming_complete(struct naming *n, struct arena *a, struct err *err);

/* The plural that kubectl's users expect of a lower-case word: boxes, cities, recipes. */
struct str naming_plural(struct str word, struct arena *a);
/* The word that this is the plural of; the word itself where it does not look like one. */
struct str naming_singular(struct str plural, struct arena *a);

#endif
