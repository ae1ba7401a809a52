/* SPDX-License-Identifier: Apache-2.0 */
/* The writers, whose acknowledged revisions are what every watcher must have seen, the gets beside
 * them, and the server's own figures. */
#include "bench/watchers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum { NAMES = 16 };

/* ---- plain requests, each thread on a connection of its own ---- */

struct client {
    struct bench *b;
    int fd, index, n; /* one of n */
    SSL *ssl;
    char *buf;
    size_t len;
};

/* The status; the answer's body lies at *ret_body, NUL-terminated. */
static int request(struct client *c, const char *method, const char *path, const char *body,
                   const char **ret_body)
{
    AUTO(buf_finish) struct buf out = {0};
    buf_printf(&out,
               "%s %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               method, path, c->b->o.token, strlen(body), body);
    send_all(c->b, c->fd, c->ssl, out.ptr, out.len);
    c->len = 0;
    for (;;) {
        size_t room = READ_BYTES - 1 - c->len;
        ssize_t k = c->ssl ? SSL_read(c->ssl, c->buf + c->len, (int)room)
                           : recv(c->fd, c->buf + c->len, room, 0);
        if (k <= 0 || !room) {
            say_error(c->b, "a request was not answered", path);
            return 0;
        }
        c->len += (size_t)k;
        c->buf[c->len] = 0;
        const char *end = strstr(c->buf, "\r\n\r\n"), *size = strcasestr(c->buf, "content-length:");
        if (end && size && size < end &&
            c->len >= (size_t)(end + 4 - c->buf) + strtoul(size + 15, NULL, 10)) {
            *ret_body = end + 4;
            return (int)strtol(c->buf + 9, NULL, 10);
        }
    }
}

static void client_open(struct client *c)
{
    c->fd = dial(c->b, false, &c->ssl);
    c->buf = alloc_bytes(READ_BYTES);
}

static void client_close(struct client *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    free(c->buf);
}

static void object_name(char *out, size_t size, int writer, int i)
{
    snprintf(out, size, "bench-%d-%d", writer, i % NAMES);
}

static void put(struct client *c, int i, const char *fill)
{
    char name[48], path[256];
    const char *answer = NULL;
    object_name(name, sizeof(name), c->index, i);
    AUTO(buf_finish) struct buf body = {0};
    buf_printf(&body,
               "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\"},"
               "\"data\":{\"sentUs\":\"%llu\",\"zfill\":\"%s\"}}",
               name, (unsigned long long)(clock_mono_ns() / 1000), fill);
    snprintf(path, sizeof(path), "%s/%s", c->b->path, name);
    int status =
        request(c, i < NAMES ? "POST" : "PUT", i < NAMES ? c->b->path : path, body.ptr, &answer);
    if (status != 200 && status != 201) {
        say_error(c->b, "a write failed", answer ? answer : "");
        return;
    }
    int64_t rev = number_after(answer, strlen(answer), "\"resourceVersion\":\"");
    pthread_mutex_lock(&c->b->lock);
    c->b->acked++;
    c->b->acked_sum += mix(rev);
    c->b->acked_last = rev > c->b->acked_last ? rev : c->b->acked_last;
    pthread_mutex_unlock(&c->b->lock);
}

/* Sleeps until the i-th of this client's share of `rate` a second is due; gives when that was. */
static uint64_t pace(const struct client *c, uint64_t begun, int rate, int i)
{
    uint64_t due = begun + (uint64_t)((double)i * c->n + c->index) * 1000000000u / (uint64_t)rate;
    uint64_t now = clock_mono_ns();
    if (due > now) {
        nanosleep(&(struct timespec){.tv_sec = (time_t)((due - now) / 1000000000),
                                     .tv_nsec = (long)((due - now) % 1000000000)},
                  NULL);
    }
    return due;
}

static void *write_main(void *arg)
{
    struct client *c = arg;
    struct bench *b = c->b;
    size_t fill_len = b->o.size > 300 ? (size_t)b->o.size - 300 : 1;
    char *fill = alloc_zero(fill_len + 1);
    memset(fill, 'x', fill_len);
    client_open(c);
    uint64_t begun = clock_mono_ns(), end = begun + (uint64_t)b->o.seconds * 1000000000u;
    for (int i = 0; clock_mono_ns() < end && !atomic_load(&b->stop); i++) {
        pace(c, begun, b->o.events, i);
        put(c, i, fill);
    }
    client_close(c);
    free(fill);
    return NULL;
}

/* Gets are timed from when they were due: one that had to wait for another counts in full. */
static void *get_main(void *arg)
{
    struct client *c = arg;
    struct bench *b = c->b;
    char path[160];
    struct sample mine = {0};
    client_open(c);
    snprintf(path, sizeof(path), "/api/v1/namespaces/default");
    uint64_t begun = clock_mono_ns(), end = begun + (uint64_t)b->o.seconds * 1000000000u;
    for (int i = 0; clock_mono_ns() < end && !atomic_load(&b->stop); i++) {
        const char *answer;
        uint64_t due = pace(c, begun, b->o.gets, i);
        if (request(c, "GET", path, "", &answer) != 200) {
            say_error(b, "a get failed", path);
            break;
        }
        sample_add(&mine, (double)(clock_mono_ns() - due) / 1e6);
    }
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < mine.n; i++) {
        sample_add(&b->gets, (double)mine.ms[i]);
    }
    pthread_mutex_unlock(&b->lock);
    free(mine.ms);
    client_close(c);
    return NULL;
}

/* ---- the server's process ---- */

