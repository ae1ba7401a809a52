/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "tests/unit/cpu.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
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
    AUTO(err_finish) struct err err = {0};
    if (json_read(&arena, str_from(text), &doc, NULL, &err) != 0) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return doc->root;
}

static void assert_writes(const yyjson_mut_val *v, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

static void assert_round(const char *text, const char *want)
{
    assert_writes(parse(text), want);
}

static void assert_refused(struct str text, const char *want)
{
    yyjson_mut_doc *doc = NULL;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(json_read(&arena, text, &doc, NULL, &err), ERR_BAD_REQUEST);
    assert_null(doc);
    assert_string_equal(err_message(&err), want);
    assert_int_equal(json_read(&arena, text, &doc, NULL, NULL), ERR_BAD_REQUEST);
}

static void test_round_trip(void **state)
{
    (void)state;
    assert_round("null", "null");
    assert_round(" true ", "true");
    assert_round("false", "false");
    assert_round("\"\"", "\"\"");
    assert_round("{}", "{}");
    assert_round("[ ]", "[]");
    assert_round("{\"a\":{}, \"b\":[], \"c\":[[],[{}]]}", "{\"a\":{},\"b\":[],\"c\":[[],[{}]]}");
    assert_round("{\"z\":1,\"a\":[1,\"x\",null,true,{\"b\":2}],\"m\":{\"n\":{\"o\":-3}}}",
                 "{\"z\":1,\"a\":[1,\"x\",null,true,{\"b\":2}],\"m\":{\"n\":{\"o\":-3}}}");
    assert_round("\"\\u00e9\\n\\t\\\"\\\\\\/\\u0001\\u2028<&>\"",
                 "\"\xc3\xa9\\n\\t\\\"\\\\/\\u0001\xe2\x80\xa8<&>\"");
    assert_round("{\"\\u0061b\":\"\\ud83d\\ude00\"}", "{\"ab\":\"\xf0\x9f\x98\x80\"}");
}

static void test_numbers_as_go(void **state)
{
    (void)state;
    assert_round("[0,-0,1,-1,1.0,1e3,-2.50]", "[0,0,1,-1,1,1000,-2.5]");
    assert_round("[9007199254740993,9223372036854775807,-9223372036854775808]",
                 "[9007199254740993,9223372036854775807,-9223372036854775808]");
    assert_round("[9223372036854775808,18446744073709551615,18446744073709551616]",
                 "[9223372036854776000,18446744073709552000,18446744073709552000]");
    assert_round(
        "[0.1,1e-6,1e-7,1.5e-9,1e20,1e21,1.25e+300,1e-300,123456.789]",
        "[0.1,0.000001,1e-7,1.5e-9,100000000000000000000,1e+21,1.25e+300,1e-300,123456.789]");
    assert_round("[-0.0,5e-324,1.7976931348623157e308,4.35,0.30000000000000004]",
                 "[-0,5e-324,1.7976931348623157e+308,4.35,0.30000000000000004]");
    assert_true(yyjson_mut_is_int(parse("1e3")));
    assert_true(yyjson_mut_is_real(parse("1e300")));
    assert_true(yyjson_mut_is_real(parse("18446744073709551615")));
}

static void test_write_any_number(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    json_write_double(&b, (double)INFINITY);
    buf_addc(&b, ' ');
    json_write_double(&b, (double)NAN);
    buf_addc(&b, ' ');
    json_write_double(&b, 1e22);
    buf_addc(&b, ' ');
    json_write_double(&b, 0);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, "null null 1e+22 0");
    yyjson_mut_doc *d = json_doc(&arena);
    assert_writes(yyjson_mut_uint(d, UINT64_MAX), "18446744073709551615");
    assert_writes(yyjson_mut_sint(d, -7), "-7");
    assert_writes(yyjson_mut_real(d, 3), "3");
}

