/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: taking them in, and the checks a request must pass before a handler sees it, where
 * h2o itself is too lenient. */
#include "apiserver/http_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

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
    http_identity_destroy(c->ident);
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

static void conn_create(struct http_listener *k, h2o_socket_t *sock)
{
    struct http_loop *l = k->loop;
    struct http_conn *c = ALLOC(struct http_conn);
    c->loop = l;
    c->sock = sock;
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
}

void http_conn_cut(struct http_conn *c)
{
    if (!c->cut) {
        c->cut = true;
        atomic_fetch_add_explicit(&c->loop->cut, 1, memory_order_relaxed);
        shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
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
        conn_create(k, conn);
        h2o_accept(&k->accept, conn);
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

struct refusal {
    int status;
    const char *reason, *text;
};

/* h2o takes the first Content-Length, and takes one beside a Transfer-Encoding: both ways to
 * smuggle a second request past a proxy (RFC 9112 section 6.3). It hides both headers, but the head
 * still stands at the start of the input. */
static bool framing_ambiguous(const h2o_socket_t *sock)
{
    const char *p = sock->input->bytes, *end = p + sock->input->size;
    unsigned n = 0;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol || eol == p || (eol == p + 1 && *p == '\r')) {
            break;
        }
        size_t len = (size_t)(eol - p);
        n += len > 15 && p[14] == ':' && strncasecmp(p, "content-length", 14) == 0;
        n += len > 18 && p[17] == ':' && strncasecmp(p, "transfer-encoding", 17) == 0;
        p = eol + 1;
    }
    return n > 1;
}

static bool headers_too_large(const h2o_req_t *req)
{
    size_t n = 0;
    for (size_t i = 0; i < req->headers.size; i++) {
        n += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
    }
    return n + req->input.path.len > LIMIT_HEADER_BYTES;
}

static bool check(const struct http_conn *c, const h2o_req_t *req, struct refusal *ret)
{
    bool http1 = req->version < 0x200;
    size_t path = req->query_at == SIZE_MAX ? req->input.path.len : req->query_at;
    if (http1 && req->entity.base && framing_ambiguous(c->sock)) {
        *ret = (struct refusal){400, "Bad Request", "400 Bad Request: ambiguous message framing"};
    } else if (req->version == 0x101 &&
               req->input.authority.base == req->hostconf->authority.hostport.base) {
        *ret =
            (struct refusal){400, "Bad Request", "400 Bad Request: missing required Host header"};
    } else if (!req->input.path.len || req->input.path.base[0] != '/') {
        *ret = (struct refusal){400, "Bad Request", "400 Bad Request: malformed request target"};
    } else if (path > LIMIT_PATH_BYTES) {
        *ret = (struct refusal){414, "Request URI Too Long", "414 Request URI Too Long"};
    } else if (headers_too_large(req)) {
        *ret = (struct refusal){431, "Request Header Fields Too Large",
                                "431 Request Header Fields Too Large"};
    } else {
        return true;
    }
    return false;
}

int http_on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    struct http_conn *c = sock->on_close.data;
    struct http_server *s = c->loop->server;
    struct refusal refusal;
    c->http1 = req->version < 0x200;
    if (!check(c, req, &refusal)) {
        h2o_send_error_generic(req, refusal.status, refusal.reason, refusal.text,
                               H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
        return 0;
    }
    struct exchange *x = exchange_create(c, req);
    if (c->live > HTTP_LIVE_MAX || c->cut) {
        http_conn_cut(c);
        http_respond(&x->pub, 503, NULL, 0, NULL);
        return 0;
    }
    s->o.handler(s->o.handler_arg, &x->pub);
    return 0;
}
