/* SPDX-License-Identifier: Apache-2.0 */
/* ObjectMeta: its validation, what the server sets in it, names. */
#ifndef RESOURCES_METADATA_H
#define RESOURCES_METADATA_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/causes.h"
#include "base/err.h"
#include "resources/type.h"

/* Checks of names, in the reference's words; each adds causes at `at`. */
void name_dns1123_subdomain(struct str name, bool is_prefix, const struct path *at, struct causes *c);
void name_dns1123_label(struct str name, bool is_prefix, const struct path *at, struct causes *c);
void name_path_segment(struct str name, bool is_prefix, const struct path *at, struct causes *c);
/* What Grafana allows: letters of either case, digits, '-', '_', ':' and '.', and none of the words that its paths use. */
void name_grafana(struct str name, bool is_prefix, const struct path *at, struct causes *c);
/* What is wrong with a name, in the reference's words (static texts). Start from {0}. */
struct name_faults {
    const char *text[4];
    size_t n;
};
void name_faults_subdomain(struct str s, struct name_faults *f);
void name_faults_label(struct str s, struct name_faults *f);
void name_faults_label_1035(struct str s, struct name_faults *f);
void name_faults_qualified(struct str s, struct name_faults *f);
void name_faults_label_value(struct str s, struct name_faults *f);
/* Adds each as CAUSE_INVALID of the value. */
void name_faults_add(const struct name_faults *f, struct str value, const struct path *at, struct causes *c);
bool name_is_dns1123_subdomain(struct str s);
bool name_is_dns1123_label(struct str s);
bool name_is_dns1035_label(struct str s);
bool name_is_qualified(struct str s);     /* [prefix/]name: a label key, a finalizer */
bool name_is_label_value(struct str s);

/* Puts the metadata of a decoded object into shape: ERR_BAD_REQUEST where a field has another type than ObjectMeta gives it
 * (Go's words), unknown ObjectMeta fields dropped (reported to `unknown` as "metadata.x"), nulls and empty maps and lists dropped, members in
 * Go's order. obj gets a metadata object where it has none. */
int metadata_decode(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj, struct schema_unknown *unknown, struct err *err);
/* Before a create: name from generateName, uid, creationTimestamp, generation 1, selfLink and the like dropped. now_us: the wall clock. */
void metadata_begin(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str ns, int64_t now_us);
/* Before an update: what a client may not change is taken from old (uid, creationTimestamp, deletionTimestamp,
 * deletionGracePeriodSeconds, generation, selfLink). */
void metadata_carry(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *old);
/* Validates: name, generateName, namespace, labels, annotations (and their total size), finalizers, ownerReferences,
 * managedFields; on update also what is immutable (name, uid, creationTimestamp; no new finalizers while deleting). Adds warnings
 * for what the reference only warns of (finalizers without a domain on custom types). */
struct warnings;
void metadata_validate(const struct type *t, const yyjson_mut_val *obj, const yyjson_mut_val *old, struct causes *c, struct warnings *w);

/* Takes out owner references that stand in the object before, with a warning. */
void metadata_dedup_owners(yyjson_mut_doc *d, yyjson_mut_val *obj, bool after_admission, struct warnings *w);

/* Validates the labels, or else the annotations, alone. */
void metadata_validate_map(const yyjson_mut_val *meta, bool labels, struct causes *c);

static inline yyjson_mut_val *metadata_of(const yyjson_mut_val *obj)
{
    return yyjson_mut_obj_get((yyjson_mut_val *)(uintptr_t)obj, "metadata");
}
struct str metadata_name(const yyjson_mut_val *obj);
struct str metadata_namespace(const yyjson_mut_val *obj);
struct str metadata_uid(const yyjson_mut_val *obj);
bool metadata_deleting(const yyjson_mut_val *obj);
bool metadata_has_finalizer(const yyjson_mut_val *obj, struct str name);
size_t metadata_finalizers(const yyjson_mut_val *obj); /* how many */

/* Warning headers gathered for an answer: texts only, in order, no duplicates, LIMIT_WARNINGS. */
struct warnings {
    struct arena *arena;
    struct str *items;
    size_t n, cap;
};
void warnings_add(struct warnings *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
