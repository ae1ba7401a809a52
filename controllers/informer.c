/* SPDX-License-Identifier: Apache-2.0 */
/* An informer: list, then watch, over one type, on a thread of its own. */
#include "controllers/informer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/latch.h"
#include "base/log.h"

#define uthash_fatal(msg) abort()
#include <uthash.h>

#define MAX_HANDLERS 16
#define MAX_INDEXES 8
#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS 10000

/* A term of an index and the keys under it. */
struct term {
    UT_hash_handle hh;
    struct key **keys;
    size_t n, cap, len;
    char text[]; /* the index's number and the term */
};

/* A key that exists. */
struct key {
    UT_hash_handle hh;
    struct term **terms; /* it stands under */
    size_t n_terms;
    uint64_t round; /* of the list in which it was last seen */
    size_t ns_len, len;
    char text[]; /* "ns/name" */
};

struct informer {
    struct client *client;
    char *group, *version, *resource, *ns;
    struct {
        informer_handler_fn *fn;
        void *arg;
    } handlers[MAX_HANDLERS];
    size_t n_handlers;
    struct {
        const char *name;
        informer_terms_fn *fn;
    } indexes[MAX_INDEXES];
    size_t n_indexes;

    struct metric *lists, *failures; /* NULL: not counted */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct key *keys;
    struct term *terms;
    uint64_t round;
    bool synced, stopping;
    struct client_watch *watch; /* open now */
};

struct informer *informer_create(struct client *c, const struct controller_watch *w, struct str ns)
{
    struct informer *i = ALLOC(struct informer);
    i->client = c;
    i->group = alloc_str(w->group);
    i->version = alloc_str(w->version);
    i->resource = alloc_str(w->resource);
    i->ns = alloc_str(ns);
    pthread_mutex_init(&i->lock, NULL);
    cond_init_monotonic(&i->changed);
    return i;
}

void informer_measure(struct informer *i, struct metrics *m)
{
    const struct metric_label l[] = {{"group", str_from(i->group)},
                                     {"resource", str_from(i->resource)}};
    if (m) {
        i->lists = metrics_series(m, METRIC_COUNTER, "coracle_informer_lists_total",
                                  "Lists an informer began: the first, and one after each gap.", l,
                                  2, NULL, 0);
        i->failures =
            metrics_series(m, METRIC_COUNTER, "coracle_informer_errors_total",
                           "Lists and watches of an informer that failed.", l, 2, NULL, 0);
    }
}

void informer_handle(struct informer *i, informer_handler_fn *fn, void *arg)
{
    if (i->n_handlers == MAX_HANDLERS) {
        abort();
    }
    i->handlers[i->n_handlers].fn = fn;
    i->handlers[i->n_handlers++].arg = arg;
}

void informer_index(struct informer *i, const char *name, informer_terms_fn *terms)
{
    if (i->n_indexes == MAX_INDEXES) {
        abort();
    }
    i->indexes[i->n_indexes].name = name;
    i->indexes[i->n_indexes++].fn = terms;
}

/* ---- keys and terms; the lock is held ---- */

static void term_remove(struct informer *i, struct term *t, const struct key *k)
{
    for (size_t j = 0; j < t->n; j++) {
        if (t->keys[j] == k) {
            t->keys[j] = t->keys[--t->n];
            break;
        }
    }
    if (!t->n) {
        HASH_DEL(i->terms, t);
        free(t->keys);
        free(t);
    }
}

static void key_clear_terms(struct informer *i, struct key *k)
{
    for (size_t j = 0; j < k->n_terms; j++) {
        term_remove(i, k->terms[j], k);
    }
    free(k->terms);
    k->terms = NULL;
    k->n_terms = 0;
}

static void key_drop(struct informer *i, struct key *k)
{
    key_clear_terms(i, k);
    HASH_DEL(i->keys, k);
    free(k);
}

static struct key *key_find(struct informer *i, struct str ns, struct str name, bool make)
{
    struct key *k = NULL;
    char *text = alloc_printf("%.*s/%.*s", STR_FMT(ns), STR_FMT(name));
    size_t len = strlen(text);
    HASH_FIND(hh, i->keys, text, len, k);
    if (!k && make) {
        k = alloc_zero(sizeof(*k) + len + 1);
        memcpy(k->text, text, len);
        k->len = len;
        k->ns_len = ns.len;
        HASH_ADD_KEYPTR(hh, i->keys, k->text, k->len, k);
    }
    free(text);
    return k;
}

static struct str key_ns(const struct key *k)
{
    return str_make(k->text, k->ns_len);
}

static struct str key_name(const struct key *k)
{
    return str_make(k->text + k->ns_len + 1, k->len - k->ns_len - 1);
}

struct adding {
    struct informer *informer;
    struct key *key;
    size_t index;
};

