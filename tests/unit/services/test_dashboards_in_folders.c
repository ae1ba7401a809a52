/* SPDX-License-Identifier: Apache-2.0 */
/* Dashboards name folders that are there: over a table of uids in place of the tree of folders. */
#include "services/folders/folders.h"
#include "tests/unit/services/fixture.h"

#define BOARD(w, v, ...)                                                                           \
    ASK(w, .verb = (v), .group = "dashboard.grafana.app", .resource = "dashboards",                \
        .ns = "default", __VA_ARGS__)

static const struct scope here = {.ns = {"default", 7}};

static struct outcome make(struct world *w, const char *name, const char *folder)
{
    struct type *t = find_type(w, "dashboard.grafana.app", "dashboards");
    assert_non_null(t);
    const char *body =
        arena_printf(&w->arena,
                     "{'apiVersion':'%.*s','kind':'Dashboard','metadata':{'name':'%s',"
                     "'annotations':{'grafana.app/folder':'%s'}},'spec':{'title':'T','panels':[]}}",
                     STR_FMT(type_storage(t)->api_version), name, folder);
    type_unref(t);
    return BOARD(w, VERB_CREATE, .body = body);
}

static struct outcome change(struct world *w, const char *name, const char *patch)
{
    return BOARD(w, VERB_PATCH, .name = name, .patch = PATCH_MERGE, .body = patch);
}

static void assert_no_folder(struct world *w, struct outcome o, const char *uid)
{
    const char *message =
        arena_printf(&w->arena, "folders.folder.grafana.app \"%s\" not found", uid);
    assert_int_equal(o.http, 404);
    assert_at(w, o.body, "message", message);
}

static void test_create(void **state)
{
    struct world *w = *state;
    assert_no_folder(w, make(w, "a", "team"), "team");
    must(w, make(w, "root", ""));
    must(w, make(w, "general", "general"));
    folders_fake_add(w->wire->folders, here, "team");
    must(w, make(w, "a", "team"));
    folders_fake_add(w->wire->folders, (struct scope){.ns = STR("org-2")}, "far");
    assert_no_folder(w, make(w, "b", "far"), "far");
}

static void test_change(void **state)
{
    struct world *w = *state;
    folders_fake_add(w->wire->folders, here, "team");
    must(w, make(w, "a", "team"));
    assert_no_folder(w, change(w, "a", "{'metadata':{'annotations':{'grafana.app/folder':'x'}}}"),
                     "x");
    must(w, change(w, "a", "{'metadata':{'annotations':{'grafana.app/folder':null}}}"));
    must(w, change(w, "a", "{'metadata':{'annotations':{'grafana.app/folder':'team'}}}"));
}

/* One that came to be without its folder can still be changed, only not put there anew. */
static void test_folder_that_went(void **state)
{
    struct world *w = *state;
    folders_fake_add(w->wire->folders, here, "team");
    must(w, make(w, "a", "team"));
    folders_fake_remove(w->wire->folders, here, "team");
    assert_no_folder(w, make(w, "b", "team"), "team");
    yyjson_mut_val *v = must(w, change(w, "a", "{'spec':{'title':'Renamed'}}"));
    assert_at(w, v, "spec/title", "Renamed");
    must(w, change(w, "a", "{'metadata':{'annotations':{'grafana.app/folder':''}}}"));
    assert_no_folder(
        w, change(w, "a", "{'metadata':{'annotations':{'grafana.app/folder':'team'}}}"), "team");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_change, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_folder_that_went, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
