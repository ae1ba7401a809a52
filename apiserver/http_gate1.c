/* SPDX-License-Identifier: Apache-2.0 */
/* The gate before h2o's HTTP/1: a request is passed on only when its head is sound (RFC 9112,
 * strictly) and its body is there. What is refused is put into a form that h2o hands over at once,
 * so that every answer goes the one way. */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    HEAD_BYTES = LIMIT_HEADER_BYTES + 1024, /* h2o's caller counts exactly */
    CHUNK_DIGITS = 8,
    CHUNK_EXTRA = 16 * 1024, /* extensions and trailers */
    CHARGED_FROM = 16 * 1024,
};

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define STAND_IN "GET / HTTP/1.1\r\nhost: x\r\n\r\n" /* for a head that h2o shall not see */

#define REFUSAL(name, status, phrase, why, detail)                                                 \
    static const struct http_refusal name = {status, phrase, #status " " phrase detail,            \
                                             HTTP_REASON_##why}

REFUSAL(bad_line, 400, "Bad Request", BAD_REQUEST, ": malformed HTTP request");
REFUSAL(bad_field, 400, "Bad Request", BAD_REQUEST, ": malformed header");
REFUSAL(bad_chunk, 400, "Bad Request", FRAMING, ": malformed chunked encoding");
REFUSAL(ambiguous, 400, "Bad Request", FRAMING, ": ambiguous message framing");
REFUSAL(no_host, 400, "Bad Request", HOST, ": missing required Host header");
REFUSAL(two_hosts, 400, "Bad Request", HOST, ": too many Host headers");
REFUSAL(bad_host, 400, "Bad Request", HOST, ": malformed Host header");
REFUSAL(bad_coding, 501, "Not Implemented", FRAMING, ": unsupported transfer encoding");
REFUSAL(bad_version, 505, "HTTP Version Not Supported", BAD_REQUEST,
        ": unsupported protocol version");
REFUSAL(long_uri, 414, "Request URI Too Long", URI, "");
REFUSAL(large_head, 431, "Request Header Fields Too Large", HEADERS, "");
REFUSAL(expectation, 417, "Expectation Failed", EXPECT, "");
REFUSAL(late_head, 408, "Request Timeout", HEAD_TIME, "");
REFUSAL(late_body, 408, "Request Timeout", BODY_TIME, "");

static void on_read(h2o_socket_t *sock, const char *err);

/* ---- to h2o and back ---- */

/* The connection may be gone afterwards. */
static void pass(struct http_conn *c, const char *err)
{
    c->gate1.passed = true;
    c->h2o_read(c->sock, err);
}

void gate1_aside(struct http_conn *c, size_t end)
{
    h2o_buffer_t *in = c->sock->input;
    if (in->size <= end) {
        return;
    }
    size_t n = in->size - end;
    if (!c->gate1.rest) {
        h2o_buffer_init(&c->gate1.rest, &c->loop->exact);
    }
    h2o_iovec_t to = h2o_buffer_reserve(&c->gate1.rest, n);
    memcpy(to.base, in->bytes + end, n);
    c->gate1.rest->size += n;
    in->size = end;
}

static void pass_request(struct http_conn *c)
{
    gate1_aside(c, c->gate1.end);
    pass(c, NULL);
}

static void drop_rest(struct http_conn *c)
{
    if (c->gate1.rest) {
        h2o_buffer_dispose(&c->gate1.rest);
        c->gate1.rest = NULL;
    }
}

/* Whatever else was sent is not looked at any more: the connection ends with this answer. */
static void refuse(struct http_conn *c, const struct http_refusal *why)
{
    static const h2o_iovec_t stand_in = {(char *)(uintptr_t)STAND_IN, sizeof(STAND_IN) - 1};
    h2o_buffer_t **in = &c->sock->input;
    http_reject(c->loop->server, why->why);
    http_linger_later(c);
    drop_rest(c);
    h2o_buffer_consume(in, (*in)->size);
    h2o_iovec_t to = h2o_buffer_reserve(in, stand_in.len);
    memcpy(to.base, stand_in.base, stand_in.len);
    (*in)->size = stand_in.len;
    c->gate1.refusal = why;
    pass(c, NULL);
}

/* Hides the header line at `at` from h2o: under a name that means nothing to it. */
static void hide(struct http_conn *c, size_t at)
{
    c->sock->input->bytes[at] = 'x';
}

/* The head is handed over without its body: who asks is found out first, then the answer is 413 or
 * 429. */
static void refuse_body(struct http_conn *c, enum http_body_state state)
{
    struct gate1 *g = &c->gate1;
    http_reject(c->loop->server,
                state == HTTP_BODY_TOO_LARGE ? HTTP_REASON_BODY : HTTP_REASON_BODIES);
    http_linger_later(c);
    drop_rest(c);
    hide(c, g->coding_at);
    c->sock->input->size = g->head;
    g->end = g->head;
    g->body = state;
    pass(c, NULL);
}

/* ---- heads ---- */

/* What the fields of a head say about the message. */
struct head {
    int version;
    size_t fields, hosts, lengths, codings;
    uint64_t length;
    size_t length_at, coding_at, coding_end, upgrade_at, expect_at;
    bool expects, expects_else, chunked, upgrades_h2c;
};

static bool is_token(char ch)
{
    static const uint32_t set[8] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff, 0, 0, 0, 0};
    unsigned char u = (unsigned char)ch;
    return set[u >> 5] >> (u & 31) & 1;
}

