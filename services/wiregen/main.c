/* SPDX-License-Identifier: Apache-2.0 */
/* wiregen OUT SERVICE_DIR...: reads each folder's service.yaml and writes OUT/wire.gen.h and
 * OUT/wire.gen.c. Runs at build time. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "services/wiregen/emit.h"
#include "services/wiregen/graph.h"

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct manifest *)a)->name, ((const struct manifest *)b)->name);
}

static int write_file(struct arena *a, const char *dir, const char *name, const struct buf *text,
                      struct err *err)
{
    AUTO(buf_finish) struct buf was = {0};
    const char *path = arena_printf(a, "%s/%s", dir, name);
    if (file_read(path, (size_t)64 << 20, &was, NULL) == 0 &&
        str_eq(buf_str(&was), buf_str(text))) {
        return 0; /* nothing is rebuilt for an equal file */
    }
    return file_write(path, buf_str(text), 0644, err);
}

static int generate(struct arena *a, const char *out, char **dirs, size_t n, struct err *err)
{
    struct manifest *all = arena_zero(a, (n + 1) * sizeof(*all)), **order = NULL;
    int r;
    for (size_t i = 0; i < n; i++) {
        if ((r = manifest_read(a, dirs[i], &all[i], err)) < 0) {
            return r;
        }
    }
    qsort(all, n, sizeof(*all), by_name);
    if ((r = graph_order(a, all, n, &order, err)) < 0) {
        return r;
    }
    AUTO(buf_finish) struct buf header = {0}, source = {0};
    emit_header(&header, order, n);
    emit_source(&source, order, n);
    if ((r = write_file(a, out, "wire.gen.h", &header, err)) < 0) {
        return r;
    }
    return write_file(a, out, "wire.gen.c", &source, err);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: wiregen OUT SERVICE_DIR...\n");
        return 2;
    }
    struct arena a;
    arena_init(&a, 0);
    AUTO(err_finish) struct err err = {0};
    int r = generate(&a, argv[1], argv + 2, (size_t)argc - 2, &err);
    if (r < 0) {
        fprintf(stderr, "wiregen: %s\n", err_message(&err));
    }
    arena_finish(&a);
    return r < 0;
}
