/* SPDX-License-Identifier: Apache-2.0 */
/* The type Preferences (preferences.grafana.app), as Grafana's apps/preferences: an object for a
 * user, a team or a whole organization (services/personal), and what follows from them for whoever
 * asks. */
#ifndef SERVICES_PREFERENCES_PREFERENCES_H
#define SERVICES_PREFERENCES_PREFERENCES_H

struct preferences;

#endif
