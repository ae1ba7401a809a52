/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's contract tests share: a store in a directory of its own, and short forms of its
 * calls. */
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "etcd.h"
#include "storage/store.h"

struct engine {
    const char *name;
    int (*open)(const struct store_options *o, struct store **ret,
                struct err *err); /* NULL: etcd */
    bool durable;
    /* Several transactions may be under way at once, in any order, unless options.batch_max is 1;
     * what only this process knew (stamps, terms, authors, index definitions) goes when it is
     * closed. */
    bool distributed;
};

static const struct engine engine_memory = {"memory", store_open_memory, false, false};
static const struct engine engine_sqlite = {"sqlite", store_open_sqlite, true, false};
static const struct engine engine_etcd = {"etcd", NULL, true, true};

enum { FIXTURE_EVENTS = 4096 };

struct fixture {
    const struct engine *engine;
    struct store_options options;
    struct store *s;
    struct etcd_server etcd;
    char dir[64], copy[80];
};

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void remove_tree(const char *dir)
{
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void make_dir_in(const char *place, char dir[64])
{
    snprintf(dir, 64, "%s/coracle-store-XXXXXX", place);
    assert_non_null(mkdtemp(dir));
}

static inline void make_dir(char dir[64])
{
    make_dir_in("/tmp", dir);
}

static inline int open_etcd(struct fixture *f, struct err *err)
{
    const struct store_etcd e = {.urls = f->etcd.url, .prefix = "/t/"};
    return store_open_etcd(&f->options, &e, &f->s, err);
}

static inline void fixture_open(struct fixture *f)
{
    struct err err = {0};
    if (f->engine->open ? f->engine->open(&f->options, &f->s, &err) : open_etcd(f, &err)) {
        fail_msg("open: %s", err_message(&err));
    }
}

static inline void fixture_init(struct fixture *f, const struct engine *engine)
{
    *f = (struct fixture){.engine = engine, .options.window_ms = -1};
    make_dir_in(engine->distributed ? etcd_place() : "/tmp", f->dir);
    f->options.dir = f->dir;
    if (engine->distributed) {
        /* What an etcd that is set up for it takes: the contract's own limits are tested. */
        f->etcd = (struct etcd_server){
            .args = {"--max-txn-ops", "70000", "--max-request-bytes", "33554432"}};
        snprintf(f->etcd.dir, sizeof(f->etcd.dir), "%s/etcd", f->dir);
        snprintf(f->copy, sizeof(f->copy), "%s/copy", f->dir);
        f->options.dir = f->copy;
        etcd_start(&f->etcd);
    }
}

static inline void fixture_finish(struct fixture *f)
{
    store_close(f->s);
    etcd_stop(&f->etcd);
    remove_tree(f->dir);
}

static inline void fixture_reopen(struct fixture *f)
{
    store_close(f->s);
    fixture_open(f);
}

/* Has transactions run in the order in which they are submitted. */
static inline void fixture_in_order(struct fixture *f)
{
    if (f->engine->distributed) {
        f->options.batch_max = 1;
        fixture_reopen(f);
    }
}

/* Setup and teardown of a test whose initial state is an engine; its state is a fixture. */
static inline int fixture_setup(void **state)
{
    struct fixture *f = ALLOC(struct fixture);
    fixture_init(f, *state);
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    fixture_finish(*state);
    free(*state);
    return 0;
}

#define CONTRACT_TEST(f)                                                                           \
    {                                                                                              \
        #f, f, fixture_setup, fixture_teardown, NULL                                               \
    }

/* Runs the tests on every engine; the number of failures. */
static inline int run_contract(const struct CMUnitTest *tests, size_t n)
{
    static const struct engine *const engines[] = {&engine_memory, &engine_sqlite, &engine_etcd};
    AUTO_FREE struct CMUnitTest *group = alloc_bytes(n * sizeof(*group));
    const char *only = getenv("CORACLE_CONTRACT_ENGINE");
    int failed = 0;
    for (size_t e = 0; e < 3; e++) {
        if (only && strcmp(only, engines[e]->name) != 0) {
            continue;
        }
        if (engines[e]->distributed && !etcd_binary()) {
            print_message("etcd is not installed: its contract tests are skipped\n");
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            group[i] = tests[i];
            group[i].initial_state = (void *)(uintptr_t)engines[e];
        }
        failed += _cmocka_run_group_tests(engines[e]->name, group, n, NULL, NULL);
    }
    return failed;
}

/* ---- short forms ---- */

static inline struct store_op op_put(const char *key, struct blob *value)
{
    return (struct store_op){.kind = STORE_OP_PUT, .key = str_from(key), .value = value};
}

static inline struct store_op op_delete(const char *key)
{
    return (struct store_op){.kind = STORE_OP_DELETE, .key = str_from(key)};
}

static inline struct store_cmp cmp_rev(const char *key, int64_t rev)
{
    return (struct store_cmp){.kind = STORE_CMP_REV, .key = str_from(key), .rev = rev};
}

/* Submits and waits; the outcome's code. */
static inline int submit(struct store *s, const struct store_cmp *cmps, size_t n_cmps,
                         const struct store_op *ops, size_t n_ops, struct store_outcome *ret)
{
    struct store_txn t = {
        .cmps = cmps, .n_cmps = n_cmps, .ops = ops, .n_ops = n_ops, .who = STR("tester")};
    return store_submit_wait(s, &t, ret, NULL);
}

static inline int64_t put_str(struct store *s, struct str key, struct str value)
{
    AUTO(blob_unrefp) struct blob *b = blob_create(value);
    struct store_op op = {.kind = STORE_OP_PUT, .key = key, .value = b, .stamp = 42};
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, &op, 1, &o), 0);
    return o.rev;
}

