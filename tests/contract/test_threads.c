/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of storage/store.h where several threads are at work: batches, events, barriers,
 * closing. */
#include <pthread.h>

#include "contract.h"

/* ---- a gate that holds the committer ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool shut, reached;
};

static void gate_init(struct gate *g)
{
    *g = (struct gate){.shut = true};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
}

static void gate_pass(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->reached = true;
    pthread_cond_broadcast(&g->changed);
    while (g->shut) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

static void gate_await(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->reached) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

static void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->shut = false;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* ---- what was answered, in order ---- */

struct answers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n;
    struct store_outcome outcomes[64];
    void *args[64];
};

struct ask {
    struct answers *all;
    struct store_txn txn;
    struct store_op op;
    struct store_cmp cmp;
    struct gate *gate;
    struct store *s; /* then: submits once more */
    struct ask *then;
};

static void answered(void *arg, const struct store_outcome *o)
{
    struct ask *a = arg;
    if (a->gate) {
        gate_pass(a->gate);
    }
    if (a->then) {
        store_submit(a->s, &a->then->txn, answered, a->then);
    }
    pthread_mutex_lock(&a->all->lock);
    a->all->outcomes[a->all->n] = *o;
    a->all->args[a->all->n++] = a;
    pthread_cond_signal(&a->all->changed);
    pthread_mutex_unlock(&a->all->lock);
}

static void answers_await(struct answers *all, size_t n)
{
    pthread_mutex_lock(&all->lock);
    while (all->n < n) {
        pthread_cond_wait(&all->changed, &all->lock);
    }
    pthread_mutex_unlock(&all->lock);
}

static struct ask ask_put(struct answers *all, const char *key, struct blob *value)
{
    return (struct ask){.all = all, .op = op_put(key, value)};
}

static void ask_submit(struct store *s, struct ask *a, bool compared)
{
    a->txn = (struct store_txn){.ops = &a->op, .n_ops = 1, .cmps = &a->cmp, .n_cmps = compared};
    store_submit(s, &a->txn, answered, a);
}

static struct answers *answers_create(void)
{
    struct answers *all = ALLOC(struct answers);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    return all;
}

/* ---- tests ---- */

/* Later transactions of a batch see what earlier ones did, and a compare that fails disturbs
 * nobody. */
static void compares_inside_a_batch(void **state)
{
    struct fixture *f = *state;
    fixture_in_order(f);
    struct store *s = f->s;
    AUTO_FREE struct answers *all = answers_create();
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    struct gate gate;
    gate_init(&gate);
    struct ask first = ask_put(all, "/first", b);
    first.gate = &gate;
    ask_submit(s, &first, false);
    gate_await(&gate);
    struct ask asks[7];
    const char *keys[] = {"/a", "/a", "/a", "/p/1", "/out", "/out", "/a"};
    for (size_t i = 0; i < 7; i++) {
        asks[i] = ask_put(all, keys[i], b);
    }
    asks[0].cmp = cmp_rev("/a", 0);
    asks[1].cmp = cmp_rev("/a", 0); /* taken by the one before */
    asks[2].cmp = cmp_rev("/a", 3); /* the revision that one has */
    asks[3].cmp = (struct store_cmp){.kind = STORE_CMP_EMPTY, .key = STR("/p/")};
    asks[4].cmp = asks[3].cmp; /* no more */
    asks[5].cmp = (struct store_cmp){.kind = STORE_CMP_UNCHANGED, .key = STR("/p/"), .rev = 4};
    asks[6].op.kind = STORE_OP_DELETE;
    asks[6].cmp = cmp_rev("/a", 4);
    for (size_t i = 0; i < 7; i++) {
        ask_submit(s, &asks[i], true);
    }
    gate_open(&gate);
    answers_await(all, 8);
    int codes[] = {0, ERR_CONFLICT, 0, 0, ERR_CONFLICT, ERR_CONFLICT, 0};
    int64_t revs[] = {3, 3, 4, 5, 5, 5, 6};
    for (size_t i = 0; i < 7; i++) {
        assert_ptr_equal(all->args[i + 1], &asks[i]);
        assert_int_equal(all->outcomes[i + 1].code, codes[i]);
        /* A refusal says which revision there is by then: with a distributed engine later
         * transactions may have been carried out before it is delivered. */
        bool refused_late = codes[i] && f->engine->distributed;
        assert_in_range(all->outcomes[i + 1].rev, revs[i], refused_late ? revs[6] : revs[i]);
    }
    struct store_stats st;
    store_stats(s, &st);
    assert_int_equal(st.batch_max, f->engine->distributed ? 1 : 7);
    assert_int_equal(st.commits, f->engine->distributed ? 8 : 2);
    struct seen w = {0};
    int64_t to;
    assert_int_equal(store_changes(s, STR_NULL, 2, 0, see_event, &w, &to, NULL), 0);
    assert_string_equal(w.text, "3.0 /a ->x 4.0 /a x>x 5.0 /p/1 ->x 6.0 /a x>- ");
}

