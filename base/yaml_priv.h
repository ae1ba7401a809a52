/* SPDX-License-Identifier: Apache-2.0 */
/* What plain YAML scalars mean. */
#ifndef BASE_YAML_PRIV_H
#define BASE_YAML_PRIV_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/str.h"

/* What s means as a plain scalar (YAML 1.1 as Go's yaml package has it): null, a boolean, an integer, a double (it may be
 * infinite or NaN) or, for anything else, s itself as a string, which is not copied. `next` of *ret is left alone. */
void yaml_resolve(struct str s, yyjson_mut_val *ret);
/* Whether s, written plain, would be read as something else by this or by another YAML 1.1 reader. */
bool yaml_must_quote(struct str s);
/* The order in which Go's yaml package writes keys: numbers within them by value, letters after everything else. */
int yaml_key_order(struct str a, struct str b);

#endif
