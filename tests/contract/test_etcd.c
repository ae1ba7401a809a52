/* SPDX-License-Identifier: Apache-2.0 */
/* The etcd engine where etcd fails, where others write, and beyond etcd's own limits.
 * CORACLE_ETCD_ROUNDS: how often etcd is killed under writes. */
#include <pthread.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/httpc.h"
#include "base/limits.h"
#include "contract.h"

enum { WRITERS = 4, ROUNDS = 3 };

/* ---- another program at etcd ---- */

static struct httpc *client(void)
{
    struct httpc *h = NULL;
    assert_int_equal(httpc_create(&(struct httpc_options){0}, &h, NULL), 0);
    return h;
}

static int post(struct httpc *h, const struct etcd_server *e, const char *path, struct str body)
{
    AUTO(buf_finish) struct buf answer = {0};
    AUTO_FREE char *url = alloc_printf("%s%s", e->url, path);
    const struct httpc_request r = {.method = "POST", .url = url, .body = body, .timeout_ms = 5000};
    return httpc_wait(h, &r, &answer, NULL);
}

static void await_etcd(struct httpc *h, const struct etcd_server *e)
{
    int status = 0;
    for (int i = 0; i < 2400 && status != 200; i++) {
        usleep(25000);
        status = post(h, e, "/v3/maintenance/status", STR("{}"));
    }
    assert_int_equal(status, 200);
}

static void foreign_put(struct httpc *h, const struct etcd_server *e, const char *key,
                        const char *value)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{\"key\":\"");
    crypto_base64(&b, str_from(key));
    buf_addz(&b, "\",\"value\":\"");
    crypto_base64(&b, str_from(value));
    buf_addz(&b, "\"}");
    assert_int_equal(post(h, e, "/v3/kv/put", buf_str(&b)), 200);
}

static void foreign_delete(struct httpc *h, const struct etcd_server *e, const char *key)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{\"key\":\"");
    crypto_base64(&b, str_from(key));
    buf_addz(&b, "\"}");
    assert_int_equal(post(h, e, "/v3/kv/deleterange", buf_str(&b)), 200);
}

/* ---- waiting ---- */

struct answer {
    _Atomic int code; /* 1: none yet */
    _Atomic int64_t rev;
};

static void answered(void *arg, const struct store_outcome *o)
{
    struct answer *a = arg;
    atomic_store(&a->rev, o->rev);
    atomic_store(&a->code, o->code);
}

static int sync_code(struct store *s)
{
    struct answer a = {.code = 1};
    store_sync(s, answered, &a);
    for (int i = 0; i < 60000 && atomic_load(&a.code) == 1; i++) {
        usleep(1000);
    }
    return atomic_load(&a.code);
}

/* ---- a journal of events: each once, in order, none missing ---- */

enum { KEYS = 16, SEEN = 1 << 16 };

struct journal {
    pthread_mutex_t lock;
    int64_t rev;        /* of the last event */
    int64_t last[KEYS]; /* of each key */
    long values[KEYS];
    size_t n, wrong;
    bool gaps; /* revisions of a key may have been missed */
};

static void journal_event(struct journal *j, const struct store_event *e)
{
    int k = e->key.ptr[e->key.len - 1] - 'a';
    bool order = e->rev > j->rev || (e->rev == j->rev && e->sub > 0);
    bool chain = j->gaps || e->prev_rev == j->last[k];
    j->wrong += !order || !chain || e->prev_rev >= e->rev;
    j->rev = e->rev;
    j->last[k] = e->deleted ? 0 : e->rev;
    j->values[k] = e->value ? strtol(e->value->data, NULL, 10) : 0;
    j->n++;
}

static void journal_commit(void *arg, const struct store_event *events, size_t n, int64_t rev)
{
    struct journal *j = arg;
    (void)rev;
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < n; i++) {
        journal_event(j, &events[i]);
    }
    pthread_mutex_unlock(&j->lock);
}

/* ---- etcd is killed under writes ---- */

