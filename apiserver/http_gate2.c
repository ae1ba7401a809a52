/* SPDX-License-Identifier: Apache-2.0 */
/* The gate before h2o's HTTP/2: frames are counted before h2o sees them, floods end the connection,
 * bodies have a size, a time and a share of all bodies' memory. A body that is refused is answered
 * as any request is: its stream is handed to the handler early, and what still comes of it is
 * dropped. */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <stdlib.h>

#include "apiserver/http_h2o_priv.h"
#include "base/alloc.h"

enum {
    FRAME_HEAD = 9,
    FRAME_MAX = 16384,
    PREFACE_BYTES = 24,
    WINDOW_MS = 10 * 1000,
    RESETS_MAX = 200,   /* in a window: streams that the peer resets, or makes h2o reset */
    CONTROL_MAX = 1000, /* in a window: frames that only ask for work */
    LOST_MAX = 400,     /* in a window: streams opened and neither answered nor running */
    FIELDS_FROM = 512,  /* shorter header blocks need no counting */
    FIELDS_MAX = 1000,  /* of a header block; more than are answered with 431 */
    BLOCK_BYTES = 256 * 1024,
    BLOCK_FRAMES = 64,
    UPLOADS_MAX = 256, /* 100 streams at once, and refused ones whose peer still sends */
    SMALL_INCREMENT = 16,
    HUGE_INCREMENT = 1 << 30,
    LOOKS = 60, /* within a body's time: whether h2o still has its stream */
    CANCEL = 8, /* an error code */
};

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITIZED = 32 };
enum verdict { PASS, DROP, CUT };

struct frame {
    size_t len;
    unsigned type, flags;
    uint32_t id;
    const unsigned char *p; /* its payload */
};

static void on_read(h2o_socket_t *sock, const char *err);

static struct h2_conn *h2_of(const struct http_conn *c)
{
    struct h2_conn *h = c->sock->data;
    assert(h->sock == c->sock && h->state <= H2_CONN_CLOSING);
    return h;
}

/* ---- uploads ---- */

static struct upload *upload_find(struct gate2 *g, uint32_t id)
{
    for (size_t i = 0; i < g->n_uploads; i++) {
        if (g->uploads[i].id == id) {
            return &g->uploads[i];
        }
    }
    return NULL;
}

/* Of bodies that the connection itself keeps; an exchange's are its own. */
static void recount(struct http_conn *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->gate2->n_uploads; i++) {
        n += c->gate2->uploads[i].bytes;
    }
    http_charge(c, n);
}

static void upload_remove(struct http_conn *c, struct upload *u)
{
    struct gate2 *g = c->gate2;
    *u = g->uploads[--g->n_uploads];
    recount(c);
}

/* Forgets those that ended and that h2o did not hand over (it reset them), and where there are many
 * those whose refusal is over. */
static void uploads_purge(struct http_conn *c)
{
    struct gate2 *g = c->gate2;
    size_t before = g->n_uploads;
    for (size_t i = 0; i < g->n_uploads; i++) {
        struct upload *u = &g->uploads[i];
        if ((u->ended && !u->asked && !u->state) || (u->answered && g->n_uploads >= UPLOADS_MAX)) {
            *u = g->uploads[--g->n_uploads];
            i--;
        }
    }
    if (before != g->n_uploads) {
        recount(c);
    }
}

static bool upload_add(struct http_conn *c, uint32_t id)
{
    struct gate2 *g = c->gate2;
    if (g->n_uploads >= UPLOADS_MAX) {
        uploads_purge(c);
    }
    if (g->n_uploads >= UPLOADS_MAX) {
        return false;
    }
    if (g->n_uploads == g->cap_uploads) {
        g->cap_uploads = g->cap_uploads ? g->cap_uploads * 2 : 4;
        g->uploads = alloc_resize(g->uploads, g->cap_uploads * sizeof(*g->uploads));
    }
    g->uploads[g->n_uploads++] = (struct upload){.id = id, .begun_ms = h2o_now(c->loop->ev)};
    return true;
}

struct search {
    struct http_conn *conn;
    uint32_t id;
    struct h2_stream *found;
};

static int look(h2o_req_t *req, void *arg)
{
    struct search *s = arg;
    struct h2_stream *stream = H2O_STRUCT_FROM_MEMBER(struct h2_stream, req, req);
    if (req->conn != s->conn->sock->data || stream->stream_id != s->id) {
        return 0;
    }
    s->found = stream;
    return 1;
}

