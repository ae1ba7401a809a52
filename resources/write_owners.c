/* SPDX-License-Identifier: Apache-2.0 */
/* managedFields in the write path. */
#include "resources/engine_priv.h"

/* The type's blank as far as this version knows its fields. */
static const yyjson_mut_val *blank(struct write *w)
{
    const char *text = w->op->type->strategy->blank;
    yyjson_mut_doc *d = NULL;
    if (!text || json_read_own(&w->arena, str_from(text), &d, NULL)) {
        return NULL;
    }
    schema_prune(w->op->version->schema, yyjson_mut_doc_get_root(d), NULL);
    return yyjson_mut_doc_get_root(d);
}

struct managed write_managed(struct write *w)
{
    const struct op *op = w->op;
    bool whole = !w->old || (op->verb == VERB_PATCH && op->patch == PATCH_APPLY);
    return (struct managed){
        .arena = &w->arena,
        .doc = w->doc,
        .type = op->type,
        .version = op->version,
        .blank = whole && !scale_asked(op) ? blank(w) : NULL,
        .manager = op->manager,
        .subresource = op->subresource,
        .now_us = w->now_us,
    };
}

const yyjson_mut_val *write_live(struct write *w)
{
    if (!w->old) {
        return NULL;
    }
    w->old_owners = managed_detach(w->old);
    if (!w->owners.was) {
        w->owners.was = w->old_owners;
        w->owners.move = false;
    }
    return w->old;
}

void write_live_done(struct write *w)
{
    if (w->old_owners) {
        managed_attach(w->doc, w->old, w->old_owners);
        w->old_owners = NULL;
    }
}

int write_own(struct write *w, struct err *err)
{
    const yyjson_mut_val *live = write_live(w);
    struct managed m = write_managed(w);
    int rc = managed_update(&m, live, &w->owners, w->obj, err);
    write_live_done(w);
    return rc;
}

/* ---- patches ---- */

static bool names_owners(struct str pointer)
{
    return !pointer.len || str_is(pointer, "/metadata") ||
           str_starts(pointer, STR("/metadata/managedFields"));
}

/* Whether a patch may read or change managedFields. */
static bool touches_owners(const struct op *op)
{
    const yyjson_mut_val *patch = yyjson_mut_doc_get_root(op->body);
    if (op->patch != PATCH_JSON) {
        return json_path(patch, "metadata", "managedFields", NULL) != NULL;
    }
    struct json_iter it = json_iter(patch);
    while (json_is_arr(patch) && json_next(&it)) {
        const yyjson_mut_val *from = json_get(it.val, "from");
        if (names_owners(json_get_str(it.val, "path")) || (from && names_owners(json_str(from)))) {
            return true;
        }
    }
    return false;
}

void write_own_base(struct write *w, yyjson_mut_val *base)
{
    if (!touches_owners(w->op)) {
        w->owners.was = managed_detach(base);
        w->owners.move = true;
    }
}

/* ---- times ---- */

/* Whether the objects differ in nothing but owners and resourceVersion. */
static bool same_content(struct write *w)
{
    yyjson_mut_val *meta = metadata_of(w->obj), *was = metadata_of(w->old);
    yyjson_mut_val *x = managed_detach(w->obj), *y = managed_detach(w->old);
    yyjson_mut_val *version = yyjson_mut_obj_remove_key(was, "resourceVersion");
    json_remove(meta, "resourceVersion");
    bool same = json_equal(w->obj, w->old);
    if (version) {
        json_set_first(w->doc, was, "resourceVersion", version);
    }
    managed_attach(w->doc, w->obj, x);
    managed_attach(w->doc, w->old, y);
    return same;
}

void write_keep_times(struct write *w)
{
    const yyjson_mut_val *now = json_get(metadata_of(w->obj), "managedFields");
    const yyjson_mut_val *was = json_get(metadata_of(w->old), "managedFields");
    if (now && was && managed_same_but_times(now, was) && same_content(w)) {
        managed_attach(w->doc, w->obj, json_copy(w->doc, was));
    }
}
