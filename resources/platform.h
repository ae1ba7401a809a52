/* SPDX-License-Identifier: Apache-2.0 */
/* The app platform: the groups whose objects carry Grafana's annotations and live in its namespaces
 * (services/stamps, services/orgs). A type is of it by its group, or because its shipped document says
 * so: spec.coracle.platform. */
#ifndef RESOURCES_PLATFORM_H
#define RESOURCES_PLATFORM_H

#include "resources/type.h"

#define PLATFORM_CREATED_BY "grafana.app/createdBy"
#define PLATFORM_UPDATED_BY "grafana.app/updatedBy"
#define PLATFORM_UPDATED_TIMESTAMP "grafana.app/updatedTimestamp"
#define PLATFORM_FOLDER "grafana.app/folder"

/* Whether every type of that group is of the platform. */
static inline bool platform_group(struct str group)
{
    return str_ends(group, STR(".grafana.app"));
}

/* Whether objects of the type are stamped, and kept in the namespaces of organizations. */
static inline bool platform_type(const struct type *t)
{
    return t->platform;
}

#endif
