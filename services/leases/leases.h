/* SPDX-License-Identifier: Apache-2.0 */
/* The type Lease of coordination.k8s.io. */
#ifndef SERVICES_LEASES_LEASES_H
#define SERVICES_LEASES_LEASES_H

struct leases;

#endif
