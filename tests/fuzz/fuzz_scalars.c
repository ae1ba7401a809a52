/* SPDX-License-Identifier: Apache-2.0 */
/* One text as everything a field may hold: quantity, times, formats, names, numbers. */
#include <ctype.h>
#include <math.h>

#include "base/clock.h"
#include "resources/metadata.h"
#include "schemas/format.h"
#include "schemas/quantity.h"
#include "schemas/timestamp.h"
#include "tests/fuzz/fuzz.h"

static void check_quantity(struct str s)
{
    AUTO(buf_finish) struct buf once = {0}, again = {0};
    const char *why = NULL;
    bool ok = quantity_canonical(s, &once, &why);
    FUZZ_CHECK(ok || (why && *why));
    FUZZ_CHECK(ok == format_is_quantity(s));
    if (ok) {
        FUZZ_CHECK(quantity_canonical(buf_str(&once), &again, &why));
        FUZZ_SAME(buf_str(&again), buf_str(&once));
    }
}

static void check_times(struct str s)
{
    static const enum timestamp_layout layouts[] = {TIMESTAMP_TIME, TIMESTAMP_MICRO,
                                                    TIMESTAMP_DATE};
    for (size_t i = 0; i < 3; i++) {
        AUTO(buf_finish) struct buf why = {0}, once = {0}, again = {0};
        struct timestamp t, back;
        if (!timestamp_parse(s, layouts[i], &t, &why)) {
            FUZZ_CHECK(why.len > 0);
            FUZZ_CHECK(!timestamp_parse(s, layouts[i], &t, NULL));
            continue;
        }
        FUZZ_CHECK(t.nanos >= 0 && t.nanos < 1000000000);
        timestamp_write(&once, t, layouts[i]);
        /* a year that leaves four digits by its offset is not read again */
        if (timestamp_parse(buf_str(&once), layouts[i], &back, NULL)) {
            FUZZ_CHECK(back.seconds == t.seconds || layouts[i] == TIMESTAMP_DATE);
            timestamp_write(&again, back, layouts[i]);
            FUZZ_SAME(buf_str(&again), buf_str(&once));
        } else {
            FUZZ_CHECK(t.seconds < -62135596800 || t.seconds >= 253402300800);
        }
    }
    int64_t us, back;
    char text[CLOCK_TEXT];
    if (clock_parse(s, &us) && us >= -62135596800000000 && us < 253402300800000000) {
        size_t n = clock_format_micro(us, text);
        FUZZ_CHECK(n < CLOCK_TEXT && clock_parse(str_make(text, n), &back) && back == us);
        n = clock_format(us, text);
        FUZZ_CHECK(clock_parse(str_make(text, n), &back) && back <= us && us - back < 1000000);
        FUZZ_CHECK(clock_age(us, text) < CLOCK_TEXT);
    }
}

/* 32 hexadecimal digits, dashes left out, of that version; of a random or named one the variant
 * too. */
static bool is_uuid(struct str s, char version)
{
    char digits[32];
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '-') {
            continue;
        }
        if (n == sizeof(digits) || !isxdigit((unsigned char)s.ptr[i])) {
            return false;
        }
        digits[n++] = (char)tolower((unsigned char)s.ptr[i]);
    }
    return n == sizeof(digits) && digits[12] == version &&
           (version == '3' || memchr("89ab", digits[16], 4));
}

static void check_formats(struct str s)
{
    for (int f = FORMAT_BSON_OBJECT_ID; f < FORMAT_COUNT; f++) {
        bool yes = format_matches((enum schema_format)f, s);
        FUZZ_CHECK(format_matches((enum schema_format)f, s) == yes);
        FUZZ_CHECK(!yes || f != FORMAT_UUID3 || is_uuid(s, '3'));
        FUZZ_CHECK(!yes || f != FORMAT_UUID4 || is_uuid(s, '4'));
        FUZZ_CHECK(!yes || f != FORMAT_UUID5 || is_uuid(s, '5'));
        /* the reference takes what it knows from anywhere in a duration or card number */
        bool no_nul = f == FORMAT_IPV4 || f == FORMAT_IPV6 || f == FORMAT_CIDR || f == FORMAT_MAC ||
                      f == FORMAT_DATE || f == FORMAT_DATE_TIME || f == FORMAT_ISBN10 ||
                      f == FORMAT_ISBN13 || f == FORMAT_HEX_COLOR || f == FORMAT_RGB_COLOR ||
                      f == FORMAT_SSN;
        FUZZ_CHECK(!yes || !no_nul || !s.len || !memchr(s.ptr, 0, s.len));
    }
    FUZZ_CHECK((int)format_parse(s) >= FORMAT_NONE && format_parse(s) < FORMAT_COUNT);
    if (format_is_cidr(s)) {
        FUZZ_CHECK(memchr(s.ptr, '/', s.len) != NULL);
    }
}

/* Of the names, the narrower kinds are of the wider; nothing wrong with one is the same as being
 * one. */
static void check_names(struct str s)
{
    struct name_faults subdomain = {.n = 0}, label = {.n = 0}, qualified = {.n = 0},
                       value = {.n = 0};
    name_faults_subdomain(s, &subdomain);
    name_faults_label(s, &label);
    name_faults_qualified(s, &qualified);
    name_faults_label_value(s, &value);
    FUZZ_CHECK(name_is_dns1123_subdomain(s) == !subdomain.n);
    FUZZ_CHECK(name_is_dns1123_label(s) == !label.n);
    FUZZ_CHECK(name_is_qualified(s) == !qualified.n);
    FUZZ_CHECK(name_is_label_value(s) == !value.n);
    FUZZ_CHECK(!name_is_dns1123_label(s) || name_is_dns1123_subdomain(s));
    FUZZ_CHECK(!name_is_dns1035_label(s) || name_is_dns1123_label(s));
    FUZZ_CHECK(!name_is_dns1123_label(s) || name_is_label_value(s));
}

static void check_number(struct fuzz *f, struct str s)
{
    AUTO(buf_finish) struct buf b = {0};
    double d, back;
    if (s.len < sizeof(d)) {
        return;
    }
    memcpy(&d, s.ptr, sizeof(d));
    if (!isfinite(d)) {
        return;
    }
    json_write_double(&b, d);
    buf_addc(&b, 0);
    char *end;
    back = strtod(b.ptr, &end);
    FUZZ_CHECK(*end == 0 && memcmp(&back, &d, sizeof(d)) == 0);
    FUZZ_CHECK(fuzz_json(f, str_from(b.ptr)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    check_quantity(f.text);
    check_times(f.text);
    check_formats(f.text);
    check_names(f.text);
    check_number(&f, f.text);
    return fuzz_end(&f, data, size);
}
