/* SPDX-License-Identifier: Apache-2.0 */
/* Names, labels and their faults in the reference's words. */
#include "resources/metadata.h"

#include "fixture.h"

static struct arena arena;
static char long_name[300];

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    memset(long_name, 'a', sizeof(long_name));
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static void test_predicates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool subdomain, label, label_1035, qualified, value;
    } cases[] = {
        {"a", true, true, true, true, true},
        {"", false, false, false, false, true},
        {"a-b", true, true, true, true, true},
        {"a.b", true, false, false, true, true},
        {"1a.b-c.2", true, false, false, true, true},
        {"1a", true, true, false, true, true},
        {"a..b", false, false, false, true, true},
        {"a.", false, false, false, false, false},
        {".a", false, false, false, false, false},
        {"-a", false, false, false, false, false},
        {"abc-", false, false, false, false, false},
        {"A_", false, false, false, false, false},
        {"A_b", false, false, false, true, true},
        {"a b", false, false, false, false, false},
        {"x.io/a", false, false, false, true, false},
        {"/a", false, false, false, false, false},
        {"a/", false, false, false, false, false},
        {"a/b/c", false, false, false, false, false},
        {"X.io/a", false, false, false, false, false},
        {"\xc3\xa9", false, false, false, false, false},
        {"a\n", false, false, false, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str s = str_from(cases[i].text);
        assert_int_equal(name_is_dns1123_subdomain(s), cases[i].subdomain);
        assert_int_equal(name_is_dns1123_label(s), cases[i].label);
        assert_int_equal(name_is_dns1035_label(s), cases[i].label_1035);
        assert_int_equal(name_is_qualified(s), cases[i].qualified);
        assert_int_equal(name_is_label_value(s), cases[i].value);
    }
    assert_true(name_is_dns1123_subdomain(str_make(long_name, 253)));
    assert_false(name_is_dns1123_subdomain(str_make(long_name, 254)));
    assert_true(name_is_dns1123_label(str_make(long_name, 63)));
    assert_false(name_is_dns1123_label(str_make(long_name, 64)));
    assert_false(name_is_label_value(str_make(long_name, 64)));
    assert_false(name_is_qualified(str_make(long_name, 64)));
    assert_false(name_is_qualified(str_make("a\0b", 3)));
    assert_true(name_is_label_value(STR_NULL));
}

#define SUBDOMAIN                                                                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL                                                                                      \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used "                                                                                        \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define KEY                                                                                        \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define VALUE                                                                                      \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', " \
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

static const char *faults(void (*find)(struct str, struct name_faults *), struct str s)
{
    struct name_faults f = {0};
    struct buf b = {0};
    find(s, &f);
    for (size_t i = 0; i < f.n; i++) {
        buf_addz(&b, i ? "|" : "");
        buf_addz(&b, f.text[i]);
    }
    return buf_text(&arena, &b);
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(faults(name_faults_subdomain, STR("ok.io")), "");
    assert_string_equal(faults(name_faults_subdomain, STR("a_b")), SUBDOMAIN);
    assert_string_equal(faults(name_faults_subdomain, str_make(long_name, 254)),
                        "must be no more than 253 characters");
    assert_string_equal(faults(name_faults_label, STR("a.b")), "must not contain dots");
    assert_string_equal(faults(name_faults_label, STR("A")), LABEL);
    assert_string_equal(faults(name_faults_label, str_make(long_name, 64)),
                        "must be no more than 63 characters");
    assert_string_equal(faults(name_faults_qualified, STR("bad key")), "name part " KEY);
    assert_string_equal(faults(name_faults_qualified, STR("")),
                        "name part must be non-empty|name part " KEY);
    assert_string_equal(faults(name_faults_qualified, STR("/x")), "prefix part must be non-empty");
    assert_string_equal(faults(name_faults_qualified, STR("A/x")), "prefix part " SUBDOMAIN);
    assert_string_equal(faults(name_faults_qualified, STR("a/b/c")),
                        "a valid label key " KEY " with an optional DNS subdomain prefix and '/' "
                        "(e.g. 'example.com/MyName')");
    assert_string_equal(faults(name_faults_qualified, str_make(long_name, 64)),
                        "name part must be no more than 63 bytes");
    assert_string_equal(faults(name_faults_label_value, STR("bad value!")), VALUE);
    assert_string_equal(faults(name_faults_label_value, str_make(long_name, 64)),
                        "must be no more than 63 bytes");
    assert_string_equal(faults(name_faults_label_1035, STR("a")), "");
    assert_true(strlen(faults(name_faults_label_1035, STR("1a"))) > 0);
}

static const char *causes_of(void (*check)(struct str, bool, const struct path *, struct causes *),
                             struct str name, bool is_prefix)
{
    struct causes c;
    causes_init(&c, &arena);
    check(name, is_prefix, PATH_FIELD(NULL, STR("f")), &c);
    struct str s = c.n ? causes_text(&c) : STR("");
    return arena_str(&arena, s).ptr;
}

static void test_checks(void **state)
{
    (void)state;
    assert_string_equal(causes_of(name_dns1123_subdomain, STR("web-"), true), "");
    assert_string_equal(causes_of(name_dns1123_subdomain, STR("web-"), false),
                        "f: Invalid value: \"web-\": " SUBDOMAIN);
    assert_string_equal(causes_of(name_dns1123_subdomain, STR("Web_"), true),
                        "f: Invalid value: \"Web_\": " SUBDOMAIN);
    assert_string_equal(causes_of(name_dns1123_subdomain, STR("-"), true),
                        "f: Invalid value: \"-\": " SUBDOMAIN);
    assert_string_equal(causes_of(name_dns1123_label, STR("a.b"), false),
                        "f: Invalid value: \"a.b\": must not contain dots");
    assert_string_equal(causes_of(name_dns1123_label, STR("n-"), true), "");
    assert_string_equal(causes_of(name_path_segment, STR(".."), false),
                        "f: Invalid value: \"..\": may not be '..'");
    assert_string_equal(causes_of(name_path_segment, STR(".."), true), "");
    assert_string_equal(
        causes_of(name_path_segment, STR("a/%b"), false),
        "[f: Invalid value: \"a/%b\": may not contain '/', f: Invalid value: \"a/%b\": may not "
        "contain '%']");
    assert_string_equal(causes_of(name_path_segment, STR(""), false), "");
    assert_true(strlen(causes_of(name_dns1123_subdomain, str_make(long_name, 300), true)) > 0);
    long_name[299] = '-';
    assert_true(strlen(causes_of(name_dns1123_subdomain, str_make(long_name, 300), true)) > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_predicates), T(test_words), T(test_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
