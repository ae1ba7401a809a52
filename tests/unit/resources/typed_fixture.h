/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of field sets, typed objects and their merge share. JSON is written with ' for "
 * and ` for '. */
#ifndef TESTS_RESOURCES_TYPED_FIXTURE_H
#define TESTS_RESOURCES_TYPED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "resources/merge.h"

static struct arena arena;
static yyjson_mut_doc *doc;
static struct schema *schemas[32];
static size_t n_schemas;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    doc = json_doc(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    while (n_schemas) {
        schema_unref(schemas[--n_schemas]);
    }
    arena_finish(&arena);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

/* ' for ", in the arena; ` for '. */
static const char *quoted(const char *text)
{
    char *copy = arena_strdup(&arena, text);
    for (char *c = copy; *c; c++) {
        *c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
    }
    return copy;
}

__attribute__((unused)) static yyjson_mut_val *parse(const char *text)
{
    yyjson_mut_doc *d = NULL;
    AUTO(err_finish) struct err err = {0};
    if (json_read(&arena, str_from(quoted(text)), &d, NULL, &err) != 0) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return d->root;
}

__attribute__((unused)) static const char *json_of(const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    return arena_str(&arena, buf_str(&b)).ptr;
}

__attribute__((unused)) static void assert_json(const yyjson_mut_val *v, const char *want)
{
    if (!json_equal(v, parse(want))) {
        fail_msg("is %s, not %s", v ? json_of(v) : "nothing", want);
    }
}

/* Lives as long as the test. The root is no resource unless the text says so. */
__attribute__((unused)) static const struct schema_node *schema_of(const char *text)
{
    AUTO(err_finish) struct err err = {0};
    struct schema *s = NULL;
    if (schema_create(parse(text), NULL, &s, &err) != 0) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    schemas[n_schemas++] = s;
    return schema_root(s);
}

__attribute__((unused)) static struct fieldset *set_of(const char *text)
{
    AUTO(err_finish) struct err err = {0};
    struct fieldset *s = NULL;
    if (fieldset_read(&arena, parse(text), &s, &err) != 0) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return s;
}

__attribute__((unused)) static void assert_set(const struct fieldset *s, const char *want)
{
    const char *have = json_of(fieldset_write(s, doc));
    assert_string_equal(have, quoted(want));
    assert_true(fieldset_equal(s, set_of(want)));
}

#endif
