/* SPDX-License-Identifier: Apache-2.0 */
/* Many watchers of one collection, held cheaply by one thread: HTTP/1.1 or HTTP/2, with or without
 * TLS, idle or under writes and gets of its own. Each watcher must see every acknowledged write
 * exactly once, in the order of revisions. Exits 1 where one did not, or where a limit that was
 * asked for is missed. `watchers --help` names the options. */
#include "bench/watchers.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { SETTLE_S = 3 };

static const char usage[] =
    "Usage: watchers --url https://ADDR:PORT|http://ADDR:PORT|unix:PATH --token TOKEN [options]\n"
    "  --watchers N     watches held (100)\n"
    "  --streams K      HTTP/2 with K watches a connection (0: HTTP/1.1)\n"
    "  --pid PID        the server's, for its memory and CPU time\n"
    "  --idle S         seconds of quiet once all are open\n"
    "  --events R       writes a second\n"
    "  --seconds S      how long it is written (10)\n"
    "  --size B         bytes of an object (1000)\n"
    "  --writers N      connections that write (4)\n"
    "  --gets R         gets a second meanwhile\n"
    "  --pause P        so many of the watchers stand still ...\n"
    "  --pause-s S      ... for so long, in the midst of the writes\n"
    "  --max-kb KB      fail where an idle watch costs more resident memory\n"
    "  --max-get-ms MS  fail where the 99th percentile of the gets is above\n"
    "  --max-event-ms MS  and that of the events\n";

/* ---- phases ---- */

static void open_all(struct bench *b)
{
    int each = b->o.streams ? b->o.streams : 1;
    b->n_conns = (b->o.watchers + each - 1) / each;
    b->conns = alloc_zero((size_t)b->n_conns * sizeof(struct conn));
    b->watches = alloc_zero((size_t)b->o.watchers * sizeof(struct watch));
    for (int i = 0; i < b->n_conns; i++) {
        struct conn *c = &b->conns[i];
        c->watches = b->watches + (size_t)i * (size_t)each;
        c->n = i == b->n_conns - 1 ? b->o.watchers - i * each : each;
        conn_watch(b, c, b->from);
        turn(b, 0);
    }
    uint64_t end = clock_mono_ns() + WAIT_S * 1000000000ull;
    while (b->n_open < b->o.watchers && clock_mono_ns() < end && !atomic_load(&b->errors)) {
        turn(b, 100);
    }
    if (b->n_open < b->o.watchers) {
        say_error(b, "watches", "not all were opened");
    }
}

static bool idle(struct bench *b, struct usage empty)
{
    run_for(b, SETTLE_S);
    struct usage full = usage_of(b->o.pid);
    double n = b->o.watchers, kb = (full.rss_kb - empty.rss_kb) / n;
    printf("idle: %d watches on %d connections: %.2f kB resident, %.2f kB of its own each\n",
           b->o.watchers, b->n_conns, kb, (full.anon_kb - empty.anon_kb) / n);
    run_for(b, b->o.idle > SETTLE_S ? b->o.idle - SETTLE_S : 0);
    printf("idle: %.1f ms of the server's CPU a second\n",
           b->o.idle > SETTLE_S
               ? (usage_of(b->o.pid).cpu_s - full.cpu_s) * 1e3 / (b->o.idle - SETTLE_S)
               : 0.0);
    return !(b->o.max_kb > 0) || kb <= b->o.max_kb;
}

static void finish(struct bench *b)
{
    atomic_store(&b->stop, true);
    for (int i = 0; i < b->n_conns; i++) {
        if (b->conns[i].fd >= 0) {
            conn_close(b, &b->conns[i]);
        }
    }
    for (int i = 0; i < b->o.watchers; i++) {
        buf_finish(&b->watches[i].part);
    }
    free(b->conns);
    free(b->watches);
    free(b->latency.ms);
    free(b->gets.ms);
    free(b->read_buf);
    close(b->epoll);
    SSL_CTX_free(b->tls);
}

/* ---- options ---- */

struct option_row {
    const char *name;
    int *number;
    double *real;
    const char **text;
};

static int parse(struct options *o, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"url", NULL, NULL, &o->url},
        {"token", NULL, NULL, &o->token},
        {"watchers", &o->watchers, NULL, NULL},
        {"streams", &o->streams, NULL, NULL},
        {"pid", &o->pid, NULL, NULL},
        {"idle", &o->idle, NULL, NULL},
        {"events", &o->events, NULL, NULL},
        {"seconds", &o->seconds, NULL, NULL},
        {"size", &o->size, NULL, NULL},
        {"writers", &o->writers, NULL, NULL},
        {"gets", &o->gets, NULL, NULL},
        {"pause", &o->pause, NULL, NULL},
        {"pause-s", &o->pause_s, NULL, NULL},
        {"max-kb", NULL, &o->max_kb, NULL},
        {"max-get-ms", NULL, &o->max_get_ms, NULL},
        {"max-event-ms", NULL, &o->max_event_ms, NULL},
    };
    enum { ROWS = sizeof(rows) / sizeof(*rows) };
    struct option longs[ROWS + 1] = {{0}};
    for (int i = 0; i < ROWS; i++) {
        longs[i] = (struct option){rows[i].name, required_argument, NULL, 0};
    }
    for (int i, code; (code = getopt_long(argc, argv, "", longs, &i)) != -1;) {
        if (code) {
            return -1;
        }
        if (rows[i].number) {
            *rows[i].number = (int)strtol(optarg, NULL, 10);
        } else if (rows[i].real) {
            *rows[i].real = strtod(optarg, NULL);
        } else {
            *rows[i].text = optarg;
        }
    }
    return optind == argc && o->url && o->token && parse_url(o) && o->watchers > 0 && o->writers > 0
               ? 0
               : -1;
}

int main(int argc, char **argv)
{
    struct bench b = {.o = {.watchers = 100, .seconds = 10, .size = 1000, .writers = 4}};
    if (parse(&b.o, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(b.path, sizeof(b.path), "/api/v1/namespaces/default/configmaps");
    b.tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(b.tls, SSL_MODE_RELEASE_BUFFERS);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.read_buf = alloc_bytes(READ_BYTES + 1);
    pthread_mutex_init(&b.lock, NULL);
    prepare(&b);
    struct usage empty = usage_of(b.o.pid);
    bool good = true;
    open_all(&b);
    if (b.o.idle && !atomic_load(&b.errors)) {
        good = idle(&b, empty);
    }
    if (b.o.events && !atomic_load(&b.errors)) {
        load(&b);
        good = good && !lost(&b) &&
               !(b.o.max_get_ms > 0 && sample_at(&b.gets, 0.99) > b.o.max_get_ms) &&
               !(b.o.max_event_ms > 0 && sample_at(&b.latency, 0.99) > b.o.max_event_ms);
    }
    good = good && !atomic_load(&b.errors);
    finish(&b);
    puts(good ? "ok" : "FAILED");
    return good ? 0 : 1;
}
