/* SPDX-License-Identifier: Apache-2.0 */
/* What the watch files share.
 *
 * A ring a key prefix holds the newest events, appended on the committer's thread. A view is one
 * group's window on one ring: the references it holds are refreshed once a wake under the ring's
 * lock, and the group's watchers then read from it without any lock. A watcher whose place is no
 * longer in the window reads from the store's log. */
#ifndef RESOURCES_WATCH_PRIV_H
#define RESOURCES_WATCH_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "resources/engine_priv.h"
#include "resources/watch.h"

/* An encoded event, shared by all watchers of the same type, version and representation. */
struct watch_form {
    struct watch_form *next;
    struct type *type; /* a reference, so that its address stays its own */
    const struct type_version *version;
    unsigned key; /* event type and representation */
    struct blob *line;
};

enum watch_shown_state { WATCH_SHOWN_PENDING, WATCH_SHOWN_DONE, WATCH_SHOWN_FAILED };

/* An event's object converted into another version: what was asked for of a job, and what came of it.
 * Immutable once its state is no longer pending. */
struct watch_shown {
    struct watch_shown *next;
    struct type *type; /* a reference */
    const struct type_version *version;
    _Atomic int state;
    bool was;                         /* it is the object before the event */
    enum watch_event_type type_shown; /* DONE: of the line, in JSON, that shows it */
    struct blob *line;
    uint64_t failure; /* FAILED: its number in the hub */
    struct err err;
};

/* What selectors look at, parsed once. version NULL: the labels alone, in `now` and `was`; else the
 * whole objects. */
struct watch_parsed {
    struct watch_parsed *next;
    struct type *type;
    const struct type_version *version;
    struct arena arena;
    yyjson_mut_val *now, *was;
};

struct watch_ring;

/* One event. Immutable but for its caches, which only grow, by compare-and-swap. */
struct watch_entry {
    _Atomic unsigned refs;
    struct watch_ring *ring;
    int64_t rev;
    uint64_t stamp, prev_stamp;
    struct blob *value, *prev; /* NULL: deleted; created */
    _Atomic(struct watch_form *) forms;
    _Atomic(struct watch_parsed *) parsed;
    _Atomic(struct watch_shown *) shown;
    _Atomic size_t bytes;
    size_t key_len;
    char key[];
};

struct watch_ring {
    struct watch_ring *next; /* in its bucket */
    struct watch_hub *hub;
    struct str prefix;
    uint64_t hash;
    _Atomic size_t bytes; /* of its entries that are alive, those only windows hold included */
    _Atomic bool shedding;
    pthread_mutex_t lock; /* over what follows */
    struct watch_entry **entries;
    size_t cap; /* a power of two; entry number s stands at s & (cap - 1) */
    uint64_t head, tail;
    int64_t floor; /* every event with a greater revision is in here */
    bool dropped;  /* something was left out or thrown out since the ring was made */
    struct watch_view *views;
};

/* Touched by the group's thread, but for what is atomic. */
struct watch_view {
    struct watch_view *next_in_ring, *next_in_group;
    struct watch_ring *ring;
    struct watch_group *group;
    _Atomic bool dirty;
    struct watch_entry **window; /* from number `first`, n of them */
    size_t n, cap;
    uint64_t first;
    _Atomic uint64_t end; /* first + n, for the ring to see */
    struct watcher *watchers;
    size_t n_watchers;
};

struct watch_group {
    struct watch_group *next; /* in the hub */
    struct watch_hub *hub;
    watch_wake_fn *wake;
    void *arg;
    _Atomic bool armed;
    _Atomic bool due;         /* a bookmark is due */
    _Atomic int64_t next_due; /* milliseconds; INT64_MAX: none */
    struct watch_view *views;
    struct watcher *cursor; /* of the walk in watch_group_ready */
    bool walking;
};

/* A type that is being watched, whatever becomes of it. Under the hub's types lock. */
struct watch_target {
    struct watch_target *next;
    unsigned watchers;
    struct type *type;   /* the newest; a reference */
    uint64_t generation; /* of the snapshot it comes from */
    bool removed;
};

struct watch_hub {
    struct engine *engine;
    _Atomic int64_t rev; /* every event up to it is in its ring */
    _Atomic size_t bytes;
    _Atomic uint64_t watchers, sent, behind;
    _Atomic uint64_t failures; /* conversions that failed */
    size_t bytes_max;

    pthread_mutex_t lock; /* the table of rings */
    struct watch_ring **buckets;
    size_t n_buckets, n_rings;

    pthread_mutex_t types_lock;
    struct watch_target *targets;
    _Atomic uint64_t types_generation; /* moves whenever a target changes */

    pthread_mutex_t timer_lock; /* the groups and the thread that wakes them for bookmarks */
    pthread_cond_t timer_cond;
    struct watch_group *groups;
    pthread_t timer;
    bool timer_runs, stopping;
};

enum watch_mode {
    WATCH_MODE_INITIAL, /* what is there is still to be read */
    WATCH_MODE_LOG,     /* its place is only in the store's log */
    WATCH_MODE_ATTACH,  /* caught up: to be given a place in the ring */
    WATCH_MODE_LIVE,
    WATCH_MODE_ENDED,
};

