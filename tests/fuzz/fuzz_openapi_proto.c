/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of OpenAPI v2 as protobuf: what is encoded is well formed to the innermost message, and
 * decodes to the same names and schemas. The JSON is
 * {"info":..,"paths":..,"definitions":..,"parameters":..}. */
#include "apiserver/openapi_priv.h"
#include "base/limits.h"
#include "base/protobuf.h"
#include "tests/fuzz/fuzz.h"

/* gnostic's messages, as far as they are written. */
#define TABLES                                                                                     \
    "{'Document':{'swagger':'1 string?','info':'2 Info','paths':'8 Paths','definitions':'9 "       \
    "Definitions','parameters':'10 Parameters'},"                                                  \
    "'Info':{'title':'1 string?','version':'2 string?'},"                                          \
    "'Paths':{'path':'2 list NamedPath'},'NamedPath':{'name':'1 string?','value':'2 PathItem'},"   \
    "'PathItem':{'get':'2 Operation','put':'3 Operation','post':'4 Operation','delete':'5 "        \
    "Operation','patch':'8 Operation',"                                                            \
    "'parameters':'9 list ParametersItem','x':'10 list NamedAny'},"                                \
    "'Operation':{'tags':'1 list string','description':'3 string?','operationId':'5 "              \
    "string?','produces':'6 list string',"                                                         \
    "'consumes':'7 list string','parameters':'8 list ParametersItem','responses':'9 "              \
    "Responses','x':'13 list NamedAny'},"                                                          \
    "'Responses':{'code':'1 list NamedResponse'},'NamedResponse':{'name':'1 string?','value':'2 "  \
    "ResponseValue'},"                                                                             \
    "'ResponseValue':{'response':'1 Response'},'Response':{'description':'1 string?','schema':'2 " \
    "SchemaItem'},"                                                                                \
    "'SchemaItem':{'schema':'1 Schema'},'ParametersItem':{'parameter':'1 Parameter','ref':'2 "     \
    "Reference'},'Reference':{'ref':'1 string?'},"                                                 \
    "'Parameters':{'all':'1 list NamedParameter'},'NamedParameter':{'name':'1 "                    \
    "string?','value':'2 Parameter'},"                                                             \
    "'Parameter':{'body':'1 Body','other':'2 Other'},"                                             \
    "'Body':{'description':'1 string?','name':'2 string?','in':'3 string?','required':'4 "         \
    "bool','schema':'5 Schema'},"                                                                  \
    "'Other':{'query':'3 Query','path':'4 PathParameter'},"                                        \
    "'Query':{'required':'1 bool','in':'2 string?','description':'3 string?','name':'4 "           \
    "string?','type':'6 string?','uniqueItems':'20 bool'},"                                        \
    "'PathParameter':{'required':'1 bool','in':'2 string?','description':'3 string?','name':'4 "   \
    "string?','type':'5 string?','uniqueItems':'19 bool'},"                                        \
    "'Definitions':{'all':'1 list NamedSchema'},'NamedSchema':{'name':'1 string?','value':'2 "     \
    "Schema'},"                                                                                    \
    "'Schema':{'$ref':'1 string?','format':'2 string?','title':'3 string?','description':'4 "      \
    "string?','default':'5 Any',"                                                                  \
    "'multipleOf':'6 double?','maximum':'7 double?','exclusiveMaximum':'8 bool','minimum':'9 "     \
    "double?','exclusiveMinimum':'10 bool',"                                                       \
    "'maxLength':'11 int?','minLength':'12 int?','pattern':'13 string?','maxItems':'14 "           \
    "int?','minItems':'15 int?','uniqueItems':'16 bool',"                                          \
    "'maxProperties':'17 int?','minProperties':'18 int?','required':'19 list string','enum':'20 "  \
    "list Any',"                                                                                   \
    "'additional':'21 Additional','type':'22 Type','items':'23 Items','allOf':'24 list "           \
    "Schema','properties':'25 Definitions',"                                                       \
    "'readOnly':'27 bool','example':'30 Any','x':'31 list NamedAny'},"                             \
    "'Additional':{'schema':'1 Schema?','boolean':'2 bool?'},'Type':{'value':'1 list "             \
    "string'},'Items':{'schema':'1 list Schema'},"                                                 \
    "'Any':{'yaml':'2 string?'},'NamedAny':{'name':'1 string?','value':'2 Any'}}"

enum { NEST_MOST = 30 }; /* a level of the JSON is up to six of messages */

