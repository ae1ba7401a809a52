/* SPDX-License-Identifier: Apache-2.0 */
/* managedFields in the write path, and server-side apply as an operation: creating, conflicts,
 * nothing to change, status, scale, races, dry runs, and what the reference refuses. */
#include "base/limits.h"
#include "tests/unit/resources/engine_world.h"

#include <pthread.h>

static struct op *op_by(enum verb verb, struct type *t, const char *manager, const char *body)
{
    struct op *op =
        fixture_op(&f, verb, t, t == gadgets ? "" : "ns", verb == VERB_CREATE ? NULL : "a");
    op->manager = str_from(manager);
    if (body) {
        fixture_body(op, body);
    }
    return op;
}

static yyjson_mut_val *run(struct op *op, int code, const char *message)
{
    int rc;
    yyjson_mut_val *v = fixture_run(&f, op, &a, &rc);
    if (!message && rc) {
        fail_msg("%.*s", STR_FMT(json_get_str(v, "message")));
    } else if (message) {
        assert_str(json_get_str(v, "message"), message);
        assert_int_equal(json_get_int(v, "code", 0), code);
    }
    return v;
}

static struct op *op_apply(struct type *t, const char *manager, const char *body)
{
    struct op *op = op_by(VERB_PATCH, t, manager, body);
    op->patch = PATCH_APPLY;
    return op;
}

static struct op *op_merge(struct type *t, const char *manager, const char *body)
{
    struct op *op = op_by(VERB_PATCH, t, manager, body);
    op->patch = PATCH_MERGE;
    return op;
}

#define WIDGET(rest_)                                                                              \
    "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'}," rest_ "}"
#define GADGET(rest_)                                                                              \
    "{'apiVersion':'example.com/v1','kind':'Gadget','metadata':{'name':'a'}," rest_ "}"

/* `manager operation subresource {fields}` of each entry, a line each. */
static const char *owners(const yyjson_mut_val *obj)
{
    AUTO(buf_finish) struct buf b = {0};
    struct json_iter it = json_iter(json_path(obj, "metadata", "managedFields", NULL));
    while (it.container && json_next(&it)) {
        struct str sub = json_get_str(it.val, "subresource");
        buf_printf(&b, "%.*s %.*s %.*s%s", STR_FMT(json_get_str(it.val, "manager")),
                   STR_FMT(json_get_str(it.val, "operation")), STR_FMT(sub), sub.len ? " " : "");
        json_write(&b, json_get(it.val, "fieldsV1"));
        buf_addc(&b, '\n');
    }
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] = b.ptr[i] == '"' ? '\'' : b.ptr[i];
    }
    return b.len ? arena_str(&a, buf_str(&b)).ptr : "";
}

static yyjson_mut_val *got(struct type *t)
{
    return run(op_by(VERB_GET, t, "", NULL), 0, NULL);
}

/* ---- every write ---- */

static void test_writes(void **state)
{
    (void)state;
    yyjson_mut_val *v = run(op_by(VERB_CREATE, widgets, "c", WIDGET("'spec':{'size':1}")), 0, NULL);
    assert_string_equal(owners(v), "c Update {'f:spec':{'.':{},'f:size':{}}}\n");
    char body[256];
    snprintf(body, sizeof(body),
             "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a',"
             "'resourceVersion':'%lld'},'spec':{'size':2}}",
             (long long)rv_of(v));
    v = run(op_by(VERB_UPDATE, widgets, "u", body), 0, NULL);
    assert_string_equal(owners(v), "c Update {'f:spec':{}}\nu Update {'f:spec':{'f:size':{}}}\n");
    v = run(op_merge(widgets, "p", "{'spec':{'note':'n'}}"), 0, NULL);
    assert_string_equal(owners(v), "c Update {'f:spec':{}}\n"
                                   "p Update {'f:spec':{'f:note':{}}}\n"
                                   "u Update {'f:spec':{'f:size':{}}}\n");
    struct op *op = op_merge(widgets, "s", "{'status':{'ready':1},'spec':{'size':9}}");
    op->subresource = STR("status");
    v = run(op, 0, NULL);
    assert_int_equal(json_get_int(json_get(v, "spec"), "size", 0), 2);
    assert_non_null(strstr(owners(v), "s Update status {'f:status':{'.':{},'f:ready':{}}}\n"));
    /* It is stored so, and shown so in another version. */
    op = op_by(VERB_GET, widgets, "", NULL);
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    assert_string_equal(owners(run(op, 0, NULL)), owners(v));
}

