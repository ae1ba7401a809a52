/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of the OpenAPI documents. Each piece is one type's, or shared by all, so that a
 * document is made without ever being held as a tree. */
#ifndef APISERVER_OPENAPI_PRIV_H
#define APISERVER_OPENAPI_PRIV_H

#include <yyjson.h>

#include "apiserver/document_cache.h"
#include "base/arena.h"
#include "base/buf.h"
#include "resources/registry.h"
#include "schemas/openapi.h"

/* Raised when the documents made from the same definitions change, so that clients' caches do not
 * outlive an upgrade. */
#define OPENAPI_EDITION 1

#define OPENAPI_META "io.k8s.apimachinery.pkg.apis.meta.v1."

/* "#/definitions/" or "#/components/schemas/". */
const char *openapi_ref_prefix(enum openapi_form form);

/* ---- openapi_meta.c: what all types refer to ---- */

/* Appends `"io.k8s...ObjectMeta":{...},...`: ObjectMeta, ListMeta, Status, DeleteOptions, Scale and
 * what they refer to. */
void openapi_meta_write(struct buf *b, enum openapi_form form);

/* ---- openapi_paths.c ---- */

/* Appends `"/apis/G/V/...":{...},...` for one version of one type; a comma first unless *first,
 * which is cleared when something was written. */
void openapi_paths_write(struct buf *b, enum openapi_form form, const struct registry_snapshot *s,
                         const struct type *t, const struct type_version *v, bool *first);
/* V2: appends `"limit":{...},...`, the parameters that operations refer to. */
void openapi_parameters_write(struct buf *b);

/* ---- openapi_definitions.c ---- */

/* Appends `"NAME":{...},"NAMEList":{...}` of one version of one type. doc: its definition; NULL: it
 * has gone. It may be changed. */
void openapi_definitions_write(struct buf *b, enum openapi_form form, yyjson_mut_doc *doc,
                               const struct type *t, const struct type_version *v);
/* The name of the list kind's definition. */
void openapi_list_name(struct buf *b, const struct type *t, const struct type_version *v);

/* ---- openapi_proto.c: an OpenAPI v2 document as gnostic's openapi.v2.Document ---- */

/* Each appends fields of Document made from the JSON of the same member. Protocol buffers merge a
 * field that is given again, so the paths and definitions of each type may be appended one after
 * the other. */
void openapi_proto_info(struct buf *b, const yyjson_mut_val *info);
void openapi_proto_paths(struct buf *b, const yyjson_mut_val *paths);
void openapi_proto_definitions(struct buf *b, const yyjson_mut_val *definitions);
void openapi_proto_parameters(struct buf *b, const yyjson_mut_val *parameters);
/* The bearer token, as securityDefinitions and security. */
void openapi_proto_security(struct buf *b, const char *description);

/* ---- openapi_remote.c ---- */

/* The names of definitions that are taken, and by what. */
struct openapi_names {
    struct openapi_name *all;
    struct openapi_server *servers;
    unsigned last_suffix;
    struct arena arena;
};
void openapi_names_init(struct openapi_names *n, const struct registry_snapshot *types);
void openapi_names_finish(struct openapi_names *n);
/* Appends the paths and those definitions of a remote group-version that are not there yet, as
 * members without the braces; takes their names. */
void openapi_remote_write(struct openapi_names *n, const struct apiservice *s,
                          struct buf *ret_paths, struct buf *ret_definitions);

/* ---- openapi_v2.c, openapi_v3.c ---- */

enum { OPENAPI_HASH = 64 };

/* A hash over what the documents of these types are made of: upper-case hexadecimal and a NUL. */
struct openapi_hash {
    uint64_t edition;
    char text[OPENAPI_HASH + 1];
};
/* apis may be NULL. */
void openapi_hash_all(const struct registry_snapshot *s, const struct aggregation_snapshot *apis,
                      struct openapi_hash *ret);
void openapi_hash_version(const struct registry_group *g, struct str version,
                          struct openapi_hash *ret);

int openapi_build_v2_json(const struct document_source *s, struct document **ret, struct err *err);
int openapi_build_v2_proto(const struct document_source *s, struct document **ret, struct err *err);
int openapi_build_v3_index(const struct document_source *s, struct document **ret, struct err *err);
int openapi_build_v3(const struct document_source *s, struct document **ret, struct err *err);

/* What a group-version's document is called: "api/v1", "apis/G/V". */
void openapi_v3_name(struct buf *b, struct str group, struct str version);

#endif
