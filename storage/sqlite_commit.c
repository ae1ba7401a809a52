/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit in the sqlite engine: a batch of transactions, each with its own compares and
 * revision, in one sqlite transaction and one sync. */
#include "storage/sqlite_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* What a key holds. */
struct held {
    int64_t id; /* of its last row, negative when that is a deletion; 0: it has none */
    int64_t create_rev;
    uint64_t stamp;
    struct str terms;  /* in OLD's row */
    sqlite3_stmt *row; /* standing, when not NULL */
};

/* ---- compares ---- */

static int find(struct sqlite_store *s, struct str key, int64_t *ret_id, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_FIND);
    sqlite_bind(st, 1, key);
    int r = sqlite_conn_step(s->writer, st, err);
    *ret_id = r > 0 ? sqlite3_column_int64(st, 0) : 0;
    if (r > 0) {
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

static int unchanged(struct sqlite_store *s, const struct store_cmp *c, struct err *err)
{
    if (c->rev < horizon_floor(&s->horizon)) {
        return 0;
    }
    int64_t r = c->rev < s->rev ? sqlite_changed_since(s->writer, c->key, c->rev, err) : 0;
    return r < 0 ? (int)r : !r;
}

/* 1: it holds; 0: it does not. */
static int compare(struct sqlite_store *s, const struct store_cmp *c, struct err *err)
{
    int64_t r = 0;
    switch (c->kind) {
    case STORE_CMP_REV: {
        int code = find(s, c->key, &r, err);
        return code ? code : (r > 0 ? sqlite_id_rev(r) : 0) == c->rev;
    }
    case STORE_CMP_EMPTY:
        r = sqlite_any(s->writer, c->key, err);
        return r < 0 ? (int)r : !r;
    case STORE_CMP_UNCHANGED:
        return unchanged(s, c, err);
    case STORE_CMP_TERM_ABSENT: {
        int any = sqlite_terms_any(s, c, err);
        return any == SQLITE_TERMS_UNKNOWN ? unchanged(s, c, err) : any < 0 ? any : !any;
    }
    }
    return 0;
}

/* ---- changes ---- */

/* The caller resets ret->row. */
static int look(struct sqlite_store *s, struct str key, struct held *ret, struct err *err)
{
    *ret = (struct held){0};
    int code = find(s, key, &ret->id, err);
    if (code || ret->id <= 0) {
        return code;
    }
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_OLD);
    sqlite_bind_int(st, 1, ret->id);
    int r = sqlite_conn_step(s->writer, st, err);
    if (r <= 0) {
        return r ? r : err_set(err, ERR_CORRUPT, "row %" PRId64 " of the log is missing", ret->id);
    }
    ret->create_rev = sqlite3_column_int64(st, 0);
    ret->stamp = (uint64_t)sqlite3_column_int64(st, 1);
    ret->terms = sqlite_column(st, 2);
    ret->row = st;
    return 0;
}

static void held_finish(struct held *h)
{
    if (h->row) {
        sqlite3_reset(h->row);
        h->row = NULL;
    }
}

static int insert_row(struct sqlite_store *s, const struct store_op *op, struct str who,
                      const struct held *h, int64_t id, struct str terms, struct err *err)
{
    bool put = op->kind == STORE_OP_PUT;
    int kind = !put ? SQ_OP_REMOVE : h->id > 0 ? SQ_OP_REPLACE : SQ_OP_CREATE;
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_LOG_INSERT);
    sqlite_bind_int(st, 1, id);
    sqlite_bind_int(st, 2, kind);
    sqlite_bind_int(st, 3, h->id < 0 ? -h->id : h->id);
    sqlite_bind_int(st, 4, h->id > 0 ? h->create_rev : sqlite_id_rev(id));
    sqlite_bind_int(st, 5, put ? (int64_t)op->stamp : 0);
    sqlite_bind_int(st, 6, s->n_keys);
    sqlite_bind(st, 7, who);
    sqlite_bind(st, 8, op->key);
    sqlite_bind(st, 9, terms);
    sqlite_bind(st, 10, put ? blob_str(op->value) : STR_NULL);
    return sqlite_conn_run(s->writer, st, err);
}

static int write_current(struct sqlite_store *s, struct str key, int64_t id, bool there,
                         struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, there ? SQ_CURRENT_UPDATE : SQ_CURRENT_INSERT);
    sqlite_bind(st, 1, key);
    sqlite_bind_int(st, 2, id);
    return sqlite_conn_run(s->writer, st, err);
}

static int read_value(struct sqlite_store *s, int64_t id, struct blob **ret, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_ROW);
    sqlite_bind_int(st, 1, id);
    int r = sqlite_conn_step(s->writer, st, err);
    if (r <= 0) {
        return r ? r : err_set(err, ERR_CORRUPT, "row %" PRId64 " of the log is missing", id);
    }
    *ret = blob_create(sqlite_column(st, 3));
    sqlite3_reset(st);
    return 0;
}

