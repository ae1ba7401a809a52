/* SPDX-License-Identifier: Apache-2.0 */
/* From a definition to a type in the registry: after each commit, and for all stored definitions at
 * the start. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/represent.h"
#include "resources/text.h"
#include "services/definitions/definitions_priv.h"

/* ---- compiling ---- */

static const struct str *keep_list(struct type *t, const yyjson_mut_val *list, size_t *ret_n)
{
    struct str *items = arena_alloc(&t->arena, (json_size(list) + 1) * sizeof(*items));
    size_t n = 0;
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        items[n++] = arena_str(&t->arena, json_str(it.val));
    }
    *ret_n = n;
    return items;
}

/* The type goes by the names that were accepted, which may be fewer than its definition asks for.
 */
static void use_accepted_names(struct type *t, const struct definition *f)
{
    if (json_equal(f->requested, f->accepted)) {
        return;
    }
    t->singular = arena_str(&t->arena, json_get_str(f->accepted, "singular"));
    t->short_names = keep_list(t, json_get(f->accepted, "shortNames"), &t->n_short_names);
    if (json_get_str(f->accepted, "listKind").len) {
        t->list_kind = arena_str(&t->arena, json_get_str(f->accepted, "listKind"));
    }
}

static int compile(struct definitions *s, const struct definition *f, const yyjson_mut_val *obj,
                   struct type **ret, struct err *err)
{
    struct type *t = NULL;
    int r = type_create(obj, NULL, &t, err);
    if (r < 0) {
        return r;
    }
    t->definition_key = type_key(s->type, (struct scope){.ns = STR("")}, f->name, &t->arena);
    t->born = f->born;
    use_accepted_names(t, f);
    if ((r = conversion_attach(s->conversion, obj, t, err)) < 0) {
        type_unref(t);
        return r;
    }
    *ret = t;
    return 0;
}

static bool may_serve(const struct definition *f)
{
    return f->established;
}

/* Puts the type into the registry. What was accepted compiles; should it not, the definition stays
 * and its type is as it was. */
static void serve(struct definitions *s, struct definition *f, const yyjson_mut_val *obj)
{
    struct type *t = NULL;
    struct err err = {0};
    if (compile(s, f, obj, &t, &err) < 0) {
        log_error("a definition that was accepted makes no type", LOG_S("definition", f->name),
                  LOG_ERR(&err));
        err_finish(&err);
        return;
    }
    registry_put(s->registry, t);
    type_unref(t);
    f->served = true;
    f->renamed = false;
}

/* ---- after a commit ---- */

static void mark_due(struct definitions *s, struct definition *f)
{
    f->due = true;
    s->any_due = true;
    pthread_cond_signal(&s->wake);
}

static void removed(struct definitions *s, const yyjson_mut_val *old)
{
    struct definition *f = definition_find(s, json_get_str(json_get(old, "metadata"), "name"));
    if (!f) {
        return;
    }
    if (f->served) {
        registry_remove(s->registry, f->group, json_get_str(f->requested, "plural"));
    }
    struct str group = f->group;
    struct arena a;
    arena_init(&a, 0);
    group = arena_str(&a, group);
    definition_forget(s, json_get_str(json_get(old, "metadata"), "name"));
    definition_recheck_group(s, group, STR_NULL);
    pthread_cond_signal(&s->wake);
    arena_finish(&a);
}

/* What may be stored follows the status, which is no reason to compile anew. */
static void note_stored(struct definitions *s, const struct definition *f,
                        const yyjson_mut_val *obj)
{
    struct registry_snapshot *types = registry_ref(s->registry);
    const struct type *t = registry_find(types, f->group, json_get_str(f->requested, "plural"));
    if (t && str_eq(t->uid, json_str(json_path(obj, "metadata", "uid", NULL)))) {
        conversion_note_stored(obj, t);
    }
    registry_snapshot_unref(types);
}

/* Rules and text fields stand in annotations, which do not move the generation. */
static uint64_t rules_hash(const yyjson_mut_val *obj)
{
    static const char *const annotations[] = {CONVERSION_RULES, TEXT_FIELDS};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof(annotations) / sizeof(*annotations); i++) {
        struct str s = json_str(json_path(obj, "metadata", "annotations", annotations[i], NULL));
        hash = crypto_hash64_more(hash, STR("\n"));
        hash = s.ptr ? crypto_hash64_more(hash, s) : hash;
    }
    return hash;
}

/* Whether the type that is served would not be the one that the object makes. */
static bool stale(const struct definition *was, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *meta = json_get(obj, "metadata");
    return !was || !was->served || was->generation != json_get_int(meta, "generation", 0) ||
           was->rules != rules_hash(obj) ||
           was->deleting != (json_get_str(meta, "deletionTimestamp").len > 0);
}

