/* SPDX-License-Identifier: Apache-2.0 */
/* The committer's queue: order, batches, calls in between, housekeeping, stopping. */
#include "storage/committer_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct engine {
    struct committer c;
    char log[256]; /* "b3 c k ": a batch of three, a call, housekeeping; the committer's thread
                      alone writes it */
    _Atomic int keeps;
    _Atomic bool slow, blocked;
    int64_t wait;
    _Atomic int answers;
};

static void note(struct engine *e, const char *what, size_t n)
{
    size_t len = strlen(e->log);
    snprintf(e->log + len, sizeof(e->log) - len, "%s%zu ", what, n);
}

static void batch(void *engine, struct committer_item **items, size_t n)
{
    struct engine *e = engine;
    atomic_store(&e->blocked, true);
    while (atomic_load(&e->slow)) {
        usleep(500);
    }
    for (size_t i = 0; i < n; i++) {
        items[i]->outcome.rev = (int64_t)i;
    }
    note(e, "b", n);
}

static int64_t keep(void *engine)
{
    struct engine *e = engine;
    atomic_fetch_add(&e->keeps, 1);
    return e->wait;
}

static int call(void *engine, void *arg, struct err *err)
{
    note(engine, "c", *(size_t *)arg);
    return *(size_t *)arg == 9 ? err_set(err, ERR_IO, "nine") : 0;
}

static void answered(void *arg, const struct store_outcome *o)
{
    (void)o;
    atomic_fetch_add(&((struct engine *)arg)->answers, 1);
}

static const struct committer_ops ops = {.batch = batch, .keep = keep};
static const struct store_txn txn;

static void batches_and_calls(void **state)
{
    (void)state;
    struct engine e = {.wait = -1};
    atomic_store(&e.slow, true);
    assert_int_equal(committer_start(&e.c, &ops, &e, 3, NULL), 0);
    committer_submit(&e.c, &txn, answered, &e);
    while (!atomic_load(&e.blocked)) {
        usleep(500);
    }
    for (int i = 0; i < 5; i++) {
        committer_submit(&e.c, &txn, answered, &e);
    }
    assert_int_equal(atomic_load(&e.c.queued), 6);
    atomic_store(&e.slow, false);
    size_t one = 1, nine = 9;
    struct err err = {0};
    assert_int_equal(committer_call(&e.c, call, &one, NULL), 0);
    assert_int_equal(committer_call(&e.c, call, &nine, &err), ERR_IO);
    assert_string_equal(err.message, "nine");
    err_finish(&err);
    committer_submit(&e.c, &txn, answered, &e);
    committer_stop(&e.c);
    assert_string_equal(e.log, "b1 b3 b2 c1 c9 b1 ");
    assert_int_equal(atomic_load(&e.answers), 7);
    assert_int_equal(atomic_load(&e.c.queued), 0);
    assert_int_equal(committer_call(&e.c, call, &one, NULL), ERR_CLOSED);
    committer_submit(&e.c, &txn, answered, &e);
    assert_int_equal(atomic_load(&e.answers), 8);
    committer_finish(&e.c);
}

static void keeps_until(struct engine *e, int want)
{
    for (int i = 0; i < 120000 && atomic_load(&e->keeps) < want; i++) {
        usleep(500);
    }
    assert_true(atomic_load(&e->keeps) >= want);
}

static void housekeeping(void **state)
{
    (void)state;
    struct engine idle = {.wait = -1}, often = {.wait = 1}, busy = {.wait = 0};
    assert_int_equal(committer_start(&idle.c, &ops, &idle, 0, NULL), 0);
    keeps_until(&idle, 1);
    usleep(20000);
    assert_int_equal(atomic_load(&idle.keeps), 1);
    committer_wake(&idle.c);
    keeps_until(&idle, 2);
    committer_submit(&idle.c, &txn, answered, &idle);
    keeps_until(&idle, 3);
    assert_int_equal(committer_start(&often.c, &ops, &often, 0, NULL), 0);
    keeps_until(&often, 5);
    assert_int_equal(committer_start(&busy.c, &ops, &busy, 0, NULL), 0);
    keeps_until(&busy, 100);
    committer_submit(&busy.c, &txn, answered, &busy);
    committer_stop(&busy.c);
    assert_int_equal(atomic_load(&busy.answers), 1);
    committer_stop(&often.c);
    committer_stop(&idle.c);
    committer_finish(&busy.c);
    committer_finish(&often.c);
    committer_finish(&idle.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_and_calls),
        cmocka_unit_test(housekeeping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
