/* SPDX-License-Identifier: Apache-2.0 */
/* Terms and index definitions in the sqlite engine. A key's terms stand in its row, sorted, and in
 * the term table; each generation of an index has a number of its own, so that what an older one
 * left behind is never found. */
#include "storage/sqlite_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { SWEEP_TERMS = 128 };

/* ---- a row's terms: for each, the index's number and the term's length (32 bits, little-endian),
 * then the term ---- */

struct term {
    uint32_t index;
    struct str term;
};

static int term_cmp(const struct term *a, const struct term *b)
{
    if (a->index != b->index) {
        return a->index < b->index ? -1 : 1;
    }
    return str_cmp(a->term, b->term);
}

static int term_cmp_void(const void *a, const void *b)
{
    return term_cmp(a, b);
}

static void put32(struct buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        buf_addc(b, (char)(v >> 8 * i));
    }
}

static uint32_t get32(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        v |= (uint32_t)(unsigned char)p[i] << 8 * i;
    }
    return v;
}

/* Takes the first term off *rest. False: there is none. */
static bool term_next(struct str *rest, struct term *ret)
{
    if (rest->len < 8) {
        return false;
    }
    uint32_t len = get32(rest->ptr + 4);
    if (len > rest->len - 8) {
        return false;
    }
    *ret = (struct term){get32(rest->ptr), {rest->ptr + 8, len}};
    *rest = str_skip(*rest, 8 + (size_t)len);
    return true;
}

static const struct sqlite_index *find_index(const struct sqlite_store *s, struct str name)
{
    size_t lo = 0, hi = s->n_indexes;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(s->indexes[mid].name, name);
        if (!c) {
            return &s->indexes[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

struct str sqlite_terms_encode(struct sqlite_store *s, const struct store_op *op)
{
    s->terms.len = 0;
    if (!op->n_terms || !s->n_indexes) {
        return STR_NULL;
    }
    AUTO_FREE struct term *terms = alloc_bytes(op->n_terms * sizeof(struct term));
    size_t n = 0;
    for (size_t i = 0; i < op->n_terms; i++) {
        const struct sqlite_index *x = find_index(s, op->terms[i].index);
        if (x) {
            terms[n++] = (struct term){(uint32_t)x->id, op->terms[i].term};
        }
    }
    qsort(terms, n, sizeof(struct term), term_cmp_void);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || term_cmp(&terms[i - 1], &terms[i])) {
            put32(&s->terms, terms[i].index);
            put32(&s->terms, (uint32_t)terms[i].term.len);
            buf_add(&s->terms, terms[i].term);
        }
    }
    return buf_str(&s->terms);
}

static int term_write(struct sqlite_store *s, enum sqlite_stmt_id id, const struct term *t,
                      struct str key, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, id);
    sqlite_bind_int(st, 1, t->index);
    sqlite_bind(st, 2, t->term);
    sqlite_bind(st, 3, key);
    return sqlite_conn_run(s->writer, st, err);
}

int sqlite_terms_write(struct sqlite_store *s, struct str key, struct str old, struct str now,
                       struct err *err)
{
    if (str_eq(old, now)) {
        return 0;
    }
    struct term a = {0}, b = {0};
    bool has_a = term_next(&old, &a), has_b = term_next(&now, &b);
    int code = 0;
    while (!code && (has_a || has_b)) {
        int c = !has_a ? 1 : !has_b ? -1 : term_cmp(&a, &b);
        if (c < 0) {
            code = term_write(s, SQ_TERM_DELETE, &a, key, err);
        } else if (c > 0) {
            code = term_write(s, SQ_TERM_INSERT, &b, key, err);
        }
        has_a = c <= 0 ? term_next(&old, &a) : has_a;
        has_b = c >= 0 ? term_next(&now, &b) : has_b;
    }
    return code;
}

int sqlite_terms_any(struct sqlite_store *s, const struct store_cmp *c, struct err *err)
{
    const struct sqlite_index *x = find_index(s, c->index);
    if (!x || !x->ready) {
        return SQLITE_TERMS_UNKNOWN;
    }
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_TERM_ANY);
    sqlite_bind(st, 1, c->key);
    sqlite_bind_int(st, 2, x->id);
    sqlite_bind(st, 3, c->term);
    int r = sqlite_conn_step(s->writer, st, err);
    if (r > 0) {
        r = str_starts(sqlite_column(st, 0), c->key);
        sqlite3_reset(st);
    }
    return r;
}

