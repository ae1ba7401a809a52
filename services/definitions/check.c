/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of a definition as a whole. Rules, words and order: ValidateCustomResourceDefinition
 * of the reference. */
#include <ctype.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/metadata.h"
#include "services/definitions/definitions_priv.h"

#define IMMUTABLE "field is immutable"

/* ---- values as the reference shows them ---- */

static yyjson_mut_val *text_value(struct causes *c, struct str s)
{
    return yyjson_mut_strncpy(json_doc(c->arena), s.ptr ? s.ptr : "", s.len);
}

static void invalid_text(struct causes *c, const struct path *at, struct str value,
                         const char *detail)
{
    causes_add(c, CAUSE_INVALID, at, text_value(c, value), "%s", detail);
}

static void add_member(struct buf *b, const char *key, const yyjson_mut_val *v)
{
    buf_printf(b, ",\"%s\":", key);
    if (v) {
        json_write(b, v);
    } else {
        buf_addz(b, "null");
    }
}

/* spec.versions as the reference's own type prints it. */
static struct str versions_text(const struct check *k)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addc(&b, '[');
    struct json_iter it = json_iter(k->versions);
    while (json_next(&it)) {
        buf_addz(&b, it.index ? ",{\"Name\":" : "{\"Name\":");
        buf_add_json(&b, json_get_str(it.val, "name"));
        buf_printf(&b, ",\"Served\":%s,\"Storage\":%s,\"Deprecated\":%s",
                   json_get_bool(it.val, "served") ? "true" : "false",
                   json_get_bool(it.val, "storage") ? "true" : "false",
                   json_get_bool(it.val, "deprecated") ? "true" : "false");
        add_member(&b, "DeprecationWarning", json_get(it.val, "deprecationWarning"));
        add_member(&b, "Schema", k->same_schema ? NULL : json_get(it.val, "schema"));
        add_member(&b, "Subresources",
                   k->same_subresources ? NULL : json_get(it.val, "subresources"));
        add_member(&b, "AdditionalPrinterColumns",
                   k->same_columns ? NULL : json_get(it.val, "additionalPrinterColumns"));
        add_member(&b, "SelectableFields",
                   k->same_fields ? NULL : json_get(it.val, "selectableFields"));
        buf_addc(&b, '}');
    }
    buf_addc(&b, ']');
    return json_size(k->versions) ? arena_str(k->c->arena, buf_str(&b)) : STR("null");
}

/* ---- names ---- */

void check_label_1035(struct str value, struct str shown, const char *before, const struct path *at,
                      struct causes *c)
{
    struct name_faults faults = {0};
    AUTO(buf_finish) struct buf b = {0};
    name_faults_label_1035(value, &faults);
    if (!faults.n) {
        return;
    }
    buf_addz(&b, before);
    for (size_t i = 0; i < faults.n; i++) {
        buf_printf(&b, "%s%s", i ? "," : "", faults.text[i]);
    }
    causes_add(c, CAUSE_INVALID, at, text_value(c, shown), "%.*s", STR_FMT(buf_str(&b)));
}

static struct str lowered(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        out[i] = (char)tolower((unsigned char)s.ptr[i]);
    }
    return str_make(out, s.len);
}

static void check_name(const yyjson_mut_val *names, const char *key, bool mixed_case,
                       const struct path *at, struct causes *c)
{
    struct str s = json_get_str(names, key);
    if (s.len) {
        check_label_1035(mixed_case ? lowered(c->arena, s) : s, s,
                         mixed_case ? "may have mixed case, but should otherwise match: " : "",
                         PATH_FIELD(at, str_from(key)), c);
    }
}

static void too_many(const yyjson_mut_val *list, size_t most, const struct path *at,
                     struct causes *c)
{
    causes_add_text(c, CAUSE_TOO_MANY, at, STR_NULL, "%zu: must have at most %zu items",
                    json_size(list), most);
}

