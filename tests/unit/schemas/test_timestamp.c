/* SPDX-License-Identifier: Apache-2.0 */
/* Times: Go's strictness and Go's sentences. */
#include "schemas/timestamp.h"

#include "tests/unit/schemas/support.h"

/* The text rewritten, or Go's refusal. */
static const char *rewrite(const char *text, enum timestamp_layout layout)
{
    AUTO(buf_finish) struct buf b = {0};
    struct timestamp t;
    if (timestamp_parse(str_from(text), layout, &t, &b)) {
        assert_int_equal(b.len, 0);
        timestamp_write(&b, t, layout);
    }
    buf_addc(&b, 0);
    return arena_strdup(&arena, b.ptr);
}

#define TIME "2006-01-02T15:04:05Z07:00"
#define MICRO "2006-01-02T15:04:05.000000Z07:00"
#define CANNOT(text, layout, value, element)                                                       \
    "parsing time \"" text "\" as \"" layout "\": cannot parse \"" value "\" as \"" element "\""

static void test_time(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z"},
        {"2001-01-01T00:00:00.999Z", "2001-01-01T00:00:00Z"},
        {"2001-01-01T00:00:00,5Z", "2001-01-01T00:00:00Z"},
        {"2001-01-01T00:30:00+01:00", "2000-12-31T23:30:00Z"},
        {"2001-01-01T1:00:00Z", "2001-01-01T01:00:00Z"},
        {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
        {"1900-03-01T00:00:00Z", "1900-03-01T00:00:00Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
        {"", CANNOT("", TIME, "", "2006")},
        {"yesterday", CANNOT("yesterday", TIME, "yesterday", "2006")},
        {"2001", CANNOT("2001", TIME, "", "-")},
        {"2001-1-01T00:00:00Z", CANNOT("2001-1-01T00:00:00Z", TIME, "1-01T00:00:00Z", "01")},
        {"2001-01-01 00:00:00Z", CANNOT("2001-01-01 00:00:00Z", TIME, " 00:00:00Z", "T")},
        {"2001-01-01T00:00:00", CANNOT("2001-01-01T00:00:00", TIME, "", "Z07:00")},
        {"2001-01-01T00:00:00z", CANNOT("2001-01-01T00:00:00z", TIME, "z", "Z07:00")},
        {"2001-01-01T00:00:00+0100", CANNOT("2001-01-01T00:00:00+0100", TIME, "+0100", "Z07:00")},
        {"2001-01-01T00:00:00.", CANNOT("2001-01-01T00:00:00.", TIME, ".", "Z07:00")},
        {"2001-13-01T00:00:00Z", "parsing time \"2001-13-01T00:00:00Z\": month out of range"},
        {"2001-02-29T00:00:00Z", "parsing time \"2001-02-29T00:00:00Z\": day out of range"},
        {"2001-01-00T00:00:00Z", "parsing time \"2001-01-00T00:00:00Z\": day out of range"},
        {"2001-01-01T24:00:00Z", "parsing time \"2001-01-01T24:00:00Z\": hour out of range"},
        {"2001-01-01T00:60:00Z", "parsing time \"2001-01-01T00:60:00Z\": minute out of range"},
        {"2001-01-01T00:00:60Z", "parsing time \"2001-01-01T00:00:60Z\": second out of range"},
        {"2001-01-01T00:00:00+25:00",
         "parsing time \"2001-01-01T00:00:00+25:00\": time zone offset hour out of range"},
        {"2001-01-01T00:00:00+01:99",
         "parsing time \"2001-01-01T00:00:00+01:99\": time zone offset minute out of range"},
        {"2001-01-01T00:00:00Zx", "parsing time \"2001-01-01T00:00:00Zx\": extra text: \"x\""},
        {"\"\xc3\xa4\n", CANNOT("\\\"\\xc3\\xa4\\x0a", TIME, "\\\"\\xc3\\xa4\\x0a", "2006")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(rewrite(cases[i].text, TIMESTAMP_TIME), cases[i].want);
    }
}

static void test_micro(void **state)
{
    (void)state;
    assert_string_equal(rewrite("2001-01-01T00:00:05.123456Z", TIMESTAMP_MICRO),
                        "2001-01-01T00:00:05.123456Z");
    assert_string_equal(rewrite("2001-01-01T01:00:05.000001+01:00", TIMESTAMP_MICRO),
                        "2001-01-01T00:00:05.000001Z");
    assert_string_equal(rewrite("2001-01-01T00:00:05.5Z", TIMESTAMP_MICRO),
                        CANNOT("2001-01-01T00:00:05.5Z", MICRO, ".5Z", ".000000"));
    assert_string_equal(rewrite("2001-01-01T00:00:05Z", TIMESTAMP_MICRO),
                        CANNOT("2001-01-01T00:00:05Z", MICRO, "Z", ".000000"));
    assert_string_equal(rewrite("2001-01-01T00:00:05.1234567Z", TIMESTAMP_MICRO),
                        CANNOT("2001-01-01T00:00:05.1234567Z", MICRO, "7Z", "Z07:00"));
}

static void test_date(void **state)
{
    (void)state;
    assert_string_equal(rewrite("2001-01-31", TIMESTAMP_DATE), "2001-01-31");
    assert_string_equal(rewrite("2001-01-31T", TIMESTAMP_DATE),
                        "parsing time \"2001-01-31T\": extra text: \"T\"");
    struct timestamp t;
    assert_false(timestamp_parse(STR("2001-04-31"), TIMESTAMP_DATE, &t, NULL));
    assert_true(timestamp_parse(STR("1970-01-02"), TIMESTAMP_DATE, &t, NULL));
    assert_int_equal(t.seconds, 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_time), TEST(test_micro), TEST(test_date)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
