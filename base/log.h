/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines on standard error, as text or JSON. Any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* A named value of a line. */
struct log_field {
    const char *key;
    enum { LOG_F_STR, LOG_F_INT, LOG_F_DOUBLE, LOG_F_BOOL } type;
    struct str s;
    int64_t i;
    double d;
};

#define LOG_S(k, v) ((struct log_field){.key = (k), .type = LOG_F_STR, .s = (v)})
#define LOG_Z(k, v) ((struct log_field){.key = (k), .type = LOG_F_STR, .s = str_from(v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .type = LOG_F_INT, .i = (int64_t)(v)})
#define LOG_D(k, v) ((struct log_field){.key = (k), .type = LOG_F_DOUBLE, .d = (v)})
#define LOG_B(k, v) ((struct log_field){.key = (k), .type = LOG_F_BOOL, .i = (v)})
#define LOG_ERR(e) LOG_Z("error", err_message(e))

/* Process-wide, set once at start by main and tests. */
void log_setup(enum log_level least, enum log_format format, int fd);
/* Parses "debug", "info", "warn", "error". ERR_BAD_REQUEST. */
int log_parse_level(const char *s, enum log_level *ret);
bool log_enabled(enum log_level l);
/* One line, written with a single write(2): time, level, message, fields. Values are escaped: a line stays a line. Warnings
 * and errors of one message (a literal: its address counts) are limited to 20 in 10 seconds; the first line after that says in
 * left_out how many were not written. */
void log_fields(enum log_level l, const char *message, const struct log_field *fields, size_t n);

/* log_info("listening", LOG_Z("address", a), LOG_I("port", p)); */
#define log_at(l, msg, ...)                                                                        \
    do {                                                                                           \
        if (log_enabled(l)) {                                                                      \
            const struct log_field log_f_[] = {{0}, __VA_ARGS__};                                  \
            log_fields((l), (msg), log_f_ + 1, sizeof(log_f_) / sizeof(*log_f_) - 1);              \
        }                                                                                          \
    } while (0)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__, )
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__, )
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__, )
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__, )

#endif
