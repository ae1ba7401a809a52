/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that clients of Grafana's app platform look up first. */
#include "services/frontend/frontend.h"

#include "base/json.h"
#include "resources/documents.h"
#include "resources/health.h"
#include "tests/unit/services/fixture.h"

struct desk {
    struct health *health;
    struct documents *documents;
    struct frontend *frontend;
    struct arena arena;
};

static int check(void *self, struct err *err)
{
    return *(bool *)self ? err_set(err, ERR_NO_SPACE, "the disk is full") : 0;
}

static bool read_fails, write_fails, other_fails;

static int begin(void **state)
{
    struct desk *d = ALLOC(struct desk);
    const struct health_check checks[] = {
        {"ping", HEALTH_LIVE, NULL, NULL},
        {"store", HEALTH_LIVE | HEALTH_READY, check, &read_fails},
        {"definitions", HEALTH_READY, check, &other_fails},
        {"store-writes", HEALTH_READY, check, &write_fails},
    };
    read_fails = write_fails = other_fails = false;
    arena_init(&d->arena, 0);
    d->health = health_create();
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        health_add(d->health, &checks[i]);
    }
    d->documents = documents_create();
    const struct frontend_deps deps = {.fixed_documents = d->documents, .health = d->health};
    assert_int_equal(frontend_provide(&deps, &d->frontend, NULL), 0);
    *state = d;
    return 0;
}

static int end(void **state)
{
    struct desk *d = *state;
    frontend_release(d->frontend);
    documents_destroy(d->documents);
    health_destroy(d->health);
    arena_finish(&d->arena);
    free(d);
    return 0;
}

/* The document at a path, read as JSON. */
static yyjson_mut_val *read_at(struct desk *d, const char *path, bool anonymous, int want)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *doc = NULL;
    const struct fixed_document *f = documents_find(d->documents, str_from(path));
    assert_non_null(f);
    assert_int_equal(f->anonymous, anonymous);
    assert_string_equal(f->content_type, "application/json; charset=UTF-8");
    assert_int_equal(f->write(f->self, &b, &err), want);
    struct str text = arena_str(&d->arena, buf_str(&b));
    assert_int_equal(json_read(&d->arena, text, &doc, NULL, &err), 0);
    return doc->root;
}

static void test_health_follows_the_store(void **state)
{
    struct desk *d = *state;
    yyjson_mut_val *v = read_at(d, "/api/health", true, 200);
    assert_true(str_is(json_get_str(v, "database"), "ok"));
    assert_true(str_is(json_get_str(v, "version"), FRONTEND_VERSION));
    assert_true(str_is(json_get_str(v, "product"), "Coracle"));
    other_fails = true; /* Grafana's word is on the database alone */
    read_at(d, "/api/health", true, 200);
    write_fails = true;
    v = read_at(d, "/api/health", true, 503);
    assert_true(str_is(json_get_str(v, "database"), "failing"));
    write_fails = false;
    read_at(d, "/api/health", true, 200);
    read_fails = true;
    read_at(d, "/api/health", true, 503);
}

static void test_settings(void **state)
{
    yyjson_mut_val *v = read_at(*state, "/api/frontend/settings", false, 200);
    yyjson_mut_val *build = json_get(v, "buildInfo");
    assert_true(str_is(json_get_str(build, "version"), FRONTEND_VERSION));
    assert_true(str_starts(json_get_str(build, "versionString"), STR("Coracle " CORACLE_VERSION)));
    assert_true(str_is(json_get_str(v, "namespace"), "default"));
    assert_null(json_get(build, "grafanaUrl")); /* a cloud is told by it */
}

static void test_there_is_no_boot_data(void **state)
{
    struct desk *d = *state;
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    const struct fixed_document *f = documents_find(d->documents, STR("/bootdata"));
    assert_non_null(f);
    assert_true(f->anonymous);
    assert_int_equal(f->write(f->self, &b, &err), ERR_NOT_FOUND);
    assert_int_equal(b.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health_follows_the_store, begin, end),
        cmocka_unit_test_setup_teardown(test_settings, begin, end),
        cmocka_unit_test_setup_teardown(test_there_is_no_boot_data, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