static void test_strings_need_not_be_utf8(void **state)
{
    (void)state;
    yyjson_mut_doc *d = json_doc(&arena);
    assert_writes(yyjson_mut_strn(d, "a\xff\0b", 4), "\"a\xef\xbf\xbd\\u0000b\"");
    yyjson_mut_val *v = parse("{\"a\\u0000b\":\"c\\u0000d\"}");
    assert_int_equal(json_str(json_getn(v, str_make("a\0b", 3))).len, 3);
    assert_writes(v, "{\"a\\u0000b\":\"c\\u0000d\"}");
}

static void test_pretty(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    json_write_pretty(&b, parse("{\"a\":[1,{\"b\":{}}],\"c\":[]}"));
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, "{\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n"
                               "  \"c\": []\n}");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "unexpected end of JSON input"},
        {"  ", "unexpected end of JSON input"},
        {"{\"apiVersion\": \"v1\", ", "unexpected end of JSON input"},
        {"[1", "unexpected end of JSON input"},
        {"\"a", "unexpected end of JSON input"},
        {"tr", "invalid character ' ' in literal true (expecting 'u')"},
        {"-", "invalid character ' ' in numeric literal"},
        {"[\"\\", "invalid character ' ' in string escape code"},
        {"[1,-1E400]", "json: cannot unmarshal number -1E400 into Go value of type float64"},
        {"hello", "invalid character 'h' looking for beginning of value"},
        {"{nope", "invalid character 'n' looking for beginning of object key string"},
        {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
        {"[1,]", "invalid character ']' looking for beginning of value"},
        {"{\"a\" 1}", "invalid character '1' after object key"},
        {"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"},
        {"[1 2]", "invalid character '2' after array element"},
        {"[1}", "invalid character '}' after array element"},
        {"{} x", "invalid character 'x' after top-level value"},
        {"01", "invalid character '1' after top-level value"},
        {"-x", "invalid character 'x' in numeric literal"},
        {"1.x", "invalid character 'x' after decimal point in numeric literal"},
        {"1ex", "invalid character 'x' in exponent of numeric literal"},
        {"trux", "invalid character 'x' in literal true (expecting 'e')"},
        {"nil", "invalid character 'i' in literal null (expecting 'u')"},
        {"\"\\x\"", "invalid character 'x' in string escape code"},
        {"\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"},
        {"\"a\nb\"", "invalid character '\\n' in string literal"},
        {"'a'", "invalid character '\\'' looking for beginning of value"},
        {"\xef\xbb\xbf{}", "invalid character '\xc3\xaf' looking for beginning of value"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_refused(str_from(cases[i].text), cases[i].message);
    }
    assert_refused(STR_NULL, "unexpected end of JSON input");
    assert_refused(STR("{}\0"), "invalid character '\\x00' after top-level value");
}

static void test_refusals_beyond_go(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"\xff\"", "\"\xc0\x80\"", "\"\\ud800\"", "1e999", "NaN"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        yyjson_mut_doc *doc = NULL;
        AUTO(err_finish) struct err err = {0};
        assert_int_equal(json_read(&arena, str_from(texts[i]), &doc, NULL, &err), ERR_BAD_REQUEST);
        assert_true(strlen(err_message(&err)) > 10);
    }
}

static char *nested(size_t depth)
{
    char *s = malloc(depth * 2 + 1);
    memset(s, '[', depth);
    memset(s + depth, ']', depth);
    s[depth * 2] = 0;
    return s;
}

static void test_depth(void **state)
{
    (void)state;
    AUTO_FREE char *fits = nested(LIMIT_DEPTH);
    AUTO_FREE char *over = nested(LIMIT_DEPTH + 1);
    AUTO_FREE char *far = nested(500000);
    assert_round(fits, fits);
    assert_refused(str_from(over), "exceeded max depth of 200");
    assert_refused(str_from(far), "exceeded max depth of 200");
    yyjson_mut_doc *doc = NULL;
    assert_int_equal(json_read_own(&arena, str_from(far), &doc, NULL), ERR_BAD_REQUEST);
    memset(far, '[', 1000000);
    assert_refused(str_from(far), "unexpected end of JSON input");
}