/* Notes the event of the change; what it replaced is read before it may be restamped or compacted.
 */
static int note_event(struct sqlite_store *s, const struct store_op *op, struct str who,
                      const struct held *h, int64_t id, struct err *err)
{
    if (!s->on_commit) {
        return 0;
    }
    bool put = op->kind == STORE_OP_PUT, replaced = h->id > 0;
    struct blob *prev = NULL;
    int code = replaced && !op->prev ? read_value(s, h->id, &prev, err) : 0;
    if (code) {
        return code;
    }
    if (s->n_events == s->cap_events) {
        s->cap_events = s->cap_events ? 2 * s->cap_events : 64;
        s->events = alloc_resize(s->events, s->cap_events * sizeof(struct store_event));
        s->prevs = alloc_resize(s->prevs, s->cap_events * sizeof(struct blob *));
    }
    s->prevs[s->n_events] = prev;
    s->events[s->n_events++] = (struct store_event){
        .rev = sqlite_id_rev(id),
        .sub = (uint32_t)(id & ((1 << SQ_SUB_BITS) - 1)),
        .deleted = !put,
        .key = op->key,
        .value = put ? op->value : NULL,
        .prev = prev       ? prev
                : replaced ? op->prev
                           : NULL,
        .stamp = put ? op->stamp : 0,
        .prev_stamp = prev       ? h->stamp
                      : replaced ? op->prev_stamp
                                 : 0,
        .prev_rev = replaced ? sqlite_id_rev(h->id) : 0,
        .create_rev = replaced ? h->create_rev : sqlite_id_rev(id),
        .who = who,
    };
    return 0;
}

static int change(struct sqlite_store *s, const struct store_op *op, struct str who,
                  const struct held *h, int64_t id, struct err *err)
{
    bool put = op->kind == STORE_OP_PUT;
    struct str terms = put ? sqlite_terms_encode(s, op) : STR_NULL;
    s->n_keys += put - (h->id > 0);
    int code = note_event(s, op, who, h, id, err);
    code = code ? code : insert_row(s, op, who, h, id, terms, err);
    code = code ? code : write_current(s, op->key, put ? id : -id, h->id != 0, err);
    return code ? code : sqlite_terms_write(s, op->key, h->terms, terms, err);
}

static int restamp(struct sqlite_store *s, const struct store_op *op, const struct held *h,
                   struct err *err)
{
    struct str terms = sqlite_terms_encode(s, op);
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_LOG_UPDATE);
    sqlite_bind_int(st, 1, h->id);
    sqlite_bind_int(st, 2, (int64_t)op->stamp);
    sqlite_bind(st, 3, terms);
    sqlite_bind(st, 4, blob_str(op->value));
    int code = sqlite_conn_run(s->writer, st, err);
    return code ? code : sqlite_terms_write(s, op->key, h->terms, terms, err);
}

/* *sub counts the changes made, as of revision rev. */
static int apply_op(struct sqlite_store *s, const struct store_op *op, struct str who, int64_t rev,
                    uint32_t *sub, struct err *err)
{
    struct held h;
    int code = look(s, op->key, &h, err);
    if (!code && (op->kind == STORE_OP_PUT || (op->kind == STORE_OP_DELETE && h.id > 0))) {
        code = change(s, op, who, &h, sqlite_id(rev, *sub), err);
        ++*sub;
    } else if (!code && op->kind == STORE_OP_RESTAMP && h.id > 0 && sqlite_id_rev(h.id) <= rev) {
        code = restamp(s, op, &h, err);
    }
    held_finish(&h);
    return code;
}

/* Runs one transaction within the batch. Negative: the engine failed; else ret says what became of
 * it. */
static int run(struct sqlite_store *s, const struct store_txn *t, struct store_outcome *ret,
               struct err *err)
{
    if (t->n_ops > STORE_TXN_OPS) {
        *ret = (struct store_outcome){
            .code = ERR_TOO_LARGE, .rev = s->rev, .text = "too many operations in one transaction"};
        return 0;
    }
    for (size_t i = 0; i < t->n_cmps; i++) {
        int r = compare(s, &t->cmps[i], err);
        if (r < 0) {
            return r;
        }
        if (!r) {
            *ret = (struct store_outcome){.code = ERR_CONFLICT, .failed = i, .rev = s->rev};
            return 0;
        }
    }
    uint32_t sub = 0;
    for (size_t i = 0; i < t->n_ops; i++) {
        int code = apply_op(s, &t->ops[i], t->who, s->rev + 1, &sub, err);
        if (code) {
            return code;
        }
    }
    s->rev += sub > 0;
    *ret = (struct store_outcome){.rev = s->rev};
    return 0;
}

