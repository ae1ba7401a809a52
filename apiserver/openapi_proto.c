/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v2 as protocol buffers: gnostic's openapi.v2.Document, which kubectl asks for. The field
 * numbers are those of its OpenAPIv2.proto. A message is written where it will stand and its length
 * put in front afterwards; what is moved for that is small. */
#include "apiserver/openapi_priv.h"

#include "base/json.h"

/* ---- the wire format ---- */

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static size_t put_varint(char *out, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) {
        out[n++] = (char)((v & 0x7f) | 0x80);
    }
    out[n++] = (char)v;
    return n;
}

static void add_varint(struct buf *b, uint64_t v)
{
    b->len += put_varint(buf_reserve(b, 10), v);
}

static void add_tag(struct buf *b, unsigned field, unsigned wire)
{
    add_varint(b, (uint64_t)field << 3 | wire);
}

static void add_text(struct buf *b, unsigned field, struct str s)
{
    add_tag(b, field, WIRE_BYTES);
    add_varint(b, s.len);
    buf_add(b, s);
}

static void add_bool(struct buf *b, unsigned field, bool v)
{
    if (v) {
        add_tag(b, field, WIRE_VARINT);
        add_varint(b, 1);
    }
}

static void add_int(struct buf *b, unsigned field, int64_t v)
{
    add_tag(b, field, WIRE_VARINT);
    add_varint(b, (uint64_t)v);
}

static void add_double(struct buf *b, unsigned field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    add_tag(b, field, WIRE_FIXED64);
    for (int i = 0; i < 8; i++) {
        buf_addc(b, (char)(bits >> (8 * i) & 0xff));
    }
}

/* Begins a message in the field; the result goes to end_message. */
static size_t begin_message(struct buf *b, unsigned field)
{
    add_tag(b, field, WIRE_BYTES);
    return b->len;
}

static void end_message(struct buf *b, size_t start)
{
    char length[10];
    size_t len = b->len - start, n = put_varint(length, len);
    buf_reserve(b, n);
    memmove(b->ptr + start + n, b->ptr + start, len);
    memcpy(b->ptr + start, length, n);
    b->len += n;
}

/* ---- values ---- */

static void add_strings(struct buf *b, unsigned field, const yyjson_mut_val *list)
{
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        add_text(b, field, json_str(it.val));
    }
}

/* Any: its YAML. JSON is YAML. */
static void add_any(struct buf *b, unsigned field, const yyjson_mut_val *v)
{
    size_t any = begin_message(b, field), yaml = begin_message(b, 2);
    json_write(b, v);
    end_message(b, yaml);
    end_message(b, any);
}

/* The members whose names begin with "x-", as NamedAny. */
static void add_extensions(struct buf *b, unsigned field, const yyjson_mut_val *obj)
{
    struct json_iter it = json_iter(obj);
    while (it.container && json_next(&it)) {
        struct str key = json_str(it.key);
        if (str_starts(key, STR("x-"))) {
            size_t named = begin_message(b, field);
            add_text(b, 1, key);
            add_any(b, 2, it.val);
            end_message(b, named);
        }
    }
}

/* ---- members by tables ---- */

enum kind { KIND_TEXT, KIND_TEXTS, KIND_BOOL, KIND_INT, KIND_DOUBLE, KIND_ANY, KIND_ANYS };

struct member {
    const char *key;
    unsigned field;
    enum kind kind;
};

static void add_member(struct buf *b, const struct member *m, yyjson_mut_val *v)
{
    struct json_iter it = {0};
    switch (m->kind) {
    case KIND_TEXT:
        add_text(b, m->field, json_str(v));
        break;
    case KIND_TEXTS:
        add_strings(b, m->field, v);
        break;
    case KIND_BOOL:
        add_bool(b, m->field, yyjson_mut_get_bool(v));
        break;
    case KIND_INT:
        add_int(b, m->field, yyjson_mut_get_sint(v));
        break;
    case KIND_DOUBLE:
        add_double(b, m->field, yyjson_mut_get_num(v));
        break;
    case KIND_ANY:
        add_any(b, m->field, v);
        break;
    case KIND_ANYS:
        it = json_iter(v);
        while (it.container && json_next(&it)) {
            add_any(b, m->field, it.val);
        }
        break;
    }
}

static void add_members(struct buf *b, const struct member *members, size_t n,
                        const yyjson_mut_val *obj)
{
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *v = json_get(obj, members[i].key);
        if (v) {
            add_member(b, &members[i], v);
        }
    }
}
#define ADD_MEMBERS(b, table, obj)                                                                 \
    add_members((b), (table), sizeof(table) / sizeof(*(table)), (obj))

/* ---- schemas ---- */

