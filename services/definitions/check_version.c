/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of a version: its schema, subresources, columns and selectable fields. */
#include "base/json.h"
#include "base/limits.h"
#include "resources/jsonpath.h"
#include "services/definitions/definitions_priv.h"

enum { SELECTABLE_FIELDS_MAX = 8, DEPRECATION_WARNING_MAX = 256 };

/* ---- the schema ---- */

static void check_schema(const yyjson_mut_val *version, bool status, const struct path *at,
                         struct causes *c)
{
    yyjson_mut_val *schema = json_path(version, "schema", "openAPIV3Schema", NULL);
    if (!json_is_obj(schema)) {
        return;
    }
    const struct path *here = PATH_FIELD(at, STR("openAPIV3Schema"));
    if (status) {
        schema_check_status_root(schema, here, c);
    }
    schema_check(schema, here, c);
}

/* ---- subresources ---- */

static bool has_status(const yyjson_mut_val *version)
{
    return json_path(version, "subresources", "status", NULL) != NULL;
}

static bool any_has_status(const yyjson_mut_val *versions)
{
    struct json_iter it = json_iter(versions);
    while (json_next(&it)) {
        if (has_status(it.val)) {
            return true;
        }
    }
    return false;
}

/* validateSimpleJSONPath: nothing but a leading dot is asked for. */
static bool check_simple_path(yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    if (json_str(v).ptr[0] != '.') {
        causes_add(c, CAUSE_INVALID, at, v, "must be a simple json path starting with .");
        return false;
    }
    return true;
}

static bool is_under(struct str path, struct str root)
{
    return str_starts(path, root);
}

static void check_replicas_path(const yyjson_mut_val *scale, const char *key, struct str root,
                                const char *words, const struct path *at, struct causes *c)
{
    yyjson_mut_val *v = json_get(scale, key);
    const struct path *here = PATH_FIELD(at, str_from(key));
    if (!json_str(v).len) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, NULL);
    } else if (check_simple_path(v, here, c) && !is_under(json_str(v), root)) {
        causes_add(c, CAUSE_INVALID, here, v, "%s", words);
    }
}

static void check_subresources(const yyjson_mut_val *version, const struct path *at,
                               struct causes *c)
{
    const yyjson_mut_val *scale = json_path(version, "subresources", "scale", NULL);
    const struct path *here = PATH_FIELD(at, STR("scale"));
    if (!scale) {
        return;
    }
    check_replicas_path(scale, "specReplicasPath", STR(".spec."),
                        "should be a json path under .spec", here, c);
    check_replicas_path(scale, "statusReplicasPath", STR(".status."),
                        "should be a json path under .status", here, c);
    yyjson_mut_val *selector = json_get(scale, "labelSelectorPath");
    const struct path *selector_at = PATH_FIELD(here, STR("labelSelectorPath"));
    if (json_str(selector).len && check_simple_path(selector, selector_at, c) &&
        !is_under(json_str(selector), STR(".spec.")) &&
        !is_under(json_str(selector), STR(".status."))) {
        causes_add(c, CAUSE_INVALID, selector_at, selector,
                   "should be a json path under either .spec or .status");
    }
}

/* ---- columns ---- */

static bool one_of(struct str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(s, list[i])) {
            return true;
        }
    }
    return false;
}

static void check_column_path(const yyjson_mut_val *column, const struct path *at, struct causes *c)
{
    yyjson_mut_val *v = json_get(column, "jsonPath");
    const struct path *here = PATH_FIELD(at, STR("JSONPath"));
    struct err err = {0};
    struct jsonpath *path = NULL;
    if (!json_str(v).len) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, NULL);
    } else if (check_simple_path(v, here, c) &&
               jsonpath_parse(c->arena, json_str(v), &path, &err) < 0) {
        causes_add(c, CAUSE_INVALID, here, v, "%s", err_message(&err));
    }
    err_finish(&err);
}

static void check_column(const yyjson_mut_val *column, const struct path *at, struct causes *c)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string"};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double",
                                          "float", "int32", "int64",     "password"};
    yyjson_mut_val *type = json_get(column, "type"), *format = json_get(column, "format");
    if (!json_get_str(column, "name").len) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("name")), NULL, NULL);
    }
    if (!json_str(type).len) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("type")), NULL,
                   "must be one of boolean,date,integer,number,string");
    } else if (!one_of(json_str(type), types, sizeof(types) / sizeof(*types))) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, STR("type")), type,
                   "must be one of boolean,date,integer,number,string");
    }
    if (json_str(format).len &&
        !one_of(json_str(format), formats, sizeof(formats) / sizeof(*formats))) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, STR("format")), format,
                   "must be one of byte,date,date-time,double,float,int32,int64,password");
    }
    check_column_path(column, at, c);
}

static void check_columns(const yyjson_mut_val *version, const struct path *at, struct causes *c)
{
    struct json_iter it = json_iter(json_get(version, "additionalPrinterColumns"));
    while (json_next(&it)) {
        check_column(it.val, PATH_INDEX(at, it.index), c);
    }
}

/* ---- selectable fields ---- */

/* Finds the schema that a path of fields leads to; NULL with *ret_fault set where it is none. */
static const yyjson_mut_val *follow(struct str path, const yyjson_mut_val *schema,
                                    const char **ret_fault, struct arena *a)
{
    while (path.len) {
        if (path.ptr[0] != '.') {
            *ret_fault = path.ptr[0] == '['
                             ? "array notation is not allowed"
                             : arena_printf(a, "expected [ or . but got: %.*s", STR_FMT(path));
            return NULL;
        }
        path = str_skip(path, 1);
        size_t n = 0;
        while (n < path.len && path.ptr[n] != '.' && path.ptr[n] != '[' && path.ptr[n] != ']') {
            n++;
        }
        if (!path.len) {
            *ret_fault = "unexpected end of JSON path";
            return NULL;
        }
        const yyjson_mut_val *properties = json_get(schema, "properties"),
                             *more = json_get(schema, "additionalProperties");
        schema = properties          ? json_getn(properties, str_make(path.ptr, n))
                 : json_is_obj(more) ? more
                                     : NULL;
        if (!schema) {
            *ret_fault = "does not refer to a valid field";
            return NULL;
        }
        path = str_skip(path, n);
    }
    return schema;
}

