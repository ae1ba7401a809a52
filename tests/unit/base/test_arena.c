/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_many_sizes(void **state)
{
    (void)state;
    enum { N = 3000 };
    static unsigned char *p[N];
    struct arena a;
    arena_init(&a, 0);
    assert_int_equal(a.total, 0);
    for (size_t i = 0; i < N; i++) {
        p[i] = arena_alloc(&a, i);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < i; j++) {
            if (p[i][j] != i % 251) {
                fail_msg("allocation %zu was overwritten", i);
            }
        }
    }
    assert_true(a.total >= (size_t)N * (N - 1) / 2);
    assert_true(a.total < (size_t)N * N);
    arena_finish(&a);
    assert_int_equal(a.total, 0);
}

static void test_large_and_again(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100);
    char *big = arena_alloc(&a, 5 << 20);
    memset(big, 1, 5 << 20);
    char *small = arena_zero(&a, 32);
    assert_int_equal(small[31], 0);
    arena_finish(&a);
    char *again = arena_strdup(&a, "again");
    assert_string_equal(again, "again");
    yyjson_mut_doc *d = yyjson_mut_doc_new(arena_alc(&a));
    assert_non_null(d);
    arena_finish(&a);
    arena_finish(&a);
}

static void test_text(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    struct str s = arena_str(&a, str_make("ab\0cd", 5));
    assert_int_equal(s.len, 5);
    assert_memory_equal(s.ptr, "ab\0cd", 6);
    assert_null(arena_str(&a, STR_NULL).ptr);
    assert_string_equal(arena_str(&a, STR("")).ptr, "");
    assert_string_equal(arena_printf(&a, "%d-%s", 5, "x"), "5-x");
    char *long_one = arena_printf(&a, "%0*d", 9000, 1);
    assert_int_equal(strlen(long_one), 9000);
    int *n = ARENA_NEW(&a, int);
    assert_int_equal(*n, 0);
    arena_finish(&a);
}

static void test_resizing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    const yyjson_alc *alc = arena_alc(&a);
    char *p = alc->malloc(alc->ctx, 10);
    memcpy(p, "123456789", 10);
    char *q = alc->realloc(alc->ctx, p, 10, 100); /* the last one grows in place */
    assert_ptr_equal(p, q);
    q = alc->realloc(alc->ctx, q, 100, 16);
    assert_ptr_equal(p, q);
    char *next = alc->malloc(alc->ctx, 1);
    assert_ptr_equal(next, p + 16);        /* what was given back is used */
    q = alc->realloc(alc->ctx, p, 16, 20); /* not the last: moves */
    assert_ptr_not_equal(p, q);
    assert_string_equal(q, "123456789");
    q = alc->realloc(alc->ctx, q, 20, 100000); /* beyond the chunk */
    assert_string_equal(q, "123456789");
    alc->free(alc->ctx, q);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_sizes),
        cmocka_unit_test(test_large_and_again),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_resizing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
