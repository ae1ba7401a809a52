/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, statements and errors of the sqlite engine. */
#include "storage/sqlite_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Columns 0 to 3 of what reads rows for an entry are id, create_rev, stamp, value. */
static const char *const sql[SQ_STMTS] = {
    [SQ_PIN] = "SELECT max(id) FROM log",
    [SQ_GET] = "SELECT l.id, l.create_rev, l.stamp, l.value FROM current c"
               " JOIN log l ON l.id = c.id WHERE c.key = ?1",
    [SQ_ROW] = "SELECT id, create_rev, stamp, value, op FROM log WHERE id = ?1",
    [SQ_LINK] = "SELECT prev FROM log WHERE id = ?1",
    [SQ_RANGE] = "SELECT l.id, l.create_rev, l.stamp, l.value, c.key FROM current c"
                 " CROSS JOIN log l ON l.id = c.id WHERE c.key >= ?1 AND c.id > 0"
                 " ORDER BY c.key",
    [SQ_RANGE_KEYS] = "SELECT l.id, l.create_rev, l.stamp, NULL, c.key FROM current c"
                      " CROSS JOIN log l ON l.id = c.id WHERE c.key >= ?1 AND c.id > 0"
                      " ORDER BY c.key",
    [SQ_RANGE_TERM] = "SELECT l.id, l.create_rev, l.stamp, l.value, t.key FROM term t"
                      " CROSS JOIN current c ON c.key = t.key CROSS JOIN log l ON l.id = c.id"
                      " WHERE t.key >= ?1 AND t.idx = ?2 AND t.term = ?3 ORDER BY t.key",
    [SQ_RANGE_TERM_KEYS] = "SELECT l.id, l.create_rev, l.stamp, NULL, t.key FROM term t"
                           " CROSS JOIN current c ON c.key = t.key CROSS JOIN log l ON l.id = c.id"
                           " WHERE t.key >= ?1 AND t.idx = ?2 AND t.term = ?3 ORDER BY t.key",
    [SQ_WALK] = "SELECT term, key FROM term WHERE idx = ?1 AND term >= ?2 AND term <= ?3"
                " AND (term < ?3 OR key > ?4) ORDER BY term DESC, key",
    [SQ_TALLY] = "SELECT term, count(*) FROM term WHERE idx = ?1 AND term >= ?2 AND term <= ?3"
                 " GROUP BY term ORDER BY term DESC",
    [SQ_RANGE_ALL] = "SELECT key, id FROM current WHERE key >= ?1 ORDER BY key",
    [SQ_COUNT] = "SELECT count(*) FROM current WHERE key >= ?1 AND key < ?2 AND id > 0",
    [SQ_COUNT_OPEN] = "SELECT count(*) FROM current WHERE key >= ?1 AND id > 0",
    [SQ_LOG] = "SELECT id, create_rev, stamp, value, op, prev, who, key FROM log"
               " WHERE id > ?1 ORDER BY id",
    [SQ_LOG_KEYS] = "SELECT id, key FROM log WHERE id > ?1 ORDER BY id DESC LIMIT ?2",
    [SQ_INDEX] = "SELECT id, ready FROM idx WHERE name = ?1 AND dead = 0",
    [SQ_FREE_PAGES] = "PRAGMA freelist_count",
    [SQ_PAGES] = "PRAGMA page_count",
    [SQ_APPLICATION] = "PRAGMA application_id",
    [SQ_VERSION] = "PRAGMA user_version",
    [SQ_KEYS] = "SELECT keys FROM log ORDER BY id DESC LIMIT 1",
    [SQ_BEGIN] = "BEGIN IMMEDIATE",
    [SQ_COMMIT] = "COMMIT",
    [SQ_ROLLBACK] = "ROLLBACK",
    [SQ_FIND] = "SELECT id FROM current WHERE key = ?1",
    [SQ_OLD] = "SELECT create_rev, stamp, terms FROM log WHERE id = ?1",
    [SQ_LOG_INSERT] = "INSERT INTO log(id, op, prev, create_rev, stamp, keys, who, key,"
                      " terms, value) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQ_LOG_UPDATE] = "UPDATE log SET stamp = ?2, terms = ?3, value = ?4 WHERE id = ?1",
    [SQ_LOG_DELETE] = "DELETE FROM log WHERE id = ?1",
    [SQ_CURRENT_INSERT] = "INSERT INTO current(key, id) VALUES(?1, ?2)",
    [SQ_CURRENT_UPDATE] = "UPDATE current SET id = ?2 WHERE key = ?1",
    [SQ_CURRENT_DELETE] = "DELETE FROM current WHERE key = ?1 AND id = ?2",
    [SQ_TERM_INSERT] = "INSERT OR IGNORE INTO term(idx, term, key) VALUES(?1, ?2, ?3)",
    [SQ_TERM_DELETE] = "DELETE FROM term WHERE idx = ?1 AND term = ?2 AND key = ?3",
    [SQ_TERM_NTH] = "SELECT term, key FROM term WHERE idx = ?1 LIMIT 1 OFFSET ?2",
    [SQ_TERM_DELETE_BEFORE] = "DELETE FROM term WHERE idx = ?1 AND (term, key) < (?2, ?3)",
    [SQ_TERM_DELETE_ALL] = "DELETE FROM term WHERE idx = ?1",
    [SQ_TERM_ANY] = "SELECT key FROM term WHERE key >= ?1 AND idx = ?2 AND term = ?3 ORDER BY key"
                    " LIMIT 1",
    [SQ_COMPACT] = "SELECT id, op, prev, key FROM log WHERE id > ?1 AND id <= ?2"
                   " ORDER BY id LIMIT ?3",
    [SQ_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [SQ_META_SET] = "INSERT INTO meta(name, value) VALUES(?1, ?2)"
                    " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [SQ_INDEX_LIST] = "SELECT id, generation, ready, name, prefix, dead FROM idx"
                      " ORDER BY dead DESC, name",
    [SQ_INDEX_INSERT] = "INSERT INTO idx(id, name, prefix, generation, ready, dead)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, 0)",
    [SQ_INDEX_READY] = "UPDATE idx SET ready = 1 WHERE id = ?1",
    [SQ_INDEX_DEAD] = "UPDATE idx SET dead = 1 WHERE id = ?1",
    [SQ_INDEX_DELETE] = "DELETE FROM idx WHERE id = ?1",
    [SQ_VACUUM] = "PRAGMA incremental_vacuum(32)",
    [SQ_LAST_OF] = "SELECT max(id) FROM log WHERE id >= ?1 AND id <= ?2",
};

/* A mirror's revision also moves by what it does not hold. */
static const char mirror_pin[] =
    "SELECT max(ifnull((SELECT max(id) FROM log), 0),"
    " ifnull((SELECT value FROM meta WHERE name = x'70726573656e74') << 16, 0))";

/* What the system said of the failed call, 0 when it is not to blame. Of a failed commit only the
 * log's file knows it. */
static int system_error(sqlite3 *db)
{
    int code = sqlite3_errcode(db) & 0xff, sys = 0;
    if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN) {
        sys = sqlite3_system_errno(db);
    }
    sqlite3_file *log = NULL;
    if (code == SQLITE_IOERR && !sys) {
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    }
    if (log && log->pMethods) {
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &sys);
    }
    return sys;
}

