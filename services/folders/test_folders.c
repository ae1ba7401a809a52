/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of folders over a live engine: its rules, its removal, and what races with what. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "resources/index.h"
#include "services/folders/folders.h"
#include "tests/unit/services/live.h"

#define FOLDER(w, v, ...)                                                                          \
    ASK(w, .verb = (v), .group = "folder.grafana.app", .resource = "folders", .ns = "default",     \
        __VA_ARGS__)
#define ITEM(w, v, ...)                                                                            \
    ASK(w, .verb = (v), .group = "test.grafana.app", .resource = "items", .ns = "default",         \
        __VA_ARGS__)

#define KIND "'apiVersion':'folder.grafana.app/v1','kind':'Folder',"
#define ITEM_KIND "'apiVersion':'test.grafana.app/v1','kind':'Item',"

static const char item_definition[] =
    "{" ITEM_KIND
    "'metadata':{'name':'items.test.grafana.app'},'spec':{'group':'test.grafana.app','scope':"
    "'Namespaced','names':{'plural':'items','singular':'item','kind':'Item'},'coracle':{'indexes':["
    "{'name':'folder','jsonPath':'.metadata.annotations[\\'grafana.app/folder\\']'}]},'versions':[{"
    "'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"
    "'x-kubernetes-preserve-unknown-fields':true}}}]}}";

/* A second type that lies in folders. */
static void add_items(struct world *w)
{
    struct err err = {0};
    struct type *t = NULL;
    if (type_create(parsed(&w->arena, item_definition), NULL, &t, &err)) {
        fail_msg("%s", err_message(&err));
    }
    registry_put(w->wire->registry, t);
    assert_int_equal(index_define(w->wire->engine, t, &err), 0);
    type_unref(t);
}

static int setup(void **state)
{
    live_setup(state);
    add_items(*state);
    return 0;
}

static struct outcome make(struct world *w, const char *name, const char *parent)
{
    const char *body =
        arena_printf(&w->arena,
                     "{" KIND "'metadata':{'name':'%s','annotations':{'grafana.app/folder':"
                     "'%s'}},'spec':{'title':'T %s'}}",
                     name, parent, name);
    return FOLDER(w, VERB_CREATE, .body = body);
}

static struct outcome make_item(struct world *w, const char *name, const char *parent)
{
    const char *body = arena_printf(
        &w->arena,
        "{" ITEM_KIND "'metadata':{'name':'%s','annotations':{'grafana.app/folder':'%s'}}}", name,
        parent);
    return ITEM(w, VERB_CREATE, .body = body);
}

static const char *moving(struct world *w, const char *parent)
{
    return arena_printf(&w->arena, "{'metadata':{'annotations':{'grafana.app/folder':'%s'}}}",
                        parent);
}

static struct outcome move(struct world *w, const char *name, const char *parent)
{
    return FOLDER(w, VERB_PATCH, .name = name, .patch = PATCH_MERGE, .body = moving(w, parent));
}

static bool there(struct world *w, const char *name)
{
    return FOLDER(w, VERB_GET, .name = name).code == 0;
}

static void assert_refused(struct world *w, struct outcome o, int http, const char *message)
{
    if (o.http != http || !strstr(at(w, o.body, "message"), message)) {
        fail_msg("not %d %s: %d %.*s", http, message, o.http, STR_FMT(shown(&w->arena, o.body)));
    }
}

/* a/b/c/d/e, as deep as may be. */
static void make_chain(struct world *w)
{
    must(w, make(w, "a", ""));
    must(w, make(w, "b", "a"));
    must(w, make(w, "c", "b"));
    must(w, make(w, "d", "c"));
    must(w, make(w, "e", "d"));
}

/* ---- rules ---- */

