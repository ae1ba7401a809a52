/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to another server of a request, and what comes back of its answer. */
#ifndef APISERVER_PROXY_PRIV_H
#define APISERVER_PROXY_PRIV_H

#include "apiserver/proxy.h"

/* The URL at the target. The path is written anew from what was authorised. ERR_BAD_REQUEST: one
 * that another server could read in another way. In the call's arena. */
int proxy_url(struct call *c, const struct apiservice *to, const char **ret, struct err *err);
/* The headers as "Name: value" in the call's arena: the client's but for its credentials and those
 * of the connection, and who it is, as kube-aggregator says it. ERR_BAD_REQUEST. */
int proxy_headers(struct call *c, const char *const **ret, size_t *ret_n, struct err *err);
/* Whether a header of an answer goes to the client. names: the values of its Connection headers. */
bool proxy_passes(struct str name, struct str value, struct str connection);

#endif
