/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector does about one object, after the reference's garbage collector. An object is
 * looked at as an owner when it waits for its dependents (foreground) or is to leave them behind
 * (orphan), and else as a dependent: its owners are solid (there), waiting (being deleted in the
 * foreground and blocked by it) or dangling (gone). */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "resources/owners.h"
#include "services/garbage_collector/collect_priv.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"
#define BLOCKED_AGAIN_MS 2000 /* a blocking dependent's end wakes the owner sooner */

/* The object at hand. */
struct item {
    struct garbage_collector *g;
    struct arena *arena;
    const struct registry_snapshot *types;
    struct type *type;
    struct client_ref ref;
    yyjson_mut_val *obj;
    struct owner_ref *owners;
    size_t n_owners;
};

void collect_enqueue(struct garbage_collector *g, const struct type *t, struct str ns,
                     struct str name)
{
    char *key = alloc_printf("%.*s/%.*s/%.*s/%.*s", STR_FMT(t->group), STR_FMT(t->resource),
                             STR_FMT(ns), STR_FMT(name));
    workqueue_add(g->queue, str_from(key));
    free(key);
}

static int enqueue_found(void *arg, struct type *t, struct str ns, struct str name)
{
    collect_enqueue(arg, t, ns, name);
    return 0;
}

int collect_enqueue_dependents(struct garbage_collector *g, struct str uid)
{
    struct registry_snapshot *types = registry_ref(g->registry);
    int r = owners_dependents(g->engine, types, uid, enqueue_found, g, NULL);
    registry_snapshot_unref(types);
    return r;
}

static struct str owner_ns(const struct type *t, struct str dependent_ns)
{
    return t->namespaced ? dependent_ns : STR_NULL;
}

void collect_enqueue_owners(struct garbage_collector *g, const yyjson_mut_val *obj, struct arena *a)
{
    struct owner_ref *owners = NULL;
    size_t n = owners_of(obj, a, &owners);
    struct registry_snapshot *types = registry_ref(g->registry);
    for (size_t i = 0; i < n; i++) {
        const struct type *t =
            owners[i].block ? registry_find_kind(types, owners[i].group, owners[i].kind) : NULL;
        if (t) {
            collect_enqueue(g, t, owner_ns(t, metadata_namespace(obj)), owners[i].name);
        }
    }
    registry_snapshot_unref(types);
}

void collect_note_absent(struct garbage_collector *g, struct str uid)
{
    pthread_mutex_lock(&g->absent_lock);
    size_t at = g->n_absent++ % ABSENT_KEPT;
    free(g->absent[at]);
    g->absent[at] = alloc_str(uid);
    pthread_mutex_unlock(&g->absent_lock);
}

static bool is_absent(struct garbage_collector *g, struct str uid)
{
    bool found = false;
    pthread_mutex_lock(&g->absent_lock);
    for (size_t i = 0; i < ABSENT_KEPT && !found; i++) {
        found = g->absent[i] && str_is(uid, g->absent[i]);
    }
    pthread_mutex_unlock(&g->absent_lock);
    return found;
}

/* An object's tree in its storage version; NULL: it is not there. */
static int read_object(struct item *it, const struct type *t, struct str ns, struct str name,
                       yyjson_mut_val **ret, struct err *err)
{
    struct blob *blob = NULL;
    struct stored s;
    yyjson_mut_doc *d = NULL;
    int r = engine_get(it->g->engine, t, (struct scope){.ns = ns}, name, &blob, &s, err);
    if (r == ERR_NOT_FOUND) {
        *ret = NULL;
        return 0;
    }
    if (r == 0) {
        r = represent_decode(t, type_storage(t), &s, it->arena, &d, err);
        *ret = r == 0 ? json_copy(json_doc(it->arena), d->root) : NULL; /* apart from the blob */
        blob_unref(blob);
    }
    return r;
}

static struct str version_of(const yyjson_mut_val *obj)
{
    return json_get_str(metadata_of(obj), "resourceVersion");
}

