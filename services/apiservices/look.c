/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the servers of others: whether they are there, which decides about the condition
 * Available as kube-aggregator's does, and what their documents say. A look is a chain of requests;
 * nothing waits for them, their answers come through the inbox. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "services/apiservices/apiservices_priv.h"

enum {
    AGAIN_MS = 30 * 1000,
    FIRST_RETRY_MS = 500,
    ASK_MS = 5 * 1000,       /* for one answer, as the reference */
    DOCUMENT_MS = 30 * 1000, /* for OpenAPI v2, which is long */
};

#define ACCEPT_GROUPS                                                                              \
    "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"                \
    "application/json"

void look_destroy(struct look *l)
{
    if (l) {
        blob_unref(l->legacy);
        aggregation_documents_unref(l->next);
        free(l->v2_etag);
        free(l);
    }
}

void reply_destroy(struct reply *r)
{
    blob_unref(r->body);
    apiservice_unref(r->target);
    free(r->name);
    free(r->type);
    free(r->etag);
    free(r->text);
    free(r);
}

/* ---- asking ---- */

static void on_done(void *arg, const struct httpc_answer *a)
{
    struct reply *r = arg;
    r->code = a->code;
    r->status = a->status;
    r->body = a->code ? NULL : blob_create(a->body);
    r->type = alloc_str(a->headers[0]);
    r->etag = alloc_str(a->headers[1]);
    r->text = alloc_strdup(a->text ? a->text : "");
    apiservices_deliver(r->service, r);
}

static void ask(struct apiservices *s, struct record *r, enum look_step step, const char *path,
                const char *accept)
{
    struct look *l = r->look;
    struct httpc *client = NULL;
    AUTO(err_finish) struct err err = {0};
    struct reply *reply = ALLOC(struct reply);
    reply->service = s;
    reply->name = alloc_strdup(r->name);
    l->step = step;
    reply->number = l->number = ++s->last_number;
    pthread_mutex_lock(&s->lock);
    s->asking++;
    pthread_mutex_unlock(&s->lock);
    if (aggregation_client(s->table, &client, &err) < 0) {
        reply->code = err.code;
        reply->text = alloc_strdup(err_message(&err));
        apiservices_deliver(s, reply);
        return;
    }
    AUTO_FREE char *url = alloc_printf("%s%s", r->entry->url, path);
    AUTO_FREE char *match =
        alloc_printf("If-None-Match: %s", l->v2_etag && step == LOOK_V2 ? l->v2_etag : "");
    const char *headers[] = {accept, "X-Remote-User: system:kube-aggregator",
                             "X-Remote-Group: system:masters", match};
    const struct httpc_request q = {.method = "GET",
                                    .url = url,
                                    .headers = headers,
                                    .n_headers = step == LOOK_V2 && l->v2_etag ? 4 : 3,
                                    .timeout_ms = step == LOOK_V2 ? DOCUMENT_MS : ASK_MS,
                                    .max_body = LIMIT_REMOTE_DOCUMENT_BYTES,
                                    .tls = &r->entry->tls,
                                    .wanted = {"content-type", "etag"},
                                    .done = on_done,
                                    .arg = reply};
    reply->target = apiservice_ref(r->entry); /* what tls points into */
    httpc_start(client, &q);
}

static void ask_version(struct apiservices *s, struct record *r)
{
    const struct apiservice *e = r->entry;
    AUTO_FREE char *path =
        e->group.len ? alloc_printf("/apis/%.*s/%.*s", STR_FMT(e->group), STR_FMT(e->version))
                     : alloc_printf("/api/%.*s", STR_FMT(e->version));
    ask(s, r, LOOK_VERSION, path, "Accept: application/json");
}

