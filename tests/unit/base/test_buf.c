/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/utf8.h"

static void assert_buf(struct buf *b, const char *want)
{
    buf_addc(b, 0);
    assert_string_equal(b->ptr, want);
    b->len--;
}

static void test_appending(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    assert_non_null(buf_reserve(&b, 0));
    buf_add(&b, STR_NULL);
    buf_add(&b, STR("ab"));
    buf_addc(&b, 'c');
    buf_addz(&b, "de");
    buf_printf(&b, "-%d-%s", 5, "x");
    assert_buf(&b, "abcde-5-x");
    buf_finish(&b);
    assert_int_equal(b.cap, 0);
    buf_printf(&b, "%0*d", 5000, 7);
    assert_int_equal(b.len, 5000);
    assert_int_equal(b.ptr[4999], '7');
}

static void test_growth(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    for (int i = 0; i < 100000; i++) {
        buf_addc(&b, (char)('a' + i % 26));
    }
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(b.ptr[i], 'a' + i % 26);
    }
    memset(buf_reserve(&b, 1 << 20), 'z', 1 << 20);
    assert_int_equal(b.len, 100000);
    assert_true(b.cap >= 100000 + (1 << 20));
}

static void test_integers(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    const int64_t values[] = {0, -1, 10, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < 5; i++) {
        buf_addi(&b, values[i]);
        buf_addc(&b, ' ');
    }
    assert_buf(&b, "0 -1 10 9223372036854775807 -9223372036854775808 ");
}

static void assert_json(struct str s, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_add_json(&b, s);
    assert_buf(&b, want);
}

static void test_json_strings(void **state)
{
    (void)state;
    assert_json(STR_NULL, "\"\"");
    assert_json(STR("plain text that is longer than a word"),
                "\"plain text that is longer than a word\"");
    assert_json(STR("\"\\/\b\f\n\r\t\v\x1f\x7f\0x"),
                "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u001f\x7f\\u0000x\"");
    assert_json(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
                "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    assert_json(STR("\xff\xc3"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Every byte at every place of a word, for the code that looks at eight at once. */
static void test_json_strings_everywhere(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            char s[20];
            memset(s, 'x', sizeof(s));
            s[at] = (char)c;
            AUTO(buf_finish) struct buf b = {0};
            buf_add_json(&b, str_make(s, sizeof(s)));
            bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            assert_int_equal(b.len == 22, plain);
            if (plain) {
                assert_memory_equal(b.ptr + 1, s, sizeof(s));
            } else {
                assert_int_equal(b.ptr[1 + at] == '\\', c < 0x80);
            }
            assert_memory_equal(b.ptr + b.len - 1 - (19 - at), s + at + 1, 19 - at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appending),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_json_strings_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
