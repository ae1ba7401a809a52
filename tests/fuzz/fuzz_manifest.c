/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of services, apart by NULs: each is read or refused; those that are read are ordered so
 * that each comes after what it needs, and give the two generated files. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/wiregen/emit.h"
#include "services/wiregen/graph.h"
#include "tests/fuzz/fuzz.h"

enum { SERVICES = 4 };

static char root[] = "/tmp/coracle-fuzz-XXXXXX";
static const char *const names[SERVICES] = {"a", "b", "c", "d"};

static void remove_all(void)
{
    char path[128];
    for (size_t i = 0; i < SERVICES; i++) {
        snprintf(path, sizeof(path), "%s/%s/service.yaml", root, names[i]);
        unlink(path);
        snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        rmdir(path);
    }
    rmdir(root);
}

static void make_folders(void)
{
    static bool made;
    char path[128];
    if (!made) {
        made = true;
        FUZZ_CHECK(mkdtemp(root));
        for (size_t i = 0; i < SERVICES; i++) {
            snprintf(path, sizeof(path), "%s/%s", root, names[i]);
            FUZZ_CHECK(mkdir(path, 0700) == 0);
        }
        atexit(remove_all);
    }
}

static bool read_one(struct fuzz *f, struct str text, const char *name, struct manifest *ret)
{
    AUTO(err_finish) struct err err = {0};
    char *dir = arena_printf(&f->arena, "%s/%s", root, name),
         *file = arena_printf(&f->arena, "%s/service.yaml", dir);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, text.ptr ? text.ptr : "", text.len) == (ssize_t)text.len);
    close(fd);
    int code = manifest_read(&f->arena, dir, ret, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
    }
    return code == 0;
}

static void check_order(struct manifest *const *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < order[i]->n_requires; j++) {
            const struct manifest *need = order[i]->needs[j];
            bool before = !need;
            for (size_t k = 0; k < i; k++) {
                before |= order[k] == need;
            }
            FUZZ_CHECK(before);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    make_folders();
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf header = {0}, source = {0};
    struct manifest all[SERVICES], **order = NULL;
    struct str rest = f.text;
    size_t n = 0;
    for (size_t i = 0; i < SERVICES && rest.ptr; i++) {
        n += read_one(&f, fuzz_part(&rest), names[i], &all[n]);
    }
    int code = graph_order(&f.arena, all, n, &order, &err);
    if (code == 0) {
        check_order(order, n);
        emit_header(&header, order, n);
        emit_source(&source, order, n);
        FUZZ_CHECK(header.len && source.len);
    } else {
        FUZZ_REFUSED(code, err);
    }
    return fuzz_end(&f, data, size);
}
