/* SPDX-License-Identifier: Apache-2.0 */
/* Embedded resources: objects within objects that have an apiVersion, a kind and perhaps metadata
 * of their own (the reference's objectmeta.Validate). */
#include <ctype.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "schemas/schema_priv.h"

#define NAME_PART "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define NAME_WORDS                                                                                 \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character "                                                                      \
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" NAME_PART "')"
#define LABEL_WORDS                                                                                \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end "                                                                          \
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is " \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_WORDS                                                                            \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start "                                                                         \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "    \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define KIND_WORDS                                                                                 \
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "   \
    "alphabetic character, "                                                                       \
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "       \
    "validation is "                                                                               \
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
#define VALUE_WORDS                                                                                \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start "                                                                         \
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex "  \
    "used for validation "                                                                         \
    "is '(" NAME_PART ")?')"

/* Causes are gathered only when somebody wants them. */
struct embed {
    struct causes *out;
    bool ok;
};

static void __attribute__((format(printf, 4, 5)))
tell(struct embed *e, const struct path *at, yyjson_mut_val *v, const char *fmt, ...)
{
    e->ok = false;
    if (e->out) {
        va_list ap;
        va_start(ap, fmt);
        char *words = arena_vprintf(e->out->arena, fmt, ap);
        va_end(ap);
        causes_add(e->out, CAUSE_INVALID, at, v, "%s", words);
    }
}

static void require(struct embed *e, const struct path *at, const char *detail)
{
    e->ok = false;
    if (e->out) {
        causes_add(e->out, CAUSE_REQUIRED, at, NULL, detail ? "%s" : NULL, detail);
    }
}

static bool is_name_part(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool edge = i == 0 || i + 1 == s.len;
        unsigned char c = (unsigned char)s.ptr[i];
        if (!isalnum(c) && (edge || (c != '-' && c != '_' && c != '.'))) {
            return false;
        }
    }
    return s.len > 0;
}

static void check_qualified(struct embed *e, struct str name, const struct path *at,
                            yyjson_mut_val *v)
{
    struct str rest, first = str_cut(name, '/', &rest);
    if (rest.ptr) {
        if (memchr(rest.ptr, '/', rest.len)) {
            tell(e, at, v,
                 "a valid label key %s with an optional DNS subdomain prefix and '/' (e.g. "
                 "'example.com/MyName')",
                 NAME_WORDS);
            return;
        }
        if (!first.len) {
            tell(e, at, v, "prefix part must be non-empty");
        } else if (!format_matches(FORMAT_LONG_NAME, first)) {
            tell(e, at, v, "prefix part %s", SUBDOMAIN_WORDS);
        }
        first = rest;
    }
    if (!first.len) {
        tell(e, at, v, "name part must be non-empty");
    } else if (first.len > 63) {
        tell(e, at, v, "name part must be no more than 63 bytes");
    }
    if (!is_name_part(first)) {
        tell(e, at, v, "name part %s", NAME_WORDS);
    }
}

static void check_labels(struct embed *e, yyjson_mut_val *labels, const struct path *at)
{
    struct json_iter it = json_iter(labels);
    while (labels && json_next(&it)) {
        struct str value = json_str(it.val);
        check_qualified(e, val_str(it.key), at, it.key);
        if (value.len > 63) {
            tell(e, at, it.val, "must be no more than 63 bytes");
        }
        if (value.len && !is_name_part(value)) {
            tell(e, at, it.val, "%s", VALUE_WORDS);
        }
    }
}

static void check_annotations(struct embed *e, yyjson_mut_val *annotations, const struct path *at)
{
    size_t total = 0;
    struct json_iter it = json_iter(annotations);
    while (annotations && json_next(&it)) {
        char low[320];
        struct str key = val_str(it.key);
        total += key.len + json_str(it.val).len;
        for (size_t i = 0; i < key.len && i < sizeof(low); i++) {
            low[i] = (char)tolower((unsigned char)key.ptr[i]);
        }
        check_qualified(e, key.len <= sizeof(low) ? str_make(low, key.len) : key, at, it.key);
    }
    if (total > LIMIT_ANNOTATIONS_BYTES) {
        e->ok = false;
        if (e->out) {
            causes_add(e->out, CAUSE_TOO_LONG, at, NULL, "may not be more than %u bytes",
                       LIMIT_ANNOTATIONS_BYTES);
        }
    }
}

static void check_name(struct embed *e, yyjson_mut_val *v, bool prefix, const struct path *at)
{
    struct str name = json_str(v);
    if (!prefix && (str_is(name, ".") || str_is(name, ".."))) {
        tell(e, at, v, "may not be '%.*s'", STR_FMT(name));
        return;
    }
    for (const char *c = "/%"; *c && name.len; c++) {
        if (memchr(name.ptr, *c, name.len)) {
            tell(e, at, v, "may not contain '%c'", *c);
        }
    }
}

static void check_namespace(struct embed *e, yyjson_mut_val *v, const struct path *at)
{
    struct str s = json_str(v);
    if (!s.len) {
        return;
    }
    if (s.len > 63) {
        tell(e, at, v, "must be no more than 63 bytes");
    }
    if (!format_matches(FORMAT_SHORT_NAME, s.len > 63 ? str_make(s.ptr, 63) : s)) {
        bool dots = format_matches(FORMAT_LONG_NAME, s);
        tell(e, at, v, "%s", dots ? "must not contain dots" : LABEL_WORDS);
    }
}

