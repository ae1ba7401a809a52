/* SPDX-License-Identifier: Apache-2.0 */
/* A directory and what is made of it. A run walks over the directory, reads what changed, settles
 * which file wants which object, stores the inventory, applies, removes, and reports. Whatever woke
 * it, a run does all that is due: events only decide when it comes.
 *
 * An object goes only when the inventory names it, nobody wants it, and the file that it came from
 * is gone for good or was applied without it; a file that cannot be read, a directory that is not
 * there or came back empty take nothing with them. */
#include "services/provisioning/source_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

enum { ROUNDS = 20, ROOT_MS = 5000, POLL_MS = 10 * 1000, PATIENCE_MS = 30 * 1000 };

struct source *source_create(const char *name, const char *root, struct client *c,
                             struct registry *r, int64_t interval_ms)
{
    struct source *s = ALLOC(struct source);
    s->name = name;
    s->root = alloc_strdup(root);
    s->client = c;
    s->registry = r;
    s->interval_ms = interval_ms;
    inventory_init(&s->inventory, str_from(name));
    s->next_ms = clock_mono_ms();
    s->all_ms = s->next_ms + interval_ms;
    return s;
}

static void forget_root(struct source *s)
{
    free(s->root_failure.message);
    s->root_failure = (struct failure){0};
}

void source_destroy(struct source *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->n_units; i++) {
        unit_destroy(s->units[i]);
    }
    free(s->units);
    notify_destroy(s->notify);
    tree_finish(&s->tree);
    inventory_finish(&s->inventory);
    forget_root(s);
    free(s->root);
    free(s);
}

void source_again(struct source *s, int64_t ms)
{
    int64_t at = clock_mono_ms() + ms;
    s->next_ms = at < s->next_ms ? at : s->next_ms;
}

void source_types_changed(struct source *s)
{
    for (size_t i = 0; i < s->n_units; i++) {
        if (s->units[i]->unserved) {
            s->units[i]->due_ms = 0;
            source_again(s, 0);
        }
    }
}

/* ---- units ---- */

/* Where the path's unit stands, or would. */
static size_t unit_place(const struct source *s, struct str path)
{
    size_t from = 0, to = s->n_units;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (str_cmp(str_from(s->units[mid]->path), path) < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

static struct unit *unit_find(const struct source *s, struct str path)
{
    size_t i = unit_place(s, path);
    return i < s->n_units && str_is(path, s->units[i]->path) ? s->units[i] : NULL;
}

static struct unit *unit_ensure(struct source *s, struct str path)
{
    size_t i = unit_place(s, path);
    if (i < s->n_units && str_is(path, s->units[i]->path)) {
        return s->units[i];
    }
    if (s->n_units == s->cap_units) {
        s->cap_units = s->cap_units ? s->cap_units * 2 : 64;
        s->units = alloc_resize(s->units, s->cap_units * sizeof(struct unit *));
    }
    memmove(&s->units[i + 1], &s->units[i], (s->n_units - i) * sizeof(struct unit *));
    s->n_units++;
    AUTO_FREE char *text = alloc_str(path);
    return s->units[i] = unit_create(text);
}

/* ---- the walk ---- */

static void root_failed(struct source *s, const char *reason, const char *message)
{
    bool told = s->root_failure.message && strcmp(s->root_failure.message, message) == 0;
    forget_root(s);
    s->root_failure =
        (struct failure){.reason = reason, .message = alloc_strdup(message), .fresh = !told};
}

static void watch_dir(void *arg, const char *full, const char *path)
{
    struct source *s = arg;
    if (s->notify) {
        notify_dir(s->notify, full, path);
    }
}

/* A root that is another directory than it was, or of which nothing is known, and holds nothing at
 * all: perhaps what is mounted there is not mounted. */
static bool is_suspicious(const struct source *s)
{
    return s->tree.bare && s->inventory.n &&
           (s->tree.dev != s->dev || s->tree.ino != s->ino || !s->ino);
}

/* False: nothing may be concluded from what is not there. */
static bool walk(struct source *s)
{
    AUTO(err_finish) struct err err = {0};
    tree_finish(&s->tree);
    if (!s->notify) {
        s->notify = notify_create(s->root);
    }
    if (s->notify) {
        notify_begin(s->notify);
    }
    int rc = tree_scan(&s->tree, s->root, watch_dir, s, &err);
    s->watching = s->notify && notify_end(s->notify);
    if (rc) {
        root_failed(s, rc == ERR_NOT_FOUND ? "Missing" : "Unreadable", err_message(&err));
    } else if (is_suspicious(s)) {
        root_failed(
            s, "EmptyDirectory",
            "the directory holds nothing at all, as if something were not mounted; no object is "
            "removed until it holds any file");
    } else {
        forget_root(s);
        s->dev = s->tree.dev;
        s->ino = s->tree.ino;
        return true;
    }
    source_again(s, ROOT_MS);
    return false;
}

/* Whether it is too early to read the file. */
static bool is_unsettled(struct source *s, const struct tree_file *f)
{
    int64_t age_ms = (clock_wall_us() * 1000 - f->stamp.ctime_ns) / 1000000;
    if (age_ms >= 0 && age_ms < SETTLE_MS) { /* a time to come is another machine's clock */
        source_again(s, SETTLE_MS - age_ms);
        return true;
    }
    if (s->notify && notify_busy(s->notify, f->path)) {
        source_again(s, ROOT_MS);
        return true;
    }
    return false;
}

static bool same_stamp(const struct tree_stamp *a, const struct tree_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static void meet_file(struct source *s, const struct tree_file *f, int64_t now)
{
    struct unit *u = unit_ensure(s, f->path);
    bool same = same_stamp(&u->stamp, &f->stamp);
    u->seen = true;
    u->gone_ms = 0;
    if (!same && is_unsettled(s, f)) {
        u->unsettled_ms = u->unsettled_ms ? u->unsettled_ms : now;
        return;
    }
    u->unsettled_ms = 0;
    if (same && (u->state != UNIT_UNREAD || u->due_ms > now)) {
        return;
    }
    u->doubted = u->doubted && same;
    u->stamp = f->stamp;
    unit_read(s, u);
}

/* Files that are not there any more are believed to be gone at the second look. */
static void meet_absence(struct source *s, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_units; i++) {
        struct unit *u = s->units[i];
        bool gone = !unit_is_dir(u) && !u->seen && !tree_unknown(&s->tree, str_from(u->path));
        if (gone && !u->gone_ms) {
            u->gone_ms = now;
        }
        if (gone && now - u->gone_ms >= SETTLE_MS) {
            unit_destroy(u);
            continue;
        }
        if (gone) {
            source_again(s, SETTLE_MS);
        }
        s->units[kept++] = u;
    }
    s->n_units = kept;
}

/* ---- directories that become folders ---- */

static void need_dirs(struct source *s, struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/') {
            struct unit *u = unit_ensure(s, str_make(path.ptr, i + 1));
            u->needed = true;
        }
    }
}

