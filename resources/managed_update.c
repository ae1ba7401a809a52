/* SPDX-License-Identifier: Apache-2.0 */
/* Owners after a write that is no apply, and what merge.h asks of a type. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/fieldset_priv.h"
#include "resources/managed_priv.h"
#include "resources/platform.h"
#include "resources/represent.h"

#include <stdlib.h>

#define SCALE_API_VERSION "autoscaling/v1"
#define ANCIENT "ancient-changes"
/* The name under which an update is merged before its manager gets what it changed, as in the
 * reference: so it is known whether anything was. */
#define CURRENT "current-operation"

/* ---- the type ---- */

struct str managed_api_version(const struct managed *m)
{
    return m->scale ? STR(SCALE_API_VERSION) : m->version->api_version;
}

/* Versions of another group, though it may serve the same objects, are unknown to this one, as in
 * the reference. */
static const struct type_version *find_version(const struct type *t, struct str api_version)
{
    for (size_t i = 0; i < t->n_versions; i++) {
        if (str_eq(t->versions[i].api_version, api_version)) {
            return &t->versions[i];
        }
    }
    return NULL;
}

static bool schema_of(void *arg, struct str api_version, const struct schema_node **ret)
{
    const struct managed *m = ((struct managed_rules *)arg)->m;
    *ret = NULL;
    if (m->scale) {
        return str_is(api_version, SCALE_API_VERSION);
    }
    if (str_eq(api_version, m->version->api_version)) {
        *ret = schema_root(m->version->schema);
        return true;
    }
    const struct type_version *v = find_version(m->type, api_version);
    if (v) {
        *ret = schema_root(v->schema);
    }
    return v != NULL;
}

static int convert(void *arg, const yyjson_mut_val *obj, struct str api_version,
                   yyjson_mut_val **ret, struct err *err)
{
    const struct managed_rules *r = arg;
    const struct type *t = r->m->type;
    const struct type_version *v = r->m->scale ? NULL : find_version(t, api_version);
    if (!v) {
        return err_set(err, ERR_INTERNAL, "there is no version %.*s", STR_FMT(api_version));
    }
    *ret = json_copy(r->m->doc, obj);
    return represent_convert(t, v, r->m->doc, *ret, err);
}

static const struct fieldset *reset_of(void *arg, struct str api_version)
{
    const struct managed_rules *r = arg;
    return str_eq(api_version, managed_api_version(r->m)) ? r->reset : NULL;
}

static void add_name(struct fieldset_builder *b, struct arena *a, const char *name,
                     struct fieldset *children)
{
    const struct element e = {.kind = ELEMENT_FIELD, .name = str_from(name)};
    fieldset_add(b, a, &e, true, children);
}

/* The stamps of the app platform: whatever an object is sent with, the server sets them. */
static struct fieldset *stamps(struct arena *a)
{
    static const char *const names[] = {PLATFORM_CREATED_BY, PLATFORM_UPDATED_BY,
                                        PLATFORM_UPDATED_TIMESTAMP};
    struct fieldset_builder b = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        add_name(&b, a, names[i], NULL);
    }
    return fieldset_finish(&b, a);
}

/* Made for each write, so in one go; in order. */
static const struct fieldset *strip_set(struct arena *a, const struct type *t)
{
    static const char *const names[] = {
        "clusterName",     "creationTimestamp", "generation", "managedFields", "name", "namespace",
        "resourceVersion", "selfLink",          "uid"};
    struct fieldset_builder meta = {0}, root = {0};
    if (platform_type(t)) {
        const struct element annotations = {.kind = ELEMENT_FIELD, .name = STR("annotations")};
        fieldset_add(&meta, a, &annotations, false, stamps(a));
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        add_name(&meta, a, names[i], NULL);
    }
    add_name(&root, a, "apiVersion", NULL);
    add_name(&root, a, "kind", NULL);
    add_name(&root, a, "metadata", fieldset_finish(&meta, a));
    return fieldset_finish(&root, a);
}

/* The top-level fields that this endpoint takes from the stored object whatever it is sent. */
static const struct fieldset *reset_set(const struct managed *m)
{
    const struct type_subresource *sub =
        m->subresource.len ? type_subresource(m->type, m->subresource) : NULL;
    const char *const *names = NULL;
    if (m->scale) {
        return NULL;
    }
    if (sub) {
        names = sub->resets;
    } else if (m->type->custom && m->version->status) {
        names = m->subresource.len ? type_resets_but_status : type_resets_status;
    } else if (!m->type->custom && !m->subresource.len) {
        names = m->type->strategy->resets;
    }
    struct fieldset *s = NULL;
    for (; names && *names; names++) {
        s = fieldset_union(m->arena, s, fieldset_of_names(m->arena, *names, NULL));
    }
    return s;
}

void managed_rules_init(struct managed_rules *r, const struct managed *m)
{
    *r = (struct managed_rules){
        .merge = {.arena = m->arena,
                  .doc = m->doc,
                  .api_version = managed_api_version(m),
                  .schema = schema_of,
                  .convert = convert,
                  .reset = reset_of,
                  .strip = strip_set(m->arena, m->type),
                  .arg = r},
        .m = m,
        .reset = reset_set(m),
    };
}

struct owner managed_actor(const struct managed *m, bool applied)
{
    return (struct owner){.manager = m->manager.len ? m->manager : STR("unknown"),
                          .api_version = managed_api_version(m),
                          .subresource = m->subresource,
                          .applied = applied};
}

struct str managed_now(const struct managed *m)
{
    char text[CLOCK_TEXT];
    return arena_str(m->arena, str_make(text, clock_format(m->now_us, text)));
}

