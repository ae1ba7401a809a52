/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server with a handler of the tests' own, in the clear or over TLS: paths that echo,
 * answer late, stream, hold and watch. */
#ifndef TESTS_APISERVER_SERVING_H
#define TESTS_APISERVER_SERVING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "apiserver/http.h"
#include "base/alloc.h"
#include "base/crypto.h"
#include "base/file.h"
#include "tests/unit/apiserver/wire.h"

/* ---- the handler under test ---- */

struct world {
    struct http_server *server;
    struct buf cert_pem;
    char dir[64];
    _Atomic int gone, begun, ended;
    struct http_request *held; /* of /hold and /watch */
    pthread_mutex_t lock;
    char *cert, *key, *ca;
};

static inline void answer(struct http_request *r, int status, struct buf *b)
{
    struct http_header h[] = {{STR("content-type"), STR("text/plain")}};
    http_respond(r, status, h, 1, b);
}

static inline void on_gone(void *arg, struct http_request *r)
{
    struct world *w = arg;
    (void)r;
    atomic_fetch_add(&w->gone, 1);
}

static inline void echo(struct http_request *r)
{
    struct buf b = {0};
    buf_printf(&b, "%.*s %.*s?%.*s v%d user=%.*s groups=%zu body=%zu:", STR_FMT(r->method),
               STR_FMT(r->path), STR_FMT(r->query), r->version, STR_FMT(r->cert_user),
               r->n_cert_groups, r->body.len);
    if (r->body.len < 1000) {
        buf_add(&b, r->body);
    }
    answer(r, r->body_state == HTTP_BODY_TOO_LARGE ? 413 : 200, &b);
}

struct later {
    struct http_request *r;
};

static inline void later_on_loop(void *arg)
{
    struct http_request *r = arg;
    echo(r);
    http_request_unref(r);
}

static inline void *later_thread(void *arg)
{
    struct http_request *r = arg;
    wire_sleep_ms(5);
    if (!http_post(r->loop, later_on_loop, r)) {
        http_request_unref(r);
    }
    return NULL;
}

static inline void stream_ready(void *arg, struct http_request *r)
{
    size_t *left = r->user;
    (void)arg;
    if (*left == 0) {
        free(left);
        r->user = NULL;
        http_stream_send(r, NULL, 0, true);
        return;
    }
    struct blob *b = blob_alloc(100000);
    memset(b->data, 'a' + (int)(*left % 26), b->len);
    struct blob *two[] = {b, blob_create(STR("\n"))};
    --*left;
    http_stream_send(r, two, 2, false);
}

static inline void stream_gone(void *arg, struct http_request *r)
{
    on_gone(arg, r);
    free(r->user);
    r->user = NULL;
}

static inline void watch_ready(void *arg, struct http_request *r)
{
    (void)arg;
    (void)r;
}

static inline void hold(struct world *w, struct http_request *r)
{
    pthread_mutex_lock(&w->lock);
    if (w->held) {
        http_request_unref(w->held);
    }
    w->held = http_request_ref(r);
    pthread_mutex_unlock(&w->lock);
}

static inline void handler(void *arg, struct http_request *r)
{
    struct world *w = arg;
    struct http_header json[] = {{STR("content-type"), STR("application/json")}};
    http_on_gone(r, on_gone, w);
    if (str_is(r->path, "/later")) {
        pthread_t t;
        http_request_ref(r);
        assert_int_equal(pthread_create(&t, NULL, later_thread, r), 0);
        pthread_detach(t);
    } else if (str_is(r->path, "/stream")) {
        size_t *left = alloc_bytes(sizeof(*left));
        *left = (size_t)strtoul(r->query.ptr, NULL, 10);
        r->user = left;
        http_on_gone(r, stream_gone, w);
        http_stream_begin(r, 200, json, 1, stream_ready, w);
    } else if (str_is(r->path, "/watch")) {
        hold(w, r);
        http_stream_begin(r, 200, json, 1, watch_ready, w);
    } else if (str_is(r->path, "/hold")) {
        hold(w, r);
    } else {
        echo(r);
    }
    atomic_fetch_add(&w->begun, 1);
}

static inline void loop_begin(void *arg)
{
    http_loop_set_user(arg, arg);
}

static inline void loop_end(void *arg)
{
    assert_ptr_equal(http_loop_user(arg), arg);
}

/* ---- servers ---- */

