/* SPDX-License-Identifier: Apache-2.0 */
/* Reviews: what is written, and that an answer is believed about nothing but the object's content.
 * (The wrong answers of a webhook are tried on a whole server: tests/http/test_conversion.py.) */
#include "tests/unit/services/fixture.h"

#include "services/conversion/conversion_priv.h"

static struct type *make_type(struct arena *a)
{
    struct type *t = NULL;
    yyjson_mut_val *doc = parsed(a, "{'metadata':{'name':'widgets.example.com'},'spec':{'group':'"
                                    "example.com','scope':'Namespaced','names':{'plural':'widgets',"
                                    "'kind':'Widget'},'versions':[{'name':'v1','served':true,'"
                                    "storage':true,'schema':{'openAPIV3Schema':{'type':'object'}}},"
                                    "{'name':'v2','served':true,'storage':false,'schema':{'"
                                    "openAPIV3Schema':{'type':'object'}}}]}}");
    struct err err = {0};
    if (type_create(doc, NULL, &t, &err)) {
        fail_msg("%s", err_message(&err));
    }
    return t;
}

#define OBJECT(n, more)                                                                            \
    "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'" n                        \
    "','namespace':'d','uid':'u'" more "},'spec':{'a':1}}"

static void test_write(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    AUTO(buf_finish) struct buf b = {0};
    yyjson_mut_val *objs[] = {parsed(&a, OBJECT("x", "")), parsed(&a, OBJECT("y", ""))};
    review_write(&b, false, STR("id"), STR("example.com/v2"), objs, 2);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&a, buf_str(&b), &d, NULL, NULL), 0);
    assert_true(json_equal(
        d->root,
        parsed(&a,
               "{'kind':'ConversionReview','apiVersion':'apiextensions.k8s.io/"
               "v1','request':{'uid':'id',"
               "'desiredAPIVersion':'example.com/v2','objects':[" OBJECT("x", "") "," OBJECT(
                   "y",
                   "") "]},"
                       "'response':{'uid':'','convertedObjects':null,'result':{'metadata':{}}}}")));
    arena_finish(&a);
}

static void test_read(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct type *t = make_type(&a);
    yyjson_mut_doc *d = json_doc(&a);
    yyjson_mut_val *obj =
        parsed(&a, OBJECT("x", ",'generation':3,'labels':{'old':'l'},'managedFields':[]"));
    struct str body = quoted(&a, "{'kind':'ConversionReview','apiVersion':'apiextensions.k8s.io/"
                                 "v1','response':{'uid':'id','result':"
                                 "{'status':'Success'},'convertedObjects':[{'apiVersion':'example."
                                 "com/v2','kind':'Widget','metadata':"
                                 "{'name':'x','namespace':'d','uid':'u','generation':9,'finalizers'"
                                 ":['f'],'annotations':{'k':'v'}},"
                                 "'spec':{'b':1}}]}}");
    enum review_fault fault;
    struct err err = {0};
    if (review_read(body, false, STR("id"), t, STR("example.com/v2"), d, &obj, 1, &fault, &err)) {
        fail_msg("%s", err_message(&err));
    }
    assert_true(json_equal(
        obj,
        parsed(
            &a,
            "{'apiVersion':'example.com/"
            "v2','kind':'Widget','metadata':{'name':'x','namespace':'d','uid':'u','generation':3,"
            "'managedFields':[],'annotations':{'k':'v'}},'spec':{'b':1}}")));
    /* a second object of the batch that is wrong leaves the first alone */
    yyjson_mut_val *two[] = {parsed(&a, OBJECT("x", "")), parsed(&a, OBJECT("y", ""))};
    body = quoted(&a, "{'kind':'ConversionReview','apiVersion':'apiextensions.k8s.io/"
                      "v1','response':{'uid':'id','result':"
                      "{'status':'Success'},'convertedObjects':[{'apiVersion':'example.com/"
                      "v2','kind':'Widget','metadata':"
                      "{'name':'x','namespace':'d','uid':'u'}},{'apiVersion':'example.com/"
                      "v2','kind':'Widget','metadata':"
                      "{'name':'x','namespace':'d','uid':'u'}}]}}");
    assert_int_equal(
        review_read(body, false, STR("id"), t, STR("example.com/v2"), d, two, 2, &fault, &err),
        ERR_UNKNOWN_500);
    assert_int_equal(fault, REVIEW_INVALID_OBJECT);
    assert_string_equal(err_message(&err), "conversion webhook for example.com/v1, Kind=Widget "
                                           "returned invalid converted object at index "
                                           "1: must have the same name: y != x");
    assert_true(json_equal(two[0], parsed(&a, OBJECT("x", ""))));
    err_finish(&err);
    type_unref(t);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_write), cmocka_unit_test(test_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
