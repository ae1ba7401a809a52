/* SPDX-License-Identifier: Apache-2.0 */
/* The value type into Protocol Buffers, as the code that gogo-protobuf makes of Kubernetes' types
 * writes them. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/json_priv.h"
#include "base/limits.h"
#include "base/protobuf_priv.h"

enum { VARINT_BYTES = 10 };
#define GO_ZERO_SECONDS (-62135596800) /* of year 1: Go's zero time */

/* ---- pieces ---- */

static size_t format_varint(uint64_t v, char out[VARINT_BYTES])
{
    size_t n = 0;
    while (v > 0x7f) {
        out[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (char)v;
    return n;
}

void protobuf_put_varint(struct buf *b, uint64_t v)
{
    b->len += format_varint(v, buf_reserve(b, VARINT_BYTES));
}

void protobuf_put_key(struct buf *b, uint32_t number, unsigned wire)
{
    protobuf_put_varint(b, (uint64_t)number << 3 | wire);
}

void protobuf_put_bytes(struct buf *b, uint32_t number, struct str bytes)
{
    protobuf_put_key(b, number, WIRE_BYTES);
    protobuf_put_varint(b, bytes.len);
    buf_add(b, bytes);
}

/* One byte is left for the length, which is enough for most. */
size_t protobuf_begin(struct buf *b, uint32_t number)
{
    protobuf_put_key(b, number, WIRE_BYTES);
    buf_addc(b, 0);
    return b->len;
}

void protobuf_end(struct buf *b, size_t begun)
{
    char length[VARINT_BYTES];
    size_t len = b->len - begun, n = format_varint(len, length);
    buf_reserve(b, n - 1);
    memmove(b->ptr + begun + n - 1, b->ptr + begun, len);
    memcpy(b->ptr + begun - 1, length, n);
    b->len += n - 1;
}

static void put_int(struct buf *b, uint32_t number, uint64_t v)
{
    protobuf_put_key(b, number, WIRE_VARINT);
    protobuf_put_varint(b, v);
}

/* ---- the inside of known messages ---- */

static uint64_t int_of(const yyjson_mut_val *v)
{
    return yyjson_mut_is_int(json_mut(v)) ? (uint64_t)yyjson_mut_get_sint(json_mut(v)) : 0;
}

/* Go's zero time, and what is no time, is an empty message. */
static void add_time(struct buf *b, const yyjson_mut_val *v)
{
    int64_t us;
    if (!json_is_str(v) || !clock_parse(json_str(v), &us)) {
        return;
    }
    int64_t seconds = us / 1000000, micros = us % 1000000;
    if (micros < 0) {
        seconds--;
        micros += 1000000;
    }
    if (seconds != GO_ZERO_SECONDS || micros) {
        put_int(b, 1, (uint64_t)seconds);
        put_int(b, 2, (uint64_t)micros * 1000);
    }
}

/* IntOrString {type = 1, intVal = 2, strVal = 3}. */
static void add_int_or_string(struct buf *b, const yyjson_mut_val *v)
{
    put_int(b, 1, json_is_str(v));
    put_int(b, 2, int_of(v));
    protobuf_put_bytes(b, 3, json_str(v));
}

static void add_strings(struct buf *b, const yyjson_mut_val *v)
{
    struct json_iter it = json_iter(json_is_arr(v) ? v : NULL);
    while (it.container && json_next(&it)) {
        protobuf_put_bytes(b, 1, json_str(it.val));
    }
}

static void add_raw(struct buf *b, const yyjson_mut_val *v)
{
    if (v && !json_is_null(v)) {
        size_t begun = protobuf_begin(b, 1);
        json_write(b, v);
        protobuf_end(b, begun);
    }
}

static void add_base64(struct buf *b, const yyjson_mut_val *v)
{
    size_t len = b->len;
    if (!crypto_unbase64(b, json_str(v))) {
        b->len = len;
    }
}

/* ---- fields ---- */

static void add_message(struct buf *b, const struct protobuf_message *m, const yyjson_mut_val *v,
                        unsigned depth);

/* What stands in a field of bytes. */
static void add_content(struct buf *b, const struct protobuf_field *f, const yyjson_mut_val *v,
                        unsigned depth)
{
    switch (f->kind) {
    case PROTOBUF_STRING:
        buf_add(b, json_str(v));
        return;
    case PROTOBUF_BYTES:
        add_base64(b, v);
        return;
    case PROTOBUF_TIME:
    case PROTOBUF_MICRO_TIME:
        add_time(b, v);
        return;
    case PROTOBUF_QUANTITY:
        protobuf_put_bytes(b, 1, json_str(v));
        return;
    case PROTOBUF_INT_OR_STRING:
        add_int_or_string(b, v);
        return;
    case PROTOBUF_STRINGS:
        add_strings(b, v);
        return;
    case PROTOBUF_RAW:
        add_raw(b, v);
        return;
    case PROTOBUF_MESSAGE:
        add_message(b, f->message, v, depth + 1);
        return;
    case PROTOBUF_BOOL:
    case PROTOBUF_INT:
    case PROTOBUF_DOUBLE:
        return;
    }
}

static void put_double(struct buf *b, const yyjson_mut_val *v)
{
    double real = yyjson_mut_is_num(json_mut(v)) ? yyjson_mut_get_num(json_mut(v)) : 0;
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    for (int i = 0; i < 8; i++) {
        buf_addc(b, (char)(bits >> (8 * i)));
    }
}

/* A field with one value; v NULL: its zero value. */
static void put_value(struct buf *b, const struct protobuf_field *f, uint32_t number,
                      const yyjson_mut_val *v, unsigned depth)
{
    enum wire wire = protobuf_wire(f->kind);
    if (wire == WIRE_BYTES) {
        size_t begun = protobuf_begin(b, number);
        add_content(b, f, v, depth);
        protobuf_end(b, begun);
        return;
    }
    protobuf_put_key(b, number, wire);
    if (f->kind == PROTOBUF_DOUBLE) {
        put_double(b, v);
    } else {
        protobuf_put_varint(b,
                            f->kind == PROTOBUF_INT ? int_of(v) : yyjson_mut_get_bool(json_mut(v)));
    }
}

static void put_list(struct buf *b, const struct protobuf_field *f, const yyjson_mut_val *list,
                     unsigned depth)
{
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (it.container && json_next(&it)) {
        put_value(b, f, f->number, it.val, depth);
    }
}

static void put_entry(struct buf *b, const struct protobuf_field *f, const yyjson_mut_val *key,
                      const yyjson_mut_val *v, unsigned depth)
{
    size_t begun = protobuf_begin(b, f->number);
    protobuf_put_bytes(b, 1, json_str(key));
    if (f->kind != PROTOBUF_BYTES || json_is_str(v)) {
        put_value(b, f, 2, v, depth);
    }
    protobuf_end(b, begun);
}

static void put_map(struct buf *b, const struct protobuf_field *f, const yyjson_mut_val *map,
                    unsigned depth)
{
    size_t n = json_is_obj(map) ? json_size(map) : 0;
    AUTO_FREE yyjson_mut_val **keys = n ? json_sorted_keys(map) : NULL;
    for (size_t i = 0; i < n; i++) {
        put_entry(b, f, keys[i], keys[i]->next, depth);
    }
}

static void put_field(struct buf *b, const struct protobuf_field *f, const yyjson_mut_val *v,
                      unsigned depth)
{
    v = json_is_null(v) ? NULL : v;
    if (f->shape == PROTOBUF_LIST) {
        put_list(b, f, v, depth);
    } else if (f->shape == PROTOBUF_MAP) {
        put_map(b, f, v, depth);
    } else if (v || (f->zero != PROTOBUF_OPTIONAL && f->kind != PROTOBUF_BYTES)) {
        put_value(b, f, f->number, v, depth);
    }
}

/* ---- messages ---- */

static void add_either(struct buf *b, const struct protobuf_message *m, const yyjson_mut_val *v,
                       unsigned depth)
{
    const char *form = json_is_obj(v) ? "object" : json_is_arr(v) ? "array" : "bool";
    yyjson_mut_val yes = {.tag = YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE};
    for (size_t i = 0; i < m->n; i++) {
        const struct protobuf_field *f = &m->fields[i];
        if (str_is(f->name, form)) {
            put_field(b, f, v, depth);
        } else if (f->kind == PROTOBUF_BOOL) {
            put_value(b, f, f->number, &yes, depth); /* an object allows */
        }
    }
}

static void add_message(struct buf *b, const struct protobuf_message *m, const yyjson_mut_val *v,
                        unsigned depth)
{
    const yyjson_mut_val *values[PROTOBUF_FIELDS] = {0};
    if (depth > LIMIT_DEPTH) {
        return;
    }
    if (m->either) {
        add_either(b, m, v, depth);
        return;
    }
    struct json_iter it = json_iter(json_is_obj(v) ? v : NULL);
    while (it.container && json_next(&it)) {
        struct str key = json_str(it.key);
        size_t i = 0;
        while (i < m->n && !str_eq(m->fields[i].name, key)) {
            i++;
        }
        if (i < m->n) {
            values[i] = it.val;
        }
    }
    for (size_t i = 0; i < m->n; i++) {
        put_field(b, &m->fields[i], values[i], depth);
    }
}

void protobuf_encode(const struct protobuf_message *m, const yyjson_mut_val *v, struct buf *b)
{
    add_message(b, m, v, 1);
}
