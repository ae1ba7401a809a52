/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in Kubernetes' protobuf form. The field numbers of the shared messages are those of
 * k8s.io/apimachinery's generated.proto. */
#include "resources/protobuf_body.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"

#define MAGIC STR("k8s\0")

static const char shared[] =
    "{\"ObjectMeta\":{\"name\":\"1 string\",\"generateName\":\"2 string\",\"namespace\":\"3 "
    "string\",\"selfLink\":\"4 string\",\"uid\":\"5 string\","
    "\"resourceVersion\":\"6 string\",\"generation\":\"7 int\",\"creationTimestamp\":\"8 "
    "Time\",\"deletionTimestamp\":\"9 Time\","
    "\"deletionGracePeriodSeconds\":\"10 int?\",\"labels\":\"11 map string\",\"annotations\":\"12 "
    "map string\","
    "\"ownerReferences\":\"13 list OwnerReference\",\"finalizers\":\"14 list "
    "string\",\"managedFields\":\"17 list ManagedFieldsEntry\"},"
    "\"OwnerReference\":{\"kind\":\"1 string?\",\"name\":\"3 string?\",\"uid\":\"4 "
    "string?\",\"apiVersion\":\"5 string?\",\"controller\":\"6 bool?\","
    "\"blockOwnerDeletion\":\"7 bool?\"},"
    "\"ManagedFieldsEntry\":{\"manager\":\"1 string\",\"operation\":\"2 "
    "string\",\"apiVersion\":\"3 string\",\"time\":\"4 Time\",\"fieldsType\":\"6 string\","
    "\"fieldsV1\":\"7 Raw\",\"subresource\":\"8 string\"},"
    "\"DeleteOptions\":{\"gracePeriodSeconds\":\"1 int?\",\"preconditions\":\"2 "
    "Preconditions?\",\"orphanDependents\":\"3 bool?\","
    "\"propagationPolicy\":\"4 string?\",\"dryRun\":\"5 list "
    "string\",\"ignoreStoreReadErrorWithClusterBreakingPotential\":\"6 bool?\"},"
    "\"Preconditions\":{\"uid\":\"1 string?\",\"resourceVersion\":\"2 string?\"}}";

int protobuf_tables(struct arena *a, const yyjson_mut_val *tables, struct protobuf **ret,
                    struct err *err)
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
    struct protobuf *tables = t->protobuf;
    yyjson_mut_doc *d = json_doc(a);
    if (!str_starts(body, MAGIC)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "provided data does not appear to be a protobuf message, expected prefix "
                       "[107 56 115 0]");
    }
    int r = unwrap(body, &e, err);
    if (r == 0 && !tables) {
        r = protobuf_tables(a, NULL, &tables, err);
    }
    if (r == 0) {
        r = protobuf_decode(tables, e.kind, e.raw, a, d, &obj, err);
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
