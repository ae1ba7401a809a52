/* SPDX-License-Identifier: Apache-2.0 */
/* The background service: a source for each --provision, all on one thread that sleeps until a
 * directory changes, a type comes, or something is to be tried again. Where servers share a store,
 * a source is kept by the one that holds its lease. */
#include "services/provisioning/provisioning.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metrics.h"
#include "controllers/leader.h"
#include "resources/metadata.h"
#include "services/provisioning/source_priv.h"
#include "services/wire.gen.h"

#define LEASE_NAMESPACE "kube-system"
#define LEASE_PREFIX "coracle-provisioning-"

enum { INTERVAL_S = 5 * 60, GATHER_MS = 50 };

struct provisioning {
    struct client *client;
    struct registry *registry;
    bool shared; /* other servers may be on the same store */
    struct metric *files, *objects, *failures, *created, *changed, *removed;
    int64_t interval_ms;
    struct {
        char *name, *root;
    } *sources;
    size_t n;
    int wake; /* an eventfd: a type has come or gone, a lease was taken or lost; -1: nobody waits */
};

/* ---- settings ---- */

/* "/a/b" of "/a/b/", and of "b" in "/a". */
static char *absolute(struct str dir)
{
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/') {
        dir.len--;
    }
    if (dir.ptr[0] == '/') {
        return alloc_str(dir);
    }
    AUTO_FREE char *here = getcwd(NULL, 0);
    return alloc_printf("%s/%.*s", here ? here : ".", STR_FMT(dir));
}

/* A name made of the last part of the path. */
static char *name_of(struct str dir)
{
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/') {
        dir.len--;
    }
    const char *slash = memrchr(dir.ptr, '/', dir.len);
    char *name = alloc_str(slash ? str_skip(dir, (size_t)(slash + 1 - dir.ptr)) : dir);
    for (char *p = name; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z'                                 ? (char)(*p + 32)
             : (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ? *p
                                                                    : '-';
    }
    return name;
}

/* "NAME=DIR" or "DIR". */
static int add_source(struct provisioning *p, const char *setting, struct err *err)
{
    struct str dir, name = str_cut(str_from(setting), '=', &dir);
    AUTO_FREE char *own = NULL;
    if (!dir.ptr || !name_is_dns1123_label(name)) {
        dir = str_from(setting);
        own = name_of(dir);
        name = str_from(own);
    }
    if (!name_is_dns1123_label(name)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "--provision %s: the directory's name is no name for a source; give one as "
                       "NAME=DIR",
                       setting);
    }
    if (!dir.len) {
        return err_set(err, ERR_BAD_REQUEST,
                       "--provision %s: a directory is wanted after the =", setting);
    }
    for (size_t i = 0; i < p->n; i++) {
        if (str_is(name, p->sources[i].name)) {
            return err_set(err, ERR_BAD_REQUEST,
                           "--provision %s: there is a source named %.*s already; give another "
                           "name as NAME=DIR",
                           setting, STR_FMT(name));
        }
    }
    p->sources[p->n].name = alloc_str(name);
    p->sources[p->n++].root = absolute(dir);
    return 0;
}

static void wake(void *arg)
{
    const struct provisioning *p = arg;
    uint64_t one = 1;
    if (p->wake >= 0 && write(p->wake, &one, sizeof(one)) < 0) {
        return; /* it is full: it wakes already */
    }
}

static void on_type(void *arg, const struct registry_snapshot *types, struct type *changed,
                    bool removed)
{
    (void)types;
    (void)changed;
    (void)removed;
    wake(arg);
}

static struct metric *changes(struct metrics *m, const char *operation)
{
    const struct metric_label label = {"operation", str_from(operation)};
    return metrics_series(m, METRIC_COUNTER, "coracle_provisioning_changes_total",
                          "Objects created, changed and removed because of files.", &label, 1, NULL,
                          0);
}

static struct metric *gauge(struct metrics *m, const char *name, const char *help)
{
    return metrics_series(m, METRIC_GAUGE, name, help, NULL, 0, NULL, 0);
}

static void make_metrics(struct provisioning *p, struct metrics *m)
{
    p->files = gauge(m, "coracle_provisioning_files", "Files that objects are provisioned from.");
    p->objects = gauge(m, "coracle_provisioning_objects", "Objects provisioned from files.");
    p->failures =
        gauge(m, "coracle_provisioning_failures", "What is in files and could not be done.");
    p->created = changes(m, "create");
    p->changed = changes(m, "change");
    p->removed = changes(m, "remove");
}

