/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/conditions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

struct setup {
    struct arena a;
    yyjson_mut_doc *d;
    yyjson_mut_val *obj;
};

static void begin(struct setup *s, const char *text)
{
    arena_init(&s->a, 0);
    assert_int_equal(json_read(&s->a, str_from(text), &s->d, NULL, NULL), 0);
    s->obj = s->d->root;
}

static yyjson_mut_val *nth(const struct setup *s, size_t i)
{
    return yyjson_mut_arr_get(json_path(s->obj, "status", "conditions", NULL), i);
}

static void test_set_and_set_again(void **state)
{
    (void)state;
    struct setup s;
    int64_t at = 0, now = clock_wall_us();
    begin(&s, "{}");
    assert_false(condition_is_true(s.obj, "Ready"));
    assert_true(condition_set(s.d, s.obj, "Ready", true, "AllWell", STR("fine")));
    assert_true(condition_is_true(s.obj, "Ready"));
    assert_false(condition_is_true(s.obj, "Read"));
    yyjson_mut_val *c = nth(&s, 0);
    assert_true(str_is(json_get_str(c, "type"), "Ready"));
    assert_true(str_is(json_get_str(c, "status"), "True"));
    assert_true(str_is(json_get_str(c, "reason"), "AllWell"));
    assert_true(str_is(json_get_str(c, "message"), "fine"));
    assert_true(clock_parse(json_get_str(c, "lastTransitionTime"), &at));
    assert_true(at > now - 5 * 1000000 && at < now + 60 * 1000000LL);
    assert_int_equal(json_size(c), 5);
    assert_false(
        condition_set(s.d, s.obj, "Ready", true, "AllWell", STR("fine"))); /* nothing changed */
    arena_finish(&s.a);
}

static void test_transition_time_moves_with_status_only(void **state)
{
    (void)state;
    struct setup s;
    begin(&s,
          "{\"status\":{\"x\":1,\"conditions\":[{\"type\":\"A\",\"status\":\"True\","
          "\"lastTransitionTime\":\"2020-01-01T00:00:00Z\",\"reason\":\"r\","
          "\"message\":\"m\",\"observedGeneration\":3},{\"type\":\"B\",\"status\":\"Unknown\"}]}}");
    assert_true(condition_set(s.d, s.obj, "A", true, "other", STR("m")));
    assert_true(str_is(json_get_str(nth(&s, 0), "lastTransitionTime"), "2020-01-01T00:00:00Z"));
    assert_true(condition_set(s.d, s.obj, "A", true, "other", STR("more words")));
    assert_true(str_is(json_get_str(nth(&s, 0), "lastTransitionTime"), "2020-01-01T00:00:00Z"));
    assert_true(condition_set(s.d, s.obj, "A", false, "other", STR("more words")));
    assert_false(str_is(json_get_str(nth(&s, 0), "lastTransitionTime"), "2020-01-01T00:00:00Z"));
    assert_true(str_is(json_get_str(nth(&s, 0), "status"), "False"));
    assert_int_equal(json_get_int(nth(&s, 0), "observedGeneration", 0),
                     3); /* what others wrote stays */
    assert_false(condition_is_true(s.obj, "B"));
    assert_true(condition_set(s.d, s.obj, "B", true, "r", STR("")));
    assert_int_equal(json_size(json_path(s.obj, "status", "conditions", NULL)), 2);
    assert_true(condition_set(s.d, s.obj, "C", false, "r", STR("")));
    assert_true(str_is(json_get_str(nth(&s, 2), "type"), "C"));
    assert_int_equal(json_get_int(json_get(s.obj, "status"), "x", 0), 1);
    arena_finish(&s.a);
}

static void test_odd_shapes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"status\":null}",
        "{\"status\":[]}",
        "{\"status\":{\"conditions\":null}}",
        "{\"status\":{\"conditions\":{\"type\":\"A\"}}}",
        "{\"status\":{\"conditions\":[null,1,\"A\",[],{},{\"type\":7}]}}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct setup s;
        begin(&s, texts[i]);
        assert_false(condition_is_true(s.obj, "A"));
        assert_true(condition_set(s.d, s.obj, "A", true, "r", STR("m")));
        assert_true(condition_is_true(s.obj, "A"));
        arena_finish(&s.a);
    }
    assert_false(condition_is_true(NULL, "A"));
}

static void test_strings_are_copied(void **state)
{
    (void)state;
    struct setup s;
    char type[] = "Type", reason[] = "Reason", message[] = "message";
    begin(&s, "{}");
    condition_set(s.d, s.obj, type, true, reason, str_from(message));
    memset(type, '?', 4);
    memset(reason, '?', 6);
    memset(message, '?', 7);
    assert_true(condition_is_true(s.obj, "Type"));
    assert_true(str_is(json_get_str(nth(&s, 0), "reason"), "Reason"));
    assert_true(str_is(json_get_str(nth(&s, 0), "message"), "message"));
    arena_finish(&s.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_set_again),
        cmocka_unit_test(test_transition_time_moves_with_status_only),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_strings_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
