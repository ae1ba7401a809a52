/* SPDX-License-Identifier: Apache-2.0 */
/* A file as it was read, and what failed about it. A directory that becomes a Folder goes the same
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
static int load_text(const struct source *s, struct unit *u, struct buf *text, bool *ret_changed,
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

int unit_load(const struct source *s, struct unit *u, struct documents *d, bool *ret_changed,
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
    int rc = unit_load(s, u, &d, &changed, &reason, &err);
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
