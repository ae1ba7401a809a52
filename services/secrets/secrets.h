/* SPDX-License-Identifier: Apache-2.0 */
/* The type Secret of the core group. */
#ifndef SERVICES_SECRETS_SECRETS_H
#define SERVICES_SECRETS_SECRETS_H

struct secrets;

#endif
