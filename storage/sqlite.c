/* SPDX-License-Identifier: Apache-2.0 */
/* The sqlite engine: opening, closing, copying. The file DIR/store.db holds
 *
 *   log(id, op, prev, create_rev, stamp, keys, who, key, terms, value)
 *                   one row a change, never moved. id = revision * 65536 + order within the
 * revision; prev: the id of the key's row before; op 0: came into being, 1: replaced, 2: deleted;
 * keys: how many keys there are current(key -> id)      the key's last row; negative when that is a
 * deletion, which goes when the floor passes it term(idx, term, key)    for the indexes in idx(id,
 * name, prefix, generation, ready, dead) meta(name -> value)     floor, compacted, next_index
 *
 * There is no index on the log: an older version of a key is found from `current` by the links. One
 * connection writes, on the committer's thread; each reader takes one of its own. DIR/lock keeps a
 * second server out; other programs may read the file, at best through the view `changes`. */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "storage/sqlite_priv.h"

enum { APPLICATION = 0x436f7261, /* "Cora" */ FORMAT = 1 };

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(name BLOB PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE log(id INTEGER PRIMARY KEY, op INTEGER NOT NULL, prev INTEGER NOT NULL,"
    " create_rev INTEGER NOT NULL, stamp INTEGER NOT NULL, keys INTEGER NOT NULL, who BLOB,"
    " key BLOB NOT NULL, terms BLOB, value BLOB);"
    "CREATE TABLE current(key BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE term(idx INTEGER NOT NULL, term BLOB NOT NULL, key BLOB NOT NULL,"
    " PRIMARY KEY(idx, term, key)) WITHOUT ROWID;"
    "CREATE TABLE idx(id INTEGER PRIMARY KEY, name BLOB NOT NULL, prefix BLOB NOT NULL,"
    " generation INTEGER NOT NULL, ready INTEGER NOT NULL, dead INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX idx_name ON idx(name) WHERE dead = 0;"
    "CREATE VIEW changes AS SELECT id >> 16 AS rev, id & 65535 AS sub,"
    " CASE op WHEN 0 THEN 'create' WHEN 1 THEN 'replace' ELSE 'delete' END AS op,"
    " CAST(key AS TEXT) AS key, prev >> 16 AS prev_rev, create_rev, CAST(who AS TEXT) AS who,"
    " CAST(value AS TEXT) AS value FROM log;"
    "PRAGMA application_id = 1131377249;"
    "PRAGMA user_version = 1;"
    "COMMIT";

static struct sqlite_store *self(struct store *s)
{
    return (struct sqlite_store *)s;
}

/* ---- the directory ---- */

static int io_error(struct err *err, const char *what, const char *path)
{
    int code = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    return err_set(err, code, "cannot %s %s: %s", what, path, strerror(errno));
}

static int sync_directory(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd);
    int code = failed ? io_error(err, "sync", path) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

static int in_use(int fd, const char *dir, struct err *err)
{
    char pid[32];
    ssize_t n = pread(fd, pid, sizeof(pid), 0);
    while (n > 0 && (pid[n - 1] < '0' || pid[n - 1] > '9')) {
        n--;
    }
    if (n <= 0) {
        return err_set(err, ERR_CONFLICT, "the store in %s is in use by another process", dir);
    }
    return err_set(err, ERR_CONFLICT, "the store in %s is in use by process %.*s", dir, (int)n,
                   pid);
}

static int take_lock(struct sqlite_store *s, struct err *err)
{
    AUTO_FREE char *path = alloc_printf("%s/lock", s->dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        return io_error(err, "open", path);
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(s->lock_fd, F_OFD_SETLK, &whole)) {
        return errno == EAGAIN || errno == EACCES ? in_use(s->lock_fd, s->dir, err)
                                                  : io_error(err, "lock", path);
    }
    char pid[32];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    /* A full disk keeps nobody from reading: the number only helps a second server's message. */
    bool written = pwrite(s->lock_fd, pid, (size_t)n, 0) == n;
    if (ftruncate(s->lock_fd, written ? n : 0)) {
        return io_error(err, "write", path);
    }
    return 0;
}

static void remove_file(const char *database)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        AUTO_FREE char *path = alloc_printf("%s%s", database, ends[i]);
        unlink(path);
    }
}

/* Whether there is nothing at the path, or a file of no bytes. */
static bool vacant(const char *path)
{
    struct stat st;
    return stat(path, &st) ? errno == ENOENT : !st.st_size;
}

/* Writes an empty store into the empty file at path, of which nothing needs to outlive a crash yet.
 */
