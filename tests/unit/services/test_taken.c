/* SPDX-License-Identifier: Apache-2.0 */
/* The counting set of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/definitions/taken_priv.h"

static void test_counts(void **state)
{
    struct taken t = {0};
    (void)state;
    assert_false(taken_has(&t, STR("g"), TAKEN_RESOURCE, STR("a")));
    taken_drop(&t, STR("g"), TAKEN_RESOURCE, STR("a")); /* of nothing */
    taken_add(&t, STR("g"), TAKEN_RESOURCE, STR("a"));
    taken_add(&t, STR("g"), TAKEN_RESOURCE, STR("a"));
    assert_true(taken_has(&t, STR("g"), TAKEN_RESOURCE, STR("a")));
    assert_false(taken_has(&t, STR("g"), TAKEN_KIND, STR("a")));
    assert_false(taken_has(&t, STR("h"), TAKEN_RESOURCE, STR("a")));
    assert_false(taken_has(&t, STR("g"), TAKEN_RESOURCE, STR("")));
    taken_drop(&t, STR("g"), TAKEN_RESOURCE, STR("a"));
    assert_true(taken_has(&t, STR("g"), TAKEN_RESOURCE, STR("a")));
    taken_drop(&t, STR("g"), TAKEN_RESOURCE, STR("a"));
    assert_false(taken_has(&t, STR("g"), TAKEN_RESOURCE, STR("a")));
    assert_int_equal(t.n, 0);
    taken_finish(&t);
}

static void test_many(void **state)
{
    struct taken t = {0};
    char name[16];
    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        taken_add(&t, STR("g"), i % 2 ? TAKEN_KIND : TAKEN_RESOURCE, str_from(name));
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_true(taken_has(&t, STR("g"), i % 2 ? TAKEN_KIND : TAKEN_RESOURCE, str_from(name)));
        assert_false(taken_has(&t, STR("g"), i % 2 ? TAKEN_RESOURCE : TAKEN_KIND, str_from(name)));
    }
    assert_int_equal(t.n, 5000);
    taken_finish(&t);
    assert_int_equal(t.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
