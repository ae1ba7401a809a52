/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable state that is swapped whole. */
#include "base/published.h"

#include <stddef.h>

void published_init(struct published *p, void *(*ref)(void *), void (*unref)(void *))
{
    *p = (struct published){.ref = ref, .unref = unref};
    pthread_mutex_init(&p->lock, NULL);
}

void published_finish(struct published *p)
{
    if (p->current) {
        p->unref(p->current);
        p->current = NULL;
    }
    pthread_mutex_destroy(&p->lock);
}

void published_set(struct published *p, void *obj)
{
    pthread_mutex_lock(&p->lock);
    void *former = p->current;
    p->current = obj;
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    pthread_mutex_unlock(&p->lock);
    if (former) {
        p->unref(former); /* outside the lock: the last reference may release much */
    }
}

/* A new reference and the generation it belongs to. */
static void *current_ref(struct published *p, uint64_t *ret_generation)
{
    pthread_mutex_lock(&p->lock);
    void *obj = p->current ? p->ref(p->current) : NULL;
    *ret_generation = atomic_load_explicit(&p->generation, memory_order_relaxed);
    pthread_mutex_unlock(&p->lock);
    return obj;
}

void *published_ref(struct published *p)
{
    uint64_t generation;
    return current_ref(p, &generation);
}

void *published_get(struct published *p, struct published_cache *c)
{
    if (atomic_load_explicit(&p->generation, memory_order_acquire) != c->generation) {
        void *former = c->held;
        c->held = current_ref(p, &c->generation);
        if (former) {
            p->unref(former);
        }
    }
    return c->held;
}

void published_cache_finish(struct published *p, struct published_cache *c)
{
    if (c->held) {
        p->unref(c->held);
    }
    *c = (struct published_cache){0};
}
