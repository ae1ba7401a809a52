/* SPDX-License-Identifier: Apache-2.0 */
/* What the sqlite engine's files share. sqlite.c says how things are laid out. */
#ifndef STORAGE_SQLITE_PRIV_H
#define STORAGE_SQLITE_PRIV_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "storage/committer_priv.h"
#include "storage/horizon_priv.h"

/* ---- connections and statements: sqlite_db.c ---- */

enum sqlite_stmt_id {
    SQ_PIN,
    SQ_GET,
    SQ_ROW,
    SQ_LINK,
    SQ_RANGE,
    SQ_RANGE_KEYS,
    SQ_RANGE_TERM,
    SQ_RANGE_TERM_KEYS,
    SQ_WALK,
    SQ_TALLY,
    SQ_RANGE_ALL,
    SQ_COUNT,
    SQ_COUNT_OPEN,
    SQ_LOG,
    SQ_LOG_KEYS,
    SQ_INDEX,
    SQ_FREE_PAGES,
    SQ_PAGES,
    SQ_APPLICATION,
    SQ_VERSION,
    SQ_KEYS,
    SQ_BEGIN,
    SQ_COMMIT,
    SQ_ROLLBACK,
    SQ_FIND,
    SQ_OLD,
    SQ_LOG_INSERT,
    SQ_LOG_UPDATE,
    SQ_LOG_DELETE,
    SQ_CURRENT_INSERT,
    SQ_CURRENT_UPDATE,
    SQ_CURRENT_DELETE,
    SQ_TERM_INSERT,
    SQ_TERM_DELETE,
    SQ_TERM_NTH,
    SQ_TERM_DELETE_BEFORE,
    SQ_TERM_DELETE_ALL,
    SQ_TERM_ANY,
    SQ_COMPACT,
    SQ_META_GET,
    SQ_META_SET,
    SQ_INDEX_LIST,
    SQ_INDEX_INSERT,
    SQ_INDEX_READY,
    SQ_INDEX_DEAD,
    SQ_INDEX_DELETE,
    SQ_VACUUM,
    SQ_LAST_OF,
    SQ_STMTS,
};

/* One connection, used by one thread at a time, with its statements prepared on first use. */
struct sqlite_conn {
    sqlite3 *db;
    sqlite3_stmt *stmts[SQ_STMTS];
    bool used;   /* by a reader, lately */
    bool mirror; /* of a store that is one */
};

/* cache_kib: the most that its page cache takes. */
int sqlite_conn_open(const char *path, int cache_kib, struct sqlite_conn **ret, struct err *err);
void sqlite_conn_close(struct sqlite_conn *c);
/* The statement, reset; NULL: it could not be prepared, and sqlite_conn_error says why. */
sqlite3_stmt *sqlite_conn_stmt(struct sqlite_conn *c, enum sqlite_stmt_id id);
/* The connection's last error, in the store's terms. */
int sqlite_conn_error(struct sqlite_conn *c, struct err *err);
/* SQL without results. */
int sqlite_conn_exec(struct sqlite_conn *c, const char *sql, struct err *err);
/* 1: a row; 0: no more (the statement has been reset); negative: failed (reset as well). st may be
 * NULL: failed. */
int sqlite_conn_step(struct sqlite_conn *c, sqlite3_stmt *st, struct err *err);
/* Steps a statement that gives no rows. */
int sqlite_conn_run(struct sqlite_conn *c, sqlite3_stmt *st, struct err *err);
/* The number in the first column of a statement's row, 0 without a row. */
int sqlite_conn_int(struct sqlite_conn *c, sqlite3_stmt *st, int64_t *ret, struct err *err);
/* As a BLOB, the empty one included; the bytes must stay until the statement ran. NULL statements
 * are let through. */
