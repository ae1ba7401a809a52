/* SPDX-License-Identifier: Apache-2.0 */
/* The etcd engine's requests and answers in the gateway's JSON: numbers of 64 bits are strings,
 * bytes are base64, and what is zero is absent. */
#include "storage/etcd_priv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/crypto.h"

/* gRPC's codes. */
enum {
    RPC_INVALID_ARGUMENT = 3,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_OUT_OF_RANGE = 11,
    RPC_UNIMPLEMENTED = 12,
    RPC_DATA_LOSS = 15,
    RPC_UNAUTHENTICATED = 16,
};

/* ---- keys ---- */

static void add_key(const struct etcd_store *s, struct str rest, struct buf *b)
{
    AUTO(buf_finish) struct buf key = {0};
    buf_add(&key, s->prefix);
    buf_add(&key, rest);
    crypto_base64(b, buf_str(&key));
}

bool etcd_key(const struct etcd_store *s, struct str key, struct buf *b)
{
    bool ours = str_starts(key, s->root);
    if (ours) {
        add_key(s, str_skip(key, s->root.len), b);
    }
    return ours;
}

/* The first key after those that begin with the one in b, which is not all 0xff: a prefix begins
 * it. */
static void increment(struct buf *b)
{
    while (b->len && (unsigned char)b->ptr[b->len - 1] == 0xff) {
        b->len--;
    }
    if (b->len) {
        b->ptr[b->len - 1]++;
    } else {
        buf_addc(b, 0); /* etcd's word for: all that follow */
    }
}

bool etcd_prefix(const struct etcd_store *s, struct str prefix, struct buf *key, struct buf *end)
{
    AUTO(buf_finish) struct buf b = {0};
    struct str rest = STR_NULL;
    if (str_starts(prefix, s->root)) {
        rest = str_skip(prefix, s->root.len);
    } else if (!str_starts(s->root, prefix)) {
        return false;
    }
    buf_add(&b, s->prefix);
    buf_add(&b, rest);
    crypto_base64(key, buf_str(&b));
    increment(&b);
    crypto_base64(end, buf_str(&b));
    return true;
}

bool etcd_unkey(const struct etcd_store *s, struct str base64, struct buf *b, bool *ret_barrier)
{
    AUTO(buf_finish) struct buf key = {0};
    *ret_barrier = str_eq(base64, buf_str(&s->barrier));
    if (*ret_barrier || !crypto_unbase64(&key, base64) || !str_starts(buf_str(&key), s->prefix)) {
        return false;
    }
    buf_add(b, s->root);
    buf_add(b, str_skip(buf_str(&key), s->prefix.len));
    return true;
}

/* ---- reading ---- */

struct str etcd_str(yyjson_val *obj, const char *name)
{
    yyjson_val *v = yyjson_obj_get(obj, name);
    return str_make(yyjson_get_str(v), yyjson_get_len(v));
}

int64_t etcd_int(yyjson_val *obj, const char *name)
{
    yyjson_val *v = yyjson_obj_get(obj, name);
    const char *text = yyjson_get_str(v);
    return text ? strtoll(text, NULL, 10) : yyjson_get_sint(v);
}

/* ---- compares ---- */

/* Separates what stands in a list. */
static void comma(struct buf *b)
{
    if (b->len && b->ptr[b->len - 1] != '[') {
        buf_addc(b, ',');
    }
}

static void add_rev_compare(struct buf *b, struct str key64, const char *result, int64_t rev)
{
    comma(b);
    buf_printf(b,
               "{\"key\":\"%.*s\",\"target\":\"MOD\",\"result\":\"%s\",\"mod_revision\":\"%" PRId64
               "\"}",
               STR_FMT(key64), result, rev);
}

static void add_range_compare(struct buf *b, struct str key64, struct str end64, const char *result,
                              int64_t rev)
{
    comma(b);
    buf_printf(b,
               "{\"key\":\"%.*s\",\"range_end\":\"%.*s\",\"target\":\"MOD\",\"result\":\"%s\","
               "\"mod_revision\":\"%" PRId64 "\"}",
               STR_FMT(key64), STR_FMT(end64), result, rev);
}

/* What never holds: no version is less than 0. */
static void add_never(const struct etcd_store *s, struct buf *b)
{
    comma(b);
    buf_printf(b, "{\"key\":\"%.*s\",\"target\":\"VERSION\",\"result\":\"LESS\",\"version\":\"0\"}",
               STR_FMT(buf_str(&s->barrier)));
}

struct exact {
    const struct etcd_store *s;
    struct buf compares;
    size_t n;
};

static int add_exact(void *arg, const struct store_entry *e)
{
    struct exact *x = arg;
    AUTO(buf_finish) struct buf key = {0};
    if (x->n++ == ETCD_EXACT_KEYS) {
        return STORE_STOP;
    }
    etcd_key(x->s, e->key, &key);
    add_rev_compare(&x->compares, buf_str(&key), "EQUAL", e->rev);
    return 0;
}

