/* SPDX-License-Identifier: Apache-2.0 */
/* Writers with a ledger, for the tests that crash a store: transactions of two keys that belong
 * together, what was told of each, and whether a store agrees with what was told. */
#ifndef TESTS_LEDGER_H
#define TESTS_LEDGER_H

#include "contract.h"

enum { FLIGHTS = 24, KEYS = 8 * FLIGHTS };

/* ---- writing ---- */

/* What is told once a transaction is answered. */
struct told {
    int64_t rev;
    uint32_t key, seq;
    bool deleted;
};

/* On the committer's thread. */
typedef void told_fn(void *arg, const struct told *t, const struct store_outcome *o);

struct flight {
    struct store *s;
    told_fn *tell;
    void *arg;
    _Atomic bool *stop; /* NULL: never */
    _Atomic int *flying;
    uint64_t random;
    struct told told;
    char keys[2][32];
    struct blob *value;
    struct store_op ops[2];
    struct store_term term;
    struct store_txn txn;
};

static inline uint64_t random_next(uint64_t *r)
{
    *r ^= *r << 13;
    *r ^= *r >> 7;
    *r ^= *r << 17;
    return *r;
}

static void fly(struct flight *f);

static void landed(void *arg, const struct store_outcome *o)
{
    struct flight *f = arg;
    f->told.rev = o->rev;
    const struct told told = f->told;
    f->tell(f->arg, &told, o);
    fly(f);
}

/* Writes or deletes two keys that belong together. The flights have keys of their own. */
static void fly(struct flight *f)
{
    blob_unref(f->value);
    f->value = NULL;
    if (f->stop && atomic_load(f->stop)) {
        atomic_fetch_sub(f->flying, 1);
        return;
    }
    f->told.seq++;
    f->told.key =
        (uint32_t)(random_next(&f->random) % KEYS / FLIGHTS * FLIGHTS + f->told.key % FLIGHTS);
    f->value = blob_alloc(16 + random_next(&f->random) % 6000);
    memset(f->value->data, 'x', f->value->len);
    snprintf(f->value->data, 16, "%u", f->told.seq);
    f->value->data[15] = 'x';
    snprintf(f->keys[0], sizeof(f->keys[0]), "/k/%u", f->told.key);
    snprintf(f->keys[1], sizeof(f->keys[1]), "/pair/%u", f->told.key);
    /* Only what exists is deleted, so that each transaction has a revision of its own. */
    f->told.deleted = random_next(&f->random) % 5 == 0 && get_code(f->s, f->keys[0], 0) == 0;
    f->term = (struct store_term){STR("i"), f->told.seq % 2 ? STR("odd") : STR("even")};
    for (int i = 0; i < 2; i++) {
        f->ops[i] = (struct store_op){.kind = f->told.deleted ? STORE_OP_DELETE : STORE_OP_PUT,
                                      .key = str_from(f->keys[i]),
                                      .value = f->value,
                                      .terms = &f->term,
                                      .n_terms = 1,
                                      .stamp = f->told.seq};
    }
    f->txn = (struct store_txn){.ops = f->ops, .n_ops = 2, .who = STR("victim")};
    store_submit(f->s, &f->txn, landed, f);
}

/* All of them, in the air; model has what they share. */
static inline struct flight *flights_start(struct flight model, uint64_t seed, uint32_t first_seq)
{
    struct flight *f = alloc_zero(FLIGHTS * sizeof(*f));
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        f[i] = model;
        f[i].random = seed * 7919 + i + 1;
        f[i].told = (struct told){.key = i, .seq = first_seq};
        fly(&f[i]);
    }
    return f;
}

/* ---- the one that looks afterwards ---- */

struct known {
    struct told last[KEYS];
    struct told *all;
    size_t n, cap;
    uint32_t seq;
};

static inline void learn(struct known *k, const struct told *t)
{
    if (k->n == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 1024;
        k->all = alloc_resize(k->all, k->cap * sizeof(*k->all));
    }
    k->all[k->n++] = *t;
    if (t->rev >= k->last[t->key].rev) {
        k->last[t->key] = *t;
    }
    k->seq = t->seq > k->seq ? t->seq : k->seq;
}

static inline uint32_t seq_of(const struct blob *b)
{
    return (uint32_t)strtoul(b->data, NULL, 10);
}

