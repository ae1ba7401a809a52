/* SPDX-License-Identifier: Apache-2.0 */
/* Media types: what a client may ask for and send, in both dialects. */
#include "apiserver/negotiate.h"

#include "resources/protobuf_meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fake {
    struct http_header headers[3];
    struct http_request http;
    struct op_param params[1];
    struct call call;
    struct op op;
    struct type type;
    struct protobuf tables;
};

/* A type that has protobuf messages, as the built-ins. */
static void set_type(struct fake *f, bool builtin)
{
    f->tables = protobuf_meta;
    f->type.protobuf = builtin ? &f->tables : NULL;
    f->op.type = &f->type;
    f->call.op = &f->op;
}

static void begin(struct fake *f, const char *accept, const char *content_type, const char *agent)
{
    *f = (struct fake){0};
    f->headers[0] = (struct http_header){STR("accept"), str_from(accept)};
    f->headers[1] = (struct http_header){STR("content-type"), str_from(content_type)};
    f->headers[2] = (struct http_header){STR("user-agent"), str_from(agent)};
    f->http.headers = f->headers;
    f->http.n_headers = 3;
    f->call.http = &f->http;
    arena_init(&f->call.arena, 0);
}

struct answer_row {
    const char *accept;
    bool builtin;
    enum negotiate_for what;
    const char *type; /* NULL: 406 */
    enum represent_as as;
    bool v1beta1;
};

static const struct answer_row answers[] = {
    {"", true, NEGOTIATE_OBJECT, "application/json", REPRESENT_OBJECT, false},
    {"*/*", true, NEGOTIATE_LIST, "application/json", REPRESENT_OBJECT, false},
    {"*", true, NEGOTIATE_LIST, "application/json", REPRESENT_OBJECT, false},
    {"application/json", false, NEGOTIATE_WATCH, "application/json", REPRESENT_OBJECT, false},
    {"application/yaml", true, NEGOTIATE_OBJECT, "application/yaml", REPRESENT_OBJECT, false},
    {"application/yaml;q=0.4, application/json;q=0.5", true, NEGOTIATE_OBJECT, "application/json",
     REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf,application/json", true, NEGOTIATE_OBJECT,
     "application/vnd.kubernetes.protobuf", REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf,application/json", false, NEGOTIATE_LIST,
     "application/json", REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf;stream=watch", true, NEGOTIATE_WATCH,
     "application/vnd.kubernetes.protobuf", REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf", false, NEGOTIATE_OBJECT, NULL, REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf;q=0.5,application/json", true, NEGOTIATE_OBJECT,
     "application/json", REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", true, NEGOTIATE_LIST, NULL,
     REPRESENT_TABLE, false},
    {"application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", true,
     NEGOTIATE_LIST, "application/json", REPRESENT_OBJECT, false},
    {"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", false,
     NEGOTIATE_LIST, "application/vnd.kubernetes.protobuf", REPRESENT_PARTIAL, false},
    {"application/cbor, */*;q=0.1", false, NEGOTIATE_OBJECT, "application/cbor", REPRESENT_OBJECT,
     false},
    {"application/cbor", true, NEGOTIATE_WATCH, "application/cbor", REPRESENT_OBJECT, false},
    {"application/cbor;as=Table;v=v1;g=meta.k8s.io", false, NEGOTIATE_LIST, NULL, REPRESENT_TABLE,
     false},
    {"application/cbor-seq", false, NEGOTIATE_WATCH, NULL, REPRESENT_OBJECT, false},
    {"application/json;stream=watch", true, NEGOTIATE_WATCH, "application/json", REPRESENT_OBJECT,
     false},
    {"application/yaml", true, NEGOTIATE_WATCH, NULL, REPRESENT_OBJECT, false},
    {"text/html", true, NEGOTIATE_LIST, NULL, REPRESENT_OBJECT, false},
    {"text/html, application/json;q=0.5", true, NEGOTIATE_LIST, "application/json",
     REPRESENT_OBJECT, false},
    {"application/*", true, NEGOTIATE_LIST, NULL, REPRESENT_OBJECT, false},
    {"application/*", false, NEGOTIATE_LIST, "application/json", REPRESENT_OBJECT, false},
    {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", true, NEGOTIATE_LIST,
     "application/json", REPRESENT_TABLE, false},
    {"application/json;as=Table;v=v1beta1;g=meta.k8s.io", false, NEGOTIATE_OBJECT,
     "application/json", REPRESENT_TABLE, true},
    {"application/json;as=Chart;v=v1;g=meta.k8s.io,application/json", false, NEGOTIATE_LIST,
     "application/json", REPRESENT_OBJECT, false},
    {"application/json;as=Table;v=v1;g=example.com", false, NEGOTIATE_LIST, NULL, REPRESENT_OBJECT,
     false},
    {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", false, NEGOTIATE_OBJECT,
     "application/json", REPRESENT_PARTIAL, false},
    {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", false, NEGOTIATE_LIST, NULL,
     REPRESENT_PARTIAL, false},
    {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", false, NEGOTIATE_LIST,
     "application/json", REPRESENT_PARTIAL, false},
    {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", false, NEGOTIATE_OBJECT,
     NULL, REPRESENT_PARTIAL, false},
};

