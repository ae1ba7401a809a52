/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on single objects: create, get, update, patch, delete and what finalizers,
 * subresources make of them. */
#include "tests/unit/resources/engine_world.h"

/* ---- create and get ---- */

static void test_create_get(void **state)
{
    (void)state;
    yyjson_mut_val *made = make_widget("a", "{'size':1,'deep':{}}");
    assert_str(text_at(made, "metadata", "name"), "a");
    assert_str(text_at(made, "metadata", "namespace"), "ns");
    assert_int_equal(json_get_int(json_get(made, "metadata"), "generation", 0), 1);
    assert_int_equal(text_at(made, "metadata", "uid").len, 36);
    assert_true(rv_of(made) > 0);
    assert_str(json_str(json_path(made, "spec", "deep", "level", NULL)), "low");
    yyjson_mut_val *got = widget(VERB_GET, "a", NULL, NULL);
    assert_true(json_equal(made, got));
    int code;
    expect_status(widget(VERB_GET, "b", NULL, &code), 404, "NotFound",
                  "widgets.example.com \"b\" not found");
}

static void test_create_exists(void **state)
{
    (void)state;
    make_widget("a", "{}");
    int code;
    yyjson_mut_val *s =
        widget(VERB_CREATE, NULL,
               "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'}}", &code);
    expect_status(s, 409, "AlreadyExists", "widgets.example.com \"a\" already exists");
}

static void test_create_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *body, *reason, *message;
        int64_t code;
    } cases[] = {
        {"{'apiVersion':'example.com/"
         "v1','kind':'Widget','metadata':{'name':'a','resourceVersion':'5'}}",
         "", "resourceVersion should not be set on objects to be created", 500},
        {"{'apiVersion':'example.com/"
         "v1','kind':'Widget','metadata':{'name':'a','namespace':'other'}}",
         "BadRequest",
         "the namespace of the provided object does not match the namespace sent on the request",
         400},
        {"{'apiVersion':'example.com/v1','kind':'Gadget','metadata':{'name':'a'}}", "Invalid",
         "Gadget.example.com \"a\" is invalid: kind: Invalid value: \"Gadget\": must be Widget",
         422},
        {"{'apiVersion':'example.com/v2','kind':'Widget','metadata':{'name':'a'}}", "BadRequest",
         "the API version in the data (example.com/v2) does not match the expected API version "
         "(example.com/v1)",
         400},
        {"{'apiVersion':'example.com/v1','kind':'Widget'}", "Invalid",
         "Widget.example.com \"\" is invalid: metadata.name: Required value: name or generateName "
         "is required",
         422},
        {"{'apiVersion':'example.com/v1','kind':'Widget','metadata':'x'}", "BadRequest",
         "Widget in version \"v1\" cannot be handled as a Widget: json: cannot unmarshal string "
         "into Go value of type v1.ObjectMeta",
         400},
        {"{'apiVersion':'example.com/v1','metadata':{'name':'a'}}", "BadRequest", NULL, 400},
        {"[1]", "BadRequest", NULL, 400},
        {"{'apiVersion':1,'kind':'Widget'}", "BadRequest", NULL, 400},
        {"{'apiVersion':'example.com/"
         "v1','kind':'Widget','metadata':{'name':'a'},'spec':{'size':-1}}",
         "Invalid",
         "Widget.example.com \"a\" is invalid: spec.size: Invalid value: -1: spec.size in body "
         "should be greater than or equal to 0",
         422},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int code;
        expect_status(widget(VERB_CREATE, NULL, cases[i].body, &code), cases[i].code,
                      cases[i].reason, cases[i].message);
        assert_true(code < 0);
    }
    assert_int_equal(store_revision(f.store), empty);
}

