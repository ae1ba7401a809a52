/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges: a request as the handler holds it, and its answer, whole or as a stream, on h2o's
 * generators. */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "base/alloc.h"
#include "base/clock.h"

static void on_proceed(h2o_generator_t *g, h2o_req_t *req);

/* ---- sends in flight ---- */

static void send_link(struct exchange *x)
{
    struct http_loop *l = x->conn->loop;
    x->send_since = h2o_now(l->ev);
    x->send_next = NULL;
    x->send_prev = l->send_last;
    *(l->send_last ? &l->send_last->send_next : &l->send_first) = x;
    l->send_last = x;
}

static void send_unlink(struct exchange *x)
{
    struct http_loop *l = x->pub.loop;
    if (!x->send_since) {
        return;
    }
    *(x->send_prev ? &x->send_prev->send_next : &l->send_first) = x->send_next;
    *(x->send_next ? &x->send_next->send_prev : &l->send_last) = x->send_prev;
    x->send_since = 0;
}

/* ---- the request ---- */

static void exchange_dispose(void *p)
{
    struct exchange *x = *(struct exchange **)p;
    struct http_conn *c = x->conn;
    struct http_loop *l = c->loop;
    send_unlink(x);
    x->req = NULL;
    c->live--;
    c->active_ms = h2o_now(l->ev);
    if (x->pub.version >= 20) {
        gate2_done(c, x, x->state == EXCHANGE_FINAL);
    } else {
        gate1_done(c);
    }
    http_conn_attend(c);
    if (c->streaming == x) {
        c->streaming = NULL;
    }
    if (x->websocket) {
        return; /* goes on without h2o's request */
    }
    if (x->state != EXCHANGE_FINAL) {
        uint64_t now = h2o_now(l->ev);
        if (now - c->aborted_since > HTTP_ABORTS_MS) {
            c->aborted_since = now;
            c->aborted = 0;
        }
        if (++c->aborted > HTTP_ABORTS_MAX) {
            http_conn_reject(c, HTTP_REASON_RESETS);
        }
        atomic_store_explicit(&x->gone, true, memory_order_relaxed);
        http_gone_fn *fn = x->on_gone;
        x->on_gone = NULL;
        if (fn) {
            fn(x->on_gone_arg, &x->pub);
        }
    }
    atomic_fetch_sub_explicit(&l->active, 1, memory_order_relaxed);
    http_request_unref(&x->pub);
}

void exchange_end(struct exchange *x)
{
    send_unlink(x);
    if (x->state != EXCHANGE_FINAL) {
        atomic_store_explicit(&x->gone, true, memory_order_relaxed);
        http_gone_fn *fn = x->on_gone;
        x->on_gone = NULL;
        if (fn) {
            fn(x->on_gone_arg, &x->pub);
        }
    }
    atomic_fetch_sub_explicit(&x->pub.loop->active, 1, memory_order_relaxed);
    http_request_unref(&x->pub);
}

struct exchange *exchange_create(struct http_conn *c, h2o_req_t *req)
{
    struct exchange *x = exchange_read(c, req);
    x->generator.proceed = on_proceed;
    struct exchange **guard =
        h2o_mem_alloc_shared(&req->pool, sizeof(struct exchange *), exchange_dispose);
    *guard = x;
    c->live++;
    http_conn_attend(c);
    atomic_fetch_add_explicit(&c->loop->active, 1, memory_order_relaxed);
    return x;
}

struct http_request *http_request_ref(struct http_request *r)
{
    atomic_fetch_add_explicit(&exchange_of(r)->refs, 1, memory_order_relaxed);
    return r;
}

static void release_held(struct exchange *x)
{
    for (size_t i = 0; i < x->n_held; i++) {
        blob_unref(x->held[i]);
    }
    x->n_held = 0;
    buf_finish(&x->held_buf);
}