static void test_no_change(void **state)
{
    (void)state;
    yyjson_mut_val *v = run(op_by(VERB_CREATE, widgets, "c", WIDGET("'spec':{'size':1}")), 0, NULL);
    yyjson_mut_val *w = run(op_merge(widgets, "p", "{'spec':{'size':1}}"), 0, NULL);
    assert_int_equal(rv_of(w), rv_of(v));
    w = run(op_apply(widgets, "m", WIDGET("'spec':{'size':1}")), 0, NULL);
    assert_true(rv_of(w) > rv_of(v)); /* an owner more */
    v = run(op_apply(widgets, "m", WIDGET("'spec':{'size':1}")), 0, NULL);
    assert_int_equal(rv_of(w), rv_of(v));
    assert_true(json_equal(v, w));
    /* A status sent to the object itself is reset: nothing changes, no time moves. */
    w = run(op_merge(widgets, "p", "{'status':{'ready':5}}"), 0, NULL);
    assert_int_equal(rv_of(w), rv_of(v));
}

static void test_patch_of_owners(void **state)
{
    (void)state;
    run(op_by(VERB_CREATE, widgets, "c", WIDGET("'spec':{'size':1}")), 0, NULL);
    yyjson_mut_val *v = run(op_merge(widgets, "p", "{'metadata':{'managedFields':[]}}"), 0, NULL);
    assert_string_equal(owners(v), "c Update {'f:spec':{'.':{},'f:size':{}}}\n");
    struct op *op = op_by(VERB_PATCH, widgets, "p",
                          "[{'op':'replace','path':'/metadata/managedFields/0/manager','value':"
                          "'other'}]");
    op->patch = PATCH_JSON;
    v = run(op, 0, NULL);
    assert_string_equal(owners(v), "other Update {'f:spec':{'.':{},'f:size':{}}}\n");
    op = op_by(VERB_PATCH, widgets, "p",
               "[{'op':'replace','path':'/metadata/managedFields','value':[{}]}]");
    op->patch = PATCH_JSON;
    v = run(op, 0, NULL);
    assert_string_equal(owners(v), "");
    v = run(op_merge(widgets, "p", "{'spec':{'size':7}}"), 0, NULL);
    assert_string_equal(owners(v), "");
    /* A built-in hears the empty list. */
    run(op_by(VERB_CREATE, notes, "c",
              "{'apiVersion':'v1','kind':'Note','metadata':{'name':'a'},'data':{'k':'v'}}"),
        0, NULL);
    v = run(op_merge(notes, "p", "{'metadata':{'managedFields':[]}}"), 0, NULL);
    assert_string_equal(owners(v), "");
}

/* ---- apply ---- */

static void test_create_by_apply(void **state)
{
    (void)state;
    struct op *op = op_ref(op_apply(widgets, "m", WIDGET("'spec':{'deep':{}}")));
    yyjson_mut_val *v = run(op, 0, NULL);
    assert_int_equal(op->answer.http_status, 201);
    op_unref(op);
    assert_string_equal(owners(v), "m Apply {'f:spec':{'f:deep':{}}}\n");
    assert_str(json_str(json_path(v, "spec", "deep", "level", NULL)), "low");
    assert_int_equal(text_at(v, "metadata", "uid").len, 36);
    assert_true(json_equal(v, got(widgets)));
    op = op_ref(op_apply(widgets, "m", WIDGET("'spec':{'size':1}")));
    v = run(op, 0, NULL);
    assert_int_equal(op->answer.http_status, 200);
    op_unref(op);
    assert_null(json_path(v, "spec", "deep", NULL));
    /* No subresource comes into being so. */
    op = op_apply(widgets, "m",
                  "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'b'}}");
    op->name = STR("b");
    op->subresource = STR("status");
    run(op, 404, "widgets.example.com \"b\" not found");
}

