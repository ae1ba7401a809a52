/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of storage/store.h on what a store keeps beside its keys and for how long: indexes,
 * floors, holds, what is there when it is opened again. */
#include "contract.h"

/* ---- terms ---- */

static void put_terms(struct store *s, const char *key, const char *a, const char *b)
{
    struct store_term terms[] = {{STR("i"), str_from(a)},
                                 {STR("j"), str_from(b)},
                                 {STR("unknown"), STR("x")},
                                 {STR("i"), str_from(a)}};
    AUTO(blob_unrefp) struct blob *v = blob_create(STR("v"));
    struct store_op op = op_put(key, v);
    op.terms = terms;
    op.n_terms = 4;
    assert_int_equal(submit(s, NULL, 0, &op, 1, NULL), 0);
}

static void assert_term(struct store *s, const char *index, const char *term, const char *want)
{
    assert_range(s,
                 &(struct store_range){
                     .prefix = STR("/p/"), .index = str_from(index), .term = str_from(term)},
                 want);
}

static void ranges_by_term(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    assert_false(store_index_ready(s, STR("i")));
    assert_int_equal(store_index_define(s, STR("i"), STR("/p/"), 1, NULL), 0);
    assert_int_equal(store_index_define(s, STR("j"), STR("/p/"), 1, NULL), 0);
    assert_true(store_index_ready(s, STR("i")));
    put_terms(s, "/p/1", "red", "x");
    put_terms(s, "/p/2", "blue", "x");
    int64_t old = store_revision(s);
    put_terms(s, "/p/3", "red", "y");
    put_terms(s, "/q/4", "red", "y");
    assert_term(s, "i", "red", "/p/1=v /p/3=v ");
    assert_term(s, "i", "re", "");
    assert_term(s, "i", "", "");
    assert_term(s, "j", "x", "/p/1=v /p/2=v ");
    assert_term(s, "undefined", "x", "/p/1=v /p/2=v /p/3=v ");
    struct store_range r = {
        .prefix = STR("/p/"), .index = STR("i"), .term = STR("red"), .limit = 1};
    assert_range(s, &r, "/p/1=v ");
    r.limit = 0;
    r.from = STR("/p/2");
    assert_range(s, &r, "/p/3=v ");
    r.keys_only = true;
    assert_range(s, &r, "/p/3= ");
    r = (struct store_range){
        .prefix = STR("/p/"), .index = STR("i"), .term = STR("red"), .at = store_revision(s)};
    assert_range(s, &r, "/p/1=v /p/3=v ");
    r.at = old;
    assert_range(s, &r, "/p/1=v /p/2=v ");
    put_terms(s, "/p/1", "blue", "x");
    del(s, "/p/3");
    assert_term(s, "i", "red", "");
    assert_term(s, "i", "blue", "/p/1=v /p/2=v ");
    put(s, "/p/2", "bare");
    assert_term(s, "i", "blue", "/p/1=v ");
}

static void restamp_terms(struct store *s, const char *key, const char *term)
{
    struct store_term t = {STR("i"), str_from(term)};
    AUTO(blob_unrefp) struct blob *v = blob_create(STR("v"));
    struct store_op op = {
        .kind = STORE_OP_RESTAMP, .key = str_from(key), .value = v, .terms = &t, .n_terms = 1};
    assert_int_equal(submit(s, NULL, 0, &op, 1, NULL), 0);
}

