/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void destroyp(struct metrics **m)
{
    metrics_destroy(*m);
}

static void assert_output(struct metrics *m, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(m, &b);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

static void test_text(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    assert_output(m, "");
    const struct metric_label get[] = {{"verb", STR("get")}, {"code", STR("200")}};
    const struct metric_label odd[] = {{"verb", STR("a\"b\\c\nd")}, {"code", STR_NULL}};
    struct metric *s =
        metrics_series(m, METRIC_COUNTER, "requests_total", "Requests\nserved.", get, 2, NULL, 0);
    metric_add(s, 1);
    metric_add(s, 2);
    assert_ptr_equal(s, metrics_series(m, METRIC_COUNTER, "requests_total", "", get, 2, NULL, 0));
    metric_add(metrics_series(m, METRIC_COUNTER, "requests_total", "", odd, 2, NULL, 0), 1e7);
    struct metric *g = metrics_series(m, METRIC_GAUGE, "a_gauge", "One.", NULL, 0, NULL, 0);
    metric_set(g, 4);
    metric_add(g, -1.5);
    assert_output(m, "# HELP a_gauge One.\n# TYPE a_gauge gauge\na_gauge 2.5\n"
                     "# HELP requests_total Requests\\nserved.\n# TYPE requests_total counter\n"
                     "requests_total{verb=\"a\\\"b\\\\c\\nd\",code=\"\"} 10000000\n"
                     "requests_total{verb=\"get\",code=\"200\"} 3\n");
    metric_set(g, (double)INFINITY);
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(m, &b);
    buf_addc(&b, 0);
    assert_non_null(strstr(b.ptr, "a_gauge +Inf\n"));
}

static void test_histogram(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    const double buckets[] = {0.5, 1, 10};
    const struct metric_label l[] = {{"v", STR("x")}};
    struct metric *s = metrics_series(m, METRIC_HISTOGRAM, "h", "H.", l, 1, buckets, 3);
    const double values[] = {0.5, 0.25, 0.75, 11, 10};
    for (size_t i = 0; i < 5; i++) {
        metric_observe(s, values[i]);
    }
    assert_output(m, "# HELP h H.\n# TYPE h histogram\n"
                     "h_bucket{v=\"x\",le=\"0.5\"} 2\nh_bucket{v=\"x\",le=\"1\"} 3\n"
                     "h_bucket{v=\"x\",le=\"10\"} 4\nh_bucket{v=\"x\",le=\"+Inf\"} 5\n"
                     "h_sum{v=\"x\"} 22.5\nh_count{v=\"x\"} 5\n");
    AUTO(destroyp) struct metrics *d = metrics_create();
    metric_observe(metrics_series(d, METRIC_HISTOGRAM, "s", "S.", NULL, 0, NULL, 0), 61);
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(d, &b);
    buf_addc(&b, 0);
    assert_non_null(strstr(b.ptr, "s_bucket{le=\"0.0001\"} 0\n"));
    assert_non_null(strstr(b.ptr, "s_bucket{le=\"60\"} 0\ns_bucket{le=\"+Inf\"} 1\n"));
}

static void test_cap(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    struct metric *last = NULL, *before = NULL;
    for (int i = 0; i < 2100; i++) {
        char v[16];
        snprintf(v, sizeof(v), "%d", i);
        const struct metric_label l[] = {{"v", str_from(v)}};
        before = last;
        last = metrics_series(m, METRIC_COUNTER, "many", "M.", l, 1, NULL, 0);
        metric_add(last, 1);
    }
    assert_ptr_equal(last, before);
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(m, &b);
    buf_addc(&b, 0);
    assert_non_null(strstr(b.ptr, "many{v=\"other\"} 100\n"));
    assert_non_null(strstr(b.ptr, "many{v=\"1999\"} 1\n"));
    assert_null(strstr(b.ptr, "many{v=\"2000\"}"));
}

static void collect(void *arg, struct metrics *m, struct buf *out)
{
    const struct metric_label l[] = {{"kind", STR("k")}};
    metrics_emit(out, METRIC_GAUGE, "collected", "C.", l, 1, *(double *)arg);
    /* A collector may make series: no lock is held. */
    metric_add(metrics_series(m, METRIC_COUNTER, "scrapes", "S.", NULL, 0, NULL, 0), 1);
}

static void test_collectors(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    double v = 3;
    metrics_collector(m, collect, &v);
    assert_output(m, "# HELP collected C.\n# TYPE collected gauge\ncollected{kind=\"k\"} 3\n");
    v = 4;
    assert_output(m, "# HELP scrapes S.\n# TYPE scrapes counter\nscrapes 1\n"
                     "# HELP collected C.\n# TYPE collected gauge\ncollected{kind=\"k\"} 4\n");
}

static void *add_many(void *s)
{
    for (int i = 0; i < 10000; i++) {
        metric_add(s, 1);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    struct metric *s = metrics_series(m, METRIC_COUNTER, "n", "N.", NULL, 0, NULL, 0);
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, add_many, s), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    assert_output(m, "# HELP n N.\n# TYPE n counter\nn 40000\n");
}

static void *observe_many(void *s)
{
    static _Atomic size_t next;
    metrics_use_shard(next++);
    for (int i = 0; i < 10000; i++) {
        metric_observe(s, i % 2 ? 0.25 : 4);
    }
    return NULL;
}

/* Each thread has cells of its own; a scrape sees one series. */
static void test_shards(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    const double buckets[] = {1};
    struct metric *s = metrics_series(m, METRIC_HISTOGRAM, "h", "H.", NULL, 0, buckets, 1);
    pthread_t t[12];
    for (int i = 0; i < 12; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, observe_many, s), 0);
    }
    for (int i = 0; i < 12; i++) {
        pthread_join(t[i], NULL);
    }
    assert_output(m, "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 60000\n"
                     "h_bucket{le=\"+Inf\"} 120000\nh_sum 255000\nh_count 120000\n");
}

