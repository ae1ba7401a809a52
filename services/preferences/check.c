/* SPDX-License-Identifier: Apache-2.0 */
/* Which values a preference may have. */
#include "services/preferences/preferences_priv.h"

#include "base/json.h"

/* Grafana's, those in the making too. */
static const char *const themes[] = {
    "light",
    "dark",
    "system",
    "aubergine",
    "debug",
    "desertbloom",
    "deuteranopia_protanopia_dark",
    "deuteranopia_protanopia_light",
    "gildedgrove",
    "gloom",
    "mars",
    "matrix",
    "oceanblue",
    "sapphiredusk",
    "synthwave",
    "tritanopia_dark",
    "tritanopia_light",
    "tron",
    "victorian",
    "zen",
};

static const char *const days[] = {"monday", "tuesday",  "wednesday", "thursday",
                                   "friday", "saturday", "sunday",    "browser"};

static bool among(struct str s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(s, words[i])) {
            return true;
        }
    }
    return !s.len;
}

static bool is_theme(struct str s)
{
    return among(s, themes, sizeof(themes) / sizeof(*themes));
}

static bool is_day(struct str s)
{
    return among(s, days, sizeof(days) / sizeof(*days));
}

/* The form of a BCP 47 tag: words of letters and digits with - between them, the first of two or
 * three letters. */
static bool is_language(struct str s)
{
    size_t word = 0, at = 0;
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        bool digit = ch >= '0' && ch <= '9';
        if (ch == '-' ? at < (word ? 1 : 2) : (!letter && !(digit && word)) || at == 8) {
            return false;
        }
        word += ch == '-';
        at = ch == '-' ? 0 : at + 1;
        if (!word && at > 3) {
            return false;
        }
    }
    return !s.len || at >= (word ? 1 : 2);
}

static void check(const yyjson_mut_val *spec, const char *field, bool (*good)(struct str),
                  const char *what, struct causes *c)
{
    yyjson_mut_val *v = json_get(spec, field);
    if (json_is_str(v) && !good(json_str(v))) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(PATH_FIELD(NULL, STR("spec")), str_from(field)), v,
                   "%s", what);
    }
}

void preferences_check(const yyjson_mut_val *spec, struct causes *c)
{
    if (json_get(spec, "homeURL")) {
        causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(PATH_FIELD(NULL, STR("spec")), STR("homeURL")),
                   NULL, "may only be set from system configuration");
    }
    check(spec, "timezone", preferences_is_timezone,
          "must be a valid IANA timezone (e.g., America/New_York), 'utc', 'browser', or empty", c);
    check(spec, "theme", is_theme, "must match a configured theme", c);
    check(spec, "weekStart", is_day, "must be a day of the week in lower case, 'browser', or empty",
          c);
    check(spec, "language", is_language, "must be a language tag (e.g., en-US), or empty", c);
    check(spec, "regionalFormat", is_language, "must be a language tag (e.g., de-DE), or empty", c);
}
