/* SPDX-License-Identifier: Apache-2.0 */
/* How namespaces end. */
#include "tests/unit/services/live.h"

static int setup(void **state)
{
    struct live *l = ALLOC(struct live);
    live_open(l);
    *state = l;
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, .resource = "namespaces",
                    .body = "{'metadata':{'name':'n'}}"));
    return 0;
}

static void make(struct live *l, const char *resource, const char *name, const char *finalizers)
{
    const char *body =
        arena_printf(&l->w.arena, "{'metadata':{'name':'%s','finalizers':[%s]}}", name, finalizers);
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, .resource = resource, .ns = "n", .body = body));
}

static void release(struct live *l, const char *resource, const char *name)
{
    must(&l->w, ASK(&l->w, .verb = VERB_PATCH, .resource = resource, .ns = "n", .name = name,
                    .patch = PATCH_MERGE, .body = "{'metadata':{'finalizers':null}}"));
}

static void end(struct live *l)
{
    must(&l->w, ASK(&l->w, .verb = VERB_DELETE, .resource = "namespaces", .name = "n"));
}

static bool there(struct live *l)
{
    return ASK(&l->w, .verb = VERB_GET, .resource = "namespaces", .name = "n").code == 0;
}

/* "True Reason: message" of a condition; "" where there is none. */
static const char *condition(struct live *l, const char *type)
{
    struct outcome o = ASK(&l->w, .verb = VERB_GET, .resource = "namespaces", .name = "n");
    struct json_iter it =
        json_iter(o.code ? NULL : json_path(o.body, "status", "conditions", NULL));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "type"), type)) {
            return arena_printf(&l->w.arena, "%s %s: %s", at(&l->w, it.val, "status"),
                                at(&l->w, it.val, "reason"), at(&l->w, it.val, "message"));
        }
    }
    return "";
}

#define IS(type_, want_) (strcmp(condition(l, type_), want_) == 0)
#define REMAINING "NamespaceContentRemaining"
#define FINALIZERS "NamespaceFinalizersRemaining"

static void test_emptied(void **state)
{
    struct live *l = *state;
    make(l, "configmaps", "a", "");
    make(l, "secrets", "b", "");
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, .resource = "configmaps", .ns = "default",
                    .body = "{'metadata':{'name':'stays'}}"));
    end(l);
    live_run(l, "namespace_controller"); /* begun before it ran */
    EVENTUALLY(!there(l));
    assert_int_equal(
        ASK(&l->w, .verb = VERB_GET, .resource = "configmaps", .ns = "n", .name = "a").http, 404);
    assert_int_equal(
        ASK(&l->w, .verb = VERB_GET, .resource = "secrets", .ns = "n", .name = "b").http, 404);
    must(&l->w,
         ASK(&l->w, .verb = VERB_GET, .resource = "configmaps", .ns = "default", .name = "stays"));
}

static void test_held(void **state)
{
    struct live *l = *state;
    live_run(l, "namespace_controller");
    make(l, "configmaps", "a", "'x.io/one','x.io/two'");
    make(l, "configmaps", "b", "'x.io/one'");
    make(l, "secrets", "c", "'x.io/one'");
    make(l, "secrets", "free", "");
    end(l);
    EVENTUALLY(IS(REMAINING, "True SomeResourcesRemain: Some resources are remaining: configmaps. "
                             "has 2 resource instances, "
                             "secrets. has 1 resource instances"));
    assert_string_equal(condition(l, FINALIZERS),
                        "True SomeFinalizersRemain: Some content in the namespace has finalizers "
                        "remaining: x.io/one in 3 "
                        "resource instances, x.io/two in 1 resource instances");
    assert_string_equal(
        condition(l, "NamespaceDeletionContentFailure"),
        "False ContentDeleted: All content successfully deleted, may be waiting on finalization");
    assert_string_equal(condition(l, "NamespaceDeletionDiscoveryFailure"),
                        "False ResourcesDiscovered: All resources successfully discovered");
    release(l, "configmaps", "a");
    release(l, "configmaps", "b");
    EVENTUALLY(IS(REMAINING, "True SomeResourcesRemain: Some resources are remaining: secrets. has "
                             "1 resource instances"));
    release(l, "secrets", "c");
    EVENTUALLY(!there(l));
}

/* What it holds is gone, the namespace is not: its conditions say so. */
static void test_held_itself(void **state)
{
    struct live *l = *state;
    live_run(l, "namespace_controller");
    must(&l->w, ASK(&l->w, .verb = VERB_PATCH, .resource = "namespaces", .name = "n",
                    .patch = PATCH_MERGE, .body = "{'metadata':{'finalizers':['x.io/hold']}}"));
    make(l, "configmaps", "a", "'x.io/one'");
    end(l);
    EVENTUALLY(strncmp(condition(l, REMAINING), "True", 4) == 0);
    release(l, "configmaps", "a");
    EVENTUALLY(IS(REMAINING, "False ContentRemoved: All content successfully removed"));
    assert_string_equal(condition(l, FINALIZERS),
                        "False ContentHasNoFinalizers: All content-preserving finalizers finished");
    struct outcome o = ASK(&l->w, .verb = VERB_GET, .resource = "namespaces", .name = "n");
    EVENTUALLY((o = ASK(&l->w, .verb = VERB_GET, .resource = "namespaces", .name = "n"),
                !*at(&l->w, o.body, "spec/finalizers/0")));
    STAYS(there(l));
    must(&l->w, ASK(&l->w, .verb = VERB_PATCH, .resource = "namespaces", .name = "n",
                    .patch = PATCH_MERGE, .body = "{'metadata':{'finalizers':null}}"));
    assert_false(there(l));
}

static void test_many(void **state)
{
    struct live *l = *state;
    live_run(l, "namespace_controller garbage_collector");
    for (int i = 0; i < 3000; i++) {
        make(l, "configmaps", arena_printf(&l->w.arena, "c%d", i), "");
    }
    end(l);
    EVENTUALLY_WITHIN(60000, !there(l));
    assert_int_equal(
        ASK(&l->w, .verb = VERB_GET, .resource = "configmaps", .ns = "n", .name = "c0").http, 404);
    assert_int_equal(
        ASK(&l->w, .verb = VERB_GET, .resource = "configmaps", .ns = "n", .name = "c2999").http,
        404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_emptied, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_held, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_held_itself, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, live_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