void http_request_unref(struct http_request *r)
{
    struct exchange *x = exchange_of(r);
    if (atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    assert(!x->req && !x->send_since);
    http_body_release(r);
    release_held(x);
    free(x->held);
    free(x);
}

bool http_request_gone(const struct http_request *r)
{
    return atomic_load_explicit(&exchange_of(r)->gone, memory_order_relaxed);
}

void http_on_gone(struct http_request *r, http_gone_fn *fn, void *arg)
{
    struct exchange *x = exchange_of(r);
    x->on_gone = fn;
    x->on_gone_arg = arg;
}

void exchange_tick(struct http_loop *l)
{
    uint64_t now = h2o_now(l->ev);
    struct exchange *x;
    while ((x = l->send_first) && now - x->send_since >= l->server->times.stall / 2) {
        int queued = 0;
        if (ioctl(h2o_socket_get_fd(x->conn->sock), SIOCOUTQ, &queued) != 0) {
            queued = 0;
        }
        bool stuck = x->send_queued == queued;
        x->send_queued = queued;
        send_unlink(x);
        send_link(x);
        if (stuck) {
            x->doomed = true;
            http_conn_reject(x->conn, HTTP_REASON_STALLED);
        }
    }
}

void exchange_sending(struct exchange *x)
{
    if (!x->send_since) {
        x->send_queued = -1;
        send_link(x);
    }
    x->in_flight = true;
}

static void send_h2o(struct exchange *x, h2o_iovec_t *iov, size_t n, h2o_send_state_t state)
{
    struct http_conn *http2 = x->conn->gate2 ? x->conn : NULL;
    exchange_sending(x);
    h2o_send(x->req, iov, n, state); /* may be an HTTP/1 connection's end */
    if (http2 && !http2->sock->_cb.read) {
        http_conn_soon(http2); /* h2o reads no more until this is written: see http_gate2.c */
    }
}

/* ---- answers ---- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Unknown";
}

static bool without_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void set_head(struct exchange *x, int status, const struct http_header *headers, size_t n)
{
    h2o_req_t *req = x->req;
    req->res.status = status;
    req->res.reason = reason_of(status);
    if (x->conn->loop->draining) {
        req->http1_is_persistent = 0;
    }
    h2o_vector_reserve(&req->pool, &req->res.headers, n + 1);
    for (size_t i = 0; i < n; i++) {
        h2o_iovec_t name = h2o_strdup(&req->pool, headers[i].name.ptr, headers[i].name.len);
        h2o_iovec_t value = h2o_strdup(&req->pool, headers[i].value.ptr, headers[i].value.len);
        h2o_add_header_by_str(&req->pool, &req->res.headers, name.base, name.len, 1, NULL,
                              value.base, value.len);
    }
}

static bool is_head(const struct exchange *x)
{
    return str_is(x->pub.method, "HEAD");
}

/* bytes must be held already. */
static void respond(struct exchange *x, int status, const struct http_header *headers, size_t n,
                    struct str bytes)
{
    set_head(x, status, headers, n);
    x->req->res.content_length = without_body(status) ? SIZE_MAX : bytes.len;
    x->state = EXCHANGE_FINAL;
    if (x->conn->gate1.body) {
        x->req->http1_is_persistent = 0;
    }
    h2o_start_response(x->req, &x->generator);
    h2o_iovec_t iov = h2o_iovec_init(bytes.ptr, bytes.len);
    bool none = !bytes.len || without_body(status) || is_head(x);
    send_h2o(x, &iov, none ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void http_respond(struct http_request *r, int status, const struct http_header *headers,
                  size_t n_headers, struct buf *body)
{
    struct exchange *x = exchange_of(r);
    struct buf b = body ? *body : (struct buf){0};
    if (body) {
        *body = (struct buf){0};
    }
    assert(x->state == EXCHANGE_WAITING);
    if (!x->req) {
        buf_finish(&b);
        return;
    }
    x->held_buf = b;
    respond(x, status, headers, n_headers, buf_str(&b));
}

static void hold(struct exchange *x, struct blob *const *blobs, size_t n)
{
    if (n > x->cap_held) {
        x->held = alloc_resize(x->held, n * sizeof(struct blob *));
        x->cap_held = n;
    }
    if (n) {
        memcpy(x->held, blobs, n * sizeof(struct blob *));
    }
    x->n_held = n;
}

void http_respond_blob(struct http_request *r, int status, const struct http_header *headers,
                       size_t n_headers, struct blob *body)
{
    struct exchange *x = exchange_of(r);
    assert(x->state == EXCHANGE_WAITING);
    if (!x->req) {
        return;
    }
    blob_ref(body);
    hold(x, &body, body ? 1 : 0);
    respond(x, status, headers, n_headers, blob_str(body));
}

/* ---- streams ---- */

void exchange_sent(struct exchange *x)
{
    send_unlink(x);
    x->in_flight = false;
    release_held(x);
    http_request_ref(&x->pub);
    if (x->doomed) {
        exchange_cut(x);
    } else if (x->ready) {
        x->ready(x->ready_arg, &x->pub);
    }
    http_request_unref(&x->pub);
}

static void on_proceed(h2o_generator_t *g, h2o_req_t *req)
{
    (void)req;
    exchange_sent(H2O_STRUCT_FROM_MEMBER(struct exchange, generator, g));
}

/* While a stream runs nobody reads an HTTP/1 connection; this does, to notice its end. */
static void on_stream_read(h2o_socket_t *sock, const char *err)
{
    struct http_conn *c = sock->on_close.data;
    if (err) {
        h2o_socket_read_stop(sock);
        if (c->streaming) {
            exchange_cut(c->streaming);
        }
    } else if (sock->input->size > HTTP_PIPELINE_BYTES) {
        h2o_socket_read_stop(sock);
    }
}

void exchange_cut(struct exchange *x)
{
    if (x->websocket) {
        http_conn_cut(x->conn);
        return;
    }
    if (!x->req || x->state == EXCHANGE_FINAL) {
        return;
    }
    x->doomed = true;
    if (x->in_flight || x->state == EXCHANGE_WAITING) {
        http_conn_cut(x->conn);
        return;
    }
    /* Stays STREAMING: an end by error is no answer. */
    x->req->http1_is_persistent = 0;
    h2o_send(x->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

/* h2o keeps a request's bytes, in a buffer of 8 kB and more, until its answer is complete: for a
 * watch, hours. They are only counted then; a buffer of their size will do. */
static void shrink_input(struct http_loop *l, h2o_socket_t *sock)
{
    h2o_buffer_t *old = sock->input, *small;
    if (!old->bytes || !old->size || old->size > old->capacity / 2) {
        return;
    }
    h2o_buffer_init(&small, &l->exact);
    h2o_iovec_t to = h2o_buffer_reserve(&small, old->size);
    memcpy(to.base, old->bytes, old->size);
    small->size = old->size;
    sock->input = small;
    h2o_buffer_dispose(&old);
}

void http_stream_begin(struct http_request *r, int status, const struct http_header *headers,
                       size_t n_headers, http_ready_fn *ready, void *arg)
{
    struct exchange *x = exchange_of(r);
    assert(x->state == EXCHANGE_WAITING);
    x->state = EXCHANGE_STREAMING;
    if (!x->req) {
        return;
    }
    h2o_req_t *req = x->req;
    struct http_conn *c = x->conn;
    set_head(x, status, headers, n_headers);
    if (r->version == 11 && !is_head(x)) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_TRANSFER_ENCODING, NULL,
                       H2O_STRLIT("chunked"));
        x->chunked = true;
    } else if (r->version == 10) {
        req->http1_is_persistent = 0;
    }
    x->ready = ready;
    x->ready_arg = arg;
    h2o_start_response(req, &x->generator);
    if (is_head(x)) {
        x->state = EXCHANGE_FINAL;
        send_h2o(x, NULL, 0, H2O_SEND_STATE_FINAL);
        return;
    }
    h2o_socket_t *sock = c->sock;
    send_h2o(x, NULL, 0, H2O_SEND_STATE_IN_PROGRESS);
    if (r->version < 20) {
        c->streaming = x;
        shrink_input(r->loop, sock);
        h2o_socket_read_start(sock, on_stream_read);
    }
}

bool http_stream_writable(const struct http_request *r)
{
    const struct exchange *x = exchange_of(r);
    if (x->websocket) {
        return http_websocket_writable(x);
    }
    return x->req && x->state == EXCHANGE_STREAMING && !x->in_flight && !x->doomed;
}

static h2o_iovec_t *iov_reserve(struct http_loop *l, size_t n)
{
    if (n > l->cap_iov) {
        l->iov = alloc_resize(l->iov, n * sizeof(h2o_iovec_t));
        l->cap_iov = n;
    }
    return l->iov;
}

#define CHUNK_END "\r\n"
#define CHUNKS_END "0\r\n\r\n"

static h2o_iovec_t chunk_head(struct exchange *x, size_t total)
{
    int len = snprintf(x->chunk_head, sizeof(x->chunk_head), "%zx\r\n", total);
    return h2o_iovec_init(x->chunk_head, (size_t)len);
}

static h2o_iovec_t chunk_tail(size_t total, bool last)
{
    if (!total) {
        return h2o_iovec_init(H2O_STRLIT(CHUNKS_END));
    }
    return last ? h2o_iovec_init(H2O_STRLIT(CHUNK_END CHUNKS_END))
                : h2o_iovec_init(H2O_STRLIT(CHUNK_END));
}

/* Over TLS each piece would become a record of its own: put them together. */
static size_t gather(struct exchange *x, h2o_iovec_t *iov, size_t n, size_t total)
{
    struct buf b = {0};
    buf_reserve(&b, total + 32);
    for (size_t i = 0; i < n; i++) {
        buf_add(&b, str_make(iov[i].base, iov[i].len));
    }
    release_held(x);
    x->held_buf = b;
    iov[0] = h2o_iovec_init(b.ptr, b.len);
    return 1;
}

static void stream_out(struct exchange *x, h2o_iovec_t *iov, size_t n, size_t total, bool last)
{
    bool records = x->conn->tls && x->pub.version < 20 && n > 1;
    if (records && (n > 2 || total < HTTP_TLS_RECORD_BYTES)) {
        n = gather(x, iov, n, total);
    }
    if (last) {
        x->state = EXCHANGE_FINAL;
        if (x->conn->streaming == x) {
            x->conn->streaming = NULL;
        }
    }
    send_h2o(x, iov, n, last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

void http_stream_send(struct http_request *r, struct blob *const *blobs, size_t n, bool last)
{
    struct exchange *x = exchange_of(r);
    if (x->websocket) {
        http_websocket_send(x, blobs, n, last);
        return;
    }
    if (!x->req || x->state == EXCHANGE_FINAL || x->doomed) {
        for (size_t i = 0; i < n; i++) {
            blob_unref(blobs[i]);
        }
        return;
    }
    assert(x->state == EXCHANGE_STREAMING && !x->in_flight && (n || last));
    hold(x, blobs, n);
    h2o_iovec_t *iov = iov_reserve(r->loop, n + 2);
    size_t total = 0, k = x->chunked ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        iov[k++] = h2o_iovec_init(blobs[i]->data, blobs[i]->len);
        total += blobs[i]->len;
    }
    if (x->chunked) {
        iov[0] = total ? chunk_head(x, total) : h2o_iovec_init("", 0);
        iov[k++] = chunk_tail(total, last);
    }
    stream_out(x, iov, k, total, last);
}

void http_stream_send_buf(struct http_request *r, struct buf *b, bool last)
{
    struct exchange *x = exchange_of(r);
    struct buf taken = *b;
    *b = (struct buf){0};
    if (!x->req || x->state == EXCHANGE_FINAL || x->doomed) {
        buf_finish(&taken);
        return;
    }
    assert(x->state == EXCHANGE_STREAMING && !x->in_flight && (taken.len || last));
    h2o_iovec_t *iov = iov_reserve(r->loop, 2);
    size_t total = taken.len, k = 0;
    if (x->chunked) {
        h2o_iovec_t tail = chunk_tail(total, last);
        buf_add(&taken, str_make(tail.base, tail.len));
        if (total) {
            iov[k++] = chunk_head(x, total);
        }
    }
    x->held_buf = taken;
    if (taken.len) {
        iov[k++] = h2o_iovec_init(taken.ptr, taken.len);
    }
    stream_out(x, iov, k, total, last);
}

void http_stream_abort(struct http_request *r)
{
    struct exchange *x = exchange_of(r);
    x->on_gone = NULL;
    if (r->version < 20 || !x->in_flight) {
        exchange_cut(x);
    } else {
        x->doomed = true; /* HTTP/2: reset by on_proceed, the connection's other streams go on */
    }
}
