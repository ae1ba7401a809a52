/* SPDX-License-Identifier: Apache-2.0 */
/* How an object, a list of them or an event is shown: as itself in a version, as a row of a Table, or as PartialObjectMetadata. */
#ifndef RESOURCES_REPRESENT_H
#define RESOURCES_REPRESENT_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "resources/encoding.h"
#include "resources/type.h"

enum represent_as { REPRESENT_OBJECT, REPRESENT_TABLE, REPRESENT_PARTIAL };
enum include_object { INCLUDE_METADATA, INCLUDE_NONE, INCLUDE_OBJECT };

struct representation {
    enum represent_as as;
    enum include_object include;  /* Table only */
    bool v1beta1;                 /* meta.k8s.io/v1beta1 was asked for */
    enum encoding encoding;       /* what list pieces and watch lines are in; no Table has another than JSON */
};

/* The stamp of a value that was brought into the version asked for (convert_stored). */
#define REPRESENT_SHOWN UINT64_C(0xfffffffffffffffe)

/* A stored object, as the store gave it. */
struct stored {
    struct str value;
    int64_t rev;
    uint64_t stamp;
};

/* Whether the stored bytes are served as they are (a splice): the stamp is the type's present one and version v is the storage version. */
bool represent_is_splice(const struct type *t, const struct type_version *v, const struct stored *s);
/* Appends the object with its resourceVersion spliced in after `"metadata":{`. Only where represent_is_splice. */
void represent_splice(struct buf *b, const struct type *t, const struct stored *s);
/* The stored object as a tree in version v: decoded, pruned, defaulted and converted where the stamp or the version asks for it;
 * with resourceVersion. ERR_CORRUPT; ERR_UNAVAILABLE, ERR_TIMEOUT: a conversion that waits (resources/convert.h). */
int represent_decode(const struct type *t, const struct type_version *v, const struct stored *s, struct arena *a,
                     yyjson_mut_doc **ret, struct err *err);
/* Appends the stored object in version v as JSON (the splice where possible). a: scratch. */
int represent_object(struct buf *b, const struct type *t, const struct type_version *v, const struct stored *s,
                     struct arena *a, struct err *err);
/* Converts and stamps: puts an object tree that is in any of the type's versions into version v (apiVersion, kind, strategy's convert). */
int represent_convert(const struct type *t, const struct type_version *v, yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err);

/* The stored object as a tree in the version it was stored in, pruned and defaulted as that says now. ERR_CORRUPT. */
int represent_own(const struct type *t, const struct stored *s, struct arena *a, yyjson_mut_doc **ret, struct err *err);
/* What is left to do with an object that a converter brought into version v. */
int represent_converted(const struct type *t, const struct type_version *v, yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err);

/* Appends the object, which is in the type's stored version, in its stored form: the type's header first, resourceVersion and selfLink left
 * out. */
void represent_encode(struct buf *b, const struct type *t, yyjson_mut_val *obj);

/* Appends {"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{...}}. */
void represent_partial(struct buf *b, const yyjson_mut_val *obj, bool v1beta1);
/* Appends a whole Table of one row (a get), or of none with obj NULL. columns: whether columnDefinitions is there (events after the
 * first have it null/absent). list_rv: its metadata.resourceVersion; STR_NULL: the object's. */
void represent_table(struct buf *b, const struct type *t, const struct type_version *v, const struct representation *r,
                     yyjson_mut_val *obj, bool columns, struct str list_rv);
/* The pieces of a Table list: `"columnDefinitions":[...]` and one row object. */
void represent_columns(struct buf *b, const struct type *t, const struct type_version *v);
void represent_row(struct buf *b, const struct type *t, const struct type_version *v, const struct representation *r,
                   struct arena *a, yyjson_mut_val *obj);

#endif
