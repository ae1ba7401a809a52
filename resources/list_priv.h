/* SPDX-License-Identifier: Apache-2.0 */
/* A list being read: list.c has its frame, list_read.c its items. */
#ifndef RESOURCES_LIST_PRIV_H
#define RESOURCES_LIST_PRIV_H

#include "resources/engine_priv.h"
#include "resources/index_query.h"
#include "resources/list_frame.h"

/* How the objects are come by. */
enum list_way {
    LIST_UNDECIDED,
    LIST_RANGE,  /* all that lies there is looked at */
    LIST_SINGLE, /* one name */
    LIST_WORDS,  /* keys that a search gave (op->list.keys) */
    LIST_INDEX,  /* keys that an index gives */
};

struct list {
    struct engine *e;
    struct op *op; /* a reference */
    struct representation r;
    struct scope scope;
    struct str single; /* the one name that can match; STR_NULL: any */
    struct str prefix; /* of the keys in scope; in the op's arena */
    struct str start;  /* where the continue token begins, relative to prefix; in the op's arena */
    struct arena scratch; /* of the objects being shown */
    struct err err;       /* of a visitor */
    int64_t rev;          /* 0: not known yet, the first piece is read from what is there */
    struct store_hold *hold;
    struct buf from; /* the key to go on from */
    struct buf next; /* right after the page's last key, when it is full */
    bool more, begun, exhausted, selective;
    bool waits; /* objects are converted by something that waits, a batch at a time */
    uint64_t taken;
    int64_t limit; /* <= 0: none */
    int64_t left;  /* objects from the page's first on, as its token says; 0: to be counted */
    /* of one piece */
    struct buf *out;
    size_t out_from, max, scanned;
    struct list_frame frame; /* of the pieces, where the encoding needs one */
    /* in process */
    struct piece *pieces, **last_piece;
    size_t aside; /* pieces that are to be converted */
    enum list_way way;
    struct index_query query; /* LIST_INDEX */
    struct index_keys keys;   /* from `from` on, while there are any */
    bool begun_index;         /* it has given some */
};

/* An object copied out of the store for a visitor that may call it. */
struct piece {
    struct piece *next;
    struct str key;
    struct stored stored;
};

/* Appends the next items to l->out, or copies the next objects into l->pieces where there is none to write to; l->exhausted is set behind the
 * last. */
int list_read(struct list *l, struct err *err);
/* list_index.c. Decides once whether an index is asked. */
bool list_wants_index(struct list *l);
/* Where no keys are at hand, asks the index for the next ones; l->rev is known then, and held. l->way is LIST_RANGE after it where
 * there is no answer. */
int list_index_fill(struct list *l, struct err *err);
/* Keeps the list's revision readable until it is closed. */
int list_hold(struct list *l, struct err *err);
/* The error of a read beneath the floor. */
int list_expired(const struct list *l, struct err *err);

#endif