int64_t looks_begin(struct apiservices *s)
{
    int64_t now = clock_mono_ms(), next = now + AGAIN_MS;
    size_t remotes = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct record *r = s->records[i];
        if (r->status_due && r->local) {
            r->status_due = false;
            apiservices_write_status(s, r, true, "Local",
                                     STR("Local APIServices are always available"));
        }
        remotes += r->look != NULL;
        if (!r->look || r->look->step != LOOK_IDLE || remotes > LIMIT_REMOTE_SERVICES) {
            continue;
        }
        if (r->look->due_ms <= now) {
            ask_version(s, r);
        } else if (r->look->due_ms < next) {
            next = r->look->due_ms;
        }
    }
    return next;
}

/* ---- what came of it ---- */

static int64_t later(struct look *l)
{
    int64_t ms = FIRST_RETRY_MS;
    for (unsigned i = 1; i < l->failures && ms < AGAIN_MS; i++) {
        ms *= 2;
    }
    return clock_mono_ms() + (l->failures && ms < AGAIN_MS ? ms : AGAIN_MS);
}

/* What was known stays, marked as stale. */
static void put_stale(struct apiservices *s, struct record *r)
{
    struct aggregation_documents *old = r->entry->documents, *d = aggregation_documents_create();
    if (old && old->stale) {
        aggregation_documents_unref(d);
        return;
    }
    d->stale = true;
    if (old) {
        d->resources = blob_ref(old->resources);
        d->v2_paths = blob_ref(old->v2_paths);
        d->v2_definitions = blob_ref(old->v2_definitions);
        d->v3_url = blob_ref(old->v3_url);
    }
    record_set_documents(s, r, d);
}

static void end_failed(struct apiservices *s, struct record *r, const char *message)
{
    struct look *l = r->look;
    l->step = LOOK_IDLE;
    l->failures += l->failures < 32;
    l->due_ms = later(l);
    put_stale(s, r);
    apiservices_write_status(s, r, false, "FailedDiscoveryCheck", str_from(message));
}

static void take_version(struct apiservices *s, struct record *r, struct reply *p)
{
    const struct apiservice *e = r->entry;
    struct look *l = r->look;
    AUTO_FREE char *url = e->group.len ? alloc_printf("%s/apis/%.*s/%.*s", e->url,
                                                      STR_FMT(e->group), STR_FMT(e->version))
                                       : alloc_printf("%s/api/%.*s", e->url, STR_FMT(e->version));
    if (p->code || p->status < 200 || p->status > 299) {
        AUTO_FREE char *message =
            p->code ? alloc_printf("failing or missing response from %s: Get \"%s\": %s", url, url,
                                   p->text)
                    : alloc_printf("failing or missing response from %s: bad status from %s: %d",
                                   url, url, p->status);
        end_failed(s, r, message);
        return;
    }
    apiservices_write_status(s, r, true, "Passed", STR("all checks passed"));
    blob_unref(l->legacy);
    l->legacy = blob_ref(p->body);
    aggregation_documents_unref(l->next);
    l->next = aggregation_documents_create();
    l->failed = false;
    ask(s, r, LOOK_GROUPS, e->group.len ? "/apis" : "/api", ACCEPT_GROUPS);
}

static bool is_groups(const struct reply *p)
{
    return !p->code && p->status == 200 && strstr(p->type, "as=APIGroupDiscoveryList") &&
           strstr(p->type, "g=apidiscovery.k8s.io") && strstr(p->type, "v=v2") &&
           !strstr(p->type, "v=v2beta");
}

/* A buffer's bytes as a blob; NULL where there are none. */
static struct blob *blob_of(struct buf *b)
{
    struct blob *blob = b->len ? blob_create(buf_str(b)) : NULL;
    buf_finish(b);
    return blob;
}

static void note_failure(struct record *r, struct err *err)
{
    log_info("a document of another server is not used", LOG_Z("apiservice", r->name),
             LOG_ERR(err));
    err_finish(err);
}

