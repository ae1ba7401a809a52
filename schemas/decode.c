/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding as the reference's Go types do it, for the types of the system: a value of another type
 * is refused in encoding/json's words, nulls vanish, times and quantities take their canonical
 * form. */
#include <ctype.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "schemas/quantity.h"
#include "schemas/schema_priv.h"
#include "schemas/timestamp.h"

struct decode {
    yyjson_mut_doc *d; /* NULL: only look */
    struct buf *why;
};

/* Where a value stands: the innermost Go struct and the fields from the root. */
struct place {
    struct str owner;        /* name of the innermost struct, without its package */
    const struct path *path; /* NULL: the root */
    struct str name;         /* what a struct here is called if nothing better is known */
};

static bool decode(struct decode *c, const struct schema_node *n, yyjson_mut_val *v,
                   const struct place *at);

/* ---- messages ---- */

static void put_name(struct buf *b, struct str name, struct str owner)
{
    if (str_is(name, "spec") || str_is(name, "status")) {
        buf_add(b, owner); /* LeaseSpec */
    }
    if (name.len) {
        buf_addc(b, (char)toupper((unsigned char)name.ptr[0]));
        buf_add(b, str_skip(name, 1));
    }
}

static void put_type(struct buf *b, const struct schema_node *n, const struct place *at)
{
    if (n->builtin && n->builtin->go_type.len) {
        buf_add(b, n->builtin->go_type);
        return;
    }
    switch (n->kind) {
    case KIND_STRING:
        buf_addz(b, n->format == FORMAT_BYTE ? "[]uint8" : "string");
        break;
    case KIND_INTEGER:
        buf_addz(b, n->format == FORMAT_INT32 ? "int32" : "int64");
        break;
    case KIND_NUMBER:
        buf_addz(b, "float64");
        break;
    case KIND_BOOLEAN:
        buf_addz(b, "bool");
        break;
    case KIND_ARRAY:
        buf_addz(b, "[]");
        if (n->items) {
            put_type(b, n->items, at);
        }
        break;
    default:
        if (n->additional) {
            buf_addz(b, "map[string]");
            put_type(b, n->additional, at);
        } else {
            buf_addz(b, "v1.");
            put_name(b, at->name, at->owner);
        }
    }
}

static void put_path(struct buf *b, const struct path *p)
{
    if (p) {
        put_path(b, p->parent);
        if (p->index < 0 && !p->keyed) {
            buf_addc(b, '.');
            buf_add(b, p->name);
        }
    }
}

static bool refuse(struct decode *c, const struct schema_node *n, const yyjson_mut_val *v,
                   const struct place *at)
{
    static const char *const words[] = {[YYJSON_TYPE_BOOL] = "bool",
                                        [YYJSON_TYPE_NUM] = "number",
                                        [YYJSON_TYPE_STR] = "string",
                                        [YYJSON_TYPE_ARR] = "array",
                                        [YYJSON_TYPE_OBJ] = "object"};
    unsigned type = unsafe_yyjson_get_type((void *)(uintptr_t)v);
    buf_printf(c->why, "json: cannot unmarshal %s", words[type]);
    if (type == YYJSON_TYPE_NUM && n->kind == KIND_INTEGER) {
        buf_addc(c->why, ' ');
        json_write(c->why, v);
    }
    buf_addz(c->why, at->path ? " into Go struct field " : " into Go value");
    if (at->path) {
        buf_add(c->why, at->owner);
        put_path(c->why, at->path);
    }
    buf_addz(c->why, " of type ");
    put_type(c->why, n, at);
    return false;
}

/* ---- texts that are more than texts ---- */

static void set_text(struct decode *c, yyjson_mut_val *v, struct str s)
{
    if (c->d && !(yyjson_mut_is_str(v) && str_eq(val_str(v), s))) {
        json_assign(v, yyjson_mut_strncpy(c->d, s.ptr, s.len));
    }
}

static bool decode_time(struct decode *c, const struct schema_node *n, yyjson_mut_val *v)
{
    enum timestamp_layout layout =
        n->format == FORMAT_MICRO_TIME ? TIMESTAMP_MICRO : TIMESTAMP_TIME;
    struct timestamp t;
    AUTO(buf_finish) struct buf text = {0};
    if (!timestamp_parse(val_str(v), layout, &t, c->why)) {
        return false;
    }
    timestamp_write(&text, t, layout);
    set_text(c, v, buf_str(&text));
    return true;
}

