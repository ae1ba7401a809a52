/* SPDX-License-Identifier: Apache-2.0 */
/* One panel in both models: an item of v1's list, an element of v2's map. Where it stands is
 * layout_priv.h's. */
#ifndef DASHBOARDS_PANELS_PRIV_H
#define DASHBOARDS_PANELS_PRIV_H

#include "base/json.h"

/* {kind: Panel | LibraryPanel, spec}. */
yyjson_mut_val *panel_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel, int64_t id);
/* The panel without gridPos and repeat. ERR_INVALID: an element of unknown kind. */
int panel_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *element, struct str name,
                yyjson_mut_val **ret, struct err *err);
/* The repetition of a panel or row, {mode, value, direction, maxPerRow}; NULL: it is not repeated.
 */
yyjson_mut_val *repeat_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel, bool of_row);
void repeat_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *repeat, yyjson_mut_val *panel);

#endif
