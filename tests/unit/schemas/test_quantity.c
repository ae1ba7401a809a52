/* SPDX-License-Identifier: Apache-2.0 */
#include "schemas/quantity.h"

#include "schemas/format.h"
#include "tests/unit/schemas/support.h"

static const char *canonical(const char *text)
{
    AUTO(buf_finish) struct buf b = {0};
    const char *why = NULL;
    if (!quantity_canonical(str_from(text), &b, &why)) {
        assert_int_equal(b.len, 0);
        return why;
    }
    buf_addc(&b, 0);
    return arena_strdup(&arena, b.ptr);
}

static void test_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"0", "0"},          {"0Mi", "0"},
        {"-0", "0"},         {"1", "1"},
        {"+5", "5"},         {"0.5", "500m"},
        {".5", "500m"},      {"1.", "1"},
        {"1500m", "1500m"},  {"2000m", "2"},
        {"1000", "1k"},      {"1000k", "1M"},
        {"1024Mi", "1Gi"},   {"1536Mi", "1536Mi"},
        {"1.5Gi", "1536Mi"}, {"0.5Ki", "512"},
        {"1Ki", "1Ki"},      {"0.1Ki", "102400m"},
        {"-1.5", "-1500m"},  {"1e3", "1e3"},
        {"1000e3", "1e6"},   {"12e1", "120"},
        {"1E", "1E"},        {"100n", "100n"},
        {"0.1n", "1n"},      {"1.00000000001", "1000000001n"},
        {"007", "7"},        {"8Ei", "8Ei"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(canonical(cases[i].text), cases[i].want);
    }
}

static void test_refused(void **state)
{
    (void)state;
    const char *form = "quantities must match the regular expression "
                       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    const char *suffix = "unable to parse quantity's suffix";
    assert_string_equal(canonical(""), form);
    assert_string_equal(canonical("many"), form);
    assert_string_equal(canonical("1 "), form);
    assert_string_equal(canonical("1,5"), form);
    assert_string_equal(canonical("1.2.3"), form);
    assert_string_equal(canonical("1i"), suffix);
    assert_string_equal(canonical("1MM"), suffix);
    assert_string_equal(canonical("1e"), suffix);
    assert_string_equal(canonical("1K"), suffix);
    assert_true(format_is_quantity(STR("1Gi")));
    assert_false(format_is_quantity(STR("1GiB")));
}

/* What does not fit is left as it is, not mangled. */
static void test_huge(void **state)
{
    (void)state;
    char *digits = arena_printf(&arena, "1%0200d", 0);
    assert_string_equal(canonical(digits), digits);
    assert_string_equal(canonical("1e9999"), "1e9999");
    assert_string_equal(canonical("1e-9999"), "1e-9");
    assert_string_equal(canonical(arena_printf(&arena, "0.%0200d1", 0)), "1n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_canonical), TEST(test_refused), TEST(test_huge)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