static void test_depth_of_trees(void **state)
{
    (void)state;
    yyjson_mut_doc *d = json_doc(&arena);
    yyjson_mut_val *v = yyjson_mut_int(d, 1);
    for (size_t i = 0; i < LIMIT_DEPTH; i++) {
        yyjson_mut_val *up = yyjson_mut_arr(d);
        yyjson_mut_arr_append(up, v);
        v = up;
    }
    assert_true(json_depth_ok(v));
    for (size_t i = 0; i < 100000; i++) {
        yyjson_mut_val *up = yyjson_mut_obj(d);
        json_setz(d, up, "a", v);
        v = up;
    }
    assert_false(json_depth_ok(v));
    assert_true(json_depth_ok(NULL));
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v); /* must not run out of stack */
    assert_int_equal(b.len, 100000 * 6 + LIMIT_DEPTH * 2 + 1);
}

static void read_duplicates(const char *text, struct json_duplicates *dup, const char *want)
{
    yyjson_mut_doc *doc = NULL;
    assert_int_equal(json_read(&arena, str_from(text), &doc, dup, NULL), 0);
    assert_writes(doc->root, want);
}

static void assert_paths(const struct json_duplicates *dup, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < dup->n; i++) {
        buf_addz(&b, i ? "," : "");
        buf_add(&b, dup->paths[i]);
        assert_null(dup->lines[i].ptr);
    }
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

/* Go decodes a repeated map of a typed object into one map. */
/* Objects in objects whose members stand the other way round: each is compared once, not twice at each level. */
static void test_equal_in_any_order(void **state)
{
    enum { LEVELS = 60, MEMBERS = 24 };
    AUTO(buf_finish) struct buf up = {0}, down = {0};
    (void)state;
    for (int i = 0; i < LEVELS; i++) {
        buf_addz(&up, "{\"deep\":");
        buf_addz(&down, "{");
        for (int m = MEMBERS; m > 0; m--) {
            buf_printf(&down, "\"m%d\":%d,", m, m);
        }
        buf_addz(&down, "\"deep\":");
    }
    buf_addz(&up, "1");
    buf_addz(&down, "1");
    for (int i = 0; i < LEVELS; i++) {
        for (int m = 1; m <= MEMBERS; m++) {
            buf_printf(&up, ",\"m%d\":%d", m, m);
        }
        buf_addz(&up, "}");
        buf_addz(&down, "}");
    }
    buf_addc(&up, 0);
    buf_addc(&down, 0);
    yyjson_mut_val *a = parse(up.ptr), *b = parse(down.ptr);
    assert_true(json_equal(a, b));
    assert_true(json_equal(b, a));
    json_set_int(json_doc(&arena), a, "m7", 8);
    assert_false(json_equal(a, b));
    assert_false(json_equal(b, a));
}

/* A key that stands again and again, each time with another member, costs no more than as many members. */
static void test_many_merged(void **state)
{
    enum { TIMES = 60000 };
    AUTO(buf_finish) struct buf b = {0};
    struct json_duplicates dup = {.merge = true};
    yyjson_mut_doc *d = NULL;
    (void)state;
    for (int i = 0; i < TIMES; i++) {
        buf_printf(&b, "%s\"a\":{\"k%d\":{\"n\":%d}}", i ? "," : "{", i % (TIMES / 2), i);
    }
    buf_addc(&b, '}');
    int64_t begun = cpu_ms();
    assert_int_equal(json_read(&arena, buf_str(&b), &d, &dup, NULL), 0);
    assert_true(cpu_ms() - begun < 20000);
    assert_int_equal(json_size(d->root), 1);
    assert_int_equal(json_size(json_get(d->root, "a")), TIMES / 2);
    assert_int_equal(json_get_int(json_path(d->root, "a", "k7", NULL), "n", 0), TIMES / 2 + 7);
}

