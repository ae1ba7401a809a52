/* SPDX-License-Identifier: Apache-2.0 */
/* The transport: listeners, TLS, event loops, HTTP/1.1 and HTTP/2. A request in, a response or a stream out. Only apiserver/http*.c see h2o
 * and libssl; everything else in apiserver/ sees this. Each request belongs to one loop; unless it says "any thread", a function is
 * called on that loop's thread. */
#ifndef APISERVER_HTTP_H
#define APISERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/str.h"

struct http_server;
struct http_loop;

struct http_header {
    struct str name, value; /* name in lower case */
};

/* Why a request comes without the body that was sent: the handler answers 413 or 429. */
enum http_body_state { HTTP_BODY_OK, HTTP_BODY_TOO_LARGE, HTTP_BODY_NO_MEMORY };

/* A request. Lives from the handler's call until its response has been sent or its peer has gone, and as long as references are
 * held; after that answers to it are dropped. Strings live as long as it. */
struct http_request {
    struct http_loop *loop;
    struct str method;  /* "GET" */
    struct str path;    /* still percent-encoded, without the query, as sent */
    struct str query;   /* without '?'; STR_NULL: none */
    struct str body;    /* empty where body_state is not HTTP_BODY_OK */
    enum http_body_state body_state;
    struct http_header *headers;
    size_t n_headers;
    int version;        /* 10, 11, 20 */
    bool websocket;     /* it asks for a WebSocket */
    struct str peer;    /* "127.0.0.1:1234" or "unix" */
    struct str cert_user; /* subject of a verified client certificate: CN; STR_NULL: none */
    struct str *cert_groups; /* its Os */
    size_t n_cert_groups;
    int64_t cert_expires; /* the certificate's end, seconds since 1970 */
    uint64_t begun_ns;  /* clock_mono_ns when it was handed over */
    void *user;         /* the handler's */
};

/* The first header of that (lower-case) name; STR_NULL: none. */
struct str http_header(const struct http_request *r, const char *name);
struct http_request *http_request_ref(struct http_request *r);   /* any thread */
void http_request_unref(struct http_request *r);                 /* any thread */
bool http_request_gone(const struct http_request *r);            /* the peer has gone */
/* Gives the body's memory (and its share of LIMIT_BODIES_BYTES) back early: nobody reads it any more. Any thread, by its one reader. */
void http_body_release(struct http_request *r);

/* Called on a loop for each request whose head and body arrived and passed the transport's own checks. */
typedef void http_handler_fn(void *arg, struct http_request *r);
/* Called when the peer goes away before the response was complete; at most once, not after a complete response. */
typedef void http_gone_fn(void *arg, struct http_request *r);
void http_on_gone(struct http_request *r, http_gone_fn *fn, void *arg);

/* Answers the whole request; takes body's memory over (body is empty then). content-length and date are added. Once per request. */
void http_respond(struct http_request *r, int status, const struct http_header *headers, size_t n_headers, struct buf *body);
/* The same from shared bytes. */
void http_respond_blob(struct http_request *r, int status, const struct http_header *headers, size_t n_headers, struct blob *body);

/* ---- streams: lists in pieces, watches ---- */
/* Begins a response whose length is not known (chunked on HTTP/1.1); headers go out at once. ready(arg) is called each time the transport
 * can take more: first soon after the begin, then after each send went out. */
typedef void http_ready_fn(void *arg, struct http_request *r);
void http_stream_begin(struct http_request *r, int status, const struct http_header *headers, size_t n_headers, http_ready_fn *ready,
                       void *arg);
/* Whether a send is allowed now (none is in flight). */
bool http_stream_writable(const struct http_request *r);
/* Sends the blobs (references are taken over) in one call; then, if last, ends the stream. n may be 0 with last. */
void http_stream_send(struct http_request *r, struct blob *const *blobs, size_t n, bool last);
/* As http_stream_send for a stream that goes on. Mostly everything has gone out when it returns and the stream can take more; where it cannot,
 * ready is called once it can. */
void http_stream_push(struct http_request *r, struct blob *const *blobs, size_t n);
/* As http_stream_send, for bytes: takes the buffer's memory over. */
void http_stream_send_buf(struct http_request *r, struct buf *b, bool last);
/* Cuts the connection (HTTP/1.1) or resets the stream: an answer that cannot be finished. */
void http_stream_abort(struct http_request *r);