static int any_event(void *arg, const struct store_event *e)
{
    (void)e;
    *(bool *)arg = true;
    return STORE_STOP;
}

/* Compares cannot see deletions. What the mirror knows of is seen there; from then on, the keys
 * that are there must stay as they are: each is compared, where they are few. *ret_holds: as far as
 * the mirror knows. */
static int unchanged_here(struct etcd_store *s, struct etcd_txn *t, const struct store_cmp *c,
                          struct buf *b, bool *ret_holds, struct err *err)
{
    bool any = false;
    int64_t at = 0, to;
    if (c->rev < store_floor(s->local)) {
        *ret_holds = false;
        return 0;
    }
    struct exact x = {.s = s};
    const struct store_range r = {.prefix = c->key, .keys_only = true};
    int code = store_range(s->local, &r, add_exact, &x, &at, NULL, err);
    if (!code && c->rev < at) {
        code = store_changes(s->local, c->key, c->rev, 1, any_event, &any, &to, err);
    }
    if (code == ERR_EXPIRED) {
        any = true;
        code = 0;
    }
    if (!code && !any && x.n && t->n_exact + x.n <= ETCD_EXACT_KEYS && c->rev <= at) {
        t->n_exact += x.n;
        comma(b);
        buf_add(b, buf_str(&x.compares));
    }
    buf_finish(&x.compares);
    *ret_holds = !any;
    return code;
}

static int add_compare(struct etcd_store *s, struct etcd_txn *t, size_t i, struct buf *b,
                       struct err *err)
{
    const struct store_cmp *c = &t->txn->cmps[i];
    AUTO(buf_finish) struct buf key = {0};
    AUTO(buf_finish) struct buf end = {0};
    bool holds = true;
    int code = 0;
    if (c->kind == STORE_CMP_REV) {
        if (etcd_key(s, c->key, &key)) {
            add_rev_compare(b, buf_str(&key), "EQUAL", c->rev);
        } else {
            holds = c->rev == 0;
        }
    } else if (!etcd_prefix(s, c->key, &key, &end)) {
        return 0;
    } else if (c->kind == STORE_CMP_EMPTY) {
        add_range_compare(b, buf_str(&key), buf_str(&end), "EQUAL", 0);
    } else {
        code = unchanged_here(s, t, c, b, &holds, err);
        if (c->rev < INT64_MAX) {
            add_range_compare(b, buf_str(&key), buf_str(&end), "LESS", c->rev + 1);
        }
    }
    if (!code && !holds && t->forced == SIZE_MAX) {
        t->forced = i;
        add_never(s, b);
    }
    return code;
}

/* What tells, when the compares do not hold, whether this one is why: the newest key of its range.
 */
static void add_look(struct etcd_store *s, const struct store_cmp *c, struct buf *b)
{
    AUTO(buf_finish) struct buf key = {0};
    AUTO(buf_finish) struct buf end = {0};
    comma(b);
    if (c->kind == STORE_CMP_REV) {
        bool ours = etcd_key(s, c->key, &key);
        buf_printf(b, "{\"request_range\":{\"key\":\"%.*s\",\"keys_only\":true}}",
                   STR_FMT(ours ? buf_str(&key) : buf_str(&s->barrier)));
        return;
    }
    if (!etcd_prefix(s, c->key, &key, &end)) {
        etcd_prefix(s, s->root, &key, &end);
    }
    buf_printf(b,
               "{\"request_range\":{\"key\":\"%.*s\",\"range_end\":\"%.*s\",\"limit\":\"1\","
               "\"keys_only\":true,\"sort_order\":\"DESCEND\",\"sort_target\":\"MOD\"}}",
               STR_FMT(buf_str(&key)), STR_FMT(buf_str(&end)));
}

static bool outside(const struct etcd_txn *t, const struct store_cmp *c)
{
    struct str root = t->s->root;
    return !str_starts(c->key, root) && (c->kind == STORE_CMP_REV || !str_starts(root, c->key));
}

size_t etcd_failed(const struct etcd_txn *t, yyjson_val *responses, int64_t *ret_rev)
{
    const struct store_txn *x = t->txn;
    size_t last = 0;
    *ret_rev = 0;
    for (size_t i = 0; i < x->n_cmps; i++) {
        const struct store_cmp *c = &x->cmps[i];
        yyjson_val *range = yyjson_obj_get(yyjson_arr_get(responses, i), "response_range");
        int64_t rev = etcd_int(yyjson_arr_get_first(yyjson_obj_get(range, "kvs")), "mod_revision");
        bool fails = c->kind == STORE_CMP_REV     ? rev != c->rev
                     : c->kind == STORE_CMP_EMPTY ? rev != 0
                                                  : rev > c->rev;
        if (i == t->forced || (fails && !outside(t, c))) {
            *ret_rev = i == t->forced ? STORE_FIRST_REVISION : rev;
            return i;
        }
        /* Otherwise it was a deletion that a comparison of single keys met. */
        last = c->kind == STORE_CMP_UNCHANGED || c->kind == STORE_CMP_TERM_ABSENT ? i : last;
    }
    return last;
}

