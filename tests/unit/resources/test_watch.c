/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: where they begin, what they show, that nothing is lost or seen twice, and how they end.
 */
#include "tests/unit/resources/engine_world.h"

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "resources/watch_priv.h"

static yyjson_mut_val *patch(struct type *t, const char *ns, const char *name, const char *body)
{
    return fixture_do(&f, &a, VERB_PATCH, t, ns, name, body, NULL);
}

static yyjson_mut_val *drop(struct type *t, const char *ns, const char *name)
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

static void on_wake(void *arg)
{
    atomic_fetch_add(&((struct view *)arg)->wakes, 1);
}

static void on_each(void *arg, struct watcher *w, void *watcher_arg)
{
    (void)w;
    (void)watcher_arg;
    ((struct view *)arg)->handed++;
}

static void on_line(void *arg, struct blob *line)
{
    struct view *v = arg;
    assert_true(v->n < sizeof(v->lines) / sizeof(*v->lines));
    v->lines[v->n++] = line;
}

static struct op *watch_op(struct type *t, const char *ns, int64_t rv)
{
    struct op *op = fixture_op(&f, VERB_WATCH, t, ns, NULL);
    if (rv) {
        op->list.resource_version = str_from(arena_printf(&op->arena, "%lld", (long long)rv));
    }
    return op;
}

static const struct representation as_object = {0};

static void view_open(struct view *v, struct op *op, const struct representation *r)
{
    *v = (struct view){.op = op};
    v->group = watch_group_create(engine_watches(f.engine), on_wake, v);
    struct err err = {0};
    if (watch_open(v->group, op, r, v, &v->watcher, &err)) {
        fail_msg("watch_open: %s", err_message(&err));
    }
}

static void view_close(struct view *v)
{
    watch_close(v->watcher);
    watch_group_destroy(v->group);
    op_unref(v->op);
    for (size_t i = 0; i < v->n; i++) {
        blob_unref(v->lines[i]);
    }
}

/* Reads until nothing is left. */
static void view_read(struct view *v)
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
static yyjson_mut_val *next(struct view *v)
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

static yyjson_mut_val *expect(struct view *v, const char *type, const char *name)
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

static void expect_none(struct view *v)
{
    yyjson_mut_val *e = next(v);
    if (e) {
        fail_msg("an event too many: %.*s", STR_FMT(json_get_str(e, "type")));
    }
}

/* ---- where a watch begins ---- */

static void test_live(void **state)
{
    (void)state;
    make(widgets, "ns", "before", "}");
    struct view v;
    view_open(&v, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    yyjson_mut_val *made = make(widgets, "ns", "a", "},'spec':{'size':1}");
    assert_true(atomic_load(&v.wakes) == 1);
    assert_true(json_equal(expect(&v, "ADDED", "a"), made));
    yyjson_mut_val *patched = patch(widgets, "ns", "a", "{'spec':{'size':2}}");
    assert_true(json_equal(expect(&v, "MODIFIED", "a"), patched));
    drop(widgets, "ns", "a");
    yyjson_mut_val *o = expect(&v, "DELETED", "a");
    assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 2);
    assert_int_equal(rv_of(o), store_revision(f.store));
    make(widgets, "elsewhere", "a", "}");
    make(notes, "ns", "a", "}");
    expect_none(&v);
    assert_int_equal(v.state, WATCH_IDLE);
    view_close(&v);
}

/* What happens outside a watcher's scope does not even hand it over. */
static void test_scope(void **state)
{
    (void)state;
    struct view v;
    struct op *op = watch_op(widgets, "ns", store_revision(f.store));
    assert_int_equal(selector_parse_fields(&op->arena, STR("metadata.name=a"), widgets, op->version,
                                           &op->list.fields, NULL),
                     0);
    view_open(&v, op, &as_object);
    expect_none(&v);
    v.handed = 0;
    make(widgets, "ns", "ab", "}");
    make(widgets, "ns2", "a", "}");
    make(notes, "ns", "a", "}");
    watch_group_ready(v.group, on_each, &v);
    assert_int_equal(v.handed, 0);
    make(widgets, "ns", "a", "}");
    watch_group_ready(v.group, on_each, &v);
    assert_int_equal(v.handed, 1);
    expect(&v, "ADDED", "a");
    expect_none(&v);
    view_close(&v);
}

