/* SPDX-License-Identifier: Apache-2.0 */
/* Schema NUL object NUL old object: checking, compiling, and then pruning, defaulting and
 * validating. What is pruned or defaulted once stays as it is, validation changes nothing and says
 * the same again, and OpenAPI of the schema is JSON. */
#include "base/causes.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "schemas/openapi.h"
#include "schemas/schema.h"
#include "tests/fuzz/fuzz.h"

static void check_causes(const struct causes *c)
{
    size_t bytes = 0;
    FUZZ_CHECK(c->n <= LIMIT_CAUSES);
    for (size_t i = 0; i < c->n; i++) {
        FUZZ_CHECK(c->items[i].message.len && utf8_valid(c->items[i].message));
        FUZZ_CHECK(utf8_valid(c->items[i].field));
        bytes += i ? c->items[i].message.len : 0;
    }
    FUZZ_CHECK(bytes <= LIMIT_CAUSES_BYTES);
}

static struct str validated(struct fuzz *f, const struct schema *s, yyjson_mut_val *obj,
                            yyjson_mut_val *old, bool status)
{
    struct causes c;
    causes_init(&c, &f->arena);
    if (status) {
        schema_validate_status(s, obj, old, &c);
    } else {
        schema_validate(s, obj, old, &c);
    }
    check_causes(&c);
    return causes_text(&c);
}

static void check_object(struct fuzz *f, const struct schema *s, struct str text,
                         struct str old_text)
{
    yyjson_mut_doc *d = fuzz_json(f, text), *old = old_text.ptr ? fuzz_json(f, old_text) : NULL;
    if (!d || !json_is_obj(d->root)) {
        return;
    }
    yyjson_mut_val *was = old && json_is_obj(old->root) ? old->root : NULL;
    struct schema_unknown unknown = {.arena = &f->arena}, none = {.arena = &f->arena};
    schema_prune(s, d->root, &unknown);
    struct str pruned = fuzz_text(f, d->root);
    schema_prune(s, d->root, &none);
    FUZZ_CHECK(none.n == 0);
    FUZZ_SAME(fuzz_text(f, d->root), pruned);
    FUZZ_CHECK(schema_prunes(s) || !unknown.n || unknown.n > 0);
    schema_default(s, d, d->root);
    struct str filled = fuzz_text(f, d->root);
    schema_default(s, d, d->root);
    FUZZ_SAME(fuzz_text(f, d->root), filled);
    struct str first = validated(f, s, d->root, was, false);
    FUZZ_SAME(fuzz_text(f, d->root), filled);
    FUZZ_SAME(validated(f, s, d->root, was, false), first);
    validated(f, s, d->root, was, true);
    if (!validated(f, s, d->root, NULL, false).len) {
        /* what is right anew is right as a change of itself */
        FUZZ_SAME(validated(f, s, d->root, fuzz_json(f, filled)->root, false), STR(""));
    }
}

static void check_openapi(struct fuzz *f, const yyjson_mut_val *root)
{
    for (int form = OPENAPI_V3; form <= OPENAPI_V2; form++) {
        AUTO(buf_finish) struct buf b = {0};
        openapi_schema(&b, (enum openapi_form)form, root, STR("example.com"), STR("v1"),
                       STR("Widget"));
        FUZZ_CHECK(fuzz_json(f, buf_str(&b)) || b.len > 4 * f->text.len);
    }
}

static void check_builtin(struct fuzz *f, const yyjson_mut_val *root, struct str text)
{
    const struct schema_options o = {.builtin = true};
    struct schema *s = NULL;
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = fuzz_json(f, text);
    if (!d || !json_is_obj(d->root) || schema_create(root, &o, &s, NULL) < 0) {
        return;
    }
    int code = schema_decode(s, d, d->root, STR("Widget"), &err);
    if (code == 0) {
        struct str once = fuzz_text(f, d->root);
        FUZZ_CHECK(schema_decode(s, d, d->root, STR("Widget"), NULL) == 0);
        FUZZ_SAME(fuzz_text(f, d->root), once);
    } else {
        FUZZ_REFUSED(code, err);
    }
    schema_unref(s);
}

static void check_schema(struct fuzz *f, yyjson_mut_doc *d, struct str object, struct str old)
{
    const struct path *at = PATH_FIELD(NULL, STR("schema"));
    struct causes c;
    AUTO(err_finish) struct err err = {0};
    struct schema *s = NULL, *again = NULL;
    schema_prune_definition(d, d->root, at, NULL);
    struct str once = fuzz_text(f, d->root);
    schema_prune_definition(d, d->root, at, NULL);
    FUZZ_SAME(fuzz_text(f, d->root), once);
    causes_init(&c, &f->arena);
    schema_check(d->root, at, &c);
    check_causes(&c);
    schema_check_status_root(d->root, at, &c);
    if (c.n) {
        return;
    }
    int code = schema_create(d->root, NULL, &s, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return;
    }
    FUZZ_CHECK(schema_create(d->root, NULL, &again, NULL) == 0 &&
               schema_shape(s) == schema_shape(again));
    schema_unref(again);
    check_openapi(f, d->root);
    check_object(f, s, object, old);
    check_builtin(f, d->root, object);
    schema_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct str object = f.text, schema = fuzz_part(&object), old = object;
    object = fuzz_part(&old);
    yyjson_mut_doc *d = fuzz_json(&f, schema);
    if (d && json_is_obj(d->root)) {
        int code = schema_decode_definition(d->root, PATH_FIELD(NULL, STR("schema")), &err);
        if (code == 0) {
            check_schema(&f, d, object, old);
        } else {
            FUZZ_REFUSED(code, err);
        }
    }
    return fuzz_end(&f, data, size);
}
