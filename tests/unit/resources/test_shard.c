/* SPDX-License-Identifier: Apache-2.0 */
/* Shard selectors: which objects they hold, how they are shown again, what is said of bad ones. */
#include "resources/shard.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "fixture.h"

#define UID(start, end) "shardRange(object.metadata.uid, '0x" start "', '0x" end "')"
#define NS(start, end) "shardRange(object.metadata.namespace, '0x" start "', '0x" end "')"
#define ZERO "0000000000000000"
#define HALF "8000000000000000"
#define ALL "10000000000000000"

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

static struct shard_selector *parse(const char *text)
{
    struct shard_selector *s = NULL;
    struct err err = {0};
    if (shard_parse(&arena, str_from(text), &s, &err)) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return s;
}

static bool holds(const char *text, const char *value)
{
    return shard_match(parse(text), str_from(value));
}

/* Published values of FNV-1a: of "" cbf29ce484222325, of "a" af63dc4c8601ec8c, of "foobar"
 * 85944171f73967e8. */
static void test_match(void **state)
{
    (void)state;
    assert_true(shard_match(NULL, STR("anything")));
    assert_true(holds(UID("85944171f73967e8", "85944171f73967e9"), "foobar"));
    assert_false(holds(UID("85944171f73967e9", ALL), "foobar"));
    assert_false(holds(UID(ZERO, "85944171f73967e8"), "foobar"));
    assert_true(holds(UID("cbf29ce484222325", ALL), ""));
    assert_false(holds(UID(ZERO, HALF), "a"));
    assert_true(holds(UID(HALF, ALL), "a"));
    assert_true(holds(UID(ZERO, "0000000000000001") "||" UID("af63dc4c8601ec8c", ALL), "a"));
    assert_true(holds(UID("ffffffffffffffff", ALL) " || " UID(ZERO, "ffffffffffffffff"), "x"));
}

/* Each value is in one of the quarters, and each quarter has some. */
static void test_divide(void **state)
{
    (void)state;
    static const char *const quarters[] = {
        NS(ZERO, "4000000000000000"), NS("4000000000000000", HALF), NS(HALF, "c000000000000000"),
        NS("c000000000000000", ALL)};
    int found[4] = {0};
    for (int i = 0; i < 1000; i++) {
        char value[40];
        int hits = 0;
        snprintf(value, sizeof(value), "%08x-4b06-4e95-bd12-c331e77dff0a", i * 2654435761u);
        for (int q = 0; q < 4; q++) {
            bool hit = holds(quarters[q], value);
            hits += hit;
            found[q] += hit;
        }
        assert_int_equal(hits, 1);
    }
    for (int q = 0; q < 4; q++) {
        assert_in_range(found[q], 150, 350);
    }
}

static void test_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {UID(ZERO, HALF), UID(ZERO, HALF)},
        {"  shardRange( object . metadata.uid,\t\"0x" ZERO "\" ,'0x" HALF "' ) // all of it",
         UID(ZERO, HALF)},
        {"(" NS(ZERO, HALF) "||" NS(HALF, ALL) ") || (" NS(ZERO, ALL) ")",
         NS(ZERO, HALF) " || " NS(HALF, ALL) " || " NS(ZERO, ALL)},
        {"a.b." UID(ZERO, HALF), UID(ZERO, HALF)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str text = shard_text(parse(cases[i][0]));
        assert_true(str_is(text, cases[i][1]));
    }
    assert_true(shard_by_namespace(parse(NS(ZERO, ALL))));
    assert_false(shard_by_namespace(parse(UID(ZERO, ALL))));
}