static void test_create_builtin(void **state)
{
    (void)state;
    int code;
    yyjson_mut_val *made = fixture_do(&f, &a, VERB_CREATE, notes, "ns", NULL,
                                      "{'metadata':{'name':'a'},'data':{'k':'v'}}", NULL);
    assert_str(json_get_str(made, "kind"), "Note");
    assert_str(json_get_str(made, "apiVersion"), "v1");
    assert_null(json_path(made, "metadata", "generation", NULL));
    expect_status(fixture_do(&f, &a, VERB_CREATE, notes, "ns", NULL,
                             "{'kind':'Other','apiVersion':'v1','metadata':{'name':'b'}}", &code),
                  400, "BadRequest", NULL);
    expect_status(
        fixture_do(&f, &a, VERB_CREATE, notes, "ns", NULL,
                   "{'metadata':{'name':'b'},'data':{'k':5}}", &code),
        400, "BadRequest",
        "Note in version \"v1\" cannot be handled as a Note: json: cannot unmarshal number into "
        "Go struct field Note.data of type string");
}

static void test_generate_name(void **state)
{
    (void)state;
    yyjson_mut_val *made = widget(
        VERB_CREATE, NULL,
        "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'generateName':'gw-'}}", NULL);
    struct str name = text_at(made, "metadata", "name");
    assert_int_equal(name.len, 8);
    assert_true(str_starts(name, STR("gw-")));
    assert_str(text_at(made, "metadata", "generateName"), "gw-");
}

static void test_cluster_scope(void **state)
{
    (void)state;
    yyjson_mut_val *made =
        fixture_do(&f, &a, VERB_CREATE, gadgets, NULL, NULL,
                   "{'apiVersion':'example.com/"
                   "v1','kind':'Gadget','metadata':{'name':'a','namespace':'default'}}",
                   NULL);
    assert_null(json_path(made, "metadata", "namespace", NULL));
    assert_true(json_equal(made, fixture_do(&f, &a, VERB_GET, gadgets, NULL, "a", NULL, NULL)));
}

static void test_get_version(void **state)
{
    (void)state;
    yyjson_mut_val *made = make_widget("a", "{}");
    static const struct {
        const char *rv;
        int64_t code;
    } cases[] = {{"0", 200},
                 {"", 200},
                 {"1", 200},
                 {"abc", 500},
                 {"-5", 500},
                 {"99999", 504},
                 {"99999999999999999999", 500}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct op *op = fixture_op(&f, VERB_GET, widgets, "ns", "a");
        op->list.resource_version = str_from(cases[i].rv);
        int code;
        yyjson_mut_val *got = fixture_run(&f, op, &a, &code);
        if (cases[i].code == 200) {
            assert_true(json_equal(made, got));
        } else {
            assert_int_equal(json_get_int(got, "code", 0), cases[i].code);
        }
    }
    struct op *op = fixture_op(&f, VERB_GET, widgets, "ns", "a");
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    assert_str(json_get_str(fixture_run(&f, op, &a, NULL), "apiVersion"), "example.com/v1beta1");
}

/* ---- fields nobody knows ---- */

static void test_unknown_fields(void **state)
{
    (void)state;
    char text[256];
    for (int i = 0; i < 3; i++) {
        snprintf(
            text, sizeof(text),
            "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'%c','bogus':1},"
            "'spec':{'size':1,'zz':2},'extra':1}",
            'a' + i);
        struct op *op = fixture_op(&f, VERB_CREATE, widgets, "ns", NULL);
        fixture_body(op, text);
        op->validation = (enum field_validation)i;
        int rc = engine_run(f.engine, op);
        if (i == FIELD_VALIDATION_STRICT) {
            assert_int_equal(rc, ERR_BAD_REQUEST);
            assert_string_equal(
                op->err.message,
                "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: "
                "unknown field "
                "\"metadata.bogus\", unknown field \"extra\", unknown field \"spec.zz\"");
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(op->warnings.n, i == FIELD_VALIDATION_WARN ? 3 : 0);
        }
        if (i == FIELD_VALIDATION_WARN) {
            assert_str(op->warnings.items[2], "unknown field \"spec.zz\"");
        }
        op_unref(op);
    }
    assert_null(json_path(widget(VERB_GET, "a", NULL, NULL), "spec", "zz", NULL));
}