static void test_initial(void **state)
{
    (void)state;
    for (int zero = 0; zero < 2; zero++) {
        struct view v;
        char name[16];
        snprintf(name, sizeof(name), "a%d", zero);
        make(widgets, "ns", name, "}");
        struct op *op = watch_op(widgets, "ns", 0);
        op->list.resource_version = zero ? STR("0") : STR_NULL;
        view_open(&v, op, &as_object);
        assert_int_equal(watch_read(v.watcher, 1000, on_line, &v), WATCH_BEHIND);
        expect(&v, "ADDED", "a0");
        if (zero) {
            expect(&v, "ADDED", "a1");
        }
        expect_none(&v);
        patch(widgets, "ns", "a0", zero ? "{'spec':{'size':7}}" : "{'spec':{'size':6}}");
        expect(&v, "MODIFIED", "a0");
        expect_none(&v);
        view_close(&v);
    }
}

/* What is written while the initial objects are being read is seen once, as their successor. */
static void test_initial_with_writes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        make(widgets, "ns", i ? "a" : "b", "}");
    }
    struct view v;
    view_open(&v, watch_op(widgets, "ns", 0), &as_object);
    assert_int_equal(watch_read(v.watcher, 1000, on_line, &v), WATCH_BEHIND);
    watch_catch_up(v.watcher);
    make(widgets, "ns", "c", "}");
    patch(widgets, "ns", "a", "{'spec':{'size':1}}");
    expect(&v, "ADDED", "a");
    expect(&v, "ADDED", "b");
    expect(&v, "ADDED", "c");
    expect(&v, "MODIFIED", "a");
    expect_none(&v);
    view_close(&v);
}

static void test_history(void **state)
{
    (void)state;
    int64_t rv = rv_of(make(notes, "ns", "a", "}"));
    patch(notes, "ns", "a", "{'data':{'k':'1'}}");
    make(notes, "ns", "b", "}");
    drop(notes, "ns", "a");
    struct view v;
    view_open(&v, watch_op(notes, "ns", rv), &as_object);
    expect(&v, "MODIFIED", "a");
    expect(&v, "ADDED", "b");
    assert_str(text_at(expect(&v, "DELETED", "a"), "data", "k"), "1");
    expect_none(&v);
    make(notes, "ns", "c", "}");
    expect(&v, "ADDED", "c");
    expect_none(&v);
    view_close(&v);
}

static void test_future(void **state)
{
    (void)state;
    struct view v;
    int64_t now = store_revision(f.store);
    view_open(&v, watch_op(notes, "ns", now + 2), &as_object);
    expect_none(&v);
    make(notes, "ns", "a", "}");
    make(notes, "ns", "b", "}");
    expect_none(&v);
    make(notes, "ns", "c", "}");
    expect(&v, "ADDED", "c");
    view_close(&v);
}

static void test_open_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc", "-5"};
    for (size_t i = 0; i < 2; i++) {
        struct view v = {0};
        struct err err = {0};
        v.group = watch_group_create(engine_watches(f.engine), on_wake, &v);
        struct op *op = watch_op(notes, "ns", 0);
        op->list.resource_version = str_from(bad[i]);
        assert_int_equal(watch_open(v.group, op, &as_object, &v, &v.watcher, &err),
                         ERR_UNKNOWN_500);
        op->list.resource_version = STR_NULL;
        op->list.send_initial_events = op->list.send_initial_events_given = true;
        assert_int_equal(watch_open(v.group, op, &as_object, &v, &v.watcher, &err), ERR_INVALID);
        assert_string_equal(err.message, "ListOptions.meta.k8s.io \"\" is invalid: "
                                         "resourceVersionMatch: Forbidden: sendInitialEvents "
                                         "requires setting resourceVersionMatch to NotOlderThan");
        op->list.send_initial_events = op->list.send_initial_events_given = false;
        op->list.match = RV_MATCH_EXACT;
        assert_int_equal(watch_open(v.group, op, &as_object, &v, &v.watcher, &err), ERR_INVALID);
        err_finish(&err);
        op_unref(op);
        watch_group_destroy(v.group);
    }
}

static void expect_expired(struct view *v, const char *message)
{
    yyjson_mut_val *o = expect(v, "ERROR", NULL);
    assert_int_equal(json_get_int(o, "code", 0), 410);
    assert_str(json_get_str(o, "reason"), "Expired");
    assert_true(str_starts(json_get_str(o, "message"), str_from(message)));
    expect_none(v);
    assert_int_equal(v->state, WATCH_ENDED);
}

