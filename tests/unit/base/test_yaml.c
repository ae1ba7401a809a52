/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/limits.h"

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

/* Reads text and compares it as JSON. */
static void assert_reads(const char *text, const char *want)
{
    yyjson_mut_doc *doc = NULL;
    AUTO(err_finish) struct err err = {0};
    if (yaml_read(&arena, str_from(text), &doc, NULL, &err) != 0) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, doc->root);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
}

static void assert_refused(struct str text, const char *want)
{
    yyjson_mut_doc *doc = NULL;
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(yaml_read(&arena, text, &doc, NULL, &err), ERR_BAD_REQUEST);
    assert_null(doc);
    assert_string_equal(err_message(&err), want);
}

static void test_plain_scalars(void **state)
{
    (void)state;
    assert_reads("[y, Y, yes, Yes, on, ON, true, True]",
                 "[true,true,true,true,true,true,true,true]");
    assert_reads("[n, N, no, NO, off, Off, false, FALSE]",
                 "[false,false,false,false,false,false,false,false]");
    assert_reads("[~, null, Null, NULL, '', tRue, yEs]",
                 "[null,null,null,null,\"\",\"tRue\",\"yEs\"]");
    assert_reads("a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}");
    assert_reads("[0777, 0o777, 08, 0x1F, 0b101, -0b101, 0X1f]", "[511,511,8,31,5,-5,31]");
    assert_reads("[+5, -0, 1_000, 0_7, 0x, 0b2, 1__0]", "[5,0,1000,7,\"0x\",\"0b2\",10]");
    assert_reads("[1:30, '12:30:45.5', 12:30:45.5]", "[\"1:30\",\"12:30:45.5\",\"12:30:45.5\"]");
    assert_reads("[2001-12-14, 2001-12-14T21:59:43.10-05:00]",
                 "[\"2001-12-14\",\"2001-12-14T21:59:43.10-05:00\"]");
    assert_reads("[9223372036854775807, -9223372036854775808, 18446744073709551615]",
                 "[9223372036854775807,-9223372036854775808,18446744073709552000]");
    assert_reads("[18446744073709551616, 1e3, 1E+3, .5, +.5, 1., 1.5e300]",
                 "[18446744073709552000,1000,1000,0.5,0.5,1,1.5e+300]");
    assert_reads("[5e, .e5, ., -, 1e999, 1.2.3, =, <<, ._5]",
                 "[\"5e\",\".e5\",\".\",\"-\",\"1e999\",\"1.2.3\",\"=\",\"<<\",\"._5\"]");
    assert_reads("['yes', \"1\", \"null\"]", "[\"yes\",\"1\",\"null\"]");
    assert_refused(STR(".inf"), "json: unsupported value: +Inf");
    assert_refused(STR("a: -.Inf"), "json: unsupported value: -Inf");
    assert_refused(STR("[.nan]"), "json: unsupported value: NaN");
}

static void test_tags(void **state)
{
    (void)state;
    assert_reads("[!!str 123, !!int '5', !!float 5, !!bool \"yes\", !!null '']",
                 "[\"123\",5,5,true,null]");
    assert_reads("a: !!binary aGVsbG8=", "{\"a\":\"hello\"}");
    assert_reads("a: !!binary /w==", "{\"a\":\"\xef\xbf\xbd\"}");
    assert_reads("[!mine 12, !!timestamp 2001-01-01]", "[\"12\",\"2001-01-01\"]");
    assert_refused(STR("!!binary '*'"), "yaml: !!binary value contains invalid base64 data");
    assert_refused(STR("!!int abc"), "yaml: cannot decode !!str `abc` as a !!int");
    assert_refused(STR("!!bool 1"), "yaml: cannot decode !!int `1` as a !!bool");
}

static void test_strings(void **state)
{
    (void)state;
    assert_reads("a: |\n  x\n  y\nb: >\n  f\n  g\n\n  h\nc: |-\n  z\nd: |+\n  w\n\n",
                 "{\"a\":\"x\\ny\\n\",\"b\":\"f g\\nh\\n\",\"c\":\"z\",\"d\":\"w\\n\\n\"}");
    assert_reads("\"\\x41\\u00e9\\U0001F600\\0\"", "\"A\xc3\xa9\xf0\x9f\x98\x80\\u0000\"");
    assert_reads("'it''s'", "\"it's\"");
    assert_reads("a: b\n  c", "{\"a\":\"b c\"}");
}

