/* SPDX-License-Identifier: Apache-2.0 */
/* The type Namespace: its phase, its own finalizers beside those of its metadata, its two
 * subresources, and the two namespaces that are always there. */
#include "services/namespaces/namespaces.h"

#include "base/alloc.h"
#include "base/json.h"
#include "resources/engine.h"
#include "resources/row.h"
#include "resources/status.h"
#include "services/namespaces/lifecycle_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

#define NAME_LABEL "kubernetes.io/metadata.name"

struct namespaces {
    struct engine *engine;
};

static void set_label(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    struct str name = metadata_name(obj);
    yyjson_mut_val *labels = json_ensure_obj(d, json_ensure_obj(d, obj, "metadata"), "labels");
    if (name.len && !str_eq(json_get_str(labels, NAME_LABEL), name)) {
        json_set_str(d, labels, NAME_LABEL, name);
    }
}

static const char *const the_spec[] = {"spec", NULL};

static bool has_finalizer(const yyjson_mut_val *obj, const char *finalizer)
{
    struct json_iter it = json_iter(json_path(obj, "spec", "finalizers", NULL));
    while (json_next(&it)) {
        if (str_is(json_str(it.val), finalizer)) {
            return true;
        }
    }
    return false;
}

static void begin(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *spec = json_ensure_obj(d, obj, "spec"), *status = yyjson_mut_obj(d);
    if (!json_is_arr(json_get(spec, "finalizers"))) {
        json_setz(d, spec, "finalizers", yyjson_mut_arr(d));
    }
    if (!has_finalizer(obj, "kubernetes")) {
        yyjson_mut_arr_add_str(d, json_get(spec, "finalizers"), "kubernetes");
    }
    json_set_str(d, status, "phase", STR("Active"));
    json_setz(d, obj, "status", status);
}

static void decoded(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    (void)self;
    set_label(d, obj);
}

/* The namespace itself: a client changes neither its finalizers nor its status. */
static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)err;
    if (!old) {
        begin(d, obj);
    } else if (!write_op(w)->subresource.len) {
        json_carry(d, obj, old, "spec");
        json_carry(d, obj, old, "status");
    }
    set_label(d, obj);
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

static int merge_finalize(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                          yyjson_mut_val *current, struct err *err)
{
    (void)self;
    (void)w;
    (void)err;
    json_carry(d, obj, current, "status");
    yyjson_mut_val *spec = json_ensure_obj(d, obj, "spec");
    if (!json_size(json_get(spec, "finalizers"))) {
        json_remove(spec, "finalizers");
    }
    return 0;
}

static void check_finalizer(struct str name, const struct path *at, struct causes *c)
{
    struct name_faults faults = {0};
    name_faults_qualified(name, &faults);
    name_faults_add(&faults, name, at, c);
    if (!faults.n && !memchr(name.ptr, '/', name.len) && !str_is(name, "kubernetes")) {
        yyjson_mut_doc *d = json_doc(c->arena);
        causes_add(c, CAUSE_INVALID, at, yyjson_mut_strncpy(d, name.ptr, name.len),
                   "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    const struct path *at = PATH_FIELD(PATH_FIELD(NULL, STR("spec")), STR("finalizers"));
    struct json_iter it = json_iter(json_path(obj, "spec", "finalizers", NULL));
    (void)self;
    (void)w;
    (void)old;
    while (json_next(&it)) {
        check_finalizer(json_str(it.val), PATH_INDEX(at, it.index), c);
    }
}

static bool is_immortal(struct str name)
{
    return str_is(name, "default") || str_is(name, "kube-system") || str_is(name, "kube-public");
}

static int before_delete(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                         struct err *err)
{
    (void)self;
    if (is_immortal(metadata_name(obj))) {
        return status_forbidden(err, write_op(w)->type, metadata_name(obj),
                                "this namespace may not be deleted");
    }
    json_set_str(d, json_ensure_obj(d, obj, "status"), "phase", STR("Terminating"));
    return 0;
}

static bool held(void *self, const yyjson_mut_val *obj)
{
    (void)self;
    return json_size(json_path(obj, "spec", "finalizers", NULL)) > 0;
}

static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    name_dns1123_label(name, is_prefix, at, c);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_str(d, json_get_str(json_get(obj, "status"), "phase"), cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .validate = validate,
    .before_delete = before_delete,
    .held = held,
    .row = row,
    .name = check_name,
    .decoded = decoded,
    .resets = type_resets_status,
};

static const struct type_subresource subresources[] = {
    {.name = {"status", 6},
     .verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH),
     .merge = merge_status,
     .resets = the_spec},
    {.name = {"finalize", 8},
     .verbs = VERB_BIT(VERB_UPDATE),
     .merge = merge_finalize,
     .resets = type_resets_status},
};

static int publish(const struct namespaces_deps *d, struct err *err)
{
    const struct type_extras extras = {
        .strategy = &strategy,
        .subresources = subresources,
        .n_subresources = sizeof(subresources) / sizeof(*subresources),
    };
    return service_publish(d->registry, service_document(d->documents, "namespaces"), &extras, err);
}

/* Makes a namespace that is always there, at the first start. */
static int ensure(struct engine *e, struct type *t, const char *name, struct err *err)
{
    struct arena a;
    arena_init(&a, 512);
    yyjson_mut_doc *d = json_doc(&a);
    yyjson_mut_val *obj = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, obj);
    json_set_str(d, obj, "apiVersion", STR("v1"));
    json_set_str(d, obj, "kind", STR("Namespace"));
    json_set_str(d, json_ensure_obj(d, obj, "metadata"), "name", str_from(name));
    int r = engine_ensure(e, t, (struct scope){.ns = STR("")}, obj, err);
    arena_finish(&a);
    return r < 0 ? err_wrap(err, "namespace %s", name) : 0;
}

static int ensure_all(struct engine *e, struct err *err)
{
    struct registry_snapshot *types = registry_ref(engine_registry(e));
    struct type *t = registry_find(types, STR(""), STR("namespaces"));
    int r = ensure(e, t, "default", err);
    if (r == 0) {
        r = ensure(e, t, "kube-system", err);
    }
    registry_snapshot_unref(types);
    return r;
}

int namespaces_provide(const struct namespaces_deps *d, struct namespaces **ret, struct err *err)
{
    int r = publish(d, err);
    if (r < 0) {
        return r;
    }
    engine_add_admission(d->engine, &lifecycle_plugin);
    if ((r = ensure_all(d->engine, err)) < 0) {
        return r;
    }
    *ret = ALLOC(struct namespaces);
    (*ret)->engine = d->engine;
    return 0;
}

void namespaces_release(struct namespaces *self)
{
    free(self);
}
