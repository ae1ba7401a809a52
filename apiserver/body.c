/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of bodies; the texts follow the reference's serializers and transformDecodeError. */
#include "apiserver/body.h"

#include "apiserver/negotiate.h"
#include "base/cbor.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "resources/protobuf_body.h"
#include "resources/status.h"

enum { SUMMARY_BYTES = 30 };

int body_check(const struct call *c, struct err *err)
{
    switch (c->http->body_state) {
    case HTTP_BODY_TOO_LARGE:
        return status_too_large(err, "limit is %u", LIMIT_BODY_BYTES);
    case HTTP_BODY_NO_MEMORY:
        err_set(err, ERR_TOO_MANY, "too many large requests at once, please try again later");
        err->retry_after = 1;
        return ERR_TOO_MANY;
    case HTTP_BODY_OK:
        break;
    }
    return 0;
}

/* The beginning of a body as the reference shows it in an error. */
static void add_summary(struct buf *b, struct str body)
{
    struct str head = str_make(body.ptr, body.len < SUMMARY_BYTES ? body.len : SUMMARY_BYTES);
    if (!body.len) {
        buf_addz(b, "<empty>");
    } else if (body.ptr[0] == '{') {
        buf_add(b, head);
    } else {
        crypto_hex(b, (const unsigned char *)head.ptr, head.len);
    }
    buf_addz(b, head.len < body.len ? " ..." : "");
}

/* The reference looks for apiVersion and kind first: what keeps it from that is told so. */
static int decode_cbor(struct op *op, struct str body, yyjson_mut_doc **ret, struct err *err)
{
    int r = cbor_read(&op->arena, body, ret, err);
    return r == ERR_BAD_REQUEST ? err_wrap(err, "unable to determine group/version/kind") : r;
}

static int decode(struct call *c, struct op *op, enum media media, yyjson_mut_doc **ret,
                  struct err *err)
{
    struct str body = c->http->body;
    if (media == MEDIA_PROTOBUF) {
        return protobuf_read(op->type, &op->arena, body, ret, err);
    }
    if (media == MEDIA_CBOR) {
        return decode_cbor(op, body, ret, err);
    }
    op->duplicates.merge = op->type && !op->type->custom;
    return media == MEDIA_YAML ? yaml_read(&op->arena, body, ret, &op->duplicates, err)
                               : json_read(&op->arena, body, ret, &op->duplicates, err);
}

static int unrecognized(struct str kind, enum media media, struct str body, const struct err *why,
                        struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    add_summary(&b, body);
    return err_set(err, ERR_BAD_REQUEST,
                   "the object provided is unrecognized (must be of type %.*s): %s%s (%.*s)",
                   STR_FMT(kind),
                   media == MEDIA_JSON ? "couldn't get version/kind; json parse error: " : "",
                   err_message(why), STR_FMT(buf_str(&b)));
}

int body_read_object(struct call *c, struct op *op, struct str kind, struct err *err)
{
    enum media media;
    int r = negotiate_body(c, &media, err);
    r = r < 0 ? r : body_check(c, err);
    if (r < 0) {
        return r;
    }
    AUTO(err_finish) struct err why = {0};
    if (decode(c, op, media, &op->body, &why) < 0) {
        return unrecognized(kind, media, c->http->body, &why, err);
    }
    http_body_release(c->http);
    return 0;
}

static int decode_apply_cbor(struct call *c, struct op *op, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    return cbor_read(&op->arena, c->http->body, &op->body, &why) == 0
               ? 0
               : err_set(err, ERR_BAD_REQUEST, "error decoding patch: %s", err_message(&why));
}

/* A body that begins as JSON is read as that, which is quicker; what is wrong with it is said by
 * the reader of YAML, as in the reference. */
static int decode_apply(struct call *c, struct op *op, struct err *err)
{
    struct str body = c->http->body;
    AUTO(err_finish) struct err why = {0};
    size_t i = 0;
    while (i < body.len && memchr(" \t\r\n", body.ptr[i], 4)) {
        i++;
    }
    bool json = i < body.len && body.ptr[i] == '{';
    op->duplicates.merge = false;
    if (json && json_read(&op->arena, body, &op->body, &op->duplicates, &why) == 0 &&
        !op->duplicates.n) {
        return 0;
    }
    op->duplicates = (struct json_duplicates){0};
    if (yaml_read(&op->arena, body, &op->body, &op->duplicates, &why) == 0) {
        return 0;
    }
    return err_set(err, ERR_BAD_REQUEST, "error %s patch: %s%s", json ? "decoding" : "encoding",
                   json ? "error converting YAML to JSON: " : "", err_message(&why));
}

int body_read_patch(struct call *c, struct op *op, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    int r = body_check(c, err);
    if (r == 0 && op->patch == PATCH_APPLY) {
        r = negotiate_patch_cbor(c) ? decode_apply_cbor(c, op, err) : decode_apply(c, op, err);
    } else if (r == 0 && decode(c, op, MEDIA_JSON, &op->body, &why) < 0) {
        r = err_set(err, ERR_BAD_REQUEST, "invalid JSON patch");
    }
    if (r < 0) {
        return r;
    }
    http_body_release(c->http);
    return 0;
}

int body_read_delete(struct call *c, struct op *op, yyjson_mut_val **ret, struct err *err)
{
    enum media media;
    *ret = NULL;
    int r = body_check(c, err);
    if (r < 0 || !c->http->body.len) {
        return r;
    }
    r = negotiate_body(c, &media, err);
    if (r < 0) {
        return r;
    }
    yyjson_mut_doc *doc = NULL;
    AUTO(err_finish) struct err why = {0};
    if (decode(c, op, media, &doc, &why) < 0) {
        return err_set(err, ERR_BAD_REQUEST, "%s%s",
                       media == MEDIA_JSON ? "couldn't get version/kind; json parse error: " : "",
                       err_message(&why));
    }
    op->duplicates = (struct json_duplicates){0};
    *ret = yyjson_mut_doc_get_root(doc);
    return 0;
}
