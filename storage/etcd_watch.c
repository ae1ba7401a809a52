/* SPDX-License-Identifier: Apache-2.0 */
/* Following etcd: one watch over all of the store's keys, whose events go to the mirror revision by
 * revision. An event that an open transaction of ours is about to make, or made, is known by its
 * key and bytes: stamp, terms and author come with it. Of others' writes the stamp is 0, and the
 * terms are derived. */
#include "storage/etcd_priv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

enum { LINE_BYTES = 512 << 20, BACK_OFF_MS = 50 };

/* ---- a revision on its way to the mirror ---- */

struct etcd_change *etcd_change_create(struct etcd_store *s, int64_t rev)
{
    struct etcd_change *c = ALLOC(struct etcd_change);
    c->s = s;
    c->rev = rev;
    arena_init(&c->arena, 0);
    return c;
}

void etcd_change_free(struct etcd_change *c)
{
    for (size_t i = 0; i < c->txn.n_ops; i++) {
        blob_unref(c->ops[i].value);
    }
    free(c->ops);
    arena_finish(&c->arena);
    free(c);
}

void etcd_change_add(struct etcd_change *c, struct store_op op)
{
    if (c->txn.n_ops == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 4;
        c->ops = alloc_resize(c->ops, c->cap * sizeof(*c->ops));
    }
    c->ops[c->txn.n_ops++] = op;
}

/* The mirror could not take it: what follows is asked for again. */
static void again(void *arg)
{
    struct etcd_change *c = arg;
    struct etcd_store *s = c->s;
    if (c->generation == s->generation) {
        s->fed = store_revision(s->local);
        s->generation++;
        etcd_watch_again(s);
    }
    etcd_change_free(c);
}

static void applied(void *arg, const struct store_outcome *o)
{
    struct etcd_change *c = arg;
    struct etcd_store *s = c->s;
    pthread_mutex_lock(&s->lock);
    s->applied = !o->code && c->rev > s->applied ? c->rev : s->applied;
    if (!o->code && c->floor) {
        mirror_raise(s->mirror, c->floor);
    }
    bool retry = o->code && o->code != ERR_CLOSED && !s->closing;
    if (retry) {
        httpc_later(s->http, BACK_OFF_MS, again, c);
    }
    bool first = retry && !s->unwritten;
    s->unwritten = retry;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (first) {
        log_warn("the local copy of etcd could not be written; it will be tried again",
                 LOG_Z("error", o->text));
    }
    if (!retry) {
        etcd_change_free(c);
    }
    etcd_deliver(s);
}

void etcd_feed(struct etcd_change *c)
{
    struct etcd_store *s = c->s;
    int64_t from = s->fed;
    c->txn.ops = c->ops;
    c->generation = s->generation;
    s->fed = c->rev;
    s->moved_ms = clock_mono_ms();
    mirror_apply(s->mirror, &c->txn, from, c->rev, applied, c);
}

static void flush(struct etcd_store *s)
{
    struct etcd_change *c = s->pending;
    s->pending = NULL;
    if (c && c->rev > s->fed) {
        etcd_feed(c);
    } else if (c) {
        etcd_change_free(c);
    }
}

static void forget_pending(struct etcd_store *s)
{
    if (s->pending) {
        etcd_change_free(s->pending);
        s->pending = NULL;
    }
}

/* ---- whose it is ---- */

static const struct store_op *find_op(struct etcd_txn *t, struct str key, const struct blob *value)
{
    const struct store_txn *x = t->txn;
    for (size_t i = 0; i < x->n_ops; i++) {
        size_t at = (t->cursor + i) % x->n_ops;
        const struct store_op *op = &x->ops[at];
        bool same = value ? op->kind == STORE_OP_PUT && str_eq(blob_str(op->value), blob_str(value))
                          : op->kind == STORE_OP_DELETE;
        if (same && str_eq(op->key, key)) {
            t->cursor = at + 1;
            return op;
        }
    }
    return NULL;
}

static bool may_be(const struct etcd_txn *t, int64_t rev, bool known)
{
    bool has_rev = t->state == ETCD_WAITING && !t->outcome.code;
    if (!t->txn || t->state == ETCD_QUEUED || has_rev != known) {
        return false;
    }
    return known ? t->outcome.rev == rev : t->state == ETCD_SENT || t->unsure;
}

