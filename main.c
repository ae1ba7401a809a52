/* SPDX-License-Identifier: Apache-2.0 */
/* The composition root: flags -> wired graph -> run -> stop in reverse. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apiserver/server.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/log.h"
#include "cli/new.h"
#include "services/apiservices/apiservices.h"
#include "services/authority/authority.h"
#include "services/conversion/conversion.h"
#include "services/wire.gen.h"

#define DRAIN_MS 10000

static const char usage[] = "Usage: coracle COMMAND\n"
                            "\n"
                            "  serve      run the server (coracle serve --help)\n"
                            "  services   print the graph of services (--dot: for Graphviz; --config FILE: with what\n"
                            "             it disables)\n"
                            "  new        write a service's folder (coracle new service --help)\n"
                            "  version    print the version\n";

static void write_out(struct str s)
{
    fwrite(s.ptr, 1, s.len, stdout);
    fflush(stdout);
}

/* services [--dot] [serve's flags]: these say which background services are disabled. */
static int print_services(int argc, char **argv)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    struct config c = {0};
    bool dot = argc > 1 && strcmp(argv[1], "--dot") == 0;
    if (config_parse(argc - dot, argv + dot, &c, &err) < 0) {
        fprintf(stderr, "coracle: %s\n", err_message(&err));
        return 2;
    }
    if (dot) {
        service_print_dot(&b, &c, wire_services, WIRE_SERVICES);
    } else {
        service_print(&b, &c, wire_services, WIRE_SERVICES);
    }
    write_out(buf_str(&b));
    config_finish(&c);
    return 0;
}

static bool is_tcp(const char *listen)
{
    return strncmp(listen, "unix:", 5) != 0;
}

/* Writes the kubeconfig for the first TCP address and says where to go from here. */
static int announce(const struct config *c, const struct wire *w, const struct server *s,
                    struct err *err)
{
    for (size_t i = 0; i < c->listen.n; i++) {
        log_info("listening", LOG_Z("address", server_address(s, i)));
    }
    for (size_t i = 0; i < c->listen.n; i++) {
        if (!is_tcp(c->listen.items[i])) {
            continue;
        }
        int r = authority_write_kubeconfig(w->authority, server_address(s, i), err);
        if (r < 0) {
            return err_wrap(err, "kubeconfig");
        }
        printf("Coracle " CORACLE_VERSION
               " serves https://%s; the administrator's kubeconfig is %s\n"
               "Try, in another terminal:\n"
               "  export KUBECONFIG=%s\n"
               "  kubectl api-resources\n"
               "  kubectl create configmap hello --from-literal=to=world\n"
               "  kubectl get configmaps --watch\n",
               server_address(s, i), authority_kubeconfig(w->authority),
               authority_kubeconfig(w->authority));
        fflush(stdout);
        break;
    }
    if (c->ready_fd >= 0 && write(c->ready_fd, "\n", 1) == 1) {
        close(c->ready_fd);
    }
    return 0;
}

/* Until SIGTERM or SIGINT; SIGHUP reads the certificate files again. */
static void wait_for_end(struct server *s, const sigset_t *set)
{
    int signal = 0;
    while (sigwait(set, &signal) == 0 && signal == SIGHUP) {
        struct err err = {0};
        if (server_reload(s, &err) < 0) {
            log_error("the certificates were not read again", LOG_ERR(&err));
        } else {
            log_info("the certificates were read again");
        }
        err_finish(&err);
    }
    log_info("stopping", LOG_Z("signal", strsignal(signal)));
}

static int run(const struct config *c, struct wire *w, const sigset_t *set, struct err *err)
{
    struct background table[WIRE_BACKGROUNDS + 1];
    struct server *s = NULL;
    const struct server_options o = {
        .engine = w->engine,
        .health = w->health,
        .metrics = w->metrics,
        .aggregation = apiservices_table(w->apiservices),
        .documents = w->fixed_documents,
        .listen = (const char *const *)c->listen.items,
        .n_listen = c->listen.n,
        .tls = true,
        .cert_file = authority_cert_file(w->authority),
        .key_file = authority_key_file(w->authority),
        .client_ca_file = authority_client_ca_file(w->authority),
        .max_connections = (size_t)c->max_connections,
        .max_connections_per_peer = (size_t)c->max_connections_per_peer,
    };
    const struct supervisor_options so = {.config = c, .metrics = w->metrics, .health = w->health};
    struct supervisor *sup = supervisor_create(&so, table, wire_backgrounds(w, table));
    int r = server_create(&o, &s, err);
    if (r < 0 || (r = server_start(s, err)) < 0) {
        server_destroy(s);
        supervisor_destroy(sup);
        return r;
    }
    supervisor_start(sup);
    r = announce(c, w, s, err);
    if (r == 0) {
        wait_for_end(s, set);
    }
    conversion_stop_in(w->conversion, DRAIN_MS - DRAIN_MS / 4);
    server_stop(s, DRAIN_MS);
    supervisor_stop(sup);
    server_destroy(s);
    supervisor_destroy(sup);
    return r;
}

/* An arena for each loop and one for the rest: many more, as by default, each keep what they once
 * needed. */
static void limit_arenas(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    mallopt(M_ARENA_MAX, n > 0 ? (int)n + 1 : 2);
}

static int serve(int argc, char **argv)
{
    struct config c = {0};
    struct wire *w = NULL;
    AUTO(err_finish) struct err err = {0};
    sigset_t set;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        write_out(str_from(config_help()));
        return 0;
    }
    if (config_parse(argc, argv, &c, &err) < 0) {
        fprintf(stderr, "coracle: %s\n", err_message(&err));
        return 2;
    }
    limit_arenas();
    log_setup(c.log_level, c.log_format, STDERR_FILENO);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* inherited by every thread */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk */
    int r = wire_create(&c, &w, &err);
    if (r == 0) {
        r = run(&c, w, &set, &err);
    }
    wire_destroy(w);
    if (r < 0) {
        log_error("cannot serve", LOG_ERR(&err));
    } else {
        log_info("stopped");
    }
    config_finish(&c);
    return r < 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "serve") == 0) {
        return serve(argc - 1, argv + 1);
    }
    if (strcmp(command, "services") == 0) {
        return print_services(argc - 1, argv + 1);
    }
    if (strcmp(command, "new") == 0) {
        return new_command(argc - 1, argv + 1);
    }
    if (strcmp(command, "version") == 0) {
        printf("coracle " CORACLE_VERSION "\n");
        return 0;
    }
    bool help = strcmp(command, "help") == 0 || strcmp(command, "--help") == 0;
    fputs(usage, help ? stdout : stderr);
    return help ? 0 : 2;
}
