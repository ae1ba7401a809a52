/* SPDX-License-Identifier: Apache-2.0 */
/* Measures a store: creates, replaces, gets and ranges, with process CPU time beside wall time.
 *
 * Build: cc -O2 -D_GNU_SOURCE -I. bench/store_bench.c B/libstorage.a B/libbase.a
 *        -lsqlite3 -lyyjson -lcrypto -luuid -pthread -o store_bench
 *
 * Use: store_bench sqlite DIR | memory   [keys] [value bytes]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "storage/store.h"

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

struct clocks {
    double cpu;
    uint64_t wall;
};

static struct clocks clocks_start(void)
{
    return (struct clocks){cpu_us(), clock_mono_ns()};
}

static void report(const char *what, struct clocks c, size_t n)
{
    double wall = (double)(clock_mono_ns() - c.wall) / 1e3;
    printf("%-28s %8zu  %9.1f/s  %7.2f us wall  %7.2f us CPU\n", what, n, (double)n * 1e6 / wall,
           wall / (double)n, (cpu_us() - c.cpu) / (double)n);
    fflush(stdout);
}

/* A set number of transactions under way at once; each answer submits the next. */
struct writer {
    struct store *s;
    struct blob *value;
    size_t keys, left, flying;
    bool replace;
    uint64_t worst_ns;
    pthread_mutex_t lock;
    pthread_cond_t idle;
};

struct flight {
    struct writer *w;
    struct store_op op;
    struct store_cmp cmp;
    struct store_txn txn;
    uint64_t start;
    char key[96];
};

static void key_name(char *key, size_t i)
{
    snprintf(key, 96, "/registry/example.dev/widgets/namespace-%zu/widget-%08zu", i % 10, i);
}

static void fly(struct flight *f);

static void landed(void *arg, const struct store_outcome *o)
{
    struct flight *f = arg;
    if (o->code) {
        fprintf(stderr, "write: %d %s\n", o->code, o->text ? o->text : "");
        abort();
    }
    uint64_t ns = clock_mono_ns() - f->start;
    f->w->worst_ns = ns > f->w->worst_ns ? ns : f->w->worst_ns;
    fly(f);
}

/* Scatters the keys over the range. */
static size_t scatter(size_t i, size_t n)
{
    return i * 7919 % n;
}

static void fly(struct flight *f)
{
    struct writer *w = f->w;
    pthread_mutex_lock(&w->lock);
    size_t i = w->left;
    if (!i) {
        w->flying--;
        pthread_cond_signal(&w->idle);
        pthread_mutex_unlock(&w->lock);
        return;
    }
    w->left--;
    pthread_mutex_unlock(&w->lock);
    key_name(f->key, scatter(i - 1, w->keys));
    f->op = (struct store_op){.key = str_from(f->key), .value = w->value, .stamp = 7};
    f->cmp = (struct store_cmp){.kind = STORE_CMP_REV, .key = f->op.key};
    f->txn = (struct store_txn){
        .ops = &f->op, .n_ops = 1, .cmps = &f->cmp, .n_cmps = w->replace ? 0 : 1, .who = STR("me")};
    f->start = clock_mono_ns();
    store_submit(w->s, &f->txn, landed, f);
}