struct writer {
    struct store *s;
    char key[8];
    _Atomic bool stop;
    long acked;        /* the highest value that was acknowledged */
    int64_t acked_rev; /* with this revision */
    long unknown, unavailable, other;
    pthread_t thread;
};

/* Counts up. What an error leaves open is read again before the next step. */
static void step(struct writer *w)
{
    AUTO(blob_unrefp) struct blob *old = NULL;
    struct store_entry e = {0};
    int code = store_get(w->s, str_from(w->key), 0, &old, &e, NULL, NULL);
    long value = code ? 0 : strtol(old->data, NULL, 10);
    char text[32];
    snprintf(text, sizeof(text), "%ld", value + 1);
    AUTO(blob_unrefp) struct blob *b = blob_create(str_from(text));
    struct store_cmp c = cmp_rev(w->key, e.rev);
    struct store_op op = op_put(w->key, b);
    struct store_outcome o;
    code = submit(w->s, &c, 1, &op, 1, &o);
    if (!code) {
        /* Nobody else writes the key: a value cannot be acknowledged twice, nor one be skipped. */
        w->other += value + 1 <= w->acked || o.rev <= w->acked_rev;
        w->acked = value + 1;
        w->acked_rev = o.rev;
    }
    w->unknown += code == ERR_TIMEOUT;
    w->unavailable += code == ERR_UNAVAILABLE;
    w->other += code && code != ERR_TIMEOUT && code != ERR_UNAVAILABLE && code != ERR_CONFLICT;
    if (code) {
        usleep(20000);
    }
}

static void *write_on(void *arg)
{
    struct writer *w = arg;
    while (!atomic_load(&w->stop)) {
        step(w);
    }
    return NULL;
}

static void check_writer(struct store *s, struct journal *j, const struct writer *w)
{
    AUTO(blob_unrefp) struct blob *b = NULL;
    struct store_entry e;
    assert_int_equal(w->other, 0);
    assert_int_equal(store_get(s, str_from(w->key), 0, &b, &e, NULL, NULL), 0);
    assert_true(strtol(b->data, NULL, 10) >= w->acked);
    assert_true(e.rev >= w->acked_rev);
    assert_int_equal(j->values[w->key[1] - 'a'], strtol(b->data, NULL, 10));
}

static void killed_under_writes(void **state)
{
    struct fixture *f = *state;
    struct httpc *h = client();
    AUTO_FREE struct journal *j = ALLOC(struct journal);
    struct writer writers[WRITERS] = {{0}};
    const char *rounds = getenv("CORACLE_ETCD_ROUNDS");
    pthread_mutex_init(&j->lock, NULL);
    store_on_commit(f->s, journal_commit, j);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].s = f->s;
        snprintf(writers[i].key, sizeof(writers[i].key), "/%c", (char)('a' + i));
        pthread_create(&writers[i].thread, NULL, write_on, &writers[i]);
    }
    for (size_t i = rounds ? strtoul(rounds, NULL, 10) : ROUNDS; i; i--) {
        usleep(200000 + (useconds_t)(i * 7919 % 97) * 1000);
        etcd_stop(&f->etcd);
        usleep(i % 2 ? 5000 : 300000);
        assert_int_equal(store_floor(f->s), 0);
        etcd_start(&f->etcd);
        await_etcd(h, &f->etcd);
    }
    int64_t enough = store_revision(f->s) + 50;
    for (int i = 0; i < 60000 && store_revision(f->s) < enough; i++) {
        usleep(1000);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        atomic_store(&writers[i].stop, true);
        pthread_join(writers[i].thread, NULL);
    }
    assert_int_equal(sync_code(f->s), 0);
    assert_int_equal(store_writable(f->s, NULL), 0);
    long unknown = 0, total = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        check_writer(f->s, j, &writers[i]);
        unknown += writers[i].unknown;
        total += writers[i].acked;
    }
    assert_int_equal(j->wrong, 0);
    assert_true(total > 20);
    print_message("%ld writes, %zu events, %ld outcomes not known\n", total, j->n, unknown);
    /* What is there is what a new copy finds. */
    store_close(f->s);
    fixture_open(f);
    for (size_t i = 0; i < WRITERS; i++) {
        check_writer(f->s, j, &writers[i]);
    }
    httpc_destroy(h);
}

