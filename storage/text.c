/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the full-text index: its layout, its connections, what is written into it.
 *
 * `doc` has what is shown, sorted and filtered by; `value` the tags and their like; `body` the
 * texts, which are needed again when a document goes, as the FTS5 table `words` keeps no copy. The
 * last column of `words` holds the parts of the title: each token and each of its ends of three
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
    LAYOUT = 1,
    BUSY_MS = 5000,
    IDLE_MAX = 4,
    WRITER_CACHE_KIB = 4096,
    READER_CACHE_KIB = 1024
};

const double text_column_weights[TEXT_COLUMNS] = {8, 4, 2, 1};

static const char layout[] =
    "BEGIN;"
    "CREATE TABLE place(one INTEGER PRIMARY KEY, origin TEXT, rev INTEGER) STRICT;"
    "CREATE TABLE type(name TEXT PRIMARY KEY, generation INTEGER, complete INTEGER) STRICT;"
    "CREATE TABLE doc(id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, type TEXT, ns TEXT, name "
    "TEXT, folder TEXT,"
    " title TEXT, sorted TEXT, created INTEGER, updated INTEGER) STRICT;"
    "CREATE INDEX doc_title ON doc(ns, sorted, name, type);"
    "CREATE INDEX doc_type ON doc(type, ns);"
    "CREATE INDEX doc_folder ON doc(folder, ns, type);"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, w8 TEXT, w4 TEXT, w2 TEXT, w1 TEXT) STRICT;"
    "CREATE TABLE value(name TEXT, value TEXT, doc INTEGER, PRIMARY KEY(name, value, doc)) STRICT, "
    "WITHOUT ROWID;"
    "CREATE INDEX value_doc ON value(doc, name);"
    "CREATE VIRTUAL TABLE words USING fts5(w8, w4, w2, w1, parts, content='',"
    " tokenize='unicode61 remove_diacritics 2');"
    "PRAGMA application_id = 1415074865;"
    "PRAGMA user_version = 1;"
    "COMMIT";

static const char *const sql[TX_STMTS] = {
    [TX_FIND] = "SELECT id FROM doc WHERE key = ?1",
    [TX_DOC_INSERT] =
        "INSERT INTO doc(key, type, ns, name, folder, title, sorted, created, updated)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [TX_DOC_DELETE] = "DELETE FROM doc WHERE id = ?1",
    [TX_BODY_GET] = "SELECT w8, w4, w2, w1, title FROM body JOIN doc USING(id) WHERE id = ?1",
    [TX_BODY_INSERT] = "INSERT INTO body(id, w8, w4, w2, w1) VALUES(?1, ?2, ?3, ?4, ?5)",
    [TX_BODY_DELETE] = "DELETE FROM body WHERE id = ?1",
    [TX_WORDS_INSERT] =
        "INSERT INTO words(rowid, w8, w4, w2, w1, parts) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [TX_WORDS_DELETE] = "INSERT INTO words(words, rowid, w8, w4, w2, w1, parts)"
                        " VALUES('delete', ?1, ?2, ?3, ?4, ?5, ?6)",
    [TX_VALUE_INSERT] = "INSERT OR IGNORE INTO value(name, value, doc) VALUES(?1, ?2, ?3)",
    [TX_VALUE_DELETE] = "DELETE FROM value WHERE doc = ?1",
    [TX_OF_TYPE] = "SELECT id FROM doc WHERE type = ?1 LIMIT ?2",
    [TX_TYPE_SET] = "INSERT OR REPLACE INTO type(name, generation, complete) VALUES(?1, ?2, ?3)",
    [TX_TYPE_DELETE] = "DELETE FROM type WHERE name = ?1",
    [TX_PLACE] = "INSERT OR REPLACE INTO place(one, origin, rev) VALUES(1, ?1, ?2)",
};

/* ---- sqlite ---- */