/* ---- definitions ---- */

static struct sqlite_index index_make(int64_t id, struct str name, struct str prefix,
                                      uint64_t generation, bool ready)
{
    char *p = alloc_bytes(name.len + prefix.len);
    memcpy(p, name.ptr ? name.ptr : "", name.len);
    memcpy(p + name.len, prefix.ptr ? prefix.ptr : "", prefix.len);
    return (struct sqlite_index){
        .id = id,
        .name = {p, name.len},
        .prefix = {p + name.len, prefix.len},
        .generation = generation,
        .ready = ready,
    };
}

static void index_free(struct sqlite_index *x)
{
    free((void *)(uintptr_t)x->name.ptr);
}

static void index_add(struct sqlite_store *s, struct sqlite_index x)
{
    size_t at = 0;
    while (at < s->n_indexes && str_cmp(s->indexes[at].name, x.name) < 0) {
        at++;
    }
    s->indexes = alloc_resize(s->indexes, (s->n_indexes + 1) * sizeof(struct sqlite_index));
    memmove(s->indexes + at + 1, s->indexes + at,
            (s->n_indexes - at) * sizeof(struct sqlite_index));
    s->indexes[at] = x;
    s->n_indexes++;
}

static void index_remove(struct sqlite_store *s, const struct sqlite_index *x)
{
    size_t at = (size_t)(x - s->indexes);
    index_free(&s->indexes[at]);
    s->n_indexes--;
    memmove(s->indexes + at, s->indexes + at + 1,
            (s->n_indexes - at) * sizeof(struct sqlite_index));
    s->dead_indexes = true;
}

int sqlite_index_load(struct sqlite_store *s, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_INDEX_LIST);
    int r;
    while ((r = sqlite_conn_step(s->writer, st, err)) > 0) {
        if (sqlite3_column_int(st, 5)) {
            s->dead_indexes = true;
        } else {
            index_add(s, index_make(sqlite3_column_int64(st, 0), sqlite_column(st, 3),
                                    sqlite_column(st, 4), (uint64_t)sqlite3_column_int64(st, 1),
                                    sqlite3_column_int(st, 2)));
        }
    }
    return r ? r : sqlite_meta_get(s->writer, "next_index", &s->next_index, err);
}

void sqlite_index_finish(struct sqlite_store *s)
{
    for (size_t i = 0; i < s->n_indexes; i++) {
        index_free(&s->indexes[i]);
    }
    free(s->indexes);
}

/* Runs a statement whose first parameter is the index's number. */
static int run_on(struct sqlite_store *s, enum sqlite_stmt_id id, int64_t index, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, id);
    sqlite_bind_int(st, 1, index);
    int code = sqlite_conn_run(s->writer, st, err);
    if (code) {
        sqlite_failed(s, s->writer);
    }
    return code;
}

static int insert(struct sqlite_store *s, const struct sqlite_index *x, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_INDEX_INSERT);
    sqlite_bind_int(st, 1, x->id);
    sqlite_bind(st, 2, x->name);
    sqlite_bind(st, 3, x->prefix);
    sqlite_bind_int(st, 4, (int64_t)x->generation);
    sqlite_bind_int(st, 5, x->ready);
    int code = sqlite_conn_run(s->writer, st, err);
    return code ? code : sqlite_meta_set(s->writer, "next_index", x->id + 1, err);
}

/* A change to one index, made on the committer's thread. */
struct definition {
    struct str name, prefix;
    uint64_t generation;
};

static int define_write(struct sqlite_store *s, const struct sqlite_index *old,
                        struct sqlite_index *x, struct err *err)
{
    int any = sqlite_any(s->writer, x->prefix, err);
    if (any < 0) {
        return any;
    }
    x->ready = !any;
    int code = sqlite_begin(s->writer, err);
    if (!code && old) {
        code = run_on(s, SQ_INDEX_DEAD, old->id, err);
    }
    code = code ? code : insert(s, x, err);
    return code ? code : sqlite_commit(s->writer, err);
}