struct log {
    struct store *s;
    struct seen seen;
    int64_t rev;
    size_t calls;
};

static void log_commit(void *arg, const struct store_event *events, size_t n, int64_t rev)
{
    struct log *l = arg;
    for (size_t i = 0; i < n; i++) {
        see_event(&l->seen, &events[i]);
    }
    assert_true(rev == events[n - 1].rev);
    assert_true(store_revision(l->s) < rev);
    l->rev = rev;
    l->calls++;
}

/* prev_given: the submitter knows what it replaces. */
static void write_some(struct store *s, bool prev_given)
{
    AUTO(blob_unrefp) struct blob *one = blob_create(STR("1"));
    AUTO(blob_unrefp) struct blob *two = blob_create(STR("2"));
    struct store_op ops[] = {op_put("/a", one), op_put("/b", one)};
    assert_int_equal(submit(s, NULL, 0, ops, 2, NULL), 0);
    struct store_op more[] = {op_put("/a", two), op_delete("/b"), op_delete("/none"),
                              op_put("/c", two)};
    if (prev_given) {
        more[0].prev = one;
        more[0].prev_stamp = 0;
        more[1].prev = one;
    }
    assert_int_equal(submit(s, NULL, 0, more, 4, NULL), 0);
    struct store_cmp no = cmp_rev("/a", 77);
    assert_int_equal(submit(s, &no, 1, more, 1, NULL), ERR_CONFLICT);
}

static void events_come_as_changes_do(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct log l = {.s = s};
    store_on_commit(s, log_commit, &l);
    write_some(s, false);
    assert_int_equal(l.calls, 2);
    assert_int_equal(l.rev, store_revision(s));
    struct seen w = {0};
    int64_t to;
    assert_int_equal(store_changes(s, STR_NULL, 1, 0, see_event, &w, &to, NULL), 0);
    assert_string_equal(w.text, l.seen.text);
    assert_string_equal(w.text, "2.0 /a ->1 2.1 /b ->1 3.0 /a 1>2 3.1 /b 1>- 3.2 /c ->2 ");
}

static void events_carry_what_the_submitter_knew(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct log l = {.s = s};
    store_on_commit(s, log_commit, &l);
    write_some(s, true);
    assert_string_equal(l.seen.text, "2.0 /a ->1 2.1 /b ->1 3.0 /a 1>2 3.1 /b 1>- 3.2 /c ->2 ");
}

/* ---- a counter that many increment ---- */

enum { COUNTERS = 8, INCREMENTS = 60 };

struct counter {
    struct store *s;
    _Atomic bool stop;
    _Atomic int problems;
    _Atomic int64_t conflicts;
};

static bool increment(struct store *s)
{
    struct blob *old = NULL;
    struct store_entry e = {0};
    int64_t now = 0;
    long value = 0;
    if (!store_get(s, STR("/counter"), 0, &old, &e, &now, NULL)) {
        value = strtol(old->data, NULL, 10);
    }
    char text[32];
    snprintf(text, sizeof(text), "%ld", value + 1);
    AUTO(blob_unrefp) struct blob *b = blob_create(str_from(text));
    struct store_cmp c = cmp_rev("/counter", e.rev);
    struct store_op ops[] = {op_put("/counter", b), op_put("/copy", b)};
    ops[0].prev = old;
    struct store_outcome o;
    int code = submit(s, &c, 1, ops, 2, &o);
    blob_unref(old);
    return code == 0 && store_revision(s) >= o.rev;
}

static void *increments(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < INCREMENTS;) {
        if (increment(c->s)) {
            i++;
        } else {
            atomic_fetch_add(&c->conflicts, 1);
        }
    }
    return NULL;
}

static int same_values(void *arg, const struct store_entry *e)
{
    struct seen *w = arg;
    w->n++;
    if (w->n == 2 && !str_is(e->value, w->text)) {
        w->stop_code = 1;
    }
    snprintf(w->text, sizeof(w->text), "%.*s", STR_FMT(e->value));
    return 0;
}

/* Both keys are written together, so no read may see them differ, and none may go back. */
static void *watch_values(void *arg)
{
    struct counter *c = arg;
    int64_t last = 0;
    while (!atomic_load(&c->stop)) {
        struct seen w = {0};
        int64_t at = 0, before = store_revision(c->s), to = 0;
        int code = store_range(c->s, &(struct store_range){.prefix = STR("/co")}, same_values, &w,
                               &at, NULL, NULL);
        if (code || w.stop_code || at < last || at < before) {
            atomic_fetch_add(&c->problems, 1);
        }
        last = at;
        struct seen events = {0};
        code =
            store_changes(c->s, STR_NULL, at > 20 ? at - 20 : 0, 0, see_event, &events, &to, NULL);
        if ((code && code != ERR_EXPIRED) || (!code && to < at)) {
            atomic_fetch_add(&c->problems, 1);
        }
    }
    return NULL;
}

