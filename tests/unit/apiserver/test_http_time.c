/* SPDX-License-Identifier: Apache-2.0 */
/* The time that a peer of the transport may take: slow heads and bodies, handshakes that never end,
 * readers that do not read; with times that a test can wait for. */
#include "apiserver/http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/metrics.h"
#include "tests/unit/apiserver/wire.h"

enum { HEAD_MS = 1200, BODY_MS = 7000, IDLE_MS = 2000, STALL_MS = 1600, LARGE = 8 << 20 };
enum { LATE_MS = 50000 }; /* none of those times may be longer, on a machine under load too */

struct world {
    struct http_server *server;
    struct metrics *metrics;
    char dir[64];
    char *cert, *key;
};

static char *pem(struct world *w, const char *name, const struct buf *bytes)
{
    char *path = alloc_printf("%s/%s", w->dir, name);
    assert_int_equal(file_write(path, buf_str(bytes), 0600, NULL), 0);
    return path;
}

static void certificates(struct world *w)
{
    struct crypto_keypair k = {0};
    struct str name = STR("localhost");
    assert_int_equal(crypto_self_signed("test", &name, 1, 10, &k, NULL), 0);
    w->cert = pem(w, "cert.pem", &k.cert_pem);
    w->key = pem(w, "key.pem", &k.key_pem);
    crypto_keypair_finish(&k);
}

static void handler(void *arg, struct http_request *r)
{
    struct buf b = {0};
    (void)arg;
    if (str_is(r->path, "/large")) {
        memset(buf_reserve(&b, LARGE), 'x', LARGE);
        b.len = LARGE;
    } else {
        buf_printf(&b, "body=%zu", r->body.len);
    }
    http_respond(r, 200, NULL, 0, &b);
}

static int begin(void **state, bool tls)
{
    static const struct http_times times = {.head = HEAD_MS,
                                            .body = BODY_MS,
                                            .idle = IDLE_MS,
                                            .handshake = HEAD_MS,
                                            .stall = STALL_MS,
                                            .tick = 20};
    static const char *const listen[] = {"127.0.0.1:0"};
    struct world *w = ALLOC(struct world);
    snprintf(w->dir, sizeof(w->dir), "/tmp/coracle-time-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    certificates(w);
    w->metrics = metrics_create();
    struct http_options o = {.listen = listen,
                             .n_listen = 1,
                             .tls = tls,
                             .cert_file = w->cert,
                             .key_file = w->key,
                             .loops = 1,
                             .handler = handler,
                             .times = &times,
                             .metrics = w->metrics};
    assert_int_equal(http_server_create(&o, &w->server, NULL), 0);
    assert_int_equal(http_server_start(w->server, NULL), 0);
    *state = w;
    return 0;
}

static int plain(void **state)
{
    return begin(state, false);
}

static int secure(void **state)
{
    return begin(state, true);
}

static int finish(void **state)
{
    struct world *w = *state;
    http_server_drain(w->server);
    http_server_stop(w->server, 0);
    http_server_destroy(w->server);
    metrics_destroy(w->metrics);
    unlink(w->cert);
    unlink(w->key);
    rmdir(w->dir);
    free(w->cert);
    free(w->key);
    free(w);
    return 0;
}

static int dial(const struct world *w)
{
    return wire_dial(http_server_address(w->server, 0));
}

static bool counted_now(const struct world *w, const char *reason)
{
    struct buf b = {0};
    metrics_write(w->metrics, &b);
    buf_addc(&b, 0);
    char *line = alloc_printf("apiserver_rejected_requests_total{reason=\"%s\"} 0\n", reason);
    bool zero = strstr(b.ptr, line) != NULL;
    free(line);
    buf_finish(&b);
    return !zero;
}

static bool counted(const struct world *w, const char *reason)
{
    for (int i = 0; i < LATE_MS / 10 && !counted_now(w, reason); i++) {
        wire_sleep_ms(10);
    }
    return counted_now(w, reason);
}

/* Sends `piece` every 20 ms until the peer closes or `ms` are over. */
static void trickle(int fd, struct str piece, int64_t ms)
{
    int64_t begun = clock_mono_ms();
    char c;
    while (clock_mono_ms() - begun < ms) {
        if (send(fd, piece.ptr, piece.len, MSG_NOSIGNAL) < 0 ||
            recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) >= 0) {
            break;
        }
        wire_sleep_ms(20);
    }
}

static void ends_with(int fd, const char *status)
{
    struct buf b = {0};
    assert_non_null(strstr(wire_get(fd, NULL, &b), status));
    buf_finish(&b);
    close(fd);
}

static void slow_head(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    int fd = dial(w);
    wire_putz(fd, "GET / HTTP/1.1\r\nX: ");
    trickle(fd, STR("y"), LATE_MS);
    assert_in_range(clock_mono_ms() - begun, HEAD_MS - 50, LATE_MS - 1);
    ends_with(fd, "HTTP/1.1 408 ");
    assert_true(counted(w, "head-timeout"));
}

