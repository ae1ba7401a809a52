/* SPDX-License-Identifier: Apache-2.0 */
/* The encodings of answers besides JSON. Everything is made as JSON first, which for stored objects
 * is no more than a copy, and put into another encoding from there: one transcoder for all. */
#ifndef RESOURCES_ENCODING_H
#define RESOURCES_ENCODING_H

#include <stdbool.h>

#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct type;

enum encoding { ENCODING_JSON, ENCODING_PROTOBUF, ENCODING_CBOR };

/* Appends the object, which has apiVersion and kind, as a whole body. t: its type, NULL for what is
 * of none (a Status, discovery). ERR_NOT_ACCEPTABLE: its kind has no such form. */
int encoding_write(struct buf *b, enum encoding e, const struct type *t, const yyjson_mut_val *obj,
                   struct err *err);
/* Replaces the JSON that stands in b from offset `from` on by the same in another encoding: a whole
 * body. */
int encoding_body(struct buf *b, size_t from, enum encoding e, const struct type *t,
                  struct err *err);
/* The same for one event of a watch, {"type":..., "object":...}, which becomes a frame of the
 * stream. On failure b is left empty from `from` on. */
int encoding_event(struct buf *b, size_t from, enum encoding e, const struct type *t,
                   struct err *err);
/* Bytes of such a frame before the event itself. */
size_t encoding_frame_head(enum encoding e);
/* The same for parts of a list: one item, of that kind, and the list's metadata. */
int encoding_item(struct buf *b, size_t from, enum encoding e, const struct type *t,
                  struct str kind, struct err *err);
int encoding_list_meta(struct buf *b, size_t from, enum encoding e, struct err *err);

#endif
