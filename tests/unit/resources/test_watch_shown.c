/* SPDX-License-Identifier: Apache-2.0 */
/* Watches in another version than objects lie in: each event is converted once for all of them, off
 * the reader's thread, in order; what fails, closes or overflows while a conversion is under way.
 */
#include "tests/unit/resources/watch_view.h"

#include <pthread.h>
#include <unistd.h>

#include "resources/convert.h"

enum { PATIENCE_MS = 120 * 1000 };

/* ---- a converter that can be stopped, and fails as it is told ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool shut;          /* conversions wait at the gate */
    const char *poison; /* the name of an object whose batch fails */
    pthread_t thread;   /* of the last call */
    int calls, objects;
} hook = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static int hook_convert(struct converter *c, const struct type *t, const struct type_version *to,
                        yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n, struct err *err)
{
    (void)c;
    (void)t;
    bool bad = false;
    pthread_mutex_lock(&hook.lock);
    hook.calls++;
    hook.objects += (int)n;
    hook.thread = pthread_self();
    while (hook.shut) {
        pthread_cond_wait(&hook.cond, &hook.lock);
    }
    for (size_t i = 0; i < n; i++) {
        bad |= hook.poison && str_is(metadata_name(objs[i]), hook.poison);
    }
    pthread_mutex_unlock(&hook.lock);
    for (size_t i = 0; i < n && !bad; i++) {
        json_set_str(d, json_ensure_obj(d, objs[i], "spec"), "shownIn", to->name);
    }
    return bad ? err_set(err, ERR_UNKNOWN_500, "the hook will not") : 0;
}

static void hook_destroy(struct converter *c)
{
    free(c);
}

static const struct converter_ops waiting = {
    .convert = hook_convert, .destroy = hook_destroy, .waits = true};
static const struct converter_ops quick = {.convert = hook_convert, .destroy = hook_destroy};

static void gate(bool shut)
{
    pthread_mutex_lock(&hook.lock);
    hook.shut = shut;
    pthread_cond_broadcast(&hook.cond);
    pthread_mutex_unlock(&hook.lock);
}

static void poison(const char *name)
{
    pthread_mutex_lock(&hook.lock);
    hook.poison = name;
    pthread_mutex_unlock(&hook.lock);
}

static int calls(void)
{
    pthread_mutex_lock(&hook.lock);
    int n = hook.calls;
    pthread_mutex_unlock(&hook.lock);
    return n;
}

static int objects(void)
{
    pthread_mutex_lock(&hook.lock);
    int n = hook.objects;
    pthread_mutex_unlock(&hook.lock);
    return n;
}

static void await_calls(int n)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    while (calls() < n) {
        assert_true(clock_mono_ms() < end);
        usleep(1000);
    }
}

/* widgets with such a converter in the place of those without. */
static void convert_by(const struct converter_ops *ops)
{
    struct type *t = fixture_make_type(WIDGET_CRD, NULL);
    t->converter = ALLOC(struct converter);
    converter_init(t->converter, ops);
    registry_put(f.registry, t);
    widgets = t;
    type_unref(t);
}

static int setup_hook(void **state)
{
    hook.shut = false;
    hook.poison = NULL;
    hook.calls = hook.objects = 0;
    int rc = setup(state);
    convert_by(&waiting);
    return rc;
}

/* ---- watches ---- */

static struct op *beta_op(const char *ns, int64_t rv)
{
    struct op *op = watch_op(widgets, ns, rv ? rv : store_revision(f.store));
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    return op;
}

static void beta_open(struct view *v, const char *ns)
{
    view_open(v, beta_op(ns, 0), &as_object);
    expect_none(v);
}

/* Waits for that many events that were not looked at yet. */
static void await(struct view *v, size_t n)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    for (view_read(v); v->n - v->at < n;) {
        if (atomic_exchange(&v->wakes, 0)) {
            view_read(v);
        } else {
            assert_true(clock_mono_ms() < end);
            usleep(1000);
        }
    }
}

static void expect_soon(struct view *v, const char *type, const char *name)
{
    await(v, 1);
    yyjson_mut_val *o = expect(v, type, name);
    assert_str(json_get_str(o, "apiVersion"), "example.com/v1beta1");
    assert_str(text_at(o, "spec", "shownIn"), "v1beta1");
    assert_true(rv_of(o) > 0);
}

static const char *numbered(int i)
{
    static char name[16];
    snprintf(name, sizeof(name), "n%04d", i);
    return name;
}

static void make_some(int from, int to)
{
    for (int i = from; i < to; i++) {
        make(widgets, "ns", numbered(i), "},'spec':{'size':1}");
    }
}

/* ---- once, in order ---- */

