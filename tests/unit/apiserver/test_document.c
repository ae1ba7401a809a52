/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

/* Undoes gzip as any client would: zlib checks the CRC and the length. */
static void gunzip(struct str in, struct buf *out)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    AUTO(buf_finish) struct buf copy = {0};
    buf_add(&copy, in);
    z.next_in = (unsigned char *)copy.ptr;
    z.avail_in = (uInt)copy.len;
    int rc = Z_OK;
    while (rc == Z_OK) {
        z.next_out = (unsigned char *)buf_reserve(out, 4096);
        z.avail_out = 4096;
        rc = inflate(&z, Z_NO_FLUSH);
        out->len += 4096 - z.avail_out;
    }
    assert_int_equal(rc, Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
}

static void read_all(struct document *d, size_t step, struct buf *out)
{
    struct document_reader r;
    document_reader_init(&r, d);
    size_t calls = 0;
    for (bool done = false; !done; calls++) {
        size_t before = out->len;
        done = document_read(&r, out, step);
        assert_true(out->len - before <= step);
        assert_true(calls <= d->plain_len / step + 1);
    }
    document_reader_finish(&r);
}

static void assert_same(struct str a, struct str b)
{
    assert_int_equal(a.len, b.len);
    assert_true(str_eq(a, b));
}

/* n bytes that compress, different for each seed. */
static void fill(struct buf *b, size_t n, unsigned seed)
{
    size_t end = b->len + n;
    while (b->len < end) {
        seed = seed * 1103515245u + 12345u;
        buf_printf(b, "\"field%u\":{\"type\":\"string\"},", seed >> 20);
    }
    b->len = end;
}

static void test_small_is_kept_plain(void **state)
{
    (void)state;
    struct document *d = document_of(STR("{\"a\":1}"), 7);
    assert_non_null(d->plain);
    assert_int_equal(d->version, 7);
    assert_int_equal(d->plain_len, 7);
    assert_int_equal(d->n_parts, 0);
    AUTO(buf_finish) struct buf b = {0};
    read_all(d, 3, &b);
    assert_same(buf_str(&b), STR("{\"a\":1}"));
    document_unref(d);
}

static void test_empty(void **state)
{
    (void)state;
    struct document *d = document_of(STR(""), 1);
    AUTO(buf_finish) struct buf b = {0};
    read_all(d, 10, &b);
    assert_int_equal(b.len, 0);
    document_unref(d);
}

static void test_etag_is_of_the_content(void **state)
{
    (void)state;
    struct document *a = document_of(STR("x"), 1), *b = document_of(STR("x"), 2),
                    *c = document_of(STR("y"), 1);
    assert_string_equal(a->etag, b->etag);
    assert_string_not_equal(a->etag, c->etag);
    assert_string_equal(a->etag,
                        "\"2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881\"");
    assert_true(document_matches(a, str_from(b->etag)));
    assert_false(document_matches(a, str_from(c->etag)));
    assert_false(document_matches(a, STR_NULL));
    assert_false(document_matches(a, STR("2D711642")));
    assert_true(document_matches(a, STR("\"x\", *")));
    char weak[100];
    snprintf(weak, sizeof(weak), "\"x\" , W/%s", a->etag);
    assert_true(document_matches(a, str_from(weak)));
    assert_false(document_matches(c, str_from(weak)));
    document_unref(a);
    document_unref(b);
    document_unref(c);
}