void sqlite_bind(sqlite3_stmt *st, int i, struct str s);
void sqlite_bind_int(sqlite3_stmt *st, int i, int64_t v);
struct str sqlite_column(sqlite3_stmt *st, int i);
/* A number kept under a name; ret is 0 when there is none. */
int sqlite_meta_get(struct sqlite_conn *c, const char *name, int64_t *ret, struct err *err);
int sqlite_meta_set(struct sqlite_conn *c, const char *name, int64_t v, struct err *err);
/* The one number that a query gives. */
int sqlite_number(struct sqlite_conn *c, enum sqlite_stmt_id id, int64_t *ret, struct err *err);
int sqlite_begin(struct sqlite_conn *c, struct err *err);
int sqlite_commit(struct sqlite_conn *c, struct err *err);
/* Nothing happens when sqlite rolled back by itself. */
void sqlite_rollback(struct sqlite_conn *c);

/* ---- the mapping: sqlite_map.c ---- */

struct sqlite_map;

/* Maps the file that c has open; NULL: it cannot be, and is read. Outlives every connection that it
 * is attached to. */
struct sqlite_map *sqlite_map_create(const char *path, struct sqlite_conn *c);
void sqlite_map_destroy(struct sqlite_map *m);
/* Has the connection read through the mapping. m may be NULL. */
void sqlite_map_attach(struct sqlite_map *m, struct sqlite_conn *c);
/* Gives the mapped pages back to the system. False: none was used since the last time. */
bool sqlite_map_trim(struct sqlite_map *m);

/* ---- keys read again and again: sqlite_cache.c ---- */

struct sqlite_cache;

struct sqlite_cache *sqlite_cache_create(void);
void sqlite_cache_destroy(struct sqlite_cache *c);
/* Lets go of what was not read since the last time. */
void sqlite_cache_trim(struct sqlite_cache *c);
/* The key's newest entry with a reference to its value. False: it is not there; *ret_again tells
 * whether it was looked for before, so that it is worth filling in. */
bool sqlite_cache_get(struct sqlite_cache *c, struct str key, struct blob **ret_value,
                      struct store_entry *ret_entry, bool *ret_again);
/* What a snapshot of revision rev has for e->key. */
void sqlite_cache_fill(struct sqlite_cache *c, struct blob *value, const struct store_entry *e,
                       int64_t rev);
/* A change of the batch that was committed up to rev; in the batch's order, once its keys are
 * allowed. */
void sqlite_cache_written(struct sqlite_cache *c, const struct store_event *e, int64_t rev);
/* Of each key that a commit may change: the first before it, the second after, with the first
 * revision whose snapshots are sure to have what it did. */
void sqlite_cache_bar(struct sqlite_cache *c, struct str key);
void sqlite_cache_allow(struct sqlite_cache *c, struct str key, int64_t rev);

/* ---- rows ---- */

/* A row of the log is one change; its id is the revision and the order within it. `current` has,
 * for each key, the id of its last row, negative when that is a deletion. */
enum sqlite_op { SQ_OP_CREATE, SQ_OP_REPLACE, SQ_OP_REMOVE };
enum { SQ_SUB_BITS = 16 };

static inline int64_t sqlite_id(int64_t rev, uint32_t sub)
{
    return rev << SQ_SUB_BITS | sub;
}
static inline int64_t sqlite_id_rev(int64_t id)
{
    return (id < 0 ? -id : id) >> SQ_SUB_BITS;
}

/* ---- the store ---- */

enum {
    SQ_PAGE_BYTES = 4096,
    SQ_READERS = 32,     /* idle read connections kept */
    SQ_READER_KIB = 512, /* page cache of each */
    SQ_WRITER_KIB = 2048,
    SQ_WAL_FRAMES = 2000, /* a checkpoint is made when the log has so many pages */
    SQ_TRIM_MS = 2000,    /* memory is given back so often while there are commits or reading */
    SQ_BUSY_MS = 10000,   /* how long to wait for what another program locked */
};

struct sqlite_index {
    int64_t id;
    struct str name, prefix; /* owned, in one allocation at name.ptr */
    uint64_t generation;
    bool ready;
};

/* How far the write-ahead log's checkpoint has got; the committer's. */
enum sqlite_checkpoint { SQ_CHECKPOINT_IDLE, SQ_CHECKPOINT_BULK };

