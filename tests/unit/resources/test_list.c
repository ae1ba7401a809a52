/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: order, pages at one revision, selectors, versions, representations, tokens. */
#include "tests/unit/resources/engine_world.h"

#include "base/crypto.h"
#include "resources/engine_priv.h"

static struct op *list_op(struct type *t, const char *ns)
{
    return fixture_op(&f, VERB_LIST, t, ns, NULL);
}

static void select_labels(struct op *op, const char *text)
{
    assert_int_equal(selector_parse_labels(&op->arena, str_from(text), &op->list.labels, NULL), 0);
}

static void select_fields(struct op *op, const char *text)
{
    assert_int_equal(selector_parse_fields(&op->arena, str_from(text), op->type, op->version,
                                           &op->list.fields, NULL),
                     0);
}

/* Reads a list in pieces of at most `max` bytes; gives the op back. A failure gives a Status. */
static yyjson_mut_val *read_in(struct op *op, const struct representation *r, size_t max,
                               int *ret_pieces)
{
    struct list *l = NULL;
    struct err err = {0};
    struct buf b = {0};
    int pieces = 0;
    int rc = list_open(f.engine, op, r, &l, &err);
    for (bool done = false; !rc && !done; pieces++) {
        rc = list_next(l, &b, max, &done, &err);
    }
    if (rc) {
        b.len = 0;
        status_write(&b, &err);
        err_finish(&err);
    }
    list_close(l);
    op_unref(op);
    yyjson_mut_doc *d = NULL;
    struct str text = arena_str(&a, buf_str(&b));
    buf_finish(&b);
    if (json_read(&a, text, &d, NULL, &err)) {
        fail_msg("%s in %.*s", err_message(&err), STR_FMT(text));
    }
    if (ret_pieces) {
        *ret_pieces = pieces;
    }
    return yyjson_mut_doc_get_root(d);
}

static const struct representation as_object = {0};

static yyjson_mut_val *read_all(struct op *op)
{
    return read_in(op, &as_object, 256 * 1024, NULL);
}

/* The names of the items, joined with commas. */
static const char *names(yyjson_mut_val *list)
{
    struct buf b = {0};
    struct json_iter it = json_iter(json_get(list, "items"));
    while (json_next(&it)) {
        buf_printf(&b, "%s%.*s", it.index ? "," : "", STR_FMT(metadata_name(it.val)));
    }
    const char *text = arena_str(&a, b.len ? buf_str(&b) : STR("")).ptr;
    buf_finish(&b);
    return text;
}

static void test_order(void **state)
{
    (void)state;
    static const char *const made[] = {"b", "a", "a-b", "a.b", "a1", "10", "9"};
    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++) {
        make(widgets, "ns", made[i], "}");
    }
    make(widgets, "other", "z", "}");
    make(widgets, "ns2", "q", "}");
    yyjson_mut_val *l = read_all(list_op(widgets, "ns"));
    assert_string_equal(names(l), "10,9,a,a-b,a.b,a1,b");
    assert_str(json_get_str(l, "kind"), "WidgetList");
    assert_str(json_get_str(l, "apiVersion"), "example.com/v1");
    assert_str(text_at(l, "metadata", "continue"), "");
    assert_int_equal(rv_of(l), store_revision(f.store));
    assert_string_equal(names(read_all(list_op(widgets, ""))), "10,9,a,a-b,a.b,a1,b,q,z");
    assert_string_equal(names(read_all(list_op(gadgets, ""))), "");
}

/* Items of built-in types go without apiVersion and kind, and so does the empty continue. */
static void test_builtin_items(void **state)
{
    (void)state;
    make(notes, "ns", "a", "},'data':{'k':'v'}");
    yyjson_mut_val *l = read_all(list_op(notes, "ns"));
    yyjson_mut_val *item = yyjson_mut_arr_get_first(json_get(l, "items"));
    assert_null(json_get(item, "kind"));
    assert_null(json_get(item, "apiVersion"));
    assert_str(text_at(item, "data", "k"), "v");
    assert_true(rv_of(item) > 0);
    assert_null(json_path(l, "metadata", "continue", NULL));
}

