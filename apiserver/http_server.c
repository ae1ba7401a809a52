/* SPDX-License-Identifier: Apache-2.0 */
/* The transport's life: options, sockets bound once and shared by all loops, start, drain and stop.
 */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* ---- sockets ---- */

static int bind_error(struct err *err, const char *address)
{
    return err_set(err, errno == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "cannot listen on %s: %s",
                   address, strerror(errno));
}

static int listen_on(int family, const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1, sndbuf = HTTP_SNDBUF_BYTES, rcvbuf = HTTP_RCVBUF_BYTES;
    if (family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf,
               sizeof(sndbuf)); /* accepted sockets inherit it */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (bind(fd, sa, len) != 0 || listen(fd, SOMAXCONN) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static char *bound_text(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    getsockname(fd, (struct sockaddr *)&ss, &len);
    getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    return alloc_printf(ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_unix(struct http_address *a, const char *path, struct err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(un.sun_path)) {
        return err_set(err, ERR_BAD_REQUEST, "the socket's path %s is too long", path);
    }
    memcpy(un.sun_path, path, strlen(path) + 1);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = probe >= 0 && connect(probe, (struct sockaddr *)&un, sizeof(un)) == 0;
    if (probe >= 0) {
        close(probe);
    }
    if (alive) {
        errno = EADDRINUSE;
        return bind_error(err, path);
    }
    struct stat st;
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) {
            return err_set(err, ERR_CONFLICT, "cannot listen on %s: it is there and no socket",
                           path);
        }
        unlink(path); /* left behind by a server that is gone */
    }
    a->fd = listen_on(AF_UNIX, (struct sockaddr *)&un, sizeof(un));
    if (a->fd < 0) {
        return bind_error(err, path);
    }
    a->unix_path = alloc_strdup(path);
    a->text = alloc_printf("unix:%s", path);
    return 0;
}

static int open_tcp(struct http_address *a, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!digits || digits > 5 || colon[1 + digits] || strtol(colon + 1, NULL, 10) > UINT16_MAX) {
        return err_set(err, ERR_BAD_REQUEST, "%s is not ADDRESS:PORT", text);
    }
    struct str host = str_make(text, (size_t)(colon - text));
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_make(host.ptr + 1, host.len - 2);
    }
    char *node = alloc_str(host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *found = NULL;
    int r = getaddrinfo(host.len ? node : NULL, colon + 1, &hints, &found);
    free(node);
    if (r != 0) {
        return err_set(err, ERR_BAD_REQUEST, "cannot resolve %s: %s", text, gai_strerror(r));
    }
    a->fd = listen_on(found->ai_family, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (a->fd < 0) {
        return bind_error(err, text);
    }
    a->text = bound_text(a->fd);
    return 0;
}

static int open_addresses(struct http_server *s, struct err *err)
{
    for (size_t i = 0; i < s->n_addresses; i++) {
        struct http_address *a = &s->addresses[i];
        bool is_unix = strncmp(s->listen[i], "unix:", 5) == 0;
        int r = is_unix ? open_unix(a, s->listen[i] + 5, err) : open_tcp(a, s->listen[i], err);
        if (r < 0) {
            return r;
        }
        a->tls = s->o.tls && !is_unix;
    }
    return 0;
}

static void close_addresses(struct http_server *s)
{
    for (size_t i = 0; i < s->n_addresses; i++) {
        struct http_address *a = &s->addresses[i];
        if (a->fd >= 0) {
            close(a->fd);
            a->fd = -1;
        }
        if (a->unix_path) {
            unlink(a->unix_path);
            free(take(&a->unix_path));
        }
    }
}

/* ---- creation ---- */

static void configure(struct http_server *s)
{
    h2o_config_init(&s->conf);
    s->conf.server_name = h2o_iovec_init(H2O_STRLIT(""));
    s->conf.max_request_entity_size = HTTP_ENTITY_BYTES;
    s->conf.http1.req_timeout = HTTP_H2O_MS;
    s->conf.http2.idle_timeout = HTTP_IDLE2_MS;
    h2o_hostconf_t *host =
        h2o_config_register_host(&s->conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_handler_t *handler = h2o_create_handler(path, sizeof(*handler));
    handler->on_req = http_on_request;
}

static size_t cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 64 ? 64 : (size_t)n;
}

static void loops_init(struct http_server *s)
{
    s->n_loops = s->o.loops ? s->o.loops : cores();
    s->loops = alloc_zero(s->n_loops * sizeof(*s->loops));
    for (size_t i = 0; i < s->n_loops; i++) {
        s->loops[i].server = s;
        s->loops[i].index = i;
        pthread_mutex_init(&s->loops[i].post_lock, NULL);
    }
}

/* Read by each scrape: cheaper than gauges kept by the loops. */
static void collect(void *arg, struct metrics *m, struct buf *out)
{
    struct http_server *s = arg;
    size_t conns = 0, active = 0;
    uint64_t accepted = 0, cut = 0;
    (void)m;
    for (size_t i = 0; i < s->n_loops; i++) {
        conns += atomic_load_explicit(&s->loops[i].n_conns, memory_order_relaxed);
        active += atomic_load_explicit(&s->loops[i].active, memory_order_relaxed);
        accepted += atomic_load_explicit(&s->loops[i].accepted, memory_order_relaxed);
        cut += atomic_load_explicit(&s->loops[i].cut, memory_order_relaxed);
    }
    metrics_emit(out, METRIC_GAUGE, "coracle_http_connections", "Open connections.", NULL, 0,
                 (double)conns);
    metrics_emit(out, METRIC_GAUGE, "coracle_http_exchanges", "Requests and streams not finished.",
                 NULL, 0, (double)active);
    metrics_emit(out, METRIC_COUNTER, "coracle_http_accepted_total", "Connections accepted.", NULL,
                 0, (double)accepted);
    metrics_emit(out, METRIC_COUNTER, "coracle_http_cut_total",
                 "Connections ended by the server: stalled, abusive, or at its stop.", NULL, 0,
                 (double)cut);
    if (s->tls) {
        pthread_mutex_lock(&s->lock);
        const X509 *cert = SSL_CTX_get0_certificate(s->tls);
        int64_t expires = cert ? http_tls_seconds(X509_get0_notAfter(cert)) : 0;
        pthread_mutex_unlock(&s->lock);
        metrics_emit(out, METRIC_GAUGE, "coracle_server_certificate_expiration_timestamp_seconds",
                     "When the certificate of new connections expires, since unix epoch.", NULL, 0,
                     (double)expires);
    }
    metrics_emit(out, METRIC_GAUGE, "coracle_http_body_bytes", "Bytes of request bodies in memory.",
                 NULL, 0, (double)atomic_load(&s->bodies));
}

int http_server_create(const struct http_options *o, struct http_server **ret, struct err *err)
{
    struct http_server *s = ALLOC(struct http_server);
    s->o = *o;
    s->cert_file = o->cert_file ? alloc_strdup(o->cert_file) : NULL;
    s->key_file = o->key_file ? alloc_strdup(o->key_file) : NULL;
    s->client_ca_file = o->client_ca_file ? alloc_strdup(o->client_ca_file) : NULL;
    s->n_addresses = o->n_listen;
    s->addresses = alloc_zero(o->n_listen * sizeof(*s->addresses));
    s->listen = alloc_zero(o->n_listen * sizeof(*s->listen));
    for (size_t i = 0; i < o->n_listen; i++) {
        s->addresses[i].fd = -1;
        s->listen[i] = alloc_strdup(o->listen[i]);
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    configure(s);
    loops_init(s);
    http_guard_create(s);
    int r = o->tls ? http_tls_create(s, &s->tls, err) : 0;
    if (r < 0) {
        http_server_destroy(s);
        return r;
    }
    if (o->metrics) {
        metrics_collector(o->metrics, collect, s);
    }
    *ret = s;
    return 0;
}

void http_server_destroy(struct http_server *s)
{
    if (!s) {
        return;
    }
    if (s->n_running) {
        http_server_drain(s);
        http_server_stop(s, 0);
    }
    close_addresses(s);
    for (size_t i = 0; i < s->n_addresses; i++) {
        free(s->addresses[i].text);
        free(s->listen[i]);
    }
    for (size_t i = 0; i < s->n_loops; i++) {
        http_loop_finish(&s->loops[i]);
    }
    http_guard_destroy(s);
    h2o_config_dispose(&s->conf);
    SSL_CTX_free(s->tls);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->loops);
    free(s->addresses);
    free(s->listen);
    free(s->cert_file);
    free(s->key_file);
    free(s->client_ca_file);
    free(s);
}

/* ---- running ---- */

int http_server_start(struct http_server *s, struct err *err)
{
    int r = open_addresses(s, err);
    if (r < 0) {
        close_addresses(s);
        return r;
    }
    while (r == 0 && s->n_running < s->n_loops) {
        r = http_loop_begin(s, s->n_running, err);
        s->n_running += r == 0;
    }
    pthread_mutex_lock(&s->lock);
    while (s->n_started < s->n_running) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    if (r < 0) {
        http_server_stop(s, 0);
    }
    return r;
}

const char *http_server_address(const struct http_server *s, size_t i)
{
    return i < s->n_addresses ? s->addresses[i].text : NULL;
}

struct swap {
    struct http_loop *loop;
    SSL_CTX *tls;
};

static void swap_tls(void *arg)
{
    struct swap *w = arg;
    struct http_loop *l = w->loop;
    for (size_t i = 0; i < l->server->n_addresses; i++) {
        h2o_accept_ctx_t *a = &l->listeners[i].accept;
        if (a->ssl_ctx) {
            SSL_CTX_free(a->ssl_ctx);
            SSL_CTX_up_ref(w->tls);
            a->ssl_ctx = w->tls;
        }
    }
    SSL_CTX_free(w->tls);
    free(w);
}

int http_server_reload(struct http_server *s, struct err *err)
{
    SSL_CTX *tls = NULL;
    int r = s->o.tls ? http_tls_create(s, &tls, err) : 0;
    if (r < 0 || !tls) {
        return r;
    }
    for (size_t i = 0; i < s->n_running; i++) {
        struct swap *w = ALLOC(struct swap);
        *w = (struct swap){&s->loops[i], tls};
        SSL_CTX_up_ref(tls);
        if (!http_post(&s->loops[i], swap_tls, w)) {
            SSL_CTX_free(tls);
            free(w);
        }
    }
    pthread_mutex_lock(&s->lock); /* a scrape may look at it */
    SSL_CTX_free(s->tls);
    s->tls = tls;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* Whether the connection has sent a part of an HTTP/1 request. */
static bool is_receiving(const struct http_conn *c)
{
    return c->phase == HTTP_PHASE_1 && c->gate1.begun_ms;
}

/* Idle HTTP/1 connections would stay until their time-out; one in the middle of a request is given
 * a while for the rest. HTTP/2's end by GOAWAY. */
static void cut_idle(void *arg)
{
    struct http_loop *l = arg;
    size_t receiving = 0;
    bool patient = h2o_now(l->ev) < l->patience_ms;
    for (struct http_conn *c = l->conns; c; c = c->next) {
        if (c->live || c->cut) {
            continue;
        }
        if (patient && is_receiving(c)) {
            receiving++;
        } else if (c->phase == HTTP_PHASE_1) {
            http_conn_cut(c);
        }
    }
    atomic_store_explicit(&l->receiving, receiving, memory_order_relaxed);
    if (receiving) {
        http_loop_after(l, HTTP_LOOK_MS, cut_idle, l);
    }
}

static void drain_loop(void *arg)
{
    struct http_loop *l = arg;
    l->draining = true;
    for (size_t i = 0; i < l->server->n_addresses; i++) {
        http_listener_close(&l->listeners[i]);
    }
    h2o_context_request_shutdown(&l->ctx);
    l->patience_ms = h2o_now(l->ev) + HTTP_PATIENCE_MS;
    cut_idle(l);
}

void http_server_drain(struct http_server *s)
{
    if (s->drained) {
        return;
    }
    s->drained = true;
    close_addresses(s);
    for (size_t i = 0; i < s->n_running; i++) {
        atomic_store(&s->loops[i].receiving, 1); /* until it has looked */
        if (!http_post(&s->loops[i], drain_loop, &s->loops[i])) {
            atomic_store(&s->loops[i].receiving, 0);
        }
    }
}

size_t http_server_active(struct http_server *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_loops; i++) {
        n += atomic_load_explicit(&s->loops[i].active, memory_order_relaxed);
    }
    return n;
}

static bool busy(struct http_server *s)
{
    for (size_t i = 0; i < s->n_loops; i++) {
        if (atomic_load_explicit(&s->loops[i].receiving, memory_order_relaxed)) {
            return true;
        }
    }
    return http_server_active(s) > 0;
}

static void stop_loop(void *arg)
{
    struct http_loop *l = arg;
    l->stopping = true;
}

void http_server_stop(struct http_server *s, unsigned deadline_ms)
{
    int64_t until = clock_mono_ms() + deadline_ms;
    while (busy(s) && clock_mono_ms() < until) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    for (size_t i = 0; i < s->n_running; i++) {
        http_post(&s->loops[i], stop_loop, &s->loops[i]);
    }
    for (size_t i = 0; i < s->n_running; i++) {
        pthread_join(s->loops[i].thread, NULL);
    }
    s->n_running = 0;
    close_addresses(s);
}
