/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against a small server of the test's own, which does as the path says. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/httpc.h"

/* ---- the server: a thread for each connection ---- */

struct server {
    int fd, port;
    _Atomic int connections, requests, peers;
    pthread_t thread;
};

struct peer {
    struct server *s;
    int fd;
    char in[1 << 18];
    size_t len;
};

/* A client that has what it wanted goes away in the middle: what can't be sent is nobody's error
 * here, and a failed assertion in a thread of the server would end the program. */
static void say(int fd, const char *text)
{
    ssize_t n = send(fd, text, strlen(text), MSG_NOSIGNAL);
    (void)n;
}

static void answer(int fd, int status, const char *headers, const char *body)
{
    AUTO_FREE char *all = alloc_printf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                                       strlen(body), headers, body);
    say(fd, all);
}

static void chunk(int fd, const char *text)
{
    AUTO_FREE char *all = alloc_printf("%zx\r\n%s\r\n", strlen(text), text);
    say(fd, all);
}

static bool fill(struct peer *p)
{
    ssize_t n = recv(p->fd, p->in + p->len, sizeof(p->in) - 1 - p->len, 0);
    if (n <= 0) {
        return false;
    }
    p->len += (size_t)n;
    p->in[p->len] = 0;
    return true;
}

/* Reads a request; its body is at *ret_body. */
static bool take_request(struct peer *p, char **ret_body, size_t *ret_total)
{
    char *end;
    p->in[p->len] = 0;
    while (!(end = strstr(p->in, "\r\n\r\n"))) {
        if (!fill(p)) {
            return false;
        }
    }
    const char *length = strcasestr(p->in, "content-length:");
    size_t head = (size_t)(end + 4 - p->in);
    size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    while (p->len < head + body) {
        if (!fill(p)) {
            return false;
        }
    }
    *ret_body = p->in + head;
    *ret_total = head + body;
    return true;
}

static void lines(int fd)
{
    say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunk(fd, "one\ntw");
    usleep(20000);
    chunk(fd, "o\n\nthr");
    chunk(fd, "ee");
    chunk(fd, "\nrest");
    say(fd, "0\r\n\r\n");
}

enum { FLOOD = 8 << 20, FLOOD_STEP = 1 << 16 };

/* 100 Continue comes first, a trailer last. */
static void flood(int fd)
{
    AUTO_FREE char *block = alloc_zero(FLOOD_STEP + 1);
    memset(block, 'x', FLOOD_STEP);
    say(fd, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"
            "HTTP/1.1 418 Pot\r\nX-One: 1\r\nX-Two:\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t sent = 0; sent < FLOOD; sent += FLOOD_STEP) {
        chunk(fd, block);
    }
    say(fd, "0\r\nX-Trailer: 1\r\n\r\n");
}

/* False: the connection ends. */
static bool serve(struct peer *p, const char *path, const char *body, size_t len)
{
    if (!strncmp(path, "/echo", 5)) {
        AUTO_FREE char *copy = alloc_str(str_make(body, len));
        answer(p->fd, 200, "X-One:  first \r\nETag: \"2\"\r\n", copy);
    } else if (!strncmp(path, "/status", 7)) {
        answer(p->fd, 503, "", "away");
    } else if (!strncmp(path, "/move", 5)) {
        answer(p->fd, 302, "Location: /echo\r\n", "elsewhere");
    } else if (!strncmp(path, "/lines", 6)) {
        lines(p->fd);
    } else if (!strncmp(path, "/silent", 7)) {
        struct pollfd f = {.fd = p->fd, .events = POLLIN};
        poll(&f, 1, 5000);
        return false;
    } else if (!strncmp(path, "/drop", 5)) {
        return false;
    } else if (!strncmp(path, "/flood", 6)) {
        flood(p->fd);
        return false;
    } else if (!strncmp(path, "/half", 5)) {
        say(p->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return false;
    } else {
        answer(p->fd, 404, "", "");
    }
    return true;
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    char *body;
    size_t total;
    bool more = true;
    while (more && take_request(p, &body, &total)) {
        atomic_fetch_add(&p->s->requests, 1);
        char *path = strchr(p->in, ' ') + 1;
        more = serve(p, path, body, total - (size_t)(body - p->in));
        p->len -= total;
        memmove(p->in, p->in + total, p->len);
    }
    struct server *s = p->s;
    close(p->fd);
    free(p);
    atomic_fetch_sub(&s->peers, 1);
    return NULL;
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        pthread_t t;
        struct peer *p = ALLOC(struct peer);
        p->s = s;
        p->fd = fd;
        atomic_fetch_add(&s->connections, 1);
        atomic_fetch_add(&s->peers, 1);
        pthread_create(&t, NULL, peer_main, p);
        pthread_detach(t);
    }
    return NULL;
}

