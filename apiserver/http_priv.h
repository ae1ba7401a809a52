/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the transport share: server, loops, connections, exchanges. Only
 * apiserver/http*.c include this. */
#ifndef APISERVER_HTTP_PRIV_H
#define APISERVER_HTTP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <openssl/ssl.h>

#include "apiserver/http.h"
#include "apiserver/http_gate_priv.h"
#include "base/limits.h"

enum {
    HTTP_ENTITY_BYTES = LIMIT_BODY_BYTES, /* h2o's own limit; the gates keep it from being met */
    HTTP_RCVBUF_BYTES = 256 * 1024,  /* what h2o may find at a time, before anything is counted */
    HTTP_SNDBUF_BYTES = 256 * 1024,  /* what a reader that stands still can hold in the kernel */
    HTTP_PIPELINE_BYTES = 64 * 1024, /* read ahead while a stream runs */
    HTTP_ABORTS_MAX = 200, /* exchanges that a connection may abort within HTTP_ABORTS_MS */
    HTTP_ABORTS_MS = 10 * 1000,
    HTTP_LIVE_MAX = 200, /* exchanges at once on a connection; h2o itself allows 100 streams */
    HTTP_TICK_MS = 1000,
    HTTP_IDLE_MS = 120 * 1000, /* HTTP/1.1: between requests */
    HTTP_IDLE2_MS = 180 * 1000,
    HTTP_FIELDS_MAX = 100, /* headers of a request */
    HTTP_H2O_MS = 24 * 3600 * 1000, /* h2o's own time for a request: the gate's are shorter */
    /* h2o makes TLS records of 1,400 bytes until so much was written on a connection, then full
       ones. Lists are long: begin with those. */
    HTTP_TLS_WARM_BYTES = 200 * 1024,
    HTTP_TLS_RECORD_BYTES = 16 * 1024,
    HTTP_ACCEPTS = 64, /* connections taken in one turn of the loop */
    HTTP_PATIENCE_MS = 3000, /* while draining: for the rest of a request that has begun to come */
    HTTP_LOOK_MS = 20,
};

/* The names in a verified client certificate. */
struct http_identity {
    char *user;
    char **groups;
    size_t n_groups;
    int64_t expires;
};

/* A connection; hangs at its socket's on_close. Belongs to its loop. */
struct http_conn {
    struct http_loop *loop;
    h2o_socket_t *sock;
    SSL *ssl; /* once its handshake is through; the socket's */
    SSL_CTX *shakes_with; /* a reference, during the handshake: h2o makes the SSL of it when the first bytes come */
    struct http_conn *prev, *next;
    struct exchange *streaming; /* HTTP/1: the stream whose peer is being watched for leaving */
    struct http_identity *ident;
    struct http_peer *from;     /* as counted */
    enum http_phase phase;
    h2o_socket_cb h2o_read;     /* what the gate hands on to */
    struct gate1 gate1;
    struct gate2 *gate2;        /* HTTP/2 only */
    bool *dead;                 /* to be set when it is destroyed */
    struct http_conn *attend_prev, *attend_next; /* the list of those that the tick looks at */
    struct http_conn *soon_prev, *soon_next;     /* of those for the end of the loop's turn */
    bool attended, hurried, shaking;
    uint64_t soon_turn;
    uint64_t active_ms; /* when something came or was finished; before: when it was accepted */
    size_t charged;     /* of all bodies' bytes */
    int linger_fd;      /* -1: none */
    unsigned live;    /* exchanges not disposed yet */
    unsigned aborted; /* exchanges disposed unanswered since aborted_since */
    uint64_t aborted_since;
    bool tls, cut;
    char peer[64];
};

/*
 * A request and its answer:
 *   WAITING   -> STREAMING  http_stream_begin
 *   WAITING   -> FINAL      http_respond
 *   STREAMING -> FINAL      the last http_stream_send, http_stream_abort
 * req is NULL once h2o has disposed of its request, in whatever state.
 */
enum exchange_state { EXCHANGE_WAITING, EXCHANGE_STREAMING, EXCHANGE_FINAL };

struct exchange {
    struct http_request pub;
    _Atomic unsigned refs;
    _Atomic bool gone;
    enum exchange_state state;
    bool in_flight; /* a send is with h2o */
    bool doomed;    /* to be cut as soon as h2o lets us */
    bool chunked;
    h2o_req_t *req;
    struct http_conn *conn;
    h2o_generator_t generator;
    http_gone_fn *on_gone;
    void *on_gone_arg;
    http_ready_fn *ready;
    void *ready_arg;
    /* What h2o still reads from: released when the send is through. */
    struct blob **held;
    size_t n_held, cap_held;
    struct buf held_buf;
    size_t direct_sent; /* of held_buf, by http_direct.c */
    struct websocket *websocket; /* from the handshake's answer on; req is NULL soon after */
    char chunk_head[24];
    /* The loop's list of sends in flight, oldest first. */
    struct exchange *send_prev, *send_next;
    uint64_t send_since;
    int send_queued; /* bytes in the kernel at the last look; -1: not looked yet */
    size_t body_charged;
    uint32_t upload_id; /* HTTP/2, where there was a body: its stream */
    char *body_alloc;
    char mem[];
};