static void test_duplicates_merged(void **state)
{
    (void)state;
    struct json_duplicates dup = {.merge = true};
    read_duplicates("{\"a\":{\"k\":1,\"k\":2},\"b\":0,\"a\":{\"l\":3}}", &dup, "{\"a\":{\"k\":2,\"l\":3},\"b\":0}");
    read_duplicates("{\"a\":{\"k\":{\"x\":1}},\"a\":{\"k\":{\"y\":2}},\"a\":{\"k\":{\"x\":3}}}", &dup, "{\"a\":{\"k\":{\"x\":3,\"y\":2}}}");
    read_duplicates("{\"a\":{},\"a\":{\"l\":3},\"a\":[1]}", &dup, "{\"a\":[1]}");
    read_duplicates("{\"a\":{\"l\":3},\"a\":{}}", &dup, "{\"a\":{\"l\":3}}");
}

static void test_duplicates(void **state)
{
    (void)state;
    struct json_duplicates dup = {0};
    read_duplicates("{\"a\":1,\"b\":2}", &dup, "{\"a\":1,\"b\":2}");
    assert_int_equal(dup.n, 0);
    read_duplicates("{\"data\":{\"k\":\"1\",\"k\":\"2\"},\"x\":0,\"data\":{\"l\":\"3\"}}", &dup,
                    "{\"data\":{\"l\":\"3\"},\"x\":0}");
    assert_paths(&dup, "data.k,data");
    dup = (struct json_duplicates){0};
    read_duplicates(
        "[{\"a\":[{\"b\":1,\"c\":2,\"\\u0062\":3,\"b\":{\"z\":[1]}}]},{\"a\":1,\"a\":[2,3]}]", &dup,
        "[{\"a\":[{\"b\":{\"z\":[1]},\"c\":2}]},{\"a\":[2,3]}]");
    assert_paths(&dup, "[0].a[0].b,[1].a");
}

static void test_many_keys(void **state)
{
    (void)state;
    const int n = 20000;
    AUTO(buf_finish) struct buf b = {0}, want = {0};
    buf_addz(&b, "{\"top\":{");
    buf_addz(&want, "{\"top\":{");
    for (int i = 0; i < n; i++) {
        buf_printf(&b, "\"some-longer-key-%d\":%d,", i, i);
        buf_printf(&want, "%s\"some-longer-key-%d\":%d", i ? "," : "", i, i == 7 ? -7 : i);
    }
    buf_addz(&b, "\"some-longer-key-7\":-7}}");
    buf_addz(&want, "}}");
    buf_addc(&want, 0);
    buf_addc(&b, 0);
    struct json_duplicates dup = {0};
    read_duplicates(b.ptr, &dup, want.ptr);
    assert_paths(&dup, "top.some-longer-key-7");
}

static void test_duplicates_are_capped(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{\"");
    for (int i = 0; i < 100000; i++) {
        buf_addc(&b, 'k');
    }
    buf_addz(&b, "\":{");
    for (int i = 0; i < 2000; i++) {
        buf_printf(&b, "\"a%d\":1,\"a%d\":2,", i, i);
    }
    buf_addz(&b, "\"z\":0}}");
    yyjson_mut_doc *doc = NULL;
    struct json_duplicates dup = {0};
    assert_int_equal(json_read(&arena, buf_str(&b), &doc, &dup, NULL), 0);
    assert_in_range(dup.n, 1, 100);
    assert_true(arena.total < 16 * 1024 * 1024);
}

static void test_read_own(void **state)
{
    (void)state;
    yyjson_mut_doc *doc = NULL;
    assert_int_equal(json_read_own(&arena, STR("{\"a\":1.0,\"b\":[{\"c\":null}]}"), &doc, NULL), 0);
    assert_writes(doc->root, "{\"a\":1,\"b\":[{\"c\":null}]}");
    assert_int_equal(json_read_own(&arena, STR("{\"a\":"), &doc, NULL), ERR_BAD_REQUEST);
}

