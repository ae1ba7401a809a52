/* SPDX-License-Identifier: Apache-2.0 */
/* The service around APIServices: the type, what is stored of it at the start, and the background
 * thread that follows changes of objects and of the server's own types and looks at remotes. */
#include "services/apiservices/apiservices.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/latch.h"
#include "base/log.h"
#include "services/apiservices/apiservices_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { RETRY_MS = 1000, GATHER_MS = 20 };

struct aggregation *apiservices_table(struct apiservices *s)
{
    return s->table;
}

/* ---- the inbox ---- */

static void on_changes(void *arg, const struct store_event *events, size_t n)
{
    struct apiservices *s = arg;
    for (size_t i = 0; i < n; i++) {
        const struct store_event *e = &events[i];
        if (!str_starts(e->key, s->type->prefix)) {
            continue;
        }
        struct str name = str_skip(e->key, s->type->prefix.len);
        struct note *note = alloc_bytes(sizeof(*note) + name.len + 1);
        *note = (struct note){.object = e->deleted ? NULL : blob_ref(e->value)};
        memcpy(note->name, name.ptr, name.len);
        note->name[name.len] = 0;
        pthread_mutex_lock(&s->lock);
        *s->last_note = note;
        s->last_note = &note->next;
        pthread_cond_broadcast(&s->wake);
        pthread_mutex_unlock(&s->lock);
    }
}

