/* SPDX-License-Identifier: Apache-2.0 */
/* The type ConfigMap of the core group. */
#ifndef SERVICES_CONFIGMAPS_CONFIGMAPS_H
#define SERVICES_CONFIGMAPS_CONFIGMAPS_H

struct configmaps;

#endif