static void test_names(void **state)
{
    struct world *w = *state;
    static const char forty_one[] = "a1234567890123456789012345678901234567890";
    assert_refused(w, make(w, "general", ""), 400, "invalid uid for folder provided");
    assert_refused(w, make(w, "sharedwithme", ""), 400, "invalid uid for folder provided");
    assert_refused(w, make(w, "a.b", ""), 400, "uid contains illegal characters");
    assert_refused(w, make(w, "a b", ""), 400, "uid contains illegal characters");
    assert_refused(w, make(w, forty_one, ""), 400, "uid too long, max 40 characters");
    must(w, make(w, forty_one + 1, ""));
    must(w, make(w, "Legacy_UID-1", ""));
    yyjson_mut_val *v =
        must(w, FOLDER(w, VERB_CREATE,
                       .body = "{" KIND "'metadata':{'generateName':'f-'},'spec':{'title':'x'}}"));
    assert_memory_equal(at(w, v, "metadata/name"), "f-", 2);
}

static struct outcome titled(struct world *w, const char *title)
{
    const char *body = arena_printf(
        &w->arena, "{" KIND "'metadata':{'generateName':'t-'},'spec':{'title':%s}}", title);
    return FOLDER(w, VERB_CREATE, .body = body);
}

static void test_titles(void **state)
{
    struct world *w = *state;
    static const char *const blank[] = {"''", "'  '", "'\\t\\n\\r'", "'\\u00a0\\u2003\\u3000'",
                                        "'\\u2000\\u200a\\u0085'"};
    for (size_t i = 0; i < sizeof(blank) / sizeof(*blank); i++) {
        assert_refused(w, titled(w, blank[i]), 400, "folder title cannot be empty");
    }
    assert_refused(w, FOLDER(w, VERB_CREATE, .body = "{" KIND "'metadata':{'name':'x'},'spec':{}}"),
                   400, "folder title cannot be empty");
    assert_refused(w, FOLDER(w, VERB_CREATE, .body = "{" KIND "'metadata':{'name':'x'}}"), 400,
                   "folder title cannot be empty");
    assert_refused(w, titled(w, "' GENeral '"), 400, "a folder with that name already exists");
    assert_cause(w, titled(w, "7"), "spec.title", "must be of type string");
    assert_cause(w, FOLDER(w, VERB_CREATE, .body = "{" KIND "'metadata':{'name':'x'},'spec':'s'}"),
                 "spec", "must be of type object");
    yyjson_mut_val *v = must(w, titled(w, "' \\u00a0\\u200b\\u00e9 x\\u2003 '"));
    assert_at(w, v, "spec/title", "\xe2\x80\x8b\xc3\xa9 x");
    char *huge = arena_alloc(&w->arena, 5004);
    memset(huge, 'x', 5003);
    huge[0] = huge[5002] = '\'';
    huge[5003] = '\0';
    assert_cause(w, titled(w, huge), "spec.title", "5000");
    must(w, make(w, "a", ""));
    assert_refused(
        w,
        FOLDER(w, VERB_PATCH, .name = "a", .patch = PATCH_MERGE, .body = "{'spec':{'title':' '}}"),
        400, "folder title cannot be empty");
}

static void test_places(void **state)
{
    struct world *w = *state;
    make_chain(w);
    assert_refused(w, make(w, "f", "e"), 400, "Maximum nested folder depth reached");
    assert_refused(w, make(w, "f", "f"), 400, "folder cannot be parent of itself");
    struct outcome o = make(w, "f", "nope");
    assert_refused(w, o, 404, "folders.folder.grafana.app \"nope\" not found");
    assert_at(w, o.body, "details/causes/0/field", "metadata.annotations[grafana.app/folder]");
    assert_refused(w, move(w, "a", "e"), 400, "Circular reference detected");
    assert_refused(w, move(w, "b", "b"), 400, "folder cannot be parent of itself");
    must(w, make(w, "f", ""));
    assert_refused(w, move(w, "a", "f"), 400, "Maximum nested folder depth reached");
    assert_refused(w, move(w, "b", "nope"), 404, "not found");
    must(w, move(w, "d", "f")); /* up, with what is in it */
    must(w, move(w, "f", "a"));
    must(w, move(w, "f", "b"));
    assert_refused(w, move(w, "f", "c"), 400, "Maximum nested folder depth reached");
    yyjson_mut_val *v = must(w, move(w, "f", "general"));
    assert_string_equal(
        json_str(json_path(v, "metadata", "annotations", "grafana.app/folder", NULL)).ptr, "");
    must(w, FOLDER(w, VERB_PATCH, .name = "f", .patch = PATCH_MERGE,
                   .body = "{'spec':{'title':'renamed'}}"));
}

