/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates for a list out of an index. An index knows the present alone, a list is of one
 * revision: an object that the index no longer gives, or not for the value it had then, was changed
 * since, so the keys that changed since that revision are candidates too. The index is read first,
 * the changes after it, so that nothing falls between. What comes out is then read at the revision
 * and matched like anything else; keys too many do no harm. */
#include "resources/index_query.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/index.h"
#include "resources/jsonpath.h"

enum { FEW = 1024, WALK_PER_ITEM = 40 };

/* ---- the question ---- */

/* Values at the path are texts in every version of the type, and conversion leaves them alone. */
static bool is_metadata(const struct jsonpath *path)
{
    return jsonpath_is_below(path, "metadata", "annotations") ||
           jsonpath_is_below(path, "metadata", "labels");
}

/* A selector compares the JSON of what is no text; an index has only texts. */
static bool may_be_no_text(struct str value)
{
    return (value.len && memchr("-0123456789{[", value.ptr[0], 13)) || str_is(value, "true") ||
           str_is(value, "false");
}

static bool plan_value(const struct type_index *x, const struct field_selector *fields,
                       struct index_query *ret)
{
    ret->index = x;
    return selector_wants(fields, x->path, &ret->value) &&
           (is_metadata(x->path) || !may_be_no_text(ret->value));
}

static bool plan_span(const struct type_index *x, const struct field_selector *fields,
                      struct index_query *ret)
{
    struct index_range *r = &ret->range;
    *ret = (struct index_query){.index = x, .range = {.by = STR(""), .to = INT64_MAX}};
    bool from = selector_wants_bound(fields, TYPE_FIELD_AT_LEAST, x->end, x->path, &r->from);
    bool to = selector_wants_bound(fields, TYPE_FIELD_AT_MOST, x->path, NULL, &r->to);
    r->from = r->from > 0 ? r->from : 0;
    if (!x->by) {
        return from || to;
    }
    return selector_wants(fields, x->by, &r->by) && r->by.len &&
           (is_metadata(x->by) || !may_be_no_text(r->by));
}

/* Whether objects in the version are what the terms were made of. */
static bool has_shape(const struct type *t, const struct type_version *v,
                      const struct type_index *x)
{
    return is_metadata(x->path) || (v == type_storage(t) && !t->as_written);
}

bool index_query_plan(const struct type *t, const struct type_version *v, struct scope s,
                      const struct field_selector *fields, struct index_query *ret)
{
    bool found = false;
    if (!fields || (t->namespaced && !s.ns.len)) {
        return false;
    }
    *ret = (struct index_query){.index = NULL};
    for (size_t i = 0; i < t->n_indexes; i++) {
        const struct type_index *x = &t->indexes[i];
        struct index_query q = {.index = NULL};
        bool good = !x->each && has_shape(t, v, x) &&
                    (x->end ? plan_span(x, fields, &q) : plan_value(x, fields, &q));
        if (good && (!found || x->by || !x->end)) { /* the one that asks for more */
            *ret = q;
            ret->room = LIMIT_LIST_INDEX_KEYS;
            found = true;
        }
    }
    return found;
}

/* ---- keys ---- */

struct gathering {
    struct index_keys *keys;
    struct str from, prefix;
    size_t room, seen, most;
    bool cut; /* what lies after the last key is not known */
    bool too_many;
};

static int key_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void grow(struct index_keys *k)
{
    if (k->n == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 64;
        k->items = alloc_resize(k->items, k->cap * sizeof(*k->items));
    }
}

/* Sorts the keys and drops what is twice or over `room`; what was dropped leaves the arena too. */
static void tidy(struct gathering *g)
{
    struct index_keys *k = g->keys;
    size_t n = 0;
    if (k->n) {
        qsort(k->items, k->n, sizeof(*k->items), key_order);
    }
    for (size_t i = 0; i < k->n && n <= g->room; i++) {
        if (!n || !str_eq(k->items[n - 1], k->items[i])) {
            k->items[n++] = k->items[i];
        }
    }
    if (n > g->room) {
        n = g->room;
        g->cut = true;
    }
    if (n < k->n) {
        k->n = n;
        k->arena = !k->arena;
        for (size_t i = 0; i < n; i++) {
            k->items[i] = arena_str(&k->arenas[k->arena], k->items[i]);
        }
        arena_finish(&k->arenas[!k->arena]);
    }
}

/* Once the gathering is cut it is in order up to its last key when it was; beyond that nothing may
 * come to it. */
static void gather(struct gathering *g, struct str key)
{
    struct index_keys *k = g->keys;
    if (str_cmp(key, g->from) < 0 || !str_starts(key, g->prefix) ||
        (g->cut && str_cmp(key, k->items[g->room - 1]) > 0)) {
        return;
    }
    grow(k);
    k->items[k->n++] = arena_str(&k->arenas[k->arena], key);
    if (k->n == 2 * g->room) {
        tidy(g);
    }
}

