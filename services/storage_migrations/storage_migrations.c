/* SPDX-License-Identifier: Apache-2.0 */
/* The type StorageVersionMigration (rules: the reference's ValidateStorageVersionMigration and its
 * strategies), and the service's background part: the controller of migrations, and beside it the
 * building of indexes and the quiet restamping of every type whose shape has changed. */
#include "services/storage_migrations/storage_migrations.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controllers/conditions.h"
#include "controllers/manager.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/storage_migrations/storage_migrations_priv.h"
#include "services/wire.gen.h"

enum { LOOK_MS = 30 * 1000, PAUSE_MS = 20 };

/* ---- the type ---- */

static bool of_status(struct write *w)
{
    return str_is(write_op(w)->subresource, "status");
}

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)err;
    if (!of_status(w)) {
        json_carry(d, obj, old, "status");
        json_ensure_obj(d, json_ensure_obj(d, obj, "spec"), "resource");
        json_ensure_obj(d, obj, "status");
    }
    return 0;
}

static int merge_status(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val *current, struct err *err)
{
    (void)self;
    (void)w;
    (void)err;
    json_carry(d, obj, current, "spec");
    return 0;
}

#define FIELD(a, b) PATH_FIELD(PATH_FIELD(NULL, STR(a)), STR(b))

static void add_joined(struct causes *c, const struct path *at, yyjson_mut_val *value,
                       const struct name_faults *f)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < f->n; i++) {
        buf_printf(&b, "%s%s", i ? "," : "", f->text[i]);
    }
    if (f->n) {
        causes_add(c, CAUSE_INVALID, at, value, "%.*s", STR_FMT(buf_str(&b)));
    }
}

static void check_spec(const yyjson_mut_val *obj, struct causes *c)
{
    const yyjson_mut_val *r = json_path(obj, "spec", "resource", NULL);
    const struct path *at = FIELD("spec", "resource");
    struct name_faults resource = {0}, group = {0};
    if (!json_get_str(r, "resource").len) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("resource")), NULL,
                   "resource is required to be set");
    } else {
        name_faults_label_1035(json_get_str(r, "resource"), &resource);
        add_joined(c, PATH_FIELD(at, STR("resource")), json_get(r, "resource"), &resource);
    }
    if (json_get_str(r, "group").len) {
        name_faults_subdomain(json_get_str(r, "group"), &group);
        add_joined(c, PATH_FIELD(at, STR("group")), json_get(r, "group"), &group);
    }
}

static void check_end(const yyjson_mut_val *obj, const yyjson_mut_val *old, const char *type,
                      const char *text, struct causes *c)
{
    if (condition_is_true(old, type) && !condition_is_true(obj, type)) {
        causes_add(c, CAUSE_INVALID, FIELD("status", "conditions"),
                   json_path(obj, "status", "conditions", NULL), "%s", text);
    }
}

static void check_status(const yyjson_mut_val *obj, const yyjson_mut_val *old, struct causes *c)
{
    struct str rv = json_str(json_path(obj, "status", "resourceVersion", NULL)),
               was = json_str(json_path(old, "status", "resourceVersion", NULL));
    if (was.len && !str_eq(rv, was)) {
        causes_add(c, CAUSE_INVALID, FIELD("status", "resourceVersion"),
                   json_path(obj, "status", "resourceVersion", NULL), "field is immutable");
    }
    if (condition_is_true(obj, "Succeeded") && condition_is_true(obj, "Failed")) {
        causes_add(c, CAUSE_INVALID, FIELD("status", "conditions"),
                   json_path(obj, "status", "conditions", NULL),
                   "Both success and failed conditions cannot be true at the same time");
    }
    check_end(obj, old, "Succeeded", "Success condition cannot be set to false once it is true", c);
    check_end(obj, old, "Failed", "Failed condition cannot be set to false once it is true", c);
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    (void)self;
    if (of_status(w)) {
        check_status(obj, old, c);
        return;
    }
    check_spec(obj, c);
    if (old && !json_equal(json_get(obj, "spec"), json_get(old, "spec"))) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(NULL, STR("spec")), json_get(obj, "spec"),
                   "field is immutable");
    }
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    static const char *const types[] = {"Running", "Failed", "Succeeded"};
    const yyjson_mut_val *r = json_path(obj, "spec", "resource", NULL);
    AUTO(buf_finish) struct buf b = {0};
    struct str status = STR("Unknown"), group = json_get_str(r, "group");
    (void)self;
    (void)v;
    buf_add(&b, json_get_str(r, "resource"));
    buf_addz(&b, group.len ? "." : "");
    buf_add(&b, group);
    struct json_iter it = json_iter(json_path(obj, "status", "conditions", NULL));
    while (it.container && json_next(&it)) {
        for (size_t i = 0; i < 3; i++) {
            if (str_is(json_get_str(it.val, "status"), "True") &&
                str_is(json_get_str(it.val, "type"), types[i])) {
                status = str_from(types[i]);
            }
        }
    }
    row_name(d, obj, cells);
    row_str(d, buf_str(&b), cells);
    row_str(d, status, cells);
}

