/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/manager.h"

#include <stdatomic.h>

#include "fake_client.h"

static const struct controller_watch widgets[] = {
    {.group = {"example.com", 11}, .version = {"v1", 2}, .resource = {"widgets", 7}}};

/* What the reconcile functions are told to do, and what they did. */
struct world {
    struct fake *f;
    struct notes notes; /* "ns/name" a call */
    _Atomic int code, fail_times, running, most_at_once, calls;
    _Atomic int64_t again_ms, work_ms;
    _Atomic bool twice;
    _Atomic int in_work[10]; /* by the last digit of the name */
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    w->f = fake_create();
    notes_init(&w->notes);
}

static void end(struct world *w, struct manager *m)
{
    manager_destroy(m);
    fake_destroy(w->f);
    notes_finish(&w->notes);
}

static int reconcile(struct reconcile *r, struct err *err)
{
    struct world *w = r->self;
    int running = atomic_fetch_add(&w->running, 1) + 1, most = w->most_at_once;
    while (running > most && !atomic_compare_exchange_weak(&w->most_at_once, &most, running)) {
    }
    int digit =
        r->name.len && r->name.ptr[r->name.len - 1] >= '0' && r->name.ptr[r->name.len - 1] <= '9'
            ? r->name.ptr[r->name.len - 1] - '0'
            : 0;
    if (atomic_fetch_add(&w->in_work[digit], 1) != 0) {
        w->twice = true;
    }
    if (w->work_ms) {
        usleep((unsigned)w->work_ms * 1000);
    }
    atomic_fetch_sub(&w->in_work[digit], 1);
    atomic_fetch_add(&w->calls, 1);
    notes_add(&w->notes, alloc_printf("%.*s/%.*s", STR_FMT(r->ns), STR_FMT(r->name)));
    atomic_fetch_sub(&w->running, 1);
    r->again_ms = w->again_ms;
    if (w->fail_times && atomic_fetch_sub(&w->fail_times, 1) > 0) {
        return err_set(err, w->code, "it fails");
    }
    return 0;
}

static struct manager *start(struct world *w, const struct controller *c, size_t n,
                             struct metrics *metrics)
{
    struct manager *m = manager_create(&w->f->c, metrics);
    for (size_t i = 0; i < n; i++) {
        manager_add(m, &c[i]);
    }
    manager_start(m);
    return m;
}

static void test_keys_of_objects(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    fake_put(w.f, "a", "x", "");
    fake_put(w.f, "", "cluster", "");
    struct manager *m = start(&w, &c, 1, NULL);
    notes_wait(&w.notes, "a/x", 1);
    notes_wait(&w.notes, "/cluster", 1);
    FAKE_WAIT(w.f, n_open, 1);
    fake_put(w.f, "a", "y", "");
    notes_wait(&w.notes, "a/y", 1);
    fake_remove(w.f, "a", "x");
    notes_wait(&w.notes, "a/x", 2);
    manager_enqueue(m, "c", STR("by"), STR("hand"));
    notes_wait(&w.notes, "by/hand", 1);
    manager_enqueue(m, "nobody", STR("by"), STR("hand"));
    usleep(20000);
    assert_int_equal(notes_count(&w.notes, NULL), 5);
    end(&w, m);
}

/* Enqueues the key that the object's spec.v names. */
static void map(void *self, const struct informer_event *e, struct controller_queue *q)
{
    (void)self;
    struct str v = json_str(json_path(e->obj, "spec", "v", NULL));
    if (v.ptr) {
        controller_enqueue(q, e->ns, v);
    }
}

