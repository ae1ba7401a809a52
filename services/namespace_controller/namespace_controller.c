/* SPDX-License-Identifier: Apache-2.0 */
/* The controller that ends namespaces: deletes what is in them, type by type, reports in the
 * namespace's conditions what holds it, and takes the "kubernetes" finalizer away when nothing
 * remains. Conditions as the reference's namespace controller words them. */
#include "services/namespace_controller/namespace_controller.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "controllers/conditions.h"
#include "controllers/controller.h"
#include "controllers/purge.h"
#include "services/wire.gen.h"

#define SOON_MS 200 /* while a namespace's deletion is young */
#define LATER_MS 5000
#define YOUNG_US (30 * (int64_t)1000000)
#define WORKERS 2

struct namespace_controller {
    struct client *client;
    struct registry *registry;
    struct metrics *metrics;
};

/* What one pass over a namespace found. */
struct findings {
    struct arena *arena;
    struct buf remaining; /* "configmaps. has 1 resource instances, ..." */
    size_t objects;
    struct purge_left finalizers; /* summed over the types */
    struct buf failures;
    size_t failed;
};

static struct client_ref namespace_ref(struct str name, const char *subresource)
{
    return (struct client_ref){.version = STR("v1"),
                               .resource = STR("namespaces"),
                               .name = name,
                               .subresource = str_from(subresource)};
}

static void sum_finalizer(struct findings *f, const struct purge_finalizer *add)
{
    struct purge_left *l = &f->finalizers;
    for (size_t i = 0; i < l->n_finalizers; i++) {
        if (str_eq(l->finalizers[i].name, add->name)) {
            l->finalizers[i].objects += add->objects;
            return;
        }
    }
    struct purge_finalizer *more = arena_alloc(f->arena, (l->n_finalizers + 1) * sizeof(*more));
    if (l->n_finalizers) {
        memcpy(more, l->finalizers, l->n_finalizers * sizeof(*more));
    }
    more[l->n_finalizers++] = *add;
    l->finalizers = more;
}

static void empty_type(struct reconcile *r, const struct type *t, struct findings *f)
{
    const struct client_ref ref = {.group = t->group,
                                   .version = type_storage(t)->name,
                                   .resource = t->resource,
                                   .ns = r->name};
    struct purge_left left = {0};
    struct err err = {0};
    if (purge(r->client, &ref, r->arena, &left, &err) < 0) {
        buf_printf(&f->failures, "%s%s", f->failed++ ? ", " : "", err_message(&err));
    } else if (left.objects) {
        buf_printf(&f->remaining, "%s%.*s.%.*s has %zu resource instances", f->objects ? ", " : "",
                   STR_FMT(t->resource), STR_FMT(t->group), left.objects);
        f->objects += left.objects;
    }
    for (size_t i = 0; i < left.n_finalizers; i++) {
        sum_finalizer(f, &left.finalizers[i]);
    }
    err_finish(&err);
}

/* Types that share their storage with another (events.k8s.io) are emptied once. */
static bool is_own_storage(const struct type *t)
{
    return str_eq(type_storage(t)->api_version, t->stored_api_version) &&
           str_eq(t->kind, t->stored_kind);
}

static void empty(struct namespace_controller *c, struct reconcile *r, struct findings *f)
{
    struct registry_snapshot *s = registry_ref(c->registry);
    for (size_t i = 0; i < s->n_groups; i++) {
        for (size_t j = 0; j < s->groups[i].n_types; j++) {
            const struct type *t = s->groups[i].types[j];
            const uint32_t needed = VERB_BIT(VERB_LIST) | VERB_BIT(VERB_DELETE);
            if (t->namespaced && !t->virtual_ && (t->verbs & needed) == needed &&
                is_own_storage(t)) {
                empty_type(r, t, f);
            }
        }
    }
    registry_snapshot_unref(s);
}

static void set_content_conditions(yyjson_mut_doc *d, struct findings *f, bool *changed)
{
    struct buf text = {0};
    *changed |= condition_set(d, d->root, "NamespaceDeletionDiscoveryFailure", false,
                              "ResourcesDiscovered", STR("All resources successfully discovered"));
    *changed |=
        condition_set(d, d->root, "NamespaceDeletionGroupVersionParsingFailure", false,
                      "ParsedGroupVersions", STR("All legacy kube types successfully parsed"));
    if (f->failed) {
        buf_printf(&text, "Failed to delete all resource types, %zu remaining: %.*s", f->failed,
                   STR_FMT(buf_str(&f->failures)));
    } else {
        buf_addz(&text, "All content successfully deleted, may be waiting on finalization");
    }
    *changed |=
        condition_set(d, d->root, "NamespaceDeletionContentFailure", f->failed > 0,
                      f->failed ? "ContentDeletionFailed" : "ContentDeleted", buf_str(&text));
    buf_finish(&text);
}

