/* SPDX-License-Identifier: Apache-2.0 */
/* The garbage collector over a whole server without HTTP. Objects are ConfigMaps unless a test
 * needs others. */
#include "tests/unit/services/live.h"

#define GADGETS .group = "example.com", .resource = "gadgets"

static struct client_ref map_ref(const char *ns, const char *name)
{
    return (struct client_ref){.version = STR("v1"),
                               .resource = STR("configmaps"),
                               .ns = str_from(ns),
                               .name = str_from(name)};
}

/* Makes the ConfigMap; owners: the members of ownerReferences, or "". Returns its uid. */
static const char *make_in(struct live *l, const char *ns, const char *name, const char *owners,
                           const char *more)
{
    struct world *w = &l->w;
    const char *body = arena_printf(
        &w->arena, "{'metadata':{'name':'%s','ownerReferences':[%s]%s}}", name, owners, more);
    return at(
        w, must(w, ASK(w, .verb = VERB_CREATE, .resource = "configmaps", .ns = ns, .body = body)),
        "metadata/uid");
}

static const char *make(struct live *l, const char *name, const char *owners)
{
    return make_in(l, "default", name, owners, "");
}

static const char *owner(struct live *l, const char *name, const char *uid, bool block)
{
    return arena_printf(
        &l->w.arena,
        "{'apiVersion':'v1','kind':'ConfigMap','name':'%s','uid':'%s','blockOwnerDeletion':%s}",
        name, uid, block ? "true" : "false");
}

static void delete(struct live *l, const char *name, enum propagation p)
{
    const struct client_ref ref = map_ref("default", name);
    const struct client_options o = {.propagation = p};
    struct err err = {0};
    if (client_delete(l->client, &ref, &o, &err) < 0) {
        fail_msg("%s", err_message(&err));
    }
}

static bool there_in(struct live *l, const char *ns, const char *name)
{
    return ASK(&l->w, .verb = VERB_GET, .resource = "configmaps", .ns = ns, .name = name).code == 0;
}

static bool there(struct live *l, const char *name)
{
    return there_in(l, "default", name);
}

static const char *field(struct live *l, const char *name, const char *path)
{
    struct outcome o =
        ASK(&l->w, .verb = VERB_GET, .resource = "configmaps", .ns = "default", .name = name);
    return o.code ? "gone" : at(&l->w, o.body, path);
}

static void patch(struct live *l, const char *name, const char *body)
{
    must(&l->w, ASK(&l->w, .verb = VERB_PATCH, .resource = "configmaps", .ns = "default",
                    .name = name, .patch = PATCH_MERGE, .body = body));
}

static void test_background(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    const char *a = make(l, "a", "");
    make(l, "b", owner(l, "a", a, false));
    make(l, "other", "");
    STAYS(there(l, "b"));
    delete (l, "a", PROPAGATION_BACKGROUND);
    assert_false(there(l, "a"));
    EVENTUALLY(!there(l, "b"));
    assert_true(there(l, "other"));
    make(l, "late", owner(l, "a", a, false)); /* its owner is gone already */
    EVENTUALLY(!there(l, "late"));
}

static void test_foreground(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    const char *a = make(l, "a", "");
    make_in(l, "default", "b", owner(l, "a", a, true), ",'finalizers':['x.io/hold']");
    make_in(l, "default", "c", owner(l, "a", a, false), "");
    delete (l, "a", PROPAGATION_FOREGROUND);
    assert_string_equal(field(l, "a", "metadata/finalizers"), "[\"foregroundDeletion\"]");
    EVENTUALLY(*field(l, "b", "metadata/deletionTimestamp") && !there(l, "c"));
    STAYS(there(l, "a") && there(l, "b"));
    patch(l, "b", "{'metadata':{'finalizers':null}}");
    EVENTUALLY(!there(l, "a") && !there(l, "b"));
}

/* One that does not block is deleted too, but not waited for. */
static void test_foreground_not_blocking(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    const char *a = make(l, "a", "");
    make_in(l, "default", "b", owner(l, "a", a, false), ",'finalizers':['x.io/hold']");
    delete (l, "a", PROPAGATION_FOREGROUND);
    EVENTUALLY(!there(l, "a") && *field(l, "b", "metadata/deletionTimestamp"));
    STAYS(there(l, "b"));
    patch(l, "b", "{'metadata':{'finalizers':null}}");
    assert_false(there(l, "b"));
}

