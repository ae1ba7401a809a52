/* SPDX-License-Identifier: Apache-2.0 */
/* Text as Go programs quote it in their messages. */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends s as %q does: in double quotes, what is not printable escaped. */
void quote_go(struct buf *b, struct str s);
/* Appends v as encoding/json marshals a map[string]any: keys sorted, <, > and & escaped. */
void quote_go_json(struct buf *b, const yyjson_mut_val *v);

#endif