static int base64_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static size_t skip_newlines(struct str s, size_t i)
{
    while (i < s.len && (s.ptr[i] == '\n' || s.ptr[i] == '\r')) {
        i++;
    }
    return i;
}

/* What follows the first '=' at i of a group of `have` characters; *ret_bad: where it is wrong. */
static bool base64_end(struct str s, size_t i, size_t have, size_t *ret_bad)
{
    *ret_bad = i;
    if (have < 2) {
        return false;
    }
    size_t next = i + 1;
    if (have == 2) {
        next = skip_newlines(s, next);
        if (next == s.len) {
            *ret_bad = s.len;
            return false;
        }
        if (s.ptr[next] != '=') {
            *ret_bad = next - 1;
            return false;
        }
        next++;
    }
    *ret_bad = skip_newlines(s, next);
    return *ret_bad == s.len;
}

/* Go's base64.StdEncoding; *ret_clean: without line breaks and stray bits. */
static bool base64_decode(struct str s, struct buf *ret_clean, size_t *ret_bad)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t have = 0, start = 0;
    for (size_t i = skip_newlines(s, 0); i < s.len; i = skip_newlines(s, i + 1)) {
        int value = base64_value(s.ptr[i]);
        if (value < 0) {
            *ret_bad = i;
            if (s.ptr[i] != '=' || !base64_end(s, i, have, ret_bad)) {
                return false;
            }
            int last = base64_value(ret_clean->ptr[ret_clean->len - 1]) & (have == 2 ? 0x30 : 0x3c);
            ret_clean->ptr[ret_clean->len - 1] = digits[last];
            buf_addz(ret_clean, have == 2 ? "==" : "=");
            return true;
        }
        start = have ? start : i;
        have = (have + 1) % 4;
        buf_addc(ret_clean, s.ptr[i]);
    }
    *ret_bad = start;
    return have == 0;
}

static bool decode_bytes(struct decode *c, yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf clean = {0};
    size_t bad = 0;
    if (!base64_decode(val_str(v), &clean, &bad)) {
        buf_printf(c->why, "illegal base64 data at input byte %zu", bad);
        return false;
    }
    set_text(c, v, clean.len ? buf_str(&clean) : STR(""));
    return true;
}

static bool decode_quantity(struct decode *c, const struct schema_node *n, yyjson_mut_val *v,
                            const struct place *at)
{
    AUTO(buf_finish) struct buf text = {0}, canonical = {0};
    const char *why = NULL;
    if (yyjson_mut_is_num(v)) {
        json_write(&text, v);
    } else if (yyjson_mut_is_str(v)) {
        buf_add(&text, val_str(v));
    } else {
        return refuse(c, n, v, at);
    }
    if (!quantity_canonical(buf_str(&text), &canonical, &why)) {
        buf_addz(c->why, why);
        return false;
    }
    set_text(c, v, buf_str(&canonical));
    return true;
}

static bool decode_text(struct decode *c, const struct schema_node *n, yyjson_mut_val *v,
                        const struct place *at)
{
    if (!yyjson_mut_is_str(v)) {
        return refuse(c, n, v, at);
    }
    switch (n->format) {
    case FORMAT_DATE_TIME:
    case FORMAT_MICRO_TIME:
        return decode_time(c, n, v);
    case FORMAT_BYTE:
        return decode_bytes(c, v);
    default:
        return true;
    }
}

/* ---- containers ---- */

/* A null in a map or list becomes Go's zero value. */
static void zero(struct decode *c, const struct schema_node *n, yyjson_mut_val *v)
{
    if (!c->d) {
        return;
    }
    switch (n->kind) {
    case KIND_STRING:
        yyjson_mut_set_str(v, "");
        break;
    case KIND_INTEGER:
    case KIND_NUMBER:
        yyjson_mut_set_sint(v, 0);
        break;
    case KIND_BOOLEAN:
        yyjson_mut_set_bool(v, false);
        break;
    case KIND_OBJECT:
        json_assign(v, yyjson_mut_obj(c->d));
        break;
    default:
        break;
    }
}

