/* SPDX-License-Identifier: Apache-2.0 */
/* The type CustomResourceDefinition, and the service around it: what the server ships of it is
 * loaded, then what is stored, then what the settings name; the background part writes statuses. */
#include "services/definitions/definitions.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/client.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "services/definitions/definitions_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { RETRY_MS = 1000 };

/* ---- the type ---- */

static bool of_status(struct write *w)
{
    return str_is(write_op(w)->subresource, "status");
}

static void decoded(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    (void)self;
    definition_fill_defaults(d, obj);
}

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    return of_status(w) ? 0 : definition_fill(w, d, obj, old, err);
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    (void)self;
    if (of_status(w)) {
        definition_check_status(obj, c);
        return;
    }
    definition_check(obj, old, c);
    if (!c->n) {
        conversion_check(obj, c, &write_op(w)->warnings);
    }
    if (!c->n) {
        definition_warn(w, obj, old);
    }
}

/* The first delete holds the object until its type's objects are gone. */
static int before_delete(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                         struct err *err)
{
    (void)self;
    (void)err;
    if (metadata_deleting(obj)) {
        return 0;
    }
    if (!metadata_has_finalizer(obj, STR(DEFINITIONS_FINALIZER))) {
        yyjson_mut_val *meta = json_get(obj, "metadata");
        if (!json_is_arr(json_get(meta, "finalizers"))) {
            json_setz(d, meta, "finalizers", yyjson_mut_arr(d));
        }
        yyjson_mut_arr_add_str(d, json_get(meta, "finalizers"), DEFINITIONS_FINALIZER);
    }
    definition_set_condition(d, obj, "Terminating", "True", STR("InstanceDeletionPending"),
                             STR("CustomResourceDefinition marked for deletion; CustomResource "
                                 "deletion will begin soon"),
                             write_now_us(w));
    return 0;
}

static void committed(void *self, const yyjson_mut_val *obj, const yyjson_mut_val *old, int64_t rev)
{
    definition_committed(self, obj, old, rev);
}

static void served_versions(const yyjson_mut_val *obj, struct buf *b)
{
    struct str names[16];
    size_t n = 0;
    struct json_iter it = json_iter(json_path(obj, "spec", "versions", NULL));
    while (json_next(&it) && n < sizeof(names) / sizeof(*names)) {
        if (!json_get_bool(it.val, "served")) {
            continue;
        }
        struct str name = json_get_str(it.val, "name");
        size_t at = n++;
        for (; at > 0 && str_cmp(names[at - 1], name) > 0; at--) {
            names[at] = names[at - 1];
        }
        names[at] = name;
    }
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s%.*s", i ? "," : "", STR_FMT(names[i]));
        for (it = json_iter(json_path(obj, "spec", "versions", NULL)); json_next(&it);) {
            if (str_eq(json_get_str(it.val, "name"), names[i]) &&
                json_get_bool(it.val, "storage")) {
                buf_addz(b, "(storage)");
            }
        }
    }
}

static void joined(const yyjson_mut_val *list, struct buf *b)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        buf_printf(b, "%s%.*s", it.index ? "," : "", STR_FMT(json_str(it.val)));
    }
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    const yyjson_mut_val *spec = json_get(obj, "spec"), *names = json_get(spec, "names");
    AUTO(buf_finish) struct buf versions = {0}, short_names = {0};
    (void)self;
    (void)v;
    served_versions(obj, &versions);
    joined(json_get(names, "shortNames"), &short_names);
    row_name(d, obj, cells);
    row_str(d, json_get_str(spec, "scope"), cells);
    row_str(d, buf_str(&versions), cells);
    row_str(d, json_get_str(json_get(obj, "metadata"), "creationTimestamp"), cells);
    row_str(d, json_get_str(spec, "group"), cells);
    row_str(d, json_get_str(names, "kind"), cells);
    row_str(d, buf_str(&short_names), cells);
    yyjson_mut_arr_add_bool(d, cells, definition_condition_is(obj, "Established", "True"));
}

/* Of the status subresource: everything but the spec. */
static int merge_status(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val *current, struct err *err)
{
    (void)self;
    (void)w;
    (void)err;
    json_setz(d, obj, "spec", json_copy(d, json_get(current, "spec")));
    definition_fill_status(d, obj);
    return 0;
}

const struct type_strategy definition_strategy = {
    .decoded = decoded,
    .blank = "{\"spec\":{\"names\":{}}}",
    .resets = type_resets_status,
    .prepare = prepare,
    .validate = validate,
    .before_delete = before_delete,
    .committed = committed,
    .row = row,
};

const struct type_subresource definition_subresources[1] = {
    {.name = {"status", 6},
     .verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH),
     .merge = merge_status,
     .resets = type_resets_but_status},
};

/* ---- writing statuses ---- */

static const struct client_ref of_definition = {
    .group = {"apiextensions.k8s.io", 20},
    .version = {"v1", 2},
    .resource = {"customresourcedefinitions", 25},
};

/* Takes the record's say over into the tree. Under the lock, so that nothing is copied. False:
 * nothing to write. */