static void test_create_needs_the_right(void **state)
{
    (void)state;
    struct op *op = op_apply(widgets, "m", WIDGET("'spec':{}"));
    user_unref(op->user);
    op->user = user_create(STR("nobody"), STR("u0"), NULL, 0);
    int rc;
    yyjson_mut_val *v = fixture_run(&f, op, &a, &rc);
    assert_int_equal(rc, ERR_FORBIDDEN);
    assert_non_null(strstr(json_get_str(v, "message").ptr, "cannot create resource"));
}

static void test_conflict_and_force(void **state)
{
    (void)state;
    run(op_apply(widgets, "m1", WIDGET("'spec':{'size':1,'color':'r'}")), 0, NULL);
    yyjson_mut_val *v =
        run(op_apply(widgets, "m2", WIDGET("'spec':{'size':2,'color':'b'}")), 409,
            "Apply failed with 2 conflicts: conflicts with \"m1\":\n- .spec.color\n- .spec.size");
    yyjson_mut_val *cause = yyjson_mut_arr_get_first(json_path(v, "details", "causes", NULL));
    assert_str(json_get_str(cause, "reason"), "FieldManagerConflict");
    assert_str(json_get_str(cause, "message"), "conflict with \"m1\"");
    struct op *op = op_apply(widgets, "m2", WIDGET("'spec':{'size':2}"));
    op->force = true;
    v = run(op, 0, NULL);
    assert_string_equal(owners(v), "m1 Apply {'f:spec':{'f:color':{}}}\n"
                                   "m2 Apply {'f:spec':{'f:size':{}}}\n");
}

static void test_preconditions(void **state)
{
    (void)state;
    run(op_apply(
            widgets, "m",
            "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a','uid':'x'}}"),
        409,
        "Operation cannot be fulfilled on widgets.example.com \"a\": uid mismatch: the provided "
        "object specified uid x, and no existing object was found");
    yyjson_mut_val *v =
        run(op_apply(widgets, "m",
                     "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a',"
                     "'resourceVersion':'77','creationTimestamp':null},'spec':{'size':1}}"),
            0, NULL);
    assert_true(rv_of(v) != 77);
    run(op_apply(widgets, "m",
                 "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a',"
                 "'resourceVersion':'77'},'spec':{'size':2}}"),
        409,
        "Operation cannot be fulfilled on widgets.example.com \"a\": the object has been modified; "
        "please apply your changes to the latest version and try again");
    run(op_apply(widgets, "m",
                 "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'b'}}"),
        400, "the name of the object (b) does not match the name on the URL (a)");
    run(op_apply(widgets, "m",
                 "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a',"
                 "'namespace':'other'}}"),
        400,
        "the namespace of the provided object does not match the namespace sent on the request");
    run(op_apply(widgets, "m", "[1]"), 400,
        "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot "
        "unmarshal array into Go value of type map[string]interface {}");
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    const char *body = WIDGET("'spec':{'size':1,'size':2}");
    struct op *op = op_apply(widgets, "m", body);
    op->validation = FIELD_VALIDATION_STRICT;
    int rc;
    fixture_run(&f, op, &a, &rc);
    assert_int_equal(rc, ERR_BAD_REQUEST);
    op = op_ref(op_apply(widgets, "m", body));
    run(op, 0, NULL);
    assert_int_equal(op->warnings.n, 1);
    op_unref(op);
}

static void test_nulls(void **state)
{
    (void)state;
    run(op_apply(widgets, "m", WIDGET("'spec':{'color':null}")), 422,
        "Widget.example.com \"a\" is invalid: spec.color: Invalid value: \"null\": spec.color in "
        "body must be of type string: \"null\"");
    yyjson_mut_val *v =
        run(op_apply(widgets, "m", WIDGET("'spec':{'deep':{'level':null}}")), 0, NULL);
    assert_str(json_str(json_path(v, "spec", "deep", "level", NULL)), "low");
}

