/* SPDX-License-Identifier: Apache-2.0 */
/* A document as it is served: immutable, shared, compressed when it is made. A large one is a row
 * of fragments, each a piece of deflate stream that refers to nothing before it, so that a new
 * edition of the document takes over the fragments that did not change and costs no more than those
 * that did. */
#ifndef APISERVER_DOCUMENT_H
#define APISERVER_DOCUMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/str.h"

enum {
    DOCUMENT_PLAIN_MAX = 16 * 1024, /* a document up to this size is kept as it is */
    DOCUMENT_ETAG_BYTES = 64,
};

struct document_part {
    uint64_t id; /* of what it was made; 0: not to be taken over */
    uint32_t crc;
    size_t plain_len;
    struct blob *deflated;
};

struct document {
    _Atomic unsigned refs;
    uint64_t version;                   /* of what it was made */
    char etag[DOCUMENT_ETAG_BYTES + 3]; /* with its quotes */
    size_t plain_len;
    struct blob *plain; /* of a small document; then there are no parts */
    struct document_part *parts;
    size_t n_parts;
    struct blob *head, *tail; /* of the gzip form */
    size_t gzip_len;
};

struct document *document_ref(struct document *d); /* NULL allowed */
void document_unref(struct document *d);           /* NULL allowed */
void document_unrefp(struct document **d);         /* for AUTO */
/* Bytes it holds in memory. */
size_t document_bytes(const struct document *d);
/* The part made of `id`; NULL: none. d may be NULL. */
const struct document_part *document_part(const struct document *d, uint64_t id);
/* The whole gzip form as new blobs' references, in order: n_parts + 2 of them. Only where d->plain
 * is NULL. */
void document_gzip_blobs(const struct document *d, struct blob **out);
/* The gzip form in one piece. Only where d->plain is NULL. */
struct blob *document_gzip(const struct document *d);
/* Whether `etags` (the value of an If-None-Match header: a list of tags, weak ones too, or `*`) names this document. */
bool document_matches(const struct document *d, struct str etags);

/* ---- making one; one thread at a time ---- */

struct document_writer {
    z_stream z;
    bool deflating; /* z is in use for the present fragment */
    bool begun;     /* z was initialised */
    uint32_t crc;
    size_t plain_len;
    struct buf pending, out;
    struct document_part *parts;
    size_t n_parts, cap_parts;
};

void document_writer_init(struct document_writer *w);
void document_writer_finish(struct document_writer *w); /* for AUTO; also after document_make */
void document_add(struct document_writer *w, struct str s);
/* Adds what is in b and empties it (its memory stays for the next use). */
void document_add_buf(struct document_writer *w, struct buf *b);
/* Ends the fragment begun since the last cut; what follows refers to nothing in it. */
void document_cut(struct document_writer *w, uint64_t id);
/* Appends a fragment of another document. Only after a cut (or first). */
void document_reuse(struct document_writer *w, const struct document_part *p);
/* The document; one reference. The writer is empty afterwards. etag: without quotes, at most
 * DOCUMENT_ETAG_BYTES. */
struct document *document_make(struct document_writer *w, uint64_t version, struct str etag);
/* A document of these bytes whose ETag is their SHA-256. */
struct document *document_of(struct str body, uint64_t version);

/* ---- reading the plain form in pieces ---- */

struct document_reader {
    struct document *document; /* a reference */
    z_stream z;
    bool begun;
    size_t part; /* the part being read */
    size_t given;
};

void document_reader_init(struct document_reader *r, struct document *d);
void document_reader_finish(struct document_reader *r);
/* Appends up to `max` bytes of the plain form; true when it has all been given. */
bool document_read(struct document_reader *r, struct buf *b, size_t max);

#endif
