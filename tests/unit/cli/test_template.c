/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: words replaced, long lines broken as the formatter would. */
#include "cli/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

static const struct template_word words[] = {
    {"name", {"maps", 4}}, {"NAME", {"MAPS", 4}}, {"empty", {"", 0}}};

static void assert_filled(const char *text, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    assert_int_equal(template_fill(&b, str_from(text), words, 3, NULL), 0);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

static void test_fill(void **state)
{
    (void)state;
    assert_filled("", "");
    assert_filled("${name}_${NAME}${empty}${name}", "maps_MAPSmaps");
    assert_filled("$ {name} $name $$ {}", "$ {name} $name $$ {}");
}

static void assert_unknown(const char *text, const char *message)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(template_fill(&b, str_from(text), words, 3, &err), ERR_BAD_REQUEST);
    assert_string_equal(err_message(&err), message);
}

static void test_unknown_words(void **state)
{
    (void)state;
    assert_unknown("a\n\n${Name}", "line 3: ${Name} stands for nothing");
    assert_unknown("${}", "line 1: ${} stands for nothing");
    assert_unknown("${name", "line 1: ${name} stands for nothing");
}

static void assert_wrapped(const char *text, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    template_wrap(&b, str_from(text));
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static void test_wrap(void **state)
{
    (void)state;
    assert_wrapped("", "");
    assert_wrapped("a(b, c);\n\nd\n", "a(b, c);\n\nd\n");
    assert_wrapped("f(" FIFTY ", " FIFTY ");\n", "f(" FIFTY ",\n  " FIFTY ");\n");
    assert_wrapped("f(" FIFTY ", " TEN ", " FIFTY ", " TEN ", " TEN ", " TEN ", " TEN ", z);",
                   "f(" FIFTY ", " TEN ",\n  " FIFTY ", " TEN ", " TEN ", " TEN ",\n  " TEN
                   ", z);");
    assert_wrapped("f(" FIFTY FIFTY ");", "f(" FIFTY FIFTY ");"); /* nowhere to break */
    assert_wrapped(FIFTY ", " FIFTY, FIFTY ", " FIFTY);           /* no parameters */
    assert_wrapped("f(" FIFTY ", " TEN TEN TEN TEN "0123);",
                   "f(" FIFTY ", " TEN TEN TEN TEN "0123);"); /* 100 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
