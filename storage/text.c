/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the full-text index: its layout, its connections, what its last commit says.
 *
 * `scope` numbers the pairs of type and namespace, `term` the values that are filtered and counted
 * by (tags and their like; folders are called "folder"). `doc` is what every question walks
 * through, and small; `shown` has what only hits need: the title, and the texts, which are needed
 * again when a document goes, as the FTS5 table `words` keeps no copy. `title` holds the documents
 * of a scope in the order of their titles. `value` tells which document has which term, and
 * `tally` how many of a scope's documents do, so that counting over everything reads no documents;
 * the term of a name without a value stands for whatever has one of that name.
 *
 * The last column of `words` holds the parts of the title: each token and each of its ends of three
 * bytes or more, so that "metheus", as the beginning of an end of "prometheus", is found like any
 * beginning of a token. (Measured with 100,000 titles of 2 to 6 words and texts: the parts cost 8.5
 * MB and 14 us a document, FTS5's trigram tokenizer over the titles 9.1 MB and 13 us, both answer
 * in a millisecond; but trigrams would be a second table with rules of its own, know no diacritics
 * in this SQLite, and find nothing shorter than three characters, which most Chinese words are.
 * Indexes of prefixes doubled the file and made no query faster.)
 *
 * The log is not synced when a write ends (synchronous=NORMAL): after a power loss the file is as
 * it was some writes ago, which its position tells. With synchronous=OFF it could be damaged in
 * ways that nobody notices, to save a sync each few megabytes. */
#include "storage/text_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/utf8.h"

#define APPLICATION 0x54585431 /* "TXT1" */
/* LOG_PAGES: of the log that are written before they go into the file, which takes two syncs. */
enum {
    LOG_PAGES = 4096,
    LAYOUT = 2,
    BUSY_MS = 5000,
    IDLE_MAX = 4,
    WRITER_CACHE_KIB = 4096,
    READER_CACHE_KIB = 1024
};

static const char layout[] =
    "BEGIN;"
    "CREATE TABLE place(one INTEGER PRIMARY KEY, origin TEXT, rev INTEGER) STRICT;"
    "CREATE TABLE type(name TEXT PRIMARY KEY, generation INTEGER, complete INTEGER) STRICT;"
    "CREATE TABLE scope(id INTEGER PRIMARY KEY, type TEXT, ns TEXT, prefix TEXT, n INTEGER,"
    " bytes INTEGER, UNIQUE(type, ns)) STRICT;"
    "CREATE TABLE term(id INTEGER PRIMARY KEY, name TEXT, value TEXT, UNIQUE(name, value)) STRICT;"
    "CREATE TABLE tally(scope INTEGER, term INTEGER, n INTEGER, PRIMARY KEY(scope, term)) STRICT,"
    " WITHOUT ROWID;"
    "CREATE TABLE doc(id INTEGER PRIMARY KEY, scope INTEGER, folder INTEGER, created INTEGER,"
    " updated INTEGER, bytes INTEGER, name TEXT) STRICT;"
    "CREATE UNIQUE INDEX doc_name ON doc(name, scope);"
    "CREATE TABLE title(scope INTEGER, sorted TEXT, name TEXT, doc INTEGER,"
    " PRIMARY KEY(scope, sorted, name, doc)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE shown(id INTEGER PRIMARY KEY, title TEXT, w8 TEXT, w4 TEXT, w2 TEXT, w1 TEXT)"
    " STRICT;"
    "CREATE TABLE value(term INTEGER, doc INTEGER, PRIMARY KEY(term, doc)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX value_doc ON value(doc, term);"
    "CREATE VIRTUAL TABLE words USING fts5(w8, w4, w2, w1, parts, content='', columnsize=0,"
    " tokenize='unicode61 remove_diacritics 2');"
    "PRAGMA application_id = 1415074865;"
    "PRAGMA user_version = 2;"
    "COMMIT";

/* ---- sqlite ---- */

int text_error(const struct text_conn *c, struct err *err)
{
    int code = sqlite3_errcode(c->db) & 0xff;
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    if (code == SQLITE_INTERRUPT) {
        return err_set(err, ERR_TIMEOUT, "the search was given up: it took too long");
    }
    return err_set(err,
                   damaged               ? ERR_CORRUPT
                   : code == SQLITE_FULL ? ERR_NO_SPACE
                                         : ERR_IO,
                   "the full-text index: sqlite: %s (%d)", sqlite3_errmsg(c->db),
                   sqlite3_extended_errcode(c->db));
}

