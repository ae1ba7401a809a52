/* SPDX-License-Identifier: Apache-2.0 */
/* Old events: all events are looked at when the oldest one may be due, then the old ones are
 * deleted, a few at a time. Looking takes a small part of the time however many there are, and who
 * watches events gets a trickle of deletions rather than a flood. */
#include "services/events/expiry_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "resources/metadata.h"

enum {
    SWEEP_MAX = 2000, /* deleted between two looks */
    SLICE = 20,       /* deleted between two pauses of */
    PAUSE_MS = 20,
    REST_TIMES = 50, /* a look is followed by a rest that is so many times longer */
    REST_MIN_MS = 500,
    REST_MAX_MS = 60 * 1000,
    SAMPLES = 256,
};

struct old {
    struct old *next;
    struct str ns, name, version;
};

/* Every revision up to rev was made by then; monotonic microseconds. */
struct sample {
    int64_t at_us, rev;
};

/* What no event tells is when it was written last: the revisions at earlier looks do. */
struct history {
    struct sample samples[SAMPLES];
    size_t n;
    bool from_start; /* the first sample is the first look's: what was before is told by texts */
};

struct sweep {
    struct arena arena;
    struct history *history;
    int64_t now_us, wall_us, ttl_us;
    int64_t oldest_us; /* of those that stay: last written */
    struct old *first, **last;
    size_t n;
};

/* ---- when an event was written ---- */

static void take_later(int64_t *at, struct str time, int64_t now_us)
{
    int64_t t;
    if (time.len && clock_parse(time, &t) && t <= now_us && t > *at) {
        *at = t;
    }
}

static int64_t told_by(const yyjson_mut_val *event, int64_t wall_us)
{
    const yyjson_mut_val *meta = metadata_of(event);
    int64_t at = 0;
    take_later(&at, json_get_str(meta, "creationTimestamp"), wall_us);
    take_later(&at, json_get_str(event, "lastTimestamp"), wall_us);
    take_later(&at, json_get_str(json_get(event, "series"), "lastObservedTime"), wall_us);
    struct json_iter it = json_iter(json_get(meta, "managedFields"));
    while (it.container && json_next(&it)) {
        take_later(&at, json_get_str(it.val, "time"), wall_us);
    }
    return at ? at : wall_us;
}

/* Monotonic microseconds; not before it really was, if it was made since the first look. */
static int64_t written(const struct sweep *s, const yyjson_mut_val *event)
{
    const struct history *h = s->history;
    struct str version = json_get_str(metadata_of(event), "resourceVersion");
    int64_t rev = version.len ? strtoll(version.ptr, NULL, 10) : 0;
    size_t i = 0;
    while (i < h->n && h->samples[i].rev < rev) {
        i++;
    }
    int64_t by = i < h->n ? h->samples[i].at_us : s->now_us;
    int64_t told = s->now_us - (s->wall_us - told_by(event, s->wall_us));
    return i == 0 && (h->from_start || !h->n) && told < by ? told : by;
}

static void remember(struct history *h, int64_t at_us, int64_t rev, int64_t ttl_us)
{
    size_t drop = 0;
    if (h->n && at_us - h->samples[h->n - 1].at_us < ttl_us / (SAMPLES / 2)) {
        return;
    }
    while (drop + 1 < h->n &&
           (h->n - drop == SAMPLES || h->samples[drop + 1].at_us <= at_us - ttl_us)) {
        drop++;
    }
    memmove(h->samples, h->samples + drop, (h->n - drop) * sizeof(*h->samples));
    h->from_start = h->n ? h->from_start && !drop : true;
    h->n -= drop;
    h->samples[h->n++] = (struct sample){at_us, rev};
}

/* ---- looking ---- */

static int look(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct sweep *s = arg;
    const yyjson_mut_val *event = yyjson_mut_doc_get_root(doc);
    int64_t at = written(s, event);
    (void)err;
    if (at > s->now_us - s->ttl_us) {
        s->oldest_us = at < s->oldest_us ? at : s->oldest_us;
    } else if (s->n == SWEEP_MAX) {
        s->oldest_us = 0;
    } else {
        struct old *o = ARENA_NEW(&s->arena, struct old);
        o->ns = arena_str(&s->arena, metadata_namespace(event));
        o->name = arena_str(&s->arena, metadata_name(event));
        o->version = arena_str(&s->arena, json_get_str(metadata_of(event), "resourceVersion"));
        *s->last = o;
        s->last = &o->next;
        s->n++;
    }
    return 0;
}

static struct client_ref ref_to(const struct old *o)
{
    return (struct client_ref){.version = STR("v1"),
                               .resource = STR("events"),
                               .ns = o ? o->ns : STR_NULL,
                               .name = o ? o->name : STR_NULL};
}

/* What was written or deleted meanwhile is left alone. */
static int delete_old(struct client *c, const struct sweep *s, struct service_stop *stop,
                      struct err *err)
{
    size_t n = 0;
    for (const struct old *o = s->first; o; o = o->next) {
        AUTO(err_finish) struct err why = {0};
        const struct client_ref ref = ref_to(o);
        const struct client_options options = {.resource_version = o->version};
        int rc = client_delete(c, &ref, &options, &why);
        if (rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT) {
            return err_move(err, &why);
        }
        if (++n % SLICE == 0 && service_wait(stop, PAUSE_MS)) {
            return 0;
        }
    }
    return 0;
}

static int64_t mono_us(void)
{
    return (int64_t)(clock_mono_ns() / 1000);
}

/* One look and what follows from it; *ret_due: when the next event may be due. */
static int sweep(struct client *c, struct history *h, int ttl_s, struct service_stop *stop,
                 int64_t *ret_due_us, struct err *err)
{
    struct sweep s = {.history = h,
                      .now_us = mono_us(),
                      .wall_us = clock_wall_us(),
                      .ttl_us = ttl_s * (int64_t)1000000};
    const struct client_ref all = ref_to(NULL);
    int64_t rev = 0;
    s.oldest_us = s.now_us;
    s.last = &s.first;
    arena_init(&s.arena, 0);
    int rc = client_list(c, &all, NULL, look, &s, &rev, err);
    if (!rc) {
        remember(h, mono_us(), rev, s.ttl_us);
        rc = delete_old(c, &s, stop, err);
    }
    arena_finish(&s.arena);
    *ret_due_us = s.oldest_us + s.ttl_us;
    return rc;
}

/* How long to rest after a look that took so long. */
static int rest_ms(int64_t took_us, int64_t due_us)
{
    int64_t rest = took_us * REST_TIMES / 1000, until_due = (due_us - mono_us()) / 1000 + 1;
    rest = rest > REST_MIN_MS ? rest : REST_MIN_MS;
    rest = until_due > rest ? until_due : rest;
    return rest < REST_MAX_MS ? (int)rest : REST_MAX_MS;
}

int expiry_run(struct client *c, int ttl_s, struct service_stop *stop, struct err *err)
{
    struct history h = {.n = 0};
    int64_t due_us = 0, begun;
    do {
        begun = mono_us();
        int rc = sweep(c, &h, ttl_s, stop, &due_us, err);
        if (rc) {
            return rc;
        }
    } while (!service_wait(stop, rest_ms(mono_us() - begun, due_us)));
    return 0;
}
