/* SPDX-License-Identifier: Apache-2.0 */
/* gzip of answers. A slice is raw deflate with a window of its own that ends on a byte's boundary,
 * so slices follow each other in one stream without a compressor that lives as long as its client
 * reads: a quarter of a megabyte for each of those would be what memory goes to. */
#include "apiserver/compress.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "apiserver/call_priv.h"
#include "base/limits.h"
#include "resources/engine.h"

enum {
    LEVEL = 1,        /* as the reference */
    RAW_WINDOW = -15, /* zlib: raw deflate, 32 KB */
    MEMORY = 8,       /* zlib's default */
    OUT_BYTES = 32 * 1024,
};

/* ---- negotiation ---- */

/* Whether the weight among a coding's parameters is other than 0: `0`, `0.`, `0.000` are. */
static bool has_weight(struct str params)
{
    while (params.len) {
        struct str value, name = str_cut(str_cut(params, ';', &params), '=', &value);
        if (str_is_word(str_trim(name), "q")) {
            value = str_trim(value);
            for (size_t i = 0; i < value.len; i++) {
                if (value.ptr[i] != '0' && value.ptr[i] != '.') {
                    return true;
                }
            }
            return !value.len;
        }
    }
    return true;
}

bool compress_accepts(struct str accept_encoding)
{
    bool any = false;
    while (accept_encoding.len) {
        struct str params, one = str_cut(accept_encoding, ',', &accept_encoding);
        struct str coding = str_trim(str_cut(one, ';', &params));
        if (str_is_word(coding, "gzip") || str_is_word(coding, "x-gzip")) {
            return has_weight(params);
        }
        any = any || (str_is_word(coding, "*") && has_weight(params));
    }
    return any;
}

bool compress_wanted(const struct call *c, size_t len)
{
    return len > COMPRESS_MIN_BYTES && !str_is(c->http->method, "HEAD") &&
           compress_accepts(http_header(c->http, "accept-encoding")) &&
           pool_queued(engine_pool(server_engine(c->server))) <= LIMIT_COMPRESS_QUEUE;
}

const struct http_header *compress_headers(size_t *ret_n)
{
    static const struct http_header headers[] = {{{"content-encoding", 16}, {"gzip", 4}},
                                                 {{"vary", 4}, {"Accept-Encoding", 15}}};
    *ret_n = sizeof(headers) / sizeof(*headers);
    return headers;
}

/* ---- slices ---- */

static void deflate_all(struct str in, struct buf *out, int flush)
{
    z_stream z = {0};
    int rc = deflateInit2(&z, LEVEL, Z_DEFLATED, RAW_WINDOW, MEMORY, Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK); /* fails only for want of memory or on wrong arguments */
    z.next_in = (unsigned char *)(uintptr_t)in.ptr;
    z.avail_in = (uInt)in.len;
    do {
        z.next_out = (unsigned char *)buf_reserve(out, OUT_BYTES);
        z.avail_out = OUT_BYTES;
        rc = deflate(&z, flush);
        assert(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
        out->len += OUT_BYTES - z.avail_out;
    } while (!z.avail_out);
    deflateEnd(&z);
}

static void put_le32(struct buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        buf_addc(b, (char)(v >> (8 * i) & 0xff));
    }
}

void compress_slice(struct compress *z, struct buf *b, bool last)
{
    static const char head[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 4, 3};
    struct buf out = {0};
    assert(b->len <= UINT_MAX);
    if (!z->len) {
        z->crc = (uint32_t)crc32(0, NULL, 0);
        buf_add(&out, str_make(head, sizeof(head)));
    }
    z->crc = (uint32_t)crc32_z(z->crc, (const unsigned char *)b->ptr, b->len);
    z->len += b->len;
    deflate_all(buf_str(b), &out, last ? Z_FINISH : Z_SYNC_FLUSH);
    if (last) {
        put_le32(&out, z->crc);
        put_le32(&out, (uint32_t)z->len);
    }
    buf_finish(b);
    *b = out;
}

/* ---- whole answers ---- */

/* An answer that the pool compresses; in the call's arena. */
struct packed {
    struct pool_task task;
    struct call *call;
    int status;
    struct str content_type;
    struct buf body;
};

static void answer_packed(struct call *c)
{
    const struct packed *p = c->priv;
    size_t n;
    const struct http_header *h = compress_headers(&n);
    struct buf body = p->body;
    call_answer_headers(c, p->status, p->content_type, h, n, &body);
}

static void pack(struct pool_task *t)
{
    struct packed *p = (struct packed *)(void *)t;
    struct compress z = {0};
    compress_slice(&z, &p->body, true);
    call_resume(p->call, answer_packed);
}

void compress_answer(struct call *c, int status, struct str content_type, struct buf *body)
{
    if (!compress_wanted(c, body->len)) {
        call_answer(c, status, content_type, body);
        return;
    }
    struct packed *p = ARENA_NEW(&c->arena, struct packed);
    *p = (struct packed){
        .task.run = pack, .call = c, .status = status, .content_type = content_type, .body = *body};
    c->priv = p;
    *body = (struct buf){0};
    if (!pool_submit(engine_pool(server_engine(c->server)), &p->task, false)) {
        call_answer(c, status, content_type, &p->body);
    }
}
