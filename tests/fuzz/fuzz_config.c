/* SPDX-License-Identifier: Apache-2.0 */
/* The server's settings: a file NUL arguments, a NUL after each. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { ARGS_MOST = 16 };

static void check_config(const struct config *c)
{
    FUZZ_CHECK(c->data_dir && c->store && *c->store && c->listen.n && c->kubeconfig);
    FUZZ_CHECK(!c->tls_cert == !c->tls_key);
    FUZZ_CHECK(c->ready_fd >= -1 && c->log_level <= LOG_ERROR);
    for (size_t i = 0; i < c->disabled.n; i++) {
        FUZZ_CHECK(!config_enabled(c, c->disabled.items[i]));
    }
    FUZZ_CHECK(config_enabled(c, "no such service"));
}

static void check_args(int argc, char *const *argv)
{
    AUTO(err_finish) struct err err = {0};
    struct config c = {0}, again = {0};
    int code = config_parse(argc, argv, &c, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return;
    }
    check_config(&c);
    FUZZ_CHECK(config_parse(argc, argv, &again, NULL) == 0);
    FUZZ_SAME(str_from(c.store), str_from(again.store));
    FUZZ_CHECK(c.listen.n == again.listen.n && c.disabled.n == again.disabled.n);
    config_finish(&c);
    config_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str rest = f.text, text = fuzz_part(&rest);
    int fd = memfd_create("config", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, text.ptr ? text.ptr : "", text.len) == (ssize_t)text.len);
    char *argv[ARGS_MOST + 1], *file = arena_printf(&f.arena, "--config=/proc/self/fd/%d", fd);
    int argc = 0;
    argv[argc++] = arena_strdup(&f.arena, "serve");
    argv[argc++] = file;
    while (rest.len && argc < ARGS_MOST) {
        struct str arg = fuzz_part(&rest);
        /* another file would be read in place of this one */
        if (!str_starts(arg, STR("--config"))) {
            argv[argc++] = arena_printf(&f.arena, "%.*s", STR_FMT(arg));
        }
    }
    argv[argc] = NULL;
    check_args(argc, argv);
    close(fd);
    return fuzz_end(&f, data, size);
}