static bool is_control(char ch)
{
    return (unsigned char)ch < 0x20 || ch == 0x7f;
}

static bool same(const char *p, size_t n, const char *name)
{
    return str_is_word(str_make(p, n), name);
}

/* http://AUTHORITY/PATH is as good as /PATH (RFC 9112 section 3.2.2): takes what is before the path
 * out of the input. */
static const char *to_origin_form(struct http_conn *c, char *target, char *end)
{
    size_t skip = strncasecmp(target, "http://", 7) == 0    ? 7
                  : strncasecmp(target, "https://", 8) == 0 ? 8
                                                            : 0;
    if (!skip) {
        return NULL;
    }
    h2o_buffer_t *in = c->sock->input;
    char *path = target + skip;
    while (path < end && *path != '/' && *path != '?') {
        path++;
    }
    if (path == target + skip) {
        return NULL;
    }
    if (path == end || *path == '?') {
        *--path = '/'; /* the authority's last byte is not needed */
    }
    size_t cut = (size_t)(path - target);
    memmove(target, path, (size_t)(in->bytes + in->size - path));
    in->size -= cut;
    c->gate1.head -= cut;
    return target;
}

/* ret: behind the line. */
static const struct http_refusal *read_line(struct http_conn *c, struct head *h, size_t *ret)
{
    char *p = c->sock->input->bytes, *eol = memchr(p, '\n', c->gate1.head), *at = p;
    if (eol == p || eol[-1] != '\r') {
        return &bad_line;
    }
    char *end = eol - 1;
    while (at < end && is_token(*at)) {
        at++;
    }
    char *target = at + 1, *space = at > p && at < end && *at == ' '
                                        ? memchr(target, ' ', (size_t)(end - target))
                                        : NULL;
    if (!space || space == target || end - space != 9 || memcmp(space, " HTTP/", 6) != 0 ||
        space[7] != '.') {
        return &bad_line;
    }
    for (const char *t = target; t < space; t++) {
        if (is_control(*t)) {
            return &bad_line;
        }
    }
    if (space[6] != '1' || (space[8] != '1' && space[8] != '0')) {
        return &bad_version;
    }
    h->version = space[8] == '1' ? 11 : 10;
    bool star = *target == '*' && space == target + 1 && same(p, (size_t)(at - p), "OPTIONS");
    if (*target != '/' && !star && !to_origin_form(c, target, space)) {
        return &bad_line;
    }
    *ret = (size_t)((char *)memchr(target, '\n', c->gate1.head - (size_t)(target - p)) - p) + 1;
    return NULL;
}

/* Digits and nothing else. */
static bool read_length(const char *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || i >= 18) {
            return false;
        }
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    *ret = v;
    return n > 0;
}

static bool host_is_sound(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] <= ' ' || memchr("/?#@\\,", p[i], 6)) {
            return false;
        }
    }
    return true;
}

static const struct http_refusal *note_field(struct head *h, const char *base, const char *name,
                                             size_t n, const char *value, size_t len)
{
    size_t at = (size_t)(name - base);
    switch (n) {
    case 4:
        if (same(name, n, "host")) {
            h->hosts++;
            return host_is_sound(value, len) ? NULL : &bad_host;
        }
        break;
    case 6:
        if (same(name, n, "expect")) {
            h->expects = true;
            h->expect_at = at;
            h->expects_else |= !same(value, len, "100-continue");
        }
        break;
    case 7:
        if (same(name, n, "upgrade") && len >= 3 && strncasecmp(value, "h2c", 3) == 0) {
            h->upgrades_h2c = true;
            h->upgrade_at = at;
        }
        break;
    case 14:
        if (same(name, n, "content-length")) {
            h->lengths++;
            h->length_at = at;
            return read_length(value, len, &h->length) ? NULL : &bad_field;
        }
        break;
    case 17:
        if (same(name, n, "transfer-encoding")) {
            h->codings++;
            h->coding_at = at;
            h->coding_end = (size_t)(value + len - base);
            h->chunked = same(value, len, "chunked");
        }
        break;
    default:
        break;
    }
    return NULL;
}

