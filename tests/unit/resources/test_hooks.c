/* SPDX-License-Identifier: Apache-2.0 */
/* What services hang into the writes of their types: the strategy's hooks, virtual types. */
#include "tests/unit/resources/engine_world.h"

struct hooks {
    int prepared, also, committed, mutated, validated;
};

static int hook_prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val *old, struct err *err)
{
    (void)w;
    (void)old;
    (void)err;
    ((struct hooks *)self)->prepared++;
    json_set_str(d, json_ensure_obj(d, obj, "data"), "prepared", STR("yes"));
    return 0;
}

static void hook_validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                          struct causes *c)
{
    (void)self;
    (void)w;
    (void)old;
    if (json_get(json_get(obj, "data"), "bad")) {
        causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(NULL, STR("data")), NULL, "bad is not allowed");
    }
}

/* Every note has a twin, and none may be made while the one called "lock" is there. */
static int hook_also(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct err *err)
{
    (void)old;
    ((struct hooks *)self)->also++;
    const struct op *op = write_op(w);
    yyjson_mut_val *twin = NULL, *lock = NULL;
    struct str name = str_from(arena_printf(write_arena(w), "%.*s-twin",
                                            STR_FMT(op->name.len ? op->name : metadata_name(obj))));
    int rc = write_read(w, op->type, op->scope, name, &twin, err);
    rc = rc ? rc : write_read(w, op->type, op->scope, STR("lock"), &lock, err);
    if (!rc && lock && obj) {
        return status_forbidden(err, op->type, op->name, "locked");
    }
    if (!rc) {
        write_also(w, op->type, op->scope, name, obj);
    }
    return rc;
}

static void hook_committed(void *self, const yyjson_mut_val *obj, const yyjson_mut_val *old,
                           int64_t rev)
{
    (void)obj;
    (void)old;
    assert_true(rev > 0);
    ((struct hooks *)self)->committed++;
}

static int hook_mutate(void *self, struct admission_request *r, struct err *err)
{
    (void)err;
    ((struct hooks *)self)->mutated++;
    assert_non_null(r->obj);
    json_set_str(r->doc, json_ensure_obj(r->doc, metadata_of(r->obj), "labels"), "admitted",
                 r->operation);
    return 0;
}

static int hook_refuse(void *self, struct admission_request *r, struct err *err)
{
    ((struct hooks *)self)->validated++;
    const yyjson_mut_val *o = r->obj ? r->obj : r->old;
    return json_get(json_get(o, "data"), "refuse") && !r->old
               ? status_forbidden(err, r->op->type, metadata_name(o), "refused")
               : 0;
}

static void test_hooks(void **state)
{
    (void)state;
    static const struct type_strategy strategy = {.prepare = hook_prepare,
                                                  .validate = hook_validate,
                                                  .also = hook_also,
                                                  .committed = hook_committed};
    struct hooks h = {0};
    struct type_extras extras = {.strategy = &strategy, .self = &h};
    struct type *t = fixture_add_type(&f, NOTE_CRD, &extras);
    engine_add_admission(
        f.engine,
        &(struct admission_plugin){.name = "v", .order = 9, .validate = hook_refuse, .self = &h});
    engine_add_admission(f.engine, &(struct admission_plugin){
                                       .name = "m", .order = 1, .mutate = hook_mutate, .self = &h});
    yyjson_mut_val *o =
        fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL, "{'metadata':{'name':'a'}}", NULL);
    assert_str(text_at(o, "data", "prepared"), "yes");
    assert_str(json_str(json_path(o, "metadata", "labels", "admitted", NULL)), "CREATE");
    int code;
    assert_str(
        text_at(fixture_do(&f, &a, VERB_GET, t, "ns", "a-twin", NULL, NULL), "data", "prepared"),
        "yes");
    expect_status(fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL,
                             "{'metadata':{'name':'b'},'data':{'bad':'1'}}", &code),
                  422, "Invalid", "Note \"b\" is invalid: data: Forbidden: bad is not allowed");
    expect_status(fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL,
                             "{'metadata':{'name':'b'},'data':{'refuse':'1'}}", &code),
                  403, "Forbidden", "notes \"b\" is forbidden: refused");
    assert_int_equal(h.committed, 1);
    fixture_do(&f, &a, VERB_DELETE, t, "ns", "a", NULL, NULL);
    expect_status(fixture_do(&f, &a, VERB_GET, t, "ns", "a-twin", NULL, &code), 404, "NotFound",
                  NULL);
    assert_int_equal(h.committed, 2);
    assert_true(h.mutated >= 3 && h.validated >= 3 && h.prepared >= 2 && h.also == 2);
    fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL, "{'metadata':{'name':'lock'}}", NULL);
    expect_status(
        fixture_do(&f, &a, VERB_CREATE, t, "ns", NULL, "{'metadata':{'name':'c'}}", &code), 403,
        "Forbidden", NULL);
}

static int virtual_create(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                          yyjson_mut_val **ret, struct err *err)
{
    (void)self;
    (void)op;
    (void)err;
    json_set_str(d, json_ensure_obj(d, obj, "data"), "answer", STR("42"));
    *ret = obj;
    return 0;
}

static void test_virtual(void **state)
{
    (void)state;
    static const struct type_strategy strategy = {.create = virtual_create};
    struct type_extras extras = {.strategy = &strategy};
    struct type *t = fixture_make_type(NOTE_CRD, &extras);
    t->virtual_ = true;
    struct op *op = fixture_op(&f, VERB_CREATE, t, NULL, NULL);
    fixture_body(op, "{'data':{'q':'?'}}");
    assert_true(engine_prefers_pool(op, 10));
    yyjson_mut_val *o = fixture_run(&f, op, &a, NULL);
    assert_str(text_at(o, "data", "answer"), "42");
    assert_int_equal(store_revision(f.store), empty);
    type_unref(t);
}

static void test_ensure(void **state)
{
    (void)state;
    yyjson_mut_doc *d = json_doc(&a);
    yyjson_mut_val *o = yyjson_mut_obj(d);
    json_set_str(d, json_ensure_obj(d, o, "metadata"), "name", STR("x"));
    assert_int_equal(engine_ensure(f.engine, notes, (struct scope){.ns = STR("ns")}, o, NULL), 0);
    int64_t rev = store_revision(f.store);
    assert_int_equal(engine_ensure(f.engine, notes, (struct scope){.ns = STR("ns")}, o, NULL), 0);
    assert_int_equal(store_revision(f.store), rev);
}

static void test_object_too_large(void **state)
{
    (void)state;
    struct op *op = fixture_op(&f, VERB_CREATE, notes, "ns", NULL);
    op->body = json_doc(&op->arena);
    yyjson_mut_val *o = yyjson_mut_obj(op->body);
    yyjson_mut_doc_set_root(op->body, o);
    json_set_str(op->body, json_ensure_obj(op->body, o, "metadata"), "name", STR("x"));
    char *big = alloc_bytes(4u << 20);
    memset(big, 'x', 4u << 20);
    json_set_str(op->body, json_ensure_obj(op->body, o, "data"), "k", str_make(big, 4u << 20));
    free(big);
    assert_int_equal(engine_run(f.engine, op), ERR_TOO_LARGE);
    op_unref(op);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hooks),
        TEST(test_virtual),
        TEST(test_ensure),
        TEST(test_object_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
