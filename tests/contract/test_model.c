/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on two engines in step, the memory engine and another: everything that can be
 * asked must be answered alike. The seed is fixed, or taken from CORACLE_MODEL_SEED;
 * CORACLE_MODEL_STEPS sets the length. */
#include "contract.h"

enum { KEYS = 40, OPS = 6, CMPS = 3, TERMS = 3, TEXT = 64 * 1024 };

struct model {
    struct fixture pair[2];
    uint64_t random;
    uint64_t generation;
    struct store_hold *holds[2];
};

static uint64_t next(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

/* ---- names ---- */

static const char *const prefixes[] = {"", "/a/", "/b/", "/a/1", "/c/"};
static const char *const indexes[] = {"i", "j", "k"};
static const char *const terms[] = {"", "red", "re", "blue"};

static struct str random_prefix(struct model *m)
{
    return str_from(prefixes[next(m, 5)]);
}

static struct str random_key(struct model *m, char key[16])
{
    snprintf(key, 16, "/%c/%llu", (char)('a' + next(m, 3)), (unsigned long long)next(m, KEYS));
    return str_from(key);
}

/* Mostly within what is kept. */
static int64_t random_rev(struct model *m)
{
    int64_t rev = store_revision(m->pair[0].s);
    return rev - (int64_t)next(m, 30) + (next(m, 20) == 0);
}

/* ---- what an engine answers, as text ---- */

struct answer {
    char text[TEXT];
    size_t len;
    size_t n, stop_at;
    int stop_code;
};

static void say(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct answer *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(a->text + a->len, TEXT - a->len, fmt, ap);
    va_end(ap);
    a->len += (size_t)n;
    assert_true(a->len < TEXT);
}

static int say_entry(void *arg, const struct store_entry *e)
{
    struct answer *a = arg;
    say(a, "%.*s=%.*s@%lld,%lld,%llu ", STR_FMT(e->key), STR_FMT(e->value), (long long)e->rev,
        (long long)e->create_rev, (unsigned long long)e->stamp);
    return ++a->n == a->stop_at ? a->stop_code : 0;
}

static int say_event(void *arg, const struct store_event *e)
{
    struct answer *a = arg;
    say(a, "%lld.%u %.*s %d %s>%s %llu>%llu %lld %lld %.*s\n", (long long)e->rev, e->sub,
        STR_FMT(e->key), e->deleted, e->prev ? e->prev->data : "-", e->value ? e->value->data : "-",
        (unsigned long long)e->prev_stamp, (unsigned long long)e->stamp, (long long)e->prev_rev,
        (long long)e->create_rev, STR_FMT(e->who));
    return ++a->n == a->stop_at ? a->stop_code : 0;
}

static void assert_same(const struct answer a[2])
{
    assert_string_equal(a[0].text, a[1].text);
}

static struct answer *answers(void)
{
    return alloc_zero(2 * sizeof(struct answer));
}

/* ---- steps ---- */

struct step {
    struct store_op ops[OPS];
    struct store_cmp cmps[CMPS];
    struct store_term terms[OPS][TERMS];
    char op_keys[OPS][16], cmp_keys[CMPS][16];
    struct blob *values[OPS];
    struct store_txn txn;
};

static void random_op(struct model *m, struct step *t, size_t i)
{
    static const enum store_op_kind kinds[] = {STORE_OP_PUT,    STORE_OP_PUT,    STORE_OP_PUT,
                                               STORE_OP_PUT,    STORE_OP_DELETE, STORE_OP_DELETE,
                                               STORE_OP_RESTAMP};
    char value[32];
    snprintf(value, sizeof(value), "v%llu", (unsigned long long)next(m, 1000));
    t->values[i] = blob_create(str_from(next(m, 10) ? value : ""));
    t->ops[i] = (struct store_op){
        .kind = kinds[next(m, 7)],
        .key = random_key(m, t->op_keys[i]),
        .value = t->values[i],
        .stamp = next(m, 3),
        .terms = t->terms[i],
        .n_terms = next(m, TERMS + 1),
    };
    for (size_t k = 0; k < t->ops[i].n_terms; k++) {
        t->terms[i][k] =
            (struct store_term){str_from(indexes[next(m, 3)]), str_from(terms[next(m, 4)])};
    }
}

static bool repeats(const struct step *t, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (str_eq(t->ops[k].key, t->ops[i].key)) {
            return true;
        }
    }
    return false;
}

