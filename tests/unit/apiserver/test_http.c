/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP transport on HTTP/1.1, its life and its loops. */
#include <poll.h>
#include <signal.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/apiserver/serving.h"

static void h1_request(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct buf b = {0};
    wire_putz(fd, "GET /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n");
    char *t = wire_get(fd, "body=0:", &b);
    assert_non_null(strstr(t, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(t, "content-type: text/plain\r\n"));
    assert_null(strstr(t, "erver:"));
    assert_non_null(strstr(t, "GET /a%20b?x=1&y v11 user= groups=0 body=0:"));
    buf_finish(&b);
    wire_putz(fd, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_non_null(strstr(wire_get(fd, ":hello", &b), "POST /x? v11"));
    buf_finish(&b);
    wire_putz(fd, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    assert_non_null(strstr(wire_get(fd, ":abcdefg", &b), "body=7:abcdefg"));
    buf_finish(&b);
    wire_putz(fd, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    t = wire_get(fd, "/after", &b);
    assert_null(strstr(t, "HEAD /x")); /* no body of its own */
    assert_int_equal(wire_count(t, "HTTP/1.1 200"), 2);
    buf_finish(&b);
    close(fd);
}

static void h1_pipelining(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct buf b = {0};
    wire_putz(fd,
              "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /later HTTP/1.1\r\nHost: h\r\n\r\n"
              "POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyzGET /4 HTTP/1.1\r\nHost: "
              "h\r\n\r\n");
    char *t = wire_get(fd, "GET /4?", &b);
    assert_int_equal(wire_count(t, "HTTP/1.1 200"), 4);
    char *one = strstr(t, "GET /1?"), *two = strstr(t, "GET /later?"),
         *three = strstr(t, "POST /3?");
    assert_true(one && two && three && one < two && two < three && three < strstr(t, "GET /4?"));
    buf_finish(&b);
    close(fd);
}

static void h1_closes_when_asked(void **state)
{
    struct world *w = *state;
    struct buf b = {0};
    int fd = dial(w);
    wire_putz(fd, "GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(wire_get(fd, NULL, &b), "onnection: close"));
    buf_finish(&b);
    close(fd);
    fd = dial(w);
    wire_putz(fd, "GET /stream?2 HTTP/1.0\r\n\r\n");
    char *t = wire_get(fd, NULL, &b);
    assert_null(strstr(t, "chunked"));
    char *body = strstr(t, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 200002);
    buf_finish(&b);
    close(fd);
}

static void framing(void **state)
{
    static const char *const bad[] = {
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
        "POST /x HTTP/1.1\r\nHost: h\r\ncontent-length: 5\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH: "
        "5\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello",
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "GET ftp://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
        "GARBAGE\r\n\r\n",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int fd = dial(w);
        struct buf b = {0};
        wire_putz(fd, bad[i]);
        char *t = wire_get(fd, NULL, &b); /* to the end: the connection is closed */
        assert_non_null(strstr(t, "HTTP/1.1 400 "));
        assert_int_equal(wire_count(t, "HTTP/1.1"), 1);
        buf_finish(&b);
        close(fd);
    }
    assert_int_equal(atomic_load(&w->begun), 0);
}

static void large_heads(void **state)
{
    struct world *w = *state;
    struct buf req = {0}, b = {0};
    buf_addz(&req, "GET /x HTTP/1.1\r\nHost: h\r\nX-Big: ");
    memset(buf_reserve(&req, 70000), 'a', 70000);
    req.len += 70000;
    buf_addz(&req, "\r\n\r\n");
    int fd = dial(w);
    wire_put(fd, buf_str(&req));
    assert_non_null(strstr(wire_get(fd, NULL, &b), "HTTP/1.1 431 "));
    close(fd);
    buf_finish(&b);
    req.len = 0;
    buf_addz(&req, "GET /");
    memset(buf_reserve(&req, 9000), 'a', 9000);
    req.len += 9000;
    buf_addz(&req, " HTTP/1.1\r\nHost: h\r\n\r\n");
    fd = dial(w);
    wire_put(fd, buf_str(&req));
    assert_non_null(strstr(wire_get(fd, NULL, &b), "HTTP/1.1 414 "));
    close(fd);
    buf_finish(&b);
    buf_finish(&req);
}

static void large_bodies(void **state)
{
    struct world *w = *state;
    size_t sizes[] = {LIMIT_BODY_BYTES, LIMIT_BODY_BYTES + 1, 5 * 1024 * 1024, 9 * 1024 * 1024};
    const char *expect[] = {"HTTP/1.1 200", "HTTP/1.1 413", "HTTP/1.1 413", "HTTP/1.1 413"};
    for (size_t i = 0; i < 4; i++) {
        struct buf req = {0}, b = {0};
        buf_printf(&req,
                   "PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                   sizes[i]);
        memset(buf_reserve(&req, sizes[i]), 'x', sizes[i]);
        req.len += sizes[i];
        int fd = dial(w);
        wire_put(fd, buf_str(&req));
        char *t = wire_get(fd, NULL, &b);
        if (i < 3) { /* above h2o's own limit the answer may be lost to a reset */
            assert_non_null(strstr(t, expect[i]));
            assert_non_null(strstr(t, i == 0 ? "body=3145728:" : "body=0:"));
        }
        close(fd);
        buf_finish(&req);
        buf_finish(&b);
    }
}

static void h1_stream(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct buf b = {0};
    wire_putz(fd, "GET /stream?7 HTTP/1.1\r\nHost: h\r\n\r\n");
    char *t = wire_get(fd, "\r\n0\r\n\r\n", &b);
    assert_int_equal(wire_count(t, "transfer-encoding: chunked\r\n"), 1);
    assert_int_equal(wire_count(t, "186a1\r\n"), 7); /* 100,001 in hexadecimal */
    buf_finish(&b);
    wire_putz(fd, "GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_get(fd, "/again", &b);
    buf_finish(&b);
    close(fd);
    wait_active(w, 0);
    assert_int_equal(atomic_load(&w->gone), 0);
}

static void h1_watch(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct buf b = {0};
    wire_putz(fd, "GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    char *t = wire_get(fd, "\r\n\r\n", &b); /* the head comes without an event */
    assert_non_null(strstr(t, "HTTP/1.1 200"));
    assert_true(wait_for(&w->begun, 1));
    wire_sleep_ms(20);
    assert_true(http_post(w->held->loop, push_line, w));
    t = wire_get(fd, "{\"n\":1}\n\r\n", &b);
    assert_non_null(strstr(t, "\r\n\r\n8\r\n{\"n\":1}\n\r\n"));
    /* a request sent meanwhile is answered afterwards */
    wire_putz(fd, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_sleep_ms(20);
    assert_true(http_post(w->held->loop, push_end, w));
    t = wire_get(fd, "GET /next?", &b);
    assert_non_null(strstr(t, "0\r\n\r\nHTTP/1.1 200"));
    buf_finish(&b);
    close(fd);
    assert_int_equal(atomic_load(&w->gone), 0);
}

static void h1_watch_gone(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct buf b = {0};
    wire_putz(fd, "GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_get(fd, "\r\n\r\n", &b);
    buf_finish(&b);
    close(fd);
    assert_true(wait_for(&w->gone, 1));
    wait_active(w, 0);
    assert_true(http_request_gone(w->held));
    struct blob *late = blob_create(STR("x"));
    http_stream_send(w->held, &late, 1, false); /* dropped */
    assert_false(http_stream_writable(w->held));
}

/* The peer leaves while pieces are under way. */
static void h1_stream_gone(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct buf b = {0};
    wire_putz(fd, "GET /stream?100000 HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_get(fd, "186a1\r\n", &b);
    buf_finish(&b);
    close(fd);
    assert_true(wait_for(&w->gone, 1));
    wait_active(w, 0);
}

static void answer_after_gone(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct linger hard = {1, 0};
    wire_putz(fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(wait_for(&w->begun, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    assert_true(http_post(w->held->loop, later_on_loop, http_request_ref(w->held)));
    wait_active(w, 0);
}

static void unix_socket(void **state)
{
    struct world *w = *state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct buf b = {0};
    snprintf(un.sun_path, sizeof(un.sun_path), "%s/sock", w->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    wire_putz(fd, "GET /u HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_get(fd, "GET /u?", &b);
    assert_non_null(strstr(b.ptr, "GET /u?"));
    buf_finish(&b);
    close(fd);
}

static void address_in_use(void **state)
{
    struct world *w = *state;
    const char *listen[] = {http_server_address(w->server, 0)};
    struct http_options o = {.listen = listen, .n_listen = 1, .loops = 1, .handler = handler};
    struct http_server *s = NULL;
    struct err err = {0};
    assert_int_equal(http_server_create(&o, &s, &err), 0);
    assert_int_equal(http_server_start(s, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "Address already in use"));
    http_server_destroy(s);
    err_finish(&err);
    listen[0] = "nonsense";
    assert_int_equal(http_server_create(&o, &s, &err), 0);
    assert_int_equal(http_server_start(s, &err), ERR_BAD_REQUEST);
    http_server_destroy(s);
    err_finish(&err);
}

static void drains(void **state)
{
    struct world *w = *state;
    int idle = dial(w), busy = dial(w), watch = dial(w);
    struct buf b = {0};
    wire_putz(idle, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_get(idle, "GET /1?", &b);
    buf_finish(&b);
    wire_putz(watch, "GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_get(watch, "\r\n\r\n", &b);
    buf_finish(&b);
    wire_putz(busy, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(wait_for(&w->begun, 3));
    http_server_drain(w->server);
    assert_true(http_post(w->held->loop, push_end, w));
    http_server_stop(w->server, 3000);
    wire_get(busy, NULL, &b);
    assert_non_null(strstr(b.ptr, "GET /later?"));
    buf_finish(&b);
    wire_get(watch, NULL, &b);
    assert_string_equal(b.ptr, "0\r\n\r\n");
    buf_finish(&b);
    char c;
    assert_int_equal(recv(idle, &c, 1, 0), 0);
    assert_int_equal(atomic_load(&w->gone), 0);
    assert_false(http_post(w->held->loop, push_end, w));
    close(idle);
    close(busy);
    close(watch);
}

/* ---- loops ---- */

struct order {
    struct http_loop *loop;
    _Atomic int n;
    int seen[3];
};

static void note(void *arg)
{
    struct order *o = arg;
    int i = atomic_fetch_add(&o->n, 1);
    if (i < 2) {
        http_loop_soon(o->loop, note, o);
    }
}

static void tasks(void **state)
{
    struct world *w = *state;
    assert_int_equal(http_loops(w->server), 2);
    struct order o = {.loop = http_loop_at(w->server, 1)};
    assert_int_equal(http_loop_index(o.loop), 1);
    assert_true(http_post(o.loop, note, &o));
    assert_true(wait_for(&o.n, 3));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        SERVED(h1_request, plain),
        SERVED(h1_pipelining, plain),
        SERVED(h1_closes_when_asked, plain),
        SERVED(framing, plain),
        SERVED(large_heads, plain),
        SERVED(large_bodies, plain),
        SERVED(h1_stream, plain),
        SERVED(h1_watch, plain),
        SERVED(h1_watch_gone, plain),
        SERVED(h1_stream_gone, plain),
        SERVED(answer_after_gone, plain),
        SERVED(unix_socket, plain),
        SERVED(address_in_use, plain),
        SERVED(drains, plain),
        SERVED(tasks, plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