/* Returns the revision. */
static inline int64_t put(struct store *s, const char *key, const char *value)
{
    return put_str(s, str_from(key), str_from(value));
}

static inline int64_t del(struct store *s, const char *key)
{
    struct store_op op = op_delete(key);
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, &op, 1, &o), 0);
    return o.rev;
}

/* The code; on success the value is compared. */
static inline void assert_get(struct store *s, const char *key, int64_t at, const char *value)
{
    AUTO(blob_unrefp) struct blob *b = NULL;
    struct store_entry e;
    assert_int_equal(store_get(s, str_from(key), at, &b, &e, NULL, NULL), 0);
    assert_string_equal(b->data, value);
    assert_int_equal(b->len, strlen(value));
}

static inline int get_code(struct store *s, const char *key, int64_t at)
{
    AUTO(blob_unrefp) struct blob *b = NULL;
    struct store_entry e;
    return store_get(s, str_from(key), at, &b, &e, NULL, NULL);
}

/* ---- visitors that write what they see as text ---- */

struct seen {
    char text[4096];
    size_t n;
    size_t stop_at; /* the visitor's answer to this entry (from 1) is stop_code */
    int stop_code;
};

static inline void seen_add(struct seen *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline void seen_add(struct seen *w, const char *fmt, ...)
{
    size_t len = strlen(w->text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text + len, sizeof(w->text) - len, fmt, ap);
    va_end(ap);
}

static inline int seen_answer(struct seen *w)
{
    return ++w->n == w->stop_at ? w->stop_code : 0;
}

/* "key=value " */
static inline int see_entry(void *arg, const struct store_entry *e)
{
    struct seen *w = arg;
    seen_add(w, "%.*s=%.*s ", STR_FMT(e->key), STR_FMT(e->value));
    return seen_answer(w);
}

/* "rev.sub key old>new " with "-" for what is not there */
static inline int see_event(void *arg, const struct store_event *e)
{
    struct seen *w = arg;
    seen_add(w, "%lld.%u %.*s %s>%s ", (long long)e->rev, e->sub, STR_FMT(e->key),
             e->prev ? e->prev->data : "-", e->value ? e->value->data : "-");
    return seen_answer(w);
}

static inline void assert_range(struct store *s, const struct store_range *r, const char *want)
{
    struct seen w = {0};
    int64_t at = -1;
    assert_int_equal(store_range(s, r, see_entry, &w, &at, NULL, NULL), 0);
    assert_string_equal(w.text, want);
    int64_t n = -1;
    if (!r->limit) {
        assert_int_equal(store_count(s, r, &n, NULL), 0);
        assert_int_equal(n, w.n);
    }
}

/* What store_changes visits, as text. */
static inline void check_changes(struct store *s, const char *prefix, int64_t from, size_t limit,
                                 size_t stop_at, int stop_code, const char *want, int64_t want_to)
{
    struct seen w = {.stop_at = stop_at, .stop_code = stop_code};
    int64_t to = -1;
    assert_int_equal(store_changes(s, str_from(prefix), from, limit, see_event, &w, &to, NULL), 0);
    assert_string_equal(w.text, want);
    assert_int_equal(to, want_to);
}

#endif
