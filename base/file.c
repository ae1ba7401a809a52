/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static void close_fdp(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

/* What errno means, named by what was being done. */
static int failed(struct err *err, const char *doing, const char *path)
{
    int code = errno == ENOENT                      ? ERR_NOT_FOUND
               : errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE
                                                    : ERR_IO;
    return err_set(err, code, "%s %s: %s", doing, path, strerrordesc_np(errno));
}

int file_read(const char *path, size_t max, struct buf *ret, struct err *err)
{
    AUTO(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(err, "cannot open", path);
    }
    size_t before = ret->len;
    for (;;) {
        ssize_t n = read(fd, buf_reserve(ret, 16384), 16384);
        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || ret->len - before + (size_t)n > max) {
            ret->len = before;
            return n < 0 ? failed(err, "cannot read", path)
                         : err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
        }
        ret->len += (size_t)n;
    }
}

static int write_all(int fd, struct str s)
{
    while (s.len) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        s = str_skip(s, n < 0 ? 0 : (size_t)n);
    }
    return 0;
}

/* Syncs the directory that holds path, so that a rename in it lasts. */
static int sync_parent(const char *path)
{
    AUTO_FREE char *dir = alloc_strdup(path);
    char *slash = strrchr(dir, '/');
    if (slash) {
        slash[slash == dir] = 0;
    }
    AUTO(close_fdp) int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

int file_write(const char *path, struct str bytes, mode_t mode, struct err *err)
{
    AUTO_FREE char *tmp = alloc_printf("%s.XXXXXX", path);
    AUTO(close_fdp) int fd = mkostemp(tmp, O_CLOEXEC); /* mode 0600 until it is complete */
    if (fd < 0) {
        int rc = failed(err, "cannot create", path);
        return rc == ERR_NOT_FOUND ? err_set(err, ERR_IO, "no directory to hold %s", path) : rc;
    }
    if (write_all(fd, bytes) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
        rename(tmp, path) < 0 || sync_parent(path) < 0) {
        int rc = failed(err, "cannot write", path);
        unlink(tmp);
        return rc;
    }
    return 0;
}

int file_mkdirs(const char *path, mode_t mode, struct err *err)
{
    AUTO_FREE char *p = alloc_strdup(path);
    for (char *at = p; *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char keep = *at;
        *at = 0;
        if (*p && mkdir(p, mode) < 0 && errno != EEXIST) {
            return failed(err, "cannot make directory", p);
        }
        *at = keep;
    }
    struct stat st;
    if (stat(path, &st) < 0) {
        return failed(err, "cannot make directory", path);
    }
    return S_ISDIR(st.st_mode) ? 0 : err_set(err, ERR_IO, "%s is not a directory", path);
}
