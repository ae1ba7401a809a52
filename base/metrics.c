/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms in the Prometheus text form. Families are kept sorted by name;
 * the series of a family are hashed by their label text, which is also what is printed.
 *
 * The values of a series lie in up to SHARDS cells, each made when a thread of that shard first
 * needs it, so that event loops that count the same thing do not share a cache line. A scrape adds
 * the cells up. Gauges have one cell: what is set must be seen as set. */
#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json_priv.h"

#define HASH_FUNCTION(p, n, h) ((h) = (unsigned)crypto_hash64(str_make((const char *)(p), (n))))
#include <uthash.h>

enum { SERIES_MAX = 2000, SHARDS = 8, CACHE_LINE = 64 };

static const double default_buckets[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                         0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                         1,      2.5,     5,      10,    30,     60};

/* Set once by each thread that counts often; see metrics_use_shard. */
static _Thread_local unsigned shard;

struct family {
    char *name, *help;
    enum metric_type type;
    double *buckets;
    size_t n_buckets;
    struct metric *series; /* by labels */
};

/* Doubles are held as their bits, so that they can be added to by compare and swap. */
struct cell {
    _Atomic uint64_t value;    /* of a histogram: the sum */
    _Atomic uint64_t counts[]; /* histograms: one a bucket and one above them all; not cumulative */
};

struct metric {
    struct cell *_Atomic cells[SHARDS];
    unsigned shard_mask; /* 0: one cell for all */
    unsigned n_buckets;
    const double *buckets; /* the family's */
    char *labels;          /* `a="b",c="d"`, the key */
    metric_read_fn *read;  /* what a scrape asks for the value; under the lock of the metrics */
    void *arg;
    struct family *family;
    UT_hash_handle hh;
};

struct collector {
    metrics_collect_fn *fn;
    void *arg;
};

struct metrics {
    pthread_mutex_t lock;     /* over everything but the values */
    struct family **families; /* sorted by name */
    size_t n_families;
    struct collector *collectors;
    size_t n_collectors;
};

static uint64_t bits_of(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof(u));
    return u;
}

static double double_of(uint64_t u)
{
    double d;
    memcpy(&d, &u, sizeof(d));
    return d;
}

struct metrics *metrics_create(void)
{
    struct metrics *m = ALLOC(struct metrics);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void series_destroy(struct metric *s)
{
    HASH_DEL(s->family->series, s);
    for (size_t i = 0; i < SHARDS; i++) {
        free(atomic_load(&s->cells[i]));
    }
    free(s->labels);
    free(s);
}

static void family_destroy(struct family *f)
{
    struct metric *s, *next;
    HASH_ITER(hh, f->series, s, next)
    {
        series_destroy(s);
    }
    free(f->name);
    free(f->help);
    free(f->buckets);
    free(f);
}

void metrics_destroy(struct metrics *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_families; i++) {
        family_destroy(m->families[i]);
    }
    free(m->families);
    free(m->collectors);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* Where the name is, or would be. */
static size_t family_index(const struct metrics *m, const char *name)
{
    size_t low = 0, high = m->n_families;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(m->families[mid]->name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct family *family_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help, const double *buckets, size_t n)
{
    size_t at = family_index(m, name);
    if (at < m->n_families && strcmp(m->families[at]->name, name) == 0) {
        return m->families[at];
    }
    struct family *f = ALLOC(struct family);
    f->name = alloc_strdup(name);
    f->help = alloc_strdup(help);
    f->type = type;
    if (type == METRIC_HISTOGRAM) {
        n = buckets ? n : sizeof(default_buckets) / sizeof(*default_buckets);
        f->n_buckets = n;
        f->buckets = alloc_bytes(n * sizeof(double));
        memcpy(f->buckets, buckets ? buckets : default_buckets, n * sizeof(double));
    }
    m->families = alloc_resize(m->families, (m->n_families + 1) * sizeof(struct family *));
    memmove(m->families + at + 1, m->families + at, (m->n_families - at) * sizeof(struct family *));
    m->families[at] = f;
    m->n_families++;
    return f;
}

/* Escapes a label's value: backslash, quote, newline. */
static void put_value(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\\' || c == '"' || c == '\n') {
            buf_addc(b, '\\');
            c = c == '\n' ? 'n' : c;
        }
        buf_addc(b, c);
    }
}