/* Patches metadata with the members of `meta`, on condition that the object is as it was read. */
static int patch_metadata(const struct item *it, const struct client_ref *ref, yyjson_mut_doc *d,
                          yyjson_mut_val *meta, const yyjson_mut_val *obj, struct err *err)
{
    yyjson_mut_doc *answer = NULL;
    yyjson_mut_val *patch = yyjson_mut_obj(d);
    json_set_str(d, meta, "uid", metadata_uid(obj));
    json_set_str(d, meta, "resourceVersion", version_of(obj));
    json_setz(d, patch, "metadata", meta);
    int r = client_patch(it->g->client, ref, PATCH_MERGE, patch, NULL, it->arena, &answer, err);
    return r == ERR_NOT_FOUND ? 0 : r;
}

static int remove_finalizer(const struct item *it, const char *finalizer, struct err *err)
{
    yyjson_mut_doc *d = json_doc(it->arena);
    yyjson_mut_val *meta = yyjson_mut_obj(d), *list = yyjson_mut_arr(d);
    struct json_iter each = json_iter(json_get(metadata_of(it->obj), "finalizers"));
    while (json_next(&each)) {
        if (!str_is(json_str(each.val), finalizer)) {
            yyjson_mut_arr_append(list, json_copy(d, each.val));
        }
    }
    json_setz(d, meta, "finalizers", json_size(list) ? list : yyjson_mut_null(d));
    return patch_metadata(it, &it->ref, d, meta, it->obj, err);
}

/* The references that stay when those of the given uids go. */
static yyjson_mut_val *references_without(yyjson_mut_doc *d, const yyjson_mut_val *obj,
                                          const struct str *uids, size_t n)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    struct json_iter each = json_iter(json_get(metadata_of(obj), "ownerReferences"));
    while (json_next(&each)) {
        bool goes = false;
        for (size_t i = 0; i < n; i++) {
            goes = goes || str_eq(uids[i], json_get_str(each.val, "uid"));
        }
        if (!goes) {
            yyjson_mut_arr_append(list, json_copy(d, each.val));
        }
    }
    return json_size(list) ? list : yyjson_mut_null(d);
}

/* ---- as an owner ---- */

struct dependents {
    struct item *it;
    struct str uid;
    size_t blocking;
    int code; /* orphaning: of the first that failed */
    struct err *err;
};

/* The item with an arena of its own, for one dependent: all of them together may be large. */
static struct item scratch_item(const struct dependents *d, struct arena *a)
{
    struct item it = *d->it;
    arena_init(a, 0);
    it.arena = a;
    return it;
}

static bool blocks(const yyjson_mut_val *obj, struct str uid, struct arena *a)
{
    struct owner_ref *owners = NULL;
    size_t n = owners_of(obj, a, &owners);
    for (size_t i = 0; i < n; i++) {
        if (owners[i].block && str_eq(owners[i].uid, uid)) {
            return true;
        }
    }
    return false;
}

static int count_blocking(void *arg, struct type *t, struct str ns, struct str name)
{
    struct dependents *d = arg;
    struct arena a;
    struct item it = scratch_item(d, &a);
    yyjson_mut_val *obj = NULL;
    int r = read_object(&it, t, ns, name, &obj, d->err);
    if (r == 0 && obj) {
        d->blocking += blocks(obj, d->uid, &a);
        collect_enqueue(it.g, t, ns, name);
    }
    arena_finish(&a);
    return r;
}

/* Waits until no dependent blocks it, having set each on its way. */
static int collect_foreground(struct item *it, int64_t *ret_again_ms, struct err *err)
{
    struct dependents d = {.it = it, .uid = metadata_uid(it->obj), .err = err};
    int r = owners_dependents(it->g->engine, it->types, d.uid, count_blocking, &d, err);
    if (r < 0) {
        return r;
    }
    if (d.blocking) {
        *ret_again_ms = BLOCKED_AGAIN_MS;
        return 0;
    }
    return remove_finalizer(it, FOREGROUND, err);
}