static int error_code(sqlite3 *db)
{
    int sys = system_error(db);
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? ERR_NO_SPACE : ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

int sqlite_conn_error(struct sqlite_conn *c, struct err *err)
{
    int code = error_code(c->db), ext = sqlite3_extended_errcode(c->db), sys = system_error(c->db);
    const char *why = sys ? strerrordesc_np(sys) : NULL;
    return err_set(err, code, "sqlite: %s (%d%s%s)", sqlite3_errmsg(c->db), ext, why ? ": " : "",
                   why ? why : "");
}

int sqlite_conn_exec(struct sqlite_conn *c, const char *text, struct err *err)
{
    return sqlite3_exec(c->db, text, NULL, NULL, NULL) ? sqlite_conn_error(c, err) : 0;
}

int sqlite_conn_open(const char *path, int cache_kib, struct sqlite_conn **ret, struct err *err)
{
    struct sqlite_conn *c = ALLOC(struct sqlite_conn);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(path, &c->db, flags, NULL)) {
        int code = sqlite_conn_error(c, err);
        sqlite_conn_close(c);
        return code;
    }
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    sqlite3_extended_result_codes(c->db, 0);
    sqlite3_busy_timeout(c->db, SQ_BUSY_MS);
    sqlite3_wal_autocheckpoint(c->db, 0);
    AUTO_FREE char *setup =
        alloc_printf("PRAGMA mmap_size=0; PRAGMA cache_size=-%d; PRAGMA synchronous=FULL;"
                     "PRAGMA temp_store=MEMORY",
                     cache_kib);
    int code = sqlite_conn_exec(c, setup, err);
    if (code) {
        sqlite_conn_close(c);
        return code;
    }
    *ret = c;
    return 0;
}

