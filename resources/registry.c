/* SPDX-License-Identifier: Apache-2.0 */
/* The registry. A snapshot owns its array of groups and two hash tables; the lists inside a group
 * (its types, its versions) are blocks that successive snapshots share by reference, so putting one
 * type copies pointers and one group's lists. */
#include "resources/registry.h"

#include "base/alloc.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A group's lists. group.types points at `types`. */
struct block {
    _Atomic unsigned refs;
    struct str *versions;
    struct type *types[];
};

/* Open addressing by name or by kind; power-of-two sizes, at most half full. Types are borrowed
 * from the blocks. */
struct table {
    struct type **slots;
    size_t size;
};

struct index {
    struct table by_resource, by_kind;
};

struct registry {
    struct published published;
    pthread_mutex_t writing;
    uint64_t generation;
    struct listener {
        registry_listener_fn *fn;
        void *arg;
    } *listeners;
    size_t n_listeners;
};

/* ---- blocks ---- */

static struct block *block_of(const struct registry_group *g)
{
    return (struct block *)(void *)((char *)g->types - offsetof(struct block, types));
}

static void block_unref(const struct registry_group *g)
{
    struct block *b = block_of(g);
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < g->n_types; i++) {
        type_unref(b->types[i]);
    }
    free(b->versions);
    free(b);
}

/* Puts the version where it belongs behind the first `fixed`, unless it is there: a group has few.
 */
static void insert_version(struct registry_group *g, struct str version, size_t fixed)
{
    size_t at = g->n_versions;
    for (size_t i = 0; i < g->n_versions; i++) {
        if (str_eq(g->versions[i], version)) {
            return;
        }
    }
    while (at > fixed && type_version_compare(version, g->versions[at - 1]) < 0) {
        at--;
    }
    memmove(&g->versions[at + 1], &g->versions[at], (g->n_versions - at) * sizeof(version));
    g->versions[at] = version;
    g->n_versions++;
}

static void insert_versions(struct registry_group *g, bool in_order, size_t fixed)
{
    for (size_t i = 0; i < g->n_types; i++) {
        const struct type *t = g->types[i];
        g->in_order = g->in_order || t->in_order;
        for (size_t j = 0; j < t->n_served && !t->hidden && t->in_order == in_order; j++) {
            insert_version(g, t->versions[t->ordered[j]].name, in_order ? g->n_versions : fixed);
        }
    }
}

/* The served versions of all types that are not hidden, each once, first of those that have an
 * order of their own. They point into the types. */
static void collect_versions(struct registry_group *g)
{
    size_t room = 1;
    for (size_t i = 0; i < g->n_types; i++) {
        room += g->types[i]->n_served;
    }
    g->versions = block_of(g)->versions = alloc_bytes(room * sizeof(*g->versions));
    insert_versions(g, true, 0);
    insert_versions(g, false, g->n_versions);
}

/* A group of these types, sorted by resource, each of which gets a reference; n > 0. */
static struct registry_group make_group(struct type *const *types, size_t n)
{
    struct block *b = alloc_zero(sizeof(*b) + n * sizeof(*b->types));
    struct registry_group g = {
        .name = types[0]->group, .types = b->types, .n_types = n, .custom = true};
    atomic_init(&b->refs, 1);
    for (size_t i = 0; i < n; i++) {
        b->types[i] = type_ref(types[i]);
        g.custom = g.custom && types[i]->custom;
    }
    collect_versions(&g);
    return g;
}

/* ---- tables ---- */

static uint64_t hash_of(struct str group, struct str name)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < group.len; i++) {
        h = (h ^ (unsigned char)group.ptr[i]) * 0x100000001b3ULL;
    }
    h = (h ^ '/') * 0x100000001b3ULL;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.ptr[i]) * 0x100000001b3ULL;
    }
    return h ^ h >> 32;
}

static struct str type_name(const struct type *t, bool by_kind)
{
    return by_kind ? t->kind : t->resource;
}

/* Where the type of that name is, or would go. */
static struct type **slot_of(const struct table *t, bool by_kind, struct str group, struct str name)
{
    size_t i = hash_of(group, name) & (t->size - 1);
    while (t->slots[i] &&
           !(str_eq(type_name(t->slots[i], by_kind), name) && str_eq(t->slots[i]->group, group))) {
        i = (i + 1) & (t->size - 1);
    }
    return &t->slots[i];
}

static struct table table_create(size_t n)
{
    struct table t = {.size = 16};
    while (t.size < n * 2) {
        t.size *= 2;
    }
    t.slots = alloc_zero(t.size * sizeof(*t.slots));
    return t;
}

static struct table table_copy(const struct table *from)
{
    struct table t = {alloc_bytes(from->size * sizeof(*t.slots)), from->size};
    memcpy(t.slots, from->slots, from->size * sizeof(*t.slots));
    return t;
}

static void table_put(struct table *t, bool by_kind, struct type *type)
{
    *slot_of(t, by_kind, type->group, type_name(type, by_kind)) = type;
}

