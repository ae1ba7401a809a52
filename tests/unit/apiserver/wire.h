/* SPDX-License-Identifier: Apache-2.0 */
/* A client on bare sockets, for tests that look at the bytes. */
#ifndef TESTS_APISERVER_WIRE_H
#define TESTS_APISERVER_WIRE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

/* Connects to "127.0.0.1:PORT"; reads give up after 60 s. */
static inline int wire_dial(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval tv = {.tv_sec = 60};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static inline void wire_put(int fd, struct str s)
{
    while (s.len) {
        ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        s = str_skip(s, (size_t)n);
    }
}

static inline void wire_putz(int fd, const char *z)
{
    wire_put(fd, str_from(z));
}

/* Reads until `enough` stands in what came (NULL: to the end); returns what b holds,
 * NUL-terminated. */
static inline char *wire_get(int fd, const char *enough, struct buf *b)
{
    for (;;) {
        buf_addc(b, 0);
        b->len--;
        if (enough && strstr(b->ptr, enough)) {
            return b->ptr;
        }
        ssize_t n = recv(fd, buf_reserve(b, 65536), 65536, 0);
        if (n <= 0) {
            buf_addc(b, 0);
            b->len--;
            return b->ptr;
        }
        b->len += (size_t)n;
    }
}

static inline size_t wire_count(const char *text, const char *needle)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, needle)); p++) {
        n++;
    }
    return n;
}

static inline void wire_sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

#endif
