/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, element by element as Go's time.Parse takes them, so that its sentences come out
 * the same. */
#include "schemas/timestamp.h"

#include <time.h>

static const char *const layouts[] = {
    [TIMESTAMP_TIME] = "2006-01-02T15:04:05Z07:00",
    [TIMESTAMP_MICRO] = "2006-01-02T15:04:05.000000Z07:00",
    [TIMESTAMP_DATE] = "2006-01-02",
};

struct parse {
    struct str all, rest;
    const char *layout;
    struct buf *why;
    int year, month, day, hour, minute, second;
    int32_t nanos;
    int offset; /* seconds east of UTC */
};

/* As Go's time package quotes. */
static void quote(struct buf *b, struct str s)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x80 || c < ' ') {
            buf_printf(b, "\\x%02x", c);
        } else {
            if (c == '"' || c == '\\') {
                buf_addc(b, '\\');
            }
            buf_addc(b, (char)c);
        }
    }
    buf_addc(b, '"');
}

static bool bad(struct parse *p, struct str value, const char *element)
{
    if (p->why) {
        buf_addz(p->why, "parsing time ");
        quote(p->why, p->all);
        buf_addz(p->why, " as ");
        quote(p->why, str_from(p->layout));
        buf_addz(p->why, ": cannot parse ");
        quote(p->why, value);
        buf_addz(p->why, " as ");
        quote(p->why, str_from(element));
    }
    return false;
}

static bool out_of_range(struct parse *p, const char *what)
{
    if (p->why) {
        buf_addz(p->why, "parsing time ");
        quote(p->why, p->all);
        buf_printf(p->why, ": %s out of range", what);
    }
    return false;
}

static bool digit_at(struct str s, size_t i)
{
    return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';
}

/* Reads `n` digits; -1: they are not there. */
static int digits(struct str s, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!digit_at(s, i)) {
            return -1;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    return v;
}

static bool take_literal(struct parse *p, const char *c)
{
    if (!p->rest.len || p->rest.ptr[0] != *c) {
        return bad(p, p->rest, c);
    }
    p->rest = str_skip(p->rest, 1);
    return true;
}

/* A number of two digits (short_ok: or one) between least and most. */
static bool take_two(struct parse *p, const char *element, bool short_ok, int least, int most,
                     const char *what, int *ret)
{
    size_t n = 2;
    int v = digits(p->rest, 2);
    if (v < 0 && short_ok) {
        v = digits(p->rest, 1);
        n = 1;
    }
    if (v < 0) {
        return bad(p, p->rest, element);
    }
    p->rest = str_skip(p->rest, n);
    *ret = v;
    return v >= least && v <= most ? true : out_of_range(p, what);
}

static bool take_date(struct parse *p)
{
    p->year = digits(p->rest, 4);
    if (p->year < 0) {
        return bad(p, p->rest, "2006");
    }
    p->rest = str_skip(p->rest, 4);
    return take_literal(p, "-") && take_two(p, "01", false, 1, 12, "month", &p->month) &&
           take_literal(p, "-") && take_two(p, "02", false, 0, 99, "day", &p->day);
}

static bool is_point(struct str s)
{
    return s.len && (s.ptr[0] == '.' || s.ptr[0] == ',');
}

static bool take_fraction(struct parse *p, bool micro)
{
    size_t n = 1;
    if (micro) {
        n = 7;
        if (p->rest.len < n || !is_point(p->rest) || digits(str_skip(p->rest, 1), 6) < 0) {
            return bad(p, p->rest, ".000000");
        }
    } else if (is_point(p->rest) && digit_at(p->rest, 1)) {
        while (digit_at(p->rest, n)) {
            n++;
        }
    } else {
        return true;
    }
    p->nanos = 0;
    for (size_t i = 1; i < 10; i++) {
        p->nanos = p->nanos * 10 + (i < n ? p->rest.ptr[i] - '0' : 0);
    }
    p->rest = str_skip(p->rest, n);
    return true;
}

static bool take_zone(struct parse *p)
{
    struct str v = p->rest;
    if (v.len && v.ptr[0] == 'Z') {
        p->rest = str_skip(v, 1);
        return true;
    }
    int hours = v.len >= 6 ? digits(str_skip(v, 1), 2) : -1;
    int minutes = v.len >= 6 ? digits(str_skip(v, 4), 2) : -1;
    if (hours < 0 || minutes < 0 || v.ptr[3] != ':' || (v.ptr[0] != '+' && v.ptr[0] != '-')) {
        return bad(p, v, "Z07:00");
    }
    p->rest = str_skip(v, 6);
    if (hours > 24) {
        return out_of_range(p, "time zone offset hour");
    }
    if (minutes > 60) {
        return out_of_range(p, "time zone offset minute");
    }
    p->offset = (hours * 60 + minutes) * 60 * (v.ptr[0] == '-' ? -1 : 1);
    return true;
}

static bool take_clock(struct parse *p, bool micro)
{
    return take_literal(p, "T") && take_two(p, "15", true, 0, 23, "hour", &p->hour) &&
           take_literal(p, ":") && take_two(p, "04", false, 0, 59, "minute", &p->minute) &&
           take_literal(p, ":") && take_two(p, "05", false, 0, 59, "second", &p->second) &&
           take_fraction(p, micro) && take_zone(p);
}

static bool day_exists(const struct parse *p)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = p->year % 4 == 0 && (p->year % 100 != 0 || p->year % 400 == 0);
    return p->day >= 1 && p->day <= days[p->month - 1] + (p->month == 2 && leap);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_from(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

bool timestamp_parse(struct str s, enum timestamp_layout layout, struct timestamp *ret,
                     struct buf *why)
{
    struct parse p = {.all = s, .rest = s, .layout = layouts[layout], .why = why};
    if (!take_date(&p) ||
        (layout != TIMESTAMP_DATE && !take_clock(&p, layout == TIMESTAMP_MICRO))) {
        return false;
    }
    if (p.rest.len) {
        if (why) {
            buf_addz(why, "parsing time ");
            quote(why, s);
            buf_addz(why, ": extra text: ");
            quote(why, p.rest);
        }
        return false;
    }
    if (!day_exists(&p)) {
        return out_of_range(&p, "day");
    }
    ret->seconds = days_from(p.year, p.month, p.day) * 86400 + p.hour * 3600 + p.minute * 60 +
                   p.second - p.offset;
    ret->nanos = p.nanos;
    return true;
}

void timestamp_write(struct buf *b, struct timestamp t, enum timestamp_layout layout)
{
    struct tm tm;
    time_t seconds = (time_t)t.seconds;
    if (!gmtime_r(&seconds, &tm)) {
        return;
    }
    buf_printf(b, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (layout == TIMESTAMP_DATE) {
        return;
    }
    buf_printf(b, "T%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (layout == TIMESTAMP_MICRO) {
        buf_printf(b, ".%06d", (int)(t.nanos / 1000));
    }
    buf_addc(b, 'Z');
}