static void set_remaining_conditions(yyjson_mut_doc *d, struct findings *f, bool *changed)
{
    struct buf text = {0};
    if (f->objects) {
        buf_printf(&text, "Some resources are remaining: %.*s", STR_FMT(buf_str(&f->remaining)));
    } else {
        buf_addz(&text, "All content successfully removed");
    }
    *changed |=
        condition_set(d, d->root, "NamespaceContentRemaining", f->objects > 0,
                      f->objects ? "SomeResourcesRemain" : "ContentRemoved", buf_str(&text));
    text.len = 0;
    if (f->finalizers.n_finalizers) {
        buf_addz(&text, "Some content in the namespace has finalizers remaining: ");
        for (size_t i = 0; i < f->finalizers.n_finalizers; i++) {
            const struct purge_finalizer *p = &f->finalizers.finalizers[i];
            buf_printf(&text, "%s%.*s in %zu resource instances", i ? ", " : "", STR_FMT(p->name),
                       p->objects);
        }
    } else {
        buf_addz(&text, "All content-preserving finalizers finished");
    }
    bool held = f->finalizers.n_finalizers > 0;
    *changed |=
        condition_set(d, d->root, "NamespaceFinalizersRemaining", held,
                      held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers", buf_str(&text));
    buf_finish(&text);
}

/* *ns becomes the object as it is now. */
static int report(struct reconcile *r, yyjson_mut_doc **ns, struct findings *f, struct err *err)
{
    bool changed = false;
    set_content_conditions(*ns, f, &changed);
    set_remaining_conditions(*ns, f, &changed);
    if (!changed) {
        return 0;
    }
    const struct client_ref ref = namespace_ref(r->name, "status");
    return client_update(r->client, &ref, (*ns)->root, NULL, r->arena, ns, err);
}

static int64_t again_after(const yyjson_mut_val *ns)
{
    int64_t since = 0;
    clock_parse(json_str(json_path(ns, "metadata", "deletionTimestamp", NULL)), &since);
    return clock_wall_us() - since < YOUNG_US ? SOON_MS : LATER_MS;
}

/* Whether somebody else's finalizer keeps the namespace when ours is gone: its conditions should
 * say how it stands. */
static bool is_held(const yyjson_mut_val *ns)
{
    return json_size(json_path(ns, "spec", "finalizers", NULL)) > 1 ||
           json_size(json_path(ns, "metadata", "finalizers", NULL)) > 0;
}

/* Takes "kubernetes" out of spec.finalizers; false: it was not there. */
static bool drop_finalizer(yyjson_mut_val *ns)
{
    struct json_iter it = json_iter(json_path(ns, "spec", "finalizers", NULL));
    while (json_next(&it)) {
        if (str_is(json_str(it.val), "kubernetes")) {
            json_iter_remove(&it);
            return true;
        }
    }
    return false;
}

static int let_go(struct reconcile *r, yyjson_mut_doc *ns, struct err *err)
{
    const struct client_ref ref = namespace_ref(r->name, "finalize");
    yyjson_mut_doc *answer = NULL;
    if (!drop_finalizer(ns->root)) {
        return 0;
    }
    return client_update(r->client, &ref, ns->root, NULL, r->arena, &answer, err);
}

static int reconcile(struct reconcile *r, struct err *err)
{
    const struct client_ref ref = namespace_ref(r->name, NULL);
    yyjson_mut_doc *ns = NULL;
    int code = client_get(r->client, &ref, r->arena, &ns, err);
    if (code == ERR_NOT_FOUND) {
        return 0;
    }
    if (code < 0 || !json_path(ns->root, "metadata", "deletionTimestamp", NULL)) {
        return code;
    }
    struct findings f = {.arena = r->arena};
    empty(r->self, r, &f);
    bool left = f.objects || f.failed;
    r->again_ms = left ? again_after(ns->root) : 0;
    code = left || is_held(ns->root) ? report(r, &ns, &f, err) : 0;
    code = code < 0 || left ? code : let_go(r, ns, err);
    buf_finish(&f.remaining);
    buf_finish(&f.failures);
    return code == ERR_NOT_FOUND ? 0 : code;
}

int namespace_controller_provide(const struct namespace_controller_deps *d,
                                 struct namespace_controller **ret, struct err *err)
{
    (void)err;
    struct namespace_controller *c = ALLOC(struct namespace_controller);
    *c = (struct namespace_controller){
        .client = d->client, .registry = d->registry, .metrics = d->metrics};
    *ret = c;
    return 0;
}

void namespace_controller_release(struct namespace_controller *c)
{
    free(c);
}

int namespace_controller_run(struct namespace_controller *c, struct service_stop *stop,
                             struct err *err)
{
    static const struct controller_watch watches[] = {
        {.version = {"v1", 2}, .resource = {"namespaces", 10}, .map = controller_map_deleting}};
    const struct controller def = {.name = "namespace",
                                   .watches = watches,
                                   .n_watches = 1,
                                   .reconcile = reconcile,
                                   .self = c,
                                   .workers = WORKERS};
    (void)err;
    service_run_controller(c->client, c->metrics, &def, stop);
    return 0;
}