static int setup(void **state)
{
    struct server *s = ALLOC(struct server);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    pthread_create(&s->thread, NULL, server_main, s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; i < 60000 && atomic_load(&s->peers); i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(&s->peers), 0);
    free(s);
    return 0;
}

/* ---- the client ---- */

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    int code, status;
    bool sent;
    char body[256], header[2][64], text[256];
    char lines[256]; /* what chunk was given, each with "|" after it */
    size_t n_lines, stop_at;
};

static void outcome_done(void *arg, const struct httpc_answer *a)
{
    struct outcome *o = arg;
    pthread_mutex_lock(&o->lock);
    assert_false(o->done);
    o->done = true;
    o->code = a->code;
    o->status = a->status;
    o->sent = a->sent;
    snprintf(o->body, sizeof(o->body), "%.*s", STR_FMT(a->body));
    snprintf(o->text, sizeof(o->text), "%s", a->text ? a->text : "");
    for (size_t i = 0; i < 2; i++) {
        snprintf(o->header[i], sizeof(o->header[i]), "%s%.*s", a->headers[i].ptr ? "=" : "none",
                 STR_FMT(a->headers[i]));
    }
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

static bool outcome_chunk(void *arg, struct str piece)
{
    struct outcome *o = arg;
    size_t len = strlen(o->lines);
    snprintf(o->lines + len, sizeof(o->lines) - len, "%.*s|", STR_FMT(piece));
    return ++o->n_lines != o->stop_at;
}

static struct outcome *outcome_create(void)
{
    struct outcome *o = ALLOC(struct outcome);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
    return o;
}

static void outcome_await(struct outcome *o)
{
    pthread_mutex_lock(&o->lock);
    while (!o->done) {
        pthread_cond_wait(&o->changed, &o->lock);
    }
    pthread_mutex_unlock(&o->lock);
}

static struct httpc *client(size_t connections)
{
    struct httpc *h = NULL;
    assert_int_equal(httpc_create(&(struct httpc_options){connections}, &h, NULL), 0);
    return h;
}

static uint64_t begin(struct httpc *h, const struct server *s, const char *path,
                      struct httpc_request r, struct outcome *o)
{
    AUTO_FREE char *url = alloc_printf("http://127.0.0.1:%d%s", s->port, path);
    r.method = r.method ? r.method : "GET";
    r.url = url;
    r.done = outcome_done;
    r.arg = o;
    return httpc_start(h, &r);
}

static struct outcome *ask(struct httpc *h, const struct server *s, const char *path,
                           struct httpc_request r)
{
    struct outcome *o = outcome_create();
    begin(h, s, path, r, o);
    outcome_await(o);
    return o;
}

/* ---- tests ---- */

static void answers_and_headers(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(0);
    const char *const headers[] = {"Content-Type: text/plain"};
    AUTO_FREE struct outcome *o = ask(h, s, "/echo",
                                      (struct httpc_request){.method = "POST",
                                                             .body = STR("hello"),
                                                             .headers = headers,
                                                             .n_headers = 1,
                                                             .wanted = {"x-one", "Absent"}});
    assert_int_equal(o->code, 0);
    assert_int_equal(o->status, 200);
    assert_string_equal(o->body, "hello");
    assert_string_equal(o->header[0], "=first");
    assert_string_equal(o->header[1], "none");
    AUTO_FREE struct outcome *bad = ask(h, s, "/status", (struct httpc_request){0});
    assert_int_equal(bad->code, 0);
    assert_int_equal(bad->status, 503);
    assert_string_equal(bad->body, "away");
    AUTO_FREE struct outcome *moved = ask(h, s, "/move", (struct httpc_request){0});
    assert_int_equal(moved->status, 302);
    AUTO_FREE struct outcome *empty = ask(h, s, "/echo", (struct httpc_request){.method = "PUT"});
    assert_int_equal(empty->status, 200);
    assert_string_equal(empty->body, "");
    assert_int_equal(atomic_load(&s->connections), 1); /* it was kept */
    httpc_destroy(h);
}

static void a_wait_gives_the_status(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(0);
    AUTO(buf_finish) struct buf body = {0};
    AUTO_FREE char *url = alloc_printf("http://127.0.0.1:%d/echo", s->port);
    AUTO_FREE char *big = alloc_zero(200001);
    memset(big, 'x', 200000);
    struct httpc_request r = {.method = "POST", .url = url, .body = {big, 200000}};
    struct err err = {0};
    assert_int_equal(httpc_wait(h, &r, &body, &err), 200);
    assert_int_equal(body.len, 200000);
    r.max_body = 1000;
    assert_int_equal(httpc_wait(h, &r, &body, &err), ERR_TOO_LARGE);
    r.url = "http://127.0.0.1:1/";
    assert_int_equal(httpc_wait(h, &r, &body, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err_message(&err), "onnect"));
    r.url = "ftp://127.0.0.1/";
    assert_int_equal(httpc_wait(h, &r, &body, &err), ERR_IO);
    r.url = "no url at all";
    assert_true(httpc_wait(h, &r, &body, &err) < 0);
    err_finish(&err);
    httpc_destroy(h);
}

static void lines_as_they_come(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(0);
    struct httpc_request r = {.chunk = outcome_chunk, .lines = true};
    AUTO_FREE struct outcome *o = ask(h, s, "/lines", r);
    assert_int_equal(o->code, 0);
    assert_string_equal(o->lines, "one|two|three|");
    assert_string_equal(o->body, "rest");
    AUTO_FREE struct outcome *stopped = outcome_create();
    stopped->stop_at = 2;
    begin(h, s, "/lines", r, stopped);
    outcome_await(stopped);
    assert_int_equal(stopped->code, ERR_CLOSED);
    assert_string_equal(stopped->lines, "one|two|");
    r.max_body = 4;
    AUTO_FREE struct outcome *large = ask(h, s, "/lines", r);
    assert_int_equal(large->code, ERR_TOO_LARGE);
    r.max_body = 0;
    r.lines = false;
    AUTO_FREE struct outcome *raw = ask(h, s, "/lines", r);
    assert_int_equal(raw->code, 0);
    assert_non_null(strstr(raw->lines, "rest"));
    AUTO_FREE struct outcome *bad = ask(h, s, "/status", r);
    assert_string_equal(bad->lines, ""); /* only what succeeded is streamed */
    assert_string_equal(bad->body, "away");
    httpc_destroy(h);
}

static void failures_say_what_may_have_happened(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(0);
    struct httpc_request post = {.method = "POST", .body = STR("x"), .timeout_ms = 5000};
    AUTO_FREE struct outcome *first = ask(h, s, "/echo", post);
    assert_int_equal(first->status, 200);
    int before = atomic_load(&s->requests);
    /* Over a kept connection: libcurl alone would send it a second time. */
    AUTO_FREE struct outcome *dropped = ask(h, s, "/drop", post);
    assert_int_equal(dropped->code, ERR_UNAVAILABLE);
    assert_true(dropped->sent);
    assert_int_equal(atomic_load(&s->requests), before + 1);
    AUTO_FREE struct outcome *half = ask(h, s, "/half", post);
    assert_int_equal(half->code, ERR_UNAVAILABLE);
    assert_true(half->sent);
    post.timeout_ms = 100;
    int64_t begun = clock_mono_ms();
    AUTO_FREE struct outcome *silent = ask(h, s, "/silent", post);
    assert_int_equal(silent->code, ERR_TIMEOUT);
    assert_true(silent->sent);
    assert_true(clock_mono_ms() - begun < 30000);
    struct server nobody = {.port = 1};
    AUTO_FREE struct outcome *refused = ask(h, &nobody, "/", post);
    assert_int_equal(refused->code, ERR_UNAVAILABLE);
    assert_false(refused->sent);
    httpc_destroy(h);
}

static void cancelling(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(2);
    AUTO_FREE struct outcome *o = outcome_create();
    uint64_t id = begin(h, s, "/silent", (struct httpc_request){0}, o);
    usleep(50000);
    httpc_cancel(h, id);
    outcome_await(o);
    assert_int_equal(o->code, ERR_CLOSED);
    httpc_cancel(h, id); /* it is over */
    httpc_cancel(h, 12345);
    AUTO_FREE struct outcome *again = ask(h, s, "/echo", (struct httpc_request){0});
    assert_int_equal(again->status, 200);
    AUTO_FREE struct outcome *last = outcome_create();
    begin(h, s, "/silent", (struct httpc_request){0}, last);
    httpc_destroy(h);
    outcome_await(last);
    assert_int_equal(last->code, ERR_CLOSED);
}

/* An answer as it is handed on. */
struct handed {
    struct outcome *o;
    struct httpc *h;
    _Atomic uint64_t id;
    char headers[256];
    int status;
    _Atomic size_t bytes, pauses;
    size_t stop_at; /* a pause after each so many bytes */
    bool refuse, end;
};

static void handed_header(void *arg, struct str name, struct str value)
{
    struct handed *x = arg;
    size_t n = strlen(x->headers);
    if (!name.len) {
        x->headers[0] = 0;
        return;
    }
    snprintf(x->headers + n, sizeof(x->headers) - n, "%.*s=%.*s;", STR_FMT(name), STR_FMT(value));
}

static bool handed_head(void *arg, int status)
{
    struct handed *x = arg;
    x->status = status;
    return !x->refuse;
}

static enum httpc_flow handed_piece(void *arg, struct str piece)
{
    struct handed *x = arg;
    size_t had = atomic_load(&x->bytes);
    if (x->end) {
        return HTTPC_END;
    }
    if (x->stop_at && had >= x->stop_at * (atomic_load(&x->pauses) + 1)) {
        atomic_fetch_add(&x->pauses, 1);
        return HTTPC_PAUSE;
    }
    atomic_fetch_add(&x->bytes, piece.len);
    return HTTPC_GO_ON;
}

static void handed_done(void *arg, const struct httpc_answer *a)
{
    struct handed *x = arg;
    outcome_done(x->o, a);
}

static void hand_on(struct handed *x, struct httpc *h, struct server *s, const char *path)
{
    AUTO_FREE char *url = alloc_printf("http://127.0.0.1:%d%s", s->port, path);
    const struct httpc_request r = {.method = "GET",
                                    .url = url,
                                    .header = handed_header,
                                    .head = handed_head,
                                    .piece = handed_piece,
                                    .done = handed_done,
                                    .arg = x};
    x->h = h;
    x->o = outcome_create();
    atomic_store(&x->id, httpc_start(h, &r));
}

/* All headers of the last head, whatever its status; nothing is read while it is paused. */
static void handing_on(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(0);
    struct handed x = {.stop_at = 1 << 20};
    hand_on(&x, h, s, "/flood");
    for (size_t i = 1; i < 8; i++) {
        while (atomic_load(&x.pauses) < i) {
            usleep(1000);
        }
        size_t had = atomic_load(&x.bytes);
        if (i == 1) {
            usleep(30000);
        }
        assert_int_equal(atomic_load(&x.bytes), had);
        assert_true(had < (i + 1) << 20);
        httpc_resume(h, atomic_load(&x.id));
    }
    outcome_await(x.o);
    assert_int_equal(x.o->code, 0);
    assert_int_equal(x.status, 418);
    assert_int_equal(x.bytes, FLOOD);
    assert_string_equal(x.headers, "X-One=1;X-Two=;Transfer-Encoding=chunked;");
    free(x.o);
    struct handed refused = {.refuse = true}, ended = {.end = true}, half = {0};
    hand_on(&refused, h, s, "/flood");
    hand_on(&ended, h, s, "/flood");
    hand_on(&half, h, s, "/half");
    outcome_await(refused.o);
    outcome_await(ended.o);
    outcome_await(half.o);
    assert_int_equal(refused.o->code, ERR_CLOSED);
    assert_int_equal(refused.bytes, 0);
    assert_int_equal(ended.o->code, ERR_CLOSED);
    assert_int_equal(half.o->code, ERR_UNAVAILABLE);
    assert_int_equal(half.bytes, 4);
    free(refused.o);
    free(ended.o);
    free(half.o);
    httpc_resume(h, 12345);
    httpc_destroy(h);
}

enum { MANY = 40 };

/* More than there are connections: the rest waits its turn. */
static void many_at_once(void **state)
{
    struct server *s = *state;
    struct httpc *h = client(4);
    struct outcome *all[MANY];
    for (size_t i = 0; i < MANY; i++) {
        all[i] = outcome_create();
        begin(h, s, "/echo", (struct httpc_request){.method = "POST", .body = STR("y")}, all[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        outcome_await(all[i]);
        assert_int_equal(all[i]->status, 200);
        free(all[i]);
    }
    assert_true(atomic_load(&s->connections) <= 4);
    assert_int_equal(atomic_load(&s->requests), MANY);
    httpc_destroy(h);
}

struct ticks {
    _Atomic int n;
    char order[8];
    struct httpc *h;
};

static void tick(void *arg)
{
    struct ticks *t = arg;
    t->order[atomic_load(&t->n)] = 'a';
    if (atomic_fetch_add(&t->n, 1) < 2) {
        httpc_later(t->h, 5, tick, t);
    }
}

static void late(void *arg)
{
    struct ticks *t = arg;
    t->order[atomic_load(&t->n)] = 'z';
    atomic_fetch_add(&t->n, 1);
}

static void timers(void **state)
{
    (void)state;
    struct ticks t = {.h = client(0)};
    httpc_later(t.h, 1500, late, &t);
    httpc_later(t.h, 10, tick, &t);
    for (int i = 0; i < 60000 && atomic_load(&t.n) < 4; i++) {
        usleep(1000);
    }
    assert_string_equal(t.order, "aaaz");
    httpc_later(t.h, 60000, late, &t); /* forgotten with the client */
    httpc_destroy(t.h);
    assert_int_equal(atomic_load(&t.n), 4);
    httpc_destroy(NULL);
}

#define HTTPC_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPC_TEST(answers_and_headers), HTTPC_TEST(a_wait_gives_the_status),
        HTTPC_TEST(lines_as_they_come),  HTTPC_TEST(failures_say_what_may_have_happened),
        HTTPC_TEST(cancelling),          HTTPC_TEST(many_at_once),
        HTTPC_TEST(handing_on),          cmocka_unit_test(timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