static void check_name_list(const yyjson_mut_val *names, const char *key, const struct path *at,
                            struct causes *c)
{
    const struct path *list = PATH_FIELD(at, str_from(key));
    if (json_size(json_get(names, key)) > LIMIT_DEFINITION_NAMES) {
        too_many(json_get(names, key), LIMIT_DEFINITION_NAMES, list, c);
        return;
    }
    struct json_iter it = json_iter(json_get(names, key));
    while (json_next(&it)) {
        check_label_1035(json_str(it.val), json_str(it.val), "", PATH_INDEX(list, it.index), c);
    }
}

static void check_names(const yyjson_mut_val *names, const struct path *at, struct causes *c)
{
    struct str kind = json_get_str(names, "kind");
    check_name(names, "plural", false, at, c);
    check_name(names, "singular", false, at, c);
    check_name(names, "kind", true, at, c);
    check_name(names, "listKind", true, at, c);
    check_name_list(names, "shortNames", at, c);
    if (kind.len && str_eq(kind, json_get_str(names, "listKind"))) {
        invalid_text(c, PATH_FIELD(at, STR("listKind")), kind,
                     "kind and listKind may not be the same");
    }
    check_name_list(names, "categories", at, c);
}

static void want_names(const yyjson_mut_val *names, const struct path *at, struct causes *c)
{
    static const char *const keys[] = {"plural", "singular", "kind", "listKind"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (!json_get_str(names, keys[i]).len) {
            causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, str_from(keys[i])), NULL, NULL);
        }
    }
}

/* ---- the spec ---- */

static void check_group(const yyjson_mut_val *spec, const struct path *at, struct causes *c)
{
    struct str group = json_get_str(spec, "group");
    const struct path *here = PATH_FIELD(at, STR("group"));
    struct name_faults faults = {0};
    if (!group.len) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, NULL);
        return;
    }
    name_faults_subdomain(group, &faults);
    if (faults.n) {
        AUTO(buf_finish) struct buf b = {0};
        for (size_t i = 0; i < faults.n; i++) {
            buf_printf(&b, "%s%s", i ? "," : "", faults.text[i]);
        }
        buf_addc(&b, 0);
        invalid_text(c, here, group, b.ptr);
    } else if (!memchr(group.ptr, '.', group.len)) {
        invalid_text(c, here, group, "should be a domain with at least one dot");
    }
}

static void check_scope(const yyjson_mut_val *spec, const struct path *at, struct causes *c)
{
    static const struct str supported[] = {{"Cluster", 7}, {"Namespaced", 10}};
    struct str scope = json_get_str(spec, "scope");
    const struct path *here = PATH_FIELD(at, STR("scope"));
    if (!scope.len) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, NULL);
    } else if (!str_eq(scope, supported[0]) && !str_eq(scope, supported[1])) {
        causes_add_unsupported(c, here, json_get(spec, "scope"), supported, 2);
    }
}

static void check_schemas_given(const struct check *k, const struct path *at)
{
    const struct path *list = PATH_FIELD(at, STR("versions"));
    struct json_iter it = json_iter(k->versions);
    while (json_next(&it)) {
        if (!json_is_obj(json_path(it.val, "schema", "openAPIV3Schema", NULL))) {
            const struct path *schema = PATH_FIELD(PATH_INDEX(list, it.index), STR("schema"));
            causes_add(k->c, CAUSE_REQUIRED, PATH_FIELD(schema, STR("openAPIV3Schema")), NULL,
                       NULL);
        }
    }
}

