/* SPDX-License-Identifier: Apache-2.0 */
/* The power goes at any system call while the sqlite engine is opened, writes, compacts and copies
 * its log: every acknowledged transaction is on what is left of the disk, each is whole or absent,
 * and revisions go on. CORACLE_POWER_CUTS sets how often. */
#include "base/clock.h"
#include "base/latch.h"
#include <sqlite3.h>
#include "ledger.h"
#include "power.h"

static const struct engine sqlite_engine = {
    .name = "sqlite", .open = store_open_sqlite, .durable = true};

enum { CUT_MS = 600000 }; /* never, rather than late */

struct world {
    struct fixture f;
    struct known known; /* over the power's lock */
    struct flight *flights;
    pthread_t compacter;
    _Atomic bool stop;
    _Atomic int flying;
    size_t failed; /* transactions */
    bool settled;  /* the store was; over the power's lock */
    /* the cut */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool cut, checked, opened;
    char image[64];
    struct known then;
    bool then_settled;
};

static void tell(void *arg, const struct told *t, const struct store_outcome *o)
{
    struct world *w = arg;
    pthread_mutex_lock(&power.lock);
    if (o->code) {
        w->failed++;
    } else {
        learn(&w->known, t);
    }
    pthread_mutex_unlock(&power.lock);
}

static void copy_known(struct known *to, const struct known *from)
{
    *to = *from;
    to->all = alloc_bytes(from->cap * sizeof(*to->all) + 1);
    if (from->n) {
        memcpy(to->all, from->all, from->n * sizeof(*to->all));
    }
}

