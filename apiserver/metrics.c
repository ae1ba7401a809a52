/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: everything that is counted, and what the kernel knows of this process under the
 * names that Prometheus' own clients give. */
#include "base/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apiserver/call_priv.h"
#include "base/pool.h"

enum { THREADS_MAX = 96 /* names of threads told apart */ };

/* What /proc/self/stat says; see proc(5). */
struct process {
    double cpu_seconds, start_seconds, virtual_bytes, resident_bytes, threads;
};

static double boot_time(void)
{
    FILE *f = fopen("/proc/stat", "re");
    char line[512];
    double t = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "btime %lf", &t) == 1) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return t;
}

static bool read_process(struct process *p)
{
    char text[2048];
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    text[n] = 0;
    const char *after = strrchr(text, ')'); /* the program's name may hold anything */
    unsigned long user, system, start, size;
    long threads, pages;
    if (!after || sscanf(after + 1,
                         " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld "
                         "%*d %lu %lu %ld",
                         &user, &system, &threads, &start, &size, &pages) != 6) {
        return false;
    }
    double tick = (double)sysconf(_SC_CLK_TCK);
    *p = (struct process){((double)user + (double)system) / tick,
                          boot_time() + (double)start / tick, (double)size,
                          (double)pages * (double)sysconf(_SC_PAGESIZE), (double)threads};
    return true;
}

static size_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static void write_process(struct buf *b)
{
    struct process p;
    if (read_process(&p)) {
        metrics_emit(b, METRIC_COUNTER, "process_cpu_seconds_total",
                     "Total user and system CPU time spent in seconds.", NULL, 0, p.cpu_seconds);
        metrics_emit(b, METRIC_GAUGE, "process_resident_memory_bytes",
                     "Resident memory size in bytes.", NULL, 0, p.resident_bytes);
        metrics_emit(b, METRIC_GAUGE, "process_start_time_seconds",
                     "Start time of the process since unix epoch in seconds.", NULL, 0,
                     p.start_seconds);
        metrics_emit(b, METRIC_GAUGE, "process_threads", "Number of OS threads.", NULL, 0,
                     p.threads);
        metrics_emit(b, METRIC_GAUGE, "process_virtual_memory_bytes",
                     "Virtual memory size in bytes.", NULL, 0, p.virtual_bytes);
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metrics_emit(b, METRIC_GAUGE, "process_max_fds", "Maximum number of open file descriptors.",
                     NULL, 0, (double)limit.rlim_cur);
    }
    metrics_emit(b, METRIC_GAUGE, "process_open_fds", "Number of open file descriptors.", NULL, 0,
                 (double)open_files());
}

/* ---- threads ---- */

/* Threads of one name: "http-0", "engine-1", "controller". */
struct thread_time {
    char name[32];
    double run, wait;
};

static bool read_text(const char *path, char *text, size_t n)
{
    FILE *f = fopen(path, "re");
    size_t got = f ? fread(text, 1, n - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    text[got] = 0;
    return got > 0;
}

/* Adds a thread's times to those of its name. What there is no room for is left out. */
static void add_thread(struct thread_time *t, size_t *n, const char *id)
{
    char path[64], name[32], text[96];
    unsigned long long run, wait;
    snprintf(path, sizeof(path), "/proc/self/task/%.20s/schedstat", id);
    if (!read_text(path, text, sizeof(text)) || sscanf(text, "%llu %llu", &run, &wait) != 2) {
        return;
    }
    snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", id);
    if (!read_text(path, name, sizeof(name))) {
        return;
    }
    name[strcspn(name, "\n")] = 0;
    size_t i = 0;
    while (i < *n && strcmp(t[i].name, name) != 0) {
        i++;
    }
    if (i == THREADS_MAX) {
        return;
    }
    if (i == *n) {
        t[(*n)++] = (struct thread_time){0};
        memcpy(t[i].name, name, sizeof(name));
    }
    t[i].run += (double)run / 1e9;
    t[i].wait += (double)wait / 1e9;
}

static void put_threads(struct buf *b, const struct thread_time *t, size_t n, const char *name,
                        const char *help, bool wait)
{
    metrics_head(b, METRIC_COUNTER, name, help);
    for (size_t i = 0; i < n; i++) {
        const struct metric_label l = {"thread", str_from(t[i].name)};
        metrics_sample(b, name, &l, 1, wait ? t[i].wait : t[i].run);
    }
}

/* The kernel counts this anyway: how busy each loop, the pool and the committer are, and how long
 * they wanted to run and could not. */
static void write_threads(struct buf *b)
{
    struct thread_time t[THREADS_MAX];
    size_t n = 0;
    DIR *d = opendir("/proc/self/task");
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            add_thread(t, &n, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
    if (n) {
        put_threads(b, t, n, "coracle_thread_cpu_seconds_total",
                    "CPU time by name of thread; its rate is the share that an event loop is busy.",
                    false);
        put_threads(b, t, n, "coracle_thread_wait_seconds_total",
                    "Time that threads of this name were ready to run and had no CPU.", true);
    }
}

/* ---- a scrape ---- */

/* In the call's arena. */
struct scrape {
    struct pool_task task;
    struct call *call;
    struct buf body;
};

static void answer(struct call *c)
{
    struct scrape *s = c->priv;
    call_answer(c, 200, STR("text/plain; version=0.0.4; charset=utf-8"), &s->body);
}

static void collect(struct pool_task *t)
{
    struct scrape *s = (struct scrape *)(void *)t;
    const struct metric_label version = {"version", STR(CORACLE_VERSION)};
    metrics_write(server_metrics(s->call->server), &s->body);
    metrics_emit(&s->body, METRIC_GAUGE, "coracle_build_info", "1, with what runs as labels.",
                 &version, 1, 1);
    write_process(&s->body);
    write_threads(&s->body);
    call_resume(s->call, answer);
}

/* On the pool: some of what is collected reads files. */
void metrics_serve(struct call *c)
{
    struct scrape *s = ARENA_NEW(&c->arena, struct scrape);
    s->task.run = collect;
    s->call = c;
    c->priv = s;
    if (!pool_submit(engine_pool(server_engine(c->server)), &s->task, false)) {
        struct err err = {0};
        err_set(&err, ERR_TOO_MANY,
                "the server has too many requests waiting, please try again later");
        err.retry_after = 1;
        call_answer_err(c, &err);
    }
}