/* ---- an update ---- */

int managed_merge_update(const struct managed *m, struct managed_rules *r,
                         const yyjson_mut_val *live, const yyjson_mut_val *fresh,
                         const struct owner *actor, struct ownership *o, struct err *err)
{
    struct owner current = *actor;
    current.manager = STR(CURRENT);
    int rc = merge_update(&r->merge, live ? live : m->blank, fresh, &current, o, err);
    if (rc) {
        return rc;
    }
    struct owner *made = ownership_find(o, &current);
    if (!made) {
        return 0;
    }
    struct fieldset *fields = made->fields;
    managed_drop(o, made);
    struct owner *before = ownership_find(o, actor);
    if (before) {
        before->fields = fieldset_union(m->arena, fields, before->fields);
    } else {
        before = managed_add(m->arena, o, actor);
        before->fields = fields;
    }
    before->time = managed_now(m);
    before->changed = true;
    return 0;
}

/* ---- the cap ---- */

/* Two names as they compare within the reference's identifiers, where a quote stands behind them.
 */
static int compare_names(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int r = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (r || a.len == b.len) {
        return r;
    }
    return a.len < b.len ? '"' - (int)(unsigned char)b.ptr[n] : (int)(unsigned char)a.ptr[n] - '"';
}

static int compare_age(const void *a, const void *b)
{
    const struct owner *x = a, *y = b;
    int64_t s = managed_seconds(x), t = managed_seconds(y);
    int r = (s > t) - (s < t);
    r = r ? r : compare_names(x->manager, y->manager);
    r = r ? r : compare_names(x->api_version, y->api_version);
    return r ? r : compare_names(x->subresource, y->subresource);
}

/* Puts what `old` owns into the bucket of its version: the one there is, or the first seen of that
 * version, which becomes it. *first is the bucket then. (Where `old` is itself the bucket the
 * reference loses it; here it takes the first in.) */
static void pour(const struct managed *m, struct ownership *o, struct owner *first,
                 const struct owner *old)
{
    struct owner bucket = {.manager = STR(ANCIENT), .api_version = old->api_version};
    struct owner *there = ownership_find(o, &bucket), *source = ownership_find(o, old);
    struct owner *into = there && there != source ? there : ownership_find(o, first);
    into->fields = fieldset_union(m->arena, source->fields, into->fields);
    into->time = old->time; /* the younger one */
    into->manager = bucket.manager;
    into->subresource = STR_NULL;
    into->changed = true;
    *first = *into;
    managed_drop(o, source);
}

static size_t count_updaters(const struct ownership *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++) {
        n += !o->items[i].applied;
    }
    return n;
}

/* Merges the oldest updaters, a bucket for each version, until there are few enough. */
static void cap_updaters(const struct managed *m, struct ownership *o)
{
    size_t n = 0, left = count_updaters(o);
    if (left <= LIMIT_UPDATE_MANAGERS) {
        return;
    }
    struct owner *old = arena_alloc(m->arena, left * sizeof(*old));
    for (size_t i = 0; i < o->n; i++) {
        if (!o->items[i].applied) {
            old[n++] = o->items[i];
        }
    }
    qsort(old, n, sizeof(*old), compare_age);
    for (size_t i = 0; i < n && left > LIMIT_UPDATE_MANAGERS; i++) {
        size_t first = 0;
        while (!str_eq(old[first].api_version, old[i].api_version)) {
            first++;
        }
        if (first < i) {
            pour(m, o, &old[first], &old[i]);
            left--;
        }
    }
}

/* ---- the whole ---- */

/* The owners before: those that the request carries, or, where it carries none that can be read,
 * the stored ones. */
static void owners_before(const struct managed *m, const struct managed_before *b,
                          struct ownership *o, bool *ret_any, bool *ret_move)
{
    *o = (struct ownership){0};
    *ret_any = *ret_move = false;
    if (b->reset && !m->subresource.len) {
        return;
    }
    if (b->given && !m->subresource.len &&
        managed_read(m->arena, b->given, o, ret_any, NULL) == 0 && *ret_any) {
        for (size_t i = 0; i < o->n; i++) {
            o->items[i].changed = true; /* written anew, in the one form */
        }
        return;
    }
    *ret_move = b->move;
    if (managed_read(m->arena, b->was, o, ret_any, NULL)) {
        *o = (struct ownership){0};
        *ret_any = false;
    }
}

static void keep(const struct managed *m, const struct managed_before *b, yyjson_mut_val *fresh)
{
    managed_attach(m->doc, fresh, b->was && !b->move ? json_copy(m->doc, b->was) : b->was);
}

int managed_update(const struct managed *m, const yyjson_mut_val *live,
                   const struct managed_before *b, yyjson_mut_val *fresh, struct err *err)
{
    struct ownership o;
    bool any, move;
    owners_before(m, b, &o, &any, &move);
    if (!any && live) {
        managed_attach(m->doc, fresh, NULL); /* nobody was tracked, so nobody is */
        return 0;
    }
    struct managed_rules r;
    managed_rules_init(&r, m);
    struct owner actor = managed_actor(m, false);
    AUTO(err_finish) struct err why = {0};
    int rc = managed_merge_update(m, &r, live, fresh, &actor, &o, &why);
    if (rc == ERR_UNAVAILABLE) {
        return err_move(err, &why);
    }
    if (rc) {
        keep(m, b, fresh);
        return 0;
    }
    cap_updaters(m, &o);
    managed_attach(m->doc, fresh, managed_write(&o, move, m->arena, m->doc));
    return 0;
}
