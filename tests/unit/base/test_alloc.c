/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void test_strings(void **state)
{
    (void)state;
    AUTO_FREE char *a = alloc_strdup("one");
    AUTO_FREE char *b = alloc_str(str_make("two and more", 3));
    AUTO_FREE char *c = alloc_printf("%s-%d", "x", 7);
    AUTO_FREE char *d = alloc_str(STR_NULL);
    assert_string_equal(a, "one");
    assert_string_equal(b, "two");
    assert_string_equal(c, "x-7");
    assert_string_equal(d, "");
}

static void test_sizes(void **state)
{
    (void)state;
    AUTO_FREE void *none = alloc_bytes(0);
    AUTO_FREE unsigned char *zero = alloc_zero(1000);
    assert_non_null(none);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(zero[i], 0);
    }
    AUTO_FREE char *grown = alloc_resize(NULL, 4);
    memcpy(grown, "abc", 4);
    grown = alloc_resize(grown, 100000);
    assert_string_equal(grown, "abc");
    AUTO_FREE int *one = ALLOC(int);
    assert_int_equal(*one, 0);
}

static void test_take(void **state)
{
    (void)state;
    AUTO_FREE char *a = alloc_strdup("moved");
    AUTO_FREE char *b = take(&a);
    assert_null(a);
    assert_string_equal(b, "moved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
