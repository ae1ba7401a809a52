/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a new service and of its type. */
#include "cli/naming.h"

#include <stdbool.h>

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(struct str s, const char *const *words)
{
    for (; *words; words++) {
        if (str_is(s, *words)) {
            return true;
        }
    }
    return false;
}

/* ---- the service ---- */

/* C's words, and names that its headers define as macros. */
static const char *const c_words[] = {
    "alignas",      "alignof",       "asm",      "assert",    "auto",     "bool",     "break",
    "case",         "char",          "complex",  "const",     "continue", "default",  "do",
    "double",       "else",          "enum",     "errno",     "extern",   "false",    "float",
    "for",          "goto",          "if",       "imaginary", "inline",   "int",      "long",
    "noreturn",     "register",      "restrict", "return",    "short",    "signed",   "sizeof",
    "static",       "static_assert", "stderr",   "stdin",     "stdout",   "struct",   "switch",
    "thread_local", "true",          "typedef",  "typeof",    "union",    "unsigned", "void",
    "volatile",     "while",         NULL};

/* What the tree itself has under these names. */
static const char *const taken_words[] = {"config", "main",    "service",    "services", "test",
                                          "wire",   "wiregen", "supervisor", NULL};

static bool is_identifier(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool inner = i > 0 && (is_digit(c) || (c == '_' && s.ptr[i - 1] != '_'));
        if (!is_lower(c) && !inner) {
            return false;
        }
    }
    return s.len > 0 && s.ptr[s.len - 1] != '_';
}

static int check_service(struct str s, struct err *err)
{
    if (!is_identifier(s)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the name \"%.*s\" will not do: lower-case letters, digits and single _ "
                       "between them, a letter first (it becomes part of C names)",
                       STR_FMT(s));
    }
    if (s.len > NAMING_SERVICE_MAX) {
        return err_set(err, ERR_BAD_REQUEST, "the name \"%.*s\" is longer than %d characters",
                       STR_FMT(s), NAMING_SERVICE_MAX);
    }
    if (is_one_of(s, c_words)) {
        return err_set(err, ERR_BAD_REQUEST, "the name \"%.*s\" is a word of C", STR_FMT(s));
    }
    if (is_one_of(s, taken_words)) {
        return err_set(err, ERR_BAD_REQUEST, "the name \"%.*s\" means something else in services/",
                       STR_FMT(s));
    }
    if (str_starts(s, STR("test_")) || str_ends(s, STR("_fake"))) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the name \"%.*s\" would make its files tests or fakes (test_*, *_fake)",
                       STR_FMT(s));
    }
    return 0;
}

/* ---- words ---- */

static bool ends_in_one_of(struct str s, const char *const *ends)
{
    for (; *ends; ends++) {
        if (str_ends(s, str_from(*ends))) {
            return true;
        }
    }
    return false;
}

static bool is_vowel(char c)
{
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

struct str naming_plural(struct str word, struct arena *a)
{
    static const char *const hissing[] = {"s", "x", "z", "ch", "sh", NULL};
    bool city = word.len > 1 && str_ends(word, STR("y")) && !is_vowel(word.ptr[word.len - 2]);
    int stem = (int)word.len - city;
    const char *end = city ? "ies" : ends_in_one_of(word, hissing) ? "es" : "s";
    return str_from(arena_printf(a, "%.*s%s", stem, word.ptr, end));
}

struct str naming_singular(struct str plural, struct arena *a)
{
    static const char *const es[] = {"ches", "shes", "sses", "xes", "zes", NULL};
    static const char *const none[] = {"ss", "us", "is", NULL};
    struct str s = plural;
    if (s.len > 4 && str_ends(s, STR("ies"))) {
        return str_from(arena_printf(a, "%.*sy", (int)s.len - 3, s.ptr));
    }
    if (s.len > 1 && str_ends(s, STR("s")) && !ends_in_one_of(s, none)) {
        s.len -= ends_in_one_of(s, es) ? 2 : 1;
    }
    return s;
}

/* "cook_books" -> "CookBook". */
static struct str kind_from(struct str name, struct arena *a)
{
    struct str s = naming_singular(name, a);
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool first = i == 0 || s.ptr[i - 1] == '_';
        if (s.ptr[i] != '_') {
            out[n++] = (char)(first && is_lower(s.ptr[i]) ? s.ptr[i] - 'a' + 'A' : s.ptr[i]);
        }
    }
    return str_make(out, n);
}