static void take_groups(struct apiservices *s, struct record *r, struct reply *p)
{
    struct look *l = r->look;
    struct buf b = {0};
    struct err err = {0};
    int code = is_groups(p) ? remote_read_groups(blob_str(p->body), r->entry->group,
                                                 r->entry->version, &b, &err)
                            : remote_read_resources(blob_str(l->legacy), &b, &err);
    if (code == ERR_NOT_FOUND) {
        err_finish(&err);
        buf_addz(&b, "[]");
    } else if (code < 0) {
        note_failure(r, &err);
        l->failed = true;
    }
    l->next->resources = blob_of(&b);
    l->next->stale = l->failed;
    ask(s, r, LOOK_V3, "/openapi/v3", "Accept: application/json");
}

static void take_v3(struct apiservices *s, struct record *r, struct reply *p)
{
    struct look *l = r->look;
    struct buf b = {0};
    struct err err = {0};
    if (!p->code && p->status == 200 &&
        remote_read_v3(blob_str(p->body), r->entry->group, r->entry->version, &b, &err) < 0) {
        note_failure(r, &err);
    }
    l->next->v3_url = blob_of(&b);
    ask(s, r, LOOK_V2, "/openapi/v2", "Accept: application/json");
}

static void read_v2(struct record *r, struct reply *p)
{
    struct look *l = r->look;
    struct buf paths = {0}, definitions = {0};
    struct err err = {0};
    if (remote_read_v2(blob_str(p->body), r->entry->group, r->entry->version, &paths, &definitions,
                       &err) < 0) {
        note_failure(r, &err);
        buf_finish(&paths);
        buf_finish(&definitions);
        return;
    }
    l->next->v2_paths = blob_of(&paths);
    l->next->v2_definitions = blob_of(&definitions);
    if (p->etag && *p->etag) {
        l->v2_etag = p->etag;
        p->etag = NULL;
    }
}

static bool same_blob(const struct blob *a, const struct blob *b)
{
    return a == b || (a && b && str_eq(blob_str(a), blob_str(b)));
}

static bool same_documents(const struct aggregation_documents *a,
                           const struct aggregation_documents *b)
{
    return a && a->stale == b->stale && same_blob(a->resources, b->resources) &&
           same_blob(a->v3_url, b->v3_url) && same_blob(a->v2_paths, b->v2_paths) &&
           same_blob(a->v2_definitions, b->v2_definitions);
}

static void take_v2(struct apiservices *s, struct record *r, struct reply *p)
{
    struct look *l = r->look;
    const struct aggregation_documents *old = r->entry->documents;
    if (!p->code && p->status == 304 && old) {
        l->next->v2_paths = blob_ref(old->v2_paths);
        l->next->v2_definitions = blob_ref(old->v2_definitions);
    } else {
        free(l->v2_etag);
        l->v2_etag = NULL;
        if (!p->code && p->status == 200) {
            read_v2(r, p);
        }
    }
    blob_unref(l->legacy);
    l->legacy = NULL;
    if (l->failed && old && old->resources && !l->next->resources) {
        l->next->resources = blob_ref(old->resources);
    }
    if (!same_documents(old, l->next)) {
        record_set_documents(s, r, l->next);
        l->next = NULL;
    }
    l->step = LOOK_IDLE;
    l->failures = l->failed ? l->failures + 1 : 0;
    l->due_ms = later(l);
}

void look_reply(struct apiservices *s, struct reply *p)
{
    struct record *r = record_find(s, str_from(p->name));
    if (!r || !r->look || r->look->number != p->number) {
        return; /* it was changed or is gone */
    }
    switch (r->look->step) {
    case LOOK_VERSION:
        take_version(s, r, p);
        return;
    case LOOK_GROUPS:
        take_groups(s, r, p);
        return;
    case LOOK_V3:
        take_v3(s, r, p);
        return;
    case LOOK_V2:
        take_v2(s, r, p);
        return;
    case LOOK_IDLE:
        return;
    }
}