int text_exec(struct text_conn *c, const char *text, struct err *err)
{
    return sqlite3_exec(c->db, text, NULL, NULL, NULL) ? text_error(c, err) : 0;
}

int text_step(struct text_conn *c, sqlite3_stmt *st, struct err *err)
{
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW) {
        return 1;
    }
    int code = rc == SQLITE_DONE ? 0 : text_error(c, err);
    sqlite3_reset(st);
    return code;
}

int text_run(struct text_conn *c, sqlite3_stmt *st, struct err *err)
{
    int r;
    do {
        r = text_step(c, st, err);
    } while (r > 0);
    return r;
}

void text_bind(sqlite3_stmt *st, int i, struct str s)
{
    if (st) {
        sqlite3_bind_text64(st, i, s.len ? s.ptr : "", s.len, SQLITE_STATIC, SQLITE_UTF8);
    }
}

void text_bind_int(sqlite3_stmt *st, int i, int64_t v)
{
    if (st) {
        sqlite3_bind_int64(st, i, v);
    }
}

struct str text_column(sqlite3_stmt *st, int i, struct arena *a)
{
    const char *p = (const char *)sqlite3_column_text(st, i);
    return arena_str(a, str_make(p ? p : "", (size_t)sqlite3_column_bytes(st, i)));
}

/* ---- connections ---- */

static void conn_close(struct text_conn *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < TX_STMTS; i++) {
        sqlite3_finalize(c->stmts[i]);
    }
    if (c->tokenizer) {
        c->api.xDelete(c->tokenizer);
    }
    sqlite3_close(c->db);
    free(c);
}

/* The tokenizer that `words` uses, for titles and for what is looked for. */
static int conn_tokenizer(struct text_conn *c, struct err *err)
{
    static const char *options[] = {"remove_diacritics", "2"};
    fts5_api *api = NULL;
    void *context = NULL;
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->db, "SELECT fts5(?1)", -1, &st, NULL)) {
        return text_error(c, err);
    }
    sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
    int r = text_run(c, st, err);
    sqlite3_finalize(st);
    if (r == 0 && (!api || api->xFindTokenizer(api, "unicode61", &context, &c->api) ||
                   c->api.xCreate(context, options, 2, &c->tokenizer))) {
        r = err_set(err, ERR_INTERNAL, "this SQLite has no FTS5 with the tokenizer unicode61");
    }
    return r < 0 || text_score_define(api, c) == SQLITE_OK ? r : text_error(c, err);
}

static int conn_open(const char *path, int flags, int cache_kib, struct text_conn **ret,
                     struct err *err)
{
    struct text_conn *c = ALLOC(struct text_conn);
    flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int r = sqlite3_open_v2(path ? path : ":memory:", &c->db, flags, NULL) ? text_error(c, err) : 0;
    if (r == 0) {
        AUTO_FREE char *setup =
            alloc_printf("PRAGMA cache_size=-%d; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=0;"
                         "PRAGMA temp_store=MEMORY",
                         cache_kib);
        sqlite3_busy_timeout(c->db, BUSY_MS);
        sqlite3_wal_autocheckpoint(c->db, LOG_PAGES);
        r = text_exec(c, setup, err);
    }
    r = r < 0 ? r : conn_tokenizer(c, err);
    if (r < 0) {
        conn_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

static int number(struct text_conn *c, const char *query, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->db, query, -1, &st, NULL)) {
        return text_error(c, err);
    }
    int r = text_step(c, st, err);
    if (r >= 0) {
        *ret = r ? sqlite3_column_int64(st, 0) : 0;
    }
    sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

/* *ret_made: the file was empty. ERR_CORRUPT: it is of another layout, or no database. */
static int conn_prepare(struct text_conn *c, bool *ret_made, struct err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    int r = number(c, "PRAGMA user_version", &version, err);
    r = r < 0 ? r : number(c, "PRAGMA application_id", &application, err);
    r = r < 0 ? r : number(c, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r < 0) {
        return r;
    }
    if (tables && (version != LAYOUT || application != APPLICATION)) {
        return err_set(err, ERR_CORRUPT, "the full-text index has another layout");
    }
    if (tables) {
        return text_exec(c, "PRAGMA journal_mode=WAL", err);
    }
    *ret_made = true;
    /* A new one stands at no position: what a power loss leaves of it is filled anew. */
    r = text_exec(c, "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL", err);
    r = r < 0 ? r : text_exec(c, layout, err);
    return r < 0 ? r : text_exec(c, "PRAGMA synchronous=NORMAL", err);
}

/* sqlite gives the mode of its file to those it makes beside it. */
static void make_private(const char *path)
{
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        close(fd);
    }
}

