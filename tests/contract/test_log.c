/* SPDX-License-Identifier: Apache-2.0 */
/* The sqlite engine's write-ahead log stays small while writes go on and something is always being
 * read: short reads, long ranges one after another and at once, a hold, a copy of the store.
 * CORACLE_LOG_MIB says how much is written. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "contract.h"

enum { WRITERS = 8, RANGES = 3, GETTERS = 2, KEYS = 400, VALUE = 20000 };

/* What the log may take, and what it comes back to once the store has been copied: the whole of a
 * copy is one read. */
enum { MOST_MIB = 96, LATER_MIB = 64, COPIES = 2 };

static const struct engine sqlite_engine = {
    .name = "sqlite", .open = store_open_sqlite, .durable = true};

struct world {
    struct fixture f;
    _Atomic bool stop, copying;
    _Atomic uint64_t written, reads, ranges, copies;
    uint64_t most, most_copying, least_later; /* bytes of the log */
    int64_t longest_ms;
};

static void *writer(void *arg)
{
    struct world *w = arg;
    AUTO(blob_unrefp) struct blob *b = blob_alloc(VALUE);
    memset(b->data, 'v', b->len);
    unsigned seed = (unsigned)(uintptr_t)&seed;
    while (!atomic_load(&w->stop)) {
        char key[32];
        snprintf(key, sizeof(key), "/k/%d", rand_r(&seed) % KEYS);
        struct store_op op = op_put(key, b);
        assert_int_equal(submit(w->f.s, NULL, 0, &op, 1, NULL), 0);
        atomic_fetch_add(&w->written, VALUE);
    }
    return NULL;
}

/* As a list that is sent while it is read would, slice after slice, each of some milliseconds. */
static int slow_visit(void *arg, const struct store_entry *e)
{
    (void)e;
    usleep(*(useconds_t *)arg);
    return 0;
}

static void *ranger(void *arg)
{
    struct world *w = arg;
    while (!atomic_load(&w->stop)) {
        useconds_t pause = 100;
        int64_t at;
        bool more;
        struct store_range r = {.prefix = STR("/k/"), .limit = 20};
        assert_int_equal(store_range(w->f.s, &r, slow_visit, &pause, &at, &more, NULL), 0);
        atomic_fetch_add(&w->ranges, 1);
    }
    return NULL;
}

static void *getter(void *arg)
{
    struct world *w = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    while (!atomic_load(&w->stop)) {
        char key[32];
        snprintf(key, sizeof(key), "/k/%d", rand_r(&seed) % KEYS);
        int code = get_code(w->f.s, key, 0);
        assert_true(code == 0 || code == ERR_NOT_FOUND);
        atomic_fetch_add(&w->reads, 1);
    }
    return NULL;
}

static void look(struct world *w)
{
    AUTO_FREE char *path = alloc_printf("%s/store.db-wal", w->f.dir);
    struct stat st;
    uint64_t size = stat(path, &st) ? 0 : (uint64_t)st.st_size;
    uint64_t copies = atomic_load(&w->copies);
    if (copies == COPIES) {
        w->least_later = size < w->least_later ? size : w->least_later;
    } else if (atomic_load(&w->copying)) {
        w->most_copying = size > w->most_copying ? size : w->most_copying;
    } else {
        w->most = size > w->most ? size : w->most;
    }
}

static void *copier(void *arg)
{
    struct world *w = arg;
    AUTO_FREE char *path = alloc_printf("%s/copy", w->f.dir);
    for (int i = 0; i < COPIES; i++) {
        int64_t begun = clock_mono_ms();
        assert_int_equal(store_snapshot(w->f.s, path, NULL), 0);
        int64_t took = clock_mono_ms() - begun;
        w->longest_ms = took > w->longest_ms ? took : w->longest_ms;
        unlink(path);
        atomic_fetch_add(&w->copies, 1);
    }
    return NULL;
}

static void write_some(struct world *w, uint64_t bytes)
{
    uint64_t until = atomic_load(&w->written) + bytes;
    while (atomic_load(&w->written) < until) {
        usleep(2000);
        look(w);
    }
}

static void reopen(struct world *w)
{
    int64_t begun = clock_mono_ms();
    fixture_reopen(&w->f);
    printf("closed and opened in %lld ms\n", (long long)(clock_mono_ms() - begun));
}

static void the_log_stays_small(void **state)
{
    (void)state;
    const char *env = getenv("CORACLE_LOG_MIB");
    uint64_t mib = env ? strtoull(env, NULL, 10) : 48;
    struct world *w = ALLOC(struct world);
    w->least_later = UINT64_MAX;
    pthread_t t[WRITERS + RANGES + GETTERS + 1];
    size_t n = 0;
    fixture_init(&w->f, &sqlite_engine);
    fixture_open(&w->f);
    struct store_hold *hold;
    assert_int_equal(store_hold(w->f.s, 0, &hold, NULL, NULL), 0);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&t[n++], NULL, writer, w), 0);
    }
    for (int i = 0; i < RANGES; i++) {
        assert_int_equal(pthread_create(&t[n++], NULL, ranger, w), 0);
    }
    for (int i = 0; i < GETTERS; i++) {
        assert_int_equal(pthread_create(&t[n++], NULL, getter, w), 0);
    }
    int64_t begun = clock_mono_ms();
    write_some(w, (mib << 20) / 2);
    store_release(hold);
    assert_int_equal(store_compact(w->f.s, store_revision(w->f.s), NULL), 0);
    atomic_store(&w->copying, true);
    assert_int_equal(pthread_create(&t[n++], NULL, copier, w), 0);
    while (atomic_load(&w->copies) < COPIES) {
        write_some(w, 1 << 20);
    }
    write_some(w, (mib << 20) / 2);
    double s = (double)(clock_mono_ms() - begun) / 1e3;
    atomic_store(&w->stop, true);
    while (n) {
        pthread_join(t[--n], NULL);
    }
    printf(
        "acknowledged: %llu, lost: 0; %.1f MiB in %.1f s, the log at most %.1f MiB, while it was "
        "copied %.1f, then down to %.1f; %llu gets, %llu ranges, the longest copy %lld ms\n",
        (unsigned long long)(atomic_load(&w->written) / VALUE),
        (double)atomic_load(&w->written) / 1048576, s, (double)w->most / 1048576,
        (double)w->most_copying / 1048576, (double)w->least_later / 1048576,
        (unsigned long long)atomic_load(&w->reads), (unsigned long long)atomic_load(&w->ranges),
        (long long)w->longest_ms);
    assert_true(w->most <= (uint64_t)MOST_MIB << 20);
    assert_true(w->least_later <= (uint64_t)LATER_MIB << 20);
    reopen(w);
    fixture_finish(&w->f);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_log_stays_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
