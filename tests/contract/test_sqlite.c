/* SPDX-License-Identifier: Apache-2.0 */
/* What only the sqlite engine has: its directory and file, copies of it, space given back. */
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "contract.h"

static char *path_in(const struct fixture *f, const char *name)
{
    return alloc_printf("%s/%s", f->dir, name);
}

static int open_code(const char *dir, char message[256])
{
    struct store_options o = {.dir = dir, .window_ms = -1};
    struct store *s = NULL;
    struct err err = {0};
    int code = store_open_sqlite(&o, &s, &err);
    snprintf(message, 256, "%s", err_message(&err));
    err_finish(&err);
    store_close(s);
    return code;
}

static void a_second_server_is_refused(void **state)
{
    struct fixture *f = *state;
    char message[256], pid[32];
    put(f->s, "/a", "1");
    assert_int_equal(open_code(f->dir, message), ERR_CONFLICT);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(message, f->dir));
    assert_non_null(strstr(message, pid));
    assert_get(f->s, "/a", 0, "1");
    fixture_reopen(f);
    assert_get(f->s, "/a", 0, "1");
}

static void the_directory_is_made_and_private(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *dir = path_in(f, "x/y");
    AUTO_FREE char *file = path_in(f, "x/y/store.db");
    char message[256];
    struct stat st;
    assert_int_equal(open_code(dir, message), 0);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    AUTO_FREE char *below = path_in(f, "x/y/store.db/z");
    assert_int_equal(open_code(below, message), ERR_IO);
    assert_non_null(strstr(message, below));
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void files_that_are_not_ours_are_refused(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *file = path_in(f, "store.db");
    AUTO_FREE char *dir = path_in(f, "other");
    AUTO_FREE char *other = path_in(f, "other/store.db");
    char message[256];
    put(f->s, "/a", "1");
    store_close(f->s);
    f->s = NULL;
    run_sql(file, "PRAGMA user_version = 9");
    assert_int_equal(open_code(f->dir, message), ERR_CORRUPT);
    assert_non_null(strstr(message, "format 9"));
    run_sql(file, "PRAGMA user_version = 1");
    assert_int_equal(open_code(f->dir, message), 0);
    mkdir(dir, 0700);
    run_sql(other, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
    assert_int_equal(open_code(dir, message), ERR_CORRUPT);
    assert_non_null(strstr(message, "another program"));
    char junk[5000];
    memset(junk, 'j', sizeof(junk));
    write_file(other, junk, sizeof(junk));
    assert_int_equal(open_code(dir, message), ERR_CORRUPT);
    fixture_open(f);
    assert_get(f->s, "/a", 0, "1");
}

/* ---- other programs may read ---- */

static int first_text(void *arg, int n, char **values, char **names)
{
    (void)n;
    (void)names;
    snprintf(arg, 256, "%s", values[0]);
    return 0;
}

static void other_programs_may_read(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *file = path_in(f, "store.db");
    put(f->s, "/a", "one");
    put(f->s, "/a", "two");
    del(f->s, "/a");
    sqlite3 *db;
    char text[256] = "";
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    const char *sql =
        "SELECT group_concat(rev || ' ' || op || ' ' || key || ' ' || value || ' ' || who, ';')"
        " FROM changes";
    assert_int_equal(sqlite3_exec(db, sql, first_text, text, NULL), SQLITE_OK);
    assert_string_equal(text, "2 create /a one tester;3 replace /a two tester;4 delete /a  tester");
    assert_int_equal(sqlite3_exec(db, "PRAGMA integrity_check", first_text, text, NULL), SQLITE_OK);
    assert_string_equal(text, "ok");
    sqlite3_close(db);
}

/* ---- copies ---- */

struct stream {
    struct store *s;
    _Atomic bool stop;
};

static void *keep_writing(void *arg)
{
    struct stream *w = arg;
    AUTO(blob_unrefp) struct blob *b = blob_alloc(2000);
    memset(b->data, 'x', b->len);
    struct store_op ops[] = {op_put("/left", b), op_put("/right", b)};
    while (!atomic_load(&w->stop)) {
        submit(w->s, NULL, 0, ops, 2, NULL);
    }
    return NULL;
}

static int64_t entry_rev(struct store *s, const char *key)
{
    AUTO(blob_unrefp) struct blob *b = NULL;
    struct store_entry e = {0};
    assert_int_equal(store_get(s, str_from(key), 0, &b, &e, NULL, NULL), 0);
    return e.rev;
}

static void check_copy(const struct fixture *f, int64_t least)
{
    AUTO_FREE char *dir = path_in(f, "copy");
    struct store_options o = {.dir = dir, .window_ms = -1};
    struct store *s = NULL;
    assert_int_equal(store_open_sqlite(&o, &s, NULL), 0);
    assert_true(store_revision(s) >= least);
    assert_get(s, "/a", 0, "1");
    assert_int_equal(entry_rev(s, "/left"), entry_rev(s, "/right"));
    assert_int_equal(entry_rev(s, "/left"), store_revision(s));
    put(s, "/a", "2");
    store_close(s);
}

static void a_copy_made_while_writing(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *dir = path_in(f, "copy");
    AUTO_FREE char *file = path_in(f, "copy/store.db");
    AUTO_FREE char *nowhere = path_in(f, "nowhere/store.db");
    put(f->s, "/a", "1");
    struct stream w = {.s = f->s};
    pthread_t thread;
    pthread_create(&thread, NULL, keep_writing, &w);
    while (store_revision(f->s) < 50) {
        usleep(1000);
    }
    mkdir(dir, 0700);
    int64_t least = store_revision(f->s);
    assert_int_equal(store_snapshot(f->s, file, NULL), 0);
    int64_t after = store_revision(f->s);
    check_copy(f, least);
    assert_int_equal(store_snapshot(f->s, file, NULL), ERR_EXISTS);
    assert_int_equal(store_snapshot(f->s, nowhere, NULL), ERR_IO);
    while (store_revision(f->s) < after + 20) {
        usleep(1000);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    assert_get(f->s, "/a", 0, "1");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* ---- space ---- */

static void write_many(struct store *s, size_t n, enum store_op_kind kind)
{
    AUTO(blob_unrefp) struct blob *b = blob_alloc(3000);
    memset(b->data, 'x', b->len);
    static struct store_op ops[500];
    static char keys[500][32];
    for (size_t i = 0; i < n; i += 500) {
        for (size_t k = 0; k < 500; k++) {
            snprintf(keys[k], sizeof(keys[k]), "/many/%zu", i + k);
            ops[k] = (struct store_op){.kind = kind, .key = str_from(keys[k]), .value = b};
        }
        assert_int_equal(submit(s, NULL, 0, ops, 500, NULL), 0);
    }
}

static uint64_t disk(struct store *s)
{
    struct store_stats st;
    store_stats(s, &st);
    return st.bytes_disk;
}

static void space_is_given_back(void **state)
{
    struct fixture *f = *state;
    put(f->s, "/keep", "me");
    write_many(f->s, 10000, STORE_OP_PUT);
    write_many(f->s, 10000, STORE_OP_PUT);
    uint64_t full = disk(f->s);
    assert_true(full > 2 * 10000 * 3000);
    assert_int_equal(store_compact(f->s, store_revision(f->s), NULL), 0);
    for (int i = 0; i < 6000 && disk(f->s) > full * 3 / 4; i++) {
        usleep(10000);
    }
    assert_true(disk(f->s) <= full * 3 / 4);
    assert_get(f->s, "/keep", 0, "me");
    write_many(f->s, 10000, STORE_OP_DELETE);
    assert_int_equal(store_compact(f->s, store_revision(f->s), NULL), 0);
    for (int i = 0; i < 6000 && disk(f->s) > full / 4; i++) {
        usleep(10000);
    }
    assert_true(disk(f->s) <= full / 4);
    struct store_stats st;
    store_stats(f->s, &st);
    assert_int_equal(st.keys, 1);
    /* The newest revision's rows, and what they replaced, stay until there is a newer one. */
    put(f->s, "/last", "too");
    assert_int_equal(store_compact(f->s, store_revision(f->s), NULL), 0);
    AUTO_FREE char *file = path_in(f, "store.db");
    char text[256] = "";
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (int i = 0; i < 12000 && strcmp(text, "2 2") != 0; i++) {
        usleep(5000);
        const char *rows = "SELECT (SELECT count(*) FROM current) || ' ' ||"
                           " (SELECT count(*) FROM log)";
        sqlite3_exec(db, rows, first_text, text, NULL);
    }
    assert_string_equal(text, "2 2");
    sqlite3_close(db);
    fixture_reopen(f);
    assert_range(f->s, &(struct store_range){0}, "/keep=me /last=too ");
}

/* Old terms are swept away, and do not hinder new ones meanwhile. */
static void dropped_terms_are_swept(void **state)
{
    struct fixture *f = *state;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("v"));
    AUTO_FREE char *file = path_in(f, "store.db");
    for (int generation = 1; generation < 4; generation++) {
        assert_int_equal(store_index_define(f->s, STR("i"), STR("/p/"), (uint64_t)generation, NULL),
                         0);
        for (int k = 0; k < 300; k++) {
            char key[32];
            snprintf(key, sizeof(key), "/p/%d", k);
            struct store_term t = {STR("i"), k % 2 ? STR("odd") : STR("even")};
            struct store_op op = op_put(key, b);
            op.terms = &t;
            op.n_terms = 1;
            assert_int_equal(submit(f->s, NULL, 0, &op, 1, NULL), 0);
        }
        assert_int_equal(store_index_built(f->s, STR("i"), (uint64_t)generation, NULL), 0);
        int64_t n;
        struct store_range r = {.prefix = STR("/p/"), .index = STR("i"), .term = STR("odd")};
        assert_int_equal(store_count(f->s, &r, &n, NULL), 0);
        assert_int_equal(n, 150);
    }
    char text[256] = "";
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (int i = 0; i < 12000 && strcmp(text, "300 1") != 0; i++) {
        usleep(5000);
        const char *sql = "SELECT (SELECT count(*) FROM term) || ' ' || (SELECT count(*) FROM idx)";
        sqlite3_exec(db, sql, first_text, text, NULL);
    }
    assert_string_equal(text, "300 1");
    sqlite3_close(db);
}

static const struct engine sqlite_engine = {
    .name = "sqlite", .open = store_open_sqlite, .durable = true};

static int setup(void **state)
{
    struct fixture *f = ALLOC(struct fixture);
    fixture_init(f, &sqlite_engine);
    fixture_open(f);
    *state = f;
    return 0;
}

#define SQLITE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(a_second_server_is_refused),
        SQLITE_TEST(the_directory_is_made_and_private),
        SQLITE_TEST(files_that_are_not_ours_are_refused),
        SQLITE_TEST(other_programs_may_read),
        SQLITE_TEST(a_copy_made_while_writing),
        SQLITE_TEST(space_is_given_back),
        SQLITE_TEST(dropped_terms_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
