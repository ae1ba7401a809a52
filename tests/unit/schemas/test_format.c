/* SPDX-License-Identifier: Apache-2.0 */
/* String formats: a few texts of each that are of it, and a few that nearly are. */
#include "schemas/format.h"

#include "tests/unit/schemas/support.h"

#define MANY 12

static const struct {
    const char *name;
    const char *good[MANY], *bad[MANY];
} formats[] = {
    {"bsonobjectid",
     {"507f1f77bcf86cd799439011", "507F1F77BCF86CD799439011"},
     {"", "507f1f77bcf86cd79943901", "507f1f77bcf86cd79943901g"}},
    {"uri",
     {"http://a.b/c?d=e#f", "/x/y", "mailto:a@b", "http://u:p@h:80/", "http://[::1]:80/x", "*",
      "a:b", "//h/x", "x://a:b:80/", "http://h?%zz", "http://\xc3\xa4/"},
     {"", "x", "1a:b", ":a", "http://a b/", "http://a:x/", "http://[::1/", "http://a[b]/",
      "http://a/%zz", "http://a%41/", "http://a:b:1/", "/a\x01"}},
    {"email",
     {"a@b", "Joe <a@b>", "<a@b>", "\"a b\"@c", "a@[1.2.3.4]", "Joe Q. P <a@b>", "a@b (note)",
      "\xc3\xa4@b", " a@b "},
     {"", "a", "a@", "@b", "a.@b", "a..b@c", "a@b.", "a@b c", "a@b, c@d", "a @b", "<a@b", "a@[x]"}},
    {"hostname",
     {"localhost", "a.example.com", "foo-bar.com", "a-b", "\xc3\xa9.com"},
     {"", "-bad-", "a.b", "a..bc", "a_b.com", "1.2.3.4", "foo-bar",
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.com"}},
    {"ipv4",
     {"10.0.0.1", "010.0.0.1", "::ffff:1.2.3.4"},
     {"", "10.0.0.256", "1.2.3", "1.2.3.4.5", "::1", "1.2.3.a"}},
    {"ipv6",
     {"::1", "2001:db8::8a2e:370:7334", "::", "::ffff:1.2.3.4"},
     {"", "10.0.0.1", "1::2::3", "12345::", "fe80::1%eth0"}},
    {"cidr",
     {"10.0.0.0/8", "::1/128", "1.2.3.4/08"},
     {"", "10.0.0.0", "1.2.3.4/33", "::1/129", "1.2.3.4/", "/8", "1.2.3.4/-1"}},
    {"mac",
     {"00:00:5e:00:53:01", "02-00-5e-10-00-00-00-01", "0000.5e00.5301", "00005e005301"},
     {"", "00:00", "00:00:5e:00:53", "00-00:5e:00:53:01", "0:00:5e:00:53:01"}},
    {"uuid",
     {"123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"},
     {"", "123e4567", "123e4567-e89b-12d3-a456-42661417400g"}},
    {"uuid3", {"123e4567-e89b-32d3-a456-426614174000"}, {"123e4567-e89b-42d3-a456-426614174000"}},
    {"uuid4", {"123e4567-e89b-42d3-a456-426614174000"}, {"123e4567-e89b-42d3-c456-426614174000"}},
    {"uuid5", {"123e4567-e89b-52d3-b456-426614174000"}, {"123e4567-e89b-42d3-b456-426614174000"}},
    {"isbn", {"978-0321751041", "0321751043", "097522980X"}, {"", "123", "978-0321751042"}},
    {"isbn10", {"0-321-75104-3"}, {"978-0321751041", "0321751044", "X975229800"}},
    {"isbn13", {"9780321751041"}, {"0321751043"}},
    {"creditcard",
     {"4111111111111111", "4111-1111-1111-1111", "340000000000009"},
     {"", "1234", "4111111111111112", "9111111111111111"}},
    {"ssn", {"111-11-1111", "111 11 1111"}, {"", "111111111", "111-1-11111"}},
    {"hexcolor", {"#ffaa00", "FFF"}, {"", "red", "#ffff"}},
    {"rgbcolor",
     {"rgb(0,31,255)", "rgb( 1 , 2 , 3 )"},
     {"", "rgb(256,1,1)", "rgb(01,2,3)", "rgb(1,2)", "rgb(1,2,3"}},
    {"byte", {"AAEC", "YQ==", "YWI="}, {"", "***", "YQ", "====", "AA-_"}},
    {"password", {"", "anything"}, {NULL}},
    {"date",
     {"2006-01-02", "2004-02-29"},
     {"", "2005-02-29", "2006-1-2", "2006-13-01", "2006-01-02T"}},
    {"duration",
     {"22 ns", "1h2m3s", "1.5h", "-3ms", "0", "2 weeks", "10 minutes and 5 sec"},
     {"", "5", "3 fortnights"}},
    {"date-time",
     {"2014-12-15T19:30:20.000Z", "2014-12-15t19:30:20z", "2014-12-15T19:30:20+01:00"},
     {"", "2014-12-15", "2014-12-15T24:30:20Z", "2014-12-15T19:30:20", "2014-12-15 19:30:20Z",
      "2014-02-30T19:30:20Z"}},
    {"k8s-short-name", {"abc-1", "1"}, {"", "Abc", "-a", "a-", "a.b"}},
    {"k8s-long-name", {"a.b.c", "a"}, {"", "a..b", ".a", "a.", "A.b"}},
};

static bool matches(enum schema_format f, const char *text)
{
    struct schema *s = NULL;
    struct causes c;
    causes_init(&c, &arena);
    if (!format_pattern(f)) {
        return format_matches(f, str_from(text));
    }
    s = create_props("'a':{'type':'string','format':'hostname'}");
    yyjson_mut_doc *d = parse_doc("{}");
    json_setz(d, d->root, "a", yyjson_mut_str(d, text));
    schema_validate(s, d->root, NULL, &c);
    schema_unref(s);
    return c.n == 0;
}

static void test_formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        enum schema_format f = format_parse(str_from(formats[i].name));
        assert_int_not_equal(f, FORMAT_NONE);
        for (size_t j = 0; j < MANY && formats[i].good[j]; j++) {
            if (!matches(f, formats[i].good[j])) {
                fail_msg("\"%s\" is of %s", formats[i].good[j], formats[i].name);
            }
        }
        for (size_t j = 0; j < MANY && formats[i].bad[j]; j++) {
            if (matches(f, formats[i].bad[j])) {
                fail_msg("\"%s\" is not of %s", formats[i].bad[j], formats[i].name);
            }
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(format_parse(STR("datetime")), FORMAT_DATE_TIME);
    assert_int_equal(format_parse(STR("date-time")), FORMAT_DATE_TIME);
    assert_int_equal(format_parse(STR("u-u-i-d")), FORMAT_UUID); /* dashes do not count */
    assert_int_equal(format_parse(STR("made-up-format")), FORMAT_NONE);
    assert_int_equal(format_parse(STR("a-very-long-name-of-a-format-that-is-none")), FORMAT_NONE);
    assert_int_equal(format_parse(STR("")), FORMAT_NONE);
    assert_int_equal(format_parse(STR("int32")), FORMAT_NONE); /* not of strings */
}

/* A NUL is no digit of any kind. */
static void test_nul(void **state)
{
    (void)state;
    assert_false(format_matches(FORMAT_UUID4, STR("123e4567-e89b-42d3-\0""456-426614174000")));
    assert_false(format_matches(FORMAT_UUID5, STR("123e4567-e89b-52d3-\0""456-426614174000")));
    assert_false(format_matches(FORMAT_UUID4, STR("123e4567-e89b-42d3-a456-42661417400\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_formats), TEST(test_names), TEST(test_nul)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
