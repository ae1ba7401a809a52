/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the watchers' bench share. */
#ifndef BENCH_WATCHERS_H
#define BENCH_WATCHERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "base/buf.h"

enum { WAIT_S = 120, READ_BYTES = 256 * 1024 };

struct options {
    const char *url, *token;
    int watchers, streams, pid, idle, events, seconds, size, writers, gets, pause, pause_s;
    double max_kb, max_get_ms, max_event_ms;
    struct sockaddr_storage addr;
    socklen_t addr_len;
    bool tls;
};

/* Latencies, sorted at the end. */
struct sample {
    float *ms;
    size_t n, cap;
};

enum phase { HEAD, SIZE, DATA, DATA_END, FRAME, PAYLOAD, OVER };

struct watch {
    struct buf part; /* of a line */
    int64_t last;
    uint64_t count, sum; /* events; of their mixed revisions */
    bool open, failed;
};

struct conn {
    int fd;
    SSL *ssl;
    enum phase phase;
    struct watch *watches;
    int n;
    struct buf head; /* the answer's head; a frame's payload that must be whole */
    size_t left;     /* of the chunk, the frame */
    unsigned char frame[9];
    size_t frame_len;
    uint64_t unacked;
    bool paused, want_write;
};

struct bench {
    struct options o;
    SSL_CTX *tls;
    int epoll;
    struct conn *conns;
    int n_conns, n_open, reconnected;
    struct watch *watches;
    char path[128];
    int64_t from;
    uint64_t events, bytes, bookmarks;
    struct sample latency;
    char *read_buf;
    uint64_t now_us; /* of the batch being read */
    /* what the writers were told */
    pthread_mutex_t lock;
    uint64_t acked, acked_sum;
    int64_t acked_last;
    struct sample gets;
    _Atomic bool stop;
    _Atomic int errors;
};

/* watchers_conn.c: the watching side, one thread */
void say_error(struct bench *b, const char *what, const char *detail);
uint64_t mix(int64_t rev);
void sample_add(struct sample *s, double ms);
double sample_at(const struct sample *s, double q); /* once sorted */
bool parse_url(struct options *o);
int dial(const struct bench *b, bool h2,
         SSL **ret_ssl); /* connects, with the handshake; blocking */
void send_all(struct bench *b, int fd, SSL *ssl, const char *p, size_t n);
int64_t number_after(const char *p, size_t n, const char *mark);
void conn_watch(struct bench *b, struct conn *c, int64_t from);
void conn_close(struct bench *b, struct conn *c);
void turn(struct bench *b, int wait_ms);
void run_for(struct bench *b, double seconds);

/* watchers_load.c: writers and readers, a thread each */
/* Deletes what an earlier run left and finds the revision to begin at. */
void prepare(struct bench *b);
/* Writes and gets for the seconds asked for, then waits until every watcher has everything. */
void load(struct bench *b);
int lost(const struct bench *b); /* watchers that did not see exactly what was written */
struct usage {
    double rss_kb, anon_kb, cpu_s;
};
struct usage usage_of(int pid);

#endif
