/* SPDX-License-Identifier: Apache-2.0 */
/* Options of operations: what queries and DeleteOptions bodies set, and how the reference words
 * what is wrong with them. */
#include "apiserver/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "apiserver/route.h"

struct fake {
    struct http_header headers[1];
    struct http_request http;
    struct call call;
    struct op *op;
    struct err err;
};

static void begin(struct fake *f, const char *query)
{
    *f = (struct fake){0};
    f->headers[0] = (struct http_header){STR("user-agent"), STR("kubectl/v1.35 (linux)")};
    f->http.headers = f->headers;
    f->http.n_headers = 1;
    f->call.http = &f->http;
    arena_init(&f->call.arena, 0);
    assert_int_equal(
        query_parse(&f->call.arena, str_from(query), &f->call.params, &f->call.n_params, NULL), 0);
    f->op = op_create(NULL);
}

static void finish(struct fake *f)
{
    err_finish(&f->err);
    op_unref(f->op);
    arena_finish(&f->call.arena);
}

static void write_options(void **state)
{
    struct fake f;
    (void)state;
    begin(&f, "");
    f.op->verb = VERB_CREATE;
    assert_int_equal(options_write(&f.call, f.op, &f.err), 0);
    assert_true(str_is(f.op->manager, "kubectl"));
    assert_null(f.op->field_manager.ptr);
    assert_int_equal(f.op->validation, FIELD_VALIDATION_WARN);
    assert_false(f.op->dry_run);
    finish(&f);
    begin(&f, "dryRun=All&fieldManager=me&fieldValidation=Strict");
    f.op->verb = VERB_UPDATE;
    assert_int_equal(options_write(&f.call, f.op, &f.err), 0);
    assert_true(str_is(f.op->manager, "me"));
    assert_true(str_is(f.op->field_manager, "me"));
    assert_int_equal(f.op->validation, FIELD_VALIDATION_STRICT);
    assert_true(f.op->dry_run);
    finish(&f);
    begin(&f, "force=1&fieldManager=m");
    f.op->verb = VERB_PATCH;
    f.op->patch = PATCH_APPLY;
    assert_int_equal(options_write(&f.call, f.op, &f.err), 0);
    assert_true(f.op->force);
    finish(&f);
}

struct bad {
    const char *query;
    enum verb verb;
    enum patch_type patch;
    const char *message;
};

