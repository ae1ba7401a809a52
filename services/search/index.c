/* SPDX-License-Identifier: Apache-2.0 */
/* The indexer, on the service's thread. It follows the store's changes in batches, each with the
 * revision it ends at in one transaction, and between them fills in types that are new, or whose
 * text fields are: a type's objects are read slice by slice, each as it is then, and the changes
 * since, which come by the feed in any case, put right what was changed meanwhile.
 *
 * What cannot be followed is made anew: an index of another store or of a later state of this one,
 * one that is damaged, one that is further behind than the store knows its changes. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/latch.h"
#include "base/log.h"
#include "resources/metadata.h"
#include "services/search/search_priv.h"

enum {
    BATCH_EVENTS = 500,
    BATCH_BYTES = 2 * 1024 * 1024, /* of objects in one transaction, but for the last */
    SLICE_REMOVED = 500,
    NOTE_REVISIONS = 10000,
    GATHER_MS = 100,
};

/* A type on its way into the index, or out of it. */
struct build {
    struct build *next;
    char *name;
    uint64_t generation;
    bool wanted;     /* false: it only goes */
    bool clean;      /* its former documents are gone */
    struct buf from; /* the key to go on from; empty: the first */
};

struct indexer {
    struct search *s;
    struct arena arena; /* of one batch */
    struct arena keep;  /* of what follows */
    struct str origin;
    struct searched *types; /* own references */
    size_t n_types;
    struct build *builds;
    bool behind; /* a batch took less than there was */
};

/* What one batch does. */
struct change {
    struct change *next;
    struct text_document doc;
    bool goes; /* of the document there are type, namespace and name alone */
};

struct batch {
    struct indexer *x;
    const struct type *only; /* NULL: of all */
    struct change *first, **last;
    struct buf *from;
    size_t n, bytes;
    bool full;
};

/* ---- types ---- */

static void free_types(struct indexer *x)
{
    for (size_t i = 0; i < x->n_types; i++) {
        type_unref(x->types[i].type);
    }
    free(x->types);
    x->types = NULL;
    x->n_types = 0;
}

static void free_build(struct build *b)
{
    buf_finish(&b->from);
    free(b->name);
    free(b);
}

static void free_builds(struct indexer *x)
{
    while (x->builds) {
        struct build *b = x->builds;
        x->builds = b->next;
        free_build(b);
    }
}

/* Under the lock: the service's types as they are now. */
static void copy_types(struct indexer *x)
{
    struct search *s = x->s;
    free_types(x);
    x->types = alloc_bytes((s->n_types + 1) * sizeof(*x->types));
    for (size_t i = 0; i < s->n_types; i++) {
        x->types[x->n_types++] = (struct searched){.type = type_ref(s->types[i].type),
                                                   .complete = s->types[i].complete,
                                                   .late = s->types[i].late};
    }
    s->types_changed = false;
}

static void set_complete(struct search *s, struct str name, uint64_t generation)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_types; i++) {
        struct searched *t = &s->types[i];
        if (str_eq(t->type->group_resource, name) && search_generation(t->type) == generation) {
            t->complete = true;
        }
    }
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

static const struct type *type_named(const struct indexer *x, struct str name)
{
    for (size_t i = 0; i < x->n_types; i++) {
        if (str_eq(x->types[i].type->group_resource, name)) {
            return x->types[i].type;
        }
    }
    return NULL;
}

static struct build *build_named(const struct indexer *x, struct str name)
{
    struct build *b = x->builds;
    while (b && !str_is(name, b->name)) {
        b = b->next;
    }
    return b;
}

/* Begins it, or begins it again where it is made in another way now. */
static void begin_build(struct indexer *x, struct str name, uint64_t generation, bool wanted)
{
    struct build *b = build_named(x, name);
    if (b && b->wanted == wanted && b->generation == generation) {
        return;
    }
    if (!b) {
        b = ALLOC(struct build);
        b->name = alloc_str(name);
        b->next = x->builds;
        x->builds = b;
    }
    b->generation = generation;
    b->wanted = wanted;
    b->clean = false;
    b->from.len = 0;
}

static void end_build(struct indexer *x, struct build *b)
{
    struct build **at = &x->builds;
    while (*at != b) {
        at = &(*at)->next;
    }
    *at = b->next;
    free_build(b);
}

static const struct text_type *noted_named(const struct text_type *noted, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(noted[i].name, name)) {
            return &noted[i];
        }
    }
    return NULL;
}