static void write_all(struct store *s, const char *what, size_t keys, size_t n, size_t flights,
                      struct blob *value, bool replace)
{
    struct writer w = {
        .s = s, .value = value, .keys = keys, .left = n, .flying = flights, .replace = replace};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.idle, NULL);
    struct flight *f = alloc_zero(flights * sizeof(*f));
    struct clocks c = clocks_start();
    for (size_t i = 0; i < flights; i++) {
        f[i].w = &w;
        fly(&f[i]);
    }
    pthread_mutex_lock(&w.lock);
    while (w.flying) {
        pthread_cond_wait(&w.idle, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    char line[80];
    snprintf(line, sizeof(line), "%s, %zu at once", what, flights);
    report(line, c, n);
    printf("%-28s worst %.1f ms\n", "", (double)w.worst_ns / 1e6);
    free(f);
}

static void get_all(struct store *s, size_t keys, size_t n)
{
    struct clocks c = clocks_start();
    for (size_t i = 0; i < n; i++) {
        char key[96];
        key_name(key, scatter(i, keys));
        struct blob *b;
        struct store_entry e;
        if (store_get(s, str_from(key), 0, &b, &e, NULL, NULL)) {
            abort();
        }
        blob_unref(b);
    }
    report("get", c, n);
}

static int touch(void *arg, const struct store_entry *e)
{
    *(size_t *)arg += e->value.len;
    return 0;
}

static void ranges(struct store *s, const char *what, const struct store_range *r, size_t n)
{
    struct clocks c = clocks_start();
    size_t bytes = 0;
    int64_t at;
    for (size_t i = 0; i < n; i++) {
        if (store_range(s, r, touch, &bytes, &at, NULL, NULL)) {
            abort();
        }
    }
    report(what, c, n);
}

static void status(void)
{
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof(line), f)) {
        if (!strncmp(line, "Rss", 3) || !strncmp(line, "VmRSS", 5)) {
            fputs(line, stdout);
        }
    }
    if (f) {
        fclose(f);
    }
}

static void commit_seen(void *arg, const struct store_event *events, size_t n, int64_t rev)
{
    (void)events;
    (void)rev;
    *(size_t *)arg += n;
}

int main(int argc, char **argv)
{
    bool sqlite = argc > 2 && !strcmp(argv[1], "sqlite");
    int at = sqlite ? 3 : 2;
    size_t keys = argc > at ? strtoul(argv[at], NULL, 10) : 5000;
    size_t bytes = argc > at + 1 ? strtoul(argv[at + 1], NULL, 10) : 1500;
    struct store_options o = {.dir = sqlite ? argv[2] : NULL, .window_ms = -1};
    struct store *s;
    struct err err = {0};
    uint64_t start = clock_mono_ns();
    if (sqlite ? store_open_sqlite(&o, &s, &err) : store_open_memory(&o, &s, &err)) {
        fprintf(stderr, "%s\n", err_message(&err));
        return 1;
    }
    printf("open %.2f ms\n", (double)(clock_mono_ns() - start) / 1e6);
    status();
    size_t events = 0;
    store_on_commit(s, commit_seen, &events);
    struct blob *value = blob_alloc(bytes);
    memset(value->data, 'x', bytes);
    struct store_stats st;
    store_stats(s, &st);
    if (!st.keys) {
        write_all(s, "create", keys, keys, 16, value, false);
    }
    write_all(s, "replace", keys, keys / 2, 1, value, true);
    write_all(s, "replace", keys, keys * 2, 16, value, true);
    write_all(s, "replace", keys, keys * 2, 128, value, true);
    get_all(s, keys, 100000);
    struct store_range all = {.prefix = STR("/registry/")};
    size_t rounds = 2000000 / (keys + 1) / 10 + 1;
    ranges(s, "range, all", &all, rounds);
    all.keys_only = true;
    ranges(s, "range, keys only", &all, rounds);
    all.keys_only = false;
    all.limit = 500;
    ranges(s, "range, first 500", &all, rounds * 10);
    all.at = store_revision(s) - 100;
    ranges(s, "range, first 500, old", &all, rounds * 10);
    int64_t n;
    struct clocks c = clocks_start();
    store_count(s, &(struct store_range){.prefix = STR("/registry/")}, &n, NULL);
    report("count", c, 1);
    c = clocks_start();
    store_compact(s, store_revision(s), NULL);
    store_stats(s, &st);
    printf("disk %.1f MB, %.1f free; commits %llu, transactions %llu, largest batch %llu, %zu "
           "events\n",
           (double)st.bytes_disk / 1e6, (double)st.bytes_free / 1e6, (unsigned long long)st.commits,
           (unsigned long long)st.transactions, (unsigned long long)st.batch_max, events);
    status();
    blob_unref(value);
    store_close(s);
    return 0;
}
