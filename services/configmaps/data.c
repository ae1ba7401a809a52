/* SPDX-License-Identifier: Apache-2.0 */
/* The rules for keys, sizes and immutable data. */
#include "services/configmaps/configmaps.h"

#include "base/json.h"

#define KEY_MAX 253
#define KEY_WORDS                                                                                  \
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "           \
    "'key.name',  or 'KEY_NAME',  or "                                                             \
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
#define IMMUTABLE_WORDS "field is immutable when `immutable` is set"

static bool key_form(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char ch = key.ptr[i];
        bool good = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                    (ch >= '0' && ch <= '9') || ch == '-' || ch == '_' || ch == '.';
        if (!good) {
            return false;
        }
    }
    return key.len > 0;
}

static void key_fault(struct str key, const char *field, const char *fault, struct causes *c)
{
    const struct path *at = PATH_KEY(PATH_FIELD(NULL, str_from(field)), key);
    yyjson_mut_doc *d = json_doc(c->arena);
    causes_add(c, CAUSE_INVALID, at, yyjson_mut_strncpy(d, key.ptr, key.len), "%s", fault);
}

void configmaps_check_key(struct str key, const char *field, struct causes *c)
{
    if (key.len > KEY_MAX) {
        key_fault(key, field, "must be no more than 253 characters", c);
    }
    if (!key_form(key)) {
        key_fault(key, field, KEY_WORDS, c);
    }
    if (str_is(key, ".")) {
        key_fault(key, field, "must not be '.'", c);
    } else if (str_is(key, "..")) {
        key_fault(key, field, "must not be '..'", c);
    } else if (str_starts(key, STR(".."))) {
        key_fault(key, field, "must not start with '..'", c);
    }
}

bool configmaps_check_immutable(const yyjson_mut_val *obj, const yyjson_mut_val *old,
                                struct causes *c)
{
    if (!json_get_bool(old, "immutable")) {
        return false;
    }
    if (!json_get_bool(obj, "immutable")) {
        causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(NULL, STR("immutable")), NULL, IMMUTABLE_WORDS);
    }
    return true;
}

void configmaps_check_same(const yyjson_mut_val *obj, const yyjson_mut_val *old, const char *field,
                           struct causes *c)
{
    const yyjson_mut_val *a = json_get(obj, field), *b = json_get(old, field);
    if ((json_size(a) || json_size(b)) && !json_equal(a, b)) {
        causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(NULL, str_from(field)), NULL, IMMUTABLE_WORDS);
    }
}

size_t configmaps_decoded_size(struct str base64)
{
    size_t n = 0, pad = 0;
    for (size_t i = 0; i < base64.len; i++) {
        char ch = base64.ptr[i];
        n += ch != '\n' && ch != '\r';
        pad += ch == '=';
    }
    return n / 4 * 3 - (n >= 4 ? pad : 0);
}

void configmaps_drop_empty(yyjson_mut_val *obj, const char *field)
{
    if (json_get(obj, field) && !json_size(json_get(obj, field))) {
        json_remove(obj, field);
    }
}
