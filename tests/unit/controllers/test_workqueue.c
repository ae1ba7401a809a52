/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/workqueue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Gives the next key, asserts that it is the wanted one, and ends the work on it. */
static void assert_next(struct workqueue *q, const char *wanted)
{
    AUTO_FREE char *key = workqueue_get(q);
    assert_non_null(key);
    assert_string_equal(key, wanted);
    workqueue_done(q, str_from(key));
}

/* How long the next key is waited for, in ms. */
static int64_t timed_next(struct workqueue *q, const char *wanted)
{
    int64_t begun = clock_mono_ms();
    assert_next(q, wanted);
    return clock_mono_ms() - begun;
}

static void test_in_order_and_once(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    workqueue_add(q, STR("b"));
    workqueue_add(q, STR("a"));
    workqueue_add(q, STR("b"));
    workqueue_add(q, STR("c"));
    workqueue_add(q, STR("a"));
    assert_int_equal(workqueue_depth(q), 3);
    assert_next(q, "b");
    assert_next(q, "a");
    assert_next(q, "c");
    assert_int_equal(workqueue_depth(q), 0);
    workqueue_add(q, STR("b"));
    assert_int_equal(workqueue_depth(q), 1);
    assert_next(q, "b");
    workqueue_destroy(q);
}

static void test_keys_are_copied_whole(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    char text[] = "ns/name and more";
    workqueue_add(q, str_make(text, 7));
    workqueue_add(q, STR("ns/nam"));
    workqueue_add(q, STR(""));
    memset(text, '?', sizeof(text) - 1);
    assert_next(q, "ns/name");
    assert_next(q, "ns/nam");
    assert_next(q, "");
    workqueue_destroy(q);
}

static void test_added_in_work_comes_again_after(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    workqueue_add(q, STR("k"));
    AUTO_FREE char *key = workqueue_get(q);
    workqueue_add(q, STR("k"));
    workqueue_add(q, STR("k"));
    workqueue_add(q, STR("other"));
    assert_int_equal(workqueue_depth(q), 1); /* "k" waits for its end, not in the list */
    assert_next(q, "other");
    workqueue_done(q, str_from(key));
    assert_int_equal(workqueue_depth(q), 1);
    assert_next(q, "k");
    assert_int_equal(workqueue_depth(q), 0);
    workqueue_done(q, STR("k")); /* nothing is in work: no harm */
    workqueue_done(q, STR("absent"));
    workqueue_forget(q, STR("absent"));
    assert_int_equal(workqueue_depth(q), 0);
    workqueue_destroy(q);
}

static void test_delays_come_in_order_of_time(void **state)
{
    (void)state;
    static const int ms[] = {90, 30, 150, 10, 60, 120, 45, 75};
    struct workqueue *q = workqueue_create();
    char key[16];
    int last = 0;
    for (size_t i = 0; i < sizeof(ms) / sizeof(*ms); i++) {
        snprintf(key, sizeof(key), "%d", ms[i]);
        workqueue_add_after(q, str_from(key), ms[i]);
    }
    assert_int_equal(workqueue_depth(q), 0);
    int64_t begun = clock_mono_ms();
    for (size_t i = 0; i < sizeof(ms) / sizeof(*ms); i++) {
        AUTO_FREE char *got = workqueue_get(q);
        int due = (int)strtol(got, NULL, 10);
        assert_true(due > last);
        assert_true(clock_mono_ms() - begun >= due - 1); /* both ends are cut to ms */
        last = due;
        workqueue_done(q, str_from(got));
    }
    workqueue_destroy(q);
}

static void test_earlier_time_wins(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    workqueue_add_after(q, STR("k"), 60000);
    workqueue_add_after(q, STR("k"), 20);
    workqueue_add_after(q, STR("k"), 30000);
    assert_true(timed_next(q, "k") < 5000);
    /* The later ones are gone with it. */
    workqueue_add_after(q, STR("end"), 40);
    assert_next(q, "end");
    /* Added at once, a delayed key does not come a second time. */
    workqueue_add_after(q, STR("k"), 20);
    workqueue_add(q, STR("k"));
    assert_true(timed_next(q, "k") < 15);
    workqueue_add_after(q, STR("end"), 60);
    assert_next(q, "end");
    /* Nor is a key that waits already delayed. */
    workqueue_add(q, STR("k"));
    workqueue_add_after(q, STR("k"), 10);
    assert_next(q, "k");
    workqueue_add_after(q, STR("end"), 40);
    assert_next(q, "end");
    /* No time is at once. */
    workqueue_add_after(q, STR("k"), 0);
    workqueue_add_after(q, STR("j"), -5);
    assert_int_equal(workqueue_depth(q), 2);
    workqueue_destroy(q);
}

