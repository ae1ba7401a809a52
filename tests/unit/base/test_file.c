/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static char dir[64];

static int begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/coracle-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        AUTO_FREE char *p = alloc_printf("%s/%s", dir, e->d_name);
        unlink(p);
    }
    closedir(d);
    return rmdir(dir);
}

static size_t entries(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 2;
}

static void test_write_and_read(void **state)
{
    (void)state;
    AUTO_FREE char *path = alloc_printf("%s/f", dir);
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(file_read(path, 100, &b, &err), ERR_NOT_FOUND);
    assert_int_equal(file_write(path, STR("one\0two"), 0600, &err), 0);
    buf_addz(&b, "> ");
    assert_int_equal(file_read(path, 7, &b, &err), 0);
    assert_true(str_eq(buf_str(&b), STR("> one\0two")));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_write(path, STR(""), 0644, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(entries(), 1); /* no temporary file stays */
}

static void test_too_large(void **state)
{
    (void)state;
    AUTO_FREE char *path = alloc_printf("%s/big", dir);
    AUTO(buf_finish) struct buf text = {0}, b = {0};
    for (int i = 0; i < 50000; i++) {
        buf_addz(&text, "x");
    }
    assert_int_equal(file_write(path, buf_str(&text), 0600, NULL), 0);
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(file_read(path, 49999, &b, &err), ERR_TOO_LARGE);
    assert_int_equal(b.len, 0);
    assert_non_null(strstr(err.message, "larger than 49999"));
    assert_int_equal(file_read(path, 50000, &b, &err), 0);
    assert_int_equal(b.len, 50000);
}

static void test_bad_places(void **state)
{
    (void)state;
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf b = {0};
    AUTO_FREE char *missing = alloc_printf("%s/none/f", dir);
    assert_int_equal(file_write(missing, STR("x"), 0600, &err), ERR_IO);
    assert_int_equal(file_read(dir, 10, &b, &err), ERR_IO);
    assert_int_equal(file_write(dir, STR("x"), 0600, &err), ERR_IO); /* a directory stands there */
    AUTO_FREE char *full = alloc_strdup("/dev/full");
    if (access(full, W_OK) == 0 && geteuid() != 0) {
        assert_true(file_write(full, STR("x"), 0600, &err) < 0);
    }
    assert_int_equal(entries(), 0);
}

static void test_mkdirs(void **state)
{
    (void)state;
    AUTO_FREE char *deep = alloc_printf("%s/a//b/c/", dir);
    AUTO_FREE char *file = alloc_printf("%s/f", dir);
    AUTO_FREE char *under = alloc_printf("%s/f/x", dir);
    struct stat st;
    assert_int_equal(file_mkdirs(deep, 0700, NULL), 0);
    assert_int_equal(file_mkdirs(deep, 0700, NULL), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(file_write(file, STR("x"), 0600, &err), 0);
    assert_int_equal(file_mkdirs(file, 0700, &err), ERR_IO);
    assert_int_equal(file_mkdirs(under, 0700, &err), ERR_IO);
    for (const char *const *p = (const char *const[]){"a/b/c", "a/b", "a", NULL}; *p; p++) {
        AUTO_FREE char *sub = alloc_printf("%s/%s", dir, *p);
        assert_int_equal(rmdir(sub), 0);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_write_and_read), T(test_too_large),
                                       T(test_bad_places), T(test_mkdirs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
