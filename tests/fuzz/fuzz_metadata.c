/* SPDX-License-Identifier: Apache-2.0 */
/* Object NUL old object: their ObjectMeta is decoded to what decodes to itself, its validation says
 * the same twice, and an object without faults has none as a change of itself. */
#include "base/limits.h"
#include "base/utf8.h"
#include "resources/metadata.h"
#include "tests/fuzz/world.h"

static struct str validated(struct fuzz *f, const struct type *t, const yyjson_mut_val *obj,
                            const yyjson_mut_val *old)
{
    struct causes c;
    struct warnings w = {.arena = &f->arena};
    causes_init(&c, &f->arena);
    metadata_validate(t, obj, old, &c, &w);
    FUZZ_CHECK(c.n <= LIMIT_CAUSES && w.n <= LIMIT_WARNINGS && utf8_valid(causes_text(&c)));
    return causes_text(&c);
}

static yyjson_mut_doc *decoded(struct fuzz *f, const struct type *t, struct str text)
{
    AUTO(err_finish) struct err err = {0};
    struct schema_unknown unknown = {.arena = &f->arena};
    yyjson_mut_doc *d = fuzz_json(f, text);
    if (!d || !json_is_obj(d->root)) {
        return NULL;
    }
    int code = metadata_decode(t, d, d->root, &unknown, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return NULL;
    }
    struct str once = fuzz_text(f, d->root);
    unknown.n = 0;
    FUZZ_CHECK(metadata_decode(t, d, d->root, &unknown, NULL) == 0 && unknown.n == 0);
    FUZZ_SAME(fuzz_text(f, d->root), once);
    return d;
}

static void check_type(struct fuzz *f, const struct type *t, struct str text, struct str old_text)
{
    yyjson_mut_doc *d = decoded(f, t, text), *old = old_text.ptr ? decoded(f, t, old_text) : NULL;
    if (!d) {
        return;
    }
    struct str first = validated(f, t, d->root, NULL);
    FUZZ_SAME(validated(f, t, d->root, NULL), first);
    if (old) {
        validated(f, t, d->root, old->root);
        metadata_carry(t, d, d->root, old->root);
        validated(f, t, d->root, old->root);
    }
    metadata_begin(t, d, d->root, STR("default"), 1700000000000000);
    struct str once = fuzz_text(f, d->root);
    if (!validated(f, t, d->root, NULL).len) {
        FUZZ_SAME(validated(f, t, d->root, fuzz_json(f, once)->root), STR(""));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct type *types[2];
    struct fuzz f;
    if (!types[0]) {
        types[0] = fuzz_world_type("", "configmaps");
        types[1] = fuzz_world_type("apiextensions.k8s.io", "customresourcedefinitions");
    }
    fuzz_begin(&f, data, size);
    struct str old = f.text, text = fuzz_part(&old);
    check_type(&f, types[0], text, old);
    check_type(&f, types[1], text, old);
    return fuzz_end(&f, data, size);
}
