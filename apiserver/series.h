/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of requests, under the reference's names and labels (docs/metrics.md). Each loop
 * keeps the series it needed, so that a request costs one look-up in a table of its own and no
 * lock. */
#ifndef APISERVER_SERIES_H
#define APISERVER_SERIES_H

#include "apiserver/call.h"

/* Of a loop. Only its thread touches it. */
struct series_table;
struct series_table *series_table_create(void);
void series_table_destroy(struct series_table *t); /* NULL allowed */

/* Counts a request that ended: its code and, unless it was a watch, its time and (of reads) its
 * size. */
void series_count(struct call *c, uint64_t ns);

/* The series of a watch's type; they live as long as the metrics. All NULL where nothing is
 * counted. */
struct series_watch {
    struct metric *open;   /* watches in progress */
    struct metric *events; /* given to clients */
    struct metric *sizes;  /* of them, bytes */
};
struct series_watch series_watch(struct call *c);

/* ---- what has few series, of the whole server ---- */

/* Beside the reasons that the transport has (http_guard.c), in the same family. */
enum series_rejected {
    REJECTED_QUEUE, /* too many requests wait for the pool */
    REJECTED_STOPPING,
    REJECTED_UNAUTHENTICATED,
    REJECTED_FORBIDDEN,
    REJECTED_COUNT
};

struct series_server;
struct series_server *
series_server_create(struct metrics *m); /* NULL for NULL, which the others take too */
void series_server_destroy(struct series_server *s);
/* The outcome of authentication: 0, or the error; c->user is set where there is one. */
void series_authenticated(struct series_server *s, const struct call *c, int code);
void series_authorized(struct series_server *s, enum decision d);
void series_rejected(struct series_server *s, enum series_rejected why);
struct series_server *server_series(struct server *s); /* server.c */

#endif
