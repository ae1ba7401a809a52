/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for what another server serves: handed on to it, and its answer to the client. */
#ifndef APISERVER_PROXY_H
#define APISERVER_PROXY_H

#include "apiserver/call.h"
#include "resources/aggregation.h"

struct loop_state;

/* The APIService whose server answers the call; NULL: this one does. */
struct apiservice *proxy_target(const struct call *c);
/* Hands an authorised call on. Finishes it. */
void proxy_serve(struct call *c, struct apiservice *to);
/* Ends those of the loop that have no end of their own. */
void proxy_stop(struct loop_state *l);

#endif
