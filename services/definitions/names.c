/* SPDX-License-Identifier: Apache-2.0 */
/* Which definition has which names. Within a group no two types share a plural, singular or short
 * name, nor a kind; who was there first keeps it, the other waits until it is free. Rules: the
 * naming controller of the reference. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "services/definitions/definitions_priv.h"

/* ---- the table ---- */

static size_t place(const struct definitions *s, struct str name)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(s->items[mid]->name, name) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct definition *definition_find(struct definitions *s, struct str name)
{
    size_t i = place(s, name);
    return i < s->n && str_eq(s->items[i]->name, name) ? s->items[i] : NULL;
}

void definition_destroy(struct definition *f)
{
    if (f) {
        arena_finish(&f->arena);
        free(f);
    }
}

static void put(struct definitions *s, struct definition *f)
{
    size_t i = place(s, f->name);
    if (i < s->n && str_eq(s->items[i]->name, f->name)) {
        definition_destroy(s->items[i]);
        s->items[i] = f;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->items = alloc_resize(s->items, s->cap * sizeof(*s->items));
    }
    memmove(&s->items[i + 1], &s->items[i], (s->n - i) * sizeof(*s->items));
    s->items[i] = f;
    s->n++;
}

static yyjson_mut_val *no_names(yyjson_mut_doc *d)
{
    yyjson_mut_val *v = yyjson_mut_obj(d);
    json_set_str(d, v, "plural", STR(""));
    json_set_str(d, v, "kind", STR(""));
    return v;
}

struct definition *definition_note(struct definitions *s, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *meta = json_get(obj, "metadata"), *spec = json_get(obj, "spec");
    const struct definition *was = definition_find(s, json_get_str(meta, "name"));
    struct definition *f = ALLOC(struct definition);
    arena_init(&f->arena, 0);
    f->doc = json_doc(&f->arena);
    f->name = arena_str(&f->arena, json_get_str(meta, "name"));
    f->group = arena_str(&f->arena, json_get_str(spec, "group"));
    f->requested = json_copy(f->doc, json_get(spec, "names"));
    f->accepted = was ? json_copy(f->doc, was->accepted) : no_names(f->doc);
    f->deleting = json_get_str(meta, "deletionTimestamp").len > 0;
    f->generation = json_get_int(meta, "generation", 0);
    if (was) {
        f->names_accepted = was->names_accepted;
        f->established = was->established;
        f->reason = arena_str(&f->arena, was->reason);
        f->message = arena_str(&f->arena, was->message);
        f->served = was->served;
        f->renamed = was->renamed;
        f->due = was->due;
        f->rev = was->rev;
        f->born = was->born;
    }
    put(s, f);
    return f;
}

/* ---- what is taken ---- */

static bool list_has(const yyjson_mut_val *list, struct str name)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (str_eq(json_str(it.val), name)) {
            return true;
        }
    }
    return false;
}

static bool shipped_has_resource(const struct type *t, struct str name)
{
    bool has = str_eq(t->resource, name) || str_eq(t->singular, name);
    for (size_t i = 0; i < t->n_short_names; i++) {
        has = has || str_eq(t->short_names[i], name);
    }
    return has;
}

/* By a type that the server ships in the same group. */
static bool taken_by_shipped(struct definitions *s, struct str group, struct str name, bool kind)
{
    struct registry_snapshot *types = registry_ref(s->registry);
    const struct registry_group *g = registry_find_group(types, group);
    bool taken = false;
    for (size_t i = 0; g && i < g->n_types && !taken; i++) {
        const struct type *t = g->types[i];
        if (!t->definition_key.ptr) {
            taken = kind ? str_eq(t->kind, name) || str_eq(t->list_kind, name)
                         : shipped_has_resource(t, name);
        }
    }
    registry_snapshot_unref(types);
    return taken;
}

static bool is_taken(struct definitions *s, const struct definition *f, struct str name,
                     enum taken_what what)
{
    return taken_has(&s->taken, f->group, what, name) ||
           taken_by_shipped(s, f->group, name, what == TAKEN_KIND);
}

typedef void taken_change_fn(struct taken *t, struct str group, enum taken_what what,
                             struct str name);

static void each_name(struct definitions *s, const struct definition *f, taken_change_fn *change)
{
    static const struct {
        const char *key;
        enum taken_what what;
    } names[] = {{"plural", TAKEN_RESOURCE},
                 {"singular", TAKEN_RESOURCE},
                 {"kind", TAKEN_KIND},
                 {"listKind", TAKEN_KIND}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct str name = json_get_str(f->accepted, names[i].key);
        if (name.len) {
            change(&s->taken, f->group, names[i].what, name);
        }
    }
    struct json_iter it = json_iter(json_get(f->accepted, "shortNames"));
    while (json_next(&it)) {
        change(&s->taken, f->group, TAKEN_RESOURCE, json_str(it.val));
    }
}

