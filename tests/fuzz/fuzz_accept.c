/* SPDX-License-Identifier: Apache-2.0 */
/* Accept NUL Content-Type NUL Accept-Encoding NUL User-Agent: what is chosen is what was asked for.
 */
#include "apiserver/clauses.h"
#include "apiserver/compress.h"
#include "apiserver/negotiate.h"
#include "tests/fuzz/fuzz.h"

static void check_clauses(struct fuzz *f, struct str accept)
{
    struct clause *list;
    size_t n = clauses_parse(&f->arena, accept, &list);
    FUZZ_CHECK(n <= 100);
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(list[i].type.len && list[i].subtype.len && list[i].q > 0 && list[i].q <= 1);
        FUZZ_CHECK(i == 0 || list[i - 1].q >= list[i].q);
    }
}

static bool is_answer_type(struct str type)
{
    return str_is(type, JSON_TYPE) || str_is(type, YAML_TYPE) || str_is(type, PROTOBUF_TYPE) ||
           str_is(type, CBOR_TYPE);
}

static void check_answer(struct call *c, bool builtin, enum negotiate_for what)
{
    AUTO(err_finish) struct err err = {0};
    struct representation r = {0};
    c->accept = (struct accept){0};
    int code = negotiate_answer(c, builtin, what, &r, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return;
    }
    bool yaml = str_is(c->accept.type, YAML_TYPE);
    FUZZ_CHECK(is_answer_type(c->accept.type));
    FUZZ_CHECK(!yaml || what != NEGOTIATE_WATCH);
    FUZZ_CHECK(r.encoding == media_encoding(c->accept.type));
    FUZZ_CHECK(r.encoding == ENCODING_JSON || r.as != REPRESENT_TABLE);
    FUZZ_CHECK(r.as == REPRESENT_TABLE || r.include == INCLUDE_METADATA);
}

static void check_bodies(struct call *c)
{
    AUTO(err_finish) struct err err = {0};
    enum media media;
    enum patch_type patch = PATCH_NONE;
    int code = negotiate_body(c, &media, &err);
    FUZZ_CHECK(code == 0 || code == ERR_MEDIA_TYPE);
    err_finish(&err);
    for (int builtin = 0; builtin < 2; builtin++) {
        code = negotiate_patch(c, builtin, &patch, &err);
        FUZZ_CHECK(code == 0 ? patch != PATCH_NONE && (builtin || patch != PATCH_STRATEGIC)
                             : code == ERR_MEDIA_TYPE);
        err_finish(&err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str rest = f.text;
    struct http_header headers[] = {{STR("accept"), fuzz_part(&rest)},
                                    {STR("content-type"), fuzz_part(&rest)},
                                    {STR("accept-encoding"), fuzz_part(&rest)},
                                    {STR("user-agent"), fuzz_part(&rest)}};
    struct http_request http = {.headers = headers, .n_headers = 4};
    struct op_param include = {STR("includeObject"), rest};
    struct call c = {.http = &http, .params = &include, .n_params = 1};
    arena_init(&c.arena, 0);
    check_clauses(&f, headers[0].value);
    for (int what = NEGOTIATE_OBJECT; what <= NEGOTIATE_WATCH; what++) {
        check_answer(&c, false, (enum negotiate_for)what);
        check_answer(&c, true, (enum negotiate_for)what);
    }
    FUZZ_CHECK(is_answer_type(negotiate_error_type(&c)));
    check_bodies(&c);
    FUZZ_CHECK(!compress_accepts(headers[2].value) || headers[2].value.len);
    FUZZ_CHECK(negotiate_pretty(&c) == negotiate_pretty(&c));
    arena_finish(&c.arena);
    return fuzz_end(&f, data, size);
}
