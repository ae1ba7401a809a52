/* SPDX-License-Identifier: Apache-2.0 */
/* The string formats, as kube-openapi's strfmt understands them. */
#include "schemas/format.h"

#include <ctype.h>
#include <stdint.h>
#include <strings.h>

#include "schemas/timestamp.h"

/* Scans text by a small pattern: '#' a digit, 'x' a hexadecimal digit, '-' an optional dash,
 * anything else itself. */
static bool scan(struct str s, const char *pattern)
{
    size_t i = 0;
    for (; *pattern; pattern++) {
        bool more = i < s.len;
        unsigned char c = more ? (unsigned char)s.ptr[i] : 0;
        if (*pattern == '-' && c != '-') {
            continue;
        }
        if (!more || (*pattern == '#'   ? !isdigit(c)
                      : *pattern == 'x' ? !isxdigit(c)
                      : *pattern == 'v' ? !memchr("89abAB", c, 6)
                                        : c != (unsigned char)*pattern)) {
            return false;
        }
        i++;
    }
    return i == s.len;
}

static bool is_bson_object_id(struct str s)
{
    return scan(s, "xxxxxxxxxxxxxxxxxxxxxxxx");
}

/* What the pattern does not say: lengths in bytes. */
static bool is_hostname(struct str s)
{
    struct str rest = s;
    while (rest.ptr) {
        if (str_cut(rest, '.', &rest).len > 63) {
            return false;
        }
    }
    return s.len <= 255;
}

static bool is_ipv4(struct str s)
{
    return memchr(s.ptr, '.', s.len) && format_is_ip(s, true);
}

static bool is_ipv6(struct str s)
{
    return memchr(s.ptr, ':', s.len) && format_is_ip(s, false);
}

static bool is_uuid(struct str s)
{
    return scan(s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

static bool is_uuid3(struct str s)
{
    return scan(s, "xxxxxxxx-xxxx-3xxx-xxxx-xxxxxxxxxxxx");
}

static bool is_uuid4(struct str s)
{
    return scan(s, "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx");
}

static bool is_uuid5(struct str s)
{
    return scan(s, "xxxxxxxx-xxxx-5xxx-vxxx-xxxxxxxxxxxx");
}

/* Copies s without white space and dashes; the length, or 0 when it does not fit. */
static size_t squeeze(struct str s, char *ret, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '-' || c == ' ' || (c >= '\t' && c <= '\r' && c != '\v')) {
            continue;
        }
        if (n == room) {
            return 0;
        }
        ret[n++] = (char)c;
    }
    return n;
}

static bool is_isbn10(struct str s)
{
    char d[10];
    if (squeeze(s, d, sizeof(d)) != 10) {
        return false;
    }
    int sum = 0;
    for (int i = 0; i < 10; i++) {
        bool ten = i == 9 && d[i] == 'X';
        if (!ten && !isdigit((unsigned char)d[i])) {
            return false;
        }
        sum += (i + 1) * (ten ? 10 : d[i] - '0');
    }
    return sum % 11 == 0;
}

static bool is_isbn13(struct str s)
{
    char d[13];
    if (squeeze(s, d, sizeof(d)) != 13) {
        return false;
    }
    int sum = 0;
    for (int i = 0; i < 13; i++) {
        if (!isdigit((unsigned char)d[i])) {
            return false;
        }
        sum += (i % 2 ? 3 : 1) * (d[i] - '0');
    }
    return sum % 10 == 0;
}

static bool is_isbn(struct str s)
{
    return is_isbn10(s) || is_isbn13(s);
}

static bool card_number(const char *d, size_t n)
{
    int two = (d[0] - '0') * 10 + (d[1] - '0');
    int three = two * 10 + (d[2] - '0'), four = three * 10 + (d[3] - '0');
    return (d[0] == '4' && (n == 13 || n == 16)) || (two >= 51 && two <= 55 && n == 16) ||
           ((four == 6011 || two == 65) && n == 16) || ((two == 34 || two == 37) && n == 15) ||
           (((three >= 300 && three <= 305) || two == 36 || two == 38) && n == 14) ||
           ((four == 2131 || four == 1800) && n == 15) || (two == 35 && n == 16);
}

static bool is_credit_card(struct str s)
{
    char d[19];
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (isdigit((unsigned char)s.ptr[i])) {
            if (n == sizeof(d)) {
                return false;
            }
            d[n++] = s.ptr[i];
        }
    }
    if (n < 13 || !card_number(d, n)) {
        return false;
    }
    int sum = 0;
    for (size_t i = 0; i < n; i++) {
        int v = (d[n - 1 - i] - '0') * (i % 2 ? 2 : 1);
        sum += v >= 10 ? v % 10 + 1 : v;
    }
    return sum % 10 == 0;
}

static bool is_ssn(struct str s)
{
    struct str plain = s;
    char d[11];
    if (s.len != sizeof(d)) {
        return false;
    }
    memcpy(d, s.ptr, sizeof(d));
    for (size_t i = 3; i <= 6; i += 3) {
        d[i] = d[i] == ' ' ? '-' : d[i];
    }
    plain.ptr = d;
    return scan(plain, "###-##-####");
}

