/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the store that the settings name; its health check and its metrics. */
#include "storage/store.h"

#include "base/alloc.h"
#include "base/blob.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/metrics.h"
#include "resources/health.h"
#include "services/wire.gen.h"

static int open_sqlite(const struct config *c, struct metrics *m, struct store **ret,
                       struct err *err)
{
    AUTO_FREE char *dir = alloc_printf("%s/store", c->data_dir);
    const struct store_options o = {.dir = dir, .metrics = m, .unsettled = true};
    int r = store_open_sqlite(&o, ret, err);
    /* A store in use says so with its name. */
    return r < 0 && r != ERR_CONFLICT ? err_wrap(err, "the store in %s", dir) : r;
}

/* Keys and flags are kube-apiserver's: what it is told as --etcd-prefix stands where "/registry" stands here. */
static int open_etcd(const struct config *c, struct str urls, struct store **ret,
                     struct err *err)
{
    struct str p = c->etcd_prefix ? str_from(c->etcd_prefix) : STR("/registry");
    while (p.len && p.ptr[p.len - 1] == '/') {
        p.len--;
    }
    AUTO_FREE char *dir = alloc_printf("%s/etcd-copy", c->data_dir);
    AUTO_FREE char *prefix = alloc_printf("%.*s/", STR_FMT(p));
    AUTO_FREE char *list = alloc_str(urls);
    const struct store_options o = {.dir = dir};
    const struct store_etcd e = {
        .urls = list,
        .root = "/registry/",
        .prefix = prefix,
        .ca_file = c->etcd_cafile,
        .cert_file = c->etcd_certfile,
        .key_file = c->etcd_keyfile,
    };
    return store_open_etcd(&o, &e, ret, err);
}

static int open_store(const struct config *c, struct metrics *m, struct store **ret,
                      struct err *err)
{
    struct str which = str_from(c->store);
    if (str_is(which, "memory")) {
        return store_open_memory(&(struct store_options){.metrics = m}, ret, err);
    }
    if (str_is(which, "sqlite")) {
        return open_sqlite(c, m, ret, err);
    }
    if (str_starts(which, STR("etcd="))) {
        return open_etcd(c, str_skip(which, 5), ret, err);
    }
    return err_set(err, ERR_BAD_REQUEST,
                   "--store %s: there is no such engine; use sqlite, memory or etcd=URL,...", c->store);
}

/* Reads a key that is never there: what fails is the disk. */
static int check(void *self, struct err *err)
{
    struct blob *value = NULL;
    struct store_entry entry;
    AUTO(err_finish) struct err e = {0};
    int r = store_get(self, STR("/health"), 0, &value, &entry, NULL, &e);
    blob_unref(value);
    return r == ERR_NOT_FOUND ? 0 : err_move(err, &e);
}

/* A disk that is full can still be read: the server lives, and is not ready. */
static int check_writes(void *self, struct err *err)
{
    return store_writable(self, err);
}

static void emit(struct buf *out, enum metric_type type, const char *name, const char *help,
                 double v)
{
    metrics_emit(out, type, name, help, NULL, 0, v);
}

static void collect(void *arg, struct metrics *m, struct buf *out)
{
    struct store_stats s;
    (void)m;
    store_stats(arg, &s);
    emit(out, METRIC_GAUGE, "coracle_store_revision", "Newest durable revision.",
         (double)s.revision);
    emit(out, METRIC_GAUGE, "coracle_store_floor",
         "The watch and compaction floor: the oldest revision that can be read or "
         "watched from.",
         (double)s.floor);
    emit(out, METRIC_COUNTER, "coracle_store_commits_total", "Batches made durable.",
         (double)s.commits);
    emit(out, METRIC_COUNTER, "coracle_store_transactions_total", "Transactions in them.",
         (double)s.transactions);
    emit(out, METRIC_COUNTER, "coracle_store_conflicts_total",
         "Transactions whose compares did not hold.", (double)s.conflicts);
    emit(out, METRIC_COUNTER, "coracle_store_errors_total", "Transactions that the engine failed.",
         (double)s.errors);
    const struct metric_label id = {"storage_cluster_id", STR("store-0")};
    metrics_emit(out, METRIC_GAUGE, "apiserver_storage_size_bytes",
                 "Size of the storage database file physically allocated in bytes.", &id, 1,
                 (double)s.bytes_disk);
    emit(out, METRIC_GAUGE, "coracle_store_log_bytes", "Of it, the write-ahead log.",
         (double)s.bytes_log);
    emit(out, METRIC_GAUGE, "coracle_store_free_bytes", "Of it, what is free for reuse.",
         (double)s.bytes_free);
    emit(out, METRIC_GAUGE, "coracle_store_queue_length", "Transactions waiting.",
         (double)s.queued);
    emit(out, METRIC_GAUGE, "coracle_store_keys", "Keys.", (double)s.keys);
    emit(out, METRIC_GAUGE, "coracle_store_writable",
         "1 while the store takes writes, 0 after the disk refused one.",
         store_writable(arg, NULL) == 0);
}

int storage_provide(const struct storage_deps *d, struct store **ret, struct err *err)
{
    struct store *s = NULL;
    int r = open_store(d->config, d->metrics, &s, err);
    if (r < 0) {
        return r;
    }
    const struct health_check hc = {
        .name = "store", .parts = HEALTH_LIVE | HEALTH_READY, .check = check, .self = s};
    health_add(d->health, &hc);
    const struct health_check writes = {
        .name = "store-writes", .parts = HEALTH_READY, .check = check_writes, .self = s};
    health_add(d->health, &writes);
    metrics_collector(d->metrics, collect, s);
    *ret = s;
    return 0;
}

void storage_release(struct store *self)
{
    store_close(self);
}