static void test_pages(void **state)
{
    (void)state;
    char name[24];
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        make(notes, "ns", name, "}");
    }
    struct str token = STR_NULL;
    static const char *const pages[] = {"n0,n1,n2", "n3,n4,n5", "n6"};
    static const int64_t left[] = {4, 1, 0};
    int64_t rev = 0;
    for (int i = 0; i < 3; i++) {
        struct op *op = list_op(notes, "ns");
        op->list.limit = 3;
        op->list.continue_token = token;
        yyjson_mut_val *l = read_all(op);
        assert_string_equal(names(l), pages[i]);
        assert_int_equal(json_get_int(json_get(l, "metadata"), "remainingItemCount", 0), left[i]);
        token = text_at(l, "metadata", "continue");
        assert_int_equal(token.len > 0, i < 2);
        rev = rev ? rev : rv_of(l);
        assert_int_equal(rv_of(l), rev);
        /* What happens between pages is not seen by them. */
        snprintf(name, sizeof(name), "n%d-new", i);
        make(notes, "ns", name, "}");
        if (i < 2) {
            fixture_do(&f, &a, VERB_DELETE, notes, "ns", i ? "n5" : "n4", NULL, NULL);
        }
    }
    struct op *op = list_op(notes, "ns");
    op->list.limit = -1;
    assert_string_equal(names(read_all(op)), "n0,n0-new,n1,n1-new,n2,n2-new,n3,n6");
}

/* A token tells how many objects are left; without that, or where it cannot be, they are counted.
 */
static void test_left(void **state)
{
    (void)state;
    char name[24];
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        make(notes, "ns", name, "}");
    }
    struct op *op = list_op(notes, "ns");
    op->list.limit = 2;
    int pieces = 0;
    yyjson_mut_val *page = read_in(op, &as_object, 256 * 1024, &pieces);
    assert_int_equal(pieces, 2); /* counting is not done with the first piece */
    assert_int_equal(json_get_int(json_get(page, "metadata"), "remainingItemCount", 0), 7);
    struct str start;
    int64_t rev, left = 0;
    assert_int_equal(
        continue_decode(&a, text_at(page, "metadata", "continue"), &start, &rev, &left, NULL), 0);
    assert_int_equal(left, 7);
    static const struct {
        int64_t left, limit, rest;
        int pieces;
    } cases[] = {{7, 3, 4, 1}, {7, 6, 1, 1}, {0, 3, 4, 2},
                 {2, 3, 4, 2}, {3, 3, 4, 2}, {-9, 3, 4, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf token = {0};
        continue_encode(&token, start, rev, cases[i].left);
        op = list_op(notes, "ns");
        op->list.limit = cases[i].limit;
        op->list.continue_token = arena_str(&op->arena, buf_str(&token));
        buf_finish(&token);
        page = read_in(op, &as_object, 256 * 1024, &pieces);
        assert_int_equal(json_get_int(json_get(page, "metadata"), "remainingItemCount", 0),
                         cases[i].rest);
        assert_int_equal(pieces, cases[i].pieces);
    }
}

static void test_page_ends_exactly(void **state)
{
    (void)state;
    make(widgets, "ns", "a", "}");
    make(widgets, "ns", "b", "}");
    struct op *op = list_op(widgets, "ns");
    op->list.limit = 2;
    yyjson_mut_val *l = read_all(op);
    assert_string_equal(names(l), "a,b");
    assert_str(text_at(l, "metadata", "continue"), "");
    assert_null(json_path(l, "metadata", "remainingItemCount", NULL));
}