static const struct member schema_members[] = {
    {"$ref", 1, KIND_TEXT},          {"format", 2, KIND_TEXT},
    {"title", 3, KIND_TEXT},         {"description", 4, KIND_TEXT},
    {"default", 5, KIND_ANY},        {"multipleOf", 6, KIND_DOUBLE},
    {"maximum", 7, KIND_DOUBLE},     {"exclusiveMaximum", 8, KIND_BOOL},
    {"minimum", 9, KIND_DOUBLE},     {"exclusiveMinimum", 10, KIND_BOOL},
    {"maxLength", 11, KIND_INT},     {"minLength", 12, KIND_INT},
    {"pattern", 13, KIND_TEXT},      {"maxItems", 14, KIND_INT},
    {"minItems", 15, KIND_INT},      {"uniqueItems", 16, KIND_BOOL},
    {"maxProperties", 17, KIND_INT}, {"minProperties", 18, KIND_INT},
    {"required", 19, KIND_TEXTS},    {"enum", 20, KIND_ANYS},
    {"readOnly", 27, KIND_BOOL},     {"example", 30, KIND_ANY},
};

static void add_schema(struct buf *b, unsigned field, const yyjson_mut_val *schema);

/* Properties and Definitions: NamedSchema in field 1. */
static void add_named_schemas(struct buf *b, const yyjson_mut_val *map)
{
    struct json_iter it = json_iter(map);
    while (it.container && json_next(&it)) {
        size_t named = begin_message(b, 1);
        add_text(b, 1, json_str(it.key));
        add_schema(b, 2, it.val);
        end_message(b, named);
    }
}

static void add_type(struct buf *b, yyjson_mut_val *type)
{
    size_t item = begin_message(b, 22);
    if (yyjson_mut_is_arr(type)) {
        add_strings(b, 1, type);
    } else {
        add_text(b, 1, json_str(type));
    }
    end_message(b, item);
}

static void add_additional(struct buf *b, yyjson_mut_val *v)
{
    size_t item = begin_message(b, 21);
    if (yyjson_mut_is_bool(v)) {
        add_tag(b, 2, WIRE_VARINT); /* in a oneof false is said too */
        add_varint(b, yyjson_mut_get_bool(v));
    } else {
        add_schema(b, 1, v);
    }
    end_message(b, item);
}

static void add_all_of(struct buf *b, const yyjson_mut_val *list)
{
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        add_schema(b, 24, it.val);
    }
}

static void add_schema(struct buf *b, unsigned field, const yyjson_mut_val *schema)
{
    size_t start = begin_message(b, field), inner;
    yyjson_mut_val *v;
    ADD_MEMBERS(b, schema_members, schema);
    if ((v = json_get(schema, "additionalProperties"))) {
        add_additional(b, v);
    }
    if ((v = json_get(schema, "type"))) {
        add_type(b, v);
    }
    if ((v = json_get(schema, "items"))) {
        inner = begin_message(b, 23);
        add_schema(b, 1, v);
        end_message(b, inner);
    }
    add_all_of(b, json_get(schema, "allOf"));
    if ((v = json_get(schema, "properties"))) {
        inner = begin_message(b, 25);
        add_named_schemas(b, v);
        end_message(b, inner);
    }
    add_extensions(b, 31, schema);
    end_message(b, start);
}

void openapi_proto_definitions(struct buf *b, const yyjson_mut_val *definitions)
{
    size_t start = begin_message(b, 9);
    add_named_schemas(b, definitions);
    end_message(b, start);
}

/* ---- parameters ---- */

static const struct member body_members[] = {{"description", 1, KIND_TEXT},
                                             {"name", 2, KIND_TEXT},
                                             {"in", 3, KIND_TEXT},
                                             {"required", 4, KIND_BOOL}};
static const struct member query_members[] = {
    {"required", 1, KIND_BOOL}, {"in", 2, KIND_TEXT},   {"description", 3, KIND_TEXT},
    {"name", 4, KIND_TEXT},     {"type", 6, KIND_TEXT}, {"uniqueItems", 20, KIND_BOOL}};
static const struct member path_members[] = {
    {"required", 1, KIND_BOOL}, {"in", 2, KIND_TEXT},   {"description", 3, KIND_TEXT},
    {"name", 4, KIND_TEXT},     {"type", 5, KIND_TEXT}, {"uniqueItems", 19, KIND_BOOL}};

static void add_parameter(struct buf *b, unsigned field, const yyjson_mut_val *p)
{
    struct str in = json_get_str(p, "in");
    size_t start = begin_message(b, field), inner;
    if (str_is(in, "body")) {
        inner = begin_message(b, 1);
        ADD_MEMBERS(b, body_members, p);
        add_schema(b, 5, json_get(p, "schema"));
    } else {
        inner = begin_message(b, 2);
        size_t sub = begin_message(b, str_is(in, "path") ? 4 : 3);
        if (str_is(in, "path")) {
            ADD_MEMBERS(b, path_members, p);
        } else {
            ADD_MEMBERS(b, query_members, p);
        }
        end_message(b, sub);
    }
    end_message(b, inner);
    end_message(b, start);
}