static void index_destroy(struct index *x)
{
    if (x) {
        free(x->by_resource.slots);
        free(x->by_kind.slots);
        free(x);
    }
}

/* From nothing. Two types of one kind: the first by resource name is found. */
static struct index *index_create(const struct registry_snapshot *s)
{
    struct index *x = ALLOC(struct index);
    size_t room = s->n_types + s->n_types / 2 + 8; /* some puts are to come */
    x->by_resource = table_create(room);
    x->by_kind = table_create(room);
    for (size_t i = s->n_groups; i-- > 0;) {
        for (size_t j = s->groups[i].n_types; j-- > 0;) {
            table_put(&x->by_resource, false, s->groups[i].types[j]);
            table_put(&x->by_kind, true, s->groups[i].types[j]);
        }
    }
    return x;
}

/* The former index with one type put in; NULL where it has no room, or another type of the kind is
 * in the way. */
static struct index *index_with(const struct registry_snapshot *s, struct type *t, size_t n_types)
{
    const struct index *former = s->index;
    if (former->by_resource.size < n_types * 2) {
        return NULL;
    }
    struct type *of_kind = *slot_of(&former->by_kind, true, t->group, t->kind);
    struct type *replaced = *slot_of(&former->by_resource, false, t->group, t->resource);
    if ((of_kind && !str_eq(of_kind->resource, t->resource)) ||
        (replaced && !str_eq(replaced->kind, t->kind))) {
        return NULL;
    }
    struct index *x = ALLOC(struct index);
    x->by_resource = table_copy(&former->by_resource);
    x->by_kind = table_copy(&former->by_kind);
    table_put(&x->by_resource, false, t);
    table_put(&x->by_kind, true, t);
    return x;
}

/* ---- snapshots ---- */

static struct registry_snapshot *snapshot_create(void)
{
    struct registry_snapshot *s = ALLOC(struct registry_snapshot);
    atomic_init(&s->refs, 1);
    return s;
}

static void *snapshot_ref(void *p)
{
    struct registry_snapshot *s = p;
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void registry_snapshot_unref(struct registry_snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < s->n_groups; i++) {
        block_unref(&s->groups[i]);
    }
    index_destroy(s->index);
    free(s->groups);
    free(s);
}

static void snapshot_unref(void *p)
{
    registry_snapshot_unref(p);
}

/* Built-in groups first, then custom ones, each by name. */
static int compare_group(const struct registry_group *a, const struct registry_group *b)
{
    return a->custom != b->custom ? (a->custom ? 1 : -1) : str_cmp(a->name, b->name);
}

/* A copy of the former groups but `without` (its size: none), sharing their blocks, with *group put
 * in its place (NULL: none). */
static struct registry_snapshot *derive(const struct registry_snapshot *former, size_t without,
                                        const struct registry_group *group)
{
    struct registry_snapshot *s = snapshot_create();
    s->groups = alloc_bytes((former->n_groups + 1) * sizeof(*s->groups));
    for (size_t i = 0; i < former->n_groups; i++) {
        if (i == without) {
            continue;
        }
        if (group && compare_group(group, &former->groups[i]) < 0) {
            s->groups[s->n_groups++] = *group;
            group = NULL;
        }
        atomic_fetch_add_explicit(&block_of(&former->groups[i])->refs, 1, memory_order_relaxed);
        s->groups[s->n_groups++] = former->groups[i];
    }
    if (group) {
        s->groups[s->n_groups++] = *group;
    }
    for (size_t i = 0; i < s->n_groups; i++) {
        s->n_types += s->groups[i].n_types;
    }
    return s;
}

