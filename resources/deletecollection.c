/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of a collection: every object that the list options match is deleted by an operation of
 * its own, a bounded number at a time; the answer is the list of what went. */
#include <stdlib.h>

#include "base/alloc.h"
#include "resources/engine_priv.h"

enum { IN_FLIGHT = 16 };

struct victim {
    struct victim *next;
    struct str ns, name;
};

/* Belongs to the op's arena. The lock guards what the deletes' ends touch. */
struct collection {
    struct op *op; /* the engine's reference, until finish */
    pthread_mutex_t lock;
    struct pool_task task;
    struct engine_waiter waiter;
    struct victim *first, **last;
    size_t in_flight;
    bool starting;  /* somebody is in start_some */
    struct err err; /* the first that went wrong */
    /* Of a type that refuses deletes by rules of its own (a folder that is not empty): tried again
     * when the others are through, as long as something goes. */
    struct victim *refused;
    struct err refusal; /* of the first of them */
    bool went;          /* since the last of them was tried */
    yyjson_mut_doc *doc;
    yyjson_mut_val *items;
};

static int add_victim(void *arg, struct str ns, struct str name, const struct stored *s)
{
    struct collection *c = arg;
    struct op *op = c->op;
    yyjson_mut_doc *d = NULL;
    int rc = represent_decode(op->type, op->version, s, &op->arena, &d, &c->err);
    if (rc) {
        return rc;
    }
    struct victim *v = ARENA_NEW(&op->arena, struct victim);
    v->ns = arena_str(&op->arena, ns);
    v->name = arena_str(&op->arena, name);
    *c->last = v;
    c->last = &v->next;
    yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
    if (!op->type->custom) {
        json_remove(obj, "apiVersion");
        json_remove(obj, "kind");
    }
    yyjson_mut_arr_append(c->items, json_copy(c->doc, obj));
    return 0;
}

static void set_answer(struct collection *c, int64_t rev)
{
    struct op *op = c->op;
    yyjson_mut_val *list = yyjson_mut_obj(c->doc), *meta;
    json_set_str(c->doc, list, "kind", op->type->list_kind);
    json_set_str(c->doc, list, "apiVersion", op->version->api_version);
    meta = json_ensure_obj(c->doc, list, "metadata");
    json_set_str(c->doc, meta, "resourceVersion",
                 str_from(arena_printf(&op->arena, "%lld", (long long)rev)));
    if (op->type->custom) {
        json_setz(c->doc, meta, "continue", yyjson_mut_str(c->doc, ""));
    }
    json_setz(c->doc, list, "items", c->items);
    op->answer.http_status = 200;
    op->answer.doc = c->doc;
    op->answer.value = list;
}

static void finish(struct collection *c)
{
    struct op *op = c->op;
    int rc = c->err.code;
    if (rc) {
        err_move(&op->err, &c->err);
    }
    err_finish(&c->refusal);
    pthread_mutex_destroy(&c->lock);
    op_finish(op, rc);
}

static void start_some(struct collection *c);

static void go_on(struct pool_task *t)
{
    start_some((struct collection *)((char *)t - offsetof(struct collection, task)));
}

static void take_refusal(struct collection *c, const struct op *one)
{
    struct victim *v = ARENA_NEW(&c->op->arena, struct victim);
    *v = (struct victim){c->refused, arena_str(&c->op->arena, one->scope.ns),
                         arena_str(&c->op->arena, one->name)};
    if (!c->refused) {
        err_copy(&c->refusal, &one->err);
    }
    c->refused = v;
}

/* The end of one delete, on any thread: takes note; the next ones are started on the pool, never on
 * the committer's thread. */
static void deleted(struct op *one, void *arg)
{
    struct collection *c = arg;
    pthread_mutex_lock(&c->lock);
    if (one->code == ERR_BAD_REQUEST && one->type->strategy->before_delete) {
        take_refusal(c, one);
    } else if (one->code && one->code != ERR_NOT_FOUND && !c->err.code) {
        err_copy(&c->err, &one->err);
    }
    c->went |= !one->code;
    c->in_flight--;
    bool wake = !c->starting && !c->in_flight;
    c->starting |= wake;
    pthread_mutex_unlock(&c->lock);
    op_unref(one);
    if (wake) {
        c->task.run = go_on;
        if (!pool_submit(c->op->engine->pool, &c->task, true)) {
            err_set(&c->err, ERR_CLOSED, "the server is shutting down");
            finish(c);
        }
    }
}

static void start_one(struct collection *c, const struct victim *v)
{
    struct op *op = c->op, *one = op_create(op->engine);
    one->verb = VERB_DELETE;
    op_set_type(one, op->type, op->version);
    one->scope = (struct scope){op->scope.workspace, v->ns};
    one->name = v->name;
    one->user = op->user ? user_ref(op->user) : NULL;
    one->dry_run = op->dry_run;
    one->del.propagation = op->del.propagation;
    one->del.grace = op->del.grace;
    one->done = deleted;
    one->done_arg = c;
    engine_start(op->engine, one);
}

/* Takes up what was refused, once nothing else is left. */
static void try_again(struct collection *c)
{
    if (c->first || !c->refused || c->err.code) {
        return;
    }
    if (!c->went || c->op->dry_run) {
        err_move(&c->err, &c->refusal);
        return;
    }
    err_finish(&c->refusal);
    c->first = c->refused;
    c->refused = NULL;
    c->went = false;
}

/* Starts a round of deletes; whoever sees the last of them end starts the next. */
static void start_some(struct collection *c)
{
    struct victim *round[IN_FLIGHT];
    size_t n = 0;
    pthread_mutex_lock(&c->lock);
    try_again(c);
    while (n < IN_FLIGHT && c->first && !c->err.code) {
        round[n++] = c->first;
        c->first = c->first->next;
    }
    c->in_flight = n;
    c->starting = false;
    pthread_mutex_unlock(&c->lock);
    if (!n) {
        finish(c);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        start_one(c, round[i]);
    }
}

static void find_victims(struct collection *c)
{
    struct op *op = c->op;
    int64_t rev = 0;
    struct err err = {0};
    int rc = list_visit(op->engine, op, add_victim, c, &rev, &err);
    if (rc) {
        if (!c->err.code) {
            err_move(&c->err, &err);
        }
        err_finish(&err);
        finish(c);
        return;
    }
    set_answer(c, rev);
    start_some(c);
}

static void find_on_pool(struct pool_task *t)
{
    find_victims((struct collection *)((char *)t - offsetof(struct collection, task)));
}

static void synced(struct engine_waiter *w, int code, struct err *err)
{
    struct collection *c = (struct collection *)((char *)w - offsetof(struct collection, waiter));
    if (code) {
        err_move(&c->err, err);
    } else {
        c->task.run = find_on_pool;
        if (pool_submit(c->op->engine->pool, &c->task, true)) {
            return;
        }
        err_set(&c->err, ERR_CLOSED, "the server is shutting down");
    }
    finish(c);
}

void collection_start(struct op *op)
{
    struct collection *c = ARENA_NEW(&op->arena, struct collection);
    c->op = op;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    c->doc = json_doc(&op->arena);
    c->items = yyjson_mut_arr(c->doc);
    if (engine_wants_sync(op)) {
        c->waiter.done = synced;
        engine_sync(op->engine, &c->waiter);
    } else {
        find_victims(c);
    }
}
