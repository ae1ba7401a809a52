/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of names and labels, in the words of the reference's util/validation and
 * api/validate/content packages. Written as scanners: they run on every write. */
#include "resources/metadata.h"

#include "resources/tree_priv.h"

#define LABEL_FMT "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define KEY_FMT "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define SUBDOMAIN_WORDS                                                                            \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '" LABEL_FMT "(\\." LABEL_FMT ")*')"
#define LABEL_WORDS                                                                                \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used "                                                                                        \
    "for validation is '" LABEL_FMT "')"
#define LABEL_1035_WORDS                                                                           \
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "   \
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "           \
    "'abc-123', "                                                                                  \
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define KEY_WORDS                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '" KEY_FMT "')"
#define VALUE_WORDS                                                                                \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', " \
    " or '12345', regex used for validation is '(" KEY_FMT ")?')"

enum { LABEL_MAX = 63, SUBDOMAIN_MAX = 253 };

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_digit(char c)
{
    return is_lower(c) || is_digit(c);
}

static bool is_alnum(char c)
{
    return is_lower_digit(c) || (c >= 'A' && c <= 'Z');
}

/* The form of a label alone, whatever its length. */
static bool label_form(struct str s)
{
    if (!s.len || !is_lower_digit(s.ptr[0]) || !is_lower_digit(s.ptr[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_lower_digit(s.ptr[i]) && s.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool subdomain_form(struct str s)
{
    struct str rest = s;
    do {
        if (!label_form(str_cut(rest, '.', &rest))) {
            return false;
        }
    } while (rest.ptr);
    return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool key_form(struct str s)
{
    if (!s.len || !is_alnum(s.ptr[0]) || !is_alnum(s.ptr[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!is_alnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return true;
}

bool name_is_dns1123_subdomain(struct str s)
{
    return s.len <= SUBDOMAIN_MAX && subdomain_form(s);
}

bool name_is_dns1123_label(struct str s)
{
    return s.len <= LABEL_MAX && label_form(s);
}

bool name_is_dns1035_label(struct str s)
{
    return name_is_dns1123_label(s) && is_lower(s.ptr[0]);
}

bool name_is_label_value(struct str s)
{
    return s.len <= LABEL_MAX && (!s.len || key_form(s));
}

bool name_is_qualified(struct str s)
{
    struct str name, prefix = str_cut(s, '/', &name);
    if (!name.ptr) {
        name = prefix;
    } else if (!name_is_dns1123_subdomain(prefix)) {
        return false;
    }
    return name.len <= LABEL_MAX && key_form(name);
}

static void fault(struct name_faults *f, const char *text)
{
    if (f->n < sizeof(f->text) / sizeof(*f->text)) {
        f->text[f->n++] = text;
    }
}

void name_faults_subdomain(struct str s, struct name_faults *f)
{
    if (s.len > SUBDOMAIN_MAX) {
        fault(f, "must be no more than 253 characters");
    }
    if (!subdomain_form(s)) {
        fault(f, SUBDOMAIN_WORDS);
    }
}

void name_faults_label(struct str s, struct name_faults *f)
{
    if (s.len > LABEL_MAX) {
        fault(f, "must be no more than 63 characters");
    }
    if (!label_form(s)) {
        fault(f, subdomain_form(s) ? "must not contain dots" : LABEL_WORDS);
    }
}

void name_faults_label_1035(struct str s, struct name_faults *f)
{
    if (s.len > LABEL_MAX) {
        fault(f, "must be no more than 63 characters");
    }
    if (!label_form(s) || !is_lower(s.ptr[0])) {
        fault(f, LABEL_1035_WORDS);
    }
}

static void prefix_faults(struct str prefix, struct name_faults *f)
{
    if (!prefix.len) {
        fault(f, "prefix part must be non-empty");
        return;
    }
    if (prefix.len > SUBDOMAIN_MAX) {
        fault(f, "prefix part must be no more than 253 bytes");
    }
    if (!subdomain_form(prefix)) {
        fault(f, "prefix part " SUBDOMAIN_WORDS);
    }
}

void name_faults_qualified(struct str s, struct name_faults *f)
{
    struct str name, prefix = str_cut(s, '/', &name);
    if (!name.ptr) {
        name = prefix;
    } else if (memchr(name.ptr, '/', name.len)) {
        fault(f, "a valid label key " KEY_WORDS
                 " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
        return;
    } else {
        prefix_faults(prefix, f);
    }
    if (!name.len) {
        fault(f, "name part must be non-empty");
    } else if (name.len > LABEL_MAX) {
        fault(f, "name part must be no more than 63 bytes");
    }
    if (!key_form(name)) {
        fault(f, "name part " KEY_WORDS);
    }
}

void name_faults_label_value(struct str s, struct name_faults *f)
{
    if (s.len > LABEL_MAX) {
        fault(f, "must be no more than 63 bytes");
    }
    if (s.len && !key_form(s)) {
        fault(f, VALUE_WORDS);
    }
}

void name_faults_add(const struct name_faults *f, struct str value, const struct path *at,
                     struct causes *c)
{
    yyjson_mut_val v = tree_text(value.ptr, value.len);
    for (size_t i = 0; i < f->n; i++) {
        causes_add(c, CAUSE_INVALID, at, &v, "%s", f->text[i]);
    }
}

/* A prefix may end in a dash: what is appended follows it. As the reference, the dash and the
 * character in front of it are taken as one that is allowed. */
static struct str masked(struct str name, bool is_prefix, char *room, size_t size)
{
    if (!is_prefix || name.len < 2 || name.len >= size || name.ptr[name.len - 1] != '-') {
        return name;
    }
    memcpy(room, name.ptr, name.len - 2);
    room[name.len - 2] = 'a';
    return str_make(room, name.len - 1);
}

enum { MASK_ROOM = 512 }; /* longer ones are too long in any case */

void name_dns1123_subdomain(struct str name, bool is_prefix, const struct path *at,
                            struct causes *c)
{
    char room[MASK_ROOM];
    struct name_faults f = {0};
    name_faults_subdomain(masked(name, is_prefix, room, sizeof(room)), &f);
    name_faults_add(&f, name, at, c);
}

void name_dns1123_label(struct str name, bool is_prefix, const struct path *at, struct causes *c)
{
    char room[MASK_ROOM];
    struct name_faults f = {0};
    name_faults_label(masked(name, is_prefix, room, sizeof(room)), &f);
    name_faults_add(&f, name, at, c);
}

void name_path_segment(struct str name, bool is_prefix, const struct path *at, struct causes *c)
{
    struct name_faults f = {0};
    if (!is_prefix && str_is(name, ".")) {
        fault(&f, "may not be '.'");
    } else if (!is_prefix && str_is(name, "..")) {
        fault(&f, "may not be '..'");
    } else if (name.len) {
        if (memchr(name.ptr, '/', name.len)) {
            fault(&f, "may not contain '/'");
        }
        if (memchr(name.ptr, '%', name.len)) {
            fault(&f, "may not contain '%'");
        }
    }
    name_faults_add(&f, name, at, c);
}

void name_grafana(struct str name, bool is_prefix, const struct path *at, struct causes *c)
{
    static const char *const reserved[] = {"search", "trash", "history", "query"};
    struct name_faults f = {0};
    size_t i = 0;
    while (i < name.len && (is_alnum(name.ptr[i]) || memchr("-_:.", name.ptr[i], 4))) {
        i++;
    }
    if (i < name.len) {
        fault(&f, "must consist of alphanumeric characters, '-', '_', ':' or '.'");
    } else if (!is_prefix && (str_is(name, ".") || str_is(name, ".."))) {
        fault(&f, "may not be '.' or '..'");
    }
    if (name.len > SUBDOMAIN_MAX) {
        fault(&f, "must be no more than 253 characters");
    }
    for (i = 0; i < sizeof(reserved) / sizeof(*reserved) && !is_prefix; i++) {
        if (str_is_word(name, reserved[i])) {
            fault(&f, "is reserved");
        }
    }
    name_faults_add(&f, name, at, c);
}
