/* SPDX-License-Identifier: Apache-2.0 */
/* Strategic merge patch: objects merge, lists are replaced unless the schema says that they merge,
 * and directives in the patch say otherwise. The semantics are those of the reference's
 * strategicpatch package. This file does objects, patch_lists.c lists. */
#include "resources/strategic_priv.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/status.h"
#include "resources/tree_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTIVE "$patch"
#define RETAIN_KEYS "$retainKeys"
#define DELETE_PREFIX "$deleteFromPrimitiveList"
#define ORDER_PREFIX "$setElementOrder"

/* ---- faults, in Go's words ---- */

static const char *go_type(const yyjson_mut_val *v)
{
    yyjson_mut_val *w = tree_unconst(v);
    switch (yyjson_mut_get_type(w)) {
    case YYJSON_TYPE_OBJ:
        return "map[string]interface {}";
    case YYJSON_TYPE_ARR:
        return "[]interface {}";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_NUM:
        return yyjson_mut_is_real(w) ? "float64" : "int64";
    case YYJSON_TYPE_BOOL:
        return "bool";
    default:
        return "%!s(<nil>)";
    }
}

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(json_str(*(yyjson_mut_val *const *)a), json_str(*(yyjson_mut_val *const *)b));
}

enum { GO_TEXT_MAX = 4096 }; /* a message need not hold a whole object */

static void add_go_text(struct strategic *s, struct buf *b, const yyjson_mut_val *v)
{
    yyjson_mut_val *w = tree_unconst(v);
    size_t n = yyjson_mut_is_ctn(w) ? unsafe_yyjson_get_len(w) : 0, i = 0;
    if (b->len > GO_TEXT_MAX) {
        return;
    }
    if (yyjson_mut_is_obj(w)) {
        yyjson_mut_val **keys = arena_alloc(&s->scratch, (n + 1) * sizeof(yyjson_mut_val *));
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            keys[i++] = it.key;
        }
        qsort(keys, n, sizeof(yyjson_mut_val *), compare_keys);
        buf_addz(b, "map[");
        for (i = 0; i < n; i++) {
            buf_addz(b, i ? " " : "");
            buf_add(b, json_str(keys[i]));
            buf_addc(b, ':');
            add_go_text(s, b, keys[i]->next);
        }
        buf_addc(b, ']');
    } else if (yyjson_mut_is_arr(w)) {
        buf_addc(b, '[');
        for (struct json_iter it = json_iter(v); json_next(&it);) {
            buf_addz(b, i++ ? " " : "");
            add_go_text(s, b, it.val);
        }
        buf_addc(b, ']');
    } else if (yyjson_mut_is_str(w)) {
        buf_add(b, json_str(v));
    } else if (!w || yyjson_mut_is_null(w)) {
        buf_addz(b, "<nil>");
    } else {
        json_write(b, v);
    }
}

const char *strategic_go_text(struct strategic *s, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    add_go_text(s, &b, v);
    struct str text = buf_str(&b);
    text.len = text.len < GO_TEXT_MAX ? text.len : GO_TEXT_MAX;
    return text.ptr ? arena_str(&s->scratch, text).ptr : "";
}

int strategic_fault(struct strategic *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(s->err, ERR_UNKNOWN_500, fmt, ap);
    va_end(ap);
    return ERR_UNKNOWN_500;
}

int strategic_bad_type(struct strategic *s, const char *expected, const yyjson_mut_val *v)
{
    return strategic_fault(s, "expected a %s, but received a %s", expected, go_type(v));
}

/* ---- rules ---- */

static struct field_rule rule_of(struct spot at, struct str key)
{
    struct field_rule r = {.strategy = STR(""), .merge_key = STR(""), .name = key};
    if (at.part == SPOT_METADATA) {
        bool owners = str_is(key, "ownerReferences");
        r.strategy = owners || str_is(key, "finalizers") ? STR("merge") : STR("");
        r.merge_key = owners ? STR("uid") : STR("");
        return r;
    }
    if (at.part == SPOT_ROOT && str_is(key, "metadata")) {
        r.inside.part = SPOT_METADATA;
        return r;
    }
    const struct schema_node *n = schema_property(at.node, key);
    if (!n) {
        return r;
    }
    for (struct str rest = schema_patch_strategy(n); rest.ptr;) {
        struct str one = str_cut(rest, ',', &rest);
        r.strategy = str_is(one, "retainKeys") ? r.strategy : one;
    }
    struct str merge_key = schema_patch_merge_key(n);
    r.merge_key = merge_key.ptr ? merge_key : STR("");
    const struct schema_node *items = schema_items(n);
    r.inside.node = items ? items : n;
    return r;
}

