/* SPDX-License-Identifier: Apache-2.0 */
/* The client within the server: verbs, authorisation, lists, watches from another thread. */
#include "tests/unit/resources/engine_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "resources/client.h"

static struct fixture f;
static struct type *widgets;
static struct arena a;
static struct client *client;
static const struct client_ref in_ns = {
    .group = {"example.com", 11}, .resource = {"widgets", 7}, .ns = {"ns", 2}};

static int setup(void **state)
{
    (void)state;
    fixture_open(&f);
    widgets = fixture_add_type(&f, WIDGET_CRD, NULL);
    arena_init(&a, 0);
    client = client_local_create(f.engine, f.user);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_close(client);
    arena_finish(&a);
    fixture_close(&f);
    return 0;
}

static yyjson_mut_val *parse(const char *json)
{
    AUTO_FREE char *text = quoted(json);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&a, arena_str(&a, str_from(text)), &d, NULL, NULL), 0);
    return yyjson_mut_doc_get_root(d);
}

static struct client_ref named(const char *name)
{
    struct client_ref r = in_ns;
    r.name = str_from(name);
    return r;
}

static yyjson_mut_val *make(const char *name, const char *more)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'%s'%s}", name,
             more);
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    if (client_create(client, &in_ns, parse(body), NULL, &a, &d, &err)) {
        fail_msg("%s", err_message(&err));
    }
    return yyjson_mut_doc_get_root(d);
}