static void test_selected_pages(void **state)
{
    (void)state;
    make(notes, "ns", "a", ",'labels':{'app':'x'}}");
    make(notes, "ns", "b", ",'labels':{'app':'y'}}");
    make(notes, "ns", "c", ",'labels':{'app':'z'}}");
    make(notes, "ns", "d", "}");
    struct op *op = list_op(notes, "ns");
    op->list.limit = 1;
    select_labels(op, "app");
    yyjson_mut_val *l = read_all(op);
    assert_string_equal(names(l), "a");
    assert_null(json_path(l, "metadata", "remainingItemCount", NULL));
    struct str token = text_at(l, "metadata", "continue");
    assert_true(token.len > 0);
    op = list_op(notes, "ns");
    op->list.limit = 2;
    op->list.continue_token = token;
    select_labels(op, "app");
    l = read_all(op);
    assert_string_equal(names(l), "b,c");
    assert_null(json_path(l, "metadata", "continue", NULL));
}

static void test_selectors(void **state)
{
    (void)state;
    make(widgets, "ns", "a", ",'labels':{'k':'1'}},'spec':{'color':'red'}");
    make(widgets, "ns", "b", ",'labels':{'k':'2'}},'spec':{'color':'blue'}");
    make(widgets, "ns2", "b", "},'spec':{'color':'red'}");
    static const struct {
        const char *ns, *labels, *fields, *names;
    } cases[] = {
        {"ns", "k in (1,3)", "", "a"},
        {"ns", "!k", "", ""},
        {"", "!k", "", "b"},
        {"", "", "spec.color=red", "a,b"},
        {"", "", "metadata.name=b", "b,b"},
        {"", "", "metadata.namespace=ns2", "b"},
        {"", "", "metadata.namespace=ns2,metadata.name=b", "b"},
        {"ns", "", "metadata.name=b", "b"},
        {"ns", "", "metadata.name=zz", ""},
        {"ns", "k", "metadata.name=b,spec.color=red", ""},
        {"ns", "k=2", "spec.color!=red", "b"},
        {"ns", "", "metadata.name!=a", "b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct op *op = list_op(widgets, cases[i].ns);
        if (*cases[i].labels) {
            select_labels(op, cases[i].labels);
        }
        if (*cases[i].fields) {
            select_fields(op, cases[i].fields);
        }
        assert_string_equal(names(read_all(op)), cases[i].names);
    }
}

static void test_versions(void **state)
{
    (void)state;
    int64_t first = rv_of(make(widgets, "ns", "a", "},'spec':{'size':1}"));
    fixture_do(&f, &a, VERB_PATCH, widgets, "ns", "a", "{'spec':{'size':2}}", NULL);
    make(widgets, "ns", "b", "}");
    char rv[24], late[24];
    snprintf(rv, sizeof(rv), "%lld", (long long)first);
    snprintf(late, sizeof(late), "%lld", (long long)store_revision(f.store) + 5);
    static const char *const forbidden =
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: ";
    const struct {
        const char *rv;
        enum rv_match match;
        int64_t limit;
        const char *names; /* NULL: an error */
        int64_t size;      /* of a's spec */
        int64_t code;
        const char *message;
    } cases[] = {
        {"", RV_MATCH_UNSET, 0, "a,b", 2, 0, NULL},
        {"0", RV_MATCH_UNSET, 0, "a,b", 2, 0, NULL},
        {rv, RV_MATCH_UNSET, 0, "a,b", 2, 0, NULL},
        {rv, RV_MATCH_NOT_OLDER, 0, "a,b", 2, 0, NULL},
        {rv, RV_MATCH_EXACT, 0, "a", 1, 0, NULL},
        {rv, RV_MATCH_UNSET, 5, "a", 1, 0, NULL},
        {late, RV_MATCH_UNSET, 0, NULL, 0, 504, NULL},
        {late, RV_MATCH_EXACT, 0, NULL, 0, 504, NULL},
        {"", RV_MATCH_EXACT, 0, NULL, 0, 422,
         "resourceVersionMatch is forbidden unless resourceVersion is provided"},
        {"", RV_MATCH_NOT_OLDER, 0, NULL, 0, 422,
         "resourceVersionMatch is forbidden unless resourceVersion is provided"},
        {"0", RV_MATCH_EXACT, 0, NULL, 0, 422,
         "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""},
        {"abc", RV_MATCH_UNSET, 0, NULL, 0, 400, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct op *op = list_op(widgets, "ns");
        op->list.resource_version = str_from(cases[i].rv);
        op->list.match = cases[i].match;
        op->list.limit = cases[i].limit;
        yyjson_mut_val *l = read_all(op);
        if (cases[i].names) {
            assert_string_equal(names(l), cases[i].names);
            yyjson_mut_val *item = yyjson_mut_arr_get_first(json_get(l, "items"));
            assert_int_equal(json_get_int(json_get(item, "spec"), "size", 0), cases[i].size);
            continue;
        }
        assert_int_equal(json_get_int(l, "code", 0), cases[i].code);
        if (cases[i].message) {
            char text[256];
            snprintf(text, sizeof(text), "%s%s", forbidden, cases[i].message);
            assert_str(json_get_str(l, "message"), text);
        }
    }
}

static void test_bad_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *token, *json, *message;
    } cases[] = {
        {"!!", NULL,
         "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"},
        {"abc", NULL,
         "invalid continue token: continue key is not valid: invalid character 'i' looking for "
         "beginning of value"},
        {NULL, "{\"v\":\"meta.k8s.io/v2\",\"rv\":1,\"start\":\"a\"}", NULL},
        {NULL, "{\"v\":\"meta.k8s.io/v1\",\"rv\":0,\"start\":\"a\"}",
         "invalid continue token: continue key is not valid: incorrect encoded start "
         "resourceVersion (version meta.k8s.io/v1)"},
        {NULL, "{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"\"}",
         "invalid continue token: continue key is not valid: encoded start key empty (version "
         "meta.k8s.io/v1)"},
        {NULL, "{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"../x\"}",
         "invalid continue token: continue key is not valid: ../x"},
        {NULL, "{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"a//b\"}",
         "invalid continue token: continue key is not valid: a//b"},
        {NULL, "[]", NULL},
        {NULL, "\"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf b = {0};
        if (cases[i].json) {
            crypto_base64url(&b, str_from(cases[i].json));
        }
        struct op *op = list_op(notes, "ns");
        op->list.continue_token =
            cases[i].token ? str_from(cases[i].token) : arena_str(&op->arena, buf_str(&b));
        expect_status(read_all(op), 400, "BadRequest", cases[i].message);
        buf_finish(&b);
    }
    struct op *op = list_op(notes, "ns");
    AUTO(buf_finish) struct buf good = {0};
    crypto_base64url(&good, STR("{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"a\"}"));
    op->list.continue_token = arena_str(&op->arena, buf_str(&good));
    op->list.resource_version = STR("5");
    expect_status(read_all(op), 400, "BadRequest",
                  "specifying resource version is not allowed when using continue");
    op = list_op(notes, "ns");
    op->list.continue_token = STR("abc");
    op->list.match = RV_MATCH_EXACT;
    expect_status(
        read_all(op), 422, "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: "
        "resourceVersionMatch is forbidden unless "
        "resourceVersion is provided, resourceVersionMatch: Forbidden: resourceVersionMatch is "
        "forbidden when continue is "
        "provided]");
}

/* The token for the rest at any revision: the remainder as it is now, in pages that agree with each
 * other again. */
static void check_inconsistent(struct str token)
{
    assert_true(token.len > 0);
    make(notes, "ns", "d", "}");
    struct op *op = list_op(notes, "ns");
    op->list.continue_token = token;
    op->list.limit = 1;
    yyjson_mut_val *page = read_all(op);
    assert_string_equal(names(page), "b");
    assert_int_equal(rv_of(page), store_revision(f.store));
    assert_int_equal(json_get_int(json_get(page, "metadata"), "remainingItemCount", 0), 2);
    int64_t rev = rv_of(page);
    make(notes, "ns", "e", "}");
    op = list_op(notes, "ns");
    op->list.continue_token = text_at(page, "metadata", "continue");
    page = read_all(op);
    assert_string_equal(names(page), "c,d");
    assert_int_equal(rv_of(page), rev);
}

static void test_expired(void **state)
{
    (void)state;
    make(notes, "ns", "a", "}");
    make(notes, "ns", "b", "}");
    struct op *op = list_op(notes, "ns");
    op->list.limit = 1;
    yyjson_mut_val *page = read_all(op);
    struct str token = text_at(page, "metadata", "continue");
    make(notes, "ns", "c", "}");
    assert_int_equal(store_compact(f.store, store_revision(f.store), NULL), 0);
    op = list_op(notes, "ns");
    op->list.continue_token = arena_str(&op->arena, token);
    yyjson_mut_val *refusal = read_all(op);
    expect_status(
        refusal, 410, "Expired",
        "The provided continue parameter is too old to display a consistent list result. You "
        "can start a new list without the continue parameter, or use the continue token in "
        "this response to retrieve the remainder of the results. Continuing with the provided "
        "token results in an inconsistent list - objects that were created, modified, or "
        "deleted between the time the first chunk was returned and now may show up in the "
        "list.");
    check_inconsistent(text_at(refusal, "metadata", "continue"));
    op = list_op(notes, "ns");
    op->list.resource_version = STR("2");
    op->list.match = RV_MATCH_EXACT;
    expect_status(read_all(op), 410, "Expired",
                  "The resourceVersion for the provided list is too old.");
}

/* A list in many pieces stays at its revision whatever happens meanwhile, compaction included. */
static void test_pieces(void **state)
{
    (void)state;
    char name[24];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        make(widgets, i % 2 ? "ns" : "ns2", name,
             "},'spec':{'size':1,'note':'some words to fill it'}");
    }
    struct op *op = list_op(widgets, "");
    struct list *l = NULL;
    struct buf b = {0};
    assert_int_equal(list_open(f.engine, op, &as_object, &l, NULL), 0);
    bool done = false;
    int pieces = 0;
    int64_t rev = store_revision(f.store);
    while (!done) {
        assert_int_equal(list_next(l, &b, 2000, &done, NULL), 0);
        snprintf(name, sizeof(name), "x%03d", pieces++);
        make(widgets, "ns", name, "}");
        store_compact(f.store, store_revision(f.store), NULL);
    }
    list_close(l);
    op_unref(op);
    assert_true(pieces > 10);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&a, buf_str(&b), &d, NULL, NULL), 0);
    buf_finish(&b);
    yyjson_mut_val *list = yyjson_mut_doc_get_root(d);
    assert_int_equal(yyjson_mut_arr_size(json_get(list, "items")), 200);
    assert_int_equal(rv_of(list), rev);
}

