/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

static size_t encode(uint32_t c, char *p)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        p[i] = (char)(0x80 | (c & 0x3f));
    }
    p[0] = (char)(lead[n] | c);
    return n;
}

static void test_every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000 + 1000; c++) {
        char p[4];
        size_t n = encode(c, p);
        bool valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);
        if (utf8_length(str_make(p, n)) != (valid ? n : 0) ||
            (n > 1 && utf8_length(str_make(p, n - 1)) != 0)) {
            fail_msg("U+%04X", (unsigned)c);
        }
    }
}

static void test_invalid(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",     "\xc1\xbf",         "\xe0\x80\x80",
        "\xe0\x9f\xbf", "\xf0\x80\x80", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80",
        "\xff",         "\xc3(",        "\xe2\x28\xa1",     "\xe2\x82(",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(utf8_length(str_from(bad[i])), 0);
        assert_false(utf8_valid(str_from(bad[i])));
    }
    assert_true(utf8_valid(STR_NULL));
    assert_int_equal(utf8_length(STR_NULL), 0);
    assert_true(utf8_valid(STR("a\0\xc3\xa9")));
}

static void test_count_and_repair(void **state)
{
    (void)state;
    assert_int_equal(utf8_count(STR("a\xc3\xa9\xf0\x9f\x98\x80")), 3);
    assert_int_equal(utf8_count(STR("\xff\xfe"
                                    "a")),
                     3);
    assert_int_equal(utf8_count(STR_NULL), 0);
    AUTO(buf_finish) struct buf b = {0};
    utf8_repair(&b, STR("a\xff\xc3\xa9\xe2\x82"));
    assert_true(str_is(buf_str(&b), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_count_and_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
