/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: the examples of RFC 8949 (appendix A) that the profile has, what it refuses and in which
 * words, and values there and back. Bytes are written in hexadecimal. */
#include "base/cbor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"

static struct str bytes_of(struct arena *a, const char *hex)
{
    char *out = arena_alloc(a, strlen(hex) / 2 + 1);
    size_t n = 0;
    for (unsigned byte; *hex; hex += *hex == ' ' ? 1 : 2) {
        if (*hex != ' ') {
            assert_int_equal(sscanf(hex, "%2x", &byte), 1);
            out[n++] = (char)byte;
        }
    }
    return str_make(out, n);
}

static void reads(const char *hex, const char *json)
{
    struct arena a;
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf text = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    if (cbor_read(&a, bytes_of(&a, hex), &d, &err) < 0) {
        fail_msg("%s: %s", hex, err_message(&err));
    }
    json_write(&text, yyjson_mut_doc_get_root(d));
    buf_addc(&text, 0);
    assert_string_equal(text.ptr, json);
    arena_finish(&a);
}

static void refuses(const char *hex, int code, const char *message)
{
    struct arena a;
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    int r = cbor_read(&a, bytes_of(&a, hex), &d, &err);
    if (r != code) {
        fail_msg("%s: %d, not %d", hex, r, code);
    }
    assert_string_equal(err_message(&err), message);
    assert_null(d);
    arena_finish(&a);
}

static void writes(const char *json, const char *hex)
{
    struct arena a;
    AUTO(buf_finish) struct buf b = {0}, text = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    assert_int_equal(json_read(&a, arena_str(&a, str_from(json)), &d, NULL, NULL), 0);
    cbor_write(&b, yyjson_mut_doc_get_root(d));
    crypto_hex(&text, (const unsigned char *)b.ptr, b.len);
    buf_addc(&text, 0);
    assert_string_equal(text.ptr, hex);
    arena_finish(&a);
    reads(hex, json);
}

static void test_read(void **state)
{
    static const struct {
        const char *hex, *json;
    } rows[] = {
        {"00", "0"},
        {"17", "23"},
        {"1818", "24"},
        {"1903e8", "1000"},
        {"1b000000e8d4a51000", "1000000000000"},
        {"1b7fffffffffffffff", "9223372036854775807"},
        {"20", "-1"},
        {"3903e7", "-1000"},
        {"3b7fffffffffffffff", "-9223372036854775808"},
        {"f93c00", "1"},
        {"f90000", "0"},
        {"fb3ff199999999999a", "1.1"},
        {"f97bff", "65504"},
        {"fa47c35000", "100000"},
        {"fb7e37e43c8800759c", "1e+300"},
        {"f90001", "5.960464477539063e-8"},
        {"f9c400", "-4"},
        {"f4", "false"},
        {"f5", "true"},
        {"f6", "null"},
        {"40", "\"\""},
        {"43666f6f", "\"foo\""},
        {"62c3bc", "\"\xc3\xbc\""},
        {"80", "[]"},
        {"83010203", "[1,2,3]"},
        {"a201020304", NULL},
        {"a2616101416282 0203", "{\"a\":1,\"b\":[2,3]}"},
        {"5f42666f416fff", "\"foo\""},
        {"7f62c3bc6161ff", "\"\xc3\xbc"
                           "a\""},
        {"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
        {"bf6346756ef563416d7421ff", "{\"Fun\":true,\"Amt\":-2}"},
        {"d9d9f7a0", "{}"},
        {"d9d9f7d9d9f7a0", "{}"},
        {"c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""},
        {"c11a514b67b0", "\"2013-03-21T20:04:00Z\""},
        {"c1fb41d452d9ec200000", "\"2013-03-21T20:04:00.500000Z\""},
        {"d543fbff00", "\"-_8A\""},
        {"d643000102", "\"AAEC\""},
        {"d74301abff", "\"01abff\""},
        {"d682410041 61", "[\"AA==\",\"YQ==\"]"},
        {"d681d741ff", "[\"ff\"]"},
        {"d6a141014102", "{\"\\u0001\":\"Ag==\"}"}, /* keys are text */
        {"d818412a", "\"*\""},                      /* a tag without a meaning here */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].json) {
            reads(rows[i].hex, rows[i].json);
        } else {
            refuses(rows[i].hex, ERR_INVALID,
                    "cbor: cannot unmarshal a map key that is no string into Go value of type "
                    "string");
        }
    }
}

#define PROTOCOL " is not accepted by protocol: "

