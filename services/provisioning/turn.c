/* SPDX-License-Identifier: Apache-2.0 */
/* Files' turns at being applied: each is checked whole, then applied, several at a time, so that
 * the store commits their objects together. A turn may be had on any thread: it writes to nothing
 * but its file and the items that are this file's. What it means for the source is taken over on
 * the source's thread when all are over. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "services/provisioning/source_priv.h"

struct turn {
    struct source *s; /* read only while turns are had */
    struct unit *u;
    struct documents d;
    struct item **items; /* of the documents; NULL: its type is not served */
    size_t postponed;    /* documents that wait for a definition of this file */
    size_t touched, created, changed;
    bool dirty;       /* the stored inventory lags behind */
    int64_t again_ms; /* when the source is to look again; -1: no wish */
};

static struct item *item_of(const struct turn *p, const struct document *o)
{
    return p->items[o - p->d.items];
}

static bool is_current(const struct turn *p, const struct document *o)
{
    const struct item *i = item_of(p, o);
    return i && i->rev && i->sum == o->sum;
}

static void fail(struct turn *p, const struct document *o, const char *reason, const char *message)
{
    struct str label = object_label(&p->d.arena, &o->ref, o->kind);
    unit_fail(p->u, label.ptr, reason, message);
}

/* Whether a definition in the same file makes the type. */
static bool is_defined_here(const struct turn *p, const struct document *o)
{
    for (size_t i = 0; i < p->d.n; i++) {
        const struct document *c = &p->d.items[i];
        const yyjson_mut_val *spec = json_get(c->obj, "spec");
        if (c->stage == STAGE_DEFINITION && str_eq(json_get_str(spec, "group"), o->ref.group) &&
            str_eq(json_get_str(json_get(spec, "names"), "kind"), o->kind)) {
            return true;
        }
    }
    return false;
}

static bool is_made_here(const struct turn *p, enum stage stage, struct str ns, struct str name)
{
    for (size_t i = 0; name.len && i < p->d.n; i++) {
        const struct document *c = &p->d.items[i];
        if (c->stage == stage && str_eq(c->ref.name, name) && str_eq(c->ref.ns, ns) &&
            !is_current(p, c)) {
            return true;
        }
    }
    return false;
}

static struct str folder_of(const struct document *o)
{
    return json_str(json_path(o->obj, "metadata", "annotations", ANNOTATION_FOLDER, NULL));
}

/* Whether it can be only when another document of the file is applied: its namespace or its folder.
 */
static bool depends(const struct turn *p, const struct document *o)
{
    return is_made_here(p, STAGE_NAMESPACE, STR(""), o->ref.ns) ||
           is_made_here(p, STAGE_FOLDER, o->ref.ns, folder_of(o));
}

static bool check(struct turn *p, const struct document *o)
{
    AUTO(err_finish) struct err err = {0};
    int64_t rev = 0;
    bool created = false;
    int rc = object_apply(p->s, o, true, &p->d.arena, &rev, &created, &err);
    if (rc) {
        fail(p, o, reason_of(rc), err_message(&err));
    }
    return !rc;
}

/* Documents that are not as they should be, those that are not served included. */
static size_t count_due(const struct turn *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->d.n; i++) {
        n += !p->d.items[i].ref.resource.len || !is_current(p, &p->d.items[i]);
    }
    return n;
}

/* Everything that does not rest on other documents of the file; nothing is written. One document
 * alone is as whole as it can be. */
static bool check_all(struct turn *p)
{
    bool good = true, alone = count_due(p) == 1;
    for (size_t i = 0; i < p->d.n && !source_stopping(p->s); i++) {
        const struct document *o = &p->d.items[i];
        if (!o->ref.resource.len && !is_defined_here(p, o)) {
            AUTO_FREE char *text =
                alloc_printf("there is no kind %.*s in %.*s; it is tried again when there is",
                             STR_FMT(o->kind), STR_FMT(json_get_str(o->obj, "apiVersion")));
            fail(p, o, "UnknownKind", text);
            good = false;
        } else if (!alone && o->ref.resource.len && !is_current(p, o) && !depends(p, o)) {
            good = check(p, o) && good;
        }
    }
    return good;
}

static bool apply_one(struct turn *p, const struct document *o)
{
    AUTO(err_finish) struct err err = {0};
    int64_t rev = 0;
    bool created = false;
    int rc = object_apply(p->s, o, false, &p->d.arena, &rev, &created, &err);
    if (rc) {
        fail(p, o, reason_of(rc), err_message(&err));
        return false;
    }
    struct item *i = item_of(p, o);
    p->touched += i->rev != rev;
    p->created += created;
    p->changed += !created && i->rev && i->rev != rev;
    p->dirty =
        p->dirty || strcmp(i->path, p->u->path) != 0 || strcmp(i->checksum, o->checksum) != 0;
    item_set_path(i, str_from(p->u->path));
    memcpy(i->checksum, o->checksum, sizeof(i->checksum));
    i->sum = o->sum;
    i->rev = rev;
    return true;
}

