/* SPDX-License-Identifier: Apache-2.0 */
/* A file: read whole, checked whole, then applied. A directory that becomes a Folder goes the same
 * way. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/limits.h"
#include "services/provisioning/source_priv.h"

enum { RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 5 * 60 * 1000, DOUBT_MS = 500, FAILURES_MAX = 100 };

struct unit *unit_create(const char *path)
{
    struct unit *u = ALLOC(struct unit);
    u->path = alloc_strdup(path);
    return u;
}

void unit_forget_failures(struct unit *u)
{
    for (size_t i = 0; i < u->n_failures; i++) {
        free(u->failures[i].object);
        free(u->failures[i].message);
    }
    free(u->failures);
    u->failures = NULL;
    u->n_failures = 0;
}

void unit_destroy(struct unit *u)
{
    unit_forget_failures(u);
    free(u->wants);
    free(u->path);
    free(u);
}

void unit_fail(struct unit *u, const char *object, const char *reason, const char *message)
{
    if (u->n_failures >= FAILURES_MAX) {
        return;
    }
    u->failures = alloc_resize(u->failures, (u->n_failures + 1) * sizeof(*u->failures));
    u->failures[u->n_failures++] = (struct failure){.object = object ? alloc_strdup(object) : NULL,
                                                    .reason = reason,
                                                    .message = alloc_strdup(message),
                                                    .fresh = true};
}

int64_t retry_ms(int tries)
{
    int64_t ms = RETRY_FIRST_MS;
    while (tries-- > 0 && ms < RETRY_MOST_MS) {
        ms *= 2;
    }
    return ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS;
}

void unit_try_later(struct source *s, struct unit *u)
{
    int64_t ms = retry_ms(u->tries++);
    u->due_ms = clock_mono_ms() + ms;
    source_again(s, ms);
}

/* ---- reading ---- */

static bool same_stamp(const struct tree_stamp *a, const struct stat *st)
{
    return a->ino == st->st_ino && a->dev == st->st_dev && a->size == st->st_size &&
           a->mtime_ns == (int64_t)st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec &&
           a->ctime_ns == (int64_t)st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec;
}

/* *ret_changed: it is not the file any more that the walk found. */
static int load_text(struct source *s, struct unit *u, struct buf *text, bool *ret_changed,
                     struct err *err)
{
    AUTO_FREE char *full = alloc_printf("%s/%s", s->root, u->path);
    struct stat st;
    if (u->stamp.size > (int64_t)LIMIT_PROVISION_FILE_BYTES) {
        return err_set(err, ERR_TOO_LARGE, "the file has %lld bytes; a file may have %u",
                       (long long)u->stamp.size, LIMIT_PROVISION_FILE_BYTES);
    }
    int rc = file_read(full, LIMIT_PROVISION_FILE_BYTES, text, err);
    *ret_changed = stat(full, &st) < 0 || !same_stamp(&u->stamp, &st);
    return rc;
}

/* The file's documents as they are now. documents_finish in any case. */
static int load(struct source *s, struct unit *u, struct documents *d, bool *ret_changed,
                const char **ret_reason, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    struct registry_snapshot *types = registry_ref(s->registry);
    const struct document_source from = {types, str_from(s->name), str_from(u->path)};
    int rc = 0;
    *d = (struct documents){0};
    *ret_reason = "Unreadable";
    if (unit_is_dir(u)) {
        documents_folder(d, &from);
    } else {
        rc = load_text(s, u, &text, ret_changed, err);
        if (!rc && !*ret_changed) {
            u->text = crypto_hash64(buf_str(&text));
            *ret_reason = "Unparsable";
            rc = documents_read(d, &from, buf_str(&text), err);
        }
    }
    if (rc == ERR_TOO_LARGE) {
        *ret_reason = "TooLarge";
    }
    if (!rc && !*ret_changed && !d->n) {
        *ret_reason = "Empty";
        rc = err_set(err, ERR_BAD_REQUEST,
                     "the file holds no object; what it held before is kept until it is removed");
    }
    registry_snapshot_unref(types);
    return rc;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Whether the same item stands twice in a list that is put in order for that. */
static bool holds_twice(struct item **items, size_t n)
{
    qsort(items, n, sizeof(*items), by_address);
    for (size_t i = 1; i < n; i++) {
        if (items[i] == items[i - 1]) {
            return true;
        }
    }
    return false;
}

/* Takes down which objects the file wants. */
static void take_wants(struct source *s, struct unit *u, const struct documents *d)
{
    free(u->wants);
    u->wants = alloc_bytes((d->n + 1) * sizeof(struct item *));
    u->n_wants = u->unserved = 0;
    u->folders = d->folders;
    u->stage = STAGE_REST;
    for (size_t i = 0; i < d->n; i++) {
        const struct document *o = &d->items[i];
        u->stage = o->stage < u->stage ? o->stage : u->stage;
        if (o->ref.resource.len) {
            u->wants[u->n_wants++] = inventory_add(&s->inventory, &o->ref, str_from(u->path));
        } else {
            u->unserved++;
        }
    }
    u->twice = holds_twice(u->wants, u->n_wants);
}

/* It is read once more before that is told: somebody may be writing it in a way that nothing shows.
 */
static void cannot_read(struct source *s, struct unit *u, const char *reason, const char *message)
{
    if (!u->doubted) {
        u->doubted = true;
        u->state = UNIT_UNREAD;
        u->due_ms = clock_mono_ms() + DOUBT_MS;
        source_again(s, DOUBT_MS);
        return;
    }
    u->state = UNIT_BROKEN;
    unit_forget_failures(u);
    unit_fail(u, NULL, reason, message);
}

void unit_read(struct source *s, struct unit *u)
{
    AUTO(err_finish) struct err err = {0};
    AUTO(documents_finish) struct documents d = {0};
    const char *reason = NULL;
    bool changed = false;
    uint64_t before = u->text;
    bool was_applied = u->state == UNIT_APPLIED;
    int rc = load(s, u, &d, &changed, &reason, &err);
    if (changed) {
        source_again(s, SETTLE_MS);
        u->state = UNIT_UNREAD;
        u->stamp = (struct tree_stamp){0};
        return;
    }
    if (rc) {
        u->text = 0;
        cannot_read(s, u, reason, err_message(&err));
        return;
    }
    u->doubted = false;
    if (was_applied && before == u->text) {
        return;
    }
    take_wants(s, u, &d);
    u->state = UNIT_READ;
    u->tries = 0;
    u->due_ms = 0;
}

/* ---- applying ---- */

struct applying {
    struct source *s;
    struct unit *u;
    struct documents d;
    size_t changed, postponed;
};

static bool is_current(const struct applying *p, const struct document *o)
{
    const struct item *i = inventory_find(&p->s->inventory, &o->ref);
    return i && i->rev && i->sum == o->sum;
}

static void fail(struct applying *p, const struct document *o, const char *reason,
                 const char *message)
{
    struct str label = object_label(&p->d.arena, &o->ref, o->kind);
    unit_fail(p->u, label.ptr, reason, message);
}

/* Whether a definition in the same file makes the type. */
static bool is_defined_here(const struct applying *p, const struct document *o)
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

static bool is_made_here(const struct applying *p, enum stage stage, struct str ns, struct str name)
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
static bool depends(const struct applying *p, const struct document *o)
{
    return is_made_here(p, STAGE_NAMESPACE, STR(""), o->ref.ns) ||
           is_made_here(p, STAGE_FOLDER, o->ref.ns, folder_of(o));
}

static bool check(struct applying *p, const struct document *o)
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
static size_t count_due(const struct applying *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->d.n; i++) {
        n += !p->d.items[i].ref.resource.len || !is_current(p, &p->d.items[i]);
    }
    return n;
}

