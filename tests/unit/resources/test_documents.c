/* SPDX-License-Identifier: Apache-2.0 */
#include "resources/documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

static int write_name(void *self, struct buf *body, struct err *err)
{
    (void)err;
    buf_addz(body, self);
    return 200;
}

static const struct fixed_document *at(const struct documents *d, const char *path)
{
    return documents_find(d, str_from(path));
}

static void test_paths_are_matched_whole(void **state)
{
    (void)state;
    static char one[] = "one", two[] = "two";
    struct documents *d = documents_create();
    assert_null(at(d, "/api/one"));
    documents_add(d, &(struct fixed_document){"/api/one", "text/plain", true, write_name, one});
    documents_add(d, &(struct fixed_document){"/api/one/two", "text/html", false, write_name, two});
    assert_non_null(at(d, "/api/one"));
    assert_true(at(d, "/api/one")->anonymous);
    assert_false(at(d, "/api/one/two")->anonymous);
    assert_string_equal(at(d, "/api/one/two")->content_type, "text/html");
    static const char *const others[] = {"",          "/",          "/api",           "/api/on",
                                         "/api/one/", "/api/onest", "/api/one/two/3", "/API/one"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        assert_null(at(d, others[i]));
    }
    assert_null(documents_find(d, STR_NULL));
    assert_null(documents_find(NULL, STR("/api/one")));
    documents_destroy(d);
    documents_destroy(NULL);
}

static void test_each_writes_with_its_own_self(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    static char one[] = "one", two[] = "two";
    struct documents *d = documents_create();
    documents_add(d, &(struct fixed_document){"/one", "text/plain", true, write_name, one});
    documents_add(d, &(struct fixed_document){"/two", "text/plain", true, write_name, two});
    const struct fixed_document *second = at(d, "/two");
    assert_int_equal(second->write(second->self, &b, NULL), 200);
    assert_true(str_is(buf_str(&b), "two"));
    documents_destroy(d);
}

static void find_nothing(void *self, struct arena *a, struct str part, struct str value,
                         struct fixed_target *ret)
{
    (void)self;
    (void)a;
    (void)value;
    ret->name = part;
}

static void test_pages_end_in_one_part(void **state)
{
    (void)state;
    struct documents *d = documents_create();
    struct str part = STR("as it was");
    documents_add(d, &(struct fixed_document){"/go", "text/plain", true, write_name, NULL});
    documents_add_page(d, &(struct fixed_page){"/go/", "p", "/", find_nothing, NULL});
    documents_add_page(d, &(struct fixed_page){"/go/to/", "p", "/else", find_nothing, NULL});
    const struct fixed_page *page = documents_find_page(d, STR("/go/x y"), &part);
    assert_non_null(page);
    assert_string_equal(page->prefix, "/go/");
    assert_true(str_is(part, "x y"));
    page = documents_find_page(d, STR("/go/to/it"), &part);
    assert_non_null(page);
    assert_string_equal(page->otherwise, "/else");
    assert_true(str_is(part, "it"));
    static const char *const others[] = {"",     "/",       "/go",     "/go/",   "/goto",
                                         "go/x", "/go/x/y", "/go/to/", "/go//x", "/GO/x"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        assert_null(documents_find_page(d, str_from(others[i]), &part));
    }
    assert_true(str_is(part, "it"));
    assert_null(documents_find_page(d, STR_NULL, &part));
    assert_null(documents_find_page(NULL, STR("/go/x"), &part));
    assert_non_null(at(d, "/go"));
    assert_null(at(d, "/go/x"));
    documents_destroy(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_are_matched_whole),
        cmocka_unit_test(test_each_writes_with_its_own_self),
        cmocka_unit_test(test_pages_end_in_one_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