const struct type_strategy migration_strategy = {
    .resets = type_resets_status, .prepare = prepare, .validate = validate, .row = row};

const struct type_subresource migration_subresources[1] = {
    {.name = {"status", 6},
     .verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH),
     .merge = merge_status,
     .resets = type_resets_but_status},
};

/* ---- restamping ---- */

/* A type whose stored objects were looked through under this stamp. */
struct seen_type {
    struct str prefix; /* allocated */
    uint64_t stamp;
};

int storage_migrations_restamp(struct storage_migrations *s, const struct type *t, size_t *ret_n,
                               struct err *err)
{
    struct scan scan;
    scan_init(&scan, s->engine, t);
    int rc = 0;
    *ret_n = 0;
    while (!rc && !scan.done) {
        uint64_t begun = clock_mono_ns();
        rc = scan_next(&scan, err);
        rc = rc ? rc : scan_restamp(&scan, ret_n, err);
        /* At least half of the time is others'. */
        int ms = (int)((clock_mono_ns() - begun) / 1000000) + (scan.done ? 0 : PAUSE_MS);
        if (s->stop && service_wait(s->stop, ms)) {
            break;
        }
    }
    scan_finish(&scan);
    return rc;
}

static struct seen_type *seen(struct storage_migrations *s, struct str prefix)
{
    for (size_t i = 0; i < s->n_seen; i++) {
        if (str_eq(s->seen[i].prefix, prefix)) {
            return &s->seen[i];
        }
    }
    if (s->n_seen == s->cap_seen) {
        s->cap_seen = s->cap_seen ? 2 * s->cap_seen : 32;
        s->seen = alloc_resize(s->seen, s->cap_seen * sizeof(*s->seen));
    }
    struct seen_type *n = &s->seen[s->n_seen++];
    *n = (struct seen_type){.prefix = str_from(alloc_printf("%.*s", STR_FMT(prefix)))};
    return n;
}

/* The next type that has another stamp than when it was looked through; a reference. */
static struct type *next_stale(struct storage_migrations *s)
{
    struct registry_snapshot *types = registry_ref(s->registry);
    struct type *found = NULL;
    for (size_t g = 0; g < types->n_groups && !found; g++) {
        for (size_t i = 0; i < types->groups[g].n_types && !found; i++) {
            struct type *t = types->groups[g].types[i];
            bool own = !t->virtual_ && str_eq(t->stored_api_version, type_storage(t)->api_version);
            if (own && seen(s, t->prefix)->stamp != t->stamp) {
                found = type_ref(t);
            }
        }
    }
    registry_snapshot_unref(types);
    return found;
}

static void restamp_all(struct storage_migrations *s)
{
    struct type *t;
    while (!service_stopping(s->stop) && (t = next_stale(s))) {
        AUTO(err_finish) struct err err = {0};
        size_t n = 0;
        if (storage_migrations_restamp(s, t, &n, &err)) {
            log_warn("stored objects keep an old stamp", LOG_S("resource", t->group_resource),
                     LOG_ERR(&err));
        } else if (n) {
            log_info("stored objects were restamped", LOG_S("resource", t->group_resource),
                     LOG_I("count", (int64_t)n));
        }
        seen(s, t->prefix)->stamp = t->stamp;
        type_unref(t);
    }
}

/* ---- life ---- */

int storage_migrations_run(struct storage_migrations *s, struct service_stop *stop, struct err *err)
{
    static const struct controller_watch watches[] = {
        {.group = {"storagemigration.k8s.io", 23},
         .version = {"v1", 2},
         .resource = {"storageversionmigrations", 24}}};
    const struct controller def = {.name = "storage-version-migrator",
                                   .watches = watches,
                                   .n_watches = 1,
                                   .reconcile = migration_reconcile,
                                   .self = s,
                                   .workers = 1};
    (void)err;
    s->stop = stop;
    struct manager *m = manager_create(s->client, s->metrics);
    manager_add(m, &def);
    manager_start(m);
    bool indexed = storage_migrations_build_indexes(s);
    while (!service_wait(stop, LOOK_MS)) {
        indexed = indexed || storage_migrations_build_indexes(s);
        restamp_all(s);
    }
    manager_destroy(m);
    s->stop = NULL;
    return 0;
}

int storage_migrations_provide(const struct storage_migrations_deps *d,
                               struct storage_migrations **ret, struct err *err)
{
    const struct type_extras extras = {.strategy = &migration_strategy,
                                       .subresources = migration_subresources,
                                       .n_subresources = 1};
    static const char name[] = "storageversionmigrations.storagemigration.k8s.io";
    int rc = service_publish(d->registry, service_document(d->documents, name), &extras, err);
    if (rc < 0) {
        return rc;
    }
    struct storage_migrations *s = ALLOC(struct storage_migrations);
    s->engine = d->engine;
    s->registry = d->registry;
    s->client = d->client;
    s->metrics = d->metrics;
    *ret = s;
    return 0;
}

void storage_migrations_release(struct storage_migrations *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->n_seen; i++) {
        free((void *)(uintptr_t)s->seen[i].prefix.ptr);
    }
    free(s->seen);
    free(s);
}
