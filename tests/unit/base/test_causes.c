/* SPDX-License-Identifier: Apache-2.0 */
#include "base/causes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"

static struct arena arena;
static struct causes causes;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    causes_init(&causes, &arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static yyjson_mut_val *parse(const char *text)
{
    yyjson_mut_doc *doc = NULL;
    assert_int_equal(json_read(&arena, str_from(text), &doc, NULL, NULL), 0);
    return doc->root;
}

static void assert_text(struct str s, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_add(&b, s);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

static void test_paths(void **state)
{
    (void)state;
    const struct path *spec = PATH_FIELD(NULL, STR("spec"));
    const struct path *versions = PATH_FIELD(spec, STR("versions"));
    const struct path *first = PATH_INDEX(versions, 0);
    const struct path *schema = PATH_FIELD(first, STR("schema"));
    assert_text(path_text(NULL, &arena), "");
    assert_text(path_text(spec, &arena), "spec");
    assert_text(path_text(schema, &arena), "spec.versions[0].schema");
    assert_text(path_text(PATH_KEY(schema, STR("a/b")), &arena), "spec.versions[0].schema[a/b]");
    assert_text(path_text(PATH_INDEX(NULL, 12), &arena), "[12]");
}

static void assert_message(const char *value, const char *want)
{
    causes_init(&causes, &arena);
    causes_add(&causes, CAUSE_INVALID, NULL, parse(value), "no");
    assert_text(causes.items[0].message, want);
}

static void test_values(void **state)
{
    (void)state;
    assert_message("\"a\\\"b\\n\"", "Invalid value: \"a\\\"b\\n\": no");
    assert_message("12", "Invalid value: 12: no");
    assert_message("-1.50", "Invalid value: -1.5: no");
    assert_message("1e21", "Invalid value: 1e+21: no");
    assert_message("1e20", "Invalid value: 1e+20: no");
    assert_message("1234567.5", "Invalid value: 1.2345675e+06: no");
    assert_message("123456.75", "Invalid value: 123456.75: no");
    assert_message("0.00001", "Invalid value: 1e-05: no");
    assert_message("0.0001", "Invalid value: 0.0001: no");
    assert_message("true", "Invalid value: true: no");
    assert_message("null", "Invalid value: null: no");
    assert_message("{\"b\":[1,{\"z\":1,\"y\":\"<\"}],\"a\":null}",
                   "Invalid value: {\"a\":null,\"b\":[1,{\"y\":\"\\u003c\",\"z\":1}]}: no");
}

static void test_types(void **state)
{
    (void)state;
    const struct path *at = PATH_FIELD(NULL, STR("f"));
    yyjson_mut_val *v = parse("\"v\"");
    causes_add(&causes, CAUSE_REQUIRED, at, v, NULL);
    causes_add(&causes, CAUSE_REQUIRED, at, v, "must be %s", "there");
    causes_add(&causes, CAUSE_DUPLICATE, at, v, NULL);
    causes_add(&causes, CAUSE_NOT_FOUND, at, v, NULL);
    causes_add(&causes, CAUSE_FORBIDDEN, at, NULL, "not now");
    causes_add(&causes, CAUSE_TOO_LONG, at, v, "may not be more than %d bytes", 3);
    causes_add_text(&causes, CAUSE_TOO_MANY, at, STR("3"), "must have at most %d items", 2);
    causes_add(&causes, CAUSE_TYPE_INVALID, at, v, "must be an integer");
    causes_add(&causes, CAUSE_INTERNAL, at, v, "broken");
    causes_add_text(&causes, CAUSE_INVALID, at, STR("name!"), NULL);
    causes_add(&causes, CAUSE_INVALID, at, NULL, "no value");
    static const char *const want[] = {
        "Required value",
        "Required value: must be there",
        "Duplicate value: \"v\"",
        "Not found: \"v\"",
        "Forbidden: not now",
        "Too long: may not be more than 3 bytes",
        "Too many: 3: must have at most 2 items",
        "Invalid value: \"v\": must be an integer",
        "Internal error: broken",
        "Invalid value: name!",
        "Invalid value: no value",
    };
    assert_int_equal(causes.n, sizeof(want) / sizeof(*want));
    for (size_t i = 0; i < causes.n; i++) {
        assert_text(causes.items[i].message, want[i]);
        assert_text(causes.items[i].field, "f");
    }
}

static void test_unsupported(void **state)
{
    (void)state;
    const struct str list[] = {STR("red"), STR("gr\"een")};
    const struct path *at = PATH_FIELD(NULL, STR("color"));
    causes_add_unsupported(&causes, at, parse("\"purple\""), list, 2);
    causes_add_unsupported(&causes, at, parse("7"), list, 0);
    assert_text(causes.items[0].message,
                "Unsupported value: \"purple\": supported values: \"red\", \"gr\\\"een\"");
    assert_text(causes.items[1].message, "Unsupported value: 7");
}

static void test_aggregate(void **state)
{
    (void)state;
    const struct path *a = PATH_FIELD(NULL, STR("a"));
    causes_add(&causes, CAUSE_REQUIRED, a, NULL, NULL);
    assert_text(causes_text(&causes), "a: Required value");
    causes_add(&causes, CAUSE_REQUIRED, a, NULL, NULL);
    assert_text(causes_text(&causes), "a: Required value");
    causes_add(&causes, CAUSE_INVALID, NULL, parse("\"\""), "x");
    assert_text(causes_text(&causes), "[a: Required value, <nil>: Invalid value: \"\": x]");
}

static void test_to_err(void **state)
{
    (void)state;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(causes_to_err(&causes, STR("g"), STR("K"), STR("n"), &err), 0);
    assert_int_equal(err.code, 0);
    const struct path *a = PATH_FIELD(NULL, STR("a"));
    causes_add(&causes, CAUSE_TYPE_INVALID, a, parse("1"), "x");
    assert_int_equal(causes_to_err(&causes, STR("example.com"), STR("Widget"), STR("w\"1"), &err),
                     ERR_INVALID);
    assert_string_equal(err.message,
                        "Widget.example.com \"w\\\"1\" is invalid: a: Invalid value: 1: x");
    assert_string_equal(err.group, "example.com");
    assert_string_equal(err.kind, "Widget");
    assert_string_equal(err.name, "w\"1");
    assert_int_equal(err.n_causes, 1);
    assert_string_equal(err.causes[0].reason, "FieldValueTypeInvalid");
    assert_string_equal(err.causes[0].field, "a");
    assert_string_equal(err.causes[0].message, "Invalid value: 1: x");
    assert_int_equal(causes_to_err(&causes, STR_NULL, STR("Secret"), STR("s"), &err), ERR_INVALID);
    assert_string_equal(err.message, "Secret \"s\" is invalid: a: Invalid value: 1: x");
    assert_null(err.group);
    assert_int_equal(causes_to_err(&causes, STR_NULL, STR("S"), STR("s"), NULL), ERR_INVALID);
}

static void test_caps(void **state)
{
    (void)state;
    for (size_t i = 0; i < LIMIT_CAUSES + 5; i++) {
        causes_add(&causes, CAUSE_REQUIRED, PATH_INDEX(NULL, i), NULL, NULL);
    }
    assert_int_equal(causes.n, LIMIT_CAUSES);
    assert_int_equal(causes.dropped, 5);
    assert_true(str_ends(causes_text(&causes), STR("[199]: Required value, and 5 more]")));
    causes_init(&causes, &arena);
    AUTO_FREE char *big = calloc(1, LIMIT_CAUSES_BYTES + 2);
    memset(big, 'x', LIMIT_CAUSES_BYTES + 1);
    causes_add_text(&causes, CAUSE_INVALID, NULL, str_from(big), NULL);
    causes_add_text(&causes, CAUSE_INVALID, NULL, str_from(big), NULL);
    assert_int_equal(causes.n, 1);
    assert_int_equal(causes.dropped, 1);
    causes_init(&causes, &arena);
    causes.max = 2;
    for (int i = 0; i < 3; i++) {
        causes_add(&causes, CAUSE_REQUIRED, PATH_INDEX(NULL, i), NULL, NULL);
    }
    assert_int_equal(causes.n, 2);
}

static void assert_quoted(struct str s, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    quote_go(&b, s);
    assert_text(buf_str(&b), want);
}

static void test_quote(void **state)
{
    (void)state;
    assert_quoted(STR(""), "\"\"");
    assert_quoted(STR("a\\b\"c'"), "\"a\\\\b\\\"c'\"");
    assert_quoted(STR("\a\b\t\n\v\f\r\0\x7f"), "\"\\a\\b\\t\\n\\v\\f\\r\\x00\\x7f\"");
    assert_quoted(STR("h\xc3\xa9 \xf0\x9f\x98\x80"), "\"h\xc3\xa9 \xf0\x9f\x98\x80\"");
    assert_quoted(STR("\xc2\xa0\xe2\x80\x8b\xef\xbb\xbf\xff\xf3\xa0\x80\x81"),
                  "\"\\u00a0\\u200b\\ufeff\\xff\\U000e0001\"");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_paths),     T(test_values), T(test_types), T(test_unsupported),
        T(test_aggregate), T(test_to_err), T(test_caps),  T(test_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
