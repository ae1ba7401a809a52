/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts, and who a client's certificate says it is. */
#include "apiserver/http_priv.h"

#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/alloc.h"

static int tls_error(struct err *err, const char *what, const char *file)
{
    char text[256] = "unknown error";
    unsigned long code = ERR_get_error();
    if (code) {
        ERR_error_string_n(code, text, sizeof(text));
    }
    ERR_clear_error();
    return err_set(err, ERR_IO, "%s %s: %s", what, file, text);
}

/* ---- client certificates ---- */

static char *entry_text(const X509_NAME_ENTRY *e)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e));
    if (n < 0) {
        return NULL;
    }
    char *s = memchr(utf8, 0, (size_t)n) ? NULL : alloc_str(str_make((char *)utf8, (size_t)n));
    OPENSSL_free(utf8);
    return s;
}

int64_t http_tls_seconds(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* CN is the user, each O a group, as the reference reads a client certificate. NULL: it has no CN.
 */
static struct http_identity *identity_of(X509 *cert)
{
    struct http_identity *id = ALLOC(struct http_identity);
    const X509_NAME *subject = X509_get_subject_name(cert);
    int n = X509_NAME_entry_count(subject);
    id->groups = alloc_zero((size_t)n * sizeof(char *));
    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *e = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(e));
        char *text = nid == NID_commonName || nid == NID_organizationName ? entry_text(e) : NULL;
        if (text && nid == NID_organizationName) {
            id->groups[id->n_groups++] = text;
        } else if (text) {
            free(id->user);
            id->user = text;
        }
    }
    if (!id->user) {
        http_identity_destroy(id);
        return NULL;
    }
    id->expires = http_tls_seconds(X509_get0_notAfter(cert));
    return id;
}

void http_identity_destroy(struct http_identity *i)
{
    if (!i) {
        return;
    }
    for (size_t k = 0; k < i->n_groups; k++) {
        free(i->groups[k]);
    }
    free(i->groups);
    free(i->user);
    free(i);
}

/* h2o gives no access to the SSL object; its BIO leads from here to the socket and so to the
 * connection. */
static void on_info(const SSL *ssl, int where, int ret)
{
    (void)ret;
    BIO *bio = where & SSL_CB_HANDSHAKE_DONE ? SSL_get_rbio(ssl) : NULL;
    h2o_socket_t *sock = bio ? BIO_get_data(bio) : NULL;
    struct http_conn *c = sock ? sock->on_close.data : NULL;
    if (!c) {
        return;
    }
    c->ssl = (SSL *)(uintptr_t)ssl;
    X509 *cert = SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get1_peer_certificate(ssl) : NULL;
    if (cert) {
        http_identity_destroy(c->ident);
        c->ident = identity_of(cert);
        X509_free(cert);
    }
}

/* A certificate that does not verify is no identity, but no reason to refuse the connection either:
 * there may be a token. The result stays with the session, where on_info looks at it. */
static int on_verify(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

static int ask_for_certificates(SSL_CTX *ctx, const char *ca_file, struct err *err)
{
    if (SSL_CTX_load_verify_locations(ctx, ca_file, NULL) != 1) {
        return tls_error(err, "cannot read the client CA file", ca_file);
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
    if (!names) {
        return tls_error(err, "cannot read the client CA file", ca_file);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    return 0;
}

/* ---- contexts ---- */

static int load(SSL_CTX *ctx, const struct http_server *s, struct err *err)
{
    if (!s->cert_file || !s->key_file) {
        return err_set(err, ERR_BAD_REQUEST, "TLS needs a certificate file and a key file");
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, s->cert_file) != 1) {
        return tls_error(err, "cannot use the certificate in", s->cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, s->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        return tls_error(err, "cannot use the key in", s->key_file);
    }
    return s->client_ca_file ? ask_for_certificates(ctx, s->client_ca_file, err) : 0;
}

int http_tls_create(const struct http_server *s, SSL_CTX **ret, struct err *err)
{
    static const unsigned char session_id[] = "coracle";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        return tls_error(err, "cannot make", "a TLS context");
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do */
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_session_id_context(ctx, session_id, sizeof(session_id) - 1);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    h2o_ssl_register_alpn_protocols(ctx, h2o_alpn_protocols);
    int r = load(ctx, s, err);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return r;
    }
    *ret = ctx;
    return 0;
}
