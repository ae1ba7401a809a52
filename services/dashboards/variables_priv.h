/* SPDX-License-Identifier: Apache-2.0 */
/* Variables: v1's templating.list and v2's list of kinds. */
#ifndef DASHBOARDS_VARIABLES_PRIV_H
#define DASHBOARDS_VARIABLES_PRIV_H

#include "base/json.h"

/* v2's list. Models of a type that v2 does not know are gathered in *rest under "templating". */
yyjson_mut_val *variables_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *templating,
                                yyjson_mut_val **rest);
/* {list}; with those that were kept at its end. ERR_INVALID: a variable is of unknown kind. */
int variables_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *variables, const yyjson_mut_val *kept,
                    yyjson_mut_val **ret, struct err *err);

#endif
