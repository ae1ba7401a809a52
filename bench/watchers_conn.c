/* SPDX-License-Identifier: Apache-2.0 */
/* Watches over HTTP/1.1 and HTTP/2, thousands on one thread: what comes is checked and counted, not
 * kept. */
#include "bench/watchers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

void say_error(struct bench *b, const char *what, const char *detail)
{
    if (atomic_fetch_add(&b->errors, 1) < 10) {
        fprintf(stderr, "watchers: %s: %.300s\n", what, detail);
    }
}

uint64_t mix(int64_t rev)
{
    uint64_t h = (uint64_t)rev * 0x9e3779b97f4a7c15u;
    return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
}

void sample_add(struct sample *s, double ms)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4096;
        s->ms = alloc_resize(s->ms, s->cap * sizeof(float));
    }
    s->ms[s->n++] = (float)ms;
}

double sample_at(const struct sample *s, double q)
{
    return s->n ? (double)s->ms[(size_t)((double)(s->n - 1) * q)] : 0;
}

/* ---- connections ---- */

bool parse_url(struct options *o)
{
    if (strncmp(o->url, "unix:", 5) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)(void *)&o->addr;
        un->sun_family = AF_UNIX;
        o->addr_len = sizeof(*un);
        return snprintf(un->sun_path, sizeof(un->sun_path), "%s", o->url + 5) <
               (int)sizeof(un->sun_path);
    }
    o->tls = strncmp(o->url, "https://", 8) == 0;
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&o->addr;
    const char *host = o->url + (o->tls ? 8 : 7), *colon = strrchr(host, ':');
    char text[64];
    if ((!o->tls && strncmp(o->url, "http://", 7)) || !colon ||
        snprintf(text, sizeof(text), "%.*s", (int)(colon - host), host) >= (int)sizeof(text)) {
        return false;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    o->addr_len = sizeof(*in);
    return inet_pton(AF_INET, text, &in->sin_addr) == 1;
}

int dial(const struct bench *b, bool h2, SSL **ret_ssl)
{
    int one = 1, fd = socket(b->o.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&b->o.addr, b->o.addr_len) != 0) {
        perror("watchers: connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *ret_ssl = NULL;
    if (b->o.tls) {
        SSL *s = *ret_ssl = SSL_new(b->tls);
        SSL_set_fd(s, fd);
        SSL_set_alpn_protos(s, (const unsigned char *)(h2 ? "\x02h2" : "\x08http/1.1"), h2 ? 3 : 9);
        if (SSL_connect(s) != 1) {
            fprintf(stderr, "watchers: the handshake failed\n");
            exit(1);
        }
    }
    return fd;
}

void send_all(struct bench *b, int fd, SSL *ssl, const char *p, size_t n)
{
    while (n) {
        ssize_t k = ssl ? SSL_write(ssl, p, (int)n) : send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) {
            if (!ssl && errno != EAGAIN) {
                say_error(b, "send", strerror(errno));
                return;
            }
            if (ssl && SSL_get_error(ssl, (int)k) != SSL_ERROR_WANT_WRITE) {
                say_error(b, "send", "TLS");
                return;
            }
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            continue;
        }
        p += k;
        n -= (size_t)k;
    }
}

/* ---- HTTP/2, as much as a watch needs ---- */

