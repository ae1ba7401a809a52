/* SPDX-License-Identifier: Apache-2.0 */
/* Visits that are to be noted: each short URL once, however often it is used meanwhile. */
#include "services/shorturls/visits_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/latch.h"
#include "base/limits.h"

#include <uthash.h>

struct waiting {
    struct visit v; /* first: handed out as it */
    UT_hash_handle hh;
    char key[]; /* namespace/name */
};

struct visits {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct waiting *table;
    bool open, woken;
};

struct visits *visits_create(void)
{
    struct visits *v = ALLOC(struct visits);
    pthread_mutex_init(&v->lock, NULL);
    cond_init_monotonic(&v->changed);
    return v;
}

/* The caller holds the lock. */
static struct visit *take_all(struct visits *v)
{
    struct visit *first = NULL;
    struct waiting *w, *next;
    HASH_ITER(hh, v->table, w, next)
    {
        HASH_DEL(v->table, w);
        w->v.next = first;
        first = &w->v;
    }
    return first;
}

void visit_free(struct visit *v)
{
    free(v);
}

static void free_all(struct visit *first)
{
    while (first) {
        struct visit *v = first;
        first = v->next;
        visit_free(v);
    }
}

void visits_destroy(struct visits *v)
{
    if (!v) {
        return;
    }
    free_all(take_all(v));
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

void visits_open(struct visits *v, bool open)
{
    pthread_mutex_lock(&v->lock);
    struct visit *dropped = open ? NULL : take_all(v);
    v->open = open;
    v->woken = false;
    pthread_mutex_unlock(&v->lock);
    free_all(dropped);
}

static struct waiting *waiting_create(struct str ns, struct str name, int64_t at_ms)
{
    size_t n = ns.len + 1 + name.len;
    struct waiting *w = alloc_bytes(sizeof(*w) + n);
    *w = (struct waiting){.v = {.at_ms = at_ms}};
    memcpy(w->key, ns.ptr, ns.len);
    w->key[ns.len] = '/';
    memcpy(w->key + ns.len + 1, name.ptr, name.len);
    w->v.ns = str_make(w->key, ns.len);
    w->v.name = str_make(w->key + ns.len + 1, name.len);
    return w;
}

void visits_add(struct visits *v, struct str ns, struct str name, int64_t at_ms)
{
    struct waiting *w = waiting_create(ns, name, at_ms), *there = NULL;
    size_t n = ns.len + 1 + name.len;
    pthread_mutex_lock(&v->lock);
    HASH_FIND(hh, v->table, w->key, n, there);
    if (v->open && !there && HASH_COUNT(v->table) < LIMIT_SHORTURL_VISITS) {
        HASH_ADD(hh, v->table, key, n, w);
        pthread_cond_signal(&v->changed);
        w = NULL;
    }
    pthread_mutex_unlock(&v->lock);
    free(w);
}

struct visit *visits_take(struct visits *v, int ms)
{
    const struct timespec until = cond_deadline(ms);
    pthread_mutex_lock(&v->lock);
    while (!v->table && !v->woken &&
           pthread_cond_timedwait(&v->changed, &v->lock, &until) != ETIMEDOUT) {
    }
    struct visit *all = v->woken ? NULL : take_all(v);
    pthread_mutex_unlock(&v->lock);
    return all;
}

void visits_wake(struct visits *v)
{
    pthread_mutex_lock(&v->lock);
    v->woken = true;
    pthread_cond_signal(&v->changed);
    pthread_mutex_unlock(&v->lock);
}