static int write_schema(const char *path, struct err *err)
{
    struct sqlite_conn *c = NULL;
    int code = sqlite_conn_open(path, SQ_READER_KIB, &c, err);
    code = code ? code
                : sqlite_conn_exec(c,
                                   "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;"
                                   "PRAGMA auto_vacuum=INCREMENTAL",
                                   err);
    code = code ? code : sqlite_conn_exec(c, schema, err);
    code = code ? code : sqlite_conn_exec(c, "PRAGMA journal_mode=WAL", err);
    sqlite_conn_close(c);
    return code;
}

static int sync_file(int fd, const char *path, struct err *err)
{
    return fsync(fd) ? io_error(err, "sync", path) : 0;
}

/* Makes the store's file beside its place and moves it there when it is whole: one sync instead of
 * one a step, and never half a store. sqlite gives its mode to those it makes beside it. */
static int make_file(struct sqlite_store *s, struct err *err)
{
    if (!vacant(s->path)) {
        s->unsettled = false;
        return 0;
    }
    AUTO_FREE char *part = alloc_printf("%s.part", s->path), *above = alloc_printf("%s/..", s->dir);
    remove_file(part);
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return io_error(err, "make", part);
    }
    int code = write_schema(part, err);
    code = code || s->mirror ? code : sync_file(fd, part, err);
    close(fd);
    if (!code && rename(part, s->path)) {
        code = io_error(err, "make", s->path);
    }
    if (code || s->mirror) {
        return code;
    }
    code = sync_directory(s->dir, err);
    return code ? code : sync_directory(above, err);
}

/* ---- opening ---- */

static int check_format(struct sqlite_store *s, struct err *err)
{
    int64_t application = 0, format = 0;
    int code = sqlite_number(s->writer, SQ_APPLICATION, &application, err);
    code = code ? code : sqlite_number(s->writer, SQ_VERSION, &format, err);
    if (code || (application == APPLICATION && format == FORMAT)) {
        return code;
    }
    if (application != APPLICATION) {
        return err_set(err, ERR_CORRUPT, "%s belongs to another program", s->path);
    }
    return err_set(err, ERR_CORRUPT,
                   "%s has format %" PRId64 ", which this version does not know (it knows %d)",
                   s->path, format, FORMAT);
}

static int wal_hook(void *arg, sqlite3 *db, const char *name, int frames)
{
    (void)db;
    (void)name;
    sqlite_wal_grew(arg, frames);
    return SQLITE_OK;
}

int sqlite_sync_commits(struct sqlite_store *s, struct err *err)
{
    /* In the write-ahead log NORMAL is: not synced, but in order. */
    return sqlite_conn_exec(s->writer,
                            s->mirror      ? "PRAGMA synchronous=OFF"
                            : s->unsettled ? "PRAGMA synchronous=NORMAL"
                                           : "PRAGMA synchronous=FULL",
                            err);
}

/* The sync of one commit is that of the log up to there. */
static int settle(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    (void)arg;
    if (!s->unsettled) {
        return 0;
    }
    s->unsettled = false;
    int code = sqlite_sync_commits(s, err);
    code = code ? code : sqlite_begin(s->writer, err);
    code = code ? code : sqlite_meta_set(s->writer, "settled", s->rev, err);
    code = code ? code : sqlite_commit(s->writer, err);
    if (code) {
        sqlite_failed(s, s->writer);
        sqlite_rollback(s->writer);
    }
    return code;
}

static int sqlite_settle(struct store *st, struct err *err)
{
    struct sqlite_store *s = (struct sqlite_store *)st;
    return committer_call(&s->committer, settle, NULL, err);
}

static int open_file(struct sqlite_store *s, struct err *err)
{
    int code = sqlite_conn_open(s->path, SQ_WRITER_KIB, &s->writer, err);
    code = code ? code : check_format(s, err);
    if (!code) {
        code = sqlite_conn_exec(s->writer,
                                "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=16777216", err);
    }
    code = code ? code : sqlite_sync_commits(s, err);
    if (!code) {
        sqlite3_wal_hook(s->writer->db, wal_hook, s);
        s->map = sqlite_map_create(s->path, s->writer);
        sqlite_map_attach(s->map, s->writer);
    }
    return code;
}

static int load(struct sqlite_store *s, int64_t *ret_floor, struct err *err)
{
    int64_t id = 0;
    int code = sqlite_number(s->writer, SQ_PIN, &id, err);
    code = code ? code : sqlite_number(s->writer, SQ_KEYS, &s->n_keys, err);
    code = code ? code : sqlite_meta_get(s->writer, "floor", ret_floor, err);
    code = code ? code : sqlite_meta_get(s->writer, "compacted", &s->compacted, err);
    code = code ? code : sqlite_index_load(s, err);
    s->rev = id ? sqlite_id_rev(id) : STORE_FIRST_REVISION;
    s->floor_stored = *ret_floor;
    s->freed = true;
    s->trim_ms = clock_mono_ms() + SQ_TRIM_MS; /* what the start reads is given back */
    atomic_store(&s->revision, s->rev);
    atomic_store(&s->keys, (uint64_t)s->n_keys);
    return code;
}

