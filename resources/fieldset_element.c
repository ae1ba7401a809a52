/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of field paths: their order, their names in messages and their text in FieldsV1. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"
#include "resources/fieldset_priv.h"

enum { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN, RANK_LIST, RANK_MAP, RANK_NULL };

static int rank_of(const yyjson_mut_val *v)
{
    switch (unsafe_yyjson_get_type(json_mut(v))) {
    case YYJSON_TYPE_NUM:
        return RANK_NUMBER;
    case YYJSON_TYPE_STR:
        return RANK_STRING;
    case YYJSON_TYPE_BOOL:
        return RANK_BOOLEAN;
    case YYJSON_TYPE_ARR:
        return RANK_LIST;
    case YYJSON_TYPE_OBJ:
        return RANK_MAP;
    default:
        return RANK_NULL;
    }
}

/* Integers with one another exactly, any other two as doubles. */
static int compare_numbers(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    yyjson_mut_val *x = json_mut(a), *y = json_mut(b);
    if (unsafe_yyjson_is_real(x) || unsafe_yyjson_is_real(y)) {
        double p = unsafe_yyjson_get_num(x), q = unsafe_yyjson_get_num(y);
        return (p > q) - (p < q);
    }
    bool below = unsafe_yyjson_is_sint(x) && x->uni.i64 < 0;
    bool under = unsafe_yyjson_is_sint(y) && y->uni.i64 < 0;
    if (below != under) {
        return below ? -1 : 1;
    }
    return (x->uni.u64 > y->uni.u64) - (x->uni.u64 < y->uni.u64);
}

static int compare_lists(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    for (;;) {
        bool more = json_next(&x), other = json_next(&y);
        if (!more || !other) {
            return more - other;
        }
        int r = fieldset_compare_values(x.val, y.val);
        if (r) {
            return r;
        }
    }
}

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(json_str(*(yyjson_mut_val *const *)a), json_str(*(yyjson_mut_val *const *)b));
}

static yyjson_mut_val **sorted_keys(const yyjson_mut_val *obj)
{
    size_t n = json_size(obj), i = 0;
    yyjson_mut_val **keys = alloc_bytes(n * sizeof(yyjson_mut_val *));
    for (struct json_iter it = json_iter(obj); json_next(&it);) {
        keys[i++] = it.key;
    }
    qsort(keys, n, sizeof(yyjson_mut_val *), compare_keys);
    return keys;
}

/* By the names of both in order: who has the first name that the other has not is the larger,
 * unless one of them is at its end. */
static int compare_maps(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    size_t n = json_size(a), m = json_size(b), step = 0;
    AUTO_FREE yyjson_mut_val **x = sorted_keys(a);
    AUTO_FREE yyjson_mut_val **y = sorted_keys(b);
    for (size_t i = 0, j = 0; i < n || j < m; step++) {
        int r = i == n ? 1 : j == m ? -1 : str_cmp(json_str(x[i]), json_str(y[j]));
        if (step == n || step == m) {
            return step == n ? -1 : 1;
        }
        if (r) {
            return r < 0 ? -1 : 1;
        }
        r = fieldset_compare_values(x[i++]->next, y[j++]->next);
        if (r) {
            return r;
        }
    }
    return 0;
}

int fieldset_compare_values(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    int x = rank_of(a), y = rank_of(b);
    if (x != y) {
        return x < y ? -1 : 1;
    }
    switch (x) {
    case RANK_NUMBER:
        return compare_numbers(a, b);
    case RANK_STRING:
        return str_cmp(json_str(a), json_str(b));
    case RANK_BOOLEAN:
        return yyjson_mut_get_bool(json_mut(a)) - yyjson_mut_get_bool(json_mut(b));
    case RANK_LIST:
        return compare_lists(a, b);
    case RANK_MAP:
        return compare_maps(a, b);
    default:
        return 0;
    }
}

bool fieldset_same_value(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    return a == b || fieldset_compare_values(a, b) == 0;
}

/* The fields of two keys, each sorted by name. */
static int compare_key_fields(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    for (;;) {
        bool more = json_next(&x), other = json_next(&y);
        if (!more || !other) {
            return more - other;
        }
        int r = str_cmp(json_str(x.key), json_str(y.key));
        r = r ? r : fieldset_compare_values(x.val, y.val);
        if (r) {
            return r;
        }
    }
}

int element_compare(const struct element *a, const struct element *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    switch (a->kind) {
    case ELEMENT_FIELD:
        return a->name.ptr == b->name.ptr && a->name.len == b->name.len ? 0
                                                                        : str_cmp(a->name, b->name);
    case ELEMENT_KEY:
        return a->value == b->value ? 0 : compare_key_fields(a->value, b->value);
    case ELEMENT_VALUE:
        return a->value == b->value ? 0 : fieldset_compare_values(a->value, b->value);
    default:
        return (a->index > b->index) - (a->index < b->index);
    }
}

/* ---- in messages ---- */