/* What is set is what is read, whoever set it. */
static void test_gauge_of_threads(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    struct metric *s = metrics_series(m, METRIC_GAUGE, "g", "G.", NULL, 0, NULL, 0);
    metrics_use_shard(3);
    metric_add(s, 5);
    metrics_use_shard(1);
    metric_add(s, -2);
    assert_output(m, "# HELP g G.\n# TYPE g gauge\ng 3\n");
    metric_set(s, 1);
    metrics_use_shard(0);
    assert_output(m, "# HELP g G.\n# TYPE g gauge\ng 1\n");
}

static double read_double(void *arg)
{
    return *(double *)arg;
}

static void test_read_and_forget(void **state)
{
    (void)state;
    AUTO(destroyp) struct metrics *m = metrics_create();
    const struct metric_label a[] = {{"q", STR("a")}}, b[] = {{"q", STR("b")}};
    double x = 1, y = 2;
    struct metric *sa = metrics_read(m, METRIC_GAUGE, "depth", "D.", a, 1, read_double, &x);
    struct metric *sb = metrics_read(m, METRIC_GAUGE, "depth", "D.", b, 1, read_double, &x);
    assert_ptr_equal(sb, metrics_read(m, METRIC_GAUGE, "depth", "D.", b, 1, read_double, &y));
    assert_output(m, "# HELP depth D.\n# TYPE depth gauge\ndepth{q=\"a\"} 1\ndepth{q=\"b\"} 2\n");
    metrics_forget(m, sa);
    x = 7;
    assert_output(m, "# HELP depth D.\n# TYPE depth gauge\ndepth{q=\"b\"} 2\n");
    metrics_forget(m, sb);
    metrics_forget(m, NULL);
    assert_output(m, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_collectors),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_gauge_of_threads),
        cmocka_unit_test(test_read_and_forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
