/* SPDX-License-Identifier: Apache-2.0 */
/* Background services: which run, run again, and end in which order; and what metrics and health
 * checks say of them. */
#include "tests/unit/services/live.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"

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

static struct supervisor *started(const struct config *c, const struct background *table, size_t n)
{
    const struct supervisor_options o = {.config = c};
    struct supervisor *s = supervisor_create(&o, table, n);
    supervisor_start(s);
    return s;
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
    struct supervisor *s = started(&c, table, 3);
    EVENTUALLY(k[0].runs == 1 && k[2].runs == 1);
    supervisor_destroy(s);
    assert_int_equal(k[1].runs, 0);
    assert_int_equal(k[2].ended, 1);
    assert_int_equal(k[0].ended, 2);
    assert_int_equal(k[0].runs, 1);
    supervisor_destroy(NULL);
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
    struct supervisor *s = started(&c, table, 1);
    EVENTUALLY(k.runs == 3);
    assert_true(clock_mono_ms() - begun >= 2900); /* after one second and then two */
    supervisor_destroy(s);
    assert_int_equal(k.ended, 1);
    assert_int_equal(k.told, 0); /* what failed runs had asked for is forgotten */
    int64_t least = INT64_MAX; /* of several, since the machine may stand still meanwhile */
    for (int i = 0; i < 4 && least >= 3000; i++) {
        k = (struct work){.order = &order, .fail_first = 100};
        s = started(&c, table, 1);
        EVENTUALLY(k.runs == 3);
        begun = clock_mono_ms();
        supervisor_destroy(s); /* does not sit the back-off of four seconds out */
        int64_t took = clock_mono_ms() - begun;
        least = took < least ? took : least;
    }
    assert_true(least < 3000);
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
        struct supervisor *s = started(&c, table, 1);
        while (!k.runs) {
            live_sleep(0);
        }
        supervisor_destroy(s);
        assert_true(k.told >= 1);
    }
}

/* ---- what is told of them ---- */

struct told {
    struct metrics *metrics;
    struct health *health;
    struct supervisor *supervisor;
    struct config config;
};

static void told_open(struct told *t, char **disabled, size_t n_disabled,
                      const struct background *table, size_t n)
{
    log_setup(LOG_ERROR, LOG_TEXT, -1);
    t->metrics = metrics_create();
    t->health = health_create();
    t->config = (struct config){.disabled = {.items = disabled, .n = n_disabled}};
    const struct supervisor_options o = {
        .config = &t->config, .metrics = t->metrics, .health = t->health};
    t->supervisor = supervisor_create(&o, table, n);
}

static void told_close(struct told *t)
{
    supervisor_destroy(t->supervisor);
    health_destroy(t->health);
    metrics_destroy(t->metrics);
}

static struct background_status status_of(struct told *t, const char *name)
{
    struct background_status s;
    assert_true(supervisor_status(t->supervisor, name, &s));
    return s;
}

static bool is_in(struct told *t, const char *name, enum background_state state)
{
    return status_of(t, name).state == state;
}

/* Whether a scrape holds the line. */
static bool counted(struct told *t, const char *line)
{
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(t->metrics, &b);
    buf_addc(&b, 0);
    AUTO_FREE char *want = alloc_printf("\n%s\n", line);
    return strstr(b.ptr, want) != NULL;
}

#define assert_counted(t, line)                                                                    \
    do {                                                                                           \
        if (!counted(t, line)) {                                                                   \
            fail_msg("the scrape has no %s", line);                                                \
        }                                                                                          \
    } while (0)

/* What the health checks come to: "service-one ok;service-two: words;". */
static void add_check(void *arg, const struct health_check *c)
{
    struct buf *b = arg;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(c->parts, HEALTH_SHOWN);
    if (c->check(c->self, &err) == 0) {
        buf_printf(b, "%s ok;", c->name);
    } else {
        buf_printf(b, "%s: %s;", c->name, err_message(&err));
    }
}

static char *checks(struct told *t)
{
    AUTO(buf_finish) struct buf b = {0};
    health_each(t->health, add_check, &b);
    return alloc_str(buf_str(&b));
}

static void assert_checks(struct told *t, const char *start, const char *end)
{
    AUTO_FREE char *have = checks(t);
    if (strncmp(have, start, strlen(start)) != 0 || !str_ends(str_from(have), str_from(end))) {
        fail_msg("the checks say %s", have);
    }
}

