/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of ObjectMeta, with the reference's causes. On an update of a custom resource or a
 * definition the reference validates most of it thrice (for all kinds, for all updates, in the
 * kind's own strategy), so a fault is three causes there; the message shows it once. Of the other
 * types it drops what is repeated. */
#include "resources/metadata_priv.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"
#include "resources/tree_priv.h"

#include <stdlib.h>
#include <string.h>

#define IMMUTABLE "field is immutable"
enum { MANAGER_MAX = 128, SUBRESOURCE_MAX = 256 };

struct check {
    const struct type *t;
    const yyjson_mut_val *meta, *was; /* was: NULL on create */
    const struct path *at;
    struct causes *c;
};

#define AT(k, name) PATH_FIELD((k)->at, STR(name))

static void check_labels(const struct check *k)
{
    const struct path *at = AT(k, "labels");
    struct json_iter it = json_iter(json_get(k->meta, "labels"));
    while (it.container && json_next(&it)) {
        struct name_faults key = {0}, value = {0};
        name_faults_qualified(json_str(it.key), &key);
        name_faults_add(&key, json_str(it.key), at, k->c);
        name_faults_label_value(json_str(it.val), &value);
        name_faults_add(&value, json_str(it.val), at, k->c);
    }
}

/* A qualified name but for case. */
static void check_annotation_key(const struct check *k, struct str key, const struct path *at)
{
    char lower[1024]; /* longer ones are too long in any case */
    struct str folded = key;
    if (key.len <= sizeof(lower)) {
        for (size_t i = 0; i < key.len; i++) {
            char c = key.ptr[i];
            lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        }
        folded = str_make(lower, key.len);
    }
    if (!name_is_qualified(folded)) {
        struct name_faults f = {0};
        name_faults_qualified(folded, &f);
        name_faults_add(&f, key, at, k->c);
    }
}

static void check_annotations(const struct check *k)
{
    const struct path *at = AT(k, "annotations");
    size_t total = 0;
    struct json_iter it = json_iter(json_get(k->meta, "annotations"));
    while (it.container && json_next(&it)) {
        check_annotation_key(k, json_str(it.key), at);
        total += json_str(it.key).len + json_str(it.val).len;
    }
    if (total > LIMIT_ANNOTATIONS_BYTES) {
        causes_add(k->c, CAUSE_TOO_LONG, at, NULL, "may not be more than %u bytes",
                   LIMIT_ANNOTATIONS_BYTES);
    }
}

static void check_owner(const struct check *k, yyjson_mut_val *ref, const struct path *at)
{
    static const char *const needed[] = {"kind", "name", "uid"};
    yyjson_mut_val *api = json_get(ref, "apiVersion");
    struct str version, group = str_cut(json_str(api), '/', &version);
    if (!json_str(api).len) {
        causes_add(k->c, CAUSE_REQUIRED, PATH_FIELD(at, STR("apiVersion")), NULL,
                   "must not be empty");
    } else if (version.ptr && (!version.len || memchr(version.ptr, '/', version.len))) {
        causes_add(k->c, CAUSE_INVALID, PATH_FIELD(at, STR("apiVersion")), api,
                   "must be <group>/<version> or <version>");
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
        if (!json_get_str(ref, needed[i]).len) {
            causes_add(k->c, CAUSE_REQUIRED, PATH_FIELD(at, str_from(needed[i])), NULL,
                       "must not be empty");
        }
    }
    if (!version.ptr && str_is(group, "v1") && str_is(json_get_str(ref, "kind"), "Event")) {
        causes_add(k->c, CAUSE_INVALID, at, ref,
                   "/v1, Kind=Event is disallowed from being an owner");
    }
}

/* The list as Go writes it: members in the order of OwnerReference. */
static struct str owners_text(struct arena *a, const yyjson_mut_val *list)
{
    static const char *const members[] = {"apiVersion", "kind",       "name",
                                          "uid",        "controller", "blockOwnerDeletion"};
    AUTO(buf_finish) struct buf b = {0};
    struct json_iter it = json_iter(list);
    buf_addc(&b, '[');
    while (json_next(&it)) {
        buf_addz(&b, it.index ? ",{" : "{");
        for (size_t i = 0, n = 0; i < sizeof(members) / sizeof(*members); i++) {
            yyjson_mut_val *v = json_get(it.val, members[i]);
            if (v || i < 4) {
                buf_printf(&b, "%s\"%s\":", n++ ? "," : "", members[i]);
                v ? json_write(&b, v) : buf_addz(&b, "\"\"");
            }
        }
        buf_addc(&b, '}');
    }
    buf_addc(&b, ']');
    return arena_str(a, buf_str(&b));
}

static void check_owners(const struct check *k)
{
    const struct path *at = AT(k, "ownerReferences");
    yyjson_mut_val *list = json_get(k->meta, "ownerReferences"), *first = NULL;
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        check_owner(k, it.val, PATH_INDEX(at, it.index));
        if (!json_get_bool(it.val, "controller")) {
            continue;
        }
        if (first && k->c->dropped) {
            return; /* each of these faults shows the whole list */
        }
        if (first) {
            causes_add_text(
                k->c, CAUSE_INVALID, at, owners_text(k->c->arena, list),
                "Only one reference can have Controller set to true. Found \"true\" in "
                "references for %.*s/%.*s and %.*s/%.*s",
                STR_FMT(json_get_str(first, "kind")), STR_FMT(json_get_str(first, "name")),
                STR_FMT(json_get_str(it.val, "kind")), STR_FMT(json_get_str(it.val, "name")));
        } else {
            first = it.val;
        }
    }
}

