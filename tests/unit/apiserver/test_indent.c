/* SPDX-License-Identifier: Apache-2.0 */
/* Indented as it comes: the same as a tree that is written indented, wherever the pieces are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apiserver/indent.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"

static const char *const documents[] = {
    "{}",
    "[]",
    "{\"a\":{},\"b\":[],\"c\":[{}],\"d\":[[],[[]]]}",
    "{\"kind\":\"List\",\"items\":[{\"a\":1,\"b\":[1,2.5,-3,true,false,null]},{\"a\":{\"b\":{"
    "\"c\":\"d\"}}}],\"metadata\":{\"resourceVersion\":\"7\"}}",
    "{\"a\":\"{[,:]}\",\"b\\\"c\\\\\":\"\\\\\\\"\",\"e\":\"\\u0001 \xc3\xa9\",\"f\":\"\"}",
    "[\"\\\\\",\"\\\\\\\\\",[\"\\\"\"]]",
};

static void test_as_the_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        struct arena a;
        arena_init(&a, 0);
        yyjson_mut_doc *d = NULL;
        struct str text = str_from(documents[i]);
        assert_int_equal(json_read(&a, text, &d, NULL, NULL), 0);
        AUTO(buf_finish) struct buf wanted = {0};
        json_write_pretty(&wanted, yyjson_mut_doc_get_root(d));
        for (size_t cut = 1; cut <= text.len; cut++) {
            AUTO(buf_finish) struct buf b = {0};
            struct indent n = {0};
            for (struct str rest = text; rest.len;) {
                struct str piece = str_make(rest.ptr, rest.len < cut ? rest.len : cut);
                size_t took = indent_add(&n, &b, piece, SIZE_MAX);
                assert_int_equal(took, piece.len);
                rest = str_skip(rest, took);
            }
            assert_int_equal(b.len, wanted.len);
            assert_memory_equal(b.ptr, wanted.ptr, wanted.len);
        }
        arena_finish(&a);
    }
}

/* What comes out at a time is bounded however deep the document is. */
static void test_bounded(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf deep = {0}, all = {0};
    for (int i = 0; i < 190; i++) {
        buf_addc(&deep, '[');
    }
    for (int i = 0; i < 20000; i++) {
        buf_addz(&deep, i ? ",1" : "1");
    }
    struct indent n = {0};
    size_t at = 0, steps = 0;
    while (at < deep.len) {
        struct buf b = {0};
        size_t took = indent_add(&n, &b, str_skip(buf_str(&deep), at), 10000);
        assert_true(took > 0);
        assert_true(b.len < 10000 + 400);
        at += took;
        steps++;
        buf_add(&all, buf_str(&b));
        buf_finish(&b);
    }
    assert_true(steps > 700);
    assert_true(all.len > 20000 * 380);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_tree),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
