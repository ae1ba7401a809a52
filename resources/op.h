/* SPDX-License-Identifier: Apache-2.0 */
/* One operation on resources, from whoever asks (an HTTP request, a controller, a service) to its answer. It has its own
 * arena, is reference-counted, and outlives whoever started it: a submitted commit completes in any case. */
#ifndef RESOURCES_OP_H
#define RESOURCES_OP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/blob.h"
#include "base/err.h"
#include "base/json.h"
#include "base/pool.h"
#include "resources/access.h"
#include "resources/metadata.h"
#include "resources/patch.h"
#include "resources/selector.h"
#include "resources/type.h"

struct engine;

enum field_validation { FIELD_VALIDATION_WARN, FIELD_VALIDATION_IGNORE, FIELD_VALIDATION_STRICT };
enum propagation { PROPAGATION_DEFAULT, PROPAGATION_ORPHAN, PROPAGATION_BACKGROUND, PROPAGATION_FOREGROUND };
enum rv_match { RV_MATCH_UNSET, RV_MATCH_EXACT, RV_MATCH_NOT_OLDER };

struct delete_options {
    struct str uid, resource_version; /* preconditions; STR_NULL: none */
    enum propagation propagation;
    int64_t grace; /* seconds; -1: not given */
};

struct list_options {
    struct selector *labels; /* in the op's arena; NULL: all */
    struct field_selector *fields;
    struct shard_selector *shard; /* NULL: all */
    struct str words; /* only what they match; STR_NULL: all */
    bool narrowed;    /* ... which are these (resources/text.h), in order */
    struct str *keys;
    size_t n_keys;
    int64_t limit; /* 0: all */
    struct str continue_token;
    struct str resource_version; /* as given; "" or STR_NULL: not given */
    enum rv_match match;
    /* watch */
    int64_t timeout_s; /* 0: the server's choice */
    bool bookmarks;
    bool send_initial_events, send_initial_events_given;
};

/* Where the answer of an op that succeeded is. */
struct answer {
    int http_status;        /* 200, 201 */
    bool deleted_status;    /* the answer is the Success Status of a delete, about uid */
    struct str uid;
    /* An object: as stored (bytes that blob holds) when `stored` is set, or a tree in the request's version. */
    bool stored;
    struct blob *blob;      /* a reference the op owns */
    int64_t rev;
    uint64_t stamp;
    yyjson_mut_doc *doc;
    yyjson_mut_val *value;
    struct str location;    /* with an http_status of redirection: a URL reference of printable ASCII; STR_NULL: none */
};

/* Where the time goes, for the log of slow requests: clock_mono_ns() or a sum of it; 0: did not come to it. */
struct op_times {
    uint64_t begun_ns;  /* the engine took it on */
    uint64_t decide_ns; /* in all attempts: conversion, admission, validation, serialisation */
    uint64_t store_ns;  /* in all attempts: from the submit to its outcome */
    uint64_t done_ns;   /* the outcome was there */
};

typedef void op_done_fn(struct op *op, void *arg);

/* A parameter of a request's query, decoded. */
struct op_param {
    struct str key, value;
};

struct op {
    _Atomic unsigned refs;
    struct arena arena;
    struct engine *engine;

    /* ---- the question, set before it starts ---- */
    enum verb verb;
    struct type *type; /* a reference */
    const struct type_version *version;
    struct scope scope; /* ns "" : all namespaces or cluster scope */
    struct str name;
    struct str subresource; /* "" none */
    const struct type_query *query;         /* a get that is computed; NULL: none */
    const struct type_subresource *change;  /* an update by a subresource's change hook (`subresource` is "" then); NULL: none */
    enum verb change_verb;  /* with change: what was asked, update, create or delete */
    struct str subpath;     /* what stood behind the subresource in the path; "" nothing */
    const struct op_param *params; /* of the query, for hooks that answer; in the arena */
    size_t n_params;
    struct user *user;      /* a reference */
    struct str manager;     /* fieldManager, or what stands before the / in the User-Agent */
    struct str field_manager; /* as given in the query; STR_NULL: not given */
    bool dry_run;
    bool presumes;          /* a dry run from outside: what it rests on may be something that is made before the real write */
    bool force;             /* apply */
    enum field_validation validation;
    enum patch_type patch;
    yyjson_mut_doc *body;   /* the decoded object, patch or DeleteOptions; in the arena */
    struct json_duplicates duplicates; /* of the body */
    struct delete_options del;
    struct list_options list;
    op_done_fn *done; /* called exactly once, on any thread; the answer or err is set */
    void *done_arg;
    bool (*is_gone)(void *arg); /* whether whoever asked has gone, told on any thread; NULL: nobody knows */
    void *gone_arg;             /* lives as long as `done` was not called */

    /* ---- the answer ---- */
    int code;        /* 0 or err.code */
    struct err err;
    struct answer answer;
    struct warnings warnings; /* Warning headers, with success or failure */
    struct op_times times;    /* of writes */

    /* ---- the engine's own ---- */
    struct pool_task task;
    struct write *write;
    void *priv;
};

/* One reference. The first chunk of the arena is small. */
struct op *op_create(struct engine *e);
struct op *op_ref(struct op *op);
void op_unref(struct op *op);
/* The first value of a parameter; STR_NULL: it is not given. */
struct str op_param(const struct op *op, const char *key);
/* Sets type and version (taking a reference). */
void op_set_type(struct op *op, struct type *t, const struct type_version *v);

#endif
