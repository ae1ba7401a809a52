/* SPDX-License-Identifier: Apache-2.0 */
/* The definitions of a kind and of its list kind, from the document that defines the type. */
#include "apiserver/openapi_priv.h"

#include "base/json.h"

#define CONVENTIONS                                                                                \
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"

void openapi_list_name(struct buf *b, const struct type *t, const struct type_version *v)
{
    struct str prefix = v->openapi_name;
    while (prefix.len && prefix.ptr[prefix.len - 1] != '.') {
        prefix.len--;
    }
    buf_add(b, prefix);
    if (t->list_kind.len) {
        buf_add(b, t->list_kind);
    } else {
        buf_add(b, t->kind);
        buf_addz(b, "List");
    }
}

/* The entry of the version in the definition; NULL: it has none. */
static yyjson_mut_val *find_version(const yyjson_mut_doc *doc, const struct type_version *v)
{
    struct json_iter it = json_iter(json_path(doc->root, "spec", "versions", NULL));
    while (it.container && json_next(&it)) {
        if (str_eq(json_get_str(it.val, "name"), v->name)) {
            return it.val;
        }
    }
    return NULL;
}

/* Puts x-kubernetes-selectable-fields into the object that b ends with. */
static void add_selectable_fields(struct buf *b, const yyjson_mut_val *version)
{
    struct json_iter it = json_iter(json_get(version, "selectableFields"));
    const char *sep = ",\"x-kubernetes-selectable-fields\":[";
    bool any = false;
    while (it.container && json_next(&it)) {
        struct str path = json_get_str(it.val, "jsonPath");
        if (!any) {
            b->len--; /* the brace */
        }
        any = true;
        buf_addz(b, sep);
        buf_addz(b, "{\"fieldPath\":");
        buf_add_json(b, str_starts(path, STR(".")) ? str_skip(path, 1) : path);
        buf_addc(b, '}');
        sep = ",";
    }
    buf_addz(b, any ? "]}" : "");
}

static void write_member_name(struct buf *b, struct str name)
{
    buf_add_json(b, name);
    buf_addc(b, ':');
}

static void write_list(struct buf *b, enum openapi_form form, const struct type *t,
                       const struct type_version *v)
{
    const char *refs = openapi_ref_prefix(form);
    struct str list_kind = t->list_kind;
    buf_printf(b, "{\"description\":\"%.*s is a list of %.*s\",\"type\":\"object\",",
               STR_FMT(list_kind), STR_FMT(t->kind));
    buf_printf(b,
               "\"required\":[\"items\"],\"properties\":{\"apiVersion\":{\"description\":"
               "\"APIVersion defines the versioned schema of this representation of an object. "
               "Servers should convert recognized schemas to the latest internal value, and may "
               "reject unrecognized values. More info: " CONVENTIONS
               "#resources\",\"type\":\"string\"},\"items\":{\"description\":\"List of %.*s. More "
               "info: " CONVENTIONS "\",\"type\":\"array\",\"items\":{\"$ref\":\"%s%.*s\"}},",
               STR_FMT(t->resource), refs, STR_FMT(v->openapi_name));
    buf_printf(b,
               "\"kind\":{\"description\":\"Kind is a string value representing the REST resource "
               "this object represents. Servers may infer this from the endpoint the client "
               "submits requests to. Cannot be updated. In CamelCase. More info: " CONVENTIONS
               "#types-kinds\",\"type\":\"string\"},\"metadata\":{\"description\":\"Standard list "
               "metadata. More info: " CONVENTIONS "#types-kinds\",\"$ref\":\"%s" OPENAPI_META
               "ListMeta\"}},",
               refs);
    buf_printf(b,
               "\"x-kubernetes-group-version-kind\":[{\"group\":\"%.*s\",\"kind\":\"%.*s\","
               "\"version\":\"%.*s\"}]}",
               STR_FMT(t->group), STR_FMT(list_kind), STR_FMT(v->name));
}

/* The reference's own types take null for nothing without saying so; OpenAPI v2 can say it only by
 * leaving the type out. The documents that come here are shipped with the server. */
static void drop_nullable(yyjson_mut_val *schema)
{
    static const char *const children[] = {"items", "additionalProperties"};
    json_remove(schema, "nullable");
    for (size_t i = 0; i < sizeof(children) / sizeof(*children); i++) {
        yyjson_mut_val *child = json_get(schema, children[i]);
        if (yyjson_mut_is_obj(child)) {
            drop_nullable(child);
        }
    }
    struct json_iter it = json_iter(json_get(schema, "properties"));
    while (it.container && json_next(&it)) {
        drop_nullable(it.val);
    }
}

void openapi_definitions_write(struct buf *b, enum openapi_form form, yyjson_mut_doc *doc,
                               const struct type *t, const struct type_version *v)
{
    yyjson_mut_val *entry = doc ? find_version(doc, v) : NULL;
    yyjson_mut_val *schema = json_path(entry, "schema", "openAPIV3Schema", NULL);
    if (schema && !t->custom) {
        drop_nullable(schema);
    }
    write_member_name(b, v->openapi_name);
    openapi_schema(b, form, schema, t->group, v->name, t->kind);
    if (entry) {
        add_selectable_fields(b, entry);
    }
    if (t->verbs & VERB_BIT(VERB_LIST) && !t->virtual_) {
        struct buf name = {0};
        openapi_list_name(&name, t, v);
        buf_addc(b, ',');
        write_member_name(b, buf_str(&name));
        buf_finish(&name);
        write_list(b, form, t, v);
        if (entry) {
            add_selectable_fields(b, entry);
        }
    }
}
