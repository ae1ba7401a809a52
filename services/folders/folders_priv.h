/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. */
#ifndef SERVICES_FOLDERS_FOLDERS_PRIV_H
#define SERVICES_FOLDERS_FOLDERS_PRIV_H

#include "resources/admission.h"
#include "resources/engine.h"
#include "services/folders/folders.h"

/* Of a folder that is deleted with what is in it: it stays until that is gone. */
#define FOLDERS_FINALIZER "folder.grafana.app/cascade-delete"

struct folders {
    struct engine *engine;
    struct registry *registry;
    struct client *client;
    struct metrics *metrics;
};

/* The type Folder as it is served. */
const struct type *folders_type(const struct registry_snapshot *types);

#define FOLDERS_PLACE_FIELD "metadata.annotations[" FOLDERS_ANNOTATION "]"

/* ERR_BAD_REQUEST as Grafana's: its message, and its id in details.uid. field: what it is about, in
 * a cause whose words say what would do; NULL: no cause. */
int folders_refuse(struct err *err, const char *id, const char *message, const char *field,
                   const char *words);

/* A folder as part of a write, as folders_check; NULL where a dry run takes it for made before. */
int folders_read(struct write *w, struct scope s, struct str uid, yyjson_mut_val **ret,
                 struct err *err);

/* ---- naming.c: uid and title ---- */
/* The rules of a new folder's uid. */
int naming_check_uid(struct str uid, struct err *err);
/* Trims the title; it must not be blank nor the root's. Whatever is no text is left to the schema.
 */
int naming_check_title(yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err);

/* ---- place.c: the place of a folder ---- */
/* That a new folder, or one that was in another folder before, may be where obj says. old NULL: a
 * create. */
int place_check(struct write *w, const yyjson_mut_val *obj, const yyjson_mut_val *old,
                struct err *err);

/* ---- removal.c: what becomes of the contents ---- */
int removal_begin(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                  struct err *err);
/* That a folder loses FOLDERS_FINALIZER only when it is empty. */
int removal_check(struct write *w, const yyjson_mut_val *obj, const yyjson_mut_val *old,
                  struct err *err);

/* ---- plugin.c ---- */
/* Adds the admission plugin to the engine; self is given to folders_check. */
void folders_plugin_add(struct engine *e, struct folders *self);

/* ---- views.c: subresources ---- */
extern const struct type_subresource folders_subresources[4];

#endif