static void test_once_for_all(void **state)
{
    (void)state;
    enum { VIEWS = 4, EVENTS = 30 };
    static struct view v[VIEWS], plain, table, partial;
    for (int i = 0; i < VIEWS; i++) {
        beta_open(&v[i], i % 2 ? "" : "ns");
    }
    view_open(&plain, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    view_open(&table, beta_op("ns", 0), &(struct representation){.as = REPRESENT_TABLE});
    view_open(&partial, beta_op("ns", 0), &(struct representation){.as = REPRESENT_PARTIAL});
    make_some(0, EVENTS);
    for (int i = 0; i < VIEWS; i++) {
        await(&v[i], EVENTS);
        for (int k = 0; k < EVENTS; k++) {
            expect_soon(&v[i], "ADDED", numbered(k));
            assert_ptr_equal(v[i].lines[k], v[0].lines[k]);
        }
    }
    await(&table, EVENTS);
    await(&partial, EVENTS);
    assert_str(json_get_str(expect(&table, "ADDED", NULL), "kind"), "Table");
    assert_null(json_get(expect(&partial, "ADDED", numbered(0)), "spec"));
    for (int k = 0; k < EVENTS; k++) {
        assert_null(json_path(expect(&plain, "ADDED", numbered(k)), "spec", "shownIn", NULL));
    }
    assert_int_equal(objects(), EVENTS);
    drop(widgets, "ns", numbered(0));
    expect_soon(&v[0], "DELETED", numbered(0));
    assert_int_equal(objects(), EVENTS + 1);
    for (int i = 0; i < VIEWS; i++) {
        view_close(&v[i]);
    }
    view_close(&plain);
    view_close(&table);
    view_close(&partial);
}

/* What comes while a conversion is under way is the next one's, all of it. */
static void test_batches(void **state)
{
    (void)state;
    struct view v, late;
    beta_open(&v, "ns");
    gate(true);
    make_some(0, 1);
    view_read(&v);
    assert_int_equal(v.state, WATCH_HELD);
    await_calls(1);
    make_some(1, 12);
    for (int i = 0; i < 3; i++) {
        view_read(&v);
        assert_int_equal(v.state, WATCH_HELD);
    }
    beta_open(&late, "ns"); /* is not concerned */
    assert_int_equal(late.state, WATCH_IDLE);
    assert_int_equal(v.n, 0);
    gate(false);
    for (int i = 0; i < 12; i++) {
        expect_soon(&v, "ADDED", numbered(i));
    }
    expect_none(&v);
    assert_int_equal(v.state, WATCH_IDLE);
    assert_int_equal(calls(), 2);
    assert_int_equal(objects(), 12);
    view_close(&v);
    view_close(&late);
}

/* Watches of the stored version go on meanwhile, and no bookmark says more than was given. */
static void test_held_alone(void **state)
{
    (void)state;
    struct view v, plain;
    struct op *op = beta_op("ns", 0);
    op->list.bookmarks = true;
    view_open(&v, op, &as_object);
    view_open(&plain, watch_op(widgets, "ns", store_revision(f.store)), &as_object);
    expect_none(&v);
    int64_t before = watcher_revision(v.watcher);
    gate(true);
    make_some(0, 2);
    expect(&plain, "ADDED", numbered(0));
    expect(&plain, "ADDED", numbered(1));
    v.watcher->bookmark_now = true;
    expect_none(&v);
    assert_int_equal(v.state, WATCH_HELD);
    assert_int_equal(watcher_revision(v.watcher), before);
    gate(false);
    expect_soon(&v, "ADDED", numbered(0));
    expect_soon(&v, "ADDED", numbered(1));
    assert_int_equal(rv_of(expect(&v, "BOOKMARK", NULL)), store_revision(f.store));
    view_close(&v);
    view_close(&plain);
}

static void test_selectors(void **state)
{
    (void)state;
    for (int by_field = 0; by_field < 2; by_field++) {
        struct view v;
        struct op *op = beta_op("ns", 0);
        if (by_field) { /* a name, so that the whole object is looked at but the scope is wide */
            assert_int_equal(selector_parse_fields(&op->arena, STR("metadata.name!=b"), widgets,
                                                   op->version, &op->list.fields, NULL),
                             0);
        }
        assert_int_equal(selector_parse_labels(&op->arena, STR("on=1"), &op->list.labels, NULL), 0);
        view_open(&v, op, &as_object);
        expect_none(&v);
        make(widgets, "ns", "a", "}");
        make(widgets, "ns", "c", "}");
        patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'1'}}}");
        patch(widgets, "ns", "a", "{'spec':{'size':3}}");
        patch(widgets, "ns", "a", "{'metadata':{'labels':{'on':'0'}}}");
        drop(widgets, "ns", "a");
        drop(widgets, "ns", "c");
        expect_soon(&v, "ADDED", "a");
        expect_soon(&v, "MODIFIED", "a");
        expect_soon(&v, "DELETED", "a");
        make(widgets, "ns", "z", ",'labels':{'on':'1'}}");
        expect_soon(&v, "ADDED", "z");
        drop(widgets, "ns", "z");
        expect_soon(&v, "DELETED", "z");
        expect_none(&v);
        view_close(&v);
    }
}

