/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers (the proto2 wire format) into the value type, driven by tables of field numbers:
 * one transcoder for all messages. */
#ifndef BASE_PROTOBUF_H
#define BASE_PROTOBUF_H

#include <stdint.h>

#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"

struct protobuf; /* a set of messages; immutable; lives in the arena it was made in */

/* Tables are an object of messages, each an object of fields: {"ConfigMap": {"metadata": "1
 * ObjectMeta", "data": "2 map string"}}. A field is its number, then optionally "list" or "map" (of
 * strings to), then string, bytes, bool, int, double, or the name of a message of these tables or
 * of `more` (may be NULL). Time, MicroTime, Quantity, IntOrString, Strings (a list of strings in
 * field 1: what a map of lists holds) and Raw (JSON in bytes) are known messages. A field that has
 * its type's zero value is left out, as Go's omitempty does; with "?" at the end (pointers in Go)
 * it is kept. ERR_INVALID. */
int protobuf_create(struct arena *a, const yyjson_mut_val *tables, const struct protobuf *more,
                    struct protobuf **ret, struct err *err);
/* Decodes a message of that name; unknown fields are skipped. Everything is copied into d's arena
 * `a`. ERR_BAD_REQUEST: not a message, invalid UTF-8, deeper than LIMIT_DEPTH. A map's key that
 * comes twice stands twice in the object; ERR_NOT_FOUND: no such message. */
int protobuf_decode(const struct protobuf *p, struct str message, struct str bytes, struct arena *a,
                    yyjson_mut_doc *d, yyjson_mut_val **ret, struct err *err);
/* The bytes of the last field of that number, borrowed, without tables: for envelopes; STR_NULL:
 * there is none. ERR_BAD_REQUEST: not a message, or the field is not of bytes. */
int protobuf_bytes(struct str message, uint32_t number, struct str *ret);
/* Whether the tables themselves (not `more`) hold the message. */
bool protobuf_has(const struct protobuf *p, struct str message);

#endif
