/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the full-text index. Each becomes SQL that is put together here from fixed pieces;
 * what users give is bound. */
#include "storage/text_priv.h"

#include "base/cleanup.h"
#include "base/limits.h"

#define SCORE "-bm25(words, 8, 4, 2, 1, 1)"

/* A question on its way to SQL: the documents that it is about. */
struct asking {
    struct text_conn *conn;
    const struct text_query *q;
    struct arena *arena;
    bool words;      /* some are looked for */
    struct buf from; /* FROM and WHERE, with ?n for the n-th of */
    struct str *binds;
    size_t n_binds;
    struct err *err;
};

static void add_bind(struct asking *k, struct str s)
{
    k->binds[k->n_binds++] = s;
    buf_addc(&k->from, '?');
    buf_addi(&k->from, (int64_t)k->n_binds);
}

static void add_any(struct asking *k, const char *column, const struct str *values, size_t n)
{
    buf_printf(&k->from, " AND %s IN (", column);
    for (size_t i = 0; i < n; i++) {
        buf_addz(&k->from, i ? "," : "");
        add_bind(k, values[i]);
    }
    buf_addc(&k->from, ')');
}

static void add_filters(struct asking *k)
{
    const struct text_query *q = k->q;
    add_any(k, "d.type", q->types, q->n_types);
    if (q->ns.ptr) {
        buf_addz(&k->from, " AND d.ns = ");
        add_bind(k, q->ns);
    }
    if (q->n_folders) {
        add_any(k, "d.folder", q->folders, q->n_folders);
    }
    if (q->n_names) {
        add_any(k, "d.name", q->names, q->n_names);
    }
    for (size_t i = 0; i < q->n_tags; i++) {
        buf_addz(&k->from, " AND EXISTS (SELECT 1 FROM value t WHERE t.doc = d.id AND"
                           " t.name = 'tags' AND t.value = ");
        add_bind(k, q->tags[i]);
        buf_addc(&k->from, ')');
    }
}

/* *ret_any: false where nothing can be found. */
static int asking_init(struct asking *k, bool *ret_any)
{
    const struct text_query *q = k->q;
    enum text_meaning meaning;
    AUTO(buf_finish) struct buf expression = {0};
    size_t room = 2 + q->n_types + q->n_folders + q->n_names + q->n_tags;
    int r = text_expression(k->conn, q->words, k->arena, &expression, &meaning, k->err);
    if (r < 0) {
        return r;
    }
    *ret_any = meaning != TEXT_NONE && q->n_types;
    k->words = meaning == TEXT_SOME;
    k->binds = arena_alloc(k->arena, room * sizeof(*k->binds));
    if (k->words) {
        buf_addz(&k->from, " FROM words CROSS JOIN doc d ON d.id = words.rowid WHERE words MATCH ");
        add_bind(k, arena_str(k->arena, buf_str(&expression)));
    } else {
        buf_addz(&k->from, " FROM doc d WHERE true");
    }
    add_filters(k);
    return 0;
}

/* NULL: it could not be prepared. */
static sqlite3_stmt *ask(struct asking *k, const char *what, const char *rest)
{
    AUTO(buf_finish) struct buf text = {0};
    sqlite3_stmt *st = NULL;
    buf_addz(&text, what);
    buf_add(&text, buf_str(&k->from));
    buf_addz(&text, rest);
    sqlite3_prepare_v2(k->conn->db, text.ptr, (int)text.len, &st, NULL);
    for (size_t i = 0; i < k->n_binds; i++) {
        text_bind(st, (int)i + 1, k->binds[i]);
    }
    return st;
}