static void test_delayed_in_work(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    workqueue_add(q, STR("k"));
    AUTO_FREE char *key = workqueue_get(q);
    workqueue_add_after(q, STR("k"), 5);
    workqueue_add_after(q, STR("end"), 40);
    assert_next(q, "end"); /* "k" is due, but still in work */
    workqueue_done(q, str_from(key));
    assert_next(q, "k");
    workqueue_destroy(q);
}

static void test_backoff_doubles_until_forgotten(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    int late = 0;
    for (int64_t least = 5; least <= 640; least *= 2) {
        workqueue_add_failed(q, STR("k"));
        int64_t took = timed_next(q, "k");
        assert_true(took >= least - 1);
        late += took >= least + 250;
    }
    assert_in_range(late, 0, 4);           /* a machine under load may be late at times */
    workqueue_add_failed(q, STR("other")); /* failures are a key's own */
    assert_true(timed_next(q, "other") < 1280);
    workqueue_forget(q, STR("k"));
    workqueue_add_failed(q, STR("k"));
    assert_true(timed_next(q, "k") < 1280);
    workqueue_destroy(q);
}

static void test_backoff_has_an_end(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    for (int i = 0; i < 200; i++) { /* 5 ms * 2^200 fits nowhere */
        workqueue_add_failed(q, STR("k"));
    }
    /* The first of them is still the earliest. */
    assert_true(timed_next(q, "k") < 250);
    workqueue_add_failed(q, STR("k"));
    assert_int_equal(workqueue_depth(q), 0);
    workqueue_add(q, STR("k")); /* an event does not wait for the back-off */
    assert_next(q, "k");
    workqueue_destroy(q);
}

/* ---- threads ---- */

enum { WORKERS = 8, KEYS = 20, ADDS = 4000 };

struct crowd {
    struct workqueue *q;
    _Atomic int in_work[KEYS], seen[KEYS], wanted[KEYS];
    _Atomic bool twice;
    _Atomic int done;
};

static void *crowd_worker(void *arg)
{
    struct crowd *c = arg;
    char *key;
    while ((key = workqueue_get(c->q)) != NULL) {
        long k = strtol(key, NULL, 10);
        if (atomic_fetch_add(&c->in_work[k], 1) != 0) {
            c->twice = true;
        }
        c->seen[k] = c->wanted[k]; /* what a reconcile would read of the world */
        if (k % 4 == 0) {
            usleep(50);
        }
        atomic_fetch_sub(&c->in_work[k], 1);
        if (k % 5 == 1 && atomic_fetch_add(&c->done, 1) % 3 == 0) {
            workqueue_add_failed(c->q, str_from(key));
        } else {
            workqueue_forget(c->q, str_from(key));
        }
        workqueue_done(c->q, str_from(key));
        free(key);
    }
    return NULL;
}

static void *crowd_adder(void *arg)
{
    struct crowd *c = arg;
    char key[16];
    unsigned seed = (unsigned)(uintptr_t)&key;
    for (int i = 0; i < ADDS; i++) {
        int k = rand_r(&seed) % KEYS;
        snprintf(key, sizeof(key), "%d", k);
        atomic_fetch_add(&c->wanted[k], 1);
        if (i % 7 == 0) {
            workqueue_add_after(c->q, str_from(key), i % 4);
        } else {
            workqueue_add(c->q, str_from(key));
        }
    }
    return NULL;
}

static bool all_seen(struct crowd *c)
{
    for (int k = 0; k < KEYS; k++) {
        if (c->seen[k] != c->wanted[k]) {
            return false;
        }
    }
    return true;
}

static void test_never_one_key_twice_at_once(void **state)
{
    (void)state;
    struct crowd c = {.q = workqueue_create()};
    pthread_t workers[WORKERS], adders[2];
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&workers[i], NULL, crowd_worker, &c), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&adders[i], NULL, crowd_adder, &c), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(adders[i], NULL);
    }
    /* No addition is lost: each key is worked on after its last one. */
    for (int i = 0; i < 60000 && !all_seen(&c); i++) {
        usleep(1000);
    }
    assert_true(all_seen(&c));
    workqueue_stop(c.q);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    assert_false(c.twice);
    workqueue_destroy(c.q);
}

static void *wait_for_stop(void *arg)
{
    return workqueue_get(arg);
}

