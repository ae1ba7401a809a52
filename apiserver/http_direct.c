/* SPDX-License-Identifier: Apache-2.0 */
/* Events to many watches on HTTP/1.1. Between two of h2o's sends a stream's connection is quiet, so
 * pieces can be written to it without h2o: in one call, to the end if the kernel takes it, with no
 * completion to wait for. Watches that stand at the same place get the same bytes one after the
 * other, so the last piece is kept and put together once; over TLS it is encrypted into one buffer
 * a loop, which stays in the processor's cache, instead of one a watch. */
#include "apiserver/http_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"

struct http_direct {
    struct blob **blobs; /* the last piece: references */
    size_t n, cap;
    bool chunked;
    bool used;         /* since the last tick */
    struct buf plain;  /* the piece, framed */
    struct buf cipher; /* what goes to the socket */
    BIO_METHOD *method;
    BIO *sink; /* into `cipher` */
};

/* ---- TLS ---- */

static int sink_write(BIO *b, const char *p, int n)
{
    struct http_direct *d = BIO_get_data(b);
    buf_add(&d->cipher, str_make(p, (size_t)n));
    return n;
}

static long sink_control(BIO *b, int command, long number, void *arg)
{
    (void)b;
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH;
}

static void sink_create(struct http_direct *d)
{
    d->method = BIO_meth_new(BIO_TYPE_MEM, "records");
    BIO_meth_set_write(d->method, sink_write);
    BIO_meth_set_ctrl(d->method, sink_control);
    d->sink = BIO_new(d->method);
    BIO_set_data(d->sink, d);
    BIO_set_init(d->sink, 1);
}

/* Encrypts the piece into `cipher`; h2o's own way out of the SSL object is put back afterwards. */
static bool encrypt(struct http_direct *d, SSL *ssl)
{
    BIO *own = SSL_get_wbio(ssl);
    bool ok = true;
    d->cipher.len = 0;
    BIO_up_ref(own);
    BIO_up_ref(d->sink);
    SSL_set0_wbio(ssl, d->sink);
    for (size_t off = 0; ok && off < d->plain.len;) {
        size_t left = d->plain.len - off;
        int n = (int)(left < HTTP_TLS_RECORD_BYTES ? left : HTTP_TLS_RECORD_BYTES);
        ok = SSL_write(ssl, d->plain.ptr + off, n) == n;
        off += (size_t)n;
    }
    SSL_set0_wbio(ssl, own);
    return ok;
}

/* ---- the piece ---- */

static void drop_piece(struct http_direct *d)
{
    for (size_t i = 0; i < d->n; i++) {
        blob_unref(d->blobs[i]);
    }
    d->n = 0;
    d->plain.len = 0;
}

static bool same_piece(const struct http_direct *d, struct blob *const *blobs, size_t n,
                       bool chunked)
{
    return n == d->n && chunked == d->chunked && memcmp(d->blobs, blobs, n * sizeof(*blobs)) == 0;
}

/* Makes the blobs, whose references it takes over, the loop's piece. */
static void set_piece(struct http_direct *d, struct blob *const *blobs, size_t n, bool chunked)
{
    size_t total = 0;
    drop_piece(d);
    if (n > d->cap) {
        d->blobs = alloc_resize(d->blobs, n * sizeof(*blobs));
        d->cap = n;
    }
    memcpy(d->blobs, blobs, n * sizeof(*blobs));
    d->n = n;
    d->chunked = chunked;
    for (size_t i = 0; i < n; i++) {
        total += blobs[i]->len;
    }
    if (chunked) {
        buf_printf(&d->plain, "%zx\r\n", total);
    }
    buf_reserve(&d->plain, total + 2);
    for (size_t i = 0; i < n; i++) {
        buf_add(&d->plain, blob_str(blobs[i]));
    }
    if (chunked) {
        buf_addz(&d->plain, "\r\n");
    }
}

static struct http_direct *direct_of(struct http_loop *l)
{
    if (!l->direct) {
        l->direct = ALLOC(struct http_direct);
        sink_create(l->direct);
    }
    l->direct->used = true;
    return l->direct;
}

/* ---- writing ---- */

/* How many bytes the kernel took; -1: the connection is broken. */
static ssize_t put(h2o_socket_t *sock, const char *p, size_t n)
{
    ssize_t k;
    do {
        k = send(h2o_socket_get_fd(sock), p, n, MSG_NOSIGNAL);
    } while (k < 0 && errno == EINTR);
    return k < 0 && errno == EAGAIN ? 0 : k;
}

static void on_writable(h2o_socket_t *sock, const char *err)
{
    struct http_conn *c = sock->on_close.data;
    struct exchange *x = c->streaming;
    ssize_t k = 0;
    if (!x) {
        return;
    }
    size_t left = x->held_buf.len - x->direct_sent;
    if (!x->doomed && left) {
        k = err ? -1 : put(sock, x->held_buf.ptr + x->direct_sent, left);
    }
    if (!x->doomed && k >= 0 && (size_t)k < left) {
        x->direct_sent += (size_t)k;
        h2o_socket_notify_write(sock, on_writable);
        return;
    }
    x->doomed |= k < 0;
    exchange_sent(x);
}

/* The rest waits until the socket takes it; `broken`: it waits only to be told so. */
static void wait_for(struct exchange *x, struct str rest, bool broken)
{
    x->doomed |= broken;
    x->direct_sent = 0;
    buf_add(&x->held_buf, rest);
    exchange_sending(x);
    h2o_socket_notify_write(x->conn->sock, on_writable);
}

/* Takes the blobs over. False: it cannot. */
static bool push(struct exchange *x, struct blob *const *blobs, size_t n)
{
    struct http_conn *c = x->conn;
    if (c->streaming != x || (c->tls && !c->ssl) || !n) {
        return false;
    }
    struct http_direct *d = direct_of(c->loop);
    if (same_piece(d, blobs, n, x->chunked)) {
        for (size_t i = 0; i < n; i++) {
            blob_unref(blobs[i]);
        }
    } else {
        set_piece(d, blobs, n, x->chunked);
    }
    struct str out = buf_str(&d->plain);
    bool ok = !c->tls || encrypt(d, c->ssl);
    if (c->tls) {
        out = buf_str(&d->cipher);
    }
    ssize_t k = ok ? put(c->sock, out.ptr, out.len) : -1;
    if (k < 0) {
        wait_for(x, STR(""), true);
    } else if ((size_t)k < out.len) {
        wait_for(x, str_skip(out, (size_t)k), false);
    }
    return true;
}

void http_stream_push(struct http_request *r, struct blob *const *blobs, size_t n)
{
    if (!http_stream_writable(r) || !push(exchange_of(r), blobs, n)) {
        http_stream_send(r, blobs, n, false);
    }
}

/* ---- life ---- */

void http_direct_tick(struct http_loop *l)
{
    struct http_direct *d = l->direct;
    if (d && !d->used) {
        http_direct_finish(l);
    } else if (d) {
        d->used = false;
    }
}

void http_direct_finish(struct http_loop *l)
{
    struct http_direct *d = l->direct;
    if (!d) {
        return;
    }
    drop_piece(d);
    free(d->blobs);
    buf_finish(&d->plain);
    buf_finish(&d->cipher);
    BIO_free(d->sink);
    BIO_meth_free(d->method);
    free(d);
    l->direct = NULL;
}