/* ---- etcd is away, or stands still ---- */

static void away(void **state)
{
    struct fixture *f = *state;
    struct store_outcome o;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    struct store_op op = op_put("/a", b);
    struct httpc *h = client();
    struct err err = {0};
    put(f->s, "/a", "1");
    etcd_stop(&f->etcd);
    int64_t begun = clock_mono_ms();
    assert_int_equal(submit(f->s, NULL, 0, &op, 1, &o), ERR_UNAVAILABLE);
    assert_true(clock_mono_ms() - begun < LIMIT_ETCD_TXN_MS);
    assert_int_equal(store_writable(f->s, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err_message(&err), "onnect"));
    err_finish(&err);
    assert_int_equal(sync_code(f->s), ERR_UNAVAILABLE);
    assert_get(f->s, "/a", 0, "1");
    etcd_start(&f->etcd);
    await_etcd(h, &f->etcd);
    int code = ERR_UNAVAILABLE; /* as long as a connection of before is tried first */
    begun = clock_mono_ms();
    while (code == ERR_UNAVAILABLE && clock_mono_ms() - begun < 60000) {
        code = submit(f->s, NULL, 0, &op, 1, &o);
        usleep(code ? 20000 : 0);
    }
    assert_int_equal(code, 0);
    assert_int_equal(store_revision(f->s), o.rev);
    assert_int_equal(store_writable(f->s, NULL), 0);
    assert_get(f->s, "/a", 0, "x");
    httpc_destroy(h);
}

/* The outcome of what is under way is not known, and the error says so; whatever it was, each event
 * is seen once. */
static void stands_still(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE struct journal *j = ALLOC(struct journal);
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("2"));
    pthread_mutex_init(&j->lock, NULL);
    store_on_commit(f->s, journal_commit, j);
    int64_t first = put(f->s, "/a", "1");
    put(f->s, "/b", "1");
    struct store_op guarded = op_put("/a", b), plain = op_put("/b", b);
    struct store_cmp c = cmp_rev("/a", first);
    struct store_txn t1 = {.cmps = &c, .n_cmps = 1, .ops = &guarded, .n_ops = 1};
    struct store_txn t2 = {.ops = &plain, .n_ops = 1};
    struct answer a1 = {.code = 1}, a2 = {.code = 1};
    int64_t begun = clock_mono_ms();
    etcd_pause(&f->etcd);
    store_submit(f->s, &t1, answered, &a1);
    store_submit(f->s, &t2, answered, &a2);
    assert_get(f->s, "/a", 0, "1");
    assert_int_equal(sync_code(f->s), ERR_TIMEOUT);
    while ((atomic_load(&a1.code) == 1 || atomic_load(&a2.code) == 1) &&
           clock_mono_ms() - begun < LIMIT_ETCD_TXN_MS + 50000) {
        usleep(10000);
    }
    assert_int_equal(atomic_load(&a1.code), ERR_TIMEOUT);
    assert_int_equal(atomic_load(&a2.code), ERR_TIMEOUT);
    kill(f->etcd.pid, SIGCONT);
    int code = ERR_TIMEOUT;
    begun = clock_mono_ms();
    while (code && clock_mono_ms() - begun < 60000) {
        usleep(20000);
        code = sync_code(f->s);
    }
    assert_int_equal(code, 0);
    usleep(300000);
    assert_int_equal(sync_code(f->s), 0);
    put(f->s, "/c", "3");
    pthread_mutex_lock(&j->lock);
    assert_int_equal(j->wrong, 0);
    for (size_t k = 0; k < 2; k++) {
        assert_true(j->values[k] == 1 || j->values[k] == 2);
        assert_get(f->s, k ? "/b" : "/a", 0, j->values[k] == 1 ? "1" : "2");
    }
    pthread_mutex_unlock(&j->lock);
}

