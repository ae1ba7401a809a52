/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Parses "serve" and the words of the line, split at spaces. */
static int parse(const char *line, struct config *ret, struct err *err)
{
    char *argv[40] = {NULL}, *at = NULL;
    AUTO_FREE char *text = alloc_printf("serve %s", line);
    int n = 0;
    for (char *w = strtok_r(text, " ", &at); w && n < 39; w = strtok_r(NULL, " ", &at)) {
        argv[n++] = w;
    }
    return config_parse(n, argv, ret, err);
}

/* A configuration file of that text; its name is written to path. */
static void write_file(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/coracle-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
}

static void assert_refused(const char *line, const char *named, const char *also)
{
    struct config c = {.ready_fd = 123};
    AUTO(err_finish) struct err err = {0};
    assert_true(parse(line, &c, &err) < 0);
    if (!strstr(err_message(&err), named) || !strstr(err_message(&err), also)) {
        fail_msg("\"%s\": \"%s\" names neither \"%s\" nor \"%s\"", line, err_message(&err), named,
                 also);
    }
    assert_int_equal(c.ready_fd, 123); /* untouched */
    assert_true(parse(line, &c, NULL) < 0);
}

/* The same for a file. */
static void assert_file_refused(const char *text, const char *named)
{
    char path[64];
    write_file(path, text);
    AUTO_FREE char *line = alloc_printf("--config %s", path);
    assert_refused(line, named, path);
    unlink(path);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(parse("", &c, NULL), 0);
    assert_string_equal(c.data_dir, "./data");
    assert_string_equal(c.store, "sqlite");
    assert_int_equal(c.listen.n, 1);
    assert_string_equal(c.listen.items[0], "127.0.0.1:6443");
    assert_string_equal(c.kubeconfig, "./data/admin.kubeconfig");
    assert_null(c.token_file);
    assert_null(c.tls_cert);
    assert_null(c.tls_key);
    assert_null(c.client_ca);
    assert_int_equal(c.schemas.n, 0);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_int_equal(c.log_format, LOG_TEXT);
    assert_int_equal(c.ready_fd, -1);
    assert_true(config_enabled(&c, "garbage_collector"));
    config_finish(&c);
    config_finish(&c);
}

static void test_flags(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(parse("--data /d --store=memory --listen 127.0.0.1:0 --listen unix:/s "
                           "--listen=[::1]:1 --token-file t --tls-cert c "
                           "--tls-key k --client-ca a --schemas one --schemas two --log-level "
                           "debug --log-format json --ready-fd 7 --max-connections 100000 "
                           "--max-connections-per-peer=5 --event-ttl 1h2m3s --provision /p "
                           "--provision=name=/q --provision-interval 2m",
                           &c, NULL),
                     0);
    assert_string_equal(c.data_dir, "/d");
    assert_string_equal(c.store, "memory");
    assert_int_equal(c.listen.n, 3);
    assert_string_equal(c.listen.items[0], "127.0.0.1:0");
    assert_string_equal(c.listen.items[1], "unix:/s");
    assert_string_equal(c.listen.items[2], "[::1]:1");
    assert_string_equal(c.kubeconfig, "/d/admin.kubeconfig"); /* follows --data */
    assert_string_equal(c.token_file, "t");
    assert_string_equal(c.tls_cert, "c");
    assert_string_equal(c.tls_key, "k");
    assert_string_equal(c.client_ca, "a");
    assert_int_equal(c.schemas.n, 2);
    assert_string_equal(c.schemas.items[1], "two");
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_int_equal(c.log_format, LOG_JSON);
    assert_int_equal(c.ready_fd, 7);
    assert_int_equal(c.max_connections, 100000);
    assert_int_equal(c.max_connections_per_peer, 5);
    assert_int_equal(c.event_ttl_s, 3723);
    assert_int_equal(c.provision.n, 2);
    assert_string_equal(c.provision.items[1], "name=/q");
    assert_int_equal(c.provision_interval_s, 120);
    config_finish(&c);
    assert_int_equal(parse("--data /d --kubeconfig k --data /e", &c, NULL), 0);
    assert_string_equal(c.data_dir, "/e"); /* the last one wins */
    assert_string_equal(c.kubeconfig, "k");
    config_finish(&c);
    assert_int_equal(parse("--store etcd=http://127.0.0.1:2379,http://127.0.0.1:2380", &c, NULL),
                     0);
    assert_string_equal(c.store, "etcd=http://127.0.0.1:2379,http://127.0.0.1:2380");
    config_finish(&c);
}

