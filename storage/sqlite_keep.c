/* SPDX-License-Identifier: Apache-2.0 */
/* Housekeeping of the sqlite engine, in slices between commits: what lies beneath the floor is
 * deleted, space is given back, and the write-ahead log is copied into the file.
 *
 * Compaction walks the log once, in order, up to the floor: each row found there has replaced the
 * row that it links to, which goes; a deletion goes itself too, with its key. So a row stays until
 * what replaced it is at or beneath the floor. The newest revision's rows stay in any case: they
 * tell the store's revision. These commits are not synced; the next one that is carries them.
 *
 * The write-ahead log can start anew only once all of it has been copied. The keeper's thread
 * copies most of it beside the commits; the committer then copies what has come since, which is
 * little. */
#include "storage/sqlite_priv.h"

#include <malloc.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum {
    SLICE_ROWS = 32,           /* between two looks at the clock */
    SLICE_IDLE_NS = 2000000,   /* how long one slice may take */
    SLICE_BUSY_NS = 300000,    /* and while transactions wait */
    VACUUM_LEAST_PAGES = 1024, /* so much free space is left for use */
    VACUUM_SHARE = 4,          /* space is given back when a page in so many is free */
    DRAIN_NS = 5000000,        /* how long reads and commits may wait for reads to end: this ... */
    DRAIN_TIMES = 20,          /* ... times the square of how often the log is too long, at most */
    RETRY_MS = 1000,           /* after a failure */
    SETTLE_MS = 1000,          /* without commits: the write-ahead log is emptied */
};

/* ---- compaction ---- */

struct dead_row {
    int64_t id, prev;
    int op;
    size_t key_at, key_len; /* in the keys' buffer */
};

struct dead_rows {
    struct dead_row rows[SLICE_ROWS];
    size_t n;
    struct buf keys;
};

static int collect(struct sqlite_store *s, int64_t from, int64_t to, struct dead_rows *d,
                   struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_COMPACT);
    sqlite_bind_int(st, 1, from);
    sqlite_bind_int(st, 2, to);
    sqlite_bind_int(st, 3, SLICE_ROWS);
    int r;
    d->n = 0;
    d->keys.len = 0;
    while ((r = sqlite_conn_step(s->writer, st, err)) > 0) {
        struct dead_row *row = &d->rows[d->n++];
        row->id = sqlite3_column_int64(st, 0);
        row->op = sqlite3_column_int(st, 1);
        row->prev = sqlite3_column_int64(st, 2);
        struct str key = row->op == SQ_OP_REMOVE ? sqlite_column(st, 3) : STR_NULL;
        row->key_at = d->keys.len;
        row->key_len = key.len;
        buf_add(&d->keys, key);
    }
    return r;
}

static int delete_row(struct sqlite_store *s, int64_t id, struct err *err)
{
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_LOG_DELETE);
    sqlite_bind_int(st, 1, id);
    return sqlite_conn_run(s->writer, st, err);
}

static int forget(struct sqlite_store *s, const struct dead_rows *d, const struct dead_row *row,
                  struct err *err)
{
    int code = row->op == SQ_OP_CREATE ? 0 : delete_row(s, row->prev, err);
    if (code || row->op != SQ_OP_REMOVE) {
        return code;
    }
    code = delete_row(s, row->id, err);
    sqlite3_stmt *st = sqlite_conn_stmt(s->writer, SQ_CURRENT_DELETE);
    sqlite_bind(st, 1, str_skip(str_make(d->keys.ptr, row->key_at + row->key_len), row->key_at));
    sqlite_bind_int(st, 2, -row->id);
    return code ? code : sqlite_conn_run(s->writer, st, err);
}

