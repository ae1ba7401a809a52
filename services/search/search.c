/* SPDX-License-Identifier: Apache-2.0 */
/* The service: which types are indexed, what commits concern them, and its life. Of a commit
 * nothing is noted but its revision, and whether one of the keys is of an indexed type; where no
 * type declares text that is one look at a number. */
#include "services/search/search.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/latch.h"
#include "services/search/search_priv.h"
#include "services/wire.gen.h"

/* So many revisions that concern no indexed type, and the index's file is told of them: it would
 * otherwise fall behind what the store keeps of its changes, and be made anew after a crash. */
enum { NOTE_REVISIONS = 10000 };

/* ---- types ---- */

struct searched *search_type_of(struct searched *types, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++) {
        if (str_starts(key, types[i].type->prefix)) {
            return &types[i];
        }
    }
    return NULL;
}

static size_t find_type(const struct search *s, const struct type *t)
{
    size_t i = 0;
    while (i < s->n_types && !str_eq(s->types[i].type->group_resource, t->group_resource)) {
        i++;
    }
    return i;
}

static void forget_type(struct search *s, size_t i)
{
    type_unref(s->types[i].type);
    s->types[i] = s->types[--s->n_types];
}

static void note_type(struct search *s, struct type *t)
{
    size_t i = find_type(s, t);
    if (i == s->n_types) {
        if (s->n_types == s->cap_types) {
            s->cap_types = s->cap_types ? s->cap_types * 2 : 8;
            s->types = alloc_resize(s->types, s->cap_types * sizeof(*s->types));
        }
        s->types[s->n_types++] = (struct searched){.type = type_ref(t), .late = s->begun};
        s->types_changed = true;
        return;
    }
    struct searched *known = &s->types[i];
    if (search_generation(known->type) != search_generation(t)) {
        known->complete = false;
        s->types_changed = true;
    }
    type_unref(known->type);
    known->type = type_ref(t);
}

static void look_at(struct search *s, struct type *t, bool removed)
{
    if (t->text && !removed) {
        note_type(s, t);
        return;
    }
    size_t i = find_type(s, t);
    if (i < s->n_types) {
        forget_type(s, i);
        s->types_changed = true;
    }
}

static void on_types(void *arg, const struct registry_snapshot *types, struct type *changed,
                     bool removed)
{
    struct search *s = arg;
    pthread_mutex_lock(&s->lock);
    if (changed) {
        look_at(s, changed, removed);
    } else {
        for (size_t g = 0; g < types->n_groups; g++) {
            for (size_t i = 0; i < types->groups[g].n_types; i++) {
                look_at(s, types->groups[g].types[i], false);
            }
        }
    }
    atomic_store(&s->any_types, s->n_types);
    if (s->types_changed) {
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- commits ---- */

/* On the committer's thread. */
static void on_changes(void *arg, const struct store_event *events, size_t n)
{
    struct search *s = arg;
    int64_t wanted = 0;
    if (!n || !atomic_load_explicit(&s->any_types, memory_order_relaxed)) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = n; i > 0 && !wanted; i--) {
        if (search_type_of(s->types, s->n_types, events[i - 1].key)) {
            wanted = events[i - 1].rev;
        }
    }
    bool idle = s->wanted <= s->at;
    s->heard = events[n - 1].rev;
    s->wanted = wanted ? wanted : s->wanted;
    if ((wanted && idle) || s->heard - s->noted > NOTE_REVISIONS) {
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- metrics ---- */

static double read_documents(void *arg)
{
    return (double)text_count(((struct search *)arg)->text);
}

static double read_lag(void *arg)
{
    struct search *s = arg;
    pthread_mutex_lock(&s->lock);
    int64_t lag = s->wanted > s->at ? s->wanted - s->at : 0;
    pthread_mutex_unlock(&s->lock);
    return (double)lag;
}

static void make_metrics(struct search *s, struct metrics *m)
{
    if (!m) {
        return;
    }
    metrics_read(m, METRIC_GAUGE, "coracle_search_documents", "Objects in the full-text index.",
                 NULL, 0, read_documents, s);
    metrics_read(m, METRIC_GAUGE, "coracle_search_lag_revisions",
                 "How many revisions the full-text index is behind the newest change that "
                 "concerns it.",
                 NULL, 0, read_lag, s);
    s->queries = metrics_series(m, METRIC_COUNTER, "coracle_search_queries_total",
                                "Questions to the full-text index.", NULL, 0, NULL, 0);
    s->rebuilds = metrics_series(m, METRIC_COUNTER, "coracle_search_rebuilds_total",
                                 "How often the full-text index was begun anew.", NULL, 0, NULL, 0);
}

/* ---- life ---- */

static int publish(const struct search_deps *d, struct search *s, struct err *err)
{
    static const struct type_query queries[] = {{{"", 0}, search_answer},
                                                {{"sortable", 8}, search_answer_sortable}};
    const struct type_extras extras = {.self = s, .queries = queries, .n_queries = 2};
    return service_publish(
        d->registry, service_document(d->documents, "search.dashboard.grafana.app"), &extras, err);
}

static int open_index(const struct config *c, struct text **ret, struct err *err)
{
    if (str_is(str_from(c->store), "memory")) {
        return text_open(NULL, ret, err);
    }
    AUTO_FREE char *path = alloc_printf("%s/search.db", c->data_dir);
    int rc = text_open(path, ret, err);
    return rc < 0 ? err_wrap(err, "%s", path) : 0;
}

int search_provide(const struct search_deps *d, struct search **ret, struct err *err)
{
    struct search *s = ALLOC(struct search);
    pthread_mutex_init(&s->lock, NULL);
    cond_init_monotonic(&s->wake);
    cond_init_monotonic(&s->moved);
    s->engine = d->engine;
    s->registry = d->registry;
    int rc = open_index(d->config, &s->text, err);
    rc = rc < 0 ? rc : publish(d, s, err);
    if (rc < 0) {
        search_release(s);
        return rc;
    }
    const struct text_finder finder = {.find = search_find_keys, .self = s};
    struct registry_snapshot *types = registry_ref(d->registry);
    make_metrics(s, d->metrics);
    engine_find_text_by(d->engine, &finder);
    engine_on_changes(d->engine, on_changes, s);
    registry_listen(d->registry, on_types, s);
    on_types(s, types, NULL, false);
    registry_snapshot_unref(types);
    *ret = s;
    return 0;
}

void search_release(struct search *s)
{
    if (!s) {
        return;
    }
    engine_off_changes(s->engine, s);
    while (s->n_types) {
        forget_type(s, 0);
    }
    free(s->types);
    text_close(s->text);
    pthread_cond_destroy(&s->moved);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void stop(void *arg)
{
    struct search *s = arg;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

static void set_running(struct search *s, bool running)
{
    pthread_mutex_lock(&s->lock);
    s->begun = true;
    s->running = running;
    s->stopping = false;
    s->types_changed = true;
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

int search_run(struct search *s, struct service_stop *stopper, struct err *err)
{
    set_running(s, true);
    service_on_stop(stopper, stop, s);
    int rc = search_index(s, err);
    service_on_stop(stopper, NULL, NULL);
    set_running(s, false);
    return rc;
}
