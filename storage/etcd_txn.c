/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions on etcd: each is one request, several are under way at once, and each is answered
 * when the mirror has published its revision.
 *
 * A request that got no answer may have been carried out. It is sent again where it cannot be done
 * twice (each key it writes is compared): then the second answer, and what the watch shows in the
 * meantime, tell what became of the first. In any other case the watch alone tells, by the very
 * bytes that were to be written. When nothing has told by LIMIT_ETCD_TXN_MS, the outcome is
 * ERR_TIMEOUT, and its text says that it is not known. */
#include "storage/etcd_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

enum { RETRY_MS = 100, RETRY_MOST_MS = 1000 };

static struct etcd_store *self(struct store *s)
{
    return (struct etcd_store *)s;
}

/* ---- lists, under the lock ---- */

static void list_add(struct etcd_list *l, struct etcd_txn *t)
{
    t->prev = l->last;
    t->next = NULL;
    if (l->last) {
        l->last->next = t;
    } else {
        l->first = t;
    }
    l->last = t;
}

static void list_remove(struct etcd_list *l, struct etcd_txn *t)
{
    if (t->prev) {
        t->prev->next = t->next;
    } else {
        l->first = t->next;
    }
    if (t->next) {
        t->next->prev = t->prev;
    } else {
        l->last = t->prev;
    }
}

/* ---- trouble ---- */

void etcd_trouble(struct etcd_store *s, int code, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool first = !s->trouble_code && !s->closing;
    s->trouble_code = code;
    snprintf(s->trouble, sizeof(s->trouble), "%s", text);
    pthread_mutex_unlock(&s->lock);
    if (first) {
        log_warn("etcd does not serve; reads go on", LOG_Z("error", text));
    }
}

void etcd_trouble_over(struct etcd_store *s)
{
    pthread_mutex_lock(&s->lock);
    bool was = s->trouble_code;
    s->trouble_code = 0;
    pthread_mutex_unlock(&s->lock);
    if (was) {
        log_info("etcd serves again");
    }
}

/* ---- the end of a transaction, on the committer's thread ---- */

static void txn_free(struct etcd_txn *t)
{
    buf_finish(&t->body);
    free(t->restamp_ops);
    free(t);
}

