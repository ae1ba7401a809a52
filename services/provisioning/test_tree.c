/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a directory: which files it finds, and what it says of those that it cannot know.
 */
#include "services/provisioning/tree_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"

struct place {
    char root[64];
    struct tree t;
    size_t dirs;
};

static int setup(void **state)
{
    struct place *p = ALLOC(struct place);
    snprintf(p->root, sizeof(p->root), "/tmp/coracle-tree-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *command = alloc_printf("rm -rf '%s'", p->root);
    FILE *done = popen(command, "r");
    assert_non_null(done);
    pclose(done);
    tree_finish(&p->t);
    free(p);
    return 0;
}

static char *below(const struct place *p, const char *path)
{
    return alloc_printf("%s/%s", p->root, path);
}

static void put(const struct place *p, const char *path)
{
    AUTO_FREE char *full = below(p, path), *dir = alloc_strdup(full);
    *strrchr(dir, '/') = 0;
    assert_int_equal(file_mkdirs(dir, 0755, NULL), 0);
    assert_int_equal(file_write(full, STR("x"), 0644, NULL), 0);
}

static void put_link(const struct place *p, const char *to, const char *path)
{
    AUTO_FREE char *full = below(p, path);
    assert_int_equal(symlink(to, full), 0);
}

static void on_dir(void *arg, const char *full, const char *path)
{
    struct place *p = arg;
    assert_memory_equal(full, p->root, strlen(p->root));
    assert_true(!*path || strcmp(full + strlen(p->root) + 1, path) == 0);
    p->dirs++;
}

static void scan(struct place *p)
{
    tree_finish(&p->t);
    p->dirs = 0;
    assert_int_equal(tree_scan(&p->t, p->root, on_dir, p, NULL), 0);
}

static const struct tree_problem *problem(const struct place *p, const char *path)
{
    for (size_t i = 0; i < p->t.n_problems; i++) {
        if (str_is(p->t.problems[i].path, path)) {
            return &p->t.problems[i];
        }
    }
    fail_msg("no problem with %s", path);
    return NULL;
}

static void assert_files(const struct place *p, const char *const *want, size_t n)
{
    assert_int_equal(p->t.n_files, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(p->t.files[i].path.ptr, want[i]);
        assert_int_equal(p->t.files[i].stamp.size, 1);
    }
}

static void test_files(void **state)
{
    struct place *p = *state;
    static const char *const want[] = {"B.json", "a.yaml", "a/b/c.yml", "a/x.yaml", "link.yaml"};
    scan(p);
    assert_true(p->t.bare);
    put(p, "a.yaml");
    put(p, "a/x.yaml");
    put(p, "a/b/c.yml");
    put(p, "B.json");
    put(p, ".hidden.yaml");
    put(p, ".git/x.yaml");
    put(p, "a.yaml~");
    put(p, "#a.yaml#");
    put(p, "a.yaml.swp");
    put(p, "yaml");
    put_link(p, ".git/x.yaml", "link.yaml");
    scan(p);
    assert_false(p->t.bare);
    assert_files(p, want, 5);
    assert_int_equal(p->dirs, 3);
    assert_int_equal(p->t.n_dirs, 3);
    assert_int_equal(p->t.n_problems, 0);
    assert_false(tree_unknown(&p->t, STR("gone.yaml")));
}

static void test_bare(void **state)
{
    struct place *p = *state;
    put(p, ".keep");
    scan(p);
    assert_false(p->t.bare);
    assert_int_equal(p->t.n_files, 0);
}

static void test_links(void **state)
{
    struct place *p = *state;
    static const char *const want[] = {"a/b/x.yaml", "twice/x.yaml"};
    put(p, "a/b/x.yaml");
    put_link(p, "..", "a/b/up");
    put_link(p, ".", "self");
    put_link(p, "a/b", "twice");
    put_link(p, "nowhere", "lost.yaml");
    put_link(p, "nowhere", "lostdir");
    put_link(p, "itself.yaml", "itself.yaml");
    scan(p);
    assert_files(p, want, 2);
    assert_string_equal(problem(p, "a/b/up/")->reason, "Loop");
    assert_string_equal(problem(p, "self/")->reason, "Loop");
    assert_string_equal(problem(p, "twice/up/b/")->reason, "Loop");
    assert_true(problem(p, "lost.yaml")->unknown);
    assert_true(problem(p, "itself.yaml")->unknown);
    assert_true(tree_unknown(&p->t, STR("lost.yaml")));
    assert_true(tree_unknown(&p->t, STR("lostdir/any.yaml")));
    assert_false(tree_unknown(&p->t, STR("lostdirx.yaml")));
    assert_false(tree_unknown(&p->t, STR("a/b/up/any.yaml")));
}

static void test_not_files(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *pipe = below(p, "pipe.yaml"), *other = below(p, "pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(mkfifo(other, 0600), 0);
    scan(p);
    assert_int_equal(p->t.n_files, 0);
    assert_int_equal(p->t.n_problems, 1);
    assert_string_equal(problem(p, "pipe.yaml")->reason, "NotAFile");
}

static void test_depth(void **state)
{
    struct place *p = *state;
    AUTO(buf_finish) struct buf path = {0};
    for (int i = 0; i < LIMIT_PROVISION_DEPTH - 1; i++) {
        buf_addz(&path, "d/");
    }
    AUTO_FREE char *in = alloc_printf("%.*sx.yaml", STR_FMT(buf_str(&path)));
    AUTO_FREE char *out = alloc_printf("%.*sd/x.yaml", STR_FMT(buf_str(&path)));
    put(p, in);
    put(p, out);
    scan(p);
    assert_files(p, (const char *const[]){in}, 1);
    assert_int_equal(p->t.n_problems, 1);
    assert_string_equal(p->t.problems[0].reason, "TooDeep");
    assert_true(tree_unknown(&p->t, str_from(out)));
    assert_false(tree_unknown(&p->t, str_from(in)));
}

static void test_root(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *none = below(p, "none"), *file = below(p, "file");
    AUTO(err_finish) struct err err = {0};
    put(p, "file");
    assert_int_equal(tree_scan(&p->t, none, on_dir, p, NULL), ERR_NOT_FOUND);
    tree_finish(&p->t);
    assert_int_equal(tree_scan(&p->t, file, on_dir, p, &err), ERR_IO);
    assert_non_null(strstr(err_message(&err), "Not a directory"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_files),     TEST(test_bare),  TEST(test_links),
        TEST(test_not_files), TEST(test_depth), TEST(test_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
