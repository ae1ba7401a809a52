/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions: what they make served and when, their names, their status, their end. */
#include "tests/unit/services/fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "services/definitions/definitions.h"

#define CRDS .group = "apiextensions.k8s.io", .resource = "customresourcedefinitions"
#define CRD(w, v, ...) ASK(w, .verb = (v), CRDS, __VA_ARGS__)

#define SCHEMA                                                                                     \
    "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object',"          \
    "'properties':{'size':{'type':'integer','default':1}}}}}}"

/* A definition of one version v1; names: members of spec.names. */
static const char *definition(struct world *w, const char *plural, const char *names)
{
    return arena_printf(&w->arena,
                        "{'metadata':{'name':'%s.example.com'},'spec':{'group':'example.com',"
                        "'scope':'Namespaced','names':{'plural':'%s',%s},'versions':[{'name':'v1',"
                        "'served':true,'storage':true," SCHEMA "}]}}",
                        plural, plural, names);
}

static yyjson_mut_val *apply(struct world *w, const char *plural, const char *names)
{
    return must(w, CRD(w, VERB_CREATE, .body = definition(w, plural, names)));
}

static void settle(struct world *w)
{
    struct err err = {0};
    if (definitions_sync(w->wire->definitions, &err) < 0) {
        fail_msg("%s", err_message(&err));
    }
}

static yyjson_mut_val *get(struct world *w, const char *name)
{
    return must(w, CRD(w, VERB_GET, .name = name));
}

/* "True", "False" with the reason behind it: "False KindConflict". */
static const char *condition(struct world *w, const yyjson_mut_val *crd, const char *type)
{
    struct json_iter it = json_iter(json_path(crd, "status", "conditions", NULL));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "type"), type)) {
            return arena_printf(&w->arena, "%s %s", at(w, it.val, "status"),
                                at(w, it.val, "reason"));
        }
    }
    return "";
}

#define WIDGETS(w, v, ...)                                                                         \
    ASK(w, .verb = (v), .group = "example.com", .resource = "widgets", .ns = "default", __VA_ARGS__)

/* ---- creation ---- */

static void test_served_at_once(void **state)
{
    struct world *w = *state;
    yyjson_mut_val *v = apply(w, "widgets", "'kind':'Widget'");
    assert_at(w, v, "spec/names/singular", "widget");
    assert_at(w, v, "spec/names/listKind", "WidgetList");
    assert_at(w, v, "spec/conversion", "{\"strategy\":\"None\"}");
    assert_at(w, v, "metadata/generation", "1");
    assert_true(
        json_equal(json_get(v, "status"),
                   parsed(&w->arena, "{'conditions':null,'acceptedNames':{'plural':'','kind':''},"
                                     "'storedVersions':['v1']}")));
    v = must(w, WIDGETS(w, VERB_CREATE,
                        .body = "{'apiVersion':'example.com/v1','kind':'Widget',"
                                "'metadata':{'name':'a'},'spec':{}}"));
    assert_at(w, v, "spec/size", "1");
}

static void test_status_follows(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget','shortNames':['wd'],'categories':['all']");
    settle(w);
    yyjson_mut_val *v = get(w, "widgets.example.com");
    assert_string_equal(condition(w, v, "NamesAccepted"), "True NoConflicts");
    assert_string_equal(condition(w, v, "Established"), "True InitialNamesAccepted");
    assert_true(json_equal(json_path(v, "status", "acceptedNames", NULL),
                           json_path(v, "spec", "names", NULL)));
    assert_at(w, v, "metadata/generation", "1");
    const char *rv = at(w, v, "metadata/resourceVersion");
    settle(w);
    assert_at(w, get(w, "widgets.example.com"), "metadata/resourceVersion", rv);
}

static void test_dry_run_serves_nothing(void **state)
{
    struct world *w = *state;
    must(w,
         CRD(w, VERB_CREATE, .body = definition(w, "widgets", "'kind':'Widget'"), .dry_run = true));
    assert_null(find_type(w, "example.com", "widgets"));
}

