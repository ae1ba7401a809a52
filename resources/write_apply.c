/* SPDX-License-Identifier: Apache-2.0 */
/* The decision of a server-side apply: an update that may create. */
#include "resources/engine_priv.h"
#include "resources/metadata.h"

/* What the reference's decoder says of a body that is no map; `kind` as Go calls it. */
static int check_body(const yyjson_mut_val *body, struct err *err)
{
    if (json_is_obj(body) || json_is_null(body)) {
        return 0;
    }
    const char *kind = json_is_arr(body)                    ? "array"
                       : json_is_str(body)                  ? "string"
                       : yyjson_mut_is_bool(json_mut(body)) ? "bool"
                                                            : "number";
    return err_set(err, ERR_BAD_REQUEST,
                   "error decoding patch: error unmarshaling JSON: while decoding JSON: json: "
                   "cannot unmarshal %s into Go value of type map[string]interface {}",
                   kind);
}

/* Duplicate keys are told of once the merge has succeeded. */
static int check_duplicates(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    const struct json_duplicates *dup = &op->duplicates;
    if (!dup->n || op->validation == FIELD_VALIDATION_IGNORE) {
        return 0;
    }
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "error converting YAML to JSON: yaml: unmarshal errors:");
    for (size_t i = 0; i < dup->n; i++) {
        if (dup->lines && dup->lines[i].ptr) {
            buf_printf(&b, "\n  %.*s", STR_FMT(dup->lines[i]));
        } else {
            buf_printf(&b, "\n  key \"%.*s\" already set in map", STR_FMT(dup->paths[i]));
        }
    }
    if (op->validation == FIELD_VALIDATION_STRICT) {
        return err_set(err, ERR_BAD_REQUEST, "error strict decoding patch: %.*s",
                       STR_FMT(buf_str(&b)));
    }
    write_warn(w, "%.*s", STR_FMT(buf_str(&b)));
    return 0;
}

/* The stored object, or that there is none: w->rev 0. Only the object itself comes into being so.
 */
static int load(struct write *w, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    yyjson_mut_doc *old = NULL;
    int rc = write_load(w, &why);
    if (rc == ERR_NOT_FOUND && !w->op->subresource.len) {
        return 0;
    }
    rc = rc ? err_move(err, &why) : write_current(w, w->op->version, &old, err);
    if (!rc) {
        w->old = yyjson_mut_doc_get_root(old);
    }
    return rc;
}

static int merge(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    const yyjson_mut_val *live = write_live(w);
    struct managed m = write_managed(w);
    const yyjson_mut_val *applied = yyjson_mut_doc_get_root(op->body);
    int rc = managed_apply(&m, live, w->owners.was, applied, op->force, &w->obj, err);
    write_live_done(w);
    return rc;
}

static int check_uid(struct write *w, struct err *err)
{
    struct str uid = metadata_uid(w->obj);
    if (w->old || !uid.len) {
        return 0;
    }
    return status_conflict(err, w->op->type, w->op->name,
                           arena_printf(&w->arena,
                                        "uid mismatch: the provided object specified uid %.*s, "
                                        "and no existing object was found",
                                        STR_FMT(uid)));
}

int write_apply(struct write *w, struct err *err)
{
    struct str rv = STR_NULL;
    w->doc = json_doc(&w->arena);
    int rc = write_patch_supported(w->op, err);
    rc = rc ? rc : check_body(yyjson_mut_doc_get_root(w->op->body), err);
    rc = rc ? rc : load(w, err);
    rc = rc ? rc : merge(w, err);
    rc = rc ? rc : check_duplicates(w, err);
    rc = rc ? rc : check_uid(w, err);
    if (rc) {
        return rc;
    }
    yyjson_mut_val *owners = managed_detach(w->obj);
    rc = write_decode(w, w->obj, DECODE_APPLIED, &rv, err);
    rc = rc ? rc : write_check_name(w->op, w->obj, err);
    if (rc) {
        return rc;
    }
    managed_attach(w->doc, w->obj, owners);
    return w->old ? write_update_rest(w, rv, err) : write_create_rest(w, STR_NULL, false, err);
}