/* Each version, then what holds of them together. */
static void check_versions(struct check *k, const struct path *at)
{
    const struct path *list = PATH_FIELD(at, STR("versions"));
    size_t storage = 0;
    bool unique = true;
    struct json_iter it = json_iter(k->versions);
    while (json_next(&it)) {
        const struct path *here = PATH_INDEX(list, it.index);
        struct str name = json_get_str(it.val, "name");
        storage += json_get_bool(it.val, "storage");
        struct json_iter before = json_iter(k->versions);
        while (json_next(&before) && before.index < it.index) {
            unique = unique && !str_eq(json_get_str(before.val, "name"), name);
        }
        check_label_1035(name, name, "", PATH_FIELD(here, STR("name")), k->c);
        check_version(k, it.val, here);
    }
    if (!unique) {
        causes_add_text(k->c, CAUSE_INVALID, list, versions_text(k),
                        "must contain unique version names");
    }
    if (storage != 1) {
        causes_add_text(k->c, CAUSE_INVALID, list, versions_text(k),
                        "must have exactly one version marked as storage version");
    }
}

static bool same_everywhere(const yyjson_mut_val *versions, const char *key)
{
    const yyjson_mut_val *first = NULL;
    struct json_iter it = json_iter(versions);
    while (json_next(&it)) {
        const yyjson_mut_val *v = json_get(it.val, key);
        if (it.index == 0) {
            first = v;
        } else if (!v != !first || (v && !json_equal(v, first))) {
            return false;
        }
    }
    return true;
}

static void check_spec(const yyjson_mut_val *spec, const struct path *at, struct causes *c)
{
    const yyjson_mut_val *versions = json_get(spec, "versions"), *names = json_get(spec, "names");
    const struct path *names_at = PATH_FIELD(at, STR("names"));
    if (json_size(versions) > LIMIT_DEFINITION_VERSIONS) {
        too_many(versions, LIMIT_DEFINITION_VERSIONS, PATH_FIELD(at, STR("versions")), c);
        return;
    }
    struct check k = {
        .c = c,
        .spec = spec,
        .versions = versions,
        .same_schema = same_everywhere(versions, "schema"),
        .same_subresources = same_everywhere(versions, "subresources"),
        .same_columns = same_everywhere(versions, "additionalPrinterColumns"),
        .same_fields = same_everywhere(versions, "selectableFields"),
    };
    check_group(spec, at, c);
    check_scope(spec, at, c);
    check_schemas_given(&k, at);
    check_versions(&k, at);
    want_names(names, names_at, c);
    check_names(names, names_at, c);
    check_shared(&k, at);
    check_conversion(spec, at, c);
}

/* ---- what may not change ---- */

static void check_same(const yyjson_mut_val *now, const yyjson_mut_val *was, const char *key,
                       const struct path *at, struct causes *c)
{
    struct str a = json_get_str(now, key), b = json_get_str(was, key);
    if (!str_eq(a, b)) {
        invalid_text(c, PATH_FIELD(at, str_from(key)), a, IMMUTABLE);
    }
}

static void check_update(const yyjson_mut_val *obj, const yyjson_mut_val *old,
                         const struct path *at, struct causes *c)
{
    const yyjson_mut_val *spec = json_get(obj, "spec"), *was = json_get(old, "spec");
    const struct path *names = PATH_FIELD(at, STR("names"));
    if (definition_condition_is(old, "Established", "True")) {
        check_same(spec, was, "scope", at, c);
        check_same(json_get(spec, "names"), json_get(was, "names"), "kind", names, c);
    }
    check_same(spec, was, "group", at, c);
    check_same(json_get(spec, "names"), json_get(was, "names"), "plural", names, c);
}

/* ---- status, metadata, the rest ---- */

static bool has_version(const yyjson_mut_val *versions, struct str name)
{
    struct json_iter it = json_iter(versions);
    while (json_next(&it)) {
        if (str_eq(json_get_str(it.val, "name"), name)) {
            return true;
        }
    }
    return false;
}

static bool is_stored(const yyjson_mut_val *stored, struct str name)
{
    struct json_iter it = json_iter(stored);
    while (json_next(&it)) {
        if (str_eq(json_str(it.val), name)) {
            return true;
        }
    }
    return false;
}

