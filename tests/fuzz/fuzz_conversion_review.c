/* SPDX-License-Identifier: Apache-2.0 */
/* What a conversion webhook answers, and the rules of a definition: an answer that is taken leaves
 * the object its identity and its metadata, one that is refused leaves it as it was; rules that are
 * read lead there and back without a crash. */
#include "base/yaml.h"
#include "services/conversion/conversion_priv.h"
#include "services/conversion/rules_priv.h"
#include "tests/fuzz/fuzz.h"

static const char definition[] =
    "{metadata: {name: widgets.example.com}, spec: {group: example.com, scope: Namespaced, names: "
    "{plural: widgets, kind: Widget}, "
    "versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: "
    "object}}}, "
    "{name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}]}}";
static const char object[] = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: x, "
                             "namespace: d, uid: u, labels: {l: m}}, "
                             "spec: {a: 1, b: [{c: 2}, {c: three}], d: {e: {f: g}}}}";

static struct type *widgets(void)
{
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    struct type *t = NULL;
    FUZZ_CHECK(!yaml_read(&a, str_from(definition), &d, NULL, NULL) &&
               !type_create(d->root, NULL, &t, NULL));
    arena_finish(&a);
    return t;
}

static void check_review(struct fuzz *f, const struct type *t)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    FUZZ_CHECK(!yaml_read(&f->arena, str_from(object), &d, NULL, NULL));
    yyjson_mut_val *obj = d->root, *before = json_copy(d, obj);
    enum review_fault fault;
    int code =
        review_read(f->text, false, STR("id"), t, STR("example.com/v2"), d, &obj, 1, &fault, &err);
    if (code) {
        FUZZ_REFUSED(code, err);
        FUZZ_CHECK(json_equal(obj, before));
        return;
    }
    const yyjson_mut_val *was = metadata_of(before), *now = metadata_of(obj);
    FUZZ_SAME(json_get_str(obj, "apiVersion"), STR("example.com/v2"));
    FUZZ_SAME(json_get_str(obj, "kind"), STR("Widget"));
    FUZZ_SAME(json_get_str(was, "name"), json_get_str(now, "name"));
    FUZZ_SAME(json_get_str(was, "uid"), json_get_str(now, "uid"));
    for (struct json_iter it = json_iter(now); json_next(&it);) {
        struct str key = json_str(it.key);
        FUZZ_CHECK(str_is(key, "labels") || str_is(key, "annotations") ||
                   json_equal(it.val, json_getn(was, key)));
    }
}

static void check_rules(struct fuzz *f)
{
    AUTO(err_finish) struct err err = {0};
    struct rules r;
    int code = rules_read(f->text, &r, &err);
    if (code) {
        FUZZ_REFUSED(code, err);
        return;
    }
    yyjson_mut_doc *d = NULL;
    FUZZ_CHECK(!yaml_read(&f->arena, str_from(object), &d, NULL, NULL));
    yyjson_mut_val *meta = json_copy(d, metadata_of(d->root));
    rules_convert(&r, STR("v1"), STR("v2"), d, d->root);
    rules_convert(&r, STR("v2"), STR("v1"), d, d->root);
    FUZZ_CHECK(json_depth_ok(d->root));
    FUZZ_SAME(json_get_str(meta, "name"), json_get_str(metadata_of(d->root), "name"));
    FUZZ_SAME(json_get_str(d->root, "kind"), STR("Widget"));
    rules_finish(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct type *type;
    struct fuzz f;
    type = type ? type : widgets();
    fuzz_begin(&f, data, size);
    check_review(&f, type);
    check_rules(&f);
    return fuzz_end(&f, data, size);
}
