/* SPDX-License-Identifier: Apache-2.0 */
/* What people see of a source: its Source object, events about that, lines of the log. All of it is
 * written when something is other than before, and not otherwise. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "controllers/conditions.h"
#include "resources/metadata.h"
#include "services/provisioning/source_priv.h"

#define API_VERSION "provisioning.coracle.dev/v1"
#define COMPONENT "coracle-provisioning"

enum { EVENTS_MAX = 50, ATTEMPTS = 5, PENDING_MS = 2000 };

/* ---- everything that failed, in one form ---- */

struct report {
    struct source *s;
    struct arena arena;
    yyjson_mut_doc *doc;
    yyjson_mut_val *failures;
    size_t n, files, objects;
    size_t pending;    /* files that are still to be read or applied, for no fault of theirs */
    size_t events;     /* made in this run */
    uint64_t problems; /* a hash of the tree's problems */
    struct str uid;    /* of the Source object */
};

/* No longer than a message may be, and no character cut apart. */
static struct str cut(struct str s)
{
    size_t n = s.len < LIMIT_PROVISION_MESSAGE_BYTES ? s.len : LIMIT_PROVISION_MESSAGE_BYTES;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    return str_make(s.ptr, n);
}

typedef void failure_fn(struct report *r, struct str path, struct str object, const char *reason,
                        struct str message, bool *fresh);

static void each_failure(struct report *r, failure_fn *fn)
{
    struct source *s = r->s;
    if (s->root_failure.message) {
        fn(r, STR(""), STR(""), s->root_failure.reason, str_from(s->root_failure.message),
           &s->root_failure.fresh);
    }
    for (size_t i = 0; i < s->tree.n_problems; i++) {
        const struct tree_problem *p = &s->tree.problems[i];
        bool fresh = r->problems != s->problems_told;
        fn(r, p->path, STR(""), p->reason, p->message, &fresh);
    }
    for (size_t i = 0; i < s->n_units; i++) {
        struct unit *u = s->units[i];
        for (size_t k = 0; k < u->n_failures; k++) {
            struct failure *f = &u->failures[k];
            fn(r, str_from(u->path), str_from(f->object), f->reason, str_from(f->message),
               &f->fresh);
        }
    }
    for (size_t b = 0; b < s->inventory.n_buckets; b++) {
        for (struct item *i = s->inventory.buckets[b]; i; i = i->next) {
            if (i->message) {
                fn(r, str_from(i->path), object_label(&r->arena, &i->ref, STR("")), "NotRemoved",
                   str_from(i->message), &i->fresh);
            }
        }
    }
}

/* ---- the Source object ---- */

static void add_failure(struct report *r, struct str path, struct str object, const char *reason,
                        struct str message, bool *fresh)
{
    (void)fresh;
    if (r->n++ >= LIMIT_PROVISION_FAILURES) {
        return;
    }
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(r->doc, r->failures);
    json_set_str(r->doc, o, "path", path);
    if (object.len) {
        json_set_str(r->doc, o, "object", object);
    }
    json_set_str(r->doc, o, "reason", str_from(reason));
    json_set_str(r->doc, o, "message", cut(message));
}

static void count(struct report *r)
{
    const struct source *s = r->s;
    for (size_t i = 0; i < s->tree.n_problems; i++) {
        r->problems = crypto_hash64_more(r->problems, s->tree.problems[i].path);
        r->problems = crypto_hash64_more(r->problems, s->tree.problems[i].message);
    }
    for (size_t i = 0; i < s->n_units; i++) {
        const struct unit *u = s->units[i];
        r->files += !unit_is_dir(u);
        r->pending +=
            u->seen && (u->state == UNIT_UNREAD || (u->state == UNIT_READ && !u->n_failures));
    }
    for (size_t b = 0; b < s->inventory.n_buckets; b++) {
        for (const struct item *i = s->inventory.buckets[b]; i; i = i->next) {
            r->objects += i->checksum[0] != 0;
        }
    }
}

static void set_ready(struct report *r, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    const struct source *s = r->s;
    if (s->root_failure.message) {
        condition_set(d, obj, "Ready", false, s->root_failure.reason,
                      cut(str_from(s->root_failure.message)));
    } else if (r->n) {
        const char *text = arena_printf(&r->arena, "%zu %s could not be done", r->n,
                                        r->n == 1 ? "thing" : "things");
        condition_set(d, obj, "Ready", false, "Failures", str_from(text));
    } else if (r->pending) {
        condition_set(d, obj, "Ready", false, "Progressing",
                      STR("files are still to be read or applied"));
    } else {
        condition_set(d, obj, "Ready", true, "Applied", STR("everything is as the files say"));
    }
    condition_set(
        d, obj, "Watching", s->watching, s->watching ? "Notified" : "Polling",
        s->watching
            ? STR("changes are noticed at once")
            : STR("the directory is looked at from time to time: it is not there, or the system "
                  "has no inotify watches left"));
}

