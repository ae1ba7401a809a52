/* SPDX-License-Identifier: Apache-2.0 */
/* Who clients are and what they may do: the token file, certificates, reviews. */
#include "services/authentication/tokens_priv.h"
#include "tests/unit/services/fixture.h"

#include "base/file.h"

/* ---- the token file ---- */

static void test_tokens(void **state)
{
    static const char csv[] = "admin,root,0,system:masters\r\n"
                              "\n"
                              "\"to\"\"ken\",alice,u-1,\"devs,qa\"\n"
                              ",nobody,u-2\n"
                              "bob,bob,\n"
                              "admin,other,1\n"
                              "last,eve,9,\"one\",ignored";
    struct tokens *t = NULL;
    (void)state;
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    assert_int_equal(tokens_parse(str_from(csv), "f", &t, NULL), 0);
    const struct user *u = tokens_find(t, STR("to\"ken"));
    assert_non_null(u);
    assert_true(str_is(u->name, "alice") && str_is(u->uid, "u-1"));
    assert_int_equal(u->n_groups, 2);
    assert_true(user_in_group(u, "devs") && user_in_group(u, "qa"));
    u = tokens_find(t, STR("admin")); /* the last of equal ones */
    assert_true(str_is(u->name, "other"));
    assert_int_equal(u->n_groups, 0);
    assert_int_equal(tokens_find(t, STR("bob"))->uid.len, 0);
    assert_int_equal(tokens_find(t, STR("last"))->n_groups, 1);
    assert_null(tokens_find(t, STR("")));
    assert_null(tokens_find(t, STR("adm")));
    assert_null(tokens_find(t, STR("admin ")));
    tokens_destroy(t);
}