/* A selector that matches little keeps no thread busy: a piece looks at a megabyte and pauses. */
static void test_long_search(void **state)
{
    (void)state;
    char name[24], words[8001];
    memset(words, 'w', 8000);
    words[8000] = 0;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        yyjson_mut_doc *d = json_doc(&a);
        yyjson_mut_val *o = yyjson_mut_obj(d);
        json_set_str(d, json_ensure_obj(d, o, "metadata"), "name", str_from(name));
        json_set_str(d, json_ensure_obj(d, o, "data"), "k", str_from(words));
        assert_int_equal(engine_ensure(f.engine, notes, (struct scope){.ns = STR("ns")}, o, NULL),
                         0);
    }
    make(notes, "ns", "z", ",'labels':{'on':'1'}}");
    for (int limited = 0; limited < 2; limited++) {
        struct op *op = list_op(notes, "ns");
        select_labels(op, "on");
        op->list.limit = limited;
        int pieces = 0;
        yyjson_mut_val *l = read_in(op, &as_object, 256 * 1024, &pieces);
        assert_string_equal(names(l), "z");
        assert_int_equal(pieces, 3); /* 2.4 MB are gone through for it */
    }
}

static void test_representations(void **state)
{
    (void)state;
    make(widgets, "ns", "a", ",'annotations':{'n':'1'}},'spec':{'size':1}");
    make(widgets, "ns", "b", "}");
    yyjson_mut_val *l = read_in(list_op(widgets, "ns"),
                                &(struct representation){.as = REPRESENT_PARTIAL}, 1 << 20, NULL);
    assert_str(json_get_str(l, "kind"), "PartialObjectMetadataList");
    yyjson_mut_val *item = yyjson_mut_arr_get_first(json_get(l, "items"));
    assert_str(json_get_str(item, "kind"), "PartialObjectMetadata");
    assert_null(json_get(item, "spec"));
    l = read_in(list_op(widgets, "ns"), &(struct representation){.as = REPRESENT_TABLE}, 1 << 20,
                NULL);
    assert_str(json_get_str(l, "kind"), "Table");
    assert_int_equal(yyjson_mut_arr_size(json_get(l, "rows")), 2);
    assert_str(json_str(yyjson_mut_arr_get_first(
                   json_get(yyjson_mut_arr_get_first(json_get(l, "rows")), "cells"))),
               "a");
    assert_true(yyjson_mut_arr_size(json_get(l, "columnDefinitions")) > 1);
    struct op *op = list_op(widgets, "ns");
    op_set_type(op, widgets, type_served(widgets, STR("v1beta1")));
    l = read_all(op);
    assert_str(json_get_str(l, "apiVersion"), "example.com/v1beta1");
    assert_str(json_get_str(yyjson_mut_arr_get_first(json_get(l, "items")), "apiVersion"),
               "example.com/v1beta1");
}

