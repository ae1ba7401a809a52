/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the full-text index: what is asked becomes a set of matches (text_match.c), of which
 * a part is shown (text_order.c) and all are counted (text_facets.c), each from the same state of
 * the file. Nothing that users give becomes SQL. */
#include "storage/text_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum {
    LOOK_UP = 2000
}; /* steps of SQLite's between two looks whether the answer is still wanted */

/* ---- beginning ---- */

static int should_stop(void *arg)
{
    const struct text_query *q = arg;
    return (q->until_ns && clock_mono_ns() > q->until_ns) ||
           (q->is_given_up && q->is_given_up(q->arg));
}

static int compare_scopes(const void *x, const void *y)
{
    int64_t a = ((const struct text_scope *)x)->id, b = ((const struct text_scope *)y)->id;
    return (a > b) - (a < b);
}

static void add_scope(struct text_asking *k, sqlite3_stmt *st, size_t *cap)
{
    if (k->n_scopes == *cap) {
        struct text_scope *more = arena_alloc(k->arena, (*cap * 2 + 4) * sizeof(*more));
        if (k->n_scopes) {
            memcpy(more, k->scopes, k->n_scopes * sizeof(*more));
        }
        k->scopes = more;
        *cap = *cap * 2 + 4;
    }
    k->scopes[k->n_scopes++] = (struct text_scope){.id = sqlite3_column_int64(st, 0),
                                                   .n = sqlite3_column_int64(st, 1),
                                                   .type = text_column(st, 2, k->arena),
                                                   .ns = text_column(st, 3, k->arena),
                                                   .prefix = text_column(st, 4, k->arena)};
}

static bool is_before(const struct text_query *q, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (str_eq(q->types[i], q->types[j])) {
            return true;
        }
    }
    return false;
}

static int read_scopes(struct text_asking *k)
{
    const struct text_query *q = k->q;
    size_t cap = 0;
    int r = 0;
    sqlite3_stmt *st =
        text_prepare(k, q->ns.ptr ? "SELECT id, n, type, ns, prefix FROM scope WHERE type = ?1"
                                    " AND ns = ?2"
                                  : "SELECT id, n, type, ns, prefix FROM scope WHERE type = ?1");
    for (size_t i = 0; r == 0 && i < q->n_types; i++) {
        text_bind(st, 1, q->types[i]);
        if (q->ns.ptr) {
            text_bind(st, 2, q->ns);
        }
        while (!is_before(q, i) && (r = text_step(k->conn, st, k->err)) > 0) {
            add_scope(k, st, &cap);
        }
    }
    sqlite3_finalize(st);
    if (k->n_scopes) {
        qsort(k->scopes, k->n_scopes, sizeof(*k->scopes), compare_scopes);
    }
    return r;
}