static void test_duplicate_fields(void **state)
{
    (void)state;
    struct op *op = fixture_op(&f, VERB_CREATE, widgets, "ns", NULL);
    fixture_body(op, "{'apiVersion':'example.com/"
                     "v1','kind':'Widget','metadata':{'name':'a'},'spec':{'size':1,'size':2}}");
    op->validation = FIELD_VALIDATION_STRICT;
    assert_int_equal(engine_run(f.engine, op), ERR_BAD_REQUEST);
    assert_string_equal(
        op->err.message,
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: duplicate "
        "field \"spec.size\"");
    op_unref(op);
}

/* ---- update ---- */

static void test_update(void **state)
{
    (void)state;
    yyjson_mut_val *made = make_widget("a", "{'size':1}");
    int code;
    char body[512];
    expect_status(
        widget(VERB_UPDATE, "a",
               "{'apiVersion':'example.com/"
               "v1','kind':'Widget','metadata':{'name':'a'},'spec':{'size':2}}",
               &code),
        422, "Invalid",
        "widgets.example.com \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must "
        "be specified for an update");
    snprintf(
        body, sizeof(body),
        "{'apiVersion':'example.com/"
        "v1','kind':'Widget','metadata':{'name':'a','resourceVersion':'%lld'},'spec':{'size':2}}",
        (long long)rv_of(made));
    yyjson_mut_val *next = widget(VERB_UPDATE, "a", body, NULL);
    assert_true(rv_of(next) > rv_of(made));
    assert_int_equal(json_get_int(json_get(next, "metadata"), "generation", 0), 2);
    assert_true(json_equal(json_path(made, "metadata", "uid", NULL),
                           json_path(next, "metadata", "uid", NULL)));
    expect_status(widget(VERB_UPDATE, "a", body, &code), 409, "Conflict",
                  "Operation cannot be fulfilled on widgets.example.com \"a\": the object has been "
                  "modified; please apply your changes to "
                  "the latest version and try again");
    expect_status(widget(VERB_UPDATE, "b",
                         "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'b'}}",
                         &code),
                  404, "NotFound", NULL);
    expect_status(
        widget(VERB_UPDATE, "a",
               "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'c'}}", &code),
        400, "BadRequest", "the name of the object (c) does not match the name on the URL (a)");
    expect_status(
        widget(VERB_UPDATE, "a", "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{}}",
               &code),
        400, "BadRequest",
        "the name of the object (a based on URL) was undeterminable: name must be provided");
    expect_status(widget(VERB_UPDATE, "a",
                         "{'apiVersion':'example.com/"
                         "v1','kind':'Widget','metadata':{'name':'a','resourceVersion':'abc'}}",
                         &code),
                  500, "", "strconv.ParseUint: parsing \"abc\": invalid syntax");
    snprintf(body, sizeof(body),
             "{'apiVersion':'example.com/"
             "v1','kind':'Widget','metadata':{'name':'a','resourceVersion':'%lld','uid':'x'}}",
             (long long)rv_of(next));
    yyjson_mut_val *s = widget(VERB_UPDATE, "a", body, &code);
    expect_status(s, 409, "Conflict", NULL);
    assert_non_null(strstr(
        json_get_str(s, "message").ptr,
        "StorageError: invalid object, Code: 4, Key: /registry/example.com/widgets/ns/a, "
        "ResourceVersion: 0, "
        "AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: "));
}

