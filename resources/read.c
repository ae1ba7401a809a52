/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one object. */
#include "resources/engine_priv.h"

int64_t read_revision(struct engine *e, int64_t wanted)
{
    int64_t now = store_revision(e->store), seen = 0;
    if (wanted > now) {
        struct blob *blob = NULL;
        struct store_entry entry;
        store_get(e->store, STR("/"), 0, &blob, &entry, &seen, NULL);
        blob_unref(blob);
    }
    return seen > now ? seen : now;
}

/* The resourceVersion of a get: whatever is newest will do, unless it lies ahead of the store. */
static int check_rv(const struct op *op, struct err *err)
{
    struct str text = op->list.resource_version;
    if (!text.len) {
        return 0;
    }
    int64_t rv = 0;
    const char *why = op_parse_rv(text, &rv);
    if (why) {
        return err_set(
            err, ERR_UNKNOWN_500,
            "resourceVersion: Invalid value: \"%.*s\": strconv.ParseUint: parsing \"%.*s\": %s",
            STR_FMT(text), STR_FMT(text), why);
    }
    int64_t now = read_revision(op->engine, rv);
    return rv > now ? status_future_version(err, rv, now) : 0;
}

static int read_scale(struct op *op, const struct stored *s, struct err *err)
{
    yyjson_mut_doc *d = NULL;
    int rc = represent_decode(op->type, op->version, s, &op->arena, &d, err);
    if (rc) {
        return rc;
    }
    yyjson_mut_val *obj = yyjson_mut_doc_get_root(d), *scale = NULL;
    rc = scale_of(op, d, obj, json_get_str(metadata_of(obj), "resourceVersion"), &scale, err);
    if (rc) {
        return rc;
    }
    op->answer.doc = d;
    op->answer.value = scale;
    return 0;
}

/* Here and not when it is answered: it may take a while, and this is the pool. */
static int read_converted(struct op *op, const struct stored *s, struct err *err)
{
    int rc = represent_decode(op->type, op->version, s, &op->arena, &op->answer.doc, err);
    op->answer.value = rc ? NULL : yyjson_mut_doc_get_root(op->answer.doc);
    return rc;
}

bool read_is_computed(const struct op *op)
{
    const struct type_subresource *sub =
        op->subresource.len ? type_subresource(op->type, op->subresource) : NULL;
    return op->query || (sub && sub->get);
}

static int read_computed(struct op *op, const struct stored *s, struct err *err)
{
    const struct type_subresource *sub = type_subresource(op->type, op->subresource);
    yyjson_mut_doc *object = NULL;
    int rc = represent_decode(op->type, op->version, s, &op->arena, &object, err);
    op->answer.doc = json_doc(&op->arena);
    return rc ? rc
              : sub->get(op->type->self, op, op->answer.doc, yyjson_mut_doc_get_root(object),
                         &op->answer.value, err);
}

static bool read_without_object(const struct op *op)
{
    const struct type_subresource *sub =
        op->subresource.len ? type_subresource(op->type, op->subresource) : NULL;
    return sub && sub->get && sub->absent;
}

static int read_absent(struct op *op, struct err *err)
{
    const struct type_subresource *sub = type_subresource(op->type, op->subresource);
    op->answer.http_status = 200;
    op->answer.doc = json_doc(&op->arena);
    return sub->get(op->type->self, op, op->answer.doc, NULL, &op->answer.value, err);
}

static int read_query(struct op *op, struct err *err)
{
    op->answer.http_status = 200;
    op->answer.doc = json_doc(&op->arena);
    return op->query->get(op->type->self, op, op->answer.doc, &op->answer.value, err);
}

int read_object(struct op *op, struct err *err)
{
    if (op->query) {
        return read_query(op, err);
    }
    int rc = op->list.resource_version.len ? check_rv(op, err) : 0;
    if (rc) {
        return rc;
    }
    struct store_entry entry;
    struct blob *blob = NULL;
    struct err why = {0};
    rc = store_get(op->engine->store, type_key(op->type, op->scope, op->name, &op->arena), 0, &blob,
                   &entry, NULL, &why);
    if (rc == ERR_NOT_FOUND && read_without_object(op)) {
        err_finish(&why);
        return read_absent(op, err);
    }
    if (rc) {
        if (rc == ERR_NOT_FOUND) {
            rc = status_not_found(&why, op->type, op->name);
        }
        err_move(err, &why);
        return rc;
    }
    op->answer.http_status = 200;
    op->answer.blob = blob;
    if (scale_asked(op)) {
        return read_scale(op, &(struct stored){blob_str(blob), entry.rev, entry.stamp}, err);
    }
    if (read_is_computed(op)) {
        return read_computed(op, &(struct stored){blob_str(blob), entry.rev, entry.stamp}, err);
    }
    const struct stored s = {blob_str(blob), entry.rev, entry.stamp};
    if (op->type->as_written && !represent_is_splice(op->type, op->version, &s)) {
        return read_converted(op, &s, err);
    }
    op->answer.stored = true;
    op->answer.rev = entry.rev;
    op->answer.stamp = entry.stamp;
    return 0;
}
