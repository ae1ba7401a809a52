/* SPDX-License-Identifier: Apache-2.0 */
/* The revisioned key-value store: the contract that every engine (sqlite, memory, etcd) keeps and that
 * tests/contract checks on each. It knows bytes, not objects. What differs on a *distributed* engine, where others write
 * too and reads are served from a local copy, is said at each place.
 *
 * A revision is a 64-bit counter over the whole store; the first transaction has revision 1 + what the engine began
 * with (STORE_FIRST_REVISION, so that no real revision is 0 and an empty store has one to watch from). A transaction that changes keys has one new revision; its changes are ordered by a sub-order from 0. Events are
 * published after the commit is durable, in order, each once. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/err.h"
#include "base/str.h"

struct store;
struct store_hold;
struct metrics;

enum {
    STORE_FIRST_REVISION = 1, /* of an empty store */
    STORE_TXN_OPS = 65536,    /* operations in one transaction; a distributed engine may take fewer (etcd: 128, unless it
                               * is told otherwise) */
};

/* A key and what it holds. In a visitor the pointers live until it returns. */
struct store_entry {
    struct str key;
    struct str value;
    int64_t rev;        /* revision of the last change */
    int64_t create_rev; /* revision at which the key last came into being */
    uint64_t stamp;     /* as given with the put; 0: what another server wrote, or this one before it was opened, on a
                         * distributed engine */
};

/* ---- reading: local, synchronous, any thread ---- */

/* The key as it stood at revision `at` (0: now). *ret_value is a reference that the caller releases;
 * ret_entry->key and ->value point into the arguments and the blob. ret_now, if not NULL, gets the revision
 * the read was made at. ERR_NOT_FOUND (ret_now is set then too); ERR_EXPIRED: at is beneath the compaction
 * floor; ERR_TIMEOUT: at is ahead of the store; ERR_IO, ERR_CORRUPT. */
int store_get(struct store *s, struct str key, int64_t at, struct blob **ret_value,
              struct store_entry *ret_entry, int64_t *ret_now, struct err *err);

enum { STORE_STOP = 1 };
/* Called in key order. 0: go on; STORE_STOP: end here, this entry was taken; STORE_STOP_BEFORE: end here, this
 * entry was not taken; negative: end with that error. It must not call the store. */
enum { STORE_STOP_BEFORE = 2 };
typedef int store_visit_fn(void *arg, const struct store_entry *e);

struct store_term {
    struct str index; /* the name of an index, as "pods.spec.nodeName"; compared bytewise */
    struct str term;
};

struct store_range {
    struct str prefix;
    struct str from; /* first key wanted, inclusive; STR_NULL: the first with the prefix */
    int64_t at;      /* 0: now */
    size_t limit;    /* 0: no limit */
    /* With index set: only keys that carry (index, term) now. While the index is not defined or still being built, every
     * key of the range is visited (the caller checks each). Only with at = 0 or at = now; at an older revision
     * every key of the range is visited. */
    struct str index, term;
    bool keys_only; /* values are STR_NULL */
};

/* Visits the keys of the range in bytewise order, all at one revision, which *ret_at gets. *ret_more, if not NULL: the
 * range holds a key after the last one taken. Errors as store_get. */
int store_range(struct store *s, const struct store_range *r, store_visit_fn *visit, void *arg,
                int64_t *ret_at, bool *ret_more, struct err *err);
/* How many keys the range holds (limit is ignored). */
int store_count(struct store *s, const struct store_range *r, int64_t *ret_count, struct err *err);

/* The newest revision that is durable and whose events on_commit has been given: reads may see a newer one, never an
 * older. Lock-free. */
int64_t store_revision(struct store *s);
/* The newest revision of any change under the prefix; 0 when there is none above the floor. */
int64_t store_prefix_revision(struct store *s, struct str prefix);

/* ---- changes ---- */

