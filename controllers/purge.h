/* SPDX-License-Identifier: Apache-2.0 */
/* Deletes every object of a type in a scope and says what remains: what namespace and definition
 * deletion share. */
#ifndef CONTROLLERS_PURGE_H
#define CONTROLLERS_PURGE_H

#include "resources/client.h"

/* What was found of one type; the strings live in the arena given to purge. */
struct purge_left {
    size_t objects; /* that are still there, held by a finalizer */
    struct purge_finalizer {
        struct str name;
        size_t objects;
    } *finalizers;
    size_t n_finalizers;
};

/* Deletes (in the background policy) all objects of ref's type in ref's namespace ("": everywhere)
 * and counts what is left. The first error ends it; an object that has gone meanwhile is none. */
int purge(struct client *c, const struct client_ref *ref, struct arena *a, struct purge_left *ret,
          struct err *err);

#endif