static void test_mapping_and_shared_informers(void **state)
{
    (void)state;
    struct world w, other;
    begin(&w);
    begin(&other);
    struct controller_watch mapped = widgets[0], same = widgets[0], another_version = widgets[0];
    mapped.map = map;
    another_version.version = STR("v2");
    const struct controller_watch both[] = {same, another_version};
    const struct controller c[] = {
        {.name = "own", .watches = both, .n_watches = 2, .reconcile = reconcile, .self = &w},
        {.name = "mapped",
         .watches = &mapped,
         .n_watches = 1,
         .reconcile = reconcile,
         .self = &other},
    };
    fake_put(w.f, "a", "x", ",\"spec\":{\"v\":\"target\"}");
    fake_put(w.f, "a", "y", "");
    struct manager *m = manager_create(&w.f->c, NULL);
    manager_add(m, &c[0]);
    manager_add(m, &c[1]);
    assert_ptr_equal(manager_informer(m, &mapped), manager_informer(m, &same));
    assert_ptr_not_equal(manager_informer(m, &another_version), manager_informer(m, &same));
    manager_start(m);
    notes_wait(&w.notes, "a/x", 1);
    notes_wait(&w.notes, "a/y", 1);
    notes_wait(&other.notes, "a/target", 1);
    FAKE_WAIT(w.f, n_open, 2);
    assert_int_equal(fake_count(w.f, &w.f->n_lists),
                     2); /* one a type and version, not one a controller */
    assert_int_equal(notes_count(&other.notes, NULL), 1);
    end(&w, m);
    end(&other, NULL);
}

static void test_nothing_runs_before_the_lists(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    w.f->list_code = ERR_IO;
    struct manager *m = start(&w, &c, 1, NULL);
    manager_enqueue(m, "c", STR("a"), STR("early"));
    FAKE_WAIT(w.f, n_lists, 2);
    assert_int_equal(w.calls, 0);
    fake_set(w.f, &w.f->list_code, 0);
    notes_wait(&w.notes, "a/early", 1);
    end(&w, m);
}

static void test_failures_back_off(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    w.code = ERR_IO;
    w.fail_times = 9;
    fake_put(w.f, "a", "x", "");
    int64_t begun = clock_mono_ms();
    struct manager *m = start(&w, &c, 1, NULL);
    notes_wait(&w.notes, "a/x", 10);
    assert_true(clock_mono_ms() - begun >= 5 * 511 - 9);
    usleep(50000);
    assert_int_equal(w.calls, 10); /* the one that succeeded ended it */
    /* The success forgot the failures: the next back-off is short again, whenever the machine lets
     * it be. */
    int64_t least = INT64_MAX;
    for (int i = 0; i < 5 && least >= 5 * 512; i++) {
        w.fail_times = 1;
        begun = clock_mono_ms();
        manager_enqueue(m, "c", STR("a"), STR("x"));
        notes_wait(&w.notes, "a/x", 12 + 2 * i);
        int64_t took = clock_mono_ms() - begun;
        least = took < least ? took : least;
    }
    assert_true(least < 5 * 512);
    end(&w, m);
}

/* Where the log goes during a test: a temporary file. */
static size_t logged(FILE *f, const char *word)
{
    char line[1000];
    size_t n = 0;
    rewind(f);
    while (fgets(line, sizeof(line), f)) {
        n += strstr(line, word) != NULL;
    }
    return n;
}

static void test_conflicts_are_quiet_and_soon(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    FILE *log = tmpfile();
    assert_non_null(log);
    log_setup(LOG_DEBUG, LOG_TEXT, fileno(log));
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    w.code = ERR_CONFLICT;
    w.fail_times = 20;
    fake_put(w.f, "a", "x", "");
    int64_t begun = clock_mono_ms();
    struct manager *m = start(&w, &c, 1, NULL);
    notes_wait(&w.notes, "a/x", 21); /* with a doubling back-off this would take hours */
    assert_true(clock_mono_ms() - begun < 60000);
    assert_int_equal(logged(log, "reconciliation"), 0);
    w.code = ERR_IO;
    w.fail_times = 1;
    manager_enqueue(m, "c", STR("a"), STR("x"));
    notes_wait(&w.notes, "a/x", 23);
    assert_int_equal(logged(log, "a/x"), 1);
    assert_int_equal(logged(log, "it fails"), 1);
    end(&w, m);
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    fclose(log);
}