/* Copies most of the write-ahead log into the file, so that the committer need not. */
struct sqlite_keeper {
    pthread_t thread;
    bool started;
    struct sqlite_conn *conn;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool asked, stop; /* under the lock */
    _Atomic bool done;
};

/* Whether writing fails. The committer's, but for code and text. */
struct sqlite_trouble {
    _Atomic int code;     /* 0: it does not */
    pthread_mutex_t lock; /* over text */
    char text[256];       /* what was said of it last */
    int said;             /* the code that was logged last */
    bool said_begin;      /* and its end was not yet */
    int64_t begun_ms, probe_ms, quiet_ms;
};

struct sqlite_store {
    struct store base;
    struct committer committer;
    struct horizon horizon;
    char *dir, *path;
    int lock_fd;
    bool mirror; /* a throw-away copy of what another program keeps: mirror.c */
    bool unsettled; /* commits are not synced yet; the committer's thread's */
    struct sqlite_map *map;
    struct sqlite_cache *cache;
    _Atomic int64_t revision; /* published */
    _Atomic(struct sqlite_conn *) readers[SQ_READERS];
    _Atomic size_t n_readers; /* open, idle or not */
    _Atomic bool paused;      /* reads wait; changed under pause_lock */
    _Atomic int copies;       /* of the whole store, being made: reads for which nothing waits */
    pthread_mutex_t pause_lock;
    pthread_cond_t pause_over;
    store_commit_fn *on_commit;
    void *on_commit_arg;
    _Atomic uint64_t commits, transactions, batch_max, conflicts, errors, sync_ns, keys;
    struct sqlite_keeper keeper;
    struct sqlite_trouble trouble;
    _Atomic bool unsure; /* a sync failed: the log may not be on the disk as it reads */

    /* The committer's own. */
    struct sqlite_conn *writer;
    int64_t rev, n_keys;          /* of the last commit; ahead of it while a batch is made */
    struct sqlite_index *indexes; /* by name */
    size_t n_indexes;
    int64_t next_index;
    bool dead_indexes; /* there may be terms to delete */
    struct store_event *events;
    struct blob **prevs; /* of each event, what must be released; NULL for none */
    size_t n_events, cap_events;
    struct buf terms;
    char text[256];                  /* of the last error */
    int64_t floor_stored, compacted; /* every row with an id up to this has been dealt with */
    bool freed, vacuuming;           /* there may be space to give back; it is being given back */
    int64_t retry_ms;                /* no housekeeping before */
    enum sqlite_checkpoint checkpoint;
    int wal_frames, wal_next;         /* pages in the log; when to checkpoint it */
    bool wal_copied;                  /* all of it was, so that the next commit may start it anew */
    int64_t commit_ms, checkpoint_ms; /* when the last of each was made */
    int64_t trim_ms; /* when memory is to be given back; 0: nothing was done since */
};

/* Opens a store, or a mirror: that one is empty at first, is not synced, and goes when it is
 * closed. */
int sqlite_open(const struct store_options *o, bool mirror, struct sqlite_store **ret,
                struct err *err);
void sqlite_close(struct store *st);
/* Has commits synced as they should be at present. */
int sqlite_sync_commits(struct sqlite_store *s, struct err *err);
int sqlite_hold(struct store *st, int64_t rev, struct store_hold **ret, int64_t *ret_rev,
                struct err *err);

/* ---- reading: sqlite_read.c ---- */

int sqlite_get(struct store *st, struct str key, int64_t at, struct blob **ret_value,
               struct store_entry *ret_entry, int64_t *ret_now, struct err *err);
int sqlite_range(struct store *st, const struct store_range *r, store_visit_fn *visit, void *arg,
                 int64_t *ret_at, bool *ret_more, struct err *err);
int sqlite_count(struct store *st, const struct store_range *r, int64_t *ret_count,
                 struct err *err);
int64_t sqlite_prefix_revision(struct store *st, struct str prefix);
int sqlite_changes(struct store *st, struct str prefix, int64_t from, size_t limit,
                   store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err);
