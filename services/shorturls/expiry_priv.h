/* SPDX-License-Identifier: Apache-2.0 */
/* Short URLs that nobody has ever used go. */
#ifndef SERVICES_SHORTURLS_EXPIRY_PRIV_H
#define SERVICES_SHORTURLS_EXPIRY_PRIV_H

#include "resources/client.h"
#include "services/service.h"

/* Deletes those created more than ttl_s ago and never used. Ends early when the server stops. */
int shorturls_expire(struct client *c, int ttl_s, struct service_stop *stop, struct err *err);

#endif
