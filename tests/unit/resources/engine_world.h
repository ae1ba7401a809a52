/* SPDX-License-Identifier: Apache-2.0 */
/* An engine with three types for each test, in names that a test file has at hand. */
#ifndef TESTS_ENGINE_WORLD_H
#define TESTS_ENGINE_WORLD_H

#include "tests/unit/resources/engine_fixture.h"

static struct fixture f;
static struct type *widgets, *gadgets, *notes;
static struct arena a;
static int64_t empty; /* the store's revision before anything was written */

static inline int setup(void **state)
{
    (void)state;
    fixture_open(&f);
    empty = store_revision(f.store);
    widgets = fixture_add_type(&f, WIDGET_CRD, NULL);
    gadgets = fixture_add_type(&f, GADGET_CRD, NULL);
    notes = fixture_add_type(&f, NOTE_CRD, NULL);
    arena_init(&a, 0);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    arena_finish(&a);
    fixture_close(&f);
    return 0;
}

/* Creates an object; more: what follows its name, as "},'spec':{}}". */
static inline yyjson_mut_val *make(struct type *t, const char *ns, const char *name,
                                   const char *more)
{
    char body[512];
    snprintf(body, sizeof(body), "{'apiVersion':'%.*s','kind':'%.*s','metadata':{'name':'%s'%s}",
             STR_FMT(type_storage(t)->api_version), STR_FMT(t->kind), name, more);
    return fixture_do(&f, &a, VERB_CREATE, t, ns, NULL, body, NULL);
}

/* One of widgets in the namespace ns. */
static inline yyjson_mut_val *widget(enum verb verb, const char *name, const char *body, int *code)
{
    return fixture_do(&f, &a, verb, widgets, "ns", name, body, code);
}

static inline yyjson_mut_val *make_widget(const char *name, const char *spec)
{
    char body[512];
    snprintf(body, sizeof(body),
             "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'%s'},'spec':%s}",
             name, spec);
    return widget(VERB_CREATE, NULL, body, NULL);
}

/* Checks a Status; message may be NULL. */
static inline void expect_status(yyjson_mut_val *status, int64_t code, const char *reason,
                                 const char *message)
{
    assert_str(json_get_str(status, "kind"), "Status");
    assert_int_equal(json_get_int(status, "code", 0), code);
    assert_str(json_get_str(status, "reason"), reason);
    if (message) {
        assert_str(json_get_str(status, "message"), message);
    }
}

#endif