static void test_every_way_to_write(void **state)
{
    struct world *w = *state;
    must(w, FOLDER(w, VERB_CREATE,
                   .body = "{" KIND "'metadata':{'name':'a'},'spec':{'title':'T a'}}"));
    must(w, make(w, "b", "a"));
    assert_refused(w,
                   FOLDER(w, VERB_PATCH, .name = "a", .patch = PATCH_APPLY,
                          .body = "{'apiVersion':'folder.grafana.app/v1','kind':'Folder','metadata'"
                                  ":{'name':'a','annotations':{'grafana.app/folder':'b'}},'spec':{"
                                  "'title':'T a'}}"),
                   400, "Circular reference detected");
    assert_refused(w,
                   FOLDER(w, VERB_PATCH, .name = "a", .patch = PATCH_JSON,
                          .body = "[{'op':'add','path':'/metadata/annotations','value':{"
                                  "'grafana.app/folder':'b'}}]"),
                   400, "Circular reference detected");
    assert_refused(w,
                   FOLDER(w, VERB_UPDATE, .name = "a",
                          .body = "{" KIND
                                  "'metadata':{'name':'a','annotations':{'grafana.app/folder':'b'}"
                                  "},'spec':{'title':'x'}}"),
                   400, "Circular reference detected");
    assert_refused(w,
                   FOLDER(w, VERB_UPDATE, .name = "new",
                          .body = "{" KIND
                                  "'metadata':{'name':'new','annotations':{'grafana.app/folder':"
                                  "'x'}},'spec':{'title':'x'}}"),
                   404, "\"x\" not found");
    must(w, FOLDER(w, VERB_UPDATE, .name = "new",
                   .body = "{" KIND
                           "'metadata':{'name':'new','annotations':{'grafana.app/folder':'b'}},"
                           "'spec':{'title':'x'}}"));
    assert_at(w, FOLDER(w, VERB_GET, .name = "a").body, "spec/title", "T a");
}

static void test_content_needs_a_folder(void **state)
{
    struct world *w = *state;
    assert_refused(w, make_item(w, "i", "nope"), 404,
                   "folders.folder.grafana.app \"nope\" not found");
    yyjson_mut_val *v = must(w, make_item(w, "i", "general"));
    assert_string_equal(
        json_str(json_path(v, "metadata", "annotations", "grafana.app/folder", NULL)).ptr, "");
    assert_refused(
        w, ITEM(w, VERB_PATCH, .name = "i", .patch = PATCH_MERGE, .body = moving(w, "nope")), 404,
        "not found");
    must(w, make(w, "a", ""));
    must(w, ITEM(w, VERB_PATCH, .name = "i", .patch = PATCH_MERGE, .body = moving(w, "a")));
    assert_refused(w, FOLDER(w, VERB_DELETE, .name = "a"), 400,
                   "Folder cannot be deleted: folder is not empty");
    /* the same uid in another namespace is another folder */
    must(w, ASK(w, .verb = VERB_CREATE, .resource = "namespaces",
                .body = "{'metadata':{'name':'org-2'}}"));
    assert_refused(w,
                   ASK(w, .verb = VERB_CREATE, .group = "test.grafana.app", .resource = "items",
                       .ns = "org-2",
                       .body = "{" ITEM_KIND
                               "'metadata':{'name':'i','annotations':{'grafana.app/folder':'a'}}}"),
                   404, "not found");
}

