/* SPDX-License-Identifier: Apache-2.0 */
/* An engine on the memory store with types made from definition documents, for the tests of
 * operations, lists, watches and clients. JSON is written with single quotes. */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "resources/engine.h"
#include "resources/status.h"
#include "resources/watch.h"

/* A namespaced custom type with a status subresource in v1, and v1beta1. */
#define WIDGET_CRD                                                                                 \
    "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{"       \
    "'name':'widgets.example.com'},'spec':{'group':'example.com','scope':'Namespaced','names':{"   \
    "'plural':'widgets','singular':'widget','kind':'Widget','listKind':'WidgetList'},'versions':[" \
    "{'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"      \
    "'properties':{'spec':{'type':'object','properties':{'size':{'type':'integer','minimum':0},"   \
    "'color':{'type':'string'},'note':{'type':'string'},'deep':{'type':'object','properties':{"    \
    "'level':{'type':'string','default':'low'}}}}},'status':{'type':'object','properties':{"       \
    "'ready':{'type':'integer'}}}}}},'subresources':{'status':{}},'selectableFields':[{"           \
    "'jsonPath':'.spec.color'}]},{'name':'v1beta1','served':true,'storage':false,'schema':{"       \
    "'openAPIV3Schema':{'type':'object','x-kubernetes-preserve-unknown-fields':true}},"            \
    "'subresources':{'status':{}}}]}}"

/* A cluster-scoped custom type with a scale subresource and no status one. */
#define GADGET_CRD                                                                                 \
    "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{"       \
    "'name':'gadgets.example.com'},'spec':{'group':'example.com','scope':'Cluster','names':{"      \
    "'plural':'gadgets','singular':'gadget','kind':'Gadget','listKind':'GadgetList'},'versions':[" \
    "{'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"      \
    "'x-kubernetes-preserve-unknown-fields':true}},'subresources':{'scale':{"                      \
    "'specReplicasPath':'.spec.replicas','statusReplicasPath':'.status.replicas',"                 \
    "'labelSelectorPath':'.status.selector'}}}]}}"

/* A built-in: unconditional updates, no generation. */
#define NOTE_CRD                                                                                   \
    "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{"       \
    "'name':'notes.'},'spec':{'group':'','scope':'Namespaced','names':{'plural':'notes',"          \
    "'singular':'note','kind':'Note','listKind':'NoteList'},'coracle':{'builtin':true,"            \
    "'unconditionalUpdate':true},'versions':[{'name':'v1','served':true,'storage':true,'schema':{" \
    "'openAPIV3Schema':{'type':'object','properties':{'data':{'type':'object',"                    \
    "'additionalProperties':{'type':'string'}}}}}}]}}"

struct fixture {
    struct store *store;
    struct registry *registry;
    struct access *access;
    struct engine *engine;
    struct user *user;
};

static inline enum decision fixture_allow(void *self, const struct attributes *a,
                                          const char **ret_reason)
{
    (void)self;
    (void)ret_reason;
    return str_is(a->user->name, "nobody") ? DECISION_NO_OPINION : DECISION_ALLOW;
}

/* The text with every ' made ". Freed by the caller. */
static inline char *quoted(const char *json)
{
    char *text = alloc_strdup(json);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return text;
}

static inline struct type *fixture_make_type(const char *document, const struct type_extras *extras)
{
    AUTO_FREE char *text = quoted(document);
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    assert_int_equal(json_read(&a, str_from(text), &d, NULL, &err), 0);
    struct type *t = NULL;
    if (type_create(yyjson_mut_doc_get_root(d), extras, &t, &err)) {
        fail_msg("type_create: %s", err_message(&err));
    }
    arena_finish(&a);
    return t;
}

/* Publishes a type; the caller's pointer is borrowed from the registry. */
static inline struct type *fixture_add_type(struct fixture *f, const char *document,
                                            const struct type_extras *extras)
{
    struct type *t = fixture_make_type(document, extras);
    registry_put(f->registry, t);
    type_unref(t);
    return t;
}

