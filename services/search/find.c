/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the index: each waits for a moment until the index is where the store was when it
 * was asked. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/latch.h"
#include "base/limits.h"
#include "services/search/search_priv.h"

enum { BUILD_WAIT_MS = 100 }; /* for a type that is new; one with many objects takes longer */

static bool all_complete(const struct search *s)
{
    for (size_t i = 0; i < s->n_types; i++) {
        if (!s->types[i].complete) {
            return false;
        }
    }
    return true;
}

/* Under the lock; ended by s->waiting--. The indexer gathers changes for no longer then. */
static void begin_wait(struct search *s)
{
    s->waiting++;
    if (s->at < s->wanted) {
        pthread_cond_signal(&s->wake);
    }
}

bool search_settle(struct search *s, int64_t ms)
{
    const struct timespec until = cond_deadline(ms);
    pthread_mutex_lock(&s->lock);
    int64_t wanted = s->wanted;
    int rc = 0;
    bool done = false;
    begin_wait(s);
    while (!done && rc != ETIMEDOUT) {
        done = s->running && s->at >= wanted && !s->types_changed && !s->damaged && all_complete(s);
        rc = done ? 0 : pthread_cond_timedwait(&s->moved, &s->lock, &until);
    }
    s->waiting--;
    pthread_mutex_unlock(&s->lock);
    return done;
}

static bool is_asked(const struct text_query *q, struct str type)
{
    for (size_t i = 0; i < q->n_types; i++) {
        if (str_eq(q->types[i], type)) {
            return true;
        }
    }
    return false;
}

static bool asked_complete(const struct search *s, const struct text_query *q)
{
    for (size_t i = 0; i < s->n_types; i++) {
        if (!s->types[i].complete && is_asked(q, s->types[i].type->group_resource)) {
            return false;
        }
    }
    return true;
}

/* Waits. Whether the answer will have everything. */
static bool catch_up(struct search *s, const struct text_query *q)
{
    const struct timespec until = cond_deadline(LIMIT_TEXT_WAIT_MS),
                          soon = cond_deadline(BUILD_WAIT_MS);
    int rc = 0, late = 0;
    pthread_mutex_lock(&s->lock);
    int64_t wanted = s->wanted;
    begin_wait(s);
    while (s->at < wanted && s->running && !s->stopping && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&s->moved, &s->lock, &until);
    }
    while (!asked_complete(s, q) && s->running && !s->stopping && late != ETIMEDOUT) {
        late = pthread_cond_timedwait(&s->moved, &s->lock, &soon);
    }
    s->waiting--;
    bool all = s->at >= wanted && asked_complete(s, q);
    pthread_mutex_unlock(&s->lock);
    if (s->queries) {
        metric_add(s->queries, 1);
    }
    return all;
}

/* What the index says of itself is no client's business. */
static int failed(struct search *s, struct err *why, struct err *err)
{
    if (why->code == ERR_CORRUPT) {
        pthread_mutex_lock(&s->lock);
        s->damaged = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        int rc =
            err_set(err, ERR_UNAVAILABLE, "the search index is damaged, and is being made anew");
        if (err) {
            err->retry_after = 1;
        }
        return rc;
    }
    return err_move(err, why);
}

/* It is given up in time. */
static struct text_query in_time(const struct text_query *q)
{
    struct text_query limited = *q;
    limited.until_ns = clock_mono_ns() + UINT64_C(1000000) * LIMIT_TEXT_SEARCH_MS;
    return limited;
}

int search_find(struct search *s, const struct text_query *q, struct arena *a,
                struct text_found *ret, bool *ret_lacking, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    bool all = catch_up(s, q);
    const struct text_query limited = in_time(q);
    int rc = text_find(s->text, &limited, a, ret, &why);
    if (rc < 0) {
        return failed(s, &why, err);
    }
    *ret_lacking = !all;
    return 0;
}

int search_find_keys(void *self, struct op *op, struct str **ret_keys, size_t *ret_n,
                     bool *ret_lacking, struct err *err)
{
    struct search *s = self;
    AUTO(err_finish) struct err why = {0};
    const struct text_query q = {.words = op->list.words,
                                 .types = &op->type->group_resource,
                                 .n_types = 1,
                                 .ns = op->scope.ns.len ? op->scope.ns : STR_NULL,
                                 .is_given_up = op->is_gone,
                                 .arg = op->gone_arg};
    bool all = catch_up(s, &q);
    const struct text_query limited = in_time(&q);
    int rc = text_find_keys(s->text, &limited, &op->arena, ret_keys, ret_n, &why);
    if (rc < 0) {
        return failed(s, &why, err);
    }
    *ret_lacking = !all;
    return 0;
}
