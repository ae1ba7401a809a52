/* SPDX-License-Identifier: Apache-2.0 */
/* What the memory engine's files share. Everything hangs on one lock: readers share it, the
 * committer takes it alone. */
#ifndef STORAGE_MEMORY_PRIV_H
#define STORAGE_MEMORY_PRIV_H

#include <pthread.h>

#include "storage/committer_priv.h"
#include "storage/horizon_priv.h"

/* One change of a key. */
struct memory_version {
    struct memory_key *key;
    struct memory_version *older, *newer;
    int64_t rev, create_rev;
    uint32_t sub;
    bool deleted;
    uint64_t stamp;
    struct blob *value;
    char *who;
    size_t who_len;
};

struct memory_term {
    char *index, *term;
    size_t index_len, term_len;
};

struct memory_key {
    struct memory_version *newest; /* may be a deletion */
    struct memory_term *terms;
    size_t n_terms;
    size_t len;
    char bytes[];
};

struct memory_index {
    struct memory_index *next;
    char *name, *prefix;
    size_t name_len, prefix_len;
    uint64_t generation;
    bool ready;
};

struct memory_store {
    struct store base;
    struct committer committer;
    struct horizon horizon;
    _Atomic int64_t revision; /* published */
    store_commit_fn *on_commit;
    void *on_commit_arg;

    pthread_rwlock_t lock;    /* over what follows */
    int64_t present;          /* revision of the newest change in here */
    struct memory_key **keys; /* in order, deleted ones whose deletion is still kept included */
    size_t n_keys, cap_keys;
    struct memory_version **log; /* changes above `compacted`, in order */
    size_t n_log, cap_log;
    int64_t compacted;
    size_t live;
    struct memory_index *indexes;
    struct store_stats counts; /* the counters of it */

    struct store_event *events; /* the committer's own */
    size_t n_events, cap_events;
};

static inline struct str memory_key_str(const struct memory_key *k)
{
    return (struct str){k->bytes, k->len};
}

/* The first key that is not before `key`, as an index into keys. */
size_t memory_find(const struct memory_store *s, struct str key);
/* The key itself or NULL. */
struct memory_key *memory_lookup(const struct memory_store *s, struct str key);
/* The definition of the index or NULL. */
struct memory_index *memory_index_find(const struct memory_store *s, struct str name);
/* Whether a key with this prefix exists now. */
bool memory_any(const struct memory_store *s, struct str prefix);
bool memory_has_term(const struct memory_key *k, struct str index, struct str term);
bool memory_index_is_ready(const struct memory_store *s, struct str name);
/* memory_walk.c */
int memory_index_walk(struct store *st, const struct store_walk *w, store_walk_fn *visit, void *arg,
                      struct err *err);
int memory_index_tally(struct store *st, const struct store_walk *w, store_tally_fn *visit,
                       void *arg, struct err *err);
/* The event that made the version. */
struct store_event memory_event(const struct memory_version *v);

/* memory_commit.c: on the committer's thread, with the lock not held. */
void memory_batch(void *engine, struct committer_item **items, size_t n);
/* Forgets what lies beneath the floor. */
void memory_free_beneath(struct memory_store *s, int64_t floor);
void memory_version_free(struct memory_version *v);
void memory_terms_free(struct memory_key *k);

#endif
