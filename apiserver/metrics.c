/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: everything that is counted, and what the kernel knows of this process under the
 * names that Prometheus' own clients give. */
#include "base/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apiserver/call.h"

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

void metrics_serve(struct call *c)
{
    struct buf b = {0};
    metrics_write(server_metrics(c->server), &b);
    write_process(&b);
    call_answer(c, 200, STR("text/plain; version=0.0.4; charset=utf-8"), &b);
}