static void test_update_same(void **state)
{
    (void)state;
    yyjson_mut_val *made = fixture_do(&f, &a, VERB_CREATE, notes, "ns", NULL,
                                      "{'metadata':{'name':'a'},'data':{'k':'v','l':'w'}}", NULL);
    int64_t rev = store_revision(f.store);
    yyjson_mut_val *same = fixture_do(&f, &a, VERB_UPDATE, notes, "ns", "a",
                                      "{'metadata':{'name':'a'},'data':{'k':'v','l':'w'}}", NULL);
    assert_true(json_equal(made, same));
    same = fixture_do(&f, &a, VERB_UPDATE, notes, "ns", "a",
                      "{'metadata':{'name':'a'},'data':{'l':'w','k':'v'}}", NULL);
    assert_int_equal(rv_of(same), rv_of(made));
    same = fixture_do(&f, &a, VERB_PATCH, notes, "ns", "a", "{}", NULL);
    assert_int_equal(rv_of(same), rv_of(made));
    assert_int_equal(store_revision(f.store), rev);
    yyjson_mut_val *next = fixture_do(&f, &a, VERB_UPDATE, notes, "ns", "a",
                                      "{'metadata':{'name':'a'},'data':{'k':'x'}}", NULL);
    assert_true(rv_of(next) > rev);
}

static void test_generation(void **state)
{
    (void)state;
    make_widget("a", "{'size':1}");
    static const struct {
        const char *patch;
        int64_t generation;
    } cases[] = {
        {"{'metadata':{'labels':{'a':'b'}}}", 1},
        {"{'spec':{'size':2}}", 2},
        {"{'spec':{'size':2}}", 2},
        {"{'metadata':{'generation':12}}", 2},
        {"{'status':{'ready':5}}", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        yyjson_mut_val *o = widget(VERB_PATCH, "a", cases[i].patch, NULL);
        assert_int_equal(json_get_int(json_get(o, "metadata"), "generation", 0),
                         cases[i].generation);
        assert_null(json_get(o, "status"));
    }
}

static void test_status(void **state)
{
    (void)state;
    yyjson_mut_val *made = widget(
        VERB_CREATE, NULL,
        "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'},'spec':{'size':1},"
        "'status':{'ready':1}}",
        NULL);
    assert_null(json_get(made, "status"));
    char body[512];
    snprintf(
        body, sizeof(body),
        "{'apiVersion':'example.com/"
        "v1','kind':'Widget','metadata':{'name':'a','resourceVersion':'%lld','labels':{'x':'y'}},"
        "'spec':{'size':5},'status':{'ready':2}}",
        (long long)rv_of(made));
    struct op *op = fixture_op(&f, VERB_UPDATE, widgets, "ns", "a");
    op->subresource = STR("status");
    fixture_body(op, body);
    yyjson_mut_val *o = fixture_run(&f, op, &a, NULL);
    assert_int_equal(json_get_int(json_get(o, "status"), "ready", 0), 2);
    assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 1);
    assert_int_equal(json_get_int(json_get(o, "metadata"), "generation", 0), 1);
    assert_null(json_path(o, "metadata", "labels", NULL));
    o = widget(VERB_PATCH, "a", "{'spec':{'size':7},'status':null}", NULL);
    assert_int_equal(json_get_int(json_get(o, "status"), "ready", 0), 2);
    op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->subresource = STR("status");
    int code;
    expect_status(fixture_run(&f, op, &a, &code), 405, "MethodNotAllowed", NULL);
}

/* ---- patch ---- */

