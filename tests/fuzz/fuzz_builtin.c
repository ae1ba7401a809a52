/* SPDX-License-Identifier: Apache-2.0 */
/* An object of a built-in type, which the first byte chooses: JSON, or (second byte odd) a body in
 * Kubernetes' protobuf. It is decoded as the reference decodes its Go types; what is decoded
 * decodes to itself. */
#include "base/limits.h"
#include "base/utf8.h"
#include "resources/metadata.h"
#include "resources/protobuf_body.h"
#include "resources/represent.h"
#include "tests/fuzz/world.h"

static struct type *types[9];
enum { N_TYPES = sizeof(types) / sizeof(*types) };

static void find_types(void)
{
    static const struct {
        const char *group, *resource;
    } names[N_TYPES] = {{"", "configmaps"},
                        {"", "secrets"},
                        {"", "events"},
                        {"", "namespaces"},
                        {"", "serviceaccounts"},
                        {"events.k8s.io", "events"},
                        {"coordination.k8s.io", "leases"},
                        {"authorization.k8s.io", "subjectaccessreviews"},
                        {"apiextensions.k8s.io", "customresourcedefinitions"}};
    for (size_t i = 0; i < N_TYPES && !types[i]; i++) {
        types[i] = fuzz_world_type(names[i].group, names[i].resource);
    }
}

static void check_shown(struct fuzz *f, const struct type *t, yyjson_mut_doc *d)
{
    AUTO(buf_finish) struct buf stored = {0}, shown = {0}, table = {0};
    const struct type_version *v = type_storage(t);
    const struct representation r = {.as = REPRESENT_TABLE};
    json_set_str(d, d->root, "apiVersion", v->api_version);
    json_set_str(d, d->root, "kind", t->kind);
    represent_encode(&stored, t, d->root);
    const struct stored s = {buf_str(&stored), 7, t->stamp};
    FUZZ_CHECK(represent_object(&shown, t, v, &s, &f->arena, NULL) == 0);
    yyjson_mut_doc *back = fuzz_json(f, buf_str(&shown));
    FUZZ_CHECK(back &&
               str_is(json_str(json_path(back->root, "metadata", "resourceVersion", NULL)), "7"));
    represent_table(&table, t, v, &r, back->root, true, STR("7"));
    FUZZ_CHECK(fuzz_json(f, buf_str(&table)));
}

static void check_object(struct fuzz *f, const struct type *t, yyjson_mut_doc *d)
{
    const struct schema *s = type_storage(t)->schema;
    AUTO(err_finish) struct err err = {0};
    int code = metadata_decode(t, d, d->root, NULL, &err);
    code = code < 0 ? code : schema_decode(s, d, d->root, t->kind, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return;
    }
    struct str once = fuzz_text(f, d->root);
    FUZZ_CHECK(metadata_decode(t, d, d->root, NULL, NULL) == 0 &&
               schema_decode(s, d, d->root, t->kind, NULL) == 0);
    FUZZ_SAME(fuzz_text(f, d->root), once);
    schema_prune(s, d->root, NULL);
    schema_default(s, d, d->root);
    struct causes c;
    struct warnings w = {.arena = &f->arena};
    causes_init(&c, &f->arena);
    schema_validate(s, d->root, NULL, &c);
    metadata_validate(t, d->root, NULL, &c, &w);
    FUZZ_CHECK(utf8_valid(causes_text(&c)));
    check_shown(f, t, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    find_types();
    fuzz_begin(&f, data, size);
    struct str rest = f.text;
    const struct type *t = types[fuzz_byte(&rest) % N_TYPES];
    yyjson_mut_doc *d = NULL;
    if (fuzz_byte(&rest) % 2) {
        AUTO(err_finish) struct err err = {0};
        int code = protobuf_read(t, &f.arena, rest, &d, &err);
        if (code < 0) {
            FUZZ_REFUSED(code, err);
        } else {
            FUZZ_CHECK(fuzz_tree_ok(d->root, LIMIT_DEPTH + 2));
        }
    } else {
        d = fuzz_json(&f, rest);
    }
    if (d && json_is_obj(d->root)) {
        check_object(&f, t, d);
    }
    return fuzz_end(&f, data, size);
}