static void the_life_of_an_index(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->s;
    put(s, "/p/1", "v");
    put(s, "/p/2", "v");
    assert_int_equal(store_index_define(s, STR("i"), STR("/p/"), 1, NULL), 0);
    assert_int_equal(store_index_define(s, STR("k"), STR("/none/"), 1, NULL), 0);
    assert_false(store_index_ready(s, STR("i")));
    assert_true(store_index_ready(s, STR("k")));
    assert_term(s, "i", "red", "/p/1=v /p/2=v ");
    restamp_terms(s, "/p/1", "red");
    restamp_terms(s, "/p/2", "blue");
    assert_term(s, "i", "red", "/p/1=v /p/2=v ");
    assert_int_equal(store_index_built(s, STR("i"), 2, NULL), ERR_CONFLICT);
    assert_int_equal(store_index_built(s, STR("none"), 1, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_index_built(s, STR("i"), 1, NULL), 0);
    assert_true(store_index_ready(s, STR("i")));
    assert_term(s, "i", "red", "/p/1=v ");
    assert_int_equal(store_index_define(s, STR("i"), STR("/p/"), 1, NULL), 0);
    assert_true(store_index_ready(s, STR("i")));
    /* Another definition knows nothing of the old one's terms, the same ones included. */
    assert_int_equal(store_index_define(s, STR("i"), STR("/p/"), 2, NULL), 0);
    assert_false(store_index_ready(s, STR("i")));
    assert_int_equal(store_index_built(s, STR("i"), 2, NULL), 0);
    assert_term(s, "i", "red", "");
    restamp_terms(s, "/p/1", "red");
    assert_term(s, "i", "red", "/p/1=v ");
    assert_int_equal(store_index_drop(s, STR("i"), NULL), 0);
    assert_int_equal(store_index_drop(s, STR("i"), NULL), 0);
    assert_false(store_index_ready(s, STR("i")));
    assert_term(s, "i", "red", "/p/1=v /p/2=v ");
    assert_int_equal(store_index_define(s, STR("i"), STR("/p/"), 2, NULL), 0);
    restamp_terms(s, "/p/1", "red");
    assert_int_equal(store_index_built(s, STR("i"), 2, NULL), 0);
    assert_term(s, "i", "red", "/p/1=v ");
}

/* ---- housekeeping ---- */

static void the_floor(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    assert_int_equal(put(s, "/a", "1"), 2);
    assert_int_equal(put(s, "/a", "2"), 3);
    assert_int_equal(put(s, "/gone", "1"), 4);
    assert_int_equal(del(s, "/gone"), 5);
    assert_int_equal(put(s, "/a", "3"), 6);
    assert_int_equal(put(s, "/gone", "2"), 7);
    assert_int_equal(store_compact(s, 5, NULL), 0);
    assert_int_equal(store_floor(s), 5);
    assert_int_equal(store_compact(s, 3, NULL), 0);
    assert_int_equal(store_floor(s), 5);
    struct seen w = {0};
    int64_t n;
    struct err err = {0};
    assert_int_equal(get_code(s, "/a", 4), ERR_EXPIRED);
    assert_int_equal(store_range(s, &(struct store_range){.at = 4}, see_entry, &w, &n, NULL, &err),
                     ERR_EXPIRED);
    assert_int_equal(err.code, ERR_EXPIRED);
    err_finish(&err);
    assert_int_equal(store_count(s, &(struct store_range){.at = 4}, &n, NULL), ERR_EXPIRED);
    assert_int_equal(store_changes(s, STR_NULL, 4, 0, see_event, &w, &n, NULL), ERR_EXPIRED);
    /* Time for what lies beneath to go; what is above stays, with what it replaced. */
    usleep(100000);
    assert_get(s, "/a", 5, "2");
    assert_int_equal(get_code(s, "/gone", 5), ERR_NOT_FOUND);
    assert_int_equal(get_code(s, "/gone", 6), ERR_NOT_FOUND);
    assert_range(s, &(struct store_range){.at = 6}, "/a=3 ");
    assert_range(s, &(struct store_range){.at = 7}, "/a=3 /gone=2 ");
    check_changes(s, "", 5, 0, 0, 0, "6.0 /a 2>3 7.0 /gone ->2 ", 7);
    assert_int_equal(store_compact(s, 1000, NULL), 0);
    assert_int_equal(store_floor(s), 7);
    usleep(50000);
    assert_range(s, &(struct store_range){0}, "/a=3 /gone=2 ");
    check_changes(s, "", 7, 0, 0, 0, "", 7);
    assert_int_equal(put(s, "/a", "4"), 8);
    check_changes(s, "", 7, 0, 0, 0, "8.0 /a 3>4 ", 8);
}

static void holds(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    for (int i = 0; i < 5; i++) {
        put(s, "/a", "x");
    }
    struct store_hold *h1 = NULL, *h2 = NULL, *h3 = NULL;
    int64_t rev = 0;
    assert_int_equal(store_hold(s, 4, &h1, &rev, NULL), 0);
    assert_int_equal(rev, 4);
    assert_int_equal(store_hold(s, 0, &h2, &rev, NULL), 0);
    assert_int_equal(rev, 6);
    assert_int_equal(store_hold(s, 3, &h3, NULL, NULL), 0);
    assert_int_equal(store_compact(s, 6, NULL), 0);
    assert_int_equal(store_floor(s), 3);
    store_release(h3);
    assert_int_equal(store_compact(s, 6, NULL), 0);
    assert_int_equal(store_floor(s), 4);
    assert_get(s, "/a", 4, "x");
    h3 = NULL;
    assert_int_equal(store_hold(s, 3, &h3, &rev, NULL), ERR_EXPIRED);
    assert_null(h3);
    store_release(h1);
    store_release(h2);
    store_release(NULL);
    assert_int_equal(store_compact(s, 6, NULL), 0);
    assert_int_equal(store_floor(s), 6);
}

static int64_t fake_now(void *arg)
{
    return atomic_load((_Atomic int64_t *)arg);
}

static void wait_floor(struct store *s, int64_t want)
{
    for (int i = 0; i < 30000 && store_floor(s) != want; i++) {
        usleep(2000);
    }
    assert_int_equal(store_floor(s), want);
}

/* Returns once the housekeeping that follows what was done before has run. */
static void settle(struct store *s)
{
    assert_int_equal(store_compact(s, 0, NULL), 0);
    assert_int_equal(store_compact(s, 0, NULL), 0);
}

static void the_floor_follows_the_present(void **state)
{
    struct fixture *f = *state;
    _Atomic int64_t clock = 1000;
    store_close(f->s);
    f->options.window_ms = 60000;
    f->options.now_ms = fake_now;
    f->options.now_arg = &clock;
    fixture_open(f);
    struct store *s = f->s;
    settle(s);
    atomic_store(&clock, 2000);
    put(s, "/a", "1");
    settle(s);
    atomic_store(&clock, 31000);
    put(s, "/a", "2");
    settle(s);
    int64_t held;
    struct store_hold *h;
    assert_int_equal(store_floor(s), 0);
    atomic_store(&clock, 62000);
    wait_floor(s, 2);
    assert_int_equal(store_hold(s, 2, &h, &held, NULL), 0);
    atomic_store(&clock, 91500);
    usleep(50000);
    assert_int_equal(store_floor(s), 2);
    store_release(h);
    atomic_store(&clock, 92500);
    wait_floor(s, 3);
    atomic_store(&clock, 900000);
    put(s, "/a", "3");
    settle(s);
    assert_int_equal(store_floor(s), 3);
    check_changes(s, "", 3, 0, 0, 0, "4.0 /a 2>3 ", 4);
    store_close(s);
    f->s = NULL;
}

static void barrier_done(void *arg, const struct store_outcome *o)
{
    atomic_store((_Atomic int64_t *)arg, o->code ? o->code : o->rev);
}

static void syncs_and_stats(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->s;
    put(s, "/a", "1");
    put(s, "/b", "1");
    int64_t rev = del(s, "/a");
    _Atomic int64_t seen = 0;
    store_sync(s, barrier_done, &seen);
    for (int i = 0; i < 60000 && f->engine->distributed && !atomic_load(&seen); i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(&seen), rev);
    struct store_cmp c = cmp_rev("/a", 5);
    assert_int_equal(submit(s, &c, 1, NULL, 0, NULL), ERR_CONFLICT);
    struct store_stats st;
    store_stats(s, &st);
    assert_int_equal(st.revision, rev);
    assert_int_equal(st.floor, 0);
    assert_int_equal(st.transactions, 4);
    assert_int_equal(st.commits, 4);
    assert_int_equal(st.batch_max, 1);
    assert_int_equal(st.conflicts, 1);
    assert_int_equal(st.errors, 0);
    assert_int_equal(st.queued, 0);
    assert_int_equal(st.keys, 1);
}

/* What the writer of the keys below gives, for an engine that has to ask. */
static void derive_terms(void *arg, struct str key, struct str value, store_add_term_fn *add,
                         void *to)
{
    (void)arg;
    if (str_starts(key, STR("/p/")) && str_is(value, "v")) {
        add(to, &(struct store_term){STR("j"), STR("x")});
        add(to, &(struct store_term){STR("i"), str_is(key, "/p/1") ? STR("red") : STR("blue")});
    }
}

/* A distributed engine's definitions went with the process; what is there is indexed anew. */
static void define_again(struct fixture *f)
{
    if (f->engine->distributed) {
        assert_false(store_index_ready(f->s, STR("i")));
        store_on_terms(f->s, derive_terms, NULL);
        assert_int_equal(store_index_define(f->s, STR("i"), STR("/p/"), 1, NULL), 0);
        assert_int_equal(store_index_define(f->s, STR("j"), STR("/p/"), 1, NULL), 0);
    }
}

/* Opens it again; the revision it has. A distributed engine that is slow to catch up writes a
 * barrier, which counts. */
static int64_t reopened(struct fixture *f, int64_t last)
{
    fixture_reopen(f);
    int64_t rev = store_revision(f->s);
    assert_true(f->engine->distributed ? rev >= last : rev == last);
    return rev;
}

static void a_store_that_was_closed(void **state)
{
    struct fixture *f = *state;
    if (!f->engine->durable) {
        skip();
    }
    assert_int_equal(store_index_define(f->s, STR("i"), STR("/p/"), 1, NULL), 0);
    assert_int_equal(store_index_define(f->s, STR("j"), STR("/p/"), 1, NULL), 0);
    put_terms(f->s, "/p/1", "red", "x");
    put_terms(f->s, "/p/2", "blue", "x");
    int64_t floor = put(f->s, "/a", "1"), next = put(f->s, "/a", "2");
    int64_t last = del(f->s, "/p/2");
    assert_int_equal(store_compact(f->s, floor, NULL), 0);
    int64_t rev = reopened(f, last);
    assert_int_equal(store_floor(f->s), floor);
    assert_get(f->s, "/a", 0, "2");
    assert_get(f->s, "/a", floor, "1");
    define_again(f);
    assert_true(store_index_ready(f->s, STR("i")));
    assert_term(f->s, "i", "red", "/p/1=v ");
    assert_term(f->s, "j", "x", "/p/1=v ");
    char want[128];
    snprintf(want, sizeof(want), "%lld.0 /a 1>2 %lld.0 /p/2 v>- ", (long long)next,
             (long long)last);
    check_changes(f->s, "", floor, 0, 0, 0, want, rev);
    assert_int_equal(put(f->s, "/b", "1"), rev + 1);
    struct store_stats st;
    store_stats(f->s, &st);
    assert_int_equal(st.keys, 3);
    /* Compacted to the present: the revision is not forgotten with the rows. */
    assert_int_equal(del(f->s, "/b"), rev + 2);
    assert_int_equal(store_compact(f->s, rev + 2, NULL), 0);
    usleep(50000);
    reopened(f, rev + 2);
    assert_int_equal(store_floor(f->s), rev + 2);
    assert_range(f->s, &(struct store_range){0}, "/a=2 /p/1=v ");
}

/* ---- the table ---- */

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(ranges_by_term),
    CONTRACT_TEST(the_life_of_an_index),
    CONTRACT_TEST(the_floor),
    CONTRACT_TEST(holds),
    CONTRACT_TEST(the_floor_follows_the_present),
    CONTRACT_TEST(syncs_and_stats),
    CONTRACT_TEST(a_store_that_was_closed),
};

int main(void)
{
    return run_contract(tests, sizeof(tests) / sizeof(*tests));
}
