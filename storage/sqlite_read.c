/* SPDX-License-Identifier: Apache-2.0 */
/* Reading in the sqlite engine. A read takes an idle connection and keeps the statement PIN open
 * while it lasts: that is its snapshot, whose revision PIN's row tells. */
#include "storage/sqlite_priv.h"

#include "base/cleanup.h"

/* How many rows of the log are looked at for a change under a prefix before the keys are looked at
 * instead. */
enum { LOG_LOOK = 4096 };

static struct sqlite_store *self(struct store *s)
{
    return (struct sqlite_store *)s;
}

/* ---- snapshots ---- */

struct snapshot {
    struct sqlite_store *s;
    struct sqlite_conn *c;
    sqlite3_stmt *pin;
    int64_t rev; /* of the newest change in it */
};

static void snapshot_end(struct snapshot *n)
{
    if (n->c) {
        sqlite3_reset(n->pin);
        sqlite_reader_give(n->s, n->c);
        n->c = NULL;
    }
}

static int snapshot_begin(struct snapshot *n, struct sqlite_store *s, struct err *err)
{
    *n = (struct snapshot){.s = s};
    int r = sqlite_reader_take(s, &n->c, err);
    if (r) {
        return r;
    }
    n->pin = sqlite_conn_stmt(n->c, SQ_PIN);
    r = sqlite_conn_step(n->c, n->pin, err);
    if (r <= 0) {
        snapshot_end(n);
        return r ? r : err_set(err, ERR_CORRUPT, "the log has no end");
    }
    int64_t id = sqlite3_column_int64(n->pin, 0);
    n->rev = id ? sqlite_id_rev(id) : STORE_FIRST_REVISION;
    return 0;
}

/* A snapshot in which revision at (0: the newest, which *at is set to) can be read. The floor is
 * looked at once the snapshot stands: what was deleted in it, the floor had been raised over. */
static int snapshot_at(struct snapshot *n, struct sqlite_store *s, int64_t *at, struct err *err)
{
    int code = snapshot_begin(n, s, err);
    if (!code && *at) {
        code = horizon_check(&s->horizon, *at, n->rev, err);
    }
    if (code) {
        snapshot_end(n);
    } else if (!*at) {
        *at = n->rev;
    }
    return code;
}

/* ---- rows ---- */

/* Columns 0 to 3. */
static struct store_entry row_entry(sqlite3_stmt *st, struct str key)
{
    return (struct store_entry){
        .key = key,
        .value = sqlite_column(st, 3),
        .rev = sqlite_id_rev(sqlite3_column_int64(st, 0)),
        .create_rev = sqlite3_column_int64(st, 1),
        .stamp = (uint64_t)sqlite3_column_int64(st, 2),
    };
}

static int no_row(struct err *err, int64_t id)
{
    return err_set(err, ERR_CORRUPT, "row %lld of the log is missing", (long long)id);
}

/* Finds the row that was current at `at`, from the row that is now, by the links between a key's
 * rows. 1 with ROW standing on it; 0: the key did not exist. */
static int row_at(struct sqlite_conn *c, int64_t id, int64_t at, sqlite3_stmt **ret,
                  struct err *err)
{
    bool live = id > 0;
    if (!live && sqlite_id_rev(id) <= at) {
        return 0;
    }
    id = live ? id : -id;
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_LINK);
    while (id && sqlite_id_rev(id) > at) {
        sqlite_bind_int(st, 1, id);
        int r = sqlite_conn_step(c, st, err);
        if (r <= 0) {
            return r ? r : no_row(err, id);
        }
        id = sqlite3_column_int64(st, 0);
        live = false;
        sqlite3_reset(st);
    }
    if (!id) {
        return 0;
    }
    st = sqlite_conn_stmt(c, SQ_ROW);
    sqlite_bind_int(st, 1, id);
    int r = sqlite_conn_step(c, st, err);
    if (r <= 0) {
        /* A deletion beneath the floor may be gone; what exists may not. */
        return r == 0 && live ? no_row(err, id) : r;
    }
    if (sqlite3_column_int(st, 4) == SQ_OP_REMOVE) {
        sqlite3_reset(st);
        return 0;
    }
    *ret = st;
    return 1;
}