static void test_too_old(void **state)
{
    (void)state;
    int64_t rv = rv_of(make(notes, "ns", "a", "}"));
    make(notes, "ns", "b", "}");
    make(notes, "ns", "c", "}");
    assert_int_equal(store_compact(f.store, store_revision(f.store), NULL), 0);
    struct view v;
    view_open(&v, watch_op(notes, "ns", rv), &as_object);
    expect_expired(&v, "too old resource version: ");
    view_close(&v);
    struct type *born = fixture_make_type(WIDGET_CRD, NULL);
    born->born = store_revision(f.store);
    registry_put(f.registry, born);
    view_open(&v, watch_op(born, "ns", 1), &as_object);
    expect_expired(&v, "too old resource version: 1 (");
    view_close(&v);
    type_unref(born);
}

/* ---- what it shows ---- */

static void test_label_transitions(void **state)
{
    (void)state;
    for (int log = 0; log < 2; log++) { /* live, then all at once from the log */
        int64_t rv = store_revision(f.store);
        struct view v;
        struct op *op = watch_op(widgets, "ns", rv);
        assert_int_equal(selector_parse_labels(&op->arena, STR("on=1"), &op->list.labels, NULL), 0);
        if (!log) {
            view_open(&v, op, &as_object);
        }
        make(widgets, "ns", "a", "}");
        patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'1'}}}");
        patch(widgets, "ns", "a", "{'spec':{'size':3}}");
        yyjson_mut_val *left =
            patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'0'}},'spec':{'size':4}}");
        patch(widgets, "ns", "a", "{'spec':{'size':5}}");
        patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'1'}}}");
        drop(widgets, "ns", "a");
        if (log) {
            view_open(&v, op, &as_object);
        }
        expect(&v, "ADDED", "a");
        expect(&v, "MODIFIED", "a");
        yyjson_mut_val *o = expect(&v, "DELETED", "a");
        assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 3);
        assert_str(json_str(json_path(o, "metadata", "labels", "on", NULL)), "1");
        assert_int_equal(rv_of(o), rv_of(left));
        assert_int_equal(json_get_int(json_get(expect(&v, "ADDED", "a"), "spec"), "size", 0), 5);
        expect(&v, "DELETED", "a");
        expect_none(&v);
        view_close(&v);
    }
}

static void test_field_transitions(void **state)
{
    (void)state;
    struct view v;
    struct op *op = watch_op(widgets, "", store_revision(f.store));
    assert_int_equal(selector_parse_fields(&op->arena, STR("spec.color=red"), widgets, op->version,
                                           &op->list.fields, NULL),
                     0);
    view_open(&v, op, &as_object);
    make(widgets, "ns", "a", "},'spec':{'color':'red'}");
    make(widgets, "ns", "b", "},'spec':{'color':'blue'}");
    patch(widgets, "ns", "a", "{'spec':{'color':'blue'}}");
    expect(&v, "ADDED", "a");
    expect(&v, "DELETED", "a");
    expect_none(&v);
    view_close(&v);
}

static void test_forms(void **state)
{
    (void)state;
    int64_t rv = store_revision(f.store);
    struct view v1, v2, beta, table, partial;
    view_open(&v1, watch_op(widgets, "ns", rv), &as_object);
    view_open(&v2, watch_op(widgets, "ns", rv), &as_object);
    struct op *op = watch_op(widgets, "ns", rv);
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    view_open(&beta, op, &as_object);
    view_open(&table, watch_op(widgets, "ns", rv), &(struct representation){.as = REPRESENT_TABLE});
    view_open(&partial, watch_op(widgets, "ns", rv),
              &(struct representation){.as = REPRESENT_PARTIAL});
    make(widgets, "ns", "a", "},'spec':{'size':1}");
    expect(&v1, "ADDED", "a");
    expect(&v2, "ADDED", "a");
    assert_ptr_equal(v1.lines[0], v2.lines[0]); /* encoded once */
    assert_str(json_get_str(expect(&beta, "ADDED", "a"), "apiVersion"), "example.com/v1beta1");
    yyjson_mut_val *o = expect(&partial, "ADDED", "a");
    assert_str(json_get_str(o, "kind"), "PartialObjectMetadata");
    assert_null(json_get(o, "spec"));
    o = expect(&table, "ADDED", NULL);
    assert_str(json_get_str(o, "kind"), "Table");
    assert_true(yyjson_mut_arr_size(json_get(o, "columnDefinitions")) > 0);
    drop(widgets, "ns", "a");
    o = expect(&table, "DELETED", NULL);
    assert_int_equal(yyjson_mut_arr_size(json_get(o, "columnDefinitions")), 0);
    assert_int_equal(yyjson_mut_arr_size(json_get(o, "rows")), 1);
    view_close(&v1);
    view_close(&v2);
    view_close(&beta);
    view_close(&table);
    view_close(&partial);
}

