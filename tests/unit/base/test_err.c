/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void test_set(void **state)
{
    (void)state;
    AUTO(err_finish) struct err e = {0};
    assert_string_equal(err_message(&e), "unknown error");
    assert_string_equal(err_message(NULL), "unknown error");
    assert_int_equal(err_set(&e, ERR_NOT_FOUND, "no %s", "x"), ERR_NOT_FOUND);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.message, "no x");
    err_about(&e, STR("g"), STR("k"), STR("n"));
    err_set(&e, ERR_CONFLICT, "then %s", e.message); /* may use what it replaces */
    assert_string_equal(e.message, "then no x");
    assert_null(e.kind);
    assert_int_equal(err_set(NULL, ERR_IO, "%d", 1), ERR_IO);
    err_finish(&e);
    err_finish(&e);
    assert_int_equal(e.code, 0);
}

static void test_wrap(void **state)
{
    (void)state;
    AUTO(err_finish) struct err e = {0};
    err_set(&e, ERR_IO, "disk");
    err_about(&e, STR_NULL, STR("k"), STR(""));
    assert_int_equal(err_wrap(&e, "writing %d", 5), ERR_IO);
    assert_string_equal(e.message, "writing 5: disk");
    assert_string_equal(e.kind, "k");
    assert_null(e.name);
    assert_int_equal(err_wrap(NULL, "x"), ERR_INTERNAL);
    AUTO(err_finish) struct err empty = {0};
    assert_int_equal(err_wrap(&empty, "x"), ERR_INTERNAL);
    assert_string_equal(empty.message, "x: unknown error");
    err_about(&e, STR("g"), str_from(e.kind), STR("n")); /* may name what it replaces */
    assert_string_equal(e.kind, "k");
}

static void fill(struct err *e)
{
    err_set(e, ERR_INVALID, "bad");
    err_about(e, STR("g"), STR("k"), STR("n"));
    err_cause(e, "FieldValueInvalid", STR("spec.a"), STR("why"));
    err_cause(e, NULL, STR_NULL, STR_NULL);
    e->retry_after = 3;
}

static void assert_filled(const struct err *e)
{
    assert_int_equal(e->code, ERR_INVALID);
    assert_string_equal(e->message, "bad");
    assert_string_equal(e->group, "g");
    assert_int_equal(e->retry_after, 3);
    assert_int_equal(e->n_causes, 2);
    assert_string_equal(e->causes[0].reason, "FieldValueInvalid");
    assert_string_equal(e->causes[0].field, "spec.a");
    assert_string_equal(e->causes[0].message, "why");
    assert_null(e->causes[1].reason);
    assert_null(e->causes[1].field);
    assert_string_equal(e->causes[1].message, "");
}

static void test_copy_and_move(void **state)
{
    (void)state;
    AUTO(err_finish) struct err a = {0}, b = {0}, c = {0};
    fill(&a);
    err_set(&b, ERR_IO, "former");
    err_copy(&b, &a);
    assert_filled(&a);
    assert_filled(&b);
    err_copy(&b, &b);
    assert_filled(&b);
    err_copy(NULL, &a);
    assert_int_equal(err_move(&c, &a), ERR_INVALID);
    assert_filled(&c);
    assert_null(a.message);
    assert_int_equal(err_move(NULL, &c), ERR_INVALID);
    assert_null(c.message);
    err_cause(NULL, "x", STR_NULL, STR_NULL);
    err_about(NULL, STR_NULL, STR_NULL, STR_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_copy_and_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
