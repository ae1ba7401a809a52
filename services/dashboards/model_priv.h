/* SPDX-License-Identifier: Apache-2.0 */
/* Whole specs of dashboards: the classic model (v0alpha1, v1beta1, v1) and the second one (v2), and
 * the second one's three shapes.
 *
 * What a round trip v1, v2, v1 does not leave as it was:
 * - members that v2 must have and v1 had not are there, with the value that stands for nothing
 * (editable true, tags [], a panel's title "", gridPos {0, 0, 6, 3}, a variable's multi false,
 * ...); empty links, transformations and targets of a panel, and hide: false of a target, are left
 * out; so is an annotation's empty target;
 * - a panel without an id has one, a target without a refId too; an id that is no whole number is
 * another;
 * - a target that took its panel's data source names it; a data source given as its name alone is
 * {uid: name};
 * - words for v1's numbers (hide, refresh, sort, graphTooltip) are numbers; refresh: false is "";
 * - panels within a row that is not collapsed stand behind it; a row has collapsed and panels; a
 * repeated id of an element;
 * - unknown members of gridPos, time, annotations, templating and of references to data sources go,
 * as does a dashboard's "rows" of old beside panels;
 * - variables of unknown types come last.
 * Everything else that v2 has no place for is in "__v1" beside the rest, and comes back from there.
 * The other way v2's own members are in "__v2"; its layouts but for a grid and rows of grids become
 * positions, elements nobody refers to go. */
#ifndef DASHBOARDS_MODEL_PRIV_H
#define DASHBOARDS_MODEL_PRIV_H

#include "base/json.h"

/* Pure: what is made may share values with `spec`, which is not to be changed afterwards.
 * ERR_INVALID with a sentence. */
int model_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val **ret,
                struct err *err);
int model_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *spec, yyjson_mut_val **ret,
                struct err *err);

/* Steps between the shapes of v2, in place: v2alpha1 has data sources beside queries, v2beta1
 * within them, v2 transformations of the form of other kinds. */
void shape_v2_to_v2beta1(yyjson_mut_doc *d, yyjson_mut_val *spec);
void shape_v2beta1_to_v2(yyjson_mut_doc *d, yyjson_mut_val *spec);
void shape_v2beta1_to_v2alpha1(yyjson_mut_doc *d, yyjson_mut_val *spec);
void shape_v2alpha1_to_v2beta1(yyjson_mut_doc *d, yyjson_mut_val *spec);

#endif