int text_error(const struct text_conn *c, struct err *err)
{
    int code = sqlite3_errcode(c->db) & 0xff;
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
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

static void bind_int(sqlite3_stmt *st, int i, int64_t v)
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

static sqlite3_stmt *statement(struct text_conn *c, enum text_stmt id)
{
    if (!c->stmts[id]) {
        sqlite3_prepare_v3(c->db, sql[id], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[id], NULL);
    }
    return c->stmts[id];
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
    return r;
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

/* ERR_CORRUPT: the file is of another layout, or no database. */
static int conn_prepare(struct text_conn *c, struct err *err)
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
    r = r < 0 ? r : conn_prepare(c, err);
    r = r < 0 ? r : number(c, "SELECT count(*) FROM doc", &n, err);
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

static int closed(struct err *err)
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
    int r = t->writer ? 0 : closed(err);
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

/* ---- writing ---- */

static void end_write(struct text *t)
{
    if (!t->path) {
        pthread_mutex_unlock(&t->only);
    }
    pthread_rwlock_unlock(&t->file);
}

int text_begin(struct text *t, struct err *err)
{
    pthread_rwlock_rdlock(&t->file);
    if (!t->path) {
        pthread_mutex_lock(&t->only);
    }
    int r = t->writer ? text_exec(t->writer, "BEGIN IMMEDIATE", err) : closed(err);
    if (r < 0) {
        end_write(t);
    }
    t->added = 0;
    return r;
}

void text_rollback(struct text *t)
{
    if (!sqlite3_get_autocommit(t->writer->db)) {
        text_exec(t->writer, "ROLLBACK", NULL);
    }
    end_write(t);
}

int text_commit(struct text *t, struct str origin, int64_t rev, struct err *err)
{
    struct text_conn *c = t->writer;
    sqlite3_stmt *st = statement(c, TX_PLACE);
    text_bind(st, 1, origin);
    bind_int(st, 2, rev);
    int r = text_run(c, st, err);
    r = r < 0 ? r : text_exec(c, "COMMIT", err);
    if (r == 0) {
        atomic_fetch_add(&t->count, t->added);
        end_write(t);
    }
    return r;
}

int64_t text_count(const struct text *t)
{
    return atomic_load(&t->count);
}

static struct str cut_text(struct str s)
{
    if (s.len <= LIMIT_TEXT_BYTES) {
        return s;
    }
    s.len = LIMIT_TEXT_BYTES;
    for (int i = 0; i < 4 && s.len && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80; i++) {
        s.len--;
    }
    return s;
}

/* Binds texts and parts of a title from the second parameter on; what is bound must stay. */
static void bind_words(const struct text_conn *c, sqlite3_stmt *st, int64_t id,
                       const struct str texts[TEXT_COLUMNS], struct str title, struct arena *a,
                       struct buf *parts)
{
    text_parts(c, title, a, parts);
    bind_int(st, 1, id);
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        text_bind(st, i + 2, texts[i]);
    }
    text_bind(st, TEXT_COLUMNS + 2, buf_str(parts));
}

static int remove_words(struct text_conn *c, int64_t id, struct err *err)
{
    struct arena a;
    struct str texts[TEXT_COLUMNS], title = STR_NULL;
    AUTO(buf_finish) struct buf parts = {0};
    sqlite3_stmt *get = statement(c, TX_BODY_GET), *st = statement(c, TX_WORDS_DELETE);
    arena_init(&a, 0);
    bind_int(get, 1, id);
    int r = text_step(c, get, err);
    if (r > 0) {
        for (int i = 0; i < TEXT_COLUMNS; i++) {
            texts[i] = text_column(get, i, &a);
        }
        title = text_column(get, TEXT_COLUMNS, &a);
        sqlite3_reset(get);
        bind_words(c, st, id, texts, title, &a, &parts);
        r = text_run(c, st, err);
    } else if (r == 0) {
        r = err_set(err, ERR_CORRUPT, "the full-text index lacks the texts of a document");
    }
    arena_finish(&a);
    return r;
}

static int remove_row(struct text_conn *c, int64_t id, struct err *err)
{
    static const enum text_stmt each[] = {TX_VALUE_DELETE, TX_BODY_DELETE, TX_DOC_DELETE};
    int r = remove_words(c, id, err);
    for (size_t i = 0; r == 0 && i < sizeof(each) / sizeof(*each); i++) {
        sqlite3_stmt *st = statement(c, each[i]);
        bind_int(st, 1, id);
        r = text_run(c, st, err);
    }
    return r;
}

/* *ret 0: there is none. */
static int find_row(struct text_conn *c, struct str key, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = statement(c, TX_FIND);
    text_bind(st, 1, key);
    int r = text_step(c, st, err);
    *ret = 0;
    if (r > 0) {
        *ret = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

int text_remove(struct text *t, struct str key, struct err *err)
{
    int64_t id;
    int r = find_row(t->writer, key, &id, err);
    t->added -= r == 0 && id;
    return r < 0 || !id ? r : remove_row(t->writer, id, err);
}

static int insert_doc(struct text_conn *c, const struct text_document *d, struct str title,
                      struct arena *a, int64_t *ret_id, struct err *err)
{
    AUTO(buf_finish) struct buf sorted = {0};
    sqlite3_stmt *st = statement(c, TX_DOC_INSERT);
    text_sorted(c, title, a, &sorted);
    const struct str texts[] = {d->key,    d->type, d->ns,           d->name,
                                d->folder, title,   buf_str(&sorted)};
    int n = (int)(sizeof(texts) / sizeof(*texts));
    for (int i = 0; i < n; i++) {
        text_bind(st, i + 1, texts[i]);
    }
    bind_int(st, n + 1, d->created_us);
    bind_int(st, n + 2, d->updated_us);
    int r = text_run(c, st, err);
    *ret_id = sqlite3_last_insert_rowid(c->db);
    return r;
}

static int insert_words(struct text_conn *c, int64_t id, const struct str texts[TEXT_COLUMNS],
                        struct str title, struct arena *a, struct err *err)
{
    AUTO(buf_finish) struct buf parts = {0};
    sqlite3_stmt *st = statement(c, TX_BODY_INSERT);
    bind_int(st, 1, id);
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        text_bind(st, i + 2, texts[i]);
    }
    int r = text_run(c, st, err);
    st = statement(c, TX_WORDS_INSERT);
    bind_words(c, st, id, texts, title, a, &parts);
    return r < 0 ? r : text_run(c, st, err);
}

static int insert_values(struct text_conn *c, int64_t id, const struct text_document *d,
                         struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < d->n_values; i++) {
        sqlite3_stmt *st = statement(c, TX_VALUE_INSERT);
        text_bind(st, 1, d->values[i].name);
        text_bind(st, 2, cut_text(d->values[i].value));
        bind_int(st, 3, id);
        r = text_run(c, st, err);
    }
    return r;
}

/* Texts as they are kept: what goes in must come out again unchanged when the document goes. */
static struct str keep_text(struct str s, struct arena *a)
{
    AUTO(buf_finish) struct buf b = {0};
    s = cut_text(s);
    if (!memchr(s.ptr ? s.ptr : "", 0, s.len) && utf8_valid(s)) {
        return s;
    }
    utf8_repair(&b, s);
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] = b.ptr[i] ? b.ptr[i] : ' ';
    }
    return arena_str(a, buf_str(&b));
}