/* Under the lock. First those that are known to have this revision, then those without an outcome.
 */
static const struct store_op *own_op(struct etcd_store *s, int64_t rev, struct str key,
                                     const struct blob *value, struct etcd_txn **ret)
{
    for (int known = 1; known >= 0; known--) {
        for (struct etcd_txn *t = s->open.first; t; t = t->next) {
            const struct store_op *op = may_be(t, rev, known) ? find_op(t, key, value) : NULL;
            if (op) {
                *ret = t;
                return op;
            }
        }
    }
    return NULL;
}

/* Copies: the transaction may be answered before the mirror has the change. */
static const struct store_term *copy_terms(struct arena *a, const struct store_op *op)
{
    struct store_term *terms = arena_alloc(a, (op->n_terms + 1) * sizeof(*terms));
    for (size_t i = 0; i < op->n_terms; i++) {
        terms[i] =
            (struct store_term){arena_str(a, op->terms[i].index), arena_str(a, op->terms[i].term)};
    }
    return terms;
}

static bool claim(struct etcd_change *c, struct store_op *op)
{
    struct etcd_store *s = c->s;
    struct etcd_txn *t = NULL;
    pthread_mutex_lock(&s->lock);
    const struct store_op *own = own_op(s, c->rev, op->key, op->value, &t);
    if (own) {
        op->stamp = own->stamp;
        op->terms = copy_terms(&c->arena, own);
        op->n_terms = own->n_terms;
        c->txn.who = c->txn.who.ptr ? c->txn.who : arena_str(&c->arena, t->txn->who);
        t->seen = (t->seen_rev == c->rev ? t->seen : 0) + (op->kind == STORE_OP_PUT);
        t->seen_rev = c->rev;
    }
    pthread_mutex_unlock(&s->lock);
    return own;
}

struct derived {
    struct etcd_change *c;
    struct store_term *terms;
    size_t n;
};

static void add_term(void *to, const struct store_term *t)
{
    struct derived *d = to;
    struct store_term *grown = arena_alloc(&d->c->arena, (d->n + 1) * sizeof(*grown));
    if (d->n) {
        memcpy(grown, d->terms, d->n * sizeof(*grown));
    }
    grown[d->n++] =
        (struct store_term){arena_str(&d->c->arena, t->index), arena_str(&d->c->arena, t->term)};
    d->terms = grown;
}

void etcd_change_terms(struct etcd_change *c, struct store_op *op)
{
    struct etcd_store *s = c->s;
    struct derived d = {.c = c};
    pthread_mutex_lock(&s->lock);
    store_terms_fn *terms = s->terms;
    void *arg = s->terms_arg;
    pthread_mutex_unlock(&s->lock);
    if (terms && op->value) {
        terms(arg, op->key, blob_str(op->value), add_term, &d);
        op->terms = d.terms;
        op->n_terms = d.n;
    }
}

/* ---- lines of the watch ---- */

static bool take_event(struct etcd_store *s, yyjson_val *e)
{
    AUTO(buf_finish) struct buf key = {0};
    AUTO(buf_finish) struct buf value = {0};
    yyjson_val *kv = yyjson_obj_get(e, "kv");
    int64_t rev = etcd_int(kv, "mod_revision");
    bool barrier, deleted = yyjson_equals_str(yyjson_obj_get(e, "type"), "DELETE");
    if (rev <= s->fed) {
        return rev > 0;
    }
    if (s->pending && s->pending->rev != rev) {
        flush(s);
    }
    if (!s->pending) {
        s->pending = etcd_change_create(s, rev);
    }
    struct etcd_change *c = s->pending;
    if (!etcd_unkey(s, etcd_str(kv, "key"), &key, &barrier)) {
        return barrier;
    }
    if (!deleted && !crypto_unbase64(&value, etcd_str(kv, "value"))) {
        return false;
    }
    buf_reserve(&key, 1);
    struct store_op op = {
        .kind = deleted ? STORE_OP_DELETE : STORE_OP_PUT,
        .key = arena_str(&c->arena, buf_str(&key)),
        .value = deleted ? NULL : blob_create(buf_str(&value)),
    };
    if (!claim(c, &op)) {
        etcd_change_terms(c, &op);
    }
    etcd_change_add(c, op);
    return true;
}

