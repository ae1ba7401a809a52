/* SPDX-License-Identifier: Apache-2.0 */
/* The sqlite engine on a disk that is full or fails, at any write and any sync: what was
 * acknowledged is there, what was not is nowhere and was never published, reads go on, and so do
 * writes once there is room. */
#include "base/log.h"
#include "contract.h"
#include "fault_vfs.h"

#include <pthread.h>

enum { BATCH = 6 };

static const struct engine sqlite_engine = {
    .name = "sqlite", .open = store_open_sqlite, .durable = true};

struct world {
    struct fixture f;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t answered;
    int codes[BATCH];
    int64_t revs[BATCH];
    size_t events;    /* published, of all */
    int64_t last_rev; /* of an event */
    bool disorder;
};

struct ask {
    struct world *w;
    size_t i;
    char key[32];
    struct store_op ops[2];
    struct store_txn txn;
};

static void answered(void *arg, const struct store_outcome *o)
{
    struct ask *a = arg;
    pthread_mutex_lock(&a->w->lock);
    a->w->codes[a->i] = o->code;
    a->w->revs[a->i] = o->rev;
    a->w->answered++;
    if ((o->code == ERR_NO_SPACE || o->code == ERR_IO) && (!o->text || !*o->text)) {
        a->w->disorder = true;
    }
    pthread_cond_signal(&a->w->changed);
    pthread_mutex_unlock(&a->w->lock);
}

static void published(void *arg, const struct store_event *events, size_t n, int64_t rev)
{
    struct world *w = arg;
    for (size_t i = 0; i < n; i++) {
        w->disorder = w->disorder || events[i].rev != w->last_rev + (events[i].sub == 0);
        w->last_rev = events[i].rev;
    }
    w->disorder = w->disorder || rev != w->last_rev;
    w->events += n;
}

static void world_open(struct world *w)
{
    fixture_open(&w->f);
    w->last_rev = store_revision(w->f.s);
    store_on_commit(w->f.s, published, w);
}

