/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs on resources. rest.c finds what is meant and checks that it exists; rest_write.c,
 * rest_list.c and rest_watch.c do it. */
#ifndef APISERVER_REST_H
#define APISERVER_REST_H

#include "apiserver/call.h"
#include "resources/represent.h"

/* The verb of a resource request as it is authorised and logged: "get", "list", ..., "" for a
 * method that means nothing. From route, method and query alone. In memory that stays. */
struct str rest_verb(const struct call *c);

/* What a resource request turned out to mean; in the call's arena, at its priv. */
struct rest {
    struct type *type; /* c->op holds the reference */
    const struct type_version *version;
    enum verb verb;
    struct representation form;
    bool whole;    /* YAML: a list is put together before it is sent */
    void *of_verb; /* the verb's own state */
    struct str subresource, subpath; /* of the path: those that take what stands behind them have a subpath */
    const struct type_subresource *sub; /* NULL: none, or status and scale of custom types */
    const struct type_query *query;     /* a get that is computed; NULL: none */
    bool accepted; /* a delete that leaves the object there is answered with 202 */
};

/* Each answers the call. c->op is set up but for what is the verb's own. */
void rest_get(struct call *c);
void rest_list(struct call *c);
void rest_watch(struct call *c);
void rest_write(struct call *c); /* create, update, patch, delete, deletecollection */
/* A subresource that changes the object by a hook, whatever the method and body: an update. */
void rest_change(struct call *c);

/* Calls next once c->op's read sees all that it must (engine_wants_sync): mostly at once; or answers
 * the call. */
void rest_when_synced(struct call *c, void (*next)(struct call *c));
/* Answers with the outcome of c->op. */
void rest_answer(struct call *c);
/* Answers with JSON in the form that was asked for; takes json over. */
void rest_answer_json(struct call *c, int status, struct buf *json);
/* Puts JSON into the form asked for: YAML, protobuf, CBOR, indented, or as it is with a line's end.
 */
int rest_reformat(struct call *c, struct buf *json, struct err *err);

#endif