static const struct http_refusal *read_field(struct head *h, const char *base, const char *p,
                                             const char *end)
{
    const char *name = p;
    while (p < end && is_token(*p)) {
        p++;
    }
    if (p == name || p == end || *p != ':') {
        return &bad_field; /* also a folded line, and a space before the colon */
    }
    size_t n = (size_t)(p++ - name);
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    for (const char *v = p; v < end; v++) {
        if (is_control(*v) && *v != '\t') {
            return &bad_field;
        }
    }
    return note_field(h, base, name, n, p, (size_t)(end - p));
}

static const struct http_refusal *read_fields(struct http_conn *c, struct head *h, size_t at)
{
    const char *base = c->sock->input->bytes, *p = base + at, *end = base + c->gate1.head;
    for (;;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol || eol == p || eol[-1] != '\r') {
            return &bad_field;
        }
        if (eol == p + 1) {
            return NULL;
        }
        const struct http_refusal *why =
            ++h->fields > HTTP_FIELDS_MAX ? &large_head : read_field(h, base, p, eol - 1);
        if (why) {
            return why;
        }
        p = eol + 1;
    }
}

static const struct http_refusal *judge(const struct head *h)
{
    if (h->lengths + h->codings > 1) {
        return &ambiguous;
    }
    if (h->codings && (!h->chunked || h->version == 10)) {
        return h->version == 10 ? &ambiguous : &bad_coding;
    }
    if (h->hosts > 1) {
        return &two_hosts;
    }
    if (!h->hosts && h->version == 11) {
        return &no_host;
    }
    return h->expects_else ? &expectation : NULL;
}

/* ---- bodies ---- */