static void check_stored_versions(const yyjson_mut_val *obj, struct causes *c)
{
    const struct path *at = PATH_FIELD(PATH_FIELD(NULL, STR("status")), STR("storedVersions"));
    const yyjson_mut_val *versions = json_path(obj, "spec", "versions", NULL);
    yyjson_mut_val *stored = json_path(obj, "status", "storedVersions", NULL);
    if (!json_size(stored)) {
        causes_add_text(c, CAUSE_INVALID, at, STR("null"), "must have at least one stored version");
        return;
    }
    struct json_iter it = json_iter(versions);
    while (json_next(&it)) {
        struct str name = json_get_str(it.val, "name");
        if (json_get_bool(it.val, "storage") && !is_stored(stored, name)) {
            causes_add(c, CAUSE_INVALID, at, stored, "must have the storage version %.*s",
                       STR_FMT(name));
        }
    }
    for (it = json_iter(stored); json_next(&it);) {
        struct str name = json_str(it.val);
        if (!has_version(versions, name)) {
            causes_add(c, CAUSE_INVALID, PATH_INDEX(at, it.index), it.val,
                       "missing from spec.versions; %.*s was previously a storage version, and "
                       "must remain in spec.versions until a "
                       "storage migration ensures no data remains persisted in %.*s and removes "
                       "%.*s from status.storedVersions",
                       STR_FMT(name), STR_FMT(name), STR_FMT(name));
        }
    }
}

static void check_approval(const yyjson_mut_val *obj, const yyjson_mut_val *old, struct causes *c)
{
    struct str reason = STR_NULL, was = STR_NULL;
    if (!approval_needed(json_get_str(json_get(obj, "spec"), "group"))) {
        return;
    }
    enum approval approval = approval_of(obj, c->arena, &reason);
    if (old && approval == approval_of(old, c->arena, &was)) {
        return;
    }
    const struct path *annotations =
        PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("annotations"));
    const struct path *at = PATH_KEY(annotations, STR(APPROVAL_ANNOTATION));
    if (approval == APPROVAL_INVALID) {
        causes_add(c, CAUSE_INVALID, at,
                   json_path(obj, "metadata", "annotations", APPROVAL_ANNOTATION, NULL), "%.*s",
                   STR_FMT(reason));
    } else if (approval == APPROVAL_MISSING) {
        causes_add(c, CAUSE_REQUIRED, at, NULL, "%.*s", STR_FMT(reason));
    }
}

/* The name of the object is made of its plural and its group. */
static void check_object_name(const yyjson_mut_val *obj, struct causes *c)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    struct str plural = json_get_str(json_get(spec, "names"), "plural"),
               group = json_get_str(spec, "group");
    struct str name = metadata_name(obj), rest;
    bool right = str_starts(name, plural) &&
                 str_starts(rest = str_skip(name, plural.len), STR(".")) &&
                 str_eq(str_skip(rest, 1), group);
    if (!right) {
        invalid_text(c, PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("name")), name,
                     "must be spec.names.plural+\".\"+spec.group");
    }
}

void definition_check_status(const yyjson_mut_val *obj, struct causes *c)
{
    check_names(json_path(obj, "status", "acceptedNames", NULL),
                PATH_FIELD(PATH_FIELD(NULL, STR("status")), STR("acceptedNames")), c);
}

void definition_check(const yyjson_mut_val *obj, const yyjson_mut_val *old, struct causes *c)
{
    const struct path *at = PATH_FIELD(NULL, STR("spec"));
    yyjson_mut_val *preserve = json_path(obj, "spec", "preserveUnknownFields", NULL);
    if (!old) {
        check_object_name(obj, c);
    }
    check_spec(json_get(obj, "spec"), at, c);
    if (old) {
        check_update(obj, old, at, c);
    }
    definition_check_status(obj, c);
    check_stored_versions(obj, c);
    check_approval(obj, old, c);
    check_text_fields(obj, c);
    if (json_get_bool(json_get(obj, "spec"), "preserveUnknownFields")) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, STR("preserveUnknownFields")), preserve,
                   "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                   "spec.versions[*].schema instead");
    }
}
