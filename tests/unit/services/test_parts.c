/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own parts: the store's settings, health checks, metrics. */
#include "base/metrics.h"
#include "resources/health.h"
#include "tests/unit/services/fixture.h"

static void test_store_settings(void **state)
{
    static const struct {
        const char *store, *want;
    } cases[] = {
        {"etcd=127.0.0.1:2379", "\"127.0.0.1:2379\" is not the URL of a server"},
        {"etcd=", "no URL is given"},
        {"papyrus", "there is no such engine; use sqlite, memory or etcd"},
        {"", "there is no such engine"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world w;
        struct err err = {0};
        world_prepare(&w, cases[i].store);
        assert_int_equal(wire_create(&w.config, &w.wire, &err), ERR_BAD_REQUEST);
        assert_non_null(strstr(err_message(&err), cases[i].want));
        err_finish(&err);
        world_close(&w);
    }
}

/* The first server keeps the directory; the second says why it does not start. */
static void test_second_server(void **state)
{
    struct world w;
    struct wire *second = NULL;
    struct err err = {0};
    (void)state;
    world_prepare(&w, "sqlite");
    world_wire(&w);
    assert_int_equal(wire_create(&w.config, &second, &err), ERR_CONFLICT);
    assert_null(second);
    err_finish(&err);
    world_close(&w);
}

struct healthy {
    size_t n;
    bool store;
};

static void look(void *arg, const struct health_check *c)
{
    struct healthy *h = arg;
    struct err err = {0};
    assert_int_equal(c->check(c->self, &err), 0);
    h->n++;
    h->store = h->store || strcmp(c->name, "store") == 0;
}

static void test_health_and_metrics(void **state)
{
    struct world w;
    struct healthy h = {0};
    AUTO(buf_finish) struct buf text = {0};
    (void)state;
    world_prepare(&w, "sqlite");
    world_wire(&w);
    health_each(w.wire->health, look, &h);
    assert_true(h.n >= 3 && h.store);
    metrics_write(w.wire->metrics, &text);
    buf_addc(&text, 0);
    static const char *const families[] = {"coracle_store_revision ", "coracle_store_floor ",
                                           "coracle_store_commits_total ",
                                           "apiserver_storage_size_bytes{", "coracle_types "};
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        assert_non_null(strstr(text.ptr, families[i]));
    }
    assert_null(strstr(text.ptr, "coracle_store_revision 0\n"));
    world_close(&w);
}

/* The two namespaces are made once. */
static void test_second_start(void **state)
{
    struct world w;
    (void)state;
    world_prepare(&w, "sqlite");
    world_wire(&w);
    const char *uid =
        at(&w, must(&w, ASK(&w, .verb = VERB_GET, .resource = "namespaces", .name = "default")),
           "metadata/uid");
    int64_t rev = store_revision(w.wire->store);
    wire_destroy(w.wire);
    world_wire(&w);
    assert_at(&w, must(&w, ASK(&w, .verb = VERB_GET, .resource = "namespaces", .name = "default")),
              "metadata/uid", uid);
    assert_int_equal(store_revision(w.wire->store), rev);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_settings),
        cmocka_unit_test(test_second_server),
        cmocka_unit_test(test_health_and_metrics),
        cmocka_unit_test(test_second_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
