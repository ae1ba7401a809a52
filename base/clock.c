/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and RFC 3339 time, by arithmetic of the Gregorian calendar: no libc time zone is ever
 * consulted. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define SECOND ((int64_t)1000000)
#define DAY_SECONDS 86400

uint64_t clock_mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

int64_t clock_mono_ms(void)
{
    return (int64_t)(clock_mono_ns() / 1000000);
}

int64_t clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * SECOND + t.tv_nsec / 1000;
}

/* Rounds toward minus infinity. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01; the year is counted from March, so that the leap day is its last. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t of_era = days - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static char *put_digits(char *p, int64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10) {
        p[i] = (char)('0' + v % 10);
    }
    return p + n;
}

/* "2026-01-31T12:00:00" and what follows it; years are kept within the four digits that RFC 3339
 * has. */
static char *put_seconds(char *p, int64_t seconds)
{
    const int64_t first = -62167219200, last = 253402300799; /* years 0000 to 9999 */
    seconds = seconds < first ? first : seconds > last ? last : seconds;
    int64_t days = floor_div(seconds, DAY_SECONDS), year;
    int64_t of_day = seconds - days * DAY_SECONDS;
    int month, day;
    date_of(days, &year, &month, &day);
    p = put_digits(p, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, of_day / 3600, 2);
    *p++ = ':';
    p = put_digits(p, of_day / 60 % 60, 2);
    *p++ = ':';
    return put_digits(p, of_day % 60, 2);
}

size_t clock_format(int64_t wall_us, char out[CLOCK_TEXT])
{
    char *p = put_seconds(out, floor_div(wall_us, SECOND));
    *p++ = 'Z';
    *p = 0;
    return (size_t)(p - out);
}

size_t clock_format_micro(int64_t wall_us, char out[CLOCK_TEXT])
{
    int64_t seconds = floor_div(wall_us, SECOND);
    char *p = put_seconds(out, seconds);
    *p++ = '.';
    p = put_digits(p, wall_us - seconds * SECOND, 6);
    *p++ = 'Z';
    *p = 0;
    return (size_t)(p - out);
}

/* Reads n digits at the front of *s. */
static bool take_digits(struct str *s, int n, int *ret)
{
    int v = 0;
    if (s->len < (size_t)n) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (s->ptr[i] - '0');
    }
    *s = str_skip(*s, (size_t)n);
    *ret = v;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (!s->len || s->ptr[0] != c) {
        return false;
    }
    *s = str_skip(*s, 1);
    return true;
}

static int days_in(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* ".123456789": any number of digits, those beyond microseconds are dropped. */
static bool take_fraction(struct str *s, int64_t *ret_us)
{
    int digit, n = 0;
    *ret_us = 0;
    if (!take_char(s, '.')) {
        return true;
    }
    while (take_digits(s, 1, &digit)) {
        *ret_us = n < 6 ? *ret_us * 10 + digit : *ret_us;
        n++;
    }
    for (int i = n; i < 6; i++) {
        *ret_us *= 10;
    }
    return n > 0;
}

static bool take_offset(struct str *s, int64_t *ret_seconds)
{
    int h, m;
    *ret_seconds = 0;
    if (take_char(s, 'Z')) {
        return true;
    }
    bool east = take_char(s, '+');
    if ((!east && !take_char(s, '-')) || !take_digits(s, 2, &h) || !take_char(s, ':') ||
        !take_digits(s, 2, &m) || h > 23 || m > 59) {
        return false;
    }
    *ret_seconds = (h * 3600 + m * 60) * (east ? 1 : -1);
    return true;
}

bool clock_parse(struct str s, int64_t *ret_wall_us)
{
    int year, month, day, h, m, sec;
    int64_t us, offset;
    bool ok = take_digits(&s, 4, &year) && take_char(&s, '-') && take_digits(&s, 2, &month) &&
              take_char(&s, '-') && take_digits(&s, 2, &day) && take_char(&s, 'T') &&
              take_digits(&s, 2, &h) && take_char(&s, ':') && take_digits(&s, 2, &m) &&
              take_char(&s, ':') && take_digits(&s, 2, &sec) && take_fraction(&s, &us) &&
              take_offset(&s, &offset) && !s.len;
    if (!ok || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || h > 23 ||
        m > 59 || sec > 59) {
        return false;
    }
    int64_t seconds = days_of(year, month, day) * DAY_SECONDS + h * 3600 + m * 60 + sec - offset;
    *ret_wall_us = seconds * SECOND + us;
    return true;
}

/* "3m2s", or "3m" when there is no rest. */
static int two_units(char *out, int64_t a, char unit, int64_t b, char sub)
{
    if (!b) {
        return snprintf(out, CLOCK_TEXT, "%lld%c", (long long)a, unit);
    }
    return snprintf(out, CLOCK_TEXT, "%lld%c%lld%c", (long long)a, unit, (long long)b, sub);
}

size_t clock_age(int64_t us, char out[CLOCK_TEXT])
{
    int64_t s = us / SECOND, m = s / 60, h = m / 60, d = h / 24;
    int n;
    if (s < -1) {
        n = snprintf(out, CLOCK_TEXT, "<invalid>");
    } else if (s < 120) {
        n = two_units(out, s < 0 ? 0 : s, 's', 0, 0);
    } else if (m < 10) {
        n = two_units(out, m, 'm', s % 60, 's');
    } else if (m < 180) {
        n = two_units(out, m, 'm', 0, 0);
    } else if (h < 8) {
        n = two_units(out, h, 'h', m % 60, 'm');
    } else if (h < 48) {
        n = two_units(out, h, 'h', 0, 0);
    } else if (d < 8) {
        n = two_units(out, d, 'd', h % 24, 'h');
    } else if (d < 365 * 2) {
        n = two_units(out, d, 'd', 0, 0);
    } else {
        n = two_units(out, d / 365, 'y', d < 365 * 8 ? d % 365 : 0, 'd');
    }
    return (size_t)n;
}
