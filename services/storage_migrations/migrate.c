/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of migrations. One migration runs at a time; every object that is stored in
 * another version or shape is written anew by an empty patch that names its revision, as the
 * reference's migrator does, so its watchers see a change. A server that was stopped goes on by
 * itself: what was rewritten is no longer found. Conditions and their words are the reference's. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controllers/conditions.h"
#include "services/storage_migrations/storage_migrations_priv.h"

#define RUNNING "MigrationRunning"

enum { AGAIN_MS = 5000, PATIENCE_S = 60, PAUSE_MS = 10 };

struct migration {
    struct reconcile *r;
    struct storage_migrations *s;
    yyjson_mut_doc *doc; /* the object as it is now */
    struct str group, resource;
    size_t found, left; /* objects that were to be rewritten, and that still are */
};

/* ---- status ---- */

static int save(struct migration *m, struct err *err)
{
    const struct client_ref ref = {.group = STR("storagemigration.k8s.io"),
                                   .version = STR("v1"),
                                   .resource = STR("storageversionmigrations"),
                                   .name = m->r->name,
                                   .subresource = STR("status")};
    int rc = client_update(m->r->client, &ref, m->doc->root, NULL, m->r->arena, &m->doc, err);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static const char *running_message(struct migration *m, const char *trouble)
{
    const char *text = "The migration is running";
    if (m->found && m->left) {
        text = arena_printf(m->r->arena, "%s, %zu/%zu objects not yet migrated", text, m->left,
                            m->found);
    } else if (m->found) {
        text = arena_printf(m->r->arena, "%s, %zu objects verified migrated", text, m->found);
    }
    return trouble ? arena_printf(m->r->arena, "%s; transient error: %s", text, trouble) : text;
}

static void say(struct migration *m, const char *type, bool status, const char *reason,
                const char *message)
{
    condition_set(m->doc, m->doc->root, type, status, reason, str_from(message));
}

static int fail(struct migration *m, const char *why, struct err *err)
{
    const char *text = arena_printf(m->r->arena, "migration encountered unhandled error: %s", why);
    if (m->found) {
        text = arena_printf(m->r->arena, "%zu/%zu not yet migrated. %s", m->left, m->found, text);
        say(m, "Running", true, RUNNING, running_message(m, NULL));
    }
    say(m, "Failed", true, "StorageVersionMigrationFailed", text);
    return save(m, err);
}

/* ---- the definition ---- */

static yyjson_mut_val *storage_version(const yyjson_mut_val *crd)
{
    struct json_iter it = json_iter(json_path(crd, "spec", "versions", NULL));
    while (it.container && json_next(&it)) {
        if (json_get_bool(it.val, "storage")) {
            return json_get(it.val, "name");
        }
    }
    return NULL;
}

static yyjson_mut_val *condition(const yyjson_mut_val *obj, const char *type)
{
    struct json_iter it = json_iter(json_path(obj, "status", "conditions", NULL));
    while (it.container && json_next(&it)) {
        if (str_is(json_get_str(it.val, "type"), type)) {
            return it.val;
        }
    }
    return NULL;
}

/* Notes in the definition, if the type has one, that the migration runs, or how it ended; after
 * success what it was migrated off goes from storedVersions, unless the definition has changed
 * meanwhile. */
static int note_definition(struct migration *m, bool running, bool success, struct err *err)
{
    struct client_ref ref = {.group = STR("apiextensions.k8s.io"),
                             .version = STR("v1"),
                             .resource = STR("customresourcedefinitions"),
                             .name =
                                 str_from(arena_printf(m->r->arena, "%.*s.%.*s",
                                                       STR_FMT(m->resource), STR_FMT(m->group)))};
    yyjson_mut_doc *d = NULL, *answer = NULL;
    struct err why = {0};
    int rc = client_get(m->r->client, &ref, m->r->arena, &d, &why);
    if (rc) {
        err_finish(rc == ERR_NOT_FOUND ? &why : NULL);
        return rc == ERR_NOT_FOUND ? 0 : err_move(err, &why);
    }
    int64_t generation = json_get_int(json_get(d->root, "metadata"), "generation", 0);
    yyjson_mut_val *c = condition(d->root, "StorageMigrating");
    bool same = c && json_get_int(c, "observedGeneration", 0) == generation;
    const char *text =
        running    ? arena_printf(m->r->arena, "Migration %.*s is running", STR_FMT(m->r->name))
        : !success ? "The migration has failed"
        : same     ? "The migration has succeeded and the stored versions have been updated"
               : "The migration has succeeded but the stored versions have not been updated due "
                 "to a generation mismatch";
    condition_set(d, d->root, "StorageMigrating", running,
                  running   ? RUNNING
                  : success ? "MigrationSucceeded"
                            : "MigrationFailed",
                  str_from(text));
    json_set_int(d, condition(d->root, "StorageMigrating"), "observedGeneration", generation);
    if (!running && success && same && storage_version(d->root)) {
        yyjson_mut_val *list = yyjson_mut_arr(d);
        yyjson_mut_arr_append(list, json_copy(d, storage_version(d->root)));
        json_setz(d, json_get(d->root, "status"), "storedVersions", list);
    }
    ref.subresource = STR("status");
    return client_update(m->r->client, &ref, d->root, NULL, m->r->arena, &answer, err);
}

/* ---- rewriting ---- */

/* 0: rewritten, or somebody else did. */
static int rewrite(struct migration *m, const struct type *t, const struct scan_item *i,
                   struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct client_ref ref = {.group = t->group, .resource = t->resource};
    yyjson_mut_doc *d = json_doc(&a), *answer = NULL;
    yyjson_mut_val *patch = yyjson_mut_obj(d), *meta = json_ensure_obj(d, patch, "metadata");
    json_set_str(d, patch, "apiVersion", type_storage(t)->api_version);
    json_set_str(d, patch, "kind", t->kind);
    json_set_str(d, meta, "resourceVersion",
                 str_from(arena_printf(&a, "%lld", (long long)i->stored.rev)));
    struct err why = {0};
    int rc = 0;
    if (type_key_parse(t, i->key, &ref.ns, &ref.name)) {
        rc = client_patch(m->r->client, &ref, PATCH_MERGE, patch, NULL, &a, &answer, &why);
    }
    arena_finish(&a);
    if (rc == ERR_CONFLICT || rc == ERR_NOT_FOUND) {
        err_finish(&why);
        return 0;
    }
    return rc ? err_move(err, &why) : 0;
}

static bool may_pass(int code)
{
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_TOO_MANY ||
           code == ERR_INTERNAL || code == ERR_CORRUPT || code == ERR_IO || code == ERR_NO_SPACE ||
           code == ERR_CLOSED;
}

/* All of a slice. ret_stop: the server stops. */
static int rewrite_slice(struct migration *m, const struct type *t, struct scan *scan,
                         int64_t up_to, bool *ret_stop, struct err *err)
{
    size_t restamped = 0;
    int rc = scan_restamp(scan, &restamped, err);
    m->found += restamped + scan->n;
    m->left = scan->n;
    for (const struct scan_item *i = scan->items; i && !rc && !*ret_stop; i = i->next) {
        if (i->stored.rev <= up_to) {
            rc = rewrite(m, t, i, err);
        }
        m->left -= !rc;
        *ret_stop = m->s->stop && service_stopping(m->s->stop);
    }
    return rc;
}

static int run(struct migration *m, const struct type *t, bool *ret_stop, struct err *err)
{
    struct scan scan;
    struct str text = json_str(json_path(m->doc->root, "status", "resourceVersion", NULL));
    int64_t up_to = text.len ? strtoll(text.ptr, NULL, 10) : 0;
    scan_init(&scan, m->s->engine, t);
    int rc = 0;
    while (!rc && !scan.done && !*ret_stop) {
        uint64_t begun = clock_mono_ns();
        rc = scan_next(&scan, err);
        rc = rc ? rc : rewrite_slice(m, t, &scan, up_to, ret_stop, err);
        if (!scan.done && m->s->stop) {
            int ms = (int)((clock_mono_ns() - begun) / 1000000) + PAUSE_MS;
            *ret_stop = service_wait(m->s->stop, ms) || *ret_stop;
        }
    }
    scan_finish(&scan);
    return rc;
}

/* ---- one migration ---- */

static int begin(struct migration *m, struct err *err)
{
    bool fresh = !json_str(json_path(m->doc->root, "status", "resourceVersion", NULL)).len;
    if (!fresh && condition_is_true(m->doc->root, "Running")) {
        return 0;
    }
    int rc = note_definition(m, true, false, err);
    if (rc) {
        return rc;
    }
    if (fresh) {
        int64_t now = store_revision(engine_store(m->s->engine));
        json_set_str(m->doc, json_ensure_obj(m->doc, m->doc->root, "status"), "resourceVersion",
                     str_from(arena_printf(m->r->arena, "%lld", (long long)now)));
    }
    say(m, "Running", true, RUNNING, running_message(m, NULL));
    return save(m, err);
}

static int end(struct migration *m, struct err *err)
{
    if (!condition_is_true(m->doc->root, "Running")) {
        return 0;
    }
    int rc = note_definition(m, false, condition_is_true(m->doc->root, "Succeeded"), err);
    if (rc) {
        return rc;
    }
    say(m, "Running", false, "MigrationCompleted", "Migration completed");
    return save(m, err);
}

static int migrate(struct migration *m, const struct type *t, struct err *err)
{
    bool stop = false;
    struct err why = {0};
    int rc = begin(m, err);
    if (rc) {
        return rc;
    }
    rc = run(m, t, &stop, &why);
    if (rc && may_pass(rc)) {
        say(m, "Running", true, RUNNING, running_message(m, err_message(&why)));
        save(m, NULL);
        return err_move(err, &why);
    }
    if (rc) {
        rc = fail(m, err_message(&why), err);
        err_finish(&why);
        return rc ? rc : end(m, err);
    }
    if (stop) {
        return 0;
    }
    say(m, "Running", true, RUNNING, running_message(m, NULL));
    say(m, "Succeeded", true, "StorageVersionMigrationSucceeded", "Migration completed");
    rc = save(m, err);
    return rc ? rc : end(m, err);
}

/* A resource that is not served may be so in a moment. */
static int unknown(struct migration *m, struct err *err)
{
    int64_t made = 0;
    struct str text = json_str(json_path(m->doc->root, "metadata", "creationTimestamp", NULL));
    if (clock_parse(text, &made) && clock_wall_us() - made < PATIENCE_S * INT64_C(1000000)) {
        m->r->again_ms = AGAIN_MS;
        return 0;
    }
    int rc = begin(m, err);
    rc = rc ? rc : fail(m, "unable to obtain GVR from discovery", err);
    return rc ? rc : end(m, err);
}

int migration_reconcile(struct reconcile *r, struct err *err)
{
    struct migration m = {.r = r, .s = r->self};
    const struct client_ref ref = {.group = STR("storagemigration.k8s.io"),
                                   .version = STR("v1"),
                                   .resource = STR("storageversionmigrations"),
                                   .name = r->name};
    int rc = client_get(r->client, &ref, r->arena, &m.doc, err);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    const yyjson_mut_val *what = json_path(m.doc->root, "spec", "resource", NULL);
    m.group = arena_str(r->arena, json_get_str(what, "group"));
    m.resource = arena_str(r->arena, json_get_str(what, "resource"));
    if (condition_is_true(m.doc->root, "Succeeded") || condition_is_true(m.doc->root, "Failed")) {
        return end(&m, err);
    }
    struct registry_snapshot *types = registry_ref(m.s->registry);
    struct type *t = registry_find(types, m.group, m.resource);
    t = t && !t->virtual_ ? type_ref(t) : NULL;
    registry_snapshot_unref(types);
    rc = t ? migrate(&m, t, err) : unknown(&m, err);
    type_unref(t);
    return rc;
}
