/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. */
#ifndef SERVICES_SEARCH_SEARCH_PRIV_H
#define SERVICES_SEARCH_SEARCH_PRIV_H

#include <pthread.h>

#include "base/metrics.h"
#include "resources/engine.h"
#include "resources/text.h"
#include "services/search/search.h"
#include "services/service.h"

/* A type with text fields. */
struct searched {
    struct type *type; /* a reference */
    bool complete;     /* all its objects are in the index */
    bool late;         /* it came while the indexer ran, which heard of none of its changes before */
};

struct search {
    struct engine *engine;
    struct registry *registry;
    struct text *text;
    pthread_mutex_t lock; /* of what follows; held for moments only */
    pthread_cond_t wake;  /* the indexer has something to do */
    pthread_cond_t moved; /* the index has moved on */
    struct searched *types;
    size_t n_types, cap_types;
    _Atomic size_t any_types; /* as n_types, for a look without the lock */
    int64_t heard;            /* the newest revision that was told of, */
    int64_t wanted;           /* ... of a change that concerns the index */
    int64_t at;               /* the revision that the index is at */
    int64_t noted;            /* ... and the one that its file says */
    size_t waiting;           /* who waits for it */
    bool begun, running, stopping, types_changed, damaged;
    struct metric *queries, *rebuilds; /* NULL without metrics */
};

/* ---- search.c ---- */
/* The text type of that store key; NULL: none. Under the lock, or with types that nobody changes. */
struct searched *search_type_of(struct searched *types, size_t n, struct str key);

/* ---- find.c ---- */
int search_find_keys(void *self, struct op *op, struct str **ret_keys, size_t *ret_n, bool *ret_lacking, struct err *err);

/* ---- document.c ---- */
/* What the index holds of an object as stored; in the arena. False: it cannot be read (type, namespace and name are set if the
 * key is of the type). */
bool search_document(const struct type *t, struct str key, const struct stored *s, struct arena *a, struct text_document *ret);
/* What documents of the type are made by: of a type that is searched. */
uint64_t search_generation(const struct type *t);

/* ---- index.c ---- */
/* Keeps the index current until the service is stopped. */
int search_index(struct search *s, struct err *err);

/* ---- answer.c: dashboards' search ---- */
int search_answer(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer, struct err *err);
int search_answer_sortable(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer, struct err *err);

#endif