static inline struct exchange *exchange_of(const struct http_request *r)
{
    return (struct exchange *)(uintptr_t)r;
}

struct http_timer {
    unsigned interval_ms; /* 0: once */
    uint64_t due_ms;
    http_task_fn *fn;
    void *arg;
};

struct http_task {
    http_task_fn *fn;
    void *arg;
};

struct http_tasks {
    struct http_task *items;
    size_t n, cap;
};

/* A listening socket as one loop has it. */
struct http_listener {
    struct http_loop *loop;
    h2o_socket_t *sock;
    h2o_accept_ctx_t accept;
    bool paused; /* out of file descriptors; tried again by the tick */
};

struct http_loop {
    struct http_server *server;
    size_t index;
    pthread_t thread;
    void *user;
    h2o_loop_t *ev;
    h2o_context_t ctx;
    h2o_buffer_prototype_t exact; /* of buffers as large as what they hold; keeps none for reuse */
    h2o_multithread_receiver_t receiver;
    pthread_mutex_t post_lock; /* guards `open` against the receiver's end */
    bool open;
    struct http_listener *listeners;
    struct http_conn *conns;
    struct http_conn *attend_first, *attend_last, *soon_first, *soon_last;
    uint64_t turn;
    bool hasty; /* h2o has something to do that it does not know of: the next turn does not wait */
    struct http_conn *shaking_first, *shaking_last; /* in their TLS handshake, oldest first */
    size_t n_shaking;
    struct lingerer *lingers;
    size_t n_lingers;
    struct http_timer *timers;
    size_t n_timers;
    struct http_tasks soon;
    struct exchange *send_first, *send_last;
    struct http_direct *direct;
    h2o_iovec_t *iov;
    size_t cap_iov;
    bool stopping, draining;
    uint64_t patience_ms; /* while draining: until when half-received requests are waited for */
    _Atomic size_t active, n_conns, receiving;
    _Atomic uint64_t accepted, cut;
};

struct http_address {
    int fd;
    bool tls;
    char *text;      /* as bound */
    char *unix_path; /* to be removed at the end */
};

struct http_server {
    struct http_options o;
    h2o_globalconf_t conf;
    SSL_CTX *tls; /* of new loops; each loop's accept contexts hold references */
    char *cert_file, *key_file, *client_ca_file;
    struct http_address *addresses;
    size_t n_addresses;
    char **listen;
    struct http_loop *loops;
    size_t n_loops;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_started, n_running;
    bool started, drained;
    _Atomic size_t bodies; /* bytes of all bodies in memory */
    _Atomic size_t connections;
    struct http_peers *peers;
    struct http_times times;
    struct metric *rejected[HTTP_REASONS], *handshake_errors; /* NULL without metrics */
};

/* http_conn.c */
void http_listener_open(struct http_loop *l, struct http_listener *k, const struct http_address *a);
void http_listener_close(struct http_listener *k);
void http_listener_tick(struct http_listener *k);
/* Ends the connection whatever it is doing: its reads and writes fail from now on. */
void http_conn_cut(struct http_conn *c);
/* A tick's look at the handshakes. */
void http_shaking_tick(struct http_loop *l);
int http_on_request(h2o_handler_t *self, h2o_req_t *req);

/* http_request.c */
/* With one reference, of its connection; not known to h2o yet. */
struct exchange *exchange_read(struct http_conn *c, h2o_req_t *req);

/* http.c */
struct exchange *exchange_create(struct http_conn *c, h2o_req_t *req);
/* Cuts what has been waiting for its peer too long. */
void exchange_tick(struct http_loop *l);
/* The peer has gone, or must: ends the stream's connection. */
void exchange_cut(struct exchange *x);
/* A send has begun that is watched as h2o's are; it is through, and the stream's owner goes on. */
void exchange_sending(struct exchange *x);
void exchange_sent(struct exchange *x);
/* The connection of an exchange that outlived h2o's request is closed. */
void exchange_end(struct exchange *x);

/* http_websocket.c */
bool http_websocket_writable(const struct exchange *x);
void http_websocket_send(struct exchange *x, struct blob *const *blobs, size_t n, bool last);

/* http_direct.c */
void http_direct_tick(struct http_loop *l);
void http_direct_finish(struct http_loop *l);

/* http_loop.c */
int http_loop_begin(struct http_server *s, size_t index, struct err *err);
void http_loop_finish(struct http_loop *l);

/* http_tls.c */
int http_tls_create(const struct http_server *s, SSL_CTX **ret, struct err *err);
void http_identity_destroy(struct http_identity *i);
/* Since 1970; 0: not understood. */
int64_t http_tls_seconds(const ASN1_TIME *t);

#endif