struct store_event {
    int64_t rev;
    uint32_t sub;         /* order within the revision */
    bool deleted;
    struct str key;
    struct blob *value;   /* new bytes; NULL when deleted */
    struct blob *prev;    /* old bytes; NULL when created */
    uint64_t stamp, prev_stamp;
    int64_t prev_rev;     /* 0 when created */
    int64_t create_rev;
    struct str who;       /* as given with the transaction; empty where the stamp is 0 for that reason */
};

/* Pointers live until it returns (blobs may be kept with blob_ref). Same results as store_visit_fn, but an
 * event's revision is never split: STORE_STOP takes effect at the end of the revision. */
typedef int store_event_fn(void *arg, const struct store_event *e);

/* Visits the changes with revision > from under the prefix, in order. *ret_to: every event with a revision up to this
 * one has been visited (pass it as the next from; never less than from). limit: stop after this many events, at the end
 * of a revision (0: no limit). After STORE_STOP_BEFORE *ret_to is before the revision of that event, which will be
 * visited again as a whole. ERR_EXPIRED: from is beneath the watch floor, so something may be missing. */
int store_changes(struct store *s, struct str prefix, int64_t from, size_t limit, store_event_fn *visit, void *arg,
                  int64_t *ret_to, struct err *err);

/* Called after each commit, on the committer's thread, with every event of it in order: the events of one or
 * more whole revisions, and the newest revision. Must be quick and must not wait. */
typedef void store_commit_fn(void *arg, const struct store_event *events, size_t n, int64_t rev);
/* Set before the first submit, and NULL after the last: on a distributed engine others' commits come in between and beside them, and
 * when it returns the one before is not called any more. */
void store_on_commit(struct store *s, store_commit_fn *fn, void *arg);

/* ---- writing ---- */

enum store_cmp_kind {
    STORE_CMP_REV,       /* the key's revision is rev; rev 0: the key is absent */
    STORE_CMP_EMPTY,     /* no key begins with the prefix `key` */
    /* No key that begins with the prefix `key` was changed after rev; never holds beneath the floor. A distributed engine
     * may miss a deletion that another transaction makes at the same moment in a range of more than 64 keys. */
    STORE_CMP_UNCHANGED,
    /* No key that begins with the prefix `key` carries (index, term). While the index is not ready, and on a distributed engine: as
     * UNCHANGED, since rev. */
    STORE_CMP_TERM_ABSENT,
};

struct store_cmp {
    enum store_cmp_kind kind;
    struct str key;
    int64_t rev;
    struct str index, term;
};

enum store_op_kind {
    STORE_OP_PUT,
    STORE_OP_DELETE,  /* of an absent key: nothing happens */
    /* Replaces value, stamp and terms of an existing key in place: no event, no revision; absent: nothing. On a distributed
     * engine in this server's copy alone, until it is closed. */
    STORE_OP_RESTAMP,
};

struct store_op {
    enum store_op_kind kind;
    struct str key;
    struct blob *value; /* put, restamp */
    uint64_t stamp;
    const struct store_term *terms; /* all the terms the key carries from now on; those of undefined indexes are dropped */
    size_t n_terms;
    /* What the key holds now, if the submitter knows it (a STORE_CMP_REV on this key stands guard); saves the engine a
     * read. NULL: the engine reads it. */
    struct blob *prev;
    uint64_t prev_stamp;
};

/* Everything in it, and the memory it points to, belongs to the submitter and stays until done is called. */
struct store_txn {
    const struct store_cmp *cmps;
    size_t n_cmps;
    const struct store_op *ops; /* no key twice */
    size_t n_ops;
    struct str who; /* kept in the log beside each change */
};

struct store_outcome {
    int code;         /* 0; ERR_CONFLICT: compare number `failed` did not hold; ERR_NO_SPACE, ERR_IO, ERR_CORRUPT,
                       * ERR_CLOSED, ERR_TOO_LARGE (over STORE_TXN_OPS, or what the engine takes). A distributed engine:
                       * ERR_UNAVAILABLE: nothing was done; ERR_TIMEOUT: whether it was done is not known. */
    size_t failed;
    int64_t rev;      /* of the transaction when it changed something; else the store's revision then */
    const char *text; /* what the engine said, for the log; NULL for none */
};