/* ---- get ---- */

static int find_row(struct snapshot *n, struct str key, int64_t at, sqlite3_stmt **ret,
                    struct err *err)
{
    bool now = at == n->rev;
    sqlite3_stmt *st = sqlite_conn_stmt(n->c, now ? SQ_GET : SQ_FIND);
    sqlite_bind(st, 1, key);
    int r = sqlite_conn_step(n->c, st, err);
    if (r <= 0 || now) {
        *ret = st;
        return r;
    }
    int64_t id = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return row_at(n->c, id, at, ret, err);
}

/* What a statement has for a key goes to the caller. */
static void take_row(sqlite3_stmt *row, struct str key, struct blob **ret_value,
                     struct store_entry *ret_entry)
{
    *ret_entry = row_entry(row, key);
    *ret_value = blob_create(ret_entry->value);
    ret_entry->value = blob_str(*ret_value);
    sqlite3_reset(row);
}

static int no_key(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "the store has no such key");
}

/* The newest, without a need to know of which snapshot: one statement. */
static int get_now(struct sqlite_store *s, struct str key, struct blob **ret_value,
                   struct store_entry *ret_entry, struct err *err)
{
    struct sqlite_conn *c;
    int r = sqlite_reader_take(s, &c, err);
    if (r) {
        return r;
    }
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_GET);
    sqlite_bind(st, 1, key);
    r = sqlite_conn_step(c, st, err);
    if (r > 0) {
        take_row(st, key, ret_value, ret_entry);
    } else if (r == 0) {
        r = no_key(err);
    }
    sqlite_reader_give(s, c);
    return r > 0 ? 0 : r;
}

static int get_at(struct sqlite_store *s, struct str key, int64_t at, struct blob **ret_value,
                  struct store_entry *ret_entry, int64_t *ret_now, struct err *err)
{
    struct snapshot n;
    int r = snapshot_at(&n, s, &at, err);
    if (r) {
        return r;
    }
    sqlite3_stmt *row;
    r = find_row(&n, key, at, &row, err);
    if (r > 0) {
        take_row(row, key, ret_value, ret_entry);
    } else if (r == 0) {
        r = no_key(err);
    }
    *ret_now = at;
    snapshot_end(&n);
    return r > 0 ? 0 : r;
}

int sqlite_get(struct store *st, struct str key, int64_t at, struct blob **ret_value,
               struct store_entry *ret_entry, int64_t *ret_now, struct err *err)
{
    struct sqlite_store *s = self(st);
    bool any = !at && !ret_now, again = false;
    if (any && sqlite_cache_get(s->cache, key, ret_value, ret_entry, &again)) {
        return 0;
    }
    if (any && !again) {
        return get_now(s, key, ret_value, ret_entry, err);
    }
    int64_t now = 0;
    int r = get_at(s, key, at, ret_value, ret_entry, &now, err);
    if (ret_now && now) {
        *ret_now = now;
    }
    if (!r && any) {
        sqlite_cache_fill(s->cache, *ret_value, ret_entry, now);
    }
    return r;
}

/* ---- ranges ---- */