static void test_stop(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    pthread_t waiting[4];
    workqueue_add_after(q, STR("later"), 60000);
    workqueue_add_failed(q, STR("k"));
    assert_next(q, "k");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&waiting[i], NULL, wait_for_stop, q), 0);
    }
    usleep(10000);
    int64_t begun = clock_mono_ms();
    workqueue_stop(q);
    for (int i = 0; i < 4; i++) {
        void *got = q;
        pthread_join(waiting[i], &got);
        assert_null(got);
    }
    assert_true(clock_mono_ms() - begun < 50000);
    /* Nothing comes in or out any more. */
    workqueue_add(q, STR("x"));
    workqueue_add_after(q, STR("x"), 1);
    workqueue_add_failed(q, STR("x"));
    assert_null(workqueue_get(q));
    assert_int_equal(workqueue_depth(q), 0);
    workqueue_destroy(q);
}

static void test_stop_keeps_what_waits(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_create();
    workqueue_add(q, STR("working"));
    AUTO_FREE char *key = workqueue_get(q);
    workqueue_add(q, STR("working"));
    workqueue_add(q, STR("waiting"));
    workqueue_stop(q);
    workqueue_stop(q);
    assert_null(workqueue_get(q));
    workqueue_done(q, str_from(key));
    assert_null(workqueue_get(q));
    workqueue_destroy(q);
    workqueue_destroy(NULL);
}

static void assert_has(struct metrics *m, const char *line)
{
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(m, &b);
    buf_addc(&b, 0);
    if (!strstr(b.ptr, line)) {
        fail_msg("%s is not in\n%s", line, b.ptr);
    }
}

/* client-go's numbers: an add while the key waits is none, a wait begins with the add. */
static void test_measured(void **state)
{
    (void)state;
    struct metrics *m = metrics_create();
    struct workqueue *q = workqueue_create();
    workqueue_measure(q, m, "q");
    workqueue_add(q, STR("a"));
    workqueue_add(q, STR("a"));
    workqueue_add(q, STR("b"));
    assert_has(m, "workqueue_depth{name=\"q\"} 2\n");
    assert_has(m, "workqueue_adds_total{name=\"q\"} 2\n");
    assert_has(m, "workqueue_longest_running_processor_seconds{name=\"q\"} 0\n");
    AUTO_FREE char *a = workqueue_get(q), *b = workqueue_get(q);
    usleep(30000);
    AUTO(buf_finish) struct buf text = {0};
    metrics_write(m, &text);
    buf_addc(&text, 0);
    const char *longest =
                   strstr(text.ptr, "workqueue_longest_running_processor_seconds{name=\"q\"} "),
               *unfinished = strstr(text.ptr, "workqueue_unfinished_work_seconds{name=\"q\"} ");
    assert_non_null(longest);
    assert_non_null(unfinished);
    double l = strtod(strchr(longest, ' '), NULL), u = strtod(strchr(unfinished, ' '), NULL);
    assert_true(l >= 0.03 && l < 10);
    assert_true(u >= 0.06 && u >= l && u < 20);
    workqueue_done(q, str_from(a));
    workqueue_add_failed(q, str_from(b));
    workqueue_done(q, str_from(b));
    workqueue_done(q, str_from(b)); /* not in work: nothing happens */
    assert_has(m, "workqueue_unfinished_work_seconds{name=\"q\"} 0\n");
    assert_has(m, "workqueue_retries_total{name=\"q\"} 1\n");
    assert_has(m, "workqueue_queue_duration_seconds_count{name=\"q\"} 2\n");
    assert_has(m, "workqueue_work_duration_seconds_count{name=\"q\"} 2\n");
    assert_has(m, "workqueue_work_duration_seconds_bucket{name=\"q\",le=\"0.01\"} 0\n");
    workqueue_destroy(q);
    q = workqueue_create(); /* what replaces it goes on with the counters */
    workqueue_measure(q, m, "q");
    assert_has(m, "workqueue_depth{name=\"q\"} 0\n");
    assert_has(m, "workqueue_adds_total{name=\"q\"} 2\n");
    workqueue_destroy(q);
    metrics_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_and_once),
        cmocka_unit_test(test_keys_are_copied_whole),
        cmocka_unit_test(test_added_in_work_comes_again_after),
        cmocka_unit_test(test_delays_come_in_order_of_time),
        cmocka_unit_test(test_earlier_time_wins),
        cmocka_unit_test(test_delayed_in_work),
        cmocka_unit_test(test_backoff_doubles_until_forgotten),
        cmocka_unit_test(test_backoff_has_an_end),
        cmocka_unit_test(test_never_one_key_twice_at_once),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_measured),
        cmocka_unit_test(test_stop_keeps_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
