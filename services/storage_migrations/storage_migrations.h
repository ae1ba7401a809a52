/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored under an old shape is brought up to date in the background: visibly, as writes, where a StorageVersionMigration asks for
 * it; silently where only the stamp beside the bytes is old. */
#ifndef SERVICES_STORAGE_MIGRATIONS_STORAGE_MIGRATIONS_H
#define SERVICES_STORAGE_MIGRATIONS_STORAGE_MIGRATIONS_H

#include "base/err.h"
#include "resources/type.h"

struct storage_migrations;

/* Restamps what is stored of the type under another stamp although its bytes are what would be written now, in slices; no event, no
 * revision. What differs stays: only a migration or a client's write changes an object. *ret_n: so many were restamped. Waits. */
int storage_migrations_restamp(struct storage_migrations *s, const struct type *t, size_t *ret_n, struct err *err);

#endif
