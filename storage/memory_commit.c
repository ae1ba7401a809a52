/* SPDX-License-Identifier: Apache-2.0 */
/* The memory engine's committer side: compares, changes, and forgetting. */
#include "storage/memory_priv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

void memory_version_free(struct memory_version *v)
{
    blob_unref(v->value);
    free(v->who);
    free(v);
}

void memory_terms_free(struct memory_key *k)
{
    for (size_t i = 0; i < k->n_terms; i++) {
        free(k->terms[i].index);
        free(k->terms[i].term);
    }
    free(k->terms);
    k->terms = NULL;
    k->n_terms = 0;
}

/* ---- compares ---- */

static bool unchanged(const struct memory_store *s, const struct store_cmp *c)
{
    if (c->rev < atomic_load(&s->horizon.floor)) {
        return false;
    }
    for (size_t i = s->n_log; i > 0 && s->log[i - 1]->rev > c->rev; i--) {
        if (str_starts(memory_key_str(s->log[i - 1]->key), c->key)) {
            return false;
        }
    }
    return true;
}

static bool any_with_term(const struct memory_store *s, const struct store_cmp *c)
{
    bool any = false;
    for (size_t i = memory_find(s, c->key); i < s->n_keys && !any; i++) {
        const struct memory_key *k = s->keys[i];
        if (!str_starts(memory_key_str(k), c->key)) {
            break;
        }
        any = !k->newest->deleted && memory_has_term(k, c->index, c->term);
    }
    return any;
}

static bool holds(const struct memory_store *s, const struct store_cmp *c)
{
    switch (c->kind) {
    case STORE_CMP_REV: {
        const struct memory_key *k = memory_lookup(s, c->key);
        return (k && !k->newest->deleted ? k->newest->rev : 0) == c->rev;
    }
    case STORE_CMP_EMPTY:
        return !memory_any(s, c->key);
    case STORE_CMP_UNCHANGED:
        return unchanged(s, c);
    case STORE_CMP_TERM_ABSENT:
        return memory_index_is_ready(s, c->index) ? !any_with_term(s, c) : unchanged(s, c);
    }
    return false;
}

/* ---- changes ---- */

static struct memory_key *key_insert(struct memory_store *s, struct str key)
{
    struct memory_key *k = alloc_zero(sizeof(*k) + key.len + 1);
    k->len = key.len;
    if (key.len) {
        memcpy(k->bytes, key.ptr, key.len);
    }
    if (s->n_keys == s->cap_keys) {
        s->cap_keys = s->cap_keys ? 2 * s->cap_keys : 64;
        s->keys = alloc_resize(s->keys, s->cap_keys * sizeof(struct memory_key *));
    }
    size_t at = memory_find(s, key);
    memmove(s->keys + at + 1, s->keys + at, (s->n_keys - at) * sizeof(struct memory_key *));
    s->keys[at] = k;
    s->n_keys++;
    return k;
}

static void key_remove(struct memory_store *s, struct memory_key *k)
{
    size_t at = memory_find(s, memory_key_str(k));
    assert(s->keys[at] == k);
    s->n_keys--;
    memmove(s->keys + at, s->keys + at + 1, (s->n_keys - at) * sizeof(struct memory_key *));
    memory_terms_free(k);
    free(k);
}

static void set_terms(struct memory_store *s, struct memory_key *k, const struct store_op *op)
{
    memory_terms_free(k);
    k->terms = alloc_zero(op->n_terms * sizeof(struct memory_term));
    for (size_t i = 0; i < op->n_terms; i++) {
        const struct store_term *t = &op->terms[i];
        if (memory_index_find(s, t->index)) {
            k->terms[k->n_terms++] = (struct memory_term){
                .index = alloc_str(t->index),
                .index_len = t->index.len,
                .term = alloc_str(t->term),
                .term_len = t->term.len,
            };
        }
    }
}

static void log_append(struct memory_store *s, struct memory_version *v)
{
    if (s->n_log == s->cap_log) {
        s->cap_log = s->cap_log ? 2 * s->cap_log : 64;
        s->log = alloc_resize(s->log, s->cap_log * sizeof(struct memory_version *));
    }
    s->log[s->n_log++] = v;
    if (s->n_events == s->cap_events) {
        s->cap_events = s->cap_events ? 2 * s->cap_events : 64;
        s->events = alloc_resize(s->events, s->cap_events * sizeof(struct store_event));
    }
    s->events[s->n_events++] = memory_event(v);
}

