/* SPDX-License-Identifier: Apache-2.0 */
/* The mutable tree as JSON text, straight into a buffer, numbers as Go prints them. Not recursive:
 * any depth is fine. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_priv.h"

/* A container that is being written. */
struct level {
    const yyjson_mut_val *next; /* its next member; a key in an object */
    size_t left;
    bool object;
};

enum { LEVELS = 32 };

struct writer {
    struct buf *b;
    bool pretty;
    struct level *levels; /* `first`, or larger and of the heap */
    size_t depth, cap;
    struct level first[LEVELS];
};

static inline char *room(struct buf *b, size_t n)
{
    return b->cap - b->len >= n ? b->ptr + b->len : buf_reserve(b, n);
}

static inline void put(struct buf *b, char c)
{
    *room(b, 1) = c;
    b->len++;
}

static inline void put_lit(struct buf *b, const char *s, size_t n)
{
    memcpy(room(b, n), s, n);
    b->len += n;
}

static inline void put_string(struct buf *b, const yyjson_mut_val *v)
{
    size_t len = unsafe_yyjson_get_len(json_unconst(v));
    if ((v->tag & YYJSON_SUBTYPE_MASK) != YYJSON_SUBTYPE_NOESC) {
        buf_add_json(b, str_make(v->uni.str, len));
        return;
    }
    char *p = room(b, len + 2);
    p[0] = '"';
    memcpy(p + 1, v->uni.str, len);
    p[len + 1] = '"';
    b->len += len + 2;
}

void json_decimal_of(double d, struct json_decimal *ret)
{
    char mem[512];
    yyjson_alc alc;
    size_t len = 0;
    yyjson_mut_val v = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = d};
    yyjson_alc_pool_init(&alc, mem, sizeof(mem));
    const char *s = yyjson_mut_val_write_opts(&v, 0, &alc, &len, NULL);
    if (!s) {
        abort();
    }
    *ret = (struct json_decimal){.negative = *s == '-'};
    s += *s == '-';
    bool fraction = false;
    int exponent = 0;
    for (; *s; s++) {
        if (*s == '.') {
            fraction = true;
        } else if (*s == 'e' || *s == 'E') {
            exponent = (int)strtol(s + 1, NULL, 10);
            break;
        } else if (*s == '0' && !ret->n) {
            ret->point -= fraction;
        } else {
            if (ret->n < JSON_DIGITS) {
                ret->digits[ret->n++] = *s;
            }
            ret->point += !fraction;
        }
    }
    ret->point += exponent;
    while (ret->n && ret->digits[ret->n - 1] == '0') {
        ret->n--;
    }
    if (!ret->n) {
        ret->digits[ret->n++] = '0';
        ret->point = 1;
    }
}

void json_decimal_plain(struct buf *b, const struct json_decimal *dec)
{
    if (dec->negative) {
        put(b, '-');
    }
    if (dec->point <= 0) {
        put_lit(b, "0.", 2);
        for (int i = dec->point; i < 0; i++) {
            put(b, '0');
        }
        put_lit(b, dec->digits, (size_t)dec->n);
        return;
    }
    for (int i = 0; i < dec->point || i < dec->n; i++) {
        if (i == dec->point) {
            put(b, '.');
        }
        put(b, i < dec->n ? dec->digits[i] : '0');
    }
}

void json_decimal_exponent(struct buf *b, const struct json_decimal *dec)
{
    if (dec->negative) {
        put(b, '-');
    }
    put(b, dec->digits[0]);
    if (dec->n > 1) {
        put(b, '.');
        put_lit(b, dec->digits + 1, (size_t)dec->n - 1);
    }
    int e = dec->point - 1;
    buf_printf(b, "e%c%02d", e < 0 ? '-' : '+', abs(e));
}

void json_write_double(struct buf *b, double d)
{
    if (!isfinite(d)) {
        put_lit(b, "null", 4); /* JSON has no such number, and no reader lets one in */
        return;
    }
    struct json_decimal dec;
    json_decimal_of(d, &dec);
    double magnitude = fabs(d);
    if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) {
        json_decimal_plain(b, &dec);
        return;
    }
    json_decimal_exponent(b, &dec);
    char *end = b->ptr + b->len;
    if (end[-2] == '0' && end[-3] == '-') { /* encoding/json: e-09 is e-9 */
        end[-2] = end[-1];
        b->len--;
    }
}

void json_write_g(struct buf *b, double d)
{
    if (!isfinite(d)) {
        buf_addz(b, isnan(d) ? "NaN" : d < 0 ? "-Inf" : "+Inf");
        return;
    }
    struct json_decimal dec;
    json_decimal_of(d, &dec);
    int exponent = dec.point - 1;
    if (exponent < -4 || exponent >= 6) {
        json_decimal_exponent(b, &dec);
    } else {
        json_decimal_plain(b, &dec);
    }
}