static void test_patch(void **state)
{
    (void)state;
    yyjson_mut_val *made = make_widget("a", "{'size':1}");
    int code;
    char body[256];
    snprintf(body, sizeof(body), "{'metadata':{'resourceVersion':'%lld'},'spec':{'size':2}}",
             (long long)rv_of(made));
    assert_true(rv_of(widget(VERB_PATCH, "a", body, NULL)) > rv_of(made));
    expect_status(widget(VERB_PATCH, "a", body, &code), 409, "Conflict", NULL);
    expect_status(widget(VERB_PATCH, "a", "{'metadata':{'resourceVersion':null}}", &code), 422,
                  "Invalid", NULL);
    expect_status(
        widget(VERB_PATCH, "a", "{'kind':'Gadget'}", &code), 422, "Invalid",
        "Gadget.example.com \"a\" is invalid: kind: Invalid value: \"Gadget\": must be Widget");
    expect_status(
        widget(VERB_PATCH, "a", "{'apiVersion':'example.com/v2'}", &code), 422, "Invalid",
        "Widget.example.com \"a\" is invalid: apiVersion: Invalid value: \"example.com/v2\": "
        "must be example.com/v1");
    expect_status(
        widget(VERB_PATCH, "a", "{'metadata':{'namespace':'other'}}", &code), 400, "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request");
    expect_status(widget(VERB_PATCH, "a", "{'metadata':{'uid':'x'}}", &code), 422, "Invalid", NULL);
    expect_status(widget(VERB_PATCH, "b", "{}", &code), 404, "NotFound", NULL);
    struct op *op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    fixture_body(op, "[{'op':'remove','path':'/metadata/name'}]");
    op->patch = PATCH_JSON;
    expect_status(
        fixture_run(&f, op, &a, &code), 400, "BadRequest",
        "the name of the object (a based on URL) was undeterminable: name must be provided");
    op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    fixture_body(op, "[{'op':'remove','path':'/kind'}]");
    op->patch = PATCH_JSON;
    yyjson_mut_val *s = fixture_run(&f, op, &a, &code);
    expect_status(s, 422, "Invalid", NULL);
    assert_true(str_starts(json_get_str(s, "message"),
                           STR(" \"\" is invalid: patch: Invalid value: \"{\\\"apiVersion\\\":")));
    op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    fixture_body(op, "{'spec':{'zz':1}}");
    op->patch = PATCH_MERGE;
    op->validation = FIELD_VALIDATION_STRICT;
    expect_status(fixture_run(&f, op, &a, &code), 422, "Invalid", NULL);
    op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    fixture_body(op, "{}");
    op->patch = PATCH_STRATEGIC;
    expect_status(fixture_run(&f, op, &a, &code), 415, "UnsupportedMediaType", NULL);
    op = fixture_op(&f, VERB_PATCH, notes, "ns", "a");
    fixture_body(op, "{}");
    op->patch = PATCH_APPLY;
    expect_status(fixture_run(&f, op, &a, &code), 400, "BadRequest",
                  "invalid object type: /, Kind=");
    op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    fixture_body(op, "{'status':{'ready':'many'}}");
    op->patch = PATCH_MERGE;
    op->subresource = STR("status");
    expect_status(
        fixture_run(&f, op, &a, &code), 422, "Invalid",
        "Widget.example.com \"a\" is invalid: status.ready: Invalid value: \"string\": ready in "
        "body must be of type integer: \"string\"");
}

static void test_patch_other_version(void **state)
{
    (void)state;
    make_widget("a", "{'size':1}");
    struct op *op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    fixture_body(op, "{'spec':{'size':2,'unknown':3}}");
    op->patch = PATCH_MERGE;
    yyjson_mut_val *o = fixture_run(&f, op, &a, NULL);
    assert_str(json_get_str(o, "apiVersion"), "example.com/v1beta1");
    o = widget(VERB_GET, "a", NULL, NULL);
    assert_str(json_get_str(o, "apiVersion"), "example.com/v1");
    assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 2);
    assert_null(json_path(o, "spec", "unknown", NULL));
}

/* ---- delete ---- */

static void test_delete(void **state)
{
    (void)state;
    yyjson_mut_val *made = make_widget("a", "{}");
    int code;
    struct op *op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->del.uid = STR("11111111-1111-1111-1111-111111111111");
    yyjson_mut_val *s = fixture_run(&f, op, &a, &code);
    expect_status(s, 409, "Conflict", NULL);
    assert_str(text_at(s, "details", "kind"), "Widget");
    op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->del.resource_version = STR("99");
    expect_status(fixture_run(&f, op, &a, &code), 409, "Conflict", NULL);
    op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->dry_run = true;
    assert_str(json_get_str(fixture_run(&f, op, &a, NULL), "status"), "Success");
    s = widget(VERB_DELETE, "a", NULL, NULL);
    assert_str(json_get_str(s, "status"), "Success");
    assert_true(str_eq(text_at(s, "details", "uid"), text_at(made, "metadata", "uid")));
    expect_status(widget(VERB_GET, "a", NULL, &code), 404, "NotFound", NULL);
    expect_status(widget(VERB_DELETE, "a", NULL, &code), 404, "NotFound", NULL);
}

