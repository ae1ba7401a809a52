/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/resources/typed_fixture.h"

#include "base/limits.h"
#include "resources/fieldset_priv.h"

static void reads_and_writes(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{}",
        "{'f:a':{}}",
        "{'f:data':{'.':{},'f:a':{}}}",
        "{'f:a':{'k:{\\'name\\':\\'x\\'}':{'.':{},'f:b':{}}},'f:b':{'v:1':{},'v:\\'q\\'':{}}}",
        "{'f:l':{'i:-1':{},'i:3':{'f:x':{}}}}",
        "{'f:':{}}",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        assert_set(set_of(same[i]), same[i]);
    }
    assert_null(set_of("{}"));
    assert_true(fieldset_empty(set_of("{}")));
}

static void reads_what_is_written_otherwise(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{'f:b':{},'f:a':{}}", "{'f:a':{},'f:b':{}}"},
        {"{'f:a':{'.':{}}}", "{'f:a':{}}"},
        {"{'f:a':null}", "{'f:a':{}}"},
        {"{'.':{},'f:a':{}}", "{'f:a':{}}"},
        {"{'x:unknown':{},'f:a':{'zz':{},'f:b':{}}}", NULL},
        {"{'x:unknown':7,'f:a':{'y:z':{}}}", "{'f:a':{}}"},
        {"{'v:1.0':{},'v:1':{'f:a':{}},'v:1e0':{}}", "{'v:1':{'.':{},'f:a':{}}}"},
        {"{'k:{ \\'b\\' : 1, \\'a\\' : \\'\\\\u0041\\' }':{}}",
         "{'k:{\\'a\\':\\'A\\',\\'b\\':1}':{}}"},
        {"{'k:null':{}}", "{'k:{}':{}}"},
        {"{'i:+5':{}}", "{'i:5':{}}"},
        {"{'v:\\'<\\'':{}}", "{'v:\\'\\\\u003c\\'':{}}"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        if (pairs[i][1]) {
            assert_set(set_of(pairs[i][0]), pairs[i][1]);
        }
    }
}

static void assert_refused(const char *text, const char *why)
{
    AUTO(err_finish) struct err err = {0};
    struct fieldset *s = (struct fieldset *)&arena;
    assert_int_equal(fieldset_read(&arena, parse(text), &s, &err), ERR_BAD_REQUEST);
    assert_ptr_equal(s, &arena);
    if (!strstr(err.message, quoted(why))) {
        fail_msg("%s says '%s', not '%s'", text, err.message, why);
    }
}

static void refuses_what_is_no_path(void **state)
{
    (void)state;
    assert_refused("{'':{}}", "key must be 2 characters long:");
    assert_refused("{'f':{}}", "key must be 2 characters long:");
    assert_refused("{'fa':{}}", "missing colon: fa");
    assert_refused("{'f:a':3}", "expect { or n");
    assert_refused("[]", "expect { or n");
    assert_refused("{'v:':{}}", "parsing key as path element: ");
    assert_refused("{'v:{':{}}", "parsing key as path element: ");
    assert_refused("{'v:1 2':{}}", "parsing key as path element: ");
    assert_refused("{'v:01':{}}", "parsing key as path element: ");
    assert_refused("{'k:':{}}", "parsing key as path element: ");
    assert_refused("{'k:[]':{}}", "expect { or n");
    assert_refused("{'k:{\\'a\\':}':{}}", "parsing key as path element: ");
    assert_refused("{'k:{\\'a\\':1}x':{}}", "parsing key as path element: ");
    assert_refused("{'i:':{}}", "strconv.Atoi: parsing '': invalid syntax");
    assert_refused("{'i:1x':{}}", "strconv.Atoi: parsing '1x': invalid syntax");
    assert_refused("{'i:9223372036854775808':{}}", "value out of range");
    assert_refused("{'f:a':{'f:b':{'i:-9223372036854775809':{}}}}", "value out of range");
    assert_set(set_of("{'i:-9223372036854775808':{},'i:9223372036854775807':{}}"),
               "{'i:-9223372036854775808':{},'i:9223372036854775807':{}}");
}

static void deep_sets_are_refused(void **state)
{
    (void)state;
    yyjson_mut_val *top = yyjson_mut_obj(doc), *at = top;
    for (int i = 0; i < 3 * LIMIT_DEPTH; i++) {
        yyjson_mut_val *next = yyjson_mut_obj(doc);
        yyjson_mut_obj_add(at, yyjson_mut_str(doc, "f:a"), next);
        at = next;
    }
    AUTO(err_finish) struct err err = {0};
    struct fieldset *s = NULL;
    assert_int_equal(fieldset_read(&arena, top, &s, &err), ERR_BAD_REQUEST);
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "v:");
    for (int i = 0; i < 100000; i++) {
        buf_addc(&b, '[');
    }
    for (int i = 0; i < 100000; i++) {
        buf_addc(&b, ']');
    }
    struct element e;
    err_finish(&err);
    assert_int_equal(element_read(&arena, buf_str(&b), &e, &err), ERR_BAD_REQUEST);
    assert_non_null(strstr(err.message, "nested too deep"));
}

