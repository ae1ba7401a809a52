/* SPDX-License-Identifier: Apache-2.0 */
/* Declarations of text fields, what the fields hold, and lists narrowed by words. */
#include "resources/text.h"

#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/engine_priv.h"

enum { WEIGHT_MAX = 100, STEPS_MAX = 16 };

/* ---- declarations ---- */

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct str next_item(struct str *rest)
{
    while (rest->len && is_separator(rest->ptr[0])) {
        *rest = str_skip(*rest, 1);
    }
    size_t n = 0;
    while (n < rest->len && !is_separator(rest->ptr[n])) {
        n++;
    }
    struct str item = str_make(rest->ptr, n);
    *rest = str_skip(*rest, n);
    return item;
}

static bool is_step(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-')) {
            return false;
        }
    }
    return s.len > 0;
}

static int parse_weight(struct str item, struct str text, int *ret, struct err *err)
{
    int v = 0;
    for (size_t i = 0; i < text.len && v <= WEIGHT_MAX; i++) {
        v = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? v * 10 + text.ptr[i] - '0' : WEIGHT_MAX + 1;
    }
    if (v < 1 || v > WEIGHT_MAX) {
        return err_set(err, ERR_INVALID, "%.*s: a weight is a number from 1 to %d", STR_FMT(item),
                       WEIGHT_MAX);
    }
    *ret = v;
    return 0;
}

static int parse_field(struct arena *a, struct str item, struct text_field *ret, struct err *err)
{
    struct str weight, path = str_cut(item, '^', &weight), rest = str_skip(path, 1);
    *ret = (struct text_field){.path = arena_str(a, path), .weight = 1};
    ret->steps = arena_alloc(a, STEPS_MAX * sizeof(*ret->steps));
    bool good = str_starts(path, STR(".")) && rest.len;
    while (good && rest.ptr) {
        struct str step = str_cut(rest, '.', &rest);
        good = is_step(step) && ret->n_steps < STEPS_MAX;
        if (good) {
            ret->steps[ret->n_steps++] = arena_str(a, step);
        }
    }
    if (!good) {
        return err_set(err, ERR_INVALID, "%.*s: a path is keys of maps, as .spec.title",
                       STR_FMT(item));
    }
    ret->tags = str_is(ret->steps[ret->n_steps - 1], "tags");
    return weight.ptr ? parse_weight(item, weight, &ret->weight, err) : 0;
}

static bool is_repeated(const struct text_fields *f, struct str path)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_eq(f->items[i].path, path)) {
            return true;
        }
    }
    return false;
}

int text_fields_parse(struct arena *a, struct str text, struct text_fields **ret, struct err *err)
{
    struct text_fields *f = ARENA_NEW(a, struct text_fields);
    struct str rest = text, item;
    f->items = arena_zero(a, LIMIT_TEXT_FIELDS * sizeof(*f->items));
    f->generation = crypto_hash64(text);
    while ((item = next_item(&rest)).len) {
        struct text_field field;
        if (f->n == LIMIT_TEXT_FIELDS) {
            return err_set(err, ERR_INVALID, "there may be %d paths at most", LIMIT_TEXT_FIELDS);
        }
        int rc = parse_field(a, item, &field, err);
        if (rc) {
            return rc;
        }
        if (is_repeated(f, field.path)) {
            return err_set(err, ERR_INVALID, "%.*s: is named twice", STR_FMT(field.path));
        }
        f->items[f->n++] = field;
    }
    if (!f->n) {
        return err_set(err, ERR_INVALID, "names no path");
    }
    *ret = f;
    return 0;
}

void text_visit(const struct text_field *f, const yyjson_mut_val *obj, text_visit_fn *fn, void *arg)
{
    const yyjson_mut_val *v = obj;
    for (size_t i = 0; v && i < f->n_steps; i++) {
        v = json_getn(v, f->steps[i]);
    }
    if (json_is_str(v)) {
        fn(arg, json_str(v));
    } else if (json_is_arr(v)) {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            if (json_is_str(it.val)) {
                fn(arg, json_str(it.val));
            }
        }
    }
}

/* ---- lists ---- */

void engine_find_text_by(struct engine *e, const struct text_finder *f)
{
    e->text = *f;
}

int text_narrow(struct engine *e, struct op *op, struct err *err)
{
    struct list_options *o = &op->list;
    bool lacking = false;
    if (!o->words.ptr || o->narrowed) {
        return 0;
    }
    if (!op->type->text || !e->text.find) {
        return err_set(err, ERR_BAD_REQUEST,
                       "q: %.*s cannot be searched, as their definition declares no text fields "
                       "(annotation " TEXT_FIELDS ")",
                       STR_FMT(op->type->group_resource));
    }
    if (!str_trim(o->words).len || str_is(str_trim(o->words), "*")) {
        o->words = STR_NULL;
        return 0;
    }
    int rc = e->text.find(e->text.self, op, &o->keys, &o->n_keys, &lacking, err);
    if (rc) {
        return rc;
    }
    if (lacking) {
        warnings_add(&op->warnings, TEXT_LACKING);
    }
    o->narrowed = true;
    return 0;
}