/* Submits transactions together, each of a key of its own and one that all write. */
static void write_batch(struct world *w, int round)
{
    struct ask asks[BATCH];
    AUTO(blob_unrefp) struct blob *b = blob_alloc(5000);
    memset(b->data, 'v', b->len);
    w->answered = 0;
    for (size_t i = 0; i < BATCH; i++) {
        asks[i] = (struct ask){.w = w, .i = i};
        snprintf(asks[i].key, sizeof(asks[i].key), "/%d/%zu", round, i);
        asks[i].ops[0] = op_put(asks[i].key, b);
        asks[i].ops[1] = op_put("/shared", b);
        asks[i].txn = (struct store_txn){.ops = asks[i].ops, .n_ops = 2};
    }
    for (size_t i = 0; i < BATCH; i++) {
        store_submit(w->f.s, &asks[i].txn, answered, &asks[i]);
    }
    pthread_mutex_lock(&w->lock);
    while (w->answered < BATCH) {
        pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

/* What the answers said must be what the store holds. Returns how many were committed. */
static size_t check_batch(struct world *w, int round)
{
    size_t committed = 0;
    for (size_t i = 0; i < BATCH; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/%d/%zu", round, i);
        struct blob *b = NULL;
        struct store_entry e = {0};
        int code = store_get(w->f.s, str_from(key), 0, &b, &e, NULL, NULL);
        blob_unref(b);
        if (w->codes[i]) {
            assert_true(w->codes[i] == ERR_NO_SPACE || w->codes[i] == ERR_IO);
            assert_int_equal(code, ERR_NOT_FOUND);
        } else {
            assert_int_equal(code, 0);
            assert_int_equal(e.rev, w->revs[i]);
            committed++;
        }
    }
    return committed;
}

static int count_event(void *arg, const struct store_event *e)
{
    (void)e;
    ++*(size_t *)arg;
    return 0;
}

static void check_published(struct world *w, size_t before, size_t committed, int64_t from)
{
    size_t n = 0;
    int64_t to;
    assert_false(w->disorder);
    assert_int_equal(w->events - before, 2 * committed);
    assert_int_equal(store_changes(w->f.s, STR_NULL, from, 0, count_event, &n, &to, NULL), 0);
    assert_int_equal(n, 2 * committed);
    assert_int_equal(store_revision(w->f.s), from + (int64_t)committed);
}

/* One round with a fault in it, and one after it. Returns whether the fault struck. */
static bool round_with(struct world *w, int round, enum fault_kind kind, int after, bool all)
{
    int64_t from = store_revision(w->f.s);
    size_t before = w->events;
    fault_set(kind, after, all);
    write_batch(w, round);
    int hits = atomic_load(&fault.hits);
    size_t committed = check_batch(w, round);
    check_published(w, before, committed, from);
    if (!all) {
        /* One failure costs one transaction at most, whatever was in the batch with it. */
        assert_true(committed >= BATCH - 1);
    } else if (after == 0) {
        assert_int_equal(committed, 0);
        assert_int_equal(w->codes[0], kind == FAULT_FULL ? ERR_NO_SPACE : ERR_IO);
    }
    fault_set(FAULT_NONE, 0, false);
    write_batch(w, round + 1);
    assert_int_equal(check_batch(w, round + 1), BATCH);
    check_published(w, before, committed + BATCH, from);
    return hits > 0;
}

/* ---- any call of any kind ---- */

/* How often, over all of it. */
static size_t struck_in_all, acknowledged, refused;

/* Everything the engine does: transactions, an index, the floor, a copy of the log. Errors are
 * allowed; what the transactions answered is left in w. */
static void do_everything(struct world *w, int round)
{
    char index[32];
    snprintf(index, sizeof(index), "i%d", round % 3);
    write_batch(w, round);
    store_index_define(w->f.s, str_from(index), STR("/1"), (uint64_t)round, NULL);
    store_compact(w->f.s, store_revision(w->f.s) - 20, NULL);
    store_index_drop(w->f.s, str_from(index), NULL);
    get_code(w->f.s, "/shared", 0);
}

static bool any_call(struct world *w, int round, enum fault_kind kind, int after, bool all)
{
    int64_t from = store_revision(w->f.s);
    size_t before = w->events;
    fault_set(kind, after, all);
    do_everything(w, round);
    int hits = atomic_load(&fault.hits);
    fault_set(FAULT_NONE, 0, false);
    size_t committed = check_batch(w, round);
    check_published(w, before, committed, from);
    acknowledged += committed;
    refused += BATCH - committed;
    write_batch(w, round + 1);
    assert_int_equal(check_batch(w, round + 1), BATCH);
    check_published(w, before, committed + BATCH, from);
    assert_int_equal(store_writable(w->f.s, NULL), 0);
    return hits > 0;
}

static void integrity(struct world *w)
{
    AUTO_FREE char *path = alloc_printf("%s/store.db", w->f.dir);
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/* Closes with the fault in force, opens with it, then without it. */
static void reopen_with(struct world *w, enum fault_kind kind, int after, bool all, int round)
{
    int64_t rev = store_revision(w->f.s);
    fault_set(kind, after, all);
    store_close(w->f.s);
    w->f.s = NULL;
    struct err err = {0};
    int code = store_open_sqlite(&w->f.options, &w->f.s, &err);
    if (code) {
        assert_true(code == ERR_IO || code == ERR_NO_SPACE);
        assert_true(strlen(err_message(&err)) > 10);
        w->f.s = NULL;
    }
    err_finish(&err);
    struck_in_all += atomic_load(&fault.hits) > 0;
    fault_set(FAULT_NONE, 0, false);
    store_close(w->f.s);
    integrity(w);
    world_open(w);
    assert_int_equal(store_revision(w->f.s), rev);
    assert_int_equal(check_batch(w, round), BATCH);
}

static int calls_wanted(void)
{
    const char *env = getenv("CORACLE_FAULT_CALLS");
    return env ? (int)strtol(env, NULL, 10) : 14;
}

/* The first calls of each kind one by one, then ever fewer of the later ones. */
static void each_call_of(struct world *w, enum fault_kind kind)
{
    int round = 0;
    put(w->f.s, "/shared", "first");
    for (int k = 0, after = 0; k < calls_wanted(); k++, after += 1 + k / 8) {
        for (int all = 0; all < 2; all++, round += 2) {
            struck_in_all += any_call(w, round, kind, after, all);
        }
        if (k % 3 == 2) {
            reopen_with(w, kind, k / 3, k % 2, round - 1);
        }
    }
}

#define EACH_CALL(name, kind)                                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        size_t before = struck_in_all;                                                             \
        each_call_of(*state, kind);                                                                \
        assert_true(struck_in_all > before);                                                       \
    }
EACH_CALL(each_full, FAULT_FULL)
EACH_CALL(each_write, FAULT_WRITE)
EACH_CALL(each_short_write, FAULT_SHORT)
EACH_CALL(each_sync, FAULT_SYNC)
EACH_CALL(each_read, FAULT_READ)
EACH_CALL(each_truncate, FAULT_TRUNCATE)
EACH_CALL(each_size, FAULT_SIZE)
EACH_CALL(each_lock, FAULT_LOCK)
EACH_CALL(each_shm_map, FAULT_SHM_MAP)
EACH_CALL(each_shm_lock, FAULT_SHM_LOCK)
EACH_CALL(each_open, FAULT_OPEN)
EACH_CALL(each_delete, FAULT_DELETE)
EACH_CALL(each_access, FAULT_ACCESS)
EACH_CALL(each_change, FAULT_READONLY)

static int world_setup(void **state)
{
    struct world *w = ALLOC(struct world);
    fixture_init(&w->f, &sqlite_engine);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    world_open(w);
    *state = w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    fault_set(FAULT_NONE, 0, false);
    fixture_finish(&w->f);
    free(w);
    return 0;
}

static void run_rounds(struct world *w, enum fault_kind kind, bool all, int most)
{
    int round = 0, struck = 0;
    put(w->f.s, "/shared", "first");
    for (int after = 0; after < most; after++, round += 2) {
        struck += round_with(w, round, kind, after, all);
        if (after % 7 == 3) {
            assert_int_equal(store_compact(w->f.s, store_revision(w->f.s), NULL), 0);
        }
        if (after % 10 == 9) {
            int64_t rev = store_revision(w->f.s);
            store_close(w->f.s);
            world_open(w);
            assert_int_equal(store_revision(w->f.s), rev);
            assert_int_equal(check_batch(w, round + 1), BATCH);
        }
    }
    assert_true(struck > most / 4);
}

static void any_write_finds_no_room(void **state)
{
    run_rounds(*state, FAULT_FULL, false, 60);
}

static void no_room_from_some_write_on(void **state)
{
    run_rounds(*state, FAULT_FULL, true, 60);
}

static void any_write_fails(void **state)
{
    run_rounds(*state, FAULT_WRITE, false, 60);
}

static void syncs_fail(void **state)
{
    struct world *w = *state;
    put(w->f.s, "/shared", "first");
    assert_true(round_with(w, 0, FAULT_SYNC, 0, false));
    assert_true(round_with(w, 2, FAULT_SYNC, 0, true));
    round_with(w, 4, FAULT_SYNC, 1, false);
    store_close(w->f.s);
    world_open(w);
    assert_int_equal(check_batch(w, 5), BATCH);
}

/* A full disk while there is much to be read, to be compacted and to be copied into the file. */
static void reading_on_a_full_disk(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        write_batch(w, i);
        assert_int_equal(check_batch(w, i), BATCH);
    }
    int64_t rev = store_revision(w->f.s), n;
    fault_set(FAULT_FULL, 0, true);
    int code = store_compact(w->f.s, rev - 5, NULL);
    assert_int_equal(code, ERR_NO_SPACE);
    for (int i = 0; i < 5; i++) {
        write_batch(w, 100 + i);
        assert_int_equal(check_batch(w, 100 + i), 0);
        assert_int_equal(store_revision(w->f.s), rev);
        assert_int_equal(store_count(w->f.s, &(struct store_range){0}, &n, NULL), 0);
        assert_int_equal(n, 60 * BATCH + 1);
        usleep(20000);
    }
    usleep(300000);
    for (int i = 0; i < 60; i++) {
        for (int k = 0; k < BATCH; k++) {
            char key[32];
            snprintf(key, sizeof(key), "/%d/%d", i, k);
            assert_int_equal(get_code(w->f.s, key, 0), 0);
        }
    }
    fault_set(FAULT_NONE, 0, false);
    write_batch(w, 200);
    assert_int_equal(check_batch(w, 200), BATCH);
    assert_int_equal(store_compact(w->f.s, rev, NULL), 0);
    assert_int_equal(store_floor(w->f.s), rev);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    fault_register();
    const struct CMUnitTest tests[] = {
        WORLD_TEST(any_write_finds_no_room),
        WORLD_TEST(no_room_from_some_write_on),
        WORLD_TEST(any_write_fails),
        WORLD_TEST(syncs_fail),
        WORLD_TEST(reading_on_a_full_disk),
        WORLD_TEST(each_full),
        WORLD_TEST(each_write),
        WORLD_TEST(each_short_write),
        WORLD_TEST(each_sync),
        WORLD_TEST(each_read),
        WORLD_TEST(each_truncate),
        WORLD_TEST(each_size),
        WORLD_TEST(each_lock),
        WORLD_TEST(each_shm_map),
        WORLD_TEST(each_shm_lock),
        WORLD_TEST(each_open),
        WORLD_TEST(each_delete),
        WORLD_TEST(each_access),
        WORLD_TEST(each_change),
    };
    log_setup(LOG_ERROR + 1, LOG_TEXT, STDERR_FILENO);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("faults: %zu, acknowledged: %zu, refused: %zu, lost: 0\n", struck_in_all, acknowledged,
           refused);
    return failed;
}
