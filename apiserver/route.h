/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's path and query to what they name. */
#ifndef APISERVER_ROUTE_H
#define APISERVER_ROUTE_H

#include "apiserver/call.h"

/* Takes a path apart as the reference does: decoded first, then cut at the slashes. The parts point
 * into path where nothing had to be decoded, otherwise into the arena. ERR_BAD_REQUEST: a bad
 * percent-encoding, not UTF-8, or a NUL. */
int route_parse(struct arena *a, struct str path, struct route *ret, struct err *err);

/* The parameters of a query, decoded, in order. Pairs that cannot be decoded are left out, as Go
 * does. ERR_BAD_REQUEST: more than LIMIT_QUERY_PARAMS. */
int query_parse(struct arena *a, struct str query, struct op_param **ret, size_t *ret_n,
                struct err *err);

/* Whether a boolean parameter is true: given, and neither "0" nor "false". */
bool query_bool(const struct call *c, const char *key);

#endif
