/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery and OpenAPI documents of another server: whatever it says, what is handed on is good
 * JSON of the known form, names stay apart in the one document, and a URL leads nowhere else. The
 * first byte says which document it is. */
#include "apiserver/openapi_priv.h"
#include "base/limits.h"
#include "services/apiservices/apiservices_priv.h"
#include "tests/fuzz/fuzz.h"

enum { GROUPS, RESOURCES, V3, V2, KINDS };

#define GROUP STR("things.io")
#define VERSION STR("v1")

static void check_resources(struct fuzz *f, const struct buf *b)
{
    yyjson_mut_doc *d = fuzz_json(f, buf_str(b));
    FUZZ_CHECK(d && json_is_arr(d->root) && fuzz_tree_ok(d->root, LIMIT_DEPTH));
    struct json_iter it = json_iter(d->root);
    while (json_next(&it)) {
        FUZZ_CHECK(json_get_str(it.val, "resource").len > 0);
        struct json_iter sub = json_iter(json_get(it.val, "subresources"));
        while (sub.container && json_next(&sub)) {
            FUZZ_CHECK(json_is_str(json_get(sub.val, "subresource")));
            FUZZ_CHECK(json_is_obj(json_get(sub.val, "responseKind")));
        }
    }
}

static yyjson_mut_val *members(struct fuzz *f, const struct buf *b)
{
    const char *text = arena_printf(&f->arena, "{%.*s}", STR_FMT(buf_str(b)));
    yyjson_mut_doc *d = fuzz_json(f, str_make(text, b->len + 2));
    FUZZ_CHECK(d && json_is_obj(d->root));
    return d->root;
}

/* Every reference to a definition leads to one, and no name is given twice. */
static void check_references(const yyjson_mut_val *v, const yyjson_mut_val *definitions,
                             const yyjson_mut_val *shared)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct str prefix = STR("#/definitions/"), s = json_str(it.val);
        bool reference = it.key && str_is(json_str(it.key), "$ref") && str_starts(s, prefix);
        if (reference && shared) {
            struct str name = str_skip(s, prefix.len);
            bool twice = json_getn(definitions, name) && json_getn(shared, name);
            FUZZ_CHECK(!twice);
        }
        check_references(it.val, definitions, shared);
    }
}

static void merge(struct fuzz *f, const struct buf *paths, const struct buf *definitions)
{
    static struct registry_snapshot none;
    struct openapi_names names;
    AUTO(buf_finish) struct buf all_paths = {0}, all_definitions = {0}, meta = {0}, proto = {0};
    struct apiservice *s = apiservice_create();
    s->url = "https://remote";
    s->documents = aggregation_documents_create();
    s->documents->v2_paths = blob_create(buf_str(paths));
    s->documents->v2_definitions = blob_create(buf_str(definitions));
    openapi_names_init(&names, &none);
    openapi_remote_write(&names, s, &all_paths, &all_definitions);
    size_t once = all_definitions.len;
    openapi_remote_write(&names, s, &all_paths, &all_definitions);
    FUZZ_CHECK(all_definitions.len == once); /* the same again is shared */
    openapi_meta_write(&meta, OPENAPI_V2);
    const yyjson_mut_val *written = members(f, &all_definitions), *shared = members(f, &meta);
    check_references(written, written, shared);
    openapi_proto_paths(&proto, members(f, &all_paths));
    openapi_proto_definitions(&proto, written);
    openapi_names_finish(&names);
    apiservice_unref(s);
}

static void check_v2(struct fuzz *f, const struct buf *paths, const struct buf *definitions)
{
    struct json_iter it = json_iter(members(f, paths));
    while (json_next(&it)) {
        FUZZ_CHECK(str_starts(json_str(it.key), STR("/apis/things.io/v1")));
        FUZZ_CHECK(json_is_obj(it.val));
    }
    merge(f, paths, definitions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str body = f.text;
    unsigned kind = fuzz_byte(&body) % KINDS;
    AUTO(buf_finish) struct buf a = {0}, b = {0};
    AUTO(err_finish) struct err err = {0};
    int code = kind == GROUPS      ? remote_read_groups(body, GROUP, VERSION, &a, &err)
               : kind == RESOURCES ? remote_read_resources(body, &a, &err)
               : kind == V3        ? remote_read_v3(body, GROUP, VERSION, &a, &err)
                                   : remote_read_v2(body, GROUP, VERSION, &a, &b, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
    } else if (kind == V3) {
        FUZZ_CHECK(str_starts(buf_str(&a), STR("/openapi/v3/apis/things.io/v1")));
        FUZZ_CHECK(!memchr(a.ptr, '\n', a.len) && !memchr(a.ptr, ' ', a.len));
    } else if (kind == V2) {
        f.more += (a.len + b.len) * 64; /* trees of what is written, some times over */
        check_v2(&f, &a, &b);
    } else {
        check_resources(&f, &a);
    }
    buf_finish(&a);
    buf_finish(&b);
    err_finish(&err);
    return fuzz_end(&f, data, size);
}