static void test_finalizers(void **state)
{
    (void)state;
    widget(
        VERB_CREATE, NULL,
        "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a','finalizers':['x.io/"
        "f','y.io/g']},'spec':{'size':1}}",
        NULL);
    yyjson_mut_val *o = widget(VERB_DELETE, "a", NULL, NULL);
    yyjson_mut_val *meta = json_get(o, "metadata");
    assert_true(json_get_str(meta, "deletionTimestamp").len > 0);
    assert_int_equal(json_get_int(meta, "deletionGracePeriodSeconds", -1), 0);
    assert_int_equal(json_get_int(meta, "generation", 0), 2);
    int64_t rev = rv_of(o);
    o = widget(VERB_DELETE, "a", NULL, NULL);
    assert_int_equal(rv_of(o), rev);
    int code;
    expect_status(
        widget(VERB_PATCH, "a", "{'metadata':{'finalizers':['x.io/f','y.io/g','z.io/h']}}", &code),
        422, "Invalid", NULL);
    o = widget(VERB_PATCH, "a",
               "{'spec':{'size':5},'metadata':{'deletionTimestamp':null,'finalizers':['y.io/g']}}",
               NULL);
    assert_true(text_at(o, "metadata", "deletionTimestamp").len > 0);
    assert_int_equal(json_get_int(json_get(o, "metadata"), "generation", 0), 3);
    rev = rv_of(o);
    o = widget(VERB_PATCH, "a", "{'metadata':{'finalizers':null}}", NULL);
    assert_int_equal(rv_of(o), rev);
    assert_null(json_path(o, "metadata", "finalizers", NULL));
    expect_status(widget(VERB_GET, "a", NULL, &code), 404, "NotFound", NULL);
    assert_true(store_revision(f.store) > rev);
}

static void test_propagation(void **state)
{
    (void)state;
    make_widget("a", "{}");
    struct op *op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->del.propagation = PROPAGATION_FOREGROUND;
    yyjson_mut_val *o = fixture_run(&f, op, &a, NULL);
    assert_str(json_str(yyjson_mut_arr_get_first(json_path(o, "metadata", "finalizers", NULL))),
               "foregroundDeletion");
    op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->del.propagation = PROPAGATION_ORPHAN;
    o = fixture_run(&f, op, &a, NULL);
    assert_str(json_str(yyjson_mut_arr_get_first(json_path(o, "metadata", "finalizers", NULL))),
               "orphan");
    op = fixture_op(&f, VERB_DELETE, widgets, "ns", "a");
    op->del.propagation = PROPAGATION_BACKGROUND;
    assert_str(json_get_str(fixture_run(&f, op, &a, NULL), "status"), "Success");
    int code;
    expect_status(widget(VERB_GET, "a", NULL, &code), 404, "NotFound", NULL);
}

static void test_create_while_deleting(void **state)
{
    (void)state;
    widget(VERB_CREATE, NULL,
           "{'apiVersion':'example.com/"
           "v1','kind':'Widget','metadata':{'name':'a','finalizers':['x.io/f']}}",
           NULL);
    widget(VERB_DELETE, "a", NULL, NULL);
    int code;
    expect_status(
        widget(VERB_CREATE, NULL,
               "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'}}", &code),
        409, "AlreadyExists", "object is being deleted: widgets.example.com \"a\" already exists");
}

/* ---- dry run ---- */

