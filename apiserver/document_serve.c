/* SPDX-License-Identifier: Apache-2.0 */
/* Answers calls with documents: not modified, compressed or plain, in one piece or, when large, as
 * a stream. */
#include "apiserver/document_priv.h"

#include <stdlib.h>

#include "apiserver/call_priv.h"
#include "apiserver/compress.h"
#include "base/alloc.h"
#include "base/cleanup.h"

enum {
    WHOLE_BYTES = 256 * 1024, /* what is answered in one piece */
    PIECE_BYTES = 128 * 1024, /* of a stream */
    HEADERS_MAX = 6,
};

struct headers {
    struct http_header items[HEADERS_MAX];
    size_t n;
};

static void add(struct headers *h, struct str name, const char *value)
{
    if (value) {
        h->items[h->n++] = (struct http_header){name, str_from(value)};
    }
}

/* Which of the two forms is sent follows from Accept-Encoding, for documents that have both. */
static struct headers make_headers(struct call *c, const struct document_query *q,
                                   const struct document *d, bool gzip)
{
    struct headers h = {.n = 0};
    const char *vary = q->vary;
    if (!d->plain) {
        vary = vary ? arena_printf(&c->arena, "%s, Accept-Encoding", vary) : "Accept-Encoding";
    }
    add(&h, STR("etag"), q->etag ? arena_strdup(&c->arena, d->etag) : NULL);
    add(&h, STR("vary"), vary);
    add(&h, STR("cache-control"), q->cache_control);
    add(&h, STR("expires"), q->expires);
    add(&h, STR("content-encoding"), gzip ? "gzip" : NULL);
    return h;
}

/* ---- streams ---- */

/* A document being sent; belongs to the call's loop. */
struct stream {
    struct call *call;
    bool gzip;
    struct document_reader reader; /* plain */
    struct blob **blobs;           /* gzip: what is left, from `at` on */
    size_t n_blobs, at;
};

static void stream_end(struct stream *s)
{
    struct call *c = s->call;
    http_on_gone(c->http, NULL, NULL);
    document_reader_finish(&s->reader);
    while (s->at < s->n_blobs) {
        blob_unref(s->blobs[s->at++]);
    }
    free(s->blobs);
    free(s);
    call_finish(c);
}

static void stream_gone(void *arg, struct http_request *r)
{
    (void)r;
    stream_end(arg);
}

static bool send_blobs(struct stream *s)
{
    size_t n = 0, bytes = 0;
    while (s->at + n < s->n_blobs && bytes < PIECE_BYTES) {
        bytes += s->blobs[s->at + n++]->len;
    }
    struct blob *const *first = s->blobs + s->at;
    bool last = s->at + n == s->n_blobs;
    s->at += n;
    s->call->bytes += bytes;
    http_stream_send(s->call->http, first, n, last);
    return last;
}

static bool send_plain(struct stream *s)
{
    struct buf b = {0};
    bool last = document_read(&s->reader, &b, PIECE_BYTES);
    s->call->bytes += b.len;
    http_stream_send_buf(s->call->http, &b, last);
    buf_finish(&b);
    return last;
}

static void stream_ready(void *arg, struct http_request *r)
{
    struct stream *s = arg;
    (void)r;
    if (s->gzip ? send_blobs(s) : send_plain(s)) {
        stream_end(s);
    }
}

static void stream_begin(struct call *c, struct str content_type, const struct headers *h,
                         struct document *d, bool gzip)
{
    struct stream *s = ALLOC(struct stream);
    s->call = c;
    s->gzip = gzip;
    document_reader_init(&s->reader, d);
    if (gzip) {
        s->n_blobs = d->n_parts + 2;
        s->blobs = alloc_bytes(s->n_blobs * sizeof(*s->blobs));
        document_gzip_blobs(d, s->blobs);
    }
    size_t n;
    struct http_header *all = call_headers(c, content_type, h->items, h->n, &n);
    c->status = 200;
    http_on_gone(c->http, stream_gone, s);
    http_stream_begin(c->http, 200, all, n, stream_ready, s);
}

/* ---- whole answers ---- */

static void answer_gzip(struct call *c, struct str content_type, const struct headers *h,
                        const struct document *d)
{
    struct blob *b = document_gzip(d);
    call_answer_blob(c, 200, content_type, h->items, h->n, b);
    blob_unref(b);
}

static void answer_plain(struct call *c, struct str content_type, const struct headers *h,
                         struct document *d)
{
    struct buf b = {0};
    struct document_reader r;
    document_reader_init(&r, d);
    document_read(&r, &b, d->plain_len);
    document_reader_finish(&r);
    call_answer_headers(c, 200, content_type, h->items, h->n, &b);
}

/* Nobody wants the body: it was not asked for, or its reader has left. Nothing is inflated, and no
 * length is claimed. */
static bool without_body(const struct call *c)
{
    return str_is(c->http->method, "HEAD") || http_request_gone(c->http);
}

static void answer_head(struct call *c, struct str content_type, const struct headers *h)
{
    size_t n;
    struct http_header *all = call_headers(c, content_type, h->items, h->n, &n);
    c->status = 200;
    http_stream_begin(c->http, 200, all, n, NULL, NULL);
    call_finish(c);
}

void document_answer(struct call *c, const struct document_query *q, struct document *d)
{
    bool gzip = !d->plain && compress_accepts(http_header(c->http, "accept-encoding"));
    struct headers h = make_headers(c, q, d, gzip);
    if (q->etag && document_matches(d, http_header(c->http, "if-none-match"))) {
        h = make_headers(c, q, d, false);
        call_answer_headers(c, 304, STR_NULL, h.items, h.n, &(struct buf){0});
    } else if (d->plain) {
        call_answer_blob(c, 200, q->content_type, h.items, h.n, d->plain);
    } else if (without_body(c)) {
        answer_head(c, q->content_type, &h);
    } else if (gzip && d->gzip_len <= WHOLE_BYTES) {
        answer_gzip(c, q->content_type, &h, d);
    } else if (!gzip && d->plain_len <= WHOLE_BYTES) {
        answer_plain(c, q->content_type, &h, d);
    } else {
        stream_begin(c, q->content_type, &h, d, gzip);
    }
}
