/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as rows of deflate fragments.
 *
 * Each fragment is raw deflate made with an empty window and ended by a sync flush: it ends on a
 * byte boundary, has no final block and refers to nothing outside itself. A gzip file is then a
 * head, any such fragments one after the other, and a tail with an empty final block, the CRC
 * (combined from the fragments') and the length. */
#include "apiserver/document.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"

enum {
    LEVEL = 6,
    RAW_WINDOW = -15, /* zlib: raw deflate, 32 KB */
    MEMORY = 8,       /* zlib's default */
    PENDING = 32 * 1024,
    HEAD_BYTES = 10,
    TAIL_BYTES = 10,
};

/* ---- documents ---- */

struct document *document_ref(struct document *d)
{
    if (d) {
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    }
    return d;
}

void document_unref(struct document *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < d->n_parts; i++) {
        blob_unref(d->parts[i].deflated);
    }
    free(d->parts);
    blob_unref(d->plain);
    blob_unref(d->head);
    blob_unref(d->tail);
    free(d);
}

void document_unrefp(struct document **d)
{
    document_unref(*d);
}

size_t document_bytes(const struct document *d)
{
    return sizeof(*d) + (d->plain ? d->plain->len : d->gzip_len) +
           d->n_parts * (sizeof(*d->parts) + sizeof(struct blob));
}

const struct document_part *document_part(const struct document *d, uint64_t id)
{
    for (size_t i = 0; d && i < d->n_parts; i++) {
        if (d->parts[i].id == id) {
            return &d->parts[i];
        }
    }
    return NULL;
}

void document_gzip_blobs(const struct document *d, struct blob **out)
{
    assert(!d->plain);
    *out++ = blob_ref(d->head);
    for (size_t i = 0; i < d->n_parts; i++) {
        *out++ = blob_ref(d->parts[i].deflated);
    }
    *out = blob_ref(d->tail);
}

static char *put_blob(char *to, const struct blob *b)
{
    memcpy(to, b->data, b->len);
    return to + b->len;
}

struct blob *document_gzip(const struct document *d)
{
    assert(!d->plain);
    struct blob *b = blob_alloc(d->gzip_len);
    char *at = put_blob(b->data, d->head);
    for (size_t i = 0; i < d->n_parts; i++) {
        at = put_blob(at, d->parts[i].deflated);
    }
    put_blob(at, d->tail);
    return b;
}

bool document_matches(const struct document *d, struct str etags)
{
    while (etags.len) {
        struct str one = str_trim(str_cut(etags, ',', &etags));
        one = str_skip(one, str_starts(one, STR("W/")) ? 2 : 0);
        if (str_is(one, "*") || str_eq(one, str_from(d->etag))) {
            return true;
        }
    }
    return false;
}

/* ---- writing ---- */

void document_writer_init(struct document_writer *w)
{
    *w = (struct document_writer){0};
}

void document_writer_finish(struct document_writer *w)
{
    if (w->begun) {
        deflateEnd(&w->z);
    }
    for (size_t i = 0; i < w->n_parts; i++) {
        blob_unref(w->parts[i].deflated);
    }
    free(w->parts);
    buf_finish(&w->pending);
    buf_finish(&w->out);
    *w = (struct document_writer){0};
}

static void begin_deflate(struct document_writer *w)
{
    if (!w->begun) {
        int rc = deflateInit2(&w->z, LEVEL, Z_DEFLATED, RAW_WINDOW, MEMORY, Z_DEFAULT_STRATEGY);
        assert(rc == Z_OK); /* fails only for want of memory or on wrong arguments */
        w->begun = true;
    } else {
        deflateReset(&w->z);
    }
    w->deflating = true;
    w->crc = (uint32_t)crc32(0, NULL, 0);
    w->plain_len = 0;
    w->out.len = 0;
}

/* Compresses what is pending into w->out. */
static void deflate_pending(struct document_writer *w, int flush)
{
    if (!w->deflating) {
        begin_deflate(w);
    }
    w->crc = (uint32_t)crc32_z(w->crc, (const unsigned char *)w->pending.ptr, w->pending.len);
    w->plain_len += w->pending.len;
    w->z.next_in = (unsigned char *)w->pending.ptr;
    w->z.avail_in = (uInt)w->pending.len;
    do {
        char *to = buf_reserve(&w->out, PENDING / 2);
        w->z.next_out = (unsigned char *)to;
        w->z.avail_out = PENDING / 2;
        int rc = deflate(&w->z, flush);
        assert(rc == Z_OK || rc == Z_BUF_ERROR);
        w->out.len += PENDING / 2 - w->z.avail_out;
    } while (w->z.avail_out == 0 || w->z.avail_in > 0);
    w->pending.len = 0;
}

void document_add(struct document_writer *w, struct str s)
{
    while (s.len) {
        size_t room = PENDING - w->pending.len;
        size_t n = s.len < room ? s.len : room;
        buf_add(&w->pending, str_make(s.ptr, n));
        s = str_skip(s, n);
        if (w->pending.len >= PENDING) {
            deflate_pending(w, Z_NO_FLUSH);
        }
    }
}

void document_add_buf(struct document_writer *w, struct buf *b)
{
    document_add(w, buf_str(b));
    b->len = 0;
}

