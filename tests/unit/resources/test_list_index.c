/* SPDX-License-Identifier: Apache-2.0 */
/* Lists over an index: byte for byte what a look at every object gives, in every form, page by page
 * while objects change, at old revisions and while others write. */
#include "tests/unit/resources/index_world.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "resources/list_priv.h"

static struct index_world w;

static int open_memory(void **state)
{
    (void)state;
    index_world_open(&w, false);
    return 0;
}

static int open_sqlite(void **state)
{
    (void)state;
    index_world_open(&w, true);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    index_world_close(&w);
    return 0;
}

/* ---- asking ---- */

struct question {
    const char *selector, *ns, *version, *token, *rv;
    int64_t limit;
    enum rv_match match;
    size_t piece; /* bytes at a time; 0: much */
    size_t room;  /* keys in a stretch; 0: as it is */
    struct representation form;
};

static struct op *ask_op(const struct question *q, struct type *t)
{
    struct op *op = fixture_op(&w.f, VERB_LIST, t, q->ns ? q->ns : "ns", NULL);
    struct err err = {0};
    if (q->version) {
        op->version = type_served(t, str_from(q->version));
    }
    if (selector_parse_fields(&op->arena, arena_str(&op->arena, str_from(q->selector)), t,
                              op->version, &op->list.fields, &err)) {
        fail_msg("%s", err_message(&err));
    }
    op->list.limit = q->limit;
    op->list.continue_token = str_from(q->token);
    op->list.resource_version = str_from(q->rv);
    op->list.match = q->match;
    return op;
}

static void set_room(struct list *l, size_t room)
{
    if (room && list_wants_index(l)) {
        l->way = LIST_INDEX;
        l->query.room = room;
    }
}

/* The whole answer, or the error's message. *ret_by_index: an index gave its candidates. */
static struct str ask(const struct question *q, struct type *t, bool *ret_by_index)
{
    struct op *op = ask_op(q, t);
    struct list *l = NULL;
    struct err err = {0};
    struct buf b = {0};
    int rc = list_open(w.f.engine, op, &q->form, &l, &err);
    if (!rc) {
        set_room(l, q->room);
    }
    for (bool done = false; !rc && !done;) {
        rc = list_next(l, &b, q->piece ? q->piece : 1 << 20, &done, &err);
    }
    if (rc) {
        b.len = 0;
        buf_addz(&b, err_message(&err));
        err_finish(&err);
    }
    *ret_by_index = l && l->begun_index;
    list_close(l);
    op_unref(op);
    struct str text = arena_str(&w.a, b.len ? buf_str(&b) : STR(""));
    buf_finish(&b);
    return text;
}

static void differ(const struct question *q, struct str got, struct str want)
{
    fail_msg("%s (limit %lld, token %s, piece %zu):\ngot  %.*s\nwant %.*s", q->selector,
             (long long)q->limit, q->token ? q->token : "", q->piece, STR_FMT(got), STR_FMT(want));
}

/* Both ways; the answer. */
static struct str compare(const struct question *q, bool *ret_by_index)
{
    bool plain_by_index;
    struct str want = ask(q, w.plain, &plain_by_index), got = ask(q, w.rides, ret_by_index);
    assert_false(plain_by_index);
    if (!str_eq(got, want)) {
        differ(q, got, want);
    }
    return got;
}

static bool compare_one(const char *selector)
{
    bool by_index;
    compare(&(struct question){.selector = selector}, &by_index);
    return by_index;
}

static yyjson_mut_val *metadata_in(struct str list)
{
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&w.a, list, &d, NULL, NULL), 0);
    return json_get(yyjson_mut_doc_get_root(d), "metadata");
}

static const char *next_token(struct str list)
{
    struct str token = json_get_str(metadata_in(list), "continue");
    return token.len ? arena_str(&w.a, token).ptr : NULL;
}

static void fill(unsigned n)
{
    char name[16], more[512];
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "r%03u", i);
        put_ride(&w, &w.a, i % 7 ? "ns" : "other", name, random_ride(&w, more, sizeof(more)));
    }
}

/* ---- the same answers ---- */

static void test_which_selectors(void **state)
{
    (void)state;
    index_world_define(&w);
    fill(120);
    assert_true(compare_one("ends=100,begins=120"));
    assert_true(compare_one("begins=20"));
    assert_true(compare_one("begins=-1"));
    assert_true(compare_one("bus=x"));
    assert_true(compare_one("line=a"));
    assert_true(compare_one("line="));
    assert_true(compare_one("folder=f,note=n"));
    assert_false(compare_one("bus="));
    assert_false(compare_one("bus=5"));
    assert_false(compare_one("line=7"));
    assert_false(compare_one("line=true"));
    assert_false(compare_one("line!=a"));
    assert_false(compare_one("note=n"));
    assert_false(compare_one("metadata.name=r001,line=a"));
    bool by_index;
    compare(&(struct question){.selector = "line=a", .version = "v2"}, &by_index);
    assert_false(by_index);
    compare(&(struct question){.selector = "folder=f", .version = "v2"}, &by_index);
    assert_true(by_index);
    compare(&(struct question){.selector = "line=a", .ns = ""}, &by_index);
    assert_false(by_index);
    compare(&(struct question){.selector = "line=a,metadata.namespace=ns", .ns = ""}, &by_index);
    assert_true(by_index);
    compare(&(struct question){.selector = "line=a", .ns = "nowhere"}, &by_index);
    assert_true(by_index);
}

