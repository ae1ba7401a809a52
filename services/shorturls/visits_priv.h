/* SPDX-License-Identifier: Apache-2.0 */
/* Visits that are to be noted: gathered by readers, taken by the service's thread. */
#ifndef SERVICES_SHORTURLS_VISITS_PRIV_H
#define SERVICES_SHORTURLS_VISITS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct visits;

struct visit {
    struct visit *next;
    int64_t at_ms; /* wall clock */
    struct str ns, name;
};

struct visits *visits_create(void);
void visits_destroy(struct visits *v); /* NULL allowed */
/* Whether visits are taken at all; while they are not, none are kept. Closing drops those that
 * wait. */
void visits_open(struct visits *v, bool open);
/* Notes a visit; nothing where it is known already, or too many wait. Any thread. */
void visits_add(struct visits *v, struct str ns, struct str name, int64_t at_ms);
/* Waits up to ms for a visit and takes all that are there; NULL: none came, or visits_wake was
 * called. Each is released with visit_free. */
struct visit *visits_take(struct visits *v, int ms);
void visits_wake(struct visits *v);
void visit_free(struct visit *v);

#endif