static int orphan(struct item *it, struct type *t, struct str ns, struct str name, struct str uid,
                  struct err *err)
{
    yyjson_mut_val *obj = NULL;
    int r = read_object(it, t, ns, name, &obj, err);
    if (r < 0 || !obj) {
        return r;
    }
    yyjson_mut_doc *doc = json_doc(it->arena);
    yyjson_mut_val *meta = yyjson_mut_obj(doc);
    const struct client_ref ref = {.group = t->group,
                                   .version = type_storage(t)->name,
                                   .resource = t->resource,
                                   .ns = ns,
                                   .name = name};
    json_setz(doc, meta, "ownerReferences", references_without(doc, obj, &uid, 1));
    return patch_metadata(it, &ref, doc, meta, obj, err);
}

/* One that cannot be orphaned now holds the others up no longer than this pass. */
static int orphan_one(void *arg, struct type *t, struct str ns, struct str name)
{
    struct dependents *d = arg;
    struct arena a;
    struct item it = scratch_item(d, &a);
    int r = orphan(&it, t, ns, name, d->uid, d->code ? NULL : d->err);
    d->code = d->code ? d->code : r;
    arena_finish(&a);
    return 0;
}

static int collect_orphaning(struct item *it, struct err *err)
{
    struct dependents d = {.it = it, .uid = metadata_uid(it->obj), .err = err};
    int r = owners_dependents(it->g->engine, it->types, d.uid, orphan_one, &d, err);
    r = r < 0 ? r : d.code;
    return r < 0 ? r : remove_finalizer(it, ORPHAN, err);
}

/* ---- as a dependent ---- */

enum owner_state { OWNER_SOLID, OWNER_WAITING, OWNER_DANGLING };

static int owner_state(struct item *it, const struct owner_ref *o, enum owner_state *ret,
                       struct err *err)
{
    const struct type *t = registry_find_kind(it->types, o->group, o->kind);
    yyjson_mut_val *obj = NULL;
    if (!t || (t->namespaced && !it->ref.ns.len)) {
        *ret = is_absent(it->g, o->uid) ? OWNER_DANGLING
                                        : OWNER_SOLID; /* it cannot be looked up: leave it alone */
        return 0;
    }
    int r = read_object(it, t, owner_ns(t, it->ref.ns), o->name, &obj, err);
    if (r < 0) {
        return r;
    }
    if (!obj || !str_eq(metadata_uid(obj), o->uid)) {
        *ret = OWNER_DANGLING;
    } else if (metadata_deleting(obj) && metadata_has_finalizer(obj, STR(FOREGROUND))) {
        *ret = OWNER_WAITING;
    } else {
        *ret = OWNER_SOLID;
    }
    return 0;
}

static int delete_item(struct item *it, enum propagation p, struct err *err)
{
    const struct client_options o = {
        .propagation = p, .uid = metadata_uid(it->obj), .resource_version = version_of(it->obj)};
    int r = client_delete(it->g->client, &it->ref, &o, err);
    if (r == 0 && it->g->deletions) {
        metric_add(it->g->deletions, 1);
    }
    return r == ERR_NOT_FOUND ? 0 : r;
}

/* What there is of an object's own dependents. */
struct below {
    struct dependents d;
    bool any, waiting;
};

static int look_below(void *arg, struct type *t, struct str ns, struct str name)
{
    struct below *b = arg;
    struct arena a;
    struct item it = scratch_item(&b->d, &a);
    yyjson_mut_val *obj = NULL;
    int r = read_object(&it, t, ns, name, &obj, b->d.err);
    if (r == 0 && obj) {
        b->any = true;
        b->waiting = metadata_deleting(obj) && metadata_has_finalizer(obj, STR(FOREGROUND));
    }
    arena_finish(&a);
    return r < 0 ? r : b->waiting;
}

/* Its owners no longer wait for it: a dependent of it that waits itself may be one of them, and
 * both would wait for ever. */
