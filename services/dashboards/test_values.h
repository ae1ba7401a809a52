/* SPDX-License-Identifier: Apache-2.0 */
/* What tests say of values: read from JSON, looked into, compared. */
#ifndef DASHBOARDS_TEST_VALUES_H
#define DASHBOARDS_TEST_VALUES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"

static inline int setup(void **state)
{
    static struct arena a;
    arena_init(&a, 0);
    *state = &a;
    return 0;
}

static inline int teardown(void **state)
{
    arena_finish(*state);
    return 0;
}

static inline yyjson_mut_val *read_json(struct arena *a, struct str text)
{
    yyjson_mut_doc *d = NULL;
    AUTO(err_finish) struct err err = {0};
    if (json_read(a, arena_str(a, text), &d, NULL, &err) < 0) {
        fail_msg("%s: %.*s", err_message(&err), STR_FMT(text));
    }
    return yyjson_mut_doc_get_root(d);
}

/* JSON with single quotes. */
static inline yyjson_mut_val *parse(struct arena *a, const char *json)
{
    char *text = arena_strdup(a, json);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return read_json(a, str_from(text));
}

static inline const char *show(struct arena *a, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    return arena_str(a, buf_str(&b)).ptr;
}

static inline void assert_same(struct arena *a, const yyjson_mut_val *v, const yyjson_mut_val *want)
{
    if (!json_equal(v, want)) {
        fail_msg("%s\nis not\n%s", v ? show(a, v) : "nothing", show(a, want));
    }
}

/* The value at a path like "panels/0/id". */
static inline yyjson_mut_val *at(const yyjson_mut_val *v, const char *path)
{
    struct str rest = str_from(path);
    while (v && rest.ptr) {
        struct str step = str_cut(rest, '/', &rest);
        v = json_is_arr(v) ? yyjson_mut_arr_get(json_mut(v), (size_t)atol(step.ptr))
                           : json_getn(v, step);
    }
    return json_mut(v);
}

static inline void assert_at(struct arena *a, const yyjson_mut_val *v, const char *path,
                             const char *want)
{
    const yyjson_mut_val *found = at(v, path);
    if (!found) {
        fail_msg("nothing at %s of %s", path, show(a, v));
    }
    assert_same(a, found, parse(a, want));
}

#endif
