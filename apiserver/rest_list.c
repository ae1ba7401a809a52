/* SPDX-License-Identifier: Apache-2.0 */
/* list: an answer that fits one slice goes out whole; a longer one is streamed, its further slices
 * read on the pool while the one before is on its way. Never more than two slices of an answer are
 * in memory. */
#include "apiserver/call_priv.h"
#include "apiserver/compress.h"
#include "apiserver/indent.h"
#include "apiserver/negotiate.h"
#include "apiserver/options.h"
#include "apiserver/rest.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "resources/text.h"

#define YAML "application/yaml"

enum { SLICE_SPARE = 8192 }; /* the object that goes past the slice's end */

/* A list being answered; in the call's arena. reading: the pool has it, and the loop touches
 * nothing but gone. */
struct listing {
    struct pool_task task;
    struct call *call;
    struct list *list;
    struct buf piece;
    struct compress gzip;
    struct indent indent;
    struct buf compact; /* indented: what was read, */
    size_t indented;    /* of which so much has gone into pieces */
    struct err err;
    bool reading, read, done, begun,
        gone;     /* read, done: to the end; sent to the end, all but this piece */
    bool packing; /* the pieces are compressed */
};

static void step(struct call *c);

static struct listing *listing_of(struct call *c)
{
    return (struct listing *)(void *)((const struct rest *)c->priv)->of_verb;
}

static void read_indented(struct listing *l)
{
    if (l->indented == l->compact.len) {
        l->compact.len = l->indented = 0;
        list_next(l->list, &l->compact, LIMIT_LIST_SLICE_BYTES, &l->read, &l->err);
    }
    struct str rest = str_skip(buf_str(&l->compact), l->indented);
    l->indented += indent_add(&l->indent, &l->piece, rest, LIMIT_LIST_SLICE_BYTES);
    l->done = l->read && l->indented == l->compact.len;
}

/* YAML: read to its end, then written anew. */
static void read_whole(struct listing *l)
{
    list_next(l->list, &l->piece, LIMIT_LIST_SLICE_BYTES, &l->done, &l->err);
    if (!l->err.code && l->piece.len > LIMIT_LIST_WHOLE_BYTES) {
        err_set(&l->err, ERR_TOO_LARGE,
                "the list is too large for " YAML ": limit it, or ask for application/json");
    }
    if (!l->err.code && l->done) {
        rest_reformat(l->call, &l->piece, &l->err);
    }
}

static bool is_json(const struct listing *l)
{
    return ((const struct rest *)l->call->priv)->form.encoding == ENCODING_JSON;
}

static bool is_indented(const struct listing *l)
{
    return l->call->accept.pretty && is_json(l);
}

static void read_slice(struct listing *l)
{
    if (((const struct rest *)l->call->priv)->whole) {
        read_whole(l);
        return;
    }
    if (l->begun) { /* a long one: it will be filled */
        buf_reserve(&l->piece, LIMIT_LIST_SLICE_BYTES + SLICE_SPARE);
    }
    if (is_indented(l)) {
        read_indented(l);
    } else {
        list_next(l->list, &l->piece, LIMIT_LIST_SLICE_BYTES, &l->done, &l->err);
    }
    if (!l->err.code && l->done && is_json(l)) {
        buf_addc(&l->piece, '\n');
    }
}

static void pack_on_pool(struct pool_task *t)
{
    struct listing *l = (struct listing *)(void *)t;
    compress_slice(&l->gzip, &l->piece, l->done);
    call_resume(l->call, step);
}

static void read_on_pool(struct pool_task *t)
{
    struct listing *l = (struct listing *)(void *)t;
    read_slice(l);
    if (l->packing && !l->err.code && (l->piece.len || l->done)) {
        compress_slice(&l->gzip, &l->piece, l->done);
    }
    call_resume(l->call, step);
}

/* must: the answer has begun, there is no way to refuse it any more. */
static bool submit(struct listing *l, void (*run)(struct pool_task *t), bool must)
{
    l->task.run = run;
    const struct op *op = l->call->op;
    struct engine *e = server_engine(l->call->server);
    l->reading = convert_type_waits(op->type, op->version)
                     ? convert_submit(e, op->type, &l->task, must)
                     : pool_submit(engine_pool(e), &l->task, must);
    return l->reading;
}

static void finish(struct listing *l)
{
    list_close(l->list);
    buf_finish(&l->piece);
    buf_finish(&l->compact);
    err_finish(&l->err);
}

static void send_piece(struct listing *l)
{
    struct call *c = l->call;
    bool last = l->done;
    c->bytes += l->piece.len;
    if (last) {
        http_on_gone(c->http, NULL, NULL);
        http_stream_send_buf(c->http, &l->piece, true);
        finish(l);
        call_finish(c);
        return;
    }
    http_stream_send_buf(c->http, &l->piece, false);
    if (!submit(l, read_on_pool, true)) {
        http_stream_abort(c->http);
        finish(l);
        call_finish(c);
    }
}

static void on_ready(void *arg, struct http_request *r)
{
    struct listing *l = arg;
    (void)r;
    if (!l->reading && l->piece.len) {
        send_piece(l);
    }
}

