/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in Kubernetes' protobuf form. The field numbers of the shared messages are those of k8s.io/apimachinery's generated.proto. */
#include "resources/protobuf_body.h"

#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"

#define MAGIC STR("k8s\0")

static const char shared[] =
    "{\"ObjectMeta\":{\"name\":\"1 string\",\"generateName\":\"2 string\",\"namespace\":\"3 string\",\"selfLink\":\"4 string\",\"uid\":\"5 string\","
    "\"resourceVersion\":\"6 string\",\"generation\":\"7 int\",\"creationTimestamp\":\"8 Time\",\"deletionTimestamp\":\"9 Time\","
    "\"deletionGracePeriodSeconds\":\"10 int?\",\"labels\":\"11 map string\",\"annotations\":\"12 map string\","
    "\"ownerReferences\":\"13 list OwnerReference\",\"finalizers\":\"14 list string\",\"managedFields\":\"17 list ManagedFieldsEntry\"},"
    "\"OwnerReference\":{\"kind\":\"1 string?\",\"name\":\"3 string?\",\"uid\":\"4 string?\",\"apiVersion\":\"5 string?\",\"controller\":\"6 bool?\","
    "\"blockOwnerDeletion\":\"7 bool?\"},"
    "\"ManagedFieldsEntry\":{\"manager\":\"1 string\",\"operation\":\"2 string\",\"apiVersion\":\"3 string\",\"time\":\"4 Time\",\"fieldsType\":\"6 string\","
    "\"fieldsV1\":\"7 Raw\",\"subresource\":\"8 string\"},"
    "\"DeleteOptions\":{\"gracePeriodSeconds\":\"1 int?\",\"preconditions\":\"2 Preconditions\",\"orphanDependents\":\"3 bool?\","
    "\"propagationPolicy\":\"4 string\",\"dryRun\":\"5 list string\",\"ignoreStoreReadErrorWithClusterBreakingPotential\":\"6 bool\"},"
    "\"Preconditions\":{\"uid\":\"1 string\",\"resourceVersion\":\"2 string\"},"
    "\"Unknown\":{\"typeMeta\":\"1 TypeMeta?\",\"raw\":\"2 bytes?\",\"contentEncoding\":\"3 string\",\"contentType\":\"4 string\"},"
    "\"TypeMeta\":{\"apiVersion\":\"1 string?\",\"kind\":\"2 string?\"}}";

int protobuf_tables(struct arena *a, const yyjson_mut_val *tables, struct protobuf **ret, struct err *err)
{
    yyjson_mut_doc *d = NULL;
    struct protobuf *common = NULL;
    struct arena scratch;
    arena_init(&scratch, 0);
    int r = json_read_own(&scratch, str_from(shared), &d, err);
    if (r == 0) {
        r = protobuf_create(a, d->root, NULL, &common, err);
    }
    if (r == 0) {
        r = protobuf_create(a, tables, common, ret, err);
    }
    arena_finish(&scratch);
    return r;
}

/* Takes the envelope apart: MAGIC, then a message Unknown whose raw field is the object. */
static int unwrap(const struct type *t, struct arena *a, struct str body, struct str *ret_api_version, struct str *ret_kind, struct str *ret_raw,
                  struct err *err)
{
    yyjson_mut_val *unknown = NULL, *type_meta;
    struct buf raw = {0};
    if (!str_starts(body, MAGIC)) {
        return err_set(err, ERR_BAD_REQUEST, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
    }
    int r = protobuf_decode(t->protobuf, STR("Unknown"), str_skip(body, MAGIC.len), a, json_doc(a), &unknown, err);
    if (r < 0) {
        return r;
    }
    type_meta = json_get(unknown, "typeMeta");
    *ret_api_version = json_get_str(type_meta, "apiVersion");
    *ret_kind = json_get_str(type_meta, "kind");
    r = crypto_unbase64(&raw, json_get_str(unknown, "raw")) ? 0 : err_set(err, ERR_BAD_REQUEST, "the protobuf envelope is broken");
    *ret_raw = arena_str(a, buf_str(&raw));
    buf_finish(&raw);
    return r;
}

/* A map may name a key twice; a round through text settles that as for JSON bodies, and normalises numbers. */
static int settle(struct arena *a, yyjson_mut_val *obj, yyjson_mut_doc **ret, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    json_write(&text, obj);
    return json_read(a, arena_str(a, buf_str(&text)), ret, NULL, err);
}

int protobuf_read(const struct type *t, struct arena *a, struct str body, yyjson_mut_doc **ret, struct err *err)
{
    struct str api_version, kind, raw;
    yyjson_mut_val *obj = NULL;
    yyjson_mut_doc *d = json_doc(a);
    if (!t->protobuf) {
        return err_set(err, ERR_MEDIA_TYPE, "the type has no protobuf form");
    }
    int r = unwrap(t, a, body, &api_version, &kind, &raw, err);
    if (r < 0) {
        return r;
    }
    r = protobuf_decode(t->protobuf, kind, raw, a, d, &obj, err);
    if (r < 0) {
        return r == ERR_NOT_FOUND ? err_set(err, ERR_BAD_REQUEST, "no kind \"%.*s\" is registered for version \"%.*s\"", STR_FMT(kind), STR_FMT(api_version)) : r;
    }
    yyjson_mut_val *whole = yyjson_mut_obj(d);
    if (api_version.len) {
        json_set_str(d, whole, "apiVersion", api_version);
    }
    if (kind.len) {
        json_set_str(d, whole, "kind", kind);
    }
    struct json_iter it = json_iter(obj);
    while (json_next(&it)) {
        yyjson_mut_obj_add(whole, yyjson_mut_strn(d, json_str(it.key).ptr, json_str(it.key).len), json_copy(d, it.val));
    }
    return settle(a, whole, ret, err);
}