static void test_change_applies(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget'");
    settle(w);
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_JSON,
                .body = "[{'op':'add','path':'/spec/versions/0/schema/openAPIV3Schema/properties/"
                        "spec/properties/size/maximum','value':10}]"));
    struct outcome o = WIDGETS(w, VERB_CREATE,
                               .body = "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{"
                                       "'name':'a'},'spec':{'size':50}}");
    assert_cause(w, o, "spec.size", "should be less than or equal to 10");
    assert_at(w, get(w, "widgets.example.com"), "metadata/generation", "2");
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                .body = "{'metadata':{'labels':{'a':'b'}}}"));
    assert_at(w, get(w, "widgets.example.com"), "metadata/generation", "2");
}

static void test_stored_versions(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget'");
    settle(w);
    yyjson_mut_val *v = must(
        w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_JSON,
               .body = "[{'op':'add','path':'/spec/versions/-','value':{'name':'v2','served':"
                       "true,'storage':true," SCHEMA
                       "}},{'op':'replace','path':'/spec/versions/0/storage','value':false}]"));
    assert_at(w, v, "status/storedVersions", "[\"v1\",\"v2\"]");
    struct outcome o = CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_JSON,
                           .body = "[{'op':'remove','path':'/spec/versions/0'}]");
    assert_cause(w, o, "status.storedVersions[0]", "missing from spec.versions; v1 was previously");
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .sub = "status", .patch = PATCH_MERGE,
                .body = "{'spec':{'scope':'Cluster'},'status':{'storedVersions':['v2']}}"));
    v = must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_JSON,
                    .body = "[{'op':'remove','path':'/spec/versions/0'}]"));
    assert_at(w, v, "spec/scope", "Namespaced");
    assert_string_equal(condition(w, v, "Established"), "True InitialNamesAccepted");
}

static void test_immutable(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget'");
    /* Before it is established the kind may still change. */
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                .body = "{'spec':{'names':{'kind':'Gadget','listKind':'GadgetList','singular':"
                        "'gadget'}}}"));
    settle(w);
    struct outcome o = CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                           .body = "{'spec':{'scope':'Cluster','group':'x.com','names':{'kind':"
                                   "'Widget','plural':'others'}}}");
    assert_cause(w, o, "spec.scope", "Invalid value: \"Cluster\": field is immutable");
    assert_cause(w, o, "spec.names.kind", "field is immutable");
    assert_cause(w, o, "spec.group", "field is immutable");
    assert_cause(w, o, "spec.names.plural", "field is immutable");
}

/* ---- names ---- */

static void test_kind_conflict(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget'");
    apply(w, "wudgets", "'kind':'Widget','singular':'wudget','listKind':'WudgetList'");
    assert_null(find_type(w, "example.com", "wudgets"));
    settle(w);
    yyjson_mut_val *v = get(w, "wudgets.example.com");
    assert_string_equal(condition(w, v, "NamesAccepted"), "False KindConflict");
    assert_string_equal(condition(w, v, "Established"), "False NotAccepted");
    assert_true(json_equal(json_path(v, "status", "acceptedNames", NULL),
                           parsed(&w->arena, "{'plural':'wudgets','singular':'wudget','kind':'',"
                                             "'listKind':'WudgetList'}")));
    /* The first goes (its finalizer taken off by hand): the second has the name. */
    must(w, CRD(w, VERB_DELETE, .name = "widgets.example.com"));
    assert_null(find_type(w, "example.com", "wudgets"));
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                .body = "{'metadata':{'finalizers':null}}"));
    assert_null(find_type(w, "example.com", "widgets"));
    settle(w);
    struct type *t = find_type(w, "example.com", "wudgets");
    assert_non_null(t);
    type_unref(t);
    assert_string_equal(condition(w, get(w, "wudgets.example.com"), "Established"),
                        "True InitialNamesAccepted");
}

