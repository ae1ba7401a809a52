/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP transport on HTTP/2, by hand: literal headers, no table. */
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/apiserver/serving.h"

static void frame(struct buf *b, int type, int flags, uint32_t stream, struct str payload)
{
    unsigned char h[9] = {(unsigned char)(payload.len >> 16),
                          (unsigned char)(payload.len >> 8),
                          (unsigned char)payload.len,
                          (unsigned char)type,
                          (unsigned char)flags,
                          (unsigned char)(stream >> 24),
                          (unsigned char)(stream >> 16),
                          (unsigned char)(stream >> 8),
                          (unsigned char)stream};
    buf_add(b, str_make((char *)h, 9));
    buf_add(b, payload);
}

static void field(struct buf *b, const char *name, const char *value)
{
    buf_addc(b, 0);
    buf_addc(b, (char)strlen(name));
    buf_addz(b, name);
    buf_addc(b, (char)strlen(value));
    buf_addz(b, value);
}

static void h2_headers(struct buf *b, uint32_t stream, const char *method, const char *path,
                       bool end)
{
    struct buf h = {0};
    field(&h, ":method", method);
    field(&h, ":scheme", "http");
    field(&h, ":path", path);
    field(&h, ":authority", "h");
    frame(b, 1, 4 | (end ? 1 : 0), stream, buf_str(&h));
    buf_finish(&h);
}

static int h2_dial(struct world *w)
{
    int fd = dial(w);
    struct buf b = {0};
    buf_addz(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    /* a stream window of 16 MB, and the connection's too */
    frame(&b, 4, 0, 0, str_make("\x00\x04\x00\xff\xff\xff", 6));
    frame(&b, 8, 0, 0, str_make("\x00\xff\x00\x00", 4));
    wire_put(fd, buf_str(&b));
    buf_finish(&b);
    return fd;
}

struct h2_frame {
    int type, flags;
    uint32_t stream;
    struct buf payload;
};

static bool recv_all(int fd, char *p, size_t n)
{
    while (n) {
        ssize_t r = recv(fd, p, n, 0);
        if (r <= 0) {
            return false;
        }
        p += r;
        n -= (size_t)r;
    }
    return true;
}

static bool h2_next(int fd, struct h2_frame *f)
{
    unsigned char h[9];
    if (!recv_all(fd, (char *)h, 9)) {
        return false;
    }
    size_t n = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
    f->type = h[3];
    f->flags = h[4];
    f->stream = (uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8];
    f->payload.len = 0;
    buf_reserve(&f->payload, n + 1);
    f->payload.len = n;
    return recv_all(fd, f->payload.ptr, n);
}

/* Gathers the DATA of a stream to its end; *ret_reset: its RST_STREAM code or -1. */
static struct buf h2_body(int fd, uint32_t stream, int *ret_reset)
{
    struct h2_frame f = {0};
    struct buf body = {0};
    *ret_reset = -2;
    while (h2_next(fd, &f)) {
        if (f.stream == stream && f.type == 0) {
            buf_add(&body, buf_str(&f.payload));
            if (f.flags & 1) {
                *ret_reset = -1;
                break;
            }
        }
        if (f.stream == stream && f.type == 3) {
            *ret_reset = (unsigned char)f.payload.ptr[3];
            break;
        }
    }
    buf_finish(&f.payload);
    buf_addc(&body, 0);
    body.len--;
    return body;
}

static void h2_request(void **state)
{
    struct world *w = *state;
    int fd = h2_dial(w), reset;
    struct buf b = {0};
    h2_headers(&b, 1, "GET", "/two?q=1", true);
    wire_put(fd, buf_str(&b));
    struct buf body = h2_body(fd, 1, &reset);
    assert_string_equal(body.ptr, "GET /two?q=1 v20 user= groups=0 body=0:");
    buf_finish(&body);
    b.len = 0;
    h2_headers(&b, 3, "GET", "/stream?9", true);
    wire_put(fd, buf_str(&b));
    body = h2_body(fd, 3, &reset);
    assert_int_equal(reset, -1);
    assert_int_equal(body.len, 900009);
    buf_finish(&body);
    buf_finish(&b);
    close(fd);
}

/* A body above the limit gets an answer, not a refused stream that clients would send again. */
static void h2_large_body(void **state)
{
    struct world *w = *state;
    int fd = h2_dial(w), reset;
    struct buf b = {0}, chunk = {0};
    memset(buf_reserve(&chunk, 16384), 'x', 16384);
    chunk.len = 16384;
    h2_headers(&b, 1, "POST", "/big", false);
    for (size_t i = 0; i < 4 * 1024 * 1024 / 16384; i++) {
        frame(&b, 0, 0, 1, buf_str(&chunk));
    }
    frame(&b, 0, 1, 1, STR(""));
    wire_put(fd, buf_str(&b));
    struct buf body = h2_body(fd, 1, &reset);
    assert_int_equal(reset, -1);
    assert_non_null(strstr(body.ptr, "POST /big? v20 user= groups=0 body=0:"));
    buf_finish(&body);
    buf_finish(&b);
    buf_finish(&chunk);
    close(fd);
}

static void h2_watch(void **state)
{
    struct world *w = *state;
    int fd = h2_dial(w);
    struct buf b = {0};
    struct h2_frame f = {0};
    h2_headers(&b, 1, "GET", "/watch", true);
    wire_put(fd, buf_str(&b));
    do {
        assert_true(h2_next(fd, &f));
    } while (f.type != 1); /* HEADERS before any event */
    wire_sleep_ms(20);
    assert_true(http_post(w->held->loop, push_line, w));
    do {
        assert_true(h2_next(fd, &f));
    } while (f.type != 0);
    assert_true(str_eq(buf_str(&f.payload), STR("{\"n\":1}\n")));
    b.len = 0;
    frame(&b, 3, 0, 1, str_make("\x00\x00\x00\x08", 4)); /* RST_STREAM CANCEL */
    wire_put(fd, buf_str(&b));
    assert_true(wait_for(&w->gone, 1));
    wait_active(w, 0);
    b.len = 0;
    h2_headers(&b, 3, "GET", "/still", true); /* the connection goes on */
    wire_put(fd, buf_str(&b));
    int reset;
    struct buf body = h2_body(fd, 3, &reset);
    assert_non_null(strstr(body.ptr, "GET /still?"));
    buf_finish(&body);
    buf_finish(&f.payload);
    buf_finish(&b);
    close(fd);
}

/* CVE-2023-44487: requests that are reset as soon as they are made. */
static void h2_rapid_reset(void **state)
{
    struct world *w = *state;
    int fd = h2_dial(w);
    struct buf b = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        h2_headers(&b, 2 * i + 1, "GET", "/hold", true);
        frame(&b, 3, 0, 2 * i + 1, str_make("\x00\x00\x00\x08", 4));
    }
    wire_put(fd, buf_str(&b));
    struct h2_frame f = {0};
    while (h2_next(fd, &f)) {
    }
    /* cut off long before the end */
    assert_true(atomic_load(&w->begun) < 2500);
    buf_finish(&f.payload);
    buf_finish(&b);
    close(fd);
    wait_active(w, 0);
}