static void changed(struct definitions *s, const yyjson_mut_val *obj, int64_t rev)
{
    const struct definition *was =
        definition_find(s, json_get_str(json_get(obj, "metadata"), "name"));
    if (was && was->rev >= rev) {
        return;
    }
    bool renew = stale(was, obj);
    struct definition *f = definition_note(s, obj);
    f->rev = rev;
    f->rules = rules_hash(obj);
    f->born = f->born ? f->born : rev;
    definition_settle(s, f);
    if (may_serve(f) && (renew || f->renamed)) {
        serve(s, f, obj);
    } else if (f->served) {
        note_stored(s, f, obj);
    }
    if (!definition_status_right(f, obj)) {
        mark_due(s, f);
    }
    definition_recheck_group(s, f->group, f->name); /* it may have given a name back */
    if (s->any_due) {
        pthread_cond_signal(&s->wake);
    }
}

void definition_committed(struct definitions *s, const yyjson_mut_val *obj,
                          const yyjson_mut_val *old, int64_t rev)
{
    pthread_mutex_lock(&s->lock);
    if (obj) {
        changed(s, obj, rev);
    } else {
        removed(s, old);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- a definition whose names became free ---- */

int definition_serve_late(struct definitions *s, struct str name, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct stored stored;
    yyjson_mut_doc *d = NULL;
    int r =
        engine_get(s->engine, s->type, (struct scope){.ns = STR("")}, name, &blob, &stored, err);
    if (r == 0) {
        r = represent_decode(s->type, type_storage(s->type), &stored, &a, &d, err);
    }
    if (r == 0) {
        pthread_mutex_lock(&s->lock);
        struct definition *f = definition_find(s, name);
        if (f && (!f->served || f->renamed) && f->rev == stored.rev && may_serve(f)) {
            serve(s, f, yyjson_mut_doc_get_root(d));
        }
        pthread_mutex_unlock(&s->lock);
    }
    arena_finish(&a);
    return r;
}

/* ---- the start ---- */

struct loading {
    struct definitions *s;
    struct type **types;
    size_t n, cap;
    struct err *err;
};

static void keep_type(struct loading *l, struct type *t)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->types = alloc_resize(l->types, l->cap * sizeof(struct type *));
    }
    l->types[l->n++] = t;
}

/* Takes up what the object's status says was decided before. */
static void recall(struct definitions *s, struct definition *f, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *accepted = json_path(obj, "status", "acceptedNames", NULL);
    if (json_get_str(accepted, "plural").len) {
        definition_accept(s, f, json_copy(f->doc, accepted));
    }
    f->established = definition_condition_is(obj, "Established", "True");
    f->names_accepted = definition_condition_is(obj, "NamesAccepted", "True");
    f->reason =
        arena_str(&f->arena, json_get_str(definition_condition(obj, "NamesAccepted"), "reason"));
    f->message =
        arena_str(&f->arena, json_get_str(definition_condition(obj, "NamesAccepted"), "message"));
}

static int load_one(struct loading *l, const struct store_entry *e)
{
    struct definitions *s = l->s;
    const struct stored stored = {.value = e->value, .rev = e->rev, .stamp = e->stamp};
    yyjson_mut_doc *d = NULL;
    struct arena a;
    arena_init(&a, e->value.len * 4);
    int r = represent_decode(s->type, type_storage(s->type), &stored, &a, &d, l->err);
    if (r == 0) {
        const yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
        struct definition *f = definition_note(s, obj);
        struct type *t = NULL;
        f->rev = e->rev;
        f->rules = rules_hash(obj);
        f->born = e->create_rev;
        recall(s, f, obj);
        if (may_serve(f) && (r = compile(s, f, obj, &t, l->err)) == 0) {
            keep_type(l, t);
            f->served = true;
        }
        f->due = !f->names_accepted || !f->established || !definition_status_right(f, obj);
        s->any_due = s->any_due || f->due;
    }
    arena_finish(&a);
    return r < 0
               ? err_wrap(l->err, "definition %.*s", STR_FMT(str_skip(e->key, s->type->prefix.len)))
               : 0;
}

static int visit(void *arg, const struct store_entry *e)
{
    return load_one(arg, e);
}

static int by_age(const void *a, const void *b)
{
    const struct definition *x = *(struct definition *const *)a,
                            *y = *(struct definition *const *)b;
    return (x->born > y->born) - (x->born < y->born);
}

/* Definitions whose names were never settled (the server ended before it wrote that down) are, the
 * oldest first. */
static int settle_rest(struct definitions *s, struct err *err)
{
    struct definition **rest = alloc_zero((s->n + 1) * sizeof(struct definition *));
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->items[i]->due) {
            rest[n++] = s->items[i];
        }
    }
    if (n) {
        qsort(rest, n, sizeof(struct definition *), by_age);
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        definition_settle(s, rest[i]);
        if (may_serve(rest[i]) && !rest[i]->served) {
            r = definition_serve_late(s, rest[i]->name, err);
        }
    }
    free(rest);
    return r;
}

int definition_load_all(struct definitions *s, struct err *err)
{
    struct loading l = {.s = s, .err = err};
    const struct store_range range = {.prefix = s->type->prefix};
    int64_t at;
    int r = store_range(engine_store(s->engine), &range, visit, &l, &at, NULL, err);
    if (r == 0 && l.n) {
        registry_put_all(s->registry, l.types, l.n);
    }
    for (size_t i = 0; i < l.n; i++) {
        type_unref(l.types[i]);
    }
    free(l.types);
    return r < 0 ? r : settle_rest(s, err);
}