/* Objects stored under an older shape are shown in the present one. */
static void test_older_shape(void **state)
{
    (void)state;
    make(widgets, "ns", "a", "},'spec':{'size':1,'note':'x'}");
    AUTO_FREE char *crd = alloc_strdup(WIDGET_CRD);
    char *note = strstr(crd, "'note':{'type':'string'}");
    struct buf b = {0};
    buf_add(&b, str_make(crd, (size_t)(note - crd)));
    buf_addz(&b, "'mark':{'type':'string','default':'m'}");
    buf_addz(&b, note + strlen("'note':{'type':'string'}"));
    buf_addc(&b, 0);
    struct type *newer = fixture_add_type(&f, b.ptr, NULL);
    buf_finish(&b);
    yyjson_mut_val *item =
        yyjson_mut_arr_get_first(json_get(read_all(list_op(newer, "ns")), "items"));
    assert_str(text_at(item, "spec", "mark"), "m");
    assert_null(json_path(item, "spec", "note", NULL));
    yyjson_mut_val *got = fixture_do(&f, &a, VERB_GET, newer, "ns", "a", NULL, NULL);
    assert_true(json_equal(item, got));
}

struct seen {
    size_t n;
    struct buf names;
};

static int see(void *arg, struct str ns, struct str name, const struct stored *s)
{
    struct seen *v = arg;
    assert_true(s->value.len > 0);
    buf_printf(&v->names, "%.*s/%.*s ", STR_FMT(ns), STR_FMT(name));
    v->n++;
    return v->n == 3 ? ERR_CLOSED : 0;
}

static void test_visit(void **state)
{
    (void)state;
    make(widgets, "ns", "a", "}");
    make(widgets, "ns2", "b", "}");
    struct seen v = {0};
    struct op *op = list_op(widgets, "");
    int64_t rev = 0;
    assert_int_equal(list_visit(f.engine, op, see, &v, &rev, NULL), 0);
    assert_int_equal(rev, store_revision(f.store));
    buf_addc(&v.names, 0);
    assert_string_equal(v.names.ptr, "ns/a ns2/b ");
    make(widgets, "ns2", "c", "}");
    make(widgets, "ns2", "d", "}");
    v.n = 0;
    assert_int_equal(list_visit(f.engine, op, see, &v, &rev, NULL), ERR_CLOSED);
    buf_finish(&v.names);
    op_unref(op);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_order),       TEST(test_builtin_items),
        TEST(test_pages),       TEST(test_page_ends_exactly),
        TEST(test_left),        TEST(test_selected_pages),
        TEST(test_selectors),   TEST(test_versions),
        TEST(test_bad_tokens),  TEST(test_expired),
        TEST(test_pieces),      TEST(test_representations),
        TEST(test_older_shape), TEST(test_visit),
        TEST(test_long_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
