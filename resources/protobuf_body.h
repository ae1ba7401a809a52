/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in Kubernetes' protobuf form (application/vnd.kubernetes.protobuf): an envelope with
 * apiVersion and kind around a message whose field numbers the type's document gives
 * (spec.coracle.protobuf). */
#ifndef RESOURCES_PROTOBUF_BODY_H
#define RESOURCES_PROTOBUF_BODY_H

#include "base/protobuf.h"
#include "resources/type.h"

/* The messages of a type: those of its document's tables and those that all objects share
 * (ObjectMeta, DeleteOptions...). NULL tables: no messages of its own. In the arena. ERR_INVALID.
 */
int protobuf_tables(struct arena *a, const yyjson_mut_val *tables, struct protobuf **ret,
                    struct err *err);

/* Decodes a body into a document: the object or DeleteOptions that the envelope names, with its
 * apiVersion and kind. A type without tables has the shared messages only. ERR_BAD_REQUEST. */
int protobuf_read(const struct type *t, struct arena *a, struct str body, yyjson_mut_doc **ret,
                  struct err *err);
/* The message of an object of that kind: the type's own (t may be NULL), or a shared one. NULL: it
 * has none. */
const struct protobuf_message *protobuf_message_of(const struct type *t, struct str kind);
/* The envelope of a body: begin, then the message, then end with what begin gave. */
size_t protobuf_body_begin(struct buf *b, struct str api_version, struct str kind);
void protobuf_body_end(struct buf *b, size_t begun);
/* The same around a message of known length: head, then len bytes, then tail. */
void protobuf_body_head(struct buf *b, struct str api_version, struct str kind, uint64_t len);
void protobuf_body_tail(struct buf *b);

#endif
