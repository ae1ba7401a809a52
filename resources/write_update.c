/* SPDX-License-Identifier: Apache-2.0 */
/* The decision of an update or a patch, of an object or of a subresource. */
#include "resources/engine_priv.h"

/* ---- the new object ---- */

static int put_body(struct write *w, struct str *ret_rv, struct err *err)
{
    w->doc = json_doc(&w->arena);
    w->obj = json_copy(w->doc, yyjson_mut_doc_get_root(w->op->body));
    int rc = write_decode(w, w->obj, DECODE_BODY, ret_rv, err);
    return rc ? rc : write_check_name(w->op, w->obj, err);
}

/* The object before in a document of its own, which becomes the new one's: read once more where
 * that costs no conversion. */
static int patch_base(struct write *w, yyjson_mut_val **ret, struct err *err)
{
    if (write_converts(w, w->op->version)) {
        w->doc = json_doc(&w->arena);
        *ret = json_copy(w->doc, w->old);
        return 0;
    }
    int rc = write_current(w, w->op->version, &w->doc, err);
    *ret = rc ? NULL : yyjson_mut_doc_get_root(w->doc);
    return rc;
}

/* whole: with the managedFields in it, whether the patch touches them or not. */
static int patch_and_decode(struct write *w, bool whole, struct str *ret_rv, struct err *err)
{
    const struct op *op = w->op;
    yyjson_mut_val *base = NULL;
    int rc = patch_base(w, &base, err);
    if (rc) {
        return rc;
    }
    w->owners = (struct managed_before){0};
    if (!whole) {
        write_own_base(w, base);
    }
    w->obj = base;
    rc = op->change ? op->change->change(op->type->self, w, w->doc, base, err)
                    : write_patch(w, base, op->version->schema, &w->obj, err);
    if (rc) {
        return rc;
    }
    if (!json_depth_ok(w->obj)) {
        return err_set(err, ERR_BAD_REQUEST, "the patched object nests deeper than is allowed");
    }
    return write_decode(w, w->obj, DECODE_PATCHED, ret_rv, err);
}

static int patched_body(struct write *w, struct str *ret_rv, struct err *err)
{
    int rc = patch_and_decode(w, false, ret_rv, err);
    if (rc && w->owners.move && w->owners.was) { /* the error may show the object: all of it */
        err_finish(err);
        rc = patch_and_decode(w, true, ret_rv, err);
    }
    return rc ? rc : write_check_name(w->op, w->obj, err);
}

/* ---- what must match ---- */

/* A uid in the body of a PUT is a precondition. */
static int check_uid(struct write *w, struct err *err)
{
    struct str given = metadata_uid(w->obj), uid = metadata_uid(w->old);
    if (w->op->verb != VERB_UPDATE || !given.len || str_eq(given, uid)) {
        return 0;
    }
    return status_conflict(
        err, w->op->type, w->op->name,
        arena_printf(&w->arena,
                     "StorageError: invalid object, Code: 4, Key: %.*s, ResourceVersion: 0, "
                     "AdditionalErrorMsg: Precondition failed: UID in precondition: %.*s, UID in "
                     "object meta: %.*s",
                     STR_FMT(w->key), STR_FMT(given), STR_FMT(uid)));
}

static int check_version(struct write *w, struct str rv, struct err *err)
{
    const struct type *t = w->op->type;
    int64_t version = 0;
    const char *why = rv.len ? op_parse_rv(rv, &version) : NULL;
    if (why) {
        return err_set(err, ERR_UNKNOWN_500, "strconv.ParseUint: parsing \"%.*s\": %s", STR_FMT(rv),
                       why);
    }
    if (!version && !t->unconditional_update) {
        struct causes c;
        causes_init(&c, &w->arena);
        causes_add_text(&c, CAUSE_INVALID,
                        PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("resourceVersion")),
                        STR("0"), "must be specified for an update");
        return causes_to_err(&c, t->group, t->resource, w->op->name, err);
    }
    return version && version != w->rev ? status_conflict(err, t, w->op->name, NULL) : 0;
}

/* ---- what may change ---- */