static void test_not_built(void **state)
{
    (void)state;
    fill(60);
    index_world_define(&w);
    assert_false(store_index_ready(w.f.store, w.rides->indexes[0].store_name));
    assert_false(compare_one("ends=100,begins=900"));
    assert_false(compare_one("line=a"));
}

static void test_forms(void **state)
{
    static const struct representation forms[] = {
        {.as = REPRESENT_OBJECT},
        {.as = REPRESENT_TABLE},
        {.as = REPRESENT_PARTIAL},
        {.as = REPRESENT_PARTIAL, .encoding = ENCODING_PROTOBUF},
        {.as = REPRESENT_OBJECT, .encoding = ENCODING_CBOR}};
    char selector[96];
    unsigned indexed = 0;
    (void)state;
    index_world_define(&w);
    fill(150);
    for (unsigned i = 0; i < 250; i++) {
        bool by_index;
        const struct question q = {.selector = random_selector(&w, selector, sizeof(selector)),
                                   .limit = pick(&w, 2) ? pick(&w, 20) : 0,
                                   .piece = 1 + pick(&w, 2000),
                                   .form = forms[pick(&w, 5)]};
        compare(&q, &by_index);
        indexed += by_index;
    }
    assert_in_range(indexed, 90, 250);
}

/* Pages go on while objects come, go and move; each is still of the first one's revision. */
static void test_pages_while_things_change(void **state)
{
    char selector[96], rv[32];
    unsigned indexed = 0, pages = 0;
    (void)state;
    index_world_define(&w);
    fill(150);
    for (unsigned i = 0; i < 40; i++) {
        struct question q = {.selector = random_selector(&w, selector, sizeof(selector)),
                             .limit = 1 + pick(&w, 9)};
        do {
            bool by_index;
            struct str page = compare(&q, &by_index);
            q.token = next_token(page);
            indexed += by_index;
            pages++;
            for (unsigned n = pick(&w, 6); n; n--) {
                change_rides(&w, "ns", 160);
            }
        } while (q.token);
    }
    assert_true(pages > 80 && indexed > 40);
    int64_t now = store_revision(w.f.store);
    for (unsigned i = 0; i < 60; i++) {
        bool by_index;
        snprintf(rv, sizeof(rv), "%lld", (long long)(now - pick(&w, 200)));
        compare(&(struct question){.selector = random_selector(&w, selector, sizeof(selector)),
                                   .rv = rv,
                                   .match = pick(&w, 2) ? RV_MATCH_EXACT : RV_MATCH_NOT_OLDER},
                &by_index);
    }
}

/* Too much has changed since: everything is looked at, and the answer is the same. */
static void test_long_ago(void **state)
{
    bool by_index;
    char rv[32];
    (void)state;
    index_world_define(&w);
    fill(40);
    snprintf(rv, sizeof(rv), "%lld", (long long)store_revision(w.f.store));
    const struct question q = {
        .selector = "ends=100,begins=300", .rv = rv, .match = RV_MATCH_EXACT};
    for (int i = 0; i < LIMIT_LIST_INDEX_CHANGES - 1; i++) {
        put_ride(&w, &w.a, "ns", "r001",
                 i % 2 ? "'labels':{}},'spec':{'from':1}" : "'labels':{}},'spec':{'from':200}");
    }
    compare(&q, &by_index);
    assert_true(by_index);
    put_ride(&w, &w.a, "ns", "r001", "'labels':{}},'spec':{'from':2}");
    compare(&q, &by_index);
    assert_false(by_index);
}

/* A stretch at a time. */
static void test_stretches(void **state)
{
    char selector[96];
    (void)state;
    index_world_define(&w);
    fill(120);
    for (unsigned i = 0; i < 120; i++) {
        bool by_index;
        const struct question q = {.selector = random_selector(&w, selector, sizeof(selector)),
                                   .limit = pick(&w, 2) ? pick(&w, 20) : 0,
                                   .room = 1 + pick(&w, 5),
                                   .piece = pick(&w, 2) ? 100 : 0};
        change_rides(&w, "ns", 120);
        compare(&q, &by_index);
    }
}

static void put_many(unsigned n)
{
    char name[16];
    for (unsigned i = 0; i < n; i++) {
        struct arena mine;
        arena_init(&mine, 0);
        snprintf(name, sizeof(name), "m%04u", i % 1100);
        put_ride(&w, &mine, "ns", name,
                 i % 2 ? "'labels':{}},'spec':{'line':'a','from':5}"
                       : "'labels':{}},'spec':{'line':'a','from':6}");
        arena_finish(&mine);
    }
}