static int ask_number(struct asking *k, const char *what, const char *rest, int64_t *ret)
{
    sqlite3_stmt *st = ask(k, what, rest);
    int r = text_step(k->conn, st, k->err);
    if (r > 0) {
        *ret = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

/* ---- hits ---- */

static const char *order(const struct asking *k)
{
    bool down = k->q->descending;
    switch (k->q->sort) {
    case TEXT_BY_TITLE:
        return down ? "d.sorted DESC, d.name DESC" : "d.sorted, d.name";
    case TEXT_BY_NAME:
        return down ? "d.name DESC, d.type DESC" : "d.name, d.type";
    case TEXT_BY_CREATED:
        return down ? "d.created DESC, d.name DESC" : "d.created, d.name";
    case TEXT_BY_UPDATED:
        return down ? "d.updated DESC, d.name DESC" : "d.updated, d.name";
    case TEXT_BY_RELEVANCE:
        break;
    }
    return k->words ? "score DESC, d.type DESC, d.sorted, d.name" : "d.type DESC, d.sorted, d.name";
}

static void read_hit(sqlite3_stmt *st, struct arena *a, struct text_hit *h, int64_t *ret_id)
{
    struct str *const texts[] = {&h->key, &h->type, &h->ns, &h->name, &h->folder, &h->title};
    int n = (int)(sizeof(texts) / sizeof(*texts));
    *h = (struct text_hit){0};
    for (int i = 0; i < n; i++) {
        *texts[i] = text_column(st, i, a);
    }
    h->created_us = sqlite3_column_int64(st, n);
    h->updated_us = sqlite3_column_int64(st, n + 1);
    *ret_id = sqlite3_column_int64(st, n + 2);
    h->score = sqlite3_column_double(st, n + 3);
}

static int read_tags(struct asking *k, sqlite3_stmt *st, int64_t id, struct text_hit *h)
{
    struct str tags[LIMIT_TEXT_VALUES];
    size_t n = 0;
    int r = 1;
    if (st) {
        sqlite3_bind_int64(st, 1, id);
    }
    while (n < LIMIT_TEXT_VALUES && (r = text_step(k->conn, st, k->err)) > 0) {
        tags[n++] = text_column(st, 0, k->arena);
    }
    sqlite3_reset(st);
    h->tags = arena_alloc(k->arena, (n + 1) * sizeof(*tags));
    memcpy(h->tags, tags, n * sizeof(*tags));
    h->n_tags = n;
    return r < 0 ? r : 0;
}

static int read_hits(struct asking *k, struct text_found *f)
{
    AUTO(buf_finish) struct buf rest = {0};
    struct text_conn *c = k->conn;
    sqlite3_stmt *tags = NULL;
    int64_t room = k->q->limit < f->total ? k->q->limit : f->total, id;
    int r = 0;
    buf_printf(&rest, " ORDER BY %s LIMIT %lld OFFSET %lld", order(k), (long long)k->q->limit,
               (long long)k->q->offset);
    f->hits = arena_alloc(k->arena, ((size_t)room + 1) * sizeof(*f->hits));
    sqlite3_stmt *st = ask(k,
                           k->words ? "SELECT d.key, d.type, d.ns, d.name, d.folder, d.title,"
                                      " d.created, d.updated, d.id, " SCORE " AS score"
                                    : "SELECT d.key, d.type, d.ns, d.name, d.folder, d.title,"
                                      " d.created, d.updated, d.id, 0",
                           rest.ptr);
    sqlite3_prepare_v2(c->db, "SELECT value FROM value WHERE doc = ?1 AND name = 'tags'", -1, &tags,
                       NULL);
    while (r >= 0 && f->n_hits < (size_t)room && (r = text_step(c, st, k->err)) > 0) {
        struct text_hit *h = &f->hits[f->n_hits++];
        read_hit(st, k->arena, h, &id);
        f->max_score = h->score > f->max_score ? h->score : f->max_score;
        r = read_tags(k, tags, id, h);
    }
    sqlite3_finalize(tags);
    sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

/* ---- facets ---- */

static int read_terms(struct asking *k, sqlite3_stmt *st, struct text_facet *f)
{
    size_t cap = 0, limit = k->q->facet_limit > 0 ? (size_t)k->q->facet_limit : 0;
    int r;
    while ((r = text_step(k->conn, st, k->err)) > 0) {
        int64_t count = sqlite3_column_int64(st, 1);
        f->total += count;
        if (f->n_terms == limit) {
            continue;
        }
        if (f->n_terms == cap) {
            struct text_term *more = arena_alloc(k->arena, (cap * 2 + 16) * sizeof(*more));
            if (cap) {
                memcpy(more, f->terms, cap * sizeof(*more));
            }
            f->terms = more;
            cap = cap * 2 + 16;
        }
        f->terms[f->n_terms++] =
            (struct text_term){.term = text_column(st, 0, k->arena), .count = count};
    }
    return r;
}

static int count_folders(struct asking *k, struct text_facet *f)
{
    sqlite3_stmt *st = ask(k, "SELECT d.folder, count(*) AS n",
                           " AND d.folder <> '' GROUP BY d.folder ORDER BY n DESC, d.folder");
    int r = read_terms(k, st, f);
    sqlite3_finalize(st);
    return r < 0 ? r : ask_number(k, "SELECT count(*)", " AND d.folder = ''", &f->missing);
}

static int count_values(struct asking *k, int64_t found, struct text_facet *f)
{
    struct asking own = *k;
    /* Once more with the values beside each document. */
    own.from = (struct buf){0};
    own.n_binds = k->n_binds;
    buf_addz(&own.from, " FROM (SELECT d.id");
    buf_add(&own.from, buf_str(&k->from));
    buf_printf(&own.from, ") m CROSS JOIN value v ON v.doc = m.id AND v.name = ?%zu",
               own.n_binds + 1);
    own.binds = arena_alloc(k->arena, (own.n_binds + 1) * sizeof(*own.binds));
    memcpy(own.binds, k->binds, k->n_binds * sizeof(*own.binds));
    own.binds[own.n_binds++] = f->name;
    sqlite3_stmt *st =
        ask(&own, "SELECT v.value, count(*) AS n", " GROUP BY v.value ORDER BY n DESC, v.value");
    int r = read_terms(k, st, f);
    sqlite3_finalize(st);
    int64_t having = 0;
    r = r < 0 ? r : ask_number(&own, "SELECT count(DISTINCT m.id)", "", &having);
    f->missing = found - having;
    buf_finish(&own.from);
    return r;
}

static int read_facets(struct asking *k, struct text_found *f)
{
    int r = 0;
    f->facets = arena_zero(k->arena, (k->q->n_facets + 1) * sizeof(*f->facets));
    while (r == 0 && f->n_facets < k->q->n_facets) {
        struct text_facet *each = &f->facets[f->n_facets];
        each->name = k->q->facets[f->n_facets++];
        r = str_is(each->name, "folder") ? count_folders(k, each) : count_values(k, f->total, each);
    }
    return r;
}

/* ---- */

static int find(struct asking *k, struct text_found *f)
{
    int r = ask_number(k, "SELECT count(*)", "", &f->total);
    r = r < 0 ? r : read_hits(k, f);
    return r < 0 ? r : read_facets(k, f);
}

static int find_none(struct asking *k, struct text_found *f)
{
    f->facets = arena_zero(k->arena, (k->q->n_facets + 1) * sizeof(*f->facets));
    for (; f->n_facets < k->q->n_facets; f->n_facets++) {
        f->facets[f->n_facets].name = k->q->facets[f->n_facets];
    }
    return 0;
}

int text_find(struct text *t, const struct text_query *q, struct arena *a, struct text_found *ret,
              struct err *err)
{
    struct asking k = {.q = q, .arena = a, .err = err};
    struct text_found f = {0};
    bool any = false;
    int r = text_reader(t, &k.conn, err);
    if (r < 0) {
        return r;
    }
    r = text_exec(k.conn, "BEGIN", err);
    if (r == 0) {
        r = asking_init(&k, &any);
        r = r < 0 ? r : any ? find(&k, &f) : find_none(&k, &f);
        text_exec(k.conn, "COMMIT", NULL);
    }
    buf_finish(&k.from);
    text_reader_done(t, k.conn);
    if (r == 0) {
        *ret = f;
    }
    return r;
}

static int find_keys(struct asking *k, struct str **ret, size_t *ret_n)
{
    struct str *keys = NULL;
    size_t n = 0, cap = 0;
    int r;
    sqlite3_stmt *st = ask(k, "SELECT d.key", " ORDER BY d.key");
    while ((r = text_step(k->conn, st, k->err)) > 0) {
        if (n == cap) {
            struct str *more = arena_alloc(k->arena, (cap * 2 + 16) * sizeof(*more));
            if (n) {
                memcpy(more, keys, n * sizeof(*more));
            }
            keys = more;
            cap = cap * 2 + 16;
        }
        keys[n++] = text_column(st, 0, k->arena);
    }
    sqlite3_finalize(st);
    if (r == 0) {
        *ret = keys;
        *ret_n = n;
    }
    return r;
}

int text_find_keys(struct text *t, const struct text_query *q, struct arena *a, struct str **ret,
                   size_t *ret_n, struct err *err)
{
    struct asking k = {.q = q, .arena = a, .err = err};
    bool any = false;
    int r = text_reader(t, &k.conn, err);
    if (r < 0) {
        return r;
    }
    r = asking_init(&k, &any);
    if (r == 0 && any) {
        r = find_keys(&k, ret, ret_n);
    } else if (r == 0) {
        *ret = NULL;
        *ret_n = 0;
    }
    buf_finish(&k.from);
    text_reader_done(t, k.conn);
    return r;
}

/* ---- what there is ---- */

int text_position(struct text *t, struct arena *a, struct str *ret_origin, int64_t *ret_rev,
                  struct err *err)
{
    struct text_conn *c;
    sqlite3_stmt *st = NULL;
    int r = text_reader(t, &c, err);
    if (r < 0) {
        return r;
    }
    sqlite3_prepare_v2(c->db, "SELECT origin, rev FROM place", -1, &st, NULL);
    r = text_step(c, st, err);
    if (r >= 0) {
        *ret_origin = r ? text_column(st, 0, a) : STR("");
        *ret_rev = r ? sqlite3_column_int64(st, 1) : 0;
    }
    sqlite3_finalize(st);
    text_reader_done(t, c);
    return r < 0 ? r : 0;
}

int text_types(struct text *t, struct arena *a, struct text_type **ret, size_t *ret_n,
               struct err *err)
{
    struct text_conn *c;
    sqlite3_stmt *st = NULL;
    struct text_type *types = NULL;
    size_t n = 0, cap = 0;
    int r = text_reader(t, &c, err);
    if (r < 0) {
        return r;
    }
    sqlite3_prepare_v2(c->db, "SELECT name, generation, complete FROM type ORDER BY name", -1, &st,
                       NULL);
    while ((r = text_step(c, st, err)) > 0) {
        if (n == cap) {
            struct text_type *more = arena_alloc(a, (cap * 2 + 8) * sizeof(*more));
            if (n) {
                memcpy(more, types, n * sizeof(*more));
            }
            types = more;
            cap = cap * 2 + 8;
        }
        types[n++] = (struct text_type){.name = text_column(st, 0, a),
                                        .generation = (uint64_t)sqlite3_column_int64(st, 1),
                                        .complete = sqlite3_column_int(st, 2) != 0};
    }
    sqlite3_finalize(st);
    text_reader_done(t, c);
    if (r == 0) {
        *ret = types;
        *ret_n = n;
    }
    return r;
}