static void meet_dirs(struct source *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_units; i++) {
        s->units[i]->needed = false;
    }
    for (size_t i = 0; i < s->n_units;
         i++) { /* what is added comes before its file, and moves that on by as much */
        struct unit *u = s->units[i];
        if (u->folders) {
            need_dirs(s, str_from(u->path));
            i = unit_place(s, str_from(u->path));
        }
    }
    for (size_t i = 0; i < s->n_units; i++) {
        struct unit *u = s->units[i];
        if (unit_is_dir(u) && !u->needed) {
            unit_destroy(u);
            continue;
        }
        if (unit_is_dir(u)) {
            u->seen = true;
            if (u->state == UNIT_UNREAD) {
                unit_read(s, u);
            }
        }
        s->units[kept++] = u;
    }
    s->n_units = kept;
}

/* ---- who wants what ---- */

static bool is_duplicate(struct source *s, struct unit *u, const struct item *i)
{
    if (i->unit == u || !i->unit) {
        return false;
    }
    struct arena a;
    arena_init(&a, 0);
    AUTO_FREE char *text = alloc_printf("the object stands in %s already", i->unit->path);
    unit_forget_failures(u);
    unit_fail(u, object_label(&a, &i->ref, STR("")).ptr, "Duplicate", text);
    arena_finish(&a);
    u->contested = true;
    unit_try_later(s, u);
    return true;
}

/* What was another's is free now: the file need not wait. */
static void end_contest(struct unit *u)
{
    for (size_t i = 0; i < u->n_wants; i++) {
        if (u->wants[i]->unit != u) {
            return;
        }
    }
    u->contested = false;
    u->due_ms = 0;
}

/* In rounds: first who had it, then others, last files that are only not seen now. */
static void claim(struct unit *u, int round)
{
    for (size_t i = 0; i < u->n_wants; i++) {
        struct item *t = u->wants[i];
        bool mine = strcmp(t->path, u->path) == 0;
        bool turn = round == 0 ? u->seen && mine : round == 1 ? u->seen : true;
        if (turn && !t->unit) {
            t->unit = u;
        }
    }
}

static void settle_claims(struct source *s)
{
    for (size_t b = 0; b < s->inventory.n_buckets; b++) {
        for (struct item *i = s->inventory.buckets[b]; i; i = i->next) {
            i->unit = NULL;
        }
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < s->n_units; i++) {
            claim(s->units[i], round);
        }
    }
    for (size_t i = 0; i < s->n_units; i++) {
        if (s->units[i]->contested) {
            end_contest(s->units[i]);
        }
    }
}