static int hex_value(char ch)
{
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

/* One byte of a chunked body's framing (RFC 9112 section 7.1). False: it is malformed. */
static bool chunk_step(struct gate1 *g, char ch)
{
    int v;
    switch (g->chunk) {
    case CHUNK_SIZE:
        v = hex_value(ch);
        if (v >= 0) {
            g->chunk_left = g->chunk_left * 16 + (size_t)v;
            return ++g->chunk_digits <= CHUNK_DIGITS;
        }
        g->chunk = ch == '\r' ? CHUNK_SIZE_END : CHUNK_EXTENSION;
        return g->chunk_digits && (ch == '\r' || ch == ';' || ch == ' ' || ch == '\t');
    case CHUNK_EXTENSION:
        g->chunk = ch == '\r' ? CHUNK_SIZE_END : CHUNK_EXTENSION;
        return (ch == '\r' || ch == '\t' || !is_control(ch)) && ++g->chunk_extra <= CHUNK_EXTRA;
    case CHUNK_SIZE_END:
        g->chunk = g->chunk_left ? CHUNK_DATA : CHUNK_TRAILER;
        g->chunk_digits = 0;
        return ch == '\n';
    case CHUNK_DATA_CR:
        g->chunk = CHUNK_DATA_LF;
        return ch == '\r';
    case CHUNK_DATA_LF:
        g->chunk = CHUNK_SIZE;
        return ch == '\n';
    case CHUNK_TRAILER:
        g->chunk = ch == '\r' ? CHUNK_LAST_LF : CHUNK_TRAILER_LINE;
        return (ch == '\r' || is_token(ch)) && ++g->chunk_extra <= CHUNK_EXTRA;
    case CHUNK_TRAILER_LINE:
        g->chunk = ch == '\r' ? CHUNK_TRAILER_LF : CHUNK_TRAILER_LINE;
        return (ch == '\r' || ch == '\t' || !is_control(ch)) && ++g->chunk_extra <= CHUNK_EXTRA;
    case CHUNK_TRAILER_LF:
        g->chunk = CHUNK_TRAILER;
        return ch == '\n';
    case CHUNK_LAST_LF:
        g->chunk = CHUNK_DONE;
        return ch == '\n';
    case CHUNK_DATA:
    case CHUNK_DONE:
        break;
    }
    return false;
}

/* Takes the framing out of what has come of the body: the bytes between end and the input's end
 * become plain ones. */
static bool unchunk(struct http_conn *c)
{
    struct gate1 *g = &c->gate1;
    h2o_buffer_t *in = c->sock->input;
    size_t from = g->end, to = g->end;
    while (from < in->size && g->chunk != CHUNK_DONE) {
        if (g->chunk != CHUNK_DATA) {
            if (!chunk_step(g, in->bytes[from++])) {
                return false;
            }
            continue;
        }
        size_t n = in->size - from < g->chunk_left ? in->size - from : g->chunk_left;
        memmove(in->bytes + to, in->bytes + from, n);
        from += n;
        to += n;
        g->chunk_left -= n;
        g->chunk = g->chunk_left ? CHUNK_DATA : CHUNK_DATA_CR;
    }
    memmove(in->bytes + to, in->bytes + from, in->size - from);
    in->size -= from - to;
    g->end = to;
    return true;
}

/* h2o is given a length instead: "transfer-encoding: chunked" is longer than any that is allowed.
 */
static void write_length(struct http_conn *c)
{
    struct gate1 *g = &c->gate1;
    char text[32], *line = c->sock->input->bytes + g->coding_at;
    int n = snprintf(text, sizeof(text), "%zu", g->end - g->head);
    memset(line, ' ', g->coding_end - g->coding_at);
    memcpy(line, "content-length:", 15);
    memcpy(c->sock->input->bytes + g->coding_end - n, text, (size_t)n);
}

static void advance_body(struct http_conn *c)
{
    struct gate1 *g = &c->gate1;
    size_t have = c->sock->input->size;
    bool whole = have >= g->end;
    if (g->chunked) {
        if (!unchunk(c)) {
            refuse(c, &bad_chunk);
            return;
        }
        if (g->end - g->head + (g->chunk == CHUNK_DATA ? g->chunk_left : 0) > LIMIT_BODY_BYTES) {
            refuse_body(c, HTTP_BODY_TOO_LARGE);
            return;
        }
        have = c->sock->input->size;
        whole = g->chunk == CHUNK_DONE;
    }
    if (have > CHARGED_FROM && !http_charge(c, have)) {
        refuse_body(c, HTTP_BODY_NO_MEMORY);
        return;
    }
    if (!whole) {
        return;
    }
    if (g->chunked) {
        write_length(c);
    }
    pass_request(c);
}

static void on_continued(h2o_socket_t *sock, const char *err)
{
    struct http_conn *c = sock->on_close.data;
    c->gate1.continuing = false;
    if (err) {
        pass(c, err);
        return;
    }
    h2o_socket_read_start(sock, on_read);
    advance_body(c);
}

static void take_head(struct http_conn *c)
{
    struct gate1 *g = &c->gate1;
    struct head h = {0};
    size_t at = 0;
    const struct http_refusal *why = read_line(c, &h, &at);
    why = why ? why : read_fields(c, &h, at);
    why = why ? why : judge(&h);
    if (why) {
        refuse(c, why);
        return;
    }
    g->end = g->head;
    if (h.expects) {
        hide(c, h.expect_at);
    }
    if (h.upgrades_h2c) {
        hide(c,
             h.upgrade_at); /* a way past proxies, and no client needs it: RFC 9113 section 3.1 */
    }
    if (!h.lengths && !h.codings) {
        pass_request(c);
        return;
    }
    g->chunked = h.chunked;
    g->coding_at = h.chunked ? h.coding_at : h.length_at;
    g->coding_end = h.coding_end;
    if (h.length > LIMIT_BODY_BYTES) {
        refuse_body(c, HTTP_BODY_TOO_LARGE);
        return;
    }
    g->end += h.length;
    if (h.expects && h.version == 11 && c->sock->input->size == g->head &&
        (h.length || h.chunked)) {
        g->continuing = true;
        h2o_socket_read_stop(c->sock);
        h2o_iovec_t text = h2o_iovec_init(H2O_STRLIT(CONTINUE));
        h2o_socket_write(c->sock, &text, 1, on_continued);
        return;
    }
    advance_body(c);
}

/* ---- what comes ---- */

/* Where the head ends: behind an empty line, however it is ended (the lines are judged later). 0:
 * not yet. */
static size_t find_head(struct http_conn *c)
{
    h2o_buffer_t *in = c->sock->input;
    const char *p = in->bytes + c->gate1.searched, *end = in->bytes + in->size;
    for (const char *eol; (eol = memchr(p, '\n', (size_t)(end - p))); p = eol + 1) {
        if (eol + 1 < end &&
            (eol[1] == '\n' || (eol[1] == '\r' && eol + 2 < end && eol[2] == '\n'))) {
            return (size_t)(eol - in->bytes) + (eol[1] == '\n' ? 2 : 3);
        }
        if (eol + 3 > end) {
            p = eol; /* the next look begins here */
            break;
        }
    }
    c->gate1.searched = p && p < end && *p == '\n' ? (size_t)(p - in->bytes) : in->size;
    return 0;
}

/* Whether it is HTTP/2 that no handshake agreed on; ret: whether more of the preface is to come. */
static bool is_preface(const struct http_conn *c, bool *ret_partial)
{
    const h2o_buffer_t *in = c->sock->input;
    size_t n = in->size < sizeof(PREFACE) - 1 ? in->size : sizeof(PREFACE) - 1;
    bool like = n >= 4 && memcmp(in->bytes, PREFACE, n) == 0;
    *ret_partial = like && n < sizeof(PREFACE) - 1;
    return like;
}

static void pass_preface(struct http_conn *c)
{
    c->gate1.preface = true;
    gate1_aside(c, sizeof(PREFACE) - 1);
    http_conn_soon(c);
    pass(c, NULL);
}

void gate1_advance(struct http_conn *c)
{
    struct gate1 *g = &c->gate1;
    h2o_socket_t *sock = c->sock;
    bool partial;
    if (g->continuing || g->passed || !sock->input->size) {
        return;
    }
    if (!g->head) {
        /* Some clients end a body with an empty line that is not theirs to send. */
        while (sock->input->size >= 2 && memcmp(sock->input->bytes, "\r\n", 2) == 0) {
            h2o_buffer_consume(&sock->input, 2);
            g->searched = 0;
        }
        g->begun_ms = !sock->input->size ? 0 : g->begun_ms ? g->begun_ms : h2o_now(c->loop->ev);
    }
    if (g->head) {
        advance_body(c);
        return;
    }
    if (!sock->input->size) {
        return;
    }
    if (is_preface(c, &partial)) {
        if (!partial) {
            pass_preface(c);
        }
        return;
    }
    g->head = find_head(c);
    if (g->head > HEAD_BYTES || (!g->head && sock->input->size > HEAD_BYTES)) {
        refuse(c, memchr(sock->input->bytes, '\n', HEAD_BYTES) ? &large_head : &long_uri);
    } else if (g->head) {
        take_head(c);
    }
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct http_conn *c = sock->on_close.data;
    c->active_ms = h2o_now(c->loop->ev);
    if (err) {
        pass(c, err);
    } else {
        gate1_advance(c);
    }
}

void gate1_late(struct http_conn *c, bool body)
{
    if (c->gate1.continuing) {
        http_conn_reject(c, HTTP_REASON_BODY_TIME);
    } else {
        refuse(c, body ? &late_body : &late_head);
    }
}

/* ---- life ---- */

static void restore(struct http_conn *c, h2o_buffer_t *rest)
{
    h2o_iovec_t to = h2o_buffer_reserve(&c->sock->input, rest->size);
    memcpy(to.base, rest->bytes, rest->size);
    c->sock->input->size += rest->size;
    h2o_buffer_dispose(&rest);
}

void gate1_open(struct http_conn *c)
{
    h2o_buffer_t *rest = c->gate1.rest;
    c->phase = HTTP_PHASE_1;
    c->h2o_read = c->sock->_cb.read;
    c->sock->_cb.read = on_read;
    c->active_ms = h2o_now(c->loop->ev);
    c->gate1 = (struct gate1){0};
    http_charge(c, rest && rest->size > CHARGED_FROM ? rest->size : 0);
    if (rest) {
        restore(c, rest);
    }
    http_conn_attend(c);
}

void gate1_release(struct http_conn *c)
{
    h2o_buffer_t *rest = c->gate1.rest;
    c->phase = HTTP_PHASE_OTHER;
    c->gate1.rest = NULL;
    http_charge(c, 0);
    http_conn_attend(c);
    if (rest) {
        restore(c, rest);
        c->sock->_cb.read(c->sock, NULL);
    }
}

void gate1_done(struct http_conn *c)
{
    if (c->phase == HTTP_PHASE_1) {
        gate1_aside(c, c->gate1.end);
        http_conn_soon(c);
    }
}

void gate1_close(struct http_conn *c)
{
    drop_rest(c);
}
