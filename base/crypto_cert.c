/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own certificate, which is its authority too, and client certificates signed by it.
 * P-256 throughout. */
#include "base/crypto.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define DAY_SECONDS 86400
#define CLOCK_SKEW_SECONDS 3600 /* a certificate is valid from a while ago: clocks differ */

static void free_pkey(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void free_x509(X509 **c)
{
    X509_free(*c);
}

static void free_bio(BIO **b)
{
    BIO_free(*b);
}

static int failed(struct err *err, const char *doing)
{
    char why[160] = "unknown";
    unsigned long code = ERR_get_error();
    if (code) {
        ERR_error_string_n(code, why, sizeof(why));
    }
    ERR_clear_error();
    return err_set(err, ERR_INTERNAL, "cannot %s: %s", doing, why);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

/* Adds an IP address or a DNS name; built by hand, for a name is not to be parsed as configuration.
 */
static bool add_name(GENERAL_NAMES *names, struct str s)
{
    AUTO_FREE char *text = alloc_str(s);
    unsigned char addr[16];
    int len = inet_pton(AF_INET, text, addr) == 1    ? 4
              : inet_pton(AF_INET6, text, addr) == 1 ? 16
                                                     : 0;
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = len ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    bool ok = name && value &&
              ASN1_STRING_set(value, len ? (const void *)addr : text, len ? len : (int)s.len);
    if (!ok) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, len ? GEN_IPADD : GEN_DNS, value);
    if (!sk_GENERAL_NAME_push(names, name)) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool add_alt_names(X509 *cert, const struct str *names, size_t n)
{
    if (!n) {
        return true;
    }
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = add_name(list, names[i]);
    }
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, 0) == 1;
    GENERAL_NAMES_free(list);
    return ok;
}

static bool add_entry(X509_NAME *name, const char *field, struct str value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value.ptr,
                                      (int)value.len, -1, 0) == 1;
}

/* Version 3, a random serial of 159 bits and its time of validity. */
static bool set_basics(X509 *cert, EVP_PKEY *key, int days)
{
    unsigned char serial[20];
    crypto_random(serial, sizeof(serial));
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
    BIGNUM *bn = BN_bin2bn(serial, sizeof(serial), NULL);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
    BN_free(bn);
    return ok && X509_set_version(cert, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW_SECONDS) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * DAY_SECONDS) &&
           X509_set_pubkey(cert, key) == 1;
}

static bool bio_to_buf(BIO *bio, struct buf *b)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    if (n <= 0) {
        return false;
    }
    buf_add(b, str_make(data, (size_t)n));
    return true;
}

static int to_pem(X509 *cert, EVP_PKEY *key, struct crypto_keypair *ret, struct err *err)
{
    AUTO(free_bio) BIO *c = BIO_new(BIO_s_mem());
    AUTO(free_bio) BIO *k = BIO_new(BIO_s_mem());
    if (!c || !k || PEM_write_bio_X509(c, cert) != 1 ||
        PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) != 1) {
        return failed(err, "write a certificate");
    }
    struct crypto_keypair pair = {0};
    if (!bio_to_buf(c, &pair.cert_pem) || !bio_to_buf(k, &pair.key_pem)) {
        crypto_keypair_finish(&pair);
        return failed(err, "write a certificate");
    }
    *ret = pair;
    return 0;
}

int crypto_self_signed(const char *common_name, const struct str *names, size_t n_names, int days,
                       struct crypto_keypair *ret, struct err *err)
{
    AUTO(free_pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(free_x509) X509 *cert = X509_new();
    if (!key || !cert || !set_basics(cert, key, days)) {
        return failed(err, "make a certificate");
    }
    X509_NAME *subject = X509_get_subject_name(cert);
    bool ok = add_entry(subject, "CN", str_from(common_name)) &&
              X509_set_issuer_name(cert, subject) == 1 &&
              add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE") &&
              add_extension(cert, cert, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
              add_extension(cert, cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
              add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
              add_extension(cert, cert, NID_authority_key_identifier, "keyid:always") &&
              add_alt_names(cert, names, n_names) && X509_sign(cert, key, EVP_sha256()) > 0;
    return ok ? to_pem(cert, key, ret, err) : failed(err, "make a certificate");
}

static X509 *parse_cert(const struct buf *pem)
{
    AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    return bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

/* An encrypted key is refused; libcrypto would ask the terminal. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static EVP_PKEY *parse_key(const struct buf *pem)
{
    AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    return bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
}

static bool set_identity(X509 *cert, struct str user, const struct str *groups, size_t n)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    for (size_t i = 0; i < n; i++) {
        if (!add_entry(subject, "O", groups[i])) {
            return false;
        }
    }
    return add_entry(subject, "CN", user);
}

int crypto_client_cert(const struct crypto_keypair *ca, struct str user, const struct str *groups,
                       size_t n_groups, int days, struct crypto_keypair *ret, struct err *err)
{
    AUTO(free_x509) X509 *ca_cert = parse_cert(&ca->cert_pem);
    AUTO(free_pkey) EVP_PKEY *ca_key = parse_key(&ca->key_pem);
    if (!ca_cert || !ca_key) {
        return failed(err, "read the certificate authority");
    }
    AUTO(free_pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(free_x509) X509 *cert = X509_new();
    if (!key || !cert || !set_basics(cert, key, days)) {
        return failed(err, "make a client certificate");
    }
    bool ok = set_identity(cert, user, groups, n_groups) &&
              X509_set_issuer_name(cert, X509_get_subject_name(ca_cert)) == 1 &&
              add_extension(cert, ca_cert, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca_cert, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca_cert, NID_ext_key_usage, "clientAuth") &&
              add_extension(cert, ca_cert, NID_authority_key_identifier, "keyid:always") &&
              X509_sign(cert, ca_key, EVP_sha256()) > 0;
    return ok ? to_pem(cert, key, ret, err) : failed(err, "make a client certificate");
}

int crypto_check_certs(struct str pem, const char *from, struct err *err)
{
    AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem.ptr ? pem.ptr : "", (int)pem.len);
    size_t n = 0;
    X509 *cert;
    while (bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_free(cert);
        n++;
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (!n || !ended) {
        return err_set(err, ERR_BAD_REQUEST,
                       n ? "%s holds a broken certificate" : "%s holds no certificate in PEM form",
                       from);
    }
    return 0;
}

void crypto_keypair_finish(struct crypto_keypair *k)
{
    buf_finish(&k->cert_pem);
    if (k->key_pem.ptr) {
        OPENSSL_cleanse(k->key_pem.ptr, k->key_pem.cap);
    }
    buf_finish(&k->key_pem);
}