static void change(struct memory_store *s, const struct store_op *op, struct str who, int64_t rev,
                   uint32_t sub)
{
    struct memory_key *k = memory_lookup(s, op->key);
    k = k ? k : key_insert(s, op->key);
    bool existed = k->newest && !k->newest->deleted, put = op->kind == STORE_OP_PUT;
    struct memory_version *v = ALLOC(struct memory_version);
    *v = (struct memory_version){
        .key = k,
        .older = k->newest,
        .rev = rev,
        .create_rev = existed ? k->newest->create_rev : rev,
        .sub = sub,
        .deleted = !put,
        .stamp = put ? op->stamp : 0,
        .value = put ? blob_ref(op->value) : NULL,
        .who = alloc_str(who),
        .who_len = who.len,
    };
    if (v->older) {
        v->older->newer = v;
    }
    k->newest = v;
    s->live = s->live + put - existed;
    if (put) {
        set_terms(s, k, op);
    } else {
        memory_terms_free(k);
    }
    log_append(s, v);
}

static void restamp(struct memory_store *s, struct memory_key *k, const struct store_op *op)
{
    blob_unref(k->newest->value);
    k->newest->value = blob_ref(op->value);
    k->newest->stamp = op->stamp;
    set_terms(s, k, op);
}

static void apply(struct memory_store *s, const struct store_txn *t, struct store_outcome *ret)
{
    uint32_t sub = 0;
    for (size_t i = 0; i < t->n_ops; i++) {
        const struct store_op *op = &t->ops[i];
        struct memory_key *k = memory_lookup(s, op->key);
        bool exists = k && !k->newest->deleted;
        if (op->kind == STORE_OP_PUT || (exists && op->kind == STORE_OP_DELETE)) {
            change(s, op, t->who, s->present + 1, sub++);
        } else if (exists) {
            restamp(s, k, op);
        }
    }
    s->present += sub > 0;
    *ret = (struct store_outcome){.rev = s->present};
}

static void run(struct memory_store *s, const struct store_txn *t, struct store_outcome *ret)
{
    if (t->n_ops > STORE_TXN_OPS) {
        *ret = (struct store_outcome){.code = ERR_TOO_LARGE,
                                      .rev = s->present,
                                      .text = "too many operations in one transaction"};
        s->counts.errors++;
        return;
    }
    for (size_t i = 0; i < t->n_cmps; i++) {
        if (!holds(s, &t->cmps[i])) {
            *ret = (struct store_outcome){.code = ERR_CONFLICT, .failed = i, .rev = s->present};
            s->counts.conflicts++;
            return;
        }
    }
    apply(s, t, ret);
}

void memory_batch(void *engine, struct committer_item **items, size_t n)
{
    struct memory_store *s = engine;
    s->n_events = 0;
    pthread_rwlock_wrlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        run(s, items[i]->txn, &items[i]->outcome);
    }
    s->counts.commits++;
    s->counts.transactions += n;
    s->counts.batch_max = n > s->counts.batch_max ? n : s->counts.batch_max;
    int64_t present = s->present;
    pthread_rwlock_unlock(&s->lock);
    if (s->n_events && s->on_commit) {
        s->on_commit(s->on_commit_arg, s->events, s->n_events, present);
    }
    atomic_store(&s->revision, present);
}

/* ---- forgetting ---- */

/* v is at or beneath the floor: what it replaced goes, and it goes itself when it is a deletion. */
static void forget(struct memory_store *s, struct memory_version *v)
{
    if (v->older) {
        memory_version_free(v->older);
        v->older = NULL;
    }
    if (!v->deleted) {
        return;
    }
    if (v->newer) {
        v->newer->older = NULL;
    } else {
        key_remove(s, v->key);
    }
    memory_version_free(v);
}

void memory_free_beneath(struct memory_store *s, int64_t floor)
{
    if (floor == s->compacted) {
        return;
    }
    pthread_rwlock_wrlock(&s->lock);
    size_t n = 0;
    while (n < s->n_log && s->log[n]->rev <= floor) {
        forget(s, s->log[n++]);
    }
    s->n_log -= n;
    if (n) {
        memmove(s->log, s->log + n, s->n_log * sizeof(struct memory_version *));
    }
    s->compacted = floor;
    pthread_rwlock_unlock(&s->lock);
}
