/* SPDX-License-Identifier: Apache-2.0 */
/* The whole graph of services over a store of its own, without HTTP and with nothing in the
 * background, for the tests of services. JSON is written with single quotes. */
#ifndef TESTS_SERVICES_FIXTURE_H
#define TESTS_SERVICES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/engine.h"
#include "resources/patch.h"
#include "resources/represent.h"
#include "resources/status.h"
#include "services/wire.gen.h"

struct world {
    struct config config;
    struct wire *wire;
    struct user *user;
    char dir[64];
    struct arena arena; /* of answers; until the world ends */
};

static inline void world_wire(struct world *w)
{
    struct err err = {0};
    if (wire_create(&w->config, &w->wire, &err) < 0) {
        fail_msg("wire_create: %s", err_message(&err));
    }
}

/* Settings over a new directory; nothing is wired yet. */
static inline void world_prepare(struct world *w, const char *store)
{
    static const struct str masters[] = {{"system:masters", 14}, {"system:authenticated", 20}};
    *w = (struct world){0};
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    snprintf(w->dir, sizeof(w->dir), "/tmp/coracle-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->config.data_dir = alloc_strdup(w->dir);
    w->config.store = alloc_strdup(store);
    w->config.kubeconfig = alloc_printf("%s/admin.kubeconfig", w->dir);
    w->config.ready_fd = -1;
    w->user = user_create(STR("admin"), STR("admin-uid"), masters, 2);
    arena_init(&w->arena, 0);
}

static inline void world_open(struct world *w)
{
    world_prepare(w, "memory");
    world_wire(w);
}

static inline void world_close(struct world *w)
{
    wire_destroy(w->wire);
    config_finish(&w->config);
    user_unref(w->user);
    arena_finish(&w->arena);
    AUTO_FREE char *command = alloc_printf("rm -rf '%s'", w->dir);
    FILE *done = popen(command, "r");
    assert_non_null(done);
    pclose(done);
}

/* For cmocka: a world of its own for each test. */
static inline int world_setup(void **state)
{
    struct world *w = ALLOC(struct world);
    world_open(w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

/* What came of an operation; everything lives in the world's arena. */
struct outcome {
    int code, http;
    yyjson_mut_val *body; /* the object, or the Status */
    struct str *warnings;
    size_t n_warnings;
};

static inline struct str quoted(struct arena *a, const char *json)
{
    char *text = arena_strdup(a, json);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return str_from(text);
}

static inline yyjson_mut_val *parsed(struct arena *a, const char *json)
{
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    if (json_read(a, quoted(a, json), &d, NULL, &err) < 0) {
        fail_msg("%s: %s", err_message(&err), json);
    }
    return yyjson_mut_doc_get_root(d);
}

static inline struct str shown(struct arena *a, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    return arena_str(a, buf_str(&b));
}

static inline void answer_text(const struct op *op, struct arena *a, struct buf *b)
{
    const struct answer *w = &op->answer;
    if (op->code) {
        status_write(b, &op->err);
    } else if (w->deleted_status) {
        status_write_deleted(b, op->type, op->name, w->uid);
    } else if (w->stored) {
        const struct stored s = {blob_str(w->blob), w->rev, w->stamp};
        assert_int_equal(represent_object(b, op->type, op->version, &s, a, NULL), 0);
    } else {
        json_write(b, w->value);
    }
}

static inline struct outcome outcome_of(struct world *w, struct op *op)
{
    AUTO(buf_finish) struct buf b = {0};
    struct outcome o = {.code = op->code, .http = op->code ? status_code(&op->err) : 0};
    answer_text(op, &w->arena, &b);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&w->arena, arena_str(&w->arena, buf_str(&b)), &d, NULL, NULL), 0);
    o.body = yyjson_mut_doc_get_root(d);
    o.http = op->code ? o.http : op->answer.http_status;
    o.warnings = arena_alloc(&w->arena, (op->warnings.n + 1) * sizeof(*o.warnings));
    for (size_t i = 0; i < op->warnings.n; i++) {
        o.warnings[o.n_warnings++] = arena_str(&w->arena, op->warnings.items[i]);
    }
    return o;
}

/* A question, to be filled with what is not the default. */
struct ask {
    enum verb verb;
    const char *group, *resource, *sub, *ns, *name, *body; /* body: JSON with single quotes */
    const yyjson_mut_val *tree;                            /* in place of body */
    enum patch_type patch;
    enum field_validation validation;
    bool dry_run;
    bool force; /* a delete with gracePeriodSeconds 0 */
    struct user *as; /* NULL: the administrator */
};

static inline struct type *find_type(struct world *w, const char *group, const char *resource)
{
    struct registry_snapshot *s = registry_ref(w->wire->registry);
    struct type *t = registry_find(s, str_from(group), str_from(resource));
    t = t ? type_ref(t) : NULL;
    registry_snapshot_unref(s);
    return t;
}

static inline struct outcome asked(struct world *w, struct ask q)
{
    struct type *t = find_type(w, q.group ? q.group : "", q.resource);
    if (!t) {
        return (struct outcome){.code = ERR_NOT_FOUND, .http = 404};
    }
    struct op *op = op_create(w->wire->engine);
    op->verb = q.verb;
    op_set_type(op, t, type_storage(t));
    type_unref(t);
    op->scope.ns = q.ns ? str_from(q.ns) : STR("");
    op->name = str_from(q.name);
    op->subresource = q.sub ? str_from(q.sub) : STR("");
    op->user = user_ref(q.as ? q.as : w->user);
    op->patch = q.patch;
    op->validation = q.validation;
    op->dry_run = q.dry_run;
    op->presumes = q.dry_run; /* as from outside */
    op->del.grace = q.force ? 0 : -1;
    if (q.body || q.tree) {
        struct str text = q.tree ? shown(&op->arena, q.tree) : quoted(&op->arena, q.body);
        struct err err = {0};
        if (json_read(&op->arena, text, &op->body, &op->duplicates, &err) < 0) {
            fail_msg("%s: %.*s", err_message(&err), STR_FMT(text));
        }
    }
    engine_run(w->wire->engine, op);
    struct outcome o = outcome_of(w, op);
    op_unref(op);
    return o;
}

#define ASK(w, ...) asked((w), (struct ask){__VA_ARGS__})

/* The same, which must succeed. */
static inline yyjson_mut_val *must(struct world *w, struct outcome o)
{
    if (o.code) {
        fail_msg("%.*s", STR_FMT(shown(&w->arena, o.body)));
    }
    return o.body;
}

/* The text at a path of members, "" where there is none; a step may be the index of an element. */
static inline const char *at(struct world *w, const yyjson_mut_val *v, const char *path)
{
    struct str rest = str_from(path);
    while (v && rest.ptr) {
        struct str step = str_cut(rest, '/', &rest);
        v = json_is_arr(v) ? yyjson_mut_arr_get(json_mut(v), (size_t)atol(step.ptr))
                           : json_getn(v, step);
    }
    if (json_is_str(v)) {
        return arena_strdup(&w->arena, json_str(v).ptr);
    }
    return v ? arena_str(&w->arena, shown(&w->arena, v)).ptr : "";
}

#define assert_at(w, v, path, want) assert_string_equal(at((w), (v), (path)), (want))

/* Whether the refusal names the field with a message that holds the text. */
static inline bool has_cause(struct world *w, struct outcome o, const char *field, const char *text)
{
    struct json_iter it = json_iter(json_path(o.body, "details", "causes", NULL));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "field"), field) &&
            strstr(at(w, it.val, "message"), text)) {
            return true;
        }
    }
    return false;
}

static inline void assert_cause(struct world *w, struct outcome o, const char *field,
                                const char *text)
{
    if (o.http != 422 || !has_cause(w, o, field, text)) {
        fail_msg("no cause %s: %s in %.*s", field, text, STR_FMT(shown(&w->arena, o.body)));
    }
}

#endif