static void test_bad_tokens(void **state)
{
    static const struct {
        const char *csv, *want;
    } cases[] = {
        {"a,b\n", "record 1: at least 3 columns are wanted (token, user, uid), found 2"},
        {"x,y,z\n\na\n", "record 2: at least 3 columns"},
        {"\"a,b,c\n", "record 1: a quote is not closed"},
        {"\"a\"b,c,d\n", "record 1: text after a closing quote"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tokens *t = NULL;
        struct err err = {0};
        assert_int_equal(tokens_parse(str_from(cases[i].csv), "f", &t, &err), ERR_BAD_REQUEST);
        assert_non_null(strstr(err_message(&err), cases[i].want));
        err_finish(&err);
        assert_null(t);
    }
    struct tokens *none = NULL;
    assert_int_equal(tokens_parse(STR(""), "f", &none, NULL), 0);
    assert_null(tokens_find(none, STR("x")));
    tokens_destroy(none);
}

/* Quoted fields by the ten thousand take room for themselves only, not each for what follows. */
static void test_many_quotes(void **state)
{
    enum { RECORDS = 50000 };
    AUTO(buf_finish) struct buf b = {0};
    struct tokens *t = NULL;
    (void)state;
    for (int i = 0; i < RECORDS; i++) {
        buf_printf(&b, "\"t\"\"%d\",\"u%d\",\"i\"\n", i, i);
    }
    assert_int_equal(tokens_parse(buf_str(&b), "f", &t, NULL), 0);
    const struct user *u = tokens_find(t, STR("t\"49999"));
    assert_non_null(u);
    assert_true(str_is(u->name, "u49999"));
    tokens_destroy(t);
}

/* ---- the service ---- */

static int setup(void **state)
{
    struct world *w = ALLOC(struct world);
    world_prepare(w, "memory");
    w->config.token_file = alloc_printf("%s/tokens.csv", w->dir);
    assert_int_equal(
        file_write(w->config.token_file, STR("secret,alice,a-uid,\"devs,qa\"\n"), 0600, NULL), 0);
    world_wire(w);
    *state = w;
    return 0;
}

static struct user *who(struct world *w, struct credentials c, int want)
{
    struct user *u = NULL;
    assert_int_equal(access_authenticate(w->wire->access, &c, &u, NULL), want);
    return u;
}

static void test_authenticators(void **state)
{
    struct world *w = *state;
    static const struct str groups[] = {{"system:masters", 14}};
    struct user *u = who(w, (struct credentials){.bearer = STR("secret"), .bearer_given = true}, 0);
    assert_true(str_is(u->name, "alice"));
    assert_true(user_in_group(u, "qa") && user_in_group(u, "system:authenticated"));
    user_unref(u);
    u = who(
        w, (struct credentials){.cert_user = STR("kim"), .cert_groups = groups, .n_cert_groups = 1},
        0);
    assert_true(str_is(u->name, "kim"));
    assert_true(user_in_group(u, "system:masters") && user_in_group(u, "system:authenticated"));
    user_unref(u);
    u = who(w, (struct credentials){0}, 0);
    assert_true(str_is(u->name, "system:anonymous"));
    user_unref(u);
    who(w, (struct credentials){.bearer = STR("nope"), .bearer_given = true}, ERR_UNAUTHORIZED);
}

static enum decision may(struct world *w, const struct user *u, const char *path)
{
    const char *reason = NULL;
    struct attributes at = {.user = u, .verb = STR("get")};
    if (path) {
        at.path = str_from(path);
    } else {
        at.resource_request = true;
        at.resource = STR("secrets");
        at.path = STR("/healthz"); /* of no meaning for a resource */
    }
    return access_authorize(w->wire->access, &at, &reason);
}

static void test_authorizer(void **state)
{
    struct world *w = *state;
    struct user *nobody = who(w, (struct credentials){0}, 0);
    assert_int_equal(may(w, w->user, NULL), DECISION_ALLOW);
    assert_int_equal(may(w, w->user, "/metrics"), DECISION_ALLOW);
    assert_int_equal(may(w, nobody, NULL), DECISION_DENY);
    assert_int_equal(may(w, nobody, "/metrics"), DECISION_DENY);
    assert_int_equal(may(w, nobody, "/api"), DECISION_DENY);
    assert_int_equal(may(w, nobody, "/healthzz"), DECISION_DENY);
    assert_int_equal(may(w, nobody, "/healthz"), DECISION_ALLOW);
    assert_int_equal(may(w, nobody, "/readyz/store"), DECISION_DENY);
    assert_int_equal(may(w, nobody, "/version"), DECISION_ALLOW);
    user_unref(nobody);
}

static void test_who_am_i(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v = must(w, ASK(w, .verb = VERB_CREATE, .group = "authentication.k8s.io",
                                    .resource = "selfsubjectreviews", .body = "{}"));
    assert_at(w, v, "kind", "SelfSubjectReview");
    assert_at(w, v, "metadata", "{}");
    assert_at(w, v, "status/userInfo/username", "admin");
    assert_at(w, v, "status/userInfo/uid", "admin-uid");
    assert_at(w, v, "status/userInfo/groups", "[\"system:masters\",\"system:authenticated\"]");
}

#define REVIEW(w, resource_, ...)                                                                  \
    ASK(w, .verb = VERB_CREATE, .group = "authorization.k8s.io", .resource = resource_, __VA_ARGS__)

static void test_token_review(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v =
        must(w, ASK(w, .verb = VERB_CREATE, .group = "authentication.k8s.io",
                    .resource = "tokenreviews", .body = "{'spec':{'token':'secret'}}"));
    assert_at(w, v, "status/authenticated", "true");
    assert_at(w, v, "status/user/username", "alice");
    v = must(w, ASK(w, .verb = VERB_CREATE, .group = "authentication.k8s.io",
                    .resource = "tokenreviews", .body = "{'spec':{'token':'no'}}"));
    assert_at(w, v, "status", "{\"user\":{},\"error\":\"invalid bearer token\"}");
    struct outcome o = ASK(w, .verb = VERB_CREATE, .group = "authentication.k8s.io",
                           .resource = "tokenreviews", .body = "{'spec':{}}");
    assert_int_equal(o.http, 400);
}

static void test_access_reviews(void **state)
{
    struct world *w = *state;
    const char *get = "'resourceAttributes':{'verb':'get','resource':'configmaps','namespace':'n'}";
    const char *body = arena_printf(&w->arena, "{'spec':{%s}}", get);
    yyjson_mut_val *v = must(w, REVIEW(w, "selfsubjectaccessreviews", .body = body));
    assert_at(w, v, "status", "{\"allowed\":true}");
    body = arena_printf(&w->arena, "{'spec':{'user':'u',%s}}", get);
    assert_at(w, must(w, REVIEW(w, "subjectaccessreviews", .body = body)), "status/allowed",
              "true");
    body = arena_printf(&w->arena, "{'spec':{'user':'system:anonymous',%s}}", get);
    assert_at(w, must(w, REVIEW(w, "subjectaccessreviews", .body = body)), "status/allowed",
              "false");
    body = arena_printf(&w->arena, "{'spec':{'user':'u','groups':['system:unauthenticated'],%s}}",
                        get);
    assert_at(w, must(w, REVIEW(w, "subjectaccessreviews", .body = body)), "status/allowed",
              "false");
    body = "{'spec':{'user':'system:anonymous','nonResourceAttributes':{'path':'/"
           "healthz','verb':'get'}}}";
    assert_at(w, must(w, REVIEW(w, "subjectaccessreviews", .body = body)), "status/allowed",
              "true");
    body = arena_printf(&w->arena, "{'spec':{'user':'u',%s}}", get);
    must(w, REVIEW(w, "localsubjectaccessreviews", .ns = "n", .body = body));
}

static void test_bad_reviews(void **state)
{
    struct world *w = *state;
    struct outcome o = REVIEW(w, "selfsubjectaccessreviews", .body = "{'spec':{}}");
    assert_cause(w, o, "spec",
                 "exactly one of nonResourceAttributes or resourceAttributes must be");
    assert_at(w, o.body, "details/kind", "");
    o = REVIEW(w, "selfsubjectaccessreviews",
               .body = "{'spec':{'resourceAttributes':{},'nonResourceAttributes':{}}}");
    assert_cause(w, o, "spec.nonResourceAttributes", "cannot be specified in combination with");
    o = REVIEW(w, "subjectaccessreviews", .body = "{'spec':{'resourceAttributes':{'verb':'get'}}}");
    assert_cause(w, o, "spec.user", "at least one of user or group must be specified");
    o = REVIEW(w, "localsubjectaccessreviews", .ns = "n",
               .body = "{'spec':{'user':'u','resourceAttributes':{'namespace':'other'}}}");
    assert_cause(w, o, "spec.resourceAttributes.namespace", "must match metadata.namespace");
    o = REVIEW(w, "localsubjectaccessreviews", .ns = "n",
               .body = "{'spec':{'user':'u','resourceAttributes':{}}}");
    assert_cause(w, o, "spec.resourceAttributes.namespace", "must match metadata.namespace");
    o = REVIEW(w, "localsubjectaccessreviews", .ns = "n",
               .body = "{'spec':{'user':'u','nonResourceAttributes':{'path':'/'}}}");
    assert_cause(w, o, "spec.nonResourceAttributes", "disallowed on this kind of request");
    o = REVIEW(w, "selfsubjectrulesreviews", .body = "{'spec':{}}");
    assert_int_equal(o.http, 400);
    assert_at(w, o.body, "message", "no namespace on request");
}

static void test_rules(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v =
        must(w, REVIEW(w, "selfsubjectrulesreviews", .body = "{'spec':{'namespace':'n'}}"));
    assert_at(w, v, "status/resourceRules",
              "[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]");
    assert_at(w, v, "status/incomplete", "false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_many_quotes),
        cmocka_unit_test_setup_teardown(test_authenticators, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_authorizer, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_who_am_i, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_token_review, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_access_reviews, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_bad_reviews, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
