/* SPDX-License-Identifier: Apache-2.0 */
/* What is written into the full-text index. text.c says how it is laid out. A document that is put
 * again is compared with what is there: most changes leave words, tags and title as they were, and
 * words are the dear part. */
#include "storage/text_priv.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

const double text_column_weights[TEXT_COLUMNS] = {8, 4, 2, 1};

static const char *const sql[TX_STMTS] = {
    [TX_SCOPE_FIND] = "SELECT id, prefix FROM scope WHERE type = ?1 AND ns = ?2",
    [TX_SCOPE_INSERT] = "INSERT INTO scope(type, ns, prefix, n, bytes) VALUES(?1, ?2, ?3, 0, 0)",
    [TX_SCOPE_COUNT] = "UPDATE scope SET n = n + ?2 WHERE id = ?1",
    [TX_SCOPE_BYTES] = "UPDATE scope SET bytes = bytes + ?2 WHERE id = ?1",
    [TX_SCOPE_DELETE] = "DELETE FROM scope WHERE id = ?1 AND n = 0",
    [TX_TERM_FIND] = "SELECT id FROM term WHERE name = ?1 AND value = ?2",
    [TX_TERM_FIND_ANY] = "SELECT id FROM term WHERE name = ?1 AND value IS NULL",
    [TX_TERM_INSERT] = "INSERT INTO term(name, value) VALUES(?1, ?2)",
    [TX_TERM_DELETE] = "DELETE FROM term WHERE id = ?1 AND value IS NOT NULL"
                       " AND NOT EXISTS (SELECT 1 FROM value WHERE term = ?1)",
    [TX_TERMS_OF] = "SELECT term, 0 FROM value WHERE doc = ?1"
                    " UNION SELECT a.id, 1 FROM value v JOIN term t ON t.id = v.term"
                    " JOIN term a ON a.name = t.name AND a.value IS NULL WHERE v.doc = ?1",
    [TX_TALLY] = "INSERT INTO tally(scope, term, n) VALUES(?1, ?2, ?3)"
                 " ON CONFLICT DO UPDATE SET n = n + ?3 RETURNING n",
    [TX_TALLY_EMPTY] = "DELETE FROM tally WHERE scope = ?1 AND term = ?2 AND n = 0",
    [TX_VALUE_INSERT] = "INSERT INTO value(term, doc) VALUES(?1, ?2)",
    [TX_VALUE_DELETE] = "DELETE FROM value WHERE term = ?1 AND doc = ?2",
    [TX_DOC_FIND] = "SELECT id FROM doc WHERE name = ?1 AND scope = ?2",
    [TX_DOC_GET] = "SELECT scope, name FROM doc WHERE id = ?1",
    [TX_DOC_INSERT] = "INSERT INTO doc(scope, folder, created, updated, bytes, name)"
                      " VALUES(?2, ?3, ?4, ?5, ?6, ?7)",
    [TX_DOC_UPDATE] = "UPDATE doc SET folder = ?3, created = ?4, updated = ?5, bytes = ?6"
                      " WHERE id = ?1",
    [TX_DOC_DELETE] = "DELETE FROM doc WHERE id = ?1",
    [TX_TITLE_INSERT] = "INSERT INTO title(scope, sorted, name, doc) VALUES(?1, ?2, ?3, ?4)",
    [TX_TITLE_DELETE] =
        "DELETE FROM title WHERE scope = ?1 AND sorted = ?2 AND name = ?3 AND doc = ?4",
    [TX_SHOWN_GET] = "SELECT title, w8, w4, w2, w1 FROM shown WHERE id = ?1",
    [TX_SHOWN_PUT] = "INSERT OR REPLACE INTO shown(id, title, w8, w4, w2, w1)"
                     " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [TX_SHOWN_DELETE] = "DELETE FROM shown WHERE id = ?1",
    [TX_WORDS_INSERT] =
        "INSERT INTO words(rowid, w8, w4, w2, w1, parts) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [TX_WORDS_DELETE] = "INSERT INTO words(words, rowid, w8, w4, w2, w1, parts)"
                        " VALUES('delete', ?1, ?2, ?3, ?4, ?5, ?6)",
    [TX_OF_TYPE] = "SELECT t.doc FROM scope s CROSS JOIN title t ON t.scope = s.id"
                   " WHERE s.type = ?1 LIMIT ?2",
    [TX_TYPE_SET] = "INSERT OR REPLACE INTO type(name, generation, complete) VALUES(?1, ?2, ?3)",
    [TX_TYPE_DELETE] = "DELETE FROM type WHERE name = ?1",
    [TX_PLACE] = "INSERT OR REPLACE INTO place(one, origin, rev) VALUES(1, ?1, ?2)",
};

