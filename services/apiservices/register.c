/* SPDX-License-Identifier: Apache-2.0 */
/* Writes APIService objects: those of the group-versions that the server itself serves, as
 * kube-aggregator's autoregistration and kube-apiserver's registration of definitions make them,
 * and statuses. */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "controllers/conditions.h"
#include "services/apiservices/apiservices_priv.h"

static struct client_ref ref_of(const char *name, const char *subresource)
{
    return (struct client_ref){.group = STR(AGGREGATION_GROUP),
                               .version = STR("v1"),
                               .resource = STR("apiservices"),
                               .name = str_from(name),
                               .subresource = str_from(subresource)};
}

/* ---- statuses ---- */

static void count(struct apiservices *s, const struct record *r, const char *reason)
{
    const struct metric_label labels[] = {{"name", str_from(r->name)},
                                          {"reason", str_from(reason)}};
    if (s->metrics) {
        metric_add(metrics_series(s->metrics, METRIC_COUNTER,
                                  "aggregator_unavailable_apiservice_total",
                                  "Counter of APIServices which are marked as unavailable broken "
                                  "down by APIService name and reason.",
                                  labels, 2, NULL, 0),
                   1);
    }
}

void apiservices_write_status(struct apiservices *s, struct record *r, bool available,
                              const char *reason, struct str message)
{
    AUTO(arena_finish) struct arena a;
    AUTO(err_finish) struct err err = {0};
    struct client_ref ref = ref_of(r->name, NULL);
    yyjson_mut_doc *d = NULL, *answer = NULL;
    arena_init(&a, 0);
    int code = client_get(s->client, &ref, &a, &d, &err);
    if (code == 0 && !condition_set(d, d->root, "Available", available, reason, message)) {
        return;
    }
    if (code == 0) {
        ref = ref_of(r->name, "status");
        code = client_update(s->client, &ref, d->root, NULL, &a, &answer, &err);
    }
    if (code == 0 && r->available && !available) {
        count(s, r, reason);
    } else if (code < 0 && code != ERR_NOT_FOUND && code != ERR_CONFLICT) {
        log_warn("an APIService's status is written later", LOG_Z("apiservice", r->name),
                 LOG_ERR(&err));
    }
}

/* ---- what the server itself serves ---- */

struct wanted {
    struct str group, version;
    int group_priority, version_priority;
    bool custom;
};

static void fill_spec(yyjson_mut_doc *d, yyjson_mut_val *obj, const struct wanted *w)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d);
    if (w->group.len) {
        json_set_str(d, spec, "group", w->group);
    }
    json_set_str(d, spec, "version", w->version);
    json_set_int(d, spec, "groupPriorityMinimum", w->group_priority);
    json_set_int(d, spec, "versionPriority", w->version_priority);
    json_setz(d, obj, "spec", spec);
}

static int create(struct apiservices *s, const char *name, const struct wanted *w, struct err *err)
{
    AUTO(arena_finish) struct arena a;
    arena_init(&a, 1024);
    yyjson_mut_doc *d = json_doc(&a), *answer = NULL;
    yyjson_mut_val *obj = yyjson_mut_obj(d), *meta;
    yyjson_mut_doc_set_root(d, obj);
    json_set_str(d, obj, "apiVersion", STR(AGGREGATION_GROUP "/v1"));
    json_set_str(d, obj, "kind", STR("APIService"));
    meta = json_ensure_obj(d, obj, "metadata");
    json_set_str(d, meta, "name", str_from(name));
    json_set_str(d, json_ensure_obj(d, meta, "labels"), APISERVICES_MANAGED,
                 w->custom ? STR("true") : STR("onstart"));
    fill_spec(d, obj, w);
    const struct client_ref ref = ref_of(NULL, NULL);
    int code = client_create(s->client, &ref, obj, NULL, &a, &answer, err);
    if (code == ERR_EXISTS) {
        err_finish(err);
        return 0;
    }
    return code;
}

static int renew(struct apiservices *s, const char *name, const struct wanted *w, struct err *err)
{
    AUTO(arena_finish) struct arena a;
    const struct client_ref ref = ref_of(name, NULL);
    yyjson_mut_doc *d = NULL, *answer = NULL;
    arena_init(&a, 0);
    int code = client_get(s->client, &ref, &a, &d, err);
    if (code == 0) {
        fill_spec(d, d->root, w);
        code = client_update(s->client, &ref, d->root, NULL, &a, &answer, err);
    }
    return code;
}

static int register_one(struct apiservices *s, const struct wanted *w, struct err *err)
{
    AUTO_FREE char *name = alloc_printf("%.*s.%.*s", STR_FMT(w->version), STR_FMT(w->group));
    const struct record *r = record_find(s, str_from(name));
    if (!r) {
        return create(s, name, w, err);
    }
    bool ours = r->managed == MANAGED_ALWAYS || (r->managed == MANAGED_ON_START && !s->registered);
    bool same = r->local && r->group_priority == w->group_priority &&
                r->version_priority == w->version_priority;
    return ours && !same ? renew(s, name, w, err) : 0;
}

static int register_group(struct apiservices *s, const struct registry_group *g, struct err *err)
{
    int code = 0;
    for (size_t i = 0; i < g->n_versions && code == 0; i++) {
        struct wanted w = {.group = g->name, .version = g->versions[i], .custom = g->custom};
        aggregation_local_priority(w.group, w.version, w.custom, &w.group_priority,
                                   &w.version_priority);
        code = register_one(s, &w, err);
    }
    return code;
}

static bool is_served(const struct registry_snapshot *types, struct str name)
{
    struct str group, version = str_cut(name, '.', &group);
    const struct registry_group *g = registry_find_group(types, group);
    for (size_t i = 0; g && i < g->n_versions; i++) {
        if (str_eq(g->versions[i], version)) {
            return true;
        }
    }
    return false;
}

/* Automanaged ones that nobody serves any more go. */
static int sweep(struct apiservices *s, const struct registry_snapshot *types, struct err *err)
{
    int code = 0;
    for (size_t i = 0; i < s->n && code == 0; i++) {
        const struct record *r = s->records[i];
        bool ours =
            r->managed == MANAGED_ALWAYS || (r->managed == MANAGED_ON_START && !s->registered);
        if (ours && !is_served(types, str_from(r->name))) {
            const struct client_ref ref = ref_of(r->name, NULL);
            code = client_delete(s->client, &ref, NULL, err);
        }
    }
    return code;
}

static int register_all(struct apiservices *s, const struct registry_snapshot *types,
                        struct err *err)
{
    int code = 0;
    for (size_t i = 0; i < types->n_groups && code >= 0; i++) {
        const struct registry_group *g = &types->groups[i];
        if ((g->custom || !s->registered) && !str_is(g->name, AGGREGATION_GROUP)) {
            code = register_group(s, g, err);
        }
    }
    return code < 0 ? code : sweep(s, types, err);
}

bool apiservices_register(struct apiservices *s)
{
    AUTO(err_finish) struct err err = {0};
    struct registry_snapshot *types = registry_ref(s->registry);
    int code = register_all(s, types, &err);
    registry_snapshot_unref(types);
    if (code == 0) {
        s->registered = true;
        return true;
    }
    if (code != ERR_NOT_FOUND && code != ERR_CONFLICT) {
        log_warn("APIServices of the server's own types are written later", LOG_ERR(&err));
    }
    return false;
}