/* The object as it was, with the new one's status. */
static void only_status(struct write *w)
{
    yyjson_mut_val *status = json_get(w->obj, "status"), *owners = managed_detach(w->obj);
    w->obj = json_copy(w->doc, w->old);
    managed_attach(w->doc, w->obj, owners);
    if (status) {
        json_setz(w->doc, w->obj, "status", status);
    } else {
        json_remove(w->obj, "status");
    }
}

static void keep_status(struct write *w)
{
    const yyjson_mut_val *status = json_get(w->old, "status");
    if (status) {
        json_setz(w->doc, w->obj, "status", json_copy(w->doc, status));
    } else {
        json_remove(w->obj, "status");
    }
}

/* Whether anything besides metadata (and status, where it has an endpoint of its own) differs. */
static bool content_differs(const struct write *w, bool but_status)
{
    size_t n = 0, m = 0;
    for (struct json_iter it = json_iter(w->old); json_next(&it);) {
        struct str key = json_str(it.key);
        m += !(str_is(key, "metadata") || (but_status && str_is(key, "status")));
    }
    for (struct json_iter it = json_iter(w->obj); json_next(&it);) {
        struct str key = json_str(it.key);
        if (str_is(key, "metadata") || (but_status && str_is(key, "status"))) {
            continue;
        }
        const yyjson_mut_val *was = json_getn(w->old, key);
        if (!was || !json_equal(it.val, was)) {
            return true;
        }
        n++;
    }
    return n != m;
}

static void bump_generation(struct write *w)
{
    const struct type *t = w->op->type;
    bool own_status = w->op->version->status;
    if (!t->generation || (own_status && str_is(w->op->subresource, "status")) ||
        !content_differs(w, own_status)) {
        return;
    }
    yyjson_mut_val *meta = metadata_of(w->obj);
    int64_t generation = json_get_int(metadata_of(w->old), "generation", 0);
    json_set_int(w->doc, meta, "generation", generation + 1);
}

static int restrict_change(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    const struct type_subresource *sub =
        op->subresource.len ? type_subresource(op->type, op->subresource) : NULL;
    if (sub) {
        return sub->merge ? sub->merge(op->type->self, w, w->doc, w->obj, w->old, err) : 0;
    }
    if (str_is(op->subresource, "status")) {
        only_status(w);
    } else if (op->type->custom && op->version->status) {
        keep_status(w);
    }
    return 0;
}

static int prepare(struct write *w, struct str rv, struct err *err)
{
    const struct type *t = w->op->type;
    int rc = write_admit(w, true, err);
    rc = rc ? rc : check_version(w, rv, err);
    if (rc) {
        return rc;
    }
    rc = restrict_change(w, err);
    if (rc) {
        return rc;
    }
    metadata_carry(t, w->doc, w->obj, w->old);
    rc = t->strategy->prepare ? t->strategy->prepare(t->self, w, w->doc, w->obj, w->old, err) : 0;
    if (rc) {
        return rc;
    }
    bump_generation(w);
    rc = write_complete(w, err);
    rc = rc ? rc : write_validate(w, err);
    return rc ? rc : write_admit(w, false, err);
}

/* ---- the outcome ---- */

/* Whether what would be stored is what is stored: the same bytes, or the same members in another
 * order, or another version's form of them that keeps the version it was written in. */
static bool unchanged(struct write *w)
{
    const struct type *t = w->op->type;
    const struct type_version *v = type_stored_version(t, w->op->version);
    struct str now = blob_str(w->current), then = blob_str(w->value);
    bool same_form = w->stamp == (t->as_written ? v->stamp : t->stamp);
    if (!type_is_current(t, w->stamp) || (same_form && now.len != then.len)) {
        return false;
    }
    if (same_form && memcmp(now.ptr, then.ptr, now.len) == 0) {
        return true;
    }
    yyjson_mut_doc *d = NULL;
    if (write_current(w, v, &d, NULL)) {
        return false;
    }
    yyjson_mut_val *was = yyjson_mut_doc_get_root(d);
    json_remove(metadata_of(was), "resourceVersion");
    json_remove(metadata_of(w->stored), "resourceVersion");
    return json_equal(was, w->stored);
}

