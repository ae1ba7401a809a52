/* SPDX-License-Identifier: Apache-2.0 */
/* Field errors being gathered. The words are those of the reference's field.Error, which clients
 * compare. */
#include "base/causes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/json_priv.h"
#include "base/limits.h"
#include "base/quote.h"

/* What field.ErrorType calls each type, and whether the offending value belongs in the text. */
static const struct {
    const char *reason, *words;
    bool with_value;
} types[] = {
    [CAUSE_REQUIRED] = {"FieldValueRequired", "Required value", false},
    [CAUSE_INVALID] = {"FieldValueInvalid", "Invalid value", true},
    [CAUSE_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value", true},
    [CAUSE_NOT_FOUND] = {"FieldValueNotFound", "Not found", true},
    [CAUSE_NOT_SUPPORTED] = {"FieldValueNotSupported", "Unsupported value", true},
    [CAUSE_FORBIDDEN] = {"FieldValueForbidden", "Forbidden", false},
    [CAUSE_TOO_LONG] = {"FieldValueTooLong", "Too long", false},
    [CAUSE_TOO_MANY] = {"FieldValueTooMany", "Too many", true},
    [CAUSE_TYPE_INVALID] = {"FieldValueTypeInvalid", "Invalid value", true},
    [CAUSE_INTERNAL] = {"InternalError", "Internal error", false},
};

void causes_init(struct causes *c, struct arena *a)
{
    *c = (struct causes){.arena = a};
}

static void put_path(struct buf *b, const struct path *p)
{
    if (!p) {
        return;
    }
    put_path(b, p->parent);
    if (p->index >= 0) {
        buf_printf(b, "[%ld]", p->index);
    } else if (p->keyed) {
        buf_addc(b, '[');
        buf_add(b, p->name);
        buf_addc(b, ']');
    } else {
        if (p->parent) {
            buf_addc(b, '.');
        }
        buf_add(b, p->name);
    }
}

struct str path_text(const struct path *p, struct arena *a)
{
    AUTO(buf_finish) struct buf b = {0};
    put_path(&b, p);
    return b.len ? arena_str(a, buf_str(&b)) : STR("");
}

static void put_value(struct buf *b, const yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type(json_unconst(v))) {
    case YYJSON_TYPE_STR:
        quote_go(b, json_str(v));
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_mut_is_real(json_unconst(v))) {
            json_write_g(b, v->uni.f64);
        } else {
            json_write(b, v);
        }
        break;
    case YYJSON_TYPE_OBJ:
    case YYJSON_TYPE_ARR:
        quote_go_json(b, v);
        break;
    default:
        json_write(b, v);
    }
}

/* Whether nothing more is kept; counts what is left out, which is not even put into words. */
static bool is_full(struct causes *c)
{
    bool full = c->n >= (c->max ? c->max : LIMIT_CAUSES) || c->bytes > LIMIT_CAUSES_BYTES;
    c->dropped += full;
    return full;
}

/* Takes what was put together in *b; detail may be NULL. */
static void add(struct causes *c, enum cause_type type, const struct path *at, struct buf *b,
                const char *detail, va_list ap) __attribute__((format(printf, 5, 0)));
static void add(struct causes *c, enum cause_type type, const struct path *at, struct buf *b,
                const char *detail, va_list ap)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 4;
        struct cause_item *items = arena_alloc(c->arena, cap * sizeof(*items));
        if (c->n) {
            memcpy(items, c->items, c->n * sizeof(*items));
        }
        c->items = items;
        c->cap = cap;
    }
    const char *more = detail ? arena_vprintf(c->arena, detail, ap) : "";
    if (*more) {
        buf_addz(b, ": ");
        buf_addz(b, more);
    }
    struct cause_item *item = &c->items[c->n++];
    *item = (struct cause_item){
        .type = type,
        .field = at ? path_text(at, c->arena) : STR("<nil>"),
        .message = arena_str(c->arena, buf_str(b)),
    };
    c->bytes += item->field.len + item->message.len;
}

void causes_add(struct causes *c, enum cause_type type, const struct path *at,
                yyjson_mut_val *value, const char *detail, ...)
{
    AUTO(buf_finish) struct buf b = {0};
    if (is_full(c)) {
        return;
    }
    buf_addz(&b, types[type].words);
    if (value && types[type].with_value) {
        buf_addz(&b, ": ");
        put_value(&b, value);
    }
    va_list ap;
    va_start(ap, detail);
    add(c, type, at, &b, detail, ap);
    va_end(ap);
}

void causes_add_text(struct causes *c, enum cause_type type, const struct path *at,
                     struct str value, const char *detail, ...)
{
    AUTO(buf_finish) struct buf b = {0};
    if (is_full(c)) {
        return;
    }
    buf_addz(&b, types[type].words);
    if (value.ptr && types[type].with_value) {
        buf_addz(&b, ": ");
        buf_add(&b, value);
    }
    va_list ap;
    va_start(ap, detail);
    add(c, type, at, &b, detail, ap);
    va_end(ap);
}

void causes_add_unsupported(struct causes *c, const struct path *at, yyjson_mut_val *value,
                            const struct str *supported, size_t n)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < n; i++) {
        buf_addz(&b, i ? ", " : "supported values: ");
        quote_go(&b, supported[i]);
    }
    causes_add(c, CAUSE_NOT_SUPPORTED, at, value, "%.*s", STR_FMT(buf_str(&b)));
}

static bool seen_before(const struct causes *c, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (str_eq(c->items[i].field, c->items[j].field) &&
            str_eq(c->items[i].message, c->items[j].message)) {
            return true;
        }
    }
    return false;
}

struct str causes_text(const struct causes *c)
{
    AUTO(buf_finish) struct buf b = {0};
    size_t shown = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (seen_before(c, i)) {
            continue;
        }
        buf_addz(&b, shown++ ? ", " : "");
        buf_add(&b, c->items[i].field);
        buf_addz(&b, ": ");
        buf_add(&b, c->items[i].message);
    }
    if (c->dropped) {
        buf_printf(&b, ", and %zu more", c->dropped);
    }
    bool list = shown > 1 || c->dropped;
    return str_from(arena_printf(c->arena, list ? "[%.*s]" : "%.*s", STR_FMT(buf_str(&b))));
}

int causes_to_err(const struct causes *c, struct str group, struct str kind, struct str name,
                  struct err *err)
{
    if (!c->n) {
        return 0;
    }
    if (!err) {
        return ERR_INVALID;
    }
    AUTO(buf_finish) struct buf quoted = {0};
    quote_go(&quoted, name);
    err_set(err, ERR_INVALID, "%.*s%s%.*s %.*s is invalid: %.*s", STR_FMT(kind),
            group.len ? "." : "", STR_FMT(group), STR_FMT(buf_str(&quoted)),
            STR_FMT(causes_text(c)));
    err_about(err, group, kind, name);
    for (size_t i = 0; i < c->n; i++) {
        const struct cause_item *item = &c->items[i];
        err_cause(err, types[item->type].reason, item->field, item->message);
    }
    return ERR_INVALID;
}
