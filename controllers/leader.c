/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election. A try reads the Lease and, where it is its own, free or seen unchanged for as
 * long as its holder asked for, writes it with the resourceVersion that it read, so that of several
 * who try at once one succeeds. A read that is stale does no harm: the write is refused then. */
#include "controllers/leader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/latch.h"
#include "base/log.h"
#include "resources/metadata.h"

static const struct leader_times usual = {.lease = 15000, .renew = 10000, .retry = 2000};

struct leader {
    struct client *client;
    char *ns, *name, *identity;
    struct leader_times times;
    struct leader_clock clock;
    void (*changed)(void *arg);
    void *arg;
    /* of the thread that steps */
    uint64_t seen;      /* a hash of the lease's spec as it was seen last; 0: none was */
    int64_t seen_ms;    /* when it was first seen so */
    uint64_t told_term; /* what `changed` was called for */
    bool failing;       /* and that was logged */
    /* of all */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool held, stopping;
    int64_t renewed_ms; /* when the last try that succeeded began */
    uint64_t term;
    pthread_t thread;
    bool started;
};

/* ---- time ---- */

static int64_t since_start_ms(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_us(void *arg)
{
    (void)arg;
    return clock_wall_us();
}

static int64_t now_ms(const struct leader *l)
{
    return l->clock.since_start_ms(l->clock.arg);
}

/* ---- life ---- */

struct str leader_identity(struct arena *a)
{
    char host[256] = {0}, uuid[37];
    if (gethostname(host, sizeof(host) - 1) != 0 || !host[0]) {
        memcpy(host, "coracle", 8);
    }
    crypto_uuid(uuid);
    return str_from(arena_printf(a, "%s_%s", host, uuid));
}

struct leader *leader_create(const struct leader_options *o)
{
    struct leader *l = ALLOC(struct leader);
    l->client = o->client;
    l->ns = alloc_str(o->ns);
    l->name = alloc_str(o->name);
    l->identity = alloc_str(o->identity);
    l->times = o->times ? *o->times : usual;
    l->clock = o->clock ? *o->clock : (struct leader_clock){since_start_ms, wall_us, NULL};
    l->changed = o->changed;
    l->arg = o->arg;
    pthread_mutex_init(&l->lock, NULL);
    cond_init_monotonic(&l->cond);
    return l;
}

/* The lock is held. */
static uint64_t term_now(const struct leader *l, int64_t now)
{
    return l->held && now - l->renewed_ms < l->times.renew ? l->term : 0;
}

uint64_t leader_term(struct leader *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t term = term_now(l, now_ms(l));
    pthread_mutex_unlock(&l->lock);
    return term;
}

/* ---- the lease ---- */

struct lease {
    struct arena arena;
    yyjson_mut_doc *doc; /* NULL: there is none */
    yyjson_mut_val *spec;
    struct str holder;
};

static struct client_ref lease_ref(struct str ns, struct str name)
{
    return (struct client_ref){.group = STR("coordination.k8s.io"),
                               .version = STR("v1"),
                               .resource = STR("leases"),
                               .ns = ns,
                               .name = name};
}

static struct client_ref own_ref(const struct leader *l)
{
    return lease_ref(str_from(l->ns), str_from(l->name));
}

static int read_lease(struct client *client, const struct client_ref *ref, struct lease *e,
                      struct err *err)
{
    struct err why = {0};
    int rc = client_get(client, ref, &e->arena, &e->doc, &why);
    if (rc == ERR_NOT_FOUND) {
        err_finish(&why);
        e->doc = NULL;
        return 0;
    }
    if (rc) {
        return err_move(err, &why);
    }
    e->spec = json_get(e->doc->root, "spec");
    e->holder = json_get_str(e->spec, "holderIdentity");
    return 0;
}

bool leader_exists(struct client *client, struct str ns, struct str name)
{
    struct lease e = {0};
    const struct client_ref ref = lease_ref(ns, name);
    arena_init(&e.arena, 0);
    bool held = read_lease(client, &ref, &e, NULL) == 0 && e.holder.len;
    arena_finish(&e.arena);
    return held;
}

/* Notes since when the lease is as it is. */
static void observe(struct leader *l, const struct lease *e, int64_t now)
{
    AUTO(buf_finish) struct buf text = {0};
    if (e->spec) {
        json_write(&text, e->spec);
    }
    uint64_t hash = crypto_hash64(buf_str(&text)) | 1;
    if (hash != l->seen) {
        l->seen = hash;
        l->seen_ms = now;
    }
}

static bool is_mine(const struct leader *l, const struct lease *e)
{
    return str_is(e->holder, l->identity);
}

/* Whether another has it and was heard of within the time that it asked for. */
static bool is_taken(const struct leader *l, const struct lease *e, int64_t now)
{
    int64_t ms = json_get_int(e->spec, "leaseDurationSeconds", 0) * 1000;
    return e->holder.len && !is_mine(l, e) && now - l->seen_ms < (ms > 0 ? ms : l->times.lease);
}

static void set_time(const struct leader *l, struct lease *e, const char *key)
{
    char text[CLOCK_TEXT];
    size_t n = clock_format_micro(l->clock.wall_us(l->clock.arg), text);
    json_set_str(e->doc, e->spec, key, str_make(text, n));
}

static int seconds(const struct leader *l)
{
    return l->times.lease < 1000 ? 1 : (int)(l->times.lease / 1000);
}

static int create_lease(struct leader *l, struct lease *e, struct err *err)
{
    struct client_ref ref = own_ref(l);
    const struct client_options o = {.manager = STR("coracle")};
    yyjson_mut_doc *answer = NULL;
    e->doc = json_doc(&e->arena);
    yyjson_mut_val *obj = yyjson_mut_obj(e->doc);
    json_set_str(e->doc, obj, "apiVersion", STR("coordination.k8s.io/v1"));
    json_set_str(e->doc, obj, "kind", STR("Lease"));
    json_set_str(e->doc, json_ensure_obj(e->doc, obj, "metadata"), "name", ref.name);
    json_set_str(e->doc, json_get(obj, "metadata"), "namespace", ref.ns);
    e->spec = json_ensure_obj(e->doc, obj, "spec");
    json_set_str(e->doc, e->spec, "holderIdentity", str_from(l->identity));
    json_set_int(e->doc, e->spec, "leaseDurationSeconds", seconds(l));
    json_set_int(e->doc, e->spec, "leaseTransitions", 0);
    set_time(l, e, "acquireTime");
    set_time(l, e, "renewTime");
    ref.name = STR("");
    return client_create(l->client, &ref, obj, &o, &e->arena, &answer, err);
}

/* Over what was read, and nothing else. */
static int update_lease(struct leader *l, struct lease *e, struct str holder, int duration_s,
                        struct err *err)
{
    const struct client_ref ref = own_ref(l);
    const struct client_options o = {.manager = STR("coracle")};
    yyjson_mut_doc *answer = NULL;
    e->spec = json_ensure_obj(e->doc, e->doc->root, "spec");
    if (!str_eq(e->holder, holder)) {
        int64_t moves = json_get_int(e->spec, "leaseTransitions", 0);
        json_set_int(e->doc, e->spec, "leaseTransitions", moves + (holder.len ? 1 : 0));
        set_time(l, e, "acquireTime");
    }
    json_set_str(e->doc, e->spec, "holderIdentity", holder);
    json_set_int(e->doc, e->spec, "leaseDurationSeconds", duration_s);
    set_time(l, e, "renewTime");
    return client_update(l->client, &ref, e->doc->root, &o, &e->arena, &answer, err);
}

/* ---- a try ---- */

/* ERR_EXISTS: another has it; ERR_CONFLICT: somebody wrote it in between. */
static int try_once(struct leader *l, int64_t now, struct err *err)
{
    struct lease e = {0};
    arena_init(&e.arena, 0);
    const struct client_ref ref = own_ref(l);
    int rc = read_lease(l->client, &ref, &e, err);
    if (!rc) {
        observe(l, &e, now);
        rc = !e.doc                 ? create_lease(l, &e, err)
             : is_taken(l, &e, now) ? err_set(err, ERR_EXISTS, "another holds the lease")
                                    : update_lease(l, &e, str_from(l->identity), seconds(l), err);
    }
    arena_finish(&e.arena);
    return rc;
}

static void log_try(struct leader *l, int rc, const struct err *err)
{
    bool fails = rc && rc != ERR_CONFLICT && rc != ERR_EXISTS;
    if (fails && !l->failing) {
        log_warn("a lease can be neither taken nor renewed", LOG_Z("lease", l->name), LOG_ERR(err));
    }
    l->failing = fails;
}

static void settle(struct leader *l, int rc, int64_t began)
{
    pthread_mutex_lock(&l->lock);
    bool lapsed = !term_now(l, now_ms(l));
    if (rc == 0) {
        l->term += lapsed;
        l->held = true;
        l->renewed_ms = began;
    } else {
        l->held = !lapsed && rc != ERR_EXISTS;
    }
    pthread_mutex_unlock(&l->lock);
}

static void tell(struct leader *l)
{
    uint64_t term = leader_term(l);
    if (term == l->told_term) {
        return;
    }
    l->told_term = term;
    log_info(term ? "the lease is held" : "the lease is lost", LOG_Z("lease", l->name));
    if (l->changed) {
        l->changed(l->arg);
    }
}

int64_t leader_step(struct leader *l)
{
    AUTO(err_finish) struct err err = {0};
    int64_t began = now_ms(l);
    int rc = try_once(l, began, &err);
    log_try(l, rc, &err);
    settle(l, rc, began);
    tell(l);
    return l->times.retry;
}

/* ---- the thread ---- */

/* False: it is to stop. */
static bool rest(struct leader *l, int64_t ms)
{
    const struct timespec until = cond_deadline(ms);
    pthread_mutex_lock(&l->lock);
    while (!l->stopping && pthread_cond_timedwait(&l->cond, &l->lock, &until) != ETIMEDOUT) {
    }
    bool go_on = !l->stopping;
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct leader *l = arg;
    while (rest(l, leader_step(l))) {
    }
    return NULL;
}

void leader_start(struct leader *l)
{
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        log_error("cannot start a thread", LOG_Z("lease", l->name));
        abort();
    }
    pthread_setname_np(l->thread, "leader");
    l->started = true;
}

static void stop(struct leader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->cond);
    pthread_mutex_unlock(&l->lock);
    if (l->started) {
        pthread_join(l->thread, NULL);
        l->started = false;
    }
}

/* The lease without a holder: whoever looks next takes it. */
static void give_back(struct leader *l)
{
    AUTO(err_finish) struct err err = {0};
    struct lease e = {0};
    arena_init(&e.arena, 0);
    const struct client_ref ref = own_ref(l);
    l->held = false;
    if (read_lease(l->client, &ref, &e, &err) == 0 && e.doc && is_mine(l, &e)) {
        update_lease(l, &e, STR(""), 1, &err);
    }
    arena_finish(&e.arena);
}

void leader_abandon(struct leader *l)
{
    stop(l);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->cond);
    free(l->ns);
    free(l->name);
    free(l->identity);
    free(l);
}

void leader_destroy(struct leader *l)
{
    if (!l) {
        return;
    }
    stop(l);
    if (l->term) {
        give_back(l);
    }
    leader_abandon(l);
}