static void test_verbs(void **state)
{
    (void)state;
    struct client_ref r = named("a");
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    assert_int_equal(client_get(client, &r, &a, &d, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message, "widgets.example.com \"a\" not found");
    err_finish(&err);
    yyjson_mut_val *made = make("a", "},'spec':{'size':1}");
    assert_int_equal(client_get(client, &r, &a, &d, NULL), 0);
    yyjson_mut_val *got = yyjson_mut_doc_get_root(d);
    assert_true(json_equal(made, got));
    json_set_int(d, json_get(got, "spec"), "size", 2);
    assert_int_equal(client_update(client, &r, got, NULL, &a, &d, NULL), 0);
    assert_int_equal(client_update(client, &r, got, NULL, &a, &d, &err), ERR_CONFLICT);
    err_finish(&err);
    assert_int_equal(
        client_patch(client, &r, PATCH_MERGE, parse("{'spec':{'size':3}}"), NULL, &a, &d, NULL), 0);
    assert_int_equal(json_get_int(json_get(yyjson_mut_doc_get_root(d), "spec"), "size", 0), 3);
    r.subresource = STR("status");
    assert_int_equal(
        client_patch(client, &r, PATCH_MERGE, parse("{'status':{'ready':1}}"), NULL, &a, &d, NULL),
        0);
    assert_int_equal(json_get_int(json_get(yyjson_mut_doc_get_root(d), "status"), "ready", 0), 1);
    r.subresource = STR_NULL;
    struct client_options o = {.uid = STR("other")};
    assert_int_equal(client_delete(client, &r, &o, NULL), ERR_CONFLICT);
    o = (struct client_options){.dry_run = true};
    assert_int_equal(client_delete(client, &r, &o, NULL), 0);
    assert_int_equal(client_delete(client, &r, NULL, NULL), 0);
    assert_int_equal(client_delete(client, &r, NULL, NULL), ERR_NOT_FOUND);
}

static void test_apply(void **state)
{
    (void)state;
    struct client_ref r = named("a");
    struct err err = {0};
    yyjson_mut_doc *d = NULL;
    struct client_options mine = {.manager = STR("mine")}, other = {.manager = STR("other")};
    yyjson_mut_val *one = parse("{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':"
                                "'a'},'spec':{'size':1}}"),
                   *two = parse("{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':"
                                "'a'},'spec':{'size':2}}");
    assert_int_equal(client_patch(client, &r, PATCH_APPLY, one, &mine, &a, &d, NULL), 0);
    assert_int_equal(client_patch(client, &r, PATCH_APPLY, two, &other, &a, &d, &err),
                     ERR_CONFLICT);
    err_finish(&err);
    other.force = other.dry_run = true;
    assert_int_equal(client_patch(client, &r, PATCH_APPLY, two, &other, &a, &d, NULL), 0);
    assert_int_equal(json_get_int(json_get(d->root, "spec"), "size", 0), 2);
    assert_int_equal(client_get(client, &r, &a, &d, NULL), 0);
    assert_int_equal(json_get_int(json_get(d->root, "spec"), "size", 0),
                     1); /* it was not written */
    other.dry_run = false;
    assert_int_equal(client_patch(client, &r, PATCH_APPLY, two, &other, &a, &d, NULL), 0);
    assert_int_equal(client_get(client, &r, &a, &d, NULL), 0);
    assert_int_equal(json_get_int(json_get(d->root, "spec"), "size", 0), 2);
    yyjson_mut_val *odd = parse("{'spec':{'sise':3}}");
    assert_int_equal(client_patch(client, &r, PATCH_MERGE, odd, NULL, &a, &d, NULL), 0);
    other.strict = true;
    assert_int_equal(client_patch(client, &r, PATCH_MERGE, odd, &other, &a, &d, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err_message(&err), "unknown field \"spec.sise\""));
    err_finish(&err);
}

static void test_refusals(void **state)
{
    (void)state;
    struct client_ref r = named("a");
    yyjson_mut_doc *d = NULL;
    r.resource = STR("gizmos");
    assert_int_equal(client_get(client, &r, &a, &d, NULL), ERR_NOT_FOUND);
    r = named("a");
    r.version = STR("v9");
    assert_int_equal(client_get(client, &r, &a, &d, NULL), ERR_NOT_FOUND);
    struct user *nobody = user_create(STR("nobody"), STR(""), NULL, 0);
    struct client *c = client_local_create(f.engine, nobody);
    user_unref(nobody);
    struct err err = {0};
    r = named("a");
    assert_int_equal(client_get(c, &r, &a, &d, &err), ERR_FORBIDDEN);
    assert_non_null(strstr(err.message, "User \"nobody\" cannot get resource \"widgets\""));
    err_finish(&err);
    assert_int_equal(client_delete(c, &r, NULL, NULL), ERR_FORBIDDEN);
    client_close(c);
    struct client_options o = {.labels = STR("a in")};
    assert_int_equal(client_list(client, &in_ns, &o, NULL, NULL, NULL, NULL), ERR_BAD_REQUEST);
}

static int count(void *arg, yyjson_mut_doc *obj, struct err *err)
{
    (void)err;
    assert_true(rv_of(yyjson_mut_doc_get_root(obj)) > 0);
    ++*(int *)arg;
    return 0;
}

static void test_list(void **state)
{
    (void)state;
    make("a", ",'labels':{'k':'1'}}");
    make("b", "},'spec':{'color':'red'}");
    int n = 0;
    int64_t rev = 0;
    assert_int_equal(client_list(client, &in_ns, NULL, count, &n, &rev, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(rev, store_revision(f.store));
    struct client_options o = {.labels = STR("k=1")};
    n = 0;
    assert_int_equal(client_list(client, &in_ns, &o, count, &n, NULL, NULL), 0);
    assert_int_equal(n, 1);
    o = (struct client_options){.fields = STR("spec.color=red")};
    n = 0;
    assert_int_equal(client_list(client, &in_ns, &o, count, &n, NULL, NULL), 0);
    assert_int_equal(n, 1);
}

struct events {
    int n;
    enum client_event_type types[1000];
    char names[1000][16];
};

static void on_event(void *arg, const struct client_event *e)
{
    struct events *v = arg;
    if (e->type == CLIENT_BOOKMARK) {
        return;
    }
    assert_non_null(e->bytes);
    assert_true(e->rev > 0);
    assert_str(e->ns, "ns");
    v->types[v->n] = e->type;
    snprintf(v->names[v->n++], sizeof(v->names[0]), "%.*s", STR_FMT(e->name));
}

static void test_watch(void **state)
{
    (void)state;
    make("a", "}");
    struct client_watch *w = NULL;
    struct events *v = alloc_zero(sizeof(*v));
    assert_int_equal(client_watch(client, &in_ns, NULL, 0, &w, NULL), 0);
    assert_int_equal(client_watch_next(w, 60000, on_event, v, NULL), 0);
    assert_int_equal(v->n, 1);
    struct err err = {0};
    assert_int_equal(client_watch_next(w, 0, on_event, v, &err), ERR_TIMEOUT);
    assert_int_equal(client_watch_next(w, 20, on_event, v, &err), ERR_TIMEOUT);
    err_finish(&err);
    make("b", "}");
    struct client_ref r = named("a");
    client_delete(client, &r, NULL, NULL);
    while (v->n < 3) { /* what is there is given, which may be the first of the two */
        assert_int_equal(client_watch_next(w, 60000, on_event, v, NULL), 0);
    }
    assert_int_equal(v->n, 3);
    assert_int_equal(v->types[1], CLIENT_ADDED);
    assert_int_equal(v->types[2], CLIENT_DELETED);
    assert_string_equal(v->names[2], "a");
    client_watch_close(w);
    store_compact(f.store, store_revision(f.store), NULL);
    assert_int_equal(client_watch(client, &in_ns, NULL, 1, &w, NULL), 0);
    assert_int_equal(client_watch_next(w, 60000, on_event, v, NULL), ERR_EXPIRED);
    client_watch_close(w);
    assert_int_equal(client_watch(client, &in_ns, NULL, store_revision(f.store), &w, NULL), 0);
    registry_remove(f.registry, STR("example.com"), STR("widgets"));
    assert_int_equal(client_watch_next(w, 60000, on_event, v, NULL), ERR_CLOSED);
    client_watch_close(w);
    free(v);
}

static void test_watch_other_version(void **state)
{
    (void)state;
    struct client_ref r = in_ns;
    r.version = STR("v1beta1");
    struct client_watch *w = NULL;
    struct events *v = alloc_zero(sizeof(*v));
    assert_int_equal(client_watch(client, &r, NULL, store_revision(f.store), &w, NULL), 0);
    make("a", "}");
    assert_int_equal(client_watch_next(w, 60000, on_event, v, NULL), 0);
    assert_int_equal(v->n, 1);
    client_watch_close(w);
    free(v);
}

static void *make_many(void *arg)
{
    (void)arg;
    struct arena mine;
    arena_init(&mine, 0);
    for (int i = 0; i < 500; i++) {
        char body[128];
        snprintf(body, sizeof(body),
                 "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'m%d'}}", i);
        fixture_do(&f, &mine, VERB_CREATE, widgets, "ns", NULL, body, NULL);
    }
    arena_finish(&mine);
    return NULL;
}

static void *stop_soon(void *arg)
{
    usleep(20000);
    client_watch_stop(arg);
    return NULL;
}

static void test_watch_threads(void **state)
{
    (void)state;
    struct client_watch *w = NULL;
    struct events *v = alloc_zero(sizeof(*v));
    assert_int_equal(client_watch(client, &in_ns, NULL, 0, &w, NULL), 0);
    pthread_t t;
    pthread_create(&t, NULL, make_many, NULL);
    while (v->n < 500) {
        assert_int_equal(client_watch_next(w, 60000, on_event, v, NULL), 0);
    }
    for (int i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof(name), "m%d", i);
        assert_int_equal(v->types[i], CLIENT_ADDED);
    }
    pthread_join(t, NULL);
    pthread_create(&t, NULL, stop_soon, w);
    assert_int_equal(client_watch_next(w, -1, on_event, v, NULL), ERR_CLOSED);
    pthread_join(t, NULL);
    client_watch_close(w);
    free(v);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_verbs),         TEST(test_apply), TEST(test_refusals),
        TEST(test_list),          TEST(test_watch), TEST(test_watch_other_version),
        TEST(test_watch_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