/* ---- what fails ---- */

static void expect_failed(struct view *v)
{
    await(v, 1);
    yyjson_mut_val *o = expect(v, "ERROR", NULL);
    assert_int_equal(json_get_int(o, "code", 0), 500);
    assert_true(str_ends(json_get_str(o, "message"), STR("the hook will not")));
    expect_none(v);
    assert_int_equal(v->state, WATCH_ENDED);
}

/* One object that does not convert ends the watches that come to it; whoever comes later has it
 * tried anew. */
static void test_failure(void **state)
{
    (void)state;
    struct view v, other, again;
    int64_t rv = store_revision(f.store);
    struct op *op = beta_op("ns", 0);
    assert_int_equal(selector_parse_fields(&op->arena, STR("metadata.name=n0003"), widgets,
                                           op->version, &op->list.fields, NULL),
                     0);
    beta_open(&v, "ns");
    view_open(&other, op, &as_object);
    expect_none(&other);
    gate(true);
    make_some(0, 1);
    view_read(&v);
    await_calls(1);
    make_some(1, 5);
    poison("n0002");
    gate(false);
    expect_soon(&v, "ADDED", numbered(0));
    expect_soon(&v, "ADDED", numbered(1));
    expect_failed(&v);
    expect_soon(&other, "ADDED", numbered(3));
    expect_none(&other);
    assert_int_equal(other.state, WATCH_IDLE);
    view_open(&again, beta_op("ns", rv), &as_object);
    expect_soon(&again, "ADDED", numbered(0));
    expect_soon(&again, "ADDED", numbered(1));
    expect_failed(&again);
    view_close(&again);
    poison(NULL);
    view_open(&again, beta_op("ns", rv), &as_object);
    for (int i = 0; i < 5; i++) {
        expect_soon(&again, "ADDED", numbered(i));
    }
    expect_none(&again);
    view_close(&again);
    view_close(&v);
    view_close(&other);
}

/* The type changes while an event of the old one is being converted. */
static void test_type_replaced(void **state)
{
    (void)state;
    struct view v;
    beta_open(&v, "ns");
    gate(true);
    make_some(0, 1);
    view_read(&v);
    await_calls(1);
    convert_by(&waiting);
    make_some(1, 2);
    view_read(&v);
    gate(false);
    expect_soon(&v, "ADDED", numbered(0));
    expect_soon(&v, "ADDED", numbered(1));
    expect_none(&v);
    view_close(&v);
}

/* ---- ends ---- */

static void test_closed_meanwhile(void **state)
{
    (void)state;
    struct view v, stays;
    beta_open(&v, "ns");
    beta_open(&stays, "ns");
    gate(true);
    make_some(0, 3);
    view_read(&v);
    await_calls(1);
    view_close(&v);
    gate(false);
    for (int i = 0; i < 3; i++) {
        expect_soon(&stays, "ADDED", numbered(i));
    }
    assert_int_equal(objects(), 3);
    view_close(&stays);
}

static void *open_gate(void *arg)
{
    (void)arg;
    usleep(50000);
    gate(false);
    return NULL;
}

/* The engine goes while a conversion is under way, and waits for it. */
static void test_shutdown(void **state)
{
    (void)state;
    struct view v;
    pthread_t t;
    beta_open(&v, "ns");
    gate(true);
    make_some(0, 3);
    view_read(&v);
    await_calls(1);
    view_close(&v);
    pthread_create(&t, NULL, open_gate, NULL);
    fixture_close(&f);
    assert_int_equal(objects(), 3);
    pthread_join(t, NULL);
    fixture_open(&f); /* for the teardown */
}

/* ---- back-pressure ---- */

/* A conversion that takes for ever costs no more memory than the rings may have: what was held goes
 * on from the log. */
static void test_overflow(void **state)
{
    (void)state;
    static struct view v;
    struct watch_stats s;
    engine_watches(f.engine)->bytes_max = 20000;
    beta_open(&v, "ns");
    gate(true);
    make_some(0, 1);
    view_read(&v);
    await_calls(1);
    for (int i = 1; i < 400; i++) {
        make(widgets, "ns", numbered(i),
             "},'spec':{'note':'some words so that it weighs something'}");
        watch_group_ready(v.group, on_each, &v);
        watch_stats(engine_watches(f.engine), &s);
        assert_true(s.ring_bytes < 80000);
    }
    gate(false);
    bool may = convert_may_wait(true);
    for (int i = 0; i < 400; i++) {
        expect_soon(&v, "ADDED", numbered(i));
    }
    expect_none(&v);
    convert_may_wait(may);
    watch_stats(engine_watches(f.engine), &s);
    assert_true(s.behind >= 1);
    view_close(&v);
}

