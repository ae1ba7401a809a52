/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership of fields: what a write takes from whom (the reference's merge.Updater, and the field
 * managers around it that strip what nobody owns). */
#include "resources/merge.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "resources/merge_priv.h"

static bool same_owner(const struct owner *a, const struct owner *b)
{
    return a->applied == b->applied && str_eq(a->manager, b->manager) &&
           str_eq(a->subresource, b->subresource) &&
           (a->applied || str_eq(a->api_version, b->api_version));
}

struct owner *ownership_find(const struct ownership *o, const struct owner *identity)
{
    for (size_t i = 0; i < o->n; i++) {
        if (same_owner(&o->items[i], identity)) {
            return &o->items[i];
        }
    }
    return NULL;
}

static struct owner *ownership_add(struct ownership *o, struct arena *a, const struct owner *who)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 8;
        struct owner *items = arena_alloc(a, o->cap * sizeof(*items));
        if (o->n) {
            memcpy(items, o->items, o->n * sizeof(*items));
        }
        o->items = items;
    }
    o->items[o->n] = *who;
    return &o->items[o->n++];
}

static void ownership_drop_empty(struct ownership *o)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->n; i++) {
        if (o->items[i].fields) {
            o->items[kept++] = o->items[i];
        }
    }
    o->n = kept;
}

/* ---- versions ---- */

const struct schema_node *merge_schema(const struct merge *m)
{
    const struct schema_node *n = NULL;
    return m->schema(m->arg, m->api_version, &n) ? n : NULL;
}

/* Whether an object that the caller did not send fits; if not, that is nothing a client can mend.
 */
static int check_own(const struct merge *m, const struct schema_node *n, const yyjson_mut_val *obj,
                     bool duplicates, const char *what, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    if (typed_check(n, obj, duplicates, m->arena, &why) == 0) {
        return 0;
    }
    return err_set(err, ERR_INTERNAL, "failed to create typed %s: %s", what, err_message(&why));
}

int versioned_convert(const struct merge *m, const struct versioned *v, struct str version,
                      struct versioned *ret, struct err *err)
{
    if (str_eq(version, v->version)) {
        *ret = *v;
        return 1;
    }
    const struct schema_node *n = NULL;
    yyjson_mut_val *obj = NULL;
    if (!m->schema(m->arg, version, &n)) {
        return 0;
    }
    if (v->obj) {
        int code = m->convert(m->arg, v->obj, version, &obj, err);
        code = code < 0 ? code : check_own(m, n, obj, false, "converted object", err);
        if (code < 0) {
            return code;
        }
    }
    *ret = (struct versioned){obj, version, n};
    return 1;
}

/* ---- what differs, in each version that an owner has ---- */

struct version_diff {
    struct str version;
    bool gone;
    struct fieldset *taken, *touched; /* changed or added; and removed too */
};

struct diffs {
    const struct merge *m;
    struct versioned old, fresh;
    struct version_diff *items;
    size_t n;
};

static int diff_make(struct diffs *d, struct str version, struct version_diff *ret, struct err *err)
{
    const struct merge *m = d->m;
    struct arena *a = m->arena;
    struct versioned old, fresh;
    struct typed_diff diff;
    *ret = (struct version_diff){.version = version};
    int code = versioned_convert(m, &d->old, version, &old, err);
    code = code <= 0 ? code : versioned_convert(m, &d->fresh, version, &fresh, err);
    if (code <= 0) {
        ret->gone = true;
        return code;
    }
    code = typed_compare(fresh.schema, old.obj, fresh.obj, a, &diff, err);
    if (code < 0) {
        return code;
    }
    const struct fieldset *reset = m->reset ? m->reset(m->arg, version) : NULL;
    ret->taken = fieldset_difference_deep(a, fieldset_union(a, diff.modified, diff.added), reset);
    ret->touched = fieldset_union(a, ret->taken, fieldset_difference_deep(a, diff.removed, reset));
    return 0;
}

static int diff_in(struct diffs *d, struct str version, const struct version_diff **ret,
                   struct err *err)
{
    for (size_t i = 0; i < d->n; i++) {
        if (str_eq(d->items[i].version, version)) {
            *ret = &d->items[i];
            return 0;
        }
    }
    struct version_diff *at = &d->items[d->n];
    int code = diff_make(d, version, at, err);
    if (code < 0) {
        return code;
    }
    d->n++;
    *ret = at;
    return 0;
}

/* cap: versions there may be, owners and one. */
static int diffs_init(struct diffs *d, const struct merge *m, const yyjson_mut_val *old,
                      const yyjson_mut_val *fresh, size_t cap, struct err *err)
{
    const struct schema_node *n = merge_schema(m);
    const struct version_diff *own;
    *d = (struct diffs){
        .m = m, .old = {old, m->api_version, n}, .fresh = {fresh, m->api_version, n}};
    d->items = arena_alloc(m->arena, cap * sizeof(*d->items));
    return diff_in(d, m->api_version, &own, err);
}

/* ---- owners ---- */

static void set_fields(struct owner *w, struct fieldset *fields)
{
    w->changed = w->changed || !fieldset_equal(w->fields, fields);
    w->fields = fields;
}

/* A copy of all owners as the schema sees their fields now; those of versions that are gone are
 * left out. */