/* What a document says, as it is kept. */
struct content {
    struct str title, texts[TEXT_COLUMNS];
};

/* A document in the index. */
struct row {
    int64_t id, scope; /* id 0: it is not there */
    struct str name;
    struct content content;
    struct text_terms terms;
};

/* ---- statements ---- */

sqlite3_stmt *text_statement(struct text_conn *c, enum text_stmt id)
{
    if (!c->stmts[id]) {
        sqlite3_prepare_v3(c->db, sql[id], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[id], NULL);
    }
    return c->stmts[id];
}

int text_numbers(struct text_conn *c, enum text_stmt id, const int64_t *numbers, int n,
                 int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = text_statement(c, id);
    int64_t value = 0;
    int r;
    for (int i = 0; i < n; i++) {
        text_bind_int(st, i + 1, numbers[i]);
    }
    while ((r = text_step(c, st, err)) > 0) {
        value = sqlite3_column_int64(st, 0);
    }
    if (r == 0 && ret) {
        *ret = value;
    }
    return r;
}

/* ---- a write ---- */

static void end_write(struct text *t)
{
    text_pending_forget(t);
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
    int r = t->writer ? text_exec(t->writer, "BEGIN IMMEDIATE", err) : text_closed(err);
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
    sqlite3_stmt *st = text_statement(c, TX_PLACE);
    text_bind(st, 1, origin);
    text_bind_int(st, 2, rev);
    int r = text_run(c, st, err);
    r = r < 0 ? r : text_pending_write(t, err);
    r = r < 0 ? r : text_exec(c, "COMMIT", err);
    if (r == 0) {
        atomic_fetch_add(&t->count, t->added);
        t->made = false;
        end_write(t);
    }
    return r;
}

int64_t text_count(const struct text *t)
{
    return atomic_load(&t->count);
}

/* ---- texts ---- */

struct str text_cut(struct str s)
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

/* Texts as they are kept: what goes in must come out again unchanged when the document goes. */
static struct str keep_text(struct str s, struct arena *a)
{
    AUTO(buf_finish) struct buf b = {0};
    s = text_cut(s);
    if (!memchr(s.ptr ? s.ptr : "", 0, s.len) && utf8_valid(s)) {
        return s;
    }
    utf8_repair(&b, s);
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] = b.ptr[i] ? b.ptr[i] : ' ';
    }
    return arena_str(a, buf_str(&b));
}

static void keep_content(const struct text_document *d, struct arena *a, struct content *ret)
{
    ret->title = keep_text(d->title, a);
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        ret->texts[i] = keep_text(d->texts[i], a);
    }
}

static int64_t bytes_of(const struct content *n)
{
    size_t bytes = n->title.len;
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        bytes += n->texts[i].len;
    }
    return (int64_t)bytes;
}

static bool is_same(const struct content *x, const struct content *y)
{
    bool same = str_eq(x->title, y->title);
    for (int i = 0; same && i < TEXT_COLUMNS; i++) {
        same = str_eq(x->texts[i], y->texts[i]);
    }
    return same;
}

static int write_words(struct text_conn *c, enum text_stmt what, int64_t id,
                       const struct content *n, struct arena *a, struct err *err)
{
    AUTO(buf_finish) struct buf parts = {0};
    sqlite3_stmt *st = text_statement(c, what);
    text_parts(c, n->title, a, &parts);
    text_bind_int(st, 1, id);
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        text_bind(st, i + 2, n->texts[i]);
    }
    text_bind(st, TEXT_COLUMNS + 2, buf_str(&parts));
    return text_run(c, st, err);
}

static int write_title(struct text_conn *c, enum text_stmt what, const struct row *w,
                       struct str title, struct arena *a, struct err *err)
{
    AUTO(buf_finish) struct buf sorted = {0};
    sqlite3_stmt *st = text_statement(c, what);
    text_sorted(c, title, a, &sorted);
    text_bind_int(st, 1, w->scope);
    text_bind(st, 2, buf_str(&sorted));
    text_bind(st, 3, w->name);
    text_bind_int(st, 4, w->id);
    return text_run(c, st, err);
}

static int remove_content(struct text_conn *c, const struct row *w, struct arena *a,
                          struct err *err)
{
    int r = write_words(c, TX_WORDS_DELETE, w->id, &w->content, a, err);
    return r < 0 ? r : write_title(c, TX_TITLE_DELETE, w, w->content.title, a, err);
}

