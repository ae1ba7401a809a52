/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a schema is structural: every value has a type, and what stands under allOf, anyOf, oneOf
 * and not only narrows what is declared outside of them (the reference's ValidateStructural). */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/regex.h"
#include "schemas/check_priv.h"
#include "schemas/keyword.h"

enum level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD };

#define AT(up, lit) PATH_FIELD(up, STR(lit))

static void check_nested(const yyjson_mut_val *v, bool skip_any_of, const struct path *at,
                         struct causes *c);

/* `v` is {"type": want} and nothing else. */
static bool is_bare_type(const yyjson_mut_val *v, const char *want)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const struct keyword *k = keyword_find(json_str(it.key));
        if (k && !keyword_is_zero(k, it.val) && !str_is(k->name, "type")) {
            return false;
        }
    }
    return str_is(json_get_str(v, "type"), want);
}

/* anyOf: [{type: integer}, {type: string}] */
static bool is_int_or_string(const yyjson_mut_val *v)
{
    yyjson_mut_val *any = json_get(v, "anyOf");
    return yyjson_mut_arr_size(any) == 2 && is_bare_type(yyjson_mut_arr_get(any, 0), "integer") &&
           is_bare_type(yyjson_mut_arr_get(any, 1), "string");
}

static void check_branches(const yyjson_mut_val *v, const char *key, bool skip_first,
                           const struct path *at, struct causes *c)
{
    const struct path *here = PATH_FIELD(at, str_from(key));
    struct json_iter it = json_iter(check_get(v, key));
    while (json_next(&it)) {
        check_nested(it.val, skip_first && it.index == 0 && is_int_or_string(it.val),
                     PATH_INDEX(here, it.index), c);
    }
}

static void check_pattern(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    struct regex *r = NULL;
    AUTO(err_finish) struct err err = {0};
    if (regex_create(json_get_str(v, "pattern"), &r, &err) < 0) {
        causes_add(c, CAUSE_INVALID, AT(at, "pattern"), json_get(v, "pattern"),
                   "must be a valid regular expression, but isn't: %s", err_message(&err));
    }
    regex_unref(r);
}

static void check_values(const yyjson_mut_val *v, bool skip_any_of, bool skip_first_all_of,
                         const struct path *at, struct causes *c)
{
    if (!skip_any_of) {
        check_branches(v, "anyOf", false, at, c);
    }
    check_branches(v, "allOf", skip_first_all_of, at, c);
    check_branches(v, "oneOf", false, at, c);
    if (check_get(v, "not")) {
        check_nested(check_get(v, "not"), false, AT(at, "not"), c);
    }
    if (check_has_text(v, "pattern")) {
        check_pattern(v, at, c);
    }
}

/* What may not be said under a logical junctor. */
static void check_forbidden(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    static const struct {
        const char *key, *detail;
    } forbidden[] = {
        {"type", "must be empty to be structural"},
        {"additionalProperties", "must be undefined to be structural"},
        {"default", "must be undefined to be structural"},
        {"title", "must be empty to be structural"},
        {"description", "must be empty to be structural"},
        {"nullable", "must be false to be structural"},
        {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
        {"x-kubernetes-embedded-resource", "must be false to be structural"},
        {"x-kubernetes-int-or-string", "must be false to be structural"},
        {"x-kubernetes-list-map-keys", "must be empty to be structural"},
        {"x-kubernetes-list-type", "must be undefined to be structural"},
        {"x-kubernetes-map-type", "must be undefined to be structural"},
        {"x-kubernetes-validations", "must be empty to be structural"},
    };
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
        struct str key = str_from(forbidden[i].key);
        yyjson_mut_val *m = check_get(v, forbidden[i].key);
        bool allowed = str_is(key, "additionalProperties") && yyjson_mut_is_false(m);
        if (m && !allowed && !keyword_is_zero(keyword_find(key), m)) {
            causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(at, key), NULL, "%s", forbidden[i].detail);
        }
    }
}

static void check_nested(const yyjson_mut_val *v, bool skip_any_of, const struct path *at,
                         struct causes *c)
{
    check_values(v, skip_any_of, false, at, c);
    if (yyjson_mut_is_obj(check_get(v, "items"))) {
        check_nested(check_get(v, "items"), false, AT(at, "items"), c);
    }
    const struct path *properties = AT(at, "properties");
    struct json_iter it = json_iter(check_get(v, "properties"));
    while (json_next(&it)) {
        check_nested(it.val, false, PATH_KEY(properties, json_str(it.key)), c);
    }
    check_forbidden(v, at, c);
    if (json_path(v, "properties", "metadata", NULL)) {
        causes_add(c, CAUSE_FORBIDDEN, PATH_KEY(properties, STR("metadata")), NULL,
                   "must not be specified in a nested context");
    }
}

