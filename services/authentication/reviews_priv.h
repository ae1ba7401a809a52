/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual types SelfSubjectReview and TokenReview. */
#ifndef SERVICES_AUTHENTICATION_REVIEWS_PRIV_H
#define SERVICES_AUTHENTICATION_REVIEWS_PRIV_H

#include "resources/access.h"
#include "services/service.h"

/* self of both types is the access lists. */
int reviews_publish(struct registry *r, const struct service_documents *documents, struct access *a,
                    struct err *err);

#endif