static bool take_events(struct etcd_store *s, yyjson_val *result, yyjson_val *events)
{
    yyjson_val *e;
    yyjson_arr_iter it = yyjson_arr_iter_with(events);
    while ((e = yyjson_arr_iter_next(&it))) {
        if (!take_event(s, e)) {
            etcd_trouble(s, ERR_CORRUPT, "etcd's watch cannot be read");
            return false;
        }
    }
    /* A message that is too large comes in several, the last of which does not say so. */
    if (!yyjson_get_bool(yyjson_obj_get(result, "fragment"))) {
        flush(s);
    }
    return true;
}

static bool take_created(struct etcd_store *s, int64_t rev)
{
    s->watching = true;
    s->moved_ms = clock_mono_ms();
    s->back_off_ms = 0;
    if (rev < s->fed) {
        etcd_trouble(s, ERR_CORRUPT,
                     "etcd's revision is lower than it was: it holds another or an older state");
        s->back_off_ms = ETCD_BACK_OFF_MS;
        return false;
    }
    etcd_trouble_over(s);
    return true;
}

static bool take_result(struct etcd_store *s, yyjson_val *result)
{
    int64_t rev = etcd_int(yyjson_obj_get(result, "header"), "revision");
    yyjson_val *events = yyjson_obj_get(result, "events");
    if (yyjson_get_bool(yyjson_obj_get(result, "canceled"))) {
        if (etcd_int(result, "compact_revision") > s->fed) {
            etcd_relist(s);
        }
        return false;
    }
    if (yyjson_get_bool(yyjson_obj_get(result, "created"))) {
        return take_created(s, rev);
    }
    if (events) {
        return take_events(s, result, events);
    }
    /* Progress that etcd tells of by itself is in order with the events. */
    if (rev > s->fed && !s->pending) {
        etcd_feed(etcd_change_create(s, rev));
    }
    return true;
}

static bool take_line(void *arg, struct str line)
{
    struct etcd_store *s = arg;
    yyjson_doc *d = yyjson_read(line.ptr, line.len, 0);
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(d), "result");
    bool more = result && take_result(s, result);
    yyjson_doc_free(d);
    return more;
}

/* ---- its life ---- */

static void watch_ended(void *arg, const struct httpc_answer *a)
{
    struct etcd_store *s = arg;
    bool served = s->watching;
    s->watch = 0;
    s->watching = false;
    forget_pending(s);
    pthread_mutex_lock(&s->lock);
    bool stop = s->closing || s->relisting;
    pthread_mutex_unlock(&s->lock);
    if (stop) {
        return;
    }
    if (a->code != ERR_CLOSED) {
        AUTO(err_finish) struct err err = {0};
        bool unsure;
        int code = etcd_error(a, &unsure, &err);
        etcd_trouble(s, code, err_message(&err));
        etcd_next_url(s);
    }
    int64_t wait = s->back_off_ms;
    wait = wait ? 2 * wait : served ? 10 : BACK_OFF_MS;
    s->back_off_ms = wait < ETCD_BACK_OFF_MS ? wait : ETCD_BACK_OFF_MS;
    httpc_later(s->http, wait, etcd_watch, s);
}

void etcd_watch(void *store)
{
    struct etcd_store *s = store;
    pthread_mutex_lock(&s->lock);
    bool stop = s->closing || s->relisting || s->watch;
    pthread_mutex_unlock(&s->lock);
    if (stop) {
        return;
    }
    s->watch_body.len = 0;
    buf_printf(&s->watch_body,
               "{\"create_request\":{\"key\":\"%.*s\",\"range_end\":\"%.*s\","
               "\"start_revision\":\"%" PRId64 "\",\"progress_notify\":true,\"fragment\":true}}",
               STR_FMT(buf_str(&s->all_key)), STR_FMT(buf_str(&s->all_end)), s->fed + 1);
    AUTO_FREE char *url = alloc_printf("%s/v3/watch", s->urls[atomic_load(&s->url)]);
    const struct httpc_request r = {
        .method = "POST",
        .url = url,
        .body = buf_str(&s->watch_body),
        .max_body = LINE_BYTES,
        .tls = &s->tls,
        .chunk = take_line,
        .lines = true,
        .done = watch_ended,
        .arg = s,
    };
    s->watch = httpc_start(s->http, &r);
}

void etcd_watch_again(struct etcd_store *s)
{
    if (s->watch) {
        httpc_cancel(s->http, s->watch);
    }
}