/* `a="b",c="d"` */
static void put_labels(struct buf *b, const struct metric_label *labels, size_t n, bool other)
{
    for (size_t i = 0; i < n; i++) {
        buf_addz(b, i ? "," : "");
        buf_addz(b, labels[i].name);
        buf_addz(b, "=\"");
        put_value(b, other ? STR("other") : labels[i].value);
        buf_addc(b, '"');
    }
}

static struct metric *series_get(struct family *f, const struct metric_label *labels, size_t n)
{
    AUTO(buf_finish) struct buf key = {0};
    struct metric *s = NULL;
    put_labels(&key, labels, n, false);
    HASH_FIND(hh, f->series, key.ptr ? key.ptr : "", key.len, s);
    if (!s && HASH_COUNT(f->series) >= SERIES_MAX) {
        key.len = 0;
        put_labels(&key, labels, n, true);
        HASH_FIND(hh, f->series, key.ptr, key.len, s);
    }
    if (!s) {
        s = ALLOC(struct metric);
        s->family = f;
        s->labels = alloc_str(buf_str(&key));
        s->shard_mask = f->type == METRIC_GAUGE ? 0 : SHARDS - 1;
        s->n_buckets = (unsigned)f->n_buckets;
        s->buckets = f->buckets;
        HASH_ADD_KEYPTR(hh, f->series, s->labels, key.len, s);
    }
    return s;
}

struct metric *metrics_series(struct metrics *m, enum metric_type type, const char *name,
                              const char *help, const struct metric_label *labels, size_t n_labels,
                              const double *buckets, size_t n_buckets)
{
    pthread_mutex_lock(&m->lock);
    struct family *f = family_get(m, type, name, help, buckets, n_buckets);
    struct metric *s = series_get(f, labels, n_labels);
    pthread_mutex_unlock(&m->lock);
    return s;
}

struct metric *metrics_read(struct metrics *m, enum metric_type type, const char *name,
                            const char *help, const struct metric_label *labels, size_t n_labels,
                            metric_read_fn *read, void *arg)
{
    struct metric *s = metrics_series(m, type, name, help, labels, n_labels, NULL, 0);
    pthread_mutex_lock(&m->lock);
    s->read = read;
    s->arg = arg;
    pthread_mutex_unlock(&m->lock);
    return s;
}

void metrics_forget(struct metrics *m, struct metric *s)
{
    if (s) {
        pthread_mutex_lock(&m->lock);
        series_destroy(s);
        pthread_mutex_unlock(&m->lock);
    }
}

/* ---- values ---- */

void metrics_use_shard(size_t i)
{
    shard = (unsigned)(i % SHARDS);
}

static struct cell *cell_create(struct metric *s, unsigned i)
{
    size_t bytes = sizeof(struct cell) + (s->n_buckets + 1) * sizeof(uint64_t);
    struct cell *none = NULL;
    /* the room at the end keeps the next allocation off the last line */
    struct cell *c = alloc_zero(bytes + CACHE_LINE);
    if (!atomic_compare_exchange_strong(&s->cells[i], &none, c)) {
        free(c);
        return none;
    }
    return c;
}

static struct cell *cell_of(struct metric *s)
{
    unsigned i = shard & s->shard_mask;
    struct cell *c = atomic_load_explicit(&s->cells[i], memory_order_acquire);
    return c ? c : cell_create(s, i);
}