/* Those that rest on earlier stages are checked before any of the stage is written. */
static bool apply_stage(struct turn *p, enum stage stage)
{
    bool good = true;
    for (size_t i = 0; stage != STAGE_FOLDER && i < p->d.n; i++) {
        const struct document *o = &p->d.items[i];
        if (o->stage == stage && o->ref.resource.len && !is_current(p, o) && p->touched) {
            good = check(p, o) && good;
        }
    }
    for (size_t i = 0; i < p->d.n && good && !source_stopping(p->s); i++) {
        const struct document *o = &p->d.items[i];
        if (o->stage == stage && !o->ref.resource.len) {
            p->postponed++;
        } else if (o->stage == stage && !is_current(p, o)) {
            good = apply_one(p, o);
        }
    }
    return good;
}

/* Folders of one file are applied parents first: those whose parent is still to come wait for
 * another round. */
static bool apply_folders(struct turn *p)
{
    bool good = true, more = true;
    while (more && good) {
        more = false;
        for (size_t i = 0; i < p->d.n && good; i++) {
            const struct document *o = &p->d.items[i];
            if (o->stage == STAGE_FOLDER && o->ref.resource.len && !is_current(p, o) &&
                !is_made_here(p, STAGE_FOLDER, o->ref.ns, folder_of(o))) {
                good = apply_one(p, o);
                more = true;
            }
        }
    }
    return good && apply_stage(p, STAGE_FOLDER); /* what is left is a cycle, or not served */
}

static bool apply_all(struct turn *p)
{
    bool good = true;
    for (int stage = 0; stage < STAGES && good && !source_stopping(p->s); stage++) {
        good = stage == STAGE_FOLDER ? apply_folders(p) : apply_stage(p, (enum stage)stage);
    }
    return good;
}

/* The type is made by this file, and is served now or never. */
static void postponed(struct turn *p)
{
    if (p->touched) {
        p->u->state = UNIT_UNREAD;
        p->u->due_ms = 0;
        p->again_ms = 0;
        return;
    }
    for (size_t i = 0; i < p->d.n; i++) {
        if (!p->d.items[i].ref.resource.len) {
            fail(p, &p->d.items[i], "UnknownKind",
                 "the kind is defined in this file, but it is not served");
        }
    }
}

/* Finds the documents' items. False: the file wants something else now than it said. */
static bool find_items(struct turn *p)
{
    size_t unserved = 0;
    p->items = arena_alloc(&p->d.arena, (p->d.n + 1) * sizeof(*p->items));
    for (size_t i = 0; i < p->d.n; i++) {
        const struct document *o = &p->d.items[i];
        bool served = o->ref.resource.len > 0;
        p->items[i] = served ? inventory_find(&p->s->inventory, &o->ref) : NULL;
        unserved += !served;
        if (served && (!p->items[i] || p->items[i]->unit != p->u)) {
            return false;
        }
    }
    return unserved == p->u->unserved;
}

static void look_again(struct turn *p, int64_t ms)
{
    p->u->state = UNIT_UNREAD;
    p->again_ms = ms;
}

static void have_turn(struct turn *p)
{
    AUTO(err_finish) struct err err = {0};
    struct unit *u = p->u;
    const char *reason = NULL;
    bool changed = false;
    unit_forget_failures(u);
    int rc = unit_load(p->s, u, &p->d, &changed, &reason, &err);
    if (rc || changed) {
        u->stamp = (struct tree_stamp){0};
        look_again(p, SETTLE_MS);
    } else if (!find_items(p)) {
        look_again(p, 0);
    } else if (check_all(p) && apply_all(p) && !source_stopping(p->s)) {
        u->state = p->postponed ? u->state : UNIT_APPLIED;
        u->tries = p->postponed ? u->tries : 0;
        if (p->postponed) {
            postponed(p);
        }
    }
    documents_finish(&p->d);
}

/* What came of it, on the source's thread. */
static bool take_over(struct source *s, const struct turn *p)
{
    s->done.created += p->created;
    s->done.changed += p->changed;
    s->dirty = s->dirty || p->dirty;
    if (p->again_ms >= 0) {
        source_again(s, p->again_ms);
    }
    return p->touched || p->u->state == UNIT_APPLIED;
}

/* ---- several at a time ---- */

struct crew {
    struct turn *turns;
    size_t n;
    atomic_size_t next;
};

static void *work(void *arg)
{
    struct crew *c = arg;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;) {
        if (!source_stopping(c->turns[i].s)) {
            have_turn(&c->turns[i]);
        }
    }
    return NULL;
}

/* The caller's thread works too; it does everything where the system has no more threads. */
static void have_turns(struct turn *turns, size_t n)
{
    struct crew c = {.turns = turns, .n = n};
    pthread_t threads[LIMIT_PROVISION_PARALLEL];
    size_t more = 0;
    while (more + 1 < n && more + 1 < LIMIT_PROVISION_PARALLEL &&
           pthread_create(&threads[more], NULL, work, &c) == 0) {
        pthread_setname_np(threads[more++], "provisioning");
    }
    work(&c);
    while (more > 0) {
        pthread_join(threads[--more], NULL);
    }
}

bool turns_have(struct source *s, struct unit *const *units, size_t n)
{
    bool progress = false;
    AUTO_FREE struct turn *turns = alloc_zero(n * sizeof(*turns));
    for (size_t i = 0; i < n; i++) {
        turns[i].s = s;
        turns[i].u = units[i];
        turns[i].again_ms = -1;
    }
    have_turns(turns, n);
    for (size_t i = 0; i < n; i++) {
        progress = take_over(s, &turns[i]) || progress;
    }
    return progress;
}
