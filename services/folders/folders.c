/* SPDX-License-Identifier: Apache-2.0 */
/* The type Folder: its rules put together, and what other services ask of it. */
#include "services/folders/folders.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "resources/index.h"
#include "resources/status.h"
#include "services/folders/folders_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { LONGEST_NAME = 253 }; /* of any object */

const struct type *folders_type(const struct registry_snapshot *types)
{
    return registry_find(types, STR(FOLDERS_GROUP), STR(FOLDERS_RESOURCE));
}

int folders_refuse(struct err *err, const char *id, const char *message, const char *field,
                   const char *words)
{
    err_set(err, ERR_BAD_REQUEST, "%s", message);
    if (err) {
        err->uid = alloc_strdup(id);
    }
    if (field) {
        err_cause(err, "FieldValueInvalid", str_from(field), str_from(words));
    }
    return ERR_BAD_REQUEST;
}

/* ---- folders in writes ---- */

static int missing(struct err *err, const struct type *t, struct str uid)
{
    status_not_found(err, t, uid);
    AUTO(buf_finish) struct buf text = {0};
    buf_addz(&text, "Not found: ");
    buf_add_json(&text, uid);
    err_cause(err, "FieldValueNotFound", STR(FOLDERS_PLACE_FIELD), buf_str(&text));
    return ERR_NOT_FOUND;
}

static int ending(struct err *err, struct write *w, struct str uid)
{
    AUTO(buf_finish) struct buf text = {0};
    buf_printf(&text, "folder %.*s is being deleted", STR_FMT(uid));
    status_forbidden(err, write_op(w)->type, write_op(w)->name,
                     "unable to put content into folder %.*s because it is being deleted",
                     STR_FMT(uid));
    err_cause(err, "FolderTerminating", STR(FOLDERS_PLACE_FIELD), buf_str(&text));
    return ERR_FORBIDDEN;
}

int folders_read(struct write *w, struct scope s, struct str uid, yyjson_mut_val **ret,
                 struct err *err)
{
    const struct type *t = folders_type(write_types(w));
    if (uid.len > LONGEST_NAME) {
        return missing(err, t, (struct str){uid.ptr, LONGEST_NAME});
    }
    int rc = write_read(w, t, s, uid, ret, err);
    if (rc) {
        return rc;
    }
    if (!*ret && write_op(w)->presumes) {
        write_warn(w, "folder %.*s is not there: this dry run takes it for made before",
                   STR_FMT(uid));
        return 0;
    }
    if (!*ret) {
        return missing(err, t, uid);
    }
    return metadata_deleting(*ret) ? ending(err, w, uid) : 0;
}

int folders_check(struct folders *f, struct write *w, struct scope s, struct str uid,
                  struct err *err)
{
    yyjson_mut_val *folder = NULL;
    (void)f;
    return folders_is_root(uid) ? 0 : folders_read(w, s, uid, &folder, err);
}

/* ---- the type's rules ---- */

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    if (write_op(w)->subresource.len) {
        return 0;
    }
    int rc = old ? removal_check(w, obj, old, err) : naming_check_uid(metadata_name(obj), err);
    rc = rc ? rc : naming_check_title(d, obj, err);
    return rc ? rc : place_check(w, obj, old, err);
}

/* The rules are in naming_check_uid: a legacy uid has capitals and underscores. */
static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    name_path_segment(name, is_prefix, at, c);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .before_delete = removal_begin,
    .name = check_name,
    .create_on_update = true,
};

/* ---- outside of writes ---- */

static int climb_step(const struct folders *f, const struct type *t, struct scope s, struct str uid,
                      struct arena *a, struct folders_step *ret, struct err *err)
{
    AUTO(blob_unrefp) struct blob *blob = NULL;
    AUTO(err_finish) struct err why = {0};
    struct stored stored;
    yyjson_mut_doc *d = NULL;
    int rc = engine_get(f->engine, t, s, uid, &blob, &stored, &why);
    if (rc == ERR_NOT_FOUND) {
        *ret = (struct folders_step){.uid = uid, .missing = true};
        return 0;
    }
    stored.value = rc ? STR("") : arena_str(a, stored.value);
    rc = rc ? err_move(err, &why) : represent_own(t, &stored, a, &d, err);
    if (rc) {
        return rc;
    }
    const yyjson_mut_val *obj = yyjson_mut_doc_get_root(d), *spec = json_get(obj, "spec");
    *ret = (struct folders_step){.uid = uid,
                                 .title = json_get_str(spec, "title"),
                                 .description = json_get_str(spec, "description"),
                                 .parent = folders_of(obj)};
    return 0;
}

int folders_climb(struct folders *f, struct scope s, struct str uid, folders_step_fn *visit,
                  void *arg, struct err *err)
{
    struct registry_snapshot *types = registry_ref(f->registry);
    const struct type *t = folders_type(types);
    struct arena a;
    arena_init(&a, 0);
    int rc = 0;
    /* One more than there can be: what is read at different moments may be longer than any was. */
    for (size_t n = 0; !folders_is_root(uid) && n <= LIMIT_FOLDER_DEPTH + 1 && rc == 0; n++) {
        struct folders_step step;
        rc = climb_step(f, t, s, uid, &a, &step, err);
        rc = rc ? rc : visit(arg, &step);
        uid = step.parent;
    }
    arena_finish(&a);
    registry_snapshot_unref(types);
    return rc;
}

/* ---- life ---- */

static int publish(struct folders *f, const struct folders_deps *d, struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy,
                                       .self = f,
                                       .subresources = folders_subresources,
                                       .n_subresources = 4};
    const struct service_document *doc =
        service_document(d->documents, FOLDERS_RESOURCE "." FOLDERS_GROUP);
    int rc = service_publish(d->registry, doc, &extras, err);
    if (rc) {
        return rc;
    }
    struct registry_snapshot *types = registry_ref(d->registry);
    rc = index_define(d->engine, folders_type(types), err);
    registry_snapshot_unref(types);
    return rc;
}

int folders_provide(const struct folders_deps *d, struct folders **ret, struct err *err)
{
    struct folders *f = ALLOC(struct folders);
    *f = (struct folders){
        .engine = d->engine, .registry = d->registry, .client = d->client, .metrics = d->metrics};
    int rc = publish(f, d, err);
    if (rc) {
        free(f);
        return rc;
    }
    folders_plugin_add(d->engine, f);
    *ret = f;
    return 0;
}

void folders_release(struct folders *f)
{
    free(f);
}
