/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a file's text. */
#include "services/provisioning/documents_priv.h"

#include "base/limits.h"
#include "tests/unit/services/fixture.h"

struct text {
    struct world w; /* first: a world by its state */
    struct registry_snapshot *types;
    struct documents d;
    struct err err;
};

static int setup(void **state)
{
    struct text *t = ALLOC(struct text);
    world_open(&t->w);
    t->types = registry_ref(t->w.wire->registry);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct text *t = *state;
    documents_finish(&t->d);
    err_finish(&t->err);
    registry_snapshot_unref(t->types);
    world_close(&t->w);
    free(t);
    return 0;
}

static int read_as(struct text *t, const char *path, struct str text)
{
    const struct document_source from = {t->types, STR("files"), str_from(path)};
    documents_finish(&t->d);
    err_finish(&t->err);
    return documents_read(&t->d, &from, text, &t->err);
}

static void assert_read(struct text *t, const char *path, struct str text)
{
    if (read_as(t, path, text) < 0) {
        fail_msg("%s", err_message(&t->err));
    }
}

static void assert_refused(struct text *t, const char *path, const char *text, const char *why)
{
    assert_true(read_as(t, path, str_from(text)) < 0);
    if (!strstr(err_message(&t->err), why)) {
        fail_msg("%s: %s", text, err_message(&t->err));
    }
}

static void test_object(void **state)
{
    struct text *t = *state;
    assert_read(t, "a/b.yaml",
                STR("# first\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"
                    "  uid: u\n  resourceVersion: '5'\n  creationTimestamp: null\n"
                    "  managedFields: []\n  annotations: {own: z}\n"
                    "---\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n"));
    assert_int_equal(t->d.n, 2);
    const struct document *o = &t->d.items[0];
    assert_true(str_is(o->ref.resource, "configmaps"));
    assert_true(str_is(o->ref.ns, "default"));
    assert_true(str_is(o->ref.name, "x"));
    assert_int_equal(o->stage, STAGE_REST);
    assert_false(o->adopt);
    const yyjson_mut_val *meta = json_get(o->obj, "metadata");
    assert_int_equal(json_size(meta), 3); /* name, namespace, annotations */
    assert_at(&t->w, meta, "namespace", "default");
    const yyjson_mut_val *notes = json_get(meta, "annotations");
    assert_at(&t->w, notes, "own", "z");
    assert_true(str_is(json_get_str(notes, ANNOTATION_MANAGER), "classic-file-provisioning"));
    assert_true(str_is(json_get_str(notes, ANNOTATION_MANAGER_ID), "files"));
    assert_true(str_is(json_get_str(notes, ANNOTATION_PATH), "a/b.yaml"));
    assert_int_equal(json_get_str(notes, ANNOTATION_CHECKSUM).len, 64);
    assert_int_equal(t->d.items[1].stage, STAGE_NAMESPACE);
    assert_int_equal(t->d.items[1].ref.ns.len, 0);
    assert_null(json_path(t->d.items[1].obj, "metadata", "namespace", NULL));
    assert_false(t->d.folders);
}

static void test_checksums(void **state)
{
    struct text *t = *state;
    static const char one[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"}}";
    char checksum[65];
    assert_read(t, "a.json", str_from(one));
    uint64_t sum = t->d.items[0].sum;
    memcpy(checksum, t->d.items[0].checksum, 65);
    assert_read(t, "a.json", str_from(one));
    assert_int_equal(t->d.items[0].sum, sum);
    assert_read(t, "b.json", str_from(one)); /* another path is another object to apply, */
    assert_true(t->d.items[0].sum != sum);
    assert_string_equal(t->d.items[0].checksum, checksum); /* but the same document */
}

static void test_lists(void **state)
{
    struct text *t = *state;
    assert_read(t, "l.yaml",
                STR("apiVersion: v1\nkind: List\nitems:\n"
                    "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
                    "- {apiVersion: v1, kind: Secret, metadata: {name: b, namespace: q,"
                    " annotations: {provisioning.coracle.dev/adopt: 'true'}}}\n"
                    "---\napiVersion: v1\nkind: ConfigMapList\nitems: []\n"));
    assert_int_equal(t->d.n, 2);
    assert_true(str_is(t->d.items[1].ref.ns, "q"));
    assert_true(str_is(t->d.items[1].ref.resource, "secrets"));
    assert_true(t->d.items[1].adopt);
    assert_refused(t, "l.yaml", "apiVersion: v1\nkind: List\nitems: [{a: 1}]\n", "items[0]");
}

static void test_refusals(void **state)
{
    struct text *t = *state;
    assert_refused(t, "a.yaml", "a: [", "yaml: line");
    assert_refused(t, "a.json", "{", "");
    assert_refused(t, "a.json", "a: 1", "");
    assert_refused(t, "a.yaml", "just text", "document 1: an object is wanted");
    assert_refused(t, "a.yaml", "a: 1", "document 1: an object with apiVersion and kind");
    assert_refused(t, "a.yaml", "apiVersion: v1\nkind: ConfigMap\n", "metadata.name is wanted");
    assert_refused(t, "a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n",
                   "metadata.name is wanted");
    assert_refused(t, "a.yaml",
                   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: [x]}\n",
                   "metadata.annotations is no map");
    assert_refused(t, "a.yaml",
                   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\na: 1\na: 2\n",
                   "document 2: a is set twice (line 6");
    assert_refused(t, "a.json", "{\"a\":{\"b\":1,\"b\":2}}", "a.b is set twice");
    AUTO(buf_finish) struct buf many = {0};
    for (int i = 0; i <= LIMIT_PROVISION_DOCUMENTS; i++) {
        buf_addz(&many, "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n");
    }
    assert_int_equal(read_as(t, "a.yaml", buf_str(&many)), ERR_TOO_LARGE);
}