int text_put(struct text *t, const struct text_document *d, struct err *err)
{
    struct arena a;
    int64_t id = 0;
    arena_init(&a, 0);
    struct str texts[TEXT_COLUMNS], title = keep_text(d->title, &a);
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        texts[i] = keep_text(d->texts[i], &a);
    }
    int r = text_remove(t, d->key, err);
    r = r < 0 ? r : insert_doc(t->writer, d, title, &a, &id, err);
    r = r < 0 ? r : insert_words(t->writer, id, texts, title, &a, err);
    r = r < 0 ? r : insert_values(t->writer, id, d, err);
    t->added++;
    arena_finish(&a);
    return r;
}

int text_remove_some(struct text *t, struct str type, size_t limit, bool *ret_more, struct err *err)
{
    struct text_conn *c = t->writer;
    struct arena a;
    size_t n = 0;
    int r;
    sqlite3_stmt *st = statement(c, TX_OF_TYPE);
    arena_init(&a, 0);
    int64_t *ids = arena_alloc(&a, (limit + 1) * sizeof(*ids));
    text_bind(st, 1, type);
    bind_int(st, 2, (int64_t)limit);
    while ((r = text_step(c, st, err)) > 0) {
        ids[n++] = sqlite3_column_int64(st, 0);
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = remove_row(c, ids[i], err);
        t->added--;
    }
    *ret_more = n == limit;
    arena_finish(&a);
    return r;
}

int text_note_type(struct text *t, struct str type, uint64_t generation, bool complete,
                   struct err *err)
{
    sqlite3_stmt *st = statement(t->writer, TX_TYPE_SET);
    text_bind(st, 1, type);
    bind_int(st, 2, (int64_t)generation);
    bind_int(st, 3, complete);
    return text_run(t->writer, st, err);
}

int text_forget_type(struct text *t, struct str type, struct err *err)
{
    sqlite3_stmt *st = statement(t->writer, TX_TYPE_DELETE);
    text_bind(st, 1, type);
    return text_run(t->writer, st, err);
}
