/* SPDX-License-Identifier: Apache-2.0 */
/* What a WebSocket handshake says in its list of subprotocols: a token, and the one protocol that is answered. */
#ifndef APISERVER_WEBSOCKET_H
#define APISERVER_WEBSOCKET_H

#include "apiserver/http.h"
#include "base/arena.h"

/* The token of a protocol "base64url.bearer.authorization.k8s.io.TOKEN", which browsers send for want of a header; decoded, in the
 * arena. STR_NULL: none. ERR_UNAUTHORIZED: more than one, not decodable, or no other protocol beside it to answer with. */
int websocket_bearer(const struct http_request *r, struct arena *a, struct str *ret, struct err *err);
/* The protocol to answer with: the only one besides the token's; STR_NULL: none was asked for. ERR_BAD_REQUEST: several, as in the
 * reference. */
int websocket_protocol(const struct http_request *r, struct str *ret, struct err *err);

#endif