/* ---- the structure itself ---- */

static void check_type(const yyjson_mut_val *v, enum level level, const struct path *at,
                       struct causes *c)
{
    static const char *const wanted[] = {"must not be empty at the root",
                                         "must not be empty for specified array items",
                                         "must not be empty for specified object fields"};
    struct str type = json_get_str(v, "type");
    bool embedded = json_get_bool(v, "x-kubernetes-embedded-resource");
    if (embedded && !str_is(type, "object")) {
        causes_add(c, type.len ? CAUSE_INVALID : CAUSE_REQUIRED, AT(at, "type"),
                   type.len ? json_get(v, "type") : NULL,
                   "must be object if x-kubernetes-embedded-resource is true");
    } else if (!type.len && !json_get_bool(v, "x-kubernetes-int-or-string") &&
               !json_get_bool(v, "x-kubernetes-preserve-unknown-fields")) {
        causes_add(c, CAUSE_REQUIRED, AT(at, "type"), NULL, "%s", wanted[level]);
    }
    if (embedded && check_get(v, "additionalProperties")) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "additionalProperties"), NULL,
                   "must not be used if x-kubernetes-embedded-resource is set");
    }
    if (level == LEVEL_ROOT && type.len && !str_is(type, "object")) {
        causes_add(c, CAUSE_INVALID, AT(at, "type"), json_get(v, "type"),
                   "must be object at the root");
    }
}

/* At the root only name and generateName may be restricted. */
static bool restricts_too_much(const yyjson_mut_val *meta)
{
    struct json_iter it = json_iter(meta);
    while (json_next(&it)) {
        const struct keyword *k = keyword_find(json_str(it.key));
        if (!k || keyword_is_zero(k, it.val) || str_is(k->name, "type") ||
            str_is(k->name, "default")) {
            continue;
        }
        if (!str_is(k->name, "properties")) {
            return true;
        }
        size_t known =
            (json_get(it.val, "name") != NULL) + (json_get(it.val, "generateName") != NULL);
        if (yyjson_mut_obj_size(it.val) != known) {
            return true;
        }
    }
    return false;
}

static void check_meta(const yyjson_mut_val *v, enum level level, const struct path *at,
                       struct causes *c)
{
    const struct path *properties = AT(at, "properties");
    bool resource = level == LEVEL_ROOT || json_get_bool(v, "x-kubernetes-embedded-resource");
    static const char *const names[] = {"kind", "apiVersion"};
    for (size_t i = 0; resource && i < 2; i++) {
        yyjson_mut_val *p = json_path(v, "properties", names[i], NULL);
        if (p && !str_is(json_get_str(p, "type"), "string")) {
            yyjson_mut_val *type = check_get(p, "type");
            causes_add_text(c, CAUSE_INVALID, AT(PATH_KEY(properties, str_from(names[i])), "type"),
                            str_from(arena_printf(c->arena, "\"%.*s\"", STR_FMT(json_str(type)))),
                            "must be string");
        }
    }
    yyjson_mut_val *meta = json_path(v, "properties", "metadata", NULL);
    const struct path *there = PATH_KEY(properties, STR("metadata"));
    if (meta && resource && !str_is(json_get_str(meta, "type"), "object")) {
        causes_add_text(
            c, CAUSE_INVALID, AT(there, "type"),
            str_from(arena_printf(c->arena, "\"%.*s\"", STR_FMT(json_get_str(meta, "type")))),
            "must be object");
    }
    if (meta && level == LEVEL_ROOT && restricts_too_much(meta)) {
        causes_add(c, CAUSE_FORBIDDEN, there, NULL,
                   "must not specify anything other than name and generateName, but metadata is "
                   "implicitly specified");
    }
    if (json_get_bool(v, "x-kubernetes-embedded-resource") &&
        !json_get_bool(v, "x-kubernetes-preserve-unknown-fields") &&
        !check_count(v, "properties")) {
        causes_add(c, CAUSE_REQUIRED, properties, NULL,
                   "must not be empty if x-kubernetes-embedded-resource is true without "
                   "x-kubernetes-preserve-unknown-fields");
    }
}

static void check_extensions(const yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    static const char *const keys[] = {"x-kubernetes-preserve-unknown-fields",
                                       "x-kubernetes-embedded-resource"};
    for (size_t i = 0; i < 2 && json_get_bool(v, "x-kubernetes-int-or-string"); i++) {
        if (json_get_bool(v, keys[i])) {
            causes_add(c, CAUSE_INVALID, PATH_FIELD(at, str_from(keys[i])), json_get(v, keys[i]),
                       "must be false if x-kubernetes-int-or-string is true");
        }
    }
}