/* In the reference's order: names, keys, values, indexes; numbers before strings before booleans,
 * lists, maps and null. */
static void elements_have_an_order(void **state)
{
    (void)state;
    static const char *const order[] = {
        "f:",
        "f:A",
        "f:a",
        "f:aa",
        "f:b",
        "k:{}",
        "k:{\"a\":1}",
        "k:{\"a\":1,\"b\":0}",
        "k:{\"a\":\"\"}",
        "k:{\"b\":0}",
        "v:-1",
        "v:0",
        "v:0.5",
        "v:1",
        "v:10",
        "v:\"\"",
        "v:\"a\"",
        "v:false",
        "v:true",
        "v:[]",
        "v:[1]",
        "v:[1,2]",
        "v:[2]",
        "v:{}",
        "v:{\"a\":1}",
        "v:{\"a\":2}",
        "v:{\"a\":2,\"b\":1}",
        "v:null",
        "i:-2",
        "i:0",
        "i:7",
    };
    enum { N = sizeof(order) / sizeof(*order) };
    struct element e[N];
    for (int i = 0; i < N; i++) {
        assert_int_equal(element_read(&arena, str_from(order[i]), &e[i], NULL), 1);
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            int r = element_compare(&e[i], &e[j]);
            if ((r > 0) - (r < 0) != (i > j) - (i < j)) {
                fail_msg("%s and %s: %d", order[i], order[j], r);
            }
        }
    }
}

static void texts(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"f:a b", ".a b"},
        {"k:{\"name\":\"a\",\"port\":80,\"up\":true}", "[name=\"a\",port=80,up=true]"},
        {"k:{}", "[]"},
        {"v:\"q\\\"\"", "[=\"q\\\"\"]"},
        {"v:1234567", "[=1.234567e+06]"},
        {"v:1.5", "[=1.5]"},
        {"v:null", "[=null]"},
        {"v:[1,\"a\"]", "[=[1,\"a\"]]"},
        {"v:{\"a\":1}", "[=a=1]"},
        {"i:12", "[12]"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        AUTO(buf_finish) struct buf b = {0};
        struct element e;
        assert_int_equal(element_read(&arena, str_from(pairs[i][0]), &e, NULL), 1);
        element_text(&b, &e);
        buf_addc(&b, '\0');
        assert_string_equal(b.ptr, pairs[i][1]);
    }
    struct element e;
    assert_int_equal(element_read(&arena, STR("z:1"), &e, NULL), 0);
}

static void algebra(void **state)
{
    (void)state;
    struct fieldset *x = set_of("{'f:a':{'.':{},'f:b':{},'f:c':{}},'f:d':{}}");
    struct fieldset *y = set_of("{'f:a':{'f:b':{},'f:e':{}},'f:f':{'f:g':{}}}");
    assert_set(fieldset_union(&arena, x, y),
               "{'f:a':{'.':{},'f:b':{},'f:c':{},'f:e':{}},'f:d':{},'f:f':{'f:g':{}}}");
    assert_set(fieldset_intersection(&arena, x, y), "{'f:a':{'f:b':{}}}");
    assert_set(fieldset_difference(&arena, x, y), "{'f:a':{'.':{},'f:c':{}},'f:d':{}}");
    assert_set(fieldset_difference(&arena, y, x), "{'f:a':{'f:e':{}},'f:f':{'f:g':{}}}");
    assert_set(fieldset_difference_deep(&arena, y, x), "{'f:f':{'f:g':{}}}");
    struct fieldset *a = fieldset_of_names(&arena, "a", NULL);
    assert_set(a, "{'f:a':{}}");
    assert_set(fieldset_difference(&arena, x, a), "{'f:a':{'f:b':{},'f:c':{}},'f:d':{}}");
    assert_set(fieldset_difference_deep(&arena, x, a), "{'f:d':{}}");
    assert_set(fieldset_of_names(&arena, "metadata", "name", NULL), "{'f:metadata':{'f:name':{}}}");
    assert_int_equal(fieldset_size(x), 4);
    assert_null(fieldset_difference(&arena, x, x));
    assert_null(fieldset_intersection(&arena, x, NULL));
    assert_ptr_equal(fieldset_union(&arena, x, NULL), x);
    assert_ptr_equal(fieldset_union(&arena, NULL, x), x);
}

/* What does not change is not made again. */
static void operands_are_shared(void **state)
{
    (void)state;
    struct fieldset *x = set_of("{'f:a':{'f:b':{}},'f:d':{}}"), *y = set_of("{'f:a':{'f:b':{}}}");
    assert_ptr_equal(fieldset_union(&arena, x, y), x);
    assert_ptr_equal(fieldset_difference(&arena, x, set_of("{'f:a':{'f:z':{}},'f:q':{}}")), x);
}

