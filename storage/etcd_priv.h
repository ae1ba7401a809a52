/* SPDX-License-Identifier: Apache-2.0 */
/* What the etcd engine's files share. etcd.c says how it works. */
#ifndef STORAGE_ETCD_PRIV_H
#define STORAGE_ETCD_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/httpc.h"
#include "storage/mirror_priv.h"

enum {
    ETCD_ATTEMPT_MS = 5000, /* for one request */
    ETCD_SWEEP_MS = 100,    /* between two looks at what is open */
    ETCD_NUDGE_MS = 30,     /* how long the watch may be behind what etcd said without an event */
    ETCD_BARRIER_MS = 2000, /* a barrier that is not seen is written again */
    ETCD_STALL_MS =
        4000, /* a write that the watch does not show for so long: the watch is begun anew */
    ETCD_BACK_OFF_MS = 2000, /* the longest wait between two attempts to watch */
    ETCD_EXACT_KEYS = 64,    /* ranges with so many keys in all are compared key by key */
    ETCD_URLS = 16,
};

/* ---- a transaction, or a barrier, until it is answered ---- */

enum etcd_state {
    ETCD_QUEUED,
    ETCD_SENT,    /* perhaps several times, and perhaps waiting to be sent again */
    ETCD_WAITING, /* has its outcome; the mirror has yet to reach its revision */
};

struct etcd_txn {
    struct etcd_txn *next, *prev;
    struct etcd_store *s;
    const struct store_txn *txn; /* NULL: a barrier */
    store_done_fn *done;
    void *arg;
    const char *path;
    struct buf body;
    size_t forced; /* a compare that is known not to hold; SIZE_MAX: none */
    size_t n_puts, n_restamps, n_exact;
    bool writes,
        guarded; /* guarded: each key written is compared, so that it cannot be done twice */
    int64_t began_ms, retry_ms, answered_ms;
    /* Under the store's lock. */
    enum etcd_state state;
    bool calling; /* a request is under way */
    bool unsure;  /* an earlier one may have been carried out */
    bool ready;   /* to be answered whatever the mirror's revision is */
    bool restamped;
    size_t refused;      /* connections in a row */
    size_t cursor, seen; /* the next op to be seen in the watch; puts seen */
    int64_t seen_rev;    /* in this revision */
    struct store_outcome outcome;
    char text[200];
    /* Of the follow-up in the mirror. */
    struct store_txn restamps;
    struct store_op *restamp_ops;
};

struct etcd_list {
    struct etcd_txn *first, *last;
};

/* ---- the store ---- */

struct etcd_store {
    struct store base;
    struct mirror *mirror;
    struct store *local;
    struct httpc *http;
    struct httpc_tls tls;
    char *urls[ETCD_URLS];
    size_t n_urls;
    _Atomic size_t url; /* the one in use */
    char *ca_file, *cert_file, *key_file;
    struct str root, prefix;              /* owned */
    struct buf all_key, all_end, barrier; /* base64: the range that is watched, the barrier's key */
    struct buf barrier_put;               /* a request that writes it */
    struct buf watch_body, keep_body;     /* the client's thread */
    size_t in_flight_max;
    int64_t window_ms;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    struct etcd_list queued, open;                         /* open: sent or waiting, oldest first */
    size_t n_in_flight, n_open;                            /* n_open: of both */
    bool closing, sweeping, nudging, relisting, unwritten; /* unwritten: the mirror could not be */
    int64_t applied, want;
    store_terms_fn *terms;
    void *terms_arg;
    char trouble[200];
    int trouble_code; /* of the last transaction or watch that etcd failed; 0: none */

    /* The client's thread. */
    int64_t fed, moved_ms; /* what the mirror was given, and when */
    uint64_t watch, generation;
    bool watching, barrier_sent;
    int64_t back_off_ms, stalled_ms, barrier_ms, barrier_rev;
    struct etcd_change *pending;   /* a revision of which more may come */
    struct difference *difference; /* being found or fed: etcd_load.c */
    pthread_t relister;
    bool relister_made;

    _Atomic int64_t compacted, db_bytes, db_free;
    _Atomic uint64_t commits, batch_max, conflicts, errors, sync_ns;
};

