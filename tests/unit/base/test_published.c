/* SPDX-License-Identifier: Apache-2.0 */
#include "base/published.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/blob.h"

static void *ref(void *b)
{
    return blob_ref(b);
}

static void unref(void *b)
{
    blob_unref(b);
}

static void test_swap(void **state)
{
    (void)state;
    struct published p;
    struct published_cache a = {0}, b = {0};
    published_init(&p, ref, unref);
    assert_null(published_ref(&p));
    assert_null(published_get(&p, &a));
    struct blob *one = blob_create(STR("one"));
    published_set(&p, one);
    assert_ptr_equal(published_get(&p, &a), one);
    assert_ptr_equal(published_get(&p, &a), one);
    assert_int_equal(one->refs, 2); /* p and a: a second get takes no reference */
    struct blob *mine = published_ref(&p);
    assert_int_equal(one->refs, 3);
    published_set(&p, blob_create(STR("two")));
    assert_true(str_is(blob_str(published_get(&p, &b)), "two"));
    assert_int_equal(one->refs, 2);
    assert_true(str_is(blob_str(published_get(&p, &a)), "two"));
    assert_int_equal(mine->refs, 1);
    blob_unref(mine);
    published_set(&p, NULL);
    assert_null(published_get(&p, &a));
    published_cache_finish(&p, &a);
    published_cache_finish(&p, &b);
    published_finish(&p);
}

enum { ROUNDS = 20000 };

static void *reader(void *arg)
{
    struct published *p = arg;
    struct published_cache c = {0};
    long before = -1;
    for (int i = 0; i < ROUNDS; i++) {
        const struct blob *b = published_get(p, &c);
        long now = -1;
        sscanf(b->data, "%ld", &now);
        if (now < before) {
            return (void *)1; /* went back in time */
        }
        before = now;
    }
    published_cache_finish(p, &c);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct published p;
    published_init(&p, ref, unref);
    published_set(&p, blob_create(STR("0")));
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, reader, &p), 0);
    }
    for (int i = 1; i < ROUNDS; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        published_set(&p, blob_create(str_from(text)));
    }
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
    published_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
