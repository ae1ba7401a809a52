/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that a source owns: in memory, and stored as Inventory objects so that they are found again after a restart. */
#ifndef SERVICES_PROVISIONING_INVENTORY_PRIV_H
#define SERVICES_PROVISIONING_INVENTORY_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "resources/client.h"
#include "services/provisioning/documents_priv.h"

struct unit;

struct item {
    struct item *next;     /* of its bucket */
    struct client_ref ref; /* version and subresource empty */
    enum stage stage;
    char *path;            /* of the file it comes from */
    char checksum[65];     /* of the document that was applied last; "": none was */
    uint64_t sum;          /* of what was applied last by this process; 0: nothing */
    int64_t rev;           /* the object's resourceVersion then */
    struct unit *unit;     /* the file that wants it, of those looked at last; NULL: none */
    bool stored;           /* it is in the stored inventory */
    /* of its removal */
    char *message; /* why it failed; NULL: it did not */
    bool fresh;    /* no event was made of that */
};

struct inventory {
    struct str source;
    struct item **buckets;
    size_t n_buckets, n;
    uint64_t *shards; /* hashes of what is stored; 0: nothing is known to be */
    size_t n_shards, n_stored;
};

void inventory_init(struct inventory *v, struct str source);
void inventory_finish(struct inventory *v);
/* NULL: there is none. */
struct item *inventory_find(const struct inventory *v, const struct client_ref *ref);
/* The item, made where there is none. */
struct item *inventory_add(struct inventory *v, const struct client_ref *ref, struct str path);
void inventory_drop(struct inventory *v, struct item *i);
void item_set_path(struct item *i, struct str path);
/* All of them, in an array of n that the caller frees; in the order of removal: what came last first. */
struct item **inventory_sorted(const struct inventory *v);

/* Reads what is stored. */
int inventory_load(struct inventory *v, struct client *c, struct err *err);
/* Writes the parts that are not as they were stored. */
int inventory_save(struct inventory *v, struct client *c, struct err *err);

#endif
