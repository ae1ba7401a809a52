/* SPDX-License-Identifier: Apache-2.0 */
/* Stars and preferences beside a stand-in for the rules on whose they are: what they ask of it, and
 * that they decide nothing of that themselves. */
#include "services/personal/personal.h"
#include "tests/unit/services/fixture.h"

#define STARS "collections.grafana.app", .resource = "stars", .ns = "default"
#define PREFERENCES "preferences.grafana.app", .resource = "preferences", .ns = "default"

static const char *stars(struct world *w, const char *name)
{
    return arena_printf(&w->arena,
                        "{'apiVersion':'collections.grafana.app/v1alpha1','kind':'Stars',"
                        "'metadata':{'name':'%s'},'spec':{'resource':[]}}",
                        name);
}

static void test_added(void **state)
{
    struct world *w = *state;
    assert_true(personal_fake_has(w->wire->personal, "collections.grafana.app", "stars"));
    assert_true(personal_fake_has(w->wire->personal, "preferences.grafana.app", "preferences"));
    assert_false(personal_fake_has(w->wire->personal, "", "configmaps"));
}

/* Who creates is asked about by name, also where a PUT creates; who changes was asked about before.
 */
static void test_refused(void **state)
{
    struct world *w = *state;
    must(w, ASK(w, .verb = VERB_CREATE, .group = STARS, .body = stars(w, "user-b")));
    personal_fake_refuse(w->wire->personal, "user-a");
    personal_fake_refuse(w->wire->personal, "user-b");
    struct outcome o = ASK(w, .verb = VERB_CREATE, .group = STARS, .body = stars(w, "user-a"));
    assert_int_equal(o.http, 403);
    assert_at(w, o.body, "message",
              "stars.collections.grafana.app \"user-a\" is forbidden: the fake refuses it");
    o = ASK(w, .verb = VERB_UPDATE, .group = STARS, .name = "user-a", .body = stars(w, "user-a"));
    assert_int_equal(o.http, 403);
    must(w, ASK(w, .verb = VERB_PATCH, .group = STARS, .name = "user-b", .patch = PATCH_MERGE,
                .body = "{'metadata':{'labels':{'a':'b'}}}"));
}

static int count(void *arg, struct str ns, struct str name, const struct stored *s)
{
    struct str *names = arg;
    (void)ns;
    (void)s;
    size_t n = names[0].len++;
    assert_true(n < 3);
    names[n + 1] = str_is(name, "user-a") ? STR("user-a") : STR("user-c");
    return 0;
}

static size_t listed(struct world *w, struct str names[4])
{
    struct type *t = find_type(w, "collections.grafana.app", "stars");
    struct op *op = op_create(w->wire->engine);
    op->verb = VERB_LIST;
    op_set_type(op, t, type_storage(t));
    type_unref(t);
    op->scope.ns = STR("default");
    op->user = user_ref(w->user);
    names[0] = STR("");
    assert_int_equal(list_visit(w->wire->engine, op, count, names, NULL, NULL), 0);
    op_unref(op);
    return names[0].len;
}

static void test_lists(void **state)
{
    struct world *w = *state;
    struct str names[4];
    must(w, ASK(w, .verb = VERB_CREATE, .group = STARS, .body = stars(w, "user-a")));
    must(w, ASK(w, .verb = VERB_CREATE, .group = STARS, .body = stars(w, "user-b")));
    must(w, ASK(w, .verb = VERB_CREATE, .group = STARS, .body = stars(w, "user-c")));
    assert_int_equal(listed(w, names), 3);
    personal_fake_show(w->wire->personal, "user-c");
    assert_int_equal(listed(w, names), 1);
    assert_true(str_is(names[1], "user-c"));
    personal_fake_show(w->wire->personal, "user-a");
    assert_int_equal(listed(w, names), 2);
    assert_true(str_is(names[1], "user-a") && str_is(names[2], "user-c"));
}

static void test_preferences(void **state)
{
    struct world *w = *state;
    personal_fake_refuse(w->wire->personal, "team-a");
    static const char body[] = "{'apiVersion':'preferences.grafana.app/v1','kind':'Preferences',"
                               "'metadata':{'name':'%s'},'spec':{'theme':'zen'}}";
    struct outcome o = ASK(w, .verb = VERB_CREATE, .group = PREFERENCES,
                           .body = arena_printf(&w->arena, body, "team-a"));
    assert_int_equal(o.http, 403);
    must(w, ASK(w, .verb = VERB_CREATE, .group = PREFERENCES,
                .body = arena_printf(&w->arena, body, "team-b")));
    assert_cause(w,
                 ASK(w, .verb = VERB_CREATE, .group = PREFERENCES,
                     .body = arena_printf(&w->arena, body, "other")),
                 "metadata.name", "must be user-ID, team-ID or namespace");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_added, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lists, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_preferences, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
