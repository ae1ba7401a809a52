/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of schemas share. JSON is written with ' for " to stay readable. */
#ifndef TESTS_SCHEMAS_SUPPORT_H
#define TESTS_SCHEMAS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "schemas/schema.h"

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

/* The document is in the arena. */
__attribute__((unused)) static yyjson_mut_doc *parse_doc(const char *text)
{
    char *copy = arena_strdup(&arena, text);
    for (char *c = copy; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    yyjson_mut_doc *d = NULL;
    AUTO(err_finish) struct err err = {0};
    if (json_read(&arena, str_from(copy), &d, NULL, &err) != 0) {
        fail_msg("%s: %s", copy, err_message(&err));
    }
    return d;
}

__attribute__((unused)) static yyjson_mut_val *parse(const char *text)
{
    return parse_doc(text)->root;
}

__attribute__((unused)) static void assert_json(const yyjson_mut_val *v, const char *want)
{
    yyjson_mut_val *w = parse(want);
    if (!json_equal(v, w)) {
        AUTO(buf_finish) struct buf b = {0};
        json_write(&b, v);
        fail_msg("got %.*s, want %s", STR_FMT(buf_str(&b)), want);
    }
}

__attribute__((unused)) static struct schema *create_as(const char *text, bool builtin)
{
    struct schema *s = NULL;
    struct schema_options o = {.builtin = builtin};
    AUTO(err_finish) struct err err = {0};
    if (schema_create(parse(text), &o, &s, &err) != 0) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return s;
}

/* A schema whose root has these properties. */
__attribute__((unused)) static struct schema *create_props(const char *props)
{
    return create_as(arena_printf(&arena, "{'type':'object','properties':{%s}}", props), false);
}

/* "PATH, PATH" of unknown fields. */
__attribute__((unused)) static const char *unknown_text(const struct schema_unknown *u)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < u->n; i++) {
        buf_addz(&b, i ? ", " : "");
        buf_add(&b, u->paths[i]);
    }
    return b.len ? arena_str(&arena, buf_str(&b)).ptr : "";
}

/* "FIELD: MESSAGE" of each cause, a line each, with ' for ". */
__attribute__((unused)) static const char *causes_lines(const struct causes *c)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < c->n; i++) {
        buf_addz(&b, i ? "\n" : "");
        buf_add(&b, c->items[i].field);
        buf_addz(&b, ": ");
        buf_add(&b, c->items[i].message);
    }
    buf_addc(&b, 0);
    char *text = arena_strdup(&arena, b.ptr);
    for (char *p = text; *p; p++) {
        *p = *p == '"' ? '\'' : *p;
    }
    return text;
}

#endif
