/* SPDX-License-Identifier: Apache-2.0 */
/* A whole CustomResourceDefinition (JSON or YAML) NUL an object of it: from the document through
 * decoding, defaults and checks to a type, its OpenAPI, and the object stored and shown in each
 * version. */
#include "base/limits.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "resources/metadata.h"
#include "resources/represent.h"
#include "services/definitions/definitions_priv.h"
#include "services/wire.gen.h"
#include "tests/fuzz/world.h"

static struct type *definitions_type(void)
{
    static struct type *t;
    if (!t) {
        t = fuzz_world_type("apiextensions.k8s.io", "customresourcedefinitions");
    }
    return t;
}

/* As a create does it; false: refused. */
static bool decode(struct fuzz *f, yyjson_mut_doc *d)
{
    const struct type *t = definitions_type();
    const struct schema *s = type_storage(t)->schema;
    AUTO(err_finish) struct err err = {0};
    int code = metadata_decode(t, d, d->root, NULL, &err);
    code = code < 0 ? code : schema_decode(s, d, d->root, t->kind, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return false;
    }
    schema_prune(s, d->root, NULL);
    schema_default(s, d, d->root);
    definition_fill_spec(d, d->root, NULL);
    struct str once = fuzz_text(f, d->root);
    definition_fill_spec(d, d->root, NULL);
    FUZZ_SAME(fuzz_text(f, d->root), once);
    definition_fill_status(d, d->root);
    return true;
}

static bool valid(struct fuzz *f, yyjson_mut_doc *d)
{
    const struct schema *s = type_storage(definitions_type())->schema;
    struct causes c, again;
    causes_init(&c, &f->arena);
    causes_init(&again, &f->arena);
    struct str before = fuzz_text(f, d->root);
    schema_validate(s, d->root, NULL, &c);
    definition_check(d->root, NULL, &c);
    FUZZ_CHECK(c.n <= LIMIT_CAUSES && utf8_valid(causes_text(&c)));
    schema_validate(s, d->root, NULL, &again);
    definition_check(d->root, NULL, &again);
    FUZZ_SAME(causes_text(&c), causes_text(&again));
    FUZZ_SAME(fuzz_text(f, d->root), before);
    return !c.n;
}

/* Stored and shown, an object is what it was. */
static void check_stored(struct fuzz *f, const struct type *t, yyjson_mut_doc *d)
{
    AUTO(buf_finish) struct buf stored = {0};
    represent_encode(&stored, t, d->root);
    const struct stored s = {buf_str(&stored), 7, t->stamp};
    for (size_t i = 0; i < t->n_versions; i++) {
        AUTO(buf_finish) struct buf shown = {0}, table = {0}, partial = {0};
        AUTO(err_finish) struct err err = {0};
        const struct type_version *v = &t->versions[i];
        const struct representation r = {.as = REPRESENT_TABLE};
        yyjson_mut_doc *back = NULL;
        if (represent_object(&shown, t, v, &s, &f->arena, &err) < 0) {
            fuzz_fail(__FILE__, __LINE__, "what is stored is shown", str_from(err_message(&err)),
                      buf_str(&stored));
        }
        FUZZ_CHECK(fuzz_json(f, buf_str(&shown)));
        FUZZ_CHECK(represent_decode(t, v, &s, &f->arena, &back, NULL) == 0);
        represent_table(&table, t, v, &r, back->root, true, STR("7"));
        FUZZ_CHECK(fuzz_json(f, buf_str(&table)) || table.len > 4 * f->text.len);
        represent_partial(&partial, back->root, false);
        FUZZ_CHECK(fuzz_json(f, buf_str(&partial)));
    }
}

static void check_object(struct fuzz *f, struct type *t, struct str text)
{
    const struct type_version *v = type_storage(t);
    yyjson_mut_doc *d = fuzz_json(f, text);
    AUTO(err_finish) struct err err = {0};
    if (!d || !json_is_obj(d->root)) {
        return;
    }
    if (metadata_decode(t, d, d->root, NULL, &err) < 0) {
        return;
    }
    json_set_str(d, d->root, "apiVersion", v->api_version);
    json_set_str(d, d->root, "kind", t->kind);
    struct schema_unknown unknown = {.arena = &f->arena};
    struct causes c;
    causes_init(&c, &f->arena);
    schema_prune(v->schema, d->root, &unknown);
    schema_default(v->schema, d, d->root);
    schema_validate(v->schema, d->root, NULL, &c);
    metadata_validate(t, d->root, NULL, &c, NULL);
    FUZZ_CHECK(utf8_valid(causes_text(&c)));
    if (!c.n) {
        check_stored(f, t, d);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    definitions_type();
    fuzz_begin(&f, data, size);
    struct str object = f.text, text = fuzz_part(&object);
    yyjson_mut_doc *d = NULL;
    if (yaml_read(&f.arena, text, &d, NULL, NULL) == 0 && json_is_obj(d->root) && decode(&f, d) &&
        valid(&f, d)) {
        AUTO(err_finish) struct err err = {0};
        struct type *t = NULL;
        if (type_create(d->root, NULL, &t, &err) < 0) {
            fuzz_fail(__FILE__, __LINE__, "a checked definition makes a type",
                      str_from(err_message(&err)), text);
        }
        check_object(&f, t, object);
        type_unref(t);
    }
    return fuzz_end(&f, data, size);
}