static void frame_add(struct buf *out, unsigned char kind, unsigned char flags, uint32_t stream,
                      struct str payload)
{
    uint32_t n = (uint32_t)payload.len;
    unsigned char head[9] = {(unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n,
                             kind, flags};
    memcpy(head + 5, &(uint32_t){htonl(stream)}, 4);
    buf_add(out, str_make((char *)head, 9));
    buf_add(out, payload);
}

static void window_add(struct buf *out, uint32_t stream, uint32_t n)
{
    const char bytes[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    frame_add(out, 8, 0, stream, str_make(bytes, 4));
}

static void literal_add(struct buf *out, struct str name, struct str value)
{
    buf_add(out, name);
    size_t n = value.len;
    buf_addc(out, n < 127 ? (char)n : 127);
    if (n >= 127) {
        for (n -= 127; n >= 128; n /= 128) {
            buf_addc(out, (char)(n % 128 + 128));
        }
        buf_addc(out, (char)n);
    }
    buf_add(out, value);
}

static void h2_requests(struct bench *b, struct conn *c, struct buf *out, const char *target)
{
    buf_addz(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame_add(out, 4, 0, 0, str_make("\0\4\x7f\xff\xff\xff", 6)); /* INITIAL_WINDOW_SIZE */
    window_add(out, 0, 0x7fffffff - 65535);
    for (int i = 0; i < c->n; i++) {
        AUTO(buf_finish) struct buf block = {0}, bearer = {0};
        buf_printf(&bearer, "Bearer %s", b->o.token);
        buf_add(&block, b->o.tls ? str_make("\x82\x87", 2) : str_make("\x82\x86", 2));
        literal_add(&block, str_make("\x44", 1), str_from(target));
        literal_add(&block, str_make("\x41", 1), STR("bench"));
        literal_add(&block, str_make("\x0f\x08", 2), buf_str(&bearer));
        frame_add(out, 1, 5, (uint32_t)(2 * i + 1), buf_str(&block));
    }
}

/* ---- watches ---- */

void conn_watch(struct bench *b, struct conn *c, int64_t from)
{
    AUTO(buf_finish) struct buf out = {0}, target = {0};
    bool h2 = b->o.streams > 0;
    c->fd = dial(b, h2, &c->ssl);
    c->phase = h2 ? FRAME : HEAD;
    buf_printf(&target, "%s?watch=true&resourceVersion=%lld&timeoutSeconds=3600", b->path,
               (long long)from);
    if (h2) {
        h2_requests(b, c, &out, target.ptr);
    } else {
        buf_printf(&out, "GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n",
                   target.ptr, b->o.token);
    }
    send_all(b, c->fd, c->ssl, out.ptr, out.len);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd,
              &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
}

void conn_close(struct bench *b, struct conn *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
    buf_finish(&c->head);
    c->frame_len = 0;
    for (int i = 0; i < c->n; i++) {
        b->n_open -= c->watches[i].open;
        c->watches[i].open = false;
        c->watches[i].part.len = 0;
    }
}

int64_t number_after(const char *p, size_t n, const char *mark)
{
    const char *at = memmem(p, n, mark, strlen(mark));
    return at ? strtoll(at + strlen(mark), NULL, 10) : 0;
}

static void on_line(struct bench *b, struct watch *w, const char *p, size_t n)
{
    if (n < 20 || memcmp(p, "{\"type\":\"", 9) != 0 || p[9] == 'E') {
        AUTO(buf_finish) struct buf text = {0};
        buf_add(&text, str_make(p, n));
        buf_addc(&text, 0);
        say_error(b, "a watch's line", text.ptr);
        w->failed = true;
        return;
    }
    int64_t rev = number_after(p, n, "\"resourceVersion\":\"");
    if (p[9] == 'B') {
        b->bookmarks++;
        return;
    }
    if (rev <= w->last) {
        say_error(b, "out of order", "an event's revision is not above the one before it");
        w->failed = true;
    }
    w->last = rev;
    w->count++;
    w->sum += mix(rev);
    b->events++;
    int64_t sent = number_after(p, n, "\"sentUs\":\"");
    if (sent) {
        sample_add(&b->latency, (double)((int64_t)b->now_us - sent) / 1e3);
    }
}

static void on_data(struct bench *b, struct watch *w, const char *p, size_t n)
{
    b->bytes += n;
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t k = end ? (size_t)(end - p) : n;
        if (!end || w->part.len) {
            buf_add(&w->part, str_make(p, k));
        }
        if (!end) {
            return;
        }
        if (w->part.len) {
            buf_addc(&w->part, 0); /* numbers end */
            on_line(b, w, w->part.ptr, w->part.len - 1);
            w->part.len = 0;
            if (w->part.cap > 64 * 1024) {
                buf_finish(&w->part);
            }
        } else {
            on_line(b, w, p, k);
        }
        p = end + 1;
        n -= k + 1;
    }
}

static void opened(struct bench *b, struct conn *c, struct watch *w, bool ok, const char *detail)
{
    if (!ok) {
        say_error(b, "a watch was refused", detail);
        w->failed = true;
        c->phase = OVER;
        return;
    }
    b->n_open += !w->open;
    w->open = true;
}

/* ---- HTTP/1.1 ---- */

static size_t read_head(struct bench *b, struct conn *c, const char *p, size_t n)
{
    size_t before = c->head.len;
    buf_add(&c->head, str_make(p, n));
    buf_addc(&c->head, 0);
    c->head.len--;
    const char *end = strstr(c->head.ptr, "\r\n\r\n");
    if (!end) {
        return n;
    }
    size_t used = (size_t)(end - c->head.ptr) + 4 - before;
    opened(b, c, c->watches, strncmp(c->head.ptr, "HTTP/1.1 200", 12) == 0, c->head.ptr);
    c->phase = c->phase == OVER ? OVER : SIZE;
    buf_finish(&c->head);
    return used;
}

static size_t read_size(struct conn *c, char ch)
{
    if (ch == '\n') {
        c->phase = c->left ? DATA : OVER;
    } else if (ch != '\r') {
        c->left = c->left * 16 + (size_t)(ch <= '9' ? ch - '0' : (ch | 0x20) - 'a' + 10);
    }
    return 1;
}

/* ---- HTTP/2 ---- */

static void frame_end(struct bench *b, struct conn *c)
{
    AUTO(buf_finish) struct buf out = {0};
    int kind = c->frame[3], flags = c->frame[4];
    uint32_t stream = (uint32_t)c->frame[5] << 24 | (uint32_t)c->frame[6] << 16 |
                      (uint32_t)c->frame[7] << 8 | c->frame[8];
    struct watch *w = stream % 2 && (int)(stream / 2) < c->n ? &c->watches[stream / 2] : NULL;
    if (kind == 1 && w) {
        opened(b, c, w, c->head.len && c->head.ptr[0] == '\x88', "HTTP/2: not 200");
    } else if (kind == 4 && !(flags & 1)) {
        frame_add(&out, 4, 1, 0, STR(""));
    } else if (kind == 6 && !(flags & 1)) {
        frame_add(&out, 6, 1, 0, buf_str(&c->head));
    } else if (kind == 3 || kind == 7 || (kind == 0 && flags & 1)) {
        c->phase = OVER;
    }
    if (c->unacked > (64u << 20)) { /* a stream's share lies within; all see the same events */
        window_add(&out, 0, (uint32_t)c->unacked);
        for (int i = 0; i < c->n; i++) {
            window_add(&out, (uint32_t)(2 * i + 1), (uint32_t)(c->unacked / (uint64_t)c->n));
        }
        c->unacked = 0;
    }
    if (out.len) {
        send_all(b, c->fd, c->ssl, out.ptr, out.len);
    }
    c->head.len = 0;
    c->frame_len = 0;
    c->phase = c->phase == OVER ? OVER : FRAME;
}

static size_t read_frame(struct bench *b, struct conn *c, const char *p, size_t n)
{
    if (c->phase == FRAME) {
        size_t k = 9 - c->frame_len < n ? 9 - c->frame_len : n;
        memcpy(c->frame + c->frame_len, p, k);
        c->frame_len += k;
        if (c->frame_len == 9) {
            c->left = (size_t)c->frame[0] << 16 | (size_t)c->frame[1] << 8 | c->frame[2];
            c->phase = PAYLOAD;
            if (!c->left) {
                frame_end(b, c);
            }
        }
        return k;
    }
    size_t k = c->left < n ? c->left : n, stream = (size_t)c->frame[7] << 8 | c->frame[8];
    if (c->frame[3] == 0) {
        on_data(b, &c->watches[stream / 2], p, k);
        c->unacked += k;
    } else {
        buf_add(&c->head, str_make(p, k));
    }
    c->left -= k;
    if (!c->left) {
        frame_end(b, c);
    }
    return k;
}

/* ---- reading ---- */

static void on_bytes(struct bench *b, struct conn *c, const char *p, size_t n)
{
    while (n && c->phase != OVER) {
        size_t k = 1;
        switch (c->phase) {
        case HEAD:
            k = read_head(b, c, p, n);
            break;
        case SIZE:
            k = read_size(c, *p);
            break;
        case DATA:
            k = c->left < n ? c->left : n;
            on_data(b, c->watches, p, k);
            c->left -= k;
            c->phase = c->left ? DATA : DATA_END;
            break;
        case DATA_END:
            c->phase = *p == '\n' ? SIZE : DATA_END;
            break;
        case FRAME:
        case PAYLOAD:
            k = read_frame(b, c, p, n);
            break;
        case OVER:
            break;
        }
        p += k;
        n -= k;
    }
}

/* One connection's bytes; false when it has ended. */
static bool conn_read(struct bench *b, struct conn *c)
{
    for (size_t got = 0; got < READ_BYTES;) {
        ssize_t k = c->ssl ? SSL_read(c->ssl, b->read_buf, READ_BYTES)
                           : recv(c->fd, b->read_buf, READ_BYTES, 0);
        if (k <= 0) {
            return c->ssl ? SSL_get_error(c->ssl, (int)k) == SSL_ERROR_WANT_READ
                          : k < 0 && errno == EAGAIN;
        }
        b->read_buf[k] = 0; /* numbers end */
        b->now_us = clock_mono_ns() / 1000;
        on_bytes(b, c, b->read_buf, (size_t)k);
        if (c->phase == OVER) {
            return false;
        }
        got += (size_t)k;
        if (!c->ssl && k < READ_BYTES) {
            break;
        }
    }
    return true;
}

/* A watch that was ended goes on from where it was, as clients do. */
static void resume(struct bench *b, struct conn *c)
{
    conn_close(b, c);
    if (c->watches->failed || atomic_load(&b->stop)) {
        return;
    }
    if (c->n > 1) {
        say_error(b, "a connection ended", "HTTP/2");
        return;
    }
    b->reconnected++;
    conn_watch(b, c, c->watches->last ? c->watches->last : b->from);
}

void turn(struct bench *b, int wait_ms)
{
    struct epoll_event events[256];
    int n = epoll_wait(b->epoll, events, 256, wait_ms);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (!conn_read(b, c)) {
            resume(b, c);
        }
    }
}

void run_for(struct bench *b, double seconds)
{
    uint64_t end = clock_mono_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t now; (now = clock_mono_ns()) < end;) {
        turn(b, (int)((end - now) / 1000000) + 1);
    }
}
