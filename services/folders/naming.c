/* SPDX-License-Identifier: Apache-2.0 */
/* What a folder is called: the rules of its uid and of its title, with Grafana's messages. */
#include "base/limits.h"
#include "base/utf8.h"
#include "services/folders/folders_priv.h"

static bool is_reserved(struct str uid)
{
    return str_is(uid, "general") || str_is(uid, "sharedwithme");
}

static bool is_uid_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

int naming_check_uid(struct str uid, struct err *err)
{
    if (is_reserved(uid)) {
        return folders_refuse(err, "folder.invalid-uid", "invalid uid for folder provided",
                              "metadata.name",
                              "general and sharedwithme mean places of the server's own");
    }
    for (size_t i = 0; i < uid.len; i++) {
        if (!is_uid_char(uid.ptr[i])) {
            return folders_refuse(err, "folder.invalid-uid-chars",
                                  "uid contains illegal characters", "metadata.name",
                                  "letters, digits, - and _ will do");
        }
    }
    if (uid.len > LIMIT_FOLDER_UID) {
        return folders_refuse(err, "folder.uid-too-long", "uid too long, max 40 characters",
                              "metadata.name", "40 characters at most");
    }
    return 0;
}

/* Bytes of the white space that s begins with, by Unicode's White_Space; 0: none. */
static size_t blank_length(struct str s)
{
    static const char *const wide[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    if (!s.len) {
        return 0;
    }
    if (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')) {
        return 1;
    }
    for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++) {
        if (str_starts(s, str_from(wide[i]))) {
            return strlen(wide[i]);
        }
    }
    bool is_general = str_starts(s, STR("\xe2\x80")) && s.len > 2; /* U+2000 to U+200A */
    return is_general && (unsigned char)s.ptr[2] >= 0x80 && (unsigned char)s.ptr[2] <= 0x8a ? 3 : 0;
}

static struct str trimmed(struct str s)
{
    for (size_t n; (n = blank_length(s)) > 0;) {
        s = str_skip(s, n);
    }
    size_t end = 0; /* behind the last character that is not blank */
    for (size_t i = 0; i < s.len;) {
        struct str rest = str_skip(s, i);
        size_t blank = blank_length(rest), n = utf8_length(rest);
        i += blank ? blank : n ? n : 1;
        end = blank ? end : i;
    }
    return (struct str){s.ptr, end};
}

int naming_check_title(yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err)
{
    yyjson_mut_val *spec = json_get(obj, "spec"), *value = json_get(spec, "title");
    if ((spec && !json_is_obj(spec)) || (value && !json_is_str(value))) {
        return 0;
    }
    struct str given = json_str(value), title = trimmed(given);
    if (!title.len) {
        return folders_refuse(err, "folder.title-empty", "folder title cannot be empty",
                              "spec.title", "a text that is not blank is wanted");
    }
    if (str_is_word(title, "general")) {
        return folders_refuse(err, "folder.name-exists", "a folder with that name already exists",
                              "spec.title", "General is what the root is called");
    }
    if (title.len != given.len) {
        json_set_str(d, spec, "title", title);
    }
    return 0;
}
