/* SPDX-License-Identifier: Apache-2.0 */
/* What the server fills into a definition: defaults, the form that the reference's types marshal
 * to, and the status of a new one. */
#include <ctype.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "services/definitions/definitions_priv.h"

static void drop_if_empty(yyjson_mut_val *obj, const char *key)
{
    const yyjson_mut_val *v = json_get(obj, key);
    bool empty = json_is_str(v) ? !json_str(v).len : (json_is_arr(v) && !json_size(v));
    if (empty) {
        json_remove(obj, key);
    }
}

static void drop_if_false(yyjson_mut_val *obj, const char *key)
{
    if (json_get(obj, key) && !json_get_bool(obj, key)) {
        json_remove(obj, key);
    }
}

static void ensure_str(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key)
{
    if (!json_get(obj, key)) {
        json_set_str(d, obj, key, STR(""));
    }
}

/* ---- names ---- */

static void fill_names(yyjson_mut_doc *d, yyjson_mut_val *names)
{
    struct str kind = json_get_str(names, "kind");
    AUTO(buf_finish) struct buf b = {0};
    ensure_str(d, names, "plural");
    ensure_str(d, names, "kind");
    if (!json_get_str(names, "singular").len && kind.len) {
        for (size_t i = 0; i < kind.len; i++) {
            buf_addc(&b, (char)tolower((unsigned char)kind.ptr[i]));
        }
        json_set_str(d, names, "singular", buf_str(&b));
    }
    if (!json_get_str(names, "listKind").len && kind.len) {
        b.len = 0;
        buf_add(&b, kind);
        buf_addz(&b, "List");
        json_set_str(d, names, "listKind", buf_str(&b));
    }
    drop_if_empty(names, "singular");
    drop_if_empty(names, "listKind");
    drop_if_empty(names, "shortNames");
    drop_if_empty(names, "categories");
}

/* ---- versions ---- */

static void fill_columns(yyjson_mut_doc *d, yyjson_mut_val *version)
{
    struct json_iter it = json_iter(json_get(version, "additionalPrinterColumns"));
    while (json_next(&it)) {
        ensure_str(d, it.val, "name");
        ensure_str(d, it.val, "type");
        ensure_str(d, it.val, "jsonPath");
        drop_if_empty(it.val, "format");
        drop_if_empty(it.val, "description");
        if (json_get(it.val, "priority") && !json_get_int(it.val, "priority", 0)) {
            json_remove(it.val, "priority");
        }
    }
    drop_if_empty(version, "additionalPrinterColumns");
    drop_if_empty(version, "selectableFields");
}

static void fill_version(yyjson_mut_doc *d, yyjson_mut_val *version)
{
    ensure_str(d, version, "name");
    json_set_bool(d, version, "served", json_get_bool(version, "served"));
    json_set_bool(d, version, "storage", json_get_bool(version, "storage"));
    drop_if_false(version, "deprecated");
    fill_columns(d, version);
}

/* Takes out of a version's schema what is no keyword and reports it. */
static void prune_schema(yyjson_mut_doc *d, yyjson_mut_val *version, const struct path *at,
                         struct schema_unknown *unknown)
{
    yyjson_mut_val *root = json_path(version, "schema", "openAPIV3Schema", NULL);
    if (json_is_obj(root)) {
        const struct path *schema = PATH_FIELD(at, STR("schema"));
        schema_prune_definition(d, root, PATH_FIELD(schema, STR("openAPIV3Schema")), unknown);
    }
}

static int report(struct write *w, const struct schema_unknown *unknown, struct err *err)
{
    const struct op *op = write_op(w);
    if (!unknown->n || op->validation == FIELD_VALIDATION_IGNORE) {
        return 0;
    }
    if (op->validation == FIELD_VALIDATION_WARN) {
        for (size_t i = 0; i < unknown->n; i++) {
            write_warn(w, "unknown field \"%.*s\"", STR_FMT(unknown->paths[i]));
        }
        return 0;
    }
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < unknown->n; i++) {
        buf_printf(&b, "%sunknown field \"%.*s\"", i ? ", " : "", STR_FMT(unknown->paths[i]));
    }
    return err_set(err, ERR_BAD_REQUEST,
                   "CustomResourceDefinition in version \"v1\" cannot be handled as a "
                   "CustomResourceDefinition: strict decoding "
                   "error: %.*s",
                   STR_FMT(buf_str(&b)));
}

