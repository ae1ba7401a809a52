/* SPDX-License-Identifier: Apache-2.0 */
/* Names of new services and their types: what is made of what, and what is refused. */
#include "cli/naming.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void assert_str(struct str have, const char *want)
{
    if (!str_is(have, want)) {
        fail_msg("%.*s, wanted %s", STR_FMT(have), want);
    }
}

static void test_plurals(void **state)
{
    static const char *const pairs[][2] = {
        {"recipe", "recipes"}, {"box", "boxes"},   {"city", "cities"},   {"day", "days"},
        {"class", "classes"},  {"dish", "dishes"}, {"match", "matches"}, {"a", "as"}};
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        assert_str(naming_plural(str_from(pairs[i][0]), &a), pairs[i][1]);
        assert_str(naming_singular(str_from(pairs[i][1]), &a), pairs[i][0]);
    }
    assert_str(naming_singular(STR("glass"), &a), "glass");
    assert_str(naming_singular(STR("analysis"), &a), "analysis");
    assert_str(naming_singular(STR("ties"), &a), "tie");
    assert_str(naming_singular(STR("s"), &a), "s");
    assert_str(naming_plural(STR("y"), &a), "ys");
    arena_finish(&a);
}

static struct naming completed(struct arena *a, struct naming n)
{
    AUTO(err_finish) struct err err = {0};
    if (naming_complete(&n, a, &err) < 0) {
        fail_msg("%s", err_message(&err));
    }
    return n;
}

static void test_what_is_not_given_is_made(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    struct naming n = completed(&a, (struct naming){.name = STR("cook_books2")});
    assert_str(n.kind, "CookBooks2");
    n = completed(&a, (struct naming){.name = STR("cook_books")});
    assert_str(n.kind, "CookBook");
    assert_str(n.singular, "cookbook");
    assert_str(n.plural, "cookbooks");
    assert_str(n.group, "cook-books.coracle.dev");
    n = completed(&a, (struct naming){.name = STR("kitchen"),
                                      .kind = STR("UTensil"),
                                      .group = STR("x.example.com")});
    assert_str(n.plural, "utensils");
    assert_str(n.group, "x.example.com");
    n = completed(&a, (struct naming){.name = STR("sheep"), .plural = STR("sheep")});
    assert_str(n.kind, "Sheep");
    assert_str(n.plural, "sheep");
    arena_finish(&a);
}

static void assert_refused(struct naming n, const char *words)
{
    struct arena a;
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    assert_int_equal(naming_complete(&n, &a, &err), ERR_BAD_REQUEST);
    if (!strstr(err_message(&err), words)) {
        fail_msg("%s, wanted %s", err_message(&err), words);
    }
    arena_finish(&a);
}

static void test_refusals(void **state)
{
    static const struct str bad_names[] = {{"", 0},     {"a-b", 3}, {"A", 1},  {"1a", 2},
                                           {"a__b", 4}, {"_a", 2},  {"a_", 2}, {"a\0b", 3}};
    (void)state;
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(*bad_names); i++) {
        assert_refused((struct naming){.name = bad_names[i]}, "will not do");
    }
    assert_refused((struct naming){.name = STR("abcdefghijklmnopqrstuvwxyzabcdefg")},
                   "longer than 32");
    assert_refused((struct naming){.name = STR("volatile")}, "a word of C");
    assert_refused((struct naming){.name = STR("config")}, "means something else");
    assert_refused((struct naming){.name = STR("test_a")}, "tests or fakes");
    assert_refused((struct naming){.name = STR("a"), .kind = STR("")}, "the kind \"\"");
    assert_refused((struct naming){.name = STR("a"), .kind = STR("A-b")}, "the kind \"A-b\"");
    assert_refused((struct naming){.name = STR("a"), .kind = STR("AList")}, "kinds in List");
    assert_refused((struct naming){.name = STR("a"), .plural = STR("a-b")}, "the plural \"a-b\"");
    assert_refused((struct naming){.name = STR("a"), .group = STR("one")}, "the group \"one\"");
    assert_refused((struct naming){.name = STR("a"), .group = STR("a.b-")}, "the group \"a.b-\"");
    assert_refused((struct naming){.name = STR("a"), .group = STR("k8s.io")}, "Kubernetes' own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plurals),
        cmocka_unit_test(test_what_is_not_given_is_made),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
