/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP transport over TLS: certificates of both sides, resumption, new certificates. */
#include <signal.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "tests/unit/apiserver/serving.h"

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

/* Without the handshake. */
static struct tls_client tls_begin(struct world *w, const char *cert, const char *alpn)
{
    struct tls_client c = {.ctx = SSL_CTX_new(TLS_client_method()), .fd = dial(w)};
    assert_int_equal(SSL_CTX_load_verify_locations(c.ctx, w->cert, NULL), 1);
    SSL_CTX_set_verify(c.ctx, SSL_VERIFY_PEER, NULL);
    if (cert) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s.pem", w->dir, cert);
        assert_int_equal(SSL_CTX_use_certificate_file(c.ctx, path, SSL_FILETYPE_PEM), 1);
        snprintf(path, sizeof(path), "%s/%s.key", w->dir, cert);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(c.ctx, path, SSL_FILETYPE_PEM), 1);
    }
    c.ssl = SSL_new(c.ctx);
    if (alpn) {
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    }
    SSL_set_fd(c.ssl, c.fd);
    return c;
}

static struct tls_client tls_dial(struct world *w, const char *cert, const char *alpn)
{
    struct tls_client c = tls_begin(w, cert, alpn);
    assert_int_equal(SSL_connect(c.ssl), 1);
    return c;
}

