/* SPDX-License-Identifier: Apache-2.0 */
#include "base/regex.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/limits.h"

static void assert_search(const char *pattern, struct str s, bool want)
{
    struct regex *r = NULL;
    AUTO(err_finish) struct err err = {0};
    if (regex_create(str_from(pattern), &r, &err) != 0) {
        fail_msg("%s", err_message(&err));
    }
    if (regex_search(r, s) != want) {
        fail_msg("%s on %.*s", pattern, STR_FMT(s));
    }
    regex_unref(r);
}

static void assert_refused(const char *pattern, const char *message)
{
    struct regex *r = NULL;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(regex_create(str_from(pattern), &r, &err), ERR_BAD_REQUEST);
    assert_null(r);
    assert_string_equal(err_message(&err), message);
}

static void test_dialect(void **state)
{
    (void)state;
    assert_search("b", STR("abc"), true);
    assert_search("^b", STR("abc"), false);
    assert_search("^[0-9]+(Mi|Gi|Ti)$", STR("10Gi"), true);
    assert_search("^[0-9]+(Mi|Gi|Ti)$", STR("tenGi"), false);
    assert_search("^a$", STR("a\n"), false);
    assert_search("a.c", STR("a\nc"), false);
    assert_search("(?s)a.c", STR("a\nc"), true);
    assert_search("(?i)ABC", STR("xabcx"), true);
    assert_search("\\d+\\s\\w\\b", STR("12 x"), true);
    assert_search("^\\p{L}+$", STR("h\xc3\xa9llo"), true);
    assert_search("^.$", STR("\xc3\xa9"), true);
    assert_search("^a\\x00b$", STR("a\0b"), true);
    assert_search("", STR_NULL, true);
    assert_search("^$", STR(""), true);
    assert_search("[[:alpha:]]{3}", STR("1abc2"), true);
}

static void test_named_groups(void **state)
{
    (void)state;
    assert_search("^(?<year>\\d{4})-(?P<m>\\d\\d)$", STR("2026-01"), true);
    assert_search("^[(?<a>]+$", STR("(?<a>"), true);
    assert_search("^[](?<]+$", STR("](?<"), true);
    assert_search("^[[:digit:](?<]+$", STR("1(?<"), true);
    assert_search("^\\(?<x>$", STR("(<x>"), true);
    assert_search("^\\(?<x>$", STR("<x>"), true);
    assert_search("^\\Q(?<x>\\E$", STR("(?<x>"), true);
    assert_search("^\\Q(?<x>", STR("(?<x>"), true);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused("[a", "error parsing regexp: missing closing ]: `[a`");
    assert_refused("(a", "error parsing regexp: missing closing ): `(a`");
    assert_refused("*a", "error parsing regexp: missing argument to repetition operator: `*`");
    assert_refused("a**", "error parsing regexp: invalid nested repetition operator: `**`");
    assert_refused("\\8", "error parsing regexp: invalid escape sequence: `\\8`");
    assert_refused("a\\", "error parsing regexp: trailing backslash at end of expression: ``");
    assert_refused("(a)\\1", "error parsing regexp: invalid escape sequence: `\\1`");
    assert_refused("a{1,1001}", "error parsing regexp: invalid repeat count: `{1,1001}`");
    assert_refused("[z-a]", "error parsing regexp: invalid character class range: `z-a`");
    static const char *const lookaround[] = {"(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "a++b)", "\xff"};
    for (size_t i = 0; i < sizeof(lookaround) / sizeof(*lookaround); i++) {
        struct regex *r = NULL;
        assert_int_equal(regex_create(str_from(lookaround[i]), &r, NULL), ERR_BAD_REQUEST);
    }
}

static void test_caps(void **state)
{
    (void)state;
    AUTO_FREE char *long_one = calloc(1, LIMIT_PATTERN_BYTES + 2);
    memset(long_one, 'a', LIMIT_PATTERN_BYTES + 1);
    struct regex *r = NULL;
    assert_int_equal(regex_create(str_from(long_one), &r, NULL), ERR_BAD_REQUEST);
    assert_refused("((\\pL{100}){100}){10}", "error parsing regexp: invalid repeat count: `{100}`");
    assert_refused("(\\pL{30}){30}", "error parsing regexp: expression too large: ``");
}

static void test_linear_time(void **state)
{
    (void)state;
    const size_t n = 100000;
    AUTO_FREE char *s = malloc(n);
    memset(s, 'a', n);
    s[n - 1] = '!';
    clock_t start = clock();
    assert_search("^(a+)+$", str_make(s, n), false);
    assert_search("^(a|a)*$", str_make(s, n), false);
    assert_search("(x+x+)+y", str_make(s, n), false);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

static void test_shared(void **state)
{
    (void)state;
    struct regex *a = NULL, *b = NULL, *c = NULL;
    assert_int_equal(regex_create(STR("^same$"), &a, NULL), 0);
    assert_int_equal(regex_create(STR("^same$"), &b, NULL), 0);
    assert_ptr_equal(a, b);
    regex_unref(a);
    assert_true(regex_search(b, STR("same")));
    assert_int_equal(regex_create(STR("^other$"), &c, NULL), 0);
    assert_ptr_not_equal(b, c);
    regex_unref(b);
    regex_unref(c);
    regex_unref(NULL);
}

static void *churn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct regex *r = NULL;
        char pattern[] = "^x?$";
        pattern[1] = (char)('a' + i % 3);
        if (regex_create(str_from(pattern), &r, NULL) != 0 || !regex_search(r, STR(""))) {
            return (void *)1;
        }
        regex_unref(r);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, churn, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialect),     cmocka_unit_test(test_named_groups),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_caps),
        cmocka_unit_test(test_linear_time), cmocka_unit_test(test_shared),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
