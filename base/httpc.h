/* SPDX-License-Identifier: Apache-2.0 */
/* An outgoing HTTP/1.1 client: requests run on a thread of its own, over connections that are kept.
 * libcurl is loaded when the first client is made, so that a process without one does not pay for
 * it. */
#ifndef BASE_HTTPC_H
#define BASE_HTTPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct httpc;

struct httpc_options {
    size_t
        connections; /* open at once to one host; more requests wait. 0: LIMIT_HTTPC_CONNECTIONS */
};

/* ERR_UNAVAILABLE: libcurl or a thread is not to be had. */
int httpc_create(const struct httpc_options *o, struct httpc **ret, struct err *err);
/* Ends what is under way (its done is called with ERR_CLOSED) and forgets what httpc_later was
 * given. No other thread may be inside a call, nor may this be called on the client's thread. NULL
 * allowed. */
void httpc_destroy(struct httpc *h);

/* PEM; a NULL or empty member is not used. Without ca_file and ca_pem the system's authorities
 * hold. */
struct httpc_tls {
    const char *ca_file, *cert_file, *key_file;
    struct str ca_pem;
    bool insecure; /* neither the peer's certificate nor its name is looked at */
};

enum { HTTPC_WANTED = 4 };

struct httpc_answer {
    /* 0: there is an answer, of whatever status. ERR_UNAVAILABLE: no connection came about, or it
     * broke; ERR_TIMEOUT; ERR_TOO_LARGE: the body is over max_body; ERR_CLOSED: cancelled, or ended
     * by chunk; ERR_IO: anything else. */
    int code;
    bool sent;                        /* with code: the peer may have acted upon the request */
    int status;                       /* 200; 0: none came */
    struct str body;                  /* what was not given to chunk */
    struct str headers[HTTPC_WANTED]; /* as request.wanted; STR_NULL where the answer has none */
    const char *text;                 /* with code: what went wrong, for a person */
};

/* Called once for each request, on the client's thread; the answer lives until it returns. Must not
 * wait. */
typedef void httpc_done_fn(void *arg, const struct httpc_answer *a);
/* A piece of the body of a 2xx answer, as it arrives. False ends the request. */
typedef bool httpc_chunk_fn(void *arg, struct str piece);

/* For those who hand an answer on, whatever its status: a header of it (name empty: a head begins,
 * what was told before is void), ... */
typedef void httpc_header_fn(void *arg, struct str name, struct str value);
/* ... the end of its head, and its body by pieces. PAUSE: the piece comes again after httpc_resume,
 * and until then nothing is read from the peer. */
typedef bool httpc_head_fn(void *arg, int status);
enum httpc_flow { HTTPC_GO_ON, HTTPC_PAUSE, HTTPC_END };
typedef enum httpc_flow httpc_piece_fn(void *arg, struct str piece);

struct httpc_request {
    const char *method, *url;   /* http or https; redirects are not followed, proxies not used */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    struct str body;    /* stays until done; PUT, POST and PATCH send one, if empty */
    int64_t connect_ms; /* 0: LIMIT_HTTPC_CONNECT_MS */
    int64_t timeout_ms; /* for all of it; 0: none, and dead peers are found by TCP's keep-alive */
    size_t max_body;    /* 0: LIMIT_HTTPC_BODY_BYTES; with lines: of a line */
    const struct httpc_tls *tls;      /* stays until done; NULL: none of its members */
    const char *wanted[HTTPC_WANTED]; /* names of headers; stay until done */
    httpc_chunk_fn *chunk;            /* NULL: the body is gathered */
    bool lines;                       /* chunk is given whole lines, without their ends */
    httpc_header_fn *header;          /* with head and piece: all three, and no chunk */
    httpc_head_fn *head;              /* false ends the request */
    httpc_piece_fn *piece;            /* takes it all: max_body does not hold */
    httpc_done_fn *done;
    void *arg;
};

/* Begins a request; any thread. A request is never sent twice (over a kept connection that turns
 * out to be dead it is only sent anew when nothing of its body had been written). Returns a number
 * for httpc_cancel, never 0. */
uint64_t httpc_start(struct httpc *h, const struct httpc_request *r);
/* Ends the request soon, if it has not ended. Any thread. */
void httpc_cancel(struct httpc *h, uint64_t call);
/* Goes on with a request whose piece was answered by PAUSE. Any thread; of one that has ended
 * nothing comes. */
void httpc_resume(struct httpc *h, uint64_t call);
/* Waits for the answer, whose body is appended to *ret_body. Not on the client's thread; chunk,
 * done and arg are not looked at. The status, or the code of the answer. */
int httpc_wait(struct httpc *h, const struct httpc_request *r, struct buf *ret_body,
               struct err *err);

typedef void httpc_later_fn(void *arg);
/* Calls fn on the client's thread in so many milliseconds. Any thread. */
void httpc_later(struct httpc *h, int64_t ms, httpc_later_fn *fn, void *arg);

#endif