static struct h2_stream *stream_find(struct http_conn *c, uint32_t id)
{
    struct search s = {.conn = c, .id = id};
    H2O_HTTP2_CALLBACKS.foreach_request(&c->loop->ctx, look, &s);
    return s.found && s.found->state == H2_STATE_RECV_BODY ? s.found : NULL;
}

/* The peer may send as much again on the connection as was dropped. */
static void give_back(struct http_conn *c, size_t n)
{
    struct h2_conn *h = h2_of(c);
    if (n && h->state != H2_CONN_CLOSING) {
        h2o_http2_encode_window_update_frame(&h->write.buf, 0, (int32_t)n);
        h2o_http2_conn_request_write(h);
    }
}

static void stream_reset(struct http_conn *c, uint32_t id, int code)
{
    struct h2_conn *h = h2_of(c);
    if (h->state != H2_CONN_CLOSING) {
        h2o_http2__encode_rst_stream_frame(&h->write.buf, id, code);
        h2o_http2_conn_request_write(h);
    }
}

/* ---- counting ---- */

static enum verdict count_control(struct http_conn *c)
{
    if (++c->gate2->control <= CONTROL_MAX) {
        return PASS;
    }
    http_conn_reject(c, HTTP_REASON_CONTROL);
    return CUT;
}

static enum verdict count_reset(struct http_conn *c)
{
    if (++c->gate2->resets <= RESETS_MAX) {
        return PASS;
    }
    http_conn_reject(c, HTTP_REASON_RESETS);
    return CUT;
}

/* Streams that vanish, however the peer brings that about, were opened and never finished. */
static enum verdict count_stream(struct http_conn *c)
{
    struct gate2 *g = c->gate2;
    g->opened++;
    if (g->opened <= g->finished + LOST_MAX) {
        return PASS;
    }
    http_conn_reject(c, HTTP_REASON_RESETS);
    return CUT;
}

static void next_window(struct http_conn *c, uint64_t now)
{
    struct gate2 *g = c->gate2;
    if (now - g->window_ms > WINDOW_MS) {
        g->window_ms = now;
        g->resets = g->control = 0;
        g->opened = c->live;
        g->finished = 0;
    }
}

/* ---- header blocks ---- */

enum { FIELD_BEGIN, FIELD_INDEX, FIELD_NAME, FIELD_NAME_MORE, FIELD_VALUE, FIELD_VALUE_MORE };

static void string_end(struct gate2 *g, bool name)
{
    g->field.step = name ? FIELD_VALUE : FIELD_BEGIN;
}

static void string_begin(struct gate2 *g, unsigned char b, bool name)
{
    g->field.skip = b & 127;
    g->field.shift = 0;
    if (g->field.skip == 127) {
        g->field.step = name ? FIELD_NAME_MORE : FIELD_VALUE_MORE;
    } else {
        string_end(g, name);
    }
}

static void string_more(struct gate2 *g, unsigned char b, bool name)
{
    g->field.skip += g->field.shift < 28 ? (size_t)(b & 127) << g->field.shift : 0;
    g->field.shift += 7;
    if (!(b & 128)) {
        string_end(g, name);
    }
}

static void field_begin(struct gate2 *g, unsigned char b)
{
    unsigned mask = b & 128 ? 127 : b & 64 ? 63 : b & 32 ? 31 : 15;
    bool literal = !(b & 128) && ((b & 64) || !(b & 32));
    g->field.named = !literal || (b & mask) != 0;
    g->block_fields++;
    g->field.shift = literal; /* while the index goes on: whether a value follows it */
    g->field.step = (b & mask) == mask ? FIELD_INDEX
                    : !literal         ? FIELD_BEGIN
                    : g->field.named   ? FIELD_VALUE
                                       : FIELD_NAME;
}

/* Counts the fields of a header block without decoding it (RFC 7541 section 6): h2o takes any
 * number of them, each of one byte. */
static void count_fields(struct gate2 *g, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (g->field.skip && (g->field.step == FIELD_BEGIN || g->field.step == FIELD_VALUE)) {
            size_t skip = g->field.skip < n - i ? g->field.skip : n - i;
            g->field.skip -= skip;
            i += skip - 1;
            continue;
        }
        switch (g->field.step) {
        case FIELD_BEGIN:
            field_begin(g, p[i]);
            break;
        case FIELD_INDEX:
            if (!(p[i] & 128)) {
                g->field.step = g->field.shift ? FIELD_VALUE : FIELD_BEGIN;
            }
            break;
        case FIELD_NAME:
        case FIELD_VALUE:
            string_begin(g, p[i], g->field.step == FIELD_NAME);
            break;
        default:
            string_more(g, p[i], g->field.step == FIELD_NAME_MORE);
            break;
        }
    }
}

