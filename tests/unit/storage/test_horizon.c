/* SPDX-License-Identifier: Apache-2.0 */
/* The floor of history: raising, holding, and following the present at a distance. */
#include "storage/horizon_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct world {
    struct horizon h;
    int64_t clock;
    _Atomic int64_t present;
};

static int64_t now(void *arg)
{
    return *(int64_t *)arg;
}

static void begin(struct world *w, int64_t window_ms)
{
    struct store_options o = {.window_ms = window_ms, .now_ms = now, .now_arg = &w->clock};
    *w = (struct world){.clock = 1000};
    atomic_init(&w->present, 1);
    horizon_init(&w->h, &o, 0);
}

/* The floor after housekeeping at this time and revision. */
static int64_t tick(struct world *w, int64_t clock, int64_t present)
{
    int64_t wait = 12345;
    w->clock = clock;
    atomic_store(&w->present, present);
    return horizon_tick(&w->h, present, &wait);
}

static void raising(void **state)
{
    (void)state;
    struct world w;
    begin(&w, -1);
    assert_int_equal(horizon_raise(&w.h, 5, 9), 5);
    assert_int_equal(horizon_raise(&w.h, 3, 9), 5);
    assert_int_equal(horizon_raise(&w.h, 20, 9), 9);
    assert_int_equal(horizon_check(&w.h, 9, 9, NULL), 0);
    assert_int_equal(horizon_check(&w.h, 8, 9, NULL), ERR_EXPIRED);
    assert_int_equal(horizon_check(&w.h, 10, 9, NULL), ERR_TIMEOUT);
    assert_int_equal(tick(&w, 100000000, 50), 9);
    horizon_finish(&w.h);
}

static void holding(void **state)
{
    (void)state;
    struct world w;
    struct store_hold *a, *b, *c;
    int64_t rev;
    begin(&w, -1);
    atomic_store(&w.present, 10);
    assert_int_equal(horizon_hold(&w.h, NULL, 4, &w.present, &a, &rev, NULL), 0);
    assert_int_equal(horizon_hold(&w.h, NULL, 0, &w.present, &b, &rev, NULL), 0);
    assert_int_equal(rev, 10);
    assert_int_equal(horizon_hold(&w.h, NULL, 6, &w.present, &c, NULL, NULL), 0);
    assert_int_equal(horizon_raise(&w.h, 10, 10), 4);
    horizon_release(&w.h, a);
    assert_int_equal(horizon_raise(&w.h, 10, 10), 6);
    assert_int_equal(horizon_hold(&w.h, NULL, 5, &w.present, &a, NULL, NULL), ERR_EXPIRED);
    horizon_release(&w.h, c);
    assert_int_equal(horizon_raise(&w.h, 12, 12), 10);
    horizon_release(&w.h, b);
    assert_int_equal(horizon_raise(&w.h, 12, 12), 12);
    /* The floor may have passed what is published; now is never beneath it. */
    assert_int_equal(horizon_hold(&w.h, NULL, 0, &w.present, &a, &rev, NULL), 0);
    assert_int_equal(rev, 12);
    horizon_release(&w.h, a);
    horizon_finish(&w.h);
}

static void following(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 30000); /* a sample each 100 ms at most */
    assert_int_equal(tick(&w, 1000, 1), 0);
    assert_int_equal(tick(&w, 2000, 5), 0);
    assert_int_equal(tick(&w, 2050, 6), 0); /* too soon for a sample */
    assert_int_equal(tick(&w, 30999, 6), 0);
    assert_int_equal(tick(&w, 31000, 6), 1);
    assert_int_equal(tick(&w, 31999, 6), 1);
    assert_int_equal(tick(&w, 32000, 6), 5);
    /* The 6 was taken when it was looked at next, at 30999. */
    assert_int_equal(tick(&w, 60998, 6), 5);
    assert_int_equal(tick(&w, 60999, 6), 6);
    assert_int_equal(tick(&w, 900000, 6), 6);
    horizon_finish(&w.h);
}

/* A floor never passes what was new a window ago, however often the revision moves. */
static void never_too_close(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 3000);
    int64_t floor = 0;
    for (int64_t t = 1000; t < 40000; t += 3) {
        floor = tick(&w, t, t / 2);
        assert_true(floor <= (t - 3000) / 2 || floor == 0);
        assert_true(t < 4100 || floor >= (t - 3000) / 2 - 50);
    }
    /* A long pause, as when the machine slept. */
    floor = tick(&w, 5000000, 20001);
    assert_true(floor > 19990 && floor < 20001);
    horizon_finish(&w.h);
}

static void a_hold_in_the_way(void **state)
{
    (void)state;
    struct world w;
    struct store_hold *a;
    begin(&w, 30000);
    tick(&w, 1000, 1);
    tick(&w, 2000, 8);
    assert_int_equal(horizon_hold(&w.h, NULL, 3, &w.present, &a, NULL, NULL), 0);
    assert_int_equal(tick(&w, 50000, 8), 3);
    assert_int_equal(tick(&w, 60000, 8), 3);
    horizon_release(&w.h, a);
    assert_int_equal(tick(&w, 60200, 8), 8);
    horizon_finish(&w.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raising),           cmocka_unit_test(holding),
        cmocka_unit_test(following),         cmocka_unit_test(never_too_close),
        cmocka_unit_test(a_hold_in_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
