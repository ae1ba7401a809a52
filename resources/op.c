/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an operation, and what every file of the engine asks of one. */
#include "resources/op.h"

#include "base/alloc.h"
#include "resources/convert.h"
#include "resources/engine_priv.h"

#include <stdlib.h>

enum { OP_FIRST_CHUNK = 512 };

struct op *op_create(struct engine *e)
{
    struct op *op = ALLOC(struct op);
    atomic_init(&op->refs, 1);
    arena_init(&op->arena, OP_FIRST_CHUNK);
    op->engine = e;
    op->del.grace = -1;
    op->warnings.arena = &op->arena;
    return op;
}

struct op *op_ref(struct op *op)
{
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
    return op;
}

void op_unref(struct op *op)
{
    if (!op || atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    write_free(op->write);
    blob_unref(op->answer.blob);
    err_finish(&op->err);
    user_unref(op->user);
    type_unref(op->type);
    arena_finish(&op->arena);
    free(op);
}

void op_set_type(struct op *op, struct type *t, const struct type_version *v)
{
    struct type *old = op->type;
    op->type = t ? type_ref(t) : NULL;
    op->version = v;
    type_unref(old);
}

void op_begin(struct op *op)
{
    atomic_fetch_add_explicit(&op->engine->flying, 1, memory_order_relaxed);
    op_ref(op);
}

void op_finish(struct op *op, int code)
{
    op->code = code;
    if (!convert_again(op) && !convert_answer(op)) {
        op_end(op);
    }
}

void op_end(struct op *op)
{
    struct engine *e = op->engine;
    if (op->done) {
        op->done(op, op->done_arg);
    }
    op_unref(op);
    atomic_fetch_sub_explicit(&e->flying, 1, memory_order_release);
}

const char *op_parse_rv(struct str text, int64_t *ret)
{
    int64_t v = 0;
    if (!text.len) {
        return "invalid syntax";
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return "invalid syntax";
        }
        int digit = text.ptr[i] - '0';
        if (v > (INT64_MAX - digit) / 10) {
            return "value out of range";
        }
        v = v * 10 + digit;
    }
    *ret = v;
    return NULL;
}

struct str op_param(const struct op *op, const char *key)
{
    for (size_t i = 0; i < op->n_params; i++) {
        if (str_is(op->params[i].key, key)) {
            return op->params[i].value;
        }
    }
    return STR_NULL;
}

static uint32_t subresource_verbs(const struct op *op)
{
    const uint32_t update = VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH);
    const struct type_subresource *sub = type_subresource(op->type, op->subresource);
    if (sub) { /* a change comes as an update that names its hook */
        return sub->change ? sub->verbs & VERB_BIT(VERB_GET) : sub->verbs;
    }
    if ((str_is(op->subresource, "status") && op->version->status) || scale_asked(op)) {
        return update;
    }
    return 0;
}

int op_check_verb(const struct op *op, struct err *err)
{
    if (op->query) {
        return 0;
    }
    uint32_t verbs = op->subresource.len ? subresource_verbs(op) : op->type->verbs;
    if (op->subresource.len && !verbs) {
        return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
    }
    return verbs & VERB_BIT(op->verb) ? 0 : status_method(err, op->type, verb_name(op->verb));
}