/* A name that is given up goes to whoever waits for it. */
static void test_short_name_conflict(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget','shortNames':['x']");
    apply(w, "gadgets", "'kind':'Gadget'");
    settle(w);
    must(w, CRD(w, VERB_PATCH, .name = "gadgets.example.com", .patch = PATCH_MERGE,
                .body = "{'spec':{'names':{'shortNames':['x','y']}}}"));
    settle(w);
    yyjson_mut_val *v = get(w, "gadgets.example.com");
    assert_string_equal(condition(w, v, "NamesAccepted"), "False ShortNamesConflict");
    assert_string_equal(condition(w, v, "Established"), "True InitialNamesAccepted");
    assert_at(w, v, "status/acceptedNames/shortNames", "");
    struct type *t = find_type(w, "example.com", "gadgets"); /* still served, without them */
    assert_int_equal(t->n_short_names, 0);
    type_unref(t);
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                .body = "{'spec':{'names':{'shortNames':null}}}"));
    settle(w);
    v = get(w, "gadgets.example.com");
    assert_string_equal(condition(w, v, "NamesAccepted"), "True NoConflicts");
    t = find_type(w, "example.com", "gadgets");
    assert_int_equal(t->n_short_names, 2);
    type_unref(t);
}

#define LEASES                                                                                     \
    "{'metadata':{'name':'leases.coordination.k8s.io','annotations':{'api-approved.kubernetes.io'" \
    ":"                                                                                            \
    "'unapproved, a test'}},'spec':{'group':'coordination.k8s.io','scope':'Namespaced','names':{"  \
    "'plural':'leases','kind':'Lease'},'versions':[{'name':'v1','served':true,'storage':"          \
    "true," SCHEMA "}]}}"

/* What the server ships is not replaced by a definition of the same name. */
static void test_builtin_is_safe(void **state)
{
    struct world *w = *state;
    must(w, CRD(w, VERB_CREATE, .body = LEASES));
    settle(w);
    struct type *t = find_type(w, "coordination.k8s.io", "leases");
    assert_false(t->custom);
    type_unref(t);
    yyjson_mut_val *v = get(w, "leases.coordination.k8s.io");
    assert_string_equal(condition(w, v, "NamesAccepted"), "False ListKindConflict");
    assert_string_equal(condition(w, v, "KubernetesAPIApprovalPolicyConformant"),
                        "False UnapprovedAnnotation");
    must(w, CRD(w, VERB_DELETE, .name = "leases.coordination.k8s.io"));
    must(w, CRD(w, VERB_PATCH, .name = "leases.coordination.k8s.io", .patch = PATCH_MERGE,
                .body = "{'metadata':{'finalizers':null}}"));
    t = find_type(w, "coordination.k8s.io", "leases");
    assert_non_null(t);
    type_unref(t);
}

/* ---- deletion ---- */

static void test_delete(void **state)
{
    struct world *w = *state;
    apply(w, "widgets", "'kind':'Widget'");
    settle(w);
    yyjson_mut_val *v = must(w, CRD(w, VERB_DELETE, .name = "widgets.example.com"));
    assert_at(w, v, "metadata/finalizers", "[\"" DEFINITIONS_FINALIZER "\"]");
    assert_string_not_equal(at(w, v, "metadata/deletionTimestamp"), "");
    assert_string_equal(condition(w, v, "Terminating"), "True InstanceDeletionPending");
    struct outcome o = WIDGETS(w, VERB_CREATE,
                               .body = "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{"
                                       "'name':'a'}}");
    assert_int_equal(o.http, 403);
    assert_at(w, o.body, "message",
              "widgets.example.com \"a\" is forbidden: create not allowed while custom resource "
              "definition is terminating");
    v = must(w, CRD(w, VERB_DELETE, .name = "widgets.example.com"));
    assert_at(w, v, "metadata/finalizers", "[\"" DEFINITIONS_FINALIZER "\"]");
    must(w, CRD(w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                .body = "{'metadata':{'finalizers':null}}"));
    assert_int_equal(CRD(w, VERB_GET, .name = "widgets.example.com").http, 404);
    assert_null(find_type(w, "example.com", "widgets"));
    settle(w);
    apply(w, "widgets", "'kind':'Widget'"); /* anew, at once */
    must(w, WIDGETS(w, VERB_CREATE,
                    .body = "{'apiVersion':'example.com/v1','kind':'Widget',"
                            "'metadata':{'name':'a'}}"));
}

