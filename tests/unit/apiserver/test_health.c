/* SPDX-License-Identifier: Apache-2.0 */
/* The health paths, with the call and the server faked by what stands here. */
#include "apiserver/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

static struct health *health;
static bool stopping, store_fails;
static int status;
static char text[2048];

struct health *server_health(struct server *s)
{
    (void)s;
    return health;
}

bool server_stopping(const struct server *s)
{
    (void)s;
    return stopping;
}

void call_answer_text(struct call *c, int code, const char *body)
{
    (void)c;
    assert_int_equal(status, 0); /* once */
    status = code;
    strncpy(text, body, sizeof(text) - 1);
}

static int check_store(void *self, struct err *err)
{
    assert_ptr_equal(self, &store_fails);
    return store_fails ? err_set(err, ERR_IO, "the disk is gone") : 0;
}

static int begin(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    health = health_create();
    health_add(health, &(struct health_check){.name = "ping", .parts = HEALTH_LIVE | HEALTH_READY});
    health_add(health, &(struct health_check){.name = "store",
                                              .parts = HEALTH_LIVE | HEALTH_READY,
                                              .check = check_store,
                                              .self = &store_fails});
    health_add(health, &(struct health_check){.name = "definitions", .parts = HEALTH_READY});
    return 0;
}

static int end(void **state)
{
    (void)state;
    health_destroy(health);
    return 0;
}

static int reset(void **state)
{
    (void)state;
    stopping = store_fails = false;
    return 0;
}

static void ask(const char *path, struct op_param *params, size_t n)
{
    struct call c = {
        .route = {.kind = ROUTE_HEALTH, .path = str_from(path)}, .params = params, .n_params = n};
    arena_init(&c.arena, 0);
    status = 0;
    memset(text, 0, sizeof(text));
    health_serve(&c);
    arena_finish(&c.arena);
}

static void test_quiet(void **state)
{
    (void)state;
    static const char *const roots[] = {"/healthz", "/livez", "/readyz"};
    for (size_t i = 0; i < 3; i++) {
        ask(roots[i], NULL, 0);
        assert_int_equal(status, 200);
        assert_string_equal(text, "ok");
    }
}

static void test_verbose(void **state)
{
    (void)state;
    struct op_param p[] = {{STR("verbose"), STR("")}};
    ask("/readyz", p, 1);
    assert_int_equal(status, 200);
    assert_string_equal(
        text, "[+]ping ok\n[+]store ok\n[+]definitions ok\n[+]shutdown ok\nreadyz check passed\n");
    ask("/livez", p, 1);
    assert_string_equal(text, "[+]ping ok\n[+]store ok\nlivez check passed\n");
    ask("/healthz", p, 1);
    assert_string_equal(text, "[+]ping ok\n[+]store ok\n[+]definitions ok\nhealthz check passed\n");
}

static void test_failure_is_verbose_and_withholds_the_reason(void **state)
{
    (void)state;
    store_fails = true;
    ask("/livez", NULL, 0);
    assert_int_equal(status, 500);
    assert_string_equal(text, "[+]ping ok\n[-]store failed: reason withheld\nlivez check failed\n");
}

/* A check that is only shown: /readyz tells of its failure without failing of it, /healthz fails.
 */
static void test_shown(void **state)
{
    (void)state;
    struct op_param p[] = {{STR("verbose"), STR("")}};
    health_add(health, &(struct health_check){.name = "service-x",
                                              .parts = HEALTH_SHOWN,
                                              .check = check_store,
                                              .self = &store_fails});
    ask("/readyz", p, 1);
    assert_non_null(strstr(text, "\n[+]service-x ok\n"));
    ask("/livez/service-x", NULL, 0);
    assert_int_equal(status, 404);
    store_fails = true;
    struct op_param without[] = {{STR("verbose"), STR("")}, {STR("exclude"), STR("store")}};
    ask("/readyz", without, 2);
    assert_int_equal(status, 200);
    assert_non_null(strstr(text, "\n[-]service-x failed: reason withheld (does not count)\n"));
    assert_non_null(strstr(text, "\nreadyz check passed\n"));
    ask("/livez", without, 2);
    assert_int_equal(status, 200);
    assert_null(strstr(text, "service-x"));
    ask("/healthz", without, 2);
    assert_int_equal(status, 500);
    assert_non_null(strstr(text, "\n[-]service-x failed: reason withheld\n"));
    ask("/readyz/service-x", NULL, 0);
    assert_int_equal(status, 500);
    assert_string_equal(text, "internal server error: the disk is gone\n");
}

static void test_exclude(void **state)
{
    (void)state;
    store_fails = true;
    struct op_param p[] = {{STR("exclude"), STR("store")},
                           {STR("verbose"), STR("")},
                           {STR("exclude"), STR("no\"pe")},
                           {STR("exclude"), STR("none")}};
    ask("/livez", p, 1);
    assert_int_equal(status, 200);
    ask("/livez", p, 4);
    assert_string_equal(text, "[+]ping ok\n[+]store excluded: ok\nwarn: some health checks cannot "
                              "be excluded: no matches for "
                              "\"no\\\"pe\",\"none\"\nlivez check passed\n");
}

static void test_single_checks(void **state)
{
    (void)state;
    ask("/readyz/ping", NULL, 0);
    assert_int_equal(status, 200);
    assert_string_equal(text, "ok");
    ask("/livez/store", NULL, 0);
    assert_string_equal(text, "ok");
    ask("/livez/definitions", NULL, 0); /* not one of livez's */
    assert_int_equal(status, 404);
    ask("/healthz/definitions", NULL, 0);
    assert_int_equal(status, 200);
    ask("/readyz/nope", NULL, 0);
    assert_int_equal(status, 404);
    assert_string_equal(text, "404 page not found\n");
    ask("/readyz/ping/more", NULL, 0);
    assert_int_equal(status, 404);
    store_fails = true;
    ask("/livez/store", NULL, 0);
    assert_int_equal(status, 500);
    assert_string_equal(text, "internal server error: the disk is gone\n");
}

static void test_shutdown(void **state)
{
    (void)state;
    stopping = true;
    ask("/readyz", NULL, 0);
    assert_int_equal(status, 500);
    assert_non_null(strstr(text, "[-]shutdown failed: reason withheld\n"));
    ask("/livez", NULL, 0);
    assert_int_equal(status, 200);
    ask("/readyz/shutdown", NULL, 0);
    assert_int_equal(status, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_quiet, reset),
        cmocka_unit_test_setup(test_verbose, reset),
        cmocka_unit_test_setup(test_failure_is_verbose_and_withholds_the_reason, reset),
        cmocka_unit_test_setup(test_shown, reset),
        cmocka_unit_test_setup(test_exclude, reset),
        cmocka_unit_test_setup(test_single_checks, reset),
        cmocka_unit_test_setup(test_shutdown, reset),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