/* Everything else stands still until the image has been checked. */
static void on_cut(void *arg)
{
    struct world *w = arg;
    make_dir(w->image);
    power_image(w->image, power_random() % POWER_LEFT_KINDS);
    copy_known(&w->then, &w->known);
    w->then_settled = w->settled;
    pthread_mutex_lock(&w->lock);
    w->cut = true;
    w->checked = false;
    pthread_cond_broadcast(&w->changed);
    while (!w->checked) {
        pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

static void check_file(const char *dir)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/store.db", dir);
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/* The image opens, holds what was told, and can be written to. */
static void check_image(struct world *w)
{
    struct fixture f = {.engine = &sqlite_engine, .options = {.dir = w->image, .window_ms = -1}};
    fixture_open(&f);
    check_store(f.s, &w->then);
    assert_true(store_index_ready(f.s, STR("i")) || !w->then_settled);
    int64_t rev = store_revision(f.s);
    assert_int_equal(put(f.s, "/after", "x"), rev + 1);
    assert_int_equal(del(f.s, "/after"), rev + 2);
    store_close(f.s);
    check_file(w->image);
    remove_tree(w->image);
    free(w->then.all);
}

/* Waits until the power was cut or the store is open; what was cut is checked and goes on. False:
 * it is open, and was not cut. */
static bool checked_cut(struct world *w)
{
    const struct timespec until = cond_deadline(CUT_MS);
    pthread_mutex_lock(&w->lock);
    int code = 0;
    while ((!w->cut || w->checked) && !w->opened && !code) {
        code = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    bool cut = w->cut && !w->checked;
    pthread_mutex_unlock(&w->lock);
    if (!cut) {
        assert_int_equal(code, 0);
        return false;
    }
    check_image(w);
    pthread_mutex_lock(&w->lock);
    w->checked = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return true;
}

static void one_cut(struct world *w)
{
    pthread_mutex_lock(&power.lock);
    size_t at = power.calls + 1 + power_random() % 150;
    w->cut = w->opened = false;
    atomic_store(&power.cut_at, at);
    pthread_mutex_unlock(&power.lock);
    assert_true(checked_cut(w));
}

/* No cut comes any more; one that comes meanwhile, and has all else wait, is checked. */
static void disarm(struct world *w)
{
    while (pthread_mutex_trylock(&power.lock)) {
        checked_cut(w);
        usleep(1000);
    }
    atomic_store(&power.cut_at, 0);
    pthread_mutex_unlock(&power.lock);
}

static void *compact(void *arg)
{
    struct world *w = arg;
    while (!atomic_load(&w->stop)) {
        store_compact(w->f.s, store_revision(w->f.s) - 100, NULL);
        usleep(2000);
    }
    return NULL;
}

static void start(struct world *w)
{
    atomic_store(&w->stop, false);
    atomic_store(&w->flying, FLIGHTS);
    w->flights = flights_start(
        (struct flight){
            .s = w->f.s, .tell = tell, .arg = w, .stop = &w->stop, .flying = &w->flying},
        power_random(), w->known.seq + 1);
    assert_int_equal(pthread_create(&w->compacter, NULL, compact, w), 0);
}

static void stop(struct world *w)
{
    atomic_store(&w->stop, true);
    while (atomic_load(&w->flying)) {
        usleep(1000);
    }
    pthread_join(w->compacter, NULL);
    free(w->flights);
}

/* As a server's first start: what is written before the store is settled is durable then. */
static void *open_store(void *arg)
{
    struct world *w = arg;
    struct err err = {0};
    w->f.options.unsettled = true;
    if (store_open_sqlite(&w->f.options, &w->f.s, &err) ||
        store_index_define(w->f.s, STR("i"), STR("/k/"), 1, &err) || store_settle(w->f.s, &err)) {
        fprintf(stderr, "open: %s\n", err_message(&err));
        abort(); /* not the test's thread */
    }
    pthread_mutex_lock(&power.lock);
    w->settled = true;
    pthread_mutex_unlock(&power.lock);
    pthread_mutex_lock(&w->lock);
    w->opened = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Opens the store, cutting while it is made or, with a log that a kill left, while it recovers. */
static void open_with_cuts(struct world *w, int cuts)
{
    pthread_t t;
    for (int i = 0; i < cuts; i++) {
        pthread_mutex_lock(&power.lock);
        w->cut = w->opened = false;
        atomic_store(&power.cut_at, power.calls + 1 + power_random() % 40);
        pthread_mutex_unlock(&power.lock);
        assert_int_equal(pthread_create(&t, NULL, open_store, w), 0);
        while (checked_cut(w)) {
        }
        pthread_join(t, NULL);
        disarm(w);
        if (i + 1 < cuts) {
            store_close(w->f.s);
        }
    }
}

/* Some more of them, as long as no failed sync has met a write; which ones fail is chance. */
static void cuts_until_refused(struct world *w)
{
    for (int i = 0; i < 100 && !(power.failed && w->failed); i++) {
        start(w);
        one_cut(w);
        stop(w);
    }
    assert_true(power.failed > 0 && w->failed > 0);
}

static void cuts(int n, int fail_every)
{
    struct world *w = ALLOC(struct world);
    uint64_t seed = (uint64_t)clock_wall_us();
    pthread_mutex_init(&w->lock, NULL);
    cond_init_monotonic(&w->changed);
    fixture_init(&w->f, &sqlite_engine);
    power.random = seed | 1;
    power_watch(w->f.dir);
    power.cut = on_cut;
    power.cut_arg = w;
    power.failed = power.syncs = 0;
    open_with_cuts(w, 1 + n / 20);
    power.fail_every = fail_every;
    for (int i = 0; i < n; i += 50) {
        start(w);
        for (int k = i; k < n && k < i + 50; k++) {
            one_cut(w);
        }
        stop(w);
    }
    if (fail_every) {
        cuts_until_refused(w);
    }
    power.fail_every = 0;
    printf("cuts: %d, syncs: %zu, of them failed: %zu, acknowledged: %zu, refused: %zu, lost: 0\n",
           n, power.syncs, power.failed, w->known.n, w->failed);
    assert_true(w->known.n > 0);
    assert_true(fail_every || !w->failed);
    store_close(w->f.s);
    w->f.s = NULL;
    power_watch(NULL);
    fixture_open(&w->f);
    check_store(w->f.s, &w->known);
    free(w->known.all);
    fixture_finish(&w->f);
    free(w);
}

/* A process is killed, so that nothing is lost; another goes on with what it left, some of which
 * was never synced; what that one reads must be there after the power went as well. */
struct killed {
    char seen[64], synced[64]; /* what the killed process left, and what of it is on the disk */
    struct known then;
};

struct killed_all {
    struct world *w;
    struct killed *k;
    int n;
};

static void on_kill(void *arg)
{
    struct killed_all *all = arg;
    struct killed *k = &all->k[all->n++];
    make_dir(k->seen);
    make_dir(k->synced);
    power_image(k->seen, POWER_ALL);
    power_image(k->synced, POWER_NONE);
    copy_known(&k->then, &all->w->known);
    atomic_store(&power.cut_at, 0);
}

static void lose_power_after_kill(struct killed *k)
{
    struct fixture f = {.engine = &sqlite_engine, .options = {.dir = k->seen, .window_ms = -1}};
    char left[64];
    make_dir(left);
    power_watch(k->seen);
    snprintf(power.base, sizeof(power.base), "%s", k->synced);
    fixture_open(&f);
    int64_t seen = store_revision(f.s);
    pthread_mutex_lock(&power.lock);
    power_image(left, POWER_NONE);
    pthread_mutex_unlock(&power.lock);
    store_close(f.s);
    power_watch(NULL);
    f.options.dir = left;
    fixture_open(&f);
    assert_int_equal(store_revision(f.s), seen);
    check_store(f.s, &k->then);
    store_close(f.s);
    check_file(left);
    free(k->then.all);
    remove_tree(left);
    remove_tree(k->seen);
    remove_tree(k->synced);
}

static void collect_kills(struct killed_all *all, int n)
{
    struct world *w = all->w;
    start(w);
    for (int i = 0; i < n; i++) {
        pthread_mutex_lock(&power.lock);
        atomic_store(&power.cut_at, power.calls + 1 + power_random() % 60);
        pthread_mutex_unlock(&power.lock);
        while (atomic_load(&power.cut_at)) {
            usleep(1000);
        }
    }
    stop(w);
}

static int wanted(void)
{
    const char *env = getenv("CORACLE_POWER_CUTS");
    return env ? (int)strtol(env, NULL, 10) : 30;
}

static void power_goes_at_any_call(void **state)
{
    (void)state;
    cuts(wanted(), 0);
}

/* Failing syncs first, then the power: what a sync forgot must not be under anything that was told.
 */
static void power_goes_after_failed_syncs(void **state)
{
    (void)state;
    cuts(wanted(), 12);
}

static void power_goes_after_a_kill(void **state)
{
    (void)state;
    int n = wanted() / 2;
    struct world *w = ALLOC(struct world);
    struct killed_all all = {.w = w, .k = alloc_zero((size_t)n * sizeof(*all.k))};
    fixture_init(&w->f, &sqlite_engine);
    power.random = (uint64_t)clock_wall_us() | 1;
    power_watch(w->f.dir);
    power.cut = on_kill;
    power.cut_unsynced = true;
    power.cut_arg = &all;
    open_store(w);
    collect_kills(&all, n);
    power_watch(NULL);
    fixture_finish(&w->f);
    for (int i = 0; i < n; i++) {
        lose_power_after_kill(&all.k[i]);
    }
    printf("kills followed by a power loss: %d, acknowledged: %zu, lost: 0\n", n, w->known.n);
    free(w->known.all);
    free(all.k);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(power_goes_at_any_call),
                                       cmocka_unit_test(power_goes_after_failed_syncs),
                                       cmocka_unit_test(power_goes_after_a_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