/* What is not there yet may be what the same files make before. */
static void test_dry_runs_of_a_tree(void **state)
{
    struct world *w = *state;
    const char *in_x = "{" KIND "'metadata':{'name':'y','annotations':{'grafana.app/folder':'x'}},"
                       "'spec':{'title':'y'}}",
               *item_in_x = "{" ITEM_KIND
                            "'metadata':{'name':'i','annotations':{'grafana.app/folder':'x'}}}";
    must(w, FOLDER(w, VERB_CREATE, .body = in_x, .dry_run = true));
    must(w, ITEM(w, VERB_CREATE, .body = item_in_x, .dry_run = true));
    assert_false(there(w, "y"));
    assert_refused(w, FOLDER(w, VERB_CREATE, .body = in_x), 404, "\"x\" not found");
    assert_refused(w, ITEM(w, VERB_CREATE, .body = item_in_x), 404, "\"x\" not found");
    make_chain(w);
    struct outcome o = FOLDER(w, VERB_PATCH, .name = "a", .patch = PATCH_MERGE, .dry_run = true,
                              .body = moving(w, "e"));
    assert_refused(w, o, 400, "Circular reference detected");
    o = FOLDER(w, VERB_PATCH, .name = "a", .patch = PATCH_MERGE, .dry_run = true,
               .body = moving(w, "x"));
    assert_refused(w, o, 400, "Maximum nested folder depth reached");
}

/* ---- removal ---- */

static void test_removal_of_the_empty(void **state)
{
    struct world *w = *state;
    must(w, make(w, "a", ""));
    must(w, make(w, "b", "a"));
    struct outcome o = FOLDER(w, VERB_DELETE, .name = "a");
    assert_refused(w, o, 400, "Folder cannot be deleted: folder is not empty");
    assert_at(w, o.body, "details/uid", "folder.not-empty");
    assert_refused(w, FOLDER(w, VERB_DELETE, .name = "a", .dry_run = true), 400, "not empty");
    must(w, FOLDER(w, VERB_DELETE, .name = "b"));
    must(w, FOLDER(w, VERB_DELETE, .name = "a"));
    assert_false(there(w, "a"));
}

static void test_removal_by_force(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    make_chain(w);
    must(w, make_item(w, "i", "a"));
    must(w, make_item(w, "j", "e"));
    must(w, make(w, "other", ""));
    must(w, make_item(w, "k", "other"));
    must(w, FOLDER(w, VERB_DELETE, .name = "a", .force = true, .dry_run = true));
    assert_null(json_get(metadata_of(FOLDER(w, VERB_GET, .name = "a").body), "deletionTimestamp"));
    yyjson_mut_val *v = must(w, FOLDER(w, VERB_DELETE, .name = "a", .force = true));
    assert_at(w, v, "status/cascadeDelete/state", "pending");
    assert_refused(w, make_item(w, "late", "a"), 403, "because it is being deleted");
    assert_refused(w, make(w, "late", "a"), 403, "because it is being deleted");
    assert_refused(w, move(w, "other", "d"), 403, "because it is being deleted");
    assert_refused(w,
                   FOLDER(w, VERB_PATCH, .name = "a", .patch = PATCH_MERGE,
                          .body = "{'metadata':{'finalizers':null}}"),
                   403, "stays until the folder is empty");
    live_run(l, "folders");
    EVENTUALLY(!there(w, "a"));
    assert_false(there(w, "b") || there(w, "c") || there(w, "d") || there(w, "e"));
    assert_int_equal(ITEM(w, VERB_GET, .name = "i").http, 404);
    assert_int_equal(ITEM(w, VERB_GET, .name = "j").http, 404);
    assert_int_equal(ITEM(w, VERB_GET, .name = "k").code, 0);
    assert_true(there(w, "other"));
}

