/* SPDX-License-Identifier: Apache-2.0 */
/* The vtable behind storage/store.h, for the engines in this folder. */
#ifndef STORAGE_STORE_PRIV_H
#define STORAGE_STORE_PRIV_H

#include "storage/store.h"

struct store_ops {
    const char *name;
    int (*get)(struct store *, struct str, int64_t, struct blob **, struct store_entry *, int64_t *,
               struct err *);
    int (*range)(struct store *, const struct store_range *, store_visit_fn *, void *, int64_t *,
                 bool *, struct err *);
    int (*count)(struct store *, const struct store_range *, int64_t *, struct err *);
    int64_t (*revision)(struct store *);
    int64_t (*prefix_revision)(struct store *, struct str);
    int (*changes)(struct store *, struct str, int64_t, size_t, store_event_fn *, void *, int64_t *,
                   struct err *);
    void (*on_commit)(struct store *, store_commit_fn *, void *);
    void (*submit)(struct store *, const struct store_txn *, store_done_fn *, void *);
    void (*sync)(struct store *, store_done_fn *, void *);
    void (*on_terms)(struct store *, store_terms_fn *, void *); /* NULL: nobody else writes */
    int (*index_define)(struct store *, struct str, struct str, uint64_t, struct err *);
    bool (*index_ready)(struct store *, struct str);
    int (*index_built)(struct store *, struct str, uint64_t, struct err *);
    int (*index_drop)(struct store *, struct str, struct err *);
    int (*index_walk)(struct store *, const struct store_walk *, store_walk_fn *, void *,
                      struct err *);
    int (*index_tally)(struct store *, const struct store_walk *, store_tally_fn *, void *,
                       struct err *);
    int64_t (*floor)(struct store *);
    int (*compact)(struct store *, int64_t, struct err *);
    int (*hold)(struct store *, int64_t, struct store_hold **, int64_t *, struct err *);
    void (*release)(struct store_hold *);
    int (*snapshot)(struct store *, const char *, struct err *);
    void (*stats)(struct store *, struct store_stats *);
    int (*writable)(struct store *, struct err *); /* NULL: writing never fails */
    int (*settle)(struct store *, struct err *);   /* NULL: it is never unsettled */
    void (*close)(struct store *);
};

/* A visitor ended a walk with a negative code: keeps what it may have written to err itself. */
static inline int store_visit_failed(struct err *err, int code)
{
    return err && err->code == code ? code : err_set(err, code, "the visitor gave up");
}

static inline int store_walk_unready(struct err *err, struct str index)
{
    return err_set(err, ERR_UNAVAILABLE, "the index %.*s is not ready", STR_FMT(index));
}

/* The first member of each engine's own struct. */
struct store {
    const struct store_ops *ops;
};

/* The first member of each engine's hold. */
struct store_hold {
    struct store *store;
};

#endif
