/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes over the objects of a type. An index of the store is named for the type and holds, for
 * each object, the term "NAMESPACE/VALUE". */
#include "resources/index.h"

#include <assert.h>

#include "base/json.h"
#include "resources/index_span.h"
#include "resources/jsonpath.h"
#include "resources/owners.h"

struct str index_value(const struct type_index *i, const yyjson_mut_val *obj)
{
    struct str value = json_str(jsonpath_first(i->path, obj));
    return value.ptr ? value : STR("");
}

struct str index_term(struct str ns, struct str value, struct arena *a)
{
    return str_from(arena_printf(a, "%.*s/%.*s", STR_FMT(ns), STR_FMT(value)));
}

static size_t terms_of(const struct type_index *x, const yyjson_mut_val *obj, struct arena *a,
                       struct store_term **ret)
{
    struct str ns = json_get_str(metadata_of(obj), "namespace");
    if (x->end || x->each) {
        return index_span_terms(x, obj, ns, a, ret);
    }
    *ret = ARENA_NEW(a, struct store_term);
    **ret = (struct store_term){x->store_name, index_term(ns, index_value(x, obj), a)};
    return 1;
}

size_t index_terms(const struct type *t, const yyjson_mut_val *obj, struct arena *a,
                   struct store_term **ret)
{
    struct store_term *all = NULL, *more = NULL;
    size_t n = owners_terms(obj, a, &all);
    for (size_t i = 0; i < t->n_indexes; i++) {
        size_t n_more = terms_of(&t->indexes[i], obj, a, &more);
        struct store_term *both = n_more ? arena_alloc(a, (n + n_more) * sizeof(*both)) : all;
        if (n && n_more) {
            memcpy(both, all, n * sizeof(*both));
        }
        if (n_more) {
            memcpy(both + n, more, n_more * sizeof(*both));
        }
        n += n_more;
        all = both;
    }
    *ret = all;
    return n;
}

/* ---- what is there ---- */

/* The type of what lies at the key, if it has indexes: a reference. */
static struct type *indexed_type(struct registry *r, struct str key)
{
    struct str ns, name;
    struct registry_snapshot *types = registry_ref(r);
    struct type *t = registry_find_key(types, key, &ns, &name);
    t = t && t->n_indexes ? type_ref(t) : NULL;
    registry_snapshot_unref(types);
    return t;
}

size_t index_stored_terms(struct registry *r, struct str key, struct str value, struct arena *a,
                          struct store_term **ret)
{
    static const struct type plain;
    struct type *t = indexed_type(r, key);
    yyjson_mut_doc *d;
    size_t n = 0;
    if ((t || memmem(value.ptr, value.len, "\"ownerReferences\"", 17) ||
         memmem(value.ptr, value.len, "\"deletionTimestamp\"", 19)) &&
        json_read_own(a, value, &d, NULL) == 0) {
        n = index_terms(t ? t : &plain, yyjson_mut_doc_get_root(d), a, ret);
    }
    type_unref(t);
    return n;
}

static void derive(void *arg, struct str key, struct str value, store_add_term_fn *add, void *to)
{
    struct arena a;
    struct store_term *terms = NULL;
    arena_init(&a, 0);
    size_t n = index_stored_terms(arg, key, value, &a, &terms);
    for (size_t i = 0; i < n; i++) {
        add(to, &terms[i]);
    }
    arena_finish(&a);
}

void index_begin(struct store *s, struct registry *r)
{
    store_on_terms(s, derive, r);
}

int index_define(struct engine *e, const struct type *t, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < t->n_indexes && rc == 0; i++) {
        const struct type_index *x = &t->indexes[i];
        rc = store_index_define(engine_store(e), x->store_name, t->prefix, x->generation, err);
    }
    return rc;
}

/* ---- finding ---- */

struct found {
    struct found *next;
    struct str name;
    struct stored stored;
};

struct search {
    struct arena arena;
    const struct type *type;
    struct found *first, **last;
};