static void test_what_is_held(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    must(w, make(w, "a", ""));
    must(w, make(w, "b", "a"));
    must(w,
         ITEM(w, VERB_CREATE,
              .body = "{" ITEM_KIND "'metadata':{'name':'i','finalizers':['x.io/y'],'annotations':{"
                      "'grafana.app/folder':'b'}}}"));
    live_run(l, "folders");
    must(w, FOLDER(w, VERB_DELETE, .name = "a", .force = true));
    EVENTUALLY(strcmp(at(w, FOLDER(w, VERB_GET, .name = "b").body, "status/cascadeDelete/state"),
                      "working") == 0);
    live_halt(l); /* and after a restart it goes on */
    assert_true(there(w, "a") && there(w, "b"));
    assert_at(w, FOLDER(w, VERB_GET, .name = "b").body, "status/cascadeDelete/remaining", "1");
    must(w, ITEM(w, VERB_PATCH, .name = "i", .patch = PATCH_MERGE,
                 .body = "{'metadata':{'finalizers':null}}"));
    assert_int_equal(ITEM(w, VERB_GET, .name = "i").http, 404);
    live_run(l, "folders");
    EVENTUALLY(!there(w, "a"));
    assert_false(there(w, "b"));
}

static void test_end_of_a_namespace(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    must(w, ASK(w, .verb = VERB_CREATE, .resource = "namespaces",
                .body = "{'metadata':{'name':'org-2'}}"));
    static const char *const bodies[] = {
        "{" KIND "'metadata':{'name':'a'},'spec':{'title':'x'}}",
        "{" KIND
        "'metadata':{'name':'b','annotations':{'grafana.app/folder':'a'}},'spec':{'title':'x'}}",
        "{" KIND
        "'metadata':{'name':'c','annotations':{'grafana.app/folder':'b'}},'spec':{'title':'x'}}"};
    for (size_t i = 0; i < 3; i++) {
        must(w, ASK(w, .verb = VERB_CREATE, .group = "folder.grafana.app", .resource = "folders",
                    .ns = "org-2", .body = bodies[i]));
    }
    must(w, ASK(w, .verb = VERB_CREATE, .group = "test.grafana.app", .resource = "items",
                .ns = "org-2",
                .body = "{" ITEM_KIND
                        "'metadata':{'name':'i','annotations':{'grafana.app/folder':'c'}}}"));
    live_run(l, "folders namespace_controller");
    must(w, ASK(w, .verb = VERB_DELETE, .resource = "namespaces", .name = "org-2"));
    EVENTUALLY(ASK(w, .verb = VERB_GET, .resource = "namespaces", .name = "org-2").http == 404);
}

/* ---- what is told of the tree ---- */

static struct outcome view(struct world *w, const char *name, const char *sub)
{
    return FOLDER(w, VERB_GET, .name = name, .sub = sub);
}

/* What an answer of counts has of a resource; -1: nothing. */
static int64_t counted(const yyjson_mut_val *answer, const char *resource)
{
    struct json_iter it = json_iter(json_get(answer, "counts"));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "resource"), resource)) {
            return json_get_int(it.val, "count", -1);
        }
    }
    return -1;
}

static void test_views(void **state)
{
    struct world *w = *state;
    make_chain(w);
    must(w, make(w, "c2", "b"));
    must(w, make_item(w, "i", "b"));
    yyjson_mut_val *v = must(w, view(w, "c", "parents"));
    assert_at(w, v, "kind", "FolderInfoList");
    assert_int_equal(json_size(json_get(v, "items")), 3);
    assert_at(w, v, "items/0/name", "a");
    assert_at(w, v, "items/0/title", "T a");
    assert_at(w, v, "items/2/name", "c");
    assert_at(w, v, "items/2/parent", "b");
    v = must(w, view(w, "b", "children"));
    assert_at(w, v, "kind", "FolderList");
    assert_int_equal(json_size(json_get(v, "items")), 2);
    assert_at(w, v, "items/1/metadata/name", "c2");
    v = must(w, view(w, "general", "children"));
    assert_int_equal(json_size(json_get(v, "items")), 1);
    v = must(w, view(w, "b", "counts"));
    assert_at(w, v, "kind", "DescendantCounts");
    assert_int_equal(counted(v, "folders"), 2);
    assert_int_equal(counted(v, "items"), 1);
    v = must(w, view(w, "b", "access"));
    assert_at(w, v, "canDelete", "true");
    assert_at(w, v, "accessControl/folders:write", "true");
    assert_int_equal(view(w, "nope", "children").http, 404);
    assert_int_equal(view(w, "nope", "counts").http, 404);
    assert_int_equal(view(w, "general", "parents").http, 404);
}

