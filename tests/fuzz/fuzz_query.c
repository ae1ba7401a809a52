/* SPDX-License-Identifier: Apache-2.0 */
/* Query strings and what options make of them; behind a NUL stands a DeleteOptions document. */
#include "apiserver/options.h"
#include "apiserver/route.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "tests/fuzz/widget.h"

static void add_encoded(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ' ') {
            buf_addc(b, '+');
        } else {
            buf_printf(b, "%%%02X", (unsigned char)s.ptr[i]);
        }
    }
}

/* The parameters, encoded again, are read as the same. */
static void check_again(struct fuzz *f, const struct op_param *p, size_t n)
{
    AUTO(buf_finish) struct buf b = {0};
    struct op_param *again;
    size_t n_again;
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(utf8_valid(p[i].key) && utf8_valid(p[i].value) && p[i].value.ptr);
        buf_addz(&b, i ? "&" : "");
        add_encoded(&b, p[i].key);
        buf_addc(&b, '=');
        add_encoded(&b, p[i].value);
    }
    FUZZ_CHECK(query_parse(&f->arena, buf_str(&b), &again, &n_again, NULL) == 0 && n == n_again);
    for (size_t i = 0; i < n; i++) {
        FUZZ_SAME(p[i].key, again[i].key);
        FUZZ_SAME(p[i].value, again[i].value);
    }
}

struct asked {
    struct call call;
    struct http_request http;
    struct op *op;
    struct err err;
};

static void begin(struct asked *q, const struct call *c, enum verb verb)
{
    *q = (struct asked){0};
    q->call.http = &q->http;
    q->call.params = c->params;
    q->call.n_params = c->n_params;
    arena_init(&q->call.arena, 0);
    q->op = op_create(NULL);
    q->op->verb = verb;
    op_set_type(q->op, widget(), type_storage(widget()));
}

static void end(struct asked *q, int code)
{
    if (code < 0) {
        FUZZ_REFUSED(code, q->err);
    } else {
        FUZZ_CHECK(code == 0 && q->err.code == 0);
    }
    err_finish(&q->err);
    op_unref(q->op);
    arena_finish(&q->call.arena);
}

static void check_write(const struct call *c)
{
    static const enum verb verbs[] = {VERB_CREATE, VERB_UPDATE, VERB_PATCH, VERB_PATCH};
    for (size_t i = 0; i < 4; i++) {
        struct asked q;
        begin(&q, c, verbs[i]);
        q.op->patch = i == 3 ? PATCH_APPLY : i == 2 ? PATCH_MERGE : PATCH_NONE;
        int code = options_write(&q.call, q.op, &q.err);
        FUZZ_CHECK(code < 0 || q.op->manager.len <= 128);
        end(&q, code);
    }
}

static void check_list(const struct call *c, struct str name)
{
    for (int watch = 0; watch < 2; watch++) {
        struct asked q;
        begin(&q, c, watch ? VERB_WATCH : VERB_LIST);
        int code = options_list(&q.call, q.op, watch, name, &q.err);
        FUZZ_CHECK(code < 0 || !name.len ||
                   str_eq(selector_required(q.op->list.fields, "metadata.name"), name));
        end(&q, code);
    }
}

static void check_delete(struct fuzz *f, const struct call *c, struct str body)
{
    struct asked q;
    yyjson_mut_doc *d = body.ptr ? fuzz_json(f, body) : NULL;
    bool accepted = false;
    begin(&q, c, VERB_DELETE);
    q.op->del.grace = -1;
    int code = options_delete(&q.call, q.op, d ? d->root : NULL, &accepted, &q.err);
    FUZZ_CHECK(code < 0 || q.op->del.grace >= -1);
    end(&q, code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    widget();
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct str body = f.text, query = fuzz_part(&body);
    struct call c = {0};
    int code = query_parse(&f.arena, query, &c.params, &c.n_params, &err);
    if (code == 0) {
        FUZZ_CHECK(c.n_params <= LIMIT_QUERY_PARAMS);
        check_again(&f, c.params, c.n_params);
        check_write(&c);
        check_list(&c, STR(""));
        check_list(&c, utf8_valid(body) && body.len < 300 ? body : STR(""));
        check_delete(&f, &c, body);
    } else {
        FUZZ_REFUSED(code, err);
    }
    return fuzz_end(&f, data, size);
}