/* An event that was caught up with and waits to be given. */
struct watch_item {
    struct watch_item *next;
    struct blob *line; /* encoded; or the event as it is: */
    enum watch_event_type type;
    struct blob *blob;
    int64_t rev;
    uint64_t stamp;
    struct err err;
    size_t key_len;
    char key[];
};

struct watcher {
    struct watcher *prev, *next; /* in the view */
    struct watch_view *view;
    struct watch_target *target;
    struct op *op; /* a reference */
    void *arg;
    struct type *type; /* the newest as of types_generation; a reference */
    const struct type_version *version;
    uint64_t types_generation;
    struct str prefix; /* its keys begin so, or are this one */
    int64_t rev;       /* everything up to it was given or is queued */
    int64_t base;      /* LIVE: only what came after it is new */
    uint64_t seq;      /* LIVE: the next entry's number */
    struct watch_item *queue, **last;
    struct list *list;     /* of the initial events */
    int64_t due, deadline; /* bookmarks: milliseconds; INT64_MAX: none */
    struct representation r;
    enum watch_mode mode;
    bool encoded, exact, selective, columns_given, handed_over, initial_end, bookmark_now;
    bool waits;    /* catching up needs conversions that wait */
    bool converts; /* it is encoded, and its type's versions differ */
    bool gone;     /* the type or the version is no longer served */
    uint64_t failures; /* LIVE: the hub's when it came to the ring; newer ones are its own */
};

/* ---- watch_hub.c ---- */
struct watch_hub *watch_hub_create(struct engine *e);
void watch_hub_destroy(struct watch_hub *h);
/* The ring of a prefix, made where there is none. */
struct watch_ring *watch_ring_get(struct watch_hub *h, struct str prefix);
void watch_timer_add(struct watch_group *g, int64_t due);

/* ---- watch_group.c ---- */
struct watch_view *watch_view_get(struct watch_group *g, struct watch_ring *ring);
/* Takes in what the ring has beyond the window. */
void watch_view_refresh(struct watch_view *v);
/* Finds the place of the first event after rev, making the window begin no later. False: the ring
 * begins after it. */
bool watch_view_attach(struct watch_view *v, int64_t rev, uint64_t *ret_seq);
/* Whether the window reaches to the ring's end; *ret_rev: the revision up to which it then holds
 * everything. */
bool watch_view_complete(struct watch_view *v, int64_t *ret_rev);

/* ---- watch_target.c ---- */
struct watch_target *watch_target_get(struct watch_hub *h, struct op *op);
void watch_target_put(struct watch_hub *h, struct watch_target *t);
/* Brings w->type and w->version up to date. False: the type or the version is gone. */
bool watch_refresh_type(struct watcher *w);
void watch_targets_listen(struct watch_hub *h);
/* Wakes the watchers of a ring for another reason than an event. */
void watch_ring_poke(struct watch_ring *ring);

/* ---- watch_form.c ---- */
struct watch_entry *watch_entry_create(struct watch_ring *ring, const struct store_event *e);
struct watch_entry *watch_entry_ref(struct watch_entry *e);
void watch_entry_unref(struct watch_entry *e);
/* Adds to what the entry holds. */
void watch_entry_account(struct watch_entry *e, size_t bytes);
/* Whether a selective watcher looks at nothing but the labels as they are stored. */
bool watch_judges_labels(const struct watcher *w);
/* What the event is to the watcher; false: nothing. */
bool watch_judge(struct watcher *w, struct watch_entry *e, enum watch_event_type *ret);
/* The event's line in the watcher's form, encoded by the first who asks: a reference. NULL: it cannot be
 * shown. */
struct blob *watch_entry_line(struct watcher *w, struct watch_entry *e, enum watch_event_type type,
                              struct err *err);
/* A line of an object in a version, for any watcher of that form. NULL: it cannot be shown. */
struct blob *watch_line_plain(struct type *t, const struct type_version *v,
                              const struct representation *r, enum watch_event_type type,
                              const struct stored *s, struct err *err);
/* A line of its own. */
struct blob *watch_line(struct watcher *w, enum watch_event_type type, const struct stored *s);
struct blob *watch_line_bookmark(struct watcher *w, int64_t rev, bool initial_end);
struct blob *watch_line_error(struct watcher *w, const struct err *err);
bool watch_in_scope(const struct watcher *w, struct str key);

/* ---- watch_shown.c ---- */
enum watch_ready {
    WATCH_READY,
    WATCH_READY_HELD,    /* a job is under way */
    WATCH_READY_UNASKED, /* not outside of watch_shown.c */
    WATCH_READY_FAILED,
};
/* Whether the events of the revision that a LIVE watcher comes to can be shown right here. Where not, it is seen to that they can be, and the
 * group is woken. FAILED: one of them cannot be converted. */
enum watch_ready watch_shown_ready(struct watcher *w, struct err *err);
/* What came of a conversion in the watcher's version; NULL: there is none. */
const struct watch_shown *watch_shown_done(struct watch_entry *e, const struct watcher *w, bool was);
/* The object in it, with its resourceVersion. */
struct str watch_shown_object(const struct watch_shown *s);
void watch_shown_free(struct watch_shown *s);

/* ---- watch_catch.c ---- */
void watch_queue(struct watcher *w, struct watch_item *item);
struct watch_item *watch_item_create(enum watch_event_type type, struct str key);
void watch_item_free(struct watch_item *i);
/* Queues the ERROR event that ends a watch. */
void watch_fail(struct watcher *w, struct err *err);

#endif
