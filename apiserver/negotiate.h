/* SPDX-License-Identifier: Apache-2.0 */
/* Media types: the form of an answer from Accept, the form of a body from Content-Type. */
#ifndef APISERVER_NEGOTIATE_H
#define APISERVER_NEGOTIATE_H

#include "apiserver/call.h"
#include "apiserver/media.h"
#include "resources/represent.h"

enum negotiate_for { NEGOTIATE_OBJECT, NEGOTIATE_LIST, NEGOTIATE_WATCH };

/* Chooses among what is served (JSON, YAML, protobuf and CBOR, as it is, as Table, as
 * PartialObjectMetadata; Tables in JSON and YAML only) and sets c->accept; of a Table, includeObject
 * is read too. builtin: the type's dialect. Objects have protobuf where their type has messages.
 * ERR_NOT_ACCEPTABLE in the words of the dialect; ERR_BAD_REQUEST: includeObject. */
int negotiate_answer(struct call *c, bool builtin, enum negotiate_for what,
                     struct representation *ret, struct err *err);
/* The type in which an error is best told to this client: the first of its choice that is one of
 * those of objects. */
struct str negotiate_error_type(struct call *c);
/* Whether the client is to get indented JSON: ?pretty=true, or a browser or a person's command-line
 * tool. */
bool negotiate_pretty(const struct call *c);

enum media { MEDIA_JSON, MEDIA_YAML, MEDIA_PROTOBUF, MEDIA_CBOR };
/* The form of an object's body; none given is JSON. ERR_MEDIA_TYPE. */
int negotiate_body(const struct call *c, enum media *ret, struct err *err);
/* Whether an apply patch is CBOR (or YAML). */
bool negotiate_patch_cbor(const struct call *c);
/* The kind of patch. ERR_MEDIA_TYPE in the words of the dialect (strategic merge is the built-ins'
 * alone). */
int negotiate_patch(const struct call *c, bool builtin, enum patch_type *ret, struct err *err);

#endif