static bool grace_over(const yyjson_mut_val *old)
{
    return metadata_deleting(old) &&
           json_get_int(metadata_of(old), "deletionGracePeriodSeconds", 0) == 0;
}

static int conclude(struct write *w, struct err *err)
{
    write_keep_times(w);
    int rc = write_encode_object(w, err);
    if (rc) {
        return rc;
    }
    w->answer = scale_asked(w->op) ? scale_answer : write_answer_object;
    if (grace_over(w->old) && write_unheld(w->op->type, w->obj)) {
        write_delete_object(
            w); /* the last finalizer went: the answer shows the object at its old revision */
    } else if (unchanged(w)) {
        w->value = w->current;
        if (w->op->type->as_written && w->answer == write_answer_object &&
            write_converts(w, w->op->version)) {
            w->answer = write_answer_kept;
        }
        return 0;
    } else {
        write_put_object(w);
    }
    return write_also_hook(w, err);
}

int write_update_rest(struct write *w, struct str rv, struct err *err)
{
    int rc = check_uid(w, err);
    rc = rc ? rc : prepare(w, rv, err);
    return rc ? rc : conclude(w, err);
}

/* Whether a PUT of what is not there creates it. */
static bool creates(const struct op *op)
{
    return op->type->strategy->create_on_update && !op->subresource.len;
}

/* The object that a change makes where there is none. */
static int made_by_change(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    struct str rv = STR_NULL;
    w->doc = json_doc(&w->arena);
    w->obj = yyjson_mut_obj(w->doc);
    json_set_str(w->doc, w->obj, "apiVersion", op->version->api_version);
    json_set_str(w->doc, w->obj, "kind", op->type->kind);
    json_set_str(w->doc, json_ensure_obj(w->doc, w->obj, "metadata"), "name", op->name);
    int rc = op->change->change(op->type->self, w, w->doc, w->obj, err);
    if (!rc && w->removes) {
        w->answer = write_answer_deleted;
        return 0;
    }
    rc = rc ? rc : write_decode(w, w->obj, DECODE_BODY, &rv, err);
    return rc ? rc : write_create_put(w, err);
}

static int put_absent(struct write *w, struct str rv, struct err *err)
{
    int64_t version = 0; /* of no meaning here but for being a number */
    const char *bad = rv.len ? op_parse_rv(rv, &version) : NULL;
    if (bad) {
        return err_set(err, ERR_UNKNOWN_500, "strconv.ParseUint: parsing \"%.*s\": %s", STR_FMT(rv),
                       bad);
    }
    int rc = check_uid(w, err);
    return rc ? rc : write_create_put(w, err);
}

int write_update(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    struct str rv = STR_NULL;
    w->operation = STR("update");
    bool scale = scale_asked(op);
    if (op->verb == VERB_PATCH && op->patch == PATCH_APPLY && !scale) {
        return write_apply(w, err);
    }
    bool put = op->verb == VERB_UPDATE && !scale && !op->change;
    int rc = op->verb == VERB_PATCH ? write_patch_supported(op, err) : 0;
    rc = rc || !put ? rc : put_body(w, &rv, err);
    if (rc) {
        return rc;
    }
    AUTO(err_finish) struct err why = {0};
    rc = write_load(w, &why);
    if (rc == ERR_NOT_FOUND && put && creates(op)) {
        return put_absent(w, rv, err);
    }
    if (rc == ERR_NOT_FOUND && op->change && op->change->makes) {
        return made_by_change(w, err);
    }
    yyjson_mut_doc *old = NULL;
    rc = rc ? err_move(err, &why) : write_current(w, op->version, &old, err);
    if (rc) {
        return rc;
    }
    w->old = yyjson_mut_doc_get_root(old);
    if (!put) {
        rc = scale ? scale_update(w, &rv, err) : patched_body(w, &rv, err);
    }
    if (!rc && w->removes) {
        return write_delete_loaded(w, err);
    }
    rc = rc || scale ? rc : write_own(w, err);
    return rc ? rc : write_update_rest(w, rv, err);
}
