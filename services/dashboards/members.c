/* SPDX-License-Identifier: Apache-2.0 */
/* The table of members at work. */
#include "services/dashboards/members_priv.h"

struct words {
    const char *const *items;
    size_t n;
};

static const char *const hide_words[] = {"dontHide", "hideLabel", "hideVariable", "inControlsMenu"};
static const char *const refresh_words[] = {"never", "onDashboardLoad", "onTimeRangeChanged"};
static const char *const sort_words[] = {"disabled",
                                         "alphabeticalAsc",
                                         "alphabeticalDesc",
                                         "numericalAsc",
                                         "numericalDesc",
                                         "alphabeticalCaseInsensitiveAsc",
                                         "alphabeticalCaseInsensitiveDesc",
                                         "naturalAsc",
                                         "naturalDesc"};
static const char *const cursor_words[] = {"Off", "Crosshair", "Tooltip"};

static struct words words_of(enum member_kind kind)
{
    switch (kind) {
    case MEMBER_HIDE:
        return (struct words){hide_words, 4};
    case MEMBER_REFRESH:
        return (struct words){refresh_words, 3};
    case MEMBER_SORT:
        return (struct words){sort_words, 9};
    case MEMBER_CURSOR:
        return (struct words){cursor_words, 3};
    default:
        return (struct words){NULL, 0};
    }
}

static size_t word_index(struct words w, struct str s)
{
    size_t i = 0;
    while (i < w.n && !str_is(s, w.items[i])) {
        i++;
    }
    return i;
}

yyjson_mut_val *members_lift(yyjson_mut_doc *d, const yyjson_mut_val *v)
{
    if (!v) {
        return NULL;
    }
    yyjson_mut_val *lifted = yyjson_mut_null(d);
    json_assign(lifted, v);
    return lifted;
}

void members_put(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v)
{
    if (v) {
        yyjson_mut_obj_add_val(d, obj, key, v);
    }
}

void members_put_text(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, struct str text)
{
    members_put(d, obj, key, yyjson_mut_strn(d, text.len ? text.ptr : "", text.len));
}

void members_put_int(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, int64_t v)
{
    members_put(d, obj, key, yyjson_mut_sint(d, v));
}

yyjson_mut_val *members_kind(yyjson_mut_doc *d, const char *kind, yyjson_mut_val *spec)
{
    yyjson_mut_val *v = yyjson_mut_obj(d);
    members_put_text(d, v, "kind", str_from(kind));
    members_put(d, v, "spec", spec);
    return v;
}

void members_rest(yyjson_mut_doc *d, yyjson_mut_val **rest, struct str key, const yyjson_mut_val *v)
{
    if (!*rest) {
        *rest = yyjson_mut_obj(d);
    }
    yyjson_mut_obj_add(*rest, yyjson_mut_strn(d, key.ptr, key.len), members_lift(d, v));
}

/* NULL: there is no such word. */
static yyjson_mut_val *word_make(yyjson_mut_doc *d, struct words w, size_t i)
{
    return i < w.n ? yyjson_mut_str(d, w.items[i]) : NULL;
}

/* ---- what stands for nothing ---- */

static yyjson_mut_val *list_of(yyjson_mut_doc *d, const char *const *items, size_t n)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_arr_add_str(d, list, items[i]);
    }
    return list;
}

static yyjson_mut_val *object_of(yyjson_mut_doc *d, const char *a, yyjson_mut_val *va,
                                 const char *b, yyjson_mut_val *vb)
{
    yyjson_mut_val *v = yyjson_mut_obj(d);
    members_put(d, v, a, va);
    members_put(d, v, b, vb);
    return v;
}

static yyjson_mut_val *instead(yyjson_mut_doc *d, const struct member *m)
{
    static const char *const intervals[] = {"5s",  "10s", "30s", "1m", "5m",
                                            "15m", "30m", "1h",  "2h", "1d"};
    switch (m->or_else) {
    case OR_TEXT:
        return yyjson_mut_str(d, "");
    case OR_FALSE:
    case OR_TRUE:
        return yyjson_mut_bool(d, m->or_else == OR_TRUE);
    case OR_ZERO:
        return yyjson_mut_sint(d, 0);
    case OR_LIST:
        return yyjson_mut_arr(d);
    case OR_OBJECT:
        return yyjson_mut_obj(d);
    case OR_WORD:
        return word_make(d, words_of(m->kind), 0);
    case OR_OPTION:
        return object_of(d, "text", yyjson_mut_str(d, ""), "value", yyjson_mut_str(d, ""));
    case OR_FIELDS:
        return object_of(d, "defaults", yyjson_mut_obj(d), "overrides", yyjson_mut_arr(d));
    case OR_INTERVALS:
        return list_of(d, intervals, sizeof(intervals) / sizeof(*intervals));
    case OR_FROM:
        return yyjson_mut_str(d, "now-6h");
    case OR_TO:
        return yyjson_mut_str(d, "now");
    case OR_NOTHING:
        break;
    }
    return NULL;
}

/* ---- values ---- */