static void put_value(struct buf *b, const yyjson_mut_val *v)
{
    bool list = json_is_arr(v);
    switch (rank_of(v)) {
    case RANK_NUMBER:
        if (unsafe_yyjson_is_real(json_mut(v))) {
            json_write_g(b, v->uni.f64);
        } else {
            json_write(b, v);
        }
        break;
    case RANK_STRING:
        quote_go(b, json_str(v));
        break;
    case RANK_LIST:
    case RANK_MAP:
        buf_addz(b, list ? "[" : "");
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            if (list) {
                buf_addz(b, it.index ? "," : "");
            } else {
                buf_add(b, json_str(it.key));
                buf_addc(b, '=');
            }
            put_value(b, it.val);
        }
        buf_addz(b, list ? "]" : "");
        break;
    default:
        json_write(b, v);
    }
}

void element_text(struct buf *b, const struct element *e)
{
    switch (e->kind) {
    case ELEMENT_FIELD:
        buf_addc(b, '.');
        buf_add(b, e->name);
        break;
    case ELEMENT_KEY:
        buf_addc(b, '[');
        for (struct json_iter it = json_iter(e->value); json_next(&it);) {
            buf_addz(b, it.index ? "," : "");
            buf_add(b, json_str(it.key));
            buf_addc(b, '=');
            put_value(b, it.val);
        }
        buf_addc(b, ']');
        break;
    case ELEMENT_VALUE:
        buf_addz(b, "[=");
        put_value(b, e->value);
        buf_addc(b, ']');
        break;
    case ELEMENT_INDEX:
        buf_addc(b, '[');
        buf_addi(b, e->index);
        buf_addc(b, ']');
        break;
    }
}

/* ---- in FieldsV1 ---- */

void element_write(struct buf *b, const struct element *e)
{
    switch (e->kind) {
    case ELEMENT_FIELD:
        buf_addz(b, "f:");
        buf_add(b, e->name);
        break;
    case ELEMENT_KEY:
        buf_addz(b, "k:{");
        for (struct json_iter it = json_iter(e->value); json_next(&it);) {
            buf_addz(b, it.index ? "," : "");
            buf_add_json(b, json_str(it.key));
            buf_addc(b, ':');
            quote_go_json(b, it.val);
        }
        buf_addc(b, '}');
        break;
    case ELEMENT_VALUE:
        buf_addz(b, "v:");
        quote_go_json(b, e->value);
        break;
    case ELEMENT_INDEX:
        buf_addz(b, "i:");
        buf_addi(b, e->index);
        break;
    }
}

/* Numbers in elements are doubles, as the reference reads them. */
static void make_real(yyjson_mut_val *v)
{
    if (unsafe_yyjson_is_num(v)) {
        yyjson_mut_set_real(v, unsafe_yyjson_get_num(v));
    }
    for (struct json_iter it = json_iter(v); yyjson_mut_is_ctn(v) && json_next(&it);) {
        make_real(it.val);
    }
}