static void put_number(struct buf *b, const yyjson_mut_val *v)
{
    unsigned subtype = v->tag & YYJSON_SUBTYPE_MASK;
    if (subtype == YYJSON_SUBTYPE_REAL) {
        json_write_double(b, v->uni.f64);
    } else if (subtype == YYJSON_SUBTYPE_UINT && v->uni.u64 > INT64_MAX) {
        buf_printf(b, "%llu", (unsigned long long)v->uni.u64);
    } else {
        buf_addi(b, v->uni.i64);
    }
}

static void put_leaf(struct buf *b, const yyjson_mut_val *v)
{
    switch (v->tag & YYJSON_TYPE_MASK) {
    case YYJSON_TYPE_STR:
        put_string(b, v);
        break;
    case YYJSON_TYPE_NUM:
        put_number(b, v);
        break;
    case YYJSON_TYPE_BOOL:
        if ((v->tag & YYJSON_SUBTYPE_MASK) == YYJSON_SUBTYPE_TRUE) {
            put_lit(b, "true", 4);
        } else {
            put_lit(b, "false", 5);
        }
        break;
    case YYJSON_TYPE_ARR:
        put_lit(b, "[]", 2);
        break;
    case YYJSON_TYPE_OBJ:
        put_lit(b, "{}", 2);
        break;
    default:
        put_lit(b, "null", 4);
    }
}

static void push(struct writer *w, const yyjson_mut_val *v)
{
    if (w->depth == w->cap) {
        struct level *grown = alloc_bytes(w->cap * 2 * sizeof(*grown));
        memcpy(grown, w->levels, w->depth * sizeof(*grown));
        if (w->levels != w->first) {
            free(w->levels);
        }
        w->levels = grown;
        w->cap *= 2;
    }
    bool object = (v->tag & YYJSON_TYPE_MASK) == YYJSON_TYPE_OBJ;
    const yyjson_mut_val *last = v->uni.ptr;
    w->levels[w->depth++] = (struct level){
        .next = object ? last->next->next : last->next,
        .left = unsafe_yyjson_get_len(json_unconst(v)),
        .object = object,
    };
}

static void new_line(struct writer *w)
{
    if (w->pretty) {
        char *p = room(w->b, w->depth * 2 + 1);
        *p = '\n';
        memset(p + 1, ' ', w->depth * 2);
        w->b->len += w->depth * 2 + 1;
    }
}

/* Writes up to the next value and returns it; NULL at the end. */
static const yyjson_mut_val *advance(struct writer *w, bool first)
{
    struct buf *b = w->b;
    while (w->depth && !w->levels[w->depth - 1].left) {
        bool object = w->levels[--w->depth].object;
        new_line(w);
        put(b, object ? '}' : ']');
        first = false;
    }
    if (!w->depth) {
        return NULL;
    }
    struct level *l = &w->levels[w->depth - 1];
    if (!first) {
        put(b, ',');
    }
    new_line(w);
    const yyjson_mut_val *v = l->next;
    if (l->object) {
        put_string(b, v);
        put(b, ':');
        if (w->pretty) {
            put(b, ' ');
        }
        v = v->next;
    }
    l->next = v->next;
    l->left--;
    return v;
}

static void write_tree(struct buf *b, const yyjson_mut_val *v, bool pretty)
{
    struct writer w;
    w.b = b;
    w.pretty = pretty;
    w.levels = w.first;
    w.depth = 0;
    w.cap = LEVELS;
    while (v) {
        bool open = unsafe_yyjson_is_ctn(json_unconst(v)) && unsafe_yyjson_get_len(json_unconst(v));
        if (open) {
            put(b, (v->tag & YYJSON_TYPE_MASK) == YYJSON_TYPE_OBJ ? '{' : '[');
            push(&w, v);
        } else {
            put_leaf(b, v);
        }
        v = advance(&w, open);
    }
    if (w.levels != w.first) {
        free(w.levels);
    }
}

void json_write(struct buf *b, const yyjson_mut_val *v)
{
    write_tree(b, v, false);
}

void json_write_member(struct buf *b, struct str key, const yyjson_mut_val *v)
{
    if (b->len) {
        buf_addc(b, ',');
    }
    buf_add_json(b, key);
    buf_addc(b, ':');
    json_write(b, v);
}

void json_write_pretty(struct buf *b, const yyjson_mut_val *v)
{
    write_tree(b, v, true);
}