static void random_cmp(struct model *m, struct step *t, size_t i)
{
    struct store_cmp *c = &t->cmps[i];
    c->kind = (enum store_cmp_kind)next(m, 3);
    c->key = c->kind == STORE_CMP_REV ? random_key(m, t->cmp_keys[i]) : random_prefix(m);
    c->rev = random_rev(m);
    if (c->kind == STORE_CMP_REV && next(m, 4)) {
        struct blob *b = NULL;
        struct store_entry e = {0};
        store_get(m->pair[0].s, c->key, 0, &b, &e, NULL, NULL);
        blob_unref(b);
        c->rev = e.rev;
    }
}

static void step_write(struct model *m)
{
    struct step t = {0};
    size_t n_ops = next(m, OPS + 1), n_cmps = next(m, 3) ? 0 : next(m, CMPS + 1);
    size_t n = 0;
    for (size_t i = 0; i < n_ops; i++) {
        random_op(m, &t, n);
        if (repeats(&t, n)) {
            blob_unref(t.values[n]);
        } else {
            n++;
        }
    }
    for (size_t i = 0; i < n_cmps; i++) {
        random_cmp(m, &t, i);
    }
    t.txn = (struct store_txn){
        .ops = t.ops, .n_ops = n, .cmps = t.cmps, .n_cmps = n_cmps, .who = STR("me")};
    struct store_outcome o[2];
    for (size_t i = 0; i < 2; i++) {
        store_submit_wait(m->pair[i].s, &t.txn, &o[i], NULL);
    }
    for (size_t i = 0; i < n; i++) {
        blob_unref(t.values[i]);
    }
    assert_int_equal(o[0].code, o[1].code);
    assert_int_equal(o[0].failed, o[1].failed);
    assert_int_equal(o[0].rev, o[1].rev);
    assert_int_equal(store_revision(m->pair[0].s), store_revision(m->pair[1].s));
}

static void step_get(struct model *m)
{
    char key[16];
    struct str k = random_key(m, key);
    int64_t at = next(m, 2) ? random_rev(m) : 0;
    AUTO_FREE struct answer *a = answers();
    for (size_t i = 0; i < 2; i++) {
        struct blob *b = NULL;
        struct store_entry e = {0};
        int64_t now = -1;
        int code = store_get(m->pair[i].s, k, at, &b, &e, &now, NULL);
        say(&a[i], "%d %lld ", code, (long long)now);
        if (!code) {
            say_entry(&a[i], &e);
        }
        blob_unref(b);
    }
    assert_same(a);
}

static void step_range(struct model *m)
{
    char from[16];
    struct store_range r = {.prefix = random_prefix(m),
                            .at = next(m, 2) ? random_rev(m) : 0,
                            .limit = next(m, 3) ? 0 : next(m, 20),
                            .keys_only = next(m, 4) == 0};
    r.from = next(m, 3) ? STR_NULL : random_key(m, from);
    if (next(m, 3) == 0) {
        r.index = str_from(indexes[next(m, 3)]);
        r.term = str_from(terms[next(m, 4)]);
    }
    size_t stop_at = next(m, 3) ? 0 : 1 + next(m, 10);
    int stop_code = next(m, 2) ? STORE_STOP : STORE_STOP_BEFORE;
    AUTO_FREE struct answer *a = answers();
    for (size_t i = 0; i < 2; i++) {
        a[i].stop_at = stop_at;
        a[i].stop_code = stop_code;
        int64_t at = -1, n = -1;
        bool more = false;
        int code = store_range(m->pair[i].s, &r, say_entry, &a[i], &at, &more, NULL);
        say(&a[i], "%d %lld %d", code, (long long)at, more);
        code = store_count(m->pair[i].s, &r, &n, NULL);
        say(&a[i], "%d %lld", code, (long long)n);
    }
    assert_same(a);
}