static void test_orphan(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    const char *a = make(l, "a", ""), *x = make(l, "x", "");
    make(l, "b", owner(l, "a", a, true));
    make(l, "c",
         arena_printf(&l->w.arena, "%s,%s", owner(l, "a", a, true), owner(l, "x", x, false)));
    delete (l, "a", PROPAGATION_ORPHAN);
    EVENTUALLY(!there(l, "a"));
    STAYS(there(l, "b") && there(l, "c"));
    assert_string_equal(field(l, "b", "metadata/ownerReferences"), "");
    assert_string_equal(field(l, "c", "metadata/ownerReferences/0/name"), "x");
    assert_string_equal(field(l, "c", "metadata/ownerReferences/1"), "");
}

static void test_two_owners(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    const char *a = make(l, "a", ""), *b = make(l, "b", "");
    make(l, "c",
         arena_printf(&l->w.arena, "%s,%s", owner(l, "a", a, false), owner(l, "b", b, false)));
    delete (l, "a", PROPAGATION_BACKGROUND);
    EVENTUALLY(strcmp(field(l, "c", "metadata/ownerReferences/0/name"), "b") == 0);
    assert_string_equal(field(l, "c", "metadata/ownerReferences/1"), "");
    delete (l, "b", PROPAGATION_BACKGROUND);
    EVENTUALLY(!there(l, "c"));
}

static void test_wrong_owners(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, .resource = "namespaces",
                    .body = "{'metadata':{'name':'far'}}"));
    const char *a = make(l, "a", "");
    make(l, "b", owner(l, "a", "not-its-uid", false));
    EVENTUALLY(!there(l, "b"));
    make_in(l, "far", "c", owner(l, "a", a, false),
            ""); /* owners are looked for in the own namespace */
    EVENTUALLY(!there_in(l, "far", "c"));
    make(l, "d",
         "{'apiVersion':'gone.io/v1','kind':'Thing','name':'t','uid':'u'}"); /* nobody can say */
    STAYS(there(l, "d") && there(l, "a"));
}

static void make_gadgets(struct live *l)
{
    must(&l->w, ASK(&l->w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
                    .resource = "customresourcedefinitions",
                    .body = "{'metadata':{'name':'gadgets.example.com'},'spec':{'group':'example."
                            "com','scope':'Cluster','names':{"
                            "'plural':'gadgets','kind':'Gadget'},'versions':[{'name':'v1','served':"
                            "true,'storage':true,"
                            "'schema':{'openAPIV3Schema':{'type':'object'}}}]}}"));
}

static const char *make_gadget(struct live *l, const char *name, const char *owners)
{
    const char *body =
        arena_printf(&l->w.arena,
                     "{'apiVersion':'example.com/"
                     "v1','kind':'Gadget','metadata':{'name':'%s','ownerReferences':[%s]}}",
                     name, owners);
    return at(&l->w, must(&l->w, ASK(&l->w, .verb = VERB_CREATE, GADGETS, .body = body)),
              "metadata/uid");
}

static bool gadget_there(struct live *l, const char *name)
{
    return ASK(&l->w, .verb = VERB_GET, GADGETS, .name = name).code == 0;
}

#define GADGET_OWNER "{'apiVersion':'example.com/v1','kind':'Gadget','name':'g','uid':'%s'}"

static void test_cluster_scope(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    make_gadgets(l);
    const char *g = make_gadget(l, "g", "");
    make(l, "b", arena_printf(&l->w.arena, GADGET_OWNER, g));
    make_gadget(l, "h", arena_printf(&l->w.arena, GADGET_OWNER, g));
    /* an object of the cluster has no owner in a namespace: it is left alone */
    make_gadget(l, "i", owner(l, "a", "some-uid", false));
    STAYS(there(l, "b") && gadget_there(l, "h"));
    must(&l->w, ASK(&l->w, .verb = VERB_DELETE, GADGETS, .name = "g"));
    EVENTUALLY(!there(l, "b") && !gadget_there(l, "h"));
    STAYS(gadget_there(l, "i"));
}

