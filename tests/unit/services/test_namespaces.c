/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces: their phases and finalizers, and what may be created in them. */
#include "tests/unit/services/fixture.h"

#include <pthread.h>

#define NS(w, v, ...) ASK(w, .verb = (v), .resource = "namespaces", __VA_ARGS__)

static void test_first_ones(void **state)
{
    struct world *w = *state;
    assert_at(w, must(w, NS(w, VERB_GET, .name = "default")), "status/phase", "Active");
    assert_at(w, must(w, NS(w, VERB_GET, .name = "kube-system")), "status/phase", "Active");
    struct outcome o = NS(w, VERB_DELETE, .name = "default");
    assert_int_equal(o.http, 403);
    assert_at(w, o.body, "message",
              "namespaces \"default\" is forbidden: this namespace may not be deleted");
}

static void test_create(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v = must(w, NS(w, VERB_CREATE,
                                   .body = "{'metadata':{'name':'n'},'status':{'phase':'Odd'},"
                                           "'spec':{'finalizers':['x.io/f']}}"));
    assert_at(w, v, "status", "{\"phase\":\"Active\"}");
    assert_at(w, v, "spec/finalizers", "[\"x.io/f\",\"kubernetes\"]");
    assert_at(w, v, "metadata/labels", "{\"kubernetes.io/metadata.name\":\"n\"}");
    v = must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'generateName':'g-'}}"));
    struct str label =
        json_get_str(json_path(v, "metadata", "labels", NULL), "kubernetes.io/metadata.name");
    assert_true(str_is(label, at(w, v, "metadata/name")));
    assert_cause(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'a.b'}}"), "metadata.name",
                 "must not contain dots");
    assert_cause(
        w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'m'},'spec':{'finalizers':['odd']}}"),
        "spec.finalizers[0]", "name is neither a standard finalizer name nor is it fully");
}

/* A client's change of what the server keeps is undone without a word. */
static void test_update_keeps(void **state)
{
    struct world *w = *state;
    must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'n'}}"));
    yyjson_mut_val *v =
        must(w, NS(w, VERB_PATCH, .name = "n", .patch = PATCH_MERGE,
                   .body = "{'metadata':{'labels':{'kubernetes.io/metadata.name':'other','a':'b'}},"
                           "'spec':{'finalizers':[]},'status':{'phase':'Odd'}}"));
    assert_at(w, v, "spec/finalizers", "[\"kubernetes\"]");
    assert_at(w, v, "status/phase", "Active");
    assert_at(w, v, "metadata/labels", "{\"kubernetes.io/metadata.name\":\"n\",\"a\":\"b\"}");
}

static void test_status(void **state)
{
    struct world *w = *state;
    must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'n'}}"));
    yyjson_mut_val *v =
        must(w, NS(w, VERB_PATCH, .name = "n", .sub = "status", .patch = PATCH_MERGE,
                   .body = "{'spec':{'finalizers':[]},'status':{'conditions':[{'type':'Demo',"
                           "'status':'True'}]}}"));
    assert_at(w, v, "status/phase", "Active");
    assert_at(w, v, "status/conditions/0/type", "Demo");
    assert_at(w, v, "spec/finalizers", "[\"kubernetes\"]");
}

static void test_delete(void **state)
{
    struct world *w = *state;
    must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'n'}}"));
    yyjson_mut_val *v = must(w, NS(w, VERB_DELETE, .name = "n"));
    assert_at(w, v, "status/phase", "Terminating");
    assert_string_not_equal(at(w, v, "metadata/deletionTimestamp"), "");
    must(w, NS(w, VERB_DELETE, .name = "n")); /* again: still there */
    v = must(w, NS(w, VERB_UPDATE, .name = "n", .sub = "finalize",
                   .body = "{'metadata':{'name':'n'},'spec':{'finalizers':[]},'status':{'phase':"
                           "'Active'}}"));
    assert_at(w, v, "status/phase", "Terminating");
    assert_at(w, v, "spec", "{}");
    assert_int_equal(NS(w, VERB_GET, .name = "n").http, 404);
}

static void test_finalize_without_deletion(void **state)
{
    struct world *w = *state;
    must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'n'}}"));
    must(w, NS(w, VERB_UPDATE, .name = "n", .sub = "finalize",
               .body = "{'metadata':{'name':'n'},'spec':{'finalizers':[]}}"));
    assert_at(w, must(w, NS(w, VERB_GET, .name = "n")), "status/phase", "Active");
    yyjson_mut_val *v = must(w, NS(w, VERB_DELETE, .name = "n")); /* nothing holds it */
    assert_at(w, v, "kind", "Namespace");
    assert_int_equal(NS(w, VERB_GET, .name = "n").http, 404);
}

static struct outcome put_in(struct world *w, const char *ns, const char *name)
{
    const char *body = arena_printf(&w->arena, "{'metadata':{'name':'%s'}}", name);
    return ASK(w, .verb = VERB_CREATE, .resource = "configmaps", .ns = ns, .body = body);
}

static void test_lifecycle(void **state)
{
    struct world *w = *state;
    struct outcome o = put_in(w, "gone", "a");
    assert_int_equal(o.http, 404);
    assert_at(w, o.body, "message", "namespaces \"gone\" not found");
    must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'n'}}"));
    must(w, put_in(w, "n", "a"));
    must(w, NS(w, VERB_DELETE, .name = "n"));
    o = put_in(w, "n", "b");
    assert_int_equal(o.http, 403);
    assert_at(w, o.body, "message",
              "configmaps \"b\" is forbidden: unable to create new content in namespace n because "
              "it is being terminated");
    assert_at(w, o.body, "details/causes/0/reason", "NamespaceTerminating");
    assert_at(w, o.body, "details/causes/0/field", "metadata.namespace");
    must(w, ASK(w, .verb = VERB_PATCH, .resource = "configmaps", .ns = "n", .name = "a",
                .patch = PATCH_MERGE, .body = "{'data':{'k':'v'}}"));
    must(w, ASK(w, .verb = VERB_DELETE, .resource = "configmaps", .ns = "n", .name = "a"));
}

struct racer {
    struct world *w;
    pthread_t thread;
    int created;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0;; i++) {
        struct world mine = {.wire = r->w->wire, .user = r->w->user}; /* an arena of its own */
        arena_init(&mine.arena, 0);
        char name[32];
        snprintf(name, sizeof(name), "c-%p-%d", (void *)r, i);
        struct outcome o = put_in(&mine, "n", name);
        int http = o.http;
        arena_finish(&mine.arena);
        if (http != 201) {
            assert_int_equal(http, 403);
            return NULL;
        }
        r->created++;
    }
}

/* Creates that run against the deletion of their namespace: each is either before it or refused. */
static void test_race(void **state)
{
    struct world *w = *state;
    struct racer racers[4];
    must(w, NS(w, VERB_CREATE, .body = "{'metadata':{'name':'n'}}"));
    for (size_t i = 0; i < 4; i++) {
        racers[i] = (struct racer){.w = w};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    yyjson_mut_val *v = must(w, NS(w, VERB_DELETE, .name = "n"));
    int64_t gone = atoll(at(w, v, "metadata/resourceVersion"));
    for (size_t i = 0; i < 4; i++) {
        pthread_join(racers[i].thread, NULL);
    }
    int64_t newest = store_prefix_revision(w->wire->store, STR("/registry/configmaps/n/"));
    assert_true(newest < gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_ones, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_create, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_update_keeps, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_status, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_delete, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_finalize_without_deletion, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_lifecycle, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_race, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
