/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the full-text index that are missing, damaged, of another layout, or of a process that
 * was killed. */
#include "tests/unit/storage/text_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* ---- files ---- */

struct files {
    char dir[64], path[128];
    struct fixture f;
};

static void files_open(struct files *x)
{
    assert_int_equal(text_open(x->path, &x->f.text, NULL), 0);
}

static void files_close(struct files *x)
{
    text_close(x->f.text);
    x->f.text = NULL;
}

static int files_setup(void **state)
{
    struct files *x = ALLOC(struct files);
    snprintf(x->dir, sizeof(x->dir), "/tmp/coracle-text-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->path, sizeof(x->path), "%s/search.db", x->dir);
    arena_init(&x->f.arena, 0);
    files_open(x);
    *state = x;
    return 0;
}

static int files_teardown(void **state)
{
    struct files *x = *state;
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    files_close(x);
    arena_finish(&x->f.arena);
    for (size_t i = 0; i < 4; i++) {
        AUTO_FREE char *path = alloc_printf("%s%s", x->path, endings[i]);
        unlink(path);
    }
    rmdir(x->dir);
    free(x);
    return 0;
}

static int64_t position(struct files *x)
{
    struct str origin;
    int64_t rev = -1;
    assert_int_equal(text_position(x->f.text, &x->f.arena, &origin, &rev, NULL), 0);
    assert_true(str_is(origin, rev ? "here" : ""));
    return rev;
}

static void keeps_what_was_committed(void **state)
{
    struct files *x = *state;
    const struct note n = {.key = "a", .title = "alpha"};
    assert_int_equal(position(x), 0);
    put_as(x->f.text, DASHBOARDS, "default", &n, 77);
    files_close(x);
    files_open(x);
    assert_int_equal(position(x), 77);
    assert_int_equal(text_count(x->f.text), 1);
    assert_string_equal(found(&x->f, "alpha"), "a");
    assert_int_equal(text_reset(x->f.text, NULL), 0);
    assert_int_equal(position(x), 0);
    assert_string_equal(found(&x->f, "alpha"), "");
}

static void knows_a_new_file(void **state)
{
    struct files *x = *state;
    const struct note n = {.key = "a", .title = "alpha"};
    assert_true(text_is_new(x->f.text));
    files_close(x);
    files_open(x); /* nothing was committed, but somebody else made it */
    assert_false(text_is_new(x->f.text));
    assert_int_equal(text_reset(x->f.text, NULL), 0);
    assert_true(text_is_new(x->f.text));
    put_as(x->f.text, DASHBOARDS, "default", &n, 5);
    assert_false(text_is_new(x->f.text));
}

static void begins_anew_where_the_file_is_no_good(void **state)
{
    static const char *const bytes[] = {"", "garbage", "SQLite format 3"};
    struct files *x = *state;
    for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
        const struct note n = {.key = "a", .title = "alpha"};
        put_as(x->f.text, DASHBOARDS, "default", &n, 5);
        files_close(x);
        AUTO_FREE char *filled = long_text(8192, "rubbish ");
        memcpy(filled, bytes[i], strlen(bytes[i]));
        assert_int_equal(file_write(x->path, i ? str_make(filled, 8192) : STR(""), 0600, NULL), 0);
        files_open(x);
        assert_int_equal(position(x), 0);
        put_as(x->f.text, DASHBOARDS, "default", &n, 6);
        assert_string_equal(found(&x->f, "alpha"), "a");
    }
}

/* All but the first page, in place. */
static void damage(const struct files *x)
{
    struct stat st;
    char rubbish[4096];
    memset(rubbish, 0x5a, sizeof(rubbish));
    int fd = open(x->path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size > 16384);
    for (off_t at = 4096; at < st.st_size; at += 4096) {
        assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), at), 4096);
    }
    close(fd);
}

static void says_that_it_is_damaged(void **state)
{
    struct files *x = *state;
    char key[16];
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "%d", i);
        const struct note n = {.key = key, .title = "alpha beta gamma", .body = "delta"};
        put_as(x->f.text, DASHBOARDS, "default", &n, i + 1);
    }
    files_close(x);
    files_open(x);
    damage(x);
    struct text_query q = asking("alpha");
    struct text_found r;
    assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &r, NULL), ERR_CORRUPT);
    assert_int_equal(text_reset(x->f.text, NULL), 0);
    assert_int_equal(position(x), 0);
    assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &r, NULL), 0);
}

