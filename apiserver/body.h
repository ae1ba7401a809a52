/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests, decoded in the form that Content-Type names, with the reference's words for
 * what is wrong. */
#ifndef APISERVER_BODY_H
#define APISERVER_BODY_H

#include "apiserver/call.h"

/* Whether there is a body at all; ERR_TOO_LARGE, ERR_TOO_MANY: one that was not kept. */
int body_check(const struct call *c, struct err *err);
/* The object of a create or update into op->body and op->duplicates; kind: what it should be. The
 * request's own bytes are released. ERR_MEDIA_TYPE, ERR_BAD_REQUEST, and those of body_check. */
int body_read_object(struct call *c, struct op *op, struct str kind, struct err *err);
/* The patch, whose kind op->patch says. */
int body_read_patch(struct call *c, struct op *op, struct err *err);
/* DeleteOptions; *ret NULL: there is no body. */
int body_read_delete(struct call *c, struct op *op, yyjson_mut_val **ret, struct err *err);

#endif
