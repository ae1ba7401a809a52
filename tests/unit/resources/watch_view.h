/* SPDX-License-Identifier: Apache-2.0 */
/* A watch in a group of its own, read on the test's thread: for the tests of watches. */
#ifndef TESTS_WATCH_VIEW_H
#define TESTS_WATCH_VIEW_H

#include "tests/unit/resources/engine_world.h"

#include "base/clock.h"
#include "resources/watch_priv.h"

static inline yyjson_mut_val *patch(struct type *t, const char *ns, const char *name,
                                    const char *body)
{
    return fixture_do(&f, &a, VERB_PATCH, t, ns, name, body, NULL);
}

static inline yyjson_mut_val *drop(struct type *t, const char *ns, const char *name)
{
    return fixture_do(&f, &a, VERB_DELETE, t, ns, name, NULL, NULL);
}

/* ---- a group with one watcher, read on this thread ---- */

struct view {
    struct watch_group *group;
    struct watcher *watcher;
    struct op *op;
    _Atomic int wakes;
    int handed; /* times each was called */
    enum watch_state state;
    struct blob *lines[4096];
    size_t n, at;
};

static inline void on_wake(void *arg)
{
    atomic_fetch_add(&((struct view *)arg)->wakes, 1);
}

static inline void on_each(void *arg, struct watcher *w, void *watcher_arg)
{
    (void)w;
    (void)watcher_arg;
    ((struct view *)arg)->handed++;
}

static inline void on_line(void *arg, struct blob *line)
{
    struct view *v = arg;
    assert_true(v->n < sizeof(v->lines) / sizeof(*v->lines));
    v->lines[v->n++] = line;
}

static inline struct op *watch_op(struct type *t, const char *ns, int64_t rv)
{
    struct op *op = fixture_op(&f, VERB_WATCH, t, ns, NULL);
    if (rv) {
        op->list.resource_version = str_from(arena_printf(&op->arena, "%lld", (long long)rv));
    }
    return op;
}

static const struct representation as_object = {0};

static inline void view_open(struct view *v, struct op *op, const struct representation *r)
{
    *v = (struct view){.op = op};
    v->group = watch_group_create(engine_watches(f.engine), on_wake, v);
    struct err err = {0};
    if (watch_open(v->group, op, r, v, &v->watcher, &err)) {
        fail_msg("watch_open: %s", err_message(&err));
    }
}

static inline void view_close(struct view *v)
{
    watch_close(v->watcher);
    watch_group_destroy(v->group);
    op_unref(v->op);
    for (size_t i = 0; i < v->n; i++) {
        blob_unref(v->lines[i]);
    }
}

/* Reads until nothing is left. */
static inline void view_read(struct view *v)
{
    watch_group_ready(v->group, on_each, v);
    do {
        v->state = watch_read(v->watcher, 64 * 1024, on_line, v);
        if (v->state == WATCH_BEHIND) {
            watch_catch_up(v->watcher);
        }
    } while (v->state == WATCH_MORE || v->state == WATCH_BEHIND);
}

/* The next event, parsed; NULL: none. */
static inline yyjson_mut_val *next(struct view *v)
{
    if (v->at == v->n) {
        view_read(v);
    }
    if (v->at == v->n) {
        return NULL;
    }
    struct str line = blob_str(v->lines[v->at++]);
    assert_true(str_ends(line, STR("}\n")));
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&a, str_make(line.ptr, line.len - 1), &d, NULL, NULL), 0);
    return yyjson_mut_doc_get_root(d);
}

static inline yyjson_mut_val *expect(struct view *v, const char *type, const char *name)
{
    yyjson_mut_val *e = next(v);
    assert_non_null(e);
    assert_str(json_get_str(e, "type"), type);
    yyjson_mut_val *o = json_get(e, "object");
    if (name) {
        assert_str(text_at(o, "metadata", "name"), name);
    }
    return o;
}

static inline void expect_none(struct view *v)
{
    yyjson_mut_val *e = next(v);
    if (e) {
        fail_msg("an event too many: %.*s", STR_FMT(json_get_str(e, "type")));
    }
}

#endif
