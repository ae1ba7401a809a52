/* SPDX-License-Identifier: Apache-2.0 */
/* The etcd engine. Keys and values are kube-apiserver's: what is written here it can read, and the
 * other way round. All reading is done in a mirror (mirror.c), which is filled at start and follows
 * one watch (etcd_watch.c). A transaction is one of etcd's (etcd_txn.c); it is answered when the
 * mirror has published its revision.
 *
 * What etcd has no place for, stands in the mirror alone: stamps, terms and authors. They are there
 * for what this server wrote since it started; other values have stamp 0, no author, and the terms
 * that store_on_terms derives. Restamps change the mirror alone.
 *
 * Threads: transactions are sent by who submits them, and everything else is done on the HTTP
 * client's thread; answers are given on the mirror's committer's thread. */
#include "storage/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/latch.h"
#include "base/limits.h"
#include "base/log.h"
#include "storage/etcd_priv.h"

#define BARRIER STR("coracle.dev/barrier")

enum {
    FIRST_WAIT_MS = 10000,
    FIRST_PAUSE_MS = 50,
    CATCH_UP_MS = 30000,
    CATCH_UP_QUIET_MS = 150, /* etcd begins to replay history within 100 ms */
    CATCH_UP_STEP_MS = 50,
    HOUSEKEEPING_MS = 10000,
};

static struct etcd_store *self(struct store *s)
{
    return (struct etcd_store *)s;
}

/* ---- what the mirror does ---- */

static int etcd_get(struct store *st, struct str key, int64_t at, struct blob **ret_value,
                    struct store_entry *ret_entry, int64_t *ret_now, struct err *err)
{
    return store_get(self(st)->local, key, at, ret_value, ret_entry, ret_now, err);
}

static int etcd_range(struct store *st, const struct store_range *r, store_visit_fn *visit,
                      void *arg, int64_t *ret_at, bool *ret_more, struct err *err)
{
    return store_range(self(st)->local, r, visit, arg, ret_at, ret_more, err);
}

static int etcd_count(struct store *st, const struct store_range *r, int64_t *ret, struct err *err)
{
    return store_count(self(st)->local, r, ret, err);
}

static int64_t etcd_revision(struct store *st)
{
    return store_revision(self(st)->local);
}

static int64_t etcd_prefix_revision(struct store *st, struct str prefix)
{
    return store_prefix_revision(self(st)->local, prefix);
}

static int etcd_changes(struct store *st, struct str prefix, int64_t from, size_t limit,
                        store_event_fn *visit, void *arg, int64_t *ret_to, struct err *err)
{
    return store_changes(self(st)->local, prefix, from, limit, visit, arg, ret_to, err);
}

static void etcd_on_commit(struct store *st, store_commit_fn *fn, void *arg)
{
    mirror_on_commit(self(st)->mirror, fn, arg);
}

static bool etcd_index_ready(struct store *st, struct str name)
{
    return store_index_ready(self(st)->local, name);
}

static int etcd_index_built(struct store *st, struct str name, uint64_t generation, struct err *err)
{
    return store_index_built(self(st)->local, name, generation, err);
}

static int etcd_index_walk(struct store *st, const struct store_walk *w, store_walk_fn *visit,
                           void *arg, struct err *err)
{
    return store_index_walk(self(st)->local, w, visit, arg, err);
}

static int etcd_index_tally(struct store *st, const struct store_walk *w, store_tally_fn *visit,
                            void *arg, struct err *err)
{
    return store_index_tally(self(st)->local, w, visit, arg, err);
}

static int etcd_index_drop(struct store *st, struct str name, struct err *err)
{
    return store_index_drop(self(st)->local, name, err);
}

static int64_t etcd_floor(struct store *st)
{
    return store_floor(self(st)->local);
}

static int etcd_hold(struct store *st, int64_t rev, struct store_hold **ret, int64_t *ret_rev,
                     struct err *err)
{
    return store_hold(self(st)->local, rev, ret, ret_rev, err);
}