static void accept_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        const struct answer_row *r = &answers[i];
        struct fake f;
        struct representation form;
        struct err err = {0};
        begin(&f, r->accept, NULL, NULL);
        set_type(&f, r->builtin);
        int code = negotiate_answer(&f.call, r->builtin, r->what, &form, &err);
        if (code != (r->type ? 0 : ERR_NOT_ACCEPTABLE)) {
            fail_msg("%s: %d (%s)", r->accept, code, err_message(&err));
        }
        if (r->type) {
            assert_true(str_is(f.call.accept.type, r->type));
            assert_int_equal(form.encoding, media_encoding(f.call.accept.type));
            assert_int_equal(form.as, r->as);
            assert_int_equal(form.v1beta1, r->v1beta1);
        }
        err_finish(&err);
        arena_finish(&f.call.arena);
    }
}

static void include_object(void **state)
{
    static const struct {
        const char *value;
        int include; /* -1: refused */
    } rows[] = {{"", INCLUDE_METADATA},
                {"None", INCLUDE_NONE},
                {"Object", INCLUDE_OBJECT},
                {"Metadata", INCLUDE_METADATA},
                {"Nope", -1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake f;
        struct representation form;
        struct err err = {0};
        begin(&f, "application/json;as=Table;v=v1;g=meta.k8s.io", NULL, NULL);
        f.params[0] = (struct op_param){STR("includeObject"), str_from(rows[i].value)};
        f.call.params = f.params;
        f.call.n_params = 1;
        int code = negotiate_answer(&f.call, true, NEGOTIATE_LIST, &form, &err);
        assert_int_equal(code, rows[i].include < 0 ? ERR_BAD_REQUEST : 0);
        if (rows[i].include >= 0) {
            assert_int_equal(form.include, rows[i].include);
        } else {
            assert_string_equal(
                err.message,
                "Unable to convert to Table as requested: includeObject: Invalid value: "
                "\"Nope\": must be 'Metadata', 'Object', 'None', or empty");
        }
        err_finish(&err);
        arena_finish(&f.call.arena);
    }
}

static void body_types(void **state)
{
    static const struct {
        const char *type;
        int media; /* -1: 415 */
    } rows[] = {{NULL, MEDIA_JSON},
                {"", MEDIA_JSON},
                {"application/json", MEDIA_JSON},
                {" Application/JSON ; charset=utf-8", MEDIA_JSON},
                {"application/yaml", MEDIA_YAML},
                {"application/cbor", MEDIA_CBOR},
                {"application/vnd.kubernetes.protobuf", -1}, /* of no type */
                {"application/jsonx", -1},
                {"text/plain", -1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake f;
        enum media media = MEDIA_JSON;
        struct err err = {0};
        begin(&f, NULL, rows[i].type, NULL);
        assert_int_equal(negotiate_body(&f.call, &media, &err),
                         rows[i].media < 0 ? ERR_MEDIA_TYPE : 0);
        assert_true(rows[i].media < 0 || (int)media == rows[i].media);
        err_finish(&err);
        arena_finish(&f.call.arena);
    }
}

static void patch_types(void **state)
{
    static const struct {
        const char *type;
        int builtin, custom; /* -1: 415 */
    } rows[] = {{"application/json-patch+json", PATCH_JSON, PATCH_JSON},
                {"application/merge-patch+json; charset=utf-8", PATCH_MERGE, PATCH_MERGE},
                {"application/strategic-merge-patch+json", PATCH_STRATEGIC, -1},
                {"application/apply-patch+yaml", PATCH_APPLY, PATCH_APPLY},
                {"application/apply-patch+cbor", PATCH_APPLY, PATCH_APPLY},
                {"application/json", -1, -1},
                {NULL, -1, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (int builtin = 0; builtin < 2; builtin++) {
            struct fake f;
            enum patch_type patch = PATCH_NONE;
            struct err err = {0};
            int want = builtin ? rows[i].builtin : rows[i].custom;
            begin(&f, NULL, rows[i].type, NULL);
            assert_int_equal(negotiate_patch(&f.call, builtin, &patch, &err),
                             want < 0 ? ERR_MEDIA_TYPE : 0);
            assert_true(want < 0 || (int)patch == want);
            err_finish(&err);
            arena_finish(&f.call.arena);
        }
    }
}

static void errors_and_people(void **state)
{
    struct fake f;
    (void)state;
    begin(&f, "application/yaml", NULL, "curl/7.88");
    assert_true(str_is(negotiate_error_type(&f.call), "application/yaml"));
    assert_true(negotiate_pretty(&f.call));
    f.params[0] = (struct op_param){STR("pretty"), STR("false")};
    f.call.params = f.params;
    f.call.n_params = 1;
    assert_false(negotiate_pretty(&f.call));
    f.params[0].value = STR("1");
    assert_true(negotiate_pretty(&f.call));
    arena_finish(&f.call.arena);
    begin(&f, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json,application/yaml",
          NULL, "kubectl/v1.35");
    assert_true(str_is(negotiate_error_type(&f.call), "application/json"));
    assert_false(negotiate_pretty(&f.call));
    arena_finish(&f.call.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_headers),    cmocka_unit_test(include_object),
        cmocka_unit_test(body_types),        cmocka_unit_test(patch_types),
        cmocka_unit_test(errors_and_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