static void slow_body(void **state)
{
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"};
    struct world *w = *state;
    for (int i = 0; i < 2; i++) {
        int64_t begun = clock_mono_ms();
        int fd = dial(w);
        wire_putz(fd, heads[i]);
        trickle(fd, i ? STR("1\r\nx\r\n") : STR("x"), LATE_MS);
        assert_in_range(clock_mono_ms() - begun, BODY_MS - 50, LATE_MS - 1);
        ends_with(fd, "HTTP/1.1 408 ");
    }
    assert_true(counted(w, "body-timeout"));
}

/* It takes longer than a head may, and pauses longer than a connection may be idle. */
static void slow_body_in_time(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    wire_putz(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\nConnection: close\r\n\r\n");
    wire_putz(fd, "0123456789");
    wire_sleep_ms(IDLE_MS + 200);
    wire_putz(fd, "0123456789");
    ends_with(fd, "body=20");
    assert_false(counted_now(w, "body-timeout"));
}

static void idle(void **state)
{
    struct world *w = *state;
    struct buf b = {0};
    int64_t begun = clock_mono_ms();
    int fresh = dial(w), used = dial(w);
    wire_putz(used, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(wire_get(used, "body=0", &b), "200"));
    char c;
    assert_int_equal(recv(used, &c, 1, 0), 0);
    assert_int_equal(recv(fresh, &c, 1, 0), 0);
    assert_in_range(clock_mono_ms() - begun, IDLE_MS / 2, LATE_MS);
    buf_finish(&b);
    close(used);
    close(fresh);
}

static void slow_handshake(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    int fd = dial(w), silent = dial(w);
    trickle(fd, STR("\x16"), 100);
    trickle(fd, STR("\x03"), 100);
    char c;
    assert_true(recv(silent, &c, 1, 0) <= 0);
    assert_in_range(clock_mono_ms() - begun, HEAD_MS / 2, LATE_MS);
    assert_true(counted(w, "handshake-timeout"));
    close(fd);
    close(silent);
}

/* Nothing of an answer is read: it ends, and what it held is free. */
static void stalled(int fd, const struct world *w, int64_t begun)
{
    assert_true(counted(w, "stalled-reader"));
    assert_true(clock_mono_ms() - begun >= STALL_MS / 2 - 50);
    while (http_server_active(w->server) && clock_mono_ms() - begun < LATE_MS) {
        wire_sleep_ms(2);
    }
    assert_int_equal(http_server_active(w->server), 0);
    close(fd);
}

static void stalled_reader(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    int fd = dial(w), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    wire_putz(fd, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    stalled(fd, w, begun);
}

static void put_frame(int fd, int type, int flags, unsigned stream, struct str payload)
{
    char head[9] = {0, (char)(payload.len >> 8), (char)payload.len, (char)type, (char)flags, 0,
                    0, (char)(stream >> 8),      (char)stream};
    wire_put(fd, str_make(head, 9));
    wire_put(fd, payload);
}

/* :method, :scheme http, :path /large, :authority h */
#define HPACK(method) method "\x86\x04\x06/large\x01\x01h"

static int dial2(const struct world *w, struct str settings)
{
    int fd = dial(w);
    wire_putz(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_frame(fd, 4, 0, 0, settings);
    return fd;
}

static void stalled_window(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    int fd = dial2(w, str_make("\0\4\0\0\0\0", 6));
    put_frame(fd, 1, 5, 1, STR(HPACK("\x82")));
    stalled(fd, w, begun);
}

/* Bytes that go on coming do not keep a stream or a connection. */
static void slow_upload(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    int fd = dial2(w, STR(""));
    put_frame(fd, 1, 4, 1, STR(HPACK("\x83")));
    while (!counted_now(w, "body-timeout") && clock_mono_ms() - begun < LATE_MS) {
        put_frame(fd, 0, 0, 1, STR("x"));
        wire_sleep_ms(20);
    }
    assert_in_range(clock_mono_ms() - begun, BODY_MS - 50, LATE_MS - 1);
    put_frame(fd, 1, 5, 3, STR(HPACK("\x82"))); /* the connection is as good as before */
    struct buf b = {0};
    wire_get(fd, "xxxxxxxx", &b);
    assert_true(b.len > 1000);
    buf_finish(&b);
    close(fd);
}

static void slow_frames(void **state)
{
    struct world *w = *state;
    static const char *const begins[] = {"\0\0\x10\1\4\0\0\0\1", "\0\0\1\1\1\0\0\0\1\x82"};
    for (int i = 0; i < 2; i++) {
        int64_t begun = clock_mono_ms();
        int fd = dial2(w, STR(""));
        wire_put(fd, str_make(begins[i], i ? 10 : 9));
        struct buf b = {0};
        wire_get(fd, NULL, &b);
        assert_in_range(clock_mono_ms() - begun, HEAD_MS - 50, LATE_MS);
        buf_finish(&b);
        close(fd);
    }
    assert_true(counted(w, "head-timeout"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define T(f, s) cmocka_unit_test_setup_teardown(f, s, finish)
    const struct CMUnitTest tests[] = {
        T(slow_head, plain),      T(slow_body, plain),       T(slow_body_in_time, plain),
        T(idle, plain),           T(slow_handshake, secure), T(stalled_reader, plain),
        T(stalled_window, plain), T(slow_upload, plain),     T(slow_frames, plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
