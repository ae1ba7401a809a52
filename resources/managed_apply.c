/* SPDX-License-Identifier: Apache-2.0 */
/* Server-side apply around the merge: what it refuses, owners of objects that had none, and the
 * errors' words. */
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/managed_priv.h"
#include "resources/metadata.h"

#include <string.h>

/* ---- words ---- */

struct str managed_gvk(struct arena *a, const yyjson_mut_val *obj)
{
    struct str api_version = json_get_str(obj, "apiVersion"), kind = json_get_str(obj, "kind");
    struct str rest, first = str_cut(api_version, '/', &rest), group = first, version = rest;
    if (!rest.ptr) {
        group = STR("");
        version = first;
    } else if (memchr(rest.ptr, '/', rest.len)) {
        group = version = kind = STR("");
    }
    return str_from(
        arena_printf(a, "%.*s/%.*s, Kind=%.*s", STR_FMT(group), STR_FMT(version), STR_FMT(kind)));
}

/* "namespace/name; group/v1, Kind=Widget" of an object, for messages. */
static struct str object_text(struct arena *a, const yyjson_mut_val *obj)
{
    return str_from(arena_printf(a, "%.*s/%.*s; %.*s", STR_FMT(metadata_namespace(obj)),
                                 STR_FMT(metadata_name(obj)), STR_FMT(managed_gvk(a, obj))));
}

/* ---- what may be applied ---- */

static int check_applied(const struct managed *m, const yyjson_mut_val *applied, struct err *err)
{
    struct str kind = m->scale ? STR("Scale") : m->type->kind;
    if (!str_eq(json_get_str(applied, "apiVersion"), managed_api_version(m)) ||
        !str_eq(json_get_str(applied, "kind"), kind)) {
        return err_set(err, ERR_BAD_REQUEST, "invalid object type: %.*s",
                       STR_FMT(managed_gvk(m->arena, applied)));
    }
    if (json_is_arr(json_get(metadata_of(applied), "managedFields"))) {
        return err_set(err, ERR_BAD_REQUEST, "metadata.managedFields must be nil");
    }
    return 0;
}

/* The owner `before-first-apply` gets what an object without owners holds. */
static int own_what_is_there(const struct managed *m, struct managed_rules *r,
                             const yyjson_mut_val *live, struct ownership *o, struct err *err)
{
    struct managed before = *m;
    before.manager = STR("before-first-apply");
    struct owner actor = managed_actor(&before, false);
    int rc = managed_merge_update(m, r, NULL, live, &actor, o, err);
    return rc ? err_wrap(err, "failed to create manager for existing fields") : 0;
}

/* ---- the merge ---- */

/* A fresh copy of the owners, for a second try. */
static struct ownership copy_owners(struct arena *a, const struct ownership *o)
{
    struct ownership copy = {0};
    for (size_t i = 0; i < o->n; i++) {
        managed_add(a, &copy, &o->items[i]);
    }
    return copy;
}

static int misfit(const struct managed *m, const yyjson_mut_val *applied, struct err *why,
                  struct err *err)
{
    return err_set(err, ERR_UNKNOWN_500, "failed to create typed patch object (%.*s): %s",
                   STR_FMT(object_text(m->arena, applied)), err_message(why));
}

/* merge_apply; conflicts of kubectl with its own client-side past are forced. */
static int merge(const struct managed *m, struct managed_rules *r, const yyjson_mut_val *live,
                 const yyjson_mut_val *applied, bool force, struct ownership *o,
                 yyjson_mut_val **ret, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    struct owner actor = managed_actor(m, true);
    bool kubectl = str_is(m->manager, "kubectl") && live;
    struct ownership again = {0};
    if (kubectl) {
        again = copy_owners(m->arena, o);
    }
    int rc = merge_apply(&r->merge, live, applied, &actor, force, o, ret, &why);
    if (rc == ERR_CONFLICT && kubectl && managed_last_excuses(m, live, &why)) {
        *o = again;
        rc = merge_apply(&r->merge, live, applied, &actor, true, o, ret, &why);
    }
    if (rc == ERR_INVALID) {
        return misfit(m, applied, &why, err);
    }
    return rc ? err_move(err, &why) : 0;
}

static void set_time(const struct managed *m, struct ownership *o)
{
    struct owner actor = managed_actor(m, true);
    struct owner *mine = ownership_find(o, &actor);
    if (mine) {
        mine->time = managed_now(m);
    }
}

static int undecodable(struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    if (err) {
        err_copy(&why, err);
    }
    return err_set(err, ERR_UNKNOWN_500, "failed to decode managed fields: %s", err_message(&why));
}

int managed_apply(const struct managed *m, const yyjson_mut_val *live, const yyjson_mut_val *was,
                  const yyjson_mut_val *applied, bool force, yyjson_mut_val **ret, struct err *err)
{
    struct ownership o;
    bool any;
    int rc = managed_read(m->arena, was, &o, &any, err);
    if (rc) {
        return undecodable(err);
    }
    rc = check_applied(m, applied, err);
    if (rc) {
        return rc;
    }
    struct managed_rules r;
    managed_rules_init(&r, m);
    rc = any || !live ? 0 : own_what_is_there(m, &r, live, &o, err);
    yyjson_mut_val *obj = NULL;
    rc = rc ? rc : merge(m, &r, live, applied, force, &o, &obj, err);
    if (rc) {
        return rc;
    }
    if (obj) {
        set_time(m, &o);
    } else { /* who owns what may have changed all the same, without a time then, as in the
                reference */
        obj = json_copy(m->doc, live);
    }
    if (str_is(m->manager, "kubectl")) {
        managed_last_follow(m, obj, applied);
    }
    managed_attach(m->doc, obj, managed_write(&o, false, m->arena, m->doc));
    *ret = obj;
    return 0;
}
