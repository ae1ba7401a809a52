/* SPDX-License-Identifier: Apache-2.0 */
/* The background part: what is in a folder that is deleted by force is removed, from the bottom of
 * the tree upwards, and then the finalizer that holds the folder. A folder in it is marked in its
 * turn (removal.c) and is a key of its own. Everything it goes by is in the store, so that it goes
 * on after a restart. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "controllers/controller.h"
#include "resources/index.h"
#include "services/folders/folders_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { BATCH = 200, ERRORS_MAX = 10, SOON_MS = 100, LATER_MS = 5000, WORKERS = 2 };

/* One pass over a folder. */
struct pass {
    struct reconcile *r;
    struct folders *folders;
    size_t tried, removed;
    int64_t left;
    yyjson_mut_val *errors; /* in doc */
    yyjson_mut_doc *doc;
};

struct names {
    struct arena *arena;
    struct str items[BATCH];
    size_t n;
};

static int add_name(void *arg, struct str name)
{
    struct names *l = arg;
    l->items[l->n++] = arena_str(l->arena, name);
    return 0;
}

static void remove_one(struct pass *p, const struct type *t, struct str name)
{
    const struct client_ref ref = {.group = t->group,
                                   .version = type_storage(t)->name,
                                   .resource = t->resource,
                                   .ns = p->r->ns,
                                   .name = name};
    const struct client_options o = {.propagation = PROPAGATION_BACKGROUND};
    AUTO(err_finish) struct err err = {0};
    int rc = client_delete(p->folders->client, &ref, &o, &err);
    p->tried++;
    p->removed += rc == 0;
    if (rc && rc != ERR_NOT_FOUND && json_size(p->errors) < ERRORS_MAX) {
        const char *text = arena_printf(p->r->arena, "%.*s %.*s: %s", STR_FMT(t->group_resource),
                                        STR_FMT(name), err_message(&err));
        yyjson_mut_arr_add_str(p->doc, p->errors, text);
    }
}

/* Removes some of the folder's objects of one type, and counts those that stay for now. */
static int empty_type(struct pass *p, const struct type *t, struct err *err)
{
    struct engine *e = p->folders->engine;
    const struct scope s = {.ns = p->r->ns};
    struct names l = {.arena = p->r->arena};
    int64_t left = 0;
    int rc = p->tried < BATCH ? index_names(e, t, s, STR(FOLDERS_INDEX), p->r->name,
                                            BATCH - p->tried, add_name, &l, err)
                              : 0;
    for (size_t i = 0; i < l.n && rc == 0; i++) {
        remove_one(p, t, l.items[i]);
    }
    rc = rc ? rc : index_count(e, t, s, STR(FOLDERS_INDEX), p->r->name, &left, err);
    p->left += left;
    return rc;
}

static int empty(struct pass *p, struct err *err)
{
    struct registry_snapshot *types = registry_ref(p->folders->registry);
    int rc = 0;
    for (size_t g = 0; g < types->n_groups && rc == 0; g++) {
        for (size_t i = 0; i < types->groups[g].n_types && rc == 0; i++) {
            const struct type *t = types->groups[g].types[i];
            if (t->n_indexes && type_index(t, STR(FOLDERS_INDEX))) {
                rc = empty_type(p, t, err);
            }
        }
    }
    registry_snapshot_unref(types);
    return rc;
}

static struct client_ref folder_ref(const struct reconcile *r, const char *subresource)
{
    return (struct client_ref){.group = STR(FOLDERS_GROUP),
                               .resource = STR(FOLDERS_RESOURCE),
                               .ns = r->ns,
                               .name = r->name,
                               .subresource = str_from(subresource)};
}