static void test_getters(void **state)
{
    (void)state;
    yyjson_mut_val *v = parse("{\"m\":{\"n\":\"x\",\"b\":true,\"i\":-5,\"d\":1.5,\"l\":[1]}}");
    yyjson_mut_val *m = json_get(v, "m");
    assert_true(str_is(json_str(json_path(v, "m", "n", NULL)), "x"));
    assert_null(json_path(v, "m", "q", "r", NULL));
    assert_null(json_path(v, "m", "l", "r", NULL));
    assert_null(json_path(NULL, "m", NULL));
    assert_ptr_equal(json_path(v, NULL), v);
    assert_true(str_is(json_get_str(m, "n"), "x"));
    assert_null(json_get_str(m, "i").ptr);
    assert_null(json_get_str(NULL, "i").ptr);
    assert_true(json_get_bool(m, "b"));
    assert_false(json_get_bool(m, "n"));
    assert_int_equal(json_get_int(m, "i", 9), -5);
    assert_int_equal(json_get_int(m, "d", 9), 9);
    assert_int_equal(json_get_int(m, "none", 9), 9);
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(json_get(m, "l"), "a"));
}

static void assert_equality(const char *a, const char *b, bool want)
{
    assert_int_equal(json_equal(parse(a), parse(b)), want);
    assert_int_equal(json_equal(parse(b), parse(a)), want);
}

