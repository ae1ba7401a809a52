/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets (RFC 6455) under a stream: each blob that is sent becomes a message. What the
 * peer says is checked by wslay and answered where it is a ping or a close; messages are not read.
 * h2o hands its connection over with the handshake's answer, and the exchange outlives h2o's
 * request from then on. */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <h2o/http1.h>
#include <openssl/evp.h>
#include <wslay/wslay.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"

enum {
    CONTROL_BYTES =
        4096, /* of answers that wait; a peer that asks for more is not read meanwhile */
    FRAME_TEXT = 0x81,
    FRAME_BINARY = 0x82,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
};

/* closing: nothing follows what is in `out`, then the connection ends. */
struct websocket {
    struct exchange *x;
    h2o_socket_t *sock; /* NULL until the handshake's answer is out */
    struct http_messages messages;
    wslay_event_context_ptr context;
    struct buf out, sending;
    bool writing, closing, deaf;
};

/* ---- the handshake ---- */

const char *http_websocket_check(const struct http_request *r)
{
    struct str key = http_header(r, "sec-websocket-key");
    if (!str_is(r->method, "GET")) {
        return "bad method";
    }
    if (!key.len || key.len > 64) {
        return "mismatch challenge/response";
    }
    return str_is(http_header(r, "sec-websocket-version"), "13")
               ? NULL
               : "missing or bad WebSocket Version";
}

