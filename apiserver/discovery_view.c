/* SPDX-License-Identifier: Apache-2.0 */
/* The groups that discovery shows: those of the server's own types and those that other servers
 * serve, each group-version once, in the order of their priorities. */
#include "apiserver/discovery_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "resources/type.h"

struct view {
    struct discovery_view *to;
    const struct aggregation_snapshot *apis;
};

/* ---- gathering ---- */

static struct discovery_group *group_add(struct discovery_view *v, struct str name)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 32;
        v->groups = alloc_resize(v->groups, v->cap * sizeof(*v->groups));
    }
    struct discovery_group *g = &v->groups[v->n++];
    *g = (struct discovery_group){.name = name};
    return g;
}

static void version_add(struct discovery_group *g, struct discovery_version version)
{
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 2;
        g->versions = alloc_resize(g->versions, g->cap * sizeof(*g->versions));
    }
    g->versions[g->n++] = version;
}

/* An APIService of the server's own group-version counts for its priorities. */
static void add_local(struct view *v, struct discovery_group *to, const struct registry_group *g)
{
    to->local = g;
    for (size_t i = 0; i < g->n_versions; i++) {
        struct discovery_version version = {.name = g->versions[i],
                                            .order = g->in_order ? i + 1 : 0};
        const struct apiservice *s = aggregation_find(v->apis, g->name, version.name);
        aggregation_local_priority(g->name, version.name, g->custom, &version.group_priority,
                                   &version.priority);
        if (s) {
            version.group_priority = s->group_priority;
            version.priority = s->version_priority;
        }
        version.remote = aggregation_find_remote(v->apis, g->name, version.name);
        if (str_is(g->name, AGGREGATION_GROUP)) {
            version.remote = NULL;
        }
        version_add(to, version);
    }
}

static bool has_version(const struct discovery_group *g, struct str version)
{
    for (size_t i = 0; i < g->n; i++) {
        if (str_eq(g->versions[i].name, version)) {
            return true;
        }
    }
    return false;
}

static void add_remote(struct discovery_group *to, const struct apiservice *s)
{
    if (!has_version(to, s->version)) {
        version_add(to, (struct discovery_version){
                            .name = s->version,
                            .remote = s,
                            .group_priority = s->group_priority,
                            .priority = s->version_priority,
                            .order = to->local && to->local->in_order ? SIZE_MAX : 0});
    }
}

static struct discovery_group *find(struct discovery_view *v, struct str name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (str_eq(v->groups[i].name, name)) {
            return &v->groups[i];
        }
    }
    return NULL;
}

/* What is not the server's own at all; sorted by group. */
static void add_remotes(struct view *v)
{
    struct discovery_group *g = NULL;
    for (size_t i = 0; v->apis && i < v->apis->n; i++) {
        const struct apiservice *s = v->apis->items[i];
        if (!s->remote || str_is(s->group, AGGREGATION_GROUP)) {
            continue;
        }
        if (!g || !str_eq(g->name, s->group)) {
            g = find(v->to, s->group);
        }
        g = g ? g : group_add(v->to, s->group);
        add_remote(g, s);
    }
}

/* ---- order ---- */

static int by_priority(const void *a, const void *b)
{
    const struct discovery_version *x = a, *y = b;
    if (x->priority != y->priority) {
        return (x->priority < y->priority) - (x->priority > y->priority);
    }
    return x->order != y->order ? (x->order > y->order) - (x->order < y->order)
                                : type_version_compare(x->name, y->name);
}

/* The group is where the first of its APIServices is: by priority, then by the name
 * "version.group". */
static void settle(struct discovery_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct discovery_version *v = &g->versions[i];
        bool first = !i || v->group_priority > g->priority ||
                     (v->group_priority == g->priority && str_cmp(v->name, g->first_version) < 0);
        if (first) {
            g->priority = v->group_priority;
            g->first_version = v->name;
        }
    }
    qsort(g->versions, g->n, sizeof(*g->versions), by_priority);
}

static int by_service(const void *a, const void *b)
{
    const struct discovery_group *x = a, *y = b;
    if (x->priority != y->priority) {
        return (x->priority < y->priority) - (x->priority > y->priority);
    }
    int r = str_cmp(x->first_version, y->first_version);
    return r ? r : str_cmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    const struct discovery_group *x = a, *y = b;
    return x->priority != y->priority ? (x->priority < y->priority) - (x->priority > y->priority)
                                      : str_cmp(x->name, y->name);
}

void discovery_view_init(struct discovery_view *ret, const struct registry_snapshot *types,
                         const struct aggregation_snapshot *apis, bool aggregated)
{
    struct view v = {ret, apis};
    *ret = (struct discovery_view){0};
    for (size_t i = 0; i < types->n_groups; i++) {
        if (types->groups[i].n_versions) {
            add_local(&v, group_add(ret, types->groups[i].name), &types->groups[i]);
        }
    }
    add_remotes(&v);
    for (size_t i = 0; i < ret->n; i++) {
        settle(&ret->groups[i]);
    }
    if (ret->n) {
        qsort(ret->groups, ret->n, sizeof(*ret->groups), aggregated ? by_name : by_service);
    }
}

void discovery_view_finish(struct discovery_view *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->groups[i].versions);
    }
    free(v->groups);
    *v = (struct discovery_view){0};
}

void discovery_view_keep_apps(struct discovery_view *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (str_ends(v->groups[i].name, STR(".k8s.io"))) {
            free(v->groups[i].versions);
        } else {
            v->groups[kept++] = v->groups[i];
        }
    }
    v->n = kept;
}

const struct discovery_group *discovery_view_find(const struct discovery_view *v, struct str group)
{
    for (size_t i = 0; i < v->n; i++) {
        if (str_eq(v->groups[i].name, group)) {
            return &v->groups[i];
        }
    }
    return NULL;
}

uint64_t discovery_edition(const struct registry_snapshot *types,
                           const struct aggregation_snapshot *apis)
{
    return types->generation ^ (apis ? apis->edition : 0);
}
