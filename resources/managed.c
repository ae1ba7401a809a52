/* SPDX-License-Identifier: Apache-2.0 */
/* managedFields as a list of entries, and as owners. */
#include "resources/managed.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/quote.h"
#include "resources/managed_priv.h"
#include "resources/metadata.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static int read_fields_type(const yyjson_mut_val *entry, size_t i, struct err *err)
{
    struct str type = json_get_str(entry, "fieldsType");
    if (str_is(type, "FieldsV1")) {
        return 0;
    }
    if (!type.len) {
        return err_set(err, ERR_BAD_REQUEST, "missing fieldsType in managed fields entry %zu", i);
    }
    AUTO(buf_finish) struct buf b = {0};
    quote_go(&b, type);
    return err_set(err, ERR_BAD_REQUEST, "invalid fieldsType %.*s in managed fields entry %zu",
                   STR_FMT(buf_str(&b)), i);
}

static int read_entry(struct arena *a, yyjson_mut_val *entry, size_t i, struct owner *ret,
                      struct err *err)
{
    struct str operation = json_get_str(entry, "operation");
    struct owner o = {
        .manager = json_get_str(entry, "manager"),
        .api_version = json_get_str(entry, "apiVersion"),
        .subresource = json_get_str(entry, "subresource"),
        .applied = str_is(operation, "Apply"),
        .time = json_get_str(entry, "time"),
        .tag = entry,
    };
    if (!o.applied && !str_is(operation, "Update")) {
        return err_set(err, ERR_BAD_REQUEST, "operation must be `Apply` or `Update`");
    }
    if (!o.api_version.len) {
        return err_set(err, ERR_BAD_REQUEST, "apiVersion must not be empty");
    }
    int rc = read_fields_type(entry, i, err);
    if (rc) {
        return rc;
    }
    rc = fieldset_read(a, json_get(entry, "fieldsV1"), &o.fields, err);
    if (rc) {
        return err_wrap(err, "error decoding set");
    }
    *ret = o;
    return 0;
}

static int compare_identity(const struct owner *x, const struct owner *y)
{
    int r = (int)y->applied - (int)x->applied;
    r = r ? r : str_cmp(x->manager, y->manager);
    r = r ? r : str_cmp(x->subresource, y->subresource);
    return r || x->applied ? r : str_cmp(x->api_version, y->api_version);
}

/* By identity; of equal ones the later entry first. */
static int compare_entries(const void *a, const void *b)
{
    const struct owner *x = *(const struct owner *const *)a, *y = *(const struct owner *const *)b;
    int r = compare_identity(x, y);
    return r ? r : (x < y) - (x > y);
}

/* Leaves out what owns nothing or has a later entry of the same identity. */
static void drop_repeated(struct arena *a, struct ownership *o)
{
    size_t n = o->n, left = 0;
    const struct owner **sorted = arena_alloc(a, n * sizeof(const struct owner *));
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &o->items[i];
    }
    qsort(sorted, n, sizeof(const struct owner *), compare_entries);
    for (size_t i = 1; i < n; i++) {
        if (compare_identity(sorted[i - 1], sorted[i]) == 0) {
            o->items[sorted[i] - o->items].tag = NULL;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (o->items[i].tag && !fieldset_empty(o->items[i].fields)) {
            o->items[left++] = o->items[i];
        }
    }
    o->n = left;
}

int managed_read(struct arena *a, const yyjson_mut_val *list, struct ownership *ret, bool *ret_any,
                 struct err *err)
{
    struct ownership o = {.cap = json_is_arr(list) ? json_size(list) + 1 : 1};
    o.items = arena_alloc(a, o.cap * sizeof(*o.items));
    struct json_iter it = json_iter(list);
    while (json_is_arr(list) && json_next(&it)) {
        int rc = read_entry(a, it.val, it.index, &o.items[o.n], err);
        if (rc) {
            return rc;
        }
        o.n++;
    }
    if (ret_any) {
        *ret_any = o.n > 0;
    }
    if (o.n) {
        drop_repeated(a, &o);
    }
    *ret = o;
    return 0;
}

/* ---- writing ---- */

int64_t managed_seconds(const struct owner *o)
{
    int64_t us = 0;
    return o->time.len && clock_parse(o->time, &us) ? us / 1000000 : 0;
}

struct entry {
    const struct owner *owner;
    int64_t seconds;
};

static int compare_stored(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = (int)y->owner->applied - (int)x->owner->applied;
    r = r ? r : (x->seconds > y->seconds) - (x->seconds < y->seconds);
    r = r ? r : str_cmp(x->owner->manager, y->owner->manager);
    r = r ? r : str_cmp(x->owner->api_version, y->owner->api_version);
    return r ? r : str_cmp(x->owner->subresource, y->owner->subresource);
}