static void test_file(void **state)
{
    (void)state;
    struct config c;
    char path[64];
    write_file(path, "# settings\ndata: /from/file\nstore: memory\nlisten: [127.0.0.1:1, "
                     "'unix:/x']\nkubeconfig: k\ntoken-file: t\n"
                     "tls-cert: c\ntls-key: k2\nclient-ca: a\nschemas: one\nlog-level: "
                     "error\nlog-format: json\nready-fd: 5\n"
                     "services: {garbage_collector: {enabled: false}, namespace_controller: "
                     "{enabled: true}, other: {}}\n");
    AUTO_FREE char *line = alloc_printf("--config %s", path);
    assert_int_equal(parse(line, &c, NULL), 0);
    assert_string_equal(c.data_dir, "/from/file");
    assert_string_equal(c.store, "memory");
    assert_int_equal(c.listen.n, 2);
    assert_string_equal(c.listen.items[1], "unix:/x");
    assert_string_equal(c.kubeconfig, "k");
    assert_string_equal(c.token_file, "t");
    assert_string_equal(c.tls_cert, "c");
    assert_string_equal(c.tls_key, "k2");
    assert_string_equal(c.client_ca, "a");
    assert_int_equal(c.schemas.n, 1); /* one text is a list of one */
    assert_int_equal(c.log_level, LOG_ERROR);
    assert_int_equal(c.log_format, LOG_JSON);
    assert_int_equal(c.ready_fd, 5);
    assert_false(config_enabled(&c, "garbage_collector"));
    assert_true(config_enabled(&c, "namespace_controller"));
    assert_true(config_enabled(&c, "other"));
    assert_true(config_enabled(&c, "garbage"));
    config_finish(&c);
    unlink(path);
}

static void test_a_flag_wins(void **state)
{
    (void)state;
    struct config c;
    char path[64];
    write_file(path, "data: /from/file\nlisten: [127.0.0.1:1, 127.0.0.1:2]\nschemas: [a, "
                     "b]\nlog-level: error\nready-fd: 5\n");
    AUTO_FREE char *before =
        alloc_printf("--config %s --data /flag --listen 127.0.0.1:9 --log-level warn", path);
    AUTO_FREE char *after =
        alloc_printf("--data /flag --listen 127.0.0.1:9 --log-level warn --config=%s", path);
    const char *lines[] = {before, after}; /* wherever --config stands */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(parse(lines[i], &c, NULL), 0);
        assert_string_equal(c.data_dir, "/flag");
        assert_string_equal(c.kubeconfig, "/flag/admin.kubeconfig");
        assert_int_equal(c.listen.n, 1); /* a list is replaced, not added to */
        assert_string_equal(c.listen.items[0], "127.0.0.1:9");
        assert_int_equal(c.schemas.n, 2);
        assert_int_equal(c.log_level, LOG_WARN);
        assert_int_equal(c.ready_fd, 5);
        config_finish(&c);
    }
    unlink(path);
}

static void test_empty_files(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# nothing\n", "---\n", "{}", "null\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct config c;
        char path[64];
        write_file(path, texts[i]);
        AUTO_FREE char *line = alloc_printf("--config %s", path);
        assert_int_equal(parse(line, &c, NULL), 0);
        assert_string_equal(c.data_dir, "./data");
        config_finish(&c);
        unlink(path);
    }
}