static int unblock_owners(struct item *it, struct err *err)
{
    yyjson_mut_doc *d = json_doc(it->arena);
    yyjson_mut_val *meta = yyjson_mut_obj(d), *list = references_without(d, it->obj, NULL, 0);
    struct json_iter each = json_iter(list);
    bool any = false;
    while (json_next(&each)) {
        any = any || json_get_bool(each.val, "blockOwnerDeletion");
        json_set_bool(d, each.val, "blockOwnerDeletion", false);
    }
    if (!any) {
        return 0;
    }
    json_setz(d, meta, "ownerReferences", list);
    int r = patch_metadata(it, &it->ref, d, meta, it->obj, err);
    return r < 0 ? r : ERR_CONFLICT; /* it is another object now: once more */
}

/* No owner is solid: it goes, in the way its finalizers or its waiting owners ask for. */
static int delete_unowned(struct item *it, bool waiting, struct err *err)
{
    struct below b = {.d = {.it = it, .err = err}};
    if (waiting) {
        int r =
            owners_dependents(it->g->engine, it->types, metadata_uid(it->obj), look_below, &b, err);
        r = r < 0 || !b.waiting ? r : unblock_owners(it, err);
        if (r < 0) {
            return r;
        }
    }
    if (b.any) {
        return delete_item(it, PROPAGATION_FOREGROUND, err);
    }
    if (metadata_has_finalizer(it->obj, STR(ORPHAN))) {
        return delete_item(it, PROPAGATION_ORPHAN, err);
    }
    bool foreground = metadata_has_finalizer(it->obj, STR(FOREGROUND));
    return delete_item(it, foreground ? PROPAGATION_FOREGROUND : PROPAGATION_BACKGROUND, err);
}

static int collect_dependent(struct item *it, struct err *err)
{
    struct str *gone = arena_alloc(it->arena, (it->n_owners + 1) * sizeof(*gone));
    size_t n_gone = 0, solid = 0, waiting = 0;
    for (size_t i = 0; i < it->n_owners; i++) {
        enum owner_state state = OWNER_SOLID;
        int r = owner_state(it, &it->owners[i], &state, err);
        if (r < 0) {
            return r;
        }
        solid += state == OWNER_SOLID;
        waiting += state == OWNER_WAITING;
        if (state != OWNER_SOLID) {
            gone[n_gone++] = it->owners[i].uid;
        }
    }
    if (solid == it->n_owners) {
        return 0;
    }
    if (!solid) {
        return delete_unowned(it, waiting > 0, err);
    }
    yyjson_mut_doc *d = json_doc(it->arena);
    yyjson_mut_val *meta = yyjson_mut_obj(d);
    json_setz(d, meta, "ownerReferences", references_without(d, it->obj, gone, n_gone));
    return patch_metadata(it, &it->ref, d, meta, it->obj, err);
}

/* ---- */

static int collect_item(struct item *it, int64_t *ret_again_ms, struct err *err)
{
    int r = read_object(it, it->type, it->ref.ns, it->ref.name, &it->obj, err);
    if (r < 0 || !it->obj) {
        return r;
    }
    if (metadata_deleting(it->obj)) {
        if (metadata_has_finalizer(it->obj, STR(ORPHAN))) {
            return collect_orphaning(it, err);
        }
        return metadata_has_finalizer(it->obj, STR(FOREGROUND))
                   ? collect_foreground(it, ret_again_ms, err)
                   : 0;
    }
    it->n_owners = owners_of(it->obj, it->arena, &it->owners);
    return it->n_owners ? collect_dependent(it, err) : 0;
}

int collect_object(struct garbage_collector *g, struct str key, struct arena *a,
                   int64_t *ret_again_ms, struct err *err)
{
    struct str rest, group = str_cut(key, '/', &rest), resource = str_cut(rest, '/', &rest), name,
                     ns = str_cut(rest, '/', &name);
    struct registry_snapshot *types = registry_ref(g->registry);
    struct item it = {
        .g = g, .arena = a, .types = types, .type = registry_find(types, group, resource)};
    int r = 0;
    if (g->attempts) {
        metric_add(g->attempts, 1);
    }
    if (it.type) {
        it.ref = (struct client_ref){.group = group,
                                     .version = type_storage(it.type)->name,
                                     .resource = resource,
                                     .ns = ns,
                                     .name = name};
        r = collect_item(&it, ret_again_ms, err);
    }
    registry_snapshot_unref(types);
    return r;
}
