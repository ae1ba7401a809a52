/* SPDX-License-Identifier: Apache-2.0 */
/* The admission plugin NamespaceLifecycle. */
#ifndef SERVICES_NAMESPACES_LIFECYCLE_PRIV_H
#define SERVICES_NAMESPACES_LIFECYCLE_PRIV_H

#include "resources/admission.h"

extern const struct admission_plugin lifecycle_plugin;

#endif
