/* SPDX-License-Identifier: Apache-2.0 */
/* An informer follows one type through a client: it lists, then watches, and tells its handlers of
 * every object that is put or deleted, also over gaps (a watch that ended, history that is gone).
 * It remembers which keys exist and, for each declared index, under which terms; objects themselves
 * are read through the client. */
#ifndef CONTROLLERS_INFORMER_H
#define CONTROLLERS_INFORMER_H

#include "base/metrics.h"
#include "controllers/controller.h"

struct informer;

/* ref: group, version, resource, and a namespace ("" all). c is borrowed. Nothing runs yet. */
struct informer *informer_create(struct client *c, const struct controller_watch *w, struct str ns);
/* Stops its thread and releases everything. NULL allowed. */
void informer_destroy(struct informer *i);

/* Counts its lists and failures in m (NULL: nowhere). Before the start. */
void informer_measure(struct informer *i, struct metrics *m);

/* Before the start. Called on the informer's thread. */
typedef void informer_handler_fn(void *arg, const struct informer_event *e);
void informer_handle(struct informer *i, informer_handler_fn *fn, void *arg);
/* An index: terms(obj) calls add for each term. Before the start. */
typedef void informer_add_term_fn(void *to, struct str term);
typedef void informer_terms_fn(const yyjson_mut_val *obj, informer_add_term_fn *add, void *to);
void informer_index(struct informer *i, const char *name, informer_terms_fn *terms);

void informer_start(struct informer *i);
/* Waits until the first list was handed to the handlers. False: it was stopped before. */
bool informer_wait_synced(struct informer *i);
/* Ends its thread at the next opportunity; informer_destroy waits for it. */
void informer_stop(struct informer *i);

typedef void informer_key_fn(void *arg, struct str ns, struct str name);
/* Visits all keys, or those under a term of an index. Any thread; the visitor must not call the
 * informer. */
void informer_keys(struct informer *i, informer_key_fn *visit, void *arg);
void informer_by_index(struct informer *i, const char *name, struct str term,
                       informer_key_fn *visit, void *arg);

#endif
