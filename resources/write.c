/* SPDX-License-Identifier: Apache-2.0 */
/* The attempt machine. A write is a decision run against the current object and what else it reads;
 * its transaction carries compares for all of it. Where one fails the decision is run again, behind
 * a gate that lets one such write of an object run at a time. No thread waits for a commit: the
 * outcome arrives on the committer's thread, retries go to the pool or to the thread that waits in
 * engine_run. */
#include "resources/write.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "resources/convert.h"
#include "resources/engine_priv.h"

#include <stdlib.h>

enum { WRITE_ATTEMPTS_MAX = 1000, WRITE_FIRST_CHUNK = 8192 };
#define WRITE_PATIENCE_NS (30ull * 1000 * 1000 * 1000)

/* ---- life of the state ---- */

/* Gives back what the attempt holds; the arena's memory stays for the caller to release. */
static void release(struct write *w)
{
    for (size_t i = 0; i < w->n_blobs; i++) {
        blob_unref(w->blobs[i]);
    }
    blob_unref(w->current);
    registry_snapshot_unref(w->types);
    w->types = NULL;
    w->current = NULL;
}

void write_free(struct write *w)
{
    if (w) {
        release(w);
        arena_finish(&w->arena);
        free(w);
    }
}

/* Puts everything of an attempt back to nothing. */
static void reset(struct write *w)
{
    release(w);
    arena_finish(&w->arena);
    arena_init(&w->arena, WRITE_FIRST_CHUNK);
    w->now_us = clock_wall_us();
    w->name = w->op->name;
    w->key = STR_NULL;
    w->rev = 0;
    w->stamp = 0;
    w->doc = NULL;
    w->obj = w->old = w->stored = NULL;
    w->owners = (struct managed_before){0};
    w->old_owners = NULL;
    w->records = NULL;
    w->cmps = NULL;
    w->ops = NULL;
    w->blobs = NULL;
    w->n_cmps = w->cap_cmps = w->n_ops = w->cap_ops = w->n_blobs = w->cap_blobs = 0;
    w->value = NULL;
    w->effect = WRITE_NOTHING;
    w->removes = false;
    w->answer = NULL;
    w->op->warnings.n = w->n_warnings;
}

void write_start(struct op *op, struct waiter *waiter)
{
    struct write *w = ALLOC(struct write);
    w->op = op;
    w->e = op->engine;
    w->waiter = waiter;
    w->begun_ns = clock_mono_ns();
    op->times.begun_ns = w->begun_ns;
    w->n_warnings = op->warnings.n;
    arena_init(&w->arena, 0);
    op->write = w;
    write_attempt(w);
}

/* ---- the gate ---- */

static void resume_task(struct pool_task *t)
{
    struct op *op = (struct op *)((char *)t - offsetof(struct op, task));
    write_attempt(op->write);
}

static void finish(struct write *w, int code);

/* Has the next attempt run by a thread that may. */
static void resume(struct write *w)
{
    if (w->waiter) {
        pthread_mutex_lock(&w->waiter->lock);
        w->waiter->resume = w;
        pthread_cond_signal(&w->waiter->cond);
        pthread_mutex_unlock(&w->waiter->lock);
        return;
    }
    w->op->task.run = resume_task;
    bool waits = convert_op_waits(w->op);
    if (!(waits ? convert_submit(w->e, w->op->type, &w->op->task, true)
                : pool_submit(w->e->pool, &w->op->task, true))) {
        finish(w, err_set(&w->op->err, ERR_CLOSED, "the server is shutting down"));
    }
}

static struct gate *gate_of(struct write *w)
{
    struct str prefix = w->op->type->prefix;
    uint64_t h = crypto_hash64(prefix.ptr ? prefix : w->op->type->group_resource);
    h = crypto_hash64_more(h, w->op->scope.ns);
    h = crypto_hash64_more(h, w->op->name);
    return &w->e->gates[h % ENGINE_GATES];
}

