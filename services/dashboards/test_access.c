/* SPDX-License-Identifier: Apache-2.0 */
/* Slugs of titles, and what the subresources say of users with different rights. */
#include "resources/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "services/dashboards/dashboards.h"
#include "services/dashboards/dashboards_priv.h"

/* ---- slugs ---- */

static void assert_slug(struct str title, const char *want)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "/");
    dashboards_slug(&b, title);
    buf_addc(&b, 0);
    assert_string_equal(b.ptr + 1, want);
}

#define SLUG(title_, want_) assert_slug(STR(title_), (want_))

static void test_slugs(void **state)
{
    (void)state;
    SLUG("Hello World", "hello-world");
    SLUG("  a  b\t", "a--b");
    SLUG("Nodes (AIX), v1.2 \"x\"?", "nodes-aix-v12-x");
    SLUG("R&D @ home", "randd-at-home");
    SLUG("Über Ärger, Øl und Straße", "ueber-arger-ol-und-strasse");
    SLUG("ŁÓDŹ", "lodz");
    SLUG("Привет Мир", "privet-mir");
    SLUG("שלום", "wlvm");
    SLUG("CPU / Memory", "cpu-2f-memory");
    SLUG("Ωμέγα", "cf89cebcceadceb3ceb1"); /* not in the table: the bytes of the small letters */
    SLUG("日本", "e697a5e69cac");
    SLUG("a_b-c", "a_b-c");
    SLUG("\xff", "efbfbd");
}

/* What is long or comes to nothing is a name-based UUID of the title as it is. */
static void test_slug_uuid(void **state)
{
    (void)state;
    SLUG("12345678901234567890123456789012345678901234567890",
         "12345678901234567890123456789012345678901234567890");
    SLUG("123456789012345678901234567890123456789012345678901",
         "29685c0a-8c06-5569-9e9e-75a54bda701a");
    SLUG("", "0a68eb57-c88a-5f34-9e9d-27f85e68af4f");
    SLUG("...", "32394cfa-2b15-53a0-9dda-1c3108c90985");
}

/* ---- rights ---- */

/* Whoever's name is a list of verbs may do these. */
static enum decision authorize(void *self, const struct attributes *a, const char **ret_reason)
{
    (void)self;
    *ret_reason = "";
    struct str rest = a->user->name;
    while (rest.len) {
        if (str_eq(str_cut(rest, ' ', &rest), a->verb)) {
            return DECISION_ALLOW;
        }
    }
    return DECISION_DENY;
}

struct question {
    struct arena arena;
    struct access *access;
    struct dashboards service;
    struct type type;
    struct type_version version;
    struct op op;
};

static yyjson_mut_val *answer(struct question *q, const char *user)
{
    const struct authorizer by_name = {.name = "by name", .authorize = authorize};
    arena_init(&q->arena, 0);
    q->access = access_create();
    access_add_authorizer(q->access, &by_name);
    q->service.access = q->access;
    q->type = (struct type){.group = STR(DASHBOARDS_GROUP), .resource = STR(DASHBOARDS_RESOURCE)};
    q->version =
        (struct type_version){.name = STR("v1"), .api_version = STR("dashboard.grafana.app/v1")};
    q->op = (struct op){.type = &q->type,
                        .version = &q->version,
                        .scope = {.ns = STR("default")},
                        .name = STR("d"),
                        .user = user_create(str_from(user), STR(""), NULL, 0)};
    yyjson_mut_doc *d = json_doc(&q->arena);
    yyjson_mut_val *obj = yyjson_mut_obj(d), *ret = NULL;
    json_set_str(d, json_ensure_obj(d, obj, "metadata"), "name", STR("d"));
    json_set_str(d, json_ensure_obj(d, obj, "spec"), "title", STR("T"));
    assert_int_equal(access_get(&q->service, &q->op, d, obj, &ret, NULL), 0);
    return ret;
}

static void question_finish(struct question *q)
{
    user_unref(q->op.user);
    access_destroy(q->access);
    arena_finish(&q->arena);
}

static void test_rights(void **state)
{
    static const struct {
        const char *user;
        bool save, admin, remove, star, annotate;
    } cases[] = {
        {"get", false, false, false, true, false},
        {"get update", true, false, false, true, false},
        {"create", false, false, false, true, true},
        {"update delete", true, false, true, true, false},
        {"* update", true, true, false, true, false},
        {"system:anonymous", false, false, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct question q;
        const yyjson_mut_val *v = answer(&q, cases[i].user);
        assert_int_equal(json_get_bool(v, "canSave"), cases[i].save);
        assert_int_equal(json_get_bool(v, "canEdit"), cases[i].save);
        assert_int_equal(json_get_bool(v, "canAdmin"), cases[i].admin);
        assert_int_equal(json_get_bool(v, "canDelete"), cases[i].remove);
        assert_int_equal(json_get_bool(v, "canStar"), cases[i].star);
        assert_int_equal(
            json_get_bool(json_path(v, "annotationsPermissions", "organization", NULL), "canAdd"),
            cases[i].annotate);
        assert_true(str_is(json_get_str(v, "url"), "/d/d/t"));
        question_finish(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slugs),
        cmocka_unit_test(test_slug_uuid),
        cmocka_unit_test(test_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