/* The same for a transaction that was made elsewhere. */
static int run_given(struct sqlite_store *s, struct committer_item *it, struct err *err)
{
    const struct store_txn *t = it->txn;
    bool restamps = it->from < 0;
    if (!restamps && it->from != s->rev) {
        it->outcome = (struct store_outcome){
            .code = ERR_CONFLICT, .rev = s->rev, .text = "the change does not follow the last one"};
        return 0;
    }
    uint32_t sub = 0;
    int code = 0;
    for (size_t i = 0; i < t->n_ops && !code; i++) {
        code = apply_op(s, &t->ops[i], t->who, it->rev, &sub, err);
    }
    if (!code && !restamps) {
        s->rev = it->rev;
        code = sub ? 0 : sqlite_meta_set(s->writer, "present", it->rev, err);
    }
    it->outcome = (struct store_outcome){.rev = s->rev};
    return code;
}

/* ---- batches ---- */

static void forget_events(struct sqlite_store *s)
{
    for (size_t i = 0; i < s->n_events; i++) {
        blob_unref(s->prevs[i]);
    }
    s->n_events = 0;
}

static int commit(struct sqlite_store *s, struct err *err)
{
    uint64_t start = clock_mono_ns();
    int code = sqlite_commit(s->writer, err);
    uint64_t took = clock_mono_ns() - start;
    atomic_fetch_add(&s->sync_ns, took);
    committer_synced(&s->committer, took);
    s->commit_ms = clock_mono_ms();
    s->trim_ms = s->trim_ms ? s->trim_ms : s->commit_ms + SQ_TRIM_MS;
    return code;
}

static void cache_bar(struct sqlite_store *s, struct committer_item **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct store_txn *t = items[i]->txn;
        for (size_t k = 0; k < t->n_ops; k++) {
            sqlite_cache_bar(s->cache, t->ops[k].key);
        }
    }
}

/* A restamp has no revision of its own: only the next one's snapshots are sure to have it. */
static void cache_allow(struct sqlite_store *s, struct committer_item **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct store_txn *t = items[i]->txn;
        for (size_t k = 0; k < t->n_ops; k++) {
            bool restamp = t->ops[k].kind == STORE_OP_RESTAMP;
            sqlite_cache_allow(s->cache, t->ops[k].key, s->rev + restamp);
        }
    }
}

static int run_all(struct sqlite_store *s, struct committer_item **items, size_t n, struct err *err)
{
    int code = sqlite_begin(s->writer, err);
    for (size_t i = 0; i < n && !code; i++) {
        code = items[i]->rev ? run_given(s, items[i], err)
                             : run(s, items[i]->txn, &items[i]->outcome, err);
    }
    if (!code) {
        cache_bar(s, items, n);
        code = commit(s, err);
        cache_allow(s, items, n);
        for (size_t i = 0; i < s->n_events && !code; i++) {
            sqlite_cache_written(s->cache, &s->events[i], s->rev);
        }
    }
    return code;
}

static void publish(struct sqlite_store *s)
{
    atomic_store(&s->keys, (uint64_t)s->n_keys);
    if (s->n_events) {
        s->on_commit(s->on_commit_arg, s->events, s->n_events, s->rev);
    }
    atomic_store(&s->revision, s->rev);
}

/* Commits all of them or none. False: the engine failed, and the outcomes say how. */
static bool try_batch(struct sqlite_store *s, struct committer_item **items, size_t n)
{
    AUTO(err_finish) struct err err = {0};
    int64_t rev = s->rev, n_keys = s->n_keys;
    int code = sqlite_present(s, &err);
    code = !code && atomic_load(&s->unsure) ? sqlite_secure_log(s, &err) : code;
    code = code ? code : run_all(s, items, n, &err);
    if (!code) {
        publish(s);
        sqlite_trouble_over(s);
    } else {
        sqlite_failed(s, s->writer);
        sqlite_rollback(s->writer);
        s->rev = rev;
        s->n_keys = n_keys;
        snprintf(s->text, sizeof(s->text), "%s", err_message(&err));
        sqlite_trouble_note(s, code, s->text);
        for (size_t i = 0; i < n; i++) {
            items[i]->outcome = (struct store_outcome){.code = code, .rev = rev, .text = s->text};
        }
    }
    forget_events(s);
    return !code;
}

static void count(struct sqlite_store *s, struct committer_item **items, size_t n)
{
    atomic_fetch_add(&s->commits, 1);
    atomic_fetch_add(&s->transactions, n);
    if (n > atomic_load(&s->batch_max)) {
        atomic_store(&s->batch_max, n);
    }
    for (size_t i = 0; i < n; i++) {
        int code = items[i]->outcome.code;
        if (code) {
            atomic_fetch_add(code == ERR_CONFLICT ? &s->conflicts : &s->errors, 1);
        }
    }
}

void sqlite_batch(void *engine, struct committer_item **items, size_t n)
{
    struct sqlite_store *s = engine;
    if (!try_batch(s, items, n) && n > 1) {
        /* One that cannot be committed must not take the others with it. */
        for (size_t i = 0; i < n; i++) {
            try_batch(s, items + i, 1);
        }
    }
    count(s, items, n);
}
