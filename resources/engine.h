/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on resources: created once, used by all threads. It owns the path of every operation (resources/crud.c,
 * list.c, watch.c) over the store and the registry. */
#ifndef RESOURCES_ENGINE_H
#define RESOURCES_ENGINE_H

#include "base/metrics.h"
#include "base/pool.h"
#include "resources/access.h"
#include "resources/admission.h"
#include "resources/op.h"
#include "resources/registry.h"
#include "resources/represent.h"
#include "storage/store.h"

struct engine;
struct watch_hub;

struct engine_options {
    struct store *store;       /* borrowed; the engine sets its on_commit */
    struct registry *registry; /* borrowed */
    struct access *access;     /* borrowed */
    struct metrics *metrics;   /* borrowed; may be NULL */
    size_t pool_threads;       /* 0: 4 */
};

struct engine *engine_create(const struct engine_options *o);
/* What was written so far is durable (store_settle): before anybody is told of it. */
int engine_settle(struct engine *e, struct err *err);
/* Waits for the operations under way, stops the pool. All watches are closed by then. Before the store closes. */
void engine_destroy(struct engine *e);

/* Added at construction, before the first operation. */
void engine_add_admission(struct engine *e, const struct admission_plugin *p);

/* Called after each commit with its changes, in order, once the watches have them; on the committer's thread: it must be quick and must
 * not wait, and neither add nor take away a listener. Where servers share a store it comes whenever others write: from the first
 * moment on, and until it is taken away. */
typedef void engine_changes_fn(void *arg, const struct store_event *events, size_t n);
void engine_on_changes(struct engine *e, engine_changes_fn *fn, void *arg);
/* Takes away what was added with arg; when it returns, that is not called any more. */
void engine_off_changes(struct engine *e, const void *arg);

struct store *engine_store(struct engine *e);
struct registry *engine_registry(struct engine *e);
struct access *engine_access(struct engine *e);
struct pool *engine_pool(struct engine *e);
struct watch_hub *engine_watches(struct engine *e);
struct metrics *engine_metrics(struct engine *e);

/* ---- operations: resources/crud.c ---- */

/* Runs get, create, update, patch, delete or deletecollection (with a subresource or without). op->done is called exactly once, perhaps
 * before this returns, perhaps later on another thread; until then the engine keeps a reference of its own.
 *
 * Does not wait: reads are local; the evaluation of a write runs on the calling thread (create, update and delete of small bodies are cheap
 * enough for an event loop; engine_prefers_pool says which ops a loop should hand over), its commit is asynchronous. */
void engine_start(struct engine *e, struct op *op);
/* The same on the pool. ERR_TOO_MANY through done when the pool is full. */
void engine_start_on_pool(struct engine *e, struct op *op);
/* Whether an event loop should use engine_start_on_pool for this op: patches, deletecollection, virtual creates, large bodies, subresource
 * functions; and all that read the store while reads wait for the disk. */
bool engine_prefers_pool(const struct op *op, size_t body_bytes);
/* Whether reads had to wait for the disk a moment ago: an event loop then leaves them to the pool. Lock-free. */
bool engine_reads_wait(struct engine *e);
/* Start and wait: for threads that may block (controllers, start-up), but not the engine's own pool. Sets op->done. Returns op->code. */
int engine_run(struct engine *e, struct op *op);

/* A read of one object now, without an op: the stored bytes. ERR_NOT_FOUND. *ret_blob is a reference. */
int engine_get(struct engine *e, const struct type *t, struct scope s, struct str name, struct blob **ret_blob,
               struct stored *ret, struct err *err);
/* The definition document of a type, as a tree in the arena (read from the store, or parsed from what it was shipped as). */
int engine_type_document(struct engine *e, const struct type *t, struct arena *a, yyjson_mut_doc **ret, struct err *err);

/* Puts an object straight into the store through the whole write path, if it is not there: for start-up (namespaces). */
int engine_ensure(struct engine *e, struct type *t, struct scope s, yyjson_mut_val *obj, struct err *err);

/* ---- consistent reads: resources/sync.c ---- */

/* Whether op's read must be preceded by engine_sync: a list, watch or deletecollection of what is there now, or a read at a version that was
 * not seen here yet, on a store that other servers write to as well. */
bool engine_wants_sync(const struct op *op);
struct engine_waiter {
    struct engine_waiter *next;
    /* Called once: 0, or why it is not known (ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CLOSED); err is its caller's. */
    void (*done)(struct engine_waiter *w, int code, struct err *err);
};
/* Does not wait: w->done is called, perhaps before this returns, once every change that was acknowledged to anyone before the call is visible
 * to reads here; on the store's thread, so it must be quick. The waiter stays the caller's. */
void engine_sync(struct engine *e, struct engine_waiter *w);

/* ---- lists: resources/list.c ---- */

struct list;
/* Begins the list that op asks for (op->type, version, scope, list options), all at one revision. ERR_BAD_REQUEST, ERR_EXPIRED, ERR_TIMEOUT as
 * the reference answers them. The list keeps a reference to op. */
int list_open(struct engine *e, struct op *op, const struct representation *r, struct list **ret, struct err *err);
/* Appends the next piece of the answer's JSON: the header with the first, the tail with the last; about max bytes (an object is never cut).
 * The list's metadata comes last. Reads only the local store; any thread, one at a time. A piece looks at about a megabyte of
 * objects that do not match at most, so it may come with nothing appended and the list not done. An error after the first piece
 * can only end the connection. */
int list_next(struct list *l, struct buf *b, size_t max, bool *ret_done, struct err *err);
void list_close(struct list *l); /* NULL allowed */

/* In-process: visits every object of the scope that the op's selectors match, as stored. */
typedef int list_visit_fn(void *arg, struct str ns, struct str name, const struct stored *s);
int list_visit(struct engine *e, struct op *op, list_visit_fn *visit, void *arg, int64_t *ret_rev, struct err *err);

#endif