static int read_there(struct text_asking *k)
{
    sqlite3_stmt *st = text_prepare(k, "SELECT sum(n), sum(bytes) FROM scope");
    int r = text_step(k->conn, st, k->err);
    if (r > 0) {
        k->there = sqlite3_column_int64(st, 0);
        k->ranking.average = sqlite3_column_double(st, 1) / (double)(k->there ? k->there : 1);
        k->ranking.average = k->ranking.average > 1 ? k->ranking.average : 1;
    }
    sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

/* *ret_any: false where nothing can be found. */
static int begin(struct text_asking *k, bool *ret_any)
{
    const struct text_query *q = k->q;
    enum text_meaning meaning = TEXT_NONE;
    AUTO(buf_finish) struct buf expression = {0};
    int r =
        text_expression(k->conn, q->words, k->arena, &expression, &k->ranking, &meaning, k->err);
    r = r < 0 ? r : read_scopes(k);
    r = r < 0 ? r : read_there(k);
    k->conn->ranking = &k->ranking;
    k->expression = expression.len ? arena_str(k->arena, buf_str(&expression)) : STR("");
    k->filtered = q->n_folders || q->n_names || q->n_tags;
    *ret_any = meaning != TEXT_NONE && k->n_scopes;
    return r;
}

/* ---- hits ---- */

/* What is asked of each hit. */
struct showing {
    sqlite3_stmt *hit, *tags;
};

static int read_tags(struct text_asking *k, sqlite3_stmt *st, int64_t id, struct text_hit *h)
{
    struct str tags[LIMIT_TEXT_VALUES];
    size_t n = 0;
    int r = 1;
    text_bind_int(st, 1, id);
    while (n < LIMIT_TEXT_VALUES && (r = text_step(k->conn, st, k->err)) > 0) {
        tags[n++] = text_column(st, 0, k->arena);
    }
    sqlite3_reset(st);
    h->tags = arena_alloc(k->arena, (n + 1) * sizeof(*tags));
    memcpy(h->tags, tags, n * sizeof(*tags));
    h->n_tags = n;
    return r < 0 ? r : 0;
}

static void read_hit(sqlite3_stmt *st, struct arena *a, struct text_hit *h)
{
    struct str *const texts[] = {&h->name, &h->type, &h->ns, &h->key, &h->folder, &h->title};
    int n = (int)(sizeof(texts) / sizeof(*texts));
    for (int i = 0; i < n; i++) {
        *texts[i] = text_column(st, i, a);
    }
    h->created_us = sqlite3_column_int64(st, n);
    h->updated_us = sqlite3_column_int64(st, n + 1);
}

static int show(struct text_asking *k, const struct showing *s, const struct text_match *m,
                struct text_hit *h)
{
    *h = (struct text_hit){.score = m->score};
    text_bind_int(s->hit, 1, m->id);
    int r = text_step(k->conn, s->hit, k->err);
    if (r == 0) {
        return err_set(k->err, ERR_CORRUPT, "the full-text index lacks a document");
    }
    if (r > 0) {
        read_hit(s->hit, k->arena, h);
        sqlite3_reset(s->hit);
        r = read_tags(k, s->tags, m->id, h);
    }
    return r;
}

static int show_hits(struct text_asking *k, struct text_found *f)
{
    struct text_match *window = NULL;
    size_t n = 0;
    int r = text_window(k, &window, &n);
    const struct showing s = {
        text_prepare(k, "SELECT d.name, p.type, p.ns, p.prefix || d.name, ifnull(t.value, ''),"
                        " s.title, d.created, d.updated FROM doc d CROSS JOIN shown s ON s.id ="
                        " d.id CROSS JOIN scope p ON p.id = d.scope"
                        " LEFT JOIN term t ON t.id = d.folder WHERE d.id = ?1"),
        text_prepare(k, "SELECT t.value FROM value v CROSS JOIN term t ON t.id = v.term"
                        " WHERE v.doc = ?1 AND t.name = 'tags' ORDER BY t.value")};
    f->hits = arena_alloc(k->arena, (n + 1) * sizeof(*f->hits));
    while (r == 0 && f->n_hits < n) {
        struct text_hit *h = &f->hits[f->n_hits];
        r = show(k, &s, &window[f->n_hits++], h);
        f->max_score = h->score > f->max_score ? h->score : f->max_score;
    }
    sqlite3_finalize(s.hit);
    sqlite3_finalize(s.tags);
    return r;
}

/* ---- */

static int make_facets(struct text_asking *k, struct text_found *f)
{
    if (k->q->n_facets > LIMIT_TEXT_FACETS) {
        return err_set(k->err, ERR_BAD_REQUEST, "there may be %d facets at most",
                       LIMIT_TEXT_FACETS);
    }
    f->facets = arena_zero(k->arena, (k->q->n_facets + 1) * sizeof(*f->facets));
    for (; f->n_facets < k->q->n_facets; f->n_facets++) {
        f->facets[f->n_facets].name = k->q->facets[f->n_facets];
    }
    return 0;
}

static int find(struct text_asking *k, struct text_found *f)
{
    bool every = text_is_ordered(k);
    k->names = k->q->sort == TEXT_BY_NAME || k->q->sort == TEXT_BY_CREATED ||
               k->q->sort == TEXT_BY_UPDATED;
    int r = every ? 0 : text_match(k);
    f->total = every ? text_everything(k) : (int64_t)k->n;
    /* Facets first: they want the matches in the order they are in. */
    r = r < 0 ? r : text_count_facets(k, f->facets, f->n_facets);
    return r < 0 ? r : show_hits(k, f);
}

static int compare_keys(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static int find_keys(struct text_asking *k, struct str **ret, size_t *ret_n)
{
    AUTO(buf_finish) struct buf key = {0};
    k->names = true;
    int r = text_match(k);
    struct str *keys = arena_alloc(k->arena, (k->n + 1) * sizeof(*keys));
    for (size_t i = 0; r == 0 && i < k->n; i++) {
        key.len = 0;
        buf_add(&key, k->scopes[k->found[i].scope].prefix);
        buf_add(&key, k->found[i].name);
        keys[i] = arena_str(k->arena, buf_str(&key));
    }
    if (r == 0) {
        qsort(keys, k->n, sizeof(*keys), compare_keys);
        *ret = keys;
        *ret_n = k->n;
    }
    return r;
}

/* What both questions are asked with. */
static int open_asking(struct text *t, struct text_asking *k, bool *ret_any)
{
    int r = text_reader(t, &k->conn, k->err);
    if (r < 0) {
        return r;
    }
    sqlite3_progress_handler(k->conn->db, LOOK_UP, should_stop, (void *)(uintptr_t)k->q);
    r = text_exec(k->conn, "BEGIN", k->err);
    return r < 0 ? r : begin(k, ret_any);
}

static void close_asking(struct text *t, struct text_asking *k)
{
    if (!k->conn) {
        return;
    }
    sqlite3_progress_handler(k->conn->db, 0, NULL, NULL);
    if (!sqlite3_get_autocommit(k->conn->db)) {
        text_exec(k->conn, "COMMIT", NULL);
    }
    k->conn->ranking = NULL;
    free(k->found);
    text_reader_done(t, k->conn);
}

int text_find(struct text *t, const struct text_query *q, struct arena *a, struct text_found *ret,
              struct err *err)
{
    struct text_asking k = {.q = q, .arena = a, .err = err};
    struct text_found f = {0};
    bool any = false;
    int r = make_facets(&k, &f);
    r = r < 0 ? r : open_asking(t, &k, &any);
    r = r < 0 || !any ? r : find(&k, &f);
    close_asking(t, &k);
    if (r == 0) {
        *ret = f;
    }
    return r;
}

int text_find_keys(struct text *t, const struct text_query *q, struct arena *a, struct str **ret,
                   size_t *ret_n, struct err *err)
{
    struct text_asking k = {.q = q, .arena = a, .err = err};
    bool any = false;
    int r = open_asking(t, &k, &any);
    if (r == 0 && any) {
        r = find_keys(&k, ret, ret_n);
    } else if (r == 0) {
        *ret = NULL;
        *ret_n = 0;
    }
    close_asking(t, &k);
    return r;
}