static bool selectable_type(const yyjson_mut_val *schema)
{
    struct str type = json_get_str(schema, "type");
    return str_is(type, "string") || str_is(type, "boolean") || str_is(type, "integer");
}

/* Adds causes for one field. True: it is a path that stands for a field. */
static bool check_field(yyjson_mut_val *v, const yyjson_mut_val *schema, const struct path *at,
                        struct causes *c)
{
    const char *fault = NULL;
    struct str rest, path = json_str(v);
    if (!path.len) {
        causes_add(c, CAUSE_REQUIRED, at, NULL, NULL);
        return false;
    }
    const yyjson_mut_val *found = follow(path, schema, &fault, c->arena);
    if (!found) {
        causes_add(c, CAUSE_INVALID, at, v, "is an invalid path: %s", fault);
        return false;
    }
    if (str_is(str_cut(str_skip(path, 1), '.', &rest), "metadata")) {
        causes_add(c, CAUSE_INVALID, at, v, "must not point to fields in metadata");
    }
    if (!selectable_type(found)) {
        causes_add(c, CAUSE_INVALID, at, v,
                   "must point to a field of type string, boolean or integer. Enum string fields "
                   "and strings with formats are allowed.");
    }
    return true;
}

static void too_many(size_t n, const struct path *at, struct causes *c)
{
    causes_add_text(c, CAUSE_TOO_MANY, at, STR_NULL, "%zu: must have at most %d items", n,
                    SELECTABLE_FIELDS_MAX);
}

static void check_fields(const yyjson_mut_val *version, const struct path *at, struct causes *c)
{
    const yyjson_mut_val *list = json_get(version, "selectableFields");
    const yyjson_mut_val *schema = json_path(version, "schema", "openAPIV3Schema", NULL);
    size_t unique = 0;
    if (json_size(list) && !json_is_obj(schema)) {
        return; /* that the schema is missing was said already */
    }
    if (json_size(list) > LIMIT_DEFINITION_NAMES) {
        too_many(json_size(list), at, c);
        return;
    }
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        const struct path *here = PATH_FIELD(PATH_INDEX(at, it.index), STR("jsonPath"));
        yyjson_mut_val *v = json_get(it.val, "jsonPath");
        bool again = false;
        if (!check_field(v, schema, here, c)) {
            continue;
        }
        struct json_iter before = json_iter(list);
        while (json_next(&before) && before.index < it.index) {
            again = again || str_eq(json_get_str(before.val, "jsonPath"), json_str(v));
        }
        unique += !again;
        if (again) {
            causes_add(c, CAUSE_DUPLICATE, here, v, NULL);
        }
    }
    if (unique > SELECTABLE_FIELDS_MAX) {
        too_many(unique, at, c);
    }
}

/* ---- a version, and what all share ---- */

static void check_deprecation(const yyjson_mut_val *version, const struct path *at,
                              struct causes *c)
{
    yyjson_mut_val *v = json_get(version, "deprecationWarning");
    const struct path *here = PATH_FIELD(at, STR("deprecationWarning"));
    struct str s = json_str(v);
    if (!v) {
        return;
    }
    if (!json_get_bool(version, "deprecated")) {
        causes_add(c, CAUSE_INVALID, here, v, "can only be set for deprecated versions");
        return;
    }
    if (s.len > DEPRECATION_WARNING_MAX) {
        causes_add(c, CAUSE_INVALID, here, v, "must be <= 256 characters long");
    }
    if (!s.len) {
        causes_add(c, CAUSE_INVALID, here, v, "must not be an empty string");
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch < 0x20 || ch == 0x7f) {
            causes_add(c, CAUSE_INVALID, here, v,
                       "must only contain printable UTF-8 characters; non-printable character "
                       "found at index %zu",
                       i);
            break;
        }
    }
}

void check_version(struct check *k, const yyjson_mut_val *version, const struct path *at)
{
    check_deprecation(version, at, k->c);
    if (!k->same_schema) {
        check_schema(version, has_status(version), PATH_FIELD(at, STR("schema")), k->c);
    }
    if (!k->same_subresources) {
        check_subresources(version, PATH_FIELD(at, STR("subresources")), k->c);
    }
    if (!k->same_columns) {
        check_columns(version, PATH_FIELD(at, STR("additionalPrinterColumns")), k->c);
    }
    if (!k->same_fields) {
        check_fields(version, PATH_FIELD(at, STR("selectableFields")), k->c);
    }
}

void check_shared(struct check *k, const struct path *at)
{
    const yyjson_mut_val *first = yyjson_mut_arr_get_first(json_mut(k->versions));
    if (k->same_schema) {
        check_schema(first, any_has_status(k->versions), PATH_FIELD(at, STR("validation")), k->c);
    }
    if (k->same_subresources) {
        check_subresources(first, PATH_FIELD(at, STR("subresources")), k->c);
    }
    if (k->same_columns) {
        check_columns(first, PATH_FIELD(at, STR("additionalPrinterColumns")), k->c);
    }
    if (k->same_fields) {
        check_fields(first, PATH_FIELD(at, STR("selectableFields")), k->c);
    }
}
