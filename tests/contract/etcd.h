/* SPDX-License-Identifier: Apache-2.0 */
/* An etcd server of a test's own: a temporary directory, a free port, ended with the test. */
#ifndef TESTS_CONTRACT_ETCD_H
#define TESTS_CONTRACT_ETCD_H

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

struct etcd_server {
    pid_t pid;
    int port;
    char dir[96], url[64];
    const char *args[8]; /* more of them; NULL ends */
};

/* NULL: etcd is not installed. */
static inline const char *etcd_binary(void)
{
    static const char *const places[] = {"/usr/bin/etcd", "/usr/local/bin/etcd"};
    for (size_t i = 0; i < 2; i++) {
        if (!access(places[i], X_OK)) {
            return places[i];
        }
    }
    return NULL;
}

/* Where its files lie: in memory where there is enough, since every write of it waits for the disk,
 * which others may keep busy for longer than a client waits. */
static inline const char *etcd_place(void)
{
    struct statvfs st;
    bool roomy = !statvfs("/dev/shm", &st) && (uint64_t)st.f_bavail * st.f_frsize >= 1u << 30;
    return roomy && !access("/dev/shm", W_OK | X_OK) ? "/dev/shm" : "/tmp";
}

static inline int etcd_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int bad = bind(fd, (struct sockaddr *)&a, len) || getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return bad ? 0 : ntohs(a.sin_port);
}

/* In the child. */
static inline void etcd_exec(const struct etcd_server *e)
{
    const char *args[40] = {etcd_binary(),
                            "--data-dir",
                            e->dir,
                            "--listen-client-urls",
                            e->url,
                            "--advertise-client-urls",
                            e->url,
                            "--listen-peer-urls",
                            "http://127.0.0.1:0",
                            "--initial-advertise-peer-urls",
                            "http://127.0.0.1:0",
                            "--initial-cluster",
                            "default=http://127.0.0.1:0",
                            "--heartbeat-interval",
                            "10",
                            "--election-timeout",
                            "100",
                            "--logger",
                            "zap",
                            "--log-level",
                            "error"};
    size_t n = 21;
    for (size_t i = 0; i < 8 && e->args[i]; i++) {
        args[n++] = e->args[i];
    }
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(args[0], (char *const *)(uintptr_t)args);
    _exit(127);
}

/* Starts it, or starts it again with what it holds. It answers soon after. */
static inline void etcd_start(struct etcd_server *e)
{
    e->port = e->port ? e->port : etcd_free_port();
    snprintf(e->url, sizeof(e->url), "http://127.0.0.1:%d", e->port);
    e->pid = fork();
    assert(e->pid >= 0);
    if (!e->pid) {
        etcd_exec(e);
    }
}

/* Returns when it stands: a signal is on its way for a moment, in which it still answers. */
static inline void etcd_pause(const struct etcd_server *e)
{
    int status = 0;
    kill(e->pid, SIGSTOP);
    pid_t pid = waitpid(e->pid, &status, WUNTRACED);
    assert(pid == e->pid && WIFSTOPPED(status));
    (void)pid;
}

static inline void etcd_stop(struct etcd_server *e)
{
    if (e->pid > 0) {
        kill(e->pid, SIGKILL);
        waitpid(e->pid, NULL, 0);
        e->pid = 0;
    }
}

#endif
