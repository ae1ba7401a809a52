/* SPDX-License-Identifier: Apache-2.0 */
/* Background services: which run, run again, and end in which order. */
#include "tests/unit/services/live.h"

#include <pthread.h>
#include <stdatomic.h>

struct work {
    struct service_stop *stop;
    _Atomic int runs, ended, told;
    _Atomic int *order; /* counts the ends */
    int fail_first;     /* runs that fail at once */
};

static void tell(void *arg)
{
    struct work *k = arg;
    atomic_fetch_add(&k->told, 1);
}

static int run(void *self, struct service_stop *stop, struct err *err)
{
    struct work *k = self;
    if (atomic_fetch_add(&k->runs, 1) < k->fail_first) {
        service_on_stop(stop, tell, k); /* left behind */
        return err_set(err, ERR_IO, "not yet");
    }
    service_wait(stop, -1);
    assert_true(service_stopping(stop));
    k->ended = atomic_fetch_add(k->order, 1) + 1;
    return 0;
}

static void test_order(void **state)
{
    (void)state;
    char *disabled[] = {alloc_strdup("two")};
    struct config c = {.disabled = {.items = disabled, .n = 1}};
    _Atomic int order = 0;
    struct work k[3] = {{.order = &order}, {.order = &order}, {.order = &order}};
    const struct background table[] = {
        {"one", run, &k[0]}, {"two", run, &k[1]}, {"a name longer than threads take", run, &k[2]}};
    struct supervisor *s = supervisor_start(&c, table, 3);
    EVENTUALLY(k[0].runs == 1 && k[2].runs == 1);
    supervisor_stop(s);
    assert_int_equal(k[1].runs, 0);
    assert_int_equal(k[2].ended, 1);
    assert_int_equal(k[0].ended, 2);
    assert_int_equal(k[0].runs, 1);
    supervisor_stop(NULL);
    free(disabled[0]);
}

static void test_again(void **state)
{
    (void)state;
    struct config c = {0};
    _Atomic int order = 0;
    struct work k = {.order = &order, .fail_first = 2};
    const struct background table[] = {{"one", run, &k}};
    int64_t begun = clock_mono_ms();
    log_setup(LOG_ERROR, LOG_TEXT, -1);
    struct supervisor *s = supervisor_start(&c, table, 1);
    EVENTUALLY(k.runs == 3);
    assert_true(clock_mono_ms() - begun >= 2900); /* after one second and then two */
    supervisor_stop(s);
    assert_int_equal(k.ended, 1);
    assert_int_equal(k.told, 0); /* what failed runs had asked for is forgotten */
    k = (struct work){.order = &order, .fail_first = 100};
    begun = clock_mono_ms();
    s = supervisor_start(&c, table, 1);
    EVENTUALLY(k.runs == 1);
    supervisor_stop(s); /* does not sit the back-off out */
    assert_true(clock_mono_ms() - begun < 900);
}

/* Asks to be told of the stop again and again, while the stop comes. */
static int run_asking(void *self, struct service_stop *stop, struct err *err)
{
    struct work *k = self;
    (void)err;
    while (!service_stopping(stop)) {
        k->runs++;
        service_on_stop(stop, tell, k);
        service_on_stop(stop, NULL, NULL);
    }
    int before = k->told;
    service_on_stop(stop, tell, k); /* too late: at once */
    assert_int_equal(k->told, before + 1);
    return 0;
}

static void test_on_stop(void **state)
{
    (void)state;
    struct config c = {0};
    for (int i = 0; i < 200; i++) {
        struct work k = {0};
        const struct background table[] = {{"one", run_asking, &k}};
        struct supervisor *s = supervisor_start(&c, table, 1);
        while (!k.runs) {
            live_sleep(0);
        }
        supervisor_stop(s);
        assert_true(k.told >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_on_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