/* Writes status.cascadeDelete, where that says something new. */
static int report(struct pass *p, yyjson_mut_val *folder, struct err *err)
{
    yyjson_mut_doc *d = p->doc, *answer = NULL;
    const yyjson_mut_val *was = json_path(folder, "status", "cascadeDelete", NULL);
    yyjson_mut_val *now = yyjson_mut_obj(d);
    int64_t started = json_get_int(was, "started", 0);
    bool failed = json_size(p->errors) > 0;
    json_set_str(d, now, "state", failed ? STR("error") : STR("working"));
    json_set_int(d, now, "remaining", p->left);
    if (failed) {
        json_setz(d, now, "errors", p->errors);
    }
    json_set_int(d, now, "started", started ? started : clock_wall_us() / 1000);
    if (json_equal(now, was)) {
        return 0;
    }
    yyjson_mut_val *status = json_ensure_obj(d, folder, "status");
    json_setz(d, status, "cascadeDelete", now);
    const struct client_ref ref = folder_ref(p->r, "status");
    return client_update(p->folders->client, &ref, folder, NULL, p->r->arena, &answer, err);
}

static int let_go(struct pass *p, yyjson_mut_val *folder, struct err *err)
{
    yyjson_mut_doc *answer = NULL;
    struct json_iter it = json_iter(json_get(metadata_of(folder), "finalizers"));
    while (json_next(&it)) {
        if (str_is(json_str(it.val), FOLDERS_FINALIZER)) {
            json_iter_remove(&it);
        }
    }
    const struct client_ref ref = folder_ref(p->r, "");
    return client_update(p->folders->client, &ref, folder, NULL, p->r->arena, &answer, err);
}

/* When to look again: at once while there is something that was not tried, else when what is held
 * by finalizers may have gone. */
static int64_t again_after(const struct pass *p, const yyjson_mut_val *folder)
{
    int64_t since = 0;
    if (p->tried >= BATCH && p->removed) {
        return 1;
    }
    clock_parse(json_get_str(metadata_of(folder), "deletionTimestamp"), &since);
    int64_t age_ms = (clock_wall_us() - since) / 1000;
    return age_ms < LATER_MS ? SOON_MS : LATER_MS;
}

static int reconcile(struct reconcile *r, struct err *err)
{
    struct pass p = {.r = r, .folders = r->self};
    const struct client_ref ref = folder_ref(r, "");
    int rc = client_get(p.folders->client, &ref, r->arena, &p.doc, err);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    yyjson_mut_val *folder = yyjson_mut_doc_get_root(p.doc);
    if (!metadata_deleting(folder) || !metadata_has_finalizer(folder, STR(FOLDERS_FINALIZER))) {
        return 0;
    }
    p.errors = yyjson_mut_arr(p.doc);
    rc = empty(&p, err);
    if (rc == 0 && p.left) {
        r->again_ms = again_after(&p, folder);
        rc = report(&p, folder, err);
    } else if (rc == 0) {
        rc = let_go(&p, folder, err);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* A folder that is being deleted; and the one that it was in, when it is gone. */
static void map(void *self, const struct informer_event *e, struct controller_queue *q)
{
    (void)self;
    if (e->type == INFORMER_PUT && metadata_deleting(e->obj)) {
        controller_enqueue(q, e->ns, e->name);
    } else if (e->type == INFORMER_DELETED && e->obj && folders_of(e->obj).len) {
        controller_enqueue(q, e->ns, folders_of(e->obj));
    }
}

int folders_run(struct folders *f, struct service_stop *stop, struct err *err)
{
    static const struct controller_watch watches[] = {
        {.group = {FOLDERS_GROUP, sizeof(FOLDERS_GROUP) - 1},
         .resource = {FOLDERS_RESOURCE, sizeof(FOLDERS_RESOURCE) - 1},
         .map = map}};
    const struct controller def = {.name = "folders",
                                   .watches = watches,
                                   .n_watches = 1,
                                   .reconcile = reconcile,
                                   .self = f,
                                   .workers = WORKERS};
    (void)err;
    service_run_controller(f->client, f->metrics, &def, stop);
    return 0;
}