/* Waits until the definition is gone, which the background services see to. */
static void wait_gone(struct world *w, const char *name)
{
    for (int i = 0; CRD(w, VERB_GET, .name = name).http != 404; i++) {
        assert_true(i < 6000);
        usleep(10000);
    }
}

/* A definition that asks for the names of what the server ships takes nothing with it when it goes;
 * one of its own takes its objects, even where its status was not written yet. */
static void test_delete_takes_its_own(void **state)
{
    struct world *w = *state;
    struct background table[WIRE_BACKGROUNDS + 1];
    struct store_range r = {.prefix = STR("/registry/example.com/widgets/")};
    int64_t left = -1;
    must(w, ASK(w, .verb = VERB_CREATE, .group = "coordination.k8s.io", .resource = "leases",
                .ns = "default", .body = "{'metadata':{'name':'l'}}"));
    must(w, CRD(w, VERB_CREATE, .body = LEASES));
    apply(w, "widgets", "'kind':'Widget'");
    must(w, WIDGETS(w, VERB_CREATE,
                    .body = "{'apiVersion':'example.com/v1','kind':'Widget',"
                            "'metadata':{'name':'a'}}"));
    must(w, CRD(w, VERB_DELETE, .name = "leases.coordination.k8s.io"));
    must(w, CRD(w, VERB_DELETE, .name = "widgets.example.com"));
    const struct supervisor_options o = {.config = &w->config};
    struct supervisor *s = supervisor_create(&o, table, wire_backgrounds(w->wire, table));
    supervisor_start(s);
    wait_gone(w, "leases.coordination.k8s.io");
    wait_gone(w, "widgets.example.com");
    supervisor_destroy(s);
    must(w, ASK(w, .verb = VERB_GET, .group = "coordination.k8s.io", .resource = "leases",
                .ns = "default", .name = "l"));
    assert_int_equal(store_count(w->wire->store, &r, &left, NULL), 0);
    assert_int_equal(left, 0);
}

/* ---- the start ---- */

static void restart(struct world *w)
{
    wire_destroy(w->wire);
    w->wire = NULL;
    world_wire(w);
}

static void test_restart(void **state)
{
    struct world w;
    (void)state;
    world_prepare(&w, "sqlite");
    world_wire(&w);
    apply(&w, "widgets", "'kind':'Widget'");
    settle(&w);
    apply(&w, "wudgets", "'kind':'Widget','listKind':'WudgetList'");
    apply(&w, "gadgets", "'kind':'Gadget'"); /* their statuses were never written */
    apply(&w, "things", "'kind':'Thing'");
    must(&w, CRD(&w, VERB_DELETE, .name = "things.example.com"));
    struct type *t = find_type(&w, "example.com", "widgets");
    int64_t born = t->born;
    uint64_t stamp = t->stamp;
    type_unref(t);
    restart(&w);
    t = find_type(&w, "example.com", "widgets");
    assert_non_null(t);
    assert_int_equal(t->born, born);
    assert_int_equal(t->stamp, stamp);
    type_unref(t);
    t = find_type(&w, "example.com", "gadgets");
    assert_non_null(t);
    type_unref(t);
    t = find_type(&w, "example.com", "things");
    assert_true(t->terminating);
    type_unref(t);
    assert_null(find_type(&w, "example.com", "wudgets"));
    settle(&w);
    assert_string_equal(condition(&w, get(&w, "gadgets.example.com"), "Established"),
                        "True InitialNamesAccepted");
    assert_string_equal(condition(&w, get(&w, "wudgets.example.com"), "NamesAccepted"),
                        "False KindConflict");
    world_close(&w);
}

static void write_text(struct world *w, const char *name, const char *text)
{
    AUTO_FREE char *path = alloc_printf("%s/schemas/%s", w->dir, name);
    struct err err = {0};
    assert_int_equal(file_write(path, str_from(text), 0644, &err), 0);
}

