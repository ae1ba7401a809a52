/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void assert_formats(int64_t us, const char *plain, const char *micro)
{
    char out[CLOCK_TEXT];
    assert_int_equal(clock_format(us, out), strlen(plain));
    assert_string_equal(out, plain);
    assert_int_equal(clock_format_micro(us, out), strlen(micro));
    assert_string_equal(out, micro);
}

static void test_format(void **state)
{
    (void)state;
    assert_formats(0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z");
    assert_formats(-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z");
    assert_formats(1769860800123456, "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456Z");
    assert_formats(951827696000000, "2000-02-29T12:34:56Z", "2000-02-29T12:34:56.000000Z");
    assert_formats(INT64_MAX, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.775807Z");
}

static void test_agrees_with_libc(void **state)
{
    (void)state;
    for (int64_t t = -62000000000; t < 250000000000; t += 86400 * 97 + 12345) {
        time_t seconds = (time_t)t;
        struct tm tm;
        char want[64], got[CLOCK_TEXT];
        gmtime_r(&seconds, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
        clock_format(t * 1000000, got);
        if (tm.tm_year + 1900 >= 1000) { /* strftime does not pad years */
            assert_string_equal(got, want);
        }
        int64_t back;
        assert_true(clock_parse(str_from(got), &back));
        assert_int_equal(back, t * 1000000);
    }
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {
        {"2026-01-31T12:00:00Z", 1769860800000000},
        {"2026-01-31T12:00:00.1Z", 1769860800100000},
        {"2026-01-31T12:00:00.123456Z", 1769860800123456},
        {"2026-01-31T12:00:00.123456789Z", 1769860800123456},
        {"2026-01-31T14:30:00+02:30", 1769860800000000},
        {"2026-01-31T07:00:00.000001-05:00", 1769860800000001},
        {"2024-02-29T00:00:00Z", 1709164800000000},
        {"0000-01-01T00:00:00Z", -62167219200000000},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        int64_t us = 1;
        assert_true(clock_parse(str_from(good[i].text), &us));
        assert_int_equal(us, good[i].want);
    }
    static const char *const bad[] = {
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00Zx",
        "2026-13-01T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2026-01-00T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "26-01-31T12:00:00Z",
        "2026-1-31T12:00:00Z",
        "-026-01-31T12:00:00Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int64_t us = 1;
        assert_false(clock_parse(str_from(bad[i]), &us));
        assert_int_equal(us, 1);
    }
    assert_false(clock_parse(STR_NULL, &(int64_t){0}));
}

static void test_age(void **state)
{
    (void)state;
    const int64_t s = 1, m = 60, h = 3600, d = 86400;
    const struct {
        int64_t seconds;
        const char *want;
    } cases[] = {
        {-2 * s, "<invalid>"},
        {-1 * s, "0s"},
        {0, "0s"},
        {119 * s, "119s"},
        {120 * s, "2m"},
        {3 * m + 2 * s, "3m2s"},
        {10 * m, "10m"},
        {179 * m + 59, "179m"},
        {3 * h, "3h"},
        {7 * h + 59 * m, "7h59m"},
        {8 * h, "8h"},
        {47 * h + 59 * m, "47h"},
        {2 * d, "2d"},
        {7 * d + 23 * h, "7d23h"},
        {8 * d + h, "8d"},
        {729 * d, "729d"},
        {730 * d, "2y"},
        {3 * 365 * d + 10 * d, "3y10d"},
        {8 * 365 * d + 10 * d, "8y"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char out[CLOCK_TEXT];
        assert_int_equal(clock_age(cases[i].seconds * 1000000, out), strlen(cases[i].want));
        assert_string_equal(out, cases[i].want);
    }
    char out[CLOCK_TEXT];
    clock_age(-500000, out);
    assert_string_equal(out, "0s");
}

static void test_now(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t wall = clock_wall_us() / 1000000;
    assert_in_range(wall, before, time(NULL) + 1); /* time() lags by a tick */
    uint64_t a = clock_mono_ns();
    int64_t ms = clock_mono_ms();
    uint64_t b = clock_mono_ns();
    assert_true(b >= a);
    assert_in_range(ms, a / 1000000, b / 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format), cmocka_unit_test(test_agrees_with_libc),
        cmocka_unit_test(test_parse),  cmocka_unit_test(test_age),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
