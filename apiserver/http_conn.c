/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: taking them in, their TLS handshakes, and the last checks before a handler sees a
 * request. */
#include "apiserver/http_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/alloc.h"
#include "base/log.h"

/* ---- handshakes in progress ---- */

static void shaking_unlink(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    if (!c->shaking) {
        return;
    }
    *(c->attend_prev ? &c->attend_prev->attend_next : &l->shaking_first) = c->attend_next;
    *(c->attend_next ? &c->attend_next->attend_prev : &l->shaking_last) = c->attend_prev;
    c->shaking = false;
    l->n_shaking--;
}

static void shaking_link(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    c->shaking = true;
    c->attend_next = NULL;
    c->attend_prev = l->shaking_last;
    *(l->shaking_last ? &l->shaking_last->attend_next : &l->shaking_first) = c;
    l->shaking_last = c;
    l->n_shaking++;
}

/* ---- connections ---- */

static void on_conn_close(void *data)
{
    struct http_conn *c = data;
    struct http_loop *l = c->loop;
    *(c->prev ? &c->prev->next : &l->conns) = c->next;
    if (c->next) {
        c->next->prev = c->prev;
    }
    atomic_fetch_sub_explicit(&l->n_conns, 1, memory_order_relaxed);
    shaking_unlink(c);
    http_conn_forget(c);
    http_identity_destroy(c->ident);
    SSL_CTX_free(c->shakes_with);
    free(c);
}

static void format_peer(h2o_socket_t *sock, char *out, size_t size)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    char host[INET6_ADDRSTRLEN] = "";
    if (getpeername(h2o_socket_get_fd(sock), (struct sockaddr *)&ss, &len) != 0) {
        snprintf(out, size, "unknown");
    } else if (ss.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&ss;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ss;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(out, size, "unix");
    }
}

static struct http_conn *conn_create(struct http_listener *k, h2o_socket_t *sock,
                                     struct http_peer *from)
{
    struct http_loop *l = k->loop;
    struct http_conn *c = ALLOC(struct http_conn);
    c->loop = l;
    c->sock = sock;
    c->from = from;
    c->linger_fd = -1;
    c->active_ms = h2o_now(l->ev);
    c->tls = k->accept.ssl_ctx != NULL;
    format_peer(sock, c->peer, sizeof(c->peer));
    c->next = l->conns;
    if (l->conns) {
        l->conns->prev = c;
    }
    l->conns = c;
    if (c->tls) {
        sock->bytes_written = HTTP_TLS_WARM_BYTES;
    }
    sock->on_close.cb = on_conn_close;
    sock->on_close.data = c;
    atomic_fetch_add_explicit(&l->n_conns, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->accepted, 1, memory_order_relaxed);
    return c;
}

void http_conn_cut(struct http_conn *c)
{
    if (!c->cut) {
        c->cut = true;
        atomic_fetch_add_explicit(&c->loop->cut, 1, memory_order_relaxed);
        shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
    }
}

/* ---- from a socket to requests ---- */

/* May be the connection's end. What came together with the end of the handshake is kept from h2o.
 */
static void serve(struct http_conn *c, bool http2)
{
    struct http_loop *l = c->loop;
    h2o_accept_ctx_t accept = {.ctx = &l->ctx, .hosts = l->server->conf.hosts};
    struct timeval now = *h2o_get_timestamp(&l->ctx, NULL, NULL);
    gate1_aside(c, 0);
    if (http2) {
        h2o_http2_accept(&accept, c->sock, now);
        gate2_open(c);
    } else {
        h2o_http1_accept(&accept, c->sock, now);
        gate1_open(c);
        gate1_advance(c);
    }
}

