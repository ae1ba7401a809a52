/* SPDX-License-Identifier: Apache-2.0 */
/* Catching up: reading from the store what the ring does not hold, the initial objects or the log,
 * into a watcher's queue. Runs on the pool, a slice at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "resources/watch_priv.h"

struct watch_item *watch_item_create(enum watch_event_type type, struct str key)
{
    struct watch_item *i = alloc_zero(sizeof(*i) + key.len);
    i->type = type;
    i->key_len = key.len;
    if (key.len) {
        memcpy(i->key, key.ptr, key.len);
    }
    return i;
}

void watch_item_free(struct watch_item *i)
{
    blob_unref(i->line);
    blob_unref(i->blob);
    err_finish(&i->err);
    free(i);
}

void watch_queue(struct watcher *w, struct watch_item *i)
{
    *w->last = i;
    w->last = &i->next;
}

static void queue_line(struct watcher *w, struct blob *line)
{
    if (line) {
        struct watch_item *i = watch_item_create(WATCH_ADDED, STR_NULL);
        i->line = line;
        watch_queue(w, i);
    }
}

void watch_fail(struct watcher *w, struct err *err)
{
    w->mode = WATCH_MODE_ENDED;
    if (w->encoded) {
        queue_line(w, watch_line_error(w, err));
        return;
    }
    struct watch_item *i = watch_item_create(WATCH_ERROR, STR_NULL);
    err_move(&i->err, err);
    watch_queue(w, i);
}

/* ---- the initial objects ---- */

static int add_initial(void *arg, struct str ns, struct str name, const struct stored *s)
{
    struct watcher *w = arg;
    if (w->encoded) {
        queue_line(w, watch_line(w, WATCH_ADDED, s));
        return 0;
    }
    struct arena a;
    arena_init(&a, 0);
    struct watch_item *i = watch_item_create(
        WATCH_ADDED, type_key(w->type, (struct scope){w->op->scope.workspace, ns}, name, &a));
    arena_finish(&a);
    i->blob = blob_create(s->value);
    i->rev = s->rev;
    i->stamp = s->stamp;
    watch_queue(w, i);
    return 0;
}

static void end_initial(struct watcher *w)
{
    list_close(take(&w->list));
    w->mode = WATCH_MODE_ATTACH;
    if (!w->initial_end) {
        return;
    }
    if (w->encoded) {
        queue_line(w, watch_line_bookmark(w, w->rev, true));
    } else {
        struct watch_item *i = watch_item_create(WATCH_BOOKMARK, STR_NULL);
        i->rev = w->rev;
        watch_queue(w, i);
    }
}

static void read_initial(struct watcher *w)
{
    AUTO(err_finish) struct err err = {0};
    bool done = false;
    if (list_step(w->list, add_initial, w, &done, &w->rev, &err)) {
        watch_fail(w, &err);
    } else if (done) {
        end_initial(w);
    }
}

/* ---- the log ---- */

struct log_reader {
    struct watcher *w;
    struct watch_entry
        *entry; /* the event as the ring would hold it, for judging; made anew for each */
    size_t bytes;
    struct watch_entry **aside; /* to be converted before they are judged */
    size_t n_aside, cap_aside;
    struct err *err; /* what an event could not be shown for */
    int rc;
};

static int queue_event(struct watcher *w, struct watch_entry *e, enum watch_event_type type,
                       struct err *err)
{
    if (w->encoded) {
        struct blob *line = watch_entry_line(w, e, type, err);
        queue_line(w, line);
        return line || !w->converts ? 0 : err->code;
    }
    bool old = type == WATCH_DELETED;
    struct watch_item *i = watch_item_create(type, str_make(e->key, e->key_len));
    i->blob = blob_ref(old ? e->prev : e->value);
    i->rev = e->rev;
    i->stamp = old ? e->prev_stamp : e->stamp;
    watch_queue(w, i);
    return 0;
}

static int take_aside(struct log_reader *l, const struct store_event *event)
{
    if (!watch_in_scope(l->w, event->key)) {
        return 0;
    }
    if (l->n_aside == l->cap_aside) {
        l->cap_aside = l->cap_aside ? l->cap_aside * 2 : 16;
        l->aside = alloc_resize(l->aside, l->cap_aside * sizeof(struct watch_entry *));
    }
    struct watch_entry *e = watch_entry_create(l->w->view->ring, event);
    l->aside[l->n_aside++] = e;
    l->bytes += atomic_load(&e->bytes);
    bool full = l->n_aside >= LIMIT_CONVERSION_OBJECTS || l->bytes >= LIMIT_CONVERSION_BYTES;
    return full ? STORE_STOP : 0;
}