static void test_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    w.again_ms = 30;
    fake_put(w.f, "a", "x", "");
    int64_t begun = clock_mono_ms();
    struct manager *m = start(&w, &c, 1, NULL);
    notes_wait(&w.notes, "a/x", 4);
    assert_true(clock_mono_ms() - begun >= 80);
    w.again_ms = 0;
    int n = w.calls;
    usleep(100000);
    assert_true(w.calls <= n + 1);
    end(&w, m);
}

static void test_workers(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const struct controller c = {.name = "c",
                                 .watches = widgets,
                                 .n_watches = 1,
                                 .reconcile = reconcile,
                                 .self = &w,
                                 .workers = 4};
    char name[16];
    w.work_ms = 2;
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        fake_put(w.f, "a", name, "");
    }
    struct manager *m = start(&w, &c, 1, NULL);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "k%d", i % 10);
        manager_enqueue(m, "c", STR("a"), str_from(name));
        usleep(300);
    }
    notes_wait(&w.notes, "a/k9", 2);
    assert_true(w.most_at_once > 1);
    assert_true(w.most_at_once <= 4);
    assert_false(w.twice);
    end(&w, m);
}

static void test_metrics(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct metrics *metrics = metrics_create();
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    w.code = ERR_IO;
    w.fail_times = 2;
    fake_put(w.f, "a", "x", "");
    struct manager *m = start(&w, &c, 1, metrics);
    notes_wait(&w.notes, "a/x", 3);
    end(&w, m); /* so that the last call is counted */
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(metrics, &b);
    buf_addc(&b, 0);
    assert_non_null(strstr(
        b.ptr, "controller_runtime_reconcile_total{controller=\"c\",result=\"success\"} 1\n"));
    assert_non_null(
        strstr(b.ptr, "controller_runtime_reconcile_total{controller=\"c\",result=\"error\"} 2\n"));
    assert_non_null(
        strstr(b.ptr, "controller_runtime_reconcile_time_seconds_count{controller=\"c\"} 3\n"));
    metrics_destroy(metrics);
}

static void test_stop_waits_for_the_call_that_runs(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const struct controller c = {
        .name = "c", .watches = widgets, .n_watches = 1, .reconcile = reconcile, .self = &w};
    w.work_ms = 1500;
    fake_put(w.f, "a", "x", "");
    fake_put(w.f, "a", "y", "");
    struct manager *m = start(&w, &c, 1, NULL);
    for (int i = 0; i < 60000 && !w.running; i++) {
        usleep(1000);
    }
    assert_int_equal(w.running, 1);
    manager_destroy(m);
    assert_int_equal(w.running, 0); /* it was let end... */
    assert_int_equal(w.calls, 1);   /* ...and nothing began after */
    end(&w, NULL);
}

static void test_stop_at_any_moment(void **state)
{
    (void)state;
    for (int k = 0; k < 30; k++) {
        struct world w;
        begin(&w);
        const struct controller c = {.name = "c",
                                     .watches = widgets,
                                     .n_watches = 1,
                                     .reconcile = reconcile,
                                     .self = &w,
                                     .workers = 3};
        w.f->list_code = k % 3 == 0 ? ERR_IO : 0;
        w.again_ms = k % 2;
        fake_put(w.f, "a", "x", "");
        struct manager *m = start(&w, &c, 1, NULL);
        usleep((unsigned)k * 50);
        end(&w, m);
    }
    struct world w;
    begin(&w);
    struct manager *m = manager_create(&w.f->c, NULL); /* never started */
    manager_informer(m, &widgets[0]);
    end(&w, m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_objects),
        cmocka_unit_test(test_mapping_and_shared_informers),
        cmocka_unit_test(test_nothing_runs_before_the_lists),
        cmocka_unit_test(test_failures_back_off),
        cmocka_unit_test(test_conflicts_are_quiet_and_soon),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_stop_waits_for_the_call_that_runs),
        cmocka_unit_test(test_stop_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
