/* SPDX-License-Identifier: Apache-2.0 */
/* The store's public functions: each goes to the engine that was opened. */
#include "storage/store.h"

#include "base/latch.h"
#include "storage/store_priv.h"

int store_get(struct store *s, struct str key, int64_t at, struct blob **ret_value,
              struct store_entry *ret_entry, int64_t *ret_now, struct err *err)
{
    return s->ops->get(s, key, at, ret_value, ret_entry, ret_now, err);
}

int store_range(struct store *s, const struct store_range *r, store_visit_fn *visit, void *arg,
                int64_t *ret_at, bool *ret_more, struct err *err)
{
    return s->ops->range(s, r, visit, arg, ret_at, ret_more, err);
}

int store_count(struct store *s, const struct store_range *r, int64_t *ret_count, struct err *err)
{
    return s->ops->count(s, r, ret_count, err);
}

int64_t store_revision(struct store *s)
{
    return s->ops->revision(s);
}

int64_t store_prefix_revision(struct store *s, struct str prefix)
{
    return s->ops->prefix_revision(s, prefix);
}

int store_changes(struct store *s, struct str prefix, int64_t from, size_t limit,
                  store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err)
{
    return s->ops->changes(s, prefix, from, limit, visit, arg, ret_to, err);
}

void store_on_commit(struct store *s, store_commit_fn *fn, void *arg)
{
    s->ops->on_commit(s, fn, arg);
}

void store_submit(struct store *s, const struct store_txn *t, store_done_fn *done, void *arg)
{
    s->ops->submit(s, t, done, arg);
}

struct waiter {
    struct latch latch;
    struct store_outcome outcome;
    struct err *err;
};

static void waiter_done(void *arg, const struct store_outcome *o)
{
    struct waiter *w = arg;
    w->outcome = *o;
    w->outcome.text = NULL;
    if (o->code == ERR_CONFLICT) {
        err_set(w->err, o->code, "compare %zu of the transaction does not hold", o->failed);
    } else if (o->code) {
        err_set(w->err, o->code, "%s", o->text ? o->text : "the store did not commit");
    }
    latch_open(&w->latch);
}

int store_submit_wait(struct store *s, const struct store_txn *t, struct store_outcome *ret,
                      struct err *err)
{
    struct waiter w = {.err = err};
    latch_init(&w.latch);
    store_submit(s, t, waiter_done, &w);
    latch_wait(&w.latch);
    if (ret) {
        *ret = w.outcome;
    }
    return w.outcome.code;
}

void store_sync(struct store *s, store_done_fn *done, void *arg)
{
    s->ops->sync(s, done, arg);
}

bool store_shared(const struct store *s)
{
    return s->ops->on_terms != NULL;
}

void store_on_terms(struct store *s, store_terms_fn *fn, void *arg)
{
    if (s->ops->on_terms) {
        s->ops->on_terms(s, fn, arg);
    }
}

int store_index_define(struct store *s, struct str index, struct str prefix, uint64_t generation,
                       struct err *err)
{
    return s->ops->index_define(s, index, prefix, generation, err);
}

bool store_index_ready(struct store *s, struct str index)
{
    return s->ops->index_ready(s, index);
}

int store_index_built(struct store *s, struct str index, uint64_t generation, struct err *err)
{
    return s->ops->index_built(s, index, generation, err);
}

int store_index_walk(struct store *s, const struct store_walk *w, store_walk_fn *visit, void *arg,
                     struct err *err)
{
    return s->ops->index_walk(s, w, visit, arg, err);
}

int store_index_tally(struct store *s, const struct store_walk *w, store_tally_fn *visit, void *arg,
                      struct err *err)
{
    return s->ops->index_tally(s, w, visit, arg, err);
}

int store_index_drop(struct store *s, struct str index, struct err *err)
{
    return s->ops->index_drop(s, index, err);
}

int64_t store_floor(struct store *s)
{
    return s->ops->floor(s);
}

int store_compact(struct store *s, int64_t rev, struct err *err)
{
    return s->ops->compact(s, rev, err);
}

int store_hold(struct store *s, int64_t rev, struct store_hold **ret, int64_t *ret_rev,
               struct err *err)
{
    return s->ops->hold(s, rev, ret, ret_rev, err);
}

void store_release(struct store_hold *h)
{
    if (h) {
        h->store->ops->release(h);
    }
}

int store_snapshot(struct store *s, const char *path, struct err *err)
{
    return s->ops->snapshot(s, path, err);
}

void store_stats(struct store *s, struct store_stats *ret)
{
    s->ops->stats(s, ret);
}

int store_settle(struct store *s, struct err *err)
{
    return s->ops->settle ? s->ops->settle(s, err) : 0;
}

int store_writable(struct store *s, struct err *err)
{
    return s->ops->writable ? s->ops->writable(s, err) : 0;
}

void store_close(struct store *s)
{
    if (s) {
        s->ops->close(s);
    }
}