bool sqlite_index_ready(struct store *st, struct str name);
/* sqlite_walk.c */
int sqlite_index_walk(struct store *st, const struct store_walk *w, store_walk_fn *visit, void *arg,
                      struct err *err);
int sqlite_index_tally(struct store *st, const struct store_walk *w, store_tally_fn *visit,
                       void *arg, struct err *err);
/* A read connection, and giving it back. */
int sqlite_reader_take(struct sqlite_store *s, struct sqlite_conn **ret, struct err *err);
void sqlite_reader_give(struct sqlite_store *s, struct sqlite_conn *c);
/* Has new reads wait until those under way have ended, and while alone runs then; at most for so
 * long. False: some have not ended. */
bool sqlite_reader_drain(struct sqlite_store *s, uint64_t most_ns,
                         void (*alone)(struct sqlite_store *s));
/* Gives back the memory of idle readers, and closes those not used since the last time. */
void sqlite_reader_shrink(struct sqlite_store *s);
/* The revision of the newest change under the prefix, where that is after rev, else 0. Negative:
 * failed. */
int64_t sqlite_changed_since(struct sqlite_conn *c, struct str prefix, int64_t rev,
                             struct err *err);
/* 1 when a key begins with the prefix now, else 0; negative: failed. */
int sqlite_any(struct sqlite_conn *c, struct str prefix, struct err *err);

/* ---- writing: sqlite_commit.c, sqlite_terms.c, on the committer's thread ---- */

void sqlite_batch(void *engine, struct committer_item **items, size_t n);
/* Encodes terms for the row (the result lives in s->terms). */
struct str sqlite_terms_encode(struct sqlite_store *s, const struct store_op *op);
/* Makes the term table say `now` where it says `old`, for the key. */
int sqlite_terms_write(struct sqlite_store *s, struct str key, struct str old, struct str now,
                       struct err *err);
enum { SQLITE_TERMS_UNKNOWN = 2 };
/* Whether a key with the prefix c->key carries the term: 1, 0, an error, or that the index cannot tell. */
int sqlite_terms_any(struct sqlite_store *s, const struct store_cmp *c, struct err *err);
int sqlite_index_load(struct sqlite_store *s, struct err *err);
void sqlite_index_finish(struct sqlite_store *s);
int sqlite_index_define(struct store *st, struct str name, struct str prefix, uint64_t generation,
                        struct err *err);
int sqlite_index_built(struct store *st, struct str name, uint64_t generation, struct err *err);
int sqlite_index_drop(struct store *st, struct str name, struct err *err);
/* Deletes some terms of dropped indexes. 1: there may be more; 0: none were left. */
int sqlite_index_sweep(struct sqlite_store *s, struct err *err);

/* ---- a disk that is full or fails: sqlite_trouble.c, on the committer's thread ---- */

/* A write failed, by the engine's fault. */
void sqlite_trouble_note(struct sqlite_store *s, int code, const char *text);
/* A write succeeded. */
void sqlite_trouble_over(struct sqlite_store *s);
/* Tries, where it is due, whether writing works again. Returns when to try next, in milliseconds;
 * -1: it works. */
int64_t sqlite_trouble_probe(struct sqlite_store *s);
int sqlite_writable(struct store *st, struct err *err); /* any thread */
/* ERR_IO when the store's directory is gone: what is written now would be lost. */
int sqlite_present(struct sqlite_store *s, struct err *err);
/* To be told of each failed commit, before it is rolled back, and of each failed checkpoint; whose
 * connection it was on. */
void sqlite_failed(struct sqlite_store *s, const struct sqlite_conn *c);
/* Has the log, as it reads, written and synced: at start, and when `unsure`. ERR_IO. */
int sqlite_secure_log(struct sqlite_store *s, struct err *err);

/* ---- housekeeping: sqlite_keep.c, on the committer's thread ---- */

int64_t sqlite_keep(void *engine);
int sqlite_compact(struct store *st, int64_t rev, struct err *err);
void sqlite_wal_grew(struct sqlite_store *s, int frames);
int sqlite_keeper_start(struct sqlite_store *s, struct err *err);
void sqlite_keeper_stop(struct sqlite_store *s);

#endif