static void step_changes(struct model *m)
{
    struct str prefix = random_prefix(m);
    int64_t from = random_rev(m);
    size_t limit = next(m, 2) ? 0 : next(m, 10), stop_at = next(m, 3) ? 0 : 1 + next(m, 10);
    int stop_code = next(m, 2) ? STORE_STOP : STORE_STOP_BEFORE;
    AUTO_FREE struct answer *a = answers();
    for (size_t i = 0; i < 2; i++) {
        a[i].stop_at = stop_at;
        a[i].stop_code = stop_code;
        int64_t to = -1;
        int code = store_changes(m->pair[i].s, prefix, from, limit, say_event, &a[i], &to, NULL);
        say(&a[i], "%d %lld %lld", code, (long long)to,
            (long long)store_prefix_revision(m->pair[i].s, prefix));
    }
    assert_same(a);
}

static void step_compact(struct model *m)
{
    int64_t rev = random_rev(m);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(store_compact(m->pair[i].s, rev, NULL), 0);
    }
    assert_int_equal(store_floor(m->pair[0].s), store_floor(m->pair[1].s));
}

static void step_hold(struct model *m)
{
    int64_t rev = next(m, 2) ? random_rev(m) : 0, got[2] = {0};
    int codes[2];
    for (size_t i = 0; i < 2; i++) {
        store_release(m->holds[i]);
        m->holds[i] = NULL;
        codes[i] = store_hold(m->pair[i].s, rev, &m->holds[i], &got[i], NULL);
    }
    assert_int_equal(codes[0], codes[1]);
    assert_int_equal(got[0], got[1]);
}

static void step_index(struct model *m)
{
    struct str name = str_from(indexes[next(m, 3)]), prefix = random_prefix(m);
    uint64_t what = next(m, 4), generation = next(m, 3);
    int codes[2];
    for (size_t i = 0; i < 2; i++) {
        struct store *s = m->pair[i].s;
        codes[i] = what == 0   ? store_index_drop(s, name, NULL)
                   : what == 1 ? store_index_define(s, name, prefix, generation, NULL)
                               : store_index_built(s, name, generation, NULL);
    }
    assert_int_equal(codes[0], codes[1]);
    assert_int_equal(store_index_ready(m->pair[0].s, name), store_index_ready(m->pair[1].s, name));
}

/* A distributed engine does not have stamps, authors and indexes after that. */
static void step_reopen(struct model *m)
{
    if (m->pair[1].engine->distributed) {
        return;
    }
    store_release(m->holds[1]);
    store_release(m->holds[0]);
    m->holds[0] = m->holds[1] = NULL;
    fixture_reopen(&m->pair[1]);
}

static void step(struct model *m)
{
    uint64_t what = next(m, 1000);
    if (what < 500) {
        step_write(m);
    } else if (what < 650) {
        step_get(m);
    } else if (what < 800) {
        step_range(m);
    } else if (what < 940) {
        step_changes(m);
    } else if (what < 960) {
        step_compact(m);
    } else if (what < 975) {
        step_hold(m);
    } else if (what < 995) {
        step_index(m);
    } else if (what < 997) {
        step_reopen(m);
    } else {
        usleep(2000); /* housekeeping goes on */
    }
}

static void answer_alike(const struct engine *engine, size_t n)
{
    const char *seed = getenv("CORACLE_MODEL_SEED"), *steps = getenv("CORACLE_MODEL_STEPS");
    struct model m = {.random = seed ? strtoull(seed, NULL, 10) : 20260101};
    for (size_t i = 0; i < 2; i++) {
        fixture_init(&m.pair[i], i ? engine : &engine_memory);
        m.pair[i].options.batch_max = 16;
        fixture_open(&m.pair[i]);
    }
    n = steps ? strtoul(steps, NULL, 10) : n;
    for (size_t i = 0; i < n; i++) {
        step(&m);
    }
    struct store_stats a, b;
    store_stats(m.pair[0].s, &a);
    store_stats(m.pair[1].s, &b);
    assert_int_equal(a.keys, b.keys);
    assert_int_equal(a.floor, b.floor);
    assert_true(a.revision > (int64_t)n / 4);
    for (size_t i = 0; i < 2; i++) {
        store_release(m.holds[i]);
        fixture_finish(&m.pair[i]);
    }
}

static void sqlite_answers_as_memory_does(void **state)
{
    (void)state;
    answer_alike(&engine_sqlite, 6000);
}

static void etcd_answers_as_memory_does(void **state)
{
    (void)state;
    if (!etcd_binary()) {
        print_message("etcd is not installed: skipped\n");
        skip();
    }
    answer_alike(&engine_etcd, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sqlite_answers_as_memory_does),
                                       cmocka_unit_test(etcd_answers_as_memory_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
