/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/clauses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* The clauses as text: "type/subtype" in order. */
static void assert_order(const char *accept, const char *want)
{
    struct arena a;
    struct clause *list;
    AUTO(buf_finish) struct buf b = {0};
    arena_init(&a, 0);
    size_t n = clauses_parse(&a, str_from(accept), &list);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "%s%.*s/%.*s", i ? " " : "", STR_FMT(list[i].type),
                   STR_FMT(list[i].subtype));
    }
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
    arena_finish(&a);
}

static void test_order(void **state)
{
    (void)state;
    assert_order("", "*/*");
    assert_order(NULL, "*/*");
    assert_order("  ", "*/*");
    assert_order("*", "*/*");
    assert_order("application/json", "application/json");
    assert_order("a/b, c/d", "a/b c/d");
    assert_order("*/*, application/*, application/json", "application/json application/* */*");
    assert_order("a/b;q=0.5, c/d;q=0.9, e/f", "e/f c/d a/b");
    assert_order("a/b;q=0, c/d", "c/d");
    assert_order("a/b;q=2, c/d;q=x", "a/b c/d");
    assert_order("a/b ; q = 0.1 , c/d", "c/d a/b");
}

static void test_nonsense(void **state)
{
    (void)state;
    assert_order(",,,", "");
    assert_order("json", "");
    assert_order("/, a/, /b", "");
    assert_order(";q=1", "");
    assert_order("a/b;;;=;q", "a/b");
}

static void test_parameters(void **state)
{
    (void)state;
    struct arena a;
    struct clause *list;
    arena_init(&a, 0);
    size_t n = clauses_parse(
        &a,
        STR("application/"
            "json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=\"nopeer\""),
        &list);
    assert_int_equal(n, 1);
    assert_true(str_is(list[0].group, "apidiscovery.k8s.io"));
    assert_true(str_is(list[0].version, "v2"));
    assert_true(str_is(list[0].as, "APIGroupDiscoveryList"));
    assert_true(str_is(list[0].profile, "nopeer"));
    n = clauses_parse(&a, STR("application/json"), &list);
    assert_null(list[0].as.ptr);
    arena_finish(&a);
}

static void test_takes(void **state)
{
    (void)state;
    struct clause any = {.type = STR("*"), .subtype = STR("*")};
    struct clause application = {.type = STR("application"), .subtype = STR("*")};
    struct clause json = {.type = STR("application"), .subtype = STR("json")};
    struct clause text = {.type = STR("text"), .subtype = STR("json")};
    assert_true(clause_takes(&any, "json"));
    assert_true(clause_takes(&application, "json"));
    assert_true(clause_takes(&json, "json"));
    assert_false(clause_takes(&json, "yaml"));
    assert_false(clause_takes(&text, "json"));
}

static void test_many(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    struct arena a;
    struct clause *list;
    arena_init(&a, 0);
    for (int i = 0; i < 5000; i++) {
        buf_printf(&b, "a/b%d,", i);
    }
    assert_int_equal(clauses_parse(&a, buf_str(&b), &list), 100);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),      cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_takes),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