/* Deals with rows after *at up to `to` until the time is up; *at is how far it came. */
static int forget_some(struct sqlite_store *s, int64_t to, int64_t *at, struct err *err)
{
    struct dead_rows d = {.n = 0};
    uint64_t start = clock_mono_ns();
    int code = 0;
    while (!code && *at < to) {
        bool busy = atomic_load(&s->committer.queued) > 0;
        if (clock_mono_ns() - start > (busy ? SLICE_BUSY_NS : SLICE_IDLE_NS)) {
            break;
        }
        code = collect(s, *at, to, &d, err);
        for (size_t i = 0; i < d.n && !code; i++) {
            code = forget(s, &d, &d.rows[i], err);
        }
        *at = d.n < SLICE_ROWS ? to : d.rows[d.n - 1].id;
    }
    buf_finish(&d.keys);
    return code;
}

/* The last row that can be dealt with. */
static int64_t compact_bound(const struct sqlite_store *s, int64_t floor)
{
    return sqlite_id(floor < s->rev ? floor + 1 : s->rev, 0) - 1;
}

static int compact_write(struct sqlite_store *s, int64_t floor, int64_t *at, struct err *err)
{
    int code = sqlite_begin(s->writer, err);
    code = code ? code : forget_some(s, compact_bound(s, floor), at, err);
    code = code ? code : sqlite_meta_set(s->writer, "compacted", *at, err);
    if (!code && floor > s->floor_stored) {
        code = sqlite_meta_set(s->writer, "floor", floor, err);
    }
    return code ? code : sqlite_commit(s->writer, err);
}

static bool compact_due(const struct sqlite_store *s, int64_t floor)
{
    return s->compacted < compact_bound(s, floor) || s->floor_stored < floor;
}

/* 1: something was done; 0: there was nothing to do. */
static int compact_slice(struct sqlite_store *s, int64_t floor, struct err *err)
{
    if (!compact_due(s, floor)) {
        return 0;
    }
    int64_t at = s->compacted;
    int code = compact_write(s, floor, &at, err);
    if (code) {
        sqlite_failed(s, s->writer);
        sqlite_rollback(s->writer);
        return code;
    }
    s->freed = s->freed || at > s->compacted;
    s->compacted = at;
    s->floor_stored = floor > s->floor_stored ? floor : s->floor_stored;
    return 1;
}

/* ---- giving space back ---- */

/* Begins when a quarter of the file is free and ends when an eighth is. */
static int vacuum_slice(struct sqlite_store *s, struct err *err)
{
    int64_t pages = 0, free_pages = 0;
    int code = sqlite_number(s->writer, SQ_FREE_PAGES, &free_pages, err);
    code = code ? code : sqlite_number(s->writer, SQ_PAGES, &pages, err);
    int64_t share = s->vacuuming ? VACUUM_SHARE * 2 : VACUUM_SHARE;
    s->vacuuming = !code && free_pages > VACUUM_LEAST_PAGES && free_pages > pages / share;
    s->freed = code || s->vacuuming;
    if (!s->freed) {
        return 0;
    }
    if (code) {
        return code;
    }
    code = sqlite_conn_run(s->writer, sqlite_conn_stmt(s->writer, SQ_VACUUM), err);
    return code ? code : 1;
}

/* ---- the write-ahead log ---- */

void sqlite_wal_grew(struct sqlite_store *s, int frames)
{
    if (s->wal_copied) {
        /* Where a reader kept the log from starting anew it goes on growing, until a later attempt.
         */
        bool grew = s->wal_frames && frames > s->wal_frames;
        s->wal_next = grew ? frames + SQ_WAL_FRAMES / 4 : SQ_WAL_FRAMES;
        s->wal_copied = false;
    }
    s->wal_frames = frames;
}

/* Copies what is left of the log, at once. True: all of it is copied now. */
static bool copy_rest(struct sqlite_store *s, int mode, int *ret_frames)
{
    int frames = -1, copied = -1;
    sqlite3 *db = s->writer->db;
    *ret_frames = frames;
    if (atomic_load(&s->unsure) && sqlite_secure_log(s, NULL)) {
        return false;
    }
    sqlite3_busy_timeout(db, 0);
    if (sqlite3_wal_checkpoint_v2(db, NULL, mode, &frames, &copied)) {
        sqlite_failed(s, s->writer);
    }
    sqlite3_busy_timeout(db, SQ_BUSY_MS);
    *ret_frames = frames;
    return frames >= 0 && frames == copied;
}