/* ---- members of an object that is being merged ---- */

/* An object's members by name. Members are marked as gone and taken out together at the end; values
 * change in place. */
struct members {
    yyjson_mut_val *obj;
    struct keys names;
    yyjson_mut_val **vals;
    bool *gone;
    size_t n_gone;
};

static void members_open(struct members *m, yyjson_mut_val *obj)
{
    size_t n = yyjson_mut_obj_size(obj), i = 0;
    *m = (struct members){.obj = obj};
    keys_of_object(&m->names, obj);
    m->vals = alloc_bytes((n ? n : 1) * sizeof(yyjson_mut_val *));
    m->gone = alloc_zero(n ? n : 1);
    for (struct json_iter it = json_iter(obj); i < n && json_next(&it);) {
        m->vals[i++] = it.val;
    }
}

static void members_finish(struct members *m)
{
    keys_finish(&m->names);
    free(m->vals);
    free(m->gone);
}

/* The value of a member that is still there; NULL: none. *ret_i: its index. */
static yyjson_mut_val *members_get(const struct members *m, struct str name, size_t *ret_i)
{
    size_t i = keys_find(&m->names, name);
    if (ret_i) {
        *ret_i = i;
    }
    return i < m->names.n && !m->gone[i] ? m->vals[i] : NULL;
}

static void members_drop(struct members *m, size_t i)
{
    m->n_gone += !m->gone[i];
    m->gone[i] = true;
}

/* Takes out what is gone. Members that were added since stand behind the first ones. */
static void members_settle(struct members *m)
{
    if (!m->n_gone) {
        return;
    }
    size_t total = yyjson_mut_obj_size(m->obj);
    yyjson_mut_val *key = ((yyjson_mut_val *)m->obj->uni.ptr)->next->next, *next;
    yyjson_mut_obj_clear(m->obj);
    for (size_t i = 0; i < total; i++, key = next) {
        yyjson_mut_val *val = key->next;
        next = val->next;
        if (i >= m->names.n || !m->gone[i]) {
            yyjson_mut_obj_add(m->obj, key, val);
        }
    }
}

static void members_set(struct strategic *s, struct members *m, struct str name, yyjson_mut_val *v)
{
    size_t i;
    yyjson_mut_val *now = members_get(m, name, &i);
    if (now) {
        json_assign(now, v);
    } else if (i < m->names.n) {
        m->gone[i] = false;
        m->n_gone--;
        json_assign(m->vals[i], v);
    } else {
        yyjson_mut_obj_add(m->obj, yyjson_mut_strncpy(s->d, name.ptr, name.len), v);
    }
}

/* ---- directives ---- */

static bool has_prefix(struct str key, const char *prefix)
{
    return str_starts(key, str_from(prefix));
}

/* The field that "$directive/field" is about. */
static int field_of(struct strategic *s, struct str key, const char *prefix, struct str *ret)
{
    struct str rest, head = str_cut(key, '/', &rest);
    if (!rest.ptr || !str_is(head, prefix)) {
        return err_set(s->err, ERR_BAD_REQUEST, "invalid patch format of %s",
                       strcmp(prefix, DELETE_PREFIX) == 0 ? "primitive list"
                                                          : "setElementOrder list");
    }
    *ret = rest;
    return 0;
}

/* $patch in an object: replace takes the patch as it is, delete leaves nothing. */
static int follow_directive(struct strategic *s, yyjson_mut_val *patch, yyjson_mut_val *directive,
                            yyjson_mut_val **ret)
{
    if (str_is(json_str(directive), "replace")) {
        json_remove(patch, DIRECTIVE);
        *ret = patch;
        return 0;
    }
    if (str_is(json_str(directive), "delete")) {
        *ret = yyjson_mut_obj(s->d);
        return 0;
    }
    return strategic_fault(s, "unknown patch type: %s in map: %s", strategic_go_text(s, directive),
                           strategic_go_text(s, patch));
}

