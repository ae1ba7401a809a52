/* SPDX-License-Identifier: Apache-2.0 */
/* Which names are taken, by group: a counting set. */
#ifndef SERVICES_DEFINITIONS_TAKEN_PRIV_H
#define SERVICES_DEFINITIONS_TAKEN_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum taken_what { TAKEN_RESOURCE, TAKEN_KIND };

/* All zero is empty. */
struct taken {
    struct taken_slot **buckets;
    size_t n, cap; /* cap: a power of two, or 0 */
};

void taken_add(struct taken *t, struct str group, enum taken_what what, struct str name);
/* Takes back one add; nothing happens where there was none. */
void taken_drop(struct taken *t, struct str group, enum taken_what what, struct str name);
bool taken_has(const struct taken *t, struct str group, enum taken_what what, struct str name);
void taken_finish(struct taken *t);

#endif
