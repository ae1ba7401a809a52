/* SPDX-License-Identifier: Apache-2.0 */
/* Organizations, stamps, and what belongs to users: names, rights, stars. */
#include "services/orgs/orgs.h"
#include "services/personal/personal.h"
#include "services/preferences/preferences_priv.h"
#include "services/stamps/stamps.h"
#include "services/stars/stars.h"
#include "tests/unit/services/fixture.h"

#include <pthread.h>

/* ---- pure ---- */

static void test_namespaces(void **state)
{
    static const struct {
        const char *ns;
        int64_t id, stack; /* id 0: refused */
        const char *why;
    } cases[] = {
        {"default", 1, 0, NULL},
        {"org-2", 2, 0, NULL},
        {"org-9223372036854775807", INT64_MAX, 0, NULL},
        {"stacks-1", 1, 1, NULL},
        {"stacks-6481", 1, 6481, NULL},
        {"org-1", 0, 0, "use default rather than org-1"},
        {"org-0", 0, 0, "invalid org id"},
        {"org-02", 0, 0, "invalid org id"},
        {"org--2", 0, 0, "invalid org id"},
        {"org-", 0, 0, "invalid org id"},
        {"org-2x", 0, 0, "invalid org id"},
        {"org-9223372036854775808", 0, 0, "invalid org id"},
        {"stacks-0", 0, 0, "invalid stack id"},
        {"stacks-01", 0, 0, "invalid stack id"},
        {"stack-1", 0, 0, "organizations are the namespaces"},
        {"Default", 0, 0, "organizations are the namespaces"},
        {"", 0, 0, "organizations are the namespaces"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct org o = {-1, -1};
        const char *why = "";
        if (orgs_parse(str_from(cases[i].ns), &o, &why) != (cases[i].id > 0)) {
            fail_msg("%s", cases[i].ns);
        }
        assert_int_equal(o.id, cases[i].id ? cases[i].id : -1);
        assert_int_equal(o.stack, cases[i].id ? cases[i].stack : -1);
        const char *want = cases[i].why ? cases[i].why : "";
        assert_int_equal(strncmp(why, want, strlen(want)), 0);
    }
    assert_false(orgs_parse(STR("org-1"), NULL, NULL));
}

static struct user *person(const char *name, const char *uid, const char *group)
{
    const struct str groups[] = {STR("system:authenticated"), str_from(group)};
    return user_create(str_from(name), str_from(uid), groups, group[0] ? 2 : 1);
}

static void test_identities(void **state)
{
    static const struct {
        const char *name, *uid, *group, *want;
    } cases[] = {
        {"alice", "u-1", "", "user:u-1"},
        {"kubernetes-admin", "", "system:masters", "user:kubernetes-admin"},
        {"system:serviceaccount:ops:robot", "", "", "service-account:ops:robot"},
        {"system:serviceaccount:ops:robot", "u-7", "", "service-account:u-7"},
        {"system:coracle:folders", "", "system:coracle", "access-policy:system:coracle:folders"},
        {"system:anonymous", "", "", "anonymous:0"},
    };
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct user *u = person(cases[i].name, cases[i].uid, cases[i].group);
        assert_string_equal(stamps_identity(u, &a).ptr, cases[i].want);
        user_unref(u);
    }
    assert_string_equal(stamps_identity(NULL, &a).ptr, "access-policy:system:coracle");
    arena_finish(&a);
}

static void test_own_names(void **state)
{
    static const struct {
        const char *id, *want;
    } cases[] = {
        {"alice-uid", "alice-uid"},
        {"aBc_1.2", "aBc_1.2"},
        {"jane@example.com", "jane:40example.com"},
        {"system:coracle:x", "system:3acoracle:3ax"},
        {"a/b", "a:2fb"},
        {"\xc3\xa9", ":c3:a9"},
        {"40", "40"},
    };
    struct arena a;
    char big[2][400];
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(personal_encode(str_from(cases[i].id), &a).ptr, cases[i].want);
    }
    memset(big, 'x', sizeof(big));
    big[1][399] = 'y';
    struct str first = personal_encode(str_make(big[0], 400), &a);
    struct str second = personal_encode(str_make(big[1], 400), &a);
    assert_int_equal(first.len, 66);
    assert_true(str_starts(first, STR("::")) && !str_eq(first, second));
    struct user *u = person("jane", "", ""), *nobody = person("system:anonymous", "", "");
    assert_string_equal(personal_name(u, &a).ptr, "user-jane");
    assert_null(personal_name(nobody, &a).ptr);
    user_unref(u);
    user_unref(nobody);
    arena_finish(&a);
}