static int add_step(void *arg, const struct folders_step *step)
{
    struct buf *b = arg;
    buf_printf(b, "%.*s%s/", STR_FMT(step->uid), step->missing ? "?" : "");
    return 0;
}

static void test_climb(void **state)
{
    struct world *w = *state;
    struct folders *f = w->wire->folders;
    const struct scope s = {.ns = STR("default")};
    AUTO(buf_finish) struct buf b = {0};
    make_chain(w);
    assert_int_equal(folders_climb(f, s, STR("e"), add_step, &b, NULL), 0);
    assert_true(str_is(buf_str(&b), "e/d/c/b/a/"));
    b.len = 0;
    assert_int_equal(folders_climb(f, s, STR("nope"), add_step, &b, NULL), 0);
    assert_int_equal(folders_climb(f, s, STR("general"), add_step, &b, NULL), 0);
    assert_true(str_is(buf_str(&b), "nope?/"));
}

/* ---- races ---- */

enum { ROUNDS = 1000 };

/* Where the threads of a race meet; `ready` counts up, so that they begin within a moment of each
 * other, not a wake-up. Where a test fails its threads stay with it. */
struct start {
    pthread_barrier_t barrier;
    _Atomic size_t ready;
    size_t n;
};

/* What a thread does over and over, in a world of its own but for the wire. */
struct racer {
    struct world w;
    pthread_t thread;
    struct start *start;
    const char *self, *other;
    void (*turn)(struct racer *r, int round);
    size_t done, refused;
};

static void count(struct racer *r, struct outcome o)
{
    r->done += !o.code;
    r->refused += !!o.code;
}

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        arena_init(&r->w.arena, 0);
        pthread_barrier_wait(&r->start->barrier);
        atomic_fetch_add(&r->start->ready, 1);
        while (atomic_load(&r->start->ready) < (size_t)(i + 1) * r->start->n) {
            sched_yield();
        }
        r->turn(r, i);
        arena_finish(&r->w.arena);
        pthread_barrier_wait(&r->start->barrier);
    }
    return NULL;
}

/* Runs the racers; `after` looks at what came of each round. */
static void run_race(struct world *w, struct racer *racers, size_t n,
                     void (*after)(struct world *w, int round))
{
    struct start *start = ALLOC(struct start);
    pthread_barrier_init(&start->barrier, NULL, (unsigned)n + 1);
    start->n = n;
    for (size_t i = 0; i < n; i++) {
        racers[i].w = *w;
        racers[i].start = start;
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&start->barrier);
        pthread_barrier_wait(&start->barrier);
        struct world mine = *w;
        arena_init(&mine.arena, 0);
        after(&mine, i);
        arena_finish(&mine.arena);
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(racers[i].thread, NULL);
    }
    pthread_barrier_destroy(&start->barrier);
    free(start);
}

static void move_under_other(struct racer *r, int round)
{
    (void)round;
    count(r, move(&r->w, r->self, r->other));
}

/* No ring; then both are at the root again. */
static void no_ring(struct world *w, int round)
{
    (void)round;
    struct str up_a = folders_of(FOLDER(w, VERB_GET, .name = "a").body);
    struct str up_b = folders_of(FOLDER(w, VERB_GET, .name = "b").body);
    assert_true(!up_a.len || !up_b.len);
    assert_true(up_a.len || up_b.len);
    must(w, move(w, "a", ""));
    must(w, move(w, "b", ""));
}