static void term_add(void *to, struct str text)
{
    struct adding *a = to;
    struct informer *i = a->informer;
    struct term *t = alloc_zero(sizeof(*t) + text.len + 2), *found = NULL;
    t->text[0] = (char)('0' + a->index);
    memcpy(t->text + 1, text.ptr, text.len);
    t->len = text.len + 1;
    HASH_FIND(hh, i->terms, t->text, t->len, found);
    if (found) {
        free(t);
        t = found;
    } else {
        HASH_ADD_KEYPTR(hh, i->terms, t->text, t->len, t);
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->keys = alloc_resize(t->keys, t->cap * sizeof(struct key *));
    }
    t->keys[t->n++] = a->key;
    a->key->terms = alloc_resize(a->key->terms, (a->key->n_terms + 1) * sizeof(struct term *));
    a->key->terms[a->key->n_terms++] = t;
}

static void key_put(struct informer *i, struct str ns, struct str name, const yyjson_mut_val *obj)
{
    struct key *k = key_find(i, ns, name, true);
    k->round = i->round;
    key_clear_terms(i, k);
    for (size_t j = 0; j < i->n_indexes; j++) {
        struct adding a = {i, k, j};
        i->indexes[j].fn(obj, term_add, &a);
    }
}

/* ---- events ---- */

static void tell(struct informer *i, enum informer_event_type type, struct str ns, struct str name,
                 const yyjson_mut_val *obj)
{
    struct informer_event e = {.type = type, .ns = ns, .name = name, .obj = obj};
    pthread_mutex_lock(&i->lock);
    if (type == INFORMER_PUT) {
        key_put(i, ns, name, obj);
    } else {
        struct key *k = key_find(i, ns, name, false);
        if (k) {
            key_drop(i, k);
        }
    }
    pthread_mutex_unlock(&i->lock);
    for (size_t j = 0; j < i->n_handlers; j++) {
        i->handlers[j].fn(i->handlers[j].arg, &e);
    }
}

static int listed(void *arg, yyjson_mut_doc *obj, struct err *err)
{
    (void)err;
    struct str ns = json_str(json_path(obj->root, "metadata", "namespace", NULL));
    tell(arg, INFORMER_PUT, ns, json_str(json_path(obj->root, "metadata", "name", NULL)),
         obj->root);
    return 0;
}

static void watched(void *arg, const struct client_event *e)
{
    struct informer *i = arg;
    struct arena a;
    yyjson_mut_doc *d = NULL;
    if (e->type == CLIENT_BOOKMARK || e->type == CLIENT_GONE) {
        return;
    }
    arena_init(&a, 0);
    if (e->bytes && json_read_own(&a, blob_str(e->bytes), &d, NULL) < 0) {
        d = NULL;
    }
    tell(i, e->type == CLIENT_DELETED ? INFORMER_DELETED : INFORMER_PUT, e->ns, e->name,
         d ? d->root : NULL);
    arena_finish(&a);
}

/* Tells of the keys that were there before the list and are not in it. */
static void tell_vanished(struct informer *i)
{
    struct key *k, *next;
    struct arena a;
    arena_init(&a, 0);
    struct vanished {
        struct vanished *next;
        struct str ns, name;
    } *first = NULL;
    pthread_mutex_lock(&i->lock);
    HASH_ITER(hh, i->keys, k, next)
    {
        if (k->round != i->round) {
            struct vanished *v = ARENA_NEW(&a, struct vanished);
            *v = (struct vanished){first, arena_str(&a, key_ns(k)), arena_str(&a, key_name(k))};
            first = v;
        }
    }
    pthread_mutex_unlock(&i->lock);
    for (; first; first = first->next) {
        tell(i, INFORMER_DELETED, first->ns, first->name, NULL);
    }
    arena_finish(&a);
}

static struct client_ref ref_of(const struct informer *i)
{
    return (struct client_ref){.group = str_from(i->group),
                               .version = str_from(i->version),
                               .resource = str_from(i->resource),
                               .ns = str_from(i->ns)};
}

static bool stopping(struct informer *i)
{
    pthread_mutex_lock(&i->lock);
    bool yes = i->stopping;
    pthread_mutex_unlock(&i->lock);
    return yes;
}

/* Publishes the open watch so that informer_stop can end it; false: stopping. */
static bool set_watch(struct informer *i, struct client_watch *w)
{
    pthread_mutex_lock(&i->lock);
    bool go = !i->stopping;
    i->watch = go ? w : NULL;
    pthread_mutex_unlock(&i->lock);
    return go;
}