static void check_owners(struct embed *e, yyjson_mut_val *owners, const struct path *at)
{
    static const char *const keys[] = {"apiVersion", "kind", "name", "uid"};
    struct json_iter it = json_iter(owners);
    while (owners && json_next(&it)) {
        for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
            if (!json_get_str(it.val, keys[i]).len) {
                require(e, PATH_FIELD(PATH_INDEX(at, it.index), str_from(keys[i])),
                        "must not be empty");
            }
        }
    }
}

static void check_meta(struct embed *e, yyjson_mut_val *meta, const struct path *at)
{
    AUTO(buf_finish) struct buf why = {0};
    if (yyjson_mut_is_null(meta)) {
        return;
    }
    if (!node_decodes(&schema_node_meta, meta, STR("ObjectMeta"), &why)) {
        tell(e, at, meta, "%.*s", STR_FMT(buf_str(&why)));
        return;
    }
    yyjson_mut_val *name = json_get(meta, "generateName");
    check_name(e, name, true, PATH_FIELD(at, STR("generateName")));
    check_name(e, json_get(meta, "name"), false, PATH_FIELD(at, STR("name")));
    check_namespace(e, json_get(meta, "namespace"), PATH_FIELD(at, STR("namespace")));
    yyjson_mut_val *generation = json_get(meta, "generation");
    if (json_get_int(meta, "generation", 0) < 0) {
        tell(e, PATH_FIELD(at, STR("generation")), generation,
             "must be greater than or equal to 0");
    }
    check_labels(e, json_get(meta, "labels"), PATH_FIELD(at, STR("labels")));
    check_annotations(e, json_get(meta, "annotations"), PATH_FIELD(at, STR("annotations")));
    check_owners(e, json_get(meta, "ownerReferences"), PATH_FIELD(at, STR("ownerReferences")));
    yyjson_mut_val *finalizers = json_get(meta, "finalizers");
    struct json_iter it = json_iter(finalizers);
    while (finalizers && json_next(&it)) {
        check_qualified(e, json_str(it.val), PATH_FIELD(at, STR("finalizers")), it.val);
    }
}

static void check_api_version(struct embed *e, yyjson_mut_val *v, const struct path *at)
{
    struct str rest, s = json_str(v);
    if (!s.ptr) {
        tell(e, at, v, "must be a string");
    } else if (!s.len) {
        tell(e, at, v, "must not be empty");
    } else if (!str_is(s, "/")) {
        str_cut(s, '/', &rest);
        if (rest.len && memchr(rest.ptr, '/', rest.len)) {
            tell(e, at, v, "unexpected GroupVersion string: %.*s", STR_FMT(s));
        }
    }
}

static void check_kind(struct embed *e, yyjson_mut_val *v, const struct path *at)
{
    struct str s = json_str(v);
    if (!s.ptr) {
        tell(e, at, v, "must be a string");
        return;
    }
    if (!s.len) {
        tell(e, at, v, "must not be empty");
        return;
    }
    bool good = isalpha((unsigned char)s.ptr[0]) && s.ptr[s.len - 1] != '-';
    for (size_t i = 0; i < s.len; i++) {
        good = good && (isalnum((unsigned char)s.ptr[i]) || s.ptr[i] == '-');
    }
    if (!good || s.len > 63) {
        tell(e, at, v, "may have mixed case, but should otherwise match: %s%s%s",
             s.len > 63 ? "must be no more than 63 bytes" : "", s.len > 63 && !good ? "," : "",
             good ? "" : KIND_WORDS);
    }
}

static void check(struct embed *e, yyjson_mut_val *obj, const struct path *at)
{
    yyjson_mut_val *version = json_get(obj, "apiVersion"), *kind = json_get(obj, "kind");
    yyjson_mut_val *meta = json_get(obj, "metadata");
    if (!version) {
        require(e, PATH_FIELD(at, STR("apiVersion")), NULL);
    }
    if (!kind) {
        require(e, PATH_FIELD(at, STR("kind")), NULL);
    }
    if (version) {
        check_api_version(e, version, PATH_FIELD(at, STR("apiVersion")));
    }
    if (kind) {
        check_kind(e, kind, PATH_FIELD(at, STR("kind")));
    }
    if (meta) {
        check_meta(e, meta, PATH_FIELD(at, STR("metadata")));
    }
}

bool embedded_valid(yyjson_mut_val *obj)
{
    struct embed e = {.ok = true};
    check(&e, obj, NULL);
    return e.ok;
}

void embedded_check(yyjson_mut_val *obj, const struct path *at, struct causes *c)
{
    struct embed e = {.out = c, .ok = true};
    check(&e, obj, at);
}

void embedded_report(const struct schema_node *n, yyjson_mut_val *v, const struct path *at,
                     struct causes *c)
{
    if (!n || !(n->flags & NODE_EMBEDS) || !yyjson_mut_is_ctn(v)) {
        return;
    }
    if (n->flags & NODE_EMBEDDED && yyjson_mut_is_obj(v)) {
        embedded_check(v, at, c);
    }
    uint32_t hint = 0;
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (!it.key) {
            embedded_report(n->items, it.val, PATH_INDEX(at, it.index), c);
            continue;
        }
        struct str name = val_str(it.key);
        const struct schema_prop *p = prop_find(n, name, &hint);
        if (p && p->node) {
            embedded_report(p->node, it.val, PATH_FIELD(at, name), c);
        } else {
            embedded_report(n->additional, it.val, PATH_KEY(at, name), c);
        }
    }
}