static void test_states(void **state)
{
    (void)state;
    char *disabled[] = {alloc_strdup("three")};
    _Atomic int order = 0;
    struct work good = {.order = &order}, bad = {.order = &order, .fail_first = 1},
                never = {.order = &order};
    const struct background table[] = {
        {"one", run, &good}, {"two", run, &bad}, {"three", run, &never}};
    struct told t;
    struct background_status none;
    told_open(&t, disabled, 1, table, 3);
    assert_false(supervisor_status(t.supervisor, "four", &none));
    assert_true(is_in(&t, "one", BACKGROUND_STOPPED));
    assert_checks(&t, "service-one ok;service-two ok;", "two ok;"); /* none of what is disabled */
    assert_counted(&t, "coracle_service_up{service=\"one\"} 0");
    assert_counted(&t, "coracle_service_last_error_timestamp_seconds{service=\"two\"} 0");
    assert_counted(&t, "coracle_service_last_error{service=\"two\",error=\"\"} 0");
    int64_t begun = clock_wall_us();
    supervisor_start(t.supervisor);
    EVENTUALLY(is_in(&t, "one", BACKGROUND_RUNNING) && is_in(&t, "two", BACKGROUND_WAITING));
    struct background_status two = status_of(&t, "two");
    assert_string_equal(two.error, "not yet");
    assert_int_equal(two.restarts, 0);
    assert_in_range(two.error_us, begun, clock_wall_us());
    assert_checks(&t, "service-one ok;service-two: waits to be run again (restarts: 0); at ",
                  "Z: not yet;");
    assert_counted(&t, "coracle_service_up{service=\"one\"} 1");
    assert_counted(&t, "coracle_service_up{service=\"two\"} 0");
    assert_counted(&t, "coracle_service_state{service=\"two\",state=\"waiting\"} 1");
    assert_counted(&t, "coracle_service_state{service=\"two\",state=\"running\"} 0");
    assert_counted(&t, "coracle_service_last_error{service=\"two\",error=\"not yet\"} 1");
    assert_false(counted(&t, "coracle_service_last_error{service=\"two\",error=\"\"} 0"));
    assert_counted(&t, "coracle_service_restarts_total{service=\"two\"} 0");
    EVENTUALLY(is_in(&t, "two", BACKGROUND_RUNNING)); /* after its second of back-off */
    assert_int_equal(status_of(&t, "two").restarts, 1);
    assert_string_equal(status_of(&t, "two").error, "not yet"); /* what was last stays known */
    assert_counted(&t, "coracle_service_restarts_total{service=\"two\"} 1");
    assert_counted(&t, "coracle_service_up{service=\"two\"} 1");
    assert_checks(&t, "service-one ok;service-two ok;", "two ok;");
    supervisor_stop(t.supervisor);
    assert_true(is_in(&t, "one", BACKGROUND_STOPPED) && is_in(&t, "two", BACKGROUND_STOPPED));
    assert_counted(&t, "coracle_service_state{service=\"one\",state=\"stopped\"} 1");
    assert_true(is_in(&t, "three", BACKGROUND_DISABLED));
    assert_int_equal(never.runs, 0);
    assert_counted(&t, "coracle_service_state{service=\"three\",state=\"disabled\"} 1");
    assert_false(counted(&t, "coracle_service_up{service=\"three\"} 0"));
    told_close(&t);
    free(disabled[0]);
}

static int run_shortly(void *self, struct service_stop *stop, struct err *err)
{
    struct work *k = self;
    (void)stop;
    (void)err;
    k->runs++;
    return 0;
}

/* 300 bytes in characters of two, so that the cut would fall into one. */
static int run_wordily(void *self, struct service_stop *stop, struct err *err)
{
    struct work *k = self;
    AUTO(buf_finish) struct buf b = {0};
    (void)stop;
    for (int i = 0; i < 150; i++) {
        buf_addz(&b, "\xc3\xa9");
    }
    k->runs++;
    return err_set(err, ERR_IO, "%.*s", STR_FMT(buf_str(&b)));
}

static int run_oddly(void *self, struct service_stop *stop, struct err *err)
{
    (void)self;
    (void)stop;
    return err_set(err, ERR_IO, "no \"\xff\"\n");
}

/* What an error quotes may be anything; the scrape stays well formed. */
static void test_odd_words(void **state)
{
    (void)state;
    const struct background table[] = {{"odd", run_oddly, NULL}};
    struct told t;
    told_open(&t, NULL, 0, table, 1);
    supervisor_start(t.supervisor);
    EVENTUALLY(is_in(&t, "odd", BACKGROUND_WAITING));
    assert_string_equal(status_of(&t, "odd").error, "no \"\xef\xbf\xbd\"\n");
    assert_counted(&t, "coracle_service_last_error{service=\"odd\",error=\"no "
                       "\\\"\xef\xbf\xbd\\\"\\n\"} 1");
    told_close(&t);
}

static void test_unasked_and_wordy(void **state)
{
    (void)state;
    struct work short_one = {0}, wordy = {0};
    const struct background table[] = {{"short", run_shortly, &short_one},
                                       {"wordy", run_wordily, &wordy}};
    struct told t;
    told_open(&t, NULL, 0, table, 2);
    int64_t begun = clock_mono_ms();
    supervisor_start(t.supervisor);
    EVENTUALLY(is_in(&t, "short", BACKGROUND_WAITING) && is_in(&t, "wordy", BACKGROUND_WAITING));
    assert_string_equal(status_of(&t, "short").error, "it ended unasked");
    assert_int_equal(strlen(status_of(&t, "wordy").error), 254);
    supervisor_stop(t.supervisor); /* both are in back-off */
    bool late = clock_mono_ms() - begun >= 1000;
    assert_true(is_in(&t, "short", BACKGROUND_STOPPED));
    assert_true(late || status_of(&t, "short").restarts == 0);
    supervisor_stop(t.supervisor); /* once more does nothing */
    told_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),     cmocka_unit_test(test_again),
        cmocka_unit_test(test_on_stop),   cmocka_unit_test(test_states),
        cmocka_unit_test(test_odd_words), cmocka_unit_test(test_unasked_and_wordy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