struct seen {
    struct buf text;
};

static void see(void *arg, struct str path)
{
    struct seen *s = arg;
    buf_add(&s->text, path);
    buf_addc(&s->text, '\n');
}

static void visits_members_before_what_is_beneath(void **state)
{
    (void)state;
    struct seen s = {{0}};
    fieldset_visit(
        set_of(
            "{'f:a':{'.':{},'f:z':{}},'f:b':{'k:{\\'n\\':\\'x\\'}':{'.':{},'f:c':{}}},'f:c':{}}"),
        see, &s);
    buf_addc(&s.text, '\0');
    assert_string_equal(s.text.ptr, ".a\n.c\n.a.z\n.b[n=\"x\"]\n.b[n=\"x\"].c\n");
    buf_finish(&s.text);
}

/* ---- against the plainest sets: every path as a string, in a list ---- */

enum { PATHS = 40 };

static bool has(const char *mask, int i)
{
    return mask[i] == '1';
}

/* Path i is one, two or three steps of a tree; those beneath one another share steps. */
static struct fieldset *make(const char *mask, const char *const *texts)
{
    struct fieldset *all = NULL;
    for (int i = 0; i < PATHS; i++) {
        if (has(mask, i)) {
            all = fieldset_union(&arena, all, set_of(texts[i]));
        }
    }
    return all;
}

static void operations_agree_with_lists_of_paths(void **state)
{
    (void)state;
    const char *texts_of[PATHS];
    int above[PATHS];
    for (int i = 0; i < PATHS; i++) {
        int a = i % 3, b = i / 3 % 4, c = i / 12;
        above[i] = -1;
        texts_of[i] = c == 0   ? arena_printf(&arena, "{'f:%d':{'v:%d':{}}}", a, b)
                      : c == 1 ? arena_printf(&arena, "{'f:%d':{'v:%d':{'f:x':{}}}}", a, b)
                      : c == 2 ? arena_printf(&arena, "{'f:%d':{'v:%d':{'f:x':{'i:1':{}}}}}", a, b)
                               : arena_printf(&arena, "{'f:%d':{}}", i);
        above[i] = c == 1 || c == 2 ? i - 12 : -1;
    }
    unsigned seed = 7;
    for (int round = 0; round < 3000; round++) {
        char x[PATHS], y[PATHS], got[PATHS];
        for (int i = 0; i < PATHS; i++) {
            seed = seed * 1103515245 + 12345;
            x[i] = seed >> 16 & 1 ? '1' : '0';
            y[i] = seed >> 17 & 1 ? '1' : '0';
        }
        struct fieldset *p = make(x, texts_of), *q = make(y, texts_of);
        for (int op = 0; op < 4; op++) {
            for (int i = 0; i < PATHS; i++) {
                bool under = has(y, i);
                for (int j = above[i]; j >= 0; j = above[j]) {
                    under = under || has(y, j);
                }
                bool in = op == 0   ? has(x, i) || has(y, i)
                          : op == 1 ? has(x, i) && has(y, i)
                          : op == 2 ? has(x, i) && !has(y, i)
                                    : has(x, i) && !under;
                got[i] = in ? '1' : '0';
            }
            struct fieldset *r = op == 0   ? fieldset_union(&arena, p, q)
                                 : op == 1 ? fieldset_intersection(&arena, p, q)
                                 : op == 2 ? fieldset_difference(&arena, p, q)
                                           : fieldset_difference_deep(&arena, p, q);
            struct fieldset *want = make(got, texts_of);
            if (!fieldset_equal(r, want)) {
                fail_msg("operation %d: %s, not %s", op, json_of(fieldset_write(r, doc)),
                         json_of(fieldset_write(want, doc)));
            }
        }
        if (round % 50 == 49) {
            end(NULL);
            begin(NULL);
            for (int i = 0; i < PATHS; i++) {
                int a = i % 3, b = i / 3 % 4, c = i / 12;
                texts_of[i] =
                    c == 0   ? arena_printf(&arena, "{'f:%d':{'v:%d':{}}}", a, b)
                    : c == 1 ? arena_printf(&arena, "{'f:%d':{'v:%d':{'f:x':{}}}}", a, b)
                    : c == 2 ? arena_printf(&arena, "{'f:%d':{'v:%d':{'f:x':{'i:1':{}}}}}", a, b)
                             : arena_printf(&arena, "{'f:%d':{}}", i);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_and_writes),
        TEST(reads_what_is_written_otherwise),
        TEST(refuses_what_is_no_path),
        TEST(deep_sets_are_refused),
        TEST(elements_have_an_order),
        TEST(texts),
        TEST(algebra),
        TEST(operands_are_shared),
        TEST(visits_members_before_what_is_beneath),
        TEST(operations_agree_with_lists_of_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