/* Called exactly once for each submit, on the committer's thread or, when the store is stopping, on the submitter's. The
 * events of the transaction have been published by then. Must be quick and must not wait; it may submit. */
typedef void store_done_fn(void *arg, const struct store_outcome *o);
/* Queues the transaction: all of it or nothing, durable before done is called. One that changes nothing (no ops, or
 * deletes of absent keys, or restamps only) makes no revision. Transactions are run in the order in which they are
 * submitted, but for those that a distributed engine has under way at the same time. Any thread. */
void store_submit(struct store *s, const struct store_txn *t, store_done_fn *done, void *arg);
/* The same, waiting for the outcome: for start-up, tests and threads that may block. Returns the code. */
int store_submit_wait(struct store *s, const struct store_txn *t, struct store_outcome *ret, struct err *err);

/* A barrier: done is called once every change acknowledged to anyone before the call is visible to reads here: with the
 * local engines at once, before this returns; with a distributed one on the committer's thread, with ERR_UNAVAILABLE or
 * ERR_TIMEOUT when it cannot know. */
void store_sync(struct store *s, store_done_fn *done, void *arg);
/* Whether others may write too, so that a barrier can take time. */
bool store_shared(const struct store *s);

/* ---- indexes ---- */

/* The terms that a value carries, for engines that take in what others wrote: calls add for each. The pointers that add is
 * given live until it returns. Any thread. */
typedef void store_add_term_fn(void *to, const struct store_term *t);
typedef void store_terms_fn(void *arg, struct str key, struct str value, store_add_term_fn *add,
                            void *to);
/* Set once, before indexes are defined. Without it such an engine finds others' keys by no term. */
void store_on_terms(struct store *s, store_terms_fn *fn, void *arg);
/* Declares an index and the generation of its definition. Terms written from now on belong to this generation. Where the
 * generation is new and the range holds keys, the index is BUILDING until store_index_built. A distributed engine forgets
 * definitions and terms when it is closed, and builds an index before this returns where store_on_terms says how. */
int store_index_define(struct store *s, struct str index, struct str prefix, uint64_t generation, struct err *err);
bool store_index_ready(struct store *s, struct str index);
/* The builder restamped every key under the index's prefix. ERR_NOT_FOUND; ERR_CONFLICT: another generation is defined. */
int store_index_built(struct store *s, struct str index, uint64_t generation, struct err *err);
/* Forgets the index and its terms; nothing happens when there is none. */
int store_index_drop(struct store *s, struct str index, struct err *err);

/* Terms of an index, from the greatest to the least. */
struct store_walk {
    struct str index;
    struct str least, greatest; /* both inclusive, compared bytewise */
    struct str after;           /* of the greatest term only keys after this one; STR_NULL: all */
};
/* As store_visit_fn, but for STORE_STOP_BEFORE. */
typedef int store_walk_fn(void *arg, struct str term, struct str key);
/* Visits each key that carries one of the terms now, the greatest term first, the keys of one term in order, all at one
 * revision. Values are not read. ERR_UNAVAILABLE: the index is not defined or still being built. */
int store_index_walk(struct store *s, const struct store_walk *w, store_walk_fn *visit, void *arg, struct err *err);

/* Visits each of the walk's terms that keys carry, the greatest first, and how many carry it; `after` is not looked at. Results of the
 * visitor and errors as store_index_walk. */
typedef int store_tally_fn(void *arg, struct str term, int64_t keys);
int store_index_tally(struct store *s, const struct store_walk *w, store_tally_fn *visit, void *arg, struct err *err);

/* ---- history and housekeeping ---- */

/* Reads and changes beneath it are refused with ERR_EXPIRED. A distributed engine begins with some of its history, as far as
 * that was not compacted. */