static enum verdict on_block(struct http_conn *c, const struct frame *f, size_t skip, size_t pad)
{
    struct gate2 *g = c->gate2;
    bool whole = f->flags & END_HEADERS;
    if (skip + pad > f->len) {
        return PASS; /* h2o ends the connection */
    }
    size_t n = f->len - skip - pad;
    g->block_bytes += n;
    g->block_frames++;
    if (!whole || g->block_frames > 1 || n > FIELDS_FROM) {
        count_fields(g, f->p + skip, n);
    }
    if (g->block_bytes > BLOCK_BYTES || g->block_frames > BLOCK_FRAMES ||
        g->block_fields > FIELDS_MAX) {
        http_conn_reject(c, HTTP_REASON_HEADER_FLOOD);
        return CUT;
    }
    /* After its GOAWAY h2o would look at a continuation for ever. */
    if (!whole && c->loop->draining) {
        http_conn_cut(c);
        return CUT;
    }
    g->block_id = whole ? 0 : f->id;
    return PASS;
}

static enum verdict on_headers(struct http_conn *c, const struct frame *f)
{
    struct gate2 *g = c->gate2;
    size_t pad = f->flags & PADDED && f->len ? f->p[0] : 0;
    size_t skip = (f->flags & PADDED ? 1u : 0u) + (f->flags & PRIORITIZED ? 5u : 0u);
    g->block_bytes = g->block_fields = g->block_frames = 0;
    memset(&g->field, 0, sizeof(g->field));
    g->block_ms = h2o_now(c->loop->ev);
    if (f->id > g->max_id) {
        g->max_id = f->id;
        if (count_stream(c) == CUT) {
            return CUT;
        }
        if (!(f->flags & END_STREAM) && !upload_add(c, f->id)) {
            http_conn_reject(c, HTTP_REASON_BODIES);
            return CUT;
        }
    } else {
        struct upload *u = upload_find(g, f->id);
        if (u) {
            u->ended = true; /* by trailers */
        }
    }
    return on_block(c, f, skip, pad);
}

static enum verdict on_continuation(struct http_conn *c, const struct frame *f)
{
    if (c->loop->draining) {
        http_conn_cut(c);
        return CUT;
    }
    return c->gate2->block_id == f->id ? on_block(c, f, 0, 0) : PASS;
}

/* ---- bodies ---- */

static void upload_refuse(struct http_conn *c, struct upload *u, enum http_body_state state)
{
    http_reject(c->loop->server,
                state == HTTP_BODY_TOO_LARGE ? HTTP_REASON_BODY : HTTP_REASON_BODIES);
    u->state = state;
    c->gate2->refusing = true;
    http_conn_soon(c);
}

static enum verdict on_data(struct http_conn *c, const struct frame *f)
{
    struct gate2 *g = c->gate2;
    size_t pad = f->flags & PADDED && f->len ? f->p[0] + 1u : 0;
    if (pad > f->len) {
        return PASS; /* h2o ends the connection */
    }
    size_t n = f->len - pad;
    bool end = f->flags & END_STREAM;
    struct upload *u = upload_find(g, f->id);
    if ((!u || (!n && !end)) && count_control(c) == CUT) {
        return CUT;
    }
    if (!u) {
        return PASS;
    }
    if (!u->state) {
        u->bytes += n;
        bool fits = http_charge(c, c->charged + n);
        if (u->bytes > LIMIT_BODY_BYTES || !fits) {
            upload_refuse(c, u, fits ? HTTP_BODY_TOO_LARGE : HTTP_BODY_NO_MEMORY);
        }
    }
    u->ended |= end;
    if (!u->state) {
        return PASS;
    }
    give_back(c, f->len);
    if (u->ended && u->answered) {
        upload_remove(c, u);
    }
    return DROP;
}

/* ---- frames ---- */

static enum verdict on_reset(struct http_conn *c, const struct frame *f)
{
    struct upload *u = upload_find(c->gate2, f->id);
    if (u && (!u->asked || u->answered)) {
        upload_remove(c, u);
    } else if (u) {
        u->ended = true;
    }
    return count_reset(c);
}