static void fill(struct report *r, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *status = json_ensure_obj(d, obj, "status");
    json_set_int(d, status, "files", (int64_t)r->files);
    json_set_int(d, status, "objects", (int64_t)r->objects);
    json_set_int(d, status, "inventories", (int64_t)r->s->inventory.n_stored);
    json_set_int(d, status, "failureCount", (int64_t)r->n);
    json_setz(d, status, "failures", json_copy(d, r->failures));
    set_ready(r, d, obj);
}

static struct client_ref source_ref(const struct source *s, const char *subresource)
{
    return (struct client_ref){.group = STR("provisioning.coracle.dev"),
                               .version = STR("v1"),
                               .resource = STR("sources"),
                               .name = str_from(s->name),
                               .subresource = str_from(subresource)};
}

/* The Source object as it is, made where there is none. */
static int ensure(struct report *r, yyjson_mut_doc **ret, struct err *err)
{
    const struct client_ref ref = source_ref(r->s, NULL);
    const struct client_options o = {.manager = STR("provisioning"), .force = true};
    yyjson_mut_doc *d = json_doc(&r->arena);
    yyjson_mut_val *obj = yyjson_mut_obj(d);
    json_set_str(d, obj, "apiVersion", STR(API_VERSION));
    json_set_str(d, obj, "kind", STR("Source"));
    json_set_str(d, json_ensure_obj(d, obj, "metadata"), "name", str_from(r->s->name));
    json_set_str(d, json_ensure_obj(d, obj, "spec"), "path", str_from(r->s->root));
    return client_patch(r->s->client, &ref, PATCH_APPLY, obj, &o, &r->arena, ret, err);
}

static int write_status(struct report *r, struct err *err)
{
    const struct client_ref ref = source_ref(r->s, "status");
    const struct client_options o = {.manager = STR("provisioning")};
    yyjson_mut_doc *d = NULL, *answer = NULL;
    int rc = ensure(r, &d, err);
    if (rc) {
        return rc;
    }
    r->uid = arena_str(&r->arena, metadata_uid(d->root));
    yyjson_mut_val *was = json_copy(d, json_get(d->root, "status"));
    fill(r, d, d->root);
    if (was && json_equal(was, json_get(d->root, "status"))) {
        return 0;
    }
    char now[CLOCK_TEXT];
    size_t n = clock_format(clock_wall_us(), now);
    json_set_str(d, json_get(d->root, "status"), "observedTime", str_make(now, n));
    return client_update(r->s->client, &ref, d->root, &o, &r->arena, &answer, err);
}

/* What the status says, but for times. */
static uint64_t status_hash(struct report *r)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_printf(&b, "%zu %zu %zu %zu %d %d %s ", r->files, r->objects, r->n,
               r->s->inventory.n_stored, r->s->watching, r->pending != 0,
               r->s->root_failure.message ? r->s->root_failure.message : "");
    json_write(&b, r->failures);
    uint64_t h = crypto_hash64(buf_str(&b));
    return h ? h : 1;
}

/* ---- events ---- */

static int bump(struct report *r, const struct client_ref *ref, const yyjson_mut_val *event,
                struct str now, struct err *err)
{
    yyjson_mut_doc *d = json_doc(&r->arena), *answer = NULL;
    yyjson_mut_val *patch = yyjson_mut_obj(d);
    json_set_int(d, patch, "count", json_get_int(event, "count", 0) + 1);
    json_set_str(d, patch, "lastTimestamp", now);
    return client_patch(r->s->client, ref, PATCH_MERGE, patch, NULL, &r->arena, &answer, err);
}

static int make(struct report *r, struct client_ref *ref, struct str text, struct str now,
                struct err *err)
{
    yyjson_mut_doc *d = json_doc(&r->arena), *answer = NULL;
    yyjson_mut_val *e = yyjson_mut_obj(d), *meta = json_ensure_obj(d, e, "metadata"),
                   *about = json_ensure_obj(d, e, "involvedObject");
    json_set_str(d, e, "apiVersion", STR("v1"));
    json_set_str(d, e, "kind", STR("Event"));
    json_set_str(d, meta, "name", ref->name);
    json_set_str(d, meta, "namespace", ref->ns);
    json_set_str(d, about, "apiVersion", STR(API_VERSION));
    json_set_str(d, about, "kind", STR("Source"));
    json_set_str(d, about, "name", str_from(r->s->name));
    json_set_str(d, about, "uid", r->uid);
    json_set_str(d, e, "type", STR("Warning"));
    json_set_str(d, e, "reason", STR("ProvisioningFailed"));
    json_set_str(d, e, "message", text);
    json_set_str(d, json_ensure_obj(d, e, "source"), "component", STR(COMPONENT));
    json_set_str(d, e, "reportingComponent", STR(COMPONENT));
    json_set_str(d, e, "firstTimestamp", now);
    json_set_str(d, e, "lastTimestamp", now);
    json_set_int(d, e, "count", 1);
    ref->name = STR("");
    return client_create(r->s->client, ref, e, NULL, &r->arena, &answer, err);
}

