/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual types of authorization.k8s.io. */
#ifndef SERVICES_AUTHORIZATION_REVIEWS_PRIV_H
#define SERVICES_AUTHORIZATION_REVIEWS_PRIV_H

#include "resources/access.h"
#include "services/service.h"

/* self of every type is the access lists. */
int reviews_publish_access(struct registry *r, const struct service_documents *documents,
                           struct access *a, struct err *err);

#endif
