/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. */
#ifndef SERVICES_STORAGE_MIGRATIONS_STORAGE_MIGRATIONS_PRIV_H
#define SERVICES_STORAGE_MIGRATIONS_STORAGE_MIGRATIONS_PRIV_H


#include "base/buf.h"
#include "controllers/controller.h"
#include "resources/engine.h"
#include "services/service.h"
#include "services/storage_migrations/storage_migrations.h"

struct storage_migrations {
    struct engine *engine;
    struct registry *registry;
    struct client *client;
    struct metrics *metrics;
    struct service_stop *stop; /* while it runs */
    struct seen_type *seen; /* the background thread's */
    size_t n_seen, cap_seen;
};

/* ---- scan.c: stored objects under another stamp ---- */
struct scan_item {
    struct scan_item *next;
    struct str key;
    struct stored stored;
    uint64_t stamp;
    struct blob *same; /* what would be written now, where it is what is stored; a reference */
};

/* A walk over the stored objects of a type, a slice at a time. */
struct scan {
    struct engine *engine;
    const struct type *type;
    struct arena arena; /* of the present slice */
    struct buf from;
    struct scan_item *items, **last;
    size_t n, seen, bytes;
    bool done;
};

void scan_init(struct scan *s, struct engine *e, const struct type *t);
void scan_finish(struct scan *s);
/* Reads the next slice: those whose stamp is not the type's. */
int scan_next(struct scan *s, struct err *err);
/* Restamps the items of the slice whose bytes are right; the others stay in the list. */
int scan_restamp(struct scan *s, size_t *ret_n, struct err *err);

/* ---- indexes.c ---- */
/* Builds the indexes that are not ready; at once done where all are. False: it has to be tried again. */
bool storage_migrations_build_indexes(struct storage_migrations *s);

/* ---- migrate.c ---- */
reconcile_fn migration_reconcile;

extern const struct type_strategy migration_strategy;
extern const struct type_subresource migration_subresources[1];

#endif
