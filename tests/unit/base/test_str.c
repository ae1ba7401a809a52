/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_comparing(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), STR("a")));
    assert_false(str_eq(STR("a"), STR("b")));
    assert_true(str_eq(STR_NULL, STR("")));
    assert_true(str_is(STR("ab"), "ab"));
    assert_false(str_is(STR("ab"), "abc"));
    assert_true(str_is(STR_NULL, ""));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("a\0")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NULL, STR("")), 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_null(str_from(NULL).ptr);
}

static void test_parts(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_starts(STR("a"), STR_NULL));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_true(str_is(str_skip(STR("abc"), 1), "bc"));
    assert_int_equal(str_skip(STR("abc"), 9).len, 0);
    struct str rest;
    assert_true(str_is(str_cut(STR("a/b/c"), '/', &rest), "a"));
    assert_true(str_is(rest, "b/c"));
    assert_true(str_is(str_cut(STR("abc"), '/', &rest), "abc"));
    assert_null(rest.ptr);
    assert_int_equal(str_cut(STR("abc/"), '/', &rest).len, 3);
    assert_non_null(rest.ptr);
    assert_int_equal(rest.len, 0);
    assert_int_equal(str_cut(STR_NULL, '/', &rest).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
