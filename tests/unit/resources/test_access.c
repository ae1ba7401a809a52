/* SPDX-License-Identifier: Apache-2.0 */
/* Users, and who is asked about a request in which order. */
#include "resources/access.h"

#include "fixture.h"

static void test_user(void **state)
{
    (void)state;
    char name[] = "alice", group[] = "devs";
    const struct str groups[] = {{group, 4}, {"", 0}};
    struct user *u = user_create(str_from(name), STR("u-1"), groups, 2);
    memset(name, 'x', 5);
    memset(group, 'x', 4);
    assert_true(str_is(u->name, "alice") && str_is(u->uid, "u-1"));
    assert_true(user_in_group(u, "devs"));
    assert_true(user_in_group(u, ""));
    assert_false(user_in_group(u, "dev"));
    assert_ptr_equal(user_ref(u), u);
    user_unref(u);
    user_unref(u);
    user_unref(NULL);
    u = user_create(STR_NULL, STR_NULL, NULL, 0);
    assert_int_equal(u->n_groups, 0);
    user_unref(u);
}

/* Knows the token "good" as alice, calls "bad" wrong, and leaves the rest to others. */
static int by_token(void *self, const struct credentials *c, struct user **ret, struct err *err)
{
    int *calls = self;
    (*calls)++;
    if (str_is(c->bearer, "bad")) {
        return err_set(err, ERR_UNAUTHORIZED, "a secret reason");
    }
    if (!str_is(c->bearer, "good")) {
        return ERR_NOT_FOUND;
    }
    const struct str groups[] = {{"devs", 4}};
    *ret = user_create(STR("alice"), STR("u"), groups, 1);
    return 0;
}

static int by_certificate(void *self, const struct credentials *c, struct user **ret,
                          struct err *err)
{
    int *calls = self;
    (void)err;
    (*calls)++;
    if (!c->cert_user.len) {
        return ERR_NOT_FOUND;
    }
    *ret = user_create(c->cert_user, STR_NULL, c->cert_groups, c->n_cert_groups);
    return 0;
}

static void test_authenticate(void **state)
{
    (void)state;
    int first = 0, second = 0;
    struct access *a = access_create();
    access_add_authenticator(a, &(struct authenticator){"tokens", by_token, &first});
    access_add_authenticator(a, &(struct authenticator){"certificates", by_certificate, &second});
    struct user *u = NULL;
    struct err err = {0};

    assert_int_equal(access_authenticate(a, &(struct credentials){.bearer = STR("good")}, &u, &err),
                     0);
    assert_true(str_is(u->name, "alice") && str_is(u->uid, "u"));
    assert_int_equal(u->n_groups, 2);
    assert_true(user_in_group(u, "devs") && user_in_group(u, "system:authenticated"));
    assert_int_equal(second, 0);
    user_unref(u);

    const struct str groups[] = {{"system:authenticated", 20}};
    const struct credentials cert = {
        .cert_user = STR("bob"), .cert_groups = groups, .n_cert_groups = 1};
    assert_int_equal(access_authenticate(a, &cert, &u, &err), 0);
    assert_int_equal(u->n_groups, 1);
    user_unref(u);

    u = NULL;
    assert_int_equal(access_authenticate(a, &(struct credentials){.bearer = STR("bad")}, &u, &err),
                     ERR_UNAUTHORIZED);
    assert_string_equal(err.message, "Unauthorized");
    assert_int_equal(second, 1); /* a wrong token is not offered to the next */
    assert_int_equal(
        access_authenticate(a, &(struct credentials){.bearer = STR("unknown")}, &u, &err),
        ERR_UNAUTHORIZED);
    assert_null(u);

    const struct credentials nothing[] = {{.bearer_given = false}, {.bearer_given = true}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(access_authenticate(a, &nothing[i], &u, &err), 0);
        assert_true(str_is(u->name, "system:anonymous"));
        assert_true(user_in_group(u, "system:unauthenticated"));
        assert_false(user_in_group(u, "system:authenticated"));
        user_unref(u);
    }
    err_finish(&err);
    access_destroy(a);
    access_destroy(NULL);
}

struct opinion {
    enum decision decision;
    const char *reason;
    int calls;
};

static enum decision say(void *self, const struct attributes *at, const char **ret_reason)
{
    struct opinion *o = self;
    (void)at;
    o->calls++;
    if (o->reason) {
        *ret_reason = o->reason;
    }
    return o->decision;
}

static void test_authorize(void **state)
{
    (void)state;
    struct opinion none = {DECISION_NO_OPINION, "not mine", 0}, allow = {DECISION_ALLOW, NULL, 0},
                   deny = {DECISION_DENY, "never", 0};
    const struct attributes at = {.verb = STR("get")};
    const char *reason = NULL;
    struct access *a = access_create();
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_DENY);
    assert_null(reason);
    access_add_authorizer(a, &(struct authorizer){"none", say, &none, 0});
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_DENY);
    assert_string_equal(reason, "not mine");
    access_add_authorizer(a, &(struct authorizer){"allow", say, &allow, 0});
    access_add_authorizer(a, &(struct authorizer){"deny", say, &deny, 0});
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_ALLOW);
    assert_null(reason);
    assert_int_equal(deny.calls, 0);
    allow.decision = DECISION_NO_OPINION;
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_DENY);
    assert_string_equal(reason, "never");
    access_destroy(a);
}

static void test_order(void **state)
{
    (void)state;
    struct opinion allow = {DECISION_ALLOW, NULL, 0}, early = {DECISION_DENY, "early", 0},
                   next = {DECISION_ALLOW, NULL, 0}, last = {DECISION_DENY, "last", 0};
    const struct attributes at = {.verb = STR("get")};
    const char *reason = NULL;
    struct access *a = access_create();
    access_add_authorizer(a, &(struct authorizer){"last", say, &last, 5});
    access_add_authorizer(a, &(struct authorizer){"allow", say, &allow, 0});
    access_add_authorizer(a, &(struct authorizer){"early", say, &early, -5});
    access_add_authorizer(a, &(struct authorizer){"next", say, &next, -5});
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_DENY);
    assert_string_equal(reason, "early");
    early.decision = DECISION_NO_OPINION;
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_ALLOW);
    assert_int_equal(next.calls, 1);
    next.decision = allow.decision = DECISION_NO_OPINION;
    assert_int_equal(access_authorize(a, &at, &reason), DECISION_DENY);
    assert_string_equal(reason, "last");
    access_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_authenticate),
        cmocka_unit_test(test_authorize),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
