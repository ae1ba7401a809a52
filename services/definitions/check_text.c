/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of the text fields that a definition declares: that the annotation can be read, and
 * that each path leads to something in the schema of the version that is stored. */
#include "base/json.h"
#include "resources/text.h"
#include "services/definitions/definitions_priv.h"

static const yyjson_mut_val *stored_schema(const yyjson_mut_val *obj)
{
    struct json_iter it = json_iter(json_path(obj, "spec", "versions", NULL));
    while (it.container && json_next(&it)) {
        if (json_get_bool(it.val, "storage")) {
            return json_path(it.val, "schema", "openAPIV3Schema", NULL);
        }
    }
    return NULL;
}

static bool is_open(const yyjson_mut_val *schema)
{
    const yyjson_mut_val *more = json_get(schema, "additionalProperties");
    return json_get_bool(schema, "x-kubernetes-preserve-unknown-fields") ||
           json_get_bool(schema, "x-kubernetes-embedded-resource") ||
           (more && !yyjson_mut_is_false(json_mut(more)));
}

static bool holds_text(const yyjson_mut_val *schema)
{
    struct str type = json_get_str(schema, "type");
    if (str_is(type, "array")) {
        schema = json_get(schema, "items");
        type = json_get_str(schema, "type");
    }
    return !type.len || str_is(type, "string");
}

/* NULL: there may be text at the path; or what is wrong. */
static const char *look_up(const yyjson_mut_val *schema, const struct text_field *f)
{
    bool metadata = str_is(f->steps[0], "metadata");
    for (size_t i = 0; i < f->n_steps && schema && !metadata; i++) {
        const yyjson_mut_val *next = json_getn(json_get(schema, "properties"), f->steps[i]);
        if (!next) {
            return is_open(schema) ? NULL : "the schema of the stored version has no such field";
        }
        schema = next;
    }
    return metadata || !schema || holds_text(schema) || is_open(schema)
               ? NULL
               : "is neither a string nor a list of strings";
}

void check_text_fields(const yyjson_mut_val *obj, struct causes *c)
{
    yyjson_mut_val *value = json_path(obj, "metadata", "annotations", TEXT_FIELDS, NULL);
    const struct path *at = PATH_KEY(
        PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("annotations")), STR(TEXT_FIELDS));
    struct text_fields *fields = NULL;
    struct err err = {0};
    if (!value) {
        return;
    }
    if (text_fields_parse(c->arena, json_str(value), &fields, &err)) {
        causes_add(c, CAUSE_INVALID, at, value, "%s", err_message(&err));
    }
    for (size_t i = 0; fields && i < fields->n; i++) {
        const char *fault = look_up(stored_schema(obj), &fields->items[i]);
        if (fault) {
            causes_add(c, CAUSE_INVALID, at, value, "%.*s: %s", STR_FMT(fields->items[i].path),
                       fault);
        }
    }
    err_finish(&err);
}