void definition_accept(struct definitions *s, struct definition *f, yyjson_mut_val *names)
{
    each_name(s, f, taken_drop);
    f->accepted = names;
    each_name(s, f, taken_add);
}

void definition_forget(struct definitions *s, struct str name)
{
    size_t i = place(s, name);
    if (i < s->n && str_eq(s->items[i]->name, name)) {
        each_name(s, s->items[i], taken_drop);
        definition_destroy(s->items[i]);
        s->n--;
        memmove(&s->items[i], &s->items[i + 1], (s->n - i) * sizeof(*s->items));
    }
}

/* ---- settling ---- */

static void conflict(struct definition *f, const char *reason, const char *message)
{
    f->names_accepted = false;
    f->reason = str_from(reason);
    f->message = str_from(message);
}

static const char *in_use(struct definition *f, struct str name)
{
    return arena_printf(&f->arena, "\"%.*s\" is already in use", STR_FMT(name));
}

/* One name: it is had already, or free, or a conflict. `got` collects what is had from now on. */
static void settle_one(struct definitions *s, struct definition *f, yyjson_mut_val *got,
                       const char *key, enum taken_what what, const char *reason)
{
    struct str want = json_get_str(f->requested, key);
    if (str_eq(want, json_get_str(f->accepted, key)) || !is_taken(s, f, want, what)) {
        json_set_str(f->doc, got, key, want.ptr ? want : STR(""));
    } else {
        conflict(f, reason, in_use(f, want));
    }
}

static void settle_short_names(struct definitions *s, struct definition *f, yyjson_mut_val *got)
{
    const yyjson_mut_val *want = json_get(f->requested, "shortNames"),
                         *had = json_get(f->accepted, "shortNames");
    AUTO(buf_finish) struct buf faults = {0};
    size_t n = 0;
    struct json_iter it = json_iter(want);
    while (json_next(&it)) {
        struct str name = json_str(it.val);
        if (!list_has(had, name) && is_taken(s, f, name, TAKEN_RESOURCE)) {
            buf_printf(&faults, "%s%s", n++ ? ", " : "", in_use(f, name));
        }
    }
    if (n) {
        conflict(f, "ShortNamesConflict",
                 n > 1 ? arena_printf(&f->arena, "[%.*s]", STR_FMT(buf_str(&faults)))
                       : arena_printf(&f->arena, "%.*s", STR_FMT(buf_str(&faults))));
        want = had;
    }
    if (json_size(want)) {
        json_setz(f->doc, got, "shortNames", json_copy(f->doc, want));
    }
}

/* Empty names other than plural and kind are left out, as they are in a status. */
static void drop_empty(yyjson_mut_val *names)
{
    static const char *const keys[] = {"singular", "listKind"};
    for (size_t i = 0; i < 2; i++) {
        if (!json_get_str(names, keys[i]).len) {
            json_remove(names, keys[i]);
        }
    }
}

void definition_settle(struct definitions *s, struct definition *f)
{
    yyjson_mut_val *got = json_copy(f->doc, f->accepted);
    f->names_accepted = true;
    f->reason = STR("NoConflicts");
    f->message = STR("no conflicts found");
    json_remove(got, "shortNames");
    json_remove(got, "categories");
    settle_one(s, f, got, "plural", TAKEN_RESOURCE, "PluralConflict");
    settle_one(s, f, got, "singular", TAKEN_RESOURCE, "SingularConflict");
    settle_short_names(s, f, got);
    settle_one(s, f, got, "kind", TAKEN_KIND, "KindConflict");
    settle_one(s, f, got, "listKind", TAKEN_KIND, "ListKindConflict");
    if (json_size(json_get(f->requested, "categories"))) {
        json_setz(f->doc, got, "categories",
                  json_copy(f->doc, json_get(f->requested, "categories")));
    }
    drop_empty(got);
    f->renamed = f->renamed || (f->served && !json_equal(f->accepted, got));
    definition_accept(s, f, got);
    f->established = f->established || f->names_accepted;
}

void definition_recheck_group(struct definitions *s, struct str group, struct str but)
{
    for (size_t i = 0; i < s->n; i++) {
        struct definition *f = s->items[i];
        if (!f->names_accepted && str_eq(f->group, group) && !str_eq(f->name, but)) {
            f->due = true;
            s->any_due = true;
        }
    }
}