static void test_unserved(void **state)
{
    struct text *t = *state;
    assert_read(t, "a.yaml",
                STR("apiVersion: no.example/v1\nkind: Thing\nmetadata: {name: x}\n"
                    "---\napiVersion: v2\nkind: ConfigMap\nmetadata: {name: x}\n"));
    assert_int_equal(t->d.items[0].ref.resource.len, 0);
    assert_int_equal(t->d.items[1].ref.resource.len, 0); /* no such version */
    assert_true(str_is(object_label(&t->d.arena, &t->d.items[0].ref, t->d.items[0].kind),
                       "Thing.no.example/x"));
}

static void test_dashboards(void **state)
{
    struct text *t = *state;
    static const char model[] =
        "{\"id\":7,\"uid\":\"Ab_c\",\"title\":\"T\",\"panels\":[],\"schemaVersion\":39}";
    assert_read(t, "Team One/sub/x.json", str_from(model));
    const struct document *o = &t->d.items[0];
    assert_true(t->d.folders);
    assert_true(str_is(o->ref.group, "dashboard.grafana.app"));
    assert_true(str_is(o->kind, "Dashboard"));
    assert_true(str_is(o->ref.name, "Ab_c"));
    assert_at(&t->w, o->obj, "spec/title", "T");
    assert_null(json_path(o->obj, "spec", "id", NULL));
    struct str folder =
        json_str(json_path(o->obj, "metadata", "annotations", ANNOTATION_FOLDER, NULL));
    assert_true(str_starts(folder, STR("sub-")));
    assert_true(str_eq(folder, folder_name(&t->w.arena, STR("files"), STR("Team One/sub/"))));

    assert_read(t, "My Board.v2.json", STR("{\"title\":\"T\",\"schemaVersion\":39}"));
    assert_false(t->d.folders);
    assert_true(str_is(t->d.items[0].ref.name, "my-board"));
    assert_null(json_path(t->d.items[0].obj, "metadata", "annotations", ANNOTATION_FOLDER, NULL));
    assert_refused(t, "\xc3\xa9.json", "{\"panels\":[]}", "no uid");
}

static void test_folders(void **state)
{
    struct text *t = *state;
    const struct document_source from = {t->types, STR("files"), STR("Team One/sub/")};
    documents_folder(&t->d, &from);
    const struct document *o = &t->d.items[0];
    assert_int_equal(o->stage, STAGE_FOLDER);
    assert_at(&t->w, o->obj, "spec/title", "sub");
    assert_true(
        str_eq(json_str(json_path(o->obj, "metadata", "annotations", ANNOTATION_FOLDER, NULL)),
               folder_name(&t->w.arena, STR("files"), STR("Team One"))));
    assert_true(
        str_is(json_str(json_path(o->obj, "metadata", "annotations", ANNOTATION_PATH, NULL)),
               "Team One/sub/"));
    struct str one = folder_name(&t->w.arena, STR("a"), STR("x")),
               two = folder_name(&t->w.arena, STR("b"), STR("x")),
               odd = folder_name(&t->w.arena, STR("a"), STR("\xc3\xa9")),
               all = folder_name(&t->w.arena, STR("a"),
                                 STR("--Some Very Long (name) of a folder that goes on and on"));
    assert_false(str_eq(one, two)); /* two sources do not share folders */
    assert_int_equal(odd.len, 8);
    assert_true(all.len <= 40);
    assert_true(str_starts(all, STR("some-very-long-name-of-a-folde")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_object),   TEST(test_checksums),  TEST(test_lists),   TEST(test_refusals),
        TEST(test_unserved), TEST(test_dashboards), TEST(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
