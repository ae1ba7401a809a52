/* SPDX-License-Identifier: Apache-2.0 */
/* Many writers of one object, and the end of an engine that has writes under way. */
#include "tests/unit/resources/engine_world.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 50 };

/* Reads, adds one and replaces, again after each conflict. */
static void *increment_by_update(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct arena mine;
        arena_init(&mine, 0);
        int code;
        do {
            yyjson_mut_val *o = fixture_do(&f, &mine, VERB_GET, widgets, "ns", "a", NULL, NULL);
            char body[256];
            snprintf(body, sizeof(body),
                     "{'apiVersion':'example.com/"
                     "v1','kind':'Widget','metadata':{'name':'a','resourceVersion':'%lld'},'spec':{"
                     "'size':%lld}}",
                     (long long)rv_of(o),
                     (long long)json_get_int(json_get(o, "spec"), "size", 0) + 1);
            fixture_do(&f, &mine, VERB_UPDATE, widgets, "ns", "a", body, &code);
            assert_true(code == 0 || code == ERR_CONFLICT);
        } while (code);
        arena_finish(&mine);
    }
    return NULL;
}

/* Adds to the end of the note by patches that touch only a label of this thread's own: none may be
 * lost. */
static void *patch_label(void *arg)
{
    long n = (long)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct arena mine;
        arena_init(&mine, 0);
        char body[128];
        snprintf(body, sizeof(body), "{'metadata':{'labels':{'l%ld-%d':'x'}}}", n, i);
        fixture_do(&f, &mine, VERB_PATCH, widgets, "ns", "a", body, NULL);
        arena_finish(&mine);
    }
    return NULL;
}

static void run_threads(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, fn, (void *)(intptr_t)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
}

static void test_race_update(void **state)
{
    (void)state;
    make_widget("a", "{'size':0}");
    run_threads(increment_by_update);
    yyjson_mut_val *o = widget(VERB_GET, "a", NULL, NULL);
    assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), THREADS * ROUNDS);
    assert_int_equal(json_get_int(json_get(o, "metadata"), "generation", 0), THREADS * ROUNDS + 1);
}

static void test_race_patch(void **state)
{
    (void)state;
    make_widget("a", "{'size':0}");
    run_threads(patch_label);
    yyjson_mut_val *o = widget(VERB_GET, "a", NULL, NULL);
    assert_int_equal(yyjson_mut_obj_size(json_path(o, "metadata", "labels", NULL)),
                     THREADS * ROUNDS);
}

struct flood {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int left, failed;
};

static void flood_done(struct op *op, void *arg)
{
    struct flood *fl = arg;
    pthread_mutex_lock(&fl->lock);
    fl->left--;
    fl->failed += op->code != 0;
    pthread_cond_signal(&fl->cond);
    pthread_mutex_unlock(&fl->lock);
    op_unref(op);
}

/* Many patches of one object in flight at once, none with a thread of its own. */
static void test_race_async(void **state)
{
    (void)state;
    make_widget("a", "{'size':0}");
    struct flood fl = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .left = 300};
    for (int i = 0; i < 300; i++) {
        struct op *op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
        char body[128];
        snprintf(body, sizeof(body), "{'metadata':{'labels':{'l%d':'x'}}}", i);
        fixture_body(op, body);
        op->patch = PATCH_MERGE;
        op->done = flood_done;
        op->done_arg = &fl;
        if (i % 2) {
            engine_start(f.engine, op);
        } else {
            engine_start_on_pool(f.engine, op);
        }
    }
    pthread_mutex_lock(&fl.lock);
    while (fl.left) {
        pthread_cond_wait(&fl.cond, &fl.lock);
    }
    pthread_mutex_unlock(&fl.lock);
    assert_int_equal(fl.failed, 0);
    yyjson_mut_val *o = widget(VERB_GET, "a", NULL, NULL);
    assert_int_equal(yyjson_mut_obj_size(json_path(o, "metadata", "labels", NULL)), 300);
}

static void count_landed(struct op *op, void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    op_unref(op);
}

/* An engine is not destroyed under its operations: all of them end first. */
static void test_destroy_drains(void **state)
{
    (void)state;
    _Atomic int landed = 0;
    for (int i = 0; i < 200; i++) {
        char body[128];
        snprintf(body, sizeof(body), "{'metadata':{'name':'n%d'}}", i % 50);
        struct op *op = fixture_op(&f, VERB_CREATE, notes, "ns", NULL);
        fixture_body(op, body);
        op->done = count_landed;
        op->done_arg = &landed;
        if (i % 2) {
            engine_start_on_pool(f.engine, op);
        } else {
            engine_start(f.engine, op);
        }
    }
    struct op *op = fixture_op(&f, VERB_DELETECOLLECTION, notes, "ns", NULL);
    op->done = count_landed;
    op->done_arg = &landed;
    engine_start_on_pool(f.engine, op);
    engine_destroy(f.engine);
    f.engine = NULL;
    assert_int_equal(atomic_load(&landed), 201);
}

/* Of many creates of one name one wins. */
static void *create_same(void *arg)
{
    struct flood *fl = arg;
    struct arena mine;
    arena_init(&mine, 0);
    for (int i = 0; i < ROUNDS; i++) {
        char body[128];
        snprintf(body, sizeof(body), "{'metadata':{'name':'n%d'}}", i);
        int code;
        fixture_do(&f, &mine, VERB_CREATE, notes, "ns", NULL, body, &code);
        assert_true(code == 0 || code == ERR_EXISTS);
        if (!code) {
            pthread_mutex_lock(&fl->lock);
            fl->left++;
            pthread_mutex_unlock(&fl->lock);
        }
    }
    arena_finish(&mine);
    return NULL;
}

static void test_race_create(void **state)
{
    (void)state;
    struct flood fl = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&t[i], NULL, create_same, &fl);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    assert_int_equal(fl.left, ROUNDS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_race_update),    TEST(test_race_patch),  TEST(test_race_async),
        TEST(test_destroy_drains), TEST(test_race_create),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