static void destroy(struct sqlite_store *s)
{
    sqlite_keeper_stop(s);
    for (size_t i = 0; i < SQ_READERS; i++) {
        sqlite_conn_close(atomic_load(&s->readers[i]));
    }
    if (s->writer && atomic_load(&s->unsure) && sqlite_secure_log(s, NULL)) {
        /* Pages that are in the file and not in the log would be overwritten with older ones. */
        sqlite3_db_config(s->writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    sqlite_conn_close(s->writer);
    sqlite_map_destroy(s->map);
    sqlite_cache_destroy(s->cache);
    if (s->mirror && s->writer) {
        remove_file(s->path);
    }
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    sqlite_index_finish(s);
    horizon_finish(&s->horizon);
    pthread_mutex_destroy(&s->trouble.lock);
    pthread_cond_destroy(&s->pause_over);
    pthread_mutex_destroy(&s->pause_lock);
    buf_finish(&s->terms);
    free(s->events);
    free(s->prevs);
    free(s->dir);
    free(s->path);
    free(s);
}

void sqlite_close(struct store *st)
{
    struct sqlite_store *s = self(st);
    committer_stop(&s->committer);
    sqlite_keeper_stop(s);
    committer_finish(&s->committer);
    destroy(s);
}

/* ---- the rest ---- */

static int64_t sqlite_revision(struct store *st)
{
    return atomic_load(&self(st)->revision);
}

static void sqlite_on_commit(struct store *st, store_commit_fn *fn, void *arg)
{
    self(st)->on_commit = fn;
    self(st)->on_commit_arg = arg;
}

static void sqlite_submit(struct store *st, const struct store_txn *t, store_done_fn *done,
                          void *arg)
{
    committer_submit(&self(st)->committer, t, done, arg);
}

static void sqlite_sync(struct store *st, store_done_fn *done, void *arg)
{
    done(arg, &(struct store_outcome){.rev = sqlite_revision(st)});
}

static int64_t sqlite_floor(struct store *st)
{
    return horizon_floor(&self(st)->horizon);
}

int sqlite_hold(struct store *st, int64_t rev, struct store_hold **ret, int64_t *ret_rev,
                struct err *err)
{
    struct sqlite_store *s = self(st);
    return horizon_hold(&s->horizon, st, rev, &s->revision, ret, ret_rev, err);
}

static void sqlite_release(struct store_hold *h)
{
    horizon_release(&self(h->store)->horizon, h);
}

static uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static void disk_stats(struct sqlite_store *s, struct store_stats *ret)
{
    AUTO_FREE char *wal = alloc_printf("%s-wal", s->path);
    ret->bytes_log = file_size(wal);
    ret->bytes_disk = file_size(s->path) + ret->bytes_log;
    struct sqlite_conn *c;
    int64_t pages = 0;
    if (!sqlite_reader_take(s, &c, NULL)) {
        sqlite_number(c, SQ_FREE_PAGES, &pages, NULL);
        sqlite_reader_give(s, c);
    }
    ret->bytes_free = (uint64_t)pages * SQ_PAGE_BYTES;
}

static void sqlite_stats(struct store *st, struct store_stats *ret)
{
    struct sqlite_store *s = self(st);
    *ret = (struct store_stats){
        .revision = sqlite_revision(st),
        .floor = sqlite_floor(st),
        .commits = atomic_load(&s->commits),
        .transactions = atomic_load(&s->transactions),
        .batch_max = atomic_load(&s->batch_max),
        .conflicts = atomic_load(&s->conflicts),
        .errors = atomic_load(&s->errors),
        .sync_ns = atomic_load(&s->sync_ns),
        .queued = atomic_load(&s->committer.queued),
        .keys = atomic_load(&s->keys),
    };
    disk_stats(s, ret);
}

/* ---- snapshots ---- */

static int copy_pages(struct sqlite_conn *from, struct sqlite_conn *to, struct err *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (!b) {
        return sqlite_conn_error(to, err);
    }
    sqlite3_backup_step(b, -1);
    return sqlite3_backup_finish(b) ? sqlite_conn_error(to, err) : 0;
}

/* Fills the empty file at path. Its pages are synced once, at the end. */
static int copy_to(struct sqlite_store *s, const char *path, struct err *err)
{
    struct sqlite_conn *from = NULL, *to = NULL;
    int code = sqlite_reader_take(s, &from, err);
    if (code) {
        return code;
    }
    code = sqlite_conn_open(path, SQ_READER_KIB, &to, err);
    code = code ? code : sqlite_conn_exec(to, "PRAGMA synchronous=OFF", err);
    atomic_fetch_add(&s->copies, 1);
    code = code ? code : copy_pages(from, to, err);
    atomic_fetch_sub(&s->copies, 1);
    code = code ? code : sqlite_conn_exec(to, "PRAGMA journal_mode=DELETE", err);
    sqlite_conn_close(to);
    sqlite_reader_give(s, from);
    return code;
}

static int copy_whole(struct sqlite_store *s, const char *part, const char *path, struct err *err)
{
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return io_error(err, "make", part);
    }
    int code = copy_to(s, part, err);
    code = code ? code : sync_file(fd, part, err);
    close(fd);
    if (!code && link(part, path)) {
        code = errno == EEXIST ? err_set(err, ERR_EXISTS, "%s exists", path)
                               : io_error(err, "make", path);
    }
    unlink(part);
    return code;
}

static int sqlite_snapshot(struct store *st, const char *path, struct err *err)
{
    if (!access(path, F_OK)) {
        return err_set(err, ERR_EXISTS, "%s exists", path);
    }
    AUTO_FREE char *part = alloc_printf("%s.part", path);
    int code = copy_whole(self(st), part, path, err);
    if (code) {
        return code;
    }
    AUTO_FREE char *dir = alloc_strdup(path);
    char *slash = strrchr(dir, '/');
    if (slash) {
        slash[slash == dir] = 0;
    }
    return sync_directory(slash ? dir : ".", err);
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .get = sqlite_get,
    .range = sqlite_range,
    .count = sqlite_count,
    .revision = sqlite_revision,
    .prefix_revision = sqlite_prefix_revision,
    .changes = sqlite_changes,
    .on_commit = sqlite_on_commit,
    .submit = sqlite_submit,
    .sync = sqlite_sync,
    .index_define = sqlite_index_define,
    .index_ready = sqlite_index_ready,
    .index_built = sqlite_index_built,
    .index_drop = sqlite_index_drop,
    .settle = sqlite_settle,
    .index_walk = sqlite_index_walk,
    .index_tally = sqlite_index_tally,
    .floor = sqlite_floor,
    .compact = sqlite_compact,
    .hold = sqlite_hold,
    .release = sqlite_release,
    .snapshot = sqlite_snapshot,
    .stats = sqlite_stats,
    .writable = sqlite_writable,
    .close = sqlite_close,
};

static const struct committer_ops sqlite_committer_ops = {
    .batch = sqlite_batch,
    .keep = sqlite_keep,
};

/* Everything but the committer's thread. */
static int prepare(struct sqlite_store *s, struct err *err)
{
    int code = file_mkdirs(s->dir, 0700, err);
    code = code ? code : take_lock(s, err);
    if (!code && s->mirror) {
        remove_file(s->path);
    }
    code = code ? code : make_file(s, err);
    code = code ? code : open_file(s, err);
    int64_t floor = 0;
    code = code ? code : load(s, &floor, err);
    /* What the last process wrote and did not sync must not be read and then be lost. */
    code = code ? code : sqlite_secure_log(s, err);
    atomic_store(&s->horizon.floor, floor);
    return code ? code : sqlite_keeper_start(s, err);
}

int sqlite_open(const struct store_options *o, bool mirror, struct sqlite_store **ret,
                struct err *err)
{
    /* Without effect, and without harm, once sqlite is in use. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct sqlite_store *s = ALLOC(struct sqlite_store);
    s->base.ops = &sqlite_ops;
    s->dir = alloc_strdup(o->dir);
    s->path = alloc_printf("%s/store.db", o->dir);
    s->lock_fd = -1;
    s->mirror = mirror;
    s->unsettled = o->unsettled;
    s->cache = sqlite_cache_create();
    pthread_mutex_init(&s->pause_lock, NULL);
    pthread_mutex_init(&s->trouble.lock, NULL);
    pthread_cond_init(&s->pause_over, NULL);
    horizon_init(&s->horizon, o, 0);
    int code = prepare(s, err);
    code =
        code ? code : committer_start(&s->committer, &sqlite_committer_ops, s, o->batch_max, err);
    if (code) {
        destroy(s);
        return code;
    }
    committer_measure(&s->committer, o->metrics);
    *ret = s;
    return 0;
}

int store_open_sqlite(const struct store_options *o, struct store **ret, struct err *err)
{
    struct sqlite_store *s;
    int code = sqlite_open(o, false, &s, err);
    if (!code) {
        *ret = &s->base;
    }
    return code;
}