static int etcd_snapshot(struct store *st, const char *path, struct err *err)
{
    return store_snapshot(self(st)->local, path, err);
}

/* ---- indexes ---- */

static void etcd_on_terms(struct store *st, store_terms_fn *fn, void *arg)
{
    struct etcd_store *s = self(st);
    pthread_mutex_lock(&s->lock);
    s->terms = fn;
    s->terms_arg = arg;
    pthread_mutex_unlock(&s->lock);
}

static int etcd_index_define(struct store *st, struct str name, struct str prefix,
                             uint64_t generation, struct err *err)
{
    struct etcd_store *s = self(st);
    pthread_mutex_lock(&s->lock);
    store_terms_fn *terms = s->terms;
    void *arg = s->terms_arg;
    pthread_mutex_unlock(&s->lock);
    return mirror_index_define(s->mirror, name, prefix, generation, terms, arg, err);
}

/* ---- compaction ---- */

static void compaction_body(struct buf *b, int64_t rev)
{
    buf_printf(b, "{\"revision\":\"%" PRId64 "\"}", rev);
}

/* Holds are the mirror's: etcd's own history serves its watches, which are beyond the floor. */
static int etcd_compact(struct store *st, int64_t rev, struct err *err)
{
    struct etcd_store *s = self(st);
    AUTO(buf_finish) struct buf body = {0};
    yyjson_doc *d = NULL;
    int code = store_compact(s->local, rev, err);
    int64_t floor = store_floor(s->local);
    if (code || floor <= atomic_load(&s->compacted)) {
        return code;
    }
    AUTO(err_finish) struct err why = {0};
    compaction_body(&body, floor);
    code = etcd_ask(s, "/v3/kv/compaction", buf_str(&body), 0, &d, &why);
    yyjson_doc_free(d);
    if (code && code != ERR_EXPIRED) {
        return err_move(err, &why);
    }
    atomic_store(&s->compacted, floor);
    return 0;
}

/* ---- housekeeping, on the client's thread ---- */

static void compacted(void *arg, const struct httpc_answer *a)
{
    struct etcd_store *s = arg;
    (void)a;
    s->keep_body.len = 0;
}