struct named {
    yyjson_mut_val *key;
    size_t order;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int r = str_cmp(json_str(x->key), json_str(y->key));
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* Puts the members of an object into the order of their names; one name twice stays twice. */
static void sort_members(yyjson_mut_val *obj)
{
    size_t n = json_size(obj), i = 0;
    if (n < 2) {
        return;
    }
    AUTO_FREE struct named *all = alloc_bytes(n * sizeof(*all));
    bool sorted = true;
    for (struct json_iter it = json_iter(obj); json_next(&it); i++) {
        all[i] = (struct named){it.key, i};
        sorted = sorted && (!i || compare_named(&all[i - 1], &all[i]) < 0);
    }
    if (sorted) {
        return;
    }
    qsort(all, n, sizeof(*all), compare_named);
    for (i = 0; i < n; i++) {
        all[i].key->next->next = all[(i + 1) % n].key;
    }
    obj->uni.ptr = all[n - 1].key;
}

/* The JSON of a key or a value as a tree in the arena. */
static yyjson_mut_val *read_json(struct arena *a, struct str text, const char **ret_why)
{
    yyjson_read_err why = {0};
    char *p = (char *)(uintptr_t)(text.len ? text.ptr : ""); /* not written to without INSITU */
    yyjson_doc *doc = yyjson_read_opts(p, text.len, YYJSON_READ_NOFLAG, arena_alc(a), &why);
    if (!doc) {
        *ret_why = why.msg;
        return NULL;
    }
    yyjson_mut_doc *d = yyjson_doc_mut_copy(doc, arena_alc(a));
    if (!json_depth_ok(d->root)) {
        *ret_why = "nested too deep";
        return NULL;
    }
    make_real(d->root);
    return d->root;
}

/* ---- the plain forms that nearly all have: no escapes, no spaces ---- */

static bool plain_string(struct str *rest, yyjson_mut_val *v)
{
    if (rest->len < 2 || rest->ptr[0] != '"') {
        return false;
    }
    for (size_t i = 1; i < rest->len; i++) {
        unsigned char c = (unsigned char)rest->ptr[i];
        if (c == '"') {
            yyjson_mut_set_strn(v, rest->ptr + 1, i - 1);
            *rest = str_skip(*rest, i + 1);
            return true;
        }
        if (c == '\\' || c < 0x20) {
            return false;
        }
    }
    return false;
}

static bool plain_value(struct str *rest, yyjson_mut_val *v)
{
    size_t i = 0;
    double number = 0;
    for (; i < rest->len && i < 15 && rest->ptr[i] >= '0' && rest->ptr[i] <= '9'; i++) {
        number = number * 10 + (rest->ptr[i] - '0');
    }
    if (!i || (rest->ptr[0] == '0' && i > 1)) {
        return !i && plain_string(rest, v);
    }
    if (i < rest->len && rest->ptr[i] != ',' && rest->ptr[i] != '}') {
        return false;
    }
    yyjson_mut_set_real(v, number);
    *rest = str_skip(*rest, i);
    return true;
}

static bool plain_char(struct str *rest, char c)
{
    bool is = rest->len && rest->ptr[0] == c;
    *rest = str_skip(*rest, is);
    return is;
}

/* NULL: not plain, or no JSON at all. */
static yyjson_mut_val *read_plain(struct arena *a, struct str text)
{
    yyjson_mut_val *v = arena_zero(a, sizeof(*v)), *last = NULL;
    if (!plain_char(&text, '{')) {
        return plain_value(&text, v) && !text.len ? v : NULL;
    }
    size_t n = 0;
    do {
        yyjson_mut_val *pair = arena_zero(a, 2 * sizeof(*pair));
        if (!plain_string(&text, &pair[0]) || !plain_char(&text, ':') ||
            !plain_value(&text, &pair[1])) {
            return NULL;
        }
        pair[0].next = &pair[1];
        pair[1].next = last ? last->next->next : &pair[0];
        if (last) {
            last->next->next = &pair[0];
        }
        last = &pair[0];
        n++;
    } while (plain_char(&text, ','));
    if (!plain_char(&text, '}') || text.len) {
        return NULL;
    }
    v->tag = (uint64_t)n << YYJSON_TAG_BIT | YYJSON_TYPE_OBJ;
    v->uni.ptr = last;
    return v;
}

static int read_value(struct arena *a, struct str text, struct element *e, struct err *err)
{
    const char *why = NULL;
    yyjson_mut_val *v = read_plain(a, text);
    v = v ? v : read_json(a, text, &why);
    if (!v) {
        return err_set(err, ERR_BAD_REQUEST, "parsing key as path element: %s", why);
    }
    if (e->kind == ELEMENT_KEY) {
        if (yyjson_mut_is_null(v)) {
            yyjson_mut_set_obj(v); /* as the reference takes it */
            v->uni.ptr = NULL;
        }
        if (!json_is_obj(v)) {
            return err_set(err, ERR_BAD_REQUEST,
                           "parsing key as path element: expect { or n, but found %.*s",
                           text.len ? 1 : 0, text.ptr);
        }
        sort_members(v);
    }
    e->value = v;
    return 1;
}

/* As Go's Atoi. */
static int read_index(struct str text, struct element *e, struct err *err)
{
    bool negative = text.len && text.ptr[0] == '-';
    struct str digits = str_skip(text, negative || (text.len && text.ptr[0] == '+'));
    uint64_t n = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    const char *why = digits.len ? NULL : "invalid syntax";
    for (size_t i = 0; i < digits.len && !why; i++) {
        unsigned d = (unsigned char)digits.ptr[i] - '0';
        if (d > 9) {
            why = "invalid syntax";
        } else if (n > (most - d) / 10) {
            why = "value out of range";
        } else {
            n = n * 10 + d;
        }
    }
    if (why) {
        AUTO(buf_finish) struct buf b = {0};
        quote_go(&b, text);
        return err_set(err, ERR_BAD_REQUEST,
                       "parsing key as path element: strconv.Atoi: parsing %.*s: %s",
                       STR_FMT(buf_str(&b)), why);
    }
    e->index = negative ? (int64_t)-n : (int64_t)n;
    return 1;
}

int element_read(struct arena *a, struct str text, struct element *ret, struct err *err)
{
    if (text.len < 2) {
        return err_set(err, ERR_BAD_REQUEST,
                       "parsing key as path element: key must be 2 characters long:");
    }
    if (text.ptr[1] != ':') {
        return err_set(err, ERR_BAD_REQUEST, "parsing key as path element: missing colon: %.*s",
                       STR_FMT(text));
    }
    struct str rest = str_skip(text, 2);
    *ret = (struct element){0};
    switch (text.ptr[0]) {
    case 'f':
        ret->name = rest;
        return 1;
    case 'k':
        ret->kind = ELEMENT_KEY;
        return read_value(a, rest, ret, err);
    case 'v':
        ret->kind = ELEMENT_VALUE;
        return read_value(a, rest, ret, err);
    case 'i':
        ret->kind = ELEMENT_INDEX;
        return read_index(rest, ret, err);
    default:
        return 0;
    }
}
