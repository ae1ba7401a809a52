/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of short URLs at their edges, and visits: gathered once each, bounded, and given up with
 * the service. */
#include "base/limits.h"
#include "services/shorturls/shorturls.h"
#include "services/shorturls/visits_priv.h"
#include "tests/unit/services/live.h"

static void paths(void **state)
{
    static const char *const good[] = {"",    "d/a", "?a=b", "a/b:c", "1a:b",
                                       ".:a", "a..", "d/..", "#a:b",  "\xc3\xbc:a"};
    static const char *const bad[] = {"/",    "//",   "\\",   "/\\a", "a:b", "a+b.c-1:", "../",
                                      "..\\", "a://", " //a", "\ta",  "a\n", "a\x7f",    "x/../y"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (shorturls_path_fault(str_from(good[i]))) {
            fail_msg("%s: %s", good[i], shorturls_path_fault(str_from(good[i])));
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (!shorturls_path_fault(str_from(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_non_null(shorturls_path_fault(str_make("a\0b", 3)));
}

static void escapes(void **state)
{
    AUTO(buf_finish) struct buf b = {0};
    (void)state;
    shorturls_escape(&b, STR("d/a?x=1&y=%20 \"<\xc3\xbc#f"));
    assert_true(str_is(buf_str(&b), "d/a?x=1&y=%20%20%22%3C%C3%BC#f"));
}

static size_t drain(struct visits *v)
{
    size_t n = 0;
    struct visit *next;
    for (struct visit *x = visits_take(v, 0); x; x = next, n++) {
        next = x->next;
        visit_free(x);
    }
    return n;
}

static void visits_are_gathered(void **state)
{
    struct visits *v = visits_create();
    (void)state;
    visits_add(v, STR("a"), STR("early"), 1);
    assert_int_equal(drain(v), 0); /* nobody would write it */
    visits_open(v, true);
    visits_add(v, STR("a"), STR("b"), 5);
    visits_add(v, STR("a"), STR("b"), 6);
    visits_add(v, STR("c"), STR("b"), 7);
    assert_int_equal(drain(v), 2);
    visits_add(v, STR("ns"), STR("name"), 8);
    struct visit *x = visits_take(v, 1000);
    assert_true(str_is(x->ns, "ns") && str_is(x->name, "name") && x->at_ms == 8 && !x->next);
    visit_free(x);
    for (int i = 0; i < LIMIT_SHORTURL_VISITS + 50; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        visits_add(v, STR("a"), str_from(name), i);
    }
    assert_int_equal(drain(v), LIMIT_SHORTURL_VISITS);
    visits_add(v, STR("a"), STR("b"), 5);
    visits_wake(v);
    assert_null(visits_take(v, 100000));
    visits_open(v, false);
    visits_open(v, true);
    assert_int_equal(drain(v), 0);
    visits_add(v, STR("a"), STR("left"), 5);
    visits_destroy(v);
}

/* The background part stops at once although its next look is far, and runs again. */
static void stops_and_runs_again(void **state)
{
    struct live *l = *state;
    for (int i = 0; i < 2; i++) {
        live_run(l, "shorturls");
        live_sleep(20);
        int64_t begun = clock_mono_ms();
        live_halt(l);
        assert_true(clock_mono_ms() - begun < 30000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(escapes),
        cmocka_unit_test(visits_are_gathered),
        cmocka_unit_test_setup_teardown(stops_and_runs_again, live_setup, live_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
