/* SPDX-License-Identifier: Apache-2.0 */
/* Documents at fixed paths, with the ways to answer a call faked by what stands here. */
#include "apiserver/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int status, error;
static char text[256], type[64];

void call_answer(struct call *c, int code, struct str content_type, struct buf *body)
{
    (void)c;
    assert_int_equal(status, 0); /* once */
    status = code;
    memcpy(type, content_type.ptr, content_type.len);
    memcpy(text, body->ptr, body->len);
    buf_finish(body);
}

void call_answer_err(struct call *c, struct err *err)
{
    (void)c;
    assert_int_equal(status, 0);
    status = -1;
    error = err->code;
    strncpy(text, err_message(err), sizeof(text) - 1);
    err_finish(err);
}

/* Writes half, then does as it is told. */
static int write_half(void *self, struct buf *body, struct err *err)
{
    const int *code = self;
    buf_addz(body, "half");
    return *code < 0 ? err_set(err, *code, "the other half is gone") : *code;
}

static void ask(const char *method, int code)
{
    struct http_request r = {.method = str_from(method)};
    const struct fixed_document d = {"/half", "text/half", true, write_half, &code};
    struct call c = {.http = &r, .route = {.kind = ROUTE_DOCUMENT, .document = &d}};
    status = error = 0;
    memset(text, 0, sizeof(text));
    memset(type, 0, sizeof(type));
    fixed_serve(&c);
}

static void test_the_status_is_the_document_s(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        int code;
    } cases[] = {{"GET", 200}, {"GET", 503}, {"HEAD", 200}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ask(cases[i].method, cases[i].code);
        assert_int_equal(status, cases[i].code);
        assert_string_equal(type, "text/half");
        assert_string_equal(text, "half");
    }
}

/* What had been written goes. */
static void test_a_failure_is_a_status_object(void **state)
{
    (void)state;
    ask("GET", ERR_NOT_FOUND);
    assert_int_equal(status, -1);
    assert_int_equal(error, ERR_NOT_FOUND);
    assert_string_equal(text, "the other half is gone");
}

static void test_nothing_is_written_to_it(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", ""};
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        ask(methods[i], 200);
        assert_int_equal(status, -1);
        assert_int_equal(error, ERR_METHOD);
        assert_string_equal(text,
                            "the server does not allow this method on the requested resource");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_status_is_the_document_s),
        cmocka_unit_test(test_a_failure_is_a_status_object),
        cmocka_unit_test(test_nothing_is_written_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