/* With no read under way: those that begin afterwards do not need the log, so it can start anew. */
static void copy_alone(struct sqlite_store *s)
{
    int frames;
    s->wal_copied = copy_rest(s, SQLITE_CHECKPOINT_PASSIVE, &frames);
}

/* When nothing else is going on, the log is emptied. When it has grown although it was copied,
 * because there always was some read that had begun before, those are waited for. */
static void checkpoint_rest(struct sqlite_store *s, bool settled)
{
    int mode = settled ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, frames;
    s->wal_copied = copy_rest(s, mode, &frames);
    if (!settled && s->wal_frames > SQ_WAL_FRAMES * 3 / 2 && !atomic_load(&s->copies)) {
        uint64_t times = (uint64_t)s->wal_frames / SQ_WAL_FRAMES;
        times = times < DRAIN_TIMES ? times : DRAIN_TIMES;
        sqlite_reader_drain(s, DRAIN_NS * times * times, copy_alone);
    }
    if (s->wal_copied && frames == 0) {
        s->wal_frames = 0;
    }
    s->wal_next = s->wal_frames + SQ_WAL_FRAMES / 4;
}

static void keeper_ask(struct sqlite_keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->asked = true;
    pthread_cond_signal(&k->work);
    pthread_mutex_unlock(&k->lock);
}

/* Returns when to look again. */
static int64_t checkpoint_step(struct sqlite_store *s)
{
    int64_t quiet = clock_mono_ms() - s->commit_ms;
    if (s->checkpoint == SQ_CHECKPOINT_BULK) {
        if (!atomic_exchange(&s->keeper.done, false)) {
            return -1;
        }
        checkpoint_rest(s, quiet >= SETTLE_MS);
        s->checkpoint = SQ_CHECKPOINT_IDLE;
        s->checkpoint_ms = clock_mono_ms();
    }
    if (!s->wal_frames) {
        return -1;
    }
    int64_t since = clock_mono_ms() - s->checkpoint_ms;
    quiet = quiet < since ? quiet : since;
    if (s->wal_frames < s->wal_next && quiet < SETTLE_MS) {
        return SETTLE_MS - quiet;
    }
    s->checkpoint = SQ_CHECKPOINT_BULK;
    keeper_ask(&s->keeper);
    return -1;
}

static void keeper_copy(struct sqlite_store *s)
{
    /* Twice: the second time only what was written during the first. */
    for (int i = 0; i < 2 && !atomic_load(&s->unsure); i++) {
        sqlite3 *db = s->keeper.conn->db;
        if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL)) {
            sqlite_failed(s, s->keeper.conn);
        }
    }
    atomic_store(&s->keeper.done, true);
    committer_wake(&s->committer);
}

static void *keeper_main(void *arg)
{
    struct sqlite_store *s = arg;
    struct sqlite_keeper *k = &s->keeper;
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        if (!k->asked) {
            pthread_cond_wait(&k->work, &k->lock);
            continue;
        }
        k->asked = false;
        pthread_mutex_unlock(&k->lock);
        keeper_copy(s);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int sqlite_keeper_start(struct sqlite_store *s, struct err *err)
{
    struct sqlite_keeper *k = &s->keeper;
    s->wal_next = SQ_WAL_FRAMES;
    int code = sqlite_conn_open(s->path, SQ_READER_KIB, &k->conn, err);
    if (code) {
        return code;
    }
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->work, NULL);
    if (pthread_create(&k->thread, NULL, keeper_main, s)) {
        pthread_cond_destroy(&k->work);
        pthread_mutex_destroy(&k->lock);
        return err_set(err, ERR_UNAVAILABLE, "cannot start the keeper's thread");
    }
    k->started = true;
    return 0;
}