static bool whole(const yyjson_mut_val *v, int64_t *ret)
{
    if (!yyjson_mut_is_int(json_mut(v))) {
        return false;
    }
    *ret = yyjson_mut_get_sint(json_mut(v));
    return true;
}

/* The value in v2 of what v1 has; NULL: v1 has something else there than what belongs there. */
static yyjson_mut_val *value_to_v2(yyjson_mut_doc *d, enum member_kind kind,
                                   const yyjson_mut_val *v)
{
    struct words w = words_of(kind);
    int64_t n = 0;
    switch (kind) {
    case MEMBER_TEXT:
        return json_is_str(v) ? members_lift(d, v) : NULL;
    case MEMBER_BOOL:
        return yyjson_mut_is_bool(json_mut(v)) ? members_lift(d, v) : NULL;
    case MEMBER_NUMBER:
        return yyjson_mut_is_num(json_mut(v)) ? members_lift(d, v) : NULL;
    case MEMBER_OBJECT:
        return json_is_obj(v) ? members_lift(d, v) : NULL;
    case MEMBER_LIST:
        return json_is_arr(v) ? members_lift(d, v) : NULL;
    case MEMBER_FLAG:
        if (yyjson_mut_is_bool(json_mut(v))) {
            return members_lift(d, v);
        }
        return whole(v, &n) && (n == 0 || n == 1) ? yyjson_mut_bool(d, n == 1) : NULL;
    default:
        if (json_is_str(v)) {
            return word_index(w, json_str(v)) < w.n ? members_lift(d, v) : NULL;
        }
        return whole(v, &n) && n >= 0 ? word_make(d, w, (size_t)n) : NULL;
    }
}

static yyjson_mut_val *value_to_v1(yyjson_mut_doc *d, enum member_kind kind,
                                   const yyjson_mut_val *v)
{
    struct words w = words_of(kind);
    if (kind == MEMBER_FLAG) {
        return yyjson_mut_sint(d, yyjson_mut_is_true(json_mut(v)) ? 1 : 0);
    }
    if (w.n) {
        size_t i = word_index(w, json_str(v));
        return yyjson_mut_sint(d, i < w.n ? (int64_t)i : 0);
    }
    return members_lift(d, v);
}

/* ---- objects ---- */

static const struct member *find(const struct members *t, struct str key, bool v1)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *name = v1 ? t->items[i].v1 : t->items[i].v2;
        if (name && str_is(key, name)) {
            return &t->items[i];
        }
    }
    return NULL;
}

void members_to_v2(yyjson_mut_doc *d, const struct members *t, const yyjson_mut_val *from,
                   yyjson_mut_val *to, yyjson_mut_val **rest)
{
    bool seen[64] = {false};
    struct json_iter it = json_iter(from);
    while (json_is_obj(from) && json_next(&it)) {
        struct str key = json_str(it.key);
        const struct member *m = find(t, key, true);
        yyjson_mut_val *v = m && m->kind != MEMBER_TAKEN ? value_to_v2(d, m->kind, it.val) : NULL;
        if (v) {
            members_put(d, to, m->v2, v);
            seen[m - t->items] = true;
        } else if (rest && (m ? m->kind != MEMBER_TAKEN : t->all) && !str_is(key, MEMBERS_OF_V2)) {
            members_rest(d, rest, key, it.val);
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        if (!seen[i] && t->items[i].v2) {
            members_put(d, to, t->items[i].v2, instead(d, &t->items[i]));
        }
    }
}

static bool stands_for_nothing(yyjson_mut_doc *d, const struct member *m, const yyjson_mut_val *v)
{
    const yyjson_mut_val *nothing = instead(d, m);
    return nothing && json_equal(nothing, v);
}

void members_to_v1(yyjson_mut_doc *d, const struct members *t, const yyjson_mut_val *from,
                   yyjson_mut_val *to, const yyjson_mut_val *kept, yyjson_mut_val **rest)
{
    struct json_iter it = json_iter(from);
    while (json_is_obj(from) && json_next(&it)) {
        struct str key = json_str(it.key);
        const struct member *m = find(t, key, false);
        if (!m) {
            if (rest && t->all && !str_is(key, MEMBERS_OF_V1)) {
                members_rest(d, rest, key, it.val);
            }
        } else if (m->kind != MEMBER_TAKEN &&
                   !((m->lean || json_get(kept, m->v1)) && stands_for_nothing(d, m, it.val))) {
            members_put(d, to, m->v1, value_to_v1(d, m->kind, it.val));
        }
    }
}

static bool among_first(const yyjson_mut_val *obj, size_t n, struct str key)
{
    struct json_iter it = json_iter(obj);
    while (n-- && json_next(&it)) {
        if (str_eq(json_str(it.key), key)) {
            return true;
        }
    }
    return false;
}

void members_restore(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *kept)
{
    size_t before = json_size(to); /* kept has no key twice */
    struct json_iter it = json_iter(kept);
    while (json_is_obj(kept) && json_next(&it)) {
        struct str key = json_str(it.key);
        if (!among_first(to, before, key)) {
            yyjson_mut_obj_add(to, yyjson_mut_strn(d, key.ptr, key.len), members_lift(d, it.val));
        }
    }
}
