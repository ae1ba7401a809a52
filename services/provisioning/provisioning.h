/* SPDX-License-Identifier: Apache-2.0 */
/* Objects kept as the files of directories say (docs/provisioning.md). Nothing calls it. */
#ifndef SERVICES_PROVISIONING_PROVISIONING_H
#define SERVICES_PROVISIONING_PROVISIONING_H

struct provisioning;

#endif