static int gather_walked(void *arg, struct str term, struct str key)
{
    struct gathering *g = arg;
    (void)term;
    gather(g, key);
    g->too_many = ++g->seen > g->most;
    return g->too_many ? STORE_STOP : 0;
}

static int gather_entry(void *arg, const struct store_entry *e)
{
    gather(arg, e->key);
    return 0;
}

static int gather_event(void *arg, const struct store_event *e)
{
    struct gathering *g = arg;
    gather(g, e->key);
    g->seen++;
    return 0;
}

static int gather_values(struct engine *e, struct scope s, const struct index_query *q,
                         struct gathering *g, struct err *err)
{
    struct arena a;
    bool more = false;
    int64_t at;
    arena_init(&a, 0);
    const struct store_range r = {.prefix = g->prefix,
                                  .from = g->from,
                                  .index = q->index->store_name,
                                  .term = index_term(s.ns, q->value, &a),
                                  .limit = g->room,
                                  .keys_only = true};
    int rc = store_range(engine_store(e), &r, gather_entry, g, &at, &more, err);
    arena_finish(&a);
    g->cut = more && g->keys->n == g->room;
    return rc;
}

/* Keys that were changed after the revision. Sets too_many where there may be more. */
static int gather_changes(struct engine *e, int64_t rev, struct gathering *g, struct err *err)
{
    int64_t to;
    g->seen = 0;
    int rc = store_changes(engine_store(e), g->prefix, rev, LIMIT_LIST_INDEX_CHANGES, gather_event,
                           g, &to, err);
    g->too_many = g->seen >= LIMIT_LIST_INDEX_CHANGES;
    return rc;
}

/* Whether the keys, as far as they are wanted, are few among all there are: to read an object by
 * its key costs about what it costs to pass it. */
static bool is_sparse(struct engine *e, const struct index_keys *k, size_t most)
{
    size_t n = most && most < k->n ? most : k->n;
    struct store_stats stats;
    if (n <= FEW) {
        return true;
    }
    store_stats(engine_store(e), &stats);
    return n <= stats.keys / 2;
}

/* ---- all of it ---- */

static int ask(struct engine *e, struct scope s, const struct index_query *q, int64_t rev,
               struct gathering *g, struct err *err)
{
    int rc = q->index->end ? index_span_keys(e, q->index, s.ns, &q->range, gather_walked, g, err)
                           : gather_values(e, s, q, g, err);
    if (rc || g->too_many) {
        return rc ? rc : INDEX_QUERY_SCAN;
    }
    tidy(g);
    rc = gather_changes(e, rev, g, err);
    tidy(g);
    g->keys->whole = !g->cut;
    return rc ? rc : g->too_many ? INDEX_QUERY_SCAN : 0;
}

/* Each page walks the whole range anew: of small pages that may not take more than what they give.
 */
static size_t most_walked(size_t most)
{
    bool large = !most || most >= LIMIT_LIST_INDEX_WALK / WALK_PER_ITEM;
    size_t n = large ? LIMIT_LIST_INDEX_WALK : WALK_PER_ITEM * most;
    return n < LIMIT_LIST_INDEX_KEYS ? LIMIT_LIST_INDEX_KEYS : n;
}

void index_keys_finish(struct index_keys *k)
{
    free(k->items);
    arena_finish(&k->arenas[0]);
    arena_finish(&k->arenas[1]);
    *k = (struct index_keys){.n = 0};
}

int index_query_keys(struct engine *e, const struct type *t, struct scope s,
                     const struct index_query *q, struct str from, int64_t rev, size_t most,
                     struct index_keys *ret, struct err *err)
{
    struct store *store = engine_store(e);
    if (store_revision(store) - rev > LIMIT_LIST_INDEX_LAG ||
        !store_index_ready(store, q->index->store_name)) {
        return INDEX_QUERY_SCAN;
    }
    struct arena a;
    arena_init(&a, 0);
    index_keys_finish(ret);
    arena_init(&ret->arenas[0], 0);
    arena_init(&ret->arenas[1], 0);
    struct gathering g = {.keys = ret,
                          .from = from.ptr ? from : STR(""),
                          .prefix = type_scope_prefix(t, s, &a),
                          .room = q->room,
                          .most = most_walked(most)};
    int rc = ask(e, s, q, rev, &g, err);
    rc = rc || is_sparse(e, ret, most) ? rc : INDEX_QUERY_SCAN;
    arena_finish(&a);
    if (rc) {
        index_keys_finish(ret);
    }
    return rc;
}
