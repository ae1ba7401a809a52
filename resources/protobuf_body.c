/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in Kubernetes' protobuf form. */
#include "resources/protobuf_body.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"
#include "resources/protobuf_meta.h"

#define MAGIC STR("k8s\0")

int protobuf_tables(struct arena *a, const yyjson_mut_val *tables, struct protobuf **ret,
                    struct err *err)
{
    return protobuf_create(a, tables, &protobuf_meta, ret, err);
}

const struct protobuf_message *protobuf_message_of(const struct type *t, struct str kind)
{
    return protobuf_find(t && t->protobuf ? t->protobuf : &protobuf_meta, kind);
}

size_t protobuf_body_begin(struct buf *b, struct str api_version, struct str kind)
{
    buf_add(b, MAGIC);
    size_t type_meta = protobuf_begin(b, 1);
    protobuf_put_bytes(b, 1, api_version);
    protobuf_put_bytes(b, 2, kind);
    protobuf_end(b, type_meta);
    return protobuf_begin(b, 2);
}

void protobuf_body_end(struct buf *b, size_t begun)
{
    protobuf_end(b, begun);
    protobuf_body_tail(b);
}

void protobuf_body_head(struct buf *b, struct str api_version, struct str kind, uint64_t len)
{
    size_t begun = protobuf_body_begin(b, api_version, kind);
    b->len = begun - 1;
    protobuf_put_varint(b, len);
}

void protobuf_body_tail(struct buf *b)
{
    protobuf_put_bytes(b, 3, STR_NULL); /* contentEncoding and contentType */
    protobuf_put_bytes(b, 4, STR_NULL);
}

/* What the envelope says: MAGIC, then a message Unknown {typeMeta = 1 {apiVersion = 1, kind = 2},
 * raw = 2}. Borrowed from the body. */
struct envelope {
    struct str api_version, kind, raw;
};

static int unwrap(struct str body, struct envelope *ret, struct err *err)
{
    struct str unknown = str_skip(body, MAGIC.len), type_meta;
    if (protobuf_bytes(unknown, 1, &type_meta) < 0 || protobuf_bytes(unknown, 2, &ret->raw) < 0 ||
        protobuf_bytes(type_meta, 1, &ret->api_version) < 0 ||
        protobuf_bytes(type_meta, 2, &ret->kind) < 0) {
        return err_set(err, ERR_BAD_REQUEST, "proto: the envelope is broken");
    }
    if (!utf8_valid(ret->api_version) || !utf8_valid(ret->kind)) {
        return err_set(err, ERR_BAD_REQUEST, "proto: the envelope contains invalid UTF-8");
    }
    return 0;
}

/* A map may name a key twice; a round through text settles that as for JSON bodies, and normalises
 * numbers. */
static int settle(struct arena *a, yyjson_mut_val *obj, yyjson_mut_doc **ret, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    json_write(&text, obj);
    return json_read(a, arena_str(a, buf_str(&text)), ret, NULL, err);
}

int protobuf_read(const struct type *t, struct arena *a, struct str body, yyjson_mut_doc **ret,
                  struct err *err)
{
    struct envelope e = {0};
    yyjson_mut_val *obj = NULL;
    yyjson_mut_doc *d = json_doc(a);
    if (!body.len) {
        return err_set(err, ERR_BAD_REQUEST, "empty data");
    }
    if (!str_starts(body, MAGIC)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "provided data does not appear to be a protobuf message, expected prefix "
                       "[107 56 115 0]");
    }
    if (body.len == MAGIC.len) {
        return err_set(err, ERR_BAD_REQUEST, "empty body");
    }
    int r = unwrap(body, &e, err);
    if (r == 0) {
        r = protobuf_decode(t->protobuf ? t->protobuf : &protobuf_meta, e.kind, e.raw, a, d, &obj,
                            err);
    }
    if (r < 0) {
        return r == ERR_NOT_FOUND ? err_set(err, ERR_BAD_REQUEST,
                                            "no kind \"%.*s\" is registered for version \"%.*s\"",
                                            STR_FMT(e.kind), STR_FMT(e.api_version))
                                  : r;
    }
    json_set_first(d, obj, "kind", yyjson_mut_strncpy(d, e.kind.ptr, e.kind.len));
    if (e.api_version.len) {
        json_set_first(d, obj, "apiVersion",
                       yyjson_mut_strncpy(d, e.api_version.ptr, e.api_version.len));
    }
    return settle(a, obj, ret, err);
}
