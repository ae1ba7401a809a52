/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR (RFC 8949) to and from the value type, in the profile of Kubernetes' application/cbor
 * (apimachinery's serializer/cbor): text goes out as byte strings, keys are byte or text strings,
 * what JSON lacks is refused. */
#ifndef BASE_CBOR_H
#define BASE_CBOR_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Tag 55799, with which every body begins. */
#define CBOR_SELF_DESCRIBED STR("\xd9\xd9\xf7")

/* Reads one item; everything is copied into the arena. Byte strings are text, or with tags 21 to 23
 * the encoding these name; tag 0 is text, tag 1 becomes it; other tags are passed over. Messages
 * are those of the reference's decoder. ERR_BAD_REQUEST: not CBOR, deeper than LIMIT_DEPTH, or a
 * key of the outermost map comes twice. ERR_INVALID: the same of a map further in, text that is not
 * UTF-8, keys that are not strings, integers beyond int64. */
int cbor_read(struct arena *a, struct str bytes, yyjson_mut_doc **ret, struct err *err);

/* Appends a value, maps in the order in which they stand, numbers in their shortest form. */
void cbor_write(struct buf *b, const yyjson_mut_val *v);
/* Pieces of items that are written while they are made. */
void cbor_put_map(struct buf *b, size_t n); /* n keys and values follow */
void cbor_put_text(struct buf *b, struct str s);
void cbor_put_list(struct buf *b); /* of any length: items follow, then cbor_put_end */
void cbor_put_end(struct buf *b);

#endif
