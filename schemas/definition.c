/* SPDX-License-Identifier: Apache-2.0 */
/* The schema inside a definition, as the reference's JSONSchemaProps reads and writes it. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "schemas/keyword.h"
#include "schemas/schema_priv.h"

static yyjson_mut_val *writable(const yyjson_mut_val *v)
{
    return (yyjson_mut_val *)(uintptr_t)v;
}

/* ---- what may stand in a keyword ---- */

static int decode_schema(const yyjson_mut_val *v, const struct path *at, unsigned depth,
                         struct err *err);

static void put_fields(struct buf *b, const struct path *p)
{
    if (!p) {
        return;
    }
    put_fields(b, p->parent);
    if (p->index < 0 && !p->keyed) {
        buf_addz(b, b->len ? "." : "");
        buf_add(b, p->name);
    }
}

/* Says what Go would when v does not fit. */
static int refuse(const yyjson_mut_val *v, const struct path *at, const char *go_type,
                  struct err *err)
{
    static const char *const words[] = {
        [YYJSON_TYPE_NULL] = "null",  [YYJSON_TYPE_BOOL] = "bool", [YYJSON_TYPE_NUM] = "number",
        [YYJSON_TYPE_STR] = "string", [YYJSON_TYPE_ARR] = "array", [YYJSON_TYPE_OBJ] = "object"};
    AUTO(buf_finish) struct buf fields = {0};
    put_fields(&fields, at);
    return err_set(err, ERR_BAD_REQUEST,
                   "json: cannot unmarshal %s into Go struct field JSONSchemaProps.%.*s of type %s",
                   words[yyjson_mut_get_type(writable(v))], STR_FMT(buf_str(&fields)), go_type);
}

/* Each entry of a list or object of schemas, or of strings. */
static int decode_each(const yyjson_mut_val *v, bool schemas, const struct path *at, unsigned depth,
                       struct err *err)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const struct path *here = it.key ? PATH_KEY(at, val_str(it.key)) : PATH_INDEX(at, it.index);
        if (schemas) {
            int r = yyjson_mut_is_null(it.val) ? 0 : decode_schema(it.val, here, depth, err);
            if (r < 0) {
                return r;
            }
        } else if (!yyjson_mut_is_str(it.val) && !yyjson_mut_is_null(it.val)) {
            return refuse(it.val, here, "string", err);
        }
    }
    return 0;
}

static int decode_rules(const yyjson_mut_val *v, const struct path *at, struct err *err)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (!yyjson_mut_is_obj(it.val)) {
            return refuse(it.val, at, "v1.ValidationRule", err);
        }
        struct json_iter rule = json_iter(it.val);
        while (json_next(&rule)) {
            const struct keyword *k = keyword_find_rule(val_str(rule.key));
            bool text = k && k->kind == KEYWORD_STRING;
            if (k && !yyjson_mut_is_null(rule.val) &&
                !(text ? yyjson_mut_is_str(rule.val) : yyjson_mut_is_bool(rule.val))) {
                return refuse(rule.val, PATH_FIELD(at, k->name), text ? "string" : "bool", err);
            }
        }
    }
    return 0;
}

