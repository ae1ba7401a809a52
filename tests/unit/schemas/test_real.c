/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions from the wild are accepted, compile and can be published. Those in tests/data always;
 * all YAML files beneath the folders in CORACLE_TEST_CRDS (parted by colons) where it is set. */
#include <dirent.h>
#include <stdio.h>

#include "base/yaml.h"
#include "schemas/openapi.h"
#include "tests/unit/schemas/support.h"

static size_t seen;

static void check_version(yyjson_mut_doc *d, yyjson_mut_val *version, const char *name)
{
    yyjson_mut_val *root = json_path(version, "schema", "openAPIV3Schema", NULL);
    struct causes c;
    struct schema_unknown u = {.arena = &arena};
    struct schema *s = NULL;
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf b = {0};
    causes_init(&c, &arena);
    if (schema_decode_definition(root, NULL, &err) != 0) {
        fail_msg("%s: %s", name, err_message(&err));
    }
    schema_prune_definition(d, root, NULL, &u);
    assert_int_equal(u.n, 0);
    schema_check(root, NULL, &c);
    if (c.n) {
        fail_msg("%s: %s", name, causes_lines(&c));
    }
    if (schema_create(root, NULL, &s, &err) != 0) {
        fail_msg("%s: %s", name, err_message(&err));
    }
    assert_true(schema_bytes(s) < 200000);
    schema_unref(s);
    for (enum openapi_form form = OPENAPI_V3; form <= OPENAPI_V2; form++) {
        yyjson_mut_doc *published = NULL;
        b.len = 0;
        openapi_schema(&b, form, root, STR("g"), STR("v"), STR("K"));
        assert_int_equal(json_read(&arena, buf_str(&b), &published, NULL, &err), 0);
    }
    seen++;
}

static int check_document(void *arg, yyjson_mut_doc *d, struct err *err)
{
    (void)err;
    if (str_is(json_get_str(d->root, "kind"), "CustomResourceDefinition")) {
        struct json_iter it = json_iter(json_path(d->root, "spec", "versions", NULL));
        while (json_next(&it)) {
            check_version(d, it.val, arg);
        }
    }
    return 0;
}

static void check_file(char *path)
{
    FILE *f = fopen(path, "rb");
    AUTO(buf_finish) struct buf text = {0};
    AUTO(err_finish) struct err err = {0};
    assert_non_null(f);
    for (size_t n = 1; n;) {
        n = fread(buf_reserve(&text, 65536), 1, 65536, f);
        text.len += n;
    }
    fclose(f);
    if (yaml_read_all(&arena, buf_str(&text), check_document, path, &err) != 0) {
        fail_msg("%s: %s", path, err_message(&err));
    }
}

static void check_folder(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d) {
        print_message("skipped: no folder %s\n", folder);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (str_ends(str_from(e->d_name), STR(".yaml"))) {
            check_file(arena_printf(&arena, "%s/%s", folder, e->d_name));
            arena_finish(&arena);
        }
    }
    closedir(d);
}

static void test_shipped(void **state)
{
    (void)state;
    struct str here = str_from(__FILE__);
    const char *slash = strrchr(__FILE__, '/');
    char folder[4096];
    here.len = (size_t)(slash - here.ptr);
    snprintf(folder, sizeof(folder), "%.*s/../../data/crds", STR_FMT(here));
    seen = 0;
    check_folder(folder);
    assert_true(seen >= 5);
}

static void test_more(void **state)
{
    (void)state;
    const char *folders = getenv("CORACLE_TEST_CRDS");
    if (!folders) {
        print_message("skipped: CORACLE_TEST_CRDS is not set\n");
        return;
    }
    struct str rest = str_from(folders);
    while (rest.len) {
        struct str folder = str_cut(rest, ':', &rest);
        char path[4096];
        snprintf(path, sizeof(path), "%.*s", STR_FMT(folder));
        check_folder(path);
    }
    print_message("%zu versions\n", seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_shipped), TEST(test_more)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
