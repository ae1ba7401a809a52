/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers into the value type, driven by tables of field numbers. */
#include "base/protobuf.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/protobuf_priv.h"
#include "base/utf8.h"

/* ---- the wire ---- */

struct reader {
    struct arena *arena;
    yyjson_mut_doc *doc;
    struct err *err;
    unsigned depth;
};

/* One field as it stands on the wire. */
struct item {
    uint32_t number;
    enum wire wire;
    uint64_t scalar;
    struct str bytes;
};

static bool take_varint(struct str *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && s->len; shift += 7) {
        unsigned char c = (unsigned char)s->ptr[0];
        *s = str_skip(*s, 1);
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct str *s, size_t n, uint64_t *ret)
{
    if (s->len < n) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)(unsigned char)s->ptr[i] << (8 * i);
    }
    *s = str_skip(*s, n);
    *ret = v;
    return true;
}

static bool take_item(struct str *s, struct item *i)
{
    uint64_t key, n;
    if (!take_varint(s, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) {
        return false;
    }
    i->number = (uint32_t)(key >> 3);
    i->wire = (enum wire)(key & 7);
    switch (i->wire) {
    case WIRE_VARINT:
        return take_varint(s, &i->scalar);
    case WIRE_64:
        return take_fixed(s, 8, &i->scalar);
    case WIRE_32:
        return take_fixed(s, 4, &i->scalar);
    case WIRE_BYTES:
        if (!take_varint(s, &n) || n > s->len) {
            return false;
        }
        i->bytes = str_make(s->ptr, (size_t)n);
        *s = str_skip(*s, (size_t)n);
        return true;
    }
    return false; /* groups are not used */
}

static int broken(struct reader *r, struct str where)
{
    return err_set(r->err, ERR_BAD_REQUEST, "proto: %.*s: the bytes are not a message of this type",
                   STR_FMT(where));
}

/* The next of the fields of a known message: field number i has the wire type wires[i] (0: none has
 * that number). */
static int take_known(struct reader *r, const struct protobuf_field *f, const enum wire *wires,
                      uint32_t n, struct str *s, struct item *ret)
{
    if (!take_item(s, ret) || (ret->number <= n && ret->wire != wires[ret->number - 1])) {
        return broken(r, f->name);
    }
    return 0;
}

static int decode_message(struct reader *r, const struct protobuf_message *m, struct str bytes,
                          yyjson_mut_val **ret);

static int decode_text(struct reader *r, const struct protobuf_field *f, struct str s,
                       yyjson_mut_val **ret)
{
    if (!utf8_valid(s)) {
        return err_set(r->err, ERR_BAD_REQUEST, "proto: field %.*s contains invalid UTF-8",
                       STR_FMT(f->name));
    }
    *ret = s.len || f->zero || f->shape != PROTOBUF_ONE
               ? yyjson_mut_strncpy(r->doc, s.ptr ? s.ptr : "", s.len)
               : NULL;
    return 0;
}

/* Go marshals byte slices as base64. */
static int decode_bytes(struct reader *r, const struct protobuf_field *f, struct str s,
                        yyjson_mut_val **ret)
{
    struct buf b = {0};
    crypto_base64(&b, s);
    *ret = s.len || f->zero || f->shape != PROTOBUF_ONE
               ? yyjson_mut_strncpy(r->doc, b.len ? b.ptr : "", b.len)
               : NULL;
    buf_finish(&b);
    return 0;
}

/* Time {seconds = 1, nanos = 2}; an empty one is Go's zero time, which marshals as null. */
static int decode_time(struct reader *r, const struct protobuf_field *f, struct str s,
                       yyjson_mut_val **ret)
{
    static const enum wire wires[] = {WIRE_VARINT, WIRE_VARINT};
    int64_t parts[2] = {0, 0};
    bool any = s.len > 0;
    char text[CLOCK_TEXT];
    while (s.len) {
        struct item i = {0};
        int code = take_known(r, f, wires, 2, &s, &i);
        if (code < 0) {
            return code;
        }
        if (i.number <= 2) {
            parts[i.number - 1] = (int64_t)i.scalar;
        }
    }
    if (parts[0] < -62135596800 || parts[0] > 253402300799 || parts[1] < 0 ||
        parts[1] > 999999999) {
        return broken(r, f->name);
    }
    int64_t us = parts[0] * 1000000 + parts[1] / 1000;
    size_t n = f->kind == PROTOBUF_TIME ? clock_format(us, text) : clock_format_micro(us, text);
    *ret = any ? yyjson_mut_strncpy(r->doc, text, n) : NULL;
    return 0;
}

/* The one field (number 1, bytes) of Quantity and of the Raw messages. */
static int decode_first(struct reader *r, const struct protobuf_field *f, struct str s,
                        struct str *ret)
{
    return protobuf_bytes(s, 1, ret) < 0 ? broken(r, f->name) : 0;
}

static int decode_raw(struct reader *r, const struct protobuf_field *f, struct str s,
                      yyjson_mut_val **ret)
{
    struct str json;
    yyjson_mut_doc *d = NULL;
    int code = decode_first(r, f, s, &json);
    *ret = NULL;
    if (code < 0 || !json.len) {
        return code;
    }
    if ((code = json_read(r->arena, arena_str(r->arena, json), &d, NULL, r->err)) == 0) {
        *ret = d->root;
    }
    return code;
}

/* IntOrString {type = 1, intVal = 2, strVal = 3}. */
static int decode_int_or_string(struct reader *r, const struct protobuf_field *f, struct str s,
                                yyjson_mut_val **ret)
{
    static const enum wire wires[] = {WIRE_VARINT, WIRE_VARINT, WIRE_BYTES};
    uint64_t type = 0, number = 0;
    struct str text = STR_NULL;
    while (s.len) {
        struct item i = {0};
        int code = take_known(r, f, wires, 3, &s, &i);
        if (code < 0) {
            return code;
        }
        type = i.number == 1 ? i.scalar : type;
        number = i.number == 2 ? i.scalar : number;
        text = i.number == 3 ? i.bytes : text;
    }
    if (type == 1) {
        return decode_text(r, f, text, ret);
    }
    *ret = yyjson_mut_sint(r->doc, (int64_t)number);
    return 0;
}

/* Strings {items = 1, repeated}: a list without a name of its own, as the values of a map of lists
 * are. */
static int decode_strings(struct reader *r, const struct protobuf_field *f, struct str s,
                          yyjson_mut_val **ret)
{
    static const enum wire wires[] = {WIRE_BYTES};
    const struct protobuf_field item_field = {
        .name = f->name, .kind = PROTOBUF_STRING, .zero = PROTOBUF_KEEP};
    yyjson_mut_val *list = yyjson_mut_arr(r->doc), *v = NULL;
    while (s.len) {
        struct item i = {0};
        int code = take_known(r, f, wires, 1, &s, &i);
        if (code == 0 && i.number == 1) {
            code = decode_text(r, &item_field, i.bytes, &v);
            yyjson_mut_arr_append(list, v);
        }
        if (code < 0) {
            return code;
        }
    }
    *ret = list;
    return 0;
}

static int decode_double(struct reader *r, const struct protobuf_field *f, uint64_t bits,
                         yyjson_mut_val **ret)
{
    double real;
    memcpy(&real, &bits, sizeof(real));
    if (!isfinite(real)) {
        return err_set(r->err, ERR_BAD_REQUEST, "proto: field %.*s has a number that JSON lacks",
                       STR_FMT(f->name));
    }
    *ret = real != 0 || f->zero || f->shape != PROTOBUF_ONE ? yyjson_mut_real(r->doc, real) : NULL;
    return 0;
}

static int decode_value(struct reader *r, const struct protobuf_field *f, const struct item *i,
                        yyjson_mut_val **ret)
{
    struct str text;
    int code;
    if (i->wire != protobuf_wire(f->kind)) {
        return broken(r, f->name);
    }
    bool keep = i->scalar || f->zero || f->shape != PROTOBUF_ONE;
    switch (f->kind) {
    case PROTOBUF_STRING:
        return decode_text(r, f, i->bytes, ret);
    case PROTOBUF_BYTES:
        return decode_bytes(r, f, i->bytes, ret);
    case PROTOBUF_BOOL:
        *ret = keep ? yyjson_mut_bool(r->doc, i->scalar != 0) : NULL;
        return 0;
    case PROTOBUF_INT:
        *ret = keep ? yyjson_mut_sint(r->doc, (int64_t)i->scalar) : NULL;
        return 0;
    case PROTOBUF_DOUBLE:
        return decode_double(r, f, i->scalar, ret);
    case PROTOBUF_TIME:
    case PROTOBUF_MICRO_TIME:
        return decode_time(r, f, i->bytes, ret);
    case PROTOBUF_QUANTITY:
        code = decode_first(r, f, i->bytes, &text);
        return code < 0 ? code : decode_text(r, f, text, ret);
    case PROTOBUF_INT_OR_STRING:
        return decode_int_or_string(r, f, i->bytes, ret);
    case PROTOBUF_STRINGS:
        return decode_strings(r, f, i->bytes, ret);
    case PROTOBUF_RAW:
        return decode_raw(r, f, i->bytes, ret);
    case PROTOBUF_MESSAGE:
        break;
    }
    code = decode_message(r, f->message, i->bytes, ret);
    if (code == 0 && f->shape == PROTOBUF_ONE && !f->zero && !json_size(*ret)) {
        *ret = NULL;
    }
    return code;
}

/* A map's entry is a message {key = 1, value = 2}; what is absent has its zero value. */
static int decode_entry(struct reader *r, const struct protobuf_field *f, struct str s,
                        yyjson_mut_val *map)
{
    static const struct protobuf_field key_field = {
        .name = {"key", 3}, .kind = PROTOBUF_STRING, .zero = PROTOBUF_KEEP};
    const struct item zero = {.wire = protobuf_wire(f->kind)};
    yyjson_mut_val *key = yyjson_mut_strncpy(r->doc, "", 0), *value = NULL;
    while (s.len) {
        struct item i = {0};
        int code = take_item(&s, &i) ? 0 : broken(r, f->name);
        if (code == 0 && i.number == 1) {
            code = i.wire == WIRE_BYTES ? decode_text(r, &key_field, i.bytes, &key)
                                        : broken(r, f->name);
        } else if (code == 0 && i.number == 2) {
            code = decode_value(r, f, &i, &value);
        }
        if (code < 0) {
            return code;
        }
    }
    if (!value) {
        int code = decode_value(r, f, &zero, &value);
        if (code < 0) {
            return code;
        }
    }
    yyjson_mut_obj_add(map, key,
                       value ? value
                             : yyjson_mut_null(r->doc)); /* a key may come twice: the last counts */
    return 0;
}

static yyjson_mut_val *container(struct reader *r, yyjson_mut_val *obj,
                                 const struct protobuf_field *f)
{
    yyjson_mut_val *c = json_getn(obj, f->name);
    if (!c) {
        c = f->shape == PROTOBUF_LIST ? yyjson_mut_arr(r->doc) : yyjson_mut_obj(r->doc);
        json_set(r->doc, obj, f->name, c);
    }
    return c;
}

static int decode_field(struct reader *r, const struct protobuf_field *f, const struct item *i,
                        yyjson_mut_val *obj)
{
    yyjson_mut_val *v = NULL;
    if (f->shape == PROTOBUF_MAP) {
        return i->wire == WIRE_BYTES ? decode_entry(r, f, i->bytes, container(r, obj, f))
                                     : broken(r, f->name);
    }
    int code = decode_value(r, f, i, &v);
    if (code < 0) {
        return code;
    }
    if (f->shape == PROTOBUF_LIST) {
        yyjson_mut_arr_append(container(r, obj, f), v ? v : yyjson_mut_null(r->doc));
    } else if (v) {
        json_set(r->doc, obj, f->name, v);
    } else {
        json_removen(obj, f->name); /* it came before: the last counts */
    }
    return 0;
}

/* Of one value in several forms, as Go's MarshalJSON chooses. */
static yyjson_mut_val *pick_form(struct reader *r, const yyjson_mut_val *forms)
{
    static const char *const names[] = {"array", "object", "bool"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        yyjson_mut_val *v = json_get(forms, names[i]);
        if (v) {
            yyjson_mut_val *copy = yyjson_mut_null(r->doc);
            json_assign(copy, v);
            return copy;
        }
    }
    return yyjson_mut_null(r->doc);
}

static int decode_message(struct reader *r, const struct protobuf_message *m, struct str bytes,
                          yyjson_mut_val **ret)
{
    yyjson_mut_val *obj = yyjson_mut_obj(r->doc);
    int code = 0;
    if (++r->depth > LIMIT_DEPTH) {
        return err_set(r->err, ERR_BAD_REQUEST, "proto: the message is nested too deeply");
    }
    while (bytes.len && code == 0) {
        struct item i = {0};
        if (!take_item(&bytes, &i)) {
            return broken(r, m->name);
        }
        for (size_t j = 0; j < m->n && code == 0; j++) {
            if (m->fields[j].number == i.number) {
                code = decode_field(r, &m->fields[j], &i, obj);
            }
        }
    }
    r->depth--;
    *ret = m->either && code == 0 ? pick_form(r, obj) : obj;
    return code;
}

int protobuf_bytes(struct str message, uint32_t number, struct str *ret)
{
    struct str found = STR_NULL;
    while (message.len) {
        struct item i = {0};
        if (!take_item(&message, &i) || (i.number == number && i.wire != WIRE_BYTES)) {
            return ERR_BAD_REQUEST;
        }
        found = i.number == number ? i.bytes : found;
    }
    *ret = found;
    return 0;
}

int protobuf_decode(const struct protobuf *p, struct str message, struct str bytes, struct arena *a,
                    yyjson_mut_doc *d, yyjson_mut_val **ret, struct err *err)
{
    struct reader r = {.arena = a, .doc = d, .err = err};
    const struct protobuf_message *m = protobuf_find(p, message);
    if (!m) {
        return err_set(err, ERR_NOT_FOUND, "proto: there is no message %.*s", STR_FMT(message));
    }
    return decode_message(&r, m, bytes, ret);
}
