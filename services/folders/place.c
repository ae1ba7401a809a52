/* SPDX-License-Identifier: Apache-2.0 */
/* The place of a folder in the tree: what it is in exists, it is not in itself, and the tree does
 * not become too deep. Every folder on the way to the root is read as a part of the write, so of
 * two moves that would make a ring together one is decided anew. */
#include "base/limits.h"
#include "resources/status.h"
#include "services/folders/folders_priv.h"

struct place {
    struct write *w;
    const struct type *type;
    struct scope scope;
    struct str self; /* the folder's uid */
};

static int too_deep(struct err *err)
{
    _Static_assert(LIMIT_FOLDER_DEPTH == 4, "it is told below");
    return folders_refuse(
        err, "folder.maximum-depth-reached", "Maximum nested folder depth reached",
        FOLDERS_PLACE_FIELD,
        "four folders may be above a folder, also above those in one that is moved");
}

/* How many folders are above one that is in `parent`; all of them are there (what is above one that
 * a dry run takes for made is not known) and none of them is `self`. */
static int climb(const struct place *p, struct str parent, size_t *ret_above, struct err *err)
{
    size_t n = 0;
    for (struct str uid = parent; uid.len; n++) {
        yyjson_mut_val *folder = NULL;
        if (str_eq(uid, p->self)) {
            return folders_refuse(err, "folder.circular-reference", "Circular reference detected",
                                  FOLDERS_PLACE_FIELD,
                                  "the folder named is in the one that is moved");
        }
        if (n == LIMIT_FOLDER_DEPTH) {
            return too_deep(err);
        }
        int rc = folders_read(p->w, p->scope, uid, &folder, err);
        if (rc) {
            return rc;
        }
        uid = folders_of(folder);
    }
    *ret_above = n;
    return 0;
}

/* How many there are above the place where the folder was. */
static int climb_old(const struct place *p, struct str parent, size_t *ret_above, struct err *err)
{
    size_t n = 0;
    for (struct str uid = parent; uid.len && n < LIMIT_FOLDER_DEPTH; n++) {
        yyjson_mut_val *folder = NULL;
        int rc = write_read(p->w, p->type, p->scope, uid, &folder, err);
        if (rc) {
            return rc;
        }
        uid = folders_of(folder);
    }
    *ret_above = n;
    return 0;
}

struct uid_item {
    struct uid_item *next;
    struct str uid;
};

struct level {
    struct arena *arena;
    struct uid_item *first, **last;
};

static int add_child(void *arg, yyjson_mut_val *obj)
{
    struct level *l = arg;
    struct uid_item *i = ARENA_NEW(l->arena, struct uid_item);
    i->uid = metadata_name(obj);
    *l->last = i;
    l->last = &i->next;
    return 0;
}

/* That the folder has at most that many levels of folders in it. */
static int check_height(const struct place *p, size_t levels, struct err *err)
{
    struct level now = {.arena = write_arena(p->w)};
    struct uid_item self = {.uid = p->self};
    now.first = &self;
    for (size_t depth = 0; now.first; depth++) {
        struct level below = {.arena = now.arena};
        below.last = &below.first;
        for (const struct uid_item *i = now.first; i; i = i->next) {
            int rc = write_indexed(p->w, p->type, p->scope, STR(FOLDERS_INDEX), i->uid, add_child,
                                   &below, err);
            if (rc) {
                return rc;
            }
            if (below.first && depth == levels) {
                return too_deep(err);
            }
        }
        now = below;
    }
    return 0;
}

int place_check(struct write *w, const yyjson_mut_val *obj, const yyjson_mut_val *old,
                struct err *err)
{
    const struct place p = {.w = w,
                            .type = folders_type(write_types(w)),
                            .scope = write_op(w)->scope,
                            .self = metadata_name(obj)};
    struct str parent = folders_of(obj), was = folders_of(old);
    size_t above = 0, above_before = 0;
    if (!parent.len || (old && str_eq(parent, was))) {
        return 0;
    }
    if (str_eq(parent, p.self)) {
        return folders_refuse(err, "folder.cannot-be-parent-of-itself",
                              "folder cannot be parent of itself", FOLDERS_PLACE_FIELD,
                              "another folder's name is wanted, or none for the root");
    }
    int rc = climb(&p, parent, &above, err);
    if (rc || !old) {
        return rc;
    }
    rc = climb_old(&p, was, &above_before, err);
    return rc || above <= above_before ? rc : check_height(&p, LIMIT_FOLDER_DEPTH - above, err);
}