static void *compact_often(void *arg)
{
    struct counter *c = arg;
    while (!atomic_load(&c->stop)) {
        if (store_compact(c->s, store_revision(c->s) - 10, NULL)) {
            atomic_fetch_add(&c->problems, 1);
        }
        usleep(2000);
    }
    return NULL;
}

static void a_counter_that_many_increment(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct counter c = {.s = s};
    pthread_t writers[COUNTERS], readers[3];
    for (size_t i = 0; i < 3; i++) {
        pthread_create(&readers[i], NULL, i < 2 ? watch_values : compact_often, &c);
    }
    for (size_t i = 0; i < COUNTERS; i++) {
        pthread_create(&writers[i], NULL, increments, &c);
    }
    for (size_t i = 0; i < COUNTERS; i++) {
        pthread_join(writers[i], NULL);
    }
    atomic_store(&c.stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(readers[i], NULL);
    }
    char want[32];
    snprintf(want, sizeof(want), "%d", COUNTERS * INCREMENTS);
    assert_get(s, "/counter", 0, want);
    assert_get(s, "/copy", 0, want);
    assert_int_equal(atomic_load(&c.problems), 0);
    struct store_stats st;
    store_stats(s, &st);
    assert_int_equal(st.revision, STORE_FIRST_REVISION + COUNTERS * INCREMENTS);
    assert_int_equal(st.transactions, COUNTERS * INCREMENTS + (uint64_t)atomic_load(&c.conflicts));
    assert_int_equal(st.conflicts, atomic_load(&c.conflicts));
    assert_int_equal(st.keys, 2);
}

/* ---- closing ---- */

static void *close_store(void *arg)
{
    store_close(arg);
    return NULL;
}

static void note_closed(void *arg, const struct store_outcome *o)
{
    if (o->code == ERR_CLOSED) {
        atomic_store((atomic_bool *)arg, true);
    }
}

/* Returns once the store refuses transactions. Those it takes before do nothing. */
static void await_closing(struct store *s)
{
    static struct store_cmp never;
    static struct store_txn txn = {.cmps = &never, .n_cmps = 1};
    static atomic_bool closing;
    never = cmp_rev("/nowhere", 12345);
    atomic_store(&closing, false);
    while (!atomic_load(&closing)) {
        store_submit(s, &txn, note_closed, &closing);
        usleep(2000);
    }
}

/* What was queued is committed; what is submitted from then on is refused, on the submitter's
 * thread. */
static void closing_with_work_queued(void **state)
{
    struct fixture *f = *state;
    fixture_in_order(f);
    AUTO_FREE struct answers *all = answers_create();
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    struct gate gate;
    gate_init(&gate);
    struct ask asks[4];
    const char *keys[] = {"/1", "/2", "/3", "/late"};
    for (size_t i = 0; i < 4; i++) {
        asks[i] = ask_put(all, keys[i], b);
    }
    asks[0].gate = &gate;
    asks[2].s = f->s;
    asks[2].then = &asks[3];
    asks[3].txn = (struct store_txn){.ops = &asks[3].op, .n_ops = 1};
    ask_submit(f->s, &asks[0], false);
    gate_await(&gate);
    ask_submit(f->s, &asks[1], false);
    ask_submit(f->s, &asks[2], false);
    pthread_t closer;
    pthread_create(&closer, NULL, close_store, f->s);
    await_closing(f->s);
    gate_open(&gate);
    pthread_join(closer, NULL);
    f->s = NULL;
    assert_int_equal(all->n, 4);
    assert_int_equal(all->outcomes[0].code, 0);
    assert_int_equal(all->outcomes[1].code, 0);
    assert_ptr_equal(all->args[2], &asks[3]);
    assert_int_equal(all->outcomes[2].code, ERR_CLOSED);
    assert_int_equal(all->outcomes[3].code, 0);
    if (f->engine->durable) {
        fixture_open(f);
        assert_range(f->s, &(struct store_range){0}, "/1=x /2=x /3=x ");
    }
}

/* An answer may submit, on and on. */
static void submitting_from_an_answer(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    AUTO_FREE struct answers *all = answers_create();
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    struct ask asks[20];
    for (size_t i = 0; i < 20; i++) {
        asks[i] = ask_put(all, "/a", b);
        asks[i].txn = (struct store_txn){.ops = &asks[i].op, .n_ops = 1};
        asks[i].s = s;
        asks[i].then = i + 1 < 20 ? &asks[i + 1] : NULL;
    }
    ask_submit(s, &asks[0], false);
    answers_await(all, 20);
    assert_int_equal(store_revision(s), STORE_FIRST_REVISION + 20);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(compares_inside_a_batch),
    CONTRACT_TEST(events_come_as_changes_do),
    CONTRACT_TEST(events_carry_what_the_submitter_knew),
    CONTRACT_TEST(a_counter_that_many_increment),
    CONTRACT_TEST(closing_with_work_queued),
    CONTRACT_TEST(submitting_from_an_answer),
};

int main(void)
{
    return run_contract(tests, sizeof(tests) / sizeof(*tests));
}
