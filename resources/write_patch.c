/* SPDX-License-Identifier: Apache-2.0 */
/* Patches as one step of an update. */
#include "resources/engine_priv.h"

const char *write_patch_prefix(const struct op *op)
{
    return op->verb == VERB_PATCH && op->patch == PATCH_JSON ? "json patch " : "";
}

static int unsupported(const struct type *t, struct err *err)
{
    if (t->custom) {
        return err_set(
            err, ERR_MEDIA_TYPE,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/apply-patch+yaml");
    }
    return err_set(err, ERR_MEDIA_TYPE, "415: Unsupported Media Type");
}

int write_patch_supported(const struct op *op, struct err *err)
{
    bool ok = op->patch == PATCH_JSON || op->patch == PATCH_MERGE || op->patch == PATCH_APPLY ||
              (op->patch == PATCH_STRATEGIC && !op->type->custom);
    return ok ? 0 : unsupported(op->type, err);
}

int write_patch(struct write *w, yyjson_mut_val *base, const struct schema *s, yyjson_mut_val **ret,
                struct err *err)
{
    const struct op *op = w->op;
    const yyjson_mut_val *patch = yyjson_mut_doc_get_root(op->body);
    switch (op->patch) {
    case PATCH_JSON:
        return patch_json(w->doc, base, patch, ret, err);
    case PATCH_MERGE:
        return patch_merge(w->doc, base, patch, ret, err);
    case PATCH_STRATEGIC:
        if (s) {
            return patch_strategic(w->doc, base, patch, s, ret, err);
        }
        break;
    case PATCH_APPLY:
    case PATCH_NONE:
        break;
    }
    return unsupported(op->type, err);
}
