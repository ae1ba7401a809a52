/* SPDX-License-Identifier: Apache-2.0 */
/* The admission plugin FolderExists: whatever is of a type with an index `folder` is put only into
 * a folder that is there. Folders themselves are looked at by their strategy. It uses nothing of
 * this service but folders_check, so that it stands with the fake too. */
#include "services/folders/folders_priv.h"

/* Whether the plugin's rules are for this write. */
static bool concerns(const struct admission_request *r)
{
    const struct type *t = r->op->type;
    return !r->subresource.len &&
           (str_is(r->operation, "CREATE") || str_is(r->operation, "UPDATE")) && t->n_indexes &&
           type_index(t, STR(FOLDERS_INDEX));
}

/* The root has one name. The annotation stays, so that whoever set it goes on owning it. */
static int mutate(void *self, struct admission_request *r, struct err *err)
{
    (void)self;
    (void)err;
    if (!concerns(r)) {
        return 0;
    }
    yyjson_mut_val *annotations = json_get(metadata_of(r->obj), "annotations");
    struct str uid = json_get_str(annotations, FOLDERS_ANNOTATION);
    if (uid.len && folders_is_root(uid)) {
        json_set_str(r->doc, annotations, FOLDERS_ANNOTATION, STR(""));
    }
    return 0;
}

static int validate(void *self, struct admission_request *r, struct err *err)
{
    if (!concerns(r) || str_is(r->op->type->group, FOLDERS_GROUP)) {
        return 0;
    }
    struct str uid = folders_of(r->obj);
    if (r->old && str_eq(uid, folders_of(r->old))) {
        return 0;
    }
    return folders_check(self, r->write, r->op->scope, uid, err);
}

void folders_plugin_add(struct engine *e, struct folders *self)
{
    const struct admission_plugin p = {
        .name = "FolderExists", .order = 50, .mutate = mutate, .validate = validate, .self = self};
    engine_add_admission(e, &p);
}
