/* SPDX-License-Identifier: Apache-2.0 */
/* Watches. A watcher is a cursor, not a queue: a revision and a selector. Recent events of each type lie once in a ring; readers take
 * them from there, and from the store's log when they have fallen behind it. */
#ifndef RESOURCES_WATCH_H
#define RESOURCES_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/err.h"
#include "resources/op.h"
#include "resources/represent.h"

struct watch_hub;
struct watch_group; /* the watchers of one event loop (or other single thread) */
struct watcher;

/* wake(arg, watcher's key) is called on the committer's thread, at most once until watch_group_ready was called again; it must only
 * post a message to the loop. */
typedef void watch_wake_fn(void *arg);
struct watch_group *watch_group_create(struct watch_hub *h, watch_wake_fn *wake, void *arg);
void watch_group_destroy(struct watch_group *g); /* after its watchers */
/* On the group's thread after a wake: re-arms it and calls `each` for every watcher that may have something to read now (those whose
 * type had events, and those whose bookmark is due). Watchers may be closed inside. */
typedef void watch_each_fn(void *arg, struct watcher *w, void *watcher_arg);
void watch_group_ready(struct watch_group *g, watch_each_fn *each, void *arg);

/* Opens the watch that op asks for (type, version, scope, list options: resourceVersion, selectors, bookmarks, sendInitialEvents). arg: handed to
 * `each`. Errors of the reference's that come before the stream: ERR_BAD_REQUEST, ERR_INVALID... A resourceVersion that is too old is not one of them: it
 * is the stream's first event (HTTP 200, ERROR event, end). The watcher keeps a reference to op. On the group's thread; the first
 * watch_read follows at once, no wake announces it. */
int watch_open(struct watch_group *g, struct op *op, const struct representation *r, void *arg, struct watcher **ret, struct err *err);
void watch_close(struct watcher *w); /* on the group's thread; NULL allowed */

enum watch_state {
    WATCH_IDLE,   /* everything was read; a wake follows when there is more */
    WATCH_MORE,   /* max was reached; call again */
    WATCH_HELD,   /* what comes next is being converted; a wake follows when it is */
    WATCH_BEHIND, /* the ring no longer has what it needs next (or the initial list is still to be read): call watch_catch_up on the pool,
                   * then watch_read again */
    WATCH_ENDED,  /* the last event (an ERROR) was given, or the type is gone: end the stream */
};
/* Gives the next events as encoded lines ({"type":..,"object":..}\n), each a reference-counted blob shared by all watchers of the same form;
 * `give` takes the reference over. About max bytes. On the group's thread; takes no lock that is held during I/O. */
typedef void watch_give_fn(void *arg, struct blob *line);
enum watch_state watch_read(struct watcher *w, size_t max, watch_give_fn *give, void *arg);
/* Reads what watch_read could not from the store, up to some hundred KB, to be given by the next watch_read. On the pool; the group's thread
 * must not touch the watcher meanwhile (watch_close waits to be called after). */
void watch_catch_up(struct watcher *w);
/* The type whose conversions watch_catch_up waits for, so that it must run on the threads for that (convert_submit); NULL: none. */
struct type *watcher_waits(const struct watcher *w);
struct op *watcher_op(struct watcher *w);
/* The revision up to which everything was given. */
int64_t watcher_revision(const struct watcher *w);

/* The newest revision whose events watches can have. Any thread. */
int64_t watch_present(struct watch_hub *h);

struct watch_stats {
    uint64_t watchers, events_sent, ring_bytes, behind;
};
void watch_stats(struct watch_hub *h, struct watch_stats *ret);

/* ---- in process: informers ---- */

enum watch_event_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK, WATCH_ERROR };
/* An event not encoded, for in-process readers. Pointers live until the visitor returns (blob may be referenced). */
struct watch_event {
    enum watch_event_type type;
    struct str ns, name;
    struct blob *blob;   /* the object's bytes as stored: the new ones, or the old ones of a DELETED; NULL for BOOKMARK and ERROR */
    int64_t rev;         /* revision of the event: what resourceVersion the object shows */
    uint64_t stamp;
    const struct err *err; /* ERROR */
};
typedef void watch_visit_fn(void *arg, const struct watch_event *e);
/* As watch_read for a watcher opened with r NULL. WATCH_BEHIND: call watch_catch_up right here (an informer's thread may block). */
enum watch_state watch_visit(struct watcher *w, size_t max_events, watch_visit_fn *visit, void *arg);

#endif
