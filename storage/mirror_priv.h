/* SPDX-License-Identifier: Apache-2.0 */
/* The local copy of what a distributed engine keeps elsewhere: the sqlite engine on a throw-away
 * file, given the other's revisions. Reads, changes, holds and indexes are the sqlite engine's. */
#ifndef STORAGE_MIRROR_PRIV_H
#define STORAGE_MIRROR_PRIV_H

#include "storage/store_priv.h"

struct mirror;

/* options: dir, window_ms, now_ms. Empty at first, at STORE_FIRST_REVISION. */
int mirror_open(const struct store_options *o, struct mirror **ret, struct err *err);
void mirror_close(struct mirror *m); /* finishes what was given; NULL allowed */
/* The store to read from; its submit and close are not to be called. */
struct store *mirror_store(struct mirror *m);

/* ---- filling it at first ---- */

/* Adds keys as they stand; e->stamp is 0 for what this server knows nothing about. In any order,
 * each key once. Waits. */
int mirror_load(struct mirror *m, const struct store_entry *entries, size_t n, struct err *err);
/* All was loaded: it is what was at revision rev; earlier ones, down to `floor`, had the same. */
int mirror_loaded(struct mirror *m, int64_t rev, int64_t floor, struct err *err);

/* ---- following ---- */

/* As store_on_commit, while it follows. */
void mirror_on_commit(struct mirror *m, store_commit_fn *fn, void *arg);

/* The transaction was made elsewhere, as revision rev, and nothing else since `from`. It may hold
 * nothing, and then only the revision moves. done is called on the committer's thread once it is
 * published; ERR_CONFLICT: the mirror is not at `from`; another error: it was not applied, nor will
 * what follows it. As store_submit otherwise. */
void mirror_apply(struct mirror *m, const struct store_txn *t, int64_t from, int64_t rev,
                  store_done_fn *done, void *arg);
/* Restamps of keys that were not changed after revision rev. */
void mirror_restamp(struct mirror *m, const struct store_txn *t, int64_t rev, store_done_fn *done,
                    void *arg);
/* Raises the floor, as far as holds allow. On the committer's thread. */
void mirror_raise(struct mirror *m, int64_t floor);
/* Has done called on the committer's thread. */
void mirror_run(struct mirror *m, store_done_fn *done, void *arg);

/* ---- indexes ---- */

/* As store_index_define; where `terms` is not NULL, what is there is indexed before it returns. */
int mirror_index_define(struct mirror *m, struct str index, struct str prefix, uint64_t generation,
                        store_terms_fn *terms, void *arg, struct err *err);

#endif