/* A list or map without content is not stored unless its type says otherwise. */
static bool vanishes(const struct schema_node *n, const struct schema_prop *p,
                     const yyjson_mut_val *v)
{
    bool collection = n->kind == KIND_ARRAY || n->additional;
    return collection && p->required < 0 && !(n->flags & NODE_EMPTY_OK) &&
           unsafe_yyjson_get_len((void *)(uintptr_t)v) == 0;
}

static bool decode_fields(struct decode *c, const struct schema_node *n, yyjson_mut_val *v,
                          const struct place *at)
{
    AUTO(buf_finish) struct buf name = {0};
    put_type(&name, n, at);
    struct str rest, owner = str_cut(buf_str(&name), '.', &rest);
    owner = rest.ptr ? rest : owner;
    uint32_t hint = 0;
    bool root = !at->path;
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct str key = val_str(it.key);
        const struct schema_prop *p = prop_find(n, key, &hint);
        if (!p || !p->node || (root && n->flags & NODE_META && str_is(key, "metadata"))) {
            continue;
        }
        struct place child = {
            .owner = root ? at->owner : owner, .path = PATH_FIELD(at->path, key), .name = key};
        if (yyjson_mut_is_null(it.val) && p->node->kind != KIND_ANY) {
            if (c->d) {
                json_iter_remove(&it);
            }
        } else if (!decode(c, p->node, it.val, &child)) {
            return false;
        } else if (c->d && yyjson_mut_is_ctn(it.val) && vanishes(p->node, p, it.val)) {
            json_iter_remove(&it);
        }
    }
    return true;
}

static bool decode_members(struct decode *c, const struct schema_node *n, yyjson_mut_val *v,
                           const struct place *at)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (yyjson_mut_is_null(it.val)) {
            zero(c, n, it.val);
        } else if (!decode(c, n, it.val, at)) {
            return false;
        }
    }
    return true;
}

static bool decode(struct decode *c, const struct schema_node *n, yyjson_mut_val *v,
                   const struct place *at)
{
    if (n->format == FORMAT_QUANTITY) {
        return decode_quantity(c, n, v, at);
    }
    if (n->flags & NODE_INT_OR_STRING) {
        return yyjson_mut_is_str(v) || yyjson_mut_is_int(v) || refuse(c, n, v, at);
    }
    switch (n->kind) {
    case KIND_STRING:
        return decode_text(c, n, v, at);
    case KIND_INTEGER:
        return (yyjson_mut_is_int(v) && (n->format != FORMAT_INT32 ||
                                         (v->uni.i64 >= INT32_MIN && v->uni.i64 <= INT32_MAX))) ||
               refuse(c, n, v, at);
    case KIND_NUMBER:
        return yyjson_mut_is_num(v) || refuse(c, n, v, at);
    case KIND_BOOLEAN:
        return yyjson_mut_is_bool(v) || refuse(c, n, v, at);
    case KIND_ARRAY:
        return yyjson_mut_is_arr(v) ? !n->items || decode_members(c, n->items, v, at)
                                    : refuse(c, n, v, at);
    case KIND_OBJECT:
        if (!yyjson_mut_is_obj(v)) {
            return refuse(c, n, v, at);
        }
        return n->additional ? decode_members(c, n->additional, v, at) : decode_fields(c, n, v, at);
    default:
        return true;
    }
}

bool node_decodes(const struct schema_node *n, const yyjson_mut_val *v, struct str type,
                  struct buf *why)
{
    struct decode c = {.why = why};
    struct place at = {.owner = type, .name = type};
    return decode(&c, n, (yyjson_mut_val *)(uintptr_t)v, &at);
}

int schema_decode(const struct schema *s, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str kind,
                  struct err *err)
{
    AUTO(buf_finish) struct buf why = {0};
    struct decode c = {.d = d, .why = &why};
    struct place at = {.owner = kind, .name = kind};
    if (s->root->kind == KIND_ANY || decode(&c, s->root, obj, &at)) {
        return 0;
    }
    return err_set(err, ERR_BAD_REQUEST, "%.*s", STR_FMT(buf_str(&why)));
}