/* As Go's server; the peer speaks no TLS, so nothing of it is between. */
static void answer_plain(struct http_conn *c)
{
    static const char text[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                               "Client sent an HTTP request to an HTTPS server.\n";
    http_reject(c->loop->server, HTTP_REASON_PLAIN);
    if (send(h2o_socket_get_fd(c->sock), text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        http_linger_later(c);
    }
}

static void on_handshake(h2o_socket_t *sock, const char *err)
{
    struct http_conn *c = sock->on_close.data;
    shaking_unlink(c);
    SSL_CTX_free(c->shakes_with);
    c->shakes_with = NULL;
    if (err) {
        unsigned long code = ERR_peek_error();
        ERR_clear_error();
        if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) {
            answer_plain(c);
        }
        if (c->loop->server->handshake_errors) {
            metric_add(c->loop->server->handshake_errors, 1);
        }
        h2o_socket_close(sock);
        return;
    }
    h2o_iovec_t chosen = h2o_socket_ssl_get_selected_protocol(sock);
    serve(c, chosen.len == 2 && memcmp(chosen.base, "h2", 2) == 0);
}

/* Where too many are on their way the oldest goes: one that is meant takes milliseconds. */
static void shake(struct http_conn *c, SSL_CTX *ctx)
{
    struct http_loop *l = c->loop;
    size_t most = LIMIT_HANDSHAKES / l->server->n_loops;
    shaking_link(c);
    if (l->n_shaking > (most ? most : 1)) {
        struct http_conn *oldest = l->shaking_first;
        http_conn_reject(oldest, HTTP_REASON_HANDSHAKES);
        shaking_unlink(oldest);
    }
    SSL_CTX_up_ref(ctx);
    c->shakes_with = ctx;
    h2o_socket_ssl_handshake(c->sock, ctx, NULL, on_handshake);
}

void http_shaking_tick(struct http_loop *l)
{
    uint64_t now = h2o_now(l->ev);
    struct http_conn *c;
    while ((c = l->shaking_first) && now - c->active_ms > l->server->times.handshake) {
        http_conn_reject(c, HTTP_REASON_HANDSHAKE_TIME);
        shaking_unlink(c);
    }
}

/* ---- listeners ---- */

static void on_connect(h2o_socket_t *sock, const char *err)
{
    struct http_listener *k = sock->data;
    for (int i = 0; !err && i < HTTP_ACCEPTS; i++) {
        h2o_socket_t *conn = h2o_evloop_socket_accept(sock);
        if (!conn) {
            if (errno == EMFILE || errno == ENFILE) {
                h2o_socket_read_stop(sock);
                k->paused = true;
                log_warn("out of file descriptors: new connections wait");
            }
            return;
        }
        struct http_peer *from;
        if (!http_peer_enter(k->loop->server, h2o_socket_get_fd(conn), &from)) {
            h2o_socket_close(conn);
            continue;
        }
        struct http_conn *c = conn_create(k, conn, from);
        if (c->tls) {
            shake(c, k->accept.ssl_ctx);
        } else {
            serve(c, false);
        }
    }
}

void http_listener_open(struct http_loop *l, struct http_listener *k, const struct http_address *a)
{
    int fd = dup(a->fd);
    if (fd < 0) {
        return; /* the other loops have theirs; the server checks that one has */
    }
    k->loop = l;
    k->accept.ctx = &l->ctx;
    k->accept.hosts = l->server->conf.hosts;
    if (a->tls) {
        k->accept.ssl_ctx = l->server->tls;
        SSL_CTX_up_ref(k->accept.ssl_ctx);
    }
    k->sock = h2o_evloop_socket_create(l->ev, fd, H2O_SOCKET_FLAG_DONT_READ);
    k->sock->data = k;
    h2o_socket_read_start(k->sock, on_connect);
}

void http_listener_close(struct http_listener *k)
{
    if (k->sock) {
        h2o_socket_read_stop(k->sock);
        h2o_socket_close(k->sock);
        k->sock = NULL;
    }
}

void http_listener_tick(struct http_listener *k)
{
    if (k->sock && k->paused) {
        k->paused = false;
        h2o_socket_read_start(k->sock, on_connect);
    }
}

/* ---- requests ---- */

/* False: one has no name (which HTTP/2 can say). */
static bool measure_headers(const h2o_req_t *req, size_t *ret)
{
    size_t n = req->input.path.len;
    for (size_t i = 0; i < req->headers.size; i++) {
        if (!req->headers.entries[i].name->len) {
            return false;
        }
        n += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
    }
    *ret = n;
    return true;
}

static bool is_star(const h2o_req_t *req)
{
    return h2o_memis(req->input.path.base, req->input.path.len, H2O_STRLIT("*")) &&
           h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("OPTIONS"));
}

/* NULL: it may pass. */
static const struct http_refusal *check(const struct http_conn *c, const h2o_req_t *req)
{
    static const struct http_refusal
        unseen = {500, "Internal Server Error", "500 Internal Server Error",
                  HTTP_REASON_BAD_REQUEST},
        target = {400, "Bad Request", "400 Bad Request: malformed request target",
                  HTTP_REASON_BAD_REQUEST},
        field = {400, "Bad Request", "400 Bad Request: malformed header", HTTP_REASON_BAD_REQUEST},
        path = {414, "Request URI Too Long", "414 Request URI Too Long", HTTP_REASON_URI},
        headers = {431, "Request Header Fields Too Large", "431 Request Header Fields Too Large",
                   HTTP_REASON_HEADERS};
    size_t bytes, length = req->query_at == SIZE_MAX ? req->input.path.len : req->query_at;
    if (req->version < 0x200 ? !c->gate1.passed : !c->gate2) {
        return &unseen;
    }
    if (!req->input.path.len || (req->input.path.base[0] != '/' && !is_star(req))) {
        return &target;
    }
    if (!measure_headers(req, &bytes)) {
        return &field;
    }
    bool large = bytes > LIMIT_HEADER_BYTES || req->headers.size > HTTP_FIELDS_MAX;
    return length > LIMIT_PATH_BYTES ? &path : large ? &headers : NULL;
}

static int refuse(struct http_conn *c, h2o_req_t *req, const struct http_refusal *why)
{
    if (req->version < 0x200) {
        http_linger_later(c);
    }
    h2o_send_error_generic(req, why->status, why->phrase, why->text,
                           H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
    return 0;
}

int http_on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    struct http_conn *c = sock->on_close.data;
    struct http_server *s = c->loop->server;
    if (c->gate1.refusal) {
        return refuse(c, req, c->gate1.refusal); /* counted by the gate */
    }
    const struct http_refusal *why = check(c, req);
    if (why) {
        http_reject(s, why->why);
        return refuse(c, req, why);
    }
    struct exchange *x = exchange_create(c, req);
    if (c->live > HTTP_LIVE_MAX || c->cut) {
        http_conn_cut(c);
        http_respond(&x->pub, 503, NULL, 0, NULL);
    } else if (req->input.path.base[0] == '*') {
        http_respond(&x->pub, 200, NULL, 0, NULL);
    } else {
        s->o.handler(s->o.handler_arg, &x->pub);
    }
    return 0;
}
