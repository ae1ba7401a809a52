/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of each APIService, and the table that is made of it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "controllers/conditions.h"
#include "services/apiservices/apiservices_priv.h"

static size_t place(const struct apiservices *s, struct str name)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(str_from(s->records[middle]->name), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct record *record_find(const struct apiservices *s, struct str name)
{
    size_t i = place(s, name);
    return i < s->n && str_is(name, s->records[i]->name) ? s->records[i] : NULL;
}

static struct record *make(struct apiservices *s, struct str name)
{
    size_t i = place(s, name);
    if (i < s->n && str_is(name, s->records[i]->name)) {
        return s->records[i];
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 32;
        s->records = alloc_resize(s->records, s->cap * sizeof(*s->records));
    }
    memmove(s->records + i + 1, s->records + i, (s->n - i) * sizeof(*s->records));
    struct record *r = ALLOC(struct record);
    r->name = alloc_str(name);
    s->records[i] = r;
    s->n++;
    return r;
}

void record_destroy(struct apiservices *s, struct record *r)
{
    if (r->gauge) {
        metrics_forget(s->metrics, r->gauge);
    }
    look_destroy(r->look);
    apiservice_unref(r->entry);
    free(r->name);
    free(r);
}

void record_forget(struct apiservices *s, struct str name)
{
    size_t i = place(s, name);
    if (i == s->n || !str_is(name, s->records[i]->name)) {
        return;
    }
    struct record *r = s->records[i];
    s->publish = s->publish || r->entry;
    memmove(s->records + i, s->records + i + 1, (s->n - i - 1) * sizeof(*s->records));
    s->n--;
    record_destroy(s, r);
}

/* ---- from an object ---- */

static enum managed managed_of(const yyjson_mut_val *obj)
{
    struct str label = json_str(json_path(obj, "metadata", "labels", APISERVICES_MANAGED, NULL));
    return str_is(label, "onstart") ? MANAGED_ON_START
           : str_is(label, "true")  ? MANAGED_ALWAYS
                                    : MANAGED_NO;
}

static const char *url_of(struct apiservice *e, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *service = json_path(obj, "spec", "service", NULL);
    struct str url = json_str(json_path(obj, "metadata", "annotations", APISERVICES_URL, NULL));
    if (url.len && apiservice_url_ok(url)) {
        return arena_str(&e->arena, url).ptr;
    }
    return arena_printf(
        &e->arena, "https://%.*s.%.*s.svc:%d", STR_FMT(json_get_str(service, "name")),
        STR_FMT(json_get_str(service, "namespace")), (int)json_get_int(service, "port", 443));
}

static void set_tls(const struct apiservices *s, struct apiservice *e, const yyjson_mut_val *spec)
{
    AUTO(buf_finish) struct buf pem = {0};
    e->tls = (struct httpc_tls){.cert_file = s->cert_file, .key_file = s->key_file};
    e->tls.insecure = json_get_bool(spec, "insecureSkipTLSVerify");
    struct str bundle = json_get_str(spec, "caBundle");
    if (bundle.len && crypto_unbase64(&pem, bundle)) {
        e->tls.ca_pem = arena_str(&e->arena, buf_str(&pem));
    }
}

static struct apiservice *entry_of(const struct apiservices *s, const struct record *r,
                                   const yyjson_mut_val *obj)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    struct apiservice *e = apiservice_create();
    e->name = arena_str(&e->arena, str_from(r->name));
    e->group = arena_str(&e->arena, json_get_str(spec, "group"));
    e->group = e->group.ptr ? e->group : STR("");
    e->version = arena_str(&e->arena, json_get_str(spec, "version"));
    e->group_priority = r->group_priority;
    e->version_priority = r->version_priority;
    e->remote = !r->local;
    e->available = r->available;
    if (e->remote) {
        e->url = url_of(e, obj);
        set_tls(s, e, spec);
    }
    return e;
}

static bool same_target(const struct apiservice *a, const struct apiservice *b)
{
    return a && b && a->remote == b->remote &&
           (!a->remote || (strcmp(a->url, b->url) == 0 && str_eq(a->tls.ca_pem, b->tls.ca_pem) &&
                           a->tls.insecure == b->tls.insecure));
}

/* A remote that is new or lies elsewhere now is looked at at once; documents of what it was are
 * none of its own. */
static void replace_entry(struct apiservices *s, struct record *r, struct apiservice *e)
{
    struct apiservice *old = r->entry;
    if (e && same_target(old, e)) {
        e->documents = aggregation_documents_ref(old->documents);
    } else {
        look_destroy(r->look);
        r->look = e && e->remote ? ALLOC(struct look) : NULL;
    }
    s->publish = s->publish || old || e;
    r->entry = e;
    apiservice_unref(old);
}

void record_set_documents(struct apiservices *s, struct record *r,
                          struct aggregation_documents *documents)
{
    struct apiservice *old = r->entry, *e = apiservice_create();
    e->name = arena_str(&e->arena, old->name);
    e->group = arena_str(&e->arena, old->group);
    e->version = arena_str(&e->arena, old->version);
    e->group_priority = old->group_priority;
    e->version_priority = old->version_priority;
    e->remote = old->remote;
    e->available = old->available;
    e->url = arena_strdup(&e->arena, old->url);
    e->tls = old->tls;
    e->tls.ca_pem = arena_str(&e->arena, old->tls.ca_pem);
    e->documents = documents;
    r->entry = e;
    s->publish = true;
    apiservice_unref(old);
}

/* Only of those that can be unavailable. */
static void measure(struct apiservices *s, struct record *r)
{
    const struct metric_label label = {"name", str_from(r->name)};
    if (!r->entry || !s->metrics) {
        return;
    }
    if (!r->gauge) {
        r->gauge = metrics_series(
            s->metrics, METRIC_GAUGE, "aggregator_unavailable_apiservice",
            "Gauge of APIServices which are marked as unavailable broken down by APIService name.",
            &label, 1, NULL, 0);
    }
    metric_set(r->gauge, r->available ? 0 : 1);
}

void record_note(struct apiservices *s, struct str name, const yyjson_mut_val *obj)
{
    struct record *r = make(s, name);
    const yyjson_mut_val *spec = json_get(obj, "spec"), *c = condition_find(obj, "Available");
    r->managed = managed_of(obj);
    r->local = !json_get(spec, "service");
    r->available = str_is(json_get_str(c, "status"), "True");
    r->local_condition = r->available && str_is(json_get_str(c, "reason"), "Local");
    r->group_priority = (int)json_get_int(spec, "groupPriorityMinimum", 0);
    r->version_priority = (int)json_get_int(spec, "versionPriority", 0);
    r->status_due = r->local && !r->local_condition;
    bool known = r->local && r->managed != MANAGED_NO;
    replace_entry(s, r, known ? NULL : entry_of(s, r, obj));
    measure(s, r);
}

void records_publish(struct apiservices *s)
{
    if (!s->publish) {
        return;
    }
    s->publish = false;
    struct apiservice **items = alloc_bytes((s->n + 1) * sizeof(*items));
    size_t n = 0, remotes = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct apiservice *e = s->records[i]->entry;
        if (e && (!e->remote || ++remotes <= LIMIT_REMOTE_SERVICES)) {
            items[n++] = apiservice_ref(e);
        }
    }
    if (remotes > LIMIT_REMOTE_SERVICES) {
        log_warn("more APIServices of other servers than are served", LOG_I("count", remotes));
    }
    aggregation_set(s->table, aggregation_snapshot_create(items, n));
    free(items);
}
