/* SPDX-License-Identifier: Apache-2.0 */
/* The type Folder (folder.grafana.app) and what other services ask of it. A folder's uid is its
 * metadata.name; what is in a folder names it in the annotation grafana.app/folder.
 *
 * Nobody needs to check that annotation: an admission plugin of this service looks at every type
 * whose definition has an index `folder` (spec.coracle.indexes), when an object is created or comes
 * to name another folder. A folder with objects of such types in it is not empty, and they go when
 * it is deleted by force. */
#ifndef SERVICES_FOLDERS_FOLDERS_H
#define SERVICES_FOLDERS_FOLDERS_H

#include "base/json.h"
#include "resources/metadata.h"
#include "resources/write.h"

#define FOLDERS_GROUP "folder.grafana.app"
#define FOLDERS_RESOURCE "folders"
#define FOLDERS_ANNOTATION "grafana.app/folder"
#define FOLDERS_INDEX "folder"

struct folders;

/* "", STR_NULL and Grafana's uid of it, "general". */
static inline bool folders_is_root(struct str uid)
{
    return !uid.len || str_is(uid, "general");
}

/* The uid of the folder that an object names; "": the root. Points into obj. */
static inline struct str folders_of(const yyjson_mut_val *obj)
{
    struct str uid = json_get_str(json_get(metadata_of(obj), "annotations"), FOLDERS_ANNOTATION);
    return folders_is_root(uid) ? STR("") : uid;
}

/* That a folder exists in the scope and is not being deleted, which becomes part of what the write
 * rests on: when it is deleted meanwhile the write is decided anew. The root is always there. A dry
 * run from outside (op.presumes) only warns of a folder that is not there, as Grafana's looks for
 * none: a tree of folders is tried before any of them is made.
 * ERR_NOT_FOUND (`folders.folder.grafana.app "x" not found`, with a cause that names the
 * annotation), ERR_FORBIDDEN. */
int folders_check(struct folders *f, struct write *w, struct scope s, struct str uid,
                  struct err *err);

/* A folder on the way to the root. */
struct folders_step {
    struct str uid, title, description;
    struct str parent; /* "": it is at the root */
    bool missing;      /* something names it, but it is not there: the last step */
};

/* Visits the folder and those it is in, up to the root; nothing for the root itself. Not in a
 * write: reads what is there now. What the visitor is given lives until it returns; a non-zero
 * result ends the visit and is returned. */
typedef int folders_step_fn(void *arg, const struct folders_step *step);
int folders_climb(struct folders *f, struct scope s, struct str uid, folders_step_fn *visit,
                  void *arg, struct err *err);

/* ---- in tests that are linked with the fake: a table of uids in place of the tree ---- */
void folders_fake_add(struct folders *f, struct scope s, const char *uid);
void folders_fake_remove(struct folders *f, struct scope s, const char *uid);

#endif
