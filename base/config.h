/* SPDX-License-Identifier: Apache-2.0 */
/* The server's settings: defaults, overridden by the YAML file of --config, overridden by flags. Immutable once the server runs. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"

struct config_list {
    char **items;
    size_t n;
};

struct config {
    char *data_dir;             /* --data, default "./data" */
    char *store;                /* --store: "sqlite", "memory", "etcd=URL,..." */
    /* --etcd-*; NULL: none, but for the prefix: "/registry" */
    char *etcd_cafile, *etcd_certfile, *etcd_keyfile, *etcd_prefix;
    struct config_list listen;  /* --listen, default 127.0.0.1:6443 */
    char *kubeconfig;           /* --kubeconfig, default DATA/admin.kubeconfig */
    char *token_file;           /* --token-file; NULL: none */
    char *tls_cert, *tls_key;   /* --tls-cert, --tls-key; NULL: made at first start in the data directory */
    char *client_ca;            /* --client-ca; NULL: the server's own authority */
    char *proxy_client_cert, *proxy_client_key; /* --proxy-client-cert-file, --proxy-client-key-file; NULL: none */
    struct config_list schemas; /* --schemas: directories of definitions */
    struct config_list provision; /* --provision: "DIR" or "NAME=DIR" */
    int provision_interval_s;     /* --provision-interval; 0: five minutes */
    int max_connections;          /* --max-connections; 0: LIMIT_CONNECTIONS */
    int max_connections_per_peer; /* --max-connections-per-peer; 0: LIMIT_CONNECTIONS_PEER */
    int event_ttl_s;              /* --event-ttl; 0: an hour */
    int shorturl_ttl_s;           /* --shorturl-ttl; 0: seven days */
    enum log_level log_level;
    enum log_format log_format;
    int ready_fd;               /* -1: none */
    struct config_list disabled; /* services.NAME.enabled: false of the file: background services not run */
};

/* Reads the arguments of `coracle serve` (after "serve") and the file they name. ERR_BAD_REQUEST names the flag or the key. */
int config_parse(int argc, char *const *argv, struct config *ret, struct err *err);
void config_finish(struct config *c);
/* Whether the background service runs. */
bool config_enabled(const struct config *c, const char *service);
/* The text of `coracle serve --help`. */
const char *config_help(void);

#endif