static void fill_versions(yyjson_mut_doc *d, yyjson_mut_val *spec, struct schema_unknown *unknown)
{
    const struct path *at = PATH_FIELD(PATH_FIELD(NULL, STR("spec")), STR("versions"));
    struct json_iter it = json_iter(json_get(spec, "versions"));
    while (json_next(&it)) {
        fill_version(d, it.val);
        prune_schema(d, it.val, PATH_INDEX(at, it.index), unknown);
    }
}

/* ---- the rest ---- */

static void fill_conversion(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    yyjson_mut_val *conversion = json_get(spec, "conversion");
    if (!conversion) {
        conversion = yyjson_mut_obj(d);
        json_set_str(d, conversion, "strategy", STR("None"));
        json_setz(d, spec, "conversion", conversion);
    }
    yyjson_mut_val *service = json_path(conversion, "webhook", "clientConfig", "service", NULL);
    if (service && !json_get(service, "port")) {
        json_set_int(d, service, "port", 443);
    }
}

static void add_stored_version(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *status = json_get(obj, "status"), *list = json_get(status, "storedVersions");
    struct str name = STR_NULL;
    struct json_iter it = json_iter(json_path(obj, "spec", "versions", NULL));
    while (json_next(&it)) {
        if (json_get_bool(it.val, "storage")) {
            name = json_get_str(it.val, "name");
            break;
        }
    }
    if (!name.ptr) {
        return;
    }
    if (!json_is_arr(list)) {
        list = yyjson_mut_arr(d);
        json_setz(d, status, "storedVersions", list);
    }
    for (it = json_iter(list); json_next(&it);) {
        if (str_eq(json_str(it.val), name)) {
            return;
        }
    }
    yyjson_mut_arr_add_strncpy(d, list, name.ptr, name.len);
}

void definition_fill_status(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *status = json_ensure_obj(d, obj, "status");
    if (!json_get(status, "conditions")) {
        json_setz(d, status, "conditions", yyjson_mut_null(d));
    }
    yyjson_mut_val *accepted = json_ensure_obj(d, status, "acceptedNames");
    ensure_str(d, accepted, "plural");
    ensure_str(d, accepted, "kind");
    if (!json_get(status, "storedVersions")) {
        json_setz(d, status, "storedVersions", yyjson_mut_null(d));
        add_stored_version(d, obj);
    }
}

void definition_fill_defaults(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *spec = json_get(obj, "spec");
    if (json_is_obj(spec)) {
        fill_names(d, json_ensure_obj(d, spec, "names"));
        fill_conversion(d, spec);
    }
}

void definition_fill_spec(yyjson_mut_doc *d, yyjson_mut_val *obj, struct schema_unknown *unknown)
{
    yyjson_mut_val *spec = json_ensure_obj(d, obj, "spec");
    ensure_str(d, spec, "group");
    ensure_str(d, spec, "scope");
    drop_if_false(spec, "preserveUnknownFields");
    fill_names(d, json_ensure_obj(d, spec, "names"));
    if (!json_get(spec, "versions")) {
        json_setz(d, spec, "versions", yyjson_mut_null(d));
    }
    fill_conversion(d, spec);
    fill_versions(d, spec, unknown);
}

int definition_fill(struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                    const yyjson_mut_val *old, struct err *err)
{
    struct schema_unknown unknown = {.arena = write_arena(w)};
    definition_fill_spec(d, obj, &unknown);
    int r = report(w, &unknown, err);
    if (r < 0) {
        return r;
    }
    const yyjson_mut_val *status = json_get(old, "status");
    json_setz(d, obj, "status", status ? json_copy(d, status) : yyjson_mut_obj(d));
    definition_fill_status(d, obj);
    add_stored_version(d, obj);
    return 0;
}