/* A walk over the keys of a range in one snapshot. */
struct walk {
    struct snapshot n;
    const struct store_range *r;
    int64_t at;
    int64_t index;            /* by this index's terms; 0: by key */
    sqlite3_stmt *keys, *row; /* row: of an old revision, to be reset before the next */
    struct store_entry e;
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

static struct str first_key(const struct store_range *r)
{
    return str_cmp(r->from, r->prefix) > 0 ? r->from : r->prefix;
}

static enum sqlite_stmt_id walk_stmt(const struct walk *w)
{
    bool keys_only = w->r->keys_only;
    if (w->at != w->n.rev) {
        return SQ_RANGE_ALL;
    }
    if (w->index) {
        return keys_only ? SQ_RANGE_TERM_KEYS : SQ_RANGE_TERM;
    }
    return keys_only ? SQ_RANGE_KEYS : SQ_RANGE;
}

static void walk_end(struct walk *w)
{
    if (w->row) {
        sqlite3_reset(w->row);
    }
    if (w->keys) {
        sqlite3_reset(w->keys);
    }
    snapshot_end(&w->n);
}

static int walk_begin(struct walk *w, struct sqlite_store *s, const struct store_range *r,
                      struct err *err)
{
    *w = (struct walk){.r = r, .at = r->at};
    int code = snapshot_at(&w->n, s, &w->at, err);
    if (code) {
        return code;
    }
    if (r->index.ptr && w->at == w->n.rev) {
        code = find_index(w->n.c, r->index, &w->index, err);
        if (code) {
            walk_end(w);
            return code;
        }
    }
    w->keys = sqlite_conn_stmt(w->n.c, walk_stmt(w));
    sqlite_bind(w->keys, 1, first_key(r));
    if (w->index) {
        sqlite_bind_int(w->keys, 2, w->index);
        sqlite_bind(w->keys, 3, r->term);
    }
    return 0;
}

/* 1 with w->e filled, 0 at the end. */
static int walk_next_now(struct walk *w, struct err *err)
{
    int r = sqlite_conn_step(w->n.c, w->keys, err);
    if (r <= 0) {
        return r;
    }
    struct str key = sqlite_column(w->keys, 4);
    if (!str_starts(key, w->r->prefix)) {
        return 0;
    }
    w->e = row_entry(w->keys, key);
    return 1;
}

static int walk_next_old(struct walk *w, struct err *err)
{
    for (;;) {
        if (w->row) {
            sqlite3_reset(w->row);
            w->row = NULL;
        }
        int r = sqlite_conn_step(w->n.c, w->keys, err);
        if (r <= 0) {
            return r;
        }
        struct str key = sqlite_column(w->keys, 0);
        if (!str_starts(key, w->r->prefix)) {
            return 0;
        }
        r = row_at(w->n.c, sqlite3_column_int64(w->keys, 1), w->at, &w->row, err);
        if (r > 0) {
            w->e = row_entry(w->row, key);
        }
        if (r) {
            return r;
        }
    }
}

static int walk_next(struct walk *w, struct err *err)
{
    int r = w->at == w->n.rev ? walk_next_now(w, err) : walk_next_old(w, err);
    if (r > 0 && w->r->keys_only) {
        w->e.value = STR_NULL;
    }
    return r;
}

/* Visits; 0 or an error. */
static int walk_visit(struct walk *w, store_visit_fn *visit, void *arg, bool *ret_more,
                      struct err *err)
{
    size_t taken = 0;
    bool stop = false;
    int r;
    *ret_more = false;
    while ((r = walk_next(w, err)) > 0) {
        if (stop || (w->r->limit && taken == w->r->limit)) {
            *ret_more = true;
            return 0;
        }
        int v = visit(arg, &w->e);
        if (v < 0) {
            return store_visit_failed(err, v);
        }
        if (v == STORE_STOP_BEFORE) {
            *ret_more = true;
            return 0;
        }
        stop = v == STORE_STOP;
        taken++;
    }
    return r;
}

int sqlite_range(struct store *st, const struct store_range *r, store_visit_fn *visit, void *arg,
                 int64_t *ret_at, bool *ret_more, struct err *err)
{
    struct walk w;
    bool more;
    int code = walk_begin(&w, self(st), r, err);
    if (code) {
        return code;
    }
    code = walk_visit(&w, visit, arg, &more, err);
    walk_end(&w);
    if (!code && ret_at) {
        *ret_at = w.at;
    }
    if (!code && ret_more) {
        *ret_more = more;
    }
    return code;
}

/* The first key after all that begin with the prefix, in *b. False: there is none. */
static bool prefix_end(struct str prefix, struct buf *b)
{
    buf_add(b, prefix);
    while (b->len && (unsigned char)b->ptr[b->len - 1] == 0xff) {
        b->len--;
    }
    if (!b->len) {
        return false;
    }
    b->ptr[b->len - 1]++;
    return true;
}

static int count_now(struct walk *w, int64_t *ret, struct err *err)
{
    AUTO(buf_finish) struct buf end = {0};
    bool bounded = prefix_end(w->r->prefix, &end);
    struct sqlite_conn *c = w->n.c;
    sqlite3_stmt *st = sqlite_conn_stmt(c, bounded ? SQ_COUNT : SQ_COUNT_OPEN);
    sqlite_bind(st, 1, first_key(w->r));
    if (bounded) {
        sqlite_bind(st, 2, buf_str(&end));
    }
    int r = sqlite_conn_step(c, st, err);
    if (r > 0) {
        *ret = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

/* Only a key that was changed since needs to be looked up. */
static int count_old(struct walk *w, int64_t *ret, struct err *err)
{
    int r;
    while ((r = sqlite_conn_step(w->n.c, w->keys, err)) > 0) {
        if (!str_starts(sqlite_column(w->keys, 0), w->r->prefix)) {
            return 0;
        }
        int64_t id = sqlite3_column_int64(w->keys, 1);
        bool same = sqlite_id_rev(id) <= w->at;
        r = same ? id > 0 : row_at(w->n.c, id, w->at, &w->row, err);
        if (r < 0) {
            return r;
        }
        *ret += r;
        if (w->row) {
            sqlite3_reset(w->row);
            w->row = NULL;
        }
    }
    return r;
}

int sqlite_count(struct store *st, const struct store_range *r, int64_t *ret_count, struct err *err)
{
    struct walk w;
    struct store_range range = *r;
    range.keys_only = true;
    int64_t n = 0;
    int code = walk_begin(&w, self(st), &range, err);
    if (code) {
        return code;
    }
    if (w.at == w.n.rev && !w.index) {
        code = count_now(&w, &n, err);
    } else if (w.at != w.n.rev) {
        code = count_old(&w, &n, err);
    } else {
        while ((code = walk_next(&w, err)) > 0) {
            n++;
        }
    }
    walk_end(&w);
    if (!code) {
        *ret_count = n;
    }
    return code;
}

int sqlite_any(struct sqlite_conn *c, struct str prefix, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_RANGE_ALL);
    sqlite_bind(st, 1, prefix);
    int r;
    while ((r = sqlite_conn_step(c, st, err)) > 0) {
        bool inside = str_starts(sqlite_column(st, 0), prefix);
        if (!inside || sqlite3_column_int64(st, 1) > 0) {
            sqlite3_reset(st);
            return inside;
        }
    }
    return r;
}

/* ---- changes ---- */

/* By the keys: a deleted one is kept for as long as its deletion is above the floor. */
static int64_t newest_by_keys(struct sqlite_conn *c, struct str prefix, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_RANGE_ALL);
    sqlite_bind(st, 1, prefix);
    int64_t newest = 0;
    int r;
    while ((r = sqlite_conn_step(c, st, err)) > 0) {
        if (!str_starts(sqlite_column(st, 0), prefix)) {
            sqlite3_reset(st);
            break;
        }
        int64_t rev = sqlite_id_rev(sqlite3_column_int64(st, 1));
        newest = rev > newest ? rev : newest;
    }
    return r < 0 ? r : newest;
}

int64_t sqlite_changed_since(struct sqlite_conn *c, struct str prefix, int64_t rev, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_LOG_KEYS);
    sqlite_bind_int(st, 1, sqlite_id(rev + 1, 0) - 1);
    sqlite_bind_int(st, 2, LOG_LOOK);
    int r, looked = 0;
    while ((r = sqlite_conn_step(c, st, err)) > 0) {
        looked++;
        if (str_starts(sqlite_column(st, 1), prefix)) {
            int64_t found = sqlite_id_rev(sqlite3_column_int64(st, 0));
            sqlite3_reset(st);
            return found;
        }
    }
    if (r < 0 || looked < LOG_LOOK) {
        return r;
    }
    int64_t newest = newest_by_keys(c, prefix, err);
    return newest > rev || newest < 0 ? newest : 0;
}