int provisioning_provide(const struct provisioning_deps *d, struct provisioning **ret,
                         struct err *err)
{
    const struct config_list *list = &d->config->provision;
    int rc = service_publish_all(d->registry, d->documents, err);
    if (rc) {
        return rc;
    }
    struct provisioning *p = ALLOC(struct provisioning);
    p->client = d->client;
    p->registry = d->registry;
    p->shared = str_starts(str_from(d->config->store), STR("etcd="));
    make_metrics(p, d->metrics);
    p->interval_ms =
        (d->config->provision_interval_s ? d->config->provision_interval_s : INTERVAL_S) * 1000;
    p->sources = alloc_zero((list->n + 1) * sizeof(*p->sources));
    p->wake = list->n ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    for (size_t i = 0; i < list->n && !rc; i++) {
        rc = add_source(p, list->items[i], err);
    }
    if (rc) {
        provisioning_release(p);
        return rc;
    }
    registry_listen(d->registry, on_type, p);
    *ret = p;
    return 0;
}

void provisioning_release(struct provisioning *p)
{
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->n; i++) {
        free(p->sources[i].name);
        free(p->sources[i].root);
    }
    if (p->wake >= 0) {
        close(p->wake);
    }
    free(p->sources);
    free(p);
}

/* ---- the thread ---- */

/* A source and who keeps it. */
struct kept {
    struct source *source; /* NULL: another server's, or nobody's */
    struct leader *leader; /* NULL: there are no other servers */
};

struct running {
    struct provisioning *p;
    struct kept *kept;
    struct pollfd *fds; /* the stop, types, then a source each */
    struct service_stop *stop;
};

static struct str lease_name(struct arena *a, struct str source)
{
    return str_from(arena_printf(a, LEASE_PREFIX "%.*s", STR_FMT(source)));
}

/* ---- sources that are not configured any more ---- */

struct others {
    const struct provisioning *p;
    struct arena arena;
    struct str *names;
    size_t n, cap;
};

static int note_other(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct others *o = arg;
    struct str name = metadata_name(doc->root);
    (void)err;
    for (size_t i = 0; i < o->p->n; i++) {
        if (str_is(name, o->p->sources[i].name)) {
            return 0;
        }
    }
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 8;
        o->names = alloc_resize(o->names, o->cap * sizeof(*o->names));
    }
    o->names[o->n++] = arena_str(&o->arena, name);
    return 0;
}

/* Whether another server is at it, as far as its lease says. */
static bool is_kept_elsewhere(const struct provisioning *p, struct str source)
{
    struct arena a;
    arena_init(&a, 0);
    bool kept =
        p->shared && leader_exists(p->client, STR(LEASE_NAMESPACE), lease_name(&a, source));
    arena_finish(&a);
    return kept;
}

/* Their objects stay as they are; their Source objects say that nobody keeps them. */
static void disown_others(const struct provisioning *p)
{
    static const struct client_ref sources = {.group = {"provisioning.coracle.dev", 24},
                                              .version = {"v1", 2},
                                              .resource = {"sources", 7}};
    struct others o = {.p = p};
    AUTO(err_finish) struct err err = {0};
    int64_t rev = 0;
    arena_init(&o.arena, 0);
    int rc = client_list(p->client, &sources, NULL, note_other, &o, &rev, &err);
    for (size_t i = 0; i < o.n && !rc; i++) {
        rc = is_kept_elsewhere(p, o.names[i]) ? 0 : source_disown(p->client, o.names[i], &err);
    }
    if (rc) {
        log_warn("sources that are not configured could not be marked so", LOG_ERR(&err));
    }
    free(o.names);
    arena_finish(&o.arena);
}

/* ---- in and out of office ---- */

static struct leader *make_leader(struct provisioning *p, struct str source, struct str identity)
{
    struct arena a;
    arena_init(&a, 0);
    struct leader *l = leader_create(&(struct leader_options){.client = p->client,
                                                              .ns = STR(LEASE_NAMESPACE),
                                                              .name = lease_name(&a, source),
                                                              .identity = identity,
                                                              .changed = wake,
                                                              .arg = p});
    arena_finish(&a);
    leader_start(l);
    return l;
}

