/* SPDX-License-Identifier: Apache-2.0 */
/* The type Stars (collections.grafana.app), as Grafana's apps/collections: one object a user, named
 * user-ID (services/personal), which only that user and administrators see and change. */
#ifndef SERVICES_STARS_STARS_H
#define SERVICES_STARS_STARS_H

#include <yyjson.h>

#include "base/arena.h"

struct stars;

/* Puts spec.resource in order: one entry a group and kind, sorted, each with its names sorted and
 * once; entries without names go. What is not shaped as the schema says is left as it is. */
void stars_normalize(yyjson_mut_doc *d, yyjson_mut_val *obj, struct arena *a);

#endif
