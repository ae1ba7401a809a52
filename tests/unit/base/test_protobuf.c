/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers: tables, every kind of field, and bytes that are no message. Bytes are written
 * in hexadecimal. */
#include "base/protobuf.h"

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
#include "tests/unit/cpu.h"

#define LARGE ((size_t)LIMIT_BODY_BYTES)
#define LARGE_MS 20000 /* with sanitizers on a slow machine; a quadratic walk takes hours */

static const char tables_text[] =
    "{\"All\":{\"s\":\"1 string\",\"b\":\"2 bytes\",\"t\":\"3 bool\",\"i\":\"4 int\",\"d\":\"5 "
    "double\",\"at\":\"6 Time\",\"us\":\"7 MicroTime\",\"q\":\"8 Quantity\",\"is\":\"9 "
    "IntOrString\",\"raw\":\"10 Raw\",\"sub\":\"11 Sub\",\"names\":\"12 list "
    "string\",\"subs\":\"13 "
    "list Sub\",\"map\":\"14 map string\",\"bytes\":\"15 map bytes\",\"lists\":\"16 map "
    "Strings\",\"next\":\"17 All?\",\"kept\":\"18 Kept\",\"more\":\"19 map Sub\",\"ints\":\"20 map "
    "int\",\"shared\":\"21 Shared\"},\"Sub\":{\"name\":\"1 string\",\"n\":\"2 int\"},"
    "\"Kept\":{\"s\":\"1 string?\",\"b\":\"2 bytes?\",\"t\":\"3 bool?\",\"i\":\"4 int?\",\"d\":\"5 "
    "double?\",\"sub\":\"6 Sub?\"}}";

struct world {
    struct arena arena;
    struct protobuf *tables;
};

static yyjson_mut_val *parsed(struct arena *a, const char *text)
{
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    if (json_read(a, arena_str(a, str_from(text)), &d, NULL, &err) < 0) {
        fail_msg("%s: %s", err_message(&err), text);
    }
    return yyjson_mut_doc_get_root(d);
}

