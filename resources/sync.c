/* SPDX-License-Identifier: Apache-2.0 */
/* Consistent reads where several servers share a store: each waits for a barrier begun after it
 * came. Those that come while one is under way share the next. */
#include "resources/engine_priv.h"

/* The token says at which revision it goes on; -1: at the newest. */
static bool continues_at_newest(const struct op *op)
{
    struct arena a;
    arena_init(&a, 0);
    struct str start;
    int64_t rev = 0, left;
    continue_decode(&a, op->list.continue_token, &start, &rev, &left, NULL);
    arena_finish(&a);
    return rev < 0;
}

bool engine_wants_sync(const struct op *op)
{
    const struct list_options *o = &op->list;
    int64_t rv = 0;
    if (!store_shared(op->engine->store)) {
        return false;
    }
    if (o->resource_version.len) {
        return !op_parse_rv(o->resource_version, &rv) && rv > store_revision(op->engine->store);
    }
    bool many =
        op->verb == VERB_LIST || op->verb == VERB_WATCH || op->verb == VERB_DELETECOLLECTION;
    return many && (!o->continue_token.len || continues_at_newest(op));
}

static void answer(struct engine_waiter *w, const struct store_outcome *o)
{
    while (w) {
        struct engine_waiter *next = w->next; /* it may be gone after its call */
        AUTO(err_finish) struct err err = {0};
        int code = o->code ? status_from_store(&err, o->code, o->text) : 0;
        w->done(w, code, &err);
        w = next;
    }
}

static void synced(void *arg, const struct store_outcome *o)
{
    struct engine *e = arg;
    struct engine_syncs *s = &e->syncs;
    pthread_mutex_lock(&s->lock);
    struct engine_waiter *served = s->running, *next = s->waiting;
    s->running = next;
    s->waiting = NULL;
    pthread_mutex_unlock(&s->lock);
    answer(served, o);
    if (next) {
        store_sync(e->store, synced, e);
    }
}

void engine_sync(struct engine *e, struct engine_waiter *w)
{
    struct engine_syncs *s = &e->syncs;
    pthread_mutex_lock(&s->lock);
    bool begin = !s->running;
    struct engine_waiter **list = begin ? &s->running : &s->waiting;
    w->next = *list;
    *list = w;
    pthread_mutex_unlock(&s->lock);
    if (begin) {
        store_sync(e->store, synced, e);
    }
}