static void test_dry_run(void **state)
{
    (void)state;
    struct op *op = fixture_op(&f, VERB_CREATE, widgets, "ns", NULL);
    fixture_body(op, "{'apiVersion':'example.com/"
                     "v1','kind':'Widget','metadata':{'name':'a'},'spec':{'size':1}}");
    op->dry_run = true;
    yyjson_mut_val *o = fixture_run(&f, op, &a, NULL);
    assert_null(json_path(o, "metadata", "resourceVersion", NULL));
    assert_true(text_at(o, "metadata", "uid").len > 0);
    assert_int_equal(store_revision(f.store), empty);
    yyjson_mut_val *made = make_widget("a", "{'size':1}");
    int code;
    op = fixture_op(&f, VERB_CREATE, widgets, "ns", NULL);
    fixture_body(op, "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'}}");
    op->dry_run = true;
    expect_status(fixture_run(&f, op, &a, &code), 409, "AlreadyExists", NULL);
    op = fixture_op(&f, VERB_PATCH, widgets, "ns", "a");
    fixture_body(op, "{'spec':{'size':9}}");
    op->patch = PATCH_MERGE;
    op->dry_run = true;
    o = fixture_run(&f, op, &a, NULL);
    assert_int_equal(json_get_int(json_get(o, "spec"), "size", 0), 9);
    assert_int_equal(json_get_int(json_get(o, "metadata"), "generation", 0), 2);
    assert_int_equal(rv_of(o), rv_of(made));
    assert_true(json_equal(made, widget(VERB_GET, "a", NULL, NULL)));
}

/* ---- scale ---- */

static yyjson_mut_val *scale(enum verb verb, const char *body, enum patch_type patch, int *code)
{
    struct op *op = fixture_op(&f, verb, gadgets, NULL, "a");
    op->subresource = STR("scale");
    op->patch = patch;
    if (body) {
        fixture_body(op, body);
    }
    return fixture_run(&f, op, &a, code);
}

static void test_scale(void **state)
{
    (void)state;
    int code;
    fixture_do(&f, &a, VERB_CREATE, gadgets, NULL, NULL,
               "{'apiVersion':'example.com/v1','kind':'Gadget','metadata':{'name':'a'}}", NULL);
    yyjson_mut_val *s = scale(VERB_GET, NULL, PATCH_NONE, &code);
    expect_status(
        s, 500, "InternalError",
        "Internal error occurred: the spec replicas field \".spec.replicas\" does not exist");
    expect_status(scale(VERB_PATCH, "{}", PATCH_MERGE, &code), 400, "BadRequest",
                  "the spec replicas field \".spec.replicas\" cannot be empty");
    yyjson_mut_val *o = scale(VERB_UPDATE,
                              "{'apiVersion':'autoscaling/"
                              "v1','kind':'Scale','metadata':{'name':'a'},'spec':{'replicas':5}}",
                              PATCH_NONE, NULL);
    assert_str(json_get_str(o, "kind"), "Scale");
    assert_int_equal(json_get_int(json_get(o, "spec"), "replicas", 0), 5);
    assert_int_equal(json_get_int(json_get(o, "status"), "replicas", -1), 0);
    yyjson_mut_val *g = fixture_do(&f, &a, VERB_GET, gadgets, NULL, "a", NULL, NULL);
    assert_int_equal(rv_of(g), rv_of(o));
    assert_int_equal(json_get_int(json_get(g, "spec"), "replicas", 0), 5);
    assert_int_equal(json_get_int(json_get(g, "metadata"), "generation", 0), 2);
    expect_status(scale(VERB_UPDATE,
                        "{'apiVersion':'autoscaling/"
                        "v1','kind':'Scale','metadata':{'name':'a','resourceVersion':'1'},'spec':{'"
                        "replicas':6}}",
                        PATCH_NONE, &code),
                  409, "Conflict", NULL);
    o = scale(VERB_PATCH, "[{'op':'replace','path':'/spec/replicas','value':7}]", PATCH_JSON, NULL);
    assert_int_equal(json_get_int(json_get(o, "spec"), "replicas", 0), 7);
    expect_status(scale(VERB_PATCH, "{'spec':{'replicas':-1}}", PATCH_MERGE, &code), 422, "Invalid",
                  NULL);
    expect_status(scale(VERB_PATCH, "{'spec':{'replicas':'many'}}", PATCH_MERGE, &code), 422,
                  "Invalid", NULL);
    expect_status(scale(VERB_UPDATE, "{'apiVersion':'v1','kind':'Other','metadata':{'name':'a'}}",
                        PATCH_NONE, &code),
                  400, "BadRequest", NULL);
}