static void add(_Atomic uint64_t *to, double v)
{
    uint64_t was = atomic_load_explicit(to, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(to, &was, bits_of(double_of(was) + v),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void metric_add(struct metric *s, double v)
{
    add(&cell_of(s)->value, v);
}

void metric_set(struct metric *s, double v)
{
    atomic_store_explicit(&cell_of(s)->value, bits_of(v), memory_order_relaxed);
}

void metric_observe(struct metric *s, double v)
{
    struct cell *c = cell_of(s);
    size_t low = 0, high = s->n_buckets;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->buckets[mid] < v) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    atomic_fetch_add_explicit(&c->counts[low], 1, memory_order_relaxed);
    add(&c->value, v);
}

static double value_of(struct metric *s)
{
    double v = 0;
    if (s->read) {
        return s->read(s->arg);
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct cell *c = atomic_load_explicit(&s->cells[i], memory_order_acquire);
        v += c ? double_of(atomic_load_explicit(&c->value, memory_order_relaxed)) : 0;
    }
    return v;
}

static uint64_t count_of(struct metric *s, size_t bucket)
{
    uint64_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct cell *c = atomic_load_explicit(&s->cells[i], memory_order_acquire);
        n += c ? atomic_load_explicit(&c->counts[bucket], memory_order_relaxed) : 0;
    }
    return n;
}

/* ---- a scrape ---- */

void metrics_collector(struct metrics *m, metrics_collect_fn *fn, void *arg)
{
    pthread_mutex_lock(&m->lock);
    m->collectors = alloc_resize(m->collectors, (m->n_collectors + 1) * sizeof(*m->collectors));
    m->collectors[m->n_collectors++] = (struct collector){fn, arg};
    pthread_mutex_unlock(&m->lock);
}

void metrics_head(struct buf *out, enum metric_type type, const char *name, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    buf_addz(out, "# HELP ");
    buf_addz(out, name);
    buf_addc(out, ' ');
    for (const char *p = help; *p; p++) { /* quotes need no escape here */
        if (*p == '\\' || *p == '\n') {
            buf_addc(out, '\\');
        }
        buf_addc(out, *p == '\n' ? 'n' : *p);
    }
    buf_addz(out, "\n# TYPE ");
    buf_addz(out, name);
    buf_addc(out, ' ');
    buf_addz(out, types[type]);
    buf_addc(out, '\n');
}

static void put_sample(struct buf *out, const char *name, const char *suffix, const char *labels,
                       const char *le, double v)
{
    buf_addz(out, name);
    buf_addz(out, suffix);
    if (*labels || le) {
        buf_addc(out, '{');
        buf_addz(out, labels);
        if (le) {
            buf_addz(out, *labels ? ",le=\"" : "le=\"");
            buf_addz(out, le);
            buf_addc(out, '"');
        }
        buf_addc(out, '}');
    }
    buf_addc(out, ' ');
    if (isfinite(v)) {
        json_write_double(out, v);
    } else {
        json_write_g(out, v);
    }
    buf_addc(out, '\n');
}

static void put_histogram(struct buf *out, const struct family *f, struct metric *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= f->n_buckets; i++) {
        AUTO(buf_finish) struct buf le = {0};
        if (i < f->n_buckets) {
            json_write_double(&le, f->buckets[i]);
        } else {
            buf_addz(&le, "+Inf");
        }
        buf_addc(&le, 0);
        count += count_of(s, i);
        put_sample(out, f->name, "_bucket", s->labels, le.ptr, (double)count);
    }
    put_sample(out, f->name, "_sum", s->labels, NULL, value_of(s));
    put_sample(out, f->name, "_count", s->labels, NULL, (double)count);
}

static int by_labels(const struct metric *a, const struct metric *b)
{
    return strcmp(a->labels, b->labels);
}

static void put_family(struct buf *out, struct family *f)
{
    if (!f->series) {
        return;
    }
    metrics_head(out, f->type, f->name, f->help);
    HASH_SORT(f->series, by_labels);
    for (struct metric *s = f->series; s; s = s->hh.next) {
        if (f->type == METRIC_HISTOGRAM) {
            put_histogram(out, f, s);
        } else {
            put_sample(out, f->name, "", s->labels, NULL, value_of(s));
        }
    }
}

void metrics_sample(struct buf *out, const char *name, const struct metric_label *labels,
                    size_t n_labels, double v)
{
    AUTO(buf_finish) struct buf text = {0};
    put_labels(&text, labels, n_labels, false);
    buf_addc(&text, 0);
    put_sample(out, name, "", text.ptr, NULL, v);
}

void metrics_emit(struct buf *out, enum metric_type type, const char *name, const char *help,
                  const struct metric_label *labels, size_t n_labels, double v)
{
    metrics_head(out, type, name, help);
    metrics_sample(out, name, labels, n_labels, v);
}

void metrics_write(struct metrics *m, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_families; i++) {
        put_family(out, m->families[i]);
    }
    size_t n = m->n_collectors;
    AUTO_FREE struct collector *collectors = alloc_bytes(n * sizeof(*collectors));
    if (n) {
        memcpy(collectors, m->collectors, n * sizeof(*collectors));
    }
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) { /* without the lock: they may make series */
        collectors[i].fn(collectors[i].arg, m, out);
    }
}