/* Everything that does not rest on other documents of the file; nothing is written. One document
 * alone is as whole as it can be. */
static bool check_all(struct applying *p)
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

static bool apply_one(struct applying *p, const struct document *o)
{
    AUTO(err_finish) struct err err = {0};
    int64_t rev = 0;
    bool created = false;
    int rc = object_apply(p->s, o, false, &p->d.arena, &rev, &created, &err);
    if (rc) {
        fail(p, o, reason_of(rc), err_message(&err));
        return false;
    }
    struct item *i = inventory_add(&p->s->inventory, &o->ref, str_from(p->u->path));
    p->changed += i->rev != rev;
    p->s->done.created += created;
    p->s->done.changed += !created && i->rev && i->rev != rev;
    p->s->dirty =
        p->s->dirty || strcmp(i->path, p->u->path) != 0 || strcmp(i->checksum, o->checksum) != 0;
    item_set_path(i, str_from(p->u->path));
    memcpy(i->checksum, o->checksum, sizeof(i->checksum));
    i->sum = o->sum;
    i->rev = rev;
    return true;
}

/* Those that rest on earlier stages are checked before any of the stage is written. */
static bool apply_stage(struct applying *p, enum stage stage)
{
    bool good = true;
    for (size_t i = 0; stage != STAGE_FOLDER && i < p->d.n; i++) {
        const struct document *o = &p->d.items[i];
        if (o->stage == stage && o->ref.resource.len && !is_current(p, o) && p->changed) {
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
static bool apply_folders(struct applying *p)
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

static bool apply_all(struct applying *p)
{
    bool good = true;
    for (int stage = 0; stage < STAGES && good && !source_stopping(p->s); stage++) {
        good = stage == STAGE_FOLDER ? apply_folders(p) : apply_stage(p, (enum stage)stage);
    }
    return good;
}

/* The type is made by this file, and is served now or never. */
static void postponed(struct applying *p)
{
    struct source *s = p->s;
    if (p->changed) {
        p->u->state = UNIT_UNREAD;
        p->u->due_ms = 0;
        source_again(s, 0);
        return;
    }
    for (size_t i = 0; i < p->d.n; i++) {
        if (!p->d.items[i].ref.resource.len) {
            fail(p, &p->d.items[i], "UnknownKind",
                 "the kind is defined in this file, but it is not served");
        }
    }
}

static size_t count_unserved(const struct documents *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        n += !d->items[i].ref.resource.len;
    }
    return n;
}

bool unit_apply(struct source *s, struct unit *u)
{
    struct applying p = {.s = s, .u = u};
    AUTO(err_finish) struct err err = {0};
    const char *reason = NULL;
    bool changed = false;
    unit_forget_failures(u);
    int rc = load(s, u, &p.d, &changed, &reason, &err);
    if (rc || changed) {
        u->state = UNIT_UNREAD;
        u->stamp = (struct tree_stamp){0};
        source_again(s, SETTLE_MS);
    } else if (count_unserved(&p.d) != u->unserved) { /* it wants more now than it said */
        u->state = UNIT_UNREAD;
        source_again(s, 0);
    } else if (check_all(&p) && apply_all(&p) && !source_stopping(s)) {
        u->state = p.postponed ? u->state : UNIT_APPLIED;
        u->tries = p.postponed ? u->tries : 0;
        if (p.postponed) {
            postponed(&p);
        }
    }
    documents_finish(&p.d);
    return p.changed || u->state == UNIT_APPLIED;
}
