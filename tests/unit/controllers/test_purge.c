/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/purge.h"

#include "fake_client.h"

static const struct client_ref in_a = {
    .group = {"example.com", 11}, .version = {"v1", 2}, .resource = {"widgets", 7}, .ns = {"a", 1}};

struct setup {
    struct fake *f;
    struct arena a;
};

static void begin(struct setup *s)
{
    s->f = fake_create();
    arena_init(&s->a, 0);
}

static void end(struct setup *s)
{
    arena_finish(&s->a);
    fake_destroy(s->f);
}

static void test_empty(void **state)
{
    (void)state;
    struct setup s;
    struct purge_left left = {.objects = 77};
    begin(&s);
    fake_put(s.f, "b", "x", "");
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, NULL), 0);
    assert_int_equal(left.objects, 0);
    assert_int_equal(left.n_finalizers, 0);
    assert_int_equal(s.f->n_deletes, 0);
    end(&s);
}

static void test_deletes_one_namespace_or_all(void **state)
{
    (void)state;
    struct setup s;
    struct purge_left left;
    struct client_ref everywhere = in_a;
    begin(&s);
    char name[16];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        fake_put(s.f, i % 2 ? "a" : "b", name, "");
    }
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, NULL), 0);
    assert_int_equal(left.objects, 0);
    assert_int_equal(s.f->n_deletes, 25);
    assert_null(fake_find(s.f, STR("a"), STR("k1")));
    assert_non_null(fake_find(s.f, STR("b"), STR("k2")));
    everywhere.ns = STR_NULL;
    assert_int_equal(purge(&s.f->c, &everywhere, &s.a, &left, NULL), 0);
    assert_int_equal(s.f->n_deletes, 50);
    assert_null(fake_find(s.f, STR("b"), STR("k2")));
    end(&s);
}

static size_t held_by(const struct purge_left *left, const char *finalizer)
{
    for (size_t i = 0; i < left->n_finalizers; i++) {
        if (str_is(left->finalizers[i].name, finalizer)) {
            return left->finalizers[i].objects;
        }
    }
    return 0;
}

static void test_counts_what_finalizers_hold(void **state)
{
    (void)state;
    struct setup s;
    struct purge_left left;
    begin(&s);
    pthread_mutex_lock(&s.f->lock);
    fake_log(s.f, "a", "one",
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"one\",\"uid\":\"u-one\",\"finalizers\":"
             "[\"x.io/a\",\"x.io/b\"]}}",
             false);
    fake_log(s.f, "a", "two",
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"two\",\"uid\":\"u-two\","
             "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
             "\"finalizers\":[\"x.io/b\"]}}",
             false);
    fake_log(s.f, "a", "odd",
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"odd\",\"uid\":\"u-odd\","
             "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"}}",
             false);
    pthread_mutex_unlock(&s.f->lock);
    fake_put(s.f, "a", "goes", "");
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, NULL), 0);
    assert_int_equal(left.objects, 3);
    assert_int_equal(left.n_finalizers, 2);
    assert_int_equal(held_by(&left, "x.io/a"), 1);
    assert_int_equal(held_by(&left, "x.io/b"), 2);
    assert_int_equal(s.f->n_deletes, 2); /* what is being deleted is not asked again */
    end(&s);
}

static void test_errors(void **state)
{
    (void)state;
    struct setup s;
    struct purge_left left = {.objects = 77};
    AUTO(err_finish) struct err err = {0};
    begin(&s);
    s.f->list_code = ERR_IO;
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, &err), ERR_IO);
    assert_string_equal(err_message(&err), "the list fails");
    s.f->list_code = 0;
    fake_put(s.f, "a", "x", "");
    fake_put(s.f, "a", "y", "");
    s.f->delete_code = ERR_FORBIDDEN;
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, &err), ERR_FORBIDDEN);
    assert_string_equal(err_message(&err), "the delete fails");
    assert_int_equal(left.objects, 77); /* untouched on failure */
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, NULL), ERR_FORBIDDEN);
    /* What has gone, or was made anew, meanwhile is no error. */
    s.f->delete_code = ERR_NOT_FOUND;
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, &err), 0);
    assert_int_equal(left.objects, 2);
    s.f->delete_code = ERR_CONFLICT;
    assert_int_equal(purge(&s.f->c, &in_a, &s.a, &left, &err), 0);
    assert_int_equal(left.objects, 2);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_deletes_one_namespace_or_all),
        cmocka_unit_test(test_counts_what_finalizers_hold),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