static inline void check_key(struct store *s, uint32_t key, struct told *last)
{
    char name[2][32];
    struct blob *b[2] = {NULL, NULL};
    struct store_entry e[2] = {{.rev = 0}, {.rev = 0}};
    for (int i = 0; i < 2; i++) {
        snprintf(name[i], sizeof(name[i]), i ? "/pair/%u" : "/k/%u", key);
        int code = store_get(s, str_from(name[i]), 0, &b[i], &e[i], NULL, NULL);
        assert_true(code == 0 || code == ERR_NOT_FOUND);
    }
    assert_int_equal(e[0].rev, e[1].rev);
    assert_true(str_eq(blob_str(b[0]), blob_str(b[1])));
    if (b[0] && e[0].rev == last->rev) {
        assert_int_equal(seq_of(b[0]), last->seq);
        assert_int_equal(e[0].stamp, last->seq);
        assert_false(last->deleted);
    } else if (b[0]) {
        assert_true(e[0].rev > last->rev);
    } else if (last->rev && !last->deleted) {
        /* A later deletion that nobody was told of. */
        assert_true(store_prefix_revision(s, str_from(name[0])) > last->rev);
    }
    /* What was committed without being told is known from now on. */
    last->rev = b[0] ? e[0].rev : store_revision(s);
    last->deleted = !b[0];
    last->seq = b[0] ? seq_of(b[0]) : 0;
    blob_unref(b[0]);
    blob_unref(b[1]);
}

struct history {
    int64_t rev;
    uint32_t next_sub;
    size_t i;
    const struct known *k;
    size_t found;
};

/* Revisions follow one another without gaps, and the told ones hold what was told. */
static inline int check_event(void *arg, const struct store_event *e)
{
    struct history *h = arg;
    if (e->rev != h->rev) {
        assert_int_equal(e->rev, h->rev + 1);
        assert_true(h->next_sub == 2 || h->next_sub == 0);
        h->next_sub = 0;
        h->rev = e->rev;
    }
    assert_int_equal(e->sub, h->next_sub++);
    assert_int_equal(!e->prev, !e->prev_rev);
    while (h->i < h->k->n && h->k->all[h->i].rev < e->rev) {
        h->i++;
    }
    const struct told *t = &h->k->all[h->i];
    if (h->i < h->k->n && t->rev == e->rev && (e->deleted || e->value)) {
        char name[32];
        snprintf(name, sizeof(name), e->sub ? "/pair/%u" : "/k/%u", t->key);
        assert_true(str_is(e->key, name));
        assert_int_equal(e->deleted, t->deleted);
        assert_true(e->deleted || seq_of(e->value) == t->seq);
        h->found++;
    }
    return 0;
}

static inline int told_cmp(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    return (x->rev > y->rev) - (x->rev < y->rev);
}

static inline int count_term(void *arg, const struct store_entry *e)
{
    (void)e;
    ++*(int64_t *)arg;
    return 0;
}

static inline void check_store(struct store *s, struct known *k)
{
    int64_t odd = 0, even = 0, keys = 0, at;
    for (uint32_t i = 0; i < KEYS; i++) {
        check_key(s, i, &k->last[i]);
    }
    if (k->n) {
        qsort(k->all, k->n, sizeof(*k->all), told_cmp);
        assert_true(store_revision(s) >= k->all[k->n - 1].rev);
    }
    struct history h = {.rev = store_floor(s) > 1 ? store_floor(s) : 1, .k = k};
    assert_int_equal(store_changes(s, STR_NULL, store_floor(s), 0, check_event, &h, &at, NULL), 0);
    assert_int_equal(h.rev, store_revision(s));
    struct store_range r = {.prefix = STR("/k/"), .index = STR("i"), .term = STR("odd")};
    assert_int_equal(store_range(s, &r, count_term, &odd, &at, NULL, NULL), 0);
    r.term = STR("even");
    assert_int_equal(store_range(s, &r, count_term, &even, &at, NULL, NULL), 0);
    assert_int_equal(store_count(s, &(struct store_range){.prefix = STR("/k/")}, &keys, NULL), 0);
    if (store_index_ready(s, STR("i"))) {
        assert_int_equal(odd + even, keys);
    }
    struct store_stats st;
    store_stats(s, &st);
    assert_int_equal(st.keys, 2 * keys);
}

#endif
