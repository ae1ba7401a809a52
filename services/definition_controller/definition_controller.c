/* SPDX-License-Identifier: Apache-2.0 */
/* The controller that ends definitions: deletes all objects of the type and, when none is left,
 * takes the clean-up finalizer away. Conditions as the reference's finalizing controller words
 * them. */
#include "services/definition_controller/definition_controller.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "controllers/conditions.h"
#include "controllers/controller.h"
#include "controllers/purge.h"
#include "resources/engine.h"
#include "services/wire.gen.h"

#define FINALIZER "customresourcecleanup.apiextensions.k8s.io"
#define AGAIN_MS 500
#define WORKERS 2

struct definition_controller {
    struct client *client;
    struct metrics *metrics;
    struct registry *registry;
};

static struct client_ref definition_ref(struct str name, const char *subresource)
{
    return (struct client_ref){.group = STR("apiextensions.k8s.io"),
                               .version = STR("v1"),
                               .resource = STR("customresourcedefinitions"),
                               .name = name,
                               .subresource = str_from(subresource)};
}

static bool has_finalizer(const yyjson_mut_val *crd, bool drop)
{
    struct json_iter it = json_iter(json_path(crd, "metadata", "finalizers", NULL));
    while (json_next(&it)) {
        if (str_is(json_str(it.val), FINALIZER)) {
            if (drop) {
                json_iter_remove(&it);
            }
            return true;
        }
    }
    return false;
}

/* Says in the Terminating condition how far it is; *crd becomes the object as it is now. */
static int report(struct reconcile *r, yyjson_mut_doc **crd, bool going_on, const char *reason,
                  const char *message, struct err *err)
{
    const struct client_ref ref = definition_ref(r->name, "status");
    if (!condition_set(*crd, (*crd)->root, "Terminating", going_on, reason, str_from(message))) {
        return 0;
    }
    return client_update(r->client, &ref, (*crd)->root, NULL, r->arena, crd, err);
}

/* Whether the objects of that name are the definition's: one whose names were never accepted has
 * none, and the type that has the names is another definition's or the server's own. */
static bool owns_objects(const struct definition_controller *c, const yyjson_mut_val *crd)
{
    struct registry_snapshot *types = registry_ref(c->registry);
    struct str group = json_str(json_path(crd, "spec", "group", NULL)),
               plural = json_str(json_path(crd, "spec", "names", "plural", NULL));
    const struct type *t = registry_find(types, group, plural);
    bool owns = t && t->custom && str_eq(t->uid, json_str(json_path(crd, "metadata", "uid", NULL)));
    registry_snapshot_unref(types);
    return owns;
}

static int delete_objects(struct reconcile *r, const yyjson_mut_val *crd, struct purge_left *left,
                          struct err *err)
{
    const yyjson_mut_val *spec = json_get(crd, "spec");
    const struct client_ref ref = {
        .group = json_get_str(spec, "group"),
        .resource = json_str(json_path(spec, "names", "plural", NULL)),
    };
    return owns_objects(r->self, crd) ? purge(r->client, &ref, r->arena, left, err) : 0;
}

static int let_go(struct reconcile *r, yyjson_mut_doc *crd, struct err *err)
{
    const struct client_ref ref = definition_ref(r->name, NULL);
    yyjson_mut_doc *answer = NULL;
    has_finalizer(crd->root, true);
    int code = client_update(r->client, &ref, crd->root, NULL, r->arena, &answer, err);
    return code == ERR_NOT_FOUND ? 0 : code;
}

static int reconcile(struct reconcile *r, struct err *err)
{
    const struct client_ref ref = definition_ref(r->name, NULL);
    yyjson_mut_doc *crd = NULL;
    struct purge_left left = {0};
    int code = client_get(r->client, &ref, r->arena, &crd, err);
    if (code == ERR_NOT_FOUND) {
        return 0;
    }
    if (code < 0 || !json_path(crd->root, "metadata", "deletionTimestamp", NULL) ||
        !has_finalizer(crd->root, false)) {
        return code;
    }
    if ((code = report(r, &crd, true, "InstanceDeletionInProgress",
                       "CustomResource deletion is in progress", err)) < 0) {
        return code == ERR_NOT_FOUND ? 0 : code;
    }
    struct err why = {0};
    code = delete_objects(r, crd->root, &left, &why);
    if (code < 0) {
        const char *text =
            arena_printf(r->arena, "could not delete instances: %s", err_message(&why));
        report(r, &crd, true, "InstanceDeletionFailed", text, NULL);
        return err_move(err, &why);
    }
    err_finish(&why);
    if (left.objects) {
        r->again_ms = AGAIN_MS;
        return 0;
    }
    if (json_size(json_path(crd->root, "metadata", "finalizers", NULL)) >
        1) { /* somebody will see it */
        code = report(r, &crd, false, "InstanceDeletionCompleted", "removed all instances", err);
    }
    return code < 0 ? code : let_go(r, crd, err);
}

int definition_controller_provide(const struct definition_controller_deps *d,
                                  struct definition_controller **ret, struct err *err)
{
    (void)err;
    struct definition_controller *c = ALLOC(struct definition_controller);
    *c = (struct definition_controller){
        .client = d->client, .metrics = d->metrics, .registry = engine_registry(d->engine)};
    *ret = c;
    return 0;
}

void definition_controller_release(struct definition_controller *c)
{
    free(c);
}

int definition_controller_run(struct definition_controller *c, struct service_stop *stop,
                              struct err *err)
{
    static const struct controller_watch watches[] = {
        {.group = {"apiextensions.k8s.io", 20},
         .version = {"v1", 2},
         .resource = {"customresourcedefinitions", 25},
         .map = controller_map_deleting}};
    const struct controller def = {.name = "definition",
                                   .watches = watches,
                                   .n_watches = 1,
                                   .reconcile = reconcile,
                                   .self = c,
                                   .workers = WORKERS};
    (void)err;
    service_run_controller(c->client, c->metrics, &def, stop);
    return 0;
}
