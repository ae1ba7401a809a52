/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call, for apiserver's own files. */
#ifndef APISERVER_CALL_PRIV_H
#define APISERVER_CALL_PRIV_H

#include "apiserver/call.h"

/* On the loop, for a request that has just come in. */
struct call *call_create(struct loop_state *l, struct http_request *r);
/* Counts it among those in progress; once verb is set, which stays from here on. */
void call_begin(struct call *c);
/* Writes the log line, counts the request, releases everything. status and bytes say what was
 * answered. */
void call_finish(struct call *c);
/* Runs fn(c) on the call's loop: at once when this is its thread, otherwise soon. When the loop has
 * stopped the call is given up. */
void call_resume(struct call *c, void (*fn)(struct call *c));
/* The headers of an answer: content-type, those every answer has, warnings, and the given ones; in
 * the call's arena. */
struct http_header *call_headers(struct call *c, struct str content_type,
                                 const struct http_header *more, size_t n, size_t *ret_n);
/* The client's own, where it fits, or a new one; in the call's arena. */
struct str call_audit_id(struct call *c);
/* A Warning header on the answer. Copies. */
void call_warn(struct call *c, struct str text);
/* Whether a read, a write or a watch, for the gauges. */
bool call_is_long(const struct call *c);

#endif