static bool is_hex_color(struct str s)
{
    struct str v = s.len && s.ptr[0] == '#' ? str_skip(s, 1) : s;
    return scan(v, "xxx") || scan(v, "xxxxxx");
}

static void skip_space(struct str *s)
{
    while (s->len && strchr(" \t\n\r\f", s->ptr[0]) && s->ptr[0]) {
        *s = str_skip(*s, 1);
    }
}

/* One number up to 255 without leading zeros. */
static bool take_octet(struct str *s)
{
    int v = 0;
    size_t n = 0;
    while (n < s->len && n < 4 && isdigit((unsigned char)s->ptr[n])) {
        v = v * 10 + (s->ptr[n] - '0');
        n++;
    }
    bool ok = n && v <= 255 && (n == 1 || s->ptr[0] != '0');
    *s = str_skip(*s, n);
    return ok;
}

static bool is_rgb_color(struct str s)
{
    if (!str_starts(s, STR("rgb("))) {
        return false;
    }
    s = str_skip(s, 4);
    for (int i = 0; i < 3; i++) {
        skip_space(&s);
        if (!take_octet(&s)) {
            return false;
        }
        skip_space(&s);
        if (!s.len || s.ptr[0] != (i == 2 ? ')' : ',')) {
            return false;
        }
        s = str_skip(s, 1);
    }
    return s.len == 0;
}

static bool is_byte(struct str s)
{
    if (!s.len || s.len % 4) {
        return false;
    }
    size_t pad = s.ptr[s.len - 1] == '=' ? 1 + (s.ptr[s.len - 2] == '=') : 0;
    for (size_t i = 0; i < s.len - pad; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (!isalnum(c) && c != '+' && c != '/') {
            return false;
        }
    }
    return true;
}

static bool is_date(struct str s)
{
    struct timestamp t;
    return timestamp_parse(s, TIMESTAMP_DATE, &t, NULL);
}

/* What may follow the seconds: z or an offset. */
static bool is_zone(struct str s)
{
    return str_is(s, "z") ||
           (s.len == 6 && (s.ptr[0] == '+' || s.ptr[0] == '-') && scan(str_skip(s, 1), "##:##"));
}

static bool is_date_time(struct str s)
{
    char low[64];
    if (s.len < 4 || s.len > sizeof(low)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        low[i] = (char)tolower((unsigned char)s.ptr[i]);
    }
    struct str rest, day = str_cut(str_make(low, s.len), 't', &rest);
    if (!rest.ptr || !is_date(day)) {
        return false;
    }
    struct str ignored;
    rest = str_cut(rest, 't', &ignored);
    if (rest.len < 8 || !scan(str_make(rest.ptr, 8), "##:##:##") || memcmp(rest.ptr, "23", 2) > 0 ||
        rest.ptr[3] > '5' || rest.ptr[6] > '5') {
        return false;
    }
    rest = str_skip(rest, 8);
    if (is_zone(rest)) {
        return true;
    }
    size_t n = 1;
    while (n < rest.len && isdigit((unsigned char)rest.ptr[n])) {
        n++;
    }
    return n > 1 && rest.ptr[0] != '\n' && is_zone(str_skip(rest, n));
}