static void test_initial_events(void **state)
{
    (void)state;
    make(notes, "ns", "a", "}");
    for (int bookmarks = 0; bookmarks < 2; bookmarks++) {
        struct view v;
        struct op *op = watch_op(notes, "ns", 0);
        op->list.send_initial_events = op->list.send_initial_events_given = true;
        op->list.match = RV_MATCH_NOT_OLDER;
        op->list.bookmarks = bookmarks;
        view_open(&v, op, &as_object);
        expect(&v, "ADDED", "a");
        if (bookmarks) {
            yyjson_mut_val *o = expect(&v, "BOOKMARK", NULL);
            assert_str(json_get_str(o, "kind"), "Note");
            assert_str(json_get_str(o, "apiVersion"), "v1");
            assert_str(json_str(json_path(o, "metadata", "annotations", "k8s.io/initial-events-end",
                                          NULL)),
                       "true");
            assert_int_equal(rv_of(o), store_revision(f.store));
        }
        expect_none(&v);
        view_close(&v);
    }
    struct view v;
    struct op *op = watch_op(notes, "ns", 0);
    op->list.send_initial_events_given = true;
    op->list.match = RV_MATCH_NOT_OLDER;
    view_open(&v, op, &as_object);
    expect_none(&v);
    make(notes, "ns", "b", "}");
    expect(&v, "ADDED", "b");
    view_close(&v);
}

/* A bookmark comes before a watch's time is over, and carries the revision of the whole store. */
static void test_bookmark(void **state)
{
    (void)state;
    struct view v;
    struct op *op = watch_op(notes, "ns", store_revision(f.store));
    op->list.bookmarks = true;
    op->list.timeout_s = 3;
    view_open(&v, op, &as_object);
    expect_none(&v);
    make(widgets, "ns", "a", "}");
    int64_t begun = clock_mono_ms();
    while (!v.n && clock_mono_ms() - begun < 5000) {
        usleep(10000);
        if (atomic_exchange(&v.wakes, 0)) {
            view_read(&v);
        }
    }
    yyjson_mut_val *o = expect(&v, "BOOKMARK", NULL);
    assert_int_equal(rv_of(o), store_revision(f.store));
    assert_int_equal(watcher_revision(v.watcher), store_revision(f.store));
    assert_true(clock_mono_ms() - begun < 2900);
    view_close(&v);
}

/* ---- types that change ---- */

static void test_type_replaced(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    AUTO_FREE char *crd = alloc_strdup(WIDGET_CRD);
    char *level = strstr(crd, "'default':'low'");
    memcpy(level, "'default':'top'", strlen("'default':'top'"));
    struct type *newer = fixture_add_type(&f, crd, NULL);
    make(newer, "ns", "a", "},'spec':{'deep':{}}");
    assert_str(json_str(json_path(expect(&v, "ADDED", "a"), "spec", "deep", "level", NULL)), "top");
    view_close(&v);
}