static void a_short_stop_is_waited_for(void **state)
{
    struct fixture *f = *state;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("2"));
    struct store_op op = op_put("/a", b);
    struct store_txn t = {.ops = &op, .n_ops = 1};
    struct answer a = {.code = 1};
    etcd_pause(&f->etcd);
    store_submit(f->s, &t, answered, &a);
    usleep(1500000);
    assert_int_equal(atomic_load(&a.code), 1);
    kill(f->etcd.pid, SIGCONT);
    for (int i = 0; i < 60000 && atomic_load(&a.code) == 1; i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(&a.code), 0);
    assert_int_equal(store_revision(f->s), atomic_load(&a.rev));
}

/* ---- history that goes before it was seen ---- */

static void compacted_behind_its_back(void **state)
{
    struct fixture *f = *state;
    struct httpc *h = client();
    AUTO_FREE struct journal *j = ALLOC(struct journal);
    pthread_mutex_init(&j->lock, NULL);
    j->gaps = true;
    store_on_commit(f->s, journal_commit, j);
    put(f->s, "/a", "1");
    put(f->s, "/b", "1");
    put(f->s, "/c", "1");
    int64_t before = put(f->s, "/d", "1");
    /* The same data at another address: the store does not see what is done there. */
    int port = f->etcd.port;
    etcd_stop(&f->etcd);
    f->etcd.port = 0;
    etcd_start(&f->etcd);
    await_etcd(h, &f->etcd);
    for (int i = 2; i < 50; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        foreign_put(h, &f->etcd, "/t//a", text);
    }
    foreign_delete(h, &f->etcd, "/t//b");
    foreign_delete(h, &f->etcd, "/t//c");
    foreign_put(h, &f->etcd, "/t//c", "7");
    foreign_put(h, &f->etcd, "/t//e", "8");
    foreign_put(h, &f->etcd, "/elsewhere", "9");
    char body[64];
    snprintf(body, sizeof(body), "{\"revision\":\"%lld\"}", (long long)before + 52);
    assert_int_equal(post(h, &f->etcd, "/v3/kv/compaction", str_from(body)), 200);
    etcd_stop(&f->etcd);
    f->etcd.port = port;
    etcd_start(&f->etcd);
    await_etcd(h, &f->etcd);
    for (int i = 0; i < 60000 && store_revision(f->s) < before + 52; i++) {
        usleep(1000);
    }
    assert_int_equal(sync_code(f->s), 0);
    assert_range(f->s, &(struct store_range){0}, "/a=49 /c=7 /d=1 /e=8 ");
    pthread_mutex_lock(&j->lock);
    assert_int_equal(j->wrong, 0);
    assert_int_equal(j->n, 4 + 1 + 1 + 2 + 1); /* a; b gone; c gone and there again; e */
    assert_int_equal(j->values[0], 49);
    assert_int_equal(j->values[1], 0);
    assert_int_equal(j->values[2], 7);
    pthread_mutex_unlock(&j->lock);
    /* What lies between was not seen, and nobody is told otherwise. */
    assert_true(store_floor(f->s) > before);
    assert_int_equal(get_code(f->s, "/a", before + 3), ERR_EXPIRED);
    int64_t now = put(f->s, "/f", "1");
    assert_int_equal(store_revision(f->s), now);
    httpc_destroy(h);
}

/* ---- others ---- */

static void terms_of_a(void *arg, struct str key, struct str value, store_add_term_fn *add,
                       void *to)
{
    (void)arg;
    (void)key;
    add(to, &(struct store_term){STR("i"), value});
}

