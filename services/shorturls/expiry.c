/* SPDX-License-Identifier: Apache-2.0 */
/* Short URLs that nobody has ever used go, a few at a time. */
#include "services/shorturls/expiry_priv.h"

#include "base/clock.h"
#include "base/json.h"
#include "resources/metadata.h"

enum { SLICE = 20, PAUSE_MS = 20, SWEEP_MAX = 2000 };

struct stale {
    struct stale *next;
    struct str ns, name, version;
};

struct sweep {
    struct arena arena;
    int64_t before_us;
    struct stale *first, **last;
    size_t n;
};

static struct client_ref ref_to(const struct stale *s)
{
    return (struct client_ref){.group = STR("shorturl.grafana.app"),
                               .version = STR("v1beta1"),
                               .resource = STR("shorturls"),
                               .ns = s ? s->ns : STR(""),
                               .name = s ? s->name : STR("")};
}

static int look(void *arg, yyjson_mut_doc *obj, struct err *err)
{
    struct sweep *s = arg;
    const yyjson_mut_val *meta = metadata_of(obj->root);
    int64_t made = 0;
    (void)err;
    if (s->n < SWEEP_MAX && clock_parse(json_get_str(meta, "creationTimestamp"), &made) &&
        made <= s->before_us && json_get_int(json_get(obj->root, "status"), "lastSeenAt", 0) == 0) {
        struct stale *f = ARENA_NEW(&s->arena, struct stale);
        f->ns = arena_str(&s->arena, json_get_str(meta, "namespace"));
        f->name = arena_str(&s->arena, json_get_str(meta, "name"));
        f->version = arena_str(&s->arena, json_get_str(meta, "resourceVersion"));
        *s->last = f;
        s->last = &f->next;
        s->n++;
    }
    return 0;
}

/* One that was used since it was looked at stays. */
static int delete_stale(struct client *c, const struct sweep *s, struct service_stop *stop,
                        struct err *err)
{
    size_t n = 0;
    for (const struct stale *f = s->first; f; f = f->next) {
        const struct client_options o = {.resource_version = f->version};
        const struct client_ref ref = ref_to(f);
        struct err why = {0};
        int rc = client_delete(c, &ref, &o, &why);
        if (rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT) {
            return err_move(err, &why);
        }
        err_finish(&why);
        if (++n % SLICE == 0 && service_wait(stop, PAUSE_MS)) {
            return 0;
        }
    }
    return 0;
}

int shorturls_expire(struct client *c, int ttl_s, struct service_stop *stop, struct err *err)
{
    struct sweep s = {.before_us = clock_wall_us() - ttl_s * INT64_C(1000000)};
    const struct client_ref all = ref_to(NULL);
    int64_t rev = 0;
    s.last = &s.first;
    arena_init(&s.arena, 0);
    int rc = client_list(c, &all, NULL, look, &s, &rev, err);
    rc = rc ? rc : delete_stale(c, &s, stop, err);
    arena_finish(&s.arena);
    return rc;
}