static void test_race_of_moves(void **state)
{
    struct world *w = *state;
    static struct racer racers[] = {{.self = "a", .other = "b", .turn = move_under_other},
                                    {.self = "b", .other = "a", .turn = move_under_other}};
    must(w, make(w, "a", ""));
    must(w, make(w, "b", ""));
    run_race(w, racers, 2, no_ring);
    assert_int_equal(racers[0].done + racers[1].done, ROUNDS);
    assert_int_equal(racers[0].refused + racers[1].refused, ROUNDS);
}

static void delete_parent(struct racer *r, int round)
{
    (void)round;
    count(r, FOLDER(&r->w, VERB_DELETE, .name = "p"));
}

static void force_parent(struct racer *r, int round)
{
    (void)round;
    count(r, FOLDER(&r->w, VERB_DELETE, .name = "p", .force = true));
}

static void create_child(struct racer *r, int round)
{
    (void)round;
    count(r, make(&r->w, r->self, "p"));
}

static void create_item(struct racer *r, int round)
{
    (void)round;
    count(r, make_item(&r->w, r->self, "p"));
}

static void move_item(struct racer *r, int round)
{
    (void)round;
    count(r, ITEM(&r->w, VERB_PATCH, .name = r->self, .patch = PATCH_MERGE,
                  .body = moving(&r->w, "p")));
}

/* What is in p is there only with p; then everything is as at first. */
static void no_orphan(struct world *w, int round)
{
    bool child = there(w, "c"), parent = there(w, "p");
    struct outcome item = ITEM(w, VERB_GET, .name = "i"), moved = ITEM(w, VERB_GET, .name = "m");
    bool orphan = !parent && (child || !item.code || folders_of(moved.body).len);
    if (orphan) {
        fail_msg("an orphan in round %d", round);
    }
    FOLDER(w, VERB_DELETE, .name = "c");
    ITEM(w, VERB_DELETE, .name = "i");
    must(w, ITEM(w, VERB_PATCH, .name = "m", .patch = PATCH_MERGE, .body = moving(w, "")));
    if (!parent) {
        must(w, make(w, "p", ""));
    }
}

static void test_race_of_removal(void **state)
{
    struct world *w = *state;
    static struct racer racers[] = {{.turn = delete_parent},
                                    {.self = "c", .turn = create_child},
                                    {.self = "i", .turn = create_item},
                                    {.self = "m", .turn = move_item}};
    must(w, make(w, "p", ""));
    must(w, make_item(w, "m", ""));
    run_race(w, racers, 4, no_orphan);
    assert_int_equal(racers[0].done + racers[0].refused, ROUNDS);
    print_message("%zu of %d deletes, %zu creates, %zu items, %zu moves went through\n",
                  racers[0].done, ROUNDS, racers[1].done, racers[2].done, racers[3].done);
}

/* By force it always goes, with whatever came into it before. */
static void all_gone(struct world *w, int round)
{
    (void)round;
    EVENTUALLY(!there(w, "p"));
    assert_false(there(w, "c"));
    assert_int_equal(ITEM(w, VERB_GET, .name = "i").http, 404);
    if (ITEM(w, VERB_GET, .name = "m").code) {
        must(w, make_item(w, "m", ""));
    }
    assert_int_equal(folders_of(ITEM(w, VERB_GET, .name = "m").body).len, 0);
    must(w, make(w, "p", ""));
}

static void test_race_of_force(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    static struct racer racers[] = {{.turn = force_parent},
                                    {.self = "c", .turn = create_child},
                                    {.self = "i", .turn = create_item},
                                    {.self = "m", .turn = move_item}};
    must(w, make(w, "p", ""));
    must(w, make_item(w, "m", ""));
    live_run(l, "folders");
    run_race(w, racers, 4, all_gone);
    assert_int_equal(racers[0].done, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_titles, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_every_way_to_write, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_content_needs_a_folder, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_dry_runs_of_a_tree, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_removal_of_the_empty, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_removal_by_force, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_held, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_end_of_a_namespace, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_views, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_climb, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_race_of_moves, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_race_of_removal, setup, live_teardown),
        cmocka_unit_test_setup_teardown(test_race_of_force, setup, live_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