static void check_finalizers(const struct check *k)
{
    const struct path *at = AT(k, "finalizers");
    yyjson_mut_val *list = json_get(k->meta, "finalizers");
    bool orphan = false, foreground = false;
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        struct str name = json_str(it.val);
        struct name_faults f = {0};
        name_faults_qualified(name, &f);
        name_faults_add(&f, name, at, k->c);
        orphan = orphan || str_is(name, "orphan");
        foreground = foreground || str_is(name, "foregroundDeletion");
    }
    if (orphan && foreground) {
        causes_add(k->c, CAUSE_INVALID, at, list,
                   "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

static bool is_standard_finalizer(struct str name)
{
    return str_is(name, "orphan") || str_is(name, "foregroundDeletion") ||
           str_is(name, "kubernetes");
}

/* The core group's own rule. */
static void check_core_finalizers(const struct check *k)
{
    const struct path *at = AT(k, "finalizers");
    struct json_iter it = json_iter(json_get(k->meta, "finalizers"));
    while (it.container && json_next(&it)) {
        struct str name = json_str(it.val);
        if (!(name.len && memchr(name.ptr, '/', name.len)) && !is_standard_finalizer(name)) {
            causes_add(k->c, CAUSE_INVALID, PATH_INDEX(at, it.index), it.val,
                       "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

static void check_managed_entry(const struct check *k, yyjson_mut_val *entry, const struct path *at)
{
    static const struct str operations[] = {{"Apply", 5}, {"Update", 6}};
    yyjson_mut_val *op = json_get(entry, "operation"), *type = json_get(entry, "fieldsType");
    if (!json_str(op).len) {
        causes_add(k->c, CAUSE_REQUIRED, PATH_FIELD(at, STR("operation")), NULL,
                   "must not be empty");
    } else if (!str_eq(json_str(op), operations[0]) && !str_eq(json_str(op), operations[1])) {
        causes_add_unsupported(k->c, PATH_FIELD(at, STR("operation")), op, operations, 2);
    }
    if (json_str(type).len && !str_is(json_str(type), "FieldsV1")) {
        causes_add(k->c, CAUSE_INVALID, PATH_FIELD(at, STR("fieldsType")), type,
                   "must be `FieldsV1`");
    }
    if (json_get_str(entry, "manager").len > MANAGER_MAX) {
        causes_add(k->c, CAUSE_TOO_LONG, PATH_FIELD(at, STR("manager")), NULL,
                   "may not be more than %d bytes", MANAGER_MAX);
    }
    if (json_get_str(entry, "subresource").len > SUBRESOURCE_MAX) {
        causes_add(k->c, CAUSE_TOO_LONG, PATH_FIELD(at, STR("subresource")), NULL,
                   "may not be more than %d bytes", SUBRESOURCE_MAX);
    }
}

static void check_managed(const struct check *k)
{
    const struct path *at = AT(k, "managedFields");
    struct json_iter it = json_iter(json_get(k->meta, "managedFields"));
    while (it.container && json_next(&it)) {
        check_managed_entry(k, it.val, PATH_INDEX(at, it.index));
    }
}

static void check_name(const struct check *k, struct str name, bool is_prefix,
                       const struct path *at)
{
    if (k->was) { /* an update only asks that it can stand in a path */
        name_path_segment(name, is_prefix, at, k->c);
    } else if (k->t->strategy->name) {
        k->t->strategy->name(k->t->self, name, is_prefix, at, k->c);
    } else {
        name_dns1123_subdomain(name, is_prefix, at, k->c);
    }
}

static void check_generation(const struct check *k)
{
    yyjson_mut_val *v = json_get(k->meta, "generation");
    if (json_get_int(k->meta, "generation", 0) < 0) {
        causes_add(k->c, CAUSE_INVALID, AT(k, "generation"), v,
                   "must be greater than or equal to 0");
    }
}

static void check_namespace(const struct check *k)
{
    struct str ns = json_get_str(k->meta, "namespace");
    if (k->t->namespaced && !ns.len) {
        causes_add(k->c, CAUSE_REQUIRED, AT(k, "namespace"), NULL, NULL);
    } else if (k->t->namespaced) {
        name_dns1123_label(ns, false, AT(k, "namespace"), k->c);
    } else if (ns.len) {
        causes_add(k->c, CAUSE_FORBIDDEN, AT(k, "namespace"), NULL, "not allowed on this type");
    }
}

/* What holds at any time (ValidateObjectMetaAccessor). */
static void check_always(const struct check *k)
{
    struct str prefix = json_get_str(k->meta, "generateName"), name = json_get_str(k->meta, "name");
    if (prefix.len) {
        check_name(k, prefix, true, AT(k, "generateName"));
    }
    if (name.len) {
        check_name(k, name, false, AT(k, "name"));
    } else {
        causes_add(k->c, CAUSE_REQUIRED, AT(k, "name"), NULL, "name or generateName is required");
    }
    check_namespace(k);
    check_generation(k);
    check_labels(k);
    check_annotations(k);
    check_owners(k);
    check_finalizers(k);
    check_managed(k);
}

static int compare_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool sorted_holds(const struct str *items, size_t n, struct str s)
{
    return n && bsearch(&s, items, n, sizeof(*items), compare_text);
}

/* The texts of a list, sorted, each once. The caller frees. */
static struct str *sorted_texts(const yyjson_mut_val *list, size_t *ret_n)
{
    size_t n = yyjson_mut_arr_size(tree_unconst(list)), kept = 0;
    struct str *items = alloc_bytes((n ? n : 1) * sizeof(*items));
    struct json_iter it = json_iter(list);
    for (size_t i = 0; i < n && json_next(&it); i++) {
        items[i] = json_str(it.val);
    }
    qsort(items, n, sizeof(*items), compare_text);
    for (size_t i = 0; i < n; i++) {
        if (!i || !str_eq(items[i], items[kept - 1])) {
            items[kept++] = items[i];
        }
    }
    *ret_n = kept;
    return items;
}

/* The finalizers that meta has and was lacks, sorted. The caller frees. */
static struct str *new_finalizers(const yyjson_mut_val *meta, const yyjson_mut_val *was,
                                  size_t *ret_n)
{
    size_t n_old, n_new, n = 0;
    AUTO_FREE struct str *before = sorted_texts(json_get(was, "finalizers"), &n_old);
    struct str *now = sorted_texts(json_get(meta, "finalizers"), &n_new);
    for (size_t i = 0; i < n_new; i++) {
        if (!sorted_holds(before, n_old, now[i])) {
            now[n++] = now[i];
        }
    }
    *ret_n = n;
    return now;
}

static void check_no_new_finalizers(const struct check *k)
{
    size_t n;
    AUTO_FREE struct str *added = new_finalizers(k->meta, k->was, &n);
    if (!n) {
        return;
    }
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < n; i++) {
        buf_addz(&b, i ? ", " : "");
        quote_go(&b, added[i]);
    }
    causes_add(k->c, CAUSE_FORBIDDEN, AT(k, "finalizers"), NULL,
               "no new finalizers can be added if the object is being deleted, found new "
               "finalizers []string{%.*s}",
               STR_FMT(buf_str(&b)));
}

/* An absent member shows as Go's zero value of its type. */
static void check_immutable(const struct check *k, const char *key, const char *zero)
{
    yyjson_mut_val *now = json_get(k->meta, key), *before = json_get(k->was, key);
    if (now == before || (now && before && json_equal(now, before))) {
        return;
    }
    const struct path *at = PATH_FIELD(k->at, str_from(key));
    if (now) {
        causes_add(k->c, CAUSE_INVALID, at, now, IMMUTABLE);
    } else {
        causes_add_text(k->c, CAUSE_INVALID, at, str_from(zero), IMMUTABLE);
    }
}

/* What an update must hold besides (ValidateObjectMetaAccessorUpdate). resourceVersion is the
 * engine's. */
static void check_change(const struct check *k)
{
    if (json_get(k->was, "deletionTimestamp")) {
        check_no_new_finalizers(k);
    }
    if (json_get_int(k->meta, "generation", 0) < json_get_int(k->was, "generation", 0)) {
        causes_add(k->c, CAUSE_INVALID, AT(k, "generation"), json_get(k->meta, "generation"),
                   "must not be decremented");
    }
    check_immutable(k, "name", "\"\"");
    check_immutable(k, "namespace", "\"\"");
    check_immutable(k, "uid", "\"\"");
    check_immutable(k, "creationTimestamp", "null");
    check_immutable(k, "deletionTimestamp", "null");
    check_immutable(k, "deletionGracePeriodSeconds", "null");
}

static void check_again(const struct check *k)
{
    check_generation(k);
    check_change(k);
    check_labels(k);
    check_annotations(k);
    check_owners(k);
    check_managed(k);
}

static void check_update(const struct check *k)
{
    if (!k->t->custom && !str_is(k->t->group, "apiextensions.k8s.io")) {
        check_change(k);
        return;
    }
    size_t mark = k->c->n;
    check_again(k);
    if (k->c->n > mark) {
        check_again(k);
    }
}

/* Custom types take finalizers without a domain, with a warning for each that is new. */
static void warn_of_finalizers(const struct check *k, struct warnings *w)
{
    size_t n;
    AUTO_FREE struct str *added = new_finalizers(k->meta, k->was, &n);
    for (size_t i = 0; i < n; i++) {
        struct str name = added[i];
        if (!name_is_qualified(name) || memchr(name.ptr, '/', name.len) ||
            is_standard_finalizer(name)) {
            continue;
        }
        AUTO(buf_finish) struct buf q = {0};
        quote_go(&q, name);
        warnings_add(w,
                     "metadata.finalizers: %.*s: prefer a domain-qualified finalizer name %sto "
                     "avoid accidental conflicts with other finalizer writers",
                     STR_FMT(buf_str(&q)),
                     memchr(name.ptr, '.', name.len) ? "including a path (/) " : "");
    }
}

void metadata_validate_map(const yyjson_mut_val *meta, bool labels, struct causes *c)
{
    const struct check k = {.meta = meta, .at = PATH_FIELD(NULL, STR("metadata")), .c = c};
    if (labels) {
        check_labels(&k);
    } else {
        check_annotations(&k);
    }
}

void metadata_validate(const struct type *t, const yyjson_mut_val *obj, const yyjson_mut_val *old,
                       struct causes *c, struct warnings *w)
{
    struct check k = {
        .t = t,
        .meta = metadata_of(obj),
        .was = old ? metadata_of(old) : NULL,
        .at = PATH_FIELD(NULL, STR("metadata")),
        .c = c,
    };
    size_t before = c->n;
    check_always(&k);
    if (k.was) {
        check_update(&k);
    }
    if (!t->custom && !t->group.len && !str_is(t->kind, "Event")) {
        check_core_finalizers(&k);
    }
    if (t->custom && w && c->n == before && json_get(k.meta, "finalizers")) {
        warn_of_finalizers(&k, w);
    }
}