/* ParametersItem, each a parameter or a reference to one. */
static void add_parameters(struct buf *b, unsigned field, const yyjson_mut_val *list)
{
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        struct str ref = json_get_str(it.val, "$ref");
        size_t item = begin_message(b, field);
        if (ref.ptr) {
            size_t reference = begin_message(b, 2);
            add_text(b, 1, ref);
            end_message(b, reference);
        } else {
            add_parameter(b, 1, it.val);
        }
        end_message(b, item);
    }
}

void openapi_proto_parameters(struct buf *b, const yyjson_mut_val *parameters)
{
    size_t start = begin_message(b, 10);
    struct json_iter it = json_iter(parameters);
    while (it.container && json_next(&it)) {
        size_t named = begin_message(b, 1);
        add_text(b, 1, json_str(it.key));
        add_parameter(b, 2, it.val);
        end_message(b, named);
    }
    end_message(b, start);
}

/* ---- paths ---- */

static const struct member operation_members[] = {{"tags", 1, KIND_TEXTS},
                                                  {"description", 3, KIND_TEXT},
                                                  {"operationId", 5, KIND_TEXT},
                                                  {"produces", 6, KIND_TEXTS},
                                                  {"consumes", 7, KIND_TEXTS}};

static void add_response(struct buf *b, struct str code, const yyjson_mut_val *response)
{
    yyjson_mut_val *schema = json_get(response, "schema");
    size_t named = begin_message(b, 1);
    add_text(b, 1, code);
    size_t value = begin_message(b, 2), inner = begin_message(b, 1);
    add_text(b, 1, json_get_str(response, "description"));
    if (schema) {
        size_t item = begin_message(b, 2);
        add_schema(b, 1, schema);
        end_message(b, item);
    }
    end_message(b, inner);
    end_message(b, value);
    end_message(b, named);
}

static void add_operation(struct buf *b, unsigned field, const yyjson_mut_val *o)
{
    size_t start = begin_message(b, field);
    ADD_MEMBERS(b, operation_members, o);
    add_parameters(b, 8, json_get(o, "parameters"));
    size_t responses = begin_message(b, 9);
    struct json_iter it = json_iter(json_get(o, "responses"));
    while (it.container && json_next(&it)) {
        add_response(b, json_str(it.key), it.val);
    }
    end_message(b, responses);
    add_extensions(b, 13, o);
    end_message(b, start);
}

static void add_path_item(struct buf *b, const yyjson_mut_val *item)
{
    static const struct {
        const char *key;
        unsigned field;
    } methods[] = {{"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        yyjson_mut_val *o = json_get(item, methods[i].key);
        if (o) {
            add_operation(b, methods[i].field, o);
        }
    }
    add_parameters(b, 9, json_get(item, "parameters"));
    add_extensions(b, 10, item);
}

void openapi_proto_paths(struct buf *b, const yyjson_mut_val *paths)
{
    size_t start = begin_message(b, 8);
    struct json_iter it = json_iter(paths);
    while (it.container && json_next(&it)) {
        size_t named = begin_message(b, 2);
        add_text(b, 1, json_str(it.key));
        size_t item = begin_message(b, 2);
        add_path_item(b, it.val);
        end_message(b, item);
        end_message(b, named);
    }
    end_message(b, start);
}

/* ---- the document's head ---- */

static const struct member info_members[] = {{"title", 1, KIND_TEXT}, {"version", 2, KIND_TEXT}};

void openapi_proto_info(struct buf *b, const yyjson_mut_val *info)
{
    add_text(b, 1, STR("2.0"));
    size_t start = begin_message(b, 2);
    ADD_MEMBERS(b, info_members, info);
    end_message(b, start);
}

void openapi_proto_security(struct buf *b, const char *description)
{
    size_t start = begin_message(b, 13), named = begin_message(b, 1);
    add_text(b, 1, STR("BearerToken"));
    size_t item = begin_message(b, 2), key = begin_message(b, 2);
    add_text(b, 1, STR("apiKey"));
    add_text(b, 2, STR("authorization"));
    add_text(b, 3, STR("header"));
    add_text(b, 4, str_from(description));
    end_message(b, key);
    end_message(b, item);
    end_message(b, named);
    end_message(b, start);
    start = begin_message(b, 12);
    named = begin_message(b, 1);
    add_text(b, 1, STR("BearerToken"));
    end_message(b, begin_message(b, 2));
    end_message(b, named);
    end_message(b, start);
}