/* ---- a transaction ---- */

static int add_op(struct etcd_store *s, struct etcd_txn *t, const struct store_op *op,
                  struct buf *b, struct err *err)
{
    if (op->kind == STORE_OP_RESTAMP) {
        t->n_restamps++;
        return 0;
    }
    comma(b);
    buf_addz(b, op->kind == STORE_OP_PUT ? "{\"request_put\":{\"key\":\""
                                         : "{\"request_delete_range\":{\"key\":\"");
    if (!etcd_key(s, op->key, b)) {
        return err_set(err, ERR_BAD_REQUEST, "the key %.*s is outside of %.*s", STR_FMT(op->key),
                       STR_FMT(s->root));
    }
    if (op->kind == STORE_OP_PUT) {
        buf_addz(b, "\",\"value\":\"");
        crypto_base64(b, blob_str(op->value));
        t->n_puts++;
    }
    buf_addz(b, "\"}}");
    t->writes = true;
    return 0;
}

static bool is_guarded(const struct store_txn *x)
{
    for (size_t i = 0; i < x->n_ops; i++) {
        bool found = x->ops[i].kind == STORE_OP_RESTAMP;
        for (size_t k = 0; k < x->n_cmps && !found; k++) {
            found = x->cmps[k].kind == STORE_CMP_REV && str_eq(x->cmps[k].key, x->ops[i].key);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

int etcd_build(struct etcd_store *s, struct etcd_txn *t, struct err *err)
{
    const struct store_txn *x = t->txn;
    struct buf *b = &t->body;
    int code = 0;
    if (x->n_ops > STORE_TXN_OPS) {
        return err_set(err, ERR_TOO_LARGE, "too many operations in one transaction");
    }
    buf_addz(b, "{\"compare\":[");
    for (size_t i = 0; i < x->n_cmps && !code; i++) {
        code = add_compare(s, t, i, b, err);
    }
    buf_addz(b, "],\"success\":[");
    for (size_t i = 0; i < x->n_ops && !code; i++) {
        code = add_op(s, t, &x->ops[i], b, err);
    }
    buf_addz(b, "],\"failure\":[");
    for (size_t i = 0; i < x->n_cmps; i++) {
        add_look(s, &x->cmps[i], b);
    }
    buf_addz(b, "]}");
    t->guarded = is_guarded(x);
    return code;
}

/* ---- errors ---- */

static int code_of(int rpc, struct str text, bool *ret_unsure)
{
    *ret_unsure = false;
    switch (rpc) {
    case RPC_INVALID_ARGUMENT:
        return ERR_TOO_LARGE; /* "request is too large", "too many operations in txn request" */
    case RPC_RESOURCE_EXHAUSTED:
        return memmem(text.ptr, text.len, "space", 5)              ? ERR_NO_SPACE
               : memmem(text.ptr, text.len, "larger than max", 15) ? ERR_TOO_LARGE
                                                                   : ERR_UNAVAILABLE;
    case RPC_OUT_OF_RANGE:
        return ERR_EXPIRED;
    case RPC_PERMISSION_DENIED:
    case RPC_UNAUTHENTICATED:
    case RPC_UNIMPLEMENTED:
    case RPC_FAILED_PRECONDITION:
        return ERR_UNAVAILABLE;
    case RPC_DATA_LOSS:
        return ERR_CORRUPT;
    default:
        *ret_unsure = true;
        return ERR_UNAVAILABLE;
    }
}

int etcd_error(const struct httpc_answer *a, bool *ret_unsure, struct err *err)
{
    if (a->code) {
        *ret_unsure = a->sent;
        return err_set(err, a->code, "etcd: %s", a->text);
    }
    yyjson_doc *d = yyjson_read(a->body.ptr, a->body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(d);
    struct str text = etcd_str(root, "message");
    text = text.ptr ? text : etcd_str(root, "error");
    int rpc = (int)etcd_int(root, "code"), code;
    if (!d || !text.ptr) {
        *ret_unsure = true;
        code = err_set(err, ERR_UNAVAILABLE, "etcd answered with status %d", a->status);
    } else {
        code = code_of(rpc, text, ret_unsure);
        err_set(err, code, "%.*s", STR_FMT(text));
    }
    yyjson_doc_free(d);
    return code;
}