/* The store becomes the fixture's. */
static inline void fixture_open_on(struct fixture *f, struct store *store)
{
    *f = (struct fixture){.store = store};
    f->registry = registry_create();
    f->access = access_create();
    access_add_authorizer(f->access,
                          &(struct authorizer){.name = "allow", .authorize = fixture_allow});
    f->engine = engine_create(
        &(struct engine_options){.store = f->store, .registry = f->registry, .access = f->access});
    f->user = user_create(STR("alice"), STR("u1"), NULL, 0);
}

static inline void fixture_open_with(struct fixture *f, const struct store_options *so)
{
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(store_open_memory(so, &store, &err), 0);
    fixture_open_on(f, store);
}

static inline void fixture_open(struct fixture *f)
{
    fixture_open_with(f, &(struct store_options){0});
}

static inline void fixture_close(struct fixture *f)
{
    engine_destroy(f->engine);
    store_close(f->store);
    registry_destroy(f->registry);
    access_destroy(f->access);
    user_unref(f->user);
}

/* An op to be filled further and run. name may be NULL. */
static inline struct op *fixture_op(struct fixture *f, enum verb verb, struct type *t,
                                    const char *ns, const char *name)
{
    struct op *op = op_create(f->engine);
    op->verb = verb;
    op_set_type(op, t, type_storage(t));
    op->scope.ns = str_from(ns);
    op->name = str_from(name);
    op->user = user_ref(f->user);
    return op;
}

static inline void fixture_body(struct op *op, const char *json)
{
    AUTO_FREE char *text = quoted(json);
    struct err err = {0};
    int rc = json_read(&op->arena, arena_str(&op->arena, str_from(text)), &op->body,
                       &op->duplicates, &err);
    if (rc) {
        fail_msg("body: %s", err_message(&err));
    }
}

/* The answer as JSON text, whatever its form; freed by the caller. */
static inline char *fixture_answer(const struct op *op)
{
    struct buf b = {0};
    struct arena a;
    arena_init(&a, 0);
    const struct answer *w = &op->answer;
    if (op->code) {
        status_write(&b, &op->err);
    } else if (w->deleted_status) {
        status_write_deleted(&b, op->type, op->name, w->uid);
    } else if (w->stored) {
        const struct stored s = {blob_str(w->blob), w->rev, w->stamp};
        assert_int_equal(represent_object(&b, op->type, op->version, &s, &a, NULL), 0);
    } else {
        json_write(&b, w->value);
    }
    arena_finish(&a);
    buf_addc(&b, 0);
    return b.ptr;
}

/* Runs the op, gives it back and returns its answer, parsed, in the arena; *ret_code may be NULL.
 */
static inline yyjson_mut_val *fixture_run(struct fixture *f, struct op *op, struct arena *a,
                                          int *ret_code)
{
    int rc = engine_run(f->engine, op);
    AUTO_FREE char *text = fixture_answer(op);
    op_unref(op);
    if (ret_code) {
        *ret_code = rc;
    } else if (rc) {
        fail_msg("%s", text);
    }
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(a, arena_str(a, str_from(text)), &d, NULL, NULL), 0);
    return yyjson_mut_doc_get_root(d);
}

static inline yyjson_mut_val *fixture_do(struct fixture *f, struct arena *a, enum verb verb,
                                         struct type *t, const char *ns, const char *name,
                                         const char *body, int *ret_code)
{
    struct op *op = fixture_op(f, verb, t, ns, name);
    if (body) {
        fixture_body(op, body);
    }
    op->patch = PATCH_MERGE;
    return fixture_run(f, op, a, ret_code);
}

static inline struct str text_at(const yyjson_mut_val *v, const char *a, const char *b)
{
    return json_str(json_path(v, a, b, NULL));
}

#define assert_str(s_, expected_)                                                                  \
    do {                                                                                           \
        struct str s__ = (s_);                                                                     \
        if (!str_is(s__, expected_)) {                                                             \
            fail_msg("got \"%.*s\", expected \"%s\"", STR_FMT(s__), expected_);                    \
        }                                                                                          \
    } while (0)

static inline int64_t rv_of(const yyjson_mut_val *obj)
{
    struct str s = text_at(obj, "metadata", "resourceVersion");
    return s.ptr ? strtoll(s.ptr, NULL, 10) : 0;
}

#endif
