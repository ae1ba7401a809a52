/* SPDX-License-Identifier: Apache-2.0 */
/* What an author of a controller reads first. A controller has a name, the types it watches and how
 * their objects map to its keys, and a reconcile function that brings one key's world from what is
 * to what should be. The runtime (controllers/manager.h) never runs one key twice at once, merges
 * events, and repeats what failed with back-off.
 *
 *   static int reconcile(struct reconcile *r, struct err *err)
 *   {
 *       struct client_ref ref = {.ns = r->ns, .name = r->name};
 *       yyjson_mut_doc *d = NULL;
 *       ref.group = STR("example.com");
 *       ref.resource = STR("widgets");
 *       int code = client_get(r->client, &ref, r->arena, &d, err);
 *       if (code == ERR_NOT_FOUND) {
 *           return 0;
 *       }
 *       ...
 *   }
 */
#ifndef CONTROLLERS_CONTROLLER_H
#define CONTROLLERS_CONTROLLER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "resources/client.h"

/* One call of a reconcile function. */
struct reconcile {
    struct client *client;
    struct arena *arena; /* released after the call */
    struct str ns, name; /* the key */
    void *self;          /* the controller's */
    int64_t again_ms;    /* set > 0: run this key again after that time */
};

/* 0: done (or again after r->again_ms). Negative: failed; it is logged and run again with back-off.
 * ERR_CONFLICT is the quiet form: somebody else wrote first; it is run again soon and not logged.
 * Any worker thread; may wait. */
typedef int reconcile_fn(struct reconcile *r, struct err *err);

struct controller_queue;
/* Queues a key; for mapping functions. */
void controller_enqueue(struct controller_queue *q, struct str ns, struct str name);

enum informer_event_type { INFORMER_PUT, INFORMER_DELETED };
/* What an informer saw. The tree lives until the handler returns; of a DELETED it is the last
 * state, or NULL when that is not known. */
struct informer_event {
    enum informer_event_type type;
    struct str ns, name;
    const yyjson_mut_val *obj;
};

/* Enqueues the keys that an object concerns. Must be quick. */
typedef void controller_map_fn(void *self, const struct informer_event *e,
                               struct controller_queue *q);

/* Only objects that are being deleted: for what takes care of their end. */
void controller_map_deleting(void *self, const struct informer_event *e, struct controller_queue *q);

struct controller_watch {
    struct str group, version, resource; /* version "": the storage version */
    controller_map_fn *map;              /* NULL: the object's own key */
};

struct controller {
    const char *name;
    const struct controller_watch *watches;
    size_t n_watches;
    reconcile_fn *reconcile;
    void *self;
    unsigned workers; /* 0: 1 */
};

#endif
