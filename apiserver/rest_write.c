/* SPDX-License-Identifier: Apache-2.0 */
/* create, update, patch, delete, deletecollection: options and body into the operation, then the
 * engine. Large bodies are decoded on the pool. */
#include "apiserver/body.h"
#include "apiserver/call_priv.h"
#include "apiserver/negotiate.h"
#include "apiserver/options.h"
#include "apiserver/rest.h"
#include "base/limits.h"
#include "resources/status.h"

enum { LOOP_BODY_BYTES = 64 * 1024 };

/* A write whose body is decoded on the pool; in the call's arena. */
struct decoding {
    struct pool_task task;
    struct call *call;
};

static void on_done(struct op *op, void *arg)
{
    (void)op;
    call_resume(arg, rest_answer);
}

/* What the body should be. */
static struct str body_kind(const struct op *op)
{
    const struct type_subresource *sub =
        op->subresource.len ? type_subresource(op->type, op->subresource) : NULL;
    return sub && sub->kind.len               ? sub->kind
           : str_is(op->subresource, "scale") ? STR("Scale")
                                              : op->type->kind;
}

static int read_delete(struct call *c, struct rest *r, struct err *err)
{
    struct op *op = c->op;
    yyjson_mut_val *body = NULL;
    int code = r->verb == VERB_DELETECOLLECTION ? options_list(c, op, false, STR(""), err) : 0;
    code = code < 0 ? code : body_read_delete(c, op, &body, err);
    return code < 0 ? code : options_delete(c, op, body, &r->accepted, err);
}

/* Options before the body, as the reference: the errors of a request with several come in its
 * order. */
static int read_request(struct call *c, struct err *err)
{
    struct rest *r = c->priv;
    struct op *op = c->op;
    if (r->verb == VERB_DELETE || r->verb == VERB_DELETECOLLECTION) {
        return read_delete(c, r, err);
    }
    int code = options_write(c, op, err);
    if (code < 0) {
        return code;
    }
    return r->verb == VERB_PATCH ? body_read_patch(c, op, err)
                                 : body_read_object(c, op, body_kind(op), err);
}

static int negotiate(struct call *c, struct rest *r, struct err *err)
{
    enum media media;
    int code = 0;
    if (r->verb == VERB_PATCH) {
        code = negotiate_patch(c, !r->type->custom, &c->op->patch, err);
    }
    code = code < 0 ? code : negotiate_answer(c, !r->type->custom, NEGOTIATE_OBJECT, &r->form, err);
    if (code == 0 && (r->verb == VERB_CREATE || r->verb == VERB_UPDATE)) {
        code = negotiate_body(c, &media, err);
    }
    return code < 0 ? code : body_check(c, err);
}

/* On the pool: the loop leaves the call alone until it is resumed. */
static void decode_and_start(struct pool_task *t)
{
    struct decoding *d = (struct decoding *)(void *)t;
    struct call *c = d->call;
    struct op *op = c->op;
    int code = read_request(c, &op->err);
    if (code < 0) {
        op->code = code;
        call_resume(c, rest_answer);
        return;
    }
    engine_start(op->engine, op);
}

static void start_on_pool(struct call *c)
{
    struct decoding *d = ARENA_NEW(&c->arena, struct decoding);
    d->task.run = decode_and_start;
    d->call = c;
    if (!pool_submit(engine_pool(c->op->engine), &d->task, false)) {
        struct err err = {0};
        err_set(&err, ERR_TOO_MANY,
                "the server has too many requests waiting, please try again later");
        err.retry_after = 1;
        call_answer_err(c, &err);
    }
}

void rest_write(struct call *c)
{
    struct rest *r = c->priv;
    struct op *op = c->op;
    struct err err = {0};
    size_t body_bytes = c->http->body.len;
    op->done = on_done;
    op->done_arg = c;
    if (negotiate(c, r, &err) < 0) {
        call_answer_err(c, &err);
        return;
    }
    if (body_bytes > LOOP_BODY_BYTES) {
        start_on_pool(c);
        return;
    }
    if (read_request(c, &err) < 0) {
        call_answer_err(c, &err);
    } else if (engine_prefers_pool(op, body_bytes)) {
        engine_start_on_pool(op->engine, op);
    } else {
        engine_start(op->engine, op);
    }
}

void rest_change(struct call *c)
{
    struct rest *r = c->priv;
    struct op *op = c->op;
    struct err err = {0};
    op->done = on_done;
    op->done_arg = c;
    op->verb = VERB_UPDATE;
    op->change_verb = r->verb;
    op->change = r->sub;
    op->subresource = STR("");
    int code = negotiate_answer(c, !r->type->custom, NEGOTIATE_OBJECT, &r->form, &err);
    code = code < 0 ? code : options_write(c, op, &err);
    if (code < 0) {
        call_answer_err(c, &err);
    } else {
        engine_start_on_pool(op->engine, op);
    }
}