/* What waits for nobody is converted where it is read while it is small, elsewhere when it is
 * large. */
static void test_large(void **state)
{
    (void)state;
    static const char begin[] =
        "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'";
    static char body[16 * 1024], big[9000];
    struct view v;
    convert_by(&quick);
    beta_open(&v, "ns");
    make_some(0, 1);
    expect(&v, "ADDED", numbered(0));
    assert_true(pthread_equal(hook.thread, pthread_self()));
    memset(big, 'x', sizeof(big) - 1);
    snprintf(body, sizeof(body), "%slarge'},'spec':{'note':'%s'}}", begin, big);
    fixture_do(&f, &a, VERB_CREATE, widgets, "ns", NULL, body, NULL);
    make_some(1, 2);
    view_read(&v);
    assert_true(v.state == WATCH_HELD || v.n - v.at == 2);
    expect_soon(&v, "ADDED", "large");
    expect_soon(&v, "ADDED", numbered(1));
    assert_int_equal(objects(), 3);
    poison("large");
    patch(widgets, "ns", "large", "{'spec':{'size':1}}");
    expect_failed(&v);
    view_close(&v);
}

/* ---- everything at once ---- */

enum { WRITERS = 3, WRITES = 100, READERS = 4 };

struct reader {
    struct view v;
    bool beta;
    _Atomic bool *stop;
    int events[WRITERS];
};

static void *write_much(void *arg)
{
    int id = *(int *)arg;
    struct arena mine;
    char name[16], body[160];
    arena_init(&mine, 0);
    snprintf(name, sizeof(name), "w%d", id);
    for (int i = 0; i < WRITES; i++) {
        snprintf(body, sizeof(body),
                 "{'apiVersion':'example.com/"
                 "v1','kind':'Widget','metadata':{'name':'%s'},'spec':{'size':%d}}",
                 name, i);
        fixture_do(&f, &mine, i ? VERB_PATCH : VERB_CREATE, widgets, "ns", i ? name : NULL, body,
                   NULL);
    }
    arena_finish(&mine);
    return NULL;
}

static void check_events(struct reader *r)
{
    struct arena mine;
    arena_init(&mine, 0);
    for (struct view *v = &r->v; v->at < v->n; v->at++) {
        yyjson_mut_doc *d = NULL;
        assert_int_equal(json_read_own(&mine, blob_str(v->lines[v->at]), &d, NULL), 0);
        const yyjson_mut_val *o = json_get(d->root, "object");
        int id = text_at(o, "metadata", "name").ptr[1] - '0';
        assert_int_equal(json_get_int(json_get(o, "spec"), "size", -1), r->events[id]++);
        assert_true(str_is(text_at(o, "spec", "shownIn"), "v1beta1") == r->beta);
    }
    arena_finish(&mine);
}

static void *read_all(void *arg)
{
    struct reader *r = arg;
    struct view *v = &r->v;
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    convert_may_wait(true);
    view_open(v, r->beta ? beta_op("ns", 0) : watch_op(widgets, "ns", store_revision(f.store)),
              &as_object);
    while (!atomic_load(r->stop) || v->n < (size_t)WRITERS * WRITES) {
        if (atomic_exchange(&v->wakes, 0) || v->state == WATCH_BEHIND) {
            view_read(v);
            check_events(r);
        } else {
            assert_true(clock_mono_ms() < end);
            usleep(200);
        }
    }
    view_close(v);
    return NULL;
}

static void test_concurrent(void **state)
{
    (void)state;
    static struct reader readers[READERS];
    _Atomic bool stop = false;
    pthread_t rt[READERS], wt[WRITERS];
    int ids[WRITERS];
    struct watch_stats s;
    engine_watches(f.engine)->bytes_max = 60000;
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.beta = i != 0, .stop = &stop};
        pthread_create(&rt[i], NULL, read_all, &readers[i]);
    }
    do {
        usleep(1000);
        watch_stats(engine_watches(f.engine), &s);
    } while (s.watchers < READERS);
    for (int i = 0; i < WRITERS; i++) {
        ids[i] = i;
        pthread_create(&wt[i], NULL, write_much, &ids[i]);
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
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_hook, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_once_for_all),     TEST(test_batches),
        TEST(test_held_alone),       TEST(test_selectors),
        TEST(test_failure),          TEST(test_type_replaced),
        TEST(test_closed_meanwhile), TEST(test_shutdown),
        TEST(test_overflow),         TEST(test_large),
        TEST(test_concurrent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
