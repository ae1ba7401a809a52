/* SPDX-License-Identifier: Apache-2.0 */
/* The type ServiceAccount of the core group. */
#ifndef SERVICES_SERVICEACCOUNTS_SERVICEACCOUNTS_H
#define SERVICES_SERVICEACCOUNTS_SERVICEACCOUNTS_H

struct serviceaccounts;

#endif
