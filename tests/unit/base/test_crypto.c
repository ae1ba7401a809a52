/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crypto.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"

static const char *z(struct buf *b)
{
    buf_addc(b, 0);
    return b->ptr;
}

static void test_hashes(void **state)
{
    (void)state;
    /* Known answers of FNV-1a, FIPS 180-4. The first is stored by the program: it may never change.
     */
    assert_true(crypto_hash64(STR("")) == 0xcbf29ce484222325ULL);
    assert_true(crypto_hash64(STR("foobar")) == 0x85944171f73967e8ULL);
    assert_true(crypto_hash64_more(crypto_hash64(STR("foo")), STR("bar")) ==
                crypto_hash64(STR("foobar")));
    unsigned char out[64];
    AUTO(buf_finish) struct buf a = {0}, b = {0}, c = {0};
    crypto_sha256(STR("abc"), out);
    crypto_hex(&a, out, 32);
    assert_string_equal(z(&a), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256(STR_NULL, out);
    crypto_hex(&b, out, 32);
    assert_string_equal(z(&b), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypto_sha512(STR("abc"), out);
    crypto_hex(&c, out, 8);
    assert_string_equal(z(&c), "ddaf35a193617aba");
}

static void test_uuid(void **state)
{
    (void)state;
    enum { N = 500 };
    static char ids[N][37];
    for (int i = 0; i < N; i++) {
        crypto_uuid(ids[i]);
        assert_int_equal(strlen(ids[i]), 36);
        assert_int_equal(strspn(ids[i], "0123456789abcdef-"), 36);
        assert_true(ids[i][8] == '-' && ids[i][13] == '-' && ids[i][18] == '-' &&
                    ids[i][23] == '-');
        assert_int_equal(ids[i][14], '4');
        assert_non_null(strchr("89ab", ids[i][19]));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
        }
    }
}

static void *uuid_thread(void *out)
{
    crypto_uuid(out);
    return NULL;
}

static void test_uuid_of_threads(void **state)
{
    (void)state;
    char here[37], there[37];
    pthread_t t;
    crypto_uuid(here);
    assert_int_equal(pthread_create(&t, NULL, uuid_thread, there), 0);
    pthread_join(t, NULL);
    assert_string_not_equal(here, there);
}

static void test_uuid_of_text(void **state)
{
    (void)state;
    char id[37];
    crypto_uuid_of(STR("abc"), id);
    assert_string_equal(id, "7697a46f-b283-5da3-8e7c-62c11c03dd9e");
    crypto_uuid_of(STR_NULL, id);
    assert_string_equal(id, "0a68eb57-c88a-5f34-9e9d-27f85e68af4f");
}

static void test_suffix(void **state)
{
    (void)state;
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    int seen[128] = {0};
    for (int i = 0; i < 2000; i++) {
        char s[6];
        crypto_name_suffix(s, 5);
        assert_int_equal(strlen(s), 5);
        assert_int_equal(strspn(s, letters), 5);
        for (int j = 0; j < 5; j++) {
            seen[(int)s[j]]++;
        }
    }
    for (const char *p = letters; *p; p++) {
        assert_in_range(seen[(int)*p], 250, 500); /* 370 expected */
    }
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(crypto_equal(STR("abc"), STR("abc")));
    assert_false(crypto_equal(STR("abc"), STR("abd")));
    assert_false(crypto_equal(STR("abc"), STR("ab")));
    assert_true(crypto_equal(STR(""), STR_NULL));
}

static void assert_encodes(struct str s, const char *std, const char *url)
{
    AUTO(buf_finish) struct buf a = {0}, b = {0}, c = {0}, d = {0};
    crypto_base64(&a, s);
    assert_true(crypto_unbase64(&c, buf_str(&a)));
    assert_true(str_eq(buf_str(&c), s));
    assert_string_equal(z(&a), std);
    crypto_base64url(&b, s);
    assert_true(crypto_unbase64url(&d, buf_str(&b)));
    assert_true(str_eq(buf_str(&d), s));
    assert_string_equal(z(&b), url);
}

static void test_base64(void **state)
{
    (void)state;
    assert_encodes(STR(""), "", "");
    assert_encodes(STR("f"), "Zg==", "Zg");
    assert_encodes(STR("fo"), "Zm8=", "Zm8");
    assert_encodes(STR("foo"), "Zm9v", "Zm9v");
    assert_encodes(STR("foob"), "Zm9vYg==", "Zm9vYg");
    assert_encodes(STR("\xff\xfe\xfd\0\xfb\xf0"), "//79APvw", "__79APvw");
    AUTO(buf_finish) struct buf b = {0};
    assert_true(crypto_unbase64(&b, STR("Zm\r\n9v\nYg=\n=\n")));
    assert_true(str_is(buf_str(&b), "foob"));
    static const char *const bad[] = {"Z",        "Zg",    "Zg=",   "Zg===", "=",
                                      "Zg==Zg==", "Zm9v=", "Zm 9v", "Zm-v",  "Zm9v!",
                                      "Z===",     "Zm8=x", "====",  "Zm9vZ"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        b.len = 0;
        assert_false(crypto_unbase64(&b, str_from(bad[i])));
        assert_int_equal(b.len, 0);
    }
    assert_false(crypto_unbase64url(&b, STR("Zg==")));
    assert_false(crypto_unbase64url(&b, STR("Z")));
    assert_false(crypto_unbase64url(&b, STR("Zm+v")));
}

static X509 *parse(const struct crypto_keypair *k)
{
    BIO *bio = BIO_new_mem_buf(k->cert_pem.ptr, (int)k->cert_pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* Verifies leaf against the authority for the purpose; returns OpenSSL's code. */
static int verify(X509 *ca, X509 *leaf, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    X509_verify_cert(ctx);
    int code = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return code;
}

static void test_server_certificate(void **state)
{
    (void)state;
    const struct str names[] = {STR("localhost"), STR("a.example,DNS:evil"), STR("127.0.0.1"),
                                STR("::1")};
    struct crypto_keypair k = {0};
    assert_int_equal(crypto_self_signed("coracle", names, 4, 365, &k, NULL), 0);
    X509 *cert = parse(&k);
    assert_int_equal(verify(cert, cert, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "evil", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "10.0.0.1", 0), 0);
    assert_true(X509_check_ca(cert) > 0);
    int days = 0, seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert), X509_get0_notAfter(cert));
    assert_int_equal(days, 365);
    X509_free(cert);
    crypto_keypair_finish(&k);
    assert_null(k.key_pem.ptr);
}

static void test_client_certificate(void **state)
{
    (void)state;
    struct crypto_keypair ca = {0}, other = {0}, client = {0};
    const struct str groups[] = {STR("system:masters"), STR("devs")};
    assert_int_equal(crypto_self_signed("coracle", NULL, 0, 10, &ca, NULL), 0);
    assert_int_equal(crypto_self_signed("coracle", NULL, 0, 10, &other, NULL), 0);
    assert_int_equal(crypto_client_cert(&ca, STR("al=ice"), groups, 2, 5, &client, NULL), 0);
    X509 *c = parse(&client), *a = parse(&ca), *o = parse(&other);
    assert_int_equal(verify(a, c, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_not_equal(verify(o, c, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_not_equal(verify(a, c, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    char text[256];
    X509_NAME_oneline(X509_get_subject_name(c), text, sizeof(text));
    assert_string_equal(text, "/O=system:masters/O=devs/CN=al=ice");
    X509_free(c);
    X509_free(a);
    X509_free(o);
    AUTO(err_finish) struct err err = {0};
    struct crypto_keypair broken = {0}, none = {0};
    buf_addz(&broken.cert_pem, "nonsense");
    assert_int_equal(crypto_client_cert(&broken, STR("x"), NULL, 0, 5, &none, &err), ERR_INTERNAL);
    assert_null(none.cert_pem.ptr);
    crypto_keypair_finish(&broken);
    crypto_keypair_finish(&ca);
    crypto_keypair_finish(&other);
    crypto_keypair_finish(&client);
}

static void test_check_certs(void **state)
{
    (void)state;
    struct crypto_keypair k = {0};
    AUTO(buf_finish) struct buf two = {0};
    AUTO(err_finish) struct err err = {0};
    assert_int_equal(crypto_self_signed("x", NULL, 0, 1, &k, NULL), 0);
    assert_int_equal(crypto_check_certs(buf_str(&k.cert_pem), "f", NULL), 0);
    buf_addz(&two, "# a comment\n");
    buf_add(&two, buf_str(&k.cert_pem));
    buf_add(&two, buf_str(&k.cert_pem));
    assert_int_equal(crypto_check_certs(buf_str(&two), "f", NULL), 0);
    two.len -= 60;
    assert_int_equal(crypto_check_certs(buf_str(&two), "the file f", &err), ERR_BAD_REQUEST);
    assert_string_equal(err_message(&err), "the file f holds a broken certificate");
    static const char *const texts[] = {
        "", "root:x:0:0", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(crypto_check_certs(str_from(texts[i]), "f", NULL), ERR_BAD_REQUEST);
    }
    assert_int_equal(crypto_check_certs(STR_NULL, "f", NULL), ERR_BAD_REQUEST);
    assert_int_equal(crypto_check_certs(buf_str(&k.key_pem), "f", NULL), ERR_BAD_REQUEST);
    crypto_keypair_finish(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_uuid_of_threads),
        cmocka_unit_test(test_uuid_of_text),
        cmocka_unit_test(test_suffix),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_server_certificate),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_check_certs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