/* ---- keys, requests, answers: etcd_json.c ---- */

/* False: the key is none of this store's. */
bool etcd_key(const struct etcd_store *s, struct str key, struct buf *b);
/* The range of keys that begin with the prefix, in base64. False: no key of this store does. */
bool etcd_prefix(const struct etcd_store *s, struct str prefix, struct buf *key, struct buf *end);
/* The store's key of one of etcd's, appended; false: it is outside, or the barrier. */
bool etcd_unkey(const struct etcd_store *s, struct str base64, struct buf *b, bool *ret_barrier);
/* Writes t->body and what else follows from t->txn. Any thread. ERR_BAD_REQUEST, ERR_TOO_LARGE, a
 * read's errors. */
int etcd_build(struct etcd_store *s, struct etcd_txn *t, struct err *err);
/* Which compare did not hold, by an answer's "responses". *ret_rev: whoever has seen this revision
 * knows why; 0: it was a deletion, of a revision that is not known. */
size_t etcd_failed(const struct etcd_txn *t, yyjson_val *responses, int64_t *ret_rev);
int64_t etcd_int(yyjson_val *obj, const char *name);
struct str etcd_str(yyjson_val *obj, const char *name);
/* What an answer with an error says. *ret_unsure: the request may have been carried out all the
 * same. */
int etcd_error(const struct httpc_answer *a, bool *ret_unsure, struct err *err);

/* ---- requests: etcd_call.c ---- */

/* Begins a POST to the present server. */
uint64_t etcd_post(struct etcd_store *s, const char *path, struct str body, int64_t timeout_ms,
                   httpc_done_fn *done, void *arg);
void etcd_next_url(struct etcd_store *s);
/* Waits; goes round the servers. The document is the caller's to free. Not on the client's thread.
 */
int etcd_ask(struct etcd_store *s, const char *path, struct str body, size_t max, yyjson_doc **ret,
             struct err *err);
int etcd_present(struct etcd_store *s, int64_t *ret_rev, struct err *err);

/* ---- transactions: etcd_txn.c ---- */

void etcd_submit(struct store *st, const struct store_txn *t, store_done_fn *done, void *arg);
void etcd_sync(struct store *st, store_done_fn *done, void *arg);
/* How many have no outcome that was told. */
size_t etcd_waiting(struct etcd_store *s);
/* Answers what can be; on the committer's thread. */
void etcd_deliver(struct etcd_store *s);
/* Has the watch reach rev. Any thread. */
void etcd_nudge(struct etcd_store *s, int64_t rev);
void etcd_trouble(struct etcd_store *s, int code, const char *text);
void etcd_trouble_over(struct etcd_store *s);

/* ---- the watch: etcd_watch.c, on the client's thread ---- */

/* Begins to watch after s->fed. */
void etcd_watch(void *store);
/* Ends the present one, so that it is begun anew. */
void etcd_watch_again(struct etcd_store *s);

/* A revision on its way to the mirror. */
struct etcd_change {
    struct etcd_store *s;
    uint64_t generation;
    int64_t rev;
    int64_t floor; /* to be raised to it afterwards; 0: not */
    struct store_txn txn;
    struct store_op *ops;
    size_t cap;
    struct arena arena;
};
struct etcd_change *etcd_change_create(struct etcd_store *s, int64_t rev);
void etcd_change_free(struct etcd_change *c);
/* Takes a reference of the value. */
void etcd_change_add(struct etcd_change *c, struct store_op op);
void etcd_change_terms(struct etcd_change *c, struct store_op *op);
/* Gives it to the mirror, as what follows s->fed. */
void etcd_feed(struct etcd_change *c);

/* ---- the whole: etcd_load.c ---- */

/* Fills the mirror. *ret_present: etcd's revision when it began. */
int etcd_load(struct etcd_store *s, int64_t *ret_present, struct err *err);
/* History was compacted away beneath the watch: finds the difference on a thread of its own, feeds
 * it, and watches. */
void etcd_relist(struct etcd_store *s);
void etcd_difference_free(struct etcd_store *s);

#endif
