/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers on the mutable tree. */
#include "base/json.h"

#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_priv.h"
#include "base/limits.h"

yyjson_mut_doc *json_doc(struct arena *a)
{
    return yyjson_mut_doc_new(arena_alc(a));
}

yyjson_mut_val *json_getn(const yyjson_mut_val *obj, struct str key)
{
    return yyjson_mut_obj_getn(json_unconst(obj), key.ptr, key.len);
}

yyjson_mut_val *json_get(const yyjson_mut_val *obj, const char *key)
{
    return json_getn(obj, str_from(key));
}

yyjson_mut_val *json_path(const yyjson_mut_val *v, ...)
{
    va_list ap;
    va_start(ap, v);
    for (const char *key; v && (key = va_arg(ap, const char *)) != NULL;) {
        v = json_get(v, key);
    }
    va_end(ap);
    return json_unconst(v);
}

struct str json_str(const yyjson_mut_val *v)
{
    if (!v || !unsafe_yyjson_is_str(json_unconst(v))) {
        return STR_NULL;
    }
    return str_make(v->uni.str, unsafe_yyjson_get_len(json_unconst(v)));
}

struct str json_get_str(const yyjson_mut_val *obj, const char *key)
{
    return json_str(json_get(obj, key));
}

bool json_get_bool(const yyjson_mut_val *obj, const char *key)
{
    return yyjson_mut_get_bool(json_get(obj, key));
}

int64_t json_get_int(const yyjson_mut_val *obj, const char *key, int64_t fallback)
{
    yyjson_mut_val *v = json_get(obj, key);
    if (yyjson_mut_is_sint(v) || (yyjson_mut_is_uint(v) && v->uni.u64 <= INT64_MAX)) {
        return v->uni.i64;
    }
    return fallback;
}

static bool number_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
    bool a_real = unsafe_yyjson_is_real(a), b_real = unsafe_yyjson_is_real(b);
    if (a_real && b_real) {
        return a->uni.f64 == b->uni.f64;
    }
    if (a_real || b_real) {
        return unsafe_yyjson_get_num(a) == unsafe_yyjson_get_num(b);
    }
    /* The same 64 bits mean the same unless they are the top half in one reading only. */
    bool a_negative = unsafe_yyjson_is_sint(a) && a->uni.i64 < 0;
    bool b_negative = unsafe_yyjson_is_sint(b) && b->uni.i64 < 0;
    return a_negative == b_negative && a->uni.u64 == b->uni.u64;
}

static bool text_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
    return str_eq(json_str(a), json_str(b));
}

static bool list_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
    size_t n = unsafe_yyjson_get_len(a);
    if (n != unsafe_yyjson_get_len(b)) {
        return false;
    }
    yyjson_mut_val *x = a->uni.ptr, *y = b->uni.ptr;
    for (size_t i = 0; i < n; i++) {
        x = x->next;
        y = y->next;
        if (!json_equal(x, y)) {
            return false;
        }
    }
    return true;
}

static int compare_key(const void *key, const void *item)
{
    return str_cmp(json_str(key), json_str(*(yyjson_mut_val *const *)item));
}

/* Looks up each of `left` members of one object, from x on, in b, of n members; for objects whose
 * order differs much. What is compared already is not compared again: with nested objects that
 * would double at each level. */
static bool members_equal(yyjson_mut_val *x, size_t left, yyjson_mut_val *b, size_t n)
{
    AUTO_FREE yyjson_mut_val **keys = json_sorted_keys(b);
    for (; left; left--, x = x->next->next) {
        yyjson_mut_val **y = bsearch(x, keys, n, sizeof(yyjson_mut_val *), compare_key);
        if (!y || !json_equal(x->next, (*y)->next)) {
            return false;
        }
    }
    return true;
}

/* Walks both in parallel; where b's next key is another, it is looked for from there on, round the
 * ring, as long as that costs little. */
static bool object_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
    size_t n = unsafe_yyjson_get_len(a), steps = 4 * n + 64;
    if (n != unsafe_yyjson_get_len(b)) {
        return false;
    }
    if (!n) {
        return true;
    }
    yyjson_mut_val *x = a->uni.ptr, *y = b->uni.ptr; /* the last keys */
    for (size_t i = 0; i < n; i++) {
        x = x->next->next;
        yyjson_mut_val *start = y;
        do {
            y = y->next->next;
            if (steps-- == 0) {
                return members_equal(x, n - i, b, n);
            }
        } while (!text_equal(x, y) && y != start);
        if (!text_equal(x, y) || !json_equal(x->next, y->next)) {
            return false;
        }
    }
    return true;
}

