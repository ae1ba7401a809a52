/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own authority: made at first start, found again later. */
#include "tests/unit/services/fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "services/authority/authority.h"

static const char *text_of(struct world *w, const char *path)
{
    AUTO(buf_finish) struct buf b = {0};
    struct err err = {0};
    if (file_read(path, 1 << 20, &b, &err) < 0) {
        fail_msg("%s", err_message(&err));
    }
    return arena_str(&w->arena, buf_str(&b)).ptr;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static const char *key_path(struct world *w)
{
    return arena_printf(&w->arena, "%s/pki/server.key", w->dir);
}

static void test_first_start(void **state)
{
    struct world *w = *state;
    const struct authority *a = w->wire->authority;
    const char *key = key_path(w);
    assert_string_equal(authority_key_file(a), key);
    assert_int_equal(mode_of(key), 0600);
    assert_non_null(strstr(text_of(w, key), "PRIVATE KEY"));
    const char *cert = text_of(w, authority_cert_file(a));
    assert_non_null(strstr(cert, "BEGIN CERTIFICATE"));
    assert_string_equal(text_of(w, authority_client_ca_file(a)), cert);
}

static void test_later_start(void **state)
{
    struct world *w = *state;
    const char *cert = text_of(w, authority_cert_file(w->wire->authority)),
               *key = text_of(w, key_path(w));
    wire_destroy(w->wire);
    w->wire = NULL;
    world_wire(w);
    assert_string_equal(text_of(w, authority_cert_file(w->wire->authority)), cert);
    assert_string_equal(text_of(w, key_path(w)), key);
    /* a start that ended before the certificate was written leaves a key only: both are made again
     */
    const char *path = arena_strdup(&w->arena, authority_cert_file(w->wire->authority));
    wire_destroy(w->wire);
    w->wire = NULL;
    assert_int_equal(unlink(path), 0);
    world_wire(w);
    assert_string_not_equal(text_of(w, path), cert);
    assert_string_not_equal(text_of(w, key_path(w)), key);
}

static void test_lost_key(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    wire_destroy(w->wire);
    w->wire = NULL;
    assert_int_equal(unlink(key_path(w)), 0);
    assert_true(wire_create(&w->config, &w->wire, &err) < 0);
    assert_non_null(strstr(err_message(&err), "server.key"));
    err_finish(&err);
    w->wire = NULL;
}

static void test_kubeconfig(void **state)
{
    static const struct {
        const char *address, *server;
    } rows[] = {{"127.0.0.1:6443", "https://127.0.0.1:6443\n"},
                {"0.0.0.0:1", "https://127.0.0.1:1\n"},
                {"[::]:2", "https://[::1]:2\n"},
                {"[::1]:3", "https://[::1]:3\n"},
                {":4", "https://127.0.0.1:4\n"},
                {"host.example:5", "https://host.example:5\n"}};
    struct world *w = *state;
    const struct authority *a = w->wire->authority;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct err err = {0};
        if (authority_write_kubeconfig(a, rows[i].address, &err) < 0) {
            fail_msg("%s", err_message(&err));
        }
        const char *text = text_of(w, authority_kubeconfig(a));
        assert_non_null(strstr(text, arena_printf(&w->arena, "server: %s", rows[i].server)));
        assert_non_null(strstr(text, "client-key-data: "));
        assert_int_equal(mode_of(authority_kubeconfig(a)), 0600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_start, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_later_start, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lost_key, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_kubeconfig, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