static const struct {
    const char *name;
    double nanos;
} go_units[] = {{"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
                {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};

/* Go's time.ParseDuration: "1h2.5s", "-3ms", "0". */
static bool is_go_duration(struct str s)
{
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        s = str_skip(s, 1);
    }
    if (str_is(s, "0")) {
        return true;
    }
    double total = 0;
    bool any = false;
    while (s.len) {
        double v = 0, place = 1;
        size_t n = 0, count = 0;
        bool point = false;
        for (; n < s.len && (isdigit((unsigned char)s.ptr[n]) || (s.ptr[n] == '.' && !point));
             n++) {
            if (s.ptr[n] == '.') {
                point = true;
            } else {
                count++;
                place = point ? place / 10 : place;
                v = point ? v + place * (s.ptr[n] - '0') : v * 10 + (s.ptr[n] - '0');
            }
        }
        s = str_skip(s, n);
        size_t unit = 0;
        while (unit < s.len && s.ptr[unit] != '.' && !isdigit((unsigned char)s.ptr[unit])) {
            unit++;
        }
        double nanos = 0;
        for (size_t i = 0; i < sizeof(go_units) / sizeof(*go_units); i++) {
            nanos = str_is(str_make(s.ptr, unit), go_units[i].name) ? go_units[i].nanos : nanos;
        }
        total += v * nanos;
        if (!count || nanos <= 0 || total >= 9.2233720368547758e18) {
            return false;
        }
        s = str_skip(s, unit);
        any = true;
    }
    return any;
}

/* The units of Scala's durations; the last of each line may be continued ("minutes"). */
static bool is_scala_unit(struct str unit)
{
    static const char *const units[][4] = {
        {"ns", "nano"}, {"us", "\xc2\xb5s", "micro"}, {"ms", "milli"}, {"s", "sec"},
        {"m", "min"},   {"h", "hr", "hour"},          {"d", "day"},    {"w", "wk", "week"},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        for (size_t j = 0; j < 4 && units[i][j]; j++) {
            size_t n = strlen(units[i][j]);
            bool last = j == 3 || !units[i][j + 1];
            if (unit.len >= n && strncasecmp(unit.ptr, units[i][j], n) == 0 &&
                (last || unit.len == n)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_duration(struct str s)
{
    if (is_go_duration(s)) {
        return true;
    }
    bool ok = false;
    while (s.len) {
        size_t n = 0;
        while (n < s.len && isdigit((unsigned char)s.ptr[n])) {
            n++;
        }
        if (!n) {
            s = str_skip(s, 1);
            continue;
        }
        struct str number = str_make(s.ptr, n);
        s = str_skip(s, n);
        skip_space(&s);
        size_t unit = 0;
        while (unit < s.len && (isalpha((unsigned char)s.ptr[unit]) ||
                                str_starts(str_skip(s, unit), STR("\xc2\xb5")) ||
                                (unit && str_starts(str_skip(s, unit - 1), STR("\xc2\xb5"))))) {
            unit++;
        }
        if (unit && number.len > 18) {
            return false;
        }
        ok = ok || is_scala_unit(str_make(s.ptr, unit));
        s = str_skip(s, unit);
    }
    return ok;
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])?, over all of s. */
static bool is_label(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool dash = c == '-' && i && i + 1 < s.len;
        if (!dash && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_short_name(struct str s)
{
    return s.len <= 63 && is_label(s);
}

static bool is_long_name(struct str s)
{
    if (s.len > 253) {
        return false;
    }
    struct str rest = s;
    do {
        if (!is_label(str_cut(rest, '.', &rest))) {
            return false;
        }
    } while (rest.ptr);
    return true;
}

static const struct {
    const char *name; /* without dashes */
    bool (*matches)(struct str s);
} formats[FORMAT_COUNT] = {
    [FORMAT_BSON_OBJECT_ID] = {"bsonobjectid", is_bson_object_id},
    [FORMAT_URI] = {"uri", format_is_uri},
    [FORMAT_EMAIL] = {"email", format_is_email},
    [FORMAT_HOSTNAME] = {"hostname", is_hostname},
    [FORMAT_IPV4] = {"ipv4", is_ipv4},
    [FORMAT_IPV6] = {"ipv6", is_ipv6},
    [FORMAT_CIDR] = {"cidr", format_is_cidr},
    [FORMAT_MAC] = {"mac", format_is_mac},
    [FORMAT_UUID] = {"uuid", is_uuid},
    [FORMAT_UUID3] = {"uuid3", is_uuid3},
    [FORMAT_UUID4] = {"uuid4", is_uuid4},
    [FORMAT_UUID5] = {"uuid5", is_uuid5},
    [FORMAT_ISBN] = {"isbn", is_isbn},
    [FORMAT_ISBN10] = {"isbn10", is_isbn10},
    [FORMAT_ISBN13] = {"isbn13", is_isbn13},
    [FORMAT_CREDIT_CARD] = {"creditcard", is_credit_card},
    [FORMAT_SSN] = {"ssn", is_ssn},
    [FORMAT_HEX_COLOR] = {"hexcolor", is_hex_color},
    [FORMAT_RGB_COLOR] = {"rgbcolor", is_rgb_color},
    [FORMAT_BYTE] = {"byte", is_byte},
    [FORMAT_PASSWORD] = {"password", NULL},
    [FORMAT_DATE] = {"date", is_date},
    [FORMAT_DURATION] = {"duration", is_duration},
    [FORMAT_DATE_TIME] = {"datetime", is_date_time},
    [FORMAT_SHORT_NAME] = {"k8sshortname", is_short_name},
    [FORMAT_LONG_NAME] = {"k8slongname", is_long_name},
};

enum schema_format format_parse(struct str name)
{
    char plain[16];
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '-') {
            continue;
        }
        if (n == sizeof(plain)) {
            return FORMAT_NONE;
        }
        plain[n++] = name.ptr[i];
    }
    for (int f = FORMAT_BSON_OBJECT_ID; f < FORMAT_COUNT; f++) {
        if (formats[f].name && str_is(str_make(plain, n), formats[f].name)) {
            return (enum schema_format)f;
        }
    }
    return FORMAT_NONE;
}

#define HOST "a-zA-Z0-9\\p{S}\\p{L}"

const char *format_pattern(enum schema_format f)
{
    /* strfmt's, but for the upper bounds of its counts, which the length of a label in bytes
     * implies */
    return f == FORMAT_HOSTNAME ? "^([" HOST "]-?[" HOST "]*|([" HOST "]([" HOST "-]*[" HOST
                                  "])?\\.)+[a-zA-Z\\p{L}]{2,})$"
                                : NULL;
}

bool format_matches(enum schema_format f, struct str s)
{
    return f >= FORMAT_COUNT || !formats[f].matches || formats[f].matches(s);
}