static void status_done(void *arg, const struct httpc_answer *a)
{
    struct etcd_store *s = arg;
    yyjson_doc *d = a->code || a->status != 200 ? NULL : yyjson_read(a->body.ptr, a->body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(d);
    if (root) {
        int64_t size = etcd_int(root, "dbSize"), used = etcd_int(root, "dbSizeInUse");
        atomic_store(&s->db_bytes, size);
        atomic_store(&s->db_free, size > used ? size - used : 0);
    }
    yyjson_doc_free(d);
}

static void keep(void *arg)
{
    struct etcd_store *s = arg;
    int64_t floor = store_floor(s->local);
    pthread_mutex_lock(&s->lock);
    bool stop = s->closing;
    pthread_mutex_unlock(&s->lock);
    if (stop) {
        return;
    }
    etcd_post(s, "/v3/maintenance/status", STR("{}"), ETCD_ATTEMPT_MS, status_done, s);
    if (floor > atomic_load(&s->compacted) && !s->keep_body.len) {
        compaction_body(&s->keep_body, floor);
        atomic_store(&s->compacted, floor);
        etcd_post(s, "/v3/kv/compaction", buf_str(&s->keep_body), ETCD_ATTEMPT_MS, compacted, s);
    }
    httpc_later(s->http, HOUSEKEEPING_MS, keep, s);
}

/* ---- what it says of itself ---- */

static void etcd_stats(struct store *st, struct store_stats *ret)
{
    struct etcd_store *s = self(st);
    store_stats(s->local, ret);
    uint64_t commits = atomic_load(&s->commits);
    ret->queued = etcd_waiting(s);
    ret->commits = ret->transactions = commits;
    ret->batch_max = atomic_load(&s->batch_max);
    ret->conflicts = atomic_load(&s->conflicts);
    ret->errors = atomic_load(&s->errors);
    ret->sync_ns = atomic_load(&s->sync_ns);
    ret->bytes_disk = (uint64_t)atomic_load(&s->db_bytes);
    ret->bytes_free = (uint64_t)atomic_load(&s->db_free);
}

static int etcd_writable(struct store *st, struct err *err)
{
    struct etcd_store *s = self(st);
    pthread_mutex_lock(&s->lock);
    int code = s->trouble_code;
    if (code) {
        err_set(err, code, "%s", s->trouble);
    }
    pthread_mutex_unlock(&s->lock);
    return code;
}

/* ---- closing ---- */

static void destroy(struct etcd_store *s)
{
    httpc_destroy(s->http);
    mirror_close(s->mirror);
    etcd_difference_free(s);
    for (size_t i = 0; i < s->n_urls; i++) {
        free(s->urls[i]);
    }
    free(s->ca_file);
    free(s->cert_file);
    free(s->key_file);
    free((void *)(uintptr_t)s->root.ptr);
    free((void *)(uintptr_t)s->prefix.ptr);
    buf_finish(&s->all_key);
    buf_finish(&s->all_end);
    buf_finish(&s->barrier);
    buf_finish(&s->barrier_put);
    buf_finish(&s->watch_body);
    buf_finish(&s->keep_body);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Every open transaction ends by itself: it has its outcome, or its time is up. */
static void etcd_close(struct store *st)
{
    struct etcd_store *s = self(st);
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->changed);
    while (s->n_open) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    if (s->relister_made) {
        pthread_join(s->relister, NULL);
    }
    destroy(s);
}

/* ---- opening ---- */

static int take_urls(struct etcd_store *s, const char *text, struct err *err)
{
    struct str rest = str_from(text);
    while (rest.len) {
        struct str url = str_cut(rest, ',', &rest);
        while (url.len && url.ptr[url.len - 1] == '/') {
            url.len--;
        }
        if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://"))) {
            return err_set(err, ERR_BAD_REQUEST,
                           "etcd: \"%.*s\" is not the URL of a server (http:// or https://)",
                           STR_FMT(url));
        }
        if (s->n_urls == ETCD_URLS) {
            return err_set(err, ERR_BAD_REQUEST, "etcd: more than %d URLs", ETCD_URLS);
        }
        s->urls[s->n_urls++] = alloc_str(url);
    }
    return s->n_urls ? 0 : err_set(err, ERR_BAD_REQUEST, "etcd: no URL is given");
}

static char *copy(const char *text)
{
    return text && *text ? alloc_strdup(text) : NULL;
}

static struct str copy_str(const char *text)
{
    return (struct str){alloc_strdup(text ? text : ""), text ? strlen(text) : 0};
}

static int configure(struct etcd_store *s, const struct store_options *o,
                     const struct store_etcd *e, struct err *err)
{
    s->root = copy_str(e->root);
    s->prefix = copy_str(e->prefix);
    if (!s->prefix.len || (unsigned char)s->prefix.ptr[s->prefix.len - 1] == 0xff) {
        return err_set(err, ERR_BAD_REQUEST, "etcd: the prefix is empty");
    }
    s->ca_file = copy(e->ca_file);
    s->cert_file = copy(e->cert_file);
    s->key_file = copy(e->key_file);
    s->tls = (struct httpc_tls){
        .ca_file = s->ca_file, .cert_file = s->cert_file, .key_file = s->key_file};
    s->in_flight_max = o->batch_max ? o->batch_max : LIMIT_ETCD_IN_FLIGHT;
    etcd_prefix(s, s->root, &s->all_key, &s->all_end);
    AUTO(buf_finish) struct buf barrier = {0};
    buf_add(&barrier, s->prefix);
    buf_add(&barrier, BARRIER);
    crypto_base64(&s->barrier, buf_str(&barrier));
    buf_printf(&s->barrier_put, "{\"key\":\"%.*s\"}", STR_FMT(buf_str(&s->barrier)));
    return take_urls(s, e->urls, err);
}

