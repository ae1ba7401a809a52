/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing that is watched is lost or seen twice: rings that overflow, small reads, writers and
 * readers at once. */
#include "tests/unit/resources/watch_view.h"

#include <pthread.h>
#include <unistd.h>

/* The ring gives way long before the watcher reads: it goes on from the log. */
static void test_overflow(void **state)
{
    (void)state;
    engine_watches(f.engine)->bytes_max = 20000;
    struct view v, idle;
    view_open(&v, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    view_open(&idle, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    char name[16];
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        make(notes, "ns", name, "},'data':{'k':'some words so that it weighs something'}");
        if (i % 7 == 0) {
            watch_group_ready(idle.group, on_each, &idle);
        }
        struct watch_stats s;
        watch_stats(engine_watches(f.engine), &s);
        assert_true(s.ring_bytes < 80000);
    }
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        expect(&v, "ADDED", name);
        expect(&idle, "ADDED", name);
    }
    expect_none(&v);
    struct watch_stats s;
    watch_stats(engine_watches(f.engine), &s);
    assert_true(s.behind >= 2);
    assert_true(s.events_sent >= 1200);
    make(notes, "ns", "z", "}");
    expect(&v, "ADDED", "z");
    view_close(&v);
    view_close(&idle);
    watch_stats(engine_watches(f.engine), &s);
    assert_int_equal(s.watchers, 0);
}

/* Small reads stop at the ends of revisions and lose nothing. */
static void test_small_reads(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        make(notes, "ns", name, "}");
    }
    watch_group_ready(v.group, on_each, &v);
    enum watch_state st;
    int reads = 0;
    while ((st = watch_read(v.watcher, 1, on_line, &v)) == WATCH_MORE) {
        reads++;
    }
    assert_int_equal(st, WATCH_IDLE);
    assert_int_equal(v.n, 20);
    assert_int_equal(reads, 19);
    view_close(&v);
}

/* A ring that everybody has read holds next to nothing. */
static void test_ring_let_go(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    char name[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "n%04d", i);
        make(notes, "ns", name, "}");
        view_read(&v);
    }
    struct watch_stats s;
    watch_stats(engine_watches(f.engine), &s);
    assert_true(s.ring_bytes < 100000);
    assert_int_equal(v.n, 2000);
    view_close(&v);
    make(notes, "ns", "after", "}");
    watch_stats(engine_watches(f.engine), &s);
    assert_int_equal(s.ring_bytes, 0);
}

enum { WRITERS = 4, WRITES = 150, READERS = 3 };

struct writer {
    int id;
};

static void *write_much(void *arg)
{
    int id = ((struct writer *)arg)->id;
    struct arena mine;
    arena_init(&mine, 0);
    char name[16], body[160];
    snprintf(name, sizeof(name), "w%d", id);
    for (int i = 0; i < WRITES; i++) {
        if (i % 10 == 0) {
            snprintf(body, sizeof(body),
                     "{'metadata':{'name':'%s','labels':{'n':'%d'}},'data':{'i':'%d'}}", name,
                     i % 2, i);
            fixture_do(&f, &mine, VERB_CREATE, notes, "ns", NULL, body, NULL);
        } else if (i % 10 == 9) {
            fixture_do(&f, &mine, VERB_DELETE, notes, "ns", name, NULL, NULL);
        } else {
            snprintf(body, sizeof(body), "{'metadata':{'labels':{'n':'%d'}},'data':{'i':'%d'}}",
                     i % 2, i);
            fixture_do(&f, &mine, VERB_PATCH, notes, "ns", name, body, NULL);
        }
    }
    arena_finish(&mine);
    return NULL;
}

struct reader {
    struct view v;
    _Atomic bool *stop;
    bool selective;
    int events[WRITERS];
    int64_t last_rev;
};

/* Every event of every object once, in order: data.i counts up, ADDED and DELETED stand where they
 * belong. */
static void check_event(struct reader *r, struct blob *line)
{
    struct arena mine;
    arena_init(&mine, 0);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read_own(&mine, blob_str(line), &d, NULL), 0);
    yyjson_mut_val *e = yyjson_mut_doc_get_root(d), *o = json_get(e, "object");
    int id = text_at(o, "metadata", "name").ptr[1] - '0';
    int i = (int)strtol(text_at(o, "data", "i").ptr, NULL, 10), n = r->events[id]++;
    assert_true(rv_of(o) > r->last_rev);
    r->last_rev = rv_of(o);
    struct str type = json_get_str(e, "type");
    int step = n % 10;
    if (step == 9) {
        assert_str(type, "DELETED");
        assert_int_equal(i, n - 1);
    } else {
        assert_str(type, step == 0 ? "ADDED" : "MODIFIED");
        assert_int_equal(i, n);
    }
    arena_finish(&mine);
}

static void *read_all(void *arg)
{
    struct reader *r = arg;
    struct view *v = &r->v;
    struct op *op = watch_op(notes, "ns", store_revision(f.store));
    view_open(v, op, &as_object);
    bool last = false;
    for (;;) {
        last = atomic_load(r->stop);
        if (atomic_exchange(&v->wakes, 0) || last) {
            view_read(v);
            for (; v->at < v->n; v->at++) {
                check_event(r, v->lines[v->at]);
            }
        } else {
            usleep(200);
        }
        if (last) {
            break;
        }
    }
    view_close(v);
    return NULL;
}

static void test_concurrent(void **state)
{
    (void)state;
    engine_watches(f.engine)->bytes_max = 60000; /* so that the log is needed too */
    _Atomic bool stop = false;
    struct reader *readers = alloc_zero(READERS * sizeof(*readers));
    pthread_t rt[READERS], wt[WRITERS];
    struct writer w[WRITERS];
    for (int i = 0; i < READERS; i++) {
        readers[i].stop = &stop;
        pthread_create(&rt[i], NULL, read_all, &readers[i]);
    }
    struct watch_stats s;
    do {
        usleep(1000);
        watch_stats(engine_watches(f.engine), &s);
    } while (s.watchers < READERS);
    for (int i = 0; i < WRITERS; i++) {
        w[i].id = i;
        pthread_create(&wt[i], NULL, write_much, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(wt[i], NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(rt[i], NULL);
        for (int k = 0; k < WRITERS; k++) {
            assert_int_equal(readers[i].events[k], WRITES);
        }
    }
    free(readers);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_overflow),
        TEST(test_small_reads),
        TEST(test_ring_let_go),
        TEST(test_concurrent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