static int insert_content(struct text_conn *c, const struct row *w, struct arena *a,
                          struct err *err)
{
    const struct content *n = &w->content;
    sqlite3_stmt *st = text_statement(c, TX_SHOWN_PUT);
    text_bind_int(st, 1, w->id);
    text_bind(st, 2, n->title);
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        text_bind(st, i + 3, n->texts[i]);
    }
    int r = text_run(c, st, err);
    r = r < 0 ? r : write_words(c, TX_WORDS_INSERT, w->id, n, a, err);
    return r < 0 ? r : write_title(c, TX_TITLE_INSERT, w, n->title, a, err);
}

/* ---- documents ---- */

/* *ret 0: there is none. */
static int find_scope(struct text_conn *c, struct str type, struct str ns, struct str *prefix,
                      struct arena *a, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = text_statement(c, TX_SCOPE_FIND);
    text_bind(st, 1, type);
    text_bind(st, 2, ns);
    int r = text_step(c, st, err);
    *ret = 0;
    if (r > 0) {
        *ret = sqlite3_column_int64(st, 0);
        *prefix = text_column(st, 1, a);
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

static int make_scope(struct text_conn *c, const struct text_document *d, struct arena *a,
                      int64_t *ret, struct err *err)
{
    struct str prefix = str_make(d->key.ptr, d->key.len - d->name.len), is = STR_NULL;
    if (!str_ends(d->key, d->name)) {
        return err_set(err, ERR_INTERNAL, "the full-text index: a key ends in the name");
    }
    int r = find_scope(c, d->type, d->ns, &is, a, ret, err);
    if (r < 0 || *ret) {
        return r < 0 || str_eq(is, prefix)
                   ? r
                   : err_set(err, ERR_INTERNAL, "the full-text index: a namespace has one prefix");
    }
    sqlite3_stmt *st = text_statement(c, TX_SCOPE_INSERT);
    text_bind(st, 1, d->type);
    text_bind(st, 2, d->ns);
    text_bind(st, 3, prefix);
    r = text_run(c, st, err);
    *ret = sqlite3_last_insert_rowid(c->db);
    return r;
}

static int read_content(struct text_conn *c, struct row *w, struct arena *a, struct err *err)
{
    sqlite3_stmt *st = text_statement(c, TX_SHOWN_GET);
    text_bind_int(st, 1, w->id);
    int r = text_step(c, st, err);
    if (r == 0) {
        return err_set(err, ERR_CORRUPT, "the full-text index lacks the texts of a document");
    }
    if (r > 0) {
        w->content.title = text_column(st, 0, a);
        for (int i = 0; i < TEXT_COLUMNS; i++) {
            w->content.texts[i] = text_column(st, i + 1, a);
        }
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

/* The document as it is in the index: scope and name are given. */
static int read_row(struct text_conn *c, struct row *w, struct arena *a, struct err *err)
{
    sqlite3_stmt *st = text_statement(c, TX_DOC_FIND);
    text_bind(st, 1, w->name);
    text_bind_int(st, 2, w->scope);
    w->terms.n = 0;
    int r = text_step(c, st, err);
    w->id = r > 0 ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    if (r < 0 || !w->id) {
        return r;
    }
    r = read_content(c, w, a, err);
    return r < 0 ? r : text_terms_read(c, w->id, &w->terms, err);
}

static int remove_row(struct text *t, const struct row *w, struct arena *a, struct err *err)
{
    static const struct text_terms none = {.n = 0};
    struct text_conn *c = t->writer;
    int r = text_terms_change(t, w->scope, w->id, &w->terms, &none, err);
    r = r < 0 ? r : remove_content(c, w, a, err);
    r = r < 0 ? r : TEXT_RUN(c, TX_SHOWN_DELETE, NULL, err, w->id);
    r = r < 0 ? r : TEXT_RUN(c, TX_DOC_DELETE, NULL, err, w->id);
    text_tally(t, w->scope, TEXT_DOCUMENTS, -1);
    text_tally(t, w->scope, TEXT_BYTES, -bytes_of(&w->content));
    t->added--;
    return r;
}

int text_remove(struct text *t, struct str type, struct str ns, struct str name, struct err *err)
{
    struct arena a;
    struct str prefix;
    struct row w = {.name = name};
    arena_init(&a, 0);
    int r = find_scope(t->writer, type, ns, &prefix, &a, &w.scope, err);
    r = r < 0 || !w.scope ? r : read_row(t->writer, &w, &a, err);
    r = r < 0 || !w.id ? r : remove_row(t, &w, &a, err);
    arena_finish(&a);
    return r;
}

static int put_doc(struct text *t, const struct text_document *d, struct row *w, int64_t folder,
                   int64_t bytes, struct err *err)
{
    struct text_conn *c = t->writer;
    sqlite3_stmt *st = text_statement(c, w->id ? TX_DOC_UPDATE : TX_DOC_INSERT);
    const int64_t numbers[] = {w->id, w->scope, folder, d->created_us, d->updated_us, bytes};
    int n = (int)(sizeof(numbers) / sizeof(*numbers));
    for (int i = 0; i < n; i++) {
        text_bind_int(st, i + 1, numbers[i]);
    }
    text_bind(st, n + 1, w->name);
    int r = text_run(c, st, err);
    if (r == 0 && !w->id) {
        w->id = sqlite3_last_insert_rowid(c->db);
        t->added++;
        text_tally(t, w->scope, TEXT_DOCUMENTS, 1);
    }
    return r;
}

static int put_row(struct text *t, const struct text_document *d, struct row *w, struct arena *a,
                   struct err *err)
{
    struct text_conn *c = t->writer;
    struct content content;
    struct text_terms terms;
    int64_t folder = 0, bytes;
    keep_content(d, a, &content);
    bytes = bytes_of(&content);
    bool known = w->id, same = known && is_same(&content, &w->content);
    int r = text_terms_take(t, d, &terms, &folder, err);
    text_tally(t, w->scope, TEXT_BYTES, bytes - (known ? bytes_of(&w->content) : 0));
    r = r < 0 ? r : put_doc(t, d, w, folder, bytes, err);
    r = r < 0 ? r : text_terms_change(t, w->scope, w->id, &w->terms, &terms, err);
    r = r < 0 || !known || same ? r : remove_content(c, w, a, err);
    w->content = content;
    return r < 0 || same ? r : insert_content(c, w, a, err);
}

int text_put(struct text *t, const struct text_document *d, struct err *err)
{
    struct arena a;
    struct row w = {.name = d->name};
    arena_init(&a, 0);
    int r = make_scope(t->writer, d, &a, &w.scope, err);
    r = r < 0 ? r : read_row(t->writer, &w, &a, err);
    r = r < 0 ? r : put_row(t, d, &w, &a, err);
    arena_finish(&a);
    return r;
}

static int remove_id(struct text *t, int64_t id, struct err *err)
{
    struct text_conn *c = t->writer;
    struct arena a;
    struct row w = {.id = id};
    arena_init(&a, 0);
    sqlite3_stmt *st = text_statement(c, TX_DOC_GET);
    text_bind_int(st, 1, id);
    int r = text_step(c, st, err);
    if (r > 0) {
        w.scope = sqlite3_column_int64(st, 0);
        w.name = text_column(st, 1, &a);
        sqlite3_reset(st);
        r = read_row(c, &w, &a, err);
        r = r < 0 ? r : remove_row(t, &w, &a, err);
    } else if (r == 0) {
        r = err_set(err, ERR_CORRUPT, "the full-text index lacks a document");
    }
    arena_finish(&a);
    return r;
}

int text_remove_some(struct text *t, struct str type, size_t limit, bool *ret_more, struct err *err)
{
    struct text_conn *c = t->writer;
    struct arena a;
    size_t n = 0;
    int r;
    sqlite3_stmt *st = text_statement(c, TX_OF_TYPE);
    arena_init(&a, 0);
    int64_t *ids = arena_alloc(&a, (limit + 1) * sizeof(*ids));
    text_bind(st, 1, type);
    text_bind_int(st, 2, (int64_t)limit);
    while ((r = text_step(c, st, err)) > 0) {
        ids[n++] = sqlite3_column_int64(st, 0);
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = remove_id(t, ids[i], err);
    }
    *ret_more = n == limit;
    arena_finish(&a);
    return r;
}

int text_note_type(struct text *t, struct str type, uint64_t generation, bool complete,
                   struct err *err)
{
    sqlite3_stmt *st = text_statement(t->writer, TX_TYPE_SET);
    text_bind(st, 1, type);
    text_bind_int(st, 2, (int64_t)generation);
    text_bind_int(st, 3, complete);
    return text_run(t->writer, st, err);
}

int text_forget_type(struct text *t, struct str type, struct err *err)
{
    sqlite3_stmt *st = text_statement(t->writer, TX_TYPE_DELETE);
    text_bind(st, 1, type);
    return text_run(t->writer, st, err);
}