int64_t store_floor(struct store *s);
/* Raises the floor to rev (not above the present revision nor a hold) and frees what lies beneath in small slices,
 * between commits. Returns when the floor is raised. The engine does the same by itself as options.window_ms says. */
int store_compact(struct store *s, int64_t rev, struct err *err);
/* Keeps the floor from rising above rev until released (before the store is closed): a list of several slices. rev 0: now;
 * *ret_rev gets it. ERR_EXPIRED. */
int store_hold(struct store *s, int64_t rev, struct store_hold **ret, int64_t *ret_rev, struct err *err);
void store_release(struct store_hold *h); /* NULL allowed */

/* A consistent copy of the whole store in a file of the engine's own format, made while it runs, on the caller's thread.
 * The file appears whole or not at all. ERR_EXISTS; the memory engine: ERR_UNAVAILABLE. */
int store_snapshot(struct store *s, const char *path, struct err *err);

struct store_stats {
    int64_t revision, floor;
    uint64_t commits, transactions; /* batches synced; transactions in them */
    uint64_t batch_max;
    uint64_t conflicts, errors;
    uint64_t sync_ns;               /* total time in commit */
    uint64_t bytes_log;             /* of bytes_disk: the write-ahead log */
    uint64_t bytes_disk, bytes_free; /* of bytes_disk, what compaction gave back for reuse */
    uint64_t queued;                /* transactions waiting now */
    uint64_t keys;                  /* current ones */
};
void store_stats(struct store *s, struct store_stats *ret);

/* 0, or why the last write failed when the engine was to blame: ERR_NO_SPACE, ERR_IO, ERR_CORRUPT. The engine tries by
 * itself whether writing works again. Any thread; does not wait. */
int store_writable(struct store *s, struct err *err);

/* ---- life ---- */

struct store_options {
    const char *dir;       /* sqlite: the directory (made if missing, 0700); a lock file in it refuses a second server */
    int64_t window_ms;     /* the watch floor follows the present at this distance; 0: LIMIT_WATCH_WINDOW_MS; -1: never */
    size_t batch_max;      /* transactions in one commit; 0: LIMIT_STORE_BATCH */
    int64_t (*now_ms)(void *); /* the clock, for tests; NULL: clock_mono_ms() */
    void *now_arg;
    struct metrics *metrics; /* where commits are counted (base/metrics.h); NULL: nowhere */
    bool unsettled; /* a store that is made anew becomes durable by store_settle: for a first start, of whose writes nobody hears before */
};

/* ERR_CONFLICT: another server holds the directory; ERR_IO, ERR_CORRUPT. Starts the committer's thread. */
int store_open_sqlite(const struct store_options *o, struct store **ret, struct err *err);
int store_open_memory(const struct store_options *o, struct store **ret, struct err *err);

/* etcd v3, by its JSON gateway. Several servers may share it, and programs that know nothing of this one may write. */
struct store_etcd {
    const char *urls; /* "http://127.0.0.1:2379,..." */
    /* A store's key `root` + X is etcd's key `prefix` + X; keys that do not begin with root cannot be written. */
    const char *root, *prefix;
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: none */
    int64_t wait_ms; /* how long etcd may take to answer at first; 0: 10 s */
};
/* o->dir: for a throw-away copy; o->batch_max: transactions sent at once, LIMIT_ETCD_IN_FLIGHT. ERR_CONFLICT: another server
 * holds the directory; ERR_UNAVAILABLE, ERR_TIMEOUT: etcd does not answer; ERR_IO. */
int store_open_etcd(const struct store_options *o, const struct store_etcd *e, struct store **ret,
                    struct err *err);
/* All that was written is durable, and from here on what is acknowledged. Nothing happens to a store that was not opened unsettled, or was
 * there already. ERR_IO, ERR_NO_SPACE. */
int store_settle(struct store *s, struct err *err);
/* Finishes what is queued, answers later submits with ERR_CLOSED, stops the threads, closes. NULL allowed. No other
 * thread may be inside a call. */
void store_close(struct store *s);

#endif
