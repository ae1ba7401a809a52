/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals of playlists, at their edges; the type itself is tested over HTTP. */
#include "services/playlists/playlists.h"
#include "tests/unit/services/fixture.h"

static void intervals(void **state)
{
    static const char *const good[] = {"1ms",   "1s",   "5m",     "1h",
                                       "1d",    "2w",   "3M",     "1y",
                                       "1h30m", "0h1s", "00001s", "99999999999999999999s"};
    static const char *const bad[] = {"",    "0s",  "0h0m", "s",   "5",    "5q",  "5m5", "-5m",
                                      "+5m", " 5m", "5m ",  "5 m", "1.5h", "5mm", "m5",  "1h,2m"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (!playlists_is_interval(str_from(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (playlists_is_interval(str_from(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(playlists_is_interval(str_make("5m\0s", 4)));
    assert_false(playlists_is_interval(STR_NULL));
}

/* What is not of the schema's types is left to the schema. */
static void odd_shapes(void **state)
{
    static const char *const specs[] = {"7",
                                        "null",
                                        "{'items': {}}",
                                        "{'items': [7, null, []]}",
                                        "{'interval': {}, 'title': []}",
                                        "{'items': [{'type': 'dashboard_by_id', 'value': 7}]}"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
        const char *body =
            arena_printf(&w->arena,
                         "{'apiVersion': 'playlist.grafana.app/v1', 'kind': 'Playlist',"
                         " 'metadata': {'name': 'a', 'namespace': 'default'}, 'spec': %s}",
                         specs[i]);
        struct outcome o = ASK(w, .verb = VERB_CREATE, .group = "playlist.grafana.app",
                               .resource = "playlists", .ns = "default", .body = body);
        assert_int_equal(o.http, 422);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals),
        cmocka_unit_test_setup_teardown(odd_shapes, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