static void abort_now(void *arg)
{
    struct world *w = arg;
    http_stream_abort(w->held);
}

static void aborts(void **state)
{
    struct world *w = *state;
    int fd = h2_dial(w), reset;
    struct buf b = {0};
    h2_headers(&b, 1, "GET", "/watch", true);
    wire_put(fd, buf_str(&b));
    assert_true(wait_for(&w->begun, 1));
    wire_sleep_ms(20);
    assert_true(http_post(w->held->loop, abort_now, w));
    struct buf body = h2_body(fd, 1, &reset);
    assert_true(reset > 0);
    buf_finish(&body);
    b.len = 0;
    close(fd);
    fd = dial(w);
    wire_putz(fd, "GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(wait_for(&w->begun, 2));
    wire_sleep_ms(20);
    assert_true(http_post(w->held->loop, abort_now, w));
    b.len = 0;
    wire_get(fd, NULL, &b);
    assert_null(strstr(b.ptr, "0\r\n\r\n")); /* no proper end */
    buf_finish(&b);
    close(fd);
    wait_active(w, 0);
}

static void h2_drain(void **state)
{
    struct world *w = *state;
    int fd = h2_dial(w);
    struct buf b = {0};
    struct h2_frame f = {0};
    h2_headers(&b, 1, "GET", "/watch", true);
    wire_put(fd, buf_str(&b));
    assert_true(wait_for(&w->begun, 1));
    http_server_drain(w->server);
    do {
        assert_true(h2_next(fd, &f));
    } while (f.type != 7); /* GOAWAY */
    assert_true(http_post(w->held->loop, push_end, w));
    do {
        assert_true(h2_next(fd, &f));
    } while (f.type != 0 || !(f.flags & 1));
    http_server_stop(w->server, 3000);
    assert_int_equal(atomic_load(&w->gone), 0);
    buf_finish(&f.payload);
    buf_finish(&b);
    close(fd);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        SERVED(h2_request, plain),     SERVED(h2_large_body, plain), SERVED(h2_watch, plain),
        SERVED(h2_rapid_reset, plain), SERVED(aborts, plain),        SERVED(h2_drain, plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
