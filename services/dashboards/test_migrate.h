/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of migrations say of models. */
#ifndef DASHBOARDS_TEST_MIGRATE_H
#define DASHBOARDS_TEST_MIGRATE_H

#include "services/dashboards/migrate_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

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

/* JSON with single quotes. */
static inline yyjson_mut_val *parse(struct arena *a, const char *json)
{
    yyjson_mut_doc *d = NULL;
    AUTO(err_finish) struct err err = {0};
    char *text = arena_strdup(a, json);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    if (json_read(a, str_from(text), &d, NULL, &err) < 0) {
        fail_msg("%s: %s", err_message(&err), json);
    }
    return yyjson_mut_doc_get_root(d);
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

static inline void assert_none(struct arena *a, const yyjson_mut_val *v, const char *path)
{
    const yyjson_mut_val *found = at(v, path);
    if (found) {
        fail_msg("at %s there is %s", path, show(a, found));
    }
}

/* Migrated; a second time changes nothing. */
static inline yyjson_mut_val *migrated(struct arena *a, const yyjson_mut_val *v)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *made = json_copy(d, v);
    if (migrate_model(d, made, &err)) {
        fail_msg("%s: %s", err_message(&err), show(a, v));
    }
    yyjson_mut_val *again = json_copy(d, made);
    assert_int_equal(migrate_model(d, again, &err), 0);
    assert_same(a, again, made);
    return made;
}

static inline yyjson_mut_val *of(struct arena *a, int version, const char *members)
{
    return migrated(
        a, parse(a, arena_printf(a, "{'schemaVersion': %d, 'title': 'T', %s}", version, members)));
}

/* One panel, migrated from that version. */
static inline yyjson_mut_val *panel_of(struct arena *a, int version, const char *panel)
{
    return at(of(a, version, arena_printf(a, "'panels': [%s]", panel)), "panels/0");
}

#endif