static void begin(struct running *r)
{
    struct provisioning *p = r->p;
    struct arena a;
    arena_init(&a, 0);
    struct str identity = p->shared ? leader_identity(&a) : STR("");
    r->kept = alloc_zero(p->n * sizeof(*r->kept));
    for (size_t i = 0; i < p->n; i++) {
        r->kept[i].leader =
            p->shared ? make_leader(p, str_from(p->sources[i].name), identity) : NULL;
    }
    arena_finish(&a);
}

/* Each term begins with what is stored, as a start of the server does: another may have changed it.
 */
static struct source *tend(struct running *r, size_t i)
{
    struct kept *k = &r->kept[i];
    const struct provisioning *p = r->p;
    uint64_t term = k->leader ? leader_term(k->leader) : 1;
    if (k->source && k->source->term != term) {
        source_destroy(k->source);
        k->source = NULL;
    }
    if (!k->source && term) {
        k->source = source_create(p->sources[i].name, p->sources[i].root, p->client, p->registry,
                                  p->interval_ms);
        k->source->stop = r->stop;
        k->source->leader = k->leader;
        k->source->term = term;
    }
    return k->source;
}

static void end(struct running *r)
{
    for (size_t i = 0; i < r->p->n; i++) {
        source_destroy(r->kept[i].source);
        leader_destroy(r->kept[i].leader);
    }
    free(r->kept);
}

/* ---- the loop ---- */

/* Milliseconds until the next source is due. */
static int patience(const struct running *r)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < r->p->n; i++) {
        const struct source *s = r->kept[i].source;
        next = s && s->next_ms < next ? s->next_ms : next;
    }
    int64_t ms = next - clock_mono_ms();
    return ms < 0 ? 0 : ms > 60 * 1000 ? 60 * 1000 : (int)ms;
}

static void measure(const struct running *r)
{
    size_t files = 0, objects = 0, failures = 0;
    for (size_t i = 0; i < r->p->n; i++) {
        const struct source *s = r->kept[i].source;
        files += s ? s->told_files : 0;
        objects += s ? s->told_objects : 0;
        failures += s ? s->told_failures : 0;
    }
    metric_set(r->p->files, (double)files);
    metric_set(r->p->objects, (double)objects);
    metric_set(r->p->failures, (double)failures);
}

static void run_one(struct running *r, struct source *s)
{
    source_run(s);
    metric_add(r->p->created, (double)s->done.created);
    metric_add(r->p->changed, (double)s->done.changed);
    metric_add(r->p->removed, (double)s->done.removed);
}

static void hear(struct running *r)
{
    uint64_t n;
    bool types = read(r->p->wake, &n, sizeof(n)) > 0;
    for (size_t i = 0; i < r->p->n; i++) {
        struct source *s = tend(r, i);
        if (s && s->notify && notify_read(s->notify)) {
            source_again(s, GATHER_MS);
        }
        if (s && types) {
            source_types_changed(s);
        }
    }
}

/* False: the server stops. */
static bool wait(struct running *r)
{
    for (size_t i = 0; i < r->p->n; i++) {
        struct notify *n = r->kept[i].source ? r->kept[i].source->notify : NULL;
        r->fds[i + 2] = (struct pollfd){.fd = n ? notify_fd(n) : -1, .events = POLLIN};
    }
    if (poll(r->fds, r->p->n + 2, patience(r)) < 0 && errno != EINTR) {
        return !service_wait(r->stop, 1000);
    }
    return !service_stopping(r->stop);
}

int provisioning_run(struct provisioning *p, struct service_stop *stop, struct err *err)
{
    struct running r = {.p = p, .stop = stop};
    (void)err;
    disown_others(p);
    if (!p->n) {
        service_wait(stop, -1);
        return 0;
    }
    r.fds = alloc_zero((p->n + 2) * sizeof(*r.fds));
    r.fds[0] = (struct pollfd){.fd = service_stop_fd(stop), .events = POLLIN};
    r.fds[1] = (struct pollfd){.fd = p->wake, .events = POLLIN};
    begin(&r);
    do {
        hear(&r);
        for (size_t i = 0; i < p->n && !service_stopping(stop); i++) {
            struct source *s = tend(&r, i);
            if (s && s->next_ms <= clock_mono_ms()) {
                run_one(&r, s);
            }
        }
        measure(&r);
    } while (wait(&r));
    end(&r);
    free(r.fds);
    return 0;
}