static void test_equal(void **state)
{
    (void)state;
    assert_equality("{\"a\":1,\"b\":[1,2,{\"c\":null}]}", "{\"b\":[1,2,{\"c\":null}],\"a\":1.0}",
                    true);
    assert_equality("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", "{\"d\":4,\"b\":2,\"a\":1,\"c\":3}", true);
    assert_equality("{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false);
    assert_equality("{\"a\":1,\"b\":2}", "{\"a\":1}", false);
    assert_equality("{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}", false);
    assert_equality("[1,2]", "[2,1]", false);
    assert_equality("[]", "{}", false);
    assert_equality("[]", "[]", true);
    assert_equality("{}", "{}", true);
    assert_equality("\"a\"", "\"\\u0061\"", true);
    assert_equality("true", "false", false);
    assert_equality("null", "null", true);
    assert_equality("0", "null", false);
    assert_equality("1", "-1", false);
    assert_equality("9223372036854775807", "9223372036854775806", false);
    assert_true(json_equal(NULL, NULL));
    assert_false(json_equal(parse("null"), NULL));
    yyjson_mut_doc *d = json_doc(&arena);
    assert_true(json_equal(yyjson_mut_sint(d, 5), yyjson_mut_uint(d, 5)));
    assert_false(json_equal(yyjson_mut_sint(d, -1), yyjson_mut_uint(d, UINT64_MAX)));
    assert_true(json_equal(yyjson_mut_real(d, 5), yyjson_mut_uint(d, 5)));
}

/* Another order of many keys costs no more than a sort. */
static void test_equal_in_another_order(void **state)
{
    enum { KEYS = 100000 };
    (void)state;
    yyjson_mut_doc *d = json_doc(&arena);
    yyjson_mut_val *a = yyjson_mut_obj(d), *b = yyjson_mut_obj(d);
    for (int i = 0; i < KEYS; i++) {
        yyjson_mut_obj_add_int(d, a, arena_printf(&arena, "k%d", i), i);
        yyjson_mut_obj_add_int(d, b, arena_printf(&arena, "k%d", KEYS - 1 - i), KEYS - 1 - i);
    }
    int64_t begun = cpu_ms();
    assert_true(json_equal(a, b));
    json_set_int(d, b, "k5", 6);
    assert_false(json_equal(a, b));
    assert_true(cpu_ms() - begun < 5000);
}

static void test_setters(void **state)
{
    (void)state;
    yyjson_mut_doc *d = json_doc(&arena);
    yyjson_mut_val *o = yyjson_mut_obj(d);
    json_set_str(d, o, "a", STR("x"));
    json_set_int(d, o, "b", -2);
    json_set_bool(d, o, "c", true);
    assert_writes(o, "{\"a\":\"x\",\"b\":-2,\"c\":true}");
    json_set_int(d, o, "c", 3);
    json_set_int(d, o, "a", 1);
    json_set_int(d, o, "d", 4);
    assert_writes(o, "{\"a\":1,\"b\":-2,\"c\":3,\"d\":4}");
    json_set_first(d, o, "e", yyjson_mut_null(d));
    json_set_first(d, o, "d", yyjson_mut_int(d, 5));
    assert_writes(o, "{\"d\":5,\"e\":null,\"a\":1,\"b\":-2,\"c\":3}");
    assert_true(json_remove(o, "d"));
    assert_true(json_remove(o, "c"));
    assert_false(json_remove(o, "c"));
    assert_false(json_remove(NULL, "c"));
    assert_writes(o, "{\"e\":null,\"a\":1,\"b\":-2}");
    yyjson_mut_val *sub = json_ensure_obj(d, o, "a");
    assert_ptr_equal(json_ensure_obj(d, o, "a"), sub);
    json_set_str(d, sub, "k", STR_NULL);
    assert_writes(o, "{\"e\":null,\"a\":{\"k\":\"\"},\"b\":-2}");
    yyjson_mut_val *empty = yyjson_mut_obj(d);
    json_set_first(d, empty, "x", yyjson_mut_int(d, 1));
    json_remove(empty, "x");
    json_set_int(d, empty, "y", 2);
    assert_writes(empty, "{\"y\":2}");
}

static void test_copy_and_assign(void **state)
{
    (void)state;
    char text[] = "{\"a\":{\"b\":[\"deep\"]},\"c\":1}";
    yyjson_mut_val *v = parse(text);
    struct arena other;
    arena_init(&other, 0);
    yyjson_mut_doc *d = json_doc(&other);
    yyjson_mut_val *copy = json_copy(d, v);
    arena_finish(&arena); /* the copy needs nothing of it */
    assert_writes(copy, "{\"a\":{\"b\":[\"deep\"]},\"c\":1}");
    json_assign(json_get(copy, "c"), json_path(copy, "a", "b", NULL));
    assert_writes(copy, "{\"a\":{\"b\":[\"deep\"]},\"c\":[\"deep\"]}");
    json_assign(json_get(copy, "a"), yyjson_mut_null(d));
    assert_writes(copy, "{\"a\":null,\"c\":[\"deep\"]}");
    arena_finish(&other);
}

static void test_iteration(void **state)
{
    (void)state;
    yyjson_mut_val *v = parse("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    int sum = 0;
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        sum += (int)yyjson_mut_get_int(it.val);
        if (!str_is(json_str(it.key), "c")) {
            json_iter_remove(&it);
        }
    }
    assert_int_equal(sum, 10);
    assert_writes(v, "{\"c\":3}");
    v = parse("[1,2,3,4,5,6]");
    sum = 0;
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        sum += (int)yyjson_mut_get_int(it.val);
        assert_null(it.key);
        if (yyjson_mut_get_int(it.val) != 4) {
            json_iter_remove(&it);
        }
    }
    assert_int_equal(sum, 21);
    assert_writes(v, "[4]");
    yyjson_mut_doc *d = json_doc(&arena);
    yyjson_mut_arr_append(v, yyjson_mut_int(d, 9));
    assert_writes(v, "[4,9]");
    struct json_iter none = json_iter(NULL);
    assert_false(json_next(&none));
    none = json_iter(parse("3"));
    assert_false(json_next(&none));
}

static void test_index(void **state)
{
    (void)state;
    size_t want = 0;
    for (struct json_iter it = json_iter(parse("[5,6,7]")); json_next(&it); want++) {
        assert_int_equal(it.index, want);
        assert_int_equal(yyjson_mut_get_int(it.val), 5 + want);
    }
    assert_int_equal(want, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),
        T(test_numbers_as_go),
        T(test_write_any_number),
        T(test_strings_need_not_be_utf8),
        T(test_pretty),
        T(test_refusals),
        T(test_refusals_beyond_go),
        T(test_depth),
        T(test_depth_of_trees),
        T(test_duplicates),
        T(test_equal_in_any_order),
        T(test_many_merged),
        T(test_duplicates_merged),
        T(test_many_keys),
        T(test_duplicates_are_capped),
        T(test_read_own),
        T(test_getters),
        T(test_equal),
        T(test_equal_in_another_order),
        T(test_setters),
        T(test_copy_and_assign),
        T(test_iteration),
        T(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