int64_t sqlite_prefix_revision(struct store *st, struct str prefix)
{
    struct snapshot n;
    if (snapshot_begin(&n, self(st), NULL)) {
        return 0;
    }
    int64_t rev = sqlite_changed_since(n.c, prefix, horizon_floor(&n.s->horizon), NULL);
    snapshot_end(&n);
    return rev > 0 ? rev : 0;
}

/* Fills what the event replaced. */
static int event_prev(struct sqlite_conn *c, int64_t id, struct store_event *e, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_ROW);
    sqlite_bind_int(st, 1, id);
    int r = sqlite_conn_step(c, st, err);
    if (r <= 0) {
        return r ? r : no_row(err, id);
    }
    e->prev = blob_create(sqlite_column(st, 3));
    e->prev_stamp = (uint64_t)sqlite3_column_int64(st, 2);
    e->prev_rev = sqlite_id_rev(id);
    sqlite3_reset(st);
    return 0;
}

/* Visits the event in LOG's row. What the visitor says, or an error. */
static int visit_event(struct sqlite_conn *c, sqlite3_stmt *st, struct str key,
                       store_event_fn *visit, void *arg, struct err *err)
{
    int64_t id = sqlite3_column_int64(st, 0);
    int op = sqlite3_column_int(st, 4);
    struct store_event e = {
        .rev = sqlite_id_rev(id),
        .sub = (uint32_t)(id & ((1 << SQ_SUB_BITS) - 1)),
        .deleted = op == SQ_OP_REMOVE,
        .key = key,
        .create_rev = sqlite3_column_int64(st, 1),
        .stamp = (uint64_t)sqlite3_column_int64(st, 2),
        .who = sqlite_column(st, 6),
    };
    int r = op == SQ_OP_CREATE ? 0 : event_prev(c, sqlite3_column_int64(st, 5), &e, err);
    if (!r) {
        e.value = e.deleted ? NULL : blob_create(sqlite_column(st, 3));
        r = visit(arg, &e);
        r = r < 0 ? store_visit_failed(err, r) : r;
    }
    blob_unref(e.value);
    blob_unref(e.prev);
    return r;
}

