/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between the socket and h2o: every byte that a peer sends is looked at before h2o sees it. Only apiserver/http*.c include
 * this. */
#ifndef APISERVER_HTTP_GATE_PRIV_H
#define APISERVER_HTTP_GATE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <h2o.h>

#include "apiserver/http.h"

struct http_conn;
struct http_loop;
struct http_server;
struct exchange;

/* Why the transport refuses or ends something; the label of apiserver_rejected_requests_total. */
enum http_reason {
    HTTP_REASON_BAD_REQUEST,
    HTTP_REASON_FRAMING,
    HTTP_REASON_HOST,
    HTTP_REASON_URI,
    HTTP_REASON_HEADERS,
    HTTP_REASON_BODY,
    HTTP_REASON_BODIES,
    HTTP_REASON_EXPECT,
    HTTP_REASON_HEAD_TIME,
    HTTP_REASON_BODY_TIME,
    HTTP_REASON_STALLED,
    HTTP_REASON_RESETS,
    HTTP_REASON_CONTROL,
    HTTP_REASON_HEADER_FLOOD,
    HTTP_REASON_CONNECTIONS,
    HTTP_REASON_PEER,
    HTTP_REASON_HANDSHAKES,
    HTTP_REASON_HANDSHAKE_TIME,
    HTTP_REASON_PLAIN,
    HTTP_REASONS,
};

/* An answer of the transport's own. */
struct http_refusal {
    int status;
    const char *phrase, *text;
    enum http_reason why;
};

enum http_phase { HTTP_PHASE_HANDSHAKE, HTTP_PHASE_1, HTTP_PHASE_2, HTTP_PHASE_OTHER };

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_END,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
    CHUNK_DONE,
};

/* HTTP/1: a request is kept from h2o until it is whole and known to be sound. */
struct gate1 {
    h2o_buffer_t *rest; /* what came behind the request that h2o has; NULL: nothing */
    size_t searched;    /* of a head not complete yet: where to go on looking for its end */
    size_t head;        /* its length; 0: not complete */
    size_t end;         /* of the request in the input, as far as known */
    uint64_t begun_ms;  /* when its first byte came; 0: none has */
    size_t coding_at, coding_end; /* the Transfer-Encoding line */
    size_t chunk_left, chunk_digits, chunk_extra;
    enum chunk_state chunk;
    bool chunked;
    bool continuing; /* "100 Continue" is being written */
    bool preface;    /* it was HTTP/2's */
    bool passed;     /* h2o has the request */
    enum http_body_state body;
    const struct http_refusal *refusal;
};

/* A body on its way over HTTP/2. */
struct upload {
    uint32_t id;
    enum http_body_state state; /* not OK: the rest is thrown away */
    bool ended;    /* the peer has sent all of it */
    bool asked;    /* refused ones: the request was handed to h2o */
    bool answered; /* and that is over */
    size_t bytes;
    uint64_t begun_ms;
};

/* HTTP/2: what a connection's frames amount to. */
struct gate2 {
    struct upload *uploads;
    size_t n_uploads, cap_uploads;
    uint32_t max_id;   /* of the streams opened */
    uint32_t block_id; /* of the header block that is still to be continued; 0: none */
    size_t block_bytes, block_fields, block_frames;
    uint64_t block_ms;
    struct { /* where in a header field the block's counting stands */
        unsigned step;
        bool named;
        size_t skip, shift;
    } field;
    uint64_t window_ms; /* when the counters below began */
    unsigned resets, control, opened, finished;
    uint64_t partial_ms; /* since when a frame is incomplete; 0: none is */
    unsigned preface;    /* bytes of it still to come */
    bool refusing;       /* an upload waits to be refused */
};

/* ---- http_guard.c ---- */
void http_reject(struct http_server *s, enum http_reason why);
/* Cuts the connection for it. */
void http_conn_reject(struct http_conn *c, enum http_reason why);
/* Counts n bytes of input as the connection's, instead of what was counted before. False: all together are too many (they are counted
 * nevertheless). */
bool http_charge(struct http_conn *c, size_t n);
/* Puts the connection on the list of those that the loop's tick looks at, or takes it off it. */
void http_conn_attend(struct http_conn *c);
void http_guard_tick(struct http_loop *l);
/* The connection is to be looked at when the loop's turn is over. */
void http_conn_soon(struct http_conn *c);
void http_guard_turn(struct http_loop *l);
/* Keeps the peer from losing an answer because of what it is still sending: once h2o has closed, the rest is read and dropped. */
void http_linger_later(struct http_conn *c);
void http_linger(struct http_loop *l, int fd);
/* The connection is about to be destroyed. */
void http_conn_forget(struct http_conn *c);
void http_guard_finish(struct http_loop *l);
/* Whether a connection of this socket may be taken in; counts it, until http_peer_leave. ret: the peer as counted, NULL: is not. */
struct http_peer;
bool http_peer_enter(struct http_server *s, int fd, struct http_peer **ret);
void http_peer_leave(struct http_server *s, struct http_peer *p);
void http_guard_create(struct http_server *s);
void http_guard_destroy(struct http_server *s);

/* ---- http_gate1.c ---- */
/* h2o has just begun to read requests from the socket. */
void gate1_open(struct http_conn *c);
/* Leaves only `end` bytes in the input; what follows is kept aside until h2o is through with them. */
void gate1_aside(struct http_conn *c, size_t end);
void gate1_close(struct http_conn *c);
/* h2o is through with the request, and about to look at what is in the input. */
void gate1_done(struct http_conn *c);
/* Looks at what has come; may end the connection. */
void gate1_advance(struct http_conn *c);
/* Somebody else has taken the socket over (an upgrade): gives back what was kept aside. */
void gate1_release(struct http_conn *c);
/* Answers for the time that is over. */
void gate1_late(struct http_conn *c, bool body);

/* ---- http_gate2.c ---- */
/* h2o has just begun to read frames; takes what was kept aside. May end the connection. */
void gate2_open(struct http_conn *c);
void gate2_close(struct http_conn *c);
void gate2_turn(struct http_conn *c);
void gate2_tick(struct http_conn *c, uint64_t now);
/* Where the exchange is for an upload: takes over what is known of it. */
void gate2_claim(struct http_conn *c, struct exchange *x);
void gate2_done(struct http_conn *c, struct exchange *x, bool answered);

#endif
