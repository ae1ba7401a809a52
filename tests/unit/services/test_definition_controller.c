/* SPDX-License-Identifier: Apache-2.0 */
/* How definitions end. */
#include "tests/unit/services/live.h"

#define CRDS .group = "apiextensions.k8s.io", .resource = "customresourcedefinitions"
#define NAME .name = "widgets.example.com"
#define WIDGETS .group = "example.com", .resource = "widgets", .ns = "default"

static void define(struct live *l, const char *finalizers)
{
    const char *body = arena_printf(&l->w.arena,
                                    "{'metadata':{'name':'widgets.example.com','finalizers':[%s]},'"
                                    "spec':{'group':'example.com','scope':'Namespaced',"
                                    "'names':{'plural':'widgets','kind':'Widget'},'versions':[{'"
                                    "name':'v1','served':true,'storage':true,'schema':{"
                                    "'openAPIV3Schema':{'type':'object'}}}]}}",
                                    finalizers);
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, CRDS, .body = body));
}

static void make(struct live *l, const char *name, const char *finalizers)
{
    const char *body =
        arena_printf(&l->w.arena,
                     "{'apiVersion':'example.com/"
                     "v1','kind':'Widget','metadata':{'name':'%s','finalizers':[%s]}}",
                     name, finalizers);
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, WIDGETS, .body = body));
}

static void end(struct live *l)
{
    must(&l->w, ASK(&l->w, .verb = VERB_DELETE, CRDS, NAME));
}

static bool there(struct live *l)
{
    return ASK(&l->w, .verb = VERB_GET, CRDS, NAME).code == 0;
}

/* The status and reason of the condition Terminating. */
static const char *terminating(struct live *l)
{
    struct outcome o = ASK(&l->w, .verb = VERB_GET, CRDS, NAME);
    struct json_iter it =
        json_iter(o.code ? NULL : json_path(o.body, "status", "conditions", NULL));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "type"), "Terminating")) {
            return arena_printf(&l->w.arena, "%s %s", at(&l->w, it.val, "status"),
                                at(&l->w, it.val, "reason"));
        }
    }
    return "";
}

static void test_emptied(void **state)
{
    struct live *l = *state;
    define(l, "");
    make(l, "a", "");
    make(l, "b", "");
    end(l);
    STAYS(there(l));
    live_run(l, "definition_controller");
    EVENTUALLY(!there(l));
    assert_int_equal(ASK(&l->w, .verb = VERB_LIST, WIDGETS).http, 404);
    define(l, ""); /* nothing of the old ones comes back */
    struct outcome o = ASK(&l->w, .verb = VERB_GET, WIDGETS, .name = "a");
    assert_int_equal(o.http, 404);
    assert_at(&l->w, o.body, "message", "widgets.example.com \"a\" not found");
}

static void test_held(void **state)
{
    struct live *l = *state;
    live_run(l, "definition_controller");
    define(l, "");
    make(l, "a", "");
    make(l, "b", "'x.io/hold'");
    end(l);
    EVENTUALLY(ASK(&l->w, .verb = VERB_GET, WIDGETS, .name = "a").http == 404);
    EVENTUALLY(strcmp(terminating(l), "True InstanceDeletionInProgress") == 0);
    STAYS(there(l));
    must(&l->w, ASK(&l->w, .verb = VERB_PATCH, WIDGETS, .name = "b", .patch = PATCH_MERGE,
                    .body = "{'metadata':{'finalizers':null}}"));
    EVENTUALLY(!there(l));
}

static void test_held_itself(void **state)
{
    struct live *l = *state;
    live_run(l, "definition_controller");
    define(l, "'x.io/hold'");
    make(l, "a", "");
    end(l);
    EVENTUALLY(strcmp(terminating(l), "False InstanceDeletionCompleted") == 0);
    struct outcome o;
    EVENTUALLY((o = ASK(&l->w, .verb = VERB_GET, CRDS, NAME),
                strcmp(at(&l->w, o.body, "metadata/finalizers"), "[\"x.io/hold\"]") == 0));
    STAYS(there(l));
}

static void test_many(void **state)
{
    struct live *l = *state;
    live_run(l, "definition_controller garbage_collector");
    define(l, "");
    for (int i = 0; i < 3000; i++) {
        make(l, arena_printf(&l->w.arena, "w%d", i), "");
    }
    end(l);
    EVENTUALLY_WITHIN(60000, !there(l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_emptied, live_setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_held, live_setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_held_itself, live_setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_many, live_setup, live_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