static void test_sizes_around_the_limits(void **state)
{
    (void)state;
    static const size_t sizes[] = {DOCUMENT_PLAIN_MAX - 1,
                                   DOCUMENT_PLAIN_MAX,
                                   DOCUMENT_PLAIN_MAX + 1,
                                   32 * 1024 - 1,
                                   32 * 1024,
                                   32 * 1024 + 1,
                                   64 * 1024,
                                   1000 * 1000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        AUTO(buf_finish) struct buf in = {0};
        AUTO(buf_finish) struct buf plain = {0};
        fill(&in, sizes[i], (unsigned)i);
        struct document *d = document_of(buf_str(&in), 1);
        assert_int_equal(d->plain_len, sizes[i]);
        assert_int_equal(d->plain != NULL, sizes[i] <= DOCUMENT_PLAIN_MAX);
        read_all(d, 10000, &plain);
        assert_same(buf_str(&plain), buf_str(&in));
        if (!d->plain) {
            AUTO(buf_finish) struct buf out = {0};
            struct blob *gz = document_gzip(d);
            assert_int_equal(gz->len, d->gzip_len);
            assert_true(gz->len * 3 < sizes[i]);
            gunzip(blob_str(gz), &out);
            assert_same(buf_str(&out), buf_str(&in));
            blob_unref(gz);
        }
        document_unref(d);
    }
}

/* A document of n fragments; fragment `changed` differs. Fragments are taken from `previous` where
 * they can be. */
static struct document *make_parts(unsigned n, unsigned changed, const struct document *previous,
                                   struct buf *ret_plain, unsigned *ret_made)
{
    struct document_writer w;
    document_writer_init(&w);
    *ret_made = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t id = 100 + i + (i == changed ? 1000 : 0);
        AUTO(buf_finish) struct buf b = {0};
        fill(&b, 1 + i * 977 % 50000, (unsigned)id);
        buf_add(ret_plain, buf_str(&b));
        const struct document_part *p = document_part(previous, id);
        if (p) {
            document_reuse(&w, p);
        } else {
            document_add_buf(&w, &b);
            document_cut(&w, id);
            ++*ret_made;
        }
    }
    return document_make(&w, n, STR("tag"));
}

static void test_fragments_are_taken_over(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf first = {0};
    AUTO(buf_finish) struct buf second = {0};
    AUTO(buf_finish) struct buf out = {0};
    AUTO(buf_finish) struct buf plain = {0};
    unsigned made;
    struct document *a = make_parts(60, 0, NULL, &first, &made);
    assert_int_equal(made, 60);
    struct document *b = make_parts(61, 30, a, &second, &made);
    assert_int_equal(made, 3); /* the one that changed, the one that changed back, the new one */
    document_unref(a);
    struct blob *gz = document_gzip(b);
    gunzip(blob_str(gz), &out);
    assert_same(buf_str(&out), buf_str(&second));
    read_all(b, 7777, &plain);
    assert_same(buf_str(&plain), buf_str(&second));
    blob_unref(gz);
    assert_string_equal(b->etag, "\"tag\"");
    document_unref(b);
}

static void test_blobs_are_the_gzip_form(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf in = {0};
    AUTO(buf_finish) struct buf joined = {0};
    unsigned made;
    struct document *d = make_parts(5, 1, NULL, &in, &made);
    struct blob *blobs[7];
    assert_int_equal(d->n_parts, 5);
    document_gzip_blobs(d, blobs);
    for (size_t i = 0; i < 7; i++) {
        buf_add(&joined, blob_str(blobs[i]));
        blob_unref(blobs[i]);
    }
    struct blob *gz = document_gzip(d);
    assert_same(buf_str(&joined), blob_str(gz));
    blob_unref(gz);
    document_unref(d);
}

static void test_unfinished_writer_leaks_nothing(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    fill(&b, 100000, 1);
    struct document_writer w;
    document_writer_init(&w);
    document_add(&w, buf_str(&b));
    document_cut(&w, 1);
    document_cut(&w, 2); /* nothing was added: no fragment */
    assert_int_equal(w.n_parts, 1);
    document_add(&w, buf_str(&b));
    document_writer_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_is_kept_plain),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_etag_is_of_the_content),
        cmocka_unit_test(test_sizes_around_the_limits),
        cmocka_unit_test(test_fragments_are_taken_over),
        cmocka_unit_test(test_blobs_are_the_gzip_form),
        cmocka_unit_test(test_unfinished_writer_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