static int follow(struct informer *i, int64_t from, struct err *err)
{
    struct client_ref ref = ref_of(i);
    struct client_watch *w = NULL;
    int r = client_watch(i->client, &ref, NULL, from, &w, err);
    if (r < 0) {
        return r;
    }
    bool go = set_watch(i, w);
    while (go && r == 0) {
        r = client_watch_next(w, -1, watched, i, err);
        r = r == ERR_TIMEOUT ? 0 : r;
    }
    set_watch(i, NULL);
    client_watch_close(w);
    return r;
}

/* One list and the watch that follows it. Returns when the watch ended. */
static int list_and_follow(struct informer *i, struct err *err)
{
    struct client_ref ref = ref_of(i);
    int64_t rev = 0;
    pthread_mutex_lock(&i->lock);
    i->round++;
    pthread_mutex_unlock(&i->lock);
    int r = client_list(i->client, &ref, NULL, listed, i, &rev, err);
    if (r < 0) {
        return r;
    }
    tell_vanished(i);
    pthread_mutex_lock(&i->lock);
    i->synced = true;
    pthread_cond_broadcast(&i->changed);
    pthread_mutex_unlock(&i->lock);
    return follow(i, rev, err);
}

static void pause_ms(struct informer *i, int64_t ms)
{
    const struct timespec t = cond_deadline(ms);
    pthread_mutex_lock(&i->lock);
    while (!i->stopping && pthread_cond_timedwait(&i->changed, &i->lock, &t) == 0) {
    }
    pthread_mutex_unlock(&i->lock);
}

static void *informer_main(void *arg)
{
    struct informer *i = arg;
    int64_t wait = RETRY_FIRST_MS;
    while (!stopping(i)) {
        struct err err = {0};
        int64_t begun = clock_mono_ms();
        if (i->lists) {
            metric_add(i->lists, 1);
        }
        int r = list_and_follow(i, &err);
        if (stopping(i)) {
            err_finish(&err);
            break;
        }
        wait = clock_mono_ms() - begun >= RETRY_MOST_MS ? RETRY_FIRST_MS
                                                        : wait; /* it went well for long enough */
        if (r == ERR_EXPIRED || r == 0) {
            wait = RETRY_FIRST_MS;
        } else {
            if (i->failures) {
                metric_add(i->failures, 1);
            }
            log_warn("an informer begins anew", LOG_Z("group", i->group),
                     LOG_Z("resource", i->resource), LOG_ERR(&err), LOG_I("after_ms", wait));
            pause_ms(i, wait);
            wait = wait * 2 < RETRY_MOST_MS ? wait * 2 : RETRY_MOST_MS;
        }
        err_finish(&err);
    }
    return NULL;
}

void informer_start(struct informer *i)
{
    if (pthread_create(&i->thread, NULL, informer_main, i) != 0) {
        abort();
    }
    pthread_setname_np(i->thread, "informer");
    i->started = true;
}

bool informer_wait_synced(struct informer *i)
{
    pthread_mutex_lock(&i->lock);
    while (!i->synced && !i->stopping) {
        pthread_cond_wait(&i->changed, &i->lock);
    }
    bool yes = i->synced;
    pthread_mutex_unlock(&i->lock);
    return yes;
}

void informer_stop(struct informer *i)
{
    pthread_mutex_lock(&i->lock);
    i->stopping = true;
    if (i->watch) {
        client_watch_stop(i->watch);
    }
    pthread_cond_broadcast(&i->changed);
    pthread_mutex_unlock(&i->lock);
}

void informer_destroy(struct informer *i)
{
    struct key *k, *next;
    if (!i) {
        return;
    }
    informer_stop(i);
    if (i->started) {
        pthread_join(i->thread, NULL);
    }
    HASH_ITER(hh, i->keys, k, next)
    {
        key_drop(i, k);
    }
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->lock);
    free(i->group);
    free(i->version);
    free(i->resource);
    free(i->ns);
    free(i);
}

void informer_keys(struct informer *i, informer_key_fn *visit, void *arg)
{
    struct key *k, *next;
    pthread_mutex_lock(&i->lock);
    HASH_ITER(hh, i->keys, k, next)
    {
        visit(arg, key_ns(k), key_name(k));
    }
    pthread_mutex_unlock(&i->lock);
}

void informer_by_index(struct informer *i, const char *name, struct str term,
                       informer_key_fn *visit, void *arg)
{
    size_t index = 0;
    while (index < i->n_indexes && strcmp(i->indexes[index].name, name) != 0) {
        index++;
    }
    char *text = alloc_printf("%c%.*s", (char)('0' + index), STR_FMT(term));
    struct term *t = NULL;
    pthread_mutex_lock(&i->lock);
    HASH_FIND(hh, i->terms, text, term.len + 1, t);
    for (size_t j = 0; t && j < t->n; j++) {
        visit(arg, key_ns(t->keys[j]), key_name(t->keys[j]));
    }
    pthread_mutex_unlock(&i->lock);
    free(text);
}
