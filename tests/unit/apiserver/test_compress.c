/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed slices put together again, and what Accept-Encoding says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "apiserver/compress.h"

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool wanted;
    } cases[] = {
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"deflate, gzip", true},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", true},
        {"gzip;q=0", false},
        {"gzip;q=0.0, *", false},
        {"gzip; Q=0.000", false},
        {"gzip ; q = 0.001", true},
        {"gzip;level=0;q=1", true},
        {"*", true},
        {"*;q=0", false},
        {"*;q=0, gzip", true},
        {"identity", false},
        {"identity;q=0", false},
        {"identity;q=0, gzip", true},
        {"deflate", false},
        {"gzipped", false},
        {"notgzip,", false},
        {",,gzip", true},
        {" \tgzip\t ", true},
        {"gzip;q=", true},
        {";;;,,,;q=0", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (compress_accepts(str_from(cases[i].value)) != cases[i].wanted) {
            fail_msg("Accept-Encoding: %s", cases[i].value);
        }
    }
    assert_false(compress_accepts(STR_NULL));
}

/* What gunzip makes of it: one member, nothing behind it. */
static void gunzip(struct str in, struct buf *out)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)in.ptr;
    z.avail_in = (unsigned)in.len;
    int rc = Z_OK;
    while (rc == Z_OK) {
        z.next_out = (unsigned char *)buf_reserve(out, 65536);
        z.avail_out = 65536;
        rc = inflate(&z, Z_NO_FLUSH);
        out->len += 65536 - z.avail_out;
    }
    assert_int_equal(rc, Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
}

static void fill(struct buf *b, size_t n, unsigned seed)
{
    while (n) {
        char text[64];
        seed = seed * 1103515245u + 12345u;
        int len =
            snprintf(text, sizeof(text), "{\"name\":\"object-%u\",\"k\":%u},", seed >> 16, seed);
        size_t m = (size_t)len < n ? (size_t)len : n;
        buf_add(b, str_make(text, m));
        n -= m;
    }
}

static void test_slices(void **state)
{
    (void)state;
    static const size_t sizes[][4] = {{1, 0, 0, 0},           {300000, 0, 0, 0},
                                      {262144, 262144, 5, 0}, {1, 1, 1, 1},
                                      {3000000, 1, 70000, 2}, {262144, 262144, 262144, 17}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct compress z = {0};
        struct buf plain = {0}, packed = {0}, back = {0};
        for (size_t k = 0; k < 4 && sizes[i][k]; k++) {
            struct buf b = {0};
            fill(&b, sizes[i][k], (unsigned)(i * 10 + k));
            buf_add(&plain, buf_str(&b));
            compress_slice(&z, &b, k == 3 || !sizes[i][k + 1]);
            assert_true(b.len > 0);
            buf_add(&packed, buf_str(&b));
            buf_finish(&b);
        }
        gunzip(buf_str(&packed), &back);
        assert_int_equal(back.len, plain.len);
        assert_memory_equal(back.ptr, plain.ptr, plain.len);
        assert_true(plain.len < 1000 || packed.len < plain.len / 2);
        buf_finish(&plain);
        buf_finish(&packed);
        buf_finish(&back);
    }
}

/* What cannot be compressed grows by little. */
static void test_noise(void **state)
{
    (void)state;
    struct compress z = {0};
    struct buf b = {0}, back = {0};
    unsigned seed = 1;
    for (int i = 0; i < 400000; i++) {
        seed = seed * 1664525u + 1013904223u;
        buf_addc(&b, (char)(seed >> 24));
    }
    struct buf plain = {0};
    buf_add(&plain, buf_str(&b));
    compress_slice(&z, &b, true);
    assert_true(b.len < 400000 + 400);
    gunzip(buf_str(&b), &back);
    assert_int_equal(back.len, plain.len);
    assert_memory_equal(back.ptr, plain.ptr, plain.len);
    buf_finish(&plain);
    buf_finish(&b);
    buf_finish(&back);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
