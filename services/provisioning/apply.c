/* SPDX-License-Identifier: Apache-2.0 */
/* One object: applied, checked or deleted, and never one that is somebody else's. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "resources/metadata.h"
#include "services/provisioning/source_priv.h"

enum { ATTEMPTS = 5 };

const char *reason_of(int code)
{
    switch (code) {
    case ERR_EXISTS:
        return "NotOwned";
    case ERR_CONFLICT:
        return "Conflict";
    case ERR_INVALID:
    case ERR_BAD_REQUEST:
        return "Invalid";
    case ERR_FORBIDDEN:
        return "Forbidden";
    case ERR_NOT_FOUND:
        return "NotFound";
    case ERR_TOO_LARGE:
        return "TooLarge";
    default:
        return "Failed";
    }
}

static bool is_owned(const struct source *s, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *notes = json_get(metadata_of(obj), "annotations");
    return str_is(json_get_str(notes, ANNOTATION_MANAGER), OWNER_KIND) &&
           str_is(json_get_str(notes, ANNOTATION_MANAGER_ID), s->name);
}

/* Whether what is there may be written over. */
static int check_owner(const struct source *s, const struct document *o, const yyjson_mut_val *live,
                       struct err *err)
{
    const yyjson_mut_val *notes = json_get(metadata_of(live), "annotations");
    struct str kind = json_get_str(notes, ANNOTATION_MANAGER),
               id = json_get_str(notes, ANNOTATION_MANAGER_ID);
    if (metadata_deleting(live)) {
        return err_set(err, ERR_UNAVAILABLE, "the object is being deleted; it is made again then");
    }
    if (is_owned(s, live) || (o->adopt && !kind.len)) {
        return 0;
    }
    if (kind.len) {
        return err_set(err, ERR_EXISTS,
                       "the object is there already and is managed by %.*s%s%.*s; it is left alone",
                       STR_FMT(kind), id.len ? " " : "", STR_FMT(id));
    }
    return err_set(err, ERR_EXISTS,
                   "the object is there already and was not made from a file; it is left alone "
                   "(the annotation " ANNOTATION_ADOPT ": \"true\" in the file takes it over)");
}

static int64_t revision_of(const yyjson_mut_val *obj)
{
    struct str rv = json_get_str(metadata_of(obj), "resourceVersion");
    return rv.len ? strtoll(rv.ptr, NULL, 10) : 0;
}

/* One try; *ret_again: somebody wrote in between. */
static int apply_once(struct source *s, const struct document *o, bool dry, struct arena *a,
                      yyjson_mut_doc **ret, bool *ret_created, bool *ret_again, struct err *err)
{
    struct client_options opt = {.manager = STR("provisioning"), .dry_run = dry, .strict = true};
    AUTO(err_finish) struct err why = {0};
    yyjson_mut_doc *live = NULL;
    yyjson_mut_val *meta = json_get(o->obj, "metadata");
    int rc = client_get(s->client, &o->ref, a, &live, &why);
    if (rc && rc != ERR_NOT_FOUND) {
        return err_move(err, &why);
    }
    rc = live ? check_owner(s, o, live->root, err) : 0;
    if (rc) {
        return rc;
    }
    *ret_created = !live;
    opt.force = live != NULL;
    if (live) {
        json_set_str(o->doc, meta, "resourceVersion",
                     json_get_str(metadata_of(live->root), "resourceVersion"));
    }
    rc = client_patch(s->client, &o->ref, PATCH_APPLY, o->obj, &opt, a, ret, err);
    json_remove(meta, "resourceVersion");
    *ret_again = rc == ERR_CONFLICT;
    return rc;
}

int object_apply(struct source *s, const struct document *o, bool dry, struct arena *a,
                 int64_t *ret_rev, bool *ret_created, struct err *err)
{
    struct err why = {0};
    yyjson_mut_doc *answer = NULL;
    bool again = true;
    int rc = ERR_CONFLICT;
    for (int i = 0; i < ATTEMPTS && again; i++) {
        again = false;
        err_finish(&why);
        rc = apply_once(s, o, dry, a, &answer, ret_created, &again, &why);
    }
    if (rc) {
        return err_move(err, &why);
    }
    *ret_rev = revision_of(answer->root);
    return 0;
}

static int remove_once(struct source *s, const struct item *i, struct arena *a, struct err *err)
{
    struct client_options opt = {.propagation = PROPAGATION_BACKGROUND};
    yyjson_mut_doc *live = NULL;
    int rc = client_get(s->client, &i->ref, a, &live, err);
    if (rc) {
        return rc;
    }
    if (!is_owned(s, live->root) || metadata_deleting(live->root)) {
        return 0;
    }
    opt.uid = metadata_uid(live->root);
    opt.resource_version = json_get_str(metadata_of(live->root), "resourceVersion");
    return client_delete(s->client, &i->ref, &opt, err);
}

/* Whether the type is only not served, for whatever reason, and its objects are there still. */
static bool is_defined(struct source *s, const struct item *i, struct arena *a)
{
    struct registry_snapshot *types = registry_ref(s->registry);
    bool served = registry_find(types, i->ref.group, i->ref.resource) != NULL;
    struct client_ref ref = {.group = STR("apiextensions.k8s.io"),
                             .version = STR("v1"),
                             .resource = STR("customresourcedefinitions")};
    yyjson_mut_doc *d = NULL;
    registry_snapshot_unref(types);
    ref.name =
        str_from(arena_printf(a, "%.*s.%.*s", STR_FMT(i->ref.resource), STR_FMT(i->ref.group)));
    return !served && i->ref.group.len && client_get(s->client, &ref, a, &d, NULL) == 0;
}

int object_remove(struct source *s, const struct item *i, struct err *err)
{
    struct err why = {0};
    struct arena a;
    int rc = ERR_CONFLICT;
    arena_init(&a, 0);
    for (int n = 0; n < ATTEMPTS && rc == ERR_CONFLICT; n++) {
        err_finish(&why);
        rc = remove_once(s, i, &a, &why);
    }
    if (rc == ERR_NOT_FOUND) { /* the object, or its whole type */
        err_finish(&why);
        rc = is_defined(s, i, &a)
                 ? err_set(&why, ERR_UNAVAILABLE, "the object's type is not served at present")
                 : 0;
    }
    arena_finish(&a);
    return rc ? err_move(err, &why) : 0;
}

int object_revision(struct source *s, const struct item *i, int64_t *ret_rev, struct err *err)
{
    struct err why = {0};
    struct arena a;
    yyjson_mut_doc *live = NULL;
    arena_init(&a, 0);
    int rc = client_get(s->client, &i->ref, &a, &live, &why);
    if (!rc || rc == ERR_NOT_FOUND) {
        *ret_rev = live ? revision_of(live->root) : 0;
    }
    arena_finish(&a);
    if (rc == ERR_NOT_FOUND) {
        err_finish(&why);
        return 0;
    }
    return rc ? err_move(err, &why) : 0;
}