static void test_type_removed(void **state)
{
    (void)state;
    struct view v;
    struct type *t = type_ref(widgets);
    view_open(&v, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    make(widgets, "ns", "a", "}");
    drop(widgets, "ns", "a");
    int before = atomic_load(&v.wakes);
    registry_remove(f.registry, STR("example.com"), STR("widgets"));
    assert_true(atomic_load(&v.wakes) >= before);
    expect(&v, "ADDED", "a");
    expect(&v, "DELETED", "a");
    expect_none(&v);
    assert_int_equal(v.state, WATCH_ENDED);
    view_close(&v);
    view_open(&v, watch_op(t, "ns", store_revision(f.store)),
              &as_object); /* by an op that was given the type before */
    expect_none(&v);
    assert_int_equal(v.state, WATCH_ENDED);
    view_close(&v);
    type_unref(t);
}

/* ---- nothing lost ---- */

/* The ring gives way long before the watcher reads: it goes on from the log. */
static void test_overflow(void **state)
{
    (void)state;
    engine_watches(f.engine)->bytes_max = 20000;
    struct view v, idle;
    view_open(&v, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    view_open(&idle, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    char name[16];
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        make(notes, "ns", name, "},'data':{'k':'some words so that it weighs something'}");
        if (i % 7 == 0) {
            watch_group_ready(idle.group, on_each, &idle);
        }
        struct watch_stats s;
        watch_stats(engine_watches(f.engine), &s);
        assert_true(s.ring_bytes < 80000);
    }
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        expect(&v, "ADDED", name);
        expect(&idle, "ADDED", name);
    }
    expect_none(&v);
    struct watch_stats s;
    watch_stats(engine_watches(f.engine), &s);
    assert_true(s.behind >= 2);
    assert_true(s.events_sent >= 1200);
    make(notes, "ns", "z", "}");
    expect(&v, "ADDED", "z");
    view_close(&v);
    view_close(&idle);
    watch_stats(engine_watches(f.engine), &s);
    assert_int_equal(s.watchers, 0);
}

/* Small reads stop at the ends of revisions and lose nothing. */
static void test_small_reads(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        make(notes, "ns", name, "}");
    }
    watch_group_ready(v.group, on_each, &v);
    enum watch_state st;
    int reads = 0;
    while ((st = watch_read(v.watcher, 1, on_line, &v)) == WATCH_MORE) {
        reads++;
    }
    assert_int_equal(st, WATCH_IDLE);
    assert_int_equal(v.n, 20);
    assert_int_equal(reads, 19);
    view_close(&v);
}

/* A ring that everybody has read holds next to nothing. */
static void test_ring_let_go(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, watch_op(notes, "ns", store_revision(f.store)), &as_object);
    char name[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "n%04d", i);
        make(notes, "ns", name, "}");
        view_read(&v);
    }
    struct watch_stats s;
    watch_stats(engine_watches(f.engine), &s);
    assert_true(s.ring_bytes < 100000);
    assert_int_equal(v.n, 2000);
    view_close(&v);
    make(notes, "ns", "after", "}");
    watch_stats(engine_watches(f.engine), &s);
    assert_int_equal(s.ring_bytes, 0);
}

enum { WRITERS = 4, WRITES = 150, READERS = 3 };

struct writer {
    int id;
};

static void *write_much(void *arg)
{
    int id = ((struct writer *)arg)->id;
    struct arena mine;
    arena_init(&mine, 0);
    char name[16], body[160];
    snprintf(name, sizeof(name), "w%d", id);
    for (int i = 0; i < WRITES; i++) {
        if (i % 10 == 0) {
            snprintf(body, sizeof(body),
                     "{'metadata':{'name':'%s','labels':{'n':'%d'}},'data':{'i':'%d'}}", name,
                     i % 2, i);
            fixture_do(&f, &mine, VERB_CREATE, notes, "ns", NULL, body, NULL);
        } else if (i % 10 == 9) {
            fixture_do(&f, &mine, VERB_DELETE, notes, "ns", name, NULL, NULL);
        } else {
            snprintf(body, sizeof(body), "{'metadata':{'labels':{'n':'%d'}},'data':{'i':'%d'}}",
                     i % 2, i);
            fixture_do(&f, &mine, VERB_PATCH, notes, "ns", name, body, NULL);
        }
    }
    arena_finish(&mine);
    return NULL;
}

struct reader {
    struct view v;
    _Atomic bool *stop;
    bool selective;
    int events[WRITERS];
    int64_t last_rev;
};

/* Every event of every object once, in order: data.i counts up, ADDED and DELETED stand where they
 * belong. */
static void check_event(struct reader *r, struct blob *line)
{
    struct arena mine;
    arena_init(&mine, 0);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read_own(&mine, blob_str(line), &d, NULL), 0);
    yyjson_mut_val *e = yyjson_mut_doc_get_root(d), *o = json_get(e, "object");
    int id = text_at(o, "metadata", "name").ptr[1] - '0';
    int i = (int)strtol(text_at(o, "data", "i").ptr, NULL, 10), n = r->events[id]++;
    assert_true(rv_of(o) > r->last_rev);
    r->last_rev = rv_of(o);
    struct str type = json_get_str(e, "type");
    int step = n % 10;
    if (step == 9) {
        assert_str(type, "DELETED");
        assert_int_equal(i, n - 1);
    } else {
        assert_str(type, step == 0 ? "ADDED" : "MODIFIED");
        assert_int_equal(i, n);
    }
    arena_finish(&mine);
}