static void replace_blob(struct blob **blob, uint64_t *stamp, const struct stored *s)
{
    if (s->stamp == REPRESENT_SHOWN && *stamp != REPRESENT_SHOWN) {
        blob_unref(*blob);
        *blob = blob_create(s->value);
        *stamp = REPRESENT_SHOWN;
    }
}

/* One call for all that will be shown or looked at by selectors. */
static int convert_aside(struct log_reader *l, struct err *err)
{
    struct watcher *w = l->w;
    struct arena a;
    arena_init(&a, 0);
    struct stored *s = arena_zero(&a, (2 * l->n_aside + 1) * sizeof(*s));
    for (size_t i = 0; i < l->n_aside; i++) {
        const struct watch_entry *e = l->aside[i];
        if (e->value) {
            s[2 * i] = (struct stored){blob_str(e->value), e->rev, e->stamp};
        }
        if (e->prev && (!e->value || w->selective)) {
            s[2 * i + 1] = (struct stored){blob_str(e->prev), e->rev, e->prev_stamp};
        }
    }
    size_t bad = 0;
    struct err why = {0};
    int rc = convert_stored(w->type, w->version, s, 2 * l->n_aside, &a, &bad, &why);
    for (size_t i = 0; i < l->n_aside && !rc; i++) {
        struct watch_entry *e = l->aside[i];
        replace_blob(&e->value, &e->stamp, &s[2 * i]);
        replace_blob(&e->prev, &e->prev_stamp, &s[2 * i + 1]);
    }
    if (rc) {
        yyjson_mut_doc *d = NULL;
        int64_t rev = s[bad].rev;
        rc = represent_own(w->type, &s[bad], &a, &d, NULL)
                 ? err_move(err, &why)
                 : convert_corrupt(w->type, d->root, rev, &why, err);
    }
    err_finish(&why);
    arena_finish(&a);
    return rc;
}

static int queue_aside(struct log_reader *l, struct err *err)
{
    enum watch_event_type type;
    int rc = l->n_aside ? convert_aside(l, err) : 0;
    for (size_t i = 0; i < l->n_aside; i++) {
        if (!rc && watch_judge(l->w, l->aside[i], &type)) {
            rc = queue_event(l->w, l->aside[i], type, err);
        }
        watch_entry_unref(l->aside[i]);
    }
    free(l->aside);
    return rc;
}

static int add_change(void *arg, const struct store_event *event)
{
    struct log_reader *l = arg;
    struct watcher *w = l->w;
    enum watch_event_type type;
    if (w->waits) {
        return take_aside(l, event);
    }
    if (watch_in_scope(w, event->key)) {
        struct watch_entry *e = watch_entry_create(w->view->ring, event);
        if (watch_judge(w, e, &type)) {
            l->rc = queue_event(w, e, type, l->err);
        }
        l->bytes += atomic_load(&e->bytes);
        watch_entry_unref(e);
    }
    return l->rc || l->bytes >= LIMIT_WATCH_GATHER_BYTES ? STORE_STOP : 0;
}

static void read_log(struct watcher *w)
{
    enum { SLICE_EVENTS = 1000 };
    struct store *s = w->op->engine->store;
    AUTO(err_finish) struct err err = {0}, bad = {0};
    struct log_reader l = {.w = w, .err = &bad};
    int64_t to = w->rev;
    /* A single key may be the prefix of others, which add_change passes over. */
    int rc = store_changes(s, w->prefix, w->rev, SLICE_EVENTS, add_change, &l, &to, &err);
    if (rc == ERR_EXPIRED) {
        status_expired(&err, "too old resource version: %lld (%lld)", (long long)w->rev,
                       (long long)store_floor(s));
    }
    l.rc = l.rc ? l.rc : queue_aside(&l, &bad);
    if (rc || l.rc) {
        watch_fail(w, rc ? &err : &bad);
        return;
    }
    w->rev = to > w->rev ? to : w->rev;
    w->mode = WATCH_MODE_ATTACH;
}

void watch_catch_up(struct watcher *w)
{
    watch_refresh_type(w);
    if (w->mode == WATCH_MODE_INITIAL) {
        read_initial(w);
    } else if (w->mode == WATCH_MODE_LOG) {
        read_log(w);
    }
}
