/* SPDX-License-Identifier: Apache-2.0 */
/* What users may do: the authorizer that stands until roles are there, and the access reviews. */
#ifndef SERVICES_AUTHORIZATION_AUTHORIZATION_H
#define SERVICES_AUTHORIZATION_AUTHORIZATION_H

struct authorization;

#endif