static void test_keys(void **state)
{
    (void)state;
    assert_reads("{y: 1, 1: a, 2.5: b, 1.5e30: d, no: c}",
                 "{\"true\":1,\"1\":\"a\",\"2.5\":\"b\",\"1.5e+30\":\"d\",\"false\":\"c\"}");
    assert_reads("a: &x k\n*x : 2", "{\"a\":\"k\",\"k\":2}");
    assert_reads("? a\n: b\n", "{\"a\":\"b\"}");
    assert_refused(STR("null: 1"), "yaml: unsupported map key: null");
    assert_refused(STR("? [a]\n: b"), "yaml: invalid map key");
    assert_refused(STR("? {a: 1}\n: b"), "yaml: invalid map key");
    assert_refused(STR("a: &x [1]\n*x : b"), "yaml: invalid map key");
}

static void test_documents(void **state)
{
    (void)state;
    assert_reads("", "null");
    assert_reads("# only a comment\n", "null");
    assert_reads("---\n", "null");
    assert_reads("\xef\xbb\xbf"
                 "a: 1\n",
                 "{\"a\":1}");
    assert_reads("a: 1\n---\nb: [\n", "{\"a\":1}");
    assert_reads("%YAML 1.1\n---\na: 1\n", "{\"a\":1}");
    assert_reads("{\"a\":1,\"b\":[true,null,1.5e3]}", "{\"a\":1,\"b\":[true,null,1500]}");
    assert_refused(STR("%YAML 1.2\n---\na: 1\n"), "yaml: found incompatible YAML document");
}

static void test_syntax_errors(void **state)
{
    (void)state;
    assert_refused(STR("{"), "yaml: line 1: did not find expected node content");
    assert_refused(STR("a: b: c"), "yaml: mapping values are not allowed in this context");
    assert_refused(STR("a: 1\nb\n"), "yaml: line 3: could not find expected ':'");
    assert_refused(STR("a:\n\t- b\n"), "yaml: line 2: found character that cannot start any token");
    assert_refused(STR("a: \"x\n"), "yaml: line 2: found unexpected end of stream");
    assert_refused(STR("a: \xff"), "yaml: invalid leading UTF-8 octet");
    assert_refused(STR("a: \x01"), "yaml: control characters are not allowed");
    assert_refused(STR("a: \0"), "yaml: control characters are not allowed");
    assert_refused(STR("a: *x"), "yaml: unknown anchor 'x' referenced");
    assert_refused(STR("&a [*a]"), "yaml: anchor 'a' value contains itself");
    assert_int_equal(yaml_read(&arena, STR("["), NULL, NULL, NULL), ERR_BAD_REQUEST);
}

