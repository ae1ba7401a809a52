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

#endif