static int setup(void **state)
{
    static struct world w;
    struct protobuf *shared = NULL;
    arena_init(&w.arena, 0);
    yyjson_mut_val *common = parsed(&w.arena, "{\"Shared\":{\"x\":\"1 string\"}}");
    assert_int_equal(protobuf_create(&w.arena, common, NULL, &shared, NULL), 0);
    yyjson_mut_val *own = parsed(&w.arena, tables_text);
    assert_int_equal(protobuf_create(&w.arena, own, shared, &w.tables, NULL), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_finish(&w->arena);
    return 0;
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct str bytes_of(struct arena *a, const char *hex)
{
    char *out = arena_alloc(a, strlen(hex) / 2 + 1);
    size_t n = 0;
    for (; *hex; hex++) {
        if (*hex != ' ') {
            out[n++] = (char)(digit(hex[0]) << 4 | digit(hex[1]));
            hex++;
        }
    }
    return str_make(out, n);
}

static int decode(struct world *w, const char *message, struct str bytes, struct arena *a,
                  struct buf *text, struct err *err)
{
    yyjson_mut_val *v = NULL;
    int r = protobuf_decode(w->tables, str_from(message), bytes, a, json_doc(a), &v, err);
    if (r == 0) {
        json_write(text, v);
        buf_addc(text, 0);
    }
    return r;
}

static void gives(struct world *w, const char *message, const char *hex, const char *want)
{
    struct arena a;
    AUTO(buf_finish) struct buf text = {0};
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    if (decode(w, message, bytes_of(&a, hex), &a, &text, &err) < 0) {
        fail_msg("%s: %s", hex, err_message(&err));
    }
    assert_string_equal(text.ptr, want);
    arena_finish(&a);
}

static void refused(struct world *w, const char *hex, const char *message)
{
    struct arena a;
    AUTO(buf_finish) struct buf text = {0};
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    if (decode(w, "All", bytes_of(&a, hex), &a, &text, &err) != ERR_BAD_REQUEST) {
        fail_msg("%s: taken as %s", hex, text.ptr);
    }
    assert_non_null(strstr(err_message(&err), message));
    arena_finish(&a);
}

/* ---- tables ---- */

static void test_tables(void **state)
{
    static const char *const bad[] = {
        "",       "string",         "x string", "0 string", "1", "1 list", "1 string more",
        "1 Nope", "9999999999 int", "-1 int",   "1 ?"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        AUTO(err_finish) struct err err = {0};
        struct protobuf *p = NULL;
        char text[80];
        snprintf(text, sizeof(text), "{\"M\":{\"f\":\"%s\"}}", bad[i]);
        if (protobuf_create(&w->arena, parsed(&w->arena, text), NULL, &p, &err) != ERR_INVALID) {
            fail_msg("taken: %s", text);
        }
        assert_non_null(strstr(err_message(&err), "field f"));
        assert_null(p);
    }
    assert_true(protobuf_has(w->tables, STR("Kept")));
    assert_false(protobuf_has(w->tables, STR("Shared"))); /* `more` has it */
    AUTO(buf_finish) struct buf text = {0};
    assert_int_equal(decode(w, "Nope", STR(""), &w->arena, &text, NULL), ERR_NOT_FOUND);
    gives(w, "Shared", "0a0178", "{\"x\":\"x\"}");
}

/* ---- fields ---- */

static void test_kinds(void **state)
{
    struct world *w = *state;
    gives(w, "All", "", "{}");
    gives(w, "All", "0a0161", "{\"s\":\"a\"}");
    gives(w, "All", "120200ff", "{\"b\":\"AP8=\"}");
    gives(w, "All", "1801 2005", "{\"t\":true,\"i\":5}");
    gives(w, "All", "20f1ffffffffffffffff01", "{\"i\":-15}");
    gives(w, "All", "20ffffffffffffffff7f", "{\"i\":9223372036854775807}");
    gives(w, "All", "29 000000000000f83f", "{\"d\":1.5}");
    gives(w, "All", "3208 08d983e2b1061001", "{\"at\":\"2024-05-06T07:08:09Z\"}");
    gives(w, "All", "3204 08001000", "{\"at\":\"1970-01-01T00:00:00Z\"}");
    gives(w, "All", "3200", "{}");
    gives(w, "All", "3a0b 08d983e2b106108094ef3a", "{\"us\":\"2024-05-06T07:08:09.123456Z\"}");
    gives(w, "All", "4205 0a03313030", "{\"q\":\"100\"}");
    gives(w, "All", "4a06 080010501a00", "{\"is\":80}");
    gives(w, "All", "4a09 080110001a03 383025", "{\"is\":\"80%\"}");
}

static void test_raw(void **state)
{
    struct world *w = *state;
    gives(w, "All", "5209 0a07 7b2261223a317d", "{\"raw\":{\"a\":1}}");
    gives(w, "All", "5202 0a00", "{}");
    refused(w, "5203 0a01 7b", "");
    refused(w, "5204 0a02 ff22", "");
}

static void test_containers(void **state)
{
    struct world *w = *state;
    gives(w, "All", "620161 6200 620162", "{\"names\":[\"a\",\"\",\"b\"]}");
    gives(w, "All", "6a00 6a03 0a0161", "{\"subs\":[{},{\"name\":\"a\"}]}");
    gives(w, "All", "7206 0a0161120162", "{\"map\":{\"a\":\"b\"}}");
    gives(w, "All", "7203 0a0161 7203 120162", "{\"map\":{\"a\":\"\",\"\":\"b\"}}");
    gives(w, "All", "7a06 0a01611201ff 7a03 0a017a", "{\"bytes\":{\"a\":\"/w==\",\"z\":\"\"}}");
    gives(w, "All", "82010b 0a0161 1206 0a0178 0a0179", "{\"lists\":{\"a\":[\"x\",\"y\"]}}");
    gives(w, "All", "820103 0a0161", "{\"lists\":{\"a\":[]}}");
    gives(w, "All", "9a0103 0a0161", "{\"more\":{\"a\":{}}}");
    gives(w, "All", "a20103 0a0161 a20105 0a01621003", "{\"ints\":{\"a\":0,\"b\":3}}");
    gives(w, "All", "aa0103 0a0161", "{\"shared\":{\"x\":\"a\"}}");
}

static void test_zero(void **state)
{
    struct world *w = *state;
    gives(w, "All", "0a00 1200 1800 2000 29 0000000000000000 4200 5a00", "{}");
    gives(w, "Kept", "0a00 1200 1800 2000 29 0000000000000000 3200",
          "{\"s\":\"\",\"b\":\"\",\"t\":false,\"i\":0,\"d\":0,\"sub\":{}}");
    gives(w, "Kept", "", "{}");
    /* the last of a field counts, a zero too */
    gives(w, "All", "0a0161 0a0162 2005 2006", "{\"s\":\"b\",\"i\":6}");
    gives(w, "All", "0a0161 0a00 2005 2000", "{}");
}

static void test_unknown_fields(void **state)
{
    struct world *w = *state;
    gives(w, "All", "f80605 f90601020304 05060708 fa06024142 fd0601020304 0a0161", "{\"s\":\"a\"}");
    gives(w, "All", "5a06 fa060141 1001", "{\"sub\":{\"n\":1}}");
}

/* ---- what is no message ---- */

static void test_wire_types(void **state)
{
    static const char *const bad[] = {"0801",     "0d00000000",     "1001",     "1a00",
                                      "2200",     "2500000000",     "2800",     "2a00",
                                      "3001",     "3801",           "4001",     "4801",
                                      "5001",     "5801",           "6001",     "6801",
                                      "7001",     "820100 8001 01", "32020a00", "32021200",
                                      "42020801", "4a020a00",       "4a021800", "52020801",
                                      "5a020801", "72020801",       "72021001", "820104 1202 0801"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        refused(w, bad[i], "proto: ");
    }
}

static void test_broken(void **state)
{
    static const char *const bad[] = {
        "0a",                        /* no length */
        "0a02 61",                   /* too short */
        "0a ffffffff0f",             /* 4 GB */
        "0a ffffffffffffffffff01",   /* 2^64 - 1 */
        "0a ffffffffffffffff7f",     /* 2^63 - 1 */
        "20 ffffffffffffffffffff01", /* a varint of eleven bytes */
        "20 80",                     /* a varint without end */
        "29 00000000",               /* half a fixed64 */
        "2d 0000",                   /* half a fixed32 */
        "00",
        "0201",                    /* field number 0 */
        "ffffffffffffffffff01 00", /* field number over 2^32 */
        "0b 0c",
        "0c",
        "0e",
        "0f",                            /* groups; wire types that do not exist */
        "3205 08d983e2",                 /* a time that ends early */
        "320b 08 ffffffffffffffff7f 10", /* the year 292277026596 */
        "320c 08 00 10 ffffffffffffffff7f",
        "3206 0800 1080808080 01",
        "29 000000000000f07f", /* infinity */
        "29 010000000000f87f", /* not a number */
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        refused(w, bad[i], "proto: ");
    }
}

static void test_utf8(void **state)
{
    struct world *w = *state;
    gives(w, "All", "0a04 f09f9880", "{\"s\":\"\xf0\x9f\x98\x80\"}");
    gives(w, "All", "0a03 610062", "{\"s\":\"a\\u0000b\"}");
    refused(w, "0a01 ff", "proto: field s contains invalid UTF-8");
    refused(w, "0a03 eda080", "invalid UTF-8"); /* a surrogate */
    refused(w, "0a02 c080", "invalid UTF-8");   /* overlong */
    refused(w, "6201 80", "invalid UTF-8");
    refused(w, "7203 0a01 ff", "invalid UTF-8");
    refused(w, "7203 1201 ff", "invalid UTF-8");
    refused(w, "820105 1203 0a01 ff", "invalid UTF-8");
    refused(w, "4203 0a01 ff", "invalid UTF-8");
}

static void add_varint(struct buf *b, uint64_t v)
{
    while (v > 0x7f) {
        buf_addc(b, (char)(v | 0x80));
        v >>= 7;
    }
    buf_addc(b, (char)v);
}

/* depth messages All, each in the field "next" of the one before. */
static struct str nested(struct arena *a, int depth)
{
    struct str inner = STR("");
    for (int i = 1; i < depth; i++) {
        AUTO(buf_finish) struct buf b = {0};
        add_varint(&b, 17 << 3 | 2);
        add_varint(&b, inner.len);
        buf_add(&b, inner);
        inner = arena_str(a, buf_str(&b));
    }
    return inner;
}

static void test_depth(void **state)
{
    struct world *w = *state;
    struct arena a;
    AUTO(buf_finish) struct buf text = {0};
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    assert_int_equal(decode(w, "All", nested(&a, LIMIT_DEPTH), &a, &text, &err), 0);
    assert_int_equal(decode(w, "All", nested(&a, LIMIT_DEPTH + 1), &a, &text, &err),
                     ERR_BAD_REQUEST);
    assert_string_equal(err_message(&err), "proto: the message is nested too deeply");
    err_finish(&err);
    assert_int_equal(decode(w, "All", nested(&a, 2000), &a, &text, &err), ERR_BAD_REQUEST);
    arena_finish(&a);
}

/* ---- many bytes ---- */

/* The same piece again and again, LARGE bytes. */
static void test_large(void **state)
{
    static const struct {
        const char *piece;
        int code;
    } rows[] = {
        {"6200", 0}, {"6a00", 0},   {"7200", 0},   {"820100", 0}, {"9a0100", 0},
        {"0a00", 0}, {"0a0161", 0}, {"8a0100", 0}, {"f80600", 0}, {"8a01028a01", ERR_BAD_REQUEST}};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct arena a;
        AUTO(buf_finish) struct buf body = {0}, text = {0};
        arena_init(&a, 0);
        struct str piece = bytes_of(&a, rows[i].piece);
        while (body.len + piece.len <= LARGE) {
            buf_add(&body, piece);
        }
        int64_t begun = cpu_ms();
        assert_int_equal(decode(w, "All", buf_str(&body), &a, &text, NULL), rows[i].code);
        assert_true(cpu_ms() - begun < LARGE_MS);
        arena_finish(&a);
    }
}

static void test_large_map(void **state)
{
    struct world *w = *state;
    struct arena a;
    AUTO(buf_finish) struct buf body = {0};
    yyjson_mut_val *v = NULL;
    size_t n = 0;
    arena_init(&a, 0);
    for (; body.len < LARGE; n++) {
        char entry[32];
        int len = snprintf(entry, sizeof(entry), "\x0a\x07%07zu", n);
        buf_addc(&body, 14 << 3 | 2);
        buf_addc(&body, (char)len);
        buf_addz(&body, entry);
    }
    int64_t begun = cpu_ms();
    assert_int_equal(
        protobuf_decode(w->tables, STR("All"), buf_str(&body), &a, json_doc(&a), &v, NULL), 0);
    assert_int_equal(json_size(json_get(v, "map")), n);
    assert_true(cpu_ms() - begun < LARGE_MS);
    arena_finish(&a);
}

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Every beginning of a message, and messages with some bytes changed: an answer or a refusal, and
 * what is taken is JSON. */
static const char *const good =
    "0a0161 120200ff 1801 2005 29000000000000f83f 320808d983e2b1061001 3a0b08d983e2b106108094ef3a "
    "42050a03313030 4a09080110001a03383025 "
    "52090a077b2261223a317d 5a050a01611001 620161 6a030a0161 72060a0161120162 7a060a01611201ff "
    "82010b0a016112060a01780a0179 8a01030a0161 "
    "9201110a0012001800200029 0000000000000000 a201050a01621003";

static int taken(struct world *w, struct str bytes)
{
    struct arena a;
    yyjson_mut_doc *d = NULL;
    AUTO(buf_finish) struct buf text = {0};
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    int r = decode(w, "All", bytes, &a, &text, &err);
    if (r == 0) {
        assert_int_equal(json_read(&a, arena_str(&a, str_from(text.ptr)), &d, NULL, NULL), 0);
    } else {
        assert_int_equal(r, ERR_BAD_REQUEST);
        assert_true(strlen(err_message(&err)) > 0);
    }
    arena_finish(&a);
    return r;
}

static void test_truncated(void **state)
{
    struct world *w = *state;
    struct arena a;
    arena_init(&a, 0);
    struct str all = bytes_of(&a, good);
    size_t whole = 0;
    for (size_t n = 0; n <= all.len; n++) {
        char *exact = arena_alloc(&a, n + 1); /* sanitizers see a byte too far */
        memcpy(exact, all.ptr, n);
        whole += taken(w, str_make(exact, n)) == 0;
    }
    assert_int_equal(taken(w, all), 0);
    assert_true(whole >= 10 && whole <= 20); /* between two fields only */
    arena_finish(&a);
}

static void test_random(void **state)
{
    struct world *w = *state;
    struct arena a;
    uint32_t seed = 42;
    size_t fine = 0;
    arena_init(&a, 0);
    struct str base = bytes_of(&a, good);
    char *bytes = arena_alloc(&a, base.len + 1);
    for (int round = 0; round < 200000; round++) {
        bool noise = round % 4 == 0;
        size_t n = noise ? random_next(&seed) % 64 : base.len;
        memcpy(bytes, base.ptr, base.len);
        for (size_t i = 0; i < (noise ? n : 1 + random_next(&seed) % 4); i++) {
            size_t at = noise ? i : random_next(&seed) % base.len;
            bytes[at] = (char)random_next(&seed);
        }
        fine += taken(w, str_make(bytes, n)) == 0;
    }
    assert_true(fine > 1000 && fine < 199000);
    arena_finish(&a);
}

/* ---- envelopes ---- */

static void test_bytes(void **state)
{
    struct world *w = *state;
    struct str v = STR("untouched");
    assert_int_equal(protobuf_bytes(bytes_of(&w->arena, "0a0161 1005 0a026263"), 1, &v), 0);
    assert_true(str_is(v, "bc"));
    assert_int_equal(protobuf_bytes(bytes_of(&w->arena, "0a00"), 1, &v), 0);
    assert_true(v.ptr && !v.len);
    assert_int_equal(protobuf_bytes(bytes_of(&w->arena, "0a0161"), 3, &v), 0);
    assert_null(v.ptr);
    assert_int_equal(protobuf_bytes(STR_NULL, 1, &v), 0);
    v = STR("untouched");
    assert_int_equal(protobuf_bytes(bytes_of(&w->arena, "0a0161 0a"), 1, &v), ERR_BAD_REQUEST);
    assert_int_equal(protobuf_bytes(bytes_of(&w->arena, "0801"), 1, &v), ERR_BAD_REQUEST);
    assert_true(str_is(v, "untouched"));
}

/* ---- written ---- */

static void written(struct world *w, const char *message, const char *json, const char *hex)
{
    struct arena a;
    AUTO(buf_finish) struct buf b = {0};
    arena_init(&a, 0);
    protobuf_encode(protobuf_find(w->tables, str_from(message)), parsed(&a, json), &b);
    struct str want = bytes_of(&a, hex);
    if (!str_eq(buf_str(&b), want)) {
        AUTO(buf_finish) struct buf text = {0};
        crypto_hex(&text, (const unsigned char *)b.ptr, b.len);
        fail_msg("%s: %.*s", json, STR_FMT(buf_str(&text)));
    }
    arena_finish(&a);
}

static void test_written(void **state)
{
    struct world *w = *state;
    written(w, "Sub", "{}", "0a00 1000");
    written(w, "Sub", "{\"n\":-1,\"name\":\"x\",\"other\":[]}", "0a0178 10ffffffffffffffffff01");
    written(w, "Sub", "{\"n\":\"x\",\"name\":7}", "0a00 1000"); /* of another kind */
    written(w, "Sub", "null", "0a00 1000");
    written(w, "Kept", "{}", "");
    written(w, "Kept", "{\"s\":\"\",\"b\":\"\",\"t\":false,\"i\":0,\"d\":0,\"sub\":{}}",
            "0a00 1200 1800 2000 290000000000000000 32040a001000");
    written(w, "Kept", "{\"s\":null,\"b\":\"no base64\",\"d\":1.5}", "1200 29000000000000f83f");
}

static void test_within(void **state)
{
    static const char *const bad[] = {"{\"M\":{\"m\":\"1 M\"}}",
                                      "{\"A\":{\"b\":\"1 B!\"},\"B\":{\"a\":\"1 A\"}}"};
    static const char *const fine[] = {
        "{\"M\":{\"m\":\"1 M?\",\"n\":\"2 list M\",\"o\":\"3 map M\"}}",
        "{\"A\":{\"|object\":\"1 A\"}}"};
    struct world *w = *state;
    struct protobuf *p = NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(protobuf_create(&w->arena, parsed(&w->arena, bad[i]), NULL, &p, NULL),
                         ERR_INVALID);
        assert_int_equal(protobuf_create(&w->arena, parsed(&w->arena, fine[i]), NULL, &p, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),     cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_raw),        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_zero),       cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_wire_types), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_utf8),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_large),      cmocka_unit_test(test_large_map),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_random),
        cmocka_unit_test(test_bytes),      cmocka_unit_test(test_written),
        cmocka_unit_test(test_within),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
