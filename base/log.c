/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines. A line is put together first and written with one write(2). */
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    BURST = 20, /* warnings of one message that may follow each other within BURST_MS */
    BURST_MS = 10000,
    BURST_SLOTS = 64,
};

/* How often a message came of late. */
struct burst {
    const char *message; /* of the program's own: its address is its name */
    int64_t since_ms;
    unsigned lines;
    uint64_t left_out;
};

/* The process has one standard error, so this is its one setting (STYLE.md allows no other global).
 */
static struct {
    _Atomic int least, format, fd;
    pthread_mutex_t lock; /* never held while a line is written */
    struct burst bursts[BURST_SLOTS];
} setup = {LOG_INFO, LOG_TEXT, STDERR_FILENO, PTHREAD_MUTEX_INITIALIZER, {{0}}};

static const char *const names[] = {"debug", "info", "warn", "error"};
static const char *const upper[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void log_setup(enum log_level least, enum log_format format, int fd)
{
    atomic_store(&setup.least, (int)least);
    atomic_store(&setup.format, (int)format);
    atomic_store(&setup.fd, fd);
}

int log_parse_level(const char *s, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(s, names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return ERR_BAD_REQUEST;
}

bool log_enabled(enum log_level l)
{
    return (int)l >= atomic_load_explicit(&setup.least, memory_order_relaxed);
}

/* Whether a text value can stand without quotes. */
static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }
    return s.len > 0;
}

static void put_field(struct buf *b, const struct log_field *f, bool json)
{
    switch (f->type) {
    case LOG_F_STR:
        if (!json && is_bare(f->s)) {
            buf_add(b, f->s);
        } else {
            buf_add_json(b, f->s);
        }
        break;
    case LOG_F_INT:
        buf_addi(b, f->i);
        break;
    case LOG_F_DOUBLE:
        json_write_double(b, f->d);
        break;
    case LOG_F_BOOL:
        buf_addz(b, f->i ? "true" : "false");
        break;
    }
}

/* "2026-01-31T12:00:00.000Z" */
static void put_time(struct buf *b)
{
    char text[CLOCK_TEXT];
    size_t n = clock_format_micro(clock_wall_us(), text);
    buf_add(b, str_make(text, n - 4));
    buf_addc(b, 'Z');
}

static void put_json(struct buf *b, enum log_level l, struct str message,
                     const struct log_field *fields, size_t n, uint64_t left_out)
{
    buf_addz(b, "{\"ts\":\"");
    put_time(b);
    buf_addz(b, "\",\"level\":\"");
    buf_addz(b, names[l]);
    buf_addz(b, "\",\"msg\":");
    buf_add_json(b, message);
    for (size_t i = 0; i < n; i++) {
        buf_addc(b, ',');
        buf_add_json(b, str_from(fields[i].key));
        buf_addc(b, ':');
        put_field(b, &fields[i], true);
    }
    if (left_out) {
        buf_printf(b, ",\"left_out\":%llu", (unsigned long long)left_out);
    }
    buf_addz(b, "}\n");
}

/* The message stands unquoted, but never breaks the line. */
static void put_message(struct buf *b, struct str message)
{
    for (size_t i = 0; i < message.len; i++) {
        unsigned char c = (unsigned char)message.ptr[i];
        buf_addc(b, c < ' ' || c == 0x7f ? ' ' : (char)c);
    }
}

static void put_text(struct buf *b, enum log_level l, struct str message,
                     const struct log_field *fields, size_t n, uint64_t left_out)
{
    put_time(b);
    buf_addc(b, ' ');
    buf_addz(b, upper[l]);
    buf_addc(b, ' ');
    put_message(b, message);
    for (size_t i = 0; i < n; i++) {
        buf_addc(b, ' ');
        buf_addz(b, fields[i].key);
        buf_addc(b, '=');
        put_field(b, &fields[i], false);
    }
    if (left_out) {
        buf_printf(b, " left_out=%llu", (unsigned long long)left_out);
    }
    buf_addc(b, '\n');
}

/* Whether a warning may be written; *ret_left_out: how many of its kind were not since the last. */
static bool admit(const char *message, uint64_t *ret_left_out)
{
    struct burst *b = &setup.bursts[((uintptr_t)message >> 3) % BURST_SLOTS];
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&setup.lock);
    if (b->message != message || now - b->since_ms >= BURST_MS) {
        *ret_left_out = b->message == message ? b->left_out : 0;
        *b = (struct burst){message, now, 0, 0};
    }
    bool yes = ++b->lines <= BURST;
    b->left_out += !yes;
    pthread_mutex_unlock(&setup.lock);
    return yes;
}

void log_fields(enum log_level l, const char *message, const struct log_field *fields, size_t n)
{
    uint64_t left_out = 0;
    if (!log_enabled(l) || (l >= LOG_WARN && !admit(message, &left_out))) {
        return;
    }
    int keep = errno;
    AUTO(buf_finish) struct buf b = {0};
    if (atomic_load(&setup.format) == LOG_JSON) {
        put_json(&b, l, str_from(message), fields, n, left_out);
    } else {
        put_text(&b, l, str_from(message), fields, n, left_out);
    }
    ssize_t written;
    do {
        written = write(atomic_load(&setup.fd), b.ptr, b.len);
    } while (written < 0 && errno == EINTR);
    errno = keep;
}
