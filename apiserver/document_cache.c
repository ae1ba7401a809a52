/* SPDX-License-Identifier: Apache-2.0 */
/* The table of documents and the jobs that make them. One lock, held for look-ups and pointer moves
 * only. */
#include "apiserver/document_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include <uthash.h>

#include "apiserver/call_priv.h"
#include "apiserver/document_priv.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/pool.h"

struct entry {
    struct document *document;
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

/* A call that waits for a document; in the call's arena, and its priv. */
struct waiter {
    struct call *call;
    struct document_query query;
    struct document *document; /* set by the job; NULL: err */
    struct err err;
    struct waiter *next;
};

/* The making of one edition of a document. Belongs to the cache's list until it is done. */
struct job {
    struct pool_task task;
    struct document_cache *cache;
    struct document_source source;
    struct registry_snapshot *types;   /* a reference */
    struct aggregation_snapshot *apis; /* a reference; NULL: nothing */
    struct document *previous;         /* a reference */
    document_build_fn *build;
    struct str key;
    uint64_t edition;
    struct waiter *waiters;
    struct job *next;
    char text[]; /* key, group and version */
};

struct document_cache {
    pthread_mutex_t lock;
    struct entry *entries; /* least recently used first */
    struct job *jobs;
    size_t bytes, max_bytes;
};

struct document_cache *document_cache_create(size_t max_bytes)
{
    struct document_cache *k = ALLOC(struct document_cache);
    pthread_mutex_init(&k->lock, NULL);
    k->max_bytes = max_bytes;
    return k;
}

static void drop(struct document_cache *k, struct entry *e)
{
    HASH_DEL(k->entries, e);
    k->bytes -= document_bytes(e->document);
    document_unref(e->document);
    free(e);
}

void document_cache_destroy(struct document_cache *k)
{
    if (!k) {
        return;
    }
    while (k->entries) {
        drop(k, k->entries);
    }
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- the table; under the lock ---- */

/* The entry of the key, which becomes the most recently used; NULL: none. */
static struct entry *look_up(struct document_cache *k, struct str key)
{
    struct entry *e;
    HASH_FIND(hh, k->entries, key.ptr, key.len, e);
    if (e && e->hh.next) {
        HASH_DEL(k->entries, e);
        HASH_ADD_KEYPTR(hh, k->entries, e->key, e->key_len, e);
    }
    return e;
}

static struct document *find_locked(struct document_cache *k, struct str key, uint64_t edition)
{
    struct entry *e = look_up(k, key);
    return e && e->document->version == edition ? document_ref(e->document) : NULL;
}

static struct document *previous_locked(struct document_cache *k, struct str key)
{
    struct entry *e = look_up(k, key);
    return e ? document_ref(e->document) : NULL;
}

static void put_locked(struct document_cache *k, struct str key, struct document *d)
{
    struct entry *old = look_up(k, key);
    if (old) {
        drop(k, old);
    }
    struct entry *e = alloc_zero(sizeof(*e) + key.len);
    memcpy(e->key, key.ptr, key.len);
    e->key_len = key.len;
    e->document = document_ref(d);
    HASH_ADD_KEYPTR(hh, k->entries, e->key, e->key_len, e);
    k->bytes += document_bytes(d);
    while (k->bytes > k->max_bytes && k->entries != e) {
        drop(k, k->entries);
    }
}

/* ---- the table ---- */

struct document *document_cache_find(struct document_cache *k, struct str key, uint64_t edition)
{
    pthread_mutex_lock(&k->lock);
    struct document *d = find_locked(k, key, edition);
    pthread_mutex_unlock(&k->lock);
    return d;
}

void document_cache_put(struct document_cache *k, struct str key, struct document *d)
{
    pthread_mutex_lock(&k->lock);
    put_locked(k, key, d);
    pthread_mutex_unlock(&k->lock);
}

size_t document_cache_bytes(struct document_cache *k)
{
    pthread_mutex_lock(&k->lock);
    size_t n = k->bytes;
    pthread_mutex_unlock(&k->lock);
    return n;
}

/* ---- making documents here ---- */

int document_get(struct call *c, struct document_cache *k, const struct document_query *q,
                 struct document **ret, struct err *err)
{
    struct document *d = document_cache_find(k, q->key, q->edition);
    if (!d) {
        pthread_mutex_lock(&k->lock);
        AUTO(document_unrefp) struct document *previous = previous_locked(k, q->key);
        pthread_mutex_unlock(&k->lock);
        struct document_source s = {
            server_engine(c->server), c->types, c->apis, q->group, q->version, previous};
        int code = q->build(&s, &d, err);
        if (code) {
            return code;
        }
        document_cache_put(k, q->key, d);
    }
    *ret = d;
    return 0;
}

/* ---- making documents on the pool ---- */

static char *put_text(char *at, struct str *s)
{
    if (s->len) {
        memcpy(at, s->ptr, s->len);
    }
    *s = str_make(at, s->len);
    return at + s->len;
}

/* registry_ref is of the registry's newest snapshot, which may be younger than the call's: the
 * document then is younger too. */
static struct job *job_create(struct call *c, struct document_cache *k,
                              const struct document_query *q)
{
    struct job *j = alloc_zero(sizeof(*j) + q->key.len + q->group.len + q->version.len);
    j->cache = k;
    j->types = registry_ref(engine_registry(server_engine(c->server)));
    j->apis = aggregation_ref(server_aggregation(c->server));
    j->build = q->build;
    j->key = q->key;
    j->edition = q->edition;
    j->source = (struct document_source){.engine = server_engine(c->server),
                                         .types = j->types,
                                         .apis = j->apis,
                                         .group = q->group,
                                         .version = q->version};
    put_text(put_text(put_text(j->text, &j->key), &j->source.group), &j->source.version);
    return j;
}

static void job_destroy(struct job *j)
{
    registry_snapshot_unref(j->types);
    aggregation_snapshot_unref(j->apis);
    document_unref(j->previous);
    free(j);
}

static void answer_waiter(struct call *c)
{
    struct waiter *w = c->priv;
    struct document *d = w->document;
    if (d) {
        document_answer(c, &w->query, d);
        document_unref(d);
    } else {
        struct err err = {0};
        err_move(&err, &w->err);
        call_answer_err(c, &err);
    }
}

static struct waiter *finish_locked(struct job *j, struct document *d)
{
    struct document_cache *k = j->cache;
    if (d) {
        put_locked(k, j->key, d);
    }
    struct job **at = &k->jobs;
    while (*at != j) {
        at = &(*at)->next;
    }
    *at = j->next;
    return j->waiters;
}

static void job_run(struct pool_task *t)
{
    struct job *j = (struct job *)(void *)((char *)t - offsetof(struct job, task));
    AUTO(document_unrefp) struct document *d = NULL;
    AUTO(err_finish) struct err err = {0};
    j->build(&j->source, &d, &err);
    pthread_mutex_lock(&j->cache->lock);
    struct waiter *w = finish_locked(j, d);
    pthread_mutex_unlock(&j->cache->lock);
    while (w) {
        struct waiter *next = w->next; /* w's memory is the call's, which the loop ends */
        w->document = document_ref(d);
        if (!d) {
            err_copy(&w->err, &err);
        }
        call_resume(w->call, answer_waiter);
        w = next;
    }
    job_destroy(j);
}

static struct job *job_find(struct document_cache *k, const struct document_query *q)
{
    for (struct job *j = k->jobs; j; j = j->next) {
        if (j->edition == q->edition && str_eq(j->key, q->key)) {
            return j;
        }
    }
    return NULL;
}

/* Joins the job that makes the document, or begins it. */
static bool join_locked(struct document_cache *k, struct call *c, const struct document_query *q)
{
    struct job *j = job_find(k, q);
    if (!j) {
        j = job_create(c, k, q);
        j->source.previous = j->previous = previous_locked(k, q->key);
        j->task.run = job_run;
        if (!pool_submit(engine_pool(j->source.engine), &j->task, false)) {
            job_destroy(j);
            return false;
        }
        j->next = k->jobs;
        k->jobs = j;
    }
    struct waiter *w = ARENA_NEW(&c->arena, struct waiter);
    *w = (struct waiter){.call = c, .query = *q, .next = j->waiters};
    c->priv = w;
    j->waiters = w;
    return true;
}

static void serve_from_pool(struct call *c, struct document_cache *k,
                            const struct document_query *q)
{
    pthread_mutex_lock(&k->lock);
    AUTO(document_unrefp) struct document *d = find_locked(k, q->key, q->edition);
    bool joined = !d && join_locked(k, c, q);
    pthread_mutex_unlock(&k->lock);
    if (d) {
        document_answer(c, q, d);
    } else if (!joined) {
        struct err err = {0};
        err_set(&err, ERR_TOO_MANY, "Too many requests, please try again later.");
        call_answer_err(c, &err);
    }
}

void document_serve(struct call *c, struct document_cache *k, const struct document_query *q)
{
    if (q->on_pool) {
        serve_from_pool(c, k, q);
        return;
    }
    AUTO(document_unrefp) struct document *d = NULL;
    struct err err = {0};
    if (document_get(c, k, q, &d, &err)) {
        call_answer_err(c, &err);
    } else {
        document_answer(c, q, d);
    }
}