bool json_equal(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    yyjson_mut_val *x = json_unconst(a), *y = json_unconst(b);
    if (x == y) {
        return true;
    }
    if (!x || !y || unsafe_yyjson_get_type(x) != unsafe_yyjson_get_type(y)) {
        return false;
    }
    switch (unsafe_yyjson_get_type(x)) {
    case YYJSON_TYPE_OBJ:
        return object_equal(x, y);
    case YYJSON_TYPE_ARR:
        return list_equal(x, y);
    case YYJSON_TYPE_STR:
        return text_equal(x, y);
    case YYJSON_TYPE_NUM:
        return number_equal(x, y);
    default: /* null, true, false: the subtype is all there is */
        return unsafe_yyjson_get_tag(x) == unsafe_yyjson_get_tag(y);
    }
}

static bool depth_within(yyjson_mut_val *v, int left)
{
    if (!v || !unsafe_yyjson_is_ctn(v)) {
        return true;
    }
    if (!left) {
        return false;
    }
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        if (!depth_within(it.val, left - 1)) {
            return false;
        }
    }
    return true;
}

bool json_depth_ok(const yyjson_mut_val *v)
{
    return depth_within(json_unconst(v), LIMIT_DEPTH);
}

void json_set(yyjson_mut_doc *d, yyjson_mut_val *obj, struct str key, yyjson_mut_val *v)
{
    size_t n = yyjson_mut_obj_size(obj);
    yyjson_mut_val *at = n ? obj->uni.ptr : NULL;
    for (size_t i = 0; i < n; i++) {
        at = at->next->next;
        if (str_eq(json_str(at), key)) {
            v->next = at->next->next;
            at->next = v;
            return;
        }
    }
    yyjson_mut_obj_add(obj, yyjson_mut_strn(d, key.ptr, key.len), v);
}

void json_setz(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v)
{
    json_set(d, obj, str_from(key), v);
}

void json_set_str(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, struct str v)
{
    json_setz(d, obj, key, yyjson_mut_strncpy(d, v.ptr ? v.ptr : "", v.len));
}

void json_set_int(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, int64_t v)
{
    json_setz(d, obj, key, yyjson_mut_int(d, v));
}

void json_set_bool(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, bool v)
{
    json_setz(d, obj, key, yyjson_mut_bool(d, v));
}

void json_set_first(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v)
{
    json_remove(obj, key);
    yyjson_mut_obj_insert(obj, yyjson_mut_str(d, key), v, 0);
}

bool json_removen(yyjson_mut_val *obj, struct str key)
{
    return yyjson_mut_obj_remove_keyn(obj, key.ptr, key.len) != NULL;
}

bool json_remove(yyjson_mut_val *obj, const char *key)
{
    return json_removen(obj, str_from(key));
}

void json_carry(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *from, const char *key)
{
    const yyjson_mut_val *v = json_get(from, key);
    if (v) {
        json_setz(d, obj, key, json_copy(d, v));
    } else {
        json_remove(obj, key);
    }
}

yyjson_mut_val *json_ensure_obj(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key)
{
    yyjson_mut_val *v = json_get(obj, key);
    if (!yyjson_mut_is_obj(v)) {
        v = yyjson_mut_obj(d);
        json_setz(d, obj, key, v);
    }
    return v;
}

yyjson_mut_val *json_copy(yyjson_mut_doc *d, const yyjson_mut_val *v)
{
    return yyjson_mut_val_mut_copy(d, json_unconst(v));
}

void json_assign(yyjson_mut_val *v, const yyjson_mut_val *from)
{
    v->tag = from->tag;
    v->uni = from->uni;
}

struct json_iter json_iter(const yyjson_mut_val *container)
{
    struct json_iter it = {.container = json_unconst(container)};
    if (yyjson_mut_is_obj(it.container)) {
        yyjson_mut_obj_iter_init(it.container, &it.obj);
    } else if (yyjson_mut_is_arr(it.container)) {
        yyjson_mut_arr_iter_init(it.container, &it.arr);
    }
    return it;
}

bool json_next(struct json_iter *it)
{
    if (yyjson_mut_is_obj(it->container)) {
        it->key = yyjson_mut_obj_iter_next(&it->obj);
        it->val = it->key ? it->key->next : NULL;
        it->index = it->obj.idx - 1;
        return it->key != NULL;
    }
    it->val = yyjson_mut_arr_iter_next(&it->arr);
    it->index = it->arr.idx - 1;
    return it->val != NULL;
}

void json_iter_remove(struct json_iter *it)
{
    if (it->key) {
        yyjson_mut_obj_iter_remove(&it->obj);
    } else if (it->val) {
        yyjson_mut_arr_iter_remove(&it->arr);
        it->arr.cur = it->arr.pre; /* yyjson 0.10 leaves it one too far */
    }
    it->key = it->val = NULL;
}