static void test_aliases_and_merges(void **state)
{
    (void)state;
    assert_reads("a: &x {b: [1, {c: 2}]}\nd: *x\n",
                 "{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":{\"b\":[1,{\"c\":2}]}}");
    assert_reads("[&a 1, *a, &a 2, *a]", "[1,1,2,2]");
    assert_reads("b: &x {k: 1, l: 2}\nc:\n  <<: *x\n  k: 3\n",
                 "{\"b\":{\"k\":1,\"l\":2},\"c\":{\"k\":3,\"l\":2}}");
    assert_reads("b: &x {k: 1}\nc:\n  k: 9\n  <<: *x\n", "{\"b\":{\"k\":1},\"c\":{\"k\":1}}");
    assert_reads("- &x {k: 1}\n- &y {k: 2, m: 3}\n- <<: [*x, *y]\n",
                 "[{\"k\":1},{\"k\":2,\"m\":3},{\"k\":1,\"m\":3}]");
    assert_reads("<<: {a: 1}\nb: 2\n", "{\"a\":1,\"b\":2}");
    assert_reads("'<<': 1\n", "{\"<<\":1}");
    assert_refused(STR("<<: 5"), "yaml: map merge requires map or sequence of maps as the value");
    assert_refused(STR("<<: [1]"), "yaml: map merge requires map or sequence of maps as the value");
}

/* What an alias gives is a copy: changing one leaves the other. */
static void test_aliases_are_copies(void **state)
{
    (void)state;
    yyjson_mut_doc *d = NULL;
    assert_int_equal(yaml_read(&arena, STR("a: &x {k: 1}\nb: *x\n"), &d, NULL, NULL), 0);
    json_set_int(d, json_get(d->root, "a"), "k", 7);
    assert_int_equal(json_get_int(json_get(d->root, "b"), "k", 0), 1);
}

static void test_duplicates(void **state)
{
    (void)state;
    yyjson_mut_doc *d = NULL;
    struct json_duplicates dup = {0};
    const char *text =
        "kind: A\nspec:\n  size: 1\n  list:\n  - a: 1\n    1: x\n    a: {z: 1,\n      z: 2}\n"
        "    1: w\n  size: 2\nkind: B\n";
    assert_int_equal(yaml_read(&arena, str_from(text), &d, &dup, NULL), 0);
    static const struct {
        const char *path, *line;
    } want[] = {
        {"spec.list[0].a.z", "line 8: key \"z\" already set in map"},
        {"spec.list[0].a", "line 7: key \"a\" already set in map"},
        {"spec.list[0].1", "line 9: key 1 already set in map"},
        {"spec.size", "line 10: key \"size\" already set in map"},
        {"kind", "line 11: key \"kind\" already set in map"},
    };
    assert_int_equal(dup.n, 5);
    for (size_t i = 0; i < dup.n; i++) {
        assert_string_equal(dup.paths[i].ptr, want[i].path);
        assert_string_equal(dup.lines[i].ptr, want[i].line);
    }
    assert_true(str_is(json_get_str(d->root, "kind"), "B"));
    assert_int_equal(json_get_int(json_get(d->root, "spec"), "size", 0), 2);
    assert_reads(text,
                 "{\"kind\":\"B\",\"spec\":{\"size\":2,\"list\":[{\"a\":{\"z\":2},\"1\":\"w\"}]}}");
    dup = (struct json_duplicates){0};
    assert_int_equal(yaml_read(&arena, STR("- &x {k: 1}\n- <<: *x\n  k: 2\n"), &d, &dup, NULL), 0);
    assert_int_equal(dup.n, 1);
    assert_string_equal(dup.paths[0].ptr, "[1].k");
}

static void test_depth(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    for (int i = 0; i < LIMIT_DEPTH; i++) {
        buf_addc(&b, '[');
    }
    for (int i = 0; i < LIMIT_DEPTH; i++) {
        buf_addc(&b, ']');
    }
    yyjson_mut_doc *d = NULL;
    assert_int_equal(yaml_read(&arena, buf_str(&b), &d, NULL, NULL), 0);
    b.len = 0;
    for (int i = 0; i < 200000; i++) {
        buf_addc(&b, '{');
    }
    assert_refused(buf_str(&b), "yaml: invalid map key");
    memset(b.ptr, '[', b.len);
    assert_refused(buf_str(&b), "yaml: exceeded max depth of 200");
    /* Through an alias: 150 levels at a depth of 100. */
    b.len = 0;
    buf_addz(&b, "a: &a ");
    for (int i = 0; i < 300; i++) {
        buf_addc(&b, i < 150 ? '[' : ']');
    }
    buf_addz(&b, "\nb: ");
    for (int i = 0; i < 100; i++) {
        buf_addc(&b, '[');
    }
    buf_addz(&b, "*a");
    for (int i = 0; i < 100; i++) {
        buf_addc(&b, ']');
    }
    assert_refused(buf_str(&b), "yaml: exceeded max depth of 200");
}

static void test_alias_bombs(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++) {
            buf_printf(&b, "%s*a%d", j ? ", " : "", i - 1);
        }
        buf_addz(&b, "]\n");
    }
    assert_refused(buf_str(&b), "yaml: document contains excessive aliasing");
    assert_true(arena.total < 16 * 1024 * 1024);
    /* The same with merges. */
    b.len = 0;
    buf_addz(&b, "a0: &a0 {");
    for (int i = 0; i < 50; i++) {
        buf_printf(&b, "%sk%d: [x, x, x, x]", i ? ", " : "", i);
    }
    buf_addz(&b, "}\n");
    for (int i = 1; i < 3000; i++) {
        buf_printf(&b, "a%d: {<<: [*a0, *a0, *a0, *a0, *a0, *a0, *a0]}\n", i);
    }
    assert_refused(buf_str(&b), "yaml: document contains excessive aliasing");
    /* Few nodes, but much text. */
    b.len = 0;
    buf_addz(&b, "- &a \"");
    for (int i = 0; i < 10000; i++) {
        buf_addz(&b, "0123456789");
    }
    buf_addz(&b, "\"\n");
    for (int i = 0; i < 100; i++) {
        buf_addz(&b, "- *a\n");
    }
    assert_refused(buf_str(&b), "yaml: document contains excessive aliasing");
}