void sqlite_keeper_stop(struct sqlite_store *s)
{
    struct sqlite_keeper *k = &s->keeper;
    if (k->started) {
        pthread_mutex_lock(&k->lock);
        k->stop = true;
        pthread_cond_signal(&k->work);
        pthread_mutex_unlock(&k->lock);
        pthread_join(k->thread, NULL);
        pthread_cond_destroy(&k->work);
        pthread_mutex_destroy(&k->lock);
        k->started = false;
    }
    sqlite_conn_close(k->conn);
    k->conn = NULL;
}

/* ---- all of it ---- */

/* One slice of whatever there is to do. 1: there may be more; 0: nothing; negative: failed. */
static int slice(struct sqlite_store *s, int64_t floor, struct err *err)
{
    int r = s->mirror ? 0 : sqlite_conn_exec(s->writer, "PRAGMA synchronous=NORMAL", err);
    r = r ? r : compact_slice(s, floor, err);
    if (!r && s->dead_indexes) {
        r = sqlite_index_sweep(s, err);
        s->freed = s->freed || r > 0;
    }
    if (!r && s->freed) {
        r = vacuum_slice(s, err);
    }
    int full = sqlite_sync_commits(s, err);
    return full ? full : r;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Runs a slice where one is due; returns when the next is. */
static int64_t keep_slice(struct sqlite_store *s, int64_t floor)
{
    int64_t now = clock_mono_ms();
    if (!compact_due(s, floor) && !s->dead_indexes && !s->freed) {
        return -1;
    }
    if (now < s->retry_ms) {
        return s->retry_ms - now;
    }
    AUTO(err_finish) struct err err = {0};
    int r = slice(s, floor, &err);
    if (r < 0) {
        sqlite_trouble_note(s, r, err_message(&err));
    }
    s->retry_ms = r < 0 ? now + RETRY_MS : 0;
    return r < 0 ? RETRY_MS : r > 0 ? 0 : -1;
}

/* Gives memory back in quiet times. Returns when to look again. */
static int64_t trim(struct sqlite_store *s)
{
    int64_t now = clock_mono_ms();
    if (!s->trim_ms) {
        return -1;
    }
    if (now < s->trim_ms) {
        return s->trim_ms - now;
    }
    bool more = sqlite_map_trim(s->map);
    sqlite_reader_shrink(s);
    sqlite_cache_trim(s->cache);
    if (now - s->commit_ms >= SQ_TRIM_MS) {
        sqlite3_db_release_memory(s->writer->db);
        malloc_trim(0);
    }
    s->trim_ms = more || now - s->commit_ms < SQ_TRIM_MS ? now + SQ_TRIM_MS : 0;
    return s->trim_ms ? SQ_TRIM_MS : -1;
}

int64_t sqlite_keep(void *engine)
{
    struct sqlite_store *s = engine;
    int64_t wait, floor = horizon_tick(&s->horizon, s->rev, &wait);
    wait = sooner(wait, keep_slice(s, floor));
    wait = sooner(wait, sqlite_trouble_probe(s));
    wait = sooner(wait, trim(s));
    return sooner(wait, checkpoint_step(s));
}

/* ---- by order ---- */

static int raise_floor(void *engine, void *arg, struct err *err)
{
    struct sqlite_store *s = engine;
    int64_t floor = horizon_raise(&s->horizon, *(int64_t *)arg, s->rev);
    if (floor == s->floor_stored) {
        return 0;
    }
    int code = sqlite_meta_set(s->writer, "floor", floor, err);
    if (code) {
        sqlite_failed(s, s->writer);
        return code;
    }
    s->floor_stored = floor;
    return 0;
}

int sqlite_compact(struct store *st, int64_t rev, struct err *err)
{
    return committer_call(&((struct sqlite_store *)st)->committer, raise_floor, &rev, err);
}