/* Compares what the index has with what it should have. */
static int settle_types(struct indexer *x, struct err *err)
{
    struct text_type *noted;
    size_t n;
    int rc = text_types(x->s->text, &x->arena, &noted, &n, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < x->n_types; i++) {
        const struct searched *t = &x->types[i];
        struct str name = t->type->group_resource;
        uint64_t generation = search_generation(t->type);
        const struct text_type *was = noted_named(noted, n, name);
        bool good = was && was->complete && was->generation == generation;
        if (t->complete || (good && !t->late && !build_named(x, name))) {
            set_complete(x->s, name, generation);
        } else {
            begin_build(x, name, generation, true);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!type_named(x, noted[i].name)) {
            begin_build(x, noted[i].name, 0, false);
        }
    }
    for (struct build *b = x->builds; b; b = b->next) {
        if (b->wanted && !type_named(x, str_from(b->name))) {
            begin_build(x, str_from(b->name), 0, false);
        }
    }
    return 0;
}

/* ---- batches ---- */

static void add_put(struct batch *b, const struct type *t, struct str key, const struct stored *s)
{
    struct arena *a = &b->x->arena;
    struct change *c = ARENA_NEW(a, struct change);
    c->goes = !search_document(t, arena_str(a, key), s, a, &c->doc);
    *b->last = c;
    b->last = &c->next;
    b->n++;
    b->bytes += s->value.len;
}

static void add_remove(struct batch *b, const struct type *t, struct str key)
{
    struct arena *a = &b->x->arena;
    struct change *c = ARENA_NEW(a, struct change);
    c->goes = true;
    c->doc.type = t->group_resource;
    if (type_key_parse(t, arena_str(a, key), &c->doc.ns, &c->doc.name)) {
        *b->last = c;
        b->last = &c->next;
        b->n++;
    }
}

static int apply(struct text *t, const struct batch *b, struct err *err)
{
    int rc = 0;
    for (const struct change *c = b->first; rc == 0 && c; c = c->next) {
        const struct text_document *d = &c->doc;
        rc = c->goes ? text_remove(t, d->type, d->ns, d->name, err) : text_put(t, d, err);
    }
    return rc;
}

static int commit(struct indexer *x, int64_t rev, int rc, struct err *err)
{
    rc = rc < 0 ? rc : text_commit(x->s->text, x->origin, rev, err);
    if (rc < 0) {
        text_rollback(x->s->text);
        return rc;
    }
    pthread_mutex_lock(&x->s->lock);
    x->s->at = x->s->noted = rev;
    pthread_cond_broadcast(&x->s->moved);
    pthread_mutex_unlock(&x->s->lock);
    return 0;
}

/* ---- the feed ---- */

static int take_event(void *arg, const struct store_event *e)
{
    struct batch *b = arg;
    const struct searched *t = search_type_of(b->x->types, b->x->n_types, e->key);
    if (t && e->deleted) {
        add_remove(b, t->type, e->key);
    } else if (t) {
        const struct stored s = {.value = blob_str(e->value), .rev = e->rev, .stamp = e->stamp};
        add_put(b, t->type, e->key, &s);
    }
    return b->bytes < BATCH_BYTES ? 0 : STORE_STOP;
}

static int follow(struct indexer *x, int64_t at, int64_t wanted, struct err *err)
{
    struct batch b = {.x = x, .last = &b.first};
    int64_t to = at;
    int rc = store_changes(engine_store(x->s->engine), STR(""), at, BATCH_EVENTS, take_event, &b,
                           &to, err);
    x->behind = to < wanted;
    rc = rc < 0 ? rc : text_begin(x->s->text, err);
    return rc < 0 ? rc : commit(x, to, apply(x->s->text, &b, err), err);
}

/* ---- builds ---- */

static int take_entry(void *arg, const struct store_entry *e)
{
    struct batch *b = arg;
    struct str ns, name;
    if (type_key_parse(b->only, e->key, &ns, &name)) {
        const struct stored s = {.value = e->value, .rev = e->rev, .stamp = e->stamp};
        add_put(b, b->only, e->key, &s);
    }
    b->full = b->n >= BATCH_EVENTS || b->bytes >= BATCH_BYTES;
    if (b->full) {
        b->from->len = 0;
        buf_add(b->from, e->key);
        buf_addc(b->from, 0);
    }
    return b->full ? STORE_STOP : 0;
}

