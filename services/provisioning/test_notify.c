/* SPDX-License-Identifier: Apache-2.0 */
/* What wakes: names that come and go, the root itself, files that are being written. */
#include "services/provisioning/notify_priv.h"

#include <fcntl.h>
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

struct place {
    char dir[64];
    char *root;
    struct notify *n;
};

static int setup(void **state)
{
    struct place *p = ALLOC(struct place);
    snprintf(p->dir, sizeof(p->dir), "/tmp/coracle-notify-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->root = alloc_printf("%s/root", p->dir);
    p->n = notify_create(p->root);
    assert_non_null(p->n);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *command = alloc_printf("rm -rf '%s'", p->dir);
    FILE *done = popen(command, "r");
    assert_non_null(done);
    pclose(done);
    notify_destroy(p->n);
    free(p->root);
    free(p);
    return 0;
}

static char *below(const struct place *p, const char *path)
{
    return alloc_printf("%s/%s", p->root, path);
}

/* As a walk does that finds the root and these directories. */
static void watch(struct place *p, const char *const *dirs, size_t n)
{
    notify_begin(p->n);
    notify_dir(p->n, p->root, "");
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *full = below(p, dirs[i]);
        notify_dir(p->n, full, dirs[i]);
    }
    assert_true(notify_end(p->n));
}

static void make_root(struct place *p)
{
    assert_int_equal(mkdir(p->root, 0755), 0);
}

static int open_in(const struct place *p, const char *path, int flags)
{
    AUTO_FREE char *full = below(p, path);
    int fd = open(full, O_WRONLY | O_CLOEXEC | flags, 0644);
    assert_true(fd >= 0);
    return fd;
}

static void test_names(void **state)
{
    struct place *p = *state;
    make_root(p);
    watch(p, NULL, 0);
    assert_false(notify_read(p->n));
    AUTO_FREE char *a = below(p, "a.yaml"), *b = below(p, "b.yaml"), *d = below(p, "d");
    AUTO_FREE char *hidden = below(p, ".a.yaml.swp"), *data = below(p, "..data");
    assert_int_equal(file_write(a, STR("x"), 0644, NULL), 0);
    assert_true(notify_read(p->n));
    assert_false(notify_read(p->n));
    assert_int_equal(rename(a, b), 0);
    assert_true(notify_read(p->n));
    assert_int_equal(mkdir(d, 0755), 0);
    assert_true(notify_read(p->n));
    assert_int_equal(mkdir(hidden, 0755), 0);
    assert_false(notify_read(p->n));
    assert_int_equal(symlink("d", data), 0); /* a volume's files are swapped by this link */
    assert_true(notify_read(p->n));
    assert_int_equal(unlink(b), 0);
    assert_true(notify_read(p->n));
}

static void test_directories(void **state)
{
    struct place *p = *state;
    static const char *const dirs[] = {"d", "d/e"};
    make_root(p);
    AUTO_FREE char *d = below(p, "d"), *e = below(p, "d/e"), *f = below(p, "d/e/f.yaml");
    assert_int_equal(mkdir(d, 0755), 0);
    assert_int_equal(mkdir(e, 0755), 0);
    watch(p, dirs, 2);
    assert_false(notify_read(p->n));
    assert_int_equal(file_write(f, STR("x"), 0644, NULL), 0);
    assert_true(notify_read(p->n));
    watch(p, dirs, 1); /* no longer watched */
    notify_read(p->n);
    assert_int_equal(unlink(f), 0);
    assert_false(notify_read(p->n));
}

static void test_root(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *away = alloc_printf("%s/away", p->dir);
    watch(p, NULL, 0);
    assert_false(notify_read(p->n));
    AUTO_FREE char *other = alloc_printf("%s/other", p->dir);
    assert_int_equal(mkdir(other, 0755), 0); /* a neighbour is nothing to us */
    assert_false(notify_read(p->n));
    make_root(p);
    assert_true(notify_read(p->n));
    watch(p, NULL, 0);
    notify_read(p->n);
    assert_int_equal(rename(p->root, away), 0);
    assert_true(notify_read(p->n));
    watch(p, NULL, 0);
    notify_read(p->n);
    assert_int_equal(symlink("away", p->root), 0);
    assert_true(notify_read(p->n));
}

static void test_busy(void **state)
{
    struct place *p = *state;
    make_root(p);
    watch(p, NULL, 0);
    int fd = open_in(p, "a.yaml", O_CREAT);
    assert_false(notify_read(p->n));
    assert_true(notify_busy(p->n, STR("a.yaml")));
    assert_false(notify_busy(p->n, STR("b.yaml")));
    assert_int_equal(write(fd, "x", 1), 1);
    assert_false(notify_read(p->n));
    assert_true(notify_busy(p->n, STR("a.yaml")));
    close(fd);
    assert_true(notify_read(p->n));
    assert_false(notify_busy(p->n, STR("a.yaml")));
    fd = open_in(p, "a.yaml", O_TRUNC); /* emptied, and not written yet */
    assert_false(notify_read(p->n));
    assert_true(notify_busy(p->n, STR("a.yaml")));
    AUTO_FREE char *a = below(p, "a.yaml");
    assert_int_equal(unlink(a), 0);
    assert_true(notify_read(p->n));
    assert_false(notify_busy(p->n, STR("a.yaml")));
    close(fd);
}

static void test_links_are_whole_at_once(void **state)
{
    struct place *p = *state;
    make_root(p);
    AUTO_FREE char *outside = alloc_printf("%s/outside", p->dir), *hard = below(p, "hard.yaml"),
                   *soft = below(p, "soft.yaml");
    assert_int_equal(file_write(outside, STR("x"), 0644, NULL), 0);
    watch(p, NULL, 0);
    notify_read(p->n);
    assert_int_equal(link(outside, hard), 0);
    assert_true(notify_read(p->n));
    assert_int_equal(symlink(outside, soft), 0);
    assert_true(notify_read(p->n));
    assert_false(notify_busy(p->n, STR("hard.yaml")));
    assert_false(notify_busy(p->n, STR("soft.yaml")));
}

static void test_many_busy(void **state)
{
    struct place *p = *state;
    make_root(p);
    watch(p, NULL, 0);
    for (int i = 0; i < 1200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d.yaml", i);
        int fd = open_in(p, name, O_CREAT);
        notify_read(p->n);
        assert_int_equal(notify_busy(p->n, str_from(name)), true);
        close(fd);
        assert_true(notify_read(p->n));
        assert_false(notify_busy(p->n, str_from(name)));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_directories),
        TEST(test_root),
        TEST(test_busy),
        TEST(test_links_are_whole_at_once),
        TEST(test_many_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