static int keep(void *arg, const struct store_entry *e)
{
    struct search *s = arg;
    struct str ns, name;
    if (type_key_parse(s->type, e->key, &ns, &name)) {
        struct found *f = ARENA_NEW(&s->arena, struct found);
        *f = (struct found){.name = arena_str(&s->arena, name),
                            .stored = {arena_str(&s->arena, e->value), e->rev, e->stamp}};
        *s->last = f;
        s->last = &f->next;
    }
    return 0;
}

/* The keys of the scope that carry the value. */
static struct store_range range_of(const struct type *t, struct scope s, const struct type_index *x,
                                   struct str value, struct arena *a)
{
    return (struct store_range){.prefix = type_scope_prefix(t, s, a),
                                .index = x->store_name,
                                .term = index_term(s.ns, value, a)};
}

/* Copies what lies there: a visitor may use the store. */
static int find(struct engine *e, const struct store_range *r, struct search *found,
                struct err *err)
{
    int64_t at = 0;
    found->last = &found->first;
    return store_range(engine_store(e), r, keep, found, &at, NULL, err);
}

/* Whether what an unfinished index gave has the value. */
static bool holds(const struct type *t, const struct type_index *x, const struct found *f,
                  struct str value)
{
    struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    bool is = represent_own(t, &f->stored, &a, &d, NULL) == 0 &&
              str_eq(index_value(x, yyjson_mut_doc_get_root(d)), value);
    arena_finish(&a);
    return is;
}

int index_visit(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str value, index_visit_fn *visit, void *arg, struct err *err)
{
    const struct type_index *x = type_index(t, index);
    assert(x);
    struct search found = {.type = t};
    arena_init(&found.arena, 0);
    bool ready = store_index_ready(engine_store(e), x->store_name);
    const struct store_range r = range_of(t, s, x, value, &found.arena);
    int rc = find(e, &r, &found, err);
    for (struct found *f = found.first; f && rc == 0; f = f->next) {
        if (ready || holds(t, x, f, value)) {
            rc = visit(arg, f->name, &f->stored);
        }
    }
    arena_finish(&found.arena);
    return rc;
}

struct naming {
    index_name_fn *visit;
    void *arg;
    size_t limit;
    int rc;
};

static int name_one(void *arg, struct str name, const struct stored *s)
{
    struct naming *n = arg;
    (void)s;
    n->rc = n->visit(n->arg, name);
    return n->rc || --n->limit == 0 ? STORE_STOP : 0;
}

/* The same of an index that is still being built. */
static int names_of_values(struct engine *e, const struct type *t, struct scope s, struct str index,
                           struct str value, struct naming *n, struct err *err)
{
    int rc = index_visit(e, t, s, index, value, name_one, n, err);
    return rc == STORE_STOP ? n->rc : rc;
}

int index_names(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str value, size_t limit, index_name_fn *visit, void *arg, struct err *err)
{
    const struct type_index *x = type_index(t, index);
    assert(x);
    if (!store_index_ready(engine_store(e), x->store_name)) {
        struct naming n = {visit, arg, limit, 0};
        return names_of_values(e, t, s, index, value, &n, err);
    }
    struct search found = {.type = t};
    arena_init(&found.arena, 0);
    struct store_range r = range_of(t, s, x, value, &found.arena);
    r.limit = limit;
    r.keys_only = true;
    int rc = find(e, &r, &found, err);
    for (struct found *f = found.first; f && rc == 0; f = f->next) {
        rc = visit(arg, f->name);
    }
    arena_finish(&found.arena);
    return rc;
}

static int count_one(void *arg, struct str name, const struct stored *s)
{
    (void)name;
    (void)s;
    ++*(int64_t *)arg;
    return 0;
}

int index_count(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str value, int64_t *ret, struct err *err)
{
    const struct type_index *x = type_index(t, index);
    assert(x);
    *ret = 0;
    if (!store_index_ready(engine_store(e), x->store_name)) {
        return index_visit(e, t, s, index, value, count_one, ret, err);
    }
    struct arena a;
    arena_init(&a, 0);
    const struct store_range r = range_of(t, s, x, value, &a);
    int rc = store_count(engine_store(e), &r, ret, err);
    arena_finish(&a);
    return rc;
}