/* The first group that does not come before one of that name. */
static size_t lower_bound(const struct registry_snapshot *s, bool custom, struct str name)
{
    const struct registry_group wanted = {.name = name, .custom = custom};
    size_t low = 0, high = s->n_groups;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_group(&s->groups[mid], &wanted) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* n_groups: there is none. */
static size_t find_group(const struct registry_snapshot *s, struct str name)
{
    for (int custom = 0; custom < 2; custom++) {
        size_t i = lower_bound(s, custom, name);
        if (i < s->n_groups && str_eq(s->groups[i].name, name)) {
            return i;
        }
    }
    return s->n_groups;
}

/* The types of group `at` (n_groups: none) but the one of that resource, with t (NULL: none) where
 * it belongs. */
static struct type **types_with(const struct registry_snapshot *s, size_t at, struct str resource,
                                struct type *t, size_t *ret_n)
{
    size_t n = at < s->n_groups ? s->groups[at].n_types : 0, kept = 0;
    struct type **types = alloc_bytes((n + 1) * sizeof(struct type *));
    for (size_t i = 0; i < n; i++) {
        struct type *o = s->groups[at].types[i];
        if (t && str_cmp(t->resource, o->resource) <= 0) {
            types[kept++] = t;
            t = NULL;
        }
        if (!str_eq(o->resource, resource)) {
            types[kept++] = o;
        }
    }
    if (t) {
        types[kept++] = t;
    }
    *ret_n = kept;
    return types;
}

static struct registry_snapshot *with_type(const struct registry_snapshot *former, struct type *t)
{
    size_t n, at = find_group(former, t->group);
    struct type **types = types_with(former, at, t->resource, t, &n);
    struct registry_group g = make_group(types, n);
    free(types);
    struct registry_snapshot *s = derive(former, at, &g);
    s->index = index_with(former, t, s->n_types);
    if (!s->index) {
        s->index = index_create(s);
    }
    return s;
}

static struct registry_snapshot *without_type(const struct registry_snapshot *former,
                                              const struct type *t)
{
    size_t n, at = find_group(former, t->group);
    struct type **types = types_with(former, at, t->resource, NULL, &n);
    struct registry_group g = {0};
    if (n) {
        g = make_group(types, n);
    }
    free(types);
    struct registry_snapshot *s = derive(former, at, n ? &g : NULL);
    s->index = index_create(s);
    return s;
}

/* ---- the registry ---- */

struct registry *registry_create(void)
{
    struct registry *r = ALLOC(struct registry);
    pthread_mutex_init(&r->writing, NULL);
    published_init(&r->published, snapshot_ref, snapshot_unref);
    struct registry_snapshot *s = snapshot_create();
    s->index = index_create(s);
    published_set(&r->published, s);
    return r;
}

void registry_destroy(struct registry *r)
{
    if (r) {
        published_finish(&r->published);
        pthread_mutex_destroy(&r->writing);
        free(r->listeners);
        free(r);
    }
}

void registry_listen(struct registry *r, registry_listener_fn *fn, void *arg)
{
    r->listeners = alloc_resize(r->listeners, (r->n_listeners + 1) * sizeof(*r->listeners));
    r->listeners[r->n_listeners++] = (struct listener){fn, arg};
}

/* Takes s over. */
static void publish(struct registry *r, struct registry_snapshot *s, struct type *changed,
                    bool removed)
{
    s->generation = ++r->generation;
    snapshot_ref(s);
    published_set(&r->published, s);
    for (size_t i = 0; i < r->n_listeners; i++) {
        r->listeners[i].fn(r->listeners[i].arg, s, changed, removed);
    }
    registry_snapshot_unref(s);
}

void registry_put(struct registry *r, struct type *t)
{
    registry_put_all(r, &t, 1);
}

void registry_put_all(struct registry *r, struct type *const *types, size_t n)
{
    if (!n) {
        return;
    }
    pthread_mutex_lock(&r->writing);
    struct registry_snapshot *s = published_ref(&r->published);
    for (size_t i = 0; i < n; i++) {
        struct registry_snapshot *next = with_type(s, types[i]);
        registry_snapshot_unref(s);
        s = next;
    }
    publish(r, s, n == 1 ? types[0] : NULL, false);
    pthread_mutex_unlock(&r->writing);
}

bool registry_remove(struct registry *r, struct str group, struct str resource)
{
    pthread_mutex_lock(&r->writing);
    struct registry_snapshot *s = published_ref(&r->published);
    struct type *t = registry_find(s, group, resource);
    if (t) {
        type_ref(t);
        publish(r, without_type(s, t), t, true);
        type_unref(t);
    }
    registry_snapshot_unref(s);
    pthread_mutex_unlock(&r->writing);
    return t != NULL;
}

const struct registry_snapshot *registry_get(struct registry *r, struct published_cache *c)
{
    return published_get(&r->published, c);
}

struct registry_snapshot *registry_ref(struct registry *r)
{
    return published_ref(&r->published);
}

void registry_cache_finish(struct registry *r, struct published_cache *c)
{
    published_cache_finish(&r->published, c);
}

struct type *registry_find(const struct registry_snapshot *s, struct str group, struct str resource)
{
    const struct index *x = s->index;
    return *slot_of(&x->by_resource, false, group, resource);
}

struct type *registry_find_kind(const struct registry_snapshot *s, struct str group,
                                struct str kind)
{
    const struct index *x = s->index;
    return *slot_of(&x->by_kind, true, group, kind);
}

/* Of two types of one kind in two groups, the one that the objects are stored as. */
static bool stored_as(const struct type *t)
{
    return str_eq(t->kind, t->stored_kind) &&
           str_eq(type_storage(t)->api_version, t->stored_api_version);
}

struct type *registry_find_key(const struct registry_snapshot *s, struct str key,
                               struct str *ret_ns, struct str *ret_name)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        for (size_t j = 0; j < s->groups[i].n_types; j++) {
            struct type *t = s->groups[i].types[j];
            if (str_starts(key, t->prefix) && stored_as(t) &&
                type_key_parse(t, key, ret_ns, ret_name)) {
                return t;
            }
        }
    }
    return NULL;
}

const struct registry_group *registry_find_group(const struct registry_snapshot *s,
                                                 struct str group)
{
    size_t i = find_group(s, group);
    return i < s->n_groups ? &s->groups[i] : NULL;
}