/* ---- collections ---- */

static void test_delete_collection(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "w%02d", i);
        make_widget(name, i % 2 ? "{'color':'red'}" : "{'color':'blue'}");
    }
    struct op *op = fixture_op(&f, VERB_DELETECOLLECTION, widgets, "ns", NULL);
    assert_int_equal(selector_parse_fields(&op->arena, STR("spec.color=red"), widgets,
                                           type_storage(widgets), &op->list.fields, NULL),
                     0);
    yyjson_mut_val *list = fixture_run(&f, op, &a, NULL);
    assert_str(json_get_str(list, "kind"), "WidgetList");
    assert_int_equal(yyjson_mut_arr_size(json_get(list, "items")), 20);
    op = fixture_op(&f, VERB_DELETECOLLECTION, widgets, "ns", NULL);
    op->dry_run = true;
    assert_int_equal(yyjson_mut_arr_size(json_get(fixture_run(&f, op, &a, NULL), "items")), 20);
    op = fixture_op(&f, VERB_DELETECOLLECTION, widgets, "ns", NULL);
    assert_int_equal(yyjson_mut_arr_size(json_get(fixture_run(&f, op, &a, NULL), "items")), 20);
    int64_t left;
    assert_int_equal(
        store_count(f.store, &(struct store_range){.prefix = STR("/registry/example.com/widgets/")},
                    &left, NULL),
        0);
    assert_int_equal(left, 0);
}

/* ---- definitions ---- */

static void test_terminating_type(void **state)
{
    (void)state;
    struct type *t = fixture_make_type(WIDGET_CRD, NULL);
    t->definition_key =
        STR("/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com");
    registry_put(f.registry, t);
    const char *body = "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'b'}}";
    int code;
    expect_status(fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL, body, &code), 404, "NotFound",
                  NULL); /* its definition is not there */
    struct blob *value = blob_create(STR("{}"));
    struct store_op put = {.kind = STORE_OP_PUT, .key = t->definition_key, .value = value};
    assert_int_equal(
        store_submit_wait(f.store, &(struct store_txn){.ops = &put, .n_ops = 1}, NULL, NULL), 0);
    fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL,
               "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'}}", NULL);
    struct type *dying = fixture_make_type(WIDGET_CRD, NULL);
    dying->definition_key = t->definition_key;
    dying->terminating = true;
    registry_put(f.registry, dying);
    expect_status(
        fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL, body, &code), 403, "Forbidden",
        "widgets.example.com \"b\" is forbidden: create not allowed while custom resource "
        "definition is terminating");
    blob_unref(value);
    type_unref(t);
    type_unref(dying);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_create_get),
        TEST(test_create_exists),
        TEST(test_create_refusals),
        TEST(test_create_builtin),
        TEST(test_generate_name),
        TEST(test_cluster_scope),
        TEST(test_get_version),
        TEST(test_unknown_fields),
        TEST(test_duplicate_fields),
        TEST(test_update),
        TEST(test_update_same),
        TEST(test_generation),
        TEST(test_status),
        TEST(test_patch),
        TEST(test_patch_other_version),
        TEST(test_delete),
        TEST(test_finalizers),
        TEST(test_propagation),
        TEST(test_create_while_deleting),
        TEST(test_dry_run),
        TEST(test_scale),
        TEST(test_delete_collection),
        TEST(test_terminating_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
