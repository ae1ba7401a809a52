/* SPDX-License-Identifier: Apache-2.0 */
/* Events that are old go. */
#ifndef SERVICES_EVENTS_EXPIRY_PRIV_H
#define SERVICES_EVENTS_EXPIRY_PRIV_H

#include "base/err.h"
#include "resources/client.h"
#include "services/service.h"

/* Deletes events once they were not written for ttl_s, until the server stops. */
int expiry_run(struct client *c, int ttl_s, struct service_stop *stop, struct err *err);

#endif
