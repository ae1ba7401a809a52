/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by type. The store holds no such numbers, so the keys of each type are counted when
 * somebody asks, which takes time where there are many: how long the last count took says how soon
 * the next may follow. */
#include "resources/objects.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "resources/engine_priv.h"

enum { SHARE = 100 /* of the time, that counting may take one part */, PAUSE_MIN_MS = 1000 };

struct object_count {
    char *group, *resource;
    int64_t n; /* -1: the store could not say, as the reference has it */
};

struct object_counts {
    struct engine *engine;
    pthread_mutex_t lock;
    struct object_count *items;
    size_t n;
    int64_t next_ms; /* when to count again */
};

static void clear(struct object_counts *o)
{
    for (size_t i = 0; i < o->n; i++) {
        free(o->items[i].group);
        free(o->items[i].resource);
    }
    free(o->items);
    o->items = NULL;
    o->n = 0;
}

/* Whether the type's keys are its own, and not another type's seen in a second form. */
static bool has_objects(const struct type *t)
{
    return !t->virtual_ && str_eq(t->stored_api_version, type_storage(t)->api_version);
}

static void count_type(struct object_counts *o, const struct type *t)
{
    const struct store_range r = {.prefix = t->prefix, .keys_only = true};
    struct object_count *c = &o->items[o->n++];
    *c = (struct object_count){alloc_str(t->group), alloc_str(t->resource), 0};
    if (store_count(o->engine->store, &r, &c->n, NULL) < 0) {
        c->n = -1;
    }
}

static void count(struct object_counts *o)
{
    struct registry_snapshot *types = registry_ref(o->engine->registry);
    int64_t begun = clock_mono_ms();
    clear(o);
    o->items = alloc_bytes(types->n_types * sizeof(*o->items));
    for (size_t i = 0; i < types->n_groups; i++) {
        const struct registry_group *g = &types->groups[i];
        for (size_t j = 0; j < g->n_types; j++) {
            if (has_objects(g->types[j])) {
                count_type(o, g->types[j]);
            }
        }
    }
    registry_snapshot_unref(types);
    int64_t now = clock_mono_ms(), pause = (now - begun) * SHARE;
    o->next_ms = now + (pause > PAUSE_MIN_MS ? pause : PAUSE_MIN_MS);
}

static void collect(void *arg, struct metrics *m, struct buf *out)
{
    static const char name[] = "apiserver_resource_objects";
    struct object_counts *o = arg;
    (void)m;
    pthread_mutex_lock(&o->lock);
    if (clock_mono_ms() >= o->next_ms) {
        count(o);
    }
    if (o->n) {
        metrics_head(out, METRIC_GAUGE, name,
                     "Number of stored objects at the time of last check split by kind. In case of "
                     "a fetching error, the value will be -1.");
    }
    for (size_t i = 0; i < o->n; i++) {
        const struct metric_label l[] = {{"group", str_from(o->items[i].group)},
                                         {"resource", str_from(o->items[i].resource)}};
        metrics_sample(out, name, l, 2, (double)o->items[i].n);
    }
    pthread_mutex_unlock(&o->lock);
}

struct object_counts *object_counts_create(struct engine *e, struct metrics *m)
{
    struct object_counts *o = ALLOC(struct object_counts);
    o->engine = e;
    pthread_mutex_init(&o->lock, NULL);
    metrics_collector(m, collect, o);
    return o;
}

void object_counts_destroy(struct object_counts *o)
{
    if (o) {
        clear(o);
        pthread_mutex_destroy(&o->lock);
        free(o);
    }
}