static void test_refused(void **state)
{
    static const struct {
        const char *hex;
        int code;
        const char *message;
    } rows[] = {
        {"", ERR_BAD_REQUEST, "EOF"},
        {"18", ERR_BAD_REQUEST, "unexpected EOF"},
        {"a1", ERR_BAD_REQUEST, "unexpected EOF"},
        {"436161", ERR_BAD_REQUEST, "unexpected EOF"},
        {"9f01", ERR_BAD_REQUEST, "unexpected EOF"},
        {"5bffffffffffffffff", ERR_BAD_REQUEST, "unexpected EOF"},
        {"9bffffffffffffffff", ERR_BAD_REQUEST, "unexpected EOF"},
        {"bbffffffffffffffff4101", ERR_BAD_REQUEST, "unexpected EOF"},
        {"ff", ERR_BAD_REQUEST, "cbor: unexpected \"break\" code"},
        {"81ff", ERR_BAD_REQUEST, "cbor: unexpected \"break\" code"},
        {"bf4161ff", ERR_BAD_REQUEST, "cbor: unexpected \"break\" code"},
        {"1c", ERR_BAD_REQUEST,
         "cbor: invalid additional information 28 for type positive integer"},
        {"1f", ERR_BAD_REQUEST,
         "cbor: invalid additional information 31 for type positive integer"},
        {"df", ERR_BAD_REQUEST, "cbor: invalid additional information 31 for type tag"},
        {"f818", ERR_BAD_REQUEST, "cbor: invalid simple value 24 for type primitives"},
        {"f7", ERR_INVALID,
         "cbor: data item of cbor type primitives" PROTOCOL "simple value 23 is not recognized"},
        {"f8ff", ERR_INVALID,
         "cbor: data item of cbor type primitives" PROTOCOL "simple value 255 is not recognized"},
        {"f97e00", ERR_BAD_REQUEST,
         "cbor: data item of cbor type primitives" PROTOCOL "floating-point NaN"},
        {"fbfff0000000000000", ERR_BAD_REQUEST,
         "cbor: data item of cbor type primitives" PROTOCOL "floating-point infinity"},
        {"c249010000000000000000", ERR_BAD_REQUEST,
         "cbor: data item of cbor type tag" PROTOCOL "bignum"},
        {"1bffffffffffffffff", ERR_INVALID,
         "cbor: cannot unmarshal positive integer into Go value of type int64 "
         "(18446744073709551615 overflows Go's int64)"},
        {"3b8000000000000000", ERR_INVALID,
         "cbor: cannot unmarshal negative integer into Go value of type int64 "
         "(-9223372036854775809 overflows Go's int64)"},
        {"61ff", ERR_INVALID, "cbor: invalid UTF-8 string"},
        {"41ff", ERR_INVALID, "cbor: invalid UTF-8 string"},
        {"7f61c361bcff", ERR_INVALID, "cbor: invalid UTF-8 string"},
        {"5f6161ff", ERR_BAD_REQUEST,
         "cbor: wrong element type UTF-8 text string for indefinite-length byte string"},
        {"5f5fffff", ERR_BAD_REQUEST,
         "cbor: indefinite-length byte string chunk is not definite-length"},
        {"a0a0", ERR_BAD_REQUEST, "cbor: 1 bytes of extraneous data starting at index 1"},
        {"d9d9f7a000", ERR_BAD_REQUEST, "cbor: 1 bytes of extraneous data starting at index 4"},
        {"a2416101616102", ERR_BAD_REQUEST,
         "cbor: found duplicate map key \"a\" at map element index 1"},
        {"a14161a2412201412202", ERR_INVALID,
         "cbor: found duplicate map key \"\\\"\" at map element index 1"},
        {"a9 416100 416200 416300 416400 416500 416600 416700 416800 416300", ERR_BAD_REQUEST,
         "cbor: found duplicate map key \"c\" at map element index 8"},
        {"c06161", ERR_INVALID, "cbor: tag number 0 must be followed by a time as text"},
        {"c0f6", ERR_INVALID, "cbor: tag number 0 must be followed by a time as text"},
        {"c1fb7e37e43c8800759c", ERR_INVALID,
         "cbor: tag number 1 must be followed by a time in seconds"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        refuses(rows[i].hex, rows[i].code, rows[i].message);
    }
}

static void test_write(void **state)
{
    (void)state;
    writes("{}", "a0");
    writes("{\"b\":[1,-1,255,65536,4294967296],\"a\":{\"\":null}}",
           "a2416285012018ff1a000100001b00000001000000004161a140f6");
    writes("[true,false,\"\xc3\xbc\"]", "83f5f442c3bc");
    writes("1.5", "f93e00");
    writes("-0.1", "fbbfb999999999999a");
    writes("0.10000000149011612", "fa3dcccccd");
    writes("0.00006103515625", "f90400");
    writes("5.960464477539063e-8", "f90001");
    writes("-3.5762786865234375e-7", "f98006");
    writes("2.9802322387695312e-8", "fa33000000"); /* half of the least half */
    writes("100000.5", "fa47c35040");
    writes("9223372036854775807", "1b7fffffffffffffff");
    writes("-9223372036854775808", "3b7fffffffffffffff");
}

static void nested(unsigned n, const char *open, const char *close, int want)
{
    struct arena a;
    AUTO(buf_finish) struct buf b = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    for (unsigned i = 0; i < n; i++) {
        buf_add(&b, bytes_of(&a, open));
    }
    buf_addc(&b, (char)0xf6);
    for (unsigned i = 0; i < n; i++) {
        buf_add(&b, bytes_of(&a, close));
    }
    assert_int_equal(cbor_read(&a, buf_str(&b), &d, NULL), want);
    arena_finish(&a);
}

static void test_depth(void **state)
{
    static const char *const opens[] = {"81", "9f", "a141 61", "bf4161", "d818"};
    static const char *const closes[] = {"", "ff", "", "ff", ""};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        nested(LIMIT_DEPTH, opens[i], closes[i], 0);
        nested(LIMIT_DEPTH + 1, opens[i], closes[i], ERR_BAD_REQUEST);
        nested(1000000, opens[i], closes[i], ERR_BAD_REQUEST);
    }
}

static void test_pieces(void **state)
{
    AUTO(buf_finish) struct buf b = {0}, hex = {0};
    (void)state;
    buf_add(&b, CBOR_SELF_DESCRIBED);
    cbor_put_map(&b, 1);
    cbor_put_text(&b, STR("items"));
    cbor_put_list(&b);
    cbor_put_text(&b, STR("x"));
    cbor_put_end(&b);
    crypto_hex(&hex, (const unsigned char *)b.ptr, b.len);
    buf_addc(&hex, 0);
    reads(hex.ptr, "{\"items\":[\"x\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),  cmocka_unit_test(test_refused), cmocka_unit_test(test_write),
        cmocka_unit_test(test_depth), cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