static bool take_status(struct definitions *s, struct str name, yyjson_mut_doc *d)
{
    yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
    pthread_mutex_lock(&s->lock);
    const struct definition *f = definition_find(s, name);
    bool write = f && definition_put_status(f, d, obj, clock_wall_us());
    pthread_mutex_unlock(&s->lock);
    return write;
}

/* ERR_CONFLICT: the object changed meanwhile; its change marked it due again. */
static int write_status(struct definitions *s, struct str name, struct err *err)
{
    struct client_ref ref = of_definition;
    struct arena a;
    yyjson_mut_doc *d = NULL, *answer = NULL;
    arena_init(&a, 0);
    ref.name = name;
    int r = client_get(s->client, &ref, &a, &d, err);
    if (r == 0 && take_status(s, name, d)) {
        ref.subresource = STR("status");
        r = client_update(s->client, &ref, yyjson_mut_doc_get_root(d), NULL, &a, &answer, err);
    }
    arena_finish(&a);
    return r;
}

/* Takes one definition that is due; STR_NULL: none. Settles its names anew, for they may be free by
 * now. */
static struct str take_due(struct definitions *s, struct arena *a, bool *ret_serve)
{
    struct str name = STR_NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n && !name.ptr; i++) {
        struct definition *f = s->items[i];
        if (f->due) {
            f->due = false;
            definition_settle(s, f);
            *ret_serve = f->established && (!f->served || f->renamed);
            name = arena_str(a, f->name);
        }
    }
    s->any_due = name.ptr != NULL;
    pthread_mutex_unlock(&s->lock);
    return name;
}

static void put_back(struct definitions *s, struct str name)
{
    pthread_mutex_lock(&s->lock);
    struct definition *f = definition_find(s, name);
    if (f) {
        f->due = true;
        s->any_due = true;
    }
    pthread_mutex_unlock(&s->lock);
}

static int sync_one(struct definitions *s, struct str name, bool serve, struct err *err)
{
    struct err e = {0};
    int r = serve ? definition_serve_late(s, name, &e) : 0;
    if (r == 0) {
        r = write_status(s, name, &e);
    }
    if (r == 0 || r == ERR_NOT_FOUND) {
        err_finish(&e);
        return 0;
    }
    put_back(s, name);
    if (r == ERR_CONFLICT) {
        err_finish(&e);
        return 0;
    }
    err_wrap(&e, "status of definition %.*s", STR_FMT(name));
    return err_move(err, &e);
}

int definitions_sync(struct definitions *s, struct err *err)
{
    struct arena a;
    int r = 0;
    arena_init(&a, 0);
    while (r == 0) {
        bool serve = false;
        struct str name = take_due(s, &a, &serve);
        if (!name.ptr) {
            break;
        }
        r = sync_one(s, name, serve, err);
    }
    arena_finish(&a);
    return r;
}

static void stop(void *arg)
{
    struct definitions *s = arg;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static bool wait_for_work(struct definitions *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->any_due && !s->stopping) {
        pthread_cond_wait(&s->wake, &s->lock);
    }
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

int definitions_run(struct definitions *self, struct service_stop *stopper, struct err *err)
{
    (void)err;
    service_on_stop(stopper, stop, self);
    while (wait_for_work(self)) {
        struct err e = {0};
        if (definitions_sync(self, &e) < 0) {
            log_warn("a definition's status is written later", LOG_ERR(&e));
            err_finish(&e);
            service_wait(stopper, RETRY_MS);
        }
    }
    service_on_stop(stopper, NULL, NULL);
    return 0;
}

/* ---- life ---- */

static int publish(struct definitions *s, const struct service_documents *documents,
                   struct err *err)
{
    static const char name[] = "customresourcedefinitions.apiextensions.k8s.io";
    const struct type_extras extras = {
        .strategy = &definition_strategy,
        .self = s,
        .subresources = definition_subresources,
        .n_subresources = 1,
    };
    int r = service_publish(s->registry, service_document(documents, name), &extras, err);
    if (r == 0) {
        struct registry_snapshot *types = registry_ref(s->registry);
        s->type = type_ref(
            registry_find(types, STR("apiextensions.k8s.io"), STR("customresourcedefinitions")));
        registry_snapshot_unref(types);
    }
    return r;
}

int definitions_provide(const struct definitions_deps *d, struct definitions **ret, struct err *err)
{
    struct definitions *s = ALLOC(struct definitions);
    s->engine = d->engine;
    s->registry = d->registry;
    s->client = d->client;
    s->conversion = d->conversion;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    int r = publish(s, d->documents, err);
    if (r == 0) {
        r = definition_load_all(s, err);
    }
    for (size_t i = 0; r == 0 && i < d->config->schemas.n; i++) {
        r = definition_apply_dir(s, d->config->schemas.items[i], err);
    }
    if (r < 0) {
        definitions_release(s);
        return r;
    }
    *ret = s;
    return 0;
}

void definitions_release(struct definitions *self)
{
    if (!self) {
        return;
    }
    for (size_t i = 0; i < self->n; i++) {
        definition_destroy(self->items[i]);
    }
    free(self->items);
    taken_finish(&self->taken);
    type_unref(self->type);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