static void retry(struct write *w)
{
    if (w->e->retries) {
        metric_add(w->e->retries, 1);
    }
    if (w->gated) {
        resume(w);
        return;
    }
    struct gate *g = gate_of(w);
    pthread_mutex_lock(&g->lock);
    bool run = !g->busy;
    if (run) {
        g->busy = true;
    } else {
        w->next_gated = NULL;
        *(g->head ? &g->tail->next_gated : &g->head) = w;
        g->tail = w;
    }
    pthread_mutex_unlock(&g->lock);
    if (run) {
        w->gated = true;
        resume(w);
    }
}

static void leave_gate(struct write *w)
{
    if (!w->gated) {
        return;
    }
    w->gated = false;
    struct gate *g = gate_of(w);
    pthread_mutex_lock(&g->lock);
    struct write *next = g->head;
    if (next) {
        g->head = next->next_gated;
    } else {
        g->busy = false;
    }
    pthread_mutex_unlock(&g->lock);
    if (next) {
        next->gated = true;
        resume(next);
    }
}

/* ---- one attempt ---- */

static void finish(struct write *w, int code)
{
    struct metric *m = code ? w->e->refused : w->e->writes;
    if (m) {
        metric_add(m, 1);
    }
    leave_gate(w);
    op_finish(w->op, code);
}

static void committed(struct write *w, int64_t rev)
{
    const struct type *t = w->op->type;
    if (t->strategy->committed && w->effect != WRITE_NOTHING) {
        t->strategy->committed(t->self, w->effect == WRITE_DELETE ? NULL : w->obj, w->old, rev);
    }
}

static void done(void *arg, const struct store_outcome *o)
{
    struct write *w = arg;
    w->op->times.done_ns = clock_mono_ns();
    w->op->times.store_ns += w->op->times.done_ns - w->submitted_ns;
    if (o->code == ERR_CONFLICT) {
        if (w->attempts >= WRITE_ATTEMPTS_MAX ||
            clock_mono_ns() - w->begun_ns > WRITE_PATIENCE_NS) {
            finish(w, status_conflict(&w->op->err, w->op->type, w->name, NULL));
        } else {
            retry(w);
        }
        return;
    }
    if (o->code) {
        finish(w, status_from_store(&w->op->err, o->code, o->text));
        return;
    }
    w->txn_rev = o->rev;
    committed(w, o->rev);
    w->answer(w, w->effect == WRITE_PUT ? o->rev : w->rev);
    finish(w, 0);
}

static void submit(struct write *w)
{
    w->txn = (struct store_txn){
        .cmps = w->cmps,
        .n_cmps = w->n_cmps,
        .ops = w->ops,
        .n_ops = w->n_ops,
        .who = w->op->user ? w->op->user->name : STR_NULL,
    };
    store_submit(w->e->store, &w->txn, done, w);
}

static int decide(struct write *w, struct err *err)
{
    switch (w->op->verb) {
    case VERB_CREATE:
        return write_create(w, err);
    case VERB_UPDATE:
    case VERB_PATCH:
        return write_update(w, err);
    default:
        return write_delete(w, err);
    }
}

void write_attempt(struct write *w)
{
    reset(w);
    w->attempts++;
    uint64_t from = w->attempts > 1 ? clock_mono_ns() : w->begun_ns;
    int rc = decide(w, &w->op->err);
    w->submitted_ns = clock_mono_ns();
    w->op->times.decide_ns += w->submitted_ns - from;
    if (rc) {
        finish(w, rc);
        return;
    }
    if (w->op->dry_run || !w->n_ops) {
        w->answer(w, w->rev);
        finish(w, 0);
        return;
    }
    submit(w);
}

/* ---- what hooks ask of a write ---- */

void write_remove(struct write *w)
{
    w->removes = true;
}

struct op *write_op(struct write *w)
{
    return w->op;
}

struct engine *write_engine(struct write *w)
{
    return w->e;
}

struct arena *write_arena(struct write *w)
{
    return &w->arena;
}

int64_t write_now_us(struct write *w)
{
    return w->now_us;
}

struct str write_operation(struct write *w)
{
    return w->operation;
}