static void tls_close(struct tls_client *c)
{
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

/* As tls_dial once the server shows the certificate that the files hold now. */
static struct tls_client tls_dial_renewed(struct world *w)
{
    for (int i = 0; i < 3000; i++) {
        struct tls_client c = tls_begin(w, NULL, NULL);
        if (SSL_connect(c.ssl) == 1) {
            return c;
        }
        tls_close(&c);
        wire_sleep_ms(20);
    }
    fail_msg("the old certificate is shown still");
    return (struct tls_client){0};
}

static char *tls_get(struct tls_client *c, const char *enough, struct buf *b)
{
    for (;;) {
        buf_addc(b, 0);
        b->len--;
        if (strstr(b->ptr, enough)) {
            return b->ptr;
        }
        int n = SSL_read(c->ssl, buf_reserve(b, 16384), 16384);
        assert_true(n > 0);
        b->len += (size_t)n;
    }
}

static void tls_putz(struct tls_client *c, const char *z)
{
    assert_int_equal(SSL_write(c->ssl, z, (int)strlen(z)), (int)strlen(z));
}

static void tls_request(void **state)
{
    struct world *w = *state;
    struct tls_client c = tls_dial(w, NULL, "\x08http/1.1");
    struct buf b = {0};
    tls_putz(&c, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c, "GET /t? v11 user= groups=0", &b);
    buf_finish(&b);
    tls_putz(&c, "GET /stream?20 HTTP/1.1\r\nHost: h\r\n\r\n");
    char *t = tls_get(&c, "\r\n0\r\n\r\n", &b);
    assert_int_equal(wire_count(t, "186a1\r\n"), 20);
    buf_finish(&b);
    tls_close(&c);
}

static void tls_identity(void **state)
{
    struct world *w = *state;
    struct tls_client c = tls_dial(w, "client", NULL);
    struct buf b = {0};
    tls_putz(&c, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c, "user=alice groups=2", &b);
    buf_finish(&b);
    /* TLS 1.3 resumption keeps it */
    SSL_SESSION *session = SSL_get1_session(c.ssl);
    tls_close(&c);
    assert_true(SSL_SESSION_is_resumable(session));
    SSL_SESSION_free(session);
    c = tls_dial(w, "bad", NULL);
    tls_putz(&c, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c, "user= groups=0", &b);
    buf_finish(&b);
    tls_close(&c);
}

static void tls_resumption(void **state)
{
    struct world *w = *state;
    struct tls_client c = tls_dial(w, "client", NULL);
    struct buf b = {0};
    tls_putz(&c, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c, "user=alice", &b);
    buf_finish(&b);
    SSL_SESSION *session = SSL_get1_session(c.ssl);
    SSL *again = SSL_new(c.ctx);
    int fd = dial(w);
    SSL_set_session(again, session);
    SSL_set_fd(again, fd);
    assert_int_equal(SSL_connect(again), 1);
    assert_int_equal(SSL_session_reused(again), 1);
    struct tls_client c2 = {.ssl = again, .fd = fd};
    tls_putz(&c2, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c2, "user=alice groups=2", &b);
    buf_finish(&b);
    SSL_shutdown(again);
    SSL_free(again);
    close(fd);
    SSL_SESSION_free(session);
    tls_close(&c);
}

static void tls_watch_gone(void **state)
{
    struct world *w = *state;
    struct tls_client c = tls_dial(w, NULL, NULL);
    struct buf b = {0};
    tls_putz(&c, "GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c, "\r\n\r\n", &b);
    buf_finish(&b);
    tls_close(&c);
    assert_true(wait_for(&w->gone, 1));
    wait_active(w, 0);
}

static void tls_reload(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct crypto_keypair k = {0};
    struct str names[] = {STR("renewed")};
    struct buf b = {0};
    assert_int_equal(crypto_self_signed("renewed", names, 1, 10, &k, NULL), 0);
    assert_int_equal(file_write(w->cert, buf_str(&k.cert_pem), 0600, NULL), 0);
    assert_int_equal(http_server_reload(w->server, &err), ERR_IO); /* the key does not fit */
    err_finish(&err);
    assert_int_equal(file_write(w->key, buf_str(&k.key_pem), 0600, NULL), 0);
    assert_int_equal(http_server_reload(w->server, &err), 0);
    crypto_keypair_finish(&k);
    struct tls_client c = tls_dial_renewed(w); /* verifies against the new certificate */
    tls_putz(&c, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    tls_get(&c, "GET /t?", &b);
    buf_finish(&b);
    tls_close(&c);
}

static void count(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

/* Connections that were accepted before the files changed and say something only after are served,
 * under the certificate of then. */
static void tls_reload_under_way(void **state)
{
    struct world *w = *state;
    struct crypto_keypair k = {0};
    struct str names[] = {STR("renewed")};
    struct buf b = {0};
    struct tls_client early[4];
    _Atomic int swapped = 0;
    for (size_t i = 0; i < 4; i++) {
        early[i] = tls_begin(w, NULL, NULL);
    }
    int late = dial(w); /* when it is answered those before it are accepted; nothing of it stays */
    wire_putz(late, "GET / HTTP/1.1\r\n\r\n");
    assert_non_null(strstr(wire_get(late, NULL, &b), "400 Bad Request"));
    buf_finish(&b);
    close(late);
    assert_int_equal(crypto_self_signed("renewed", names, 1, 10, &k, NULL), 0);
    assert_int_equal(file_write(w->cert, buf_str(&k.cert_pem), 0600, NULL), 0);
    assert_int_equal(file_write(w->key, buf_str(&k.key_pem), 0600, NULL), 0);
    assert_int_equal(http_server_reload(w->server, NULL), 0);
    for (size_t i = 0; i < http_loops(w->server); i++) {
        assert_true(http_post(http_loop_at(w->server, i), count, &swapped));
    }
    assert_true(wait_for(&swapped, (int)http_loops(w->server)));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(SSL_connect(early[i].ssl), 1);
        tls_putz(&early[i], "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
        tls_get(&early[i], "GET /t?", &b);
        buf_finish(&b);
        tls_close(&early[i]);
    }
    crypto_keypair_finish(&k);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        SERVED(tls_request, secure),    SERVED(tls_identity, secure),
        SERVED(tls_resumption, secure), SERVED(tls_watch_gone, secure),
        SERVED(tls_reload, secure),     SERVED(tls_reload_under_way, secure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