/* The entry's fieldsV1 as it was read, where it still says what the owner owns. */
static yyjson_mut_val *kept_fields(const struct owner *o, bool move, yyjson_mut_doc *d)
{
    if (!o->tag || o->changed) {
        return fieldset_write(o->fields, d);
    }
    yyjson_mut_val *was = json_get(o->tag, "fieldsV1");
    return move ? was : json_copy(d, was);
}

static void put_text(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, struct str text)
{
    if (text.len) {
        yyjson_mut_obj_add(obj, yyjson_mut_str(d, key), yyjson_mut_strn(d, text.ptr, text.len));
    }
}

static yyjson_mut_val *write_entry(const struct owner *o, bool move, yyjson_mut_doc *d)
{
    yyjson_mut_val *entry = yyjson_mut_obj(d);
    put_text(d, entry, "manager", o->manager);
    put_text(d, entry, "operation", o->applied ? STR("Apply") : STR("Update"));
    put_text(d, entry, "apiVersion", o->api_version);
    put_text(d, entry, "time", o->time);
    put_text(d, entry, "fieldsType", STR("FieldsV1"));
    yyjson_mut_obj_add(entry, yyjson_mut_str(d, "fieldsV1"), kept_fields(o, move, d));
    put_text(d, entry, "subresource", o->subresource);
    return entry;
}

yyjson_mut_val *managed_write(const struct ownership *o, bool move, struct arena *a,
                              yyjson_mut_doc *d)
{
    if (!o->n) {
        return NULL;
    }
    struct entry *entries = arena_alloc(a, o->n * sizeof(*entries));
    for (size_t i = 0; i < o->n; i++) {
        entries[i] = (struct entry){&o->items[i], managed_seconds(&o->items[i])};
    }
    qsort(entries, o->n, sizeof(*entries), compare_stored);
    yyjson_mut_val *list = yyjson_mut_arr(d);
    for (size_t i = 0; i < o->n; i++) {
        yyjson_mut_arr_append(list, write_entry(entries[i].owner, move, d));
    }
    return list;
}

/* ---- owners ---- */

struct owner *managed_add(struct arena *a, struct ownership *o, const struct owner *owner)
{
    if (o->n == o->cap) {
        size_t more = o->cap ? o->cap * 2 : 4;
        struct owner *items = arena_alloc(a, more * sizeof(*items));
        if (o->n) {
            memcpy(items, o->items, o->n * sizeof(*items));
        }
        o->items = items;
        o->cap = more;
    }
    o->items[o->n] = *owner;
    return &o->items[o->n++];
}

void managed_drop(struct ownership *o, const struct owner *owner)
{
    size_t i = (size_t)(owner - o->items);
    memmove(&o->items[i], &o->items[i + 1], (o->n - i - 1) * sizeof(*o->items));
    o->n--;
}

/* ---- in an object ---- */

yyjson_mut_val *managed_detach(yyjson_mut_val *obj)
{
    yyjson_mut_val *meta = metadata_of(obj);
    return json_is_obj(meta) ? yyjson_mut_obj_remove_key(meta, "managedFields") : NULL;
}

void managed_attach(yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val *list)
{
    yyjson_mut_val *meta = json_ensure_obj(d, obj, "metadata");
    if (list) {
        json_setz(d, meta, "managedFields", list);
    } else {
        json_remove(meta, "managedFields");
    }
}

bool managed_is_reset(const yyjson_mut_val *list, bool empty_counts)
{
    size_t n = json_size(list);
    if (!json_is_arr(list) || n > 1) {
        return false;
    }
    const yyjson_mut_val *only = n ? yyjson_mut_arr_get_first(json_mut(list)) : NULL;
    return n ? json_is_null(only) || (json_is_obj(only) && !json_size(only)) : empty_counts;
}

static bool same_entry(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    static const char *const keys[] = {"manager", "operation", "apiVersion", "subresource",
                                       "fieldsType"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (!str_eq(json_get_str(a, keys[i]), json_get_str(b, keys[i]))) {
            return false;
        }
    }
    const yyjson_mut_val *x = json_get(a, "fieldsV1"), *y = json_get(b, "fieldsV1");
    return x && y ? json_equal(x, y) : x == y;
}

bool managed_same_but_times(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    if (json_size(a) != json_size(b)) {
        return false;
    }
    struct json_iter x = json_iter(a), y = json_iter(b);
    while (a && b && json_next(&x) && json_next(&y)) {
        if (!same_entry(x.val, y.val)) {
            return false;
        }
    }
    return true;
}
