/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to the other encodings. */
#include "resources/encoding.h"

#include "base/cbor.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/protobuf_body.h"
#include "resources/protobuf_meta.h"

enum { FRAME_HEAD = 4 }; /* the length of a protobuf frame, the most significant byte first */

static int no_message(const struct protobuf_message *m, struct str kind, struct err *err)
{
    return m ? 0
             : err_set(err, ERR_NOT_ACCEPTABLE,
                       "object %.*s does not implement the protobuf marshalling interface and "
                       "cannot be encoded to a protobuf message",
                       STR_FMT(kind));
}

int encoding_write(struct buf *b, enum encoding e, const struct type *t, const yyjson_mut_val *obj,
                   struct err *err)
{
    struct str kind = json_get_str(obj, "kind");
    const struct protobuf_message *m = NULL;
    switch (e) {
    case ENCODING_JSON:
        json_write(b, obj);
        return 0;
    case ENCODING_CBOR:
        buf_add(b, CBOR_SELF_DESCRIBED);
        cbor_write(b, obj);
        return 0;
    case ENCODING_PROTOBUF:
        m = protobuf_message_of(t, kind);
        break;
    }
    int r = no_message(m, kind, err);
    if (r == 0) {
        size_t begun = protobuf_body_begin(b, json_get_str(obj, "apiVersion"), kind);
        protobuf_encode(m, obj, b);
        protobuf_body_end(b, begun);
    }
    return r;
}

/* What a part of JSON text becomes. */
struct part {
    enum encoding encoding;
    const struct type *type;
    struct str kind;
};
typedef int part_fn(struct buf *b, const struct part *p, const yyjson_mut_val *v, struct err *err);

static int rewrite(struct buf *b, size_t from, const struct part *p, part_fn *fn, struct err *err)
{
    AUTO(buf_finish) struct buf out = {0};
    yyjson_mut_doc *d = NULL;
    struct arena a;
    if (p->encoding == ENCODING_JSON) {
        return 0;
    }
    arena_init(&a, 0);
    buf_reserve(&out, b->len - from);
    int r = json_read_own(&a, str_skip(buf_str(b), from), &d, err);
    r = r < 0 ? r : fn(&out, p, yyjson_mut_doc_get_root(d), err);
    arena_finish(&a);
    b->len = from;
    if (r == 0) {
        buf_add(b, buf_str(&out));
    }
    return r;
}

static int add_body(struct buf *b, const struct part *p, const yyjson_mut_val *v, struct err *err)
{
    return encoding_write(b, p->encoding, p->type, v, err);
}

int encoding_body(struct buf *b, size_t from, enum encoding e, const struct type *t,
                  struct err *err)
{
    return rewrite(b, from, &(struct part){.encoding = e, .type = t}, add_body, err);
}

/* WatchEvent {type = 1, object = 2 {raw = 1}}, its length before it. */
static int add_protobuf_event(struct buf *b, const struct part *p, const yyjson_mut_val *v,
                              struct err *err)
{
    size_t head = b->len;
    buf_add(b, str_make("\0\0\0", FRAME_HEAD));
    protobuf_put_bytes(b, 1, json_get_str(v, "type"));
    size_t object = protobuf_begin(b, 2), raw = protobuf_begin(b, 1);
    int r = encoding_write(b, p->encoding, p->type, json_get(v, "object"), err);
    protobuf_end(b, raw);
    protobuf_end(b, object);
    size_t len = b->len - head - FRAME_HEAD;
    for (int i = 0; i < FRAME_HEAD; i++) {
        b->ptr[head + i] = (char)(len >> (8 * (FRAME_HEAD - 1 - i)));
    }
    return r;
}

static int add_event(struct buf *b, const struct part *p, const yyjson_mut_val *v, struct err *err)
{
    if (p->encoding == ENCODING_PROTOBUF) {
        return add_protobuf_event(b, p, v, err);
    }
    buf_add(b, CBOR_SELF_DESCRIBED);
    cbor_put_map(b, 2);
    cbor_put_text(b, STR("type"));
    cbor_put_text(b, json_get_str(v, "type"));
    cbor_put_text(b, STR("object"));
    return encoding_write(b, p->encoding, p->type, json_get(v, "object"), err);
}

int encoding_event(struct buf *b, size_t from, enum encoding e, const struct type *t,
                   struct err *err)
{
    return rewrite(b, from, &(struct part){.encoding = e, .type = t}, add_event, err);
}

size_t encoding_frame_head(enum encoding e)
{
    return e == ENCODING_PROTOBUF ? FRAME_HEAD : 0;
}

static int add_item(struct buf *b, const struct part *p, const yyjson_mut_val *v, struct err *err)
{
    if (p->encoding == ENCODING_CBOR) {
        cbor_write(b, v);
        return 0;
    }
    const struct protobuf_message *m = protobuf_message_of(p->type, p->kind);
    int r = no_message(m, p->kind, err);
    if (r == 0) {
        size_t begun = protobuf_begin(b, 2);
        protobuf_encode(m, v, b);
        protobuf_end(b, begun);
    }
    return r;
}

int encoding_item(struct buf *b, size_t from, enum encoding e, const struct type *t,
                  struct str kind, struct err *err)
{
    return rewrite(b, from, &(struct part){.encoding = e, .type = t, .kind = kind}, add_item, err);
}

static int add_list_meta(struct buf *b, const struct part *p, const yyjson_mut_val *v,
                         struct err *err)
{
    (void)err;
    if (p->encoding == ENCODING_CBOR) {
        cbor_write(b, v);
        return 0;
    }
    size_t begun = protobuf_begin(b, 1);
    protobuf_encode(protobuf_find(&protobuf_meta, STR("ListMeta")), v, b);
    protobuf_end(b, begun);
    return 0;
}

int encoding_list_meta(struct buf *b, size_t from, enum encoding e, struct err *err)
{
    return rewrite(b, from, &(struct part){.encoding = e}, add_list_meta, err);
}
