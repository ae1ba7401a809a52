/* SPDX-License-Identifier: Apache-2.0 */
/* Where panels stand: v1's list with positions, in which rows are panels too, and v2's elements by
 * name with a layout that refers to them. */
#ifndef DASHBOARDS_LAYOUT_PRIV_H
#define DASHBOARDS_LAYOUT_PRIV_H

#include "base/json.h"

/* Adds elements and layout to spec: a GridLayout, or a RowsLayout where there are rows. panels may
 * be NULL. ERR_INVALID: it is not a list of objects. */
int layout_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panels, yyjson_mut_val *spec,
                 struct err *err);
/* v1's list of panels. Rows and tabs within each other are flattened, tabs become rows, an
 * AutoGridLayout gets positions; what the layout does not refer to is not in it. ERR_INVALID: it
 * refers to nothing, or is of unknown kind. */
int layout_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *elements, const yyjson_mut_val *layout,
                 yyjson_mut_val **ret, struct err *err);

/* A number of the grid, within bounds that sums of them do not overflow. */
static inline int64_t layout_number(const yyjson_mut_val *obj, const char *key, int64_t fallback)
{
    int64_t n = json_get_int(obj, key, fallback);
    return n < -1000000000 ? -1000000000 : n > 1000000000 ? 1000000000 : n;
}

#endif
