/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"

static int fds[2];
static char line[4096];

static int begin(void **state)
{
    (void)state;
    return pipe(fds);
}

static int end(void **state)
{
    (void)state;
    close(fds[0]);
    close(fds[1]);
    log_setup(LOG_INFO, LOG_TEXT, STDERR_FILENO);
    return 0;
}

/* The one line written, which must have come in one write. */
static const char *logged(void)
{
    ssize_t n = read(fds[0], line, sizeof(line) - 1);
    assert_true(n > 1);
    line[n] = 0;
    assert_int_equal(line[n - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
    line[n - 1] = 0;
    return line;
}

static void test_text(void **state)
{
    (void)state;
    log_setup(LOG_DEBUG, LOG_TEXT, fds[1]);
    log_warn("it is\nso", LOG_Z("plain", "a/b:1"), LOG_S("spaced", STR("a \"b\"\n\xff")),
             LOG_I("n", -3), LOG_D("d", 0.25), LOG_B("yes", true), LOG_Z("empty", ""),
             LOG_Z("none", NULL), LOG_Z("eq", "a=b"));
    const char *got = logged();
    assert_true(strlen(got) > 25);
    int64_t us;
    assert_true(clock_parse(str_make(got, 24), &us));
    assert_true(clock_wall_us() - us < 60 * 1000000);
    assert_string_equal(got + 24,
                        " WARN it is so plain=a/b:1 spaced=\"a \\\"b\\\"\\n\xef\xbf\xbd\" n=-3 "
                        "d=0.25 yes=true empty=\"\" none=\"\" eq=\"a=b\"");
    log_info("alone");
    assert_string_equal(logged() + 24, " INFO alone");
}

static void test_json(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON, fds[1]);
    log_error("it \"is\"", LOG_Z("a", "b\n"), LOG_I("n", 7), LOG_B("no", false));
    const char *got = logged();
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *doc = NULL;
    assert_int_equal(json_read(&a, str_from(got), &doc, NULL, NULL), 0);
    assert_true(str_is(json_get_str(doc->root, "msg"), "it \"is\""));
    assert_true(str_is(json_get_str(doc->root, "level"), "error"));
    assert_int_equal(json_get_str(doc->root, "ts").len, 24);
    assert_true(str_is(json_get_str(doc->root, "a"), "b\n"));
    assert_int_equal(json_get_int(doc->root, "n", 0), 7);
    assert_false(json_get_bool(doc->root, "no"));
    arena_finish(&a);
}

static void test_levels(void **state)
{
    (void)state;
    enum log_level l = LOG_DEBUG;
    assert_int_equal(log_parse_level("warn", &l), 0);
    assert_int_equal(l, LOG_WARN);
    assert_int_equal(log_parse_level("WARN", &l), ERR_BAD_REQUEST);
    assert_int_equal(log_parse_level("", &l), ERR_BAD_REQUEST);
    log_setup(l, LOG_TEXT, fds[1]);
    assert_false(log_enabled(LOG_INFO));
    log_info("not seen", LOG_I("x", 1));
    log_fields(LOG_DEBUG, "nor this", NULL, 0);
    log_error("seen", LOG_ERR(NULL));
    assert_string_equal(logged() + 24, " ERROR seen error=\"unknown error\"");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

/* Twenty of a kind, then silence; other messages are not concerned. */
static void test_burst(void **state)
{
    (void)state;
    log_setup(LOG_DEBUG, LOG_TEXT, fds[1]);
    for (int i = 0; i < 50; i++) {
        log_error("it fails again", LOG_I("i", i));
    }
    char many[16384];
    ssize_t n = read(fds[0], many, sizeof(many) - 1);
    assert_true(n > 0);
    many[n] = 0;
    int lines = 0;
    for (const char *p = many; (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    assert_int_equal(lines, 20);
    assert_non_null(strstr(many, "i=19\n"));
    log_error("something else");
    assert_non_null(strstr(logged(), "something else"));
    for (int i = 0; i < 30; i++) { /* what is no warning is never left out */
        log_info("it goes on", LOG_I("i", i));
        assert_non_null(strstr(logged(), "it goes on"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_text), T(test_json), T(test_levels), T(test_burst)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