static void test_bad_flags_are_named(void **state)
{
    (void)state;
    assert_refused("--nosuch", "--nosuch", "no such flag");
    assert_refused("--data /d --nosuch=1 --store memory", "--nosuch=1", "no such flag");
    assert_refused("-x", "-x", "no such flag");
    assert_refused("--data /d -xyz", "-xyz", "no such flag");
    assert_refused("--data", "--data", "wants a value");
    assert_refused("--store memory --listen", "--listen", "wants a value");
    assert_refused("--config", "--config", "wants a value");
    assert_refused("word", "word", "no argument");
    assert_refused("--data /d word --store memory", "word", "no argument");
    assert_refused("--log-level loud", "--log-level", "loud");
    assert_refused("--log-format xml", "--log-format", "xml");
    assert_refused("--max-connections 0", "--max-connections", "0");
    assert_refused("--max-connections 99999999", "--max-connections", "99999999");
    assert_refused("--max-connections-per-peer many", "--max-connections-per-peer", "many");
    assert_refused("--event-ttl 1h30", "--event-ttl", "1h30");
    assert_refused("--event-ttl 0s", "--event-ttl", "0s");
    assert_refused("--event-ttl 1m1h", "--event-ttl", "1m1h");
    assert_refused("--event-ttl h", "--event-ttl", "not a time");
    assert_refused("--event-ttl 1.5h", "--event-ttl", "1.5h");
    assert_refused("--event-ttl 999999h", "--event-ttl", "999999h");
    assert_refused("--ready-fd three", "--ready-fd", "three");
    assert_refused("--ready-fd -1", "--ready-fd", "-1");
    assert_refused("--ready-fd 3x", "--ready-fd", "3x");
    assert_refused("--ready-fd 99999999999", "--ready-fd", "99999999999");
    assert_refused("--ready-fd=", "--ready-fd", "empty");
    assert_refused("--store postgres", "--store", "postgres");
    assert_refused("--store etcd", "--store", "etcd");
    assert_refused("--tls-cert c", "--tls-cert", "--tls-key");
    assert_refused("--tls-key k", "--tls-cert", "--tls-key");
    assert_refused("--proxy-client-cert-file c", "--proxy-client-cert-file",
                   "--proxy-client-key-file");
    assert_refused("--data=", "--data", "empty");
    assert_refused("--listen=", "--listen", "empty");
    assert_refused(
        "--lis 127.0.0.1:0", "--lis",
        "no such flag"); /* no shortened names: a later flag may make them mean another */
    assert_refused("--d /x", "--d", "no such flag");
}

static void test_bad_files_are_named(void **state)
{
    (void)state;
    assert_refused("--config /nonexistent/coracle.yaml", "/nonexistent/coracle.yaml", "");
    assert_file_refused("dat: /d\n", "dat");
    assert_file_refused("- data\n", "map");
    assert_file_refused("just words\n", "map");
    assert_file_refused("data: [a\n", "yaml");
    assert_file_refused("data: [a, b]\n", "data");
    assert_file_refused("data: {a: b}\n", "data");
    assert_file_refused("data: true\n", "data");
    assert_file_refused("data:\n", "data");
    assert_file_refused("data: ''\n", "data");
    assert_file_refused("listen: [127.0.0.1:1, {}]\n", "listen");
    assert_file_refused("listen: [[127.0.0.1:1]]\n", "listen");
    assert_file_refused("log-level: 3\n", "log-level");
    assert_file_refused("log-format: yes\n", "log-format");
    assert_file_refused("ready-fd: -3\n", "ready-fd");
    assert_file_refused("ready-fd: 1.5\n", "ready-fd");
    assert_file_refused("services: [a]\n", "services");
    assert_file_refused("services: {a: off}\n", "services: a");
    assert_file_refused("services: {a: {enabled: 'no'}}\n", "services: a");
    assert_file_refused("services: {a: {enable: false}}\n", "services: a");
    assert_file_refused("config: other.yaml\n", "config");
    assert_file_refused("data: a\ndata: b\n", "data"); /* which of the two is meant? */
    assert_file_refused("data: \"a\\0b\"\n", "data");
}

static void test_help_names_every_flag(void **state)
{
    (void)state;
    static const char *const flags[] = {"--config",
                                        "--data",
                                        "--store",
                                        "--listen",
                                        "--kubeconfig",
                                        "--token-file",
                                        "--tls-cert",
                                        "--tls-key",
                                        "--client-ca",
                                        "--schemas",
                                        "--log-level",
                                        "--log-format",
                                        "--ready-fd",
                                        "--proxy-client-cert-file",
                                        "--proxy-client-key-file"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        assert_non_null(strstr(config_help(), flags[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_a_flag_wins),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_bad_flags_are_named),
        cmocka_unit_test(test_bad_files_are_named),
        cmocka_unit_test(test_help_names_every_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