/* Visits what LOG gives. *ret_to is -1 when everything was visited. */
static int visit_log(struct sqlite_conn *c, sqlite3_stmt *st, struct str prefix, size_t limit,
                     store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err)
{
    size_t taken = 0;
    bool stop = false;
    int r;
    *ret_to = -1;
    while ((r = sqlite_conn_step(c, st, err)) > 0) {
        int64_t id = sqlite3_column_int64(st, 0);
        bool first = id == sqlite_id(sqlite_id_rev(id), 0);
        if (first && (stop || (limit && taken >= limit))) {
            *ret_to = sqlite_id_rev(id) - 1;
            return 0;
        }
        struct str key = sqlite_column(st, 7);
        if (!str_starts(key, prefix)) {
            continue;
        }
        r = visit_event(c, st, key, visit, arg, err);
        if (r < 0) {
            return r;
        }
        if (r == STORE_STOP_BEFORE) {
            *ret_to = sqlite_id_rev(id) - 1;
            return 0;
        }
        stop = stop || r == STORE_STOP;
        taken++;
    }
    return r;
}

int sqlite_changes(struct store *st, struct str prefix, int64_t from, size_t limit,
                   store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err)
{
    struct snapshot n;
    struct sqlite_store *s = self(st);
    int code = snapshot_begin(&n, s, err);
    if (code) {
        return code;
    }
    code = from > n.rev ? 0 : horizon_check(&s->horizon, from, n.rev, err);
    int64_t to = -1;
    if (!code && from < n.rev) {
        sqlite3_stmt *log = sqlite_conn_stmt(n.c, SQ_LOG);
        sqlite_bind_int(log, 1, sqlite_id(from + 1, 0) - 1);
        code = visit_log(n.c, log, prefix, limit, visit, arg, &to, err);
        if (log) {
            sqlite3_reset(log);
        }
    }
    if (!code && ret_to) {
        *ret_to = to >= 0 ? to : from > n.rev ? from : n.rev;
    }
    snapshot_end(&n);
    return code;
}

bool sqlite_index_ready(struct store *st, struct str name)
{
    struct snapshot n;
    if (snapshot_begin(&n, self(st), NULL)) {
        return false;
    }
    int64_t id = 0;
    int code = find_index(n.c, name, &id, NULL);
    snapshot_end(&n);
    return !code && id;
}
