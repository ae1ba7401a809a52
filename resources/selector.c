/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors: the matching of parsed requirements, which every list and watch does for every
 * object. The text is parsed in selector_parse.c. */
#include "resources/selector.h"

#include "base/json.h"
#include "resources/selector_priv.h"
#include "resources/tree_priv.h"

#include <stdlib.h>
#include <string.h>

static int compare_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int compare_key(const void *a, const void *b)
{
    return str_cmp(((const struct requirement *)a)->key, ((const struct requirement *)b)->key);
}

size_t selector_sort_texts(struct str *items, size_t n)
{
    size_t kept = 0;
    qsort(items, n, sizeof(*items), compare_text);
    for (size_t i = 0; i < n; i++) {
        if (!i || !str_eq(items[i], items[kept - 1])) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

void selector_finish_parse(struct selector *s)
{
    qsort(s->items, s->n, sizeof(*s->items), compare_key);
    s->n_needed = 0;
    for (size_t i = 0; i < s->n; i++) {
        enum operator op = s->items[i].op;
        s->n_needed += op != OPERATOR_NOT_IN && op != OPERATOR_NOT_EXISTS;
    }
}

bool selector_parse_int(struct str s, int64_t *ret)
{
    bool negative = s.len && s.ptr[0] == '-';
    size_t i = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+') ? 1 : 0;
    uint64_t v = 0, max = (uint64_t)INT64_MAX + negative;
    if (i == s.len) {
        return false;
    }
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (v > (max - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static bool has_value(const struct requirement *r, struct str value)
{
    if (r->n_values == 1) {
        return str_eq(r->values[0], value);
    }
    return bsearch(&value, r->values, r->n_values, sizeof(*r->values), compare_text) != NULL;
}

/* Whether the requirement holds for a label that is there. */
static bool holds(const struct requirement *r, struct str value)
{
    int64_t v;
    switch (r->op) {
    case OPERATOR_IN:
        return has_value(r, value);
    case OPERATOR_NOT_IN:
        return !has_value(r, value);
    case OPERATOR_EXISTS:
        return true;
    case OPERATOR_NOT_EXISTS:
        return false;
    case OPERATOR_GREATER:
        return selector_parse_int(value, &v) && v > r->number;
    case OPERATOR_LESS:
        return selector_parse_int(value, &v) && v < r->number;
    }
    return false;
}

/* The first requirement whose key is not less than the label's. */
static size_t first_of(const struct selector *s, struct str key)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(s->items[mid].key, key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool selector_match_labels(const struct selector *s, const yyjson_mut_val *labels)
{
    if (!s) {
        return true;
    }
    if (s->nothing) {
        return false;
    }
    /* Each label meets the requirements on its key; keys are unique, so counting tells whether
     * every requirement that needs its label met one. */
    size_t met = 0;
    struct json_iter it = json_iter(labels);
    while (it.container && json_next(&it)) {
        struct str key = json_str(it.key), value = json_str(it.val);
        for (size_t i = first_of(s, key); i < s->n && str_eq(s->items[i].key, key); i++) {
            if (!holds(&s->items[i], value)) {
                return false;
            }
            met += s->items[i].op != OPERATOR_NOT_IN;
        }
    }
    return met == s->n_needed;
}

bool selector_match(const struct selector *labels, const struct field_selector *fields,
                    const yyjson_mut_val *obj)
{
    return (!labels || selector_match_labels(labels, json_path(obj, "metadata", "labels", NULL))) &&
           selector_match_fields(fields, obj);
}

/* ---- from a LabelSelector object ---- */

static int object_fault(struct err *err, struct str what, const char *why)
{
    return err_set(err, ERR_BAD_REQUEST, "%.*s: %s", STR_FMT(what), why);
}

static int take_values(struct arena *a, const yyjson_mut_val *list, struct requirement *r,
                       struct err *err)
{
    size_t n = 0;
    struct json_iter it = json_iter(list);
    r->values = arena_alloc(a, (yyjson_mut_arr_size(tree_unconst(list)) + 1) * sizeof(*r->values));
    while (it.container && json_next(&it)) {
        struct str s = json_str(it.val);
        if (!s.ptr || !name_is_label_value(s)) {
            return object_fault(err, STR("values"), "must be label values");
        }
        r->values[n++] = arena_str(a, s);
    }
    r->n_values = selector_sort_texts(r->values, n);
    return 0;
}

static int take_expression(struct arena *a, const yyjson_mut_val *e, struct requirement *r,
                           struct err *err)
{
    static const struct {
        const char *name;
        enum operator op;
        bool values;
    } operators[] = {{"In", OPERATOR_IN, true},
                     {"NotIn", OPERATOR_NOT_IN, true},
                     {"Exists", OPERATOR_EXISTS, false},
                     {"DoesNotExist", OPERATOR_NOT_EXISTS, false}};
    struct str key = json_get_str(e, "key"), name = json_get_str(e, "operator");
    size_t i = 0, n = sizeof(operators) / sizeof(*operators);
    while (i < n && !str_is(name, operators[i].name)) {
        i++;
    }
    if (i == n) {
        return err_set(err, ERR_BAD_REQUEST, "\"%.*s\" is not a valid label selector operator",
                       STR_FMT(name));
    }
    if (!name_is_qualified(key)) {
        return object_fault(err, key, "not a valid label key");
    }
    *r = (struct requirement){.key = arena_str(a, key), .op = operators[i].op};
    int rc = take_values(a, json_get(e, "values"), r, err);
    if (rc) {
        return rc;
    }
    return operators[i].values == (r->n_values > 0)
               ? 0
               : object_fault(err, key,
                              operators[i].values
                                  ? "for 'in', 'notin' operators, values set can't be empty"
                                  : "values set must be empty for exists and does not "
                                    "exist");
}

int selector_from_object(struct arena *a, const yyjson_mut_val *o, struct selector **ret,
                         struct err *err)
{
    yyjson_mut_val *labels = json_get(o, "matchLabels");
    yyjson_mut_val *expressions = json_get(o, "matchExpressions");
    size_t n = yyjson_mut_obj_size(labels) + yyjson_mut_arr_size(expressions);
    struct selector *s = ARENA_NEW(a, struct selector);
    s->nothing = !o || yyjson_mut_is_null(tree_unconst(o));
    s->items = arena_alloc(a, (n ? n : 1) * sizeof(*s->items));
    struct json_iter it = json_iter(labels);
    while (it.container && json_next(&it)) {
        struct str key = json_str(it.key), value = json_str(it.val);
        if (!name_is_qualified(key) || !value.ptr || !name_is_label_value(value)) {
            return object_fault(err, key, "not a valid label");
        }
        struct requirement *r = &s->items[s->n++];
        *r = (struct requirement){.key = arena_str(a, key), .op = OPERATOR_IN, .n_values = 1};
        r->values = ARENA_NEW(a, struct str);
        *r->values = arena_str(a, value);
    }
    it = json_iter(expressions);
    while (it.container && json_next(&it)) {
        int rc = take_expression(a, it.val, &s->items[s->n], err);
        if (rc) {
            return rc;
        }
        s->n++;
    }
    selector_finish_parse(s);
    *ret = s;
    return 0;
}

struct selector *selector_copy(struct arena *a, const struct selector *s)
{
    if (!s) {
        return NULL;
    }
    struct selector *copy = ARENA_NEW(a, struct selector);
    *copy = *s;
    copy->items = arena_alloc(a, (s->n ? s->n : 1) * sizeof(*copy->items));
    for (size_t i = 0; i < s->n; i++) {
        struct requirement *r = &copy->items[i];
        *r = s->items[i];
        r->key = arena_str(a, r->key);
        r->values = arena_alloc(a, (r->n_values ? r->n_values : 1) * sizeof(*r->values));
        for (size_t j = 0; j < r->n_values; j++) {
            r->values[j] = arena_str(a, s->items[i].values[j]);
        }
    }
    return copy;
}