static int decode_dependencies(const yyjson_mut_val *v, const struct path *at, unsigned depth,
                               struct err *err)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        int r = yyjson_mut_is_arr(it.val)
                    ? decode_each(it.val, false, at, depth, err)
                    : decode_schema(it.val, PATH_KEY(at, val_str(it.key)), depth, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int decode_keyword(const struct keyword *k, const yyjson_mut_val *cv, const struct path *at,
                          unsigned depth, struct err *err)
{
    yyjson_mut_val *v = writable(cv);
    switch (k->kind) {
    case KEYWORD_STRING:
        return yyjson_mut_is_str(v) ? 0 : refuse(v, at, "string", err);
    case KEYWORD_BOOL:
        return yyjson_mut_is_bool(v) ? 0 : refuse(v, at, "bool", err);
    case KEYWORD_NUMBER:
        return yyjson_mut_is_num(v) ? 0 : refuse(v, at, "float64", err);
    case KEYWORD_INTEGER:
        return yyjson_mut_is_int(v) ? 0 : refuse(v, at, "int64", err);
    case KEYWORD_STRINGS:
        return yyjson_mut_is_arr(v) ? decode_each(v, false, at, depth, err)
                                    : refuse(v, at, "[]string", err);
    case KEYWORD_ANYS:
        return yyjson_mut_is_arr(v) ? 0 : refuse(v, at, "[]v1.JSON", err);
    case KEYWORD_SCHEMA:
        return decode_schema(v, at, depth, err);
    case KEYWORD_SCHEMA_OR_BOOL:
        return yyjson_mut_is_bool(v) ? 0
               : yyjson_mut_is_obj(v)
                   ? decode_schema(v, at, depth, err)
                   : err_set(err, ERR_BAD_REQUEST, "boolean or JSON schema expected");
    case KEYWORD_SCHEMA_OR_LIST:
        return yyjson_mut_is_arr(v) ? decode_each(v, true, at, depth, err)
                                    : decode_schema(v, at, depth, err);
    case KEYWORD_SCHEMAS:
        return yyjson_mut_is_arr(v) ? decode_each(v, true, at, depth, err)
                                    : refuse(v, at, "[]v1.JSONSchemaProps", err);
    case KEYWORD_SCHEMA_MAP:
        return yyjson_mut_is_obj(v) ? decode_each(v, true, at, depth, err)
                                    : refuse(v, at, "map[string]v1.JSONSchemaProps", err);
    case KEYWORD_DEPENDENCIES:
        return yyjson_mut_is_obj(v) ? decode_dependencies(v, at, depth, err)
                                    : refuse(v, at, "v1.JSONSchemaDependencies", err);
    case KEYWORD_DOCS:
        return yyjson_mut_is_obj(v) ? 0 : refuse(v, at, "v1.ExternalDocumentation", err);
    case KEYWORD_RULES:
        return yyjson_mut_is_arr(v) ? decode_rules(v, at, err)
                                    : refuse(v, at, "v1.ValidationRules", err);
    case KEYWORD_ANY:
        break;
    }
    return 0;
}

static int decode_schema(const yyjson_mut_val *v, const struct path *at, unsigned depth,
                         struct err *err)
{
    if (!yyjson_mut_is_obj(writable(v))) {
        return refuse(v, at, "v1.JSONSchemaProps", err);
    }
    if (depth > LIMIT_SCHEMA_DEPTH) {
        return err_set(err, ERR_BAD_REQUEST, "the schema is nested deeper than %d levels",
                       LIMIT_SCHEMA_DEPTH);
    }
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const struct keyword *k = keyword_find(val_str(it.key));
        int r = k && !yyjson_mut_is_null(it.val)
                    ? decode_keyword(k, it.val, PATH_FIELD(at, k->name), depth + 1, err)
                    : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int schema_decode_definition(const yyjson_mut_val *root, const struct path *at, struct err *err)
{
    return root ? decode_schema(root, at, 0, err) : 0;
}

/* ---- what is stored ---- */

static void prune_schema(yyjson_mut_val *v, const struct path *at, unsigned depth,
                         struct schema_unknown *u);

static void prune_each(yyjson_mut_val *v, const struct path *at, unsigned depth,
                       struct schema_unknown *u)
{
    struct json_iter it = json_iter(v);
    while (yyjson_mut_is_ctn(v) && json_next(&it)) {
        prune_schema(it.val, it.key ? PATH_FIELD(at, val_str(it.key)) : PATH_INDEX(at, it.index),
                     depth, u);
    }
}

/* Drops members that `find` does not know, and empty ones. */
static void prune_fields(yyjson_mut_val *v, const struct keyword *(*find)(struct str),
                         const struct path *at, struct schema_unknown *u)
{
    struct json_iter it = json_iter(yyjson_mut_is_obj(v) ? v : NULL);
    while (it.container && json_next(&it)) {
        const struct keyword *k = find(val_str(it.key));
        if (!k) {
            schema_unknown_add(u, PATH_FIELD(at, val_str(it.key)));
        }
        if (!k || keyword_is_zero(k, it.val)) {
            json_iter_remove(&it);
        }
    }
}

static const struct keyword *find_docs(struct str name)
{
    static const struct keyword docs[] = {{.name = {"description", 11}, .kind = KEYWORD_STRING},
                                          {.name = {"url", 3}, .kind = KEYWORD_STRING}};
    return str_eq(name, docs[0].name) ? &docs[0] : str_eq(name, docs[1].name) ? &docs[1] : NULL;
}

static void prune_keyword(const struct keyword *k, yyjson_mut_val *v, const struct path *at,
                          unsigned depth, struct schema_unknown *u)
{
    switch (k->kind) {
    case KEYWORD_SCHEMA:
    case KEYWORD_SCHEMA_OR_BOOL:
        prune_schema(v, at, depth, u);
        break;
    case KEYWORD_SCHEMA_OR_LIST:
        if (yyjson_mut_is_obj(v)) {
            prune_schema(v, at, depth, u);
            break;
        }
        prune_each(v, at, depth, u);
        break;
    case KEYWORD_SCHEMAS:
    case KEYWORD_SCHEMA_MAP:
    case KEYWORD_DEPENDENCIES:
        prune_each(v, at, depth, u);
        break;
    case KEYWORD_DOCS:
        prune_fields(v, find_docs, at, u);
        break;
    case KEYWORD_RULES: {
        struct json_iter it = json_iter(yyjson_mut_is_arr(v) ? v : NULL);
        while (it.container && json_next(&it)) {
            prune_fields(it.val, keyword_find_rule, PATH_INDEX(at, it.index), u);
        }
        break;
    }
    default:
        break;
    }
}

static void prune_schema(yyjson_mut_val *v, const struct path *at, unsigned depth,
                         struct schema_unknown *u)
{
    if (!yyjson_mut_is_obj(v) || depth > LIMIT_SCHEMA_DEPTH) {
        return;
    }
    prune_fields(v, keyword_find, at, u);
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const struct keyword *k = keyword_find(val_str(it.key));
        prune_keyword(k, it.val, PATH_FIELD(at, val_str(it.key)), depth + 1, u);
    }
}

void schema_prune_definition(yyjson_mut_doc *d, yyjson_mut_val *root, const struct path *at,
                             struct schema_unknown *unknown)
{
    (void)d;
    prune_schema(root, at, 0, unknown);
}