static void test_parse_names(void **state)
{
    struct str id = STR("");
    (void)state;
    assert_int_equal(personal_parse(STR("user-a-b"), &id), PERSONAL_USER);
    assert_true(str_is(id, "a-b"));
    assert_int_equal(personal_parse(STR("team-x"), &id), PERSONAL_TEAM);
    assert_int_equal(personal_parse(STR("namespace"), &id), PERSONAL_NAMESPACE);
    static const char *const none[] = {"",           "user-",  "team-", "user",
                                       "namespaces", "User-a", "merged"};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_int_equal(personal_parse(str_from(none[i]), &id), PERSONAL_NOBODY);
    }
}

static const struct personal_rule everybody = {
    .group = {"g", 1},
    .resource = {"r", 1},
    .owners = PERSONAL_USER | PERSONAL_TEAM | PERSONAL_NAMESPACE,
};

static void test_rights(void **state)
{
    struct user *jane = person("jane@example.com", "", "ops"), *bob = person("bob", "b", ""),
                *root = person("root", "", "system:masters");
    (void)state;
#define MAY(u, name, read) (personal_refuses(&everybody, (u), STR(name), (read)) == NULL)
    assert_true(MAY(jane, "user-jane:40example.com", false));
    assert_false(MAY(jane, "user-jane", true));
    assert_false(MAY(bob, "user-jane:40example.com", true));
    assert_true(MAY(bob, "user-b", false));
    assert_false(MAY(bob, "user-bob", false)); /* who has a uid is known by that alone */
    assert_true(MAY(jane, "team-ops", true));
    assert_false(MAY(jane, "team-ops", false));
    assert_false(MAY(bob, "team-ops", true));
    assert_false(MAY(bob, "team-system:3aauthenticated", true));
    assert_true(MAY(bob, "namespace", true));
    assert_false(MAY(bob, "namespace", false));
    assert_false(MAY(bob, "other", true));
    assert_true(MAY(root, "user-b", false) && MAY(root, "namespace", false));
#undef MAY
    user_unref(jane);
    user_unref(bob);
    user_unref(root);
}

static void test_normal_form(void **state)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"[]", "[]"},
        {"[{'group':'g','kind':'K','names':['b','a','b']}]",
         "[{\"group\":\"g\",\"kind\":\"K\",\"names\":[\"a\",\"b\"]}]"},
        {"[{'group':'g','kind':'K','names':['b']},{'group':'a','kind':'Z','names':['q']},"
         "{'group':'g','kind':'K','names':['a']},{'group':'e','kind':'E','names':[]}]",
         "[{\"group\":\"a\",\"kind\":\"Z\",\"names\":[\"q\"]},"
         "{\"group\":\"g\",\"kind\":\"K\",\"names\":[\"a\",\"b\"]}]"},
        {"[{'group':'g','kind':'K','names':['b',7,'a']}]",
         "[{\"group\":\"g\",\"kind\":\"K\",\"names\":[\"b\",7,\"a\"]}]"},
        {"'text'", "\"text\""},
        {"[7]", "[7]"},
    };
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        yyjson_mut_doc *d = NULL;
        struct str text = quoted(&a, arena_printf(&a, "{'spec':{'resource':%s}}", cases[i].in));
        assert_int_equal(json_read(&a, text, &d, NULL, NULL), 0);
        yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
        stars_normalize(d, obj, &a);
        assert_string_equal(shown(&a, json_path(obj, "spec", "resource", NULL)).ptr, cases[i].want);
    }
    arena_finish(&a);
}