static enum verdict on_window_update(struct http_conn *c, const struct frame *f)
{
    uint32_t n = f->len == 4 ? ((uint32_t)f->p[0] << 24 | (uint32_t)f->p[1] << 16 |
                                (uint32_t)f->p[2] << 8 | f->p[3]) &
                                   0x7fffffff
                             : 0;
    if (f->id && (!n || n >= HUGE_INCREMENT)) {
        return count_reset(c);
    }
    return n < SMALL_INCREMENT ? count_control(c) : PASS;
}

static enum verdict on_frame(struct http_conn *c, const struct frame *f)
{
    if (c->gate2->block_id && f->type != CONTINUATION) {
        return PASS; /* h2o ends the connection */
    }
    switch (f->type) {
    case DATA:
        return on_data(c, f);
    case HEADERS:
        return on_headers(c, f);
    case CONTINUATION:
        return on_continuation(c, f);
    case RST_STREAM:
        return on_reset(c, f);
    case WINDOW_UPDATE:
        return on_window_update(c, f);
    case SETTINGS:
    case PING:
        return f->flags & ACK ? PASS : count_control(c);
    case PUSH_PROMISE:
        return PASS; /* h2o ends the connection */
    case PRIORITY:
    case GOAWAY:
        return count_control(c);
    default: /* h2o would write a line to stderr for each (RFC 9113 section 4.1: to be ignored) */
        return count_control(c) == CUT ? CUT : DROP;
    }
}

/* Looks at the whole frames of the input, and takes out those that h2o shall not see. False: the
 * connection is over. */
static bool walk(struct http_conn *c)
{
    h2o_buffer_t *in = c->sock->input;
    size_t from = 0, to = 0;
    if (c->gate2->preface) {
        if (in->size < PREFACE_BYTES) {
            return true;
        }
        from = to = PREFACE_BYTES;
        c->gate2->preface = 0;
    }
    while (in->size - from >= FRAME_HEAD) {
        const unsigned char *h = (unsigned char *)in->bytes + from;
        struct frame f = {
            (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2], h[3], h[4],
            ((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]) & 0x7fffffff,
            h + FRAME_HEAD};
        size_t whole = FRAME_HEAD + f.len;
        if (f.len > FRAME_MAX || in->size - from < whole) {
            break;
        }
        enum verdict v = on_frame(c, &f);
        if (v == CUT) {
            return false;
        }
        if (v == PASS && to != from) {
            memmove(in->bytes + to, in->bytes + from, whole);
        }
        to += v == PASS ? whole : 0;
        from += whole;
    }
    size_t left = in->size - from;
    if (to != from) {
        memmove(in->bytes + to, in->bytes + from, left);
        in->size = to + left;
    }
    c->gate2->partial_ms = !left                           ? 0
                           : from || !c->gate2->partial_ms ? h2o_now(c->loop->ev)
                                                           : c->gate2->partial_ms;
    return true;
}

/* What h2o has stopped (too much is waiting to be written) it starts again past the gate. */
static void after(struct http_conn *c)
{
    if (!c->sock->_cb.read) {
        http_conn_soon(c);
    }
    if (c->gate2->n_uploads) {
        uploads_purge(c);
    }
    http_conn_attend(c);
}

/* False: that was the connection's end. */
static bool hand_on(struct http_conn *c, const char *err)
{
    bool dead = false;
    c->dead = &dead;
    c->h2o_read(c->sock, err);
    if (!dead) {
        c->dead = NULL;
        after(c);
    }
    return !dead;
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct http_conn *c = sock->on_close.data;
    c->active_ms = h2o_now(c->loop->ev);
    if (err || c->cut) {
        hand_on(c, err ? err : "cut");
        return;
    }
    next_window(c, c->active_ms);
    if (walk(c)) {
        hand_on(c, NULL);
    } else {
        h2o_buffer_consume(&sock->input, sock->input->size);
    }
}

/* ---- refusing ---- */

/* Has h2o hand over the request of the upload with what there is of its body. False: the connection
 * is gone. */
static bool ask(struct http_conn *c, struct upload *u)
{
    struct h2_stream *stream = stream_find(c, u->id);
    uint32_t id = u->id;
    u->asked = true;
    if (!stream) {
        upload_remove(c, u);
        return true;
    }
    unsigned char frame[FRAME_HEAD] = {0,
                                       0,
                                       0,
                                       DATA,
                                       END_STREAM,
                                       (unsigned char)(id >> 24),
                                       (unsigned char)(id >> 16),
                                       (unsigned char)(id >> 8),
                                       (unsigned char)id};
    stream->expected_content_length = SIZE_MAX;
    /* h2o stands between two frames: this one goes before what is there of the next. */
    h2o_buffer_t **in = &c->sock->input;
    h2o_buffer_reserve(in, FRAME_HEAD);
    memmove((*in)->bytes + FRAME_HEAD, (*in)->bytes, (*in)->size);
    memcpy((*in)->bytes, frame, FRAME_HEAD);
    (*in)->size += FRAME_HEAD;
    return hand_on(c, NULL);
}