/* Whether the file may be applied now: it is due, and what it wants is its own. */
static bool is_ready(struct source *s, struct unit *u, int64_t now)
{
    if (u->state != UNIT_READ || !u->seen || u->due_ms > now) {
        return false;
    }
    if (u->twice) {
        unit_forget_failures(u);
        unit_fail(u, NULL, "Duplicate", "an object stands in the file twice");
        unit_try_later(s, u);
        return false;
    }
    for (size_t i = 0; i < u->n_wants; i++) {
        if (is_duplicate(s, u, u->wants[i])) {
            return false;
        }
    }
    return true;
}

/* ---- applying and removing ---- */

/* Files of one rank do not need one another, as far as one can see from outside: the stage, and of
 * directories the depth, as each becomes a folder in the one above. */
static int rank_of(const struct unit *u)
{
    int depth = 0;
    for (const char *p = u->path; unit_is_dir(u) && *p; p++) {
        depth += *p == '/';
    }
    return (int)u->stage * 2 * LIMIT_PROVISION_DEPTH +
           (depth ? depth : 2 * LIMIT_PROVISION_DEPTH - 1);
}

static int by_rank(const void *a, const void *b)
{
    const struct unit *x = *(struct unit *const *)a, *y = *(struct unit *const *)b;
    int rx = rank_of(x), ry = rank_of(y);
    return rx != ry ? (rx > ry) - (rx < ry) : strcmp(x->path, y->path);
}

/* How many from the first on have its rank. */
static size_t count_rank(struct unit *const *units, size_t n)
{
    size_t i = 1;
    while (i < n && rank_of(units[i]) == rank_of(units[0])) {
        i++;
    }
    return i;
}

static void apply(struct source *s)
{
    AUTO_FREE struct unit **ready = alloc_bytes((s->n_units + 1) * sizeof(struct unit *));
    size_t n = 0;
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < s->n_units; i++) {
        if (is_ready(s, s->units[i], now)) {
            ready[n++] = s->units[i];
        }
    }
    qsort(ready, n, sizeof(struct unit *), by_rank);
    bool progress = true;
    for (int round = 0; round < ROUNDS && n && progress && !source_stopping(s); round++) {
        size_t left = 0;
        progress = false;
        for (size_t i = 0, many; i < n && !source_stopping(s); i += many) {
            many = count_rank(&ready[i], n - i);
            progress = turns_have(s, &ready[i], many) || progress;
        }
        for (size_t i = 0; i < n; i++) {
            if (ready[i]->state == UNIT_READ) { /* perhaps it needs what comes after it */
                ready[left++] = ready[i];
            }
        }
        n = left;
    }
    for (size_t i = 0; i < n; i++) {
        unit_try_later(s, ready[i]);
    }
}

/* What a file was refused for may be gone now: those that wait for their next try have it soon. */
static void hasten(struct source *s)
{
    int64_t soon = clock_mono_ms() + retry_ms(0);
    for (size_t i = 0; i < s->n_units; i++) {
        if (s->units[i]->due_ms > soon) {
            s->units[i]->due_ms = soon;
        }
    }
}

/* Whether the item may go: see the top. */
static bool is_abandoned(const struct source *s, const struct item *i)
{
    const struct unit *u = unit_find(s, str_from(i->path));
    return !i->unit && !tree_unknown(&s->tree, str_from(i->path)) &&
           (!u || (u->state == UNIT_APPLIED && u->seen));
}

static bool remove_item(struct source *s, struct item *i)
{
    AUTO(err_finish) struct err err = {0};
    if ((i->stored || i->rev) && object_remove(s, i, &err)) {
        free(i->message);
        i->message = alloc_strdup(err_message(&err));
        i->fresh = true;
        return false;
    }
    s->done.removed += i->stored;
    s->dirty = s->dirty || i->stored;
    inventory_drop(&s->inventory, i);
    return true;
}

/* Files that are still to be read may want what seems abandoned; but not for ever. */
static bool is_all_read(const struct source *s)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < s->n_units; i++) {
        const struct unit *u = s->units[i];
        bool unsettled = u->unsettled_ms && now - u->unsettled_ms < PATIENCE_MS;
        if (u->seen && (unsettled || (u->state == UNIT_UNREAD && !u->unsettled_ms))) {
            return false;
        }
    }
    return true;
}