/* Etcd may be starting as well. */
static int first_load(struct etcd_store *s, int64_t wait_ms, int64_t *ret_present, struct err *err)
{
    int64_t until = clock_mono_ms() + (wait_ms ? wait_ms : FIRST_WAIT_MS);
    struct timespec pause = {.tv_nsec = FIRST_PAUSE_MS * 1000000L};
    for (;;) {
        AUTO(err_finish) struct err why = {0};
        int64_t rev;
        int code = etcd_present(s, &rev, &why);
        if (!code) {
            return etcd_load(s, ret_present, err);
        }
        if (clock_mono_ms() >= until || (code != ERR_UNAVAILABLE && code != ERR_TIMEOUT)) {
            return err_move(err, &why);
        }
        nanosleep(&pause, NULL);
    }
}

/* The mirror is to have what was there when it began to be filled. */
static int catch_up(struct etcd_store *s, int64_t rev, struct err *err)
{
    int64_t begun = clock_mono_ms();
    bool nudged = false;
    pthread_mutex_lock(&s->lock);
    while (s->applied < rev && clock_mono_ms() - begun < CATCH_UP_MS) {
        const struct timespec t = cond_deadline(CATCH_UP_STEP_MS);
        pthread_cond_timedwait(&s->changed, &s->lock, &t);
        if (!nudged && clock_mono_ms() - begun >= CATCH_UP_QUIET_MS) {
            nudged = true;
            pthread_mutex_unlock(&s->lock);
            etcd_nudge(s, rev);
            pthread_mutex_lock(&s->lock);
        }
    }
    bool there = s->applied >= rev;
    pthread_mutex_unlock(&s->lock);
    return there ? 0 : err_set(err, ERR_TIMEOUT, "etcd's watch does not show what is there");
}

static const struct store_ops etcd_ops = {
    .name = "etcd",
    .get = etcd_get,
    .range = etcd_range,
    .count = etcd_count,
    .revision = etcd_revision,
    .prefix_revision = etcd_prefix_revision,
    .changes = etcd_changes,
    .on_commit = etcd_on_commit,
    .submit = etcd_submit,
    .sync = etcd_sync,
    .on_terms = etcd_on_terms,
    .index_define = etcd_index_define,
    .index_ready = etcd_index_ready,
    .index_built = etcd_index_built,
    .index_drop = etcd_index_drop,
    .index_walk = etcd_index_walk,
    .index_tally = etcd_index_tally,
    .floor = etcd_floor,
    .compact = etcd_compact,
    .hold = etcd_hold,
    .snapshot = etcd_snapshot,
    .stats = etcd_stats,
    .writable = etcd_writable,
    .close = etcd_close,
};

static int open_all(struct etcd_store *s, const struct store_options *o, const struct store_etcd *e,
                    struct err *err)
{
    struct store_options local = *o;
    const struct httpc_options h = {.connections = s->in_flight_max + 4};
    int64_t present = 0;
    local.batch_max = 0;
    int code = configure(s, o, e, err);
    code = code ? code : httpc_create(&h, &s->http, err);
    code = code ? code : mirror_open(&local, &s->mirror, err);
    if (code) {
        return code;
    }
    s->local = mirror_store(s->mirror);
    code = first_load(s, e->wait_ms, &present, err);
    if (code) {
        return code;
    }
    httpc_later(s->http, 0, etcd_watch, s);
    httpc_later(s->http, 0, keep, s);
    return catch_up(s, present, err);
}

int store_open_etcd(const struct store_options *o, const struct store_etcd *e, struct store **ret,
                    struct err *err)
{
    struct etcd_store *s = ALLOC(struct etcd_store);
    s->base.ops = &etcd_ops;
    pthread_mutex_init(&s->lock, NULL);
    cond_init_monotonic(&s->changed);
    int code = open_all(s, o, e, err);
    if (code) {
        etcd_close(&s->base);
        return code;
    }
    *ret = &s->base;
    return 0;
}