static void remove_files(const struct text *t)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; t->path && i < sizeof(endings) / sizeof(*endings); i++) {
        AUTO_FREE char *path = alloc_printf("%s%s", t->path, endings[i]);
        unlink(path);
    }
}

static int open_once(struct text *t, struct err *err)
{
    struct text_conn *c = NULL;
    make_private(t->path);
    int r = conn_open(t->path, SQLITE_OPEN_CREATE, WRITER_CACHE_KIB, &c, err);
    int64_t n = 0;
    t->made = false;
    r = r < 0 ? r : conn_prepare(c, &t->made, err);
    r = r < 0 ? r : number(c, "SELECT coalesce(sum(n), 0) FROM scope", &n, err);
    if (r < 0) {
        conn_close(c);
        return r;
    }
    atomic_store(&t->count, n);
    t->writer = c;
    return 0;
}

static int open_writer(struct text *t, struct err *err)
{
    AUTO(err_finish) struct err e = {0};
    int r = open_once(t, &e);
    if (r != ERR_CORRUPT) {
        return r < 0 ? err_move(err, &e) : 0;
    }
    remove_files(t);
    return open_once(t, err);
}

/* Whoever replaces the file comes before who asks next, or would never. */
static void init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

int text_open(const char *path, struct text **ret, struct err *err)
{
    struct text *t = ALLOC(struct text);
    t->path = path ? alloc_strdup(path) : NULL;
    init_lock(&t->file);
    pthread_mutex_init(&t->only, NULL);
    pthread_mutex_init(&t->idle_lock, NULL);
    int r = open_writer(t, err);
    if (r < 0) {
        text_close(t);
        return r;
    }
    *ret = t;
    return 0;
}

static void close_all(struct text *t)
{
    while (t->idle) {
        struct text_conn *c = t->idle;
        t->idle = c->next;
        conn_close(c);
    }
    t->n_idle = 0;
    conn_close(t->writer);
    t->writer = NULL;
}

void text_close(struct text *t)
{
    if (!t) {
        return;
    }
    close_all(t);
    pthread_mutex_destroy(&t->idle_lock);
    pthread_mutex_destroy(&t->only);
    pthread_rwlock_destroy(&t->file);
    free(t->path);
    free(t);
}

bool text_is_new(const struct text *t)
{
    return t->made && t->writer;
}

int text_reset(struct text *t, struct err *err)
{
    pthread_rwlock_wrlock(&t->file);
    close_all(t);
    remove_files(t);
    int r = open_once(t, err);
    pthread_rwlock_unlock(&t->file);
    return r;
}

/* ---- readers ---- */

int text_closed(struct err *err)
{
    return err_set(err, ERR_IO, "the full-text index could not be opened anew");
}

static struct text_conn *take_idle(struct text *t)
{
    pthread_mutex_lock(&t->idle_lock);
    struct text_conn *c = t->idle;
    if (c) {
        t->idle = c->next;
        t->n_idle--;
    }
    pthread_mutex_unlock(&t->idle_lock);
    return c;
}

int text_reader(struct text *t, struct text_conn **ret, struct err *err)
{
    pthread_rwlock_rdlock(&t->file);
    int r = t->writer ? 0 : text_closed(err);
    if (r == 0 && !t->path) {
        pthread_mutex_lock(&t->only);
        *ret = t->writer;
        return 0;
    }
    struct text_conn *c = r == 0 ? take_idle(t) : NULL;
    if (r == 0 && !c) {
        r = conn_open(t->path, 0, READER_CACHE_KIB, &c, err);
    }
    if (r < 0) {
        pthread_rwlock_unlock(&t->file);
        return r;
    }
    *ret = c;
    return 0;
}

void text_reader_done(struct text *t, struct text_conn *c)
{
    if (c == t->writer) {
        pthread_mutex_unlock(&t->only);
    } else {
        pthread_mutex_lock(&t->idle_lock);
        bool keep = t->n_idle < IDLE_MAX;
        if (keep) {
            c->next = t->idle;
            t->idle = c;
            t->n_idle++;
        }
        pthread_mutex_unlock(&t->idle_lock);
        if (!keep) {
            conn_close(c);
        }
    }
    pthread_rwlock_unlock(&t->file);
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