/* ---- WebSockets ---- */
/* What is wrong with the handshake of a request that asks for one (400, with sec-websocket-version: 13); NULL: nothing. */
const char *http_websocket_check(const struct http_request *r);
/* As http_stream_begin: answers the handshake, naming the protocol unless it is empty. From then on each blob that is sent is a message,
 * and the stream's end a close. */
struct http_messages {
    bool binary; /* or text */
    size_t skip; /* bytes at a blob's beginning that frame it in a stream and are no part of the message */
};
void http_websocket_begin(struct http_request *r, struct str protocol, struct http_messages messages, http_ready_fn *ready, void *arg);

/* ---- loops ---- */
typedef void http_task_fn(void *arg);
/* Runs fn(arg) on the loop's thread soon, in order of the posts. Any thread. False: the loop has stopped, fn will not run. */
bool http_post(struct http_loop *l, http_task_fn *fn, void *arg);
/* Calls fn every interval until the loop stops. On the loop's thread or before start. */
void http_loop_every(struct http_loop *l, unsigned interval_ms, http_task_fn *fn, void *arg);
/* Calls fn once after about ms. On the loop's thread. Dropped when the loop stops. */
void http_loop_after(struct http_loop *l, unsigned ms, http_task_fn *fn, void *arg);
/* Calls fn once on the next turn of the loop, after pending I/O. */
void http_loop_soon(struct http_loop *l, http_task_fn *fn, void *arg);
size_t http_loops(struct http_server *s);
struct http_loop *http_loop_at(struct http_server *s, size_t i);
size_t http_loop_index(const struct http_loop *l);
void *http_loop_server_arg(const struct http_loop *l); /* the handler_arg of its server */
/* A slot for the layer above, one a loop. */
void http_loop_set_user(struct http_loop *l, void *user);
void *http_loop_user(const struct http_loop *l);

/* ---- life ---- */
/* How long a peer may take, in ms; tests take other values than base/limits.h and http_priv.h. */
struct http_times {
    unsigned head, body, idle, handshake, stall, tick;
};

struct http_options {
    const char *const *listen; /* "127.0.0.1:6443", "[::1]:0", "unix:/path" */
    size_t n_listen;
    bool tls;                  /* TCP listeners speak TLS; Unix sockets never do */
    const char *cert_file, *key_file; /* PEM */
    const char *client_ca_file; /* client certificates are asked for (not required) and verified by it; NULL: not asked */
    size_t loops;              /* 0: one a core */
    const struct http_times *times; /* NULL: the usual ones */
    size_t max_connections, max_connections_per_peer; /* 0: LIMIT_CONNECTIONS, LIMIT_CONNECTIONS_PEER */
    http_handler_fn *handler;
    void *handler_arg;
    http_task_fn *loop_begin, *loop_end; /* called on each loop's thread with the loop, before and after it serves; may be NULL */
    /* Asked by a loop that stops, once its connections are closed: whether messages are still to come. It waits for up to 30 s. */
    bool (*loop_busy)(struct http_loop *l);
    struct metrics *metrics;
};

int http_server_create(const struct http_options *o, struct http_server **ret, struct err *err);
/* Binds, starts the loops, returns when all accept. ERR_CONFLICT: address in use; ERR_IO. */
int http_server_start(struct http_server *s, struct err *err);
/* The address bound for listener i, port filled in: "127.0.0.1:40123". */
const char *http_server_address(const struct http_server *s, size_t i);
/* Loads certificate files again, for new connections. */
int http_server_reload(struct http_server *s, struct err *err);
/* Accepts nothing new and tells clients so (GOAWAY, connection: close). `stopping` streams are the handler's to end. */
void http_server_drain(struct http_server *s);
/* Requests and streams still open. */
size_t http_server_active(struct http_server *s);
/* After drain: waits until nothing is active or the deadline (ms) passes, then closes what is left, stops the loops' threads. */
void http_server_stop(struct http_server *s, unsigned deadline_ms);
void http_server_destroy(struct http_server *s);

#endif