void sqlite_conn_close(struct sqlite_conn *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < SQ_STMTS; i++) {
        sqlite3_finalize(c->stmts[i]);
    }
    sqlite3_close(c->db);
    free(c);
}

sqlite3_stmt *sqlite_conn_stmt(struct sqlite_conn *c, enum sqlite_stmt_id id)
{
    if (!c->stmts[id]) {
        const char *text = c->mirror && id == SQ_PIN ? mirror_pin : sql[id];
        sqlite3_prepare_v3(c->db, text, -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[id], NULL);
    }
    return c->stmts[id];
}

int sqlite_conn_step(struct sqlite_conn *c, sqlite3_stmt *st, struct err *err)
{
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW) {
        return 1;
    }
    int code = rc == SQLITE_DONE ? 0 : sqlite_conn_error(c, err);
    sqlite3_reset(st);
    return code;
}

int sqlite_conn_run(struct sqlite_conn *c, sqlite3_stmt *st, struct err *err)
{
    int r;
    do {
        r = sqlite_conn_step(c, st, err);
    } while (r > 0);
    return r;
}

void sqlite_bind(sqlite3_stmt *st, int i, struct str s)
{
    if (st) {
        sqlite3_bind_blob64(st, i, s.len ? s.ptr : "", s.len, SQLITE_STATIC);
    }
}

void sqlite_bind_int(sqlite3_stmt *st, int i, int64_t v)
{
    if (st) {
        sqlite3_bind_int64(st, i, v);
    }
}

struct str sqlite_column(sqlite3_stmt *st, int i)
{
    const char *p = sqlite3_column_blob(st, i);
    return (struct str){p ? p : "", (size_t)sqlite3_column_bytes(st, i)};
}

int sqlite_meta_get(struct sqlite_conn *c, const char *name, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_META_GET);
    sqlite_bind(st, 1, str_from(name));
    int r = sqlite_conn_step(c, st, err);
    if (r < 0) {
        return r;
    }
    *ret = r ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    return 0;
}

int sqlite_meta_set(struct sqlite_conn *c, const char *name, int64_t v, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(c, SQ_META_SET);
    sqlite_bind(st, 1, str_from(name));
    sqlite_bind_int(st, 2, v);
    return sqlite_conn_run(c, st, err);
}

int sqlite_number(struct sqlite_conn *c, enum sqlite_stmt_id id, int64_t *ret, struct err *err)
{
    return sqlite_conn_int(c, sqlite_conn_stmt(c, id), ret, err);
}

int sqlite_conn_int(struct sqlite_conn *c, sqlite3_stmt *st, int64_t *ret, struct err *err)
{
    int r = sqlite_conn_step(c, st, err);
    if (r < 0) {
        return r;
    }
    *ret = r ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    return 0;
}

int sqlite_begin(struct sqlite_conn *c, struct err *err)
{
    return sqlite_conn_run(c, sqlite_conn_stmt(c, SQ_BEGIN), err);
}

int sqlite_commit(struct sqlite_conn *c, struct err *err)
{
    return sqlite_conn_run(c, sqlite_conn_stmt(c, SQ_COMMIT), err);
}

void sqlite_rollback(struct sqlite_conn *c)
{
    if (!sqlite3_get_autocommit(c->db)) {
        sqlite_conn_run(c, sqlite_conn_stmt(c, SQ_ROLLBACK), NULL);
    }
}