static double field_kb(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtod(at + strlen(name), NULL) : 0;
}

static size_t read_file(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    out[n] = 0;
    if (f) {
        fclose(f);
    }
    return n;
}

struct usage usage_of(int pid)
{
    struct usage u = {0};
    char path[64], text[8192];
    if (!pid) {
        return u;
    }
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    read_file(path, text, sizeof(text));
    u.rss_kb = field_kb(text, "VmRSS:");
    u.anon_kb = field_kb(text, "RssAnon:");
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    read_file(path, text, sizeof(text));
    const char *p = strrchr(text, ')');
    for (int i = 0; p && i < 12; i++) {
        p = strchr(p + 1, ' ');
    }
    if (p) {
        char *next;
        double user = strtod(p, &next), system = strtod(next, NULL);
        u.cpu_s = (user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    return u;
}

/* ---- the load ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void sort(struct sample *s)
{
    if (s->n) {
        qsort(s->ms, s->n, sizeof(float), by_value);
    }
}

static void pause_some(struct bench *b, bool on)
{
    for (int i = 0; i < b->n_conns && i < b->o.pause; i++) {
        struct conn *c = &b->conns[i];
        if (c->fd >= 0) {
            epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd,
                      &(struct epoll_event){.events = on ? 0u : EPOLLIN, .data.ptr = c});
        }
    }
}

static bool complete(const struct bench *b)
{
    for (int i = 0; i < b->o.watchers; i++) {
        const struct watch *w = &b->watches[i];
        if (!w->failed && (w->count != b->acked || w->sum != b->acked_sum)) {
            return false;
        }
    }
    return true;
}

int lost(const struct bench *b)
{
    int n = 0;
    for (int i = 0; i < b->o.watchers; i++) {
        const struct watch *w = &b->watches[i];
        n += w->failed || w->count != b->acked || w->sum != b->acked_sum;
    }
    return n;
}

static void report_load(struct bench *b, struct usage before, struct usage after, double seconds)
{
    sort(&b->latency);
    sort(&b->gets);
    printf("events: %llu writes to %d watchers in %.1f s: %llu delivered, %.0f/s, %.1f MB/s, "
           "p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
           (unsigned long long)b->acked, b->o.watchers, seconds, (unsigned long long)b->events,
           (double)b->events / seconds, (double)b->bytes / seconds / 1e6,
           sample_at(&b->latency, 0.5), sample_at(&b->latency, 0.99), sample_at(&b->latency, 1));
    if (b->o.pid) {
        printf("server: %.2f us CPU an event, %.2f cores, RSS %.1f -> %.1f MB\n",
               (after.cpu_s - before.cpu_s) * 1e6 / (double)(b->events ? b->events : 1),
               (after.cpu_s - before.cpu_s) / seconds, before.rss_kb / 1024, after.rss_kb / 1024);
    }
    if (b->gets.n) {
        printf("gets: %zu, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", b->gets.n,
               sample_at(&b->gets, 0.5), sample_at(&b->gets, 0.99), sample_at(&b->gets, 1));
    }
    printf("watchers with anything missing, repeated or out of order: %d of %d; resumed: %d\n",
           lost(b), b->o.watchers, b->reconnected);
}

void load(struct bench *b)
{
    enum { GETTERS = 4 };
    int n = b->o.writers + (b->o.gets ? GETTERS : 0);
    pthread_t *threads = alloc_zero((size_t)n * sizeof(pthread_t));
    struct client *clients = alloc_zero((size_t)n * sizeof(struct client));
    struct usage before = usage_of(b->o.pid);
    uint64_t begun = clock_mono_ns();
    for (int i = 0; i < n; i++) {
        bool writer = i < b->o.writers;
        clients[i] = (struct client){
            .b = b, .index = writer ? i : i - b->o.writers, .n = writer ? b->o.writers : GETTERS};
        pthread_create(&threads[i], NULL, writer ? write_main : get_main, &clients[i]);
    }
    double left = b->o.seconds;
    if (b->o.pause) {
        run_for(b, 0.5);
        pause_some(b, true);
        run_for(b, b->o.pause_s);
        pause_some(b, false);
        left -= 0.5 + b->o.pause_s;
    }
    run_for(b, left > 0 ? left : 0);
    for (int i = 0; i < n; i++) {
        while (pthread_tryjoin_np(threads[i], NULL) == EBUSY) {
            turn(b, 5);
        }
    }
    uint64_t end = clock_mono_ns() + WAIT_S * 1000000000ull;
    while (!complete(b) && clock_mono_ns() < end) {
        turn(b, 5);
    }
    double seconds = (double)(clock_mono_ns() - begun) / 1e9;
    report_load(b, before, usage_of(b->o.pid), seconds);
    free(threads);
    free(clients);
}

void prepare(struct bench *b)
{
    struct client c = {.b = b, .n = 1};
    const char *answer;
    char path[256];
    client_open(&c);
    for (int i = 0; i < b->o.writers * NAMES && b->o.events; i++) {
        char name[48];
        object_name(name, sizeof(name), i / NAMES, i % NAMES);
        snprintf(path, sizeof(path), "%s/%s", b->path, name);
        request(&c, "DELETE", path, "", &answer);
    }
    snprintf(path, sizeof(path), "%s?labelSelector=none%%3Dnone", b->path);
    if (request(&c, "GET", path, "", &answer) != 200) {
        say_error(b, "the first list failed", answer);
    } else {
        b->from = number_after(answer, strlen(answer), "\"resourceVersion\":\"");
    }
    client_close(&c);
}
