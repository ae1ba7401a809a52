/* SPDX-License-Identifier: Apache-2.0 */
/* A process that writes to the sqlite engine is killed at a random moment, again and again on the
 * same store; what it was told had been committed must be there, whole. CORACLE_CRASH_ROUNDS sets
 * how often. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "contract.h"

enum { FLIGHTS = 24, KEYS = 8 * FLIGHTS };

static const struct engine sqlite_engine = {"sqlite", store_open_sqlite, true};

/* ---- the process that dies ---- */

/* What it tells over the pipe once a transaction is answered. */
struct told {
    int64_t rev;
    uint32_t key, seq;
    bool deleted;
};

struct flight {
    struct store *s;
    int fd;
    uint64_t random;
    struct told told;
    char keys[2][32];
    struct blob *value;
    struct store_op ops[2];
    struct store_term term;
    struct store_txn txn;
};

static uint64_t random_next(uint64_t *r)
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
    if (o->code) {
        fprintf(stderr, "write: %d %s\n", o->code, o->text ? o->text : "");
        _exit(1);
    }
    f->told.rev = o->rev;
    const struct told told = f->told;
    if (write(f->fd, &told, sizeof(told)) != sizeof(told)) {
        _exit(1);
    }
    fly(f);
}

/* Writes or deletes two keys that belong together. The flights have keys of their own. */
static void fly(struct flight *f)
{
    f->told.seq++;
    f->told.key =
        (uint32_t)(random_next(&f->random) % KEYS / FLIGHTS * FLIGHTS + f->told.key % FLIGHTS);
    blob_unref(f->value);
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

static void victim(const struct store_options *o, int fd, uint64_t seed, uint32_t first_seq)
{
    struct store *s;
    struct err err = {0};
    if (store_open_sqlite(o, &s, &err) || store_index_define(s, STR("i"), STR("/k/"), 1, &err)) {
        fprintf(stderr, "open: %s\n", err_message(&err));
        _exit(1);
    }
    struct flight *f = alloc_zero(FLIGHTS * sizeof(*f));
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        f[i] = (struct flight){
            .s = s, .fd = fd, .random = seed * 7919 + i + 1, .told = {.key = i, .seq = first_seq}};
        fly(&f[i]);
    }
    for (;;) {
        usleep(3000);
        store_compact(s, store_revision(s) - 300, NULL);
    }
}

/* ---- the one that looks afterwards ---- */

struct known {
    struct told last[KEYS];
    struct told *all;
    size_t n, cap;
    uint32_t seq;
};

static void learn(struct known *k, const struct told *t)
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

/* Reads for so long, kills, and reads what is left. */
static void listen_and_kill(struct known *k, pid_t pid, int fd, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    bool alive = true;
    struct told t;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (alive && (clock_mono_ms() >= until || poll(&p, 1, 1) < 0)) {
            kill(pid, SIGKILL);
            alive = false;
        }
        if (alive && !(p.revents & (POLLIN | POLLHUP))) {
            continue;
        }
        if (read(fd, &t, sizeof(t)) != sizeof(t)) {
            break;
        }
        learn(k, &t);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static uint32_t seq_of(const struct blob *b)
{
    return (uint32_t)strtoul(b->data, NULL, 10);
}

static void check_key(struct store *s, uint32_t key, struct told *last)
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
static int check_event(void *arg, const struct store_event *e)
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

static int told_cmp(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    return (x->rev > y->rev) - (x->rev < y->rev);
}

static int count_term(void *arg, const struct store_entry *e)
{
    (void)e;
    ++*(int64_t *)arg;
    return 0;
}

static void check_store(struct store *s, struct known *k)
{
    int64_t odd = 0, even = 0, keys = 0, at;
    for (uint32_t i = 0; i < KEYS; i++) {
        check_key(s, i, &k->last[i]);
    }
    qsort(k->all, k->n, sizeof(*k->all), told_cmp);
    if (k->n) {
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
    assert_int_equal(odd + even, keys);
    struct store_stats st;
    store_stats(s, &st);
    assert_int_equal(st.keys, 2 * keys);
}

static void killed_again_and_again(void **state)
{
    (void)state;
    struct fixture f;
    struct known k = {.seq = 0};
    const char *env = getenv("CORACLE_CRASH_ROUNDS");
    int rounds = env ? (int)strtol(env, NULL, 10) : 10;
    uint64_t random = (uint64_t)clock_wall_us() | 1;
    fixture_init(&f, &sqlite_engine);
    for (int i = 0; i < rounds; i++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            victim(&f.options, fds[1], random, k.seq + 1);
        }
        close(fds[1]);
        listen_and_kill(&k, pid, fds[0], 30 + (int64_t)(random_next(&random) % 300));
        close(fds[0]);
        fixture_open(&f);
        check_store(f.s, &k);
        if (random_next(&random) % 2) {
            put(f.s, "/between", "x");
            del(f.s, "/between");
            struct store_op both[] = {op_delete("/x"), op_delete("/y")};
            submit(f.s, NULL, 0, both, 2, NULL);
            assert_int_equal(store_compact(f.s, store_revision(f.s), NULL), 0);
        }
        store_close(f.s);
        f.s = NULL;
    }
    assert_true(k.n > (size_t)rounds);
    free(k.all);
    fixture_finish(&f);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_again_and_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
