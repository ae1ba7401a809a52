/* SPDX-License-Identifier: Apache-2.0 */
/* The types that are watched, followed through every change of their definition until it is gone.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "resources/watch_priv.h"

static bool same(const struct watch_target *t, const struct type *type)
{
    return !t->removed && str_eq(t->type->group, type->group) &&
           str_eq(t->type->resource, type->resource);
}

static struct watch_target *find(const struct watch_hub *h, const struct type *type)
{
    struct watch_target *t = h->targets;
    while (t && !same(t, type)) {
        t = t->next;
    }
    return t;
}

static void replace(struct watch_target *t, struct type *type, uint64_t generation)
{
    if (generation < t->generation) {
        return;
    }
    t->generation = generation;
    if (!type) {
        t->removed = true;
    } else if (type != t->type) {
        struct type *old = t->type;
        t->type = type_ref(type);
        type_unref(old);
    }
}

static void changed(void *arg, const struct registry_snapshot *s, struct type *type, bool removed)
{
    struct watch_hub *h = arg;
    struct str prefix = STR_NULL;
    pthread_mutex_lock(&h->types_lock);
    for (struct watch_target *t = h->targets; t; t = t->next) {
        if (t->removed || (type && !same(t, type))) {
            continue;
        }
        replace(
            t, type ? (removed ? NULL : type) : registry_find(s, t->type->group, t->type->resource),
            s->generation);
        prefix = t->removed ? t->type->prefix : prefix;
    }
    atomic_fetch_add(&h->types_generation, 1);
    pthread_mutex_unlock(&h->types_lock);
    if (prefix.ptr && type) {
        watch_ring_poke(watch_ring_get(h, type->prefix));
    }
}

void watch_targets_listen(struct watch_hub *h)
{
    registry_listen(h->engine->registry, changed, h);
}

struct watch_target *watch_target_get(struct watch_hub *h, struct op *op)
{
    pthread_mutex_lock(&h->types_lock);
    struct watch_target *t = find(h, op->type);
    if (!t) {
        t = ALLOC(struct watch_target);
        t->type = type_ref(op->type);
        t->next = h->targets;
        h->targets = t;
    }
    bool fresh = !t->watchers++;
    pthread_mutex_unlock(&h->types_lock);
    if (fresh) { /* the type may have changed since the op was given it */
        struct registry_snapshot *s = registry_ref(h->engine->registry);
        pthread_mutex_lock(&h->types_lock);
        if (!t->removed) {
            replace(t, s ? registry_find(s, op->type->group, op->type->resource) : NULL,
                    s ? s->generation : 0);
        }
        pthread_mutex_unlock(&h->types_lock);
        registry_snapshot_unref(s);
    }
    return t;
}

void watch_target_put(struct watch_hub *h, struct watch_target *t)
{
    pthread_mutex_lock(&h->types_lock);
    bool last = !--t->watchers;
    if (last) {
        for (struct watch_target **p = &h->targets; *p; p = &(*p)->next) {
            if (*p == t) {
                *p = t->next;
                break;
            }
        }
    }
    pthread_mutex_unlock(&h->types_lock);
    if (last) {
        type_unref(t->type);
        free(t);
    }
}

bool watch_refresh_type(struct watcher *w)
{
    struct watch_hub *h = w->view->group->hub;
    if (w->types_generation == atomic_load(&h->types_generation)) {
        return !w->gone;
    }
    pthread_mutex_lock(&h->types_lock);
    w->types_generation = atomic_load(&h->types_generation);
    struct type *now = type_ref(w->target->type);
    bool removed = w->target->removed;
    pthread_mutex_unlock(&h->types_lock);
    const struct type_version *v = removed ? NULL : type_served(now, w->op->version->name);
    w->gone = !v;
    if (v) { /* otherwise the last events are still shown as the type was */
        struct type *old = w->type;
        w->type = now;
        w->version = v;
        now = old;
    }
    type_unref(now);
    return !w->gone;
}