static void test_other_version(void **state)
{
    (void)state;
    run(op_apply(widgets, "m1", WIDGET("'spec':{'size':1}")), 0, NULL);
    struct op *op = op_apply(
        widgets, "m2",
        "{'apiVersion':'example.com/v1beta1','kind':'Widget','metadata':{'name':'a'},'spec':{"
        "'size':2}}");
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    run(op, 409, "Apply failed with 1 conflict: conflict with \"m1\": .spec.size");
    op = op_by(VERB_PATCH, widgets, "p", "{'spec':{'size':3}}");
    op->patch = PATCH_MERGE;
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    yyjson_mut_val *v = run(op, 0, NULL);
    assert_string_equal(owners(v), "p Update {'f:spec':{'f:size':{}}}\n");
}

static void test_status_apply(void **state)
{
    (void)state;
    run(op_apply(widgets, "m", WIDGET("'spec':{'size':1}")), 0, NULL);
    struct op *op = op_apply(widgets, "m", WIDGET("'spec':{'size':5},'status':{'ready':1}"));
    op->subresource = STR("status");
    yyjson_mut_val *v = run(op, 0, NULL);
    assert_int_equal(json_get_int(json_get(v, "spec"), "size", 0), 1);
    assert_string_equal(owners(v), "m Apply {'f:spec':{'f:size':{}}}\n"
                                   "m Apply status {'f:status':{'f:ready':{}}}\n");
}

static yyjson_mut_val *scale_by(const char *manager, enum patch_type patch, const char *body,
                                bool force, int code, const char *message)
{
    struct op *op = op_by(VERB_PATCH, gadgets, manager, body);
    op->patch = patch;
    op->force = force;
    op->subresource = STR("scale");
    return run(op, code, message);
}

static void test_scale(void **state)
{
    (void)state;
    run(op_by(VERB_CREATE, gadgets, "c", GADGET("'spec':{'replicas':1,'x':1}")), 0, NULL);
    yyjson_mut_val *v = scale_by("hpa", PATCH_MERGE, "{'spec':{'replicas':3}}", false, 0, NULL);
    assert_str(json_get_str(v, "kind"), "Scale");
    assert_null(json_path(v, "metadata", "managedFields", NULL));
    assert_string_equal(owners(got(gadgets)), "hpa Update scale {'f:spec':{'f:replicas':{}}}\n"
                                              "c Update {'f:spec':{'.':{},'f:x':{}}}\n");
    static const char applied[] = "{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{"
                                  "'name':'a'},'spec':{'replicas':4}}";
    scale_by("m", PATCH_APPLY, applied, false, 409,
             "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" using "
             "autoscaling/v1: .spec.replicas");
    scale_by("m", PATCH_APPLY, applied, true, 0, NULL);
    v = got(gadgets);
    assert_int_equal(json_get_int(json_get(v, "spec"), "replicas", 0), 4);
    assert_string_equal(owners(v), "m Apply scale {'f:spec':{'f:replicas':{}}}\n"
                                   "c Update {'f:spec':{'.':{},'f:x':{}}}\n");
    scale_by("m", PATCH_APPLY,
             "{'apiVersion':'example.com/v1','kind':'Gadget','metadata':{'name':'a'}}", false, 400,
             "invalid object type: example.com/v1, Kind=Gadget");
    scale_by(
        "m", PATCH_APPLY,
        "{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{'name':'a'},'spec':{'x':1}}",
        false, 500,
        "failed to create typed patch object (/a; autoscaling/v1, Kind=Scale): .spec.x: field "
        "not declared in schema");
    scale_by("m", PATCH_APPLY,
             "{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{'name':'a'},'spec':{"
             "'replicas':'4'}}",
             false, 500,
             "failed to create typed patch object (/a; autoscaling/v1, Kind=Scale): "
             ".spec.replicas: expected numeric (int or float), got string");
    /* The same again writes nothing. */
    scale_by("m", PATCH_APPLY, applied, false, 0, NULL);
    assert_int_equal(rv_of(got(gadgets)), rv_of(v));
}