static void prepare_files(struct world *w)
{
    world_prepare(w, "memory");
    w->config.schemas.items = alloc_zero(sizeof(char *));
    w->config.schemas.items[0] = alloc_printf("%s/schemas", w->dir);
    w->config.schemas.n = 1;
    assert_int_equal(mkdir(w->config.schemas.items[0], 0700), 0);
}

#define YAML(plural, kind, more)                                                                   \
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: "              \
    "{name: " plural ".example.com, labels: {from: file}}\nspec:\n  group: example.com\n  scope: " \
    "Cluster\n  names: "                                                                           \
    "{plural: " plural ", kind: " kind more "}\n  versions:\n  - name: v1\n    served: true\n    " \
    "storage: true\n    schema: {openAPIV3Schema: {type: object}}\n"

static void test_files(void **state)
{
    struct world w;
    (void)state;
    prepare_files(&w);
    write_text(&w, "a.yaml",
               YAML("widgets", "Widget", "") "---\n---\n" YAML("gadgets", "Gadget", ""));
    write_text(
        &w, "b.json",
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"apiextensions."
        "k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"things."
        "example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Cluster\",\"names\":{"
        "\"plural\":\"things\",\"kind\":\"Thing\"},\"versions\":[{\"name\":\"v1\",\"served\":"
        "true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}]}");
    write_text(&w, "c.yml", YAML("widgets", "Widget", ", shortNames: [wd]")); /* the later counts */
    write_text(&w, "notes.txt", "not a definition");
    write_text(&w, "others.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    world_wire(&w);
    static const char *const names[] = {"widgets", "gadgets", "things"};
    for (size_t i = 0; i < 3; i++) {
        struct type *t = find_type(&w, "example.com", names[i]);
        assert_non_null(t);
        type_unref(t);
    }
    yyjson_mut_val *v = get(&w, "widgets.example.com");
    assert_at(&w, v, "spec/names/shortNames", "[\"wd\"]");
    assert_at(&w, v, "metadata/labels", "{\"from\":\"file\"}");
    world_close(&w);
}

/* What the directory says a second time changes nothing; what others added stays. */
static void test_files_again(void **state)
{
    struct world w;
    (void)state;
    prepare_files(&w);
    free(w.config.store);
    w.config.store = alloc_strdup("sqlite");
    write_text(&w, "a.yaml", YAML("widgets", "Widget", ""));
    world_wire(&w);
    settle(&w);
    must(&w, CRD(&w, VERB_PATCH, .name = "widgets.example.com", .patch = PATCH_MERGE,
                 .body = "{'metadata':{'labels':{'by':'hand'}}}"));
    const char *rv = at(&w, get(&w, "widgets.example.com"), "metadata/resourceVersion");
    restart(&w);
    yyjson_mut_val *v = get(&w, "widgets.example.com");
    assert_at(&w, v, "metadata/resourceVersion", rv);
    assert_at(&w, v, "metadata/labels", "{\"from\":\"file\",\"by\":\"hand\"}");
    world_close(&w);
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a: [", "a.yaml"},
        {YAML("widgets", "Widget", "") "---\n" YAML("gadgets", "", ""), "a.yaml: document 2"},
        {"apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n",
         "a.yaml: document 1: a CustomResourceDefinition of apiextensions.k8s.io/v1 is wanted"},
        {"kind: ConfigMap\nmetadata: {name: x}\n", "a.yaml: document 1: a CustomResource"},
        {"just text\n", "a.yaml: document 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world w;
        struct err err = {0};
        prepare_files(&w);
        write_text(&w, "a.yaml", cases[i].text);
        assert_true(wire_create(&w.config, &w.wire, &err) < 0);
        if (!strstr(err_message(&err), cases[i].want)) {
            fail_msg("%s", err_message(&err));
        }
        err_finish(&err);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_served_at_once, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_status_follows, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_dry_run_serves_nothing, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_change_applies, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_stored_versions, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_immutable, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_kind_conflict, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_short_name_conflict, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_builtin_is_safe, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_delete, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_delete_takes_its_own, world_setup, world_teardown),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_again),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
