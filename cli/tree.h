/* SPDX-License-Identifier: Apache-2.0 */
/* The checkout that a new service is written into: where it is, and which names are taken in it. */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include "base/arena.h"
#include "base/err.h"
#include "cli/naming.h"

/* The root of the checkout that the working directory is in; in the arena. ERR_NOT_FOUND. */
int tree_find(struct arena *a, const char **ret_root, struct err *err);
/* Whether a service and a type of these names can be added: no folder, interface, C struct or type
 * has them. ERR_EXISTS says what has. */
int tree_check(struct arena *a, const char *root, const struct naming *n, struct err *err);

#endif