static void others_write(void **state)
{
    struct fixture *f = *state;
    struct httpc *h = client();
    struct blob *b = NULL;
    struct store_entry e;
    store_on_terms(f->s, terms_of_a, NULL);
    assert_int_equal(store_index_define(f->s, STR("i"), STR("/p/"), 1, NULL), 0);
    put(f->s, "/p/1", "own");
    foreign_put(h, &f->etcd, "/t//p/2", "red");
    foreign_put(h, &f->etcd, "/t//p/3", "blue");
    foreign_put(h, &f->etcd, "/u/elsewhere", "red");
    assert_int_equal(sync_code(f->s), 0);
    assert_range(f->s, &(struct store_range){.prefix = STR("/p/")}, "/p/1=own /p/2=red /p/3=blue ");
    assert_range(f->s,
                 &(struct store_range){.prefix = STR("/p/"), .index = STR("i"), .term = STR("red")},
                 "/p/2=red ");
    assert_int_equal(store_get(f->s, STR("/p/2"), 0, &b, &e, NULL, NULL), 0);
    assert_int_equal(e.stamp, 0);
    blob_unref(b);
    assert_int_equal(store_get(f->s, STR("/p/1"), 0, &b, &e, NULL, NULL), 0);
    assert_int_equal(e.stamp, 42);
    blob_unref(b);
    httpc_destroy(h);
}

struct counting {
    struct store *s;
    _Atomic int *left;
    pthread_t thread;
};

static void *count_up(void *arg)
{
    struct counting *c = arg;
    while (atomic_fetch_sub(c->left, 1) > 0) {
        int code;
        do {
            AUTO(blob_unrefp) struct blob *old = NULL;
            struct store_entry e = {0};
            long value = store_get(c->s, STR("/n"), 0, &old, &e, NULL, NULL)
                             ? 0
                             : strtol(old->data, NULL, 10);
            char text[32];
            snprintf(text, sizeof(text), "%ld", value + 1);
            AUTO(blob_unrefp) struct blob *b = blob_create(str_from(text));
            struct store_cmp k = cmp_rev("/n", e.rev);
            struct store_op op = op_put("/n", b);
            code = submit(c->s, &k, 1, &op, 1, NULL);
        } while (code == ERR_CONFLICT);
        assert_int_equal(code, 0);
    }
    return NULL;
}

/* Two servers on one etcd: no increment is lost, and what one acknowledged the other shows after a
 * barrier. */