static const struct protobuf *tables(void)
{
    static struct arena a;
    static struct protobuf *p;
    if (!p) {
        AUTO(err_finish) struct err err = {0};
        arena_init(&a, 0);
        if (protobuf_create(&a, fuzz_own_json(&a, TABLES)->root, NULL, &p, &err) < 0) {
            fuzz_fail(__FILE__, __LINE__, "the tables are good", str_from(err_message(&err)),
                      STR_NULL);
        }
    }
    return p;
}

static void same_text(const yyjson_mut_val *in, const yyjson_mut_val *out, const char *key)
{
    if (json_is_str(json_get(in, key))) {
        FUZZ_SAME(json_get_str(in, key), json_get_str(out, key));
    }
}

static void check_any(struct fuzz *f, const yyjson_mut_val *in, const yyjson_mut_val *any)
{
    if (in) {
        FUZZ_SAME(fuzz_text(f, in), json_get_str(any, "yaml"));
    }
}

/* Each name stands there once for each member, in order, with its schema. */
static void check_schemas(struct fuzz *f, const yyjson_mut_val *in, const yyjson_mut_val *out);

static void check_schema(struct fuzz *f, const yyjson_mut_val *in, const yyjson_mut_val *out)
{
    static const char *const texts[] = {"$ref", "format", "title", "description", "pattern"};
    for (size_t i = 0; i < 5; i++) {
        same_text(in, out, texts[i]);
    }
    check_any(f, json_get(in, "default"), json_get(out, "default"));
    check_any(f, json_get(in, "example"), json_get(out, "example"));
    if (json_is_obj(json_get(in, "properties"))) {
        check_schemas(f, json_get(in, "properties"), json_path(out, "properties", "all", NULL));
    }
    if (json_is_obj(json_get(in, "items"))) {
        check_schema(f, json_get(in, "items"),
                     yyjson_mut_arr_get_first(json_path(out, "items", "schema", NULL)));
    }
    const yyjson_mut_val *max = json_get(in, "maxLength");
    if (max && yyjson_mut_is_int(json_mut(max))) {
        FUZZ_CHECK(json_get_int(out, "maxLength", -1) == yyjson_mut_get_sint(json_mut(max)));
    }
}

static void check_schemas(struct fuzz *f, const yyjson_mut_val *in, const yyjson_mut_val *out)
{
    struct json_iter it = json_iter(in), list = json_iter(out);
    FUZZ_CHECK(json_size(in) == json_size(out));
    while (json_next(&it) && json_next(&list)) {
        FUZZ_SAME(json_str(it.key), json_get_str(list.val, "name"));
        if (json_is_obj(it.val)) {
            check_schema(f, it.val, json_get(list.val, "value"));
        }
    }
}

static void check_paths(const yyjson_mut_val *in, const yyjson_mut_val *out)
{
    struct json_iter it = json_iter(in), list = json_iter(out);
    FUZZ_CHECK(json_size(in) == json_size(out));
    while (json_next(&it) && json_next(&list)) {
        FUZZ_SAME(json_str(it.key), json_get_str(list.val, "name"));
        const yyjson_mut_val *get = json_get(it.val, "get");
        if (json_is_obj(get)) {
            same_text(get, json_path(list.val, "value", "get", NULL), "operationId");
        }
    }
}

static yyjson_mut_val *object(const yyjson_mut_val *root, const char *key)
{
    yyjson_mut_val *v = json_get(root, key);
    return json_is_obj(v) ? v : NULL;
}

static void check_document(struct fuzz *f, const yyjson_mut_val *root)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = json_doc(&f->arena);
    yyjson_mut_val *out = NULL, *paths = object(root, "paths"),
                   *definitions = object(root, "definitions");
    openapi_proto_info(&b, object(root, "info"));
    openapi_proto_paths(&b, paths);
    openapi_proto_definitions(&b, definitions);
    openapi_proto_parameters(&b, object(root, "parameters"));
    openapi_proto_security(&b, "d");
    if (protobuf_decode(tables(), STR("Document"), buf_str(&b), &f->arena, d, &out, &err) < 0) {
        fuzz_fail(__FILE__, __LINE__, "what is encoded is decoded", str_from(err_message(&err)),
                  fuzz_text(f, root));
    }
    check_schemas(f, definitions, json_path(out, "definitions", "all", NULL));
    check_paths(paths, json_path(out, "paths", "path", NULL));
    FUZZ_CHECK(json_size(object(root, "parameters")) ==
               json_size(json_path(out, "parameters", "all", NULL)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    tables();
    fuzz_begin(&f, data, size);
    yyjson_mut_doc *d = fuzz_json(&f, f.text);
    if (d && json_is_obj(d->root) && fuzz_tree_ok(d->root, NEST_MOST)) {
        check_document(&f, d->root);
    }
    return fuzz_end(&f, data, size);
}