static struct document_part *new_part(struct document_writer *w)
{
    if (w->n_parts == w->cap_parts) {
        w->cap_parts = w->cap_parts ? 2 * w->cap_parts : 4;
        w->parts = alloc_resize(w->parts, w->cap_parts * sizeof(*w->parts));
    }
    return &w->parts[w->n_parts++];
}

void document_cut(struct document_writer *w, uint64_t id)
{
    if (!w->deflating && w->pending.len == 0) {
        return;
    }
    deflate_pending(w, Z_SYNC_FLUSH);
    *new_part(w) = (struct document_part){.id = id,
                                          .crc = w->crc,
                                          .plain_len = w->plain_len,
                                          .deflated = blob_create(buf_str(&w->out))};
    w->deflating = false;
}

void document_reuse(struct document_writer *w, const struct document_part *p)
{
    assert(!w->deflating && w->pending.len == 0);
    struct document_part *to = new_part(w);
    *to = *p;
    blob_ref(to->deflated);
}

static void put_le32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)(v >> (8 * i) & 0xff);
    }
}

static void seal_gzip(struct document *d)
{
    static const unsigned char head[HEAD_BYTES] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    d->head = blob_create(str_make((const char *)head, HEAD_BYTES));
    d->tail = blob_alloc(TAIL_BYTES);
    uint32_t crc = (uint32_t)crc32(0, NULL, 0);
    d->gzip_len = HEAD_BYTES + TAIL_BYTES;
    for (size_t i = 0; i < d->n_parts; i++) {
        const struct document_part *p = &d->parts[i];
        crc = (uint32_t)crc32_combine(crc, p->crc, (z_off_t)p->plain_len);
        d->plain_len += p->plain_len;
        d->gzip_len += p->deflated->len;
    }
    d->tail->data[0] = 3; /* an empty final block */
    d->tail->data[1] = 0;
    put_le32(d->tail->data + 2, crc);
    put_le32(d->tail->data + 6, (uint32_t)d->plain_len);
}

struct document *document_make(struct document_writer *w, uint64_t version, struct str etag)
{
    assert(etag.len <= DOCUMENT_ETAG_BYTES);
    struct document *d = ALLOC(struct document);
    atomic_init(&d->refs, 1);
    d->version = version;
    snprintf(d->etag, sizeof(d->etag), "\"%.*s\"", STR_FMT(etag));
    if (!w->n_parts && !w->deflating && w->pending.len <= DOCUMENT_PLAIN_MAX) {
        d->plain = blob_create(buf_str(&w->pending));
        d->plain_len = w->pending.len;
    } else {
        document_cut(w, 0);
        d->parts = w->parts;
        d->n_parts = w->n_parts;
        w->parts = NULL;
        w->n_parts = 0;
        seal_gzip(d);
    }
    document_writer_finish(w);
    return d;
}

struct document *document_of(struct str body, uint64_t version)
{
    unsigned char sum[32];
    crypto_sha256(body, sum);
    AUTO(buf_finish) struct buf etag = {0};
    crypto_hex(&etag, sum, sizeof(sum));
    for (size_t i = 0; i < etag.len; i++) {
        etag.ptr[i] = (char)(etag.ptr[i] >= 'a' ? etag.ptr[i] - 'a' + 'A' : etag.ptr[i]);
    }
    struct document_writer w;
    document_writer_init(&w);
    document_add(&w, body);
    return document_make(&w, version, buf_str(&etag));
}

/* ---- reading ---- */

void document_reader_init(struct document_reader *r, struct document *d)
{
    *r = (struct document_reader){.document = document_ref(d)};
}

void document_reader_finish(struct document_reader *r)
{
    if (r->begun) {
        inflateEnd(&r->z);
    }
    document_unref(r->document);
    *r = (struct document_reader){0};
}

static bool read_plain(struct document_reader *r, struct buf *b, size_t max)
{
    struct str rest = str_skip(blob_str(r->document->plain), r->given);
    size_t n = rest.len < max ? rest.len : max;
    buf_add(b, str_make(rest.ptr, n));
    r->given += n;
    return r->given == r->document->plain_len;
}

/* Points zlib at the next part once the present one is used up. The fragments follow each other in
 * one raw stream. */
static void feed(struct document_reader *r)
{
    while (r->z.avail_in == 0 && r->part < r->document->n_parts) {
        struct blob *in = r->document->parts[r->part++].deflated;
        r->z.next_in = (unsigned char *)in->data;
        r->z.avail_in = (uInt)in->len;
    }
}

bool document_read(struct document_reader *r, struct buf *b, size_t max)
{
    struct document *d = r->document;
    if (d->plain) {
        return read_plain(r, b, max);
    }
    if (!r->begun) {
        int rc = inflateInit2(&r->z, RAW_WINDOW);
        assert(rc == Z_OK);
        r->begun = true;
    }
    size_t n = d->plain_len - r->given < max ? d->plain_len - r->given : max;
    r->z.next_out = (unsigned char *)buf_reserve(b, n);
    r->z.avail_out = (uInt)n;
    while (r->z.avail_out > 0) {
        feed(r);
        int rc = inflate(&r->z, Z_NO_FLUSH);
        assert(rc == Z_OK); /* these are bytes of our own, and the length is known */
    }
    b->len += n;
    r->given += n;
    return r->given == d->plain_len;
}
