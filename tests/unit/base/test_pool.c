/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"

struct count_task {
    struct pool_task task;
    _Atomic int *count;
    int expect; /* the count it must find; -1: any */
    bool *in_order;
};

static void run_count(struct pool_task *t)
{
    struct count_task *c = (struct count_task *)t;
    int was = atomic_fetch_add(c->count, 1);
    if (c->expect >= 0 && was != c->expect) {
        *c->in_order = false;
    }
    free(c);
}

static struct pool_task *count_task(_Atomic int *count, int expect, bool *in_order)
{
    struct count_task *c = ALLOC(struct count_task);
    *c = (struct count_task){
        .task.run = run_count, .count = count, .expect = expect, .in_order = in_order};
    return &c->task;
}

static void test_runs_in_order(void **state)
{
    (void)state;
    _Atomic int count = 0;
    bool in_order = true;
    struct pool *p = pool_create(1, "one");
    for (int i = 0; i < 1000; i++) {
        assert_true(pool_submit(p, count_task(&count, i, &in_order), false));
    }
    pool_destroy(p);
    assert_int_equal(count, 1000);
    assert_true(in_order);
}

static void test_many_threads(void **state)
{
    (void)state;
    _Atomic int count = 0;
    struct pool *p = pool_create(4, "a name that is longer than Linux takes");
    for (int i = 0; i < 10000; i++) {
        assert_true(pool_submit(p, count_task(&count, -1, NULL), i % 2));
    }
    pool_destroy(p);
    assert_int_equal(count, 10000);
    pool_destroy(NULL);
}

/* A task that waits until it is let go. */
struct gate {
    struct pool_task task;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool entered, open;
    struct pool *pool;
    struct pool_task *then; /* queued on leaving */
    bool then_ok;
};

static void run_gate(struct pool_task *t)
{
    struct gate *g = (struct gate *)t;
    pthread_mutex_lock(&g->lock);
    g->entered = true;
    pthread_cond_broadcast(&g->cond);
    while (!g->open) {
        pthread_cond_wait(&g->cond, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    if (g->then) {
        g->then_ok = pool_submit(g->pool, g->then, true);
    }
}

static void gate_enter(struct gate *g, struct pool *p)
{
    g->task.run = run_gate;
    g->pool = p;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->cond, NULL);
    assert_true(pool_submit(p, &g->task, false));
    pthread_mutex_lock(&g->lock);
    while (!g->entered) {
        pthread_cond_wait(&g->cond, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

static void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

static void test_full(void **state)
{
    (void)state;
    _Atomic int count = 0;
    struct pool *p = pool_create(1, "full");
    struct gate g = {0};
    gate_enter(&g, p);
    for (int i = 0; i < LIMIT_POOL_QUEUE; i++) {
        assert_true(pool_submit(p, count_task(&count, -1, NULL), false));
    }
    struct pool_task *late = count_task(&count, -1, NULL);
    assert_false(pool_submit(p, late, false));
    assert_int_equal(pool_queued(p), LIMIT_POOL_QUEUE);
    assert_true(pool_submit(p, late, true));
    gate_open(&g);
    pool_destroy(p);
    assert_int_equal(count, LIMIT_POOL_QUEUE + 1);
}

static void *destroy(void *p)
{
    pool_destroy(p);
    return NULL;
}

static void test_running_task_may_queue_while_stopping(void **state)
{
    (void)state;
    _Atomic int count = 0;
    struct pool *p = pool_create(2, "stop");
    struct gate g = {.then = count_task(&count, -1, NULL)};
    gate_enter(&g, p);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, destroy, p), 0);
    /* From here on plain tasks are refused sooner or later. */
    struct pool_task *probe = count_task(&count, -1, NULL);
    int probes = 0;
    while (pool_submit(p, probe, false)) {
        probe = count_task(&count, -1, NULL);
        probes++;
        sched_yield();
    }
    free(probe);
    gate_open(&g);
    pthread_join(t, NULL);
    assert_true(g.then_ok);
    assert_int_equal(count, probes + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_in_order),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_running_task_may_queue_while_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