static void check_node(const yyjson_mut_val *v, enum level level, const struct path *at,
                       struct causes *c)
{
    uint64_t has = keyword_mask(v);
    if (!(has & ~KW_PLAIN) && level != LEVEL_ROOT && !str_is(json_get_str(v, "type"), "array")) {
        if (has & KW_BIT(PATTERN)) {
            check_pattern(v, at, c);
        }
        check_type(v, level, at, c);
        return;
    }
    yyjson_mut_val *items = check_get(v, "items"),
                   *additional = check_get(v, "additionalProperties");
    if (str_is(json_get_str(v, "type"), "array") && !items) {
        causes_add(c, CAUSE_REQUIRED, AT(at, "items"), NULL, "must be specified");
    }
    if (items) {
        check_node(items, LEVEL_ITEM, AT(at, "items"), c);
    }
    const struct path *properties = AT(at, "properties");
    struct json_iter it = json_iter(check_get(v, "properties"));
    while (json_next(&it)) {
        check_node(it.val, LEVEL_FIELD, PATH_KEY(properties, json_str(it.key)), c);
    }
    if (additional && level == LEVEL_ROOT) {
        causes_add(c, CAUSE_FORBIDDEN, AT(at, "additionalProperties"), NULL,
                   "must not be used at the root");
    }
    if (yyjson_mut_is_obj(additional)) {
        check_node(additional, LEVEL_FIELD, AT(at, "additionalProperties"), c);
    }
    check_extensions(v, at, c);
    yyjson_mut_val *first = yyjson_mut_arr_get_first(check_get(v, "allOf"));
    check_values(v, is_int_or_string(v), is_int_or_string(first), at, c);
    check_type(v, level, at, c);
    check_meta(v, level, at, c);
}

/* ---- completeness: what a junctor at the root speaks of exists outside of it ---- */

static void missing(const struct path *at, const struct path *by, struct causes *c)
{
    causes_add(c, CAUSE_REQUIRED, at, NULL, "because it is defined in %.*s",
               STR_FMT(path_text(by, c->arena)));
}

static void check_complete(const yyjson_mut_val *v, const yyjson_mut_val *s,
                           const struct path *s_at, const struct path *v_at, struct causes *c)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    if (!s) {
        missing(s_at, v_at, c);
        return;
    }
    if (check_get(v, "not")) {
        check_complete(check_get(v, "not"), s, s_at, AT(v_at, "not"), c);
    }
    for (size_t i = 0; i < 3; i++) {
        const struct path *here = PATH_FIELD(v_at, str_from(lists[i]));
        struct json_iter it = json_iter(check_get(v, lists[i]));
        while (json_next(&it)) {
            check_complete(it.val, s, s_at, PATH_INDEX(here, it.index), c);
        }
    }
    if (v == s) {
        return; /* the root of the comparison */
    }
    if (check_get(v, "items")) {
        check_complete(check_get(v, "items"), check_get(s, "items"), AT(s_at, "items"),
                       AT(v_at, "items"), c);
    }
    const struct path *s_properties = AT(s_at, "properties"),
                      *v_properties = AT(v_at, "properties");
    yyjson_mut_obj_iter has = yyjson_mut_obj_iter_with(check_get(s, "properties"));
    struct json_iter it = json_iter(check_get(v, "properties"));
    while (json_next(&it)) {
        struct str name = json_str(it.key);
        check_complete(it.val, yyjson_mut_obj_iter_getn(&has, name.ptr, name.len),
                       PATH_KEY(s_properties, name), PATH_KEY(v_properties, name), c);
    }
}

/* By the text of the whole error, as the reference sorts. */
static int compare_items(const void *a, const void *b)
{
    const struct cause_item *x = a, *y = b;
    struct str rest = x->field, other = y->field;
    size_t n = rest.len < other.len ? rest.len : other.len;
    int r = n ? memcmp(rest.ptr, other.ptr, n) : 0;
    if (r) {
        return r;
    }
    if (rest.len != other.len) {
        /* the shorter one goes on with ": " */
        char next = rest.len > other.len ? rest.ptr[n] : other.ptr[n];
        int shorter_first = ':' < next ? -1 : 1;
        return rest.len < other.len ? shorter_first : -shorter_first;
    }
    return str_cmp(x->message, y->message);
}

void check_structural(const yyjson_mut_val *root, const struct path *at, struct causes *c)
{
    size_t from = c->n;
    check_node(root, LEVEL_ROOT, at, c);
    check_complete(root, root, at, at, c);
    if (c->n > from) {
        qsort(c->items + from, c->n - from, sizeof(*c->items), compare_items);
    }
}
