/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of x-kubernetes-validations: what can be said of rules without evaluating them. */
#include <ctype.h>

#include "base/cleanup.h"
#include "schemas/check_priv.h"

static bool is_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!isspace((unsigned char)s.ptr[i])) {
            return false;
        }
    }
    return true;
}

static struct str trim(struct str s)
{
    while (s.len && isspace((unsigned char)s.ptr[0])) {
        s = str_skip(s, 1);
    }
    while (s.len && isspace((unsigned char)s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

static bool has_break(struct str s)
{
    return s.len && (memchr(s.ptr, '\n', s.len) || memchr(s.ptr, '\r', s.len));
}

/* ---- fieldPath: .name or ['name'] steps that exist in the schema ---- */

/* Takes a quoted name with its escapes undone. */
static bool take_quoted(struct str *s, struct buf *ret)
{
    static const char from[] = "abfnrtv'\\", to[] = "\a\b\f\n\r\t\v'\\";
    size_t i = 1;
    for (; i < s->len && s->ptr[i] != '\''; i++) {
        char ch = s->ptr[i];
        if (ch == '\\') {
            const char *e = ++i < s->len && s->ptr[i] ? strchr(from, s->ptr[i]) : NULL;
            if (!e) {
                return false;
            }
            ch = to[e - from];
        }
        buf_addc(ret, ch);
    }
    if (i >= s->len) {
        return false;
    }
    *s = str_skip(*s, i + 1);
    return true;
}

static bool take_step(struct str *s, struct buf *ret)
{
    if (str_starts(*s, STR("['"))) {
        *s = str_skip(*s, 1);
        if (!take_quoted(s, ret) || !s->len || s->ptr[0] != ']') {
            return false;
        }
        *s = str_skip(*s, 1);
        return true;
    }
    if (!s->len || s->ptr[0] != '.') {
        return false;
    }
    size_t n = 1;
    while (n < s->len && s->ptr[n] != '.' && s->ptr[n] != '[' && s->ptr[n] != ']') {
        n++;
    }
    buf_add(ret, str_make(s->ptr + 1, n - 1));
    *s = str_skip(*s, n);
    return n > 1;
}

static bool path_exists(const yyjson_mut_val *schema, struct str path)
{
    while (path.len) {
        AUTO(buf_finish) struct buf name = {0};
        if (!take_step(&path, &name)) {
            return false;
        }
        if (check_count(schema, "properties")) {
            schema = json_getn(json_get(schema, "properties"), buf_str(&name));
        } else {
            schema = check_get(schema, "additionalProperties");
        }
        if (!yyjson_mut_is_obj((yyjson_mut_val *)(uintptr_t)schema)) {
            return false;
        }
    }
    return true;
}

/* ---- rules ---- */

static void check_message(const yyjson_mut_val *r, const struct path *at, struct causes *c)
{
    struct str rule = json_get_str(r, "rule"), message = json_get_str(r, "message");
    const struct path *there = PATH_FIELD(at, STR("message"));
    if (is_blank(rule)) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("rule")), NULL, "rule is not specified");
    } else if (message.len && is_blank(message)) {
        causes_add(c, CAUSE_INVALID, there, json_get(r, "message"),
                   "must be non-empty if specified");
    } else if (has_break(trim(message))) {
        causes_add(c, CAUSE_INVALID, there, json_get(r, "message"), "must not contain line breaks");
    } else if (has_break(trim(rule)) && is_blank(message)) {
        causes_add(c, CAUSE_REQUIRED, there, NULL,
                   "message must be specified if rule contains line breaks");
    }
    struct str expression = json_get_str(r, "messageExpression");
    if (expression.len && is_blank(expression)) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("messageExpression")), NULL,
                   "messageExpression must be non-empty if specified");
    }
}

static void check_reason(const yyjson_mut_val *r, const struct path *at, struct causes *c)
{
    static const struct str reasons[] = {{"FieldValueDuplicate", 19},
                                         {"FieldValueForbidden", 19},
                                         {"FieldValueInvalid", 17},
                                         {"FieldValueRequired", 18}};
    yyjson_mut_val *reason = check_get(r, "reason");
    if (!reason) {
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        if (str_eq(json_str(reason), reasons[i])) {
            return;
        }
    }
    causes_add_unsupported(c, PATH_FIELD(at, STR("reason")), reason, reasons, 4);
}

static void check_field_path(const yyjson_mut_val *v, const yyjson_mut_val *r,
                             const struct path *at, struct causes *c)
{
    yyjson_mut_val *val = json_get(r, "fieldPath");
    struct str path = json_str(val);
    const struct path *there = PATH_FIELD(at, STR("fieldPath"));
    if (path.len && is_blank(path)) {
        causes_add(c, CAUSE_INVALID, there, val, "must be non-empty if specified");
    }
    if (has_break(path)) {
        causes_add(c, CAUSE_INVALID, there, val, "must not contain line breaks");
    }
    if (path.len && !path_exists(v, path)) {
        causes_add(c, CAUSE_INVALID, there, val, "must be a valid path");
    }
}

void check_rules(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    const struct path *rules = PATH_FIELD(at, STR("x-kubernetes-validations"));
    struct json_iter it = json_iter(check_get(v, "x-kubernetes-validations"));
    while (json_next(&it)) {
        const struct path *here = PATH_INDEX(rules, it.index);
        check_message(it.val, here, c);
        check_reason(it.val, here, c);
        check_field_path(v, it.val, here, c);
    }
}