static void accept_of(struct str key, struct buf *b)
{
    AUTO(buf_finish) struct buf text = {0};
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    buf_add(&text, key);
    buf_addz(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    EVP_Digest(text.ptr, text.len, sum, &n, EVP_sha1(), NULL);
    crypto_base64(b, str_make((char *)sum, n));
}

/* ---- its end ---- */

static void end(struct websocket *w)
{
    struct exchange *x = w->x;
    h2o_socket_t *sock = w->sock;
    if (sock) {
        x->conn->live--;
        h2o_socket_close(sock);
    }
    wslay_event_context_free(w->context);
    buf_finish(&w->out);
    buf_finish(&w->sending);
    free(w);
    x->websocket = NULL;
    exchange_end(x);
}

/* ---- writing ---- */

static void on_written(h2o_socket_t *sock, const char *err);
static void on_read(h2o_socket_t *sock, const char *err);

static void flush(struct websocket *w)
{
    if (w->writing || !w->out.len) {
        return;
    }
    w->sending = w->out;
    w->out = (struct buf){0};
    w->writing = true;
    h2o_iovec_t iov = h2o_iovec_init(w->sending.ptr, w->sending.len);
    h2o_socket_write(w->sock, &iov, 1, on_written);
}

static void on_written(h2o_socket_t *sock, const char *err)
{
    struct websocket *w = sock->data;
    w->writing = false;
    buf_finish(&w->sending);
    if (err || (w->closing && !w->out.len)) {
        end(w);
        return;
    }
    flush(w);
    if (w->writing) {
        return;
    }
    if (w->deaf) {
        w->deaf = false;
        h2o_socket_read_start(sock, on_read);
    }
    if (w->x->in_flight) {
        exchange_sent(w->x);
    }
}

static void frame_head(struct buf *b, bool binary, size_t n)
{
    buf_addc(b, (char)(binary ? FRAME_BINARY : FRAME_TEXT));
    if (n < LENGTH_16) {
        buf_addc(b, (char)n);
        return;
    }
    int bytes = n <= UINT16_MAX ? 2 : 8;
    buf_addc(b, bytes == 2 ? LENGTH_16 : LENGTH_64);
    for (int i = bytes - 1; i >= 0; i--) {
        buf_addc(b, (char)((uint64_t)n >> 8 * i));
    }
}

bool http_websocket_writable(const struct exchange *x)
{
    const struct websocket *w = x->websocket;
    return w->sock && !w->closing && !x->in_flight && !x->doomed && x->state == EXCHANGE_STREAMING;
}

void http_websocket_send(struct exchange *x, struct blob *const *blobs, size_t n, bool last)
{
    struct websocket *w = x->websocket;
    bool deliver = w->sock && !w->closing && !x->doomed;
    for (size_t i = 0; i < n; i++) {
        if (deliver) {
            struct str message = str_skip(blob_str(blobs[i]), w->messages.skip);
            frame_head(&w->out, w->messages.binary, message.len);
            buf_add(&w->out, message);
        }
        blob_unref(blobs[i]);
    }
    if (last) {
        x->state = EXCHANGE_FINAL;
    }
    if (!deliver) {
        if (last && w->sock) {
            http_conn_cut(x->conn);
        }
        return;
    }
    if (last) {
        buf_add(&w->out, str_make("\x88\x02\x03\xe8", 4)); /* close, 1000: as the reference */
        w->closing = true;
    }
    exchange_sending(x);
    flush(w);
}

/* ---- reading ---- */

static ssize_t recv_some(wslay_event_context_ptr context, uint8_t *to, size_t n, int flags,
                         void *arg)
{
    struct websocket *w = arg;
    h2o_buffer_t *in = w->sock->input;
    (void)flags;
    if (!in->size) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    n = in->size < n ? in->size : n;
    memcpy(to, in->bytes, n);
    h2o_buffer_consume(&w->sock->input, n);
    return (ssize_t)n;
}

static ssize_t send_some(wslay_event_context_ptr context, const uint8_t *p, size_t n, int flags,
                         void *arg)
{
    struct websocket *w = arg;
    (void)context;
    (void)flags;
    if (!w->closing) {
        buf_add(&w->out, str_make((const char *)p, n));
    }
    return (ssize_t)n;
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct websocket *w = sock->data;
    if (err) {
        end(w);
        return;
    }
    bool sound = wslay_event_recv(w->context) == 0 && wslay_event_send(w->context) == 0;
    if (!sound) { /* a frame that cannot be; wslay says so only here */
        buf_add(&w->out, str_make("\x88\x02\x03\xea", 4));
    }
    /* the peer has closed, or must: wslay has said so to it by now */
    w->closing |= !sound || !wslay_event_get_read_enabled(w->context) ||
                  wslay_event_get_close_received(w->context);
    flush(w);
    if (w->closing && !w->writing) {
        end(w);
    } else if (w->closing || w->out.len > CONTROL_BYTES) {
        w->deaf = !w->closing;
        h2o_socket_read_stop(sock);
    }
}

/* ---- its beginning ---- */

static void on_upgraded(void *arg, h2o_socket_t *sock, size_t head)
{
    struct websocket *w = arg;
    struct exchange *x = w->x;
    if (!sock) { /* h2o has closed it */
        end(w);
        return;
    }
    w->sock = sock;
    sock->data = w;
    x->conn->live++;
    h2o_buffer_consume(&sock->input, head);
    http_request_ref(&x->pub);
    exchange_sent(x);
    if (x->websocket) {
        h2o_socket_read_start(sock, on_read);
        if (sock->input->size) { /* it did not wait for the answer */
            on_read(sock, NULL);
        }
    }
    http_request_unref(&x->pub);
}

static struct websocket *create(struct exchange *x)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = recv_some,
                                                           .send_callback = send_some};
    struct websocket *w = ALLOC(struct websocket);
    w->x = x;
    if (wslay_event_context_server_init(&w->context, &callbacks, w) != 0) {
        abort();
    }
    wslay_event_config_set_max_recv_msg_length(w->context, LIMIT_WEBSOCKET_MESSAGE_BYTES);
    return w;
}

void http_websocket_begin(struct http_request *r, struct str protocol,
                          struct http_messages messages, http_ready_fn *ready, void *arg)
{
    struct exchange *x = exchange_of(r);
    assert(x->state == EXCHANGE_WAITING && r->websocket);
    x->state = EXCHANGE_STREAMING;
    if (!x->req) {
        return;
    }
    h2o_req_t *req = x->req;
    AUTO(buf_finish) struct buf accept = {0};
    accept_of(http_header(r, "sec-websocket-key"), &accept);
    req->res.status = 101;
    req->res.reason = "Switching Protocols";
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_UPGRADE, NULL, H2O_STRLIT("websocket"));
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("sec-websocket-accept"), 0,
                          NULL, accept.ptr, accept.len);
    if (protocol.len) {
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("sec-websocket-protocol"),
                              0, NULL, protocol.ptr, protocol.len);
    }
    x->ready = ready;
    x->ready_arg = arg;
    x->websocket = create(x);
    x->websocket->messages = messages;
    exchange_sending(x);
    h2o_http1_upgrade(req, NULL, 0, on_upgraded, x->websocket);
}
