/* SPDX-License-Identifier: Apache-2.0 */
/* Label and field selectors: parsed once, matched often. */
#ifndef RESOURCES_SELECTOR_H
#define RESOURCES_SELECTOR_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"
#include "resources/type.h"

struct selector; /* in an arena */

/* Parses a labelSelector (all operators: = == != in notin exists !exists > <). Empty text gives NULL: everything. ERR_BAD_REQUEST in
 * the reference's words. */
int selector_parse_labels(struct arena *a, struct str text, struct selector **ret, struct err *err);
/* The form of a LabelSelector object (matchLabels, matchExpressions); one that is absent (o NULL or null) matches nothing. */
int selector_from_object(struct arena *a, const yyjson_mut_val *o, struct selector **ret, struct err *err);
/* Matches the labels map (may be NULL). A NULL selector matches. */
bool selector_match_labels(const struct selector *s, const yyjson_mut_val *labels);

struct field_selector;
/* Parses a fieldSelector (k=v, k==v, k!=v, commas, backslash escapes) for a version of a type: metadata.name, metadata.namespace (of a
 * namespaced type) and the version's fields; another label is ERR_BAD_REQUEST `field label not supported: x` in the reference's words. */
int selector_parse_fields(struct arena *a, struct str text, const struct type *t, const struct type_version *v,
                          struct field_selector **ret, struct err *err);
bool selector_match_fields(const struct field_selector *s, const yyjson_mut_val *obj);
/* What the terms on metadata.name and metadata.namespace say of a key; other terms are taken as true. The whole answer where selector_keys_only. */
bool selector_match_key(const struct field_selector *s, struct str ns, struct str name);
/* The one name that the selector requires of metadata.name (or .namespace): a shortcut for lists and watches. STR_NULL: none. */
struct str selector_required(const struct field_selector *s, const char *label);

/* Whether the selector selects only objects whose value at the path reads as one text, *ret; at the paths of a bound (other may be NULL), only
 * those at the limit *ret or beyond it. Where it says so several times, one of them. For finding candidates. */
bool selector_wants(const struct field_selector *s, const struct jsonpath *path, struct str *ret);
bool selector_wants_bound(const struct field_selector *s, enum type_field_test test, const struct jsonpath *path,
                          const struct jsonpath *other, int64_t *ret);

/* s, and metadata.name one of the n names besides; in the arena, which the names must live as long as. */
struct field_selector *selector_among(struct arena *a, const struct field_selector *s, const struct str *names, size_t n);

/* Both against an object. */
bool selector_match(const struct selector *labels, const struct field_selector *fields, const yyjson_mut_val *obj);
/* Whether only metadata.name and metadata.namespace are asked for, which a key answers without parsing the object. */
bool selector_keys_only(const struct selector *labels, const struct field_selector *fields);

/* A copy that outlives the arena (for watches): into `a`. */
struct selector *selector_copy(struct arena *a, const struct selector *s);

#endif