static void sees_damage_when_it_opens(void **state)
{
    struct files *x = *state;
    const struct note n = {.key = "a", .title = "alpha"};
    put_as(x->f.text, DASHBOARDS, "default", &n, 5);
    files_close(x);
    damage(x);
    files_open(x);
    assert_int_equal(position(x), 0);
    assert_int_equal(text_count(x->f.text), 0);
}

static void child_writes(const char *path, int out)
{
    struct text *t;
    char key[32];
    if (text_open(path, &t, NULL) < 0) {
        _exit(1);
    }
    for (int64_t rev = 1;; rev++) {
        text_begin(t, NULL);
        for (int k = 0; k < 5; k++) {
            snprintf(key, sizeof(key), "%d", (int)((rev * 5 + k) % 500));
            char tag[32];
            snprintf(tag, sizeof(tag), "tag%d", (int)((rev + k) % 7));
            const struct text_value values[] = {{STR("tags"), STR("all")},
                                                {STR("tags"), str_from(tag)}};
            struct text_document d = {
                .folder = rev % 3 ? str_from(tag) : STR(""),
                .values = values,
                .n_values = 1 + (size_t)(rev % 2),
                .key = str_from(key),
                .type = dashboards[0],
                .ns = STR("default"),
                .name = str_from(key),
                .title = STR("written by a child"),
                .texts = {STR("written by a child"), STR(""), STR(""), STR("")},
                .updated_us = rev};
            text_put(t, &d, NULL);
        }
        text_commit(t, STR("here"), rev, NULL);
        if (write(out, &rev, sizeof(rev)) != sizeof(rev)) {
            _exit(1);
        }
    }
}

/* What is counted without looking is what a walk over all counts. */
static void check_tallies(struct files *x)
{
    static const struct str facets[] = {{"tags", 4}, {"folder", 6}};
    struct text_query q = asking("");
    struct text_found quick, walked;
    q.facets = facets;
    q.n_facets = 2;
    q.facet_limit = 100;
    assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &quick, NULL), 0);
    q.words = STR("child");
    assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &walked, NULL), 0);
    assert_int_equal(quick.total, walked.total);
    assert_int_equal(quick.total, text_count(x->f.text));
    for (size_t i = 0; i < 2; i++) {
        const struct text_facet *a = &quick.facets[i], *b = &walked.facets[i];
        assert_int_equal(a->total, b->total);
        assert_int_equal(a->missing, b->missing);
        assert_int_equal(a->n_terms, b->n_terms);
        for (size_t k = 0; k < a->n_terms; k++) {
            assert_true(str_eq(a->terms[k].term, b->terms[k].term));
            assert_int_equal(a->terms[k].count, b->terms[k].count);
        }
    }
}

/* The file is at a commit, and its position is that commit's: documents and revision go together.
 */
static void survives_being_killed(void **state)
{
    struct files *x = *state;
    for (int round = 0; round < 4; round++) {
        int ends[2];
        int64_t acknowledged = 0, rev;
        files_close(x);
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            child_writes(x->path, ends[1]);
        }
        close(ends[1]);
        while (acknowledged < 60 + 37 * round && read(ends[0], &rev, sizeof(rev)) == sizeof(rev)) {
            acknowledged = rev;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(ends[0], &rev, sizeof(rev)) == sizeof(rev)) {
            acknowledged = rev;
        }
        close(ends[0]);
        files_open(x);
        int64_t at = position(x);
        assert_in_range(at, acknowledged, acknowledged + 1);
        check_tallies(x);
        struct text_query q = asking("child");
        struct text_found r;
        q.sort = TEXT_BY_UPDATED;
        q.descending = true;
        q.limit = 1000;
        assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &r, NULL), 0);
        if (round == 0) { /* later ones begin with what the first left */
            assert_int_equal(r.hits[0].updated_us, at);
            assert_int_equal(r.hits[4].updated_us, at);
            assert_int_equal(r.hits[5].updated_us, at - 1);
            assert_int_equal(r.total, at * 5 < 500 ? at * 5 : 500);
        }
    }
}

#define WITH_FILES(f) cmocka_unit_test_setup_teardown(f, files_setup, files_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(keeps_what_was_committed),
        WITH_FILES(knows_a_new_file),
        WITH_FILES(begins_anew_where_the_file_is_no_good),
        WITH_FILES(says_that_it_is_damaged),
        WITH_FILES(sees_damage_when_it_opens),
        WITH_FILES(survives_being_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
