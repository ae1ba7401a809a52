/* SPDX-License-Identifier: Apache-2.0 */
/* The type Dashboard (dashboard.grafana.app), in the versions that Grafana serves. Its folder is
 * the business of services/folders. */
#ifndef SERVICES_DASHBOARDS_DASHBOARDS_H
#define SERVICES_DASHBOARDS_DASHBOARDS_H

#include "base/buf.h"

#define DASHBOARDS_GROUP "dashboard.grafana.app"
#define DASHBOARDS_RESOURCE "dashboards"

struct dashboards;

/* What Grafana makes of a title for the end of a URL: lower-case letters without accents, digits,
 * hyphens; a UUID that depends on nothing but the title where that would be long or empty. */
void dashboards_slug(struct buf *b, struct str title);

#endif
