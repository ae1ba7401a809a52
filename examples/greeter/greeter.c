/* SPDX-License-Identifier: Apache-2.0 */
/* An example service: each Greeting has a ConfigMap of its name with the greeting in it, owned by
 * the Greeting, so that it goes when the Greeting goes and comes back when somebody deletes or
 * changes it. */
#include "examples/greeter/greeter.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "controllers/controller.h"
#include "services/wire.gen.h"

#define GROUP                                                                                      \
    {                                                                                              \
        "example.coracle.dev", 19                                                                  \
    }

struct greeter {
    struct client *client;
    struct metrics *metrics;
};

static struct client_ref greeting_ref(const struct reconcile *r, const char *subresource)
{
    return (struct client_ref){.group = GROUP,
                               .version = {"v1", 2},
                               .resource = {"greetings", 9},
                               .ns = r->ns,
                               .name = r->name,
                               .subresource = str_from(subresource)};
}

static struct client_ref configmap_ref(const struct reconcile *r)
{
    return (struct client_ref){
        .version = {"v1", 2}, .resource = {"configmaps", 10}, .ns = r->ns, .name = r->name};
}

/* The ConfigMap as it should be. */
static yyjson_mut_val *wanted(yyjson_mut_doc *d, const struct reconcile *r,
                              const yyjson_mut_val *greeting, struct str message)
{
    yyjson_mut_val *o = yyjson_mut_obj(d), *meta = json_ensure_obj(d, o, "metadata"),
                   *owner = yyjson_mut_obj(d), *owners = yyjson_mut_arr(d);
    json_set_str(d, o, "apiVersion", STR("v1"));
    json_set_str(d, o, "kind", STR("ConfigMap"));
    json_set_str(d, meta, "name", r->name);
    json_set_str(d, owner, "apiVersion", json_get_str(greeting, "apiVersion"));
    json_set_str(d, owner, "kind", json_get_str(greeting, "kind"));
    json_set_str(d, owner, "name", r->name);
    json_set_str(d, owner, "uid", json_str(json_path(greeting, "metadata", "uid", NULL)));
    json_set_bool(d, owner, "controller", true);
    json_set_bool(d, owner, "blockOwnerDeletion", true);
    yyjson_mut_arr_append(owners, owner);
    json_setz(d, meta, "ownerReferences", owners);
    json_set_str(d, json_ensure_obj(d, o, "data"), "greeting", message);
    return o;
}

static int write_configmap(struct reconcile *r, const yyjson_mut_val *greeting, struct str message,
                           struct err *err)
{
    const struct client_ref ref = configmap_ref(r);
    yyjson_mut_doc *have = NULL, *d = json_doc(r->arena);
    yyjson_mut_val *want = wanted(d, r, greeting, message);
    int code = client_get(r->client, &ref, r->arena, &have, NULL);
    if (code == ERR_NOT_FOUND) {
        return client_create(r->client, &ref, want, NULL, r->arena, &have, err);
    }
    if (code < 0 || str_eq(json_str(json_path(have->root, "data", "greeting", NULL)), message)) {
        return code;
    }
    json_set_str(d, json_get(want, "metadata"), "resourceVersion",
                 json_str(json_path(have->root, "metadata", "resourceVersion", NULL)));
    return client_update(r->client, &ref, want, NULL, r->arena, &have, err);
}

static int write_status(struct reconcile *r, yyjson_mut_doc *greeting, struct str message,
                        struct err *err)
{
    const struct client_ref ref = greeting_ref(r, "status");
    yyjson_mut_val *status = json_ensure_obj(greeting, greeting->root, "status");
    json_set_str(greeting, status, "message", message);
    json_set_int(greeting, status, "observedGeneration",
                 json_get_int(json_get(greeting->root, "metadata"), "generation", 0));
    yyjson_mut_doc *answer = NULL;
    return client_update(r->client, &ref, greeting->root, NULL, r->arena, &answer,
                         err); /* an update that changes nothing writes nothing */
}

static int reconcile(struct reconcile *r, struct err *err)
{
    const struct client_ref ref = greeting_ref(r, NULL);
    yyjson_mut_doc *greeting = NULL;
    int code = client_get(r->client, &ref, r->arena, &greeting, err);
    if (code == ERR_NOT_FOUND) {
        return 0; /* its ConfigMap is the garbage collector's */
    }
    if (code < 0 || json_path(greeting->root, "metadata", "deletionTimestamp", NULL)) {
        return code;
    }
    const yyjson_mut_val *spec = json_get(greeting->root, "spec");
    const char *text = arena_printf(r->arena, "%.*s, %.*s!", STR_FMT(json_get_str(spec, "word")),
                                    STR_FMT(json_get_str(spec, "to")));
    code = write_configmap(r, greeting->root, str_from(text), err);
    return code < 0 ? code : write_status(r, greeting, str_from(text), err);
}

/* A ConfigMap concerns the Greeting of its name; one that no Greeting asked for is looked up in
 * vain. */
static void map_configmap(void *self, const struct informer_event *e, struct controller_queue *q)
{
    (void)self;
    controller_enqueue(q, e->ns, e->name);
}

int greeter_provide(const struct greeter_deps *d, struct greeter **ret, struct err *err)
{
    int r = service_publish_all(d->registry, d->documents, err);
    if (r < 0) {
        return r;
    }
    struct greeter *g = ALLOC(struct greeter);
    *g = (struct greeter){.client = d->client, .metrics = d->metrics};
    *ret = g;
    return 0;
}

void greeter_release(struct greeter *g)
{
    free(g);
}

int greeter_run(struct greeter *g, struct service_stop *stop, struct err *err)
{
    static const struct controller_watch watches[] = {
        {.group = GROUP, .version = {"v1", 2}, .resource = {"greetings", 9}},
        {.version = {"v1", 2}, .resource = {"configmaps", 10}, .map = map_configmap},
    };
    const struct controller def = {
        .name = "greeter", .watches = watches, .n_watches = 2, .reconcile = reconcile, .self = g};
    (void)err;
    service_run_controller(g->client, g->metrics, &def, stop);
    return 0;
}