static int reconcile_all(const struct merge *m, const struct ownership *o, struct ownership *ret,
                         struct err *err)
{
    *ret = (struct ownership){.cap = o->n + 1};
    ret->items = arena_alloc(m->arena, ret->cap * sizeof(*ret->items));
    for (size_t i = 0; i < o->n; i++) {
        struct owner *w = &ret->items[ret->n];
        struct fieldset *fields;
        const struct schema_node *n = NULL;
        if (!m->schema(m->arg, o->items[i].api_version, &n)) {
            continue;
        }
        *w = o->items[i];
        w->changed = false;
        int code = typed_reconcile(n, NULL, w->fields, m->arena, &fields, err);
        if (code < 0) {
            return code;
        }
        set_fields(w, fields);
        ret->n++;
    }
    return 0;
}

/* Takes from every owner but `spared` what was changed; without force that is refused where
 * somebody owns it. */
static int take_fields(struct diffs *d, struct ownership *o, const struct owner *spared, bool force,
                       struct err *err)
{
    struct arena *a = d->m->arena;
    struct conflict *conflicts = force ? NULL : arena_alloc(a, o->n * sizeof(*conflicts));
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct owner *w = &o->items[i];
        const struct version_diff *diff;
        if (w == spared) {
            continue;
        }
        int code = diff_in(d, w->api_version, &diff, err);
        if (code < 0) {
            return code;
        }
        if (conflicts && !diff->gone) {
            conflicts[n] = (struct conflict){w, fieldset_intersection(a, w->fields, diff->taken)};
            n += conflicts[n].fields != NULL;
        }
    }
    if (n) {
        return merge_refuse(conflicts, n, err);
    }
    for (size_t i = 0; i < o->n; i++) {
        struct owner *w = &o->items[i];
        const struct version_diff *diff;
        if (w != spared && diff_in(d, w->api_version, &diff, NULL) == 0) {
            set_fields(w, diff->gone ? NULL : fieldset_difference(a, w->fields, diff->touched));
        }
    }
    return 0;
}

/* ---- the two ---- */

int merge_update(const struct merge *m, const yyjson_mut_val *live, const yyjson_mut_val *fresh,
                 const struct owner *who, struct ownership *o, struct err *err)
{
    const struct schema_node *n = merge_schema(m);
    struct arena *a = m->arena;
    struct ownership now;
    struct diffs d;
    int code = typed_check(n, fresh, true, a, err);
    code = code < 0 || !live ? code : typed_check(n, live, true, a, err);
    code = code < 0 ? code : reconcile_all(m, o, &now, err);
    code = code < 0 ? code : diffs_init(&d, m, live, fresh, now.n + 1, err);
    code = code < 0 ? code : take_fields(&d, &now, NULL, true, err);
    if (code < 0) {
        return code;
    }
    struct fieldset *took = fieldset_difference(a, d.items[0].taken, m->strip);
    if (took) {
        struct owner fresh_owner = *who;
        fresh_owner.applied = false;
        fresh_owner.api_version = m->api_version;
        fresh_owner.fields = NULL;
        struct owner *w = ownership_find(&now, &fresh_owner);
        w = w ? w : ownership_add(&now, a, &fresh_owner);
        w->fields = fieldset_union(a, w->fields, took);
        w->changed = true; /* even where it had them all: they are of now */
    }
    ownership_drop_empty(&now);
    *o = now;
    return 0;
}

int merge_apply(const struct merge *m, const yyjson_mut_val *live, const yyjson_mut_val *applied,
                const struct owner *who, bool force, struct ownership *o, yyjson_mut_val **ret,
                struct err *err)
{
    const struct schema_node *n = merge_schema(m);
    struct arena *a = m->arena;
    struct ownership now;
    int code = typed_check(n, applied, false, a, err);
    code = code < 0 || !live ? code : check_own(m, n, live, true, "live object", err);
    code = code < 0 ? code : reconcile_all(m, o, &now, err);
    yyjson_mut_val *merged = NULL;
    code = code < 0 ? code : typed_merge(n, live, applied, m->doc, &merged, err);
    if (code < 0) {
        return code;
    }
    struct owner fresh = *who, last = {0};
    fresh.applied = true;
    fresh.api_version = m->api_version;
    fresh.changed = true;
    code = typed_fields(n, applied, a, &fresh.fields, err);
    const struct fieldset *reset = m->reset ? m->reset(m->arg, m->api_version) : NULL;
    fresh.fields = fieldset_difference_deep(a, fresh.fields, reset);
    struct owner *w = ownership_find(&now, &fresh);
    if (w) {
        last = *w;
        fresh.time = w->time;
        fresh.tag = w->tag;
        *w = fresh;
    } else {
        w = ownership_add(&now, a, &fresh);
    }
    const yyjson_mut_val *pruned;
    struct diffs d;
    code = code < 0 ? code : merge_prune(m, merged, &now, w, &last, &pruned, err);
    code = code < 0 ? code : diffs_init(&d, m, live, pruned, now.n + 1, err);
    code = code < 0 ? code : take_fields(&d, &now, w, force, err);
    if (code < 0) {
        return code;
    }
    w->fields = fieldset_difference(a, w->fields, m->strip);
    w->changed = last.changed || !fieldset_equal(w->fields, last.fields) ||
                 !str_eq(w->api_version, last.api_version);
    ownership_drop_empty(&now);
    *o = now;
    *ret = live && json_equal(live, pruned) ? NULL : json_mut(pruned);
    return 0;
}