static struct str lower(struct str s, struct arena *a)
{
    char *out = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        out[i] = (char)(is_upper(s.ptr[i]) ? s.ptr[i] - 'A' + 'a' : s.ptr[i]);
    }
    return str_make(out, s.len);
}

static struct str group_from(struct str name, struct arena *a)
{
    char *out = arena_printf(a, "%.*s.coracle.dev", STR_FMT(name));
    for (char *p = out; *p; p++) {
        *p = (char)(*p == '_' ? '-' : *p);
    }
    return str_from(out);
}

/* ---- the type ---- */

static int check_kind(struct str s, struct err *err)
{
    bool good = s.len && s.len <= NAMING_KIND_MAX && is_upper(s.ptr[0]);
    for (size_t i = 0; i < s.len; i++) {
        good = good && (is_lower(s.ptr[i]) || is_upper(s.ptr[i]) || is_digit(s.ptr[i]));
    }
    if (!good) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the kind \"%.*s\" will not do: letters and digits, a capital first, %d at "
                       "most, as CookBook",
                       STR_FMT(s), NAMING_KIND_MAX);
    }
    if (str_ends(s, STR("List"))) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the kind \"%.*s\" will not do: kinds in List are those of lists",
                       STR_FMT(s));
    }
    return 0;
}

static int check_plural(struct str s, struct err *err)
{
    bool good = s.len && s.len <= NAMING_KIND_MAX && is_lower(s.ptr[0]);
    for (size_t i = 0; i < s.len; i++) {
        good = good && (is_lower(s.ptr[i]) || is_digit(s.ptr[i]));
    }
    return good
               ? 0
               : err_set(err, ERR_BAD_REQUEST,
                         "the plural \"%.*s\" will not do: lower-case letters and digits, a letter "
                         "first, %d at most",
                         STR_FMT(s), NAMING_KIND_MAX);
}

static bool is_label(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool inner = i > 0 && i + 1 < s.len && s.ptr[i] == '-';
        if (!is_lower(s.ptr[i]) && !is_digit(s.ptr[i]) && !inner) {
            return false;
        }
    }
    return s.len > 0 && s.len <= 63;
}

static int check_group(struct str s, struct err *err)
{
    size_t labels = 0;
    bool good = s.len <= 253;
    struct str rest = s;
    while (rest.ptr) {
        struct str label = str_cut(rest, '.', &rest);
        good = good && is_label(label);
        labels++;
    }
    if (!good || labels < 2) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the group \"%.*s\" will not do: a domain's name, as kitchen.example.com",
                       STR_FMT(s));
    }
    if (str_is(s, "k8s.io") || str_ends(s, STR(".k8s.io")) || str_is(s, "kubernetes.io") ||
        str_ends(s, STR(".kubernetes.io"))) {
        return err_set(err, ERR_BAD_REQUEST, "the group \"%.*s\" is Kubernetes' own", STR_FMT(s));
    }
    return 0;
}

int naming_complete(struct naming *n, struct arena *a, struct err *err)
{
    int r = check_service(n->name, err);
    if (r < 0) {
        return r;
    }
    n->kind = n->kind.ptr ? n->kind : kind_from(n->name, a);
    n->singular = lower(n->kind, a);
    n->plural = n->plural.ptr ? n->plural : naming_plural(n->singular, a);
    n->group = n->group.ptr ? n->group : group_from(n->name, a);
    if ((r = check_kind(n->kind, err)) < 0 || (r = check_plural(n->plural, err)) < 0) {
        return r;
    }
    return check_group(n->group, err);
}