static void test_many_anchors(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    for (int i = 0; i < 20000; i++) {
        buf_printf(&b, "- &a%d %d\n- *a%d\n", i, i, i / 2);
    }
    yyjson_mut_doc *d = NULL;
    assert_int_equal(yaml_read(&arena, buf_str(&b), &d, NULL, NULL), 0);
    assert_int_equal(yyjson_mut_arr_size(d->root), 40000);
    assert_int_equal(yyjson_mut_get_int(yyjson_mut_arr_get_last(d->root)), 9999);
}

static int collect(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct buf *b = arg;
    if (yyjson_mut_is_str(doc->root)) {
        return err_set(err, ERR_CONFLICT, "mine");
    }
    json_write(b, doc->root);
    return 0;
}

static void test_streams(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    const char *text = "---\n# nothing\n---\na: &x 1\n---\n[2]\n...\n---\n~\n---\n{}\n";
    assert_int_equal(yaml_read_all(&arena, str_from(text), collect, &b, &err), 0);
    assert_true(str_is(buf_str(&b), "{\"a\":1}[2]{}"));
    b.len = 0;
    assert_int_equal(yaml_read_all(&arena, STR("a: 1\n---\nstop\n---\nb: 1\n"), collect, &b, &err),
                     ERR_CONFLICT);
    assert_string_equal(err.message, "mine");
    assert_true(str_is(buf_str(&b), "{\"a\":1}"));
    b.len = 0;
    assert_int_equal(yaml_read_all(&arena, STR("a: &x 1\n---\nb: *x\n"), collect, &b, &err),
                     ERR_BAD_REQUEST);
    assert_string_equal(err.message, "yaml: unknown anchor 'x' referenced");
    assert_int_equal(yaml_read_all(&arena, STR(""), collect, &b, &err), 0);
}

static void assert_yaml(const char *json, const char *want)
{
    yyjson_mut_doc *doc = NULL;
    assert_int_equal(json_read(&arena, str_from(json), &doc, NULL, NULL), 0);
    AUTO(buf_finish) struct buf b = {0};
    yaml_write(&b, doc->root);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr, want);
    yyjson_mut_doc *back = NULL;
    assert_int_equal(yaml_read(&arena, str_make(b.ptr, b.len - 1), &back, NULL, NULL), 0);
    assert_true(json_equal(doc->root, back->root));
}

static void test_write(void **state)
{
    (void)state;
    assert_yaml(
        "{\"kind\":\"A\",\"apiVersion\":\"v1\",\"a\":{\"list\":[1,{\"b\":true,\"a\":null},[\"x\"]],"
        "\"none\":[],\"empty\":{}}}",
        "a:\n  empty: {}\n  list:\n  - 1\n  - a: null\n    b: true\n  - - x\n  none: []\n"
        "apiVersion: v1\nkind: A\n");
    assert_yaml(
        "[1,-1,1.5,1e21,1e-7,12345678.5,0,9223372036854775807]",
        "- 1\n- -1\n- 1.5\n- 1e+21\n- 1e-07\n- 1.23456785e+07\n- 0\n- 9223372036854775807\n");
    assert_yaml("\"plain\"", "plain\n");
    assert_yaml("null", "null\n");
    assert_yaml("{\"a10\":1,\"a2\":1,\"B\":1,\"_\":1,\"a01\":1,\"a1\":1,\"a\":1}",
                "_: 1\nB: 1\na: 1\na1: 1\na01: 1\na2: 1\na10: 1\n");
}

