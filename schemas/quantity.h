/* SPDX-License-Identifier: Apache-2.0 */
/* resource.Quantity: amounts such as 500m, 1.5Gi or 1e3. */
#ifndef SCHEMAS_QUANTITY_H
#define SCHEMAS_QUANTITY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends the canonical form ("0.5" -> "500m", "1024Mi" -> "1Gi"). False: s is none, *ret_why says
 * so in the reference's words. */
bool quantity_canonical(struct str s, struct buf *ret, const char **ret_why);

#endif