static void remove_abandoned(struct source *s)
{
    AUTO_FREE struct item **all = inventory_sorted(&s->inventory);
    size_t n = s->inventory.n, left = 0;
    bool progress = true;
    if (s->removal_tries && s->removal_due_ms > clock_mono_ms()) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        free(all[i]->message);
        all[i]->message = NULL;
        if (is_abandoned(s, all[i])) {
            all[left++] = all[i];
        }
    }
    for (n = left; n && progress && !source_stopping(s); n = left) {
        left = 0;
        progress = false;
        for (size_t i = 0; i < n && !source_stopping(s); i++) {
            if (remove_item(s, all[i])) {
                progress = true;
            } else {
                all[left++] = all[i];
            }
        }
    }
    s->removal_tries = n ? s->removal_tries + 1 : 0;
    if (n) {
        int64_t ms = retry_ms(s->removal_tries - 1);
        s->removal_due_ms = clock_mono_ms() + ms;
        source_again(s, ms);
    }
}

/* Objects that somebody changed or deleted are applied again. */
static void look_at_all(struct source *s)
{
    for (size_t i = 0; i < s->n_units && !source_stopping(s); i++) {
        struct unit *u = s->units[i];
        bool applied = u->state == UNIT_APPLIED;
        for (size_t k = 0; applied && k < u->n_wants; k++) {
            int64_t rev = 0;
            if (object_revision(s, u->wants[k], &rev, NULL) == 0 && rev != u->wants[k]->rev) {
                u->wants[k]->sum = 0;
                u->wants[k]->rev = rev;
                u->state = UNIT_READ;
                u->due_ms = 0;
            }
        }
        if (u->state == UNIT_BROKEN) {
            u->state = UNIT_UNREAD;
            u->due_ms = 0;
            source_again(s, SETTLE_MS);
        }
    }
    s->told = 0;
}

/* ---- a run ---- */

static bool has_unstored(const struct source *s)
{
    for (size_t b = 0; b < s->inventory.n_buckets; b++) {
        for (const struct item *i = s->inventory.buckets[b]; i; i = i->next) {
            if (!i->stored && i->unit) {
                return true;
            }
        }
    }
    return false;
}

static bool save(struct source *s)
{
    AUTO(err_finish) struct err err = {0};
    if (source_stopping(s)) { /* perhaps the inventory is another server's already */
        return false;
    }
    if (inventory_save(&s->inventory, s->client, &err)) {
        root_failed(s, "Inventory", err_message(&err));
        source_again(s, ROOT_MS);
        return false;
    }
    s->dirty = false;
    return true;
}

static void reconcile(struct source *s)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < s->n_units; i++) {
        s->units[i]->seen = false;
    }
    for (size_t i = 0; i < s->tree.n_files && !source_stopping(s); i++) {
        meet_file(s, &s->tree.files[i], now);
    }
    if (source_stopping(s)) {
        return;
    }
    meet_absence(s, now);
    meet_dirs(s);
    settle_claims(s);
    if (now >= s->all_ms) {
        s->all_ms = now + s->interval_ms;
        look_at_all(s);
    }
    if (has_unstored(s) && !save(s)) {
        return;
    }
    apply(s);
    if (!source_stopping(s) && is_all_read(s)) {
        remove_abandoned(s);
    }
    if (s->dirty) {
        save(s);
    }
    if (s->done.created || s->done.changed || s->done.removed) {
        hasten(s);
    }
}

static bool load(struct source *s)
{
    AUTO(err_finish) struct err err = {0};
    if (s->loaded) {
        return true;
    }
    s->loaded = inventory_load(&s->inventory, s->client, &err) == 0;
    if (!s->loaded) {
        root_failed(s, "Inventory", err_message(&err));
        source_again(s, ROOT_MS);
    }
    return s->loaded;
}

void source_run(struct source *s)
{
    s->next_ms = INT64_MAX;
    source_again(s, s->interval_ms);
    memset(&s->done, 0, sizeof(s->done));
    if (!load(s)) {
        return;
    }
    if (walk(s)) {
        reconcile(s);
        for (size_t i = 0; i < s->n_units; i++) {
            const struct unit *u = s->units[i];
            if (u->seen && (u->state == UNIT_UNREAD || u->state == UNIT_READ)) {
                int64_t left = u->due_ms - clock_mono_ms();
                source_again(s, left > 0 ? left : SETTLE_MS);
            }
        }
    }
    if (s->tree.n_dirs && !s->watching && !s->warned) {
        log_warn("not every directory can be watched: fs.inotify.max_user_watches or "
                 "max_user_instances is reached; they are looked at from time to time",
                 LOG_Z("source", s->name), LOG_I("directories", s->tree.n_dirs));
        s->warned = true;
    }
    if (!s->watching) {
        source_again(s, s->interval_ms < POLL_MS ? s->interval_ms : POLL_MS);
    }
    if (!source_stopping(s)) {
        source_report(s);
    }
    if (s->done.created || s->done.changed || s->done.removed) {
        log_info("objects were provisioned", LOG_Z("source", s->name),
                 LOG_I("created", s->done.created), LOG_I("changed", s->done.changed),
                 LOG_I("removed", s->done.removed));
    }
}