static void test_timezones(void **state)
{
    static const char *const good[] = {"",    "utc",           "browser",
                                       "UTC", "Europe/London", "America/Argentina/Buenos_Aires"};
    static const char *const bad[] = {
        "Europe", "europe/london", "Mars/Base", "../etc/passwd", "Europe/London ", "zzz", "A"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(preferences_is_timezone(str_from(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_false(preferences_is_timezone(str_from(bad[i])));
    }
    assert_false(preferences_is_timezone(str_make("UTC\0x", 5)));
}

/* ---- over the engine ---- */

#define STARS(w, v, ...)                                                                           \
    ASK(w, .verb = (v), .group = "collections.grafana.app", .resource = "stars", .ns = "default",  \
        __VA_ARGS__)
#define HEAD "'apiVersion':'collections.grafana.app/v1alpha1','kind':'Stars'"

/* As the request PUT or DELETE .../NAME/update/PATH. */
static int star(struct world *w, struct user *u, enum verb verb, const char *name, const char *path)
{
    struct type *t = find_type(w, "collections.grafana.app", "stars");
    struct op *op = op_create(w->wire->engine);
    op->verb = VERB_UPDATE;
    op->change_verb = verb;
    op_set_type(op, t, type_storage(t));
    op->change = type_subresource(t, STR("update"));
    type_unref(t);
    op->scope.ns = STR("default");
    op->name = arena_str(&op->arena, str_from(name));
    op->subresource = STR("");
    op->subpath = arena_str(&op->arena, str_from(path));
    op->user = user_ref(u);
    op->manager = STR("test");
    int code = engine_run(w->wire->engine, op);
    op_unref(op);
    return code;
}

static void test_stamped_again(void **state)
{
    struct world *w = *state;
    const char *body =
        "{" HEAD ",'metadata':{'name':'user-x','annotations':{"
        "'grafana.app/createdBy':'user:forged','grafana.app/updatedBy':'user:forged',"
        "'grafana.app/message':'first'}},"
        "'spec':{'resource':[{'group':'g','kind':'K','names':['b','a']}]}}";
    yyjson_mut_val *v = must(w, STARS(w, VERB_CREATE, .body = body));
    assert_at(w, v, "metadata/annotations",
              "{\"grafana.app/createdBy\":\"user:admin-uid\",\"grafana.app/message\":\"first\"}");
    /* the same again, in another order and with forged stamps, is no change */
    yyjson_mut_val *same = must(
        w, STARS(w, VERB_PATCH, .name = "user-x", .patch = PATCH_MERGE,
                 .body = "{'metadata':{'annotations':{'grafana.app/updatedBy':'user:forged',"
                         "'grafana.app/createdBy':null,'grafana.app/updatedTimestamp':'x'}},"
                         "'spec':{'resource':[{'group':'g','kind':'K','names':['b','a','b']}]}}"));
    assert_string_equal(at(w, same, "metadata/resourceVersion"),
                        at(w, v, "metadata/resourceVersion"));
    /* a label is a change that leaves the stamps alone, the spec is one that does not */
    v = must(w, STARS(w, VERB_PATCH, .name = "user-x", .patch = PATCH_MERGE,
                      .body = "{'metadata':{'labels':{'a':'b'}}}"));
    assert_true(strstr(at(w, v, "metadata/annotations"), "updatedBy") == NULL);
    struct user *u = person("eve", "e", "system:masters");
    v = must(w, STARS(w, VERB_PATCH, .name = "user-x", .patch = PATCH_MERGE, .as = u,
                      .body = "{'spec':{'resource':[]}}"));
    const yyjson_mut_val *notes = json_path(v, "metadata", "annotations", NULL);
    assert_true(str_is(json_get_str(notes, "grafana.app/createdBy"), "user:admin-uid"));
    assert_true(str_is(json_get_str(notes, "grafana.app/updatedBy"), "user:e"));
    assert_int_equal(json_get_str(notes, "grafana.app/updatedTimestamp").len, 20);
    user_unref(u);
}

/* What marks an object for deletion changes it too; marking it again does not. */
static void test_stamped_by_delete(void **state)
{
    struct world *w = *state;
    must(w, STARS(w, VERB_CREATE,
                  .body = "{" HEAD ",'metadata':{'name':'user-x','finalizers':['x.io/hold']},"
                          "'spec':{'resource':[]}}"));
    struct user *u = person("eve", "e", "system:masters");
    must(w, STARS(w, VERB_DELETE, .name = "user-x", .as = u));
    yyjson_mut_val *v = must(w, STARS(w, VERB_GET, .name = "user-x"));
    const yyjson_mut_val *notes = json_path(v, "metadata", "annotations", NULL);
    assert_true(str_is(json_get_str(notes, "grafana.app/updatedBy"), "user:e"));
    must(w, STARS(w, VERB_DELETE, .name = "user-x"));
    assert_string_equal(
        at(w, must(w, STARS(w, VERB_GET, .name = "user-x")), "metadata/resourceVersion"),
        at(w, v, "metadata/resourceVersion"));
    user_unref(u);
}

static void test_bad_stars(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *spec, *field;
    } cases[] = {
        {"bob", "{'resource':[]}", "metadata.name"},
        {"team-a", "{'resource':[]}", "metadata.name"},
        {"user-a b", "{'resource':[]}", "metadata.name"},
        {"user-a", "{'resource':'x'}", "spec.resource"},
        {"user-a", "{'resource':[{'group':'g','kind':'K','names':[7]}]}",
         "spec.resource[0].names[0]"},
        {"user-a", "{'resource':[{'group':'','kind':'K','names':['a']}]}",
         "spec.resource[0].group"},
        {"user-a", "{'resource':[{'kind':'K','names':['a']}]}", "spec.resource[0].group"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *body = arena_printf(&w->arena, "{" HEAD ",'metadata':{'name':'%s'},'spec':%s}",
                                        cases[i].name, cases[i].spec);
        assert_cause(w, STARS(w, VERB_CREATE, .body = body), cases[i].field, "");
    }
    struct user *u = person("bob", "b", "");
    struct outcome o =
        STARS(w, VERB_CREATE, .as = u, .body = "{" HEAD ",'metadata':{'name':'user-a'},'spec':{}}");
    assert_int_equal(o.http, 403);
    assert_int_equal(star(w, u, VERB_UPDATE, "user-b", "a/b"), ERR_BAD_REQUEST);
    assert_int_equal(star(w, u, VERB_UPDATE, "user-b", "a/b/c/d"), ERR_BAD_REQUEST);
    assert_int_equal(star(w, u, VERB_UPDATE, "user-b", "a//c"), ERR_BAD_REQUEST);
    assert_int_equal(star(w, u, VERB_UPDATE, "user-b", ""), ERR_BAD_REQUEST);
    assert_int_equal(star(w, u, VERB_DELETE, "user-b", "a/b"), ERR_BAD_REQUEST);
    assert_int_equal(star(w, u, VERB_DELETE, "user-b", "a/b/c"), 0); /* there is nothing to do */
    assert_int_equal(STARS(w, VERB_GET, .name = "user-b").http, 404);
    user_unref(u);
}

enum { ROUNDS = 200, RACERS = 4 };

struct racer {
    struct world *w;
    struct user *user;
    int number, failed;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    char path[64];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(path, sizeof(path), "g/K/r%d-%d", r->number, i);
        r->failed += star(r->w, r->user, VERB_UPDATE, "user-b", path) != 0;
        if (i % 2) {
            r->failed += star(r->w, r->user, VERB_DELETE, "user-b", path) != 0;
        }
    }
    return NULL;
}

/* Every star that was set is there, whoever set others meanwhile, the object's making included. */
static void test_race(void **state)
{
    struct world *w = *state;
    struct user *u = person("bob", "b", "");
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.w = w, .user = u, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].failed, 0);
    }
    yyjson_mut_val *v = must(w, STARS(w, VERB_GET, .name = "user-b"));
    const yyjson_mut_val *list = json_path(v, "spec", "resource", NULL);
    assert_int_equal(json_size(list), 1);
    assert_int_equal(json_size(json_get(yyjson_mut_arr_get_first(json_mut(list)), "names")),
                     RACERS * ROUNDS / 2);
    user_unref(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_own_names),
        cmocka_unit_test(test_parse_names),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_normal_form),
        cmocka_unit_test(test_timezones),
        cmocka_unit_test_setup_teardown(test_stamped_again, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_stamped_by_delete, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_bad_stars, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_race, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