static void txn_answer(struct etcd_txn *t)
{
    struct etcd_store *s = t->s;
    if (t->txn && t->outcome.code) {
        atomic_fetch_add(t->outcome.code == ERR_CONFLICT ? &s->conflicts : &s->errors, 1);
    }
    t->done(t->arg, &t->outcome);
    txn_free(t);
    pthread_mutex_lock(&s->lock);
    s->n_open--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void restamped(void *arg, const struct store_outcome *o)
{
    struct etcd_txn *t = arg;
    if (o->code) {
        /* It is only the copy that does not have it: it serves the old form, decoded. */
        log_debug("a key was not restamped", LOG_Z("error", o->text));
    }
    txn_answer(t);
}

/* Restamps are for the mirror alone: they change no meaning. */
static void txn_restamp(struct etcd_txn *t)
{
    t->restamp_ops = alloc_bytes(t->n_restamps * sizeof(*t->restamp_ops));
    size_t n = 0;
    for (size_t i = 0; i < t->txn->n_ops; i++) {
        if (t->txn->ops[i].kind == STORE_OP_RESTAMP) {
            t->restamp_ops[n++] = t->txn->ops[i];
        }
    }
    t->restamps = (struct store_txn){.ops = t->restamp_ops, .n_ops = n};
    mirror_restamp(t->s->mirror, &t->restamps, t->outcome.rev, restamped, t);
}

static void txn_finish(struct etcd_txn *t)
{
    bool all_seen = t->unsure && t->n_puts && t->seen == t->n_puts;
    if (all_seen && t->outcome.code) {
        /* Another answer than success came to the second attempt: the first one had been carried
         * out. */
        t->outcome = (struct store_outcome){.rev = t->seen_rev};
    } else if (t->unsure && t->outcome.code == ERR_CONFLICT && t->writes && !t->n_puts) {
        snprintf(t->text, sizeof(t->text),
                 "etcd did not answer, and whether the deletion was made is not known");
        t->outcome =
            (struct store_outcome){.code = ERR_TIMEOUT, .rev = t->outcome.rev, .text = t->text};
    }
    if (t->outcome.code == ERR_CONFLICT) {
        t->outcome.rev = store_revision(t->s->local);
    }
    if (!t->outcome.code && t->n_restamps) {
        txn_restamp(t);
    } else {
        txn_answer(t);
    }
}

void etcd_deliver(struct etcd_store *s)
{
    struct etcd_list done = {NULL, NULL};
    pthread_mutex_lock(&s->lock);
    for (struct etcd_txn *t = s->open.first, *next; t; t = next) {
        next = t->next;
        if (t->state == ETCD_WAITING && (t->ready || t->outcome.rev <= s->applied)) {
            list_remove(&s->open, t);
            list_add(&done, t);
        }
    }
    pthread_mutex_unlock(&s->lock);
    for (struct etcd_txn *t = done.first, *next; t; t = next) {
        next = t->next;
        txn_finish(t);
    }
}

size_t etcd_waiting(struct etcd_store *s)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    const struct etcd_txn *lists[] = {s->queued.first, s->open.first};
    for (size_t i = 0; i < 2; i++) {
        for (const struct etcd_txn *t = lists[i]; t; t = t->next) {
            n++;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void deliver(void *arg, const struct store_outcome *o)
{
    (void)o;
    etcd_deliver(arg);
}

/* ---- outcomes, on the client's thread ---- */

static void start_more(struct etcd_store *s);

/* Sets what the caller is to be told, and has it told once the mirror is there. */
static void txn_resolve(struct etcd_txn *t, struct store_outcome o)
{
    struct etcd_store *s = t->s;
    pthread_mutex_lock(&s->lock);
    s->n_in_flight -= t->state == ETCD_SENT;
    t->state = ETCD_WAITING;
    t->outcome = o;
    t->answered_ms = clock_mono_ms();
    t->ready = o.code && o.code != ERR_CONFLICT;
    bool now = t->ready || o.rev <= s->applied;
    atomic_fetch_add(&s->sync_ns, (uint64_t)(t->answered_ms - t->began_ms) * 1000000);
    pthread_mutex_unlock(&s->lock); /* from here on it may be gone */
    if (now) {
        mirror_run(s->mirror, deliver, s);
    }
    start_more(s);
}

static void txn_fail(struct etcd_txn *t, int code, const char *text)
{
    snprintf(t->text, sizeof(t->text), "%s", text);
    if (code != ERR_TOO_LARGE) {
        etcd_trouble(t->s, code, text);
    }
    txn_resolve(t, (struct store_outcome){
                       .code = code, .rev = store_revision(t->s->local), .text = t->text});
}

static void txn_unknown(struct etcd_txn *t, const char *text)
{
    char all[sizeof(t->text) + 80];
    if (!t->txn || !t->writes) {
        snprintf(all, sizeof(all), "%s", text);
        txn_fail(t, ERR_TIMEOUT, all);
        return;
    }
    snprintf(all, sizeof(all), "%s; whether the transaction was carried out is not known", text);
    txn_fail(t, ERR_TIMEOUT, all);
}

/* Whether the transaction made a revision: deletes of what is absent do not. */
static bool changed(yyjson_val *responses)
{
    yyjson_val *r;
    yyjson_arr_iter it = yyjson_arr_iter_with(responses);
    while ((r = yyjson_arr_iter_next(&it))) {
        if (yyjson_obj_get(r, "response_put") ||
            etcd_int(yyjson_obj_get(r, "response_delete_range"), "deleted")) {
            return true;
        }
    }
    return false;
}

static void txn_answered(struct etcd_txn *t, yyjson_val *root)
{
    struct etcd_store *s = t->s;
    yyjson_val *responses = yyjson_obj_get(root, "responses");
    int64_t rev = etcd_int(yyjson_obj_get(root, "header"), "revision");
    bool held = !t->txn || yyjson_get_bool(yyjson_obj_get(root, "succeeded"));
    struct store_outcome o = {.rev = rev};
    bool shown = t->txn && held && changed(responses);
    if (!held) {
        int64_t why;
        o.code = ERR_CONFLICT;
        o.failed = etcd_failed(t, responses, &why);
        shown = why > 0;
        o.rev = shown ? why : rev;
    }
    if (t->txn) {
        atomic_fetch_add(&s->commits, 1);
    }
    etcd_trouble_over(s);
    txn_resolve(t, o);
    /* What this transaction wrote the watch will show; what else the revision counts it may not. */
    if (!shown && rev > s->fed) {
        etcd_nudge(s, rev);
    }
}

static void retry_later(struct etcd_txn *t)
{
    int64_t age = clock_mono_ms() - t->began_ms, wait = age / 2;
    wait = wait < RETRY_MS ? RETRY_MS : wait > RETRY_MOST_MS ? RETRY_MOST_MS : wait;
    t->retry_ms = clock_mono_ms() + wait;
}

static int64_t n_ops(const struct etcd_txn *t)
{
    return t->txn ? (int64_t)t->txn->n_ops : 0;
}

/* Etcd may take a millisecond for each operation. */
static int64_t txn_limit(const struct etcd_txn *t)
{
    return LIMIT_ETCD_TXN_MS + n_ops(t);
}

static void txn_send(struct etcd_txn *t);

static void txn_send_again(struct etcd_txn *t)
{
    t->calling = true;
    txn_send(t);
}

static void txn_failed(struct etcd_txn *t, const struct httpc_answer *a)
{
    struct etcd_store *s = t->s;
    AUTO(err_finish) struct err err = {0};
    bool unsure = false;
    int code = etcd_error(a, &unsure, &err);
    bool unsent = a->code && !a->sent;
    if (a->code) {
        etcd_next_url(s);
    }
    t->refused = unsent ? t->refused + 1 : 0;
    if (unsent && t->refused < s->n_urls) {
        txn_send_again(t);
        return;
    }
    bool writes = t->txn && t->writes;
    t->unsure = t->unsure || (unsure && writes);
    if (!t->unsure && (!unsure || unsent)) {
        txn_fail(t, code, err_message(&err));
        return;
    }
    snprintf(t->text, sizeof(t->text), "%s", err_message(&err));
    t->retry_ms = INT64_MAX; /* the watch may tell */
    if (!writes || t->guarded) {
        retry_later(t);
    }
}

static void answered(void *arg, const struct httpc_answer *a)
{
    struct etcd_txn *t = arg;
    pthread_mutex_lock(&t->s->lock);
    t->calling = false;
    pthread_mutex_unlock(&t->s->lock);
    yyjson_doc *d = a->code || a->status != 200 ? NULL : yyjson_read(a->body.ptr, a->body.len, 0);
    if (d) {
        txn_answered(t, yyjson_doc_get_root(d));
        yyjson_doc_free(d);
    } else {
        txn_failed(t, a);
    }
}

/* ---- sending ---- */

/* t is among the open ones, or the caller's alone. */
static void txn_send(struct etcd_txn *t)
{
    int64_t left = t->began_ms + txn_limit(t) - clock_mono_ms(), most = ETCD_ATTEMPT_MS + n_ops(t);
    int64_t ms = left < most ? left : most;
    etcd_post(t->s, t->path, buf_str(&t->body), ms > 1 ? ms : 1, answered, t);
}

static void note_in_flight(struct etcd_store *s)
{
    if (s->n_in_flight > atomic_load(&s->batch_max)) {
        atomic_store(&s->batch_max, s->n_in_flight);
    }
}

/* Under the lock. */
static void make_open(struct etcd_store *s, struct etcd_txn *t)
{
    t->state = ETCD_SENT;
    t->calling = true;
    list_add(&s->open, t);
    s->n_in_flight++;
    note_in_flight(s);
}

static void start_more(struct etcd_store *s)
{
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct etcd_txn *t = s->n_in_flight < s->in_flight_max ? s->queued.first : NULL;
        if (t) {
            list_remove(&s->queued, t);
            make_open(s, t);
        }
        pthread_mutex_unlock(&s->lock);
        if (!t) {
            return;
        }
        txn_send(t);
    }
}

/* ---- what takes too long, on the client's thread ---- */

enum verdict { LEAVE, SEND, SEEN, UNKNOWN, UNSENT, UNSEEN, STALLED };

static enum verdict judge(const struct etcd_txn *t, int64_t applied, int64_t now)
{
    bool late = now - t->began_ms > txn_limit(t);
    if (t->state == ETCD_QUEUED) {
        return late ? UNSENT : LEAVE;
    }
    if (t->state == ETCD_SENT) {
        return t->calling                                       ? LEAVE
               : t->unsure && t->n_puts && t->seen == t->n_puts ? SEEN
               : late                                           ? UNKNOWN
               : now >= t->retry_ms                             ? SEND
                                                                : LEAVE;
    }
    if (t->ready || t->outcome.rev <= applied) {
        return LEAVE;
    }
    return late && now - t->answered_ms > 2 * ETCD_STALL_MS ? UNSEEN
           : now - t->answered_ms > ETCD_STALL_MS           ? STALLED
                                                            : LEAVE;
}

static void carry_out(struct etcd_store *s, struct etcd_txn *t, enum verdict v)
{
    switch (v) {
    case SEND:
        txn_send_again(t);
        break;
    case SEEN:
        txn_resolve(t, (struct store_outcome){.rev = t->seen_rev});
        break;
    case UNKNOWN:
        txn_unknown(t, *t->text ? t->text : "etcd did not answer");
        break;
    case UNSENT:
        txn_fail(t, ERR_UNAVAILABLE, "etcd does not answer; the transaction was not sent");
        break;
    case UNSEEN:
        mirror_run(s->mirror, deliver, s);
        break;
    case STALLED:
        if (clock_mono_ms() - s->stalled_ms > ETCD_STALL_MS) {
            s->stalled_ms = clock_mono_ms();
            etcd_watch_again(s);
        }
        break;
    case LEAVE:
        break;
    }
}

/* It is carried out, or not, but the mirror does not get there. Under the lock: as soon as it does,
 * the transaction goes. */
static void give_up(struct etcd_txn *t)
{
    if (!t->outcome.code) {
        t->outcome.code = ERR_TIMEOUT;
        t->outcome.text = "the transaction was carried out, but etcd's watch does not show it";
    }
    t->ready = true;
}

/* One that something is to be done about; NULL: none. Those that have an outcome are not to be
 * touched outside of the lock. */
static struct etcd_txn *find(struct etcd_store *s, int64_t now, enum verdict *ret)
{
    struct etcd_txn *lists[] = {s->queued.first, s->open.first};
    for (size_t i = 0; i < 2; i++) {
        for (struct etcd_txn *t = lists[i]; t; t = t->next) {
            *ret = judge(t, s->applied, now);
            if (*ret == LEAVE || (*ret == STALLED && now - s->stalled_ms <= ETCD_STALL_MS)) {
                continue;
            }
            if (*ret == UNSENT) {
                list_remove(&s->queued, t);
                list_add(&s->open, t);
            } else if (*ret == UNSEEN) {
                give_up(t);
            }
            return t;
        }
    }
    return NULL;
}

static void sweep(void *arg)
{
    struct etcd_store *s = arg;
    int64_t now = clock_mono_ms();
    for (;;) {
        enum verdict v;
        pthread_mutex_lock(&s->lock);
        struct etcd_txn *t = find(s, now, &v);
        bool more = s->sweeping = s->n_open > 0;
        pthread_mutex_unlock(&s->lock);
        if (t) {
            carry_out(s, t, v);
            continue;
        }
        if (more) {
            httpc_later(s->http, ETCD_SWEEP_MS, sweep, s);
        }
        return;
    }
}

/* ---- taking them in ---- */

/* False: the store is closing. */
static bool enter(struct etcd_store *s, struct etcd_txn *t, bool *ret_send)
{
    pthread_mutex_lock(&s->lock);
    bool open = !s->closing, sweeps = s->sweeping;
    *ret_send = false;
    if (open) {
        s->n_open++;
        s->sweeping = true;
        if (t->state == ETCD_WAITING) {
            list_add(&s->open, t);
        } else if (s->n_in_flight < s->in_flight_max) {
            make_open(s, t);
            *ret_send = true;
        } else {
            list_add(&s->queued, t);
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (open && !sweeps) {
        httpc_later(s->http, ETCD_SWEEP_MS, sweep, s);
    }
    return open;
}

static void take_in(struct etcd_store *s, struct etcd_txn *t)
{
    bool send, waiting = t->state == ETCD_WAITING;
    if (!enter(s, t, &send)) {
        t->done(t->arg,
                &(struct store_outcome){.code = ERR_CLOSED, .text = "the store is closing"});
        txn_free(t);
    } else if (waiting) {
        mirror_run(s->mirror, deliver, s);
    } else if (send) {
        txn_send(t);
    }
}

static struct etcd_txn *txn_create(struct etcd_store *s, const char *path, store_done_fn *done,
                                   void *arg)
{
    struct etcd_txn *t = ALLOC(struct etcd_txn);
    t->s = s;
    t->path = path;
    t->done = done;
    t->arg = arg;
    t->forced = SIZE_MAX;
    t->began_ms = clock_mono_ms();
    return t;
}

/* It has its outcome without etcd. */
static void txn_decide(struct etcd_txn *t, int code, const char *text)
{
    snprintf(t->text, sizeof(t->text), "%s", text);
    t->state = ETCD_WAITING;
    t->ready = true;
    t->answered_ms = t->began_ms;
    t->outcome = (struct store_outcome){
        .code = code, .rev = store_revision(t->s->local), .text = code ? t->text : NULL};
}

void etcd_submit(struct store *st, const struct store_txn *x, store_done_fn *done, void *arg)
{
    struct etcd_store *s = self(st);
    struct etcd_txn *t = txn_create(s, "/v3/kv/txn", done, arg);
    AUTO(err_finish) struct err err = {0};
    t->txn = x;
    int code = etcd_build(s, t, &err);
    if (code) {
        txn_decide(t, code, err_message(&err));
    } else if (!t->writes && !x->n_cmps) {
        atomic_fetch_add(&s->commits, 1);
        txn_decide(t, 0, "");
    }
    take_in(s, t);
}

void etcd_sync(struct store *st, store_done_fn *done, void *arg)
{
    struct etcd_store *s = self(st);
    struct etcd_txn *t = txn_create(s, "/v3/kv/range", done, arg);
    buf_printf(&t->body, "{\"key\":\"%.*s\",\"keys_only\":true}", STR_FMT(buf_str(&s->barrier)));
    take_in(s, t);
}

/* ---- the watch is behind ---- */

static void barrier_done(void *arg, const struct httpc_answer *a)
{
    struct etcd_store *s = arg;
    yyjson_doc *d = a->code || a->status != 200 ? NULL : yyjson_read(a->body.ptr, a->body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(d);
    s->barrier_sent = false;
    s->barrier_rev = root ? etcd_int(yyjson_obj_get(root, "header"), "revision") : s->barrier_rev;
    yyjson_doc_free(d);
}

/* Not before the last one was seen, or may have been lost. */
static bool barrier_due(const struct etcd_store *s)
{
    int64_t now = clock_mono_ms();
    bool seen = s->barrier_rev <= s->fed || now - s->barrier_ms >= ETCD_BARRIER_MS;
    return s->watching && !s->barrier_sent && seen && now - s->moved_ms >= ETCD_NUDGE_MS;
}

/* Etcd says nothing of revisions that changed nothing in the watched range, and what can be asked
 * of a watch's progress is not in order with its events before 3.4.25 and 3.5.8. A write in the
 * range is. */
static void nudge(void *arg)
{
    struct etcd_store *s = arg;
    pthread_mutex_lock(&s->lock);
    bool behind = s->want > s->fed && !s->closing;
    s->nudging = behind;
    pthread_mutex_unlock(&s->lock);
    if (!behind) {
        return;
    }
    if (barrier_due(s)) {
        s->barrier_sent = true;
        s->barrier_ms = clock_mono_ms();
        etcd_post(s, "/v3/kv/put", buf_str(&s->barrier_put), ETCD_ATTEMPT_MS, barrier_done, s);
    }
    httpc_later(s->http, ETCD_NUDGE_MS, nudge, s);
}

void etcd_nudge(struct etcd_store *s, int64_t rev)
{
    pthread_mutex_lock(&s->lock);
    bool begin = !s->nudging && !s->closing;
    s->want = rev > s->want ? rev : s->want;
    s->nudging = true;
    pthread_mutex_unlock(&s->lock);
    if (begin) {
        httpc_later(s->http, ETCD_NUDGE_MS, nudge, s);
    }
}
