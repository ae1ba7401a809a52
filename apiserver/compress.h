/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed answers to reads and writes: gzip where the client takes it and the answer is large.
 */
#ifndef APISERVER_COMPRESS_H
#define APISERVER_COMPRESS_H

#include "apiserver/call.h"

/* As the reference's defaultGzipThresholdBytes: what is not larger goes out as it is. */
#define COMPRESS_MIN_BYTES ((size_t)128 * 1024)

/* A gzip file being made slice by slice; all zero at its beginning. Each slice is compressed for
 * itself, so that nothing but this is kept between two of them. */
struct compress {
    uint32_t crc;
    uint64_t len; /* of what went in */
};

/* Whether an Accept-Encoding value takes gzip (RFC 9110, 12.5.3): named with a weight that is not
 * 0, or not named and `*` is. */
bool compress_accepts(struct str accept_encoding);
/* Whether this call's answer of len bytes is compressed (SIZE_MAX: a long one). The answers go out
 * as they are while too much waits for the pool. */
bool compress_wanted(const struct call *c, size_t len);
/* Replaces what is in b by the next slice of the file, `last` ends it. Takes about 3 ms for 256 KB:
 * for the pool. */
void compress_slice(struct compress *z, struct buf *b, bool last);
/* The headers that go with it. */
const struct http_header *compress_headers(size_t *ret_n);
/* call_answer, compressed on the pool where that is wanted. On the call's loop. */
void compress_answer(struct call *c, int status, struct str content_type, struct buf *body);

#endif
