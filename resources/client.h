/* SPDX-License-Identifier: Apache-2.0 */
/* What controllers and services program against: the verbs on objects as trees, for one identity. Two implementations: in process
 * (client_local.c: no HTTP, no second copy) and remote (later). Calls wait for their answer: not for event loops. */
#ifndef RESOURCES_CLIENT_H
#define RESOURCES_CLIENT_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"
#include "resources/access.h"
#include "resources/op.h"
#include "resources/patch.h"

struct client;
struct client_watch;

/* A type and where: "" group is the core group; version "" is the storage version; ns "": cluster scope or all namespaces. */
struct client_ref {
    struct str group, version, resource, ns, name, subresource;
};

struct client_options {
    struct str labels, fields; /* selectors as text */
    struct str manager;
    bool dry_run;
    bool force;  /* apply: fields that others own are taken over */
    bool strict; /* unknown fields are refused; they are dropped in silence otherwise */
    enum propagation propagation;
    struct str uid, resource_version; /* delete preconditions */
};

/* All results live in the arena `a`. Errors are those of the API: ERR_NOT_FOUND, ERR_CONFLICT, ERR_INVALID... o may be NULL. */
int client_get(struct client *c, const struct client_ref *r, struct arena *a, yyjson_mut_doc **ret, struct err *err);
typedef int client_visit_fn(void *arg, yyjson_mut_doc *obj, struct err *err);
/* Visits each object (its document lives only during the visit); *ret_rev: the list's resourceVersion. */
int client_list(struct client *c, const struct client_ref *r, const struct client_options *o, client_visit_fn *visit, void *arg,
                int64_t *ret_rev, struct err *err);
int client_create(struct client *c, const struct client_ref *r, yyjson_mut_val *obj, const struct client_options *o, struct arena *a,
                  yyjson_mut_doc **ret, struct err *err);
int client_update(struct client *c, const struct client_ref *r, yyjson_mut_val *obj, const struct client_options *o, struct arena *a,
                  yyjson_mut_doc **ret, struct err *err);
int client_patch(struct client *c, const struct client_ref *r, enum patch_type type, yyjson_mut_val *patch, const struct client_options *o,
                 struct arena *a, yyjson_mut_doc **ret, struct err *err);
int client_delete(struct client *c, const struct client_ref *r, const struct client_options *o, struct err *err);
void client_close(struct client *c); /* NULL allowed */

/* ---- watching, for informers ---- */
enum client_event_type { CLIENT_ADDED, CLIENT_MODIFIED, CLIENT_DELETED, CLIENT_BOOKMARK, CLIENT_GONE };
struct client_event {
    enum client_event_type type; /* GONE: too old; list again */
    struct str ns, name;
    struct blob *bytes; /* the object's JSON in the ref's version, with resourceVersion spliced in or as stored with rev beside it */
    int64_t rev;
    bool has_rev_inside; /* bytes hold resourceVersion already */
};
typedef void client_event_fn(void *arg, const struct client_event *e);
/* Opens a watch from a revision (0: now, with the present objects as ADDED first). */
int client_watch(struct client *c, const struct client_ref *r, const struct client_options *o, int64_t from, struct client_watch **ret,
                 struct err *err);
/* Waits up to timeout_ms (-1: for ever) and delivers what is there. 0; ERR_TIMEOUT: nothing came; ERR_EXPIRED: open anew; ERR_CLOSED. */
int client_watch_next(struct client_watch *w, int timeout_ms, client_event_fn *fn, void *arg, struct err *err);
/* Makes a client_watch_next in another thread return ERR_CLOSED. */
void client_watch_stop(struct client_watch *w);
void client_watch_close(struct client_watch *w);

/* ---- implementations ---- */
struct engine;
/* In process, as the given user (a reference is taken); every call passes authorisation, admission and validation. */
struct client *client_local_create(struct engine *e, struct user *u);

/* The vtable behind it, for implementations. */
struct client_ops {
    int (*get)(struct client *, const struct client_ref *, struct arena *, yyjson_mut_doc **, struct err *);
    int (*list)(struct client *, const struct client_ref *, const struct client_options *, client_visit_fn *, void *, int64_t *, struct err *);
    int (*write)(struct client *, enum verb, const struct client_ref *, enum patch_type, yyjson_mut_val *, const struct client_options *,
                 struct arena *, yyjson_mut_doc **, struct err *);
    int (*watch)(struct client *, const struct client_ref *, const struct client_options *, int64_t, struct client_watch **, struct err *);
    int (*watch_next)(struct client_watch *, int, client_event_fn *, void *, struct err *);
    void (*watch_stop)(struct client_watch *);
    void (*watch_close)(struct client_watch *);
    void (*close)(struct client *);
};
struct client {
    const struct client_ops *ops;
};
struct client_watch {
    const struct client_ops *ops;
};

#endif
