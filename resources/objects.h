/* SPDX-License-Identifier: Apache-2.0 */
/* How many objects of each type there are, for the metrics. */
#ifndef RESOURCES_OBJECTS_H
#define RESOURCES_OBJECTS_H

#include "base/metrics.h"

struct engine;
struct object_counts;

/* Adds the family apiserver_resource_objects to m. A scrape counts anew unless that would take more than a hundredth of the time;
 * it then gives the last numbers. */
struct object_counts *object_counts_create(struct engine *e, struct metrics *m);
void object_counts_destroy(struct object_counts *o); /* NULL allowed; nobody may scrape any more */

#endif
