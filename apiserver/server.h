/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP face of the engine: what main constructs last and stops first. */
#ifndef APISERVER_SERVER_H
#define APISERVER_SERVER_H

#include "base/err.h"
#include "base/metrics.h"
#include "resources/aggregation.h"
#include "resources/documents.h"
#include "resources/engine.h"
#include "resources/health.h"

struct server;

struct server_options {
    struct engine *engine;   /* borrowed, as all pointers here */
    struct health *health;
    struct metrics *metrics;
    struct aggregation *aggregation; /* NULL: other servers serve nothing here */
    const struct documents *documents; /* NULL: none */
    const char *const *listen;
    size_t n_listen;
    bool tls;
    const char *cert_file, *key_file, *client_ca_file;
    size_t loops; /* 0: one a core */
    size_t max_connections, max_connections_per_peer; /* 0: as base/limits.h has them */
};

int server_create(const struct server_options *o, struct server **ret, struct err *err);
int server_start(struct server *s, struct err *err);
const char *server_address(const struct server *s, size_t i);
/* Reads the certificate files again, for new connections. */
int server_reload(struct server *s, struct err *err);
/* Loads the certificate files again, for new connections. */
int server_reload(struct server *s, struct err *err);
/* Drains: accepts nothing new, ends watches cleanly, answers what is in flight (up to deadline_ms), stops the loops. */
void server_stop(struct server *s, unsigned deadline_ms);
void server_destroy(struct server *s);

#endif