static void on_types(void *arg, const struct registry_snapshot *types, struct type *changed,
                     bool removed)
{
    struct apiservices *s = arg;
    (void)types;
    (void)changed;
    (void)removed;
    pthread_mutex_lock(&s->lock);
    s->types_changed = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void apiservices_deliver(struct apiservices *s, struct reply *r)
{
    pthread_mutex_lock(&s->lock);
    *s->last_reply = r;
    s->last_reply = &r->next;
    s->asking--;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static struct note *take_notes(struct apiservices *s)
{
    struct note *n = s->notes;
    s->notes = NULL;
    s->last_note = &s->notes;
    return n;
}

static struct reply *take_replies(struct apiservices *s)
{
    struct reply *r = s->replies;
    s->replies = NULL;
    s->last_reply = &s->replies;
    return r;
}

/* ---- the thread ---- */

static void apply_object(struct apiservices *s, struct str name, struct str object)
{
    AUTO(arena_finish) struct arena a;
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    if (json_read_own(&a, object, &d, &err) < 0) {
        log_error("an APIService cannot be read", LOG_S("name", name), LOG_ERR(&err));
        return;
    }
    record_note(s, name, d->root);
}

/* Whether the object is the service's own to keep: what another did to it is looked at. */
static bool is_kept(const struct apiservices *s, const struct note *n)
{
    const struct record *r = record_find(s, str_from(n->name));
    return r && r->managed == MANAGED_ALWAYS;
}

static void apply_notes(struct apiservices *s, struct note *n)
{
    while (n) {
        struct note *next = n->next;
        s->look_again = s->look_again || is_kept(s, n);
        if (n->object) {
            apply_object(s, str_from(n->name), blob_str(n->object));
        } else {
            record_forget(s, str_from(n->name));
        }
        blob_unref(n->object);
        free(n);
        n = next;
    }
}

static void apply_replies(struct apiservices *s, struct reply *r)
{
    while (r) {
        struct reply *next = r->next;
        look_reply(s, r);
        reply_destroy(r);
        r = next;
    }
}

/* Waits until something is in the inbox or the time has come. False: the server stops. */
static bool wait_until(struct apiservices *s, int64_t at_ms)
{
    struct timespec t = {at_ms / 1000, at_ms % 1000 * 1000000L};
    int timed_out = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->notes && !s->replies && !s->types_changed && !s->stopping && !timed_out) {
        timed_out = pthread_cond_timedwait(&s->wake, &s->lock, &t);
    }
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void turn(struct apiservices *s, bool *types_due)
{
    pthread_mutex_lock(&s->lock);
    struct note *notes = take_notes(s);
    struct reply *replies = take_replies(s);
    *types_due = *types_due || s->types_changed;
    s->types_changed = false;
    pthread_mutex_unlock(&s->lock);
    apply_notes(s, notes);
    *types_due = *types_due || s->look_again;
    s->look_again = false;
    apply_replies(s, replies);
    records_publish(s);
}

static void stop(void *arg)
{
    struct apiservices *s = arg;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* Their done calls back into the service. */
static void wait_for_answers(struct apiservices *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->asking) {
        pthread_cond_wait(&s->wake, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

int apiservices_run(struct apiservices *s, struct service_stop *stopper, struct err *err)
{
    bool types_due = true;
    int64_t next = 0;
    (void)err;
    service_on_stop(stopper, stop, s);
    while (wait_until(s, next)) {
        turn(s, &types_due);
        if (types_due) {
            service_wait(stopper, GATHER_MS); /* definitions come in heaps */
            turn(s, &types_due);
            types_due = !apiservices_register(s);
        }
        next = looks_begin(s);
        records_publish(s);
        int64_t retry = clock_mono_ms() + RETRY_MS;
        next = types_due && next > retry ? retry : next;
    }
    service_on_stop(stopper, NULL, NULL);
    return 0;
}

/* ---- life ---- */

static int publish_type(struct apiservices *s, const struct service_documents *documents,
                        struct err *err)
{
    const struct type_extras extras = {.strategy = &apiservice_strategy,
                                       .self = s,
                                       .subresources = apiservice_subresources,
                                       .n_subresources = 1};
    int r = service_publish(
        s->registry, service_document(documents, "apiservices." AGGREGATION_GROUP), &extras, err);
    if (r == 0) {
        struct registry_snapshot *types = registry_ref(s->registry);
        s->type = type_ref(registry_find(types, STR(AGGREGATION_GROUP), STR("apiservices")));
        registry_snapshot_unref(types);
    }
    return r;
}

static int visit(void *arg, const struct store_entry *e)
{
    struct apiservices *s = arg;
    apply_object(s, str_skip(e->key, s->type->prefix.len), e->value);
    return 0;
}

static int load(struct apiservices *s, struct err *err)
{
    const struct store_range range = {.prefix = s->type->prefix};
    int64_t at;
    int r = store_range(engine_store(s->engine), &range, visit, s, &at, NULL, err);
    records_publish(s);
    return r;
}

int apiservices_provide(const struct apiservices_deps *d, struct apiservices **ret, struct err *err)
{
    struct apiservices *s = ALLOC(struct apiservices);
    s->engine = d->engine;
    s->registry = d->registry;
    s->client = d->client;
    s->metrics = d->metrics;
    s->cert_file = d->config->proxy_client_cert;
    s->key_file = d->config->proxy_client_key;
    s->table = aggregation_create();
    s->last_note = &s->notes;
    s->last_reply = &s->replies;
    pthread_mutex_init(&s->lock, NULL);
    cond_init_monotonic(&s->wake);
    int r = publish_type(s, d->documents, err);
    r = r < 0 ? r : load(s, err);
    if (r < 0) {
        apiservices_release(s);
        return r;
    }
    if (config_enabled(d->config, "apiservices")) {
        engine_on_changes(s->engine, on_changes, s);
        registry_listen(s->registry, on_types, s);
    }
    *ret = s;
    return 0;
}

void apiservices_release(struct apiservices *s)
{
    if (!s) {
        return;
    }
    engine_off_changes(s->engine, s);
    /* Requests to remotes end with their client. */
    aggregation_close(s->table);
    wait_for_answers(s);
    apply_notes(s, take_notes(s));
    struct reply *r = take_replies(s);
    while (r) {
        struct reply *next = r->next;
        reply_destroy(r);
        r = next;
    }
    for (size_t i = 0; i < s->n; i++) {
        record_destroy(s, s->records[i]);
    }
    free(s->records);
    aggregation_destroy(s->table);
    type_unref(s->type);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
