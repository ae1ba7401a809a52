/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where an error becomes an HTTP status and a Kubernetes Status body, and the constructors for the errors
 * whose wording clients know. */
#ifndef RESOURCES_STATUS_H
#define RESOURCES_STATUS_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "resources/access.h"
#include "resources/type.h"

/* The HTTP code of an error. ERR_NO_SPACE, which the reference does not have, is 507 without a reason. ERR_INTERNAL, ERR_IO and
 * ERR_CORRUPT are InternalError: their message gets "Internal error occurred: " in front and is also the one cause. */
int status_code(const struct err *err);
/* Appends the Status as JSON: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",...,"code":404}. */
void status_write(struct buf *b, const struct err *err);
/* The same as a tree, for ERROR events and answers in other forms. */
yyjson_mut_val *status_value(yyjson_mut_doc *d, const struct err *err);
/* Appends the Success Status that a delete answers: details name, group, kind (the resource), uid. */
void status_write_deleted(struct buf *b, const struct type *t, struct str name, struct str uid);
/* Reads a Status body (of a webhook, of another server) into err; returns its code (ERR_HTTP where it has no other). */
int status_read(const yyjson_mut_val *status, struct err *err);

/* `widgets.example.com "a" not found` with details. */
int status_not_found(struct err *err, const struct type *t, struct str name);
int status_exists(struct err *err, const struct type *t, struct str name);
/* `Operation cannot be fulfilled on widgets.example.com "a": WHY`; why NULL: "the object has been modified; please apply your
 * changes to the latest version and try again". */
int status_conflict(struct err *err, const struct type *t, struct str name, const char *why);
/* `widgets.example.com "a" is forbidden: WHY`. */
int status_forbidden(struct err *err, const struct type *t, struct str name, const char *why, ...)
    __attribute__((format(printf, 4, 5)));
/* `widgets.example.com is forbidden: User "u" cannot list resource ...`, as the reference words a refusal of access. */
int status_access_denied(struct err *err, const struct attributes *at, const char *reason);
/* The reference's answer where a request never reached a resource: 404, 405, 406, 415, 422, ... with `details` present and empty. message NULL: the
 * usual words for the code ("the server does not allow this method on the requested resource"). */
int status_generic(struct err *err, int code, const char *message);
/* 413 "Request entity too large: WHY". */
int status_too_large(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 405: the built-ins' and the custom resources' form (NOTES.md 7). */
int status_method(struct err *err, const struct type *t, struct str verb);
/* 410 with reason Expired; the text that a list with an old continue or a watch gets. */
int status_expired(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 410 for a continue token whose revision is gone, as the reference words it; `token` goes on from the same key at any revision. */
int status_expired_token(struct err *err, struct str token);
/* 504 "Too large resource version: N, current: M", cause ResourceVersionTooLarge, Retry-After 1. */
int status_future_version(struct err *err, int64_t wanted, int64_t now);
/* The error of a write whose store transaction failed, from its outcome's code. */
int status_from_store(struct err *err, int code, const char *text);

#endif