static int define(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    const struct definition *d = arg;
    const struct sqlite_index *old = find_index(s, d->name);
    if (old && old->generation == d->generation && str_eq(old->prefix, d->prefix)) {
        return 0;
    }
    struct sqlite_index x =
        index_make(s->next_index ? s->next_index : 1, d->name, d->prefix, d->generation, false);
    int code = define_write(s, old, &x, err);
    if (code) {
        sqlite_failed(s, s->writer);
        sqlite_rollback(s->writer);
        index_free(&x);
        return code;
    }
    if (old) {
        index_remove(s, old);
    }
    s->next_index = x.id + 1;
    index_add(s, x);
    return 0;
}

int sqlite_index_define(struct store *st, struct str name, struct str prefix, uint64_t generation,
                        struct err *err)
{
    struct sqlite_store *s = (struct sqlite_store *)st;
    struct definition d = {name, prefix, generation};
    return committer_call(&s->committer, define, &d, err);
}

static int built(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    const struct definition *d = arg;
    const struct sqlite_index *x = find_index(s, d->name);
    if (!x) {
        return err_set(err, ERR_NOT_FOUND, "index %.*s is not defined", STR_FMT(d->name));
    }
    if (x->generation != d->generation) {
        return err_set(err, ERR_CONFLICT, "index %.*s has another generation", STR_FMT(d->name));
    }
    int code = run_on(s, SQ_INDEX_READY, x->id, err);
    if (!code) {
        s->indexes[x - s->indexes].ready = true;
    }
    return code;
}

int sqlite_index_built(struct store *st, struct str name, uint64_t generation, struct err *err)
{
    struct sqlite_store *s = (struct sqlite_store *)st;
    struct definition d = {.name = name, .generation = generation};
    return committer_call(&s->committer, built, &d, err);
}

static int drop(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    const struct definition *d = arg;
    const struct sqlite_index *x = find_index(s, d->name);
    if (!x) {
        return 0;
    }
    int code = run_on(s, SQ_INDEX_DEAD, x->id, err);
    if (!code) {
        index_remove(s, x);
    }
    return code;
}

int sqlite_index_drop(struct store *st, struct str name, struct err *err)
{
    struct sqlite_store *s = (struct sqlite_store *)st;
    struct definition d = {.name = name};
    return committer_call(&s->committer, drop, &d, err);
}

/* ---- sweeping ---- */

/* *ret_id: 0 when there is none. */
static int first_dead(struct sqlite_store *s, int64_t *ret_id, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_INDEX_LIST);
    int r = sqlite_conn_step(s->writer, st, err);
    *ret_id = r > 0 && sqlite3_column_int(st, 5) ? sqlite3_column_int64(st, 0) : 0;
    if (r > 0) {
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

static int sweep_terms(struct sqlite_store *s, int64_t id, struct err *err)
{
    sqlite3_stmt *nth = sqlite_conn_stmt(s->writer, SQ_TERM_NTH);
    sqlite_bind_int(nth, 1, id);
    sqlite_bind_int(nth, 2, SWEEP_TERMS);
    int r = sqlite_conn_step(s->writer, nth, err);
    if (r <= 0) {
        r = r ? r : run_on(s, SQ_TERM_DELETE_ALL, id, err);
        return r ? r : run_on(s, SQ_INDEX_DELETE, id, err);
    }
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_TERM_DELETE_BEFORE);
    sqlite_bind_int(st, 1, id);
    sqlite_bind(st, 2, sqlite_column(nth, 0));
    sqlite_bind(st, 3, sqlite_column(nth, 1));
    r = sqlite_conn_run(s->writer, st, err);
    sqlite3_reset(nth);
    return r;
}

int sqlite_index_sweep(struct sqlite_store *s, struct err *err)
{
    int64_t id;
    int code = first_dead(s, &id, err);
    if (code) {
        return code;
    }
    s->dead_indexes = id != 0;
    if (!id) {
        return 0;
    }
    code = sqlite_begin(s->writer, err);
    code = code ? code : sweep_terms(s, id, err);
    code = code ? code : sqlite_commit(s->writer, err);
    if (code) {
        sqlite_rollback(s->writer);
    }
    return code ? code : 1;
}