/* In the words of the reference. */
static void test_bad(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {" ", "empty shard selector is not allowed; omit the parameter for unfiltered lists"},
        {"foo", "unexpected expression kind 3; expected shardRange() call or || operator"},
        {"a.b", "unexpected expression kind 7; expected shardRange() call or || operator"},
        {"'x'", "unexpected expression kind 5; expected shardRange() call or || operator"},
        {"x.y(1)", "unsupported function \"y\"; only shardRange() and || are allowed"},
        {"shardRange(a)", "shardRange() requires exactly 3 arguments, got 1"},
        {"shardRange(a,b,c,d)", "shardRange() requires exactly 3 arguments, got 4"},
        {"shardRange('x',1,2)", "shardRange() first argument: expected field path (e.g. "
                                "object.metadata.uid), got expression kind 5"},
        {"shardRange(f(),1,2)", "shardRange() first argument: expected field path (e.g. "
                                "object.metadata.uid), got expression kind 1"},
        {"shardRange(object.metadata.name,1,2)",
         "unsupported field path \"object.metadata.name\"; supported: object.metadata.uid, "
         "object.metadata.namespace"},
        {"shardRange(object.metadata.uid,1,2)", "hexStart must be a string literal, got int64"},
        {"shardRange(object.metadata.uid,1.5,2)", "hexStart must be a string literal, got float64"},
        {"shardRange(object.metadata.uid,a,2)",
         "hexStart must be a string literal (e.g. '0xff'), got expression kind 3"},
        {"shardRange(object.metadata.uid,'', '')", "hexStart must have '0x' prefix, got \"\""},
        {UID("", HALF), "hexStart: hex value is required after '0x'"},
        {UID("0", HALF), "hexStart must be a 0x-prefixed 16-digit hex value, got \"0x0\" (did you "
                         "mean \"0x0000000000000000\"?)"},
        {UID(ZERO, "A000000000000000"),
         "hexEnd: invalid hex character \"A\" in \"0xA000000000000000\""},
        {UID(ZERO, "10000000000000001"),
         "hexEnd: 17-digit hex value must be '0x10000000000000000' (2^64), got "
         "\"0x10000000000000001\""},
        {UID(ZERO, "100000000000000000"),
         "hexEnd: hex value too long (18 chars, max 17): \"100000000000000000\""},
        {UID(HALF, HALF),
         "shard range start 0x8000000000000000 must be less than end 0x8000000000000000"},
        {UID(ZERO, HALF) "||" NS(HALF, ALL), "all shard ranges must use the same field, got "
                                             "\"object.metadata.uid\" and "
                                             "\"object.metadata.namespace\""},
        {UID(ZERO, HALF) " x",
         "CEL parse error: Syntax error: extraneous input 'x' expecting <EOF>"},
        {"foo || #", "CEL parse error: Syntax error: token recognition error at: '#'"},
        {"shardRange(object.metadata.uid, 'a'",
         "CEL parse error: Syntax error: missing ')' at '<EOF>'"},
        {UID(ZERO, HALF) " ||",
         "CEL parse error: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', "
         "'-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "
         "IDENTIFIER}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct shard_selector *s = NULL;
        AUTO(err_finish) struct err err = {0};
        assert_int_equal(shard_parse(&arena, str_from(cases[i][0]), &s, &err), ERR_UNKNOWN_500);
        assert_null(s);
        const char *start = "invalid shard selector: ";
        assert_memory_equal(err_message(&err), start, strlen(start));
        assert_string_equal(err_message(&err) + strlen(start), cases[i][1]);
    }
}

/* Nesting is refused before it costs stack. */
static void test_depth(void **state)
{
    (void)state;
    for (int calls = 0; calls < 2; calls++) {
        AUTO(buf_finish) struct buf b = {0};
        struct shard_selector *s = NULL;
        while (b.len < LIMIT_SELECTOR_BYTES) {
            buf_addz(&b, calls ? "f(" : "(");
        }
        assert_int_equal(shard_parse(&arena, buf_str(&b), &s, NULL), ERR_UNKNOWN_500);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_match, begin, end),
        cmocka_unit_test_setup_teardown(test_divide, begin, end),
        cmocka_unit_test_setup_teardown(test_text, begin, end),
        cmocka_unit_test_setup_teardown(test_bad, begin, end),
        cmocka_unit_test_setup_teardown(test_depth, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