static int fill_step(struct indexer *x, struct build *b, int64_t at, struct err *err)
{
    struct buf next = {0};
    const struct type *t = type_named(x, str_from(b->name));
    struct batch batch = {.x = x, .only = t, .last = &batch.first, .from = &next};
    const struct store_range r = {.prefix = t->prefix,
                                  .from = b->from.len ? buf_str(&b->from) : STR_NULL};
    int64_t now;
    int rc = store_range(engine_store(x->s->engine), &r, take_entry, &batch, &now, NULL, err);
    rc = rc < 0 ? rc : text_begin(x->s->text, err);
    if (rc == 0) {
        rc = apply(x->s->text, &batch, err);
        rc = rc < 0
                 ? rc
                 : text_note_type(x->s->text, t->group_resource, b->generation, !batch.full, err);
        rc = commit(x, at, rc, err);
    }
    buf_finish(&b->from);
    b->from = next;
    if (rc == 0 && !batch.full) {
        set_complete(x->s, t->group_resource, b->generation);
        end_build(x, b);
    }
    return rc;
}

static int clean_step(struct indexer *x, struct build *b, int64_t at, struct err *err)
{
    bool more = true;
    struct str name = str_from(b->name);
    int rc = text_begin(x->s->text, err);
    if (rc < 0) {
        return rc;
    }
    /* Noted first, so that a stop on the way leaves it for what it is. */
    rc = text_note_type(x->s->text, name, b->generation, false, err);
    rc = rc < 0 ? rc : text_remove_some(x->s->text, name, SLICE_REMOVED, &more, err);
    if (rc == 0 && !more && !b->wanted) {
        rc = text_forget_type(x->s->text, name, err);
    }
    rc = commit(x, at, rc, err);
    b->clean = rc == 0 && !more;
    if (b->clean && !b->wanted) {
        end_build(x, b);
    }
    return rc;
}

static int build_step(struct indexer *x, int64_t at, struct err *err)
{
    struct build *b = x->builds;
    return b->clean ? fill_step(x, b, at, err) : clean_step(x, b, at, err);
}

/* ---- beginning ---- */

/* What tells this store from any other: the uid of a namespace that is never deleted. */
static int find_origin(struct indexer *x, struct err *err)
{
    struct registry_snapshot *types = registry_ref(x->s->registry);
    const struct type *t = registry_find(types, STR(""), STR("namespaces"));
    AUTO(blob_unrefp) struct blob *blob = NULL;
    AUTO(err_finish) struct err why = {0};
    struct stored stored;
    yyjson_mut_doc *d = NULL;
    int rc = t ? engine_get(x->s->engine, t, (struct scope){.ns = STR("")}, STR("default"), &blob,
                            &stored, &why)
               : ERR_NOT_FOUND;
    x->origin = STR("");
    if (rc == 0 && json_read_own(&x->keep, blob_str(blob), &d, NULL) == 0) {
        x->origin = arena_str(&x->keep, metadata_uid(yyjson_mut_doc_get_root(d)));
    }
    registry_snapshot_unref(types);
    return rc == 0 || rc == ERR_NOT_FOUND ? 0 : err_move(err, &why);
}

static void set_place(struct search *s, int64_t at, int64_t now)
{
    pthread_mutex_lock(&s->lock);
    s->at = s->noted = at;
    s->heard = s->heard > now ? s->heard : now;
    s->wanted = s->wanted > now ? s->wanted : now;
    pthread_mutex_unlock(&s->lock);
}

static void uncomplete(struct search *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_types; i++) {
        s->types[i].complete = false;
    }
    s->types_changed = true;
    s->damaged = false;
    pthread_mutex_unlock(&s->lock);
}

/* Throws away what there is, if there is anything, and begins at the present revision. */
static int begin_anew(struct indexer *x, bool damaged, struct err *err)
{
    struct search *s = x->s;
    free_builds(x);
    uncomplete(s);
    if (s->rebuilds) {
        metric_add(s->rebuilds, 1);
    }
    int64_t now = store_revision(engine_store(s->engine));
    int rc = text_is_new(s->text) && !damaged ? 0 : text_reset(s->text, err);
    rc = rc < 0 ? rc : text_begin(s->text, err);
    rc = rc < 0 ? rc : commit(x, now, 0, err);
    if (rc == 0) {
        set_place(s, now, now);
    }
    return rc;
}