/* Where an index gives most of the objects it is left alone, unless few of them are wanted. */
static void test_most_of_all(void **state)
{
    bool by_index;
    (void)state;
    index_world_define(&w);
    put_many(1100);
    compare(&(struct question){.selector = "begins=9"}, &by_index);
    assert_false(by_index);
    compare(&(struct question){.selector = "begins=5"}, &by_index);
    assert_true(by_index);
    compare(&(struct question){.selector = "line=a"}, &by_index);
    assert_false(by_index);
    compare(&(struct question){.selector = "line=a", .limit = 40}, &by_index);
    assert_true(by_index);
}

/* A list that is read slowly, while more is written than its index can tell of: it goes on without.
 */
static void test_too_much_meanwhile(void **state)
{
    struct question q = {.selector = "line=a"};
    struct err err = {0};
    struct buf b = {0};
    bool done = false, by_index;
    struct list *l = NULL;
    (void)state;
    index_world_define(&w);
    put_many(30);
    struct op *op = ask_op(&q, w.rides);
    assert_int_equal(list_open(w.f.engine, op, &q.form, &l, &err), 0);
    set_room(l, 10);
    assert_int_equal(list_next(l, &b, 1, &done, &err), 0);
    assert_int_equal(l->way, LIST_INDEX);
    put_many(LIMIT_LIST_INDEX_CHANGES + 50);
    while (!done) {
        assert_int_equal(list_next(l, &b, 500, &done, &err), 0);
    }
    assert_int_equal(l->way, LIST_RANGE);
    struct str got = arena_str(&w.a, buf_str(&b));
    q.rv = arena_str(&w.a, json_get_str(metadata_in(got), "resourceVersion")).ptr;
    q.match = RV_MATCH_EXACT;
    struct str want = ask(&q, w.plain, &by_index);
    assert_true(str_eq(got, want));
    list_close(l);
    op_unref(op);
    buf_finish(&b);
}

/* ---- in process ---- */

static int see_name(void *arg, struct str ns, struct str name, const struct stored *s)
{
    (void)ns;
    (void)s;
    buf_printf(arg, "%.*s ", STR_FMT(name));
    return 0;
}

/* The names that a list for a watch gives. */
static void begin_with(struct type *t, const char *selector, struct buf *names, bool *ret_by_index)
{
    struct op *op = ask_op(&(struct question){.selector = selector}, t);
    struct list *l = list_begin(w.f.engine, op);
    int64_t rev = 0;
    for (bool done = false; !done;) {
        assert_int_equal(list_step(l, see_name, names, &done, &rev, NULL), 0);
    }
    assert_int_equal(rev, store_revision(w.f.store));
    *ret_by_index = l->begun_index;
    list_close(l);
    op_unref(op);
}

static void test_watch_lists(void **state)
{
    static const char *const selectors[] = {"bus=x", "line=a,note=o", "ends=100,begins=140"};
    (void)state;
    index_world_define(&w);
    fill(120);
    for (size_t i = 0; i < 3; i++) {
        struct buf got = {0}, want = {0};
        bool by_index;
        begin_with(w.plain, selectors[i], &want, &by_index);
        assert_false(by_index);
        begin_with(w.rides, selectors[i], &got, &by_index);
        assert_true(by_index);
        assert_true(want.len > 0);
        assert_true(str_eq(buf_str(&got), buf_str(&want)));
        buf_finish(&got);
        buf_finish(&want);
    }
}

/* ---- while others write ---- */

static atomic_bool over;

static void *writer(void *arg)
{
    struct index_world mine = w; /* its own random numbers */
    mine.random += (uint64_t)(uintptr_t)arg * 7919;
    while (!atomic_load(&over)) {
        change_rides(&mine, "ns", 60);
    }
    return NULL;
}

/* Each list is held against a look at everything at the revision that it is of. */
static void test_while_others_write(void **state)
{
    pthread_t threads[2];
    char selector[96];
    unsigned indexed = 0;
    (void)state;
    index_world_define(&w);
    fill(60);
    atomic_store(&over, false);
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, writer, (void *)(i + 1)), 0);
    }
    for (unsigned i = 0; i < 250; i++) {
        bool by_index, plain;
        struct question q = {.selector = random_selector(&w, selector, sizeof(selector)),
                             .room = pick(&w, 2) ? 1 + pick(&w, 4) : 0,
                             .piece = pick(&w, 2) ? 200 : 0};
        struct str got = ask(&q, w.rides, &by_index);
        indexed += by_index;
        q.rv = arena_str(&w.a, json_get_str(metadata_in(got), "resourceVersion")).ptr;
        q.match = RV_MATCH_EXACT;
        q.room = 0;
        struct str want = ask(&q, w.plain, &plain);
        if (!str_eq(got, want)) {
            differ(&q, got, want);
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_in_range(indexed, 60, 250);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, open_memory, close_world),                               \
        cmocka_unit_test_setup_teardown(test, open_sqlite, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_which_selectors), BOTH(test_not_built),
        BOTH(test_forms),           BOTH(test_pages_while_things_change),
        BOTH(test_long_ago),        BOTH(test_stretches),
        BOTH(test_most_of_all),     BOTH(test_too_much_meanwhile),
        BOTH(test_watch_lists),     BOTH(test_while_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
