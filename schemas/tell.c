/* SPDX-License-Identifier: Apache-2.0 */
/* The words in which validation errors are told. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"
#include "schemas/validate_priv.h"

bool tell_full(const struct walk *w)
{
    return w->out && w->out->n >= (w->out->max ? w->out->max : LIMIT_CAUSES);
}

static bool item_eq(const struct cause_item *a, const struct cause_item *b)
{
    return a->type == b->type && str_eq(a->field, b->field) && str_eq(a->message, b->message);
}

void tell_once(struct causes *c)
{
    for (size_t i = 0; i + 1 < c->n; i++) {
        if (item_eq(&c->items[i], &c->items[c->n - 1])) {
            c->n--;
            return;
        }
    }
}

static void add_item(struct causes *to, const struct cause_item *item)
{
    if (to->n == to->cap) {
        size_t cap = to->cap ? to->cap * 2 : 4;
        struct cause_item *items = arena_alloc(to->arena, cap * sizeof(*items));
        if (to->n) {
            memcpy(items, to->items, to->n * sizeof(*items));
        }
        to->items = items;
        to->cap = cap;
    }
    to->items[to->n++] = *item;
    to->bytes += item->field.len + item->message.len;
    tell_once(to);
}

void tell_merge(struct causes *to, const struct causes *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (to->n >= LIMIT_CAUSES) {
            to->dropped++;
        } else {
            add_item(to, &from->items[i]);
        }
    }
    to->dropped += from->dropped;
}

struct str tell_path(const struct walk *w, const struct path *at)
{
    return w->out ? path_text(at, w->out->arena) : STR_NULL;
}

bool tell(struct walk *w, enum cause_type type, const struct path *at, struct str value,
          const char *detail, ...)
{
    if (tell_full(w)) {
        w->out->dropped++;
    } else if (w->out) {
        struct str rel = tell_path(w, at);
        va_list ap;
        va_start(ap, detail);
        char *words = arena_vprintf(w->out->arena, detail, ap);
        va_end(ap);
        causes_add_text(w->out, type, TELL_FIELD(w, rel), value, "%.*s in body %s", STR_FMT(rel),
                        words);
        tell_once(w->out);
    }
    return false;
}

bool tell_whole(struct walk *w, const char *detail, ...)
{
    if (w->out) {
        va_list ap;
        va_start(ap, detail);
        char *words = arena_vprintf(w->out->arena, detail, ap);
        va_end(ap);
        causes_add_text(w->out, CAUSE_INVALID, w->base, STR("\"\""), "%s", words);
        tell_once(w->out);
    }
    return false;
}

struct str tell_quoted(struct walk *w, struct str s)
{
    if (!w->out || tell_full(w)) {
        return STR_NULL;
    }
    AUTO(buf_finish) struct buf b = {0};
    quote_go(&b, s);
    return arena_str(w->out->arena, buf_str(&b));
}

/* With an exponent from a million on, unlike JSON. */
struct str tell_float(struct walk *w, double d)
{
    if (!w->out || tell_full(w)) {
        return STR_NULL;
    }
    int digits = 0;
    char text[32];
    do {
        snprintf(text, sizeof(text), "%.*e", digits, d);
    } while (strtod(text, NULL) != d && ++digits < 17);
    const char *e = strchr(text, 'e');
    int exponent = e ? (int)strtol(e + 1, NULL, 10) : 0;
    if (!e || exponent < -4 || exponent >= 6) {
        return str_from(arena_strdup(w->out->arena, text));
    }
    int decimals = digits > exponent ? digits - exponent : 0;
    return str_from(arena_printf(w->out->arena, "%.*f", decimals, d));
}

struct str tell_number(struct walk *w, const yyjson_mut_val *v)
{
    if (!w->out || tell_full(w)) {
        return STR_NULL;
    }
    if (yyjson_mut_is_real((yyjson_mut_val *)(uintptr_t)v)) {
        return tell_float(w, v->uni.f64);
    }
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    return arena_str(w->out->arena, buf_str(&b));
}

struct str tell_size(struct walk *w, size_t n)
{
    return w->out && !tell_full(w) ? str_from(arena_printf(w->out->arena, "%zu", n)) : STR_NULL;
}
