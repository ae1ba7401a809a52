/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of what h2o 2.2.5 keeps of an HTTP/2 connection and its streams, as far as the gate needs it. h2o installs the header that
 * declares them, but not the one that that needs. Checked against the library when a connection begins (http_gate2.c). */
#ifndef APISERVER_HTTP_H2O_PRIV_H
#define APISERVER_HTTP_H2O_PRIV_H

#include <stddef.h>

#include <h2o.h>
#include <h2o/http2.h>
#include <h2o/http2_scheduler.h>

enum { H2_STATE_RECV_BODY = 2, H2_CONN_OPEN = 0, H2_CONN_CLOSING = 2 };

struct h2_counts {
    uint32_t open, half_closed, send_body;
};

struct h2_stream {
    uint32_t stream_id;
    h2o_ostream_t ostr_final;
    int state;
    ssize_t output_window, input_window;
    h2o_http2_priority_t received_priority;
    h2o_buffer_t *req_body;
    size_t expected_content_length; /* SIZE_MAX: not known */
    H2O_VECTOR(h2o_iovec_t) data;
    void (*pull_cb)(void);
    struct h2_counts *counts;
    void *cache_digests;
    struct {
        uint32_t parent;
        unsigned promise_sent;
    } push;
    struct {
        h2o_linklist_t link;
        h2o_http2_scheduler_openref_t scheduler;
    } refs;
    int send_state;
    h2o_req_t req;
};

struct h2_table {
    void *entries;
    size_t counts[3], sizes[3];
};

struct h2_conn {
    h2o_conn_t super;
    h2o_socket_t *sock;
    h2o_http2_settings_t peer_settings;
    void *streams;
    struct {
        uint32_t max_open, max_processed;
    } pull_ids;
    uint32_t push_max_open;
    struct h2_counts num_streams[3];
    h2o_http2_scheduler_node_t scheduler;
    int state;
    h2o_linklist_t conns;
    void (*read_expect)(void);
    h2o_buffer_t *http1_input;
    struct h2_table input_table;
    ssize_t input_window;
    struct h2_table output_table;
    h2o_linklist_t pending_reqs;
    h2o_timeout_entry_t timeout_entry;
    h2o_buffer_t *headers_unparsed;
    struct {
        h2o_buffer_t *buf, *in_flight;
    } write;
};

#ifdef __x86_64__
_Static_assert(offsetof(struct h2_conn, sock) == 0x30, "h2o 2.2.5");
_Static_assert(offsetof(struct h2_conn, state) == 0xa8, "h2o 2.2.5");
_Static_assert(offsetof(struct h2_conn, read_expect) == 0xc0, "h2o 2.2.5");
_Static_assert(offsetof(struct h2_conn, write.buf) == 0x180, "h2o 2.2.5");
#endif

/* Exported by the library, declared where we cannot look. */
void h2o_http2_encode_window_update_frame(h2o_buffer_t **buf, uint32_t stream_id, int32_t increment);
void h2o_http2__encode_rst_stream_frame(h2o_buffer_t **buf, uint32_t stream_id, int errnum);
void h2o_http2_conn_request_write(struct h2_conn *conn);
void h2o_http2_stream_reset(struct h2_conn *conn, struct h2_stream *stream);

#endif
