/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the full-text index share: an index in memory, documents, and questions whose
 * answers are names. */
#ifndef TESTS_UNIT_STORAGE_TEXT_FIXTURE_H
#define TESTS_UNIT_STORAGE_TEXT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "storage/text.h"

#define DASHBOARDS "dashboards.example.com"
#define FOLDERS "folders.example.com"

struct fixture {
    struct text *text;
    struct arena arena;
};

static inline int text_setup(void **state)
{
    struct fixture *f = ALLOC(struct fixture);
    arena_init(&f->arena, 0);
    *state = f;
    return text_open(NULL, &f->text, NULL);
}

static inline int text_teardown(void **state)
{
    struct fixture *f = *state;
    text_close(f->text);
    arena_finish(&f->arena);
    free(f);
    return 0;
}

struct note {
    const char *key, *title, *body, *folder, *tags[4];
};

static inline void put_as(struct text *t, const char *type, const char *ns, const struct note *n,
                          int64_t rev)
{
    struct text_value tags[4];
    struct text_document d = {
        .key = str_from(n->key),
        .type = str_from(type),
        .ns = str_from(ns),
        .name = str_from(n->key),
        .title = str_from(n->title),
        .folder = n->folder ? str_from(n->folder) : STR(""),
        .texts = {str_from(n->title), STR(""), STR(""), n->body ? str_from(n->body) : STR("")},
        .values = tags,
        .created_us = rev * 10,
        .updated_us = rev * 10 + 5,
    };
    while (d.n_values < 4 && n->tags[d.n_values]) {
        tags[d.n_values] = (struct text_value){STR("tags"), str_from(n->tags[d.n_values])};
        d.n_values++;
    }
    assert_int_equal(text_begin(t, NULL), 0);
    assert_int_equal(text_put(t, &d, NULL), 0);
    assert_int_equal(text_commit(t, STR("here"), rev, NULL), 0);
}

static inline void put(struct fixture *f, const char *key, const char *title, const char *body)
{
    const struct note n = {.key = key, .title = title, .body = body};
    put_as(f->text, DASHBOARDS, "default", &n, 1);
}

static const struct str dashboards[] = {{DASHBOARDS, sizeof(DASHBOARDS) - 1}};
static const struct str both[] = {{DASHBOARDS, sizeof(DASHBOARDS) - 1},
                                  {FOLDERS, sizeof(FOLDERS) - 1}};

static inline struct text_query asking(const char *words)
{
    return (struct text_query){.words = str_from(words),
                               .types = dashboards,
                               .n_types = 1,
                               .ns = STR("default"),
                               .limit = 100};
}

/* The names found, as "a b c". */
static inline const char *names(struct fixture *f, const struct text_query *q)
{
    struct text_found found;
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf b = {0};
    if (text_find(f->text, q, &f->arena, &found, &err) < 0) {
        return arena_printf(&f->arena, "! %s", err_message(&err));
    }
    for (size_t i = 0; i < found.n_hits; i++) {
        buf_addz(&b, i ? " " : "");
        buf_add(&b, found.hits[i].name);
    }
    return arena_str(&f->arena, b.len ? buf_str(&b) : STR("")).ptr;
}

static inline const char *found(struct fixture *f, const char *words)
{
    struct text_query q = asking(words);
    q.sort = TEXT_BY_NAME;
    return names(f, &q);
}

static inline char *long_text(size_t n, const char *piece)
{
    size_t len = strlen(piece);
    char *s = alloc_bytes(n + 1);
    for (size_t i = 0; i < n; i++) {
        s[i] = piece[i % len];
    }
    s[n] = 0;
    return s;
}

#define WITH_TEXT(f) cmocka_unit_test_setup_teardown(f, text_setup, text_teardown)

#endif
