/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. Everything but the inbox belongs to the background thread,
 * once it runs. */
#ifndef SERVICES_APISERVICES_APISERVICES_PRIV_H
#define SERVICES_APISERVICES_APISERVICES_PRIV_H

#include <pthread.h>

#include "base/causes.h"
#include "base/metrics.h"
#include "resources/client.h"
#include "resources/engine.h"
#include "resources/registry.h"
#include "services/apiservices/apiservices.h"

#define APISERVICES_URL "coracle.dev/url"
#define APISERVICES_MANAGED "kube-aggregator.kubernetes.io/automanaged"

enum managed { MANAGED_NO, MANAGED_ON_START, MANAGED_ALWAYS };

enum look_step { LOOK_IDLE, LOOK_VERSION, LOOK_GROUPS, LOOK_V3, LOOK_V2 };

/* One remote's server being looked at: a chain of requests, one after the other. */
struct look {
    enum look_step step; /* whose answer is awaited */
    uint64_t number;     /* of the request, so that an answer to an older one is known */
    int64_t due_ms;      /* the next look; of an idle one */
    unsigned failures;   /* in a row */
    bool failed;         /* a document could not be had */
    struct blob *legacy; /* APIResourceList, in case it has nothing better */
    char *v2_etag;       /* of the OpenAPI v2 document it has; NULL: none */
    struct aggregation_documents *next; /* being put together */
};

/* What is known of one APIService object. */
struct record {
    char *name;
    enum managed managed;
    bool local, available, local_condition; /* as its status says */
    int group_priority, version_priority;
    bool status_due;          /* its status is to be written */
    struct apiservice *entry; /* NULL: automanaged, and of no interest to others */
    struct look *look;        /* of a remote */
    struct metric *gauge;
};

/* A change of an object, as the committer told it. */
struct note {
    struct note *next;
    struct blob *object; /* NULL: it is gone */
    char name[];
};

/* An answer of a remote. */
struct reply {
    struct reply *next;
    struct apiservices *service;
    char *name;
    uint64_t number;
    int code, status;
    struct apiservice *target; /* the request points into it */
    struct blob *body;
    char *type, *etag, *text;
};

struct apiservices {
    struct engine *engine;
    struct registry *registry;
    struct client *client;
    struct metrics *metrics;
    const char *cert_file, *key_file; /* shown to remotes; NULL: none */
    struct type *type;
    struct aggregation *table;
    struct record **records; /* by name */
    size_t n, cap;
    uint64_t last_number;
    bool registered; /* the first pass over the server's own types is done */
    bool publish;    /* the table is to be made anew */
    bool look_again; /* an automanaged object was changed or deleted */

    pthread_mutex_t lock; /* the inbox */
    pthread_cond_t wake;
    struct note *notes, **last_note;
    struct reply *replies, **last_reply;
    bool types_changed, stopping;
    int asking; /* requests whose done is still to come */
};

/* ---- check.c ---- */
void apiservice_check(const yyjson_mut_val *obj, struct causes *c);
void apiservice_check_status(const yyjson_mut_val *obj, struct causes *c);
/* Whether s is scheme, host and perhaps a port, and nothing else. */
bool apiservice_url_ok(struct str s);
extern const struct type_strategy apiservice_strategy;
extern const struct type_subresource apiservice_subresources[1];

/* ---- records.c ---- */
struct record *record_find(const struct apiservices *s, struct str name);
/* Takes an object over into its record, made if need be. */
void record_note(struct apiservices *s, struct str name, const yyjson_mut_val *obj);
void record_forget(struct apiservices *s, struct str name);
void record_destroy(struct apiservices *s, struct record *r);
/* Gives a remote's entry other documents, whose reference it takes over. */
void record_set_documents(struct apiservices *s, struct record *r,
                          struct aggregation_documents *documents);
/* Publishes the table where it changed. */
void records_publish(struct apiservices *s);

/* ---- register.c ---- */
/* Brings the automanaged objects to what the server itself serves. False: it is to be tried again.
 */
bool apiservices_register(struct apiservices *s);
/* Writes the condition Available. */
void apiservices_write_status(struct apiservices *s, struct record *r, bool available,
                              const char *reason, struct str message);

/* ---- look.c ---- */
/* Begins what is due; returns when the next is, in ms of the monotonic clock. */
int64_t looks_begin(struct apiservices *s);
void look_reply(struct apiservices *s, struct reply *r);
void look_destroy(struct look *l); /* NULL allowed */
void reply_destroy(struct reply *r);
/* Puts an answer into the inbox; any thread. */
void apiservices_deliver(struct apiservices *s, struct reply *r);

/* ---- documents.c: what remotes say, made safe to hand on; each appends to its buffers ---- */

/* The resources of the group-version in an APIGroupDiscoveryList, as a JSON list. ERR_BAD_REQUEST;
 * ERR_NOT_FOUND: it is not in there. */
int remote_read_groups(struct str body, struct str group, struct str version, struct buf *ret,
                       struct err *err);
/* The same from an APIResourceList. */
int remote_read_resources(struct str body, struct buf *ret, struct err *err);
/* Where the group-version's OpenAPI v3 document is, from the index. */
int remote_read_v3(struct str body, struct str group, struct str version, struct buf *ret,
                   struct err *err);
/* The group-version's paths and the definitions that they need, as members without the braces. */
int remote_read_v2(struct str body, struct str group, struct str version, struct buf *ret_paths,
                   struct buf *ret_definitions, struct err *err);

#endif
