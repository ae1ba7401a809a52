/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers (the proto2 wire format) to and from the value type, driven by tables of field
 * numbers: one transcoder for all messages. */
#ifndef BASE_PROTOBUF_H
#define BASE_PROTOBUF_H

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum protobuf_kind {
    PROTOBUF_STRING,
    PROTOBUF_BYTES,
    PROTOBUF_BOOL,
    PROTOBUF_INT,
    PROTOBUF_DOUBLE,
    PROTOBUF_TIME,
    PROTOBUF_MICRO_TIME,
    PROTOBUF_QUANTITY,
    PROTOBUF_INT_OR_STRING,
    PROTOBUF_STRINGS,
    PROTOBUF_RAW,
    PROTOBUF_MESSAGE,
};
enum protobuf_shape { PROTOBUF_ONE, PROTOBUF_LIST, PROTOBUF_MAP };
/* A field's way with its zero value. PLAIN: always on the wire, left out of the object (Go's
 * omitempty). KEEP: always on the wire, kept in the object. OPTIONAL: on the wire and in the object
 * where it is set (Go's pointers). */
enum protobuf_zero { PROTOBUF_PLAIN, PROTOBUF_KEEP, PROTOBUF_OPTIONAL };

enum { PROTOBUF_FIELDS = 64 }; /* of one message, at most */

struct protobuf_message;

struct protobuf_field {
    struct str name;
    uint32_t number;
    enum protobuf_kind kind;
    enum protobuf_shape shape;
    enum protobuf_zero zero;
    const struct protobuf_message *message; /* PROTOBUF_MESSAGE */
};

struct protobuf_message {
    struct str name;
    const struct protobuf_field *fields; /* by number */
    size_t n;
    bool either; /* one value in several forms: the fields are named object, array, bool */
};

/* A set of messages; immutable. Made by protobuf_create in its arena, or written down as constants.
 */
struct protobuf {
    const struct protobuf *more; /* where messages are looked for that these lack; may be NULL */
    const struct protobuf_message *messages;
    size_t n;
};

/* Tables are an object of messages, each an object of fields: {"ConfigMap": {"metadata": "1
 * ObjectMeta", "data": "2 map string"}}. A field is its number, then optionally "list" or "map" (of
 * strings to), then string, bytes, bool, int, double, or the name of a message of these tables or
 * of `more` (may be NULL). Time, MicroTime, Quantity, IntOrString, Strings (a list of strings in
 * field 1: what a map of lists holds) and Raw (JSON in bytes) are known messages. With "!" at the
 * end a field is PROTOBUF_KEEP, with "?" PROTOBUF_OPTIONAL. A message whose fields are named
 * "|object", "|array" and "|bool" is one value in one of these forms. A message within itself must
 * be optional there. ERR_INVALID. */
int protobuf_create(struct arena *a, const yyjson_mut_val *tables, const struct protobuf *more,
                    struct protobuf **ret, struct err *err);
/* NULL: neither p nor its `more` has it. p may be NULL. */
const struct protobuf_message *protobuf_find(const struct protobuf *p, struct str name);
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

/* Appends the object as a message, byte for byte as Kubernetes' Go types marshal: fields by number,
 * maps by key. What the tables do not name is left out, and what is not of its field's kind counts
 * as its zero value: the object is thought to be valid. v deeper than LIMIT_DEPTH is cut there. */
void protobuf_encode(const struct protobuf_message *m, const yyjson_mut_val *v, struct buf *b);
/* Appends a field's key, a varint; a field of bytes. Pieces of messages that have no tables. */
void protobuf_put_key(struct buf *b, uint32_t number, unsigned wire);
void protobuf_put_varint(struct buf *b, uint64_t v);
void protobuf_put_bytes(struct buf *b, uint32_t number, struct str bytes);
/* A field of bytes whose length shows only afterwards: the key now, then the bytes by the caller,
 * and the length is put before what stands from the returned offset on. */
size_t protobuf_begin(struct buf *b, uint32_t number);
void protobuf_end(struct buf *b, size_t begun);

#endif