static void on_gone(void *arg, struct http_request *r)
{
    struct listing *l = arg;
    (void)r;
    l->gone = true;
    if (!l->reading) {
        struct call *c = l->call;
        finish(l);
        call_finish(c);
    }
}

static void fail(struct listing *l)
{
    struct call *c = l->call;
    struct err err = {0};
    err_move(&err, &l->err);
    finish(l);
    if (l->begun) {
        http_stream_abort(c->http);
        err_finish(&err);
        call_finish(c);
    } else {
        call_answer_err(c, &err);
    }
}

static void answer_whole(struct listing *l)
{
    struct call *c = l->call;
    struct buf b = l->piece;
    l->piece = (struct buf){0};
    finish(l);
    compress_answer(c, 200, c->accept.type, &b);
}

static void begin(struct listing *l)
{
    struct call *c = l->call;
    size_t n = 0;
    l->packing = compress_wanted(c, SIZE_MAX) && submit(l, pack_on_pool, false);
    const struct http_header *more = l->packing ? compress_headers(&n) : NULL;
    struct http_header *h = call_headers(c, c->accept.type, more, n, &n);
    c->status = 200;
    l->begun = true;
    http_on_gone(c->http, on_gone, l);
    http_stream_begin(c->http, 200, h, n, on_ready, l);
}

/* Little or nothing has matched so far: what begins now may still turn out to be short. */
static bool wants_more(const struct listing *l)
{
    return !l->done && l->piece.len <= (l->begun ? 0 : COMPRESS_MIN_BYTES);
}

/* On the loop, with a new piece or an error. */
static void step(struct call *c)
{
    struct listing *l = listing_of(c);
    const struct rest *r = c->priv;
    l->reading = false;
    if (l->gone || (!l->begun && http_request_gone(c->http))) {
        finish(l);
        call_finish(c);
    } else if (l->err.code < 0) {
        fail(l);
    } else if (!l->begun && l->done) {
        answer_whole(l);
    } else if (r->whole || wants_more(l)) {
        if (!submit(l, read_on_pool, true)) {
            err_set(&l->err, ERR_CLOSED, "the server is shutting down");
            fail(l);
        }
    } else if (!l->begun) {
        begin(l);
    } else if (http_stream_writable(c->http)) {
        send_piece(l);
    }
}

/* A slice of bytes is cheap; what must be parsed may go through far more objects than it gives. */
static bool wants_pool(const struct op *op, const struct rest *r)
{
    return r->whole || r->form.as != REPRESENT_OBJECT || r->form.encoding != ENCODING_JSON ||
           op->list.labels || op->list.fields || op->list.narrowed ||
           op->version != type_storage(op->type) || op->type->as_written ||
           convert_type_waits(op->type, op->version) || engine_reads_wait(op->engine);
}

static void start(struct call *c, struct listing *l)
{
    if (!wants_pool(c->op, c->priv)) {
        read_slice(l);
        step(c);
    } else if (!submit(l, read_on_pool, false)) {
        err_set(&l->err, ERR_TOO_MANY,
                "the server has too many requests waiting, please try again later");
        l->err.retry_after = 1;
        fail(l);
    }
}

static void open_list(struct call *c)
{
    struct rest *r = c->priv;
    struct listing *l = ARENA_NEW(&c->arena, struct listing);
    struct err err = {0};
    if (list_open(c->op->engine, c->op, &r->form, &l->list, &err) < 0) {
        call_answer_err(c, &err);
        return;
    }
    r->whole = str_is(c->accept.type, YAML);
    r->of_verb = l;
    l->call = c;
    if (str_is(c->http->method, "HEAD")) {
        struct buf none = {0};
        finish(l);
        call_answer(c, 200, c->accept.type, &none);
        return;
    }
    start(c, l);
}

/* Finding what words match may wait for the index. */
struct narrowing {
    struct pool_task task;
    struct call *call;
    struct err err;
};

static void open_narrowed(struct call *c)
{
    struct narrowing *n = ((struct rest *)c->priv)->of_verb;
    if (n->err.code < 0) {
        call_answer_err(c, &n->err);
    } else {
        open_list(c);
    }
}

static void narrow_on_pool(struct pool_task *t)
{
    struct narrowing *n = (struct narrowing *)(void *)t;
    text_narrow(n->call->op->engine, n->call->op, &n->err);
    call_resume(n->call, open_narrowed);
}

static void find_list(struct call *c)
{
    if (!c->op->list.words.ptr) {
        open_list(c);
        return;
    }
    struct narrowing *n = ARENA_NEW(&c->arena, struct narrowing);
    ((struct rest *)c->priv)->of_verb = n;
    n->call = c;
    n->task.run = narrow_on_pool;
    if (!pool_submit(engine_pool(c->op->engine), &n->task, false)) {
        err_set(&n->err, ERR_TOO_MANY,
                "the server has too many requests waiting, please try again later");
        n->err.retry_after = 1;
        open_narrowed(c);
    }
}

void rest_list(struct call *c)
{
    struct rest *r = c->priv;
    struct err err = {0};
    int code = negotiate_answer(c, !r->type->custom, NEGOTIATE_LIST, &r->form, &err);
    code = code < 0 ? code : options_list(c, c->op, false, STR(""), &err);
    if (code < 0) {
        call_answer_err(c, &err);
    } else {
        rest_when_synced(c, find_list);
    }
}
