/* SPDX-License-Identifier: Apache-2.0 */
/* The sqlite engine as a mirror: loading it, applying what was done elsewhere, indexing what others
 * wrote. */
#include "storage/mirror_priv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/latch.h"
#include "storage/sqlite_priv.h"

enum { INDEX_PAGE = 256 };

struct mirror {
    struct sqlite_store *s;
};

int mirror_open(const struct store_options *o, struct mirror **ret, struct err *err)
{
    struct sqlite_store *s;
    int code = sqlite_open(o, true, &s, err);
    if (code) {
        return code;
    }
    *ret = ALLOC(struct mirror);
    (*ret)->s = s;
    return 0;
}

void mirror_close(struct mirror *m)
{
    if (m) {
        sqlite_close(&m->s->base);
        free(m);
    }
}

struct store *mirror_store(struct mirror *m)
{
    return &m->s->base;
}

/* ---- loading, on the committer's thread ---- */

struct load {
    const struct store_entry *entries;
    size_t n;
    int64_t rev, floor;
};

/* Several keys of one transaction have one revision: the next place in it. */
static int next_id(struct sqlite_store *s, int64_t rev, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_LAST_OF);
    sqlite_bind_int(st, 1, sqlite_id(rev, 0));
    sqlite_bind_int(st, 2, sqlite_id(rev + 1, 0) - 1);
    int64_t last = 0;
    int code = sqlite_conn_int(s->writer, st, &last, err);
    *ret = last ? last + 1 : sqlite_id(rev, 0);
    return code;
}

static int load_one(struct sqlite_store *s, const struct store_entry *e, struct err *err)
{
    int64_t id;
    int code = next_id(s, e->rev, &id, err);
    if (code) {
        return code;
    }
    s->n_keys++;
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_LOG_INSERT);
    sqlite_bind_int(st, 1, id);
    sqlite_bind_int(st, 2, SQ_OP_CREATE);
    sqlite_bind_int(st, 3, 0);
    sqlite_bind_int(st, 4, e->create_rev);
    sqlite_bind_int(st, 5, (int64_t)e->stamp);
    sqlite_bind_int(st, 6, s->n_keys);
    sqlite_bind(st, 7, STR_NULL);
    sqlite_bind(st, 8, e->key);
    sqlite_bind(st, 9, STR_NULL);
    sqlite_bind(st, 10, e->value);
    code = sqlite_conn_run(s->writer, st, err);
    st = sqlite_conn_stmt(s->writer, SQ_CURRENT_INSERT);
    sqlite_bind(st, 1, e->key);
    sqlite_bind_int(st, 2, id);
    return code ? code : sqlite_conn_run(s->writer, st, err);
}

static int load_page(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    const struct load *l = arg;
    int code = sqlite_begin(s->writer, err);
    for (size_t i = 0; i < l->n && !code; i++) {
        code = load_one(s, &l->entries[i], err);
    }
    code = code ? code : sqlite_commit(s->writer, err);
    if (code) {
        sqlite_rollback(s->writer);
    }
    return code;
}

int mirror_load(struct mirror *m, const struct store_entry *entries, size_t n, struct err *err)
{
    struct load l = {.entries = entries, .n = n};
    return committer_call(&m->s->committer, load_page, &l, err);
}

static int load_end(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    const struct load *l = arg;
    /* The last row tells how many keys there are. */
    AUTO_FREE char *fix = alloc_printf(
        "UPDATE log SET keys = %" PRId64 " WHERE id = (SELECT max(id) FROM log)", s->n_keys);
    int64_t compacted = sqlite_id(l->rev + 1, 0) - 1;
    int code = sqlite_begin(s->writer, err);
    code = code ? code : sqlite_conn_exec(s->writer, fix, err);
    code = code ? code : sqlite_meta_set(s->writer, "present", l->rev, err);
    code = code ? code : sqlite_meta_set(s->writer, "floor", l->floor, err);
    code = code ? code : sqlite_meta_set(s->writer, "compacted", compacted, err);
    code = code ? code : sqlite_commit(s->writer, err);
    if (code) {
        sqlite_rollback(s->writer);
        return code;
    }
    s->rev = l->rev;
    s->compacted = compacted;
    s->floor_stored = l->floor;
    horizon_raise(&s->horizon, l->floor, l->rev);
    atomic_store(&s->keys, (uint64_t)s->n_keys);
    atomic_store(&s->revision, s->rev);
    return 0;
}

int mirror_loaded(struct mirror *m, int64_t rev, int64_t floor, struct err *err)
{
    struct load l = {.rev = rev, .floor = floor};
    return committer_call(&m->s->committer, load_end, &l, err);
}

/* ---- following ---- */

struct listener {
    store_commit_fn *fn;
    void *arg;
};

static int listen_to(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    const struct listener *l = arg;
    (void)err;
    s->on_commit = l->fn;
    s->on_commit_arg = l->arg;
    return 0;
}

