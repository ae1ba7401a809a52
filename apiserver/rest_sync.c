/* SPDX-License-Identifier: Apache-2.0 */
/* A read that must see what other servers have acknowledged waits for a barrier of the store,
 * without a thread. */
#include "apiserver/call_priv.h"
#include "apiserver/rest.h"

/* In the call's arena. */
struct waiting {
    struct engine_waiter waiter;
    struct call *call;
    void (*next)(struct call *c);
    struct err err;
};

static void go_on(struct call *c)
{
    struct waiting *w = ((const struct rest *)c->priv)->of_verb;
    if (http_request_gone(c->http)) {
        err_finish(&w->err);
        call_finish(c);
    } else if (w->err.code < 0) {
        call_answer_err(c, &w->err);
    } else {
        w->next(c);
    }
}

static void synced(struct engine_waiter *waiter, int code, struct err *err)
{
    struct waiting *w = (struct waiting *)(void *)waiter;
    if (code < 0) {
        err_move(&w->err, err);
    }
    call_resume(w->call, go_on);
}

void rest_when_synced(struct call *c, void (*next)(struct call *c))
{
    if (!engine_wants_sync(c->op)) {
        next(c);
        return;
    }
    struct waiting *w = ARENA_NEW(&c->arena, struct waiting);
    w->waiter.done = synced;
    w->call = c;
    w->next = next;
    ((struct rest *)c->priv)->of_verb = w;
    engine_sync(c->op->engine, &w->waiter);
}