static struct upload *next_refused(struct gate2 *g)
{
    for (size_t i = 0; i < g->n_uploads; i++) {
        if (g->uploads[i].state && !g->uploads[i].asked) {
            return &g->uploads[i];
        }
    }
    return NULL;
}

void gate2_turn(struct http_conn *c)
{
    struct gate2 *g = c->gate2;
    if (c->sock->_cb.read == c->h2o_read) {
        c->sock->_cb.read = on_read;
    } else if ((!c->sock->_cb.read || (g->refusing && g->block_id)) && !c->cut) {
        http_conn_soon(c); /* until h2o reads again, or can be asked */
    }
    if (!g->refusing || g->block_id || h2_of(c)->state == H2_CONN_CLOSING) {
        return;
    }
    g->refusing = false;
    c->loop->hasty = true;
    for (struct upload *u; (u = next_refused(g));) {
        if (!ask(c, u) || h2_of(c)->state == H2_CONN_CLOSING) {
            return;
        }
    }
}

void gate2_claim(struct http_conn *c, struct exchange *x)
{
    if (!c->gate2->n_uploads) {
        return;
    }
    uint32_t id = H2O_STRUCT_FROM_MEMBER(struct h2_stream, req, x->req)->stream_id;
    struct upload *u = upload_find(c->gate2, id);
    if (!u) {
        return;
    }
    x->pub.body_state = u->state;
    x->upload_id = id;
    u->asked = true;
}

void gate2_done(struct http_conn *c, struct exchange *x, bool answered)
{
    struct gate2 *g = c->gate2;
    g->finished += answered;
    struct upload *u = x->upload_id ? upload_find(g, x->upload_id) : NULL;
    if (!u) {
        return;
    }
    if (u->state && !u->ended) {
        u->answered = true;
        u->bytes = 0;
        recount(c);
        stream_reset(c, u->id, 0); /* NO_ERROR: the rest need not be sent (RFC 9113 section 8.1) */
    } else {
        upload_remove(c, u);
    }
}

/* ---- time ---- */

void gate2_tick(struct http_conn *c, uint64_t now)
{
    struct gate2 *g = c->gate2;
    const struct http_times *t = &c->loop->server->times;
    if ((g->block_id && now - g->block_ms > t->head) ||
        (g->partial_ms && now - g->partial_ms > t->head)) {
        http_conn_reject(c, HTTP_REASON_HEAD_TIME);
        return;
    }
    for (size_t i = 0; i < g->n_uploads; i++) {
        struct upload *u = &g->uploads[i];
        if (u->asked || u->state || now - u->begun_ms < t->body / LOOKS) {
            continue;
        }
        struct h2_stream *stream = stream_find(c, u->id);
        bool late = now - u->begun_ms > t->body;
        if (stream && late && h2_of(c)->state != H2_CONN_CLOSING) {
            http_reject(c->loop->server, HTTP_REASON_BODY_TIME);
            stream_reset(c, u->id, CANCEL);
            h2o_http2_stream_reset(h2_of(c), stream);
        }
        if (!stream || late) { /* no stream: h2o has reset it */
            upload_remove(c, u);
            i--;
        }
    }
}

/* ---- life ---- */

void gate2_open(struct http_conn *c)
{
    h2o_buffer_t *rest = c->gate1.rest;
    bool begun = c->gate1.preface;
    c->gate1 = (struct gate1){0};
    c->phase = HTTP_PHASE_2;
    c->gate2 = ALLOC(struct gate2);
    c->gate2->preface = begun ? 0 : PREFACE_BYTES;
    c->gate2->window_ms = c->active_ms = h2o_now(c->loop->ev);
    c->h2o_read = c->sock->_cb.read;
    c->sock->_cb.read = on_read;
    http_conn_attend(c);
    if (rest) {
        h2o_iovec_t to = h2o_buffer_reserve(&c->sock->input, rest->size);
        memcpy(to.base, rest->bytes, rest->size);
        c->sock->input->size += rest->size;
        h2o_buffer_dispose(&rest);
        on_read(c->sock, NULL);
    }
}

void gate2_close(struct http_conn *c)
{
    if (c->gate2) {
        free(c->gate2->uploads);
        free(c->gate2);
    }
}