static int begin(struct indexer *x, struct err *err)
{
    struct search *s = x->s;
    struct str origin = STR_NULL;
    int64_t at = 0, now = store_revision(engine_store(s->engine));
    AUTO(err_finish) struct err why = {0};
    int rc = find_origin(x, err);
    if (rc < 0) {
        return rc;
    }
    rc = text_position(s->text, &x->keep, &origin, &at, &why);
    if (rc < 0 && rc != ERR_CORRUPT) {
        return err_move(err, &why);
    }
    if (rc == 0 && at && at <= now && str_eq(origin, x->origin)) {
        set_place(s, at, now);
        return 0;
    }
    if (rc < 0 || at) {
        log_info("the search index is made anew",
                 LOG_Z("reason", rc < 0 ? "it is damaged" : "it is of another store"));
    }
    return begin_anew(x, rc < 0, err);
}

/* ---- the loop ---- */

struct task {
    int64_t at, wanted;
    bool feed, note, damaged, types;
};

/* Changes are let gather for a moment, as a transaction of one costs as much as one of fifty,
 * unless somebody waits for them. Under the lock. */
static void gather(struct search *s)
{
    const struct timespec until = cond_deadline(GATHER_MS);
    int rc = 0;
    while (!s->waiting && !s->stopping && !s->damaged && !s->types_changed && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&s->wake, &s->lock, &until);
    }
}

/* Waits for something to do. False: the service stops. */
static bool next_task(struct indexer *x, struct task *ret)
{
    struct search *s = x->s;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !s->damaged && !s->types_changed && !x->builds && s->wanted <= s->at &&
           s->heard - s->noted <= NOTE_REVISIONS) {
        pthread_cond_wait(&s->wake, &s->lock);
    }
    if (s->wanted > s->at && !x->builds && !x->behind) {
        gather(s);
    }
    if (s->wanted <= s->at && s->heard > s->at) {
        s->at = s->heard; /* what came since concerns nothing here */
    }
    *ret = (struct task){.at = s->at,
                         .wanted = s->wanted,
                         .feed = s->wanted > s->at,
                         .note =
                             s->at > s->noted && (s->stopping || s->at - s->noted > NOTE_REVISIONS),
                         .damaged = s->damaged,
                         .types = s->types_changed};
    if (ret->types) {
        copy_types(x);
    }
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static int note_place(struct indexer *x, int64_t at, struct err *err)
{
    int rc = text_begin(x->s->text, err);
    return rc < 0 ? rc : commit(x, at, 0, err);
}

static int work(struct indexer *x, const struct task *t, struct err *err)
{
    int rc = t->damaged ? ERR_CORRUPT : 0;
    rc = rc < 0 || !t->types ? rc : settle_types(x, err);
    rc = rc < 0 || !t->feed ? rc : follow(x, t->at, t->wanted, err);
    if (rc == 0 && x->builds) {
        pthread_mutex_lock(&x->s->lock);
        int64_t at = x->s->at;
        pthread_mutex_unlock(&x->s->lock);
        return build_step(x, at, err);
    }
    return rc < 0 || !t->note ? rc : note_place(x, t->at, err);
}

/* Errors that a new beginning heals. */
static int heal(struct indexer *x, int rc, struct err *why, struct err *err)
{
    if (rc != ERR_CORRUPT && rc != ERR_EXPIRED) {
        return err_move(err, why);
    }
    log_warn("the search index is made anew",
             LOG_Z("reason", rc == ERR_CORRUPT ? "it is damaged" : "it is too far behind"));
    return begin_anew(x, rc == ERR_CORRUPT, err);
}

static int attend(struct indexer *x, struct err *err)
{
    struct task t;
    int rc = 0;
    while (rc == 0 && next_task(x, &t)) {
        AUTO(err_finish) struct err why = {0};
        rc = work(x, &t, &why);
        rc = rc < 0 ? heal(x, rc, &why, err) : 0;
        arena_finish(&x->arena);
    }
    return rc < 0 || !t.note ? rc : note_place(x, t.at, err);
}

int search_index(struct search *s, struct err *err)
{
    struct indexer x = {.s = s};
    arena_init(&x.arena, 0);
    arena_init(&x.keep, 0);
    int rc = begin(&x, err);
    rc = rc < 0 ? rc : attend(&x, err);
    free_builds(&x);
    free_types(&x);
    arena_finish(&x.arena);
    arena_finish(&x.keep);
    return rc;
}