static void two_servers(void **state)
{
    struct fixture *f = *state;
    struct store *both[2] = {f->s, NULL};
    AUTO_FREE char *dir = alloc_printf("%s/second", f->dir);
    const struct store_options o = {.dir = dir, .window_ms = -1};
    const struct store_etcd e = {.urls = f->etcd.url, .prefix = "/t/"};
    assert_int_equal(store_open_etcd(&o, &e, &both[1], NULL), 0);
    _Atomic int left = 100;
    struct counting c[4];
    for (size_t i = 0; i < 4; i++) {
        c[i] = (struct counting){.s = both[i % 2], .left = &left};
        pthread_create(&c[i].thread, NULL, count_up, &c[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(c[i].thread, NULL);
    }
    assert_int_equal(sync_code(both[0]), 0);
    assert_int_equal(sync_code(both[1]), 0);
    assert_get(both[0], "/n", 0, "100");
    assert_get(both[1], "/n", 0, "100");
    for (int i = 0; i < 50; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        put(both[i % 2], "/m", text);
        assert_int_equal(sync_code(both[(i + 1) % 2]), 0);
        assert_get(both[(i + 1) % 2], "/m", 0, text);
    }
    store_close(both[1]);
}

/* ---- limits and bad settings ---- */

static void beyond_etcds_limits(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    etcd_stop(&f->etcd);
    f->etcd.args[0] = NULL; /* as it comes */
    etcd_start(&f->etcd);
    fixture_open(f);
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    AUTO(blob_unrefp) struct blob *big = blob_alloc(3 << 20);
    memset(big->data, 'x', big->len);
    static struct store_op ops[129];
    static char keys[129][16];
    for (size_t i = 0; i < 129; i++) {
        snprintf(keys[i], sizeof(keys[i]), "/m/%03zu", i);
        ops[i] = op_put(keys[i], b);
    }
    struct store_outcome o;
    assert_int_equal(submit(f->s, NULL, 0, ops, 129, &o), ERR_TOO_LARGE);
    assert_int_equal(submit(f->s, NULL, 0, ops, 128, &o), 0);
    ops[0].value = big;
    assert_int_equal(submit(f->s, NULL, 0, ops, 1, &o), ERR_TOO_LARGE);
    /* What one write is too large for is no trouble of the store's. */
    assert_int_equal(store_writable(f->s, NULL), 0);
    /* More keys than are compared one by one: what is created or replaced is still seen. */
    int64_t now = store_revision(f->s);
    struct store_cmp c = {.kind = STORE_CMP_UNCHANGED, .key = STR("/m/"), .rev = now};
    ops[1].key = STR("/other");
    assert_int_equal(submit(f->s, &c, 1, &ops[1], 1, &o), 0);
    put(f->s, "/m/000", "changed");
    assert_int_equal(submit(f->s, &c, 1, &ops[1], 1, &o), ERR_CONFLICT);
    c.rev = store_revision(f->s);
    del(f->s, "/m/000");
    assert_int_equal(submit(f->s, &c, 1, &ops[1], 1, &o), ERR_CONFLICT);
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    char dir[64];
    struct store *s = NULL;
    struct err err = {0};
    make_dir(dir);
    const struct store_options o = {.dir = dir};
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", etcd_free_port());
    struct store_etcd e = {.urls = url, .prefix = "/t/", .wait_ms = 100};
    assert_int_equal(store_open_etcd(&o, &e, &s, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err_message(&err), url));
    e.urls = "127.0.0.1:2379";
    assert_int_equal(store_open_etcd(&o, &e, &s, &err), ERR_BAD_REQUEST);
    e.urls = "";
    assert_int_equal(store_open_etcd(&o, &e, &s, &err), ERR_BAD_REQUEST);
    e.urls = url;
    e.prefix = "";
    assert_int_equal(store_open_etcd(&o, &e, &s, &err), ERR_BAD_REQUEST);
    assert_null(s);
    err_finish(&err);
    remove_tree(dir);
}

/* ---- many ---- */

static void a_restart_with_many_keys(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 6000 };
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("{\"some\":\"value\"}"));
    AUTO_FREE struct store_op *ops = alloc_zero(MANY * sizeof(*ops));
    AUTO_FREE char *keys = alloc_zero(MANY * 16);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(keys + i * 16, 16, "/k/%06zu", i);
        ops[i] = op_put(keys + i * 16, b);
    }
    assert_int_equal(submit(f->s, NULL, 0, ops, MANY, NULL), 0);
    int64_t rev = put(f->s, "/k/000001", "last");
    fixture_reopen(f);
    int64_t n = 0;
    assert_true(store_revision(f->s) >= rev);
    assert_int_equal(store_count(f->s, &(struct store_range){0}, &n, NULL), 0);
    assert_int_equal(n, MANY);
    assert_get(f->s, "/k/000001", 0, "last");
    assert_get(f->s, "/k/005999", 0, "{\"some\":\"value\"}");
}

#define ETCD_TEST(f)                                                                               \
    {                                                                                              \
        #f, f, fixture_setup, fixture_teardown, (void *)(uintptr_t)&engine_etcd                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_opened),
        ETCD_TEST(killed_under_writes),
        ETCD_TEST(away),
        ETCD_TEST(stands_still),
        ETCD_TEST(a_short_stop_is_waited_for),
        ETCD_TEST(compacted_behind_its_back),
        ETCD_TEST(others_write),
        ETCD_TEST(two_servers),
        ETCD_TEST(beyond_etcds_limits),
        ETCD_TEST(a_restart_with_many_keys),
    };
    if (!etcd_binary()) {
        print_message("etcd is not installed: its fault tests are skipped\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