/* $retainKeys: members that it does not name go. */
static int retain_keys(struct strategic *s, struct members *obj, struct members *patch)
{
    size_t at, n, i = 0;
    yyjson_mut_val *list = members_get(patch, STR(RETAIN_KEYS), &at);
    if (!list) {
        return 0;
    }
    members_drop(patch, at);
    if (!yyjson_mut_is_arr(list)) {
        return err_set(s->err, ERR_BAD_REQUEST, "invalid patch format of retainKeys");
    }
    n = yyjson_mut_arr_size(list);
    struct str *texts = alloc_bytes((n ? n : 1) * sizeof(*texts));
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        texts[i++] = json_str(it.val);
    }
    AUTO(keys_finish) struct keys kept = {0};
    keys_init(&kept, texts, n);
    for (i = 0; i < patch->names.n; i++) {
        struct str name = patch->names.texts[i];
        bool free_of_it = patch->gone[i] || yyjson_mut_is_null(patch->vals[i]) ||
                          has_prefix(name, DELETE_PREFIX) || has_prefix(name, ORDER_PREFIX);
        if (!free_of_it && keys_find(&kept, name) == kept.n) {
            return err_set(s->err, ERR_BAD_REQUEST, "invalid patch format of retainKeys");
        }
    }
    for (i = 0; i < obj->names.n; i++) {
        if (keys_find(&kept, obj->names.texts[i]) == kept.n) {
            members_drop(obj, i);
        }
    }
    return 0;
}

/* One $setElementOrder/field with the list it is about. */
static int set_order(struct strategic *s, struct members *obj, struct members *patch,
                     struct str key, yyjson_mut_val *wanted, struct spot at)
{
    struct str field;
    size_t in_patch;
    if (!yyjson_mut_is_arr(wanted)) {
        return strategic_bad_type(s, "[]interface {}", wanted);
    }
    int rc = field_of(s, key, ORDER_PREFIX, &field);
    if (rc) {
        return rc;
    }
    yyjson_mut_val *before = members_get(obj, field, NULL);
    yyjson_mut_val *change = members_get(patch, field, &in_patch);
    if ((before && !yyjson_mut_is_arr(before)) || (change && !yyjson_mut_is_arr(change))) {
        return strategic_bad_type(s, "[]interface {}",
                                  before && !yyjson_mut_is_arr(before) ? before : change);
    }
    struct field_rule rule = rule_of(at, field);
    struct value_list merged;
    rc = strategic_order_list(s, strategic_items(s, before), strategic_items(s, change),
                              strategic_items(s, wanted), &rule, before, change, &merged);
    if (rc || (!before && !change)) {
        return rc;
    }
    members_set(s, obj, field, strategic_list(s, merged));
    if (change) {
        members_drop(patch, in_patch);
    }
    return 0;
}