static void test_dry_run(void **state)
{
    (void)state;
    int64_t rev = store_revision(f.store);
    struct op *op = op_apply(widgets, "m", WIDGET("'spec':{'size':1}"));
    op->dry_run = true;
    yyjson_mut_val *v = run(op, 0, NULL);
    assert_string_equal(owners(v), "m Apply {'f:spec':{'f:size':{}}}\n");
    assert_int_equal(store_revision(f.store), rev);
    run(op_apply(widgets, "m", WIDGET("'spec':{'size':1}")), 0, NULL);
    rev = store_revision(f.store);
    op = op_apply(widgets, "m2", WIDGET("'spec':{'note':'x'}"));
    op->dry_run = true;
    v = run(op, 0, NULL);
    assert_string_equal(owners(v), "m Apply {'f:spec':{'f:size':{}}}\n"
                                   "m2 Apply {'f:spec':{'f:note':{}}}\n");
    assert_int_equal(store_revision(f.store), rev);
}

/* An object that fits only without its managedFields is stored without. */
static void test_too_large(void **state)
{
    (void)state;
    size_t each = 24, n = LIMIT_OBJECT_BYTES / 45;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{'apiVersion':'v1','kind':'Note','metadata':{'name':'a'},'data':{");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "%s'k%0*zu':''", i ? "," : "", (int)each, i);
    }
    buf_addz(&b, "}}");
    buf_addc(&b, 0);
    yyjson_mut_val *v = run(op_by(VERB_CREATE, notes, "c", b.ptr), 0, NULL);
    assert_string_equal(owners(v), "");
    assert_int_equal(json_size(json_get(v, "data")), n);
    struct op *op = op_apply(notes, "m", b.ptr);
    op->name = STR("a");
    int rc;
    fixture_run(&f, op, &a, &rc);
    assert_int_equal(rc, ERR_TOO_LARGE); /* an apply is nothing without its owners */
}

/* ---- races ---- */

struct racer {
    const char *manager, *field;
    int failures;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 1; i <= 20; i++) {
        AUTO(buf_finish) struct buf b = {0};
        buf_addz(&b, "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'},"
                     "'spec':{");
        buf_printf(&b, "'%s':%s%d%s}}", r->field, str_is(str_from(r->field), "note") ? "'" : "", i,
                   str_is(str_from(r->field), "note") ? "'" : "");
        buf_addc(&b, 0);
        struct op *op = op_apply(widgets, r->manager, b.ptr);
        r->failures += engine_run(f.engine, op) != 0;
        op_unref(op);
    }
    return NULL;
}

/* Appliers of different fields never refuse each other, whoever loses a race for the object. */
static void test_race(void **state)
{
    (void)state;
    struct racer racers[] = {{"m1", "size", 0}, {"m2", "note", 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].failures, 0);
    }
    yyjson_mut_val *v = got(widgets);
    assert_int_equal(json_get_int(json_get(v, "spec"), "size", 0), 20);
    assert_str(text_at(v, "spec", "note"), "20");
    assert_int_equal(json_size(json_path(v, "metadata", "managedFields", NULL)), 2);
}

int main(void)
{
#define TEST(f_) cmocka_unit_test_setup_teardown(f_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_writes),
        TEST(test_no_change),
        TEST(test_patch_of_owners),
        TEST(test_create_by_apply),
        TEST(test_create_needs_the_right),
        TEST(test_conflict_and_force),
        TEST(test_preconditions),
        TEST(test_duplicate_keys),
        TEST(test_nulls),
        TEST(test_other_version),
        TEST(test_status_apply),
        TEST(test_scale),
        TEST(test_dry_run),
        TEST(test_too_large),
        TEST(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
