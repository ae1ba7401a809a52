/* SPDX-License-Identifier: Apache-2.0 */
#include "base/blob.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void test_life(void **state)
{
    (void)state;
    AUTO(blob_unrefp) struct blob *b = blob_create(str_make("ab\0c", 4));
    assert_int_equal(b->len, 4);
    assert_memory_equal(b->data, "ab\0c", 5);
    struct blob *again = blob_ref(b);
    assert_ptr_equal(again, b);
    assert_int_equal(b->refs, 2);
    blob_unref(again);
    assert_true(str_eq(blob_str(b), STR("ab\0c")));
    assert_null(blob_ref(NULL));
    assert_null(blob_str(NULL).ptr);
    blob_unref(NULL);
    AUTO(blob_unrefp) struct blob *empty = blob_create(STR_NULL);
    assert_int_equal(empty->data[0], 0);
}

static void *churn(void *b)
{
    for (int i = 0; i < 10000; i++) {
        blob_unref(blob_ref(b));
    }
    blob_unref(b);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct blob *b = blob_alloc(100);
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, churn, blob_ref(b)), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    assert_int_equal(b->refs, 1);
    blob_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
