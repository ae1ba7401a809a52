/* SPDX-License-Identifier: Apache-2.0 */
/* Terms of an index in order, in the sqlite engine: the keys of each, or how many they are. What a
 * generation of an index left behind has another number, so two statements need no snapshot. */
#include "storage/sqlite_priv.h"

/* Who is given what is found: one of the two. */
struct visitor {
    store_walk_fn *key;
    store_tally_fn *tally;
    void *arg;
};

/* *ret_id: 0 unless it is ready to be used. */
static int find_index(struct sqlite_conn *c, struct str name, int64_t *ret_id, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_INDEX);
    sqlite_bind(st, 1, name);
    int r = sqlite_conn_step(c, st, err);
    *ret_id = r > 0 && sqlite3_column_int(st, 1) ? sqlite3_column_int64(st, 0) : 0;
    if (r > 0) {
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

static int visit_terms(struct sqlite_conn *c, sqlite3_stmt *st, const struct visitor *to,
                       struct err *err)
{
    int r;
    while ((r = sqlite_conn_step(c, st, err)) > 0) {
        struct str term = sqlite_column(st, 0);
        int v = to->key ? to->key(to->arg, term, sqlite_column(st, 1))
                        : to->tally(to->arg, term, sqlite3_column_int64(st, 1));
        if (v) {
            return v < 0 ? store_visit_failed(err, v) : 0;
        }
    }
    return r;
}

static int walk_index(struct sqlite_conn *c, const struct store_walk *w, const struct visitor *to,
                      struct err *err)
{
    int64_t id = 0;
    int code = find_index(c, w->index, &id, err);
    if (code || !id) {
        return code ? code : store_walk_unready(err, w->index);
    }
    sqlite3_stmt *terms = sqlite_conn_stmt(c, to->key ? SQ_WALK : SQ_TALLY);
    sqlite_bind_int(terms, 1, id);
    sqlite_bind(terms, 2, w->least);
    sqlite_bind(terms, 3, w->greatest);
    if (to->key) {
        sqlite_bind(terms, 4, w->after.ptr ? w->after : STR(""));
    }
    code = visit_terms(c, terms, to, err);
    if (terms) {
        sqlite3_reset(terms);
    }
    return code;
}

static int walk(struct store *st, const struct store_walk *w, const struct visitor *to,
                struct err *err)
{
    struct sqlite_store *s = (struct sqlite_store *)st;
    struct sqlite_conn *c;
    int code = sqlite_reader_take(s, &c, err);
    if (code) {
        return code;
    }
    code = walk_index(c, w, to, err);
    sqlite_reader_give(s, c);
    return code;
}

int sqlite_index_walk(struct store *st, const struct store_walk *w, store_walk_fn *visit, void *arg,
                      struct err *err)
{
    const struct visitor to = {.key = visit, .arg = arg};
    return walk(st, w, &to, err);
}

int sqlite_index_tally(struct store *st, const struct store_walk *w, store_tally_fn *visit,
                       void *arg, struct err *err)
{
    const struct visitor to = {.tally = visit, .arg = arg};
    return walk(st, w, &to, err);
}