static int set_orders(struct strategic *s, struct members *obj, struct members *patch,
                      struct spot at)
{
    for (size_t i = 0; i < patch->names.n; i++) {
        if (patch->gone[i] || !has_prefix(patch->names.texts[i], ORDER_PREFIX)) {
            continue;
        }
        members_drop(patch, i);
        int rc = set_order(s, obj, patch, patch->names.texts[i], patch->vals[i], at);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

bool strategic_drop_directives(yyjson_mut_val *v)
{
    if (yyjson_mut_is_obj(v) && json_get(v, DIRECTIVE)) {
        return false;
    }
    struct json_iter it = json_iter(v);
    while (yyjson_mut_is_ctn(v) && json_next(&it)) {
        if (!strategic_drop_directives(it.val)) {
            json_iter_remove(&it);
        }
    }
    return true;
}

static void drop_nulls(yyjson_mut_val *v)
{
    bool object = yyjson_mut_is_obj(v);
    struct json_iter it = json_iter(v);
    while (yyjson_mut_is_ctn(v) && json_next(&it)) {
        if (object && yyjson_mut_is_null(it.val)) {
            json_iter_remove(&it);
        } else {
            drop_nulls(it.val);
        }
    }
}

/* ---- merging ---- */

struct value_list strategic_items(struct strategic *s, const yyjson_mut_val *list)
{
    size_t n = yyjson_mut_arr_size(tree_unconst(list)), i = 0;
    struct value_list l = {arena_alloc(&s->scratch, (n + 1) * sizeof(yyjson_mut_val *)), n};
    for (struct json_iter it = json_iter(list); i < n && json_next(&it);) {
        l.items[i++] = it.val;
    }
    return l;
}

yyjson_mut_val *strategic_list(struct strategic *s, struct value_list l)
{
    yyjson_mut_val *list = yyjson_mut_arr(s->d);
    for (size_t i = 0; i < l.n; i++) {
        yyjson_mut_arr_append(list, l.items[i]);
    }
    return list;
}

/* The patch's value where the object has none, or one of another type. */
static void take_value(struct strategic *s, struct members *obj, struct str name, yyjson_mut_val *v)
{
    size_t i;
    drop_nulls(v);
    if (strategic_drop_directives(v)) {
        members_set(s, obj, name, v);
    } else if (members_get(obj, name, &i)) {
        members_drop(obj, i);
    }
}

static int merge_object(struct strategic *s, yyjson_mut_val *now, yyjson_mut_val *v,
                        const struct field_rule *rule)
{
    if (str_is(rule->strategy, "replace")) {
        json_assign(now, v);
        return 0;
    }
    yyjson_mut_val *merged;
    int rc = strategic_merge_map(s, now, v, rule->inside, &merged);
    if (rc == 0 && merged != now) {
        json_assign(now, merged);
    }
    return rc;
}

static int merge_lists(struct strategic *s, yyjson_mut_val *now, yyjson_mut_val *v,
                       const struct field_rule *rule, bool is_delete)
{
    if (!str_is(rule->strategy, "merge") && !is_delete) {
        json_assign(now, v);
        return 0;
    }
    struct value_list merged;
    int rc = strategic_merge_list(s, strategic_items(s, now), strategic_items(s, v), rule,
                                  is_delete, &merged);
    if (rc == 0) {
        json_assign(now, strategic_list(s, merged));
    }
    return rc;
}

static bool same_type(yyjson_mut_val *a, yyjson_mut_val *b)
{
    return yyjson_mut_get_type(a) == yyjson_mut_get_type(b) &&
           (!yyjson_mut_is_num(a) || yyjson_mut_is_real(a) == yyjson_mut_is_real(b));
}

static int merge_member(struct strategic *s, struct members *obj, struct str name,
                        yyjson_mut_val *v, struct spot at)
{
    size_t i;
    bool is_delete = has_prefix(name, DELETE_PREFIX);
    int rc = is_delete ? field_of(s, name, DELETE_PREFIX, &name) : 0;
    if (rc) {
        return rc;
    }
    yyjson_mut_val *now = members_get(obj, name, &i);
    if (!now && is_delete) {
        now = json_getn(obj->obj, name); /* perhaps $setElementOrder has just put it there */
        now = i < obj->names.n ? NULL : now;
    }
    if (yyjson_mut_is_null(v)) {
        if (now && i < obj->names.n) {
            members_drop(obj, i);
        }
        return 0;
    }
    if (!now || !same_type(now, v)) {
        if (!is_delete) {
            take_value(s, obj, name, v);
        }
        return 0;
    }
    struct field_rule rule = rule_of(at, name);
    if (yyjson_mut_is_obj(now)) {
        return merge_object(s, now, v, &rule);
    }
    if (yyjson_mut_is_arr(now)) {
        return merge_lists(s, now, v, &rule, is_delete);
    }
    json_assign(now, v);
    return 0;
}

static int merge_all(struct strategic *s, struct members *obj, struct members *patch,
                     struct spot at)
{
    int rc = retain_keys(s, obj, patch);
    rc = rc ? rc : set_orders(s, obj, patch, at);
    for (size_t i = 0; rc == 0 && i < patch->names.n; i++) {
        if (!patch->gone[i]) {
            rc = merge_member(s, obj, patch->names.texts[i], patch->vals[i], at);
        }
    }
    members_settle(obj);
    return rc;
}

int strategic_merge_map(struct strategic *s, yyjson_mut_val *obj, yyjson_mut_val *patch,
                        struct spot at, yyjson_mut_val **ret)
{
    yyjson_mut_val *directive = json_get(patch, DIRECTIVE);
    if (directive) {
        return follow_directive(s, patch, directive, ret);
    }
    AUTO(members_finish) struct members into = {0}, from = {0};
    members_open(&into, obj);
    members_open(&from, patch);
    *ret = obj;
    return merge_all(s, &into, &from, at);
}

int patch_strategic(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch,
                    const struct schema *schema, yyjson_mut_val **ret, struct err *err)
{
    if (!patch || yyjson_mut_is_null(tree_unconst(patch))) { /* as an empty one */
        *ret = obj;
        return 0;
    }
    if (!yyjson_mut_is_obj(tree_unconst(patch))) {
        return err_set(err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                       tree_go_kind(patch));
    }
    struct strategic s = {.d = d, .err = err};
    const struct spot root = {.node = schema_root(schema), .part = SPOT_ROOT};
    arena_init(&s.scratch, 0);
    yyjson_mut_val *merged = NULL;
    int rc = strategic_merge_map(&s, obj, json_copy(d, patch), root, &merged);
    arena_finish(&s.scratch);
    if (rc == 0) {
        *ret = merged;
    }
    return rc;
}