static inline char *pem(struct world *w, const char *name, struct str bytes)
{
    char *path = alloc_printf("%s/%s", w->dir, name);
    assert_int_equal(file_write(path, bytes, 0600, NULL), 0);
    return path;
}

static inline void certificates(struct world *w)
{
    struct crypto_keypair k = {0}, client = {0};
    struct str names[] = {STR("localhost"), STR("127.0.0.1")}, groups[] = {STR("g1"), STR("g2")};
    assert_int_equal(crypto_self_signed("test", names, 2, 10, &k, NULL), 0);
    assert_int_equal(crypto_client_cert(&k, STR("alice"), groups, 2, 10, &client, NULL), 0);
    w->cert = pem(w, "cert.pem", buf_str(&k.cert_pem));
    w->key = pem(w, "key.pem", buf_str(&k.key_pem));
    free(pem(w, "client.pem", buf_str(&client.cert_pem)));
    free(pem(w, "client.key", buf_str(&client.key_pem)));
    crypto_keypair_finish(&client);
    crypto_keypair_finish(&k);
    struct crypto_keypair other = {0};
    assert_int_equal(crypto_self_signed("other", names, 2, 10, &other, NULL), 0);
    assert_int_equal(crypto_client_cert(&other, STR("mallory"), groups, 2, 10, &client, NULL), 0);
    free(pem(w, "bad.pem", buf_str(&client.cert_pem)));
    free(pem(w, "bad.key", buf_str(&client.key_pem)));
    crypto_keypair_finish(&client);
    crypto_keypair_finish(&other);
}

static inline struct world *world_start(bool tls, size_t loops)
{
    struct world *w = ALLOC(struct world);
    pthread_mutex_init(&w->lock, NULL);
    snprintf(w->dir, sizeof(w->dir), "/tmp/coracle-http-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    certificates(w);
    char *unix_path = alloc_printf("unix:%s/sock", w->dir);
    const char *listen[] = {"127.0.0.1:0", unix_path};
    struct http_options o = {.listen = listen,
                             .n_listen = 2,
                             .tls = tls,
                             .cert_file = w->cert,
                             .key_file = w->key,
                             .client_ca_file = tls ? w->cert : NULL,
                             .loops = loops,
                             .handler = handler,
                             .handler_arg = w,
                             .loop_begin = loop_begin,
                             .loop_end = loop_end};
    struct err err = {0};
    assert_int_equal(http_server_create(&o, &w->server, &err), 0);
    assert_int_equal(http_server_start(w->server, &err), 0);
    free(unix_path);
    return w;
}

static inline int plain(void **state)
{
    *state = world_start(false, 2);
    return 0;
}

static inline int secure(void **state)
{
    *state = world_start(true, 2);
    return 0;
}

static inline int finish(void **state)
{
    struct world *w = *state;
    if (w->held) {
        http_request_unref(w->held);
    }
    http_server_drain(w->server);
    http_server_stop(w->server, 0);
    http_server_destroy(w->server);
    const char *cmd[] = {"cert.pem", "key.pem", "client.pem", "client.key", "bad.pem", "bad.key"};
    for (size_t i = 0; i < sizeof(cmd) / sizeof(*cmd); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", w->dir, cmd[i]);
        unlink(path);
    }
    rmdir(w->dir);
    free(w->cert);
    free(w->key);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

static inline bool wait_for(const _Atomic int *what, int least)
{
    for (int i = 0; i < 30000 && atomic_load(what) < least; i++) {
        wire_sleep_ms(2);
    }
    return atomic_load(what) >= least;
}

static inline void wait_active(struct world *w, size_t n)
{
    for (int i = 0; i < 30000 && http_server_active(w->server) != n; i++) {
        wire_sleep_ms(2);
    }
    assert_int_equal(http_server_active(w->server), n);
}

static inline int dial(struct world *w)
{
    return wire_dial(http_server_address(w->server, 0));
}

/* ---- what a watch is sent, in its loop ---- */

static inline void push_line(void *arg)
{
    struct world *w = arg;
    struct blob *b = blob_create(STR("{\"n\":1}\n"));
    assert_true(http_stream_writable(w->held));
    http_stream_send(w->held, &b, 1, false);
}

static inline void push_end(void *arg)
{
    struct world *w = arg;
    http_stream_send(w->held, NULL, 0, true);
}

#define SERVED(f, how) cmocka_unit_test_setup_teardown(f, how, finish)

#endif
