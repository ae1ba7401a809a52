/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a folder's end. An empty one goes at once. One that is not is refused, unless
 * it is deleted by force (gracePeriodSeconds: 0, as Grafana has it) or goes with the folder it is
 * in: then a finalizer holds it until cascade.c has removed what is in it, and nothing more is put
 * into it. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "resources/status.h"
#include "services/folders/folders_priv.h"

/* The first type of which there are objects in the folder; *ret_type NULL: it is empty, and stays
 * so until the write is done. */
static int find_content(struct write *w, struct str uid, const struct type **ret_type,
                        struct err *err)
{
    const struct registry_snapshot *types = write_types(w);
    *ret_type = NULL;
    for (size_t g = 0; g < types->n_groups; g++) {
        for (size_t i = 0; i < types->groups[g].n_types; i++) {
            const struct type *t = types->groups[g].types[i];
            bool any = false;
            if (!t->n_indexes || !type_index(t, STR(FOLDERS_INDEX))) {
                continue;
            }
            int rc =
                write_indexed_any(w, t, write_op(w)->scope, STR(FOLDERS_INDEX), uid, &any, err);
            if (rc) {
                return rc;
            }
            if (any) {
                *ret_type = t;
                return 0;
            }
        }
    }
    return 0;
}

static bool in_ending_namespace(struct write *w)
{
    struct scope cluster = {.workspace = write_op(w)->scope.workspace, .ns = STR("")};
    const struct type *t = registry_find(write_types(w), STR(""), STR("namespaces"));
    yyjson_mut_val *ns = NULL;
    return t && !write_peek(w, t, cluster, write_op(w)->scope.ns, &ns, NULL) && ns &&
           metadata_deleting(ns);
}

/* Whether the folder it is in is being deleted with all its contents. */
static bool in_ending_folder(struct write *w, const yyjson_mut_val *obj)
{
    struct str parent = folders_of(obj);
    yyjson_mut_val *folder = NULL;
    return parent.len &&
           !write_peek(w, write_op(w)->type, write_op(w)->scope, parent, &folder, NULL) && folder &&
           metadata_deleting(folder) && metadata_has_finalizer(folder, STR(FOLDERS_FINALIZER));
}

static int not_empty(struct err *err, const struct type *content)
{
    folders_refuse(err, "folder.not-empty", "Folder cannot be deleted: folder is not empty", NULL,
                   NULL);
    AUTO(buf_finish) struct buf text = {0};
    buf_printf(&text, "folder contains %.*s", STR_FMT(content->group_resource));
    err_cause(err, "FolderNotEmpty", STR(""), buf_str(&text));
    err_cause(err, "FolderNotEmpty", STR(""),
              STR("what is in it goes first, or with it by gracePeriodSeconds: 0 "
                  "(kubectl delete --force --grace-period=0)"));
    return ERR_BAD_REQUEST;
}

static void hold(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *meta = json_ensure_obj(d, obj, "metadata");
    if (!json_is_arr(json_get(meta, "finalizers"))) {
        json_setz(d, meta, "finalizers", yyjson_mut_arr(d));
    }
    if (!metadata_has_finalizer(obj, STR(FOLDERS_FINALIZER))) {
        yyjson_mut_arr_add_str(d, json_get(meta, "finalizers"), FOLDERS_FINALIZER);
    }
    yyjson_mut_val *status = json_ensure_obj(d, obj, "status");
    yyjson_mut_val *cascade = json_ensure_obj(d, status, "cascadeDelete");
    json_set_str(d, cascade, "state", STR("pending"));
    json_set_int(d, cascade, "remaining", 0);
}

int removal_begin(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                  struct err *err)
{
    const struct type *content = NULL;
    (void)self;
    if (metadata_deleting(obj) || in_ending_namespace(w)) {
        return 0;
    }
    int rc = find_content(w, metadata_name(obj), &content, err);
    if (rc || !content) {
        return rc;
    }
    if (write_op(w)->del.grace != 0 && !in_ending_folder(w, obj)) {
        return not_empty(err, content);
    }
    hold(d, obj);
    return 0;
}

int removal_check(struct write *w, const yyjson_mut_val *obj, const yyjson_mut_val *old,
                  struct err *err)
{
    const struct type *content = NULL;
    if (!metadata_deleting(old) || !metadata_has_finalizer(old, STR(FOLDERS_FINALIZER)) ||
        metadata_has_finalizer(obj, STR(FOLDERS_FINALIZER))) {
        return 0;
    }
    int rc = find_content(w, metadata_name(obj), &content, err);
    if (rc || !content) {
        return rc;
    }
    return status_forbidden(err, write_op(w)->type, metadata_name(obj),
                            "the finalizer %s stays until the folder is empty; it contains %.*s",
                            FOLDERS_FINALIZER, STR_FMT(content->group_resource));
}