static void test_write_strings(void **state)
{
    (void)state;
    assert_yaml(
        "[\"yes\",\"y\",\"0777\",\"1e3\",\"null\",\"1:30\",\"\",\"~\",\"2001-12-14\",\".5\","
        "\"0x1F\"]",
        "- \"yes\"\n- \"y\"\n- \"0777\"\n- \"1e3\"\n- \"null\"\n- \"1:30\"\n- \"\"\n- \"~\"\n"
        "- \"2001-12-14\"\n- \".5\"\n- \"0x1F\"\n");
    assert_yaml(
        "[\" lead\",\"trail \",\"a: b\",\"a #b\",\"- a\",\"{a\",\"it's\",\"tRue\",\"1.2.3\"]",
        "- ' lead'\n- 'trail '\n- 'a: b'\n- 'a #b'\n- '- a'\n- '{a'\n- it's\n- tRue\n- 1.2.3\n");
    assert_yaml("{\"y\":\"a\\nb\",\"a\":\"a\\nb\\n\",\"m\":\"a\\n\\n\",\"t\":\"x \\ny\"}",
                "a: |\n  a\n  b\nm: |+\n  a\n\nt: \"x \\ny\"\n\"y\": |-\n  a\n  b\n");
    assert_yaml("\"a\\n\\n\"", "|+\n  a\n\n");
    assert_yaml("{\"a\":\"...\",\"<<\":\"\\u0001\\u0000\"}", "\"<<\": \"\\x01\\0\"\na: '...'\n");
}

/* Whatever the string, reading gives back what was written. */
static void test_write_round_trip(void **state)
{
    (void)state;
    static const char alphabet[] = "ab01yn-:?#{}[],&*!|>'\"%@`~.+_= \n\n  \t\r\\";
    unsigned seed = 12345;
    yyjson_mut_doc *d = json_doc(&arena);
    for (int i = 0; i < 4000; i++) {
        char s[12];
        size_t n = (size_t)rand_r(&seed) % sizeof(s);
        for (size_t j = 0; j < n; j++) {
            s[j] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        }
        yyjson_mut_val *v = yyjson_mut_arr(d), *o = yyjson_mut_obj(d);
        yyjson_mut_arr_append(v, yyjson_mut_strncpy(d, s, n));
        yyjson_mut_obj_add(o, yyjson_mut_strncpy(d, s, n), yyjson_mut_strncpy(d, s, n));
        yyjson_mut_arr_append(v, o);
        AUTO(buf_finish) struct buf b = {0};
        yaml_write(&b, v);
        yyjson_mut_doc *back = NULL;
        AUTO(err_finish) struct err err = {0};
        if (yaml_read(&arena, buf_str(&b), &back, NULL, &err) != 0 || !json_equal(v, back->root)) {
            fail_msg("%.*s: %s\n%.*s", (int)n, s, err_message(&err), STR_FMT(buf_str(&b)));
        }
    }
}

/* How many keys stood twice up to each document. */
struct seen_twice {
    struct json_duplicates twice;
    size_t at[4], n;
};

static int note_twice(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct seen_twice *s = arg;
    (void)doc;
    (void)err;
    s->at[s->n++] = s->twice.n;
    return 0;
}

static void test_duplicates_of_documents(void **state)
{
    (void)state;
    struct seen_twice s = {0};
    assert_int_equal(yaml_read_each(&arena,
                                    STR("a: 1\n---\nb: 1\nb: 2\n---\nc: 1\n---\nx: {d: 1, d: 2}\n"),
                                    &s.twice, note_twice, &s, NULL),
                     0);
    assert_int_equal(s.n, 4);
    assert_int_equal(s.at[0], 0);
    assert_int_equal(s.at[1], 1);
    assert_int_equal(s.at[2], 1);
    assert_int_equal(s.at[3], 2);
    assert_true(str_is(s.twice.paths[0], "b"));
    assert_true(str_is(s.twice.lines[0], "line 4: key \"b\" already set in map"));
    assert_true(str_is(s.twice.paths[1], "x.d"));
}

static void test_write_invalid_utf8(void **state)
{
    (void)state;
    yyjson_mut_doc *d = json_doc(&arena);
    AUTO(buf_finish) struct buf b = {0};
    yaml_write(&b, yyjson_mut_strn(d, "a\xff", 2));
    assert_true(str_is(buf_str(&b), "a\xef\xbf\xbd\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_plain_scalars),
        T(test_tags),
        T(test_strings),
        T(test_keys),
        T(test_documents),
        T(test_syntax_errors),
        T(test_aliases_and_merges),
        T(test_aliases_are_copies),
        T(test_duplicates),
        T(test_duplicates_of_documents),
        T(test_depth),
        T(test_alias_bombs),
        T(test_many_anchors),
        T(test_streams),
        T(test_write),
        T(test_write_strings),
        T(test_write_round_trip),
        T(test_write_invalid_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