/* One event for each failure: what comes again is counted. */
static int tell(struct report *r, struct str text, struct err *err)
{
    char now[CLOCK_TEXT];
    struct str at = str_make(now, clock_format(clock_wall_us(), now));
    struct client_ref ref = {.version = STR("v1"), .resource = STR("events"), .ns = STR("default")};
    AUTO(err_finish) struct err why = {0};
    yyjson_mut_doc *d = NULL;
    ref.name = str_from(
        arena_printf(&r->arena, "%s.%016llx", r->s->name, (unsigned long long)crypto_hash64(text)));
    int rc = client_get(r->s->client, &ref, &r->arena, &d, &why);
    if (rc == ERR_NOT_FOUND) {
        return make(r, &ref, text, at, err);
    }
    return rc ? err_move(err, &why) : bump(r, &ref, d->root, at, err);
}

static void tell_failure(struct report *r, struct str path, struct str object, const char *reason,
                         struct str message, bool *fresh)
{
    AUTO(buf_finish) struct buf b = {0};
    AUTO(err_finish) struct err err = {0};
    if (!*fresh || r->events >= EVENTS_MAX) {
        return;
    }
    *fresh = false;
    r->events++;
    log_warn("something could not be provisioned", LOG_Z("source", r->s->name), LOG_S("path", path),
             LOG_S("object", object), LOG_Z("reason", reason), LOG_S("message", message));
    buf_add(&b, path);
    buf_printf(&b, "%s%.*s%s%s: ", path.len ? ": " : "", STR_FMT(object), object.len ? ": " : "",
               reason);
    buf_add(&b, message);
    if (tell(r, cut(buf_str(&b)), &err)) {
        log_warn("an event could not be written", LOG_Z("source", r->s->name), LOG_ERR(&err));
    }
}

int source_disown(struct client *c, struct str name, struct err *err)
{
    struct arena a;
    yyjson_mut_doc *d = NULL, *answer = NULL;
    struct client_ref ref = {.group = STR("provisioning.coracle.dev"),
                             .version = STR("v1"),
                             .resource = STR("sources"),
                             .name = name};
    const struct client_options o = {.manager = STR("provisioning")};
    arena_init(&a, 0);
    int rc = client_get(c, &ref, &a, &d, err);
    if (!rc && condition_set(d, d->root, "Ready", false, "NotConfigured",
                             STR("the server is not told to provision this source; its objects "
                                 "stay as they are"))) {
        ref.subresource = STR("status");
        rc = client_update(c, &ref, d->root, &o, &a, &answer, err);
    }
    arena_finish(&a);
    return rc;
}

/* What is under way is told of when it takes long; the first word comes at once. */
static bool is_early(struct report *r)
{
    struct source *s = r->s;
    int64_t now = clock_mono_ms();
    s->pending_ms = !r->pending ? 0 : s->pending_ms ? s->pending_ms : now;
    return s->told && s->pending_ms && now - s->pending_ms < PENDING_MS;
}

void source_report(struct source *s)
{
    struct report r = {.s = s};
    AUTO(err_finish) struct err err = {0};
    int rc = ERR_CONFLICT;
    arena_init(&r.arena, 0);
    r.doc = json_doc(&r.arena);
    r.failures = yyjson_mut_arr(r.doc);
    count(&r);
    if (is_early(&r)) {
        arena_finish(&r.arena);
        return;
    }
    each_failure(&r, add_failure);
    s->told_files = r.files;
    s->told_objects = r.objects;
    s->told_failures = r.n;
    uint64_t hash = status_hash(&r);
    for (int i = 0; i < ATTEMPTS && rc == ERR_CONFLICT && hash != s->told; i++) {
        err_finish(&err);
        rc = write_status(&r, &err);
    }
    if (hash != s->told && rc) {
        log_warn("the status of a source could not be written", LOG_Z("source", s->name),
                 LOG_ERR(&err));
    }
    each_failure(&r, tell_failure);
    s->problems_told = r.problems;
    s->told = hash != s->told && rc ? 0 : hash;
    arena_finish(&r.arena);
}
