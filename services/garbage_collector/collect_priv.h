/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector does about one object: the decisions, apart from how it hears of the object.
 */
#ifndef SERVICES_GARBAGE_COLLECTOR_COLLECT_PRIV_H
#define SERVICES_GARBAGE_COLLECTOR_COLLECT_PRIV_H

#include <pthread.h>

#include "controllers/workqueue.h"
#include "resources/client.h"
#include "resources/engine.h"

enum { ABSENT_KEPT = 512 };

/* A change that may be work. */
struct note {
    struct note *next;
    bool deleted;
    struct blob *object; /* as it is now, or as it was when it was deleted */
    size_t key_len;
    char key[];
};

struct garbage_collector {
    struct engine *engine;
    struct registry *registry;
    struct client *client;
    struct metric *attempts, *deletions;
    /* Under the lock: the commits' changes to look at, and whether some were not noted. */
    pthread_mutex_t lock;
    pthread_cond_t noted;
    struct note *notes, **last_note;
    size_t note_bytes;
    bool lost, stopping;
    struct workqueue *queue; /* while it runs; keys: "group/resource/ns/name" */
    /* The uids of owners seen to go, most recent last: what tells that an owner of a kind no longer
     * served is gone. */
    pthread_mutex_t absent_lock;
    char *absent[ABSENT_KEPT];
    size_t n_absent;
};

/* Queues an object. */
void collect_enqueue(struct garbage_collector *g, const struct type *t, struct str ns,
                     struct str name);
/* Queues every dependent of the owner. */
int collect_enqueue_dependents(struct garbage_collector *g, struct str uid);
/* Queues those owners of obj that may wait for it. */
void collect_enqueue_owners(struct garbage_collector *g, const yyjson_mut_val *obj,
                            struct arena *a);
/* Remembers that the owner is gone. */
void collect_note_absent(struct garbage_collector *g, struct str uid);

/* Brings one object in order; key as queued. 0; ERR_CONFLICT: again soon; other errors: again with
 * back-off. *ret_again_ms > 0: look again then. */
int collect_object(struct garbage_collector *g, struct str key, struct arena *a,
                   int64_t *ret_again_ms, struct err *err);

#endif
