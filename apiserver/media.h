/* SPDX-License-Identifier: Apache-2.0 */
/* The media types of answers. */
#ifndef APISERVER_MEDIA_H
#define APISERVER_MEDIA_H

#include "apiserver/clauses.h"
#include "resources/encoding.h"

#define JSON_TYPE "application/json"
#define YAML_TYPE "application/yaml"
#define PROTOBUF_TYPE "application/vnd.kubernetes.protobuf"
#define CBOR_TYPE "application/cbor"
/* As errors list them: those of objects, and those of watches. */
#define MEDIA_TYPES JSON_TYPE ", " YAML_TYPE ", " PROTOBUF_TYPE ", " CBOR_TYPE
#define MEDIA_STREAM_TYPES                                                                         \
    JSON_TYPE ";stream=watch, " PROTOBUF_TYPE ";stream=watch, " CBOR_TYPE "-seq"

/* The first of the types of objects that the clause takes, in the reference's order; STR_NULL:
 * none. */
struct str media_accepted(const struct clause *k);
/* The encoding that such a type means. YAML is JSON here: it is rewritten whole. */
enum encoding media_encoding(struct str type);
/* The Content-Type of a watch in that encoding. */
struct str media_stream(enum encoding e);

#endif