static void *read_all(void *arg)
{
    struct reader *r = arg;
    struct view *v = &r->v;
    struct op *op = watch_op(notes, "ns", store_revision(f.store));
    view_open(v, op, &as_object);
    bool last = false;
    for (;;) {
        last = atomic_load(r->stop);
        if (atomic_exchange(&v->wakes, 0) || last) {
            view_read(v);
            for (; v->at < v->n; v->at++) {
                check_event(r, v->lines[v->at]);
            }
        } else {
            usleep(200);
        }
        if (last) {
            break;
        }
    }
    view_close(v);
    return NULL;
}

static void test_concurrent(void **state)
{
    (void)state;
    engine_watches(f.engine)->bytes_max = 60000; /* so that the log is needed too */
    _Atomic bool stop = false;
    struct reader *readers = alloc_zero(READERS * sizeof(*readers));
    pthread_t rt[READERS], wt[WRITERS];
    struct writer w[WRITERS];
    for (int i = 0; i < READERS; i++) {
        readers[i].stop = &stop;
        pthread_create(&rt[i], NULL, read_all, &readers[i]);
    }
    struct watch_stats s;
    do {
        usleep(1000);
        watch_stats(engine_watches(f.engine), &s);
    } while (s.watchers < READERS);
    for (int i = 0; i < WRITERS; i++) {
        w[i].id = i;
        pthread_create(&wt[i], NULL, write_much, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(wt[i], NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(rt[i], NULL);
        for (int k = 0; k < WRITERS; k++) {
            assert_int_equal(readers[i].events[k], WRITES);
        }
    }
    free(readers);
}

/* ---- not encoded ---- */

struct visited {
    size_t n;
    enum watch_event_type types[64];
    char names[64][16];
    int64_t revs[64];
    bool error;
};

static void on_visit(void *arg, const struct watch_event *e)
{
    struct visited *v = arg;
    assert_true(v->n < 64);
    v->types[v->n] = e->type;
    v->revs[v->n] = e->rev;
    snprintf(v->names[v->n], sizeof(v->names[0]), "%.*s", STR_FMT(e->name));
    v->error |= e->err != NULL;
    v->n++;
}

static void test_visit(void **state)
{
    (void)state;
    make(notes, "ns", "a", "}");
    struct view v;
    struct visited seen = {0};
    view_open(&v, watch_op(notes, "", 0), NULL);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_BEHIND);
    watch_catch_up(v.watcher);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_IDLE);
    assert_int_equal(seen.n, 1);
    drop(notes, "ns", "a");
    make(notes, "ns", "b", "}");
    watch_group_ready(v.group, on_each, &v);
    assert_int_equal(watch_visit(v.watcher, 1, on_visit, &seen), WATCH_MORE);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_IDLE);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.types[1], WATCH_DELETED);
    assert_string_equal(seen.names[1], "a");
    assert_true(seen.revs[1] > seen.revs[0]);
    assert_string_equal(seen.names[2], "b");
    view_close(&v);
    store_compact(f.store, store_revision(f.store), NULL);
    view_open(&v, watch_op(notes, "", 1), NULL);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_BEHIND);
    watch_catch_up(v.watcher);
    assert_int_equal(watch_visit(v.watcher, 10, on_visit, &seen), WATCH_ENDED);
    assert_int_equal(seen.types[3], WATCH_ERROR);
    assert_true(seen.error);
    view_close(&v);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_live),
        TEST(test_scope),
        TEST(test_initial),
        TEST(test_initial_with_writes),
        TEST(test_history),
        TEST(test_future),
        TEST(test_open_errors),
        TEST(test_too_old),
        TEST(test_label_transitions),
        TEST(test_field_transitions),
        TEST(test_forms),
        TEST(test_initial_events),
        TEST(test_bookmark),
        TEST(test_type_replaced),
        TEST(test_type_removed),
        TEST(test_overflow),
        TEST(test_small_reads),
        TEST(test_ring_let_go),
        TEST(test_concurrent),
        TEST(test_visit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
