/* SPDX-License-Identifier: Apache-2.0 */
/* The type Namespace of the core group, and the admission plugin that keeps objects out of
 * namespaces that are missing or being deleted. */
#ifndef SERVICES_NAMESPACES_NAMESPACES_H
#define SERVICES_NAMESPACES_NAMESPACES_H

struct namespaces;

#endif
