/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on preferences share. */
#ifndef SERVICES_PREFERENCES_PREFERENCES_PRIV_H
#define SERVICES_PREFERENCES_PREFERENCES_PRIV_H

#include "base/causes.h"
#include "resources/op.h"

/* Whether it is "", utc, browser or a name of the IANA database, which are told by their case. */
bool preferences_is_timezone(struct str s);
/* Adds a cause for each value of spec that means nothing. */
void preferences_check(const yyjson_mut_val *spec, struct causes *c);
/* The query `merged`: the user's own, then the teams' in order of their names, then the
 * organization's, then the defaults; of each preference the first that is there and not empty. */
int preferences_merged(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                       struct err *err);

#endif