static void bad_write_options(void **state)
{
    static const struct bad rows[] = {
        {"dryRun=Some", VERB_CREATE, PATCH_NONE,
         "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: "
         "supported values: \"All\""},
        {"dryRun=", VERB_CREATE, PATCH_NONE,
         "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"\"]: supported "
         "values: \"All\""},
        {"dryRun=All&dryRun=x", VERB_UPDATE, PATCH_NONE,
         "UpdateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"All\",\"x\"]: "
         "supported values: "
         "\"All\""},
        {"fieldValidation=Maybe", VERB_CREATE, PATCH_NONE,
         "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: "
         "\"Maybe\": supported values: "
         "\"\", \"Ignore\", \"Strict\", \"Warn\""},
        {"force=true", VERB_PATCH, PATCH_MERGE,
         "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for "
         "non-apply patch"},
        {"force=true", VERB_PATCH, PATCH_APPLY,
         "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
         "apply patch"},
        {"fieldManager=a%0Ab", VERB_UPDATE, PATCH_NONE,
         "UpdateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\nb\": "
         "invalid character U+000A "
         "(at position 1)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake f;
        begin(&f, rows[i].query);
        f.op->verb = rows[i].verb;
        f.op->patch = rows[i].patch;
        assert_int_equal(options_write(&f.call, f.op, &f.err), ERR_INVALID);
        assert_string_equal(f.err.message, rows[i].message);
        finish(&f);
    }
    struct buf b = {0};
    struct fake f;
    buf_addz(&b, "fieldManager=");
    for (int i = 0; i < 129; i++) {
        buf_addc(&b, 'm');
    }
    buf_addc(&b, 0);
    begin(&f, b.ptr);
    assert_int_equal(options_write(&f.call, f.op, &f.err), ERR_INVALID);
    assert_non_null(strstr(f.err.message, "Too long: may not be more than 128 bytes"));
    finish(&f);
    buf_finish(&b);
}

static void list_options(void **state)
{
    struct fake f;
    (void)state;
    begin(&f, "limit=5&continue=tok&resourceVersion=7&timeoutSeconds=30&allowWatchBookmarks=1&"
              "labelSelector=a%3Db");
    assert_int_equal(options_list(&f.call, f.op, false, STR(""), &f.err), 0);
    assert_int_equal(f.op->list.limit, 5);
    assert_true(str_is(f.op->list.continue_token, "tok"));
    assert_true(str_is(f.op->list.resource_version, "7"));
    assert_int_equal(f.op->list.timeout_s, 30);
    assert_true(f.op->list.bookmarks);
    assert_non_null(f.op->list.labels);
    finish(&f);
    begin(&f, "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
              "allowWatchBookmarks=true");
    assert_int_equal(options_list(&f.call, f.op, true, STR(""), &f.err), 0);
    assert_true(f.op->list.send_initial_events && f.op->list.send_initial_events_given);
    assert_int_equal(f.op->list.match, RV_MATCH_NOT_OLDER);
    finish(&f);
    begin(&f, "resourceVersion=3&resourceVersionMatch=Exact");
    assert_int_equal(options_list(&f.call, f.op, false, STR(""), &f.err), 0);
    assert_int_equal(f.op->list.match, RV_MATCH_EXACT);
    finish(&f);
}

static void bad_list_options(void **state)
{
    static const struct {
        const char *query;
        bool watch;
        int code;
        const char *message;
    } rows[] = {
        {"limit=abc", false, ERR_BAD_REQUEST, "strconv.ParseInt: parsing \"abc\": invalid syntax"},
        {"limit=", false, ERR_BAD_REQUEST, "strconv.ParseInt: parsing \"\": invalid syntax"},
        {"limit=99999999999999999999", false, ERR_BAD_REQUEST,
         "strconv.ParseInt: parsing \"99999999999999999999\": invalid syntax"},
        {"timeoutSeconds=1s", true, ERR_BAD_REQUEST,
         "strconv.ParseInt: parsing \"1s\": invalid syntax"},
        {"labelSelector=a%20in", false, ERR_BAD_REQUEST,
         "unable to parse requirement: found '' expected: '('"},
        {"resourceVersionMatch=Exact", false, ERR_INVALID,
         "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "resourceVersionMatch is forbidden "
         "unless resourceVersion is provided"},
        {"resourceVersion=0&resourceVersionMatch=Exact", false, ERR_INVALID,
         "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "resourceVersionMatch \"exact\" is "
         "forbidden for resourceVersion \"0\""},
        {"resourceVersion=5&resourceVersionMatch=Nope", false, ERR_INVALID,
         "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: "
         "\"Nope\": supported values: "
         "\"Exact\", \"NotOlderThan\", \"\""},
        {"sendInitialEvents=false", false, ERR_INVALID,
         "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents "
         "is forbidden for "
         "list"},
        {"watch=1&sendInitialEvents=true", true, ERR_INVALID,
         "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "sendInitialEvents requires setting "
         "resourceVersionMatch to NotOlderThan"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake f;
        begin(&f, rows[i].query);
        assert_int_equal(options_list(&f.call, f.op, rows[i].watch, STR(""), &f.err), rows[i].code);
        assert_string_equal(f.err.message, rows[i].message);
        finish(&f);
    }
}

static int delete_with(struct fake *f, const char *query, const char *body, bool *accepted)
{
    yyjson_mut_doc *doc = NULL;
    begin(f, query);
    if (body) {
        assert_int_equal(json_read(&f->op->arena, str_from(body), &doc, NULL, NULL), 0);
    }
    return options_delete(&f->call, f->op, doc ? yyjson_mut_doc_get_root(doc) : NULL, accepted,
                          &f->err);
}

static void delete_options(void **state)
{
    struct fake f;
    bool accepted = true;
    (void)state;
    assert_int_equal(delete_with(&f, "", NULL, &accepted), 0);
    assert_int_equal(f.op->del.propagation, PROPAGATION_DEFAULT);
    assert_int_equal(f.op->del.grace, -1);
    assert_false(accepted);
    finish(&f);
    assert_int_equal(delete_with(&f, "gracePeriodSeconds=0&propagationPolicy=Background&dryRun=All",
                                 NULL, &accepted),
                     0);
    assert_int_equal(f.op->del.propagation, PROPAGATION_BACKGROUND);
    assert_int_equal(f.op->del.grace, 0);
    assert_true(f.op->dry_run);
    finish(&f);
    assert_int_equal(
        delete_with(
            &f, "propagationPolicy=Orphan",
            "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"u\","
            "\"resourceVersion\":\"9\"},\"propagationPolicy\":\"Foreground\","
            "\"gracePeriodSeconds\":-5}",
            &accepted),
        0);
    assert_int_equal(f.op->del.propagation, PROPAGATION_FOREGROUND); /* the body, not the query */
    assert_true(str_is(f.op->del.uid, "u"));
    assert_true(str_is(f.op->del.resource_version, "9"));
    assert_int_equal(f.op->del.grace, -5);
    finish(&f);
    assert_int_equal(delete_with(&f, "", "{\"orphanDependents\":false}", &accepted), 0);
    assert_int_equal(f.op->del.propagation, PROPAGATION_BACKGROUND);
    assert_true(accepted);
    finish(&f);
    assert_int_equal(delete_with(&f, "orphanDependents=true", NULL, &accepted), 0);
    assert_int_equal(f.op->del.propagation, PROPAGATION_ORPHAN);
    finish(&f);
}

static void bad_delete_options(void **state)
{
    static const struct {
        const char *query, *body;
        int code;
        const char *message;
    } rows[] = {
        {"", "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"}", ERR_BAD_REQUEST,
         "no kind \"ConfigMap\" is registered for version \"v1\" in scheme "
         "\"pkg/runtime/scheme.go:111\""},
        {"", "{\"gracePeriodSeconds\":\"x\"}", ERR_BAD_REQUEST,
         "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of "
         "type int64"},
        {"", "{\"preconditions\":{\"uid\":1}}", ERR_BAD_REQUEST,
         "json: cannot unmarshal number into Go struct field DeleteOptions.preconditions.uid of "
         "type types.UID"},
        {"", "{\"propagationPolicy\":\"Now\"}", ERR_INVALID,
         "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: "
         "\"Now\": supported values: "
         "\"Foreground\", \"Background\", \"Orphan\", \"nil\""},
        {"", "{\"propagationPolicy\":\"Orphan\",\"orphanDependents\":true}", ERR_INVALID,
         "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": "
         "orphanDependents and "
         "deletionPropagation cannot be both set"},
        {"gracePeriodSeconds=soon", NULL, ERR_BAD_REQUEST,
         "strconv.ParseInt: parsing \"soon\": invalid syntax"},
        {"", "{\"dryRun\":[\"Some\"]}", ERR_INVALID,
         "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: "
         "supported values: \"All\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake f;
        bool accepted;
        assert_int_equal(delete_with(&f, rows[i].query, rows[i].body, &accepted), rows[i].code);
        assert_string_equal(f.err.message, rows[i].message);
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_options),  cmocka_unit_test(bad_write_options),
        cmocka_unit_test(list_options),   cmocka_unit_test(bad_list_options),
        cmocka_unit_test(delete_options), cmocka_unit_test(bad_delete_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
