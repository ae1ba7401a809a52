/* SPDX-License-Identifier: Apache-2.0 */
/* The memory engine: the plainest code that keeps the store's contract, and the model that the
 * others are tested against. Keys stand in a sorted array, each with its versions; every change
 * stands in a log. */
#include "storage/store.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "storage/memory_priv.h"

static struct memory_store *self(struct store *s)
{
    return (struct memory_store *)s;
}

size_t memory_find(const struct memory_store *s, struct str key)
{
    size_t lo = 0, hi = s->n_keys;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(memory_key_str(s->keys[mid]), key) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct memory_key *memory_lookup(const struct memory_store *s, struct str key)
{
    size_t at = memory_find(s, key);
    return at < s->n_keys && str_eq(memory_key_str(s->keys[at]), key) ? s->keys[at] : NULL;
}

bool memory_any(const struct memory_store *s, struct str prefix)
{
    for (size_t i = memory_find(s, prefix); i < s->n_keys; i++) {
        if (!str_starts(memory_key_str(s->keys[i]), prefix)) {
            return false;
        }
        if (!s->keys[i]->newest->deleted) {
            return true;
        }
    }
    return false;
}

struct store_event memory_event(const struct memory_version *v)
{
    const struct memory_version *old = v->older && !v->older->deleted ? v->older : NULL;
    return (struct store_event){
        .rev = v->rev,
        .sub = v->sub,
        .deleted = v->deleted,
        .key = memory_key_str(v->key),
        .value = v->value,
        .prev = old ? old->value : NULL,
        .stamp = v->stamp,
        .prev_stamp = old ? old->stamp : 0,
        .prev_rev = old ? old->rev : 0,
        .create_rev = v->create_rev,
        .who = {v->who, v->who_len},
    };
}

/* ---- reading ---- */

/* The version that was current at `at`, or NULL where the key did not exist. */
static const struct memory_version *version_at(const struct memory_key *k, int64_t at)
{
    const struct memory_version *v = k->newest;
    while (v && v->rev > at) {
        v = v->older;
    }
    return v && !v->deleted ? v : NULL;
}

static int resolve(struct memory_store *s, int64_t at, int64_t *ret_at, struct err *err)
{
    int code = at ? horizon_check(&s->horizon, at, s->present, err) : 0;
    if (!code) {
        *ret_at = at ? at : s->present;
    }
    return code;
}

static struct store_entry entry(const struct memory_version *v)
{
    return (struct store_entry){
        .key = memory_key_str(v->key),
        .value = blob_str(v->value),
        .rev = v->rev,
        .create_rev = v->create_rev,
        .stamp = v->stamp,
    };
}

static int get_locked(struct memory_store *s, struct str key, int64_t at, struct blob **ret_value,
                      struct store_entry *ret_entry, int64_t *ret_now, struct err *err)
{
    int code = resolve(s, at, &at, err);
    if (code) {
        return code;
    }
    if (ret_now) {
        *ret_now = at;
    }
    const struct memory_key *k = memory_lookup(s, key);
    const struct memory_version *v = k ? version_at(k, at) : NULL;
    if (!v) {
        return err_set(err, ERR_NOT_FOUND, "the store has no such key");
    }
    *ret_value = blob_ref(v->value);
    *ret_entry = entry(v);
    ret_entry->key = key;
    return 0;
}

static int memory_get(struct store *st, struct str key, int64_t at, struct blob **ret_value,
                      struct store_entry *ret_entry, int64_t *ret_now, struct err *err)
{
    struct memory_store *s = self(st);
    pthread_rwlock_rdlock(&s->lock);
    int code = get_locked(s, key, at, ret_value, ret_entry, ret_now, err);
    pthread_rwlock_unlock(&s->lock);
    return code;
}

bool memory_has_term(const struct memory_key *k, struct str index, struct str term)
{
    for (size_t i = 0; i < k->n_terms; i++) {
        const struct memory_term *t = &k->terms[i];
        if (str_eq((struct str){t->index, t->index_len}, index) &&
            str_eq((struct str){t->term, t->term_len}, term)) {
            return true;
        }
    }
    return false;
}

bool memory_index_is_ready(const struct memory_store *s, struct str name)
{
    const struct memory_index *x = memory_index_find(s, name);
    return x && x->ready;
}

/* A walk over a range at one revision. */
struct walk {
    struct memory_store *s;
    const struct store_range *r;
    int64_t at;
    bool by_term;
    size_t i;
};

static int walk_begin(struct walk *w, struct memory_store *s, const struct store_range *r,
                      struct err *err)
{
    *w = (struct walk){.s = s, .r = r};
    int code = resolve(s, r->at, &w->at, err);
    w->by_term = r->index.ptr && w->at == s->present && memory_index_is_ready(s, r->index);
    w->i = memory_find(s, str_cmp(r->from, r->prefix) > 0 ? r->from : r->prefix);
    return code;
}

static const struct memory_version *walk_next(struct walk *w)
{
    for (; w->i < w->s->n_keys; w->i++) {
        const struct memory_key *k = w->s->keys[w->i];
        if (!str_starts(memory_key_str(k), w->r->prefix)) {
            return NULL;
        }
        const struct memory_version *v = version_at(k, w->at);
        if (v && (!w->by_term || memory_has_term(k, w->r->index, w->r->term))) {
            w->i++;
            return v;
        }
    }
    return NULL;
}

static int range_locked(struct memory_store *s, const struct store_range *r, store_visit_fn *visit,
                        void *arg, int64_t *ret_at, bool *ret_more, struct err *err)
{
    struct walk w;
    int code = walk_begin(&w, s, r, err);
    if (code) {
        return code;
    }
    const struct memory_version *v;
    size_t taken = 0;
    bool more = false, stop = false;
    while ((v = walk_next(&w)) != NULL) {
        if (stop || (r->limit && taken == r->limit)) {
            more = true;
            break;
        }
        struct store_entry e = entry(v);
        e.value = r->keys_only ? STR_NULL : e.value;
        code = visit(arg, &e);
        if (code < 0) {
            return store_visit_failed(err, code);
        }
        if (code == STORE_STOP_BEFORE) {
            more = true;
            break;
        }
        stop = code == STORE_STOP;
        taken++;
    }
    *ret_at = w.at;
    if (ret_more) {
        *ret_more = more;
    }
    return 0;
}

static int memory_range(struct store *st, const struct store_range *r, store_visit_fn *visit,
                        void *arg, int64_t *ret_at, bool *ret_more, struct err *err)
{
    struct memory_store *s = self(st);
    int64_t at;
    pthread_rwlock_rdlock(&s->lock);
    int code = range_locked(s, r, visit, arg, ret_at ? ret_at : &at, ret_more, err);
    pthread_rwlock_unlock(&s->lock);
    return code;
}

static int memory_count(struct store *st, const struct store_range *r, int64_t *ret_count,
                        struct err *err)
{
    struct memory_store *s = self(st);
    struct walk w;
    pthread_rwlock_rdlock(&s->lock);
    int code = walk_begin(&w, s, r, err);
    int64_t n = 0;
    while (!code && walk_next(&w)) {
        n++;
    }
    pthread_rwlock_unlock(&s->lock);
    if (!code) {
        *ret_count = n;
    }
    return code;
}

static int64_t memory_revision(struct store *st)
{
    return atomic_load(&self(st)->revision);
}

static int64_t memory_prefix_revision(struct store *st, struct str prefix)
{
    struct memory_store *s = self(st);
    int64_t rev = 0, floor = horizon_floor(&s->horizon);
    pthread_rwlock_rdlock(&s->lock);
    for (size_t i = s->n_log; i > 0 && !rev && s->log[i - 1]->rev > floor; i--) {
        if (str_starts(memory_key_str(s->log[i - 1]->key), prefix)) {
            rev = s->log[i - 1]->rev;
        }
    }
    pthread_rwlock_unlock(&s->lock);
    return rev;
}

/* The first change after rev, as an index into the log. */
static size_t log_after(const struct memory_store *s, int64_t rev)
{
    size_t lo = 0, hi = s->n_log;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->log[mid]->rev <= rev) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static int changes_locked(struct memory_store *s, struct str prefix, int64_t from, size_t limit,
                          store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err)
{
    int code = from > s->present ? 0 : horizon_check(&s->horizon, from, s->present, err);
    if (code) {
        return code;
    }
    size_t taken = 0;
    bool stop = false;
    for (size_t i = log_after(s, from); i < s->n_log; i++) {
        const struct memory_version *v = s->log[i];
        if ((stop || (limit && taken >= limit)) && v->sub == 0) {
            *ret_to = v->rev - 1;
            return 0;
        }
        if (!str_starts(memory_key_str(v->key), prefix)) {
            continue;
        }
        struct store_event e = memory_event(v);
        code = visit(arg, &e);
        if (code < 0) {
            return store_visit_failed(err, code);
        }
        if (code == STORE_STOP_BEFORE) {
            *ret_to = v->rev - 1;
            return 0;
        }
        stop = stop || code == STORE_STOP;
        taken++;
    }
    *ret_to = from > s->present ? from : s->present;
    return 0;
}

static int memory_changes(struct store *st, struct str prefix, int64_t from, size_t limit,
                          store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err)
{
    struct memory_store *s = self(st);
    int64_t to;
    pthread_rwlock_rdlock(&s->lock);
    int code = changes_locked(s, prefix, from, limit, visit, arg, ret_to ? ret_to : &to, err);
    pthread_rwlock_unlock(&s->lock);
    return code;
}

/* ---- writing ---- */

static void memory_on_commit(struct store *st, store_commit_fn *fn, void *arg)
{
    self(st)->on_commit = fn;
    self(st)->on_commit_arg = arg;
}

static void memory_submit(struct store *st, const struct store_txn *t, store_done_fn *done,
                          void *arg)
{
    committer_submit(&self(st)->committer, t, done, arg);
}

static void memory_sync(struct store *st, store_done_fn *done, void *arg)
{
    done(arg, &(struct store_outcome){.rev = memory_revision(st)});
}

/* ---- indexes ---- */

struct memory_index *memory_index_find(const struct memory_store *s, struct str name)
{
    struct memory_index *x = s->indexes;
    while (x && !str_eq((struct str){x->name, x->name_len}, name)) {
        x = x->next;
    }
    return x;
}

/* Takes the terms of one index from every key. */
static void forget_terms(struct memory_store *s, struct str name)
{
    for (size_t i = 0; i < s->n_keys; i++) {
        struct memory_key *k = s->keys[i];
        size_t n = 0;
        for (size_t t = 0; t < k->n_terms; t++) {
            if (str_eq((struct str){k->terms[t].index, k->terms[t].index_len}, name)) {
                free(k->terms[t].index);
                free(k->terms[t].term);
            } else {
                k->terms[n++] = k->terms[t];
            }
        }
        k->n_terms = n;
    }
}

static void define_locked(struct memory_store *s, struct str name, struct str prefix,
                          uint64_t generation)
{
    struct memory_index *x = memory_index_find(s, name);
    if (x && x->generation == generation &&
        str_eq((struct str){x->prefix, x->prefix_len}, prefix)) {
        return;
    }
    if (x) {
        forget_terms(s, name);
        free(x->prefix);
    } else {
        x = ALLOC(struct memory_index);
        x->name = alloc_str(name);
        x->name_len = name.len;
        x->next = s->indexes;
        s->indexes = x;
    }
    x->prefix = alloc_str(prefix);
    x->prefix_len = prefix.len;
    x->generation = generation;
    x->ready = !memory_any(s, prefix);
}

static int memory_index_define(struct store *st, struct str name, struct str prefix,
                               uint64_t generation, struct err *err)
{
    (void)err;
    struct memory_store *s = self(st);
    pthread_rwlock_wrlock(&s->lock);
    define_locked(s, name, prefix, generation);
    pthread_rwlock_unlock(&s->lock);
    return 0;
}

static bool memory_index_ready(struct store *st, struct str name)
{
    struct memory_store *s = self(st);
    pthread_rwlock_rdlock(&s->lock);
    bool ready = memory_index_is_ready(s, name);
    pthread_rwlock_unlock(&s->lock);
    return ready;
}

static int memory_index_built(struct store *st, struct str name, uint64_t generation,
                              struct err *err)
{
    struct memory_store *s = self(st);
    int code = 0;
    pthread_rwlock_wrlock(&s->lock);
    struct memory_index *x = memory_index_find(s, name);
    if (!x) {
        code = err_set(err, ERR_NOT_FOUND, "index %.*s is not defined", STR_FMT(name));
    } else if (x->generation != generation) {
        code = err_set(err, ERR_CONFLICT, "index %.*s has another generation", STR_FMT(name));
    } else {
        x->ready = true;
    }
    pthread_rwlock_unlock(&s->lock);
    return code;
}

static void index_free(struct memory_index *x)
{
    free(x->name);
    free(x->prefix);
    free(x);
}

static int memory_index_drop(struct store *st, struct str name, struct err *err)
{
    (void)err;
    struct memory_store *s = self(st);
    pthread_rwlock_wrlock(&s->lock);
    struct memory_index *x = memory_index_find(s, name), **at = &s->indexes;
    if (x) {
        while (*at != x) {
            at = &(*at)->next;
        }
        *at = x->next;
        index_free(x);
        forget_terms(s, name);
    }
    pthread_rwlock_unlock(&s->lock);
    return 0;
}

/* ---- history ---- */

static int64_t memory_floor(struct store *st)
{
    return horizon_floor(&self(st)->horizon);
}

static int64_t keep(void *engine)
{
    struct memory_store *s = engine;
    int64_t wait, floor = horizon_tick(&s->horizon, atomic_load(&s->revision), &wait);
    memory_free_beneath(s, floor);
    return wait;
}

static int compact(void *engine, void *arg, struct err *err)
{
    (void)err;
    struct memory_store *s = engine;
    int64_t floor = horizon_raise(&s->horizon, *(int64_t *)arg, atomic_load(&s->revision));
    memory_free_beneath(s, floor);
    return 0;
}

static int memory_compact(struct store *st, int64_t rev, struct err *err)
{
    return committer_call(&self(st)->committer, compact, &rev, err);
}

static int memory_hold(struct store *st, int64_t rev, struct store_hold **ret, int64_t *ret_rev,
                       struct err *err)
{
    struct memory_store *s = self(st);
    return horizon_hold(&s->horizon, st, rev, &s->revision, ret, ret_rev, err);
}

static void memory_release(struct store_hold *h)
{
    horizon_release(&self(h->store)->horizon, h);
}

static int memory_snapshot(struct store *st, const char *path, struct err *err)
{
    (void)st;
    return err_set(err, ERR_UNAVAILABLE, "cannot write %s: the memory engine has no file format",
                   path);
}

static void memory_stats(struct store *st, struct store_stats *ret)
{
    struct memory_store *s = self(st);
    pthread_rwlock_rdlock(&s->lock);
    *ret = s->counts;
    ret->keys = s->live;
    pthread_rwlock_unlock(&s->lock);
    ret->revision = memory_revision(st);
    ret->floor = memory_floor(st);
    ret->queued = atomic_load(&s->committer.queued);
}

/* ---- life ---- */

/* Versions still in the log or the newest of their key; what those replaced hangs on them. */
static void free_versions(struct memory_store *s)
{
    for (size_t i = 0; i < s->n_keys; i++) {
        struct memory_version *v = s->keys[i]->newest;
        while (v) {
            struct memory_version *older = v->older;
            memory_version_free(v);
            v = older;
        }
        memory_terms_free(s->keys[i]);
        free(s->keys[i]);
    }
}

static void destroy(struct memory_store *s)
{
    free_versions(s);
    free(s->keys);
    free(s->log);
    free(s->events);
    while (s->indexes) {
        struct memory_index *next = s->indexes->next;
        index_free(s->indexes);
        s->indexes = next;
    }
    horizon_finish(&s->horizon);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

static void memory_close(struct store *st)
{
    committer_stop(&self(st)->committer);
    committer_finish(&self(st)->committer);
    destroy(self(st));
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .get = memory_get,
    .range = memory_range,
    .count = memory_count,
    .revision = memory_revision,
    .prefix_revision = memory_prefix_revision,
    .changes = memory_changes,
    .on_commit = memory_on_commit,
    .submit = memory_submit,
    .sync = memory_sync,
    .index_define = memory_index_define,
    .index_ready = memory_index_ready,
    .index_built = memory_index_built,
    .index_drop = memory_index_drop,
    .index_walk = memory_index_walk,
    .index_tally = memory_index_tally,
    .floor = memory_floor,
    .compact = memory_compact,
    .hold = memory_hold,
    .release = memory_release,
    .snapshot = memory_snapshot,
    .stats = memory_stats,
    .close = memory_close,
};

static const struct committer_ops memory_committer_ops = {
    .batch = memory_batch,
    .keep = keep,
};

int store_open_memory(const struct store_options *o, struct store **ret, struct err *err)
{
    struct memory_store *s = ALLOC(struct memory_store);
    s->base.ops = &memory_ops;
    s->present = STORE_FIRST_REVISION;
    atomic_init(&s->revision, s->present);
    pthread_rwlock_init(&s->lock, NULL);
    horizon_init(&s->horizon, o, 0);
    int code = committer_start(&s->committer, &memory_committer_ops, s, o->batch_max, err);
    if (code) {
        destroy(s);
        return code;
    }
    committer_measure(&s->committer, o->metrics);
    *ret = &s->base;
    return 0;
}