/* With the definition go the objects, and what they own. */
static void test_owner_type_goes(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector definition_controller");
    make_gadgets(l);
    const char *g = make_gadget(l, "g", "");
    make(l, "b", arena_printf(&l->w.arena, GADGET_OWNER, g));
    must(&l->w, ASK(&l->w, .verb = VERB_DELETE, .group = "apiextensions.k8s.io",
                    .resource = "customresourcedefinitions", .name = "gadgets.example.com"));
    EVENTUALLY(ASK(&l->w, .verb = VERB_LIST, GADGETS).http == 404);
    EVENTUALLY(!there(l, "b"));
}

static void make_chain(struct live *l, size_t n)
{
    const char *uid = make(l, "n0", "");
    for (size_t i = 1; i < n; i++) {
        const char *up = arena_printf(&l->w.arena, "n%zu", i - 1),
                   *name = arena_printf(&l->w.arena, "n%zu", i);
        uid = make(l, name, owner(l, up, uid, true));
    }
}

static void test_chain(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    make_chain(l, 100);
    delete (l, "n0", PROPAGATION_BACKGROUND);
    EVENTUALLY(!there(l, "n99"));
    make_chain(l, 20);
    delete (l, "n0", PROPAGATION_FOREGROUND);
    EVENTUALLY(!there(l, "n0"));
    assert_false(there(l, "n19")); /* from the last to the first */
}

static void make_cycle(struct live *l)
{
    const char *a = make(l, "a", ""), *b = make(l, "b", owner(l, "a", a, true));
    patch(
        l, "a",
        arena_printf(&l->w.arena, "{'metadata':{'ownerReferences':[%s]}}", owner(l, "b", b, true)));
}

static void test_cycle(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    make_cycle(l);
    STAYS(there(l, "a") && there(l, "b"));
    delete (l, "a", PROPAGATION_BACKGROUND);
    EVENTUALLY(!there(l, "b"));
    make_cycle(l);
    delete (l, "a", PROPAGATION_FOREGROUND);
    EVENTUALLY(!there(l, "a") && !there(l, "b"));
}

/* What was left undone when the server stopped. */
static void test_start(void **state)
{
    struct live *l = *state;
    const char *a = make(l, "a", ""), *f = make(l, "f", ""), *o = make(l, "o", "");
    make(l, "b", owner(l, "a", a, false));
    make(l, "fb", owner(l, "f", f, true));
    make(l, "ob", owner(l, "o", o, true));
    delete (l, "a", PROPAGATION_BACKGROUND);
    delete (l, "f", PROPAGATION_FOREGROUND);
    delete (l, "o", PROPAGATION_ORPHAN);
    STAYS(there(l, "b") && there(l, "f") && there(l, "o"));
    for (int i = 0; i < 2; i++) { /* it can be run again */
        live_run(l, "garbage_collector");
        EVENTUALLY(!there(l, "b") && !there(l, "f") && !there(l, "fb") && !there(l, "o"));
        assert_true(there(l, "ob"));
        live_halt(l);
        make(l, "b", owner(l, "a", a, false));
    }
}

static uint64_t keys(struct live *l)
{
    struct store_stats s;
    store_stats(l->w.wire->store, &s);
    return s.keys;
}

static void make_many(struct live *l, int n, bool block)
{
    const char *uid = make(l, "m", "");
    const char *o = owner(l, "m", uid, block);
    for (int i = 0; i < n; i++) {
        make(l, arena_printf(&l->w.arena, "m%d", i), o);
    }
}

static void test_many(void **state)
{
    struct live *l = *state;
    live_run(l, "garbage_collector");
    live_sleep(200);
    uint64_t before = keys(l);
    for (int block = 0; block < 2; block++) {
        make_many(l, 5000, block);
        assert_int_equal(keys(l), before + 5001);
        delete (l, "m", block ? PROPAGATION_FOREGROUND : PROPAGATION_BACKGROUND);
        EVENTUALLY_WITHIN(300000, keys(l) == before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, live_setup, live_teardown)
        T(test_background),    T(test_foreground),      T(test_foreground_not_blocking),
        T(test_orphan),        T(test_two_owners),      T(test_wrong_owners),
        T(test_cluster_scope), T(test_owner_type_goes), T(test_chain),
        T(test_cycle),         T(test_start),           T(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