void mirror_on_commit(struct mirror *m, store_commit_fn *fn, void *arg)
{
    struct listener l = {fn, arg};
    committer_call(&m->s->committer, listen_to, &l, NULL);
}

void mirror_apply(struct mirror *m, const struct store_txn *t, int64_t from, int64_t rev,
                  store_done_fn *done, void *arg)
{
    committer_apply(&m->s->committer, t, from, rev, done, arg);
}

void mirror_restamp(struct mirror *m, const struct store_txn *t, int64_t rev, store_done_fn *done,
                    void *arg)
{
    committer_apply(&m->s->committer, t, -1, rev, done, arg);
}

void mirror_raise(struct mirror *m, int64_t floor)
{
    horizon_raise(&m->s->horizon, floor, m->s->rev);
}

void mirror_run(struct mirror *m, store_done_fn *done, void *arg)
{
    static const struct store_txn nothing;
    committer_apply(&m->s->committer, &nothing, -1, 1, done, arg);
}

/* ---- indexes ---- */

/* A page of keys whose terms are to be written: the values are read at one revision, and a key
 * changed since has its terms by that change. */
struct page {
    struct arena arena;
    store_terms_fn *terms;
    void *arg;
    struct store_op ops[INDEX_PAGE];
    struct store_term *list; /* of the key at hand */
    size_t n, n_seen, n_list;
    struct str next; /* the key after the last one seen */
};

static void add_term(void *to, const struct store_term *t)
{
    struct page *p = to;
    struct store_term *grown = arena_alloc(&p->arena, (p->n_list + 1) * sizeof(*grown));
    if (p->n_list) {
        memcpy(grown, p->list, p->n_list * sizeof(*grown));
    }
    grown[p->n_list++] =
        (struct store_term){arena_str(&p->arena, t->index), arena_str(&p->arena, t->term)};
    p->list = grown;
}

static int take_key(void *arg, const struct store_entry *e)
{
    struct page *p = arg;
    p->n_list = 0;
    p->terms(p->arg, e->key, e->value, add_term, p);
    if (p->n_list) {
        p->ops[p->n++] = (struct store_op){
            .kind = STORE_OP_RESTAMP,
            .key = arena_str(&p->arena, e->key),
            .value = blob_create(e->value),
            .stamp = e->stamp,
            .terms = p->list,
            .n_terms = p->n_list,
        };
    }
    p->n_seen++;
    /* Its own bytes and a NUL: the first key after it. */
    struct str key = arena_str(&p->arena, e->key);
    p->next = str_make(key.len ? key.ptr : "", key.len + 1);
    return 0;
}

struct waiter {
    struct latch latch;
    int code;
};

static void waiter_done(void *arg, const struct store_outcome *o)
{
    struct waiter *w = arg;
    w->code = o->code;
    latch_open(&w->latch);
}

static int restamp_wait(struct mirror *m, const struct page *p, int64_t rev, struct err *err)
{
    struct store_txn t = {.ops = p->ops, .n_ops = p->n};
    struct waiter w = {.code = 0};
    latch_init(&w.latch);
    mirror_restamp(m, &t, rev, waiter_done, &w);
    latch_wait(&w.latch);
    return w.code ? err_set(err, w.code, "the index could not be written") : 0;
}

/* *r moves on to what follows the page. */
static int index_page(struct mirror *m, struct page *p, struct store_range *r, bool *ret_more,
                      struct err *err)
{
    int64_t rev = 0;
    p->n = p->n_seen = 0;
    int code = store_range(&m->s->base, r, take_key, p, &rev, ret_more, err);
    if (!code && p->n) {
        code = restamp_wait(m, p, rev, err);
    }
    for (size_t i = 0; i < p->n; i++) {
        blob_unref(p->ops[i].value);
    }
    r->from = p->next;
    return code;
}

static int index_build(struct mirror *m, struct str prefix, store_terms_fn *terms, void *arg,
                       struct err *err)
{
    AUTO_FREE struct page *p = ALLOC(struct page);
    AUTO(buf_finish) struct buf from = {0};
    struct store_range r = {.prefix = prefix, .limit = INDEX_PAGE};
    bool more = true;
    int code = 0;
    p->terms = terms;
    p->arg = arg;
    arena_init(&p->arena, 0);
    while (more && !code) {
        code = index_page(m, p, &r, &more, err);
        from.len = 0;
        buf_add(&from, p->next);
        r.from = buf_str(&from);
        arena_finish(&p->arena);
    }
    return code;
}

int mirror_index_define(struct mirror *m, struct str index, struct str prefix, uint64_t generation,
                        store_terms_fn *terms, void *arg, struct err *err)
{
    struct store *s = &m->s->base;
    int code = store_index_define(s, index, prefix, generation, err);
    if (code || !terms || store_index_ready(s, index)) {
        return code;
    }
    code = index_build(m, prefix, terms, arg, err);
    return code ? code : store_index_built(s, index, generation, err);
}
